"""Chapter 1's widget: the cloud of gradient estimates ĝ(κ, βb), and the bowl of its variance.

    ĝ(κ, βb) = κ·past + future − Σ_{t,s} β b_t(s) h_{t,s},      h_{t,s} = γᵗ 1{s_t=s} ψ_t          (eq-family)

The h_{t,s} have mean zero and are uncorrelated, so Cov ĝ is an exact separable quadratic in κ and β b_t(s).
`Problem` makes its coefficients with `exact_moments`; the browser only evaluates the quadratic. The cloud's
trajectories are enumerated where there are at most 256 of them, and drawn from the MDP otherwise.
"""

from __future__ import annotations

import base64
from functools import cache, cached_property
from typing import ClassVar

import numpy as np
import traitlets as tr

from rlbook import plots
from rlbook.mdp import TabularMDP
from rlbook.policy_gradient import (
    Trajectories,
    exact_moments,
    finite_horizon_values,
    optimal_baseline,
    per_step_baseline,
    per_trajectory_gradients,
    sample_trajectories,
    score_table,
    softmax_policy,
    variance_against_horizon,
)
from rlbook.widgets.base import Number, Widget

ATOMS = 256  # trajectories shipped: their ids fit into a byte
DOTS, DRAWS = 200, 32  # dots of the cloud, and trajectories drawn for each
HORIZONS = (1, 2, 3, 4, 5, 7, 10, 14, 20, 30, 45, 70, 100, 140, 200)
LARGEST_VALUE = 1e9  # of a baseline
LARGEST_TABLE, MOST_PARAMETERS = 64, 16  # one run of exact_moments a (t, s): more would keep a reader waiting


