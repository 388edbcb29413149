"""The policy gradient, exactly (thm-policy-gradient) and from episodes (eq-family), and what samples say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rlbook import checks
from rlbook.bellman import advantages
from rlbook.occupancies import occupancy
from rlbook.policy_gradient.policies import finite_horizon_values, policy_of, score_table, state_distributions
from rlbook.policy_gradient.sampling import returns
from rlbook.results import summary

WEIGHED_TOGETHER = 1024


class SampleMoments(NamedTuple):
    """What samples say of an estimator: `mean`, shaped like theta, and total `variance`, with standard errors."""

    mean: np.ndarray
    mean_error: np.ndarray
    variance: float
    variance_error: float

    __repr__ = summary


def exact_gradient(mdp, theta, *, features=None, horizon=None) -> np.ndarray:
    """The exact policy gradient ∇η = Σ_s ρ_π(s) Σ_a ∇π(a|s) Q^π(s,a) (thm-policy-gradient), as theta shaped.

    With a `horizon` T it is the gradient of the T-step objective, Σ_t Σ_{s,a} γᵗ P(s_t=s) π(a|s) Q_t(s,a)
    ψ(s,a); without one, of the infinite-horizon return. Source: Sutton, McAllester, Singh and Mansour (1999),
    Theorem 1.

    >>> import numpy as np
    >>> from rlbook import exact_gradient, gridworld
    >>> corridor = gridworld(["S..G"], gamma=0.9)
    >>> exact_gradient(corridor, theta=np.zeros((4, 4))).round(3)[2]  # beside the goal
    array([-0.014,  0.095, -0.014, -0.068])
    """
    pi = policy_of(mdp, theta, features=features)
    # A_π for Q^π: what all actions share adds nothing but rounding.
    if horizon is None:
        weight = occupancy(mdp, pi) * advantages(mdp, pi)
    else:
        horizon = checks.count("horizon", horizon)
        V, Q = finite_horizon_values(mdp, pi, horizon)
        discounts = mdp.gamma ** np.arange(horizon)
        p = state_distributions(mdp, pi, horizon)
        weight = np.einsum("t,ts,sa,tsa->sa", discounts, p, pi, Q - V[..., None])
    return pair_weights_to_gradient(weight[None], pi, features)[0]


def per_trajectory_gradients(
    trajectories, pi, gamma, *, features=None, kappa=0.0, baseline=None, discount=True
) -> np.ndarray:
    """ĝ(κ, b) of each trajectory (eq-family): (N, S, A) for the tabular policy, (N, n) with features.

    `kappa` is the weight κ of the past: 1 for the full return, 0 for reward-to-go. `baseline` is b, as an (S,) or
    (T, S) array, or None for no baseline. `discount=False` drops the factor γᵗ in front of G_t − b, as much code does;
    the result is then no estimate of ∇η (prop-dropped-discount). What stands after an episode's end (`alive`) counts
    for nothing, so the row of pi in a terminal state does not matter.
    """
    pi = checks.distributions("pi", pi, ("S", "A"))
    S, A = pi.shape
    states, actions = checks.steps("trajectories", trajectories, S, A)
    N, T = states.shape
    rewards = checks.array("trajectories.rewards", trajectories.rewards, (N, T), copy=False)
    alive = getattr(trajectories, "alive", None)
    alive = None if alive is None else checks.mask("trajectories.alive", alive, (N, T))
    ends = alive is not None and not alive.all()
    if ends:
        rewards = rewards * alive
    gamma, kappa = checks.discount(gamma), checks.number("kappa", kappa)
    if features is not None:
        features = checks.array("features", features, (S, A, "n"), note=" to go with pi")
    b, discount = checks.baseline(baseline, T, S), checks.flag("discount", discount)
    steps, powers = np.arange(T)[:, None], gamma ** np.arange(T)[:, None]
    g_hat = np.empty((N, *(pi.shape if features is None else np.shape(features)[2:])))
    for begin in range(0, N, WEIGHED_TOGETHER):
        block = slice(begin, begin + WEIGHED_TOGETHER)
        s, a, r = (x[block].T for x in (states, actions, rewards))  # time-major
        if discount:
            weight = powers * r
            for t in reversed(range(T - 1)):  # γᵗ G_t = Σ_{k≥t} γᵏ r_k: discounted once, then only summed
                weight[t] += weight[t + 1]
        else:
            weight = returns(r.T, gamma).T
        if baseline is not None:
            weight -= (powers if discount else 1.0) * b[steps, s]
        if kappa:
            weight[1:] += kappa * np.cumsum((powers * r)[:-1], axis=0)
        if ends:
            weight *= alive[block].T
        # ĝ is linear in the weights that a trajectory lays on each pair (s, a); collect those first.
        n = s.shape[1]
        pair = s * A + a + S * A * np.arange(n)  # counted through the block's trajectories
        weights = np.bincount(pair.ravel(), weight.ravel(), minlength=n * S * A).reshape(n, S, A)
        g_hat[block] = pair_weights_to_gradient(weights, pi, features)
    return g_hat


def estimate_moments(g_hat) -> SampleMoments:
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


def pair_weights_to_gradient(weights, pi, features) -> np.ndarray:
    """Σ_{s,a} weights[i,s,a] ψ(s,a) for each i: (N, S, A), or (N, n) with features."""
    if features is not None:
        return weights.reshape(len(weights), -1) @ score_table(pi, features=features).reshape(pi.size, -1)
    # The tabular ψ(s,a) is zero but at s, where it is δ(a,a') − π(a'|s): one small matrix a state.
    out = np.empty_like(weights)
    np.matmul(weights.swapaxes(0, 1), np.eye(pi.shape[1]) - pi[:, None, :], out=out.swapaxes(0, 1))
    return out
