"""NaturalGradient's Python side: settings are checked, numbers are the chapter's, views complete."""

import gzip
import json
import re

import numpy as np
import pytest
import traitlets

from rlbook.natural_gradients import gaussian_kl, gaussian_path, gaussian_step, kl, softmax_path
from rlbook.widgets import NaturalGradient
from rlbook.widgets.natural_gradient import DEFAULTS, PRESETS

SETTINGS = ("preset", *DEFAULTS)
GAUSSIAN = [name for name, (*_, settings) in PRESETS.items() if settings.get("view") != "softmax"]


@pytest.fixture(params=PRESETS)
def widget(request):
    return NaturalGradient(request.param)


def settings_of(widget):
    return {name: getattr(widget, name) for name in DEFAULTS}


# Settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mu", 2.5, r"mu must be a number from -2 to 2, got 2\.5"),
        ("mu", np.nan, r"mu must be a number from -2 to 2, got nan"),
        ("sigma", 0, r"sigma must be a number from 0\.1 to 3, got 0"),
        ("sigma", "wide", r"sigma.*float.*'wide'"),
        ("c", -np.inf, r"c must be a number from -2 to 2, got -inf"),
        ("alpha", 0, r"alpha must be a number from 0\.01 to 2, got 0"),
        ("delta", -0.1, r"delta must be a number from 0\.001 to 1, got -0\.1"),
        ("bend", 3, r"bend must be a number from -1 to 2, got 3"),
        ("steps", 501, r"steps.*500"),
        ("steps", -1, r"steps.*0"),
        ("steps", 2.5, r"steps.*int"),
        ("view", "beta", r"view.*'gaussian', 'softmax'"),
        ("start", [0.5, 0.5], r"start.*length 3|start.*3"),
        ("start", [0.5, 0.4, 0.2], r"start must be three probabilities that sum to 1"),
        ("start", [1.5, -0.5, 0.0], r"start must be three probabilities"),
        ("start", [1.0, 0.0, 0.0], r"at least two of them positive"),
        ("start", [np.nan, 0.5, 0.5], r"start must be three probabilities"),
        ("rewards", [0.0, 1.0, 2.0], r"rewards must be three numbers from 0 to 1"),
        ("rewards", [0.0, np.nan, 1.0], r"rewards must be three numbers from 0 to 1"),
        ("rewards", [0.0, 1.0], r"rewards.*length 3|rewards.*3"),
        ("preset", "wide", r"preset must be one of 'two-coordinates'.*got 'wide'"),
    ],
)
def test_bad_value_is_refused_at_construction_and_later(name, value, said):
    with pytest.raises((traitlets.TraitError, ValueError), match=said):
        NaturalGradient(**{name: value})
    widget = NaturalGradient("two-coordinates")
    before = getattr(widget, name)
    with pytest.raises((traitlets.TraitError, ValueError), match=said):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_unknown_setting_is_named_with_those_that_exist():
    with pytest.raises(TypeError, match=r"no setting 'epsilon'; its settings are alpha, bend, c, delta, mu"):
        NaturalGradient(epsilon=0.1)


def test_every_limit_can_be_set():
    for name in ("mu", "sigma", "c", "alpha", "delta", "bend"):
        ends = NaturalGradient.limits(name)
        for value in ends:
            assert getattr(NaturalGradient(**{name: value}), name) == value


def test_settings_given_win_over_the_presets_own():
    widget = NaturalGradient("narrow", alpha=0.3)
    assert (widget.preset, widget.alpha) == ("narrow", 0.3)
    assert widget.sigma == PRESETS["narrow"][-1]["sigma"]


def test_choosing_a_preset_and_reset_bring_back_its_settings():
    widget = NaturalGradient(mu=0.5, bend=-0.5, steps=3, rewards=[0.0, 0.0, 0.1])
    widget.preset = "plateau"
    assert settings_of(widget) == settings_of(NaturalGradient("plateau"))
    widget.start, widget.alpha, widget.view = [0.2, 0.2, 0.6], 0.9, "gaussian"
    widget.reset()
    assert settings_of(widget) == settings_of(NaturalGradient("plateau"))


def test_observe_sees_the_readers_drag():
    """A state message as the front end sends it; a preset and its settings may come together."""
    widget, seen = NaturalGradient("two-coordinates"), []
    widget.observe(lambda change: seen.append((change.name, change.new)), ["mu", "sigma", "start"])
    widget.set_state({"mu": 0.25, "sigma": 0.5})
    assert seen == [("mu", 0.25), ("sigma", 0.5)]
    start = [0.1, 0.2, 0.7]
    widget.set_state({"preset": "two-actions", "view": "softmax", "start": start, "alpha": 0.25})
    assert (widget.preset, widget.start, widget.alpha) == ("two-actions", start, 0.25)


