"""TabularMDP and the three ways to make one: from Gymnasium's tables, from a drawn map, at random."""

import copy
import pickle
import re
import subprocess
import sys
import time
import types

import gymnasium
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from rlbook import TabularMDP, evaluate_policy, expected_return, garnet, gridworld, occupancy
from rlbook.bellman import transition_matrix
from rlbook.checks import policy as check_policy
from rlbook.mdp import worlds
from tests.strategies import arrays, plain, policies, tabular_mdps


def parts(**changed):
    """Good arguments of a TabularMDP with 2 states and 3 actions, some of them replaced."""
    P = np.zeros((2, 3, 2))
    P[..., 0], P[..., 1] = 0.25, 0.75
    return {"P": P, "r": np.arange(6.0).reshape(2, 3), "gamma": 0.9, "rho0": np.array([0.5, 0.5])} | changed


def with_entry(name, place, value):
    """Good arguments with one entry of one of them replaced."""
    good = parts()
    good[name][place] = value
    return good


def as_sparse(arguments, kind=sp.csr_array):
    S, A, _ = arguments["P"].shape
    return arguments | {"P": kind(arguments["P"].reshape(S * A, S))}


def assert_same_mdp(one, other):
    for a, b in zip(plain(one), plain(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-15)


# What is refused --------------------------------------------------------------------------------------------

BAD_ENTRIES = [
    # the argument's entry, its new value, what the message says: the place, and what is there
    ("P", (1, 2, 0), -0.25, "P[1, 2, 0] is -0.25, not a probability"),
    ("P", (1, 2, 0), np.nan, "P[1, 2, 0] is nan"),
    ("P", (1, 2, 1), np.inf, "P[1, 2, 1] is inf"),
    ("P", (1, 2, 1), 0.73, "P[1, 2] sums to 0.98, not 1"),
    ("r", (1, 0), np.nan, "r[1, 0] is nan, not a finite number"),
    ("r", (0, 2), -np.inf, "r[0, 2] is -inf, not a finite number"),
    ("rho0", 1, np.nan, "rho0[1] is nan, not a finite number"),
    ("rho0", 1, 0.4, "rho0 sums to 0.9, not 1"),
    ("rho0", 1, -0.5, "rho0[1] is -0.5, not a probability"),
]


@pytest.mark.parametrize(("name", "place", "value", "message"), BAD_ENTRIES)
def test_a_bad_entry_is_named(name, place, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        TabularMDP(**with_entry(name, place, value))


@pytest.mark.parametrize(("name", "place", "value", "message"), [row for row in BAD_ENTRIES if row[0] == "P"])
@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_array, sp.coo_array, sp.csr_matrix])
def test_a_bad_entry_of_a_sparse_P_is_named_by_state_and_action(name, place, value, message, kind):
    with pytest.raises(ValueError, match=re.escape(message)):
        TabularMDP(**as_sparse(with_entry(name, place, value), kind))


def test_the_first_bad_entry_is_the_one_that_is_named():
    good = parts()
    good["P"][0, 1, 1], good["P"][1, 0, 0] = -0.5, -0.25
    with pytest.raises(ValueError, match=re.escape("P[0, 1, 1] is -0.5")):
        TabularMDP(**good)
    with pytest.raises(ValueError, match=re.escape("P[0, 1, 1] is -0.5")):
        TabularMDP(**as_sparse(good))
    # The first is not the most negative: the number shown belongs to the place shown.
    with pytest.raises(ValueError, match=re.escape("rho0[0] is -0.25")):
        TabularMDP(**parts(rho0=np.array([-0.25, -0.5])))


