"""The browser's Bellman sweeps are Python's: each function of shared/grid_numerics.js against its twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlbook import evaluate_policy, gridworld
from rlbook.bellman import bellman_operator, optimality_operator, soft_operator, soft_policy
from rlbook.widgets import ValueIteration
from rlbook.widgets.sweeps import TWO_STATES, PlaneSweeps, Sweeps
from rlbook.widgets.value_iteration import STARTS
from tests.node import close_to
from tests.strategies import arrows, grids, large_map, lists

MODULES = ("shared/grid_numerics.js",)
ALPHAS = st.sampled_from([0.01, 0.1, 0.5, 5.0])
SWEEPS = 6


@st.composite
def problems(draw):
    """All settings that the sweeps of a map depend on."""
    grid = draw(grids())
    H, W = len(grid["rows"]), len(grid["rows"][0])
    return grid | {
        "operator": draw(st.sampled_from(["policy", "optimal", "soft"])),
        "alpha": draw(ALPHAS),
        "policy": draw(arrows(grid["rows"])),
        "Q0": draw(st.just([]) | lists(H, W, 4)),
        "other_Q0": draw(st.just([]) | lists(H, W, 4)),
        "other": draw(st.sampled_from(STARTS)),
    }


def python(problem):
    """The problem's `Sweeps`."""
    return Sweeps(**problem)


def browser(js, problem, sweeps):
    """The same as the browser makes it: process, operator, the two starts."""
    process = js.makeGrid(problem)
    operator = {
        "kind": problem["operator"],
        "alpha": problem["alpha"],
        "pi": js.readPolicy(process, problem["policy"]),
    }
    starts = [
        js.fromCells(process, problem["Q0"]),
        js.fromCells(process, problem["other_Q0"]) if problem["other_Q0"] else js.namedStart(process, problem["other"]),
    ]
    return process, operator, starts


def iterates(apply, start, sweeps):
    """What a run of that many sweeps passes, with its start."""
    run = [start]
    for _ in range(sweeps):
        run.append(apply(run[-1]))
    return run


def browser_run(js, process, operator, start, sweeps):
    return iterates(lambda Q: js.applyOperator(process, operator, Q), start, sweeps)


def scale_of(sweeps):
    """The largest value in sight, against which rounding has to be measured."""
    return 1 + max(abs(sweeps.iterates(1, start)).max() for start in (0, 1)) + abs(sweeps.limit).max()


@given(grids())
def test_grid(js, grid):
    """Cells, rewards and, looked at through every function of the state, the transitions."""
    process = js.makeGrid(grid)
    mdp = gridworld(**{**grid, "cell_rewards": grid["cell_rewards"] or None})
    assert process["cells"] == mdp.cells.tolist()
    assert process["r"] == close_to(mdp.r, 1)
    kinds = [grid["rows"][i][j] for i, j in mdp.cells]
    assert process["absorbing"] == [kind in "GP" for kind in kinds]
    for s in range(mdp.n_states):
        indicator = np.eye(mdp.n_states)[s]
        expected = mdp.r + mdp.gamma * mdp.expect(indicator)
        assert js.lookahead(process, indicator.tolist()) == close_to(expected, 1)


@given(problems())
def test_operators_and_starts(js, problem):
    sweeps = python(problem)
    process, operator, starts = browser(js, problem, sweeps)
    mdp, scale = sweeps.mdp, scale_of(sweeps)
    assert operator["pi"] == close_to(sweeps.pi)
    for start in (0, 1):
        Q = sweeps.iterates(0, start)[0]
        assert starts[start] == close_to(Q, scale)
        applied = {
            "policy": lambda Q: bellman_operator(mdp, sweeps.pi, Q),
            "optimal": lambda Q: optimality_operator(mdp, Q),
            "soft": lambda Q: soft_operator(mdp, Q, problem["alpha"]),
        }[problem["operator"]](Q)
        assert js.applyOperator(process, operator, Q.ravel().tolist()) == close_to(applied, scale)
        assert js.stateValues(process, operator, Q.ravel().tolist()) == close_to(sweeps.values(Q), scale)
        assert js.softPolicy(process, Q.ravel().tolist(), problem["alpha"]) == close_to(
            soft_policy(Q, problem["alpha"])
        )


