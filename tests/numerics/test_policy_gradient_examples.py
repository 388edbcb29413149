"""Chapter 1's examples and numbers: what it says of one world, and what it shows by hand."""

import itertools

import numpy as np
import pytest

from rlbook import TabularMDP, exact_gradient, garnet, sample_trajectories, softmax_policy
from rlbook.policy_gradient import (
    Trajectories,
    estimate_moments,
    exact_moments,
    finite_horizon_values,
    optimal_baseline,
    per_trajectory_gradients,
    returns,
    score_table,
    state_distributions,
)
from tests import oracles
from tests.strategies import plain

T = 30
MDP = garnet(5, 3, 2, gamma=0.9, rng=np.random.default_rng(0))
THETA = np.random.default_rng(1).normal(size=(5, 3))
PI = softmax_policy(THETA)
EXACT = exact_gradient(MDP, THETA, horizon=T).ravel()
V, _ = finite_horizon_values(MDP, PI, T)
OFF = V + np.random.default_rng(0).normal(size=5)  # the chapter's wrong V


def cosine(x, y):
    return x @ y / np.linalg.norm(x) / np.linalg.norm(y)


def test_the_noise_of_one_estimate_is_more_than_twelve_times_as_long_as_the_gradient():
    spread = exact_moments(MDP, PI, T).variance(kappa=1) ** 0.5
    assert spread / np.linalg.norm(EXACT) == pytest.approx(12.65, abs=0.01)


# Random rewards -----------------------------------------------------------------------------------------------


P = np.array([[[0.75, 0.25], [0.25, 0.75]], [[0.5, 0.5], [1.0, 0.0]]])
PAID = np.array([[[1.0, -2.0], [0.5, 3.0]], [[-1.0, 2.0], [0.0, 1.0]]])  # the mean of r_t given (s, a, s')
SPREAD = np.array([[[0.5, 1.0], [2.0, 0.25]], [[1.0, 0.5], [1.5, 1.0]]])
TWO = [(-1.0, 0.5), (1.0, 0.5)]  # a law with mean 0 and variance 1
THREE = [(-np.sqrt(2), 0.25), (0.0, 0.5), (np.sqrt(2), 0.25)]  # another


def paid_episodes(pi, law, steps=2):
    """(states with the last, actions, rewards, probability) where r_t goes with s_{t+1} and is random besides."""

    def extend(s, a, r, p):
        if len(a) == steps:
            yield s, a, r, p
            return
        for action, x, (z, chance) in itertools.product(range(2), range(2), law):
            here = s[-1], action, x
            reward = PAID[here] + SPREAD[here] * z
            yield from extend((*s, x), (*a, action), (*r, reward), p * pi[s[-1], action] * P[here] * chance)

    for start in range(2):
        yield from extend((start,), (), (), 0.5)


@pytest.mark.proves("thm-reinforce", "thm-reward-to-go", "lem-admissible", "thm-baseline", "prop-past-variance")
def test_random_rewards_that_go_with_the_next_state_change_no_mean():
    """Nor does a baseline that knows the rewards so far, which are a part of the history."""
    theta, gamma = np.array([[0.4, -0.3], [0.1, 0.8]]), 0.9
    pi, psi = oracles.softmax(theta), oracles.scores(oracles.softmax(theta))
    mean_rewards = P, (P * PAID).sum(axis=2), gamma, np.array([0.5, 0.5])
    slope = oracles.return_gradient(mean_rewards, theta, 2).ravel()
    whole, to_go, knowing, product, law = np.zeros((5, 4))
    for s, a, r, p in paid_episodes(pi, TWO):
        scores = [psi[s[t], a[t]] for t in range(2)]
        b = 3 * r[0] + r[0] ** 2 * (s[1] == 1)
        whole += p * (r[0] + gamma * r[1]) * (scores[0] + scores[1])
        to_go += p * ((r[0] + gamma * r[1]) * scores[0] + gamma * r[1] * scores[1])
        knowing += p * ((r[0] + gamma * r[1]) * scores[0] + gamma * (r[1] - b) * scores[1])
        product += p * r[0] * scores[1]  # K_1 ψ_1
        law += p * r[1] * scores[1]  # r_1 is not settled before a_1
    for estimate in (whole, to_go, knowing):
        np.testing.assert_allclose(estimate, slope, atol=1e-8)
    np.testing.assert_allclose(product, 0, atol=1e-14)
    assert np.linalg.norm(law) > 0.1


