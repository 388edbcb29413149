"""Chapter 5, line by line: what a straight line takes away, and Q-Prop's gradient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rlbook.derivations.lines import derivation, equals, first, slip
from rlbook.derivations.small_worlds import STEP, complex_step


@dataclass(frozen=True)
class Line:
    """One state: a normal policy of two action components, its mean a curved function of three parameters, and an f.

    f is expanded at ā, which moves with the mean, at the distance `off` from it. `z`, (2, N), and `p` are nodes of two
    independent normal numbers.
    """

    theta: np.ndarray
    slopes: np.ndarray
    root: np.ndarray
    off: np.ndarray
    pull: np.ndarray
    z: np.ndarray
    p: np.ndarray

    def __str__(self):
        return "World: one state, actions of two components, whose mean has three parameters."

    def mu(self, theta):
        return np.sin(self.slopes @ theta)

    def f(self, a):
        """An f that bends, of actions (2, …)."""
        return np.exp(0.3 * (a[0] - a[1])) + self.pull[0] * a[0] + self.pull[1] * a[1] ** 2

    def slope(self, a):
        """∇_a f at one action, complex too."""
        bend = 0.3 * np.exp(0.3 * (a[0] - a[1]))
        return np.array([bend + self.pull[0], -bend + 2 * self.pull[1] * a[1]])

    def actions(self, theta):
        return self.mu(theta)[:, None] + self.root @ self.z

    def log_density(self, theta):
        """log π_θ, but for a constant, of the actions that the nodes stand for at the world's own θ."""
        away = np.linalg.inv(self.root) @ (self.actions(self.theta) - self.mu(theta)[:, None])
        return -(away**2).sum(axis=0) / 2

    @cached_property
    def a(self):
        return self.actions(self.theta)

    @cached_property
    def psi(self):
        return complex_step(self.log_density, self.theta)

    @cached_property
    def a_bar(self):
        return self.mu(self.theta) + self.off

    @cached_property
    def v(self):
        return complex_step(self.f, self.a_bar)

    @cached_property
    def J(self):
        """∂μ/∂θ, (2, 3)."""
        return complex_step(self.mu, self.theta).T

    def mean(self, x):
        return x @ self.p


def straight(rng) -> Line:
    x, p_x = np.polynomial.hermite_e.hermegauss(8)
    i, j = np.indices((8, 8)).reshape(2, -1)
    root = np.array([[rng.uniform(0.4, 1), 0], [rng.normal() / 2, rng.uniform(0.4, 1)]])
    theta, slopes = rng.normal(size=3) / 2, rng.normal(size=(2, 3))
    off, pull = rng.normal(size=2) / 2, rng.normal(size=2)
    return Line(theta, slopes, root, off, pull, np.array([x[i], x[j]]), p_x[i] * p_x[j] / p_x.sum() ** 2)


