"""A normal policy, whose planes can be seen: what depends on the coordinates, and what does not.

Actions x ~ N(μ, σ²) and η(μ,σ) = −½[(μ−c)² + σ²] = −½E(x−c)². The coordinates are (μ, u) with
u = (σᵏ − 1)/k, which `bend` = k takes from log σ (k = 0) to σ itself (k = 1, up to a shift) and beyond.
"""

from __future__ import annotations

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks


def gaussian_gradient(mu, sigma, c, bend) -> np.ndarray:
    """∇η in the coordinates (μ, u): (−(μ−c), −σ^{2−k}), (2,)."""
    mu, sigma, c, bend = _check_gaussian(mu, sigma, c, bend)
    return np.array([c - mu, -_power(sigma, 2 - bend)])


def gaussian_fisher(sigma, bend=0.0) -> np.ndarray:
    """The Fisher information of N(μ, σ²) in (μ, u), diag(σ⁻², 2σ^{−2k}) (prop-gaussian-fisher), (2, 2).

    In (μ, log σ), bend 0, it is diag(σ⁻², 2); in (μ, σ), bend 1, diag(σ⁻², 2σ⁻²).
    """
    _, sigma, _, bend = _check_gaussian(0.0, sigma, 0.0, bend)
    return np.diag([_power(sigma, -2.0), 2 * _power(sigma, -2 * bend)])


def gaussian_step(mu, sigma, c, step_size, *, bend, natural) -> tuple[float, float]:
    """(μ', σ') after one step of length α along ∇η, or F⁻¹∇η if `natural`, taken in the coordinates (μ, u).

    (nan, nan) where the step leaves σ > 0, which happens for bend > 0 and large α, or ends beyond all numbers. Raises
    `ValueError` for a sigma or step_size that is not positive, or a mu, c or bend that is not a finite number.
    """
    step_size, natural = checks.positive("step_size", step_size), checks.flag("natural", natural)
    mu, sigma, c, bend = _check_gaussian(mu, sigma, c, bend)
    d = gaussian_gradient(mu, sigma, c, bend)
    if natural:
        d = d / gaussian_fisher(sigma, bend).diagonal()
    ratio = _unbend(step_size * d[1] / sigma**bend, bend)
    with np.errstate(over="ignore"):
        mu, sigma = float(mu + step_size * d[0]), float(sigma * ratio)
    return (mu, sigma) if sigma > 0 and np.isfinite([mu, sigma]).all() else (np.nan, np.nan)


def gaussian_path(mu, sigma, c, step_size, steps, *, bend, natural) -> np.ndarray:
    """(μ, σ) and its next `steps` values under `gaussian_step`, (steps+1, 2); nan from where a step's are."""
    steps, step_size = checks.count("steps", steps, least=0), checks.positive("step_size", step_size)
    natural = checks.flag("natural", natural)
    path = np.full((steps + 1, 2), np.nan)
    path[0] = _check_gaussian(mu, sigma, c, bend)[:2]
    for k in range(steps):
        path[k + 1] = gaussian_step(*path[k], c, step_size, bend=bend, natural=natural)
        if np.isnan(path[k + 1, 0]):
            break
    return path


def gaussian_flow(mu, sigma, c, t, *, bend, natural) -> np.ndarray:
    """(μ, σ) at times t ≥ 0 of the flow that the steps tend to as α → 0 (prop-gaussian-flow), (..., 2) for t (...).

    Natural, whatever the bend: σ⁻² = σ₀⁻² + t and μ−c = (μ₀−c)σ²/σ₀². Euclidean: μ−c = (μ₀−c)e⁻ᵗ and
    σ^{2k−2} = σ₀^{2k−2} + (2−2k)t, which is σ₀e⁻ᵗ at k = 1; for k > 1 σ reaches 0 in finite time, and is nan from
    then on. Raises `ValueError` as `gaussian_step` does, and for a negative t.
    """
    mu, sigma, c, bend = _check_gaussian(mu, sigma, c, bend)
    t, natural = checks.array("t", t), checks.flag("natural", natural)
    checks.nonnegative("t", t, ", not a time of at least 0")
    if natural:
        shrink = 1 / (1 + sigma**2 * t)  # σ²/σ₀²
        return np.stack([c + (mu - c) * shrink, sigma * np.sqrt(shrink)], axis=-1)
    power = 2 * bend - 2
    ratio = _unbend(-t * sigma**-power, power)
    return np.stack([np.where(ratio > 0, c + (mu - c) * np.exp(-t), np.nan), sigma * ratio], axis=-1)


