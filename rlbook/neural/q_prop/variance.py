"""What a critic can reach: variance and bias of the estimators at one policy, and what an advantage is made of."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from rlbook import checks
from rlbook.neural.environments import made, sizes
from rlbook.neural.episodes import draw_actions, rollout
from rlbook.neural.networks import one_thread, values_at
from rlbook.neural.pendulum import PENDULUM, Pendulums
from rlbook.neural.q_prop.control_variates import (
    RULES,
    SINGLE_SAMPLE_RULES,
    Control,
    q_prop_gradients,
    q_prop_terms,
)
from rlbook.policy_gradient import estimate_moments


class QPropVariance(NamedTuple):
    """Measured moments of gradient estimators at one policy, one row an estimator of `names`.

    `total` is the total variance tr Cov ĝ of one episode's gradient, `total_error` its standard error; `relative` is
    the total in units of that of "V baseline", and `relative_error` the standard error of this ratio, which is smaller
    than those of its parts, as they come from the same episodes. `mean` (E, n) is the mean gradient. `bias` is the
    length of the difference between the mean and that of "V baseline", which is unbiased, in units of the latter's
    length: √(‖d‖² − tr Cov d/N) or 0, less what chance adds; `bias_error` = √(tr Cov d/N) is what chance alone gives.
    """

    names: tuple
    total: np.ndarray
    total_error: np.ndarray
    relative: np.ndarray
    relative_error: np.ndarray
    bias: np.ndarray
    bias_error: np.ndarray
    mean: np.ndarray

    def __str__(self):
        head = f"{'':32s} {'variance / V’s':>15s}   {'bias':>13s}"
        row = "{:32s} {:7.3f} ± {:.3f}   {:.3f} ± {:.3f}".format
        columns = (self.names, self.relative, self.relative_error, self.bias, self.bias_error)
        return "\n".join([head, *(row(*entries) for entries in zip(*columns, strict=True))])


@one_thread()
def measure_q_prop_variance(control, *, seed, n_episodes=1000, gamma=0.95, lam=0.9, env=PENDULUM) -> QPropVariance:
    """Total variance and bias of every estimator at the control's policy, from the same episodes: `QPropVariance`.

    They are REINFORCE (the return G_t for Â_t), the baseline V, GAE at `lam`, Q-Prop with each rule at λ = 1 (the
    last two are biased: `SINGLE_SAMPLE_RULES`), and with "adaptive" at `lam`. The control was made before, so it has
    not seen these episodes.

    Raises `ValueError` for a control that is none or does not fit the env, gamma outside [0, 1), lam outside [0, 1],
    fewer than 2 episodes, a seed that is not an integer from 0, or an env with which `train_q_prop` would not go.
    """
    _check_control(control)
    gamma = checks.discount(gamma)
    lam = checks.number("lam", lam, "[0, 1]")
    checks.count("n_episodes", n_episodes, least=2)
    checks.seed(seed)
    with made(env, n_episodes) as envs:
        sizes(envs, ["vectors"])
        batch = control.play(envs, np.random.default_rng(seed))
    terms = partial(q_prop_terms, batch=batch, gamma=gamma)
    without = batch._replace(values=0 * batch.values, last_values=0 * batch.last_values)
    estimators = {"V baseline": terms("none"), "REINFORCE": q_prop_terms("none", without, gamma)}
    estimators[f"GAE, λ = {lam:g}"] = terms("none", lam=lam)
    estimators |= {f"Q-Prop, {rule}": terms(rule) for rule in (*RULES[1:], *SINGLE_SAMPLE_RULES)}
    estimators[f"Q-Prop, adaptive, λ = {lam:g}"] = terms("adaptive", lam=lam)

    rows, baseline = [], None
    for estimator in estimators.values():
        g = q_prop_gradients(batch, estimator)
        baseline = g if baseline is None else baseline
        rows.append(_moments(g, baseline))
    return QPropVariance(tuple(estimators), *(np.array(column) for column in zip(*rows, strict=True)))


def _moments(g, baseline):
    """One row of `QPropVariance`, from (N, n) gradients of the estimator and of the baseline on the same episodes."""
    N, length = len(g), np.linalg.norm(baseline.mean(axis=0))
    own, other = estimate_moments(g), estimate_moments(baseline)
    squares, other_squares = (((x - x.mean(axis=0)) ** 2).sum(axis=1) for x in (g, baseline))
    relative = own.variance / other.variance
    apart = estimate_moments(g - baseline)
    chance = apart.variance / N
    bias = max((apart.mean**2).sum() - chance, 0.0) ** 0.5
    error = (squares - relative * other_squares).std(ddof=1) / other_squares.mean() / N**0.5
    return own.variance, own.variance_error, relative, error, bias / length, chance**0.5 / length, own.mean


class AdvantageParts(NamedTuple):
    """E[Â²] of Â = G_t − V(s_t) in three parts, (3,) `parts` and their standard errors `errors`.

    Â is V^π(s) − V(s), plus A^π(s,a), plus what the steps after it make of the return; the parts are the mean squares
    of these three. A better baseline V could remove the first, a baseline that knows the action also the second, and
    neither the third.
    """

    parts: np.ndarray
    errors: np.ndarray

    def __str__(self):
        names = ("error of V", "action", "later steps")
        rows = zip(names, self.parts, self.errors, self.parts / self.parts.sum(), strict=True)
        return "\n".join(f"{name:12s} {part:8.2f} ± {error:<6.2f} {share:6.1%}" for name, part, error, share in rows)


@one_thread()
def measure_advantage_parts(
    control, *, seed, n_states=200, n_actions=24, runs=6, gamma=0.95, horizon=100
) -> AdvantageParts:
    """What Â is made of at the states that the control's policy visits on `Pendulums`, as `AdvantageParts`.

    States are drawn as d^π has them, by stopping an episode with probability 1 − γ at each step. From each, `n_actions`
    are drawn, and each is followed `runs` times for `horizon` steps, after which V stands for the rest. The parts are
    those of a nested analysis of variance, free of bias, so that one near 0 may be estimated below it; the errors are
    those of an average over states.

    Raises `ValueError` for a control that is none or was made for another env, gamma outside [0, 1), a seed that is not
    an integer from 0, or a count that is not a positive integer, or below 2 for `n_states`, `n_actions` and `runs`.
    """
    _check_control(control)
    gamma = checks.discount(gamma)
    checks.seed(seed)
    for name, count in {"n_states": n_states, "n_actions": n_actions, "runs": runs}.items():
        checks.count(name, count, least=2)
    rng, policy = np.random.default_rng(seed), control.policy
    episodes = rollout(policy, Pendulums(n_states, checks.count("horizon", horizon)), rng)
    stops = rng.geometric(1 - gamma, size=n_states) - 1
    start = episodes.observations[np.arange(n_states), np.minimum(stops, horizon - 1)]

    envs = Pendulums(n_states * n_actions * runs, horizon + 1)
    envs.reset(seed=0)
    envs.pendulum.state = np.repeat([np.arctan2(start[:, 1], start[:, 0]), start[:, 2]], n_actions * runs, axis=1)
    action = np.repeat(draw_actions(policy, np.repeat(start, n_actions, axis=0), rng), runs, axis=0)
    G = 0.0
    for t in range(horizon):
        observation, reward, *_ = envs.step(action)
        G = G + gamma**t * reward
        action = draw_actions(policy, observation, rng)
    V, V_last = values_at(control.value, start, observation)
    A = (G + gamma**horizon * V_last).reshape(n_states, n_actions, runs) - V[:, None, None]

    later = A.var(axis=2, ddof=1).mean(axis=1)
    by_action = A.mean(axis=2).var(axis=1, ddof=1)
    parts = np.array([A.mean(axis=(1, 2)) ** 2 - by_action / n_actions, by_action - later / runs, later])
    return AdvantageParts(parts.mean(axis=1), parts.std(axis=1, ddof=1) / n_states**0.5)


def _check_control(control):
    if not isinstance(control, Control):
        raise ValueError(f"control must be a Control, got a {type(control).__name__}")
