"""Chapter 1 with a network: REINFORCE, and the variance of its gradient, measured.

A batch is N whole episodes, one from each of N environments run side by side, so that its average is an average
over trajectories, as in the derivation: a batch cut after a fixed number of steps would hold too many short
episodes. With G_t the return from step t on, an episode's gradient is Σ_t w_t ∇log π(a_t|s_t); `step_weights`
has its three variants.

The factor γᵗ belongs to the gradient of E Σ γᵗ r_t. Much code drops it (`discount=False`), which weighs late
steps as heavily as early ones and follows the gradient of no fixed objective.

An episode that *terminated* has no reward after its last step. One that was *truncated* would have gone on:
where there is a value function, V at its last observation stands for the rest; `full` and `to-go` have none
and count nothing, so their objective ends where the time limit does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from rlbook import checks
from rlbook.neural.distributions import actions_for, entropies, log_prob, surrogate_gradients
from rlbook.neural.environments import made, policy_for, value_for
from rlbook.neural.episodes import check_episodes, rollout
from rlbook.neural.networks import one_thread, tensor, values_at
from rlbook.neural.training import Run, Training
from rlbook.policy_gradient import estimate_moments, returns
from rlbook.studies import study

VARIANTS = ("full", "to-go", "baseline")
"""What an action is credited with: the full return, the reward-to-go, or this less a value baseline."""


class GradientVariance(NamedTuple):
    """Measured moments of gradient estimators at one policy, one row an estimator of `names`.

    `total` is the total variance tr Cov ĝ of one episode's gradient, `standard_error` its standard error,
    `mean` (E, n) the mean gradient. `bias` compares each mean with that of "baseline" on the same episodes:
    the length of their difference, in units of what chance alone would give (its root mean square), so about
    1 or less where nothing but chance tells them apart.
    """

    names: tuple
    total: np.ndarray
    standard_error: np.ndarray
    mean: np.ndarray
    bias: np.ndarray

    def __str__(self):
        rows = zip(self.names, self.total, self.standard_error, self.bias, strict=True)
        table = (f"{name:16s} {total:7.0f} ± {error:<6.0f} {bias:10.1f}" for name, total, error, bias in rows)
        return "\n".join([f"{'':16s} {'total variance':>16s} {'mean off':>10s}", *table])


# Advantages ---------------------------------------------------------------------------------------------


def gae(episodes, values, last_values, gamma, lam) -> np.ndarray:
    """Advantages Â_t = Σ_l (γλ)ˡ δ_{t+l}, δ_t = r_t + γV(s_{t+1}) − V(s_t), as an (N, T) array (prop-gae).

    `values` (N, T) are V(s_t), `last_values` (N,) V at the last observations, counted where the episode was
    truncated and not where it terminated. λ = 1 is G_t − V(s_t), λ = 0 the one-step error δ_t.
    Raises `ValueError` for gamma outside [0, 1), lam outside [0, 1], or values that do not fit the episodes.
    Source: Schulman, Moritz, Levine, Jordan and Abbeel (2016), equations 11–16.
    """
    gamma, lam = checks.discount(gamma), checks.number("lam", lam, "[0, 1]")
    N, T = check_episodes(episodes).alive.shape
    values = checks.array("values", values, (N, T), note=" as the episodes have") * episodes.alive
    last_values = checks.array("last_values", last_values, (N,), note=", one an episode")
    following = np.zeros(values.shape)
    following[:, :-1] = values[:, 1:]
    following[np.arange(len(values)), episodes.alive.sum(axis=1) - 1] = last_values * episodes.truncated
    return returns(episodes.rewards + gamma * following - values, gamma * lam)


def step_weights(variant, episodes, gamma, *, value=None, discount=True, lam=1.0) -> np.ndarray:
    """The weights w_t in Σ_t w_t ∇log π(a_t|s_t), (N, T).

        full           w_t = Σ_k γᵏ r_k              the whole return at every step         (thm-reinforce)
        to-go          w_t = γᵗ G_t                  what came before a_t left out          (thm-reward-to-go)
        baseline       w_t = γᵗ (G_t − V(s_t))       V learned from earlier batches         (thm-baseline)

    `value` is used by "baseline" and must not have seen these episodes; with `lam` below 1 its advantages are those
    of `gae`, and biased where V is wrong. `discount=False` drops the factor γᵗ; in "full" there is none in front of
    the return.
    """
    checks.choice("variant", variant, VARIANTS)
    gamma, discount = checks.discount(gamma), checks.flag("discount", discount)
    lam = checks.number("lam", lam, "[0, 1]")
    check_episodes(episodes)
    if value is not None:
        checks.module("value", value)
    if variant == "baseline":
        if value is None:
            raise ValueError("value must be given for the variant 'baseline'")
        weights = gae(episodes, *values_at(value, episodes.observations, episodes.last_observations), gamma, lam)
    else:
        weights = returns(episodes.rewards, gamma)
    if variant == "full":
        weights = np.broadcast_to(weights[:, :1], weights.shape)
    elif discount:
        weights = weights * gamma ** np.arange(weights.shape[1])
    return weights * episodes.alive


# Training -----------------------------------------------------------------------------------------------


@one_thread()
def train_reinforce(
    variant,
    *,
    seed,
    batches,
    n_episodes=16,
    gamma=0.99,
    lam=1.0,
    discount=True,
    env="CartPole-v1",
    hidden=32,
    sigma=1.0,
    entropy=0.0,
    learning_rate=0.02,
    value_steps=10,
    progress=None,
) -> Training:
    """REINFORCE with Adam, on numbered actions or vectors, as a `Training`.

    Each of `batches` plays `n_episodes` new episodes, takes one step along the mean of their gradients, and
    only then, in the variant "baseline", fits V to the batch's returns. Episodes are thrown away after that, so the
    V that a gradient uses has never seen that gradient's episodes. The other variants have no V, and no use for
    `lam` and `value_steps`. `Training` says what the settings are.

    Raises `ValueError` for an unknown variant, another setting that cannot be, or numbers that are not finite.
    """
    checks.choice("variant", variant, VARIANTS)
    run = Run(**locals())
    with made(env, run.n_episodes) as envs:
        policy, value = policy_for(envs, hidden, run.rng, sigma=run.sigma), None
        ascent = torch.optim.Adam(policy.parameters(), run.learning_rate, maximize=True)
        learned = {"policy": policy}
        if variant == "baseline":
            value = learned["value"] = value_for(envs, hidden, run.rng, run.gamma)
            descent = torch.optim.Adam(value.parameters(), run.learning_rate)
        for _ in range(run.batches):
            batch = rollout(policy, envs, run.rng)
            weights = step_weights(variant, batch, run.gamma, value=value, discount=run.discount, lam=run.lam)
            factor = run.gamma ** np.arange(weights.shape[1]) if run.discount else 1.0
            bonus = run.entropy * factor * batch.alive if run.entropy else None
            ascend(policy, ascent, batch, weights, bonus=bonus)
            if value is not None:
                fit_value(value, descent, batch, run.gamma, run.value_steps)
            run.note_batch(batch, learned)
    return run.result(Training, policy, value)


def ascend(policy, optimiser, episodes, weights, *, bonus=None) -> None:
    """One step of the optimiser along the mean gradient (1/N) Σ_i Σ_t w_it ∇log π(a_it|s_it).

    `bonus` (N, T) weighs gradients of the entropies there, which are added: Σ_t b_it ∇H(π(·|s_it)).
    """
    alive = check_episodes(episodes).alive
    weights = checks.array("weights", weights, alive.shape, note=" as the episodes have")
    outputs = policy(tensor(policy, episodes.observations[alive]))
    log_pi = log_prob(policy, outputs, actions_for(policy, episodes.actions[alive], outputs, name="episodes.actions"))
    surrogate = (tensor(policy, weights[alive]) * log_pi).sum() / len(alive)
    if bonus is not None:
        bonus = checks.array("bonus", bonus, alive.shape, note=" as the episodes have")[alive]
        surrogate = surrogate + (tensor(policy, bonus) * entropies(policy, outputs)).sum() / len(alive)
    optimiser.zero_grad()
    surrogate.backward()
    optimiser.step()


def fit_value(value, optimiser, episodes, gamma, steps) -> None:
    """Least squares of V on the episodes' returns; a truncated episode's return ends in the V of before."""
    gamma, steps = checks.discount(gamma), checks.count("steps", steps)
    checks.module("value", value)
    check_episodes(episodes)
    values, last_values = values_at(value, episodes.observations, episodes.last_observations)
    targets = gae(episodes, values, last_values, gamma, 1.0) + values
    alive = episodes.alive
    observations, targets = tensor(value, episodes.observations[alive]), tensor(value, targets[alive])
    scale = 1 / (1 - gamma)
    for _ in range(steps):
        loss = (((value(observations)[:, 0] - targets) / scale) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def compare_reinforce(
    *, variants=VARIANTS, seeds=range(3), batches=50, keep=None, **settings
) -> dict[str, list[Training]]:
    """The runs of `train_reinforce` for every variant and seed, all with the same settings.

    Returns a dictionary from variant to a list of `Training`, one a seed. The runs are those of a `study`, which says
    where they are made and what `keep` does. Raises `ValueError` where `train_reinforce` does.
    """
    named = {variant: {"variant": variant} for variant in variants}
    return study(train_reinforce, named, seeds, keep=keep, batches=checks.count("batches", batches), **settings)


# Variance -----------------------------------------------------------------------------------------------


@one_thread()
def episode_gradients(policy, episodes, weights) -> np.ndarray:
    """Each episode's gradient Σ_t w_t ∇log π(a_t|s_t), (N, n), n the number of the policy's parameters."""
    checks.module("policy", policy)
    weights = checks.array("weights", weights, check_episodes(episodes).alive.shape, note=" as the episodes have")
    return surrogate_gradients(policy, episodes, lambda outputs, log_pi, weights: (weights * log_pi).sum(), weights)


@one_thread()
def measure_gradient_variance(
    policy, value, *, seed, n_episodes=256, gamma=0.99, env="CartPole-v1"
) -> GradientVariance:
    """Mean and total variance of every estimator at one policy, from the same episodes: `GradientVariance`.

    The estimators are the three variants and "baseline, no γᵗ", whose mean is another vector. `value` is the
    baseline; it was fitted before, so it has not seen these episodes.

    Raises `ValueError` for gamma outside [0, 1), fewer than 2 episodes, an env with which `train_reinforce` would
    not go, or a policy or value of another kind than it makes.
    """
    gamma = checks.discount(gamma)
    checks.count("n_episodes", n_episodes, least=2)
    checks.seed(seed)
    checks.module("policy", policy)
    checks.module("value", value)
    with made(env, n_episodes) as envs:
        batch = rollout(policy, envs, np.random.default_rng(seed))
    weights = {name: step_weights(name, batch, gamma, value=value) for name in VARIANTS}
    weights["baseline, no γᵗ"] = step_weights("baseline", batch, gamma, value=value, discount=False)
    g = np.array([episode_gradients(policy, batch, w) for w in weights.values()])  # (E, N, n)

    mean = g.mean(axis=1)
    moments = [estimate_moments(samples) for samples in g]
    apart = g - g[VARIANTS.index("baseline")]
    chance = (apart.var(axis=1, ddof=1).sum(axis=1) / n_episodes) ** 0.5
    distance = np.linalg.norm(apart.mean(axis=1), axis=1)
    return GradientVariance(
        names=tuple(weights),
        total=np.array([m.variance for m in moments]),
        standard_error=np.array([m.variance_error for m in moments]),
        mean=mean,
        bias=np.divide(distance, chance, out=np.zeros(len(g)), where=chance > 0),
    )
