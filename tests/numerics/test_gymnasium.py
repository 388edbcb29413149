"""MDPs read from Gymnasium: its own tables against its own dynamics, tables of others, and wrappers.

What the reading has to give is in test_mdp.py, entry by entry; here the environments themselves are played.
"""

import collections
import functools
import sys
import types
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.envs.toy_text.frozen_lake import generate_random_map

from rlbook import TabularMDP
from rlbook.bellman import policy_iteration
from rlbook.mdp.gymnasium_tables import TRANSPARENT_WRAPPERS
from tests.strategies import plain

STEPS = 100_000
FALSE_ALARM = 1e-3  # of all comparisons of one environment together, if the table were right


# Played -------------------------------------------------------------------------------------------------------


class Seen:
    """What `steps` steps of an environment did, counted: the action is the one tried least in that state."""

    def __init__(self, env, steps, seed):
        S, A = env.observation_space.n, env.action_space.n
        self.starts, self.transitions = np.zeros(S), np.zeros((S, A, S))
        self.rewards, self.ends = np.zeros((S, A)), np.zeros((S, 2), dtype=int)
        tried = np.zeros((S, A), dtype=int)
        state, _ = env.reset(seed=seed)
        self.starts[state] += 1
        for _ in range(steps):
            action = int(tried[state].argmin())
            tried[state, action] += 1
            following, reward, terminated, truncated, _ = env.step(action)
            self.transitions[state, action, following] += 1
            self.rewards[state, action] += reward
            self.ends[following, int(terminated)] += 1
            state = following
            if terminated or truncated:
                state, _ = env.reset()
                self.starts[state] += 1
        self.visits = tried


def bernstein(variance, reach, tests):
    """How far a sum of independent deviations of that variance, none above `reach`, goes by chance.

    Bernstein: beyond x = bL/3 + √((bL/3)² + 2vL) with probability at most 2 exp(−L), which L makes a share of the false
    alarms. For large v that is √(2L) standard errors √v: 5.8 where there are 10⁴ comparisons.
    """
    L = np.log(2 * tests / FALSE_ALARM)
    return reach * L / 3 + np.sqrt((reach * L / 3) ** 2 + 2 * variance * L)


def disagreements(mdp, seen, table):
    """What the run and the MDP do not agree about. The number of visits, which the run chose, is taken as given.

    What has probability 0 or 1, and a reward that is certain, has to be met exactly. `table` gives the variances of
    the rewards, and is used for nothing else.
    """
    P, r, _, rho0 = plain(mdp)
    S = len(r)
    absorbing = (P[np.arange(S), :, np.arange(S)] == 1).all(axis=1) & (r == 0).all(axis=1)
    played = seen.visits > 0
    tests = played.sum() * (S + 1) + S
    found = [f"ended in {s}" for s in np.flatnonzero((seen.ends[:, 1] > 0) & ~absorbing)]
    found += [f"went on in {s}" for s in np.flatnonzero((seen.ends[:, 0] > 0) & absorbing)]

    n = seen.visits[..., None]
    off = abs(seen.transitions - n * P) > np.where((P == 0) | (P == 1), 1e-9, bernstein(n * P * (1 - P), 1.0, tests))
    found += [f"transition {tuple(place)}" for place in np.argwhere(off)]
    n = seen.starts.sum()
    off = abs(seen.starts - n * rho0) > np.where(
        (rho0 == 0) | (rho0 == 1), 0, bernstein(n * rho0 * (1 - rho0), 1.0, tests)
    )
    found += [f"start {s}" for s in np.flatnonzero(off)]
    for s, a in np.argwhere(played):
        chances, rewards = np.array([(p, reward) for p, _, reward, _ in table[s][a]]).T
        apart = rewards - chances @ rewards
        variance = seen.visits[s, a] * (chances @ apart**2)
        bound = 1e-9 * seen.visits[s, a] * (1 + abs(rewards).max())
        if variance > 1e-12:
            bound += bernstein(variance, abs(apart).max(), tests)
        if abs(seen.rewards[s, a] - seen.visits[s, a] * r[s, a]) > bound:
            found.append(f"reward {(s, a)}")
    return found


