"""The best policy: value iteration, policy iteration, their soft twins, and `solve`, which chooses among them."""

from __future__ import annotations

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.bellman import large
from rlbook.bellman.evaluation import advantage_errors, evaluate
from rlbook.bellman.operators import best_policy, best_value, greedy_policy, look_ahead
from rlbook.bellman.precision import Solution, bracket, centred, common, rounding_of

TRIAL, MIXING = 20, 0.9  # `solve` leaves value iteration when in 20 sweeps its bracket shrinks by less than .9 each
DENSE_FOLLOWED = 6  # sweeps that `solve` follows a policy of a dense MDP before it looks for a better one
HIDDEN = 1e-6  # of the range of the rewards: the most that rounding may hide from a `policy_iteration` that converged


def value_iteration(mdp, *, tol=1e-8, max_steps=100_000) -> Solution:
    """V*, Q* and an optimal policy by V_k = max_a (r + γ E V_{k−1}), within MacQueen's bounds (thm-macqueen):

        V_k + γ/(1−γ) min Δ ≤ V* ≤ V_k + γ/(1−γ) max Δ,      Δ = V_k − V_{k−1}.

    V and Q are the middle of the bracket, and `error_bound` is half its width and what rounding may add. It
    closes when Δ is nearly the same everywhere, often long before V_k has converged. `tol` is in units of
    reward; `converged` says that error_bound ≤ tol, which `max_steps` sweeps may not reach, nor float64 certify.
    Returns a `Solution`. Raises `ValueError` where tol is not a positive number or max_steps not a positive
    integer. Source: MacQueen (1966); Puterman (1994), Theorem 6.6.3.

    >>> from rlbook import gridworld, value_iteration
    >>> solution = value_iteration(gridworld(["S..G"], gamma=0.9), tol=1e-6)
    >>> solution.V.round(6), solution.converged
    (array([0.81, 0.9 , 1.  , 0.  ]), True)
    """
    checks.tabular(mdp)
    return _iterate_values(centred(mdp), checks.positive("tol", tol), checks.count("max_steps", max_steps))[0]


def soft_value_iteration(mdp, alpha, *, tol=1e-8, max_steps=100_000) -> Solution:
    """V_α, Q_α and π_α by V_k = lse_α(r + γ E V_{k−1}) (thm-soft-contraction), stopped as `value_iteration` is.

    MacQueen's bounds hold here too, for T_α is monotone and turns a constant c into γc, as T* does. `alpha` is
    the temperature, in units of reward. Returns a `Solution`. Raises as `value_iteration` does, and `ValueError`
    where alpha is not a positive number. Source: Fox, Pakman and Tishby (2016).

    >>> from rlbook import gridworld, soft_value_iteration
    >>> corridor = gridworld(["S..G"], gamma=0.9)
    >>> soft_value_iteration(corridor, alpha=0.03).pi[0].round(2)  # up, right, down, left
    array([0.06, 0.81, 0.06, 0.06])
    """
    checks.tabular(mdp)
    alpha, tol = checks.positive("alpha", alpha), checks.positive("tol", tol)
    return _iterate_values(centred(mdp), tol, checks.count("max_steps", max_steps), alpha)[0]


def policy_iteration(mdp, *, max_steps=1000) -> Solution:
    """V*, Q* and an optimal policy: evaluate a policy, improve it, and again (thm-policy-iteration).

    An action is kept unless another is better by more than rounding explains, so that ties end it. `converged`
    says that no other is, and that rounding hides little: A_π(s,a) ≤ 1e-6 (max r − min r) for each action and the
    policy that is returned. Near γ = 1, where the error of V is large, it is asked of differences of V, in which
    what errors share cancels; where that does not help, or is too dear, `converged` is False. Returns a `Solution`.
    Raises `ValueError` where max_steps is not a positive integer.
    Source: Howard (1960); Puterman (1994), Theorem 6.4.2.

    >>> from rlbook import gridworld, policy_iteration
    >>> solution = policy_iteration(gridworld(["S..G"], gamma=0.9))
    >>> solution.pi.argmax(axis=1)[:3], solution.steps  # right, right, right
    (array([1, 1, 1]), 3)
    """
    checks.tabular(mdp)
    return _iterate_policies(centred(mdp), None, checks.count("max_steps", max_steps), greedy_policy(mdp.r))


def soft_policy_iteration(mdp, alpha, *, tol=1e-8, max_steps=1000) -> Solution:
    """V_α, Q_α and π_α: evaluate π with its entropy, r_π + αH(π), then π ∝ exp(Q/α) (thm-soft-improvement).

    Ends when the bracket of `value_iteration` is within tol, or when V rises no more than rounding explains;
    `converged` says that error_bound ≤ tol. Returns a `Solution`. Raises as `soft_value_iteration` does.
    Source: Haarnoja et al. (2018), Theorem 1.

    >>> from rlbook import gridworld, soft_policy_iteration
    >>> corridor = gridworld(["S..G"], gamma=0.9)
    >>> soft_policy_iteration(corridor, alpha=0.03).pi[2].round(2)  # up, right, down, left
    array([0.04, 0.93, 0.04, 0.  ])
    """
    checks.tabular(mdp)
    alpha, tol = checks.positive("alpha", alpha), checks.positive("tol", tol)
    max_steps = checks.count("max_steps", max_steps)
    mdp, pi, V, error, gain = centred(mdp), best_policy(mdp, mdp.r, alpha), None, 0.0, 0.0
    for step in range(1, max_steps + 1):
        before, error_before, gain_before = V, error, gain
        V, Q, error, gain = evaluate(mdp, pi, alpha * scipy.special.entr(pi).sum(axis=1), start=V, gain=gain)
        solution = bracket(mdp, V, Q, step, tol, alpha, gain)
        if solution.converged:
            break
        if step > 1 and (V - before).max() + (gain - gain_before) / (1 - mdp.gamma) <= error + error_before:
            break
        pi = solution.pi
    return solution


