"""Chapter 3, line by line: steepest descent in a norm, and the norm that divergences give."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rlbook.derivations.lines import at_least, derivation, equals, first, sequence, slip, tends_to
from rlbook.derivations.small_worlds import complex_step, softmax

# Which way is down --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ball:
    """A gradient g, a positive definite G, a radius, and any step d in the ball."""

    G: np.ndarray
    g: np.ndarray
    eps: float
    d: np.ndarray

    def __str__(self):
        return f"World: 2 parameters, ε = {self.eps:.3g}, and any step d in the ball."

    def norm(self, v):
        return np.sqrt(v @ self.G @ v)

    @cached_property
    def natural(self):
        """G⁻¹g."""
        return np.linalg.solve(self.G, self.g)


def ball(rng) -> Ball:
    M = rng.normal(size=(2, 2))
    w = Ball(M @ M.T + 0.2 * np.eye(2), rng.normal(size=2), rng.uniform(0.02, 0.3), rng.normal(size=2))
    return Ball(w.G, w.g, w.eps, w.d / w.norm(w.d) * np.sqrt(w.eps) * rng.uniform(0.5, 1))


@derivation("steepest", title="Steepest descent", proves="thm-steepest", world=ball)
def steepest(w):
    G, g, eps, d, natural = w.G, w.g, w.eps, w.d, w.natural
    yield first(
        r"g\cdot d",
        r"What the model says of a step $d$ with $\|d\|_G^2\le\varepsilon$, where $\|d\|_G^2=d^\top G\,d$.",
        lambda: g @ d,
    )
    yield equals(
        r"(G^{-1}g)^\top G\,d",
        r"$G^{-1}G=I$, and $G$ is symmetric.",
        lambda: natural @ G @ d,
    )
    yield at_least(
        r"-\|G^{-1}g\|_G\,\|d\|_G",
        r"Cauchy–Schwarz in $G$.",
        lambda: -w.norm(natural) * w.norm(d),
        slip(
            r"-\|G^{-1}g\|\,\|d\|",
            r"Cauchy–Schwarz holds for $G$'s product with $G$'s lengths.",
            lambda: -np.linalg.norm(natural) * np.linalg.norm(d),
        ),
        slip(
            r"\|G^{-1}g\|_G\,\|d\|_G",
            "That is the bound from above: it is attained uphill.",
            lambda: w.norm(natural) * w.norm(d),
        ),
    )
    yield equals(
        r"-\sqrt{g^\top G^{-1}g}\;\|d\|_G",
        r"$\|G^{-1}g\|_G^2=g^\top G^{-1}G\,G^{-1}g$.",
        lambda: -np.sqrt(g @ np.linalg.inv(G) @ g) * w.norm(d),
        slip(
            r"-\sqrt{g^\top G\,g}\;\|d\|_G",
            r"That is $\|g\|_G$. In $\|G^{-1}g\|_G^2$ one $G$ meets two inverses, and an inverse is left.",
            lambda: -np.sqrt(g @ G @ g) * w.norm(d),
        ),
    )
    yield at_least(
        r"-\sqrt{g^\top G^{-1}g}\;\sqrt{\varepsilon}",
        r"$\|d\|_G\le\sqrt\varepsilon$.",
        lambda: -np.sqrt(g @ np.linalg.inv(G) @ g) * np.sqrt(eps),
        slip(
            r"-\sqrt{g^\top G^{-1}g}\;\varepsilon",
            r"The constraint is on the square: the length is $\sqrt\varepsilon$.",
            lambda: -np.sqrt(g @ np.linalg.inv(G) @ g) * eps,
        ),
    )
    yield equals(
        r"g\cdot\Big(-\sqrt{\tfrac{\varepsilon}{g^\top G^{-1}g}}\;G^{-1}g\Big)",
        r"$g\cdot G^{-1}g=g^\top G^{-1}g$. So the bound is attained, by this step $d^*$, whose length is "
        r"$\sqrt\varepsilon$; "
        r"and by no other, for equality in Cauchy–Schwarz takes a multiple of $G^{-1}g$, here a negative one.",
        lambda: g @ (-np.sqrt(eps / (g @ np.linalg.inv(G) @ g)) * np.linalg.inv(G) @ g),
        slip(
            r"g\cdot\Big(\sqrt{\tfrac{\varepsilon}{g^\top G^{-1}g}}\;G^{-1}g\Big)",
            r"“With a multiplier $\lambda$ for the constraint it is stationary at $d=\frac1{2\lambda}G^{-1}g$”: so "
            "is the maximum. This step goes uphill.",
            lambda: g @ (np.sqrt(eps / (g @ np.linalg.inv(G) @ g)) * np.linalg.inv(G) @ g),
            mends=24,
        ),
        slip(
            r"g\cdot\Big(-\tfrac{\varepsilon}{\sqrt{g^\top G^{-1}g}}\;G^{-1}g\Big)",
            r"A step of the length $\varepsilon$, not $\sqrt\varepsilon$.",
            lambda: g @ (-eps / np.sqrt(g @ np.linalg.inv(G) @ g) * np.linalg.inv(G) @ g),
            mends=22,
        ),
    )


# KL and Fisher ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Family:
    """Four outcomes with p_θ(x) ∝ exp(φ(x)·θ + c(x)(u·θ)²), two parameters, and a direction d."""

    phi: np.ndarray
    c: np.ndarray
    u: np.ndarray
    theta: np.ndarray
    d: np.ndarray

    def __str__(self):
        return "World: 4 outcomes, a law with 2 parameters, and a direction d."

    def p(self, theta):
        return softmax((self.phi @ theta + self.c * (self.u @ theta) ** 2)[None])[0]

    def along(self, h):
        """p_{θ+hd}."""
        return self.p(self.theta + h * self.d)

    @cached_property
    def score(self):
        """∇log p, (2, 4)."""
        return complex_step(lambda theta: np.log(self.p(theta)), self.theta)

    @cached_property
    def F(self):
        return np.einsum("x,ix,jx->ij", self.p(self.theta), self.score, self.score)


def family(rng) -> Family:
    numbers = [rng.uniform(-1, 1, size=size) for size in [(4, 2), 4, 2, 2]]
    turns = rng.uniform(0, 2 * np.pi) + np.linspace(0, np.pi, 16, endpoint=False)
    return max((Family(*numbers, np.array([np.cos(t), np.sin(t)])) for t in turns), key=lopsided)


def lopsided(w):
    """How unlike the divergences are there and back again: where they are alike, limits are reached by luck sooner."""
    p, q, q_back = w.along(0), w.along(0.1), w.along(-0.1)
    return min(abs(p @ np.log(q / q_back)), abs(q @ np.log(q / p) - q_back @ np.log(q_back / p)))


def bend(f):
    """f''(0) of an analytic f, by Cauchy's formula: 2/r² times the mean of f(re^{iφ})e^{−2iφ} over a circle."""
    turn, r = np.exp(2j * np.pi * np.arange(32) / 32), 0.1
    return sum(np.real(f(r * z) / z**2) for z in turn) * 2 / (32 * r**2)


