"""Worlds to try things in: gridworlds drawn as text, and random MDPs."""

from __future__ import annotations

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.mdp.tabular import SPARSE_FROM, TabularMDP

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""The moves of a gridworld, up, right, down and left, as (row, column) steps."""


def gridworld(
    rows, *, gamma, slip=0.0, step_reward=0.0, goal_reward=1.0, pit_reward=-1.0, cell_rewards=None
) -> TabularMDP:
    """A gridworld drawn as text, one string a row.

    `.` is a free cell, `#` a wall, `G` a goal, `P` a pit, `S` a start (several starts share ρ₀ equally; with
    none, every free cell does). The actions are up, right, down, left. With probability `slip` the step goes
    to one of the two sides instead, each equally likely; a step into a wall or off the map stays put. Every
    step earns `step_reward`, and entering a goal or a pit earns that cell's reward besides; goals and pits
    are terminal: there the episode ends. `cell_rewards`, a number for each cell of the map in the same
    rows, is earned besides by every step that ends in that cell, whether it was entered or not left; a wall's
    number is never earned. From 400 states on, the transitions are sparse.

    Returns a `TabularMDP` whose `cells` holds each state's row and column, in reading order.

    Raises `ValueError` for rows of unequal length, an unknown character (named with its place), a map with no
    cell to start from, a slip outside [0, 1], a reward that is not a finite number, or `cell_rewards` of
    another shape than the map.

    >>> from rlbook import gridworld, solve
    >>> corridor = gridworld(["S..G"], gamma=0.9)
    >>> corridor
    TabularMDP(4 states, 4 actions, gamma=0.9, dense)
    >>> solve(corridor).V.round(2)
    array([0.81, 0.9 , 1.  , 0.  ])
    """
    rows = [rows] if isinstance(rows, str) else list(rows) if np.iterable(rows) else []
    if not rows or not all(isinstance(row, str) for row in rows) or not rows[0]:
        raise ValueError("rows must be a non-empty sequence of non-empty strings")
    for i, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ValueError(f"rows[{i}] has {len(row)} cells, rows[0] has {len(rows[0])}")
        for j, character in enumerate(row):
            if character not in ".#GPS":
                raise ValueError(f"rows[{i}][{j}] is {character!r}, not one of . # G P S")
    slip, step_reward = checks.number("slip", slip, "[0, 1]"), checks.number("step_reward", step_reward)
    goal_reward, pit_reward = checks.number("goal_reward", goal_reward), checks.number("pit_reward", pit_reward)

    grid = np.array([list(row) for row in rows])
    cell_rewards = np.zeros(grid.shape) if cell_rewards is None else cell_rewards
    cell_rewards = checks.array("cell_rewards", cell_rewards, grid.shape, note=" as the map has")
    cells = np.argwhere(grid != "#")
    kind = grid[tuple(cells.T)]
    starts = kind == "S" if (kind == "S").any() else kind == "."
    if not starts.any():
        raise ValueError("rows must have a start 'S' or a free cell '.' to start from")

    S, A = len(cells), len(MOVES)
    state_at = np.full(grid.shape, -1)
    state_at[tuple(cells.T)] = np.arange(S)
    state_at = np.pad(state_at, 1, constant_values=-1)
    terminal = (kind == "G") | (kind == "P")

    # landing[m, s]: the state one move m away from s, which is s itself at a wall and in a terminal cell.
    landing = np.array([state_at[cells[:, 0] + 1 + dy, cells[:, 1] + 1 + dx] for dy, dx in MOVES])
    landing = np.where((landing < 0) | terminal, np.arange(S), landing)

    chance = np.zeros((A, A))  # chance[a, m]: that intending a moves along m
    for a in range(A):
        chance[a, a] += 1 - slip
        chance[a, [(a - 1) % A, (a + 1) % A]] += slip / 2
    intended, moved = np.nonzero(chance)
    row_index = np.arange(S) * A + intended[:, None]
    P = scipy.sparse.coo_array(
        (np.repeat(chance[intended, moved], S), (row_index.ravel(), landing[moved].ravel())), shape=(S * A, S)
    ).tocsr()
    P.data[P.indptr[:-1][np.repeat(terminal, A)]] = 1.0  # but for rounding they add up to it

    entering = np.select([kind == "G", kind == "P"], [goal_reward, pit_reward], 0.0) + cell_rewards[tuple(cells.T)]
    r = (P @ entering).reshape(S, A) + step_reward
    r[terminal] = 0.0
    P = P if S >= SPARSE_FROM else P.toarray().reshape(S, A, S)
    return TabularMDP(P, r, gamma, starts / starts.sum(), terminal=terminal, cells=cells)


def garnet(n_states, n_actions, branching, *, gamma, rng, sparse=False) -> TabularMDP:
    """A random MDP (Archibald, McKinnon and Thomas 1995): each (s,a) leads to `branching` states.

    The successors are drawn without replacement, their probabilities are the gaps of sorted uniform cuts,
    rewards are standard normal, and ρ₀ is uniform. `rng` is a `numpy.random.Generator`. With `sparse=True`
    the transitions are a sparse matrix, for state spaces too large for an (S, A, S) array.

    Raises `ValueError` for a count that is not a positive integer, branching above n_states, or an `rng` of
    another kind.

    >>> import numpy as np
    >>> from rlbook import garnet
    >>> garnet(20, 3, 2, gamma=0.9, rng=np.random.default_rng(0))
    TabularMDP(20 states, 3 actions, gamma=0.9, dense)
    """
    n_states, n_actions = checks.count("n_states", n_states), checks.count("n_actions", n_actions)
    branching, sparse = checks.count("branching", branching), checks.flag("sparse", sparse)
    if branching > n_states:
        raise ValueError(f"branching must be at most n_states = {n_states}, got {branching}")
    checks.generator(rng)
    n_rows = n_states * n_actions
    successors = np.array([rng.choice(n_states, branching, replace=False, shuffle=False) for _ in range(n_rows)])
    cuts = np.sort(rng.random((n_rows, branching - 1)), axis=1)
    weights = np.diff(cuts, axis=1, prepend=0.0, append=1.0)
    rows = np.repeat(np.arange(n_rows), branching)
    P = scipy.sparse.csr_array((weights.ravel(), (rows, successors.ravel())), shape=(n_rows, n_states))
    r = rng.standard_normal((n_states, n_actions))
    rho0 = np.full(n_states, 1 / n_states)
    return TabularMDP(P if sparse else P.toarray().reshape(n_states, n_actions, n_states), r, gamma, rho0)
