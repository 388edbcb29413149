"""The widgets' Python side: settings are checked, numbers exact, changes seen, the page's view complete."""

import gzip
import json
import re

import gymnasium as gym
import numpy as np
import pytest
import traitlets

from rlbook import TabularMDP, gridworld
from rlbook.policy_gradient import exact_gradient, exact_moments
from rlbook.widgets import VarianceReduction
from rlbook.widgets.gradient_problems import PRESETS, Problem, enumerate_trajectories
from tests.node import SOURCES, Javascript

SETTINGS = ("preset", "kappa", "beta", "baseline", "time", "state", "batch", "step")


def variance(problem, kappa, b):
    return problem.moments(np.asarray(b)).variance(kappa=kappa, beta=1)


@pytest.fixture(params=PRESETS)
def widget(request):
    return VarianceReduction(request.param)


# Settings -------------------------------------------------------------------------------------------------


def test_unknown_setting_is_named_with_those_that_exist():
    with pytest.raises(TypeError, match=r"no setting 'kapa'; its settings are baseline, batch, beta, kappa"):
        VarianceReduction(kapa=0.3)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("kappa", 1.5, r"kappa must be a number from 0 to 1, got 1\.5"),
        ("kappa", "full", r"kappa.*float.*'full'"),
        ("beta", -1, r"beta.*0.*-1"),
        ("batch", 3, r"batch.*\[1, 2, 4, 8, 16, 32\].*int 3"),
        ("preset", "three-rooms", r"preset must be one of 'two-rooms'.*got 'three-rooms'"),
        ("baseline", [[1.0, 2.0]], r"baseline must be 4 lists of 2 numbers.*got \[\[1\.0, 2\.0\]\]"),
        ("baseline", [[np.nan, 0.0]] * 4, r"baseline must hold finite numbers"),
        ("time", 4, r"time must be an integer from 0 to 3, got 4"),
        ("state", 2, r"state must be an integer from 0 to 1, got 2"),
    ],
)
def test_bad_value_is_refused_at_construction_and_later(name, value, said):
    with pytest.raises((traitlets.TraitError, ValueError), match=said):
        VarianceReduction(**{name: value})
    widget = VarianceReduction("two-rooms")
    before = getattr(widget, name)
    with pytest.raises((traitlets.TraitError, ValueError), match=said):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_settings_given_win_over_the_presets_own():
    widget = VarianceReduction("two-arms", kappa=0.3, baseline=[[0.5]])
    assert (widget.preset, widget.kappa, widget.baseline) == ("two-arms", 0.3, [[0.5]])
    assert widget.beta == 1  # the preset's own


def test_choosing_a_preset_and_reset_bring_back_its_settings():
    widget = VarianceReduction(kappa=0.3, beta=1.7, time=3, state=1, batch=8)
    widget.preset = "two-arms"
    fresh = VarianceReduction("two-arms")
    assert [getattr(widget, name) for name in SETTINGS] == [getattr(fresh, name) for name in SETTINGS]
    widget.baseline, widget.kappa = [[0.1]], 0.9
    widget.reset()
    assert [getattr(widget, name) for name in SETTINGS] == [getattr(fresh, name) for name in SETTINGS]


def test_observe_sees_the_readers_drag():
    """A state message as the front end sends it sets the traits; preset and baseline may come together."""
    widget, seen = VarianceReduction("two-rooms"), []
    widget.observe(lambda change: seen.append((change.name, change.new)), ["kappa", "baseline"])
    widget.set_state({"kappa": 0.25})
    assert seen == [("kappa", 0.25)]
    widget.set_state({"preset": "two-arms", "kappa": 0, "baseline": [[0.8]], "beta": 1, "time": 0, "state": 0})
    assert (widget.preset, widget.baseline, widget.time) == ("two-arms", [[0.8]], 0)


# Numbers --------------------------------------------------------------------------------------------------


def test_moments_are_those_of_the_numerics(widget):
    problem = widget.problem
    widget.kappa, widget.beta = 0.4, 0.6
    widget.baseline = (problem.V + 0.5).tolist()
    moments = exact_moments(
        problem.mdp, problem.pi, problem.horizon, features=problem.features, baseline=0.6 * (problem.V + 0.5)
    )
    mean, covariance = moments.estimator(kappa=0.4, beta=1)
    assert widget.mean == pytest.approx(mean)
    assert widget.covariance == pytest.approx(covariance)
    assert widget.variance == pytest.approx(np.trace(covariance))


def test_the_mean_never_moves(widget):
    start = widget.mean
    for kappa, beta in [(0, 0), (0.5, 1), (1, 2)]:
        widget.kappa, widget.beta = kappa, beta
        assert widget.mean == pytest.approx(start, abs=1e-12)


