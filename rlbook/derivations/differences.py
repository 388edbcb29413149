"""Chapter 4, line by line: the gap between the two linear programs, and the difference between two policies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlbook import checks
from rlbook.derivations.ending_worlds import ending_with_two, evaluated, occupied
from rlbook.derivations.lines import at_least, derivation, equals, first, slip
from rlbook.derivations.small_worlds import counted, dense, random_mdp, random_policy
from rlbook.mdp import TabularMDP


@dataclass(frozen=True)
class Priced:
    """A point ρ of D, the occupancy of π, and a price V(s) of a visit that satisfies the dual's constraints."""

    mdp: TabularMDP
    P: np.ndarray
    rho: np.ndarray
    V: np.ndarray

    def __str__(self):
        S, A = self.mdp.r.shape
        of = f"{counted(S, 'state')} and {counted(A, 'action')}, γ = {self.mdp.gamma:.3g}"
        return f"World: {of}, the occupancy ρ of a policy, and a V that satisfies the constraints."

    def later(self, s, a):
        """E[V(s')|s, a]."""
        return sum(self.P[s, a, x] * self.V[x] for x in self.states)

    @property
    def states(self):
        return range(self.mdp.n_states)

    @property
    def pairs(self):
        return [(s, a) for s in self.states for a in range(self.mdp.n_actions)]

    @property
    def earned(self):
        return (self.rho * self.mdp.r).sum()

    @property
    def slack(self):
        """V(s) − r(s,a) − γ E[V(s')|s,a], (S, A)."""
        return self.V[:, None] - self.mdp.r - self.mdp.gamma * self.P @ self.V


def priced(rng, mdp=None, pi=None) -> Priced:
    """A random world of 2 states and 2 actions, or the reader's; V is random, and as high as it has to be and more."""
    mdp = random_mdp(rng) if mdp is None else checks.tabular(mdp)
    if mdp.r.size > MOST:
        raise ValueError(
            f"mdp has {mdp.r.size} pairs of states and actions, more than the {MOST} that are gone through"
        )
    pi = random_policy(rng, mdp) if pi is None else checks.policy(mdp, pi)
    V, P = rng.normal(size=mdp.n_states), dense(mdp)
    short = (mdp.r + mdp.gamma * P @ V - V[:, None]).max() / (1 - mdp.gamma)
    return Priced(mdp, P, occupied(mdp, pi), V + short + rng.uniform(0.1, 1))


MOST = 100  # pairs


