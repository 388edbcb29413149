"""Chapter 4's numerics and its statements, held to enumeration, exact arithmetic, finite differences and scipy."""

import contextlib
import io
import itertools

import gymnasium as gym
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize
from scipy.special import xlogy

from rlbook import (
    TabularMDP,
    expected_return,
    garnet,
    gridworld,
    occupancy,
    policy_from_occupancy,
    policy_iteration,
    sample_trajectories,
    soft_value_iteration,
    softmax_policy,
    value_iteration,
)
from rlbook.bellman import large, transition_matrix
from rlbook.occupancies import (
    TWO_BY_TWO,
    average_bound,
    budget_frontier,
    check_occupancy,
    deterministic_occupancies,
    entropy_program,
    estimate_occupancy,
    estimate_performance_difference,
    flow_residual,
    from_plane,
    history_occupancy,
    jensen_shannon,
    mix,
    mixture_bound,
    mixture_path,
    occupancy_entropy,
    occupancy_program,
    performance_difference,
    polygon,
    state_occupancy,
    surrogate,
    total_variation,
    trust_region_bound,
    two_by_two,
)
from rlbook.policy_gradient import Trajectories
from tests import oracles
from tests.sources import code_cells
from tests.strategies import arrays, distributions, plain, policies, tabular_mdps, thetas

GENTLE = st.sampled_from([0.0, 0.3, 0.5, 0.9])  # discounts at which finite differences keep six digits
PROGRAMS = ("highs", "highs-ds", "highs-ipm")


def close(got, wanted, tolerance=1e-10):
    """Equal up to rounding, on the scale of the largest number there."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    assert abs(got - wanted).max(initial=0) <= tolerance * max(1.0, abs(wanted).max(initial=0))


@st.composite
def compared(draw, max_states=3, discounts=None):
    """An MDP with two policies."""
    mdp = draw(tabular_mdps(max_states) if discounts is None else tabular_mdps(max_states, discounts=discounts))
    return mdp, draw(policies(mdp)), draw(policies(mdp))


@st.composite
def measured(draw, starting=False):
    """An MDP and a measure in its D: a mixture of occupancies of policies, some of which leave states unvisited."""
    mdp = draw(tabular_mdps())
    if starting:
        mdp = started(mdp)
    weights = draw(distributions(3))
    return mdp, sum(w * occupancy(mdp, draw(policies(mdp))) for w in weights)


def started(mdp):
    """The same MDP with episodes that start everywhere."""
    return TabularMDP(mdp.P, mdp.r, mdp.gamma, np.full(mdp.n_states, 1 / mdp.n_states))


def reachable(mdp, pi):
    """The states that π can come to, found step by step."""
    P, _, gamma, rho0 = plain(mdp)
    seen = {s for s in range(mdp.n_states) if rho0[s] > 0}
    if gamma == 0:
        return seen
    while True:
        more = {x for s in seen for a in range(mdp.n_actions) for x in range(mdp.n_states) if pi[s, a] * P[s, a, x] > 0}
        if more <= seen:
            return seen
        seen |= more


def values(mdp, pi):
    """V, Q and ρ_π(s) as power series, without rlbook's solvers."""
    P, r, gamma, rho0 = plain(mdp)
    V, rho_s = oracles.power_series(P, r, gamma, rho0, pi)
    return V, r + gamma * P @ V, rho_s


# From policies to occupancies -------------------------------------------------------------------------------


@pytest.mark.proves("def-occupancy", "lem-product", "prop-mass")
@given(st.data())
@settings(max_examples=15)
def test_the_occupancy_is_the_discounted_sum_of_the_visits(data):
    """Enumerated up to T, it is short of γᵀ/(1−γ) of mass, all of it on the same side."""
    mdp = data.draw(tabular_mdps(max_states=2, max_actions=2))
    pi, horizon = data.draw(policies(mdp)), 6
    p = oracles.pair_visits(*plain(mdp), lambda history: pi[history[-1]], horizon)
    begun = (mdp.gamma ** np.arange(horizon)[:, None, None] * p).sum(axis=0)
    rho, tail = occupancy(mdp, pi), mdp.gamma**horizon / (1 - mdp.gamma)
    assert (rho - begun).min() >= -1e-12
    close((rho - begun).sum(), tail, 1e-11)
    close(rho.sum(), 1 / (1 - mdp.gamma), 1e-12)
    for t in range(horizon):  # at every single time the pair's probability is a product
        close(p[t], p[t].sum(axis=1)[:, None] * pi, 1e-13)


@pytest.mark.proves("def-occupancy", "lem-product", "prop-flow", "prop-mass", "eq-flow")
@given(st.data())
def test_the_flow_equation_has_the_power_series_for_its_solution(data):
    mdp = data.draw(tabular_mdps())
    pi = data.draw(policies(mdp))
    _, _, rho_s = values(mdp, pi)
    close(state_occupancy(mdp, pi), rho_s, 1e-11)
    rho = occupancy(mdp, pi)
    close(rho, rho_s[:, None] * pi, 1e-11)
    close(rho_s.sum(), 1 / (1 - mdp.gamma), 1e-11)
    B = oracles.flow_matrix(plain(mdp)[0], mdp.gamma)
    close(flow_residual(mdp, rho), B @ rho.ravel() - mdp.rho0, 1e-12)
    assert abs(flow_residual(mdp, rho)).max() < 1e-12 / (1 - mdp.gamma)
    np.testing.assert_array_equal(check_occupancy(mdp, rho), rho)


@pytest.mark.proves("def-occupancy", "thm-bijection")
@given(st.data())
def test_exactly_the_states_that_can_be_reached_are_visited(data):
    mdp = data.draw(tabular_mdps())
    pi = data.draw(policies(mdp))
    assert set(np.flatnonzero(state_occupancy(mdp, pi))) == reachable(mdp, pi)


@pytest.mark.proves("thm-return")
@given(st.data())
def test_the_return_is_linear_in_the_occupancy(data):
    mdp = data.draw(tabular_mdps())
    pi = data.draw(policies(mdp))
    P, r, gamma, rho0 = plain(mdp)
    V, _ = oracles.exact_values(P, r, gamma, pi / pi.sum(axis=1, keepdims=True))
    truth = float(rho0 @ np.array(V, dtype=float))
    close((occupancy(mdp, pi) * r).sum(), truth, 1e-9)
    close(expected_return(mdp, pi), truth, 1e-9)


@pytest.mark.proves("thm-return")
@given(st.data())
@settings(max_examples=15)
def test_the_average_grid_is_rho_times_r(data):
    """Adding γᵗ r_t to the cell of (s_t, a_t), as an episode goes on, fills each cell with ρ·r on average."""
    mdp = data.draw(tabular_mdps(max_states=2, max_actions=2))
    pi, horizon = data.draw(policies(mdp)), 5

    def grid(tau):
        cells = np.zeros(mdp.r.shape)
        for t, pair in enumerate(zip(tau.states, tau.actions, strict=True)):
            cells[pair] += mdp.gamma**t * tau.rewards[t]
        return cells

    average = oracles.mean(grid, plain(mdp), pi, horizon)
    rho, tail = occupancy(mdp, pi), mdp.gamma**horizon / (1 - mdp.gamma)
    assert abs(average - rho * mdp.r).sum() <= tail * abs(mdp.r).max() + 1e-12
    close(average.sum(), oracles.expected_return(*plain(mdp), pi, horizon), 1e-12)


SIDE = 60  # 3,600 cells: beyond LU_BELOW, where iterative solvers come in


def large_world(starts, gamma=0.97):
    """A gridworld too large for a factorisation at once, that starts in a corner or everywhere."""
    rng = np.random.default_rng(4)
    rows = np.where(rng.random((SIDE, SIDE)) < 0.1, "#", ".")
    rows[:9, :9] = rows[-9:, -9:] = "."
    rows[0, 0], rows[-1, -1] = "S" if starts == "corner" else ".", "G"
    return gridworld(["".join(row) for row in rows], gamma=gamma, slip=0.1, step_reward=-0.1, goal_reward=1000)


@pytest.mark.proves("prop-flow")
@pytest.mark.parametrize("tol", [None, 1e-4])
@pytest.mark.parametrize(
    ("starts", "kind", "way"),
    [
        ("corner", "equiprobable", "near"),
        ("everywhere", "equiprobable", "chebyshev"),
        ("corner", "optimal", "factors"),
        ("everywhere", "optimal", "factors"),
        ("everywhere", "equiprobable", "factors"),
        ("everywhere", "optimal", "direct"),
    ],
)
def test_every_way_to_solve_for_the_occupancy_gives_it(monkeypatch, starts, kind, way, tol):
    """‖ρ − ρ_π‖₁ ≤ ‖residual‖₁/(1−γ) ≤ tol, and the right solver was at work."""
    mdp = large_world(starts, gamma=0.7 if way == "near" else 0.97)
    pi = np.full(mdp.r.shape, 0.25) if kind == "equiprobable" else policy_iteration(mdp).pi
    P_pi = transition_matrix(mdp, pi)
    truth = sp.linalg.spsolve(sp.eye_array(mdp.n_states, format="csc") - mdp.gamma * P_pi.T.tocsc(), mdp.rho0)
    tried = dict.fromkeys(("spilu", "splu", "bicgstab"), 0)
    sizes = []

    def count(name, spoilt=None):
        whole = getattr(sp.linalg, name)

        def counted(matrix, *args, **options):
            tried[name] += 1
            sizes.append(matrix.shape[0])
            return (spoilt or whole)(matrix, *args, **options)

        monkeypatch.setattr(sp.linalg, name, counted)

    class Useless:
        def solve(self, b):
            return 1e-3 * b

    count("spilu", (lambda *args, **options: Useless()) if way == "direct" else None)
    count("splu")
    count("bicgstab", (lambda A, b, **options: (np.zeros_like(b), 1)) if way == "direct" else None)
    if (kind, way) == ("equiprobable", "factors"):
        monkeypatch.setattr(large, "_chebyshev", lambda M, b, x, *rest: x)
    rho_s = state_occupancy(mdp, pi, tol=tol)
    used = "".join(name for name, n in tried.items() if n)
    begun = "splu" if starts == "corner" else ""  # tried nearby first, by a small factorisation
    assert (
        used
        == {
            "near": "splu",
            "chebyshev": "",
            "factors": "spilu" + begun + "bicgstab",
            "direct": "spilusplubicgstab",
        }[way]
    )
    assert (max(sizes, default=mdp.n_states) < 1000) == (way == "near")
    bound = abs(flow_residual(mdp, rho_s[:, None] * pi)).sum() / (1 - mdp.gamma)
    assert rho_s.min() >= 0
    assert abs(rho_s - truth).sum() <= bound + 1e-11
    assert bound <= (1e-10 if tol is None else tol)


@pytest.mark.parametrize("tol", [1e-1, 1e-4, 1e-7])
def test_the_states_nearby_grow_until_they_hold_the_mass(monkeypatch, tol):
    """From 50 states on; how many it takes depends on tol, and on fewer the answer would not be within it."""
    monkeypatch.setattr(large, "NEARBY", 50)
    mdp, sizes, whole = large_world("corner", gamma=0.9), [], sp.linalg.splu

    def counted(matrix, **options):
        sizes.append(matrix.shape[0])
        return whole(matrix, **options)

    monkeypatch.setattr(sp.linalg, "splu", counted)
    pi = np.full(mdp.r.shape, 0.25)
    rho = occupancy(mdp, pi, tol=tol)
    assert abs(flow_residual(mdp, rho)).sum() / (1 - mdp.gamma) <= tol
    assert sizes == [50 * 2**k for k in range(len(sizes))]
    assert 0 < (rho.sum(axis=1) > 0).sum() <= sizes[-1]
    assert len(sizes) == {1e-1: 2, 1e-4: 4, 1e-7: 5}[tol]


