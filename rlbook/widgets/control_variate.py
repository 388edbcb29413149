"""Chapter 5's first widget: a control variate, the bowl of its variance, and what fitting its coefficient costs.

    f = 1 + ρg + √(1−ρ²) [√(1−b²) u + b (g²−1)/√2],      g and u independent and standard normal

has mean 1, variance 1 and the correlation ρ with g, whatever the bend b is, from 0 to 1 (`CorrelatedPair`); E g = 0 is
known. The mean of f + cg over n samples is an estimate of E f for every c that is fixed before them. Fitted on the same
samples, ĉ and ḡ hang together where f bends, and the estimate is biased by −√2 b√(1−ρ²)/n (prop-same-sample); fitted
on one half for the other it is not (prop-cross-fit). A control of the mean E g = m may be added as it is, without
taking m out again: then the estimate is off by cm.

The numbers are those of `rlbook.q_prop`; the browser has a copy of these closed forms
(frontend/src/control_variate/numerics.js), held to it by tests.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import traitlets as tr
from matplotlib.ticker import NullFormatter

from rlbook import plots
from rlbook.q_prop import CorrelatedPair, control_variate, cross_fitted, fitted_on_same
from rlbook.widgets.base import Number, PresetWidget, Whole
from rlbook.widgets.dice import normals
from rlbook.widgets.lesson import EXPLORE, Guess, Step

FEWEST, MOST = 8, 64  # samples in a batch: below 8 a coefficient from half of them has no variance
BATCHES = 160


LESSON = (
    Step(
        "The coefficient",
        "Each dot of the piles is a mean of samples: of f alone, or of f with c times a control g added, whose "
        "correlation with f is ρ. Drag the point down its bowl, and watch the second pile and its mean.",
        panels=("bowl", "estimates"),
        controls=("c",),
        preset="correlated",
        settings={"c": -0.3},
        more=("corr", "n", "again"),
    ),
    Step(
        "What the line leaves",
        "Dots are samples of g and f. c takes the green line off; the threads from it to the dots are what is left. "
        "Turn it onto the dashed one, of slope ρ; then turn that.",
        panels=("samples",),
        controls=("c",),
        preset="correlated",
        settings={"c": -0.3},
        more=("corr", "again"),
    ),
    Step(
        "Subtract, and add back",
        "This control has the mean ½, which is taken out again. What if it is not? Answer; then drag c and see where "
        "the pile goes.",
        panels=("estimates",),
        controls=("c",),
        preset="not-centred",
        settings={"c": -0.9, "control": "centred"},
        more=("centred", "mean", "n", "again"),
        guess=Guess(
            "c·g is added as it is, its mean not taken out. What becomes of the estimates?",
            "They move by c times E g, however many samples there are: a control needs a mean that is known, and put "
            "back.",
            answers=("they stay around the truth", "they move away"),
            right=1,
            settings={"control": "raw"},
        ),
    ),
    Step(
        "Fitted on the same samples",
        "f bends, and c is fitted on the very samples that it then controls: the arrow is the bias. Drag n: bias and "
        "spread both fall, the bias faster. Unbend f: no arrow.",
        panels=("estimates",),
        controls=("n", "bend"),
        preset="same-samples",
        settings={"bend": 1.0},
        more=("corr", "again"),
    ),
)


class Estimates(NamedTuple):
    """One thing for each way to choose c: 0, fixed, fitted on the same samples, fitted on one half for the other."""

    plain: object
    fixed: object
    same: object
    crossed: object


def estimate_variances(pair, n, c) -> Estimates:
    """The variances of the estimates of E f from n ≥ 8 samples of a `CorrelatedPair` with sd_f = sd_g = 1: `Estimates`.

    With the deviations d of m values of g from their mean ḡ, the fitted coefficient of g² − 1 on g is 2ḡ + T,
    T = Σd³/Σd², that of independent noise has the variance E 1/Σd² = 1/(m−3), and ḡ is independent of d.
    """

    def skew(m):
        """E T²."""
        return 6 * (m - 1) * (m - 2) / (m * (m + 1) * (m + 3))

    straight, curve = pair.least * (1 - pair.bend**2), pair.least * pair.bend**2 / 2  # of u, and of g² − 1 squared
    m = n // 2
    spread = straight / (m - 3) + curve * (4 / m + skew(m))  # E (ĉ − c*)² of a half
    shift = pair.same_sample_bias(m) ** 2  # (E ĉḡ)² of a half
    return Estimates(
        1 / n,
        pair.variance(c) / n,
        straight * (n - 2) / (n * (n - 3)) + curve * (2 / n + skew(n) / n),
        ((straight + 2 * curve) / m + spread / m + shift) / 2,
    )


class ControlVariate(PresetWidget):
    """Samples of f and a control g, the variance of f + cg, and estimates with c fixed, fitted and cross-fitted.

    `ControlVariate()` shows its lesson, `ControlVariate("same-samples")` everything, for that preset, and
    `ControlVariate(corr=0.5, c=-1)` settings of your own.

    Settings
    --------
    preset : one of {presets}; setting it resets the others to that preset's
    c : the coefficient c of f + c(g − E g), from −2 to 2
    corr : the correlation of f and g, from −1 to 1
    bend : the share of f's remainder that is curved in g, from 0 to 1; at 0 (f, g) is jointly normal
    mean_g : E g, the mean of the control, from −1 to 1
    control : where c is fixed, "centred" adds c(g − E g) and "raw" c·g as it is, which moves the mean by c·E g
    n : samples in a batch, an even number from 8 to 64
    seed : of the samples, from 0 to 2³² − 1
    """

    _view = tr.Unicode("control_variate").tag(sync=True)
    preset = tr.Unicode("correlated").tag(sync=True, setting=True)
    c = Number(0.0, -2, 2).tag(sync=True, setting=True)
    corr = Number(0.9, -1, 1).tag(sync=True, setting=True)
    bend = Number(0.0, 0, 1).tag(sync=True, setting=True)
    mean_g = Number(0.0, -1, 1).tag(sync=True, setting=True)
    control = tr.Enum(("centred", "raw"), "centred").tag(sync=True, setting=True)
    n = Whole(16, FEWEST, MOST, step=2).tag(sync=True, setting=True)
    seed = Whole(1, 0, 2**32 - 1).tag(sync=True, setting=True)

    PANELS = ("samples", "bowl", "estimates", "growth")
    lesson = LESSON

    # Numbers ------------------------------------------------------------------------------------------------

    @property
    def pair(self) -> CorrelatedPair:
        """f and g as they are set, a `CorrelatedPair`."""
        return CorrelatedPair(1.0, 1.0, 1.0, self.corr, self.bend)

    @property
    def variance(self) -> float:
        """Var(f + cg) of one sample."""
        return self.pair.variance(self.c)

    @property
    def best(self) -> float:
        """c* = −ρ, where that variance is least (prop-control-variate)."""
        return self.pair.best + 0.0  # not −0

    @property
    def floor(self) -> float:
        """The least variance, 1 − ρ²."""
        return self.pair.least

    @property
    def bias(self) -> Estimates:
        """What the means of the four estimates from n samples miss of E f = 1, exactly: `Estimates`."""
        return Estimates(0.0, self.c * self._left_in, float(self.pair.same_sample_bias(self.n)) + 0.0, 0.0)

    @property
    def sd(self) -> Estimates:
        """The standard deviations of the four estimates, exactly: `Estimates`."""
        return Estimates(*np.sqrt(estimate_variances(self.pair, self.n, self.c)))

    @property
    def samples(self) -> tuple[np.ndarray, np.ndarray]:
        """(f, g − E g), both (BATCHES, n): the batches that are drawn."""
        return self.pair.values(*(x.reshape(BATCHES, MOST)[:, : self.n] for x in normals(self.seed, BATCHES * MOST)))

    @property
    def estimates(self) -> Estimates:
        """The four estimates from each of these batches: `Estimates` of (BATCHES,) arrays."""
        f, g = self.samples
        ways = (
            lambda f, g: f,
            lambda f, g: control_variate(f, g, -self._left_in, self.c),
            lambda f, g: fitted_on_same(f, g, 0.0),
            lambda f, g: cross_fitted(f, g, 0.0),
        )
        return Estimates(*(np.array([way(*batch).mean() for batch in zip(f, g, strict=True)]) for way in ways))

    @property
    def _left_in(self):
        """The part of E g that is not taken out where c is fixed."""
        return self.mean_g if self.control == "raw" else 0.0

    # Picture and words --------------------------------------------------------------------------------------

    def _draw_samples(self, ax):
        f, g = (x.ravel()[: 300 if self.step == EXPLORE else 120] for x in self.samples)
        if self.step != EXPLORE:
            ax.vlines(g, 1 - self.c * g, f, color=plots.BASELINE, lw=0.6, alpha=0.6)  # what the line leaves
        ax.plot(g, f, "o", color=plots.SAMPLES, ms=2.5, alpha=0.4, mew=0)
        x = np.linspace(-3, 3, 61)
        if self.bend and self.corr**2 < 1:
            ax.plot(x, self.pair.values(x, 0.0)[0], color=plots.INK, lw=1)  # E[f|g], else the best line
        ax.plot(x, 1 + self.corr * x, color=plots.INK, lw=1, ls="--")
        ax.plot(x, 1 - self.c * x, color=plots.BASELINE, lw=2)
        ax.set(title="Samples", xlabel="g − E g", ylabel="f", xlim=(-3, 3), ylim=(-2.5, 4.5))

    def _draw_bowl(self, ax):
        c = np.linspace(*self.limits("c"), 81)
        ax.plot(c, self.pair.variance(c), color=plots.BASELINE, lw=2)
        ax.axhline(1, color=plots.PLAIN, lw=1)
        ax.axhline(self.floor, color=plots.BOUND, lw=1, ls="--")
        ax.plot(self.best, self.floor, "o", mfc="white", mec=plots.INK, ms=6, clip_on=False)
        ax.plot(self.c, self.variance, "o", color=plots.INK, ms=6, clip_on=False)
        ax.set(title="Var(f + cg)", xlabel="c", ylabel="variance", xlim=self.limits("c"), ylim=(0, 3))

    def _draw_estimates(self, ax):
        names = ("f alone", f"c = {self.c:g}".replace("-", "−"), "same\nsamples", "other\nhalf")
        means = 1 + np.array(self.bias)
        looks = plots.PLAIN, plots.PLAIN if self.bias.fixed else plots.BASELINE, plots.BASELINE, plots.BASELINE
        rows = list(zip(names, self.estimates, means, self.sd, looks, strict=True))
        draw_estimates(ax, [rows[i] for i in self._shown], 1.0)
        half = 3 / np.sqrt(self.n) + abs(self.bias.fixed)
        ax.set(title=f"Estimates from n = {self.n}", xlabel="estimate of E f", xlim=(1 - half, 1 + half))

    @property
    def _shown(self):
        """Which of the estimates a step shows: where c is set, or where it is fitted."""
        return {EXPLORE: (0, 1, 2, 3), len(self.lesson): (2, 3)}.get(self.step, (0, 1))

    def _draw_growth(self, ax):
        n = np.arange(FEWEST, MOST + 1, 2)
        spread = np.sqrt([estimate_variances(self.pair, int(m), self.c) for m in n]).T
        for sd, colour, style in zip(spread, (plots.PLAIN, *[plots.BASELINE] * 3), ("-", "-", "--", ":"), strict=True):
            ax.plot(n, sd, color=colour, ls=style)
        if self.bias.same:
            ax.plot(n, -self.pair.same_sample_bias(n), color=plots.INK, lw=2)
        ax.set(title="As n grows", xlabel="n", ylabel="sd, bias", xscale="log", yscale="log", ylim=(0.008, 1.2))
        ax.set_xticks([10, 20, 50], [10, 20, 50])
        ax.xaxis.set_minor_formatter(NullFormatter())

    def _words(self):
        fitted = f"fitted on the same samples (bias {self.bias.same:.3g}) and cross-fitted"
        fixed = f"without control and with c fixed (bias {self.bias.fixed:.3g})"
        what = {2: fixed, 4: f"{fixed}, {fitted}"}[len(self._shown)] if 0 in self._shown else f"with c {fitted}"
        return f"For f and g of correlation {self.corr:g}, at c = {self.c:g}", {
            "samples": "samples of f and g, and the line that c takes off",
            "bowl": f"the variance of f + cg as a parabola in c, {self.variance:.3g} now and {self.floor:.3g} at its "
            f"bottom c = {self.best:g}",
            "estimates": f"estimates from {self.n} samples {what}",
            "growth": "their standard deviations and the bias against n",
        }

    def _marks(self):
        left = "" if self.step == EXPLORE else ", and thin ones are what it leaves"
        curve = " The thin black curve is the mean of f for each g." if self.bend and self.corr**2 < 1 else ""
        over = "" if self.c else ", which at c = 0 lies over the vermilion one"
        bent = f" The bend of f, as a share, is {self.bend:g}." if self.bend else ""
        bias = (
            " The black line is the bias of the fit on the same samples."
            if self.bias.same
            else " That fit has no bias here."
        )
        return {
            "samples": f"Orange dots are samples. The green line is what c takes off{left}; the dashed one is the best "
            f"line.{curve}",
            "bowl": "The green curve is the variance; the black dot is at this c, the hollow one at the best. The "
            "vermilion line is f alone, the dashed grey one the least variance.",
            "estimates": marks_of_estimates(any(self.bias[i] for i in self._shown)) + bent,
            "growth": "The standard deviation of f alone is vermilion, the others are green: c fixed, a line"
            f"{over}; fitted on the same samples, dashed; fitted on the other half, dotted.{bias}",
        }


def marks_of_estimates(has_bias) -> str:
    """What the marks of `draw_estimates` are."""
    bias = " An arrow is a bias." if has_bias else ""
    return (
        "Each orange dot is one estimate; a bar is their mean with two standard deviations to either side, and the "
        f"upright line is the truth.{bias}"
    )


def draw_estimates(ax, rows, truth) -> None:
    """Rows (name, estimates, mean, sd, colour): dots over a bar of mean and two sd, an arrow from the truth to it."""
    for row, (_, values, mean, sd, colour) in enumerate(rows):
        spread = row + 0.18 + 0.3 * np.modf(np.arange(len(values)) * 0.618034)[0]
        ax.plot(values, spread, "o", color=plots.SAMPLES, ms=2.5, alpha=0.4, mew=0)
        ax.plot([mean - 2 * sd, mean + 2 * sd], [row, row], color=colour, lw=1.5)
        ax.plot(mean, row, "|", color=colour, ms=9, mew=2)
        if mean != truth:
            arrow = {"arrowstyle": "->", "color": plots.INK, "lw": 1.6, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", (mean, row), (truth, row), arrowprops=arrow)
    ax.axvline(truth, color=plots.INK, lw=0.8)
    ax.set(ylim=(len(rows) - 0.4, -0.4), yticks=range(len(rows)))
    ax.set_yticklabels([name for name, *_ in rows])


# Presets ----------------------------------------------------------------------------------------------------
# Each is (title, its world, what to look at, the settings that are not the defaults).

LINE = "f is a line in g and independent noise; E g = 0, sd f = sd g = 1."
BENT = "f is a line in g plus a remainder: noise at share 0, a bend in g at share 1; E g = 0, sd f = sd g = 1."
DEFAULTS = {"c": 0.0, "corr": 0.9, "bend": 0.0, "mean_g": 0.0, "control": "centred", "n": 16, "seed": 1}
PRESETS = {
    "correlated": (
        "a good control",
        LINE,
        "f and g rise and fall together. Drag c to the bottom of the bowl: how much of the variance is left, and where "
        "has the mean gone?",
        {},
    ),
    "too-strong": (
        "too strong",
        LINE,
        "The right sign, but more than twice c*: the control now adds variance. Bring c back to half.",
        {"corr": 0.4, "c": -1.0},
    ),
    "wrong-sign": (
        "wrong sign",
        LINE,
        "f falls as g rises, so that c* is positive; a control that is added where it should be taken away hurts at "
        "once.",
        {"corr": -0.7, "c": -0.5},
    ),
    "uncorrelated": (
        "no correlation",
        LINE,
        "g says nothing of f on average: c* = 0, and any other c costs c² Var g. Turn the dashed line to bring the "
        "correlation in.",
        {"corr": 0.0, "c": 0.5},
    ),
    "not-centred": (
        "a control with a mean",
        "f is a line in g and independent noise; g has a mean of its own; sd f = sd g = 1.",
        "c·g is added as it is: the variance is that of a good control, and the mean is off by c·E g. Take the mean "
        "out again, and it comes back.",
        {"c": -0.9, "mean_g": 0.5, "control": "raw"},
    ),
    "same-samples": (
        "fitted on the same",
        BENT,
        "c from the samples that it is then used on: where f bends, ĉ and ḡ hang together, and the mean is off, by "
        "the arrow. From the other half of the samples it is not.",
        {"corr": 0.8, "c": -0.8, "bend": 0.8, "n": 8},
    ),
    "gaussian": (
        "jointly normal",
        LINE,
        "Where f is a line in g and independent noise, even ĉ from the same samples leaves no bias; it costs a little "
        "variance. Bend f and watch the mean go.",
        {"corr": 0.8, "c": -0.8, "n": 8},
    ),
    "many-samples": (
        "many samples",
        BENT,
        "The bias goes as 1/n and the spread as 1/√n: with many samples the one is lost in the other. Drag n.",
        {"corr": 0.8, "c": -0.8, "bend": 0.8, "n": 64},
    ),
}
ControlVariate.take_presets(PRESETS, DEFAULTS)
