"""Chapters 1 and 2 with a network: REINFORCE and deep Q-learning on Gymnasium environments.

Chapter 1: REINFORCE, and the variance of its gradient, measured. A batch is N whole episodes, one from each of
N environments run side by side, so that its average is an average over trajectories, as in the derivation: a
batch cut after a fixed number of steps would hold too many short episodes. With G_t the return from step t on,
an episode's gradient is Σ_t w_t ∇log π(a_t|s_t), where

    full           w_t = Σ_k γᵏ r_k              the whole return at every step         (thm-reinforce)
    to-go          w_t = γᵗ G_t                  what came before a_t left out          (thm-reward-to-go)
    baseline       w_t = γᵗ (G_t − V(s_t))       V learned from earlier batches         (thm-baseline)

The factor γᵗ belongs to the gradient of E Σ γᵗ r_t. Much code drops it (`discount=False`), which weighs late
steps as heavily as early ones and follows the gradient of no fixed objective.

An episode that *terminated* has no reward after its last step. One that was *truncated* would have gone on:
where there is a value function, V at its last observation stands for the rest; `full` and `to-go` have none
and count nothing, so their objective ends where the time limit does.

Chapter 2: deep Q-learning. A network Q_w takes the table's place, and what Q-learning does to one entry becomes
a step of descent on the squared TD error of transitions (s, a, r, s') drawn from all that were remembered, D:

    L(w) = E_D[½(y − Q_w(s,a))²],    y = r + γ(1 − terminated) max_a' Q_w⁻(s',a')                  (eq-dqn-loss)

The step is a *semi-gradient*: y is made of Q as well, but no gradient goes through it. The target network w⁻ is
a copy of w that is renewed only now and then. From one copy to the next the network is fitted, by least squares,
to labels y whose mean given (s,a) is (T*Q_w⁻)(s,a), so each copy is an approximate step of value iteration. A
target counts nothing after a termination, and bootstraps at a truncation, where the episode would have gone on.

A policy is any torch module from observations (…, d) to logits (…, A), a value function any from (…, d) to
(…, 1), an action-value function any from (…, d) to (…, A). This is the only module of rlbook that imports torch.
"""

from __future__ import annotations

import copy
import os
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import nn
from torch.func import functional_call, grad, vmap
from tqdm.auto import tqdm

from rlbook.bellman import _check_positive
from rlbook.mdp import _check_count, _check_discount, _is_real
from rlbook.policy_gradient import estimate_moments, returns

VARIANTS = ("full", "to-go", "baseline")


class Episodes(NamedTuple):
    """N whole episodes, padded with zeros to the length T of the longest.

    `observations` is (N, T, d), `actions` and `rewards` are (N, T); `alive` (N, T) tells steps from padding.
    `last_observations` (N, d) is what each episode's last step led to; `terminated` and `truncated` (N,) say
    how it ended.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    alive: np.ndarray
    last_observations: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


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


class Scaled(nn.Module):
    """A network whose output is multiplied by a constant, so that its weights stay of order one."""

    def __init__(self, network, scale):
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, x):
        return self.scale * self.network(x)


@contextmanager
def one_thread():
    """Networks this small are faster on one thread, and their sums then always come in the same order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def mlp(n_in, n_out, *, hidden, rng):
    """A network with one tanh layer, its weights drawn from `rng`; its output starts near zero.

    A policy that starts so chooses every action about equally often.
    """
    network = nn.Sequential(nn.Linear(n_in, hidden), nn.Tanh(), nn.Linear(hidden, n_out))
    with torch.no_grad():
        for layer, size in ((network[0], 1.0), (network[2], 0.01)):
            spread = size / layer.in_features**0.5
            layer.weight.copy_(torch.as_tensor(rng.normal(0, spread, layer.weight.shape)))
            layer.bias.zero_()
    return network


# Episodes ------------------------------------------------------------------------------------------------


@torch.no_grad()
def draw_actions(policy, observations, rng):
    """An action from π(·|s) = softmax(policy(s)) for each of (N, d) observations, (N,)."""
    p = torch.softmax(policy(_tensor(policy, observations)), dim=-1).double().numpy()
    return (rng.random((len(p), 1)) * p.sum(1, keepdims=True) > p.cumsum(1)).sum(1)


