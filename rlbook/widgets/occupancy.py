"""Chapter 4's widget: all policies of two states and two actions, as a square and as the polygon of their occupancies.

A policy is a point (π(1|0), π(1|1)) of a square; its occupancy measure is fixed by (ρ(0,1), ρ(1,1)), which fills a
quadrilateral D. The return is linear there: its level lines are straight, and a corner is best. Three views ask of it
what turning the reward does, what mixing does, and what a temperature does.

The numbers are those of `rlbook.occupancies`; the browser has a copy of these closed forms
(frontend/src/occupancy/numerics.js), held to it by tests.
"""

from __future__ import annotations

import numpy as np
import traitlets as tr

from rlbook.bellman import evaluate_policy
from rlbook.mdp import TabularMDP
from rlbook.occupancies import (
    Mixing,
    ProgramSolution,
    entropy_program,
    expected_return,
    mix,
    occupancy,
    policy_from_occupancy,
    polygon,
)
from rlbook.widgets.base import Number, Numbers, PresetWidget
from rlbook.widgets.lesson import Guess, Step
from rlbook.widgets.occupancy_plane import (
    CORNERS,
    TIE,
    as_table,
    draw_cooling,
    draw_mixing,
    draw_polygon,
    draw_square,
    draw_turn,
)

LESSON = (
    Step(
        "Corners",
        "Each point is some policy’s visits; a corner’s policy tosses no coins, and is named by its actions in the two "
        "states. Turn the reward’s arrow, and watch the best corner.",
        panels=("polygon",),
        controls=("angle",),
        preset="work-or-walk",
        settings={"view": "reward"},
        more=("gamma", "start"),
    ),
    Step(
        "Straight lines",
        "The first picture has the policies, the second their visits. Drag the slider, or the dot. Is its "
        "way straight in both? And the grey lines, of equal return?",
        panels=("square", "polygon"),
        controls=("first",),
        preset="work-or-walk",
        settings={"view": "reward", "pi": [0.2, 0.4]},
        more=("second", "gamma", "start"),
    ),
    Step(
        "Two ways to mix",
        "π works in one place, π′ in the other. Toss a coin at every step, or one coin at the start, which mixes "
        "occupancies. Guess; then drag λ, the share of π′.",
        panels=("polygon", "graph"),
        controls=("share",),
        preset="mixing",
        settings={"view": "mixing"},
        more=("gamma",),
        guess=Guess(
            "With a fair coin at every step, η lies",
            "Such a policy walks to and fro. One coin at the start earns the average: η is linear in the occupancy, "
            "not in the policy.",
            answers=("between both", "below both"),
            right=1,
        ),
    ),
    Step(
        "Where nobody comes",
        "π never goes to the other state. Drag what it would do there, up and down in the first picture: does its "
        "dot in the second move?",
        panels=("square", "polygon"),
        controls=("second",),
        preset="unreachable",
        settings={"view": "reward"},
        more=("first", "start"),
    ),
)


