"""What the notes got wrong about REINFORCE, one test a mend: each computes what was written and what is true.

A test here passes only if the right version agrees with an oracle *and* the wrong one does not, so that the
check tells them apart. The numbers of the mends are those of the book's list of errata.
"""

import numpy as np
import oracles
import pytest

from rlbook import TabularMDP, softmax_policy
from rlbook.policy_gradient import (
    exact_moments,
    finite_horizon_values,
    per_trajectory_gradients,
    sample_trajectories,
    variance_against_horizon,
)

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


# 2 · the score-function identity is no "expectation of the gradient" ----------------------------------------


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
    for past in (0.0, 1.0):
        right = exact_moments(mdp, pi, 2, features=features).estimator(past=past)[0]
        wrong = exact_moments(mdp, pi, 2, features=features, discount=False).estimator(past=past)[0]
        np.testing.assert_allclose([right[0], wrong[0]], [kept, dropped], atol=1e-14)
    psi = oracles.scores(pi, features)
    enumerated = oracles.mean(lambda tau: oracles.g_hat(tau, psi, gamma, discount=False), arrays, pi, 2)
    assert abs(enumerated[0] - dropped) < 1e-14
    if (gamma, c) == (0.5, 1.5):  # uphill one way is downhill the other
        assert kept > 0 > dropped


def test_mend_6_without_a_discount_the_return_has_no_limit():
    # Reward +1 in two steps of four and −1 in the others: partial sums of the undiscounted return oscillate
    # for ever, and those of the discounted one converge.
    rewards = np.tile([1.0, 1.0, -1.0, -1.0], 100)
    tail = np.cumsum(rewards)[-8:]
    assert tail.max() - tail.min() == 2
    discounted = np.cumsum(0.9 ** np.arange(400) * rewards)[-8:]
    assert discounted.max() - discounted.min() < 1e-15 * 400


# 7 · what independence is used ------------------------------------------------------------------------------


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


@pytest.mark.proves("prop-to-go-can-hurt", "thm-baseline")
@pytest.mark.parametrize("p", [0.5, 0.25, 0.9])
@pytest.mark.parametrize("gamma", [0.5, 0.9])
def test_mend_9_reward_to_go_can_raise_the_variance_from_nothing(p, gamma):
    """−10 at t=0, then +10 in discounted terms, whatever is done: every return is 0."""
    arrays = chain([[-10.0, -10.0], [10 / gamma, 10 / gamma]], gamma)
    mdp, pi, features = TabularMDP(*arrays), policy(p, 3), shared_logit(3)
    psi = oracles.scores(pi, features)
    moments = exact_moments(mdp, pi, 2, features=features)
    assert abs(moments.variance(past=1.0)) < 1e-11
    assert abs(moments.variance(past=0.0) - 100 * p * (1 - p)) < 1e-11

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


def test_mend_10_the_same_in_samples():
    """The shrinking by 1 − 1/N in sampled batches of 2, by the public functions, to four standard errors."""
    mdp, T, batches = TabularMDP(*forked()), 3, 60_000
    batch = sample_trajectories(mdp, PI, 2 * batches, T, np.random.default_rng(0))
    full = per_trajectory_gradients(batch, PI, mdp.gamma, past=1.0).reshape(batches, 2, 4)
    R = (batch.rewards * mdp.gamma ** np.arange(T)).sum(axis=1).reshape(batches, 2)
    scores = PSI[batch.states, batch.actions].sum(axis=1).reshape(batches, 2, 4)
    estimates = (full - R.mean(axis=1)[:, None, None] * scores).mean(axis=1)
    error = estimates.std(axis=0) / np.sqrt(batches)
    slope = oracles.return_gradient(forked(), THETA, T).ravel()
    assert (abs(estimates.mean(axis=0) - slope / 2) < 4 * error).all()  # four numbers: false alarm 3e-4
    assert (abs(estimates.mean(axis=0) - slope) > 4 * error).any()


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
    np.testing.assert_allclose(softmax_policy([0.5], shared_logit(2)), policy(1 / (1 + np.exp(-0.5)), 2), atol=1e-15)
