"""Q-Prop: a batch and the control that weighs it, how much of it, and the gradient that comes of both.

κ is the paper's η(s); `control_weights` has its rules. No rule may look at the action that it weighs. So K/W is a
function of the state, κ_φ(s), fitted to earlier batches by least squares, Σ (Â − κ_φ(s) Ā_w)², and the sign of K is the
sign of κ_φ. "Conservative, one sample" and "aggressive, one sample" take Â_t Ā_w(s_t,a_t) of the sample itself for K,
as the paper does (section 3.2): these are biased (prop-single-sample).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from rlbook import checks, q_prop
from rlbook.neural.distributions import surrogate_gradients
from rlbook.neural.episodes import Episodes, rollout
from rlbook.neural.natural_gradients import LocalModel, local_model
from rlbook.neural.networks import GaussianPolicy, check_gaussian, flat, moved, one_thread, tensor, values_at
from rlbook.neural.policy_gradient import gae
from rlbook.neural.q_prop.critics import action_slope

ONE_SAMPLE = ", one sample"
RULES = tuple(q_prop.RULES)
"""The rules of `rlbook.q_prop`, by name."""
SINGLE_SAMPLE_RULES = tuple(f"{rule}{ONE_SAMPLE}" for rule in q_prop.SINGLE_SAMPLE_RULES)
"""Those that look at one sample (prop-single-sample), by name."""


@dataclass(frozen=True)
class Control:
    """Copies of π, V, Q_w and κ_φ: all that weighs a batch, fixed before there is one.

    `policy` is a `GaussianPolicy`, `value` V and `share` κ_φ map (…, d) to (…, 1), `critic` maps (…, d) and (…, m)
    to (…, 1), all in the policy's precision. Training the originals afterwards changes nothing here.
    """

    policy: GaussianPolicy
    value: nn.Module
    critic: nn.Module
    share: nn.Module

    def __post_init__(self):
        check_gaussian(self.policy)
        for name in ("value", "critic", "share"):
            checks.module(name, getattr(self, name))
        for field in fields(self):
            object.__setattr__(self, field.name, copy.deepcopy(getattr(self, field.name)))

    def play(self, envs, rng) -> Batch:
        """One episode of the policy from each of the environments, and all that will weigh it, as a `Batch`.

        Raises `ValueError` for a critic that is not differentiable in a, as `action_slope` does.
        """
        episodes = rollout(self.policy, envs, rng)
        x = tensor(self.policy, episodes.observations)
        with torch.no_grad():
            mean, _ = self.policy(x).chunk(2, dim=-1)
            share = self.share(x)[..., 0]
        slope = action_slope(self.critic, x, mean)
        tangent = (slope * (tensor(self.policy, episodes.actions) - mean)).sum(-1)
        values = values_at(self.value, episodes.observations, episodes.last_observations)
        arrays = (x.double().numpy() for x in (slope, tangent, share))
        return Batch(self.policy, episodes, *values, *arrays)


class Batch(NamedTuple):
    """Episodes that a `Control` played, and what it says about them.

    `policy` is the frozen policy, `values` (N, T) and `last_values` (N,) are V, `slope` (N, T, m) is ∇_a Q_w at the
    mean action, `tangent` (N, T) is Ā_w(s_t,a_t), `share` (N, T) is κ_φ(s_t).
    """

    policy: GaussianPolicy
    episodes: Episodes
    values: np.ndarray
    last_values: np.ndarray
    slope: np.ndarray
    tangent: np.ndarray
    share: np.ndarray


def check_rule(rule) -> None:
    """Raise unless `rule` is one of the names, in which there are commas."""
    if rule not in (*RULES, *SINGLE_SAMPLE_RULES):
        raise ValueError(f"rule must be one of {'; '.join((*RULES, *SINGLE_SAMPLE_RULES))}, got {rule!r}")


def control_weights(rule, batch, advantages) -> np.ndarray:
    """κ at each step of the batch, (N, T), by one of these rules, with K(s) = E_a[Â Ā_w] and W(s) = E_a[Ā_w²]:

        none            0                  Â alone: the baseline V, or GAE
        full            1
        conservative    1{K > 0}           (prop-adaptive)
        aggressive      sign K
        adaptive        K/W

    Only the rules of `SINGLE_SAMPLE_RULES` look at `advantages` (N, T), and so at the action: they are biased.
    """
    check_rule(rule)
    advantages = checks.array("advantages", advantages, _check_batch(batch).share.shape, note=" as the batch has")
    # K and W of one step, where the sample decides; else of the state, whose K/W is the share.
    K = advantages * batch.tangent if rule in SINGLE_SAMPLE_RULES else batch.share
    return q_prop.rule_weight(K, np.ones_like(K), rule.removesuffix(ONE_SAMPLE))


class Terms(NamedTuple):
    """What multiplies ∇log π(a_t|s_t) in eq-q-prop, `residual` (N, T), and ∂μ/∂θ, `correction` (N, T, m)."""

    residual: np.ndarray
    correction: np.ndarray


def q_prop_terms(rule, batch, gamma, *, lam=1.0, discount=True) -> Terms:
    """The two terms of eq-q-prop at each step, with Â by GAE at `lam` and κ by the rule, as `Terms`.

    At lam = 1, Â = G_t − V(s_t), the gradient is unbiased for every state-measurable rule; otherwise its bias is that
    of Â, exactly (prop-q-prop-bias). `discount=False` drops the factor γᵗ.

    Raises `ValueError` for an unknown rule, gamma outside [0, 1), lam outside [0, 1], or episodes that no control has
    played.
    """
    gamma, discount = checks.discount(gamma), checks.flag("discount", discount)
    _check_batch(batch)
    advantages = gae(batch.episodes, batch.values, batch.last_values, gamma, lam)
    kappa = control_weights(rule, batch, advantages)
    factor = batch.episodes.alive * (gamma ** np.arange(kappa.shape[1]) if discount else 1.0)
    residual = factor * (advantages - kappa * batch.tangent)
    return Terms(residual, (factor * kappa)[..., None] * batch.slope)


@one_thread()
def q_prop_gradients(batch, terms) -> np.ndarray:
    """Each episode's gradient (eq-q-prop), (N, n), n the number of the policy's parameters."""
    policy = _check_batch(batch).policy
    checks.instance("terms", terms, Terms)

    def surrogate(outputs, log_pi, residual, correction):
        mean, _ = outputs.chunk(2, dim=-1)
        return (residual * log_pi).sum() + (correction * mean).sum()

    return surrogate_gradients(policy, batch.episodes, surrogate, *terms)


def q_prop_model(batch, terms) -> LocalModel:
    """The `LocalModel` of a batch with eq-q-prop for its gradient: what chapter 3's steps need.

    All alive steps count alike in its averages, so `terms` are those without γᵗ. To the surrogate's gain comes what the
    correction promises, E[κ ∇_a Q_w · (μ_new − μ)]: linear in the mean, as Ā_w is.
    """
    policy, alive = _check_batch(batch).policy, batch.episodes.alive
    checks.instance("terms", terms, Terms)
    observations, actions = batch.episodes.observations[alive], batch.episodes.actions[alive]
    model = local_model(policy, observations, actions, terms.residual[alive])
    x, correction = tensor(policy, observations), tensor(policy, terms.correction[alive] / alive.sum())
    mean, _ = policy(x).chunk(2, dim=-1)
    pulled = torch.autograd.grad((correction * mean).sum(), list(policy.parameters()), materialize_grads=True)
    mean, after = mean.detach(), moved(policy, x)

    @torch.no_grad()
    def objective(step):
        new_mean, _ = after(step).chunk(2, dim=-1)
        return model.objective(step) + (correction * (new_mean - mean)).sum().item()

    return model._replace(gradient=model.gradient + flat(pulled), objective=objective)


def fit_share(network, optimiser, batch, gamma, lam, steps) -> None:
    """Least squares of κ_φ, Σ (Â − κ_φ(s) Ā_w(s,a))² over a batch, whose best function of s is K/W (prop-adaptive)."""
    alive, steps = _check_batch(batch).episodes.alive, checks.count("steps", steps)
    advantages = gae(batch.episodes, batch.values, batch.last_values, gamma, lam)
    columns = (batch.episodes.observations, advantages, batch.tangent)
    x, advantages, tangent = (tensor(network, column[alive]) for column in columns)
    scale = (tangent**2).mean() + torch.finfo(tangent.dtype).tiny
    for _ in range(steps):
        loss = ((advantages - network(x)[:, 0] * tangent) ** 2).mean() / scale
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def _check_batch(batch):
    if not isinstance(batch, Batch):
        raise ValueError(f"batch must be a Batch that a Control played, got {type(batch).__name__}")
    return batch