@derivation("taylor-correction", title="What the line takes away", proves="prop-taylor-correction", world=straight)
def taylor_correction(w):
    v, a = w.v, w.a
    yield first(
        r"\mathbb{E}_a\big[\bar f(s,a)\,\psi\big]",
        r"What is lost if the line $\bar f(s,a)=f(s,\bar a)+v\cdot(a-\bar a)$, $v=\nabla_af(s,\bar a)$, is subtracted. "
        r"Here $\bar a$ is a fixed action other than $\mu_\theta(s)$.",
        lambda: w.mean((w.f(w.a_bar) + v @ (a - w.a_bar[:, None])) * w.psi),
    )
    yield equals(
        r"\mathbb{E}_a[(v\cdot a)\,\psi]+\big(f(s,\bar a)-v\cdot\bar a\big)\,\mathbb{E}_a[\psi]",
        r"Only $v\cdot a$ depends on the action.",
        lambda: w.mean((v @ a) * w.psi) + (w.f(w.a_bar) - v @ w.a_bar) * w.mean(w.psi),
        slip(
            r"(v\cdot\mathbb{E}_a[a])\,\mathbb{E}_a[\psi]+\big(f(s,\bar a)-v\cdot\bar a\big)\,\mathbb{E}_a[\psi]",
            "“The score has mean zero: subtracting alone is free.” The action and its score go together.",
            lambda: (v @ w.mean(a)) * w.mean(w.psi) + (w.f(w.a_bar) - v @ w.a_bar) * w.mean(w.psi),
        ),
    )
    yield equals(
        r"\int(v\cdot a)\,\nabla\pi_\theta(a|s)\,da",
        r"The score has mean zero, so the bracket drops out; and $\pi_\theta\,\psi=\nabla\pi_\theta$. (With an "
        r"$\bar a$ that keeps its distance from $\mu_\theta(s)$ the slope at it would be a $v_\theta$.)",
        lambda: complex_step(
            lambda theta: w.mean((v @ a) * np.exp(w.log_density(theta) - w.log_density(w.theta))), w.theta
        ),
        slip(
            r"\int(v\cdot\bar a)\,\nabla\pi_\theta(a|s)\,da",
            r"$v$ is taken at $\bar a$, but the factor $a$ runs over all actions.",
            lambda: complex_step(
                lambda theta: w.mean((v @ w.a_bar) * np.exp(w.log_density(theta) - w.log_density(w.theta))), w.theta
            ),
        ),
    )
    yield equals(
        r"\nabla\int(v\cdot a)\,\pi_\theta(a|s)\,da",
        r"The derivative leaves the integral, for $v$ is a fixed vector. (Here the actions move with $\theta$.)",
        lambda: complex_step(lambda theta: w.mean(v @ w.actions(theta)), w.theta),
        slip(
            r"\nabla\int(v_\theta\cdot a)\,\pi_\theta(a|s)\,da",
            r"Even if $\bar a$ was chosen from $\theta$, $v$ counts as a constant: differentiating $v_\theta$ adds "
            "terms that nothing took away.",
            lambda: complex_step(lambda theta: w.mean(w.slope(w.mu(theta) + w.off) @ w.actions(theta)), w.theta),
            mends=35,
        ),
    )
    yield equals(
        r"\nabla\big(v\cdot\mu_\theta(s)\big)",
        r"$\mathbb{E}_a[a]=\mu_\theta(s)$. (Write $J=\partial\mu_\theta/\partial\theta$.)",
        lambda: complex_step(lambda theta: v @ w.mu(theta), w.theta),
        slip(
            r"\nabla f\big(s,\mu_\theta(s)\big)",
            r"The chain rule takes the slope of $f$ at $\mu_\theta$. The line has that at $\bar a$, here another.",
            lambda: complex_step(lambda theta: w.f(w.mu(theta)), w.theta),
        ),
    )
    yield equals(
        r"J(s)^\top\,\nabla_af(s,\bar a)",
        r"The chain rule: a column, as gradients are.",
        lambda: w.J.T @ v,
        slip(
            r"\mathbb{E}_a\big[J(s)^\top\,\nabla_af(s,a)\big]",
            r"$a$ for $\bar a$: the derivative is taken in the variable, at the point $\bar a$, and not at the action "
            "that was drawn.",
            lambda: w.J.T @ w.mean(w.slope(a)),
            mends=36,
        ),
    )


