"""Chapter 1 with a network: REINFORCE, and the variance of its gradient, measured.

A batch is N whole episodes, one from each of N environments run side by side, so that its average is an average
over trajectories, as in the derivation: a batch cut after a fixed number of steps would hold too many short
episodes. With G_t the return from step t on, an episode's gradient is Σ_t w_t ∇log π(a_t|s_t), where

    full           w_t = Σ_k γᵏ r_k              the whole return at every step         (thm-reinforce)
    to-go          w_t = γᵗ G_t                  what came before a_t left out          (thm-reward-to-go)
    baseline       w_t = γᵗ (G_t − V(s_t))       V learned from earlier batches         (thm-baseline)

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
from torch import nn
from torch.func import functional_call, grad, vmap

from rlbook import checks
from rlbook.neural.environments import made, sizes
from rlbook.neural.episodes import check_episodes, rollout
from rlbook.neural.networks import Scaled, check_weights, mlp, one_thread, tensor, values_at
from rlbook.policy_gradient import estimate_moments, returns
from rlbook.studies import study

VARIANTS = ("full", "to-go", "baseline")


class Training(NamedTuple):
    """A trained `policy`, its `value` function (None without baseline), and (batches,) learning curves.

    `mean_returns` is the mean undiscounted return of each batch, `steps` the number of environment steps
    taken up to its end.
    """

    policy: nn.Module
    value: nn.Module | None
    mean_returns: np.ndarray
    steps: np.ndarray


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
        table = (f"{name:17s} {total:12.0f} ± {error:<10.0f} {bias:10.1f}" for name, total, error, bias in rows)
        return "\n".join([f"{'':17s} {'total variance':>18s}   {'mean, from baseline’s':>17s}", *table])


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


def step_weights(variant, episodes, gamma, *, value=None, discount=True) -> np.ndarray:
    """The weights w_t in Σ_t w_t ∇log π(a_t|s_t), (N, T): see the top of the module for the three variants.

    `value` is used by "baseline" and must not have seen these episodes. `discount=False` drops the factor γᵗ;
    in "full" there is none in front of the return.
    """
    checks.choice("variant", variant, VARIANTS)
    gamma, discount = checks.discount(gamma), checks.flag("discount", discount)
    check_episodes(episodes)
    if value is not None:
        checks.module("value", value)
    if variant == "baseline":
        if value is None:
            raise ValueError("value must be given for the variant 'baseline'")
        weights = gae(episodes, *values_at(value, episodes.observations, episodes.last_observations), gamma, 1.0)
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
    discount=True,
    env="CartPole-v1",
    hidden=32,
    learning_rate=0.02,
    value_steps=10,
    progress=None,
) -> Training:
    """REINFORCE with Adam on a Gymnasium environment with discrete actions, as a `Training`.

    Each of `batches` plays `n_episodes` new episodes, takes one step along the mean of their gradients, and
    only then, in the variant "baseline", fits V to the batch's returns by `value_steps` steps of least
    squares. Episodes are thrown away after that, so the V that a gradient uses has never seen that gradient's
    episodes. `env` is a registered id or an `EnvSpec`, `hidden` the width of the networks' one hidden layer, or a
    tuple of widths. All randomness comes from `seed`, an integer from 0. `progress` is a tqdm bar to move on by
    one a batch.

    Raises
    ------
    ValueError
        An unknown variant, gamma outside [0, 1), a learning_rate that is not positive, a count that is not a
        positive integer, an env that is not registered, whose observations are not vectors or whose actions not
        discrete; numbers that are not finite, whether the env shows them or the networks come to hold them.
    """
    checks.choice("variant", variant, VARIANTS)
    gamma = checks.discount(gamma)
    learning_rate = checks.positive("learning_rate", learning_rate)
    for name, count in {"batches": batches, "n_episodes": n_episodes, "value_steps": value_steps}.items():
        checks.count(name, count)
    checks.widths(hidden)
    checks.seed(seed)
    checks.progress_bar(progress)

    rng = np.random.default_rng(seed)
    with made(env, n_episodes) as envs:
        n_in, n_actions = sizes(envs, ["discrete"])
        policy = mlp(n_in, n_actions, hidden=hidden, rng=rng)
        ascent = torch.optim.Adam(policy.parameters(), learning_rate, maximize=True)
        learned, value = {"policy": policy}, None
        if variant == "baseline":
            value = learned["value"] = Scaled(mlp(n_in, 1, hidden=hidden, rng=rng), 1 / (1 - gamma))
            descent = torch.optim.Adam(value.parameters(), learning_rate)

        mean_returns, steps = np.empty(batches), np.empty(batches, dtype=int)
        for i in range(batches):
            batch = rollout(policy, envs, rng)
            weights = step_weights(variant, batch, gamma, value=value, discount=discount)
            ascend(policy, ascent, batch, weights)
            if value is not None:
                fit_value(value, descent, batch, gamma, value_steps)
            check_weights(f"in batch {i}", **learned)
            mean_returns[i], steps[i] = batch.rewards.sum(axis=1).mean(), batch.alive.sum()
            if progress is not None:
                progress.update()
    return Training(policy, value, mean_returns, steps.cumsum())


def ascend(policy, optimiser, episodes, weights) -> None:
    """One step of the optimiser along the mean gradient (1/N) Σ_i Σ_t w_it ∇log π(a_it|s_it)."""
    alive = check_episodes(episodes).alive
    weights = checks.array("weights", weights, alive.shape, note=" as the episodes have")
    logits = policy(tensor(policy, episodes.observations[alive]))
    actions = _taken(episodes.actions[alive], logits.shape[-1])
    log_pi = torch.log_softmax(logits, dim=-1).gather(1, actions[:, None])[:, 0]
    surrogate = (tensor(policy, weights[alive]) * log_pi).sum() / len(alive)
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


def compare_reinforce(*, variants=VARIANTS, seeds=range(3), batches=50, keep=None, **settings) -> dict[str, np.ndarray]:
    """The learning curves of `train_reinforce` for every variant and seed, all with the same settings.

    Returns a dictionary from variant to (len(seeds), batches) mean returns. The runs are those of a `study`, which
    says where they are made and what `keep` does. Raises `ValueError` where `train_reinforce` does.
    """
    named = {variant: {"variant": variant} for variant in variants}
    batches = checks.count("batches", batches)
    runs = study(train_reinforce, named, seeds, keep=keep, batches=batches, **settings)
    return {variant: np.array([run.mean_returns for run in of_seeds]) for variant, of_seeds in runs.items()}


# Variance -----------------------------------------------------------------------------------------------


@one_thread()
def episode_gradients(policy, episodes, weights) -> np.ndarray:
    """Each episode's gradient Σ_t w_t ∇log π(a_t|s_t), (N, n), n the number of the policy's parameters."""
    checks.module("policy", policy)
    weights = checks.array("weights", weights, check_episodes(episodes).alive.shape, note=" as the episodes have")
    parameters = {name: p.detach() for name, p in policy.named_parameters()}

    def surrogate(parameters, observations, actions, weights):
        log_pi = torch.log_softmax(functional_call(policy, parameters, (observations,)), dim=-1)
        return (weights * log_pi.gather(1, actions[:, None])[:, 0]).sum()

    per_episode = vmap(grad(surrogate), in_dims=(None, 0, 0, 0), chunk_size=64)(
        parameters,
        tensor(policy, episodes.observations),
        _taken(episodes.actions, policy(tensor(policy, episodes.observations[:1, :1])).shape[-1]),
        tensor(policy, weights),
    )
    return torch.cat([g.flatten(1) for g in per_episode.values()], dim=1).double().numpy()


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
    if checks.count("n_episodes", n_episodes) < 2:
        raise ValueError("n_episodes must be at least 2 for a variance, got 1")
    checks.seed(seed)
    checks.module("policy", policy)
    checks.module("value", value)
    with made(env, n_episodes) as envs:
        sizes(envs, ["discrete"])
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


# Helpers ------------------------------------------------------------------------------------------------


def _taken(actions, n_actions):
    """The numbers of the actions that episodes took, as a tensor."""
    return torch.as_tensor(checks.integers("episodes.actions", actions, below=n_actions, what="actions"))