def random_lake(size, seed):
    return {"desc": generate_random_map(size=size, p=0.8, seed=seed)}


ENVIRONMENTS = [
    *(("FrozenLake-v1", {"map_name": "4x4", "is_slippery": slip}) for slip in (True, False)),
    *(("FrozenLake8x8-v1", {"is_slippery": slip}) for slip in (True, False)),
    *(("FrozenLake-v1", {**random_lake(6, seed), "is_slippery": slip}) for seed, slip in ((0, True), (1, False))),
    ("FrozenLake-v1", {"map_name": "4x4", "success_rate": 0.8}),
    ("FrozenLake-v1", {"map_name": "4x4", "success_rate": 1.0}),
    ("FrozenLake-v1", {"map_name": "4x4", "reward_schedule": (10, -5, -0.1)}),
    ("FrozenLake-v1", {"desc": ["SFS", "FHF", "SFG"], "success_rate": 0.6}),
    ("CliffWalking-v1", {}),
    ("CliffWalkingSlippery-v1", {}),
    ("Taxi-v4", {}),
    ("Taxi-v4", {"is_rainy": True}),
    ("Taxi-v4", {"is_rainy": True, "rainy_probability": 0.5}),
]


@pytest.mark.parametrize(("name", "options"), ENVIRONMENTS)
def test_the_environment_itself_does_what_the_table_says(name, options):
    env = gymnasium.make(name, **options)
    mdp = TabularMDP.from_gymnasium(env, 0.9)
    seen = Seen(env, STEPS, seed=3)
    assert seen.visits.sum() == STEPS
    assert disagreements(mdp, seen, env.unwrapped.P) == []
    # Nearly all that can be played at all has been played, and often.
    P, r, _, rho0 = plain(mdp)
    reached = rho0 > 0
    for _ in range(mdp.n_states):
        reached = reached | (P[reached].sum(axis=(0, 1)) > 0)
    absorbing = (P[np.arange(len(r)), :, np.arange(len(r))] == 1).all(axis=1) & (r == 0).all(axis=1)
    live = reached & ~absorbing
    assert (seen.visits[live] > 0).mean() > 0.95
    assert not seen.visits[~live].any()
    assert np.median(seen.visits[live]) > 25
    env.close()


@functools.cache
def lake_seen():
    env = gymnasium.make("FrozenLake-v1", map_name="4x4")
    return env, Seen(env, STEPS, seed=3)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda P, r, rho0: (P, r + 0.003 * (np.arange(64).reshape(16, 4) == 56), rho0),  # one pair, by .003
        lambda P, r, rho0: (P, r, np.eye(16)[1]),
        lambda P, r, rho0: (np.where(np.arange(16)[:, None, None] == 5, np.eye(16)[4], P), r, rho0),  # a hole left
        lambda P, r, rho0: (P[:, [1, 0, 2, 3]], r, rho0),
        lambda P, r, rho0: (0.9 * P + 0.1 * P[:, [0, 1, 3, 2]], r, rho0),
    ],
)
def test_the_comparison_tells_a_wrong_table(wrong):
    env, seen = lake_seen()
    P, r, gamma, rho0 = plain(TabularMDP.from_gymnasium(env, 0.9))
    assert disagreements(TabularMDP(P, r, gamma, rho0), seen, env.unwrapped.P) == []
    P, r, rho0 = wrong(P, r, rho0)
    assert disagreements(TabularMDP(P, r, gamma, rho0), seen, env.unwrapped.P)


@pytest.mark.parametrize("name", ["FrozenLake-v1", "CliffWalking-v1", "Taxi-v4"])
@pytest.mark.parametrize("render_mode", ["ansi", "rgb_array", "rgb_array_list", "human"])
def test_how_it_is_rendered_changes_nothing(name, render_mode):
    plainly = TabularMDP.from_gymnasium(gymnasium.make(name), 0.9)
    with gymnasium.make(name, render_mode=render_mode) as env:
        rendered = TabularMDP.from_gymnasium(env, 0.9)
    for one, other in zip(plain(plainly), plain(rendered), strict=True):
        np.testing.assert_array_equal(one, other)


