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

from rlbook.natural_gradients import (
    gaussian_fisher,
    gaussian_gradient,
    gaussian_kl,
    gaussian_path,
    plateau_time,
    softmax_path,
)
from rlbook.widgets import natural_pictures as pictures
from rlbook.widgets.base import Number, Numbers, PresetWidget, Whole
from rlbook.widgets.lesson import EXPLORE, Guess, Step

LESSON = (
    Step(
        "Bend the coordinates",
        "Both paths climb from the same policy, vermilion along the gradient, blue along the natural gradient. Drag "
        "the bend k from σ to log σ: which path swings over?",
        panels=("plane",),
        controls=("bend",),
        preset="two-coordinates",
        settings={"bend": 0.6},
        more=("alpha", "steps"),
    ),
    Step(
        "Circle and ellipse",
        "A vermilion step of fixed length ends on the circle, a blue one on the ellipse: nearly the colourless curve, "
        "of equal KL. Answer; then drag σ down yourself.",
        panels=("plane",),
        controls=("sigma",),
        preset="two-coordinates",
        settings={"mu": -1.0, "sigma": 1.2, "steps": 0},
        more=("bend", "delta"),
        guess=Guess(
            "σ becomes ten times smaller. What becomes of the KL of the gradient’s step to the circle’s edge?",
            "A narrow policy is soon another one. The circle stays as it is; the ellipse shrinks with σ, its KL stays.",
            answers=("it stays", "about 10 times", "about 100 times"),
            right=2,
            settings={"sigma": 0.12},
        ),
    ),
    Step(
        "The plateau",
        "Drag n: blue soon reaches the best action, a₃; vermilion waits in the corner a₁, where its gradient is nearly "
        "0. Give both first steps the same KL: vermilion still takes far longer.",
        panels=("plane", "beside"),
        controls=("n", "equal"),
        preset="plateau",
        settings={"steps": 60},
        more=("alpha", "delta"),
    ),
)


class Pair(NamedTuple):
    """A number for the Euclidean step or path and one for the natural."""

    euclidean: float
    natural: float


def _both(function):
    return Pair(*(float(function(natural=natural)) for natural in (False, True)))


