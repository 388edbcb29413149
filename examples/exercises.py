"""Exercises of chapters 1 to 3 that ask for numbers, done with what their pages name."""

import gymnasium as gym
import numpy as np

from rlbook import (
    TabularMDP,
    bellman,
    exact_gradient,
    expected_return,
    garnet,
    natural_gradient,
    policy_iteration,
    sample_trajectories,
    soft_value_iteration,
    softmax_policy,
)
from rlbook import natural_gradients as ng
from rlbook import policy_gradient as pg

lake = TabularMDP.from_gymnasium(gym.make("FrozenLake-v1"), 0.95)

# Chapter 1, "Gradient ascent on the lake": the exact gradient, then samples with and without a baseline.
best = policy_iteration(lake)
print(f"best return on the lake {lake.rho0 @ best.V:.3f}")
theta, curve = np.zeros((16, 4)), []
for _ in range(300):
    curve.append(expected_return(lake, softmax_policy(theta)))
    theta = theta + 10 * exact_gradient(lake, theta)
print(f"exact gradient: {curve[0]:.3f} at first, {curve[-1]:.3f} after 300 steps")
for name, with_baseline in (("without a baseline", False), ("with V", True)):
    theta, rng = np.zeros((16, 4)), np.random.default_rng(0)
    for _ in range(300):
        pi = softmax_policy(theta)
        b = pg.finite_horizon_values(lake, pi, 100).V if with_baseline else None
        batch = sample_trajectories(lake, pi, 100, 100, rng)
        theta = theta + 10 * pg.per_trajectory_gradients(batch, pi, lake.gamma, baseline=b).mean(axis=0)
    print(f"100 samples a step, {name}: {expected_return(lake, softmax_policy(theta)):.3f} (one run)")

# Chapter 1, "The past as a baseline": its best weight is negative, and saves a little.
mdp = garnet(3, 2, 2, gamma=0.9, rng=np.random.default_rng(0))
C = pg.exact_moments(mdp, np.full((3, 2), 0.5), 5).total
print(f"the past: best weight {-C[0, 1] / C[0, 0]:.2f}, saves {C[0, 1] ** 2 / C[0, 0] / C[1, 1]:.0%} of the variance")

# Chapter 2, "How many sweeps?"
for gamma in (0.9, 0.99, 0.999):
    asked = int(np.ceil(np.log(1e-6 * (1 - gamma)) / np.log(gamma)))
    error = bellman.trace(lake.replace(gamma=gamma), np.zeros((16, 4)), 600).error
    print(f"γ = {gamma}: the bound asks for {asked} sweeps, the lake needs {np.flatnonzero(error > 1e-6)[-1] + 1}")

# Chapter 2, "Three fixed points": staying in a shop until it pays no longer.
shop = TabularMDP.from_transitions([(0, 0, 1.0, 0, 0.25, False), (0, 1, 1.0, 1, 0.0, True)], gamma=0.98, rho0=[1, 0])
print(f"soft value of staying {soft_value_iteration(shop, 1.0).Q[0, 0]:.4f}")

# Chapter 2: soft values against the temperature, on a lake whose holes end the episode.
for alpha in (0.01, 0.03, 0.1):
    soft = soft_value_iteration(lake, alpha)
    print(f"α = {alpha}: promises {lake.rho0 @ soft.V:.3f}, returns {expected_return(lake, soft.pi):.3f}")

# Chapter 3: the same ascent by the natural gradient, and how many of its steps do what 300 others did.
theta, steps = np.zeros((16, 4)), 0
while expected_return(lake, softmax_policy(theta)) < curve[-1]:
    theta, steps = theta + 0.5 * natural_gradient(lake, theta), steps + 1
print(f"natural gradient: the return of 300 steps after {steps}")
pi, pi_new = softmax_policy(theta), softmax_policy(theta + 0.5 * natural_gradient(lake, theta))
print(f"KL of the next step {ng.mean_kl(lake, pi, pi_new):.1e} nats")
