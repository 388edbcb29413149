"""One contract of inputs for every public function of rlbook: hostile arguments, generated.

A function is called with good arguments of which one is changed, in one of two ways:

same      the same numbers in another form: a list, single precision, a torch tensor, a sparse matrix, a read-only or
          negatively strided array, … The result must be what the plain float64 array gives.
bad       what must not pass: masked, objects, text, complex, empty, nan, infinite, of another shape, no distribution,
          a truth value for a number, … A ValueError or TypeError must come that names the argument.

No warning may be given, no argument changed, and no result may share memory with an argument. All numbers are short
binary fractions, so that every form holds them exactly.

`python -m tests.contract 100000` (make fuzz) tries that many; `tests/numerics/test_contract.py` a part of them.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import re
import sys
import types
import warnings
from collections import Counter
from dataclasses import dataclass, is_dataclass
from fractions import Fraction
from functools import cache, cached_property, partial
from importlib.util import find_spec

import numpy as np
import scipy.sparse as sp

import rlbook.bellman
import rlbook.mdp
import rlbook.natural_gradients
import rlbook.occupancies
import rlbook.policy_gradient
import rlbook.q_prop
from rlbook import TabularMDP
from tests.sources import TOPICS

MODULES = tuple(TOPICS)
HAS_TORCH = find_spec("torch") is not None
if HAS_TORCH:
    MODULES += tuple(
        f"neural.{name}"
        for name in (
            *("training", "episodes", "policy_gradient", "q_learning"),
            *(f"natural_gradients.{room}" for room in ("fisher", "conjugate", "trust_region", "training")),
            *(f"q_prop.{room}" for room in ("control_variates", "critics", "training", "variance")),
        )
    )
T, N = 3, 4  # steps and episodes


# Good arguments ---------------------------------------------------------------------------------------------


@dataclass
class Argument:
    """A good argument: kind, value, and what of an array is free: "columns", "rows", "sizes", "shape", "nan"."""

    kind: str
    value: object
    free: tuple = ()


class World:
    """Good arguments, by the names that the package gives them: one small problem, drawn from a seed."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.S, self.A = (int(n) for n in self.rng.integers(2, 4, size=2))
        self.pi, self.pi_new = self.rows(self.S, self.A), self.rows(self.S, self.A)
        self.P, self.r = self.rows(self.S, self.A, self.S), self.numbers(self.S, self.A)
        self.rho0, self.gamma = self.rows(self.S), 0.75
        self.mdp = TabularMDP(self.P, self.r, self.gamma, self.rho0)

    def numbers(self, *shape):
        """Quarters from −2 to 2."""
        return self.rng.integers(-8, 9, size=shape) / 4

    def rows(self, *shape):
        """Distributions of sixteenths along the last axis, none of them 0."""
        cuts = np.sort(self.rng.permuted(np.tile(np.arange(1, 16), (*shape[:-1], 1)), axis=-1)[..., : shape[-1] - 1])
        return np.diff(cuts / 16, axis=-1, prepend=0.0, append=1.0)

    def trajectories(self):
        states, actions = (self.rng.integers(n, size=(N, T)) for n in (self.S, self.A))
        alive = np.ones((N, T), dtype=bool)  # this world has no end
        return rlbook.policy_gradient.Trajectories(states, actions, self.r[states, actions], alive)

    def rows_of_six(self):
        """Transitions (s, a, p, s', r, ends)."""
        s, a, s_next = (x.ravel() for x in np.indices(self.P.shape))
        return np.stack([s, a, self.P.ravel(), s_next, self.r[s, a], np.zeros(len(s))], axis=1)

    def features(self):
        return self.numbers(self.S, self.A, 2)

    def small(self):
        """A world of two states and two actions."""
        return TabularMDP(self.rows(2, 2, 2), self.numbers(2, 2), self.gamma, self.rows(2))

    def linear(self):
        P = self.rows(self.S, self.S)
        return rlbook.bellman.LinearProblem(P, self.numbers(self.S), 0.75, self.numbers(self.S, 2), self.rows(self.S))

    def gaussian(self):
        return rlbook.q_prop.three_rooms([0.25, -0.5], order=6)

    def still(self):
        """A world that stays in the state in which it is, so that its occupancies are short binary fractions."""
        P = np.repeat(np.eye(self.S)[:, None], self.A, axis=1)
        return TabularMDP(P, self.r, self.gamma, self.rho0)

    # With networks: observations of two numbers, and three actions, or vectors of one number

    @cached_property
    def network(self):
        from rlbook.neural import mlp

        return mlp(2, 3, hidden=4, rng=np.random.default_rng(0)).double()

    @cached_property
    def value(self):
        from rlbook.neural import mlp

        return mlp(2, 1, hidden=4, rng=np.random.default_rng(1)).double()

    @cached_property
    def normal(self):
        import torch

        from rlbook.neural import GaussianPolicy, mlp

        return GaussianPolicy(mlp(2, 1, hidden=4, rng=np.random.default_rng(2)), torch.zeros(1)).double()

    @cached_property
    def critic(self):
        from rlbook.neural import Critic, mlp

        return Critic(mlp(3, 1, hidden=4, rng=np.random.default_rng(3)).double())

    def optimiser(self, module):
        import torch

        return torch.optim.SGD(getattr(self, module).parameters(), 0.25)

    def episodes(self, vectors=False):
        from rlbook.neural import Episodes

        actions = self.numbers(N, T, 1) if vectors else self.rng.integers(3, size=(N, T))
        ends = np.arange(N) % 2 == 0
        numbers = (self.numbers(N, T, 2), actions, self.numbers(N, T), np.ones((N, T), dtype=bool), self.numbers(N, 2))
        return Episodes(*numbers, ends, ~ends)

    def transitions(self, vectors=False):
        from rlbook.neural import Transitions

        actions = self.numbers(N, 1) if vectors else self.rng.integers(3, size=N)
        ends = np.arange(N) % 2 == 0
        return Transitions(self.numbers(N, 2), actions, self.numbers(N), self.numbers(N, 2), ends)

    def played(self):
        from rlbook.neural import Batch

        tables = (self.numbers(*shape) for shape in ((N, T), (N,), (N, T, 1), (N, T), (N, T)))
        return Batch(self.normal, self.episodes(vectors=True), *tables)

    def terms(self):
        from rlbook.neural import Terms

        return Terms(self.numbers(N, T), self.numbers(N, T, 1))

    def memory(self):
        from rlbook.neural import Replay

        memory = Replay(8)
        memory.add(self.transitions(vectors=True))
        return memory

    def model(self):
        from rlbook.neural import local_model

        actions = self.rng.integers(3, size=5)
        return local_model(self.network, self.numbers(5, 2), actions, self.numbers(5))

    def definite(self):
        root = self.numbers(2, 2)
        return root @ root.T + np.eye(2)


