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

from rlbook.mdp import _check_count, _check_finite, _is_real, _real_array, check_policy

EPS = np.finfo(float).eps
# What measurements chose (benchmarks/bellman.py). No result depends on them, only the time it takes.
LU_BELOW = 2000  # states: below it a sparse LU factorisation is quicker than an iterative solver
TRIAL, MIXING = 20, 0.9  # `solve` leaves value iteration if in 20 sweeps its bracket shrank by less than .9 each
BLOCK, FOLLOWED = 16384, 30  # states that `_sweep_outwards` takes together; steps that it follows a policy
CHECKED, SETTLED, MOST_SWEEPS = 4, 0.01, 1000  # every how many sweeps it looks; as its docstring says; its end


class PolicyValue(NamedTuple):
    """V^π, (S,), and Q^π, (S, A); each entry is within `error_bound` of the truth."""

    V: np.ndarray
    Q: np.ndarray
    error_bound: float


class Solution(NamedTuple):
    """Optimal (or soft optimal) V, (S,), Q, (S, A), and policy pi, (S, A), as a solver left them.

    Each entry of V and Q is within `error_bound` of the truth, in exact arithmetic on the stored P and r. `steps`
    counts sweeps or policies; `converged` says whether the solver reached what it was asked for.
    """

    V: np.ndarray
    Q: np.ndarray
    pi: np.ndarray
    error_bound: float
    steps: int
    converged: bool


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


def evaluate_policy(mdp, pi, *, tol=None):
    """The value of a policy, V^π = (I − γP_π)⁻¹ r_π and Q^π = r + γ E[V^π(s')] (thm-evaluation), by one solve.

    pi is (S, A). Returns a `PolicyValue`: V, (S,), and Q, (S, A), in units of reward, and in `error_bound` how
    far either may be off in maximum norm: max |r_π − (V − γP_πV)| / (1 − γ), and what rounding may add. That is
    as small as float64 allows; with `tol`, large sparse MDPs are solved no further than to an error of about that.
    Raises `ValueError` where pi is not an (S, A) array of distributions or tol not a positive number.
    Source: Puterman (1994), Theorem 6.1.1.
    """
    return _evaluate(mdp, check_policy(mdp, pi), tol=0.0 if tol is None else _check_positive("tol", tol) / 2)


def transition_matrix(mdp, pi):
    """P_π(s'|s) = Σ_a π(a|s) P(s'|s,a), (S, S), sparse where the MDP is."""
    S, A = mdp.r.shape
    if not mdp.is_sparse:
        return np.einsum("sa,sak->sk", pi, mdp.P)
    s, a = np.nonzero(pi)
    return scipy.sparse.csr_array((pi[s, a], (s, a * S + s)), shape=(S, A * S)) @ mdp._P


def _evaluate(mdp, pi, bonus=0.0, start=None, tol=0.0):
    """`evaluate_policy` for the reward r_π + bonus; an iterative solver goes from `start` and to `tol`."""
    S, A = mdp.r.shape
    P_pi, r_pi = transition_matrix(mdp, pi), (pi * mdp.r).sum(axis=1) + bonus
    if mdp.is_sparse:
        V = _solve_sparse(mdp.gamma * P_pi, r_pi, np.zeros(S) if start is None else start, tol * (1 - mdp.gamma))
    else:
        V = np.linalg.solve(np.eye(S) - mdp.gamma * P_pi, r_pi)
    Q = _look_ahead(mdp, V)
    residual = abs((pi * Q).sum(axis=1) + bonus - V).max()
    rounding = _rounding(mdp, V) + (A + 4) * EPS * (abs(Q).max() + np.max(abs(bonus)))
    sums = (1 + mdp.row_error) * (1 + abs(pi.sum(axis=1) - 1).max() + A * EPS)  # of rows, π's and P's
    return PolicyValue(V, Q, _discounted(residual + rounding, mdp.gamma * sums))