@pytest.mark.proves("thm-exact-moments")
def test_of_a_random_reward_the_moments_want_mean_and_variance_given_the_next_state():
    pi, gamma = oracles.softmax([[0.4, -0.3], [0.1, 0.8]]), 0.9
    psi = oracles.scores(pi)

    def variance(law, paid=None):
        squares, mean = 0.0, np.zeros(4)
        for s, a, r, p in paid_episodes(pi, law):
            r = r if paid is None else tuple(paid[s[t], a[t]] for t in range(2))
            g = oracles.g_hat(oracles.Trajectory(s[:2], a, r, None), psi, gamma)
            squares, mean = squares + p * g @ g, mean + p * g
        return squares - mean @ mean

    assert variance(TWO) == pytest.approx(variance(THREE), rel=1e-12)
    averaged = variance(TWO, paid=(P * PAID).sum(axis=2))
    assert averaged < 0.8 * variance([(0.0, 1.0)]) < 0.8 * 0.9 * variance(TWO)


@pytest.mark.parametrize(("paid", "spread"), [(False, 0.15), (True, 0.19)])
def test_on_the_lake_mean_rewards_are_less_noisy_than_those_that_are_paid(paid, spread):
    """FrozenLake pays 1 on arriving at the goal, state 15; as a table it has the mean of that. To four errors."""
    gymnasium = pytest.importorskip("gymnasium")
    lake = TabularMDP.from_gymnasium(gymnasium.make("FrozenLake-v1"), gamma=0.95)
    pi = np.full((16, 4), 0.25)
    batch = sample_trajectories(lake, pi, 50_000, 100, np.random.default_rng(0))
    if paid:
        rewards = np.zeros(batch.rewards.shape)
        rewards[:, :-1] = (batch.states[:, 1:] == 15) & (batch.states[:, :-1] != 15)
        batch = batch._replace(rewards=rewards)
    seen = estimate_moments(per_trajectory_gradients(batch, pi, lake.gamma))
    found, error = seen.variance**0.5, seen.variance_error / 2 / seen.variance**0.5
    assert error < 0.005
    assert abs(found - spread) < 4 * error
    length = np.linalg.norm(exact_gradient(lake, np.zeros((16, 4))))
    assert length == pytest.approx(0.0038, abs=1e-4)  # and both are estimates of it
    assert np.linalg.norm(seen.mean - exact_gradient(lake, np.zeros((16, 4)))) < 4 * np.linalg.norm(seen.mean_error)


# For ever -----------------------------------------------------------------------------------------------------


@pytest.mark.proves("thm-infinite-horizon")
def test_scores_that_are_uncorrelated_give_a_sharper_bound():
    """E‖Z_k‖ ≤ L√(k+1), and the tail with √(k+1) in the place of k + 1, as the chapter prints it."""
    r_max, L, gamma, limit = abs(MDP.r).max(), np.sqrt(2), 0.9, exact_gradient(MDP, THETA)
    for n, wide, sharp in ((10, 149.3, 32.63), (50, 6.621, 0.8523), (200, 3.172e-6, 2.188e-7)):
        k = np.arange(n, 2000)
        error = np.linalg.norm(exact_gradient(MDP, THETA, horizon=n) - limit)
        assert r_max * L * (gamma**k * (k + 1)).sum() == pytest.approx(wide, rel=1e-3)
        bound = r_max * L * (gamma**k * np.sqrt(k + 1)).sum()
        assert bound == pytest.approx(sharp, rel=1e-3)
        assert 50 * error < bound < 250 * error  # the chapter: still about a hundred times the error
    mdp = P, np.ones((2, 2)), 0.9, np.array([0.5, 0.5])
    pi = oracles.softmax([[2.0, -0.3], [0.1, 0.8]])
    psi = oracles.scores(pi)
    for k in range(4):
        length = oracles.mean(
            lambda tau: np.linalg.norm(sum(psi[s, a] for s, a in zip(*tau[:2], strict=True))), mdp, pi, k + 1
        )
        assert length <= np.linalg.norm(psi, axis=-1).max() * np.sqrt(k + 1)


