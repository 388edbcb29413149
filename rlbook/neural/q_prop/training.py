"""On a real environment: TRPO along Q-Prop's gradient, and all that learns beside the policy."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from rlbook import checks
from rlbook.neural.environments import made, policy_for, sizes, value_for
from rlbook.neural.natural_gradients import natural_step
from rlbook.neural.networks import Scaled, check_gaussian, mlp, move, one_thread
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
from rlbook.neural.training import Run, Training
from rlbook.studies import study


@dataclass(frozen=True, eq=False, repr=False)
class QPropTraining(Training):
    """A `Training` with the `controls` that weighed each batch.

    `controls[i]` holds what was known before batch i: its policy, V, Q_w and κ_φ.
    """

    controls: list[Control]


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
    sigma=1.0,
    learning_rate=0.003,
    value_steps=40,
    critic_steps=40,
    capacity=50_000,
    progress=None,
) -> QPropTraining:
    """TRPO along Q-Prop's gradient, with one of the rules, as a `QPropTraining`.

    Each of `batches` freezes what has been learned as a `Control`, plays `n_episodes` episodes with it, and takes one
    step of "trust-region" with divergence `delta`. Only then V, Q_w (by `critic_steps` steps at `learning_rate` on the
    last `capacity` transitions) and κ_φ learn. The factor γᵗ is dropped, so that late steps are learned from as much as
    early ones, which follows the gradient of no fixed objective. π and κ_φ have one hidden layer of the width `hidden`,
    V and Q_w two, or all have the layers of a tuple of widths. `Training` says what the other
    settings are; the actions are vectors.
    Source: Gu, Lillicrap, Ghahramani, Turner and Levine (2017), algorithm 1, which trains the critic before the step.

    Raises `ValueError` for an unknown rule, another setting that cannot be, or numbers that are not finite.
    """
    check_rule(rule)
    run, controls = Run(**locals()), []
    with made(env, run.n_episodes) as envs:
        policy = policy_for(envs, hidden, run.rng, sigma=run.sigma, kinds=["vectors"])
        learners = _Learners(envs, run)
        for _ in range(run.batches):
            controls.append(learners.freeze(policy))
            batch = controls[-1].play(envs, run.rng)
            model = q_prop_model(batch, q_prop_terms(rule, batch, run.gamma, lam=run.lam, discount=False))
            move(policy, natural_step("trust-region", model, run.delta, damping=0.01))
            learners.learn(policy, batch)
            run.note_batch(batch.episodes, {"policy": policy, **learners.networks()})
    return run.result(QPropTraining, policy, learners.value, controls=controls)


@one_thread()
def fit_control(
    policy, *, seed, batches=12, n_episodes=16, gamma=0.95, env=PENDULUM, value_steps=40, critic_steps=100
) -> Control:
    """V, Q_w and κ_φ learned from `batches` of a policy that stays as it is, for it, as a `Control`.

    Raises `ValueError` for a policy that is not Gaussian or does not fit the env, gamma outside [0, 1), a count that is
    not a positive integer, a seed that is not an integer from 0, or an env with which `train_q_prop` would not go.
    """
    run = Run(**locals(), lam=1.0, hidden=32, learning_rate=0.003, capacity=50_000)
    check_gaussian(policy)
    with made(env, run.n_episodes) as envs:
        learners = _Learners(envs, run)
        for _ in range(run.batches):
            batch = learners.freeze(policy).play(envs, run.rng)
            learners.learn(policy, batch)
            run.note_batch(batch.episodes, learners.networks())
    return learners.freeze(policy)


class _Learners:
    """V, Q_w with its target network, and κ_φ, and what they learn from: all that learns in a run but the policy."""

    def __init__(self, envs, run):
        n_in, n_actions = sizes(envs, ["vectors"])
        hidden, rng = run.hidden, run.rng
        deep = 2 * checks.widths(hidden) if np.ndim(hidden) == 0 else hidden
        self.run, self.memory = run, Replay(run.capacity)
        self.value = value_for(envs, deep, rng, run.gamma)
        self.critic = Critic(Scaled(mlp(n_in + n_actions, 1, hidden=deep, rng=rng), 1 / (1 - run.gamma)))
        self.share = mlp(n_in, 1, hidden=hidden, rng=rng)
        self.target_network = copy.deepcopy(self.critic).requires_grad_(False)
        self.value_descent = torch.optim.Adam(self.value.parameters(), 0.02, fused=True)
        self.critic_descent, self.share_descent = (
            torch.optim.Adam(module.parameters(), run.learning_rate, fused=True) for module in (self.critic, self.share)
        )

    def freeze(self, policy) -> Control:
        return Control(policy, **self.networks())

    def networks(self) -> dict[str, nn.Module]:
        return {"value": self.value, "critic": self.critic, "share": self.share}

    def learn(self, policy, batch) -> None:
        """From a batch whose gradient has been taken; the critic for the policy as it is now."""
        run = self.run
        self.memory.add(as_transitions(batch.episodes))
        fit_value(self.value, self.value_descent, batch.episodes, run.gamma, run.value_steps)
        descent = (self.critic, self.target_network, self.critic_descent)
        fit_critic(*descent, policy, self.memory, run.gamma, run.rng, steps=run.critic_steps)
        fit_share(self.share, self.share_descent, batch, run.gamma, run.lam, 10)


Q_PROP_VARIANTS = {
    "V baseline": {"rule": "none"},
    "Q-Prop": {"rule": "full"},
    "one sample": {"rule": "conservative, one sample"},
}
"""The settings of `train_q_prop` by which the variants of `compare_q_prop` differ."""


def compare_q_prop(
    *, variants=Q_PROP_VARIANTS, seeds=range(3), batches=16, keep=None, **settings
) -> dict[str, list[QPropTraining]]:
    """The runs of `train_q_prop` for every variant and seed, with the same settings but for the variant's own.

    `variants` maps a name to arguments of `train_q_prop`. Returns a dictionary from name to a list of
    `QPropTraining`, one a seed. The runs are those of a `study`, which says where they are made and what `keep` does.
    Raises `ValueError` where `train_q_prop` does.
    """
    return study(train_q_prop, variants, seeds, keep=keep, batches=checks.count("batches", batches), **settings)