class Problem:
    """An MDP, a softmax policy and a horizon, with all that the widget needs to know of them.

    Parameters
    ----------
    mdp : TabularMDP
    theta : (S, A), or (n,) to go with features
        Parameters of the policy.
    horizon : int
        Steps T of an episode.
    features : (S, A, n), optional
        φ of the log-linear policy; without it the policy is tabular.
    coordinates : one or two integers
        Which components of the gradient the plane shows. The total variance counts all of them.
    states, axes : sequences of str, optional
        Names of the states and of the shown components.

    Raises `ValueError` for coordinates that are not components of θ, and for problems too large to show.
    """

    def __init__(self, mdp, theta, *, horizon, features=None, coordinates=None, states=None, axes=None, seed=0):
        self.mdp, self.features, self.horizon = mdp, features, horizon
        self.pi = softmax_policy(theta, features)
        score = score_table(self.pi, features)
        n = score.shape[-1]
        coordinates = tuple(range(min(n, 2))) if coordinates is None else tuple(coordinates)
        if len(coordinates) not in (1, 2) or any(i not in range(n) for i in coordinates):
            raise ValueError(f"coordinates must be one or two integers from 0 to {n - 1}, got {coordinates}")
        if n > MOST_PARAMETERS:
            raise ValueError(f"theta must have at most {MOST_PARAMETERS} parameters here, got {n}")
        if horizon * mdp.n_states > LARGEST_TABLE:
            raise ValueError(
                f"horizon times states must be at most {LARGEST_TABLE} here, got {horizon} × {mdp.n_states}"
            )
        self.coordinates = coordinates
        self.states = [str(s) for s in (range(mdp.n_states) if states is None else states)]
        self.axes = [str(a) for a in ([f"θ[{i}]" for i in coordinates] if axes is None else axes)]
        self.V = finite_horizon_values(mdp, self.pi, horizon)[0]
        self.per_step = per_step_baseline(mdp, self.pi, horizon, features=features)
        self.optimal = optimal_baseline(mdp, self.pi, horizon, features=features)
        self.score = np.zeros((*self.pi.shape, 2))
        self.score[..., : len(coordinates)] = score[..., coordinates]

        rng = np.random.default_rng(seed)
        atoms, probability = enumerate_trajectories(mdp, self.pi, horizon, ATOMS)
        self.enumerated = atoms is not None
        if not self.enumerated:
            atoms, probability = sample_trajectories(mdp, self.pi, ATOMS, horizon, rng), None
        self.atoms = atoms
        self.draws = rng.choice(len(atoms.states), size=(DOTS, DRAWS), p=probability).astype(np.uint8)

    def moments(self, baseline):
        """Exact moments for a (T, S) baseline."""
        return exact_moments(self.mdp, self.pi, self.horizon, features=self.features, baseline=baseline)

    def gradients(self, kappa, baseline):
        """ĝ(κ, b) of every atom, the shown components: (K, 1) or (K, 2)."""
        all_components = per_trajectory_gradients(
            self.atoms, self.pi, self.mdp.gamma, features=self.features, past=kappa, baseline=baseline
        )
        return all_components.reshape(len(self.atoms.states), -1)[:, self.coordinates]

    def half_widths(self):
        """Half the width and height of the plane: room for the usual estimators' clouds, one size for all."""
        moments = self.moments(self.V)
        sds = [
            np.sqrt(np.diag(moments.estimator(past=kappa, beta=beta)[1])[list(self.coordinates)].clip(0))
            for kappa in (0, 1)
            for beta in (0, 1)
        ]
        half = 2.6 * np.max(sds, axis=0)
        half = np.maximum(half, 0.4 * half.max())  # a degenerate direction still needs some room
        return half if half.max() > 0 else np.ones_like(half)

    @cached_property
    def horizon_totals(self):
        """C of the total variance at each of HORIZONS: (H, 3, 3)."""
        return variance_against_horizon(self.mdp, self.pi, HORIZONS, features=self.features)

    @cached_property
    def tables(self):
        """The problem as JSON values, in the form that frontend/src/variance_reduction/numerics.js takes."""
        T, S = self.horizon, self.mdp.n_states
        C = self.moments(None).covariance
        hh, ph, fh = (np.zeros((T, S, 4)) for _ in range(3))
        for t in range(T):
            for s in range(S):
                indicator = np.zeros((T, S))
                indicator[t, s] = 1
                D = self.moments(indicator).covariance
                hh[t, s] = self._pack(D[2, :, 2])
                ph[t, s] = self._pack(D[0, :, 2] + D[2, :, 0])
                fh[t, s] = self._pack(D[1, :, 2] + D[2, :, 1])
        mean = np.zeros(2)
        mean[: len(self.coordinates)] = self.moments(None).mean[1][list(self.coordinates)]
        upper = [(0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2)]  # pp, pf, ff, pb, fb, bb
        return {
            "states": self.states,
            "axes": self.axes,
            "gamma": self.mdp.gamma,
            "r": self.mdp.r.tolist(),
            "psi": self.score.tolist(),
            "mean": mean.tolist(),
            "halfWidths": self.half_widths().tolist(),
            "pp": self._pack(C[0, :, 0]).tolist(),
            "pf": self._pack(C[0, :, 1] + C[1, :, 0]).tolist(),
            "ff": self._pack(C[1, :, 1]).tolist(),
            "hh": _without_rounding(hh).tolist(),
            "ph": _without_rounding(ph).tolist(),
            "fh": _without_rounding(fh).tolist(),
            "V": self.V.tolist(),
            "perStep": self.per_step.tolist(),
            "horizons": list(HORIZONS),
            "horizonTotals": [[total[i, j] for i, j in upper] for total in self.horizon_totals],
            "enumerated": self.enumerated,
            "atomStates": _base64(self.atoms.states),
            "atomActions": _base64(self.atoms.actions),
            "draws": _base64(self.draws),
            "width": DRAWS,
        }

    def _pack(self, covariance):
        """[xx, xy, yy, total] of an (n, n) covariance."""
        i, j = self.coordinates[0], self.coordinates[-1]
        if i == j:
            return np.array([covariance[i, i], 0, 0, np.trace(covariance)])
        return np.array([covariance[i, i], covariance[i, j], covariance[j, j], np.trace(covariance)])


