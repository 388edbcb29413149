"""Finite Markov decision processes: the one noun that every chapter shares.

A finite MDP is a tuple (P, r, γ, ρ₀): transition probabilities P(s'|s,a), expected rewards r(s,a), a
discount 0 ≤ γ < 1 and a start distribution ρ₀. All of the book's tabular mathematics is written with two
linear maps of it, adjoint to each other:

    expect:  v ↦ Σ_s' P(s'|s,a) v(s')        looks one step ahead,          (S,)  → (S,A)
    flow:    ρ ↦ Σ_{s,a} P(s'|s,a) ρ(s,a)    pushes mass one step forward,  (S,A) → (S,)
"""

from rlbook.mdp.tabular import TabularMDP
from rlbook.mdp.worlds import MOVES, garnet, gridworld

__all__ = ["MOVES", "TabularMDP", "garnet", "gridworld"]
