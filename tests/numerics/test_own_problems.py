"""Problems of one's own: an MDP from transitions, with one thing changed, played, under budgets, by action numbers."""

from itertools import combinations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

from rlbook import (
    TabularMDP,
    bellman,
    bellman_operator,
    evaluate_policy,
    expected_return,
    garnet,
    gridworld,
    occupancy,
    policy_from_occupancy,
    sample_trajectories,
    solve,
)
from rlbook.divergences import kl, total_variation
from rlbook.natural_gradients import mirror_step
from rlbook.occupancies import budget_frontier, deterministic_occupancies, occupancy_program
from tests.strategies import plain, policies, tabular_mdps

POND = gridworld(["S.G", ".P.", "..."], gamma=0.9, slip=0.2)


def rows_of(mdp, rng=None):
    """All transitions of an MDP as rows (s, a, p, s', r, ends), shuffled."""
    P = plain(mdp)[0]
    places = np.argwhere((P > 0) & ~mdp.terminal[:, None, None])
    rows = [(s, a, P[s, a, t], t, mdp.r[s, a], bool(mdp.terminal[t])) for s, a, t in places.tolist()]
    if rng is not None:
        rng.shuffle(rows)
    return rows


def same(one, two):
    np.testing.assert_allclose(plain(one)[0], plain(two)[0], atol=1e-15)
    np.testing.assert_allclose(one.r, two.r, atol=1e-12)
    np.testing.assert_allclose(one.rho0, two.rho0)
    np.testing.assert_array_equal(one.terminal, two.terminal)
    assert one.gamma == two.gamma


# From transitions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [list, np.array, lambda rows: iter(rows), lambda rows: [tuple(row) for row in rows]])
def test_rows_make_the_mdp_that_they_come_from(form):
    rows = rows_of(POND, np.random.default_rng(0))
    same(TabularMDP.from_transitions(form(rows), POND.gamma, POND.rho0), POND)


@given(tabular_mdps())
def test_rows_of_a_world_without_an_end_make_it_again(mdp):
    same(TabularMDP.from_transitions(rows_of(mdp), mdp.gamma, mdp.rho0, n_actions=mdp.n_actions), mdp)


def test_a_function_makes_the_same_and_is_not_read_where_episodes_have_ended():
    """An inventory: order up to three a day, demand is 0, 1 or 2, and a shop that has sold nothing for good closes."""

    def outcomes(s, a):
        if s == 0:  # closed: what stands here is never played
            return [(1.0, 2, 99.0, False)]
        stock = min(s + a, 4)
        return [
            (p, max(stock - d, 0), min(stock, d) - 0.3 * a, stock - d <= 0) for p, d in ((0.2, 0), (0.5, 1), (0.3, 2))
        ]

    mdp = TabularMDP.from_transitions(outcomes, 0.95, np.eye(5)[4], n_actions=3)
    assert mdp.terminal.tolist() == [True, False, False, False, False]
    rows = [(s, a, *outcome) for s in range(1, 5) for a in range(3) for outcome in outcomes(s, a)]
    same(mdp, TabularMDP.from_transitions(rows, 0.95, np.eye(5)[4]))
    np.testing.assert_allclose(mdp.r[1, 0], 0.2 * 0 + 0.5 * 1 + 0.3 * 1)  # the mean over demands
    np.testing.assert_allclose(mdp.P[4, 2], [0, 0, 0.3, 0.5, 0.2])