@settings(max_examples=30)
@given(problems())
def test_runs_limits_and_bounds(js, problem):
    """Q_k from both starts, the fixed point, and all that is drawn against k."""
    sweeps = python(problem)
    process, operator, starts = browser(js, problem, sweeps)
    scale = scale_of(sweeps)
    found = js.fixedPoint(process, operator)
    assert found["Q"] == close_to(sweeps.limit, scale / (1 - problem["gamma"]))
    assert found["V"] == close_to(sweeps.values(sweeps.limit), scale / (1 - problem["gamma"]))
    runs = [browser_run(js, process, operator, start, SWEEPS) for start in starts]
    for start, run in enumerate(runs):
        for k, Q in enumerate(sweeps.iterates(SWEEPS, start)):
            assert run[k] == close_to(Q, scale)
    curves = js.errorCurves(runs[0], found["Q"], problem["gamma"])
    expected = sweeps.curves(SWEEPS)
    assert curves.keys() == expected.keys()
    for name, values in curves.items():
        shown = [np.nan if value is None else value for value in values]
        assert shown == pytest.approx(
            expected[name].tolist(), rel=1e-9, abs=1e-9 * scale / (1 - problem["gamma"]), nan_ok=True
        )


@settings(max_examples=30)
@given(problems(), st.integers(0, SWEEPS))
def test_greedy_correctness(js, problem, k):
    sweeps = python(problem)
    process, _, _ = browser(js, problem, sweeps)
    best = js.fixedPoint(process, {"kind": "optimal"})["Q"]
    tolerance = js.tieTolerance(best)
    Q = sweeps.iterates(k)[-1]
    optimal = js.greedyActions(process, best, tolerance)
    assert js.greedyRight(process, Q.ravel().tolist(), optimal, tolerance) == sweeps.right(Q).tolist()
    greedy = sweeps.greedy(Q)
    start = sweeps.mdp.cells[np.argmax(sweeps.mdp.rho0)].tolist()
    assert js.greedyPath(process, Q.ravel().tolist(), tolerance, start) == sweeps.path(Q)
    assert js.greedyActions(process, Q.ravel().tolist(), tolerance) == greedy.astype(int).ravel().tolist()


def test_fixed_points_of_a_map_as_large_as_they_come(js):
    """Policy iteration with the banded elimination, on 192 cells, against NumPy's dense solver."""
    problem, *_ = large_map(*ValueIteration.LARGEST_MAP, gamma=0.99)
    process = js.makeGrid(problem)
    for operator in ("policy", "optimal", "soft"):
        sweeps = Sweeps(**problem, operator=operator, alpha=0.3)
        kind = {"kind": operator, "alpha": 0.3, "pi": sweeps.pi.ravel().tolist()}
        found = np.array(js.fixedPoint(process, kind)["Q"])
        assert found == close_to(sweeps.limit, abs(sweeps.limit).max())
        again = np.array(js.applyOperator(process, kind, found.tolist()))
        assert abs(again - found).max() < 1e-12 * (1 + abs(found).max())
    policy = evaluate_policy(sweeps.mdp, sweeps.pi)
    assert Sweeps(**problem, operator="policy").limit == pytest.approx(policy.Q)


@settings(max_examples=15)
@given(problems(), st.data())
def test_a_sequence_of_edits(js, problem, data):
    """Sweeps, an edit that keeps what they found, sweeps again: to the end, the browser's numbers are Python's."""
    H, W = len(problem["rows"]), len(problem["rows"][0])
    for _ in range(4):
        k = data.draw(st.integers(0, 4))
        sweeps = python(problem)
        process, operator, starts = browser(js, problem, sweeps)
        runs = [browser_run(js, process, operator, start, k) for start in starts]
        problem = dict(problem)
        for start, name in enumerate(("Q0", "other_Q0")):
            problem[name] = js.toCells(process, runs[start][k])
            expected = sweeps.by_cell(sweeps.iterates(k, start)[-1])
            assert np.ravel(problem[name]) == close_to(expected, scale_of(sweeps))
        i, j = data.draw(st.integers(0, H - 1)), data.draw(st.integers(0, W - 1))
        kind = data.draw(st.sampled_from(".#GPS"))
        rows = [row[:j] + kind + row[j + 1 :] if at == i else row for at, row in enumerate(problem["rows"])]
        if any(c in ".S" for row in rows for c in row):
            problem["rows"] = rows
        problem["gamma"] = data.draw(st.sampled_from([0.5, 0.9, problem["gamma"]]))
    sweeps = python(problem)
    process, operator, starts = browser(js, problem, sweeps)
    for start in (0, 1):
        run = browser_run(js, process, operator, starts[start], SWEEPS)
        assert run[-1] == close_to(sweeps.iterates(SWEEPS, start)[-1], scale_of(sweeps))


