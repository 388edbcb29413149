"""Chapter 1, line by line: from the gradient of an average to the best baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlbook.derivations.lines import derivation, equals, first, slip
from rlbook.derivations.small_worlds import complex_step, episodes, settled, softmax


@dataclass(frozen=True)
class Draw:
    """A random variable X with four values, p_θ(x) ∝ e^(φ(x)·θ) with two parameters, and a function f."""

    f: np.ndarray
    phi: np.ndarray
    theta: np.ndarray

    def __str__(self):
        return "World: a random variable with 4 values, whose law has 2 parameters."

    def p(self, theta):
        return softmax((self.phi @ theta)[None])[0]

    def gradient(self, g):
        return complex_step(g, self.theta)


def draw(rng) -> Draw:
    return Draw(rng.normal(size=4), rng.normal(size=(4, 2)), rng.normal(size=2))


@derivation("score-function", title="The score-function identity", proves="thm-score-function", world=draw)
def score_function(w):
    p = w.p(w.theta)
    yield first(
        r"\nabla\,\mathbb{E}_\theta[f(X)]",
        r"The gradient that is wanted: how the mean of $f(X)$ moves with $\theta$.",
        lambda: w.gradient(lambda theta: w.p(theta) @ w.f),
    )
    yield equals(
        r"\sum_x f(x)\,\nabla p_\theta(x)",
        "A finite sum may be differentiated term by term (an integral, if it is dominated).",
        lambda: sum(w.f[x] * w.gradient(lambda theta, x=x: w.p(theta)[x]) for x in range(4)),
        slip(
            r"\sum_x \nabla f(x)\,p_\theta(x)",
            r"The gradient was put on $f$. With $x$ fixed, $f(x)$ does not know $\theta$: its gradient is zero.",
            lambda: sum(p[x] * w.gradient(lambda theta, x=x: w.f[x] + 0 * theta[0]) for x in range(4)),
            mends=2,
        ),
    )
    yield equals(
        r"\sum_x p_\theta(x)\,f(x)\,\frac{\nabla p_\theta(x)}{p_\theta(x)}",
        r"Multiply and divide by $p_\theta(x)$. (Where $p_\theta(x)=0$ it is at its minimum in $\theta$, so "
        r"$\nabla p_\theta(x)=0$ as well.)",
        lambda: (p * w.f * (w.gradient(w.p) / p)).sum(axis=1),
        slip(
            r"\sum_x f(x)\,\frac{\nabla p_\theta(x)}{p_\theta(x)}",
            "Divided and not multiplied: an average must be weighed by $p_\\theta$, or it cannot be sampled.",
            lambda: w.gradient(w.p) / p @ w.f,
        ),
    )
    yield equals(
        r"\mathbb{E}_\theta\big[f(X)\,\nabla\log p_\theta(X)\big]",
        r"$\nabla p/p=\nabla\log p$, by the chain rule: an average again, so it can be estimated by sampling.",
        lambda: w.gradient(lambda theta: np.log(w.p(theta))) @ (p * w.f),
    )


@derivation("reinforce", title="REINFORCE", proves="thm-reinforce", world=episodes)
def reinforce(w):
    yield first(
        r"\nabla\,\mathbb{E}_\theta[R(\tau)]",
        "The gradient of the expected return.",
        lambda: w.gradient(lambda w: w.mean(w.R)),
    )
    yield equals(
        r"\sum_\tau R(\tau)\,\nabla p_\theta(\tau)",
        r"There are finitely many episodes, and $\theta$ sits in their probabilities alone.",
        lambda: (w.R * w.gradient(lambda w: w.p)).sum(axis=1),
    )
    yield equals(
        r"\mathbb{E}_\theta\big[R(\tau)\,\nabla\log p_\theta(\tau)\big]",
        r"The score-function identity: $\nabla p=p\,\nabla\log p$. (Of the world, $P(s'|s,a)$ is the answer to an "
        r"action, and $P_\pi(s'|s)=\sum_a\pi_\theta(a|s)\,P(s'|s,a)$ that to a policy.)",
        lambda: w.mean(w.R * w.gradient(lambda w: np.log(w.p))),
    )
    yield equals(
        r"\mathbb{E}_\theta\Big[R\,\nabla\Big(\log\rho_0(s_0)+\sum_t\log\pi_\theta(a_t|s_t)"
        r"+\sum_t\log P(s_{t+1}|s_t,a_t)\Big)\Big]",
        "The probability of an episode is a product, and the logarithm makes it a sum. (The score of one decision is "
        r"$\psi_t=\nabla\log\pi_\theta(a_t|s_t)$.)",
        lambda: w.mean(
            w.R
            * w.gradient(
                lambda w: np.log(w.mdp.rho0[w.s[0]]) + np.log(w.chosen).sum(axis=0) + np.log(w.moved).sum(axis=0)
            )
        ),
        slip(
            r"\mathbb{E}_\theta\Big[R\,\nabla\Big(\log\rho_0(s_0)+\sum_t\log\pi_\theta(a_t|s_t)"
            r"+\sum_t\log P_\pi(s_{t+1}|s_t)\Big)\Big]",
            r"The world answers the action. The marginal $P_\pi(s'|s)$ depends on $\theta$, so its term does not "
            "vanish.",
            lambda: w.mean(
                w.R
                * w.gradient(
                    lambda w: (
                        np.log(w.mdp.rho0[w.s[0]])
                        + np.log(w.chosen).sum(axis=0)
                        + np.log(np.einsum("sa,sax->sx", w.pi, w.P)[w.s[:-1], w.s[1:]]).sum(axis=0)
                    )
                )
            ),
            mends=4,
        ),
    )
    yield equals(
        r"\mathbb{E}_\theta\Big[R(\tau)\sum_t\psi_t\Big]",
        r"$\rho_0$ and $P$ do not know $\theta$: their terms go, and the scores stay.",
        lambda: w.mean(w.R * sum(w.psi[t] for t in w.times)),
        slip(
            r"\mathbb{E}_\theta\Big[\sum_t\gamma^tr_t\,\psi_t\Big]",
            "Each decision is weighed by its own reward alone: what it leads to later is forgotten.",
            lambda: w.mean(sum(w.gamma**t * w.r[t] * w.psi[t] for t in w.times)),
        ),
    )


@derivation(
    "settled", title="What is settled before the action", proves=["lem-score-zero", "lem-admissible"], world=settled
)
def what_is_settled(w):
    yield first(
        r"\mathbb{E}\Big[\sum_tY_t\,\psi_t\Big]",
        r"$Y_t$ is any function of the history $H_t=(s_0,a_0,\dots,s_t)$, here with a random value for each; "
        r"$\psi_t=\nabla\log\pi_\theta(a_t|s_t)$.",
        lambda: w.mean(sum(w.b[t] * w.psi[t] for t in w.times)),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_tY_t\;\mathbb{E}[\psi_t|H_t]\Big]",
        r"Given $H_t$, the value $Y_t$ is a constant.",
        lambda: w.mean(sum(w.b[t] * w.given(w.psi[t], *w.history(t)) for t in w.times)),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_tY_t\sum_a\pi_\theta(a|s_t)\,\nabla\log\pi_\theta(a|s_t)\Big]",
        r"The policy looks at nothing but $s_t$: given $H_t$, the action is drawn from $\pi_\theta(\cdot|s_t)$.",
        lambda: w.mean(
            sum(
                w.b[t] * sum(w.pi[w.s[t], a] * w.gradient(lambda w: w.log_pi)[:, w.s[t], a] for a in w.actions)
                for t in w.times
            )
        ),
        slip(
            r"\mathbb{E}\Big[\sum_tY_t\sum_a\nabla\log\pi_\theta(a|s_t)\Big]",
            r"The actions are not alike: a mean weighs each by $\pi_\theta(a|s_t)$, and only so weighed do the scores "
            "cancel.",
            lambda: w.mean(sum(w.b[t] * w.gradient(lambda w: w.log_pi)[:, w.s[t]].sum(axis=-1) for t in w.times)),
        ),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_tY_t\sum_a\nabla\pi_\theta(a|s_t)\Big]",
        r"$\pi\,\nabla\log\pi=\nabla\pi$.",
        lambda: w.mean(sum(w.b[t] * w.gradient(lambda w, t=t: w.pi[w.s[t]].T).sum(axis=1) for t in w.times)),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_tY_t\,\nabla\sum_a\pi_\theta(a|s_t)\Big]",
        "A sum of gradients is the gradient of the sum.",
        lambda: w.mean(sum(w.b[t] * w.gradient(lambda w, t=t: w.pi.sum(axis=1)[w.s[t]]) for t in w.times)),
    )
    yield equals(
        "0",
        "Probabilities sum to 1 whatever $\\theta$ is, and the gradient of 1 is zero.",
        lambda: np.zeros(w.theta.size),
    )


@derivation("reward-to-go", title="Reward-to-go", proves="thm-reward-to-go", world=episodes)
def reward_to_go(w):
    yield first(
        r"\nabla\,\mathbb{E}_\theta[R(\tau)]",
        "The gradient of the expected return.",
        lambda: w.gradient(lambda w: w.mean(sum(w.gamma**t * w.r[t] for t in w.times))),
    )
    yield equals(
        r"\sum_t\mathbb{E}[R(\tau)\,\psi_t]",
        r"REINFORCE: every score is weighed by the whole return. Of it, $K_t=\sum_{k<t}\gamma^kr_k$ was earned "
        r"before $a_t$, and $G_t=\sum_{k\ge t}\gamma^{k-t}r_k$ is what comes after, counted from then.",
        lambda: sum(w.mean(w.R * w.psi[t]) for t in w.times),
    )
    yield equals(
        r"\sum_t\mathbb{E}[K_t\,\psi_t]+\sum_t\mathbb{E}[\gamma^tG_t\,\psi_t]",
        r"Split the return at $t$: $R=K_t+\gamma^tG_t$. (What comes next looks at the history, "
        r"$H_t=(s_0,a_0,\dots,s_t)$.)",
        lambda: (
            sum(w.mean(w.past(t) * w.psi[t]) for t in w.times)
            + sum(w.mean(w.gamma**t * w.to_go(t) * w.psi[t]) for t in w.times)
        ),
        slip(
            r"\sum_t\mathbb{E}[K_t\,\psi_t]+\sum_t\mathbb{E}[G_t\,\psi_t]",
            r"$G_t$ is discounted from time $t$ on, so in the return it has the factor $\gamma^t$.",
            lambda: (
                sum(w.mean(w.past(t) * w.psi[t]) for t in w.times) + sum(w.mean(w.to_go(t) * w.psi[t]) for t in w.times)
            ),
            mends=6,
        ),
    )
    yield equals(
        r"\sum_t\mathbb{E}\big[K_t\,\mathbb{E}[\psi_t|H_t]\big]+\sum_t\mathbb{E}[\gamma^tG_t\,\psi_t]",
        r"$K_t$ is a function of $H_t$, so it is a constant once $H_t$ is given.",
        lambda: (
            sum(w.mean(w.past(t) * w.given(w.psi[t], *w.history(t))) for t in w.times)
            + w.mean(sum(w.gamma**t * w.to_go(t) * w.psi[t] for t in w.times))
        ),
        slip(
            r"\sum_t\mathbb{E}[K_t\,\psi_t]+\sum_t\mathbb{E}\big[\gamma^tG_t\,\mathbb{E}[\psi_t|H_t]\big]",
            "“Given $H_t$, $G_t$ moves out too.” It is not settled by $H_t$: it goes with $a_t$, and so with the "
            "score. Moved out, it leaves nothing of the gradient.",
            lambda: (
                sum(w.mean(w.past(t) * w.psi[t]) for t in w.times)
                + sum(w.mean(w.gamma**t * w.to_go(t) * w.given(w.psi[t], *w.history(t))) for t in w.times)
            ),
        ),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_t\gamma^tG_t\,\psi_t\Big]",
        r"Given the history, the score has mean zero: the past drops out.",
        lambda: w.mean(sum(w.gamma**t * w.to_go(t) * w.psi[t] for t in w.times)),
        slip(
            r"\mathbb{E}\Big[\sum_t\gamma^{t+1}G_{t+1}\,\psi_t\Big]",
            r"As if $H_t$ held $a_t$ already, and $r_t$ were past. But what $a_t$ earns at once is its own doing.",
            lambda: w.mean(sum(w.gamma ** (t + 1) * w.to_go(t + 1) * w.psi[t] for t in w.times)),
        ),
    )


@derivation("past-noise", title="The past is noise", proves="prop-past-variance", world=episodes)
def past_noise(w):
    yield first(
        r"\mathbb{E}\Big\|\sum_tK_t\,\psi_t\Big\|^2",
        r"The past that stands beside the scores $\psi_t$, $K_t=\sum_{k<t}\gamma^kr_k$. Its mean is zero, so this is "
        "its total variance.",
        lambda: w.mean((sum(w.past(t) * w.psi[t] for t in w.times) ** 2).sum(axis=0)),
    )
    yield equals(
        r"\sum_t\sum_u\mathbb{E}\big[K_tK_u\langle\psi_t,\psi_u\rangle\big]",
        "Multiply out.",
        lambda: sum(
            w.mean(w.past(t) * w.past(u) * (w.psi[t] * w.psi[u]).sum(axis=0)) for t in w.times for u in w.times
        ),
    )
    yield equals(
        r"\sum_t\mathbb{E}\big[K_t^2\,\|\psi_t\|^2\big]",
        r"For $t<u$ the vector $K_tK_u\psi_t$ is settled before $a_u$ is drawn, so its product with $\psi_u$ has mean "
        "zero: only the squares survive.",
        lambda: sum(w.mean(w.past(t) ** 2 * (w.psi[t] ** 2).sum(axis=0)) for t in w.times),
        slip(
            r"\sum_t\mathbb{E}[K_t^2]\;\mathbb{E}\|\psi_t\|^2",
            r"Earlier rewards do not move out: $K_t^2$ and $\|\psi_t\|^2$ both go with $s_t$, and so the mean of "
            "their product is in general not the product of their means.",
            lambda: sum(w.mean(w.past(t) ** 2) * w.mean((w.psi[t] ** 2).sum(axis=0)) for t in w.times),
            mends=8,
        ),
    )
