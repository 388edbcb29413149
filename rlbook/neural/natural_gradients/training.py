"""On real environments: training by the gradient, by the natural gradient, within a trust region, and by PPO."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rlbook import checks
from rlbook.neural.environments import made, policy_for, value_for
from rlbook.neural.episodes import rollout
from rlbook.neural.natural_gradients.trust_region import METHODS, clipped_ascent, local_model, natural_step
from rlbook.neural.networks import move, one_thread
from rlbook.neural.policy_gradient import fit_value, step_weights
from rlbook.neural.training import Run, Training
from rlbook.studies import study


@dataclass(frozen=True, eq=False, repr=False)
class NaturalTraining(Training):
    """A `Training` with `divergences` (batches,), the mean KL divergences from the policy before a batch's step to that
    after it.
    """

    divergences: np.ndarray


class PPOTraining(NaturalTraining):
    """A `NaturalTraining` of `train_ppo`."""


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
    lam=1.0,
    discount=True,
    env="CartPole-v1",
    hidden=32,
    sigma=1.0,
    entropy=0.0,
    learning_rate=0.02,
    value_steps=10,
    progress=None,
) -> NaturalTraining:
    """Policy optimisation by one of `METHODS`, on numbered actions or vectors, as a `NaturalTraining`.

    Each of `batches` plays `n_episodes` new episodes, takes one step by `natural_step`, of mean KL divergence about
    `delta`, and only then fits V to the batch's returns, with Adam at `learning_rate`. States are weighted by γᵗ in g,
    in F and in the KL divergence, as d^π has them; `discount=False` weighs all alike, and so follows the gradient of no
    fixed objective, but learns from late steps as much as from early ones. `Training` says what the
    settings are.

    Raises `ValueError` for an unknown method, another setting that cannot be, or numbers that are not finite.
    """
    checks.choice("method", method, METHODS)
    run = Run(**locals())

    def start(policy):
        def improve(steps, weights):
            model = local_model(policy, *steps, weights=weights, entropy=run.entropy)
            step = natural_step(method, model, run.delta, damping=run.damping, cg_steps=run.cg_steps)
            divergence = model.divergence(step)
            move(policy, step)
            return divergence

        return improve

    return _train(run, start, NaturalTraining)


@one_thread()
def train_ppo(
    *,
    seed,
    batches,
    n_episodes=16,
    clip=0.2,
    epochs=10,
    batch_size=256,
    gamma=0.99,
    lam=1.0,
    discount=True,
    env="CartPole-v1",
    hidden=32,
    sigma=1.0,
    entropy=0.0,
    learning_rate=0.003,
    value_steps=40,
    progress=None,
) -> PPOTraining:
    """PPO, on numbered actions or vectors, as a `PPOTraining`.

    As `train_natural`, but for the policy's step: `epochs` times through the batch, it ascends eq-ppo with Adam at
    `learning_rate`, by `batch_size` of the batch's steps at a time, ratios clipped at 1 ± `clip`. Nothing holds its
    divergence. `Training` says what the settings are.
    Source: Schulman, Wolski, Dhariwal, Radford and Klimov (2017), algorithm 1, with V fitted apart.

    Raises `ValueError` for a setting that cannot be, or numbers that are not finite.
    """
    run = Run(**locals())

    def start(policy):
        ascent = torch.optim.Adam(policy.parameters(), run.learning_rate, maximize=True)
        settings = {name: getattr(run, name) for name in ("clip", "epochs", "batch_size", "entropy")}
        return lambda steps, weights: clipped_ascent(policy, ascent, *steps, run.rng, weights=weights, **settings)

    return _train(run, start, PPOTraining)


def _train(run, start, kind):
    """A method's run: `start(policy)` gives the function that makes its step on a batch and returns the divergence."""
    with made(run.env, run.n_episodes) as envs:
        policy = policy_for(envs, run.hidden, run.rng, sigma=run.sigma)
        value = value_for(envs, run.hidden, run.rng, run.gamma)
        improve, descent = start(policy), torch.optim.Adam(value.parameters(), run.learning_rate)
        for _ in range(run.batches):
            batch = rollout(policy, envs, run.rng)
            alive = batch.alive
            times = np.broadcast_to(np.arange(alive.shape[1]), alive.shape)[alive]
            weights = run.gamma**times if run.discount else np.ones(len(times))
            advantages = step_weights("baseline", batch, run.gamma, value=value, discount=False, lam=run.lam)
            steps = (batch.observations[alive], batch.actions[alive], advantages[alive])
            divergence = improve(steps, weights / weights.sum())
            fit_value(value, descent, batch, run.gamma, run.value_steps)
            run.note_batch(batch, {"policy": policy, "value": value}, divergences=divergence)
    return run.result(kind, policy, value)


def compare_natural(
    *, methods=METHODS, seeds=range(3), batches=50, keep=None, **settings
) -> dict[str, list[NaturalTraining]]:
    """The runs of `train_natural` for every method and seed, all with the same settings.

    Returns a dictionary from method to a list of `NaturalTraining`, one a seed. The runs are those of a `study`, which
    says where they are made and what `keep` does. Raises `ValueError` where `train_natural` does.
    """
    named = {method: {"method": method} for method in methods}
    return study(train_natural, named, seeds, keep=keep, batches=checks.count("batches", batches), **settings)