@pytest.mark.parametrize("form", [lambda x: x, as_sparse])
def test_rows_may_be_off_by_rounding_and_by_no_more(form):
    TabularMDP(**form(with_entry("P", (1, 1, 0), 0.25 + 0.9e-8)))
    TabularMDP(**with_entry("rho0", 0, 0.5 - 0.9e-8))
    with pytest.raises(ValueError, match=re.escape("P[1, 1] sums to 1.00000002, not 1")):
        TabularMDP(**form(with_entry("P", (1, 1, 0), 0.25 + 2e-8)))
    with pytest.raises(ValueError, match=re.escape("rho0 sums to 0.99999998, not 1")):
        TabularMDP(**with_entry("rho0", 0, 0.5 - 2e-8))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("P", np.ones((2, 3))),  # too few axes
        ("P", np.full((2, 3, 2, 1), 0.5)),  # too many
        ("P", np.full((3, 2, 2), 0.5)),  # actions first
        ("P", np.full((2, 3, 3), 1 / 3)),
        ("P", sp.csr_array(np.full((3, 2), 0.5))),
        ("P", sp.csr_array(np.full((6, 3), 1 / 3))),
        ("P", "transitions"),
        ("P", None),
        ("P", [[[0.5, 0.5], [1.0]]]),  # ragged
        ("P", np.full((2, 3, 2), 0.5 + 0.1j)),
        ("P", sp.csr_array(np.full((6, 2), 0.5 + 0.1j))),
        ("P", np.full((2, 3, 2), "0.5")),  # numbers spelt as text are not numbers
        ("r", np.ones(2)),
        ("r", np.ones((2, 3, 1))),
        ("r", np.ones((2, 0))),
        ("r", np.ones((0, 3))),
        ("r", "rewards"),
        ("r", None),
        ("r", np.full((2, 3), 1j)),
        ("rho0", np.full((2, 1), 0.5)),
        ("rho0", np.full(3, 1 / 3)),
        ("rho0", 1.0),
        ("rho0", "start"),
        ("gamma", 1),
        ("gamma", 1.0),
        ("gamma", 1.5),
        ("gamma", -0.1),
        ("gamma", np.nan),
        ("gamma", np.inf),
        ("gamma", "x"),
        ("gamma", True),
        ("gamma", np.True_),
        ("gamma", None),
        ("gamma", 0.5j),
        ("gamma", np.complex128(0.5)),
        ("gamma", np.array([0.5])),
        ("cells", np.zeros((3, 2), dtype=int)),
        ("cells", np.zeros(2, dtype=int)),
        ("cells", [[0.5, 0], [1, 1]]),
        ("cells", "map"),
    ],
)
def test_bad_arguments_raise_a_value_error_that_names_them(name, value):
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        TabularMDP(**parts(**{name: value}))


@pytest.mark.parametrize("gamma", [0, 0.0, 0.999, np.float32(0.5), np.int64(0)])
def test_gamma_may_be_any_real_number_from_zero_below_one(gamma):
    mdp = TabularMDP(**parts(gamma=gamma))
    assert type(mdp.gamma) is float
    assert mdp.gamma == gamma


@pytest.mark.parametrize(
    "pi",
    [
        np.full((3, 2), 0.5),
        np.full(6, 1 / 6),
        np.full((2, 3), 0.3),
        [[0.5, 0.75, -0.25], [1, 0, 0]],
        [[np.nan, 0.5, 0.5], [1, 0, 0]],
        "policy",
        None,
    ],
)
@pytest.mark.parametrize("function", [check_policy, evaluate_policy, occupancy, expected_return])
def test_whatever_takes_a_policy_refuses_what_is_none(function, pi):
    with pytest.raises(ValueError, match=r"\bpi\b"):
        function(TabularMDP(**parts()), pi)


@pytest.mark.parametrize("form", [lambda x: x, as_sparse])
def test_expect_and_flow_name_the_shape_they_wanted(form):
    mdp = TabularMDP(**form(parts()))
    for v in (np.ones(3), np.ones((2, 3, 2)), 1.0):
        with pytest.raises(ValueError, match=r"^v must have shape \(2,\)"):
            mdp.expect(v)
    for rho in (np.ones(2), np.ones((3, 2)), 1.0, np.ones((2, 3, 4, 1))):
        with pytest.raises(ValueError, match=r"^rho must have shape \(2, 3\)"):
            mdp.flow(rho)


# What is kept -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [None, sp.csr_array, sp.csc_array, sp.coo_array, sp.csr_matrix])
def test_the_callers_arrays_are_copied_and_the_mdps_frozen(kind):
    given_ = parts() if kind is None else as_sparse(parts(), kind)
    before = plain(TabularMDP(**parts()))
    mdp = TabularMDP(**given_)
    numbers = given_["P"] if kind is None else given_["P"].data
    for array in (numbers, given_["r"], given_["rho0"]):
        array *= 0.0  # the caller's arrays stay writable, and what is written there does not reach the MDP
    for kept, wanted in zip(plain(mdp), before, strict=True):
        np.testing.assert_array_equal(kept, wanted)
    frozen = [mdp.r, mdp.rho0]
    if kind is None:
        frozen.append(mdp.P)
    for array in frozen:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0
    if kind is not None:  # a sparse P is handed out as a copy
        mdp.P.data[:] = 0.0
        np.testing.assert_array_equal(plain(mdp)[0], before[0])


