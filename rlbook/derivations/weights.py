"""Chapter 5, line by line: the best weight of a control that a critic makes, and a weight that the sample chooses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook.derivations.lines import at_least, derivation, equals, first, slip
from rlbook.derivations.small_worlds import complex_step


@dataclass(frozen=True)
class Weighed:
    """One state: actions a of two components under N(μ, Σ), an advantage Â that goes with them and noise, a slope v.

    Actions, (2, N), stand with the noise ±1, (N,), and their weights p; they integrate polynomials without error.
    """

    p: np.ndarray
    a: np.ndarray
    mu: np.ndarray
    Sigma: np.ndarray
    A_hat: np.ndarray
    v: np.ndarray
    kappa: float

    def __str__(self):
        return f"World: one state, actions of two components, κ = {self.kappa:.3g}."

    @property
    def A_bar(self):
        return self.v @ (self.a - self.mu[:, None])

    def mean(self, x):
        return self.p @ x

    def var(self, x):
        return self.mean(x**2) - self.mean(x) ** 2


def weighed(rng) -> Weighed:
    x, p_x = np.polynomial.hermite_e.hermegauss(6)
    i, j, m = np.indices((6, 6, 2)).reshape(3, -1)
    z, noise = np.array([x[i], x[j]]), 1 - 2 * m
    root = np.array([[1, 0], [rng.normal(), 1]]) * rng.uniform(0.4, 1.2, size=(2, 1))
    mu, v = rng.normal(size=(2, 2))
    slope = rng.uniform(0.3, 1) * v @ root @ z
    A_hat = slope + rng.normal(size=2) @ z**2 / 2 + rng.normal() * z[0] ** 3 / 4 + rng.normal() * noise
    p = p_x[i] * p_x[j] / p_x.sum() ** 2 / 2
    return Weighed(p, mu[:, None] + root @ z, mu, root @ root.T, A_hat, v, rng.uniform(0.5, 1.5))


@derivation("adaptive", title="A parabola in the weight", proves="prop-adaptive", world=weighed)
def adaptive(w):
    A_hat, A_bar, kappa = w.A_hat, w.A_bar, w.kappa

    def K():
        return w.mean(A_hat * A_bar)

    def W():
        return w.v @ w.Sigma @ w.v

    yield first(
        r"\operatorname{Var}(\hat A-\kappa\bar A_w|s)",
        r"What multiplies the score, with a weight $\kappa$ that is a constant given $s$. The critic's part is "
        r"$\bar A_w=v_w\cdot(a-\mu)$, and $a$ has the covariance $\Sigma$.",
        lambda: w.var(A_hat - kappa * A_bar),
    )
    yield equals(
        r"\operatorname{Var}(\hat A|s)-2\kappa\operatorname{Cov}(\hat A,\bar A_w|s)"
        r"+\kappa^2\operatorname{Var}(\bar A_w|s)",
        r"The control variate's parabola, with $c=-\kappa$.",
        lambda: w.var(A_hat) - 2 * kappa * (K() - w.mean(A_hat) * w.mean(A_bar)) + kappa**2 * w.var(A_bar),
        slip(
            r"\operatorname{Var}(\hat A|s)-\kappa^2\operatorname{Var}(\bar A_w|s)",
            r"“What the critic explains is gone.” Variances subtract like this at one weight besides 0 only, $K/W$ "
            r"(below), "
            "where what is left does not go with the critic.",
            lambda: w.var(A_hat) - kappa**2 * w.var(A_bar),
        ),
    )
    yield equals(
        r"\operatorname{Var}(\hat A|s)-2\kappa\,\mathbb{E}[\hat A\,\bar A_w|s]+\kappa^2\,\mathbb{E}[\bar A_w^2|s]",
        r"$\mathbb{E}_a[\bar A_w]=v_w\cdot\mathbb{E}_a[a-\mu]=0$. (Write $K(s)=\mathbb{E}[\hat A\,\bar A_w|s]$ and "
        r"$W(s)=v_w^\top\Sigma\,v_w$.)",
        lambda: w.var(A_hat) - 2 * kappa * w.mean(A_hat * A_bar) + kappa**2 * w.mean(A_bar**2),
        slip(
            r"\operatorname{Var}(\hat A|s)-2\kappa\,\mathbb{E}[\hat A|s]\,\mathbb{E}[\bar A_w|s]"
            r"+\kappa^2\,\mathbb{E}[\bar A_w^2|s]",
            r"Both go with the action: the mean of the product is not the product of the means, which is zero.",
            lambda: w.var(A_hat) - 2 * kappa * w.mean(A_hat) * w.mean(A_bar) + kappa**2 * w.mean(A_bar**2),
        ),
    )
    yield equals(
        r"\operatorname{Var}(\hat A|s)-2\kappa K(s)+\kappa^2W(s)",
        r"As $\mathbb{E}[(a-\mu)(a-\mu)^\top|s]=\Sigma$, $W$ is the mean of $\bar A_w^2$.",
        lambda: w.var(A_hat) - 2 * kappa * K() + kappa**2 * W(),
        slip(
            r"\operatorname{Var}(\hat A|s)-2\kappa K(s)+\kappa^2\,v_w^\top v_w",
            r"The policy's spread is lost: $\bar A_w^2$ has $(a-\mu)(a-\mu)^\top$ in the middle, its mean $\Sigma$.",
            lambda: w.var(A_hat) - 2 * kappa * K() + kappa**2 * w.v @ w.v,
        ),
    )
    yield equals(
        r"\operatorname{Var}(\hat A|s)-\frac{K(s)^2}{W(s)}+W(s)\Big(\kappa-\frac{K(s)}{W(s)}\Big)^2",
        r"Complete the square: the bottom is at the adaptive weight $K/W$.",
        lambda: w.var(A_hat) - K() ** 2 / W() + W() * (kappa - K() / W()) ** 2,
        slip(
            r"\operatorname{Var}(\hat A|s)-\frac{K(s)^2}{W(s)}+W(s)\Big(\kappa-\frac{W(s)}{K(s)}\Big)^2",
            r"The fraction upside down: a critic that is too steep, with a large $W$, deserves a small weight.",
            lambda: w.var(A_hat) - K() ** 2 / W() + W() * (kappa - W() / K()) ** 2,
        ),
    )
    yield at_least(
        r"\operatorname{Var}(\hat A|s)-\frac{K(s)^2}{W(s)}",
        r"The last square is not negative, and zero only at $\kappa=K/W$.",
        lambda: w.var(A_hat) - K() ** 2 / W(),
        slip(
            r"\operatorname{Var}(\hat A|s)-2|K(s)|+W(s)",
            r"This is where the aggressive rule, $\kappa=\operatorname{sign}K$, gets. It is no bottom, unless $|K|=W$.",
            lambda: w.var(A_hat) - 2 * abs(K()) + W(),
        ),
    )


@dataclass(frozen=True)
class OneSample:
    """The Gaussian model with c₂ = c₃ = 0 and q > 0: Â = c₁z + τε, Ā = qσz, with z and ε independent and normal.

    `plane` has nodes of (z, ε) and their weights, in polar coordinates: between the rays on which Â or Ā changes its
    sign the integrand is smooth. `half` has nodes and weights of the half-line z > 0.
    """

    c_1: float
    tau: float
    q: float
    sigma: float
    plane: tuple[np.ndarray, np.ndarray, np.ndarray]
    half: tuple[np.ndarray, np.ndarray]

    def __str__(self):
        return f"World: c₁ = {self.c_1:.3g}, τ = {self.tau:.3g}, q = {self.q:.3g}, σ = {self.sigma:.3g}."

    @property
    def k(self):
        return self.c_1 / self.tau

    @property
    def kappa(self):
        """1{Â Ā > 0} at the nodes of the plane."""
        z, eps, _ = self.plane
        return (self.c_1 * z + self.tau * eps) * self.q * self.sigma * z > 0


def one_sample(rng) -> OneSample:
    c_1, tau, q, sigma = rng.uniform(0.3, 1.5, size=4)
    tilt = np.arctan(c_1 / tau)
    rays = np.array([-np.pi / 2, -tilt, np.pi / 2, np.pi - tilt, 3 * np.pi / 2])
    x, p_x = np.polynomial.legendre.leggauss(16)
    u, p_u = np.polynomial.laguerre.laggauss(4)
    middle, width = (rays[1:] + rays[:-1]) / 2, (rays[1:] - rays[:-1]) / 2
    turn, share = (middle[:, None] + width[:, None] * x).ravel(), (width[:, None] * p_x).ravel() / (2 * np.pi)
    radius = np.sqrt(2 * u)[:, None]
    plane = (radius * np.cos(turn)).ravel(), (radius * np.sin(turn)).ravel(), np.outer(p_u, share).ravel()
    x, p_x = np.polynomial.legendre.leggauss(80)
    return OneSample(c_1, tau, q, sigma, plane, (6 * (x + 1), 6 * p_x))


def bell(z):
    return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


@derivation("single-sample", title="A sample that chooses its weight", proves="prop-single-sample", world=one_sample)
def single_sample(w):
    (z, eps, p), (x, p_x), q, k = w.plane, w.half, w.q, w.k
    yield first(
        r"\mathbb{E}[\hat g]-\frac{c_1}\sigma",
        r"The bias, where $\kappa=\mathbf 1\{\hat A\bar A_w>0\}$ looks at the sample that it weighs. With "
        r"$z=(a-\mu)/\sigma$, $\hat A=c_1z+\tau\varepsilon$ and $\bar A_w=q\sigma z$, $q>0$, the estimate is $\hat "
        r"g=(\hat A-\kappa\bar A_w)\,z/\sigma+\kappa q$.",
        lambda: (
            p @ ((w.c_1 * z + w.tau * eps - w.kappa * q * w.sigma * z) * z / w.sigma + w.kappa * q) - w.c_1 / w.sigma
        ),
    )
    yield equals(
        r"q\,\mathbb{E}[\kappa\,(1-z^2)]",
        r"What is subtracted and what is put back, together; $\hat A\,z/\sigma$ alone has the mean $c_1/\sigma$. "
        r"(Write $\nu=c_1/\tau$; $\varphi$ and $\Phi$ are the normal density and its integral.)",
        lambda: q * (p @ (w.kappa * (1 - z**2))),
        slip(
            r"q\,\mathbb{E}[\kappa]\;\mathbb{E}[1-z^2]",
            r"“The two halves cancel, whatever the weight.” Whatever weight does not know the action: this one goes "
            "with $z$, and the sample decides.",
            lambda: q * (p @ w.kappa) * (p @ (1 - z**2)),
        ),
    )
    yield equals(
        r"q\int_{-\infty}^\infty\Phi(\nu|z|)\,(1-z^2)\,\varphi(z)\,dz",
        r"Given $z$, $\kappa=1$ if $z\,(\nu z+\varepsilon)>0$: this has the probability $\Phi(\nu|z|)$.",
        lambda: q * sum(p_x @ (scipy.special.ndtr(k * abs(y)) * (1 - y**2) * bell(y)) for y in (x, -x)),
        slip(
            r"q\int_{-\infty}^\infty\Phi(\nu z)\,(1-z^2)\,\varphi(z)\,dz",
            r"For $z<0$ it is $\nu z+\varepsilon<0$ that is asked, which has the probability $\Phi(-\nu z)$.",
            lambda: q * sum(p_x @ (scipy.special.ndtr(k * y) * (1 - y**2) * bell(y)) for y in (x, -x)),
        ),
    )
    yield equals(
        r"2q\int_0^\infty\Phi(\nu z)\,\big(z\,\varphi(z)\big)'\,dz",
        r"The integrand is even, and $(1-z^2)\,\varphi(z)$ is the derivative of $z\,\varphi(z)$.",
        lambda: 2 * q * (p_x @ (scipy.special.ndtr(k * x) * derivative(lambda y: y * bell(y), x))),
    )
    yield equals(
        r"-2q\nu\int_0^\infty\varphi(\nu z)\,z\,\varphi(z)\,dz",
        r"By parts: $z\,\varphi(z)$ vanishes at both ends, and $\Phi(\nu z)$ has the derivative $\nu\,\varphi(\nu z)$.",
        lambda: -2 * q * k * (p_x @ (bell(k * x) * x * bell(x))),
        slip(
            r"-2q\int_0^\infty\varphi(\nu z)\,z\,\varphi(z)\,dz",
            r"The chain rule: the inner derivative $\nu$ is lost.",
            lambda: -2 * q * (p_x @ (bell(k * x) * x * bell(x))),
        ),
    )
    yield equals(
        r"-\frac{q\nu}\pi\int_0^\infty z\,e^{-(1+\nu^2)z^2/2}\,dz",
        r"$\varphi(\nu z)\,\varphi(z)=\frac1{2\pi}e^{-(1+\nu^2)z^2/2}$. Here $\pi$ is the number.",
        lambda: -q * k / np.pi * (p_x @ (x * np.exp(-(1 + k**2) * x**2 / 2))),
    )
    yield equals(
        r"-\frac{q\,\nu}{\pi\,(1+\nu^2)}",
        r"The integral is $\frac1{1+\nu^2}$. For $q<0$ both signs turn, so the bias is $-|q|\,\nu/(\pi(1+\nu^2))$.",
        lambda: -q * k / (np.pi * (1 + k**2)),
    )


def derivative(f, x):
    """f'(x), at each entry of x."""
    return complex_step(lambda h: f(x + h), 0.0)[0]
