"""Chapter 2's operators and theorems, against sums written out in loops and enumeration of all policies."""

import itertools
from fractions import Fraction

import gymnasium as gym
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar

from rlbook import TabularMDP, garnet
from rlbook.bellman import (
    LinearProblem,
    baird_star,
    bellman_operator,
    evaluate_policy,
    greedy_policy,
    linear_td,
    on_policy,
    optimality_operator,
    policy_iteration,
    q_learning,
    soft_operator,
    soft_policy,
    soft_policy_iteration,
    soft_value,
    soft_value_iteration,
    split,
    td_direction,
    td_fixed_point,
    td_zero,
    trace,
    transition_matrix,
    two_states,
)
from rlbook.bellman.evaluation import evaluate
from rlbook.occupancies import occupancy
from rlbook.widgets import ValueIteration
from tests import oracles
from tests.strategies import arrays, plain, policies, tabular_mdps

ALPHAS = st.sampled_from([0.01, 0.5, 1.0, 7.0])


def tables(mdp):
    return arrays(*mdp.r.shape)


def norm(Q):
    return abs(np.asarray(Q)).max()


def rounding(*arrays_):
    """What float64 may get wrong in a sum of such numbers."""
    return 1e-12 * max(1.0, *(norm(x) for x in arrays_))


@st.composite
def with_tables(draw, count, **options):
    mdp = draw(tabular_mdps(**options))
    return mdp, *(draw(tables(mdp)) for _ in range(count))


def lse(x, alpha):
    """α log Σ e^{x/α}, written out."""
    top = max(x)
    return top + alpha * np.log(sum(np.exp((y - top) / alpha) for y in x))


def entropy(p):
    return -sum(x * np.log(x) for x in p if x > 0)


def divergence(p, q):
    return sum(x * np.log(x / y) for x, y in zip(p, q, strict=True) if x > 0)


def all_operators(mdp, pi, alpha):
    return {
        "T_pi": lambda Q: bellman_operator(mdp, pi, Q),
        "T_star": lambda Q: optimality_operator(mdp, Q),
        "T_alpha": lambda Q: soft_operator(mdp, Q, alpha),
    }


def deterministic_policies(S, A):
    return [np.eye(A)[list(choice)] for choice in itertools.product(range(A), repeat=S)]


def soft_values(mdp, pi, alpha):
    """V^π_α and Q^π_α from their definition: the return of rewards plus α times the entropy of each state."""
    P, r, gamma, rho0 = plain(mdp)
    bonus = np.array([alpha * entropy(row) for row in pi])
    V, _ = oracles.power_series(P, r + bonus[:, None], gamma, rho0, pi)
    return V, r + gamma * P @ V


# The operators ------------------------------------------------------------------------------------------------


