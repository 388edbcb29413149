"""Solvers of large sparse worlds, each by itself, the others switched off: no one's mistake is mended by another.

A dense solve says what is right, and what a method saves is counted: products, factorisations, sweeps.
"""

import numpy as np
import pytest
import scipy.sparse as sp

from rlbook import TabularMDP, garnet, gridworld
from rlbook.bellman import large, planning
from rlbook.bellman.precision import centred

BOTH = pytest.mark.parametrize("adjoint", [False, True])


def refuse(*args, **options):
    raise AssertionError("this method was to be left alone")


@pytest.fixture
def alone(monkeypatch):
    """alone("splu") leaves that method of `solve_sparse` to do all; what it is asked for is counted by name."""
    asked = dict.fromkeys(["chebyshev", "spilu", "bicgstab", "splu"], 0)
    monkeypatch.setattr(large, "LU_BELOW", 0)

    def keep(*methods):
        for module, attribute, name in [
            (large, "_chebyshev", "chebyshev"),
            *((sp.linalg, name, name) for name in ("spilu", "bicgstab", "splu")),
        ]:
            whole = getattr(module, attribute)

            def counted(*args, whole=whole, name=name, **options):
                asked[name] += 1
                return whole(*args, **options)

            monkeypatch.setattr(module, attribute, counted if name in methods else refuse)
        if "chebyshev" not in methods:
            monkeypatch.setattr(large, "_chebyshev", lambda M, b, x, *rest: x)
        return asked

    return keep


def drunkard(S, seed=0):
    """A walk on a line, to the left or the right by chances of each place: reversible, so its eigenvalues are real."""
    right = np.random.default_rng(seed).uniform(0.4, 0.6, S)
    P = np.zeros((S, S))
    n = np.arange(S)
    P[n, np.minimum(n + 1, S - 1)] += right
    P[n, np.maximum(n - 1, 0)] += 1 - right
    return sp.csr_array(P)


def chain(S, seed=0):
    """Each state leads to three others, drawn at random: eigenvalues are complex, and P is not like its transpose."""
    rng = np.random.default_rng(seed)
    P = np.zeros((S, S))
    for s in range(S):
        P[s, rng.choice(S, 3, replace=False)] = rng.dirichlet(np.ones(3))
    return sp.csr_array(P)


def exactly(M, b, adjoint):
    M = M.toarray()
    return np.linalg.solve(np.eye(len(b)) - (M.T if adjoint else M), b)


def residual(M, b, x, adjoint):
    """b − (x − Mx) in the norm in which the solver promises it to be small."""
    left = b + (M.T if adjoint else M) @ x - x
    return abs(left).sum() if adjoint else abs(left).max()


class Counted:
    """A matrix that counts what it is multiplied with."""

    def __init__(self, M):
        self.M, self.products = M, 0

    def __matmul__(self, x):
        self.products += 1
        return self.M @ x


# x = b + Mx -------------------------------------------------------------------------------------------------


@BOTH
def test_small_systems_are_factored_and_not_iterated(alone, monkeypatch, adjoint):
    asked = alone("chebyshev", "splu")
    monkeypatch.setattr(large, "LU_BELOW", 51)
    M, b = 0.9 * chain(50), np.arange(50.0)
    x = large.solve_sparse(M, b, np.zeros(50), 1.0, 0.9, adjoint=adjoint)
    np.testing.assert_allclose(x, exactly(M, b, adjoint), rtol=1e-10)
    assert (asked["splu"], asked["chebyshev"]) == (1, 0)
    monkeypatch.setattr(large, "LU_BELOW", 50)  # one state fewer, and it is large
    large.solve_sparse(0.9 * drunkard(50), b, np.zeros(50), 1.0, 0.9, adjoint=adjoint)
    assert (asked["splu"], asked["chebyshev"]) == (1, 1)


@BOTH
@pytest.mark.parametrize("tol", [1e-3, 1e-9, 0.0])
def test_chebyshev_alone_solves_a_walk(alone, adjoint, tol):
    asked = alone("chebyshev")
    M, b = 0.9 * drunkard(60), np.random.default_rng(0).standard_normal(60)
    x = large.solve_sparse(M, b, np.zeros(60), tol, 0.9, adjoint=adjoint)
    least = 1e-13 * (abs(b).sum() if adjoint else abs(b).max())
    assert residual(M, b, x, adjoint) <= max(tol, least)
    np.testing.assert_allclose(x, exactly(M, b, adjoint), rtol=0, atol=10 * max(tol, least))  # 1/(1 − γ) times it
    assert asked["chebyshev"] == 1


