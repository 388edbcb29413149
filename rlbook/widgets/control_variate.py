"""Chapter 5's first widget: a control variate, the bowl of its variance, and what fitting its coefficient costs.

    f = 1 + ρg + √(1−ρ²) [√(1−β²) u + β (g²−1)/√2],      g and u independent and standard normal

has mean 1, variance 1 and the correlation ρ with g, whatever the bend β is (`CorrelatedPair`); E g = 0 is known. The
mean of f + cg over n samples is an estimate of E f for every c that is fixed before them. Fitted on the same samples,
ĉ and ḡ hang together where f bends, and the estimate is biased by −√2 β√(1−ρ²)/n (prop-same-sample); fitted on one
half for the other it is not (prop-cross-fit).

The numbers are those of `rlbook.q_prop`; the browser has a copy of these closed forms
(frontend/src/control_variate/numerics.js), held to it by tests.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import traitlets as tr

from rlbook import plots
from rlbook.q_prop import CorrelatedPair, control_variate, cross_fitted, fitted_on_same
from rlbook.widgets.base import Number, PresetWidget, Whole
from rlbook.widgets.dice import normals

FEWEST, MOST = 8, 64  # samples in a batch: below 8 a coefficient from half of them has no variance
BATCHES = 160


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

    `ControlVariate()` shows the first preset, `ControlVariate("same-samples")` another, `ControlVariate(corr=0.5,
    c=-1)` settings of your own.

    Settings
    --------
    preset : one of {presets}; setting it resets the others to that preset's
    c : the coefficient c of f + c(g − E g), from −2 to 2
    corr : the correlation of f and g, from −1 to 1
    bend : β, the share of f's remainder that is curved in g, from 0 to 1; at 0 (f, g) is jointly Gaussian
    n : samples in a batch, an even number from 8 to 64
    seed : of the samples, from 0 to 2³² − 1
    """

    _view = tr.Unicode("control_variate").tag(sync=True)
    preset = tr.Unicode("correlated").tag(sync=True, setting=True)
    c = Number(0.0, -2, 2).tag(sync=True, setting=True)
    corr = Number(0.9, -1, 1).tag(sync=True, setting=True)
    bend = Number(0.0, 0, 1).tag(sync=True, setting=True)
    n = Whole(16, FEWEST, MOST, step=2).tag(sync=True, setting=True)
    seed = Whole(1, 0, 2**32 - 1).tag(sync=True, setting=True)

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
        return Estimates(0.0, 0.0, float(self.pair.same_sample_bias(self.n)) + 0.0, 0.0)

    @property
    def sd(self) -> Estimates:
        """The standard deviations of the four estimates, exactly: `Estimates`."""
        return Estimates(*np.sqrt(estimate_variances(self.pair, self.n, self.c)))

    @property
    def samples(self) -> tuple[np.ndarray, np.ndarray]:
        """(f, g), both (BATCHES, n): the batches that are drawn."""
        return self.pair.values(*(x.reshape(BATCHES, MOST)[:, : self.n] for x in normals(self.seed, BATCHES * MOST)))

    @property
    def estimates(self) -> Estimates:
        """The four estimates from each of these batches: `Estimates` of (BATCHES,) arrays."""
        f, g = self.samples
        ways = (
            lambda f, g: f,
            lambda f, g: control_variate(f, g, 0.0, self.c),
            lambda f, g: fitted_on_same(f, g, 0.0),
            lambda f, g: cross_fitted(f, g, 0.0),
        )
        return Estimates(*(np.array([way(*batch).mean() for batch in zip(f, g, strict=True)]) for way in ways))

    # Picture and words --------------------------------------------------------------------------------------

    def _draw(self):
        fig, axes = plots.row(3, height=2.9)
        _draw_samples(self, axes[0])
        _draw_bowl(self, axes[1])
        _draw_estimates(self, axes[2])
        return fig

    def alt(self) -> str:
        return (
            f"Samples of f and g with the correlation {self.corr:g}; the variance of f + cg as a parabola in c, "
            f"{self.variance:.3g} at c = {self.c:g} and {self.floor:.3g} at its bottom c = {self.best:g}; and "
            f"estimates from {self.n} samples without control, with c fixed, fitted on the same samples (bias "
            f"{self.bias.same:.3g}) and cross-fitted."
        )

    # Settings -----------------------------------------------------------------------------------------------


# The picture ------------------------------------------------------------------------------------------------