def array(make, **options):
    return lambda world: Argument("array", make(world), **options)


def number(value):
    return lambda world: Argument("number", value)


def whole(value):
    return lambda world: Argument("count", value)


def of(kind, make):
    return lambda world: Argument(kind, make(world))


def opaque(make):
    return of("opaque", make)


def outputs(world):
    import torch

    return torch.tensor(world.numbers(5, 3))


def ratios(world):
    import torch

    return torch.tensor(world.rows(5))


FLAG = of("flag", lambda w: True)
COMMON = {  # what a parameter's name means everywhere but where `SPECIAL` says otherwise
    "mdp": of("mdp", lambda w: w.mdp),
    "pi": of("rows", lambda w: w.pi),
    "pi_new": of("rows", lambda w: w.pi_new),
    "P": of("transitions", lambda w: w.P),
    "rho0": of("rows", lambda w: w.rho0),
    "rng": of("rng", lambda w: 7),
    "policy": of("function", lambda w: lambda history: w.pi[history[-1]]),
    "batch": of("trajectories", World.trajectories),
    "trajectories": of("trajectories", World.trajectories),
    "r": array(lambda w: w.r),
    "Q": array(lambda w: w.numbers(w.S, w.A)),
    "A": array(lambda w: w.numbers(w.S, w.A)),
    "V": array(lambda w: w.numbers(w.S)),
    "v": array(lambda w: w.numbers(w.S)),
    "values": array(lambda w: w.numbers(w.S)),
    "theta": array(lambda w: w.numbers(w.S, w.A)),
    "rho": array(lambda w: w.rows(w.S, w.A)),
    "rho_new": array(lambda w: w.rows(w.S, w.A)),
    "rewards": array(lambda w: w.numbers(N, T)),
    "baseline": array(lambda w: w.numbers(w.S)),
    "gamma": number(0.75),
    "alpha": number(0.5),
    "share": number(0.5),
    "tol": number(2.0**-20),
    "lam": number(0.5),
    "kappa": number(0.5),
    "beta": number(0.5),
    "damping": number(0.5),
    "delta": number(0.5),
    "epsilon": number(0.5),
    "entropy": number(0.5),
    "step_size": number(0.5),
    "exponent": number(0.75),
    "scale": number(0.5),
    "mu": number(0.5),
    "sigma": number(0.75),
    "c": number(0.25),
    "bend": number(0.5),
    "q": number(0.5),
    "n": whole(5),
    "steps": whole(3),
    "horizon": whole(T),
    "max_steps": whole(50),
    "most": whole(4096),
    "discount": FLAG,
    "natural": FLAG,
}
linear, gaussian = of("record", World.linear), of("record", World.gaussian)
nodes = array(lambda w: w.numbers(3, 6))
slopes = array(lambda w: w.numbers(3, 1))
samples = array(lambda w: w.numbers(12))
anything = partial(array, free=("shape",))
sized = partial(array, free=("sizes",))
scalar = array(lambda w: np.array(0.5))
single = of("choice", lambda w: "conservative")
network, normal, value, critic = (
    of("module", lambda w, n=n: getattr(w, n)) for n in ("network", "normal", "value", "critic")
)
observations = sized(lambda w: w.numbers(5, 2))  # a network refuses another width in its own words
numbered = of("integers", lambda w: w.rng.integers(3, size=5))
episodes = of("record", World.episodes)
table = array(lambda w: w.numbers(N, T))
batch = of("record", World.played)
NEURAL = {
    "check_episodes": {"episodes": episodes},
    "draw_actions": {"policy": network, "observations": sized(lambda w: w.numbers(5, 2))},
    "gae": {"episodes": episodes, "values": table, "last_values": array(lambda w: w.numbers(N))},
    "step_weights": {
        "variant": of("choice", lambda w: "to-go"),
        "episodes": episodes,
        "value": value,
    },
    "ascend": {
        "policy": network,
        "optimiser": opaque(lambda w: w.optimiser("network")),
        "episodes": episodes,
        "weights": table,
        "bonus": table,
    },
    "fit_value": {
        "value": value,
        "optimiser": opaque(lambda w: w.optimiser("value")),
        "episodes": episodes,
        "steps": whole(2),
    },
    "episode_gradients": {"policy": network, "episodes": episodes, "weights": table},
    "check_transitions": {"transitions": of("record", World.transitions)},
    "Replay": {"capacity": whole(8)},
    "Replay.add": {"transitions": of("record", lambda w: w.transitions(vectors=True))},
    "Replay.sample": {},
    "state_value": {"Q": opaque(outputs)},
    "td_target": {"network": network, "transitions": of("record", World.transitions)},
    "td_loss": {
        "network": network,
        "target_network": network,
        "transitions": of("record", World.transitions),
        "residual": FLAG,
    },
    "log_density": {"policy": network, "observations": observations, "actions": numbered},
    "divergence": {"policy": opaque(lambda w: w.network), "outputs": opaque(outputs), "new_outputs": opaque(outputs)},
    "neural.fisher_vector_product": {
        "policy": network,
        "observations": observations,
        "weights": array(lambda w: w.rows(5)),
        "method": of("choice", lambda w: "jvp and vjp"),
    },
    "explicit_fisher": {"policy": network, "observations": observations, "chunk": whole(3)},
    "local_model": {
        "policy": network,
        "observations": observations,
        "actions": numbered,
        "advantages": array(lambda w: w.numbers(5)),
        "weights": array(lambda w: w.rows(5)),
    },
    "clipped_gain": {"ratio": opaque(ratios), "advantages": opaque(ratios), "clip": number(0.25)},
    "clipped_ascent": {
        "policy": network,
        "optimiser": opaque(lambda w: w.optimiser("network")),
        "observations": observations,
        "actions": numbered,
        "advantages": array(lambda w: w.numbers(5)),
        "clip": number(0.25),
        "epochs": whole(2),
        "batch_size": whole(3),
        "weights": array(lambda w: w.rows(5)),
    },
    "natural_step": {
        "method": of("choice", lambda w: "natural"),
        "model": of("record", World.model),
        "cg_steps": whole(3),
    },
    "action_slope": {"critic": opaque(lambda w: w.critic), "observations": opaque(outputs), "actions": opaque(outputs)},
    "evaluation_target": {
        "critic": critic,
        "transitions": of("record", lambda w: w.transitions(vectors=True)),
        "next_actions": array(lambda w: w.numbers(N, 1)),
    },
    "track": {
        "target_network": opaque(lambda w: copy.deepcopy(w.network)),
        "network": opaque(lambda w: w.network),
        "rate": number(0.5),
    },
    "as_transitions": {"episodes": episodes},
    "fit_critic": {
        "critic": opaque(lambda w: w.critic),
        "target_network": opaque(lambda w: copy.deepcopy(w.critic)),
        "optimiser": opaque(lambda w: w.optimiser("critic")),
        "policy": normal,
        "memory": of("record", World.memory),
        "batch_size": whole(4),
        "rate": number(0.5),
    },
    "check_rule": {"rule": of("choice", lambda w: "full")},
    "control_weights": {"rule": of("choice", lambda w: "adaptive"), "batch": batch, "advantages": table},
    "q_prop_terms": {"rule": of("choice", lambda w: "adaptive"), "batch": batch},
    "q_prop_gradients": {"batch": batch, "terms": of("record", World.terms)},
    "q_prop_model": {"batch": batch, "terms": of("record", World.terms)},
    "fit_share": {
        "network": opaque(lambda w: w.value),
        "optimiser": opaque(lambda w: w.optimiser("value")),
        "batch": batch,
        "steps": whole(2),
    },
}
WORLD = {
    "terminal": array(lambda w: np.zeros(w.S)),
    "cells": of("integers", lambda w: np.arange(2 * w.S).reshape(w.S, 2)),
}
SPECIAL = NEURAL | {  # by function, and by method; None: left at its default
    "TabularMDP": WORLD,
    "TabularMDP.replace": WORLD,
    "TabularMDP.from_transitions": {"transitions": array(World.rows_of_six), "n_actions": of("count", lambda w: w.A)},
    "summary": {"result": opaque(lambda w: rlbook.bellman.policy_iteration(w.mdp))},
    "TabularMDP.flow": {"rho": array(lambda w: w.numbers(w.S, w.A))},
    "gridworld": {
        "rows": of("map", lambda w: ["S.G", ".#P"]),
        "slip": number(0.25),
        "step_reward": number(-0.25),
        "goal_reward": number(2.0),
        "pit_reward": number(-2.0),
        "cell_rewards": array(lambda w: w.numbers(2, 3)),
    },
    "garnet": {"n_states": whole(4), "n_actions": whole(2), "branching": whole(2), "sparse": FLAG},
    "softmax_policy": {"theta": sized(lambda w: w.numbers(w.S, w.A)), "features": None},
    "policy_of": {"features": None},
    "score_table": {"features": array(World.features, free=("columns",))},
    "exact_gradient": {"features": None},
    "per_trajectory_gradients": {"features": array(World.features, free=("columns",))},
    "per_step_baseline": {"features": array(World.features, free=("columns",))},
    "optimal_baseline": {"features": array(World.features, free=("columns",))},
    "exact_moments": {"features": array(World.features, free=("columns",))},
    "derive": {"name": of("choice", lambda w: "reward-to-go"), "seed": opaque(lambda w: 3), "pi_new": None},
    "variance_against_horizon": {
        "horizons": of("integers", lambda w: np.array([1, 3])),
        "features": array(World.features, free=("columns",)),
    },
    "estimate_moments": {"g_hat": anything(lambda w: w.numbers(N, 2))},
    "greedy_policy": {"Q": sized(lambda w: w.numbers(w.S, w.A))},
    "soft_value": {"Q": sized(lambda w: w.numbers(w.S, w.A))},
    "soft_policy": {"Q": sized(lambda w: w.numbers(w.S, w.A))},
    "occupancy_entropy": {"rho": sized(lambda w: w.rows(w.S, w.A))},
    "returns": {"rewards": sized(lambda w: w.numbers(N, T))},
    "trace": {"alpha": None},
    "error_and_bounds": {
        "iterates": array(lambda w: w.numbers(4, 2, 3), free=("rows",)),
        "limit": array(lambda w: w.numbers(2, 3)),
    },
    "td_direction": {"problem": linear, "w": array(lambda w: w.numbers(2)), "method": of("choice", lambda w: "naive")},
    "linear_td": {"problem": linear, "w": array(lambda w: w.numbers(2)), "method": of("choice", lambda w: "residual")},
    "td_fixed_point": {"problem": linear},
    "td_zero": {"problem": linear},
    "on_policy": {"features": array(lambda w: w.numbers(w.S, 2), free=("columns",))},
    "steepest_descent": {"G": array(World.definite), "g": array(lambda w: np.array([0.5, -0.25]))},
    "fisher": {"features": None},
    "fisher_vector_product": {"features": None},
    "compatible_weights": {"features": None},
    "natural_gradient": {"features": None},
    "estimate_fisher": {"scores": sized(lambda w: w.numbers(5, 2))},
    "sampled_product": {"scores": sized(lambda w: w.numbers(5, 2))},
    "quadratic_kl": {"F": array(World.definite), "d": anything(lambda w: w.numbers(2))},
    "conjugate_gradient": {
        "matvec": of("function", lambda w: lambda v: 2 * v),
        "b": sized(lambda w: np.array([0.5, -0.25])),
    },
    "trust_region_step": {
        "gradient": sized(lambda w: np.array([0.5, -0.25])),
        "matvec": of("function", lambda w: lambda v: 2 * v),
        "objective": of("function", lambda w: lambda d: float(d[0] - d[1])),
        "divergence": of("function", lambda w: lambda d: float(d @ d)),
        "backtrack": number(0.5),
        "max_backtracks": whole(4),
        "cg": None,
    },
    "gaussian_flow": {"t": anything(lambda w: abs(w.numbers(3)))},
    "gaussian_kl": {
        "mu": array(lambda w: w.numbers(3), free=("shape", "nan")),
        "sigma": array(lambda w: w.rows(3), free=("shape", "nan")),
        "mu1": array(lambda w: w.numbers(3), free=("shape", "nan")),
        "sigma1": array(lambda w: w.rows(3), free=("shape", "nan")),
    },
    "softmax_path": {"theta": array(lambda w: w.numbers(3)), "r": array(lambda w: w.numbers(3))},
    "plateau_time": {"start": number(-0.5), "end": number(1.5), "reward_gap": number(0.5)},
    "policy_from_occupancy": {"unvisited": of("rows", lambda w: w.pi)},
    "flow_residual": {},
    "check_occupancy": {
        "rho": array(lambda w: w.rho0[:, None] * w.pi / (1 - w.gamma)),
        "mdp": of("mdp", World.still),
    },
    "occupancy_program": {
        "method": of("choice", lambda w: "highs-ds"),
        "costs": array(lambda w: abs(w.numbers(w.S, w.A))),
        "budgets": array(lambda w: np.array(8.5)),
    },
    "budget_frontier": {
        "cost": array(lambda w: abs(w.numbers(w.S, w.A))),
        "budgets": sized(lambda w: np.array([8.5, 9.0])),
    },
    "mix": {"shares": sized(lambda w: np.array([0.25, 0.5]))},
    "mixture_path": {"shares": sized(lambda w: np.array([0.25, 0.5]))},
    "polygon": {"mdp": of("mdp", World.small)},
    "from_plane": {"mdp": of("mdp", World.small), "second": array(lambda w: w.rows(2))},
    "two_by_two": {
        "name": of("choice", lambda w: "detour"),
        "r": array(lambda w: w.numbers(2, 2)),
        "rho0": of("rows", lambda w: w.rows(2)),
    },
    "optimal_coefficient": {"f": samples, "g": samples},
    "control_variate": {"f": samples, "g": samples, "mean_g": scalar, "c": scalar},
    "cross_fitted": {"f": samples, "g": samples, "mean_g": scalar, "folds": whole(3)},
    "fitted_on_same": {"f": samples, "g": samples, "mean_g": scalar},
    "CorrelatedPair": {"mean_f": number(0.5), "sd_f": number(1.5), "sd_g": number(0.5), "corr": number(0.25)},
    "CorrelatedPair.values": {"z": anything(lambda w: w.numbers(3)), "u": anything(lambda w: w.numbers(3))},
    "CorrelatedPair.variance": {"c": anything(lambda w: w.numbers(3))},
    "CorrelatedPair.same_sample_bias": {"n": of("integers", lambda w: np.array([3, 5]))},
    "taylor_baseline": {
        "a": anything(lambda w: w.numbers(4, 2)),
        "a_bar": anything(lambda w: w.numbers(4, 2)),
        "value": anything(lambda w: w.numbers(4)),
        "slope": anything(lambda w: w.numbers(4, 2)),
    },
    "taylor_correction": {
        "slope": anything(lambda w: w.numbers(4, 2)),
        "jacobian": anything(lambda w: w.numbers(4, 2, 3)),
    },
    "gaussian_score": {
        "a": anything(lambda w: w.numbers(4, 2)),
        "mean": anything(lambda w: w.numbers(4, 2)),
        "covariance": array(World.definite),
        "jacobian": anything(lambda w: w.numbers(4, 2, 3)),
    },
    "q_prop_samples": {
        "score": anything(lambda w: w.numbers(4, 3)),
        "advantage": anything(lambda w: w.numbers(4)),
        "deviation": anything(lambda w: w.numbers(4, 2)),
        "slope": anything(lambda w: w.numbers(4, 2)),
        "jacobian": anything(lambda w: w.numbers(4, 2, 3)),
        "weight": anything(lambda w: w.numbers(4)),
    },
    "GaussianModel": {"c1": number(0.5), "c2": number(0.25), "c3": number(-0.25), "tau": number(0.5)},
    "GaussianModel.advantage": {"z": anything(lambda w: w.numbers(3)), "eps": anything(lambda w: w.numbers(3))},
    "GaussianModel.gradients": {
        "z": anything(lambda w: w.numbers(3)),
        "eps": anything(lambda w: w.numbers(3)),
        "q": anything(lambda w: np.array(0.5)),
        "weight": anything(lambda w: np.array(0.5)),
    },
    "GaussianModel.sample": {"q": anything(lambda w: np.array(0.5)), "weight": anything(lambda w: np.array(0.5))},
    "GaussianModel.variance": {
        "q": anything(lambda w: np.array(0.5)),
        "weight": anything(lambda w: w.numbers(3)),
    },
    "GaussianModel.rule": {"rule": of("choice", lambda w: "adaptive")},
    "GaussianModel.single_sample_weight": {
        "z": anything(lambda w: w.numbers(3)),
        "eps": anything(lambda w: w.numbers(3)),
        "q": anything(lambda w: np.array(0.5)),
        "rule": single,
    },
    "GaussianModel.single_sample_bias": {"rule": single},
    "GaussianModel.single_sample_variance": {"rule": single},
    "GaussianModel.same_batch_bias": {"n": of("integers", lambda w: np.array([3, 5]))},
    "WeightQuadratic.__call__": {"weight": anything(lambda w: np.array(0.5))},
    "GaussianProblem.critic_slope": {"V": array(lambda w: w.numbers(3))},
    "three_rooms": {"theta": array(lambda w: w.numbers(2)), "order": whole(4)},
    "q_prop_gradient": {
        "problem": gaussian,
        "advantage": nodes,
        "slope": slopes,
        "weight": anything(lambda w: np.array(0.5)),
    },
    "deterministic_gradient": {"problem": gaussian, "slope": slopes},
    "agreement": {"problem": gaussian, "advantage": nodes, "slope": slopes},
    "rule_weight": {
        "K": anything(lambda w: w.numbers(3)),
        "W": anything(lambda w: w.rows(3)),
        "rule": of("choice", lambda w: "adaptive"),
    },
    "weight_quadratic": {"problem": gaussian, "advantage": nodes, "slope": slopes},
    "variance_terms": {
        "problem": gaussian,
        "advantage": nodes,
        "slope": slopes,
        "noise": array(lambda w: abs(w.numbers(3, 6))),
        "weight": anything(lambda w: np.array(0.5)),
    },
}
SELVES = {  # whose methods are called
    "TabularMDP": lambda w: w.mdp,
    "GradientMoments": lambda w: rlbook.policy_gradient.exact_moments(w.mdp, w.pi, T),
    "CorrelatedPair": lambda w: rlbook.q_prop.CorrelatedPair(0.5, 1.5, 0.5, 0.25),
    "GaussianModel": lambda w: rlbook.q_prop.GaussianModel(0.5, 0.25, -0.25, 0.5, 0.75),
    "GaussianProblem": World.gaussian,
    "Replay": World.memory,
    "WeightQuadratic": lambda w: rlbook.q_prop.weight_quadratic(w.gaussian(), w.numbers(3, 6), w.numbers(3, 1)),
}
ELSEWHERE = {  # what plays environments is asked about its arguments in other files
    **dict.fromkeys(["Derivation", "Derivation.worlds"], "test_derivations.py"),
    **dict.fromkeys(["named", "name_statements"], "test_reference.py"),  # for the package's own docstrings
    **dict.fromkeys(["TabularMDP.from_gymnasium"], "test_gymnasium.py"),
    **dict.fromkeys(["TabularMDP.to_gymnasium", "TabularEnv"], "test_own_problems.py"),
    **dict.fromkeys(
        ["q_learning", "rollout", "interact", "fit_control", "measure_advantage_parts"], "test_neural_spaces.py"
    ),
    **dict.fromkeys(["train_reinforce", "train_deep_q", "train_natural", "train_q_prop"], "test_neural_spaces.py"),
    **dict.fromkeys(["train_ppo", "evaluate", "Run", "Run.note", "Run.note_batch", "Run.result"], "test_trainers.py"),
    **dict.fromkeys(["Training", "NaturalTraining", "PPOTraining", "QPropTraining", "DeepQ"], "test_trainers.py"),
    **dict.fromkeys(["compare_reinforce", "compare_deep_q", "compare_natural"], "test_neural_spaces.py"),
    **dict.fromkeys(["compare_q_prop", "measure_solves", "measure_gradient_variance"], "test_neural_spaces.py"),
    **dict.fromkeys(
        ["measure_q_prop_variance", "Critic", "Critic.forward", "Control", "Control.play"], "test_q_prop_neural.py"
    ),
}