@pytest.mark.parametrize(("gamma", "size"), [(0.5, 1.0), (0.9, 1.0), (0.9, 1e3), (0.99, 1.0)])
def test_chebyshev_takes_the_products_that_its_rate_says(gamma, size):
    M, b = Counted(gamma * drunkard(60)), size * np.random.default_rng(0).standard_normal(60)
    x = large._chebyshev(M, b, np.zeros(60), 1e-9, gamma)
    assert abs(b + M.M @ x - x).max() <= 1e-9
    rate = gamma / (1 + np.sqrt(1 - gamma**2))
    needed = np.log(1e-9 / abs(b).max()) / np.log(rate)
    assert needed - 5 <= M.products <= 1.1 * needed + 11  # looked at every ten products
    # What is known already need not be found: from the solution a single product tells that it is one.
    M.products = 0
    np.testing.assert_array_equal(large._chebyshev(M, b, x, 1e-8, gamma), x)
    assert M.products == 1


def test_chebyshev_is_left_soon_where_errors_grow(alone):
    """A ring that turns one way has its eigenvalues on a circle; from a guess its error may only grow."""
    S = 300
    M = Counted(0.99 * sp.csr_array((np.ones(S), (np.arange(S), (np.arange(S) + 1) % S)), shape=(S, S)))
    large._chebyshev(M, np.eye(S)[0], np.zeros(S), 1e-12, 0.99)
    assert M.products < 100


def test_a_worse_answer_of_chebyshev_is_not_taken(alone, monkeypatch):
    """What BiCGSTAB goes on from is the better of the guess and of what Chebyshev made of it."""
    alone("spilu", "bicgstab")
    M, b = 0.9 * chain(60), np.random.default_rng(1).standard_normal(60)
    truth = exactly(M, b, False)
    for offer, guess in [(1e6 * truth, truth), (truth, 1e6 * truth)]:
        monkeypatch.setattr(large, "_chebyshev", lambda *args, offer=offer: offer)
        with monkeypatch.context() as patched:
            patched.setattr(sp.linalg, "spilu", refuse)  # the better is good enough: nothing more is to be done
            x = large.solve_sparse(M, b, guess, 1e-9, 0.9)
        np.testing.assert_array_equal(x, truth)


@BOTH
@pytest.mark.parametrize("gamma", [0.9, 0.999])
def test_bicgstab_with_its_factors_alone_solves_any_chain(alone, adjoint, gamma):
    asked = alone("spilu", "bicgstab")
    M, b = gamma * chain(120), np.random.default_rng(0).standard_normal(120)
    guess = np.random.default_rng(1).standard_normal(120)
    x = large.solve_sparse(M, b, guess, 1e-8, gamma, adjoint=adjoint)
    assert residual(M, b, x, adjoint) <= 1e-8
    np.testing.assert_allclose(x, exactly(M, b, adjoint), rtol=0, atol=1e-8 / (1 - gamma))
    assert asked["spilu"] == 1
    assert asked["bicgstab"] == 1
    # As exact as float64 has it, in no more than the two turns that it is given.
    x = large.solve_sparse(M, b, guess, 0.0, gamma, adjoint=adjoint)
    np.testing.assert_allclose(x, exactly(M, b, adjoint), rtol=1e-9, atol=1e-9 * abs(x).max())
    assert asked["bicgstab"] <= 3


@BOTH
def test_what_is_asked_for_is_not_more_than_float64_can_tell(alone, adjoint):
    """Near γ = 1 the solution is large, and so is the rounding of what its residual is the difference of."""
    alone("spilu", "bicgstab")
    gamma = 1 - 1e-6
    M, b = gamma * chain(120), np.random.default_rng(0).uniform(1, 2, 120)
    x = large.solve_sparse(M, b, np.zeros(120), 0.0, gamma, adjoint=adjoint)
    np.testing.assert_allclose(x, exactly(M, b, adjoint), rtol=1e-6)
    assert residual(M, b, x, adjoint) <= 1e-12 * (abs(x).sum() if adjoint else abs(x).max())


