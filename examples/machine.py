"""A machine that wears out: rows of transitions, an end, a soft policy, a price, and the reader's own map in a widget.

It is new, worn or bad, and earns 3, 2 or 1 a week. Run on, it wears, and a bad one breaks for good with probability
0.3; an overhaul costs 4 and makes it new.
"""

import numpy as np

from rlbook import TabularMDP, bellman, evaluate_policy, policy_iteration, soft_value_iteration

NEW, WORN, BAD, BROKEN = range(4)
RUN, OVERHAUL = range(2)
rows = [  # from, action, probability, to, reward, does the episode end
    (NEW, RUN, 0.7, NEW, 3, False),
    (NEW, RUN, 0.3, WORN, 3, False),
    (WORN, RUN, 0.6, WORN, 2, False),
    (WORN, RUN, 0.4, BAD, 2, False),
    (BAD, RUN, 0.7, BAD, 1, False),
    (BAD, RUN, 0.3, BROKEN, 1, True),
    *((state, OVERHAUL, 1.0, NEW, -4, False) for state in (NEW, WORN, BAD)),
]
machine = TabularMDP.from_transitions(rows, gamma=0.95, rho0=[1, 0, 0, 0])
print(machine, "terminal:", machine.terminal.tolist())

best = policy_iteration(machine)
names = ["run", "overhaul"]
for state, name in enumerate(["new", "worn", "bad"]):
    print(f"{name:5} {names[best.pi[state].argmax()]:9} worth {best.V[state]:.3f}")
never = evaluate_policy(machine, [RUN] * 4)
print(f"never overhauled: {never.V[NEW]:.3f}")

# At which price does it no longer pay?
for price in range(4, 40):
    r = machine.r.copy()
    r[:BROKEN, OVERHAUL] = -price
    if policy_iteration(machine.replace(r=r)).pi[BAD].argmax() == RUN:
        break
print(f"an overhaul of a bad machine pays below {price}")

# Hedged: the broken machine has no entropy, for nothing is chosen any more.
soft = soft_value_iteration(machine, alpha=0.5)
print("soft:", soft.pi[:3, OVERHAUL].round(3).tolist(), "value of a broken one", abs(soft.V[BROKEN].round(6)))

# Learned from a machine that is played, not known: no table is read.
env = machine.to_gymnasium(max_episode_steps=200)
learned = bellman.q_learning(env, 0.95, steps=30_000, rng=np.random.default_rng(0), epsilon=0.4)
print("learned:", [names[a] for a in learned.Q[:3].argmax(axis=1)])
assert (learned.Q[:3].argmax(axis=1) == best.pi[:3].argmax(axis=1)).all()
