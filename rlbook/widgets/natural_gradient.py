"""Chapter 3's widget: steps of the gradient and of the natural gradient, side by side, on two small policies.

A Gaussian policy N(μ, σ²) with η = −½[(μ−c)² + σ²]: its steps are taken in (μ, u), u = (σᵏ−1)/k, where the reader
chooses the bend k of the coordinate (σ itself is k = 1, log σ is k = 0), and are seen in (μ, σ) and in (μ, log σ).
A softmax policy over three actions: its paths in the triangle of all policies, and the plateau of the Euclidean one.

The numbers are those of `rlbook.natural_gradients`; the browser has a copy of these closed forms and steps
(frontend/src/natural_gradient/numerics.js), held to it by tests.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import traitlets as tr

from rlbook import plots
from rlbook.natural_gradients import (
    gaussian_fisher,
    gaussian_gradient,
    gaussian_kl,
    gaussian_path,
    kl_contour,
    kl_ellipse,
    plateau_time,
    softmax_path,
)
from rlbook.widgets.base import Number, Numbers, PresetWidget, Whole

FRAME = (-2.25, 2.25), (0, 3.6), (-2.45, 1.15)  # what is seen of μ, σ and log σ


class Pair(NamedTuple):
    """A number for the Euclidean step or path and one for the natural."""

    euclidean: float
    natural: float


def _both(function):
    return Pair(*(float(function(natural=natural)) for natural in (False, True)))


class NaturalGradient(PresetWidget):
    """Euclidean and natural gradient steps of a Gaussian policy in coordinates that bend, and of a softmax policy.

    `NaturalGradient()` shows the first preset, `NaturalGradient("plateau")` another,
    `NaturalGradient(mu=-1, sigma=0.3)` a policy of your own.

    Settings
    --------
    preset : one of {presets}; setting it resets the others to that preset's
    view : "gaussian" or "softmax"
    mu, sigma : the Gaussian policy N(μ, σ²); μ from −2 to 2, σ from 0.1 to 3
    c : the target of η = −½[(μ−c)² + σ²], from −2 to 2
    delta : δ of the trust region KL ≤ δ, from 0.001 to 1
    bend : k of the coordinate u = (σᵏ−1)/k in which the steps are taken, from −1 to 2; 0 is log σ, 1 is σ
    alpha : the step α, from 0.01 to 2
    steps : how many of them, from 0 to 500
    start : the softmax policy's three probabilities to start from, at least two of them positive
    rewards : what its three actions earn, from 0 to 1
    """

    _view = tr.Unicode("natural_gradient").tag(sync=True)
    preset = tr.Unicode("two-coordinates").tag(sync=True, setting=True)
    view = tr.Enum(("gaussian", "softmax"), "gaussian").tag(sync=True, setting=True)
    mu = Number(-1.2, -2, 2).tag(sync=True, setting=True)
    sigma = Number(1.6, 0.1, 3).tag(sync=True, setting=True)
    c = Number(1.0, -2, 2).tag(sync=True, setting=True)
    alpha = Number(0.1, 0.01, 2).tag(sync=True, setting=True)
    delta = Number(0.1, 0.001, 1, log=True).tag(sync=True, setting=True)
    bend = Number(1.0, -1, 2, step=0.05).tag(sync=True, setting=True)
    steps = Whole(40, 0, 500).tag(sync=True, setting=True)
    start = Numbers((3,), 0, 1, "three probabilities that sum to 1, each", step=0.001).tag(sync=True, setting=True)
    rewards = Numbers((3,), 0, 1, "three numbers").tag(sync=True, setting=True)

    def path(self, *, natural, bend=None, alpha=None, steps=None) -> np.ndarray:
        """The policies from the start on, one a row: (steps+1, 2) of μ and σ, or (steps+1, 3) probabilities.

        Whatever is not given is as it is set. Rows after a step that left σ > 0 are nan.
        """
        alpha = self.alpha if alpha is None else alpha
        steps = self.steps if steps is None else steps
        if self.view == "softmax":
            return _softmax_path(self.start, self.rewards, alpha, steps, natural)
        bend = self.bend if bend is None else bend
        return gaussian_path(self.mu, self.sigma, self.c, alpha, steps, bend=bend, natural=natural)

    @property
    def eta(self) -> Pair:
        """η after `steps` steps, a `Pair`; nan where a step has left σ > 0."""
        return _both(lambda natural: self._eta(self.path(natural=natural)[-1]))

    @property
    def kl(self) -> Pair:
        """KL(π ‖ π⁺) of one step, a `Pair`; nan where it leaves σ > 0."""

        def divergence(natural):
            before, after = self.path(natural=natural, steps=1)
            if self.view == "gaussian":
                return gaussian_kl(*before, *after)
            there = before > 0
            return before[there] @ np.log(before[there] / after[there])

        return _both(divergence)

    def apart(self, *, alpha=None, steps=None) -> Pair:
        """How far paths taken in σ and in log σ come apart in the plane of μ and σ at most, a `Pair`.

        nan where one of them leaves σ > 0. Steps of α/2, twice as many, show how it goes to 0.
        """
        if self.view == "softmax":
            raise ValueError("a softmax policy has no σ: ask in the view 'gaussian'")

        def gap(natural):
            one, other = (self.path(natural=natural, bend=bend, alpha=alpha, steps=steps) for bend in (1, 0))
            return np.hypot(*(one - other).T).max()  # nan if any is

        return _both(gap)

    @property
    def region_alpha(self) -> float:
        """√(2δ / gᵀF⁻¹g): the α of a natural step that lies on the ellipse of δ."""
        g = gaussian_gradient(self.mu, self.sigma, self.c, self.bend)
        return float(np.sqrt(2 * self.delta / (g @ np.linalg.solve(gaussian_fisher(self.sigma, self.bend), g))))

    def half_time(self, *, most=20_000) -> Pair:
        """After how many steps the best action of the softmax policy has half of the probability, a `Pair`.

        inf if that takes more than `most` steps.
        """
        if self.view != "softmax":
            raise ValueError("a Gaussian policy has no best action: ask in the view 'softmax'")

        def first(natural):
            reached = self.path(natural=natural, steps=most)[:, self.best] >= 0.5
            return reached.argmax() if reached.any() else np.inf

        return _both(first)

    @property
    def best(self) -> int:
        """The softmax policy's best action among those that it takes."""
        return int(np.where(np.array(self.start) > 0, self.rewards, -1).argmax())

    @property
    def crossing(self) -> Pair:
        """After how many steps the flow of two actions gives the better one half (prop-plateau), a `Pair`.

        nan where the start has three actions, or both rewards are alike.
        """
        there = np.flatnonzero(self.start)
        gap = np.ptp(np.array(self.rewards)[there])
        if len(there) != 2 or gap == 0:
            return Pair(np.nan, np.nan)
        p = self.start[self.best] / sum(self.start)
        lead = np.log(p / (1 - p))
        if lead >= 0:
            return Pair(0.0, 0.0)
        times = (plateau_time(lead, 0, gap) / 2, plateau_time(lead, 0, gap, natural=True))  # a logit for each action
        return Pair(*(time / self.alpha for time in times))

    def _eta(self, policy):
        if self.view == "softmax":
            return policy @ self.rewards
        return -((policy[0] - self.c) ** 2 + policy[1] ** 2) / 2

    def _draw(self):
        fig, axes = plots.row(3, height=2.9)
        (_draw_gaussian if self.view == "gaussian" else _draw_softmax)(self, *axes)
        return fig

    def alt(self) -> str:
        euclidean, natural = (f"{value:.3g}" if np.isfinite(value) else "undefined" for value in self.eta)
        after = f"after {self.steps} steps of α = {self.alpha:g} η is {euclidean} (Euclidean) and {natural} (natural)."
        if self.view == "softmax":
            return f"The triangle of policies over three actions with both paths, η against steps, and bars: {after}"
        return (
            f"The policy μ = {self.mu:g}, σ = {self.sigma:g} in the planes of σ and of log σ, with the Euclidean "
            f"circle, the Fisher ellipse, the KL contour δ = {self.delta:g} and both paths; beside them its density: "
            f"{after}"
        )

    @tr.validate("start")
    def _policy_that_is_one(self, proposal):
        value = proposal["value"]
        p = np.array(value)
        if not abs(p.sum() - 1) < 1e-6 or (p > 0).sum() < 2:
            raise tr.TraitError(
                f"start must be three probabilities that sum to 1, at least two of them positive, got {value!r}"
            )
        return value


