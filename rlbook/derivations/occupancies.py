"""Chapter 4, line by line: an occupancy's mass, the return as a sum over pairs, the way to policies and back.

Sums over all t go on until γᵗ is below 10⁻¹⁸; expectations over episodes go through all of them, in a world in which
every episode ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rlbook import checks
from rlbook.derivations.ending_worlds import ending, evaluated, occupied
from rlbook.derivations.lines import derivation, equals, first, slip
from rlbook.derivations.small_worlds import counted, dense, random_mdp, random_policy
from rlbook.mdp import TabularMDP

NUMBERS = 200_000  # of the probabilities P(s_t=s, a_t=a) that are computed


@dataclass(frozen=True)
class Flow:
    """An MDP, a policy π, and a second one, π_2; a policy with a clock plays π_1 = π twice and π_2 ever after."""

    mdp: TabularMDP
    pi: np.ndarray
    pi_new: np.ndarray | None = None

    def __str__(self):
        S, A = self.mdp.r.shape
        of = f"{counted(S, 'state')} and {counted(A, 'action')}"
        return f"World: {of}, γ = {self.gamma:.3g}; sums over t stop where the discount is below 1e-18."

    @property
    def gamma(self):
        return self.mdp.gamma

    @property
    def times(self):
        return range(steps_until_nothing(self.gamma))

    @cached_property
    def P(self):
        return dense(self.mdp)

    @cached_property
    def discounts(self):
        return self.gamma ** np.array(self.times)

    def chances(self, rules):
        """P(s_t=s, a_t=a), (T, S, A), where at time t the actions are drawn from rules(t), (S, A)."""
        here, found = self.mdp.rho0, []
        for t in self.times:
            found.append(here[:, None] * rules(t))
            here = found[-1].ravel() @ self.P.reshape(-1, len(here))
        return np.array(found)

    @cached_property
    def pairs(self):
        """P_π(s_t=s, a_t=a)."""
        return self.chances(lambda t: self.pi)

    @cached_property
    def pairs_by_the_clock(self):
        """The same for the policy with the clock."""
        return self.chances(self.by_the_clock)

    def by_the_clock(self, t):
        return self.pi if t < 2 else self.pi_new

    @cached_property
    def rho(self):
        """The occupancy of the policy with the clock."""
        return np.tensordot(self.discounts, self.pairs_by_the_clock, 1)

    @cached_property
    def nu(self):
        return self.rho.sum(axis=1)

    @cached_property
    def pi_rho(self):
        """ρ(s,a)/ν(s), and all actions alike where ν(s) = 0."""
        met = self.nu[:, None] > 0
        return np.where(met, self.rho, 1) / np.where(met, self.nu[:, None], self.rho.shape[1])


def steps_until_nothing(gamma):
    return 1 if gamma == 0 else int(np.ceil(np.log(1e-18) / np.log(gamma)))


def flow(rng, mdp=None, pi=None) -> Flow:
    """A random world of 2 states and 2 actions, or the reader's."""
    mdp = random_mdp(rng) if mdp is None else checks.tabular(mdp)
    size, steps = mdp.r.size, steps_until_nothing(mdp.gamma)
    if size * steps > NUMBERS:
        raise ValueError(
            f"mdp with {counted(size, 'pair')} of states and actions and gamma={mdp.gamma:.6g}, of which {steps} steps "
            f"count, has more than the {NUMBERS} probabilities that are gone through: take a smaller one"
        )
    pi = random_policy(rng, mdp) if pi is None else checks.policy(mdp, pi)
    return Flow(mdp, pi)


def clocked(rng, mdp=None, pi=None, pi_new=None) -> Flow:
    """The same with a second policy."""
    w = flow(rng, mdp, pi)
    pi_new = random_policy(rng, w.mdp) if pi_new is None else checks.policy(w.mdp, pi_new, "pi_new")
    return Flow(w.mdp, w.pi, pi_new)