# Tables of others ---------------------------------------------------------------------------------------------


def made_up(table, rho0, **more):
    return types.SimpleNamespace(P=table, initial_state_distrib=rho0, **more)


CHAIN = {  # 0 → 1 → 2, where episodes end; action 1 stays
    0: {0: [(1.0, 1, 1.0, False)], 1: [(0.5, 0, 0.0, False), (0.5, 1, 2.0, False)]},
    1: {0: [(1.0, 2, 5.0, True)], 1: [(1.0, 1, 0.0, False)]},
    2: {0: [(1.0, 2, 0.0, True)], 1: [(1.0, 2, 0.0, True)]},
}


def as_lists(table):
    return [[list(map(list, outcomes)) for outcomes in row.values()] for row in table.values()]


@pytest.mark.parametrize(
    "table",
    [
        CHAIN,
        as_lists(CHAIN),
        tuple(CHAIN.values()),
        {s: list(row.values()) for s, row in CHAIN.items()},
        [row for row in CHAIN.values()],
        {s: CHAIN[s] for s in (2, 0, 1)},  # in another order
        {np.int64(s): {np.int32(a): CHAIN[s][a] for a in (1, 0)} for s in CHAIN},
        {
            s: {a: [(p, np.int64(t), np.float32(r), np.bool_(e)) for p, t, r, e in CHAIN[s][a]] for a in (0, 1)}
            for s in CHAIN
        },
        {
            s: {a: [(int(p) if p == 1 else p, t, int(r), int(e)) for p, t, r, e in CHAIN[s][a]] for a in (0, 1)}
            for s in CHAIN
        },
        types.MappingProxyType(CHAIN),
        [[np.array(CHAIN[s][a], dtype=object) for a in (0, 1)] for s in CHAIN],
    ],
)
@pytest.mark.parametrize("rho0", [[1, 0, 0], np.array([1.0, 0.0, 0.0], dtype=np.float32)])
def test_dicts_and_lists_say_the_same(table, rho0):
    mdp = TabularMDP.from_gymnasium(made_up(table, rho0), 0.9)
    np.testing.assert_array_equal(mdp.r, [[1, 1], [5, 0], [0, 0]])
    np.testing.assert_array_equal(mdp.P[:, :, 0], [[0, 0.5], [0, 0], [0, 0]])
    np.testing.assert_array_equal(mdp.P[:, :, 1], [[1, 0.5], [0, 1], [0, 0]])
    # V(0) = 1 + 0.45 V(0) + 0.45 · 5 where action 1 is taken for ever; action 0 would give 5.5.
    np.testing.assert_allclose(policy_iteration(mdp).V, [65 / 11, 5, 0], rtol=1e-12, atol=1e-12)


def test_rows_of_float32_are_read_as_exact():
    """Three float32 thirds sum to 1 + 3e-8, which a row of float64 may not."""
    third = np.float32(1 / 3)
    table = [[[(third, 0, 0.0, False), (third, 1, 0.0, True), (third, 1, 3.0, True)]], [[(1.0, 1, 0.0, True)]]]
    rest = [(1.0, 1, 0.0, True)]
    for place, row in [(0, [table[0][0], rest]), (1, [rest, table[0][0]])]:  # each row by its own sum
        mdp = TabularMDP.from_gymnasium(made_up([row, [rest, rest]], [1, 0]), 0.9)
        np.testing.assert_allclose(mdp.P[0, place], [1 / 3, 2 / 3], rtol=1e-15)
        np.testing.assert_array_equal(mdp.P[0, 1 - place], [0, 1])
        assert mdp.r[0, place] == pytest.approx(1, rel=1e-15)
    off = float(third) + 1e-7
    with pytest.raises(ValueError, match=r"^env.P\[0\]\[0\] has probabilities that sum to 1.0000001"):
        TabularMDP.from_gymnasium(made_up([[[(off, 0, 0, False)] + 2 * [(1 / 3, 1, 0, True)]], table[1]], [1, 0]), 0.9)


