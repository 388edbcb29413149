"""Whole episodes from Gymnasium's vector environments, played by a policy."""

from __future__ import annotations

from typing import NamedTuple

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode

from rlbook.neural.networks import GaussianPolicy, _tensor


class Episodes(NamedTuple):
    """N whole episodes, padded with zeros to the length T of the longest.

    `observations` is (N, T, d), `actions` (N, T), or (N, T, m) where actions are vectors, `rewards` (N, T);
    `alive` (N, T) tells steps from padding. `last_observations` (N, d) is what each episode's last step led to;
    `terminated` and `truncated` (N,) say how it ended.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    alive: np.ndarray
    last_observations: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


@torch.no_grad()
def draw_actions(policy, observations, rng):
    """An action from π(·|s) = softmax(policy(s)) for each of (N, d) observations, (N,).

    A `GaussianPolicy` draws vectors, (N, m).
    """
    outputs = policy(_tensor(policy, observations))
    if isinstance(policy, GaussianPolicy):
        mean, log_sigma = outputs.double().numpy().reshape(len(outputs), 2, -1).swapaxes(0, 1)
        return rng.normal(mean, np.exp(log_sigma))
    p = torch.softmax(outputs, dim=-1).double().numpy()
    return (rng.random((len(p), 1)) * p.sum(1, keepdims=True) > p.cumsum(1)).sum(1)


def rollout(policy, envs, rng):
    """One whole episode from each of the vector environment's sub-environments, as `Episodes`.

    All are reset, with a seed from `rng`, and stepped until each has finished its first episode. One that is
    done goes on in the background, as Gymnasium's next-step autoreset has it (the step after an end only
    resets: it ignores the action and returns no reward); none of that is recorded, so no step ever joins two
    episodes. Raises `ValueError` if `envs` has another autoreset mode: resetting within the step that ends an
    episode would hide its last observation.
    """
    _check_autoreset(envs)
    observation, _ = envs.reset(seed=int(rng.integers(2**31)))
    alive = np.ones(envs.num_envs, dtype=bool)
    terminated, truncated = np.zeros((2, envs.num_envs), dtype=bool)
    last = observation.copy()
    steps = []
    while alive.any():
        action = draw_actions(policy, observation, rng)
        following, reward, ended, cut, _ = envs.step(action)
        kept = (_only(alive, x) for x in (observation, action, reward.astype(float)))
        steps.append((*kept, alive))
        last[alive] = following[alive]
        terminated |= alive & ended
        truncated |= alive & cut & ~ended
        alive = alive & ~(ended | cut)
        observation = following
    columns = (np.stack(column, axis=1) for column in zip(*steps, strict=True))
    return Episodes(*columns, last, terminated, truncated)


def _only(alive, x):
    """x (N, …) with zeros where an episode is over, (N, …)."""
    return x * alive.reshape(-1, *[1] * (x.ndim - 1))


def _sizes(envs):
    """d and A of an environment that shows vectors of d numbers and takes one of A actions."""
    shown, actions = envs.single_observation_space, envs.single_action_space
    if len(shown.shape or ()) != 1 or not isinstance(actions, gym.spaces.Discrete):
        raise ValueError(f"env must show vectors and take discrete actions, got {shown} and {actions}")
    return shown.shape[0], int(actions.n)


def _check_autoreset(envs):
    mode = envs.metadata.get("autoreset_mode")
    if mode != AutoresetMode.NEXT_STEP:
        raise ValueError(f"envs must reset on the next step, got {mode}")
