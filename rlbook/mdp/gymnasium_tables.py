"""The transition table that a Gymnasium environment publishes, read into columns, or refused by the place at fault.

`TabularMDP.from_gymnasium` says what is read and what is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rlbook import checks

# Gymnasium's wrappers that pass states, actions and rewards on as they are.
TRANSPARENT_WRAPPERS = (
    *("TimeLimit", "Autoreset", "OrderEnforcing", "PassiveEnvChecker", "RecordEpisodeStatistics"),
    *("HumanRendering", "RenderCollection", "RecordVideo", "AddWhiteNoise", "ObstructView"),
)


def table_environment(env) -> Any:
    """The environment under wrappers that leave states, actions and rewards alone, if it publishes a table."""
    if isinstance(env, (str, type)):
        named = repr(env) if isinstance(env, str) else f"the class {env.__name__}"
        raise ValueError(f"env must be an environment, made by gymnasium.make for example, got {named}")
    base = getattr(env, "unwrapped", env)
    while env is not base:
        kind = type(env)
        if kind.__name__ not in TRANSPARENT_WRAPPERS or not kind.__module__.startswith("gymnasium.wrappers."):
            raise ValueError(
                f"env is wrapped in {kind.__name__}, which may change the states, actions or rewards that the table P "
                f"of {type(base).__name__} has; env.unwrapped is the environment that the table describes"
            )
        env = env.env
    name = type(base).__name__
    missing = [part for part in ("P", "initial_state_distrib") if getattr(base, part, None) is None]
    if len(missing) == 2:
        raise ValueError(
            f"env must publish a transition table P and initial_state_distrib, as FrozenLake does; {name} does not"
        )
    if missing == ["P"]:
        raise ValueError(f"env must publish a transition table P; {name} has an initial_state_distrib alone")
    if missing:
        raise ValueError(
            f"env must publish initial_state_distrib, the distribution of the first state; {name} has a table P alone"
        )
    if getattr(base, "fickle_passenger", False):
        raise ValueError("env changes the destination outside its table P when fickle_passenger is set")
    return base


def table_columns(env) -> tuple[int, int, tuple[np.ndarray, ...]]:
    """The numbers of states and actions of `env.P`, and of all transitions (s, a, i, p, s', reward, ends), in columns.

    i counts the transitions of P[s][a].
    """
    states = _numbered("env.P", env.P, "state")
    rows = [_numbered(f"env.P[{s}]", row, "action") for s, row in enumerate(states)]
    S, A = len(rows), len(rows[0])
    for s, row in enumerate(rows):
        if len(row) != A:
            raise ValueError(
                f"env.P[{s}] has {len(row)} actions and env.P[0] has {A}: every state must have the same actions"
            )
    for name, n, kind in (("observation_space", S, "states"), ("action_space", A, "actions")):
        space = getattr(env, name, None)
        if type(space).__name__ == "Discrete" and (space.n, getattr(space, "start", 0)) != (n, 0):
            raise ValueError(f"env.P numbers its {kind} from 0 to {n - 1}, but env.{name} is {space}")

    transitions, single = [], False
    for s, row in enumerate(rows):
        for a, outcomes in enumerate(row):
            for i, outcome in enumerate(_numbered(f"env.P[{s}][{a}]", outcomes, "transition")):
                place = f"env.P[{s}][{a}][{i}]"
                if not isinstance(outcome, (tuple, list, np.ndarray)) or len(outcome) != 4:
                    raise ValueError(f"{place} must be (probability, next state, reward, terminated), got {outcome!r}")
                p, s_next, reward, ends = outcome
                if not checks.is_number(p) or p < -checks.TOLERANCE["float64"]:
                    raise ValueError(f"{place} has {p!r} for a probability")
                if not checks.is_whole(s_next) or not 0 <= s_next < S:
                    raise ValueError(f"{place} leads to {s_next!r}, not to one of the states 0 to {S - 1}")
                if not isinstance(reward, (bool, np.bool_)) and not checks.is_number(reward):
                    raise ValueError(f"{place} has {reward!r} for a reward, not a finite number")
                if not isinstance(ends, (bool, np.bool_)) and not (checks.is_number(ends) and ends in (0, 1)):
                    raise ValueError(f"{place} has {ends!r} for terminated, neither True nor False")
                single |= isinstance(p, (np.float16, np.float32))
                transitions.append((s, a, i, max(float(p), 0.0), int(s_next), float(reward), bool(ends)))

    s, a, i, p, s_next, reward, ends = (np.array(column) for column in zip(*transitions, strict=True))
    sums = np.bincount(s * A + a, p)
    off = np.flatnonzero(abs(sums - 1) > checks.TOLERANCE["float32" if single else "float64"])
    if len(off):
        raise ValueError(f"env.P[{off[0] // A}][{off[0] % A}] has probabilities that sum to {sums[off[0]]:.10g}, not 1")
    return S, A, (s, a, i, p / sums[s * A + a] if single else p, s_next, reward, ends)


def terminal_states(s, a, i, s_next, p, ends, started) -> np.ndarray:
    """Which states end an episode, among those reachable from the start; see `from_gymnasium`."""

    def place(k):
        return f"P[{s[k]}][{a[k]}][{i[k]}]"

    ended_by = np.full(len(started), -1)  # a transition that ends an episode there, or −1
    reached, size = started.copy(), -1
    while reached.sum() != size:  # breadth-first: one sweep of the table a layer
        size = reached.sum()
        entered = np.flatnonzero((p > 0) & reached[s] & (ended_by[s] < 0))
        ending = entered[ends[entered]]
        ended_by[s_next[ending]] = ending
        reached[s_next[entered]] = True
    terminal = ended_by >= 0
    if (terminal & started).any():
        state = np.flatnonzero(terminal & started)[0]
        raise ValueError(
            f"env.{place(ended_by[state])} ends an episode in state {state}, in which episodes start as well"
        )
    passed_through = (p > 0) & reached[s] & ~terminal[s] & ~ends & terminal[s_next]
    if passed_through.any():
        k = np.flatnonzero(passed_through)[0]
        other = ended_by[s_next[k]]
        raise ValueError(
            f"env.P enters state {s_next[k]} from state {s[k]} without ending the episode, at {place(k)}, and from "
            f"{'the same state' if s[other] == s[k] else f'state {s[other]}'} ending it, at {place(other)}"
        )
    return terminal


def _numbered(name, entries, kind):
    """The entries of a dict with the keys 0, 1, …, or of a list, as a list; there has to be one."""
    if not isinstance(entries, (Mapping, list, tuple, np.ndarray)):
        raise ValueError(f"{name} must be a dict or a list of {kind}s, got {entries!r}")
    if len(entries) == 0:
        needs = "; a state in which episodes end needs them too, though they are never played"
        raise ValueError(f"{name} has no {kind}s{needs if kind == 'action' else ''}")
    if not isinstance(entries, Mapping):
        return list(entries)
    for key in entries:
        if not checks.is_whole(key):
            raise ValueError(f"{name} has a {kind} {key!r}, and not numbers from 0")
    for number in range(len(entries)):
        if number not in entries:
            raise ValueError(f"{name} has no {kind} {number}, though it has {max(entries)}: they must be 0, 1, 2, …")
    return [entries[number] for number in range(len(entries))]
