"""The problems that VarianceReduction shows: an MDP, a policy and a horizon, with the tables that the page reads."""

from __future__ import annotations

import base64
from functools import cache, cached_property

import numpy as np

from rlbook.mdp import TabularMDP
from rlbook.policy_gradient import (
    GradientMoments,
    Trajectories,
    exact_moments,
    finite_horizon_values,
    optimal_baseline,
    per_step_baseline,
    per_trajectory_gradients,
    policy_of,
    sample_trajectories,
    score_table,
    variance_against_horizon,
)

ATOMS = 256  # trajectories shipped: their ids fit into a byte
DOTS, DRAWS = 200, 32  # dots of the cloud, and trajectories drawn for each
HORIZONS = (1, 2, 3, 4, 5, 7, 10, 14, 20, 30, 45, 70, 100, 140, 200)
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
        self.pi = policy_of(mdp, theta, features=features)
        score = score_table(self.pi, features=features)
        n = score.shape[-1]
        coordinates = tuple(range(min(n, 2))) if coordinates is None else tuple(coordinates)
        if len(coordinates) not in (1, 2) or any(i not in range(n) for i in coordinates):
            raise ValueError(f"coordinates must be one or two integers from 0 to {n - 1}, got {coordinates}")
        if n > MOST_PARAMETERS:
            raise ValueError(
                f"theta must have at most {MOST_PARAMETERS} parameters here, got {n}; with features, (S, A, n), states "
                f"can share n ≤ {MOST_PARAMETERS} of them"
            )
        if horizon * mdp.n_states > LARGEST_TABLE:
            raise ValueError(
                f"horizon times states must be at most {LARGEST_TABLE} here, got {horizon} × {mdp.n_states}"
                + (f"; a horizon of {LARGEST_TABLE // mdp.n_states} fits" if mdp.n_states <= LARGEST_TABLE else "")
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

    def moments(self, baseline) -> GradientMoments:
        """Exact moments for a (T, S) baseline."""
        return exact_moments(self.mdp, self.pi, self.horizon, features=self.features, baseline=baseline)

    def gradients(self, kappa, baseline) -> np.ndarray:
        """ĝ(κ, b) of every atom, the shown components: (K, 1) or (K, 2)."""
        all_components = per_trajectory_gradients(
            self.atoms, self.pi, self.mdp.gamma, features=self.features, kappa=kappa, baseline=baseline
        )
        return all_components.reshape(len(self.atoms.states), -1)[:, self.coordinates]

    def half_widths(self) -> np.ndarray:
        """Half the width and height of the plane: room for the usual estimators' clouds, one size for all."""
        moments = self.moments(self.V)
        sds = [
            np.sqrt(np.diag(moments.estimator(kappa=kappa, beta=beta)[1])[list(self.coordinates)].clip(0))
            for kappa in (0, 1)
            for beta in (0, 1)
        ]
        half = 2.6 * np.max(sds, axis=0)
        half = np.maximum(half, 0.4 * half.max())  # a degenerate direction still needs some room
        return half if half.max() > 0 else np.ones_like(half)

    @cached_property
    def horizon_totals(self) -> np.ndarray:
        """C of the total variance at each of HORIZONS: (H, 3, 3)."""
        return variance_against_horizon(self.mdp, self.pi, HORIZONS, features=self.features)

    @cached_property
    def tables(self) -> dict:
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


FULL_RETURN = {"kappa": 1.0, "beta": 0.0, "time": None, "state": 0, "batch": 1}


def enumerate_trajectories(mdp, pi, horizon, most) -> tuple[Trajectories, np.ndarray] | tuple[None, None]:
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


def _without_rounding(table):
    """The table with what is 0 but for rounding set to 0."""
    return np.where(abs(table) > 1e-13 * abs(table).max(), table, 0.0)


def _base64(values):
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.uint8).tobytes()).decode()


# Presets ----------------------------------------------------------------------------------------------------
# Each returns (title, its world in a line, Problem, settings). The policy has one logit a state, θ_s for its second
# action.


def _one_logit_a_state(n_states, n_logits):
    features = np.zeros((n_states, 2, n_logits))
    features[range(n_logits), 1, range(n_logits)] = 1
    return features


@cache
def two_rooms() -> tuple[str, str, Problem, dict]:
    """Staying pays in room B, costs in room A; the door from A sticks. Rewards are far from 0 on average."""
    P = [[[0.9, 0.1], [0.7, 0.3]], [[0.2, 0.8], [0.8, 0.2]]]  # actions: stay, go
    mdp = TabularMDP(P, [[-0.5, 0.5], [2.5, 0.5]], 0.9, [0.5, 0.5])
    axes = ("logit of going in A", "logit of going in B")
    problem = Problem(mdp, [1.25, 1.5], horizon=4, features=_one_logit_a_state(2, 2), states="AB", axes=axes)
    return (
        "two rooms",
        "Two rooms: staying costs in A, pays in B; A’s door sticks; four steps.",
        problem,
        FULL_RETURN,
    )


@cache
def ten_then_ten() -> tuple[str, str, Problem, dict]:
    """−10 and then γ·r₁ = +10, whatever is done: the past is exactly the baseline that the future needs."""
    gamma = 0.9
    P = np.zeros((3, 2, 3))
    P[0, :, 1] = P[1, :, 2] = P[2, :, 2] = 1
    mdp = TabularMDP(P, [[-10, -10], [10 / gamma, 10 / gamma], [0, 0]], gamma, [1, 0, 0])
    axes = ("logit of the first action", "logit of the second action")
    names = ("first", "second", "end")
    problem = Problem(mdp, [0, 0], horizon=2, features=_one_logit_a_state(3, 2), states=names, axes=axes)
    return (
        "−10, then +10",
        "Two choices that change nothing: the first earns −10, the second, discounted, +10.",
        problem,
        FULL_RETURN,
    )


@cache
def two_arms() -> tuple[str, str, Problem, dict]:
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
    return (
        "two arms",
        "One choice between 1 and 0, made well already, four times in five.",
        problem,
        {**FULL_RETURN, "kappa": 0.0, "beta": 1.0, "time": 0},
    )


@cache
def corridor() -> tuple[str, str, Problem, dict]:
    """Reward only at the end, where the episode is over: dropping the past drops nothing."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 0] = P[1, 0, 0] = P[0, 1, 1] = P[1, 1, 2] = P[2, :, 2] = 1
    mdp = TabularMDP(P, [[0, 0], [0, 1], [0, 0]], 0.9, [1, 0, 0])
    axes = ("logit of forward, far", "logit of forward, near")
    names = ("far", "near", "goal")
    problem = Problem(mdp, [0, 0], horizon=4, features=_one_logit_a_state(3, 2), states=names, axes=axes)
    return (
        "goal at the end",
        "A corridor of three places; only its end pays, and there the episode is over.",
        problem,
        FULL_RETURN,
    )


PRESETS = {"two-rooms": two_rooms, "ten-then-ten": ten_then_ten, "two-arms": two_arms, "corridor": corridor}