class VarianceReduction(Widget):
    """The cloud of ĝ(κ, βb), the bowl of its variance, and its growth with the horizon.

    `VarianceReduction()` shows the first preset, `VarianceReduction("two-arms")` another, and
    `VarianceReduction.of(mdp, theta, horizon=4)` a problem of your own.

    Settings
    --------
    preset : name of a preset; setting it resets the others to that preset's
    kappa : weight κ of the past, in [0, 1]; 1 is the full return, 0 reward-to-go
    beta : multiple β of the baseline, in [0, 2]
    baseline : b_t(s), T lists of S numbers
    step, state : the b_t(s) that the bowl shows; step None shows all of them together, as a function of β
    batch : N, how many trajectories each dot of the cloud averages: 1, 2, 4, …, 32
    """

    _view = tr.Unicode("variance_reduction").tag(sync=True)
    _presets = tr.Dict().tag(sync=True)
    preset = tr.Unicode("two-rooms").tag(sync=True, setting=True)
    kappa = Number(1.0, 0, 1).tag(sync=True, setting=True)
    beta = Number(0.0, 0, 2).tag(sync=True, setting=True)
    baseline = tr.List(tr.List(tr.Float())).tag(sync=True, setting=True)
    step = tr.Int(None, allow_none=True).tag(sync=True, setting=True)
    state = tr.Int(0).tag(sync=True, setting=True)
    batch = tr.Enum((1, 2, 4, 8, 16, 32), 1).tag(sync=True, setting=True)

    PRESETS: ClassVar[tuple[str, ...]] = ("two-rooms", "ten-then-ten", "two-arms", "corridor")

    def __init__(self, preset=None, *, own=None, **settings):
        """`own` is a `Problem`, shown as the preset named "own"."""
        makers = {name: PRESETS[name] for name in self.PRESETS}
        self._shown = {"own": ("your MDP", own, FULL_RETURN)} if own is not None else {}
        self._shown |= {name: make() for name, make in makers.items()}
        preset = next(iter(self._shown)) if preset is None else preset
        super().__init__(**{**self._defaults(preset), "preset": preset, **settings})

    @classmethod
    def of(cls, mdp, theta, *, horizon, features=None, coordinates=None, **settings):
        """The widget for an MDP of your own; the arguments are those of `Problem`, settings the widget's."""
        own = Problem(mdp, theta, horizon=horizon, features=features, coordinates=coordinates)
        return cls(own=own, **settings)

    @property
    def problem(self):
        """The `Problem` that the present preset shows."""
        return self._shown[self.preset][1]

    @property
    def mean(self):
        """E ĝ, (n,): the exact policy gradient, whatever κ, β and b."""
        return self._moments().estimator(past=self.kappa, beta=self.beta)[0]

    @property
    def covariance(self):
        """Cov ĝ of one trajectory, (n, n)."""
        return self._moments().estimator(past=self.kappa, beta=self.beta)[1]

    @property
    def variance(self):
        """Total variance tr Cov ĝ of one trajectory; a batch of N divides it by N."""
        return self._moments().variance(past=self.kappa, beta=self.beta)

    def _draw(self):
        problem, batch = self.problem, self.batch
        b = self.beta * np.array(self.baseline)
        two = len(problem.coordinates) == 2
        gradients = problem.gradients(self.kappa, b)
        dots = gradients[problem.draws[:, :batch]].mean(axis=1)
        half, axes = problem.half_widths(), [f"ĝ, {axis}" for axis in problem.axes]
        if not two:
            dots = np.column_stack([dots, np.linspace(-0.6, 0.6, DOTS) * half[0]])
            half, axes = np.repeat(half, 2), [*axes, "spread out to be seen"]
        shown = list(problem.coordinates)
        mean = np.r_[self.mean[shown], [] if two else [0.0]]
        full = problem.moments(None).estimator(past=1)[1]
        ellipses = [
            (name, colour, _outline(mean, covariance[np.ix_(shown, shown)] / batch))
            for name, colour, covariance in (
                ("full return", plots.PLAIN, full),
                ("now", plots.INK, self.covariance),
            )
        ]
        fig, (left, middle, right) = plots.row(3)
        plots.draw_cloud(left, dots, mean, ellipses, half, axes)

        moments = self._moments()
        x = np.linspace(0, 2, 81)
        bowl = np.array([moments.variance(past=self.kappa, beta=beta) for beta in x])
        marks = [(f"β={at}:", at, moments.variance(past=self.kappa, beta=at)) for at in (0, 1)]
        top = 1.1 * max(*(value for _, _, value in marks), float(np.trace(full)))
        plots.draw_bowl(middle, x, bowl, marks, (self.beta, self.variance), top, "β (multiple of b)")

        totals = problem.horizon_totals
        curves = [
            (name, colour, np.einsum("i,hij,j->h", u, totals, u).clip(0))
            for name, colour, u in (
                ("full", plots.PLAIN, (1, 1, 0)),
                ("to go", plots.IMPROVED, (0, 1, 0)),
                ("V", plots.BASELINE, (0, 1, -1)),
                ("", plots.INK, (self.kappa, 1, -self.beta)),
            )
        ]
        plots.draw_horizon(right, HORIZONS, curves, (problem.horizon, self.variance))
        return fig

    def alt(self):
        return (
            f"Three panels for κ = {self.kappa:g}, β = {self.beta:g}: the cloud of ĝ around its exact mean, "
            f"the total variance as a function of β ({self.variance:.3g} now), and against the horizon."
        )

    @tr.default("_presets")
    def _tables_of_presets(self):
        return {
            name: {"title": title, "problem": problem.tables, "settings": settings}
            for name, (title, problem, settings) in self._shown.items()
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

    @tr.validate("step", "state")
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
        _, problem, settings = self._shown[preset]
        return {**settings, "baseline": problem.V.tolist()}

    def __reduce__(self):
        own = self._shown.get("own")
        return _make, (self._kind, own and own[1], self.settings)

    def _moments(self):
        return self.problem.moments(np.array(self.baseline))


def _make(kind, own, settings):
    return kind(own=own, **settings)


FULL_RETURN = {"kappa": 1.0, "beta": 0.0, "step": None, "state": 0, "batch": 1}


def enumerate_trajectories(mdp, pi, horizon, most):
    """Every trajectory of positive probability, as `Trajectories`, and their probabilities; or (None, None).

    None where there are more than `most` of them.
    """
    P = mdp.P.toarray().reshape(*mdp.r.shape, -1) if mdp.is_sparse else mdp.P
    paths = [(p, [s], []) for s, p in enumerate(mdp.rho0) if p > 0]
    for t in range(horizon):
        paths = [
            (p * pi[states[-1], a], states, [*actions, a])
            for p, states, actions in paths
            for a in np.flatnonzero(pi[states[-1]])
        ]
        if t < horizon - 1:
            paths = [
                (p * P[states[-1], actions[-1], s], [*states, s], actions)
                for p, states, actions in paths
                for s in np.flatnonzero(P[states[-1], actions[-1]])
            ]
        if len(paths) > most:
            return None, None
    probability, states, actions = (np.array(column) for column in zip(*paths, strict=True))
    return Trajectories(states, actions, mdp.r[states, actions]), probability / probability.sum()


def _outline(mean, covariance, radius=2.0, count=60):
    """The ellipse at `radius` standard deviations; for one component, an interval drawn as a flat line."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    circle = radius * np.array([np.cos(angle), np.sin(angle)])
    values, vectors = np.linalg.eigh(covariance)
    root = np.zeros((2, 2))
    root[: len(values), : len(values)] = vectors * np.sqrt(values.clip(0))
    return mean + (root @ circle).T


def _without_rounding(table):
    """The table with what is 0 but for rounding set to 0."""
    return np.where(abs(table) > 1e-13 * abs(table).max(), table, 0.0)


def _base64(values):
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.uint8).tobytes()).decode()


# Presets ----------------------------------------------------------------------------------------------------
# Each returns (title, Problem, settings). The policy has one logit a state, θ_s for its second action.


def _one_logit_a_state(n_states, n_logits):
    features = np.zeros((n_states, 2, n_logits))
    features[range(n_logits), 1, range(n_logits)] = 1
    return features


@cache
def two_rooms():
    """Staying pays in room B, costs in room A; the door from A sticks. Rewards are far from 0 on average."""
    P = [[[0.9, 0.1], [0.7, 0.3]], [[0.2, 0.8], [0.8, 0.2]]]  # actions: stay, go
    mdp = TabularMDP(P, [[-0.5, 0.5], [2.5, 0.5]], 0.9, [0.5, 0.5])
    axes = ("logit of going in A", "logit of going in B")
    problem = Problem(mdp, [1.25, 1.5], horizon=4, features=_one_logit_a_state(2, 2), states="AB", axes=axes)
    return "two rooms", problem, FULL_RETURN


@cache
def ten_then_ten():
    """−10 and then γ·r₁ = +10, whatever is done: the past is exactly the baseline that the future needs."""
    gamma = 0.9
    P = np.zeros((3, 2, 3))
    P[0, :, 1] = P[1, :, 2] = P[2, :, 2] = 1
    mdp = TabularMDP(P, [[-10, -10], [10 / gamma, 10 / gamma], [0, 0]], gamma, [1, 0, 0])
    axes = ("logit of the first action", "logit of the second action")
    names = ("first", "second", "end")
    problem = Problem(mdp, [0, 0], horizon=2, features=_one_logit_a_state(3, 2), states=names, axes=axes)
    return "−10, then +10", problem, FULL_RETURN


@cache
def two_arms():
    """One choice between 1 and 0, made well already: b = V is then worse than no baseline at all."""
    mdp = TabularMDP(np.ones((1, 2, 1)), [[0, 1]], 0.9, [1])
    problem = Problem(
        mdp,
        [np.log(4)],
        horizon=1,
        features=_one_logit_a_state(1, 1),
        states="s",
        axes=["logit of the good arm"],
    )
    return "two arms", problem, {**FULL_RETURN, "kappa": 0.0, "beta": 1.0, "step": 0}


@cache
def corridor():
    """Reward only at the end, where the episode is over: dropping the past drops nothing."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 0] = P[1, 0, 0] = P[0, 1, 1] = P[1, 1, 2] = P[2, :, 2] = 1
    mdp = TabularMDP(P, [[0, 0], [0, 1], [0, 0]], 0.9, [1, 0, 0])
    axes = ("logit of forward, far", "logit of forward, near")
    names = ("far", "near", "goal")
    problem = Problem(mdp, [0, 0], horizon=4, features=_one_logit_a_state(3, 2), states=names, axes=axes)
    return "goal at the end", problem, FULL_RETURN


PRESETS = {"two-rooms": two_rooms, "ten-then-ten": ten_then_ten, "two-arms": two_arms, "corridor": corridor}
