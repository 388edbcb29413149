"""Chapter 3 with a network: the Fisher matrix as a product, and natural gradient and TRPO on Gymnasium environments.

A policy's outputs y(s) are the numbers that its distribution is made of: logits, or a `GaussianPolicy`'s mean and
log σ. With J(s) = ∂y/∂θ and M(s), the Fisher matrix of the distribution in these outputs themselves,

    F = E_s[J(s)ᵀ M(s) J(s)],    M = diag(p) − ppᵀ for logits,    M = diag(σ⁻², 2) for (μ, log σ),

which is def-fisher by the chain rule, and by thm-fisher-kl the Hessian of the mean KL divergence. Nobody needs the
(n, n) matrix: v ↦ Fv is a product with J, one with M in each state, and one with Jᵀ, and costs as much as a few
passes through the network (prop-cost). Jᵀu is what a backward pass computes. It is linear in u, and the derivative
of ⟨Jᵀu, v⟩ in u is Jv: a backward pass through the backward pass. The graphs of both are made once and kept for all
products of a solve by conjugate gradients.

The training takes one step a batch, from the same estimates g = E[Â ∇log π(a|s)], Â = G_t − V(s_t) with chapter 1's
baseline V, and F:

    gradient       along g, up to ½dᵀFd = δ                                        the gradient, as far as the others
    natural        along x = F⁻¹g, by conjugate gradients, up to ½dᵀFd = δ          (def-natural-gradient)
    trust-region   √(2δ/gᵀx) x, drawn back until KL ≤ δ and the surrogate gains: TRPO  (prop-trust-step)

x is what conjugate gradients make of F⁻¹g, damped: (F + λI)⁻¹g. So the first two go equally far and differ in the
direction. The third looks ahead, and its step is shorter from the start: gᵀx counts the damping in, and ½dᵀFd is
δ(1 − λ‖x‖²/gᵀx).
"""

from __future__ import annotations

import time
from functools import partial
from typing import NamedTuple

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.func import functional_call, jacrev, jvp, vjp, vmap

from rlbook import checks
from rlbook.natural_gradients import conjugate_gradient, trust_region_step
from rlbook.neural.environments import made, sizes
from rlbook.neural.episodes import rollout
from rlbook.neural.networks import (
    GaussianPolicy,
    Scaled,
    _progress_bar,
    _tensor,
    check_tensor,
    check_weights,
    data,
    mlp,
    one_thread,
)
from rlbook.neural.policy_gradient import fit_value, step_weights

METHODS = ("gradient", "natural", "trust-region")
PRODUCTS = ("double vjp", "jvp and vjp", "Hessian of the KL")


class LocalModel(NamedTuple):
    """What a batch says about the policies around π_θ: the first four arguments of `trust_region_step`.

    `gradient` (n,) is g = E[Â ψ]; `matvec` maps v (n,) to Fv; and of a step d (n,), `objective` is the gain
    E[(π_{θ+d}(a|s)/π_θ(a|s) − 1) Â] that the surrogate promises, `divergence` the mean E KL(π_θ ‖ π_{θ+d}).
    All vectors are float64, however the policy computes.
    """

    gradient: np.ndarray
    matvec: object
    objective: object
    divergence: object


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


# Distributions -------------------------------------------------------------------------------------------


def log_density(policy, observations, actions):
    """log π(a|s) of a batch (N, d) of observations and (N,) actions or (N, m) for a `GaussianPolicy`, (N,)."""
    outputs = policy(data(checks.module("policy", policy), "observations", observations, ("N", "d")))
    return _log_density(policy, outputs, _as_actions(policy, actions, outputs))


def divergence(policy, outputs, new_outputs):
    """KL(π‖π') in each of N states, from the outputs that the two make there, (N, k) tensors, (N,).

    `policy` tells logits from a Gaussian's (μ, log σ). Raises `ValueError` for outputs of two shapes.
    """
    check_tensor("outputs", outputs, ("N", "k"))
    check_tensor("new_outputs", new_outputs, tuple(outputs.shape))
    return _divergence(policy, outputs, new_outputs)


def _divergence(policy, outputs, new_outputs):
    if not isinstance(policy, GaussianPolicy):
        log_pi, log_new = (torch.log_softmax(y, dim=-1) for y in (outputs, new_outputs))
        return (log_pi.exp() * (log_pi - log_new)).sum(-1)
    (mean, log_sigma), (new_mean, new_log_sigma) = (y.chunk(2, dim=-1) for y in (outputs, new_outputs))
    spread = torch.exp(2 * (log_sigma - new_log_sigma)) + ((mean - new_mean) * torch.exp(-new_log_sigma)) ** 2
    return (new_log_sigma - log_sigma + (spread - 1) / 2).sum(-1)