@derivation("mass", title="The mass of an occupancy", proves="prop-mass", world=flow)
def mass(w):
    S, A = w.mdp.r.shape
    yield first(
        r"\sum_{s,a}\rho_\pi(s,a)",
        r"All visits together, later ones counting less. (Here $\rho_\pi$ solves a linear system, the flow equation.)",
        lambda: occupied(w.mdp, w.pi).sum(),
    )
    yield equals(
        r"\sum_{s,a}\sum_{t=0}^\infty\gamma^t\,\mathbb{P}_\pi(s_t=s,a_t=a)",
        "The definition.",
        lambda: sum(w.discounts @ w.pairs[:, s, a] for s in range(S) for a in range(A)),
        slip(
            r"\sum_{s,a}\sum_{t=1}^\infty\gamma^t\,\mathbb{P}_\pi(s_t=s,a_t=a)",
            r"The first step is $t=0$. Without it, where the episode begins is forgotten, and $1$ is missing.",
            lambda: sum(w.discounts[1:] @ w.pairs[1:, s, a] for s in range(S) for a in range(A)),
            mends=29,
        ),
    )
    yield equals(
        r"\sum_{t=0}^\infty\gamma^t\sum_{s,a}\mathbb{P}_\pi(s_t=s,a_t=a)",
        "No term is negative, so they may be added in any order.",
        lambda: sum(w.gamma**t * w.pairs[t].sum() for t in w.times),
        slip(
            r"\sum_{t=0}^\infty\gamma^t\sum_{s,a}\mathbb{P}_\pi(s_t=s)",
            r"The state alone, once for each action: how likely the action is, is forgotten.",
            lambda: sum(w.gamma**t * w.pairs[t].sum(axis=1)[s] for t in w.times for s in range(S) for a in range(A)),
        ),
    )
    yield equals(
        r"\sum_{t=0}^\infty\gamma^t\cdot1",
        r"At each time the episode is at exactly one pair: the probabilities add up to 1.",
        lambda: sum(w.gamma**t for t in w.times),
        slip(
            r"\sum_{t=0}^\infty\gamma^t(1-\gamma)",
            r"This is the mass of $\bar\rho_\pi=(1-\gamma)\rho_\pi$, the distribution, and not that of $\rho_\pi$.",
            lambda: sum(w.gamma**t * (1 - w.gamma) for t in w.times),
        ),
    )
    yield equals(
        r"\frac1{1-\gamma}",
        r"A geometric series, as $\gamma<1$. (With $\gamma=1$ there is no sum to speak of.)",
        lambda: 1 / (1 - w.gamma),
        slip(
            r"\frac\gamma{1-\gamma}",
            r"The series from $t=1$ on.",
            lambda: w.gamma / (1 - w.gamma),
            mends=29,
        ),
    )


@derivation("return", title="The return as a sum over pairs", proves="thm-return", world=ending)
def return_by_pairs(w):
    gamma, r = w.mdp.gamma, w.mdp.r
    yield first(
        r"\eta(\pi)",
        r"What $\pi$ earns from the start, $\rho_0\cdot V^\pi$. (Here $V^\pi$ comes from Bellman's equation; "
        r"$\rho_\pi$ will be the occupancy.)",
        lambda: w.mdp.rho0 @ evaluated(w.mdp, w.pi)[0],
    )
    yield equals(
        r"\mathbb{E}_\pi\Big[\sum_t\gamma^t\,r(s_t,a_t)\Big]",
        "The definition: the mean over all episodes of the discounted return.",
        lambda: w.mean(w.pi, sum(gamma**t * w.r[t] for t in w.times)),
        slip(
            r"\mathbb{E}_\pi\Big[\sum_t\gamma^t\,\pi(a_t|s_t)\,r(s_t,a_t)\Big]",
            r"The expectation draws $a_t$ already, and would count its probability twice.",
            lambda: w.mean(w.pi, sum(gamma**t * w.pi[w.s[t], w.a[t]] * w.r[t] for t in w.times)),
            mends=31,
        ),
    )
    yield equals(
        r"\sum_t\gamma^t\,\mathbb{E}_\pi[r(s_t,a_t)]",
        r"Mean and sum change places, by Fubini's theorem: $\sum_t\gamma^t|r(s_t,a_t)|\le\frac{r_{\max}}{1-\gamma}$ on "
        "every episode.",
        lambda: sum(gamma**t * w.mean(w.pi, w.r[t]) for t in w.times),
        slip(
            r"(1-\gamma)\sum_t\gamma^t\,\mathbb{E}_\pi[r(s_t,a_t)]",
            "“The average reward.” An average of rewards this is, with weights that add up to 1; but what is wanted is "
            "the whole return.",
            lambda: (1 - gamma) * sum(gamma**t * w.mean(w.pi, w.r[t]) for t in w.times),
            mends=31,
        ),
    )
    yield equals(
        r"\sum_t\gamma^t\sum_{s,a}\mathbb{P}_\pi(s_t=s,a_t=a)\,r(s,a)",
        r"The reward at time $t$ asks for nothing but the pair that is met then.",
        lambda: sum(
            gamma**t * sum(w.mean(w.pi, w.met(t, s, a)) * r[s, a] for s in w.states for a in w.actions) for t in w.times
        ),
        slip(
            r"\sum_t\gamma^t\sum_{s,a}\mathbb{P}_\pi(s_t=s)\,r(s,a)",
            "The state alone has no reward: how likely each action is, is forgotten.",
            lambda: sum(
                gamma**t * sum(w.mean(w.pi, w.s[t] == s) * r[s, a] for s in w.states for a in w.actions)
                for t in w.times
            ),
        ),
    )
    yield equals(
        r"\sum_{s,a}\Big(\sum_t\gamma^t\,\mathbb{P}_\pi(s_t=s,a_t=a)\Big)\,r(s,a)",
        r"The double sum converges absolutely, by the same bound, so the sum over $t$ may be carried out first.",
        lambda: sum(
            sum(gamma**t * w.mean(w.pi, w.met(t, s, a)) for t in w.times) * r[s, a] for s in w.states for a in w.actions
        ),
    )
    yield equals(
        r"\sum_{s,a}\rho_\pi(s,a)\,r(s,a)",
        r"The bracket is the occupancy. (Here it solves the linear system.)",
        lambda: (occupied(w.mdp, w.pi) * r).sum(),
        slip(
            r"\sum_{s,a}\rho_\pi(s,a)\,Q^\pi(s,a)",
            r"$Q^\pi$ holds what is earned later too, and that is counted at the later visits.",
            lambda: (occupied(w.mdp, w.pi) * evaluated(w.mdp, w.pi)[1]).sum(),
        ),
    )