GOOD = [(0, 0, 1.0, 0, 1.0, False), (0, 1, 0.5, 0, 0.0, False), (0, 1, 0.5, 1, 9.0, True)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (GOOD[:1], r"^transitions must say where state 1 under action 0 leads, and do not$"),
        (
            [*GOOD[:1], (0, 1, 1.0, 1, 0, True), (0, 2, 0.5, 0, 0, False)],
            r"^transitions from state 0 under action 2 have probabilities that sum to 0.5, not 1$",
        ),
        ([*GOOD, (1, 0, 1, 1, 0, False)], r"^transitions\[3\] leaves state 1, in which transitions\[2\] ends the"),
        ([*GOOD, (0, 2, 1, 1, 0, False)], r"^transitions\[3\] goes on in state 1, in which transitions\[2\] ends the"),
        ([GOOD[0], (0, 1, 1.0)], r"^transitions\[1\] must be \(s, a, p, s', r, ends\), got \(0, 1, 1.0\)$"),
        ([GOOD[0], (0, 1, 1.0, 0.5, 0, False)], r"^transitions\[1\] has 0.5 for s', not a state below 2, as rho0 has$"),
        ([GOOD[0], (2, 1, 1.0, 0, 0, False)], r"^transitions\[1\] has 2 for s, not a state below 2"),
        ([GOOD[0], (0, -1, 1.0, 0, 0, False)], r"^transitions\[1\] has -1 for a, not an action below"),
        ([GOOD[0], (0, 1, -0.5, 0, 0, False)], r"^transitions\[1\] has -0.5 for p, not a probability$"),
        ([GOOD[0], (0, 1, 1.0, 0, 0, 3)], r"^transitions\[1\] has 3 for ends, not True or False$"),
        ([GOOD[0], (0, 1, 1.0, 0, np.inf, 0)], r"^transitions\[1, 4\] is inf, not a finite number$"),
        (
            [*GOOD, (0, 2, 1.0, 0, 0, True)],
            r"^transitions\[0\] leaves state 0, in which transitions\[3\] ends the episode$",
        ),
        (7, r"^transitions must have shape \(n, 6\)"),
        (lambda s, a: [(1.0, 0, 0.0, False)], r"^n_actions must be given with a function"),
    ],
)
def test_a_row_at_fault_is_named(rows, message):
    with pytest.raises(ValueError, match=message):
        TabularMDP.from_transitions(rows, 0.9, [1, 0])