# Numbers --------------------------------------------------------------------------------------------------


def test_gaussian_numbers_are_those_of_the_numerics():
    widget = NaturalGradient(mu=-0.5, sigma=0.7, c=1.5, alpha=0.3, bend=0.5, steps=7)
    for natural in (False, True):
        after = gaussian_step(-0.5, 0.7, 1.5, 0.3, bend=0.5, natural=natural)
        assert widget.kl[natural] == pytest.approx(gaussian_kl(-0.5, 0.7, *after))
        path = gaussian_path(-0.5, 0.7, 1.5, 0.3, 7, bend=0.5, natural=natural)
        np.testing.assert_array_equal(widget.path(natural=natural), path)
        mu, sigma = path[-1]
        assert widget.eta[natural] == pytest.approx(-((mu - 1.5) ** 2 + sigma**2) / 2)


def test_softmax_numbers_are_those_of_the_numerics():
    widget = NaturalGradient("plateau", start=[0.2, 0.3, 0.5], rewards=[0.1, 0.9, 0.4], alpha=0.6, steps=9)
    for natural in (False, True):
        path = softmax_path(np.log(widget.start), widget.rewards, 0.6, 9, natural=natural)
        assert widget.path(natural=natural) == pytest.approx(path)
        assert widget.kl[natural] == pytest.approx(kl(path[:1], path[1:2])[0])
        assert widget.eta[natural] == pytest.approx(path[-1] @ widget.rewards)
    assert widget.best == 1


@pytest.mark.proves("thm-invariance", "prop-step-order")
def test_half_of_alpha_divides_the_gap_by_two_and_by_four():
    """What the table says: one Euclidean step differs by O(α) between σ and log σ, a natural one by O(α²)."""
    widget = NaturalGradient("small-steps")
    gap, half = (widget.apart(alpha=alpha, steps=1) for alpha in (widget.alpha, widget.alpha / 2))
    assert gap.euclidean / half.euclidean == pytest.approx(2, rel=0.05)
    assert gap.natural / half.natural == pytest.approx(4, rel=0.05)
    # Over whole paths, as many as the time takes, one order less.
    gap, half = (widget.apart(alpha=alpha, steps=round(4 / alpha)) for alpha in (0.02, 0.01))
    assert gap.euclidean / half.euclidean == pytest.approx(1, rel=0.05)
    assert gap.natural / half.natural == pytest.approx(2, rel=0.05)


def test_the_gap_is_nan_where_a_step_is_no_policy():
    widget = NaturalGradient(alpha=1.0)
    assert np.isnan(widget.apart(steps=1)).all()  # in σ: σ(1−α) = 0, and σ(1−ασ²/2) < 0
    assert np.isfinite(widget.apart(alpha=0.5, steps=1)).all()
    assert np.isnan(widget.kl.euclidean)
    assert np.isnan(widget.eta.euclidean)
    assert "undefined" in widget.alt()


def test_questions_of_the_other_view_are_refused():
    with pytest.raises(ValueError, match="has no σ"):
        NaturalGradient("plateau").apart()
    with pytest.raises(ValueError, match="has no best action"):
        NaturalGradient("two-coordinates").half_time()


# The examples ---------------------------------------------------------------------------------------------


def test_two_coordinates_shows_a_natural_path_that_stays_and_a_euclidean_one_that_swings():
    gap = NaturalGradient("two-coordinates").apart()
    assert gap.euclidean > 10 * gap.natural
    ends = {}
    for bend in (-1.0, 0.0, 1.0):
        widget = NaturalGradient("two-coordinates", bend=bend)
        ends[bend] = [widget.path(natural=natural)[-1] for natural in (False, True)]
    euclidean, natural = np.swapaxes(list(ends.values()), 0, 1)
    assert np.ptp(euclidean[:, 1]) > 20 * np.ptp(natural[:, 1])


def test_in_narrow_the_euclidean_step_leaps_over_the_target():
    widget = NaturalGradient("narrow")
    euclidean, natural = (widget.path(natural=natural, steps=1)[1] for natural in (False, True))
    assert widget.mu < natural[0] < widget.c < euclidean[0]
    assert widget.kl.euclidean > 100 * widget.delta
    assert widget.kl.natural < 3 * widget.delta


def test_with_a_large_alpha_neither_is_invariant():
    small, large = (NaturalGradient(name).apart(steps=1) for name in ("small-steps", "large-alpha"))
    assert min(large) > 0.2
    assert small.natural < 1e-3