@pytest.mark.proves("def-operators", "def-optimality", "def-soft")
@given(st.data(), with_tables(1), ALPHAS)
def test_the_operators_are_their_definitions(data, case, alpha):
    mdp, Q = case
    pi = data.draw(policies(mdp))
    P, r, gamma, _ = plain(mdp)
    S, A = r.shape
    ahead = {
        "T_pi": [sum(pi[x, b] * Q[x, b] for b in range(A)) for x in range(S)],
        "T_star": [max(Q[x]) for x in range(S)],
        "T_alpha": [lse(Q[x], alpha) for x in range(S)],
    }
    for name, operator in all_operators(mdp, pi, alpha).items():
        expected = [
            [r[s, a] + gamma * sum(P[s, a, x] * ahead[name][x] for x in range(S)) for a in range(A)] for s in range(S)
        ]
        np.testing.assert_allclose(operator(Q), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.proves("lem-blackwell", "thm-contraction")
@given(st.data(), with_tables(2), ALPHAS, st.integers(-8, 8))
def test_monotone_constants_discounted_and_a_contraction(data, case, alpha, c):
    mdp, Q, other = case
    pi = data.draw(policies(mdp))
    for operator in all_operators(mdp, pi, alpha).values():
        slack = rounding(Q, other, mdp.r) + 20 * np.finfo(float).eps * alpha
        assert (operator(np.maximum(Q, other)) >= operator(Q) - slack).all()
        np.testing.assert_allclose(operator(Q + c), operator(Q) + mdp.gamma * c, atol=1e-10)
        assert norm(operator(Q) - operator(other)) <= mdp.gamma * norm(Q - other) + slack
        assert norm(operator(Q) - operator(Q + c)) == pytest.approx(mdp.gamma * abs(c), abs=1e-10)  # attained


@pytest.mark.proves("thm-evaluation")
@given(st.data(), tabular_mdps())
def test_a_policys_values_are_its_operators_fixed_point(data, mdp):
    pi = data.draw(policies(mdp))
    V, Q = evaluate_policy(mdp, pi)[:2]
    series, _ = oracles.power_series(*plain(mdp), pi)
    np.testing.assert_allclose(V, series, atol=1e-9)
    np.testing.assert_allclose(bellman_operator(mdp, pi, Q), Q, atol=1e-10)
    np.testing.assert_allclose(V, (pi * Q).sum(axis=1), atol=1e-10)


@pytest.mark.proves("thm-banach", "eq-banach-bounds")
@given(st.data(), with_tables(1), ALPHAS, st.sampled_from(["pi", "alpha", "none"]))
def test_banachs_bounds_hold_on_every_iterate(data, case, alpha, which):
    mdp, Q0 = case
    pi = data.draw(policies(mdp))
    options = {"pi": {"pi": pi}, "alpha": {"alpha": alpha}, "none": {}}[which]
    seen = trace(mdp, Q0, 15, **options)
    operator = all_operators(mdp, pi, alpha)[{"pi": "T_pi", "alpha": "T_alpha", "none": "T_star"}[which]]
    np.testing.assert_allclose(operator(seen.fixed_point), seen.fixed_point, atol=1e-9)
    np.testing.assert_array_equal(seen.Q[0], Q0)
    for k in range(15):
        np.testing.assert_allclose(seen.Q[k + 1], operator(seen.Q[k]), atol=1e-12)
    slack = 1e-9 * (1 + norm(seen.Q))
    np.testing.assert_allclose(seen.error, abs(seen.Q - seen.fixed_point).max(axis=(1, 2)))
    for bound in (seen.envelope, seen.a_priori, seen.a_posteriori, seen.bracket + seen.a_posteriori):
        assert (seen.error <= bound + slack).all()
    assert (seen.a_posteriori[1:] <= seen.a_priori[1:] + slack).all()
    assert (seen.bracket <= 2 * seen.a_posteriori + slack).all()


def test_the_banach_bounds_are_no_wider_than_they_must_be():
    """One state whose error is a constant: every bound is attained."""
    mdp = TabularMDP(np.ones((1, 1, 1)), [[1.0]], 0.5, [1.0])
    seen = trace(mdp, [[0.0]], 6)
    np.testing.assert_allclose(seen.error, 2 * 0.5 ** np.arange(7))
    np.testing.assert_allclose(seen.envelope, seen.error)
    np.testing.assert_allclose(seen.a_priori, seen.error)
    np.testing.assert_allclose(seen.a_posteriori[1:], seen.error[1:])
    np.testing.assert_allclose(seen.bracket[1:], 0)


def test_trace_counts_greedy_states_and_tells_what_is_wrong():
    mdp = garnet(4, 3, 2, gamma=0.9, rng=np.random.default_rng(3))
    seen = trace(mdp, np.zeros((4, 3)), 30)
    best = policy_iteration(mdp)
    shares = [(Q.argmax(axis=1) == best.Q.argmax(axis=1)).mean() for Q in seen.Q]
    np.testing.assert_allclose(seen.greedy, shares)
    assert seen.greedy[-1] == 1
    with pytest.raises(ValueError, match="give one of them"):
        trace(mdp, np.zeros((4, 3)), 3, pi=best.pi, alpha=1.0)
    with pytest.raises(ValueError, match=r"Q must have shape \(4, 3\)"):
        trace(mdp, np.zeros((3, 4)), 3)
    with pytest.raises(ValueError, match="steps"):
        trace(mdp, np.zeros((4, 3)), 0)


@pytest.mark.parametrize("bad", [0, -1.0, np.nan, np.inf, "1", True])
def test_a_temperature_must_be_a_positive_number(bad):
    mdp = garnet(3, 2, 2, gamma=0.9, rng=np.random.default_rng(0))
    for call in (
        lambda: soft_operator(mdp, mdp.r, bad),
        lambda: soft_value(mdp.r, bad),
        lambda: soft_policy(mdp.r, bad),
    ):
        with pytest.raises(ValueError, match="alpha must be a positive number"):
            call()


@pytest.mark.parametrize("place", [(0, 1), (2, 0)])
def test_a_table_with_a_nan_is_refused_with_its_place(place):
    mdp = garnet(3, 2, 2, gamma=0.9, rng=np.random.default_rng(0))
    Q = np.zeros((3, 2))
    Q[place] = np.nan
    for call in (
        lambda: optimality_operator(mdp, Q),
        lambda: bellman_operator(mdp, np.full((3, 2), 0.5), Q),
        lambda: soft_operator(mdp, Q, 1.0),
    ):
        with pytest.raises(ValueError, match=rf"Q\[{place[0]}, {place[1]}\] is nan"):
            call()
    with pytest.raises(ValueError, match=r"pi\[1\] sums to 0.9"):
        bellman_operator(mdp, [[0.5, 0.5], [0.5, 0.4], [0, 1]], np.zeros((3, 2)))


# Optimality ---------------------------------------------------------------------------------------------------


@pytest.mark.proves("eq-greedy")
@given(with_tables(1))
def test_the_optimality_operator_is_the_best_policys(case):
    mdp, Q = case
    each = np.array([bellman_operator(mdp, pi, Q) for pi in deterministic_policies(*mdp.r.shape)])
    np.testing.assert_allclose(optimality_operator(mdp, Q), each.max(axis=0), atol=1e-12)
    np.testing.assert_allclose(optimality_operator(mdp, Q), bellman_operator(mdp, greedy_policy(Q), Q), atol=1e-12)


@pytest.mark.proves("thm-optimality")
@given(tabular_mdps())
def test_the_fixed_point_is_the_best_of_all_policies(mdp):
    best = policy_iteration(mdp)
    values = np.array([oracles.power_series(*plain(mdp), pi)[0] for pi in deterministic_policies(*mdp.r.shape)])
    np.testing.assert_allclose(best.V, values.max(axis=0), atol=1e-8)
    np.testing.assert_allclose(optimality_operator(mdp, best.Q), best.Q, atol=1e-8)
    np.testing.assert_allclose(oracles.power_series(*plain(mdp), greedy_policy(best.Q))[0], best.V, atol=1e-8)


@pytest.mark.proves("thm-policy-iteration")
@given(st.data(), tabular_mdps())
def test_improvement_lies_above_a_sweep(data, mdp):
    pi = data.draw(policies(mdp))
    Q = evaluate_policy(mdp, pi).Q
    swept, improved = optimality_operator(mdp, Q), evaluate_policy(mdp, greedy_policy(Q)).Q
    best = policy_iteration(mdp).Q
    slack = 1e-9 * (1 + norm(best))
    assert (Q <= swept + slack).all()
    assert (swept <= improved + slack).all()
    rounds = sweeps = Q
    for _ in range(4):
        rounds = evaluate_policy(mdp, greedy_policy(rounds)).Q
        sweeps = optimality_operator(mdp, sweeps)
        assert (sweeps <= rounds + slack).all()
    assert (rounds <= best + slack).all()
    if norm(improved - Q) < 1e-12:
        assert norm(Q - best) < 1e-7


# Stopping -----------------------------------------------------------------------------------------------------


@pytest.mark.proves("thm-macqueen")
@given(st.data(), with_tables(1), ALPHAS, st.integers(0, 4))
def test_brackets_hold_the_fixed_point(data, case, alpha, sweeps):
    mdp, Q = case
    pi = data.draw(policies(mdp))
    rate = mdp.gamma / (1 - mdp.gamma)
    fixed = {
        "T_pi": evaluate_policy(mdp, pi).Q,
        "T_star": policy_iteration(mdp).Q,
        "T_alpha": soft_policy_iteration(mdp, alpha, tol=1e-11).Q,
    }
    for name, operator in all_operators(mdp, pi, alpha).items():
        before = Q
        for _ in range(sweeps):
            before = operator(before)
        after = operator(before)
        low, high = (after - before).min(), (after - before).max()
        slack = 1e-9 * (1 + norm(fixed[name]))
        assert (after + rate * low <= fixed[name] + slack).all()
        assert (fixed[name] <= after + rate * high + slack).all()


fractions = np.vectorize(Fraction, otypes=[object])  # of an array's numbers as stored


def exact_sweep(P, r, gamma, Q):
    """T*Q in fractions, (S, A)."""
    return fractions(r) + Fraction(gamma) * (fractions(P) @ Q.max(axis=1))


def exact_losses(P, r, gamma, Q):
    """(max V* − V^π, max Q* − Q^π) in fractions for each deterministic π that is greedy for Q, however ties break."""
    V, best = map(np.array, oracles.exact_optimum(P, r, gamma))
    greedy = [np.flatnonzero(row == row.max()) for row in Q]
    for choice in itertools.product(*greedy):
        V_pi, Q_pi = map(np.array, oracles.exact_values(P, r, gamma, np.eye(r.shape[1])[list(choice)]))
        yield (V - V_pi).max(), (best - Q_pi).max()


@pytest.mark.proves("thm-stopping")
@given(with_tables(1), st.booleans(), st.integers(1, 4))
def test_a_policy_greedy_for_the_new_table_loses_no_more_than_the_spread_says(case, level, sweeps):
    """Against the best of all policies, in exact arithmetic, and whichever of several greedy actions is taken."""
    mdp, Q = case
    P, r, gamma, _ = plain(mdp)
    after = fractions(0 * Q if level else Q)  # where all is 0, every action ties at first
    for _ in range(sweeps):
        before, after = after, exact_sweep(P, r, gamma, after)
    moves = after - before
    spread, rate = moves.max() - moves.min(), Fraction(gamma) / (1 - Fraction(gamma))
    assert spread <= 2 * abs(moves).max()
    for loss, _ in exact_losses(P, r, gamma, after):
        assert 0 <= loss <= rate * spread + Fraction(1, 10**11)  # rows as stored sum to 1 but for rounding


@pytest.mark.proves("thm-stopping")
def test_a_policy_greedy_for_the_table_before_may_lose_more():
    P, r, gamma = np.ones((1, 2, 1)), np.array([[1.0, 0.0]]), 0.9
    before = fractions(np.full((1, 2), 5.0))
    after = exact_sweep(P, r, gamma, before)
    bound = Fraction(gamma) / (1 - Fraction(gamma)) * np.ptp(after - before)
    assert after.astype(float).tolist() == [[5.5, 4.5]]
    assert float(bound) == pytest.approx(9)
    by_value, by_pair = zip(*exact_losses(P, r, gamma, before), strict=True)
    assert [float(loss) for loss in by_value] == pytest.approx([0, 10])
    assert max(by_value) > bound  # the table before is not good enough,
    assert max(by_pair) <= bound  # though by Q, which leaves the present action out, it would seem to be
    assert [loss for loss, _ in exact_losses(P, r, gamma, after)] == [0]


@pytest.mark.proves("thm-optimality")
@given(tabular_mdps())
def test_a_policy_is_optimal_just_if_it_is_greedy_for_the_best_values(mdp):
    P, r, gamma, _ = plain(mdp)
    V, Q = oracles.exact_optimum(P, r, gamma)
    for pi in deterministic_policies(*r.shape):
        V_pi, Q_pi = oracles.exact_values(P, r, gamma, pi)
        greedy = all(row[a] == max(row) for row, a in zip(Q, pi.argmax(axis=1), strict=True))
        assert (V_pi == V) == greedy
        assert Q_pi == Q or not greedy


def test_best_values_of_pairs_do_not_make_a_policy_optimal():
    """The present action is not in Q^π: what takes nothing where 1 is to be had has Q^π = Q*, and loses 1."""
    P = np.zeros((2, 2, 2))
    P[:, :, 1] = 1
    mdp = TabularMDP(P, [[1.0, 0.0], [0.0, 0.0]], 0.9, [1, 0])
    value, best = evaluate_policy(mdp, [[0, 1], [1, 0]]), policy_iteration(mdp)
    np.testing.assert_array_equal(value.Q, best.Q)
    np.testing.assert_array_equal(best.V - value.V, [1, 0])


@given(with_tables(1), st.integers(0, 4))
def test_the_spread_shrinks_by_more_than_gamma_where_any_two_pairs_share_successors(case, sweeps):
    """By γ times the largest total variation between the successors of two pairs, states and actions both."""
    mdp, Q = case
    P, _, gamma, _ = plain(mdp)
    rows = P.reshape(-1, mdp.n_states)
    apart = max(0.5 * abs(x - y).sum() for x in rows for y in rows)
    spread = np.ptp(optimality_operator(mdp, Q) - Q)
    for _ in range(sweeps):
        Q = optimality_operator(mdp, Q)
        before, spread = spread, np.ptp(optimality_operator(mdp, Q) - Q)
        assert spread <= gamma * apart * before + rounding(Q)


def test_to_share_successors_by_states_alone_does_not_narrow_the_spread():
    """Action 2 mixes the two states and costs 5; action 1 stays, and its gains, 1 and 0.9, shrink by γ alone."""
    P = np.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])
    mdp = TabularMDP(P, [[1.0, -5.0], [0.9, -5.0]], 0.9, [0.5, 0.5])
    seen = trace(mdp, np.zeros((2, 2)), 40)
    np.testing.assert_allclose(seen.bracket[3:] / seen.bracket[2:-1], 0.9, rtol=1e-9)


