"""What the notes got wrong, one test a mend; most of those about Q-learning stand in test_operators.py.

Each computes what was written and what is true.

A test here passes only if the right version agrees with an oracle *and* the wrong one does not, so that the
check tells them apart. The numbers of the mends are those of the book's list of errata.
"""

import itertools
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rlbook import (
    TabularMDP,
    bellman_operator,
    conjugate_gradient,
    evaluate_policy,
    exact_gradient,
    expected_return,
    fisher,
    garnet,
    gridworld,
    natural_gradient,
    occupancy,
    optimality_operator,
    softmax_policy,
    value_iteration,
)
from rlbook.natural_gradients import (
    estimate_fisher,
    fisher_vector_product,
    gaussian_fisher,
    gaussian_flow,
    gaussian_gradient,
    gaussian_path,
    gaussian_step,
    mean_kl,
    quadratic_kl,
    sampled_product,
    steepest_descent,
    trust_region_step,
)
from rlbook.occupancies import history_occupancy, performance_difference, surrogate
from rlbook.policy_gradient import (
    exact_moments,
    finite_horizon_values,
    per_trajectory_gradients,
    sample_trajectories,
    variance_against_horizon,
)
from rlbook.q_prop import (
    GaussianModel,
    control_variate,
    cross_fitted,
    deterministic_gradient,
    fitted_on_same,
    gaussian_score,
    optimal_coefficient,
    q_prop_gradient,
    taylor_baseline,
    taylor_correction,
    three_rooms,
)
from tests import oracles
from tests.sources import ERRATA

LOGIT = np.array([[[1.0], [0.0]]])  # one parameter, the logit of action 0: ψ(0) = 1 − p, ψ(1) = −p


def shared_logit(n_states):
    """Features by which every state uses the same single logit."""
    return np.repeat(LOGIT, n_states, axis=0)


def policy(p, n_states=1):
    """Action 0 with probability p, in every state."""
    return np.tile([p, 1 - p], (n_states, 1))


def chain(rewards, gamma):
    """States 0, 1, … visited in turn whatever is done, then an absorbing one; rewards is (T, 2)."""
    T = len(rewards)
    P = np.zeros((T + 1, 2, T + 1))
    for t in range(T + 1):
        P[t, :, min(t + 1, T)] = 1.0
    return P, np.vstack([rewards, np.zeros(2)]), gamma, np.eye(T + 1)[0]


def forked(gamma=0.9):
    """Two states, two actions that differ in where they lead and in what they earn."""
    P = np.array([[[0.75, 0.25], [0.25, 0.75]], [[0.5, 0.5], [1.0, 0.0]]])
    return P, np.array([[1.0, -1.0], [2.0, 0.0]]), gamma, np.array([0.5, 0.5])


THETA = np.array([[0.5, 0.0], [-0.25, 0.25]])
PI = oracles.softmax(THETA)
PSI = oracles.scores(PI)


def score_sum(tau, psi):
    return sum(psi[s, a] for s, a in zip(tau.states, tau.actions, strict=True))


# 1 · what is maximised, and what has to be known of the law --------------------------------------------------


@pytest.mark.mends(1)
@pytest.mark.proves("thm-reinforce")
def test_mend_1_the_return_is_no_cost_and_only_the_score_has_to_be_known():
    mdp = forked()
    P, r, gamma, rho0 = mdp
    g = oracles.mean(lambda tau: oracles.g_hat(tau, PSI, gamma, kappa=1.0), mdp, PI, 3).reshape(THETA.shape)

    def eta(theta):
        return oracles.expected_return(*mdp, oracles.softmax(theta), 3)

    up, here, down = (eta(THETA + sign * 0.01 * g) for sign in (1, 0, -1))
    assert up - here > 1e-4  # one climbs by +g …
    assert here - down > 1e-4  # … and minimising it, as one does a cost, loses return

    # Another world gives the same trajectory another probability, and the same score: p(τ) need not be known.
    other = P[::-1], r, gamma, rho0

    def law(arrays, theta):
        pi = oracles.softmax(theta)
        return {tau[:2]: tau.probability for tau in oracles.trajectories(*arrays, pi, 3)}

    path = max(set(law(mdp, THETA)) & set(law(other, THETA)), key=lambda path: law(mdp, THETA)[path])
    assert abs(law(mdp, THETA)[path] - law(other, THETA)[path]) > 0.01
    wanted = sum(PSI[s, a] for s, a in zip(*path, strict=True))
    for arrays in (mdp, other):
        slope = oracles.finite_difference(lambda x, arrays=arrays: np.log(law(arrays, x)[path]), THETA)
        np.testing.assert_allclose(slope.ravel(), wanted, atol=1e-8)


# 2 · the score-function identity is no "expectation of the gradient" ----------------------------------------


@pytest.mark.mends(2)
@pytest.mark.proves("thm-score-function")
def test_mend_2_where_f_depends_on_theta_its_own_gradient_is_added():
    # X is 0 with probability p = σ(θ), else 1; f_θ(X) = θ·X, so E f = θ(1−p), with slope (1−p) − θ p(1−p).
    theta = 0.75
    p = 1 / (1 + np.exp(-theta))
    slope = oracles.finite_difference(lambda x: x[0] / (1 + np.exp(x[0])), [theta])[0]
    law, x, score = np.array([p, 1 - p]), np.array([0.0, 1.0]), np.array([1 - p, -p])
    score_part, pathwise_part = law @ (theta * x * score), law @ x
    assert abs(score_part + pathwise_part - slope) < 1e-9
    assert abs(slope - ((1 - p) - theta * p * (1 - p))) < 1e-9
    assert abs(score_part - slope) > 0.3  # the identity without E∇f
    assert abs(pathwise_part - slope) > 0.1  # "the expectation of the gradient" alone


# 3 · swapping ∇ and ∫ ---------------------------------------------------------------------------------------


@pytest.mark.mends(3)
@pytest.mark.proves("prop-moving-support")
@pytest.mark.parametrize("theta", [0.5, 1.0, 3.0])
def test_mend_3_a_moving_support_breaks_the_identity(theta):
    """X ~ U[0, θ], f(x) = x: d/dθ E X = ½, and E[f ∂ log p/∂θ] = −½."""
    cells = 1000
    x = (np.arange(cells) + 0.5) * theta / cells  # the midpoint rule is exact for what is linear in x
    density = np.full(cells, 1 / theta)
    score = oracles.finite_difference(lambda y: np.log(1 / y[0]), [theta])[0]  # −1/θ inside the support
    formula = (x * score * density).sum() * theta / cells
    truth = oracles.finite_difference(lambda y: ((np.arange(cells) + 0.5) * y[0] / cells).mean(), [theta])[0]
    assert abs(truth - 1 / 2) < 1e-8
    assert abs(formula + 1 / 2) < 1e-8
    # What the swap forgot is the mass at the moving edge, f(θ) p_θ(θ) · dθ/dθ = 1 …
    assert abs(formula + theta * (1 / theta) - truth) < 1e-8
    # … and for the same reason the score has not mean zero.
    assert abs((score * density).sum() * theta / cells + 1 / theta) < 1e-8


# 4 · dynamics -----------------------------------------------------------------------------------------------


@pytest.mark.mends(4)
@pytest.mark.proves("eq-trajectory-law", "thm-reinforce")
def test_mend_4_the_dynamics_given_the_action_drop_out_and_the_marginal_ones_do_not():
    P, _, gamma, rho0 = mdp = forked()
    T = 3

    def marginal(theta):  # p_θ(s'|s) = Σ_a π(a|s) P(s'|s,a), as it was written
        return np.einsum("sa,sax->sx", oracles.softmax(theta), P)

    slope_of_log = oracles.finite_difference(lambda x: np.log(marginal(x)), THETA)
    assert abs(slope_of_log).max() > 0.05  # it depends on θ

    def wrong_score(tau):  # the score of Π π(a_t|s_t) p_θ(s_{t+1}|s_t)
        steps = range(T - 1)
        return score_sum(tau, PSI) + sum(slope_of_log[tau.states[t], tau.states[t + 1]].ravel() for t in steps)

    def estimate(score):
        return oracles.mean(lambda tau: oracles.reward_sum(tau.rewards, gamma) * score(tau), mdp, PI, T)

    slope = oracles.return_gradient(mdp, THETA, T).ravel()
    np.testing.assert_allclose(estimate(lambda tau: score_sum(tau, PSI)), slope, atol=1e-8)
    assert abs(estimate(wrong_score) - slope).max() > 0.05

    # Nor is Π π(a_t|s_t) p_θ(s_{t+1}|s_t) the law of a trajectory: it lets s_{t+1} forget a_t.
    tau = max(oracles.trajectories(*mdp, PI, T), key=lambda tau: tau.probability)
    written = rho0[tau.states[0]] * np.prod([PI[s, a] for s, a in zip(tau.states, tau.actions, strict=True)])
    written *= np.prod([marginal(THETA)[tau.states[t], tau.states[t + 1]] for t in range(T - 1)])
    assert abs(written - tau.probability) > 1e-3


@pytest.mark.mends(4)
def test_mend_4_a_random_rewards_law_given_the_action_drops_out_as_well():
    # A bandit whose arm a pays 1 with probability q(a), else 0: outcomes (a, R) with law π(a) q(R|a).
    q, theta = np.array([0.75, 0.25]), np.array([[0.5, 0.0]])
    pi = oracles.softmax(theta)[0]
    slope = oracles.finite_difference(lambda x: oracles.softmax(x)[0] @ q, theta).ravel()
    psi = oracles.scores(pi[None])[0]
    right = sum(pi[a] * q[a] * 1.0 * psi[a] for a in range(2))
    np.testing.assert_allclose(right, slope, atol=1e-9)
    # The reward's marginal p_θ(R) has a score too; counted besides, it is counted twice.
    marginal_score = oracles.finite_difference(lambda x: np.log(oracles.softmax(x)[0] @ q), theta).ravel()
    wrong = sum(pi[a] * q[a] * 1.0 * (psi[a] + marginal_score) for a in range(2))
    np.testing.assert_allclose(wrong, 2 * slope, atol=1e-9)
    assert abs(slope).max() > 0.1


# 5 · infinite trajectories ----------------------------------------------------------------------------------


@pytest.mark.mends(5)
def test_mend_5_the_laws_of_ever_longer_trajectories_part():
    """Σ_τ √(p(τ) p'(τ)), 1 for equal laws and 0 for mutually singular ones, falls geometrically in T."""
    mdp, other = forked(), oracles.softmax(THETA + 2 * np.eye(2))

    def overlap(T):
        p = {tau[:2]: tau.probability for tau in oracles.trajectories(*mdp, PI, T)}
        q = {tau[:2]: tau.probability for tau in oracles.trajectories(*mdp, other, T)}
        return sum(np.sqrt(p[x] * q[x]) for x in p)

    overlaps = np.array([overlap(T) for T in range(1, 6)])
    assert (overlaps[1:] / overlaps[:-1] < 0.99).all()
    # The largest eigenvalue of Σ_a √(π π') P rules the limit; below 1, the overlap vanishes.
    limit = max(abs(np.linalg.eigvals(np.einsum("sa,sax->sx", np.sqrt(PI * other), mdp[0]))))
    assert limit < 1
    assert abs(overlaps[-1] / overlaps[-2] - limit) < 1e-3


