"""Chapter 4: occupancy measures. So far the two things that chapter 1 needs of it."""

from __future__ import annotations

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook.bellman import transition_matrix
from rlbook.mdp import check_policy


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