@dataclass(frozen=True)
class Play:
    """All episodes of two steps in two states, with real actions a = μ_θ(s) + σz, z at the nodes of a normal number.

    P(s'=1|s,a), the reward and the critics bend with the action; w and w_other, (2, 4), are a critic's coefficients,
    Q_w(s,a) = Σ_k w(s,k) aᵏ. Episodes stand along the last axis.
    """

    gamma: float
    theta: np.ndarray
    features: np.ndarray
    sigma: float
    rho0: np.ndarray
    wave: np.ndarray
    pay: np.ndarray
    w: np.ndarray
    w_other: np.ndarray
    s: np.ndarray
    z: np.ndarray
    p_z: np.ndarray

    def __str__(self):
        return f"World: 2 states, real actions, 2 steps, γ = {self.gamma:.3g}, a random critic."

    times = range(2)

    def mu(self, theta):
        """The mean action of each state."""
        return self.features @ theta

    def actions(self, theta):
        return self.mu(theta)[self.s] + self.sigma * self.z

    def p(self, theta):
        """The weights of the episodes: the start, the nodes and P(s_1|s_0, a_0)."""
        up = 0.5 + 0.4 * np.sin(self.wave[0, self.s[0]] * self.actions(theta)[0] + self.wave[1, self.s[0]])
        return self.rho0[self.s[0]] * self.p_z * np.where(self.s[1] == 1, up, 1 - up)

    def rewards(self, theta):
        a = self.actions(theta)
        return self.pay[0, self.s] * a + self.pay[1, self.s] * a**2

    def eta(self, theta):
        return (self.p(theta) * (self.rewards(theta)[0] + self.gamma * self.rewards(theta)[1])).sum()

    @cached_property
    def a(self):
        return self.actions(self.theta)

    @cached_property
    def psi(self):
        """∇ log π_θ(a_t|s_t) at fixed actions, (T, n, N)."""

        def log_density(theta):
            return -((self.a - self.mu(theta)[self.s]) ** 2) / (2 * self.sigma**2)

        return complex_step(log_density, self.theta).swapaxes(0, 1)

    @cached_property
    def weights(self):
        return self.p(self.theta)

    def mean(self, x):
        return x @ self.weights

    def to_go(self, t):
        r = self.rewards(self.theta)
        return r[1] if t == 1 else r[0] + self.gamma * r[1]

    def Q(self, s, a, w=None):
        w = self.w if w is None else w
        return sum(w[s, k] * a**k for k in range(4))

    def slope(self, s, a, w=None):
        """∂Q_w/∂a."""
        return np.imag(self.Q(s, a + 1j * STEP, w)) / STEP

    def line(self, s, a):
        """Q̄_w(s, a), around the mean action."""
        mu = self.mu(self.theta)[s]
        return self.Q(s, mu) + self.slope(s, mu) * (a - mu)

    def back(self, t, w=None):
        """J(s_t)ᵀ v_w(s_t), (n, N)."""
        s = self.s[t]
        return self.features[s].T * self.slope(s, self.mu(self.theta)[s], w)

    def given_state(self, x, t):
        """E[x|s_t], for each episode what it is in its state at time t."""
        chance = [self.weights @ (self.s[t] == s) for s in range(2)]
        means = np.array([self.mean(x * (self.s[t] == s)) / chance[s] for s in range(2)])
        return means[self.s[t]].T


def play(rng) -> Play:
    x, p_x = np.polynomial.hermite_e.hermegauss(12)
    s_0, i, s_1, j = np.indices((2, 12, 2, 12)).reshape(4, -1)
    p_z = p_x[i] * p_x[j] / p_x.sum() ** 2
    made = Play(
        rng.uniform(0.5, 0.95),
        rng.normal(size=2) / 2,
        rng.normal(size=(2, 2)),
        rng.uniform(0.4, 0.8),
        rng.dirichlet(np.ones(2)),
        rng.uniform(-1, 1, size=(2, 2)),
        rng.normal(size=(2, 2)),
        rng.normal(size=(2, 4)),
        rng.normal(size=(2, 4)),
        np.array([s_0, s_1]),
        np.array([x[i], x[j]]),
        p_z,
    )
    return replace(made, w_other=made.w + made.w_other / 2)


