"""Chapter 1: the policy gradient, its estimators, and the exact mean and covariance of each of them.

Episodes have a fixed horizon T; the objective is η(θ) = E Σ_{t<T} γᵗ r_t, with G_t = Σ_{k≥t} γ^{k−t} r_k.
Write ψ_t = ∇_θ log π(a_t|s_t) for the score. Every estimator of the chapter is one member of a family:

    ĝ(κ, b) = Σ_t [ κ·Σ_{k<t} γᵏ r_k + γᵗ (G_t − b_t(s_t)) ] ψ_t.                             (eq-family)

κ = 1, b = 0 is REINFORCE with the full return; κ = 0 is reward-to-go; b is any baseline that knows the time
and the state. `per_trajectory_gradients` evaluates it on samples; `exact_moments` gives its mean and
covariance without any.

Policies are softmax policies: tabular, with one parameter θ(s,a) a pair, or log-linear,
π(a|s) ∝ exp(φ(s,a)·θ), where `features` holds φ as an (S, A, n) array. A function called without `features`
means the tabular policy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.bellman import advantages
from rlbook.occupancy import occupancy

# Trajectories handled together: enough to hide the cost of a call, few enough for the processor's cache.
SAMPLED_TOGETHER = 16_384
WEIGHED_TOGETHER = 1024

STEP = np.dtype([("state", np.int32), ("action", np.int32), ("reward", float)])


class Trajectories(NamedTuple):
    """N episodes of T steps: `states` and `actions` are (N, T) integers, `rewards` is (N, T)."""

    states: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray


class GradientMoments(NamedTuple):
    """Exact joint moments of the parts (past, future, baseline) that make up ĝ(κ, b), by `exact_moments`.

    `mean` is (3, n) and `covariance` (3, n, 3, n). With u = (κ, 1, −β), ĝ = Σ_i u_i part_i has mean u·mean
    and covariance Σ_ij u_i u_j covariance[i, :, j, :].

    Kept are `own_mean` and `own_covariance`, those of (past, future − baseline, baseline), and `estimator` and
    `variance` add up from them: the difference, which a good baseline makes small, is not to be had from the two
    large parts of which it is one.
    """

    own_mean: np.ndarray
    own_covariance: np.ndarray

    def estimator(self, *, past=0.0, beta=0.0):
        """Mean (n,) and covariance (n, n) of ĝ = past·(past part) + (future part) − beta·(baseline part)."""
        u = np.array([checks.number("past", past), 1.0, 1.0 - checks.number("beta", beta)])
        return u @ self.own_mean, np.einsum("i,ikjl,j->kl", u, self.own_covariance, u)

    def variance(self, *, past=0.0, beta=0.0):
        """Total variance tr Cov ĝ = E‖ĝ − E ĝ‖² of the same estimator."""
        u = np.array([checks.number("past", past), 1.0, 1.0 - checks.number("beta", beta)])
        return max(float(u @ np.einsum("ikjk->ij", self.own_covariance) @ u), 0.0)  # below 0 it is rounding

    @property
    def mean(self):
        """Means of the parts (past, future, baseline), (3, n)."""
        return FROM_OWN @ self.own_mean

    @property
    def covariance(self):
        """Covariances of the parts (past, future, baseline), (3, n, 3, n)."""
        return np.einsum("ai,ikjl,bj->akbl", FROM_OWN, self.own_covariance, FROM_OWN)

    @property
    def total(self):
        """The (3, 3) matrix C with total variance uᵀCu (eq-bowl), up to rounding by the size of its entries."""
        return FROM_OWN @ np.einsum("ikjk->ij", self.own_covariance) @ FROM_OWN.T


FROM_OWN = np.array([[1.0, 0, 0], [0, 1, 1], [0, 0, 1]])  # (past, future, baseline) from `GradientMoments`' own parts


class SampleMoments(NamedTuple):
    """What samples say of an estimator: `mean`, shaped like theta, and total `variance`, with standard errors."""

    mean: np.ndarray
    mean_error: np.ndarray
    variance: float
    variance_error: float


def softmax_policy(theta, features=None):
    """The softmax policy π(a|s) ∝ exp θ(s,a), or ∝ exp(φ(s,a)·θ) where features are given.

    theta is (S, A), or (n,) to go with (S, A, n) features. Returns pi, (S, A). Raises `ValueError` for shapes
    that do not fit or numbers that are not finite.
    """
    if features is None:
        logits = theta = checks.array("theta", theta, ("S", "A"))
    else:
        features = checks.array("features", features, ("S", "A", "n"))
        theta = checks.array("theta", theta, features.shape[2:], note=" to fit the features")
        logits = features @ theta
    bad = np.argwhere(~np.isfinite(logits))
    if len(bad):
        raise ValueError(f"theta gives the pair [{checks.at(bad[0])}] a logit that is not finite")
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def policy_of(mdp, theta, features=None):
    """`softmax_policy` of parameters that fit an MDP; raises `ValueError` where they do not."""
    checks.tabular(mdp)
    pi = softmax_policy(theta, features)
    if pi.shape != mdp.r.shape:
        name = "theta" if features is None else "features"
        raise ValueError(f"{name} must have one row a state, {mdp.r.shape}, got {pi.shape}")
    return pi


def score_table(pi, features=None):
    """The scores ψ(s,a) = ∇_θ log π(a|s) = φ(s,a) − Σ_a' π(a'|s) φ(s,a') (eq-softmax-score), (S, A, n).

    The tabular policy's features are the indicators of the pairs, so there n = S·A, in row-major order.
    """
    pi = checks.distributions("pi", pi, ("S", "A"))
    if features is None:
        score = np.eye(pi.size).reshape(*pi.shape, pi.size)
        return score - np.einsum("sa,san->sn", pi, score)[:, None, :]
    features = checks.array("features", features, (*pi.shape, "n"), note=" to go with pi")
    score = features - features[:, :1]  # a shift changes no score, and equal features become zeros
    score = score - np.einsum("sa,san->sn", pi, score)[:, None, :]
    # What is left of a score of 0 is rounding. A baseline divides by ‖ψ‖², so it must not pass for a score.
    rounding = pi.shape[1] * np.finfo(float).eps * abs(features).max(axis=1, keepdims=True)
    return np.where(abs(score) > rounding, score, 0.0)


def finite_horizon_values(mdp, pi, horizon):
    """V_t(s) = E[G_t | s_t=s], (T, S), and Q_t(s,a) = E[G_t | s_t=s, a_t=a], (T, S, A)."""
    pi, horizon = checks.policy(mdp, pi), checks.count("horizon", horizon)
    V = np.zeros((horizon + 1, mdp.n_states))
    Q = np.zeros((horizon, *mdp.r.shape))
    for t in reversed(range(horizon)):
        Q[t] = mdp.r + mdp.gamma * mdp.expect(V[t + 1])
        V[t] = (pi * Q[t]).sum(axis=1)
    return V[:horizon], Q


def exact_gradient(mdp, theta, *, features=None, horizon=None):
    """The exact policy gradient ∇η = Σ_s ρ_π(s) Σ_a ∇π(a|s) Q^π(s,a) (thm-policy-gradient), as theta shaped.

    With a `horizon` T it is the gradient of the T-step objective, Σ_t Σ_{s,a} γᵗ P(s_t=s) π(a|s) Q_t(s,a)
    ψ(s,a); without one, of the infinite-horizon return. Source: Sutton, McAllester, Singh and Mansour (1999),
    Theorem 1.
    """
    pi = policy_of(mdp, theta, features)
    # A_π for Q^π: what all actions share adds nothing but rounding.
    if horizon is None:
        weight = occupancy(mdp, pi) * advantages(mdp, pi)
    else:
        horizon = checks.count("horizon", horizon)
        V, Q = finite_horizon_values(mdp, pi, horizon)
        discounts = mdp.gamma ** np.arange(horizon)
        p = state_distributions(mdp, pi, horizon)
        weight = np.einsum("t,ts,sa,tsa->sa", discounts, p, pi, Q - V[..., None])
    return _pair_weights_to_gradient(weight[None], pi, features)[0]


def state_distributions(mdp, pi, horizon):
    """P(s_t = s) for t < T, as a (T, S) array."""
    pi, horizon = checks.policy(mdp, pi), checks.count("horizon", horizon)
    p = np.empty((horizon, mdp.n_states))
    p[0] = mdp.rho0
    for t in range(1, horizon):
        p[t] = mdp.flow(p[t - 1][:, None] * pi)
    return p


# Sampling ---------------------------------------------------------------------------------------------------


def sample_trajectories(mdp, pi, n, horizon, rng):
    """n episodes of `horizon` steps under pi, as `Trajectories` with (n, horizon) arrays.

    A step draws action and next state together from one alias table (Walker 1977; Vose 1991) over the pairs
    (a, s') that have positive probability: one uniform number a step, whatever the number of outcomes.
    Rewards are r(s_t, a_t). `rng` is a `numpy.random.Generator`.
    """
    pi = checks.policy(mdp, pi)
    n, horizon = checks.count("n", n), checks.count("horizon", horizon)
    checks.generator(rng)
    threshold, action_of, next_of, width = _joint_alias_tables(mdp, pi)
    S = mdp.n_states
    threshold = threshold + np.tile(np.arange(width), S)  # counted from its state's first slot
    first_slot_of = next_of * width
    step_of = np.empty(len(action_of), STEP)  # an outcome tells the whole step, so one look-up fetches it
    step_of["state"] = np.repeat(np.arange(S), 2 * width)
    step_of["action"] = action_of
    step_of["reward"] = mdp.r[step_of["state"], action_of]

    steps = np.empty((horizon, n), STEP)
    start = np.cumsum(mdp.rho0)
    for begin in range(0, n, SAMPLED_TOGETHER):
        block = slice(begin, min(begin + SAMPLED_TOGETHER, n))
        size = block.stop - begin
        first_slot = width * np.searchsorted(start, rng.random(size) * start[-1], side="right")
        u, bar = np.empty((2, size))
        chosen, missed = np.empty(size, dtype=np.intp), np.empty(size, dtype=bool)
        for t in range(horizon):
            rng.random(out=u)
            u *= width  # its whole part picks a slot, its fraction decides between the slot's two outcomes
            np.copyto(chosen, u, casting="unsafe")
            chosen += first_slot
            threshold.take(chosen, out=bar, mode="clip")  # no index is out of range; "clip" spares the check
            np.greater_equal(u, bar, out=missed)
            chosen *= 2
            chosen += missed
            step_of.take(chosen, out=steps[t, block], mode="clip")
            first_slot_of.take(chosen, out=first_slot, mode="clip")
    return Trajectories(steps["state"].T, steps["action"].T, steps["reward"].T)


def returns(rewards, gamma):
    """The returns G_t = Σ_{k≥t} γ^{k−t} r_k of (N, T) rewards, as an (N, T) array."""
    rewards, gamma = checks.array("rewards", rewards, ("N", "T"), copy=False), checks.number("gamma", gamma, "[0, 1]")
    G = np.empty(rewards.shape[::-1])  # time-major: each step of the recursion reads and writes one row
    later = np.zeros(rewards.shape[0])
    for t in reversed(range(rewards.shape[1])):
        later = np.add(rewards[:, t], gamma * later, out=G[t])
    return G.T


def per_trajectory_gradients(batch, pi, gamma, *, features=None, past=0.0, baseline=None, discount=True):
    """ĝ(κ, b) of each trajectory (eq-family): (N, S, A) for the tabular policy, (N, n) with features.

    `past` is κ: 1 for the full return, 0 for reward-to-go. `baseline` is b, as an (S,) or (T, S) array, or
    None for no baseline. `discount=False` drops the factor γᵗ in front of G_t − b, as much code does; the
    result is then no estimate of ∇η (prop-dropped-discount).
    """
    pi = checks.distributions("pi", pi, ("S", "A"))
    S, A = pi.shape
    states, actions = checks.steps("batch", batch, S, A)
    N, T = states.shape
    batch = Trajectories(states, actions, checks.array("batch.rewards", batch.rewards, (N, T), copy=False))
    gamma, past = checks.discount(gamma), checks.number("past", past)
    if features is not None:
        features = checks.array("features", features, (S, A, "n"), note=" to go with pi")
    b, discount = _check_baseline(baseline, T, S), checks.flag("discount", discount)
    steps, powers = np.arange(T)[:, None], gamma ** np.arange(T)[:, None]
    g_hat = np.empty((N, *(pi.shape if features is None else np.shape(features)[2:])))
    for begin in range(0, N, WEIGHED_TOGETHER):
        block = slice(begin, begin + WEIGHED_TOGETHER)
        states, actions, rewards = (x[block].T for x in batch)  # time-major
        if discount:
            weight = powers * rewards
            for t in reversed(range(T - 1)):  # γᵗ G_t = Σ_{k≥t} γᵏ r_k: discounted once, then only summed
                weight[t] += weight[t + 1]
        else:
            weight = returns(rewards.T, gamma).T
        if baseline is not None:
            weight -= (powers if discount else 1.0) * b[steps, states]
        if past:
            weight[1:] += past * np.cumsum((powers * rewards)[:-1], axis=0)
        # ĝ is linear in the weights that a trajectory lays on each pair (s, a); collect those first.
        n = states.shape[1]
        pair = states * A + actions + S * A * np.arange(n)  # counted through the block's trajectories
        weights = np.bincount(pair.ravel(), weight.ravel(), minlength=n * S * A).reshape(n, S, A)
        g_hat[block] = _pair_weights_to_gradient(weights, pi, features)
    return g_hat


def estimate_moments(g_hat):
    """Mean and total variance of an estimator from N ≥ 2 samples, an (N, ...) array, as `SampleMoments`."""
    g_hat = checks.array("g_hat", g_hat, copy=False)
    N = len(g_hat) if g_hat.ndim else 0
    if N < 2:
        raise ValueError(f"g_hat must hold at least 2 samples, got shape {g_hat.shape}")
    squares = g_hat - g_hat[0]  # first, for a mean may be off by its last digit
    mean = squares.mean(axis=0)
    squares -= mean
    squares **= 2
    mean, mean_error = g_hat[0] + mean, np.sqrt(squares.sum(axis=0) / (N * (N - 1)))
    squares = squares.reshape(N, -1).sum(axis=1) * (N / (N - 1))
    return SampleMoments(
        mean=mean,
        mean_error=mean_error,
        variance=squares.mean(),
        variance_error=squares.std(ddof=1) / np.sqrt(N),
    )


# Baselines --------------------------------------------------------------------------------------------------


def per_step_baseline(mdp, pi, horizon, *, features=None):
    """b_t(s) = E[‖ψ_t‖² G_t | s_t=s] / E[‖ψ_t‖² | s_t=s]: the best baseline for each step on its own, (T, S).

    0 where the score is 0, for there no baseline matters. Source: Greensmith, Bartlett and Baxter (2004).
    """
    pi = checks.policy(mdp, pi)
    _, Q = finite_horizon_values(mdp, pi, horizon)
    weight = pi * (score_table(pi, features) ** 2).sum(axis=-1)
    return _ratio((weight * Q).sum(axis=-1), weight.sum(axis=-1))


def optimal_baseline(mdp, pi, horizon, *, features=None):
    """The state baseline with the smallest total variance (thm-optimal-baseline), (T, S):

        b*_t(s) = E[⟨ψ_t, ĝ⟩ | s_t=s] / (γᵗ E[‖ψ_t‖² | s_t=s]),     ĝ the reward-to-go gradient.

    Unlike `per_step_baseline` it counts the products of scores at different times. 0 where the score is 0;
    where s cannot be reached at time t, what the earlier scores would add is taken as 0.
    """
    pi, horizon = checks.policy(mdp, pi), checks.count("horizon", horizon)
    gamma, score = mdp.gamma, score_table(pi, features)
    _, Q = finite_horizon_values(mdp, pi, horizon)

    # after[t, s] = E[Σ_{k≥t} γ^{k−t} G_k ψ_k | s_t=s], from the last step back
    S, n = mdp.n_states, score.shape[-1]
    after = np.zeros((horizon + 1, S, n))
    for t in reversed(range(horizon)):
        after[t] = np.einsum("sa,san->sn", pi * Q[t], score)
        after[t] += gamma * np.einsum("sa,san->sn", pi, mdp.expect(after[t + 1]))

    # before[t, s] = E[Σ_{k<t} ψ_k · 1{s_t=s}], from the first step on
    p = state_distributions(mdp, pi, horizon)
    before = np.zeros((horizon, S, n))
    for t in range(1, horizon):
        before[t] = mdp.flow(pi[..., None] * (before[t - 1][:, None] + p[t - 1][:, None, None] * score))

    numerator = np.empty((horizon, S))
    size = (score**2).sum(axis=-1)
    for t in range(horizon):
        own = (pi * size * Q[t]).sum(axis=1)
        earlier = _ratio(before[t], p[t][:, None])
        with_earlier = np.einsum("sa,san,sn->s", pi * Q[t], score, earlier)
        with_later = gamma * np.einsum("sa,san,san->s", pi, score, mdp.expect(after[t + 1]))
        numerator[t] = own + with_earlier + with_later
    return _ratio(numerator, (pi * size).sum(axis=1))


# Exact moments ----------------------------------------------------------------------------------------------


def exact_moments(mdp, pi, horizon, *, features=None, baseline=None, discount=True):
    """Exact mean and covariance of all estimators ĝ(κ, βb) at once, as `GradientMoments` (thm-exact-moments).

    Seen from time t, the vector X = (1, G, Ψ, F, B, K) of constant, return, score sum, future part, baseline
    part and past part is linear in its own value one step later, X = M(s,a) X'. Its second moments
    Λ_t(s) = E[XXᵀ | s_t=s] therefore obey a backward recursion,

        Λ_t(s) = Σ_a π(a|s) M(s,a) E[Λ_{t+1}(s') | s,a] M(s,a)ᵀ,                        (eq-moment-recursion)

    which is dynamic programming: no sampling, no enumeration, T·S·A products of (2+4n)-square matrices.
    So that no digits are lost where returns and baseline are large and nearly alike, it is carried out about the
    mean, with F − B in the place of F: for m_t(s) = E[X | s_t=s] and the covariance C_t(s) of X given s_t = s,

        C_t(s) = Σ_a π(a|s) { M (E[C_{t+1}(s')] + Cov(m_{t+1}(s'))) Mᵀ + (M E m_{t+1}(s') − m_t(s))(…)ᵀ }.

    `baseline` and `discount` are those of `per_trajectory_gradients`.
    """
    pi, horizon = checks.policy(mdp, pi), checks.count("horizon", horizon)
    discount = checks.flag("discount", discount)
    gamma, score = mdp.gamma, score_table(pi, features)
    S, A, n = score.shape
    b = _check_baseline(baseline, horizon, S)
    decay = gamma if discount else 1.0
    one, G, Psi, D, B, K = 0, 1, *(slice(2 + i * n, 2 + (i + 1) * n) for i in range(4))
    d = 2 + 4 * n
    identity = np.eye(n)

    M = np.zeros((S, A, d, d))
    M[..., one, one] = 1  # the constant
    M[..., G, one], M[..., G, G] = mdp.r, gamma  # G = r + γG'
    M[..., Psi, one], M[..., Psi, Psi] = score, identity  # Ψ = ψ + Ψ'
    M[..., D, G], M[..., D, D] = gamma * score, decay * identity
    M[..., B, B] = decay * identity  # F − B = (r − b_t(s) + γG')ψ + γ(F' − B'), B = b_t(s)ψ + γB'; more of them below
    M[..., K, Psi], M[..., K, K] = mdp.r[..., None, None] * identity, gamma * identity  # K = rΨ' + γK'

    successor, chance = _successors(mdp)
    mean, covariance = np.zeros((S, d)), np.zeros((S, d, d))
    mean[:, one] = 1
    for t in reversed(range(horizon)):
        M[..., B, one] = b[t][:, None, None] * score
        ahead = mdp.expect(covariance.reshape(S, d * d)).reshape(S, A, d, d)
        mean_ahead = mdp.expect(mean)
        apart = mean[successor] - mean_ahead[:, :, None]
        ahead = ahead + (chance[..., None] * apart).swapaxes(-1, -2) @ apart
        given = np.einsum("saij,saj->sai", M, mean_ahead)
        # r − b first: where both are large, γG' comes to what is left of them.
        left = mdp.r - b[t][:, None] + gamma * mean_ahead[..., G]
        M[..., D, one] = (mdp.r - b[t][:, None])[..., None] * score
        given[..., D] = left[..., None] * score + decay * mean_ahead[..., D]
        mean = np.einsum("sa,sai->si", pi, given)
        apart = given - mean[:, None]
        covariance = np.einsum("sa,saij->sij", pi, M @ ahead @ M.swapaxes(-1, -2))
        covariance += (pi[..., None] * apart).swapaxes(-1, -2) @ apart

    start = mdp.rho0 @ mean
    apart = mean - start
    whole = np.einsum("s,sij->ij", mdp.rho0, covariance) + (mdp.rho0[:, None] * apart).T @ apart
    parts = np.r_[K, D, B]
    return GradientMoments(start[parts].reshape(3, n), whole[np.ix_(parts, parts)].reshape(3, n, 3, n))


def variance_against_horizon(mdp, pi, horizons, *, features=None):
    """The matrix C of the total variance uᵀCu, u = (κ, 1, −β) (eq-bowl), at each of H horizons: (H, 3, 3).

    The baseline part is that of the horizon's own values V_t. Where returns are so large that their squares hide the
    variance with a baseline, `GradientMoments.variance` still tells it, and uᵀCu does not.
    """
    checks.integers("horizons", horizons, ("H",))
    totals = []
    for horizon in [checks.count(f"horizons[{i}]", T) for i, T in enumerate(horizons)]:
        V, _ = finite_horizon_values(mdp, pi, horizon)
        totals.append(exact_moments(mdp, pi, horizon, features=features, baseline=V).total)
    return np.array(totals)


# Helpers ----------------------------------------------------------------------------------------------------


def _pair_weights_to_gradient(weights, pi, features):
    """Σ_{s,a} weights[i,s,a] ψ(s,a) for each i: (N, S, A), or (N, n) with features."""
    if features is not None:
        return weights.reshape(len(weights), -1) @ score_table(pi, features).reshape(pi.size, -1)
    # The tabular ψ(s,a) is zero but at s, where it is δ(a,a') − π(a'|s): one small matrix a state.
    out = np.empty_like(weights)
    np.matmul(weights.swapaxes(0, 1), np.eye(pi.shape[1]) - pi[:, None, :], out=out.swapaxes(0, 1))
    return out


def _successors(mdp):
    """The states that each pair leads to and their probabilities, (S, A, w) each; filled up with probability 0."""
    S, A, width = *mdp.r.shape, mdp.row_width
    P = scipy.sparse.csr_array(mdp.P.reshape(S * A, S) if not mdp.is_sparse else mdp.P)
    row = np.repeat(np.arange(S * A), np.diff(P.indptr))
    slot = np.arange(len(row)) - P.indptr[row]
    successor, chance = np.zeros((S * A, width), dtype=np.intp), np.zeros((S * A, width))
    successor[row, slot], chance[row, slot] = P.indices, P.data
    return successor.reshape(S, A, width), chance.reshape(S, A, width)


def _joint_alias_tables(mdp, pi):
    """Vose's alias tables of P(a, s' | s), one a state, each padded to the same number of slots.

    Slot k of state s sits at s·width + k. It gives its own outcome with probability threshold, else
    another's: outcome 2·slot + (1 if missed) of `action_of` and `next_of`.
    """
    S, A = mdp.r.shape
    joint = scipy.sparse.csr_array(mdp.P.reshape(S * A, S) if not mdp.is_sparse else mdp.P)
    pair, next_state = joint.nonzero()
    p = pi.ravel()[pair] * np.asarray(joint[pair, next_state]).ravel()
    keep = p > 0
    pair, next_state, p = pair[keep], next_state[keep], p[keep]
    state, action = np.divmod(pair, A)
    counts = np.bincount(state, minlength=S)
    width = int(counts.max())

    threshold = np.ones((S, width))
    action_of = np.zeros((S, width, 2), dtype=np.int32)
    next_of = np.zeros((S, width, 2), dtype=np.intp)
    begin = np.concatenate([[0], np.cumsum(counts)])
    for s in range(S):
        outcomes = slice(begin[s], begin[s + 1])
        own = np.zeros(width, dtype=int)
        own[: counts[s]] = np.arange(counts[s])
        share = np.zeros(width)
        share[: counts[s]] = p[outcomes] * (width / p[outcomes].sum())
        bar, alias = _vose(share)
        threshold[s] = bar
        for column, chosen in enumerate((own, own[alias])):
            action_of[s, :, column] = action[outcomes][chosen]
            next_of[s, :, column] = next_state[outcomes][chosen]
    return threshold.ravel(), action_of.ravel(), next_of.ravel(), width


def _vose(share):
    """Thresholds and aliases of weights that sum to their number (Vose 1991)."""
    share = share.copy()
    bar, alias = np.ones(len(share)), np.arange(len(share))
    small = list(np.flatnonzero(share < 1))
    large = list(np.flatnonzero(share >= 1))
    while small and large:
        low, high = small.pop(), large.pop()
        bar[low], alias[low] = share[low], high
        share[high] -= 1 - share[low]
        (small if share[high] < 1 else large).append(high)
    return bar, alias  # what is left over weighs 1 up to rounding and keeps its own outcome


def _ratio(numerator, denominator):
    """numerator / denominator, and 0 where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator != 0)


def _check_baseline(baseline, horizon, n_states):
    """The baseline as a (T, S) array."""
    if baseline is None:
        return np.broadcast_to(0.0, (horizon, n_states))
    b = checks.array("baseline", baseline, (n_states,), (horizon, n_states))
    return np.broadcast_to(b, (horizon, n_states))
