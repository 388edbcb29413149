"""The browser's occupancies and differences of two policies are Python's, on generated maps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlbook.occupancies import TWO_BY_TWO, mixture_path, performance_difference, state_occupancy, two_by_two
from rlbook.widgets import PerformanceDifference
from rlbook.widgets.maps import make_map, read_policy
from tests.node import AT_ONCE, close_to
from tests.strategies import arrows, grids, large_map, lists

MODULES = (AT_ONCE, "shared/measures.js", "shared/grid_numerics.js")
SHARES = st.sampled_from([0.0, 0.05, 0.3, 0.9, 1.0])
PROBABILITIES = st.sampled_from([0.0, 0.1, 0.5, 0.75, 1.0])


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
def test_differences_on_maps(js, grid, alpha, data):
    mdp = make_map(**grid)
    pi, pi_new = (read_policy(data.draw(arrows(grid["rows"])), mdp) for _ in range(2))
    process = js.makeGrid(grid)
    assert js.startDistribution(process, js.startsOf(process, grid["rows"])) == close_to(mdp.rho0)
    agrees(js, process, mdp, pi, pi_new, alpha)


@given(
    st.sampled_from(list(TWO_BY_TWO)), st.sampled_from([0.0, 0.5, 0.9, 0.98]), SHARES, lists(4, elements=PROBABILITIES)
)
def test_differences_of_two_states(js, name, gamma, alpha, chances):
    mdp = two_by_two(name, gamma=gamma)
    tables = PerformanceDifference()._examples[name]
    process = js.makePlane({"P": tables["P"], "r": tables["r"]}, gamma)
    pi, pi_new = (np.column_stack([1 - np.array(x), x]) for x in (chances[:2], chances[2:]))
    agrees(js, process, mdp, pi, pi_new, alpha)


def test_a_map_as_large_as_they_come(js):
    grid, *policies = large_map(8, 10)
    mdp = make_map(**grid)
    pi, pi_new = (read_policy(policy, mdp) for policy in policies)
    agrees(js, js.makeGrid(grid), mdp, pi, pi_new, 0.4)
