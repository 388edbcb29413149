"""In a table it is mirror ascent (thm-mirror), whose values never fall (thm-npg-rate)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rlbook import checks
from rlbook.bellman import policy_iteration
from rlbook.bellman.evaluation import evaluate
from rlbook.bellman.precision import centred
from rlbook.divergences import kl
from rlbook.policy_gradient import softmax_policy
from rlbook.results import summary


class NPGTrace(NamedTuple):
    """Tabular natural policy gradient step by step: policies `pi` (steps+1, S, A) and values `V` (steps+1, S).

    `gap` = max_s V*(s) − V(s) and its `bound` (thm-npg-rate; infinite at step 0) are (steps+1,), in units of reward.
    """

    pi: np.ndarray
    V: np.ndarray
    gap: np.ndarray
    bound: np.ndarray

    __repr__ = summary


def mirror_step(pi, A, step_size) -> np.ndarray:
    """π⁺(a|s) = π(a|s) e^{αA(s,a)} / Z(s), argmax over π' of α Σ_a π'A − KL(π'‖π) in each state (thm-mirror), (S, A).

    pi and A are (S, A), step_size in units of 1/reward; a pi that is (S,) actions stays as it is. A natural-gradient
    step of length α is `mirror_step` with α/(1−γ). Raises `ValueError` for an A that is not finite, a pi of another
    shape or whose rows are no distributions, or a step_size that is not a finite number.
    """
    A, step_size = checks.array("A", A, ("S", "A")), checks.number("step_size", step_size)
    pi = checks.policy_of_shape("pi", pi, A.shape, " as A has")
    exponent = np.where(pi > 0, step_size * A, -np.inf)
    weights = pi * np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def npg(mdp, *, step_size, steps, theta=None) -> NPGTrace:
    """Tabular natural policy gradient, π ← π e^{αA/(1−γ)}/Z in every state, from theta or uniform: `NPGTrace`.

    Its values never fall, and after T steps the gap is at most (thm-npg-rate)

        max_s V*(s) − V_T(s) ≤ D/(αT) + (max r − min r)/((1−γ)²T),   D = max_s KL(π*(·|s) ‖ π_0(·|s)),

    with D = log A from the uniform policy. It is the step θ + αF†g for a ρ₀ that visits every state.
    Raises `ValueError` for a step_size that is not positive, steps that are not a positive integer, or a theta that
    is not a finite (S, A) array. Source: Agarwal, Kakade, Lee and Mahajan (2021), Theorem 16.
    """
    checks.tabular(mdp)
    step_size, steps = checks.positive("step_size", step_size), checks.count("steps", steps)
    theta = np.zeros(mdp.r.shape) if theta is None else checks.array("theta", theta, mdp.r.shape)
    pi, V = np.empty((steps + 1, *mdp.r.shape)), np.empty((steps + 1, mdp.n_states))
    world, far, gains = centred(mdp), 1 / (1 - mdp.gamma), np.empty(steps + 1)
    for k in range(steps + 1):
        pi[k] = softmax_policy(theta)
        V[k], Q, _, gains[k] = evaluate(world, pi[k])
        theta = theta + step_size * far * (Q - V[k][:, None])
    best = policy_iteration(mdp).pi
    V_best, _, _, gain = evaluate(world, best)
    distance = kl(best, pi[0]).max()
    total = distance / step_size + np.ptp(mdp.r) * far**2
    bound = np.r_[np.inf, total / np.arange(1, steps + 1)]
    gap = (V_best - V).max(axis=1) + far * (gain - gains)  # before what all values share is added to them
    return NPGTrace(pi, V + far * (world.gain + gains[:, None]), gap, bound)
