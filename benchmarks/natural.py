"""Natural gradients for a Gaussian policy 17→64→64→6 at 5,000 states: (F + λI)x = g, against sb3-contrib's TRPO.

Both start from the same policy, states and g, and take ten steps of conjugate gradients. sb3-contrib's part is its
own code as `TRPO.train` calls it: the gradients of its KL divergence, its `hessian_vector_product` and its
`conjugate_gradient_solver`. Its KL divergence is a mean over the actions' coordinates, where it should be a sum, so
its F is ours over 6, and so is the λ it gets, its x six times ours. The goal is for the solves alone, where each
side finds its graph ready; making the graph is timed beside it. The direct solve forms the matrix from the Jacobian
of the mean in every state (the rows ψ/√N; those of log σ are known, 2I), then factorises it, all in single
precision, as the products are. Everybody has one thread, in a process of their own. How cost grows is measured by
`measure_solves`, as in the chapter.
"""

from __future__ import annotations

import copy
import multiprocessing
import os
import time
from functools import partial

import gymnasium as gym
import numpy as np
import torch
from sb3_contrib import TRPO
from sb3_contrib.common.utils import conjugate_gradient_solver
from stable_baselines3.common.distributions import kl_divergence
from torch.func import functional_call, jacrev, vmap

from benchmarks.timing import Result, interleaved, show
from rlbook.natural_gradients import conjugate_gradient
from rlbook.neural import PRODUCTS, GaussianPolicy, fisher_vector_product, local_model, measure_solves, mlp, one_thread

N, OBSERVED, ACTIONS, HIDDEN = 5000, 17, 6, (64, 64)
DAMPING, STEPS = 0.1, 10
WIDTHS = (22, 32, 40, 48, 64, 96, 180, 310, 560, 1000)
WITH = ("ours, with its graph", "sb3-contrib, with its graph")


class Spaces(gym.Env):
    """An environment that has spaces and nothing else: all that TRPO looks at before it learns."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (OBSERVED,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (ACTIONS,), np.float32)


class Peer:
    """sb3-contrib's TRPO with our policy's weights; its parameters stand in the same order as ours, log σ first."""

    def __init__(self, policy):
        self.trpo = TRPO("MlpPolicy", Spaces(), cg_damping=DAMPING / ACTIONS, cg_max_steps=STEPS, device="cpu")
        net, ours = self.trpo.policy, policy.network
        layers = (net.mlp_extractor.policy_net[0], net.mlp_extractor.policy_net[2], net.action_net)
        with torch.no_grad():
            net.log_std.copy_(policy.log_sigma)
        for layer, same in zip(layers, (ours[0], ours[2], ours[4]), strict=True):
            layer.load_state_dict(same.state_dict())

    def prepare(self, observations, actions, advantages):
        """g and v ↦ (F + λI)v/6, as `TRPO.train` makes them."""
        with torch.no_grad():
            old = copy.copy(self.trpo.policy.get_distribution(observations))
        new = self.trpo.policy.get_distribution(observations)
        log_prob = new.log_prob(actions)
        objective = (advantages * torch.exp(log_prob - log_prob.detach())).mean()
        kl = kl_divergence(new, old).mean()
        parameters, g, kl_gradient, _ = self.trpo._compute_actor_grad(kl, objective)
        return g, partial(self.trpo.hessian_vector_product, parameters, kl_gradient)


def fisher_by_rows(policy, observations, chunk=250):
    """F (n, n) in single precision from its rows: the Jacobian of the mean over σ, and 2I for log σ."""
    network, sigma = policy.network, policy.log_sigma.detach().exp()
    parameters = {name: p.detach() for name, p in network.named_parameters()}
    jacobian = vmap(jacrev(lambda parameters, x: functional_call(network, parameters, (x,))), in_dims=(None, 0))
    n = sum(p.numel() for p in policy.parameters())
    F = torch.zeros((n, n))
    F[range(ACTIONS), range(ACTIONS)] = 2.0
    corner = F[ACTIONS:, ACTIONS:]
    for x in observations.split(chunk):
        rows = torch.cat([J.flatten(2) for J in jacobian(parameters, x).values()], dim=2) / sigma[:, None]
        corner.addmm_(rows.flatten(0, 1).T, rows.flatten(0, 1), alpha=1 / len(observations))
    return F


def direct_solve(F, g):
    return torch.cholesky_solve(g[:, None], torch.linalg.cholesky(F + DAMPING * torch.eye(len(g))))[:, 0]


@one_thread()
def compare():
    """Seconds of every way, {name: (repeats,)}, of each direct part, the answers' distances and the number of n."""
    rng, _ = np.random.default_rng(0), torch.manual_seed(0)
    policy = GaussianPolicy(mlp(OBSERVED, ACTIONS, hidden=HIDDEN, rng=rng), torch.full((ACTIONS,), -0.5))
    shapes = ((N, OBSERVED), (N, ACTIONS), (N,))
    batch = [torch.as_tensor(rng.normal(size=shape), dtype=torch.float32) for shape in shapes]
    batch[2] *= 100  # sb3-contrib starts from a little noise, and stops at an absolute residual
    model, peer = local_model(policy, *batch), Peer(policy)
    peer_g, peer_product = peer.prepare(*batch)
    products = {m: fisher_vector_product(policy, batch[0], method=m) for m in PRODUCTS}

    def ours(matvec=model.matvec, steps=STEPS):
        return conjugate_gradient(matvec, model.gradient, damping=DAMPING, max_steps=steps).x

    solves = {name: partial(ours, product) for name, product in products.items()}
    solves["sb3-contrib"] = lambda: conjugate_gradient_solver(peer_product, peer_g, max_iter=STEPS).numpy() / ACTIONS
    answers = {name: solve() for name, solve in solves.items()}
    with_graph = {
        WITH[0]: lambda: ours(local_model(policy, *batch).matvec),
        WITH[1]: lambda: conjugate_gradient_solver(*peer.prepare(*batch)[::-1], max_iter=STEPS),
    }
    seconds = interleaved(solves | with_graph, repeats=9)

    start = time.perf_counter()
    F = fisher_by_rows(policy, batch[0])
    formed = time.perf_counter()
    direct = direct_solve(F, torch.as_tensor(model.gradient, dtype=torch.float32)).numpy()
    parts = {"forming": formed - start, "solving": time.perf_counter() - formed}
    answers |= {"direct": direct, "converged": ours(steps=300)}

    def apart(a, b):
        return np.linalg.norm(answers[a] - answers[b]) / np.linalg.norm(answers[b])

    distances = {name: apart(name, PRODUCTS[0]) for name in solves}
    distances |= {"direct, from the converged": apart("direct", "converged")}
    np.testing.assert_allclose(peer_g.numpy(), model.gradient, atol=1e-4 * abs(model.gradient).max())
    assert max(distances.values()) < 1e-3, distances
    return seconds, parts, distances, apart(PRODUCTS[0], "converged"), len(direct)


