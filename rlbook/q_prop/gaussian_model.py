"""One state, everything known (prop-gaussian-model)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.q_prop.weights import SINGLE_SAMPLE_RULES, rule_weight


@dataclass(frozen=True)
class GaussianModel:
    """One state, one action a = μ + σz with z ~ N(0,1), and an advantage estimate with a linear part and others:

        Â = c₁z + c₂(z²−1) + c₃(z³−3z) + τε,    ε ~ N(0,1) independent of z.

    The estimate of ∂η/∂μ from one sample, with a critic of slope q and weight κ, is

        ĝ = (Â − κqσz) z/σ + κq.                                                             (prop-gaussian-model)

    σ is in units of the action, the c's and τ in units of reward, q in reward per unit of action. Raises `ValueError`
    for a sigma that is not positive, a negative tau, or numbers that are not finite.
    """

    c1: float
    c2: float
    c3: float
    tau: float
    sigma: float

    def __post_init__(self):
        anywhere = dict.fromkeys(("c1", "c2", "c3"), "(-∞, ∞)")
        checks.fields(self, {**anywhere, "tau": "[0, ∞)", "sigma": "(0, ∞)"})

    def advantage(self, z, eps=0.0) -> float | np.ndarray:
        """Â at (z, ε); with ε = 0 its mean given the action."""
        z, eps = checks.numbers(z=z, eps=eps)
        return self.c1 * z + self.c2 * (z**2 - 1) + self.c3 * (z**3 - 3 * z) + self.tau * eps

    def gradients(self, z, eps, q, weight) -> float | np.ndarray:
        """ĝ at (z, ε), shaped like them; `weight` is a number or an array of their shape."""
        z, eps, q, weight = checks.numbers(z=z, eps=eps, q=q, weight=weight)
        return (self.advantage(z, eps) - weight * q * self.sigma * z) * z / self.sigma + weight * q

    def sample(self, n, q, weight, rng) -> np.ndarray:
        """n independent samples of ĝ at one weight, (n,)."""
        return self.gradients(*checks.generator(rng).standard_normal((2, checks.count("n", n))), q, weight)

    @property
    def mean(self) -> float:
        """E ĝ = c₁/σ, whatever q and κ (prop-gaussian-model)."""
        return self.c1 / self.sigma

    def variance(self, q, weight) -> float | np.ndarray:
        """Var ĝ = (2c₁'² + 12c₁'c₃ + 42c₃² + 10c₂² + τ²)/σ², c₁' = c₁ − κqσ (prop-gaussian-model); arrays broadcast."""
        q, weight = checks.numbers(q=q, weight=weight)
        left = self.c1 - weight * q * self.sigma
        return 2 * ((left + 3 * self.c3) / self.sigma) ** 2 + self.floor  # the same, and never below 0

    def best_weight(self, q) -> float:
        """The weight of smallest Var ĝ, (c₁ + 3c₃)/(qσ), at which c₁' = −3c₃ (prop-gaussian-optimum); 0 for q = 0."""
        q = checks.number("q", q)
        return (self.c1 + 3 * self.c3) / (q * self.sigma) if q else 0.0

    def proxy_weight(self, q) -> float:
        """K/W = c₁/(qσ), at which c₁' = 0: best for Var(Â − κĀ), not for Var ĝ unless c₃ = 0; 0 for q = 0."""
        q = checks.number("q", q)
        return self.c1 / (q * self.sigma) if q else 0.0

    @property
    def floor(self) -> float:
        """The variance at `best_weight`, (24c₃² + 10c₂² + τ²)/σ²: no weight goes below (prop-gaussian-optimum)."""
        return (24 * self.c3**2 + 10 * self.c2**2 + self.tau**2) / self.sigma**2

    @property
    def noise_floor(self) -> float:
        """τ²/σ², what comes after the action: no function of state and action goes below (prop-three-terms)."""
        return self.tau**2 / self.sigma**2

    def agreement(self, q) -> tuple[float, float]:
        """K = E[ÂĀ] = c₁qσ and W = Var Ā = q²σ²."""
        q = checks.number("q", q)
        return self.c1 * q * self.sigma, (q * self.sigma) ** 2

    def rule(self, q, rule) -> float:
        """The weight that a rule of `RULES` gives: it looks at the expectation K, not at the sample."""
        return float(rule_weight(*self.agreement(q), rule))

    def single_sample_weight(self, z, eps, q, rule) -> np.ndarray:
        """1{ÂĀ > 0} for the rule "conservative", sign(ÂĀ) for "aggressive": the sample decides, at each (z, ε)."""
        checks.choice("rule", rule, SINGLE_SAMPLE_RULES)
        z, eps, q = checks.numbers(z=z, eps=eps, q=q)
        return rule_weight(self.advantage(z, eps) * q * z, np.ones_like(z), rule)

    def single_sample_bias(self, q, rule) -> float:
        """E ĝ − c₁/σ with `single_sample_weight`: q·E[κ(1 − z²)], which is not 0 (prop-single-sample).

        For c₂ = c₃ = 0 and k = c₁/τ it is −|q|k/(π(1+k²)) for "conservative". For "aggressive" it is always twice as
        much, as sign x = 2·1{x > 0} − 1. In general E[κ|z] is a normal probability, and z is integrated out by
        quadrature.
        """
        q = checks.number("q", q)
        checks.choice("rule", rule, SINGLE_SAMPLE_RULES)
        bias = q * self._where_signs_agree(q)[0]
        return bias if rule == "conservative" else 2 * bias

    def single_sample_variance(self, q, rule) -> float:
        """Var ĝ of one sample with `single_sample_weight`, by the same quadrature (prop-single-sample).

        ĝ = Âz/σ + κq(1 − z²), so E ĝ² is what it is without control and 2(q/σ)E[κ(1 − z²)zÂ] + q²E[κ²(1 − z²)²].
        """
        bias, q = self.single_sample_bias(q, rule), float(q)
        _, cross, square = self._where_signs_agree(q)
        if rule == "aggressive":  # κ is 1 where they agree, else −1
            cross, square = 2 * cross + 2 * self.c1 + 6 * self.c3, 2.0
        return float(self.variance(q, 0)) + 2 * q / self.sigma * cross + q**2 * square - bias * (2 * self.mean + bias)

    def _where_signs_agree(self, q):
        """E[1{ÂĀ > 0}X] for X = 1 − z², (1 − z²)zÂ and (1 − z²)²; given z, Â is normal."""
        A = [self.c3, self.c2, self.c1 - 3 * self.c3, -self.c2]  # E[Â|z], a polynomial in z

        def integrand(z, of_advantage, power):
            mean, sign = np.polyval(A, z), np.sign(q * z)
            x = sign * mean
            value = scipy.special.ndtr(x / self.tau) if self.tau else (x > 0) * 1.0
            if of_advantage:
                density = np.exp(-((x / self.tau) ** 2) / 2) / np.sqrt(2 * np.pi) if self.tau else 0.0
                value = z * (value * mean + sign * self.tau * density)
            return value * (1 - z**2) ** power * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

        places = _real_roots(A), _real_roots(np.polyder(A))
        moments = (False, 1), (True, 1), (False, 2)
        return tuple(_integrate(lambda z, of=of: integrand(z, *of), *places) for of in moments)

    def same_batch_bias(self, n) -> float | np.ndarray:
        """Bias of the mean of n gradients, κ = 1, if q is fitted to them: −6c₃/((n+2)σ) (prop-same-batch-critic).

        The fit is that of Â to q(a − μ) by least squares; it is then itself the mean of the ĝ. The bias is exact, and
        about −6c₃/(nσ). n may be an array. It must be at least 2, or 1 where c₂ and τ are 0: else the fit to one sample
        has no mean.
        """
        n = checks.counts("n", n, 2 if self.c2 or self.tau else 1)
        return -6 * self.c3 / ((n + 2) * self.sigma)


def _real_roots(coefficients):
    roots = np.roots(coefficients)
    return roots.real[abs(roots.imag) < 1e-9]


def _integrate(f, *places):
    """∫ f over [−10, 10], cut at 0 and at the `places`, where f may be steep: tanh-sinh quadrature of each piece."""
    inner = np.concatenate([[0.0], *places])
    ends = np.unique(np.r_[-10.0, inner[abs(inner) < 10], 10.0])
    t = np.arange(-224, 225) / 64  # up to where the nodes meet the ends
    share = 1 / (1 + np.exp(-np.pi * np.sinh(t)))
    rate = np.pi * np.cosh(t) * share * (1 - share) / 64
    length = np.diff(ends)[:, None]
    return float((f(ends[:-1, None] + length * share) * rate * length).sum())
