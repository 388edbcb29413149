"""Visits counted: from a policy to its occupancy measure and back, the flow that it obeys, the return that it keeps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.bellman.large import solve_outwards
from rlbook.bellman.operators import transition_matrix
from rlbook.divergences import kl_terms
from rlbook.results import summary


class OccupancyPolicy(NamedTuple):
    """The policy `pi`, (S, A), of an occupancy measure, and `visited`, (S,): where ρ, not a convention, decides it."""

    pi: np.ndarray
    visited: np.ndarray

    __repr__ = summary


class OccupancyEstimate(NamedTuple):
    """`rho`, (S, A), from sampled episodes; its standard `error`, (S, A); and the `missing` mass γᵀ/(1−γ).

    Where no episode came by, the error is 0 and says nothing.
    """

    rho: np.ndarray
    error: np.ndarray
    missing: float

    __repr__ = summary


class Mixing(NamedTuple):
    """From π to π' in two ways, at n shares alpha: ρ of the policy (1−α)π + απ', and (1−α)ρ_π + αρ_π'; (n, S, A)."""

    of_policies: np.ndarray
    of_occupancies: np.ndarray

    __repr__ = summary


def state_occupancy(mdp, pi, *, tol=None) -> np.ndarray:
    """ρ_π(s) = Σ_t γᵗ P(s_t=s), (S,): the solution of (I − γP_πᵀ)ρ = ρ₀ (def-occupancy, prop-flow).

    pi is (S, A). The result is ≥ 0, and 0 where π cannot come; in large sparse MDPs also where so little of it comes
    that the error hides it. That error, ‖ρ − ρ_π‖₁, is at most (‖residual‖₁ + 2e-15 n/(1−γ))/(1−γ), by the residual of
    `flow_residual` and what rounding hides from it, where at most n pairs lead to one state. It is as small as float64
    allows or, in large sparse MDPs, at most about `tol` where one is given: then some of the mass 1/(1−γ) may be
    missing, else none is. Rows of P, π and ρ₀ count as distributions, divided by their sums.
    Raises `ValueError` where pi is not an (S, A) array of distributions or tol not a positive number.
    Source: Puterman (1994), Section 6.9.
    """
    pi, gamma = checks.policy(mdp, pi), mdp.gamma
    tol = 0.0 if tol is None else checks.positive("tol", tol)
    P_pi, b = transition_matrix(mdp, pi), mdp.rho0
    if mdp.is_sparse:
        rho_s = solve_outwards(gamma * P_pi, b, tol * (1 - gamma), gamma)
    else:
        rho_s = np.linalg.solve(np.eye(len(b)) - gamma * P_pi.T, b)
    rho_s = np.maximum(rho_s, 0.0)  # below 0 it is rounding; no error grows by this
    # The mass is known, and near γ = 1 the error is nearly all in it.
    return rho_s if tol else rho_s * (1 / ((1 - gamma) * rho_s.sum()))


def occupancy(mdp, pi, *, tol=None) -> np.ndarray:
    """The occupancy measure ρ_π(s,a) = π(a|s) ρ_π(s) of a stationary Markov policy (lem-product), (S, A).

    It sums to 1/(1−γ): a terminal state is visited for ever, with the first action standing for none. `tol`, the error
    and what raises are those of `state_occupancy`.

    >>> from rlbook import gridworld, occupancy
    >>> corridor = gridworld(["S..G"], gamma=0.5)
    >>> occupancy(corridor, [[0, 1, 0, 0]] * 4).sum(axis=1)  # 1, γ, γ², and γ³/(1−γ) at rest
    array([1.  , 0.5 , 0.25, 0.25])
    """
    pi = checks.policy(mdp, pi)
    return state_occupancy(mdp, pi, tol=tol)[:, None] * pi


def history_occupancy(mdp, policy, horizon, *, most=200_000) -> np.ndarray:
    """ρ(s,a) = Σ_{t<T} γᵗ P(s_t=s, a_t=a) of a policy with memory, by enumerating its histories, (S, A).

    `policy` maps a history (s_0, a_0, …, s_t) to the (A,) probabilities of a_t, which do not matter where s_t is
    terminal. The steps from T on have the mass
    γᵀ/(1−γ), and exactly γᵀ is missing from the flow (prop-histories). Raises `ValueError` for a policy that gives no
    distribution, a horizon that is no positive integer, or more than `most` histories at one time.
    """
    S, A = checks.tabular(mdp).r.shape
    checks.function("policy", policy)
    horizon, most = checks.count("horizon", horizon), checks.count("most", most)
    P = mdp.P.tocsr() if mdp.is_sparse else scipy.sparse.csr_array(mdp.P.reshape(S * A, S))
    rho = np.zeros((S, A))
    live = [((s,), float(mdp.rho0[s])) for s in np.flatnonzero(mdp.rho0).tolist()]
    for t in range(horizon):
        ahead = []
        for history, probability in live:
            s = history[-1]
            p = checks.distributions(f"policy({history})", policy(history), (A,))
            p = np.eye(A)[0] if mdp.terminal[s] else p  # as in `checks.policy`
            rho[s] += mdp.gamma**t * probability * p
            for a in np.flatnonzero(p).tolist():
                row = slice(P.indptr[s * A + a], P.indptr[s * A + a + 1])
                for s_next, chance in zip(P.indices[row].tolist(), P.data[row].tolist(), strict=True):
                    if chance > 0:
                        ahead.append(((*history, a, s_next), probability * p[a] * chance))
        if len(ahead) > most:
            raise ValueError(f"horizon is too long: {len(ahead)} histories of {t + 1} steps, more than most = {most}")
        live = ahead
    return rho


