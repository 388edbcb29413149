"""Chapter 5 with a network: Q-Prop, whose baseline knows the action, and what it does to the variance, measured.

A Gaussian policy N(μ_θ(s), Σ), an advantage Â_t of chapter 1's kind, and a critic Q_w(s,a), of which only its slope
at the mean action is used: with ā = μ_θ(s), undifferentiated, Ā_w(s,a) = ∇_a Q_w(s,a)|_ā · (a − ā), and an episode's
gradient is

    Σ_t γᵗ [ (Â_t − κ Ā_w(s_t,a_t)) ∇log π(a_t|s_t) + κ (∂μ/∂θ)ᵀ ∇_a Q_w(s_t,a)|_ā ]                        (eq-q-prop)

The first term subtracts a baseline that depends on the action, and the second puts back what that takes from the mean
(prop-taylor-correction); it says nothing about Σ (prop-sigma-correction). κ, the paper's η(s), is one of

    none            0                  Â alone: the baseline V, or GAE
    full            1
    conservative    1{K > 0}           K(s) = E_a[Â Ā_w],  W(s) = E_a[Ā_w²]                             (prop-adaptive)
    aggressive      sign K
    adaptive        K/W

No rule may look at the action that it weighs. So K/W is a function of the state, κ_φ(s), fitted to earlier batches by
least squares, Σ (Â − κ_φ(s) Ā_w)², and the sign of K is the sign of κ_φ. "Conservative, one sample" and
"aggressive, one sample" take Â_t Ā_w(s_t,a_t) of the sample itself for K, as the paper does (section 3.2): these are
biased (prop-single-sample).

π, V, Q_w and κ_φ must all be fixed before the batch that they weigh (prop-same-batch-critic). Here they are: a
`Control` copies them and *plays* the batch, and only what a control has played can be weighed, by that control.

The critic is learned from all that was remembered, whichever policy did it, for it is evaluated for the current one:
the target is r + γQ⁻(s',a') with a' from today's policy at the remembered s' (prop-critic-target), where Q-learning's
would have max_a' Q⁻(s',a') and find the value of another policy.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from rlbook import checks
from rlbook.neural.environments import made, sizes
from rlbook.neural.episodes import Episodes, check_episodes, draw_actions, rollout
from rlbook.neural.natural_gradient import (
    _flat,
    _log_density,
    _move,
    _policy,
    _unflat,
    local_model,
    natural_step,
)
from rlbook.neural.networks import GaussianPolicy, Scaled, _progress_bar, _tensor, check_weights, data, mlp, one_thread
from rlbook.neural.pendulum import PENDULUM, Pendulums
from rlbook.neural.policy_gradient import _values, fit_value, gae
from rlbook.neural.q_learning import Replay, Transitions, check_transitions
from rlbook.policy_gradient import estimate_moments

RULES = ("none", "full", "conservative", "aggressive", "adaptive")
SINGLE_SAMPLE_RULES = ("conservative, one sample", "aggressive, one sample")


# Critic --------------------------------------------------------------------------------------------------


class Critic(nn.Module):
    """Q_w(s,a) of observations (…, d) and actions (…, m), by a network of the two side by side, (…, 1)."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, observations, actions):
        return self.network(torch.cat([observations, actions], dim=-1))


def action_slope(critic, observations, actions):
    """∇_a Q_w(s,a) at observations (…, d) and actions (…, m), detached, (…, m).

    Raises `ValueError` for a critic that is not differentiable in a: one whose value does not depend on a through
    differentiable operations, or whose slope is not finite, or is zero everywhere though its value changes.
    """
    at = actions.detach().requires_grad_()

    def slope(a):
        value = critic(observations, a)
        if not value.requires_grad:
            return None
        return torch.autograd.grad(value.sum(), a, allow_unused=True)[0]

    v = slope(at)
    if v is None:
        raise ValueError("critic must be differentiable in a: no gradient comes back from Q(s, a) to a")
    bad = torch.nonzero(~torch.isfinite(v))
    if len(bad):
        where = tuple(bad[0].tolist())
        raise ValueError(f"critic must be differentiable in a: its slope at {where} is {v[where].item()}")
    if not v.any():
        with torch.no_grad():
            moved = (critic(observations, at + 1) != critic(observations, at)).any()
        if moved and not slope((at + 1).detach().requires_grad_()).any():
            raise ValueError("critic must be differentiable in a: its slope is 0 everywhere, and yet Q(s, a) changes")
    return v.detach()