def gaussian_kl(mu, sigma, mu1, sigma1) -> np.ndarray:
    """KL(N(μ,σ²) ‖ N(μ₁,σ₁²)) = log(σ₁/σ) + (σ² + (μ−μ₁)²)/(2σ₁²) − ½, in nats; numbers or arrays.

    nan in, nan out, so that it takes a path that left σ > 0. Raises `ValueError` for a sigma or sigma1 ≤ 0.
    """
    named = {"mu": mu, "sigma": sigma, "mu1": mu1, "sigma1": sigma1}
    mu, sigma, mu1, sigma1 = (checks.array(name, x, nan=True) for name, x in named.items())
    for name, values in (("sigma", sigma), ("sigma1", sigma1)):
        if (values <= 0).any():
            raise ValueError(f"{name} must be positive, got {values[values <= 0].flat[0]:g}")
    moved = ((mu - mu1) / sigma1) ** 2 / 2
    d = (sigma - sigma1) * (sigma + sigma1) / sigma1**2  # σ²/σ₁² − 1; near 0 the logarithm below leaves no digits
    near = abs(d) < 0.5
    close = np.where(near, d, 0.0)
    return moved + np.where(near, (close - np.log1p(close)) / 2, np.log(sigma1 / sigma) + d / 2)


def kl_contour(mu, sigma, delta, n) -> np.ndarray:
    """n points (μ₁, σ₁) of the curve KL(N(μ,σ²) ‖ N(μ₁,σ₁²)) = δ, once around (eq-kl-contour), (n, 2).

        (μ₁−μ)² = 2σ₁²(δ + ½ − log(σ₁/σ)) − σ²

    Where the right side is 0 the curve is at its ends, log(σ₁/σ) = ½(1 + 2δ + W(−e^{−1−2δ})) with the two real
    branches of Lambert's W. Raises `ValueError` for a delta that is not in (0, 300], in nats.
    """
    mu, sigma, _, _ = _check_gaussian(mu, sigma, 0.0, 0.0)
    delta = checks.number("delta", delta, "(0, 300]")
    low, high = (1 + 2 * delta + scipy.special.lambertw(-np.exp(-1 - 2 * delta), [-1, 0]).real) / 2
    angle = _angles(n)
    log_ratio = (low + high) / 2 + (high - low) / 2 * np.sin(angle)
    square = np.expm1(2 * log_ratio) * (1 + 2 * delta - 2 * log_ratio) + 2 * (delta - log_ratio)  # ((μ₁−μ)/σ)²
    shift = np.sign(np.cos(angle)) * np.sqrt(np.maximum(square, 0.0))
    return np.stack([mu + sigma * shift, sigma * np.exp(log_ratio)], axis=1)


def kl_ellipse(mu, sigma, delta, n, bend) -> np.ndarray:
    """n points (μ₁, σ₁) of the ellipse ½dᵀFd = δ of the coordinates (μ, u), seen in (μ, σ), (n, 2).

    The points run around as those of `kl_contour` do; nan where the ellipse leaves σ > 0.
    """
    mu, sigma, _, bend = _check_gaussian(mu, sigma, 0.0, bend)
    angle, delta = _angles(n), checks.positive("delta", delta)
    shift = sigma * np.sqrt(2 * delta) * np.cos(angle)
    ratio = _unbend(np.sqrt(delta) * np.sin(angle), bend)
    return np.stack([np.where(ratio > 0, mu + shift, np.nan), sigma * ratio], axis=1)


def _unbend(shift, bend):
    """σ'/σ when u moves by shift·σᵏ: (1 + k·shift)^{1/k}, or e^shift at k = 0; nan where that is no σ' > 0."""
    inside = bend * np.asarray(shift, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(inside > -1, np.exp(np.log1p(inside) / bend if bend else shift), np.nan)


def _power(sigma, exponent):
    """σ to a power, where float64 can hold it."""
    try:
        return sigma**exponent
    except OverflowError:
        raise ValueError(f"sigma must have a power σ^{exponent:g} that float64 can hold, got {sigma:g}") from None


def _angles(n):
    n = checks.count("n", n)
    return 2 * np.pi * np.arange(n) / n


def _check_gaussian(mu, sigma, c, bend):
    return (
        checks.number("mu", mu),
        checks.positive("sigma", sigma),
        checks.number("c", c),
        checks.number("bend", bend),
    )
