"""Chapter 1's widget: the cloud of gradient estimates ĝ(κ, βb), and the bowl of its variance.

    ĝ(κ, βb) = κ·past + future − Σ_{t,s} β b_t(s) h_{t,s},      h_{t,s} = γᵗ 1{s_t=s} ψ_t          (eq-family)

The h_{t,s} have mean zero and are uncorrelated, so Cov ĝ is an exact separable quadratic in κ and β b_t(s).
`Problem` makes its coefficients with `exact_moments`; the browser only evaluates the quadratic. The cloud's
trajectories are enumerated where there are at most 256 of them, and drawn from the MDP otherwise.
"""

from __future__ import annotations

import numpy as np
import traitlets as tr

from rlbook import plots
from rlbook.widgets.base import Number, Widget
from rlbook.widgets.gradient_problems import DOTS, FULL_RETURN, HORIZONS, PRESETS, Problem
from rlbook.widgets.lesson import Guess, Step

LARGEST_VALUE = 1e9  # of a baseline

LESSON = (
    Step(
        "The cloud",
        "Each dot is the gradient that one episode gives. Drag κ, the weight of past rewards, to 0, and watch the "
        "cross, their exact mean, and the ellipse.",
        panels=("cloud",),
        controls=("kappa",),
        preset="two-rooms",
        settings={"kappa": 0.6},
        more=("batch",),
    ),
    Step(
        "The bowl",
        "Now β times the baseline V is taken from each return. Guess; then drag the point along its bowl, and watch "
        "the cloud and its cross.",
        panels=("bowl", "cloud"),
        controls=("beta",),
        preset="two-rooms",
        settings={"kappa": 0.0},
        more=("kappa", "baseline", "batch"),
        guess=Guess(
            "At which β is the variance lowest?",
            "V itself, at 1, is nearly as good. The best baseline is no multiple: it weighs returns by their scores.",
            between=(0.0, 2.0),
            number="lowest",
        ),
    ),
    Step(
        "When the past helps",
        "Here −10 comes first, and +10 makes up for it. Without the past, at κ = 0, the dots lie far apart. Answer; "
        "then drag κ to and fro yourself.",
        panels=("cloud",),
        controls=("kappa",),
        preset="ten-then-ten",
        settings={"kappa": 0.0},
        guess=Guess(
            "What will the past do to the dots?",
            "The −10 cancels what is still to come, as the best baseline would: reward-to-go helps often, not always.",
            answers=("spread them", "leave them", "make them one"),
            right=2,
            settings={"kappa": 1.0},
        ),
    ),
)


