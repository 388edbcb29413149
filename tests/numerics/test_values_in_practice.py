"""Chapter 2's example by hand, its algorithms as its cells have them, and what practice does differently."""

import itertools

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import norm as normal

from rlbook import TabularMDP, garnet, solve
from rlbook.bellman import (
    LinearProblem,
    baird_star,
    evaluate_policy,
    greedy_policy,
    linear_td,
    optimality_operator,
    policy_iteration,
    q_learning,
    soft_policy,
    soft_value,
    td_direction,
    td_fixed_point,
    transition_matrix,
    value_iteration,
)
from tests import oracles
from tests.sources import code_cells
from tests.strategies import arrays, distributions, plain, policies, tabular_mdps


def cell(opening):
    """The lines of the chapter's one cell that begins so."""
    [found] = [source for source, _ in code_cells(2) if source.startswith(opening)]
    return found.splitlines()


def by_hand(cut=np.inf):
    """The chapter's example: stay and go in the first state; the second has one thing to do, here twice."""
    P = [[[1, 0], [0, 1]], [[0, 1], [0, 1]]]
    return TabularMDP(P, np.minimum([[1.0, 0.0], [3.0, 3.0]], cut), 0.5, [1.0, 0.0])


# The example by hand ------------------------------------------------------------------------------------------


@pytest.mark.proves("thm-optimality", "prop-action-gap", "thm-macqueen")
def test_the_example_by_hand():
    mdp, Q, told = by_hand(), np.zeros((2, 2)), [(0, 0, 0), (1, 0, 3), (1.5, 1.5, 4.5), (1.75, 2.25, 5.25)]
    best, seen, errors = policy_iteration(mdp).Q, [], []
    np.testing.assert_allclose(best, [[2.5, 3], [6, 6]], rtol=1e-15)
    for _ in range(7):
        seen.append(Q)
        errors.append(abs(Q - best).max())
        Q = optimality_operator(mdp, Q)
    assert [(*Q[0], Q[1, 0]) for Q in seen[:5]] == [*told, (2.125, 2.625, 5.625)]
    assert errors[:5] == [6, 3, 1.5, 0.75, 0.375]
    leads = [Q[0, 1] > Q[0, 0] for Q in seen]
    assert leads == [False] * 3 + [True] * 4
    gap = 0.5
    assert best[0, 1] - best[0, 0] == gap
    assert np.argmax(2 * np.array(errors) < gap) == 5, "from when on the gap promises it"
    np.testing.assert_array_equal(seen[4] - seen[3], np.full((2, 2), 0.375))
    np.testing.assert_array_equal(seen[4] + 0.375, best)  # γ/(1 − γ) = 1


# The algorithms, as the chapter's cells have them -------------------------------------------------------------


@pytest.mark.proves("thm-macqueen", "thm-stopping")
@given(tabular_mdps(sparse=False), st.sampled_from([1.0, 1e-2, 1e-6]))
def test_the_cell_that_iterates_values_is_as_exact_as_it_says(mdp, tol):
    P, r, gamma, _ = plain(mdp)
    lines = cell("P = np.array([[[1, 0]")
    assert "tol" in lines[1]
    there = {"np": np, "P": P, "r": r, "gamma": gamma, "tol": tol, "print": lambda *_: None}
    exec("\n".join(lines[2:]), there)
    best = policy_iteration(mdp)
    rounding = 1e-10 * (1 + abs(best.Q).max())
    assert abs(there["Q"] - best.Q).max() <= tol + rounding
    assert abs(there["Q"] - value_iteration(mdp, tol=tol).Q).max() <= 2 * tol + rounding
    assert (best.V - evaluate_policy(mdp, greedy_policy(there["Q"])).V).max() <= 2 * tol + rounding


def test_the_cell_that_iterates_values_ends_at_the_closed_bracket(capsys):
    exec("\n".join(cell("P = np.array([[[1, 0]")), {"np": np})
    assert capsys.readouterr().out == "4 sweeps: [2.5, 3.0] [6.0, 6.0]\n"