def _solve_sparse(M, b, x, tol):
    """x = b + Mx: BiCGSTAB (van der Vorst 1992) from a guess, plain or preconditioned; by LU where small or hard.

    Ends when the residual b − (x − Mx) is at most `tol`, or 1e-13 of the numbers that it is the difference of.
    """
    S, linalg = len(b), scipy.sparse.linalg
    matrix = scipy.sparse.eye_array(S, format="csr") - M
    residual, precondition = b - matrix @ x, None
    for steps in (30, 300, 100, 100) if S >= LU_BELOW else ():
        before, enough = abs(residual).max(), max(tol, 1e-13 * max(abs(b).max(), abs(x).max()))
        if before <= enough:
            return x
        more, _ = linalg.bicgstab(matrix, residual, rtol=0.0, atol=enough, maxiter=steps, M=precondition)
        after = abs(residual - matrix @ more).max()
        if after < before:
            x, residual = x + more, b - matrix @ (x + more)
        if precondition is None and after > enough and (steps > 30 or after > before / 10):  # slow without
            factors = linalg.spilu(matrix.tocsc(), drop_tol=0.01, permc_spec="NATURAL", diag_pivot_thresh=0.0)
            precondition = linalg.LinearOperator((S, S), matvec=factors.solve, dtype=float)
    if S >= LU_BELOW and abs(residual).max() <= 10 * enough:
        return x
    return linalg.splu(matrix.tocsc()).solve(b)


# Optimal policies -------------------------------------------------------------------------------------------


def value_iteration(mdp, *, tol=1e-8, max_steps=100_000):
    """V*, Q* and an optimal policy by V_k = max_a (r + γ E V_{k−1}), within MacQueen's bounds (thm-macqueen):

        V_k + γ/(1−γ) min Δ ≤ V* ≤ V_k + γ/(1−γ) max Δ,      Δ = V_k − V_{k−1}.

    V and Q are the middle of the bracket, and `error_bound` is half its width and what rounding may add. It
    closes when Δ is nearly the same everywhere, often long before V_k has converged. `tol` is in units of
    reward; where `max_steps` sweeps do not reach it, or float64 cannot certify it, `converged` is False.
    Returns a `Solution`. Raises `ValueError` where tol is not a positive number or max_steps not a positive
    integer. Source: MacQueen (1966); Puterman (1994), Theorem 6.6.3.
    """
    return _iterate_values(mdp, _check_positive("tol", tol), _check_count("max_steps", max_steps))


def soft_value_iteration(mdp, alpha, *, tol=1e-8, max_steps=100_000):
    """V_α, Q_α and π_α by V_k = lse_α(r + γ E V_{k−1}) (thm-soft-contraction), stopped as `value_iteration` is.

    MacQueen's bounds hold here too, for T_α is monotone and turns a constant c into γc, as T* does. `alpha` is
    the temperature, in units of reward. Returns a `Solution`. Raises as `value_iteration` does, and `ValueError`
    where alpha is not a positive number. Source: Fox, Pakman and Tishby (2016).
    """
    alpha, tol = _check_positive("alpha", alpha), _check_positive("tol", tol)
    return _iterate_values(mdp, tol, _check_count("max_steps", max_steps), alpha)


def policy_iteration(mdp, *, max_steps=1000):
    """V*, Q* and an optimal policy: evaluate a policy, improve it, and again (thm-policy-iteration).

    An action is kept unless another is better by more than rounding explains, so that ties end it. `converged`
    says that no action changed in the last step. Returns a `Solution`. Raises `ValueError` where max_steps is
    not a positive integer. Source: Howard (1960); Puterman (1994), Theorem 6.4.2.
    """
    return _iterate_policies(mdp, None, _check_count("max_steps", max_steps), greedy_policy(mdp.r))


def soft_policy_iteration(mdp, alpha, *, tol=1e-8, max_steps=1000):
    """V_α, Q_α and π_α: evaluate π with its entropy, r_π + αH(π), then π ∝ exp(Q/α) (thm-soft-improvement).

    Ends when the bracket of `value_iteration` is within tol, or when V rises no more than rounding explains.
    Returns a `Solution`. Raises as `soft_value_iteration` does. Source: Haarnoja et al. (2018), Theorem 1.
    """
    alpha, tol = _check_positive("alpha", alpha), _check_positive("tol", tol)
    max_steps = _check_count("max_steps", max_steps)
    pi, V, error = soft_policy(mdp.r, alpha), None, 0.0
    for step in range(1, max_steps + 1):
        before, error_before = V, error
        V, Q, error = _evaluate(mdp, pi, alpha * scipy.special.entr(pi).sum(axis=1), start=V)
        solution = _bracket(mdp, V, Q, step, tol, alpha)
        if solution.converged or (step > 1 and (V - before).max() <= error + error_before):
            break
        pi = solution.pi
    return solution


