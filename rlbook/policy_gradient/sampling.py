"""Episodes drawn from an MDP, and their returns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.results import summary

# Trajectories handled together: enough to hide the cost of a call, few enough for the processor's cache.
SAMPLED_TOGETHER = 16_384
STEP = np.dtype([("state", np.int32), ("action", np.int32), ("reward", float)])


class Trajectories(NamedTuple):
    """N episodes of up to T steps: `states` and `actions` are (N, T) integers, `rewards` is (N, T).

    `alive` (N, T) tells steps from what stands after an episode's end: the terminal state, action 0 and reward 0. None
    says that all are steps.
    """

    states: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    alive: np.ndarray | None = None

    __repr__ = summary


def sample_trajectories(mdp, pi, n, horizon, rng) -> Trajectories:
    """n episodes of `horizon` steps under pi, as `Trajectories` with (n, horizon) arrays.

    A step draws action and next state together from one alias table (Walker 1977; Vose 1991) over the pairs
    (a, s') that have positive probability: one uniform number a step, whatever the number of outcomes.
    Rewards are r(s_t, a_t). An episode ends when it comes to a terminal state; what stands after that is no step
    (`alive`). `rng` is a `numpy.random.Generator`.

    >>> import numpy as np
    >>> from rlbook import gridworld, sample_trajectories
    >>> corridor = gridworld(["S..G"], gamma=0.9)
    >>> right, rng = [[0, 1, 0, 0]] * 4, np.random.default_rng(0)
    >>> sample_trajectories(corridor, right, n=1, horizon=5, rng=rng).states
    array([[0, 1, 2, 3, 3]], dtype=int32)
    """
    pi = checks.policy(mdp, pi)
    n, horizon = checks.count("n", n), checks.count("horizon", horizon)
    checks.generator(rng)
    threshold, action_of, next_of, width = _joint_alias_tables(mdp, pi)
    S = mdp.n_states
    threshold = threshold + np.tile(np.arange(width), S)  # counted from its state's first slot
    first_slot_of = next_of * width
    step_of = np.empty(len(action_of), STEP)  # an outcome tells the whole step, so one look-up fetches it
    step_of["state"] = np.repeat(np.arange(S), 2 * width)
    step_of["action"] = action_of
    step_of["reward"] = mdp.r[step_of["state"], action_of]

    steps = np.empty((horizon, n), STEP)
    start = np.cumsum(mdp.rho0)
    for begin in range(0, n, SAMPLED_TOGETHER):
        block = slice(begin, min(begin + SAMPLED_TOGETHER, n))
        size = block.stop - begin
        first_slot = width * np.searchsorted(start, rng.random(size) * start[-1], side="right")
        u, bar = np.empty((2, size))
        chosen, missed = np.empty(size, dtype=np.intp), np.empty(size, dtype=bool)
        for t in range(horizon):
            rng.random(out=u)
            u *= width  # its whole part picks a slot, its fraction decides between the slot's two outcomes
            np.copyto(chosen, u, casting="unsafe")
            chosen += first_slot
            threshold.take(chosen, out=bar, mode="clip")  # no index is out of range; "clip" spares the check
            np.greater_equal(u, bar, out=missed)
            chosen *= 2
            chosen += missed
            step_of.take(chosen, out=steps[t, block], mode="clip")
            first_slot_of.take(chosen, out=first_slot, mode="clip")
    states = steps["state"].T
    return Trajectories(states, steps["action"].T, steps["reward"].T, ~mdp.terminal[states])


def returns(rewards, gamma) -> np.ndarray:
    """The returns G_t = Σ_{k≥t} γ^{k−t} r_k of (N, T) rewards, as an (N, T) array."""
    rewards, gamma = checks.array("rewards", rewards, ("N", "T"), copy=False), checks.number("gamma", gamma, "[0, 1]")
    G = np.empty(rewards.shape[::-1])  # time-major: each step of the recursion reads and writes one row
    later = np.zeros(rewards.shape[0])
    for t in reversed(range(rewards.shape[1])):
        later = np.add(rewards[:, t], gamma * later, out=G[t])
    return G.T


def _joint_alias_tables(mdp, pi):
    """Vose's alias tables of P(a, s' | s), one a state, each padded to the same number of slots.

    Slot k of state s sits at s·width + k. It gives its own outcome with probability threshold, else
    another's: outcome 2·slot + (1 if missed) of `action_of` and `next_of`.
    """
    S, A = mdp.r.shape
    joint = scipy.sparse.csr_array(mdp.P.reshape(S * A, S) if not mdp.is_sparse else mdp.P)
    pair, next_state = joint.nonzero()
    p = pi.ravel()[pair] * np.asarray(joint[pair, next_state]).ravel()
    keep = p > 0
    pair, next_state, p = pair[keep], next_state[keep], p[keep]
    state, action = np.divmod(pair, A)
    counts = np.bincount(state, minlength=S)
    width = int(counts.max())

    threshold = np.ones((S, width))
    action_of = np.zeros((S, width, 2), dtype=np.int32)
    next_of = np.zeros((S, width, 2), dtype=np.intp)
    begin = np.concatenate([[0], np.cumsum(counts)])
    for s in range(S):
        outcomes = slice(begin[s], begin[s + 1])
        own = np.zeros(width, dtype=int)
        own[: counts[s]] = np.arange(counts[s])
        share = np.zeros(width)
        share[: counts[s]] = p[outcomes] * (width / p[outcomes].sum())
        bar, alias = _vose(share)
        threshold[s] = bar
        for column, chosen in enumerate((own, own[alias])):
            action_of[s, :, column] = action[outcomes][chosen]
            next_of[s, :, column] = next_state[outcomes][chosen]
    return threshold.ravel(), action_of.ravel(), next_of.ravel(), width


def _vose(share):
    """Thresholds and aliases of weights that sum to their number (Vose 1991)."""
    share = share.copy()
    bar, alias = np.ones(len(share)), np.arange(len(share))
    small = list(np.flatnonzero(share < 1))
    large = list(np.flatnonzero(share >= 1))
    while small and large:
        low, high = small.pop(), large.pop()
        bar[low], alias[low] = share[low], high
        share[high] -= 1 - share[low]
        (small if share[high] < 1 else large).append(high)
    return bar, alias  # what is left over weighs 1 up to rounding and keeps its own outcome
