"""Problems of real actions, whose integrals are sums over nodes: one of three rooms, and what is known of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.bellman import evaluate_policy
from rlbook.bellman.evaluation import evaluate
from rlbook.bellman.precision import centred
from rlbook.mdp import TabularMDP
from rlbook.q_prop.taylor import gaussian_score
from rlbook.results import summary


class GaussianProblem(NamedTuple):
    """A problem of S states and real actions under a Gaussian policy, with the M nodes of a quadrature for actions.

    Everything that is an integral over actions is a sum over nodes: `mdp` is the problem with the nodes as its
    actions, and `pi`, (S, M), holds their weights. The node m of state s is the action `actions[s, m]`, (S, M, d), and
    has the score ψ `score[s, m]`, (S, M, n). The policy is N(μ(s), Σ): `mean`, (S, d), its derivative
    ∂μ/∂θ `jacobian`, (S, d, n), and `covariance`, (d, d). `reward_slope`, (S, d), and `transition_slope`, (S, d, S),
    are ∂r/∂a and ∂P/∂a at a = μ(s).
    """

    mdp: TabularMDP
    pi: np.ndarray
    actions: np.ndarray
    mean: np.ndarray
    jacobian: np.ndarray
    covariance: np.ndarray
    score: np.ndarray
    reward_slope: np.ndarray
    transition_slope: np.ndarray

    __repr__ = summary

    def critic_slope(self, V) -> np.ndarray:
        """∇_a [r(s,a) + γ E V(s')] at a = μ(s), (S, d): the slope of Q^π where V, (S,), is V^π."""
        V = checks.array("V", V, (self.mdp.n_states,), note=", one entry a state")
        return self.reward_slope + self.mdp.gamma * self.transition_slope @ V


def three_rooms(theta, sigma=0.5, *, gamma=0.9, order=48) -> GaussianProblem:
    """Three rooms in a row under a linear Gaussian policy, as a `GaussianProblem` with d = 1 and n = 2.

    Room s lies at x = −1, 0, 1; the policy is N(θ₀ + θ₁x, σ²). The action a leads to the right with probability Φ(a),
    else to the left; at an end one stays. The reward is x − ½(a − x/2)² + ½ sin(2a). The start is in the middle.
    theta is (2,); `order` is the number M of Gauss–Hermite nodes, whose error is of order (σ²/(1+σ²))^M or less.
    Raises `ValueError` for another shape of theta, a sigma that is not positive or a gamma outside [0, 1).
    """
    theta = checks.array("theta", theta, (2,))
    sigma, gamma, order = checks.positive("sigma", sigma), checks.discount(gamma), checks.count("order", order)
    x = np.array([-1.0, 0.0, 1.0])
    jacobian = np.stack([np.ones(3), x], axis=-1)[:, None, :]
    mean, covariance = jacobian @ theta, np.array([[sigma**2]])
    z, p = np.polynomial.hermite_e.hermegauss(order)
    actions = mean[:, None, :] + sigma * z[:, None]
    a, mu = actions[..., 0], mean[:, 0]

    right, left = np.eye(3)[[1, 2, 2]], np.eye(3)[[0, 0, 1]]
    up = scipy.special.ndtr(a)[..., None]
    P = up * right[:, None] + (1 - up) * left[:, None]
    r = x[:, None] - (a - x[:, None] / 2) ** 2 / 2 + np.sin(2 * a) / 2
    density = np.exp(-(mu**2) / 2) / np.sqrt(2 * np.pi)
    return GaussianProblem(
        mdp=TabularMDP(P, r, gamma, np.eye(3)[1]),
        pi=np.tile(p / p.sum(), (3, 1)),
        actions=actions,
        mean=mean,
        jacobian=jacobian,
        covariance=covariance,
        score=gaussian_score(actions, mean[:, None], covariance, jacobian[:, None]),
        reward_slope=(x / 2 - mu + np.cos(2 * mu))[:, None],
        transition_slope=(density[:, None] * (right - left))[:, None],
    )


def expected_gae(mdp, pi, values, lam) -> np.ndarray:
    """E[Â_t | s_t=s, a_t=a] of the advantage estimate GAE(λ) = Σ_l (γλ)ˡ δ_{t+l} with a given V_φ, (S, A).

    It is the Q-function of the reward δ(s,a) = r + γE V_φ(s') − V_φ(s) at the discount γλ. λ = 1 is Q^π(s,a) − V_φ(s),
    whatever V_φ is (prop-q-prop-bias). `values` is V_φ, (S,). Raises `ValueError` for lam outside [0, 1].
    Source: Schulman, Moritz, Levine, Jordan and Abbeel (2016), equation 16.
    """
    pi, lam = checks.policy(mdp, pi), checks.number("lam", lam, "[0, 1]")
    values = checks.array("values", values, (mdp.n_states,), note=", one entry a state")
    error = mdp.r + mdp.gamma * mdp.expect(values) - values[:, None]
    return evaluate_policy(TabularMDP(mdp.P, error, mdp.gamma * lam, mdp.rho0), pi).Q


def return_variance(mdp, pi) -> np.ndarray:
    """Var(G_t | s_t=s, a_t=a), (S, A), in units of reward squared.

    As G = r + γG', it is γ² (Var(Q^π(s',a') | s,a) + E[Var(G' | s',a')]): the Q-function of the reward
    γ² Var(Q^π(s',a') | s,a) at the discount γ². No square of a return is taken. Source: Sobel (1982), Theorem 1.
    """
    pi = checks.policy(mdp, pi)
    V, Q, *_ = evaluate(centred(mdp), pi)
    own = (pi * (Q - V[:, None]) ** 2).sum(axis=1)  # Var(Q^π(s',a') | s')
    P = scipy.sparse.csr_array(mdp.P.reshape(mdp.r.size, -1)) if not mdp.is_sparse else mdp.P.copy()
    apart = V[P.indices] - np.repeat(mdp.expect(V).ravel(), np.diff(P.indptr))
    P.data *= apart**2
    reward = mdp.gamma**2 * (mdp.expect(own) + P.sum(axis=1).reshape(mdp.r.shape))
    later = evaluate_policy(TabularMDP(mdp.P, reward, mdp.gamma**2, mdp.rho0), pi).Q
    return np.maximum(later, reward)  # below it is rounding


def check_problem(problem) -> GaussianProblem:
    """A `GaussianProblem`, each of its parts checked."""
    checks.instance("problem", problem, GaussianProblem)
    (S, M), d = checks.policy(problem.mdp, problem.pi, "problem.pi").shape, np.shape(problem.mean)[-1:]
    shapes = {
        "mean": (S, "d"),
        "actions": (S, M, *d),
        "jacobian": (S, *d, "n"),
        "covariance": (*d, *d),
        "score": (S, M, np.shape(problem.jacobian)[-1]),
        "reward_slope": (S, *d),
        "transition_slope": (S, *d, S),
    }
    for name, shape in shapes.items():
        checks.array(f"problem.{name}", getattr(problem, name), shape, copy=False)
    return problem
