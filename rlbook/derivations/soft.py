"""Chapter 2, line by line: what log-sum-exp maximises, and what a policy loses against the soft optimum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook.derivations.lines import at_most, derivation, equals, first, slip
from rlbook.derivations.small_worlds import Lasting, lasting, takes_all


@dataclass(frozen=True)
class Choice:
    """Three actions with the values x, a temperature, and any distribution p over them."""

    x: np.ndarray
    alpha: float
    p: np.ndarray

    def __str__(self):
        return f"World: 3 actions, α = {self.alpha:.3g}."

    @property
    def lse(self):
        return self.alpha * np.log(np.exp(self.x / self.alpha).sum())

    @property
    def q(self):
        return np.exp(self.x / self.alpha) / np.exp(self.x / self.alpha).sum()


def choice(rng) -> Choice:
    return Choice(rng.normal(size=3), rng.uniform(0.3, 2), rng.dirichlet(np.full(3, 2.0)))


@derivation("log-sum-exp", title="What log-sum-exp maximises", proves="lem-lse", world=choice)
def log_sum_exp(w):
    x, alpha, p, q = w.x, w.alpha, w.p, w.q
    yield first(
        r"p\cdot x+\alpha H(p)",
        "Value and entropy of any distribution $p$ over the actions.",
        lambda: p @ x + alpha * -scipy.special.xlogy(p, p).sum(),
    )
    yield equals(
        r"\sum_ap_a\,(x_a-\alpha\log p_a)",
        r"$H(p)=-\sum_ap_a\log p_a$. (Now write $\operatorname{lse}_\alpha(x)=\alpha\log\sum_ae^{x_a/\alpha}$ and "
        r"$q_a=e^{x_a/\alpha}/\sum_be^{x_b/\alpha}$.)",
        lambda: sum(p[a] * (x[a] - alpha * np.log(p[a])) for a in range(3)),
        slip(
            r"\sum_ap_a\,(x_a+\alpha\log p_a)",
            "Entropy has a minus: logarithms of probabilities are negative, and uncertainty is not.",
            lambda: sum(p[a] * (x[a] + alpha * np.log(p[a])) for a in range(3)),
        ),
    )
    yield equals(
        r"\sum_ap_a\big(\operatorname{lse}_\alpha(x)+\alpha\log q_a-\alpha\log p_a\big)",
        r"The logarithm of the softmax: $\alpha\log q_a=x_a-\operatorname{lse}_\alpha(x)$.",
        lambda: sum(p[a] * (w.lse + alpha * np.log(q[a]) - alpha * np.log(p[a])) for a in range(3)),
        slip(
            r"\sum_ap_a\big(\operatorname{lse}_\alpha(x)+\log q_a-\alpha\log p_a\big)",
            r"The logarithm of $q_a$ is $x_a/\alpha$ less a constant: without its $\alpha$ it is no value.",
            lambda: sum(p[a] * (w.lse + np.log(q[a]) - alpha * np.log(p[a])) for a in range(3)),
        ),
    )
    yield equals(
        r"\operatorname{lse}_\alpha(x)-\alpha\,\mathrm{KL}(p\,\|\,q)",
        r"The first term does not depend on $a$; the others are the divergence.",
        lambda: w.lse - alpha * (p * np.log(p / q)).sum(),
        slip(
            r"\operatorname{lse}_\alpha(x)-\alpha\,\mathrm{KL}(q\,\|\,p)",
            r"The average is over $p$; a divergence is not symmetric.",
            lambda: w.lse - alpha * (q * np.log(q / p)).sum(),
        ),
    )
    yield at_most(
        r"\operatorname{lse}_\alpha(x)",
        r"$\mathrm{KL}\ge0$, and it is $0$ at $p=q$ alone: that is the maximiser.",
        lambda: alpha * np.log(np.exp(x / alpha).sum()),
        slip(
            r"q\cdot x",
            r"The maximum is attained at $q$, yes, but its value there includes the entropy $\alpha H(q)$.",
            lambda: q @ x,
        ),
    )
    yield at_most(
        r"\max_ax_a+\alpha\log|A|",
        "No term of the sum is larger than the largest.",
        lambda: x.max() + alpha * np.log(3),
        slip(
            r"\max_ax_a",
            r"All $|A|$ terms may be as large as the largest; log-sum-exp is above the maximum, and not below it.",
            lambda: x.max(),
        ),
    )


@dataclass(frozen=True)
class Soft(Lasting):
    """A world, a temperature, and the soft optimum, by repetition of its operator."""

    alpha: float
    Q_soft: np.ndarray

    def __str__(self):
        return f"{super().__str__()[:-1]}, α = {self.alpha:.3g}."

    def lse(self, Q):
        """Where an episode has ended nothing is chosen, and the maximum stands for it."""
        most = Q.max(axis=1)
        above = self.alpha * np.log(np.exp((Q - most[:, None]) / self.alpha).sum(axis=1))
        return most + np.where(self.mdp.terminal, 0, above)

    @cached_property
    def V_soft(self):
        return self.lse(self.Q_soft)

    @cached_property
    def pi_soft(self):
        ends = self.mdp.terminal[:, None]
        return np.where(ends, self.pi, np.exp((self.Q_soft - self.V_soft[:, None]) / self.alpha))

    @cached_property
    def H(self):
        return -scipy.special.xlogy(self.pi, self.pi).sum(axis=1)

    @cached_property
    def V_pi(self):
        """V^π_α."""
        return self.solve(self.pi, (self.pi * self.r).sum(axis=1) + self.alpha * self.H)

    @cached_property
    def Q_pi(self):
        """Q^π_α, without the entropy of the present state."""
        return self.r + self.gamma * self.P @ self.V_pi

    @cached_property
    def KL(self):
        """KL(π‖π_α) in each state."""
        p, q = self.pi, self.pi_soft
        return (scipy.special.xlogy(p, p) - scipy.special.xlogy(p, q)).sum(axis=1)

    @cached_property
    def KL_back(self):
        """KL(π_α‖π)."""
        p, q = self.pi_soft, self.pi
        return (scipy.special.xlogy(p, p) - scipy.special.xlogy(p, q)).sum(axis=1)

    def visits(self, pi):
        """P(s_t = s), one row for each t."""
        rows, P = [self.rho0], self.chain(pi)
        for _ in range(self.long):
            rows.append(rows[-1] @ P)
        return np.array(rows)


def soft(rng, mdp=None, pi=None) -> Soft:
    w = lasting(rng, mdp, pi)
    takes_all(w.mdp, w.pi, "the soft optimum takes every action, and is compared with it")
    made = Soft(w.mdp, w.pi, rng.uniform(0.2, 1), np.zeros(w.r.shape))
    Q = made.Q_soft
    for _ in range(w.long):
        Q = w.r + w.gamma * w.P @ made.lse(Q)
    return replace(made, Q_soft=Q)


@derivation("soft-gap", title="The soft gap", proves=["thm-soft-contraction", "eq-soft-gap"], world=soft)
def soft_gap(w):
    gap, P_pi = w.V_soft - w.V_pi, w.chain(w.pi)
    yield first(
        r"\rho_0\cdot(V_\alpha-V^\pi_\alpha)",
        r"What a policy loses against the soft optimum, whose values are $V_\alpha$ and $Q_\alpha$; its own are "
        r"$V^\pi_\alpha$ and $Q^\pi_\alpha$.",
        lambda: w.rho0 @ (w.V_soft - w.V_pi),
    )
    yield equals(
        r"\rho_0\cdot\big[(V_\alpha-\pi\cdot Q_\alpha-\alpha H(\pi))+\pi\cdot(Q_\alpha-Q^\pi_\alpha)\big]",
        r"$V^\pi_\alpha=\pi\cdot Q^\pi_\alpha+\alpha H(\pi)$; take $\pi\cdot Q_\alpha$ away and add it. (The softmax "
        r"of $Q_\alpha(s,\cdot)/\alpha$ is $\pi_\alpha$.)",
        lambda: (
            w.rho0
            @ ((w.V_soft - (w.pi * w.Q_soft).sum(axis=1) - w.alpha * w.H) + (w.pi * (w.Q_soft - w.Q_pi)).sum(axis=1))
        ),
        slip(
            r"\rho_0\cdot\big[(V_\alpha-\pi\cdot Q_\alpha)+\pi\cdot(Q_\alpha-Q^\pi_\alpha)\big]",
            r"$Q^\pi_\alpha$ leaves out the entropy of the present state, where the action is given; $V^\pi_\alpha$ "
            "has it.",
            lambda: w.rho0 @ ((w.V_soft - (w.pi * w.Q_soft).sum(axis=1)) + (w.pi * (w.Q_soft - w.Q_pi)).sum(axis=1)),
        ),
    )
    yield equals(
        r"\rho_0\cdot\big[\alpha\,\mathrm{KL}(\pi\,\|\,\pi_\alpha)"
        r"+\gamma\,\mathbb{E}_\pi[(V_\alpha-V^\pi_\alpha)(s')]\big]",
        r"The lemma, with $x=Q_\alpha(s,\cdot)$ and $p=\pi(\cdot|s)$; and $Q=r+\gamma\,\mathbb{E}V$.",
        lambda: w.rho0 @ (w.alpha * w.KL + w.gamma * P_pi @ gap),
        slip(
            r"\rho_0\cdot\big[\alpha\,\mathrm{KL}(\pi_\alpha\,\|\,\pi)"
            r"+\gamma\,\mathbb{E}_\pi[(V_\alpha-V^\pi_\alpha)(s')]\big]",
            r"The average is over what $\pi$ does: $\pi$ stands first.",
            lambda: w.rho0 @ (w.alpha * w.KL_back + w.gamma * P_pi @ gap),
        ),
    )
    yield equals(
        r"\mathbb{E}_\pi\big[\alpha\,\mathrm{KL}_{s_0}+\gamma\,\alpha\,\mathrm{KL}_{s_1}"
        r"+\gamma^2(V_\alpha-V^\pi_\alpha)(s_2)\big]",
        r"Insert it into itself, here once; $\mathrm{KL}_s$ is the divergence in the state $s$.",
        lambda: sum(
            w.rho0[x]
            * P_pi[x, y]
            * P_pi[y, z]
            * (w.alpha * w.KL[x] + w.gamma * w.alpha * w.KL[y] + w.gamma**2 * gap[z])
            for x in range(len(gap))
            for y in range(len(gap))
            for z in range(len(gap))
        ),
    )
    yield equals(
        r"\alpha\sum_t\gamma^t\,\mathbb{E}_\pi[\mathrm{KL}_{s_t}]",
        r"And for ever: what is left after $n$ times is at most $\gamma^n\|V_\alpha-V^\pi_\alpha\|$. (The visits are "
        r"$\rho_\pi(s)=\sum_t\gamma^t\,\mathbb{P}(s_t=s)$, and $\bar\rho_\pi=(1-\gamma)\rho_\pi$.)",
        lambda: w.alpha * sum(w.gamma**t * p @ w.KL for t, p in enumerate(w.visits(w.pi))),
        slip(
            r"\alpha\sum_t\gamma^t\,\mathbb{E}_{\pi_\alpha}[\mathrm{KL}_{s_t}]",
            r"The states are those that $\pi$ comes to: it was $\pi$ that was followed at each step.",
            lambda: w.alpha * sum(w.gamma**t * p @ w.KL for t, p in enumerate(w.visits(w.pi_soft))),
        ),
    )
    yield equals(
        r"\alpha\sum_s\rho_\pi(s)\,\mathrm{KL}\big(\pi(\cdot|s)\,\|\,\pi_\alpha(\cdot|s)\big)",
        "Sort by states.",
        lambda: w.alpha * w.rho(w.pi) @ w.KL,
        slip(
            r"\alpha\sum_s\bar\rho_\pi(s)\,\mathrm{KL}\big(\pi(\cdot|s)\,\|\,\pi_\alpha(\cdot|s)\big)",
            r"$\rho_\pi$ is no distribution: its mass is $\frac1{1-\gamma}$, and $\bar\rho_\pi$ has lost it.",
            lambda: w.alpha * (1 - w.gamma) * w.rho(w.pi) @ w.KL,
        ),
    )