STEPS = [0.1, 0.01, 0.001]


@derivation("kl-fisher", title="Fisher is the curvature of KL", proves="thm-fisher-kl", world=family)
def kl_fisher(w):
    p, d = w.along(0), w.d
    yield first(
        r"\mathrm{KL}(p_\theta\,\|\,p_{\theta+hd})\,/\,h^2",
        r"A divergence is zero at $h=0$ and nowhere negative, so it begins with $h^2$. (Here for $h=0.1$, $h=0.01$ and "
        r"$h=0.001$.)",
        lambda: sequence("h", STEPS, lambda h: (p * np.log(p / w.along(h))).sum() / h**2),
    )
    yield tends_to(
        r"-\tfrac12\sum_xp_\theta\;d^\top\nabla^2\!\log p_\theta\;d",
        r"Taylor. Only $-\sum p_\theta\log p_{\theta+hd}$ depends on $h$, and its first derivative is $-\sum_xd\cdot"
        r"\nabla p=0$.",
        lambda: -0.5 * p @ bend(lambda h: np.log(w.along(h))),
        slip(
            r"-\sum_xp_\theta\;d^\top\nabla^2\!\log p_\theta\;d",
            r"Taylor's term of second order has $\frac12$.",
            lambda: -1.0 * p @ bend(lambda h: np.log(w.along(h))),
        ),
    )
    yield equals(
        r"-\tfrac12\sum_xp\Big(\frac{d^\top\nabla^2p\;d}{p}-\frac{(d\cdot\nabla p)^2}{p^2}\Big)",
        r"$\nabla\log p=\frac{\nabla p}p$; differentiate the quotient.",
        lambda: -0.5 * (p * (bend(w.along) / p - (d @ complex_step(w.p, w.theta)) ** 2 / p**2)).sum(),
        slip(
            r"-\tfrac12\sum_xp\Big(\frac{d^\top\nabla^2p\;d}{p}+\frac{(d\cdot\nabla p)^2}{p^2}\Big)",
            r"The derivative of $1/p$ has a minus.",
            lambda: -0.5 * (p * (bend(w.along) / p + (d @ complex_step(w.p, w.theta)) ** 2 / p**2)).sum(),
        ),
    )
    yield equals(
        r"\tfrac12\sum_xp\,(d\cdot\nabla\log p)^2",
        r"$\sum_x\nabla^2p=\nabla^2\sum_xp=0$, for probabilities sum to 1 everywhere. (The mean of "
        r"$\nabla\log p\,\nabla\log p^\top$ is Fisher's matrix $F$.)",
        lambda: 0.5 * p @ (d @ w.score) ** 2,
        slip(
            r"\tfrac12\sum_xp\,(d\cdot\nabla p)^2",
            r"$\frac{\nabla p}p$ is the gradient of the logarithm, which has taken the $p$ beneath with it.",
            lambda: 0.5 * p @ (d @ complex_step(w.p, w.theta)) ** 2,
        ),
    )
    yield equals(
        r"\tfrac12\,d^\top F\,d",
        r"$F=\sum_xp\,\nabla\log p\,\nabla\log p^\top$: the square is $d^\top\nabla\log p\,\nabla\log p^\top d$.",
        lambda: 0.5 * d @ w.F @ d,
        slip(
            r"\tfrac12\,d^\top F^{-1}d",
            r"$F$ itself measures steps. Its inverse measures gradients, and makes steps of them.",
            lambda: 0.5 * d @ np.linalg.inv(w.F) @ d,
        ),
    )


