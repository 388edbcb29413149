"""Networks that are shared by the chapters, and how they are run."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from rlbook import checks


class Scaled(nn.Module):
    """A network whose output is multiplied by a constant, so that its weights stay of order one."""

    def __init__(self, network, scale):
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, x) -> torch.Tensor:
        return self.scale * self.network(x)


class GaussianPolicy(nn.Module):
    """π(·|s) = N(μ(s), diag σ²), for actions that are vectors of m numbers.

    The network makes the mean of the observation; log σ (m,) are parameters of their own, the same in every
    state. The output (…, 2m) holds the mean and next to it log σ.
    """

    def __init__(self, network, log_sigma):
        super().__init__()
        self.network, self.log_sigma = network, nn.Parameter(log_sigma)

    def forward(self, x) -> torch.Tensor:
        mean = self.network(x)
        return torch.cat([mean, self.log_sigma.expand_as(mean)], dim=-1)


def check_weights(when, **modules) -> None:
    """Raise if a module has come to hold numbers that are not finite: nothing can be learned from there on."""
    for name, module in modules.items():
        if not all(torch.isfinite(p).all() for p in module.parameters()):
            raise ValueError(
                f"the {name} has come to hold numbers that are not finite, {when}: the steps may be too large, "
                f"or the rewards"
            )


@contextmanager
def one_thread() -> Iterator[None]:
    """Networks this small are faster on one thread, and their sums then always come in the same order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def mlp(n_in, n_out, *, hidden, rng) -> nn.Sequential:
    """A network with one tanh layer, or several where `hidden` is a tuple; its output starts near zero.

    A policy that starts so chooses every action about equally often. The weights are float32, and are drawn from
    `rng`, a `numpy.random.Generator`: torch's own random state is left as it is, and does not matter.
    Raises `ValueError` for an `rng` of another kind, or a count that is not a positive integer.
    """
    checks.generator(rng)
    widths = (checks.count("n_in", n_in), *checks.widths(hidden), checks.count("n_out", n_out))
    with torch.random.fork_rng(devices=[]), torch.no_grad():  # a Linear draws weights of its own first
        layers = [nn.Linear(*sizes, dtype=torch.float32) for sizes in itertools.pairwise(widths)]
        for layer in layers:
            spread = (0.01 if layer is layers[-1] else 1.0) / layer.in_features**0.5
            layer.weight.copy_(torch.as_tensor(rng.normal(0, spread, layer.weight.shape)))
            layer.bias.zero_()
    return nn.Sequential(*(module for layer in layers[:-1] for module in (layer, nn.Tanh())), layers[-1])


def data(module, name, values, *shapes, note="") -> torch.Tensor:
    """Numbers that are no parameters, checked (`checks.array`), as a tensor in the precision of a module."""
    return tensor(module, checks.array(name, values, *shapes, note=note))


def check_gaussian(policy) -> None:
    """Raise unless a policy is a `GaussianPolicy`."""
    if not isinstance(policy, GaussianPolicy):
        raise ValueError(f"policy must be a GaussianPolicy, got a {type(policy).__name__}")


def check_tensor(name, value, shape) -> None:
    """Raise unless `value` is a tensor of this shape, in which letters stand for any number."""
    checks.array(name, checks.instance(name, value, torch.Tensor), shape, copy=False)


def tensor(module, array) -> torch.Tensor:
    """An array as a tensor in the precision of a module."""
    checks.module("a policy, value or critic", module)
    return torch.as_tensor(array, dtype=next(module.parameters()).dtype)


def shares(module, weights, n) -> torch.Tensor:
    """The weights of n states in an average, (n,): those given, or 1/n each."""
    if weights is None:
        return torch.full((n,), 1 / n, dtype=next(module.parameters()).dtype)
    return data(module, "weights", weights, (n,), note=", one a state")


@torch.no_grad()
def values_at(value, *observations) -> list[np.ndarray]:
    """V at each array (…, d) of observations, (…)."""
    return [value(tensor(value, x))[..., 0].double().numpy() for x in observations]


# Parameters as one vector -------------------------------------------------------------------------------


def size(module) -> int:
    """n, the number of a module's parameters."""
    return sum(p.numel() for p in module.parameters())


def flat(tensors: Iterable[torch.Tensor]) -> np.ndarray:
    """The entries of all tensors as one float64 array (n,)."""
    return torch.cat([t.detach().flatten() for t in tensors]).double().numpy()


def unflat(module, v) -> tuple[torch.Tensor, ...]:
    """A vector (n,) as a tuple of tensors shaped as the module's parameters."""
    v, parameters = tensor(module, v), list(module.parameters())
    parts = v.split([p.numel() for p in parameters])
    return tuple(part.view(p.shape) for part, p in zip(parts, parameters, strict=True))


@torch.no_grad()
def move(module, step) -> None:
    """Add a step (n,) to the module's parameters."""
    for p, d in zip(module.parameters(), unflat(module, step), strict=True):
        p += d


def moved(module, x) -> Callable[[np.ndarray], torch.Tensor]:
    """d ↦ the module's outputs at x, were its parameters moved by d (n,) from where they are now."""
    theta = [(name, p.detach()) for name, p in module.named_parameters()]

    def outputs(step):
        parameters = {name: p + d for (name, p), d in zip(theta, unflat(module, step), strict=True)}
        return functional_call(module, parameters, (x,))

    return outputs