def policy_from_occupancy(rho, *, unvisited="uniform") -> OccupancyPolicy:
    """π(a|s) = ρ(s,a)/ν(s) where ν(s) = Σ_a ρ(s,a) > 0 (thm-bijection): an `OccupancyPolicy`.

    rho is (S, A), at any scale. Where ν = 0 every distribution would do; `unvisited` says which is taken, "uniform" or
    that of a policy, (S, A) or (S,) actions. Raises `ValueError` for a rho that is not a finite (S, A) array, is
    negative (the pair is named) or zero everywhere, or another `unvisited`. Whether rho is in D is for
    `check_occupancy` to say.
    Source: Puterman (1994), Theorem 6.9.1; Syed, Bowling and Schapire (2008), Theorem 2.

    >>> from rlbook import policy_from_occupancy
    >>> policy_from_occupancy([[1, 3], [0, 0]])
    OccupancyPolicy(pi=array([[0.25, 0.75],
           [0.5 , 0.5 ]]), visited=array([ True, False]))
    """
    rho = _check_measure("rho", rho)
    top = rho.max(axis=1)
    visited = top > 0
    if isinstance(unvisited, str):
        if unvisited != "uniform":
            raise ValueError(f"unvisited must be 'uniform' or a policy, (S, A) or (S,) actions, got {unvisited!r}")
        pi = np.full(rho.shape, 1 / rho.shape[1])
    else:
        pi = checks.policy_of_shape("unvisited", unvisited, rho.shape, " as rho has")
    share = rho[visited] / top[visited, None]  # so that no sum overflows, and none is lost to underflow
    pi[visited] = share / share.sum(axis=1, keepdims=True)
    return OccupancyPolicy(pi, visited)


def flow_residual(mdp, rho) -> np.ndarray:
    """Σ_a ρ(s,a) − ρ₀(s) − γ Σ_{s',a'} P(s|s',a') ρ(s',a'), (S,): zero where rho keeps to the flow (eq-flow).

    A ρ = ν·π is within ‖residual‖₁/(1−γ) of ρ_π in 1-norm. Raises `ValueError` where rho is not a finite (S, A) array.
    """
    rho = checks.table("rho", mdp, rho)
    return rho.sum(axis=1) - mdp.rho0 - mdp.gamma * mdp.flow(rho)


def check_occupancy(mdp, rho, *, tol=1e-8) -> np.ndarray:
    """`rho` as a float (S, A) array, if it is in D (eq-flow) to within `tol` at each pair and state.

    Raises `ValueError` that names the pair with the most negative entry, or the state at which the flow is broken
    most and by how much.
    """
    rho, tol = checks.table("rho", mdp, rho), checks.positive("tol", tol)
    if rho.min() < -tol:
        place = np.unravel_index(rho.argmin(), rho.shape)
        raise ValueError(f"rho[{checks.at(place)}] is {rho[place]:.3g}; an occupancy is never negative")
    residual = flow_residual(mdp, rho)
    s = abs(residual).argmax()
    if abs(residual[s]) > tol:
        raise ValueError(
            f"rho breaks the flow at state {s}: rho[{s}] sums to {rho[s].sum():.10g}, but {mdp.rho0[s]:.3g} starts and "
            f"{rho[s].sum() - residual[s] - mdp.rho0[s]:.10g} flows in, which makes it {abs(residual[s]):.3g} too "
            f"{'large' if residual[s] > 0 else 'small'}"
        )
    return rho


def expected_return(mdp, pi) -> float:
    """The objective η(π) = E Σ γᵗ r_t = Σ_{s,a} ρ_π(s,a) r(s,a) (thm-return).

    >>> from rlbook import expected_return, gridworld
    >>> corridor = gridworld(["S..G"], gamma=0.9)
    >>> round(expected_return(corridor, [[0, 1, 0, 0]] * 4), 6)
    0.81
    """
    return float((occupancy(mdp, pi) * mdp.r).sum())


