"""AverageGrid and PerformanceDifference in Python: settings are checked, numbers are the chapter's, views complete."""

import gzip
import json
import re

import numpy as np
import pytest
import traitlets

from rlbook import evaluate_policy, expected_return, occupancy, policy_iteration
from rlbook.occupancies import mixture_path, performance_difference, surrogate, two_by_two
from rlbook.widgets import AverageGrid, PerformanceDifference, average_grid
from rlbook.widgets import performance_difference as difference
from rlbook.widgets.episodes import Episodes
from rlbook.widgets.maps import read_policy

MODULES = {AverageGrid: average_grid, PerformanceDifference: difference}
EVERY = [(kind, preset) for kind in MODULES for preset in kind.PRESETS]


@pytest.fixture(params=EVERY, ids=lambda pair: f"{pair[0].__name__}-{pair[1]}")
def widget(request):
    kind, preset = request.param
    return kind(preset)


@pytest.fixture(params=AverageGrid.PRESETS)
def average(request):
    return AverageGrid(request.param)


@pytest.fixture(params=[name for name in PerformanceDifference.PRESETS if name != "relay"])  # whose slopes are 0
def pair(request):
    return PerformanceDifference(request.param)


def settings_of(widget):
    module = next(module for kind, module in MODULES.items() if isinstance(widget, kind))
    return {name: getattr(widget, name) for name in module.DEFAULTS}


# Settings -------------------------------------------------------------------------------------------------