def test_what_rounding_makes_negative_is_zero():
    table = [[[(1.0, 1, 1.0, True), (-1e-17, 0, 9.0, False)]], [[(1.0, 1, 0.0, True)]]]
    mdp = TabularMDP.from_gymnasium(made_up(table, [1, 0]), 0.9)
    np.testing.assert_array_equal(mdp.P[0, 0], [0, 1])
    np.testing.assert_array_equal(mdp.r, [[1], [0]])


def changed(place, entry):
    """CHAIN with one entry changed, at P[s], P[s][a] or P[s][a][i]."""
    table = {s: {a: list(outcomes) for a, outcomes in row.items()} for s, row in CHAIN.items()}
    inner = functools.reduce(lambda part, key: part[key], place[:-1], table)
    inner[place[-1]] = entry
    return table


def without(place):
    table = changed(place, None)
    inner = functools.reduce(lambda part, key: part[key], place[:-1], table)
    del inner[place[-1]]
    return table


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (changed([2], {}), r"^env.P\[2\] has no actions; a state in which episodes end needs them too"),
        (changed([1, 1], []), r"^env.P\[1\]\[1\] has no transitions"),
        ({}, r"^env.P has no states"),
        (without([1]), r"^env.P has no state 1, though it has 2"),
        (without([2]), r"^env.P\[1\]\[0\]\[0\] leads to 2, not to one of the states 0 to 1"),
        ({s + 1: row for s, row in CHAIN.items()}, r"^env.P has no state 0, though it has 3"),
        ({(s, 0): row for s, row in CHAIN.items()}, r"^env.P has a state \(0, 0\), and not numbers from 0"),
        ({str(s): row for s, row in CHAIN.items()}, r"^env.P has a state '0'"),
        (changed([1], {1: CHAIN[1][0], 2: CHAIN[1][1]}), r"^env.P\[1\] has no action 0, though it has 2"),
        (changed([1], {"left": CHAIN[1][0], "right": CHAIN[1][1]}), r"^env.P\[1\] has a action 'left'"),
        (without([1, 1]), r"^env.P\[1\] has 1 actions and env.P\[0\] has 2: every state must have the same"),
        (without([0, 1]), r"^env.P\[1\] has 2 actions and env.P\[0\] has 1: every state must have the same"),
        (changed([1], None), r"^env.P\[1\] must be a dict or a list of actions, got None"),
        (changed([1, 0], (1.0, 2, 5.0, True)), r"^env.P\[1\]\[0\]\[0\] must be \(probability, next state,"),
        (changed([0, 1, 1], (0.5, 1, 2.0)), r"^env.P\[0\]\[1\]\[1\] must be \(probability, .* got \(0.5, 1, 2.0\)"),
        (changed([0, 1, 1], (0.5, 1, 2.0, False, {})), r"^env.P\[0\]\[1\]\[1\] must be \(probability, next state"),
        (
            changed([0, 1, 1], (0.5, 3, 2.0, False)),
            r"^env.P\[0\]\[1\]\[1\] leads to 3, not to one of the states 0 to 2",
        ),
        (changed([0, 1, 1], (0.5, -1, 2.0, False)), r"^env.P\[0\]\[1\]\[1\] leads to -1"),
        (changed([0, 1, 1], (0.5, (0, 1), 2.0, False)), r"^env.P\[0\]\[1\]\[1\] leads to \(0, 1\)"),
        (changed([0, 1, 1], (0.5, 1.5, 2.0, False)), r"^env.P\[0\]\[1\]\[1\] leads to 1.5"),
        (changed([0, 1, 1], (0.5, True, 2.0, False)), r"^env.P\[0\]\[1\]\[1\] leads to True"),
        (changed([0, 1, 1], (0.4, 1, 2.0, False)), r"^env.P\[0\]\[1\] has probabilities that sum to 0.9, not 1"),
        (changed([0, 1, 1], (-0.5, 1, 2.0, False)), r"^env.P\[0\]\[1\]\[1\] has -0.5 for a probability"),
        (changed([0, 1, 1], (np.nan, 1, 2.0, False)), r"^env.P\[0\]\[1\]\[1\] has nan for a probability"),
        (changed([0, 1, 1], ("0.5", 1, 2.0, False)), r"^env.P\[0\]\[1\]\[1\] has '0.5' for a probability"),
        (changed([0, 1, 1], (0.5, 1, np.nan, False)), r"^env.P\[0\]\[1\]\[1\] has nan for a reward"),
        (changed([0, 1, 1], (0.5, 1, np.inf, False)), r"^env.P\[0\]\[1\]\[1\] has inf for a reward"),
        (changed([0, 1, 1], (0.5, 1, None, False)), r"^env.P\[0\]\[1\]\[1\] has None for a reward"),
        (changed([0, 1, 1], (0.5, 1, 2 + 0j, False)), r"^env.P\[0\]\[1\]\[1\] has \(2\+0j\) for a reward"),
        (changed([0, 1, 1], (0.5, 1, 2.0, "False")), r"^env.P\[0\]\[1\]\[1\] has 'False' for terminated"),
        (changed([0, 1, 1], (0.5, 1, 2.0, 0.5)), r"^env.P\[0\]\[1\]\[1\] has 0.5 for terminated"),
        (np.zeros((3, 2, 3)), r"^env.P\[0\]\[0\]\[0\] must be \(probability, .* got "),
        ("FHG", r"^env.P must be a dict or a list of states, got 'FHG'"),
    ],
)
def test_what_a_table_cannot_say_is_named_with_its_place(table, said):
    with pytest.raises(ValueError, match=said):
        TabularMDP.from_gymnasium(made_up(table, [1, 0, 0]), 0.9)


