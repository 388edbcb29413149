"""What an answer is worth: what all values share taken out, rounding counted, MacQueen's bracket (thm-macqueen).

Where V is nearly the same everywhere, as it is near γ = 1 or under rewards that are all large, what is shared costs
float64 the digits in which states differ. So it is taken out first, as a gain, and added at the end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rlbook.bellman.operators import best_policy, best_value
from rlbook.checks import EPS
from rlbook.results import summary

# What float64 asks for.
CENTRED = 100  # what all values share is taken out of them where it is this many times their range


class Solution(NamedTuple):
    """Optimal (or soft optimal) V, (S,), Q, (S, A), and policy pi, (S, A), as a solver left them.

    Each entry of V and Q is within `error_bound` of the truth: of what exact arithmetic gives for the stored r, γ
    and P, once each row of P is divided by its sum, which is 1 but for rounding. Where float64 cannot tell, it is
    large. `steps` counts sweeps or policies; `converged` says whether the solver reached what it was asked for.
    pi may be right long before V is: it is read off Q before what all entries share is added to them.
    """

    V: np.ndarray
    Q: np.ndarray
    pi: np.ndarray
    error_bound: float
    steps: int
    converged: bool

    __repr__ = summary


class Centred:
    """An MDP from whose rewards `gain` is taken: every value is gain/(1−γ) less, and the same policies are best."""

    def __init__(self, mdp, gain):
        self.mdp, self.gain, self.r = mdp, gain, mdp.r - gain if gain else mdp.r

    def __getattr__(self, name):  # asked once a name, for it is kept
        self.__dict__[name] = getattr(self.mdp, name)
        return self.__dict__[name]


def centred(mdp) -> Centred:
    """The MDP without what all its rewards share, if that is most of them."""
    return Centred(mdp, common(mdp.r))


def common(values) -> float:
    """The middle of numbers that share so much that it costs them digits, else 0."""
    low, high = float(values.min()), float(values.max())
    middle = low / 2 + high / 2
    return middle if abs(middle) > CENTRED * (high - low) else 0.0


def lifted(V, Q, error, shift) -> tuple[np.ndarray, np.ndarray, float]:
    """V, Q and their error when `shift` is added to both."""
    return (V + shift, Q + shift, float(error + 4 * EPS * (abs(shift) + abs(Q).max()))) if shift else (V, Q, error)


def rounding_of(mdp, V, gain=0.0) -> float:
    """How far r − gain + γ E[V(s')] may be off: computed in float64, with rows of P that sum to 1 only nearly."""
    most = abs(V).max()
    return (mdp.row_width + 4) * EPS * (abs(mdp.r).max() + abs(gain) + most) + mdp.row_error * most


def bracket(mdp, V, Q, steps, tol, alpha=None, gain=0.0) -> Solution:
    """The `Solution` in the middle of the bracket that V and Q = r − gain + γ E[V(s')] give (thm-macqueen).

    To it is added what `gain` and a `Centred` MDP took away; its policy is read off Q before.
    """
    gamma, W = mdp.gamma, best_value(mdp, Q, alpha)
    low, high = (W - V).min(), (W - V).max()
    shift, half = gamma / (1 - gamma) * (low + high) / 2, gamma / (1 - gamma) * (high - low) / 2
    rounding = rounding_of(mdp, V, gain) + 4 * EPS * (abs(W).max() + max(-low, high, 0.0))
    if alpha is not None:
        rounding += (mdp.n_actions + 8) * EPS * (alpha + abs(Q).max())
    V, Q_lifted, error = lifted(W, Q, float(half + rounding / (1 - gamma)), shift + (mdp.gain + gain) / (1 - gamma))
    error += float(4 * EPS * abs(shift))
    return Solution(V, Q_lifted, best_policy(mdp, Q, alpha), error, steps, tol is not None and bool(error <= tol))
