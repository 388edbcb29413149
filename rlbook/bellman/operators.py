"""The operators T^π, T* and T_α (def-operators, def-optimality, def-soft), and the policies that they take greedily."""

from __future__ import annotations

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks


def bellman_operator(mdp, pi, Q) -> np.ndarray:
    """T^π Q = r + γ E[Σ_a' π(a'|s') Q(s',a')] (def-operators), (S, A).

    Raises `ValueError` where pi is not an (S, A) array of distributions or Q not an (S, A) array of finite
    numbers.

    >>> from rlbook import bellman_operator, gridworld
    >>> corridor = gridworld(["S..G"], gamma=0.9)
    >>> Q = bellman_operator(corridor, pi=[[0.25] * 4] * 4, Q=[[0] * 4] * 4)
    >>> Q[:, 1]  # a step to the right earns where it enters the goal
    array([0., 0., 1., 0.])
    """
    pi, Q = checks.policy(mdp, pi), checks.table("Q", mdp, Q)
    return mdp.r + mdp.gamma * mdp.expect((pi * Q).sum(axis=1))


def optimality_operator(mdp, Q) -> np.ndarray:
    """T* Q = r + γ E[max_a' Q(s',a')] (def-optimality), (S, A). The max stands inside the expectation.

    Raises `ValueError` where Q is not an (S, A) array of finite numbers.

    >>> from rlbook import gridworld, optimality_operator
    >>> corridor = gridworld(["S..G"], gamma=0.9)
    >>> Q = [[0] * 4] * 4
    >>> for _ in range(2):
    ...     Q = optimality_operator(corridor, Q)
    >>> Q.max(axis=1)  # the news of the goal has come two cells far
    array([0. , 0.9, 1. , 0. ])
    """
    Q = checks.table("Q", mdp, Q)
    return mdp.r + mdp.gamma * mdp.expect(Q.max(axis=1))


def soft_operator(mdp, Q, alpha) -> np.ndarray:
    """T_α Q = r + γ E[lse_α Q(s',·)] (def-soft), (S, A), for a temperature α > 0 in units of reward.

    In a terminal state nothing is chosen and there is no entropy: there the maximum takes the place of lse_α.
    Raises `ValueError` where Q is not an (S, A) array of finite numbers or alpha not a positive number.

    >>> from rlbook import gridworld, soft_operator
    >>> corridor = gridworld(["S..G"], gamma=0.9)
    >>> soft_operator(corridor, Q=[[0] * 4] * 4, alpha=1.0)[0].round(3)  # 0.9 log 4
    array([1.248, 1.248, 1.248, 1.248])
    """
    Q = checks.table("Q", mdp, Q)
    return mdp.r + mdp.gamma * mdp.expect(best_value(mdp, Q, checks.positive("alpha", alpha)))


def greedy_policy(Q) -> np.ndarray:
    """The deterministic policy that takes the first of the best actions, as an (S, A) array of 0 and 1."""
    Q = checks.array("Q", Q, ("S", "A"), copy=False)
    return np.eye(Q.shape[1])[Q.argmax(axis=1)]


def soft_value(Q, alpha) -> np.ndarray:
    """lse_α Q(s,·) = α log Σ_a exp(Q(s,a)/α) = max_p {p·Q(s,·) + αH(p)} (lem-lse), (S,)."""
    Q, alpha = checks.array("Q", Q, ("S", "A"), copy=False), checks.positive("alpha", alpha)
    top = Q.max(axis=1)
    return top + alpha * np.log(np.exp((Q - top[:, None]) / alpha).sum(axis=1))


def soft_policy(Q, alpha) -> np.ndarray:
    """π(a|s) ∝ exp(Q(s,a)/α), the maximiser in lse_α (lem-lse), (S, A)."""
    Q, alpha = checks.array("Q", Q, ("S", "A"), copy=False), checks.positive("alpha", alpha)
    weights = np.exp((Q - Q.max(axis=1, keepdims=True)) / alpha)
    return weights / weights.sum(axis=1, keepdims=True)


def transition_matrix(mdp, pi) -> np.ndarray | scipy.sparse.csr_array:
    """P_π(s'|s) = Σ_a π(a|s) P(s'|s,a), (S, S), sparse where the MDP is."""
    pi, (S, A) = checks.policy(mdp, pi), mdp.r.shape
    if not mdp.is_sparse:
        return np.einsum("sa,sak->sk", pi, mdp.P)
    s, a = np.nonzero(pi)
    rows = (s.astype(mdp._P.indices.dtype), (a * S + s).astype(mdp._P.indices.dtype))  # narrow, as P's own are
    return scipy.sparse.csr_array((pi[s, a], rows), shape=(S, A * S)) @ mdp._P


def look_ahead(mdp, V, gain=0.0) -> np.ndarray:
    """Q = r − gain + γ E[V(s')], (S, A)."""
    Q = mdp.expect(V)
    Q *= mdp.gamma
    Q += mdp.r - gain if gain else mdp.r
    return Q


def best_value(mdp, Q, alpha) -> np.ndarray:
    """max_a Q(s,a), or lse_α Q(s,·) where there is a temperature and the state is not terminal, (S,)."""
    best = Q.max(axis=1)
    return best if alpha is None else np.where(mdp.terminal, best, soft_value(Q, alpha))


def best_policy(mdp, Q, alpha) -> np.ndarray:
    """The policy whose value `best_value` is, (S, A)."""
    return checks.policy(mdp, greedy_policy(Q) if alpha is None else soft_policy(Q, alpha))