@torch.no_grad()
def evaluation_target(critic, transitions, next_actions, gamma):
    """y = r + γ(1 − terminated) Q(s',a') of n transitions, with actions a' (n, m) that were chosen at s', (n,).

    With a' drawn from π(·|s'), the mean of y given (s,a) is (T^π Q)(s,a), whichever policy made the transitions
    (prop-critic-target); with a' = μ(s') it is that of the deterministic policy. There is no max over a'.
    """
    check_transitions(transitions)
    gamma, N = checks.discount(gamma), len(transitions.rewards)
    next_actions = data(
        checks.module("critic", critic), "next_actions", next_actions, (N, "m"), note=", one a transition"
    )
    following = critic(_tensor(critic, transitions.next_observations), next_actions)[:, 0]
    return _tensor(critic, transitions.rewards) + gamma * (1 - _tensor(critic, transitions.terminated)) * following


@torch.no_grad()
def track(target_network, network, rate):
    """Polyak's average: moves each weight w⁻ of the target network to (1 − rate) w⁻ + rate w."""
    rate = checks.number("rate", rate, "[0, 1]")
    for slow, fast in zip(target_network.parameters(), network.parameters(), strict=True):
        slow.lerp_(fast, rate)


def as_transitions(episodes):
    """The steps of whole `Episodes` as `Transitions`, one after another."""
    alive, lengths = check_episodes(episodes).alive, episodes.alive.sum(axis=1)
    following = np.empty_like(episodes.observations)
    following[:, :-1] = episodes.observations[:, 1:]
    following[np.arange(len(lengths)), lengths - 1] = episodes.last_observations
    terminated = np.zeros(alive.shape, dtype=bool)
    terminated[np.arange(len(lengths)), lengths - 1] = episodes.terminated
    columns = (episodes.observations, episodes.actions, episodes.rewards, following, terminated)
    return Transitions(*(column[alive] for column in columns))


