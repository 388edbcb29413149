"""The browser plays Python's episodes, and what their average tends to is Python's, on generated maps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlbook.widgets.average_grid import QUANTITIES
from rlbook.widgets.episodes import Episodes
from tests.node import AT_ONCE, close_to
from tests.strategies import arrows, grids, large_map

MODULES = (AT_ONCE, "average_grid/numerics.js", "shared/grid_numerics.js")
WORDS = st.integers(0, 2**32 - 1)


@st.composite
def runs(draw):
    """The settings of `Episodes`."""
    grid = draw(grids())
    return {**grid, "policy": draw(arrows(grid["rows"])), "seed": draw(WORDS)}


def in_browser(js, run):
    """The process and the policy as the browser makes them."""
    process = js.makeGrid(run)
    return process, js.readPolicy(process, run["policy"])


@given(runs(), st.integers(0, 9999))
def test_episodes_step_by_step(js, run, number):
    episodes = Episodes(**run)
    process, pi = in_browser(js, run)
    states, actions, (length,) = episodes.play(number, 1)
    played = js.playOne(run, process, pi, number, None)
    assert played["states"] == states[0, :length].tolist()
    assert played["actions"] == actions[0, :length].tolist()
    assert played["ended"] == (states[0, length] if length < episodes.horizon else None)
    assert played["visits"] == close_to(episodes.visits(number, 1)[0])


@settings(max_examples=25)
@given(runs(), st.integers(0, 60))
def test_averages_errors_and_what_they_tend_to(js, run, count):
    """Each pair, state and sum, with standard errors; exact means and deviations; the gaps at every mark."""
    episodes = Episodes(**run)
    process, pi = in_browser(js, run)
    played = js.playAll(run, process, pi, count)
    assert played["horizon"] == episodes.horizon
    if count:
        mean = episodes.returns(0, count).mean()
        assert played["mean"] == pytest.approx(mean, rel=1e-9, abs=1e-9 * (1 + abs(episodes.mdp.r).max()))
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
        errors = episodes.errors(count, quantity)
        assert [gap for _, gap, _ in means["gaps"]] == close_to([errors[n - 1] for n, *_ in means["gaps"]], scale)
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


def test_a_map_as_large_as_they_come(js):
    grid, policy, _ = large_map(8, 10)
    run = {**grid, "policy": policy, "seed": 3}
    process, flat = in_browser(js, run)
    played, averages = js.playAll(run, process, flat, 200), Episodes(**run).average(200, "reward")
    assert played["reward"]["states"][0] == close_to(averages.states, 10)
    assert played["reward"]["states"][1] == close_to(averages.state_errors, 10)
