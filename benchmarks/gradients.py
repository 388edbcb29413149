"""Per-trajectory policy gradients with 100 parameters, against torch's vmap(grad) and an autograd loop.

Torch gets its tensors and the weights γᵗG_t ready-made, its best chunk size and all its threads; ours starts
from the trajectories. The surrogate takes the log-softmax of the table before it looks steps up in it, which
is what makes torch quick here. The autograd loop stands twice: as it is usually written, with a distribution made
from each step's logits, and with the same surrogate as vmap. All of it runs in several processes one after the
other and the median counts: how a process's memory happens to lie changes the ratios by a factor of 1.5.
"""

from __future__ import annotations

import multiprocessing

import numpy as np
import torch
from torch.func import grad, vmap

from benchmarks.timing import Result, fastest, interleaved, show
from rlbook import garnet, sample_trajectories, softmax_policy
from rlbook.policy_gradient import per_trajectory_gradients, returns

N, HORIZON, LOOPED, PROCESSES = 20_000, 50, 200, 5


def surrogate(theta, states, actions, weights):
    return (torch.log_softmax(theta, dim=1)[states, actions] * weights).sum()


def usual_surrogate(theta, states, actions, weights):
    return (torch.distributions.Categorical(logits=theta[states]).log_prob(actions) * weights).sum()


def measure(_):
    """Seconds a trajectory of each way in one process, {name: (repeats,) array}, and vmap's chunk size."""
    rng = np.random.default_rng(0)
    mdp = garnet(25, 4, 3, gamma=0.95, rng=rng)
    theta = rng.normal(size=mdp.r.shape)
    pi = softmax_policy(theta)
    batch = sample_trajectories(mdp, pi, N, HORIZON, rng)
    powers = mdp.gamma ** np.arange(HORIZON)
    steps = [torch.tensor(x.astype(np.int64)) for x in batch[:2]]
    steps.append(torch.tensor(np.ascontiguousarray(powers * returns(batch.rewards, mdp.gamma))))
    table = torch.tensor(theta)

    def vectorised(chunk_size):
        return vmap(grad(surrogate), in_dims=(None, 0, 0, 0), chunk_size=chunk_size)(table, *steps)

    def looped(objective):
        parameter = table.clone().requires_grad_()
        one_by_one = (objective(parameter, *(x[i] for x in steps)) for i in range(LOOPED))
        return [torch.autograd.grad(value, parameter)[0] for value in one_by_one]

    ours = per_trajectory_gradients(batch, pi, mdp.gamma)
    np.testing.assert_allclose(ours, vectorised(None).numpy(), rtol=1e-9, atol=1e-12)
    for objective in (surrogate, usual_surrogate):
        np.testing.assert_allclose(ours[:LOOPED], torch.stack(looped(objective)).numpy(), rtol=1e-9, atol=1e-12)

    chunk_sizes = (1000, 4000, 10_000, None)
    chunk_size = fastest({size: lambda size=size: vectorised(size) for size in chunk_sizes})
    seconds = interleaved(
        {
            "ours": lambda: per_trajectory_gradients(batch, pi, mdp.gamma),
            "vmap(grad)": lambda: vectorised(chunk_size),
            "loop": lambda: looped(usual_surrogate),
            "tuned loop": lambda: looped(surrogate),
        },
        repeats=9,
    )
    trajectories = {"ours": N, "vmap(grad)": N, "loop": LOOPED, "tuned loop": LOOPED}
    return {name: times / trajectories[name] for name, times in seconds.items()}, chunk_size or N


def main():
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as fresh:
        runs = fresh.map(measure, range(PROCESSES), chunksize=1)

    def ratio(over, under):
        each = [np.median(seconds[over] / seconds[under]) for seconds, _ in runs]
        return np.median(each), f"{min(each):.3g} to {max(each):.3g}"

    share, share_range = ratio("ours", "vmap(grad)")
    usual, usual_range = ratio("loop", "ours")
    tuned, tuned_range = ratio("tuned loop", "ours")
    typical = {name: np.median([np.median(seconds[name]) for seconds, _ in runs]) * 1e6 for name in runs[0][0]}
    show(
        "Per-trajectory gradients",
        [
            Result("share of vmap(grad)'s time", 0.6, share, False),
            Result("times as fast as an autograd loop, as usually written", 150, usual, True),
            Result("times as fast as a tuned autograd loop", 150, tuned, True),
        ],
        f"over {PROCESSES} processes: {share_range}; {usual_range}; {tuned_range}",
        f"vmap's best chunks: {', '.join(str(chunk) for _, chunk in runs)}",
        "microseconds a trajectory: " + ", ".join(f"{name} {value:.3g}" for name, value in typical.items()),
    )
