"""Solvers near γ = 1, under rewards of any size and far from 0, against rational arithmetic: what they claim holds.

Truth is what exact arithmetic gives for the float64 numbers of P, r, γ and π, each row of P and π divided by its sum.
"""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import example, given
from hypothesis import strategies as st

from rlbook import TabularMDP, evaluate_policy, garnet, occupancy, policy_iteration, solve, value_iteration
from rlbook.bellman import advantages, large, soft_policy_iteration, soft_value_iteration
from rlbook.occupancies import entropy_program, flow_residual, occupancy_program
from tests import oracles
from tests.strategies import hard_mdps, plain, policies

ROWS = [[[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.0, 1.0]]]
TWO_ROOMS = [[1.0, 0.0], [0.0, 2.0]]


def two_rooms(gamma, offset=0.0):
    """Both states lead to each other; to go to the second and stay there earns 2 a step, which is the most."""
    return TabularMDP(ROWS, np.array(TWO_ROOMS) + offset, gamma, [1.0, 0.0])


def assert_within(value, V, Q):
    assert oracles.largest_error(value.V, V) <= value.error_bound
    assert oracles.largest_error(value.Q, Q) <= value.error_bound


def assert_optimal_as_claimed(mdp, solution):
    """No advantage of the policy's, without rounding, is more than a millionth of the range of the rewards."""
    P, r, gamma, _ = plain(mdp)
    V, Q = oracles.exact_values(P, r, gamma, solution.pi)
    most = max(q - v for v, row in zip(V, Q, strict=True) for q in row)
    assert most <= Fraction(1, 10**6) * (Fraction(r.max()) - Fraction(r.min()))


# Values and policies ----------------------------------------------------------------------------------------


@pytest.mark.proves("thm-policy-iteration")
@pytest.mark.parametrize("offset", [0.0, 1e3, -1e6])
@pytest.mark.parametrize("lacking", [1e-1, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12])
def test_policy_iteration_finds_the_best_policy_near_gamma_one(lacking, offset):
    mdp = two_rooms(1 - lacking, offset)
    solution = policy_iteration(mdp)
    assert solution.converged
    np.testing.assert_array_equal(solution.pi.argmax(axis=1), [1, 1])
    np.testing.assert_array_equal(solve(mdp).pi, solution.pi)
    assert solution.V[1] == pytest.approx((2 + offset) / (1 - mdp.gamma), rel=1e-15)
    assert solution.V[0] - solution.V[1] == pytest.approx(-2 / (1 - 0.2 * mdp.gamma), abs=1e-15 * abs(solution.V[1]))


@pytest.mark.proves("thm-evaluation")
@given(st.data())
def test_the_value_of_a_policy_is_within_its_error_bound(data):
    mdp = data.draw(hard_mdps())
    pi = data.draw(policies(mdp))
    P, r, gamma, _ = plain(mdp)
    value, (V, Q) = evaluate_policy(mdp, pi), oracles.exact_values(P, r, gamma, pi)
    assert_within(value, V, Q)
    # and the bound is no idle one: it is what a step's rounding adds up to
    spread = float(max(V) - min(V)) + np.ptp(r)
    assert value.error_bound <= 1e-13 * spread / (1 - gamma) + 1e-14 * abs(value.V).max() + 1e-300


@pytest.mark.proves("thm-evaluation")
@given(st.data())
def test_an_advantage_lacks_only_what_its_own_size_explains(data):
    mdp = data.draw(hard_mdps())
    pi = data.draw(policies(mdp))
    P, r, gamma, _ = plain(mdp)
    V, Q = oracles.exact_values(P, r, gamma, pi)
    truth = [[q - v for q in row] for v, row in zip(V, Q, strict=True)]
    spread = float(max(V) - min(V)) + np.ptp(r)
    assert oracles.largest_error(advantages(mdp, pi), truth) <= 1e-13 * spread / (1 - gamma)


@pytest.mark.proves("thm-policy-iteration", "thm-optimality")
@given(hard_mdps())
@example(two_rooms(1 - 1e-8))
@example(two_rooms(1 - 1e-12, 1e9))
@example(TabularMDP(ROWS, np.full((2, 2), 1e9 / 3), 1 - 1e-12, [1.0, 0.0]))
def test_policy_iteration_converges_to_what_it_says_or_says_that_it_has_not(mdp):
    P, r, gamma, _ = plain(mdp)
    solution = policy_iteration(mdp)
    assert_within(solution, *oracles.exact_optimum(P, r, gamma))
    if solution.converged:
        assert_optimal_as_claimed(mdp, solution)
    else:  # only where not even differences of V are known well
        assert abs(solution.V).max() * 1e-15 / (1 - gamma) > 1e-8 * np.ptp(r)


