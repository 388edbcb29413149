"""Control variates: f + c(g − E g), its best c (prop-control-variate), and what fitting c to the same samples costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlbook import checks


def optimal_coefficient(f, g) -> float | np.ndarray:
    """The coefficient with the smallest sample variance of f + c(g − E g) (prop-control-variate, prop-control-vector).

    For f, (N,), and g, (N,), it is c* = −Cov(f,g)/Var(g). For f, (N, d), and k controls g, (N, k), it is the matrix
    C* = −Cov(f,g) Cov(g)⁻¹, (d, k), which makes the total variance smallest; an axis that f or g lacks, C* lacks.
    Where Cov(g) is singular it is the smallest of the best, so 0 for a constant g. Raises `ValueError` for fewer than
    two samples, different numbers of them, or numbers that are not finite.
    """
    f, g = _check_samples(f, g)
    if len(f) < 2:
        raise ValueError(f"f must hold at least 2 samples, got {len(f)}")
    return -_slope(f, g)


def control_variate(f, g, mean_g, c) -> np.ndarray:
    """The values f + c(g − E g) (prop-control-variate), shaped like f.

    f is (N,) or (N, d); g is (N,) or (N, k), `mean_g` a number or (k,), and c shaped as `optimal_coefficient` returns
    it. They have the mean of f if c was chosen without looking at them. Raises `ValueError` for shapes that do not
    fit.
    """
    f, g = _check_samples(f, g)
    mean_g = checks.array("mean_g", mean_g, g.shape[1:], empty=True)
    c = checks.array("c", c, f.shape[1:] + g.shape[1:], empty=True)
    return _controlled(f, g - mean_g, c)


def cross_fitted(f, g, mean_g, *, folds=2) -> np.ndarray:
    """Controlled values whose coefficients come from other samples (prop-cross-fit), shaped like f.

    The N samples are cut into `folds` parts, in order; the coefficient for each is `optimal_coefficient` of the rest,
    which is independent of it, so the mean of the values is an unbiased estimate of E f. Arguments and errors as in
    `control_variate`; `folds` is at least 2 and leaves at least two samples outside of each part.
    """
    f, g = _check_samples(f, g)
    mean_g = checks.array("mean_g", mean_g, g.shape[1:], empty=True)
    N, folds = len(f), checks.count("folds", folds)
    if not 2 <= folds <= N or N - -(-N // folds) < 2:
        raise ValueError(f"folds must be at least 2 and leave at least 2 of {N} samples outside, got {folds}")
    values = np.empty_like(f)
    for part in np.array_split(np.arange(N), folds):
        rest = np.delete(np.arange(N), part)
        values[part] = _controlled(f[part], g[part] - mean_g, -_slope(f[rest], g[rest]))
    return values


def fitted_on_same(f, g, mean_g) -> np.ndarray:
    """Controlled values whose coefficient is fitted on themselves: biased (prop-same-sample), shaped like f.

    Their mean is that of a regression line read off at E g. Its bias is 0 where E[f|g] is a line, as for Gaussians, and
    otherwise of order 1/N. Arguments and errors as in `control_variate`.
    """
    return control_variate(f, g, mean_g, optimal_coefficient(f, g))


@dataclass(frozen=True)
class CorrelatedPair:
    """A quantity f and a control g of correlation `corr`, whose E[f|g] is a line or a parabola.

    With z, u independent N(0,1), ρ = corr and b = bend,

        g = sd_g·z,    f = mean_f + sd_f·[ρz + √(1−ρ²)·(b(z²−1)/√2 + √(1−b²)·u)].

    E g = 0 and E f = mean_f; sd_f and sd_g are the standard deviations. bend = 0 makes (f, g) Gaussian, bend = 1 makes
    f a function of g. Raises `ValueError` for standard deviations that are not positive, corr outside [−1, 1] or bend
    outside [0, 1].
    """

    mean_f: float
    sd_f: float
    sd_g: float
    corr: float
    bend: float = 1.0

    def __post_init__(self):
        intervals = {"mean_f": "(-∞, ∞)", "sd_f": "(0, ∞)", "sd_g": "(0, ∞)", "corr": "[-1, 1]", "bend": "[0, 1]"}
        checks.fields(self, intervals)

    def values(self, z, u) -> tuple[np.ndarray, np.ndarray]:
        """(f, g) at given z and u, numbers or arrays that broadcast; f is shaped like both, g like z."""
        z, u = checks.numbers(z=z, u=u)
        rest = self.bend * (z**2 - 1) / np.sqrt(2) + np.sqrt(1 - self.bend**2) * u
        return self.mean_f + self.sd_f * (self.corr * z + np.sqrt(1 - self.corr**2) * rest), self.sd_g * z

    def sample(self, n, rng) -> tuple[np.ndarray, np.ndarray]:
        """n independent samples (f, g), each (n,)."""
        return self.values(*checks.generator(rng).standard_normal((2, checks.count("n", n))))

    def variance(self, c) -> float | np.ndarray:
        """Var(f + c·g) = sd_f² + 2c·corr·sd_f·sd_g + c²·sd_g² (prop-control-variate); c a number or an array."""
        c = checks.array("c", c)[()]
        return (self.corr * self.sd_f + c * self.sd_g) ** 2 + self.least  # the same, and never below 0

    @property
    def best(self) -> float:
        """c* = −corr·sd_f/sd_g, where the variance is smallest."""
        return -self.corr * self.sd_f / self.sd_g

    @property
    def least(self) -> float:
        """(1 − corr²)·sd_f², the variance at c*."""
        return (1 - self.corr) * (1 + self.corr) * self.sd_f**2

    def same_sample_bias(self, n) -> float | np.ndarray:
        """E[mean of `fitted_on_same`] − mean_f of n samples: −√2·bend·√(1−corr²)·sd_f/n (prop-same-sample).

        Exact for every n, not only for large ones. n may be an array. It must be at least 3, or 2 where bend is 1 and
        f is a function of g: else two samples are too few for the mean to exist.
        """
        n = checks.counts("n", n, 2 if self.bend == 1 else 3)
        return -np.sqrt(2) * self.bend * np.sqrt(1 - self.corr**2) * self.sd_f / n


def _slope(f, g):
    """The slope of the regression of f on g, f.shape[1:] + g.shape[1:]; of least norm where many are best."""
    f_c, g_c = f - f[0], g - g[0]  # first, for a mean may be off by its last digit: a constant's too
    f_c, g_c = f_c - f_c.mean(axis=0), g_c - g_c.mean(axis=0)
    fit = np.linalg.lstsq(g_c.reshape(len(g), -1), f_c.reshape(len(f), -1))[0].T
    return fit.reshape(f.shape[1:] + g.shape[1:])


def _controlled(f, centred_g, c):
    return f + np.tensordot(centred_g, c, axes=(range(1, centred_g.ndim), range(f.ndim - 1, c.ndim))).reshape(f.shape)


def _check_samples(f, g):
    """f, (N,) or (N, d), and g, (N,) or (N, k); with k = 0 there is no control."""
    f = checks.array("f", f, ("N",), ("N", "d"))
    return f, checks.array("g", g, (len(f),), (len(f), "k"), note=", with as many samples as f", empty=True)
