"""Chapter 3, line by line: how far visits shift, and the bound behind TRPO."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rlbook import checks
from rlbook.derivations.lines import at_most, derivation, equals, first, slip
from rlbook.derivations.small_worlds import Lasting, lasting, random_policy


@dataclass(frozen=True)
class TwoPolicies(Lasting):
    """A world, a policy and a new one."""

    pi_new: np.ndarray

    @cached_property
    def TV(self):
        return np.abs(self.pi_new - self.pi).sum(axis=1).max() / 2

    @cached_property
    def shift(self):
        """ρ_π' − ρ_π."""
        return self.rho(self.pi_new) - self.rho(self.pi)

    @cached_property
    def turned(self):
        """(P_π' − P_π)ᵀρ_π: where the visitors of π go differently under π'."""
        return (self.chain(self.pi_new) - self.chain(self.pi)).T @ self.rho(self.pi)


def two_policies(rng, mdp=None, pi=None, pi_new=None) -> TwoPolicies:
    w = lasting(rng, mdp, pi, n_states=3)
    new = random_policy(rng, w.mdp) if pi_new is None else checks.policy(w.mdp, pi_new, name="pi_new")
    return TwoPolicies(w.mdp, w.pi, new)


@derivation("visits-shift", title="Visits shift little", proves="lem-occupancy-shift", world=two_policies)
def visits_shift(w):
    yield first(
        r"\|\rho_{\pi'}-\rho_\pi\|_1",
        r"With $\|x\|_1=\sum_s|x(s)|$; the chain of a policy is $P_\pi(s'|s)=\sum_a\pi(a|s)\,P(s'|s,a)$.",
        lambda: np.abs(w.shift).sum(),
    )
    yield equals(
        r"\big\|\gamma P_{\pi'}^\top(\rho_{\pi'}-\rho_\pi)+\gamma(P_{\pi'}-P_\pi)^\top\rho_\pi\big\|_1",
        r"$\rho=\rho_0+\gamma P^\top\rho$ for both; subtract.",
        lambda: np.abs(w.gamma * w.chain(w.pi_new).T @ w.shift + w.gamma * w.turned).sum(),
        slip(
            r"\big\|\gamma P_{\pi'}^\top(\rho_{\pi'}-\rho_\pi)+\gamma(P_{\pi'}-P_\pi)^\top\rho_{\pi'}\big\|_1",
            r"The difference goes on with the chain of $\pi'$ already: left is where visitors of $\pi$ turn off.",
            lambda: np.abs(
                w.gamma * w.chain(w.pi_new).T @ w.shift
                + w.gamma * (w.chain(w.pi_new) - w.chain(w.pi)).T @ w.rho(w.pi_new)
            ).sum(),
        ),
    )
    yield equals(
        r"\gamma\,\Big\|\sum_k\gamma^k(P_{\pi'}^\top)^k\,(P_{\pi'}-P_\pi)^\top\rho_\pi\Big\|_1",
        r"Insert it into itself, for ever: what is left after $n$ times is at most "
        r"$\gamma^n\|\rho_{\pi'}-\rho_\pi\|_1$.",
        lambda: w.gamma * np.abs(repeated(w.gamma * w.chain(w.pi_new).T, w.turned, w.long)).sum(),
        slip(
            r"\gamma\,\Big\|\sum_k\gamma^k(P_\pi^\top)^k\,(P_{\pi'}-P_\pi)^\top\rho_\pi\Big\|_1",
            r"It is $\pi'$ that goes on from there.",
            lambda: w.gamma * np.abs(repeated(w.gamma * w.chain(w.pi).T, w.turned, w.long)).sum(),
        ),
    )
    yield at_most(
        r"\frac{\gamma}{1-\gamma}\,\big\|(P_{\pi'}-P_\pi)^\top\rho_\pi\big\|_1",
        r"$P_{\pi'}^\top$ moves mass about and makes none, so it does not expand; and the series is geometric.",
        lambda: w.gamma / (1 - w.gamma) * np.abs(w.turned).sum(),
        slip(
            r"\gamma\,\big\|(P_{\pi'}-P_\pi)^\top\rho_\pi\big\|_1",
            r"That is the first step alone. Whoever is elsewhere goes on from there.",
            lambda: w.gamma * np.abs(w.turned).sum(),
        ),
    )
    yield at_most(
        r"\frac{\gamma}{1-\gamma}\sum_s\rho_\pi(s)\sum_a|\pi'(a|s)-\pi(a|s)|",
        r"$(P_{\pi'}-P_\pi)(s'|s)=\sum_a(\pi'-\pi)(a|s)\,P(s'|s,a)$, and $\sum_{s'}P=1$. (Write "
        r"$\mathrm{TV}=\max_s\frac12\sum_a|\pi'(a|s)-\pi(a|s)|$.)",
        lambda: w.gamma / (1 - w.gamma) * w.rho(w.pi) @ np.abs(w.pi_new - w.pi).sum(axis=1),
    )
    yield at_most(
        r"\frac{2\gamma}{(1-\gamma)^2}\,\mathrm{TV}",
        r"In each state at most $2\,\mathrm{TV}$, and $\rho_\pi$ has the mass $\frac1{1-\gamma}$.",
        lambda: 2 * w.gamma / (1 - w.gamma) ** 2 * w.TV,
        slip(
            r"\frac{2\gamma}{1-\gamma}\,\mathrm{TV}",
            r"$\rho_\pi$ is no probability: its mass is one more $\frac1{1-\gamma}$.",
            lambda: 2 * w.gamma / (1 - w.gamma) * w.TV,
        ),
    )


