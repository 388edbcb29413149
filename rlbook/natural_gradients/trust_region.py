"""From a bound to a trust region: one step of TRPO."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rlbook import checks
from rlbook.natural_gradients.conjugate import CGResult, conjugate_gradient
from rlbook.results import summary


class TrustRegionStep(NamedTuple):
    """A `step` = `scale`·`direction`, (n,), and what it does; all zero with `accepted` False if no trial passed.

    `improvement` and `divergence` are those of `step`, `backtracks` counts the trials that were refused, and `cg`
    says how the direction F⁻¹g was found.
    """

    step: np.ndarray
    direction: np.ndarray
    scale: float
    accepted: bool
    improvement: float
    divergence: float
    backtracks: int
    cg: CGResult

    __repr__ = summary


def trust_region_step(
    gradient, matvec, objective, divergence, delta, *, backtrack=0.5, max_backtracks=10, **cg
) -> TrustRegionStep:
    """One step of TRPO: the natural direction, scaled to the trust region, shortened until it holds: `TrustRegionStep`.

    With x = F⁻¹g by `conjugate_gradient`, whose options damping, tol and max_steps are passed on, √(2δ/gᵀx)·x makes
    the model ½dᵀFd of the divergence equal δ (prop-trust-step); damping makes it smaller. The step is multiplied by
    `backtrack` until objective(step) > objective(0) and divergence(step) ≤ δ, at most `max_backtracks` times.
    `gradient` is (n,); `objective` and `divergence` are functions of the step, (n,) → float.
    Raises `ValueError` for δ ≤ 0, a backtrack outside (0, 1), a max_backtracks that is no whole number ≥ 0, and as
    `conjugate_gradient` does. Source: Schulman et al. (2015), Appendix C.
    """
    delta, g = checks.positive("delta", delta), checks.array("gradient", gradient, ("n",))
    backtrack = checks.number("backtrack", backtrack, "(0, 1)")
    max_backtracks = checks.count("max_backtracks", max_backtracks, least=0)
    checks.function("objective", objective)
    checks.function("divergence", divergence)
    solved = conjugate_gradient(matvec, g, **cg)
    slope = float(g @ solved.x)  # gᵀF⁻¹g; 0 where g is 0, or no direction was found
    trials = max_backtracks + 1 if slope > 0 else 0
    start = objective(np.zeros_like(g))
    for refused in range(trials):
        # A hair short of the boundary: where the model is exact, rounding must not cost half the step.
        scale = backtrack**refused * float(np.sqrt(2 * delta / slope)) * (1 - 1e-9)
        step = scale * solved.x
        improvement, distance = float(objective(step) - start), float(divergence(step))
        if improvement > 0 and distance <= delta:  # a NaN is refused as well
            return TrustRegionStep(step, solved.x, scale, True, improvement, distance, refused, solved)
    return TrustRegionStep(np.zeros_like(g), solved.x, 0.0, False, 0.0, 0.0, trials, solved)
