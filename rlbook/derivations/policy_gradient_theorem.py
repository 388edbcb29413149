"""Chapter 1, line by line: the policy-gradient theorem, by averaging an estimator and by unrolling the values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlbook.derivations.lines import derivation, equals, first, slip
from rlbook.derivations.small_worlds import complex_step, counted, dense, episodes, softmax
from rlbook.mdp import TabularMDP


@dataclass(frozen=True)
class Unrolled:
    """An MDP for ever, under a softmax policy with the parameters θ(s,a)."""

    mdp: TabularMDP
    theta: np.ndarray

    def __str__(self):
        S, A = self.mdp.r.shape
        return f"World: {counted(S, 'state')} and {counted(A, 'action')}, without an end, γ = {self.mdp.gamma:.3g}."

    def pi(self, theta):
        return softmax(theta)

    def V(self, theta):
        """V^π by its linear system."""
        pi = self.pi(theta)
        P_pi = np.einsum("sa,sax->sx", pi, dense(self.mdp))
        return np.linalg.solve(np.eye(len(pi)) - self.mdp.gamma * P_pi, (pi * self.mdp.r).sum(axis=1))

    def Q(self, theta):
        return self.mdp.r + self.mdp.gamma * dense(self.mdp) @ self.V(theta)

    def gradient(self, f):
        return complex_step(f, self.theta)

    def rho(self, theta):
        """ρ_π(s) by its linear system."""
        P_pi = np.einsum("sa,sax->sx", self.pi(theta), dense(self.mdp))
        return np.linalg.solve(np.eye(len(P_pi)) - self.mdp.gamma * P_pi.T, self.mdp.rho0)

    def visits(self, steps):
        """P(s_t = s) for t < steps, one row a step."""
        p, found = self.mdp.rho0, []
        for _ in range(steps):
            found.append(p)
            p = np.einsum("s,sa,sax->x", p, self.pi(self.theta), dense(self.mdp))
        return np.array(found)


def for_ever(rng, mdp=None, pi=None) -> Unrolled:
    w = episodes(rng, mdp, pi, horizon=1)
    if w.mdp.terminal.any():
        raise ValueError("mdp has terminal states, in which nothing is chosen: take one without")
    return Unrolled(w.mdp, w.theta)


@derivation("policy-gradient", title="The policy gradient, in T steps", proves="thm-policy-gradient", world=episodes)
def policy_gradient(w):
    def Q(t):
        """Q_t(s, a) = E[G_t | s_t = s, a_t = a] of every pair, in row-major order."""
        return w.mean(w.to_go(t) * w.taken(t)) / w.mean(w.taken(t))

    def p(t):
        """P(s_t = s)."""
        return np.array([w.mean(w.s[t] == s) for s in w.states])

    pairs = [(s, a, s * w.mdp.n_actions + a) for s in w.states for a in w.actions]
    yield first(
        r"\nabla\,\mathbb{E}_\theta[R(\tau)]",
        r"The gradient of the expected return. $G_t=\sum_{k\ge t}\gamma^{k-t}r_k$ is what comes after $a_t$, and "
        r"$\psi_t=\nabla\log\pi_\theta(a_t|s_t)$.",
        lambda: w.gradient(lambda w: w.mean(w.R)),
    )
    yield equals(
        r"\sum_t\gamma^t\,\mathbb{E}[G_t\,\psi_t]",
        "Reward-to-go.",
        lambda: sum(w.gamma**t * w.mean(w.to_go(t) * w.psi[t]) for t in w.times),
        slip(
            r"\sum_t\mathbb{E}[G_t\,\psi_t]",
            r"$\gamma^t$ is dropped, as much code does. The directions of later decisions then count too much, and the "
            "sum is the gradient of nothing that is wanted.",
            lambda: sum(w.mean(w.to_go(t) * w.psi[t]) for t in w.times),
            mends=6,
        ),
    )
    yield equals(
        r"\sum_t\gamma^t\,\mathbb{E}\big[\mathbb{E}[G_t|H_t,a_t]\;\psi_t\big]",
        r"Given the history and the action, $\psi_t$ is a constant. (Write $Q_t(s,a)=\mathbb{E}[G_t|s_t=s,a_t=a]$ and "
        r"$V_t(s)=\mathbb{E}[G_t|s_t=s]$.)",
        lambda: sum(w.gamma**t * w.mean(w.given(w.to_go(t), *w.history(t), w.a[t]) * w.psi[t]) for t in w.times),
    )
    yield equals(
        r"\sum_t\gamma^t\,\mathbb{E}[Q_t(s_t,a_t)\,\psi_t]",
        r"The world's Markov property, and a policy that looks at the state alone: of all that happened, the future "
        r"knows $s_t$ and $a_t$ only.",
        lambda: sum(w.gamma**t * w.mean(w.given(w.to_go(t), w.s[t], w.a[t]) * w.psi[t]) for t in w.times),
        slip(
            r"\sum_t\gamma^t\,\mathbb{E}[V_t(s_t)\,\psi_t]",
            r"The future was averaged over $a_t$ as well. But $\psi_t$ goes with $a_t$; what is left is a baseline's "
            "contribution, nothing.",
            lambda: sum(w.gamma**t * w.mean(w.given(w.to_go(t), w.s[t]) * w.psi[t]) for t in w.times),
        ),
    )
    yield equals(
        r"\sum_t\gamma^t\sum_s\mathbb{P}(s_t=s)\sum_a\pi_\theta(a|s)\,Q_t(s,a)\,\nabla\log\pi_\theta(a|s)",
        "Write the average over states and actions out.",
        lambda: sum(
            w.gamma**t * p(t)[s] * w.pi[s, a] * Q(t)[i] * w.gradient(lambda w, s=s, a=a: w.log_pi[s, a])
            for t in w.times
            for s, a, i in pairs
        ),
    )
    yield equals(
        r"\sum_t\gamma^t\sum_s\mathbb{P}(s_t=s)\sum_a\nabla\pi_\theta(a|s)\,Q_t(s,a)",
        r"$\pi\,\nabla\log\pi=\nabla\pi$. As $T\to\infty$, $\sum_t\gamma^t\,\mathbb{P}(s_t=s)$ becomes $\rho_\pi(s)$ "
        r"and $Q_t$ becomes $Q^\pi$.",
        lambda: sum(
            w.gamma**t * p(t)[s] * Q(t)[i] * w.gradient(lambda w, s=s, a=a: w.pi[s, a])
            for t in w.times
            for s, a, i in pairs
        ),
        slip(
            r"\sum_t\gamma^t\sum_s\mathbb{P}(s_t=s)\sum_a\pi_\theta(a|s)\,\nabla\pi_\theta(a|s)\,Q_t(s,a)",
            r"$\pi$ is counted twice: $\nabla\pi$ holds it already.",
            lambda: sum(
                w.gamma**t * p(t)[s] * w.pi[s, a] * Q(t)[i] * w.gradient(lambda w, s=s, a=a: w.pi[s, a])
                for t in w.times
                for s, a, i in pairs
            ),
        ),
    )


@derivation("unrolled", title="The policy-gradient theorem, unrolled", proves="thm-policy-gradient", world=for_ever)
def unrolled(w):
    theta, rho0, gamma, P = w.theta, w.mdp.rho0, w.mdp.gamma, dense(w.mdp)
    slope = w.gradient(w.pi)  # ∇π(a|s), (n, S, A)
    long = int(np.ceil(np.log(1e-18) / np.log(max(gamma, 0.01))))  # steps, after which γᵗ is rounding
    yield first(
        r"\nabla\eta",
        r"The gradient of the expected return for ever, $\eta=\sum_s\rho_0(s)V^\pi(s)$.",
        lambda: w.gradient(lambda theta: rho0 @ w.V(theta)),
    )
    yield equals(
        r"\sum_s\rho_0(s)\,\nabla\sum_a\pi(a|s)\,Q^\pi(s,a)",
        r"The first state does not know $\theta$, and $V^\pi$ is the mean of $Q^\pi$.",
        lambda: w.gradient(lambda theta: (w.pi(theta) * w.Q(theta)).sum(axis=1)) @ rho0,
    )
    yield equals(
        r"\sum_s\rho_0(s)\sum_a\big[\nabla\pi(a|s)\,Q^\pi(s,a)+\pi(a|s)\,\nabla Q^\pi(s,a)\big]",
        "The product rule.",
        lambda: (slope * w.Q(theta) + w.pi(theta) * w.gradient(w.Q)).sum(axis=2) @ rho0,
        slip(
            r"\sum_s\rho_0(s)\sum_a\nabla\pi(a|s)\,Q^\pi(s,a)",
            r"$Q^\pi$ depends on $\theta$ too: it is earned by the same policy, from the next step on.",
            lambda: (slope * w.Q(theta)).sum(axis=2) @ rho0,
        ),
    )
    yield equals(
        r"\sum_s\rho_0(s)\sum_a\Big[\nabla\pi(a|s)\,Q^\pi(s,a)"
        r"+\gamma\,\pi(a|s)\sum_{s'}P(s'|s,a)\,\nabla V^\pi(s')\Big]",
        r"$Q^\pi=r+\gamma\sum P\,V^\pi$, and neither $r$ nor $P$ knows $\theta$.",
        lambda: np.einsum(
            "isa,s->i",
            slope * w.Q(theta) + gamma * w.pi(theta) * np.einsum("sax,ix->isa", P, w.gradient(w.V)),
            rho0,
        ),
    )
    yield equals(
        r"\sum_t\gamma^t\sum_s\mathbb{P}(s_t=s)\sum_a\nabla\pi(a|s)\,Q^\pi(s,a)",
        r"In $\nabla V^\pi(s')$ the same again, one step later and $\gamma$ times smaller; and so on for ever. (The "
        r"visits are $\rho_\pi(s)=\sum_t\gamma^t\,\mathbb{P}(s_t=s)$.)",
        lambda: sum(gamma**t * np.einsum("s,isa,sa->i", p, slope, w.Q(theta)) for t, p in enumerate(w.visits(long))),
        slip(
            r"\frac1{1-\gamma}\sum_s\rho_0(s)\sum_a\nabla\pi(a|s)\,Q^\pi(s,a)",
            r"“The same again” is not at the same states: after $t$ steps they are where $\pi$ has led.",
            lambda: np.einsum("s,isa,sa->i", rho0, slope, w.Q(theta)) / (1 - gamma),
        ),
    )
    yield equals(
        r"\sum_s\rho_\pi(s)\sum_a\nabla\pi(a|s)\,Q^\pi(s,a)",
        r"Sort by states. The derivative of $\rho_\pi$ never came up: a change of $\theta$ acts once at each visit, "
        r"and where it leads then is in $Q^\pi$.",
        lambda: sum(rho_s * (slope[:, s] @ w.Q(theta)[s]) for s, rho_s in enumerate(w.rho(theta))),
        slip(
            r"\sum_s\big[\rho_\pi(s)\sum_a\nabla\pi(a|s)\,Q^\pi(s,a)+\nabla\rho_\pi(s)\,V^\pi(s)\big]",
            r"$\nabla\rho_\pi$ is not added: how the visits change is what $\nabla V^\pi(s')$ has brought already.",
            lambda: sum(
                rho_s * (slope[:, s] @ w.Q(theta)[s]) + w.gradient(w.rho)[:, s] * w.V(theta)[s]
                for s, rho_s in enumerate(w.rho(theta))
            ),
        ),
    )
