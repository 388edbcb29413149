"""The chapters with a network, on Gymnasium environments: one module a chapter.

A policy is any torch module from observations (…, d) to logits (…, A), a value function any from (…, d) to
(…, 1), an action-value function any from (…, d) to (…, A). This is the only part of rlbook that imports torch.
"""

from rlbook.neural.episodes import Episodes, draw_actions, rollout
from rlbook.neural.networks import Scaled, mlp, one_thread
from rlbook.neural.policy_gradient import (
    VARIANTS,
    GradientVariance,
    Training,
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

__all__ = [
    "DEEP_Q_VARIANTS",
    "VARIANTS",
    "DeepQ",
    "Episodes",
    "GradientVariance",
    "Replay",
    "Scaled",
    "Training",
    "Transitions",
    "ascend",
    "compare_deep_q",
    "compare_reinforce",
    "draw_actions",
    "episode_gradients",
    "fit_value",
    "gae",
    "interact",
    "measure_gradient_variance",
    "mlp",
    "one_thread",
    "rollout",
    "state_value",
    "step_weights",
    "td_loss",
    "td_target",
    "train_deep_q",
    "train_reinforce",
]
