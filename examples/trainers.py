"""Environments of one's own and Gymnasium's: trained, evaluated, plotted. A small budget, so that it runs in a minute.

With --long it takes some minutes, and the numbers are worth more.
"""

import sys
from importlib.util import find_spec

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np

from rlbook import gridworld, plots, solve
from rlbook.neural import evaluate, train_natural, train_ppo, train_reinforce

LONG = "--long" in sys.argv

# A gridworld of one's own, shown to a network as vectors: what is best is known exactly.
world = gridworld(["S...", ".#.P", "...G"], gamma=0.9, slip=0.1, step_reward=-0.04)


def maze():
    return world.to_gymnasium(one_hot=True, max_episode_steps=60)


runs = [train_reinforce("baseline", env=maze, gamma=0.9, batches=40, seed=seed) for seed in range(2)]
print(runs[0])
played = evaluate(runs[0].policy, maze, n_episodes=200, seed=1)
print("in the maze:", played)
print(f"the best discounted return is {world.rho0 @ solve(world).V:.3f}")
assert played.mean_return > 0.2, "it has not learned to get home"

# Gymnasium's Acrobot, by a class-free id, with TRPO and PPO.
batches = 30 if LONG else 3
for name, run in {
    "TRPO": train_natural("trust-region", env="Acrobot-v1", batches=batches, n_episodes=8, seed=0),
    "PPO": train_ppo(env="Acrobot-v1", batches=batches, n_episodes=8, seed=0),
}.items():
    print(name, "on Acrobot:", run.mean_returns.round().tolist())

# Real actions: the car on the hill needs a wide start, or it learns to stand still.
env = gym.make("MountainCarContinuous-v0")
run = train_natural("trust-region", env=env, sigma=2.0, lam=0.95, batches=batches, n_episodes=4, seed=0)
print(
    "TRPO on MountainCarContinuous:",
    run.mean_returns.round(1).tolist(),
    evaluate(run.policy, env, n_episodes=4, seed=0),
)

# The lander, where Gymnasium's extra box2d is.
if find_spec("Box2D"):
    run = train_natural("trust-region", env="LunarLander-v3", batches=batches, n_episodes=8, seed=0)
    print(
        "TRPO on LunarLander:",
        run.mean_returns.round().tolist(),
        evaluate(run.policy, "LunarLander-v3", n_episodes=20, seed=1),
    )

ax = plots.learning_curves({"REINFORCE with a baseline": runs})
assert np.isfinite(ax.dataLim.get_points()).all()
plt.close(ax.figure)
