"""From a bound to a trust region: what a batch says about the policies around, and how far to go by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from rlbook import checks
from rlbook.natural_gradients import conjugate_gradient, trust_region_step
from rlbook.neural.distributions import actions_for, entropies, kl, log_prob
from rlbook.neural.natural_gradients.fisher import fisher_vector_product
from rlbook.neural.networks import check_tensor, data, flat, moved, shares

METHODS = ("gradient", "natural", "trust-region")
"""How a step is chosen: along the gradient, along the natural gradient, or so within a trust region (TRPO)."""


class LocalModel(NamedTuple):
    """What a batch says about the policies around π_θ: the first four arguments of `trust_region_step`.

    `gradient` (n,) is g = E[Â ψ]; `matvec` maps v (n,) to Fv; and of a step d (n,), `objective` is the gain
    E[(π_{θ+d}(a|s)/π_θ(a|s) − 1) Â] that the surrogate promises, `divergence` the mean E KL(π_θ ‖ π_{θ+d}).
    All vectors are float64, however the policy computes.
    """

    gradient: np.ndarray
    matvec: Callable[[np.ndarray], np.ndarray]
    objective: Callable[[np.ndarray], float]
    divergence: Callable[[np.ndarray], float]


def local_model(policy, observations, actions, advantages, *, weights=None, entropy=0.0) -> LocalModel:
    """The `LocalModel` of a batch of N steps: observations (N, d), actions (N,) or (N, m), advantages Â (N,).

    `weights` (N,) are the steps' in all averages, by default 1/N each. To the objective comes `entropy` times what the
    policy gains in mean entropy, and to g its gradient.
    """
    entropy = checks.number("entropy", entropy, "[0, ∞)")
    x = data(checks.module("policy", policy), "observations", observations, ("N", "d"))
    advantages = data(policy, "advantages", advantages, (len(x),), note=", one a step")
    weights, outputs = shares(policy, weights, len(x)), policy(x)
    actions = actions_for(policy, actions, outputs)
    log_pi = log_prob(policy, outputs, actions)
    slope = (weights * advantages * log_pi).sum()
    if entropy:
        slope = slope + entropy * (weights * entropies(policy, outputs)).sum()
    gradient = torch.autograd.grad(slope, list(policy.parameters()))
    outputs, log_pi = outputs.detach(), log_pi.detach()
    after = moved(policy, x)

    @torch.no_grad()
    def objective(step):
        there = after(step)
        gain = weights * advantages * (torch.exp(log_prob(policy, there, actions) - log_pi) - 1)
        if entropy:
            gain = gain + weights * entropy * (entropies(policy, there) - entropies(policy, outputs))
        return gain.sum().item()

    @torch.no_grad()
    def mean_divergence(step):
        return (weights * kl(policy, outputs, after(step))).sum().item()

    matvec = fisher_vector_product(policy, x, weights=weights)
    return LocalModel(flat(gradient), matvec, objective, mean_divergence)


def natural_step(method, model, delta, *, damping=0.0, cg_steps=10) -> np.ndarray:
    """The step (n,) that a method takes in a `LocalModel`.

    "gradient" and "natural" go along their direction x as far as the quadratic model allows, where
    ½dᵀFd = δ: for F⁻¹g that is √(2δ/gᵀF⁻¹g). "trust-region" goes √(2δ/gᵀx)·x, which is less far if x is damped, looks,
    and goes back until the surrogate has gained and the KL divergence is at most δ (prop-trust-step); where no such
    step is found it stays.

    Raises `ValueError` for an unknown method, a delta that is not positive, a damping that is negative, or cg_steps
    that are not a positive integer.
    """
    checks.choice("method", method, METHODS)
    delta = checks.positive("delta", delta)
    damping, cg_steps = checks.number("damping", damping, "[0, ∞)"), checks.count("cg_steps", cg_steps)
    g = checks.instance("model", model, LocalModel).gradient
    if method == "trust-region":
        return trust_region_step(*model, delta, damping=damping, max_steps=cg_steps, backtrack=0.8).step
    x = g if method == "gradient" else conjugate_gradient(model.matvec, g, damping=damping, max_steps=cg_steps).x
    curvature = x @ model.matvec(x)
    return x * (2 * delta / curvature) ** 0.5 if curvature > 0 else np.zeros_like(x)


def clipped_gain(ratio, advantages, clip) -> torch.Tensor:
    """min(ωA, clip(ω, 1−ε, 1+ε) A) of ratios ω and advantages A, tensors (n,), and ε = `clip` (eq-ppo), (n,).

    It is flat where ω has gone beyond 1 ± ε to A's profit (prop-ppo). Raises `ValueError` for tensors that do not fit
    each other, or a clip outside (0, 1).
    """
    check_tensor("ratio", ratio, ("n",))
    check_tensor("advantages", advantages, tuple(ratio.shape))
    clip = checks.number("clip", clip, "(0, 1)")
    return _clipped(ratio, advantages, clip)


def _clipped(ratio, advantages, clip):
    return torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def clipped_ascent(
    policy, optimiser, observations, actions, advantages, rng, *, clip, epochs, batch_size, weights=None, entropy=0.0
) -> float:
    """PPO's step: gradient ascent on the mean of `clipped_gain` over a batch; returns the mean KL divergence.

    The batch and its `weights` are those of `local_model`, ω is the ratio to the policy as it came. Each of `epochs`
    goes once through all steps, in an order drawn from `rng`, by `batch_size` at a time; each part's sum counts N over
    its size, so that parts have the whole's gradient for their mean. `entropy` weighs the policy's mean entropy, which
    is added.
    """
    x = data(checks.module("policy", policy), "observations", observations, ("N", "d"))
    advantages = data(policy, "advantages", advantages, (len(x),), note=", one a step")
    checks.generator(rng)
    epochs, batch_size = checks.count("epochs", epochs), checks.count("batch_size", batch_size)
    clip = checks.number("clip", clip, "(0, 1)")
    entropy, weights = checks.number("entropy", entropy, "[0, ∞)"), shares(policy, weights, len(x))
    with torch.no_grad():
        before = policy(x)
        actions = actions_for(policy, actions, before)
        log_pi = log_prob(policy, before, actions)
    for _ in range(epochs):
        for part in torch.as_tensor(rng.permutation(len(x))).split(batch_size):
            outputs = policy(x[part])
            ratio = torch.exp(log_prob(policy, outputs, actions[part]) - log_pi[part])
            gain = _clipped(ratio, advantages[part], clip) + entropy * entropies(policy, outputs)
            optimiser.zero_grad()
            ((weights[part] * gain).sum() * len(x) / len(part)).backward()
            optimiser.step()
    with torch.no_grad():
        return (weights * kl(policy, before, policy(x))).sum().item()
