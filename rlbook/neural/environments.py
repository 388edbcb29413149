"""Gymnasium's environments as the networks meet them: how they are made and closed, and what they may show and take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gymnasium as gym
import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import nn

from rlbook import checks
from rlbook.neural.networks import GaussianPolicy, mlp, tensor

KINDS = {"discrete": "a Discrete space", "vectors": "a Box of real vectors"}


@contextmanager
def made(env, num_envs) -> Iterator[VectorEnv]:
    """So many copies of an environment as a vector environment, closed when the block is left, by an error too.

    Raises `ValueError` for an `env` that is neither an id nor an `EnvSpec`, an id that is not registered, or a
    specification that makes another number of copies.
    """
    if not isinstance(env, (str, EnvSpec)):
        kind = f"the class {env.__name__}" if isinstance(env, type) else f"a {type(env).__name__}"
        raise ValueError(
            f"env must be the id of a registered environment, such as 'CartPole-v1', or its EnvSpec, got {kind}: "
            f"gymnasium.register gives an environment of your own an id"
        )
    try:
        envs = gym.make_vec(env, num_envs=num_envs)
    except gym.error.DependencyNotInstalled:
        raise
    except (gym.error.Error, ModuleNotFoundError) as error:
        raise ValueError(f"env must be the id of a registered environment, got {env!r}: {error}") from error
    try:
        if envs.num_envs != num_envs:
            raise ValueError(f"env must not say how many copies there are: it made {envs.num_envs}, not {num_envs}")
        yield envs
    finally:
        envs.close()


def sizes(envs, kinds=("discrete", "vectors")) -> tuple[int, int]:
    """d and n of environments that show vectors of d numbers and take one of n actions, or vectors of n numbers.

    Raises `ValueError` for observations that are no vectors, or actions of none of the `kinds`.
    """
    shown, actions = envs.single_observation_space, envs.single_action_space
    if not isinstance(shown, gym.spaces.Box) or len(shown.shape) != 1 or not shown.shape[0]:
        raise ValueError(f"env must show vectors, a Box with one axis, got observations from {shown}")
    if isinstance(actions, gym.spaces.Discrete) and "discrete" in kinds:
        return shown.shape[0], int(actions.n)
    real = isinstance(actions, gym.spaces.Box) and np.issubdtype(actions.dtype, np.floating)
    if real and len(actions.shape) == 1 and actions.shape[0] and "vectors" in kinds:
        return shown.shape[0], actions.shape[0]
    raise ValueError(f"env must take actions from {' or '.join(KINDS[kind] for kind in kinds)}, got {actions}")


def policy_for(envs, hidden, rng, kinds=("discrete", "vectors")) -> nn.Module:
    """A policy of the kind that the environments' actions need: logits, or a `GaussianPolicy` that has σ = 1."""
    n_in, n_actions = sizes(envs, kinds)
    network = mlp(n_in, n_actions, hidden=hidden, rng=rng)
    if isinstance(envs.single_action_space, gym.spaces.Discrete):
        return network
    return GaussianPolicy(network, torch.zeros(n_actions, dtype=torch.float32))


def played(envs, actions) -> np.ndarray:
    """Actions as the environments take them, in the dtype of their space.

    Numbers from 0 are moved to where a `Discrete` space starts, and vectors are clipped to a `Box`.
    Raises `ValueError` for anything but one action for each environment.
    """
    space, actions = envs.single_action_space, np.asarray(actions)
    if isinstance(space, gym.spaces.Discrete):
        right = actions.shape == (envs.num_envs,) and actions.dtype.kind in "iu"
        if not right or not ((actions >= 0) & (actions < space.n)).all():
            raise ValueError(f"actions must be {envs.num_envs} numbers from 0 to {space.n - 1}, got {actions!r}")
        return (actions + int(space.start)).astype(space.dtype)
    if actions.shape != (envs.num_envs, *space.shape) or not np.isfinite(actions).all():
        shape = (envs.num_envs, *space.shape)
        raise ValueError(f"actions must be finite numbers of shape {shape}, got {actions!r}")
    return np.clip(actions, space.low, space.high).astype(space.dtype)


def check_shown(step, alive, observation, reward=None) -> None:
    """Raise unless all that the environments still `alive` (N,) showed after so many steps are finite numbers."""
    for name, shown in (("observation", observation), ("reward", reward)):
        if shown is None or np.isfinite(shown).all():
            continue
        bad = alive & ~np.isfinite(shown).reshape(len(shown), -1).all(axis=1)
        if bad.any():
            i = np.flatnonzero(bad)[0]
            raise ValueError(f"env gave the {name} {shown[i]} after {step} steps, in copy {i}: not finite numbers")


def check_envs(envs) -> None:
    """Raise unless `envs` is a vector environment that resets on the step after an end."""
    if not isinstance(envs, VectorEnv):
        raise ValueError(f"envs must be a vector environment, made by gymnasium.make_vec, got a {type(envs).__name__}")
    mode = envs.metadata.get("autoreset_mode")
    if mode != AutoresetMode.NEXT_STEP:
        raise ValueError(f"envs must reset on the next step, got {mode}")


@torch.no_grad()
def check_policy(policy, envs) -> None:
    """Raise unless the policy reads what the environments show and gives a distribution of what they take."""
    d, n = sizes(envs)
    checks.module("policy", policy)
    space, gaussian = envs.single_action_space, isinstance(policy, GaussianPolicy)
    if gaussian != isinstance(space, gym.spaces.Box):
        wanted = "some other module than a GaussianPolicy" if gaussian else "a GaussianPolicy"
        raise ValueError(f"policy must be {wanted} for actions from {space}, got a {type(policy).__name__}")
    width = 2 * n if gaussian else n
    try:
        shape = tuple(policy(tensor(policy, np.zeros((1, d)))).shape)
    except RuntimeError as error:
        raise ValueError(f"policy must read observations of {d} numbers: {error}") from error
    if shape != (1, width):
        raise ValueError(f"policy must give {width} numbers for an observation, got an output of shape {shape}")
