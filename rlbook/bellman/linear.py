"""Values without a table, v_w = Φw: the directions of TD, where they lead, and the examples in which they diverge."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rlbook import checks
from rlbook.bellman.operators import transition_matrix
from rlbook.results import summary


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

    __repr__ = summary


DIRECTIONS = ("semi", "residual", "naive")
"""The methods of `td_direction`."""


def td_direction(problem, w, method="semi") -> np.ndarray:
    """The mean update of w, (n,): E over s ~ d and s' ~ P(·|s), with δ = r + γ v_w(s') − v_w(s), of

        semi     δ φ(s)                        the target held fixed: TD(0) (eq-semi-gradient)
        residual E[δ|s] (φ(s) − γ E[φ(s')|s])  −∇ ½ E_d (E[δ|s])² (eq-residual)
        naive    δ (φ(s) − γ φ(s'))            −∇ ½ E δ², from single samples (prop-double-sampling)

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


def linear_td(problem, w, *, step_size, steps, method="semi") -> np.ndarray:
    """w and its next `steps` values under w ← w + step_size · td_direction, (steps+1, n).

    Raises `ValueError` for a step_size that is not positive or steps that are not a positive integer.
    """
    step_size, steps = checks.positive("step_size", step_size), checks.count("steps", steps)
    problem, method = _check_problem(problem), checks.choice("method", method, DIRECTIONS)
    path = [checks.array("w", w, problem.features.shape[1:], note=" to fit the features")]
    for _ in range(steps):
        path.append(path[-1] + step_size * _direction(problem, path[-1], method))
    return np.array(path)


def td_fixed_point(problem) -> np.ndarray:
    """The w at which the semi-gradient is zero: Φᵀ D (I − γP) Φ w = Φᵀ D r (thm-on-policy-td), (n,)."""
    P, r, gamma, Phi, d = _check_problem(problem)
    return np.linalg.solve(Phi.T @ (d[:, None] * (Phi - gamma * P @ Phi)), Phi.T @ (d * r))


def on_policy(mdp, pi, features) -> LinearProblem:
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


def td_zero(problem, *, steps, rng, exponent=0.7, scale=1.0) -> np.ndarray:
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


def baird_star(gamma=0.99) -> tuple[LinearProblem, np.ndarray]:
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


def two_states(gamma=0.99) -> LinearProblem:
    """w → 2w (Tsitsiklis and Van Roy 1997): values w and 2w, only the first updated; a `LinearProblem`."""
    P = np.array([[0.0, 1.0], [0.0, 1.0]])
    return LinearProblem(P, np.zeros(2), checks.discount(gamma), np.array([[1.0], [2.0]]), np.array([1.0, 0.0]))


def split() -> LinearProblem:
    """A leads to B or C with equal chance, B earns 1 and C nothing, and both end (Sutton and Barto 2018, §11.5).

    A `LinearProblem` with a table for A, B, C and γ = 1; the end is a fourth state without features, its
    value 0. Episodes start in A, so B and C are visited half as often as A.
    """
    P = np.zeros((4, 4))
    P[0, 1] = P[0, 2] = 0.5
    P[1:, 3] = 1.0
    return LinearProblem(P, np.array([0.0, 1, 0, 0]), 1.0, np.eye(4, 3), np.array([0.5, 0.25, 0.25, 0]))


def _check_problem(problem):
    """The parts of a `LinearProblem`, each checked."""
    P, r, gamma, features, d = checks.instance("problem", problem, LinearProblem)
    P = checks.distributions("problem.P", P, ("S", "S"))
    S = len(P)
    r, d = (checks.array(f"problem.{name}", values, (S,)) for name, values in (("r", r), ("d", d)))
    gamma = checks.number("problem.gamma", gamma, "[0, 1]")
    return LinearProblem(P, r, gamma, checks.array("problem.features", features, (S, "n")), d)
