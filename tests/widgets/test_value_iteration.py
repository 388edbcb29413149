"""ValueIteration's Python side: settings are checked, numbers exact, and an edit keeps what the sweeps found."""

import gzip
import json
import re

import numpy as np
import pytest
import traitlets

from rlbook import evaluate_policy, gridworld
from rlbook.bellman import greedy_policy, optimality_operator, soft_operator
from rlbook.widgets import ValueIteration
from rlbook.widgets.value_iteration import DEFAULTS, PRESETS, Sweeps

UP, RIGHT, DOWN, LEFT = range(4)


@pytest.fixture(params=PRESETS)
def widget(request):
    return ValueIteration(request.param)


def settings_of(widget):
    return {name: getattr(widget, name) for name in DEFAULTS}


# Settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("rows", [], r"rows must be a non-empty sequence"),
        ("rows", ["..", "..."], r"rows\[1\] has 3 cells, rows\[0\] has 2"),
        ("rows", ["G#"], r"rows must have a start 'S' or a free cell"),
        ("rows", ["S."] * 13, r"at most 12 rows of 16 cells, got 13 of 2"),
        ("rows", ["." * 17], r"at most 12 rows of 16 cells, got 1 of 17"),
        ("cell_rewards", [[1.0]], r"cell_rewards must be empty or 3 lists of 4 numbers"),
        ("cell_rewards", [[np.nan] * 4] * 3, r"cell_rewards must hold numbers from -100 to 100"),
        ("slip", 1.5, r"slip must be a number from 0 to 1, got 1.5"),
        ("gamma", 1.0, r"gamma.*0\.99"),
        ("operator", "T", r"operator.*'policy', 'optimal', 'soft'"),
        ("alpha", 0, r"alpha.*0\.01"),
        ("policy", ["^^"], r"policy must be empty or 3 rows of 4 of \^ > v < and \., got \['\^\^'\]"),
        ("policy", ["upup"] * 3, r"policy must be empty or 3 rows"),
        ("k", 1001, r"k.*1000"),
        ("k", 0.5, r"k.*int"),
        ("other", "wild", r"other.*'optimistic'"),
        ("Q0", [[[0.0] * 3] * 4] * 3, r"Q0 must be empty or have shape \(3, 4, 4\)"),
        ("other_Q0", [[1.0, 2.0]], r"other_Q0 must be empty or have shape \(3, 4, 4\)"),
        ("preset", "plane", r"a widget of its own, BellmanPlane\(\)"),
        ("preset", "mazes", r"preset must be one of 'goal-and-pit'.*got 'mazes'"),
    ],
)
def test_bad_value_is_refused_at_construction_and_later(name, value, said):
    with pytest.raises((traitlets.TraitError, ValueError), match=said):
        ValueIteration(**{name: value})
    widget = ValueIteration("goal-and-pit")
    before = getattr(widget, name)
    with pytest.raises((traitlets.TraitError, ValueError), match=said):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_unknown_setting_is_named_with_those_that_exist():
    with pytest.raises(TypeError, match=r"no setting 'discount'; its settings are Q0, alpha"):
        ValueIteration(discount=0.3)


def test_a_map_of_ones_own():
    widget = ValueIteration("cliff", rows=["S.G"], k=2)
    assert widget.mdp.n_states == 3
    assert widget.slip == 0.0  # the preset's own
    assert widget.k == 2


def test_choosing_a_preset_and_reset_bring_back_its_settings():
    widget = ValueIteration(k=7, gamma=0.5)
    widget.preset = "maze"
    assert settings_of(widget) == settings_of(ValueIteration("maze"))
    widget.k = 5
    widget.rows = ["S.G"]
    widget.operator = "soft"
    widget.reset()
    assert settings_of(widget) == settings_of(ValueIteration("maze"))


# Numbers --------------------------------------------------------------------------------------------------


def test_numbers_are_those_of_the_operators():
    widget = ValueIteration("goal-and-pit", k=3, gamma=0.8)
    mdp = gridworld(["...G", ".#.P", "S..."], gamma=0.8, slip=0.2, step_reward=-0.04)
    Q, before = np.zeros(mdp.r.shape), None
    for _ in range(3):
        Q, before = optimality_operator(mdp, Q), Q
    assert widget.Q == pytest.approx(Q)
    assert widget.V == pytest.approx(Q.max(axis=1))
    best = evaluate_policy(mdp, greedy_policy(widget.limit)).Q
    assert widget.limit == pytest.approx(best)
    assert widget.error == pytest.approx(abs(Q - best).max())
    step = Q - before
    assert widget.bounds == pytest.approx(
        {
            "envelope": 0.8**3 * abs(best).max(),
            "prior": 0.8**3 / 0.2 * abs(mdp.r).max(),
            "posterior": 0.8 / 0.2 * abs(step).max(),
            "bracket": 0.8 / 0.2 * (step.max() - step.min()),
        }
    )