def test_a_callers_sparse_matrix_keeps_its_duplicates():
    # Row 0 says the same entry twice, ¼ and ½. They add up in the MDP; the caller's matrix stays as it was.
    data, columns, row_ends = np.array([0.25, 0.5, 0.25, 1.0]), np.array([1, 1, 0, 0]), np.array([0, 3, 4])
    P = sp.csr_array((data, columns, row_ends), shape=(2, 2))
    mdp = TabularMDP(P, np.zeros((2, 1)), 0.9, [1, 0])
    np.testing.assert_array_equal(plain(mdp)[0], [[[0.25, 0.75]], [[1, 0]]])
    assert P.data.tolist() == [0.25, 0.5, 0.25, 1.0]
    assert P.nnz == 4
    P.data *= 0  # and is still writable


def test_cells_are_copied_and_frozen_too():
    cells = np.array([[0, 0], [0, 1]])
    mdp = TabularMDP(**parts(), cells=cells)
    cells[:] = 7
    assert mdp.cells.tolist() == [[0, 0], [0, 1]]
    with pytest.raises(ValueError, match="read-only"):
        mdp.cells[0] = 1


@pytest.mark.parametrize("form", [lambda x: x, as_sparse])
@pytest.mark.parametrize("again", [lambda mdp: pickle.loads(pickle.dumps(mdp)), copy.deepcopy, copy.copy])
def test_a_copy_of_an_mdp_is_frozen_too(form, again):
    mdp = TabularMDP(**form(parts()), cells=[[0, 0], [0, 1]])
    other = again(mdp)
    assert_same_mdp(other, mdp)
    assert (other.row_width, other.row_error, repr(other)) == (mdp.row_width, mdp.row_error, repr(mdp))
    stored = other._P.data if other.is_sparse else other.P
    for array in (other.r, other.rho0, other.cells, stored):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(AttributeError, match="gamma cannot be set"):
        other.gamma = 0.5


@pytest.mark.parametrize("name", ["gamma", "r", "P", "rho0", "n_states", "is_sparse", "discount"])
def test_no_attribute_of_an_mdp_can_be_set_or_deleted(name):
    mdp = TabularMDP(**parts())
    with pytest.raises(AttributeError, match=rf"{name} cannot be set: a TabularMDP stays as it was checked"):
        setattr(mdp, name, getattr(mdp, name, 1.5))
    with pytest.raises(AttributeError, match=rf"{name} cannot be deleted"):
        delattr(mdp, name)
    assert mdp.gamma == 0.9


@given(st.data())
def test_P_comes_back_as_it_went_in(data):
    mdp = data.draw(tabular_mdps(sparse=False))
    P, r, gamma, rho0 = plain(mdp)
    S, A = r.shape
    again = TabularMDP(P, r, gamma, rho0)
    np.testing.assert_array_equal(again.P, P)
    thin = TabularMDP(sp.csr_array(P.reshape(S * A, S)), r, gamma, rho0)
    assert thin.is_sparse
    assert not again.is_sparse
    assert thin.P.shape == (S * A, S)
    np.testing.assert_array_equal(thin.P.toarray(), P.reshape(S * A, S))
    assert_same_mdp(TabularMDP(thin.P, r, gamma, rho0), again)


def test_repr_says_what_it_is():
    assert repr(TabularMDP(**parts())) == "TabularMDP(2 states, 3 actions, gamma=0.9, dense)"
    assert repr(TabularMDP(**as_sparse(parts()))) == "TabularMDP(2 states, 3 actions, gamma=0.9, sparse)"


# The two linear maps ----------------------------------------------------------------------------------------


