"""A finite MDP played: an environment of Gymnasium, made by `TabularMDP.to_gymnasium`."""

from __future__ import annotations

import gymnasium
import numpy as np
import scipy
from gymnasium.spaces import Box, Discrete


class TabularEnv(gymnasium.Env):
    """A `TabularMDP` as an environment: states drawn from P, rewards r(s,a), an end where a state is terminal.

    It shows the number of the state, or with `one_hot` a vector that is 1 there and 0 elsewhere, as networks read it.
    `P` and `initial_state_distrib` are its table in Gymnasium's form, which `TabularMDP.from_gymnasium` reads.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012

    def __init__(self, mdp, *, one_hot=False, render_mode=None):
        self.mdp, self.one_hot, self.render_mode = mdp, one_hot, render_mode
        S, A = mdp.r.shape
        self.observation_space = Box(0, 1, (S,), np.float32) if one_hot else Discrete(S)
        self.action_space = Discrete(A)
        self.initial_state_distrib = mdp.rho0
        self._rows = scipy.sparse.csr_array(mdp.P if mdp.is_sparse else mdp.P.reshape(S * A, S))
        self.state = None

    @property
    def P(self) -> dict:
        """{s: {a: [(probability, next state, reward, terminated), …]}}, made anew each time."""
        mdp, table = self.mdp, {}
        for s in range(mdp.n_states):
            table[s] = {}
            for a in range(mdp.n_actions):
                after, chance = self._outcomes(s, a)
                reward, ends = float(mdp.r[s, a]), mdp.terminal[after].tolist()
                table[s][a] = [
                    (p, s_next, reward, end)
                    for p, s_next, end in zip(chance.tolist(), after.tolist(), ends, strict=True)
                ]
        return table

    def _outcomes(self, s, a):
        row = slice(*self._rows.indptr[s * self.mdp.n_actions + a :][:2])
        return self._rows.indices[row], self._rows.data[row]

    def _drawn(self, states, chances):
        cumulated = np.cumsum(chances)
        return int(states[np.searchsorted(cumulated, self.np_random.random() * cumulated[-1], side="right")])

    def _shown(self):
        return np.eye(self.mdp.n_states, dtype=np.float32)[self.state] if self.one_hot else self.state

    def reset(self, *, seed=None, options=None) -> tuple[int | np.ndarray, dict]:
        super().reset(seed=seed)
        starts = np.flatnonzero(self.mdp.rho0)
        self.state = self._drawn(starts, self.mdp.rho0[starts])
        return self._shown(), {}

    def step(self, action) -> tuple[int | np.ndarray, float, bool, bool, dict]:
        if not self.action_space.contains(action):
            raise ValueError(f"action must be a whole number below {self.mdp.n_actions}, got {action!r}")
        reward = float(self.mdp.r[self.state, action])
        self.state = self._drawn(*self._outcomes(self.state, int(action)))
        return self._shown(), reward, bool(self.mdp.terminal[self.state]), False, {}

    def render(self) -> str | None:
        """The map with an @ where the walker is, T in terminal cells and # where no state is; or the state's number."""
        if self.render_mode is None:
            return None
        cells = self.mdp.cells
        if cells is None or self.state is None:
            return f"state {self.state} of {self.mdp.n_states}\n"
        drawn = np.full(cells.max(axis=0) + 1, "#")
        drawn[tuple(cells.T)] = np.where(self.mdp.terminal, "T", ".")
        drawn[tuple(cells[self.state])] = "@"
        return "\n".join("".join(row) for row in drawn) + "\n"
