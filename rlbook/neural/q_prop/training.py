"""On a real environment: TRPO along Q-Prop's gradient, and all that learns beside the policy."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from rlbook import checks
from rlbook.neural.environments import made, policy_for, sizes
from rlbook.neural.natural_gradients import natural_step
from rlbook.neural.networks import GaussianPolicy, Scaled, check_gaussian, check_weights, mlp, move, one_thread
from rlbook.neural.pendulum import PENDULUM
from rlbook.neural.policy_gradient import fit_value
from rlbook.neural.q_learning import Replay
from rlbook.neural.q_prop.control_variates import (
    Control,
    check_rule,
    fit_share,
    q_prop_model,
    q_prop_terms,
)
from rlbook.neural.q_prop.critics import Critic, as_transitions, fit_critic
from rlbook.studies import study


class QPropTraining(NamedTuple):
    """A trained `policy`, the `controls` that weighed each batch, and (batches,) learning curves.

    `controls[i]` holds what was known before batch i: its policy, V, Q_w and κ_φ. `mean_returns` is the mean
    undiscounted return of each batch, `steps` the number of environment steps taken up to its end.
    """

    policy: GaussianPolicy
    controls: list
    mean_returns: np.ndarray
    steps: np.ndarray


@one_thread()
def train_q_prop(
    rule,
    *,
    seed,
    batches,
    n_episodes=8,
    delta=0.03,
    gamma=0.95,
    lam=1.0,
    env=PENDULUM,
    hidden=32,
    learning_rate=0.003,
    value_steps=40,
    critic_steps=40,
    capacity=50_000,
    progress=None,
) -> QPropTraining:
    """TRPO along Q-Prop's gradient, with one of the rules, as a `QPropTraining`.

    Each of `batches` freezes what has been learned as a `Control`, plays `n_episodes` episodes with it, and takes one
    step of "trust-region" with divergence `delta`. Only then V (by `value_steps` steps), Q_w (by `critic_steps` steps
    at `learning_rate` on the last `capacity` transitions) and κ_φ learn. The factor γᵗ is dropped, so that late steps
    are learned from as much as early ones, which follows the gradient of no fixed objective. `env` is a registered id
    or an `EnvSpec`. π and κ_φ have one hidden layer of the width `hidden`, V and Q_w two, or all have the layers of a
    tuple of widths. All randomness comes from `seed`, an integer from 0. `progress` is a tqdm bar to move on by one a
    batch.
    Source: Gu, Lillicrap, Ghahramani, Turner and Levine (2017), algorithm 1, which trains the critic before the step.

    Raises
    ------
    ValueError
        An unknown rule, gamma outside [0, 1), lam outside [0, 1], a delta or learning_rate that is not positive, a
        count that is not a positive integer, an env that is not registered or whose observations or actions are not
        vectors; numbers that are not finite, whether the env shows them or the networks come to hold them.
    """
    check_rule(rule)
    gamma = checks.discount(gamma)
    lam = checks.number("lam", lam, "[0, 1]")
    for name, number in {"delta": delta, "learning_rate": learning_rate}.items():
        checks.positive(name, number)
    counts = {"batches": batches, "n_episodes": n_episodes, "capacity": capacity}
    for name, count in (counts | {"value_steps": value_steps, "critic_steps": critic_steps}).items():
        checks.count(name, count)
    checks.widths(hidden)
    checks.seed(seed)
    checks.progress_bar(progress)

    rng = np.random.default_rng(seed)
    with made(env, n_episodes) as envs:
        policy = policy_for(envs, hidden, rng, ["vectors"])
        learners = _Learners(envs, gamma, lam, hidden, learning_rate, value_steps, critic_steps, capacity, rng)
        controls, mean_returns, steps = [], np.empty(batches), np.empty(batches, dtype=int)
        for i in range(batches):
            controls.append(learners.freeze(policy))
            batch = controls[i].play(envs, rng)
            model = q_prop_model(batch, q_prop_terms(rule, batch, gamma, lam=lam, discount=False))
            move(policy, natural_step("trust-region", model, delta, damping=0.01))
            learners.learn(policy, batch, rng)
            check_weights(f"in batch {i}", policy=policy, **learners.networks())
            mean_returns[i], steps[i] = batch.episodes.rewards.sum(axis=1).mean(), batch.episodes.alive.sum()
            if progress is not None:
                progress.update()
    return QPropTraining(policy, controls, mean_returns, steps.cumsum())


@one_thread()
def fit_control(
    policy, *, seed, batches=12, n_episodes=16, gamma=0.95, env=PENDULUM, value_steps=40, critic_steps=100
) -> Control:
    """V, Q_w and κ_φ learned from `batches` of a policy that stays as it is, for it, as a `Control`.

    Raises `ValueError` for a policy that is not Gaussian or does not fit the env, gamma outside [0, 1), a count that is
    not a positive integer, a seed that is not an integer from 0, or an env with which `train_q_prop` would not go.
    """
    gamma = checks.discount(gamma)
    counts = {"batches": batches, "n_episodes": n_episodes, "value_steps": value_steps, "critic_steps": critic_steps}
    for name, count in counts.items():
        checks.count(name, count)
    checks.seed(seed)
    check_gaussian(policy)
    rng = np.random.default_rng(seed)
    with made(env, n_episodes) as envs:
        sizes(envs, ["vectors"])
        learners = _Learners(envs, gamma, 1.0, 32, 0.003, value_steps, critic_steps, 50_000, rng)
        for i in range(batches):
            learners.learn(policy, learners.freeze(policy).play(envs, rng), rng)
            check_weights(f"in batch {i}", **learners.networks())
    return learners.freeze(policy)


class _Learners:
    """V, Q_w with its target network, and κ_φ, and what they learn from: all that learns but the policy."""

    def __init__(self, envs, gamma, lam, hidden, learning_rate, value_steps, critic_steps, capacity, rng):
        n_in, n_actions = sizes(envs, ["vectors"])
        scale, deep = 1 / (1 - gamma), 2 * checks.widths(hidden) if np.ndim(hidden) == 0 else hidden
        self.gamma, self.lam, self.memory = gamma, lam, Replay(capacity)
        self.value_steps, self.critic_steps = value_steps, critic_steps
        self.value = Scaled(mlp(n_in, 1, hidden=deep, rng=rng), scale)
        self.critic = Critic(Scaled(mlp(n_in + n_actions, 1, hidden=deep, rng=rng), scale))
        self.share = mlp(n_in, 1, hidden=hidden, rng=rng)
        self.target_network = copy.deepcopy(self.critic).requires_grad_(False)
        self.value_descent = torch.optim.Adam(self.value.parameters(), 0.02, fused=True)
        self.critic_descent, self.share_descent = (
            torch.optim.Adam(module.parameters(), learning_rate, fused=True) for module in (self.critic, self.share)
        )

    def freeze(self, policy) -> Control:
        return Control(policy, **self.networks())

    def networks(self) -> dict[str, nn.Module]:
        return {"value": self.value, "critic": self.critic, "share": self.share}

    def learn(self, policy, batch, rng) -> None:
        """From a batch whose gradient has been taken; the critic for the policy as it is now."""
        self.memory.add(as_transitions(batch.episodes))
        fit_value(self.value, self.value_descent, batch.episodes, self.gamma, self.value_steps)
        descent = (self.critic, self.target_network, self.critic_descent)
        fit_critic(*descent, policy, self.memory, self.gamma, rng, steps=self.critic_steps)
        fit_share(self.share, self.share_descent, batch, self.gamma, self.lam, 10)


Q_PROP_VARIANTS = {
    "V baseline": {"rule": "none"},
    "Q-Prop": {"rule": "full"},
    "one sample": {"rule": "conservative, one sample"},
}


def compare_q_prop(
    *, variants=Q_PROP_VARIANTS, seeds=range(3), batches=16, keep=None, **settings
) -> dict[str, list[QPropTraining]]:
    """The runs of `train_q_prop` for every variant and seed, with the same settings but for the variant's own.

    `variants` maps a name to arguments of `train_q_prop`. Returns a dictionary from name to a list of
    `QPropTraining`, one a seed. The runs are those of a `study`, which says where they are made and what `keep` does.
    Raises `ValueError` where `train_q_prop` does.
    """
    return study(train_q_prop, variants, seeds, keep=keep, batches=checks.count("batches", batches), **settings)