@pytest.mark.proves("eq-q-learning")
def test_the_cell_that_learns_from_samples_is_q_learning_to_the_last_digit(capsys):
    there = {"np": np, "gym": gym}
    exec("\n".join(cell("ice, rng =")), there)
    learned = q_learning(gym.make("FrozenLake-v1"), 0.95, steps=20_000, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(there["Q"], learned.Q)
    np.testing.assert_array_equal(there["n"], learned.visits)
    assert capsys.readouterr().out == "worth of the start: 0.098\n"
    lake = TabularMDP.from_gymnasium(gym.make("FrozenLake-v1"), 0.95)
    assert policy_iteration(lake).V[0] == pytest.approx(0.180, abs=5e-4)


# Sweeps with errors -------------------------------------------------------------------------------------------


@pytest.mark.proves("prop-sweeps-with-errors")
@given(st.data(), tabular_mdps())
def test_sweeps_with_errors_end_near_the_best_values(data, mdp):
    epsilon = data.draw(st.sampled_from([0.25, 2.0]))
    best, Q = policy_iteration(mdp), data.draw(arrays(*mdp.r.shape))
    first = abs(Q - best.Q).max()
    slack = 1e-9 * (1 + first + abs(best.Q).max())
    for k in range(1, 5):
        miss = data.draw(arrays(*mdp.r.shape, elements=st.sampled_from([-epsilon, 0.0, epsilon])))
        Q = optimality_operator(mdp, Q) + miss
        bound = mdp.gamma**k * first + epsilon / (1 - mdp.gamma)
        assert abs(Q - best.Q).max() <= bound + slack
        loss = (best.V - evaluate_policy(mdp, greedy_policy(Q)).V).max()
        assert loss <= 2 * bound / (1 - mdp.gamma) + slack
    # The same miss every time: the bound is attained.
    high = best.Q + epsilon / (1 - mdp.gamma)
    np.testing.assert_allclose(optimality_operator(mdp, high) + epsilon, high, atol=slack + 1e-9)


# The maximum of estimates -------------------------------------------------------------------------------------


@st.composite
def estimates(draw):
    """Three numbers, and two laws of unbiased estimates: (q, (n, 3) outcomes and their chances, twice)."""
    q, laws = draw(arrays(3)), []
    for _ in range(2):
        outcomes, chances = draw(arrays(4, 3)), draw(distributions(4))
        laws.append((outcomes - chances @ outcomes + q, chances))
    return q, *laws


@pytest.mark.proves("prop-max-of-estimates")
@given(estimates())
def test_the_maximum_of_estimates_is_too_high_and_a_second_one_never(case):
    q, (one, p), (two, p_two) = case
    for law, chances in ((one, p), (two, p_two)):
        np.testing.assert_allclose(chances @ law, q, atol=1e-12)
    assert p @ one.max(axis=1) >= q.max() - 1e-12
    told = sum(
        p[i] * p_two[j] * two[j, one[i].argmax()] for i, j in itertools.product(range(len(p)), range(len(p_two)))
    )
    assert told <= q.max() + 1e-12


@pytest.mark.proves("prop-max-of-estimates")
def test_ten_equal_actions_with_normal_errors():
    exact, _ = quad(lambda x: x * 10 * normal.pdf(x) * normal.cdf(x) ** 9, -10, 10)
    assert exact == pytest.approx(1.54, abs=5e-3)
    one, two = np.random.default_rng(0).normal(size=(2, 40_000, 10))
    # Standard errors: at most 1/√40000 = 0.005, for the largest of ten varies less than one of them.
    assert one.max(axis=1).mean() == pytest.approx(exact, abs=0.02)
    assert np.take_along_axis(two, one.argmax(axis=1)[:, None], axis=1).mean() == pytest.approx(0, abs=0.02)


def test_where_the_actions_differ_the_maximum_is_too_high_and_the_second_estimate_too_low():
    """Worths 1 and 0, normal errors: the better one is chosen with the chance Φ(1/√2), and that is what is told."""
    chosen = normal.cdf(1 / np.sqrt(2))
    assert chosen == pytest.approx(0.76, abs=5e-3)
    highest = chosen + np.sqrt(2) * normal.pdf(1 / np.sqrt(2))
    assert highest == pytest.approx(1.20, abs=5e-3)
    one, two = np.random.default_rng(0).normal([1, 0], size=(2, 40_000, 2))
    # Standard errors: at most 1/√40000 = 0.005 for the maximum, and (1 + 1/4)½ of that for the other.
    assert one.max(axis=1).mean() == pytest.approx(highest, abs=0.02)
    told = np.take_along_axis(two, one.argmax(axis=1)[:, None], axis=1)
    assert told.mean() == pytest.approx(chosen, abs=0.025)


# Features -----------------------------------------------------------------------------------------------------


@st.composite
def chains(draw):
    mdp = draw(tabular_mdps(max_actions=2, sparse=False))
    features = draw(arrays(mdp.n_states, 2))[:, : min(2, mdp.n_states)]
    d = draw(arrays(mdp.n_states).map(abs)) + 0.25
    pi = draw(policies(mdp))
    problem = LinearProblem(transition_matrix(mdp, pi), (pi * mdp.r).sum(axis=1), mdp.gamma, features, d / d.sum())
    return problem, draw(arrays(features.shape[1]))


def project(problem, v):
    """The nearest Φw to v in ‖·‖_d."""
    root = np.sqrt(problem.d)
    return problem.features @ np.linalg.lstsq(root[:, None] * problem.features, root * v, rcond=None)[0]


@pytest.mark.proves("eq-projected", "eq-semi-gradient")
@given(chains())
def test_the_semi_gradient_is_the_way_to_the_projected_image(case):
    """Its direction is ΦᵀD(ΠTΦw − Φw): zero just where Φw = ΠTΦw."""
    problem, w = case
    v = problem.features @ w
    image = project(problem, problem.r + problem.gamma * problem.P @ v)
    scale = 1 + abs(v).max() + abs(image).max()
    direction = td_direction(problem, w)
    np.testing.assert_allclose(problem.features.T @ (problem.d * (image - v)), direction, atol=1e-9 * scale)


@pytest.mark.proves("eq-projected")
def test_the_picture_of_the_projected_equation():
    chain = LinearProblem(np.full((2, 2), 0.5), np.array([1.0, 0]), 0.8, np.c_[[1.0, 2]], np.array([0.5, 0.5]))
    V = np.linalg.solve(np.eye(2) - 0.8 * chain.P, chain.r)
    np.testing.assert_allclose(V, [3, 2])
    np.testing.assert_allclose(chain.d @ chain.P, chain.d)
    found = chain.features @ td_fixed_point(chain)
    np.testing.assert_allclose(found, [0.71, 1.43], atol=5e-3)
    np.testing.assert_allclose(project(chain, V), [1.4, 2.8])
    image = chain.r + 0.8 * chain.P @ found
    np.testing.assert_allclose(image, [1.86, 0.86], atol=5e-3)
    np.testing.assert_allclose(project(chain, image), found)


@pytest.mark.proves("prop-double-sampling", "eq-residual")
@given(chains())
def test_two_independent_draws_of_the_next_state_have_no_bias(case):
    problem, w = case
    P, r, gamma, features, d = problem
    twice, once = 0.0, 0.0
    for s, x, y in itertools.product(range(len(d)), repeat=3):
        delta = r[s] + gamma * features[x] @ w - features[s] @ w
        twice = twice + d[s] * P[s, x] * P[s, y] * delta * (features[s] - gamma * features[y])
        if x == y:
            once = once + d[s] * P[s, x] * delta * (features[s] - gamma * features[x])
    np.testing.assert_allclose(td_direction(problem, w, "residual"), twice, atol=1e-9)
    np.testing.assert_allclose(td_direction(problem, w, "naive"), once, atol=1e-9)


def test_bairds_curves_as_they_are_described():
    star, w = baird_star()
    own = star._replace(d=np.r_[np.full(6, 0.01), 0.94])
    assert abs(own.d @ star.P - own.d).max() == pytest.approx(0.06), "not stationary"
    assert np.linalg.matrix_rank(star.features) < star.features.shape[1]
    paths = [("semi", star), ("semi", own), ("residual", star)]
    off, seventh, still = (
        abs(linear_td(problem, w, step_size=0.01, steps=10_000, method=method) @ star.features.T).max(axis=1)
        for method, problem in paths
    )
    assert off[0] == seventh[0] == still[0] == 12
    assert off[-1] > 1e10
    assert 14 < seventh[:2000].max() < 15.5
    assert 1.8 < seventh[5000:].min() < 2.1
    assert 5.7 < seventh[5000:].max() < 6
    assert still[200] == pytest.approx(2, abs=0.1)
    assert still[1000:].min() > 1.945
    assert still[1000:].max() < 1.955
    # What is left of it: six values γ times the seventh, and the slowest of all directions.
    last = linear_td(star, w, step_size=0.01, steps=500, method="residual")[-1] @ star.features.T
    np.testing.assert_allclose(last[:6], star.gamma * last[6], rtol=1e-3)
    ahead = (np.eye(7) - star.gamma * star.P) @ star.features
    slowest = np.linalg.eigvalsh(ahead.T @ np.diag(star.d) @ ahead)
    slowest = slowest[slowest > 1e-9].min()
    assert np.log(2) / (0.01 * slowest) == pytest.approx(2.9e6, rel=0.02)


# Soft values --------------------------------------------------------------------------------------------------


@pytest.mark.proves("lem-lse")
def test_the_slope_of_log_sum_exp_is_the_probability_that_the_picture_speaks_of():
    assert [soft_value([[0, 0]], alpha)[0] for alpha in (0.5, 1.0)] == pytest.approx([0.35, 0.69], abs=5e-3)
    x = np.linspace(-2, 2, 9)
    for alpha in (0.5, 1.0):
        ahead, behind = (soft_value(np.column_stack([x + h, 0 * x]), alpha) for h in (1e-6, -1e-6))
        slope = soft_policy(np.column_stack([x, 0 * x]), alpha)[:, 0]
        np.testing.assert_allclose((ahead - behind) / 2e-6, slope, atol=1e-8)
        above = soft_value(np.column_stack([x, 0 * x]), alpha) - np.maximum(x, 0)
        assert above.argmax() == 4
        assert above.max() == pytest.approx(alpha * np.log(2))


# What practice does differently: the numbers of its table -----------------------------------------------------


def test_rewards_cut_to_one_make_another_problem():
    assert policy_iteration(by_hand()).pi[0].tolist() == [0, 1]
    cut = policy_iteration(by_hand(cut=1.0)).pi
    assert cut[0].tolist() == [1, 0]
    lost = policy_iteration(by_hand()).V - evaluate_policy(by_hand(), cut).V
    np.testing.assert_allclose(lost, [1, 0], atol=1e-12)
    assert policy_iteration(by_hand()).V[0] == pytest.approx(3)


@pytest.mark.parametrize("reward", [1, -1])
def test_a_time_limit_taken_for_an_end_draws_values_towards_0(reward):
    """The fixed point of targets of which one in 500 has nothing after it."""
    for share, value in ((0.0, 100.0), (1 / 500, 83.5)):
        P = [[[1 - share, share]], [[0, 1]]]
        mdp = TabularMDP(P, [[reward], [0]], 0.99, [1, 0], terminal=[False, True])
        assert policy_iteration(mdp).V[0] == pytest.approx(reward * value, abs=0.05)


def test_a_loss_that_grows_linearly_fits_no_mean():
    def loss(x, huber):
        def of(error):
            return abs(error) - 0.5 if huber and abs(error) > 1 else error**2 / 2

        return 0.9 * of(x) + 0.1 * of(10 - x)

    fitted = [minimize_scalar(loss, bounds=(0, 10), args=(huber,), method="bounded").x for huber in (False, True)]
    assert fitted == pytest.approx([1, 1 / 9], abs=1e-4)


def test_a_constant_step_keeps_its_share_of_the_variance():
    """Targets ±σ: the exact law of the entry after n steps, by its first two moments, σ = 2."""
    for beta in (0.1, 0.5):
        mean, square = 5.0, 25.0
        for _ in range(2000):  # E over a target y of ((1 − β)q + βy)², with E y = 0 and E y² = 4
            mean, square = (1 - beta) * mean, (1 - beta) ** 2 * square + beta**2 * 4
        assert mean == pytest.approx(0)
        assert square - mean**2 == pytest.approx(4 * beta / (2 - beta))


def test_a_small_spread_certifies_the_policy_and_not_the_values():
    """The rule of pymdptoolbox 4.0b3 for a policy within 0.01."""
    mdp = garnet(30, 4, 8, gamma=0.99, rng=np.random.default_rng(0))
    best, V, spread = policy_iteration(mdp), np.zeros(30), np.inf
    while spread >= 0.01 * (1 - 0.99) / 0.99:
        Q = mdp.r + 0.99 * mdp.expect(V)
        spread, V = np.ptp(Q.max(axis=1) - V), Q.max(axis=1)
    assert (Q.argmax(axis=1) == best.pi.argmax(axis=1)).all()
    assert [abs(V - best.V).max(), abs(best.V).max()] == pytest.approx([112, 129], abs=0.5)


# Exercises and print-outs -------------------------------------------------------------------------------------


@given(st.data(), tabular_mdps(sparse=False))
def test_newtons_step_is_a_round_of_policy_iteration(data, mdp):
    Q = data.draw(arrays(*mdp.r.shape))
    P, r, gamma, _ = plain(mdp)
    pi, size = greedy_policy(Q), mdp.r.size
    ahead = np.einsum("sax,xb->saxb", P, pi).reshape(size, size)
    residual = (Q - optimality_operator(mdp, Q)).ravel()
    newton = Q.ravel() - np.linalg.solve(np.eye(size) - gamma * ahead, residual)
    _, exact = oracles.exact_values(P, r, gamma, pi)
    np.testing.assert_allclose(newton.reshape(r.shape), np.array(exact, dtype=float), atol=1e-9 * (1 + abs(Q).max()))


def test_how_much_error_a_million_steps_leave():
    n, error = np.arange(1, 10**6 + 1), []
    for exponent in (1.0, 0.7):
        error.append(np.prod(1 - (1 - 0.99) * n**-exponent))
    assert error == pytest.approx([0.866, 0.125], abs=5e-4)
    assert error == pytest.approx([1e6**-0.01, np.exp(-0.01 * 1e6**0.3 / 0.3)], rel=0.03)


def test_the_last_sweep_on_taxi_closes_the_bound():
    taxi = TabularMDP.from_gymnasium(gym.make("Taxi-v4"), gamma=0.99)
    swept = value_iteration(taxi, tol=1e-6)
    assert (swept.steps, swept.error_bound < 1e-10) == (19, True)
    assert value_iteration(taxi, tol=1e-6, max_steps=18).error_bound == pytest.approx(835, abs=0.5)
    # V is exact by then, and of Q an entry is not.
    Q, exact = np.zeros(taxi.r.shape), solve(taxi)
    for _ in range(18):
        before, Q = Q.max(axis=1), optimality_operator(taxi, Q)
    moved = Q.max(axis=1) - before
    assert (moved.min(), moved.max()) == pytest.approx((0, 16.86), abs=5e-3)
    assert (moved > 0).sum() == 8
    assert abs(Q.max(axis=1) - exact.V).max() < 1e-10
    assert abs(Q - exact.Q).max() == pytest.approx(16.7, abs=0.05)


def test_few_rounds_of_improvement_where_many_sweeps_are_needed():
    """And what the curves of Q-learning begin with: the worth of a pair whose entry is still 0."""
    lake = TabularMDP.from_gymnasium(gym.make("FrozenLake-v1"), gamma=0.95)
    best = policy_iteration(lake)
    assert best.steps == 5
    assert best.Q.max() == pytest.approx(0.7237, abs=5e-5)
    Q, sweeps = np.zeros(lake.r.shape), 0
    while abs(Q - best.Q).max() > 0.01:
        Q, sweeps = optimality_operator(lake, Q), sweeps + 1
    assert 40 < sweeps <= 46
