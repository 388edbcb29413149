"""What the browser computes is what Python computes: variance_reduction/numerics.js, function by function."""

import base64

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlbook.policy_gradient import exact_moments, per_trajectory_gradients
from rlbook.widgets.gradient_problems import Problem, two_rooms
from tests.strategies import arrays, shared_features, tabular_mdps, thetas

MODULES = ("variance_reduction/numerics.js",)
FRACTIONS = st.integers(0, 8).map(lambda k: k / 8)
BETAS = st.integers(0, 8).map(lambda k: k / 4)


@st.composite
def problems(draw):
    """A `Problem` on a generated MDP, tabular or with features that states share."""
    mdp = draw(tabular_mdps(max_states=3, max_actions=2))
    features = draw(st.none() | shared_features(mdp))
    theta = draw(thetas(mdp) if features is None else arrays(features.shape[2]))
    return Problem(mdp, theta, horizon=draw(st.integers(1, 3)), features=features)


@st.composite
def problems_and_estimators(draw):
    problem = draw(problems())
    return problem, draw(FRACTIONS), draw(BETAS), draw(arrays(problem.horizon, problem.mdp.n_states))


def close_to(expected, scale=0.0):
    """Within 1e-9, relative to the value or to the largest of the terms whose sum it is."""
    return pytest.approx(expected, rel=1e-9, abs=1e-9 * scale + 1e-15)


def size(problem, b):
    """The largest term in the quadratic form, against which rounding has to be measured."""
    tables = problem.tables
    entries = [np.abs(tables[name]).max() for name in ("pp", "pf", "ff", "hh", "ph", "fh")]
    return max(entries) * (1 + np.abs(b).max(initial=0)) ** 2


@settings(max_examples=25)
@given(problems_and_estimators())
def test_variance_and_covariance(js, case):
    problem, kappa, beta, b = case
    mean, covariance = problem.moments(b).estimator(kappa=kappa, beta=beta)
    tables, scale = problem.tables, size(problem, b)
    i, j = problem.coordinates[0], problem.coordinates[-1]
    plane = i != j
    packed = js.packedCovariance(tables, kappa, beta, b.tolist())
    expected = [covariance[i, i], covariance[i, j] if plane else 0, covariance[j, j] if plane else 0]
    assert packed == close_to([*expected, np.trace(covariance)], scale)
    assert js.totalVariance(tables, kappa, beta, b.tolist()) == close_to(max(0, np.trace(covariance)), scale)
    assert tables["mean"][: 1 + plane] == close_to(list(mean[list(problem.coordinates)]), scale**0.5)


@settings(max_examples=15)
@given(problems_and_estimators(), st.data())
def test_parabolas(js, case, data):
    """Each parabola of the bowl is the variance along its line, and its bottom is where that is lowest."""
    problem, kappa, beta, b = case
    scale = 4 * size(problem, b)
    t = data.draw(st.integers(0, problem.horizon - 1))
    s = data.draw(st.integers(0, problem.mdp.n_states - 1))
    along_beta = js.parabolaInBeta(problem.tables, kappa, b.tolist())
    along_value = js.parabolaInValue(problem.tables, kappa, beta, b.tolist(), t, s)
    for x in (0.0, 0.5, 2.0):
        expected = problem.moments(b).variance(kappa=kappa, beta=x)
        assert js.evaluateParabola(along_beta, x) == close_to(expected, scale)
        moved = b.copy()
        moved[t, s] = x
        expected = problem.moments(moved).variance(kappa=kappa, beta=beta)
        assert js.evaluateParabola(along_value, x) == close_to(expected, scale)
    for parabola in (along_beta, along_value):
        lowest = js.bottom(parabola)
        if parabola[2] == 0:
            assert lowest is None  # NaN, in JSON
        else:
            assert lowest == close_to(-parabola[1] / (2 * parabola[2]))


@settings(max_examples=20)
@given(problems())
def test_optimal_baseline_of_reward_to_go(js, problem):
    matters = np.array(problem.tables["hh"])[..., 3] > 1e-9
    found = np.array(js.optimalBaseline(problem.tables, 0))
    assert found[matters] == close_to(problem.optimal[matters], np.abs(problem.optimal).max(initial=1))


@settings(max_examples=15)
@given(problems_and_estimators())
def test_optimal_baseline_of_any_past(js, case):
    """At every κ, no other baseline has a smaller variance than the browser's optimum."""
    problem, kappa, _, b = case
    best = np.array(js.optimalBaseline(problem.tables, kappa))
    lowest = problem.moments(best).variance(kappa=kappa, beta=1)
    for other in (b, best + b / 64, np.zeros_like(b)):
        assert lowest <= problem.moments(other).variance(kappa=kappa, beta=1) + 1e-9 * size(problem, b)


