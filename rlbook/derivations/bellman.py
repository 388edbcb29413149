"""Chapter 2, line by line: contractions, the best fixed point, and the bracket around it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rlbook.derivations.lines import at_least, at_most, derivation, equals, first, sequence, slip, tends_to
from rlbook.derivations.small_worlds import Lasting, lasting


@dataclass(frozen=True)
class TwoTables(Lasting):
    """A world, two tables, the first mostly below the other, and a state drawn to follow the first pair."""

    Q1: np.ndarray
    Q2: np.ndarray
    drawn: int

    def __str__(self):
        return f"{super().__str__()[:-1]}; most of Q lies below Q′. Values at the first pair (s, a)."

    @property
    def next(self):
        """P(s'|s,a) for the first pair."""
        return self.P[0, 0]


def two_tables(rng, mdp=None, pi=None) -> TwoTables:
    w = lasting(rng, mdp, pi, n_states=3, n_actions=3)
    Q2 = rng.normal(size=w.r.shape)
    Q1 = Q2 - 1.2 + rng.normal(size=w.r.shape)
    return TwoTables(w.mdp, w.pi, Q1, Q2, rng.choice(w.mdp.n_states, p=w.P[0, 0]))


@derivation("contraction", title="A policy's operator is a contraction", proves="thm-contraction", world=two_tables)
def contraction(w):
    yield first(
        r"\big|(T^\pi Q-T^\pi Q')(s,a)\big|",
        "How far two tables are from each other after the operator.",
        lambda: abs(
            (w.r[0, 0] + w.gamma * w.next @ (w.pi * w.Q1).sum(axis=1))
            - (w.r[0, 0] + w.gamma * w.next @ (w.pi * w.Q2).sum(axis=1))
        ),
    )
    yield equals(
        r"\gamma\,\Big|\mathbb{E}\Big[\sum_{a'}\pi(a'|s')\,(Q-Q')(s',a')\Big]\Big|",
        "The rewards cancel, and what is left of the operator is linear.",
        lambda: w.gamma * abs(np.einsum("x,xb,xb", w.next, w.pi, w.Q1 - w.Q2)),
        slip(
            r"\gamma\,\Big|\mathbb{E}\Big[\sum_{a'}(Q-Q')(s',a')\Big]\Big|",
            r"Without $\pi$ it is a sum and no average, and a sum may be larger than all of its terms.",
            lambda: w.gamma * abs(np.einsum("x,xb->", w.next, w.Q1 - w.Q2)),
        ),
    )
    yield at_most(
        r"\gamma\,\mathbb{E}\Big[\sum_{a'}\pi(a'|s')\,\big|(Q-Q')(s',a')\big|\Big]",
        "The size of an average is at most the average of the sizes.",
        lambda: w.gamma * w.next @ (w.pi * np.abs(w.Q1 - w.Q2)).sum(axis=1),
        slip(
            r"\gamma\,\mathbb{E}\Big[\sum_{a'}\pi(a'|s')\,(Q-Q')(s',a')\Big]",
            r"This is $T^\pi Q-T^\pi Q'$ itself, signed.",
            lambda: w.gamma * w.next @ (w.pi * (w.Q1 - w.Q2)).sum(axis=1),
        ),
    )
    yield at_most(
        r"\gamma\,\max_{s',a'}\big|(Q-Q')(s',a')\big|",
        r"And an average is at most the largest: this is $\gamma\,\|Q-Q'\|$, whatever $(s,a)$ is.",
        lambda: w.gamma * np.abs(w.Q1 - w.Q2).max(),
        slip(
            r"\gamma\,\max_{s',a'}\,(Q-Q')(s',a')",
            r"Where $Q$ lies mostly below $Q'$, $\max(Q-Q')$ is small or negative: it bounds no size.",
            lambda: w.gamma * (w.Q1 - w.Q2).max(),
            mends=15,
        ),
    )


@derivation("optimality-contraction", title="So is the optimality operator", proves="thm-optimality", world=two_tables)
def optimality_contraction(w):
    yield first(
        r"\big|(T^*Q-T^*Q')(s,a)\big|",
        "The same question, with the maximum in the policy's place.",
        lambda: abs(
            (w.r[0, 0] + w.gamma * w.next @ w.Q1.max(axis=1)) - (w.r[0, 0] + w.gamma * w.next @ w.Q2.max(axis=1))
        ),
    )
    yield equals(
        r"\gamma\,\Big|\mathbb{E}\big[\max_{a'}Q(s',a')-\max_{a'}Q'(s',a')\big]\Big|",
        "The rewards cancel again, and expectations are linear. Maxima are not.",
        lambda: w.gamma * abs(w.next @ (w.Q1.max(axis=1) - w.Q2.max(axis=1))),
        slip(
            r"\gamma\,\Big|\max_{a'}\mathbb{E}[Q(s',a')]-\max_{a'}\mathbb{E}[Q'(s',a')]\Big|",
            "With the maximum outside, the next action is chosen before the next state is seen.",
            lambda: w.gamma * abs((w.next @ w.Q1).max() - (w.next @ w.Q2).max()),
        ),
        slip(
            r"\gamma\,\big|\max_{a'}Q(s',a')-\max_{a'}Q'(s',a')\big|",
            "Without the expectation this is a random number, and the operator's is none. Here it is for one "
            "next state that was drawn.",
            lambda: w.gamma * abs(w.Q1[w.drawn].max() - w.Q2[w.drawn].max()),
            mends=13,
        ),
        slip(
            r"\gamma\,\Big|\mathbb{E}\Big[\sum_{a'}\pi^*(a'|s')\,(Q-Q')(s',a')\Big]\Big|",
            r"“$T^*$ is $T^\pi$ at $\pi=\pi^*$, the best policy.” The policy that $T^*$ takes is greedy for the table "
            r"at hand, and is $\pi^*$ only at the end.",
            lambda: w.gamma * abs(np.einsum("x,xb,xb", w.next, best(w), w.Q1 - w.Q2)),
            mends=17,
        ),
    )
    yield at_most(
        r"\gamma\,\mathbb{E}\Big[\big|\max_{a'}Q(s',a')-\max_{a'}Q'(s',a')\big|\Big]",
        "The size of an average is at most the average of the sizes.",
        lambda: w.gamma * w.next @ np.abs(w.Q1.max(axis=1) - w.Q2.max(axis=1)),
    )
    yield at_most(
        r"\gamma\,\mathbb{E}\Big[\max_{a'}\big|(Q-Q')(s',a')\big|\Big]",
        r"If $b$ is best for $Q$, $\max Q-\max Q'\le(Q-Q')(s',b)$; and the same with $Q$ and $Q'$ exchanged.",
        lambda: w.gamma * w.next @ np.abs(w.Q1 - w.Q2).max(axis=1),
        slip(
            r"\gamma\,\mathbb{E}\Big[\big|\max_{a'}\,(Q-Q')(s',a')\big|\Big]",
            r"$\max Q-\max Q'\le\max(Q-Q')$ is right, and one half: the other is that it is at least $\min(Q-Q')$.",
            lambda: w.gamma * w.next @ np.abs((w.Q1 - w.Q2).max(axis=1)),
        ),
    )
    yield at_most(
        r"\gamma\,\max_{s',a'}\big|(Q-Q')(s',a')\big|",
        r"An average is at most the largest: $\gamma\,\|Q-Q'\|$.",
        lambda: w.gamma * np.linalg.norm((w.Q1 - w.Q2).ravel(), np.inf),
    )


def greedy(Q):
    """A greedy policy for a table."""
    return np.eye(Q.shape[1])[Q.argmax(axis=1)]


def best(w):
    """An optimal policy, by evaluating and improving in turn."""
    pi = greedy(w.r)
    while True:
        Q = w.Q(pi)
        stays = (pi * Q).sum(axis=1) >= Q.max(axis=1) - 1e-12
        if stays.all():
            return pi
        pi = np.where(stays[:, None], pi, greedy(Q))


def swept(w, Q):
    """Value iteration from Q to its end."""
    for _ in range(w.long):
        Q = w.r + w.gamma * w.P @ Q.max(axis=1)
    return Q


@dataclass(frozen=True)
class Best(Lasting):
    """A world, a policy, and the fixed point of T*, by value iteration."""

    Q_star: np.ndarray

    def __str__(self):
        return f"{super().__str__()[:-1]}. Values at all pairs (s, a)."

    def T(self, Q):
        return self.r + self.gamma * self.P @ (self.pi * Q).sum(axis=1)


def fixed_point(rng, mdp=None, pi=None) -> Best:
    w = lasting(rng, mdp, pi)
    return Best(w.mdp, w.pi, swept(w, np.zeros(w.r.shape)))


@derivation("best", title="The fixed point is best", proves="thm-optimality", world=fixed_point)
def fixed_point_is_best(w):
    yield first(
        r"Q^{\hat\pi}",
        r"The values of a policy $\hat\pi$ that is greedy for $Q^*$.",
        lambda: w.Q(greedy(w.Q_star)),
    )
    yield equals(
        r"Q^*",
        r"As $\hat\pi$ attains the maximum, $T^{\hat\pi}$ leaves $Q^*$ as it is; and it has one fixed point only, "
        r"$Q^{\hat\pi}$. (Below, $\pi$ is any policy, here a random one.)",
        lambda: w.Q_star,
    )
    yield equals(
        r"T^*Q^*",
        r"$Q^*$ is the fixed point of $T^*$.",
        lambda: w.r + w.gamma * w.P @ w.Q_star.max(axis=1),
        slip(
            r"T^\pi Q^*",
            r"It is the fixed point of $T^*$. Of $T^\pi$ it is one only if $\pi$ is greedy for it where one can come.",
            lambda: w.r + w.gamma * np.einsum("sax,xb,xb->sa", w.P, w.pi, w.Q_star),
        ),
    )
    yield at_least(
        r"T^\pi Q^*",
        r"An average is at most the maximum, whatever $\pi$ is.",
        lambda: w.T(w.Q_star),
    )
    yield at_least(
        r"T^\pi T^\pi Q^*",
        r"$T^\pi$ is monotone: apply it to both sides of $Q^*\ge T^\pi Q^*$.",
        lambda: w.T(w.T(w.Q_star)),
        slip(
            r"T^*T^\pi Q^*",
            r"“Apply the operator once more.” But $T^*$ raises some entries of $T^\pi Q^*$: its iterates climb back.",
            lambda: w.r + w.gamma * w.P @ w.T(w.Q_star).max(axis=1),
        ),
    )
    yield at_least(
        r"(T^\pi)^kQ^*",
        "And so on. (Here for $k=10$ and $k=40$.)",
        lambda: sequence("k", [10, 40], lambda k: powers(w.T, w.Q_star, k), size=lambda k: w.gamma**k),
    )
    yield tends_to(
        r"Q^\pi",
        r"Banach: the iterates converge to the fixed point of $T^\pi$, wherever they begin.",
        lambda: w.Q(w.pi),
        slip(
            r"Q^*",
            "They began there, but the limit knows nothing of it.",
            lambda: swept(w, w.Q(w.pi)),
        ),
    )


def powers(T, Q, k):
    for _ in range(k):
        Q = T(Q)
    return Q.ravel()


@dataclass(frozen=True)
class Moves(Lasting):
    """A world, and Q_{k−1}, Q_k, Q_{k+1}, … of value iteration, until nothing moves."""

    tables: np.ndarray

    def __str__(self):
        return f"{super().__str__()[:-1]}; T is value iteration's. Values at all pairs (s, a)."

    @cached_property
    def m(self):
        return (self.tables[1] - self.tables[0]).min()

    @cached_property
    def M(self):
        return (self.tables[1] - self.tables[0]).max()

    @property
    def later(self):
        """1, 2, …"""
        return np.arange(1, len(self.tables) - 1)


def moves(rng, mdp=None) -> Moves:
    w = lasting(rng, mdp)
    tables = [rng.normal(size=w.r.shape) - 1]  # mostly too low
    for _ in range(w.long):
        tables.append(w.r + w.gamma * w.P @ tables[-1].max(axis=1))
    return Moves(w.mdp, w.pi, np.array(tables))


@derivation("bracket", title="MacQueen's bracket", proves="thm-macqueen", world=moves)
def bracket(w):
    yield first(
        r"Q_k+\frac{\gamma}{1-\gamma}\,m",
        r"A lower bound for the fixed point $\bar Q$: of the latest move, $Q_k-Q_{k-1}$, the smallest entry is "
        "$m$ and the largest $M$. Every line has to hold whatever the move was, also if $m=M>0$.",
        lambda: w.tables[1] + w.gamma / (1 - w.gamma) * w.m,
    )
    yield equals(
        r"Q_k+\sum_{j\ge1}\gamma^jm",
        r"The geometric series.",
        lambda: w.tables[1] + (w.gamma**w.later * w.m).sum(),
        slip(
            r"Q_k+\sum_{j\ge0}\gamma^jm",
            r"The series begins with $\gamma$: the move with the factor 1 is the one to $Q_k$, and is made.",
            lambda: w.tables[1] + w.m + (w.gamma**w.later * w.m).sum(),
        ),
    )
    yield at_most(
        r"Q_k+\sum_{j\ge1}\,(Q_{k+j}-Q_{k+j-1})",
        r"$Q_k\ge Q_{k-1}+m$. Apply $T$, which is monotone and discounts constants: $Q_{k+1}\ge Q_k+\gamma m$, and "
        r"after $j$ times $Q_{k+j}\ge Q_{k+j-1}+\gamma^jm$.",
        lambda: w.tables[1] + (w.tables[2:] - w.tables[1:-1]).sum(axis=0),
        slip(
            r"Q_{k-1}+\sum_{j\ge1}\,(Q_{k+j}-Q_{k+j-1})",
            r"The later moves start from the new table. From the old one they end at $\bar Q-(Q_k-Q_{k-1})$, which "
            r"may be "
            r"too low: nothing says that the move to $Q_k$ was downwards.",
            lambda: w.tables[0] + (w.tables[2:] - w.tables[1:-1]).sum(axis=0),
        ),
    )
    yield equals(
        r"\bar Q",
        r"The sum telescopes, and the iterates converge to the fixed point.",
        lambda: w.Q(best(w)),
    )
    yield at_most(
        r"Q_k+\sum_{j\ge1}\gamma^jM",
        r"The same from above: after $j$ times $Q_{k+j}\le Q_{k+j-1}+\gamma^jM$.",
        lambda: w.tables[1] + sum(w.gamma**j * w.M for j in w.later),
        slip(
            r"Q_{k-1}+\sum_{j\ge1}\gamma^jM",
            r"From $Q_{k-1}$ the move to $Q_k$, somewhere as large as $M$, is still to be made: around the old table "
            r"the sum "
            r"begins with $j=0$.",
            lambda: w.tables[0] + sum(w.gamma**j * w.M for j in w.later),
        ),
    )
    yield equals(
        r"Q_k+\frac{\gamma}{1-\gamma}\,M",
        "The geometric series again.",
        lambda: w.tables[1] + w.gamma / (1 - w.gamma) * w.M,
        slip(
            r"Q_k+\frac{1}{1-\gamma}\,M",
            r"One $\gamma$ is lost: this is the bound for $Q_{k-1}$, laid around $Q_k$.",
            lambda: w.tables[1] + w.M / (1 - w.gamma),
        ),
    )
