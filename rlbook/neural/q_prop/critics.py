"""Where the critic comes from: Q_w, its slope in the action, and its evaluation for the current policy.

The critic is learned from all that was remembered, whichever policy did it, for it is evaluated for the current one:
the target is r + γQ⁻(s',a') with a' from today's policy at the remembered s' (prop-critic-target), where Q-learning's
would have max_a' Q⁻(s',a') and find the value of another policy.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from rlbook import checks
from rlbook.neural.episodes import check_episodes, draw_actions
from rlbook.neural.networks import data, tensor
from rlbook.neural.q_learning import Replay, Transitions, check_transitions


class Critic(nn.Module):
    """Q_w(s,a) of observations (…, d) and actions (…, m), by a network of the two side by side, (…, 1)."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, observations, actions) -> torch.Tensor:
        return self.network(torch.cat([observations, actions], dim=-1))


def action_slope(critic, observations, actions) -> torch.Tensor:
    """∇_a Q_w(s,a) at observations (…, d) and actions (…, m), detached, (…, m).

    Raises `ValueError` for a critic that is not differentiable in a: one whose value does not depend on a through
    differentiable operations, or whose slope is not finite, or is zero everywhere though its value changes.
    """
    at = actions.detach().requires_grad_()

    def slope(a):
        value = critic(observations, a)
        if not value.requires_grad:
            return None
        return torch.autograd.grad(value.sum(), a, allow_unused=True)[0]

    v = slope(at)
    if v is None:
        raise ValueError("critic must be differentiable in a: no gradient comes back from Q(s, a) to a")
    bad = torch.nonzero(~torch.isfinite(v))
    if len(bad):
        where = tuple(bad[0].tolist())
        raise ValueError(f"critic must be differentiable in a: its slope at {where} is {v[where].item()}")
    if not v.any():
        with torch.no_grad():
            moved = (critic(observations, at + 1) != critic(observations, at)).any()
        if moved and not slope((at + 1).detach().requires_grad_()).any():
            raise ValueError("critic must be differentiable in a: its slope is 0 everywhere, and yet Q(s, a) changes")
    return v.detach()


@torch.no_grad()
def evaluation_target(critic, transitions, next_actions, gamma) -> torch.Tensor:
    """y = r + γ(1 − terminated) Q(s',a') of n transitions, with actions a' (n, m) that were chosen at s', (n,).

    With a' drawn from π(·|s'), the mean of y given (s,a) is (T^π Q)(s,a), whichever policy made the transitions
    (prop-critic-target); with a' = μ(s') it is that of the deterministic policy. There is no max over a'.
    """
    check_transitions(transitions)
    gamma = checks.discount(gamma)
    wanted = np.shape(transitions.actions)
    if len(wanted) != 2:
        raise ValueError(f"transitions.actions must be (n, m) for a critic of vectors, got shape {wanted}")
    next_actions = data(
        checks.module("critic", critic), "next_actions", next_actions, wanted, note=" as transitions.actions has"
    )
    following = critic(tensor(critic, transitions.next_observations), next_actions)[:, 0]
    return tensor(critic, transitions.rewards) + gamma * (1 - tensor(critic, transitions.terminated)) * following


@torch.no_grad()
def track(target_network, network, rate) -> None:
    """Polyak's average: moves each weight w⁻ of the target network to (1 − rate) w⁻ + rate w."""
    rate = checks.number("rate", rate, "[0, 1]")
    for slow, fast in zip(target_network.parameters(), network.parameters(), strict=True):
        slow.lerp_(fast, rate)


def as_transitions(episodes) -> Transitions:
    """The steps of whole `Episodes` as `Transitions`, one after another."""
    alive, lengths = check_episodes(episodes).alive, episodes.alive.sum(axis=1)
    following = np.empty_like(episodes.observations)
    following[:, :-1] = episodes.observations[:, 1:]
    following[np.arange(len(lengths)), lengths - 1] = episodes.last_observations
    terminated = np.zeros(alive.shape, dtype=bool)
    terminated[np.arange(len(lengths)), lengths - 1] = episodes.terminated
    columns = (episodes.observations, episodes.actions, episodes.rewards, following, terminated)
    return Transitions(*(column[alive] for column in columns))


def fit_critic(
    critic, target_network, optimiser, policy, memory, gamma, rng, *, steps, batch_size=128, rate=0.01
) -> None:
    """Off-policy evaluation of the policy: `steps` of descent on (y − Q_w(s,a))², at `batch_size` transitions each.

    They are drawn from the memory, whichever policy made them. y is `evaluation_target` by the target network, which
    follows w at `rate` after each step, and a' is drawn from the policy. The errors are counted in units of 1/(1 − γ).

    Raises `ValueError` where the memory is empty, gamma is outside [0, 1), rate outside [0, 1], or a count is not a
    positive integer.
    """
    steps, batch_size = checks.count("steps", steps), checks.count("batch_size", batch_size)
    gamma, rate = checks.discount(gamma), checks.number("rate", rate, "[0, 1]")
    drawn = checks.instance("memory", memory, Replay).sample(steps * batch_size, rng)
    next_actions = tensor(critic, draw_actions(policy, drawn.next_observations, rng)).split(batch_size)
    parts = zip(*(tensor(critic, column).split(batch_size) for column in drawn), strict=True)
    for part, a in zip(map(Transitions._make, parts), next_actions, strict=True):
        y = evaluation_target(target_network, part, a, gamma)
        loss = (((1 - gamma) * (critic(part.observations, part.actions)[:, 0] - y)) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        track(target_network, critic, rate)