# Functions, found by reflection -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A public function, class or method, by the name that `SPECIAL` knows it by."""

    name: str
    function: object
    method: bool

    @property
    def parameters(self):
        found = list(inspect.signature(self.function).parameters.values())
        return found[1:] if self.method else found


@cache
def cases():
    """Every public function, constructor and method of the numerical modules, but for those in `ELSEWHERE`."""
    found = []
    for name in MODULES:
        module = importlib.import_module(f"rlbook.{name}")
        for member in getattr(module, "__all__", list(vars(module))):  # a topic's face says what of its rooms is public
            value = getattr(module, member)
            home = f"{getattr(value, '__module__', None)}."
            if member.startswith("_") or not home.startswith(f"{module.__name__}."):
                continue
            if inspect.isfunction(value):
                twin = name.startswith("neural.") and member == "fisher_vector_product"  # chapter 3 has two
                found.append(Case(f"neural.{member}" if twin else member, value, False))
            elif inspect.isclass(value):
                found += methods(value)
    return [case for case in found if case.name not in ELSEWHERE and case.parameters]


def methods(kind):
    record = issubclass(kind, tuple)  # a NamedTuple holds results and checks nothing
    found = [] if record else [Case(kind.__name__, kind, False)]
    for name, value in vars(kind).items():
        value = value.__func__ if isinstance(value, classmethod) else value
        own = inspect.isfunction(value) and value.__qualname__ == f"{kind.__qualname__}.{name}"
        if own and (name == "__call__" or not name.startswith("_")):
            found.append(Case(f"{kind.__name__}.{name}", value, True))
    return found


