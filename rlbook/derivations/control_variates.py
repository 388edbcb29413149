"""Chapter 5, line by line: the best coefficient of a control variate, fitting it, and controls that see the action."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rlbook.derivations.lines import at_least, derivation, equals, first, slip
from rlbook.derivations.small_worlds import Episodes, episodes


@dataclass(frozen=True)
class Pair:
    """Two random variables that go together: outcomes with the probabilities p, and the values f and g there; and c."""

    p: np.ndarray
    f: np.ndarray
    g: np.ndarray
    c: float

    def __str__(self):
        return f"World: f and g have {len(self.p)} values, together, and c = {self.c:.3g}."

    def mean(self, x):
        return self.p @ x

    def cov(self, x, y):
        return self.mean((x - self.mean(x)) * (y - self.mean(y)))


def pair(rng) -> Pair:
    g = rng.normal(size=5)
    return Pair(rng.dirichlet(np.ones(5)), rng.normal() * g + rng.normal(size=5), g, rng.normal())


@derivation("control-variate", title="The best coefficient", proves="prop-control-variate", world=pair)
def control_variate(w):
    f, g, c = w.f, w.g, w.c

    def best():  # c*
        return -w.cov(f, g) / w.cov(g, g)

    yield first(
        r"\operatorname{Var}\big(f+c\,(g-\mathbb{E}g)\big)",
        r"What is to be made small. The mean is $\mathbb{E}f$ for every $c$ that is fixed beforehand.",
        lambda: w.mean((f + c * (g - w.mean(g))) ** 2) - w.mean(f + c * (g - w.mean(g))) ** 2,
    )
    yield equals(
        r"\mathbb{E}\Big[\big((f-\mathbb{E}f)+c\,(g-\mathbb{E}g)\big)^2\Big]",
        r"A variance is measured from the mean, which is $\mathbb{E}f$.",
        lambda: w.mean(((f - w.mean(f)) + c * (g - w.mean(g))) ** 2),
        slip(
            r"\mathbb{E}\Big[\big((f-\mathbb{E}f)+c\,g\big)^2\Big]",
            r"$g$ without its mean: then the mean is moved, by $c\,\mathbb{E}g$.",
            lambda: w.mean(((f - w.mean(f)) + c * g) ** 2),
        ),
    )
    yield equals(
        r"\operatorname{Var}f+2c\operatorname{Cov}(f,g)+c^2\operatorname{Var}g",
        "The square, multiplied out: a parabola in $c$.",
        lambda: w.cov(f, f) + 2 * c * w.cov(f, g) + c**2 * w.cov(g, g),
        slip(
            r"\operatorname{Var}f+c^2\operatorname{Var}g",
            "“Variances add up.” Those of independent variables do; such a $g$ would be of no use.",
            lambda: w.cov(f, f) + c**2 * w.cov(g, g),
        ),
    )
    yield equals(
        r"\operatorname{Var}g\,\Big(c+\frac{\operatorname{Cov}(f,g)}{\operatorname{Var}g}\Big)^2"
        r"+\operatorname{Var}f-\frac{\operatorname{Cov}(f,g)^2}{\operatorname{Var}g}",
        r"Complete the square: the bottom is at $c^*=-\operatorname{Cov}(f,g)/\operatorname{Var}g$.",
        lambda: w.cov(g, g) * (c + w.cov(f, g) / w.cov(g, g)) ** 2 + w.cov(f, f) - w.cov(f, g) ** 2 / w.cov(g, g),
        slip(
            r"\operatorname{Var}g\,\Big(c-\frac{\operatorname{Cov}(f,g)}{\operatorname{Var}g}\Big)^2"
            r"+\operatorname{Var}f-\frac{\operatorname{Cov}(f,g)^2}{\operatorname{Var}g}",
            r"If $f$ and $g$ rise together, $c^*$ is negative: subtract.",
            lambda: w.cov(g, g) * (c - w.cov(f, g) / w.cov(g, g)) ** 2 + w.cov(f, f) - w.cov(f, g) ** 2 / w.cov(g, g),
            mends=33,
        ),
    )
    yield equals(
        r"\operatorname{Var}g\,(c-c^*)^2+\big(1-\operatorname{corr}(f,g)^2\big)\operatorname{Var}f",
        r"$\operatorname{corr}(f,g)^2=\operatorname{Cov}(f,g)^2/(\operatorname{Var}f\operatorname{Var}g)$.",
        lambda: w.cov(g, g) * (c - best()) ** 2 + (1 - w.cov(f, g) ** 2 / (w.cov(f, f) * w.cov(g, g))) * w.cov(f, f),
        slip(
            r"\operatorname{Var}g\,(c-c^*)^2+\big(1-|\operatorname{corr}(f,g)|\big)\operatorname{Var}f",
            r"Variances go with squares: a correlation of $0.9$ takes away 81 % and not 90 %.",
            lambda: (
                w.cov(g, g) * (c - best()) ** 2
                + (1 - abs(w.cov(f, g)) / np.sqrt(w.cov(f, f) * w.cov(g, g))) * w.cov(f, f)
            ),
        ),
    )
    yield at_least(
        r"\big(1-\operatorname{corr}(f,g)^2\big)\operatorname{Var}f",
        r"A square is not negative, and zero only for $c=c^*$.",
        lambda: (1 - w.cov(f, g) ** 2 / (w.cov(f, f) * w.cov(g, g))) * w.cov(f, f),
        slip(
            r"\operatorname{Var}f",
            r"“Whatever is added can only add noise.” Strictly between $0$ and $2c^*$ the variance is less.",
            lambda: w.cov(f, f),
        ),
    )


@dataclass(frozen=True)
class Samples:
    """Three samples of g ~ N(0, 1) and f = αg + β(g² − 1) + ξ, as nodes with weights p, (N,); g and xi are (3, N).

    The mean of the three g and their deviations from it are independent; the nodes are those of the mean, times those
    of the deviations in polar coordinates, times all signs of the ξ = mean ± spread. What the lines average is
    integrated without error.
    """

    p: np.ndarray
    g: np.ndarray
    xi: np.ndarray
    alpha: float
    beta: float

    def __str__(self):
        return f"World: n = 3 samples, α = {self.alpha:.3g}, β = {self.beta:.3g}."

    @property
    def n(self):
        return len(self.g)

    @property
    def f(self):
        return self.alpha * self.g + self.beta * (self.g**2 - 1) + self.xi

    @property
    def mean_f(self):
        """E f, from one sample."""
        return self.mean(self.f[0])

    @property
    def g_bar(self):
        return self.g.mean(axis=0)

    @property
    def e(self):
        return self.g - self.g_bar

    @property
    def c_hat(self):
        return -((self.f - self.f.mean(axis=0)) * self.e).sum(axis=0) / (self.e**2).sum(axis=0)

    def mean(self, x):
        return self.p @ x


def samples(rng) -> Samples:
    (x, p_x), (u, p_u) = np.polynomial.hermite_e.hermegauss(3), np.polynomial.laguerre.laggauss(3)
    turns = 2 * np.pi * np.arange(12) / 12
    shares = np.ones(8) / 8
    i, j, k, m = np.indices((3, 3, 12, 8)).reshape(4, -1)
    p = p_x[i] / p_x.sum() * p_u[j] / 12 * shares[m]
    plane = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])  # across (1, 1, 1)
    e = np.sqrt(2 * u[j]) * (plane.T @ [np.cos(turns[k]), np.sin(turns[k])])
    signs = 1 - 2 * (m // np.array([[1], [2], [4]]) % 2)
    alpha, beta, mean, spread = rng.normal(size=4)
    return Samples(p, x[i] / np.sqrt(3) + e, mean + spread * signs, alpha, beta)


@derivation("same-sample", title="A coefficient from the same samples", proves="prop-same-sample", world=samples)
def same_sample(w):
    n, f, g, e = w.n, w.f, w.g, w.e
    yield first(
        r"\mathbb{E}\big[\bar f+\hat c\,(\bar g-\mathbb{E}g)\big]",
        r"The estimate, with $\hat c=-\sum_i(f_i-\bar f)(g_i-\bar g)\big/\sum_i(g_i-\bar g)^2$ from the same samples. "
        r"Here $g$ is standard normal, so $\mathbb{E}g=0$, and $\bar g$ is independent of all deviations $g_i-\bar g$.",
        lambda: w.mean(f.mean(axis=0) + w.c_hat * (g.mean(axis=0) - w.mean(g[0]))),
    )
    yield equals(
        r"\mathbb{E}f+\mathbb{E}[\hat c\,\bar g]",
        r"$\mathbb{E}g=0$. The coefficient stays inside: it is random, and goes with $\bar g$.",
        lambda: w.mean_f + w.mean(w.c_hat * w.g_bar),
        slip(
            r"\mathbb{E}f+\mathbb{E}[\hat c]\;\mathbb{E}[\bar g]",
            r"“The mean is right for every $c$.” For every $c$ that is fixed beforehand, or fitted on other samples.",
            lambda: w.mean_f + w.mean(w.c_hat) * w.mean(w.g_bar),
            mends=33,
        ),
    )
    yield equals(
        r"\mathbb{E}f-\mathbb{E}\bigg[\bar g\;\frac{\sum_if_ie_i}{\sum_ie_i^2}\bigg]",
        r"With $e_i=g_i-\bar g$; the mean $\bar f$ drops out, as $\sum_ie_i=0$. (Here $f_i=\alpha "
        r"g_i+\beta(g_i^2-1)+\xi_i$.)",
        lambda: w.mean_f - w.mean(w.g_bar * (f * e).sum(axis=0) / (e**2).sum(axis=0)),
    )
    yield equals(
        r"\mathbb{E}f-\mathbb{E}\bigg[\alpha\bar g+2\beta\bar g^2+"
        r"\bar g\;\frac{\beta\sum_ie_i^3+\sum_i\xi_ie_i}{\sum_ie_i^2}\bigg]",
        r"Put in $f_i$, and $g_i^2=\bar g^2+2\bar g\,e_i+e_i^2$; $\sum_ie_i=0$ once more.",
        lambda: (
            w.mean_f
            - w.mean(
                w.alpha * w.g_bar
                + 2 * w.beta * w.g_bar**2
                + w.g_bar * (w.beta * (e**3).sum(axis=0) + (w.xi * e).sum(axis=0)) / (e**2).sum(axis=0)
            )
        ),
        slip(
            r"\mathbb{E}f-\mathbb{E}\bigg[\alpha\bar g+\beta\bar g^2+"
            r"\bar g\;\frac{\beta\sum_ie_i^3+\sum_i\xi_ie_i}{\sum_ie_i^2}\bigg]",
            r"The mixed term of the square is $2\bar g\,e_i$: what stands before $\sum_ie_i^2$ is $2\beta\bar g$.",
            lambda: (
                w.mean_f
                - w.mean(
                    w.alpha * w.g_bar
                    + w.beta * w.g_bar**2
                    + w.g_bar * (w.beta * (e**3).sum(axis=0) + (w.xi * e).sum(axis=0)) / (e**2).sum(axis=0)
                )
            ),
        ),
    )
    yield equals(
        r"\mathbb{E}f-2\beta\,\mathbb{E}[\bar g^2]",
        r"$\bar g$ has mean zero and is independent of the $e_i$ and of $\xi$; given those, every other term is "
        r"$\bar g$ times a constant.",
        lambda: w.mean_f - 2 * w.beta * w.mean(w.g_bar**2),
        slip(
            r"\mathbb{E}f-2\beta\,\mathbb{E}[g^2]",
            r"The mean of the samples varies less than one of them.",
            lambda: w.mean_f - 2 * w.beta * w.mean(g[0] ** 2),
        ),
    )
    yield equals(
        r"\mathbb{E}f-\frac{2\beta}n",
        r"The variance of a mean of $n$ independent samples. If $\beta=0$, nothing moves.",
        lambda: w.mean_f - 2 * w.beta / n,
    )


@dataclass(frozen=True)
class Forecast(Episodes):
    """Episodes, and in f, (S, A), what is forecast of each action, right or wrong."""

    f: np.ndarray = None

    @property
    def forecast(self):
        """f(s_t, a_t), (T, N)."""
        return self.f[self.s, self.a]

    @cached_property
    def taken_away(self):
        """ℓ_f(s) = E_a[f(s, a) ∇ log π(a|s)], (n, S)."""
        score = self.gradient(lambda w: w.log_pi)
        return sum(self.pi[:, a] * self.f[:, a] * score[:, :, a] for a in self.actions)


def forecast(rng, mdp=None, pi=None, horizon=None) -> Forecast:
    w = episodes(rng, mdp, pi, horizon)
    return Forecast(w.mdp, w.theta, w.T, w.s, w.a, rng.normal(size=w.mdp.r.shape))


@derivation("action-baseline", title="A baseline that sees the action", proves="thm-action-baseline", world=forecast)
def action_baseline(w):
    gamma, f = w.gamma, w.forecast

    def residuals():  # E Σ γᵗ(G_t − f)ψ_t
        return w.mean(sum(gamma**t * (w.to_go(t) - f[t]) * w.psi[t] for t in w.times))

    yield first(
        r"\nabla\eta",
        "The gradient of the expected return.",
        lambda: w.gradient(lambda w: w.mean(w.R)),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_t\gamma^tG_t\,\psi_t\Big]",
        "Chapter 1: each score is weighed by what comes after.",
        lambda: w.mean(sum(gamma**t * w.to_go(t) * w.psi[t] for t in w.times)),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_t\gamma^t\big(G_t-f(s_t,a_t)\big)\,\psi_t\Big]+\mathbb{E}\Big[\sum_t\gamma^tf(s_t,a_t)\,\psi_t\Big]",
        r"Subtract $f$ and add it back: here it has a random value for each pair.",
        lambda: residuals() + w.mean(sum(gamma**t * f[t] * w.psi[t] for t in w.times)),
        slip(
            r"\mathbb{E}\Big[\sum_t\gamma^t\big(G_t-f(s_t,a_t)\big)\,\psi_t\Big]",
            r"“A baseline is free.” One that sees the action is not: it takes its mean with the score with it, and the "
            r"nearer it is to $Q^\pi$, the nearer that is to the whole gradient.",
            lambda: w.mean(sum(gamma**t * w.to_go(t) * w.psi[t] - gamma**t * f[t] * w.psi[t] for t in w.times)),
        ),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_t\gamma^t\big(G_t-f(s_t,a_t)\big)\,\psi_t\Big]"
        r"+\mathbb{E}\Big[\sum_t\gamma^t\,\mathbb{E}[f(s_t,a_t)\,\psi_t|H_t]\Big]",
        r"The tower property. (The mean that $f$ takes away in a state is "
        r"$\ell_f(s)=\mathbb{E}_{a\sim\pi(\cdot|s)}[f(s,a)\,\nabla\log\pi(a|s)]$.)",
        lambda: residuals() + w.mean(sum(gamma**t * w.given(f[t] * w.psi[t], *w.history(t)) for t in w.times)),
        slip(
            r"\mathbb{E}\Big[\sum_t\gamma^t\big(G_t-f(s_t,a_t)\big)\,\psi_t\Big]"
            r"+\mathbb{E}\Big[\sum_t\gamma^tf(s_t,a_t)\,\mathbb{E}[\psi_t|H_t]\Big]",
            r"Given $H_t$, $f(s_t,a_t)$ is no constant, as $a_t$ is still to be drawn: it cannot come out.",
            lambda: residuals() + w.mean(sum(gamma**t * f[t] * w.given(w.psi[t], *w.history(t)) for t in w.times)),
        ),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_t\gamma^t\big\{\big(G_t-f(s_t,a_t)\big)\,\psi_t+\ell_f(s_t)\big\}\Big]",
        r"Given $H_t$, the action is drawn from $\pi(\cdot|s_t)$: the inner mean is $\ell_f(s_t)$.",
        lambda: w.mean(sum(gamma**t * ((w.to_go(t) - f[t]) * w.psi[t] + w.taken_away[:, w.s[t]]) for t in w.times)),
        slip(
            r"\mathbb{E}\Big[\sum_t\gamma^t\big\{\big(G_t-f(s_t,a_t)\big)\,\psi_t\big\}+\ell_f(s_0)\Big]",
            r"What is subtracted at every step must be put back at every step, and in its state.",
            lambda: w.mean(sum(gamma**t * ((w.to_go(t) - f[t]) * w.psi[t]) for t in w.times) + w.taken_away[:, w.s[0]]),
        ),
    )