@given(st.data())
def test_expect_and_flow_are_the_sums_they_stand_for_and_adjoint(data):
    mdp = data.draw(tabular_mdps())
    P, r, _, _ = plain(mdp)
    S, A = r.shape
    v, rho = data.draw(arrays(S)), data.draw(arrays(S, A))
    expect, flow = np.zeros((S, A)), np.zeros(S)
    for s in range(S):
        for a in range(A):
            for x in range(S):
                expect[s, a] += P[s, a, x] * v[x]
                flow[x] += P[s, a, x] * rho[s, a]
    np.testing.assert_allclose(mdp.expect(v), expect, rtol=0, atol=1e-13)
    np.testing.assert_allclose(mdp.flow(rho), flow, rtol=0, atol=1e-13)
    assert abs((rho * mdp.expect(v)).sum() - mdp.flow(rho) @ v) < 1e-12
    # Several functions at once are the same functions one by one.
    np.testing.assert_allclose(
        mdp.expect(np.stack([v, 1 - v], axis=1)),
        np.stack([expect, mdp.expect(1 - v)], axis=2),
        rtol=0,
        atol=1e-13,
    )
    np.testing.assert_allclose(
        mdp.flow(np.stack([rho, rho**2], axis=2)),
        np.stack([flow, mdp.flow(rho**2)], axis=1),
        rtol=0,
        atol=1e-13,
    )


@given(st.data())
def test_dense_and_sparse_give_the_same_numbers(data):
    dense = data.draw(tabular_mdps(sparse=False))
    P, r, gamma, rho0 = plain(dense)
    S, A = r.shape
    thin = TabularMDP(sp.csr_array(P.reshape(S * A, S)), r, gamma, rho0)
    pi, v, rho = data.draw(policies(dense)), data.draw(arrays(S)), data.draw(arrays(S, A))
    for f in (
        lambda mdp: mdp.expect(v),
        lambda mdp: mdp.flow(rho),
        lambda mdp: evaluate_policy(mdp, pi).V,
        lambda mdp: evaluate_policy(mdp, pi).Q,
        lambda mdp: occupancy(mdp, pi),
        lambda mdp: expected_return(mdp, pi),
    ):
        one, other = f(dense), f(thin)
        assert np.shape(one) == np.shape(other)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(transition_matrix(thin, pi).toarray(), transition_matrix(dense, pi), atol=1e-15)


# From Gymnasium ---------------------------------------------------------------------------------------------


def environment(name, **options):
    """A toy-text environment without its time limit, which is no part of the MDP."""
    return gymnasium.make(name, max_episode_steps=-1, disable_env_checker=True, **options).unwrapped


ENVIRONMENTS = [
    ("FrozenLake-v1", {"map_name": "4x4", "is_slippery": True}),
    ("FrozenLake-v1", {"map_name": "4x4", "is_slippery": False}),
    ("FrozenLake-v1", {"map_name": "8x8", "is_slippery": True}),
    ("FrozenLake-v1", {"map_name": "8x8", "is_slippery": False}),
    ("CliffWalking-v1", {"is_slippery": False}),
    ("CliffWalking-v1", {"is_slippery": True}),
    ("Taxi-v4", {}),
    ("Taxi-v4", {"is_rainy": True}),
]


def episode_return(env, pi, gamma, horizon):
    """η of the environment itself: its own table walked step by step, mass leaving where an episode ends."""
    mass = {int(s): float(p) for s, p in enumerate(env.initial_state_distrib) if p > 0}
    total, scale, ended = 0.0, 1.0, set()
    for _ in range(horizon):
        after = {}
        for s, m in mass.items():
            for a in range(pi.shape[1]):
                for p, s_next, reward, terminated in env.P[s][a]:
                    weight = m * pi[s, a] * p
                    total += scale * weight * float(reward)
                    if terminated:
                        ended.add(int(s_next))
                    elif weight > 0:
                        after[int(s_next)] = after.get(int(s_next), 0.0) + weight
        mass, scale = after, scale * gamma
    return total, ended, set(mass)


@pytest.mark.parametrize(("name", "options"), ENVIRONMENTS)
def test_from_gymnasium_is_the_environments_own_table(name, options):
    env, gamma = environment(name, **options), 0.8
    mdp = TabularMDP.from_gymnasium(gymnasium.make(name, **options), gamma)  # wrapped, as a reader would pass it
    S, A = env.observation_space.n, env.action_space.n
    assert (mdp.n_states, mdp.n_actions, mdp.gamma) == (S, A, gamma)
    np.testing.assert_array_equal(mdp.rho0, env.initial_state_distrib)

    rng = np.random.default_rng(0)
    pi = rng.dirichlet(np.ones(A), size=S)
    horizon = 150  # what is left of the return is below 0.8^150 · 100/(1 − 0.8) < 2e-12
    total, ended, live = episode_return(env, pi, gamma, horizon)
    assert abs(expected_return(mdp, pi) - total) < 1e-9 * max(1, abs(total))

    P, r, _, _ = plain(mdp)
    assert ended
    assert not ended & live
    for s in ended:
        np.testing.assert_array_equal(P[s], np.tile(np.eye(S)[s], (A, 1)))
        np.testing.assert_array_equal(r[s], 0)
    for s in live:  # every other state's rows are the table's, outcome by outcome
        for a in range(A):
            row, reward = np.zeros(S), 0.0
            for p, s_next, outcome, _ in env.P[s][a]:
                row[s_next] += p
                reward += p * outcome
            np.testing.assert_allclose(P[s, a], row, rtol=0, atol=1e-15)
            assert abs(r[s, a] - reward) < 1e-13


