"""Chapter 2, line by line: the gradient that is wanted, and those that samples give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlbook.derivations.lines import derivation, equals, first, slip
from rlbook.derivations.small_worlds import complex_step


@dataclass(frozen=True)
class Features:
    """A chain of three states, updated with the frequencies d, whose values are linear in two features: v = Φw."""

    P: np.ndarray
    r: np.ndarray
    d: np.ndarray
    gamma: float
    Phi: np.ndarray
    w: np.ndarray

    def __str__(self):
        return f"World: a chain of 3 states, 2 features, γ = {self.gamma:.3g}."

    def delta(self, w):
        """δ = r + γv(s') − v(s), (s, s')."""
        v = self.Phi @ w
        return self.r[:, None] + self.gamma * v - v[:, None]

    @property
    def D(self):
        return np.diag(self.d)

    def mean(self, x):
        """The mean over transitions of what depends on (s, s'), the last two axes."""
        return (self.D @ self.P * x).sum(axis=(-2, -1))

    def given(self, x):
        """E[x|s]."""
        return (self.P * x).sum(axis=-1)

    def gradient(self, f):
        return complex_step(f, self.w)


def features(rng) -> Features:
    P, d = rng.dirichlet(np.ones(3), size=3), rng.dirichlet(np.full(3, 3.0))
    return Features(P, rng.normal(size=3), d, rng.uniform(0.5, 0.95), rng.normal(size=(3, 2)), rng.normal(size=2))


@derivation(
    "semi-gradient",
    title="The gradient, the semi-gradient and the sampled square",
    proves=["prop-double-sampling", "eq-residual"],
    world=features,
)
def semi_gradient(w):
    yield first(
        r"-\nabla\,\mathbb{E}_d\big[\tfrac12\,\mathbb{E}[\delta|s]^2\big]",
        r"Down the mean square that one would like to see small; $\delta=r(s)+\gamma\,v_w(s')-v_w(s)$, "
        r"$v_w=\phi\cdot w$, and states are drawn from $d$.",
        lambda: -w.gradient(lambda v: w.d @ (w.P * w.delta(v)).sum(axis=1) ** 2 / 2),
    )
    yield equals(
        r"-\mathbb{E}_d\big[\mathbb{E}[\delta|s]\;\nabla\,\mathbb{E}[\delta|s]\big]",
        r"The chain rule; $d$ does not know $w$.",
        lambda: -w.gradient(lambda v: w.given(w.delta(v))) @ (w.d * w.given(w.delta(w.w))),
        slip(
            r"-\mathbb{E}_d\big[\mathbb{E}[\delta\;\nabla\delta\,|\,s]\big]",
            r"The mean step down the sampled square $\frac12\delta^2$. The mean of a product is not the product of the "
            r"means, if one $s'$ is in both factors: it would take two, drawn independently.",
            lambda: -w.mean(w.delta(w.w) * w.gradient(w.delta)),
            mends=19,
        ),
    )
    yield equals(
        r"\mathbb{E}_d\Big[\mathbb{E}[\delta|s]\,\big(\phi(s)-\gamma\,\mathbb{E}[\phi(s')|s]\big)\Big]",
        r"$\nabla v_w=\phi$, in both places where it stands.",
        lambda: sum(
            w.d[s] * w.given(w.delta(w.w))[s] * (w.Phi[s] - w.gamma * sum(w.P[s, x] * w.Phi[x] for x in range(3)))
            for s in range(3)
        ),
        slip(
            r"\mathbb{E}_d\Big[\mathbb{E}[\delta|s]\;\phi(s)\Big]",
            "The semi-gradient, TD(0): the target holds $w$ too, and is treated as if it did not. Often a good step, "
            "and in general the gradient of nothing.",
            lambda: sum(w.d[s] * w.given(w.delta(w.w))[s] * w.Phi[s] for s in range(3)),
        ),
    )
    yield equals(
        r"(\Phi-\gamma P\Phi)^\top D\,(r+\gamma P\Phi w-\Phi w)",
        r"All states at once: $\phi(s)$ are the rows of $\Phi$. (From $\mathcal D$ whole transitions are drawn: $s$ "
        "from $d$, and $s'$ as the chain goes on.)",
        lambda: (w.Phi - w.gamma * w.P @ w.Phi).T @ w.D @ (w.r + w.gamma * w.P @ w.Phi @ w.w - w.Phi @ w.w),
        slip(
            r"(\Phi-\gamma P^\top\Phi)^\top D\,(r+\gamma P\Phi w-\Phi w)",
            r"$P$ averages over what follows a state, $P^\top$ sums over what may come before it.",
            lambda: (w.Phi - w.gamma * w.P.T @ w.Phi).T @ w.D @ (w.r + w.gamma * w.P @ w.Phi @ w.w - w.Phi @ w.w),
        ),
    )
    yield equals(
        r"-\nabla\,\mathbb{E}_{\mathcal D}\big[\tfrac12\delta^2\big]"
        r"+\tfrac12\gamma^2\,\nabla\,\mathbb{E}_d\big[\operatorname{Var}(v_w(s')|s)\big]",
        r"Against the sampled square: $\mathbb{E}[\delta^2|s]=\mathbb{E}[\delta|s]^2+\operatorname{Var}(\delta|s)$; "
        r"as $r$ depends on $s$ alone, given $s$ only $\gamma\,v_w(s')$ varies. So the sampled gradient shrinks that "
        "variance besides.",
        lambda: (
            -w.gradient(lambda v: w.mean(w.delta(v) ** 2 / 2))
            + w.gradient(lambda v: w.gamma**2 / 2 * w.d @ (w.P @ (w.Phi @ v) ** 2 - (w.P @ w.Phi @ v) ** 2))
        ),
        slip(
            r"-\nabla\,\mathbb{E}_{\mathcal D}\big[\tfrac12\delta^2\big]"
            r"+\tfrac12\gamma\,\nabla\,\mathbb{E}_d\big[\operatorname{Var}(v_w(s')|s)\big]",
            r"$\gamma$ stands before $v_w(s')$, and a variance squares it.",
            lambda: (
                -w.gradient(lambda v: w.mean(w.delta(v) ** 2 / 2))
                + w.gradient(lambda v: w.gamma / 2 * w.d @ (w.P @ (w.Phi @ v) ** 2 - (w.P @ w.Phi @ v) ** 2))
            ),
        ),
    )