@derivation("q-prop", title="Q-Prop's gradient", proves="thm-q-prop", world=play)
def q_prop(w):
    gamma, psi = w.gamma, w.psi

    def residuals():  # E Σ γᵗ(G_t − Q̄)ψ_t
        return w.mean(sum(gamma**t * (w.to_go(t) - w.line(w.s[t], w.a[t])) * psi[t] for t in w.times))

    yield first(
        r"\nabla\eta",
        r"The gradient of the expected return. (Here actions move with $\theta$; integrals are quadratures.)",
        lambda: complex_step(w.eta, w.theta),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_t\gamma^tG_t\,\psi_t\Big]",
        "Chapter 1: each score is weighed by what comes after.",
        lambda: w.mean(sum(gamma**t * w.to_go(t) * psi[t] for t in w.times)),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_t\gamma^t(G_t-\bar Q_w)\,\psi_t\Big]"
        r"+\mathbb{E}\Big[\sum_t\gamma^t\bar Q_w(s_t,a_t)\,\psi_t\Big]",
        r"Subtract the critic's line at $(s_t,a_t)$, $\bar Q_w(s,a)=Q_w(s,\mu_\theta)+v_w(s)\cdot(a-\mu_\theta)$ "
        r"with the slope $v_w(s)=\nabla_aQ_w(s,\mu_\theta(s))$, and add it back.",
        lambda: residuals() + w.mean(sum(gamma**t * w.line(w.s[t], w.a[t]) * psi[t] for t in w.times)),
        slip(
            r"\mathbb{E}\Big[\sum_t\gamma^t(G_t-\bar Q_w)\,\psi_t\Big]",
            r"Subtracted alone, the line takes its own mean, $\mathbb{E}\big[\sum_t\gamma^t\bar Q_w\,\psi_t\big]$, "
            r"with it: with a "
            "bad critic that can even point against the gradient.",
            lambda: w.mean(
                sum(gamma**t * w.to_go(t) * psi[t] - gamma**t * w.line(w.s[t], w.a[t]) * psi[t] for t in w.times)
            ),
        ),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_t\gamma^t(G_t-\bar Q_w)\,\psi_t\Big]"
        r"+\mathbb{E}\Big[\sum_t\gamma^t\,\mathbb{E}[\bar Q_w(s_t,a_t)\,\psi_t|s_t]\Big]",
        "The tower property: given the state, only the action is random. (Write "
        r"$J=\partial\mu_\theta/\partial\theta$; and $w'$ is what the critic's $w$ becomes when it is trained on.)",
        lambda: (
            residuals() + w.mean(sum(gamma**t * w.given_state(w.line(w.s[t], w.a[t]) * psi[t], t) for t in w.times))
        ),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_t\gamma^t(G_t-\bar Q_w)\,\psi_t\Big]"
        r"+\mathbb{E}\Big[\sum_t\gamma^tJ(s_t)^\top v_w(s_t)\Big]",
        r"What a line takes away, in each state.",
        lambda: residuals() + w.mean(sum(gamma**t * w.back(t) for t in w.times)),
        slip(
            r"\mathbb{E}\Big[\sum_t\gamma^t(G_t-\bar Q_w)\,\psi_t\Big]"
            r"+\mathbb{E}\Big[\sum_t\gamma^tJ(s_t)^\top v_{w'}(s_t)\Big]",
            r"Two critics: trained to $w'$ between the halves, it puts back another line than was taken.",
            lambda: residuals() + w.mean(sum(gamma**t * w.back(t, w.w_other) for t in w.times)),
            mends=37,
        ),
        slip(
            r"\mathbb{E}\Big[\sum_t\gamma^t(G_t-\bar Q_w)\,\psi_t\Big]"
            r"+\mathbb{E}\Big[\sum_t\gamma^tJ(s_t)^\top\nabla_aQ_w(s_t,a_t)\Big]",
            r"The slope at the sampled action. The line has the one at the mean action $\mu_\theta(s_t)$.",
            lambda: (
                residuals() + w.mean(sum(gamma**t * w.features[w.s[t]].T * w.slope(w.s[t], w.a[t]) for t in w.times))
            ),
            mends=36,
        ),
    )
    yield equals(
        r"\mathbb{E}\Big[\sum_t\gamma^t\big\{\big(G_t-\bar Q_w(s_t,a_t)\big)\,\psi_t+J(s_t)^\top v_w(s_t)\big\}\Big]",
        "One expectation, one bracket, one discount before both halves.",
        lambda: w.mean(sum(gamma**t * ((w.to_go(t) - w.line(w.s[t], w.a[t])) * psi[t] + w.back(t)) for t in w.times)),
        slip(
            r"\mathbb{E}\Big[\sum_t\gamma^t\big\{\big(G_t-Q_w(s_t,a_t)\big)\,\psi_t+J(s_t)^\top v_w(s_t)\big\}\Big]",
            r"The curve, not the line: $Q_w$ takes away something else than $J^\top v_w$ puts back.",
            lambda: w.mean(sum(gamma**t * ((w.to_go(t) - w.Q(w.s[t], w.a[t])) * psi[t] + w.back(t)) for t in w.times)),
            mends=38,
        ),
        slip(
            r"\mathbb{E}\Big[\sum_t\big\{\gamma^t\big(G_t-\bar Q_w(s_t,a_t)\big)\,\psi_t"
            r"+J(s_t)^\top v_w(s_t)\big\}\Big]",
            r"$\gamma^t$ belongs before both halves: what is put back undiscounted was taken away discounted.",
            lambda: w.mean(sum(gamma**t * (w.to_go(t) - w.line(w.s[t], w.a[t])) * psi[t] + w.back(t) for t in w.times)),
            mends=34,
        ),
    )