def test_the_plateau():
    """The natural path is at the best action while the Euclidean one is in the wrong corner, and stays there long."""
    widget = NaturalGradient("plateau")
    euclidean, natural = widget.half_time()
    assert natural < 20 < 250 < euclidean < np.inf
    after = widget.path(natural=False, steps=100)[-1]
    assert after.argmax() != widget.best
    assert after.max() > 0.9
    assert natural < widget.steps < euclidean


@pytest.mark.proves("prop-plateau")
def test_two_actions_cross_when_the_closed_form_says():
    widget = NaturalGradient("two-actions")
    crossing, half = widget.crossing, widget.half_time()
    assert half.euclidean == pytest.approx(crossing.euclidean, rel=0.03)
    assert crossing.natural <= half.natural <= crossing.natural + 1
    widget.alpha = 0.05
    assert widget.half_time().euclidean == pytest.approx(widget.crossing.euclidean, rel=0.003)
    widget.start = [0.98, 0.01, 0.01]
    assert np.isnan(widget.crossing).all()


@pytest.mark.parametrize("preset", GAUSSIAN)
def test_alpha_of_the_region_puts_the_natural_step_onto_the_ellipse(preset):
    widget = NaturalGradient(preset)
    mu, sigma, c, bend = widget.mu, widget.sigma, widget.c, widget.bend
    alpha = 1e-3 * widget.region_alpha
    moved = gaussian_step(mu, sigma, c, alpha, bend=bend, natural=True)
    assert gaussian_kl(mu, sigma, *moved) == pytest.approx(1e-6 * widget.delta, rel=0.01)


@pytest.mark.parametrize("preset", PRESETS)
def test_with_the_equal_alphas_both_first_steps_have_the_kl_delta(preset):
    widget = NaturalGradient(preset)
    euclidean, natural = widget.equal_alpha
    widget.scale = 0.5
    assert widget.equal_alpha == pytest.approx((euclidean, natural)), "whatever α is now"
    if natural <= 2:
        widget.alpha, widget.scale = natural, euclidean / natural
        assert widget.kl == pytest.approx((widget.delta, widget.delta))


def test_where_no_step_changes_the_policy_there_is_no_such_alpha():
    assert np.isnan(NaturalGradient("plateau", rewards=[0.5, 0.5, 0.5]).equal_alpha).all()


def test_with_steps_of_equal_kl_the_plateau_is_still_there():
    widget = NaturalGradient("plateau")
    euclidean, natural = widget.equal_alpha
    widget.alpha, widget.scale = natural, euclidean / natural
    half = widget.half_time()
    assert half.euclidean > 5 * half.natural


@pytest.mark.parametrize("k", [0.0, 1.0])
def test_the_kl_of_the_circle_depends_on_sigma_and_that_of_the_ellipse_hardly(k):
    wide, narrow = (NaturalGradient("two-coordinates", mu=-1, sigma=sigma, bend=k).reach_kl for sigma in (1.2, 0.12))
    assert narrow.euclidean > 40 * wide.euclidean
    assert narrow.natural < 2 * wide.natural


# Views ----------------------------------------------------------------------------------------------------


def test_page_state_is_every_trait_that_the_view_reads(widget):
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', widget.to_html(), re.DOTALL)[1])
    assert state["_view"] == "natural_gradient"
    assert {name: state[name] for name in SETTINGS} == {name: getattr(widget, name) for name in SETTINGS}
    assert list(state["_presets"]) == list(PRESETS)
    assert "_esm" not in state


def test_page_view_is_small_reproducible_and_described(widget):
    html = widget.to_html()
    assert html == NaturalGradient(widget.preset).to_html()
    picture = html.partition("<script")[0]
    assert len(gzip.compress(picture.encode())) < 12_000
    assert re.search(r'alt="The (policy|triangle)[^"]{100,}"', picture)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bend", [-1.0, 0.0, 1.0, 2.0])
@pytest.mark.parametrize("sigma", NaturalGradient.limits("sigma"))
@pytest.mark.parametrize("alpha", NaturalGradient.limits("alpha"))
def test_extremes_have_a_picture_and_numbers_too(bend, sigma, alpha):
    widget = NaturalGradient(mu=-2, c=2, sigma=sigma, alpha=alpha, bend=bend, delta=1, steps=0)
    assert len(widget.picture().axes) == 3
    widget.steps = 30
    assert "the return is" in widget.alt()
    assert widget.picture().axes[0].get_ylabel() == "σ"