@settings(max_examples=15)
@given(problems_and_estimators())
def test_trajectory_gradients(js, case):
    problem, kappa, beta, b = case
    gradients = per_trajectory_gradients(
        problem.atoms, problem.pi, problem.mdp.gamma, features=problem.features, kappa=kappa, baseline=beta * b
    ).reshape(len(problem.atoms.states), -1)[:, problem.coordinates]
    scale = np.abs(problem.mdp.r).max() * problem.horizon + np.abs(beta * b).max()
    for i in range(0, len(gradients), 7):
        states, actions = problem.atoms.states[i].tolist(), problem.atoms.actions[i].tolist()
        found = js.trajectoryGradient(problem.tables, states, actions, kappa, beta, b.tolist())
        assert found[: gradients.shape[1]] == close_to(gradients[i], scale)


def test_atoms_give_back_the_exact_moments():
    """The trajectories that make the cloud, weighted, have the mean and covariance that the ellipse shows."""
    problem = two_rooms()[2]
    moments = exact_moments(problem.mdp, problem.pi, 4, features=problem.features, baseline=problem.V)
    mean, covariance = moments.estimator(kappa=0.3, beta=0.7)
    gradients = problem.gradients(0.3, 0.7 * problem.V)
    p = problem.mdp.rho0[problem.atoms.states[:, 0]]
    p = p * problem.pi[problem.atoms.states, problem.atoms.actions].prod(axis=1)
    s, a = problem.atoms.states, problem.atoms.actions
    p = p * problem.mdp.P[s[:, :-1], a[:, :-1], s[:, 1:]].prod(axis=1)
    assert p.sum() == pytest.approx(1)
    assert p @ gradients == pytest.approx(mean)
    assert np.cov(gradients.T, aweights=p, ddof=0) == pytest.approx(covariance)


@given(arrays(6, 2), st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 4, 8]))
def test_batch_means(js, gradients, seed, batch):
    draws = np.random.default_rng(seed).integers(0, 6, (5, 8), dtype=np.uint8)
    found = js.batchMeans(gradients.tolist(), {"bytes": draws.ravel().tolist()}, 8, batch)
    assert np.array(found) == close_to(gradients[draws[:, :batch]].mean(axis=1), 1)


@given(arrays(2), arrays(2, 2), st.sampled_from([1, 2.0]), st.sampled_from([1, 4, 32]))
def test_ellipse(js, mean, factor, radius, batch):
    covariance = factor @ factor.T
    packed = [covariance[0, 0], covariance[0, 1], covariance[1, 1], np.trace(covariance)]
    points = np.array(js.ellipse(mean.tolist(), packed, radius, batch, 24))
    # The support function of an ellipse: its reach along a direction u is radius·√(uᵀΣu / N).
    angles = 2 * np.pi * np.arange(24) / 24
    lower = np.zeros((2, 2))
    lower[0, 0] = np.sqrt(covariance[0, 0])
    lower[1, 0] = covariance[0, 1] / lower[0, 0] if lower[0, 0] else 0
    lower[1, 1] = np.sqrt(max(0, covariance[1, 1] - lower[1, 0] ** 2))
    expected = mean + radius / np.sqrt(batch) * (lower @ [np.cos(angles), np.sin(angles)]).T
    assert points == close_to(expected, 10)
    assert np.cov(points.T, ddof=0) * 2 * batch / radius**2 == close_to(lower @ lower.T, 100)


@given(arrays(3, 3), FRACTIONS, BETAS)
def test_variance_against_horizon(js, factor, kappa, beta):
    C, u = factor @ factor.T, np.array([kappa, 1, -beta])
    upper = [C[0, 0], C[0, 1], C[1, 1], C[0, 2], C[1, 2], C[2, 2]]
    assert js.horizonVariance(upper, kappa, beta) == close_to(u @ C @ u, np.abs(C).max() * 10)


@settings(max_examples=5)
@given(problems_and_estimators())
def test_horizon_tables(js, case):
    """At the problem's own horizon, the third panel says what the second does for b = V."""
    problem, kappa, beta, _ = case
    at = problem.tables["horizons"].index(problem.horizon)
    found = js.horizonVariance(problem.tables["horizonTotals"][at], kappa, beta)
    expected = js.totalVariance(problem.tables, kappa, beta, problem.V.tolist())
    assert found == close_to(expected, size(problem, problem.V))


@given(st.binary(max_size=60))
def test_base64(js, data):
    assert js.decodeBase64(base64.b64encode(data).decode()) == list(data)


@given(st.floats(-10, 1e4))
def test_nearest_power_of_two(js, x):
    powers = 2.0 ** np.arange(6)
    expected = powers[np.argmin(abs(np.log2(powers) - np.log2(max(1, x))))]
    assert js.nearestPowerOfTwo(x, 32) == expected
