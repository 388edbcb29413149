"""The small worlds in which derivations are computed, and what several chapters' derivations do in them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import scipy

from rlbook import checks
from rlbook.mdp import TabularMDP

STEP = 1e-30  # of complex differentiation: nothing is subtracted, so it may be as small as one likes
MOST = 20_000  # episodes that are gone through
STATES = 60  # of a world for which systems of equations are solved


def complex_step(f, x) -> np.ndarray:
    """The derivative of f at the real array x, (n, …): one row for each of the n entries of x, flattened.

    f(x + ihe) = f(x) + ih f'(x)e + O(h²), so Im f(x + ihe)/h is the derivative without a difference of two numbers. f
    must be analytic: made of + − × ÷, exp, log and sums; no abs, no max, no norm.
    """
    x = np.asarray(x)
    if np.iscomplexobj(x):
        raise ValueError("x must be real: a derivative is taken within another")
    nudges = (1j * STEP * np.eye(x.size)).reshape(x.size, *x.shape)
    return np.array([np.imag(f(x + nudge)) / STEP for nudge in nudges])


def softmax(theta):
    """π(a|s) = e^θ(s,a) / Σ e^θ(s,a'), of real or complex θ."""
    weights = np.exp(theta)
    return weights / weights.sum(axis=1, keepdims=True)


def random_mdp(rng, n_states=2, n_actions=2) -> TabularMDP:
    """A random MDP in which every state may follow every other, with rewards of size 1 and γ between .5 and .95."""
    P = rng.dirichlet(np.ones(n_states), size=(n_states, n_actions))
    r, rho0 = rng.normal(size=(n_states, n_actions)), rng.dirichlet(np.ones(n_states))
    return TabularMDP(P, r, rng.uniform(0.5, 0.95), rho0)


def random_policy(rng, mdp) -> np.ndarray:
    """A random policy of an MDP, (S, A), none of whose probabilities is very small."""
    return checks.policy(mdp, softmax(rng.normal(size=mdp.r.shape)))


def dense(mdp) -> np.ndarray:
    """The transitions of an MDP as an (S, A, S) array."""
    return mdp.P.toarray().reshape(*mdp.r.shape, -1) if scipy.sparse.issparse(mdp.P) else np.array(mdp.P)


def takes_all(mdp, pi, why) -> None:
    """Refuse a policy that never takes one of the actions."""
    bad = np.argwhere((pi == 0) & ~mdp.terminal[:, None])
    if len(bad):
        raise ValueError(f"pi[{checks.at(bad[0])}] is 0: {why}")


def counted(n, word) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"


class Played:
    """What the sums over episodes of an `mdp` run over, whose actions are `a`, (T, N)."""

    @property
    def times(self):
        return range(len(self.a))

    @property
    def states(self):
        return range(self.mdp.n_states)

    @property
    def actions(self):
        return range(self.mdp.n_actions)


@dataclass(frozen=True)
class Episodes(Played):
    """All episodes of T steps of an MDP under a softmax policy with the parameters θ(s,a).

    Episodes stand along the last axis of everything: s, a and r are (T, N), the scores psi (T, n, N), the
    probabilities p (N,). So a formula that is written for one episode is computed for all of them at once, and `mean`
    is Σ_τ p(τ) x(τ).
    """

    mdp: TabularMDP
    theta: np.ndarray
    T: int
    s: np.ndarray = field(repr=False)
    a: np.ndarray = field(repr=False)

    def __str__(self):
        S, A = self.mdp.r.shape
        steps, of = counted(self.T, "step"), f"{counted(S, 'state')} and {counted(A, 'action')}"
        return f"World: {of}, {steps}, γ = {self.gamma:.3g}; all {self.s.shape[1]} episodes."

    # What an episode is made of

    @property
    def gamma(self):
        return self.mdp.gamma

    @cached_property
    def P(self):
        return dense(self.mdp)

    @cached_property
    def r(self):
        return self.mdp.r[self.s, self.a]

    @property
    def pi(self):
        """π_θ; in terminal states nothing is chosen, whatever θ is."""
        ends = self.mdp.terminal[:, None]
        return np.where(ends, np.eye(self.mdp.n_actions)[0], softmax(self.theta))

    @property
    def log_pi(self):
        """log π_θ, and 0 where a terminal state leaves nothing to choose."""
        return np.log(np.where(self.pi == 0, 1, self.pi))

    @property
    def chosen(self):
        """π_θ(a_t|s_t), (T, N)."""
        return self.pi[self.s, self.a]

    @property
    def moved(self):
        """P(s_{t+1}|s_t, a_t), (T−1, N)."""
        return self.P[self.s[:-1], self.a[:-1], self.s[1:]]

    @property
    def p(self):
        """p_θ(τ) = ρ₀(s₀) Π π(a_t|s_t) Π P(s_{t+1}|s_t, a_t), (N,)."""
        return self.mdp.rho0[self.s[0]] * self.chosen.prod(axis=0) * self.moved.prod(axis=0)

    @cached_property
    def psi(self):
        """ψ_t = ∇ log π_θ(a_t|s_t), (T, n, N)."""
        return self.gradient(lambda w: np.log(w.chosen)).swapaxes(0, 1)

    def taken(self, t):
        """The indicator of the pair (s_t, a_t) among all pairs, (n, N)."""
        return np.eye(self.theta.size)[:, self.s[t] * self.mdp.n_actions + self.a[t]]

    def past(self, t):
        """K_t = Σ_{k<t} γᵏ r_k."""
        return sum((self.gamma**k * self.r[k] for k in range(t)), np.zeros(len(self.p)))

    def to_go(self, t):
        """G_t = Σ_{k≥t} γ^{k−t} r_k."""
        return sum(self.gamma ** (k - t) * self.r[k] for k in range(t, self.T))

    @property
    def R(self):
        """R(τ) = Σ_t γᵗ r_t."""
        return sum(self.gamma**t * self.r[t] for t in self.times)

    def history(self, t):
        """H_t = (s₀, a₀, …, s_t), as rows."""
        return [*self.s[: t + 1], *self.a[:t]]

    # What is done with them

    def at(self, theta) -> Episodes:
        """The same episodes under other parameters."""
        return replace(self, theta=theta)

    def mean(self, x):
        """E x = Σ_τ p(τ) x(τ), of an (…, N) array."""
        return (self.p * x).sum(axis=-1)

    def given(self, x, *what):
        """E[x | what], for each episode what it is on those that share `what`, rows of (N,): an (…, N) array."""
        place = np.unique(np.array(what), axis=1, return_inverse=True)[1].ravel()
        alike = place[:, None] == np.arange(place.max() + 1)  # (N, groups)
        return ((self.p * x) @ alike / (self.p @ alike))[..., place]

    def gradient(self, f):
        """∇_θ f of a function of these episodes under other parameters: (n, …), differentiated by complex step."""
        return complex_step(lambda theta: f(self.at(theta)), self.theta)


def episodes(rng, mdp=None, pi=None, horizon=None) -> Episodes:
    """All episodes of a random world of 2 states, 2 actions and 3 steps, or of the reader's."""
    mdp = random_mdp(rng) if mdp is None else checks.tabular(mdp)
    pi = random_policy(rng, mdp) if pi is None else checks.policy(mdp, pi)
    T = 3 if horizon is None else checks.count("horizon", horizon)
    takes_all(mdp, pi, "a softmax policy takes every action, and its score is wanted")
    pairs = mdp.n_states * mdp.n_actions
    if pairs**T > MOST:
        raise ValueError(
            f"mdp with {counted(mdp.n_states, 'state')}, {counted(mdp.n_actions, 'action')} and horizon={T} has "
            f"{pairs}^{T} episodes, more than the {MOST} that are gone through: take a smaller one, or fewer steps"
        )
    steps = np.indices((pairs,) * T).reshape(T, -1)
    made = Episodes(mdp, np.log(np.where(pi > 0, pi, 1.0)), T, *np.divmod(steps, mdp.n_actions))
    possible = made.p > 0
    return replace(made, s=made.s[:, possible], a=made.a[:, possible])


@dataclass(frozen=True)
class Settled(Episodes):
    """Episodes, and in b, (T, N), numbers that are settled before each action."""

    b: np.ndarray = None


def settled(rng, mdp=None, pi=None, horizon=None) -> Settled:
    """Episodes with a random number for each history H_t."""
    w = episodes(rng, mdp, pi, horizon)
    place = [np.unique(np.array(w.history(t)), axis=1, return_inverse=True)[1].ravel() for t in w.times]
    return Settled(w.mdp, w.theta, w.T, w.s, w.a, np.array([rng.normal(size=len(w.p))[i] for i in place]))


def settled_by_state(rng, mdp=None, pi=None, horizon=None) -> Settled:
    """Episodes with a random number b_t(s) for each time and state: about the best, and often nearer to it than V."""
    w = episodes(rng, mdp, pi, horizon)
    g_hat = sum(w.gamma**t * w.to_go(t) * w.psi[t] for t in w.times)
    b, away = [], rng.normal(size=(w.T, w.mdp.n_states))
    for t in w.times:
        V, length = w.given(w.to_go(t), w.s[t]), w.given((w.psi[t] ** 2).sum(axis=0), w.s[t])
        length = w.gamma**t * length
        best = w.given((w.psi[t] * g_hat).sum(axis=0), w.s[t]) / np.where(length > 0, length, 1)
        b.append(best + away[t, w.s[t]] * (V - best))
    return Settled(w.mdp, w.theta, w.T, w.s, w.a, np.array(b))


@dataclass(frozen=True)
class Lasting:
    """An MDP that goes on for ever, or to its end, and a policy; values and visits are found by linear systems."""

    mdp: TabularMDP
    pi: np.ndarray

    def __str__(self):
        S, A = self.mdp.r.shape
        return f"World: {counted(S, 'state')} and {counted(A, 'action')}, γ = {self.gamma:.3g}."

    @property
    def gamma(self):
        return self.mdp.gamma

    @property
    def r(self):
        return self.mdp.r

    @property
    def rho0(self):
        return self.mdp.rho0

    @cached_property
    def P(self):
        return dense(self.mdp)

    @property
    def long(self):
        """A number of steps after which γᵗ is rounding."""
        return int(np.ceil(np.log(1e-17) / np.log(max(self.gamma, 0.01))))

    def chain(self, pi):
        """P_π(s'|s), (S, S)."""
        return np.einsum("sa,sax->sx", pi, self.P)

    def solve(self, pi, rewards):
        """(I − γP_π)⁻¹ of the rewards of states."""
        return np.linalg.solve(np.eye(len(self.rho0)) - self.gamma * self.chain(pi), rewards)

    def V(self, pi):
        return self.solve(pi, (pi * self.r).sum(axis=1))

    def Q(self, pi):
        return self.r + self.gamma * self.P @ self.V(pi)

    def A(self, pi):
        return self.Q(pi) - self.V(pi)[:, None]

    def rho(self, pi):
        """ρ_π(s)."""
        return np.linalg.solve(np.eye(len(self.rho0)) - self.gamma * self.chain(pi).T, self.rho0)


def lasting(rng, mdp=None, pi=None, n_states=2, n_actions=2) -> Lasting:
    """A random world and policy, or the reader's."""
    mdp = random_mdp(rng, n_states, n_actions) if mdp is None else checks.tabular(mdp)
    if mdp.n_states > STATES:
        raise ValueError(f"mdp has {mdp.n_states} states, more than the {STATES} of a small world: take a smaller one")
    return Lasting(mdp, random_policy(rng, mdp) if pi is None else checks.policy(mdp, pi))
