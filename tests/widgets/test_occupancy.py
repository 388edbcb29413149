"""Occupancy's Python side: settings are checked, numbers are the chapter's, examples show what they say."""

import gzip
import json
import re

import numpy as np
import pytest
import traitlets

from rlbook import gridworld
from rlbook.bellman import policy_iteration
from rlbook.occupancies import check_occupancy, expected_return, occupancy, two_by_two
from rlbook.widgets import Occupancy
from rlbook.widgets.occupancy import CORNERS, DEFAULTS, PRESETS

SETTINGS = ("preset", *DEFAULTS)
VIEWS = ("reward", "mixing", "temperature")


@pytest.fixture(params=PRESETS)
def widget(request):
    return Occupancy(request.param)


def settings_of(widget):
    return {name: getattr(widget, name) for name in DEFAULTS}


def turned(widget, degrees):
    """The widget with the reward of action 1 turned by so much, where action 0 earns nothing."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    r = np.array(widget.r)
    r[:, 1] = turn @ r[:, 1]
    return Occupancy(widget.preset, r=r.tolist())


# Settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("gamma", 1, r"gamma must be a number from 0 to 0\.99, got 1"),
        ("gamma", np.nan, r"gamma must be a number from 0 to 0\.99, got nan"),
        ("gamma", "high", r"gamma.*float.*'high'"),
        ("start", -0.1, r"start must be a number from 0 to 1, got -0\.1"),
        ("share", 1.01, r"share must be a number from 0 to 1, got 1\.01"),
        ("alpha", 0, r"alpha must be a number from 0\.02 to 20, got 0"),
        ("alpha", np.inf, r"alpha must be a number from 0\.02 to 20, got inf"),
        ("view", "dual", r"view.*'reward', 'mixing', 'temperature'"),
        ("pi", [0.5, 1.5], r"pi must be two probabilities of action 1, from 0 to 1, got \[0\.5, 1\.5\]"),
        ("pi", [0.5, np.nan], r"pi must be two probabilities"),
        ("pi", [0.5], r"pi.*length 2|pi.*2"),
        ("pi", [[0.5, 0.5], [0.5, 0.5]], r"pi"),
        ("pi_new", [-0.1, 0.5], r"pi_new must be two probabilities of action 1"),
        ("r", [[0, 1], [0, 11]], r"r must be 2 × 2 numbers from −10 to 10"),
        ("r", [[0, 1], [0, np.nan]], r"r must be 2 × 2 numbers"),
        ("r", [0, 1], r"r"),
        ("ahead", [[0, 1], [0, 1.2]], r"ahead must be 2 × 2 probabilities to come to state 1"),
        ("ahead", [[0, 1, 0], [0, 1, 0]], r"ahead"),
        ("preset", "three-rooms", r"preset must be one of 'work-or-walk'.*got 'three-rooms'"),
    ],
)
def test_bad_value_is_refused_at_construction_and_later(name, value, said):
    with pytest.raises((traitlets.TraitError, ValueError), match=said):
        Occupancy(**{name: value})
    widget = Occupancy("work-or-walk")
    before = getattr(widget, name)
    with pytest.raises((traitlets.TraitError, ValueError), match=said):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_unknown_setting_is_named_with_those_that_exist():
    with pytest.raises(TypeError, match=r"no setting 'lam'; its settings are ahead, alpha, gamma, pi, pi_new"):
        Occupancy(lam=0.1)


def test_every_limit_can_be_set():
    for name in ("gamma", "start", "share", "alpha"):
        ends = Occupancy.limits(name)
        for value in ends:
            widget = Occupancy(**{name: value})
            assert getattr(widget, name) == value
            assert np.isfinite([widget.eta, *widget.returns]).all()


def test_settings_given_win_over_the_presets_own():
    widget = Occupancy("unreachable", gamma=0.5)
    assert (widget.preset, widget.gamma) == ("unreachable", 0.5)
    assert widget.start == 0


def test_choosing_a_preset_and_reset_bring_back_its_settings():
    widget = Occupancy(pi=[0.0, 1.0], gamma=0.1, r=[[1, 2], [3, 4]], view="mixing")
    widget.preset = "temperature"
    assert settings_of(widget) == settings_of(Occupancy("temperature"))
    widget.pi, widget.ahead, widget.alpha = [0.2, 0.2], [[0.0, 0.0], [1.0, 1.0]], 9.0
    widget.reset()
    assert settings_of(widget) == settings_of(Occupancy("temperature"))


def test_observe_sees_the_readers_drag():
    """A state message as the front end sends it; a preset and its settings may come together."""
    widget, seen = Occupancy("work-or-walk"), []
    widget.observe(lambda change: seen.append((change.name, change.new)), ["pi", "r"])
    widget.set_state({"pi": [0.25, 1]})
    assert seen == [("pi", [0.25, 1])]
    widget.set_state({"preset": "mixing", "view": "mixing", "pi": [0.1, 0.2], "share": 0.75})
    assert (widget.preset, widget.pi, widget.share) == ("mixing", [0.1, 0.2], 0.75)


def test_any_mdp_of_the_size_can_be_shown():
    mdp = two_by_two("detour")
    widget = Occupancy.of(mdp, pi=[0.3, 0.1])
    np.testing.assert_array_equal(widget.mdp.P, mdp.P)
    assert widget.rho == pytest.approx(occupancy(mdp, widget.policy))
    assert widget.eta == pytest.approx(expected_return(mdp, widget.policy))
    with pytest.raises(ValueError, match=r"mdp must have 2 states and 2 actions, got 3 and 4"):
        Occupancy.of(gridworld(["..G"], gamma=0.9))
    with pytest.raises(traitlets.TraitError, match=r"gamma must be a number from 0 to 0\.99"):
        Occupancy.of(two_by_two(gamma=0.995))


# Numbers --------------------------------------------------------------------------------------------------


@pytest.mark.proves("thm-return", "prop-vertices")
def test_the_arrow_is_the_gradient_of_the_return_on_the_polygon(widget):
    """η(ρ) = η(ρ') + direction·(difference in the plane), for any two policies, whatever action 0 earns."""
    widget.r = [[0.5, -0.3], [-1.0, 0.7]]
    start = widget.rho[:, 1], widget.eta
    for pi in ([0.0, 1.0], [0.35, 0.8], [1.0, 1.0]):
        widget.pi = pi
        predicted = start[1] + widget.direction @ (widget.rho[:, 1] - start[0])
        assert widget.eta == pytest.approx(predicted, rel=1e-9, abs=1e-10)


@pytest.mark.proves("thm-lp", "prop-vertices")
@pytest.mark.parametrize("degrees", range(0, 360, 17))
def test_the_best_corner_is_the_optimum(degrees):
    widget = turned(Occupancy("work-or-walk"), degrees)
    optimum = widget.mdp.rho0 @ policy_iteration(widget.mdp).V
    assert max(widget.returns) == pytest.approx(optimum, rel=1e-9, abs=1e-10)
    (best,) = widget.best
    policy = np.eye(2)[[int(a) for a in best]]
    assert expected_return(widget.mdp, policy) == pytest.approx(optimum, rel=1e-9, abs=1e-10)


def test_the_best_corner_jumps_where_it_is_said_to(widget):
    angle = np.degrees(np.arctan2(*widget.direction[::-1]))
    assert len(widget.jumps) >= 3
    for degrees, before, after in widget.jumps:
        for offset, name in ((-0.01, before), (0.01, after)):
            best = turned(widget, degrees + offset - angle).best
            assert name in best
            assert set(best) <= {name, *("00", "01")} if widget.preset == "unreachable" else best == (name,)


def test_one_states_action_traces_a_straight_segment(widget):
    for s in (0, 1):
        points = []
        for p in np.linspace(0, 1, 7):
            widget.pi = [p, 0.35] if s == 0 else [0.35, p]
            points.append(widget.rho[:, 1])
        steps = np.diff(points, axis=0) * (1 - widget.gamma)
        for step in steps[1:]:
            assert np.cross(np.append(steps[0], 0), np.append(step, 0))[2] == pytest.approx(0, abs=1e-12)


@pytest.mark.proves("prop-mixing")
def test_mixing_policies_is_not_mixing_occupancies():
    """Policies mixed at each step earn less than either; occupancies mixed, the average; and whose policy that is."""
    widget = Occupancy("mixing")
    r = np.array(widget.r)
    ends = [expected_return(widget.mdp, policy) for policy in (widget.policy, widget.policy_new)]
    for share in (0.25, 0.5, 0.8):
        widget.share = share
        policies, occupancies = ((rho * r).sum() for rho in widget.mixing)
        assert policies < min(ends) - 0.2
        assert occupancies == pytest.approx((1 - share) * ends[0] + share * ends[1])
        p = widget.mixed_policy
        recovered = occupancy(widget.mdp, np.column_stack([1 - p, p]))
        assert recovered == pytest.approx(widget.mixing.of_occupancies)
        check_occupancy(widget.mdp, widget.mixing.of_occupancies)
        assert abs(p - ((1 - share) * np.array(widget.pi) + share * np.array(widget.pi_new))).max() > 0.1


@pytest.mark.proves("prop-entropy-concave")
def test_the_optimum_with_entropy_goes_from_the_middle_to_the_corner():
    widget = Occupancy("temperature", alpha=20.0)
    assert widget.soft.pi == pytest.approx(np.full((2, 2), 0.5), abs=0.06)
    widget.alpha = 0.02
    (best,) = widget.best
    assert widget.soft.pi == pytest.approx(np.eye(2)[[int(a) for a in best]], abs=1e-3)
    widget.alpha = 0.5
    assert ((widget.soft.pi > 0.05) & (widget.soft.pi < 0.95)).all()


# The examples ---------------------------------------------------------------------------------------------


def test_about_to_jump_is_within_a_degree():
    widget = Occupancy("jump")
    assert widget.best == ("11",)
    assert turned(widget, 1).best == ("01",)


@pytest.mark.proves("thm-bijection")
def test_in_unreachable_a_side_of_the_square_is_one_point():
    """… and is none any more when ρ₀ puts something there."""
    widget = Occupancy("unreachable")
    corners = dict(zip(CORNERS, widget.corners, strict=True))
    np.testing.assert_array_equal(corners[0, 0], corners[0, 1])
    np.testing.assert_array_equal(widget.rho, corners[0, 0])
    widget.start = 0.1
    assert abs(widget.corners[0] - widget.corners[3]).max() > 0.1


def test_with_gamma_near_1_the_start_is_forgotten():
    def moved(gamma):
        one, other = (Occupancy("gamma-near-1", gamma=gamma, start=start) for start in (0.0, 1.0))
        return abs(one.corners - other.corners).max() * (1 - gamma)

    assert moved(0.99) < 0.06 < 0.5 < moved(0.8)


def test_with_gamma_0_the_polygon_is_the_square_scaled():
    widget = Occupancy("one-step")
    assert widget.rho[:, 1] == pytest.approx([0.6 * widget.pi[0], 0.4 * widget.pi[1]])


# Views ----------------------------------------------------------------------------------------------------


def test_page_state_is_every_trait_that_the_view_reads(widget):
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', widget.to_html(), re.DOTALL)[1])
    assert state["_view"] == "occupancy"
    assert {name: state[name] for name in SETTINGS} == {name: getattr(widget, name) for name in SETTINGS}
    assert list(state["_presets"]) == list(PRESETS)
    assert all(len(preset["note"]) > 40 for preset in state["_presets"].values())
    assert "_esm" not in state


def test_page_view_is_small_reproducible_and_described(widget):
    html = widget.to_html()
    assert html == Occupancy(widget.preset).to_html()
    picture = html.partition("<script")[0]
    assert len(gzip.compress(picture.encode())) < 12_000
    assert re.search(r'alt="π takes action 1 with [^"]{120,}"', picture)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    "settings",
    [
        {"gamma": 0.99, "start": 1.0, "pi": [0.0, 1.0], "pi_new": [1.0, 0.0]},
        {"gamma": 0.0, "start": 0.0, "ahead": [[0.0, 0.0], [1.0, 1.0]]},
        {"ahead": [[0.0, 0.0], [0.5, 0.5]], "start": 0.0, "alpha": 0.02},
        {"r": [[0.0, 0.0], [0.0, 0.0]]},
        {"r": [[10.0, -10.0], [-10.0, 10.0]], "gamma": 0.99, "ahead": [[0.0, 1.0], [1.0, 0.0]], "alpha": 20.0},
        {"pi": [0.5, 0.5], "pi_new": [0.5, 0.5], "share": 1.0},
    ],
)
def test_extremes_have_a_picture_and_words_too(view, settings):
    widget = Occupancy(view=view, **settings)
    assert len(widget.picture().axes) == 3
    assert "nan" not in widget.alt()
    assert widget.best