def arguments(case, world):
    """Good arguments of a case, as `Argument`s by name. KeyError names a parameter that nobody has thought of."""
    special, chosen = SPECIAL.get(case.name, {}), {}
    for parameter in case.parameters:
        make = special[parameter.name] if parameter.name in special else COMMON.get(parameter.name)
        if make is not None:
            chosen[parameter.name] = make(world)
        elif parameter.name not in special:  # where it is left out on purpose there stands None
            raise KeyError(
                f"{case.name} has a parameter {parameter.name} for which tests/contract.py has no good value"
            )
    return chosen


# Other forms of the same numbers, and what must not pass ----------------------------------------------------


class Subclass(np.ndarray):
    pass


def tuples(x):
    return tuple(map(tuples, x)) if isinstance(x, list) else x


def backwards(x):
    flip = (slice(None, None, -1),) * x.ndim
    return np.ascontiguousarray(x[flip])[flip]


def spread(x):
    wide = np.zeros(tuple(2 * n for n in x.shape))
    wide[(slice(None, None, 2),) * x.ndim] = x
    return wide[(slice(None, None, 2),) * x.ndim]


def frozen(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def torch_tensor(dtype, x, grad=False):
    import torch

    return torch.tensor(x.tolist(), dtype=getattr(torch, dtype), requires_grad=grad)


SPARSE = [
    *(f"{kind}_{form}" for kind in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil") for form in ("array", "matrix")),
]


def same_forms(argument):
    """Names and makers of the forms in which an argument must give the same."""
    kind, value = argument.kind, argument.value
    if kind in ("array", "rows", "transitions"):
        forms = {
            "list": lambda x: x.tolist(),
            "tuple": lambda x: tuples(x.tolist()),
            "float32": lambda x: x.astype(np.float32),
            "float16": lambda x: x.astype(np.float16),
            "longdouble": lambda x: x.astype(np.longdouble),
            "big-endian": lambda x: x.astype(">f8"),
            "read-only": frozen,
            "subclass": lambda x: x.view(Subclass),
            "tensor": partial(torch_tensor, "float64"),
            "float32 tensor": partial(torch_tensor, "float32"),
            "float16 tensor": partial(torch_tensor, "float16"),
            "tensor with grad": partial(torch_tensor, "float64", grad=True),
        }
        if (value == value.round()).all():
            forms |= {"int": lambda x: x.astype(int), "int8": lambda x: x.astype(np.int8)}
        if ((value == 0) | (value == 1)).all():
            forms["bool"] = lambda x: x.astype(bool)
        if value.ndim:
            forms |= {"Fortran order": np.asfortranarray, "negative strides": backwards, "spread": spread}
        if value.ndim == 2:
            forms["matrix"] = np.asmatrix
        if value.ndim == 2 or kind == "transitions":
            flat = (-1, value.shape[-1])
            forms |= {f: (lambda x, f=f: getattr(sp, f)(x.reshape(flat))) for f in SPARSE}
        if kind != "array":
            forms["-1e-17"] = lambda x: np.where(x == 0, -1e-17, x)
        return forms
    if kind == "integers":
        dtypes = {str(d): (lambda x, d=d: x.astype(d)) for d in ("int8", "uint8", "int32", "uint64", ">i4")}
        return {"list": lambda x: x.tolist(), "read-only": frozen, "negative strides": backwards, **dtypes}
    if kind == "number":
        forms = {str(d): np.dtype(d).type for d in ("float16", "float32", "float64", "longdouble")}
        forms |= {"array": np.array, "tensor": lambda x: torch_tensor("float64", np.array(x), grad=True)}
        return {**forms, "int": int} if value == int(value) else forms
    if kind == "count":
        dtypes = {str(d): np.dtype(d).type for d in ("int16", "uint16", "int64")}
        return {**dtypes, "array": np.array, "tensor": lambda x: torch_tensor("int64", np.array(x))}
    if kind == "flag":
        return {"numpy": np.bool_}
    if kind == "trajectories":
        return {
            "small integers": lambda b: b._replace(states=b.states.astype(np.uint8), actions=b.actions.astype(np.int8)),
            "lists": lambda b: types.SimpleNamespace(**{name: x.tolist() for name, x in b._asdict().items()}),
        }
    return {}


def changed(x, value):
    """x with its last entry replaced."""
    x = x.copy()
    x.flat[-1] = value
    return x


NO_NUMBERS = {
    "None": None,
    "text": "x",
    "dict": {"a": 1.0},
    "class": TabularMDP,
    "object": object(),
    "complex": 1j,
    "set": {1.0, 2.0},
}
BAD_FORMS = {
    "masked": lambda x: np.ma.masked_array(x, mask=np.arange(x.size).reshape(x.shape) == 0),
    "masked inside": lambda x: [np.ma.masked_array(x, mask=True)],
    "objects": lambda x: x.astype(object),
    "fractions": lambda x: [Fraction(1, 2)] * max(len(np.atleast_1d(x)), 1),
    "strings": lambda x: x.astype(str),
    "bytes": lambda x: x.astype("S"),
    "complex": lambda x: x.astype(complex),
    "dates": lambda x: x.astype(int).astype("M8[D]"),
    "records": lambda x: np.zeros(x.shape, dtype=[("a", float)]),
    "empty": lambda x: x[:0] if x.ndim else np.empty(0),
    "no columns": lambda x: x[..., :0] if x.ndim else np.empty((0, 1)),
    "nan": lambda x: changed(x, np.nan),
    "inf": lambda x: changed(x, np.inf),
    "-inf": lambda x: changed(x, -np.inf),
    "nan tensor": lambda x: torch_tensor("float32", changed(x, np.nan)),
    "complex tensor": lambda x: torch_tensor("complex64", x),
    "ragged": lambda x: [[1.0, 2.0], [3.0]],
}
BAD_SHAPES = {
    "one row more": lambda x: np.concatenate([x, x[:1]]) if x.ndim else np.array([x, x]),
    "one column more": lambda x: np.concatenate([x, x[..., :1]], axis=-1) if x.ndim else np.array([[x]]),
    "one axis more": lambda x: x[None],
    "one axis less": lambda x: x[0] if x.ndim else np.array([x]),
}
UNREAD = {  # fields that not every function reads: what a function reads of them is checked there
    "Episodes": ("last_observations", "actions"),
    "Transitions": ("actions",),
    "Batch": ("values", "last_values", "slope", "tangent", "share"),
    "Terms": ("residual", "correction"),
    "LocalModel": ("gradient",),
}
BAD_ROWS = {
    "negative": lambda x: changed(np.roll(x, 1, axis=-1), -0.25),
    "sum too large": lambda x: x * 1.25,
    "sum off by 1e-5": lambda x: x * (1 + 1e-5),
    "sum off by 1e-4, single": lambda x: (x * (1 + 1e-4)).astype(np.float32),
    "zero row": lambda x: np.concatenate([x[:-1], 0 * x[-1:]]) if x.ndim > 1 else 0 * x,
}


def bad_forms(argument):
    """Names and makers of what must be refused in an argument's place."""
    kind, value = argument.kind, argument.value
    plain = {name: (lambda x, other=other: other) for name, other in NO_NUMBERS.items()}
    if kind in ("array", "rows", "transitions"):
        free = {
            "columns": ("one column more",),
            "rows": ("one row more",),
            "sizes": ("one column more", "one row more"),
            "shape": BAD_SHAPES,
        }
        passes = {name for way in argument.free for name in free.get(way, ())}
        shapes = {name: f for name, f in BAD_SHAPES.items() if name not in passes}
        forms = BAD_FORMS | plain | shapes | ({} if kind == "array" else BAD_ROWS)
        if "nan" in argument.free:
            forms = {name: f for name, f in forms.items() if "nan" not in name}
        if kind == "transitions":
            shape = (-1, value.shape[-1])
            bad = BAD_ROWS | {name: BAD_FORMS[name] for name in ("nan", "inf", "complex")}
            forms |= {f"sparse {n}": (lambda x, f=f: sp.csr_array(f(x).reshape(shape))) for n, f in bad.items()}
        return forms
    if kind == "integers":
        wrong = {"floats": lambda x: x + 0.5, "negative": lambda x: x - x.max() - 1, "truth": lambda x: x > 0}
        return plain | wrong | {name: BAD_FORMS[name] for name in ("masked", "objects", "strings", "complex", "empty")}
    scalars = plain | {"list": lambda x: [x, x], "truth": lambda x: True, "strings": str}
    if kind == "number":
        ends = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "too large an int": 10**400}
        return scalars | {name: (lambda x, end=end: end) for name, end in ends.items()}
    if kind == "count":
        others = {"half": 1.5, "nan": np.nan, "inf": np.inf, "negative": -1, "too large": 10**30, "float": 3.0}
        return scalars | {name: (lambda x, other=other: other) for name, other in others.items()}
    if kind == "flag":
        return {**plain, "1": lambda x: 1, "0.0": lambda x: 0.0, "list": lambda x: [True]}
    if kind == "choice":
        return {"None": lambda x: None, "number": lambda x: 3, "nonsense": lambda x: "nonsense", "list": lambda x: [x]}
    if kind == "rng":
        others = {"seed": 0, "None": None, "old": np.random.RandomState(0), "module": np.random, "text": "rng"}
        return {name: (lambda x, other=other: other) for name, other in others.items()}
    if kind == "opaque":
        return {}
    if kind in ("function", "record", "mdp", "module"):
        others = plain if kind == "record" else {n: f for n, f in plain.items() if (kind, n) != ("function", "class")}
        if kind == "record" and hasattr(value, "_fields"):
            for i, name in enumerate(value._fields):
                if (
                    isinstance(value[i], np.ndarray)
                    and value[i].dtype == float
                    and name not in UNREAD.get(type(value).__name__, ())
                ):
                    bad = changed(value[i], np.nan)
                    others = {**others, f"nan in {name}": lambda x, name=name, bad=bad: x._replace(**{name: bad})}
        return {**others, "array": lambda x: np.ones((2, 2)), "number": lambda x: 1.0}
    if kind == "trajectories":
        return plain | {
            "arrays": lambda b: (b.states, b.actions, b.rewards),
            "state too large": lambda b: b._replace(states=b.states + 99),
            "negative action": lambda b: b._replace(actions=b.actions - 99),
            "float states": lambda b: b._replace(states=b.states + 0.0),
            "other shapes": lambda b: b._replace(actions=b.actions[:, 1:]),
            "one axis": lambda b: b._replace(states=b.states[0], actions=b.actions[0], rewards=b.rewards[0]),
            "none": lambda b: b._replace(states=b.states[:0], actions=b.actions[:0], rewards=b.rewards[:0]),
        }
    if kind == "map":
        others = {"ragged": ["S.", "."], "letter": ["S?G"], "no rows": [], "empty row": [""], "numbers": [1, 2]}
        others |= {
            "no start": ["GPP", "GGG"],
            "None": None,
            "int": 3,
            "mixed": ["S.", 3],
            "lists": [["S", "."], [".", "G"]],
        }
        return {name: (lambda x, other=other: other) for name, other in others.items()}
    raise KeyError(kind)


# Trying it --------------------------------------------------------------------------------------------------


def call(case, world, values):
    """The result of a call with these arguments; numbers stand for the seeds of generators."""
    values = {
        name: np.random.default_rng(value) if name == "rng" and value == 7 and type(value) is int else value
        for name, value in values.items()
    }
    with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # of numpy.matrix, which still comes in
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)  # torch's own
        if case.method:
            result = case.function(SELVES[case.name.partition(".")[0]](world), **values)
        else:
            result = case.function(**values)
        if result is None:  # what was trained
            result = [list(x.parameters()) for x in values.values() if hasattr(x, "parameters")]
        if inspect.isfunction(result):  # a product, v ↦ Fv
            sizes = {"fisher_vector_product": world.S * world.A, "neural.fisher_vector_product": 27}
            result = result(np.arange(1.0, 1 + sizes.get(case.name, 2)))
    return result