@BOTH
def test_bicgstab_goes_no_further_than_it_is_asked_to(alone, adjoint, monkeypatch):
    alone("spilu", "bicgstab")
    M, b = 0.999 * chain(120), np.random.default_rng(0).standard_normal(120)
    whole, iterations = sp.linalg.bicgstab, []

    def counted(A, right, **options):
        iterations.append(0)

        def another(x):
            iterations[-1] += 1

        return whole(A, right, callback=another, **options)

    monkeypatch.setattr(sp.linalg, "bicgstab", counted)
    for tol in (1e-1, 1e-4, 1e-8):
        large.solve_sparse(M, b, np.zeros(120), tol, 0.999, adjoint=adjoint)
    assert len(iterations) == 3
    assert iterations[0] < iterations[1] < iterations[2] < 60


def test_where_the_policy_knows_where_it_goes_the_factors_are_exact(alone, monkeypatch):
    """In the order of `_to_rest` I − M is triangular there, so BiCGSTAB has nothing to do but once to see it."""
    alone("spilu", "bicgstab")
    rng = np.random.default_rng(0)
    S = 200
    order = rng.permutation(S)  # state order[i] leads to order[i − 1], and order[0] to itself
    M = 0.99 * sp.csr_array((np.ones(S), (order, order[np.maximum(np.arange(S) - 1, 0)])), shape=(S, S))
    filled, whole = [], sp.linalg.spilu

    def seen(matrix, **options):
        factors = whole(matrix, **options)
        filled.append(factors.nnz)
        return factors

    monkeypatch.setattr(sp.linalg, "spilu", seen)
    b = rng.standard_normal(S)
    x = large.solve_sparse(M, b, np.zeros(S), 1e-9, 0.99)
    np.testing.assert_allclose(x, exactly(M, b, False), rtol=1e-9)
    assert filled[0] <= 3 * S  # two diagonals, and the ones of L: nothing was filled in


@BOTH
def test_a_full_factorisation_has_the_last_word(alone, monkeypatch, adjoint):
    asked = alone("spilu", "splu")
    monkeypatch.setattr(sp.linalg, "bicgstab", lambda A, b, **options: (1e3 * b, 1))  # makes it worse
    M, b = 0.99 * chain(120), np.random.default_rng(0).standard_normal(120)
    x = large.solve_sparse(M, b, np.zeros(120), 1e-9, 0.99, adjoint=adjoint)
    np.testing.assert_allclose(x, exactly(M, b, adjoint), rtol=1e-9, atol=1e-11)
    assert asked["splu"] == 1


# Sweeps that follow mass, and values, outwards ----------------------------------------------------------------


@pytest.fixture
def systems(monkeypatch):
    """How large the systems are that `solve_outwards` has solved, one after another."""
    sizes, whole = [], large.solve_sparse

    def seen(M, b, *args, **options):
        sizes.append(len(b))
        assert options == {"adjoint": True}
        return whole(M, b, *args, **options)

    monkeypatch.setattr(large, "solve_sparse", seen)
    return sizes


def test_mass_that_stays_near_is_looked_for_near(monkeypatch, systems):
    monkeypatch.setattr(large, "NEARBY", 20)
    S, gamma, tol = 300, 0.7, 1e-6
    monkeypatch.setattr(large, "LU_BELOW", S)
    M, b = gamma * drunkard(S), np.zeros(S)
    b[150] = 1.0
    x = large.solve_outwards(M, b, tol, gamma)
    assert systems == [20, 40]  # a step to either side: √(1 − γ²) of them for each digit but one
    assert residual(M, b, x, adjoint=True) <= tol
    np.testing.assert_allclose(x, exactly(M, b, adjoint=True), rtol=0, atol=tol / (1 - gamma))
    assert (x[:130] == 0).all()
    systems.clear()
    large.solve_outwards(M, b, 1e-2, gamma)
    assert systems == [20]  # not so exactly, not so far


@pytest.mark.parametrize(
    ("gamma", "starts", "others", "sizes"),
    [
        (0.999, [10], 1, [20, 300]),  # the first 20 states lose nearly all
        (0.9, [10], 1, [20, 300]),  # or γ²⁰ = 0.12, so that 40 would hold little more
        (0.999, range(60), 1, [300]),  # more starts than states nearby
        (0.3, range(100), 1e-9, [300]),  # or a third of all, however little most of them weigh
    ],
)
def test_mass_that_goes_far_is_looked_for_everywhere_at_once(monkeypatch, systems, gamma, starts, others, sizes):
    monkeypatch.setattr(large, "NEARBY", 20)
    S = 300
    monkeypatch.setattr(large, "LU_BELOW", S)
    M = gamma * sp.csr_array((np.ones(S), (np.arange(S), np.minimum(np.arange(S) + 1, S - 1))), shape=(S, S))
    b = np.zeros(S)
    b[starts] = others
    b[starts[0]] = 1
    x = large.solve_outwards(M, b, 1e-8, gamma)
    np.testing.assert_allclose(x, exactly(M, b, adjoint=True), rtol=1e-9, atol=1e-8 / (1 - gamma))
    assert systems == sizes


