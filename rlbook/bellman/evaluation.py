"""The value of a policy (thm-evaluation), by one solve whose error is known."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.bellman import large
from rlbook.bellman.operators import look_ahead, transition_matrix
from rlbook.bellman.precision import centred, common, lifted, rounding_of
from rlbook.checks import EPS
from rlbook.results import summary

MOST_SHIFTS = 8  # times that it is: at γ = 1 − 1e-12 each finds four digits of it


class PolicyValue(NamedTuple):
    """V^π, (S,), and Q^π, (S, A); each entry is within `error_bound` of the truth.

    The truth is what exact arithmetic gives for the stored numbers, once each row of P and of π is divided by its
    sum, which is 1 but for rounding.
    """

    V: np.ndarray
    Q: np.ndarray
    error_bound: float

    __repr__ = summary


def evaluate_policy(mdp, pi, *, tol=None) -> PolicyValue:
    """The value of a policy, V^π = (I − γP_π)⁻¹ r_π and Q^π = r + γ E[V^π(s')] (thm-evaluation), by one solve.

    pi is (S, A). Returns a `PolicyValue`: V, (S,), and Q, (S, A), in units of reward, and in `error_bound` how
    far either may be off in maximum norm: max |r_π − (V − γP_πV)| / (1 − γ), and what rounding may add. That is
    as small as float64 allows; with `tol`, large sparse MDPs are solved no further than to an error of about that.
    Raises `ValueError` where pi is not an (S, A) array of distributions or tol not a positive number.
    Source: Puterman (1994), Theorem 6.1.1.

    >>> from rlbook import evaluate_policy, gridworld
    >>> corridor = gridworld(["S..G"], gamma=0.9)
    >>> evaluate_policy(corridor, pi=[[0, 1, 0, 0]] * 4).V.round(6)  # always to the right
    array([0.81, 0.9 , 1.  , 0.  ])
    """
    pi, tol = checks.policy(mdp, pi), 0.0 if tol is None else checks.positive("tol", tol) / 2
    world = centred(mdp)
    V, Q, error, gain = evaluate(world, pi, tol=tol)
    return PolicyValue(*lifted(V, Q, error, (world.gain + gain) / (1 - mdp.gamma)))


def advantages(mdp, pi) -> np.ndarray:
    """A_π(s,a) = Q^π(s,a) − V^π(s), (S, A): the difference of values from which first is taken what they share.

    So rewards that are all a million larger, or a γ that is nearly 1, cost it no digits. pi is (S, A). Raises
    `ValueError` where it is not an (S, A) array of distributions.
    """
    pi = checks.policy(mdp, pi)
    V, Q, *_ = evaluate(centred(mdp), pi)
    return Q - V[:, None]


def evaluate(mdp, pi, bonus=0.0, start=None, tol=0.0, gain=0.0) -> tuple[np.ndarray, np.ndarray, float, float]:
    """V, Q and their error for the rewards r_π + bonus − gain, and the gain: `evaluate_policy` without what is shared.

    V of r is V of r − gain, and gain/(1−γ). Where V is nearly the same everywhere, as it is near γ = 1 if all states
    lead to each other, or under rewards that are all large, what they share goes into the gain: what is left is as
    exact as the differences of V can be. An iterative solver goes from `start` and to `tol`.
    """
    P_pi, r_pi = transition_matrix(mdp, pi), (pi * mdp.r).sum(axis=1) + bonus
    solve = _solver(mdp, P_pi, tol)
    V = solve(r_pi - gain, start)
    for _ in range(MOST_SHIFTS):
        shared = common(V)
        if not shared:
            break
        gain += (1 - mdp.gamma) * shared
        V = solve(r_pi - gain, V - shared)
    Q = look_ahead(mdp, V, gain)
    residual = abs((pi * Q).sum(axis=1) + bonus - V).max()
    sums = abs(pi.sum(axis=1) - 1).max() + (mdp.n_actions + 4) * EPS
    rounding = rounding_of(mdp, V, gain) + sums * (abs(Q).max() + abs(gain) + np.max(abs(bonus)))
    return V, Q, float((residual + rounding) / (1 - mdp.gamma)), gain


def _solver(mdp, P_pi, tol):
    """A function that solves V = b + γP_πV, from a guess: by one factorisation for all b, in large sparse MDPs anew.

    Where float64 finds the matrix singular it gives 0, of which the residual will say how wrong it is.
    """
    S, gamma = mdp.n_states, mdp.gamma
    if mdp.is_sparse and S >= large.LU_BELOW:
        M = gamma * P_pi
        return lambda b, V: large.solve_sparse(M, b, np.zeros(S) if V is None else V, tol * (1 - gamma), gamma)
    if mdp.is_sparse:
        try:
            factors = scipy.sparse.linalg.splu((scipy.sparse.eye_array(S) - gamma * P_pi).tocsc())
        except RuntimeError:
            return lambda b, V: np.zeros(S)
        solve = factors.solve
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)
            factors = scipy.linalg.lu_factor(np.eye(S) - gamma * P_pi, overwrite_a=True, check_finite=False)

        def solve(b):
            return scipy.linalg.lu_solve(factors, b, check_finite=False)

    def solved(b, V):
        V = solve(b)
        return V if np.isfinite(V).all() else np.zeros(S)

    return solved


def advantage_errors(mdp, pi, V, Q, gain) -> np.ndarray | float:
    """How far Q(s,a) − Σ_a' π(a'|s) Q(s,a') may be from A_π(s,a) at each pair, (S, A), for a deterministic π.

    V lacks e = (I − γP_π)⁻¹R, R its residual: as large as R/(1 − γ), but nearly the same in all states that lead to
    each other, and an advantage only lacks γ(P(·|s,a) − P_π(·|s))e. So each row of that difference is multiplied by
    the inverse K before absolute values are taken; what K itself lacks, F = I − (I − γP_π)K, counts too. In small
    MDPs only, for K is full: infinite in others, and where float64 finds no K.
    """
    (S, A), gamma = mdp.r.shape, mdp.gamma
    if S >= large.LU_BELOW:
        return np.inf
    P_pi = transition_matrix(mdp, pi)
    M = np.eye(S) - gamma * (P_pi.toarray() if mdp.is_sparse else P_pi)
    try:
        K = np.linalg.inv(M)
    except np.linalg.LinAlgError:
        return np.inf
    one = (mdp.row_width + A + 8) * EPS + mdp.row_error  # of a product with a row of P, and of the row
    rounding = one * (abs(mdp.r - gain) + mdp.expect(abs(V)))
    own, own_rounding = (pi * Q).sum(axis=1), (pi * rounding).sum(axis=1)
    residual = abs(own - V) + own_rounding + one * abs(V)
    F = abs(np.eye(S) - M @ K) + (one + np.count_nonzero(M, axis=1).max() * EPS) * (abs(M) @ abs(K))
    f = F.sum(axis=1).max()
    if not f < 0.1:
        return np.inf
    residual += F @ residual + f / (1 - f) * (F @ residual).max()  # (I − F)⁻¹ times it at most
    errors, PK, spread = np.empty((S, A)), P_pi @ K, one * (abs(K) @ residual)
    for a in range(A):
        P_a = mdp._P[a * S : (a + 1) * S]
        errors[:, a] = abs(P_a @ K - PK) @ residual + P_a @ spread + P_pi @ spread
    return 1.01 * (gamma * errors + rounding + own_rounding[:, None])