def repeated(M, x, times):
    """Σ_k Mᵏx."""
    total = x
    for _ in range(times):
        total = x + M @ total
    return total


@derivation("trust-region", title="The bound behind TRPO", proves="thm-trpo-bound", world=two_policies)
def trust_region(w):
    A = w.A(w.pi)
    yield first(
        r"\big|\eta(\pi')-L_\pi(\pi')\big|",
        r"What the surrogate misses: $L_\pi(\pi')=\eta(\pi)+\sum_s\rho_\pi(s)\sum_a\pi'(a|s)A^\pi(s,a)$.",
        lambda: abs(w.rho0 @ w.V(w.pi_new) - (w.rho0 @ w.V(w.pi) + w.rho(w.pi) @ (w.pi_new * A).sum(axis=1))),
    )
    yield equals(
        r"\Big|\sum_s(\rho_{\pi'}-\rho_\pi)(s)\;\pi'\cdot A^\pi(s)\Big|",
        r"The performance difference: $\eta(\pi')-\eta(\pi)=\sum_s\rho_{\pi'}(s)\;\pi'\cdot A^\pi(s)$.",
        lambda: abs(w.shift @ (w.pi_new * A).sum(axis=1)),
        slip(
            r"\Big|\sum_s(\rho_{\pi'}-\rho_\pi)(s)\;\pi\cdot A^\pi(s)\Big|",
            r"The actions are those of $\pi'$. Under its own, the advantages of $\pi$ have mean zero.",
            lambda: abs(w.shift @ (w.pi * A).sum(axis=1)),
        ),
    )
    yield at_most(
        r"\sum_s\big|(\rho_{\pi'}-\rho_\pi)(s)\big|\;\big|\pi'\cdot A^\pi(s)\big|",
        "The triangle inequality.",
        lambda: np.abs(w.shift) @ np.abs((w.pi_new * A).sum(axis=1)),
    )
    yield equals(
        r"\sum_s\big|(\rho_{\pi'}-\rho_\pi)(s)\big|\;\big|(\pi'-\pi)\cdot A^\pi(s)\big|",
        r"$\pi\cdot A^\pi=0$ may be taken away: hence the second order. (Write "
        r"$\mathrm{TV}=\max_s\frac12\sum_a|\pi'(a|s)-\pi(a|s)|$ and $\|A^\pi\|=\max_{s,a}|A^\pi(s,a)|$.)",
        lambda: np.abs(w.shift) @ np.abs(((w.pi_new - w.pi) * A).sum(axis=1)),
    )
    yield at_most(
        r"2\,\mathrm{TV}\,\|A^\pi\|\;\|\rho_{\pi'}-\rho_\pi\|_1",
        r"$\sum_a|\pi'-\pi|\le2\,\mathrm{TV}$, and $|A^\pi|\le\|A^\pi\|$.",
        lambda: 2 * w.TV * np.abs(A).max() * np.linalg.norm(w.shift, 1),
        slip(
            r"2\,\mathrm{TV}\,\|A^\pi\|\;\Big|\sum_s(\rho_{\pi'}-\rho_\pi)(s)\Big|",
            r"The absolute value belongs inside: both visits have the mass $\frac1{1-\gamma}$, and gains and losses "
            "cancel.",
            lambda: 2 * w.TV * np.abs(A).max() * abs(w.shift.sum()),
        ),
    )
    yield at_most(
        r"\frac{4\gamma\,\|A^\pi\|}{(1-\gamma)^2}\,\mathrm{TV}^2",
        r"The lemma: visits shift by at most $\frac{2\gamma}{(1-\gamma)^2}\,\mathrm{TV}$.",
        lambda: 4 * w.gamma * np.abs(A).max() / (1 - w.gamma) ** 2 * w.TV**2,
    )