def test_the_environments_have_the_ends_and_starts_their_pages_describe():
    lake = TabularMDP.from_gymnasium(environment("FrozenLake-v1", map_name="4x4"), 0.9)
    absorbing = [s for s in range(16) if (plain(lake)[0][s, :, s] == 1).all()]
    assert absorbing == [5, 7, 11, 12, 15]  # the four holes of SFFF/FHFH/FFFH/HFFG, and its goal
    taxi = TabularMDP.from_gymnasium(environment("Taxi-v4"), 0.9)
    assert np.count_nonzero(taxi.rho0) == 300  # 25 squares, 4 passenger stands, 3 other destinations
    assert taxi.is_sparse
    cliff = TabularMDP.from_gymnasium(environment("CliffWalking-v1"), 0.9)
    assert np.flatnonzero(cliff.rho0).tolist() == [36]  # bottom left of 4 × 12
    P, r, _, _ = plain(cliff)
    assert (P[36, 1, 36], r[36, 1]) == (
        1,
        -100,
    )  # to the right lies the cliff: back to the start, the game goes on
    assert (P[47, :, 47] == 1).all()
    assert not r[47].any()


@pytest.mark.parametrize(
    ("name", "options"), [("FrozenLake-v1", {"is_slippery": True}), ("CliffWalking-v1", {}), ("Taxi-v4", {})]
)
def test_monte_carlo_in_the_real_environment_agrees(name, options):
    env, gamma, horizon, n = gymnasium.make(name, max_episode_steps=-1, **options), 0.7, 60, 3000
    mdp = TabularMDP.from_gymnasium(env, gamma)
    rng = np.random.default_rng(1)
    pi = rng.dirichlet(np.ones(mdp.n_actions), size=mdp.n_states)
    bare, cumulative = env.unwrapped, pi.cumsum(axis=1).tolist()
    uniforms = rng.random((n, horizon)).tolist()
    totals = np.zeros(n)
    bare.reset(seed=2)
    for i in range(n):
        state, _ = bare.reset()
        for t in range(horizon):
            action = next(a for a, c in enumerate(cumulative[state]) if uniforms[i][t] < c or a == mdp.n_actions - 1)
            state, reward, terminated, _, _ = bare.step(action)
            totals[i] += gamma**t * reward
            if terminated:
                break
    error = totals.std(ddof=1) / np.sqrt(n)  # the standard error of the mean of n independent episodes
    # Cutting at 60 steps costs at most 0.7^60 · 100/0.3 < 2e-7. Four standard errors: false alarm about 6e-5.
    assert abs(totals.mean() - expected_return(mdp, pi)) < 4 * error + 2e-7
    assert error > 0


def test_a_passenger_who_changes_his_mind_is_not_in_the_table():
    with pytest.raises(ValueError, match=r"^env changes the destination outside its table"):
        TabularMDP.from_gymnasium(environment("Taxi-v4", fickle_passenger=True), 0.9)


def made_up(table, rho0):
    return types.SimpleNamespace(P=table, initial_state_distrib=np.array(rho0, dtype=float))


def test_environments_without_a_table_are_refused():
    with pytest.raises(ValueError, match=r"^env must publish a transition table P.*CartPoleEnv"):
        TabularMDP.from_gymnasium(gymnasium.make("CartPole-v1"), 0.9)


