"""Chapter 2: Bellman operators. So far what chapter 1 needs of it: the exact value of a policy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook.mdp import check_policy


class PolicyValue(NamedTuple):
    """V^π, (S,), and Q^π, (S, A)."""

    V: np.ndarray
    Q: np.ndarray


def evaluate_policy(mdp, pi):
    """The exact V^π = (I − γP_π)⁻¹ r_π and Q^π = r + γ E[V^π(s')], by one linear solve.

    Raises `ValueError` where pi is not an (S, A) array of distributions.
    """
    pi = check_policy(mdp, pi)
    P_pi, r_pi = transition_matrix(mdp, pi), (pi * mdp.r).sum(axis=1)
    if mdp.is_sparse:
        V = scipy.sparse.linalg.spsolve(
            scipy.sparse.eye_array(mdp.n_states, format="csc") - mdp.gamma * P_pi.tocsc(), r_pi
        )
    else:
        V = np.linalg.solve(np.eye(mdp.n_states) - mdp.gamma * P_pi, r_pi)
    return PolicyValue(V, mdp.r + mdp.gamma * mdp.expect(V))


def transition_matrix(mdp, pi):
    """P_π(s'|s) = Σ_a π(a|s) P(s'|s,a), (S, S), sparse where the MDP is."""
    S, A = mdp.r.shape
    if mdp.is_sparse:
        average = scipy.sparse.csr_array((pi.ravel(), np.arange(S * A), np.arange(0, S * A + 1, A)), shape=(S, S * A))
        return average @ mdp.P
    return np.einsum("sa,sak->sk", pi, mdp.P)