def _log_density(policy, outputs, actions):
    if not isinstance(policy, GaussianPolicy):
        return torch.log_softmax(outputs, dim=-1).gather(-1, actions[..., None])[..., 0]
    mean, log_sigma = outputs.chunk(2, dim=-1)
    z = (actions - mean) * torch.exp(-log_sigma)
    return -(z**2 / 2 + log_sigma + np.log(2 * np.pi) / 2).sum(-1)


def _as_actions(policy, actions, outputs):
    """The actions that go with the policy's outputs (N, k): numbers below k, or vectors of k/2 numbers."""
    N, k = outputs.shape
    if isinstance(policy, GaussianPolicy):
        return data(policy, "actions", actions, (N, k // 2), note=", one a state")
    return torch.as_tensor(checks.integers("actions", actions, (N,), below=k, what="actions", note=", one a state"))


def _metric(policy, outputs):
    """t ↦ Mt in each state, (N, k) → (N, k), M the Fisher matrix of the distribution in its own outputs."""
    if isinstance(policy, GaussianPolicy):
        _, log_sigma = outputs.chunk(2, dim=-1)
        diagonal = torch.cat([torch.exp(-2 * log_sigma), torch.full_like(log_sigma, 2)], dim=-1)
        return lambda t: diagonal * t
    p = torch.softmax(outputs, dim=-1)
    return lambda t: p * (t - (p * t).sum(-1, keepdim=True))


# Fisher-vector products ----------------------------------------------------------------------------------


def fisher_vector_product(policy, observations, *, weights=None, method="double vjp"):
    """v ↦ Fv for the Fisher matrix (def-fisher) of the policy over N observations (N, d), without forming it.

    `weights` (N,) are the states' in the average, by default 1/N each. The function that is returned takes and
    gives float64 arrays (n,), n the number of the policy's parameters in the order of `policy.parameters()`.
    Its graphs are made once, here, at the parameters as they are. `method` is one of `PRODUCTS`, which agree:

        double vjp           backward through a retained backward pass for Jv, backward for Jᵀ(MJv)
        jvp and vjp          forward mode for Jv, by torch.func, which passes through the network each time
        Hessian of the KL    backward through the retained gradient of the KL divergence       (thm-fisher-kl)

    The first is the fastest and the one that the training uses. Source: Schraudolph (2002), section 4; for the
    last, Schulman, Levine, Moritz, Jordan and Abbeel (2015), appendix C.
    """
    checks.choice("method", method, PRODUCTS)
    x = data(checks.module("policy", policy), "observations", observations, ("N", "d"))
    weights = _shares(policy, weights, x)[:, None]
    make = {"double vjp": _double_vjp, "jvp and vjp": _jvp_and_vjp, "Hessian of the KL": _hessian_of_kl}[method]
    product = make(policy, x, weights)
    n = _size(policy)
    return lambda v: _flat(product(_unflat(policy, checks.array("v", v, (n,), copy=False))))


def _shares(policy, weights, x):
    """The weights of N states in an average, (N,): those given, or 1/N each."""
    if weights is None:
        return torch.full((len(x),), 1 / len(x), dtype=x.dtype)
    return data(policy, "weights", weights, (len(x),), note=", one a state")


def _double_vjp(policy, x, weights):
    parameters = list(policy.parameters())
    outputs = policy(x)
    u = torch.zeros_like(outputs, requires_grad=True)
    pulled = torch.autograd.grad(outputs, parameters, u, create_graph=True)  # Jᵀu, linear in u
    metric = _metric(policy, outputs.detach())

    def product(v):
        (pushed,) = torch.autograd.grad(pulled, u, v, retain_graph=True)
        return torch.autograd.grad(outputs, parameters, weights * metric(pushed), retain_graph=True)

    return product


def _jvp_and_vjp(policy, x, weights):
    names, parameters = zip(*((name, p.detach()) for name, p in policy.named_parameters()), strict=True)

    def outputs(*parameters):
        return functional_call(policy, dict(zip(names, parameters, strict=True)), (x,))

    y, pull = vjp(outputs, *parameters)
    metric = _metric(policy, y)
    return lambda v: pull(weights * metric(jvp(outputs, parameters, v)[1]))


def _hessian_of_kl(policy, x, weights):
    parameters = list(policy.parameters())
    outputs = policy(x)
    kl = (weights[:, 0] * _divergence(policy, outputs.detach(), outputs)).sum()
    gradient = torch.autograd.grad(kl, parameters, create_graph=True)
    return lambda v: torch.autograd.grad(gradient, parameters, v, retain_graph=True)


def explicit_fisher(policy, observations, *, chunk=500):
    """The Fisher matrix (n, n) itself, a float64 array, from the Jacobian of every state's outputs.

    It takes O(Nn²) operations and O(n²) memory; `chunk` states are dealt with at a time.
    """
    x = data(checks.module("policy", policy), "observations", observations, ("N", "d"))
    chunk = checks.count("chunk", chunk)
    parameters = {name: p.detach() for name, p in policy.named_parameters()}
    per_state = vmap(jacrev(lambda parameters, x: functional_call(policy, parameters, (x,))), in_dims=(None, 0))
    n = _size(policy)
    F = torch.zeros((n, n), dtype=x.dtype)
    for part in x.split(chunk):
        J = torch.cat([j.flatten(2) for j in per_state(parameters, part).values()], dim=2)  # (chunk, k, n)
        MJ = _metric(policy, policy(part).detach()[:, None])(J.transpose(1, 2)).transpose(1, 2)
        F += J.flatten(0, 1).T @ MJ.flatten(0, 1)
    return (F / len(x)).double().numpy()


def _size(policy):
    return sum(p.numel() for p in policy.parameters())


def _unflat(policy, v):
    """A vector (n,) as a tuple of tensors shaped as the policy's parameters."""
    v, parameters = _tensor(policy, v), list(policy.parameters())
    parts = v.split([p.numel() for p in parameters])
    return tuple(part.view(p.shape) for part, p in zip(parts, parameters, strict=True))


def _flat(tensors):
    """The entries of all tensors as one float64 array (n,)."""
    return torch.cat([t.detach().flatten() for t in tensors]).double().numpy()


# Training ------------------------------------------------------------------------------------------------


def local_model(policy, observations, actions, advantages, *, weights=None):
    """The `LocalModel` of a batch of N steps: observations (N, d), actions (N,) or (N, m), advantages Â (N,).

    `weights` (N,) are the steps' in all averages, by default 1/N each.
    """
    x = data(checks.module("policy", policy), "observations", observations, ("N", "d"))
    advantages = data(policy, "advantages", advantages, (len(x),), note=", one a step")
    weights, outputs = _shares(policy, weights, x), policy(x)
    actions = _as_actions(policy, actions, outputs)
    log_pi = _log_density(policy, outputs, actions)
    gradient = torch.autograd.grad((weights * advantages * log_pi).sum(), list(policy.parameters()))
    outputs, log_pi = outputs.detach(), log_pi.detach()
    theta = [(name, p.detach()) for name, p in policy.named_parameters()]

    def moved(step):
        parameters = {name: p + d for (name, p), d in zip(theta, _unflat(policy, step), strict=True)}
        return functional_call(policy, parameters, (x,))

    @torch.no_grad()
    def objective(step):
        ratio = torch.exp(_log_density(policy, moved(step), actions) - log_pi)
        return (weights * advantages * (ratio - 1)).sum().item()

    @torch.no_grad()
    def mean_divergence(step):
        return (weights * _divergence(policy, outputs, moved(step))).sum().item()

    matvec = fisher_vector_product(policy, x, weights=weights)
    return LocalModel(_flat(gradient), matvec, objective, mean_divergence)


def natural_step(method, model, delta, *, damping=0.0, cg_steps=10):
    """The step (n,) that a method takes in a `LocalModel`.

    "gradient" and "natural" go along their direction x as far as the quadratic model allows, where
    ½dᵀFd = δ: for F⁻¹g that is √(2δ/gᵀF⁻¹g). "trust-region" goes √(2δ/gᵀx)·x, which is less far if x is damped, looks,
    and goes back until the surrogate has gained and the KL divergence is at most δ (prop-trust-step); where no such
    step is found it stays.

    Raises `ValueError` for an unknown method, a delta that is not positive, a damping that is negative, or cg_steps
    that are not a positive integer.
    """
    checks.choice("method", method, METHODS)
    delta = checks.positive("delta", delta)
    damping, cg_steps = checks.number("damping", damping, "[0, ∞)"), checks.count("cg_steps", cg_steps)
    g = checks.instance("model", model, LocalModel).gradient
    if method == "trust-region":
        return trust_region_step(*model, delta, damping=damping, max_steps=cg_steps, backtrack=0.8).step
    x = g if method == "gradient" else conjugate_gradient(model.matvec, g, damping=damping, max_steps=cg_steps).x
    curvature = x @ model.matvec(x)
    return x * (2 * delta / curvature) ** 0.5 if curvature > 0 else np.zeros_like(x)


@one_thread()
def train_natural(
    method,
    *,
    seed,
    batches,
    episodes=16,
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
):
    """Policy optimisation by one of `METHODS` on a Gymnasium environment, as a `NaturalTraining`.

    Actions may be discrete (a softmax policy) or vectors (a `GaussianPolicy` that starts with σ = 1). Each of
    `batches` plays `episodes` new episodes, takes one step by `natural_step`, of mean KL divergence about
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
    counts = {"batches": batches, "episodes": episodes, "value_steps": value_steps, "cg_steps": cg_steps}
    for name, count in counts.items():
        checks.count(name, count)
    checks.widths(hidden)
    checks.seed(seed)
    checks.progress_bar(progress)

    rng = np.random.default_rng(seed)
    with made(env, episodes) as envs:
        policy = _policy(envs, hidden, rng)
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
            _move(policy, step)
            fit_value(value, descent, batch, gamma, value_steps)
            check_weights(f"in batch {i}", policy=policy, value=value)
            mean_returns[i], steps[i] = batch.rewards.sum(axis=1).mean(), alive.sum()
            if progress is not None:
                progress.update()
    return NaturalTraining(policy, value, mean_returns, steps.cumsum(), divergences)


@torch.no_grad()
def _move(policy, step):
    for p, d in zip(policy.parameters(), _unflat(policy, step), strict=True):
        p += d


def _policy(envs, hidden, rng, kinds=("discrete", "vectors")):
    """A policy of the kind that the environment's actions need."""
    n_in, n_actions = sizes(envs, kinds)
    network = mlp(n_in, n_actions, hidden=hidden, rng=rng)
    if isinstance(envs.single_action_space, gym.spaces.Discrete):
        return network
    return GaussianPolicy(network, torch.zeros(n_actions, dtype=torch.float32))


def compare_natural(*, methods=METHODS, seeds=range(3), batches=50, **settings):
    """The learning curves of `train_natural` for every method and seed, all with the same settings.

    Returns a dictionary from method to (len(seeds), batches) mean returns. Raises `ValueError` where `train_natural`
    does.
    """
    checks.seeds(seeds)
    batches = checks.count("batches", batches)
    with _progress_bar(len(methods) * len(seeds) * batches) as bar:
        train = partial(train_natural, batches=batches, progress=bar, **settings)
        return {m: np.array([train(m, seed=seed).mean_returns for seed in seeds]) for m in methods}


# Cost ----------------------------------------------------------------------------------------------------


class SolveCost(NamedTuple):
    """Seconds of processor time that it takes to solve (F + λI)x = g, for policies of n parameters; all (K,) arrays.

    `conjugate` is a solve by conjugate gradients with Fisher-vector products, O(kNn). `forming` is making the matrix
    F, O(Nn²), and `solving` the direct solve with it, O(n³) (prop-cost): both are NaN for the n that were left out.
    """

    parameters: np.ndarray
    conjugate: np.ndarray
    forming: np.ndarray
    solving: np.ndarray


@one_thread()
def measure_solves(
    widths=(16, 24, 32, 40, 48, 128, 256, 512, 1000),
    *,
    states=500,
    explicit_up_to=3500,
    cg_steps=10,
    damping=0.1,
    repeats=2,
    seed=0,
):
    """How the cost of a natural gradient grows with the number of parameters: a `SolveCost`, one entry a width.

    The policies are Gaussian networks from 17 observations through two tanh layers of that width to one action.
    Each time is the least of `repeats`, of the calling thread's processor time, and both ways solve for the
    same g at the same random observations. The matrix is left out where a policy has more than `explicit_up_to`
    parameters.

    Raises `ValueError` for a width or another count that is not a positive integer, or a seed that is not an integer
    from 0.
    """
    checks.seed(seed)
    counts = {"states": states, "cg_steps": cg_steps, "repeats": repeats}
    for name, count in (counts | {f"widths[{i}]": width for i, width in enumerate(widths)}).items():
        checks.count(name, count)
    rng = np.random.default_rng(seed)
    rows = []
    for width in widths:
        policy = GaussianPolicy(mlp(17, 1, hidden=(width, width), rng=rng), torch.zeros(1, dtype=torch.float32))
        observations, g = rng.normal(size=(states, 17)), rng.normal(size=_size(policy))

        def conjugate(policy=policy, observations=observations, g=g):
            matvec = fisher_vector_product(policy, observations)
            return conjugate_gradient(matvec, g, damping=damping, max_steps=cg_steps)

        row = [len(g), _seconds(conjugate, repeats), np.nan, np.nan]
        if len(g) <= explicit_up_to:
            row[2] = _seconds(partial(explicit_fisher, policy, observations), repeats)
            F = torch.as_tensor(explicit_fisher(policy, observations) + damping * np.eye(len(g)))
            row[3] = _seconds(partial(torch.linalg.solve, F, torch.as_tensor(g)), repeats)
        rows.append(row)
    n, *seconds = (np.array(column) for column in zip(*rows, strict=True))
    return SolveCost(n, *seconds)


def _seconds(function, repeats):
    """The least processor time of several calls: what else runs on the machine hardly changes it."""
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        function()
        times.append(time.thread_time() - start)
    return min(times)
