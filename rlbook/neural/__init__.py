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

from rlbook.neural import natural_gradients, q_prop
from rlbook.neural.episodes import Episodes, draw_actions, rollout
from rlbook.neural.natural_gradients import *  # noqa: F403
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
from rlbook.neural.q_prop import *  # noqa: F403
from rlbook.neural.training import Evaluation, Training, evaluate
from rlbook.statements import name_statements

__all__ = [
    *natural_gradients.__all__,
    *q_prop.__all__,
    "DEEP_Q_VARIANTS",
    "PENDULUM",
    "VARIANTS",
    "DeepQ",
    "Episodes",
    "Evaluation",
    "GaussianPolicy",
    "GradientVariance",
    "Pendulums",
    "Replay",
    "Scaled",
    "Training",
    "Transitions",
    "ascend",
    "compare_deep_q",
    "compare_reinforce",
    "draw_actions",
    "episode_gradients",
    "evaluate",
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

name_statements(__name__)
