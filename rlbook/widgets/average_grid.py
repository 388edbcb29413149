"""Chapter 4's grid argument, alive: γᵗ r(s_t,a_t) of many episodes piles up in the cells of a map.

Every episode leaves in the cell of each pair it takes γᵗ r(s_t,a_t). The sum over the cells is the return of the
episode; the sum over the average of such grids tends to η(π), and what its cells tend to is ρ_π(s,a) r(s,a)
(thm-return, prop-empirical). `Episodes` plays them from a seed with generator and rules that the browser has a copy
of (frontend/src/average_grid/numerics.js), so that both play the same episodes, step by step.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used
import traitlets as tr

from rlbook import plots
from rlbook.bellman import policy_iteration, transition_matrix
from rlbook.mdp import TabularMDP
from rlbook.occupancies import occupancy
from rlbook.widgets.base import Whole
from rlbook.widgets.dice import uniforms
from rlbook.widgets.maps import MAP_SETTINGS, MapWidget, draw_cells, make_map, read_policy, write_policy

CUT = 1e-6  # an episode that is not absorbed ends when γᵗ is below this
QUANTITIES = ("reward", "visits")
CHUNK = 500  # episodes whose grids are held at once


class Estimate(NamedTuple):
    """A mean over episodes and its standard error; nan where there are too few episodes for one."""

    value: float
    error: float


class Averages(NamedTuple):
    """Means over episodes and their standard errors: of each pair, (S, 4), of each state, (S,), and of the sum."""

    pairs: np.ndarray
    pair_errors: np.ndarray
    states: np.ndarray
    state_errors: np.ndarray
    total: Estimate


class Episodes:
    """The episodes of a policy on a map, numbered from 0, each the same whenever it is asked for.

    Parameters
    ----------
    rows, cell_rewards, slip, gamma, step_reward, goal_reward, pit_reward
        The map, as `make_map` takes it.
    policy : sequence of str
        An arrow for each cell, or a dot for all four alike; empty is dots.
    seed : int from 0 to 2³² − 1

    Raises `ValueError` as `gridworld` does.
    """

    def __init__(self, *, policy=(), seed=0, **map_settings):
        self.mdp = make_map(**map_settings)
        self.pi, self.seed, self.slip = read_policy(policy, self.mdp), seed, map_settings.get("slip", 0.0)
        rows, cells = map_settings["rows"], self.mdp.cells
        kinds = np.array([rows[i][j] for i, j in cells])
        self.absorbing = np.isin(kinds, ["G", "P"])
        self.starts = np.flatnonzero(self.mdp.rho0)
        sure = make_map(**{**map_settings, "slip": 0.0}).P  # where a move leads that does not slip
        self.landing = np.asarray(sure.argmax(axis=-1)).reshape(len(cells), 4)
        powers = [1.0]
        while powers[-1] >= CUT:
            powers.append(powers[-1] * self.mdp.gamma)
        self.powers, self.horizon = np.array(powers), len(powers) - 1

    def play(self, first, count) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Episodes first, …, first + count − 1: states and actions, (count, horizon), and lengths, (count,).

        An episode's length is when it comes to an absorbing cell, which is its state from then on; else the horizon.
        """
        T, base = self.horizon, np.arange(first, first + count, dtype=np.uint64) * np.uint64(2 * self.horizon + 1)
        s = self.starts[(uniforms(self.seed, base) * len(self.starts)).astype(int)]
        states, actions = np.empty((count, T), dtype=int), np.empty((count, T), dtype=int)
        lengths, ahead = np.full(count, T), self.pi.cumsum(axis=1)
        for t in range(T):
            lengths[self.absorbing[s] & (lengths == T)] = t
            act, move = (uniforms(self.seed, base + np.uint64(2 * t + k)) for k in (1, 2))
            a = np.minimum((act[:, None] >= ahead[s]).sum(axis=1), 3)
            states[:, t], actions[:, t] = s, a
            turn = np.where(move < 1 - self.slip, 0, np.where(move < 1 - self.slip / 2, 1, 3))
            s = self.landing[s, (a + turn) % 4]
        return states, actions, lengths

    def visits(self, first, count) -> np.ndarray:
        """What each episode leaves of γᵗ in the cells, (count, S, 4).

        From the step T at which it is absorbed it stays: that is γᵀ/(1−γ) more in that cell, split as π does.
        """
        states, actions, lengths = self.play(first, count)
        S, time = self.mdp.n_states, np.arange(self.horizon)
        grids = np.zeros((count, S, 4))
        n, t = np.nonzero(time < lengths[:, None])
        np.add.at(grids, (n, states[n, t], actions[n, t]), self.powers[t])
        ended = np.flatnonzero(lengths < self.horizon)
        last, tail = states[ended, lengths[ended]], self.powers[lengths[ended]] / (1 - self.mdp.gamma)
        grids[ended, last] += tail[:, None] * self.pi[last]
        return grids

    def average(self, count, quantity) -> Averages:
        """The first `count` episodes' `Averages`, of rewards γᵗr or visits γᵗ."""
        unit, kept = self.unit(quantity), [[], [], []]
        for first in range(0, count, CHUNK):
            grids = self.visits(first, min(CHUNK, count - first)) * unit
            states = grids.sum(axis=2)
            for part, values in zip(kept, (grids, states, states.sum(axis=1)), strict=True):
                part.append(values)
        pairs, states, totals = (
            _mean_and_error(part, size) for part, size in zip(kept, (unit.shape, len(unit), ()), strict=True)
        )
        return Averages(*pairs, *states, Estimate(*map(float, totals)))

    def unit(self, quantity) -> np.ndarray:
        """What a visit counts for: r(s,a), or 1; (S, 4)."""
        return self.mdp.r if quantity == "reward" else np.ones(self.mdp.r.shape)

    @cached_property
    def rho(self) -> np.ndarray:
        """ρ_π(s,a), (S, 4)."""
        return occupancy(self.mdp, self.pi)

    def deviations(self, quantity) -> tuple[np.ndarray, float]:
        """The exact standard deviations of what one episode leaves in each state, (S,), and in all of them.

        What is left in s from x on has the mean v_s(x) = N(x,s) r̄(s), N = (I − γP_π)⁻¹ and r̄ = Σ_a π r. Its variance
        is that of the mean after a step and, from there on, γ² times itself: no difference of squares.
        """
        mdp, pi, gamma, r = self.mdp, self.pi, self.mdp.gamma, self.unit(quantity)
        S, P_pi = mdp.n_states, transition_matrix(mdp, pi)
        N, mean = np.linalg.inv(np.eye(S) - gamma * P_pi), (pi * r).sum(axis=1)
        v = np.column_stack([N * mean, N @ mean])  # (S, S+1): the last for all states together
        earned = np.concatenate([np.eye(S)[:, None] * r[..., None], r[..., None]], axis=2)
        ahead, P = mdp.expect(v), scipy.sparse.csr_array(mdp.P.reshape(r.size, S))
        apart = v[P.indices] - ahead.reshape(r.size, -1).repeat(np.diff(P.indptr), axis=0)
        spread = np.add.reduceat(P.data[:, None] * apart**2, P.indptr[:-1]).reshape(ahead.shape)
        step = (earned + gamma * ahead - v[:, None]) ** 2 + gamma**2 * spread
        later = np.linalg.solve(np.eye(S) - gamma**2 * P_pi, (pi[..., None] * step).sum(axis=1))
        variance = np.maximum(mdp.rho0 @ (later + (v - mdp.rho0 @ v) ** 2), 0.0)  # below 0 it is rounding
        return np.sqrt(variance[:-1]), float(np.sqrt(variance[-1]))


