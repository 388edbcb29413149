"""Iterates kept, with their errors and the bounds on them (thm-banach, thm-macqueen), for looking at convergence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rlbook import checks
from rlbook.bellman.evaluation import evaluate_policy
from rlbook.bellman.operators import bellman_operator, optimality_operator, soft_operator
from rlbook.bellman.planning import policy_iteration, soft_policy_iteration
from rlbook.results import summary


class Trace(NamedTuple):
    """What `trace` saw at k = 0, …, K; each is (K+1,) but for `Q`, (K+1, S, A), and the `fixed_point`, (S, A).

    `error` is ‖Q_k − Q̄‖∞, Q̄ the fixed point; `envelope` γᵏ‖Q₀ − Q̄‖∞; `a_priori` and `a_posteriori` are
    Banach's bounds on the error (thm-banach); `bracket` is the width of MacQueen's bracket (thm-macqueen), all
    in units of reward. `greedy` is the share of states in which Q_k's greedy action is greedy for Q̄ too.
    `a_posteriori` and `bracket` look one step back, and are infinite at k = 0.
    """

    Q: np.ndarray
    fixed_point: np.ndarray
    error: np.ndarray
    envelope: np.ndarray
    a_priori: np.ndarray
    a_posteriori: np.ndarray
    bracket: np.ndarray
    greedy: np.ndarray

    __repr__ = summary


def trace(mdp, Q, steps, *, pi=None, alpha=None) -> Trace:
    """Q and its next `steps` iterates under T^π where `pi` is given, T_α where `alpha` is, T* otherwise: `Trace`.

    Raises `ValueError` for both `pi` and `alpha`, a Q that is not (S, A), or steps that are not a positive
    integer.
    """
    if pi is not None and alpha is not None:
        raise ValueError("pi and alpha name two operators; give one of them")
    Qs, steps = [checks.table("Q", mdp, Q)], checks.count("steps", steps)
    if pi is not None:
        fixed_point = evaluate_policy(mdp, pi).Q
    elif alpha is not None:
        fixed_point = soft_policy_iteration(mdp, alpha, tol=1e-12).Q
    else:
        fixed_point = policy_iteration(mdp).Q
    for _ in range(steps):
        if pi is not None:
            Qs.append(bellman_operator(mdp, pi, Qs[-1]))
        else:
            Qs.append(optimality_operator(mdp, Qs[-1]) if alpha is None else soft_operator(mdp, Qs[-1], alpha))
    Qs = np.array(Qs)
    best = fixed_point >= fixed_point.max(axis=1, keepdims=True) - 1e-9 * max(1.0, abs(fixed_point).max())
    greedy = best[np.arange(mdp.n_states), Qs.argmax(axis=2)].mean(axis=1)
    return Trace(Qs, fixed_point, *error_and_bounds(Qs, fixed_point, mdp.gamma), greedy)


def error_and_bounds(iterates, limit, gamma) -> tuple[np.ndarray, ...]:
    """What `Trace` tells of the iterates x_0, …, x_K of a γ-contraction with the limit x̄, each any array.

    Error, envelope, a-priori and a-posteriori bound, and bracket, (K+1,) each; K is at least 1.
    """
    gamma, iterates = checks.discount(gamma), checks.array("iterates", iterates)
    if iterates.ndim == 0 or len(iterates) < 2:
        raise ValueError(f"iterates must hold at least 2, one after another, got shape {iterates.shape}")
    limit = checks.array("limit", limit, iterates.shape[1:], note=" as each of iterates has")
    powers, far = gamma ** np.arange(len(iterates)), gamma / (1 - gamma)
    error = abs(iterates - limit).reshape(len(iterates), -1).max(axis=1)
    moves = np.diff(iterates, axis=0).reshape(len(iterates) - 1, -1)
    length = abs(moves).max(axis=1)
    a_posteriori = np.r_[np.inf, far * length]
    bracket = np.r_[np.inf, far * (moves.max(axis=1) - moves.min(axis=1))]
    return error, powers * error[0], powers / (1 - gamma) * length[0], a_posteriori, bracket