def rollout(policy, envs, rng):
    """One whole episode from each of the vector environment's sub-environments, as `Episodes`.

    All are reset, with a seed from `rng`, and stepped until each has finished its first episode. One that is
    done goes on in the background, as Gymnasium's next-step autoreset has it (the step after an end only
    resets: it ignores the action and returns no reward); none of that is recorded, so no step ever joins two
    episodes. Raises `ValueError` if `envs` has another autoreset mode: resetting within the step that ends an
    episode would hide its last observation.
    """
    _check_autoreset(envs)
    observation, _ = envs.reset(seed=int(rng.integers(2**31)))
    alive = np.ones(envs.num_envs, dtype=bool)
    terminated, truncated = np.zeros((2, envs.num_envs), dtype=bool)
    last = observation.copy()
    steps = []
    while alive.any():
        action = draw_actions(policy, observation, rng)
        following, reward, ended, cut, _ = envs.step(action)
        steps.append((observation * alive[:, None], action * alive, reward.astype(float) * alive, alive))
        last[alive] = following[alive]
        terminated |= alive & ended
        truncated |= alive & cut & ~ended
        alive = alive & ~(ended | cut)
        observation = following
    columns = (np.stack(column, axis=1) for column in zip(*steps, strict=True))
    return Episodes(*columns, last, terminated, truncated)


def gae(episodes, values, last_values, gamma, lam):
    """Advantages Â_t = Σ_l (γλ)ˡ δ_{t+l}, δ_t = r_t + γV(s_{t+1}) − V(s_t), as an (N, T) array (prop-gae).

    `values` (N, T) are V(s_t), `last_values` (N,) V at the last observations, counted where the episode was
    truncated and not where it terminated. λ = 1 is G_t − V(s_t), λ = 0 the one-step error δ_t.
    Source: Schulman, Moritz, Levine, Jordan and Abbeel (2016), equations 11–16.
    """
    values = values * episodes.alive
    following = np.zeros(values.shape)
    following[:, :-1] = values[:, 1:]
    following[np.arange(len(values)), episodes.alive.sum(axis=1) - 1] = last_values * episodes.truncated
    return returns(episodes.rewards + gamma * following - values, gamma * lam)


def step_weights(variant, episodes, gamma, *, value=None, discount=True):
    """The weights w_t in Σ_t w_t ∇log π(a_t|s_t), (N, T): see the top of the module for the three variants.

    `value` is used by "baseline" and must not have seen these episodes. `discount=False` drops the factor γᵗ;
    in "full" there is none in front of the return.
    """
    _check_variant(variant)
    if variant == "baseline":
        if value is None:
            raise ValueError("value must be given for the variant 'baseline'")
        weights = gae(episodes, *_values(value, episodes), gamma, 1.0)
    else:
        weights = returns(episodes.rewards, gamma)
    if variant == "full":
        weights = np.broadcast_to(weights[:, :1], weights.shape)
    elif discount:
        weights = weights * gamma ** np.arange(weights.shape[1])
    return weights * episodes.alive


# Training ------------------------------------------------------------------------------------------------


