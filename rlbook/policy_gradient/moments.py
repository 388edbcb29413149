"""Every variance, exactly (thm-exact-moments): the mean and covariance of all estimators at once, without a sample."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.policy_gradient.policies import finite_horizon_values, score_table
from rlbook.results import summary

FROM_OWN = np.array([[1.0, 0, 0], [0, 1, 1], [0, 0, 1]])  # (past, future, baseline) from `GradientMoments`' own parts


class GradientMoments(NamedTuple):
    """Exact joint moments of the parts (past, future, baseline) that make up ĝ(κ, b), by `exact_moments`.

    `mean` is (3, n) and `covariance` (3, n, 3, n). With u = (κ, 1, −β), ĝ = Σ_i u_i part_i has mean u·mean
    and covariance Σ_ij u_i u_j covariance[i, :, j, :].

    Kept are `own_mean` and `own_covariance`, those of (past, future − baseline, baseline), and `estimator` and
    `variance` add up from them: the difference, which a good baseline makes small, is not to be had from the two
    large parts of which it is one.
    """

    own_mean: np.ndarray
    own_covariance: np.ndarray

    __repr__ = summary

    def estimator(self, *, kappa=0.0, beta=0.0) -> tuple[np.ndarray, np.ndarray]:
        """Mean (n,) and covariance (n, n) of ĝ = kappa·(past part) + (future part) − beta·(baseline part)."""
        u = np.array([checks.number("kappa", kappa), 1.0, 1.0 - checks.number("beta", beta)])
        return u @ self.own_mean, np.einsum("i,ikjl,j->kl", u, self.own_covariance, u)

    def variance(self, *, kappa=0.0, beta=0.0) -> float:
        """Total variance tr Cov ĝ = E‖ĝ − E ĝ‖² of the same estimator."""
        u = np.array([checks.number("kappa", kappa), 1.0, 1.0 - checks.number("beta", beta)])
        return max(float(u @ np.einsum("ikjk->ij", self.own_covariance) @ u), 0.0)  # below 0 it is rounding

    @property
    def mean(self) -> np.ndarray:
        """Means of the parts (past, future, baseline), (3, n)."""
        return FROM_OWN @ self.own_mean

    @property
    def covariance(self) -> np.ndarray:
        """Covariances of the parts (past, future, baseline), (3, n, 3, n)."""
        return np.einsum("ai,ikjl,bj->akbl", FROM_OWN, self.own_covariance, FROM_OWN)

    @property
    def total(self) -> np.ndarray:
        """The (3, 3) matrix C with total variance uᵀCu (eq-bowl), up to rounding by the size of its entries."""
        return FROM_OWN @ np.einsum("ikjk->ij", self.own_covariance) @ FROM_OWN.T


def exact_moments(mdp, pi, horizon, *, features=None, baseline=None, discount=True) -> GradientMoments:
    """Exact mean and covariance of all estimators ĝ(κ, βb) at once, as `GradientMoments` (thm-exact-moments).

    Seen from time t, the vector χ = (1, G, Ψ, F, B, K) of constant, return, score sum, future part, baseline
    part and past part is linear in its own value one step later, χ = M(s,a) χ'. Its second moments
    Λ_t(s) = E[χχᵀ | s_t=s] therefore obey a backward recursion,

        Λ_t(s) = Σ_a π(a|s) M(s,a) E[Λ_{t+1}(s') | s,a] M(s,a)ᵀ,                        (eq-moment-recursion)

    which is dynamic programming: no sampling, no enumeration, T·S·A products of (2+4n)-square matrices.
    So that no digits are lost where returns and baseline are large and nearly alike, it is carried out about the
    mean, with F − B in the place of F: for m_t(s) = E[χ | s_t=s] and the covariance C_t(s) of χ given s_t = s,

        C_t(s) = Σ_a π(a|s) { M (E[C_{t+1}(s')] + Cov(m_{t+1}(s'))) Mᵀ + (M E m_{t+1}(s') − m_t(s))(…)ᵀ }.

    `baseline` and `discount` are those of `per_trajectory_gradients`.
    """
    pi, horizon = checks.policy(mdp, pi), checks.count("horizon", horizon)
    discount = checks.flag("discount", discount)
    gamma, score = mdp.gamma, score_table(pi, features=features)
    S, A, n = score.shape
    b = checks.baseline(baseline, horizon, S)
    decay = gamma if discount else 1.0
    one, G, Psi, D, B, K = 0, 1, *(slice(2 + i * n, 2 + (i + 1) * n) for i in range(4))
    d = 2 + 4 * n
    identity = np.eye(n)

    M = np.zeros((S, A, d, d))
    M[..., one, one] = 1  # the constant
    M[..., G, one], M[..., G, G] = mdp.r, gamma  # G = r + γG'
    M[..., Psi, one], M[..., Psi, Psi] = score, identity  # Ψ = ψ + Ψ'
    M[..., D, G], M[..., D, D] = gamma * score, decay * identity
    M[..., B, B] = decay * identity  # F − B = (r − b_t(s) + γG')ψ + γ(F' − B'), B = b_t(s)ψ + γB'; more of them below
    M[..., K, Psi], M[..., K, K] = mdp.r[..., None, None] * identity, gamma * identity  # K = rΨ' + γK'

    successor, chance = _successors(mdp)
    mean, covariance = np.zeros((S, d)), np.zeros((S, d, d))
    mean[:, one] = 1
    for t in reversed(range(horizon)):
        M[..., B, one] = b[t][:, None, None] * score
        ahead = mdp.expect(covariance.reshape(S, d * d)).reshape(S, A, d, d)
        mean_ahead = mdp.expect(mean)
        apart = mean[successor] - mean_ahead[:, :, None]
        ahead = ahead + (chance[..., None] * apart).swapaxes(-1, -2) @ apart
        given = np.einsum("saij,saj->sai", M, mean_ahead)
        # r − b first: where both are large, γG' comes to what is left of them.
        left = mdp.r - b[t][:, None] + gamma * mean_ahead[..., G]
        M[..., D, one] = (mdp.r - b[t][:, None])[..., None] * score
        given[..., D] = left[..., None] * score + decay * mean_ahead[..., D]
        mean = np.einsum("sa,sai->si", pi, given)
        apart = given - mean[:, None]
        covariance = np.einsum("sa,saij->sij", pi, M @ ahead @ M.swapaxes(-1, -2))
        covariance += (pi[..., None] * apart).swapaxes(-1, -2) @ apart

    start = mdp.rho0 @ mean
    apart = mean - start
    whole = np.einsum("s,sij->ij", mdp.rho0, covariance) + (mdp.rho0[:, None] * apart).T @ apart
    parts = np.r_[K, D, B]
    return GradientMoments(start[parts].reshape(3, n), whole[np.ix_(parts, parts)].reshape(3, n, 3, n))


def variance_against_horizon(mdp, pi, horizons, *, features=None) -> np.ndarray:
    """The matrix C of the total variance uᵀCu, u = (κ, 1, −β) (eq-bowl), at each of H horizons: (H, 3, 3).

    The baseline part is that of the horizon's own values V_t. Where returns are so large that their squares hide the
    variance with a baseline, `GradientMoments.variance` still tells it, and uᵀCu does not.
    """
    checks.integers("horizons", horizons, ("H",))
    totals = []
    for horizon in [checks.count(f"horizons[{i}]", T) for i, T in enumerate(horizons)]:
        V, _ = finite_horizon_values(mdp, pi, horizon)
        totals.append(exact_moments(mdp, pi, horizon, features=features, baseline=V).total)
    return np.array(totals)


def _successors(mdp):
    """The states that each pair leads to and their probabilities, (S, A, w) each; filled up with probability 0."""
    S, A, width = *mdp.r.shape, mdp.row_width
    P = scipy.sparse.csr_array(mdp.P.reshape(S * A, S) if not mdp.is_sparse else mdp.P)
    row = np.repeat(np.arange(S * A), np.diff(P.indptr))
    slot = np.arange(len(row)) - P.indptr[row]
    successor, chance = np.zeros((S * A, width), dtype=np.intp), np.zeros((S * A, width))
    successor[row, slot], chance[row, slot] = P.indices, P.data
    return successor.reshape(S, A, width), chance.reshape(S, A, width)