def test_what_starts_farther_away_is_not_forgotten(monkeypatch, systems):
    """The nearest 20 states are 20 of the 25 starts; what starts in the other five is lost to them from the first."""
    monkeypatch.setattr(large, "NEARBY", 20)
    S, gamma, tol = 300, 0.3, 1e-6
    monkeypatch.setattr(large, "LU_BELOW", S)
    M, b = gamma * drunkard(S), np.zeros(S)
    b[:25] = 1e-4
    b[0] = 1
    x = large.solve_outwards(M, b, tol, gamma)
    assert systems == [20, 40]
    assert residual(M, b, x, adjoint=True) <= tol
    np.testing.assert_allclose(x, exactly(M, b, adjoint=True), rtol=0, atol=tol / (1 - gamma))


def test_small_worlds_are_solved_whole(monkeypatch, systems):
    monkeypatch.setattr(large, "NEARBY", 10)
    M, b = 0.5 * drunkard(200), np.eye(200)[100]
    for below, tol, sizes in [(201, 1e-3, [200]), (200, 1e-3, [10, 20]), (200, 1e-12, [10, 20, 40, 200])]:
        monkeypatch.setattr(large, "LU_BELOW", below)
        systems.clear()
        x = large.solve_outwards(M, b, tol, 0.5)
        np.testing.assert_allclose(x, exactly(M, b, adjoint=True), rtol=0, atol=2 * tol)
        assert systems == sizes


def begun(mdp, steps, tol):
    """A world without what its rewards share, and what a few sweeps of value iteration left of it."""
    world = centred(mdp)
    return world, *planning._iterate_values(world, tol, steps)


def optimum(mdp):
    """V* by value iteration in dense arithmetic, as exact as float64."""
    P = mdp.P.toarray().reshape(mdp.n_states, mdp.n_actions, mdp.n_states)
    V = np.zeros(mdp.n_states)
    for _ in range(int(np.log(1e-15) / np.log(mdp.gamma))):
        V = (mdp.r + mdp.gamma * P @ V).max(axis=1)
    return V


def world(side, *, seed=0, slip=0.1, gamma=0.95, **rewards):
    rng = np.random.default_rng(seed)
    rows = np.where(rng.random((side, side)) < 0.1, "#", ".")
    rows[0, 0], rows[-1, -1] = "S", "G"
    mdp = gridworld(["".join(row) for row in rows], gamma=gamma, slip=slip, **rewards)
    P = sp.csr_array(mdp.P.reshape(-1, mdp.n_states) if not mdp.is_sparse else mdp.P)
    return TabularMDP(P, mdp.r, gamma, mdp.rho0)


@pytest.mark.parametrize("depth", [1, 4, 18])
@pytest.mark.parametrize("slip", [0.0, 0.3])
def test_sweeps_outwards_alone_end_at_the_best_values(monkeypatch, depth, slip):
    monkeypatch.setattr(large, "DEPTH", depth)
    mdp = world(12, slip=slip, step_reward=-0.1, goal_reward=3)
    there, solution, V = begun(mdp, 5, 1e-8)
    assert not solution.converged
    found, last = large.sweep_outwards(there, solution, V, 1e-8)
    assert found.converged
    assert abs(found.V - optimum(mdp)).max() <= found.error_bound <= 1e-8
    assert abs(found.Q.max(axis=1) - found.V).max() <= 2e-8
    assert found.steps - 5 < planning.value_iteration(mdp, tol=1e-8).steps / (10 if depth == 18 else 3)
    assert np.ptp(last + there.gain / (1 - mdp.gamma) - found.V) <= 2e-8  # the last V, but for what all share