def estimate_occupancy(mdp, trajectories) -> OccupancyEstimate:
    """The average of Σ_{t<T} γᵗ 1{s_t=s, a_t=a} over N ≥ 2 episodes (prop-empirical): an `OccupancyEstimate`.

    `trajectories` has integer `states` and `actions`, (N, T), as `sample_trajectories` gives. It is unbiased for the
    first T steps. Raises `ValueError` for shapes that differ, fewer than 2 episodes, or a state or action that the
    MDP does not have.
    """
    pairs = pairs_visited(mdp, trajectories)
    (N, T), size = pairs.shape, mdp.r.size
    powers = np.tile(mdp.gamma ** np.arange(T), N)
    counts = scipy.sparse.csr_array((powers, (np.repeat(np.arange(N), T), pairs.ravel())), shape=(N, size))
    counts.sum_duplicates()  # one entry an episode and pair
    pair, count = counts.indices, counts.data
    mean = np.bincount(pair, count, minlength=size) / N
    squares = np.bincount(pair, (count - mean[pair]) ** 2, minlength=size)
    squares += (N - np.bincount(pair, minlength=size)) * mean**2  # of the episodes that never came by
    error = np.sqrt(squares / (N * (N - 1)))
    return OccupancyEstimate(mean.reshape(mdp.r.shape), error.reshape(mdp.r.shape), tail_mass(mdp, T))


def mix(mdp, pi, pi_new, shares) -> Mixing:
    """Policies mixed against occupancies mixed (prop-mixing), at n shares in [0, 1], (n,): a `Mixing`.

    Raises `ValueError` where pi or pi_new is no (S, A) policy, or shares no array of numbers in [0, 1].
    """
    pi, pi_new = checks.policy(mdp, pi), checks.policy(mdp, pi_new, "pi_new")
    share = checks.shares("shares", shares)[:, None, None]
    rho, rho_new = occupancy(mdp, pi), occupancy(mdp, pi_new)
    of_policies = [occupancy(mdp, policy) for policy in (1 - share) * pi + share * pi_new]
    return Mixing(np.array(of_policies).reshape(-1, *rho.shape), (1 - share) * rho + share * rho_new)


def occupancy_entropy(rho) -> float:
    """H(ρ) = −Σ ρ log(ρ/ν) = Σ_s ν(s) H(π_ρ(·|s)), in nats, for rho (S, A): concave in ρ (prop-entropy-concave).

    For ρ_π it is E Σ γᵗ H(π(·|s_t)). Raises `ValueError` where rho is not a finite (S, A) array of numbers ≥ 0.
    Source: Ho and Ermon (2016), Lemma 3.1.
    """
    rho = _check_measure("rho", rho)
    return float(-scipy.special.rel_entr(rho, rho.sum(axis=1, keepdims=True)).sum())


def jensen_shannon(rho, rho_new) -> float:
    """The Jensen–Shannon divergence of two occupancies, each made a distribution, in nats: from 0 to log 2.

    Imitation by a discriminator lowers it (prop-imitation): max_D E_ρ log D + E_ρ' log(1 − D) = 2 JS − log 4, and
    ‖ρ − ρ'‖₁ ≤ √(8 JS)/(1−γ). rho and rho_new are (S, A). Raises `ValueError` where they are no finite arrays of
    numbers ≥ 0 with one shape, not all 0. Source: Ho and Ermon (2016), equation 15.
    """
    p, q = _check_measure("rho", rho), _check_measure("rho_new", rho_new)
    if p.shape != q.shape:
        raise ValueError(f"rho_new must have shape {p.shape} as rho has, got {q.shape}")
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return float((kl_terms(p, middle) + kl_terms(q, middle)).sum() / 2)


def _check_measure(name, rho):
    rho = checks.array(name, rho, ("S", "A"))
    rounding = checks.TOLERANCE["float64"] * abs(rho).max()
    checks.nonnegative(name, rho, "; an occupancy is never negative", tolerance=rounding)
    if not rho.any():
        raise ValueError(f"{name} is zero everywhere; an occupancy sums to 1/(1−γ)")
    return rho


def pairs_visited(mdp, trajectories) -> np.ndarray:
    """Each step's s·A + a, (N, T)."""
    S, A = checks.tabular(mdp).r.shape
    states, actions = checks.steps("trajectories", trajectories, S, A)
    if len(states) < 2:
        raise ValueError(f"trajectories must hold at least 2 episodes, got {len(states)}")
    rests, alive = mdp.terminal[states], getattr(trajectories, "alive", None)
    if alive is not None:
        lost = np.argwhere(~checks.mask("trajectories.alive", alive, states.shape) & ~rests)
        if len(lost):
            place = tuple(lost[0])
            raise ValueError(
                f"trajectories.states[{checks.at(place)}] is {states[place]}, where trajectories.alive says that the "
                f"episode has ended, and must be a terminal state"
            )
    return states * A + np.where(rests, 0, actions)


def tail_mass(mdp, horizon) -> float:
    """γᵀ/(1−γ): the mass of the steps from T on."""
    return mdp.gamma**horizon / (1 - mdp.gamma)