def test_an_absorbing_state_keeps_zero_inside_the_spread_only_if_it_starts_at_zero():
    lake = TabularMDP.from_gymnasium(gym.make("FrozenLake-v1"), 0.95)
    for level, inside in ((0.0, True), (5.0, False)):
        moves = np.diff(trace(lake, np.full((16, 4), level), 30).Q, axis=0)
        assert (moves.min(axis=(1, 2)) <= 0).all()
        assert (moves.max(axis=(1, 2)) >= 0).all() == inside


@pytest.mark.proves("prop-action-gap")
@given(with_tables(1), st.integers(-99, 99))
def test_within_half_the_action_gap_every_greedy_policy_is_optimal(case, percent):
    mdp, Q = case
    P, r, gamma, _ = plain(mdp)
    best = np.array(oracles.exact_optimum(P, r, gamma)[1])
    short = best.max(axis=1, keepdims=True) - best
    if not short.any():
        return
    gap, worst = short[short > 0].min(), np.where(short > 0, 1, -1)  # the best too low, the others too high
    for error in (percent * np.where(Q > 0, 1, -1), 99 * worst):  # in per cent of half the gap
        near = best + gap / 2 * error / 100
        assert all(loss == 0 for loss, _ in exact_losses(P, r, gamma, near))
    tie = best + gap / 2 * worst
    assert max(loss for loss, _ in exact_losses(P, r, gamma, tie)) >= gap