def test_two_rooms_puts_the_estimators_in_their_order():
    problem = VarianceReduction("two-rooms").problem
    none = np.zeros_like(problem.V)
    full, to_go = variance(problem, 1, none), variance(problem, 0, none)
    by_value, per_step, best = (variance(problem, 0, b) for b in (problem.V, problem.per_step, problem.optimal))
    assert full > 1.5 * to_go > 1.5 * 2 * by_value > 3 * 2 * per_step
    assert per_step > 1.03 * best


def test_in_two_rooms_a_multiple_of_v_saves_a_tenth_of_what_v_leaves_and_the_best_baseline_nearly_two_thirds():
    """What chapter 1 says before "Take it in hand", the past gone."""
    problem = VarianceReduction("two-rooms").problem
    left, best = (variance(problem, 0, b) for b in (problem.V, problem.optimal))
    multiple = min(variance(problem, 0, beta * problem.V) for beta in np.linspace(0, 2, 401))
    assert 1 - multiple / left == pytest.approx(0.1, abs=0.015)
    assert 0.6 < 1 - best / left < 2 / 3


def test_ten_then_ten_needs_its_past():
    problem = VarianceReduction("ten-then-ten").problem
    none = np.zeros_like(problem.V)
    p = problem.pi[1, 1]
    assert variance(problem, 1, none) == pytest.approx(0, abs=1e-12)
    assert variance(problem, 0, none) == pytest.approx(100 * p * (1 - p))
    assert variance(problem, 0, problem.V) == pytest.approx(0, abs=1e-12)


def test_two_arms_reaches_zero_and_v_is_worse_than_nothing():
    problem = VarianceReduction("two-arms").problem
    p = problem.pi[0, 1]
    assert p == pytest.approx(0.8)
    for b in (0.0, 0.2, 0.8, 1.3):
        assert variance(problem, 0, [[b]]) == pytest.approx(p * (1 - p) * (b - (1 - p)) ** 2, abs=1e-15)
    assert variance(problem, 0, problem.V) > variance(problem, 0, [[0.0]])


def test_in_the_corridor_no_reward_lies_in_the_past():
    problem = VarianceReduction("corridor").problem
    none = np.zeros_like(problem.V)
    assert variance(problem, 1, none) == pytest.approx(variance(problem, 0, none))
    assert variance(problem, 0, problem.V) < 0.6 * variance(problem, 0, none)


# A problem of one's own -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "kappa", "bottom", "lowest"),
    [
        ("two-rooms", 1, 1.74, 1.93),
        ("two-rooms", 0, 1.35, 0.88),
        ("ten-then-ten", 1, 0, 0),
        ("ten-then-ten", 0, 1, 0),
        ("two-arms", 0, 0.25, 0),
        ("corridor", 0, 0.77, 0.05),
    ],
)
def test_the_bottom_of_the_bowl_lies_beside_v_or_at_it(preset, kappa, bottom, lowest):
    """Of the parabola through three of its points."""
    left, middle, right = (VarianceReduction(preset, kappa=kappa, beta=beta).variance for beta in (0, 1, 2))
    bend, tilt = (left + right) / 2 - middle, (right - left) / 2
    assert 1 - tilt / (2 * bend) == pytest.approx(bottom, abs=5e-3)
    assert middle - tilt**2 / (4 * bend) == pytest.approx(lowest, abs=5e-3)


def test_own_problem_counts_all_coordinates_and_shows_two():
    mdp = gridworld([".G"], gamma=0.9)
    theta = np.arange(8).reshape(2, 4) / 8
    widget = VarianceReduction.of(mdp, theta, horizon=3, coordinates=(1, 3), kappa=0.0)
    assert widget.preset == "own"
    assert widget.mean == pytest.approx(exact_gradient(mdp, theta, horizon=3).ravel())
    tables = widget.problem.tables
    assert tables["mean"] == pytest.approx(widget.mean[[1, 3]])
    assert tables["ff"][3] == pytest.approx(widget.variance)
    widget.preset = "two-rooms"
    widget.preset = "own"
    assert np.shape(widget.baseline) == (3, 2)


def test_an_own_problem_that_ends_has_no_score_after_the_end():
    """Shared features and a baseline that is not 0 at the goal: were the choices there counted, both would show."""
    mdp, rng, b = gridworld([".G"], gamma=0.9), np.random.default_rng(0), np.full((3, 2), 0.5)
    problem = Problem(mdp, [0.3, -0.2], horizon=3, features=rng.normal(size=(2, 4, 2)))
    atoms, probability = enumerate_trajectories(mdp, problem.pi, 3, 256)
    scores, alive = problem.score[atoms.states, atoms.actions], ~mdp.terminal[atoms.states]
    assert not scores[~alive].any()
    past = np.cumsum(atoms.rewards * 0.9 ** np.arange(3), axis=1)
    weight = past[:, -1:] - 0.9 ** np.arange(3) * 0.5 * alive
    g = (weight[..., None] * scores).sum(axis=1)
    np.testing.assert_allclose(problem.gradients(1.0, b), g, atol=1e-12)
    mean = probability @ g
    assert variance(problem, 1.0, b) == pytest.approx(probability @ ((g - mean) ** 2).sum(axis=1))