def test_a_table_is_not_changed_by_reading_it():
    """A defaultdict grows where it is asked for what it does not have."""
    table = collections.defaultdict(dict, {s: row for s, row in CHAIN.items() if s != 1})
    with pytest.raises(ValueError, match="no state 1"):
        TabularMDP.from_gymnasium(made_up(table, [1, 0, 0]), 0.9)
    assert list(table) == [0, 2]


@pytest.mark.parametrize(
    ("rho0", "said"),
    [
        (
            None,
            r"^env must publish initial_state_distrib, the distribution .*; SimpleNamespace has a table P alone",
        ),
        ([1, 0], r"^env.initial_state_distrib must have shape \(3,\)"),
        ([0.5, 0.4, 0], r"^env.initial_state_distrib sums to 0.9"),
        ([1.5, -0.5, 0], r"^env.initial_state_distrib\[1\] is -0.5"),
        ([1, np.nan, 0], r"^env.initial_state_distrib\[1\] is nan"),
        (0, r"^env.initial_state_distrib must have shape"),
        (["S", "F", "G"], r"^env.initial_state_distrib must be an array of real numbers"),
    ],
)
def test_a_start_that_is_none_is_refused(rho0, said):
    with pytest.raises(ValueError, match=said):
        TabularMDP.from_gymnasium(made_up(CHAIN, rho0), 0.9)


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match=r"^env must publish a transition table P; .* an initial_state_distrib alone"):
        TabularMDP.from_gymnasium(made_up(None, [1, 0, 0]), 0.9)
    for env in (gymnasium.make("Blackjack-v1"), gymnasium.make("CartPole-v1"), gymnasium.make_vec("FrozenLake-v1"), 3):
        name = type(getattr(env, "unwrapped", env)).__name__
        with pytest.raises(ValueError, match=rf"^env must publish a transition table P and .*; {name} does not"):
            TabularMDP.from_gymnasium(env, 0.9)
    with pytest.raises(ValueError, match=r"^env must be an environment, .* got 'FrozenLake-v1'"):
        TabularMDP.from_gymnasium("FrozenLake-v1", 0.9)
    lake = type(gymnasium.make("FrozenLake-v1").unwrapped)
    with pytest.raises(ValueError, match=r"^env must be an environment, .* got the class FrozenLakeEnv"):
        TabularMDP.from_gymnasium(lake, 0.9)


