"""A softmax policy over a few actions, which the plain gradient leaves waiting on a plateau (prop-plateau)."""

from __future__ import annotations

import numpy as np

from rlbook import checks
from rlbook.policy_gradient import softmax_policy


def softmax_path(theta, r, step_size, steps, *, natural) -> np.ndarray:
    """The policies of exact gradient ascent on a bandit with rewards r, from logits theta, (steps+1, A).

    theta and r are (A,). ∇η = π(r − π·r), small wherever π is nearly deterministic, on a bad action too (a
    plateau); F†∇η = r − mean r, which is as large everywhere. Raises `ValueError` for shapes that do not fit, an
    step_size that is not positive or steps that are no whole number ≥ 0.
    """
    theta = checks.array("theta", theta, ("A",))
    r, step_size = checks.array("r", r, theta.shape, note=" as theta has"), checks.positive("step_size", step_size)
    steps, natural = checks.count("steps", steps, least=0), checks.flag("natural", natural)
    path = [softmax_policy(theta[None])[0]]
    for _ in range(steps):
        pi = path[-1]
        theta = theta + step_size * (r - r.mean() if natural else pi * (r - pi @ r))
        path.append(softmax_policy(theta[None])[0])
    return np.array(path)


def plateau_time(start, end, reward_gap, *, natural=False) -> float:
    """The time in which the gradient flow takes one logit θ from `start` to `end` (prop-plateau).

    Two actions with π₁ = 1/(1+e^{−θ}) and rewards `reward_gap` Δ = r₁ − r₂ apart: dθ/dt = Δπ₁π₂, so 2θ + 2 sinh θ =
    Δt + C; natural, dθ/dt = Δ. With a logit for each action, as in `softmax_path`, θ = θ₁−θ₂ moves twice as fast
    under the plain gradient, the same under the natural one. Negative where the flow goes the other way. Raises
    `ValueError` for a reward_gap of 0.
    """
    named = {"start": start, "end": end, "reward_gap": reward_gap}
    start, end, reward_gap = (checks.number(name, x) for name, x in named.items())
    natural = checks.flag("natural", natural)
    if reward_gap == 0:
        raise ValueError("reward_gap must not be 0: equal rewards give no gradient")
    way = end - start if natural else 2 * (end - start) + 2 * (np.sinh(end) - np.sinh(start))
    return float(way / reward_gap)