@derivation(
    "occupancy-to-policy", title="From counts to a policy", proves=["thm-bijection", "prop-histories"], world=clocked
)
def occupancy_to_policy(w):
    def matrix():  # P_{π_ρ}(s'|s)
        return np.einsum("sa,sax->sx", w.pi_rho, w.P)

    yield first(
        r"\rho(s,a)",
        r"A point of $D$: here the counts of a policy that watches the clock. It plays $\pi^{(t)}$ at time $t$: "
        r"$\pi_1$ in steps 0 and 1 and $\pi_2$ ever after. Read off are $\nu(s)=\sum_a\rho(s,a)$ and the policy "
        r"$\pi_\rho=\rho/\nu$.",
        lambda: np.einsum("t,tsa->sa", w.discounts, w.pairs_by_the_clock),
    )
    yield equals(
        r"\pi_\rho(a|s)\,\nu(s)",
        r"This is how $\pi_\rho$ was made. Where $\nu(s)$ is 0, both sides are.",
        lambda: w.pi_rho * w.nu[:, None],
        slip(
            r"\Big((1-\gamma)\sum_t\gamma^t\,\pi^{(t)}(a|s)\Big)\,\nu(s)",
            r"In $\pi_\rho$ the rule $\pi^{(t)}(\cdot|s)$ has the weight $\gamma^t\,\mathbb{P}(s_t=s)/\nu(s)$. An "
            r"average with "
            r"the weights $(1-\gamma)\gamma^t$ forgets how likely $s$ is at each $t$.",
            lambda: (1 - w.gamma) * sum(w.gamma**t * w.by_the_clock(t) for t in w.times) * w.nu[:, None],
            mends=30,
        ),
    )
    yield equals(
        r"\pi_\rho(a|s)\,\Big(\rho_0(s)+\gamma\sum_{s',a'}P(s|s',a')\,\rho(s',a')\Big)",
        r"The flow equation: what is in $s$ began there, or came from somewhere. (As a matrix, $P_\pi$ has a row for "
        r"each "
        r"state that is left: in row $s'$ and column $s$ stands $P_\pi(s|s')=\sum_a\pi(a|s')\,P(s|s',a)$.)",
        lambda: w.pi_rho * (w.mdp.rho0 + w.gamma * np.einsum("xas,xa->s", w.P, w.rho))[:, None],
        slip(
            r"\pi_\rho(a|s)\,\Big(\rho_0(s)+\gamma\sum_{s',a'}P(s'|s,a')\,\rho(s,a')\Big)",
            r"This is what leaves $s$. In $s$ is what comes in.",
            lambda: w.pi_rho * (w.mdp.rho0 + w.gamma * np.einsum("sax,sa->s", w.P, w.rho))[:, None],
        ),
    )
    yield equals(
        r"\pi_\rho(a|s)\,\big(\rho_0+\gamma P_{\pi_\rho}^\top\nu\big)(s)",
        r"The second line again, within: $\rho(s',a')=\pi_\rho(a'|s')\,\nu(s')$. So "
        r"$\nu=\rho_0+\gamma P_{\pi_\rho}^\top\nu$.",
        lambda: w.pi_rho * (w.mdp.rho0 + w.gamma * matrix().T @ w.nu)[:, None],
        slip(
            r"\pi_\rho(a|s)\,\big(\rho_0+\gamma P_{\pi_\rho}\,\nu\big)(s)",
            "This is the direction of Bellman's equation, in which values come back from where one goes. Visits go "
            "on to there.",
            lambda: w.pi_rho * (w.mdp.rho0 + w.gamma * matrix() @ w.nu)[:, None],
        ),
    )
    yield equals(
        r"\pi_\rho(a|s)\,\big((I-\gamma P_{\pi_\rho}^\top)^{-1}\rho_0\big)(s)",
        r"That equation has one solution only: $I-\gamma P_{\pi_\rho}$ is invertible, and with it its transpose.",
        lambda: w.pi_rho * np.linalg.solve(np.eye(len(w.nu)) - w.gamma * matrix().T, w.mdp.rho0)[:, None],
    )
    yield equals(
        r"\pi_\rho(a|s)\sum_t\gamma^t\,\mathbb{P}_{\pi_\rho}(s_t=s)",
        r"The state occupancy of $\pi_\rho$ solves it too, so it is this solution.",
        lambda: w.pi_rho * states_over_time(matrix(), w.mdp.rho0, w.gamma, w.times)[:, None],
        slip(
            r"\pi_\rho(a|s)\sum_t\gamma^t\,\mathbb{P}_{\pi_2}(s_t=s)",
            r"The right choices, counted where $\pi_2$ goes if it plays from the start. Visits and choices must be one "
            "policy's.",
            lambda: w.pi_rho * np.tensordot(w.discounts, w.chances(lambda t: w.pi_new), 1).sum(axis=1, keepdims=True),
        ),
    )
    yield equals(
        r"\rho_{\pi_\rho}(s,a)",
        r"$\pi_\rho$ is stationary and Markov, so the product is its occupancy. $\rho$ needs no memory.",
        lambda: np.tensordot(w.discounts, w.chances(lambda t: w.pi_rho), 1),
    )