def solve(mdp, *, tol=1e-8):
    """V*, Q* and an optimal policy within `tol`, by whichever method is quick on this MDP.

    Where states mix quickly, the bracket of `value_iteration` closes within some dozens of sweeps. Where they do
    not, policy iteration is exact after a few policies. Only in a large sparse MDP would it need many, for news of
    a reward goes not far with each; there, sweeps in the order of the distance from the best state come first.
    Returns a `Solution`. Raises `ValueError` where tol is not a positive number.
    Source: Puterman and Shin (1978), of whose modified policy iteration those sweeps are a kind.
    """
    tol = _check_positive("tol", tol)
    solution = _iterate_values(mdp, tol, 1_000_000, rate=MIXING)
    if solution.steps == TRIAL and not solution.converged:
        if mdp.is_sparse and mdp.n_states >= LU_BELOW:
            solution = _sweep_outwards(mdp, solution, tol)
        if not solution.converged:
            solution = _iterate_policies(mdp, tol, 1000, solution.pi, solution)
    return solution


def _sweep_outwards(mdp, begun, tol):
    """`begun` carried on by sweeps over blocks of states, each of which improves a block's policy and follows it.

    A block sees what the blocks before it have just found (Gauss-Seidel); those nearer to the state of highest
    value come before. From the lower end of MacQueen's bracket V ≤ T*V, and that stays so: V rises towards V*.
    Once the bracket is a hundredth of what it was, the chance p of staying put is solved for, (r + …) / (1 − γp)
    for r + γpV + … (Porteus 1975): that settles the last digits, but earlier it would have policies wait at walls.
    """
    S, A = mdp.r.shape
    order = _by_distance(mdp, int(begun.V.argmax()))
    place = np.empty_like(order)
    place[order] = np.arange(S)
    V, blocks, settled = (begun.V - begun.error_bound)[order], [], False
    for first in range(0, S, BLOCK):
        states = order[first : first + BLOCK]
        B = mdp._P[(np.arange(A)[:, None] * S + states).ravel()]
        B = scipy.sparse.csr_array((mdp.gamma * B.data, place[B.indices], B.indptr), shape=B.shape)
        blocks.append((slice(first, first + len(states)), B, np.ascontiguousarray(mdp.r[states].T)))
    for steps in range(begun.steps + 1, begun.steps + MOST_SWEEPS + 1):
        for block, B, r in blocks:
            n = np.arange(r.shape[1])
            best = ((B @ V).reshape(r.shape) + r).argmax(axis=0)
            P_pi, r_pi = B[best * len(n) + n], r[best, n]
            for _ in range(FOLLOWED):
                V[block] = P_pi @ V + r_pi
        if steps % CHECKED:
            continue
        ahead = V[place]
        solution = _bracket(mdp, ahead, _look_ahead(mdp, ahead), steps, tol)
        if solution.converged:
            break
        if not settled and solution.error_bound < begun.error_bound * SETTLED:
            settled = True
            blocks = [(block, *_without_staying(block, B, r)) for block, B, r in blocks]
    return solution


def _without_staying(block, B, r):
    """The discounted rows B and rewards r of a block, with the chance of staying put solved for."""
    row = np.repeat(np.arange(B.shape[0]), np.diff(B.indptr))
    stays = B.indices == block.start + row % r.shape[1]
    leaves = np.ones(B.shape[0])
    leaves[row[stays]] -= B.data[stays]
    data = np.where(stays, 0.0, B.data) / leaves[row]
    return scipy.sparse.csr_array((data, B.indices, B.indptr), shape=B.shape), r / leaves.reshape(r.shape)