@pytest.mark.mends(5)
@pytest.mark.proves("prop-past-variance", "prop-to-go-bounded")
def test_mend_5_the_full_returns_variance_grows_linearly_and_reward_to_gos_settles():
    mdp = TabularMDP(*forked(gamma=0.9))
    horizons = [20, 50, 100, 200, 201, 400]
    C = dict(zip(horizons, variance_against_horizon(mdp, PI, horizons), strict=True))
    full = {T: C[T][0, 0] + 2 * C[T][0, 1] + C[T][1, 1] for T in horizons}
    to_go = {T: C[T][1, 1] for T in horizons}
    # Its slope is one number: that of 200 to 201 is that of 200 to 400, and of 100 to 200.
    slope = full[201] - full[200]
    assert slope > 0.1
    assert abs((full[400] - full[200]) / 200 - slope) < 1e-3 * slope
    assert abs((full[200] - full[100]) / 100 - slope) < 1e-2 * slope
    # Reward-to-go settles. What a longer horizon adds to ĝ is at most L·r_max·γᵀ(T/(1−γ) + 1/(1−γ)²) on every
    # path, and two standard deviations differ by no more than the difference's own.
    L, r_max = np.linalg.norm(PSI, axis=-1).max(), abs(mdp.r).max()
    for T in (50, 100, 200, 201):
        bound = L * r_max * 0.9**T * (T / (1 - 0.9) + 1 / (1 - 0.9) ** 2)
        assert abs(np.sqrt(to_go[T]) - np.sqrt(to_go[400])) <= bound
    assert abs(to_go[200] - to_go[400]) < 1e-6 * to_go[400]
    assert full[400] > 10 * to_go[400]


# 6 · discounting --------------------------------------------------------------------------------------------


@pytest.mark.mends(6)
@pytest.mark.proves("prop-dropped-discount")
@pytest.mark.parametrize(("gamma", "c", "p"), [(0.5, 1.5, 0.25), (0.5, 1.5, 0.5), (0.9, 1.0, 0.75), (0.25, 3.0, 0.5)])
def test_mend_6_dropping_the_discount_changes_the_direction(gamma, c, p):
    """One logit for both steps, reward +1 for action 0 at t=0 and −c for it at t=1."""
    arrays = chain([[1.0, 0.0], [-c, 0.0]], gamma)
    mdp, pi, features = TabularMDP(*arrays), policy(p, 3), shared_logit(3)
    kept, dropped = p * (1 - p) * (1 - gamma * c), p * (1 - p) * (1 - c)
    theta = np.array([np.log(p / (1 - p))])
    slope = oracles.return_gradient(arrays, theta, 2, features)
    assert abs(slope[0] - kept) < 1e-9
    for kappa in (0.0, 1.0):
        right = exact_moments(mdp, pi, 2, features=features).estimator(kappa=kappa)[0]
        wrong = exact_moments(mdp, pi, 2, features=features, discount=False).estimator(kappa=kappa)[0]
        np.testing.assert_allclose([right[0], wrong[0]], [kept, dropped], atol=1e-14)
    psi = oracles.scores(pi, features)
    enumerated = oracles.mean(lambda tau: oracles.g_hat(tau, psi, gamma, discount=False), arrays, pi, 2)
    assert abs(enumerated[0] - dropped) < 1e-14
    if (gamma, c) == (0.5, 1.5):  # uphill one way is downhill the other
        assert kept > 0 > dropped


@pytest.mark.mends(6)
def test_mend_6_without_a_discount_the_return_has_no_limit():
    """Four states in a ring, which pay +1, +1, −1, −1: the mean return of T steps goes round with them for ever."""
    P = np.zeros((4, 2, 4))
    P[np.arange(4), :, (np.arange(4) + 1) % 4] = 1
    r = np.repeat([[1.0], [1.0], [-1.0], [-1.0]], 2, axis=1)
    surely = np.eye(2)[[0, 0, 0, 0]]

    def eta(gamma, steps):
        return oracles.expected_return(P, r, gamma, np.eye(4)[0], surely, steps)

    assert [eta(1.0, T) for T in (1, 2, 3, 4, 401, 402, 403, 404)] == [1, 2, 1, 0, 1, 2, 1, 0]
    limit = expected_return(TabularMDP(P, r, 0.9, np.eye(4)[0]), surely)
    assert [eta(0.9, T) for T in (401, 402, 403, 404)] == pytest.approx([limit] * 4, abs=1e-14)


# 7 · what independence is used ------------------------------------------------------------------------------


@pytest.mark.mends(7)
@pytest.mark.proves("lem-admissible")
def test_mend_7_it_is_the_policys_memory_that_matters_and_not_the_markov_property():
    # Markov dynamics, and a policy that repeats its last action three times out of four: given s_1, action
    # a_1 still depends on a_0. With a memoryless policy it does not.
    P, _, _, rho0 = forked()

    def law(remembers):
        p = np.zeros((2, 2, 2))  # a_0, s_1, a_1
        for s in range(2):
            for a in range(2):
                for x in range(2):
                    for b in range(2):
                        repeat = (0.75 if a == b else 0.25) if remembers else PI[x, b]
                        p[a, x, b] += rho0[s] * PI[s, a] * P[s, a, x] * repeat
        return p / p.sum(axis=2, keepdims=True)  # p(a_1 | a_0, s_1)

    assert abs(law(remembers=True)[0] - law(remembers=True)[1]).max() == pytest.approx(0.5)
    np.testing.assert_allclose(law(remembers=False)[0], law(remembers=False)[1], atol=1e-15)


@pytest.mark.mends(7)
@pytest.mark.proves("lem-admissible")
def test_mend_7_conditioning_on_the_future_is_invalid():
    def score_given(given):
        return oracles.conditional_mean(lambda tau: PSI[tau.states[0], tau.actions[0]], given, forked(), PI, 2)

    for average in score_given(lambda tau: tau.states[0]).values():
        np.testing.assert_allclose(average, 0, atol=1e-15)
    seen = score_given(lambda tau: tau.states)  # s_0 and s_1: the successor gives the action away
    # By Bayes: E[ψ(a_0)|s_0,s_1] = Σ_a π(a|s_0) P(s_1|s_0,a) ψ(s_0,a) / p(s_1|s_0)
    P = forked()[0]
    for (s, x), average in seen.items():
        bayes = sum(PI[s, a] * P[s, a, x] * PSI[s, a] for a in range(2)) / sum(PI[s] * P[s, :, x])
        np.testing.assert_allclose(average, bayes, atol=1e-14)
        assert np.linalg.norm(average) > 0.1


# 8 · the past does not "move out" ---------------------------------------------------------------------------


@pytest.mark.mends(8)
@pytest.mark.proves("lem-admissible")
def test_mend_8_the_past_reward_depends_on_the_action_and_yet_drops_out():
    mdp, t = forked(), 1
    gamma = mdp[2]

    def past(tau):
        return oracles.reward_sum(tau.rewards, gamma, stop=t)

    def moments(tau):
        taken = float(tau.actions[t] == 0)
        return [past(tau), taken, past(tau) * taken]

    # What was written: R_{0:i−1} is independent of a_i. Their covariance is not zero: both hang on s_i.
    mean_past, mean_taken, mean_product = oracles.mean(moments, mdp, PI, 2)
    assert abs(mean_product - mean_past * mean_taken) > 1e-3
    # What is true: given H_i it is a constant and the score has mean zero, so the product has mean zero.
    given_history = oracles.conditional_mean(
        lambda tau: past(tau) * PSI[tau.states[t], tau.actions[t]],
        lambda tau: (tau.states[: t + 1], tau.actions[:t]),
        mdp,
        PI,
        2,
    )
    for average in given_history.values():
        np.testing.assert_allclose(average, 0, atol=1e-15)
    whole = oracles.mean(lambda tau: past(tau) * PSI[tau.states[t], tau.actions[t]], mdp, PI, 2)
    np.testing.assert_allclose(whole, 0, atol=1e-15)
    # The criterion is measurability, not place: the reward r_t that follows a_t does not drop out.
    own = oracles.mean(lambda tau: tau.rewards[t] * PSI[tau.states[t], tau.actions[t]], mdp, PI, 2)
    assert np.linalg.norm(own) > 0.1


# 9 · fewer terms are not less variance ----------------------------------------------------------------------


@pytest.mark.mends(9)
@pytest.mark.proves("prop-to-go-can-hurt", "thm-baseline")
@pytest.mark.parametrize("p", [0.5, 0.25, 0.9])
@pytest.mark.parametrize("gamma", [0.5, 0.9])
def test_mend_9_reward_to_go_can_raise_the_variance_from_nothing(p, gamma):
    """−10 at t=0, then +10 in discounted terms, whatever is done: every return is 0."""
    arrays = chain([[-10.0, -10.0], [10 / gamma, 10 / gamma]], gamma)
    mdp, pi, features = TabularMDP(*arrays), policy(p, 3), shared_logit(3)
    psi = oracles.scores(pi, features)
    moments = exact_moments(mdp, pi, 2, features=features)
    assert abs(moments.variance(kappa=1.0)) < 1e-11
    assert abs(moments.variance(kappa=0.0) - 100 * p * (1 - p)) < 1e-11

    def repaired(tau):  # reward-to-go, with the baseline b_t(H_t) = −Σ_{k<t} γᵏ r_k / γᵗ
        total = np.zeros(1)
        for t, (s, a) in enumerate(zip(tau.states, tau.actions, strict=True)):
            baseline = -oracles.reward_sum(tau.rewards, gamma, stop=t) / gamma**t
            total += gamma**t * (oracles.return_from(tau.rewards, gamma, t) - baseline) * psi[s, a]
        return total

    assert oracles.total_variance(repaired, arrays, pi, 2) < 1e-22
    by_hand = oracles.total_variance(lambda tau: oracles.g_hat(tau, psi, gamma), arrays, pi, 2)
    assert abs(by_hand - 100 * p * (1 - p)) < 1e-11
    if p == 0.5:  # with a table of logits each step has two: twice the variance
        assert abs(exact_moments(mdp, pi, 2).variance() - 2 * 100 * p * (1 - p)) < 1e-11


# 10 · what a baseline may know ------------------------------------------------------------------------------


@pytest.mark.mends(10)
@pytest.mark.proves("prop-same-batch")
@pytest.mark.parametrize("N", [2, 3])
def test_mend_10_a_baseline_from_the_same_batch_shrinks_the_gradient(N):
    """The mean of the batch's N returns as baseline: E ĝ = (1 − 1/N) ∇η. The mean of the others': ∇η."""
    mdp = forked()
    T = 2 if N == 2 else 1
    gamma = mdp[2]
    taus = list(oracles.trajectories(*mdp, PI, T))
    R = np.array([oracles.reward_sum(tau.rewards, gamma) for tau in taus])
    Psi = np.array([score_sum(tau, PSI) for tau in taus])
    p = np.array([tau.probability for tau in taus])
    same, left_out = np.zeros(4), np.zeros(4)
    for batch in np.ndindex(*(len(taus),) * N):  # every batch of N trajectories, with its probability
        i = list(batch)
        chance, total = p[i].prod(), R[i].sum()
        same += chance * ((R[i] - total / N)[:, None] * Psi[i]).mean(axis=0)
        left_out += chance * ((R[i] - (total - R[i]) / (N - 1))[:, None] * Psi[i]).mean(axis=0)
    slope = oracles.return_gradient(mdp, THETA, T).ravel()
    assert np.linalg.norm(slope) > 0.1
    np.testing.assert_allclose(same, (1 - 1 / N) * slope, atol=1e-8)
    np.testing.assert_allclose(left_out, slope, atol=1e-8)