def _mean_and_error(chunks, shape):
    """The mean over the leading axis and its standard error; nan where there is nothing to take them of."""
    nothing = np.full(shape, np.nan)
    if not chunks:
        return nothing, nothing
    values = np.concatenate(chunks)
    n = len(values)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else nothing


class AverageGrid(MapWidget):
    """Episodes of a policy on a map leave γᵗr in its cells; their average beside what it tends to, ρ_π(s,a) r(s,a).

    `AverageGrid()` shows the first preset, `AverageGrid("endless")` another, `AverageGrid(rows=["S..G"])` a map of
    your own.

    Settings
    --------
    preset : one of {presets}; setting it resets the others to that preset's
    rows : the map, as `gridworld` takes it, at most 8 rows of 10
    cell_rewards : what a step that ends in a cell earns besides, H lists of W numbers; or empty
    slip, gamma, step_reward, goal_reward, pit_reward : as `gridworld` takes them; gamma at most 0.98
    policy : rows of ^ > v < and, for all four alike, a dot; or empty, which is dots
    quantity : what piles up: "reward", γᵗr, or "visits", γᵗ
    episodes : how many are in the average, from 0 to 10000
    t : how many steps of the next one have been played; while it is 0, the last whole episode is shown
    seed : of the episodes, from 0 to 2³² − 1

    Another map, policy or seed begins again, with no episodes.
    """

    _view = tr.Unicode("average_grid").tag(sync=True)
    preset = tr.Unicode("goal-and-pit").tag(sync=True, setting=True)
    policy = tr.List(tr.Unicode()).tag(sync=True, setting=True)
    quantity = tr.Enum(QUANTITIES, "reward").tag(sync=True, setting=True)
    episodes = Whole(0, 0, 10_000).tag(sync=True, setting=True)
    t = Whole(0, 0, 100_000).tag(sync=True, setting=True)
    seed = Whole(1, 0, 2**32 - 1).tag(sync=True, setting=True)

    def __init__(self, preset=None, **settings):
        self._played = None, None  # the settings and the episodes that were asked for last
        super().__init__(preset, **settings)

    @property
    def run(self) -> Episodes:
        """The `Episodes`."""
        settings = {**self.map_settings, "policy": self.policy, "seed": self.seed}
        if self._played[0] != settings:
            self._played = settings, Episodes(**settings)
        return self._played[1]

    @property
    def mdp(self) -> TabularMDP:
        """The `TabularMDP` of the map."""
        return self.run.mdp

    @property
    def pi(self) -> np.ndarray:
        """The policy, (S, 4)."""
        return self.run.pi

    @property
    def episode(self) -> np.ndarray:
        """The grid of the episode that is being played, up to its t-th step, or of the last one; (S, 4)."""
        run = self.run
        if not self.t:
            return run.visits(self.episodes - 1, 1)[0] * run.unit(self.quantity) if self.episodes else 0 * run.mdp.r
        states, actions, lengths = run.play(self.episodes, 1)
        if self.t >= lengths[0]:
            return run.visits(self.episodes, 1)[0] * run.unit(self.quantity)
        grid = np.zeros(run.mdp.r.shape)
        np.add.at(grid, (states[0, : self.t], actions[0, : self.t]), run.powers[: self.t])
        return grid * run.unit(self.quantity)

    @property
    def average(self) -> Averages:
        """The average grid with its standard errors: `Averages`."""
        return self.run.average(self.episodes, self.quantity)

    @property
    def exact(self) -> np.ndarray:
        """What the average tends to: ρ_π(s,a) r(s,a), or ρ_π(s,a); (S, 4)."""
        return self.run.rho * self.run.unit(self.quantity)

    @property
    def total(self) -> float:
        """The sum of the exact grid: η(π), or 1/(1−γ)."""
        return float(self.exact.sum())

    @property
    def gap(self) -> float:
        """Σ_s |average − exact| over the states' cells; nan without an episode."""
        return float(abs(self.average.states - self.exact.sum(axis=1)).sum())

    def improve(self) -> None:
        """Take the optimal policy's arrows."""
        self.policy = write_policy(self.rows, self.mdp.cells, policy_iteration(self.mdp).Q)

    def _following(self, before, said):
        """Another map, policy or seed begins again."""
        following = super()._following(before, said)
        if self.preset != before["preset"]:
            return following
        another = any(before[name] != getattr(self, name) for name in (*MAP_SETTINGS, "policy", "seed"))
        return {**following, "episodes": 0, "t": 0} if another else following

    def _draw(self):
        fig, axes = plots.row(3, width=8.4, height=2.6)
        average, exact = self.average.states, self.exact.sum(axis=1)
        colours = (plots.IMPROVED, plots.PLAIN)
        grids = [self.episode.sum(axis=1), np.nan_to_num(average), exact]
        titles = [
            "An episode",
            f"Average of {self.episodes:,}",
            "Exact: ρ r" if self.quantity == "reward" else "Exact: ρ",
        ]
        top = abs(exact).max()
        for i, (ax, values, title) in enumerate(zip(axes, grids, titles, strict=True)):
            if self.quantity == "visits":
                colours = (plots.INK if i == 2 else plots.SAMPLES,) * 2
            policies = [(plots.INK, self.pi)] if i == 0 else []
            draw_cells(
                ax,
                self.rows,
                self.mdp.cells,
                values,
                title=f"{title}\nsum {values.sum():.3g}".replace("-", "−"),
                top=top,
                policies=policies,
                colours=colours,
            )
        return fig

    def alt(self) -> str:
        what = "γᵗ r" if self.quantity == "reward" else "γᵗ"
        value, error = self.average.total
        found = (
            f"sums to {value:.3g}" + (f" ± {error if error > 1e-9 else 0:.2g}" if self.episodes > 1 else "")
            if self.episodes
            else "is empty"
        )
        return (
            f"Three maps of {len(self.rows)} by {len(self.rows[0])} cells with what {what} leaves in each: one "
            f"episode; the average of {self.episodes} episodes, which {found}; and the exact grid, which sums to "
            f"{self.total:.3g}."
        )

    @tr.validate("policy")
    def _policy_that_fits(self, proposal):
        return self._check_arrows("policy", proposal["value"])


