"""Chapter 4: occupancy measures. So far what chapters 1 and 3 need of it."""

from __future__ import annotations

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook.bellman import evaluate_policy, transition_matrix
from rlbook.mdp import _check_finite, _check_rows, _real_array, check_policy


def occupancy(mdp, pi):
    """The occupancy measure ρ_π(s,a) = Σ_t γᵗ P(s_t=s, a_t=a), (S, A), by one linear solve.

    It sums to 1/(1−γ). Raises `ValueError` where pi is not an (S, A) array of distributions.
    """
    pi = check_policy(mdp, pi)
    P_pi = transition_matrix(mdp, pi)
    if mdp.is_sparse:
        rho_s = scipy.sparse.linalg.spsolve(
            scipy.sparse.eye_array(mdp.n_states, format="csc") - mdp.gamma * P_pi.T.tocsc(), mdp.rho0
        )
    else:
        rho_s = np.linalg.solve(np.eye(mdp.n_states) - mdp.gamma * P_pi.T, mdp.rho0)
    return rho_s[:, None] * pi


def expected_return(mdp, pi):
    """The objective η(π) = E Σ γᵗ r_t = Σ_{s,a} ρ_π(s,a) r(s,a)."""
    return float((occupancy(mdp, pi) * mdp.r).sum())


def total_variation(pi, pi_new):
    """TV(π, π') = ½ Σ_a |π(a|s) − π'(a|s)| in each state, (S,).

    Raises `ValueError` for rows that are no distributions, or two shapes.
    """
    pi, pi_new = _check_policies(pi, pi_new)
    return abs(pi - pi_new).sum(axis=1) / 2


def surrogate(mdp, pi, pi_new):
    """L_π(π') = η(π) + Σ_s ρ_π(s) Σ_a π'(a|s) A_π(s,a) (eq-surrogate): η(π') as if π' visited states as π does.

    Raises `ValueError` where pi or pi_new is not an (S, A) array of distributions.
    Source: Kakade and Langford (2002); Schulman et al. (2015), equation 3.
    """
    pi, pi_new = check_policy(mdp, pi), _check_policies(pi, pi_new)[1]
    V, Q, _ = evaluate_policy(mdp, pi)
    rho_s = occupancy(mdp, pi).sum(axis=1)
    return float(mdp.rho0 @ V + rho_s @ (pi_new * (Q - V[:, None])).sum(axis=1))


def trust_region_bound(mdp, pi, pi_new):
    """The bound |η(π') − L_π(π')| ≤ 4εγα²/(1−γ)² (thm-trpo-bound), in units of reward.

    α = max_s TV(π, π') and ε = max_{s,a} |A_π(s,a)|. Raises `ValueError` as `surrogate` does.
    Source: Schulman et al. (2015), Theorem 1.
    """
    pi, pi_new = check_policy(mdp, pi), _check_policies(pi, pi_new)[1]
    V, Q, _ = evaluate_policy(mdp, pi)
    alpha, epsilon = total_variation(pi, pi_new).max(), abs(Q - V[:, None]).max()
    return float(4 * epsilon * mdp.gamma * alpha**2 / (1 - mdp.gamma) ** 2)


def _check_policies(pi, pi_new):
    """Both as float (S, A) arrays whose rows are distributions."""
    pi, pi_new = _real_array("pi", pi, ndim=2), _real_array("pi_new", pi_new, ndim=2)
    if pi_new.shape != pi.shape:
        raise ValueError(f"pi_new must have shape {pi.shape} as pi has, got {pi_new.shape}")
    for name, policy in (("pi", pi), ("pi_new", pi_new)):
        _check_finite(name, policy)
        _check_rows(name, policy)
    return pi, pi_new
