"""What must not change, or change in a known way: under other units, another zero, other names of states and actions.

Rewards ar + c, states and actions in another order, powers of two. None of these tests knows a right answer; each
knows how two answers belong together.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlbook import TabularMDP, evaluate_policy, garnet, occupancy, policy_iteration, sample_trajectories, solve
from rlbook.bellman import advantages, soft_policy_iteration, soft_value_iteration, trace, value_iteration
from rlbook.natural_gradients import compatible_weights, fisher, gaussian_kl, kl, mean_kl, natural_gradient, npg
from rlbook.occupancies import (
    estimate_performance_difference,
    expected_return,
    jensen_shannon,
    mixture_path,
    occupancy_program,
    performance_difference,
    surrogate,
    trust_region_bound,
)
from rlbook.policy_gradient import (
    Trajectories,
    estimate_moments,
    exact_gradient,
    exact_moments,
    finite_horizon_values,
    optimal_baseline,
    per_step_baseline,
    per_trajectory_gradients,
    score_table,
    softmax_policy,
    state_distributions,
    variance_against_horizon,
)
from rlbook.q_prop import (
    CorrelatedPair,
    GaussianModel,
    agreement,
    cross_fitted,
    fitted_on_same,
    optimal_coefficient,
    return_variance,
    three_rooms,
    variance_terms,
    weight_quadratic,
)
from tests.strategies import arrays, baselines, policies, tabular_mdps, thetas, with_rewards

DISCOUNTS = st.sampled_from([0.0, 0.5, 0.9, 0.99, 1 - 1e-4, 1 - 1e-6])
FACTORS = st.sampled_from([1, 3, 64, 1000])
OFFSETS = st.sampled_from([0, 7, -1000, 10**6, -(10**9), 10**9])  # added to quarters, exact in float64
T = 3


@st.composite
def changed_rewards(draw, **options):
    """(mdp, the same with rewards ar + c, a, c), without rounding."""
    mdp = draw(tabular_mdps(**{"discounts": DISCOUNTS, **options}))
    a, c = draw(FACTORS), draw(OFFSETS)
    return mdp, with_rewards(mdp, a * mdp.r + c), a, c


def size(mdp, a, c):
    """What rounding is measured by: returns, and what is lost of c when it is added to them."""
    return 1e-13 * a * (1 + np.ptp(mdp.r)) / (1 - mdp.gamma) ** 2 + 1e-15 * abs(c) / (1 - mdp.gamma)


def close(found, wanted, tolerance):
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=tolerance)


# Rewards ar + c ---------------------------------------------------------------------------------------------


@pytest.mark.proves("thm-evaluation")
@given(st.data())
def test_values_follow_the_rewards(data):
    mdp, other, a, c = data.draw(changed_rewards())
    pi = data.draw(policies(mdp))
    one, two = evaluate_policy(mdp, pi), evaluate_policy(other, pi)
    for x, y in ((one.V, two.V), (one.Q, two.Q)):
        wanted = a * x + c / (1 - mdp.gamma)
        assert abs(y - wanted).max() <= a * one.error_bound + two.error_bound + 1e-15 * abs(wanted).max()
    close(advantages(other, pi), a * advantages(mdp, pi), size(mdp, a, 0))


@pytest.mark.proves("thm-optimality", "thm-policy-iteration")
@given(changed_rewards())
def test_the_best_policies_do_not_know_units_nor_zero(case):
    mdp, other, a, c = case
    one, two = policy_iteration(mdp), policy_iteration(other)
    np.testing.assert_array_equal(one.pi, two.pi)
    assert (one.steps, one.converged) == (two.steps, two.converged) == (one.steps, True)
    for solver in (solve, lambda m, tol: value_iteration(m, tol=tol, max_steps=500)):
        three = solver(mdp, tol=1e-9), solver(other, tol=1e-9 * a)
        for x, y in ((one, two), three):
            for name in ("V", "Q"):
                wanted = a * getattr(x, name) + c / (1 - mdp.gamma)
                off = abs(getattr(y, name) - wanted).max()
                assert off <= a * x.error_bound + y.error_bound + 1e-15 * abs(wanted).max()
    close(evaluate_policy(other, solve(other, tol=1e-9 * a).pi).V, two.V, two.error_bound + 1e-8 * a)


@pytest.mark.proves("thm-soft-contraction")
@given(changed_rewards(), st.sampled_from([0.25, 2.0]))
def test_soft_policies_change_with_the_temperature_alone(case, alpha):
    mdp, other, a, c = case
    for solver, limit in ((soft_value_iteration, 500), (soft_policy_iteration, 100)):
        one, two = solver(mdp, alpha, max_steps=limit), solver(other, a * alpha, tol=1e-8 * a, max_steps=limit)
        wanted = a * one.V + c / (1 - mdp.gamma)
        assert abs(two.V - wanted).max() <= a * one.error_bound + two.error_bound + 1e-15 * abs(wanted).max()
        if one.converged:  # V's error is mostly shared, so pi is better than V
            close(two.pi, one.pi, 1e-7 / alpha)


@pytest.mark.proves("thm-policy-gradient", "thm-compatible", "prop-natural-softmax")
@given(st.data())
def test_directions_do_not_know_what_all_rewards_share(data):
    mdp, other, a, _ = data.draw(changed_rewards())
    theta = data.draw(thetas(mdp))
    for direction in (compatible_weights, natural_gradient, exact_gradient):
        scale = (1 - mdp.gamma) if direction is natural_gradient else 1.0
        close(direction(other, theta) * scale, a * direction(mdp, theta) * scale, size(mdp, a, 0))
    np.testing.assert_array_equal(fisher(other, theta), fisher(mdp, theta))
    close(exact_gradient(other, theta, horizon=T), a * exact_gradient(mdp, theta, horizon=T), 1e-14 * a + 1e-5)
    features = data.draw(arrays(*mdp.r.shape, 2))
    w = data.draw(arrays(2))
    found, wanted = (exact_gradient(m, w, features=features) for m in (other, mdp))
    close(found, a * wanted, 10 * size(mdp, a, 0))


@pytest.mark.proves("thm-npg-rate")
@given(changed_rewards(discounts=st.sampled_from([0.0, 0.5, 0.9])))
def test_natural_policy_gradient_walks_the_same_way(case):
    mdp, other, a, c = case
    one, two = npg(mdp, step_size=0.1, steps=4), npg(other, step_size=0.1 / a, steps=4)
    close(two.pi, one.pi, 1e-11)
    close(two.gap, a * one.gap, 1e-11 * a)
    close(two.V, a * one.V + c * (1 / (1 - mdp.gamma)), size(mdp, a, c))
    close(two.bound[1:], a * one.bound[1:], 0)


@pytest.mark.proves("thm-difference", "eq-surrogate")
@given(st.data())
def test_differences_of_policies_do_not_know_it_either(data):
    mdp, other, a, c = data.draw(changed_rewards())
    pi, new = data.draw(policies(mdp)), data.draw(policies(mdp))
    far, rounding = 1 / (1 - mdp.gamma), size(mdp, a, 0) / (1 - mdp.gamma)
    np.testing.assert_array_equal(occupancy(mdp, pi), occupancy(other, pi))
    one, two = performance_difference(mdp, pi, new), performance_difference(other, pi, new)
    close(two.value, a * one.value, rounding)
    close(two.by_state, a * one.by_state, rounding)
    close(trust_region_bound(other, pi, new), a * trust_region_bound(mdp, pi, new), rounding * far)
    moved = c * far + size(mdp, a, c)
    for f in (lambda m: surrogate(m, pi, new), lambda m: expected_return(m, pi)):
        assert abs(f(other) - a * f(mdp) - c * far) <= rounding + 1e-14 * abs(moved)
    shares = np.array([0.0, 0.3, 1.0])
    one, two = mixture_path(mdp, pi, new, shares), mixture_path(other, pi, new, shares)
    for name in ("by_state", "mixture", "average"):
        close(getattr(two, name), a * getattr(one, name), rounding * far)
    batch = sample_trajectories(mdp, new, 5, 4, np.random.default_rng(0))
    one, two = (estimate_performance_difference(m, pi, batch) for m in (mdp, other))
    close(two, a * np.array(one), rounding)


@pytest.mark.proves("thm-lp")
@given(changed_rewards(discounts=st.sampled_from([0.0, 0.5, 0.9])))
def test_the_linear_program_does_not_lose_its_digits_to_what_all_rewards_share(case):
    mdp, other, a, c = case
    one, two = occupancy_program(mdp), occupancy_program(other)
    tolerance = 1e-8 * a + 1e-14 * abs(c) / (1 - mdp.gamma)
    assert abs(two.value - a * one.value - c / (1 - mdp.gamma)) <= tolerance
    assert two.duality_gap <= a * one.duality_gap + tolerance


# The variance with a baseline does not know c ---------------------------------------------------------------


@pytest.mark.proves("thm-exact-moments", "eq-moment-recursion")
@given(st.data(), st.booleans())
def test_the_variance_with_a_baseline_does_not_know_what_all_rewards_share(data, discount):
    mdp, other, a, c = data.draw(changed_rewards())
    pi = data.draw(policies(mdp))
    ahead = c * np.cumsum(mdp.gamma ** np.arange(T))[::-1, None]  # the returns that c alone makes
    V = data.draw(baselines(mdp, T))
    one = exact_moments(mdp, pi, T, baseline=V, discount=discount)
    two = exact_moments(other, pi, T, baseline=a * V + ahead, discount=discount)
    rounding = 1e-14 * a**2 + 1e-15 * abs(c) * T * a * 100  # b as given is off by its last digit
    close(two.variance(beta=1), a**2 * one.variance(beta=1), rounding)
    close(two.estimator(beta=1)[1], a**2 * one.estimator(beta=1)[1], rounding)
    for kappa, beta in ((0, 0), (1, 0), (0, 1), (1, 1), (0.3, 1.7)):
        assert two.variance(kappa=kappa, beta=beta) >= 0


@pytest.mark.parametrize("c", [0.0, 1e7, 1e8, 1e9, 1e12])
def test_the_variance_of_a_garnet_with_its_values_for_a_baseline(c):
    mdp, pi = garnet(3, 2, 2, gamma=0.9, rng=np.random.default_rng(0)), np.full((3, 2), 0.5)
    other = with_rewards(mdp, mdp.r + c)
    exact = with_rewards(mdp, other.r - c)  # what adding c has left of the rewards
    for baseline in (lambda m, *_: finite_horizon_values(m, pi, 4)[0], per_step_baseline, optimal_baseline):
        wanted = exact_moments(exact, pi, 4, baseline=baseline(exact, pi, 4)).variance(beta=1)
        found = exact_moments(other, pi, 4, baseline=baseline(other, pi, 4)).variance(beta=1)
        assert found == pytest.approx(wanted, rel=1e-13 + 1e-15 * c, abs=0)
    totals = variance_against_horizon(other, pi, [1, 4])
    assert (np.einsum("hii->hi", totals) >= 0).all()


def test_no_variance_is_negative_where_there_is_none():
    """One way to go, and rewards of all sizes: returns are certain, and the baseline knows them."""
    P = np.roll(np.eye(4), 1, axis=1)[:, None].repeat(2, axis=1)
    for scale in (1.0, 1e-9, 1e9):
        mdp = TabularMDP(P, scale * np.array([0.1, 1e3, -7.3, 1 / 3])[:, None].repeat(2, axis=1), 0.9, np.eye(4)[0])
        pi = np.full((4, 2), 0.5)
        moments = exact_moments(mdp, pi, 6, baseline=finite_horizon_values(mdp, pi, 6)[0])
        assert 0 <= moments.variance(beta=1) <= (1e-14 * 1e4 * scale) ** 2
        assert (return_variance(mdp, pi) >= 0).all()
        assert return_variance(mdp, pi).max() <= (1e-14 * 1e4 * scale) ** 2


@pytest.mark.proves("eq-family")
@given(st.data())
def test_sampled_gradients_with_a_baseline_do_not_know_it(data):
    mdp, other, a, c = data.draw(changed_rewards())
    pi = data.draw(policies(mdp))
    b = data.draw(baselines(mdp, T))
    batch = sample_trajectories(mdp, pi, 6, T, np.random.default_rng(0))
    moved = batch._replace(rewards=other.r[batch.states, batch.actions])
    ahead = c * np.cumsum(mdp.gamma ** np.arange(T))[::-1, None]
    for discount in (True, False):
        one = per_trajectory_gradients(batch, pi, mdp.gamma, baseline=b, discount=discount)
        two = per_trajectory_gradients(moved, pi, mdp.gamma, baseline=a * b + ahead, discount=discount)
        close(two, a * one, 1e-14 * a + 1e-15 * abs(c) * 10)
        shifted = estimate_moments(one + c)
        close(shifted.variance, estimate_moments(one).variance, 1e-14 + 1e-15 * abs(c) * 50)
        assert shifted.variance >= 0


@given(st.data())
def test_baselines_and_variances_of_returns_move_as_the_rewards_do(data):
    mdp, other, a, c = data.draw(changed_rewards())
    pi = data.draw(policies(mdp))
    scored = (pi[..., None] * abs(score_table(pi))).any(axis=(1, 2))  # elsewhere they are 0
    ahead = c * np.cumsum(mdp.gamma ** np.arange(T))[::-1, None] * scored
    for baseline in (per_step_baseline, optimal_baseline):
        wanted = a * baseline(mdp, pi, T) + ahead
        close(baseline(other, pi, T), wanted, 1e-13 * a + 1e-13 * abs(c))
    found, wanted = return_variance(other, pi), a**2 * return_variance(mdp, pi)
    close(found, wanted, size(mdp, a, 0) * a)
    assert (found >= 0).all()


# Control variates -------------------------------------------------------------------------------------------


@pytest.mark.proves("prop-control-variate", "prop-cross-fit", "prop-same-sample")
@pytest.mark.parametrize("offset", [0.0, 1e6, 1e9])
def test_coefficients_do_not_know_where_zero_is(offset):
    rng = np.random.default_rng(0)
    f, g = np.round(rng.normal(size=(2, 60)) * 2**10) / 2**10  # exact when 1e9 is added
    c = optimal_coefficient(f, g)
    assert optimal_coefficient(f + offset, g - offset) == pytest.approx(c, rel=1e-6, abs=0)
    for fitted in (cross_fitted, fitted_on_same):
        found, wanted = fitted(f + offset, g - offset, -offset), fitted(f, g, 0.0)
        close(found - offset, wanted, 1e-6)


def test_a_constant_has_no_slope_though_its_mean_is_off_by_a_digit():
    rng = np.random.default_rng(0)
    for constant in (0.1, 1 / 3, 1e9 + 0.1, -7e-9):
        for n in (7, 60, 1000):
            f, g = rng.normal(size=n), np.full(n, constant)
            assert optimal_coefficient(f, g) == 0
            both = np.stack([g, f + rng.normal(size=n)], axis=1)
            assert abs(optimal_coefficient(f, both)[0]) <= 1e-12


@pytest.mark.proves("prop-control-variate", "prop-gaussian-model")
def test_variances_of_the_models_are_nowhere_negative():
    rng = np.random.default_rng(0)
    for _ in range(300):
        sd_f, sd_g = 10.0 ** rng.uniform(-9, 9, size=2)
        for corr in (-1.0, 1.0, rng.uniform(-1, 1)):
            pair = CorrelatedPair(1e9, sd_f, sd_g, corr)
            assert pair.variance(pair.best) == pytest.approx(pair.least, rel=1e-9, abs=1e-28 * sd_f**2)
            assert pair.variance(pair.best) >= 0
        c3 = rng.normal() * 10.0 ** rng.uniform(-9, 9)
        model = GaussianModel(1e9 * c3, 0.0, c3, 0.0, 0.7)
        assert model.variance(1e3, model.best_weight(1e3)) == pytest.approx(24 * c3**2 / 0.49, rel=1e-6, abs=0)


@pytest.mark.proves("prop-adaptive", "prop-three-terms")
@pytest.mark.parametrize("c", [1e3, 1e6])
def test_what_the_weights_look_at_does_not_know_what_a_state_has_in_common(c):
    problem = three_rooms([0.2, 0.3], 0.5)
    V, Q, _ = evaluate_policy(problem.mdp, problem.pi)
    slope = problem.critic_slope(V)
    for found, wanted in zip(agreement(problem, Q + c, slope), agreement(problem, Q, slope), strict=True):
        close(found, wanted, 1e-15 * c * 100)
    quadratic = weight_quadratic(problem, Q - V[:, None], slope)
    assert min(x.min() for x in (quadratic.none, quadratic.control, quadratic(quadratic.best))) >= 0
    # and a control that is the estimate itself takes all of its variance
    same = weight_quadratic(problem, c * (problem.actions - problem.mean[:, None])[..., 0], np.full((3, 1), c))
    assert 0 <= same(same.best).max() <= 1e-15 * same.none.max()
    terms = variance_terms(problem, Q + c, np.zeros_like(Q), slope, 1.0)
    assert min(terms.trajectory, terms.action, terms.state) >= 0


# Distances between policies that are nearly the same --------------------------------------------------------


@pytest.mark.proves("def-fisher")
@pytest.mark.parametrize("step", [1e-3, 1e-6, 1e-9, 1e-12])
def test_small_divergences_keep_their_digits(step):
    """KL = ½ Σ d²/π + O(d³) from π to π + d: for d = 1e-9 that is 1e-18, under the last digit of each logarithm."""
    pi = np.array([[0.5, 0.25, 0.25], [0.125, 0.375, 0.5]])
    d = step * np.array([[1.0, -1.0, 0.0], [0.5, 0.5, -1.0]]) * 2.0**-3
    new = pi + d
    d = new - pi  # what is left of it
    model = (d**2 / pi).sum(axis=1) / 2
    np.testing.assert_allclose(kl(pi, new), model, rtol=3 * step + 1e-9)
    p, q = pi / pi.sum(), new / new.sum()
    np.testing.assert_allclose(jensen_shannon(pi, new), ((p - q) ** 2 / p).sum() / 8, rtol=3 * step + 1e-3)
    mdp = garnet(2, 3, 2, gamma=0.9, rng=np.random.default_rng(0))
    assert mean_kl(mdp, pi, new) == pytest.approx(
        0.1 * occupancy(mdp, pi).sum(axis=1) @ model, rel=3 * step + 1e-9, abs=0
    )
    assert gaussian_kl(0.0, 1.0, 0.0, 1.0 + step) == pytest.approx(step**2, rel=3 * step + 1e-3, abs=0)


# Other names ------------------------------------------------------------------------------------------------


@st.composite
def renamed(draw, **options):
    """(mdp, the same with states and actions in another order, that order of states, and of actions)."""
    mdp = draw(tabular_mdps(sparse=False, **options))
    S, A = mdp.r.shape
    s, a = np.array(draw(st.permutations(range(S)))), np.array(draw(st.permutations(range(A))))
    other = TabularMDP(mdp.P[s][:, a][:, :, s], mdp.r[s][:, a], mdp.gamma, mdp.rho0[s])
    return mdp, other, s, a


@pytest.mark.proves("thm-evaluation", "thm-optimality", "def-occupancy")
@given(st.data())
def test_names_of_states_and_actions_do_not_matter(data):
    mdp, other, s, a = data.draw(renamed())
    theta = data.draw(thetas(mdp))
    pi = softmax_policy(theta)
    named = lambda table: table[s][:, a]  # noqa: E731
    theta2, pi2 = named(theta), named(pi)
    tolerance = 1e-12 * (1 + abs(mdp.r).max()) / (1 - mdp.gamma) ** 3
    for solver in (value_iteration, solve, policy_iteration, lambda m: soft_policy_iteration(m, 0.5)):
        one, two = solver(mdp), solver(other)
        assert abs(two.V - one.V[s]).max() <= one.error_bound + two.error_bound
        assert abs(two.Q - named(one.Q)).max() <= one.error_bound + two.error_bound
        assert one.converged == two.converged
    for table in (
        lambda m, p: evaluate_policy(m, p).Q,
        advantages,
        occupancy,
        return_variance,
        lambda m, p: finite_horizon_values(m, p, T)[1][0],
    ):
        close(table(other, pi2), named(table(mdp, pi)), tolerance)
    for table in (exact_gradient, natural_gradient, compatible_weights):
        close(table(other, theta2), named(table(mdp, theta)), tolerance)
    place = np.arange(mdp.r.size).reshape(mdp.r.shape)[s][:, a].ravel()
    close(fisher(other, theta2), fisher(mdp, theta)[np.ix_(place, place)], tolerance)
    for stream in (state_distributions, per_step_baseline, optimal_baseline):
        close(stream(other, pi2, T), stream(mdp, pi, T)[:, s], tolerance)
    b = data.draw(baselines(mdp, T))
    one, two = exact_moments(mdp, pi, T, baseline=b), exact_moments(other, pi2, T, baseline=b[:, s])
    close(two.mean, one.mean[:, place], tolerance)
    close(two.covariance, one.covariance[:, place][:, :, :, place], tolerance)
    close(two.total, one.total, tolerance)
    new = data.draw(policies(mdp))
    one, two = performance_difference(mdp, pi, new), performance_difference(other, pi2, named(new))
    close(two.by_state, one.by_state[s], tolerance)
    close(occupancy_program(other).value, occupancy_program(mdp).value, 1e-8)
    one, two = npg(mdp, step_size=0.1, steps=2, theta=theta), npg(other, step_size=0.1, steps=2, theta=theta2)
    close(two.pi, np.array([named(p) for p in one.pi]), tolerance)
    one, two = trace(mdp, theta, 3, pi=pi), trace(other, theta2, 3, pi=pi2)
    close(two.error, one.error, tolerance)


# Powers of two ----------------------------------------------------------------------------------------------


def doubled(x, k):
    return np.asarray(x) * 2.0**k


@pytest.mark.proves("thm-evaluation")
@given(st.data(), st.sampled_from([-40, -3, 7, 40]))
def test_a_power_of_two_is_another_unit_to_the_last_bit(data, k):
    mdp = data.draw(tabular_mdps(discounts=DISCOUNTS))
    pi, b = data.draw(policies(mdp)), data.draw(baselines(mdp, T))
    theta = data.draw(thetas(mdp))
    other = with_rewards(mdp, doubled(mdp.r, k))
    same = lambda two, one: np.testing.assert_array_equal(two, doubled(one, k))  # noqa: E731
    for x, y in zip(evaluate_policy(other, pi), evaluate_policy(mdp, pi), strict=True):
        same(x, y)
    pairs = [
        (policy_iteration(other), policy_iteration(mdp)),
        (solve(other, tol=1e-7 * 2.0**k), solve(mdp, tol=1e-7)),
        *((f(other, tol=1e-7 * 2.0**k, max_steps=99), f(mdp, tol=1e-7, max_steps=99)) for f in (value_iteration,)),
        *(
            (f(other, 2.0**k, tol=1e-7 * 2.0**k, max_steps=99), f(mdp, 1.0, tol=1e-7, max_steps=99))
            for f in (soft_value_iteration, soft_policy_iteration)
        ),
    ]
    for two, one in pairs:
        same(two.V, one.V)
        same(two.Q, one.Q)
        same(two.error_bound, one.error_bound)
        np.testing.assert_array_equal(two.pi, one.pi)
        assert (two.steps, two.converged) == (one.steps, one.converged)
    for f in (exact_gradient, natural_gradient):
        same(f(other, theta), f(mdp, theta))
    for f in (per_step_baseline, optimal_baseline):
        same(f(other, pi, T), f(mdp, pi, T))
    same(advantages(other, pi), advantages(mdp, pi))
    same(
        performance_difference(other, pi, softmax_policy(theta)).value,
        performance_difference(mdp, pi, softmax_policy(theta)).value,
    )
    two, one = exact_moments(other, pi, T, baseline=doubled(b, k)), exact_moments(mdp, pi, T, baseline=b)
    same(two.mean, one.mean)
    np.testing.assert_array_equal(two.covariance, doubled(one.covariance, 2 * k))
    np.testing.assert_array_equal(return_variance(other, pi), doubled(return_variance(mdp, pi), 2 * k))
    batch = sample_trajectories(mdp, pi, 4, T, np.random.default_rng(0))
    two = per_trajectory_gradients(
        Trajectories(batch.states, batch.actions, doubled(batch.rewards, k)), pi, mdp.gamma, baseline=doubled(b, k)
    )
    same(two, per_trajectory_gradients(batch, pi, mdp.gamma, baseline=b))
