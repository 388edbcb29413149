"""Chapter 2's widget: a Bellman operator sweeps a map that the reader edits.

The iterates are Q_{k+1} = T Q_k, with T one of T^π, T* and T_α (def-operators, def-optimality, def-soft), from two
starts at once. An edit keeps what the sweeps have found: the present Q_k becomes the new Q_0, and k counts from 0
again.
"""

from __future__ import annotations

import numpy as np
import traitlets as tr

from rlbook import plots
from rlbook.bellman import soft_policy
from rlbook.widgets import maps
from rlbook.widgets.base import Number, Whole
from rlbook.widgets.lesson import EXPLORE, Guess, Step
from rlbook.widgets.maps import BY_SIGN, MapWidget, letters, map_shape, write_policy
from rlbook.widgets.sweeps import NOW, OPERATORS, Sweeps, Swept

STARTS = ("optimistic", "pessimistic", "random")

LESSON = (
    Step(
        "Values spread",
        "A sweep asks each cell what its best step promises. Drag k: the goal’s value spreads, one cell a sweep. "
        "Dashed arrows are not optimal yet; bold numbers are new.",
        panels=("map",),
        controls=("k",),
        preset="goal-and-pit",
        settings={"k": 3},
        more=("equation",),
        guess=Guess(
            "Which settle first, everywhere?",
            "Here arrows are optimal from k = 5, numbers to 0.01 from 11. That is no law: where two ways are nearly "
            "alike, an arrow may turn last.",
            answers=("the arrows", "the numbers"),
            settings={"k": 5},
        ),
    ),
    Step(
        "News travels",
        "All was known here until a second goal opened in the corner. Drag k: arrows turn as the news arrives. Then "
        "tap a cell, and a goal opens, or closes, there.",
        panels=("map",),
        controls=("k", "goal"),
        preset="news",
        settings={"k": 2},
        more=("play", "tools"),
    ),
    Step(
        "A wide berth",
        "The best way to G when nothing is left to chance runs along the pits. Now steps slip aside: drag slip up, and "
        "watch the way step back, and at last the start turn to the wall.",
        panels=("map",),
        controls=("slip",),
        preset="cliff",
        settings={"k": 100},
        guess=Guess(
            "How much slip until it steps back?",
            "From 0.02 on it goes a row further up: two more steps cost less than the falls. From 0.19 on the start "
            "walks against the wall instead.",
            answers=("about 0.02", "about 0.2"),
            settings={"slip": 0.02},
        ),
    ),
)


