"""The natural gradient (def-natural-gradient), by compatible weights (thm-compatible)."""

from __future__ import annotations

import numpy as np

from rlbook import checks
from rlbook.bellman import advantages
from rlbook.checks import EPS
from rlbook.natural_gradients.fisher import fisher, score_root, visit_distribution
from rlbook.policy_gradient import exact_gradient, policy_of


def compatible_weights(mdp, theta, *, features=None) -> np.ndarray:
    """The w of least norm among those that minimise E_{d^π,π}(w·ψ − A^π)² (thm-compatible), shaped as theta.

    Its normal equations are Fw = (1−γ)g, so w/(1−γ) = F†g. Where π is tabular the fit is exact, w = A − mean_a A in
    every state visited and 0 elsewhere (prop-natural-softmax). Raises `ValueError` as `fisher` does.
    Source: Sutton et al. (1999); Kakade (2001), Theorem 1.
    """
    pi = policy_of(mdp, theta, features=features)
    A = advantages(mdp, pi)
    if features is None:  # least squares would lose actions so unlikely that √π is rounding; this loses none
        visited = visit_distribution(mdp, pi).any(axis=1, keepdims=True)
        return np.where(visited, A - A.mean(axis=1, keepdims=True), 0.0)
    root = score_root(mdp, pi, features)
    target = (np.sqrt(visit_distribution(mdp, pi)) * A).ravel()
    return np.linalg.lstsq(root, target, rcond=max(root.shape) * EPS)[0]


def natural_gradient(mdp, theta, *, damping=0.0, features=None) -> np.ndarray:
    """F†g (def-natural-gradient), or (F + λI)⁻¹g with a damping λ > 0, shaped as theta.

    F†g is taken from the least-squares problem of `compatible_weights`, whose condition number is the square root
    of F's. Raises `ValueError` for a damping that is not a number ≥ 0, and as `fisher` does.
    Source: Amari (1998), Theorem 1; Kakade (2001).

    >>> import numpy as np
    >>> from rlbook import gridworld, natural_gradient
    >>> corridor = gridworld(["SG"], gamma=0.5)
    >>> natural_gradient(corridor, theta=np.zeros((2, 4))).round(3)
    array([[-0.4,  1.2, -0.4, -0.4],
           [ 0. ,  0. ,  0. ,  0. ]])
    """
    damping = checks.number("damping", damping, "[0, ∞)")
    if damping == 0:
        return compatible_weights(mdp, theta, features=features) / (1 - mdp.gamma)
    F, g = fisher(mdp, theta, features=features), exact_gradient(mdp, theta, features=features)
    return np.linalg.solve(F + damping * np.eye(len(F)), g.ravel()).reshape(g.shape)
