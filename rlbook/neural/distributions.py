"""What the outputs y(s) of a policy mean: logits, or a `GaussianPolicy`'s mean and log σ.

These take tensors and check nothing but actions, for they stand inside of what is differentiated and searched.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.func import functional_call, grad, vmap

from rlbook import checks
from rlbook.neural.networks import GaussianPolicy, data, tensor


def kl(policy, outputs, new_outputs) -> torch.Tensor:
    """KL(π‖π′) from the outputs (…, k) that the two policies make, (…)."""
    if not isinstance(policy, GaussianPolicy):
        log_pi, log_new = (torch.log_softmax(y, dim=-1) for y in (outputs, new_outputs))
        return (log_pi.exp() * (log_pi - log_new)).sum(-1)
    (mean, log_sigma), (new_mean, new_log_sigma) = (y.chunk(2, dim=-1) for y in (outputs, new_outputs))
    spread = torch.exp(2 * (log_sigma - new_log_sigma)) + ((mean - new_mean) * torch.exp(-new_log_sigma)) ** 2
    return (new_log_sigma - log_sigma + (spread - 1) / 2).sum(-1)


def log_prob(policy, outputs, actions) -> torch.Tensor:
    """log π(a|s) from the policy's outputs (…, k), (…)."""
    if not isinstance(policy, GaussianPolicy):
        return torch.log_softmax(outputs, dim=-1).gather(-1, actions[..., None])[..., 0]
    mean, log_sigma = outputs.chunk(2, dim=-1)
    z = (actions - mean) * torch.exp(-log_sigma)
    return -(z**2 / 2 + log_sigma + np.log(2 * np.pi) / 2).sum(-1)


def entropies(policy, outputs) -> torch.Tensor:
    """H(π(·|s)) in nats from the policy's outputs (…, k), (…); a Gaussian's may be negative."""
    if not isinstance(policy, GaussianPolicy):
        log_pi = torch.log_softmax(outputs, dim=-1)
        return -(log_pi.exp() * log_pi).sum(-1)
    return (outputs.chunk(2, dim=-1)[1] + np.log(2 * np.pi * np.e) / 2).sum(-1)


def actions_for(policy, actions, outputs, *, name="actions") -> torch.Tensor:
    """The actions that go with the policy's outputs (…, k): numbers below k, or vectors of k/2 numbers."""
    *shape, k = outputs.shape
    if isinstance(policy, GaussianPolicy):
        return data(policy, name, actions, (*shape, k // 2), note=", one a state")
    return torch.as_tensor(checks.integers(name, actions, tuple(shape), below=k, what="actions", note=", one a state"))


def metric(policy, outputs) -> Callable[[torch.Tensor], torch.Tensor]:
    """t ↦ Mt in each state, (N, k) → (N, k), M the Fisher matrix of the distribution in its own outputs."""
    if isinstance(policy, GaussianPolicy):
        _, log_sigma = outputs.chunk(2, dim=-1)
        diagonal = torch.cat([torch.exp(-2 * log_sigma), torch.full_like(log_sigma, 2)], dim=-1)
        return lambda t: diagonal * t
    p = torch.softmax(outputs, dim=-1)
    return lambda t: p * (t - (p * t).sum(-1, keepdim=True))


def surrogate_gradients(policy, episodes, surrogate, *columns) -> np.ndarray:
    """The gradient of a function of each episode, in the policy's n parameters, (N, n).

    `surrogate` takes the outputs (T, k), log π(a_t|s_t) (T,), and the episode's row of each of the columns (N, …).
    """
    parameters = {name: p.detach() for name, p in policy.named_parameters()}

    def of_one(parameters, observations, actions, *rows):
        outputs = functional_call(policy, parameters, (observations,))
        return surrogate(outputs, log_prob(policy, outputs, actions), *rows)

    x = tensor(policy, episodes.observations)
    actions = actions_for(policy, episodes.actions, policy(x), name="episodes.actions")
    arrays = (x, actions, *(tensor(policy, column) for column in columns))
    in_dims = (None, *[0] * len(arrays))
    per_episode = vmap(grad(of_one), in_dims=in_dims, chunk_size=64)(parameters, *arrays)
    return torch.cat([g.flatten(1) for g in per_episode.values()], dim=1).double().numpy()