def leaves(x):
    """The numbers that a result or an argument is made of, as arrays."""
    if hasattr(x, "detach"):
        return [x.detach().numpy()]
    if isinstance(x, np.ndarray):
        return [x]
    if sp.issparse(x):
        return [x.toarray()]
    if isinstance(x, TabularMDP):
        P = x.P.toarray() if x.is_sparse else x.P
        return [np.reshape(P, (*x.r.shape, -1)), x.r, np.array(x.gamma), x.rho0]
    if is_dataclass(x) and not isinstance(x, type):
        return [leaf for value in vars(x).values() for leaf in leaves(value)]
    if isinstance(x, dict):
        return [leaf for value in x.values() for leaf in leaves(value)]
    if isinstance(x, (list, tuple)):
        return [leaf for value in x for leaf in leaves(value)]
    if isinstance(x, (bool, int, float, np.generic)):
        return [np.array(x)]
    return []


def stored(x):
    """Arrays as they are in memory, of a result or an argument, for telling whether two share any."""
    if hasattr(x, "detach"):
        return [x.detach().numpy()]
    if isinstance(x, np.ndarray):
        return [x]
    if sp.issparse(x):
        return [
            value for name in ("data", "indices", "indptr") if isinstance(value := getattr(x, name, None), np.ndarray)
        ]
    if isinstance(x, TabularMDP):
        return [*stored(x._P), x.r, x.rho0]
    if isinstance(x, (list, tuple)):
        return [array for value in x for array in stored(value)]
    return []