class ValueIteration(Swept, MapWidget):
    """A Bellman operator sweeps a map that the reader edits; error and bounds against k.

    `ValueIteration()` shows its lesson, `ValueIteration("endless")` everything, for that preset, and
    `ValueIteration(rows=["..G", "S.P"])` a map of your own.

    Settings
    --------
    preset : one of {presets}, or 'own'
        Setting it resets the others to that preset's; 'own' is a map of your own.
    rows : the map, as `gridworld` takes it, at most 12 rows of 16
    cell_rewards : what a step that ends in a cell earns besides, H lists of W numbers; or empty
    slip, gamma, step_reward, goal_reward, pit_reward : as `gridworld` takes them; gamma at most 0.99
    operator : "policy" (T^π), "optimal" (T*) or "soft" (T_α)
    alpha : temperature α of T_α, from 0.01 to 5, in units of reward
    policy : π of T^π, rows of ^ > v < and, for all four alike, a dot; or empty, which is dots
    k : sweeps done, from 0 to 1000
    other : the second start: "optimistic", "pessimistic" or "random"
    Q0, other_Q0 : the starts by cell, H lists of W lists of four numbers; empty: 0, and what `other` says

    A change of the map, of γ or of the operator keeps what the sweeps have found: Q_k becomes Q_0, and k is 0. Only in
    a step of the lesson that has no k to drag are the k sweeps done anew.
    """

    _view = tr.Unicode("value_iteration").tag(sync=True)
    LARGEST_MAP = (12, 16)
    preset = tr.Unicode("goal-and-pit").tag(sync=True, setting=True)
    gamma = Number(0.9, 0, 0.99).tag(sync=True, setting=True)
    operator = tr.Enum(tuple(OPERATORS), "optimal").tag(sync=True, setting=True)
    alpha = Number(0.1, 0.01, 5, log=True).tag(sync=True, setting=True)
    policy = tr.List(tr.Unicode()).tag(sync=True, setting=True)
    k = Whole(0, 0, 1000).tag(sync=True, setting=True)
    other = tr.Enum(STARTS, "optimistic").tag(sync=True, setting=True)
    Q0 = tr.List().tag(sync=True, setting=True)
    other_Q0 = tr.List().tag(sync=True, setting=True)

    PANELS = ("map", "errors")
    lesson = LESSON

    def __init__(self, preset=None, **settings):
        self._swept = None, None  # the settings and the sweeps that were asked for last
        super().__init__(preset, **settings)

    @property
    def sweeps(self) -> Sweeps:
        """The `Sweeps` that are shown."""
        settings = self._grid_settings()
        if self._swept[0] != settings:
            self._swept = settings, Sweeps(**settings)
        return self._swept[1]

    @property
    def distance(self) -> float:
        """‖Q_k − Q'_k‖∞ between the runs from the two starts."""
        return abs(self._last() - self.sweeps.iterates(self.k, start=1)[-1]).max()

    @property
    def path(self) -> list[list[int]]:
        """The cells that the greedy policy of Q_k passes from the start when no step slips, [row, column] each."""
        return self.sweeps.path(self.Q)

    def freeze(self) -> None:
        """Take the greedy policy of the present Q as π, and T^π as the operator."""
        sweeps, Q = self.sweeps, self.Q
        with self.hold_trait_notifications():
            self.operator = "policy"
            self.policy = write_policy(self.rows, sweeps.mdp.cells, np.where(sweeps.greedy(Q), 1.0, 0.0))

    def restart(self) -> None:
        """Back to k = 0 and to the starts that the settings name, forgetting what was carried over."""
        with self.hold_trait_notifications():
            self.k, self.Q0, self.other_Q0 = 0, [], []

    def _draw_map(self, ax):
        sweeps = self.sweeps
        weights = {"policy": sweeps.pi, "soft": soft_policy(self.Q, self.alpha)}.get(self.operator)
        greedy = weights is None
        weights = np.where(sweeps.greedy(self.Q), 1.0, 0.0) if greedy else weights
        wrong = ~sweeps.right(self.Q) if greedy else None
        path = self.path if self._is_settled else ()
        plots.draw_map(ax, self.rows, sweeps.mdp.cells, self.V, weights, path, wrong)

    def _words(self):
        opening, errors = self._sweeping()
        size = f"{len(self.rows)} by {len(self.rows[0])}"
        way = f", and its way from the start, {len(self.path) - 1} steps" if self._is_settled else ""
        return opening, {"map": f"a map of {size} cells with its values and policy{way}", "errors": errors}

    def _marks(self):
        marks = ["A number is a state’s value, an arrow what the policy does."]
        if self.operator == "optimal":
            ties = self.sweeps.greedy(self.Q).all(axis=1) & ~self.sweeps.absorbing
            marks += ["A ring stands where all four actions are alike."] if ties.any() else []
            several = self.sweeps.greedy(self.Q).sum(axis=1)
            marks += ["Several arrows are equally good."] if ((several > 1) & (several < 4)).any() else []
            marks += [] if self.sweeps.right(self.Q).all() else ["Hollow and vermilion is not optimal."]
        marks += [letters(self.rows), BY_SIGN]
        if self._is_settled:
            marks += [f"The slip is {self.slip:g}. The broad band is the way from the start."]
        return {"map": " ".join(marks), "errors": NOW}

    @property
    def _is_settled(self):
        """In a step without a k to drag: whatever changes is swept anew, and the way from the start is drawn."""
        return self.step != EXPLORE and "k" not in self.lesson[self.step - 1].controls

    def _grid_settings(self):
        return {name: getattr(self, name) for name in GRID_SETTINGS}

    def _following(self, before, said):
        """After a change of the problem the present Q_k becomes Q_0."""
        following = super()._following(before, said)
        if (self.preset, self.step) != (before["preset"], before["step"]):
            return following
        changed = {name for name in GRID_SETTINGS if before[name] != getattr(self, name)}
        if map_shape(before["rows"]) != map_shape(self.rows):
            return {**following, "k": 0, "Q0": [], "other_Q0": []}
        if "other" in changed:
            following = {"k": 0, "other_Q0": []}
        said_itself = said & {"k", "Q0", "other_Q0"}
        another = changed - {"other", "Q0", "other_Q0"}
        if another and before["k"] and not said_itself and not self._is_settled:
            swept = Sweeps(**{name: before[name] for name in GRID_SETTINGS})
            last = [swept.by_cell(swept.iterates(before["k"], start)[-1]) for start in (0, 1)]
            following = {"k": 0, "Q0": last[0], "other_Q0": last[1], **following}
        return following

    def _defaults(self, preset):
        """The settings that a preset begins with."""
        if preset == "plane":
            raise tr.TraitError("the plane of two states is a widget of its own, BellmanPlane()")
        return super()._defaults(preset)

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
# Each is (title, its world, the settings that are not the defaults).

