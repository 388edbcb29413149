"""The browser's closed forms are Python's: each function of occupancy/numerics.js against its twin."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rlbook.occupancies import (
    entropy_program,
    expected_return,
    flow_residual,
    from_plane,
    mix,
    occupancy,
    occupancy_entropy,
    policy_from_occupancy,
    polygon,
    state_occupancy,
)
from rlbook.widgets import Occupancy

MODULES = ("occupancy/numerics.js",)
PROBABILITY = st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 1).map(lambda p: round(p, 6))
PAIR = st.lists(PROBABILITY, min_size=2, max_size=2)
REWARD = st.sampled_from([0.0, 1.0, -10.0]) | st.floats(-10, 10).map(lambda x: round(x, 6))


def square(entries):
    return st.lists(st.lists(entries, min_size=2, max_size=2), min_size=2, max_size=2)


@st.composite
def widgets(draw):
    """Every setting anywhere within its limits, their ends among them."""
    gamma = draw(st.sampled_from(Occupancy.limits("gamma")) | st.floats(*Occupancy.limits("gamma")))
    return Occupancy(
        ahead=draw(square(PROBABILITY)),
        r=draw(square(REWARD)),
        gamma=gamma,
        start=draw(PROBABILITY),
        pi=draw(PAIR),
        pi_new=draw(PAIR),
        share=draw(PROBABILITY),
    )


def of(widget):
    """The MDP as the browser has it."""
    return {name: getattr(widget, name) for name in ("ahead", "r", "gamma", "start")}


def close_to(expected, scale):
    """Within 1e-9 of the value, or of what it was computed from."""
    return pytest.approx(np.asarray(expected, dtype=float), rel=1e-9, abs=1e-11 * scale)


def mass(widget):
    return 1 / (1 - widget.gamma)


def reach(widget):
    """How large a return can be."""
    return mass(widget) * (abs(np.array(widget.r)).max() + 1e-3)


@given(widgets())
def test_occupancies(js, widget):
    mdp, M = widget.mdp, mass(widget)
    assert np.array(js.stateOccupancy(of(widget), widget.pi)) == close_to(state_occupancy(mdp, widget.policy), M)
    rho = np.array(js.occupancy(of(widget), widget.pi))
    assert rho == close_to(widget.rho, M)
    assert rho.sum() == pytest.approx(M, rel=1e-12)
    assert (rho >= 0).all()
    assert ((rho == 0) == (widget.rho == 0)).all(), "unvisited is exactly 0 in both"
    assert np.array(js.polygon(of(widget))) == close_to(polygon(mdp), M)
    assert abs(np.array(js.flowResidual(of(widget), rho.tolist()))).max() <= 1e-13 * M


@given(widgets(), square(st.floats(0, 5)))
def test_flow_residual_of_what_is_no_occupancy(js, widget, rho):
    expected = flow_residual(widget.mdp, rho)
    assert np.array(js.flowResidual(of(widget), rho)) == close_to(expected, 10)


@given(widgets(), st.lists(st.floats(-3, 3), min_size=2, max_size=2))
def test_points_of_the_plane(js, widget, second):
    expected = from_plane(widget.mdp, second)
    assert np.array(js.fromPlane(of(widget), second)) == close_to(expected, 10 * mass(widget))


@given(widgets())
def test_policies_come_back_from_occupancies(js, widget):
    found = js.policyFromOccupancy(widget.rho.tolist(), widget.pi_new)
    expected = policy_from_occupancy(widget.rho, unvisited=widget.policy_new).pi[:, 1]
    assert np.array(found) == close_to(expected, 1)
    visited = widget.rho.sum(axis=1) > 1e-9
    assert np.array(found)[visited] == close_to(np.array(widget.pi)[visited], 1e3)


@given(widgets())
def test_returns_direction_and_best_corners(js, widget):
    assert js.expectedReturn(of(widget), widget.rho.tolist()) == close_to(
        expected_return(widget.mdp, widget.policy), reach(widget)
    )
    assert np.array(js.rewardDirection(of(widget))) == close_to(widget.direction, reach(widget))
    returns = widget.returns
    gaps = abs(returns.max() - returns) / reach(widget)
    assume(((gaps < 1e-11) | (gaps > 1e-7)).all())  # a tie, or none
    found = js.bestCorners(of(widget), returns.tolist())
    assert tuple(("00", "10", "11", "01")[k] for k in found) == widget.best


@given(widgets())
def test_jumps(js, widget):
    points = widget.corners[:, :, 1] * (1 - widget.gamma)
    lengths = np.hypot(*(points - np.roll(points, 1, axis=0)).T)
    assume(((lengths < 1e-12) | (lengths > 1e-6)).all())
    found, expected = js.jumps(of(widget)), widget.jumps
    around = [
        {name: degrees % 360 for degrees, *name in jumps for name in [tuple(name)]} for jumps in (found, expected)
    ]
    assert around[0].keys() == around[1].keys()
    for name, degrees in around[1].items():
        apart = (around[0][name] - degrees + 180) % 360 - 180
        assert apart == pytest.approx(0, abs=1e-6)


@given(widgets())
def test_mixing(js, widget):
    found = js.mix(of(widget), widget.pi, widget.pi_new, widget.share)
    expected = mix(widget.mdp, widget.policy, widget.policy_new, [widget.share])
    assert np.array(found["policies"]) == close_to(expected.of_policies[0], mass(widget))
    assert np.array(found["occupancies"]) == close_to(expected.of_occupancies[0], mass(widget))
    assert np.array(found["policy"]) == close_to(widget.mixed_policy, 1e2)


@given(widgets(), st.sampled_from(Occupancy.limits("alpha")) | st.floats(*Occupancy.limits("alpha")))
def test_the_optimum_with_entropy(js, widget, alpha):
    solution = entropy_program(widget.mdp, alpha, tol=1e-12)
    pi = js.softPolicy(of(widget), alpha)
    found = occupancy(widget.mdp, np.column_stack([1 - np.array(pi), pi]))
    value = (found * widget.mdp.r).sum() + alpha * occupancy_entropy(found)
    assert value == close_to(solution.value, reach(widget) + alpha * mass(widget))
    assert value <= solution.bound + 1e-9 * (reach(widget) + alpha * mass(widget))
    # A policy is as well determined as its values are for the temperature.
    assert np.array(pi) == pytest.approx(solution.pi[:, 1], abs=1e-9 + 1e-13 * reach(widget) / alpha)
    assert js.entropy(solution.rho.tolist()) == close_to(occupancy_entropy(solution.rho), mass(widget))


# Geometry ---------------------------------------------------------------------------------------------------------


@given(widgets(), st.lists(st.floats(-0.5, 1.5), min_size=2, max_size=2))
def test_the_nearest_point_of_the_polygon(js, widget, point):
    """It is in D, and no point of D is nearer: not those of a fine net of policies."""
    point = np.array(point) * mass(widget)
    corners = widget.corners[:, :, 1]
    found = np.array(js.nearest(corners.tolist(), point.tolist()))
    assert from_plane(widget.mdp, found).min() >= -1e-9 * mass(widget)
    p = np.linspace(0, 1, 9)
    net = [occupancy(widget.mdp, np.array([[1 - a, a], [1 - b, b]]))[:, 1] for a in p for b in p]
    assert np.hypot(*(found - point)) <= np.hypot(*(np.array(net) - point).T).min() + 1e-9 * mass(widget)
    for rho in (widget.rho[:, 1], *corners):
        kept = np.array(js.nearest(corners.tolist(), rho.tolist()))
        assert kept == pytest.approx(rho, abs=1e-9 * mass(widget))


@given(widgets(), st.floats(0.01, 0.99))
def test_level_lines(js, widget, share):
    """Both ends lie on the polygon's sides, and all between them has that return."""
    returns, corners = widget.returns, widget.corners[:, :, 1]
    assume(np.ptp(returns) > 1e-6 * reach(widget))
    level = returns.min() + share * np.ptp(returns)
    ends = np.array(js.levelLine(corners.tolist(), returns.tolist(), level))
    for x in (0, 0.3, 1):
        rho = from_plane(widget.mdp, (1 - x) * ends[0] + x * ends[1])
        assert (rho * widget.mdp.r).sum() == close_to(level, 100 * reach(widget))
        assert rho.min() >= -1e-9 * mass(widget)