@pytest.mark.proves("thm-macqueen", "thm-optimality")
@given(hard_mdps(), st.sampled_from([1e-8, 1.0, 1e6]))
@example(two_rooms(1 - 1e-8), 1e-8)
@example(two_rooms(1 - 1e-12, 1e9), 1e6)
def test_the_bracket_holds_the_optimum_and_convergence_is_its_width(mdp, tol):
    P, r, gamma, _ = plain(mdp)
    V, Q = oracles.exact_optimum(P, r, gamma)
    for solution in (value_iteration(mdp, tol=tol, max_steps=2000), solve(mdp, tol=tol)):
        assert_within(solution, V, Q)
        assert solution.converged == (solution.error_bound <= tol)
    # `solve` does what float64 can: it converges unless rounding of the values, added up, is more than tol
    assert solution.converged or 1e-14 * (abs(solution.V).max() + np.ptp(r)) / (1 - gamma) > tol / 10


@pytest.mark.proves("thm-policy-iteration")
@given(hard_mdps())
def test_a_policy_iteration_cut_short_does_not_claim_to_have_converged_unless_it_has(mdp):
    solution = policy_iteration(mdp, max_steps=1)
    assert_within(solution, *oracles.exact_optimum(*plain(mdp)[:3]))
    if solution.converged:
        assert_optimal_as_claimed(mdp, solution)


def test_where_float64_cannot_tell_policy_iteration_says_so():
    # The first action stays, earning 1; the second goes to a state that earns 1 + 2e-16 for ever after one step that
    # costs. At γ = 1 − 1e-15 what rounding hides of a value of 1e15 is more than what there is to choose.
    P = np.zeros((3, 2, 3))
    P[0, 0, 0] = P[0, 1, 1] = 1.0
    P[1, :, 1] = P[2, :, 2] = 1.0
    mdp = TabularMDP(P, [[1.0, 0.9], [1 + 2.0**-52, 1 + 2.0**-52], [0.0, 0.0]], 1 - 2.0**-50, [1.0, 0.0, 0.0])
    V, Q = oracles.exact_optimum(*plain(mdp)[:3])
    solution = policy_iteration(mdp)
    assert not solution.converged
    assert_within(solution, V, Q)
    assert solution.error_bound >= 1


@given(hard_mdps(), st.sampled_from([1e-3, 0.5, 20.0]))
@example(two_rooms(1 - 1e-8), 0.1)
@example(two_rooms(1 - 1e-12, 1e9), 1e-3)
@pytest.mark.proves("thm-soft-contraction", "thm-soft-improvement")
def test_the_soft_twins_are_within_their_bounds(mdp, share):
    alpha = share * max(float(np.ptp(mdp.r)), 1e-9)  # a temperature by which the rewards can be told apart
    P, r, gamma, _ = plain(mdp)
    V, Q = oracles.precise_soft_optimum(P, r, gamma, alpha)
    for solution in (soft_value_iteration(mdp, alpha, max_steps=300), soft_policy_iteration(mdp, alpha)):
        for found, truth in ((solution.V, V), (solution.Q.ravel(), [q for row in Q for q in row])):
            with mpmath.workdps(60):
                assert max(abs(mpmath.mpf(x) - y) for x, y in zip(found.tolist(), truth, strict=True)) <= (
                    solution.error_bound
                )
        assert solution.converged == (solution.error_bound <= 1e-8)


# Large sparse worlds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.9, 0.999, 1 - 1e-6])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_the_iterative_solvers_keep_to_their_bounds(monkeypatch, gamma, offset):
    """The same small worlds as large ones are solved: by Chebyshev, BiCGSTAB, and sweeps outwards."""
    monkeypatch.setattr(large, "LU_BELOW", 2)
    monkeypatch.setattr(large, "MOST_PASSES", 3)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        mdp = garnet(3, 2, 2, gamma=gamma, rng=rng, sparse=True)
        mdp = TabularMDP(mdp.P, mdp.r + offset, gamma, mdp.rho0)
        P, r, _, rho0 = plain(mdp)
        pi = rng.dirichlet(np.ones(2), size=3)
        assert_within(evaluate_policy(mdp, pi), *oracles.exact_values(P, r, gamma, pi))
        assert_within(evaluate_policy(mdp, pi, tol=1e-3), *oracles.exact_values(P, r, gamma, pi))
        optimum = oracles.exact_optimum(P, r, gamma)
        for solution in (policy_iteration(mdp), solve(mdp, tol=1e-6)):
            assert_within(solution, *optimum)
        assert solution.converged == (solution.error_bound <= 1e-6)
        if policy_iteration(mdp).converged:
            assert_optimal_as_claimed(mdp, policy_iteration(mdp))
        rho, truth = occupancy(mdp, pi), oracles.exact_occupancy(P, gamma, rho0, pi)
        assert oracles.largest_error(rho, truth) <= 1e-12 / (1 - gamma)