def test_a_state_entered_both_ways_is_refused():
    stay = {0: [(1.0, 2, 0.0, False)]}
    table = {
        0: {0: [(0.5, 1, 0.0, False), (0.5, 3, 0.0, False)]},
        1: {0: [(1.0, 2, 0.0, False)]},
        2: stay,
        3: {0: [(1.0, 2, 1.0, True)]},
    }
    with pytest.raises(ValueError, match="enters state 2 from state 1 without ending"):
        TabularMDP.from_gymnasium(made_up(table, [1, 0, 0, 0]), 0.9)
    # With probability zero it is not entered at all, and from unreachable states neither.
    table[1] = {0: [(1.0, 2, 0.0, True), (0.0, 2, 0.0, False)]}
    mdp = TabularMDP.from_gymnasium(made_up(table, [1, 0, 0, 0]), 0.9)
    np.testing.assert_array_equal(plain(mdp)[0][2, 0], [0, 0, 1, 0])
    table[1] = {0: [(1.0, 2, 0.0, False)]}
    table[0] = {0: [(1.0, 3, 0.0, False)]}
    TabularMDP.from_gymnasium(made_up(table, [1, 0, 0, 0]), 0.9)


def test_a_start_state_that_also_ends_episodes_is_refused():
    # The environment plays state 0 after a reset, so it cannot be absorbing; yet to re-enter it ends one.
    table = {0: {0: [(1.0, 1, 1.0, False)]}, 1: {0: [(1.0, 0, 0.0, True)]}}
    with pytest.raises(ValueError, match="state 0"):
        TabularMDP.from_gymnasium(made_up(table, [1, 0]), 0.9)


def test_an_ending_of_probability_zero_ends_nothing():
    table = {0: {0: [(1.0, 1, 1.0, False), (0.0, 1, 0.0, True)]}, 1: {0: [(1.0, 0, 2.0, False)]}}
    mdp = TabularMDP.from_gymnasium(made_up(table, [1, 0]), 0.9)
    np.testing.assert_array_equal(mdp.P, [[[0, 1]], [[1, 0]]])
    np.testing.assert_array_equal(mdp.r, [[1], [2]])


def test_a_terminal_states_own_row_is_never_played():
    table = {0: {0: [(1.0, 1, 5.0, True)]}, 1: {0: [(1.0, 0, 7.0, False)]}}
    mdp = TabularMDP.from_gymnasium(made_up(table, [1, 0]), 0.9)
    np.testing.assert_array_equal(mdp.r, [[5], [0]])
    np.testing.assert_array_equal(mdp.P, [[[0, 1]], [[0, 1]]])


# Gridworlds -------------------------------------------------------------------------------------------------

UP, RIGHT, DOWN, LEFT = range(4)


def test_a_gridworld_small_enough_to_do_by_hand():
    mdp = gridworld(["S.G", "#.P"], gamma=0.9, step_reward=-0.5)
    assert mdp.cells.tolist() == [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2]]  # the wall is no state
    start, middle, goal, below, pit = range(5)
    goes = np.zeros((5, 4), dtype=int)
    goes[start] = [start, middle, start, start]  # map's edge, right, wall, edge
    goes[middle] = [middle, goal, below, start]
    goes[goal] = goal
    goes[below] = [middle, pit, below, below]  # up, right, edge, wall
    goes[pit] = pit
    np.testing.assert_array_equal(mdp.P, np.eye(5)[goes])
    wanted = np.full((5, 4), -0.5)
    wanted[middle, RIGHT], wanted[below, RIGHT] = -0.5 + 1, -0.5 - 1  # entering the goal, entering the pit
    wanted[[goal, pit]] = 0
    np.testing.assert_array_equal(mdp.r, wanted)
    np.testing.assert_array_equal(mdp.rho0, [1, 0, 0, 0, 0])


def test_slipping_goes_to_either_side():
    mdp = gridworld(["...", "..G", "..."], gamma=0.9, slip=0.2, goal_reward=10, step_reward=-1)
    centre, north, east, south, west = 4, 1, 5, 7, 3
    outcomes = [  # the action, where it leads, where it may slip to
        (UP, north, (west, east)),
        (RIGHT, east, (north, south)),
        (DOWN, south, (east, west)),
        (LEFT, west, (south, north)),
    ]
    for action, ahead, sides in outcomes:
        row = np.zeros(9)
        row[ahead], row[sides[0]], row[sides[1]] = 0.8, 0.1, 0.1
        np.testing.assert_allclose(mdp.P[centre, action], row, atol=1e-15)
    # The reward is an expectation: up from the centre slips into the goal one time in ten.
    np.testing.assert_allclose(mdp.r[centre], [0.1 * 10 - 1, 0.8 * 10 - 1, 0.1 * 10 - 1, -1], atol=1e-15)
    # In a corner both the step and one of the slips run into the edge and stay.
    row = np.zeros(9)
    row[0], row[1] = 0.9, 0.1
    np.testing.assert_allclose(mdp.P[0, UP], row, atol=1e-15)
    # With slip 1 the step never goes where it was meant to.
    row = np.zeros(9)
    row[west] = row[east] = 0.5
    np.testing.assert_allclose(gridworld(["...", "...", "..."], gamma=0.9, slip=1).P[centre, UP], row, atol=1e-15)


