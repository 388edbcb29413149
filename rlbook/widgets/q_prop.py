"""Chapter 5's second widget: Q-Prop in one state, where the mean and the variance of the gradient are closed forms.

    a = μ + σz,   Â = c₁z + c₂(z²−1) + c₃(z³−3z) + τε,   ĝ = (Â − κqσz) z/σ + κq                 (prop-gaussian-model)

The reader sets the weight κ of a control of slope q, or lets a rule set it; the mean stays and the variance is a
parabola in κ. A rule that looks at the sample itself moves the mean (prop-single-sample).

The numbers are those of `rlbook.q_prop.GaussianModel`; the browser has a copy of these closed forms
(frontend/src/q_prop/numerics.js), held to it by tests.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import traitlets as tr

from rlbook import plots
from rlbook.q_prop import GaussianModel
from rlbook.widgets.base import Number, PresetWidget, Whole
from rlbook.widgets.control_variate import draw_estimates, marks_of_estimates
from rlbook.widgets.dice import normals
from rlbook.widgets.lesson import Guess, Step

MOST = 64  # samples that an estimate averages
BATCHES = 160


LESSON = (
    Step(
        "The weight",
        "Each dot is an estimate of the gradient, in the second pile with κ times the critic’s line taken off and put "
        "back. Drag the point to the bowl’s bottom, and watch that pile and its mean.",
        panels=("bowl", "estimates"),
        controls=("weight",),
        preset="helpful",
        settings={"weight": 0.3},
        more=("rules", "n", "again"),
    ),
    Step(
        "The critic",
        "Now drag q, the slope of the critic’s green line. The bowl’s bottom slides along κ and never sinks into the "
        "grey: what comes after the action stays.",
        panels=("advantages", "bowl"),
        controls=("q",),
        preset="helpful",
        settings={"q": 1.5, "weight": 1.0},
        more=("weight", "tau"),
        guess=Guess(
            "With full weight, κ = 1: from which slope q on is the critic worse than none?",
            "There q is twice as steep as the advantage: as much is left with the sign turned. A smaller κ would still "
            "help.",
            between=(0.0, 3.0),
            number="harm",
            settings={"q": 2.0},
        ),
    ),
    Step(
        "The sample chooses",
        "One κ for all keeps the mean. Answer; then κ is sign(ÂĀ), of each sample by itself. Drag n: do more samples "
        "bring the mean back?",
        panels=("estimates",),
        controls=("n",),
        preset="single-sample",
        settings={"rule": "fixed", "weight": 0.65, "n": 8},
        more=("single", "q", "tau", "again"),
        guess=Guess(
            "If each sample’s own sign chooses κ, what will the mean do?",
            "Now the weight depends on the action, so what is put back is no longer what was taken off. More samples "
            "do not help.",
            answers=("stay", "move"),
            right=1,
            settings={"rule": "aggressive"},
        ),
    ),
)


class Rules(NamedTuple):
    """The weight κ by each rule that looks at the state alone."""

    none: float
    full: float
    conservative: float
    aggressive: float
    adaptive: float
    optimal: float


class QProp(PresetWidget):
    """A Gaussian policy in one state, the line that a critic takes from its advantages, and the gradient's variance.

    `QProp()` shows its lesson, `QProp("noise-floor")` everything, for that preset, and
    `QProp(q=0.5, weight=1)` settings of your own.

    Settings
    --------
    preset : one of {presets}; setting it resets the others to that preset's
    weight : κ, the weight of the control, from −2 to 3
    rule : "fixed", "conservative" or "aggressive"
        The same κ for every sample; or 1{ÂĀ > 0}, or sign(ÂĀ), of each sample by itself.
    q : slope of the critic in the action, from −3 to 3
    c1, c2, c3 : the advantage's Hermite coefficients, from −2 to 2, −1 to 1 and −0.5 to 0.5
    tau : τ, standard deviation of what comes after the action, from 0.1 to 3
    sigma : σ of the policy, from 0.3 to 2
    n : samples that an estimate averages, from 1 to 64
    seed : of the samples, from 0 to 2³² − 1
    """

    _view = tr.Unicode("q_prop").tag(sync=True)
    preset = tr.Unicode("helpful").tag(sync=True, setting=True)
    weight = Number(0.0, -2, 3).tag(sync=True, setting=True)
    rule = tr.Enum(("fixed", "conservative", "aggressive"), "fixed").tag(sync=True, setting=True)
    q = Number(0.9, -3, 3).tag(sync=True, setting=True)
    c1 = Number(1.0, -2, 2).tag(sync=True, setting=True)
    c2 = Number(0.0, -1, 1).tag(sync=True, setting=True)
    c3 = Number(0.0, -0.5, 0.5).tag(sync=True, setting=True)
    tau = Number(0.5, 0.1, 3).tag(sync=True, setting=True)
    sigma = Number(1.0, 0.3, 2).tag(sync=True, setting=True)
    n = Whole(16, 1, MOST).tag(sync=True, setting=True)
    seed = Whole(1, 0, 2**32 - 1).tag(sync=True, setting=True)

    PANELS = ("advantages", "bowl", "estimates")
    lesson = LESSON

    # Numbers ------------------------------------------------------------------------------------------------

    @property
    def model(self) -> GaussianModel:
        """The `GaussianModel` as it is set."""
        return GaussianModel(self.c1, self.c2, self.c3, self.tau, self.sigma)

    @property
    def rules(self) -> Rules:
        """κ by each rule that looks at the state alone: `Rules`, the last of them the gradient's own optimum."""
        kept = (self.model.rule(self.q, rule) for rule in Rules._fields[:-1])
        return Rules(*kept, float(self.model.best_weight(self.q)))

    @property
    def bias(self) -> float:
        """E ĝ − c₁/σ: 0 for a κ that is fixed, not for one that looks at the sample (prop-single-sample)."""
        return 0.0 if self.rule == "fixed" else self.model.single_sample_bias(self.q, self.rule)

    @property
    def mean(self) -> float:
        """E ĝ."""
        return self.model.mean + self.bias

    @property
    def variance(self) -> float:
        """Var ĝ of one sample, at the fixed weight κ or by the rule that looks at the sample."""
        if self.rule != "fixed":
            return self.model.single_sample_variance(self.q, self.rule)
        return float(self.model.variance(self.q, self.weight))

    @property
    def samples(self) -> tuple[np.ndarray, np.ndarray]:
        """(z, ε), both (BATCHES, n): the batches that are drawn."""
        return tuple(x.reshape(BATCHES, MOST)[:, : self.n] for x in normals(self.seed, BATCHES * MOST))

    def estimates(self, rule=None, weight=None) -> np.ndarray:
        """The mean of ĝ over each of these batches, (BATCHES,); rule and weight as they are set where not given."""
        z, eps = self.samples
        weight, rule = self.weight if weight is None else weight, self.rule if rule is None else rule
        if rule != "fixed":
            weight = self.model.single_sample_weight(z, eps, self.q, rule)
        return self.model.gradients(z, eps, self.q, weight).mean(axis=1)

    # Picture and words --------------------------------------------------------------------------------------

    def _draw_advantages(self, ax):
        model, sigma = self.model, self.sigma
        z, eps = (x.ravel()[:300] for x in normals(self.seed, BATCHES * MOST))
        ax.plot(sigma * z, model.advantage(z, eps), "o", color=plots.SAMPLES, ms=2.5, alpha=0.4, mew=0)
        x = np.linspace(-3, 3, 61)
        ax.plot(sigma * x, model.advantage(x), color=plots.INK, lw=1.5)
        for weight in {"fixed": [self.weight], "conservative": [0, 1], "aggressive": [-1, 1]}[self.rule]:
            ax.plot(sigma * x, weight * self.q * sigma * x, color=plots.BASELINE, lw=2)
        ax.plot(sigma * x, self.q * sigma * x, color=plots.BASELINE, lw=1, ls=":")
        top = 2 * np.sqrt(model.c1**2 + 2 * model.c2**2 + 6 * model.c3**2 + model.tau**2) + 1
        ax.set(title="Advantages", xlabel="a − μ", ylabel="Â", xlim=(-3 * sigma, 3 * sigma), ylim=(-top, top))

    def _draw_bowl(self, ax):
        model, weights = self.model, np.linspace(*self.limits("weight"), 101)
        ax.plot(weights, model.variance(self.q, weights), color=plots.BASELINE, lw=2)
        ax.axhspan(0, model.noise_floor, color=plots.BOUND, alpha=0.2, lw=0)
        ax.axhline(model.floor, color=plots.BOUND, lw=1, ls="--")
        ax.axhline(model.variance(self.q, 0), color=plots.PLAIN, lw=1)
        if self.rule == "fixed":
            ax.plot(self.weight, self.variance, "o", color=plots.INK, ms=6, clip_on=False)
        top = 1.15 * max(model.variance(self.q, 0), model.variance(self.q, 1))
        ax.set(title="Variance of ĝ", xlabel="κ, weight", ylabel="variance", xlim=self.limits("weight"), ylim=(0, top))

    def _draw_estimates(self, ax):
        model, n = self.model, self.n
        plain, sd = (np.sqrt(variance / n) for variance in (model.variance(self.q, 0), self.variance))
        now = plots.BASELINE if self.rule == "fixed" else plots.PLAIN
        rows = (
            ("κ = 0", self.estimates("fixed", 0.0), model.mean, plain, plots.PLAIN),
            ("now", self.estimates(), self.mean, sd, now),
        )
        draw_estimates(ax, rows, model.mean)
        half = 3 * max(plain, sd) + abs(self.bias)
        ax.set(title=f"Means of {n} ĝ", xlabel="estimate of the gradient", xlim=(model.mean - half, model.mean + half))

    def _words(self):
        what = {
            "fixed": f"κ = {self.weight:g}",
            "conservative": "the rule 1(ÂĀ > 0) of single samples",
            "aggressive": "the rule sign(ÂĀ) of single samples",
        }[self.rule]
        model = self.model
        return f"With {what} and a critic of slope q = {self.q:g}", {
            "advantages": "advantages against the action with the line κq(a−μ)",
            "bowl": f"the variance of ĝ as a parabola in κ with its floor {model.floor:.3g}, of which "
            f"{model.noise_floor:.3g} is τ²/σ²",
            "estimates": f"estimates of the gradient, of variance {self.variance:.3g} and bias {self.bias:.3g}",
        }

    def _marks(self):
        lines = "line is what κ takes off" if self.rule == "fixed" else "lines are what the rule takes off"
        dot = " The black dot is at this κ." if self.rule == "fixed" else ""
        return {
            "advantages": f"Orange dots are samples, the black line their mean. The green {lines}, the dotted one what "
            f"the critic says{', which is the same' if self.rule == 'fixed' and self.weight == 1 else ''}.",
            "bowl": f"The green curve is the variance; the vermilion line is κ = 0, the dashed grey one the least. "
            f"What is grey below no critic can take off.{dot}",
            "estimates": marks_of_estimates(self.bias),
        }