SHARED = [
    ("rows", [], r"rows must be a non-empty sequence"),
    ("rows", ["..", "."], r"rows\[1\] has 1 cells, rows\[0\] has 2"),
    ("rows", ["GX"], r"rows\[0\]\[1\] is 'X', not one of"),
    ("rows", ["GP"], r"a start 'S' or a free cell"),
    ("rows", ["." * 11], r"at most 8 rows of 10 cells, got 1 of 11"),
    ("slip", 1.5, r"slip.*1\.5"),
    ("slip", np.nan, r"slip.*nan"),
    ("gamma", 0.99, r"gamma.*0\.99"),
    ("gamma", -0.1, r"gamma.*-0\.1"),
    ("gamma", "high", r"gamma.*float.*'high'"),
    ("step_reward", 101, r"step_reward.*101"),
    ("pit_reward", -np.inf, r"pit_reward.*inf"),
    ("cell_rewards", [[1.0, 2.0]], r"cell_rewards must be empty or 3 lists of 4 numbers"),
    ("cell_rewards", [[0.0] * 4] * 2 + [[0.0] * 3], r"cell_rewards must be empty or 3 lists of 4 numbers"),
    ("cell_rewards", [[np.nan] * 4] * 3, r"cell_rewards must hold numbers from -100 to 100"),
    ("policy", ["...."], r"policy must be empty or 3 rows of 4"),
    ("policy", [">>>>", "uuuu", "...."], r"policy must be empty or 3 rows of 4 of \^ > v <"),
    ("preset", "narrow", r"preset must be one of '.*got 'narrow'"),
    ("preset", "constructor", r"preset must be one of"),
]
OWN = {
    AverageGrid: [
        ("quantity", "value", r"quantity.*'reward', 'visits'"),
        ("episodes", -1, r"episodes.*0"),
        ("episodes", 10_001, r"episodes.*10000"),
        ("episodes", 2.5, r"episodes.*int"),
        ("t", -1, r"t.*0"),
        ("seed", 2**32, r"seed.*4294967295"),
        ("seed", -1, r"seed.*0"),
    ],
    PerformanceDifference: [
        ("other", ["...."], r"other must be empty or 3 rows of 4"),
        ("view", "plane", r"view.*'grid', 'two'"),
        ("example", "unusual", r"example.*'usual', 'unreachable', 'detour'"),
        ("first", [0.5], r"first.*length 2|first.*2"),
        ("first", [0.5, 1.5], r"first must be two numbers from 0 to 1"),
        ("second", [np.nan, 0.5], r"second must be two numbers from 0 to 1"),
        ("alpha", -0.1, r"alpha.*-0\.1"),
        ("alpha", np.nan, r"alpha must be a number from 0 to 1, got nan"),
        ("weights", "both", r"weights.*'new', 'old'"),
        ("actions", True, r"actions.*'new', 'old'"),
        ("reach", 0.5, r"reach.*0\.1, 0\.3, 1\.0"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "name", "value", "said"), [(kind, *bad) for kind in OWN for bad in SHARED + OWN[kind]]
)
def test_bad_value_is_refused_at_construction_and_later(kind, name, value, said):
    with pytest.raises((traitlets.TraitError, ValueError), match=said):
        kind(**{name: value})
    widget = kind(kind.PRESETS[0])
    before = settings_of(widget)
    with pytest.raises((traitlets.TraitError, ValueError), match=said):
        setattr(widget, name, value)
    assert settings_of(widget) == before


@pytest.mark.parametrize("kind", MODULES)
def test_unknown_setting_is_named_with_those_that_exist(kind):
    with pytest.raises(
        TypeError, match=rf"{kind.__name__} has no setting 'sleep'; its settings are a?.*gamma, goal_reward"
    ):
        kind(sleep=0.1)


def test_settings_given_win_over_the_presets_own():
    widget = AverageGrid("endless", gamma=0.5)
    assert (widget.gamma, widget.slip, widget.quantity) == (0.5, 0.1, "visits")
    widget = PerformanceDifference("misleads", alpha=0.2)
    assert (widget.alpha, widget.slip) == (0.2, 0.0)


@pytest.mark.parametrize("kind", MODULES)
def test_a_map_of_ones_own_forgets_what_belonged_to_the_presets(kind):
    widget = kind("misleads" if kind is PerformanceDifference else "endless", rows=["S.G"])
    assert (widget.policy, widget.cell_rewards) == ([], [])
    assert widget.pi.shape == (3, 4)
    widget = kind(kind.PRESETS[0])
    widget.rows = ["S..", "..G"]
    assert widget.policy == []
    assert len(widget.picture().axes) == len(kind.PANELS)


@pytest.mark.proves("prop-empirical")
def test_four_times_as_many_episodes_halve_the_bound_and_not_the_error():
    """Goal and pit, as it comes and with the next dice: what the chapter says of 10 and of 40 episodes.

    Over 24 dice the error's mean is below Σσ/√n, and about halved.
    """

    def error(seed, n):
        return AverageGrid(seed=seed, episodes=n).gap

    assert [error(1, n) for n in (10, 40)] == [pytest.approx(0.076, abs=5e-4), pytest.approx(0.134, abs=5e-4)]
    assert [error(2, n) for n in (10, 40)] == [pytest.approx(0.157, abs=5e-4), pytest.approx(0.031, abs=5e-4)]
    spread = AverageGrid("goal-and-pit").run.deviations("reward")[0].sum()
    means = [np.mean([error(seed, n) for seed in range(24)]) for n in (10, 40)]
    assert means[0] < spread / 10**0.5
    assert means[1] < spread / 40**0.5
    assert 0.35 < means[1] / means[0] < 0.65
    # Without chance the error is nothing but rounding: there is no logarithm of it to draw.
    assert AverageGrid("one-way").gap < 1e-12


def test_choosing_a_preset_and_reset_bring_back_its_settings(widget):
    another = next(name for name in type(widget).PRESETS if name != widget.preset)
    changed = type(widget)(another, rows=["S.G"], gamma=0.3, slip=0.9, goal_reward=4.0)
    changed.preset = widget.preset
    assert settings_of(changed) == settings_of(widget)
    changed.rows = ["....", "..G."]
    changed.gamma = 0.2
    changed.reset()
    assert settings_of(changed) == settings_of(widget)


def test_observe_sees_the_readers_clicks():
    """A state message as the front end sends it; what belongs together comes together."""
    widget, seen = AverageGrid("goal-and-pit"), []
    widget.observe(lambda change: seen.append((change.name, change.new)), ["episodes", "t", "policy"])
    widget.set_state({"t": 3})
    widget.set_state({"episodes": 11, "t": 0})
    assert seen == [("t", 3), ("episodes", 11), ("t", 0)]
    rows, policy = ["S..", "..G"], [">>v", ">>."]
    widget.set_state({"preset": "endless", "rows": rows, "policy": policy, "cell_rewards": [], "episodes": 5})
    assert (widget.preset, widget.rows, widget.policy, widget.episodes) == ("endless", rows, policy, 5)
    other = PerformanceDifference("small-step")
    other.set_state({"preset": "misleads", "rows": rows, "policy": [], "other": policy, "alpha": 0.5})
    assert (other.preset, other.other, other.alpha) == ("misleads", policy, 0.5)


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("slip", 0.0, 0),
        ("seed", 8, 0),
        ("policy", [], 0),
        ("rows", ["S.G"], 0),
        ("gamma", 0.5, 20),
        ("step_reward", -1.0, 20),
        ("goal_reward", 2.0, 20),
    ],
)
def test_another_problem_begins_again_and_other_rewards_leave_as_many_episodes(name, value, kept):
    widget = AverageGrid(episodes=20, t=3)
    played = widget.run.play(0, 20)
    setattr(widget, name, value)
    assert (widget.episodes, widget.t) == (kept, 0)
    if kept and name != "gamma":
        for before, after in zip(played, widget.run.play(0, 20), strict=True):
            np.testing.assert_array_equal(before, after, "the very same")
    widget = AverageGrid(episodes=20, t=3)
    widget.quantity = "visits"
    assert (widget.episodes, widget.t) == (20, 3)