def test_a_cells_own_reward_is_earned_by_every_step_that_ends_there():
    rewards = [[2, -3, 0.5], [7, 0, 0]]
    mdp = gridworld(["S.G", "#.P"], gamma=0.9, step_reward=-0.5, cell_rewards=rewards)
    start, middle, goal, below, pit = range(5)
    wanted = np.full((5, 4), -0.5)
    wanted[start] += [2, -3, 2, 2]  # three ways of staying put, which earn the cell's own reward again
    wanted[middle] += [-3, 1 + 0.5, 0, 2]
    wanted[below] += [-3, -1, 0, 0]
    wanted[[goal, pit]] = 0  # absorbing: entering the goal earned 1 + 0.5, once; the wall's 7 nobody earns
    np.testing.assert_array_equal(mdp.r, wanted)
    np.testing.assert_array_equal(mdp.P, gridworld(["S.G", "#.P"], gamma=0.9).P)
    slippery = gridworld(["..."], gamma=0.9, slip=0.5, cell_rewards=[[0, 0, 4]])
    np.testing.assert_allclose(slippery.r[1], [0.25 * 4, 0.5 * 4, 0.25 * 4, 0])


@pytest.mark.parametrize(
    ("cell_rewards", "message"),
    [
        ([[1, 2]], "cell_rewards must have shape (1, 3) as the map has, got (1, 2)"),
        ([1, 2, 3], "cell_rewards must have shape (1, 3) as the map has, got (3,)"),
        ([[0, np.nan, 0]], "cell_rewards[0, 1] is nan"),
        ([["a", "b", "c"]], "cell_rewards must be an array of real numbers"),
    ],
)
def test_bad_rewards_of_cells_are_refused(cell_rewards, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        gridworld(["S.G"], gamma=0.9, cell_rewards=cell_rewards)


def test_where_a_gridworld_starts():
    np.testing.assert_array_equal(gridworld(["S.S", "G.P"], gamma=0).rho0, [0.5, 0, 0.5, 0, 0, 0])
    np.testing.assert_array_equal(gridworld([".#.", "G.P"], gamma=0).rho0, np.array([1, 1, 0, 1, 0]) / 3)


def test_one_row_may_be_passed_alone():
    assert_same_mdp(gridworld("S.G", gamma=0.5), gridworld(["S.G"], gamma=0.5))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "rows must be"),
        ("", "rows must be"),
        ([""], "rows must be"),
        ([1, 2], "rows must be"),
        ([["S", "."]], "rows must be"),
        (5, "rows must be"),
        (None, "rows must be"),
        (["S.", "...", "."], "rows[1] has 3 cells, rows[0] has 2"),
        (["S.", ""], "rows[1] has 0 cells, rows[0] has 2"),
        (["S.", ".x"], "rows[1][1] is 'x', not one of . # G P S"),
        (["S .", "..."], "rows[0][1] is ' '"),
        ("S.\n.G", r"rows[0][2] is '\n'"),
        (["s."], "rows[0][0] is 's'"),
        (["#G", "P#"], "rows must have a start"),
        (["##"], "rows must have a start"),
    ],
)
def test_bad_maps_are_refused(rows, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        gridworld(rows, gamma=0.9)


@pytest.mark.parametrize("name", ["slip", "step_reward", "goal_reward", "pit_reward", "gamma"])
@pytest.mark.parametrize("value", ["x", None, np.nan, np.inf, 1j, [0.1, 0.2]])
def test_bad_numbers_for_a_gridworld_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        gridworld(["SGP"], **{"gamma": 0.9, name: value})


@pytest.mark.parametrize("slip", [-0.1, 1.1])
def test_slip_is_a_probability(slip):
    with pytest.raises(ValueError, match=r"^slip"):
        gridworld(["S.G"], gamma=0.9, slip=slip)


def test_a_large_map_is_sparse_and_the_numbers_are_the_same(monkeypatch):
    rng = np.random.default_rng(3)
    rows = ["".join(rng.choice(list("....#GP"), size=12)) for _ in range(11)]
    rows[0] = "S" + rows[0][1:]
    options = {"gamma": 0.9, "slip": 0.3, "step_reward": -0.1, "goal_reward": 2, "pit_reward": -3}
    dense = gridworld(rows, **options)
    monkeypatch.setattr(worlds, "SPARSE_FROM", dense.n_states)
    thin = gridworld(rows, **options)
    assert not dense.is_sparse
    assert thin.is_sparse
    assert_same_mdp(dense, thin)
    monkeypatch.setattr(worlds, "SPARSE_FROM", dense.n_states + 1)
    assert not gridworld(rows, **options).is_sparse


def test_the_switch_to_sparse_comes_at_four_hundred_states():
    assert not gridworld(["S" + "." * 398], gamma=0.9).is_sparse
    assert gridworld(["S" + "." * 399], gamma=0.9).is_sparse


def test_ninety_thousand_cells_are_no_trouble():
    begin = time.perf_counter()
    mdp = gridworld(["." * 300] * 299 + ["." * 299 + "G"], gamma=0.99, slip=0.1)
    elapsed = time.perf_counter() - begin
    assert mdp.n_states == 90_000
    # A dense P would be 259 GB, and anything quadratic would take minutes: a bound on the order.
    assert elapsed < 20
    assert mdp.expect(np.ones(90_000)) == pytest.approx(1)


# Garnets ----------------------------------------------------------------------------------------------------


@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 6), st.integers(0, 5))
def test_a_garnet_branches_as_told(n_states, n_actions, branching, seed):
    branching = min(branching, n_states)
    mdp = garnet(n_states, n_actions, branching, gamma=0.9, rng=np.random.default_rng(seed))
    assert (np.count_nonzero(mdp.P, axis=2) == branching).all()
    np.testing.assert_allclose(mdp.P.sum(axis=2), 1, atol=1e-14)
    np.testing.assert_array_equal(mdp.rho0, np.full(n_states, 1 / n_states))
    again = garnet(n_states, n_actions, branching, gamma=0.9, rng=np.random.default_rng(seed), sparse=True)
    assert again.is_sparse
    assert_same_mdp(mdp, again)