@pytest.mark.mends(5)
def test_for_ever_the_sum_of_means_stands_and_the_mean_of_the_sum_does_not():
    """One state, reward 1, π = ½, one logit: the swap of Σ and E that was made, with R whole at every score.

    Each E[Rψ_t] is 0, and so is their sum. The partial sums R Σ_{t<T} ψ_t are a random walk: they spread without end,
    and Σ E|Rψ_t|, which Fubini asks for, diverges. With reward-to-go it is at most L r_max/(1−γ)².
    """
    gamma, R = 0.5, 2.0
    mdp = TabularMDP(np.ones((1, 2, 1)), np.ones((1, 2)), gamma, [1.0])
    logit = np.array([[[1.0], [0.0]]])
    for steps in (10, 100, 400):
        moments = exact_moments(mdp, [[0.5, 0.5]], steps, features=logit)
        np.testing.assert_allclose(moments.estimator(kappa=1)[0], 0, atol=1e-12)
        assert moments.variance(kappa=1) == pytest.approx(steps * R**2 / 4, rel=1e-2)
    arrays = np.ones((1, 2, 1)), np.ones((1, 2)), gamma, np.ones(1)
    psi = oracles.scores(np.array([[0.5, 0.5]]), logit)

    def lengths(weight, steps):  # Σ_t E|w_t ψ_t|
        return oracles.mean(
            lambda tau: sum(abs(weight(tau, t) * psi[0, tau.actions[t], 0]) for t in range(steps)),
            arrays,
            np.array([[0.5, 0.5]]),
            steps,
        )

    for steps in (4, 8):
        whole = lengths(lambda tau, t: oracles.reward_sum(tau.rewards, gamma), steps)
        assert whole == pytest.approx(steps / 2 * R, rel=0.1)
        to_go = lengths(lambda tau, t: gamma**t * oracles.return_from(tau.rewards, gamma, t), steps)
        assert to_go <= 0.5 / (1 - gamma) ** 2


def field(theta, gamma, c, kept):
    """E Σ γᵗ G_t ψ_t, or without γᵗ, where acting leads to a decision in which acting costs c: by enumeration."""
    p = 1 / (1 + np.exp(-np.asarray(theta)))
    total = np.zeros(2)
    for a_0, a_1 in itertools.product((0, 1), repeat=2):
        chance = (p[0] if a_0 else 1 - p[0]) * (p[1] if a_1 else 1 - p[1])
        paid = -c * a_0 * a_1
        factor = gamma if kept else 1.0
        total += chance * np.array([gamma * paid * (a_0 - p[0]), a_0 * factor * paid * (a_1 - p[1])])
    return total


def test_without_the_discount_it_is_the_gradient_of_no_function():
    theta, gamma, c = np.array([0.3, -0.6]), 0.5, 2.0
    p = 1 / (1 + np.exp(-theta))
    spread = p * (1 - p)
    np.testing.assert_allclose(
        field(theta, gamma, c, kept=False), [-gamma * c * p[1] * spread[0], -c * p[0] * spread[1]], atol=1e-14
    )
    jacobian = oracles.finite_difference(lambda x: field(x, gamma, c, kept=False), theta)
    cross = -c * spread[0] * spread[1]
    np.testing.assert_allclose(sorted([jacobian[0, 1], jacobian[1, 0]]), sorted([gamma * cross, cross]), atol=1e-9)
    jacobian = oracles.finite_difference(lambda x: field(x, gamma, c, kept=True), theta)
    np.testing.assert_allclose(jacobian, jacobian.T, atol=1e-9)

    def eta(x):
        return -gamma * c / np.prod(1 + np.exp(-np.asarray(x)))

    np.testing.assert_allclose(field(theta, gamma, c, kept=True), oracles.finite_difference(eta, theta), atol=1e-9)


