"""Which way is down: the steepest step in a norm of one's own (thm-steepest)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rlbook import checks
from rlbook.checks import EPS
from rlbook.results import summary


class SteepestStep(NamedTuple):
    """The step `d`, (n,), that lowers g·d most among those with dᵀGd ≤ ε, and that lowest `value` of g·d."""

    d: np.ndarray
    value: float

    __repr__ = summary


def steepest_descent(G, g, epsilon) -> SteepestStep:
    """The steepest step, argmin {g·d : dᵀGd ≤ ε} = −√(ε / gᵀG⁻¹g) G⁻¹g, with minimum −√(ε gᵀG⁻¹g) (thm-steepest).

    G is (n, n), symmetric and positive definite; g is (n,) and not zero; epsilon is in units of ‖d‖_G². Returns a
    `SteepestStep`. Raises `ValueError` where one of these fails: at g = 0 no direction is steepest.
    """
    g, epsilon = checks.array("g", g, ("n",)), checks.positive("epsilon", epsilon)
    G = checks.array("G", G, (len(g), len(g)), note=" to go with g")
    off = np.argwhere(abs(G - G.T) > 1e-10 * abs(G).max(initial=0))
    if len(off):
        i, j = off[0]
        raise ValueError(f"G must be symmetric, but G[{i}, {j}] is {G[i, j]:g} and G[{j}, {i}] is {G[j, i]:g}")
    if not g.any():
        raise ValueError("g must not be zero: where the gradient vanishes no direction is steepest")
    eigenvalues = np.linalg.eigvalsh(G)
    if eigenvalues[0] <= len(g) * EPS * eigenvalues[-1]:
        raise ValueError(f"G must be positive definite, but its smallest eigenvalue is {eigenvalues[0]:.3g}")
    direction = np.linalg.solve(G, g)
    length = np.sqrt(g @ direction)  # ‖G⁻¹g‖_G
    return SteepestStep(-np.sqrt(epsilon) / length * direction, float(-np.sqrt(epsilon) * length))
