"""Chapter 2: Bellman operators, the algorithms that iterate them, and what can go wrong without a table.

For a policy π, and for the best one, the operators on bounded functions of state and action are

    (T^π Q)(s,a) = r(s,a) + γ E[Σ_a' π(a'|s') Q(s',a')]                                       (def-operators)
    (T* Q)(s,a)  = r(s,a) + γ E[max_a' Q(s',a')]                                              (def-optimality)
    (T_α Q)(s,a) = r(s,a) + γ E[α log Σ_a' exp(Q(s',a')/α)],   α > 0                          (def-soft)

with s' ~ P(·|s,a). Each is a γ-contraction in the maximum norm, so each has one fixed point, Q^π, Q* and Q_α,
to which its iterates converge.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook.mdp import _check_finite, _is_real, _real_array, check_policy


class PolicyValue(NamedTuple):
    """V^π, (S,), and Q^π, (S, A)."""

    V: np.ndarray
    Q: np.ndarray


# Operators --------------------------------------------------------------------------------------------------


def bellman_operator(mdp, pi, Q):
    """T^π Q = r + γ E[Σ_a' π(a'|s') Q(s',a')] (def-operators), (S, A).

    Raises `ValueError` where pi is not an (S, A) array of distributions or Q not an (S, A) array of finite
    numbers.
    """
    pi, Q = check_policy(mdp, pi), _check_q(mdp, Q)
    return mdp.r + mdp.gamma * mdp.expect((pi * Q).sum(axis=1))


def optimality_operator(mdp, Q):
    """T* Q = r + γ E[max_a' Q(s',a')] (def-optimality), (S, A). The max stands inside the expectation.

    Raises `ValueError` where Q is not an (S, A) array of finite numbers.
    """
    return mdp.r + mdp.gamma * mdp.expect(_check_q(mdp, Q).max(axis=1))


def soft_operator(mdp, Q, alpha):
    """T_α Q = r + γ E[lse_α Q(s',·)] (def-soft), (S, A), for a temperature α > 0 in units of reward.

    Raises `ValueError` where Q is not an (S, A) array of finite numbers or alpha not a positive number.
    """
    return mdp.r + mdp.gamma * mdp.expect(soft_value(_check_q(mdp, Q), alpha))


def greedy_policy(Q):
    """The deterministic policy that takes the first of the best actions, as an (S, A) array of 0 and 1."""
    Q = _real_array("Q", Q, ndim=2)
    return np.eye(Q.shape[1])[Q.argmax(axis=1)]


def soft_value(Q, alpha):
    """lse_α Q(s,·) = α log Σ_a exp(Q(s,a)/α) = max_p {p·Q(s,·) + αH(p)} (lem-lse), (S,)."""
    Q, alpha = _real_array("Q", Q, ndim=2), _check_positive("alpha", alpha)
    top = Q.max(axis=1)
    return top + alpha * np.log(np.exp((Q - top[:, None]) / alpha).sum(axis=1))


def soft_policy(Q, alpha):
    """π(a|s) ∝ exp(Q(s,a)/α), the maximiser in lse_α (lem-lse), (S, A)."""
    Q, alpha = _real_array("Q", Q, ndim=2), _check_positive("alpha", alpha)
    weights = np.exp((Q - Q.max(axis=1, keepdims=True)) / alpha)
    return weights / weights.sum(axis=1, keepdims=True)


# Policies evaluated -----------------------------------------------------------------------------------------


def evaluate_policy(mdp, pi):
    """The exact V^π = (I − γP_π)⁻¹ r_π and Q^π = r + γ E[V^π(s')], by one linear solve.

    Raises `ValueError` where pi is not an (S, A) array of distributions.
    """
    pi = check_policy(mdp, pi)
    P_pi, r_pi = transition_matrix(mdp, pi), (pi * mdp.r).sum(axis=1)
    if mdp.is_sparse:
        V = scipy.sparse.linalg.spsolve(
            scipy.sparse.eye_array(mdp.n_states, format="csc") - mdp.gamma * P_pi.tocsc(), r_pi
        )
    else:
        V = np.linalg.solve(np.eye(mdp.n_states) - mdp.gamma * P_pi, r_pi)
    return PolicyValue(V, mdp.r + mdp.gamma * mdp.expect(V))


def transition_matrix(mdp, pi):
    """P_π(s'|s) = Σ_a π(a|s) P(s'|s,a), (S, S), sparse where the MDP is."""
    S, A = mdp.r.shape
    if mdp.is_sparse:
        average = scipy.sparse.csr_array((pi.ravel(), np.arange(S * A), np.arange(0, S * A + 1, A)), shape=(S, S * A))
        return average @ mdp.P
    return np.einsum("sa,sak->sk", pi, mdp.P)


# Helpers ----------------------------------------------------------------------------------------------------


def _check_q(mdp, Q):
    Q = _real_array("Q", Q, ndim=2)
    if Q.shape != mdp.r.shape:
        raise ValueError(f"Q must have shape {mdp.r.shape}, one row a state, got {Q.shape}")
    _check_finite("Q", Q)
    return Q


def _check_positive(name, value):
    if not _is_real(value) or value <= 0:
        raise ValueError(f"{name} must be a positive number, got {value!r}")
    return float(value)
