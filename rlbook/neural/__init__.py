"""The chapters with a network, on Gymnasium environments: one module or package a chapter.

A policy is any torch module from observations (…, d) to logits (…, A), or a `GaussianPolicy`; a value function any
from (…, d) to (…, 1), an action-value function any from (…, d) to (…, A). Only this part of rlbook imports torch.

An environment shows vectors, a Box with one axis. It takes numbers, a Discrete space that may start anywhere, or real
vectors, a Box, to whose bounds and dtype a drawn vector is brought for it (`rollout`). All randomness is a seed's or a
generator's own: no global random state is moved, and none matters.
"""

try:
    import torch  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "torch":  # torch is there, and lacks something itself
        raise
    message = 'rlbook.neural needs torch, which comes with rlbook\'s extra "neural": pip install "rlbook[neural]"'
    raise ImportError(message, name="torch") from None

from rlbook.neural.episodes import Episodes, draw_actions, rollout
from rlbook.neural.natural_gradients import (
    METHODS,
    PRODUCTS,
    LocalModel,
    NaturalTraining,
    SolveCost,
    clipped_ascent,
    clipped_gain,
    compare_natural,
    divergence,
    explicit_fisher,
    fisher_vector_product,
    local_model,
    log_density,
    measure_solves,
    natural_step,
    train_natural,
    train_ppo,
)
from rlbook.neural.networks import GaussianPolicy, Scaled, mlp, one_thread
from rlbook.neural.pendulum import PENDULUM, Pendulums
from rlbook.neural.policy_gradient import (
    VARIANTS,
    GradientVariance,
    ascend,
    compare_reinforce,
    episode_gradients,
    fit_value,
    gae,
    measure_gradient_variance,
    step_weights,
    train_reinforce,
)
from rlbook.neural.q_learning import (
    DEEP_Q_VARIANTS,
    DeepQ,
    Replay,
    Transitions,
    compare_deep_q,
    interact,
    state_value,
    td_loss,
    td_target,
    train_deep_q,
)
from rlbook.neural.q_prop import (
    Q_PROP_VARIANTS,
    RULES,
    SINGLE_SAMPLE_RULES,
    AdvantageParts,
    Batch,
    Control,
    Critic,
    QPropTraining,
    QPropVariance,
    Terms,
    action_slope,
    as_transitions,
    compare_q_prop,
    control_weights,
    evaluation_target,
    fit_control,
    fit_critic,
    fit_share,
    measure_advantage_parts,
    measure_q_prop_variance,
    q_prop_gradients,
    q_prop_model,
    q_prop_terms,
    track,
    train_q_prop,
)
from rlbook.neural.training import Evaluation, Training, evaluate

__all__ = [
    "DEEP_Q_VARIANTS",
    "METHODS",
    "PENDULUM",
    "PRODUCTS",
    "Q_PROP_VARIANTS",
    "RULES",
    "SINGLE_SAMPLE_RULES",
    "VARIANTS",
    "AdvantageParts",
    "Batch",
    "Control",
    "Critic",
    "DeepQ",
    "Episodes",
    "Evaluation",
    "GaussianPolicy",
    "GradientVariance",
    "LocalModel",
    "NaturalTraining",
    "Pendulums",
    "QPropTraining",
    "QPropVariance",
    "Replay",
    "Scaled",
    "SolveCost",
    "Terms",
    "Training",
    "Transitions",
    "action_slope",
    "as_transitions",
    "ascend",
    "clipped_ascent",
    "clipped_gain",
    "compare_deep_q",
    "compare_natural",
    "compare_q_prop",
    "compare_reinforce",
    "control_weights",
    "divergence",
    "draw_actions",
    "episode_gradients",
    "evaluate",
    "evaluation_target",
    "explicit_fisher",
    "fisher_vector_product",
    "fit_control",
    "fit_critic",
    "fit_share",
    "fit_value",
    "gae",
    "interact",
    "local_model",
    "log_density",
    "measure_advantage_parts",
    "measure_gradient_variance",
    "measure_q_prop_variance",
    "measure_solves",
    "mlp",
    "natural_step",
    "one_thread",
    "q_prop_gradients",
    "q_prop_model",
    "q_prop_terms",
    "rollout",
    "state_value",
    "step_weights",
    "td_loss",
    "td_target",
    "track",
    "train_deep_q",
    "train_natural",
    "train_ppo",
    "train_q_prop",
    "train_reinforce",
]
