"""A ruler for policies: the Fisher information (def-fisher), and the divergence that it measures (thm-fisher-kl)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rlbook import checks
from rlbook.divergences import kl
from rlbook.occupancies import occupancy
from rlbook.policy_gradient import policy_of, score_table


def fisher(mdp, theta, *, features=None) -> np.ndarray:
    """The Fisher information F = E_{s~d^π, a~π}[ψψᵀ] (def-fisher), exact, (n, n).

    A state that π never visits adds nothing. Tabular softmax (prop-fisher-softmax): rank A−1 for each state visited,
    0 for a terminal one.
    Raises `ValueError` as `softmax_policy` does, and where theta or features do not fit the MDP.
    Source: Kakade (2001), equation 2, with the discounted d^π.

    >>> import numpy as np
    >>> from rlbook import fisher, gridworld
    >>> here = gridworld(["SG"], gamma=0.5)
    >>> fisher(here, theta=np.zeros((2, 4))).diagonal().round(3)  # none at the goal
    array([0.15, 0.15, 0.15, 0.15, 0.  , 0.  , 0.  , 0.  ])
    """
    root = score_root(mdp, policy_of(mdp, theta, features=features), features)
    return root.T @ root


def fisher_vector_product(mdp, theta, *, features=None) -> Callable[[np.ndarray], np.ndarray]:
    """The function v ↦ Fv, (n,) → (n,), which needs no n × n matrix: O(S·A·n) a product, tabular O(S·A)."""
    pi = policy_of(mdp, theta, features=features)
    weight = visit_distribution(mdp, pi)
    features = None if features is None else checks.array("features", features)
    n = pi.size if features is None else features.shape[2]

    def product(v):
        v = checks.array("v", v, (n,))
        slope = v.reshape(pi.shape) if features is None else features @ v
        slope = slope - (pi * slope).sum(axis=1, keepdims=True)  # ψ·v, (S, A)
        slope *= weight
        return slope.ravel() if features is None else slope.ravel() @ features.reshape(-1, n)

    return product


def estimate_fisher(scores) -> np.ndarray:
    """F̂ = (1/N) Σ_i ψ_i ψ_iᵀ of N sampled scores, (N, n), as an (n, n) matrix: O(Nn²).

    It is unbiased if the states are drawn from d^π and the actions from π; F̂⁻¹ is not (prop-inverse-bias).
    """
    scores = checks.array("scores", scores, ("N", "n"))
    return scores.T @ scores / len(scores)


def sampled_product(scores) -> Callable[[np.ndarray], np.ndarray]:
    """The function v ↦ F̂v = Ψᵀ(Ψv)/N, (n,) → (n,), of N sampled scores Ψ, (N, n): O(Nn) a product (prop-cost)."""
    scores = checks.array("scores", scores, ("N", "n"))
    return lambda v: scores.T @ (scores @ checks.array("v", v, scores.shape[1:])) / len(scores)


def mean_kl(mdp, pi, pi_new) -> float:
    """E_{s~d^π} KL(π‖π'), in nats; states that π never visits count nothing, were their KL infinite."""
    pi, pi_new = checks.policy(mdp, pi), checks.policy(mdp, pi_new, "pi_new")
    d = visit_distribution(mdp, pi).sum(axis=1)
    return float(d[d > 0] @ kl(pi, pi_new)[d > 0])


def quadratic_kl(F, d) -> float:
    """The second-order model ½dᵀFd of the mean KL over a step d (thm-fisher-kl).

    F is (n, n) or a function v ↦ Fv; d is (n,), or shaped as theta.
    """
    d = checks.array("d", d).ravel()
    if callable(F) and not isinstance(F, type):
        Fd = F(d.copy())
    else:
        Fd = checks.array("F", F, (len(d), len(d)), note=" to go with d") @ d
    return float(d @ checks.array("F(d)", Fd, d.shape, note=" as d has") / 2)


def visit_distribution(mdp, pi) -> np.ndarray:
    """d^π(s)π(a|s) = (1−γ)ρ_π(s,a), (S, A); where rounding has made it negative it is 0."""
    return np.maximum((1 - mdp.gamma) * occupancy(mdp, pi), 0.0)


def score_root(mdp, pi, features) -> np.ndarray:
    """The (S·A, n) matrix of rows √(d^π(s)π(a|s)) ψ(s,a), whose square is F."""
    weight = np.sqrt(visit_distribution(mdp, pi))
    return weight.reshape(-1, 1) * score_table(pi, features=features).reshape(pi.size, -1)