@derivation("duality", title="The gap between the two programs", proves="thm-lp", world=priced)
def duality(w):
    gamma, r, rho, V = w.mdp.gamma, w.mdp.r, w.rho, w.V
    yield first(
        r"\rho_0\cdot V-\sum_{s,a}\rho(s,a)\,r(s,a)",
        r"What the dual's $V$ promises, less what $\rho$ earns.",
        lambda: w.mdp.rho0 @ V - (rho * r).sum(),
    )
    yield equals(
        r"\sum_sV(s)\Big(\sum_a\rho(s,a)-\gamma\sum_{s',a'}P(s|s',a')\,\rho(s',a')\Big)-\sum_{s,a}\rho(s,a)\,r(s,a)",
        r"The flow equation says what $\rho_0(s)$ is; multiplied by $V(s)$ and added over $s$.",
        lambda: (
            sum(V[s] * (rho[s].sum() - gamma * sum(w.P[x, b, s] * rho[x, b] for x, b in w.pairs)) for s in w.states)
            - w.earned
        ),
        slip(
            r"\sum_sV(s)\Big(\sum_a\rho(s,a)-\gamma\sum_{s',a}P(s'|s,a)\,\rho(s,a)\Big)-\sum_{s,a}\rho(s,a)\,r(s,a)",
            r"The second sum is what leaves $s$. Wanted is what comes into $s$, from any $s'$: $P(s|s',a')$.",
            lambda: (
                sum(V[s] * (rho[s].sum() - gamma * sum(w.P[s, b, x] * rho[s, b] for x, b in w.pairs)) for s in w.states)
                - w.earned
            ),
        ),
    )
    yield equals(
        r"\sum_{s,a}\rho(s,a)\,V(s)-\gamma\sum_{s',a'}\rho(s',a')\sum_sP(s|s',a')\,V(s)-\sum_{s,a}\rho(s,a)\,r(s,a)",
        r"Multiply out, and add over where one goes first and where one comes from last: $P$ moves from $\rho$ to $V$.",
        lambda: (
            sum(rho[s, a] * V[s] for s, a in w.pairs)
            - gamma * sum(rho[x, b] * sum(w.P[x, b, s] * V[s] for s in w.states) for x, b in w.pairs)
            - w.earned
        ),
        slip(
            r"\sum_{s,a}\rho(s,a)\,V(s)-\gamma\sum_{s',a'}\rho(s',a')\,V(s')-\sum_{s,a}\rho(s,a)\,r(s,a)",
            r"As if one stayed in $s'$. $\sum_sP(s|s',a')=1$, but $V(s)$ stands in that sum too, and is the value of "
            "where one goes.",
            lambda: (
                sum(rho[s, a] * V[s] for s, a in w.pairs) - gamma * sum(rho[x, b] * V[x] for x, b in w.pairs) - w.earned
            ),
        ),
    )
    yield equals(
        r"\sum_{s,a}\rho(s,a)\,\big(V(s)-r(s,a)-\gamma\,\mathbb{E}[V(s')|s,a]\big)",
        r"With new names for the letters, all three are sums over the same pairs with the same $\rho(s,a)$.",
        lambda: sum(rho[s, a] * (V[s] - r[s, a] - gamma * w.later(s, a)) for s, a in w.pairs),
        slip(
            r"\sum_{s,a}\rho(s,a)\,\big(V(s)-\max_{a'}\big(r(s,a')+\gamma\,\mathbb{E}[V(s')|s,a']\big)\big)",
            r"The maximum belongs to $T^*$. Here each pair counts with its own slack.",
            lambda: sum(
                rho[s, a] * (V[s] - max(r[s, b] + gamma * w.later(s, b) for x, b in w.pairs if x == s))
                for s, a in w.pairs
            ),
        ),
    )
    yield at_least(
        r"\frac1{1-\gamma}\,\min_{s,a}\big(V(s)-r(s,a)-\gamma\,\mathbb{E}[V(s')|s,a]\big)",
        r"No $\rho(s,a)$ is negative, and together they are $\frac1{1-\gamma}$.",
        lambda: w.slack.min() / (1 - gamma),
        slip(
            r"\frac1{1-\gamma}\,\max_{s,a}\big(V(s)-r(s,a)-\gamma\,\mathbb{E}[V(s')|s,a]\big)",
            "An average is no less than the least, and no more than the largest.",
            lambda: w.slack.max() / (1 - gamma),
        ),
    )
    yield at_least(
        r"0",
        r"The constraints on $V$. So no $\rho$ earns more than any $V$ promises; and the gap is zero exactly if the "
        r"slack is, wherever $\rho(s,a)>0$.",
        lambda: 0.0,
    )


