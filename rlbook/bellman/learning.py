"""Learning from samples: tabular Q-learning, plain and soft (thm-q-learning)."""

from __future__ import annotations

from math import isfinite
from operator import index
from typing import NamedTuple

import numpy as np

from rlbook import checks
from rlbook.bellman.operators import soft_value
from rlbook.results import summary


class Learned(NamedTuple):
    """A table learned from steps: `Q` and `visits` (S, A), and the tables `history` (n, S, A) after `steps` (n,)."""

    Q: np.ndarray
    visits: np.ndarray
    steps: np.ndarray
    history: np.ndarray

    __repr__ = summary


def q_learning(env, gamma, *, steps, rng, alpha=None, epsilon=0.2, exponent=0.7, records=50) -> Learned:
    """Tabular Q-learning on a Gymnasium environment with numbered states and actions (thm-q-learning): `Learned`.

        Q(s,a) ← Q(s,a) + β_n (r + γ (1 − terminated) max_a' Q(s',a') − Q(s,a)),   β_n = n^(−exponent),

    n counting the visits to (s,a), from Q = 0; 1/2 < exponent ≤ 1 makes Robbins–Monro steps. Actions are greedy
    but for a share `epsilon` of uniform ones. With a temperature `alpha` lse_α stands for the max, which is soft
    Q-learning. A truncated episode's last step still looks ahead: only termination ends the rewards.

    Row s and column a of Q stand for the s-th and a-th number of the environment's spaces, which may start anywhere.

    Raises `ValueError` for an env that is no Gymnasium environment or whose spaces are not `Discrete`, gamma outside
    [0, 1), a count that is not a positive integer, an `rng` that is no `numpy.random.Generator`, an epsilon outside
    (0, 1], an exponent outside (1/2, 1], or an alpha that is not positive; and where the environment shows a state
    that is not in its space, or a reward that is not a finite number.
    """
    import gymnasium  # here, as tqdm below, for each would be a fifth of what `import rlbook` costs

    if not isinstance(env, gymnasium.Env):
        raise ValueError(f"env must be an environment of Gymnasium, to be played, got a {type(env).__name__}")
    for space in (env.observation_space, env.action_space):
        if not isinstance(space, gymnasium.spaces.Discrete):
            raise ValueError(f"env must have discrete observations and actions, Discrete spaces, got {space}")
    S, A = int(env.observation_space.n), int(env.action_space.n)
    first_state, first_action = int(env.observation_space.start), int(env.action_space.start)
    gamma, alpha = checks.discount(gamma), None if alpha is None else checks.positive("alpha", alpha)
    steps, records = checks.count("steps", steps), checks.count("records", records)
    epsilon = checks.number("epsilon", epsilon, "(0, 1]")  # with 0 some pairs might never be tried
    exponent = checks.number("exponent", exponent, "(1/2, 1]")
    checks.generator(rng)

    from tqdm import tqdm

    def row(state, step):
        try:
            s = index(state) - first_state
        except TypeError:  # no whole number
            s = -1
        if not 0 <= s < S:
            raise ValueError(f"env showed {state!r} after {step} steps, which is not in {env.observation_space}")
        return s

    Q, visits = np.zeros((S, A)), np.zeros((S, A), dtype=int)
    at = np.unique(np.linspace(0, steps, min(records, steps) + 1).astype(int)[1:])
    history = []
    s = row(env.reset(seed=int(rng.integers(2**31)))[0], 0)
    for step in tqdm(range(1, steps + 1), leave=False, mininterval=1):
        explore, shift = rng.random(2)
        ties = np.flatnonzero(Q[s] == Q[s].max())
        a = int(shift * A) if explore < epsilon else int(ties[int(shift * len(ties))])
        shown, reward, terminated, truncated, _ = env.step(first_action + a)
        s_next = row(shown, step)
        if not isfinite(reward):
            raise ValueError(f"env gave the reward {reward!r} at step {step}, not a finite number")
        ahead = Q[s_next].max() if alpha is None else soft_value(Q[s_next : s_next + 1], alpha)[0]
        target = reward + gamma * (1 - terminated) * ahead
        visits[s, a] += 1
        Q[s, a] += visits[s, a] ** -exponent * (target - Q[s, a])
        s = row(env.reset()[0], step) if terminated or truncated else s_next
        if step == at[len(history)]:
            history.append(Q.copy())
    return Learned(Q, visits, at, np.array(history))
