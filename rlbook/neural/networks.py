"""Networks that are shared by the chapters, and how they are run."""

from __future__ import annotations

import itertools
import os
from contextlib import contextmanager

import torch
from torch import nn
from tqdm.auto import tqdm

from rlbook import checks


class Scaled(nn.Module):
    """A network whose output is multiplied by a constant, so that its weights stay of order one."""

    def __init__(self, network, scale):
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, x):
        return self.scale * self.network(x)


class GaussianPolicy(nn.Module):
    """π(·|s) = N(μ(s), diag σ²), for actions that are vectors of m numbers.

    The network makes the mean of the observation; log σ (m,) are parameters of their own, the same in every
    state. The output (…, 2m) holds the mean and next to it log σ.
    """

    def __init__(self, network, log_sigma):
        super().__init__()
        self.network, self.log_sigma = network, nn.Parameter(log_sigma)

    def forward(self, x):
        mean = self.network(x)
        return torch.cat([mean, self.log_sigma.expand_as(mean)], dim=-1)


def check_weights(when, **modules):
    """Raise if a module has come to hold numbers that are not finite: nothing can be learned from there on."""
    for name, module in modules.items():
        if not all(torch.isfinite(p).all() for p in module.parameters()):
            raise ValueError(
                f"the {name} has come to hold numbers that are not finite, {when}: the steps may be too large, "
                f"or the rewards"
            )


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


def data(module, name, values, *shapes, note=""):
    """Numbers that are no parameters, checked (`checks.array`), as a tensor in the precision of a module."""
    return _tensor(module, checks.array(name, values, *shapes, note=note))


def check_tensor(name, value, shape):
    """Raise unless `value` is a tensor of this shape, in which letters stand for any number."""
    checks.array(name, checks.instance(name, value, torch.Tensor), shape, copy=False)


def _tensor(module, array):
    checks.module("a policy, value or critic", module)
    return torch.as_tensor(array, dtype=next(module.parameters()).dtype)


def _progress_bar(total):
    quiet = "TQDM_DISABLE" in os.environ  # set where pages are built; tqdm's notebook bar does not heed it itself
    return tqdm(total=total, leave=False, disable=quiet)