@pytest.mark.mends(10)
def test_mend_10_the_same_in_samples():
    """The shrinking by 1 − 1/N in sampled batches of 2, by the public functions, to four standard errors."""
    mdp, T, batches = TabularMDP(*forked()), 3, 60_000
    batch = sample_trajectories(mdp, PI, 2 * batches, T, np.random.default_rng(0))
    full = per_trajectory_gradients(batch, PI, mdp.gamma, kappa=1.0).reshape(batches, 2, 4)
    R = (batch.rewards * mdp.gamma ** np.arange(T)).sum(axis=1).reshape(batches, 2)
    scores = PSI[batch.states, batch.actions].sum(axis=1).reshape(batches, 2, 4)
    estimates = (full - R.mean(axis=1)[:, None, None] * scores).mean(axis=1)
    error = estimates.std(axis=0) / np.sqrt(batches)
    slope = oracles.return_gradient(forked(), THETA, T).ravel()
    assert (abs(estimates.mean(axis=0) - slope / 2) < 4 * error).all()  # four numbers: false alarm 3e-4
    assert (abs(estimates.mean(axis=0) - slope) > 4 * error).any()


@pytest.mark.mends(10)
@pytest.mark.proves("thm-baseline")
def test_mend_10_a_baseline_may_not_know_the_action():
    mdp, T = forked(), 2
    gamma = mdp[2]
    slope = oracles.return_gradient(mdp, THETA, T).ravel()

    def estimate(baseline):
        def one(tau):
            steps = enumerate(zip(tau.states, tau.actions, strict=True))
            G = [oracles.return_from(tau.rewards, gamma, t) for t in range(T)]
            return sum(gamma**t * (G[t] - baseline(t, s, a)) * PSI[s, a] for t, (s, a) in steps)

        return oracles.mean(one, mdp, PI, T)

    V, Q = finite_horizon_values(TabularMDP(*mdp), PI, T)
    np.testing.assert_allclose(estimate(lambda t, s, a: V[t, s]), slope, atol=1e-8)
    # Q(s,a), "the best guess of the return": it takes the whole gradient away with the variance.
    np.testing.assert_allclose(estimate(lambda t, s, a: Q[t, s, a]), 0, atol=1e-12)
    assert np.linalg.norm(slope) > 0.1


@pytest.mark.mends(10)
@pytest.mark.proves("thm-baseline")
def test_mend_10_a_baseline_may_depend_on_theta_but_is_not_differentiated():
    # In Σ_t γᵗ (G_t − b)ψ_t, b = V^θ: the mean at θ is ∇η. If the *surrogate* E[(G − V^θ) log π] is
    # differentiated through V as well, −E[∇V log π] comes in, and that is not zero.
    theta = np.array([[0.5, 0.0]])
    rewards = np.array([2.0, 1.0])
    pi = oracles.softmax(theta)[0]
    psi, V = oracles.scores(pi[None])[0], pi @ rewards
    slope = oracles.finite_difference(lambda x: oracles.softmax(x)[0] @ rewards, theta).ravel()
    right = sum(pi[a] * (rewards[a] - V) * psi[a] for a in range(2))
    np.testing.assert_allclose(right, slope, atol=1e-9)

    def surrogate(x):  # actions drawn at theta, their log-probabilities and V taken at x
        policy = oracles.softmax(x)[0]
        return sum(pi[a] * (rewards[a] - policy @ rewards) * np.log(policy[a]) for a in range(2))

    differentiated = oracles.finite_difference(surrogate, theta).ravel()
    extra = -slope * (pi @ np.log(pi))
    np.testing.assert_allclose(differentiated, slope + extra, atol=1e-8)
    assert np.linalg.norm(extra) > 0.1


# 11 · V is no optimum, and the sign of one sample no verdict ------------------------------------------------


@pytest.mark.mends(11)
@pytest.mark.proves("prop-two-arms", "thm-optimal-baseline")
@pytest.mark.parametrize("p", [0.1, 0.5, 0.6, 2 / 3, 0.7, 0.95])
@pytest.mark.parametrize(("r1", "r2"), [(1.0, 0.0), (3.0, -2.0)])
def test_mend_11_two_arms(p, r1, r2):
    """Var(b) = p(1−p)(b − b*)² with b* = (1−p) r₁ + p r₂: each arm's reward by the *other*'s probability."""
    arrays = (np.ones((1, 2, 1)), np.array([[r1, r2]]), 0.0, np.ones(1))
    mdp, pi, psi = TabularMDP(*arrays), policy(p), oracles.scores(policy(p), LOGIT)
    best, V = (1 - p) * r1 + p * r2, p * r1 + (1 - p) * r2

    def variance(b):
        moments = exact_moments(mdp, pi, 1, features=LOGIT, baseline=np.array([b]))
        enumerated = oracles.total_variance(
            lambda tau: oracles.g_hat(tau, psi, 0.0, baseline=np.array([[b]])), arrays, pi, 1
        )
        assert abs(moments.variance(beta=1.0) - enumerated) < 1e-13
        return enumerated

    for b in (0.0, V, best, -1.0, 2.0):
        assert abs(variance(b) - p * (1 - p) * (b - best) ** 2) < 1e-13
    assert variance(best) < 1e-20
    if (r1, r2) == (1.0, 0.0):  # (2p−1)² against (1−p)²
        if p == 2 / 3:
            assert abs(variance(V) - variance(0.0)) < 1e-13
        else:
            assert (variance(V) > variance(0.0)) == (p > 2 / 3)


@pytest.mark.mends(11)
@pytest.mark.proves("eq-advantage")
def test_mend_11_a_good_action_may_well_be_followed_by_a_bad_return():
    mdp, T = forked(), 3
    gamma = mdp[2]
    V, Q = finite_horizon_values(TabularMDP(*mdp), PI, T)
    A = Q[0] - V[0][:, None]

    def excess(tau):
        return oracles.return_from(tau.rewards, gamma, 0) - V[0, tau.states[0]]

    def first(tau):
        return tau.states[0], tau.actions[0]

    means = oracles.conditional_mean(excess, first, mdp, PI, T)
    agrees = oracles.conditional_mean(lambda tau: np.sign(excess(tau)) == np.sign(A[first(tau)]), first, mdp, PI, T)
    for pair, average in means.items():
        assert abs(average - A[pair]) < 1e-13
        assert abs(A[pair]) > 0.1
    assert min(agrees.values()) < 0.9  # the sample's sign is the wrong one more than one time in ten


def test_the_policies_of_this_file_are_rlbooks():
    np.testing.assert_allclose(softmax_policy(THETA), PI, atol=1e-15)
    np.testing.assert_allclose(
        softmax_policy([0.5], features=shared_logit(2)), policy(1 / (1 + np.exp(-0.5)), 2), atol=1e-15
    )


# Chapter 2 · values as fixed points --------------------------------------------------------------------------

# 13 · the next state is random -------------------------------------------------------------------------------


@pytest.mark.mends(13)
@pytest.mark.proves("def-operators", "def-optimality")
def test_mend_13_without_the_expectation_the_right_side_is_random():
    mdp, Q = TabularMDP(*forked()), np.array([[1.0, 4.0], [-2.0, 0.0]])
    operators = [(optimality_operator(mdp, Q), Q.max(axis=1)), (bellman_operator(mdp, PI, Q), (PI * Q).sum(axis=1))]
    for applied, ahead in operators:
        written = mdp.r[:, :, None] + mdp.gamma * ahead  # one number for each s' that may come
        assert (np.ptp(written, axis=2) > 1).all()
        for s, a in itertools.product(range(2), repeat=2):
            certain = mdp.P[s, a].max() == 1
            assert np.isclose(written[s, a], applied[s, a]).any() == certain
        np.testing.assert_allclose((mdp.P * written).sum(axis=2), applied, rtol=1e-14)


# 14 · what a fixed point needs -------------------------------------------------------------------------------


@pytest.mark.mends(14)
@pytest.mark.proves("def-operators", "thm-evaluation")
def test_mend_14_values_are_returns_and_operators_keep_tables_bounded():
    mdp = TabularMDP(*forked())
    returns_of_pi = oracles.power_series(*forked(), PI)[0]  # Σ γᵗ E r_t, term by term
    np.testing.assert_allclose(evaluate_policy(mdp, PI).V, returns_of_pi, atol=1e-9)
    for Q in (np.zeros((2, 2)), np.array([[1e6, -1e6], [3.0, 0.0]])):
        for applied in (bellman_operator(mdp, PI, Q), optimality_operator(mdp, Q)):
            assert abs(applied).max() <= abs(mdp.r).max() + mdp.gamma * abs(Q).max()
    with pytest.raises(ValueError, match="gamma"):  # where there is no contraction there is no such MDP either
        mdp.replace(gamma=1.0)
    with pytest.raises(ValueError, match="Q"):
        optimality_operator(mdp, [[np.inf, 0.0], [0.0, 0.0]])


@pytest.mark.mends(14)
@pytest.mark.proves("thm-banach")
def test_mend_14_a_contraction_needs_a_complete_space_and_bounded_tables():
    # Newton's map for √2 contracts [1, 2] by ½, and the rationals in [1, 2] into themselves; they lack its limit.
    x = Fraction(2)
    for _ in range(6):
        y = x / 2 + 1 / x
        assert abs(y / 2 + 1 / y - y) <= abs(y - x) / 2
        assert 1 <= y <= 2
        x = y
    assert 0 < abs(x**2 - 2) < Fraction(1, 10**12)  # close, and 2 is the square of no fraction
    # A row of states without end, 0 → 1 → 2 → …, no rewards: V = 0, and V(s) = γ⁻ˢ is another fixed point, unbounded.
    gamma, s = 0.5, np.arange(30)
    V = gamma**-s
    np.testing.assert_array_equal(V[:-1], gamma * V[1:])
    assert V.max() > 1e8


@pytest.mark.mends(14)
@pytest.mark.proves("thm-contraction", "thm-evaluation")
def test_mend_14_without_a_discount_every_policy_has_to_come_to_an_end():
    def sweep(P, r, gamma, V):
        return r + gamma * P @ V

    improper, proper = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[0.5, 0.0], [0.5, 0.25]])  # the rest ends
    r = np.array([1.0, 0.0])
    V, other = np.zeros(2), np.full(2, 7.0)
    # Round and round: no distance shrinks, V grows for ever, and without rewards every constant is a fixed point.
    assert abs(sweep(improper, r, 1.0, V) - sweep(improper, r, 1.0, other)).max() == abs(V - other).max()
    np.testing.assert_array_equal(sweep(improper, 0 * r, 1.0, other), other)
    for _ in range(100):
        V = sweep(improper, r, 1.0, V)
    assert V.max() == 50
    # With an end in reach of every state V is finite, and a weighted norm contracts where the plain one may not.
    late = np.array([[0.0, 1.0], [0.0, 0.0]])  # the first state leads to the second, and that to the end
    assert abs(late @ other).max() == abs(other).max()
    weights = np.array([2.0, 1.0])
    assert (abs(late @ other) / weights).max() <= (abs(other) / weights).max() / 2
    for P in (proper, late):
        V = np.zeros(2)
        for _ in range(200):
            V = sweep(P, r, 1.0, V)
        np.testing.assert_allclose(V, np.linalg.solve(np.eye(2) - P, r), atol=1e-12)


