"""Chapter 2: Bellman operators, the algorithms that iterate them, and what can go wrong without a table.

For a policy π, and for the best one, the operators on bounded functions of state and action are

    (T^π Q)(s,a) = r(s,a) + γ E[Σ_a' π(a'|s') Q(s',a')]                                       (def-operators)
    (T* Q)(s,a)  = r(s,a) + γ E[max_a' Q(s',a')]                                              (def-optimality)
    (T_α Q)(s,a) = r(s,a) + γ E[α log Σ_a' exp(Q(s',a')/α)],   α > 0                          (def-soft)

with s' ~ P(·|s,a). Each is a γ-contraction in the maximum norm, so each has one fixed point, Q^π, Q* and Q_α,
to which its iterates converge.
"""

from __future__ import annotations

import warnings
from itertools import count
from math import isfinite, isqrt
from operator import index
from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.checks import EPS

# What measurements chose (benchmarks/bellman.py). No result depends on them, only the time it takes.
ILU_BELOW = 0.25  # share of the moves against `_to_rest`; below it factors come before unaided BiCGSTAB
NARROW = {"panel_size": 1, "relax": 1}  # SuperLU takes no columns together: nearly triangular ones share little
LU_BELOW = 2000  # states: below it a sparse LU factorisation is quicker than an iterative solver
TRIAL, MIXING = 20, 0.9  # `solve` leaves value iteration when in 20 sweeps its bracket shrinks by less than .9 each
DENSE_FOLLOWED = 6  # sweeps that `solve` follows a policy of a dense MDP before it looks for a better one
DEPTH, FOLLOWED = 18, 20  # √S of states that `_sweep_outwards` takes together; steps that it follows a policy
PATIENCE = 20  # turns after which a block's policy is solved for instead
MOST_PASSES, MOST_TURNS = 100, 100  # after which it goes on, to policy iteration and to the next block
# What float64 asks for.
CENTRED = 100  # what all values share is taken out of them where it is this many times their range
MOST_SHIFTS = 8  # times that it is: at γ = 1 − 1e-12 each finds four digits of it
HIDDEN = 1e-6  # of the range of the rewards: the most that rounding may hide from a `policy_iteration` that converged


class PolicyValue(NamedTuple):
    """V^π, (S,), and Q^π, (S, A); each entry is within `error_bound` of the truth.

    The truth is what exact arithmetic gives for the stored numbers, once each row of P and of π is divided by its
    sum, which is 1 but for rounding.
    """

    V: np.ndarray
    Q: np.ndarray
    error_bound: float