def test_a_garnets_law_is_as_described():
    # With 2 of 4 states the first of the two gaps is uniform and each state is a successor half the time.
    mdp = garnet(4, 5000, 2, gamma=0.9, rng=np.random.default_rng(0))
    rows = mdp.P.reshape(-1, 4)
    n = len(rows)
    hits = (rows > 0).mean(axis=0)
    assert (abs(hits - 0.5) < 4 * 0.5 / np.sqrt(n)).all()  # four standard errors of a share of n rows
    second_moment = (rows**2).sum(axis=1).mean()  # U² + (1−U)² has mean 2/3 and variance 1/45
    assert abs(second_moment - 2 / 3) < 4 * np.sqrt(1 / 45 / n)
    assert abs(mdp.r.mean()) < 4 / np.sqrt(n)
    assert abs((mdp.r**2).mean() - 1) < 4 * np.sqrt(2 / n)


def test_another_seed_another_garnet():
    one, other = (garnet(4, 2, 2, gamma=0.9, rng=np.random.default_rng(seed)) for seed in (0, 1))
    assert not np.array_equal(one.r, other.r)


@pytest.mark.parametrize("name", ["n_states", "n_actions", "branching"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "x", None, True])
def test_bad_counts_for_a_garnet_are_refused(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be"):
        garnet(
            **{"n_states": 4, "n_actions": 3, "branching": 2, name: value},
            gamma=0.9,
            rng=np.random.default_rng(0),
        )


def test_a_garnet_cannot_branch_to_more_states_than_there_are():
    with pytest.raises(ValueError, match=r"^branching must be at most n_states = 4, got 5"):
        garnet(4, 2, 5, gamma=0.9, rng=np.random.default_rng(0))


@pytest.mark.parametrize("rng", [None, 0, np.random.RandomState(0)])
def test_a_garnet_wants_a_generator(rng):
    with pytest.raises(ValueError, match=r"^rng must be"):
        garnet(4, 2, 2, gamma=0.9, rng=rng)


# Import -----------------------------------------------------------------------------------------------------


def test_import_rlbook_stays_light():
    heavy = "torch jupyter_book sphinx matplotlib gymnasium ipywidgets anywidget IPython scipy.sparse"
    code = f"import sys, rlbook; print([m for m in '{heavy}'.split() if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