# 16 · what converges, and to what ----------------------------------------------------------------------------


@pytest.mark.mends(16)
@pytest.mark.proves("thm-banach", "thm-evaluation")
def test_mend_16_the_tables_converge_to_the_values_and_nothing_to_the_policy():
    mdp = TabularMDP(*forked())
    seen = []
    for start in (np.zeros((2, 2)), np.array([[50.0, -10.0], [0.0, 7.0]])):
        Q = start
        for _ in range(400):
            Q = bellman_operator(mdp, PI, Q)
        seen.append(Q)
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-11)
    np.testing.assert_allclose(seen[0], evaluate_policy(mdp, PI).Q, atol=1e-11)
    # The limit does not even know π: where actions are alike, policies that differ everywhere have the same values.
    alike = TabularMDP(np.full((2, 2, 2), 0.5), [[1.0, 1.0], [0.0, 0.0]], 0.9, [0.5, 0.5])
    one, two = policy(0.9, 2), policy(0.1, 2)
    np.testing.assert_allclose(evaluate_policy(alike, one).Q, evaluate_policy(alike, two).Q, atol=1e-12)
    assert abs(one - two).min() == 0.8


# 18 · a target is not a return, and sampling has its conditions -----------------------------------------------


@pytest.mark.mends(18)
@pytest.mark.proves("eq-q-learning")
def test_mend_18_the_target_looks_one_step_ahead_and_is_no_return():
    mdp = TabularMDP(*forked())
    Q, best = np.zeros((2, 2)), value_iteration(mdp, tol=1e-12)
    target = mdp.r + mdp.gamma * mdp.expect(Q.max(axis=1))  # its mean, given Q
    np.testing.assert_array_equal(target, mdp.r)
    assert abs(target - best.Q).min() > 1  # the return's mean is another until Q is right …
    np.testing.assert_allclose(mdp.r + mdp.gamma * mdp.expect(best.Q.max(axis=1)), best.Q, atol=1e-10)  # … and then not


@pytest.mark.mends(18)
@pytest.mark.proves("thm-q-learning")
def test_mend_18_steps_have_to_shrink_but_not_too_fast_and_visits_to_go_on():
    """One entry with a fixed target of variance 1: E and Var of Q after n updates of size β_n, by their recursions."""

    def after(step_sizes, start=10.0):
        error, variance = start, 0.0
        for beta in step_sizes:
            error, variance = (1 - beta) * error, (1 - beta) ** 2 * variance + beta**2
        return abs(error), variance

    n = np.arange(1.0, 200_001)
    error, variance = after(1 / n)
    assert error < 1e-12
    assert variance == pytest.approx(1 / len(n))
    assert after(np.full(len(n), 0.1)) == (pytest.approx(0), pytest.approx(0.1 / (2 - 0.1)))  # never settles
    assert after(0.5 / n**2)[0] > 1  # Σβ < ∞: it stops short of the target
    assert after(1 / n[:3], start=10.0)[1] > 0.3  # as it does where an entry is visited no more


@pytest.mark.mends(18)
@pytest.mark.proves("def-optimality", "thm-optimality")
def test_mend_18_with_a_known_model_the_operator_is_applied_exactly_to_ten_thousand_states():
    """The sure path of 198 steps to the far corner earns γ¹⁹⁷ from the start, and V* is a fixed point throughout."""
    mdp = gridworld(["S" + "." * 99] + ["." * 100] * 98 + ["." * 99 + "G"], gamma=0.99)
    assert mdp.n_states >= 10_000
    best = value_iteration(mdp, tol=1e-9)
    assert best.converged
    assert mdp.rho0 @ best.V == pytest.approx(0.99**197, abs=1e-8)
    applied = mdp.r + mdp.gamma * mdp.expect(best.Q.max(axis=1))
    np.testing.assert_allclose(applied, best.Q, atol=1e-8)


# Chapter 3 · steepest descent and the natural gradient ------------------------------------------------------

METRIC = np.array([[2.0, 1.0], [1.0, 1.0]])
SLOPE = np.array([1.0, -2.0])  # the gradient of the objective that is to be lowered


def ball(G, epsilon, n=20_000, seed=0):
    """n steps d with dᵀGd ≤ ε, most of them near the boundary, where the best ones are."""
    u = np.random.default_rng(seed).normal(size=(n, len(G)))
    u *= (np.random.default_rng(seed + 1).random(n) ** 0.1 / np.linalg.norm(u, axis=1))[:, None]
    return np.sqrt(epsilon) * u @ np.linalg.inv(np.linalg.cholesky(G))


# 21 · the sign, and what Taylor leaves over -----------------------------------------------------------------


@pytest.mark.mends(21)
@pytest.mark.proves("eq-taylor", "eq-steepest")
def test_mend_21_descent_goes_against_the_gradient_and_taylor_leaves_a_remainder():
    def objective(x):
        return np.exp(x[0]) - 2 * np.sin(x[1])

    x, g = np.zeros(2), SLOPE
    np.testing.assert_allclose(oracles.finite_difference(objective, x), g, atol=1e-9)
    remainders = []
    for epsilon in (1e-4, 1e-6, 1e-8):
        fall = np.array([objective(x) - objective(x + d) for d in ball(np.eye(2), epsilon)])
        most = fall.max()
        d = ball(np.eye(2), epsilon)[fall.argmax()]
        assert g @ d < -0.99 * np.linalg.norm(g) * np.linalg.norm(d)  # the best step goes against g
        # max(η(θ) − η(θ+d)) is not max(−g·d) = √ε‖g‖: the "=" hides a remainder …
        best = steepest_descent(np.eye(2), g, epsilon)
        angle = np.linspace(0, 2 * np.pi, 200_001)
        circle = np.sqrt(epsilon) * np.array([np.cos(angle), np.sin(angle)])
        true = (objective(x) - objective(x[:, None] + circle)).max()  # at the best step of the objective itself
        assert true >= most
        remainders.append((true + best.value) / np.sqrt(epsilon))
        assert abs(true - np.linalg.norm(g) * np.sqrt(epsilon)) > 1e-2 * epsilon
        # … nor is max(−g·d) the min of g·d: it is minus that, at the same d.
        model = -(ball(np.eye(2), epsilon) @ g)
        assert most > 0 > best.value
        assert abs(model.max() + best.value) < 1e-2 * abs(best.value)
        assert model.argmax() == (-model).argmin()
    # … which vanishes against √ε, here as √ε itself
    assert abs(remainders[1] / remainders[0]) == pytest.approx(0.1, rel=0.1)
    assert abs(remainders[2] / remainders[1]) == pytest.approx(0.1, rel=0.1)


@pytest.mark.mends(21)
def test_mend_21_at_a_stationary_point_no_direction_is_steepest():
    assert not (ball(METRIC, 1.0) @ np.zeros(2)).any()  # every step is as good as every other
    with pytest.raises(ValueError, match="g must not be zero"):
        steepest_descent(METRIC, np.zeros(2), 1.0)


# 22 · how long the step is ----------------------------------------------------------------------------------


@pytest.mark.mends(22)
@pytest.mark.proves("thm-steepest", "eq-steepest")
@pytest.mark.parametrize("epsilon", [0.04, 0.25, 4.0])
def test_mend_22_the_length_is_the_root_of_epsilon(epsilon):
    d, value = steepest_descent(np.eye(2), SLOPE, epsilon)
    np.testing.assert_allclose(d, -np.sqrt(epsilon) * SLOPE / np.linalg.norm(SLOPE), atol=1e-14)
    assert np.linalg.norm(d) == pytest.approx(np.sqrt(epsilon))
    assert value == pytest.approx(-np.sqrt(epsilon) * np.linalg.norm(SLOPE))
    assert (ball(np.eye(2), epsilon) @ SLOPE).min() == pytest.approx(value, rel=1e-3)
    # As it was written, ‖d‖ = ε under ‖d‖² ≤ ε: short of the boundary for ε < 1, and outside for ε > 1.
    written = -epsilon * SLOPE / np.linalg.norm(SLOPE)
    assert written @ written > epsilon if epsilon > 1 else SLOPE @ written > 0.6 * value
    # And the update: without a step size, θ − g is a step of length ‖g‖. On ½·100θ² it takes θ to −99θ.
    theta, curvature = 1.0, 100.0
    assert abs(theta - curvature * theta) == 99 * theta
    assert abs(theta - 0.01 * curvature * theta) < theta


# 23 · symmetric is not definite, and a norm is a choice -----------------------------------------------------


@pytest.mark.mends(23)
@pytest.mark.proves("def-g-norm", "lem-definite")
def test_mend_23_symmetrising_does_not_make_definite():
    A = np.array([[1.0, 5.0], [-5.0, -1.0]])
    G = (A + A.T) / 2  # the same quadratic form, and it is diag(1, −1)
    v = np.random.default_rng(0).normal(size=(100, 2))
    np.testing.assert_allclose(np.einsum("ni,ij,nj->n", v, A, v), np.einsum("ni,ij,nj->n", v, G, v), atol=1e-12)
    np.testing.assert_allclose(G, np.diag([1.0, -1.0]))
    assert np.array([0.0, 1.0]) @ G @ [0.0, 1.0] == -1  # a squared "length" below zero, for a G that is invertible
    assert np.array([1.0, 1.0]) @ G @ [1.0, 1.0] == 0  # and one of zero for a step that is not
    with pytest.raises(ValueError, match="G must be positive definite"):
        steepest_descent(G, SLOPE, 1.0)
    # "dᵀGd ≤ ε" has no lowest g·d then: far out along (1, 1) all steps are allowed
    far = np.array([[t, t] for t in (1.0, 10.0, 100.0)])
    assert (np.einsum("ni,ij,nj->n", far, G, far) <= 1).all()
    assert (np.diff(far @ SLOPE) < 0).all()


@pytest.mark.mends(23)
@pytest.mark.proves("prop-sup-norm")
def test_mend_23_another_norm_has_another_steepest_direction():
    g, epsilon = np.array([3.0, -0.5, 1.0]), 0.1
    corners = epsilon * np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
    best = corners[(corners @ g).argmin()]  # a linear function on a cube is least at a corner
    np.testing.assert_array_equal(best, -epsilon * np.sign(g))
    assert best @ g == pytest.approx(-epsilon * abs(g).sum())
    # No quadratic norm gives the signs for every g: G⁻¹g = s·sign(g), G⁻¹h = t·sign(h) with s, t > 0 would make
    # G⁻¹(g+h) their sum, and that is along sign(g+h) = sign(g) only if t = 0.
    h = np.array([-1.0, -0.5, 1.0])
    assert (np.sign(g + h) == np.sign(g)).all()
    assert np.linalg.matrix_rank([np.sign(g), np.sign(h)]) == 2
    within = -epsilon * g / abs(g).max()  # the gradient's own direction, as long as the cube allows
    assert best @ g < within @ g