def states_over_time(matrix, here, gamma, times):
    """Σ γᵗ P(s_t=s), step by step."""
    total = 0
    for t in times:
        total, here = total + gamma**t * here, matrix.T @ here
    return total


@derivation(
    "policy-to-occupancy",
    title="From a policy to its counts and back",
    proves=["lem-product", "thm-bijection"],
    world=flow,
)
def policy_to_occupancy(w):
    met = w.pairs.sum(axis=(0, 2)) > 0

    def each(x):
        return x[met]

    yield first(
        r"\frac{\rho_\pi(s,a)}{\rho_\pi(s)}",
        r"The policy that is read off from the counts, where $\rho_\pi(s)>0$; $\pi$ is stationary and "
        "Markov. (Here the counts come from the flow equation.)",
        lambda: each(occupied(w.mdp, w.pi)) / each(occupied(w.mdp, w.pi)).sum(axis=1, keepdims=True),
    )
    yield equals(
        r"\frac{\sum_t\gamma^t\,\mathbb{P}_\pi(s_t=s,a_t=a)}{\sum_t\gamma^t\,\mathbb{P}_\pi(s_t=s)}",
        "The definition, above and below.",
        lambda: (
            np.tensordot(w.discounts, each(w.pairs.swapaxes(0, 1)), (0, 1))
            / (w.discounts @ w.pairs.sum(axis=2))[met, None]
        ),
        slip(
            r"\frac{\sum_t\gamma^t\,\mathbb{P}_\pi(s_t=s,a_t=a)}{\sum_t\gamma^t}",
            r"Divided by the mass, it is the distribution $\bar\rho_\pi$ of pairs, and not that of the action in $s$.",
            lambda: each(np.tensordot(w.discounts, w.pairs, 1)) / w.discounts.sum(),
        ),
    )
    yield equals(
        r"\frac{\sum_t\gamma^t\,\mathbb{P}_\pi(s_t=s)\,\pi(a|s)}{\sum_t\gamma^t\,\mathbb{P}_\pi(s_t=s)}",
        r"Whatever the history, if it ends in $s_t=s$ then $a_t\sim\pi(\cdot|s)$: stationary and Markov it must be.",
        lambda: (
            each(sum(g * x.sum(axis=1)[:, None] * w.pi for g, x in zip(w.discounts, w.pairs, strict=True)))
            / each(sum(g * x.sum(axis=1)[:, None] for g, x in zip(w.discounts, w.pairs, strict=True)))
        ),
        slip(
            r"\frac{\sum_t\gamma^t\,\mathbb{P}_\pi(s_t=s)\,\mathbb{P}_\pi(a_t=a)}{\sum_t\gamma^t\,\mathbb{P}_\pi(s_t=s)}",
            r"State and action go together: given $s$, the action has the law $\pi(\cdot|s)$, and not that of $a_t$ "
            "over all states.",
            lambda: (
                each(np.einsum("t,ts,ta->sa", w.discounts, w.pairs.sum(axis=2), w.pairs.sum(axis=1)))
                / each(w.discounts @ w.pairs.sum(axis=2))[:, None]
            ),
        ),
    )
    yield equals(
        r"\pi(a|s)",
        r"$\pi(a|s)$ does not depend on $t$: it comes out of the sum, and the rest cancels.",
        lambda: each(w.pi),
    )