def test_a_tolerance_saves_work():
    """With tol the iteration ends earlier: its error is not that of float64."""
    mdp = large_world("everywhere")
    pi = np.full(mdp.r.shape, 0.25)
    errors = [
        abs(flow_residual(mdp, occupancy(mdp, pi, tol=tol))).sum() / (1 - mdp.gamma) for tol in (1e-2, 1e-6, None)
    ]
    assert errors[0] > 100 * errors[1] > 100 * errors[2]


def test_sparse_states_that_cannot_be_reached_are_never_visited():
    """Half of the map lies behind a wall; what is reached is solved for alone, and the rest is 0 exactly."""
    rows = ["S" + "." * 59] + ["." * 60] * 29 + ["#" * 60] + ["." * 60] * 30
    mdp = gridworld(rows, gamma=0.999, slip=0.2)
    pi = softmax_policy(np.random.default_rng(0).normal(size=mdp.r.shape))
    rho = occupancy(mdp, pi)
    assert (rho[1800:] == 0).all()
    assert (rho[:1800] > 0).all()
    assert abs(flow_residual(mdp, rho)).sum() < 1e-10


# And back ---------------------------------------------------------------------------------------------------


@pytest.mark.proves("thm-bijection")
@given(st.data())
def test_a_policy_comes_back_from_its_occupancy_where_it_goes(data):
    mdp = data.draw(tabular_mdps())
    pi, other = data.draw(policies(mdp)), data.draw(policies(mdp))
    back = policy_from_occupancy(occupancy(mdp, pi))
    goes = sorted(reachable(mdp, pi))
    assert list(np.flatnonzero(back.visited)) == goes
    close(back.pi[goes], pi[goes], 1e-12)
    rest = np.flatnonzero(~back.visited)
    assert (back.pi[rest] == 1 / mdp.n_actions).all()
    chosen = policy_from_occupancy(occupancy(mdp, pi), unvisited=other).pi
    np.testing.assert_array_equal(chosen[rest], other[rest])
    np.testing.assert_array_equal(chosen[goes], back.pi[goes])


@pytest.mark.proves("thm-bijection")
@given(measured(), st.data())
def test_a_measure_that_keeps_to_the_flow_is_the_occupancy_of_its_policy(case, data):
    """Part ii, whatever is done where it does not come; and the scale of ρ does not matter to π_ρ."""
    mdp, rho = case
    check_occupancy(mdp, rho)
    back = policy_from_occupancy(rho, unvisited=data.draw(policies(mdp)))
    close(occupancy(mdp, back.pi), rho, 1e-10)
    close(policy_from_occupancy(1e-3 * rho, unvisited=back.pi).pi, back.pi, 1e-14)


@pytest.mark.proves("thm-bijection")
@given(compared())
def test_two_policies_have_one_occupancy_iff_they_agree_where_they_go(case):
    mdp, pi, other = case
    goes = sorted(reachable(mdp, pi))
    elsewhere = np.where(np.isin(np.arange(mdp.n_states), goes)[:, None], pi, other)
    close(occupancy(mdp, elsewhere), occupancy(mdp, pi), 1e-12)
    apart = abs(occupancy(mdp, other) - occupancy(mdp, pi)).max()
    assert (apart > 1e-9) == (abs(other[goes] - pi[goes]).max() > 1e-9)


@pytest.mark.proves("thm-bijection")
@given(compared())
def test_where_all_states_start_no_two_policies_share_an_occupancy(case):
    mdp, pi, other = case
    mdp = started(mdp)
    assert policy_from_occupancy(occupancy(mdp, pi)).visited.all()
    apart = abs(occupancy(mdp, other) - occupancy(mdp, pi)).max()
    # ρ(s,a) = π(a|s)ρ(s) and ρ(s) ≥ 1/S: policies that differ by ε have occupancies that differ by about ε
    assert (apart > 1e-9) == (abs(other - pi).max() > 1e-9)


def test_a_policy_comes_back_from_masses_of_any_size():
    rho = np.array([[5e307, 1.5e308], [5e-324, 5e-324], [0.0, 0.0], [1e-310, 3e-310]])
    back = policy_from_occupancy(rho)
    np.testing.assert_allclose(back.pi, [[0.25, 0.75], [0.5, 0.5], [0.5, 0.5], [0.25, 0.75]], rtol=1e-12)
    np.testing.assert_array_equal(back.visited, [True, True, False, True])


# Policies with memory ---------------------------------------------------------------------------------------


