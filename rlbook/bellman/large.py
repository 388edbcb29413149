"""What only large sparse worlds need: x = b + Mx by iteration, and sweeps outwards from the best state.

No result depends on what stands here, only the time it takes; measurements chose its numbers (benchmarks/bellman.py).
"""

from __future__ import annotations

from itertools import count
from math import isqrt

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook.bellman.operators import look_ahead
from rlbook.bellman.precision import Solution, bracket, rounding_of

LU_BELOW = 2000  # states: below it a sparse LU factorisation is quicker than an iterative solver
NARROW = {"panel_size": 1, "relax": 1}  # SuperLU takes no columns together: nearly triangular ones share little
DEPTH, FOLLOWED = 18, 20  # √S of states that `sweep_outwards` takes together; steps that it follows a policy
PATIENCE = 20  # turns after which a block's policy is solved for instead
MOST_PASSES, MOST_TURNS = 100, 100  # after which it goes on, to policy iteration and to the next block
NEARBY = 500  # states around the start with which `solve_outwards` begins


def solve_sparse(M, b, x, tol, gamma, *, adjoint=False) -> np.ndarray:
    """x = b + Mx by Chebyshev's iteration, else BiCGSTAB with incomplete factors (van der Vorst 1992), else LU.

    Small ones are left to LU at once. Ends when the residual b − (x − Mx) is at most `tol`, or 1e-13 of the numbers
    that it is the difference of, in maximum norm. If `adjoint`, it solves x = b + Mᵀx, and the norm is the sum of the
    absolute values.
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
    matrix = scipy.sparse.eye_array(S, format="csr") - M
    matrix = matrix.T.tocsr() if adjoint else matrix
    factors = linalg.spilu(matrix.tocsc(), drop_tol=0.03, permc_spec="NATURAL", diag_pivot_thresh=0.0, **NARROW)
    precondition = linalg.LinearOperator((S, S), matvec=factors.solve, dtype=float)
    for _ in range(2):  # what rounding left over in the first turn, the second finds
        before, enough = norm(residual), max(tol, 1e-13 * max(norm(b), norm(x)))
        if before <= enough:
            break
        with np.errstate(over="ignore", invalid="ignore"):  # where it does not converge, which the residual tells
            more, _ = linalg.bicgstab(matrix, residual, rtol=0.0, atol=enough / spread, maxiter=100, M=precondition)
        if norm(residual - matrix @ more) < before:
            x = x + more
            residual = b - matrix @ x
    if norm(residual) > 10 * enough:
        x = linalg.splu(matrix.tocsc()).solve(b)
    return x[_inverse(order)]


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
    return reached(back, S)[1:]


def solve_outwards(M, b, tol, gamma) -> np.ndarray:
    """x = b + Mᵀx, where most of it is near where b is on the states there alone, if no more than `tol` leaves those.

    Mass is lost at 1 − γ a step. Unless the policy knows where it goes, what is left does not come far from where it
    started, and the states nearby are all that count.
    """
    S, total = len(b), b.sum()
    starts = np.flatnonzero(b)
    if S < LU_BELOW or 4 * len(starts) > S:
        return solve_sparse(M, b, np.zeros(S), tol, gamma, adjoint=True)
    into = np.r_[M.indices, starts.astype(M.indices.dtype)]  # one more node leads to all starts
    graph = (np.ones(len(into), dtype=np.int8), into, np.r_[M.indptr, len(into)])
    outwards = reached(scipy.sparse.csr_array(graph, shape=(S + 1, S + 1)), S)[1:]
    n, before = NEARBY, 0.1 * total
    while 4 * n < S and b[outwards[n:]].sum() <= before / 2:
        near = np.sort(outwards[:n])
        rows = M[near]
        inside = rows[:, near]
        x = np.zeros(S)
        x[near] = solve_sparse(inside, b[near], np.zeros(n), tol / 2, gamma, adjoint=True)
        lost = x[near] @ (rows.sum(axis=1) - inside.sum(axis=1)) + b[outwards[n:]].sum()
        if lost <= max(tol / 2, 1e-13 * x.sum()):
            return x
        if lost > before / 2:
            break
        n, before = 2 * n, lost
    return solve_sparse(M, b, np.zeros(S), tol, gamma, adjoint=True)


def sweep_outwards(mdp, begun, V, tol) -> tuple[Solution, np.ndarray]:
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
    V = V + (look_ahead(mdp, V).max(axis=1) - V).min() / (1 - gamma)
    V = np.where(absorbing, mdp.r.max(axis=1) / (1 - gamma), V)[order]
    blocks, size = [], DEPTH * isqrt(S)
    for first in range(0, S, size):
        states = order[first : first + size]
        B = mdp._P[(np.arange(A)[:, None] * S + states).ravel()]
        B = scipy.sparse.csr_array((gamma * B.data, place[B.indices], B.indptr), shape=B.shape)
        blocks.append((slice(first, first + len(states)), B, np.ascontiguousarray(mdp.r[states].T), [None] * 3))
    least = max(tol * (1 - gamma) / 10, rounding_of(mdp, V))
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
            solution = bracket(mdp, ahead, look_ahead(mdp, ahead), steps, tol)
            if solution.converged or most <= least:
                break
        rest = max(min(rest, 0.1 * most), least)
    return solution, ahead


def _by_distance(mdp, goal):
    """All states, those first from which fewer steps lead to `goal`."""
    S, P = mdp.n_states, mdp._P
    state = np.repeat(np.tile(np.arange(S, dtype=P.indices.dtype), mdp.n_actions), np.diff(P.indptr))
    return reached(scipy.sparse.csr_array((np.ones(P.nnz, dtype=np.int8), (P.indices, state)), shape=(S, S)), goal)


def reached(graph, start) -> np.ndarray:
    """All nodes, those first to which fewer edges lead from `start`; at the end those to which none lead."""
    found = scipy.sparse.csgraph.breadth_first_order(graph, start, return_predecessors=False)
    return np.concatenate([found, np.delete(np.arange(graph.shape[0], dtype=found.dtype), found)])


def _inverse(order):
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return place
