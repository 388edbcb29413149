"""The baselines with the smallest variance: step by step, and all together (thm-optimal-baseline)."""

from __future__ import annotations

import numpy as np

from rlbook import checks
from rlbook.policy_gradient.policies import finite_horizon_values, score_table, state_distributions


def per_step_baseline(mdp, pi, horizon, *, features=None) -> np.ndarray:
    """b_t(s) = E[‖ψ_t‖² G_t | s_t=s] / E[‖ψ_t‖² | s_t=s]: the best baseline for each step on its own, (T, S).

    0 where the score is 0, for there no baseline matters. Source: Greensmith, Bartlett and Baxter (2004).
    """
    pi = checks.policy(mdp, pi)
    _, Q = finite_horizon_values(mdp, pi, horizon)
    weight = pi * (score_table(pi, features=features) ** 2).sum(axis=-1)
    return _ratio((weight * Q).sum(axis=-1), weight.sum(axis=-1))


def optimal_baseline(mdp, pi, horizon, *, features=None) -> np.ndarray:
    """The state baseline with the smallest total variance (thm-optimal-baseline), (T, S):

        b*_t(s) = E[⟨ψ_t, ĝ⟩ | s_t=s] / (γᵗ E[‖ψ_t‖² | s_t=s]),     ĝ the reward-to-go gradient.

    Unlike `per_step_baseline` it counts the products of scores at different times. 0 where the score is 0;
    where s cannot be reached at time t, what the earlier scores would add is taken as 0.
    """
    pi, horizon = checks.policy(mdp, pi), checks.count("horizon", horizon)
    gamma, score = mdp.gamma, score_table(pi, features=features)
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


def _ratio(numerator, denominator):
    """numerator / denominator, and 0 where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator != 0)