def moody(mdp, table):
    """A policy whose next action depends on the state, its last action and whether the time is even."""

    def policy(history):
        last = history[-2] if len(history) > 1 else 0
        return table[history[-1], last, len(history) // 2 % 2]

    return policy


@pytest.mark.proves("prop-histories", "lem-product")
@given(st.data())
@settings(max_examples=15)
def test_a_policy_with_memory_breaks_the_flow_only_by_the_steps_not_taken(data):
    """Up to T, Σ_a ρ_T(s,a) − ρ₀(s) − γ flow(ρ_T)(s) = −γᵀ P(s_T=s), exactly; so the limit is in D."""
    mdp, horizon = data.draw(tabular_mdps(max_states=2, max_actions=2)), 5
    (S, A), gamma = mdp.r.shape, mdp.gamma
    policy = moody(mdp, data.draw(distributions(S, A, 2, A)))
    p = oracles.pair_visits(*plain(mdp), policy, horizon + 1)
    rho = history_occupancy(mdp, policy, horizon)
    close(rho, sum(gamma**t * p[t] for t in range(horizon)), 1e-13)
    close(flow_residual(mdp, rho), -(gamma**horizon) * p[horizon].sum(axis=1), 1e-12)
    # its stationary policy visits the same, but for what is missing
    tail, same = gamma**horizon / (1 - gamma), occupancy(mdp, policy_from_occupancy(rho).pi)
    assert (same - rho).min() > -1e-12
    close((same - rho).sum(), tail, 1e-11)


@pytest.mark.proves("prop-histories")
@given(st.data())
def test_a_policy_with_memory_reaches_nothing_new(data):
    """Its occupancy is exact here, as that of a stationary policy on states together with what is remembered."""
    mdp = data.draw(tabular_mdps())
    (S, A), (P, _, gamma, rho0) = mdp.r.shape, plain(mdp)
    table = data.draw(distributions(S, A, 2, A))
    chain = np.zeros((S * A * 2, A, S * A * 2))  # s, the last action, the parity of t
    for s, last, odd, a, x in itertools.product(range(S), range(A), range(2), range(A), range(S)):
        chain[(s * A + last) * 2 + odd, a, (x * A + a) * 2 + 1 - odd] += P[s, a, x]
    start = np.zeros((S, A, 2))
    start[:, 0, 0] = rho0
    _, visits = oracles.power_series(chain, np.zeros((S * A * 2, A)), gamma, start.ravel(), table.reshape(-1, A))
    rho = (visits.reshape(S, A, 2, 1) * table).sum(axis=(1, 2))
    check_occupancy(mdp, rho)
    close(occupancy(mdp, policy_from_occupancy(rho).pi), rho, 1e-10)
    begun = history_occupancy(mdp, moody(mdp, table), 3)
    assert (begun - rho).max() <= 1e-11
    close((rho - begun).sum(), gamma**3 / (1 - gamma), 1e-10)


@pytest.mark.proves("lem-product", "prop-histories")
def test_with_memory_no_policy_without_gives_the_product_at_every_time():
    """In one state, actions taken in turn: P(a_t=1) is 0, 1, 0, 1, …; ρ is γ/(1−γ²) = .9/.19 for action 1."""
    mdp = TabularMDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.9, [1.0])
    rho = history_occupancy(mdp, lambda history: np.eye(2)[len(history) // 2 % 2], 400)
    np.testing.assert_allclose(rho, [[1 / 0.19, 0.9 / 0.19]], rtol=1e-12)
    pi = policy_from_occupancy(rho).pi
    np.testing.assert_allclose(pi, [[1 / 1.9, 0.9 / 1.9]], rtol=1e-12)
    np.testing.assert_allclose(occupancy(mdp, pi), rho, rtol=1e-12)
    p = oracles.pair_visits(*plain(mdp), lambda history: np.eye(2)[len(history) // 2 % 2], 6)
    np.testing.assert_array_equal(p[:, 0, 1], [0, 1, 0, 1, 0, 1])
    assert min(abs(p[:, 0, 1] - q).max() for q in np.linspace(0, 1, 101)) >= 0.5


# The linear program -----------------------------------------------------------------------------------------


@pytest.mark.proves("thm-lp", "eq-lp", "eq-dual")
@given(tabular_mdps(), st.sampled_from(PROGRAMS))
def test_the_linear_program_finds_the_optimum(mdp, method):
    """Its value is the best return of all deterministic policies, in rational arithmetic; V is tight where ρ is."""
    P, r, gamma, rho0 = plain(mdp)
    best, _ = oracles.exact_optimum(P, r, gamma)
    best = np.array(best, dtype=float)
    solution = occupancy_program(mdp, method=method)
    scale = max(1.0, abs(best).max())
    assert abs(solution.value - rho0 @ best) <= 1e-8 * scale
    assert abs(solution.value - rho0 @ value_iteration(mdp, tol=1e-10).V) <= 1e-8 * scale
    assert -1e-10 * scale <= solution.duality_gap <= 1e-7 * scale
    assert solution.bound == pytest.approx(float(rho0 @ solution.V), abs=1e-12)
    check_occupancy(mdp, solution.rho, tol=1e-10)
    close(solution.rho, occupancy(mdp, solution.pi), 1e-12)
    close(solution.value, (solution.rho * r).sum(), 1e-12)
    slack = solution.V[:, None] - r - gamma * P @ solution.V
    assert slack.min() >= -1e-11 * scale  # the dual's constraints
    assert solution.V.min() >= best.min() - 1e-7 * scale
    assert (solution.V - best).min() >= -1e-7 * scale
    assert abs(solution.rho * slack).max() <= 1e-7 * scale  # complementary slackness
    goes = solution.rho.sum(axis=1) > 1e-3
    assert abs(solution.V - best)[goes].max() <= 1e-4 * scale  # where ρ comes, V = V*: ν(V − V*) sums to the gap
    assert set(np.unique(solution.pi)) <= {0.0, 1.0}


@pytest.mark.proves("thm-lp", "eq-dual")
@given(tabular_mdps())
def test_where_all_states_start_the_dual_solution_is_the_optimal_value(mdp):
    mdp = started(mdp)
    best, _ = oracles.exact_optimum(*plain(mdp)[:3])
    close(occupancy_program(mdp).V, np.array(best, dtype=float), 1e-7)


@pytest.mark.proves("thm-lp", "eq-dual")
@given(measured(), st.data())
def test_every_measure_is_below_every_dual_solution_by_its_slack(case, data):
    """Weak duality, with what is between: ρ₀·V − ρ·r = Σ ρ(V − r − γPV), for ρ in D and any V."""
    mdp, rho = case
    P, r, gamma, rho0 = plain(mdp)
    V = data.draw(arrays(mdp.n_states))
    slack = V[:, None] - r - gamma * P @ V
    close(rho0 @ V - (rho * r).sum(), (rho * slack).sum(), 1e-10)
    feasible = V + max(-slack.min(), 0) / (1 - gamma)
    assert (feasible[:, None] - r - gamma * P @ feasible).min() >= -1e-10
    assert rho0 @ feasible >= (rho * r).sum() - 1e-9 * max(1.0, abs(feasible).max())


@pytest.mark.proves("thm-lp")
@pytest.mark.parametrize("scale", [1e-10, 1.0, 1e10])
def test_the_program_and_its_certificate_keep_their_precision_at_any_scale(scale):
    mdp = garnet(60, 3, 4, gamma=0.98, rng=np.random.default_rng(0))
    mdp = TabularMDP(mdp.P, scale * mdp.r, mdp.gamma, mdp.rho0)
    best = mdp.rho0 @ value_iteration(mdp, tol=1e-11 * scale).V
    for method in PROGRAMS:
        solution = occupancy_program(mdp, method=method)
        assert abs(solution.value - best) <= 1e-9 * abs(best)
        assert solution.duality_gap <= 1e-9 * abs(best)
        assert solution.value <= best * (1 + 1e-12) <= solution.bound * (1 + 2e-12)


def test_the_certificate_holds_whatever_the_solver_did(monkeypatch):
    """A solver that gives nonsense gives a wide bracket, not a wrong one."""
    mdp = garnet(5, 2, 2, gamma=0.9, rng=np.random.default_rng(1))
    best = mdp.rho0 @ value_iteration(mdp, tol=1e-10).V
    rng = np.random.default_rng(2)
    whole = linprog

    def spoilt(*args, **options):
        result = whole(*args, **options)
        result.x = rng.random(result.x.size)
        result.eqlin.marginals = rng.normal(size=mdp.n_states)
        return result

    monkeypatch.setattr("scipy.optimize.linprog", spoilt)
    solution = occupancy_program(mdp)
    assert solution.value < best - 0.1
    assert solution.bound > best + 0.1
    monkeypatch.setattr("scipy.optimize.linprog", lambda *args, **options: whole([1.0], A_eq=[[0.0]], b_eq=[1.0]))
    with pytest.raises(RuntimeError, match="HiGHS found no solution"):
        occupancy_program(mdp)


@pytest.mark.proves("thm-lp", "eq-lp", "eq-dual")
def test_a_budget_is_a_price_in_the_bellman_equation():
    """Exercise ex-budget, Σ ρ ℓ ≤ B halfway between the cheapest policy's cost and the best one's, by scipy's program.

    For every price μ ≥ 0, value iteration on r − μℓ gives an upper bound, ρ₀·V + μB, which is attained at the program's
    own μ. What no deterministic policy reaches: the best of them that keeps the budget earns .62, the optimum is 3.01.
    """
    mdp = garnet(4, 3, 2, gamma=0.9, rng=np.random.default_rng(0))
    cost = np.random.default_rng(1).uniform(size=(4, 3))
    corners = deterministic_occupancies(mdp).rho
    earned, spent = ((corners * x).sum(axis=(1, 2)) for x in (mdp.r, cost))
    budget = (spent.min() + spent[earned.argmax()]) / 2
    flow = np.repeat(np.eye(4), 3, axis=1) - 0.9 * mdp.P.reshape(12, 4).T
    program = linprog(-mdp.r.ravel(), cost.reshape(1, 12), [budget], flow, mdp.rho0)
    optimum, price = -program.fun, -program.ineqlin.marginals[0]

    def priced(mu):
        solution = value_iteration(TabularMDP(mdp.P, mdp.r - mu * cost, 0.9, mdp.rho0), tol=1e-11)
        return mdp.rho0 @ solution.V + mu * budget, solution

    bound, solution = priced(price)
    assert bound == pytest.approx(optimum, abs=1e-8)
    for mu in (0.0, 0.5 * price, 0.999 * price, 1.001 * price, 2 * price):
        assert priced(mu)[0] > optimum + 1e-5
    # Lots are drawn in one state; there, at this price, two actions are equally good, and the values leave it open.
    rho = program.x.reshape(4, 3)
    (lots,) = np.flatnonzero((rho > 1e-9).sum(axis=1) > 1)
    worst, chosen = np.sort(solution.Q, axis=1)[:, -2:].T
    np.testing.assert_array_equal(chosen - worst < 1e-8, np.arange(4) == lots)
    assert optimum == pytest.approx(3.0081, abs=1e-4)
    assert earned[spent <= budget].max() == pytest.approx(0.6176, abs=1e-4)


# Vertices ---------------------------------------------------------------------------------------------------


def same_points(some, others):
    """Two sets of points are one."""
    some, others = (np.reshape(points, (len(points), -1)) for points in (some, others))
    distance = abs(some[:, None] - others[None]).max(axis=2)
    return distance.min(axis=0).max() < 1e-9 and distance.min(axis=1).max() < 1e-9


@pytest.mark.proves("prop-vertices")
@given(st.data())
@settings(max_examples=60)
def test_the_vertices_are_the_deterministic_policies(data):
    """All basic feasible solutions, 2 × 2 and 3 × 2, against all deterministic policies: one set."""
    mdp = data.draw(tabular_mdps(max_states=3, max_actions=2, sparse=False))
    P, _, gamma, rho0 = plain(mdp)
    vertices = deterministic_occupancies(mdp)
    assert vertices.actions.shape == (mdp.n_actions**mdp.n_states, mdp.n_states)
    for actions, rho in zip(vertices.actions, vertices.rho, strict=True):
        close(rho, occupancy(mdp, np.eye(mdp.n_actions)[actions]), 1e-13)
    assert same_points(oracles.flow_vertices(P, gamma, rho0), vertices.rho)


@pytest.mark.proves("prop-vertices")
@given(measured())
def test_a_point_of_d_is_a_vertex_iff_one_action_is_taken_in_each_state_it_visits(case):
    """By the rank of the active constraints: at a vertex the columns of the flow with ρ > 0 are independent."""
    mdp, rho = case
    positive = rho > 1e-9
    assume(((rho < 1e-13) | positive).all())
    columns = oracles.flow_matrix(plain(mdp)[0], mdp.gamma)[:, positive.ravel()]
    assert (np.linalg.matrix_rank(columns) == positive.sum()) == (positive.sum(axis=1) <= 1).all()


@pytest.mark.proves("prop-vertices", "thm-lp")
@pytest.mark.parametrize("seed", range(4))
def test_random_objectives_are_best_at_a_deterministic_policy_and_each_of_them_at_some(seed):
    rng = np.random.default_rng(seed)
    mdp = garnet(2 + seed % 2, 2, 2, gamma=0.8, rng=rng)
    corners = deterministic_occupancies(mdp).rho
    B, found = oracles.flow_matrix(plain(mdp)[0], mdp.gamma), set()
    for _ in range(200):
        objective = rng.normal(size=mdp.r.shape)
        best = linprog(-objective.ravel(), A_eq=B, b_eq=mdp.rho0).x.reshape(mdp.r.shape)
        distance = abs(corners - best).max(axis=(1, 2))
        assert distance.min() < 1e-8
        found.add(int(distance.argmin()))
    assert found == set(range(len(corners)))


# Mixing -----------------------------------------------------------------------------------------------------


@pytest.mark.proves("prop-mixing", "thm-return")
@given(compared(), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_mixed_occupancies_have_the_mixed_return_and_a_policy_of_their_own(case, alpha):
    """(1−α)ρ + αρ' is in D, its return is the mean, and its policy weighs π and π' by how often they are there."""
    mdp, pi, new = case
    mixed = mix(mdp, pi, new, [alpha])
    rho, rho_new = (values(mdp, policy)[2][:, None] * policy for policy in (pi, new))
    close(mixed.of_occupancies[0], (1 - alpha) * rho + alpha * rho_new, 1e-11)
    close(mixed.of_policies[0], occupancy(mdp, (1 - alpha) * pi + alpha * new), 1e-12)
    check_occupancy(mdp, mixed.of_occupancies[0])
    wanted = (1 - alpha) * expected_return(mdp, pi) + alpha * expected_return(mdp, new)
    close((mixed.of_occupancies[0] * mdp.r).sum(), wanted, 1e-10)
    back = policy_from_occupancy(mixed.of_occupancies[0])
    weight = np.array([(1 - alpha) * rho.sum(axis=1), alpha * rho_new.sum(axis=1)])
    share = (weight / np.where(back.visited, weight.sum(axis=0), 1.0))[:, :, None]
    close(back.pi[back.visited], (share[0] * pi + share[1] * new)[back.visited], 1e-12)


@pytest.mark.proves("prop-mixing")
def test_mixing_policies_is_not_mixing_occupancies():
    """In "detour", to move on is worth 9, to stay 2, and even odds not 5.5 but 8.36.

    By hand, moving on with probability p: V(1) = 10 and V(0) = .2(1−p) + .9((1−p) V(0) + p V(1)).
    """
    mdp = two_by_two("detour")
    pi, new = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    p = np.linspace(0, 1, 11)
    mixed = mix(mdp, pi, new, p)
    by_hand = (0.2 * (1 - p) + 9 * p) / (0.1 + 0.9 * p)
    returns = (mixed.of_policies * mdp.r).sum(axis=(1, 2))
    np.testing.assert_allclose(returns, by_hand, rtol=1e-12)
    straight = (mixed.of_occupancies * mdp.r).sum(axis=(1, 2))
    np.testing.assert_allclose(straight, (1 - p) * by_hand[0] + p * by_hand[-1], rtol=1e-12)
    assert (returns - straight)[1:-1].min() > 0.5
    assert abs(mixed.of_policies - mixed.of_occupancies)[5].max() > 0.1


# Entropy ----------------------------------------------------------------------------------------------------


@pytest.mark.proves("prop-entropy-concave")
@given(st.data())
def test_the_entropy_is_the_policys_along_the_way(data):
    mdp = data.draw(tabular_mdps())
    pi = data.draw(policies(mdp))
    rho_s = values(mdp, pi)[2]
    by_state = [-sum(p * np.log(p) for p in row if p > 0) for row in pi]
    close(occupancy_entropy(occupancy(mdp, pi)), rho_s @ by_state, 1e-10)


@pytest.mark.proves("prop-entropy-concave")
@given(arrays(3, 2, elements=st.integers(0, 8)), arrays(3, 2, elements=st.integers(0, 8)))
def test_the_entropy_is_concave_and_strictly_but_along_equal_policies(rho, other):
    """H is positively homogeneous, so concave means H(ρ + ρ') ≥ H(ρ) + H(ρ'); equal iff π agrees where both come."""
    assume(rho.any() and other.any())
    excess = occupancy_entropy(rho + other) - occupancy_entropy(rho) - occupancy_entropy(other)
    middle = 2 * occupancy_entropy((rho + other) / 2) - occupancy_entropy(rho) - occupancy_entropy(other)
    close(middle, excess, 1e-12)
    assert excess >= -1e-12
    one, two = policy_from_occupancy(rho), policy_from_occupancy(other)
    both = one.visited & two.visited
    assert (excess > 1e-9) == (abs(one.pi - two.pi)[both].max(initial=0) > 1e-9)


@pytest.mark.proves("prop-entropy-concave")
@pytest.mark.parametrize("seed", range(5))
def test_the_entropys_curvature(seed):
    """d²/dε² H(ρ + εd) = −Σ d²/ρ + Σ_s (Σ_a d)²/ν = −Σ ρ (d/ρ − mean_π d/ρ)²: 0 along d = c(s)ρ alone."""
    rng = np.random.default_rng(seed)
    rho, d = rng.random((3, 3)) + 0.5, rng.normal(size=(3, 3))
    pi, nu = rho / rho.sum(axis=1, keepdims=True), rho.sum(axis=1)
    step = 1e-3

    def curvature(direction):
        points = [occupancy_entropy(rho + k * step * direction) for k in (-1, 0, 1)]
        return (points[0] - 2 * points[1] + points[2]) / step**2

    wanted = -(d**2 / rho).sum() + (d.sum(axis=1) ** 2 / nu).sum()
    centred = d / rho - (pi * d / rho).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(wanted, -(rho * centred**2).sum(), rtol=1e-12)
    assert wanted < -0.1
    np.testing.assert_allclose(curvature(d), wanted, rtol=1e-4)
    assert abs(curvature(rng.normal(size=(3, 1)) * rho)) < 1e-6


@pytest.mark.proves("prop-entropy-concave")
@given(st.data(), st.sampled_from([0.05, 0.5, 2.0]))
def test_the_entropy_program_is_solved_by_soft_value_iteration(data, alpha):
    """The bracket closes at ρ₀·V_α, and every other measure of D stays below."""
    mdp = data.draw(tabular_mdps(discounts=st.sampled_from([0.0, 0.5, 0.9])))
    solution, soft = entropy_program(mdp, alpha), soft_value_iteration(mdp, alpha, tol=1e-10)
    scale = max(1.0, abs(soft.V).max())
    P, r, gamma, rho0 = plain(mdp)
    truth, _ = oracles.soft_optimum(P, r, gamma, alpha)
    close(solution.value, float(rho0 @ truth), 1e-9)
    close(solution.V, np.array(truth, dtype=float), 1e-9)
    close(solution.pi, soft.pi, 1e-6)
    assert -1e-9 * scale <= solution.duality_gap <= 1e-8 * scale
    check_occupancy(mdp, solution.rho)
    close(solution.rho, occupancy(mdp, solution.pi), 1e-12)
    lse = alpha * np.log(np.exp((r + gamma * P @ solution.V - solution.V[:, None]) / alpha).sum(axis=1))
    assert lse.max() <= 1e-8 * scale / alpha  # the dual's constraint, V ≥ lse Q_V
    pi = data.draw(policies(mdp))
    rho = occupancy(mdp, pi)
    value = (rho * r).sum() + alpha * occupancy_entropy(rho)
    assert value <= solution.bound + 1e-9 * scale
    # … by α Σ ρ(s) KL(π‖π_α), which is what makes the maximum unique
    divergence = np.array([oracles.kl(p, q) for p, q in zip(pi, solution.pi, strict=True)])
    close(solution.value - value, alpha * rho.sum(axis=1) @ divergence, 1e-6)


# From samples -----------------------------------------------------------------------------------------------


def coin(gamma=0.9):
    """Two states and two actions at even odds everywhere: with an even policy all trajectories are equally likely."""
    return TabularMDP(np.full((2, 2, 2), 0.5), [[1.0, -1.0], [2.0, 0.5]], gamma, [0.5, 0.5])


def all_of_them(mdp, pi, horizon):
    """Every trajectory once, as a batch."""
    taus = list(oracles.trajectories(*plain(mdp), pi, horizon))
    assert np.ptp([tau.probability for tau in taus]) == 0
    return Trajectories(*(np.array(column) for column in list(zip(*taus, strict=True))[:3]))


@pytest.mark.proves("prop-empirical")
def test_the_empirical_occupancy_is_unbiased_but_for_the_steps_not_taken():
    """Averaged over all trajectories, each once: ρ_T entry by entry, and γᵀ/(1−γ) is missing."""
    mdp, pi, horizon = coin(), np.full((2, 2), 0.5), 4
    batch = all_of_them(mdp, pi, horizon)
    estimate = estimate_occupancy(mdp, batch)
    np.testing.assert_allclose(estimate.rho, (1 - 0.9**4) / 0.1 / 4, rtol=1e-13)
    np.testing.assert_allclose(estimate.missing, 0.9**4 / 0.1, rtol=1e-13)
    np.testing.assert_allclose((occupancy(mdp, pi) - estimate.rho).sum(), estimate.missing, rtol=1e-12)
    counts = np.zeros((len(batch.states), 2, 2))
    for i, (states, actions) in enumerate(zip(batch.states, batch.actions, strict=True)):
        for t in range(horizon):
            counts[i, states[t], actions[t]] += 0.9**t
    np.testing.assert_allclose(estimate.error, counts.std(axis=0, ddof=1) / np.sqrt(len(counts)), rtol=1e-12)


@pytest.mark.proves("prop-empirical")
@pytest.mark.parametrize("seed", range(4))
def test_the_empirical_occupancy_is_within_its_error(seed):
    """400 batches: errors in units of the stated one have mean 0 and mean square 1, and none is large."""
    rng = np.random.default_rng(seed)
    mdp, horizon, batches, n = garnet(4, 2, 2, gamma=0.8, rng=rng), 40, 400, 400
    pi = softmax_policy(rng.normal(size=mdp.r.shape))
    rho, z = occupancy(mdp, pi), np.empty((batches, *mdp.r.shape))
    for i in range(batches):
        estimate = estimate_occupancy(mdp, sample_trajectories(mdp, pi, n, horizon, rng))
        assert (abs(estimate.rho - rho) <= 5.5 * estimate.error + estimate.missing).all()
        z[i] = (estimate.rho - rho) / estimate.error
    # the mean of 400 z's has error 1/20; their mean square, of variance 2 or a little more, √2/20
    assert abs(z.mean(axis=0)).max() < 5 / 20
    assert abs((z**2).mean(axis=0) - 1).max() < 6 * 2**0.5 / 20


@pytest.mark.proves("prop-empirical")
def test_more_episodes_halve_the_error_and_not_the_missing_mass():
    rng = np.random.default_rng(0)
    mdp, pi = coin(), np.full((2, 2), 0.5)
    few, many = (estimate_occupancy(mdp, sample_trajectories(mdp, pi, n, 10, rng)) for n in (5000, 20_000))
    np.testing.assert_allclose(many.error / few.error, 0.5, atol=0.05)
    assert many.missing == few.missing == pytest.approx(0.9**10 / 0.1)
    assert (occupancy(mdp, pi) - many.rho).sum() == pytest.approx(many.missing, rel=1e-9)


# One policy seen from another -------------------------------------------------------------------------------


@pytest.mark.proves("thm-difference", "eq-difference", "eq-difference-states")
@given(compared())
@settings(max_examples=100)
def test_the_performance_difference(case):
    mdp, pi, new = case
    V, Q, _ = values(mdp, pi)
    V_new, _, visits = values(mdp, new)
    truth = mdp.rho0 @ (V_new - V)
    difference = performance_difference(mdp, pi, new)
    scale = max(1.0, abs(V).max(), abs(V_new).max())
    assert abs(difference.value - truth) <= 1e-10 * scale
    wanted = [visits[s] * sum(new[s, a] * (Q[s, a] - V[s]) for a in range(mdp.n_actions)) for s in range(mdp.n_states)]
    assert abs(difference.by_state - wanted).max() <= 1e-10 * scale / (1 - mdp.gamma)
    assert abs(difference.by_state.sum() - difference.value) <= 1e-12 * scale / (1 - mdp.gamma)
    assert performance_difference(mdp, pi, pi).value == pytest.approx(0, abs=1e-10 * scale)


@pytest.mark.proves("thm-difference", "eq-difference")
@given(compared(max_states=2))
@settings(max_examples=15)
def test_the_sum_of_advantages_telescopes(case):
    """E_π' Σ_{t<N} γᵗ A_π = η_N(π') + γᴺ E V_π(s_N) − η(π), by enumeration: what vanishes as N grows is γᴺ E V."""
    mdp, pi, new = case
    V, Q, _ = values(mdp, pi)
    plainly, horizon = plain(mdp), 4

    def advantages(tau):
        pairs = zip(tau.states, tau.actions, strict=True)
        return sum(mdp.gamma**t * (Q[pair] - V[pair[0]]) for t, pair in enumerate(pairs))

    left = oracles.mean(advantages, plainly, new, horizon)
    later = oracles.visits(*plainly, new, horizon + 1)[horizon] @ V
    right = oracles.expected_return(*plainly, new, horizon) + mdp.gamma**horizon * later - mdp.rho0 @ V
    close(left, right, 1e-10)


@pytest.mark.proves("thm-difference")
def test_the_sampled_difference_is_unbiased_but_for_the_steps_not_taken():
    mdp, even, horizon = coin(), np.full((2, 2), 0.5), 5
    pi = np.array([[0.9, 0.1], [0.2, 0.8]])
    V, Q, _ = values(mdp, pi)
    estimate = estimate_performance_difference(mdp, pi, all_of_them(mdp, even, horizon))
    wanted = sum(0.9**t for t in range(horizon)) * (Q - V[:, None]).mean()
    assert estimate.value == pytest.approx(wanted, rel=1e-12)
    assert estimate.missing == pytest.approx(0.9**5 / 0.1 * abs(Q - V[:, None]).max(), rel=1e-12)
    assert abs(performance_difference(mdp, pi, even).value - estimate.value) <= estimate.missing


@pytest.mark.proves("thm-difference")
def test_the_sampled_difference_is_within_its_error():
    rng = np.random.default_rng(7)
    mdp = garnet(5, 3, 2, gamma=0.8, rng=rng)
    pi, new = (softmax_policy(rng.normal(size=mdp.r.shape)) for _ in range(2))
    truth, z = performance_difference(mdp, pi, new).value, np.empty(400)
    for i in range(400):
        estimate = estimate_performance_difference(mdp, pi, sample_trajectories(mdp, new, 200, 60, rng))
        z[i] = (estimate.value - truth) / estimate.error
        assert estimate.missing < 0.01 * estimate.error
    assert abs(z.mean()) < 4 / 20
    assert abs((z**2).mean() - 1) < 5 * 2**0.5 / 20


@pytest.mark.proves("prop-surrogate-wrong")
@given(compared())
def test_with_the_old_visits_it_is_the_surrogate_and_with_the_old_actions_nothing(case):
    mdp, pi, new = case
    V, Q, visits = values(mdp, pi)
    _, _, visits_new = values(mdp, new)
    A = Q - V[:, None]
    close(surrogate(mdp, pi, new) - mdp.rho0 @ V, visits @ (new * A).sum(axis=1), 1e-9)
    assert abs(visits_new @ (pi * A).sum(axis=1)) < 1e-9 * max(1.0, abs(V).max()) / (1 - mdp.gamma)


@pytest.mark.proves("prop-tangent")
@given(st.data())
@settings(max_examples=25)
def test_the_surrogate_is_tangent_at_pi(data):
    """In every direction d along the policies L_π and η have one slope at π, Σ_s ρ_π(s) Σ_a d(s,a) A_π(s,a)."""
    mdp = data.draw(tabular_mdps(discounts=GENTLE))
    pi = softmax_policy(data.draw(thetas(mdp)) / 2)
    d = data.draw(arrays(*mdp.r.shape))
    d = d - d.mean(axis=1, keepdims=True)
    d = 0.5 * pi.min() * d / max(1.0, abs(d).max())

    def along(f):
        return oracles.finite_difference(lambda x: f(pi + x[0] * d), np.zeros(1), step=1e-3)[0]

    V, Q, visits = values(mdp, pi)
    wanted = visits @ (d * (Q - V[:, None])).sum(axis=1)
    scale = max(1.0, abs(V).max())
    assert surrogate(mdp, pi, pi) == pytest.approx(expected_return(mdp, pi), abs=1e-10 * scale)
    assert abs(along(lambda new: surrogate(mdp, pi, new)) - wanted) <= 1e-9 * scale
    assert abs(along(lambda new: expected_return(mdp, new)) - wanted) <= 2e-5 * scale


@pytest.mark.proves("prop-tangent")
def test_the_surrogate_leaves_the_return_by_second_order():
    """Halving the step quarters the gap, on an example in which the second order is not zero."""
    rng = np.random.default_rng(0)
    mdp = garnet(4, 2, 2, gamma=0.9, rng=rng)
    pi, new = (softmax_policy(rng.normal(size=mdp.r.shape)) for _ in range(2))
    path = mixture_path(mdp, pi, new, [1e-2, 5e-3, 2.5e-3])
    gap = path.eta - path.surrogate
    assert abs(gap).min() > 1e-7
    np.testing.assert_allclose(gap[:-1] / gap[1:], 4, rtol=0.05)


@pytest.mark.proves("eq-difference-states", "prop-surrogate-wrong")
def test_the_old_policys_transitions_hold_the_difference_where_a_critic_reads_them():
    """Exercise ex-roles: −Σ ρ_π A^π' with Q^π' by LSTD-Q, from nothing but the law of (s, a, s') under π.

    E[φ(s,a)(φ(s,a) − γ Σ_a' π'(a'|s') φ(s',a'))ᵀ] w = E[φ r] in features of full rank, all means taken exactly.
    """
    rng = np.random.default_rng(0)
    mdp = garnet(5, 3, 2, gamma=0.9, rng=rng)
    pi, new = (softmax_policy(rng.normal(size=(5, 3))) for _ in range(2))
    P, r, gamma, rho0 = plain(mdp)
    _, rho_s = oracles.power_series(P, r, gamma, rho0, pi)
    seen = rho_s[:, None] * pi  # π's visits
    law = seen[..., None] * P  # of its transitions
    features = rng.normal(size=(5, 3, 15))
    ahead = np.einsum("xb,xbk->xk", new, features)
    M = np.einsum("sax,sai,saxj->ij", law, features, features[:, :, None] - gamma * ahead)
    w = np.linalg.solve(M, np.einsum("sa,sai,sa->i", seen, features, r))
    Q = features @ w
    found = -(seen * (Q - (new * Q).sum(axis=1, keepdims=True))).sum()
    truth = expected_return(mdp, new) - expected_return(mdp, pi)
    assert found == pytest.approx(truth, abs=1e-9)
    assert abs(surrogate(mdp, pi, new) - expected_return(mdp, pi) - truth) > 0.05  # what the surrogate would say


# Bounds -----------------------------------------------------------------------------------------------------


def leaver(gamma=0.9):
    """State 0 is left for good by action 1. A_π is 1 there and −1 in state 1, π the policy that always takes 0.

    π' takes action 1 everywhere: along (1−α)π + απ' the bounds are all but attained.
    """
    P = np.zeros((2, 2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 1] = 1.0
    return TabularMDP(P, [[0.0, 1.0], [0.0, -1.0]], gamma, [1.0, 0.0]), np.eye(2)[[0, 0]], np.eye(2)[[1, 1]]


def slack(gap, bound):
    """How far the gap is within the bound, with rounding allowed for."""
    return bound - gap + 1e-9 * max(1.0, bound)


@pytest.mark.proves("prop-average-bound", "prop-mixture-bound", "thm-trpo-bound")
@given(compared(), st.sampled_from([0.1, 0.5, 1.0]))
@settings(max_examples=150)
def test_the_bounds_hold_and_are_ordered(case, alpha):
    """|η − L| ≤ ε‖ρ_π' − ρ_π‖₁ ≤ average ≤ TRPO's, also for the mixture, which has a bound of its own besides."""
    mdp, pi, end = case
    gamma = mdp.gamma
    V, Q, visits = values(mdp, pi)
    A = Q - V[:, None]
    for new in (end, (1 - alpha) * pi + alpha * end):
        V_new, _, visits_new = values(mdp, new)
        gap = abs(mdp.rho0 @ (V_new - V) - visits @ (new * A).sum(axis=1))
        epsilon, distance = abs((new * A).sum(axis=1)).max(), abs(new - pi).sum(axis=1) / 2
        average = 2 * gamma * epsilon * ((1 - gamma) * visits) @ distance / (1 - gamma) ** 2
        close(average_bound(mdp, pi, new), average, 1e-9)
        close(total_variation(pi, new), distance, 1e-14)
        shift = epsilon * abs(visits_new - visits).sum()
        assert slack(gap, shift) >= 0
        assert slack(shift, average) >= 0
        assert slack(average, trust_region_bound(mdp, pi, new)) >= 0
    bound = 2 * gamma * abs((end * A).sum(axis=1)).max() * alpha**2 / ((1 - gamma) * (1 - gamma * (1 - alpha)))
    close(mixture_bound(mdp, pi, end, alpha), bound, 1e-9)
    assert slack(gap, bound) >= 0
    assert slack(bound, bound * (1 - gamma * (1 - alpha)) / (1 - gamma)) >= 0  # the form with (1−γ)² is weaker


@pytest.mark.proves("prop-mixture-bound", "prop-average-bound")
@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.99])
def test_the_bounds_are_attained(gamma):
    """On `leaver` the mixture's bound is an equality, the average's tends to one as α → 0, and TRPO's is twice that."""
    mdp, pi, new = leaver(gamma)
    for alpha in (0.001, 0.1, 0.7, 1.0):
        mixed = (1 - alpha) * pi + alpha * new
        gap = abs(expected_return(mdp, mixed) - surrogate(mdp, pi, mixed))
        assert mixture_bound(mdp, pi, new, alpha) == pytest.approx(gap, rel=1e-10)
        assert average_bound(mdp, pi, mixed) == pytest.approx(gap * (1 - gamma * (1 - alpha)) / (1 - gamma), rel=1e-10)
        assert trust_region_bound(mdp, pi, mixed) == pytest.approx(2 * average_bound(mdp, pi, mixed), rel=1e-10)


@pytest.mark.proves("prop-mixture-bound", "prop-average-bound")
def test_of_the_mixtures_bound_and_the_averages_either_may_be_smaller():
    """For small α the average's is smaller by E TV; at α = 1 the mixture's by 1−γ, if π and π' differ everywhere."""
    rng = np.random.default_rng(1)
    mdp = garnet(4, 2, 2, gamma=0.9, rng=rng)
    pi, new = (softmax_policy(rng.normal(size=mdp.r.shape) / 4) for _ in range(2))
    near = 0.99 * pi + 0.01 * new
    assert average_bound(mdp, pi, near) < mixture_bound(mdp, pi, new, 0.01) / 2
    mdp, pi, new = leaver()
    assert mixture_bound(mdp, pi, new, 1.0) < average_bound(mdp, pi, new) / 5


@pytest.mark.proves("prop-average-bound")
def test_the_average_bound_may_be_far_below_the_maximums():
    """π' differs from π only in a state that π seldom visits: E TV is small where max TV is 1."""
    P = np.zeros((3, 2, 3))
    P[0, :, 0], P[0, :, 1], P[1, :, 2], P[2, :, 0] = 0.99, 0.01, 1.0, 1.0
    mdp = TabularMDP(P, [[0.0, 0.0], [1.0, -1.0], [0.0, 0.0]], 0.9, [1.0, 0.0, 0.0])
    pi, new = np.eye(2)[[0, 0, 0]], np.eye(2)[[0, 1, 0]]
    assert total_variation(pi, new).max() == 1
    assert average_bound(mdp, pi, new) < trust_region_bound(mdp, pi, new) / 100


@pytest.mark.proves("thm-difference", "prop-mixture-bound", "prop-average-bound", "thm-trpo-bound")
@given(compared())
@settings(max_examples=25)
def test_the_path_is_what_its_points_are(case):
    mdp, pi, new = case
    shares = np.array([0.0, 0.3, 1.0])
    path = mixture_path(mdp, pi, new, shares)
    for i, alpha in enumerate(shares):
        mixed = (1 - alpha) * pi + alpha * new
        close(path.eta[i], expected_return(mdp, mixed), 1e-9)
        close(path.surrogate[i], surrogate(mdp, pi, mixed), 1e-9)
        close(path.by_state[i], performance_difference(mdp, pi, mixed).by_state, 1e-9)
        close(path.mixture[i], mixture_bound(mdp, pi, new, alpha), 1e-9)
        close(path.average[i], average_bound(mdp, pi, mixed), 1e-9)
        close(path.trust_region[i], trust_region_bound(mdp, pi, mixed), 1e-9)


# Imitation --------------------------------------------------------------------------------------------------


@pytest.mark.proves("prop-imitation")
@given(compared())
def test_policies_that_visit_alike_earn_alike(case):
    """|η(π) − η(π')| ≤ r_max ‖ρ_π − ρ_π'‖₁ ≤ r_max √(8 JS)/(1−γ); some reward attains the first."""
    mdp, pi, new = case
    rho, rho_new = occupancy(mdp, pi), occupancy(mdp, new)
    distance = abs(rho - rho_new).sum()
    r_max = abs(mdp.r).max()
    assert abs(expected_return(mdp, pi) - expected_return(mdp, new)) <= r_max * distance + 1e-9
    worst = TabularMDP(mdp.P, np.sign(rho - rho_new), mdp.gamma, mdp.rho0)
    assert expected_return(worst, pi) - expected_return(worst, new) == pytest.approx(distance, abs=1e-9)
    divergence = jensen_shannon(rho, rho_new)
    assert -1e-12 <= divergence <= np.log(2) + 1e-12
    # JS is quadratic near 0: rounding of 1e-16 in it is 1e-8 in its root
    assert distance <= (8 * max(divergence, 0)) ** 0.5 / (1 - mdp.gamma) + 1e-6
    assert (divergence > 1e-12) == (distance > 1e-5) or distance < 1e-4


@pytest.mark.proves("prop-imitation")
@given(compared(), st.data())
def test_the_best_discriminator_tells_the_divergence(case, data):
    """E_ρ log D + E_ρ' log(1−D), with (1−γ)ρ: at D = ρ/(ρ+ρ') it is 2 JS − log 4, at any other no more."""
    mdp, pi, new = case
    p, q = ((1 - mdp.gamma) * occupancy(mdp, policy) for policy in (pi, new))

    def objective(D):
        return float(xlogy(p, D).sum() + xlogy(q, 1 - D).sum())  # 0 log 0 = 0

    total = p + q
    best = np.divide(p, total, out=np.full_like(p, 0.5), where=total > 0)
    js = jensen_shannon(p, q)
    assert objective(best) == pytest.approx(2 * js - np.log(4), abs=1e-11)
    other = data.draw(arrays(*p.shape, elements=st.integers(1, 9))) / 10
    assert objective(other) <= 2 * js - np.log(4) + 1e-11
    assert js == pytest.approx(jensen_shannon(q, p), abs=1e-14)


def test_the_divergence_of_measures_apart_is_log_2():
    assert jensen_shannon([[1.0, 0.0]], [[0.0, 7.0]]) == pytest.approx(np.log(2), abs=1e-15)
    assert jensen_shannon([[1.0, 3.0]], [[2.0, 6.0]]) == 0


# What the chapter prints ------------------------------------------------------------------------------------

TOWNS = TabularMDP([[[1, 0], [0, 1]], [[0, 1], [1, 0]]], [[1, 0], [3, 0]], 0.5, [1, 0])  # stay, go
COIN = np.array([[0.5, 0.5], [1, 0]])


def chapters_pair():
    """The chapter's MDP with π and π', as its cells make them."""
    mdp = garnet(5, 3, 2, gamma=0.9, rng=np.random.default_rng(0))
    return mdp, *(softmax_policy(np.random.default_rng(seed).normal(size=(5, 3))) for seed in (0, 1))


@pytest.mark.proves("def-occupancy", "prop-flow", "thm-return", "thm-bijection", "thm-lp")
def test_two_towns_are_as_they_are_told():
    """By hand: counts 2/3, 2/3 and 2/3, 0; what flows, 4/3 = 1 + 1/3; the return 8/3; and the prices (3, 6)."""
    by_hand = np.array([[2, 2], [2, 0]]) / 3
    begun = history_occupancy(TOWNS, lambda history: COIN[history[-1]], 12)
    assert abs(begun - by_hand).sum() == pytest.approx(2 * 0.5**12)
    close(occupancy(TOWNS, COIN), by_hand, 1e-14)
    moved = 0.5 * by_hand  # half of it goes on
    assert by_hand[0].sum() == pytest.approx(1 + moved[0, 0] + moved[1, 1])
    assert by_hand[1].sum() == pytest.approx(moved[0, 1] + moved[1, 0])
    assert (moved[0, 0], moved[0, 1], moved[1, 0]) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert expected_return(TOWNS, COIN) == pytest.approx(8 / 3)
    close(policy_from_occupancy(by_hand).pi, COIN, 1e-15)
    V = np.array([3, 6])
    slack = V[:, None] - TOWNS.r - 0.5 * np.array([[3, 6], [6, 3]])
    np.testing.assert_array_equal(slack, [[0.5, 0], [0, 4.5]])
    assert 3 - 8 / 3 == pytest.approx((by_hand * slack).sum()) == pytest.approx(2 / 3 * 1 / 2)
    assert expected_return(TOWNS, [[0, 1], [1, 0]]) == pytest.approx(3)
    assert occupancy_program(TOWNS).bound == pytest.approx(3)


def algorithm():
    """The source of the chapter's cell with the tag "algorithm"."""
    (source,) = (source for source, tags in code_cells(4) if "algorithm" in tags)
    return source


@pytest.mark.proves("thm-lp", "eq-lp", "eq-dual", "eq-flow")
@given(tabular_mdps(sparse=False))
@settings(max_examples=25)
def test_the_lines_of_the_algorithm_do_what_the_package_does(mdp):
    mdp = started(mdp)
    names = {"mdp": mdp, "np": np, "policy_iteration": policy_iteration}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(algorithm(), names)
    solution = occupancy_program(mdp)
    scale = max(1.0, abs(solution.V).max())
    assert (names["rho"] * mdp.r).sum() == pytest.approx(solution.value, abs=1e-6 * scale)
    assert abs(names["V"] - solution.V).max() <= 1e-6 * scale
    check_occupancy(mdp, names["rho"], tol=1e-6)
    chosen = policy_from_occupancy(np.maximum(names["rho"], 0)).pi
    assert expected_return(mdp, chosen) == pytest.approx(solution.value, abs=1e-5 * scale)


@pytest.mark.proves("prop-histories")
def test_the_policy_of_a_memory_belongs_to_its_discount_and_its_start():
    """What turns from one action to the other after a step, in one state: (1−γ, γ), another with each γ."""
    found = []
    for gamma in (0.5, 0.9):
        mdp = TabularMDP(np.ones((1, 2, 1)), [[0, 0]], gamma, [1])
        rho = history_occupancy(mdp, lambda history: np.eye(2)[min(len(history) // 2, 1)], 400)
        np.testing.assert_allclose(rho, [[1, gamma / (1 - gamma)]], rtol=1e-12)
        found.append(policy_from_occupancy(rho).pi[0])
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.1, 0.9]], rtol=1e-12)


@pytest.mark.proves("thm-lp")
def test_a_budgets_frontier_is_as_it_is_drawn():
    """Concave, above the best deterministic policy within the budget, by up to 17 %, and its slope is the price."""
    mdp, *_ = chapters_pair()
    cost = np.random.default_rng(1).uniform(size=(5, 3))
    corners = [occupancy(mdp, np.eye(3)[list(actions)]) for actions in itertools.product(range(3), repeat=5)]
    earned, spent = (np.array([(rho * x).sum() for rho in corners]) for x in (mdp.r, cost))
    top = spent[earned.argmax()]
    budgets = np.linspace(spent.min() + 1e-6, top, 80)
    frontier = budget_frontier(mdp, cost, budgets)
    pure = np.array([earned[spent <= B].max() for B in budgets])
    assert np.diff(frontier.values, 2).max() < 1e-9
    assert np.diff(frontier.values).min() > 0
    slopes = np.diff(frontier.values) / np.diff(budgets)
    assert (slopes <= frontier.multipliers[:-1] + 1e-6).all()
    assert (slopes >= frontier.multipliers[1:] - 1e-6).all()
    assert (frontier.values - pure).min() > -1e-9
    assert (1 - pure / frontier.values).max() == pytest.approx(0.17, abs=0.001)
    np.testing.assert_allclose([budgets[0], top, *frontier.values[[0, -1]]], [2.21, 4.03, 5.68, 8.47], atol=0.005)


def test_a_policy_that_watches_the_clock_keeps_a_budget_better_than_a_stationary_one():
    """Deterministic both: one rule up to a time, another from then on, against the best single rule."""
    mdp, *_ = chapters_pair()
    cost, B = np.random.default_rng(1).uniform(size=(5, 3)), 3.134
    rules = [np.eye(3)[list(actions)] for actions in itertools.product(range(3), repeat=5)]
    earned, spent = (np.array([(occupancy(mdp, pi) * x).sum() for pi in rules]) for x in (mdp.r, cost))
    stationary = earned[spent <= B].max()
    lots = budget_frontier(mdp, cost, np.array([B])).values[0]
    best = -np.inf
    first = rules[earned.argmax()]
    for switch in range(1, 30):
        early, start = np.zeros_like(mdp.r), mdp.rho0
        for t in range(switch):
            rho = start[:, None] * first
            early, start = early + mdp.gamma**t * rho, mdp.flow(rho)
        for then in rules:
            rho = early + mdp.gamma**switch * occupancy(TabularMDP(mdp.P, mdp.r, mdp.gamma, start), then)
            if (rho * cost).sum() <= B:
                best = max(best, (rho * mdp.r).sum())
    assert stationary == pytest.approx(6.157, abs=0.001)
    assert lots == pytest.approx(7.421, abs=0.001)
    assert stationary + 0.9 < best < lots


@pytest.mark.proves("prop-mixture-bound", "prop-average-bound", "thm-trpo-bound")
def test_the_picture_of_the_bounds_is_as_its_words_say():
    """The error changes its sign near .27, two bounds cross near .28, and all lie as far above it as is said."""
    mdp, pi, _ = chapters_pair()
    other = softmax_policy(np.random.default_rng(1).normal(size=(5, 3)))
    shares = np.linspace(0.2, 0.4, 201)
    path = mixture_path(mdp, pi, other, shares)
    signs, cross = path.eta - path.surrogate, path.mixture - path.average
    assert shares[1:][np.diff(np.sign(signs)) != 0] == pytest.approx(0.27, abs=0.005)
    assert shares[1:][np.diff(np.sign(cross)) != 0] == pytest.approx(0.28, abs=0.005)
    ends = mixture_path(mdp, pi, other, np.array([1e-3, 1.0]))
    bounds = np.array([ends.mixture, ends.average, ends.trust_region])
    above = np.log10(bounds / abs(ends.eta - ends.surrogate))
    assert above[:, 0].min() > 3
    assert 2 < above[:, 1].min() < above[:, 1].max() < 3.5


@pytest.mark.proves("thm-lp", "prop-vertices")
@given(st.data())
def test_a_pivot_is_an_improvement_in_one_state(data):
    """Exercise ex-pivot: priced so that π's columns of the flow are worth what they earn, the others have A_π."""
    mdp = data.draw(tabular_mdps(sparse=False))
    (S, A), (P, r, gamma, _) = mdp.r.shape, plain(mdp)
    actions = np.array([data.draw(st.integers(0, A - 1)) for _ in range(S)])
    B, mine = oracles.flow_matrix(P, gamma), np.arange(S) * A + actions
    prices = np.linalg.solve(B[:, mine].T, r.ravel()[mine])
    reduced = (r.ravel() - B.T @ prices).reshape(S, A)
    V, Q, _ = values(mdp, np.eye(A)[actions])
    close(prices, V, 1e-9)
    close(reduced, Q - V[:, None], 1e-9)
    s, a = np.unravel_index(reduced.argmax(), reduced.shape)
    assume(reduced[s, a] > 1e-6)
    changed = np.where(np.arange(S) == s, a, actions)
    better = values(mdp, np.eye(A)[changed])[0]
    assert (better - V).min() >= -1e-9 * max(1.0, abs(V).max())
    assert better[s] > V[s]


@pytest.mark.proves("prop-entropy-concave")
@pytest.mark.parametrize("alpha", [0.1, 1.0])
def test_a_solver_that_knows_d_alone_finds_the_soft_optimum(alpha):
    """max {ρ·r + αH(ρ) : ρ ∈ D} by sequential quadratic programs, H and its slope −log ρ/ν written out here."""
    mdp, *_ = chapters_pair()
    P, r, gamma, rho0 = plain(mdp)
    B = oracles.flow_matrix(P, gamma)

    def loss(x):
        rho = x.reshape(r.shape)
        logs = alpha * np.log(rho / rho.sum(axis=1, keepdims=True)) - r
        return (rho * logs).sum(), logs.ravel()

    found = minimize(
        loss,
        np.ones(15),
        jac=True,
        bounds=[(1e-12, None)] * 15,
        constraints={"type": "eq", "fun": lambda x: B @ x - rho0, "jac": lambda x: B},
        options={"ftol": 1e-15, "maxiter": 500},
    )
    truth, _ = oracles.soft_optimum(P, r, gamma, alpha)
    assert -found.fun == pytest.approx(float(rho0 @ truth), abs=1e-8)
    wanted = entropy_program(mdp, alpha)
    assert wanted.value == pytest.approx(-found.fun, abs=1e-8)
    rho = found.x.reshape(r.shape)
    assert abs(rho / rho.sum(axis=1, keepdims=True) - wanted.pi).max() < 1e-5


@pytest.mark.proves("prop-entropy-concave")
@given(compared(), st.sampled_from([0.2, 0.5, 0.9]))
def test_what_the_entropy_lies_above_its_chord_by(case, share):
    """The divergences of the ends' policies from that between them, weighed by their visits: the proof's display."""
    mdp, pi, new = case
    ends = [occupancy(mdp, policy) for policy in (pi, new)]
    between = (1 - share) * ends[0] + share * ends[1]
    p = between / np.where(between.sum(axis=1, keepdims=True) > 0, between.sum(axis=1, keepdims=True), 1)
    parts = [
        rho.sum(axis=1)[s] * oracles.kl(policy[s], p[s]) if rho[s].sum() > 0 else 0.0
        for rho, policy in zip(ends, (pi, new), strict=True)
        for s in range(mdp.n_states)
    ]
    weights = np.repeat([1 - share, share], mdp.n_states)
    chord = (1 - share) * occupancy_entropy(ends[0]) + share * occupancy_entropy(ends[1])
    close(occupancy_entropy(between) - chord, weights @ parts, 1e-9)


@pytest.mark.proves("prop-surrogate-wrong")
@given(compared(max_states=2))
@settings(max_examples=15)
def test_the_ratio_lets_the_old_episodes_estimate_the_surrogate(case):
    """E_π Σ_{t<T} γᵗ (π'/π) A_π by enumeration is what π's visits up to T make of the actions of π'."""
    mdp, pi, new = case
    pi, horizon = (pi + 0.1) / (pi + 0.1).sum(axis=1, keepdims=True), 4
    V, Q, visits = values(mdp, pi)
    A, plainly = Q - V[:, None], plain(mdp)

    def sums(tau, ratio=lambda s, a: new[s, a] / pi[s, a]):
        pairs = zip(tau.states, tau.actions, strict=True)
        return sum(mdp.gamma**t * ratio(s, a) * A[s, a] for t, (s, a) in enumerate(pairs))

    gain = (new * A).sum(axis=1)
    by_time = oracles.visits(*plainly, pi, horizon) @ gain
    close(oracles.mean(sums, plainly, pi, horizon), mdp.gamma ** np.arange(horizon) @ by_time, 1e-10)
    promise = surrogate(mdp, pi, new) - mdp.rho0 @ V
    close((visits[:, None] * pi * (new / pi) * A).sum(), promise, 1e-9)


@pytest.mark.proves("prop-imitation")
@given(compared(), st.sampled_from([0.25, 0.5]))
def test_the_game_is_convex_and_its_slope_is_the_log_of_the_best_classifier(case, share):
    """2 JS − log 4 along a segment of D: below its chord, and with the slope Σ d log c, as if c were fixed."""
    mdp, pi, new = case
    even = np.full_like(pi, 1 / pi.shape[1])
    p, q, expert = ((1 - mdp.gamma) * occupancy(mdp, policy) for policy in (pi, new, even))

    def game(rho):
        total = np.where(rho + expert > 0, rho + expert, 1)
        return float(xlogy(rho, rho / total).sum() + xlogy(expert, expert / total).sum())

    between = (1 - share) * p + share * q
    assert game(between) <= (1 - share) * game(p) + share * game(q) + 1e-12
    assert game(between) == pytest.approx(2 * jensen_shannon(between, expert) - np.log(4), abs=1e-11)
    assume((between[(p > 0) | (q > 0)] > 1e-3).all())
    total = between + expert
    slope = ((q - p) * np.log(np.where(between > 0, between, 1) / np.where(between > 0, total, 1))).sum()
    steps = [game(between + h * (q - p)) for h in (-1e-4, 1e-4)]
    assert (steps[1] - steps[0]) / 2e-4 == pytest.approx(slope, abs=1e-5)


@pytest.mark.proves("prop-imitation")
@given(compared())
def test_a_clone_loses_at_most_what_the_square_of_the_horizon_allows(case):
    """Exercise ex-cloning: |η(π) − η(π_E)| ≤ r_max ‖ρ_π − ρ_E‖₁ ≤ 2ζ r_max/(1−γ)²."""
    mdp, expert, clone = case
    _, _, visits = values(mdp, expert)
    zeta = (1 - mdp.gamma) * visits @ (abs(clone - expert).sum(axis=1) / 2)
    distance = abs(occupancy(mdp, clone) - occupancy(mdp, expert)).sum()
    bound = 2 * zeta / (1 - mdp.gamma) ** 2
    assert slack(distance, bound) >= 0
    lost = abs(expected_return(mdp, clone) - expected_return(mdp, expert))
    assert slack(lost, abs(mdp.r).max() * bound) >= 0


@pytest.mark.parametrize("zeta", [1e-3, 0.2])
def test_beside_a_pit_a_clone_loses_what_the_square_says(zeta):
    """Exercise ex-cloning: ζ/((1−γ)(1−γ(1−ζ))), of first order ζ/(1−γ)²."""
    P = np.zeros((2, 2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 1] = 1
    mdp = TabularMDP(P, [[1, 0], [0, 0]], 0.9, [1, 0])
    lost = expected_return(mdp, [[1, 0], [1, 0]]) - expected_return(mdp, [[1 - zeta, zeta], [1, 0]])
    assert lost == pytest.approx(zeta / (0.1 * (1 - 0.9 * (1 - zeta))), rel=1e-12)
    assert lost <= zeta / 0.1**2
    if zeta < 0.01:
        assert lost == pytest.approx(zeta / 0.1**2, rel=0.01)


@pytest.mark.proves("prop-imitation")
def test_the_worst_reward_is_worst_where_episodes_end_too():
    """As in the chapter, on FrozenLake: nothing is chosen after the end, so what is earned there asks for no action."""
    lake = TabularMDP.from_gymnasium(gym.make("FrozenLake-v1"), gamma=0.95)
    expert = policy_iteration(lake).pi
    clone = 0.95 * expert + 0.05 / 4
    p, q = occupancy(lake, clone), occupancy(lake, expert)
    r = np.sign(p - q)
    r[lake.terminal] = r[lake.terminal, :1]
    worst = TabularMDP(lake.P, r, lake.gamma, lake.rho0)
    gap = expected_return(worst, clone) - expected_return(worst, expert)
    assert gap == pytest.approx(abs(p - q).sum(), rel=1e-12)
    apart = abs(clone - expert).sum(axis=1)[~lake.terminal] / 2
    zeta = 0.05 * q.sum(axis=1)[~lake.terminal] @ apart
    assert abs(p - q).sum() <= 2 * zeta / 0.05**2


@pytest.mark.proves("prop-mixture-bound", "prop-tangent")
@given(compared(discounts=st.sampled_from([0.3, 0.5, 0.9])))
def test_the_share_that_a_bound_allows_gains_what_it_promises(case):
    """Exercise ex-conservative (i): α = (1−γ)²G/(4γε) gains (1−γ)²G²/(8γε) at least; (ii) what is left to gain."""
    mdp, pi, new = case
    gamma = mdp.gamma
    V, Q, visits = values(mdp, pi)
    A = Q - V[:, None]
    G, epsilon = visits @ (new * A).sum(axis=1), abs((new * A).sum(axis=1)).max()
    if G > 1e-6:
        share = (1 - gamma) ** 2 * G / (4 * gamma * epsilon)
        assert share <= (1 - gamma) / (4 * gamma) + 1e-9
        if share <= 1:
            gained = expected_return(mdp, (1 - share) * pi + share * new) - mdp.rho0 @ V
            assert gained >= (1 - gamma) ** 2 * G**2 / (8 * gamma * epsilon) - 1e-9 * max(1.0, abs(V).max())
    best = policy_iteration(mdp)
    _, _, visits_best = values(mdp, best.pi)
    assume((visits > 1e-6).all())
    promised = visits @ A.max(axis=1)
    left = mdp.rho0 @ (best.V - V)
    assert left <= (visits_best / visits).max() * promised + 1e-8 * max(1.0, abs(V).max())


@pytest.mark.proves("prop-surrogate-wrong", "prop-mass")
def test_what_practice_does_to_the_promise():
    """The chapter's four numbers, and where counts without γᵗ tend to."""
    mdp, pi, new = chapters_pair()
    V, Q, _ = values(mdp, pi)
    gain = (new * (Q - V[:, None])).sum(axis=1)
    P_pi = np.einsum("sa,sax->sx", pi, mdp.P)

    def visited(T):  # P(s_t=s), by powers of P_π
        return np.array([mdp.rho0 @ np.linalg.matrix_power(P_pi, t) for t in range(T)])

    here = visited(150)
    powers = 0.9 ** np.arange(150)
    assert powers @ here @ gain == pytest.approx(1.834, abs=5e-4)
    assert performance_difference(mdp, pi, new).value == pytest.approx(1.797, abs=5e-4)
    assert 10 * here.mean(axis=0) @ gain == pytest.approx(1.955, abs=5e-4)
    assert powers[:20] @ here[:20] @ gain == pytest.approx(1.596, abs=5e-4)
    assert 10 - powers[:20].sum() == pytest.approx(1.22, abs=5e-3)
    # ever longer: the distribution that P_π leaves as it is
    stay = np.linalg.matrix_power(P_pi, 10_000)[0]
    long = [abs(visited(T).mean(axis=0) - stay).sum() for T in (150, 1500)]
    assert long[1] < long[0] / 9
    # and −log ½ a step, for five steps, and for ever
    assert (np.log(2) * powers[:5].sum(), np.log(2) / 0.1) == pytest.approx((2.84, 6.93), abs=5e-3)


# Two states and two actions ---------------------------------------------------------------------------------


def plane(rho):
    return rho[..., 1]


@pytest.mark.proves("prop-vertices", "eq-flow")
@pytest.mark.parametrize("name", TWO_BY_TWO)
def test_the_polygon_is_d(name):
    """Corners are those of all basic solutions; D is what lies between them, and nothing else."""
    mdp = two_by_two(name)
    P, _, gamma, rho0 = plain(mdp)
    corners = polygon(mdp)
    assert same_points(corners, oracles.flow_vertices(P, gamma, rho0))
    for actions, rho in zip(([0, 0], [1, 0], [1, 1], [0, 1]), corners, strict=True):
        close(rho, occupancy(mdp, np.eye(2)[actions]), 1e-13)
    rng = np.random.default_rng(0)
    x = plane(corners)
    assert (x[0] == 0).all()
    assert x[1, 1] == 0
    assert x[3, 0] == 0
    for weights in rng.dirichlet(np.ones(4), size=20):  # inside
        rho = from_plane(mdp, weights @ x)
        close(rho, np.tensordot(weights, corners, 1), 1e-12)
        check_occupancy(mdp, np.maximum(rho, 0))
    # in the order given, it is convex: every turn goes the same way, or nowhere where an edge has collapsed
    edges = np.roll(x, -1, axis=0) - x
    turns = edges[:, 0] * np.roll(edges, -1, axis=0)[:, 1] - edges[:, 1] * np.roll(edges, -1, axis=0)[:, 0]
    assert turns.min() >= -1e-12
    out = x[2] + (x[2] - x[[1, 3]].mean(axis=0)) * 0.01
    assert from_plane(mdp, out).min() < 0


@pytest.mark.proves("prop-vertices")
@pytest.mark.parametrize("state", [0, 1])
@pytest.mark.parametrize("name", TWO_BY_TWO)
def test_one_states_action_traces_a_straight_segment(name, state):
    """Not at an even pace: the middle of the segment is not the middle policy's."""
    mdp = two_by_two(name)
    pi = np.array([[0.3, 0.7], [0.6, 0.4]])
    points = []
    for p in np.linspace(0, 1, 9):
        pi[state] = 1 - p, p
        points.append(occupancy(mdp, pi).ravel())
    offsets = np.array(points) - points[0]
    assert np.linalg.matrix_rank(offsets, tol=1e-10) == 1
    paces = np.linalg.norm(np.diff(offsets, axis=0), axis=1)
    if name == "usual":
        assert np.ptp(paces) > 0.01 * paces.mean()


@pytest.mark.proves("thm-bijection", "prop-vertices")
def test_an_edge_collapses_where_a_state_is_not_reached():
    corners = polygon(two_by_two("unreachable"))
    np.testing.assert_array_equal(corners[0], corners[3])
    apart = polygon(two_by_two("unreachable", rho0=[0.9, 0.1]))
    assert abs(apart[0] - apart[3]).max() > 0.1


def test_an_example_can_be_varied():
    mdp = two_by_two("usual", r=[[1.0, 2.0], [3.0, 4.0]], gamma=0.5, rho0=[1.0, 0.0])
    assert (mdp.gamma, mdp.r[1, 0], mdp.rho0[0]) == (0.5, 3.0, 1.0)
    np.testing.assert_array_equal(mdp.P, two_by_two().P)
    np.testing.assert_allclose(mdp.P[..., 1], [[0.1, 0.8], [0.7, 0.2]], rtol=1e-15)


@given(st.data())
def test_the_plane_gives_any_measure_with_two_actions_back(data):
    mdp = data.draw(tabular_mdps(max_actions=2))
    assume(mdp.n_actions == 2)
    rho = occupancy(mdp, data.draw(policies(mdp)))
    close(from_plane(mdp, rho[:, 1]), rho, 1e-10)


# Refusals ---------------------------------------------------------------------------------------------------

MDP = two_by_two()
PI = np.array([[0.25, 0.75], [0.5, 0.5]])
RHO = occupancy(MDP, PI)
OTHER = garnet(3, 2, 2, gamma=0.9, rng=np.random.default_rng(0))
BATCH = Trajectories(np.zeros((2, 3), dtype=int), np.zeros((2, 3), dtype=int), np.zeros((2, 3)))
LONE = TabularMDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.9, [1.0])


def broken(place, value):
    rho = RHO.copy()
    rho[place] = value
    return rho


def steps(**columns):
    return BATCH._replace(**{name: np.array(column) for name, column in columns.items()})


NO_POLICY = [[0.5, 0.6], [0.5, 0.5]]
TWO_POLICIES = (performance_difference, surrogate, trust_region_bound, average_bound)
REFUSED = [
    *((f, (MDP, NO_POLICY), r"pi\[0\] sums to 1.1, not 1") for f in (occupancy, state_occupancy, expected_return)),
    *((f, (MDP, NO_POLICY, PI), r"pi\[0\] sums to 1.1") for f in TWO_POLICIES),
    *((f, (MDP, PI, NO_POLICY), r"pi_new\[0\] sums to 1.1") for f in TWO_POLICIES),
    *(
        (f, (OTHER, PI, PI), r"pi must have shape \(3, 2\), one row a state, or \(S,\) actions, got \(2, 2\)")
        for f in TWO_POLICIES
    ),
    *((f, (MDP, PI, np.full((3, 2), 0.5)), r"pi_new must have shape \(2, 2\), one row a state") for f in TWO_POLICIES),
    *((f, (MDP, PI, np.full((3, 2), 0.5), [0.5]), r"pi_new must have shape \(2, 2\)") for f in (mix, mixture_path)),
    *((f, (MDP, PI, PI, [0.5, 1.5]), r"shares\[1\] is 1.5, not in \[0, 1\]") for f in (mix, mixture_path)),
    *((f, (MDP, PI, PI, [np.nan]), r"shares\[0\] is nan, not a finite number") for f in (mix, mixture_path)),
    (mixture_bound, (MDP, PI, PI, 1.5), r"share must be a number in \[0, 1\], got 1.5"),
    (mixture_bound, (MDP, PI, PI, np.nan), r"share must be a number in \[0, 1\]"),
    (policy_from_occupancy, (broken((1, 0), -0.25),), r"rho\[1, 0\] is -0.25; an occupancy is never negative"),
    (policy_from_occupancy, (broken((1, 0), np.nan),), r"rho\[1, 0\] is nan, not a finite number"),
    (policy_from_occupancy, (np.zeros((2, 2)),), "rho is zero everywhere"),
    (policy_from_occupancy, (np.ones(2),), r"rho must have shape \(S, A\), got \(2,\)"),
    (occupancy_entropy, (broken((0, 1), -1.0),), r"rho\[0, 1\] is -1; an occupancy is never negative"),
    (flow_residual, (MDP, np.ones((3, 2))), r"rho must have shape \(2, 2\), one row a state, got \(3, 2\)"),
    (flow_residual, (MDP, broken((0, 0), np.inf)), r"rho\[0, 0\] is inf"),
    (check_occupancy, (MDP, broken((1, 0), -0.25)), r"rho\[1, 0\] is -0.25; an occupancy is never negative"),
    (check_occupancy, (MDP, np.ones((3, 2))), r"rho must have shape \(2, 2\)"),
    (check_occupancy, (OTHER, RHO), r"rho must have shape \(3, 2\)"),
    (
        estimate_occupancy,
        (MDP, steps(states=[[0, 2], [0, 0]], actions=[[0, 0], [0, 0]])),
        r"states\[0, 1\] is 2, not a number below 2",
    ),
    (
        estimate_occupancy,
        (MDP, steps(actions=[[0, 0, 0], [0, -1, 0]])),
        r"actions\[1, 1\] is -1, not a number below 2, of actions counted from 0",
    ),
    (
        estimate_occupancy,
        (MDP, steps(states=[[0, 0], [0, 0]])),
        r"trajectories.actions must have shape \(2, 2\), got \(2, 3\)",
    ),
    (
        estimate_occupancy,
        (MDP, steps(states=[[0]], actions=[[0]])),
        "trajectories must hold at least 2 episodes, got 1",
    ),
    (estimate_occupancy, (MDP, steps(states=np.zeros((2, 3)))), "trajectories.states must hold integers, got float64"),
    (estimate_performance_difference, (MDP, NO_POLICY, BATCH), r"pi\[0\] sums to 1.1"),
    (
        estimate_performance_difference,
        (LONE, [[1.0, 0.0]], steps(states=[[0, 0, 0], [0, 1, 0]])),
        r"\[1, 1\] is 1, not a number below 1",
    ),
    (jensen_shannon, (RHO, np.ones((3, 2))), r"rho_new must have shape \(2, 2\) as rho has"),
    (jensen_shannon, (RHO, broken((0, 0), -1.0)), r"rho_new\[0, 0\] is -1"),
    (history_occupancy, (MDP, lambda history: [0.5, 0.6], 3), r"policy\(\(0,\)\) sums to 1.1"),
    (history_occupancy, (MDP, lambda history: [1.0], 3), r"policy\(\(0,\)\) must have shape \(2,\), got \(1,\)"),
    (history_occupancy, (MDP, lambda history: [0.5, 0.5], 0), "horizon must be a positive integer"),
    (history_occupancy, (MDP, lambda history: [0.5, 0.5], 1.0), "horizon must be a positive integer"),
    (entropy_program, (MDP, 0.0), "alpha must be a positive number"),
    (polygon, (OTHER,), "mdp must have 2 states and 2 actions, got 3 and 2"),
    (from_plane, (garnet(2, 3, 2, gamma=0.9, rng=np.random.default_rng(0)), [0, 0]), "mdp must have 2 actions, got 3"),
    (from_plane, (MDP, [0.0]), r"second must have shape \(2,\), one entry a state, got \(1,\)"),
    (from_plane, (MDP, [0.0, np.nan]), r"second\[1\] is nan"),
    (two_by_two, ("other",), "name must be one of usual, unreachable, detour, got 'other'"),
]


@pytest.mark.parametrize(("function", "arguments", "message"), REFUSED)
def test_bad_input_is_refused_with_the_place(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


@pytest.mark.parametrize(
    ("function", "arguments", "options", "message"),
    [
        (occupancy, (MDP, PI), {"tol": 0.0}, "tol must be a positive number"),
        (check_occupancy, (MDP, RHO), {"tol": -1.0}, "tol must be a positive number"),
        (
            policy_from_occupancy,
            (RHO,),
            {"unvisited": "first"},
            r"unvisited must be 'uniform' or a policy, \(S, A\) or ",
        ),
        (policy_from_occupancy, (RHO,), {"unvisited": np.ones((3, 2))}, r"unvisited must have shape \(2, 2\)"),
        (policy_from_occupancy, (RHO,), {"unvisited": NO_POLICY}, r"unvisited\[0\] sums to 1.1"),
        (occupancy_program, (MDP,), {"method": "simplex"}, "method must be one of highs, highs-ds, highs-ipm"),
        (deterministic_occupancies, (OTHER,), {"most": 7}, r"mdp has 2\^3 deterministic policies, more than most = 7"),
        (history_occupancy, (MDP, lambda h: [0.5, 0.5], 9), {"most": 100}, "horizon is too long: 128 histories of 3"),
    ],
)
def test_bad_options_are_refused(function, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments, **options)


@pytest.mark.proves("eq-flow")
@pytest.mark.parametrize(("place", "amount"), [((0, 1), 0.5), ((1, 0), -0.125), ((0, 0), 1e-7)])
def test_a_broken_flow_is_told_with_its_state_and_by_how_much(place, amount):
    rho = RHO.copy()
    rho[place] += amount
    residual = flow_residual(MDP, rho)
    s = abs(residual).argmax()
    assert s == place[0]
    words = f"breaks the flow at state {s}: .* {abs(residual[s]):.3g} too {'large' if residual[s] > 0 else 'small'}"
    with pytest.raises(ValueError, match=words):
        check_occupancy(MDP, rho)
    np.testing.assert_array_equal(check_occupancy(MDP, rho, tol=1.0), rho)


def test_an_occupancy_does_not_change_what_it_is_given():
    pi = PI.copy()
    occupancy(MDP, pi)
    unvisited = np.full((2, 2), 0.5)
    policy_from_occupancy([[1.0, 0.0], [0.0, 0.0]], unvisited=unvisited)
    np.testing.assert_array_equal(pi, PI)
    np.testing.assert_array_equal(unvisited, 0.5)


# Counted by hand --------------------------------------------------------------------------------------------


def test_two_episodes_are_enough_for_an_error():
    batch = steps(states=[[0, 1], [0, 0]], actions=[[0, 1], [0, 0]])
    rho, error, missing = estimate_occupancy(two_by_two(gamma=0.8), batch)
    np.testing.assert_allclose(rho, [[1.4, 0], [0, 0.4]], rtol=1e-12)  # of 1 and 1 + 0.8, and of 0.8 and 0
    np.testing.assert_allclose(error, [[0.4, 0], [0, 0.4]], rtol=1e-12)
    assert missing == pytest.approx(0.64 / 0.2)


def test_examples_of_two_states_are_as_they_are_told():
    """The probability of state 1, the rewards, γ and ρ₀, as the chapter's pictures have them."""
    lead, pay = [[0.1, 0.8], [0.7, 0.2]], [[0.0, 0.2], [1.0, 0.5]]
    told = {
        "usual": (lead, pay, 0.8, [0.6, 0.4]),
        "unreachable": ([[0.0, 0.8], lead[1]], pay, 0.8, [1, 0]),  # but for action 1 in state 0
        "detour": ([[0, 1], [1, 0]], [[0.2, 0], [1, 0]], 0.9, [1, 0]),  # to go on pays nothing, to be there 1
    }
    assert told.keys() == TWO_BY_TWO.keys()
    for name, (ahead, r, gamma, rho0) in told.items():
        mdp = two_by_two(name)
        np.testing.assert_array_equal(mdp.P[:, :, 1], ahead)
        np.testing.assert_array_equal(mdp.r, r)
        np.testing.assert_array_equal(mdp.rho0, rho0)
        assert mdp.gamma == gamma
