"""Chapter 1, line by line: which baselines are free, and which is best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlbook.derivations.lines import at_least, derivation, equals, first, slip
from rlbook.derivations.small_worlds import episodes, settled, settled_by_state


@derivation("baseline", title="A baseline is free", proves="thm-baseline", world=settled)
def baseline(w):
    likeliest = w.p.argmax()
    yield first(
        r"\mathbb{E}\Big[\sum_t\gamma^t(G_t-b_t)\,\psi_t\Big]",
        r"$G_t$ is what comes after $a_t$, $\psi_t=\nabla\log\pi(a_t|s_t)$, and $b_t$ is any function of the history "
        r"$H_t=(s_0,a_0,\dots,s_t)$; here it has a random value for each.",
        lambda: w.mean(sum(w.gamma**t * (w.to_go(t) - w.b[t]) * w.psi[t] for t in w.times)),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_t\gamma^tG_t\,\psi_t\Big]-\mathbb{E}\Big[\sum_t\gamma^tb_t\,\psi_t\Big]",
        "An expectation is linear.",
        lambda: (
            w.mean(sum(w.gamma**t * w.to_go(t) * w.psi[t] for t in w.times))
            - w.mean(sum(w.gamma**t * w.b[t] * w.psi[t] for t in w.times))
        ),
        slip(
            r"\mathbb{E}\Big[\sum_t\gamma^tG_t\,\psi_t\Big]-\sum_t\gamma^tb_t\,\psi_t",
            "An expectation is lost. The sum that is subtracted is zero on average, not on an episode; this is the "
            "line's value on the likeliest one.",
            lambda: (
                w.mean(sum(w.gamma**t * w.to_go(t) * w.psi[t] for t in w.times))
                - sum(w.gamma**t * w.b[t] * w.psi[t] for t in w.times)[:, likeliest]
            ),
            mends=10,
        ),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_t\gamma^tG_t\,\psi_t\Big]-\mathbb{E}\Big[\sum_t\gamma^tb_t\;\mathbb{E}[\psi_t|H_t]\Big]",
        r"$\gamma^tb_t$ is a function of $H_t$, so it is a constant once $H_t$ is given.",
        lambda: (
            w.mean(sum(w.gamma**t * w.to_go(t) * w.psi[t] for t in w.times))
            - w.mean(sum(w.gamma**t * w.b[t] * w.given(w.psi[t], *w.history(t)) for t in w.times))
        ),
        slip(
            r"\mathbb{E}\Big[\sum_t\gamma^tG_t\,\psi_t\Big]"
            r"-\mathbb{E}\Big[\sum_t\gamma^tr_t\;\mathbb{E}[\psi_t|s_t,a_t]\Big]",
            "$r_t$ is no $b_t$: it is settled after $a_t$, and not by $H_t$. And given the action, the score is known.",
            lambda: (
                w.mean(sum(w.gamma**t * w.to_go(t) * w.psi[t] for t in w.times))
                - w.mean(sum(w.gamma**t * w.r[t] * w.given(w.psi[t], w.s[t], w.a[t]) for t in w.times))
            ),
        ),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_t\gamma^tG_t\,\psi_t\Big]",
        r"Given $H_t$, the score has mean zero: $\mathbb{E}[\psi_t|H_t]=0$.",
        lambda: w.mean(sum(w.gamma**t * w.to_go(t) * w.psi[t] for t in w.times)),
    )
    yield equals(
        r"\nabla\,\mathbb{E}_\theta[R(\tau)]",
        "Reward-to-go, read backwards: the gradient of the expected return.",
        lambda: w.gradient(lambda w: w.mean(w.R)),
    )


@derivation("same-batch", title="A baseline from the same batch", proves="prop-same-batch", world=episodes)
def same_batch(w):
    Z = sum(w.psi[t] for t in w.times)
    # A batch is a pair of episodes: what is first runs along the axis before the last, what is second along the last.
    p, R, Z_1, Z_2 = w.p[:, None] * w.p, (w.R[:, None], w.R), Z[:, :, None], Z[:, None, :]

    def mean(x):
        return (p * x).sum(axis=(-2, -1))

    yield first(
        r"\mathbb{E}\Big[\frac12\sum_{i}(R_i-\bar R)\,Z_i\Big]",
        r"A batch of two episodes, $i=1,2$, with $Z_i=\sum_t\psi_{i,t}$ and the mean return $\bar R$ as the baseline.",
        lambda: mean(((R[0] - (R[0] + R[1]) / 2) * Z_1 + (R[1] - (R[0] + R[1]) / 2) * Z_2) / 2),
    )
    yield equals(
        r"\frac12\sum_i\mathbb{E}[R_iZ_i]-\frac14\sum_i\sum_j\mathbb{E}[R_jZ_i]",
        r"Put in $\bar R=\frac12(R_1+R_2)$.",
        lambda: (
            (mean(R[0] * Z_1) + mean(R[1] * Z_2)) / 2
            - (mean(R[0] * Z_1) + mean(R[1] * Z_1) + mean(R[0] * Z_2) + mean(R[1] * Z_2)) / 4
        ),
        slip(
            r"\frac12\sum_i\mathbb{E}[R_iZ_i]-\frac12\sum_i\mathbb{E}[\bar R]\;\mathbb{E}[Z_i]",
            r"“A baseline is free.” This one was fitted on the batch: $\bar R$ holds $R_i$, which knows the actions of "
            r"episode $i$, so it cannot be taken out.",
            lambda: (
                (mean(R[0] * Z_1) + mean(R[1] * Z_2)) / 2
                - mean((R[0] + R[1]) / 2) * (mean(Z_1 + 0 * Z_2) + mean(Z_2 + 0 * Z_1)) / 2
            ),
            mends=10,
        ),
    )
    yield equals(
        r"\frac12\sum_i\mathbb{E}[R_iZ_i]-\frac14\sum_i\mathbb{E}[R_iZ_i]",
        r"For $j\ne i$ the two episodes are independent: $\mathbb{E}[R_jZ_i]=\mathbb{E}[R_j]\,\mathbb{E}[Z_i]=0$.",
        lambda: (mean(R[0] * Z_1) + mean(R[1] * Z_2)) / 2 - (mean(R[0] * Z_1) + mean(R[1] * Z_2)) / 4,
    )
    yield equals(
        r"\Big(1-\frac12\Big)\,\mathbb{E}\Big[R\sum_t\psi_t\Big]",
        "Both episodes have the same law.",
        lambda: (1 - 1 / 2) * w.mean(w.R * Z),
    )
    yield equals(
        r"\Big(1-\frac12\Big)\,\nabla\,\mathbb{E}_\theta[R(\tau)]",
        r"REINFORCE. With $N$ episodes the factor is $1-\frac1N$.",
        lambda: (1 - 1 / 2) * w.gradient(lambda w: w.mean(w.R)),
    )


@dataclass(frozen=True)
class Arms:
    """One decision between two arms that pay r, the first taken with probability p, and a baseline b."""

    p: float
    r: np.ndarray
    b: float

    def __str__(self):
        r_1, r_2 = self.r
        return f"World: two arms that pay {r_1:.3g} and {r_2:.3g}, p = {self.p:.3g}, b = {self.b:.3g}."


def arms(rng) -> Arms:
    return Arms(rng.uniform(0.05, 0.95), rng.normal(size=2), rng.normal())


@derivation("two-arms", title="Two arms", proves="prop-two-arms", world=arms)
def two_arms(w):
    p, (r_1, r_2), b = w.p, w.r, w.b
    law, estimate = np.array([p, 1 - p]), np.array([(r_1 - b) * (1 - p), (r_2 - b) * -p])
    yield first(
        r"\operatorname{Var}\big((r-b)\,\psi\big)",
        r"Arm 1 pays $r_1$, is taken with probability $p$ and has the score $1-p$; arm 2 pays $r_2$ and has $-p$.",
        lambda: law @ (estimate - law @ estimate) ** 2,
    )
    yield equals(
        r"p\,(1-p)\,\big((r_1-b)(1-p)+(r_2-b)\,p\big)^2",
        r"A variable with two values has the variance $p(1-p)$ times their squared difference.",
        lambda: p * (1 - p) * ((r_1 - b) * (1 - p) + (r_2 - b) * p) ** 2,
        slip(
            r"p\,(1-p)\,\big((r_1-b)(1-p)-(r_2-b)\,p\big)^2",
            r"The second score is $-p$, so in the difference of the two values the two terms are added.",
            lambda: p * (1 - p) * ((r_1 - b) * (1 - p) - (r_2 - b) * p) ** 2,
        ),
    )
    yield equals(
        r"p\,(1-p)\,\big(b-(1-p)\,r_1-p\,r_2\big)^2",
        r"Sort by $b$, whose factors add up to $-1$; the square does not see the sign. So the best baseline is "
        r"$b^*=(1-p)\,r_1+p\,r_2$.",
        lambda: p * (1 - p) * (b - (1 - p) * r_1 - p * r_2) ** 2,
        slip(
            r"p\,(1-p)\,\big(b-p\,r_1-(1-p)\,r_2\big)^2",
            r"“The value $V=p\,r_1+(1-p)\,r_2$ is the best baseline.” The weights are the other way round: the rarer "
            "arm's pay counts more, because its score is longer.",
            lambda: p * (1 - p) * (b - p * r_1 - (1 - p) * r_2) ** 2,
        ),
    )


@derivation(
    "optimal-baseline", title="The optimal state baseline", proves="thm-optimal-baseline", world=settled_by_state
)
def optimal_baseline(w):
    psi, times, gamma = w.psi, w.times, w.gamma
    g_hat = sum(gamma**t * w.to_go(t) * psi[t] for t in times)

    def total(estimate):
        """tr Cov of an estimate."""
        return w.mean(((estimate - w.mean(estimate)[:, None]) ** 2).sum(axis=0))

    def weighed(b):
        """B = Σ γᵗ b_t ψ_t."""
        return sum(gamma**t * b[t] * psi[t] for t in times)

    def square(t):
        """‖ψ_t‖²."""
        return (psi[t] ** 2).sum(axis=0)

    def along(t):
        """⟨ψ_t, ĝ⟩."""
        return (psi[t] * g_hat).sum(axis=0)

    def by_state(x, t):
        """E[x | s_t = s], for each state that is visited then."""
        return np.array([w.mean(x * (w.s[t] == s)) for s in visited(t)]) / p(t)

    def visited(t):
        return [s for s in w.states if (w.s[t] == s).any() and not w.mdp.terminal[s]]

    def p(t):
        return np.array([w.mean(w.s[t] == s) for s in visited(t)])

    def b(t):
        return np.array([w.b[t][w.s[t] == s][0] for s in visited(t)])

    def ratio(above, below, t):
        """E[above|s_t] / E[below|s_t] on each episode, and 0 where the score is."""
        below = w.given(below, w.s[t])
        return np.where(below > 0, w.given(above, w.s[t]) / np.where(below > 0, below, 1), 0)

    yield first(
        r"\operatorname{tr}\operatorname{Cov}\hat g(0,b)",
        r"The total variance of $\sum_t\gamma^t(G_t-b_t(s_t))\,\psi_t$, the member $\kappa=0$ of a family. Here "
        r"$b_t(s)=b^*_t(s)+c\,(V_t(s)-b^*_t(s))$ with a random $c$ in each state; $b^*$ is the best (below), and $V$ "
        r"the mean of what comes, $\mathbb{E}[G_t|s_t=s]$.",
        lambda: total(sum(gamma**t * (w.to_go(t) - w.b[t]) * psi[t] for t in times)),
    )
    yield equals(
        r"\mathbb{E}\Big\|\hat g-\sum_t\gamma^tb_t\,\psi_t\Big\|^2-\|\nabla\eta_T\|^2",
        r"With $\hat g=\sum_t\gamma^tG_t\psi_t$; whatever $b$ is, the mean is $\nabla\eta_T$.",
        lambda: w.mean(((g_hat - weighed(w.b)) ** 2).sum(axis=0)) - (w.gradient(lambda w: w.mean(w.R)) ** 2).sum(),
    )
    yield equals(
        r"\operatorname{tr}\operatorname{Cov}\hat g-2\sum_t\gamma^t\,\mathbb{E}[b_t\langle\psi_t,\hat g\rangle]"
        r"+\mathbb{E}\Big\|\sum_t\gamma^tb_t\,\psi_t\Big\|^2",
        r"Expand the square; $\mathbb{E}\|\hat g\|^2-\|\nabla\eta_T\|^2=\operatorname{tr}\operatorname{Cov}\hat g$.",
        lambda: (
            total(g_hat)
            - 2 * sum(gamma**t * w.mean(w.b[t] * along(t)) for t in times)
            + w.mean((weighed(w.b) ** 2).sum(axis=0))
        ),
        slip(
            r"\operatorname{tr}\operatorname{Cov}\hat g-2\sum_t\gamma^{2t}\,\mathbb{E}[b_tG_t\|\psi_t\|^2]"
            r"+\mathbb{E}\Big\|\sum_t\gamma^tb_t\,\psi_t\Big\|^2",
            r"The products of scores at different times are dropped: $\hat g$ holds the other steps too, and they go "
            r"with $\psi_t$.",
            lambda: (
                total(g_hat)
                - 2 * sum(gamma ** (2 * t) * w.mean(w.b[t] * w.to_go(t) * square(t)) for t in times)
                + w.mean((weighed(w.b) ** 2).sum(axis=0))
            ),
        ),
    )
    yield equals(
        r"\operatorname{tr}\operatorname{Cov}\hat g-2\sum_t\gamma^t\,\mathbb{E}[b_t\langle\psi_t,\hat g\rangle]"
        r"+\sum_t\gamma^{2t}\,\mathbb{E}[b_t^2\|\psi_t\|^2]",
        r"$b_t\psi_t$ at different times are uncorrelated: the earlier is settled before the later action.",
        lambda: (
            total(g_hat)
            - 2 * sum(gamma**t * w.mean(w.b[t] * along(t)) for t in times)
            + sum(gamma ** (2 * t) * w.mean(w.b[t] ** 2 * square(t)) for t in times)
        ),
    )
    yield equals(
        r"\operatorname{tr}\operatorname{Cov}\hat g+\sum_{t,s}\mathbb{P}(s_t=s)\big(\gamma^{2t}w_t(s)\,b_t(s)^2"
        r"-2\gamma^tc_t(s)\,b_t(s)\big)",
        r"Given $s_t$, $b_t$ is a number; $w_t(s)=\mathbb{E}[\|\psi_t\|^2|s_t=s]$ and "
        r"$c_t(s)=\mathbb{E}[\langle\psi_t,\hat g\rangle|s_t=s]$.",
        lambda: (
            total(g_hat)
            + sum(p(t) @ (gamma ** (2 * t) * by_state(square(t), t) * b(t) ** 2) for t in times)
            - sum(p(t) @ (2 * gamma**t * by_state(along(t), t) * b(t)) for t in times)
        ),
    )
    yield at_least(
        r"\operatorname{tr}\operatorname{Cov}\hat g-\sum_{t,s}\mathbb{P}(s_t=s)\,\frac{c_t(s)^2}{w_t(s)}",
        r"Every $b_t(s)$ has a parabola to itself, and none is below its bottom. (The bottoms together are $b^*$.)",
        lambda: total(g_hat) - sum(p(t) @ (by_state(along(t), t) ** 2 / by_state(square(t), t)) for t in times),
        slip(
            r"\operatorname{tr}\operatorname{Cov}\hat g(0,V)",
            r"“$V$ centres the weights, so nothing is less noisy.” It is seldom at the bottom, and may be far above.",
            lambda: total(g_hat - weighed([w.given(w.to_go(t), w.s[t]) for t in times])),
        ),
    )
    yield equals(
        r"\operatorname{tr}\operatorname{Cov}\hat g(0,b^*),\quad b^*_t(s)=\frac{c_t(s)}{\gamma^tw_t(s)}",
        r"Line 5 holds for every $b$; at $b^*$ each parabola is at $-c_t(s)^2/w_t(s)$.",
        lambda: total(g_hat - weighed([ratio(along(t), gamma**t * square(t), t) for t in times])),
        slip(
            r"\operatorname{tr}\operatorname{Cov}\hat g(0,b^*),\quad "
            r"b^*_t(s)=\frac{\mathbb{E}[\|\psi_t\|^2G_t|s_t=s]}{w_t(s)}",
            "The per-step formula minimises the variance of each step's term by itself; the terms of several steps go "
            "together.",
            lambda: total(g_hat - weighed([ratio(square(t) * w.to_go(t), square(t), t) for t in times])),
        ),
    )
