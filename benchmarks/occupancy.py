"""Occupancy measures of policies on gridworlds against scipy's sparse LU, and control as a linear program.

LU is given the matrix ready-made; ours starts from the MDP and the policy. Ours is certified by its flow residual,
‖ρ − ρ_π‖₁ ≤ ‖residual‖₁/(1−γ) ≤ 1e-6, of a mass of 100. The linear program is solved by HiGHS, certified by its
dual, against QuantEcon's, a simplex on a dense tableau, which is ended after a time and not begun where its tableau
would fill the memory; and against `solve` and value iteration, which are no linear programming at all.
"""

from __future__ import annotations

import functools
import os
import time

import numpy as np
import scipy.sparse as sp

from benchmarks.bellman import quantecon, world
from benchmarks.timing import Result, capped, interleaved, show
from rlbook import TabularMDP, garnet, solve, value_iteration
from rlbook.bellman import transition_matrix
from rlbook.occupancies import flow_residual, occupancy, occupancy_program

TOL = 1e-6
CAP = 1.5  # QuantEcon's program is ended after 1.5 times our time


def visits(name, mdp, pi, repeats, goal=0.3):
    """The row that compares us with LU, and a note with the times and errors."""
    P_pi = transition_matrix(mdp, pi)

    def lu():
        matrix = sp.eye_array(mdp.n_states, format="csc") - mdp.gamma * P_pi.T.tocsc()
        return sp.linalg.splu(matrix).solve(mdp.rho0)

    rho = occupancy(mdp, pi, tol=TOL)
    certified = abs(flow_residual(mdp, rho)).sum() / (1 - mdp.gamma)
    error = abs(rho.sum(axis=1) - lu()).sum()
    assert error <= certified + 1e-9, f"{name}: the certificate does not hold"
    assert certified <= TOL, f"{name}: not within the tolerance"
    turns = interleaved({"ours": lambda: occupancy(mdp, pi, tol=TOL), "LU": lu}, repeats)
    told = ", ".join(f"{k} {np.median(v):.3g} s" for k, v in turns.items())
    reached = (rho.sum(axis=1) > 0).sum()
    note = f"{name}: {told}; error {error:.0e}, certified {certified:.0e}; ρ > 0 in {reached} of {mdp.n_states} states"
    return Result(f"{name}: LU", goal, np.median(turns["ours"] / turns["LU"]), False), note


def dense(mdp):
    S, A = mdp.r.shape
    return TabularMDP(mdp.P.toarray().reshape(S, A, S) if mdp.is_sparse else mdp.P, mdp.r, mdp.gamma, mdp.rho0)


def program(mdp):
    """QuantEcon's linear program, compiled and with its model built: a function that gives V."""
    quantecon(garnet(8, 2, 2, gamma=0.5, rng=np.random.default_rng(0))).solve(method="linear_programming")
    model = quantecon(dense(mdp))
    return lambda: model.solve(method="linear_programming", max_iter=10**9).v


def fits(mdp):
    """Whether QuantEcon's dense program fits the memory twice: its transitions and its tableau."""
    S, A = mdp.r.shape
    return 2 * 8 * S * (2 * S * A + S) <= os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def programs(name, mdp, repeats):
    """Rows for the linear program against QuantEcon's and for planning against it, and a note with all times.

    With more repeats than one all of them take turns; else each stands alone, for the programs take long.
    """
    start = time.perf_counter()
    solution = occupancy_program(mdp)
    ours = time.perf_counter() - start
    assert solution.duality_gap <= TOL, f"{name}: the program's certificate is too wide"
    functions = {
        "QuantEcon's": lambda: model.solve(method="linear_programming", max_iter=10**9).v,
        "value_iteration": lambda: value_iteration(mdp, tol=TOL).V,
        "solve": lambda: solve(mdp, tol=TOL).V,
    }
    seconds, told = {}, [f"the program's gap {solution.duality_gap:.0e}"]
    if repeats > 1:
        model = quantecon(dense(mdp))
        seconds = interleaved({"HiGHS": lambda: occupancy_program(mdp), **functions}, repeats)
    else:
        theirs, V = capped(functools.partial(program, mdp), CAP * ours) if fits(mdp) else (None, None)
        del functions["QuantEcon's"]
        seconds = {"HiGHS": np.array([ours]), **interleaved(functions, 3)}
        if theirs is None:
            told.append("QuantEcon's not begun, for want of memory")
        else:
            seconds["QuantEcon's"] = np.array([theirs])
            told.append(
                "QuantEcon's ended" if V is None else f"QuantEcon's off by {abs(mdp.rho0 @ V - solution.value):.0e}"
            )
    for method, function in functions.items():
        error = abs(mdp.rho0 @ function() - solution.value)
        assert error <= 2 * TOL, f"{name}: {method} and the program disagree"
    told += [f"{method} {np.median(each):.3g} s" for method, each in seconds.items()]
    medians = {method: np.median(each) for method, each in seconds.items()}
    rows = []
    if "QuantEcon's" in medians:
        ratio = medians["HiGHS"] / medians["QuantEcon's"]
        rows.append(Result(f"{name}, linear program by HiGHS: QuantEcon's", 1, ratio, False))
    for method in ("value_iteration", "solve") if repeats == 1 else ():
        ratio = medians[method] / medians["HiGHS"]
        rows.append(Result(f"{name}, {method}: the linear program by HiGHS", 1, ratio, False))
    return rows, f"{name}: " + ", ".join(told)


def main():
    results, notes = [], []
    for side in (100, 300, 1000):
        mdp = world(side)
        equal = np.full(mdp.r.shape, 0.25)
        repeats, goal = 1 if side == 1000 else 9, 0.3 if side >= 300 else 3
        for kind, pi in (("equiprobable", equal), ("optimal", solve(mdp, tol=TOL).pi)):
            result, note = visits(f"{kind} policy on {side}²", mdp, pi, repeats, goal)
            if (kind, side) != ("optimal", 300):  # LU works on a nearly triangular matrix there: no row
                results.append(result)
            notes.append(note)
    for side, repeats in ((20, 5), (100, 1)):
        rows, note = programs(f"grid of {side}²", world(side), repeats)
        results.extend(rows)
        notes.append(note)
    show("Occupancy: share of the time of", results, *notes)