# Score and path -----------------------------------------------------------------------------------------------


@pytest.mark.proves("thm-score-function")
@pytest.mark.parametrize("d", [1, 2, 3])
def test_score_and_path_have_one_mean_and_two_variances(d):
    nodes, weights = np.polynomial.hermite_e.hermegauss(6)  # exact for polynomials of degree 11
    z = np.array(list(itertools.product(nodes, repeat=d)))
    p = np.array([np.prod(w) for w in itertools.product(weights / weights.sum(), repeat=d)])
    for theta in (np.zeros(d), np.linspace(0.5, 1, d)):
        X = theta + z
        score, path = (X**2).sum(axis=1)[:, None] * z, 2 * X
        np.testing.assert_allclose(p @ score, 2 * theta, atol=1e-12)
        np.testing.assert_allclose(p @ path, 2 * theta, atol=1e-12)
    by_score, by_path = (p @ ((z**2).sum(axis=1) ** 3), p @ (4 * (z**2).sum(axis=1)))
    assert by_score == pytest.approx(d * (d + 2) * (d + 4))
    assert by_path == pytest.approx(4 * d)
    assert by_score / by_path == pytest.approx((d + 2) * (d + 4) / 4)
    assert (100 + 2) * (100 + 4) / 4 == 2652


# Baselines ----------------------------------------------------------------------------------------------------


@pytest.mark.mends(10)
@pytest.mark.proves("prop-same-batch")
@pytest.mark.parametrize("N", [2, 3])
def test_a_mean_of_each_state_from_the_same_batch_turns_the_gradient(N):
    """One step; b(s) is the batch's mean return from s. Where s was seen n times, the gradient is (1 − 1/n)-fold."""
    rho0, r, pi = np.array([0.8, 0.2]), np.array([[1.0, -1.0], [6.0, 0.0]]), np.array([[0.25, 0.75], [0.5, 0.5]])
    psi = oracles.scores(pi)
    of_state = np.einsum("sa,sa,sak->sk", pi, r, psi)  # E[rψ|s]
    total = np.zeros(4)
    for states in np.ndindex(*[2] * N):
        given, seen = np.zeros((2, 4)), np.bincount(states, minlength=2)
        for actions in np.ndindex(*[2] * N):
            chance = np.prod([pi[s, a] for s, a in zip(states, actions, strict=True)])
            paid = np.array([r[s, a] for s, a in zip(states, actions, strict=True)])
            b = [paid[np.array(states) == s].mean() if seen[s] else 0 for s in range(2)]
            for s, a, pays in zip(states, actions, paid, strict=True):
                given[s] += chance * (pays - b[s]) * psi[s, a]
        for s in range(2):
            np.testing.assert_allclose(given[s], max(seen[s] - 1, 0) * of_state[s], atol=1e-14)
        total += np.prod(rho0[list(states)]) * given.sum(axis=0) / N
    truth = rho0 @ of_state
    assert cosine(total, truth) < 0.98  # not only shorter
    assert 0.1 < np.linalg.norm(total) < (1 - 1 / N) * np.linalg.norm(truth)


@pytest.mark.mends(11)
@pytest.mark.proves("thm-optimal-baseline", "prop-per-step")
def test_the_smallest_case_in_which_an_earlier_score_matters():
    """What the chapter does by hand: in state 1 the estimate is γ(1 − b/2) or γb/2, equal at b = 1."""
    gamma = 0.5
    P = np.zeros((3, 2, 3))
    P[0, 0, 1] = P[0, 1, 2] = P[1, :, 1] = P[2, :, 2] = 1
    mdp = TabularMDP(P, [[0, 0], [1, 0], [0, 0]], gamma, [1, 0, 0])
    pi, logit = np.full((3, 2), 0.5), np.tile([[1.0], [0.0]], (3, 1, 1))
    for b in (0.0, 0.5, 1.0):
        baseline = np.array([[0.0, 0, 0], [0, b, 0]])
        batch = Trajectories(np.array([[0, 1], [0, 1]]), np.array([[0, 0], [0, 1]]), np.array([[0.0, 1], [0, 0]]))
        g = per_trajectory_gradients(batch, pi, gamma, features=logit, baseline=baseline)
        np.testing.assert_allclose(g.ravel(), [gamma * (1 - b / 2), gamma * b / 2], atol=1e-15)
    V, _ = finite_horizon_values(mdp, pi, 2)
    assert V[1, 1] == 0.5
    assert optimal_baseline(mdp, pi, 2, features=logit)[1, 1] == 1