def main():
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy reads it when a process starts
    with multiprocessing.get_context("spawn").Pool(1) as fresh:
        seconds, parts, distances, remaining, n = fresh.apply(compare)
        cost = fresh.apply(partial(measure_solves, explicit_up_to=6000, repeats=3), (WIDTHS,))
    del os.environ["OPENBLAS_NUM_THREADS"]
    first = PRODUCTS[0]

    def share(of, what=first):
        return np.median(seconds[what] / seconds[of])

    direct = sum(parts.values())

    def slope(times, least):
        chosen = (cost.parameters >= least) & np.isfinite(times)
        return np.polyfit(np.log(cost.parameters[chosen]), np.log(times[chosen]), 1)[0]

    show(
        f"Ten steps of conjugate gradients with Fisher-vector products, n = {n:,}, {N:,} states",
        [
            Result("share of sb3-contrib's time", 0.5, share("sb3-contrib"), False),
            Result("the same, each making its graph as well", 0.5, share(WITH[1], WITH[0]), False),
            Result("share of the time with jvp and vjp", 1, share(PRODUCTS[1]), False),
            Result("share of the time with the Hessian of the KL", 1, share(PRODUCTS[2]), False),
            Result("share of a direct solve's time", 0.1, np.median(seconds[WITH[0]]) / direct, False),
            Result("cost against n: slope, conjugate gradients, 10⁵ to 10⁶", 1.2, slope(cost.conjugate, 1e5), False),
            Result("cost against n: slope, direct solve, from 1,600", 2.5, slope(cost.solving, 1.6e3), True),
        ],
        "milliseconds: " + ", ".join(f"{k} {np.median(v) * 1e3:.3g}" for k, v in seconds.items()),
        f"seconds: forming F {parts['forming']:.3g}, solving with it {parts['solving']:.3g}",
        "answers apart, relatively: " + ", ".join(f"{k} {v:.1g}" for k, v in distances.items()),
        f"after ten steps x is {remaining:.2g} of its length from where it converges to",
        *(
            f"n = {n:>9,}: conjugate gradients {a * 1e3:8.1f} ms, forming {b * 1e3:8.1f} ms, solving {c * 1e3:8.1f} ms"
            for n, a, b, c in zip(*cost, strict=True)
        ),
        f"slope of forming, from 1,600: {slope(cost.forming, 1.6e3):.2f}; of all of conjugate gradients: "
        f"{slope(cost.conjugate, 0):.2f}",
    )
