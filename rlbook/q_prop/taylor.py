"""A baseline that sees the action, made a straight line, and what puts it back (eq-taylor-action, eq-q-prop)."""

from __future__ import annotations

import numpy as np

from rlbook import checks


def taylor_baseline(a, a_bar, value, slope) -> np.ndarray:
    """f̄(s,a) = f(s,ā) + ∇_a f(s,a)|_ā·(a − ā) (eq-taylor-action), (...,).

    a and ā are (..., d); `value` f(s,ā) is (...,), and `slope` ∇_a f|_ā is (..., d). Axes in front broadcast. Raises
    `ValueError` for a slope that is not finite, as where f is not differentiable.
    """
    named = {"a": a, "a_bar": a_bar, "value": value, "slope": slope}
    a, a_bar, value, slope = (checks.array(name, x) for name, x in named.items())
    checks.broadcast("a", a.shape, "a_bar", a_bar.shape, "slope", slope.shape, "value", (*value.shape, 1))
    return value + ((a - a_bar) * slope).sum(axis=-1)


def taylor_correction(slope, jacobian) -> np.ndarray:
    """(∂μ/∂θ)ᵀ ∇_a f|_ā = E[f̄(s,a)ψ], the expectation that the Taylor baseline takes away (prop-taylor-correction).

    `slope` is (..., d) and `jacobian` ∂μ/∂θ (..., d, n); the result is a column, (..., n). It is the part for the
    mean's parameters; for the parameters of a learned Σ it is 0 (prop-sigma-correction). Raises `ValueError` for
    numbers of actions that differ.
    """
    slope, jacobian = checks.array("slope", slope), checks.array("jacobian", jacobian)
    _check_jacobian(jacobian, "slope", slope)
    return np.einsum("...d,...dn->...n", slope, jacobian)


def gaussian_score(a, mean, covariance, jacobian) -> np.ndarray:
    """ψ = ∇_θ log N(a; μ_θ, Σ) = (∂μ/∂θ)ᵀ Σ⁻¹ (a − μ), (..., n), for θ that moves μ only.

    a and `mean` are (..., d), `covariance` is (d, d) and `jacobian` (..., d, n); axes in front broadcast.
    """
    a, mean, jacobian = checks.array("a", a), checks.array("mean", mean), checks.array("jacobian", jacobian)
    _check_jacobian(jacobian, "a", a)
    checks.broadcast("a", a.shape, "mean", mean.shape)
    covariance = checks.array("covariance", covariance, (jacobian.shape[-2],) * 2, note=", (d, d) as jacobian has d")
    if np.linalg.matrix_rank(covariance) < len(covariance):
        raise ValueError("covariance must be invertible")
    return np.einsum("...d,...dn->...n", (a - mean) @ np.linalg.inv(covariance), jacobian)


def q_prop_samples(score, advantage, deviation, slope, jacobian, weight=1.0) -> np.ndarray:
    """The estimator of one step, (Â − κĀ)ψ + κ(∂μ/∂θ)ᵀv with Ā = v·(a − μ) (eq-q-prop), (..., n).

    `score` is ψ, (..., n); `advantage` Â, (...,); `deviation` a − μ(s), (..., d); `slope` v(s), (..., d); `jacobian`
    (..., d, n); `weight` κ(s), a number or (...,). One v and one κ go into both halves. A κ that looks at the sampled
    action or at Â makes it biased (prop-single-sample). Times γᵗ and summed over a trajectory it estimates ∇η.
    """
    named = {"weight": weight, "score": score, "advantage": advantage, "deviation": deviation, "slope": slope}
    weight, score, advantage, deviation, slope = (checks.array(name, x) for name, x in named.items())
    jacobian = checks.array("jacobian", jacobian)
    _check_jacobian(jacobian, "slope", slope)
    if score.shape[-1:] != jacobian.shape[-1:]:
        raise ValueError(f"score must be (..., n) to go with jacobian {jacobian.shape}, got {score.shape}")
    if deviation.shape[-1:] != slope.shape[-1:]:
        raise ValueError(f"deviation must be (..., d) to go with slope {slope.shape}, got {deviation.shape}")
    steps = {"advantage": advantage.shape, "score": score.shape[:-1], "weight": weight.shape}
    checks.broadcast(*(part for item in steps.items() for part in item), "slope", slope.shape[:-1])
    residual = advantage - weight * taylor_baseline(deviation, 0.0, 0.0, slope)
    return residual[..., None] * score + weight[..., None] * taylor_correction(slope, jacobian)


def _check_jacobian(jacobian, name, other):
    """Raise unless jacobian is (..., d, n) for an `other` of (..., d), axes in front broadcasting."""
    if other.ndim < 1 or jacobian.ndim < 2 or other.shape[-1] != jacobian.shape[-2]:
        raise ValueError(f"jacobian must be (..., d, n) to go with {name} {other.shape}, got {jacobian.shape}")
    checks.broadcast(name, other.shape[:-1], "jacobian", jacobian.shape[:-2])