def _by_distance(mdp, goal):
    """All states, those first from which fewer steps lead to `goal`."""
    S, P = mdp.n_states, mdp._P
    state = np.repeat(np.tile(np.arange(S, dtype=P.indices.dtype), mdp.n_actions), np.diff(P.indptr))
    back = scipy.sparse.csr_array((np.ones(P.nnz, dtype=np.int8), (P.indices, state)), shape=(S, S))
    reached = scipy.sparse.csgraph.breadth_first_order(back, goal, return_predecessors=False)
    return np.concatenate([reached, np.delete(np.arange(S, dtype=reached.dtype), reached)])


def _iterate_values(mdp, tol, max_steps, alpha=None, rate=1.0):
    """`value_iteration`; left after TRIAL sweeps if the bracket has not shrunk by `rate` with each of them."""
    W, gamma, first = np.zeros(mdp.n_states), mdp.gamma, None
    for step in range(1, max_steps + 1):
        V, Q = W, _look_ahead(mdp, W)
        W = _best(Q, alpha)
        change = W - V
        half = gamma / (1 - gamma) * (change.max() - change.min()) / 2
        first = gamma / (1 - gamma) * abs(change).max() if first is None else first
        if half <= tol:
            solution = _bracket(mdp, V, Q, step, tol, alpha)
            if solution.converged or _rounding(mdp, V) >= tol * (1 - gamma):  # rounding alone exceeds tol
                return solution
        if gamma ** (step - 1) * first < tol / 1000:  # Δ is zero but for rounding: no sweep helps
            break
        if step == TRIAL and half > rate**step * first:
            break
    return _bracket(mdp, V, Q, step, tol, alpha)


def _iterate_policies(mdp, tol, max_steps, pi, begun=None):
    V, steps = (None, 0) if begun is None else (begun.V, begun.steps)
    for step in range(steps + 1, steps + max_steps + 1):
        V, Q, error = _evaluate(mdp, pi, start=V, tol=(tol or 0.0) / 4)
        better = Q.max(axis=1) - (pi * Q).sum(axis=1) > 2 * error
        solution = _bracket(mdp, V, Q, step, tol)
        if not better.any() or (tol and solution.converged):
            break
        pi = np.where(better[:, None], solution.pi, pi)
    return solution._replace(pi=pi, converged=solution.converged if tol else not bool(better.any()))


def _look_ahead(mdp, V):
    """Q = r + γ E[V(s')], (S, A)."""
    Q = mdp.expect(V)
    Q *= mdp.gamma
    Q += mdp.r
    return Q


def _best(Q, alpha):
    return Q.max(axis=1) if alpha is None else soft_value(Q, alpha)


def _bracket(mdp, V, Q, steps, tol, alpha=None):
    """The `Solution` in the middle of the bracket that V and Q = r + γ E[V(s')] give (thm-macqueen)."""
    gamma, W = mdp.gamma, _best(Q, alpha)
    low, high = (W - V).min(), (W - V).max()
    shift, half = gamma / (1 - gamma) * (low + high) / 2, gamma / (1 - gamma) * (high - low) / 2
    rounding = _rounding(mdp, V) + 4 * EPS * (abs(W).max() + abs(shift))
    if alpha is not None:
        rounding += (mdp.n_actions + 8) * EPS * (alpha + abs(Q).max())
    # A constant c comes back from P as c times the sum of a row, which may not be quite 1.
    rounding += mdp.row_error * max(-low, high, 0.0) / (1 - gamma)
    error = half + _discounted(rounding, gamma * (1 + mdp.row_error))
    Q = Q + shift
    pi = greedy_policy(Q) if alpha is None else soft_policy(Q, alpha)
    return Solution(W + shift, Q, pi, float(error), steps, tol is not None and bool(error <= tol))


def _rounding(mdp, V):
    """How far r + γ E[V(s')] may be off for being computed in float64."""
    return (mdp.row_width + 4) * EPS * (abs(mdp.r).max() + abs(V).max())


def _discounted(error, factor):
    """Σ_t factorᵗ · error: what an error a step adds up to."""
    return float(error / (1 - factor)) if factor < 1 else np.inf


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