def attempt(case, name, way, form, seed):
    """Try one form of one argument; what is wrong, or None."""
    world = World(seed)
    good = arguments(case, world)
    values = {parameter: argument.value for parameter, argument in good.items()}
    make = (same_forms if way == "same" else bad_forms)(good[name])[form]
    tried = {**values, name: make(values[name])}
    before = copy.deepcopy([stored(value) for value in tried.values()])
    try:
        result = call(case, world, tried)
    except (ValueError, TypeError) as error:
        if way == "same":
            return f"refused: {error}"
        return None if re.search(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])", str(error)) else f"unnamed: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if way == "bad":
        return "accepted"
    after = [stored(value) for value in tried.values()]
    pairs = ((x, y) for one, two in zip(before, after, strict=True) for x, y in zip(one, two, strict=True))
    if not all(np.array_equal(x, y) for x, y in pairs):
        return "changed its argument"
    given = [array for value in tried.values() for array in stored(value)]
    if any(np.shares_memory(x, y) for x in stored(result) for y in given):
        return "gave back its argument's memory"
    again = World(seed)
    plain = call(case, again, {parameter: argument.value for parameter, argument in arguments(case, again).items()})
    for x, y in zip(leaves(result), leaves(plain), strict=True):
        if x.shape != y.shape or not np.allclose(x, y, rtol=1e-9, atol=1e-12, equal_nan=True):
            return f"gave {x.ravel()[:4]}, not {y.ravel()[:4]}"
    return None