def test_an_outcome_at_fault_is_named():
    for outcome, message in (
        ((1.0, 0, 0.0), r"^transitions\(0, 0\)\[0\] must be \(p, s', r, ends\), got \(1.0, 0, 0.0\)$"),
        ((1.0, 5, 0.0, False), r"^transitions\(0, 0\)\[0\] has 5 for s', not a state below 2"),
        ((1.0, "x", 0.0, False), r"^transitions\(0, 0\)\[0\] must be an array of real numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            TabularMDP.from_transitions(lambda s, a, outcome=outcome: [outcome], 0.9, [1, 0], n_actions=2)


# With one thing changed ------------------------------------------------------------------------------------------


def test_replace_changes_what_it_is_told_and_nothing_else():
    for changes in ({"gamma": 0.5}, {"r": 2 * POND.r}, {"rho0": np.where(POND.terminal, 0, 1 / 7)}, {}):
        changed = POND.replace(**changes)
        assert changed is not POND
        for name in ("P", "r", "gamma", "rho0", "terminal", "cells"):
            np.testing.assert_array_equal(getattr(changed, name), changes.get(name, getattr(POND, name)))
    with pytest.raises(ValueError, match=r"^gamma must be"):
        POND.replace(gamma=1.5)
    with pytest.raises(TypeError):
        POND.replace(reward=0)
    large = gridworld(["S" + "." * 24] * 20, gamma=0.9)
    assert large.replace(gamma=0.5).is_sparse
    assert abs(large.replace(gamma=0.5).P - large.P).max() == 0


# Played ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize(
    "mdp", [POND, garnet(5, 2, 3, gamma=0.9, rng=np.random.default_rng(0))], ids=["ends", "goes on"]
)
def test_gymnasiums_own_checker_finds_nothing(mdp, one_hot, recwarn):
    check_env(mdp.to_gymnasium(one_hot=one_hot, render_mode="ansi").unwrapped)
    assert not recwarn.list


@given(tabular_mdps())
def test_the_table_of_the_environment_is_the_mdp(mdp):
    same(TabularMDP.from_gymnasium(mdp.to_gymnasium(max_episode_steps=5), mdp.gamma), mdp)


def test_the_table_of_a_world_that_ends_says_so():
    same(TabularMDP.from_gymnasium(POND.to_gymnasium(), POND.gamma), POND)


def test_what_is_played_follows_the_mdp():
    """Mean discounted return of 4000 episodes against η, and the frequencies of what one pair leads to."""
    env, pi, rng = POND.to_gymnasium(), np.full(POND.r.shape, 0.25), np.random.default_rng(1)
    gained, seen = [], np.zeros(POND.n_states)
    for episode in range(4000):
        s, _ = env.reset(seed=episode)
        G, power, ends = 0.0, 1.0, False
        while not ends:
            a = int(rng.integers(4))
            following, r, ends, cut, _ = env.step(a)
            assert not cut
            seen[following] += (s, a) == (0, 1)
            G, power, s = G + power * r, power * POND.gamma, following
        gained.append(G)
    error = np.std(gained) / np.sqrt(len(gained))
    assert abs(np.mean(gained) - expected_return(POND, pi)) < 4 * error
    n, p = seen.sum(), POND.P[0, 1]
    assert (abs(seen / n - p) <= 4 * np.sqrt(p * (1 - p) / n) + 1e-12).all()


def test_it_vectorises_renders_and_refuses():
    envs = gym.make_vec(POND.to_gymnasium(one_hot=True, max_episode_steps=3).spec, num_envs=4)
    shown, _ = envs.reset(seed=0)
    np.testing.assert_array_equal(shown, np.eye(9, dtype=np.float32)[[0] * 4])
    cut = [envs.step(np.zeros(4, dtype=int))[3] for _ in range(3)]
    assert not cut[1].any()
    assert cut[2].all()
    env = POND.to_gymnasium(render_mode="ansi")
    env.reset(seed=0)
    assert env.render() == "@.T\n.T.\n...\n"
    bare = TabularMDP([[[1.0]]], [[0]], 0.5, [1]).to_gymnasium(render_mode="ansi")
    with pytest.raises(gym.error.ResetNeeded):
        bare.step(0)
    bare.reset()
    assert bare.render() == "state 0 of 1\n"
    for bad in (-1, 4, 0.5, "x"):
        with pytest.raises(ValueError, match=r"^action must be a whole number below 4, got"):
            env.unwrapped.step(bad)
    for arguments in ({"render_mode": "human"}, {"one_hot": 3}, {"max_episode_steps": 0}):
        with pytest.raises(ValueError, match=rf"^{next(iter(arguments))} must be"):
            POND.to_gymnasium(**arguments)


def test_q_learning_plays_it():
    learned = bellman.q_learning(POND.to_gymnasium(), 0.9, steps=20_000, rng=np.random.default_rng(0), epsilon=0.5)
    tried = learned.visits > 300
    assert abs(learned.Q - solve(POND).Q)[tried].max() < 0.1


# Policies by action numbers --------------------------------------------------------------------------------------


@given(tabular_mdps(), st.data())
def test_action_numbers_stand_for_a_deterministic_policy(mdp, data):
    actions = data.draw(st.lists(st.integers(0, mdp.n_actions - 1), min_size=mdp.n_states, max_size=mdp.n_states))
    pi = np.eye(mdp.n_actions)[actions]
    for form in (actions, np.array(actions, dtype=np.int8), tuple(actions)):
        np.testing.assert_array_equal(evaluate_policy(mdp, form).V, evaluate_policy(mdp, pi).V)
        np.testing.assert_array_equal(occupancy(mdp, form), occupancy(mdp, pi))
        np.testing.assert_array_equal(bellman_operator(mdp, form, mdp.r), bellman_operator(mdp, pi, mdp.r))
        one, two = (sample_trajectories(mdp, x, 5, 4, np.random.default_rng(0)) for x in (form, pi))
        np.testing.assert_array_equal(one.states, two.states)


@given(tabular_mdps(), st.data())
def test_action_numbers_do_where_another_argument_says_how_many_there_are(mdp, data):
    actions = data.draw(st.lists(st.integers(0, mdp.n_actions - 1), min_size=mdp.n_states, max_size=mdp.n_states))
    pi, other = np.eye(mdp.n_actions)[actions], data.draw(policies(mdp))
    for measure in (kl, total_variation):
        np.testing.assert_array_equal(measure(actions, other), measure(pi, other))
        np.testing.assert_array_equal(measure(other, np.array(actions)), measure(other, pi))
    np.testing.assert_array_equal(mirror_step(actions, mdp.r, 2.0), pi)
    back = policy_from_occupancy(occupancy(mdp, other), unvisited=actions)
    np.testing.assert_array_equal(back.pi[~back.visited], pi[~back.visited])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kl([0, 1], [0, 1]), r"^pi_new must have shape \(S, A\) where pi is \(S,\) actions, got \(2,\)$"),
        (lambda: kl([0, 2], [[1, 0], [0, 1]]), r"^pi\[1\] is 2, not a number below 2, of actions counted from 0$"),
        (lambda: kl([0], [[1, 0], [0, 1]]), r"^pi must have shape \(2,\), one action a state, got \(1,\)$"),
        (lambda: total_variation([[1, 0], [0, 1]], [0, -1]), r"^pi_new\[1\] is -1, not a number below 2"),
        (lambda: mirror_step([0, 2], np.eye(2), 1.0), r"^pi\[1\] is 2, not a number below 2"),
        (lambda: policy_from_occupancy(np.eye(2), unvisited=[0, 2]), r"^unvisited\[1\] is 2, not a number below 2"),
    ],
)
def test_action_numbers_that_no_other_argument_allows_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_action_numbers_that_are_none_are_refused():
    for bad, message in (
        ([0, 4] + [0] * 7, r"^pi\[1\] is 4, not a number below 4, of actions counted from 0$"),
        ([0] * 8, r"^pi must have shape \(9,\), one action a state, got \(8,\)$"),
        ([0.0] * 9, r"^pi must have shape \(9, 4\), one row a state, or \(S,\) actions, got \(9,\)$"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate_policy(POND, bad)


# Under budgets ---------------------------------------------------------------------------------------------------

SMALL = garnet(4, 2, 2, gamma=0.8, rng=np.random.default_rng(0))
COST = np.random.default_rng(1).random((4, 2))


def best_on_the_edges(mdp, cost, budget):
    """max {ρ·r : ρ ∈ D, ρ·c ≤ budget}: D's corners are deterministic, and one more constraint cuts edges at most."""
    corners = deterministic_occupancies(mdp).rho
    r, c = (corners * mdp.r).sum(axis=(1, 2)), (corners * cost).sum(axis=(1, 2))
    found = list(r[c <= budget])
    for i, j in combinations(range(len(r)), 2):
        if min(c[i], c[j]) <= budget < max(c[i], c[j]):
            t = (budget - c[i]) / (c[j] - c[i])
            found.append((1 - t) * r[i] + t * r[j])
    return max(found)


def test_nothing_is_spent_after_the_end():
    """A cost of 1 a step counts the steps of an episode, discounted, and no step of the terminal state."""
    steps, count = np.ones(POND.r.shape), (1 - 0.9**2) / (1 - 0.9)
    line = gridworld(["S.G"], gamma=0.9, step_reward=-0.1)
    np.testing.assert_allclose(occupancy_program(line, costs=np.ones(line.r.shape), budgets=9).spent, count)
    with pytest.raises(ValueError, match=r"^budgets\[0\] is 1.8, but no policy spends less than 1.9$"):
        occupancy_program(line, costs=np.ones(line.r.shape), budgets=1.8)
    frontier = budget_frontier(POND, steps, [4.0, 8.0])
    assert (np.diff(frontier.values) >= 0).all()


@given(tabular_mdps(max_states=3, max_actions=2), st.integers(0, 100), st.floats(0.05, 0.95))
def test_a_budget_is_kept_at_the_best_return_that_keeps_it(mdp, seed, share):
    cost = np.random.default_rng(seed).random(mdp.r.shape)
    spent = (deterministic_occupancies(mdp).rho * cost).sum(axis=(1, 2))
    budget = spent.min() + share * (spent.max() - spent.min()) + 1e-6
    program = occupancy_program(mdp, costs=cost, budgets=budget)
    best = best_on_the_edges(mdp, cost, budget)
    scale = 1e-7 * max(1.0, abs(mdp.r).max() / (1 - mdp.gamma))
    assert program.value == pytest.approx(best, abs=scale)
    assert program.bound == pytest.approx(best, abs=scale)
    assert program.spent[0] <= budget + 1e-7
    assert program.multipliers[0] >= 0
    # Complementary slackness: what is not spent has no price.
    assert program.multipliers[0] * (budget - program.spent[0]) == pytest.approx(0, abs=1e-5)


@pytest.mark.proves("thm-lp")
def test_the_price_of_a_budget_is_the_slope_of_the_frontier_which_is_concave():
    budgets = np.linspace(2.0, 2.5, 10)
    frontier = budget_frontier(SMALL, COST, budgets)
    assert (np.diff(frontier.values) >= -1e-9).all()
    assert (np.diff(frontier.values, 2) <= 1e-9).all()
    h = 1e-5
    near = budget_frontier(SMALL, COST, np.r_[budgets - h, budgets + h]).values.reshape(2, -1)
    np.testing.assert_allclose((near[1] - near[0]) / (2 * h), frontier.multipliers, atol=1e-5)
    for budget, value, pi in zip(frontier.budgets, frontier.values, frontier.pi, strict=True):
        assert value == pytest.approx(best_on_the_edges(SMALL, COST, budget), abs=1e-8)
        assert expected_return(SMALL, pi) == pytest.approx(value, abs=1e-8)
        assert (occupancy(SMALL, pi) * COST).sum() <= budget + 1e-8
    lots = ((frontier.pi > 1e-6) & (frontier.pi < 1 - 1e-6)).any(axis=(1, 2))
    assert lots[frontier.multipliers > 1e-9].all(), "the best policy under a budget draws lots"


def test_two_budgets_have_two_prices():
    costs = np.array([COST, 1 - COST])
    free = occupancy_program(SMALL)
    spent = (free.rho * costs).sum(axis=(1, 2))
    program = occupancy_program(SMALL, costs=costs, budgets=[spent[0] - 0.3, 10])
    one = occupancy_program(SMALL, costs=COST, budgets=spent[0] - 0.3)
    assert program.value == pytest.approx(one.value, abs=1e-9)
    assert program.multipliers[1] == 0
    np.testing.assert_allclose(program.multipliers[0], one.multipliers[0], atol=1e-8)
    np.testing.assert_allclose(program.spent, (program.rho * costs).sum(axis=(1, 2)))
    assert free.multipliers.shape == free.spent.shape == (0,)


def test_budgets_that_nobody_keeps_are_told_with_what_must_be_spent():
    least = (deterministic_occupancies(SMALL).rho * COST).sum(axis=(1, 2)).min()
    with pytest.raises(ValueError, match=rf"^budgets\[0\] is 1, but no policy spends less than {least:.6g}$"):
        occupancy_program(SMALL, costs=COST, budgets=1)
    other = 1 - COST
    at_most = [
        x + 1e-3 for x in ((deterministic_occupancies(SMALL).rho * c).sum(axis=(1, 2)).min() for c in (COST, other))
    ]
    with pytest.raises(ValueError, match=r"^budgets cannot be kept together, though each of them alone can$"):
        occupancy_program(SMALL, costs=[COST, other], budgets=at_most)
    for arguments, message in (
        ({"costs": COST}, r"^budgets must be given too"),
        ({"budgets": 1.0}, r"^costs must be given too"),
        ({"costs": COST, "budgets": [1.0]}, r"^budgets must have shape \(\), one for each of costs, got \(1,\)$"),
        ({"costs": COST[:2], "budgets": 1.0}, r"^costs must have shape \(4, 2\) or \(k, 4, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            occupancy_program(SMALL, **arguments)


def test_a_solvers_rounding_below_zero_is_zero():
    rho = occupancy(SMALL, np.eye(2)[[0, 1, 0, 1]])
    read = policy_from_occupancy(np.where(rho == 0, -1e-13, rho))
    np.testing.assert_array_equal(read.pi, np.eye(2)[[0, 1, 0, 1]])
    with pytest.raises(ValueError, match=r"^rho\[0, 1\] is -0.001; an occupancy is never negative"):
        policy_from_occupancy(np.where(rho == 0, -1e-3, rho))
