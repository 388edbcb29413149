"""Gymnasium's environments as the networks meet them: how they are made and closed, and what they may show and take."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import gymnasium as gym
import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from torch import nn

from rlbook import checks
from rlbook.neural.networks import GaussianPolicy, Scaled, mlp, tensor

KINDS = {"discrete": "a Discrete space", "vectors": "a Box of real vectors"}


@contextmanager
def made(env, num_envs) -> Iterator[VectorEnv]:
    """So many copies of an environment as a vector environment, closed when the block is left, by an error too.

    `env` is a registered id or an `EnvSpec`, which Gymnasium vectorises as they say; or a class or function that makes
    one environment without arguments, which is called for each copy; or an environment itself, which is deep-copied
    and left as it is. These last are stepped one after another, and bring a time limit of their own.

    Raises `ValueError` for an `env` of another kind, such as a vector environment; an id that is not registered, or a
    specification that makes another number of copies; a class or function that needs arguments, makes something
    else, or the same environment twice; and an environment that cannot be copied.
    """
    envs = _vectorised(env, num_envs) if isinstance(env, (str, EnvSpec)) else _side_by_side(env, num_envs)
    try:
        if envs.num_envs != num_envs:
            raise ValueError(f"env must not say how many copies there are: it made {envs.num_envs}, not {num_envs}")
        yield envs
    finally:
        envs.close()


def _vectorised(env, num_envs):
    try:
        return gym.make_vec(env, num_envs=num_envs)
    except gym.error.DependencyNotInstalled:
        raise
    except (gym.error.Error, ModuleNotFoundError) as error:
        raise ValueError(f"env must be the id of a registered environment, got {env!r}: {error}") from error


def _side_by_side(env, num_envs):
    """Copies of an instance, or what a class or function makes, in one `SyncVectorEnv`; closed again if one fails."""
    with ExitStack() as closing:
        copies = []
        for _ in range(num_envs):
            one = _copied(env) if isinstance(env, gym.Env) else _called(env)
            if any(one.unwrapped is other.unwrapped for other in copies):
                raise ValueError(f"env must make a new environment each time, got the same from {env!r} twice")
            copies.append(closing.enter_context(one))
        envs = SyncVectorEnv([lambda one=one: one for one in copies])
        closing.pop_all()
    return envs


def _copied(env):
    try:
        return copy.deepcopy(env)
    except Exception as error:  # whatever an environment is made of
        raise ValueError(
            f"env must be a class or function that makes {env}, which cannot be copied: {error}"
        ) from error


def _called(env):
    kinds = "the id of a registered environment, such as 'CartPole-v1', its EnvSpec, an environment, or a class or"
    if not callable(env):
        raise ValueError(f"env must be {kinds} function that makes one, got a {type(env).__name__}")
    try:
        inspect.signature(env).bind()
    except (TypeError, ValueError) as error:
        raise ValueError(f"env must make an environment without arguments, got {env!r}: {error}") from error
    one = env()
    if not isinstance(one, gym.Env):
        raise ValueError(f"env must be {kinds} function that makes one; {env!r} made a {type(one).__name__}")
    return one


def env_name(env) -> str:
    """What an environment is called: its id, or the name of what makes it."""
    spec = getattr(env, "spec", env)  # an EnvSpec, or an environment that was made from one
    return env if isinstance(env, str) else getattr(spec, "id", None) or getattr(env, "__name__", type(env).__name__)


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


def policy_for(envs, hidden, rng, *, sigma=1.0, kinds=("discrete", "vectors")) -> nn.Module:
    """A policy of the kind that the environments' actions need: logits, or a `GaussianPolicy` that has σ = `sigma`."""
    n_in, n_actions = sizes(envs, kinds)
    network = mlp(n_in, n_actions, hidden=hidden, rng=rng)
    if isinstance(envs.single_action_space, gym.spaces.Discrete):
        return network
    return GaussianPolicy(network, torch.full((n_actions,), np.log(sigma), dtype=torch.float32))


def value_for(envs, hidden, rng, gamma) -> Scaled:
    """A network for V, in units of 1/(1 − γ), as many as rewards there may be to come."""
    return Scaled(mlp(*envs.single_observation_space.shape, 1, hidden=hidden, rng=rng), 1 / (1 - gamma))


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