# The average grid -----------------------------------------------------------------------------------------


@pytest.mark.proves("thm-return", "def-occupancy")
def test_the_exact_grid_sums_to_the_return_and_to_the_mass(average):
    for quantity, whole in (
        ("reward", expected_return(average.mdp, average.pi)),
        ("visits", 1 / (1 - average.gamma)),
    ):
        average.quantity = quantity
        assert average.total == pytest.approx(whole)
        rho = occupancy(average.mdp, average.pi)
        np.testing.assert_allclose(average.exact, rho * (average.mdp.r if quantity == "reward" else 1))


def test_an_episodes_grid_sums_to_its_return(average):
    run = average.run
    states, actions, lengths = run.play(0, 20)
    grids = run.visits(0, 20) * run.mdp.r
    for n in range(20):
        steps = range(lengths[n])
        total = sum(average.gamma**t * run.mdp.r[states[n, t], actions[n, t]] for t in steps)
        assert grids[n].sum() == pytest.approx(total)
        # each step is one that the map allows
        for t in range(min(lengths[n], run.horizon - 1)):
            row = run.mdp.P.reshape(-1, run.mdp.n_states)[4 * states[n, t] + actions[n, t]]
            assert row[states[n, t + 1]] > 0
            assert run.pi[states[n, t], actions[n, t]] > 0
    mass = run.visits(0, 20).sum(axis=(1, 2))
    assert mass == pytest.approx(np.full(20, 1 / (1 - average.gamma)), abs=1e-6 / (1 - average.gamma) * 1.001)


@pytest.mark.proves("thm-return")
def test_the_average_grid_sums_to_the_mean_return_which_is_added_up_otherwise(average):
    """Over cells, and over time: the episodes' returns never meet a grid, nor what happens from the horizon on."""
    left_out = 1e-6 * (1 + abs(average.mdp.r).max()) / (1 - average.gamma)
    for count in (1, 2, 37):
        average.quantity, average.episodes = "reward", count
        assert average.mean_return == pytest.approx(average.average.total.value, abs=left_out)
    average.episodes = 0
    assert np.isnan(average.mean_return)


@pytest.mark.proves("prop-empirical")
def test_the_average_tends_to_the_exact_grid_within_its_errors(average):
    """4,000 episodes: every state and pair within 5 exact standard errors, sampled errors near the exact ones."""
    count, run = 4000, average.run
    for quantity in ("reward", "visits"):
        average.quantity, average.episodes = quantity, count
        averages, exact = average.average, average.exact
        states, whole = run.deviations(quantity)
        slack = 1e-6 * (1 + abs(run.unit(quantity)).max()) / (1 - average.gamma)  # the steps after the horizon
        assert (abs(averages.states - exact.sum(axis=1)) <= 5 * states / np.sqrt(count) + slack).all()
        assert abs(averages.total.value - average.total) <= 5 * whole / np.sqrt(count) + slack
        often = exact.sum(axis=1) ** 2 > states**2  # where the fourth moment leaves the sampled error some truth
        assert averages.state_errors[often] * np.sqrt(count) == pytest.approx(states[often], rel=0.15, abs=1e-6)
        assert averages.total.error * np.sqrt(count) == pytest.approx(whole, rel=0.1, abs=1e-6)
        np.testing.assert_allclose(averages.pairs.sum(axis=1), averages.states, atol=1e-12)
        assert average.gap <= 3 * states.sum() / np.sqrt(count) + slack * len(states)


