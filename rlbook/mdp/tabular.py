"""A finite MDP, checked once and frozen.

Inside, P is kept action-major, as one (A·S, S) matrix: a maximum over actions then runs over a leading axis,
which is much cheaper than over a short trailing one, and dense and sparse transitions share every line.
Outside, everything is (S, A).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.mdp.gymnasium_tables import table_columns, table_environment, terminal_states
from rlbook.mdp.transitions import columns_of

if TYPE_CHECKING:
    import gymnasium

SPARSE_FROM = 400  # states; a gridworld this large or larger keeps its transitions sparse


class TabularMDP:
    """A finite MDP with its arrays checked once, frozen, and shared by every chapter.

    Parameters
    ----------
    P : (S, A, S) array, or (S·A, S) scipy sparse matrix whose row s·A + a is P(·|s,a)
        Transition probabilities.
    r : (S, A) array
        Expected reward of taking action a in state s.
    gamma : float in [0, 1)
        Discount.
    rho0 : (S,) array
        Distribution of the first state.
    terminal : (S,) array of True and False, optional
        The states in which an episode ends; by default none. A terminal state rests: P leads from it to itself, it
        earns nothing, no episode starts there, and nothing is chosen in it. So values and visits, which are sums for
        ever, are those of an absorbing state; but the row that a policy has there is not read, no entropy comes from
        it (def-soft), and a sampled episode has no steps after it has come there.
    cells : (S, 2) integer array, optional
        Row and column of each state, where states are cells of a map (see `gridworld`).

    Rounding is accepted: a row of P or ρ₀ may miss the sum 1 by 1e-8, or by 1e-6 where its numbers fit single
    precision, and is then divided by its sum; an entry of −1e-17 is 0. What stands in the MDP is taken as exact.
    Beside its arguments an MDP keeps `row_width`, the most states that one pair leads to, and `row_error`, by how
    much the sum of a row of P may differ from 1: how well `expect` can be computed depends on the two. None of its
    attributes can be set, and its arrays cannot be written to, after a copy or from a pickle either.

    Raises
    ------
    ValueError
        A shape that does not fit, a number that is not finite, a negative probability, a row of P or ρ₀ that
        does not sum to 1, γ outside [0, 1), a terminal state that is left, earns something or is started from.
        The message names the first bad entry. Under γ = 1 no episodes are summed, even if all of them end.

    >>> from rlbook import TabularMDP
    >>> P = [[[1, 0], [0, 1]], [[0, 1], [1, 0]]]
    >>> stay_or_go = TabularMDP(P, r=[[0, 1], [2, 0]], gamma=0.5, rho0=[1, 0])
    >>> stay_or_go.expect([10, 20])
    array([[10., 20.],
           [20., 10.]])
    """

    def __init__(self, P, r, gamma, rho0, *, terminal=None, cells=None):
        r = checks.array("r", r, ("S", "A"))
        S, A = r.shape
        P = checks.transitions(P, S, A)
        sums = np.asarray(P.sum(axis=-1))
        rho0 = checks.distributions("rho0", rho0, (S,), note=", one entry a state")
        terminal = np.zeros(S, dtype=bool) if terminal is None else checks.mask("terminal", terminal, (S,))
        _check_rest(terminal, P, r, rho0)
        if cells is not None:
            cells = checks.integers("cells", cells, (S, 2))
        vars(self).update(
            n_states=S,
            n_actions=A,
            r=np.asfortranarray(r),  # action-major too, as `expect` gives its result
            gamma=checks.discount(gamma),
            rho0=rho0,
            terminal=terminal,
            cells=cells,
            row_width=int(np.diff(P.indptr).max() if scipy.sparse.issparse(P) else np.count_nonzero(P, axis=2).max()),
            _P=_action_major(P, S, A),
        )
        vars(self)["row_error"] = float(abs(sums - 1).max()) + self.row_width * checks.EPS
        self._freeze()

    def _freeze(self):
        stored = (self._P.data, self._P.indices, self._P.indptr) if self.is_sparse else (self._P,)
        for array in (*stored, self.r, self.rho0, self.terminal, self.cells):
            if array is not None:
                array.flags.writeable = False

    def __setattr__(self, name, value):
        raise AttributeError(f"{name} cannot be set: a TabularMDP stays as it was checked; make another one")

    def __delattr__(self, name):
        raise AttributeError(f"{name} cannot be deleted: a TabularMDP stays as it was checked")

    def __setstate__(self, state):
        vars(self).update(state)  # from a pickle or a deep copy, whose arrays are new
        self._freeze()

    def replace(self, *, P=None, r=None, gamma=None, rho0=None, terminal=None, cells=None) -> TabularMDP:
        """The same MDP but for the arguments that are given, checked anew.

        >>> from rlbook import gridworld
        >>> gridworld(["S..G"], gamma=0.9).replace(gamma=0.5)
        TabularMDP(4 states, 4 actions, gamma=0.5, dense)
        """
        given = {"P": P, "r": r, "gamma": gamma, "rho0": rho0, "terminal": terminal, "cells": cells}
        return TabularMDP(**{name: getattr(self, name) if x is None else x for name, x in given.items()})

    @property
    def P(self) -> np.ndarray | scipy.sparse.csr_array:
        """Transition probabilities: an (S, A, S) array, or (S·A, S) sparse with row s·A + a."""
        S, A = self.n_states, self.n_actions
        if scipy.sparse.issparse(self._P):
            return self._P[np.arange(A * S).reshape(A, S).T.ravel()]
        return self._P.reshape(A, S, S).transpose(1, 0, 2)

    @property
    def is_sparse(self) -> bool:
        """Whether the transitions are stored as a sparse matrix."""
        return scipy.sparse.issparse(self._P)

    def expect(self, v) -> np.ndarray:
        """Expected value at the next state, E[v(s') | s, a] = Σ_s' P(s'|s,a) v(s').

        v is (S,), giving (S, A); or (S, k) for k functions at once, giving (S, A, k).
        """
        v = checks.array("v", v, (self.n_states,), (self.n_states, "k"), copy=False)
        ahead = (self._P @ v).reshape(self.n_actions, self.n_states, *v.shape[1:])
        return ahead.swapaxes(0, 1)

    def flow(self, rho) -> np.ndarray:
        """Mass at the next state, Σ_{s,a} P(s'|s,a) ρ(s,a): the adjoint of `expect`.

        Adjoint means Σ ρ·expect(v) = flow(ρ)·v.
        rho is (S, A), giving (S,); or (S, A, k) for k measures at once, giving (S, k).
        """
        S, A = self.n_states, self.n_actions
        rho = checks.array("rho", rho, (S, A), (S, A, "k"), copy=False)
        return self._P.T @ rho.swapaxes(0, 1).reshape(A * S, *rho.shape[2:])

    def __repr__(self):
        kind = "sparse" if self.is_sparse else "dense"
        return f"TabularMDP({self.n_states} states, {self.n_actions} actions, gamma={self.gamma:g}, {kind})"

    @classmethod
    def from_gymnasium(cls, env, gamma) -> TabularMDP:
        """The MDP behind a Gymnasium environment that publishes its transition table (`env.unwrapped.P`).

        FrozenLake, CliffWalking and Taxi do. P[s][a] lists the transitions (probability, next state, reward,
        terminated); states and actions are numbered from 0, the keys of dicts or the places in lists, and every
        state has the same actions. A state in which an episode ends is terminal, whatever
        its own row of the table says, because the environment never plays that row. ρ₀ is the environment's own
        `initial_state_distrib`, and r(s,a) the expectation of the table's rewards over s'. Rows of float32
        probabilities may be off by 1e-6, and are divided by their sums. A state in which episodes end is `terminal`.

        The table is taken at its word, and it knows no wrapper. Those that leave states, actions and rewards as they
        are do not matter: Gymnasium's own TimeLimit (a truncation is no part of the MDP, and is left out), Autoreset,
        OrderEnforcing, PassiveEnvChecker, RecordEpisodeStatistics, and what renders or records. Any other could
        change what is played, and is refused by name; `env.unwrapped` has none.

        Raises
        ------
        ValueError
            If the environment has no such table or start distribution; if a part of them is missing or is not as
            above (the message names the state, the action and the transition); if it does not keep to its table
            (Taxi's fickle passenger), or may not (a wrapper); or if one state, reachable from the start, is
            entered (a reset included) both with and without the episode's ending: such a table needs a copy of
            that state, which is the caller's to make.
        """
        base = table_environment(env)
        S, A, (s, a, i, p, s_next, reward, ends) = table_columns(base)
        rho0 = checks.distributions(
            "env.initial_state_distrib", base.initial_state_distrib, (S,), note=", one entry a state"
        )
        terminal = terminal_states(s, a, i, s_next, p, ends, rho0 > 0)
        live = ~terminal[s]
        return cls._from_columns(S, A, (x[live] for x in (s, a, p, s_next, reward)), gamma, rho0, terminal)

    @classmethod
    def from_transitions(cls, transitions, gamma, rho0, *, n_actions=None) -> TabularMDP:
        """The MDP of transitions (s, a, p, s', r, ends): from s, action a leads to s' with probability p and earns r.

        `transitions` is rows of these six, a list or an (n, 6) array, in any order; or a function (s, a) ↦ rows of
        (p, s', r, ends), which needs `n_actions` and is asked for every pair; what it says of terminal states is not
        read. `ends` says that the episode ends in s', which is then `terminal`:
        it needs no transitions of its own, and must always be entered so. States and actions are numbered from 0;
        there are as many states as rho0, (S,), has entries. Rewards may differ from one s' to the other: r(s,a) is
        their mean. Rows with the same s, a and s' add up.

        Raises
        ------
        ValueError
            A row that is not as above, a state or action without transitions, probabilities that do not sum to 1, an
            episode that ends in a state that is left again, entered without its ending, or started from. The message
            names the row, or the state and the action.

        >>> from rlbook import TabularMDP, solve
        >>> stay = [(0, 0, 1.0, 0, 1.0, False)]
        >>> rows = [*stay, (0, 1, 0.5, 0, 0.0, False), (0, 1, 0.5, 1, 9.0, True)]
        >>> machine = TabularMDP.from_transitions(rows, gamma=0.5, rho0=[1, 0])
        >>> machine.terminal, solve(machine).V.round(6)
        (array([False,  True]), array([6., 0.]))
        """
        rho0 = checks.distributions("rho0", rho0, ("S",))
        A, columns, terminal = columns_of(transitions, len(rho0), n_actions)
        return cls._from_columns(len(rho0), A, columns, gamma, rho0, terminal)

    def to_gymnasium(self, *, one_hot=False, max_episode_steps=None, render_mode=None) -> gymnasium.Env:
        """This MDP as an environment of Gymnasium, to be played: states drawn from P, rewards r(s,a).

        It shows the number of the state, or with `one_hot` a vector for networks to read. An episode ends in a
        terminal state; one that may never end needs `max_episode_steps`, after which it is truncated. With
        `render_mode="ansi"` it draws itself as text. Its `spec` makes more of it, for `gymnasium.make_vec` too, and
        `from_gymnasium` gives this MDP back.

        >>> from rlbook import gridworld
        >>> env = gridworld(["S.G"], gamma=0.9).to_gymnasium(render_mode="ansi")
        >>> env.reset(seed=0)[0], env.step(1)[:3], env.step(1)[:3]
        (0, (1, 0.0, False), (2, 1.0, True))
        >>> env.render().split()
        ['..@']
        """
        import gymnasium  # here, for it would be a fifth of what `import rlbook` costs
        from gymnasium.envs.registration import EnvSpec

        if render_mode not in (None, "ansi"):
            raise ValueError(f"render_mode must be None or 'ansi', got {render_mode!r}")
        limit = None if max_episode_steps is None else checks.count("max_episode_steps", max_episode_steps)
        spec = EnvSpec(
            "rlbook/TabularMDP-v0",
            entry_point="rlbook.mdp.environment:TabularEnv",
            kwargs={"mdp": self, "one_hot": checks.flag("one_hot", one_hot)},
            max_episode_steps=limit,
        )
        return gymnasium.make(spec, render_mode=render_mode)

    @classmethod
    def _from_columns(cls, S, A, columns, gamma, rho0, terminal):
        """The MDP of transitions s, a, p, s', reward in columns, none of which begins in a terminal state."""
        s, a, p, s_next, reward = columns
        rests = np.repeat(np.flatnonzero(terminal), A)
        rows = np.concatenate([s * A + a, rests * A + np.tile(np.arange(A), terminal.sum())])
        weights = np.concatenate([p, np.ones(len(rests))])
        P = scipy.sparse.csr_array((weights, (rows, np.concatenate([s_next, rests]))), shape=(S * A, S))
        r = np.bincount(s * A + a, p * reward, minlength=S * A).reshape(S, A)
        return cls(P if S >= SPARSE_FROM else P.toarray().reshape(S, A, S), r, gamma, rho0, terminal=terminal)


def _check_rest(terminal, P, r, rho0):
    """Raise unless terminal states are never left, earn nothing, and no episode starts in one."""
    A = r.shape[1]
    for s in np.flatnonzero(terminal).tolist():
        rows = P[s * A : (s + 1) * A].toarray() if scipy.sparse.issparse(P) else P[s]
        earning, leaving = np.flatnonzero(r[s]), np.flatnonzero(rows[:, s] != 1)
        if len(earning):
            raise ValueError(
                f"r[{s}, {earning[0]}] is {r[s, earning[0]]:g}, but state {s} is terminal and earns nothing: a reward "
                f"for coming there belongs to the steps that do"
            )
        if len(leaving):
            a = leaving[0]
            raise ValueError(f"P[{s}, {a}] leaves state {s} with probability {1 - rows[a, s]:g}, but it is terminal")
        if rho0[s]:
            raise ValueError(f"rho0[{s}] is {rho0[s]:g}, but state {s} is terminal: no episode can start there")


def _action_major(P, S, A):
    """P as an (A·S, S) matrix with row a·S + s, dense or CSR."""
    if not scipy.sparse.issparse(P):
        return P.transpose(1, 0, 2).reshape(A * S, S)
    P = P[np.arange(S * A).reshape(S, A).T.ravel()]
    if max(P.nnz, *P.shape) < 2**31:  # a product reads the indices too, so their width is its time
        P.indices, P.indptr = P.indices.astype(np.int32), P.indptr.astype(np.int32)
    return P