def _softmax_path(start, rewards, alpha, steps, natural):
    """`softmax_path` from probabilities; an action that has none is left out, and keeps none."""
    p, there = np.array(start), np.array(start) > 0
    path = np.zeros((steps + 1, p.size))
    path[:, there] = softmax_path(np.log(p[there]), np.array(rewards)[there], alpha, steps, natural=natural)
    return path


# The picture ------------------------------------------------------------------------------------------------

COLOURS = {False: plots.PLAIN, True: plots.IMPROVED}


def _outline(points):
    return np.vstack([points, points[:1]])


def _draw_gaussian(widget, left, middle, right):
    """Two planes and the densities before and after a step."""
    mu, sigma, c, delta = widget.mu, widget.sigma, widget.c, widget.delta
    paths = {natural: widget.path(natural=natural) for natural in (False, True)}
    radius = np.sqrt(2 * delta)
    angle = np.linspace(0, 2 * np.pi, 60)
    circle = np.column_stack([mu + radius * np.cos(angle), _moved(sigma, radius * np.sin(angle), widget.bend)])
    for ax, log, label in ((left, False, "σ"), (middle, True, "log σ")):

        def place(points, log=log):
            mean, scale = np.transpose(points)
            with np.errstate(divide="ignore", invalid="ignore"):
                return mean, np.log(scale) if log else scale

        for level in range(1, 6):
            turn = np.linspace(0.02, np.pi - 0.02, 40)
            ring = np.column_stack([c + level * np.cos(turn), level * np.sin(turn)])
            ax.plot(*place(ring), color="#dcdcdc", lw=0.6, zorder=0)
        ax.plot(*place(_outline(kl_contour(mu, sigma, delta, 60))), color=plots.INK, lw=1.2)
        ax.plot(*place(circle), color=plots.PLAIN, lw=1)
        ax.plot(*place(_outline(kl_ellipse(mu, sigma, delta, 60, widget.bend))), color=plots.IMPROVED, lw=1)
        for natural, points in paths.items():
            ax.plot(*place(points[:: 1 + widget.steps // 40]), ".-", color=COLOURS[natural], ms=3, lw=1.3)
        ax.plot(*place([[mu, sigma]]), "o", color=plots.INK, ms=5)
        low, high = FRAME[1 + log]
        ax.plot(c, low, "^", color=plots.INK, ms=6, clip_on=False)
        ax.set(xlim=FRAME[0], ylim=(low, high), xlabel="μ", ylabel=label, aspect="equal", title=f"In (μ, {label})")
    x = np.linspace(-4.5, 4.5, 181)
    for (m, s), colour, name in (
        ((mu, sigma), plots.INK, "before"),
        (widget.path(natural=False, steps=1)[1], plots.PLAIN, "Euclidean step"),
        (widget.path(natural=True, steps=1)[1], plots.IMPROVED, "natural step"),
    ):
        right.plot(x, np.exp(-((x - m) ** 2) / (2 * s**2)) / (s * np.sqrt(2 * np.pi)), color=colour, label=name)
    right.axvline(c, color=plots.INK, lw=0.6)
    right.set(title="Before and after", xlabel="action a", ylabel="density", xlim=(-4.5, 4.5), ylim=(0, None))
    right.legend(fontsize=6.5)


def _moved(sigma, du, bend):
    """σ where u is moved by du; nan where there is none."""
    inside = 1 + bend * du * sigma**-bend
    return sigma * (np.exp(du) if bend == 0 else np.where(inside > 0, inside, np.nan) ** (1 / bend))


def _draw_softmax(widget, left, middle, right):
    """The triangle of policies, η against steps, the policies as bars."""
    corners = np.array([[0, 0], [1, 0], [0.5, np.sqrt(0.75)]])
    left.plot(*_outline(corners).T, color=plots.INK, lw=0.8)
    for (x, y), (dx, dy), a, reward in zip(
        corners, ((0, -0.09), (0, -0.09), (0, 0.05)), "₁₂₃", widget.rewards, strict=True
    ):
        left.text(x + dx, y + dy, f"a{a}: {reward:g}", ha="center")
    steps = max(widget.steps, 1)
    ends = [np.array(widget.start)]
    for natural, colour in COLOURS.items():
        path = widget.path(natural=natural, steps=steps)
        some = np.arange(0, steps + 1, 1 + steps // 100)
        left.plot(*(path @ corners)[some].T, color=colour, lw=1.5)
        middle.plot(some, (path @ widget.rewards)[some], color=colour, label="natural" if natural else "Euclidean")
        ends.append(path[widget.steps])
    left.plot(*(ends[0] @ corners), "o", color=plots.INK, ms=5)
    left.set(title="The triangle of policies", aspect="equal", xlim=(-0.15, 1.15), ylim=(-0.15, 1.02))
    left.axis("off")
    middle.set(title="Return", xlabel="n (steps)", ylabel="η", xlim=(0, steps))
    middle.legend(fontsize=6.5)
    for i, (p, colour) in enumerate(zip(ends, (plots.INK, plots.PLAIN, plots.IMPROVED), strict=True)):
        right.bar(np.arange(3) + 0.26 * (i - 1), p, 0.24, color=colour)
    right.set(title=f"After {widget.steps} steps", ylabel="π(a)", ylim=(0, 1), xticks=range(3))
    right.set_xticklabels(["a₁", "a₂", "a₃"])


# Presets ----------------------------------------------------------------------------------------------------
# Each is (title, the settings that are not the defaults).

DEFAULTS = {
    "view": "gaussian",
    "mu": -1.2,
    "sigma": 1.6,
    "c": 1.0,
    "alpha": 0.1,
    "delta": 0.1,
    "bend": 1.0,
    "steps": 40,
    "start": [0.3, 0.67, 0.03],
    "rewards": [0.6, 0.0, 1.0],
}
PRESETS = {
    "two-coordinates": ("two coordinates", {}),
    "narrow": ("narrow policy", {"mu": -1.0, "sigma": 0.25, "alpha": 1.2, "bend": 0.0, "steps": 20}),
    "small-steps": ("small steps", {"alpha": 0.02, "steps": 200}),
    "large-alpha": ("large α", {"alpha": 0.5, "steps": 8, "delta": 0.5}),
    "plateau": ("plateau", {"view": "softmax", "alpha": 0.4, "steps": 240}),
    "two-actions": (
        "two actions",
        {
            "view": "softmax",
            "alpha": 0.5,
            "steps": 120,
            "start": [0.99, 0.01, 0.0],
            "rewards": [0.0, 1.0, 0.0],
        },
    ),
}
NaturalGradient.take_presets(PRESETS, DEFAULTS)