def test_exact_deviations_are_those_of_many_episodes():
    run = Episodes(rows=["S.G", ".P."], gamma=0.7, slip=0.3, step_reward=-0.5, goal_reward=2.0, pit_reward=-1.0, seed=5)
    grids = run.visits(0, 40_000)
    for quantity in ("reward", "visits"):
        left = grids * run.unit(quantity)
        states, whole = run.deviations(quantity)
        assert left.sum(axis=2).std(axis=0) == pytest.approx(states, rel=0.03)
        assert left.sum(axis=(1, 2)).std() == pytest.approx(whole, rel=0.02, abs=1e-5)


def test_without_chance_one_episode_is_the_exact_grid():
    widget = AverageGrid("one-way")
    np.testing.assert_allclose(widget.average.states, widget.exact.sum(axis=1), atol=1e-12)
    assert widget.gap < 1e-12
    for quantity in ("reward", "visits"):  # and no deviation is one of rounding, as a difference of squares would have
        states, whole = widget.run.deviations(quantity)
        assert max(states.max(), whole) <= 1e-14 * abs(widget.run.unit(quantity)).max() / (1 - widget.gamma)
    widget.episodes = 5
    assert widget.average.state_errors == pytest.approx(np.zeros(widget.mdp.n_states), abs=1e-12)


def test_the_episode_grows_step_by_step_and_joins_the_average():
    widget = AverageGrid(episodes=0)
    assert not widget.episode.any()
    assert np.isnan(widget.average.total.value)
    length = int(widget.run.play(0, 1)[2][0])
    sums = []
    for t in range(1, length):
        widget.t = t
        sums.append(widget.episode.sum())
    widget.t, widget.episodes = 0, 1
    assert np.isnan(widget.average.total.error)
    assert widget.average.total.value == pytest.approx(widget.episode.sum())
    states, actions, _ = widget.run.play(0, 1)
    for t, before, after in zip(range(1, length), sums, [*sums[1:], widget.episode.sum()], strict=False):
        reward = widget.mdp.r[states[0, t], actions[0, t]]
        assert after - before == pytest.approx(widget.gamma**t * reward)


def test_the_presets_optimal_arrows_are_optimal():
    for preset in ("goal-and-pit", "one-way", "edge"):
        widget = AverageGrid(preset)
        best = policy_iteration(widget.mdp)
        V = evaluate_policy(widget.mdp, widget.pi).V
        if preset == "edge":
            assert widget.total < AverageGrid("safe").total, "the way along the edge pays less under slips"
        else:
            assert widget.mdp.rho0 @ V == pytest.approx(widget.mdp.rho0 @ best.V)
    widget = AverageGrid("wander")
    before = widget.total
    widget.improve()
    assert widget.total > before
    assert widget.total == pytest.approx(widget.mdp.rho0 @ policy_iteration(widget.mdp).V)


# The difference -------------------------------------------------------------------------------------------


def test_numbers_are_those_of_the_numerics(pair):
    path = mixture_path(pair.mdp, pair.pi, pair.pi_new, [pair.alpha])
    assert pair.eta == pytest.approx(expected_return(pair.mdp, pair.pi_alpha))
    assert pair.start == pytest.approx(expected_return(pair.mdp, pair.pi))
    assert pair.surrogate == pytest.approx(surrogate(pair.mdp, pair.pi, pair.pi_alpha))
    assert pair.bounds == pytest.approx({name: getattr(path, name)[0] for name in pair.bounds})
    assert all(abs(pair.eta - pair.surrogate) <= bound + 1e-12 for bound in pair.bounds.values())


@pytest.mark.proves("thm-difference", "eq-difference-states", "prop-surrogate-wrong")
def test_only_the_right_terms_sum_to_the_difference(pair):
    exact = performance_difference(pair.mdp, pair.pi, pair.pi_alpha)
    truth = pair.eta - pair.start
    np.testing.assert_allclose(pair.terms, exact.by_state, atol=1e-12)
    assert pair.terms.sum() == pytest.approx(truth)
    pair.weights = "old"
    assert pair.terms.sum() == pytest.approx(pair.surrogate - pair.start)
    assert abs(pair.terms.sum() - truth) > 1e-3
    for weights in ("old", "new"):
        pair.weights, pair.actions = weights, "old"
        assert pair.terms == pytest.approx(np.zeros(pair.mdp.n_states), abs=1e-12)
        assert abs(truth) > 1e-3


