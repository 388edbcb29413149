"""Softmax policies, their scores (eq-softmax-score), and what they do within a horizon."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rlbook import checks
from rlbook.results import summary


class HorizonValues(NamedTuple):
    """V_t(s) = E[G_t | s_t=s], (T, S), and Q_t(s,a) = E[G_t | s_t=s, a_t=a], (T, S, A), of a policy within T steps."""

    V: np.ndarray
    Q: np.ndarray

    __repr__ = summary


def softmax_policy(theta, *, features=None) -> np.ndarray:
    """The softmax policy π(a|s) ∝ exp θ(s,a), or ∝ exp(φ(s,a)·θ) where features are given.

    theta is (S, A), or (n,) to go with (S, A, n) features. Returns pi, (S, A). Raises `ValueError` for shapes
    that do not fit or numbers that are not finite.

    >>> import numpy as np
    >>> from rlbook import softmax_policy
    >>> softmax_policy(np.log([[1, 3], [1, 1]]))
    array([[0.25, 0.75],
           [0.5 , 0.5 ]])
    """
    if features is None:
        logits = theta = checks.array("theta", theta, ("S", "A"))
    else:
        features = checks.array("features", features, ("S", "A", "n"))
        theta = checks.array("theta", theta, features.shape[2:], note=" to fit the features")
        logits = features @ theta
    bad = np.argwhere(~np.isfinite(logits))
    if len(bad):
        raise ValueError(f"theta gives the pair [{checks.at(bad[0])}] a logit that is not finite")
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def policy_of(mdp, theta, *, features=None) -> np.ndarray:
    """`softmax_policy` of parameters that fit an MDP; raises `ValueError` where they do not.

    In terminal states, where no parameter decides anything, it is that of `checks.policy`.
    """
    checks.tabular(mdp)
    pi = softmax_policy(theta, features=features)
    if pi.shape != mdp.r.shape:
        name = "theta" if features is None else "features"
        raise ValueError(f"{name} must have one row a state, {mdp.r.shape}, got {pi.shape}")
    return checks.policy(mdp, pi)


def score_table(pi, *, features=None) -> np.ndarray:
    """The scores ψ(s,a) = ∇_θ log π(a|s) = φ(s,a) − Σ_a' π(a'|s) φ(s,a') (eq-softmax-score), (S, A, n).

    The tabular policy's features are the indicators of the pairs, so there n = S·A, in row-major order.
    """
    pi = checks.distributions("pi", pi, ("S", "A"))
    if features is None:
        score = np.eye(pi.size).reshape(*pi.shape, pi.size)
        return score - np.einsum("sa,san->sn", pi, score)[:, None, :]
    features = checks.array("features", features, (*pi.shape, "n"), note=" to go with pi")
    score = features - features[:, :1]  # a shift changes no score, and equal features become zeros
    score = score - np.einsum("sa,san->sn", pi, score)[:, None, :]
    # What is left of a score of 0 is rounding. A baseline divides by ‖ψ‖², so it must not pass for a score.
    rounding = pi.shape[1] * np.finfo(float).eps * abs(features).max(axis=1, keepdims=True)
    return np.where(abs(score) > rounding, score, 0.0)


def finite_horizon_values(mdp, pi, horizon) -> HorizonValues:
    """A policy's values in each of the T steps of an episode, from the last one backwards: `HorizonValues`."""
    pi, horizon = checks.policy(mdp, pi), checks.count("horizon", horizon)
    V = np.zeros((horizon + 1, mdp.n_states))
    Q = np.zeros((horizon, *mdp.r.shape))
    for t in reversed(range(horizon)):
        Q[t] = mdp.r + mdp.gamma * mdp.expect(V[t + 1])
        V[t] = (pi * Q[t]).sum(axis=1)
    return HorizonValues(V[:horizon], Q)


def state_distributions(mdp, pi, horizon) -> np.ndarray:
    """P(s_t = s) for t < T, as a (T, S) array."""
    pi, horizon = checks.policy(mdp, pi), checks.count("horizon", horizon)
    p = np.empty((horizon, mdp.n_states))
    p[0] = mdp.rho0
    for t in range(1, horizon):
        p[t] = mdp.flow(p[t - 1][:, None] * pi)
    return p