def test_every_bound_holds_for_every_operator(widget):
    for operator in ("policy", "optimal", "soft"):
        widget.operator = operator
        curves = widget.sweeps.curves(40)
        slack = 1e-12 * (1 + abs(widget.limit).max())
        assert (curves["error"] <= curves["envelope"] + slack).all()
        assert (curves["error"] <= curves["prior"] + slack).all()
        assert (curves["error"][1:] <= curves["posterior"][1:] + slack).all()


def test_brackets_hold():
    """Q_k + γ/(1−γ)·minΔ ≤ Q* ≤ Q_k + γ/(1−γ)·maxΔ; its width is what the widget shows."""
    widget = ValueIteration("endless", k=6)
    run, far = widget.sweeps.iterates(6), 9.0
    step = run[6] - run[5]
    assert (run[6] + far * step.min() <= widget.limit + 1e-12).all()
    assert (run[6] + far * step.max() >= widget.limit - 1e-12).all()
    assert widget.bounds["bracket"] == pytest.approx(far * np.ptp(step))


def test_endless_shows_a_wide_error_beside_a_narrow_bracket_and_a_policy_that_is_right_long_before():
    widget = ValueIteration("endless")
    assert widget.k == 30
    assert widget.error > 0.3
    assert widget.bounds["bracket"] < 1e-9
    sweeps, curves = widget.sweeps, widget.sweeps.curves(100)
    right = [sweeps.right(Q).all() for Q in sweeps.iterates(100)]
    assert all(right[7:])
    assert not right[6]
    assert np.argmax(curves["error"] <= 0.01) == 66


def test_the_cliff_is_given_a_wide_berth_when_steps_slip():
    widget = ValueIteration("cliff", k=100)
    assert widget.slip == 0
    for slip, nearest, steps in ((0.0, 2, 9), (0.01, 2, 9), (0.02, 1, 11), (0.1, 1, 11), (0.18, 1, 11)):
        widget.slip = slip
        widget.k = 100
        assert {row for row, column in widget.path if column in (3, 4, 5)} == {nearest}  # the pits are in row 3
        assert len(widget.path) - 1 == steps
        assert widget.path[-1] == [3, 7]
    for slip in (0.19, 0.3, 0.4):  # from here on the start itself is shunned: its arrow points at the wall
        widget.slip = slip
        widget.k = 100
        assert widget.path == [[3, 0]]
        assert widget.limit[np.argmax(widget.mdp.rho0)].argmax() == LEFT


def test_in_the_step_without_k_a_change_is_swept_anew_and_the_path_is_the_best():
    widget = ValueIteration(step=3)
    assert widget.path == ValueIteration("cliff", k=300).path
    for slip in np.arange(0, 0.41, 0.01).round(2):
        widget.slip = slip
        assert (widget.k, widget.Q0) == (100, [])
        assert widget.path == widget.sweeps.path(widget.limit)
    widget.step = "explore"
    widget.slip = 0.1
    assert widget.k == 0, "where there is k, what was found is kept"


def test_what_the_lesson_says_is_so():
    """Arrows right from 5, numbers from 11; the corner's news has come everywhere after seven sweeps."""
    sweeps = ValueIteration(step=1).sweeps
    wrong = [int((~sweeps.right(Q)).sum()) for Q in sweeps.iterates(40)]
    assert [k for k, n in enumerate(wrong) if n][-1] == 4
    assert np.argmax(sweeps.curves(40)["error"] <= 0.01) == 11
    for preset in PRESETS:  # the arrows come first in each, so that the guess is right wherever it is asked
        sweeps = ValueIteration(preset).sweeps
        right = [sweeps.right(Q).all() for Q in sweeps.iterates(120)]
        near = sweeps.curves(400)["error"] <= 0.01
        assert near.any(), f"{preset} is not near within 400 sweeps"
        assert right.index(True) < near.argmax(), preset
    sweeps = ValueIteration(step=2).sweeps
    wrong = [int((~sweeps.right(Q)).sum()) for Q in sweeps.iterates(8)]
    assert wrong[0] == 20
    assert [k for k, n in enumerate(wrong) if n][-1] == 6
    run, cells = sweeps.iterates(5), sweeps.mdp.cells
    for k in range(1, 6):  # and no further than one cell a sweep
        news = abs(run[k] - run[0]).max(axis=1) > 1e-3
        assert cells[news].sum(axis=1).max() == k


def test_near_or_far_is_decided_by_gamma():
    widget = ValueIteration("two-goals")
    start = int(np.argmax(widget.mdp.rho0))
    chosen = {}
    for gamma in (0.5, 0.9):
        widget.gamma = gamma
        chosen[gamma] = int(widget.limit[start].argmax())
    assert chosen == {0.5: LEFT, 0.9: RIGHT}


def test_two_starts_close_in_at_least_as_fast_as_gamma(widget):
    widget.k = 0
    before = widget.distance
    for k in range(1, 12):
        widget.k = k
        assert widget.distance <= widget.gamma * before + 1e-12
        before = widget.distance