def test_own_problem_that_does_not_fit_is_refused():
    mdp = gridworld(["....", "...G"], gamma=0.9)
    with pytest.raises(ValueError, match=r"coordinates must be one or two integers from 0 to 31, got \(0, 40\)"):
        VarianceReduction.of(mdp, np.zeros((8, 4)), horizon=2, coordinates=(0, 40))
    lake = TabularMDP.from_gymnasium(gym.make("FrozenLake-v1"), 0.95)
    with pytest.raises(ValueError, match=r"at most 16 parameters here, got 64; with features, \(S, A, n\), states can"):
        VarianceReduction.of(lake, np.zeros((16, 4)), horizon=100)
    alike = np.tile(np.eye(4), (16, 1, 1))  # one logit an action, in all states
    with pytest.raises(ValueError, match=r"at most 64 here, got 100 × 16; a horizon of 4 fits$"):
        VarianceReduction.of(lake, np.zeros(4), horizon=100, features=alike)
    assert VarianceReduction.of(lake, np.zeros(4), horizon=4, features=alike).problem.pi.shape == (16, 4)
    with pytest.raises(ValueError, match=r"at most 16 parameters here, got 32"):
        VarianceReduction.of(mdp, np.zeros((8, 4)), horizon=2)
    with pytest.raises(ValueError, match=r"at most 64 here, got 9 × 8"):
        VarianceReduction.of(mdp, [0.0], horizon=9, features=np.ones((8, 4, 1)))


def test_too_many_trajectories_are_sampled_and_the_tables_say_so():
    mdp = gridworld(["...G"], gamma=0.9, slip=0.2)
    problem = Problem(mdp, np.zeros((4, 4)), horizon=5)
    assert enumerate_trajectories(mdp, problem.pi, 5, 256) == (None, None)
    assert not problem.tables["enumerated"]
    assert problem.atoms.states.shape == (256, 5)


# Views ----------------------------------------------------------------------------------------------------


def test_notebook_view_carries_the_live_widget_and_html():
    data, _ = VarianceReduction("two-rooms")._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert data["text/html"].startswith('<div class="rlbook-widget" data-widget="VarianceReduction"')


def test_page_state_is_every_trait_that_the_view_reads():
    widget = VarianceReduction("two-arms", kappa=0.3)
    html = widget.to_html()
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)[1])
    assert state["_view"] == "variance_reduction"
    assert {name: state[name] for name in SETTINGS} == {name: getattr(widget, name) for name in SETTINGS}
    assert list(state["_presets"]) == list(PRESETS)
    assert "_esm" not in state


def test_page_view_is_small_reproducible_and_described(widget):
    html = widget.to_html()
    assert html == type(widget)(widget.preset).to_html()
    picture = html.partition("<script")[0]
    assert len(gzip.compress(picture.encode())) < 12_000
    assert re.search(r'alt="For κ = [^"]{60,}"', picture)


def test_text_of_the_state_cannot_close_the_script():
    widget = VarianceReduction("two-rooms")
    widget._presets = {**widget._presets, "</script>": {}}
    assert "</script>" not in widget.to_html().partition('json">')[2].removesuffix("</script></div>")


# The page's host ------------------------------------------------------------------------------------------


def test_host_model_has_backbones_semantics(tmp_path):
    scenario = tmp_path / "scenario.mjs"
    source = (SOURCES / "shared" / "host.js").as_uri()
    scenario.write_text(f"""
import {{ Model }} from "{source}";
export function run() {{
  const model = new Model({{ a: 1, list: [1, 2] }}), log = [];
  const onA = (m, value) => log.push(["a", value, m === model]);
  const onAny = () => log.push(["any"]);
  model.on("change:a change:list", onA);
  model.on("change", onAny);
  model.set("a", 2);
  model.set("a", 2); // no change, no event
  model.set("list", [1, 2]); // equal, no event
  model.set({{ a: 3, list: [3] }}); // two changes, one "change"
  model.off("change:a", onA);
  model.set("a", 4);
  model.off(null, onAny);
  model.set("a", 5);
  model.save_changes();
  return [log, model.get("a"), model.get("list")];
}}
""")
    js = Javascript(scenario)
    log, a, values = js.run()
    js.close()
    assert log == [
        ["a", 2, True],
        ["any"],
        ["a", 3, True],
        ["a", [3], True],
        ["any"],
        ["any"],
    ]
    assert (a, values) == (5, [3])


def test_v_itself_is_nearly_as_good_as_its_best_multiple_as_the_bowls_answer_says():
    at = {beta: VarianceReduction(step=2, beta=beta).variance for beta in np.linspace(0, 2, 41)}
    lowest = min(at.values())
    assert at[0] > 2 * lowest
    assert lowest < at[1] < 1.15 * lowest
