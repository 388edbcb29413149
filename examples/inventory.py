"""An inventory with 200 states and 25 actions: made from transitions, solved, put on a budget, and played.

Every evening up to 24 units are ordered, at 2 each and 10 a delivery; every day a Poisson number of customers with mean
8 comes and pays 5 a unit; a unit that stays overnight costs 0.05, and there is room for 199.
"""

import numpy as np
from scipy.stats import poisson

from rlbook import TabularMDP, evaluate_policy, solve
from rlbook.occupancies import budget_frontier, occupancy_program

ROOM, MOST = 199, 24
DEMAND = poisson(8).pmf(np.arange(30))
DEMAND[-1] += 1 - DEMAND.sum()


def transitions(stock, order):
    """(probability, next stock, reward, does the episode end) for each demand that makes a difference."""
    held = min(stock + order, ROOM)
    for sold in range(min(held, 29) + 1):
        p = DEMAND[sold] if sold < held else DEMAND[sold:].sum()
        yield p, held - sold, 5 * sold - 2 * order - 10 * (order > 0) - 0.05 * (held - sold), False


start = np.eye(ROOM + 1)[0]  # an empty shop
shop = TabularMDP.from_transitions(transitions, 0.95, start, n_actions=MOST + 1)
best = solve(shop)
print(shop)
print(f"best: {start @ best.V:.2f}, certain to within {best.error_bound:.0e}")

# A rule of thumb, by action numbers: fill up to 20 whenever fewer than 8 are left.
stock = np.arange(ROOM + 1)
rule = np.where(stock < 8, 20 - np.minimum(stock, 20), 0)
print(f"rule of thumb: {start @ evaluate_policy(shop, rule).V:.2f}")
print("orders at 0 to 12 in stock:", best.pi.argmax(axis=1)[:13].tolist())

# What if no more than so many deliveries a season are to be had?
deliveries = np.tile(np.arange(MOST + 1) > 0, (ROOM + 1, 1)).astype(float)
free = occupancy_program(shop, costs=deliveries, budgets=100.0)
print(f"deliveries (discounted) without a limit: {free.spent[0]:.2f}")
frontier = budget_frontier(shop, deliveries, [6.0, 6.5, 7.0])
for budget, value, price in zip(frontier.budgets, frontier.values, frontier.multipliers, strict=True):
    print(f"at most {budget:.1f}: {value:.2f}; one more is worth {price:.2f}")
lots = ((frontier.pi[0] > 1e-6) & (frontier.pi[0] < 1 - 1e-6)).any(axis=1)
print("with 6.0 lots are drawn at a stock of", np.flatnonzero(lots).tolist())

# Played for 200 days, in 200 seasons: what the table promises is what is earned.
env = shop.to_gymnasium(max_episode_steps=200)
earned = []
for season in range(200):
    state, _ = env.reset(seed=season)
    total, power, over = 0.0, 1.0, False
    while not over:
        state, reward, ended, cut, _ = env.step(int(best.pi[state].argmax()))
        total, power, over = total + power * reward, 0.95 * power, ended or cut
    earned.append(total)
error = np.std(earned, ddof=1) / len(earned) ** 0.5
print(f"played: {np.mean(earned):.2f} ± {error:.2f}")
assert abs(np.mean(earned) - start @ best.V) < 4 * error
