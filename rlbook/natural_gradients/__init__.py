"""Chapter 3: steepest descent in other norms, the natural policy gradient, and how its step is computed and kept safe.

The steepest direction depends on how steps are measured. Measured by ‖d‖_G² = dᵀGd it is ∓G⁻¹g, and the natural
gradient measures by how far the step moves the *policy*: G is the Fisher information

    F(θ) = E_{s~d^π, a~π}[ψψᵀ],   ψ = ∇_θ log π(a|s),   d^π = (1−γ)ρ_π,                            (def-fisher)
    E_{s~d^π} KL(π_θ ‖ π_{θ+d}) = ½dᵀFd + O(‖d‖³).                                              (thm-fisher-kl)

The reinforcement learning here ascends, θ ← θ + αF⁻¹g with g = ∇η. F is only semidefinite in general (a tabular
softmax policy does not change when a state's logits all grow alike), so F⁻¹ stands for the pseudo-inverse F† or for
(F + λI)⁻¹. For the tabular softmax policy the step is mirror ascent, π⁺ ∝ π exp(αA/(1−γ)).

Policies are those of chapter 1: tabular with theta (S, A), or log-linear with theta (n,) and features (S, A, n).
Where a vector of n parameters is meant, the tabular policy has n = S·A in row-major order.
"""

from rlbook.divergences import (
    kl,
)
from rlbook.natural_gradients.conjugate import (
    CGResult,
    conjugate_gradient,
)
from rlbook.natural_gradients.fisher import (
    estimate_fisher,
    fisher,
    fisher_vector_product,
    mean_kl,
    quadratic_kl,
    sampled_product,
)
from rlbook.natural_gradients.gaussian import (
    gaussian_fisher,
    gaussian_flow,
    gaussian_gradient,
    gaussian_kl,
    gaussian_path,
    gaussian_step,
    kl_contour,
    kl_ellipse,
)
from rlbook.natural_gradients.mirror import (
    NPGTrace,
    mirror_step,
    npg,
)
from rlbook.natural_gradients.natural import (
    compatible_weights,
    natural_gradient,
)
from rlbook.natural_gradients.plateau import (
    plateau_time,
    softmax_path,
)
from rlbook.natural_gradients.steepest import (
    SteepestStep,
    steepest_descent,
)
from rlbook.natural_gradients.trust_region import (
    TrustRegionStep,
    trust_region_step,
)

__all__ = [
    "CGResult",
    "NPGTrace",
    "SteepestStep",
    "TrustRegionStep",
    "compatible_weights",
    "conjugate_gradient",
    "estimate_fisher",
    "fisher",
    "fisher_vector_product",
    "gaussian_fisher",
    "gaussian_flow",
    "gaussian_gradient",
    "gaussian_kl",
    "gaussian_path",
    "gaussian_step",
    "kl",
    "kl_contour",
    "kl_ellipse",
    "mean_kl",
    "mirror_step",
    "natural_gradient",
    "npg",
    "plateau_time",
    "quadratic_kl",
    "sampled_product",
    "softmax_path",
    "steepest_descent",
    "trust_region_step",
]