# Presets ----------------------------------------------------------------------------------------------------
# Each is (title, the settings that are not the defaults).

DEFAULTS = {
    "rows": ["...G", ".#.P", "S..."],
    "cell_rewards": [],
    "slip": 0.2,
    "gamma": 0.9,
    "step_reward": -0.04,
    "goal_reward": 1.0,
    "pit_reward": -1.0,
    "policy": [],
    "quantity": "reward",
    "episodes": 0,
    "t": 0,
    "seed": 1,
}
ENDLESS = [".....", ".....", ".....", "S...."]
CLIFF = ["......", "......", "......", "SPPPPG"]
CORRIDOR = ["S.......", ".######.", ".......G"]


def _rewards(rows, **at):
    """Zero everywhere but in the cells named r0c1 for row 0, column 1."""
    rewards = np.zeros((len(rows), len(rows[0])))
    for place, value in at.items():
        rewards[tuple(map(int, place[1:].split("c")))] = value
    return rewards.tolist()


SAFE = {"rows": CLIFF, "slip": 0.1, "gamma": 0.95, "step_reward": -0.05, "pit_reward": -5.0}
PRESETS = {
    "goal-and-pit": ("goal and pit", {"policy": [">>>.", "^.^.", "^>^<"], "episodes": 10}),
    "wander": ("wander", {"episodes": 10}),
    "one-way": (
        "no chance",
        {"slip": 0.0, "rows": CORRIDOR, "policy": [">>>>>>>v", ".......v", "^<<<<<<."], "episodes": 1},
    ),
    "safe": ("safe way", {**SAFE, "policy": [">>>>>v", "^>>>>v", "^>>>>v", "^....."], "episodes": 10}),
    "edge": ("along the edge", {**SAFE, "policy": [">>>>>v", ">>>>>v", ">>>>>v", "^....."], "episodes": 10}),
    "endless": (
        "endless",
        {
            "rows": ENDLESS,
            "slip": 0.1,
            "step_reward": 0.0,
            "cell_rewards": _rewards(ENDLESS, r0c4=1, r1c1=-1),
            "quantity": "visits",
            "episodes": 10,
        },
    ),
}
AverageGrid.take_presets(PRESETS, DEFAULTS)
