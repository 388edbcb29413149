"""Chapter 2's widget: a Bellman operator sweeps a map that the reader edits, or the plane of two states.

On the map the iterates are Q_{k+1} = T Q_k, with T one of T^π, T* and T_α (def-operators, def-optimality,
def-soft), from two starts at once. In the plane they are V_{k+1} = T V_k, for the same operators on functions of
the state. `Sweeps` and `PlaneSweeps` compute them with `rlbook.bellman`; the browser has a copy of the little that
this takes (frontend/src/shared/grid_numerics.js), held to it by tests.

An edit keeps what the sweeps have found: the present Q_k becomes the new Q_0, and k counts from 0 again.
"""

from __future__ import annotations

import numpy as np
import traitlets as tr

from rlbook import plots
from rlbook.bellman import (
    greedy_policy,
    soft_policy,
)
from rlbook.mdp import TabularMDP
from rlbook.widgets.base import Number, Numbers, Whole
from rlbook.widgets.maps import ARROWS, MapWidget, map_shape
from rlbook.widgets.sweeps import TWO_STATES, PlaneSweeps, Sweeps

OPERATORS = ("policy", "optimal", "soft")
STARTS = ("optimistic", "pessimistic", "random")


class ValueIteration(MapWidget):
    """A Bellman operator sweeps a map that the reader edits; error and bounds against k; the plane of two states.

    `ValueIteration()` shows the first preset, `ValueIteration("endless")` another,
    `ValueIteration(rows=["..G", "S.P"])` a map of your own.

    Settings
    --------
    preset : one of {presets}; setting it resets the others to that preset's
    view : "grid" or "plane"
    rows : the map, as `gridworld` takes it, at most 12 rows of 16
    cell_rewards : what a step that ends in a cell earns besides, H lists of W numbers; or empty
    slip, gamma, step_reward, goal_reward, pit_reward : as `gridworld` takes them; gamma at most 0.99
    operator : "policy" (T^π), "optimal" (T*) or "soft" (T_α)
    alpha : temperature α of T_α, from 0.01 to 5, in units of reward
    policy : π of T^π, rows of ^ > v < and, for all four alike, a dot; or empty, which is dots
    k : sweeps done, from 0 to 1000
    other : the second start: "optimistic", "pessimistic" or "random"
    Q0, other_Q0 : the starts by cell, H lists of W lists of four numbers; empty: 0, and what `other` says
    V0 : where the plane's iterates start, two numbers

    A change of the map, of γ or of the operator keeps what the sweeps have found: Q_k becomes Q_0, and k is 0.
    """

    _view = tr.Unicode("value_iteration").tag(sync=True)
    LARGEST_MAP = (12, 16)
    preset = tr.Unicode("goal-and-pit").tag(sync=True, setting=True)
    view = tr.Enum(("grid", "plane"), "grid").tag(sync=True, setting=True)
    gamma = Number(0.9, 0, 0.99).tag(sync=True, setting=True)
    operator = tr.Enum(OPERATORS, "optimal").tag(sync=True, setting=True)
    alpha = Number(0.1, 0.01, 5, log=True).tag(sync=True, setting=True)
    policy = tr.List(tr.Unicode()).tag(sync=True, setting=True)
    k = Whole(0, 0, 1000).tag(sync=True, setting=True)
    other = tr.Enum(STARTS, "optimistic").tag(sync=True, setting=True)
    Q0 = tr.List().tag(sync=True, setting=True)
    other_Q0 = tr.List().tag(sync=True, setting=True)
    V0 = Numbers((2,), -10_000, 10_000, "two finite numbers", step=0.1, shown=(-20, 20)).tag(sync=True, setting=True)

    def __init__(self, preset=None, **settings):
        self._swept = None, None  # the settings and the sweeps that were asked for last
        super().__init__(preset, **settings)

    @property
    def sweeps(self) -> Sweeps | PlaneSweeps:
        """The `Sweeps` that the map shows, or the `PlaneSweeps` of the plane."""
        if self.view == "plane":
            return PlaneSweeps(gamma=self.gamma, operator=self.operator, alpha=self.alpha, V0=self.V0)
        settings = self._grid_settings()
        if self._swept[0] != settings:
            self._swept = settings, Sweeps(**settings)
        return self._swept[1]

    @property
    def mdp(self) -> TabularMDP:
        """The `TabularMDP` of the map, or of the plane."""
        return self.sweeps.mdp

    @property
    def Q(self) -> np.ndarray:
        """Q_k, (S, 4). In the plane, what looks ahead to V_k, (2, 2)."""
        sweeps = self.sweeps
        last = sweeps.iterates(self.k)[-1]
        return last if self.view == "grid" else sweeps.lookahead(last)

    @property
    def V(self) -> np.ndarray:
        """V_k, (S,): what the operator makes of Q_k. In the plane, the iterate itself, (2,)."""
        sweeps = self.sweeps
        last = sweeps.iterates(self.k)[-1]
        return sweeps.values(last) if self.view == "grid" else last

    @property
    def pi(self) -> np.ndarray:
        """π of T^π, (S, A)."""
        return self.sweeps.pi

    @property
    def limit(self) -> np.ndarray:
        """The operator's fixed point, Q^π, Q* or Q_α; in the plane V^π, V* or V_α."""
        return self.sweeps.limit

    @property
    def error(self) -> float:
        """‖Q_k − limit‖∞; in the plane ‖V_k − limit‖∞."""
        return self._curve("error")

    @property
    def bounds(self) -> dict[str, float]:
        """What bounds the error at k, by name: envelope, prior, posterior, bracket (see `Sweeps.curves`)."""
        return {name: self._curve(name) for name in ("envelope", "prior", "posterior", "bracket")}

    @property
    def distance(self) -> float:
        """‖Q_k − Q'_k‖∞ between the runs from the two starts; nan in the plane, which has one."""
        if self.view == "plane":
            return np.nan
        sweeps = self.sweeps
        return abs(sweeps.iterates(self.k)[-1] - sweeps.iterates(self.k, start=1)[-1]).max()

    @property
    def right(self) -> int:
        """In how many states where there is a choice the greedy policy of Q_k is optimal, however ties break."""
        sweeps = self.sweeps
        return int((sweeps.right(self.Q) & ~sweeps.absorbing).sum())

    def freeze(self) -> None:
        """Take the greedy policy of the present Q as π, and T^π as the operator."""
        if self.view == "plane":
            raise ValueError("the plane's policy is uniform: freeze a policy in the view 'grid'")
        sweeps, Q = self.sweeps, self.Q
        first = (Q >= Q.max(axis=1, keepdims=True) - 1e-9 * (1 + abs(sweeps.optimal).max())).argmax(axis=1)
        letters = np.full(sweeps.shape, ".")
        letters[tuple(sweeps.mdp.cells.T)] = np.where(sweeps.absorbing, ".", np.array(list(ARROWS))[first])
        with self.hold_trait_notifications():
            self.operator = "policy"
            self.policy = ["".join(row) for row in letters]

    def restart(self) -> None:
        """Back to k = 0 and to the starts that the settings name, forgetting what was carried over."""
        with self.hold_trait_notifications():
            self.k, self.Q0, self.other_Q0 = 0, [], []

    def _draw(self):
        sweeps, curves = self.sweeps, self.sweeps.curves(max(self.k, 60))
        fig, (left, right) = plots.row(2, height=3.1)
        if self.view == "plane":
            plots.draw_plane(left, sweeps.iterates(self.k), sweeps.limit, sweeps.apply, self.gamma)
        else:
            weights = {"policy": sweeps.pi, "soft": soft_policy(self.Q, self.alpha)}.get(self.operator)
            weights = greedy_policy(self.Q) if weights is None else weights
            plots.draw_map(left, self.rows, sweeps.mdp.cells, self.V, weights)
        plots.draw_errors(right, curves, self.k)
        return fig

    def alt(self) -> str:
        what = {"policy": "T^π", "optimal": "T*", "soft": f"T_α with α = {self.alpha:g}"}[self.operator]
        if self.view == "plane":
            first = "The plane of two states with the square around the fixed point and its image"
        else:
            first = f"A map of {len(self.rows)} by {len(self.rows[0])} cells with its values and policy"
        return (
            f"{first} after {self.k} sweeps of {what}, γ = {self.gamma:g}; beside it, on a logarithmic axis, the "
            f"error ({self.error:.3g} now) and its bounds against the number of sweeps."
        )

    def _curve(self, name):
        return float(self.sweeps.curves(self.k)[name][-1])

    def _grid_settings(self):
        return {name: getattr(self, name) for name in GRID_SETTINGS}

    def _following(self, before, said):
        """After a change of the problem the present Q_k becomes Q_0. The plane keeps its V_0 and k."""
        following = super()._following(before, said)
        if self.preset != before["preset"]:
            return following
        changed = {name for name in GRID_SETTINGS if before[name] != getattr(self, name)}
        leaving = before["view"] != self.view
        if map_shape(before["rows"]) != map_shape(self.rows):
            return {**following, "k": 0, "Q0": [], "other_Q0": []}
        if "other" in changed:
            following = {"k": 0, "other_Q0": []}
        if leaving:
            following |= {"k": 0}
        said_itself = said & {"k", "Q0", "other_Q0"}
        another = leaving or changed - {"other", "Q0", "other_Q0"}
        if another and before["view"] == "grid" and before["k"] and not said_itself:
            swept = Sweeps(**{name: before[name] for name in GRID_SETTINGS})
            last = [swept.by_cell(swept.iterates(before["k"], start)[-1]) for start in (0, 1)]
            following = {"k": 0, "Q0": last[0], "other_Q0": last[1], **following}
        return following

    @tr.default("_presets")
    def _settings_of_presets(self):
        presets = super()._settings_of_presets()
        return {**presets, "plane": {**presets["plane"], "problem": TWO_STATES}}

    @tr.validate("Q0", "other_Q0")
    def _numbers_that_fit(self, proposal):
        name, value, shape = proposal["trait"].name, proposal["value"], (*map_shape(self.rows), 4)
        if not value:
            return value
        try:
            array = np.array(value, dtype=float)
        except (TypeError, ValueError):
            array = np.empty(0)
        if array.shape != shape:
            raise tr.TraitError(f"{name} must be empty or have shape {shape} as the map has, got {value!r}")
        if not np.isfinite(array).all():
            raise tr.TraitError(f"{name} must hold finite numbers, got {value!r}")
        return array.tolist()

    @tr.validate("policy")
    def _policy_that_fits(self, proposal):
        return self._check_arrows("policy", proposal["value"])


