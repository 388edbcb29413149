"""What ValueIteration and BellmanPlane show: sweeps of a Bellman operator over a map, or over the plane of two states.

The browser has a copy of the little that this takes (frontend/src/shared/grid_numerics.js), held to it by tests.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from rlbook import plots
from rlbook.bellman import (
    bellman_operator,
    error_and_bounds,
    evaluate_policy,
    optimality_operator,
    policy_iteration,
    soft_operator,
    soft_policy_iteration,
)
from rlbook.bellman.operators import best_value
from rlbook.mdp import MOVES, TabularMDP
from rlbook.widgets.maps import make_map, map_shape, read_policy

OPERATORS = {"policy": "T^π", "optimal": "T*", "soft": "T_α"}
NOW = "Beside it, the dot is at the present sweep. Of curves that are equal one lies over the other."
TOLERANCE = 1e-13  # of a fixed point, in units of reward; iteration ends before where rounding does not allow it
GOLDEN = 0.6180339887498949
TWO_STATES = {  # the first action mostly stays, the second stirs; what pays best differs between the states
    "P": [[[0.95, 0.05], [0.4, 0.6]], [[0.05, 0.95], [0.6, 0.4]]],
    "r": [[1.0, 0.0], [0.4, 1.0]],
}


class Swept:
    """What a widget says of its `sweeps` after `k` of them."""

    @property
    def mdp(self) -> TabularMDP:
        """The `TabularMDP` that is swept."""
        return self.sweeps.mdp

    @property
    def Q(self) -> np.ndarray:
        """Q_k, (S, A); of iterates V_k, what looks ahead to V_k."""
        return self.sweeps.ahead(self._last())

    @property
    def V(self) -> np.ndarray:
        """What the operator makes of Q_k, (S,); of iterates V_k, V_k itself."""
        return self.sweeps.at(self._last())

    @property
    def pi(self) -> np.ndarray:
        """π of T^π, (S, A)."""
        return self.sweeps.pi

    @property
    def limit(self) -> np.ndarray:
        """The operator's fixed point, (S, A): Q^π, Q* or Q_α; of iterates V_k, (S,): V^π, V* or V_α."""
        return self.sweeps.limit

    @property
    def error(self) -> float:
        """‖x_k − limit‖∞ of the iterate x_k, which is Q_k or V_k."""
        return self._curve("error")

    @property
    def bounds(self) -> dict[str, float]:
        """What bounds the error at k, by name: envelope, prior, posterior, bracket (see `Sweeps.curves`)."""
        return {name: self._curve(name) for name in ("envelope", "prior", "posterior", "bracket")}

    @property
    def right(self) -> int:
        """In how many states where there is a choice the greedy policy of Q_k is optimal, however ties break."""
        sweeps = self.sweeps
        return int((sweeps.right(self.Q) & ~sweeps.absorbing).sum())

    def _last(self):
        return self.sweeps.iterates(self.k)[-1]

    def _curve(self, name):
        return float(self.sweeps.curves(self.k)[name][-1])

    def _draw_errors(self, ax):
        plots.draw_errors(ax, self.sweeps.curves(max(self.k, 60)), self.k)

    def _sweeping(self):
        """What the pictures are drawn for, and the words for the errors."""
        soft = f" with α = {self.alpha:g}" if self.operator == "soft" else ""
        return (
            f"After {self.k} sweeps of {OPERATORS[self.operator]}{soft}, γ = {self.gamma:g}",
            f"on a logarithmic axis, the error ({self.error:.3g} now) and its bounds against the number of sweeps",
        )


class _Run:
    """What is known at every sweep of an operator's iterates x_0, x_1, …, and of their limit."""

    def curves(self, sweeps) -> dict[str, np.ndarray]:
        """The true error and its bounds at k = 0, …, sweeps, a dict of arrays.

        `error` ‖x_k − x*‖∞, `envelope` γᵏ‖x_0 − x*‖∞, `prior` and `posterior` Banach's bounds, `bracket` the width
        γ/(1−γ)·(max Δ − min Δ) of MacQueen's, Δ = x_k − x_{k−1}. The last two are nan at k = 0.
        """
        names = ("error", "envelope", "prior", "posterior", "bracket")
        values = error_and_bounds(self.iterates(sweeps + 1), self.limit, self.mdp.gamma)
        known = (np.where(np.isfinite(curve), curve, np.nan)[: sweeps + 1] for curve in values)
        return dict(zip(names, known, strict=True))

    def right(self, Q) -> np.ndarray:
        """In which states every greedy action of Q is optimal, however ties are broken; (S,) of bool."""
        return self.absorbing | ~(self.greedy(Q) & ~self.greedy(self.optimal)).any(axis=1)

    def greedy(self, Q) -> np.ndarray:
        """Which actions are the best of Q in their states, as far as rounding lets one say so; (S, A) of bool."""
        return Q >= Q.max(axis=1, keepdims=True) - 1e-9 * (1 + abs(self.optimal).max())

    @cached_property
    def optimal(self) -> np.ndarray:
        """Q*."""
        return policy_iteration(self.mdp).Q

    @cached_property
    def _limit(self):
        """The fixed point of the operator on functions of state and action."""
        if self.operator == "policy":
            return evaluate_policy(self.mdp, self.pi).Q
        if self.operator == "soft":
            return soft_policy_iteration(self.mdp, self.alpha, tol=TOLERANCE).Q
        return self.optimal