@pytest.mark.proves("prop-action-gap")
@given(with_tables(1))
def test_the_iterates_have_the_right_actions_when_the_gap_says(case):
    mdp, Q = case
    best = policy_iteration(mdp)
    short = best.V[:, None] - best.Q
    right = short < 1e-9 * (1 + norm(best.Q))
    if right.all():
        return
    gap, error = short[~right].min(), norm(Q - best.Q)
    for k in range(60):
        if 2 * mdp.gamma**k * error < 0.999 * gap:
            assert not ((Q >= Q.max(axis=1, keepdims=True) - 1e-12) & ~right).any()
        Q = optimality_operator(mdp, Q)


def rights(mdp, sweeps):
    """From which sweep on, begun at 0, every greedy action is right, and from which every number is within 0.01."""
    best, Q, wrong, off = policy_iteration(mdp), np.zeros(mdp.r.shape), [], []
    right = best.Q >= best.V[:, None] - 1e-9 * (1 + norm(best.Q))
    for _ in range(sweeps):
        greedy = Q >= Q.max(axis=1, keepdims=True) - 1e-9 * (1 + norm(best.Q))
        wrong.append((greedy & ~right).any())
        off.append(norm(Q - best.Q) > 0.01)
        Q = optimality_operator(mdp, Q)
    return int(np.flatnonzero(wrong)[-1]) + 1, int(np.flatnonzero(off)[-1]) + 1


@pytest.mark.parametrize(
    ("world", "gamma", "told"),
    [("FrozenLake-v1", 0.95, (15, 46)), ("CliffWalking-v1", 0.95, (15, 15)), ("Taxi-v4", 0.99, (18, 19))],
)
def test_actions_may_be_right_long_before_the_numbers_or_not(world, gamma, told):
    assert rights(TabularMDP.from_gymnasium(gym.make(world), gamma), 100) == told


@pytest.mark.parametrize(
    ("preset", "slip", "told"), [("endless", 0.1, (7, 66)), ("maze", 0.0, (21, 22)), ("cliff", 0.03, (16, 14))]
)
def test_arrows_may_settle_before_the_numbers_or_after(preset, slip, told):
    assert rights(ValueIteration(preset, slip=slip).mdp, 150) == told


@pytest.mark.proves("thm-greedy-loss")
@given(with_tables(1))
def test_the_price_of_a_wrong_table(case):
    mdp, Q = case
    best = policy_iteration(mdp)
    loss = best.V - evaluate_policy(mdp, greedy_policy(Q)).V
    assert loss.max() <= 2 * norm(Q - best.Q) / (1 - mdp.gamma) + 1e-9 * (1 + norm(best.Q))


@pytest.mark.proves("thm-greedy-loss")
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99])
def test_the_price_is_attained(gamma):
    epsilon = 0.25
    mdp = TabularMDP(np.ones((1, 2, 1)), [[0.0, 2 * epsilon]], gamma, [1.0])
    best = policy_iteration(mdp)
    Q = best.Q + np.array([[epsilon, -epsilon]])  # a tie, which greedy_policy breaks for the first action
    loss = best.V - evaluate_policy(mdp, greedy_policy(Q)).V
    assert loss[0] == pytest.approx(2 * norm(Q - best.Q) / (1 - gamma))


# Soft values --------------------------------------------------------------------------------------------------


@pytest.mark.proves("lem-lse")
@given(arrays(4), arrays(4).map(abs), ALPHAS)
def test_log_sum_exp_is_the_best_average_plus_entropy(x, weights, alpha):
    p = (weights + 0.01) / (weights + 0.01).sum()
    q = soft_policy([x], alpha)[0]
    value = soft_value([x], alpha)[0]
    assert value == pytest.approx(lse(x, alpha), rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(q.sum(), 1)
    gap = value - (p @ x + alpha * entropy(p))
    if q.min() > 0:
        assert gap == pytest.approx(alpha * divergence(p, q), rel=1e-8, abs=1e-8)
    assert gap >= -1e-12
    assert value == pytest.approx(q @ x + alpha * entropy(q), rel=1e-10, abs=1e-10)
    assert max(x) - 1e-12 <= value <= max(x) + alpha * np.log(4) + 1e-12


@pytest.mark.proves("prop-densities")
@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.15, 0.2, 1.0])
def test_a_density_may_have_its_log_integral_below_the_maximum(alpha):
    reach = 12 * np.sqrt(alpha)
    integral, _ = quad(lambda a: np.exp(-(a**2) / (2 * alpha)), -reach, reach, epsabs=1e-12)
    assert alpha * np.log(integral) == pytest.approx(alpha / 2 * np.log(2 * np.pi * alpha), abs=1e-9)
    assert (alpha * np.log(integral) < 0) == (alpha < 1 / (2 * np.pi))