class VarianceReduction(Widget):
    """The cloud of ĝ(κ, βb), the bowl of its variance, and its growth with the horizon.

    `VarianceReduction()` shows its lesson, `VarianceReduction("two-arms")` everything, for that preset, and
    `VarianceReduction.of(mdp, theta, horizon=4)` a problem of your own.

    Settings
    --------
    preset : one of {presets}, or 'own'
        Setting it resets the others to that preset's; 'own' is a problem of your own.
    kappa : weight κ of the past, in [0, 1]; 1 is the full return, 0 reward-to-go
    beta : multiple β of the baseline, in [0, 2]
    baseline : b_t(s), T lists of S numbers
    time, state : the b_t(s) that the bowl shows; time None shows all of them together, as a function of β
    batch : N, how many trajectories each dot of the cloud averages: 1, 2, 4, …, 32
    """

    _view = tr.Unicode("variance_reduction").tag(sync=True)
    _presets = tr.Dict().tag(sync=True)
    preset = tr.Unicode("two-rooms").tag(sync=True, setting=True)
    kappa = Number(1.0, 0, 1).tag(sync=True, setting=True)
    beta = Number(0.0, 0, 2).tag(sync=True, setting=True)
    baseline = tr.List(tr.List(tr.Float())).tag(sync=True, setting=True)
    time = tr.Int(None, allow_none=True).tag(sync=True, setting=True)
    state = tr.Int(0).tag(sync=True, setting=True)
    batch = tr.Enum((1, 2, 4, 8, 16, 32), 1).tag(sync=True, setting=True)

    PANELS = ("cloud", "bowl", "horizon")
    lesson = LESSON

    def __init__(self, preset=None, *, own=None, **settings):
        """`own` is a `Problem`, shown as the preset named "own"."""
        self._shown = (
            {"own": ("your MDP", "Your own MDP, policy and horizon.", own, FULL_RETURN)} if own is not None else {}
        )
        self._shown |= {name: make() for name, make in PRESETS.items()}
        if own is not None and preset is None:
            preset = "own"
        super().__init__(**self._first(preset, settings))

    @classmethod
    def of(cls, mdp, theta, *, horizon, features=None, coordinates=None, **settings) -> VarianceReduction:
        """The widget for an MDP, a softmax policy and a horizon of your own; `settings` are the widget's.

        `theta` is (S, A), or (n,) to go with (S, A, n) `features`, and `horizon` the steps T of an episode.
        `coordinates` are the one or two components of the gradient that the plane shows, by default the first ones;
        the variance counts all of them. Every variance is exact and computed before the reader sees it, so the
        problem must be small: at most 16 parameters, and horizon times states at most 64. FrozenLake's 16 states fit
        with `features` by which they share parameters, and a horizon of 4.
        Raises `ValueError` for a larger one, and for coordinates that are no components of θ.
        """
        own = Problem(mdp, theta, horizon=horizon, features=features, coordinates=coordinates)
        return cls(own=own, **settings)

    @property
    def problem(self) -> Problem:
        """The `Problem` that the present preset shows."""
        return self._shown[self.preset][2]

    @property
    def mean(self) -> np.ndarray:
        """E ĝ, (n,): the exact policy gradient, whatever κ, β and b."""
        return self._moments().estimator(kappa=self.kappa, beta=self.beta)[0]

    @property
    def covariance(self) -> np.ndarray:
        """Cov ĝ of one trajectory, (n, n)."""
        return self._moments().estimator(kappa=self.kappa, beta=self.beta)[1]

    @property
    def variance(self) -> float:
        """Total variance tr Cov ĝ of one trajectory; a batch of N divides it by N."""
        return self._moments().variance(kappa=self.kappa, beta=self.beta)

    def _dots(self):
        """The cloud, (M, 1 or 2): each the mean of ĝ over a batch of trajectories."""
        gradients = self.problem.gradients(self.kappa, self.beta * np.array(self.baseline))
        return gradients[self.problem.draws[:, : self.batch]].mean(axis=1)

    def _draw_cloud(self, ax):
        problem, batch = self.problem, self.batch
        two = len(problem.coordinates) == 2
        dots = self._dots()
        half, axes = problem.half_widths(), [f"ĝ, {axis}" for axis in problem.axes]
        if not two:
            dots = np.column_stack([dots, np.linspace(-0.6, 0.6, DOTS) * half[0]])
            half, axes = np.repeat(half, 2), [*axes, "spread out to be seen"]
        shown = list(problem.coordinates)
        mean = np.r_[self.mean[shown], [] if two else [0.0]]
        full = problem.moments(None).estimator(kappa=1)[1]
        ellipses = [
            (name, colour, _outline(mean, covariance[np.ix_(shown, shown)] / batch))
            for name, colour, covariance in (
                ("full return", plots.PLAIN, full),
                ("now", plots.INK, self.covariance),
            )
        ]
        plots.draw_cloud(ax, dots, mean, ellipses, half, axes)

    def _draw_bowl(self, ax):
        moments = self._moments()
        x = np.linspace(0, 2, 81)
        bowl = np.array([moments.variance(kappa=self.kappa, beta=beta) for beta in x])
        marks = [(f"β={at}:", at, moments.variance(kappa=self.kappa, beta=at)) for at in (0, 1)]
        full = np.trace(self.problem.moments(None).estimator(kappa=1)[1])
        top = 1.1 * max(*(value for _, _, value in marks), float(full))
        plots.draw_bowl(ax, x, bowl, marks, (self.beta, self.variance), top, "β (multiple of b)")

    def _draw_horizon(self, ax):
        totals = self.problem.horizon_totals
        curves = [
            (name, colour, np.einsum("i,hij,j->h", u, totals, u).clip(0))
            for name, colour, u in (
                ("full", plots.PLAIN, (1, 1, 0)),
                ("to go", plots.IMPROVED, (0, 1, 0)),
                ("V", plots.BASELINE, (0, 1, -1)),
                ("", plots.INK, (self.kappa, 1, -self.beta)),
            )
        ]
        plots.draw_horizon(ax, HORIZONS, curves, (self.problem.horizon, self.variance))

    @property
    def _settings_in_words(self):
        return f"κ = {self.kappa:g}" + (f" and β = {self.beta:g}" if self.beta else "")

    def _words(self):
        return f"For {self._settings_in_words}", {
            "cloud": f"the cloud of ĝ, of total variance {self.variance:.3g}, around its exact mean",
            "bowl": "the total variance as a function of β",
            "horizon": "the total variance against the horizon",
        }

    def _marks(self):
        of = "of one episode" if self.batch == 1 else f"that {self.batch} episodes give together"
        settings = self._settings_in_words
        is_full = self.kappa == 1 and not self.beta
        shown = list(self.problem.coordinates)
        outside = int((abs(self._dots() - self.mean[shown]) > self.problem.half_widths()).any(axis=1).sum())
        is_flat = np.linalg.eigvalsh(self.covariance)[0] < 1e-9 * self.variance
        return {
            "cloud": f"Each orange dot is the gradient {of}, the cross their exact mean. Two standard deviations "
            f"around it lie the ellipses: black for {settings}, "
            + ("over the vermilion one of the full return." if is_full else "vermilion for the full return, κ = 1.")
            + (" One without width is a line or a point." if is_flat else "")
            + (f" Outside the frame {'lies' if outside == 1 else 'lie'} {outside} of the dots." if outside else ""),
            "bowl": f"The black dot is at β = {self.beta:g}; green ones mark 0 and 1, unless it covers them.",
            "horizon": f"The thick line is for {settings}, the dot for this horizon too; the full return is vermilion"
            + (", under it" if is_full else "")
            + ", reward-to-go blue, and with the baseline V green.",
        }

    @tr.default("_presets")
    def _tables_of_presets(self):
        return {
            name: {
                "title": title,
                "about": about and f"{about} γ\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{problem.mdp.gamma:g}.",
                "problem": problem.tables,
                "settings": settings,
            }
            for name, (title, about, problem, settings) in self._shown.items()
        }

    @tr.default("_schema")
    def _rules_of_settings(self):
        return {**super()._rules_of_settings(), "baseline": {"low": -LARGEST_VALUE, "high": LARGEST_VALUE}}

    @tr.default("baseline")
    def _values(self):
        return self.problem.V.tolist()

    @tr.validate("baseline")
    def _baseline_that_fits(self, proposal):
        b, (T, S) = proposal["value"], self.problem.V.shape
        if len(b) != T or any(len(row) != S for row in b):
            raise tr.TraitError(f"baseline must be {T} lists of {S} numbers b_t(s), got {b!r}")
        if not (np.abs(b) <= LARGEST_VALUE).all():  # nor is nan
            raise tr.TraitError(f"baseline must hold finite numbers, at most {LARGEST_VALUE:g}, got {b!r}")
        return b

    @tr.validate("time", "state")
    def _index_in_range(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        count = self.problem.V.shape[name == "state"]
        if value is not None and not 0 <= value < count:
            raise tr.TraitError(f"{name} must be an integer from 0 to {count - 1}, got {value!r}")
        return value

    def _defaults(self, preset):
        """The settings that a preset begins with."""
        if preset not in self._shown:
            raise tr.TraitError(f"preset must be one of {', '.join(map(repr, self._shown))}, got {preset!r}")
        _, _, problem, settings = self._shown[preset]
        return {**settings, "baseline": problem.V.tolist()}

    def __reduce__(self):
        own = self._shown.get("own")
        return _make, (self._kind, own and own[2], self.settings)

    def _moments(self):
        return self.problem.moments(np.array(self.baseline))


def _make(kind, own, settings):
    return kind(own=own, **settings)


def _outline(mean, covariance, radius=2.0, count=60):
    """The ellipse at `radius` standard deviations; for one component, an interval drawn as a flat line."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    circle = radius * np.array([np.cos(angle), np.sin(angle)])
    values, vectors = np.linalg.eigh(covariance)
    root = np.zeros((2, 2))
    root[: len(values), : len(values)] = vectors * np.sqrt(values.clip(0))
    return mean + (root @ circle).T


VarianceReduction.name_presets(PRESETS)
