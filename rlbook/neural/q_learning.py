"""Chapter 2 with a network: deep Q-learning.

A network Q_w takes the table's place, and what Q-learning does to one entry becomes a step of descent on the
squared TD error of transitions (s, a, r, s') drawn from all that were remembered, D:

    L(w) = E_D[½(y − Q_w(s,a))²],    y = r + γ(1 − terminated) max_a' Q_w⁻(s',a')                  (eq-dqn-loss)

The step is a *semi-gradient*: y is made of Q as well, but no gradient goes through it. The target network w⁻ is
a copy of w that is renewed only now and then. From one copy to the next the network is fitted, by least squares,
to labels y whose mean given (s,a) is (T*Q_w⁻)(s,a), so each copy is an approximate step of value iteration. A
target counts nothing after a termination, and bootstraps at a truncation, where the episode would have gone on.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from rlbook import checks
from rlbook.neural.environments import check_envs, check_shown, made, played, sizes
from rlbook.neural.episodes import draw_actions, rollout
from rlbook.neural.networks import Scaled, check_tensor, check_weights, mlp, one_thread, tensor
from rlbook.neural.training import Run, Training
from rlbook.policy_gradient import returns
from rlbook.studies import study

# Transitions --------------------------------------------------------------------------------------------


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


def check_transitions(transitions) -> Transitions:
    """`transitions`, if they are `Transitions` of finite numbers that fit each other."""
    before = checks.instance("transitions", transitions, Transitions).observations
    n, d = checks.array("transitions.observations", before, ("n", "d"), copy=False).shape
    checks.array("transitions.next_observations", transitions.next_observations, (n, d), copy=False)
    checks.array("transitions.rewards", transitions.rewards, (n,), copy=False)
    return transitions


class Replay:
    """The last `capacity` transitions, from which samples are drawn uniformly, with replacement."""

    def __init__(self, capacity):
        checks.count("capacity", capacity)
        self.capacity, self.added, self.columns = capacity, 0, None

    def __len__(self):
        return min(self.added, self.capacity)

    def add(self, transitions) -> None:
        """Remember (n, …) transitions, in place of the oldest where there is no room.

        Raises `ValueError` for anything but `Transitions`.
        """
        checks.instance("transitions", transitions, Transitions)
        if len(transitions.rewards):  # where all environments have just begun anew there is none
            check_transitions(transitions)
        if self.columns is None:
            self.columns = Transitions(*(np.empty((self.capacity, *x.shape[1:]), x.dtype) for x in transitions))
        slots = (self.added + np.arange(len(transitions.actions))) % self.capacity
        for column, new in zip(self.columns, transitions, strict=True):
            column[slots] = new
        self.added += len(slots)

    def sample(self, n, rng) -> Transitions:
        """n transitions, each any of the remembered ones with equal probability.

        Raises `ValueError` where none is remembered, or for an `rng` that is no `numpy.random.Generator`.
        """
        checks.generator(rng)
        n = checks.count("n", n)
        if not len(self):
            raise ValueError("the memory must hold at least one transition to draw from, got an empty one")
        chosen = rng.integers(len(self), size=n)
        return Transitions(*(column[chosen] for column in self.columns))


def interact(envs, choose, rng) -> Iterator[Transitions]:
    """Steps every sub-environment for ever, and yields each time the `Transitions` that were made.

    `choose` maps (N, d) observations to (N,) actions, numbers from 0; they are remembered as they were chosen, and
    the environment gets them as `rollout` gives them. In the step after an end Gymnasium's next-step autoreset
    ignores the action and only resets: that is no transition, as it would join two episodes, so it is left out.
    Raises `ValueError` if `envs` has another autoreset mode or no such spaces, for actions that are none, and for
    observations or rewards that are not finite.
    """
    check_envs(envs)
    sizes(envs)
    checks.generator(rng)
    observation, _ = envs.reset(seed=int(rng.integers(2**31)))
    begun, steps = np.ones(envs.num_envs, dtype=bool), 0
    check_shown(steps, begun, observation)
    while True:
        action = np.asarray(choose(observation))
        before = observation.copy()  # a step may fill the same array anew
        following, reward, terminated, truncated, _ = envs.step(played(envs, action))
        steps += 1
        check_shown(steps, begun, following, reward)
        yield Transitions(*(x[begun] for x in (before, action, reward, following, terminated)))
        observation, begun = following, ~(terminated | truncated)


# Loss ---------------------------------------------------------------------------------------------------


def state_value(Q, alpha=None) -> torch.Tensor:
    """max_a Q(s,a) of an (n, A) tensor, or, with a temperature, lse_α Q(s,·) = α log Σ_a exp(Q(s,a)/α), (n,)."""
    check_tensor("Q", Q, ("n", "A"))
    alpha = None if alpha is None else checks.positive("alpha", alpha)
    return Q.amax(dim=1) if alpha is None else alpha * torch.logsumexp(Q / alpha, dim=1)


def td_target(network, transitions, gamma, *, alpha=None) -> torch.Tensor:
    """y = r + γ(1 − terminated) max_a' Q(s',a') (eq-dqn-loss), with lse_α for max where alpha is given, (n,)."""
    check_transitions(transitions)
    gamma, network = checks.number("gamma", gamma, "[0, 1]"), checks.module("network", network)
    following = state_value(network(tensor(network, transitions.next_observations)), alpha)
    terminated = tensor(network, transitions.terminated)
    return tensor(network, transitions.rewards) + gamma * (1 - terminated) * following