# Presets ----------------------------------------------------------------------------------------------------
# Each is (title, its world, what to look at, the settings that are not the defaults).

DEFAULTS = {
    "weight": 0.0,
    "rule": "fixed",
    "q": 0.9,
    "c1": 1.0,
    "c2": 0.0,
    "c3": 0.0,
    "tau": 0.5,
    "sigma": 1.0,
    "n": 16,
    "seed": 1,
}
PRESETS = {
    "helpful": (
        "a helpful critic",
        "An advantage that is a line in the action, of slope 1, and noise of standard deviation 0.5 after it.",
        "The critic’s slope q is almost the advantage’s. Before you drag κ from 0 to 1: what will the mean do, and how "
        "far down does the variance go?",
        {},
    ),
    "full-hurts": (
        "a wrong sign",
        "An advantage that is a line in the action, of slope 1, and noise of standard deviation 0.5 after it.",
        "The critic thinks that the gradient goes the other way. With its full weight the variance is three times that "
        "of no control at all; conservative leaves it out, aggressive turns it round.",
        {"q": -0.8, "weight": 1.0},
    ),
    "neither-helps": (
        "K < W/2",
        "An advantage that is a line of slope 0.3, and noise of standard deviation 0.5 after the action.",
        "The sign is right and the slope too steep: K = 0.3, W = 1. Conservative and aggressive both say κ = 1, and "
        "both make it worse, 0.43 → 1.23; κ = 0.3 helps.",
        {"c1": 0.3, "q": 1.0, "weight": 1.0},
    ),
    "noise-floor": (
        "the τ² floor",
        "An advantage that is a line of slope 0.6, and noise of standard deviation 2 after the action.",
        "Most of the variance comes after the action. No function of state and action reaches below the grey band: "
        "drag κ, q and then τ.",
        {"c1": 0.6, "q": 0.6, "tau": 2.0, "weight": 0.5},
    ),
    "single-sample": (
        "rules of one sample",
        "An advantage that is a line of slope 1, and noise of standard deviation 1 after the action.",
        "κ = sign(ÂĀ) of each sample by itself: now the weight depends on the action, and the mean goes off by the "
        "arrow, however many samples you take.",
        {"q": 1.5, "tau": 1.0, "rule": "aggressive", "n": 32},
    ),
    "two-optima": (
        "two optima",
        "An advantage with a twist: c₁ = 0.6, c₃ = 0.25, and noise of standard deviation 0.5 after it.",
        "The advantage is no line. K/W makes Â − κĀ smallest; the gradient’s variance counts far actions more, and is "
        "lowest where c₁ − κqσ = −3c₃.",
        {"c1": 0.6, "c3": 0.25, "q": 1.0, "tau": 0.5, "weight": 0.6},
    ),
}
QProp.take_presets(PRESETS, DEFAULTS)