# Noise for bias -----------------------------------------------------------------------------------------------


def gae_moments(V_hat, lam):
    """Mean and total variance of Σ_t γᵗ Â_t ψ_t, by a recursion of second moments of (1, Â, ĝ) of its own."""
    S, psi = MDP.n_states, oracles.scores(PI)
    n, (P, r, gamma, rho0) = psi.shape[-1], plain(MDP)
    V_hat = np.vstack([V_hat, np.zeros(S)])
    after = np.zeros((S, 2 + n, 2 + n))
    after[:, 0, 0] = 1
    for t in reversed(range(T)):
        now = np.zeros_like(after)
        for s, a, x in np.argwhere(P):
            delta = r[s, a] + gamma * V_hat[t + 1, x] - V_hat[t, s]
            M = np.zeros((2 + n, 2 + n))
            M[0, 0], M[1, :2] = 1, (delta, gamma * lam)
            M[2:, :2], M[2:, 2:] = np.outer(psi[s, a], M[1, :2]), gamma * np.eye(n)
            now[s] += PI[s, a] * P[s, a, x] * M @ after[x] @ M.T
        after = now
    second = np.einsum("s,sij->ij", rho0, after)
    mean = second[0, 2:]
    return mean, np.trace(second[2:, 2:]) - mean @ mean


def squared_error(V_hat, lam):
    """(bias², error of the mean of 16 episodes)."""
    mean, variance = gae_moments(V_hat, lam)
    bias = ((mean - EXACT) ** 2).sum()
    return bias, bias + variance / 16


@pytest.mark.proves("prop-gae")
def test_the_figure_of_gae():
    """Caption and alternative text: with V known the less the better; with V off the best lies near 0.7."""
    known = {lam: squared_error(V, lam) for lam in (0, 0.5, 0.8, 1)}
    assert max(bias for bias, _ in known.values()) < 1e-24
    errors = [error for _, error in known.values()]
    assert errors == sorted(errors)
    assert (errors[0], errors[-1]) == (pytest.approx(0.08, abs=0.005), pytest.approx(0.43, abs=0.005))
    off = {lam: squared_error(OFF, lam) for lam in (0, 0.6, 0.7, 0.8, 0.9, 1)}
    assert off[0] == (pytest.approx(0.46, abs=0.005), pytest.approx(0.64, abs=0.005))
    assert off[0.7][1] == pytest.approx(0.24, abs=0.005)
    assert off[1] == (pytest.approx(0, abs=1e-20), pytest.approx(0.48, abs=0.005))
    assert max(off[0.7][1], off[0.8][1]) < min(off[0.6][1], off[0.9][1])
    # As many episodes again and again: the noise is divided and the bias is not.
    best = {
        N: min(off, key=lambda lam: off[lam][0] + (off[lam][1] - off[lam][0]) * 16 / N) for N in (4, 16, 64, 10_000)
    }
    assert list(best.values()) == sorted(best.values())
    assert best[64] > 0.8
    assert best[10_000] == 1


@pytest.mark.proves("prop-gae")
def test_with_v_known_one_step_is_less_noisy_than_the_best_state_baseline():
    _, one_step = gae_moments(V, 0)
    _, as_baseline = gae_moments(V, 1)
    best = exact_moments(MDP, PI, T, baseline=optimal_baseline(MDP, PI, T)).variance(beta=1)
    assert as_baseline == pytest.approx(exact_moments(MDP, PI, T, baseline=V).variance(beta=1))
    assert one_step == pytest.approx(as_baseline / 5, rel=0.07)
    assert one_step < best / 5


