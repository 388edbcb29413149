"""Worlds in which every episode ends, so that an expectation over episodes goes through all of them, to the end.

And what occupancies and values come to by their linear equations.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from rlbook import checks
from rlbook.derivations.small_worlds import MOST, Played, counted, dense, random_policy
from rlbook.mdp import TabularMDP

STEPS = 100  # after which an episode must have ended


def evaluated(mdp, pi) -> tuple[np.ndarray, np.ndarray]:
    """V^π and Q^π from Bellman's equation V = r_π + γ P_π V."""
    P = dense(mdp)
    V = np.linalg.solve(np.eye(mdp.n_states) - mdp.gamma * np.einsum("sa,sax->sx", pi, P), (pi * mdp.r).sum(axis=1))
    return V, mdp.r + mdp.gamma * P @ V


def occupied(mdp, pi) -> np.ndarray:
    """ρ_π from the flow equation ν = ρ₀ + γ P_πᵀ ν."""
    moved = np.einsum("sa,sax->xs", pi, dense(mdp))
    return pi * np.linalg.solve(np.eye(mdp.n_states) - mdp.gamma * moved, mdp.rho0)[:, None]


@dataclass(frozen=True)
class Ending(Played):
    """All episodes of an MDP in which each comes to an end, and policies π and π' to play them.

    Episodes stand along the last axis: s is (T + 1, N), a and r are (T, N). After the end they stay there and earn 0.
    """

    mdp: TabularMDP
    pi: np.ndarray
    s: np.ndarray = field(repr=False)
    a: np.ndarray = field(repr=False)
    pi_new: np.ndarray | None = None

    def __str__(self):
        goes_on = counted(self.mdp.n_states - int(self.mdp.terminal.sum()), "state")
        of = f"{goes_on} and an end, {counted(self.mdp.n_actions, 'action')}"
        return f"World: {of}, γ = {self.mdp.gamma:.3g}; all {self.s.shape[1]} episodes."

    @cached_property
    def r(self):
        return self.mdp.r[self.s[:-1], self.a]

    def met(self, t, s, a):
        """The indicator of s_t = s, a_t = a."""
        return (self.s[t] == s) & (self.a[t] == a)

    def p(self, pi):
        """P_π(τ) = ρ₀(s₀) Π π(a_t|s_t) P(s_{t+1}|s_t, a_t), (N,)."""
        moved = dense(self.mdp)[self.s[:-1], self.a, self.s[1:]]
        return self.mdp.rho0[self.s[0]] * (pi[self.s[:-1], self.a] * moved).prod(axis=0)

    def mean(self, pi, x):
        """E_π x = Σ_τ P_π(τ) x(τ)."""
        return float(self.p(pi) @ x)

    def given(self, pi, x, *what):
        """E_π[x | what], for each episode what it is on those that share `what`, and 0 where π never comes."""
        place = np.unique(np.array(what), axis=1, return_inverse=True)[1].ravel()
        alike = (place[:, None] == np.arange(place.max() + 1)) * self.p(pi)[:, None]
        chance = alike.sum(axis=0)
        return (x @ alike / np.where(chance > 0, chance, 1))[place]


def ending(rng, mdp=None, pi=None) -> Ending:
    """A random world of 3 states, 2 actions and an end, in which states are met in their order; or the reader's."""
    mdp = ending_mdp(rng) if mdp is None else checks.tabular(mdp)
    pi = random_policy(rng, mdp) if pi is None else checks.policy(mdp, pi)
    return Ending(mdp, pi, *to_the_end(mdp))


def ending_with_two(rng, mdp=None, pi=None, pi_new=None) -> Ending:
    """The same with a second policy."""
    w = ending(rng, mdp, pi)
    pi_new = random_policy(rng, w.mdp) if pi_new is None else checks.policy(w.mdp, pi_new, "pi_new")
    return replace(w, pi_new=pi_new)


def ending_mdp(rng) -> TabularMDP:
    r = np.vstack([rng.normal(size=(3, 2)), np.zeros((1, 2))])
    P = np.zeros((4, 2, 4))
    for s in range(3):
        P[s, :, s + 1 :] = rng.dirichlet(np.ones(3 - s), size=2)
    P[3, :, 3] = 1
    rho0 = np.append(rng.dirichlet(np.ones(3)), 0)
    return TabularMDP(P, r, rng.uniform(0.5, 0.95), rho0, terminal=[False, False, False, True])


def to_the_end(mdp):
    """All episodes until each has ended, as s, (T + 1, N), and a, (T, N)."""
    next_ones = dense(mdp) > 0
    next_ones[mdp.terminal, 1:] = False
    s, a = np.nonzero(mdp.rho0)[0][None], np.empty((0, np.count_nonzero(mdp.rho0)), dtype=int)
    while not (mdp.terminal[s[-1]].all() and len(a)):
        if s.size > MOST or len(a) == STEPS:
            raise ValueError(
                "mdp must end its episodes soon, as all are gone through to the end: after "
                f"{counted(len(a), 'step')} there are {counted(s.shape[1], 'episode')}, and they go on"
            )
        before, action, state = np.nonzero(next_ones[s[-1]])
        s, a = np.vstack([s[:, before], state]), np.vstack([a[:, before], action])
    return s, a