def fit_critic(critic, target_network, optimiser, policy, memory, gamma, rng, *, steps, batch=128, rate=0.01):
    """Off-policy evaluation of the policy: `steps` of descent on (y − Q_w(s,a))², at `batch` transitions each.

    They are drawn from the memory, whichever policy made them. y is `evaluation_target` by the target network, which
    follows w at `rate` after each step, and a' is drawn from the policy. The errors are counted in units of 1/(1 − γ).

    Raises `ValueError` where the memory is empty, gamma is outside [0, 1), rate outside [0, 1], or a count is not a
    positive integer.
    """
    steps, batch = checks.count("steps", steps), checks.count("batch", batch)
    gamma, rate = checks.discount(gamma), checks.number("rate", rate, "[0, 1]")
    drawn = checks.instance("memory", memory, Replay).sample(steps * batch, rng)
    next_actions = _tensor(critic, draw_actions(policy, drawn.next_observations, rng)).split(batch)
    parts = zip(*(_tensor(critic, column).split(batch) for column in drawn), strict=True)
    for part, a in zip(map(Transitions._make, parts), next_actions, strict=True):
        y = evaluation_target(target_network, part, a, gamma)
        loss = (((1 - gamma) * (critic(part.observations, part.actions)[:, 0] - y)) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        track(target_network, critic, rate)


# Control -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Control:
    """Copies of π, V, Q_w and κ_φ: all that weighs a batch, fixed before there is one.

    `policy` is a `GaussianPolicy`, `value` V and `share` κ_φ map (…, d) to (…, 1), `critic` maps (…, d) and (…, m)
    to (…, 1), all in the policy's precision. Training the originals afterwards changes nothing here.
    """

    policy: GaussianPolicy
    value: nn.Module
    critic: nn.Module
    share: nn.Module

    def __post_init__(self):
        _check_gaussian(self.policy)
        for name in ("value", "critic", "share"):
            checks.module(name, getattr(self, name))
        for field in fields(self):
            object.__setattr__(self, field.name, copy.deepcopy(getattr(self, field.name)))

    def play(self, envs, rng):
        """One episode of the policy from each of the environments, and all that will weigh it, as a `Batch`.

        Raises `ValueError` for a critic that is not differentiable in a, as `action_slope` does.
        """
        episodes = rollout(self.policy, envs, rng)
        x = _tensor(self.policy, episodes.observations)
        with torch.no_grad():
            mean, _ = self.policy(x).chunk(2, dim=-1)
            share = self.share(x)[..., 0]
        slope = action_slope(self.critic, x, mean)
        tangent = (slope * (_tensor(self.policy, episodes.actions) - mean)).sum(-1)
        arrays = (tensor.double().numpy() for tensor in (slope, tangent, share))
        return Batch(self.policy, episodes, *_values(self.value, episodes), *arrays)


class Batch(NamedTuple):
    """Episodes that a `Control` played, and what it says about them.

    `policy` is the frozen policy, `values` (N, T) and `last_values` (N,) are V, `slope` (N, T, m) is ∇_a Q_w at the
    mean action, `tangent` (N, T) is Ā_w(s_t,a_t), `share` (N, T) is κ_φ(s_t).
    """

    policy: GaussianPolicy
    episodes: Episodes
    values: np.ndarray
    last_values: np.ndarray
    slope: np.ndarray
    tangent: np.ndarray
    share: np.ndarray


def control_weights(rule, batch, advantages):
    """κ at each step of the batch, (N, T): see the top of the module for the rules.

    Only the rules of `SINGLE_SAMPLE_RULES` look at `advantages` (N, T), and so at the action: they are biased.
    """
    _check_rule(rule)
    advantages = checks.array("advantages", advantages, _check_batch(batch).share.shape, note=" as the batch has")
    product = advantages * batch.tangent
    kappa = {
        "none": lambda: np.zeros_like(batch.share),
        "full": lambda: np.ones_like(batch.share),
        "conservative": lambda: np.where(batch.share > 0, 1.0, 0.0),
        "aggressive": lambda: np.sign(batch.share),
        "adaptive": lambda: batch.share.copy(),
        "conservative, one sample": lambda: np.where(product > 0, 1.0, 0.0),
        "aggressive, one sample": lambda: np.sign(product),
    }
    return kappa[rule]()


class Terms(NamedTuple):
    """What multiplies ∇log π(a_t|s_t) in eq-q-prop, `residual` (N, T), and ∂μ/∂θ, `correction` (N, T, m)."""

    residual: np.ndarray
    correction: np.ndarray


def q_prop_terms(rule, batch, gamma, *, lam=1.0, discount=True):
    """The two terms of eq-q-prop at each step, with Â by GAE at `lam` and κ by the rule, as `Terms`.

    At lam = 1, Â = G_t − V(s_t), the gradient is unbiased for every state-measurable rule; otherwise its bias is that
    of Â, exactly (prop-q-prop-bias). `discount=False` drops the factor γᵗ.

    Raises `ValueError` for an unknown rule, gamma outside [0, 1), lam outside [0, 1], or episodes that no control has
    played.
    """
    gamma, discount = checks.discount(gamma), checks.flag("discount", discount)
    _check_batch(batch)
    advantages = gae(batch.episodes, batch.values, batch.last_values, gamma, lam)
    kappa = control_weights(rule, batch, advantages)
    factor = batch.episodes.alive * (gamma ** np.arange(kappa.shape[1]) if discount else 1.0)
    residual = factor * (advantages - kappa * batch.tangent)
    return Terms(residual, (factor * kappa)[..., None] * batch.slope)


@one_thread()
def q_prop_gradients(batch, terms):
    """Each episode's gradient (eq-q-prop), (N, n), n the number of the policy's parameters."""
    policy = _check_batch(batch).policy
    checks.instance("terms", terms, Terms)
    parameters = {name: p.detach() for name, p in policy.named_parameters()}

    def surrogate(parameters, observations, actions, residual, correction):
        outputs = functional_call(policy, parameters, (observations,))
        mean, _ = outputs.chunk(2, dim=-1)
        return (residual * _log_density(policy, outputs, actions)).sum() + (correction * mean).sum()

    arrays = (batch.episodes.observations, batch.episodes.actions, *terms)
    per_episode = vmap(grad(surrogate), in_dims=(None, 0, 0, 0, 0), chunk_size=64)(
        parameters, *(_tensor(policy, array) for array in arrays)
    )
    return torch.cat([g.flatten(1) for g in per_episode.values()], dim=1).double().numpy()


def q_prop_model(batch, terms):
    """The `LocalModel` of a batch with eq-q-prop for its gradient: what chapter 3's steps need.

    All alive steps count alike in its averages, so `terms` are those without γᵗ. To the surrogate's gain comes what the
    correction promises, E[κ ∇_a Q_w · (μ_new − μ)]: linear in the mean, as Ā_w is.
    """
    policy, alive = _check_batch(batch).policy, batch.episodes.alive
    checks.instance("terms", terms, Terms)
    observations, actions = batch.episodes.observations[alive], batch.episodes.actions[alive]
    model = local_model(policy, observations, actions, terms.residual[alive])
    x, correction = _tensor(policy, observations), _tensor(policy, terms.correction[alive] / alive.sum())
    mean, _ = policy(x).chunk(2, dim=-1)
    pulled = torch.autograd.grad((correction * mean).sum(), list(policy.parameters()), materialize_grads=True)
    theta, mean = [(name, p.detach()) for name, p in policy.named_parameters()], mean.detach()

    @torch.no_grad()
    def objective(step):
        moved = {name: p + d for (name, p), d in zip(theta, _unflat(policy, step), strict=True)}
        new_mean, _ = functional_call(policy, moved, (x,)).chunk(2, dim=-1)
        return model.objective(step) + (correction * (new_mean - mean)).sum().item()

    return model._replace(gradient=model.gradient + _flat(pulled), objective=objective)


# Training ------------------------------------------------------------------------------------------------


class QPropTraining(NamedTuple):
    """A trained `policy`, the `controls` that weighed each batch, and (batches,) learning curves.

    `controls[i]` holds what was known before batch i: its policy, V, Q_w and κ_φ. `mean_returns` is the mean
    undiscounted return of each batch, `steps` the number of environment steps taken up to its end.
    """

    policy: GaussianPolicy
    controls: list
    mean_returns: np.ndarray
    steps: np.ndarray


def fit_share(share, optimiser, batch, gamma, lam, n_steps):
    """Least squares of κ_φ, Σ (Â − κ_φ(s) Ā_w(s,a))² over a batch, whose best function of s is K/W (prop-adaptive)."""
    alive, n_steps = _check_batch(batch).episodes.alive, checks.count("n_steps", n_steps)
    advantages = gae(batch.episodes, batch.values, batch.last_values, gamma, lam)
    columns = (batch.episodes.observations, advantages, batch.tangent)
    x, advantages, tangent = (_tensor(share, column[alive]) for column in columns)
    scale = (tangent**2).mean() + torch.finfo(tangent.dtype).tiny
    for _ in range(n_steps):
        loss = ((advantages - share(x)[:, 0] * tangent) ** 2).mean() / scale
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


@one_thread()
def train_q_prop(
    rule,
    *,
    seed,
    batches,
    episodes=8,
    delta=0.03,
    gamma=0.95,
    lam=1.0,
    env=PENDULUM,
    hidden=32,
    learning_rate=0.003,
    value_steps=40,
    critic_steps=40,
    capacity=50_000,
    progress=None,
):
    """TRPO along Q-Prop's gradient, with one of the rules, as a `QPropTraining`.

    Each of `batches` freezes what has been learned as a `Control`, plays `episodes` episodes with it, and takes one
    step of "trust-region" with divergence `delta`. Only then V (by `value_steps` steps), Q_w (by `critic_steps` steps
    at `learning_rate` on the last `capacity` transitions) and κ_φ learn. The factor γᵗ is dropped, so that late steps
    are learned from as much as early ones, which follows the gradient of no fixed objective. `env` is a registered id
    or an `EnvSpec`. π and κ_φ have one hidden layer of the width `hidden`, V and Q_w two, or all have the layers of a
    tuple of widths. All randomness comes from `seed`, an integer from 0. `progress` is a tqdm bar to move on by one a
    batch.
    Source: Gu, Lillicrap, Ghahramani, Turner and Levine (2017), algorithm 1, which trains the critic before the step.

    Raises
    ------
    ValueError
        An unknown rule, gamma outside [0, 1), lam outside [0, 1], a delta or learning_rate that is not positive, a
        count that is not a positive integer, an env that is not registered or whose observations or actions are not
        vectors; numbers that are not finite, whether the env shows them or the networks come to hold them.
    """
    _check_rule(rule)
    gamma = checks.discount(gamma)
    lam = checks.number("lam", lam, "[0, 1]")
    for name, number in {"delta": delta, "learning_rate": learning_rate}.items():
        checks.positive(name, number)
    counts = {"batches": batches, "episodes": episodes, "capacity": capacity}
    for name, count in (counts | {"value_steps": value_steps, "critic_steps": critic_steps}).items():
        checks.count(name, count)
    checks.widths(hidden)
    checks.seed(seed)
    checks.progress_bar(progress)

    rng = np.random.default_rng(seed)
    with made(env, episodes) as envs:
        policy = _policy(envs, hidden, rng, ["vectors"])
        learners = _Learners(envs, gamma, lam, hidden, learning_rate, value_steps, critic_steps, capacity, rng)
        controls, mean_returns, steps = [], np.empty(batches), np.empty(batches, dtype=int)
        for i in range(batches):
            controls.append(learners.freeze(policy))
            batch = controls[i].play(envs, rng)
            model = q_prop_model(batch, q_prop_terms(rule, batch, gamma, lam=lam, discount=False))
            _move(policy, natural_step("trust-region", model, delta, damping=0.01))
            learners.learn(policy, batch, rng)
            check_weights(f"in batch {i}", policy=policy, **learners.networks())
            mean_returns[i], steps[i] = batch.episodes.rewards.sum(axis=1).mean(), batch.episodes.alive.sum()
            if progress is not None:
                progress.update()
    return QPropTraining(policy, controls, mean_returns, steps.cumsum())


@one_thread()
def fit_control(policy, *, seed, batches=12, episodes=16, gamma=0.95, env=PENDULUM, value_steps=40, critic_steps=100):
    """V, Q_w and κ_φ learned from `batches` of a policy that stays as it is, for it, as a `Control`.

    Raises `ValueError` for a policy that is not Gaussian or does not fit the env, gamma outside [0, 1), a count that is
    not a positive integer, a seed that is not an integer from 0, or an env with which `train_q_prop` would not go.
    """
    gamma = checks.discount(gamma)
    counts = {"batches": batches, "episodes": episodes, "value_steps": value_steps, "critic_steps": critic_steps}
    for name, count in counts.items():
        checks.count(name, count)
    checks.seed(seed)
    _check_gaussian(policy)
    rng = np.random.default_rng(seed)
    with made(env, episodes) as envs:
        sizes(envs, ["vectors"])
        learners = _Learners(envs, gamma, 1.0, 32, 0.003, value_steps, critic_steps, 50_000, rng)
        for i in range(batches):
            learners.learn(policy, learners.freeze(policy).play(envs, rng), rng)
            check_weights(f"in batch {i}", **learners.networks())
    return learners.freeze(policy)


class _Learners:
    """V, Q_w with its target network, and κ_φ, and what they learn from: all that learns but the policy."""

    def __init__(self, envs, gamma, lam, hidden, learning_rate, value_steps, critic_steps, capacity, rng):
        n_in, n_actions = sizes(envs, ["vectors"])
        scale, deep = 1 / (1 - gamma), 2 * checks.widths(hidden) if np.ndim(hidden) == 0 else hidden
        self.gamma, self.lam, self.memory = gamma, lam, Replay(capacity)
        self.value_steps, self.critic_steps = value_steps, critic_steps
        self.value = Scaled(mlp(n_in, 1, hidden=deep, rng=rng), scale)
        self.critic = Critic(Scaled(mlp(n_in + n_actions, 1, hidden=deep, rng=rng), scale))
        self.share = mlp(n_in, 1, hidden=hidden, rng=rng)
        self.target_network = copy.deepcopy(self.critic).requires_grad_(False)
        self.value_descent = torch.optim.Adam(self.value.parameters(), 0.02, fused=True)
        self.critic_descent, self.share_descent = (
            torch.optim.Adam(module.parameters(), learning_rate, fused=True) for module in (self.critic, self.share)
        )

    def freeze(self, policy):
        return Control(policy, **self.networks())

    def networks(self):
        return {"value": self.value, "critic": self.critic, "share": self.share}

    def learn(self, policy, batch, rng):
        """From a batch whose gradient has been taken; the critic for the policy as it is now."""
        self.memory.add(as_transitions(batch.episodes))
        fit_value(self.value, self.value_descent, batch.episodes, self.gamma, self.value_steps)
        descent = (self.critic, self.target_network, self.critic_descent)
        fit_critic(*descent, policy, self.memory, self.gamma, rng, steps=self.critic_steps)
        fit_share(self.share, self.share_descent, batch, self.gamma, self.lam, 10)


Q_PROP_VARIANTS = {
    "V baseline": {"rule": "none"},
    "Q-Prop": {"rule": "full"},
    "one sample": {"rule": "conservative, one sample"},
}


def compare_q_prop(*, variants=Q_PROP_VARIANTS, seeds=range(3), batches=16, **settings):
    """The runs of `train_q_prop` for every variant and seed, with the same settings but for the variant's own.

    `variants` maps a name to arguments of `train_q_prop`. Returns a dictionary from name to a list of
    `QPropTraining`, one a seed. Raises `ValueError` where `train_q_prop` does.
    """
    checks.variants(variants)
    checks.seeds(seeds)
    batches = checks.count("batches", batches)
    with _progress_bar(len(variants) * len(seeds) * batches) as bar:
        train = partial(train_q_prop, batches=batches, progress=bar, **settings)
        return {name: [train(seed=seed, **own) for seed in seeds] for name, own in variants.items()}


# Variance ------------------------------------------------------------------------------------------------


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
        head = f"{'':32s} {'variance':>9s}   {'of V baseline’s':>15s}   {'bias':>9s}"
        row = "{:32s} {:9.2g} {:9.3f} ± {:<6.3f} {:6.3f} ± {:.3f}".format
        columns = (self.names, self.total, self.relative, self.relative_error, self.bias, self.bias_error)
        return "\n".join([head, *(row(*entries) for entries in zip(*columns, strict=True))])


@one_thread()
def measure_q_prop_variance(control, *, seed, episodes=1000, gamma=0.95, lam=0.9, env=PENDULUM):
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
    if checks.count("episodes", episodes) < 2:
        raise ValueError("episodes must be at least 2 for a variance, got 1")
    checks.seed(seed)
    with made(env, episodes) as envs:
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
def measure_advantage_parts(control, *, seed, states=200, actions=24, runs=6, gamma=0.95, horizon=100):
    """What Â is made of at the states that the control's policy visits on `Pendulums`, as `AdvantageParts`.

    States are drawn as d^π has them, by stopping an episode with probability 1 − γ at each step. From each, `actions`
    are drawn, and each is followed `runs` times for `horizon` steps, after which V stands for the rest. The parts are
    those of a nested analysis of variance, free of bias, so that one near 0 may be estimated below it; the errors are
    those of an average over states.

    Raises `ValueError` for a control that is none or was made for another env, gamma outside [0, 1), a seed that is not
    an integer from 0, or a count that is not a positive integer, or below 2 for `states`, `actions` and `runs`.
    """
    _check_control(control)
    gamma = checks.discount(gamma)
    checks.seed(seed)
    for name, count in {"states": states, "actions": actions, "runs": runs}.items():
        if checks.count(name, count) < 2:
            raise ValueError(f"{name} must be at least 2 for a variance, got 1")
    rng, policy = np.random.default_rng(seed), control.policy
    episodes = rollout(policy, Pendulums(states, checks.count("horizon", horizon)), rng)
    stops = rng.geometric(1 - gamma, size=states) - 1
    start = episodes.observations[np.arange(states), np.minimum(stops, horizon - 1)]

    envs = Pendulums(states * actions * runs, horizon + 1)
    envs.reset(seed=0)
    envs.pendulum.state = np.repeat([np.arctan2(start[:, 1], start[:, 0]), start[:, 2]], actions * runs, axis=1)
    action = np.repeat(draw_actions(policy, np.repeat(start, actions, axis=0), rng), runs, axis=0)
    G = 0.0
    for t in range(horizon):
        observation, reward, *_ = envs.step(action)
        G = G + gamma**t * reward
        action = draw_actions(policy, observation, rng)
    V, V_last = (_state_values(control.value, x) for x in (start, observation))
    A = (G + gamma**horizon * V_last).reshape(states, actions, runs) - V[:, None, None]

    later = A.var(axis=2, ddof=1).mean(axis=1)
    by_action = A.mean(axis=2).var(axis=1, ddof=1)
    parts = np.array([A.mean(axis=(1, 2)) ** 2 - by_action / actions, by_action - later / runs, later])
    return AdvantageParts(parts.mean(axis=1), parts.std(axis=1, ddof=1) / states**0.5)


# Helpers -------------------------------------------------------------------------------------------------


@torch.no_grad()
def _state_values(value, observations):
    return value(_tensor(value, observations))[:, 0].double().numpy()


def _check_gaussian(policy):
    if not isinstance(policy, GaussianPolicy):
        raise ValueError(f"policy must be a GaussianPolicy, got a {type(policy).__name__}")


def _check_control(control):
    if not isinstance(control, Control):
        raise ValueError(f"control must be a Control, got a {type(control).__name__}")


def _check_batch(batch):
    if not isinstance(batch, Batch):
        raise ValueError(f"batch must be a Batch that a Control played, got {type(batch).__name__}")
    return batch


def _check_rule(rule):
    if rule not in (*RULES, *SINGLE_SAMPLE_RULES):
        raise ValueError(f"rule must be one of {'; '.join((*RULES, *SINGLE_SAMPLE_RULES))}, got {rule!r}")
