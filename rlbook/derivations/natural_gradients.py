"""Chapter 3, line by line: the natural gradient as regression, in a table, and in other coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rlbook.derivations.lines import derivation, equals, first, sequence, slip, tends_to
from rlbook.derivations.small_worlds import Lasting, complex_step, lasting, softmax


@dataclass(frozen=True)
class Featured(Lasting):
    """A world and the policy π_θ(a|s) ∝ exp(φ(s,a)·θ) with two parameters."""

    phi: np.ndarray
    theta: np.ndarray

    def __str__(self):
        return f"{super().__str__()[:-1]}; a policy with 2 parameters."

    def policy(self, theta):
        return softmax(self.phi @ theta)

    def eta(self, theta):
        return self.rho0 @ self.V(self.policy(theta))

    @cached_property
    def psi(self):
        """∇log π, (2, S, A)."""
        return complex_step(lambda theta: np.log(self.policy(theta)), self.theta)

    @cached_property
    def weight(self):
        """ρ̄(s)π(a|s)."""
        return (1 - self.gamma) * self.rho(self.pi)[:, None] * self.pi

    @cached_property
    def F(self):
        return np.einsum("sa,isa,jsa->ij", self.weight, self.psi, self.psi)

    @cached_property
    def fitted(self):
        """The weights of least squares E(w·ψ − A)²."""
        root = np.sqrt(self.weight)
        return np.linalg.lstsq((root * self.psi).reshape(2, -1).T, (root * self.A(self.pi)).ravel())[0]


def featured(rng) -> Featured:
    w = lasting(rng, n_actions=3)
    phi, theta = rng.normal(size=(2, 3, 2)), rng.normal(size=2)
    return Featured(w.mdp, softmax(phi @ theta), phi, theta)


@derivation("compatible", title="Compatible approximation", proves="thm-compatible", world=featured)
def compatible(w):
    pi, rho = w.pi, w.rho(w.pi)
    slope = complex_step(w.policy, w.theta)  # ∇π, (2, S, A)
    yield first(
        r"F\,w",
        r"$w$ minimises $\mathbb{E}_{\bar\rho}(w\cdot\psi-A^\pi)^2$ under $\bar\rho_\pi=(1-\gamma)\rho_\pi$; here it "
        "is found by least squares.",
        lambda: w.F @ w.fitted,
    )
    yield equals(
        r"\mathbb{E}_{\bar\rho}\big[\psi\,(\psi\cdot w)\big]",
        r"$F=\mathbb{E}_{\bar\rho}[\psi\,\psi^\top]$.",
        lambda: (w.weight * w.psi * np.einsum("isa,i->sa", w.psi, w.fitted)).sum(axis=(1, 2)),
    )
    yield equals(
        r"\mathbb{E}_{\bar\rho}\big[\psi\,A^\pi\big]",
        r"At the minimum the gradient vanishes: $\mathbb{E}_{\bar\rho}[\psi\,(w\cdot\psi-A^\pi)]=0$.",
        lambda: np.einsum("sa,isa,sa->i", w.weight, w.psi, w.A(pi)),
        slip(
            r"\mathbb{E}_{\rho_0}\big[\psi\,A^\pi\big]",
            r"States must be weighed as in $F$: another weighting fits other weights.",
            lambda: np.einsum("s,sa,isa,sa->i", w.rho0, pi, w.psi, w.A(pi)),
        ),
    )
    yield equals(
        r"\mathbb{E}_{\bar\rho}\big[\psi\,Q^\pi\big]",
        r"$A^\pi=Q^\pi-V^\pi$, and $V^\pi(s)$ is settled before the action: its product with $\psi$ has mean zero.",
        lambda: np.einsum("sa,isa,sa->i", w.weight, w.psi, w.Q(pi)),
        slip(
            r"\mathbb{E}_{\bar\rho}\big[\psi\,V^\pi\big]",
            r"$V^\pi$ is what drops out, not what stays: its product with the score has mean zero.",
            lambda: np.einsum("sa,isa,s->i", w.weight, w.psi, w.V(pi)),
        ),
    )
    yield equals(
        r"(1-\gamma)\sum_s\rho_\pi(s)\sum_a\nabla\pi(a|s)\,Q^\pi(s,a)",
        r"Write the mean out; $\pi\,\psi=\nabla\pi$.",
        lambda: (1 - w.gamma) * np.einsum("s,isa,sa->i", rho, slope, w.Q(pi)),
        slip(
            r"\sum_s\rho_\pi(s)\sum_a\nabla\pi(a|s)\,Q^\pi(s,a)",
            r"$\bar\rho_\pi$ is a probability and $\rho_\pi$ is not: the factor $1-\gamma$ is between them.",
            lambda: np.einsum("s,isa,sa->i", rho, slope, w.Q(pi)),
        ),
    )
    yield equals(
        r"(1-\gamma)\,\nabla\eta",
        "The policy-gradient theorem.",
        lambda: (1 - w.gamma) * complex_step(w.eta, w.theta),
    )


@dataclass(frozen=True)
class Table(Lasting):
    """A world and a softmax policy of a table."""

    def __str__(self):
        return f"{super().__str__()[:-1]}; a softmax policy, a parameter for each pair."

    @cached_property
    def theta(self):
        return np.log(self.pi)

    @cached_property
    def psi(self):
        """∇log π, (n, S·A)."""
        return complex_step(lambda theta: np.log(softmax(theta)), self.theta).reshape(self.pi.size, -1)

    @cached_property
    def weight(self):
        """ρ̄(s)π(a|s), row by row."""
        return ((1 - self.gamma) * self.rho(self.pi)[:, None] * self.pi).ravel()

    @cached_property
    def F(self):
        return (self.weight * self.psi) @ self.psi.T

    @cached_property
    def F_inverse(self):
        """F†, whose rank is known: |S|(|A| − 1)."""
        values, vectors = np.linalg.eigh(self.F)
        kept = slice(len(self.pi), None)
        return vectors[:, kept] / values[kept] @ vectors[:, kept].T

    @cached_property
    def g(self):
        return complex_step(lambda theta: self.rho0 @ self.V(softmax(theta)), self.theta)


def table(rng) -> Table:
    w = lasting(rng)
    return Table(w.mdp, w.pi)


@derivation("natural-table", title="A table's natural gradient", proves="prop-natural-softmax", world=table)
def natural_table(w):
    A = w.A(w.pi)
    yield first(
        r"F^\dagger g",
        r"The shortest solution of $Fx=g$, with $g=\nabla\eta$.",
        lambda: w.F_inverse @ w.g,
    )
    yield equals(
        r"\tfrac1{1-\gamma}\,F^\dagger\,\mathbb{E}_{\bar\rho}\big[\psi\,A^\pi\big]",
        r"$(1-\gamma)\,g=\mathbb{E}_{\bar\rho}[\psi A^\pi]$, the policy-gradient theorem.",
        lambda: w.F_inverse @ w.psi @ (w.weight * A.ravel()) / (1 - w.gamma),
    )
    yield equals(
        r"\tfrac1{1-\gamma}\,F^\dagger F\,A^\pi",
        r"With $w=A^\pi$ the fit $w\cdot\psi$ is $A^\pi$ without error, as $\sum_{a'}\pi(a'|s)A^\pi(s,a')=0$; and "
        r"$\mathbb{E}_{\bar\rho}[\psi\,(\psi\cdot w)]=Fw$.",
        lambda: w.F_inverse @ w.F @ A.ravel() / (1 - w.gamma),
        slip(
            r"F^\dagger F\,A^\pi",
            r"$F$ weighs states by a probability, $g$ by $\rho_\pi$, whose mass is $\frac1{1-\gamma}$.",
            lambda: w.F_inverse @ w.F @ A.ravel(),
        ),
    )
    yield equals(
        r"\tfrac1{1-\gamma}\Big(A^\pi-\tfrac1{|A|}\sum_aA^\pi(\cdot,a)\Big)",
        r"$F$ does not see constants in a state; the shortest solution has none.",
        lambda: (A - A.mean(axis=1, keepdims=True)) / (1 - w.gamma),
        slip(
            r"\tfrac1{1-\gamma}\,A^\pi",
            r"$F^{-1}F$ would be $I$, but $F$ has no inverse. This solves $Fx=g$ too, and takes the policy to the same "
            "place, but is longer.",
            lambda: A / (1 - w.gamma),
        ),
        slip(
            r"\rho_\pi(s)\,\pi(a|s)\,A^\pi(s,a)",
            r"That is the plain gradient $g$. In the natural one the factors $\rho_\pi(s)$ and $\pi(a|s)$ are gone.",
            lambda: w.rho(w.pi)[:, None] * w.pi * A,
        ),
    )


@dataclass(frozen=True)
class Bent(Featured):
    """The same policy in other coordinates, θ = h(φ) = Mφ + ½(b·φ)²c."""

    M: np.ndarray
    b: np.ndarray
    c: np.ndarray
    start: np.ndarray

    def h(self, x):
        return self.M @ x + (self.b @ x) ** 2 / 2 * self.c

    @cached_property
    def J(self):
        return complex_step(self.h, self.start).T

    @cached_property
    def g(self):
        return complex_step(self.eta, self.theta)

    @cached_property
    def g_bent(self):
        """∇η in the new coordinates."""
        return complex_step(lambda x: self.eta(self.h(x)), self.start)

    @cached_property
    def F_bent(self):
        psi = complex_step(lambda x: np.log(self.policy(self.h(x))), self.start)
        return np.einsum("sa,isa,jsa->ij", self.weight, psi, psi)

    def step(self, alpha):
        """Where in θ a natural step in φ ends."""
        return self.h(self.start + alpha * np.linalg.solve(self.F_bent, self.g_bent))


def bent(rng) -> Bent:
    w = featured(rng)
    M, b, c, start = np.eye(2) + 0.3 * rng.normal(size=(2, 2)), *rng.normal(size=(2, 2)), 0.3 * rng.normal(size=2)
    made = Bent(w.mdp, w.pi, w.phi, w.theta, M, b, 0.3 * c, start)
    theta = made.h(start)
    return Bent(w.mdp, made.policy(theta), w.phi, theta, M, b, 0.3 * c, start)


@derivation("invariance", title="The natural flow is invariant", proves="thm-invariance", world=bent)
def invariance(w):
    yield first(
        r"\big(h(\varphi+\alpha F_\varphi^{-1}g_\varphi)-\theta\big)\,/\,\alpha",
        r"A natural step in the coordinates $\varphi$, with the gradient $g_\varphi$ and Fisher's matrix $F_\varphi$ "
        r"there, seen in $\theta=h(\varphi)$; $J$ is the Jacobian of $h$. (Here for $\alpha=0.01$, $\alpha=0.001$ "
        r"and $\alpha=0.0001$.)",
        lambda: sequence(r"\alpha", [1e-2, 1e-3, 1e-4], lambda alpha: (w.step(alpha) - w.theta) / alpha),
    )
    yield tends_to(
        r"J\,F_\varphi^{-1}\,g_\varphi",
        r"The velocity of the flow, by the chain rule.",
        lambda: w.J @ np.linalg.solve(w.F_bent, w.g_bent),
        slip(
            r"F_\varphi^{-1}\,g_\varphi",
            r"That is $\varphi$'s velocity; $\theta$'s has a $J$.",
            lambda: np.linalg.solve(w.F_bent, w.g_bent),
        ),
        slip(
            r"h(\varphi+F_\varphi^{-1}g_\varphi)-\theta",
            r"“A natural step is invariant.” The flow is. A step of finite length, here $\alpha=1$, ends elsewhere, "
            r"by a "
            r"distance of the order $\alpha^2$.",
            lambda: w.step(1.0) - w.theta,
        ),
    )
    yield equals(
        r"J\,(J^\top F_\theta J)^{-1}\,J^\top g_\theta",
        r"The gradients turn: $g_\varphi=J^\top g_\theta$, and $\psi_\varphi=J^\top\psi_\theta$, so that "
        r"$F_\varphi=J^\top F_\theta J$.",
        lambda: w.J @ np.linalg.inv(w.J.T @ w.F @ w.J) @ w.J.T @ w.g,
        slip(
            r"J\,F_\theta^{-1}\,J^\top g_\theta",
            "The matrix is not the same in both coordinates: its scores are gradients too.",
            lambda: w.J @ np.linalg.inv(w.F) @ w.J.T @ w.g,
        ),
    )
    yield equals(
        r"F_\theta^{-1}\,g_\theta",
        r"$(J^\top F_\theta J)^{-1}=J^{-1}F_\theta^{-1}J^{-\top}$: every $J$ meets its inverse.",
        lambda: np.linalg.solve(w.F, w.g),
        slip(
            r"J\,J^\top g_\theta",
            r"The velocity of the plain gradient's flow in $\varphi$: there $J$ meets no inverse.",
            lambda: w.J @ w.J.T @ w.g,
        ),
    )