@pytest.mark.parametrize(
    ("name", "space", "said"),
    [
        (
            "observation_space",
            gymnasium.spaces.Discrete(4),
            r"states from 0 to 2, but env.observation_space is Discrete\(4\)",
        ),
        (
            "observation_space",
            gymnasium.spaces.Discrete(3, start=1),
            r"env.observation_space is Discrete\(3, start=1\)",
        ),
        ("action_space", gymnasium.spaces.Discrete(3), r"actions from 0 to 1, but env.action_space is Discrete\(3\)"),
        ("action_space", gymnasium.spaces.Discrete(2, start=-1), r"env.action_space is Discrete\(2, start=-1\)"),
    ],
)
def test_a_table_that_numbers_otherwise_than_the_spaces_is_refused(name, space, said):
    with pytest.raises(ValueError, match=rf"^env.P numbers its .*{said}"):
        TabularMDP.from_gymnasium(made_up(CHAIN, [1, 0, 0], **{name: space}), 0.9)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        # 0 enters 1 both ways, by its two actions.
        (
            [[[(1, 1, 0, False)], [(1, 1, 0, True)]], 2 * [[(1, 1, 0, True)]]],
            r"^env.P enters state 1 from state 0 without ending the episode, at P\[0\]\[0\]\[0\], "
            r"and from the same state ending it, at P\[0\]\[1\]\[0\]",
        ),
        # 1 ends the episode by re-entering itself, after it was entered from 0 without ending.
        (
            [[[(1, 1, 0, False)]], [[(0.5, 0, 0, False), (0.5, 1, 0, True)]]],
            r"^env.P enters state 1 from state 0 without .*, at P\[0\]\[0\]\[0\], and from state 1 ending it, "
            r"at P\[1\]\[0\]\[1\]",
        ),
        # The start ends the episode by re-entering itself.
        ([[[(1, 0, 0, True)]]], r"^env.P\[0\]\[0\]\[0\] ends an episode in state 0, in which episodes start as well"),
        # One comes from 1 and the other from 2.
        (
            [
                [[(0.5, 1, 0, False), (0.5, 2, 0, False)]],
                [[(1, 3, 0, False)]],
                [[(1, 3, 0, True)]],
                [[(1, 3, 0, True)]],
            ],
            r"^env.P enters state 3 from state 1 without .*, at P\[1\]\[0\]\[0\], and from state 2 ending it, "
            r"at P\[2\]\[0\]\[0\]",
        ),
    ],
)
def test_a_state_entered_both_ways_is_named_with_both_transitions(table, said):
    with pytest.raises(ValueError, match=said):
        TabularMDP.from_gymnasium(made_up(table, np.eye(len(table))[0]), 0.9)


# Wrappers -----------------------------------------------------------------------------------------------------


def own_wrappers():
    """Every wrapper of Gymnasium by its name; four need an array library, and where there is none only the name."""
    for name in wrappers.__all__:
        if name != "vector":
            try:
                kind = getattr(wrappers, name)
            except ImportError:
                module = f"gymnasium.wrappers.{wrappers._wrapper_to_class[name]}"
                kind = type(name, (gymnasium.Wrapper,), {"__module__": module})
            yield name, kind


@pytest.mark.parametrize(("name", "kind"), list(own_wrappers()))
def test_every_wrapper_of_gymnasium_is_known(name, kind):
    """Each round a lake, by its base class's constructor alone, as most need other spaces: read through, or refused."""
    lake = gymnasium.make("FrozenLake-v1")
    env = kind.__new__(kind)
    gymnasium.Wrapper.__init__(env, lake)
    env = wrappers.TimeLimit(env, 10)  # it need not be the outermost
    if name in TRANSPARENT_WRAPPERS:
        seen = TabularMDP.from_gymnasium(env, 0.9)
        for one, other in zip(plain(seen), plain(TabularMDP.from_gymnasium(lake, 0.9)), strict=True):
            np.testing.assert_array_equal(one, other)
    else:
        with pytest.raises(ValueError, match=rf"^env is wrapped in {name}, which may change"):
            TabularMDP.from_gymnasium(env, 0.9)


