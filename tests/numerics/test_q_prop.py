"""Chapter 5's numerics and its statements, held to enumeration, quadrature, finite differences and closed forms."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.special import ndtr

from rlbook import TabularMDP, bellman_operator, evaluate_policy, garnet, value_iteration
from rlbook.occupancies import state_occupancy
from rlbook.q_prop import (
    RULES,
    CorrelatedPair,
    GaussianModel,
    agreement,
    control_variate,
    cross_fitted,
    deterministic_gradient,
    expected_gae,
    fitted_on_same,
    gaussian_score,
    optimal_coefficient,
    q_prop_gradient,
    q_prop_samples,
    return_variance,
    rule_weight,
    taylor_baseline,
    taylor_correction,
    three_rooms,
    variance_terms,
    weight_quadratic,
)
from tests import oracles
from tests.strategies import NUMBERS, arrays, distributions, policies, tabular_mdps

THETA = np.array([0.2, -0.3])
SEEDS = range(4)
SIZES = st.sampled_from([0.25, 0.5, 1.0, 2.0])
SLOPES = st.sampled_from([-2.0, -0.5, 0.25, 1.0])
MODELS = st.builds(GaussianModel, NUMBERS, NUMBERS, NUMBERS, st.sampled_from([0.0, 0.5, 2.0]), SIZES)


def close(got, wanted, tolerance=1e-10):
    """Equal up to rounding, on the scale of the largest number there."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * max(1.0, np.abs(wanted).max(initial=0)))


def normal_mean(f, d=1, order=24):
    """E f(z), z ~ N(0, I_d): Gauss–Hermite, exact for polynomials of degree up to 2·order − 1 in each axis."""
    z, p = np.polynomial.hermite_e.hermegauss(order)
    grid = np.array(list(itertools.product(z, repeat=d)))
    weight = np.prod(list(itertools.product(p / p.sum(), repeat=d)), axis=1)
    values = np.asarray(f(grid if d > 1 else grid[:, 0]))
    return np.tensordot(weight, values, axes=1)


def rooms(theta=THETA, sigma=0.5, **options):
    """The three rooms with V, Q and A of their policy."""
    problem = three_rooms(theta, sigma, **options)
    V, Q, _ = evaluate_policy(problem.mdp, problem.pi)
    return SimpleNamespace(problem=problem, V=V, Q=Q, A=Q - V[:, None], slope=problem.critic_slope(V))


def slope_of_return(theta, sigma):
    """∇η by central differences of the start's value, which knows neither scores nor critics."""
    return oracles.finite_difference(lambda x: rooms(x, sigma).V[1], theta)


def in_standard_errors(samples, wanted):
    """How many standard errors the mean of the samples is from `wanted`."""
    return abs(np.mean(samples) - wanted) / (np.std(samples, ddof=1) / np.sqrt(len(samples)))


# Control variates -------------------------------------------------------------------------------------------

POINTS = np.array([[0.0, -1.0], [1.0, 0.0], [4.0, 2.0]])  # values of (f, g): no line goes through them
CHANCES = np.array([0.25, 0.5, 0.25])
MEANS = CHANCES @ POINTS


def enumerated(estimate, n):
    """E of a function of n samples (f, g), over all of them."""
    total = 0.0
    for outcome in itertools.product(range(len(POINTS)), repeat=n):
        f, g = POINTS[list(outcome)].T
        total += np.prod(CHANCES[list(outcome)]) * estimate(f, g)
    return total


@pytest.mark.proves("prop-control-variate")
@given(arrays(4), arrays(4), distributions(4), NUMBERS)
def test_a_control_keeps_the_mean_and_has_a_quadratic_variance(f, g, p, c):
    mean_f, mean_g = p @ f, p @ g
    values = control_variate(f, g, mean_g, c)
    assert p @ values == pytest.approx(mean_f, abs=1e-12)

    def variance(x):
        return p @ (x - p @ x) ** 2

    covariance = p @ ((f - mean_f) * (g - mean_g))
    assert variance(values) == pytest.approx(variance(f) + 2 * c * covariance + c**2 * variance(g), abs=1e-10)
    if variance(g) > 1e-9:
        best = -covariance / variance(g)
        least = variance(control_variate(f, g, mean_g, best))
        assert least <= variance(values) + 1e-10
        if variance(f) > 1e-9:
            corr = covariance / np.sqrt(variance(f) * variance(g))
            assert least == pytest.approx((1 - corr**2) * variance(f), abs=1e-10)