@pytest.mark.parametrize("offset", [0.0, 1e9])
@pytest.mark.parametrize("lacking", [1e-2, 1e-8])
def test_a_large_ring_whose_values_are_known(lacking, offset):
    """3000 states in a ring: one can step on, or stay; all earns c, but to step on from the last state c + 1.

    To go on is best: where n steps lead to the last state, V = c/(1 − γ) + γⁿ/(1 − γ^N).
    """
    N, gamma = 3000, 1 - lacking
    at = np.arange(N)
    columns = np.stack([(at + 1) % N, at], axis=1).ravel()
    P = sp.csr_array((np.ones(2 * N), columns, np.arange(2 * N + 1)), shape=(2 * N, N))
    r = np.zeros((N, 2))
    r[-1, 0] = 1.0
    mdp = TabularMDP(P, r + offset, gamma, np.full(N, 1 / N))
    with mpmath.workdps(50):
        g = mpmath.mpf(gamma)
        truth = [mpmath.mpf(offset) / (1 - g) + g ** (N - 1 - int(s)) / (1 - g**N) for s in at]
        for solution in (solve(mdp, tol=1e-6), policy_iteration(mdp, max_steps=5)):
            errors = [abs(mpmath.mpf(x) - y) for x, y in zip(solution.V.tolist(), truth, strict=True)]
            assert max(errors) <= solution.error_bound
        value = evaluate_policy(mdp, np.eye(2)[np.zeros(N, dtype=int)])
        errors = [abs(mpmath.mpf(x) - y) for x, y in zip(value.V.tolist(), truth, strict=True)]
        assert max(errors) <= value.error_bound


# Occupancies ------------------------------------------------------------------------------------------------


@pytest.mark.proves("def-occupancy", "prop-mass")
@given(st.data())
def test_an_occupancy_is_as_near_to_the_truth_as_its_residual_says(data):
    mdp = data.draw(hard_mdps())
    pi = data.draw(policies(mdp))
    P, _, gamma, rho0 = plain(mdp)
    rho, truth = occupancy(mdp, pi), oracles.exact_occupancy(P, gamma, rho0, pi)
    exact = [y for row in truth for y in row]
    error = sum(abs(Fraction(x) - y) for x, y in zip(rho.ravel().tolist(), exact, strict=True))
    n = int((P > 0).sum(axis=(0, 1)).max())
    assert error <= (abs(flow_residual(mdp, rho)).sum() + 2e-15 * n / (1 - gamma)) / (1 - gamma)
    assert rho.sum() == pytest.approx(1 / (1 - gamma), rel=1e-15 * rho.size)
    assert (rho >= 0).all()


@pytest.mark.proves("thm-lp")
@given(hard_mdps())
def test_the_optimum_lies_between_a_programs_value_and_its_bound(mdp):
    P, r, gamma, rho0 = plain(mdp)
    start = oracles.exact_row(rho0.tolist())
    V, _ = oracles.exact_optimum(P, r, gamma)
    try:
        solution = occupancy_program(mdp)
    except RuntimeError:  # HiGHS knows no mass of 1e6 to within 1e-10, and says so
        assert gamma > 0.9999
        return
    assert Fraction(solution.value) <= sum(p * v for p, v in zip(start, V, strict=True)) <= Fraction(solution.bound)


@pytest.mark.proves("prop-entropy-concave")
@given(hard_mdps())
def test_the_soft_optimum_lies_between_too(mdp):
    alpha = 0.5 * max(float(np.ptp(mdp.r)), 1e-9)
    P, r, gamma, rho0 = plain(mdp)
    V, _ = oracles.precise_soft_optimum(P, r, gamma, alpha)
    solution = entropy_program(mdp, alpha)
    with mpmath.workdps(60):
        start = [mpmath.mpf(p.numerator) / p.denominator for p in oracles.exact_row(rho0.tolist())]
        assert solution.value <= sum(p * v for p, v in zip(start, V, strict=True)) <= solution.bound