class Sweeps(_Run):
    """The iterates Q_k of one operator on a map, from two starts.

    Parameters
    ----------
    rows, cell_rewards, slip, gamma, step_reward, goal_reward, pit_reward
        The map, as `gridworld` takes it; `cell_rewards` may be empty.
    operator : "policy", "optimal" or "soft"
        T^π, T* or T_α.
    alpha : float
        Temperature of T_α.
    policy : sequence of str
        π of T^π: an arrow for each cell, one of ^ > v <, or a dot for all four alike. Empty: dots.
    Q0, other_Q0 : H rows of W lists of four numbers, or empty
        The starts by cell. Absorbing cells start from 0, whatever stands there. Empty is 0 everywhere for the
        first, and for the second what `other` names.
    other : "optimistic", "pessimistic" or "random"
        r_max/(1−γ) everywhere, which is above Q*; r_min/(1−γ), below it; or numbers scattered between.

    Raises `ValueError` as `gridworld` does.
    """

    def __init__(
        self,
        *,
        rows,
        gamma=0.9,
        operator="optimal",
        alpha=0.1,
        policy=(),
        Q0=(),
        other_Q0=(),
        other="optimistic",
        **map_settings,
    ):
        self.mdp = make_map(rows=rows, gamma=gamma, **map_settings)
        self.shape = map_shape(rows)
        self.kinds = np.array([list(row) for row in rows])[tuple(self.mdp.cells.T)]
        self.absorbing = np.isin(self.kinds, ["G", "P"])
        self.operator, self.alpha = operator, alpha
        self.pi = read_policy(policy, self.mdp)
        self._runs = {}
        self._starts = [
            self._by_state(Q0) if len(Q0) else np.zeros(self.mdp.r.shape),
            self._by_state(other_Q0) if len(other_Q0) else self._named_start(other),
        ]

    def apply(self, Q) -> np.ndarray:
        """T Q, (S, 4)."""
        if self.operator == "policy":
            return bellman_operator(self.mdp, self.pi, Q)
        if self.operator == "soft":
            return soft_operator(self.mdp, Q, self.alpha)
        return optimality_operator(self.mdp, Q)

    def values(self, Q) -> np.ndarray:
        """What the operator makes of Q(s,·): its average under π, its maximum, or lse_α; (S,)."""
        if self.operator == "policy":
            return (self.pi * Q).sum(axis=1)
        return best_value(self.mdp, Q, self.alpha if self.operator == "soft" else None)

    def iterates(self, sweeps, start=0) -> np.ndarray:
        """Q_0, …, Q_sweeps, (sweeps + 1, S, 4), from the first start or the other."""
        run = self._runs.setdefault(start, [self._starts[start]])
        while len(run) <= sweeps:
            run.append(self.apply(run[-1]))
        return np.array(run[: sweeps + 1])

    @property
    def limit(self) -> np.ndarray:
        """The operator's fixed point: Q^π, Q* or Q_α."""
        return self._limit

    def ahead(self, Q) -> np.ndarray:
        """Of an iterate, Q: itself, (S, 4)."""
        return Q

    at = values  # of an iterate, V

    def path(self, Q) -> list[list[int]]:
        """The cells that the greedy policy's own moves pass, none of which slips, until the end, a wall or a circle.

        It begins in the likeliest start and takes the first of the best actions; a list of [row, column].
        """
        cells = self.mdp.cells.tolist()
        s = int(np.argmax(self.mdp.rho0))
        best = self.greedy(Q).argmax(axis=1)
        path = [cells[s]]
        while not self.absorbing[s]:
            move = MOVES[best[s]]
            ahead = [path[-1][0] + move[0], path[-1][1] + move[1]]
            if ahead not in cells or ahead in path:
                break
            path.append(ahead)
            s = cells.index(ahead)
        return path

    def by_cell(self, Q) -> list:
        """Q as H lists of W lists of four numbers, 0 at walls: the form of `Q0`."""
        cells = np.zeros((*self.shape, 4))
        cells[tuple(self.mdp.cells.T)] = Q
        return cells.tolist()

    def _by_state(self, by_cell):
        Q = np.array(by_cell, dtype=float)[tuple(self.mdp.cells.T)]
        Q[self.absorbing] = 0
        return Q

    def _named_start(self, name):
        r = self.mdp.r
        low, high = r.min() / (1 - self.mdp.gamma), r.max() / (1 - self.mdp.gamma)
        spread = (np.arange(1, r.size + 1) * GOLDEN % 1).reshape(r.shape)
        Q = {"optimistic": high, "pessimistic": low, "random": low + (high - low) * spread}[name] + np.zeros(r.shape)
        Q[self.absorbing] = 0
        return Q


class PlaneSweeps(_Run):
    """The iterates V_k of one operator on functions of two states, from V_0. For T^π, π is uniform."""

    absorbing = np.zeros(2, dtype=bool)

    def __init__(self, *, gamma, operator="optimal", alpha=0.1, V0=(0.0, 0.0)):
        self.mdp = TabularMDP(TWO_STATES["P"], TWO_STATES["r"], gamma, [0.5, 0.5])
        self.operator, self.alpha, self.V0 = operator, alpha, np.array(V0, dtype=float)
        self.pi = np.full((2, 2), 0.5)

    values = Sweeps.values

    def at(self, V) -> np.ndarray:
        """Of an iterate, V: itself, (2,)."""
        return V

    def ahead(self, V) -> np.ndarray:
        """Q = r + γ E[V(s')], (2, 2)."""
        return self.mdp.r + self.mdp.gamma * self.mdp.expect(V)

    def apply(self, V) -> np.ndarray:
        """T V, (2,)."""
        return self.values(self.ahead(V))

    def iterates(self, sweeps) -> np.ndarray:
        """V_0, …, V_sweeps, (sweeps + 1, 2)."""
        run = [self.V0]
        while len(run) <= sweeps:
            run.append(self.apply(run[-1]))
        return np.array(run)

    @cached_property
    def limit(self) -> np.ndarray:
        """The operator's fixed point: V^π, V* or V_α."""
        return self.values(self._limit)