def test_the_wrappers_that_are_read_through_change_nothing_that_is_played(tmp_path, monkeypatch):
    """The same actions give the same states, rewards and ends until an episode's end, with each and without."""
    makers = {
        "TimeLimit": lambda env: wrappers.TimeLimit(env, 50),
        "Autoreset": wrappers.Autoreset,
        "OrderEnforcing": wrappers.OrderEnforcing,
        "PassiveEnvChecker": wrappers.PassiveEnvChecker,
        "RecordEpisodeStatistics": wrappers.RecordEpisodeStatistics,
        "RenderCollection": wrappers.RenderCollection,
        "AddWhiteNoise": lambda env: wrappers.AddWhiteNoise(env, 0.5),
        "ObstructView": lambda env: wrappers.ObstructView(env, 0.5, 2),
        "HumanRendering": wrappers.HumanRendering,
        "RecordVideo": lambda env: wrappers.RecordVideo(env, str(tmp_path), episode_trigger=lambda i: False),
    }
    assert set(makers) == set(TRANSPARENT_WRAPPERS)

    def played(env):
        steps, rng = [], np.random.default_rng(0)
        for seed in range(8):
            steps.append(env.reset(seed=seed)[0])
            for _ in range(40):
                steps.append(env.step(int(rng.integers(4)))[:3])
                if steps[-1][2]:
                    break
        return steps

    def lake():
        return gymnasium.make("FrozenLake-v1", render_mode="rgb_array").unwrapped

    # Neither a picture nor a window nor a film is made; what makes them need not be installed.
    monkeypatch.setattr(type(lake()), "render", lambda env: np.zeros((8, 8, 3), dtype=np.uint8))
    monkeypatch.setattr(wrappers.HumanRendering, "_render_frame", lambda env: None)
    monkeypatch.setitem(sys.modules, "moviepy", types.ModuleType("moviepy"))
    expected = played(lake())
    assert len(expected) > 40
    for name, make in makers.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert played(make(lake())) == expected, name


@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        (lambda env: wrappers.TransformReward(env, lambda reward: 2 * reward), "TransformReward"),
        (lambda env: wrappers.ClipReward(env, 0, 0.5), "ClipReward"),
        (lambda env: wrappers.NormalizeReward(env), "NormalizeReward"),
        (lambda env: wrappers.StickyAction(env, 0.25), "StickyAction"),
        (lambda env: wrappers.RepeatAction(env, 2), "RepeatAction"),
        (lambda env: wrappers.TransformAction(env, lambda a: 3 - a, env.action_space), "TransformAction"),
        (lambda env: wrappers.DelayObservation(env, 1), "DelayObservation"),
        (lambda env: wrappers.TimeAwareObservation(env), "TimeAwareObservation"),
        (
            lambda env: wrappers.TransformObservation(env, lambda s: 15 - s, env.observation_space),
            "TransformObservation",
        ),
        (lambda env: type("Doubled", (gymnasium.RewardWrapper,), {"reward": lambda self, r: 2 * r})(env), "Doubled"),
        (lambda env: type("TimeLimit", (gymnasium.Wrapper,), {})(env), "TimeLimit"),  # of that name, but not that one
    ],
)
def test_a_wrapper_that_may_change_the_game_is_refused_by_name(wrap, name):
    env = wrap(gymnasium.make("FrozenLake-v1"))
    with pytest.raises(ValueError, match=rf"^env is wrapped in {name}, .* env.unwrapped is the environment"):
        TabularMDP.from_gymnasium(env, 0.9)
    TabularMDP.from_gymnasium(env.unwrapped, 0.9)