@one_thread()
def train_reinforce(
    variant,
    *,
    seed,
    batches,
    episodes=16,
    gamma=0.99,
    discount=True,
    env="CartPole-v1",
    hidden=32,
    learning_rate=0.02,
    value_steps=10,
    progress=None,
):
    """REINFORCE with Adam on a Gymnasium environment with discrete actions, as a `Training`.

    Each of `batches` plays `episodes` new episodes, takes one step along the mean of their gradients, and
    only then, in the variant "baseline", fits V to the batch's returns by `value_steps` steps of least
    squares. Episodes are thrown away after that, so the V that a gradient uses has never seen that gradient's
    episodes. All randomness comes from `seed`. `progress` is a tqdm bar to move on by one a batch.

    Raises
    ------
    ValueError
        An unknown variant, gamma outside [0, 1), a count that is not a positive integer, an env whose
        observations are not vectors or whose actions not discrete.
    """
    _check_variant(variant)
    _check_discount(gamma)
    counts = {"batches": batches, "episodes": episodes, "hidden": hidden, "value_steps": value_steps}
    for name, count in counts.items():
        _check_count(name, count)

    rng = np.random.default_rng(seed)
    envs = gym.make_vec(env, num_envs=episodes)
    n_in, n_actions = _sizes(envs)
    policy = mlp(n_in, n_actions, hidden=hidden, rng=rng)
    ascent = torch.optim.Adam(policy.parameters(), learning_rate, maximize=True)
    value = None
    if variant == "baseline":
        value = Scaled(mlp(n_in, 1, hidden=hidden, rng=rng), 1 / (1 - gamma))
        descent = torch.optim.Adam(value.parameters(), learning_rate)

    mean_returns, steps = np.empty(batches), np.empty(batches, dtype=int)
    for i in range(batches):
        batch = rollout(policy, envs, rng)
        weights = step_weights(variant, batch, gamma, value=value, discount=discount)
        ascend(policy, ascent, batch, weights)
        if value is not None:
            fit_value(value, descent, batch, gamma, value_steps)
        mean_returns[i], steps[i] = batch.rewards.sum(axis=1).mean(), batch.alive.sum()
        if progress is not None:
            progress.update()
    envs.close()
    return Training(policy, value, mean_returns, steps.cumsum())


def ascend(policy, optimiser, episodes, weights):
    """One step of the optimiser along the mean gradient (1/N) Σ_i Σ_t w_it ∇log π(a_it|s_it)."""
    alive = episodes.alive
    logits = policy(_tensor(policy, episodes.observations[alive]))
    actions = torch.as_tensor(episodes.actions[alive])
    log_pi = torch.log_softmax(logits, dim=-1).gather(1, actions[:, None])[:, 0]
    surrogate = (_tensor(policy, weights[alive]) * log_pi).sum() / len(alive)
    optimiser.zero_grad()
    surrogate.backward()
    optimiser.step()