@pytest.mark.mends(23)
@pytest.mark.proves("thm-steepest")
def test_mend_23_a_strict_bound_has_no_best_step():
    value = steepest_descent(METRIC, SLOPE, 1.0).value
    for share in (0.9, 0.999, 1 - 1e-9):  # each step inside is beaten by one nearer the boundary …
        inside = share * steepest_descent(METRIC, SLOPE, 1.0).d
        nearer = (1 + share) / 2 * steepest_descent(METRIC, SLOPE, 1.0).d
        assert inside @ METRIC @ inside < nearer @ METRIC @ nearer < 1
        assert value < SLOPE @ nearer < SLOPE @ inside  # … and the least value is not reached


# 24 · the multiplier's sign ---------------------------------------------------------------------------------


@pytest.mark.mends(24)
@pytest.mark.proves("thm-steepest", "eq-steepest")
def test_mend_24_the_descent_step_is_minus_and_stationarity_does_not_tell():
    epsilon, inverse = 0.25, np.linalg.inv(METRIC)
    d, value = steepest_descent(METRIC, SLOPE, epsilon)
    length = np.sqrt(SLOPE @ inverse @ SLOPE)
    np.testing.assert_allclose(d, -np.sqrt(epsilon) / length * inverse @ SLOPE, atol=1e-14)
    assert (ball(METRIC, epsilon) @ SLOPE).min() == pytest.approx(value, rel=1e-3)
    # As it was written, d = G⁻¹g/(2λ) from g·d − λ(dᵀGd − ε): with λ > 0 it is the *highest* g·d in the ball.
    multiplier = length / (2 * np.sqrt(epsilon))
    written = inverse @ SLOPE / (2 * multiplier)
    assert written @ METRIC @ written == pytest.approx(epsilon)
    assert SLOPE @ written == pytest.approx((ball(METRIC, epsilon) @ SLOPE).max(), rel=1e-3)
    assert SLOPE @ written == pytest.approx(-value)
    # Both are stationary: what tells them apart is the sign of λ, or Cauchy–Schwarz, |g·d| ≤ ‖G⁻¹g‖_G ‖d‖_G.
    np.testing.assert_allclose(SLOPE + 2 * multiplier * METRIC @ d, 0, atol=1e-13)
    np.testing.assert_allclose(SLOPE - 2 * multiplier * METRIC @ written, 0, atol=1e-13)
    assert (abs(ball(METRIC, epsilon) @ SLOPE) <= length * np.sqrt(epsilon) * (1 + 1e-12)).all()


# 25 · Fisher, defined; and what is subtle about it ----------------------------------------------------------


@pytest.mark.mends(25)
@pytest.mark.proves("def-fisher", "thm-fisher-kl")
def test_mend_25_the_fisher_matrix_weighs_states_by_visits():
    mdp = forked()
    F = fisher(TabularMDP(*mdp), THETA)
    np.testing.assert_allclose(F, oracles.fisher(mdp, THETA), atol=1e-13)

    def divergence(weights):
        return lambda x: sum(w * oracles.kl(p, q) for w, p, q in zip(weights, PI, oracles.softmax(x), strict=True))

    d = (1 - mdp[2]) * oracles.power_series(*mdp, PI)[1]
    np.testing.assert_allclose(oracles.hessian(divergence(d), THETA), F, atol=1e-6)
    # The weighting is a choice: another gives another matrix, so another metric on the same policies.
    assert abs(oracles.hessian(divergence([0.9, 0.1]), THETA) - F).max() > 0.01
    # With a table each state has its own block, and its part of F†g is multiplied by d(s)/w(s), {ex-weights}; with
    # shared parameters the direction changes altogether.
    blocks = PSI.transpose(2, 0, 1).reshape(4, 4)
    g = exact_gradient(TabularMDP(*mdp), THETA).ravel()
    weights = np.array([0.9, 0.1])
    other = np.linalg.pinv(blocks * np.repeat(weights, 2) * PI.ravel() @ blocks.T) @ g
    rescaled = np.linalg.pinv(F) @ g * np.repeat(d / weights, 2)
    np.testing.assert_allclose(other, rescaled, atol=1e-9)
    assert abs(d / weights - 1).min() > 0.1
    shared = np.array([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, -1.0]]])
    theta = np.array([0.5, 0.25])
    pi, g = oracles.softmax(theta, shared), exact_gradient(TabularMDP(*mdp), theta, features=shared)
    psi = oracles.scores(pi, shared)
    directions = []
    for weights in ((1 - mdp[2]) * oracles.power_series(*mdp, pi)[1], np.array([0.9, 0.1])):
        direction = np.linalg.solve(np.einsum("s,sa,sai,saj->ij", weights, pi, psi, psi), g)
        directions.append(direction / np.linalg.norm(direction))
    natural = natural_gradient(TabularMDP(*mdp), theta, features=shared)
    np.testing.assert_allclose(natural / np.linalg.norm(natural), directions[0], atol=1e-9)
    assert np.linalg.norm(directions[0] - directions[1]) > 0.01


@pytest.mark.mends(25)
@pytest.mark.proves("thm-fisher-kl")
def test_mend_25_kl_is_no_metric_and_its_model_is_local():
    p, q, r = (np.array([x, 1 - x]) for x in (0.5, 0.1, 0.01))
    assert abs(oracles.kl(p, q) - oracles.kl(q, p)) > 0.1  # not symmetric
    assert oracles.kl(p, r) > oracles.kl(p, q) + oracles.kl(q, r)  # no triangle inequality
    # One logit, from 0 to d: KL = log cosh(d/2). Near, that is the model d²/8; far, it grows like |d|/2 and not d².
    for d in (0.01, 20.0):
        moved = 1 / (1 + np.exp(-d))
        assert oracles.kl(p, [moved, 1 - moved]) == pytest.approx(np.log(np.cosh(d / 2)))
    assert np.log(np.cosh(0.005)) == pytest.approx(0.01**2 / 8, rel=1e-4)
    assert np.log(np.cosh(10.0)) < 0.2 * 20**2 / 8


@pytest.mark.mends(25)
@pytest.mark.proves("thm-invariance", "prop-step-order")
def test_mend_25_finite_natural_steps_depend_on_the_coordinates_and_only_the_flow_does_not():
    start = (1.5, 0.7, -0.5)
    for alpha in (0.5, 0.1):
        one, other = (gaussian_step(*start, alpha, bend=k, natural=True) for k in (0, 1))
        assert np.linalg.norm(np.subtract(one, other)) > 0.01 * alpha**2
    ends = [gaussian_flow(*start, 2.0, bend=k, natural=True) for k in (0, 1)]
    np.testing.assert_array_equal(*ends)
    walks = [gaussian_path(*start, 2e-4, 10_000, bend=k, natural=True)[-1] for k in (0, 1)]
    assert np.linalg.norm(np.subtract(*walks)) < 1e-4
    apart = [gaussian_path(*start, 2e-4, 10_000, bend=k, natural=False)[-1] for k in (0, 1)]
    assert np.linalg.norm(np.subtract(*apart)) > 0.1
    # an affine change of coordinates changes no natural step, however long: μ and σ in other units
    c, alpha, scale = start[2], 0.5, 100.0
    step = gaussian_step(*start, alpha, bend=1, natural=True)
    g = gaussian_gradient(*start, 1) / scale  # the gradient in (μ, σ)·scale
    F = gaussian_fisher(start[1], 1) / scale**2
    rescaled = np.array([start[0], start[1]]) * scale + alpha * np.linalg.solve(F, g)
    np.testing.assert_allclose(rescaled / scale, step, atol=1e-13)
    plain_step = gaussian_step(start[0], start[1], c, alpha, bend=1, natural=False)
    assert np.linalg.norm((np.array(start[:2]) * scale + alpha * g) / scale - plain_step) > 0.1


# 26 · F is only semidefinite, and its estimate's inverse is biased -----------------------------------------


@pytest.mark.mends(26)
@pytest.mark.proves("prop-fisher-softmax", "prop-natural-softmax")
def test_mend_26_the_fisher_matrix_of_a_softmax_policy_has_no_inverse():
    mdp = forked()
    F, g = fisher(TabularMDP(*mdp), THETA), exact_gradient(TabularMDP(*mdp), THETA)
    assert np.linalg.matrix_rank(F, tol=1e-12) == 2 * (2 - 1)  # of 4
    with pytest.raises(ValueError, match="G must be positive definite"):
        steepest_descent(F, g.ravel(), 1.0)
    A = oracles.advantage(mdp, PI)
    right = (A - A.mean(axis=1, keepdims=True)) / (1 - mdp[2])
    np.testing.assert_allclose(natural_gradient(TabularMDP(*mdp), THETA), right, atol=1e-11)
    np.testing.assert_allclose(F @ right.ravel(), g.ravel(), atol=1e-12)
    # A itself gives the same policies, but for a constant a state; it is not the pseudo-inverse's vector.
    np.testing.assert_allclose(F @ A.ravel() / (1 - mdp[2]), g.ravel(), atol=1e-12)
    assert np.linalg.norm(A / (1 - mdp[2])) > np.linalg.norm(right) + 0.1


@pytest.mark.mends(26)
@pytest.mark.proves("prop-inverse-bias")
def test_mend_26_step_2_of_the_recipe_is_biased():
    """To approximate F⁻¹ from data: E[F̂⁻¹ĝ] over all samples of three pulls of a two-armed bandit with one logit."""
    p, r, N = 0.25, np.array([1.0, 0.0]), 3
    law, psi = np.array([p, 1 - p]), np.array([1 - p, -p])
    F_hat_mean = g_hat_mean = mean = 0.0
    for pulls in np.ndindex(2, 2, 2):
        a = list(pulls)
        F_hat, g_hat = estimate_fisher(psi[a][:, None]).item(), (psi[a] * r[a]).mean()
        chance = law[a].prod()
        F_hat_mean, g_hat_mean = F_hat_mean + chance * F_hat, g_hat_mean + chance * g_hat
        mean += chance * g_hat / F_hat
    assert F_hat_mean == pytest.approx(p * (1 - p))
    assert g_hat_mean == pytest.approx(p * (1 - p) * (r[0] - r[1]))
    assert g_hat_mean / F_hat_mean == pytest.approx(r[0] - r[1])  # F⁻¹g
    assert abs(mean - (r[0] - r[1])) > 0.1
    assert N == len(pulls)


# 27 · what it costs -----------------------------------------------------------------------------------------