class NaturalGradient(PresetWidget):
    """Euclidean and natural gradient steps of a Gaussian policy in coordinates that bend, and of a softmax policy.

    `NaturalGradient()` shows its lesson, `NaturalGradient("plateau")` everything, for that preset,
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
    scale : how many times α the Euclidean step is, from 0.0001 to 10000
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
    scale = Number(1.0, 1e-4, 1e4, step=0.01, shown=(0.01, 100), log=True).tag(sync=True, setting=True)
    delta = Number(0.1, 0.001, 1, log=True).tag(sync=True, setting=True)
    bend = Number(1.0, -1, 2, step=0.05).tag(sync=True, setting=True)
    steps = Whole(40, 0, 500).tag(sync=True, setting=True)
    start = Numbers((3,), 0, 1, "three probabilities that sum to 1, each", step=0.001).tag(sync=True, setting=True)
    rewards = Numbers((3,), 0, 1, "three numbers").tag(sync=True, setting=True)

    PANELS = ("plane", "beside", "policy")
    lesson = LESSON

    def path(self, *, natural, bend=None, alpha=None, steps=None) -> np.ndarray:
        """The policies from the start on, one a row: (steps+1, 2) of μ and σ, or (steps+1, 3) probabilities.

        Whatever is not given is as it is set. Rows after a step that left σ > 0 are nan.
        """
        alpha = (self.alpha if alpha is None else alpha) * (1 if natural else self.scale)
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

        return _both(lambda natural: self._divergence(self.path(natural=natural, steps=1)))

    @property
    def equal_alpha(self) -> Pair:
        """The α with which one step has the KL δ exactly, a `Pair`; nan where no step does."""
        euclid = self.scale

        def root(natural):
            share = 1 if natural else euclid
            beyond = lambda alpha: not self._step_kl(natural, alpha / share) < self.delta  # noqa: E731
            high = next((2.0**i for i in range(-20, 40) if beyond(2.0**i)), np.nan)
            low = 0.0
            for _ in range(80 if high == high else 0):  # nan if no step does
                middle = (low + high) / 2
                low, high = (low, middle) if beyond(middle) else (middle, high)
            return high

        return _both(root)

    def _step_kl(self, natural, alpha):
        return self._divergence(self.path(natural=natural, alpha=alpha, steps=1))

    def _divergence(self, path):
        before, after = path
        if self.view == "gaussian":
            return gaussian_kl(*before, *after)
        there = before > 0
        return before[there] @ np.log(before[there] / after[there])

    @property
    def reach_kl(self) -> Pair:
        """KL of the steepest step to the edge of the circle dᵀd = 2δ and of the ellipse dᵀFd = 2δ, a `Pair`.

        nan where the circle's leaves σ > 0.
        """
        mu, sigma, c, bend = self.mu, self.sigma, self.c, self.bend
        g = gaussian_gradient(mu, sigma, c, bend)
        alphas = np.sqrt(2 * self.delta / (g @ g)), self.region_alpha

        def divergence(natural):
            after = gaussian_path(mu, sigma, c, alphas[natural], 1, bend=bend, natural=natural)[-1]
            return gaussian_kl(mu, sigma, *after)

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
        return Pair(times[0] / (self.alpha * self.scale), times[1] / self.alpha)

    def _eta(self, policy):
        if self.view == "softmax":
            return policy @ self.rewards
        return -((policy[0] - self.c) ** 2 + policy[1] ** 2) / 2

    def _draw_plane(self, ax):
        pictures.draw_triangle(self, ax) if self.view == "softmax" else pictures.draw_gaussian(self, ax, False)

    def _draw_beside(self, ax):
        pictures.draw_returns(self, ax) if self.view == "softmax" else pictures.draw_gaussian(self, ax, True)

    def _draw_policy(self, ax):
        pictures.draw_bars(self, ax) if self.view == "softmax" else pictures.draw_densities(self, ax)

    def _words(self):
        euclidean, natural = (f"{value:.3g}" if np.isfinite(value) else "undefined" for value in self.eta)
        after = (
            f"after {self.steps} steps of α = {self.alpha:g} the return is {euclidean} (Euclidean), {natural} (natural)"
        )
        after = after if self.steps else f"whose return is {natural}"
        if self.view == "softmax":
            return f"The triangle of policies over three actions, {after}", {
                "plane": "both paths in it",
                "beside": "η against steps",
                "policy": "the policies as bars",
            }
        shapes = f"the Euclidean circle, the Fisher ellipse, the KL contour δ = {self.delta:g} and both paths"
        return f"The policy μ = {self.mu:g}, σ = {self.sigma:g}, {after}", {
            "plane": f"the plane of σ with {shapes}",
            "beside": "the same in the plane of log σ",
            "policy": "its density before and after a step",
        }

    def _marks(self):
        start = "The dot is where the policy starts."
        if self.view == "softmax":
            return {
                "plane": f"A corner is a policy that takes one action, with its reward. {start} The Euclidean path is "
                "vermilion, the natural one blue.",
                "beside": "",
                "policy": "Black is before all steps, vermilion after the Euclidean and blue after the natural ones.",
            }
        paths = (
            " The path along the gradient is vermilion, that along the natural gradient blue. Steps are taken in "
            f"u = (σᵏ − 1)/k with k = {self.bend:g}"
            + ("." if self.step == EXPLORE else "; the thin paths are for k = 1, that is σ, and for k = 0, log σ.")
        )
        plane = (
            f"{start} Vermilion is the circle of Euclidean steps{'' if self.bend == 1 else ' in (μ, u)'}, blue is "
            "Fisher’s ellipse, and black is the contour of the KL divergence. Pale rings are contours of the return, "
            "and the triangle is the best action."
        ) + (paths if self.steps else "")
        return {
            "plane": plane,
            "beside": "Beside it is the same, with log σ upwards." if "plane" in self.panels else plane,
            "policy": "The upright line is the best action.",
        }

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


# Presets ----------------------------------------------------------------------------------------------------
# Each is (title, its world, the settings that are not the defaults).

GAUSSIAN = (
    "One state; an action drawn from N(μ, σ²) earns the more, the nearer it is to c: η\xa0=\xa0−½[(μ−c)²\xa0+\xa0σ²]."
)
BANDIT = (
    "One state, three actions of reward 0.6, 0 and 1, and a softmax policy that seldom takes the best one at first."
)
DEFAULTS = {
    "view": "gaussian",
    "mu": -1.2,
    "sigma": 1.6,
    "c": 1.0,
    "alpha": 0.1,
    "scale": 1.0,
    "delta": 0.1,
    "bend": 1.0,
    "steps": 40,
    "start": [0.3, 0.67, 0.03],
    "rewards": [0.6, 0.0, 1.0],
}
PRESETS = {
    "two-coordinates": ("two coordinates", GAUSSIAN, {}),
    "narrow": (
        "narrow policy",
        GAUSSIAN,
        {"mu": -1.0, "sigma": 0.25, "alpha": 1.2, "bend": 0.0, "steps": 20},
    ),
    "small-steps": ("small steps", GAUSSIAN, {"alpha": 0.02, "steps": 200}),
    "large-alpha": ("large α", GAUSSIAN, {"alpha": 0.5, "steps": 8, "delta": 0.5}),
    "plateau": ("plateau", BANDIT, {"view": "softmax", "alpha": 0.4, "steps": 240}),
    "two-actions": (
        "two actions",
        "One state, two actions of reward 0 and 1, and a softmax policy that begins with 0.99 of the worse.",
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