class Solution(NamedTuple):
    """Optimal (or soft optimal) V, (S,), Q, (S, A), and policy pi, (S, A), as a solver left them.

    Each entry of V and Q is within `error_bound` of the truth: of what exact arithmetic gives for the stored r, γ
    and P, once each row of P is divided by its sum, which is 1 but for rounding. Where float64 cannot tell, it is
    large. `steps` counts sweeps or policies; `converged` says whether the solver reached what it was asked for.
    pi may be right long before V is: it is read off Q before what all entries share is added to them.
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
    pi, Q = checks.policy(mdp, pi), _check_q(mdp, Q)
    return mdp.r + mdp.gamma * mdp.expect((pi * Q).sum(axis=1))


def optimality_operator(mdp, Q):
    """T* Q = r + γ E[max_a' Q(s',a')] (def-optimality), (S, A). The max stands inside the expectation.

    Raises `ValueError` where Q is not an (S, A) array of finite numbers.
    """
    Q = _check_q(mdp, Q)
    return mdp.r + mdp.gamma * mdp.expect(Q.max(axis=1))


def soft_operator(mdp, Q, alpha):
    """T_α Q = r + γ E[lse_α Q(s',·)] (def-soft), (S, A), for a temperature α > 0 in units of reward.

    Raises `ValueError` where Q is not an (S, A) array of finite numbers or alpha not a positive number.
    """
    Q = _check_q(mdp, Q)
    return mdp.r + mdp.gamma * mdp.expect(soft_value(Q, alpha))


def greedy_policy(Q):
    """The deterministic policy that takes the first of the best actions, as an (S, A) array of 0 and 1."""
    Q = checks.array("Q", Q, ("S", "A"), copy=False)
    return np.eye(Q.shape[1])[Q.argmax(axis=1)]


def soft_value(Q, alpha):
    """lse_α Q(s,·) = α log Σ_a exp(Q(s,a)/α) = max_p {p·Q(s,·) + αH(p)} (lem-lse), (S,)."""
    Q, alpha = checks.array("Q", Q, ("S", "A"), copy=False), checks.positive("alpha", alpha)
    top = Q.max(axis=1)
    return top + alpha * np.log(np.exp((Q - top[:, None]) / alpha).sum(axis=1))


def soft_policy(Q, alpha):
    """π(a|s) ∝ exp(Q(s,a)/α), the maximiser in lse_α (lem-lse), (S, A)."""
    Q, alpha = checks.array("Q", Q, ("S", "A"), copy=False), checks.positive("alpha", alpha)
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
    pi, tol = checks.policy(mdp, pi), 0.0 if tol is None else checks.positive("tol", tol) / 2
    world = _centred(mdp)
    V, Q, error, gain = _evaluate(world, pi, tol=tol)
    return PolicyValue(*_lifted(V, Q, error, (world.gain + gain) / (1 - mdp.gamma)))


def advantages(mdp, pi):
    """A_π(s,a) = Q^π(s,a) − V^π(s), (S, A): the difference of values from which first is taken what they share.

    So rewards that are all a million larger, or a γ that is nearly 1, cost it no digits. pi is (S, A). Raises
    `ValueError` where it is not an (S, A) array of distributions.
    """
    pi = checks.policy(mdp, pi)
    V, Q, *_ = _evaluate(_centred(mdp), pi)
    return Q - V[:, None]


def transition_matrix(mdp, pi):
    """P_π(s'|s) = Σ_a π(a|s) P(s'|s,a), (S, S), sparse where the MDP is."""
    pi, (S, A) = checks.policy(mdp, pi), mdp.r.shape
    if not mdp.is_sparse:
        return np.einsum("sa,sak->sk", pi, mdp.P)
    s, a = np.nonzero(pi)
    rows = (s.astype(mdp._P.indices.dtype), (a * S + s).astype(mdp._P.indices.dtype))  # narrow, as P's own are
    return scipy.sparse.csr_array((pi[s, a], rows), shape=(S, A * S)) @ mdp._P


class _Centred:
    """An MDP from whose rewards `gain` is taken: every value is gain/(1−γ) less, and the same policies are best."""

    def __init__(self, mdp, gain):
        self.mdp, self.gain, self.r = mdp, gain, mdp.r - gain if gain else mdp.r

    def __getattr__(self, name):  # asked once a name, for it is kept
        self.__dict__[name] = getattr(self.mdp, name)
        return self.__dict__[name]


def _centred(mdp):
    """The MDP without what all its rewards share, if that is most of them."""
    return _Centred(mdp, _common(mdp.r))


def _common(values):
    """The middle of numbers that share so much that it costs them digits, else 0."""
    low, high = float(values.min()), float(values.max())
    middle = low / 2 + high / 2
    return middle if abs(middle) > CENTRED * (high - low) else 0.0


def _lifted(V, Q, error, shift):
    """V, Q and their error when `shift` is added to both."""
    return (V + shift, Q + shift, float(error + 4 * EPS * (abs(shift) + abs(Q).max()))) if shift else (V, Q, error)


def _evaluate(mdp, pi, bonus=0.0, start=None, tol=0.0, gain=0.0):
    """V, Q and their error for the rewards r_π + bonus − gain, and the gain: `evaluate_policy` without what is shared.

    V of r is V of r − gain, and gain/(1−γ). Where V is nearly the same everywhere, as it is near γ = 1 if all states
    lead to each other, or under rewards that are all large, what they share goes into the gain: what is left is as
    exact as the differences of V can be. An iterative solver goes from `start` and to `tol`.
    """
    P_pi, r_pi = transition_matrix(mdp, pi), (pi * mdp.r).sum(axis=1) + bonus
    solve = _solver(mdp, P_pi, tol)
    V = solve(r_pi - gain, start)
    for _ in range(MOST_SHIFTS):
        common = _common(V)
        if not common:
            break
        gain += (1 - mdp.gamma) * common
        V = solve(r_pi - gain, V - common)
    Q = _look_ahead(mdp, V, gain)
    residual = abs((pi * Q).sum(axis=1) + bonus - V).max()
    sums = abs(pi.sum(axis=1) - 1).max() + (mdp.n_actions + 4) * EPS
    rounding = _rounding(mdp, V, gain) + sums * (abs(Q).max() + abs(gain) + np.max(abs(bonus)))
    return V, Q, float((residual + rounding) / (1 - mdp.gamma)), gain


def _solver(mdp, P_pi, tol):
    """A function that solves V = b + γP_πV, from a guess: by one factorisation for all b, in large sparse MDPs anew.

    Where float64 finds the matrix singular it gives 0, of which the residual will say how wrong it is.
    """
    S, gamma = mdp.n_states, mdp.gamma
    if mdp.is_sparse and S >= LU_BELOW:
        M = gamma * P_pi
        return lambda b, V: _solve_sparse(M, b, np.zeros(S) if V is None else V, tol * (1 - gamma), gamma)
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


def _max_norm(v):
    return abs(v).max()


def _sum_norm(v):
    return abs(v).sum()


def _chebyshev(M, b, x, enough, gamma, norm=_max_norm):
    """x = b + Mx by Chebyshev's semi-iteration (Golub and Varga 1961) from a guess; stopped where it does not help.

    Where M's eigenvalues lie in [−γ, γ], as a random walk's do, an error shrinks by γ/(1 + √(1−γ²)) a product with
    M, not by γ. Where they lie elsewhere it may grow, which the residual tells.
    """
    omega, before, start = 2.0, x, None
    rate = gamma / (1 + (1 - gamma**2) ** 0.5)
    for k in count():
        residual = b + M @ x - x
        if k % 10 == 0:
            size = norm(residual)
            start = size if start is None else start
            if size <= enough or size > 100 * start * rate**k:  # there, or not as fast as a walk would be
                break
        omega = 1.0 if k == 0 else 1 / (1 - omega * gamma**2 / (2 if k == 1 else 4))
        before, x = x, omega * (x + residual - before) + before
    return x


def _solve_sparse(M, b, x, tol, gamma, *, adjoint=False):
    """x = b + Mx by Chebyshev's iteration, else BiCGSTAB (van der Vorst 1992), else LU, which small ones start with.

    Ends when the residual b − (x − Mx) is at most `tol`, or 1e-13 of the numbers that it is the difference of, in
    maximum norm. If `adjoint`, it solves x = b + Mᵀx, and the norm is the sum of the absolute values.
    """
    S, linalg = len(b), scipy.sparse.linalg
    norm, spread = (_sum_norm, S**0.5) if adjoint else (_max_norm, 1.0)  # norm ≤ spread · Euclidean norm
    if S < LU_BELOW:
        return linalg.splu((scipy.sparse.eye_array(S) - (M.T if adjoint else M)).tocsc()).solve(b)
    forward = M.T.tocsr() if adjoint else M
    enough = max(tol, 1e-13 * max(norm(b), norm(x)))
    better = _chebyshev(forward, b, x, enough, gamma, norm)
    residual, others = b + forward @ better - better, b + forward @ x - x
    x, residual = (better, residual) if norm(residual) < norm(others) else (x, others)
    if norm(residual) <= enough:
        return x
    order = _to_rest(M)
    M, b, x, residual = M[order], b[order], x[order], residual[order]
    M = scipy.sparse.csr_array((M.data, _inverse(order)[M.indices], M.indptr), shape=(S, S))
    matrix, precondition = scipy.sparse.eye_array(S, format="csr") - M, None
    matrix = matrix.T.tocsr() if adjoint else matrix
    steps = (100, 100) if scipy.sparse.triu(M, 1).sum() < ILU_BELOW * S else (30, 300, 100, 100)
    for most in steps:
        before, enough = norm(residual), max(tol, 1e-13 * max(norm(b), norm(x)))
        if before <= enough:
            break
        if precondition is None and most == 100:
            factors = linalg.spilu(matrix.tocsc(), drop_tol=0.03, permc_spec="NATURAL", diag_pivot_thresh=0.0, **NARROW)
            precondition = linalg.LinearOperator((S, S), matvec=factors.solve, dtype=float)
            while norm(residual) > enough:  # factors so nearly exact need no BiCGSTAB at first
                nearer = x + factors.solve(residual)
                left = b - matrix @ nearer
                if not norm(left) < norm(residual) / 2:
                    break
                x, residual = nearer, left
            before, enough = norm(residual), max(tol, 1e-13 * max(norm(b), norm(x)))
            if before <= enough:
                break
        with np.errstate(over="ignore", invalid="ignore"):  # where it does not converge, which the residual tells
            more, _ = linalg.bicgstab(matrix, residual, rtol=0.0, atol=enough / spread, maxiter=most, M=precondition)
        if norm(residual - matrix @ more) < before:
            x = x + more
            residual = b - matrix @ x
    if norm(residual) > 10 * enough:
        x = linalg.splu(matrix.tocsc()).solve(b)
    return x[_inverse(order)]


def _to_rest(M):
    """All states, those first from which the likeliest moves lead soonest to a state that they do not leave.

    In that order I − M is nearly lower triangular where a policy knows where it goes, and factors are sparse.
    """
    S, row = M.shape[0], np.repeat(np.arange(M.shape[0], dtype=M.indices.dtype), np.diff(M.indptr))
    likeliest = M.data >= np.maximum.reduceat(M.data, M.indptr[:-1])[row]
    row, column = row[likeliest], M.indices[likeliest]
    rest = row[row == column]
    edges = (np.r_[column, np.full_like(rest, S)], np.r_[row, rest])  # backwards, and from S into each that rests
    back = scipy.sparse.csr_array((np.ones(len(edges[0]), dtype=np.int8), edges), shape=(S + 1, S + 1))
    return _reached(back, S)[1:]


# Optimal policies -------------------------------------------------------------------------------------------


def value_iteration(mdp, *, tol=1e-8, max_steps=100_000):
    """V*, Q* and an optimal policy by V_k = max_a (r + γ E V_{k−1}), within MacQueen's bounds (thm-macqueen):

        V_k + γ/(1−γ) min Δ ≤ V* ≤ V_k + γ/(1−γ) max Δ,      Δ = V_k − V_{k−1}.

    V and Q are the middle of the bracket, and `error_bound` is half its width and what rounding may add. It
    closes when Δ is nearly the same everywhere, often long before V_k has converged. `tol` is in units of
    reward; `converged` says that error_bound ≤ tol, which `max_steps` sweeps may not reach, nor float64 certify.
    Returns a `Solution`. Raises `ValueError` where tol is not a positive number or max_steps not a positive
    integer. Source: MacQueen (1966); Puterman (1994), Theorem 6.6.3.
    """
    checks.tabular(mdp)
    return _iterate_values(_centred(mdp), checks.positive("tol", tol), checks.count("max_steps", max_steps))[0]


def soft_value_iteration(mdp, alpha, *, tol=1e-8, max_steps=100_000):
    """V_α, Q_α and π_α by V_k = lse_α(r + γ E V_{k−1}) (thm-soft-contraction), stopped as `value_iteration` is.

    MacQueen's bounds hold here too, for T_α is monotone and turns a constant c into γc, as T* does. `alpha` is
    the temperature, in units of reward. Returns a `Solution`. Raises as `value_iteration` does, and `ValueError`
    where alpha is not a positive number. Source: Fox, Pakman and Tishby (2016).
    """
    checks.tabular(mdp)
    alpha, tol = checks.positive("alpha", alpha), checks.positive("tol", tol)
    return _iterate_values(_centred(mdp), tol, checks.count("max_steps", max_steps), alpha)[0]


def policy_iteration(mdp, *, max_steps=1000):
    """V*, Q* and an optimal policy: evaluate a policy, improve it, and again (thm-policy-iteration).

    An action is kept unless another is better by more than rounding explains, so that ties end it. `converged`
    says that no other is, and that rounding hides little: A_π(s,a) ≤ 1e-6 (max r − min r) for each action and the
    policy that is returned. Near γ = 1, where the error of V is large, it is asked of differences of V, in which
    what errors share cancels; where that does not help, or is too dear, `converged` is False. Returns a `Solution`.
    Raises `ValueError` where max_steps is not a positive integer.
    Source: Howard (1960); Puterman (1994), Theorem 6.4.2.
    """
    checks.tabular(mdp)
    return _iterate_policies(_centred(mdp), None, checks.count("max_steps", max_steps), greedy_policy(mdp.r))


def soft_policy_iteration(mdp, alpha, *, tol=1e-8, max_steps=1000):
    """V_α, Q_α and π_α: evaluate π with its entropy, r_π + αH(π), then π ∝ exp(Q/α) (thm-soft-improvement).

    Ends when the bracket of `value_iteration` is within tol, or when V rises no more than rounding explains;
    `converged` says that error_bound ≤ tol. Returns a `Solution`. Raises as `soft_value_iteration` does.
    Source: Haarnoja et al. (2018), Theorem 1.
    """
    checks.tabular(mdp)
    alpha, tol = checks.positive("alpha", alpha), checks.positive("tol", tol)
    max_steps = checks.count("max_steps", max_steps)
    mdp, pi, V, error, gain = _centred(mdp), soft_policy(mdp.r, alpha), None, 0.0, 0.0
    for step in range(1, max_steps + 1):
        before, error_before, gain_before = V, error, gain
        V, Q, error, gain = _evaluate(mdp, pi, alpha * scipy.special.entr(pi).sum(axis=1), start=V, gain=gain)
        solution = _bracket(mdp, V, Q, step, tol, alpha, gain)
        if solution.converged:
            break
        if step > 1 and (V - before).max() + (gain - gain_before) / (1 - mdp.gamma) <= error + error_before:
            break
        pi = solution.pi
    return solution


def solve(mdp, *, tol=1e-8):
    """V*, Q* and an optimal policy within `tol`, by whichever method is quick on this MDP.

    Where states mix quickly, the bracket of `value_iteration` closes within some dozens of sweeps. Where they do
    not, policy iteration is exact after a few policies. Only in a large sparse MDP would it need many, for news of
    a reward goes not far with each; there, sweeps in the order of the distance from the best state come first.
    `converged` says that error_bound ≤ tol. Returns a `Solution`. Raises `ValueError` where tol is not a positive
    number.
    Source: Puterman and Shin (1978), of whose modified policy iteration those sweeps are a kind.
    """
    checks.tabular(mdp)
    tol = checks.positive("tol", tol)
    mdp, followed = _centred(mdp), 0 if mdp.is_sparse else DENSE_FOLLOWED  # a sparse P gives its rows too slowly
    solution, V = _iterate_values(mdp, tol, 1_000_000, rate=MIXING, followed=followed)
    if not solution.converged:
        if mdp.is_sparse and mdp.n_states >= LU_BELOW:
            solution, V = _sweep_outwards(mdp, solution, V, tol)
        if not solution.converged:
            solution = _iterate_policies(mdp, tol, 1000, solution.pi, V, solution.steps)
    return solution


def _sweep_outwards(mdp, begun, V, tol):
    """`begun`, from V, carried on by passes over blocks of states, outwards from the state of highest value.

    A block's policy is improved and followed until the block rests, and only then comes the next, which sees what
    the blocks before it have found (Gauss-Seidel); what counts as rest becomes less from pass to pass. From the
    lower end of MacQueen's bracket V ≤ T*V, and that stays so: V rises towards V*. Where a policy stays or goes
    round, it rises by γ a step and would hold up all others: absorbing states get their values at once, and a
    block that does not come to rest has its policy solved for.
    """
    (S, A), gamma = mdp.r.shape, mdp.gamma
    order = _by_distance(mdp, int(V.argmax()))
    place = _inverse(order)
    stays = np.array([mdp._P[a * S : (a + 1) * S].diagonal() for a in range(A)])
    absorbing = (stays == 1).all(axis=0)
    V = V + (_look_ahead(mdp, V).max(axis=1) - V).min() / (1 - gamma)
    V = np.where(absorbing, mdp.r.max(axis=1) / (1 - gamma), V)[order]
    blocks, size = [], DEPTH * isqrt(S)
    for first in range(0, S, size):
        states = order[first : first + size]
        B = mdp._P[(np.arange(A)[:, None] * S + states).ravel()]
        B = scipy.sparse.csr_array((gamma * B.data, place[B.indices], B.indptr), shape=B.shape)
        blocks.append((slice(first, first + len(states)), B, np.ascontiguousarray(mdp.r[states].T), [None] * 3))
    least = max(tol * (1 - gamma) / 10, _rounding(mdp, V))
    rest = max(begun.error_bound * (1 - gamma), least)
    for steps in range(begun.steps + 1, begun.steps + MOST_PASSES + 1):
        most = 0.0
        for block, B, r, followed in blocks:
            n = np.arange(r.shape[1])
            for turn in range(MOST_TURNS):
                Q = (B @ V).reshape(r.shape) + r
                W = Q.max(axis=0)
                move = (W - V[block]).max()
                V[block] = W
                most = max(most, move) if turn == 0 else most
                if not move > rest:
                    break
                best = Q.argmax(axis=0)
                if not np.array_equal(best, followed[0]):
                    followed[:] = best, B[best * len(n) + n], r[best, n]
                _, P_pi, r_pi = followed
                if turn >= PATIENCE:
                    inside = scipy.sparse.eye_array(len(n)) - P_pi[:, block]
                    V[block] += scipy.sparse.linalg.splu(inside.tocsc()).solve(P_pi @ V + r_pi - V[block])
                    continue
                for _ in range(FOLLOWED):
                    V[block] = P_pi @ V + r_pi
        if most <= max(10 * tol * (1 - gamma), least) or steps == begun.steps + MOST_PASSES:
            ahead = V[place]
            solution = _bracket(mdp, ahead, _look_ahead(mdp, ahead), steps, tol)
            if solution.converged or most <= least:
                break
        rest = max(min(rest, 0.1 * most), least)
    return solution, ahead


def _by_distance(mdp, goal):
    """All states, those first from which fewer steps lead to `goal`."""
    S, P = mdp.n_states, mdp._P
    state = np.repeat(np.tile(np.arange(S, dtype=P.indices.dtype), mdp.n_actions), np.diff(P.indptr))
    return _reached(scipy.sparse.csr_array((np.ones(P.nnz, dtype=np.int8), (P.indices, state)), shape=(S, S)), goal)


def _reached(graph, start):
    """All nodes, those first to which fewer edges lead from `start`; at the end those to which none lead."""
    reached = scipy.sparse.csgraph.breadth_first_order(graph, start, return_predecessors=False)
    return np.concatenate([reached, np.delete(np.arange(graph.shape[0], dtype=reached.dtype), reached)])


def _inverse(order):
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return place


def _iterate_values(mdp, tol, max_steps, alpha=None, rate=1.0, followed=0):
    """`value_iteration`, and its last V; each greedy policy of a dense MDP is followed for `followed` sweeps more.

    Left when in about TRIAL sweeps the bracket has not shrunk by `rate` with each of them. A constant can be taken
    from V at any time: it moves the bracket, not its width.
    """
    W, gamma, first, n = np.zeros(mdp.n_states), mdp.gamma, None, np.arange(mdp.n_states)
    trial, floor = max(1, TRIAL // (1 + followed)), 0.0
    for step in range(1, max_steps + 1):
        V, Q = W, _look_ahead(mdp, W)
        W = _best(Q, alpha)
        change = W - V
        half = gamma / (1 - gamma) * (change.max() - change.min()) / 2
        if first is None:
            first = before = gamma / (1 - gamma) * abs(change).max()
        if half <= max(tol, floor):
            solution = _bracket(mdp, V, Q, step, tol, alpha)
            if solution.converged or _rounding(mdp, V) >= tol * (1 - gamma):  # rounding alone exceeds tol
                return solution, V
        if gamma ** (step - 1) * first < tol / 1000:  # Δ is zero but for rounding: no sweep helps
            break
        if rate < 1 and step % trial == 0:
            if half > rate ** (trial * (1 + followed)) * before:
                break
            before = half
        if step % TRIAL == 0:
            W = W - _common(W)
            floor = gamma / (1 - gamma) * _rounding(mdp, W)
        if followed:
            best = Q.argmax(axis=1)
            P_pi, r_pi = mdp._P[best * len(n) + n], mdp.r[n, best]
            for _ in range(followed):
                W = r_pi + gamma * (P_pi @ W)
    return _bracket(mdp, V, Q, step, tol, alpha), V


def _iterate_policies(mdp, tol, max_steps, pi, V=None, steps=0):
    """`policy_iteration` from a policy and a guess of its V, or if `tol` is given until the bracket is within it."""
    rows, precision, gain = np.arange(mdp.n_states), (tol or 0.0) / 4, 0.0
    most_hidden = HIDDEN * (mdp.r.max() - mdp.r.min())
    for step in range(steps + 1, steps + max_steps + 1):
        V, Q, error, gain = _evaluate(mdp, pi, start=V, tol=precision, gain=gain)
        advantage = Q - (pi * Q).sum(axis=1, keepdims=True)
        best, margin = advantage.max(axis=1), 2 * error
        better, chosen = best > margin, Q.argmax(axis=1)
        solution = _bracket(mdp, V, Q, step, tol, gain=gain)
        if tol and solution.converged:
            break
        if not better.any() and precision:
            precision = 0.0  # V is to be as exact as it can be, before it is said that no action is better
            continue
        found = best.max() + margin <= most_hidden or mdp.n_actions == 1
        if not better.any() and not found:
            margin = _advantage_errors(mdp, pi, V, Q, gain)
            sure = np.where(pi > 0, 0.0, advantage - margin)
            better, chosen = sure.max(axis=1) > 0, sure.argmax(axis=1)
            found = np.max(np.where(pi > 0, 0.0, advantage + margin)) <= most_hidden
        if not better.any():
            break
        pi = pi.copy()
        pi[better] = 0.0
        pi[rows[better], chosen[better]] = 1.0
    else:
        found = False
    return solution._replace(pi=pi, converged=solution.converged if tol else bool(found))


def _advantage_errors(mdp, pi, V, Q, gain):
    """How far Q(s,a) − Σ_a' π(a'|s) Q(s,a') may be from A_π(s,a) at each pair, (S, A), for a deterministic π.

    V lacks e = (I − γP_π)⁻¹R, R its residual: as large as R/(1 − γ), but nearly the same in all states that lead to
    each other, and an advantage only lacks γ(P(·|s,a) − P_π(·|s))e. So each row of that difference is multiplied by
    the inverse K before absolute values are taken; what K itself lacks, F = I − (I − γP_π)K, counts too. In small
    MDPs only, for K is full: infinite in others, and where float64 finds no K.
    """
    (S, A), gamma = mdp.r.shape, mdp.gamma
    if S >= LU_BELOW:
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


def _look_ahead(mdp, V, gain=0.0):
    """Q = r − gain + γ E[V(s')], (S, A)."""
    Q = mdp.expect(V)
    Q *= mdp.gamma
    Q += mdp.r - gain if gain else mdp.r
    return Q


def _best(Q, alpha):
    return Q.max(axis=1) if alpha is None else soft_value(Q, alpha)


def _bracket(mdp, V, Q, steps, tol, alpha=None, gain=0.0):
    """The `Solution` in the middle of the bracket that V and Q = r − gain + γ E[V(s')] give (thm-macqueen).

    To it is added what `gain` and a `_Centred` MDP took away; its policy is read off Q before.
    """
    gamma, W = mdp.gamma, _best(Q, alpha)
    low, high = (W - V).min(), (W - V).max()
    shift, half = gamma / (1 - gamma) * (low + high) / 2, gamma / (1 - gamma) * (high - low) / 2
    rounding = _rounding(mdp, V, gain) + 4 * EPS * (abs(W).max() + max(-low, high, 0.0))
    if alpha is not None:
        rounding += (mdp.n_actions + 8) * EPS * (alpha + abs(Q).max())
    V, Q_lifted, error = _lifted(W, Q, float(half + rounding / (1 - gamma)), shift + (mdp.gain + gain) / (1 - gamma))
    error += float(4 * EPS * abs(shift))
    pi = greedy_policy(Q) if alpha is None else soft_policy(Q, alpha)
    return Solution(V, Q_lifted, pi, error, steps, tol is not None and bool(error <= tol))


def _rounding(mdp, V, gain=0.0):
    """How far r − gain + γ E[V(s')] may be off: computed in float64, with rows of P that sum to 1 only nearly."""
    most = abs(V).max()
    return (mdp.row_width + 4) * EPS * (abs(mdp.r).max() + abs(gain) + most) + mdp.row_error * most


# Traces, for looking at convergence -------------------------------------------------------------------------


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


def trace(mdp, Q, steps, *, pi=None, alpha=None):
    """Q and its next `steps` iterates under T^π where `pi` is given, T_α where `alpha` is, T* otherwise: `Trace`.

    Raises `ValueError` for both `pi` and `alpha`, a Q that is not (S, A), or steps that are not a positive
    integer.
    """
    if pi is not None and alpha is not None:
        raise ValueError("pi and alpha name two operators; give one of them")
    Qs, steps = [_check_q(mdp, Q)], checks.count("steps", steps)
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


def error_and_bounds(iterates, limit, gamma):
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


# Learning from samples --------------------------------------------------------------------------------------


class Learned(NamedTuple):
    """A table learned from steps: `Q` and `visits` (S, A), and the tables `history` (n, S, A) after `steps` (n,)."""

    Q: np.ndarray
    visits: np.ndarray
    steps: np.ndarray
    history: np.ndarray


def q_learning(env, gamma, *, steps, rng, alpha=None, epsilon=0.2, exponent=0.7, records=50):
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


# Values without a table: v_w = Φw ---------------------------------------------------------------------------


class LinearProblem(NamedTuple):
    """A Markov chain whose values are to be approximated by v_w = Φw.

    `P` (S, S), rewards `r` (S,), discount `gamma`; `features` Φ (S, n); `d` (S,) says how often each state is
    updated, and is the chain's own stationary distribution if the updates are on-policy.
    """

    P: np.ndarray
    r: np.ndarray
    gamma: float
    features: np.ndarray
    d: np.ndarray


DIRECTIONS = ("semi", "residual", "naive")


def td_direction(problem, w, method="semi"):
    """The mean update of w, (n,): E over s ~ d and s' ~ P(·|s), with δ = r + γ v_w(s') − v_w(s), of

        semi       δ φ(s)                     the target held fixed: TD(0)                       (eq-semi-gradient)
        residual   E[δ|s] (φ(s) − γ E[φ(s')|s])     minus the gradient of ½ E_d (E[δ|s])²        (eq-residual)
        naive      δ (φ(s) − γ φ(s'))         minus the gradient of ½ E δ², from single samples  (prop-double-sampling)

    Raises `ValueError` for another method or weights that do not fit. Source: Baird (1995).
    """
    problem = _check_problem(problem)
    w = checks.array("w", w, problem.features.shape[1:], note=" to fit the features")
    return _direction(problem, w, checks.choice("method", method, DIRECTIONS))


def _direction(problem, w, method):
    P, r, gamma, Phi, d = problem
    v = Phi @ w
    delta = r[:, None] + gamma * v - v[:, None]  # (s, s')
    mean_delta = r + gamma * P @ v - v
    if method == "semi":
        return Phi.T @ (d * mean_delta)
    if method == "residual":
        return (Phi - gamma * P @ Phi).T @ (d * mean_delta)
    return Phi.T @ (d * mean_delta) - gamma * Phi.T @ (d @ (P * delta))


def linear_td(problem, w, *, step_size, steps, method="semi"):
    """w and its next `steps` values under w ← w + step_size · td_direction, (steps+1, n).

    Raises `ValueError` for a step_size that is not positive or steps that are not a positive integer.
    """
    step_size, steps = checks.positive("step_size", step_size), checks.count("steps", steps)
    problem, method = _check_problem(problem), checks.choice("method", method, DIRECTIONS)
    path = [checks.array("w", w, problem.features.shape[1:], note=" to fit the features")]
    for _ in range(steps):
        path.append(path[-1] + step_size * _direction(problem, path[-1], method))
    return np.array(path)


def td_fixed_point(problem):
    """The w at which the semi-gradient is zero: Φᵀ D (I − γP) Φ w = Φᵀ D r (thm-on-policy-td), (n,)."""
    P, r, gamma, Phi, d = _check_problem(problem)
    return np.linalg.solve(Phi.T @ (d[:, None] * (Phi - gamma * P @ Phi)), Phi.T @ (d * r))


def on_policy(mdp, pi, features):
    """The `LinearProblem` of π's own chain, d its stationary distribution, for (S, n) features.

    Raises `ValueError` where the features do not fit, or the chain has no single stationary distribution.
    """
    pi = checks.policy(mdp, pi)
    features = checks.array("features", features, (mdp.n_states, "n"), note=", one row a state")
    P = transition_matrix(mdp, pi)
    P = P.toarray() if mdp.is_sparse else P
    values, vectors = np.linalg.eig(P.T)
    single = abs(values - 1) < 1e-9
    if single.sum() != 1:
        raise ValueError(f"pi's chain has {single.sum()} stationary distributions; it must have one")
    d = vectors[:, single][:, 0].real
    return LinearProblem(P, (pi * mdp.r).sum(axis=1), mdp.gamma, features, d / d.sum())


def td_zero(problem, *, steps, rng, exponent=0.7, scale=1.0):
    """TD(0) along one path of the chain: w ← w + β_n δ φ(s), β_n = scale·n^(−exponent), from w = 0, (n,).

    `d` is not used: the path visits states as the chain does. Raises `ValueError` for steps that are not a
    positive integer, a scale that is not positive, or an exponent outside (1/2, 1].
    """
    steps, scale = checks.count("steps", steps), checks.positive("scale", scale)
    exponent = checks.number("exponent", exponent, "(1/2, 1]")
    checks.generator(rng)
    P, r, gamma, Phi, _ = _check_problem(problem)
    cumulative = P.cumsum(axis=1)
    w, s = np.zeros(Phi.shape[1]), 0
    for n, u in enumerate(rng.random(steps), start=1):
        s_next = min(int(np.searchsorted(cumulative[s], u, side="right")), len(P) - 1)
        delta = r[s] + gamma * Phi[s_next] @ w - Phi[s] @ w
        w += scale * n**-exponent * delta * Phi[s]
        s = s_next
    return w


def baird_star(gamma=0.99):
    """Baird's star (1995), in the form of Sutton and Barto (2018, Figure 11.1): a `LinearProblem` and its start w.

    Seven states and eight weights: v(s) = 2w_s + w_8 for the six outer states, v(7) = w_7 + 2w_8. The policy
    always goes to the seventh state; updates visit all seven alike. Rewards are 0, so w = 0 is right.
    """
    gamma, features = checks.discount(gamma), np.zeros((7, 8))
    features[range(6), range(6)] = 2.0
    features[:6, 7] = 1.0
    features[6, 6:] = 1.0, 2.0
    P = np.zeros((7, 7))
    P[:, 6] = 1.0
    start = np.array([1.0, 1, 1, 1, 1, 1, 10, 1])
    return LinearProblem(P, np.zeros(7), gamma, features, np.full(7, 1 / 7)), start


def two_states(gamma=0.99):
    """w → 2w (Tsitsiklis and Van Roy 1997): values w and 2w, only the first updated; a `LinearProblem`."""
    P = np.array([[0.0, 1.0], [0.0, 1.0]])
    return LinearProblem(P, np.zeros(2), checks.discount(gamma), np.array([[1.0], [2.0]]), np.array([1.0, 0.0]))


def split():
    """A leads to B or C with equal chance, B earns 1 and C nothing, and both end (Sutton and Barto 2018, §11.5).

    A `LinearProblem` with a table for A, B, C and γ = 1; the end is a fourth state without features, its
    value 0. Episodes start in A, so B and C are visited half as often as A.
    """
    P = np.zeros((4, 4))
    P[0, 1] = P[0, 2] = 0.5
    P[1:, 3] = 1.0
    return LinearProblem(P, np.array([0.0, 1, 0, 0]), 1.0, np.eye(4, 3), np.array([0.5, 0.25, 0.25, 0]))


# Helpers ----------------------------------------------------------------------------------------------------


def _check_q(mdp, Q):
    return checks.array("Q", Q, checks.tabular(mdp).r.shape, note=", one row a state")


def _check_problem(problem):
    """The parts of a `LinearProblem`, each checked."""
    P, r, gamma, features, d = checks.instance("problem", problem, LinearProblem)
    P = checks.distributions("problem.P", P, ("S", "S"))
    S = len(P)
    r, d = (checks.array(f"problem.{name}", values, (S,)) for name, values in (("r", r), ("d", d)))
    gamma = checks.number("problem.gamma", gamma, "[0, 1]")
    return LinearProblem(P, r, gamma, checks.array("problem.features", features, (S, "n")), d)
