"""Whole episodes from Gymnasium's vector environments, played by a policy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from rlbook import checks
from rlbook.neural.environments import check_envs, check_policy, check_shown, played
from rlbook.neural.networks import GaussianPolicy, data, one_thread

LONGEST = 100_000  # steps, after which an episode is taken to have no end


class Episodes(NamedTuple):
    """N whole episodes, padded with zeros to the length T of the longest.

    `observations` is (N, T, d), `actions` (N, T), counted from 0, or (N, T, m) where actions are vectors, as they
    were drawn (`rollout` says what the environment got), `rewards` (N, T); `alive` (N, T) tells steps from padding.
    `last_observations` (N, d) is what each episode's last step led to; `terminated` and `truncated` (N,) say how it
    ended.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    alive: np.ndarray
    last_observations: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


def check_episodes(episodes) -> Episodes:
    """`episodes`, if they are `Episodes` whose observations and rewards are finite and fit each other."""
    N, T = np.shape(checks.instance("episodes", episodes, Episodes).alive)
    checks.array("episodes.observations", episodes.observations, (N, T, "d"), copy=False)
    checks.array("episodes.rewards", episodes.rewards, (N, T), copy=False)
    return episodes


@torch.no_grad()
def draw_actions(policy, observations, rng) -> np.ndarray:
    """An action from π(·|s) = softmax(policy(s)) for each of (N, d) observations, (N,).

    A `GaussianPolicy` draws vectors, (N, m). Raises `ValueError` where the policy gives no distribution, as one whose
    weights have come to be nan.
    """
    checks.generator(rng)
    return _drawn(policy, data(checks.module("policy", policy), "observations", observations, ("N", "d")), rng)


def _drawn(policy, x, rng):
    """`draw_actions` of observations that are known to be sound, a tensor (N, d)."""
    outputs = policy(x)
    if isinstance(policy, GaussianPolicy):
        mean, log_sigma = outputs.double().numpy().reshape(len(outputs), 2, -1).swapaxes(0, 1)
        sigma = np.exp(log_sigma)
        _check_distributions(outputs, np.isfinite(mean).all(1) & np.isfinite(sigma).all(1))
        return rng.normal(mean, sigma)
    p = torch.softmax(outputs, dim=-1).double().numpy()
    _check_distributions(outputs, np.isfinite(p).all(1))
    return (rng.random((len(p), 1)) * p.sum(1, keepdims=True) > p.cumsum(1)).sum(1)


def _check_distributions(outputs, right):
    if not right.all():
        i = np.flatnonzero(~right)[0]
        raise ValueError(f"policy must give a distribution, but its output for observations[{i}] is {outputs[i]}")


@one_thread()
@torch.no_grad()
def rollout(policy, envs, rng) -> Episodes:
    """One whole episode from each of the vector environment's sub-environments, as `Episodes`.

    All are reset, with a seed from `rng`, and stepped until each has finished its first episode. One that is
    done goes on in the background, as Gymnasium's next-step autoreset has it (the step after an end only
    resets: it ignores the action and returns no reward); none of that is recorded, so no step ever joins two
    episodes.

    What is recorded are the actions that were drawn: numbers from 0, or vectors. The environment gets them as its
    space has them, counted from its start, or clipped to its box and in its dtype; to π that is a part of the
    environment, and ∇log π is taken of what was drawn.

    Raises `ValueError` if `envs` has another autoreset mode (resetting within the step that ends an episode would
    hide its last observation), shows no vectors or takes neither numbers nor vectors, if the policy does not fit it,
    for observations, rewards or outputs of the policy that are not finite, or for an episode that goes on for 100,000
    steps.
    """
    check_envs(envs)
    check_policy(policy, envs)
    checks.generator(rng)
    observation, _ = envs.reset(seed=int(rng.integers(2**31)))
    alive = np.ones(envs.num_envs, dtype=bool)
    terminated, truncated = np.zeros((2, envs.num_envs), dtype=bool)
    check_shown(0, alive, observation)
    last = observation.copy()
    steps, dtype = [], next(policy.parameters()).dtype
    while alive.any():
        action = _drawn(policy, torch.as_tensor(observation, dtype=dtype), rng)  # check_shown has seen it
        before = (_only(alive, observation), _only(alive, action))  # copies: a step may fill the same array anew
        following, reward, ended, cut, _ = envs.step(played(envs, action))
        check_shown(len(steps) + 1, alive, following, reward)
        if len(steps) == LONGEST:
            raise ValueError(
                f"env must end its episodes, as a gymnasium.wrappers.TimeLimit does, got {LONGEST:,} steps"
            )
        steps.append((*before, _only(alive, reward.astype(float)), alive))
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