@derivation("performance-difference", title="Performance difference", proves="thm-difference", world=ending_with_two)
def performance_difference(w):
    gamma, (V, Q) = w.mdp.gamma, evaluated(w.mdp, w.pi)
    A = Q - V[:, None]
    end = len(w.times)
    yield first(
        r"\eta(\pi')-\eta(\pi)",
        r"How much better $\pi'$ is. (Here both returns come from Bellman's equation. As a distribution, the visits "
        r"are $\bar\rho_\pi=(1-\gamma)\rho_\pi$.)",
        lambda: w.mdp.rho0 @ evaluated(w.mdp, w.pi_new)[0] - w.mdp.rho0 @ evaluated(w.mdp, w.pi)[0],
    )
    yield equals(
        r"\mathbb{E}_{\pi'}\Big[\sum_t\gamma^tr_t\Big]-\sum_s\rho_0(s)\,V^\pi(s)",
        r"What both are: the mean return over the episodes of $\pi'$, and the mean of $V^\pi$ at the start.",
        lambda: w.mean(w.pi_new, sum(gamma**t * w.r[t] for t in w.times)) - sum(w.mdp.rho0[s] * V[s] for s in w.states),
        slip(
            r"\mathbb{E}_{\pi'}\Big[\sum_t\gamma^tr_t\Big]-\sum_s\bar\rho_\pi(s)\,V^\pi(s)",
            r"The values must be averaged over where $\pi$ begins, not over where it goes.",
            lambda: (
                w.mean(w.pi_new, sum(gamma**t * w.r[t] for t in w.times))
                - (1 - gamma) * occupied(w.mdp, w.pi).sum(axis=1) @ V
            ),
        ),
    )
    yield equals(
        r"\mathbb{E}_{\pi'}\Big[\sum_t\gamma^tr_t-V^\pi(s_0)\Big]",
        r"$s_0\sim\rho_0$ whoever plays: it is here that both must start alike.",
        lambda: w.mean(w.pi_new, sum(gamma**t * w.r[t] for t in w.times) - V[w.s[0]]),
        slip(
            r"\mathbb{E}_{\pi'}\Big[\sum_t\gamma^tr_t-V^{\pi'}(s_0)\Big]",
            r"$V$ keeps its $\pi$. With the values of $\pi'$ itself nothing is left.",
            lambda: w.mean(w.pi_new, sum(gamma**t * w.r[t] for t in w.times) - evaluated(w.mdp, w.pi_new)[0][w.s[0]]),
            mends=32,
        ),
    )
    yield equals(
        r"\mathbb{E}_{\pi'}\Big[\sum_t\gamma^tr_t+\sum_t\big(\gamma^{t+1}V^\pi(s_{t+1})-\gamma^tV^\pi(s_t)\big)\Big]",
        r"The second sum telescopes to $-V^\pi(s_0)$, for $\gamma^NV^\pi(s_N)$ dies out. (Here it is zero at the end.)",
        lambda: w.mean(
            w.pi_new,
            sum(gamma**t * w.r[t] for t in w.times)
            + sum(gamma ** (t + 1) * V[w.s[t + 1]] - gamma**t * V[w.s[t]] for t in w.times),
        ),
        slip(
            r"\mathbb{E}_{\pi'}\Big[\sum_t\gamma^tr_t+\sum_t\big(\gamma^tV^\pi(s_{t+1})-\gamma^tV^\pi(s_t)\big)\Big]",
            r"This does not telescope: the value at time $t+1$ needs the discount $\gamma^{t+1}$.",
            lambda: w.mean(
                w.pi_new,
                sum(gamma**t * w.r[t] for t in w.times) + sum(gamma**t * (V[w.s[t + 1]] - V[w.s[t]]) for t in w.times),
            ),
        ),
    )
    yield equals(
        r"\mathbb{E}_{\pi'}\Big[\sum_t\gamma^t\big(r_t+\gamma V^\pi(s_{t+1})-V^\pi(s_t)\big)\Big]",
        r"One sum, one bracket. (Both sums converge absolutely, as rewards are bounded.)",
        lambda: w.mean(w.pi_new, sum(gamma**t * (w.r[t] + gamma * V[w.s[t + 1]] - V[w.s[t]]) for t in w.times)),
        slip(
            r"\mathbb{E}_{\pi'}\Big[\Big(\sum_t\gamma^tr_t\Big)+\sum_t\big(\gamma V^\pi(s_{t+1})-V^\pi(s_t)\big)\Big]",
            r"The bracket is lost: $\gamma^t$ stands before the reward alone, and not before what the values change "
            r"by.",
            lambda: w.mean(
                w.pi_new,
                sum(gamma**t * w.r[t] for t in w.times) + sum(gamma * V[w.s[t + 1]] - V[w.s[t]] for t in w.times),
            ),
            mends=32,
        ),
    )
    yield equals(
        r"\mathbb{E}_{\pi'}\Big[\sum_t\gamma^t\big(\mathbb{E}_{\pi'}[r_t+\gamma V^\pi(s_{t+1})|H_t,a_t]"
        r"\allowbreak{\,-\,}V^\pi(s_t)\big)\Big]",
        r"The tower property: first the mean given the history and the action, then that of the rest. (The advantage "
        r"is $A^\pi=Q^\pi-V^\pi$.)",
        lambda: w.mean(
            w.pi_new,
            sum(
                gamma**t * (w.given(w.pi_new, w.r[t] + gamma * V[w.s[t + 1]], *w.s[: t + 1], *w.a[: t + 1]) - V[w.s[t]])
                for t in range(end)
            ),
        ),
    )
    yield equals(
        r"\mathbb{E}_{\pi'}\Big[\sum_t\gamma^tA^\pi(s_t,a_t)\Big]",
        r"Given $H_t$ and $a_t$, whoever chose it, $s_{t+1}\sim P(\cdot|s_t,a_t)$: the mean is $Q^\pi(s_t,a_t)$.",
        lambda: w.mean(w.pi_new, sum(gamma**t * A[w.s[t], w.a[t]] for t in w.times)),
        slip(
            r"\mathbb{E}_{\pi'}\Big[\sum_t\gamma^tA^{\pi'}(s_t,a_t)\Big]",
            r"The world's answer does not depend on who plays, but the values do, and they belong to $\pi$. Against "
            r"itself $\pi'$ has no advantage.",
            lambda: w.mean(w.pi_new, sum(gamma**t * own_advantage(w)[w.s[t], w.a[t]] for t in w.times)),
            mends=32,
        ),
    )
    yield equals(
        r"\sum_{s,a}\rho_{\pi'}(s,a)\,A^\pi(s,a)",
        r"This is the return of $\pi'$ for the reward $A^\pi$, and so a sum over pairs. (From here on $\pi'$ is "
        "stationary and Markov too.)",
        lambda: sum(
            sum(gamma**t * w.mean(w.pi_new, w.met(t, s, a)) for t in w.times) * A[s, a]
            for s in w.states
            for a in w.actions
        ),
        slip(
            r"\sum_{s,a}\rho_\pi(s,a)\,A^\pi(s,a)",
            r"These are the pairs that $\pi$ meets, and over its own choices its advantage averages to zero.",
            lambda: sum(
                sum(gamma**t * w.mean(w.pi, w.met(t, s, a)) for t in w.times) * A[s, a]
                for s in w.states
                for a in w.actions
            ),
            mends=32,
        ),
    )
    yield equals(
        r"\sum_s\rho_{\pi'}(s)\sum_a\pi'(a|s)\,A^\pi(s,a)",
        r"The product form. (Here $\rho_{\pi'}$ comes from the flow equation.)",
        lambda: occupied(w.mdp, w.pi_new).sum(axis=1) @ (w.pi_new * A).sum(axis=1),
        slip(
            r"\sum_s\rho_\pi(s)\sum_a\pi'(a|s)\,A^\pi(s,a)",
            r"The visits of $\pi$: this is the surrogate of chapter 3, which agrees to first order near $\pi$ only.",
            lambda: occupied(w.mdp, w.pi).sum(axis=1) @ (w.pi_new * A).sum(axis=1),
            mends=32,
        ),
        slip(
            r"\sum_s\rho_{\pi'}(s)\sum_a\pi(a|s)\,A^\pi(s,a)",
            r"The actions of $\pi$: in each state its advantages average to zero.",
            lambda: occupied(w.mdp, w.pi_new).sum(axis=1) @ (w.pi * A).sum(axis=1),
            mends=32,
        ),
    )


def own_advantage(w):
    """A^{π'}, (S, A)."""
    V, Q = evaluated(w.mdp, w.pi_new)
    return Q - V[:, None]