@pytest.mark.proves("prop-gae")
@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
def test_gae_is_a_mean_of_what_any_number_of_steps_says(lam):
    """Â = (1−λ) Σ_j λ^{j−1} Â^{(j)}, the last with all the weight that is left; Â^{(j)} = r + … + γʲV̂ − V̂."""
    rng, gamma, steps = np.random.default_rng(0), 0.9, 6
    r, V_hat = rng.normal(size=steps), np.append(rng.normal(size=steps), 0.0)
    delta = r + gamma * V_hat[1:] - V_hat[:-1]
    of = [oracles.reward_sum(r, gamma, stop=j) + gamma**j * V_hat[j] - V_hat[0] for j in range(1, steps + 1)]
    np.testing.assert_allclose(of, [oracles.reward_sum(delta, gamma, stop=j) for j in range(1, steps + 1)], atol=1e-14)
    weights = (1 - lam) * lam ** np.arange(steps)
    weights[-1] = lam ** (steps - 1)
    assert weights.sum() == pytest.approx(1)
    assert weights @ of == pytest.approx(returns(delta[None], gamma * lam)[0, 0])


# What practice does differently -------------------------------------------------------------------------------


def test_without_the_discount_the_mean_is_three_times_as_long_here_and_hardly_turned():
    mean, _ = exact_moments(MDP, PI, T, baseline=V, discount=False).estimator(beta=1)
    assert np.linalg.norm(mean) / np.linalg.norm(EXACT) == pytest.approx(3.21, abs=0.005)
    assert cosine(mean, EXACT) == pytest.approx(0.9997, abs=5e-5)


def test_what_centring_and_scaling_in_the_batch_do_to_the_mean():
    """4 episodes a batch, other seeds than the chapter's: 0.955 and 0.74 times as long, to four standard errors."""
    N = 80_000
    batch = sample_trajectories(MDP, PI, N, T, np.random.default_rng(6))
    when, gamma, psi = np.arange(T), MDP.gamma, score_table(PI)
    excess = returns(batch.rewards, gamma) - V[when, batch.states]
    groups = excess.reshape(-1, 4 * T)
    centred = groups - groups.mean(axis=1, keepdims=True)
    scaled = centred / groups.std(axis=1, keepdims=True)
    along = EXACT / np.linalg.norm(EXACT)
    found = {}
    for name, weights in (("centred", centred), ("scaled", scaled)):
        weights = gamma**when * weights.reshape(-1, T)
        g = sum(weights[:, t, None] * psi[batch.states[:, t], batch.actions[:, t]] for t in when)
        g = g.reshape(-1, 4, 15).mean(axis=1)
        assert cosine(g.mean(axis=0), EXACT) > 0.999
        share = g @ along / np.linalg.norm(EXACT)
        found[name] = share.mean(), share.std() / np.sqrt(len(share))
    for name, wanted in (("centred", 0.955), ("scaled", 0.744)):
        share, error = found[name]
        assert error < 0.005
        assert abs(share - wanted) < 4 * error
    # All 120 weights of a batch are centred at once: a state's share of the gradient, like 1 − 1/N for one mean.
    assert found["centred"][0] + 4 * found["centred"][1] < 1


def test_the_usual_entropy_bonus_leaves_out_later_entropies():
    discounts = 0.9 ** np.arange(T)[:, None]

    def bonus(theta):  # E Σ γᵗ H(π(·|s_t))
        pi = softmax_policy(theta)
        return (discounts * state_distributions(MDP, pi, T) * -(pi * np.log(pi)).sum(axis=1)).sum()

    def in_place(theta, discounts=discounts):  # the same with the visits held fixed
        pi = softmax_policy(theta)
        return (discounts * state_distributions(MDP, PI, T) * -(pi * np.log(pi)).sum(axis=1)).sum()

    def undiscounted(theta):
        return in_place(theta, 1.0)

    whole, discounted, usual = (oracles.finite_difference(f, THETA).ravel() for f in (bonus, in_place, undiscounted))
    length = np.linalg.norm(whole)
    assert np.linalg.norm(whole - discounted) / length == pytest.approx(0.13, abs=0.005)
    assert np.linalg.norm(usual) / length == pytest.approx(3.3, abs=0.05)
