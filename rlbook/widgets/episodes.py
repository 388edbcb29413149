"""Episodes of a policy on a map, played from a seed, and what they leave in its cells: what AverageGrid adds up."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used

from rlbook.bellman import transition_matrix
from rlbook.occupancies import occupancy
from rlbook.widgets.dice import uniforms
from rlbook.widgets.maps import make_map, read_policy

CUT = 1e-6  # an episode that is not absorbed ends when γᵗ is below this
CHUNK = 500  # episodes whose grids are held at once


class Estimate(NamedTuple):
    """A mean over episodes and its standard error; nan where there are too few episodes for one."""

    value: float
    error: float


class Averages(NamedTuple):
    """Means over episodes and their standard errors: of each pair, (S, 4), of each state, (S,), and of the sum."""

    pairs: np.ndarray
    pair_errors: np.ndarray
    states: np.ndarray
    state_errors: np.ndarray
    total: Estimate


class Episodes:
    """The episodes of a policy on a map, numbered from 0, each the same whenever it is asked for.

    Parameters
    ----------
    rows, cell_rewards, slip, gamma, step_reward, goal_reward, pit_reward
        The map, as `make_map` takes it.
    policy : sequence of str
        An arrow for each cell, or a dot for all four alike; empty is dots.
    seed : int from 0 to 2³² − 1

    Raises `ValueError` as `gridworld` does.
    """

    def __init__(self, *, policy=(), seed=0, **map_settings):
        self.mdp = make_map(**map_settings)
        self.pi, self.seed, self.slip = read_policy(policy, self.mdp), seed, map_settings.get("slip", 0.0)
        rows, cells = map_settings["rows"], self.mdp.cells
        kinds = np.array([rows[i][j] for i, j in cells])
        self.absorbing = np.isin(kinds, ["G", "P"])
        self.starts = np.flatnonzero(self.mdp.rho0)
        sure = make_map(**{**map_settings, "slip": 0.0}).P  # where a move leads that does not slip
        self.landing = np.asarray(sure.argmax(axis=-1)).reshape(len(cells), 4)
        powers = [1.0]
        while powers[-1] >= CUT:
            powers.append(powers[-1] * self.mdp.gamma)
        self.powers, self.horizon = np.array(powers), len(powers) - 1

    def play(self, first, count) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Episodes first, …, first + count − 1: states and actions, (count, horizon), and lengths, (count,).

        An episode's length is when it comes to an absorbing cell, which is its state from then on; else the horizon.
        """
        T, base = self.horizon, np.arange(first, first + count, dtype=np.uint64) * np.uint64(2 * self.horizon + 1)
        s = self.starts[(uniforms(self.seed, base) * len(self.starts)).astype(int)]
        states, actions = np.empty((count, T), dtype=int), np.empty((count, T), dtype=int)
        lengths, ahead = np.full(count, T), self.pi.cumsum(axis=1)
        for t in range(T):
            lengths[self.absorbing[s] & (lengths == T)] = t
            act, move = (uniforms(self.seed, base + np.uint64(2 * t + k)) for k in (1, 2))
            a = np.minimum((act[:, None] >= ahead[s]).sum(axis=1), 3)
            states[:, t], actions[:, t] = s, a
            turn = np.where(move < 1 - self.slip, 0, np.where(move < 1 - self.slip / 2, 1, 3))
            s = self.landing[s, (a + turn) % 4]
        return states, actions, lengths

    def visits(self, first, count) -> np.ndarray:
        """What each episode leaves of γᵗ in the cells, (count, S, 4).

        From the step T at which it is absorbed it stays: that is γᵀ/(1−γ) more in that cell, split as π does.
        """
        states, actions, lengths = self.play(first, count)
        S, time = self.mdp.n_states, np.arange(self.horizon)
        grids = np.zeros((count, S, 4))
        n, t = np.nonzero(time < lengths[:, None])
        np.add.at(grids, (n, states[n, t], actions[n, t]), self.powers[t])
        ended = np.flatnonzero(lengths < self.horizon)
        last, tail = states[ended, lengths[ended]], self.powers[lengths[ended]] / (1 - self.mdp.gamma)
        grids[ended, last] += tail[:, None] * self.pi[last]
        return grids

    def returns(self, first, count) -> np.ndarray:
        """What each episode earns, (count,): Σ_t γᵗ r(s_t,a_t), added up as it goes along and not by cells."""
        states, actions, lengths = self.play(first, count)
        playing = np.arange(self.horizon) < lengths[:, None]  # where it is absorbed it earns no more
        return (playing * self.mdp.r[states, actions]) @ self.powers[: self.horizon]

    def average(self, count, quantity) -> Averages:
        """The first `count` episodes' `Averages`, of rewards γᵗr or visits γᵗ."""
        unit, kept = self.unit(quantity), [[], [], []]
        for first in range(0, count, CHUNK):
            grids = self.visits(first, min(CHUNK, count - first)) * unit
            states = grids.sum(axis=2)
            for part, values in zip(kept, (grids, states, states.sum(axis=1)), strict=True):
                part.append(values)
        pairs, states, totals = (
            _mean_and_error(part, size) for part, size in zip(kept, (unit.shape, len(unit), ()), strict=True)
        )
        return Averages(*pairs, *states, Estimate(*map(float, totals)))

    def errors(self, count, quantity) -> np.ndarray:
        """Σ_s |average − exact| after 1, 2, …, count episodes, (count,)."""
        unit, sums = self.unit(quantity), [np.zeros((0, self.mdp.n_states))]
        for first in range(0, count, CHUNK):
            sums.append((self.visits(first, min(CHUNK, count - first)) * unit).sum(axis=2))
        averages = np.concatenate(sums).cumsum(axis=0) / np.arange(1, count + 1)[:, None]
        return abs(averages - (self.rho * unit).sum(axis=1)).sum(axis=1)

    def unit(self, quantity) -> np.ndarray:
        """What a visit counts for: r(s,a), or 1; (S, 4)."""
        return self.mdp.r if quantity == "reward" else np.ones(self.mdp.r.shape)

    @cached_property
    def rho(self) -> np.ndarray:
        """ρ_π(s,a), (S, 4)."""
        return occupancy(self.mdp, self.pi)

    def deviations(self, quantity) -> tuple[np.ndarray, float]:
        """The exact standard deviations of what one episode leaves in each state, (S,), and in all of them.

        What is left in s from x on has the mean v_s(x) = N(x,s) r̄(s), N = (I − γP_π)⁻¹ and r̄ = Σ_a π r. Its variance
        is that of the mean after a step and, from there on, γ² times itself: no difference of squares.
        """
        mdp, pi, gamma, r = self.mdp, self.pi, self.mdp.gamma, self.unit(quantity)
        S, P_pi = mdp.n_states, transition_matrix(mdp, pi)
        N, mean = np.linalg.inv(np.eye(S) - gamma * P_pi), (pi * r).sum(axis=1)
        v = np.column_stack([N * mean, N @ mean])  # (S, S+1): the last for all states together
        earned = np.concatenate([np.eye(S)[:, None] * r[..., None], r[..., None]], axis=2)
        ahead, P = mdp.expect(v), scipy.sparse.csr_array(mdp.P.reshape(r.size, S))
        apart = v[P.indices] - ahead.reshape(r.size, -1).repeat(np.diff(P.indptr), axis=0)
        spread = np.add.reduceat(P.data[:, None] * apart**2, P.indptr[:-1]).reshape(ahead.shape)
        step = (earned + gamma * ahead - v[:, None]) ** 2 + gamma**2 * spread
        later = np.linalg.solve(np.eye(S) - gamma**2 * P_pi, (pi[..., None] * step).sum(axis=1))
        variance = np.maximum(mdp.rho0 @ (later + (v - mdp.rho0 @ v) ** 2), 0.0)  # below 0 it is rounding
        return np.sqrt(variance[:-1]), float(np.sqrt(variance[-1]))


def _mean_and_error(chunks, shape):
    """The mean over the leading axis and its standard error; nan where there is nothing to take them of."""
    nothing = np.full(shape, np.nan)
    if not chunks:
        return nothing, nothing
    values = np.concatenate(chunks)
    n = len(values)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else nothing