@pytest.mark.proves("thm-soft-contraction", "eq-soft-gap")
@given(st.data(), tabular_mdps(), ALPHAS)
def test_the_soft_optimum_and_every_policys_distance_from_it(data, mdp, alpha):
    soft = soft_policy_iteration(mdp, alpha, tol=1e-11)
    pi = data.draw(policies(mdp))
    V, Q = soft_values(mdp, pi, alpha)
    slack = 1e-8 * (1 + norm(soft.Q))
    np.testing.assert_allclose(soft_operator(mdp, soft.Q, alpha), soft.Q, atol=slack)
    np.testing.assert_allclose(soft.pi, np.exp((soft.Q - soft.V[:, None]) / alpha), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(soft_values(mdp, soft.pi, alpha)[0], soft.V, atol=slack)
    assert (Q <= soft.Q + slack).all()
    if soft.pi.min() > 1e-200:
        visits = occupancy(mdp, pi).sum(axis=1)
        gap = sum(n * divergence(p, q) for n, p, q in zip(visits, pi, soft.pi, strict=True))
        assert mdp.rho0 @ (soft.V - V) == pytest.approx(alpha * gap, rel=1e-7, abs=slack)


@pytest.mark.proves("thm-soft-improvement")
@given(st.data(), tabular_mdps(), ALPHAS)
def test_soft_improvement_lies_above_a_soft_sweep(data, mdp, alpha):
    _, Q = soft_values(mdp, data.draw(policies(mdp)), alpha)
    _, improved = soft_values(mdp, soft_policy(Q, alpha), alpha)
    best = soft_policy_iteration(mdp, alpha, tol=1e-11).Q
    slack = 1e-8 * (1 + norm(best))
    assert (Q <= soft_operator(mdp, Q, alpha) + slack).all()
    assert (soft_operator(mdp, Q, alpha) <= improved + slack).all()
    assert norm(improved - best) <= mdp.gamma * norm(Q - best) + slack


@pytest.mark.proves("prop-soft-bounds")
@given(tabular_mdps(), ALPHAS)
def test_what_softness_costs(mdp, alpha):
    soft, hard = soft_policy_iteration(mdp, alpha, tol=1e-11), policy_iteration(mdp)
    bound = alpha * np.log(mdp.n_actions) / (1 - mdp.gamma)
    slack = 1e-8 * (1 + norm(soft.Q))
    gaps = {
        mdp.gamma * bound: soft.Q - hard.Q,
        bound: np.r_[soft.V - hard.V, hard.V - evaluate_policy(mdp, soft.pi).V],
    }
    for most, gap in gaps.items():
        assert (gap >= -slack).all()
        assert (gap <= most + slack).all()


@pytest.mark.proves("prop-soft-bounds")
def test_the_soft_bound_is_attained_where_all_actions_are_alike():
    mdp = TabularMDP(np.ones((1, 4, 1)), np.ones((1, 4)), 0.9, [1.0])
    soft = soft_policy_iteration(mdp, 0.5)
    assert soft.V[0] - 10 == pytest.approx(0.5 * np.log(4) / 0.1)


@pytest.mark.proves("prop-soft-bounds")
def test_the_soft_values_go_to_the_hard_ones_with_the_temperature():
    mdp = garnet(6, 3, 3, gamma=0.9, rng=np.random.default_rng(0))
    hard = policy_iteration(mdp).Q
    gaps = [norm(soft_policy_iteration(mdp, alpha, tol=1e-11).Q - hard) for alpha in (1.0, 0.1, 0.01, 0.001)]
    assert (np.diff(gaps) < 0).all()
    assert gaps[-1] < 0.9 * 0.001 * np.log(3) / 0.1


def test_the_boltzmann_average_may_have_three_fixed_points():
    """The chapter's exercise: its solutions, the one that iterates from 0 find, and the soft equation's one."""
    gamma, step = 0.98, lambda q: 0.25 + 0.98 * q / (1 + np.exp(-q))
    for solution in (0.745, 2.318, 12.498):
        assert brentq(lambda q: step(q) - q, solution - 0.01, solution + 0.01) == pytest.approx(solution, abs=6e-4)
    q = 0.0
    for _ in range(2000):
        q = step(q)
    assert q == pytest.approx(0.745, abs=6e-4)
    soft = 0.0
    for _ in range(5000):
        soft = 0.25 + gamma * soft_value([[soft, 0.0]], 1.0)[0]
    assert soft == pytest.approx(12.5002, abs=6e-5)


@pytest.mark.proves("prop-boltzmann")
def test_the_boltzmann_average_expands_and_by_how_much():
    def average(x):
        weights = np.exp(x - x.max())
        return weights @ x / weights.sum()

    def stretch(u):
        """2g − 1 by the formula of the proof, and the same by a difference quotient."""
        p = 1 / (1 + np.exp(-u))
        h = 1e-6
        ahead, behind = (average(np.array([u + d, -d])) for d in (h, -h))
        return 2 * p * (1 + (1 - p) * u) - 1, (ahead - behind) / (2 * h)

    for u in (0.5, 1.0, 2.4, 5.0):
        formula, quotient = stretch(u)
        assert formula == pytest.approx(quotient, abs=1e-8)
    largest = minimize_scalar(lambda u: -stretch(u)[0], bounds=(0, 10), method="bounded")
    assert largest.x == pytest.approx(2.40, abs=0.01)
    assert -largest.fun == pytest.approx(1.1997, abs=5e-5)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1000, 2))
    moved = abs(soft_value(x, 1.0) - soft_value(y, 1.0))
    assert (moved <= abs(x - y).max(axis=1) + 1e-12).all()  # log-sum-exp does not expand


# Learning from samples ----------------------------------------------------------------------------------------


class Corridor(gym.Env):
    """Three states in a row; right earns 1 at the end, which terminates. Every move fails with probability ¼."""

    observation_space, action_space = gym.spaces.Discrete(4), gym.spaces.Discrete(2)

    def __init__(self, mdp):
        self.mdp = mdp

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.s = 0
        return 0, {}

    def step(self, a):
        reward = float(self.mdp.r[self.s, a])
        self.s = int(self.np_random.choice(4, p=self.mdp.P[self.s, a]))
        return self.s, reward, self.s == 3, False, {}


def corridor_mdp():
    P, r = np.zeros((4, 2, 4)), np.zeros((4, 2))
    for s in range(3):
        P[s, 0, max(s - 1, 0)] += 0.75
        P[s, 1, s + 1] += 0.75
        P[s, :, s] += 0.25
    r[2, 1] = 0.75
    P[3, :, 3] = 1.0
    return TabularMDP(P, r, 0.9, [1, 0, 0, 0])


@pytest.mark.mends(18)
@pytest.mark.proves("thm-q-learning", "eq-q-learning")
@pytest.mark.parametrize("alpha", [None, 0.2])
def test_q_learning_converges_to_the_fixed_point(alpha):
    """Five seeds. Steps of size β leave an entry with a standard error of about √(β/2)·σ, σ a target's spread.

    Here β = n^−0.8 with n > 1200 visits, so β < 0.0035, and σ < 0.4: 0.017. The largest of six entries is held
    to four of them, and has to have been three times as large, on average over the seeds, after 1/50 of the way.
    """
    mdp = corridor_mdp()
    if alpha is None:
        exact = policy_iteration(mdp).Q
    else:
        # The end has no value, while a soft absorbing state would earn entropy for ever.
        exact, live = np.zeros((4, 2)), np.array([1, 1, 1, 0])
        for _ in range(500):
            exact = mdp.r + 0.9 * mdp.expect(soft_value(exact, alpha) * live)
    early, late = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        seen = q_learning(Corridor(mdp), 0.9, steps=30_000, rng=rng, alpha=alpha, epsilon=0.7, exponent=0.8)
        errors = abs(seen.history - exact)[:, :3].max(axis=(1, 2))
        early.append(errors[0])
        late.append(errors[-1])
        assert seen.visits[:3].min() > 1200
        assert seen.visits.sum() == 30_000
        np.testing.assert_array_equal(seen.history[-1], seen.Q)
    assert max(late) < 0.068
    assert np.mean(early) > 3 * np.mean(late)