@pytest.mark.proves("prop-tangent")
def test_the_curves_touch_at_zero(pair):
    step = 1e-5
    path = pair.path([0.0, step])
    slope_eta, slope_surrogate = (np.diff(curve)[0] / step for curve in (path.eta, path.surrogate))
    assert slope_eta == pytest.approx(slope_surrogate, rel=1e-3)
    assert abs(slope_surrogate) > 0.05


def test_each_preset_teaches_what_its_name_says():
    small = PerformanceDifference("small-step")
    assert abs(small.eta - small.surrogate) < 0.15 * (small.eta - small.start)
    whole = PerformanceDifference("all-the-way")
    assert whole.eta - whole.start > 1.5 * (whole.surrogate - whole.start)
    misled = PerformanceDifference("misleads")
    assert misled.surrogate > misled.start > misled.eta
    unseen = PerformanceDifference("never-visited")
    assert unseen.surrogate < unseen.start < unseen.eta
    visits, new = (occupancy(unseen.mdp, pi).sum(axis=1) for pi in (unseen.pi, unseen.pi_new))
    assert ((visits == 0) & (new > 0)).sum() == 4  # the bridge
    relay = PerformanceDifference("relay")
    for alpha in (0.1, 0.5, 1.0):
        relay.alpha = alpha
        assert relay.surrogate == pytest.approx(relay.start, abs=1e-14), "which sees nothing"
        assert relay.eta == pytest.approx(alpha**2 * relay.gamma)
    two = PerformanceDifference("two-states")
    assert two.mdp.n_states == 2
    assert two.path([1.0]).eta[0] > two.start > two.path([1.0]).surrogate[0]
    assert two.mdp.r.tolist() == two_by_two("detour").r.tolist()


def test_improve_takes_greedy_arrows():
    widget = PerformanceDifference("small-step", other=[])
    widget.improve(of="policy")
    Q = evaluate_policy(widget.mdp, widget.pi).Q
    gained = (widget.pi_new * Q).sum(axis=1)
    live = [i for i, (a, b) in enumerate(widget.mdp.cells) if widget.rows[a][b] not in "GP"]
    assert gained[live] == pytest.approx(Q.max(axis=1)[live])
    widget.improve("policy")
    assert widget.start == pytest.approx(widget.mdp.rho0 @ policy_iteration(widget.mdp).V)
    with pytest.raises(ValueError, match="which must be 'policy' or 'other'"):
        widget.improve("both")
    with pytest.raises(ValueError, match="two states have no arrows"):
        PerformanceDifference("two-states").improve()


# Views ----------------------------------------------------------------------------------------------------


def test_page_state_is_every_trait_that_the_view_reads(widget):
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', widget.to_html(), re.DOTALL)[1])
    assert {name: state[name] for name in settings_of(widget)} == settings_of(widget)
    assert state["preset"] == widget.preset
    assert list(state["_presets"]) == list(type(widget).PRESETS)
    assert (
        state["_view"]
        == {"AverageGrid": "average_grid", "PerformanceDifference": "performance_difference"}[type(widget).__name__]
    )
    assert "_esm" not in state


def test_page_view_is_small_reproducible_and_described(widget):
    html = widget.to_html()
    assert html == type(widget)(widget.preset).to_html()
    picture = html.partition("<script")[0]
    assert len(gzip.compress(picture.encode())) < 12_000
    assert re.search(r'alt="(What γᵗ|From π)[^"]{100,}"', picture)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("gamma", [0.0, 0.98])
@pytest.mark.parametrize("rows", [["."], ["S"] * 8, ["SGP#......"] * 8, ["#.#"]])
def test_extremes_have_a_picture_and_numbers_too(gamma, rows):
    widget = AverageGrid(rows=rows, gamma=gamma, slip=1.0, goal_reward=100.0, pit_reward=-100.0)
    for episodes, quantity in ((0, "reward"), (1, "visits"), (2, "reward")):
        widget.episodes, widget.quantity = episodes, quantity
        assert len(widget.picture().axes) == 4
        assert "sums to" in widget.alt()
    other = PerformanceDifference(rows=rows, gamma=gamma, alpha=1.0, other=["^" * len(rows[0])] * len(rows))
    assert len(other.picture().axes) == 3
    assert "surrogate" in other.alt()
    assert read_policy([], other.mdp).shape == other.pi.shape
