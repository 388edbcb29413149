"""On real environments: training by the gradient, by the natural gradient and within a trust region."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from rlbook import checks
from rlbook.neural.environments import made, policy_for
from rlbook.neural.episodes import rollout
from rlbook.neural.natural_gradients.trust_region import METHODS, local_model, natural_step
from rlbook.neural.networks import Scaled, check_weights, mlp, move, one_thread
from rlbook.neural.policy_gradient import fit_value, step_weights
from rlbook.studies import study


class NaturalTraining(NamedTuple):
    """A trained `policy`, its `value` function, and (batches,) learning curves.

    `mean_returns` is the mean undiscounted return of each batch, `steps` the number of environment steps taken
    up to its end, `divergences` the mean KL divergence from the policy before the batch's step to that after it.
    """

    policy: nn.Module
    value: nn.Module
    mean_returns: np.ndarray
    steps: np.ndarray
    divergences: np.ndarray


@one_thread()
def train_natural(
    method,
    *,
    seed,
    batches,
    n_episodes=16,
    delta=0.02,
    damping=0.01,
    cg_steps=10,
    gamma=0.99,
    discount=True,
    env="CartPole-v1",
    hidden=32,
    learning_rate=0.02,
    value_steps=10,
    progress=None,
) -> NaturalTraining:
    """Policy optimisation by one of `METHODS` on a Gymnasium environment, as a `NaturalTraining`.

    Actions may be discrete (a softmax policy) or vectors (a `GaussianPolicy` that starts with σ = 1). Each of
    `batches` plays `n_episodes` new episodes, takes one step by `natural_step`, of mean KL divergence about
    `delta`, and only then fits V to the batch's returns by `value_steps` steps of least squares with Adam, at
    `learning_rate`. States are weighted by γᵗ in g, in F and in the KL divergence, as d^π has them;
    `discount=False` weighs all alike, and so follows the gradient of no fixed objective, but learns from late
    steps as much as from early ones. `env` is a registered id or an `EnvSpec`, `hidden` the width of the networks'
    one hidden layer, or a tuple of widths. All randomness comes from `seed`, an integer from 0. `progress` is a tqdm
    bar to move on by one a batch.

    Raises
    ------
    ValueError
        An unknown method, gamma outside [0, 1), a delta or learning_rate that is not positive, a damping that
        is negative, a count that is not a positive integer, an env that is not registered, whose observations are
        not vectors or whose actions are neither discrete nor vectors; numbers that are not finite, whether the env
        shows them or the networks come to hold them.
    """
    checks.choice("method", method, METHODS)
    gamma = checks.discount(gamma)
    for name, number in {"delta": delta, "learning_rate": learning_rate}.items():
        checks.positive(name, number)
    damping = checks.number("damping", damping, "[0, ∞)")
    counts = {"batches": batches, "n_episodes": n_episodes, "value_steps": value_steps, "cg_steps": cg_steps}
    for name, count in counts.items():
        checks.count(name, count)
    checks.widths(hidden)
    checks.seed(seed)
    checks.progress_bar(progress)

    rng = np.random.default_rng(seed)
    with made(env, n_episodes) as envs:
        policy = policy_for(envs, hidden, rng)
        value = Scaled(mlp(*envs.single_observation_space.shape, 1, hidden=hidden, rng=rng), 1 / (1 - gamma))
        descent = torch.optim.Adam(value.parameters(), learning_rate)

        mean_returns, steps, divergences = np.empty(batches), np.empty(batches, dtype=int), np.empty(batches)
        for i in range(batches):
            batch = rollout(policy, envs, rng)
            alive = batch.alive
            times = np.broadcast_to(np.arange(alive.shape[1]), alive.shape)[alive]
            weights = gamma**times if discount else np.ones(len(times))
            advantages = step_weights("baseline", batch, gamma, value=value, discount=False)[alive]
            model = local_model(
                policy, batch.observations[alive], batch.actions[alive], advantages, weights=weights / weights.sum()
            )
            step = natural_step(method, model, delta, damping=damping, cg_steps=cg_steps)
            divergences[i] = model.divergence(step)
            move(policy, step)
            fit_value(value, descent, batch, gamma, value_steps)
            check_weights(f"in batch {i}", policy=policy, value=value)
            mean_returns[i], steps[i] = batch.rewards.sum(axis=1).mean(), alive.sum()
            if progress is not None:
                progress.update()
    return NaturalTraining(policy, value, mean_returns, steps.cumsum(), divergences)


def compare_natural(*, methods=METHODS, seeds=range(3), batches=50, keep=None, **settings) -> dict[str, np.ndarray]:
    """The learning curves of `train_natural` for every method and seed, all with the same settings.

    Returns a dictionary from method to (len(seeds), batches) mean returns. The runs are those of a `study`, which says
    where they are made and what `keep` does. Raises `ValueError` where `train_natural` does.
    """
    named = {method: {"method": method} for method in methods}
    batches = checks.count("batches", batches)
    runs = study(train_natural, named, seeds, keep=keep, batches=batches, **settings)
    return {method: np.array([run.mean_returns for run in of_seeds]) for method, of_seeds in runs.items()}