DEFAULTS = {
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
}
GRID_SETTINGS = [name for name in DEFAULTS if name != "k"]


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
EMPTY = ["........"] * 5 + ["......G."]
NEWS = ["G.......", *EMPTY[1:]]


def _known(rows):
    """Q* of a map, by cell, to four decimals; by sweeps, for a solver would have to be imported."""
    known = Sweeps(rows=rows, slip=DEFAULTS["slip"])
    return np.round(known.by_cell(known.iterates(100)[-1]), 4).tolist()


PRESETS = {
    "goal-and-pit": (
        *maps.GOAL_AND_PIT,
        {"step_reward": -0.04},
    ),
    "endless": (
        *maps.ENDLESS,
        {"rows": ENDLESS, "slip": 0.1, "cell_rewards": _rewards(ENDLESS, r0c4=1, r1c1=-1), "k": 30},
    ),
    "cliff": (
        "cliff",
        "The goal pays 1, a pit costs 5 and ends the episode, each step costs 0.1.",
        {"rows": CLIFF, "slip": 0.0, "gamma": 0.95, "step_reward": -0.1, "pit_reward": -5.0},
    ),
    "two-goals": (
        "near or far",
        "A corridor: the near goal pays 1, the far one 3; no step slips, and γ decides.",
        {"rows": TWO_GOALS, "slip": 0.0, "gamma": 0.8, "cell_rewards": _rewards(TWO_GOALS, r1c8=2)},
    ),
    "maze": (
        "maze",
        "A maze whose goal pays 1; no step slips.",
        {"rows": MAZE, "slip": 0.0, "gamma": 0.95, "other": "random"},
    ),
    "two-ways": (
        "two ways",
        "Two ways of the same length lead round a wall to the goal; each step costs 0.05.",
        {"rows": ["S....", ".###.", "....G"], "slip": 0.0, "operator": "soft", "step_reward": -0.05},
    ),
    "news": (
        "a new goal",
        "An empty room, one step in five slips aside, none costs; a second goal, of which the values know nothing yet.",
        {"rows": NEWS, "Q0": _known(EMPTY)},
    ),
    "empty": ("empty", "An empty room with one goal; one step in five slips aside, none costs.", {"rows": EMPTY}),
}
ValueIteration.take_presets(PRESETS, DEFAULTS)