@pytest.mark.proves("prop-control-variate")
@pytest.mark.parametrize("bend", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("corr", [-1.0, -0.8, 0.0, 0.5, 1.0])
def test_the_pair_has_the_moments_it_says(corr, bend):
    pair = CorrelatedPair(2.0, 3.0, 0.5, corr, bend)
    assert normal_mean(lambda x: pair.values(*x.T)[0], d=2) == pytest.approx(2.0)
    for c in (-4.0, 0.0, 1.5, pair.best):
        mean = normal_mean(lambda x, c=c: pair.values(*x.T)[0] + c * pair.values(*x.T)[1], d=2)
        square = normal_mean(lambda x, c=c: (pair.values(*x.T)[0] + c * pair.values(*x.T)[1] - 2.0) ** 2, d=2)
        assert mean == pytest.approx(2.0)
        assert square == pytest.approx(pair.variance(c), abs=1e-12)
        assert pair.variance(c) >= pair.least - 1e-12
    assert pair.variance(pair.best) == pytest.approx(pair.least, abs=1e-12)
    assert minimize_scalar(pair.variance).x == pytest.approx(pair.best, abs=1e-6)
    f, g = pair.sample(5, np.random.default_rng(0))
    assert f.shape == g.shape == (5,)


@pytest.mark.proves("prop-control-variate")
def test_the_coefficient_of_samples_is_that_of_their_distribution():
    f, g = np.repeat(POINTS, [1, 2, 1], axis=0).T  # the points as often as they are likely
    centred = POINTS - MEANS
    covariance = CHANCES @ (centred[:, 0] * centred[:, 1])
    close(optimal_coefficient(f, g), np.array(-covariance / (CHANCES @ centred[:, 1] ** 2)), 1e-14)
    # Constant controls are good for nothing, and do no harm.
    close(optimal_coefficient(f, np.ones(4)), np.array(0.0))


@pytest.mark.proves("prop-control-vector")
@pytest.mark.parametrize(("d", "k"), [(1, 3), (2, 1), (3, 2)])
@pytest.mark.parametrize("seed", SEEDS)
def test_several_controls_of_a_vector_and_their_least_total_variance(d, k, seed):
    rng = np.random.default_rng(seed)
    N, mix = 12, rng.normal(size=(d + k, d + k))
    joint = rng.normal(size=(N, d + k)) @ mix
    f, g, mean_g = joint[:, :d], joint[:, d:], rng.normal(size=k)
    C = optimal_coefficient(f, g)
    covariance = np.cov(joint.T)
    close(C, -covariance[:d, d:] @ np.linalg.inv(covariance[d:, d:]), 1e-9)

    def total(C):
        return control_variate(f, g, mean_g, C).var(axis=0, ddof=1).sum()

    # It is stationary, and the total variance there is the trace of the Schur complement.
    close(oracles.finite_difference(total, C, step=1e-3), np.zeros((d, k)), 1e-7)
    schur = covariance[:d, :d] - covariance[:d, d:] @ np.linalg.inv(covariance[d:, d:]) @ covariance[d:, :d]
    assert total(C) == pytest.approx(np.trace(schur))
    for _ in range(5):
        assert total(C + 0.1 * rng.normal(size=C.shape)) > total(C)
    # The mean moves by C times the error of the controls' mean, as it must.
    shift = (g.mean(axis=0) - mean_g) @ C.T
    close(control_variate(f, g, mean_g, C).mean(axis=0), f.mean(axis=0) + shift)
    # A control that is given twice changes nothing.
    twice, means = np.c_[g, g[:, :1]], np.r_[mean_g, mean_g[:1]]
    close(fitted_on_same(f, twice, means), fitted_on_same(f, g, mean_g), 1e-8)


@pytest.mark.proves("prop-control-vector")
def test_an_axis_that_is_missing_is_one_of_length_one():
    rng = np.random.default_rng(0)
    f, g = rng.normal(size=(9, 1)), rng.normal(size=(9, 1))
    C = optimal_coefficient(f, g)
    assert C.shape == (1, 1)
    assert optimal_coefficient(f[:, 0], g).shape == optimal_coefficient(f, g[:, 0]).shape == (1,)
    close(optimal_coefficient(f[:, 0], g[:, 0]), C[0, 0])
    for x in (f, f[:, 0]):
        for y, mean in ((g, [0.5]), (g[:, 0], 0.5)):
            for use in (fitted_on_same, cross_fitted):
                close(use(x, y, mean).ravel(), use(f[:, 0], g[:, 0], 0.5))


@pytest.mark.proves("prop-same-sample")
@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_a_coefficient_fitted_on_its_own_samples_biases(n):
    mean = enumerated(lambda f, g: fitted_on_same(f, g, MEANS[1]).mean(), n)
    assert abs(mean - MEANS[0]) > 0.05
    fixed = enumerated(lambda f, g: control_variate(f, g, MEANS[1], -1.5).mean(), n)
    assert fixed == pytest.approx(MEANS[0], abs=1e-12)


@pytest.mark.proves("prop-cross-fit")
@pytest.mark.parametrize(("n", "folds"), [(4, 2), (5, 2), (4, 4), (6, 3)])
def test_a_coefficient_fitted_on_other_samples_does_not(n, folds):
    mean = enumerated(lambda f, g: cross_fitted(f, g, MEANS[1], folds=folds).mean(), n)
    assert mean == pytest.approx(MEANS[0], abs=1e-12)


@pytest.mark.proves("prop-cross-fit")
def test_each_part_is_controlled_by_the_coefficient_of_the_rest():
    rng = np.random.default_rng(0)
    f, g = rng.normal(size=(10, 2)), rng.normal(size=(10, 3))
    values = cross_fitted(f, g, np.zeros(3), folds=5)
    for part in range(0, 10, 2):
        rest = [i for i in range(10) if i not in (part, part + 1)]
        C = optimal_coefficient(f[rest], g[rest])
        close(values[part : part + 2], control_variate(f[part : part + 2], g[part : part + 2], np.zeros(3), C))


@pytest.mark.proves("prop-same-sample")
def test_the_pairs_bias_from_two_samples_by_quadrature():
    """Where f is a function of g, the slope of two samples is a divided difference, a polynomial: quadrature is exact.

    The axes are turned by 45°, and of four nodes none is 0, so that no node has two equal z.
    """
    turn = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    pair = CorrelatedPair(1.0, 2.0, 0.5, 0.6, 1.0)

    def estimate(x):
        z = x[:, :2] @ turn
        values = [pair.values(z[:, i], x[:, i + 2]) for i in range(2)]
        return np.array(
            [fitted_on_same([a, c], [b, d], 0.0).mean() for a, b, c, d in zip(*values[0], *values[1], strict=True)]
        )

    assert normal_mean(estimate, d=4, order=4) - 1.0 == pytest.approx(pair.same_sample_bias(2), abs=1e-12)
    with pytest.raises(ValueError, match="n must be a whole number, at least 3, got 2"):
        CorrelatedPair(1.0, 2.0, 0.5, 0.6, 0.9).same_sample_bias(2)


@pytest.mark.proves("prop-same-sample")
@pytest.mark.parametrize(("n", "bend"), [(3, 1.0), (5, 1.0), (5, 0.0), (20, 0.7)])
def test_the_pairs_bias_is_exact_for_any_number_of_samples(n, bend):
    pair, rng = CorrelatedPair(1.0, 2.0, 0.5, 0.6, bend), np.random.default_rng(n)
    f, g = pair.values(*rng.standard_normal((2, 100_000, n)))
    f_bar, g_bar = f.mean(axis=1), g.mean(axis=1)
    slope = ((f - f_bar[:, None]) * g).sum(axis=1) / ((g - g_bar[:, None]) ** 2).sum(axis=1)
    means = f_bar - slope * g_bar
    assert means[7] == pytest.approx(fitted_on_same(f[7], g[7], 0.0).mean())
    assert in_standard_errors(means, 1.0 + pair.same_sample_bias(n)) < 3.5
    if bend:
        assert in_standard_errors(means, 1.0) > 20
    else:
        assert pair.same_sample_bias(n) == 0


# The Taylor baseline ----------------------------------------------------------------------------------------


def a_critic(seed, d):
    """A function of actions (..., d) and its gradient: neither a line nor a parabola."""
    rng = np.random.default_rng(seed)
    b, B, w = rng.normal(size=d), rng.normal(size=(d, d)), rng.normal(size=d)
    B = B + B.T

    def value(a):
        return a @ b + np.einsum("...i,ij,...j->...", a, B, a) / 2 + (a @ w) ** 3 / 3 + np.sin(a[..., 0])

    def slope(a):
        return b + a @ B + ((a @ w) ** 2)[..., None] * w + np.cos(a[..., :1]) * np.eye(d)[0]

    return value, slope


def a_policy(seed, d, n):
    """(mean, covariance, jacobian) of a Gaussian policy at one state, the covariance not diagonal."""
    rng = np.random.default_rng(seed + 100)
    root = rng.normal(size=(d, d)) / 2 + np.eye(d)
    return rng.normal(size=d), root @ root.T, rng.normal(size=(d, n))


def log_density(a, mean, covariance):
    away = np.asarray(a) - mean
    quadratic = np.einsum("...i,ij,...j->...", away, np.linalg.inv(covariance), away)
    return -(quadratic + np.linalg.slogdet(2 * np.pi * covariance)[1]) / 2


def policy_mean(f, mean, covariance, order=24):
    """E f(a) over a ~ N(mean, covariance)."""
    d, root = len(mean), np.linalg.cholesky(covariance)
    return normal_mean(lambda z: f(mean + z.reshape(-1, d) @ root.T), d=d, order=order)


@pytest.mark.proves("eq-taylor-action")
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_expansion_is_right_to_second_order(d):
    value, slope = a_critic(0, d)
    rng = np.random.default_rng(d)
    a_bar, step = rng.normal(size=(2, 5, d))
    close(slope(a_bar), [oracles.finite_difference(value, a) for a in a_bar], 1e-7)
    sizes = 2.0 ** -np.arange(4, 11)
    errors = []
    for h in sizes:
        a = a_bar + h * step
        errors.append(abs(taylor_baseline(a, a_bar, value(a_bar), slope(a_bar)) - value(a)))
    powers = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    np.testing.assert_allclose(powers, 2, atol=0.2)
    # A function that is linear is its own expansion, around any action.
    b = rng.normal(size=d)
    close(taylor_baseline(a_bar + step, a_bar, a_bar @ b, b), (a_bar + step) @ b)


@pytest.mark.proves("prop-taylor-correction")
@pytest.mark.parametrize(("d", "n"), [(1, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_correction_is_the_expectation_that_the_baseline_takes_away(d, n, seed):
    (value, slope), (mean, covariance, jacobian) = a_critic(seed, d), a_policy(seed, d, n)
    v = slope(mean)

    def product(a):
        score = gaussian_score(a, mean, covariance, jacobian)
        return taylor_baseline(a, mean, value(mean), v)[:, None] * score

    correction = taylor_correction(v, jacobian)
    assert correction.shape == (n,)
    close(policy_mean(product, mean, covariance, order=6), correction)
    # Around any other action it is the same formula, with the slope taken there.
    other = mean + 1.0

    def around(a):
        baseline = taylor_baseline(a, other, value(other), slope(other))
        return baseline[:, None] * gaussian_score(a, mean, covariance, jacobian)

    close(policy_mean(around, mean, covariance, order=6), taylor_correction(slope(other), jacobian), 1e-9)


@pytest.mark.proves("prop-taylor-correction")
def test_the_score_is_the_slope_of_the_log_density():
    mean, covariance, jacobian = a_policy(0, 2, 3)
    a = np.array([[0.3, -1.0], [2.0, 0.5]])
    slope = oracles.finite_difference(lambda x: log_density(a, mean + jacobian @ x, covariance), np.zeros(3))
    close(gaussian_score(a, mean, covariance, jacobian), slope, 1e-8)


@pytest.mark.proves("prop-taylor-correction")
def test_other_policies_need_a_score_of_mean_zero():
    """Exponential with the mean θ: E[ψ] = 0, and the line takes Jᵀv. Uniform on [0, θ]: ψ = −1/θ, and it does not."""
    theta, a_bar, value, v = 0.8, 0.3, 1.5, -2.0
    line = lambda a: taylor_baseline([a], [a_bar], value, [v])  # noqa: E731
    mean = lambda f, density, end: quad(lambda a: f(a) * density(a), 0, end)[0]  # noqa: E731

    exponential = lambda a: np.exp(-a / theta) / theta  # noqa: E731
    score = lambda a: (a - theta) / theta**2  # noqa: E731
    assert mean(score, exponential, 60.0) == pytest.approx(0, abs=1e-9)
    assert mean(lambda a: line(a) * score(a), exponential, 60.0) == pytest.approx(v)  # J = 1

    uniform, moving_end = (lambda a: 1 / theta), -1 / theta
    assert mean(lambda a: moving_end, uniform, theta) == pytest.approx(-1 / theta)
    taken = mean(lambda a: line(a) * moving_end, uniform, theta)
    assert abs(taken - v / 2) > 0.5  # J = 1/2


@pytest.mark.proves("prop-sigma-correction")
@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_expansion_has_nothing_to_correct_in_the_covariance(d, seed):
    (value, slope), (mean, covariance, _) = a_critic(seed, d), a_policy(seed, d, 1)
    rows, columns = np.tril_indices(d)
    root = np.linalg.cholesky(covariance)

    def covariance_of(x):
        L = np.zeros((d, d))
        L[rows, columns] = x
        return L @ L.T

    def score(a):
        return oracles.finite_difference(lambda x: log_density(a, mean, covariance_of(x)), root[rows, columns])

    linear = policy_mean(
        lambda a: taylor_baseline(a, mean, value(mean), slope(mean))[:, None] * score(a), mean, covariance
    )
    whole = policy_mean(lambda a: value(a)[:, None] * score(a), mean, covariance)
    close(linear, np.zeros(len(rows)), 1e-6)
    assert abs(whole).max() > 0.1  # the critic itself, not expanded, has a part there


# The estimator ----------------------------------------------------------------------------------------------


@pytest.mark.proves("thm-action-baseline")
@given(st.data(), tabular_mdps(max_states=2, sparse=False))
def test_what_an_action_baseline_takes_away_has_to_be_put_back(data, mdp):
    pi = data.draw(policies(mdp))
    f = data.draw(arrays(*mdp.r.shape))
    arrays_of = (mdp.P, mdp.r, mdp.gamma, mdp.rho0)
    psi = oracles.scores(pi)

    def gradient(weight):
        def one(tau):
            steps = enumerate(zip(tau.states, tau.actions, strict=True))
            return sum(mdp.gamma**t * weight(tau, t, s, a) * psi[s, a] for t, (s, a) in steps)

        return oracles.mean(one, arrays_of, pi, 2)

    def to_go(tau, t):
        return oracles.return_from(tau.rewards, mdp.gamma, t)

    truth = gradient(lambda tau, t, s, a: to_go(tau, t))
    left = gradient(lambda tau, t, s, a: to_go(tau, t) - f[s, a])
    back = gradient(lambda tau, t, s, a: f[s, a])
    close(left + back, truth, 1e-12)
    # The expectation that is put back needs no sampled action: Σ_a π(a|s) f(s,a) ψ(s,a) at each state visited.
    visits = mdp.gamma ** np.arange(2) @ oracles.visits(*arrays_of, pi, 2)
    close(back, np.einsum("s,sa,sa,san->n", visits, pi, f, psi), 1e-12)


@pytest.mark.proves("thm-q-prop")
@pytest.mark.parametrize("sigma", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("theta", [[0.2, -0.3], [-0.5, 1.0]])
def test_the_gradient_does_not_depend_on_the_critic_or_its_weight(theta, sigma):
    wanted = slope_of_return(theta, sigma)
    case, rng = rooms(theta, sigma), np.random.default_rng(0)
    assert np.linalg.norm(wanted) > 0.1
    close(q_prop_gradient(case.problem, case.Q, np.zeros((3, 1))), wanted, 1e-8)  # the policy-gradient theorem
    for weight in (1.0, 0.3, rng.normal(size=3)):
        for slope in (case.slope, rng.normal(size=(3, 1))):
            for advantage in (case.Q, case.A):
                close(q_prop_gradient(case.problem, advantage, slope, weight), wanted, 1e-8)


@pytest.mark.proves("thm-q-prop")
def test_the_rooms_are_what_they_say():
    case = rooms()
    problem, x = case.problem, np.array([-1.0, 0.0, 1.0])
    a = problem.actions[..., 0]
    for s, m in np.ndindex(*a.shape):
        up = ndtr(a[s, m])
        row = np.zeros(3)
        row[min(s + 1, 2)] += up
        row[max(s - 1, 0)] += 1 - up
        close(problem.mdp.P.reshape(3, -1, 3)[s, m], row, 1e-14)
        reward = x[s] - (a[s, m] - x[s] / 2) ** 2 / 2 + np.sin(2 * a[s, m]) / 2
        assert problem.mdp.r[s, m] == pytest.approx(reward)
    close(problem.mean[:, 0], THETA[0] + THETA[1] * x)
    # The slope of Q^π at the mean action, from Q^π around it: with one node the action is the mean.
    V = np.array([0.5, -1.0, 2.0])

    def look_ahead(shift):
        moved = three_rooms(THETA + shift * np.eye(2)[0], order=1).mdp
        return (moved.r + moved.gamma * moved.expect(V))[:, 0]

    close(problem.critic_slope(V)[:, 0], oracles.finite_difference(lambda h: look_ahead(h[0]), [0.0])[:, 0], 1e-8)
    # More nodes change nothing.
    close(rooms(order=64).V, case.V, 1e-12)
    close(
        q_prop_gradient(rooms(order=64).problem, rooms(order=64).Q, case.slope, 1.0), slope_of_return(THETA, 0.5), 1e-8
    )


@pytest.mark.proves("thm-q-prop", "thm-action-baseline")
def test_in_the_three_rooms_what_is_subtracted_has_to_be_put_back():
    """The chapter's arrows: (10.9, 6.1) = (−4.1, −1.0) + (15.0, 7.1), the residual's half against the gradient."""
    case = rooms()
    wanted, part = slope_of_return(THETA, 0.5), deterministic_gradient(case.problem, case.slope)
    close(wanted, [10.9, 6.1], 0.006)
    close(part, [15.0, 7.1], 0.006)
    close(wanted - part, [-4.1, -1.0], 0.02)
    bar = (case.problem.actions - case.problem.mean[:, None])[..., 0] * case.slope
    close(q_prop_gradient(case.problem, case.A - bar, case.slope), wanted - part, 1e-8)
    assert wanted @ (wanted - part) < 0
    curve = q_prop_gradient(case.problem, case.Q - case.Q, case.slope) + part  # Q^π itself in the residual
    assert np.linalg.norm(curve - wanted) > 1


@pytest.mark.proves("thm-action-baseline", "prop-three-terms")
@pytest.mark.parametrize("seed", SEEDS)
def test_with_finitely_many_actions_the_curve_itself_is_put_back(seed):
    """Exercise: Σ_a Q_w ∇π for ℓ. With Q_w = Q^π the residual may be left out; with another it may not."""
    rng = np.random.default_rng(seed)
    mdp, logits = garnet(3, 2, 2, gamma=0.8, rng=rng), rng.normal(size=(3, 2))

    def softmax(x):
        e = np.exp(x.reshape(3, 2))
        return e / e.sum(axis=1, keepdims=True)

    pi = softmax(logits)
    wanted = oracles.finite_difference(lambda x: mdp.rho0 @ evaluate_policy(mdp, softmax(x)).V, logits.ravel())
    slope = oracles.finite_difference(lambda x: softmax(x).ravel(), logits.ravel()).reshape(6, 3, 2)
    Q, w, rho = evaluate_policy(mdp, pi).Q, rng.normal(size=(3, 2)), state_occupancy(mdp, pi)

    def parts(critic):  # the means of the two halves
        residual = np.einsum("s,sa,ksa->k", rho, Q - critic, slope)  # π ψ = ∇π
        return residual, np.einsum("s,sa,ksa->k", rho, critic, slope)

    for critic in (Q, w):
        close(sum(parts(critic)), np.ravel(wanted), 1e-7)
    close(parts(Q)[0], np.zeros(6))
    assert np.linalg.norm(parts(w)[0]) > 0.05


def three_nodes(seed):
    """A problem that ends in its third state, with three nodes a state, and the plain arrays of its MDP.

    Three Gauss–Hermite nodes integrate polynomials of degree five, so E[Āψ] = (∂μ/∂θ)ᵀv holds for them exactly, and
    all trajectories of three steps can be enumerated. (Of two nodes, z² = 1 in both: there Āψ does not vary.)
    """
    rng = np.random.default_rng(seed)
    P, r = rng.dirichlet(np.ones(3), size=(3, 3)), rng.normal(size=(3, 3))
    P[0, :, 0], P[1, :, :2], P[2] = 0.0, 0.0, [0.0, 0.0, 1.0]
    P /= P.sum(axis=2, keepdims=True)
    r[2] = 0.0
    arrays_of = P, r, 0.8, np.array([0.75, 0.25, 0.0])
    return three_rooms(THETA, order=3)._replace(mdp=TabularMDP(*arrays_of)), arrays_of


@pytest.mark.proves("eq-q-prop", "thm-q-prop")
@pytest.mark.parametrize("seed", SEEDS)
def test_sums_over_trajectories_have_the_same_mean_whatever_the_critic(seed):
    problem, arrays_of = three_nodes(seed)
    rng = np.random.default_rng(seed)
    slope, weight = rng.normal(size=(3, 1)), rng.normal(size=3)
    gamma = arrays_of[2]

    def g_hat(tau, slope, weight):
        total = np.zeros(2)
        for t, (s, a) in enumerate(zip(tau.states, tau.actions, strict=True)):
            G, deviation = oracles.return_from(tau.rewards, gamma, t), problem.actions[s, a] - problem.mean[s]
            parts = problem.score[s, a], G, deviation, slope[s], problem.jacobian[s], weight[s]
            total += gamma**t * q_prop_samples(*parts)
        return total

    mean = oracles.mean(lambda tau: g_hat(tau, slope, weight), arrays_of, problem.pi, 3)
    plain = oracles.mean(lambda tau: g_hat(tau, slope, np.zeros(3)), arrays_of, problem.pi, 3)
    close(mean, plain, 1e-12)
    Q = evaluate_policy(problem.mdp, problem.pi).Q
    close(q_prop_gradient(problem, Q, slope, weight), plain, 1e-12)


@pytest.mark.proves("eq-q-prop")
def test_samples_are_weighed_all_at_once_as_one_by_one():
    rng = np.random.default_rng(0)
    N, d, n = 6, 2, 3
    score, advantage, deviation = rng.normal(size=(N, n)), rng.normal(size=N), rng.normal(size=(N, d))
    slope, jacobian, weight = rng.normal(size=(N, d)), rng.normal(size=(N, d, n)), rng.normal(size=N)
    got = q_prop_samples(score, advantage, deviation, slope, jacobian, weight)
    for i in range(N):
        residual = advantage[i] - weight[i] * (slope[i] @ deviation[i])
        close(got[i], residual * score[i] + weight[i] * jacobian[i].T @ slope[i], 1e-13)
    close(
        q_prop_samples(score, advantage, deviation, slope, jacobian),
        q_prop_samples(score, advantage, deviation, slope, jacobian, np.ones(N)),
    )


@pytest.mark.proves("prop-q-prop-bias")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_advantage_form_keeps_exactly_the_bias_of_its_advantage(seed):
    case, rng = rooms(), np.random.default_rng(seed)
    values = rng.normal(size=3) * 3  # a V_φ that is wrong
    truth = q_prop_gradient(case.problem, case.Q, case.slope)
    lengths = []
    for lam in (0.0, 0.5, 0.9, 1.0):
        A_hat = expected_gae(case.problem.mdp, case.problem.pi, values, lam)
        bias = q_prop_gradient(case.problem, A_hat, case.slope) - truth
        for slope, weight in ((case.slope, 1.0), (rng.normal(size=(3, 1)), rng.normal(size=3))):
            close(q_prop_gradient(case.problem, A_hat, slope, weight) - truth, bias, 1e-12)
        lengths.append(np.linalg.norm(bias))
    assert lengths[-1] < 1e-10 * np.linalg.norm(truth)
    assert min(lengths[:-1]) > 1e-3 * np.linalg.norm(truth)
    # With the right values there is no bias at any λ.
    exact = expected_gae(case.problem.mdp, case.problem.pi, case.V, 0.5)
    close(q_prop_gradient(case.problem, exact, case.slope, 1.0), truth)


@pytest.mark.proves("prop-q-prop-bias")
@given(st.data(), tabular_mdps(discounts=st.sampled_from([0.0, 0.5, 0.9])), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_mean_of_gae_is_its_sum_of_errors(data, mdp, lam):
    pi, values = data.draw(policies(mdp)), data.draw(arrays(mdp.n_states))
    got = expected_gae(mdp, pi, values, lam)
    P, r = mdp.P if not mdp.is_sparse else mdp.P.toarray().reshape(*mdp.r.shape, -1), mdp.r
    error = r + mdp.gamma * P @ values - values[:, None]
    P_pi, mean_error = np.einsum("sa,sax->sx", pi, P), (pi * error).sum(axis=1)
    ahead, total, scale = P, error.copy(), 1.0
    while scale * mdp.gamma * lam > 1e-14:  # Σ_l (γλ)ˡ E[δ_{t+l} | s, a]
        scale *= mdp.gamma * lam
        total += scale * ahead @ mean_error
        ahead = ahead @ P_pi
    close(got, total, 1e-9)
    if lam == 1.0:
        close(got, evaluate_policy(mdp, pi).Q - values[:, None], 1e-9)


@pytest.mark.proves("prop-dpg")
def test_the_correction_alone_tends_to_the_gradient_as_the_noise_goes():
    """|Σρ(∂μ/∂θ)ᵀ∇_aQ − ∇η| = O(σ²); and at any σ the residual makes up for the difference."""
    sigmas = 0.4 * 2.0 ** -np.arange(5)
    errors = []
    for sigma in sigmas:
        case = rooms(sigma=sigma)
        truth = q_prop_gradient(case.problem, case.Q, case.slope)
        errors.append(np.linalg.norm(deterministic_gradient(case.problem, case.slope) - truth))
        bar = (case.problem.actions - case.problem.mean[:, None])[..., 0] * case.slope
        residual = q_prop_gradient(case.problem, case.A - bar, case.slope)
        close(deterministic_gradient(case.problem, case.slope) + residual, truth)
    assert errors[0] > 0.05
    assert np.polyfit(np.log(sigmas[1:]), np.log(errors[1:]), 1)[0] == pytest.approx(2, abs=0.1)
    # The limit is the gradient of the deterministic policy's own return: one node, at the mean.
    limit = oracles.finite_difference(lambda x: rooms(x, order=1).V[1], THETA)
    still = rooms(order=1)
    close(deterministic_gradient(still.problem, still.slope), limit, 1e-8)
    assert np.linalg.norm(limit - truth) < 0.01 * np.linalg.norm(limit)


@pytest.mark.proves("prop-dpg")
@pytest.mark.parametrize("seed", SEEDS)
def test_muprop_is_the_estimator_with_the_function_itself_for_a_critic(seed):
    """One step, η(θ) = E f(a): the baseline is f's own expansion, and each sample pays what is left of it."""
    (value, slope), (mean, covariance, jacobian) = a_critic(seed, 2), a_policy(seed, 2, 3)

    def g_hat(a):
        score = gaussian_score(a, mean, covariance, jacobian)
        return q_prop_samples(score, value(a) - value(mean), a - mean, slope(mean), jacobian)

    def eta(theta):
        return policy_mean(value, mean + jacobian @ theta, covariance)

    truth = oracles.finite_difference(eta, np.zeros(3))
    close(policy_mean(g_hat, mean, covariance), truth, 1e-7)
    # Stein: ∇η = (∂μ/∂θ)ᵀ E∇f, so the correction alone is right only where ∇f is as its mean.
    close(policy_mean(lambda a: slope(a) @ jacobian, mean, covariance), truth, 1e-7)
    assert np.linalg.norm(taylor_correction(slope(mean), jacobian) - truth) > 0.1


# The Gaussian model -----------------------------------------------------------------------------------------


@pytest.mark.proves("prop-gaussian-model")
@given(MODELS, SLOPES, NUMBERS)
def test_the_models_mean_and_variance(model, q, weight):
    def moment(power):
        return normal_mean(lambda x: (model.gradients(*x.T, q, weight) - model.mean) ** power, d=2, order=6)

    scale = max(1.0, model.variance(q, weight))
    assert moment(1) == pytest.approx(0, abs=1e-11 * scale)
    assert moment(2) == pytest.approx(model.variance(q, weight), abs=1e-11 * scale)
    assert model.mean == model.c1 / model.sigma


@pytest.mark.proves("prop-gaussian-model")
def test_the_models_samples_are_of_its_law():
    model = GaussianModel(0.5, 0.4, 0.3, 0.2, 0.7)
    samples = model.sample(200_000, 0.7, 0.8, np.random.default_rng(0))
    assert in_standard_errors(samples, model.mean) < 3.5
    assert in_standard_errors((samples - model.mean) ** 2, model.variance(0.7, 0.8)) < 3.5


@pytest.mark.proves("prop-gaussian-optimum")
@given(MODELS, SLOPES)
def test_the_best_weight_and_the_proxys(model, q):
    found = minimize_scalar(lambda weight: model.variance(q, weight), options={"xtol": 1e-12})
    best, proxy = model.best_weight(q), model.proxy_weight(q)
    assert found.fun == pytest.approx(model.floor, abs=1e-9 * max(1.0, model.floor))
    assert found.x == pytest.approx(best, abs=1e-5 * max(1.0, abs(best)))
    assert model.c1 - best * q * model.sigma == pytest.approx(-3 * model.c3, abs=1e-12)
    assert model.c1 - proxy * q * model.sigma == pytest.approx(0, abs=1e-12)
    assert model.variance(q, proxy) - model.floor == pytest.approx(18 * model.c3**2 / model.sigma**2, abs=1e-9)
    assert model.noise_floor <= model.floor

    def residual(weight):  # Var(Â − κĀ), whose minimum the proxy is
        return normal_mean(lambda x: (model.advantage(*x.T) - weight * q * model.sigma * x[:, 0]) ** 2, d=2, order=5)

    assert min(residual(proxy + 0.1), residual(proxy - 0.1)) > residual(proxy) - 1e-12
    K, W = model.agreement(q)
    assert residual(1.0) - residual(0.0) == pytest.approx(W - 2 * K, abs=1e-9 * max(1.0, W))


@pytest.mark.proves("prop-gaussian-optimum", "prop-neither-helps")
def test_the_proxys_weight_can_raise_the_gradients_variance():
    """Â = z − (z³−3z): K/W = 1 takes the linear part away, which had been of use: 32 becomes 42, the floor is 24."""
    model = GaussianModel(c1=1.0, c2=0.0, c3=-1.0, tau=0.0, sigma=1.0)
    assert model.proxy_weight(1.0) == model.rule(1.0, "adaptive") == 1.0
    assert model.best_weight(1.0) == -2.0  # the other way
    assert (model.variance(1.0, 0.0), model.variance(1.0, 1.0), model.floor) == (32.0, 42.0, 24.0)
    assert model.variance(1.0, -2.0) == 24.0


@pytest.mark.proves("prop-gaussian-optimum", "prop-dpg")
def test_the_exact_critics_tangent_can_be_worse_than_no_control():
    """The chapter's model: slope (c₁−3c₃)/σ = 1.6 at the mean action, mean slope c₁/σ = 1, best (c₁+3c₃)/σ = .4.

    With κ = 1 these leave 4.49, 2.33 and 1.61 of 1.93 without control, each by quadrature over z and ε.
    """
    model, h = GaussianModel(1.0, 0.2, -0.2, tau=0.5, sigma=1.0), 1e-4
    tangent = (model.advantage(h) - model.advantage(-h)) / (2 * h * model.sigma)
    mean_slope = normal_mean(lambda x: (model.advantage(x + h) - model.advantage(x - h)) / (2 * h), d=1, order=5)
    assert (tangent, mean_slope) == (pytest.approx(1.6, abs=1e-6), pytest.approx(1.0, abs=1e-6))
    assert model.mean == pytest.approx(mean_slope, abs=1e-6)
    for slope, wanted in ((0.0, 1.93), (1.6, 4.49), (1.0, 2.33), (0.4, 1.61), (2.0, 6.73)):
        square = normal_mean(lambda x, q=slope: (model.gradients(*x.T, q, 1.0) - model.mean) ** 2, d=2, order=8)
        assert model.variance(slope, 1.0) == pytest.approx(square, abs=1e-9)
        assert square == pytest.approx(wanted, abs=1e-9)


@pytest.mark.proves("prop-gaussian-optimum")
def test_a_constant_touches_the_bend_that_no_weight_does():
    """Var of (Â − b)z/σ: b = 2c₂ turns 10c₂² into 6c₂², the least that any b does; by quadrature."""
    model = GaussianModel(0.5, 0.7, -0.3, tau=0.2, sigma=0.8)

    def variance(b):
        g = lambda x: (model.advantage(*x.T) - b) * x[:, 0] / model.sigma  # noqa: E731
        return normal_mean(lambda x: (g(x) - model.mean) ** 2, d=2, order=8)

    gained = [(variance(0.0) - variance(k * model.c2)) * model.sigma**2 for k in (1.9, 2.0, 2.1)]
    assert variance(0.0) == pytest.approx(model.variance(1.0, 0.0), abs=1e-9)
    assert gained[1] == pytest.approx(4 * model.c2**2, abs=1e-9)
    assert gained[1] > max(gained[0], gained[2])


@pytest.mark.proves("prop-gaussian-optimum")
def test_without_a_slope_there_is_nothing_to_weigh():
    model = GaussianModel(1.0, 0.5, 0.5, 0.1, 1.0)
    assert model.best_weight(0.0) == model.proxy_weight(0.0) == model.rule(0.0, "adaptive") == 0.0
    assert model.variance(0.0, 1.0) == model.variance(0.0, 0.0)
    assert model.single_sample_bias(0.0, "aggressive") == 0


@pytest.mark.proves("prop-neither-helps")
def test_the_control_can_make_it_worse_and_a_smaller_one_better():
    """.43 becomes 1.23 with κ = 1, and .25 with κ = .3: Â = .3z + .5ε, q = σ = 1, so K = .3 < W/2 = .5."""
    model = GaussianModel(c1=0.3, c2=0.0, c3=0.0, tau=0.5, sigma=1.0)
    assert model.agreement(1.0) == (pytest.approx(0.3), 1.0)
    weights = {rule: model.rule(1.0, rule) for rule in RULES}
    assert weights["full"] == weights["conservative"] == weights["aggressive"] == 1.0
    assert model.variance(1.0, 0.0) == pytest.approx(0.43)
    assert model.variance(1.0, 1.0) == pytest.approx(1.23)
    assert weights["adaptive"] == pytest.approx(0.3)
    assert model.variance(1.0, weights["adaptive"]) == pytest.approx(0.25)
    # With the slope turned round K < 0: conservative leaves it alone, and aggressive does the same harm.
    assert model.rule(-1.0, "conservative") == 0.0
    assert model.rule(-1.0, "aggressive") == -1.0
    assert model.variance(-1.0, -1.0) == pytest.approx(1.23)


@pytest.mark.proves("prop-neither-helps")
@given(st.builds(GaussianModel, NUMBERS, st.just(0.0), st.just(0.0), st.just(0.5), SIZES), SLOPES)
def test_conservative_and_aggressive_help_just_where_the_agreement_is_large(model, q):
    K, W = model.agreement(q)
    plain = model.variance(q, 0.0)
    for rule, agreed in (("conservative", max(K, 0.0)), ("aggressive", abs(K))):
        changed = model.variance(q, model.rule(q, rule)) - plain
        if agreed == 0:
            assert changed == 0
        else:  # with c₃ = 0 the gradient's variance changes by 2/σ² times the proxy's, W − 2|K|
            assert changed == pytest.approx(2 * (W - 2 * agreed) / model.sigma**2, abs=1e-9 * max(1, plain, W))
    assert model.variance(q, model.rule(q, "adaptive")) <= plain + 1e-12


def bias_given_the_action(model, q, rule):
    """q E[κ(1 − z²)], the probability that the sample's sign is right taken in closed form at each z, in pieces."""
    polynomial = [model.c3, model.c2, model.c1 - 3 * model.c3, -model.c2]
    cuts = sorted(x.real for x in np.roots(np.trim_zeros(polynomial, "f")) if abs(x.imag) < 1e-9 and abs(x) < 10)
    ends = np.unique([-10.0, *cuts, 0.0, 10.0])

    def weight(z):
        x = model.advantage(z) * np.sign(q * z)
        positive = ndtr(x / model.tau) if model.tau else float(x > 0)
        return positive if rule == "conservative" else 2 * positive - 1

    def integrand(z):
        return q * weight(z) * (1 - z**2) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

    return sum(quad(integrand, a, b, epsabs=1e-13, limit=400)[0] for a, b in itertools.pairwise(ends))


@pytest.mark.proves("prop-single-sample")
@pytest.mark.parametrize(("c1", "tau", "sigma"), [(0.3, 0.5, 1.0), (-2.0, 0.5, 0.5), (1.0, 1.0, 2.0), (0.5, 0.01, 1.0)])
@pytest.mark.parametrize("q", [-1.5, 0.4])
def test_a_rule_that_looks_at_the_sample_biases(c1, tau, sigma, q):
    """For Â = c₁z + τε: −|q|k/(π(1+k²)), and twice that. It is largest, |q|/2π, at k = 1."""
    model, k = GaussianModel(c1, 0.0, 0.0, tau, sigma), c1 / tau
    conservative = model.single_sample_bias(q, "conservative")
    assert conservative == pytest.approx(-abs(q) * k / (np.pi * (1 + k**2)), abs=1e-12)
    assert model.single_sample_bias(q, "aggressive") == pytest.approx(2 * conservative, abs=1e-12)
    assert abs(conservative) <= abs(q) / (2 * np.pi) + 1e-12


def test_with_the_chapters_twist_the_formula_without_one_says_something_else():
    """ "What practice does differently": 1.16 and 1.11 are exact, 1.06 and 0.92 are what the proposition would give."""
    model, q, k = GaussianModel(1.2, 0.0, -0.3, 2.0, 1.0), -1.0, 0.6
    for times, rule, exact, formula in ((1, "conservative", 1.16, 1.06), (2, "aggressive", 1.11, 0.92)):
        assert model.mean + model.single_sample_bias(q, rule) == pytest.approx(exact, abs=0.005)
        assert model.mean - times * k / (np.pi * (1 + k**2)) == pytest.approx(formula, abs=0.005)


def test_the_middle_parabola_is_where_its_picture_says():
    model = GaussianModel(0.6, 0.0, 0.0, 0.5, 1.0)
    close(model.variance(1.0, np.array([0.0, 0.6, 1.0])), [0.97, 0.25, 0.57], 1e-9)


@pytest.mark.proves("prop-single-sample")
@given(MODELS, SLOPES)
def test_the_bias_of_the_single_sample_in_general(model, q):
    for rule in ("conservative", "aggressive"):
        wanted = bias_given_the_action(model, q, rule)
        if model.tau or model.c1 or model.c2 or model.c3:
            assert model.single_sample_bias(q, rule) == pytest.approx(wanted, abs=1e-9)
        else:  # Â = 0: no sample agrees with the critic or disagrees
            assert model.single_sample_bias(q, rule) == 0


@pytest.mark.proves("prop-single-sample")
@pytest.mark.parametrize(
    ("model", "q", "rule", "wanted"),
    [
        (GaussianModel(0.5, 0.0, -0.5, 0.5, 1.0), 1.5, "aggressive", 0.435),
        (GaussianModel(0.1, 0.0, -0.5, 0.1, 1.0), 1.0, "conservative", 0.269),
    ],
)
def test_with_a_twist_the_bias_of_the_single_sample_can_be_along_the_gradient(model, q, rule, wanted):
    assert model.mean > 0
    assert model.single_sample_bias(q, rule) == pytest.approx(bias_given_the_action(model, q, rule), abs=1e-9)
    assert model.single_sample_bias(q, rule) == pytest.approx(wanted, abs=5e-4)
    untwisted = GaussianModel(model.c1, 0.0, 0.0, model.tau, model.sigma)
    assert untwisted.single_sample_bias(q, rule) < 0


@pytest.mark.proves("prop-single-sample")
@pytest.mark.parametrize("tau", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("near", [0.1, 0.01])
def test_the_quadrature_sees_where_the_advantage_almost_vanishes(near, tau):
    """E[Â|z] = (z − r)((z − 1)² + near²): between its roots it comes near zero once more, where P(ÂĀ > 0) dips."""
    r = -2 / (2 + near**2)  # what makes it one of the model's cubics
    model = GaussianModel(4 + near**2 + 2 * r, -(r + 2), 1.0, tau, 1.0)
    z = np.linspace(-2, 2, 7)
    np.testing.assert_allclose(model.advantage(z), (z - r) * ((z - 1) ** 2 + near**2), atol=1e-13)
    x, w = np.polynomial.legendre.leggauss(8)
    half = 10 / 20_000  # 20 000 panels of [−10, 10]
    z = (np.arange(-10, 10, 2 * half) + half)[:, None] + half * x
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    wanted = 0.7 * half * (ndtr(np.sign(z) * model.advantage(z) / tau) * (1 - z**2) * density * w).sum()
    assert model.single_sample_bias(0.7, "conservative") == pytest.approx(wanted, abs=1e-11)


@pytest.mark.proves("prop-single-sample")
@pytest.mark.parametrize("rule", ["conservative", "aggressive"])
@pytest.mark.parametrize(
    ("model", "q"),
    [
        (GaussianModel(1.0, 0.0, 0.0, 1.0, 1.0), 1.5),
        (GaussianModel(0.5, 0.3, -0.4, 0.2, 0.7), -1.2),
        (GaussianModel(0.1, -0.5, 0.3, 2.0, 1.5), 0.8),
        (GaussianModel(0.4, 0.2, 0.1, 0.0, 1.0), 1.0),
    ],
)
def test_the_variance_of_the_single_sample_in_samples(model, q, rule):
    z, eps = np.random.default_rng(3).standard_normal((2, 200_000))
    samples = model.gradients(z, eps, q, model.single_sample_weight(z, eps, q, rule))
    squares = (samples - model.mean - model.single_sample_bias(q, rule)) ** 2
    assert in_standard_errors(squares, model.single_sample_variance(q, rule)) < 3.5
    assert model.single_sample_variance(0.0, rule) == pytest.approx(model.variance(0.0, 0.0))


@pytest.mark.proves("prop-single-sample")
@pytest.mark.parametrize("rule", ["conservative", "aggressive"])
def test_the_same_in_samples(rule):
    model, q = GaussianModel(0.5, 0.4, 0.3, 0.2, 1.0), 0.7
    z, eps = np.random.default_rng(0).standard_normal((2, 400_000))
    weight = model.single_sample_weight(z, eps, q, rule)
    assert set(weight) == ({0.0, 1.0} if rule == "conservative" else {-1.0, 1.0})
    samples = model.gradients(z, eps, q, weight)
    assert in_standard_errors(samples, model.mean + model.single_sample_bias(q, rule)) < 3.5
    assert in_standard_errors(samples, model.mean) > 20
    by_expectation = model.gradients(z, eps, q, model.rule(q, rule))
    assert in_standard_errors(by_expectation, model.mean) < 3.5


@pytest.mark.proves("prop-single-sample")
def test_a_weight_that_sees_the_action_biases_in_the_rooms_too():
    case = rooms()
    truth = q_prop_gradient(case.problem, case.A, case.slope)
    bar = (case.problem.actions - case.problem.mean[:, None])[..., 0] * case.slope
    seeing = (case.A * bar > 0) * 1.0
    K, W = agreement(case.problem, case.A, case.slope)
    blind = rule_weight(K, W, "conservative")
    close(q_prop_gradient(case.problem, case.A, case.slope, blind), truth)
    assert np.linalg.norm(q_prop_gradient(case.problem, case.A, case.slope, seeing) - truth) > 0.1


@pytest.mark.proves("prop-same-batch-critic")
@pytest.mark.parametrize("n", [1, 2])
def test_a_critic_fitted_to_its_own_batch_biases(n):
    """The fit q̂ = Σ Âz/(σ Σ z²), then κ = 1: exact, by quadrature in polar coordinates."""
    model = GaussianModel(0.5, 0.4, 0.3, 0.2, 0.7)
    if n == 1:  # else the fit to one sample, Â/(σz), has no mean
        model = GaussianModel(0.5, 0.0, 0.3, 0.0, 0.7)

    def mean_of_batch(z, eps):
        q = (model.advantage(z, eps) * z).sum() / (model.sigma * (z**2).sum())
        return model.gradients(z, eps, q, 1.0).mean(), q

    z = np.random.default_rng(0).normal(size=(2, n))
    assert mean_of_batch(*z)[0] == pytest.approx(mean_of_batch(*z)[1])  # the batch's mean is the fit itself
    radius = [np.array([-1.0, 1.0])] if n == 1 else [np.array([np.cos(x), np.sin(x)]) for x in np.arange(8) * np.pi / 4]

    def at(r):  # the mean over directions; on a circle, of a polynomial of degree 4, eight points give it
        directions = [[x] for x in radius[0]] if n == 1 else radius
        return np.mean([mean_of_batch(r * np.array(u), np.zeros(n))[0] for u in directions])

    size = quad(lambda r: r ** (n - 1) * np.exp(-(r**2) / 2), 0, np.inf)[0]
    mean = quad(lambda r: at(r) * r ** (n - 1) * np.exp(-(r**2) / 2), 1e-9, 12)[0] / size
    assert mean - model.mean == pytest.approx(model.same_batch_bias(n), abs=1e-7)


@pytest.mark.proves("prop-same-batch-critic")
@pytest.mark.parametrize("of", [{"c2": 0.4, "tau": 0.0}, {"c2": 0.0, "tau": 0.2}])
def test_a_critic_fitted_to_one_sample_has_a_mean_only_without_bend_and_noise(of):
    """E|q̂| over |z| > h grows by the same amount whenever h falls to a tenth; without them it settles."""

    def mean_size(model, h):  # q̂ = Â/(σz), with the mean of |Â| over ε taken at its two-point equal ±τ
        at = lambda z: sum(abs(model.advantage(z, e)) for e in (-1.0, 1.0)) / (2 * model.sigma * z)  # noqa: E731
        density = lambda z: 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)  # noqa: E731
        return quad(lambda x: at(np.exp(x)) * density(np.exp(x)) * np.exp(x), np.log(h), 2.5, limit=200)[0]

    bent, plain = GaussianModel(0.5, c3=0.3, sigma=0.7, **of), GaussianModel(0.5, 0.0, 0.3, 0.0, 0.7)
    steps = [mean_size(bent, h / 10) - mean_size(bent, h) for h in (1e-3, 1e-5)]
    assert steps[1] == pytest.approx(steps[0], rel=0.05)
    assert steps[1] > 0.1
    assert mean_size(plain, 1e-6) - mean_size(plain, 1e-5) < 1e-4
    assert plain.same_batch_bias(1) == pytest.approx(-2 * 0.3 / 0.7)
    with pytest.raises(ValueError, match="n must be"):
        bent.same_batch_bias(1)
    assert bent.same_batch_bias(2) == pytest.approx(-1.5 * 0.3 / 0.7)


@pytest.mark.proves("prop-gaussian-model", "prop-single-sample", "prop-same-batch-critic")
def test_what_practice_does_to_the_mean():
    """The chapter's departures, by quadrature and, where a sample or batch decides, in samples: the mean is 1.2."""
    model, q, other = GaussianModel(1.2, 0.0, -0.3, tau=2.0, sigma=1.0), -1.0, 0.5
    d = normal_mean(lambda x: (model.advantage(*x.T) - q * x[:, 0]) ** 2, d=2) ** 0.5

    def mean(share, put_back):  # of share·(Â − qz)z + put_back
        return normal_mean(lambda x: share * (model.advantage(*x.T) - q * x[:, 0]) * x[:, 0] + put_back, d=2)

    assert mean(1, q) == pytest.approx(1.2)
    assert mean(1 / d, q / d) == pytest.approx(1.2 / d)
    assert mean(1 / d, q) == pytest.approx(1.2 / d + (1 - 1 / d) * q)
    assert mean(1 / d, q) == pytest.approx(-0.28, abs=5e-3)  # the other way
    assert mean(1, other) == pytest.approx(1.2 + other - q)

    z, eps = np.random.default_rng(0).standard_normal((2, 400_000))
    for rule, wanted in (("conservative", 1.16), ("aggressive", 1.11)):
        weight = (np.sign(model.advantage(z, eps) * q * z) + (rule == "conservative")) / (1 + (rule == "conservative"))
        samples = (model.advantage(z, eps) - weight * q * z) * z + weight * q
        assert in_standard_errors(samples, model.mean + model.single_sample_bias(q, rule)) < 3.5
        assert model.mean + model.single_sample_bias(q, rule) == pytest.approx(wanted, abs=6e-3)
    z, eps = (x.reshape(-1, 20) for x in (z, eps))
    fitted = (z * model.advantage(z, eps)).sum(axis=1) / (z**2).sum(axis=1)
    assert in_standard_errors(fitted, model.mean + model.same_batch_bias(20)) < 3.5
    assert model.mean + model.same_batch_bias(20) == pytest.approx(1.28, abs=5e-3)


@pytest.mark.proves("prop-same-batch-critic")
def test_the_same_batch_bias_of_twenty_samples():
    """c₃/σ = .3, n = 20: −6c₃/(nσ) says −.090, and −6c₃/((n+2)σ) = −.0818, which is exact."""
    model = GaussianModel(0.5, 0.0, 0.3, 0.2, 1.0)
    assert -6 * model.c3 / (20 * model.sigma) == pytest.approx(-0.090)
    assert model.same_batch_bias(20) == pytest.approx(-0.0818, abs=5e-5)
    z, eps = np.random.default_rng(0).standard_normal((2, 60_000, 20))
    q = (model.advantage(z, eps) * z).sum(axis=1) / (model.sigma * (z**2).sum(axis=1))
    means = model.gradients(z, eps, q[:, None], 1.0).mean(axis=1)
    assert in_standard_errors(means, model.mean + model.same_batch_bias(20)) < 3.5
    assert in_standard_errors(means, model.mean) > 20
    fixed = model.gradients(z, eps, 0.5, 1.0).mean(axis=1)  # a critic that was there before
    assert in_standard_errors(fixed, model.mean) < 3.5


# Variance, in terms and by weight ---------------------------------------------------------------------------


@pytest.mark.proves("prop-three-terms")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_three_terms_are_the_total_and_baselines_touch_the_middle_one(seed):
    problem, arrays_of = three_nodes(seed)
    rng = np.random.default_rng(seed)
    slope, weight = rng.normal(size=(3, 1)), rng.normal(size=3)
    P, r, gamma, _ = arrays_of
    Q, noise = evaluate_policy(problem.mdp, problem.pi).Q, return_variance(problem.mdp, problem.pi)
    nu = (1 - gamma) * state_occupancy(problem.mdp, problem.pi)

    def outcomes():  # (probability, s, a, G) of a step drawn from (1−γ)ρ_π and of what follows it
        for s in range(3):
            for tau in oracles.trajectories(P, r, gamma, np.eye(3)[s], problem.pi, 3):
                yield nu[s] * tau.probability, s, tau.actions[0], oracles.return_from(tau.rewards, gamma, 0)

    def total(slope, weight):
        first = second = 0.0
        for p, s, a, G in outcomes():
            deviation = problem.actions[s, a] - problem.mean[s]
            g = q_prop_samples(problem.score[s, a], G, deviation, slope[s], problem.jacobian[s], weight[s])
            first, second = first + p * g, second + p * g @ g
        return second - first @ first

    controlled = variance_terms(problem, Q, noise, slope, weight)
    plain = variance_terms(problem, Q, noise, slope)
    assert controlled.total == pytest.approx(total(slope, weight))
    assert plain.total == pytest.approx(total(slope, np.zeros(3)))
    assert controlled.trajectory == pytest.approx(plain.trajectory)
    assert controlled.state == pytest.approx(plain.state)
    assert abs(controlled.action - plain.action) > 1e-3


@pytest.mark.proves("prop-three-terms")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_variance_of_returns_by_enumeration(seed):
    problem, (P, r, gamma, _) = three_nodes(seed)
    got = return_variance(problem.mdp, problem.pi)
    for s, a in np.ndindex(*r.shape):
        pi = problem.pi.copy()
        pi[s] = np.eye(3)[a]  # no state is visited twice before the end, where nothing is earned
        _, covariance = oracles.mean_and_covariance(
            lambda tau: oracles.return_from(tau.rewards, gamma, 0), (P, r, gamma, np.eye(3)[s]), pi, 3
        )
        assert got[s, a] == pytest.approx(covariance[0, 0], abs=1e-12)


@pytest.mark.proves("prop-three-terms")
@pytest.mark.parametrize("seed", SEEDS)
def test_controls_at_later_steps_lower_the_first_term_by_enumeration(seed):
    """G_t − Σ_{k>t} γ^{k−t} A(s_k,a_k) has the mean of G_t given (s_t,a_t), and the variance that the world leaves."""
    problem, (P, r, gamma, _) = three_nodes(seed)
    V, Q, _ = evaluate_policy(problem.mdp, problem.pi)
    A, spread = Q - V[:, None], gamma**2 * (P @ V**2 - (P @ V) ** 2)  # of γV(s') given (s,a)
    plain = return_variance(problem.mdp, problem.pi)
    left = evaluate_policy(TabularMDP(P, spread, gamma**2, problem.mdp.rho0), problem.pi).Q
    assert (left <= plain + 1e-12).all()
    assert (plain - left).max() > 1e-3

    def controlled(tau):
        later = sum(gamma**k * A[tau.states[k], tau.actions[k]] for k in range(1, len(tau.states)))
        return oracles.return_from(tau.rewards, gamma, 0) - later

    for s, a in np.ndindex(*r.shape):
        pi = problem.pi.copy()
        pi[s] = np.eye(3)[a]
        mean, covariance = oracles.mean_and_covariance(controlled, (P, r, gamma, np.eye(3)[s]), pi, 3)
        assert mean[0] == pytest.approx(Q[s, a], abs=1e-12)
        assert covariance[0, 0] == pytest.approx(left[s, a], abs=1e-12)


@pytest.mark.proves("prop-three-terms")
def test_in_the_three_rooms_controls_at_later_steps_get_below_what_no_baseline_does():
    """The chapter's rooms: 39.8 becomes 26.1. A reward less A has the same values, and the noise that is left."""
    case = rooms(np.array([0.2, -0.3]))
    mdp, pi = case.problem.mdp, case.problem.pi
    calmed = TabularMDP(mdp.P, mdp.r - case.A, mdp.gamma, mdp.rho0)
    close(evaluate_policy(calmed, pi).V, case.V)
    noises = return_variance(mdp, pi), return_variance(calmed, pi)
    plain, later = (variance_terms(case.problem, case.A, noise, case.slope) for noise in noises)
    assert (plain.trajectory, later.trajectory) == (pytest.approx(39.8, abs=0.05), pytest.approx(26.1, abs=0.05))
    assert (plain.action, plain.state) == (later.action, later.state)


@pytest.mark.proves("prop-adaptive")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_variance_is_a_quadratic_of_the_weight(seed):
    rng = np.random.default_rng(seed)
    case = rooms(rng.normal(size=2) / 2)
    problem, slope = case.problem, rng.normal(size=(3, 1))
    quadratic = weight_quadratic(problem, case.A, slope)
    nu = (1 - problem.mdp.gamma) * state_occupancy(problem.mdp, problem.pi)
    for weight in (0.0, 1.0, rng.normal(size=3), quadratic.best):
        terms = variance_terms(problem, case.A, np.zeros_like(case.A), slope, weight)
        assert nu @ quadratic(weight) == pytest.approx(terms.action)
    for away in (-0.1, 0.1):
        assert (quadratic(quadratic.best + away) > quadratic(quadratic.best)).all()
    # Noise after the action moves the parabola up, and its bottom not to the side.
    bar = (problem.actions - problem.mean[:, None])[..., 0] * slope
    X, Y = case.A[..., None] * problem.score, bar[..., None] * problem.score
    centre = lambda x: x - np.einsum("sm,smn->sn", problem.pi, x)[:, None]  # noqa: E731
    close(quadratic.cross, np.einsum("sm,smn,smn->s", problem.pi, centre(X), centre(Y)))
    close(quadratic.control, np.einsum("sm,smn,smn->s", problem.pi, centre(Y), centre(Y)))


def best_for_the_episode(problem, slope):
    """The κ(s) of least total variance of a whole episode's Σ γᵗĝ_t with Â = G − V, (S,).

    Y_t, the centred Āψ, has the mean zero given s_t, so those of different times are uncorrelated; but with Y_t go the
    later gradients, through s_{t+1}, and the earlier ones, whose returns hold Q(s_t,a_t).
    """
    mdp, pi, psi = problem.mdp, problem.pi, problem.score
    (S, _), gamma, P = pi.shape, mdp.gamma, np.asarray(mdp.P).reshape(*pi.shape, -1)
    V, Q, _ = evaluate_policy(mdp, pi)
    quadratic = weight_quadratic(problem, Q - V[:, None], slope)
    Y = ((problem.actions - problem.mean[:, None])[..., 0] * slope)[..., None] * psi
    Y = Y - np.einsum("sm,smn->sn", pi, Y)[:, None]
    chain = np.einsum("sm,smx->sx", pi, P)
    gradient = np.linalg.solve(np.eye(S) - gamma * chain, np.einsum("sm,smn->sn", pi, Q[..., None] * psi))
    later = gamma * np.einsum("sm,smn,smx,xn->s", pi, Y, P, gradient)
    d = np.linalg.solve(np.eye(S) - gamma**2 * chain.T, mdp.rho0)  # Σ γ²ᵗ P(s_t = s)
    scores = gamma**2 * np.einsum("s,sm,smx,smn->xn", d, pi, P, psi)
    scores = np.linalg.solve(np.eye(S) - gamma**2 * chain.T, scores)  # Σ γ²ᵗ E[Σ_{k<t} ψ_k; s_t = s]
    earlier = (scores * np.einsum("sm,smn,sm->sn", pi, Y, Q)).sum(axis=1)
    top, bottom = d * (quadratic.cross + later) + earlier, d * quadratic.control
    return np.divide(top, bottom, out=np.zeros(S), where=bottom > 1e-12)


@pytest.mark.proves("prop-adaptive")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_weight_of_an_episode_by_enumeration(seed):
    problem, arrays_of = three_nodes(seed)
    V = evaluate_policy(problem.mdp, problem.pi).V
    slope = np.random.default_rng(seed).normal(size=(3, 1))

    def variance(weight):
        def g_hat(tau):
            total = np.zeros(2)
            for t, (s, a) in enumerate(zip(tau.states, tau.actions, strict=True)):
                A = oracles.return_from(tau.rewards, arrays_of[2], t) - V[s]
                deviation = problem.actions[s, a] - problem.mean[s]
                parts = problem.score[s, a], A, deviation, slope[s], problem.jacobian[s], weight[s]
                total += arrays_of[2] ** t * q_prop_samples(*parts) * (s != 2)  # the end has no score
            return total

        return np.trace(oracles.mean_and_covariance(g_hat, arrays_of, problem.pi, 3)[1])

    best = best_for_the_episode(problem, slope)
    lowest = variance(best)
    for s in (0, 1):
        away = 0.1 * np.eye(3)[s]
        up, down = variance(best + away), variance(best - away)
        assert min(up, down) > lowest
        assert up == pytest.approx(down, rel=1e-9)


@pytest.mark.proves("prop-adaptive")
def test_the_best_weight_of_a_step_is_not_that_of_the_episode():
    case = rooms()
    step = weight_quadratic(case.problem, case.A, case.slope).best
    close(step, [-3.03, 0.53, 0.62], 2e-3)
    close(best_for_the_episode(case.problem, case.slope), [-1.40, 0.53, 0.60], 4e-3)
    # In the left room the critic's tangent and the mean slope have two signs, hence the negative weight.
    K, _ = agreement(case.problem, case.A, case.slope)
    tangent = case.slope[0, 0]
    assert tangent == pytest.approx(0.12, abs=0.005)
    assert K[0] / (tangent * 0.5**2) == pytest.approx(-0.14, abs=0.006)


@pytest.mark.proves("prop-adaptive")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_rules_and_what_they_change(seed):
    """Var(Â − κĀ | s) by quadrature against κ²W − 2κK; the adaptive weight is its minimum."""
    rng = np.random.default_rng(seed)
    case = rooms(rng.normal(size=2) / 2)
    problem, slope = case.problem, rng.normal(size=(3, 1))
    K, W = agreement(problem, case.A, slope)
    close(W, slope[:, 0] ** 2 * 0.25)
    bar = (problem.actions - problem.mean[:, None])[..., 0] * slope
    residual = lambda weight: (problem.pi * (case.A - weight[:, None] * bar) ** 2).sum(axis=1)  # noqa: E731
    changes = {"none": 0 * K, "full": W - 2 * K, "conservative": (W - 2 * K) * (K > 0), "aggressive": W - 2 * abs(K)}
    for rule, change in (changes | {"adaptive": -(K**2) / W}).items():
        weight = rule_weight(K, W, rule)
        close(residual(weight) - residual(0 * K), change)
        close(q_prop_gradient(problem, case.A, slope, weight), q_prop_gradient(problem, case.A, slope), 1e-9)
    best = rule_weight(K, W, "adaptive")
    assert (np.minimum(residual(best + 0.1), residual(best - 0.1)) > residual(best)).all()


@pytest.mark.proves("prop-adaptive")
def test_the_spread_of_the_control_in_several_actions_is_a_quadratic_form():
    mean, covariance, _ = a_policy(0, 3, 1)
    v = np.array([1.0, -2.0, 0.5])
    spread = policy_mean(lambda a: taylor_baseline(a, mean, 0.0, v) ** 2, mean, covariance, order=4)
    assert spread == pytest.approx(v @ covariance @ v)
    assert rule_weight(0.0, 0.0, "adaptive") == 0


# What the critic and the values are learned from ------------------------------------------------------------


@pytest.mark.proves("prop-critic-target")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_critic_is_evaluated_off_policy_and_the_maximum_evaluates_another(seed):
    """Expected updates from pairs that another policy chose: both targets converge, to Q^π and to Q*."""
    rng = np.random.default_rng(seed)
    mdp = garnet(4, 3, 2, gamma=0.8, rng=rng)
    pi, behaviour = rng.dirichlet(np.ones(3), size=(2, 4))
    how_often = (behaviour + 1 / 3) / 2  # any positive frequencies of pairs will do
    P = mdp.P
    of_policy, of_maximum = np.zeros((2, 4, 3))
    for _ in range(4000):
        of_policy += how_often * (mdp.r + 0.8 * P @ (pi * of_policy).sum(axis=1) - of_policy)
        of_maximum += how_often * (mdp.r + 0.8 * P @ of_maximum.max(axis=1) - of_maximum)
    close(of_policy, evaluate_policy(mdp, pi).Q, 1e-6)
    close(of_maximum, value_iteration(mdp, tol=1e-10).Q, 1e-6)
    assert abs(of_policy - of_maximum).max() > 0.1


@pytest.mark.proves("prop-critic-target")
def test_the_mean_action_in_the_target_evaluates_the_mean_policy():
    """r + γQ(s', μ(s')) is the target of the policy without noise: Q^π only where Q is linear in the action."""
    case, still = rooms(order=47), rooms(order=1)  # one node is the mean action: `still` is the policy without noise
    problem, at_mean = case.problem, 23  # the node in the middle of 47 is the mean action too
    close(problem.actions[:, at_mean], problem.mean, 1e-14)
    Q = np.zeros((3, 47))
    for _ in range(300):
        Q = problem.mdp.r + 0.9 * problem.mdp.expect(Q[:, at_mean])
    close(Q[:, at_mean], still.V, 1e-9)
    assert abs(Q - case.Q).max() > 0.1


@pytest.mark.proves("prop-off-policy-value")
@given(st.data(), tabular_mdps(sparse=False, discounts=st.sampled_from([0.0, 0.5, 0.9])))
def test_values_can_be_learned_off_policy_by_importance_weights(data, mdp):
    """E_b[(π/b)(r + γV(s'))] = (T^πV)(s); without the ratio it is T^bV. Q needs no ratio: a' is drawn afresh."""
    S, A = mdp.r.shape
    pi, V, Q = data.draw(policies(mdp)), data.draw(arrays(S)), data.draw(arrays(S, A))
    behaviour = (data.draw(policies(mdp)) + 1 / A) / 2  # takes every action at times
    for s in range(S):
        weighed = unweighed = 0.0
        for a, x in np.ndindex(A, S):  # one logged transition (s, a, r, s')
            p = behaviour[s, a] * mdp.P[s, a, x]
            target = mdp.r[s, a] + mdp.gamma * V[x]
            weighed += p * pi[s, a] / behaviour[s, a] * target
            unweighed += p * target
        table = np.repeat(V[:, None], A, axis=1)  # V as a Q that does not look at a
        assert weighed == pytest.approx((pi * bellman_operator(mdp, pi, table))[s].sum(), abs=1e-10)
        assert unweighed == pytest.approx((behaviour * bellman_operator(mdp, behaviour, table))[s].sum(), abs=1e-10)
        for a in range(A):  # given (s, a), the logged action has no say
            target = sum(mdp.P[s, a, x] * pi[x, b] * (mdp.r[s, a] + mdp.gamma * Q[x, b]) for x, b in np.ndindex(S, A))
            assert target == pytest.approx(bellman_operator(mdp, pi, Q)[s, a], abs=1e-10)


@pytest.mark.proves("prop-off-policy-value")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_weighed_updates_converge_to_the_policys_values_and_the_others_do_not(seed):
    rng = np.random.default_rng(seed)
    mdp = garnet(4, 3, 2, gamma=0.8, rng=rng)
    pi, behaviour = rng.dirichlet(np.ones(3), size=(2, 4))
    V, other = np.zeros((2, 4))
    for _ in range(200):  # expected updates; Σ_a b·(π/b)·(…) is what the ratio does
        V = (behaviour * (pi / behaviour) * (mdp.r + 0.8 * mdp.P @ V)).sum(axis=1)
        other = (behaviour * (mdp.r + 0.8 * mdp.P @ other)).sum(axis=1)
    Q = evaluate_policy(mdp, pi).Q
    close(V, evaluate_policy(mdp, pi).V, 1e-9)
    close((pi * Q).sum(axis=1), V, 1e-9)  # E_{a~π} Q, the other way to V
    close(other, evaluate_policy(mdp, behaviour).V, 1e-9)
    assert abs(V - other).max() > 0.05


# Bad input --------------------------------------------------------------------------------------------------

NO_NUMBERS = [np.nan, np.inf, "1", None, True]
NO_SIZES = [0.0, -1.0, *NO_NUMBERS]
ROOMS = three_rooms(THETA, order=4)
TABLE, SLOPE = np.ones((3, 4)), np.ones((3, 1))
F, G = np.arange(4.0), np.array([0.0, 1.0, 0.0, 2.0])
MODEL = GaussianModel(1.0, 0.0, 0.0, 1.0, 1.0)
PAIR = CorrelatedPair(0.0, 1.0, 1.0, 0.5)


def pair(**changed):
    return CorrelatedPair(**{"mean_f": 0.0, "sd_f": 1.0, "sd_g": 1.0, "corr": 0.5} | changed)


def model(**changed):
    return GaussianModel(**{"c1": 1.0, "c2": 0.0, "c3": 0.0, "tau": 1.0, "sigma": 1.0} | changed)


REFUSED = [
    *(("f", f, (bad, G)) for bad in ("x", [np.nan] * 4, np.ones((4, 1, 1)), 1.0) for f in (optimal_coefficient,)),
    ("f", optimal_coefficient, ([1.0], [1.0])),
    *(("g", optimal_coefficient, (F, bad)) for bad in ("x", [np.inf] * 4, np.ones(3), np.ones((3, 2)))),
    *(("mean_g", f, (F, G, bad)) for bad in ([0.0], np.nan, "x") for f in (cross_fitted, fitted_on_same)),
    *(("c", control_variate, (F, G, 0.0, bad)) for bad in ([0.0], np.nan, "x")),
    ("c", control_variate, (np.ones((4, 2)), np.ones((4, 3)), np.zeros(3), np.ones((3, 2)))),
    *((name, pair, {name: bad}) for name in ("sd_f", "sd_g") for bad in NO_SIZES),
    *(("mean_f", pair, {"mean_f": bad}) for bad in NO_NUMBERS),
    *(("corr", pair, {"corr": bad}) for bad in (-1.1, 1.1, *NO_NUMBERS)),
    *(("bend", pair, {"bend": bad}) for bad in (-0.1, 1.1, *NO_NUMBERS)),
    *(("n", PAIR.same_sample_bias, (bad,)) for bad in (1, 0, 2.5, "x", True, [2, 1])),
    *(("n", PAIR.sample, (bad, np.random.default_rng(0))) for bad in (0, 2.5)),
    *((name, model, {name: bad}) for name in ("c1", "c2", "c3") for bad in NO_NUMBERS),
    *(("tau", model, {"tau": bad}) for bad in (-1.0, *NO_NUMBERS)),
    *(("sigma", model, {"sigma": bad}) for bad in NO_SIZES),
    *(("n", MODEL.same_batch_bias, (bad,)) for bad in (0, -1, 2.5, "x", True)),
    *(("n", MODEL.sample, (bad, 1.0, 1.0, np.random.default_rng(0))) for bad in (0, 2.5)),
    *(("q", f, (bad,)) for bad in NO_NUMBERS for f in (MODEL.best_weight, MODEL.proxy_weight, MODEL.agreement)),
    *(
        ("q", f, (bad, "aggressive"))
        for bad in NO_NUMBERS
        for f in (MODEL.rule, MODEL.single_sample_bias, MODEL.single_sample_variance)
    ),
    *(("rule", MODEL.rule, (1.0, bad)) for bad in ("greedy", None)),
    *(("rule", MODEL.single_sample_bias, (1.0, bad)) for bad in ("full", "adaptive", None)),
    *(("rule", MODEL.single_sample_variance, (1.0, bad)) for bad in ("full", "adaptive", None)),
    *(("rule", MODEL.single_sample_weight, (1.0, 0.0, 1.0, bad)) for bad in ("none", "x")),
    ("slope", taylor_baseline, (np.ones((2, 1)), np.ones((2, 1)), 0.0, [[1.0], [np.nan]])),
    ("slope", taylor_correction, ([np.inf, 1.0], np.ones((2, 3)))),
    *(("jacobian", taylor_correction, ([1.0, 1.0], bad)) for bad in (np.ones((3, 2)), np.ones(2))),
    ("jacobian", q_prop_samples, (np.ones(3), 1.0, np.ones(2), np.ones(2), np.ones((2, 4)))),
    ("slope", q_prop_samples, (np.ones(3), 1.0, np.ones(2), np.ones(1), np.ones((1, 3)))),
    *(("theta", three_rooms, (bad,)) for bad in (np.ones(3), [np.nan, 0.0], "x")),
    *(("sigma", three_rooms, (THETA, bad)) for bad in NO_SIZES),
    *(("gamma", three_rooms, {"theta": THETA, "gamma": bad}) for bad in (-0.1, 1.0, *NO_NUMBERS)),
    *(("order", three_rooms, {"theta": THETA, "order": bad}) for bad in (0, 2.5)),
    *(("values", expected_gae, (ROOMS.mdp, ROOMS.pi, bad, 1.0)) for bad in (np.ones(2), [np.nan] * 3, "x")),
    *(("lam", expected_gae, (ROOMS.mdp, ROOMS.pi, np.ones(3), bad)) for bad in (-0.1, 1.1, *NO_NUMBERS)),
    *(("advantage", q_prop_gradient, (ROOMS, bad, SLOPE)) for bad in (np.ones(3), np.full((3, 4), np.nan), "x")),
    *(("slope", q_prop_gradient, (ROOMS, TABLE, bad)) for bad in (np.ones(3), [[np.nan]] * 3, "x")),
    *(("slope", deterministic_gradient, (ROOMS, bad)) for bad in (np.ones(3), [[np.nan]] * 3, "x")),
    *(("weight", q_prop_gradient, (ROOMS, TABLE, SLOPE, bad)) for bad in (np.ones(2), np.nan, "x")),
    *(("noise", variance_terms, (ROOMS, TABLE, bad, SLOPE)) for bad in (np.ones(3), -TABLE, "x")),
    *(("rule", rule_weight, (1.0, 1.0, bad)) for bad in ("greedy", None)),
]


@pytest.mark.parametrize(("name", "function", "arguments"), REFUSED)
def test_bad_arguments_raise_a_value_error_that_names_them(name, function, arguments):
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        function(**arguments) if isinstance(arguments, dict) else function(*arguments)


@pytest.mark.parametrize("folds", [0, 1, 5, 2.0, "2"])
def test_folds_leave_something_to_fit(folds):
    with pytest.raises(ValueError, match=r"\bfolds\b"):
        cross_fitted(F, G, 0.0, folds=folds)


def test_three_samples_in_two_folds_leave_only_one():
    with pytest.raises(ValueError, match=r"leave at least 2 of 3 samples outside, got 2"):
        cross_fitted(F[:3], G[:3], 0.0)


def test_the_messages_name_the_place():
    with pytest.raises(ValueError, match=r"slope\[1, 0\] is nan, not a finite number"):
        q_prop_gradient(ROOMS, TABLE, [[0.0], [np.nan], [0.0]])
    with pytest.raises(ValueError, match=r"noise\[0, 2\] is -1, not a variance"):
        variance_terms(ROOMS, TABLE, np.array([[0.0, 0.0, -1.0, 0.0]] * 3), SLOPE)
    with pytest.raises(ValueError, match=r"g must have shape .* as many samples as f, got \(3,\)"):
        control_variate(F, G[:3], 0.0, 1.0)


# What is easily taken for granted ---------------------------------------------------------------------------


def test_a_pair_of_correlated_values_by_hand():
    """f = m + s(ρz + √(1−ρ²) e) with e = b(z² − 1)/√2 + √(1−b²) u."""
    f, g = CorrelatedPair(mean_f=1.0, sd_f=2.0, sd_g=3.0, corr=0.6, bend=0.8).values(3.0, 10.0)
    assert g == 9.0
    assert f == pytest.approx(1 + 2 * (0.6 * 3 + 0.8 * (0.8 * 8 / np.sqrt(2) + 0.6 * 10)))


def test_no_control_is_a_control():
    f, none = np.array([1.0, 2.0, 4.0]), np.empty((3, 0))
    np.testing.assert_array_equal(control_variate(f, none, [], []), f)
    np.testing.assert_array_equal(cross_fitted(np.r_[f, f], np.empty((6, 0)), []), np.r_[f, f])
    assert optimal_coefficient(f, none).shape == (0,)


def test_steps_that_do_not_broadcast_are_named():
    ones = np.ones
    with pytest.raises(ValueError, match=r"^advantage, score, weight, slope must have shapes that broadcast"):
        q_prop_samples(ones((4, 3)), ones(4), ones((4, 2)), ones((5, 2)), ones((2, 3)))
    with pytest.raises(ValueError, match=r"^a, a_bar, slope, value must have shapes that broadcast"):
        taylor_baseline(ones((4, 2)), ones(2), ones(5), ones((4, 2)))
