"""Chapter 4's second grid: from π to π', the truth, the surrogate and the bounds, and the terms of the difference.

Along π_α = (1−α)π + απ' the return η(π_α) is a rational function of α, the surrogate L_π(π_α) the straight line that
touches it at 0 (prop-tangent), and the bounds say how far the two can part (prop-mixture-bound, prop-average-bound,
thm-trpo-bound). State by state, η(π_α) − η(π) = Σ_s ρ_{π_α}(s) Σ_a π_α(a|s) A_π(s,a) (eq-difference-states); with
other weights or other actions the same sum is something else (prop-surrogate-wrong).
"""

from __future__ import annotations

import numpy as np
import traitlets as tr

from rlbook import plots
from rlbook.bellman import evaluate_policy, policy_iteration
from rlbook.mdp import TabularMDP
from rlbook.occupancies import TWO_BY_TWO, MixturePath, mixture_path, state_occupancy, two_by_two
from rlbook.widgets import maps
from rlbook.widgets.base import Number, Numbers
from rlbook.widgets.lesson import Guess, Step
from rlbook.widgets.maps import BY_SIGN, MapWidget, draw_cells, letters, make_map, read_policy, write_policy

WEIGHTS = ("new", "old")
REACHES = (0.1, 0.3, 1.0)
BOUNDS = ("average", "mixture", "trust_region")
BANDS = ("none", "mixture", "all")

LESSON = (
    Step(
        "A promise",
        "From π, the way round, to π′, across the bridge: the surrogate L promises a gain. What does the return η do? "
        "Guess; then drag α from 0 to 1.",
        panels=("curves", "policies"),
        controls=("alpha",),
        preset="misleads",
        settings={"alpha": 0.1, "band": "none"},
        more=("reach",),
        guess=Guess(
            "All the way, at α = 1, L promises +0.226. The change of η:",
            "π′ steps off the bridge. L weighs what π′ does by where π goes, and π never goes there: it sees the short "
            "cut, and not the fall.",
            between=(-1.5, 1.5),
            number="whole",
            settings={"alpha": 1.0},
        ),
    ),
    Step(
        "Whose visits",
        "A cell’s term: its visits, times what π′ gains there over π. Weighed by π’s visits the terms add up to the "
        "promise. Switch to those of π_α, which is π′ here: where is the loss?",
        panels=("terms", "policies"),
        controls=("weights",),
        preset="misleads",
        settings={"alpha": 1.0, "weights": "old"},
        more=("alpha", "actions"),
    ),
    Step(
        "How wrong it can be",
        "π stays in s₁ and leaves s₂, π′ the other way round. L touches η where α begins. Drag α: the gap grows like "
        "α² at first, and η never leaves the grey band.",
        panels=("curves",),
        controls=("alpha",),
        preset="two-states",
        settings={"alpha": 0.3, "band": "mixture"},
        more=("reach", "band"),
    ),
)