@pytest.mark.mends(27)
@pytest.mark.proves("prop-cost", "thm-cg")
def test_mend_27_a_fisher_vector_product_needs_no_fisher_matrix():
    """O(n²) was said to be the time of computing F⁻¹. It is the room that F takes; elimination takes n³/3.

    As n doubles, the multiplications of CG double, k·2Nn of them, the room of F̂ is fourfold, and the multiplications
    of elimination are eightfold. That CG's products form no F̂, and how many multiplications that would take, stands in
    test_natural_gradient.py.
    """
    N, k = 20, 5

    def by_products(n):
        done = 0
        scores = np.random.default_rng(n).normal(size=(N, n))

        def product(v):
            nonlocal done
            done += 2 * scores.size
            return sampled_product(scores)(v)

        conjugate_gradient(product, np.ones(n), max_steps=k, damping=1.0)
        return done

    def elimination(n):
        """Multiplications of Cholesky's factorisation, counted as it runs."""
        L, done = np.eye(n) + 1.0, 0
        for j in range(n):
            L[j:, j] = (L[j:, j] - L[j:, :j] @ L[j, :j]) / np.sqrt(L[j, j] - L[j, :j] @ L[j, :j])
            done += (n - j) * j
        return done

    counts = np.array([(by_products(n), estimate_fisher(np.ones((N, n))).size, elimination(n)) for n in (50, 100, 200)])
    assert counts[0, 0] == k * 2 * N * 50
    np.testing.assert_allclose(counts[1:] / counts[:-1], [[2, 4, 8], [2, 4, 8]], rtol=0.02)


# 28 · what TRPO adds ----------------------------------------------------------------------------------------


@pytest.mark.mends(28)
@pytest.mark.proves("prop-trust-step")
def test_mend_28_trpo_has_a_length_and_a_line_search_besides_the_direction():
    mdp, delta = TabularMDP(*forked()), 0.2
    theta = np.array([[-2.0, 2.0], [-2.0, 2.0]])
    pi, g = softmax_policy(theta), exact_gradient(mdp, theta)

    def moved(d):
        return softmax_policy(theta + d.reshape(theta.shape))

    def divergence(d):
        return mean_kl(mdp, pi, moved(d))

    natural = natural_gradient(mdp, theta)
    scale = np.sqrt(2 * delta / (g * natural).sum())
    # The model says that this step has KL δ. It has not: the line search is no ornament …
    assert quadratic_kl(fisher(mdp, theta), scale * natural) == pytest.approx(delta)
    assert divergence(scale * natural.ravel()) > 1.5 * delta
    result = trust_region_step(
        g.ravel(), fisher_vector_product(mdp, theta), lambda d: expected_return(mdp, moved(d)), divergence, delta
    )
    assert result.accepted
    assert result.backtracks >= 1
    assert result.divergence <= delta
    assert result.improvement > 0
    np.testing.assert_allclose(result.step.reshape(theta.shape), scale * 0.5**result.backtracks * natural, rtol=1e-6)
    # … nor is a divergence below δ enough: the search asks whether the surrogate has gained, too.
    worse = trust_region_step([1.0], lambda v: v, lambda d: d[0] - 3 * d[0] ** 2, lambda d: 0.0, 0.5)
    assert (worse.accepted, worse.backtracks) == (True, 2)
    assert worse.improvement > 0 > 1.0 - 3 * 1.0**2  # which the whole step, d = 1, would have
    # … and no fixed α does for both policies: the α that goes with δ here is far from that at another θ.
    elsewhere = np.zeros((2, 2))
    other = exact_gradient(mdp, elsewhere), natural_gradient(mdp, elsewhere)
    assert abs(np.log(scale / np.sqrt(2 * delta / (other[0] * other[1]).sum()))) > 0.5


# 29 · the sum starts at 0, and needs γ < 1 and a start -------------------------------------------------------


@pytest.mark.mends(29)
@pytest.mark.proves("prop-mass", "def-occupancy")
def test_mend_29_the_mass_counts_the_first_step():
    """Σ_{t≥0} γᵗ = 1/(1−γ); from t = 1 on it is γ/(1−γ), and what is missing is ρ₀, a mass of 1."""
    mdp = forked()
    P, _, gamma, rho0 = mdp
    rho_s = occupancy(TabularMDP(*mdp), PI).sum(axis=1)
    _, truth = oracles.power_series(*mdp, PI)
    np.testing.assert_allclose(rho_s, truth, rtol=1e-12)
    assert rho_s.sum() == pytest.approx(1 / (1 - gamma), rel=1e-12)
    from_one = truth - rho0
    assert from_one.sum() == pytest.approx(gamma / (1 - gamma), rel=1e-12)
    assert rho_s.sum() - from_one.sum() == pytest.approx(1, rel=1e-12)
    # the same policy, begun elsewhere, visits otherwise; and with γ = 1 the mass up to T is T
    elsewhere = occupancy(TabularMDP(*mdp[:3], np.array([1.0, 0.0])), PI).sum(axis=1)
    assert abs(elsewhere - rho_s).max() > 0.1
    assert [oracles.visits(P, mdp[1], 1.0, rho0, PI, T).sum() for T in (2, 4)] == pytest.approx([2, 4])


# 30 · the product is a lemma, for policies without memory ----------------------------------------------------


