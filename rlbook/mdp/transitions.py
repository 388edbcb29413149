"""Transitions given one by one, in rows or by a function, read into columns, or refused by the row at fault.

`TabularMDP.from_transitions` says what is read and what is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rlbook import checks

ROW = ("s", "a", "p", "s'", "r", "ends")


def columns_of(transitions, S, n_actions) -> tuple[int, tuple[np.ndarray, ...], np.ndarray]:
    """The number of actions, the transitions (s, a, p, s', r) in columns, and which of the S states are terminal."""
    if callable(transitions) and not isinstance(transitions, type):
        if n_actions is None:
            raise ValueError("n_actions must be given with a function, which does not tell how many there are")
        A = checks.count("n_actions", n_actions)
        rows, places = _asked(transitions, S, A)
    else:
        rows = _listed(transitions)
        places = [f"transitions[{k}]" for k in range(len(rows))]
        A = int(rows[:, 1].max()) + 1 if n_actions is None else checks.count("n_actions", n_actions)
    s, a, p, s_next, reward, ends = _checked(rows, places, S, A)
    ended_by = np.full(S, -1)  # a transition that ends an episode there, or −1
    ended_by[s_next[ends & (p > 0)]] = np.flatnonzero(ends & (p > 0))
    terminal = ended_by >= 0
    for k in np.flatnonzero(terminal[s] | (terminal[s_next] & ~ends & (p > 0)))[:1].tolist():
        state, what = (s[k], "leaves") if terminal[s[k]] else (s_next[k], "goes on in")
        raise ValueError(f"{places[k]} {what} state {state}, in which {places[ended_by[state]]} ends the episode")
    sums = np.bincount(s * A + a, p, minlength=S * A).reshape(S, A)
    single = (p == p.astype(np.float32)).all()
    off = np.argwhere((abs(sums - 1) > checks.TOLERANCE["float32" if single else "float64"]) & ~terminal[:, None])
    for state, action in off[:1].tolist():
        what = f"state {state} under action {action}"
        if not ((s == state) & (a == action)).any():
            raise ValueError(f"transitions must say where {what} leads, and do not")
        raise ValueError(f"transitions from {what} have probabilities that sum to {sums[state, action]:.10g}, not 1")
    return A, (s, a, p, s_next, reward), terminal


def _listed(transitions):
    if isinstance(transitions, (list, tuple, Iterator)):
        transitions = list(transitions)
        for k, row in enumerate(transitions):
            if not isinstance(row, (tuple, list, np.ndarray)) or len(row) != len(ROW):
                raise ValueError(f"transitions[{k}] must be ({', '.join(ROW)}), got {row!r}")
    return checks.array("transitions", transitions, ("n", len(ROW)), note=f", a row of {', '.join(ROW)} each")


def _asked(transitions, S, A):
    """The rows that the function tells of every state and action, and where each came from.

    It is asked before it is known which states are terminal, and what it says of those is left out.
    """
    rows, places = [], []
    for s in range(S):
        for a in range(A):
            for i, outcome in enumerate(transitions(s, a)):
                place = f"transitions({s}, {a})[{i}]"
                if not isinstance(outcome, (tuple, list, np.ndarray)) or len(outcome) != 4:
                    raise ValueError(f"{place} must be (p, s', r, ends), got {outcome!r}")
                p, s_next, reward, ends = outcome
                rows.append(checks.array(place, [s, a, p, s_next, reward, ends], (len(ROW),)))
                places.append(place)
    if not rows:
        raise ValueError("transitions must give at least one outcome for each state and action, got none")
    rows = np.array(rows)
    live = ~np.isin(rows[:, 0], rows[(rows[:, 5] != 0) & (rows[:, 2] > 0), 3])
    return rows[live], [place for place, kept in zip(places, live, strict=True) if kept]


def _checked(rows, places, S, A):
    """The six columns of rows (n, 6), each with its type."""
    wanted = {
        0: (f"a state below {S}, as rho0 has", lambda x: (x >= 0) & (x < S) & (x % 1 == 0)),
        1: (f"an action below {A}", lambda x: (x >= 0) & (x < A) & (x % 1 == 0)),
        2: ("a probability", lambda x: x >= -checks.TOLERANCE["float64"]),
        3: (f"a state below {S}, as rho0 has", lambda x: (x >= 0) & (x < S) & (x % 1 == 0)),
        5: ("True or False", lambda x: (x == 0) | (x == 1)),
    }
    for column, (what, right) in wanted.items():
        bad = np.flatnonzero(~right(rows[:, column]))
        if len(bad):
            raise ValueError(f"{places[bad[0]]} has {rows[bad[0], column]:g} for {ROW[column]}, not {what}")
    s, a, p, s_next, reward, ends = rows.T
    whole = np.intp
    return s.astype(whole), a.astype(whole), np.maximum(p, 0.0), s_next.astype(whole), reward, ends.astype(bool)
