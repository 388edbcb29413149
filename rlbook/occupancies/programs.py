"""The best policy as a program over D (thm-lp, prop-entropy-concave), certified, and D's corners (prop-vertices)."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.bellman.evaluation import evaluate
from rlbook.bellman.operators import best_value, greedy_policy, look_ahead
from rlbook.bellman.planning import soft_policy_iteration, solve
from rlbook.bellman.precision import centred, rounding_of
from rlbook.checks import EPS
from rlbook.occupancies.measures import occupancy, policy_from_occupancy
from rlbook.results import summary

# The tightest that HiGHS takes; and a mass below which its policy is not to be read off.
HIGHS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
NEGLIGIBLE = 1e-9


class ProgramSolution(NamedTuple):
    """A program over D solved: `rho` and `pi`, (S, A), the dual variables `V`, (S,), and a certificate.

    `value` is the objective at rho, the occupancy of pi, less what rounding may have added to it; `bound` is ρ₀·V for a
    V that satisfies the dual's constraints, and what rounding may have taken from it. The optimum lies between the
    two, whatever the solver did; near γ = 1, where float64 can tell less, they are further apart. All in units of
    reward.

    Under k budgets `multipliers` (k,) are what a unit more of each would earn, in reward a unit, and `spent` (k,) is
    ρ·c of each; they are empty where there are none.
    """

    rho: np.ndarray
    pi: np.ndarray
    V: np.ndarray
    value: float
    bound: float
    multipliers: np.ndarray
    spent: np.ndarray

    __repr__ = summary

    @property
    def duality_gap(self) -> float:
        """bound − value: how far `value` is from the optimum at most."""
        return self.bound - self.value


class Frontier(NamedTuple):
    """The best return under each of n budgets: `budgets`, `values` and `multipliers` (n,), and policies `pi` (n, S, A).

    values is concave in budgets, and multipliers is its slope.
    """

    budgets: np.ndarray
    values: np.ndarray
    multipliers: np.ndarray
    pi: np.ndarray

    __repr__ = summary


class Vertices(NamedTuple):
    """All deterministic policies: `actions`, (A^S, S), and their occupancies `rho`, (A^S, S, A); some may be equal."""

    actions: np.ndarray
    rho: np.ndarray

    __repr__ = summary


def occupancy_program(mdp, *, costs=None, budgets=None, method="highs") -> ProgramSolution:
    """The best policy as a linear program, max {ρ·r : ρ ∈ D} (thm-lp), by HiGHS: a `ProgramSolution`.

    With `costs` c, (S, A), and a number `budgets`, or (k, S, A) and (k,), it is the best policy that keeps ρ·c ≤ budget
    for each (ex-budget), which may have to draw lots; after an episode's end nothing is spent, whatever c says. The
    dual's constraints are V ≥ r − Σ_i λ_i c_i + γ E V, and `multipliers` are the prices λ ≥ 0. HiGHS keeps a budget to
    within 1e-10 of the largest cost; `spent` says what pi does spend.

    The dual variables of the flow are V, with V ≥ r + γ E V, and ρ(s,a) (V − r − γ E V)(s,a) = 0 (complementary
    slackness). V = V* wherever the solution comes; elsewhere it may be larger, and is V* everywhere if ρ₀ > 0.
    HiGHS's ρ only has to be right in what it takes where: pi is read off it, greedy for V where it hardly comes, and
    rho is ρ_π anew. `method` is scipy's: "highs", "highs-ds" (dual simplex) or "highs-ipm" (interior point).
    Raises `ValueError` for another method, costs without budgets or the other way round, shapes that do not fit, and
    budgets that no policy keeps, with the least that can be spent; and `RuntimeError` where HiGHS ends without a
    solution. Source: Manne (1960); Puterman (1994), Section 6.9; Altman (1999); Huangfu and Hall (2018).
    """
    checks.tabular(mdp)
    costs, budgets = _check_budgets(mdp, costs, budgets)
    checks.choice("method", method, ("highs", "highs-ds", "highs-ipm"))
    world, (S, A) = centred(mdp), mdp.r.shape  # as ρ sums to 1/(1−γ), what all rewards share decides nothing
    scale = abs(world.r).max() or 1.0
    P = mdp.P if mdp.is_sparse else mdp.P.reshape(S * A, S)
    flow = scipy.sparse.kron(scipy.sparse.eye_array(S), np.ones((1, A))) - mdp.gamma * scipy.sparse.csr_array(P).T
    dearest = abs(costs).max(axis=(1, 2))
    dearest[dearest == 0] = 1.0
    result = scipy.optimize.linprog(
        -world.r.ravel() / scale,
        A_ub=costs.reshape(-1, S * A) / dearest[:, None],
        b_ub=budgets / dearest,
        A_eq=flow.tocsc(),
        b_eq=mdp.rho0,
        bounds=(0, None),
        method=method,
        options=HIGHS,
    )
    if result.status == 2 and len(budgets):
        raise ValueError(_unkept(mdp, costs, budgets))
    if result.x is None:
        raise RuntimeError(f"HiGHS found no solution: {result.message}")
    V, multipliers = -scale * result.eqlin.marginals, np.maximum(-scale * result.ineqlin.marginals / dearest, 0.0)
    price = np.tensordot(multipliers, costs, axes=1)
    found = np.maximum(result.x.reshape(S, A), 0.0)
    found[found.sum(axis=1) < NEGLIGIBLE] = 0.0
    pi = policy_from_occupancy(found, unvisited=greedy_policy(look_ahead(world, V) - price)).pi
    solution = _certified(mdp, world, pi, V, price=price, worth=multipliers @ budgets)
    return solution._replace(multipliers=multipliers, spent=np.tensordot(costs, solution.rho, axes=2))


def budget_frontier(mdp, cost, budgets) -> Frontier:
    """The best return against what may be spent: `occupancy_program` under each of n `budgets`, (n,), of one `cost`.

    cost is (S, A), and a budget bounds ρ·cost. Returns a `Frontier`. Raises `ValueError` as `occupancy_program` does.
    """
    cost, budgets = checks.table("cost", mdp, cost), checks.array("budgets", budgets, ("n",))
    solved = [occupancy_program(mdp, costs=cost, budgets=budget) for budget in budgets]
    values, multipliers = [x.value for x in solved], [x.multipliers[0] for x in solved]
    return Frontier(budgets, np.array(values), np.array(multipliers), np.array([x.pi for x in solved]))


def entropy_program(mdp, alpha, *, tol=1e-10) -> ProgramSolution:
    """max {ρ·r + αH(ρ) : ρ ∈ D} (prop-entropy-concave), solved by soft policy iteration: a `ProgramSolution`.

    Its Lagrangian is bounded only where V(s) ≥ α log Σ_a exp(Q_V(s,a)/α) with Q_V = r + γ E V, and then by ρ₀·V: so
    the best V is the soft optimal V_α, and the best ρ that of the soft policy. alpha is in units of reward, `tol`
    that of `soft_policy_iteration`, which raises as it does. Source: Geist, Scherrer and Pietquin (2019).
    """
    alpha = checks.positive("alpha", alpha)
    soft = soft_policy_iteration(mdp, alpha, tol=tol)
    return _certified(mdp, centred(mdp), soft.pi, None, alpha)


def deterministic_occupancies(mdp, *, most=4096) -> Vertices:
    """The occupancies of all A^S deterministic policies, among which are all vertices of D (prop-vertices): `Vertices`.

    Raises `ValueError` where there are more than `most`.
    """
    (S, A), most = checks.tabular(mdp).r.shape, checks.count("most", most)
    if A**S > most:
        raise ValueError(f"mdp has {A}^{S} deterministic policies, more than most = {most}")
    actions = np.array(list(product(range(A), repeat=S)))
    return Vertices(actions, np.array([occupancy(mdp, np.eye(A)[chosen]) for chosen in actions]))


def _check_budgets(mdp, costs, budgets):
    """`costs` as (k, S, A) and `budgets` as (k,), k = 0 where there are none."""
    if (costs is None) != (budgets is None):
        missing = "costs" if costs is None else "budgets"
        raise ValueError(f"{missing} must be given too: a budget is a bound on a cost")
    if costs is None:
        return np.zeros((0, *mdp.r.shape)), np.zeros(0)
    costs = checks.array("costs", costs, mdp.r.shape, ("k", *mdp.r.shape))
    budgets = checks.array("budgets", budgets, costs.shape[:-2], note=", one for each of costs")
    costs = costs.reshape(-1, *mdp.r.shape)
    costs[:, mdp.terminal] = 0.0
    return costs, budgets.reshape(-1)


def _unkept(mdp, costs, budgets):
    """What to say of budgets that no policy keeps."""
    for i, (cost, budget) in enumerate(zip(costs, budgets, strict=True)):
        least = -mdp.rho0 @ solve(mdp.replace(r=-cost)).V
        if least > budget:
            return f"budgets[{i}] is {budget:g}, but no policy spends less than {least:.6g}"
    return "budgets cannot be kept together, though each of them alone can"


def _certified(mdp, world, pi, V, alpha=None, price=0.0, worth=0.0):
    """The `ProgramSolution` of a policy, and of a V for the rewards of `world`, by default the policy's own.

    (V + c) satisfies the dual's constraints where c(1−γ) is as much as V breaks them by, and rounding might hide.
    Under budgets each pair has a `price`, and the prices of the budgets themselves, `worth`, add to the bound.
    """
    gamma, rho0, pi = mdp.gamma, mdp.rho0 / mdp.rho0.sum(), checks.policy(mdp, pi)
    bonus = 0.0 if alpha is None else alpha * scipy.special.entr(pi).sum(axis=1)
    own, _, error, gain = evaluate(world, pi, bonus)
    V, shift = own if V is None else V - gain / (1 - gamma), (world.gain + gain) / (1 - gamma)
    Q = look_ahead(world, V, gain) - price
    rounding = rounding_of(world, V, gain) + 4 * EPS * (abs(V).max() + np.max(abs(price)))
    if alpha is not None:
        rounding += (mdp.n_actions + 8) * EPS * (alpha + abs(Q).max())
    V = V + max((best_value(mdp, Q, alpha) - V).max() + rounding, 0.0) / (1 - gamma)
    sums = (len(V) + 4) * EPS * (max(abs(V).max(), abs(own).max()) + abs(shift) + abs(worth))
    value, bound = rho0 @ own + shift - (error + sums), rho0 @ V + worth + shift + sums
    return ProgramSolution(occupancy(mdp, pi), pi, V + shift, float(value), float(bound), np.zeros(0), np.zeros(0))