def fit_value(value, optimiser, episodes, gamma, n_steps):
    """Least squares of V on the episodes' returns; a truncated episode's return ends in the V of before."""
    values, last_values = _values(value, episodes)
    targets = gae(episodes, values, last_values, gamma, 1.0) + values
    alive = episodes.alive
    observations, targets = _tensor(value, episodes.observations[alive]), _tensor(value, targets[alive])
    scale = 1 / (1 - gamma)
    for _ in range(n_steps):
        loss = (((value(observations)[:, 0] - targets) / scale) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def compare_reinforce(*, variants=VARIANTS, seeds=range(3), batches=50, **settings):
    """The learning curves of `train_reinforce` for every variant and seed, all with the same settings.

    Returns a dictionary from variant to (len(seeds), batches) mean returns.
    """
    total = len(variants) * len(seeds) * batches
    with _progress_bar(total) as bar:
        train = partial(train_reinforce, batches=batches, progress=bar, **settings)
        return {v: np.array([train(v, seed=seed).mean_returns for seed in seeds]) for v in variants}


# Variance ------------------------------------------------------------------------------------------------


@one_thread()
def episode_gradients(policy, episodes, weights):
    """Each episode's gradient Σ_t w_t ∇log π(a_t|s_t), (N, n), n the number of the policy's parameters."""
    parameters = {name: p.detach() for name, p in policy.named_parameters()}

    def surrogate(parameters, observations, actions, weights):
        log_pi = torch.log_softmax(functional_call(policy, parameters, (observations,)), dim=-1)
        return (weights * log_pi.gather(1, actions[:, None])[:, 0]).sum()

    per_episode = vmap(grad(surrogate), in_dims=(None, 0, 0, 0), chunk_size=64)(
        parameters,
        _tensor(policy, episodes.observations),
        torch.as_tensor(episodes.actions),
        _tensor(policy, weights),
    )
    return torch.cat([g.flatten(1) for g in per_episode.values()], dim=1).double().numpy()


def measure_gradient_variance(policy, value, *, seed, episodes=256, gamma=0.99, env="CartPole-v1"):
    """Mean and total variance of every estimator at one policy, from the same episodes: `GradientVariance`.

    The estimators are the three variants and "baseline, no γᵗ", whose mean is another vector. `value` is the
    baseline; it was fitted before, so it has not seen these episodes.

    Raises `ValueError` for gamma outside [0, 1), or fewer than 2 episodes.
    """
    _check_discount(gamma)
    if _check_count("episodes", episodes) < 2:
        raise ValueError("episodes must be at least 2 for a variance, got 1")
    envs = gym.make_vec(env, num_envs=episodes)
    batch = rollout(policy, envs, np.random.default_rng(seed))
    envs.close()
    weights = {name: step_weights(name, batch, gamma, value=value) for name in VARIANTS}
    weights["baseline, no γᵗ"] = step_weights("baseline", batch, gamma, value=value, discount=False)
    g = np.array([episode_gradients(policy, batch, w) for w in weights.values()])  # (E, N, n)

    mean = g.mean(axis=1)
    moments = [estimate_moments(samples) for samples in g]
    apart = g - g[VARIANTS.index("baseline")]
    chance = (apart.var(axis=1, ddof=1).sum(axis=1) / episodes) ** 0.5
    distance = np.linalg.norm(apart.mean(axis=1), axis=1)
    return GradientVariance(
        names=tuple(weights),
        total=np.array([m.variance for m in moments]),
        standard_error=np.array([m.variance_error for m in moments]),
        mean=mean,
        bias=np.divide(distance, chance, out=np.zeros(len(g)), where=chance > 0),
    )


# Deep Q-learning -----------------------------------------------------------------------------------------


class Transitions(NamedTuple):
    """n transitions (s, a, r, s'): observations before and after are (n, d), the others (n,).

    `terminated` says that s' ended its episode. That a time limit cut it there changes nothing about s', so
    truncations are not kept.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    next_observations: np.ndarray
    terminated: np.ndarray


class DeepQ(NamedTuple):
    """A trained `network`, and (K,) measurements, one entry an evaluation.

    `updates` and `steps` count the gradient steps and the environment steps until then. Each evaluation plays
    whole episodes by the greedy policy, without exploration (by π_α, where the training was soft):
    `mean_returns` and `discounted_returns` are their mean returns, without and with γ, and `predictions` is the
    mean of max_a Q(s₀,a) at their first observations (of lse_α Q(s₀,·), which counts entropy as well), so what
    the network promised for what it then earned.
    """

    network: nn.Module
    updates: np.ndarray
    steps: np.ndarray
    mean_returns: np.ndarray
    discounted_returns: np.ndarray
    predictions: np.ndarray


class Replay:
    """The last `capacity` transitions, from which samples are drawn uniformly, with replacement."""

    def __init__(self, capacity):
        self.capacity, self.added, self.columns = capacity, 0, None

    def __len__(self):
        return min(self.added, self.capacity)

    def add(self, transitions):
        """Remember (n, …) transitions, in place of the oldest where there is no room."""
        if self.columns is None:
            self.columns = Transitions(*(np.empty((self.capacity, *x.shape[1:]), x.dtype) for x in transitions))
        slots = (self.added + np.arange(len(transitions.actions))) % self.capacity
        for column, new in zip(self.columns, transitions, strict=True):
            column[slots] = new
        self.added += len(slots)

    def sample(self, n, rng):
        """n transitions, each any of the remembered ones with equal probability."""
        chosen = rng.integers(len(self), size=n)
        return Transitions(*(column[chosen] for column in self.columns))


def interact(envs, choose, rng):
    """Steps every sub-environment for ever, and yields each time the `Transitions` that were made.

    `choose` maps (N, d) observations to (N,) actions. In the step after an end Gymnasium's next-step autoreset
    ignores the action and only resets: that is no transition, as it would join two episodes, so it is left out.
    Raises `ValueError` if `envs` has another autoreset mode.
    """
    _check_autoreset(envs)
    observation, _ = envs.reset(seed=int(rng.integers(2**31)))
    ended = np.zeros(envs.num_envs, dtype=bool)
    while True:
        action = choose(observation)
        following, reward, terminated, truncated, _ = envs.step(action)
        made = ~ended
        yield Transitions(*(x[made] for x in (observation, action, reward, following, terminated)))
        observation, ended = following, terminated | truncated


def state_value(Q, alpha=None):
    """max_a Q(s,a) of an (n, A) tensor, or, with a temperature, lse_α Q(s,·) = α log Σ_a exp(Q(s,a)/α), (n,)."""
    return Q.amax(dim=1) if alpha is None else alpha * torch.logsumexp(Q / alpha, dim=1)


def td_target(network, transitions, gamma, *, alpha=None):
    """y = r + γ(1 − terminated) max_a' Q(s',a') (eq-dqn-loss), with lse_α for max where alpha is given, (n,)."""
    following = state_value(network(_tensor(network, transitions.next_observations)), alpha)
    terminated = _tensor(network, transitions.terminated)
    return _tensor(network, transitions.rewards) + gamma * (1 - terminated) * following


def td_loss(network, target_network, transitions, gamma, *, alpha=None, residual=False):
    """The mean of ½(y − Q(s,a))² over the transitions (eq-dqn-loss), its y from the target network.

    Its gradient is the semi-gradient −E[(y − Q(s,a)) ∇Q(s,a)]: y is detached, a number like any other label of
    a regression. With `residual`, and the network as its own target network, y is differentiated too, which
    adds E[(y − Q(s,a)) ∇y]: the true gradient of this loss. But where s' is random the loss itself is biased
    (one s' stands in both factors of the square), and its minimum is not Q*.
    Source: Mnih et al. (2015), algorithm 1; for `residual`, Baird (1995).
    """
    y = td_target(target_network, transitions, gamma, alpha=alpha)
    if not residual:
        y = y.detach()
    Q = network(_tensor(network, transitions.observations))
    Q = Q.gather(1, torch.as_tensor(transitions.actions)[:, None])[:, 0]
    return 0.5 * ((y - Q) ** 2).mean()


@one_thread()
def train_deep_q(
    *,
    seed,
    updates=1200,
    target_every=25,
    gamma=0.99,
    alpha=None,
    residual=False,
    env="CartPole-v1",
    environments=16,
    hidden=64,
    learning_rate=0.003,
    batch=128,
    capacity=50_000,
    warm_up=1000,
    epsilon=0.05,
    evaluate_every=150,
    progress=None,
):
    """Deep Q-learning with Adam on a Gymnasium environment with discrete actions, as a `DeepQ`.

    Until `warm_up` transitions are remembered all actions are random. From then on each of `updates` makes one
    step in each of the `environments`, remembers it, and descends once along the semi-gradient at `batch`
    remembered transitions. After every `target_every` updates the target network becomes a copy of the network;
    with 1 there is in effect none. Actions are greedy but for a share of random ones, which falls from 1 to
    `epsilon` in the first half.

    A temperature `alpha`, in units of reward, makes the learning soft: the target has lse_α for the max, and
    actions are drawn from π_α(a|s) ∝ exp(Q(s,a)/α). `residual` follows the true gradient in place of the
    semi-gradient, without a target network. All randomness comes from `seed`. `progress` is a tqdm bar to move
    on by one an evaluation.

    Raises
    ------
    ValueError
        gamma outside [0, 1), epsilon outside [0, 1], a learning_rate or alpha that is not positive, a count
        that is not a positive integer, an evaluate_every above updates, a warm_up above capacity, an env
        whose observations are not vectors or whose actions not discrete.
    """
    _check_discount(gamma)
    _check_positive("learning_rate", learning_rate)
    if alpha is not None:
        _check_positive("alpha", alpha)
    if not _is_real(epsilon) or not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon must be a number in [0, 1], got {epsilon!r}")
    counts = {"updates": updates, "target_every": target_every, "environments": environments, "hidden": hidden}
    counts |= {"batch": batch, "capacity": capacity, "warm_up": warm_up, "evaluate_every": evaluate_every}
    for name, count in counts.items():
        _check_count(name, count)
    if evaluate_every > updates:
        raise ValueError(f"evaluate_every must be at most updates, {updates}, got {evaluate_every}")
    if warm_up > capacity:
        raise ValueError(f"warm_up must be at most capacity, {capacity}, got {warm_up}")

    rng, judge = np.random.default_rng(seed).spawn(2)  # so that evaluations leave the training as it is
    envs, trials = gym.make_vec(env, num_envs=environments), gym.make_vec(env, num_envs=20)
    n_in, n_actions = _sizes(envs)
    network = mlp(n_in, n_actions, hidden=hidden, rng=rng)
    target_network = network if residual else copy.deepcopy(network).requires_grad_(False)
    descent = torch.optim.Adam(network.parameters(), learning_rate, fused=True)
    policy = Scaled(network, 1e9 if alpha is None else 1 / alpha)  # softmax of so large a multiple is greedy
    share = 1.0

    def choose(observations):
        at_random = rng.random(environments) < share
        return np.where(at_random, rng.integers(n_actions, size=environments), draw_actions(policy, observations, rng))

    memory, stream, measured = Replay(capacity), interact(envs, choose, rng), []
    while len(memory) < warm_up:
        memory.add(next(stream))
    for update in range(1, updates + 1):
        share = max(epsilon, 1 - 2 * update / updates) if alpha is None else 0.0
        memory.add(next(stream))
        loss = td_loss(network, target_network, memory.sample(batch, rng), gamma, alpha=alpha, residual=residual)
        descent.zero_grad()
        loss.backward()
        descent.step()
        if update % target_every == 0:
            target_network.load_state_dict(network.state_dict())
        if update % evaluate_every == 0:
            measured.append((update, memory.added, *_evaluate_q(network, policy, trials, gamma, alpha, judge)))
            if progress is not None:
                progress.update()
    envs.close()
    trials.close()
    return DeepQ(network, *(np.array(column) for column in zip(*measured, strict=True)))


DEEP_Q_VARIANTS = {
    "target network": {},
    "no target network": {"target_every": 1},
    "soft": {"alpha": 0.1},
}


def compare_deep_q(*, variants=DEEP_Q_VARIANTS, seeds=range(3), updates=1200, evaluate_every=150, **settings):
    """The runs of `train_deep_q` for every variant and seed, with the same settings but for the variant's own.

    `variants` maps a name to arguments of `train_deep_q`. Returns a dictionary from name to a list of `DeepQ`,
    one a seed. Raises `ValueError` where `train_deep_q` does.
    """
    _check_count("updates", updates)
    _check_count("evaluate_every", evaluate_every)
    settings = settings | {"updates": updates, "evaluate_every": evaluate_every}
    with _progress_bar(len(variants) * len(seeds) * (updates // evaluate_every)) as bar:
        return {
            name: [train_deep_q(seed=seed, progress=bar, **(settings | own)) for seed in seeds]
            for name, own in variants.items()
        }


# Helpers -------------------------------------------------------------------------------------------------


def _tensor(module, array):
    return torch.as_tensor(array, dtype=next(module.parameters()).dtype)


@torch.no_grad()
def _values(value, episodes):
    """V(s_t), (N, T), and V at the last observations, (N,)."""
    return tuple(
        value(_tensor(value, x))[..., 0].double().numpy() for x in (episodes.observations, episodes.last_observations)
    )


def _check_variant(variant):
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {variant!r}")


def _sizes(envs):
    """d and A of an environment that shows vectors of d numbers and takes one of A actions."""
    shown, actions = envs.single_observation_space, envs.single_action_space
    if len(shown.shape or ()) != 1 or not isinstance(actions, gym.spaces.Discrete):
        raise ValueError(f"env must show vectors and take discrete actions, got {shown} and {actions}")
    return shown.shape[0], int(actions.n)


def _check_autoreset(envs):
    mode = envs.metadata.get("autoreset_mode")
    if mode != AutoresetMode.NEXT_STEP:
        raise ValueError(f"envs must reset on the next step, got {mode}")


@torch.no_grad()
def _evaluate_q(network, policy, envs, gamma, alpha, rng):
    """Mean return, mean discounted return and mean predicted value of the policy's episodes, one an environment."""
    episodes = rollout(policy, envs, rng)
    predicted = state_value(network(_tensor(network, episodes.observations[:, 0])), alpha)
    discounted = returns(episodes.rewards, gamma)[:, 0]
    return episodes.rewards.sum(axis=1).mean(), discounted.mean(), predicted.mean().item()


def _progress_bar(total):
    quiet = "TQDM_DISABLE" in os.environ  # set where pages are built; tqdm's notebook bar does not heed it itself
    return tqdm(total=total, leave=False, disable=quiet)