def test_a_policy_that_does_not_come_to_rest_is_solved_for_when_patience_ends(monkeypatch):
    """Rewards lie about and nothing ends: following a policy raises values by γ a step only."""
    rewards = np.where(np.random.default_rng(0).random((12, 12)) < 0.1, 1.0, 0.0)
    mdp = world(12, gamma=0.99, cell_rewards=rewards)
    truth = optimum(mdp)
    solved, whole = [], sp.linalg.splu

    def counted(matrix):
        solved.append(matrix.shape)
        return whole(matrix)

    monkeypatch.setattr(sp.linalg, "splu", counted)
    monkeypatch.setattr(large, "FOLLOWED", 1)
    monkeypatch.setattr(large, "MOST_TURNS", 8)
    steps = {}
    for patience in (3, 1000):
        monkeypatch.setattr(large, "PATIENCE", patience)
        there, solution, V = begun(mdp, 5, 1e-4)
        found, _ = large.sweep_outwards(there, solution, V, 1e-4)
        assert found.converged
        assert abs(found.V - truth).max() <= found.error_bound <= 1e-4
        steps[patience], solves = found.steps - 5, len(solved)
        solved.clear()
        assert (solves > 0) == (patience == 3)
        assert solves <= steps[patience]  # after it the block rests
    assert steps[3] < steps[1000]
    # Without any patience it is policy iteration on a block, here of all states, which goes on within a pass.
    monkeypatch.setattr(large, "MOST_TURNS", 100)
    monkeypatch.setattr(large, "PATIENCE", 0)
    found, _ = large.sweep_outwards(*begun(mdp, 5, 1e-4), 1e-4)
    assert found.converged
    assert found.steps - 5 < len(solved)


def test_passes_that_are_too_few_leave_a_true_bound_and_a_policy_to_go_on_from(monkeypatch):
    mdp = world(12, step_reward=-0.1, goal_reward=3)
    truth = optimum(mdp)
    monkeypatch.setattr(large, "DEPTH", 2)
    errors = []
    for most in (1, 2, 3):
        monkeypatch.setattr(large, "MOST_PASSES", most)
        there, solution, V = begun(mdp, 3, 1e-9)
        found, last = large.sweep_outwards(there, solution, V, 1e-9)
        assert found.steps == 3 + most
        errors.append(abs(found.V - truth).max())
        assert errors[-1] <= found.error_bound
        # from below, and every further sweep would raise it
        assert ((there.r + mdp.gamma * mdp.expect(last)).max(axis=1) - last).min() >= -1e-12
    assert errors[0] > errors[1] > errors[2]


def test_passes_end_where_rounding_is_all_that_moves():
    """No bracket is as narrow as 1e-300: the passes end once they move nothing, and say that they did not get there."""
    mdp = world(12, step_reward=-0.1, goal_reward=3)
    there, solution, V = begun(mdp, 3, 1e-300)
    found, _ = large.sweep_outwards(there, solution, V, 1e-300)
    assert not found.converged
    assert found.steps < 3 + large.MOST_PASSES / 3
    assert abs(found.V - optimum(mdp)).max() <= found.error_bound < 1e-11


def test_the_bracket_is_computed_only_when_it_may_be_narrow_enough(monkeypatch):
    monkeypatch.setattr(large, "DEPTH", 1)
    mdp = world(12, slip=0.3, step_reward=-0.1, goal_reward=3)
    there, solution, V = begun(mdp, 5, 1e-8)
    brackets, whole = [], large.bracket

    def seen(*args):
        brackets.append(whole(*args))
        return brackets[-1]

    monkeypatch.setattr(large, "bracket", seen)
    found, _ = large.sweep_outwards(there, solution, V, 1e-8)
    assert found.converged
    assert len(brackets) <= 2 < found.steps / 5


def test_states_come_in_the_order_of_their_distance():
    S = 50
    mdp = garnet(S, 2, 2, gamma=0.9, rng=np.random.default_rng(0), sparse=True)
    leads = np.array(mdp.P.toarray().reshape(S, 2, S).max(axis=1) > 0)
    distance = np.where(np.arange(S) == 7, 0, S)
    for _ in range(S):  # to the goal, by repetition
        distance = np.minimum(distance, np.where(leads, distance + 1, S).min(axis=1))
    order = large._by_distance(mdp, 7)
    np.testing.assert_array_equal(np.sort(order), np.arange(S))
    assert (np.diff(distance[order]) >= 0).all()
    assert order[0] == 7
    np.testing.assert_array_equal(order[large._inverse(order)], np.arange(S))