class PerformanceDifference(MapWidget):
    """From π to π' along (1−α)π + απ': η, its surrogate and bounds, and the terms of the difference on a map.

    `PerformanceDifference()` shows its lesson, `PerformanceDifference("misleads")` everything, for that preset,
    `PerformanceDifference(rows=["S..G"], other=[">>>."])` a map of your own.

    Settings
    --------
    preset : one of {presets}, or 'own'
        Setting it resets the others to that preset's; 'own' is a map of your own.
    view : "grid", or "two" for an example of two states and two actions
    rows : the map, as `gridworld` takes it, at most 8 rows of 10
    cell_rewards : what a step that ends in a cell earns besides, H lists of W numbers; or empty
    slip, gamma, step_reward, goal_reward, pit_reward : as `gridworld` takes them; gamma at most 0.98
    policy, other : π and π', rows of ^ > v < and, for all four alike, a dot; or empty, which is dots
    example : of two states, a name in `rlbook.occupancies.TWO_BY_TWO`; γ is `gamma`
    first, second : with what probability π and π' take the second action in each of the two states
    alpha : how far from π to π', from 0 to 1
    weights : where the terms are weighed: by ρ of π_α ("new", which is right) or by ρ_π ("old": the surrogate)
    actions : whose actions the terms take: π_α's ("new") or π's ("old": zero)
    reach : how far the curves are drawn, 0.1, 0.3 or 1
    band : which bounds are drawn around the surrogate: "none", the "mixture" bound as a band, or "all" three as lines
    """

    _view = tr.Unicode("performance_difference").tag(sync=True)
    _policies = ("policy", "other")
    _examples = tr.Dict().tag(sync=True)
    preset = tr.Unicode("small-step").tag(sync=True, setting=True)
    view = tr.Enum(("grid", "two"), "grid").tag(sync=True, setting=True)
    policy = tr.List(tr.Unicode()).tag(sync=True, setting=True)
    other = tr.List(tr.Unicode()).tag(sync=True, setting=True)
    example = tr.Enum(tuple(TWO_BY_TWO), "detour").tag(sync=True, setting=True)
    first = Numbers((2,), 0, 1, "two numbers").tag(sync=True, setting=True)
    second = Numbers((2,), 0, 1, "two numbers").tag(sync=True, setting=True)
    alpha = Number(0.1, 0, 1, step=0.005).tag(sync=True, setting=True)
    weights = tr.Enum(WEIGHTS, "new").tag(sync=True, setting=True)
    actions = tr.Enum(WEIGHTS, "new").tag(sync=True, setting=True)
    reach = tr.Enum(REACHES, 1.0).tag(sync=True, setting=True)
    band = tr.Enum(BANDS, "all").tag(sync=True, setting=True)

    PANELS = ("curves", "terms", "policies")
    lesson = LESSON

    @property
    def mdp(self) -> TabularMDP:
        """The `TabularMDP` of the map, or of the example of two states."""
        return two_by_two(self.example, gamma=self.gamma) if self.view == "two" else make_map(**self.map_settings)

    @property
    def pi(self) -> np.ndarray:
        """π, (S, A)."""
        return self._policy(self.policy, self.first)

    @property
    def pi_new(self) -> np.ndarray:
        """π', (S, A)."""
        return self._policy(self.other, self.second)

    @property
    def pi_alpha(self) -> np.ndarray:
        """π_α = (1−α)π + απ', (S, A)."""
        return (1 - self.alpha) * self.pi + self.alpha * self.pi_new

    def path(self, alpha) -> MixturePath:
        """η, L and the bounds at the shares alpha, (n,): a `MixturePath`."""
        return mixture_path(self.mdp, self.pi, self.pi_new, alpha)

    @property
    def eta(self) -> float:
        """η(π_α)."""
        return float(self.path([self.alpha]).eta[0])

    @property
    def start(self) -> float:
        """η(π)."""
        return float(self.path([0.0]).eta[0])

    @property
    def surrogate(self) -> float:
        """L_π(π_α)."""
        return float(self.path([self.alpha]).surrogate[0])

    @property
    def bounds(self) -> dict[str, float]:
        """What |η(π_α) − L_π(π_α)| is at most, by name: average, mixture, trust_region."""
        path = self.path([self.alpha])
        return {name: float(getattr(path, name)[0]) for name in BOUNDS}

    @property
    def terms(self) -> np.ndarray:
        """Each state's term with the chosen weights and actions, (S,); their sum is η(π_α)−η(π), L−η(π) or 0."""
        mdp, pi, mixed = self.mdp, self.pi, self.pi_alpha
        V, Q, _ = evaluate_policy(mdp, pi)
        actions = mixed if self.actions == "new" else pi
        return state_occupancy(mdp, mixed if self.weights == "new" else pi) * (actions * (Q - V[:, None])).sum(axis=1)

    def improve(self, which="other", *, of=None) -> None:
        """Take the arrows of the optimal policy for π' ("other") or π ("policy"); `of="policy"`: greedy for Q^π."""
        if which not in self._policies or of not in (None, "policy"):
            raise ValueError(f"which must be 'policy' or 'other', and of None or 'policy', got {which!r} and {of!r}")
        if self.view == "two":
            raise ValueError("two states have no arrows: set `first` and `second`")
        Q = policy_iteration(self.mdp).Q if of is None else evaluate_policy(self.mdp, self.pi).Q
        setattr(self, which, write_policy(self.rows, self.mdp.cells, Q))

    def _policy(self, arrows, second_action):
        if self.view == "grid":
            return read_policy(arrows, make_map(**self.map_settings))
        taken = np.array(second_action)
        return np.column_stack([1 - taken, taken])

    def _draw_curves(self, ax):
        reach = next(x for x in REACHES if x >= max(self.alpha, self.reach))
        share = np.linspace(0, reach, 61)
        path = self.path(share)
        both = np.r_[path.eta, path.surrogate]
        if self.band == "mixture":
            band = path.surrogate - path.mixture, path.surrogate + path.mixture
            ax.fill_between(share, *band, color=plots.BOUND, alpha=0.2, lw=0)
            both = np.r_[both, *band]
        if self.band == "all":
            for name, dashes in (("trust_region", "-."), ("mixture", "--"), ("average", ":")):
                for sign in (-1, 1):
                    bound = path.surrogate + sign * getattr(path, name)
                    ax.plot(share, bound, color=plots.BOUND, ls=dashes, lw=1, zorder=1)
        margin = (0.1 if self.band == "mixture" else 0.4) * np.ptp(both) or 0.1
        ax.plot(share, path.surrogate, color=plots.IMPROVED, lw=1.5)
        ax.plot(share, path.eta, color=plots.INK, lw=2)
        ax.plot(self.alpha, self.eta, "o", ms=6, color=plots.INK)
        bounds = {"none": "", "mixture": ", its bound", "all": ", its bounds"}[self.band]
        ax.set(title=f"η, L (blue){bounds}", xlabel="α", ylabel="return", xlim=(0, reach))
        ax.set_ylim(both.min() - margin, both.max() + margin)

    def _draw_map(self, ax, values, title, top, policies=()):
        two = self.view == "two"
        rows, cells = ([".."], np.array([[0, 0], [0, 1]])) if two else (self.rows, self.mdp.cells)
        draw_cells(ax, rows, cells, values, title=title, top=top, policies=[] if two else policies)

    def _draw_policies(self, ax):
        values = evaluate_policy(self.mdp, self.pi).V
        both = [(plots.INK, self.pi), (plots.OTHER, self.pi_new)]
        self._draw_map(ax, values, "π, π′ (purple)\nand V of π", 3 * abs(values).max(), both)

    def _draw_terms(self, ax):
        terms = self.terms
        self._draw_map(ax, terms, f"Terms\nsum {terms.sum():.3g}".replace("-", "−"), abs(terms).max())

    def _words(self):
        bounds = ", ".join(f"{value:.3g}" for value in self.bounds.values())
        what = "two states" if self.view == "two" else f"a map of {len(self.rows)} by {len(self.rows[0])} cells"
        return f"From π to π′ on {what}, γ = {self.gamma:g}, at α = {self.alpha:g}", {
            "curves": f"η goes from {self.start:.3g} to {self.eta:.3g}, the surrogate to {self.surrogate:.3g}, with "
            f"bounds of {bounds} (mean change, mixture, largest change) around it",
            "terms": f"each state’s term, which sum to {self.terms.sum():.3g}",
            "policies": "both policies, and the values of π",
        }

    def _marks(self):
        bounds = {
            "none": "",
            "mixture": " The grey band is L with the mixture’s bound to either side.",
            "all": " Grey are L’s bounds to either side: by the mean change dotted, by the mixture dashed, by the "
            "largest change dashed and dotted.",
        }[self.band]
        signs = "" if "terms" in self.panels else f" {BY_SIGN}"
        arrows = "Arrows are the policies, π black and π′ purple, and the numbers beside them V of π. "
        arrows += f"{letters(self.rows)}{signs}"
        if self.view != "two" and any((pi == pi[:, :1]).all(axis=1).any() for pi in (self.pi, self.pi_new)):
            arrows += " A star of arrows takes all four actions alike."
        return {
            "curves": f"The black line is the return η, its dot at this α; blue is the surrogate L.{bounds}",
            "terms": f"A number in a cell without arrows is a state’s term. {BY_SIGN}",
            "policies": "" if self.view == "two" else arrows,
        }

    @tr.default("_examples")
    def _tables_of_examples(self):
        mdps = {name: two_by_two(name) for name in TWO_BY_TWO}
        return {name: {"P": m.P.tolist(), "r": m.r.tolist(), "rho0": m.rho0.tolist()} for name, m in mdps.items()}

    @tr.validate("policy", "other")
    def _policy_that_fits(self, proposal):
        return self._check_arrows(proposal["trait"].name, proposal["value"])