def solve(mdp, *, tol=1e-8) -> Solution:
    """V*, Q* and an optimal policy within `tol`, by whichever method is quick on this MDP.

    Where states mix quickly, the bracket of `value_iteration` closes within some dozens of sweeps. Where they do
    not, policy iteration is exact after a few policies. Only in a large sparse MDP would it need many, for news of
    a reward goes not far with each; there, sweeps in the order of the distance from the best state come first.
    `converged` says that error_bound ≤ tol. Returns a `Solution`. Raises `ValueError` where tol is not a positive
    number.
    Source: Puterman and Shin (1978), of whose modified policy iteration those sweeps are a kind.

    >>> from rlbook import gridworld, solve
    >>> solve(gridworld(["S..", ".#.", "..G"], gamma=0.9)).V.round(3)
    array([0.729, 0.81 , 0.9  , 0.81 , 1.   , 0.9  , 1.   , 0.   ])
    """
    checks.tabular(mdp)
    tol = checks.positive("tol", tol)
    mdp, followed = centred(mdp), 0 if mdp.is_sparse else DENSE_FOLLOWED  # a sparse P gives its rows too slowly
    solution, V = _iterate_values(mdp, tol, 1_000_000, rate=MIXING, followed=followed)
    if not solution.converged:
        if mdp.is_sparse and mdp.n_states >= large.LU_BELOW:
            solution, V = large.sweep_outwards(mdp, solution, V, tol)
        if not solution.converged:
            solution = _iterate_policies(mdp, tol, 1000, solution.pi, V, solution.steps)
    return solution


def _iterate_values(mdp, tol, max_steps, alpha=None, rate=1.0, followed=0):
    """`value_iteration`, and its last V; each greedy policy of a dense MDP is followed for `followed` sweeps more.

    Left when in about TRIAL sweeps the bracket has not shrunk by `rate` with each of them. A constant can be taken
    from V at any time: it moves the bracket, not its width.
    """
    W, gamma, first, n = np.zeros(mdp.n_states), mdp.gamma, None, np.arange(mdp.n_states)
    trial, floor = max(1, TRIAL // (1 + followed)), 0.0
    for step in range(1, max_steps + 1):
        V, Q = W, look_ahead(mdp, W)
        W = best_value(mdp, Q, alpha)
        change = W - V
        half = gamma / (1 - gamma) * (change.max() - change.min()) / 2
        if first is None:
            first = before = gamma / (1 - gamma) * abs(change).max()
        if half <= max(tol, floor):
            solution = bracket(mdp, V, Q, step, tol, alpha)
            if solution.converged or rounding_of(mdp, V) >= tol * (1 - gamma):  # rounding alone exceeds tol
                return solution, V
        if gamma ** (step - 1) * first < tol / 1000:  # Δ is zero but for rounding: no sweep helps
            break
        if rate < 1 and step % trial == 0:
            if half > rate ** (trial * (1 + followed)) * before:
                break
            before = half
        if step % TRIAL == 0:
            W = W - common(W)
            floor = gamma / (1 - gamma) * rounding_of(mdp, W)
        if followed:
            best = Q.argmax(axis=1)
            P_pi, r_pi = mdp._P[best * len(n) + n], mdp.r[n, best]
            for _ in range(followed):
                W = r_pi + gamma * (P_pi @ W)
    return bracket(mdp, V, Q, step, tol, alpha), V


def _iterate_policies(mdp, tol, max_steps, pi, V=None, steps=0):
    """`policy_iteration` from a policy and a guess of its V, or if `tol` is given until the bracket is within it."""
    rows, precision, gain = np.arange(mdp.n_states), (tol or 0.0) / 4, 0.0
    most_hidden = HIDDEN * (mdp.r.max() - mdp.r.min())
    for step in range(steps + 1, steps + max_steps + 1):
        V, Q, error, gain = evaluate(mdp, pi, start=V, tol=precision, gain=gain)
        advantage = Q - (pi * Q).sum(axis=1, keepdims=True)
        best, margin = advantage.max(axis=1), 2 * error
        better, chosen = best > margin, Q.argmax(axis=1)
        solution = bracket(mdp, V, Q, step, tol, gain=gain)
        if tol and solution.converged:
            break
        if not better.any() and precision:
            precision = 0.0  # V is to be as exact as it can be, before it is said that no action is better
            continue
        found = best.max() + margin <= most_hidden or mdp.n_actions == 1
        if not better.any() and not found:
            margin = advantage_errors(mdp, pi, V, Q, gain)
            sure = np.where(pi > 0, 0.0, advantage - margin)
            better, chosen = sure.max(axis=1) > 0, sure.argmax(axis=1)
            found = np.max(np.where(pi > 0, 0.0, advantage + margin)) <= most_hidden
        if not better.any():
            break
        pi = pi.copy()
        pi[better] = 0.0
        pi[rows[better], chosen[better]] = 1.0
    else:
        found = False
    return solution._replace(pi=pi, converged=solution.converged if tol else bool(found))