@pytest.mark.mends(30)
@pytest.mark.proves("def-occupancy", "lem-product", "prop-histories")
def test_mend_30_the_sum_defines_the_occupancy_and_not_the_product():
    """In one state, the actions in turn: ρ = (1, γ)/(1−γ²). A "π(a|s)" of this policy is anybody's guess:

    that of the first step gives (10, 0), the share of time that goes to an action (5, 5).
    """
    mdp, gamma, horizon = chain(np.zeros((0, 2)), 0.9), 0.9, 300
    truth = np.array([1, gamma]) / (1 - gamma**2)

    def in_turn(history):
        return np.eye(2)[len(history) // 2 % 2]

    np.testing.assert_allclose(history_occupancy(TabularMDP(*mdp), in_turn, horizon)[0], truth, rtol=1e-12)
    p = oracles.pair_visits(*mdp, in_turn, horizon)[:, 0]
    np.testing.assert_allclose(gamma ** np.arange(horizon) @ p, truth, rtol=1e-12)
    visits = 1 / (1 - gamma)
    for wrong in (p[0] * visits, p.mean(axis=0) * visits):
        assert abs(wrong - truth).max() > 0.2
    # for a policy without memory the two are one
    pi = np.array([[0.25, 0.75]])
    rho = oracles.pair_visits(*mdp, lambda history: pi[0], 10)[:, 0]
    np.testing.assert_allclose(rho, np.tile(pi, (10, 1)), rtol=1e-13)


# 31 · no π inside η; a sum of rewards and not their average; and Fubini -------------------------------------


@pytest.mark.mends(31)
@pytest.mark.proves("thm-return")
def test_mend_31_the_policys_probability_is_counted_once():
    mdp, horizon = forked(0.5), 7
    gamma = mdp[2]

    def stray(tau):
        steps = zip(tau.states, tau.actions, tau.rewards, strict=True)
        return sum(gamma**t * PI[s, a] * r for t, (s, a, r) in enumerate(steps))

    rho = occupancy(TabularMDP(*mdp), PI)
    tail = gamma**horizon / (1 - gamma) * abs(mdp[1]).max()
    truth = oracles.expected_return(*mdp, PI, horizon)
    assert abs((rho * mdp[1]).sum() - truth) <= tail
    assert abs(expected_return(TabularMDP(*mdp), PI) - truth) <= tail
    wrong = oracles.mean(stray, mdp, PI, horizon)
    assert abs((rho * PI * mdp[1]).sum() - wrong) <= tail  # π stands in it twice
    assert abs(wrong - truth) > 10 * tail
    # (1−γ) times it is an average of the rewards, but with weights; the plain one, of a long run, is another still
    weighted = (1 - gamma) * (rho * mdp[1]).sum()
    there = np.linalg.matrix_power(np.einsum("sa,sax->sx", PI, mdp[0]), 1000)[0]
    average = there @ (PI * mdp[1]).sum(axis=1)
    assert abs(weighted - truth) > 10 * tail
    assert abs(average - truth) > 10 * tail
    assert abs(average - weighted) > 0.01


@pytest.mark.mends(31)
@pytest.mark.proves("thm-return")
def test_mend_31_cell_by_cell_needs_a_sum_that_converges_absolutely():
    """With γ < 1 the cells of +1, −1, +1, … sum to 1/(1+γ); with γ = 1 they hold T/2 and −T/2, none converges."""
    P = np.zeros((2, 1, 2))
    P[0, 0, 1] = P[1, 0, 0] = 1.0
    r, pi, start = np.array([[1.0], [-1.0]]), np.ones((2, 1)), np.array([1.0, 0.0])
    assert expected_return(TabularMDP(P, r, 0.9, start), pi) == pytest.approx(1 / 1.9, rel=1e-12)
    for horizon in (10, 11, 20):
        cells = oracles.visits(P, r, 1.0, start, pi, horizon).sum(axis=0) * r[:, 0]
        np.testing.assert_array_equal(cells, [(horizon + 1) // 2, -(horizon // 2)])
        assert cells.sum() == oracles.expected_return(P, r, 1.0, start, pi, horizon) == horizon % 2


# 32 · the performance difference, and what it is not ---------------------------------------------------------


@pytest.mark.mends(32)
@pytest.mark.proves("thm-difference", "eq-difference")
def test_mend_32_the_proof_needs_its_brackets_its_policy_and_its_last_term():
    """Enumerated to N steps, E_π' Σ_{t<N} γᵗ A_π against what other readings of the formula give."""
    mdp, horizon = forked(), 5
    P, r, gamma, rho0 = mdp
    new = np.array([[0.1, 0.9], [0.8, 0.2]])
    V, _ = oracles.power_series(*mdp, PI)
    V_new, _ = oracles.power_series(*mdp, new)
    final = oracles.visits(*mdp, new, horizon + 1)[horizon]
    gain = oracles.expected_return(*mdp, new, horizon) - rho0 @ V

    def summed(values, discounted=True):
        def f(tau):
            total = 0.0
            for t, (s, a) in enumerate(zip(tau.states, tau.actions, strict=True)):
                ahead = gamma * P[s, a] @ values - values[s]
                total += gamma**t * (r[s, a] + ahead) if discounted else gamma**t * r[s, a] + ahead
            return total

        return oracles.mean(f, mdp, new, horizon)

    right = gain + gamma**horizon * final @ V
    assert summed(V) == pytest.approx(right, abs=1e-12)
    assert abs(summed(V, discounted=False) - right) > 0.1  # γᵗ in front of the reward alone
    assert abs(summed(V_new) - right) > 0.1  # the V of π'
    assert abs(summed(V) - gain) > 0.1  # γᴺ E V(s_N) is there at every N, and vanishes only in the limit
    whole = performance_difference(TabularMDP(*mdp), PI, new).value
    assert whole == pytest.approx(rho0 @ (V_new - V), abs=1e-11)
    assert abs(summed(V) - whole) <= 2 * gamma**horizon * abs(r).max() / (1 - gamma) ** 2


@pytest.mark.mends(32)
@pytest.mark.proves("thm-difference")
def test_mend_32_both_policies_start_alike():
    mdp = forked()
    new = np.array([[0.1, 0.9], [0.8, 0.2]])
    V, _ = oracles.power_series(*mdp, PI)
    V_new, visits = oracles.power_series(*mdp, new)
    A = oracles.advantage(mdp, PI)
    sum_of_advantages = visits @ (new * A).sum(axis=1)
    assert mdp[3] @ V + sum_of_advantages == pytest.approx(mdp[3] @ V_new, abs=1e-11)
    other = np.array([1.0, 0.0])  # where π is said to start, if not where π' does
    assert abs(other @ V + sum_of_advantages - mdp[3] @ V_new) > 0.1


@pytest.mark.mends(32)
@pytest.mark.proves("eq-difference-states", "prop-surrogate-wrong")
def test_mend_32_the_new_policys_visits_and_the_new_policys_actions():
    mdp = forked()
    new = np.array([[0.1, 0.9], [0.8, 0.2]])
    V, visits = oracles.power_series(*mdp, PI)
    V_new, visits_new = oracles.power_series(*mdp, new)
    A, gain = oracles.advantage(mdp, PI), mdp[3] @ (V_new - V)
    result = performance_difference(TabularMDP(*mdp), PI, new)
    assert result.value == pytest.approx(gain, abs=1e-11)
    np.testing.assert_allclose(result.by_state, visits_new * (new * A).sum(axis=1), atol=1e-11)
    old_visits = visits @ (new * A).sum(axis=1)
    assert old_visits == pytest.approx(surrogate(TabularMDP(*mdp), PI, new) - mdp[3] @ V, abs=1e-11)
    assert abs(old_visits - gain) > 0.1  # only the surrogate
    assert abs(visits_new @ (PI * A).sum(axis=1)) < 1e-11 < 0.1 < abs(gain)  # nothing at all
    A_new = oracles.advantage(mdp, new)
    assert abs(visits_new @ (new * A_new).sum(axis=1)) < 1e-11  # and nothing with its own advantage


# Chapter 5 · control variates and Q-Prop ----------------------------------------------------------------------

GAUSS_THETA, GAUSS_SIGMA = np.array([0.2, -0.3]), 0.5


def the_rooms(theta=GAUSS_THETA, **options):
    """(problem, Q, V) of the three rooms under a Gaussian policy."""
    problem = three_rooms(theta, GAUSS_SIGMA, **options)
    V, Q, _ = evaluate_policy(problem.mdp, problem.pi)
    return problem, Q, V


def rooms_gradient():
    """∇η by central differences of the start's value."""
    return oracles.finite_difference(lambda theta: the_rooms(theta)[2][1], GAUSS_THETA)


def gaussian_mean(f, mean, root, order=24):
    """E f(a) over a ~ N(mean, root·rootᵀ) in two actions, f of an (N, 2) array, by Gauss–Hermite."""
    z, p = np.polynomial.hermite_e.hermegauss(order)
    grid = np.array(list(itertools.product(z, z)))
    return np.tensordot(np.outer(p, p).ravel() / p.sum() ** 2, f(mean + grid @ root.T), axes=1)


def bent_critic(a):
    """f(s,·) of two actions, and its gradient: no line and no parabola."""
    value = a[..., 0] + np.sin(2 * a[..., 1]) + a[..., 0] ** 2 * a[..., 1]
    slope = [1 + 2 * a[..., 0] * a[..., 1], 2 * np.cos(2 * a[..., 1]) + a[..., 0] ** 2]
    return value, np.stack(slope, axis=-1)


TWO_ACTIONS = np.array([0.3, -0.2])  # the mean of the policy at one state, …
ROOT = np.array([[0.6, 0.0], [0.2, 0.5]])  # … Σ = ROOT·ROOTᵀ …
JACOBIAN = np.array([[1.0, 0.5], [-2.0, 1.0]])  # … and ∂μ/∂θ


def two_action_score(a):
    return gaussian_score(a, TWO_ACTIONS, ROOT @ ROOT.T, JACOBIAN)


# 33 · which coefficient, and from which samples; the mean of what is subtracted the notes do put back -----------


@pytest.mark.proves("thm-action-baseline")
def test_subtracting_an_action_baseline_alone_biases():
    problem, Q, V = the_rooms()
    slope = problem.critic_slope(V)
    bar = (problem.actions - problem.mean[:, None])[..., 0] * slope
    truth = rooms_gradient()
    alone = q_prop_gradient(problem, Q - bar, slope)
    np.testing.assert_allclose(alone, truth - deterministic_gradient(problem, slope), atol=1e-7)  # off by −E[f̄ψ]
    assert np.linalg.norm(alone - truth) > 1
    np.testing.assert_allclose(q_prop_gradient(problem, Q, slope, 1.0), truth, atol=1e-7)


@pytest.mark.mends(33)
@pytest.mark.proves("prop-same-sample", "prop-cross-fit")
def test_mend_33_a_coefficient_from_the_same_samples_biases():
    """All 81 ways to draw four times from three points; E f = 1.5, E g = .25."""
    points, chances = np.array([[0.0, -1.0], [1.0, 0.0], [4.0, 2.0]]), np.array([0.25, 0.5, 0.25])

    def mean(estimate):
        total = 0.0
        for outcome in itertools.product(range(3), repeat=4):
            f, g = points[list(outcome)].T
            total += np.prod(chances[list(outcome)]) * estimate(f, g).mean()
        return total

    assert mean(lambda f, g: control_variate(f, g, 0.25, -1.3)) == pytest.approx(1.5, abs=1e-12)
    assert mean(lambda f, g: cross_fitted(f, g, 0.25)) == pytest.approx(1.5, abs=1e-12)
    assert abs(mean(lambda f, g: fitted_on_same(f, g, 0.25)) - 1.5) > 0.05


@pytest.mark.mends(33)
@pytest.mark.proves("prop-control-variate")
def test_mend_33_the_best_coefficient_has_a_minus():
    f, g = np.array([0.0, 1.0, 1.0, 4.0]), np.array([-1.0, 0.0, 0.0, 2.0])
    best, corr = optimal_coefficient(f, g), np.corrcoef(f, g)[0, 1]
    assert best == pytest.approx(-np.cov(f, g, ddof=0)[0, 1] / g.var())
    assert control_variate(f, g, 0.0, best).var() == pytest.approx((1 - corr**2) * f.var())
    assert control_variate(f, g, 0.0, -best).var() == pytest.approx((1 + 3 * corr**2) * f.var())


# 34 · the outer mean, the brackets and γᵗ ----------------------------------------------------------------------


@pytest.mark.mends(34)
@pytest.mark.proves("thm-q-prop", "eq-q-prop")
def test_mend_34_the_final_gradient_averages_over_states_sums_both_halves_and_discounts():
    problem, Q, V = the_rooms()
    slope, truth = problem.critic_slope(V), rooms_gradient()
    P_pi = np.einsum("sm,smx->sx", problem.pi, problem.mdp.P.reshape(3, -1, 3))
    bar = (problem.actions - problem.mean[:, None])[..., 0] * slope
    first = np.einsum("sm,sm,smn->sn", problem.pi, Q - bar, problem.score)  # given s: E[(G − Q̄_w)ψ | s] …
    second = taylor_correction(slope, problem.jacobian)  # … and (∂μ/∂θ)ᵀ∇_aQ_w

    horizon = 300  # .9³⁰⁰ < 2e-14
    p = np.array([np.linalg.matrix_power(P_pi.T, t) @ problem.mdp.rho0 for t in range(horizon)])
    discount = 0.9 ** np.arange(horizon)
    np.testing.assert_allclose(discount @ p @ (first + second), truth, atol=1e-7)

    # No brackets: the sum over i stops before the second mean, whose i is then nobody's; here the first one.
    assert np.linalg.norm(discount @ p @ first + p[0] @ second - truth) > 1
    # No γⁱ: another direction; and over ever more steps it has no limit.
    for steps in (20, 100):
        wrong = p[:steps].sum(axis=0) @ (first + second)
        assert np.linalg.norm(wrong / np.linalg.norm(wrong) - truth / np.linalg.norm(truth)) > 0.01
    half, whole = (np.linalg.norm(p[:steps].sum(axis=0) @ (first + second)) for steps in (100, 200))
    assert whole > 1.9 * half
    # No outer mean: given the states it is a random vector. From rooms −1 and 1 alone it would be these.
    given = first + second
    assert min(np.linalg.norm(10 * given[s] - truth) for s in range(3)) > 1  # 10 = Σγᵗ


# 35 · what may serve as f, and as ā ----------------------------------------------------------------------------


@pytest.mark.mends(35)
@pytest.mark.proves("eq-taylor-action")
def test_mend_35_the_baseline_has_to_be_differentiable_in_the_action():
    # |a − ā| has two slopes at ā, one from each side, and no expansion.
    sides = [(abs(h) - 0) / h for h in (-1e-6, 1e-6)]
    np.testing.assert_allclose(sides, [-1, 1])
    with pytest.raises(ValueError, match=r"slope\[0\] is nan"):
        taylor_baseline(np.array([1.0]), np.array([0.0]), 0.0, [np.nan])
    # 1{a > ā} has the slope 0 on either side. Its expansion is 0 or 1, and E[f̄ψ] = 0 is not its E[fψ] = φ(0)/σ.
    z, p = np.polynomial.hermite_e.hermegauss(200)
    score = z / GAUSS_SIGMA
    kept = (p / p.sum()) @ ((z > 0) * score)
    assert kept == pytest.approx(1 / (np.sqrt(2 * np.pi) * GAUSS_SIGMA), rel=0.01)
    assert taylor_correction([0.0], [[1.0]]) == 0


@pytest.mark.mends(35)
@pytest.mark.proves("prop-taylor-correction", "eq-q-prop")
def test_mend_35_the_point_of_expansion_is_not_differentiated():
    """What automatic differentiation makes of ā = μ_θ where it is not told to hold it at θ₀; all by quadrature."""
    here = np.zeros(2)

    def mean_action(theta):
        return TWO_ACTIONS + JACOBIAN @ theta

    def log_density(a, theta):
        away = (a - mean_action(theta)) @ np.linalg.inv(ROOT).T
        return -(away**2).sum(axis=-1) / 2 - np.log(2 * np.pi * np.linalg.det(ROOT))

    def residual(theta, moved):  # E_{a~π_θ₀}[(f(s,a) − Ā(s,a)) log π_θ(a|s)], whose slope at θ₀ is the residual half
        a_bar = mean_action(theta if moved else here)
        slope = bent_critic(a_bar)[1]

        def f(a):
            return (bent_critic(a)[0] - taylor_baseline(a, a_bar, 0.0, slope)) * log_density(a, theta)

        return gaussian_mean(f, TWO_ACTIONS, ROOT)

    def correction(theta, moved):  # ∇_aQ_w|_ā · μ_θ, whose slope at θ₀ is the other half
        return bent_critic(mean_action(theta if moved else here))[1] @ mean_action(theta)

    def slope_of(f, moved):
        return oracles.finite_difference(lambda theta: f(theta, moved), here)

    truth = oracles.finite_difference(
        lambda theta: gaussian_mean(lambda a: bent_critic(a)[0], mean_action(theta), ROOT), here
    )
    np.testing.assert_allclose(slope_of(residual, False) + slope_of(correction, False), truth, atol=1e-7)
    assert np.linalg.norm(slope_of(residual, True) + slope_of(correction, False) - truth) > 0.1
    assert np.linalg.norm(slope_of(residual, False) + slope_of(correction, True) - truth) > 0.1


# 36 · the gradient in the action, where it is taken and how it is multiplied -----------------------------------


@pytest.mark.mends(36)
@pytest.mark.proves("prop-taylor-correction")
def test_mend_36_the_correction_is_a_transposed_jacobian_times_the_slope_at_the_mean():
    slope = bent_critic(TWO_ACTIONS)[1]

    def part(v):  # E[v(a)·(a − ā) ψ]
        def f(a):
            return ((v(a) * (a - TWO_ACTIONS)).sum(axis=-1))[:, None] * two_action_score(a)

        return gaussian_mean(f, TWO_ACTIONS, ROOT)

    wanted = part(lambda a: slope)
    np.testing.assert_allclose(taylor_correction(slope, JACOBIAN), wanted, atol=1e-10)
    np.testing.assert_allclose(slope @ JACOBIAN, wanted, atol=1e-10)  # as a row: (1×d_a)(d_a×d_θ)
    assert np.linalg.norm(JACOBIAN @ slope - wanted) > 1  # as a column it is the transpose that stands on the left
    # "∇_a f(s,a_i)", the slope at the sampled action, has another mean; it moves out of no expectation.
    assert np.linalg.norm(part(lambda a: bent_critic(a)[1]) - wanted) > 0.1
    # With three parameters the shapes alone tell.
    assert taylor_correction(slope, np.ones((2, 3))).shape == (3,)
    with pytest.raises(ValueError, match="jacobian"):
        taylor_correction(slope, np.ones((3, 2)))


@pytest.mark.mends(36)
@pytest.mark.proves("prop-sigma-correction")
def test_mend_36_a_learned_spread_has_no_correction():
    # One action, a = σz: the score of log σ is z² − 1. The mean action does not depend on σ.
    z, p = np.polynomial.hermite_e.hermegauss(8)
    model = GaussianModel(0.5, 0.4, 0.3, 0.0, 0.7)
    p = p / p.sum()
    gradient = p @ (model.advantage(z) * (z**2 - 1))
    for q in (-1.0, 0.5, 3.0):
        left = p @ ((model.advantage(z) - q * 0.7 * z) * (z**2 - 1))
        assert left == pytest.approx(gradient, abs=1e-12)  # nothing was taken away …
        assert abs(left + q - gradient) > 0.4  # … so the mean's correction must not be added here as well
    assert gradient == pytest.approx(2 * model.c2)


# 37 · one critic in both halves, and it was there before the batch --------------------------------------------


@pytest.mark.mends(37)
@pytest.mark.proves("thm-q-prop", "eq-q-prop")
def test_mend_37_both_halves_share_the_critic():
    problem, Q, V = the_rooms()
    before, after = problem.critic_slope(V), problem.critic_slope(V + np.array([1.0, 0.0, -1.0]))
    bar = (problem.actions - problem.mean[:, None])[..., 0] * before
    truth = rooms_gradient()
    shared = q_prop_gradient(problem, Q - bar, before) + deterministic_gradient(problem, before)
    mixed = q_prop_gradient(problem, Q - bar, before) + deterministic_gradient(problem, after)
    np.testing.assert_allclose(shared, truth, atol=1e-7)
    np.testing.assert_allclose(mixed - truth, deterministic_gradient(problem, after - before), atol=1e-7)
    assert np.linalg.norm(mixed - truth) > 1


@pytest.mark.mends(37)
@pytest.mark.proves("thm-q-prop", "prop-same-batch-critic")
def test_mend_37_to_the_letter_the_order_is_harmless_and_read_otherwise_it_is_not():
    """Two batches of two samples, enumerated: z at four nodes with the normal's moments up to the seventh, ε = ±1."""
    model, w = GaussianModel(0.5, 0.4, 0.3, 0.2, 0.7), 0.9
    nodes, p = np.polynomial.hermite_e.hermegauss(4)
    p = p / p.sum()
    z = np.array(list(itertools.product(nodes, nodes, [-1.0, 1.0], [-1.0, 1.0])))
    z, eps = z[:, :2], z[:, 2:]
    chance = np.outer(p, p).ravel().repeat(4) / 4
    fitted = (model.advantage(z, eps) * z).sum(axis=1) / (model.sigma * (z**2).sum(axis=1))  # w after each batch

    def mean(g):
        return chance @ g.mean(axis=-1)

    # To the letter: compute (both halves with the old w), update w on the batch, apply. And again, with the next batch.
    assert mean(model.gradients(z, eps, w, 1.0)) == pytest.approx(model.mean, abs=1e-13)
    following = [mean(model.gradients(z, eps, trained, 1.0)) for trained in fitted]
    assert chance @ following == pytest.approx(model.mean, abs=1e-13)
    # Updated between the halves: the residual has the old w, the correction the new one.
    between = mean(model.gradients(z, eps, w, 1.0) - w + fitted[:, None])
    assert between - model.mean == pytest.approx(chance @ fitted - w, abs=1e-13)
    assert abs(between - model.mean) > 0.1
    # Updated before either, on the same batch.
    before = mean(model.gradients(z, eps, fitted[:, None], 1.0))
    assert before == pytest.approx(chance @ fitted, abs=1e-13)
    assert abs(before - model.mean) > 0.1


@pytest.mark.mends(37)
@pytest.mark.proves("prop-same-batch-critic")
def test_mend_37_a_critic_fitted_to_its_own_batch_biases():
    """n = 20, c₃/σ = .3: the bias is −6c₃/((n+2)σ) = −.0818, to first order −.090; that of other samples has none.

    60 000 batches leave a standard error of some .0015.
    """
    model, n = GaussianModel(0.5, 0.0, 0.3, 0.2, 1.0), 20
    z, eps = np.random.default_rng(0).standard_normal((2, 60_000, n))

    def fitted(z, eps):
        return (model.advantage(z, eps) * z).sum(axis=1, keepdims=True) / (
            model.sigma * (z**2).sum(axis=1, keepdims=True)
        )

    same = model.gradients(z, eps, fitted(z, eps), 1.0).mean(axis=1)
    error = same.std() / np.sqrt(len(same))
    assert error < 0.0025
    assert abs(same.mean() - model.mean - -6 * 0.3 / 22) < 3.5 * error
    assert abs(same.mean() - model.mean) > 20 * error
    one, two = slice(None, n // 2), slice(n // 2, None)
    halves = [
        model.gradients(z[:, use], eps[:, use], fitted(z[:, fit], eps[:, fit]), 1.0)
        for use, fit in ((one, two), (two, one))
    ]
    other = np.concatenate(halves, axis=1).mean(axis=1)
    assert abs(other.mean() - model.mean) < 3.5 * other.std() / np.sqrt(len(other))


# 38 · the residual has the expansion in it ---------------------------------------------------------------------


@pytest.mark.mends(38)
@pytest.mark.proves("thm-q-prop")
def test_mend_38_the_residual_uses_the_expansion_and_not_the_critic():
    """With the best of all critics, Q^π: less Q_w itself nothing is left, and the correction alone is no ∇η."""
    problem, Q, V = the_rooms()
    slope, truth = problem.critic_slope(V), rooms_gradient()
    wrong = q_prop_gradient(problem, Q - Q, slope) + deterministic_gradient(problem, slope)
    np.testing.assert_allclose(wrong, deterministic_gradient(problem, slope), atol=1e-14)
    assert np.linalg.norm(wrong - truth) > 0.1
    bar = (problem.actions - problem.mean[:, None])[..., 0] * slope
    right = q_prop_gradient(problem, Q - bar, slope) + deterministic_gradient(problem, slope)
    np.testing.assert_allclose(right, truth, atol=1e-7)


# 39 · the critic is of the policy, not of the best one ---------------------------------------------------------


@pytest.mark.mends(39)
@pytest.mark.proves("prop-critic-target")
def test_mend_39_standard_q_learning_learns_another_function():
    mdp = garnet(4, 3, 2, gamma=0.8, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    pi = rng.dirichlet(np.ones(3), size=4)
    seen = rng.dirichlet(np.ones(12)).reshape(4, 3) + 0.1  # how often a replay buffer holds each pair: off policy
    evaluated, standard = np.zeros((2, 4, 3))
    for _ in range(3000):
        evaluated += seen * (mdp.r + 0.8 * mdp.expect((pi * evaluated).sum(axis=1)) - evaluated)
        standard += seen * (mdp.r + 0.8 * mdp.expect(standard.max(axis=1)) - standard)
    np.testing.assert_allclose(evaluated, evaluate_policy(mdp, pi).Q, atol=1e-9)
    np.testing.assert_allclose(standard, value_iteration(mdp, tol=1e-12).Q, atol=1e-9)
    assert abs(evaluated - standard).max() > 0.5
    # Both are legal baselines; Q* is the one of a policy that is not followed.
    assert (standard >= evaluated - 1e-9).all()


# 40 · V can be learned off policy ------------------------------------------------------------------------------


@pytest.mark.mends(40)
@pytest.mark.proves("prop-off-policy-value")
def test_mend_40_values_are_learned_from_another_policys_transitions():
    """Every logged transition (s, a, r, s') with its probability under the behaviour policy, swept until it settles."""
    P, r, gamma, _ = mdp = forked()
    behaviour = np.array([[0.5, 0.5], [0.9, 0.1]])
    wanted, _ = oracles.power_series(*mdp, PI)
    of_behaviour, _ = oracles.power_series(*mdp, behaviour)

    def settle(target, V):
        for _ in range(400):
            swept = np.zeros_like(V)
            for s, a, x in np.ndindex(2, 2, 2):
                swept[s] += behaviour[s, a] * P[s, a, x] * target(s, a, x, V)
            V = swept
        return V

    weighed = settle(lambda s, a, x, V: PI[s, a] / behaviour[s, a] * (r[s, a] + gamma * V[x]), np.zeros(2))
    plain = settle(lambda s, a, x, V: r[s, a] + gamma * V[x], np.zeros(2))
    np.testing.assert_allclose(weighed, wanted, atol=1e-11)
    np.testing.assert_allclose(plain, of_behaviour, atol=1e-11)
    assert abs(wanted - of_behaviour).max() > 0.1  # without the weights it is the other policy's
    # Q needs no weights, for a is given, and a' is drawn anew at the logged s'; its mean over π is V once more.
    Q = np.zeros((2, 2))
    for _ in range(400):
        Q = np.array(
            [[sum(P[s, a, x] * (r[s, a] + gamma * PI[x] @ Q[x]) for x in range(2)) for a in range(2)] for s in range(2)]
        )
    np.testing.assert_allclose((PI * Q).sum(axis=1), wanted, atol=1e-11)
    # With the logged a' in place of a fresh one Q too is the behaviour's.
    logged = np.zeros((2, 2))
    for _ in range(400):
        logged = r + gamma * np.einsum("sax,x->sa", P, (behaviour * logged).sum(axis=1))
    np.testing.assert_allclose((behaviour * logged).sum(axis=1), of_behaviour, atol=1e-11)


def test_every_item_of_the_errata_has_a_test():
    """Each item of the page has a test that carries its number; in whichever file it lives."""
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parents[1].rglob("test_*.py")]
    lists = re.findall(r"^@pytest\.mark\.mends\(([\d, ]+)\)", "\n".join(texts), re.MULTILINE)
    assert {int(item) for items in lists for item in items.split(",")} == set(ERRATA)