def attempts(n):
    """n attempts, (case, argument, way, form, seed): each argument of each function in turn, in forms at random."""
    pairs = [(case, name) for case in cases() for name, x in arguments(case, World(0)).items() if x.kind != "opaque"]
    rng = np.random.default_rng(0)
    for i in range(n):
        case, name = pairs[i % len(pairs)]
        seed, argument = int(rng.integers(2**31)), arguments(case, World(0))[name]
        default = next(p.default for p in case.parameters if p.name == name)
        forms = [("same", form) for form in same_forms(argument)] + [("bad", form) for form in bad_forms(argument)]
        forms = [form for form in forms if HAS_TORCH or "tensor" not in form[1]]
        forms = [form for form in forms if not (form == ("bad", "None") and default is None)]
        way, form = forms[int(rng.integers(len(forms)))]
        yield case, name, way, form, seed


def failures(n):
    """What is wrong in n attempts: a count of how they ended, and a line for each that ended wrongly."""
    ended, wrong = Counter(), []
    for case, name, way, form, seed in attempts(n):
        found = attempt(case, name, way, form, seed)
        ended["as they should" if found is None else "wrongly"] += 1
        ended[f"{way}: {'same result' if way == 'same' else 'refused by name'}"] += found is None
        if found is not None:
            wrong.append(f"{case.name}({name}={form}), {way}, seed {seed}: {found}"[:240])
    return ended, wrong


if __name__ == "__main__":
    tried = int(sys.argv[1])
    ended, wrong = failures(tried)
    print("\n".join(wrong[:40]))
    print(
        f"{tried} hostile calls of {len(cases())} functions:", ", ".join(f"{k} {v}" for k, v in sorted(ended.items()))
    )
    sys.exit(bool(wrong))