class Occupancy(PresetWidget):
    """Two states, two actions: the policies as a square, their occupancies as a polygon, and the return on both.

    `Occupancy()` shows its lesson, `Occupancy("mixing")` everything, for that preset,
    `Occupancy(gamma=0.5, pi=[0, 1])` settings of your own, and `Occupancy.of(mdp)` any MDP of this size.

    Settings
    --------
    preset : one of {presets}; setting it resets the others to that preset's
    view : "reward", "mixing" or "temperature": what is drawn over the polygon, and against what the third panel is
    pi : the policy, [π(1|0), π(1|1)]: the probability of action 1 in each state
    pi_new : the other policy π' of the view "mixing", in the same form
    share : λ, the share of π' in both mixtures, from 0 to 1
    alpha : α, the temperature, in units of reward, from 0.02 to 20
    r : the rewards [[r(0,0), r(0,1)], [r(1,0), r(1,1)]], from −10 to 10; turning the arrow sets r(0,1) and r(1,1)
    ahead : the probability [[P(1|0,0), P(1|0,1)], [P(1|1,0), P(1|1,1)]] that each pair leads to state 1
    gamma : γ, from 0 to 0.99
    start : ρ₀(1), the probability to start in state 1
    """

    _view = tr.Unicode("occupancy").tag(sync=True)
    preset = tr.Unicode("work-or-walk").tag(sync=True, setting=True)
    view = tr.Enum(("reward", "mixing", "temperature"), "reward").tag(sync=True, setting=True)
    pi = Numbers((2,), 0, 1, "two probabilities of action 1,").tag(sync=True, setting=True)
    pi_new = Numbers((2,), 0, 1, "two probabilities of action 1,").tag(sync=True, setting=True)
    share = Number(0.5, 0, 1).tag(sync=True, setting=True)
    alpha = Number(1.0, 0.02, 20, log=True).tag(sync=True, setting=True)
    r = Numbers((2, 2), -10, 10, "2 × 2 numbers", shown=(-2, 2)).tag(sync=True, setting=True)
    ahead = Numbers((2, 2), 0, 1, "2 × 2 probabilities to come to state 1,").tag(sync=True, setting=True)
    gamma = Number(0.8, 0, 0.99).tag(sync=True, setting=True)
    start = Number(0.4, 0, 1).tag(sync=True, setting=True)

    PANELS = ("square", "polygon", "graph")
    lesson = LESSON

    @classmethod
    def of(cls, mdp, **settings) -> Occupancy:
        """The widget of an MDP of 2 states and 2 actions, with other settings by name.

        Raises `ValueError` for another size, and `TraitError` for a γ or a reward that cannot be shown.
        """
        polygon(mdp)  # says what it is if it is none
        P = mdp.P.toarray().reshape(2, 2, 2) if mdp.is_sparse else mdp.P
        own = {"ahead": P[:, :, 1].tolist(), "r": mdp.r.tolist(), "gamma": mdp.gamma, "start": float(mdp.rho0[1])}
        return cls(**{**own, **settings})

    # The MDP and its policies -------------------------------------------------------------------------------

    @property
    def mdp(self) -> TabularMDP:
        """The MDP as it is set."""
        ahead = np.array(self.ahead)
        return TabularMDP(np.stack([1 - ahead, ahead], axis=2), self.r, self.gamma, [1 - self.start, self.start])

    @property
    def policy(self) -> np.ndarray:
        """π as an (S, A) array."""
        return as_table(self.pi)

    @property
    def policy_new(self) -> np.ndarray:
        """π' as an (S, A) array."""
        return as_table(self.pi_new)

    @property
    def rho(self) -> np.ndarray:
        """ρ_π, (S, A)."""
        return occupancy(self.mdp, self.policy)

    @property
    def eta(self) -> float:
        """η(π) = Σ ρ_π r."""
        return expected_return(self.mdp, self.policy)

    # The reward ---------------------------------------------------------------------------------------------

    @property
    def direction(self) -> np.ndarray:
        """∂η/∂(ρ(0,1), ρ(1,1)) on D, (2,): the arrow.

        It is the advantage of action 1 over the policy of action 0, and r(·,1) itself where action 0 earns nothing.
        """
        V, Q, _ = evaluate_policy(self.mdp, as_table((0, 0)))
        return Q[:, 1] - V

    @property
    def corners(self) -> np.ndarray:
        """The occupancies of the four deterministic policies 00, 10, 11, 01, (4, 2, 2)."""
        return polygon(self.mdp)

    @property
    def returns(self) -> np.ndarray:
        """η of the four corners, (4,)."""
        return (self.corners * np.array(self.r)).sum(axis=(1, 2))

    @property
    def best(self) -> tuple[str, ...]:
        """The best corners, as the names of their policies: ("10",), or several that are equally good."""
        returns = self.returns
        slack = TIE * (abs(returns).max() + abs(self.direction).max() / (1 - self.gamma))
        return tuple(
            f"{a}{b}" for (a, b), value in zip(CORNERS, returns, strict=True) if value >= returns.max() - slack
        )

    @property
    def jumps(self) -> list[tuple[float, str, str]]:
        """The directions of the reward, in degrees in (−180, 180], at which two corners that differ are equally good.

        They are at right angles to the polygon's sides. A list of (degrees, from, to), the names of the corners that
        are best before and after when the reward turns anticlockwise.
        """
        points = self.corners[:, :, 1] * (1 - self.gamma)
        keep = [k for k in range(4) if np.hypot(*(points[k] - points[k - 1])) > TIE]
        if len(keep) < 2:
            return []
        found = []
        for k in keep:
            along = points[k] - points[k - 1]
            degrees = 0.0 - np.degrees(np.arctan2(along[0], along[1]))  # of the outward normal (Δy, −Δx)
            names = ["".join(map(str, CORNERS[j])) for j in (k - 1, k)]
            found.append((float(degrees) if degrees > -180 else 180.0, *names))
        return sorted(found)

    # Mixing and cooling -------------------------------------------------------------------------------------

    @property
    def mixing(self) -> Mixing:
        """ρ of the policies mixed with the share λ, and the mixed occupancies: a `Mixing` of (2, 2) arrays."""
        both = mix(self.mdp, self.policy, self.policy_new, [self.share])
        return type(both)(both.of_policies[0], both.of_occupancies[0])

    @property
    def mixed_policy(self) -> np.ndarray:
        """[π(1|0), π(1|1)] of the mixed occupancies; in a state that they do not visit, that of the mixed policies."""
        mixed = (1 - self.share) * self.policy + self.share * self.policy_new
        return policy_from_occupancy(self.mixing.of_occupancies, unvisited=mixed).pi[:, 1]

    @property
    def soft(self) -> ProgramSolution:
        """The optimum of ρ·r + αH(ρ) over D: a `ProgramSolution`."""
        return entropy_program(self.mdp, self.alpha, tol=1e-12)

    # Picture and words --------------------------------------------------------------------------------------

    def _draw_square(self, ax):
        draw_square(self, ax)

    def _draw_polygon(self, ax):
        draw_polygon(self, ax)

    def _draw_graph(self, ax):
        {"reward": draw_turn, "mixing": draw_mixing, "temperature": draw_cooling}[self.view](self, ax)

    def _words(self):
        rho, mass = self.rho, 1 / (1 - self.gamma)
        best = " and ".join(self.best)
        graph = {
            "reward": lambda: f"the best corner is {best} with η = {max(self.returns):.3g}",
            "mixing": lambda: (
                f"mixed with π' = ({self.pi_new[0]:g}, {self.pi_new[1]:g}) at λ = {self.share:g}, the policies have η "
                f"{(self.mixing.of_policies * np.array(self.r)).sum():.3g} on a curve and the occupancies "
                f"{(self.mixing.of_occupancies * np.array(self.r)).sum():.3g} on the straight line"
            ),
            "temperature": lambda: (
                f"the optimum at temperature α = {self.alpha:g} takes action 1 with probabilities "
                f"({self.soft.pi[0, 1]:.3g}, {self.soft.pi[1, 1]:.3g}), on a curve that ends in the best corner, {best}"
            ),
        }[self.view]()
        return f"π takes action 1 with π(1|0) = {self.pi[0]:g} and π(1|1) = {self.pi[1]:g}; γ = {self.gamma:g}", {
            "square": "its point in the square of policies",
            "polygon": f"its point in the polygon of occupancies, with ρ(0,1) = {rho[0, 1]:.3g} and ρ(1,1) = "
            f"{rho[1, 1]:.3g} of 1/(1−γ) = {mass:.3g} in all, and η = {self.eta:.3g}",
            "graph": graph,
        }

    def _marks(self):
        shared = {
            "reward": "",
            "mixing": " π′ is the purple dot. On the black way the policies are mixed, on the dashed purple one the "
            "occupancies; the square and the diamond are at λ.",
            "temperature": " On the blue way are the soft optima, and the diamond is that at α.",
        }[self.view]
        marks = (
            "The black dot is π, and along each black line through it one of its two numbers is kept; along pale lines "
            "one is ¼, ½ or ¾. Grey lines are contours of the return. A corner is named by its two actions, and the "
            f"best one is blue.{shared}"
        )
        polygon = "The polygon holds the same as occupancies." if "square" in self.panels else marks
        return {
            "square": marks,
            "polygon": f"{polygon} The arrow points to where the reward grows.",
            "graph": {
                "reward": "Each grey line is a corner’s, the blue one the best corner’s; the upright line is now.",
                "mixing": "The upright line is at λ.",
                "temperature": "The upright line is at α.",
            }[self.view],
        }


