"""Finite Markov decision processes: the one noun that every chapter shares.

A finite MDP is a tuple (P, r, γ, ρ₀): transition probabilities P(s'|s,a), expected rewards r(s,a), a
discount 0 ≤ γ < 1 and a start distribution ρ₀. All of the book's tabular mathematics is written with two
linear maps of it, adjoint to each other:

    expect:  v ↦ Σ_s' P(s'|s,a) v(s')        looks one step ahead,          (S,)  → (S,A)
    flow:    ρ ↦ Σ_{s,a} P(s'|s,a) ρ(s,a)    pushes mass one step forward,  (S,A) → (S,)

Inside, P is kept action-major, as one (A·S, S) matrix: a maximum over actions then runs over a leading axis,
which is much cheaper than over a short trailing one, and dense and sparse transitions share every line.
Outside, everything is (S, A).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left as (row, column) steps
SPARSE_FROM = 400  # states; a gridworld this large or larger keeps its transitions sparse

# Gymnasium's wrappers that pass states, actions and rewards on as they are.
TRANSPARENT_WRAPPERS = (
    *("TimeLimit", "Autoreset", "OrderEnforcing", "PassiveEnvChecker", "RecordEpisodeStatistics"),
    *("HumanRendering", "RenderCollection", "RecordVideo", "AddWhiteNoise", "ObstructView"),
)


class TabularMDP:
    """A finite MDP with its arrays checked once, frozen, and shared by every chapter.

    Parameters
    ----------
    P : (S, A, S) array, or (S·A, S) scipy sparse matrix whose row s·A + a is P(·|s,a)
        Transition probabilities.
    r : (S, A) array
        Expected reward of taking action a in state s.
    gamma : float in [0, 1)
        Discount.
    rho0 : (S,) array
        Distribution of the first state.
    cells : (S, 2) integer array, optional
        Row and column of each state, where states are cells of a map (see `gridworld`).

    Rounding is accepted: a row of P or ρ₀ may miss the sum 1 by 1e-8, or by 1e-6 where its numbers fit single
    precision, and is then divided by its sum; an entry of −1e-17 is 0. What stands in the MDP is taken as exact.
    Beside its arguments an MDP keeps `row_width`, the most states that one pair leads to, and `row_error`, by how
    much the sum of a row of P may differ from 1: how well `expect` can be computed depends on the two. None of its
    attributes can be set, and its arrays cannot be written to, after a copy or from a pickle either.

    Raises
    ------
    ValueError
        A shape that does not fit, a number that is not finite, a negative probability, a row of P or ρ₀ that
        does not sum to 1, γ outside [0, 1). The message names the first bad entry.
    """

    def __init__(self, P, r, gamma, rho0, *, cells=None):
        r = checks.array("r", r, ("S", "A"))
        S, A = r.shape
        P = checks.transitions(P, S, A)
        sums = np.asarray(P.sum(axis=-1))
        if cells is not None:
            cells = checks.integers("cells", cells, (S, 2))
        vars(self).update(
            n_states=S,
            n_actions=A,
            r=np.asfortranarray(r),  # action-major too, as `expect` gives its result
            gamma=checks.discount(gamma),
            rho0=checks.distributions("rho0", rho0, (S,), note=", one entry a state"),
            cells=cells,
            row_width=int(np.diff(P.indptr).max() if scipy.sparse.issparse(P) else np.count_nonzero(P, axis=2).max()),
            _P=_action_major(P, S, A),
        )
        vars(self)["row_error"] = float(abs(sums - 1).max()) + self.row_width * checks.EPS
        self._freeze()

    def _freeze(self):
        stored = (self._P.data, self._P.indices, self._P.indptr) if self.is_sparse else (self._P,)
        for array in (*stored, self.r, self.rho0, self.cells):
            if array is not None:
                array.flags.writeable = False

    def __setattr__(self, name, value):
        raise AttributeError(f"{name} cannot be set: a TabularMDP stays as it was checked; make another one")

    def __delattr__(self, name):
        raise AttributeError(f"{name} cannot be deleted: a TabularMDP stays as it was checked")

    def __setstate__(self, state):
        vars(self).update(state)  # from a pickle or a deep copy, whose arrays are new
        self._freeze()

    @property
    def P(self):
        """Transition probabilities: an (S, A, S) array, or (S·A, S) sparse with row s·A + a."""
        S, A = self.n_states, self.n_actions
        if scipy.sparse.issparse(self._P):
            return self._P[np.arange(A * S).reshape(A, S).T.ravel()]
        return self._P.reshape(A, S, S).transpose(1, 0, 2)

    @property
    def is_sparse(self):
        """Whether the transitions are stored as a sparse matrix."""
        return scipy.sparse.issparse(self._P)

    def expect(self, v):
        """Expected value at the next state, E[v(s') | s, a] = Σ_s' P(s'|s,a) v(s').

        v is (S,), giving (S, A); or (S, k) for k functions at once, giving (S, A, k).
        """
        v = checks.array("v", v, (self.n_states,), (self.n_states, "k"), copy=False)
        ahead = (self._P @ v).reshape(self.n_actions, self.n_states, *v.shape[1:])
        return ahead.swapaxes(0, 1)

    def flow(self, rho):
        """Mass at the next state, Σ_{s,a} P(s'|s,a) ρ(s,a): the adjoint of `expect`.

        Adjoint means Σ ρ·expect(v) = flow(ρ)·v.
        rho is (S, A), giving (S,); or (S, A, k) for k measures at once, giving (S, k).
        """
        S, A = self.n_states, self.n_actions
        rho = checks.array("rho", rho, (S, A), (S, A, "k"), copy=False)
        return self._P.T @ rho.swapaxes(0, 1).reshape(A * S, *rho.shape[2:])

    def __repr__(self):
        kind = "sparse" if self.is_sparse else "dense"
        return f"TabularMDP({self.n_states} states, {self.n_actions} actions, gamma={self.gamma:g}, {kind})"

    @classmethod
    def from_gymnasium(cls, env, gamma):
        """The MDP behind a Gymnasium environment that publishes its transition table (`env.unwrapped.P`).

        FrozenLake, CliffWalking and Taxi do. P[s][a] lists the transitions (probability, next state, reward,
        terminated); states and actions are numbered from 0, the keys of dicts or the places in lists, and every
        state has the same actions. A state in which an episode ends becomes absorbing with zero reward, whatever
        its own row of the table says, because the environment never plays that row. ρ₀ is the environment's own
        `initial_state_distrib`, and r(s,a) the expectation of the table's rewards over s'. Rows of float32
        probabilities may be off by 1e-6, and are divided by their sums.

        The table is taken at its word, and it knows no wrapper. Those that leave states, actions and rewards as they
        are do not matter: Gymnasium's own TimeLimit (a truncation is no part of the MDP, and is left out), Autoreset,
        OrderEnforcing, PassiveEnvChecker, RecordEpisodeStatistics, and what renders or records. Any other could
        change what is played, and is refused by name; `env.unwrapped` has none.

        Raises
        ------
        ValueError
            If the environment has no such table or start distribution; if a part of them is missing or is not as
            above (the message names the state, the action and the transition); if it does not keep to its table
            (Taxi's fickle passenger), or may not (a wrapper); or if one state, reachable from the start, is
            entered (a reset included) both with and without the episode's ending: such a table needs a copy of
            that state, which is the caller's to make.
        """
        base = _table_environment(env)
        S, A, (s, a, i, p, s_next, reward, ends) = _table_columns(base)
        rho0 = checks.distributions(
            "env.initial_state_distrib", base.initial_state_distrib, (S,), note=", one entry a state"
        )
        terminal = _terminal_states(s, a, i, s_next, p, ends, rho0 > 0)

        live = ~terminal[s]
        stays = np.repeat(np.flatnonzero(terminal), A)
        rows = np.concatenate([(s * A + a)[live], stays * A + np.tile(np.arange(A), terminal.sum())])
        columns = np.concatenate([s_next[live], stays])
        weights = np.concatenate([p[live], np.ones(len(stays))])
        P = scipy.sparse.csr_array((weights, (rows, columns)), shape=(S * A, S))
        r = np.bincount((s * A + a)[live], (p * reward)[live], minlength=S * A).reshape(S, A)
        return cls(P if S >= SPARSE_FROM else P.toarray().reshape(S, A, S), r, gamma, rho0)


def gridworld(rows, *, gamma, slip=0.0, step_reward=0.0, goal_reward=1.0, pit_reward=-1.0, cell_rewards=None):
    """A gridworld drawn as text, one string a row.

    `.` is a free cell, `#` a wall, `G` a goal, `P` a pit, `S` a start (several starts share ρ₀ equally; with
    none, every free cell does). The actions are up, right, down, left. With probability `slip` the step goes
    to one of the two sides instead, each equally likely; a step into a wall or off the map stays put. Every
    step earns `step_reward`, and entering a goal or a pit earns that cell's reward besides; goals and pits
    are absorbing, with zero reward from then on. `cell_rewards`, a number for each cell of the map in the same
    rows, is earned besides by every step that ends in that cell, whether it was entered or not left; a wall's
    number is never earned. From 400 states on, the transitions are sparse.

    Returns a `TabularMDP` whose `cells` holds each state's row and column, in reading order.

    Raises `ValueError` for rows of unequal length, an unknown character (named with its place), a map with no
    cell to start from, a slip outside [0, 1], a reward that is not a finite number, or `cell_rewards` of
    another shape than the map.
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
    absorbing = (kind == "G") | (kind == "P")

    # landing[m, s]: the state one move m away from s, which is s itself at a wall and in an absorbing cell.
    landing = np.array([state_at[cells[:, 0] + 1 + dy, cells[:, 1] + 1 + dx] for dy, dx in MOVES])
    landing = np.where((landing < 0) | absorbing, np.arange(S), landing)

    chance = np.zeros((A, A))  # chance[a, m]: that intending a moves along m
    for a in range(A):
        chance[a, a] += 1 - slip
        chance[a, [(a - 1) % A, (a + 1) % A]] += slip / 2
    intended, moved = np.nonzero(chance)
    row_index = np.arange(S) * A + intended[:, None]
    P = scipy.sparse.coo_array(
        (np.repeat(chance[intended, moved], S), (row_index.ravel(), landing[moved].ravel())), shape=(S * A, S)
    ).tocsr()

    entering = np.select([kind == "G", kind == "P"], [goal_reward, pit_reward], 0.0) + cell_rewards[tuple(cells.T)]
    r = (P @ entering).reshape(S, A) + step_reward
    r[absorbing] = 0.0
    return TabularMDP(
        P if S >= SPARSE_FROM else P.toarray().reshape(S, A, S), r, gamma, starts / starts.sum(), cells=cells
    )


def garnet(n_states, n_actions, branching, *, gamma, rng, sparse=False):
    """A random MDP (Archibald, McKinnon and Thomas 1995): each (s,a) leads to `branching` states.

    The successors are drawn without replacement, their probabilities are the gaps of sorted uniform cuts,
    rewards are standard normal, and ρ₀ is uniform. `rng` is a `numpy.random.Generator`. With `sparse=True`
    the transitions are a sparse matrix, for state spaces too large for an (S, A, S) array.

    Raises `ValueError` for a count that is not a positive integer, branching above n_states, or an `rng` of
    another kind.
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


# Gymnasium's tables -----------------------------------------------------------------------------------------


def _table_environment(env):
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


def _table_columns(env):
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


def _terminal_states(s, a, i, s_next, p, ends, started):
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


def _action_major(P, S, A):
    """P as an (A·S, S) matrix with row a·S + s, dense or CSR."""
    if not scipy.sparse.issparse(P):
        return P.transpose(1, 0, 2).reshape(A * S, S)
    P = P[np.arange(S * A).reshape(S, A).T.ravel()]
    if max(P.nnz, *P.shape) < 2**31:  # a product reads the indices too, so their width is its time
        P.indices, P.indptr = P.indices.astype(np.int32), P.indptr.astype(np.int32)
    return P