# Presets ----------------------------------------------------------------------------------------------------
# Each is (title, the settings that are not the defaults).

DEFAULTS = {
    "view": "grid",
    "rows": ["...G", ".#.P", "S..."],
    "cell_rewards": [],
    "slip": 0.2,
    "gamma": 0.9,
    "step_reward": 0.0,
    "goal_reward": 1.0,
    "pit_reward": -1.0,
    "operator": "optimal",
    "alpha": 0.1,
    "policy": [],
    "k": 0,
    "other": "optimistic",
    "Q0": [],
    "other_Q0": [],
    "V0": [0.0, 0.0],
}
GRID_SETTINGS = [name for name in DEFAULTS if name not in ("view", "k", "V0")]


def _rewards(rows, **at):
    """Zero everywhere but in the cells named r0c1 for row 0, column 1."""
    rewards = np.zeros(map_shape(rows))
    for place, value in at.items():
        rewards[tuple(map(int, place[1:].split("c")))] = value
    return rewards.tolist()


ENDLESS = [".....", ".....", ".....", "....."]
CLIFF = ["........", "........", "........", "SPPPPPPG"]
TWO_GOALS = ["#########", "G..S....G", "#########"]
MAZE = ["S.#.....#.", "..#.###...", ".##.#.#.#.", "....#...#.", "#.###.###.", "......#..G"]
PRESETS = {
    "goal-and-pit": ("goal and pit", {"step_reward": -0.04}),
    "endless": (
        "endless",
        {"rows": ENDLESS, "slip": 0.1, "cell_rewards": _rewards(ENDLESS, r0c4=1, r1c1=-1), "k": 30},
    ),
    "cliff": ("cliff", {"rows": CLIFF, "slip": 0.0, "gamma": 0.95, "step_reward": -0.1, "pit_reward": -5.0}),
    "two-goals": (
        "near or far",
        {"rows": TWO_GOALS, "slip": 0.0, "gamma": 0.8, "cell_rewards": _rewards(TWO_GOALS, r1c8=2)},
    ),
    "maze": ("maze", {"rows": MAZE, "slip": 0.0, "gamma": 0.95, "other": "random"}),
    "two-ways": (
        "two ways",
        {"rows": ["S....", ".###.", "....G"], "slip": 0.0, "operator": "soft", "step_reward": -0.05},
    ),
    "empty": ("empty", {"rows": ["........"] * 5 + ["......G."]}),
    "plane": ("plane", {"view": "plane", "gamma": 0.7, "V0": [0.0, 4.0]}),
}
ValueIteration.take_presets(PRESETS, DEFAULTS)