def td_loss(network, target_network, transitions, gamma, *, alpha=None, residual=False) -> torch.Tensor:
    """The mean of ½(y − Q(s,a))² over the transitions (eq-dqn-loss), its y from the target network.

    Its gradient is the semi-gradient −E[(y − Q(s,a)) ∇Q(s,a)]: y is detached, a number like any other label of
    a regression. With `residual`, and the network as its own target network, y is differentiated too, which
    adds E[(y − Q(s,a)) ∇y]: the true gradient of this loss. But where s' is random the loss itself is biased
    (one s' stands in both factors of the square), and its minimum is not Q*.
    Source: Mnih et al. (2015), algorithm 1; for `residual`, Baird (1995).
    """
    residual = checks.flag("residual", residual)
    checks.module("network", network)
    checks.module("target_network", target_network)
    y = td_target(target_network, transitions, gamma, alpha=alpha)
    if not residual:
        y = y.detach()
    Q = network(tensor(network, transitions.observations))
    taken = ("transitions.actions", transitions.actions, Q.shape[:1])
    actions = torch.as_tensor(checks.integers(*taken, below=Q.shape[1], what="actions", copy=False))
    Q = Q.gather(1, actions[:, None])[:, 0]
    return 0.5 * ((y - Q) ** 2).mean()


