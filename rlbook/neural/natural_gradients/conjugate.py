"""Solving without a matrix: what a solve with the Fisher matrix costs, with the matrix and without."""

from __future__ import annotations

import time
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from rlbook import checks
from rlbook.natural_gradients import conjugate_gradient
from rlbook.neural.natural_gradients.fisher import explicit_fisher, fisher_vector_product
from rlbook.neural.networks import GaussianPolicy, mlp, one_thread, size


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
    n_states=500,
    explicit_up_to=3500,
    cg_steps=10,
    damping=0.1,
    repeats=2,
    seed=0,
) -> SolveCost:
    """How the cost of a natural gradient grows with the number of parameters: a `SolveCost`, one entry a width.

    The policies are Gaussian networks from 17 observations through two tanh layers of that width to one action.
    Each time is the least of `repeats`, of the calling thread's processor time, and both ways solve for the
    same g at the same random observations. The matrix is left out where a policy has more than `explicit_up_to`
    parameters.

    Raises `ValueError` for a width or another count that is not a positive integer, or a seed that is not an integer
    from 0.
    """
    checks.seed(seed)
    counts = {"n_states": n_states, "cg_steps": cg_steps, "repeats": repeats}
    for name, count in (counts | {f"widths[{i}]": width for i, width in enumerate(widths)}).items():
        checks.count(name, count)
    rng = np.random.default_rng(seed)
    rows = []
    for width in widths:
        policy = GaussianPolicy(mlp(17, 1, hidden=(width, width), rng=rng), torch.zeros(1, dtype=torch.float32))
        observations, g = rng.normal(size=(n_states, 17)), rng.normal(size=size(policy))

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