@pytest.mark.parametrize(("other", "sign"), [("optimistic", 1), ("pessimistic", -1)])
def test_named_starts_lie_on_their_side_of_the_limit(widget, other, sign):
    if widget.operator == "optimal":
        widget.other = other
        run = widget.sweeps.iterates(20, start=1)
        assert (sign * (run - widget.limit) >= -1e-9).all()


# Edits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [("gamma", 0.5), ("slip", 0.0), ("rows", ["...G", "..#P", "S..."]), ("operator", "soft"), ("step_reward", 0.25)],
)
def test_an_edit_keeps_what_the_sweeps_found(name, value):
    widget = ValueIteration(k=4)
    old, run = widget.mdp, widget.Q
    setattr(widget, name, value)
    assert widget.k == 0
    found = {tuple(cell): q for cell, q in zip(old.cells, run, strict=True)}
    for cell, q in zip(widget.mdp.cells, widget.Q, strict=True):
        np.testing.assert_allclose(q, found.get(tuple(cell), np.zeros(4)))
    widget.k = 200
    assert widget.error < 1e-6


def test_a_reward_changed_after_convergence_is_replanned():
    widget = ValueIteration("two-goals", gamma=0.9, k=50)
    start = int(np.argmax(widget.mdp.rho0))
    assert widget.Q[start].argmax() == RIGHT
    rewards = [row.copy() for row in widget.cell_rewards]
    rewards[1][0] = 9.0
    widget.cell_rewards = rewards
    assert widget.k == 0
    assert widget.Q[start].argmax() == RIGHT, "what was found stands"
    widget.k = 50
    assert widget.Q[start].argmax() == LEFT, "until the sweeps have brought the news"


def test_a_new_goal_has_no_value_of_its_own():
    widget = ValueIteration(k=30)
    widget.rows = ["...G", ".#.P", "S.G."]
    goal = widget.mdp.cells.tolist().index([2, 2])
    assert (widget.Q[goal] == 0).all()


def test_another_size_begins_anew():
    widget = ValueIteration("two-goals", k=9)
    widget.rows = ["S..G"]
    assert (widget.k, widget.Q0, widget.cell_rewards) == (0, [], [])
    assert (widget.Q == 0).all()


def test_restart_forgets_what_was_carried_over():
    widget = ValueIteration(k=4)
    widget.gamma = 0.5
    assert widget.Q0
    widget.restart()
    assert (widget.Q0, widget.other_Q0, widget.k) == ([], [], 0)
    assert (widget.Q == 0).all()


def test_a_frozen_greedy_policy_is_evaluated():
    widget = ValueIteration(k=40)
    pi = greedy_policy(widget.limit)
    widget.freeze()
    assert widget.operator == "policy"
    live = ~widget.sweeps.absorbing
    np.testing.assert_array_equal(widget.pi[live], pi[live])
    assert widget.limit == pytest.approx(evaluate_policy(widget.mdp, widget.pi).Q)


def test_the_soft_limit_is_its_operators():
    widget = ValueIteration("two-ways", alpha=0.3)
    np.testing.assert_allclose(soft_operator(widget.mdp, widget.limit, 0.3), widget.limit, atol=1e-12)


def test_what_the_front_end_sends_is_taken_as_it_is():
    """An edit in the browser comes with the sweeps it has carried over; `observe` sees it."""
    widget, seen = ValueIteration(k=4), []
    widget.observe(lambda change: seen.append((change.name, change.new)), ["rows", "k"])
    rows = ["...G", ".#.P", "S.P."]
    carried = (np.arange(48.0) / 10).reshape(3, 4, 4).tolist()
    widget.set_state({"rows": rows, "k": 0, "Q0": carried, "other_Q0": carried})
    assert dict(seen) == {"rows": rows, "k": 0}
    assert widget.Q0 == carried
    widget.gamma = 0.8
    assert widget.Q0 == carried, "no sweep was done, so nothing is to be carried"


# Views ----------------------------------------------------------------------------------------------------


def test_page_state_is_every_trait_that_the_view_reads(widget):
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', widget.to_html(), re.DOTALL)[1])
    assert state["_view"] == "value_iteration"
    assert {name: state[name] for name in DEFAULTS} == settings_of(widget)
    assert list(state["_presets"]) == list(PRESETS)
    assert "_esm" not in state


def test_page_view_is_small_reproducible_and_described(widget):
    html = widget.to_html()
    assert html == ValueIteration(widget.preset).to_html()
    picture = html.partition("<script")[0]
    assert len(gzip.compress(picture.encode())) < 12_000
    assert re.search(r'alt="After \d+ sweeps[^"]{100,}"', picture)


def test_the_largest_map_has_a_picture_too():
    rows = ["S" + "." * 15, *["." * 16] * 10, "." * 15 + "G"]
    assert len(gzip.compress(ValueIteration(rows=rows, k=20).to_html().encode())) < 40_000


def test_sweeps_have_the_defaults_of_the_widget():
    sweeps = Sweeps(rows=["S.G"])
    assert sweeps.limit[0, RIGHT] == pytest.approx(0.9)
