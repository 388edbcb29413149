"""Chapter 3 with a network: the Fisher matrix as a product, and natural gradient and TRPO on Gymnasium environments.

A policy's outputs y(s) are the numbers that its distribution is made of: logits, or a `GaussianPolicy`'s mean and
log σ. With J(s) = ∂y/∂θ and M(s), the Fisher matrix of the distribution in these outputs themselves,

    F = E_s[J(s)ᵀ M(s) J(s)],    M = diag(p) − ppᵀ for logits,    M = diag(σ⁻², 2) for (μ, log σ),

which is def-fisher by the chain rule, and by thm-fisher-kl the Hessian of the mean KL divergence.

The training takes one step a batch, from the same estimates g = E[Â ∇log π(a|s)], Â = G_t − V(s_t) with chapter 1's
baseline V, and F:

    gradient       along g, up to ½dᵀFd = δ                                        the gradient, as far as the others
    natural        along x = F⁻¹g, by conjugate gradients, up to ½dᵀFd = δ          (def-natural-gradient)
    trust-region   √(2δ/gᵀx) x, drawn back until KL ≤ δ and the surrogate gains: TRPO  (prop-trust-step)

x is what conjugate gradients make of F⁻¹g, damped: (F + λI)⁻¹g. So the first two go equally far and differ in the
direction. The third looks ahead, and its step is shorter from the start: gᵀx counts the damping in, and ½dᵀFd is
δ(1 − λ‖x‖²/gᵀx). PPO needs no F: it ascends the surrogate with clipped ratios (eq-ppo), several times through a batch.
"""

from rlbook.neural.natural_gradients.conjugate import SolveCost, measure_solves
from rlbook.neural.natural_gradients.fisher import (
    PRODUCTS,
    divergence,
    explicit_fisher,
    fisher_vector_product,
    log_density,
)
from rlbook.neural.natural_gradients.training import (
    NaturalTraining,
    PPOTraining,
    compare_natural,
    train_natural,
    train_ppo,
)
from rlbook.neural.natural_gradients.trust_region import (
    METHODS,
    LocalModel,
    clipped_ascent,
    clipped_gain,
    local_model,
    natural_step,
)

__all__ = [
    "METHODS",
    "PRODUCTS",
    "LocalModel",
    "NaturalTraining",
    "PPOTraining",
    "SolveCost",
    "clipped_ascent",
    "clipped_gain",
    "compare_natural",
    "divergence",
    "explicit_fisher",
    "fisher_vector_product",
    "local_model",
    "log_density",
    "measure_solves",
    "natural_step",
    "train_natural",
    "train_ppo",
]