@derivation("kl-back", title="The other direction", proves="thm-fisher-kl", world=family)
def kl_back(w):
    p, d = w.along(0), w.d
    yield first(
        r"\mathrm{KL}(p_{\theta+hd}\,\|\,p_\theta)\,/\,h^2",
        r"Now $q=p_{\theta+hd}$ stands before the logarithm too. (Here for $h=0.1$, $h=0.01$ and $h=0.001$.)",
        lambda: sequence("h", STEPS, lambda h: (w.along(h) * np.log(w.along(h) / p)).sum() / h**2),
    )
    yield tends_to(
        r"\tfrac12\,\frac{d^2}{dh^2}\sum_xq\,\log\frac qp\;\Big|_{h=0}",
        r"Taylor: at $h=0$ the sum is zero, and so is its derivative $\sum_xq'\log\frac qp+\sum_xq'$: the "
        r"logarithm is zero there, and $\sum_xq'=0$ as $\sum_xq=1$.",
        lambda: 0.5 * bend(lambda h: (w.along(h) * np.log(w.along(h) / p)).sum()),
    )
    yield equals(
        r"\tfrac12\sum_x(d\cdot\nabla p)\,(d\cdot\nabla\log p)",
        r"Differentiate $\sum_xq'\log\frac qp$ once more: where $q''$ stands the logarithm vanishes at $h=0$.",
        lambda: 0.5 * (d @ complex_step(w.p, w.theta)) @ (d @ w.score),
        slip(
            r"\tfrac12\sum_x(d\cdot\nabla\log p)\,(d\cdot\nabla\log p)",
            r"$q'$ is a derivative of the probability, not of its logarithm: a weight $p$ is lost.",
            lambda: 0.5 * ((d @ w.score) ** 2).sum(),
        ),
    )
    yield equals(
        r"\tfrac12\,d^\top F\,d",
        r"$\nabla p=p\,\nabla\log p$. The same matrix: the two divergences part in the third order.",
        lambda: 0.5 * sum(p[x] * (d @ w.score[:, x]) ** 2 for x in range(4)),
    )
