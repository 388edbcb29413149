"""Chapter 4: a policy as the measure of what it visits, and what becomes plain when it is seen so.

The occupancy measure of a policy, with or without memory, is how often it takes each pair, discounted:

    ρ_π(s,a) = Σ_{t≥0} γᵗ P(s_t=s, a_t=a),   ν(s) = Σ_a ρ_π(s,a),   Σ_s ν(s) = 1/(1−γ).      (def-occupancy, prop-mass)

It keeps the return, η(π) = Σ ρ_π r (thm-return), and forgets nothing else that matters: the occupancy measures of all
policies are exactly the solutions of the Bellman flow (prop-flow, thm-bijection, prop-histories),

    D = {ρ ≥ 0 :  Σ_a ρ(s,a) = ρ₀(s) + γ Σ_{s',a'} P(s|s',a') ρ(s',a')  for all s},           (eq-flow)

and π(a|s) = ρ(s,a)/ν(s) leads back. On D the return is linear, so control is a linear program, V its dual variables:

    max {ρ·r : ρ ∈ D} = min {ρ₀·V : V(s) ≥ r(s,a) + γ E[V(s')|s,a]}.                           (eq-lp, eq-dual)

Two policies are compared by one's occupancy and the other's advantage A_π = Q^π − V^π:

    η(π') − η(π) = Σ_s ρ_π'(s) Σ_a π'(a|s) A_π(s,a).                                           (eq-difference-states)

With ρ_π for ρ_π' it is only the surrogate L_π(π') − η(π); the bounds say how wrong that can be.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.bellman import (
    EPS,
    LU_BELOW,
    _best,
    _centred,
    _evaluate,
    _look_ahead,
    _reached,
    _rounding,
    _solve_sparse,
    advantages,
    greedy_policy,
    soft_policy_iteration,
    transition_matrix,
)
from rlbook.mdp import TabularMDP

# The tightest that HiGHS takes; and a mass below which its policy is not to be read off.
HIGHS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
NEGLIGIBLE = 1e-9
NEARBY = 500  # states around the start with which `_solve_outwards` begins


class OccupancyPolicy(NamedTuple):
    """The policy `pi`, (S, A), of an occupancy measure, and `visited`, (S,): where ρ, not a convention, decides it."""

    pi: np.ndarray
    visited: np.ndarray


class OccupancyEstimate(NamedTuple):
    """`rho`, (S, A), from sampled episodes; its standard `error`, (S, A); and the `missing` mass γᵀ/(1−γ).

    Where no episode came by, the error is 0 and says nothing.
    """

    rho: np.ndarray
    error: np.ndarray
    missing: float


class ProgramSolution(NamedTuple):
    """A program over D solved: `rho` and `pi`, (S, A), the dual variables `V`, (S,), and a certificate.

    `value` is the objective at rho, the occupancy of pi, less what rounding may have added to it; `bound` is ρ₀·V for a
    V that satisfies the dual's constraints, and what rounding may have taken from it. The optimum lies between the
    two, whatever the solver did; near γ = 1, where float64 can tell less, they are further apart. All in units of
    reward.
    """

    rho: np.ndarray
    pi: np.ndarray
    V: np.ndarray
    value: float
    bound: float

    @property
    def gap(self):
        """bound − value: how far `value` is from the optimum at most."""
        return self.bound - self.value


class Vertices(NamedTuple):
    """All deterministic policies: `actions`, (A^S, S), and their occupancies `rho`, (A^S, S, A); some may be equal."""

    actions: np.ndarray
    rho: np.ndarray


class Difference(NamedTuple):
    """η(π') − η(π), and its terms ρ_π'(s) Σ_a π'(a|s) A_π(s,a), (S,), in units of reward."""

    value: float
    by_state: np.ndarray


class DifferenceEstimate(NamedTuple):
    """A sampled η(π') − η(π), its standard `error`, and how much the steps not taken may be `missing`."""

    value: float
    error: float
    missing: float


class Mixing(NamedTuple):
    """From π to π' in two ways, at n shares alpha: ρ of the policy (1−α)π + απ', and (1−α)ρ_π + αρ_π'; (n, S, A)."""

    of_policies: np.ndarray
    of_occupancies: np.ndarray


class MixturePath(NamedTuple):
    """What changes along π_α = (1−α)π + απ', at n shares alpha: `eta` and `surrogate` L_π(π_α), (n,); `by_state`, the
    terms of η(π_α) − η(π), (n, S); and three bounds on |η(π_α) − L_π(π_α)|, (n,). All in units of reward.
    """

    eta: np.ndarray
    surrogate: np.ndarray
    by_state: np.ndarray
    mixture: np.ndarray
    average: np.ndarray
    trust_region: np.ndarray


# From policies to occupancies and back ----------------------------------------------------------------------


def state_occupancy(mdp, pi, *, tol=None):
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
        rho_s = _solve_outwards(gamma * P_pi, b, tol * (1 - gamma), gamma)
    else:
        rho_s = np.linalg.solve(np.eye(len(b)) - gamma * P_pi.T, b)
    rho_s = np.maximum(rho_s, 0.0)  # below 0 it is rounding; no error grows by this
    # The mass is known, and near γ = 1 the error is nearly all in it.
    return rho_s if tol else rho_s * (1 / ((1 - gamma) * rho_s.sum()))


def occupancy(mdp, pi, *, tol=None):
    """The occupancy measure ρ_π(s,a) = π(a|s) ρ_π(s) of a stationary Markov policy (lem-product), (S, A).

    It sums to 1/(1−γ). `tol`, the error and what raises are those of `state_occupancy`.
    """
    pi = checks.policy(mdp, pi)
    return state_occupancy(mdp, pi, tol=tol)[:, None] * pi


def history_occupancy(mdp, policy, horizon, *, most=200_000):
    """ρ(s,a) = Σ_{t<T} γᵗ P(s_t=s, a_t=a) of a policy with memory, by enumerating its histories, (S, A).

    `policy` maps a history (s_0, a_0, …, s_t) to the (A,) probabilities of a_t. The steps from T on have the mass
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


def policy_from_occupancy(rho, *, unvisited="uniform"):
    """π(a|s) = ρ(s,a)/ν(s) where ν(s) = Σ_a ρ(s,a) > 0 (thm-bijection): an `OccupancyPolicy`.

    rho is (S, A), at any scale. Where ν = 0 every distribution would do; `unvisited` says which is taken, "uniform" or
    that of a policy (S, A). Raises `ValueError` for a rho that is not a finite (S, A) array, is negative (the pair
    is named) or zero everywhere, or another `unvisited`. Whether rho is in D is for `check_occupancy` to say.
    Source: Puterman (1994), Theorem 6.9.1; Syed, Bowling and Schapire (2008), Theorem 2.
    """
    rho = _check_measure("rho", rho)
    top = rho.max(axis=1)
    visited = top > 0
    if isinstance(unvisited, str):
        if unvisited != "uniform":
            raise ValueError(f"unvisited must be 'uniform' or an (S, A) policy, got {unvisited!r}")
        pi = np.full(rho.shape, 1 / rho.shape[1])
    else:
        pi = checks.distributions("unvisited", unvisited, rho.shape, note=" as rho has")
    share = rho[visited] / top[visited, None]  # so that no sum overflows, and none is lost to underflow
    pi[visited] = share / share.sum(axis=1, keepdims=True)
    return OccupancyPolicy(pi, visited)


def flow_residual(mdp, rho):
    """Σ_a ρ(s,a) − ρ₀(s) − γ Σ_{s',a'} P(s|s',a') ρ(s',a'), (S,): zero where rho keeps to the flow (eq-flow).

    A ρ = ν·π is within ‖residual‖₁/(1−γ) of ρ_π in 1-norm. Raises `ValueError` where rho is not a finite (S, A) array.
    """
    rho = _check_shape(mdp, "rho", rho)
    return rho.sum(axis=1) - mdp.rho0 - mdp.gamma * mdp.flow(rho)


def check_occupancy(mdp, rho, *, tol=1e-8):
    """`rho` as a float (S, A) array, if it is in D (eq-flow) to within `tol` at each pair and state.

    Raises `ValueError` that names the pair with the most negative entry, or the state at which the flow is broken
    most and by how much.
    """
    rho, tol = _check_shape(mdp, "rho", rho), checks.positive("tol", tol)
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


def expected_return(mdp, pi):
    """The objective η(π) = E Σ γᵗ r_t = Σ_{s,a} ρ_π(s,a) r(s,a) (thm-return)."""
    return float((occupancy(mdp, pi) * mdp.r).sum())


def estimate_occupancy(mdp, trajectories):
    """The average of Σ_{t<T} γᵗ 1{s_t=s, a_t=a} over N ≥ 2 episodes (prop-empirical): an `OccupancyEstimate`.

    `trajectories` has integer `states` and `actions`, (N, T), as `sample_trajectories` gives. It is unbiased for the
    first T steps. Raises `ValueError` for shapes that differ, fewer than 2 episodes, or a state or action that the
    MDP does not have.
    """
    pairs = _check_pairs(mdp, trajectories)
    (N, T), size = pairs.shape, mdp.r.size
    powers = np.tile(mdp.gamma ** np.arange(T), N)
    counts = scipy.sparse.csr_array((powers, (np.repeat(np.arange(N), T), pairs.ravel())), shape=(N, size))
    counts.sum_duplicates()  # one entry an episode and pair
    pair, count = counts.indices, counts.data
    mean = np.bincount(pair, count, minlength=size) / N
    squares = np.bincount(pair, (count - mean[pair]) ** 2, minlength=size)
    squares += (N - np.bincount(pair, minlength=size)) * mean**2  # of the episodes that never came by
    error = np.sqrt(squares / (N * (N - 1)))
    return OccupancyEstimate(mean.reshape(mdp.r.shape), error.reshape(mdp.r.shape), _tail(mdp, T))


# Programs over D --------------------------------------------------------------------------------------------


def occupancy_program(mdp, *, method="highs"):
    """The best policy as a linear program, max {ρ·r : ρ ∈ D} (thm-lp), by HiGHS: a `ProgramSolution`.

    The dual variables of the flow are V, with V ≥ r + γ E V, and ρ(s,a) (V − r − γ E V)(s,a) = 0 (complementary
    slackness). V = V* wherever the solution comes; elsewhere it may be larger, and is V* everywhere if ρ₀ > 0.
    HiGHS's ρ only has to be right in what it takes where: pi is read off it, greedy for V where it hardly comes, and
    rho is ρ_π anew. `method` is scipy's: "highs", "highs-ds" (dual simplex) or "highs-ipm" (interior point).
    Raises `ValueError` for another method, and `RuntimeError` where HiGHS ends without a solution.
    Source: Manne (1960); Puterman (1994), Section 6.9; Huangfu and Hall (2018).
    """
    checks.tabular(mdp)
    checks.choice("method", method, ("highs", "highs-ds", "highs-ipm"))
    world, (S, A) = _centred(mdp), mdp.r.shape  # as ρ sums to 1/(1−γ), what all rewards share decides nothing
    scale = abs(world.r).max() or 1.0
    P = mdp.P if mdp.is_sparse else mdp.P.reshape(S * A, S)
    flow = scipy.sparse.kron(scipy.sparse.eye_array(S), np.ones((1, A))) - mdp.gamma * scipy.sparse.csr_array(P).T
    result = scipy.optimize.linprog(
        -world.r.ravel() / scale, A_eq=flow.tocsc(), b_eq=mdp.rho0, bounds=(0, None), method=method, options=HIGHS
    )
    if result.x is None:
        raise RuntimeError(f"HiGHS found no solution: {result.message}")
    V = -scale * result.eqlin.marginals
    found = np.maximum(result.x.reshape(S, A), 0.0)
    found[found.sum(axis=1) < NEGLIGIBLE] = 0.0
    pi = policy_from_occupancy(found, unvisited=greedy_policy(_look_ahead(world, V))).pi
    return _certified(mdp, world, pi, V)


def occupancy_entropy(rho):
    """H(ρ) = −Σ ρ log(ρ/ν) = Σ_s ν(s) H(π_ρ(·|s)), in nats, for rho (S, A): concave in ρ (prop-entropy-concave).

    For ρ_π it is E Σ γᵗ H(π(·|s_t)). Raises `ValueError` where rho is not a finite (S, A) array of numbers ≥ 0.
    Source: Ho and Ermon (2016), Lemma 3.1.
    """
    rho = _check_measure("rho", rho)
    return float(-scipy.special.rel_entr(rho, rho.sum(axis=1, keepdims=True)).sum())


def entropy_program(mdp, alpha, *, tol=1e-10):
    """max {ρ·r + αH(ρ) : ρ ∈ D} (prop-entropy-concave), solved by soft policy iteration: a `ProgramSolution`.

    Its Lagrangian is bounded only where V(s) ≥ α log Σ_a exp(Q_V(s,a)/α) with Q_V = r + γ E V, and then by ρ₀·V: so
    the best V is the soft optimal V_α, and the best ρ that of the soft policy. alpha is in units of reward, `tol`
    that of `soft_policy_iteration`, which raises as it does. Source: Geist, Scherrer and Pietquin (2019).
    """
    alpha = checks.positive("alpha", alpha)
    soft = soft_policy_iteration(mdp, alpha, tol=tol)
    return _certified(mdp, _centred(mdp), soft.pi, None, alpha)


def deterministic_occupancies(mdp, *, most=4096):
    """The occupancies of all A^S deterministic policies, among which are all vertices of D (prop-vertices): `Vertices`.

    Raises `ValueError` where there are more than `most`.
    """
    (S, A), most = checks.tabular(mdp).r.shape, checks.count("most", most)
    if A**S > most:
        raise ValueError(f"mdp has {A}^{S} deterministic policies, more than most = {most}")
    actions = np.array(list(product(range(A), repeat=S)))
    return Vertices(actions, np.array([occupancy(mdp, np.eye(A)[chosen]) for chosen in actions]))


def mix(mdp, pi, pi_new, alpha):
    """Policies mixed against occupancies mixed (prop-mixing), at n shares alpha in [0, 1], (n,): a `Mixing`.

    Raises `ValueError` where pi or pi_new is no (S, A) policy, or alpha no array of numbers in [0, 1].
    """
    pi, pi_new = _check_pair(mdp, pi, pi_new)
    share = _check_shares(alpha)[:, None, None]
    rho, rho_new = occupancy(mdp, pi), occupancy(mdp, pi_new)
    of_policies = [occupancy(mdp, policy) for policy in (1 - share) * pi + share * pi_new]
    return Mixing(np.array(of_policies).reshape(-1, *rho.shape), (1 - share) * rho + share * rho_new)


# One policy seen from another -------------------------------------------------------------------------------


def performance_difference(mdp, pi, pi_new):
    """η(π') − η(π) = Σ_s ρ_π'(s) Σ_a π'(a|s) A_π(s,a) (thm-difference, eq-difference-states): a `Difference`.

    pi and pi_new are (S, A). Raises `ValueError` where one is no policy of this MDP.
    Source: Kakade and Langford (2002), Lemma 6.1.
    """
    pi, pi_new = _check_pair(mdp, pi, pi_new)
    by_state = state_occupancy(mdp, pi_new) * _mean_advantage(mdp, pi, pi_new)
    return Difference(float(by_state.sum()), by_state)


def estimate_performance_difference(mdp, pi, trajectories):
    """The average of Σ_{t<T} γᵗ A_π(s_t,a_t) over N ≥ 2 episodes of π' (thm-difference): a `DifferenceEstimate`.

    `missing` = γᵀ/(1−γ) max |A_π| bounds what the steps from T on would add. Raises `ValueError` as
    `estimate_occupancy` does, and where pi is no policy of this MDP.
    """
    A, pairs = advantages(mdp, pi), _check_pairs(mdp, trajectories)
    sums = A.ravel()[pairs] @ mdp.gamma ** np.arange(pairs.shape[1])
    error = sums.std(ddof=1) / np.sqrt(len(sums))
    return DifferenceEstimate(float(sums.mean()), float(error), _tail(mdp, pairs.shape[1]) * float(abs(A).max()))


def total_variation(pi, pi_new):
    """TV(π, π') = ½ Σ_a |π(a|s) − π'(a|s)| in each state, (S,).

    Raises `ValueError` for rows that are no distributions, or two shapes.
    """
    pi, pi_new = checks.policies(pi, pi_new)
    return abs(pi - pi_new).sum(axis=1) / 2


def jensen_shannon(rho, rho_new):
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
    return float((_divergence(p, middle) + _divergence(q, middle)).sum() / 2)


def surrogate(mdp, pi, pi_new):
    """L_π(π') = η(π) + Σ_s ρ_π(s) Σ_a π'(a|s) A_π(s,a) (eq-surrogate): η(π') as if π' visited states as π does.

    Raises `ValueError` where pi or pi_new is not an (S, A) array of distributions.
    Source: Kakade and Langford (2002); Schulman et al. (2015), equation 3.
    """
    pi, pi_new = _check_pair(mdp, pi, pi_new)
    rho = occupancy(mdp, pi)
    return float((rho * mdp.r).sum() + rho.sum(axis=1) @ _mean_advantage(mdp, pi, pi_new))


def trust_region_bound(mdp, pi, pi_new):
    """The bound |η(π') − L_π(π')| ≤ 4εγα²/(1−γ)² (thm-trpo-bound), in units of reward.

    α = max_s TV(π, π') and ε = max_{s,a} |A_π(s,a)|. Raises `ValueError` as `surrogate` does.
    Source: Schulman et al. (2015), Theorem 1.
    """
    pi, pi_new = _check_pair(mdp, pi, pi_new)
    alpha, epsilon = total_variation(pi, pi_new).max(), abs(advantages(mdp, pi)).max()
    return float(4 * epsilon * mdp.gamma * alpha**2 / (1 - mdp.gamma) ** 2)


def average_bound(mdp, pi, pi_new):
    """The bound |η(π') − L_π(π')| ≤ 2εγ/(1−γ)² E_{s~d^π} TV(π, π') (prop-average-bound), in units of reward.

    ε = max_s |Σ_a π'(a|s) A_π(s,a)|, d^π = (1−γ)ρ_π. It never exceeds `trust_region_bound`, for ε ≤ 2 max TV max |A|.
    Raises `ValueError` as `surrogate` does. Source: Achiam, Held, Tamar and Abbeel (2017), Corollary 1.
    """
    pi, pi_new = _check_pair(mdp, pi, pi_new)
    distance = (1 - mdp.gamma) * state_occupancy(mdp, pi) @ total_variation(pi, pi_new)
    epsilon = abs(_mean_advantage(mdp, pi, pi_new)).max()
    return float(2 * epsilon * mdp.gamma * distance / (1 - mdp.gamma) ** 2)


def mixture_bound(mdp, pi, pi_new, alpha):
    """The bound |η(π_α) − L_π(π_α)| ≤ 2εγα²/((1−γ)(1−γ(1−α))) for π_α = (1−α)π + απ' (prop-mixture-bound).

    ε = max_s |Σ_a π'(a|s) A_π(s,a)|, alpha is in [0, 1]; in units of reward. Raises `ValueError` as `surrogate` does,
    and for another alpha. Source: Kakade and Langford (2002), Theorem 4.1; Schulman et al. (2015), equation 6.
    """
    alpha = checks.number("alpha", alpha, "[0, 1]")
    pi, pi_new = _check_pair(mdp, pi, pi_new)
    gamma, epsilon = mdp.gamma, abs(_mean_advantage(mdp, pi, pi_new)).max()
    return float(2 * epsilon * gamma * alpha**2 / ((1 - gamma) * (1 - gamma * (1 - alpha))))


def mixture_path(mdp, pi, pi_new, alpha):
    """The return, its surrogate and the bounds along (1−α)π + απ', at n shares alpha in [0, 1], (n,): a `MixturePath`.

    L is linear in α and the bounds are quadratic or nearly so; η is rational. Raises `ValueError` as `mix` does.
    """
    pi, pi_new = _check_pair(mdp, pi, pi_new)
    share, gain = _check_shares(alpha), _mean_advantage(mdp, pi, pi_new)
    start, end = expected_return(mdp, pi), surrogate(mdp, pi, pi_new)
    rho_s = mix(mdp, pi, pi_new, share).of_policies.sum(axis=2)
    by_state = share[:, None] * rho_s * gain
    return MixturePath(
        eta=start + by_state.sum(axis=1),
        surrogate=(1 - share) * start + share * end,
        by_state=by_state,
        mixture=np.array([mixture_bound(mdp, pi, pi_new, x) for x in share.tolist()]),
        average=share**2 * average_bound(mdp, pi, pi_new),
        trust_region=share**2 * trust_region_bound(mdp, pi, pi_new),
    )


# Two states and two actions, where D can be seen ------------------------------------------------------------


def polygon(mdp):
    """The corners of D for 2 states and 2 actions, in order round it, (4, 2, 2) (prop-vertices).

    They belong to the policies that take the actions 00, 10, 11, 01 in states 0 and 1. In the plane of
    (ρ(0,1), ρ(1,1)) they make a quadrilateral with two sides on the axes. Raises `ValueError` for another size.
    """
    if checks.tabular(mdp).r.shape != (2, 2):
        raise ValueError(f"mdp must have 2 states and 2 actions, got {mdp.n_states} and {mdp.n_actions}")
    return deterministic_occupancies(mdp).rho[[0, 2, 3, 1]]


def from_plane(mdp, second):
    """The ρ that keeps to the flow with ρ(s,1) = `second`, (S,), in an MDP of two actions, (S, 2).

    It is in D where it is nowhere negative: `rho[:, 1]` are coordinates of D. Raises `ValueError` where there are not
    two actions, or second is not a finite (S,) array.
    """
    S, A = checks.tabular(mdp).r.shape
    if A != 2:
        raise ValueError(f"mdp must have 2 actions, got {A}")
    second = checks.array("second", second, (S,), note=", one entry a state")
    rho = np.column_stack([np.zeros(S), second])
    P = transition_matrix(mdp, np.eye(2)[np.zeros(S, dtype=int)])  # of action 0
    P = P.toarray() if mdp.is_sparse else P
    rho[:, 0] = np.linalg.solve(np.eye(S) - mdp.gamma * P.T, -flow_residual(mdp, rho))
    return rho


TWO_BY_TWO = {  # (the probability that each pair leads to state 1, r, γ, ρ₀), by name
    "usual": (((0.1, 0.8), (0.7, 0.2)), ((0.0, 0.2), (1.0, 0.5)), 0.8, (0.6, 0.4)),
    "unreachable": (((0.0, 0.8), (0.7, 0.2)), ((0.0, 0.2), (1.0, 0.5)), 0.8, (1.0, 0.0)),
    "detour": (((0.0, 1.0), (1.0, 0.0)), ((0.2, 0.0), (1.0, 0.0)), 0.9, (1.0, 0.0)),
}


def two_by_two(name="usual", *, r=None, gamma=None, rho0=None):
    """An example of two states and two actions, by its name in `TWO_BY_TWO`, with its r, γ or ρ₀ exchanged if given.

    "usual" starts in both states; "unreachable" starts in state 0, and comes to state 1 only by action 1, so that an
    edge of D is but a point; in "detour" the way to the better state pays nothing.
    Raises `ValueError` for another name, and as `TabularMDP` does.
    """
    checks.choice("name", name, TWO_BY_TWO)
    ahead, *rest = TWO_BY_TWO[name]
    ahead = np.array(ahead)
    chosen = (usual if given is None else given for usual, given in zip(rest, (r, gamma, rho0), strict=True))
    return TabularMDP(np.stack([1 - ahead, ahead], axis=2), *chosen)


# Helpers ----------------------------------------------------------------------------------------------------


def _solve_outwards(M, b, tol, gamma):
    """x = b + Mᵀx, where most of it is near where b is on the states there alone, if no more than `tol` leaves those.

    Mass is lost at 1 − γ a step. Unless the policy knows where it goes, what is left does not come far from where it
    started, and the states nearby are all that count.
    """
    S, total = len(b), b.sum()
    starts = np.flatnonzero(b)
    if S < LU_BELOW or 4 * len(starts) > S:
        return _solve_sparse(M, b, np.zeros(S), tol, gamma, adjoint=True)
    into = np.r_[M.indices, starts.astype(M.indices.dtype)]  # one more node leads to all starts
    graph = (np.ones(len(into), dtype=np.int8), into, np.r_[M.indptr, len(into)])
    reached = _reached(scipy.sparse.csr_array(graph, shape=(S + 1, S + 1)), S)[1:]
    n, before = NEARBY, 0.1 * total
    while 4 * n < S and b[reached[n:]].sum() <= before / 2:
        near = np.sort(reached[:n])
        rows = M[near]
        inside = rows[:, near]
        x = np.zeros(S)
        x[near] = _solve_sparse(inside, b[near], np.zeros(n), tol / 2, gamma, adjoint=True)
        lost = x[near] @ (rows.sum(axis=1) - inside.sum(axis=1)) + b[reached[n:]].sum()
        if lost <= max(tol / 2, 1e-13 * x.sum()):
            return x
        if lost > before / 2:
            break
        n, before = 2 * n, lost
    return _solve_sparse(M, b, np.zeros(S), tol, gamma, adjoint=True)


def _certified(mdp, world, pi, V, alpha=None):
    """The `ProgramSolution` of a policy, and of a V for the rewards of `world`, by default the policy's own.

    (V + c) satisfies the dual's constraints where c(1−γ) is as much as V breaks them by, and rounding might hide.
    """
    gamma, rho0 = mdp.gamma, mdp.rho0 / mdp.rho0.sum()
    bonus = 0.0 if alpha is None else alpha * scipy.special.entr(pi).sum(axis=1)
    own, _, error, gain = _evaluate(world, pi, bonus)
    V, shift = own if V is None else V - gain / (1 - gamma), (world.gain + gain) / (1 - gamma)
    Q = _look_ahead(world, V, gain)
    rounding = _rounding(world, V, gain) + 4 * EPS * abs(V).max()
    if alpha is not None:
        rounding += (mdp.n_actions + 8) * EPS * (alpha + abs(Q).max())
    V = V + max((_best(Q, alpha) - V).max() + rounding, 0.0) / (1 - gamma)
    sums = (len(V) + 4) * EPS * (max(abs(V).max(), abs(own).max()) + abs(shift))
    value, bound = rho0 @ own + shift - (error + sums), rho0 @ V + shift + sums
    return ProgramSolution(occupancy(mdp, pi), pi, V + shift, float(value), float(bound))


def _divergence(p, q):
    """p log(p/q) − p + q, entry by entry: ≥ 0, and where p ≈ q to more digits than the logarithm leaves of it."""
    near = abs(q - p) < p / 2
    d = np.divide(q - p, p, out=np.zeros(p.shape), where=near)
    small = np.where(abs(d) < 1e-4, d**2 * (1 / 2 - d * (1 / 3 - d / 4)), d - np.log1p(d))
    return np.where(near, p * small, scipy.special.kl_div(p, q))


def _mean_advantage(mdp, pi, pi_new):
    """Σ_a π'(a|s) A_π(s,a), (S,)."""
    return (pi_new * advantages(mdp, pi)).sum(axis=1)


def _tail(mdp, horizon):
    """γᵀ/(1−γ): the mass of the steps from T on."""
    return mdp.gamma**horizon / (1 - mdp.gamma)


def _check_pair(mdp, pi, pi_new):
    """Two policies of this MDP, as float (S, A) arrays."""
    return checks.policy(mdp, pi), checks.policy(mdp, pi_new, "pi_new")


def _check_shape(mdp, name, rho):
    return checks.array(name, rho, checks.tabular(mdp).r.shape, note=", one row a state")


def _check_measure(name, rho):
    rho = checks.array(name, rho, ("S", "A"))
    rounding = checks.TOLERANCE["float64"] * abs(rho).max()
    checks.nonnegative(name, rho, "; an occupancy is never negative", tolerance=rounding)
    if not rho.any():
        raise ValueError(f"{name} is zero everywhere; an occupancy sums to 1/(1−γ)")
    return rho


def _check_shares(alpha):
    share = checks.array("alpha", alpha, ("n",))
    bad = np.flatnonzero(~((share >= 0) & (share <= 1)))
    if len(bad):
        raise ValueError(f"alpha[{bad[0]}] is {share[bad[0]]:g}, not in [0, 1]")
    return share


def _check_pairs(mdp, trajectories):
    """Each step's s·A + a, (N, T)."""
    S, A = checks.tabular(mdp).r.shape
    states, actions = checks.steps("trajectories", trajectories, S, A)
    if len(states) < 2:
        raise ValueError(f"trajectories must hold at least 2 episodes, got {len(states)}")
    return states * A + actions
