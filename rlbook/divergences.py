"""How far two policies are from each other in each state: Kullback and Leibler's divergence, and total variation."""

from __future__ import annotations

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks

__all__ = ["kl", "total_variation"]


def kl(pi, pi_new) -> np.ndarray:
    """KL(π‖π') = Σ_a π(a|s) log(π(a|s)/π'(a|s)) in each state, (S,), in nats.

    Infinite where π takes an action that π' never takes. Each is (S, A); one of them may be (S,) actions, for the other
    says how many there are. Raises `ValueError` for rows that are no distributions, two shapes, or actions twice.
    """
    pi, pi_new = checks.policies(pi, pi_new)
    return kl_terms(pi, pi_new).sum(axis=1)  # as Σ_a π = Σ_a π'


def total_variation(pi, pi_new) -> np.ndarray:
    """TV(π, π') = ½ Σ_a |π(a|s) − π'(a|s)| in each state, (S,).

    Each is (S, A); one of them may be (S,) actions. Raises `ValueError` as `kl` does.
    """
    pi, pi_new = checks.policies(pi, pi_new)
    return abs(pi - pi_new).sum(axis=1) / 2


def kl_terms(p, q) -> np.ndarray:
    """p log(p/q) − p + q, entry by entry: ≥ 0, and where p ≈ q to more digits than the logarithm leaves of it."""
    near = abs(q - p) < p / 2
    d = np.divide(q - p, p, out=np.zeros(p.shape), where=near)
    small = np.where(abs(d) < 1e-4, d**2 * (1 / 2 - d * (1 / 3 - d / 4)), d - np.log1p(d))
    return np.where(near, p * small, scipy.special.kl_div(p, q))