@pytest.mark.mends(18)
@pytest.mark.proves("eq-q-learning")
def test_the_first_updates_of_q_learning_by_hand():
    """One state, reward 1, never terminated but truncated after every step: truncation still looks ahead.

    Every return there is 2, so an average of returns would say 2 from the first update on.
    """

    class Loop(gym.Env):
        observation_space = action_space = gym.spaces.Discrete(1)

        def reset(self, *, seed=None, options=None):
            return 0, {}

        def step(self, action):
            return 0, 1.0, False, True, {}

    seen = q_learning(Loop(), 0.5, steps=3, rng=np.random.default_rng(0), exponent=1.0, records=3)
    # β = 1, ½, ⅓: 0 → 1 → 1 + ½(1.5 − 1) = 1.25 → 1.25 + ⅓(1.625 − 1.25) = 1.375
    np.testing.assert_allclose(seen.history.ravel(), [1.0, 1.25, 1.375])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"gamma": 1.0}, "gamma must be a number in"),
        ({"steps": 0}, "steps must be"),
        ({"epsilon": 0.0}, r"epsilon must be a number in \(0, 1\]"),
        ({"exponent": 0.5}, r"exponent must be a number in \(1/2, 1\]"),
        ({"alpha": -1}, "alpha must be a positive number"),
        ({"records": 0}, "records must be"),
    ],
)
def test_q_learning_refuses_what_breaks_its_theorem(settings, said):
    arguments = {"gamma": 0.9, "steps": 10, **settings}
    with pytest.raises(ValueError, match=said):
        q_learning(Corridor(corridor_mdp()), arguments.pop("gamma"), rng=np.random.default_rng(0), **arguments)


def test_q_learning_needs_numbered_states():
    with pytest.raises(ValueError, match="env must have discrete"):
        q_learning(gym.make("CartPole-v1"), 0.9, steps=10, rng=np.random.default_rng(0))


# Features -----------------------------------------------------------------------------------------------------


@st.composite
def linear_problems(draw, on=False):
    mdp = draw(tabular_mdps(max_actions=2, sparse=False))
    pi = draw(policies(mdp))
    n = draw(st.integers(1, 2))
    features = draw(arrays(mdp.n_states, n))
    d = draw(arrays(mdp.n_states).map(abs)) + 0.25
    chain = transition_matrix(mdp, pi)
    return LinearProblem(chain, (pi * mdp.r).sum(axis=1), mdp.gamma, features, d / d.sum()), draw(arrays(n))


def squared_error(problem, w, *, single):
    """½ E_d (E[δ|s])², or ½ E δ² where each transition is a sample of its own; by loops."""
    P, r, gamma, features, d = problem
    total = 0.0
    for s in range(len(d)):
        delta = [r[s] + gamma * features[x] @ w - features[s] @ w for x in range(len(d))]
        if single:
            total += d[s] * sum(P[s, x] * delta[x] ** 2 for x in range(len(d))) / 2
        else:
            total += d[s] * sum(P[s, x] * delta[x] for x in range(len(d))) ** 2 / 2
    return total


@pytest.mark.proves("eq-residual", "prop-double-sampling")
@given(linear_problems())
def test_residual_directions_are_gradients(case):
    problem, w = case
    for method, single in (("residual", False), ("naive", True)):
        gradient = oracles.finite_difference(lambda x, single=single: squared_error(problem, x, single=single), w)
        np.testing.assert_allclose(td_direction(problem, w, method), -gradient, atol=1e-5, rtol=1e-6)


@pytest.mark.proves("eq-semi-gradient")
@given(linear_problems())
def test_the_semi_gradient_holds_the_target_fixed(case):
    problem, w = case
    P, r, gamma, features, d = problem
    target = r + gamma * P @ features @ w
    gradient = oracles.finite_difference(lambda x: (d * (target - features @ x) ** 2).sum() / 2, w)
    np.testing.assert_allclose(td_direction(problem, w), -gradient, atol=1e-5, rtol=1e-6)


@pytest.mark.proves("prop-double-sampling")
@given(linear_problems())
def test_single_samples_add_the_variance_of_the_next_value(case):
    problem, w = case
    P, _, gamma, features, d = problem
    v = features @ w
    variance = d @ (P @ v**2 - (P @ v) ** 2)
    apart = squared_error(problem, w, single=True) - squared_error(problem, w, single=False)
    assert apart == pytest.approx(gamma**2 * variance / 2, abs=1e-9 * (1 + norm(v) ** 2))


@pytest.mark.mends(19)
@pytest.mark.proves("prop-double-sampling")
def test_mend_19_the_naive_gradient_ends_at_three_quarters():
    ends = {
        method: linear_td(split(), np.zeros(3), step_size=0.5, steps=3000, method=method)[-1]
        for method in ("semi", "residual", "naive")
    }
    np.testing.assert_allclose(ends["naive"], [0.5, 0.75, 0.25], atol=1e-9)
    for method in ("semi", "residual"):
        np.testing.assert_allclose(ends[method], [0.5, 1.0, 0.0], atol=1e-9)


@pytest.mark.mends(20)
@pytest.mark.proves("prop-two-w")
@given(st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.99]), st.sampled_from([0.01, 0.1, 1.0]))
def test_mend_20_w_to_2w_grows_by_a_constant_factor(gamma, beta):
    path = linear_td(two_states(gamma), [1.0], step_size=beta, steps=20).ravel()
    np.testing.assert_allclose(path, (1 + beta * (2 * gamma - 1)) ** np.arange(21), rtol=1e-10)


