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

from rlbook.policy_gradient.baselines import (
    optimal_baseline,
    per_step_baseline,
)
from rlbook.policy_gradient.estimators import (
    SampleMoments,
    estimate_moments,
    exact_gradient,
    per_trajectory_gradients,
)
from rlbook.policy_gradient.moments import (
    GradientMoments,
    exact_moments,
    variance_against_horizon,
)
from rlbook.policy_gradient.policies import (
    HorizonValues,
    finite_horizon_values,
    policy_of,
    score_table,
    softmax_policy,
    state_distributions,
)
from rlbook.policy_gradient.sampling import (
    Trajectories,
    returns,
    sample_trajectories,
)

__all__ = [
    "GradientMoments",
    "HorizonValues",
    "SampleMoments",
    "Trajectories",
    "estimate_moments",
    "exact_gradient",
    "exact_moments",
    "finite_horizon_values",
    "optimal_baseline",
    "per_step_baseline",
    "per_trajectory_gradients",
    "policy_of",
    "returns",
    "sample_trajectories",
    "score_table",
    "softmax_policy",
    "state_distributions",
    "variance_against_horizon",
]