# Presets ----------------------------------------------------------------------------------------------------
# Each is (title, its world, what to look at, the settings that are not the defaults).

PLACES = [[0.9, 0.1], [0.1, 0.9]]
DEFAULTS = {
    "view": "reward",
    "pi": [0.7, 0.4],
    "pi_new": [0.1, 0.9],
    "share": 0.5,
    "alpha": 0.5,
    "r": [[0.0, 0.8], [0.0, 0.6]],
    "ahead": PLACES,
    "gamma": 0.8,
    "start": 0.4,
}
WORLD = "Two places: action 1 works where one is and earns r(s,1), action 0 walks over; one try in ten fails."
PRESETS = {
    "work-or-walk": (
        "work or walk",
        WORLD,
        "Turn the reward: does the best point slide, or jump?",
        {},
    ),
    "jump": (
        "about to jump",
        WORLD,
        "Less than a degree more, anticlockwise, and another corner is best; in between a whole side is.",
        {"r": [[0.0, 0.55], [0.0, 0.835]], "pi": [0.9, 0.9]},
    ),
    "mixing": (
        "mixing",
        WORLD,
        "π works in state 0, π′ in state 1. Mixed policies toss a coin at each step, and walk to and fro; mixed "
        "occupancies toss one coin at the start.",
        {"view": "mixing", "pi": [0.97, 0.03], "pi_new": [0.03, 0.97], "r": [[0.0, 0.8], [0.0, 1.0]]},
    ),
    "unreachable": (
        "unreachable",
        "It starts in one state; only action 1, which costs, leads to the other, where alone one can earn.",
        "It starts in state 0, and only action 1 leads from there to state 1: the left side of the square is crushed "
        "to a point. Drag π along it; then raise ρ₀(1).",
        {"ahead": [[0.0, 0.8], [0.7, 0.2]], "start": 0.0, "pi": [0.0, 0.6], "r": [[0.0, -0.5], [0.0, 0.8]]},
    ),
    "gamma-near-1": (
        "γ near 1",
        WORLD,
        "In the long run the start is forgotten: move ρ₀(1), here and at γ = 0.8.",
        {"gamma": 0.99},
    ),
    "one-step": (
        "γ = 0",
        WORLD,
        "Only the first step counts: the polygon is the square, scaled by ρ₀, and the lines of equal η are straight in "
        "both. Raise γ and watch them bend.",
        {"gamma": 0.0},
    ),
    "temperature": (
        "cooling",
        WORLD,
        "With entropy in the objective the optimum lies inside and is one point; it goes to a corner as α falls.",
        {"view": "temperature", "r": [[0.0, 0.5], [0.0, 1.0]]},
    ),
}
Occupancy.take_presets(PRESETS, DEFAULTS)
