"""What a critic can reach: the exact mean and variance of the estimator (thm-q-prop, prop-three-terms)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rlbook import checks
from rlbook.occupancies import state_occupancy
from rlbook.q_prop.problems import check_problem
from rlbook.q_prop.taylor import q_prop_samples, taylor_baseline, taylor_correction
from rlbook.results import summary


class WeightQuadratic(NamedTuple):
    """Var_a of the gradient in each state as a function of its weight: `none` − 2κ·`cross` + κ²·`control`, each (S,).

    With X = Âψ and Y = Āψ these are tr Var X, tr Cov(X, Y) and tr Var Y given s (prop-adaptive).
    """

    none: np.ndarray
    cross: np.ndarray
    control: np.ndarray

    __repr__ = summary

    def __call__(self, weight):
        """The variance in each state, (S,), at a weight that is a number or (S,)."""
        weight = checks.array("weight", weight, (), self.none.shape)
        variance = self.none - 2 * weight * self.cross + weight**2 * self.control
        return np.maximum(variance, 0.0)  # below 0 it is rounding

    @property
    def best(self) -> np.ndarray:
        """The weight with the smallest variance, `cross`/`control`, (S,); 0 where the control is 0."""
        return np.divide(self.cross, self.control, out=np.zeros_like(self.cross), where=self.control > 0)


class VarianceTerms(NamedTuple):
    """Total variance of the gradient of one step, in three terms (prop-three-terms).

    `trajectory` is E Var(·|s,a), what happens after the action; `action` E Var(E[·|s,a] | s); `state` Var E[·|s].
    """

    trajectory: float
    action: float
    state: float

    __repr__ = summary

    @property
    def total(self) -> float:
        """Their sum, the total variance."""
        return self.trajectory + self.action + self.state


def q_prop_gradient(problem, advantage, slope, weight=0.0) -> np.ndarray:
    """E ĝ of the estimator with weight κ(s) and slope v(s), in an exact sum over states and nodes (thm-q-prop), (n,).

        Σ_s ρ_π(s) { Σ_m π_m (Â(s,a_m) − κ(s)Ā(s,a_m)) ψ(s,a_m) + κ(s) (∂μ/∂θ)ᵀ v(s) }.

    `advantage` is E[Â|s,a] at the nodes, (S, M), as `expected_gae` gives it or Q^π itself; `slope` is (S, d), `weight`
    a number or (S,), or (S, M) for a weight that looks at the action, which is biased (prop-single-sample). ρ_π is not
    normalised, so with Â = Q^π the result is ∇η.
    """
    gradients = _node_gradients(problem, advantage, slope, weight)
    p = state_occupancy(problem.mdp, problem.pi)[:, None] * problem.pi
    return np.einsum("sm,smn->n", p, gradients)


def deterministic_gradient(problem, slope) -> np.ndarray:
    """Σ_s ρ_π(s) (∂μ/∂θ)ᵀ v(s): the correction alone, without the residual (prop-dpg), (n,).

    With v = ∇_a Q^π(s,a)|_μ(s) it tends to the deterministic policy gradient, and to ∇η, as Σ → 0; at a fixed Σ it is
    biased unless Q^π is at most quadratic in the action. `slope` is (S, d).
    Source: Silver, Lever, Heess, Degris, Wierstra and Riedmiller (2014), Theorems 1 and 2.
    """
    problem = check_problem(problem)
    slope = checks.array("slope", slope, problem.mean.shape)
    return state_occupancy(problem.mdp, problem.pi) @ taylor_correction(slope, problem.jacobian)


def agreement(problem, advantage, slope) -> tuple[np.ndarray, np.ndarray]:
    """K(s) = E[ÂĀ|s] and W(s) = Var(Ā|s) = vᵀΣv, each (S,): what the rules for κ look at (prop-adaptive)."""
    advantage, slope, _ = _check_parts(problem, advantage, slope, 0.0)
    bar = taylor_baseline(problem.actions, problem.mean[:, None], 0.0, slope[:, None])
    advantage = advantage - (problem.pi * advantage).sum(axis=1, keepdims=True)  # E Ā = 0: it changes but the rounding
    return (problem.pi * advantage * bar).sum(axis=1), np.einsum("si,ij,sj->s", slope, problem.covariance, slope)


def weight_quadratic(problem, advantage, slope) -> WeightQuadratic:
    """tr Var(E[ĝ|s,a] | s) as a function of κ(s), a `WeightQuadratic` (prop-adaptive).

    Unlike K/W, its `best` weight counts what the score makes of each action. Arguments as in `q_prop_gradient`.
    """
    plain = _node_gradients(problem, advantage, slope, 0.0)
    control = plain - _node_gradients(problem, advantage, slope, 1.0)  # Y − E[Y|s]

    x, y = (g - np.einsum("sm,smn->sn", problem.pi, g)[:, None] for g in (plain, control))
    return WeightQuadratic(*(np.einsum("sm,smn,smn->s", problem.pi, *pair) for pair in ((x, x), (x, y), (y, y))))


def variance_terms(problem, advantage, noise, slope, weight=0.0) -> VarianceTerms:
    """The total variance of one step's gradient in its three terms, as `VarianceTerms` (prop-three-terms).

    The state is drawn from (1−γ)ρ_π, the action from π, and Â given both has the mean `advantage` and the variance
    `noise`, both (S, M). A baseline that is a function of state and action, here κ(s)Ā, changes the middle term only.
    `slope` and `weight` as in `q_prop_gradient`. Raises `ValueError` for a negative noise.
    """
    g = _node_gradients(problem, advantage, slope, weight)
    noise = checks.array("noise", noise, problem.pi.shape)
    checks.nonnegative("noise", noise, ", not a variance")
    nu = (1 - problem.mdp.gamma) * state_occupancy(problem.mdp, problem.pi)
    p = nu[:, None] * problem.pi
    given_state = np.einsum("sm,smn->sn", problem.pi, g)
    return VarianceTerms(
        trajectory=float((p * noise * (problem.score**2).sum(axis=-1)).sum()),
        action=float((p * ((g - given_state[:, None]) ** 2).sum(axis=-1)).sum()),
        state=float(nu @ ((given_state - nu @ given_state) ** 2).sum(axis=-1)),
    )


def _node_gradients(problem, advantage, slope, weight):
    """E[ĝ|s,a] at the nodes, (S, M, n)."""
    advantage, slope, weight = _check_parts(problem, advantage, slope, weight)
    deviation = problem.actions - problem.mean[:, None]
    return q_prop_samples(problem.score, advantage, deviation, slope[:, None], problem.jacobian[:, None], weight)


def _check_parts(problem, advantage, slope, weight):
    problem = check_problem(problem)
    S, M = problem.pi.shape
    advantage = checks.array("advantage", advantage, (S, M))
    slope = checks.array("slope", slope, problem.mean.shape)
    weight = checks.array("weight", weight, (), (S,), (S, M))
    return advantage, slope, weight[:, None] if weight.ndim == 1 else weight
