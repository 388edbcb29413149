"""Chapter 5: control variates, and the action-dependent baseline that Q-Prop makes of a critic.

A control variate adds to f what is known to average to nothing: f + c(g − E g), which has the mean of f for every c and
the smallest variance at c* = −Cov(f,g)/Var(g) (prop-control-variate). In the policy gradient the control is a critic
Q_w, made linear in the action around the policy's mean so that its expectation can be written down. With ā = μ_θ(s),
v = ∇_a Q_w(s,a)|_ā, Ā_w(s,a) = v·(a − μ_θ(s)), ψ = ∇_θ log π(a|s) and a weight κ(s) (`weight` in code),

    ĝ = Σ_t γᵗ [ (Â_t − κ(s_t) Ā_w(s_t,a_t)) ψ_t + κ(s_t) (∂μ_θ/∂θ)ᵀ v(s_t) ].                      (eq-q-prop)

The two halves share v and κ; both are fixed before the action is drawn. Then E ĝ does not depend on them (thm-q-prop),
and any bias is Â's own (prop-q-prop-bias). What does depend on them is the variance, in closed form in `GaussianModel`
and by quadrature in `GaussianProblem`.
"""

from rlbook.q_prop.control_variates import (
    CorrelatedPair,
    control_variate,
    cross_fitted,
    fitted_on_same,
    optimal_coefficient,
)
from rlbook.q_prop.critics import (
    VarianceTerms,
    WeightQuadratic,
    agreement,
    deterministic_gradient,
    q_prop_gradient,
    variance_terms,
    weight_quadratic,
)
from rlbook.q_prop.gaussian_model import (
    GaussianModel,
)
from rlbook.q_prop.problems import (
    GaussianProblem,
    expected_gae,
    return_variance,
    three_rooms,
)
from rlbook.q_prop.taylor import (
    gaussian_score,
    q_prop_samples,
    taylor_baseline,
    taylor_correction,
)
from rlbook.q_prop.weights import (
    RULES,
    SINGLE_SAMPLE_RULES,
    rule_weight,
)
from rlbook.statements import name_statements

__all__ = [
    "RULES",
    "SINGLE_SAMPLE_RULES",
    "CorrelatedPair",
    "GaussianModel",
    "GaussianProblem",
    "VarianceTerms",
    "WeightQuadratic",
    "agreement",
    "control_variate",
    "cross_fitted",
    "deterministic_gradient",
    "expected_gae",
    "fitted_on_same",
    "gaussian_score",
    "optimal_coefficient",
    "q_prop_gradient",
    "q_prop_samples",
    "return_variance",
    "rule_weight",
    "taylor_baseline",
    "taylor_correction",
    "three_rooms",
    "variance_terms",
    "weight_quadratic",
]

name_statements(__name__)