@pytest.mark.mends(20)
@pytest.mark.proves("prop-baird")
def test_mend_20_bairds_star_diverges():
    problem, w = baird_star()
    lengths = np.linalg.norm(linear_td(problem, w, step_size=0.01, steps=1000), axis=1)
    assert lengths[0] == pytest.approx(np.sqrt(107))
    assert lengths[1000] == pytest.approx(437, abs=0.5)
    # A second implementation, state by state from the definition.
    by_hand = w.copy()
    value = [lambda x, s=s: 2 * x[s] + x[7] for s in range(6)] + [lambda x: x[6] + 2 * x[7]]
    slope = [2 * np.eye(8)[s] + np.eye(8)[7] for s in range(6)] + [np.eye(8)[6] + 2 * np.eye(8)[7]]
    for _ in range(1000):
        errors = [0.99 * value[6](by_hand) - value[s](by_hand) for s in range(7)]
        by_hand = by_hand + 0.01 / 7 * sum(e * g for e, g in zip(errors, slope, strict=True))
    assert np.linalg.norm(by_hand) == pytest.approx(lengths[1000], rel=1e-9)
    A = problem.features.T @ (problem.d[:, None] * (problem.features - 0.99 * problem.P @ problem.features))
    eigenvalues = np.sort(np.linalg.eigvals(A).real)
    np.testing.assert_allclose(eigenvalues[:2], [-0.24, -0.02], atol=0.005)
    residual = np.linalg.norm(linear_td(problem, w, step_size=0.01, steps=1000, method="residual"), axis=1)
    assert (np.diff(residual) <= 1e-12).all()


@pytest.mark.proves("thm-on-policy-td")
@pytest.mark.parametrize("seed", range(5))
def test_on_policy_td_converges_to_its_fixed_point(seed):
    rng = np.random.default_rng(seed)
    mdp = garnet(8, 2, 3, gamma=0.9, rng=rng)
    pi = rng.dirichlet(np.ones(2), size=8)
    problem = on_policy(mdp, pi, rng.normal(size=(8, 3)))
    P, _, gamma, features, d = problem
    np.testing.assert_allclose(d @ P, d, atol=1e-12)
    assert d.min() >= -1e-12
    A = features.T @ (d[:, None] * (features - gamma * P @ features))
    least = features.T @ (d[:, None] * features)
    assert np.linalg.eigvalsh((A + A.T) / 2 - (1 - gamma) * least).min() >= -1e-12
    fixed = td_fixed_point(problem)
    np.testing.assert_allclose(td_direction(problem, fixed), 0, atol=1e-12)
    path = linear_td(problem, rng.normal(size=3), step_size=0.1, steps=20_000)
    np.testing.assert_allclose(path[-1], fixed, atol=1e-4 * (1 + norm(fixed)))
    # On one long path: steps 0.3·n^−0.7 leave a spread of some 0.3·(2·10⁵)^−0.35 ≈ 0.004 times that of an update.
    learned = td_zero(problem, steps=200_000, rng=rng, scale=0.3)
    V = np.linalg.solve(np.eye(8) - gamma * P, problem.r)
    error = np.sqrt(d @ (features @ (learned - fixed)) ** 2)
    assert error < 0.1 * np.sqrt(d @ V**2)
    # The limit's own error (an exercise of the chapter).
    root = np.sqrt(d)[:, None]
    projected = features @ np.linalg.lstsq(root * features, root[:, 0] * V, rcond=None)[0]
    distance = lambda v: np.sqrt(d @ (v - V) ** 2)  # noqa: E731
    assert distance(features @ fixed) <= distance(projected) / np.sqrt(1 - gamma**2) + 1e-9


def test_features_that_do_not_fit_and_chains_without_one_distribution_are_refused():
    mdp = TabularMDP(np.eye(2)[:, None, :], [[0.0], [1.0]], 0.5, [1, 0])
    with pytest.raises(ValueError, match="2 stationary distributions"):
        on_policy(mdp, np.ones((2, 1)), np.eye(2))
    with pytest.raises(ValueError, match=r"features must have shape \(2, n\), one row a state"):
        on_policy(mdp, np.ones((2, 1)), np.eye(3))
    with pytest.raises(ValueError, match=r"w must have shape \(1,\)"):
        td_direction(two_states(), [1.0, 2.0])
    with pytest.raises(ValueError, match="method must be one of semi, residual, naive"):
        td_direction(two_states(), [1.0], "full")
    with pytest.raises(ValueError, match="step_size must be a positive number"):
        linear_td(two_states(), [1.0], step_size=0, steps=3)
    with pytest.raises(ValueError, match="exponent"):
        td_zero(split(), steps=3, rng=np.random.default_rng(0), exponent=0.3)


# What the notes got wrong -------------------------------------------------------------------------------------


@pytest.mark.mends(12)
@pytest.mark.proves("prop-no-potential")
def test_mend_12_repetition_follows_no_gradient():
    """Round a closed loop the field T^π Q − Q does work, which no gradient field does; a symmetric chain's does not."""

    def work(mdp, pi):
        """∮ (T^π Q − Q)·dQ round a rectangle, exact for a linear field by midpoints; two directions at a time."""
        size, worst = mdp.r.size, 0.0
        for i, j in itertools.combinations(range(size), 2):
            e, f = np.eye(size)[i].reshape(mdp.r.shape), np.eye(size)[j].reshape(mdp.r.shape)
            corners = [0 * e, e, e + f, f, 0 * e]
            total = 0.0
            for start, end in itertools.pairwise(corners):
                middle = (start + end) / 2
                total += ((bellman_operator(mdp, pi, middle) - middle) * (end - start)).sum()
            worst = max(worst, abs(total))
        return worst

    lake = TabularMDP.from_gymnasium(gym.make("FrozenLake-v1"), 0.95)
    assert work(lake, np.full((16, 4), 0.25)) > 0.05
    P = np.array([[[0.5, 0.5]], [[0.5, 0.5]]])  # one action, a symmetric chain
    assert work(TabularMDP(P, [[1.0], [0.0]], 0.9, [1, 0]), np.ones((2, 1))) < 1e-14


@pytest.mark.mends(13)
@pytest.mark.proves("prop-max-inside")
@given(with_tables(1))
def test_mend_13_the_maximum_stands_inside_the_expectation(case):
    mdp, Q = case
    P, r, gamma, _ = plain(mdp)
    outside = r + gamma * np.einsum("sax,xb->sab", P, Q).max(axis=2)
    assert (outside <= optimality_operator(mdp, Q) + 1e-12).all()
    # Strict unless one action is best wherever s' may fall.
    for s, a in np.ndindex(*r.shape):
        support = P[s, a] > 0
        common = (Q[support] >= Q[support].max(axis=1, keepdims=True)).all(axis=0).any()
        strict = optimality_operator(mdp, Q)[s, a] - outside[s, a] > 1e-12
        assert strict == (not common and gamma > 0)