# Presets ----------------------------------------------------------------------------------------------------
# Each is (title, its world, what to look at, the settings that are not the defaults).

DEFAULTS = {
    "view": "grid",
    "rows": ["...G", ".#.P", "S..."],
    "cell_rewards": [],
    "slip": 0.2,
    "gamma": 0.9,
    "step_reward": -0.04,
    "goal_reward": 1.0,
    "pit_reward": -1.0,
    "policy": [],
    "other": [">>>.", "^.^.", "^>^<"],
    "example": "detour",
    "first": [0.0, 1.0],
    "second": [1.0, 0.0],
    "alpha": 0.1,
    "weights": "new",
    "actions": "new",
    "reach": 1.0,
    "band": "all",
}
BRIDGE_WORLD = "A goal (+1), a bridge to it between pits (−1), and a long way round; steps are free and sure."
BRIDGE = {  # a way round, and a bridge between pits
    "rows": ["......", ".PPPP.", "S....G", ".PPPP."],
    "slip": 0.0,
    "gamma": 0.9,
    "step_reward": 0.0,
    "alpha": 1.0,
}
RELAY = {"slip": 0.0, "gamma": 0.9, "step_reward": 0.0, "pit_reward": 0.0, "alpha": 0.5}
ROUND = [">>>>>v", "^....v", "^>>>>.", "^....^"]
PRESETS = {
    "small-step": (
        "small step",
        maps.GOAL_AND_PIT[1],
        "From a policy that goes anywhere a little towards the optimal one: η and L part slowly, far within bounds.",
        {"alpha": 0.05, "reach": 0.3},
    ),
    "all-the-way": (
        "all the way",
        maps.GOAL_AND_PIT[1],
        "The same two policies, all the way: the gain is far more than the surrogate says.",
        {"alpha": 1.0},
    ),
    "misleads": (
        "surrogate misleads",
        BRIDGE_WORLD,
        "π goes round; π′ crosses the bridge, and steps off it where π has never been. L promises a gain.",
        {**BRIDGE, "policy": ROUND, "other": [">>>>>v", "^....v", ">>>v>.", "^....^"]},
    ),
    "never-visited": (
        "never visited",
        BRIDGE_WORLD,
        "On the bridge π would step off, but it never goes there; π′ crosses. L, which has π’s visits, warns of it.",
        {
            **BRIDGE,
            "policy": [">>>>>v", "^....v", "^vvvv.", "^....^"],
            "other": [">>>>>v", "^....v", ">>>>>.", "^....^"],
        },
    ),
    "relay": (
        "relay",
        "Go on twice and win 1; a step up, from either cell, gives up and ends it with nothing. Nothing slips.",
        "π always gives up, π′ never. L sees no gain at any α: to go on once wins nothing while π comes next.",
        {**RELAY, "rows": ["PP#", "S.G"], "policy": ["...", "^^."], "other": ["...", ">>."]},
    ),
    "two-states": (
        "stay or move",
        "Staying pays 0.2 in s₁ and 1 in s₂, and the way between them nothing; it begins in s₁.",
        "π stays in s₁, and would come back from s₂; π′ goes to s₂ and stays. In small steps that costs.",
        {"view": "two", "alpha": 0.3},
    ),
}
PerformanceDifference.take_presets(PRESETS, DEFAULTS)
