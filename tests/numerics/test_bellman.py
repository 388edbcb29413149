"""Planning: every solver against exact rational arithmetic, QuantEcon, the literature, and what float64 cannot do."""

import math
import re
from fractions import Fraction
from types import SimpleNamespace

import gymnasium as gym
import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import rlbook
import rlbook.bellman
from rlbook import TabularMDP, evaluate_policy, garnet, gridworld, policy_iteration, solve, value_iteration
from rlbook.bellman import (
    evaluation,
    greedy_policy,
    large,
    on_policy,
    planning,
    q_learning,
    soft_operator,
    soft_policy,
    soft_policy_iteration,
    soft_value_iteration,
)
from rlbook.bellman.precision import centred
from tests import oracles
from tests.strategies import plain, policies, tabular_mdps

SOLVERS = (value_iteration, policy_iteration, solve)
LONG = st.sampled_from([0.0, 0.5, 0.9, 0.99, 0.999])
TEMPERATURES = st.sampled_from([0.05, 0.5, 2.0])


def random_world(side, gamma=0.99, slip=0.1, seed=0):
    rng = np.random.default_rng(seed)
    rows = np.where(rng.random((side, side)) < 0.1, "#", ".")
    rows[side // 2, side // 3], rows[0, 0], rows[-1, -1] = "P", "S", "G"
    return gridworld(["".join(row) for row in rows], gamma=gamma, slip=slip, step_reward=-0.1, goal_reward=10)


def sutton_barto_grid():
    """The 5×5 grid of Sutton and Barto (2018), Example 3.5; moves are up, right, down, left."""
    P, r = np.zeros((25, 4, 25)), np.zeros((25, 4))
    for s in range(25):
        row, column = divmod(s, 5)
        for a, (dy, dx) in enumerate([(-1, 0), (0, 1), (1, 0), (0, -1)]):
            y, x = row + dy, column + dx
            inside = 0 <= y < 5 and 0 <= x < 5
            landing, r[s, a] = (5 * y + x, 0) if inside else (s, -1)
            if s in (1, 3):  # A and B: every move leads to A' or B'
                landing, r[s, a] = {1: (21, 10), 3: (13, 5)}[s]
            P[s, a, landing] = 1
    return TabularMDP(P, r, 0.9, np.full(25, 1 / 25))


# Error bounds -----------------------------------------------------------------------------------------------


@pytest.mark.proves("thm-macqueen", "thm-policy-iteration", "thm-optimality")
@given(st.data())
def test_no_solver_understates_its_error(data):
    mdp = data.draw(tabular_mdps(discounts=LONG))
    P, r, gamma, _ = plain(mdp)
    V, Q = oracles.exact_optimum(P, r, gamma)
    for solver in SOLVERS:
        for options in [{}] if solver is policy_iteration else [{"tol": 1.0}, {"tol": 1e-6}, {}]:
            solution = solver(mdp, **options)
            assert solution.converged
            assert max(oracles.largest_error(solution.V, V), oracles.largest_error(solution.Q, Q)) <= (
                solution.error_bound
            )
            if solver is not policy_iteration:
                assert solution.error_bound <= options.get("tol", 1e-8)
            # The policy is as good as the bound says: it loses 2γε/(1−γ) at most (Singh and Yee 1994).
            V_pi, _ = oracles.exact_values(P, r, gamma, solution.pi)
            loss = max(v - w for v, w in zip(V, V_pi, strict=True))
            assert loss <= 2 * Fraction(solution.error_bound) / (1 - Fraction(gamma))


@pytest.mark.proves("thm-macqueen")
@given(st.data())
def test_the_bound_holds_wherever_value_iteration_is_stopped(data):
    mdp = data.draw(tabular_mdps(discounts=LONG))
    steps = data.draw(st.integers(1, 30))
    solution = value_iteration(mdp, tol=1e-12, max_steps=steps)
    assert solution.steps <= steps
    assert solution.converged == (solution.error_bound <= 1e-12)
    V, Q = oracles.exact_optimum(*plain(mdp)[:3])
    assert oracles.largest_error(solution.V, V) <= solution.error_bound
    assert oracles.largest_error(solution.Q, Q) <= solution.error_bound


@pytest.mark.proves("thm-evaluation")
@given(st.data())
def test_the_value_of_a_policy_is_as_exact_as_it_says(data):
    mdp = data.draw(tabular_mdps(discounts=LONG))
    pi = data.draw(policies(mdp))
    value = evaluate_policy(mdp, pi)
    V, Q = oracles.exact_values(*plain(mdp)[:3], pi)
    assert oracles.largest_error(value.V, V) <= value.error_bound
    assert oracles.largest_error(value.Q, Q) <= value.error_bound
    assert value.error_bound <= 1e-13 * (abs(mdp.r).max() + abs(value.V).max()) / (1 - mdp.gamma)


@pytest.mark.parametrize("gamma", [0.9, 0.999])
def test_rows_that_sum_to_one_only_nearly_are_counted_in_the_bound(gamma):
    # P as stored has rows that sum to 1 ± 5e-9, and they stand for distributions: V = r/(1 − γ), and the bound holds.
    for sum_of_row in (1 - 5e-9, 1 + 5e-9):
        mdp = TabularMDP([[[sum_of_row], [sum_of_row]]], [[1.0, 0.5]], gamma, [1.0])
        V, _ = oracles.exact_optimum(*plain(mdp)[:3])
        assert V == [1 / (1 - Fraction(gamma))]
        for solver in SOLVERS:
            solution = solver(mdp)
            assert oracles.largest_error(solution.V, V) <= solution.error_bound
            assert solution.error_bound <= 1e-8


@pytest.mark.proves("thm-soft-contraction")
@given(st.data())
def test_the_soft_solvers_find_the_fixed_point_of_the_soft_operator(data):
    mdp = data.draw(tabular_mdps(discounts=st.sampled_from([0.0, 0.5, 0.9, 0.97])))
    alpha = data.draw(TEMPERATURES)
    V, Q = oracles.soft_optimum(*plain(mdp)[:3], alpha)
    for solver in (soft_value_iteration, soft_policy_iteration):
        solution = solver(mdp, alpha)
        assert solution.converged
        assert solution.error_bound <= 1e-8
        assert abs(solution.V - V).max() <= solution.error_bound
        assert abs(solution.Q - Q).max() <= solution.error_bound
        assert abs(soft_operator(mdp, solution.Q, alpha) - solution.Q).max() <= 2 * solution.error_bound
        np.testing.assert_allclose(solution.pi, soft_policy(Q.astype(float), alpha), atol=1e-6)


@pytest.mark.proves("thm-soft-improvement")
@given(st.data())
def test_soft_policy_iteration_only_improves(data):
    mdp = data.draw(tabular_mdps(discounts=st.sampled_from([0.0, 0.5, 0.9, 0.99])))
    alpha = data.draw(TEMPERATURES)
    best = soft_policy_iteration(mdp, alpha, tol=1e-9)
    below = np.full(mdp.n_states, -np.inf)
    for steps in range(1, best.steps + 1):
        pi = soft_policy_iteration(mdp, alpha, tol=1e-300, max_steps=steps).pi
        entropy = -(pi * np.log(np.where(pi > 0, pi, 1.0))).sum(axis=1)
        P, r, gamma, _ = plain(mdp)
        P_pi, r_pi = np.einsum("sa,sax->sx", pi, P), (pi * r).sum(axis=1) + alpha * entropy
        V = np.linalg.solve(np.eye(len(r)) - gamma * P_pi, r_pi)
        assert (V >= below - 1e-9).all()
        assert (V <= best.V + 2e-9).all()
        below = V


# Large MDPs, and what others find ---------------------------------------------------------------------------


def discrete_dp(mdp):
    markov = pytest.importorskip("quantecon.markov")
    S, A = mdp.r.shape
    if not mdp.is_sparse:
        return markov.DiscreteDP(np.array(mdp.r), np.ascontiguousarray(mdp.P), mdp.gamma)
    states, actions = np.divmod(np.arange(S * A), A)
    return markov.DiscreteDP(mdp.r.ravel(), sp.csr_matrix(mdp.P), mdp.gamma, states, actions)


@pytest.mark.parametrize(
    "mdp",
    [
        garnet(60, 3, 4, gamma=0.95, rng=np.random.default_rng(0)),
        garnet(300, 4, 5, gamma=0.99, rng=np.random.default_rng(1), sparse=True),
        random_world(12, gamma=0.95),
        random_world(24, gamma=0.95),
    ],
    ids=repr,
)
def test_quantecon_agrees(mdp):
    theirs = discrete_dp(mdp).modified_policy_iteration(epsilon=1e-9, max_iter=10_000)
    for solver in SOLVERS:
        assert abs(solver(mdp).V - theirs.v).max() <= 1e-8 + 1e-9


@pytest.mark.parametrize("slip", [0.0, 0.2])
@pytest.mark.parametrize("blocks", [1, 5])
def test_solve_is_right_where_it_sweeps_outwards(monkeypatch, slip, blocks):
    mdp = random_world(60, slip=slip)
    assert mdp.n_states >= large.LU_BELOW
    monkeypatch.setattr(large, "DEPTH", -(-mdp.n_states // (blocks * math.isqrt(mdp.n_states))))
    truth = policy_iteration(mdp)
    assert truth.converged
    solution = solve(mdp, tol=1e-9)
    assert solution.converged
    assert abs(solution.V - truth.V).max() <= solution.error_bound + truth.error_bound <= 2e-9
    assert abs(solution.Q - truth.Q).max() <= solution.error_bound + truth.error_bound
    assert solution.steps < value_iteration(mdp, tol=1e-9).steps / 3
    # and where the passes are cut short, policy iteration ends what they began
    monkeypatch.setattr(large, "MOST_PASSES", 2)
    cut = solve(mdp, tol=1e-9)
    assert cut.converged
    assert abs(cut.V - truth.V).max() <= cut.error_bound + truth.error_bound


def test_a_large_world_in_which_the_best_is_to_go_round_takes_few_passes():
    rng = np.random.default_rng(0)
    rewards = np.where(rng.random((60, 60)) < 0.01, rng.random((60, 60)), 0.0)
    mdp = gridworld(["S" + "." * 59, *["." * 60] * 59], gamma=0.9999, slip=0.1, cell_rewards=rewards)
    solution = solve(mdp, tol=1e-6)
    assert solution.converged
    assert solution.steps < 100  # value iteration needs log(1e-6 · 1e-4) / log(.9999), a quarter of a million
    Q = mdp.r + mdp.gamma * mdp.expect(solution.V)
    assert abs(Q.max(axis=1) - solution.V).max() / (1 - mdp.gamma) <= 3e-6  # Banach's bound, without a bracket


def test_states_from_which_the_best_one_is_out_of_reach_are_solved_too(monkeypatch):
    monkeypatch.setattr(large, "LU_BELOW", 100)
    rows = ["S" + "." * 18 + "G", "#" * 20, *["." * 20] * 20]  # below the wall nothing can be earned
    mdp = gridworld(rows, gamma=0.99, step_reward=-1)
    solution = solve(mdp)
    assert solution.converged
    np.testing.assert_allclose(solution.V[20:], -100, rtol=0, atol=2e-8)  # −1/(1 − γ)
    # n steps from the goal: −Σ_{k<n} γᵏ, and 1 for the last
    n = np.arange(19, 0, -1)
    np.testing.assert_allclose(solution.V[:19], -(1 - 0.99**n) / 0.01 + 0.99 ** (n - 1), rtol=0, atol=2e-8)


@pytest.mark.parametrize("kind", ["plain", "preconditioned", "direct"])
def test_every_way_to_evaluate_a_policy_gives_its_value(monkeypatch, kind):
    mdp = random_world(60)
    pi = np.full(mdp.r.shape, 0.25) if kind == "plain" else policy_iteration(mdp).pi
    tried = {"spilu": 0, "splu": 0}

    def count(name):
        whole = getattr(sp.linalg, name)

        def counted(*args, **options):
            tried[name] += 1
            return whole(*args, **options)

        monkeypatch.setattr(sp.linalg, name, counted)

    count("spilu")
    count("splu")
    if kind == "direct":  # neither factors nor BiCGSTAB help
        whole = sp.linalg.spilu
        useless = SimpleNamespace(solve=np.zeros_like)
        monkeypatch.setattr(sp.linalg, "spilu", lambda *args, **options: (whole(*args, **options), useless)[1])
        monkeypatch.setattr(sp.linalg, "bicgstab", lambda A, b, **options: (np.zeros_like(b), 1))
    value = evaluate_policy(mdp, pi)
    assert (tried["spilu"] > 0, tried["splu"] > 0) == {
        "plain": (False, False),
        "preconditioned": (True, False),
        "direct": (True, True),
    }[kind]
    S, A = mdp.r.shape
    P_pi = sp.csr_array((pi.ravel(), np.arange(S * A), np.arange(0, S * A + 1, A)), shape=(S, S * A)) @ mdp.P
    exact = sp.linalg.spsolve(sp.eye_array(S, format="csc") - mdp.gamma * P_pi.tocsc(), (pi * mdp.r).sum(axis=1))
    assert abs(value.V - exact).max() <= value.error_bound + 1e-10
    assert value.error_bound <= 1e-9
    rough = evaluate_policy(mdp, pi, tol=1e-3)
    assert abs(rough.V - exact).max() <= rough.error_bound <= 1e-3


def test_states_in_the_order_of_the_likeliest_moves_make_the_matrix_nearly_triangular():
    mdp = random_world(60, slip=0.0)
    P_pi = rlbook.bellman.transition_matrix(mdp, solve(mdp).pi)
    order = large._to_rest(P_pi)
    assert (np.sort(order) == np.arange(mdp.n_states)).all()
    assert sp.triu(P_pi[order][:, order], 1).sum() == 0  # a policy that knows where it goes, and goes there
    walk = rlbook.bellman.transition_matrix(mdp, np.full(mdp.r.shape, 0.25))
    assert (np.sort(large._to_rest(walk)) == np.arange(mdp.n_states)).all()


def test_chebyshev_outpaces_repetition_on_a_walk_and_leaves_where_it_does_not_help():
    walk = random_world(60)
    M = 0.99 * rlbook.bellman.transition_matrix(walk, np.full(walk.r.shape, 0.25))
    b, products = walk.r.mean(axis=1), []

    def product(v):
        products.append(1)
        return M @ v

    counted = sp.linalg.LinearOperator(M.shape, matvec=product, dtype=float)
    x = large._chebyshev(counted, b, np.zeros_like(b), 1e-9, 0.99)
    assert abs(b + M @ x - x).max() <= 1e-9
    by_repetition = np.log(1e-9) / np.log(0.99)
    assert len(products) < by_repetition / 8
    # A ring that turns one way: its eigenvalues lie on a circle, far from [−γ, γ].
    products.clear()
    M = 0.99 * sp.csr_array((np.ones(500), (np.arange(500), (np.arange(500) + 1) % 500)), shape=(500, 500))
    counted = sp.linalg.LinearOperator(M.shape, matvec=product, dtype=float)
    large._chebyshev(counted, np.eye(500)[0], np.zeros(500), 1e-9, 0.99)
    assert len(products) < 100


# Known answers ----------------------------------------------------------------------------------------------


@pytest.mark.proves("thm-evaluation")
def test_sutton_and_barto_example_3_5():
    wanted = """3.3 8.8 4.4 5.3 1.5  1.5 3.0 2.3 1.9 0.5  0.1 0.7 0.7 0.4 -0.4
                -1.0 -0.4 -0.4 -0.6 -1.2  -1.9 -1.3 -1.2 -1.4 -2.0"""
    value = evaluate_policy(sutton_barto_grid(), np.full((25, 4), 0.25))
    np.testing.assert_allclose(value.V, np.array(wanted.split(), dtype=float), rtol=0, atol=0.05)


@pytest.mark.proves("thm-optimality")
@pytest.mark.parametrize("solver", SOLVERS)
def test_sutton_and_barto_example_3_8(solver):
    wanted = """22.0 24.4 22.0 19.4 17.5  19.8 22.0 19.8 17.8 16.0  17.8 19.8 17.8 16.0 14.4
                16.0 17.8 16.0 14.4 13.0  14.4 16.0 14.4 13.0 11.7"""
    solution = solver(sutton_barto_grid())
    np.testing.assert_allclose(solution.V, np.array(wanted.split(), dtype=float), rtol=0, atol=0.05)
    assert solution.V[1] == pytest.approx(10 / (1 - 0.9**5), abs=1e-8)  # from A to A', four steps back up, again


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_corridor_has_a_closed_form(solver):
    # n steps from the goal, each −1 but for the last, which earns 10 − 1: V = −(1 − γⁿ)/(1 − γ) + 10γⁿ⁻¹.
    gamma, n = 0.95, np.arange(30, 0, -1)
    solution = solver(gridworld(["S" + "." * 29 + "G"], gamma=gamma, step_reward=-1, goal_reward=10))
    np.testing.assert_allclose(
        solution.V[:-1], -(1 - gamma**n) / (1 - gamma) + 10 * gamma ** (n - 1), rtol=0, atol=1.1e-8
    )
    assert abs(solution.V[-1]) <= 1.1e-8
    assert (solution.pi[:-1].argmax(axis=1) == 1).all()  # right


@pytest.mark.proves("thm-macqueen")
def test_the_bracket_closes_long_before_the_iterates_arrive():
    # Equal rewards everywhere: Δ is constant at once, so the first bracket has no width; V_1 itself is 99 off.
    mdp = garnet(20, 2, 3, gamma=0.99, rng=np.random.default_rng(0))
    mdp = TabularMDP(mdp.P, np.ones((20, 2)), 0.99, mdp.rho0)
    solution = value_iteration(mdp)
    assert solution.steps == 1
    np.testing.assert_allclose(solution.V, 100, rtol=0, atol=1e-8)


# Ends -------------------------------------------------------------------------------------------------------


@pytest.mark.proves("thm-optimality")
def test_frozen_lakes_known_optimum():
    """The undiscounted chance to reach the goal on the 4×4 lake is 14/17 = 0.8235; γ → 1 approaches it."""
    lake = TabularMDP.from_gymnasium(gym.make("FrozenLake-v1"), 0.99999)
    assert policy_iteration(lake).V[0] == pytest.approx(14 / 17, abs=1e-3)


@pytest.mark.proves("thm-optimality")
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("cost", [0.5, 3.0, 100.0])
def test_an_analytic_replacement_problem(cost, gamma):
    """A machine earns 1 until it breaks, with chance ½ a step; mending it costs `cost`. Solved by hand:

    mended at once, V(works) = 1 + γ(V(works) + V(broken))/2 and V(broken) = γV(works) − cost, unless leaving it
    broken for ever, which earns 0, is better.
    """
    P = np.zeros((2, 2, 2))
    P[0, :, :] = 0.5
    P[1, 0, 1] = P[1, 1, 0] = 1
    mdp = TabularMDP(P, [[1, 1], [0, -cost]], gamma, [1, 0])
    works = (1 - gamma * cost / 2) / (1 - gamma / 2 - gamma**2 / 2)
    mend = gamma * works - cost > 0
    expected = [works, gamma * works - cost] if mend else [1 / (1 - gamma / 2), 0.0]
    for found in (policy_iteration(mdp), value_iteration(mdp), solve(mdp)):
        np.testing.assert_allclose(found.V, expected, atol=1e-7)


@pytest.mark.proves("thm-policy-iteration")
@pytest.mark.parametrize("side", [10, 30])
def test_policy_iteration_ends_on_ties(side):
    # On an empty map without slip most states have two best actions, equal up to rounding.
    mdp = gridworld(["." * side] * (side - 1) + ["." * (side - 1) + "G"], gamma=0.99, step_reward=-0.1)
    solution = policy_iteration(mdp)
    assert solution.converged
    assert solution.steps <= 2 * side
    assert solution.error_bound <= 1e-9


def test_actions_that_are_all_alike_change_nothing():
    P = np.full((4, 3, 4), 0.25)
    solution = policy_iteration(TabularMDP(P, np.full((4, 3), 0.1), 0.999, np.full(4, 0.25)))
    assert (solution.steps, solution.converged) == (1, True)
    np.testing.assert_array_equal(solution.pi, np.eye(3)[[0, 0, 0, 0]])


@pytest.mark.parametrize("sparse", [False, True])
def test_what_has_not_converged_says_so_and_bounds_its_error(sparse):
    mdp = random_world(12)
    mdp = TabularMDP(sp.csr_array(mdp.P.reshape(-1, mdp.n_states)) if sparse else mdp.P, mdp.r, 0.99, mdp.rho0)
    truth = solve(mdp, tol=1e-9).V
    for solution in (value_iteration(mdp, max_steps=3), policy_iteration(mdp, max_steps=2)):
        assert not solution.converged
        assert 1e-3 < abs(solution.V - truth).max() <= solution.error_bound + 1e-9
    for solver in (soft_value_iteration, soft_policy_iteration):
        solution = solver(mdp, 0.1, max_steps=2)
        assert (solution.converged, solution.steps) == (False, 2)
        assert abs(solution.V - solver(mdp, 0.1).V).max() <= solution.error_bound + 1e-8


@pytest.mark.parametrize("tol", [1e-13, 1e-17, 1e-300])
@pytest.mark.parametrize("gamma", [0.5, 0.999])
def test_a_tolerance_below_what_float64_can_certify_is_not_claimed(tol, gamma):
    mdp = garnet(30, 3, 4, gamma=gamma, rng=np.random.default_rng(0))
    scale = abs(policy_iteration(mdp).V).max()
    assert scale > 1
    for solve_it in (
        lambda: value_iteration(mdp, tol=tol),
        lambda: solve(mdp, tol=tol),
        lambda: soft_value_iteration(mdp, 0.1, tol=tol),
        lambda: soft_policy_iteration(mdp, 0.1, tol=tol),
    ):
        solution = solve_it()
        assert solution.converged == (solution.error_bound <= tol)
        assert not solution.converged or tol > 1e-14
        assert 1e-16 * scale < solution.error_bound < 1e-12 * scale / (1 - gamma)


def test_a_tolerance_out_of_reach_ends_in_a_large_sparse_mdp_too(monkeypatch):
    monkeypatch.setattr(large, "LU_BELOW", 100)
    solution = solve(random_world(25, gamma=0.9), tol=1e-15)
    assert not solution.converged
    assert solution.error_bound < 1e-10


# Arguments and results --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tol", "max_steps", "alpha"])
@pytest.mark.parametrize("value", [0, -1, -0.5, np.nan, np.inf, "x", None, True, 1j])
def test_bad_options_are_named(name, value):
    mdp = garnet(3, 2, 2, gamma=0.5, rng=np.random.default_rng(0))
    kind = "a positive integer" if name == "max_steps" else "a positive number"
    message = re.escape(f"{name} must be {kind}, got {value!r}")
    solvers = {
        "tol": [value_iteration, solve, lambda m, **o: soft_value_iteration(m, 1.0, **o)],
        "max_steps": [value_iteration, policy_iteration, lambda m, **o: soft_policy_iteration(m, 1.0, **o)],
        "alpha": [soft_value_iteration, soft_policy_iteration],
    }
    for solver in solvers[name]:
        with pytest.raises(ValueError, match=f"^{message}$"):
            solver(mdp, **{name: value})
    if name == "tol" and value is not None:
        with pytest.raises(ValueError, match=f"^{message}$"):
            evaluate_policy(mdp, np.full((3, 2), 0.5), tol=value)


def test_a_count_of_steps_is_whole():
    with pytest.raises(ValueError, match=r"^max_steps must be a positive integer, got 2\.5$"):
        value_iteration(garnet(3, 2, 2, gamma=0.5, rng=np.random.default_rng(0)), max_steps=2.5)


@given(tabular_mdps())
def test_solutions_fit_together(mdp):
    for solution in (*(solver(mdp) for solver in SOLVERS), soft_value_iteration(mdp, 0.5)):
        assert solution.V.shape == (mdp.n_states,)
        assert solution.Q.shape == solution.pi.shape == mdp.r.shape
        np.testing.assert_allclose(solution.pi.sum(axis=1), 1, rtol=0, atol=1e-14)
        assert type(solution.error_bound) is float
        assert type(solution.converged) is bool
        assert type(solution.steps) is int
    solution = value_iteration(mdp)
    np.testing.assert_array_equal(solution.V, solution.Q.max(axis=1))
    np.testing.assert_array_equal(solution.pi, greedy_policy(solution.Q))


def test_the_names_that_readers_use_are_exported():
    names = "bellman_operator optimality_operator soft_operator evaluate_policy value_iteration policy_iteration solve"
    for name in names.split():
        assert name in rlbook.__all__
        assert getattr(rlbook, name) is getattr(rlbook.bellman, name)


# Each part by itself ----------------------------------------------------------------------------------------


def nearly_undiscounted(gamma=1 - 1e-6):
    """Five states that all lead to each other: near γ = 1 their values share nearly all that they are."""
    return garnet(5, 2, 3, gamma=gamma, rng=np.random.default_rng(3))


def test_what_values_share_is_carried_along_and_guesses_lack_it(monkeypatch):
    world, pi, guesses = centred(nearly_undiscounted()), np.eye(2)[[0, 1, 0, 1, 0]], []
    whole = evaluation._solver

    def seen(*args):
        solve = whole(*args)
        return lambda b, V: guesses.append((V, solve(b, V))) or guesses[-1][1]

    monkeypatch.setattr(evaluation, "_solver", seen)
    V, _, _, gain = evaluation.evaluate(world, pi)
    assert len(guesses) > 1
    for guess, found in guesses[1:]:
        assert abs(guess - found).max() < 1e-3 * abs(guesses[0][1]).max()  # what an iterative solver has left to find
    guesses.clear()
    again, _, _, same = evaluation.evaluate(world, pi, start=V, gain=gain)
    assert len(guesses) == 1  # what they share is out of them already
    assert same == gain
    np.testing.assert_allclose(again, V, rtol=0, atol=1e-9)


@pytest.mark.parametrize("gamma", [0.9, 1 - 1e-6, 1 - 1e-9])
def test_advantages_are_known_to_within_their_own_errors(gamma):
    """Held to 60 digits; and near γ = 1, where V is not known to a digit, the errors of advantages stay small."""
    mdp = nearly_undiscounted(gamma)
    pi = np.eye(2)[[0, 1, 0, 1, 0]]
    world = centred(mdp)
    V, Q, _, gain = evaluation.evaluate(world, pi)
    errors = evaluation.advantage_errors(world, pi, V, Q, gain)
    with mpmath.workdps(60):
        P = [[[mpmath.mpf(x) / mpmath.fsum(row) for x in row] for row in rows] for rows in mdp.P.tolist()]
        chosen = pi.argmax(axis=1).tolist()
        M = mpmath.matrix([[(s == t) - mpmath.mpf(gamma) * P[s][chosen[s]][t] for t in range(5)] for s in range(5)])
        exact = mpmath.lu_solve(M, mpmath.matrix([mdp.r[s, a] for s, a in enumerate(chosen)]))
        for s in range(5):
            for a in range(2):
                ahead = mpmath.fsum(p * v for p, v in zip(P[s][a], exact, strict=True))
                advantage = mpmath.mpf(mdp.r[s, a]) + mpmath.mpf(gamma) * ahead - exact[s]
                assert abs((Q[s, a] - Q[s, chosen[s]]) - advantage) <= errors[s, a] < 1e-10


def test_a_policy_is_evaluated_exactly_before_it_is_said_that_none_is_better(monkeypatch):
    mdp = centred(sutton_barto_grid())
    whole, asked = planning.evaluate, []

    def rough(mdp, pi, *, start, tol, gain):
        asked.append(tol)
        V, Q, error, gain = whole(mdp, pi, start=start, tol=tol, gain=gain)
        return (V + np.linspace(0, 1e-3, len(V)), Q, 10.0, gain) if tol else (V, Q, error, gain)

    monkeypatch.setattr(planning, "evaluate", rough)
    best = policy_iteration(sutton_barto_grid()).pi
    asked.clear()
    solution = planning._iterate_policies(mdp, 1e-6, 10, best)
    assert solution.converged
    assert asked == [2.5e-7, 0.0]


def test_a_sparse_chain_has_the_stationary_distribution_of_the_dense_one():
    dense = garnet(6, 2, 3, gamma=0.9, rng=np.random.default_rng(0))
    thin = TabularMDP(sp.csr_array(dense.P.reshape(12, 6)), dense.r, 0.9, dense.rho0)
    pi, features = np.full((6, 2), 0.5), np.eye(6)[:, :2]
    for one, two in zip(on_policy(dense, pi, features), on_policy(thin, pi, features), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12)


def test_the_first_soft_update_by_hand():
    class Room(gym.Env):
        observation_space, action_space = gym.spaces.Discrete(1), gym.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            return 0, {}

        def step(self, action):
            return 0, 1.0, False, False, {}

    learned = q_learning(Room(), 0.9, steps=1, rng=np.random.default_rng(0), alpha=0.5)
    assert sorted(learned.Q[0]) == [0, pytest.approx(1 + 0.9 * 0.5 * np.log(2))]  # both actions are worth 0 until then
