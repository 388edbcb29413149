"""One policy seen from another: the performance difference (thm-difference), its surrogate, and bounds on that."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rlbook import checks
from rlbook.bellman import advantages
from rlbook.divergences import total_variation
from rlbook.occupancies.measures import expected_return, mix, occupancy, pairs_visited, state_occupancy, tail_mass
from rlbook.results import summary


class Difference(NamedTuple):
    """η(π') − η(π), and its terms ρ_π'(s) Σ_a π'(a|s) A_π(s,a), (S,), in units of reward."""

    value: float
    by_state: np.ndarray

    __repr__ = summary


class DifferenceEstimate(NamedTuple):
    """A sampled η(π') − η(π), its standard `error`, and how much the steps not taken may be `missing`."""

    value: float
    error: float
    missing: float

    __repr__ = summary


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

    __repr__ = summary


def performance_difference(mdp, pi, pi_new) -> Difference:
    """η(π') − η(π) = Σ_s ρ_π'(s) Σ_a π'(a|s) A_π(s,a) (thm-difference, eq-difference-states): a `Difference`.

    pi and pi_new are (S, A). Raises `ValueError` where one is no policy of this MDP.
    Source: Kakade and Langford (2002), Lemma 6.1.
    """
    pi, pi_new = _check_pair(mdp, pi, pi_new)
    by_state = state_occupancy(mdp, pi_new) * _mean_advantage(mdp, pi, pi_new)
    return Difference(float(by_state.sum()), by_state)


def estimate_performance_difference(mdp, pi, trajectories) -> DifferenceEstimate:
    """The average of Σ_{t<T} γᵗ A_π(s_t,a_t) over N ≥ 2 episodes of π' (thm-difference): a `DifferenceEstimate`.

    `missing` = γᵀ/(1−γ) max |A_π| bounds what the steps from T on would add. Raises `ValueError` as
    `estimate_occupancy` does, and where pi is no policy of this MDP.
    """
    A, pairs = advantages(mdp, pi), pairs_visited(mdp, trajectories)
    sums = A.ravel()[pairs] @ mdp.gamma ** np.arange(pairs.shape[1])
    error = sums.std(ddof=1) / np.sqrt(len(sums))
    return DifferenceEstimate(float(sums.mean()), float(error), tail_mass(mdp, pairs.shape[1]) * float(abs(A).max()))


def surrogate(mdp, pi, pi_new) -> float:
    """L_π(π') = η(π) + Σ_s ρ_π(s) Σ_a π'(a|s) A_π(s,a) (eq-surrogate): η(π') as if π' visited states as π does.

    Raises `ValueError` where pi or pi_new is not an (S, A) array of distributions.
    Source: Kakade and Langford (2002); Schulman et al. (2015), equation 3.
    """
    pi, pi_new = _check_pair(mdp, pi, pi_new)
    rho = occupancy(mdp, pi)
    return float((rho * mdp.r).sum() + rho.sum(axis=1) @ _mean_advantage(mdp, pi, pi_new))


def trust_region_bound(mdp, pi, pi_new) -> float:
    """The bound |η(π') − L_π(π')| ≤ 4εγα²/(1−γ)² (thm-trpo-bound), in units of reward.

    α = max_s TV(π, π') and ε = max_{s,a} |A_π(s,a)|. Raises `ValueError` as `surrogate` does.
    Source: Schulman et al. (2015), Theorem 1.
    """
    pi, pi_new = _check_pair(mdp, pi, pi_new)
    alpha, epsilon = total_variation(pi, pi_new).max(), abs(advantages(mdp, pi)).max()
    return float(4 * epsilon * mdp.gamma * alpha**2 / (1 - mdp.gamma) ** 2)


def average_bound(mdp, pi, pi_new) -> float:
    """The bound |η(π') − L_π(π')| ≤ 2εγ/(1−γ)² E_{s~d^π} TV(π, π') (prop-average-bound), in units of reward.

    ε = max_s |Σ_a π'(a|s) A_π(s,a)|, d^π = (1−γ)ρ_π. It never exceeds `trust_region_bound`, for ε ≤ 2 max TV max |A|.
    Raises `ValueError` as `surrogate` does. Source: Achiam, Held, Tamar and Abbeel (2017), Corollary 1.
    """
    pi, pi_new = _check_pair(mdp, pi, pi_new)
    distance = (1 - mdp.gamma) * state_occupancy(mdp, pi) @ total_variation(pi, pi_new)
    epsilon = abs(_mean_advantage(mdp, pi, pi_new)).max()
    return float(2 * epsilon * mdp.gamma * distance / (1 - mdp.gamma) ** 2)


def mixture_bound(mdp, pi, pi_new, share) -> float:
    """The bound |η(π_α) − L_π(π_α)| ≤ 2εγα²/((1−γ)(1−γ(1−α))) for π_α = (1−α)π + απ' (prop-mixture-bound).

    ε = max_s |Σ_a π'(a|s) A_π(s,a)|, `share` is α in [0, 1]; in units of reward. Raises `ValueError` as `surrogate`
    does, and for another share. Source: Kakade and Langford (2002), Theorem 4.1; Schulman et al. (2015), equation 6.
    """
    share = checks.number("share", share, "[0, 1]")
    pi, pi_new = _check_pair(mdp, pi, pi_new)
    gamma, epsilon = mdp.gamma, abs(_mean_advantage(mdp, pi, pi_new)).max()
    return float(2 * epsilon * gamma * share**2 / ((1 - gamma) * (1 - gamma * (1 - share))))


def mixture_path(mdp, pi, pi_new, shares) -> MixturePath:
    """The return, its surrogate and the bounds along (1−α)π + απ', at n shares α in [0, 1], (n,): a `MixturePath`.

    L is linear in α and the bounds are quadratic or nearly so; η is rational. Raises `ValueError` as `mix` does.
    """
    pi, pi_new = _check_pair(mdp, pi, pi_new)
    share, gain = checks.shares("shares", shares), _mean_advantage(mdp, pi, pi_new)
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


def _mean_advantage(mdp, pi, pi_new):
    """Σ_a π'(a|s) A_π(s,a), (S,)."""
    return (pi_new * advantages(mdp, pi)).sum(axis=1)


def _check_pair(mdp, pi, pi_new):
    """Two policies of this MDP, as float (S, A) arrays."""
    return checks.policy(mdp, pi), checks.policy(mdp, pi_new, "pi_new")