@pytest.mark.mends(15)
@pytest.mark.proves("thm-contraction")
def test_mend_15_without_the_absolute_value_nothing_is_bounded():
    mdp = garnet(4, 2, 2, gamma=0.9, rng=np.random.default_rng(0))
    pi = np.full((4, 2), 0.5)
    Q, other = np.zeros((4, 2)), np.full((4, 2), 100.0)
    apart = bellman_operator(mdp, pi, Q) - bellman_operator(mdp, pi, other)
    assert (apart <= 0.9 * (Q - other).max() + 1e-12).all()  # the one-sided bound: true
    assert 0.9 * (Q - other).max() < 0  # and of no use for the distance
    assert norm(apart) == pytest.approx(90)


@pytest.mark.mends(17)
@pytest.mark.proves("prop-not-special")
@given(with_tables(2))
def test_mend_17_the_optimality_operator_is_not_the_optimal_policys(case):
    mdp, Q, other = case
    best = policy_iteration(mdp)
    fixed = lambda X: bellman_operator(mdp, best.pi, X)  # noqa: E731
    assert (fixed(Q) <= optimality_operator(mdp, Q) + 1e-11).all()
    np.testing.assert_allclose(fixed(best.Q), optimality_operator(mdp, best.Q), atol=1e-8)
    np.testing.assert_allclose(fixed((Q + other) / 2), (fixed(Q) + fixed(other)) / 2, atol=1e-10)  # affine
    # They agree at (s,a) just where π* is greedy for Q in every state that can follow.
    P, _, gamma, _ = plain(mdp)
    short = Q.max(axis=1) - (best.pi * Q).sum(axis=1)
    np.testing.assert_allclose(optimality_operator(mdp, Q) - fixed(Q), gamma * P @ short, atol=1e-10)


@pytest.mark.mends(17)
@pytest.mark.proves("prop-not-special")
def test_mend_17_the_optimality_operator_is_not_affine():
    mdp = TabularMDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.5, [1.0])
    Q, other = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    average = (optimality_operator(mdp, Q) + optimality_operator(mdp, other)) / 2
    assert norm(optimality_operator(mdp, (Q + other) / 2) - average) == pytest.approx(0.25)


@pytest.mark.proves("prop-soft-bounds")
@pytest.mark.parametrize(
    ("alpha", "resting", "ending", "steps"), [(0.1, 0.0042, 0.0089, 13), (1.0, 4.5075, 10.267, 134_309)]
)
def test_a_soft_policy_on_the_cliff_loses_more_where_the_goal_ends_the_episode(alpha, resting, ending, steps):
    cliff = TabularMDP.from_gymnasium(gym.make("CliffWalking-v1"), 0.95)
    bound, best = alpha * np.log(4) / 0.05, policy_iteration(cliff).V[36]
    absorbing = soft_value_iteration(cliff.replace(terminal=np.zeros(48)), alpha, tol=1e-10)
    assert absorbing.V[47] == pytest.approx(bound)  # 27.7 α for entropy alone
    assert best - evaluate_policy(cliff, absorbing.pi).V[36] == pytest.approx(resting, abs=5e-5)
    soft = soft_value_iteration(cliff, alpha, tol=1e-10)

    # 47 states, and nothing after the goal.
    P, r, V = np.delete(cliff.P[:47], 47, axis=2), cliff.r[:47], np.zeros(47)
    for _ in range(1000):
        V = np.array([lse(row, alpha) for row in r + 0.95 * P @ V])
    pi = soft_policy(r + 0.95 * P @ V, alpha)
    P_pi = np.einsum("sa,sax->sx", pi, P)
    earned = np.linalg.solve(np.eye(47) - 0.95 * P_pi, (pi * r).sum(axis=1))[36]
    np.testing.assert_allclose(soft.V[:47], V, atol=1e-8)
    assert best - earned == pytest.approx(ending, abs=5e-4 if alpha == 1 else 5e-5)
    assert 0 <= best - earned <= bound
    assert 0 <= V[36] - best <= bound
    assert np.linalg.solve(np.eye(47) - P_pi, np.ones(47))[36] == pytest.approx(steps, rel=1e-2)


def test_the_sweeps_that_an_exercise_counts():
    """What the bound of the first move asks for, and what FrozenLake needs in fact."""
    for gamma, asked, needed in ((0.9, 153, 92), (0.99, 1833, 401), (0.999, 20_713, 557)):
        assert int(np.ceil(np.log(1e-6 * (1 - gamma)) / np.log(gamma))) == asked
        lake = TabularMDP.from_gymnasium(gym.make("FrozenLake-v1"), gamma)
        assert np.flatnonzero(trace(lake, np.zeros((16, 4)), 600).error > 1e-6)[-1] + 1 == needed


def test_sparse_and_dense_operators_agree():
    mdp = garnet(40, 3, 4, gamma=0.9, rng=np.random.default_rng(1))
    sparse = TabularMDP(sp.csr_array(mdp.P.reshape(120, 40)), mdp.r, 0.9, mdp.rho0)
    rng = np.random.default_rng(2)
    Q, pi = rng.normal(size=(40, 3)), rng.dirichlet(np.ones(3), size=40)
    for one, two in zip(all_operators(mdp, pi, 0.3).values(), all_operators(sparse, pi, 0.3).values(), strict=True):
        np.testing.assert_allclose(one(Q), two(Q), atol=1e-12)


def test_the_error_of_values_with_a_bonus_is_rounding_alone():
    mdp = garnet(6, 3, 2, gamma=0.9, rng=np.random.default_rng(0))
    pi, bonus = np.full((6, 3), 1 / 3), np.arange(6.0)
    V, _, error, gain = evaluate(mdp, pi, bonus)
    P_pi, r_pi = np.einsum("sa,sax->sx", pi, mdp.P), (pi * mdp.r).sum(axis=1)
    exact = np.linalg.solve(np.eye(6) - 0.9 * P_pi, r_pi + bonus)
    assert 0 < error < 1e-11
    np.testing.assert_allclose(V + gain / 0.1, exact, atol=error + 1e-12)
