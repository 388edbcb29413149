"""Worlds that end: a terminal state earns nothing, has no entropy, is chosen in by nobody, and ends the episode.

The oracle of all that counts no choice is the same world without the mask, where the state is merely absorbing; of what
does, the world from which terminal states are taken out, whose rows then sum to less than 1.
"""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlbook import (
    TabularMDP,
    bellman,
    evaluate_policy,
    exact_gradient,
    expected_return,
    fisher,
    garnet,
    gridworld,
    natural_gradient,
    occupancy,
    policy_iteration,
    sample_trajectories,
    soft_operator,
    soft_policy_iteration,
    soft_value_iteration,
    softmax_policy,
    solve,
)
from rlbook import policy_gradient as pg
from rlbook.natural_gradients import mean_kl
from rlbook.occupancies import (
    entropy_program,
    estimate_occupancy,
    estimate_performance_difference,
    history_occupancy,
    occupancy_entropy,
)

ALPHA = 0.3


@st.composite
def ending(draw):
    """A random world of which one or two states are terminal, and a policy."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    S, A = draw(st.integers(3, 6)), draw(st.integers(2, 3))
    plain = garnet(S, A, 2, gamma=draw(st.sampled_from([0.0, 0.5, 0.9, 0.99])), rng=rng)
    terminal = np.zeros(S, dtype=bool)
    terminal[rng.choice(np.arange(1, S), draw(st.integers(1, 2)), replace=False)] = True
    P, r = np.array(plain.P), np.array(plain.r)
    P[terminal], r[terminal] = np.eye(S)[terminal][:, None], 0.0
    rho0 = np.where(terminal, 0.0, 1.0) / (~terminal).sum()
    return TabularMDP(P, r, plain.gamma, rho0, terminal=terminal), rng.dirichlet(np.ones(A), size=S)


def absorbing(mdp):
    return mdp.replace(terminal=np.zeros(mdp.n_states, dtype=bool))


def cut(mdp, pi):
    """P_π, r_π and the entropies of the states that are not terminal, whose rows sum to less than 1."""
    live = ~mdp.terminal
    P = np.einsum("sa,sak->sk", pi, mdp.P)[np.ix_(live, live)]
    with np.errstate(divide="ignore", invalid="ignore"):
        H = -np.where(pi > 0, pi * np.log(pi), 0.0).sum(axis=1)
    return P, (pi * mdp.r).sum(axis=1)[live], H[live], live


@given(ending())
def test_values_of_a_policy_and_of_the_best_are_those_of_an_absorbing_state(case):
    mdp, pi = case
    for ours, theirs in (
        (evaluate_policy(mdp, pi).Q, evaluate_policy(absorbing(mdp), pi).Q),
        (policy_iteration(mdp).V, policy_iteration(absorbing(mdp)).V),
        (solve(mdp).V, policy_iteration(absorbing(mdp)).V),
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)
    assert expected_return(mdp, pi) == pytest.approx(expected_return(absorbing(mdp), pi), abs=1e-9)


@pytest.mark.proves("thm-soft-contraction", "thm-soft-improvement", "def-soft")
@given(ending())
def test_soft_values_are_those_of_the_world_without_its_terminal_states(case):
    mdp, _ = case
    gamma, live = mdp.gamma, ~mdp.terminal
    P, r, V = mdp.P[live][:, :, live], mdp.r[live], np.zeros(live.sum())
    for _ in range(2500):
        Q = r + gamma * P @ V
        V = ALPHA * np.log(np.exp((Q - Q.max(axis=1, keepdims=True)) / ALPHA).sum(axis=1)) + Q.max(axis=1)
    for soft in (soft_value_iteration(mdp, ALPHA), soft_policy_iteration(mdp, ALPHA)):
        assert soft.converged
        np.testing.assert_allclose(soft.V[live], V, atol=1e-7)
        np.testing.assert_allclose(soft.V[~live], 0.0, atol=1e-7)
        np.testing.assert_allclose(soft_operator(mdp, soft.Q, ALPHA), soft.Q, atol=1e-7)
        # And its value as a policy, each step's entropy added, is what it promises.
        P_pi, r_pi, H, _ = cut(mdp, soft.pi)
        promised = np.linalg.solve(np.eye(len(H)) - gamma * P_pi, r_pi + ALPHA * H)
        np.testing.assert_allclose(promised, V, atol=1e-6)


@given(ending())
def test_the_entropy_program_and_the_entropy_of_an_occupancy_know_where_episodes_end(case):
    mdp, pi = case
    P_pi, _, H, live = cut(mdp, pi)
    expected = mdp.rho0[live] @ np.linalg.solve(np.eye(len(H)) - mdp.gamma * P_pi, H)
    assert occupancy_entropy(occupancy(mdp, pi)) == pytest.approx(expected, abs=1e-9)
    program = entropy_program(mdp, ALPHA)
    assert program.value <= mdp.rho0 @ soft_value_iteration(mdp, ALPHA).V + 1e-7 <= program.bound + 2e-7
    objective = (program.rho * mdp.r).sum() + ALPHA * occupancy_entropy(program.rho)
    assert objective == pytest.approx(program.value, abs=1e-6)


@given(ending())
def test_visits_go_on_for_ever_where_nothing_is_chosen(case):
    mdp, pi = case
    rho = occupancy(mdp, pi)
    np.testing.assert_allclose(rho.sum(axis=1), occupancy(absorbing(mdp), pi).sum(axis=1), atol=1e-9)
    assert not rho[mdp.terminal, 1:].any()
    memory = history_occupancy(mdp, lambda history: pi[history[-1]], 4)
    first = sum(
        mdp.gamma**t * p[:, None] * np.where(mdp.terminal[:, None], np.eye(mdp.n_actions)[0], pi)
        for t, p in enumerate(pg.state_distributions(mdp, pi, 4))
    )
    np.testing.assert_allclose(memory, first, atol=1e-12)


@given(ending(), st.integers(0, 1000))
def test_what_a_policy_would_do_after_the_end_changes_nothing(case, seed):
    mdp, pi = case
    rng = np.random.default_rng(seed)
    other = np.where(mdp.terminal[:, None], rng.dirichlet(np.ones(mdp.n_actions), size=mdp.n_states), pi)
    np.testing.assert_array_equal(occupancy(mdp, pi), occupancy(mdp, other))
    assert mean_kl(mdp, pi, other) == 0
    theta = rng.normal(size=mdp.r.shape)
    moved = theta + np.where(mdp.terminal[:, None], rng.normal(size=mdp.r.shape), 0.0)
    np.testing.assert_array_equal(exact_gradient(mdp, theta), exact_gradient(mdp, moved))
    np.testing.assert_array_equal(fisher(mdp, theta), fisher(mdp, moved))
    np.testing.assert_array_equal(natural_gradient(mdp, theta), natural_gradient(mdp, moved))
    assert not fisher(mdp, theta).reshape(*mdp.r.shape, -1)[mdp.terminal].any()


@given(ending(), st.integers(0, 1000))
def test_with_shared_features_a_natural_step_is_that_of_the_world_that_ends(case, seed):
    """Where parameters are shared, scores after the end would bend the metric: F is summed over live states alone."""
    mdp, _ = case
    rng = np.random.default_rng(seed)
    features, theta = rng.normal(size=(*mdp.r.shape, 2)), rng.normal(size=2)
    pi = softmax_policy(theta, features=features)
    P_pi, _, _, live = cut(mdp, pi)
    d = (1 - mdp.gamma) * np.linalg.solve(np.eye(live.sum()) - mdp.gamma * P_pi.T, mdp.rho0[live])
    score = features - np.einsum("sa,san->sn", pi, features)[:, None]
    F = np.einsum("s,sa,san,sam->nm", d, pi[live], score[live], score[live])
    np.testing.assert_allclose(fisher(mdp, theta, features=features), F, atol=1e-9)


HORIZON, N = 8, 60_000
SHORT = gridworld(["S.G", ".P."], gamma=0.9, slip=0.3, step_reward=-0.1)
PI = np.random.default_rng(3).dirichlet(np.ones(4), size=SHORT.n_states)


def test_sampled_episodes_end_and_nothing_stands_after_the_end():
    batch = sample_trajectories(SHORT, PI, 2000, HORIZON, np.random.default_rng(0))
    came = np.cumsum(SHORT.terminal[batch.states], axis=1) > 0
    np.testing.assert_array_equal(batch.alive, ~came)
    assert came.any()
    assert not came[:, 0].any()
    assert not batch.rewards[~batch.alive].any()
    assert not batch.actions[~batch.alive].any()
    rho = estimate_occupancy(SHORT, batch)
    off = abs(rho.rho - sum(0.9**t * p[:, None] * PI for t, p in enumerate(pg.state_distributions(SHORT, PI, HORIZON))))
    live = ~SHORT.terminal
    assert (off[live] <= 5 * rho.error[live] + 1e-12).all()


def test_counts_read_alive_and_no_action_after_the_end():
    batch = sample_trajectories(SHORT, PI, 200, HORIZON, np.random.default_rng(4))
    wild = batch._replace(actions=np.where(batch.alive, batch.actions, 3))
    np.testing.assert_array_equal(estimate_occupancy(SHORT, wild).rho, estimate_occupancy(SHORT, batch).rho)
    padded = batch._replace(states=np.where(batch.alive, batch.states, 0))
    n = int(np.argmin(batch.alive[:, -1]))  # the first episode that ends, and its first step after the end
    place = rf"{n}, {int(np.argmin(batch.alive[n]))}"
    message = rf"^trajectories.states\[{place}\] is 0, where trajectories.alive says .* must be a terminal state$"
    for estimate in (estimate_occupancy, lambda mdp, x: estimate_performance_difference(mdp, PI, x)):
        with pytest.raises(ValueError, match=message):
            estimate(SHORT, padded)


@pytest.mark.proves("thm-exact-moments")
@pytest.mark.parametrize("kappa", [0.0, 1.0])
@pytest.mark.parametrize("discount", [True, False])
def test_moments_are_those_of_episodes_that_end(kappa, discount):
    """A constant baseline and the past reward still count where the policy acts, and nowhere else."""
    baseline = np.full(SHORT.n_states, 0.7)
    exact = pg.exact_moments(SHORT, PI, HORIZON, baseline=baseline, discount=discount)
    batch = sample_trajectories(SHORT, PI, N, HORIZON, np.random.default_rng(1))
    settings = {"kappa": kappa, "baseline": baseline, "discount": discount}
    seen = pg.estimate_moments(pg.per_trajectory_gradients(batch, PI, SHORT.gamma, **settings))
    mean, _ = exact.estimator(kappa=kappa, beta=1.0)
    off = abs(seen.mean.ravel() - mean) / np.maximum(seen.mean_error.ravel(), 1e-12)
    assert off[seen.mean_error.ravel() > 0].max() < 4.5
    assert abs(seen.variance - exact.variance(kappa=kappa, beta=1.0)) < 4.5 * seen.variance_error
    # Were the walker's choices after the end counted, the variance would be another: the test can fail.
    counted = pg.exact_moments(absorbing(SHORT), PI, HORIZON, baseline=baseline, discount=discount)
    assert abs(seen.variance - counted.variance(kappa=kappa, beta=1.0)) > 10 * seen.variance_error


def test_an_estimator_reads_alive_and_no_policy_after_the_end():
    batch = sample_trajectories(SHORT, PI, 50, HORIZON, np.random.default_rng(2))
    other = np.where(SHORT.terminal[:, None], [0.1, 0.2, 0.3, 0.4], PI)
    g = [pg.per_trajectory_gradients(batch, pi, 0.9, kappa=1, baseline=np.ones(SHORT.n_states)) for pi in (PI, other)]
    np.testing.assert_array_equal(*g)
    np.testing.assert_allclose(
        g[0],
        pg.per_trajectory_gradients(
            batch._replace(rewards=batch.rewards + ~batch.alive), PI, 0.9, kappa=1, baseline=np.ones(SHORT.n_states)
        ),
    )
    with pytest.raises(ValueError, match=r"trajectories.alive\[0, 0\] is 2, neither True nor False"):
        pg.per_trajectory_gradients(batch._replace(alive=2 * np.ones((50, HORIZON), dtype=int)), PI, 0.9)


# On the book's environments --------------------------------------------------------------------------------------


@pytest.mark.proves("prop-soft-bounds")
@pytest.mark.parametrize(("alpha", "loss", "steps"), [(0.1, 0.0089, 13.02), (0.5, 6.897, 38.8), (1.0, 10.267, 134_309)])
def test_a_soft_policy_on_the_cliff_loses_by_wandering(alpha, loss, steps):
    cliff = TabularMDP.from_gymnasium(gym.make("CliffWalking-v1"), 0.95)
    assert np.flatnonzero(cliff.terminal).tolist() == [47]
    best, soft = policy_iteration(cliff).V[36], soft_value_iteration(cliff, alpha, tol=1e-10)
    assert best - evaluate_policy(cliff, soft.pi).V[36] == pytest.approx(loss, abs=5e-4)
    assert 0 <= soft.V[36] - best <= alpha * np.log(4) / 0.05
    P_pi, *_ = cut(cliff, soft.pi)
    assert np.linalg.solve(np.eye(47) - P_pi, np.ones(47))[36] == pytest.approx(steps, rel=1e-3)
    assert 100 * occupancy(cliff, soft.pi)[cliff.r <= -100].sum() < 1e-30  # it does not fall


def test_soft_q_learning_finds_what_the_table_says():
    """Both know that pit and goal end the episode; an absorbing one would be worth α log 4/(1−γ) = 2.8 more."""
    pond = gridworld(["SG", ".P"], gamma=0.8, slip=0.2)
    soft = soft_value_iteration(pond, 0.4)
    rng = np.random.default_rng(0)
    learned = bellman.q_learning(pond.to_gymnasium(), 0.8, steps=12_000, rng=rng, alpha=0.4, epsilon=0.5)
    assert (learned.visits[~pond.terminal] > 200).all()
    assert abs(learned.Q - soft.Q).max() < 0.06
    assert abs(soft.Q[pond.terminal]).max() < 1e-7
    assert not learned.visits[pond.terminal].any()


def test_staying_for_a_quarter_is_worth_what_the_exercise_says():
    """ex-boltzmann: q = ¼ + γ log(1 + e^q); were the end only absorbing, it would be worth log 2/(1−γ) = 34.7."""
    P, r = [[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[0.25, 0], [0, 0]]
    shop = TabularMDP(P, r, 0.98, [1, 0], terminal=[False, True])
    assert soft_value_iteration(shop, 1.0).Q[0, 0] == pytest.approx(12.5002, abs=5e-5)
    assert soft_value_iteration(absorbing(shop), 1.0).V[1] == pytest.approx(np.log(2) / 0.02)


def test_a_widgets_map_ends_where_its_goals_and_pits_are():
    mdp = gridworld(["S.G", "#.P"], gamma=0.9)
    assert mdp.terminal.tolist() == [False, False, True, False, True]


# What is refused -------------------------------------------------------------------------------------------------

P, R = [[[0, 1], [0, 1]], [[0, 1], [0, 1]]], [[1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"r": [[1, 0], [0, 2]]}, r"^r\[1, 1\] is 2, but state 1 is terminal and earns nothing: a reward for coming"),
        (
            {"P": [P[0], [[0, 1], [0.25, 0.75]]]},
            r"^P\[1, 1\] leaves state 1 with probability 0.25, but it is terminal$",
        ),
        ({"rho0": [0.5, 0.5]}, r"^rho0\[1\] is 0.5, but state 1 is terminal: no episode can start there$"),
        ({"terminal": [0, 2]}, r"^terminal\[1\] is 2, neither True nor False$"),
        ({"terminal": [True]}, r"^terminal must have shape \(2,\)"),
        ({"gamma": 1.0}, r"^gamma must be"),
    ],
)
def test_a_terminal_state_that_is_none_is_refused(arguments, message):
    good = {"P": P, "r": R, "gamma": 0.5, "rho0": [1, 0], "terminal": [False, True]}
    assert TabularMDP(**good).terminal.tolist() == [False, True]
    with pytest.raises(ValueError, match=message):
        TabularMDP(**good | arguments)
    if "P" in arguments:  # as a sparse matrix too
        from scipy.sparse import csr_array

        with pytest.raises(ValueError, match=message):
            TabularMDP(**good | {"P": csr_array(np.reshape(arguments["P"], (4, 2)))})


@pytest.mark.parametrize("a", [0, 1])
def test_a_sparse_world_with_more_states_than_actions_is_left_by_the_action_that_is_named(a):
    from scipy.sparse import csr_array

    rows = np.eye(3)[[1, 2, 1, 1, 0, 0]]  # of (0, 0), (0, 1), (1, 0), …
    good = {"r": np.zeros((3, 2)), "gamma": 0.5, "rho0": [1, 0, 0], "terminal": [False, True, False]}
    assert TabularMDP(P=csr_array(rows), **good).terminal[1]
    rows[2 + a] = [1, 0, 0]
    with pytest.raises(ValueError, match=rf"^P\[1, {a}\] leaves state 1 with probability 1,"):
        TabularMDP(P=csr_array(rows), **good)


def test_a_gridworld_ends_whatever_the_slip():
    """The chances of four moves from a goal, all of which stay there, may add up to 1 only but for rounding."""
    for slip in np.linspace(0, 1, 101):
        mdp = gridworld(["S.G", "..P"], gamma=0.9, slip=slip)
        assert mdp.P[mdp.terminal, :, mdp.terminal].min() == 1
