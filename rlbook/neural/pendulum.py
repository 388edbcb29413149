"""Gymnasium's Pendulum-v1, any number of them in one array, which is several times as fast as one by one."""

from __future__ import annotations

import copy

import gymnasium as gym
import numpy as np
from gymnasium.envs.classic_control.pendulum import DEFAULT_X, DEFAULT_Y, PendulumEnv
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from rlbook import checks


class Pendulums(VectorEnv):
    """N pendulums that hang on Gymnasium's own equations: one `PendulumEnv` whose state is (2, N).

    None ever falls, so all N episodes are truncated together, after `max_episode_steps`. The torque is of double
    precision, where Gymnasium's own pendulums ask for single. Nothing is rendered.

    Raises `ValueError` for a count that is not a positive integer, or a render_mode.
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": []}  # noqa: RUF012

    def __init__(self, num_envs=1, max_episode_steps=200, render_mode=None):
        self.num_envs = checks.count("num_envs", num_envs)
        self.limit = checks.count("max_episode_steps", max_episode_steps)
        if render_mode is not None:
            raise ValueError(f"render_mode must be None, for many pendulums make no picture, got {render_mode!r}")
        self.pendulum, self.render_mode = PendulumEnv(), None
        self.single_observation_space = self.pendulum.observation_space
        strongest = self.pendulum.max_torque
        self.single_action_space = Box(-strongest, strongest, (1,), np.float64)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed=None, options=None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        high = np.array([[DEFAULT_X], [DEFAULT_Y]])
        self.pendulum.state, self.t = self.np_random.uniform(-high, high, (2, self.num_envs)), 0
        return self.pendulum._get_obs().T.copy(), {}

    def step(self, actions) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        none, zeros = np.zeros(self.num_envs, dtype=bool), np.zeros(self.num_envs)
        if self.t == self.limit:
            observations, info = self.reset()
            return observations, zeros, none, none, info
        observations, rewards, *_ = self.pendulum.step(np.transpose(actions))
        self.t += 1
        return observations.T.copy(), rewards, none, none | (self.t == self.limit), {}


PENDULUM = copy.deepcopy(gym.spec("Pendulum-v1"))
"""Gymnasium's specification of Pendulum-v1, with `Pendulums` for many at once; what takes an `env` takes it."""
PENDULUM.vector_entry_point = Pendulums