def _draw_samples(widget, ax):
    f, g = widget.samples
    ax.plot(g.ravel()[:300], f.ravel()[:300], "o", color=plots.SAMPLES, ms=2.5, alpha=0.4, mew=0)
    x = np.linspace(-3, 3, 61)
    ax.plot(x, widget.pair.values(x, 0.0)[0], color=plots.INK, lw=1)  # E[f|g]
    ax.plot(x, 1 + widget.corr * x, color=plots.INK, lw=1, ls="--")
    ax.plot(x, 1 - widget.c * x, color=plots.BASELINE, lw=2)
    ax.set(title="Samples", xlabel="g", ylabel="f", xlim=(-3, 3), ylim=(-2.5, 4.5))


def _draw_bowl(widget, ax):
    c = np.linspace(*widget.limits("c"), 81)
    ax.plot(c, widget.pair.variance(c), color=plots.BASELINE, lw=2)
    ax.axhline(1, color=plots.PLAIN, lw=1)
    ax.axhline(widget.floor, color=plots.BOUND, lw=1, ls="--")
    ax.plot(widget.best, widget.floor, "o", mfc="white", mec=plots.INK, ms=6, clip_on=False)
    ax.plot(widget.c, widget.variance, "o", color=plots.INK, ms=6, clip_on=False)
    ax.set(title="Var(f + cg)", xlabel="c", ylabel="variance", xlim=widget.limits("c"), ylim=(0, 3))


def _draw_estimates(widget, ax):
    names = "f alone", "c fixed", "same\nsamples", "cross-\nfitted"
    looks = plots.PLAIN, plots.BASELINE, plots.BASELINE, plots.BASELINE
    rows = zip(names, widget.estimates, widget.bias, widget.sd, looks, strict=True)
    for row, (_, values, bias, sd, colour) in enumerate(rows):
        spread = row + 0.18 + 0.3 * np.modf(np.arange(BATCHES) * 0.618034)[0]
        ax.plot(values, spread, "o", color=plots.SAMPLES, ms=2.5, alpha=0.4, mew=0)
        ax.plot([1 + bias - 2 * sd, 1 + bias + 2 * sd], [row, row], color=colour, lw=1.5)
        ax.plot(1 + bias, row, "|", color=colour, ms=9, mew=2)
    if widget.bias.same:
        arrow = {"arrowstyle": "->", "color": plots.INK, "lw": 1.6, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (1 + widget.bias.same, 2), (1, 2), arrowprops=arrow)
    ax.axvline(1, color=plots.INK, lw=0.8)
    ax.set(title=f"Estimates from n = {widget.n}", xlabel="estimate of E f", ylim=(3.6, -0.4), yticks=range(4))
    ax.set_yticklabels(names)
    half = 3 / np.sqrt(widget.n)
    ax.set(xlim=(1 - half, 1 + half))


# Presets ----------------------------------------------------------------------------------------------------
# Each is (title, what to look at, the settings that are not the defaults).

DEFAULTS = {"c": 0.0, "corr": 0.9, "bend": 0.0, "n": 16, "seed": 1}
PRESETS = {
    "correlated": (
        "a good control",
        "f and g rise and fall together. Drag c to the bottom of the bowl: how much of the variance is left, and where "
        "has the mean gone?",
        {},
    ),
    "too-strong": (
        "too strong",
        "The right sign, but more than twice c*: the control now adds variance. Bring c back to half.",
        {"corr": 0.4, "c": -1.0},
    ),
    "wrong-sign": (
        "wrong sign",
        "f falls as g rises, so that c* is positive; a control that is added where it should be taken away hurts at "
        "once.",
        {"corr": -0.7, "c": -0.5},
    ),
    "uncorrelated": (
        "no correlation",
        "g says nothing of f on average: c* = 0, and any other c costs c² Var g. Turn the dashed line to bring the "
        "correlation in.",
        {"corr": 0.0, "c": 0.5},
    ),
    "same-samples": (
        "fitted on the same",
        "c from the samples that it is then used on: where f bends, ĉ and ḡ hang together, and the mean is off, by "
        "the arrow. From the other half of the samples it is not.",
        {"corr": 0.8, "c": -0.8, "bend": 0.8, "n": 8},
    ),
    "gaussian": (
        "jointly Gaussian",
        "Where f is a line in g and independent noise, even ĉ from the same samples leaves no bias; it costs a little "
        "variance. Bend f and watch the mean go.",
        {"corr": 0.8, "c": -0.8, "n": 8},
    ),
    "many-samples": (
        "many samples",
        "The bias goes as 1/n and the spread as 1/√n: with many samples the one is lost in the other. Drag n.",
        {"corr": 0.8, "c": -0.8, "bend": 0.8, "n": 64},
    ),
}
ControlVariate.take_presets(PRESETS, DEFAULTS)
