"""Networks that are shared by the chapters, and how they are run."""

from __future__ import annotations

import os
from contextlib import contextmanager

import torch
from torch import nn
from tqdm.auto import tqdm


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


def _tensor(module, array):
    return torch.as_tensor(array, dtype=next(module.parameters()).dtype)


def _progress_bar(total):
    quiet = "TQDM_DISABLE" in os.environ  # set where pages are built; tqdm's notebook bar does not heed it itself
    return tqdm(total=total, leave=False, disable=quiet)
