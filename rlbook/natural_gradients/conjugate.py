"""Solving without a matrix: conjugate gradients (thm-cg), of which only v ↦ Fv is asked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rlbook import checks
from rlbook.checks import EPS
from rlbook.results import summary


class CGResult(NamedTuple):
    """How `conjugate_gradient` ended.

    `x` is (n,), `steps` how often it was improved, `residual` = ‖b − (F+λI)x‖/‖b‖. `status` is "converged"
    (residual ≤ tol, computed afresh from x; else it is as the search carried it along), "max_steps", or "curvature": a
    direction with pᵀ(F+λI)p ≤ 0 was met, so the matrix is not positive definite, and x is what had been reached before.
    """

    x: np.ndarray
    steps: int
    residual: float
    status: str

    __repr__ = summary

    @property
    def converged(self) -> bool:
        """Whether `status` is "converged"."""
        return self.status == "converged"


def conjugate_gradient(matvec, b, *, tol=1e-10, max_steps=None, damping=0.0) -> CGResult:
    """Solves (F + λI)x = b for symmetric positive definite F, of which only v ↦ Fv is known (thm-cg): `CGResult`.

    Step k makes x the best of the span of b, Fb, …, F^{k−1}b in the norm ‖·‖_F. `matvec` maps (n,) to (n,), `b` is
    (n,), `tol` bounds the relative residual, damping is λ ≥ 0, `max_steps` bounds the steps: 10n if None, where
    without rounding n would do. A singular F will do if b is in its range; x then is F†b. Nothing is divided by a
    curvature pᵀFp that is not positive beyond rounding: the search ends there and says so.
    Raises `ValueError` where b is not a finite vector, matvec gives something else than a finite (n,) array, or an
    option is out of its range. Source: Hestenes and Stiefel (1952).

    >>> import numpy as np
    >>> from rlbook import conjugate_gradient
    >>> result = conjugate_gradient(lambda v: np.array([4, 1]) * v, [4, 2])
    >>> result.x.round(6), result.steps, result.status
    (array([1., 2.]), 2, 'converged')
    """
    b = checks.array("b", b, ("n",))
    tol, damping = checks.positive("tol", tol), checks.number("damping", damping, "[0, ∞)")
    max_steps = 10 * len(b) if max_steps is None else checks.count("max_steps", max_steps)
    checks.function("matvec", matvec)

    def product(v):
        return checks.array("matvec(v)", matvec(v.copy()), b.shape, note=" as b has") + damping * v

    scale = abs(b).max(initial=0)
    if scale == 0:
        return CGResult(np.zeros_like(b), 0, 0.0, "converged")
    b = b / scale  # so that no square overflows or vanishes
    size, x, r, p = np.linalg.norm(b), np.zeros_like(b), b, b
    stiffest, steps, status = 0.0, 0, "max_steps"
    while steps < max_steps:
        Fp = product(p)
        curvature = p @ Fp / (p @ p)
        stiffest = max(stiffest, np.linalg.norm(Fp) / np.linalg.norm(p))
        if curvature <= len(b) * EPS * stiffest:
            status = "curvature"
            break
        steps += 1
        length = (r @ r) / (p @ Fp)
        x = x + length * p
        r, before = r - length * Fp, r
        if np.linalg.norm(r) <= tol * size:
            r = b - product(x)  # what r was updated to drifts from what it stands for
            if np.linalg.norm(r) <= tol * size:
                status = "converged"
                break
            p = r  # start again from here
        else:
            p = r + (r @ r) / (before @ before) * p
    return CGResult(scale * x, steps, float(np.linalg.norm(r) / size), status)
