"""A finite MDP, checked once and frozen.

Inside, P is kept action-major, as one (A·S, S) matrix: a maximum over actions then runs over a leading axis,
which is much cheaper than over a short trailing one, and dense and sparse transitions share every line.
Outside, everything is (S, A).
"""

from __future__ import annotations

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.mdp.gymnasium_tables import table_columns, table_environment, terminal_states

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
        does not sum to 1, γ outside [0, 1). The message names the first bad entry.

    >>> from rlbook import TabularMDP
    >>> stay_or_go = TabularMDP(P=[[[1, 0], [0, 1]], [[0, 1], [1, 0]]], r=[[0, 1], [2, 0]], gamma=0.5, rho0=[1, 0])
    >>> stay_or_go.expect([10, 20])
    array([[10., 20.],
           [20., 10.]])
    """

    def __init__(self, P, r, gamma, rho0, *, cells=None):
        r = checks.array("r", r, ("S", "A"))
        S, A = r.shape
        P = checks.transitions(P, S, A)
        sums = np.asarray(P.sum(axis=-1))
        if cells is not None:
            cells = checks.integers("cells", cells, (S, 2))
        vars(self).update(
            n_states=S,
            n_actions=A,
            r=np.asfortranarray(r),  # action-major too, as `expect` gives its result
            gamma=checks.discount(gamma),
            rho0=checks.distributions("rho0", rho0, (S,), note=", one entry a state"),
            cells=cells,
            row_width=int(np.diff(P.indptr).max() if scipy.sparse.issparse(P) else np.count_nonzero(P, axis=2).max()),
            _P=_action_major(P, S, A),
        )
        vars(self)["row_error"] = float(abs(sums - 1).max()) + self.row_width * checks.EPS
        self._freeze()

    def _freeze(self):
        stored = (self._P.data, self._P.indices, self._P.indptr) if self.is_sparse else (self._P,)
        for array in (*stored, self.r, self.rho0, self.cells):
            if array is not None:
                array.flags.writeable = False

    def __setattr__(self, name, value):
        raise AttributeError(f"{name} cannot be set: a TabularMDP stays as it was checked; make another one")

    def __delattr__(self, name):
        raise AttributeError(f"{name} cannot be deleted: a TabularMDP stays as it was checked")

    def __setstate__(self, state):
        vars(self).update(state)  # from a pickle or a deep copy, whose arrays are new
        self._freeze()

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
        state has the same actions. A state in which an episode ends becomes absorbing with zero reward, whatever
        its own row of the table says, because the environment never plays that row. ρ₀ is the environment's own
        `initial_state_distrib`, and r(s,a) the expectation of the table's rewards over s'. Rows of float32
        probabilities may be off by 1e-6, and are divided by their sums.

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
        stays = np.repeat(np.flatnonzero(terminal), A)
        rows = np.concatenate([(s * A + a)[live], stays * A + np.tile(np.arange(A), terminal.sum())])
        columns = np.concatenate([s_next[live], stays])
        weights = np.concatenate([p[live], np.ones(len(stays))])
        P = scipy.sparse.csr_array((weights, (rows, columns)), shape=(S * A, S))
        r = np.bincount((s * A + a)[live], (p * reward)[live], minlength=S * A).reshape(S, A)
        return cls(P if S >= SPARSE_FROM else P.toarray().reshape(S, A, S), r, gamma, rho0)


def _action_major(P, S, A):
    """P as an (A·S, S) matrix with row a·S + s, dense or CSR."""
    if not scipy.sparse.issparse(P):
        return P.transpose(1, 0, 2).reshape(A * S, S)
    P = P[np.arange(S * A).reshape(S, A).T.ravel()]
    if max(P.nnz, *P.shape) < 2**31:  # a product reads the indices too, so their width is its time
        P.indices, P.indptr = P.indices.astype(np.int32), P.indptr.astype(np.int32)
    return P