@settings(max_examples=20)
@given(grids(), st.data())
def test_backup_in_numbers(js, grid, data):
    """The written equation: chances of distinct successors that sum to 1, and the sum that they make."""
    process = js.makeGrid(grid)
    mdp = gridworld(**{**grid, "cell_rewards": grid["cell_rewards"] or None})
    V = np.array(data.draw(lists(mdp.n_states)))
    s = data.draw(st.integers(0, mdp.n_states - 1))
    expected = (mdp.r + mdp.gamma * mdp.expect(V))[s]
    P = mdp.P.toarray().reshape(*mdp.r.shape, -1) if mdp.is_sparse else mdp.P
    for a, backup in enumerate(js.backup(process, V.tolist(), s)):
        assert backup["value"] == pytest.approx(expected[a], rel=1e-9, abs=1e-12)
        assert backup["reward"] == pytest.approx(mdp.r[s, a], abs=1e-12)
        chances = np.zeros(mdp.n_states)
        for p, to, value in backup["terms"]:
            assert p > 0
            assert chances[to] == 0
            assert value == V[to]
            chances[to] = p
        assert chances == pytest.approx(P[s, a])


@settings(max_examples=20)
@given(problems(), st.integers(0, 3))
def test_frozen_policies(js, problem, k):
    """Freezing writes down a greedy action of every cell, and reading gives it back."""
    sweeps = python(problem)
    process, _, _ = browser(js, problem, sweeps)
    Q = sweeps.iterates(k)[-1]
    rows = js.writeGreedy(process, Q.ravel().tolist(), 1e-9)
    pi = np.array(js.readPolicy(process, rows)).reshape(Q.shape)
    assert [len(row) for row in rows] == [len(row) for row in problem["rows"]]
    live = ~sweeps.absorbing
    assert (pi[live].max(axis=1) == 1).all()
    assert (pi[~live] == [1, 0, 0, 0]).all()  # nothing is chosen there
    assert (pi * Q).sum(axis=1)[live] == pytest.approx(Q.max(axis=1)[live], abs=1e-8)
    assert Sweeps(**{**problem, "policy": rows}).pi == pytest.approx(pi)


# The plane ------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    st.sampled_from([0.0, 0.5, 0.7, 0.97]),
    st.sampled_from(["policy", "optimal", "soft"]),
    ALPHAS,
    lists(2),
)
def test_plane(js, gamma, operator, alpha, V0):
    sweeps = PlaneSweeps(gamma=gamma, operator=operator, alpha=alpha, V0=V0)
    process = js.makePlane(TWO_STATES, gamma)
    kind = {"kind": operator, "alpha": alpha, "pi": [0.5] * 4}
    scale = 1 + abs(sweeps.limit).max()
    assert js.fixedPoint(process, kind)["V"] == close_to(sweeps.limit, scale)
    run = iterates(lambda V: js.planeImage(process, kind, [V])[0], V0, SWEEPS)
    assert np.ravel(run) == close_to(sweeps.iterates(SWEEPS), scale)
    # The square goes into the one γ times smaller, point by point.
    radius = abs(np.array(V0) - sweeps.limit).max()
    points = np.array(js.square(sweeps.limit.tolist(), radius, 8))
    assert len(points) == 32
    assert abs(points - sweeps.limit).max(axis=1) == pytest.approx(np.full(32, radius))
    image = np.array(js.planeImage(process, kind, points.tolist()))
    assert image.ravel() == close_to([sweeps.apply(point) for point in points], scale)
    assert abs(image - sweeps.limit).max() <= gamma * radius + 1e-9 * scale


# Links ----------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40))
def test_floats_in_an_address(js, numbers):
    text = js.encodeFloats(numbers)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert js.decodeFloats(text, len(numbers)) == numbers
    assert js.decodeFloats(text, len(numbers) + 1) is None


@pytest.mark.parametrize("junk", ["", "!", "AAA", "AAAAAAA", "AADAfw"])
def test_junk_in_an_address_is_no_numbers(js, junk):
    assert js.decodeFloats(junk, 1) is None
