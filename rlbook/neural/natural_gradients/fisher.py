"""A ruler for policies: the Fisher matrix, and its products with vectors.

Nobody needs the (n, n) matrix: v ↦ Fv is a product with J, one with M in each state, and one with Jᵀ, and costs as
much as a few passes through the network (prop-cost). Jᵀu is what a backward pass computes. It is linear in u, and the
derivative of ⟨Jᵀu, v⟩ in u is Jv: a backward pass through the backward pass. The graphs of both are made once and kept
for all products of a solve by conjugate gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.func import functional_call, jacrev, jvp, vjp, vmap

from rlbook import checks
from rlbook.neural.distributions import actions_for, kl, log_prob, metric
from rlbook.neural.networks import check_tensor, data, flat, shares, size, unflat

PRODUCTS = ("double vjp", "jvp and vjp", "Hessian of the KL")
"""Three ways to multiply a vector by F."""


def log_density(policy, observations, actions) -> torch.Tensor:
    """log π(a|s) of a batch (N, d) of observations and (N,) actions or (N, m) for a `GaussianPolicy`, (N,)."""
    outputs = policy(data(checks.module("policy", policy), "observations", observations, ("N", "d")))
    return log_prob(policy, outputs, actions_for(policy, actions, outputs))


def divergence(policy, outputs, new_outputs) -> torch.Tensor:
    """KL(π‖π') in each of N states, from the outputs that the two make there, (N, k) tensors, (N,).

    `policy` tells logits from a Gaussian's (μ, log σ). Raises `ValueError` for outputs of two shapes.
    """
    check_tensor("outputs", outputs, ("N", "k"))
    check_tensor("new_outputs", new_outputs, tuple(outputs.shape))
    return kl(policy, outputs, new_outputs)


def fisher_vector_product(
    policy, observations, *, weights=None, method="double vjp"
) -> Callable[[np.ndarray], np.ndarray]:
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
    weights = shares(policy, weights, len(x))[:, None]
    make = {"double vjp": _double_vjp, "jvp and vjp": _jvp_and_vjp, "Hessian of the KL": _hessian_of_kl}[method]
    product = make(policy, x, weights)
    n = size(policy)
    return lambda v: flat(product(unflat(policy, checks.array("v", v, (n,), copy=False))))


def _double_vjp(policy, x, weights):
    parameters = list(policy.parameters())
    outputs = policy(x)
    u = torch.zeros_like(outputs, requires_grad=True)
    pulled = torch.autograd.grad(outputs, parameters, u, create_graph=True)  # Jᵀu, linear in u
    M = metric(policy, outputs.detach())

    def product(v):
        (pushed,) = torch.autograd.grad(pulled, u, v, retain_graph=True)
        return torch.autograd.grad(outputs, parameters, weights * M(pushed), retain_graph=True)

    return product


def _jvp_and_vjp(policy, x, weights):
    names, parameters = zip(*((name, p.detach()) for name, p in policy.named_parameters()), strict=True)

    def outputs(*parameters):
        return functional_call(policy, dict(zip(names, parameters, strict=True)), (x,))

    y, pull = vjp(outputs, *parameters)
    M = metric(policy, y)
    return lambda v: pull(weights * M(jvp(outputs, parameters, v)[1]))


def _hessian_of_kl(policy, x, weights):
    parameters = list(policy.parameters())
    outputs = policy(x)
    mean = (weights[:, 0] * kl(policy, outputs.detach(), outputs)).sum()
    gradient = torch.autograd.grad(mean, parameters, create_graph=True)
    return lambda v: torch.autograd.grad(gradient, parameters, v, retain_graph=True)


def explicit_fisher(policy, observations, *, chunk=500) -> np.ndarray:
    """The Fisher matrix (n, n) itself, a float64 array, from the Jacobian of every state's outputs.

    It takes O(Nn²) operations and O(n²) memory; `chunk` states are dealt with at a time.
    """
    x = data(checks.module("policy", policy), "observations", observations, ("N", "d"))
    chunk = checks.count("chunk", chunk)
    parameters = {name: p.detach() for name, p in policy.named_parameters()}
    per_state = vmap(jacrev(lambda parameters, x: functional_call(policy, parameters, (x,))), in_dims=(None, 0))
    n = size(policy)
    F = torch.zeros((n, n), dtype=x.dtype)
    for part in x.split(chunk):
        J = torch.cat([j.flatten(2) for j in per_state(parameters, part).values()], dim=2)  # (chunk, k, n)
        MJ = metric(policy, policy(part).detach()[:, None])(J.transpose(1, 2)).transpose(1, 2)
        F += J.flatten(0, 1).T @ MJ.flatten(0, 1)
    return (F / len(x)).double().numpy()