# Training -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class DeepQ(Training):
    """A `Training` whose curves (K,) have one entry an evaluation, with the `network` for Q; it has no other `value`.

    `updates` and `steps` count the gradient steps and the environment steps until then. Each evaluation plays
    whole episodes by the `policy`, which is greedy, without exploration (π_α, where the training was soft):
    `mean_returns` and `discounted_returns` are their mean returns, without and with γ, and `predictions` is the
    mean of max_a Q(s₀,a) at their first observations (of lse_α Q(s₀,·), which counts entropy as well), so what
    the network promised for what it then earned.
    """

    network: nn.Module
    updates: np.ndarray
    discounted_returns: np.ndarray
    predictions: np.ndarray


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
    batch_size=128,
    capacity=50_000,
    warm_up=1000,
    epsilon=0.05,
    evaluate_every=150,
    progress=None,
) -> DeepQ:
    """Deep Q-learning with Adam, on numbered actions, as a `DeepQ`.

    Until `warm_up` transitions are remembered all actions are random. From then on each of `updates` makes one
    step in each of the `environments`, remembers it, and descends once along the semi-gradient at `batch_size`
    remembered transitions. After every `target_every` updates the target network becomes a copy of the network;
    with 1 there is in effect none. Actions are greedy but for a share of random ones, which falls from 1 to
    `epsilon` in the first half.

    A temperature `alpha`, in units of reward, makes the learning soft: the target has lse_α for the max, and
    actions are drawn from π_α(a|s) ∝ exp(Q(s,a)/α). `residual` follows the true gradient in place of the
    semi-gradient, without a target network. `Training` says what the other settings are; the bar is
    moved on by one an evaluation.

    Raises `ValueError` for an evaluate_every above updates, a warm_up above capacity, another setting that cannot be,
    or numbers that are not finite.
    """
    run = Run(**locals())
    if run.evaluate_every > run.updates:
        raise ValueError(f"evaluate_every must be at most updates, {run.updates}, got {run.evaluate_every}")
    if run.warm_up > run.capacity:
        raise ValueError(f"warm_up must be at most capacity, {run.capacity}, got {run.warm_up}")
    gamma, alpha = run.gamma, run.alpha

    rng, judge = run.rng.spawn(2)  # so that evaluations leave the training as it is
    with made(env, run.environments) as envs, made(env, 20) as trials:
        n_in, n_actions = sizes(envs, ["discrete"])
        network = mlp(n_in, n_actions, hidden=hidden, rng=rng)
        target_network = network if run.residual else copy.deepcopy(network).requires_grad_(False)
        descent = torch.optim.Adam(network.parameters(), run.learning_rate, fused=True)
        policy = Scaled(network, 1e9 if alpha is None else 1 / alpha)  # softmax of so large a multiple is greedy
        share = 1.0

        def choose(observations):
            at_random = rng.random(len(observations)) < share
            others = rng.integers(n_actions, size=len(observations))
            return np.where(at_random, others, draw_actions(policy, observations, rng))

        memory, stream = Replay(run.capacity), interact(envs, choose, rng)
        while len(memory) < run.warm_up:
            memory.add(next(stream))
        for update in range(1, run.updates + 1):
            share = max(run.epsilon, 1 - 2 * update / run.updates) if alpha is None else 0.0
            memory.add(next(stream))
            drawn = memory.sample(run.batch_size, rng)
            loss = td_loss(network, target_network, drawn, gamma, alpha=alpha, residual=run.residual)
            descent.zero_grad()
            loss.backward()
            descent.step()
            if update % run.target_every == 0:
                target_network.load_state_dict(network.state_dict())
            if update % run.evaluate_every == 0:
                check_weights(f"at update {update}", network=network)
                found = _evaluate_q(network, policy, trials, gamma, alpha, judge)
                run.note(updates=update, steps=memory.added, **found)
    check_weights("at the end", network=network)
    return run.result(DeepQ, policy, network=network)


DEEP_Q_VARIANTS = {
    "target network": {},
    "no target network": {"target_every": 1},
    "soft": {"alpha": 0.1},
}
"""The settings of `train_deep_q` by which the variants of `compare_deep_q` differ."""


def compare_deep_q(
    *, variants=DEEP_Q_VARIANTS, seeds=range(3), updates=1200, evaluate_every=150, keep=None, **settings
) -> dict[str, list[DeepQ]]:
    """The runs of `train_deep_q` for every variant and seed, with the same settings but for the variant's own.

    `variants` maps a name to arguments of `train_deep_q`. Returns a dictionary from name to a list of `DeepQ`,
    one a seed. The runs are those of a `study`, which says where they are made and what `keep` does. Raises
    `ValueError` where `train_deep_q` does.
    """
    settings |= {"updates": updates, "evaluate_every": evaluate_every}
    return study(train_deep_q, variants, seeds, keep=keep, **settings)


@torch.no_grad()
def _evaluate_q(network, policy, envs, gamma, alpha, rng):
    """Mean return, mean discounted return and mean predicted value of the policy's episodes, one an environment."""
    episodes = rollout(policy, envs, rng)
    predicted = state_value(network(tensor(network, episodes.observations[:, 0])), alpha)
    return {
        "mean_returns": episodes.rewards.sum(axis=1).mean(),
        "discounted_returns": returns(episodes.rewards, gamma)[:, 0].mean(),
        "predictions": predicted.mean().item(),
    }
