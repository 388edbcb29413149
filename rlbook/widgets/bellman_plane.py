"""Chapter 2's picture of a contraction: a Bellman operator on the plane of all functions of two states.

The iterates are V_{k+1} = T V_k, with T one of T^π, T* and T_α (def-operators, def-optimality, def-soft) as operators
on functions of the state. A ball of the maximum norm is a square, and T sends the one through V_k into the one γ times
as wide (thm-contraction).
"""

from __future__ import annotations

import traitlets as tr

from rlbook import plots
from rlbook.widgets.base import Number, Numbers, PresetWidget, Whole
from rlbook.widgets.lesson import Guess, Step
from rlbook.widgets.sweeps import NOW, OPERATORS, TWO_STATES, PlaneSweeps, Swept

LESSON = (
    Step(
        "The square shrinks",
        "Drag V₀. The square holds all that is as near to the fixed point as V₀ is; blue is what a sweep makes of it. "
        "Does blue ever leave the dashed square?",
        panels=("plane",),
        controls=("gamma",),
        preset="best",
    ),
    Step(
        "Again and again",
        "Each sweep puts V into the dashed square, and the next square has that V on its side. Drag k: they nest, "
        "and only the fixed point lies in them all.",
        panels=("plane",),
        controls=("k",),
        preset="best",
        settings={"k": 3},
        guess=Guess(
            "With γ = 0.7, how many sweeps until a tenth of the error is left?",
            "7 is what γ promises, for 0.7⁷ = 0.08, and no more is needed from any V₀. From this one the first sweep "
            "leaves half, each later one about 0.7 of what was left.",
            between=(0, 20),
            number="tenth",
            settings={"k": 6},
        ),
    ),
    Step(
        "Three operators",
        "One averages the actions, one takes the best, one goes softly between. Choose: blue has straight sides, "
        "kinks or bends, and stays in the dashed square.",
        panels=("plane",),
        controls=("operator",),
        preset="best",
        settings={"alpha": 0.5},
    ),
)


class BellmanPlane(Swept, PresetWidget):
    """The plane of two states: the square around a fixed point, what a Bellman operator makes of it, and its sweeps.

    `BellmanPlane()` shows its lesson, `BellmanPlane("soft")` everything, for that preset.

    Settings
    --------
    preset : one of {presets}; setting it resets the others to that preset's
    gamma : γ, from 0 to 0.99
    operator : "policy" (T^π, π uniform), "optimal" (T*) or "soft" (T_α)
    alpha : temperature α of T_α, from 0.01 to 5, in units of reward
    k : sweeps done, from 0 to 1000
    V0 : where the iterates start, two numbers
    """

    _view = tr.Unicode("bellman_plane").tag(sync=True)
    _problem = tr.Dict(TWO_STATES).tag(sync=True)
    preset = tr.Unicode("best").tag(sync=True, setting=True)
    gamma = Number(0.7, 0, 0.99).tag(sync=True, setting=True)
    operator = tr.Enum(tuple(OPERATORS), "optimal").tag(sync=True, setting=True)
    alpha = Number(0.1, 0.01, 5, log=True).tag(sync=True, setting=True)
    k = Whole(0, 0, 1000).tag(sync=True, setting=True)
    V0 = Numbers((2,), -10_000, 10_000, "two finite numbers", step=0.1, shown=(-20, 20)).tag(sync=True, setting=True)

    PANELS = ("plane", "errors")
    lesson = LESSON

    @property
    def sweeps(self) -> PlaneSweeps:
        """The `PlaneSweeps` that are shown."""
        return PlaneSweeps(gamma=self.gamma, operator=self.operator, alpha=self.alpha, V0=self.V0)

    def _draw_plane(self, ax):
        sweeps = self.sweeps
        plots.draw_plane(ax, sweeps.iterates(self.k), sweeps.limit, sweeps.apply, self.gamma)

    def _words(self):
        opening, errors = self._sweeping()
        square = "the plane of two states with the square around the fixed point, its image and the γ times smaller one"
        return opening, {"plane": square, "errors": errors}

    def _marks(self):
        return {
            "plane": "The dots are V₀, V₁ and so on, as far as now; the cross is the fixed point. T makes the blue "
            "shape of the black square, and it fits into the dashed grey one, which is γ times as wide.",
            "errors": NOW,
        }


# Presets ----------------------------------------------------------------------------------------------------
# Each is (title, its world, the settings that are not the defaults).

DEFAULTS = {"gamma": 0.7, "operator": "optimal", "alpha": 0.1, "k": 0, "V0": [0.0, 4.0]}
WORLD = "Two states: one action mostly stays and pays 1 or 0.4, one stirs and pays 0 or 1."
PRESETS = {
    "best": ("the best action", WORLD, {}),
    "average": ("both alike", WORLD, {"operator": "policy"}),
    "soft": ("softly the best", WORLD, {"operator": "soft", "alpha": 0.5}),
    "far-sighted": ("far-sighted", WORLD, {"gamma": 0.95, "V0": [10.0, 24.0]}),
}
BellmanPlane.take_presets(PRESETS, DEFAULTS)
