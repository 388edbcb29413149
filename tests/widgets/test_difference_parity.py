"""The browser plays Python's episodes, and its occupancies and differences are Python's, on generated maps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlbook import occupancy
from rlbook.occupancies import TWO_BY_TWO, mixture_path, performance_difference, state_occupancy, two_by_two
from rlbook.widgets import PerformanceDifference
from rlbook.widgets.average_grid import QUANTITIES, Episodes, scramble, uniforms
from rlbook.widgets.maps import make_map, read_policy
from tests.node import FRONTEND, Javascript, close_to
from tests.strategies import grids, lists

WORDS = st.integers(0, 2**32 - 1)
SHARES = st.sampled_from([0.0, 0.05, 0.3, 0.9, 1.0])
PROBABILITIES = st.sampled_from([0.0, 0.1, 0.5, 0.75, 1.0])


@pytest.fixture(scope="module")
def js():
    numerics = Javascript(FRONTEND / "src" / "difference_numerics.js")
    yield numerics
    numerics.close()


@pytest.fixture(scope="module")
def js_grid():
    numerics = Javascript(FRONTEND / "src" / "grid_numerics.js")
    yield numerics
    numerics.close()


def arrows(draw, rows):
    """A policy of the map as arrows."""
    return ["".join(row) for row in draw(lists(len(rows), len(rows[0]), elements=st.sampled_from("^>v<.")))]


@st.composite
def runs(draw):
    """The settings of `Episodes`."""
    grid = draw(grids())
    return {**grid, "policy": arrows(draw, grid["rows"]), "seed": draw(WORDS)}


def in_browser(js_grid, run):
    """The process and the policy as the browser makes them."""
    process = js_grid.makeGrid(run)
    return process, js_grid.readPolicy(process, run["policy"])


# The dice -------------------------------------------------------------------------------------------------


@given(WORDS, st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=5))
def test_dice(js, seed, indices):
    """Bit for bit."""
    assert js.scramble(seed) == scramble(seed)
    assert [js.uniform(seed, index) for index in indices] == uniforms(seed, indices).tolist()


def test_dice_are_fair():
    """Scrambling loses nothing, and its numbers fill [0, 1) as they should, also side by side."""
    some = np.arange(2**20)
    assert len(np.unique(scramble(some))) == len(some)
    u = uniforms(7, some)
    assert ((u >= 0) & (u < 1)).all()
    for numbers, cells in ((u, 64), (uniforms(np.arange(2**20), 3), 64)):
        counts = np.bincount((numbers * cells).astype(int), minlength=cells)
        chi2 = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
        assert abs(chi2 - (cells - 1)) < 5 * np.sqrt(2 * cells)
    for gap in (1, 2, 3, 133):  # no correlation between a number and the ones that follow
        assert abs(np.corrcoef(u[gap:], u[:-gap])[0, 1]) < 5 / 2**10


# Episodes -------------------------------------------------------------------------------------------------


@given(runs(), st.integers(0, 9999))
def test_episodes_step_by_step(js, js_grid, run, number):
    episodes = Episodes(**run)
    process, pi = in_browser(js_grid, run)
    states, actions, (length,) = episodes.play(number, 1)
    played = js.playOne(run, process, pi, number, None)
    assert played["states"] == states[0, :length].tolist()
    assert played["actions"] == actions[0, :length].tolist()
    assert played["ended"] == (states[0, length] if length < episodes.horizon else None)
    assert played["visits"] == close_to(episodes.visits(number, 1)[0])


@settings(max_examples=25)
@given(runs(), st.integers(0, 60))
def test_averages_errors_and_what_they_tend_to(js, js_grid, run, count):
    """Each pair, state and sum, with standard errors; exact means and deviations; the gaps at every mark."""
    episodes = Episodes(**run)
    process, pi = in_browser(js_grid, run)
    played = js.playAll(run, process, pi, count)
    assert played["horizon"] == episodes.horizon
    for quantity in QUANTITIES:
        scale = (1 + abs(episodes.unit(quantity)).max()) / (1 - run["gamma"])
        exact, means = played["exact"][quantity], played[quantity]
        by_pair = episodes.rho * episodes.unit(quantity)
        assert exact["pairs"] == close_to(by_pair, scale)
        assert exact["states"] == close_to(by_pair.sum(axis=1), scale)
        assert exact["total"] == pytest.approx(by_pair.sum(), rel=1e-9, abs=1e-9 * scale)
        states, whole = episodes.deviations(quantity)
        assert np.square(exact["deviations"]) == pytest.approx(states**2, rel=1e-9, abs=1e-9 * scale**2)
        assert exact["deviation"] ** 2 == pytest.approx(whole**2, rel=1e-9, abs=1e-9 * scale**2)
        averages = episodes.average(count, quantity)
        for name, mean, error in (
            ("pairs", averages.pairs, averages.pair_errors),
            ("states", averages.states, averages.state_errors),
            ("total", averages.total.value, averages.total.error),
        ):
            shown_mean, shown_error = (np.array(x, dtype=float) for x in means[name])  # JSON has null for nan
            assert shown_mean == pytest.approx(np.ravel(mean), rel=1e-9, abs=1e-9 * scale, nan_ok=True)
            assert shown_error**2 == pytest.approx(np.ravel(error) ** 2, rel=1e-9, abs=1e-9 * scale**2, nan_ok=True)
        assert [n for n, *_ in means["gaps"]] == [n for n in js.marks(10_000) if n <= count]
        for n, gap, sum_gap in means["gaps"][:: max(1, len(means["gaps"]) // 3)]:
            then = episodes.average(n, quantity)
            assert gap == pytest.approx(abs(then.states - by_pair.sum(axis=1)).sum(), rel=1e-9, abs=1e-9 * scale)
            assert sum_gap == pytest.approx(abs(then.total.value - by_pair.sum()), rel=1e-9, abs=1e-9 * scale)


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 0.9, 0.95, 0.98])
def test_the_horizon_is_where_the_power_falls_below_the_cut(js, gamma):
    powers = js.powersOf(gamma)
    assert powers[-1] < 1e-6 <= powers[-2]
    episodes = Episodes(rows=["S.G"], gamma=gamma)
    assert powers == episodes.powers.tolist()
    assert episodes.horizon == len(powers) - 1


# Differences ----------------------------------------------------------------------------------------------


def agrees(js, process, mdp, pi, pi_new, alpha):
    """Every number that the widget shows, against rlbook.occupancies."""
    found = js.difference(process, mdp.rho0.tolist(), pi.ravel().tolist(), pi_new.ravel().tolist(), alpha)
    path = mixture_path(mdp, pi, pi_new, [alpha])
    mixed = (1 - alpha) * pi + alpha * pi_new
    scale = (1 + abs(mdp.r).max()) / (1 - mdp.gamma) ** 2
    for name in ("eta", "surrogate", "average", "mixture", "trust_region"):
        assert found[name] == pytest.approx(getattr(path, name)[0], rel=1e-9, abs=1e-9 * scale), name
    assert found["terms"] == close_to(path.by_state[0], scale)
    assert found["rho"] == close_to(state_occupancy(mdp, mixed), scale)
    difference = performance_difference(mdp, pi, mixed)
    assert found["eta"] - found["start"] == pytest.approx(difference.value, rel=1e-9, abs=1e-9 * scale)
    assert found["chosen"][0][0] == close_to(difference.by_state, scale)
    assert sum(found["chosen"][1][0]) == pytest.approx(path.surrogate[0] - found["start"], rel=1e-9, abs=1e-9 * scale)
    for weights in (0, 1):  # π's own actions
        assert found["chosen"][weights][1] == close_to(np.zeros(mdp.n_states), scale)


@given(grids(), SHARES, st.data())
def test_differences_on_maps(js, js_grid, grid, alpha, data):
    mdp = make_map(**grid)
    pi, pi_new = (read_policy(arrows(data.draw, grid["rows"]), mdp.cells) for _ in range(2))
    process = js_grid.makeGrid(grid)
    assert js.startDistribution(process, js.startsOf(process, grid["rows"])) == close_to(mdp.rho0)
    assert js.stateOccupancy(process, pi.ravel().tolist(), mdp.rho0.tolist()) == close_to(
        occupancy(mdp, pi).sum(axis=1), 1 / (1 - mdp.gamma)
    )
    agrees(js, process, mdp, pi, pi_new, alpha)


@given(
    st.sampled_from(list(TWO_BY_TWO)), st.sampled_from([0.0, 0.5, 0.9, 0.98]), SHARES, lists(4, elements=PROBABILITIES)
)
def test_differences_of_two_states(js, js_grid, name, gamma, alpha, chances):
    mdp = two_by_two(name, gamma=gamma)
    tables = PerformanceDifference()._examples[name]
    process = js_grid.makePlane({"P": tables["P"], "r": tables["r"]}, gamma)
    pi, pi_new = (np.column_stack([1 - np.array(x), x]) for x in (chances[:2], chances[2:]))
    agrees(js, process, mdp, pi, pi_new, alpha)


def test_a_map_as_large_as_they_come(js, js_grid):
    rng = np.random.default_rng(0)
    cells = rng.choice(list("......#GP"), size=(8, 10))
    cells[0, 0] = "S"
    run = {
        "rows": ["".join(row) for row in cells],
        "cell_rewards": rng.normal(size=(8, 10)).tolist(),
        **{"slip": 0.3, "gamma": 0.98, "step_reward": -0.1, "goal_reward": 5.0, "pit_reward": -5.0},
    }
    policies = [["".join(row) for row in rng.choice(list("^>v<."), size=(8, 10))] for _ in range(2)]
    mdp = make_map(**run)
    pi, pi_new = (read_policy(policy, mdp.cells) for policy in policies)
    agrees(js, js_grid.makeGrid(run), mdp, pi, pi_new, 0.4)
    run |= {"policy": policies[0], "seed": 3}
    process, flat = in_browser(js_grid, run)
    played, averages = js.playAll(run, process, flat, 200), Episodes(**run).average(200, "reward")
    assert played["reward"]["states"][0] == close_to(averages.states, 10)
    assert played["reward"]["states"][1] == close_to(averages.state_errors, 10)
