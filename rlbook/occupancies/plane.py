"""Two states and two actions, where D can be seen."""

from __future__ import annotations

import numpy as np

from rlbook import checks
from rlbook.bellman import transition_matrix
from rlbook.mdp import TabularMDP
from rlbook.occupancies.measures import flow_residual
from rlbook.occupancies.programs import deterministic_occupancies


def polygon(mdp) -> np.ndarray:
    """The corners of D for 2 states and 2 actions, in order round it, (4, 2, 2) (prop-vertices).

    They belong to the policies that take the actions 00, 10, 11, 01 in states 0 and 1. In the plane of
    (ρ(0,1), ρ(1,1)) they make a quadrilateral with two sides on the axes. Raises `ValueError` for another size.
    """
    if checks.tabular(mdp).r.shape != (2, 2):
        raise ValueError(f"mdp must have 2 states and 2 actions, got {mdp.n_states} and {mdp.n_actions}")
    return deterministic_occupancies(mdp).rho[[0, 2, 3, 1]]


def from_plane(mdp, second) -> np.ndarray:
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


TWO_BY_TWO = {
    "usual": (((0.1, 0.8), (0.7, 0.2)), ((0.0, 0.2), (1.0, 0.5)), 0.8, (0.6, 0.4)),
    "unreachable": (((0.0, 0.8), (0.7, 0.2)), ((0.0, 0.2), (1.0, 0.5)), 0.8, (1.0, 0.0)),
    "detour": (((0.0, 1.0), (1.0, 0.0)), ((0.2, 0.0), (1.0, 0.0)), 0.9, (1.0, 0.0)),
}
"""Worlds of two states and two actions by name: the probability that each pair leads to state 1, r, γ and ρ₀."""


def two_by_two(name="usual", *, r=None, gamma=None, rho0=None) -> TabularMDP:
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
