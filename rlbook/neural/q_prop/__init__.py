"""Chapter 5 with a network: Q-Prop, whose baseline knows the action, and what it does to the variance, measured.

A Gaussian policy N(μ_θ(s), Σ), an advantage Â_t of chapter 1's kind, and a critic Q_w(s,a), of which only its slope
at the mean action is used: with ā = μ_θ(s), undifferentiated, Ā_w(s,a) = ∇_a Q_w(s,a)|_ā · (a − ā), and an episode's
gradient is

    Σ_t γᵗ [ (Â_t − κ Ā_w(s_t,a_t)) ∇log π(a_t|s_t) + κ (∂μ/∂θ)ᵀ ∇_a Q_w(s_t,a)|_ā ]                        (eq-q-prop)

The first term subtracts a baseline that depends on the action, and the second puts back what that takes from the mean
(prop-taylor-correction); it says nothing about Σ (prop-sigma-correction). κ, how much
of it, follows one of `RULES`.

π, V, Q_w and κ_φ must all be fixed before the batch that they weigh (prop-same-batch-critic). Here they are: a
`Control` copies them and *plays* the batch, and only what a control has played can be weighed, by that control.
"""

from rlbook.neural.q_prop.control_variates import (
    RULES,
    SINGLE_SAMPLE_RULES,
    Batch,
    Control,
    Terms,
    control_weights,
    fit_share,
    q_prop_gradients,
    q_prop_model,
    q_prop_terms,
)
from rlbook.neural.q_prop.critics import (
    Critic,
    action_slope,
    as_transitions,
    evaluation_target,
    fit_critic,
    track,
)
from rlbook.neural.q_prop.training import (
    Q_PROP_VARIANTS,
    QPropTraining,
    compare_q_prop,
    fit_control,
    train_q_prop,
)
from rlbook.neural.q_prop.variance import (
    AdvantageParts,
    QPropVariance,
    measure_advantage_parts,
    measure_q_prop_variance,
)

__all__ = [
    "Q_PROP_VARIANTS",
    "RULES",
    "SINGLE_SAMPLE_RULES",
    "AdvantageParts",
    "Batch",
    "Control",
    "Critic",
    "QPropTraining",
    "QPropVariance",
    "Terms",
    "action_slope",
    "as_transitions",
    "compare_q_prop",
    "control_weights",
    "evaluation_target",
    "fit_control",
    "fit_critic",
    "fit_share",
    "measure_advantage_parts",
    "measure_q_prop_variance",
    "q_prop_gradients",
    "q_prop_model",
    "q_prop_terms",
    "track",
    "train_q_prop",
]
