"""Sampling 10⁵ trajectories of 50 steps, against Gymnasium, a plain numpy version and the random generator.

All play the same world, a FrozenLake of 25 states and 4 actions; the two samplers follow the same policy, and
Gymnasium is given its actions beforehand and its best number of environments. The generator writes one number
a step into an array that already exists, in one call: less than that no such sampler can do.
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np

from benchmarks.timing import Result, fastest, interleaved, show
from rlbook import TabularMDP, sample_trajectories, softmax_policy

LAKE = ("SFFFF", "FHFFF", "FFFHF", "HFFFF", "FFFFG")
N, HORIZON = 100_000, 50
GYM_STEPS = 8192


def cumulative_sums(mdp, pi, n, horizon, rng):
    """The same trajectories drawn from cumulative sums: an action, then a next state, for all n at once."""
    policy, ahead = np.cumsum(pi, axis=1), np.cumsum(mdp.P, axis=2)
    states, actions = np.empty((2, horizon, n), dtype=int)
    s = (rng.random((n, 1)) > np.cumsum(mdp.rho0)).sum(1)
    for t in range(horizon):
        a = (rng.random((n, 1)) > policy[s]).sum(1)
        states[t], actions[t] = s, a
        s = (rng.random((n, 1)) > ahead[s, a]).sum(1)
    return states.T, actions.T, mdp.r[states, actions].T


def gymnasium_steps(num_envs, rng):
    """A function that makes GYM_STEPS steps of FrozenLake in a SyncVectorEnv of that many environments."""
    envs = gym.make_vec("FrozenLake-v1", num_envs=num_envs, vectorization_mode="sync", desc=LAKE)
    envs.reset(seed=0)
    actions = rng.integers(4, size=(GYM_STEPS // num_envs, num_envs))

    def play():
        for action in actions:
            envs.step(action)

    return play


def main():
    rng = np.random.default_rng(0)
    mdp = TabularMDP.from_gymnasium(gym.make("FrozenLake-v1", desc=LAKE), gamma=0.95)
    pi = softmax_policy(rng.normal(size=mdp.r.shape))
    numbers = np.zeros(N * HORIZON)
    players = {num_envs: gymnasium_steps(num_envs, rng) for num_envs in (1, 8, 64, 512)}
    num_envs = fastest(players)
    seconds = interleaved(
        {
            "ours": lambda: sample_trajectories(mdp, pi, N, HORIZON, rng),
            "generator": lambda: rng.random(out=numbers),
            "cumulative": lambda: cumulative_sums(mdp, pi, N, HORIZON, rng),
            "gymnasium": players[num_envs],
        },
        repeats=7,
    )
    ours = seconds["ours"]
    gymnasium = seconds["gymnasium"] * (N * HORIZON / GYM_STEPS)
    steps_a_second = {
        "ours": ours,
        "generator": seconds["generator"],
        "cumulative sums": seconds["cumulative"],
        "Gymnasium": gymnasium,
    }
    show(
        "Sampling: times as fast as",
        [
            Result(f"Gymnasium's SyncVectorEnv of {num_envs}", 600, np.median(gymnasium / ours), True),
            Result("cumulative sums in numpy", 5, np.median(seconds["cumulative"] / ours), True),
            Result("the random generator alone", 0.2, np.median(seconds["generator"] / ours), True),
        ],
        "million steps a second: "
        + ", ".join(f"{k} {N * HORIZON / np.median(v) / 1e6:.3g}" for k, v in steps_a_second.items()),
    )
