"""ControlVariate's and QProp's Python side: settings are checked, numbers are the chapter's, views complete."""

import gzip
import json
import re

import numpy as np
import pytest
import traitlets

from rlbook.q_prop import GaussianModel, cross_fitted, fitted_on_same
from rlbook.widgets import ControlVariate, QProp, control_variate, q_prop
from rlbook.widgets.control_variate import BATCHES, Estimates, estimate_variances

MODULES = {ControlVariate: control_variate, QProp: q_prop}
ALL = [(cls, preset) for cls in MODULES for preset in cls.PRESETS]


def settings_of(widget):
    module = next(module for cls, module in MODULES.items() if isinstance(widget, cls))
    return {name: getattr(widget, name) for name in module.DEFAULTS}


# Settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "name", "value", "said"),
    [
        (ControlVariate, "c", 2.5, r"c must be a number from -2 to 2, got 2\.5"),
        (ControlVariate, "c", np.nan, r"c must be a number from -2 to 2, got nan"),
        (ControlVariate, "corr", -1.01, r"corr must be a number from -1 to 1, got -1\.01"),
        (ControlVariate, "bend", "round", r"bend.*float.*'round'"),
        (ControlVariate, "n", 9, r"n must be an even number from 8 to 64, got 9"),
        (ControlVariate, "n", 6, r"n must be an even number from 8 to 64, got 6"),
        (ControlVariate, "n", 8.5, r"n.*int"),
        (ControlVariate, "seed", -1, r"seed.*0"),
        (ControlVariate, "preset", "good", r"preset must be one of 'correlated'.*got 'good'"),
        (QProp, "weight", 3.5, r"weight must be a number from -2 to 3, got 3\.5"),
        (QProp, "tau", 0, r"tau must be a number from 0\.1 to 3, got 0"),
        (QProp, "sigma", np.inf, r"sigma must be a number from 0\.3 to 2, got inf"),
        (QProp, "c3", -0.6, r"c3 must be a number from -0\.5 to 0\.5, got -0\.6"),
        (QProp, "q", np.nan, r"q must be a number from -3 to 3, got nan"),
        (QProp, "n", 65, r"n.*64"),
        (QProp, "rule", "adaptive", r"rule.*'fixed', 'conservative'"),
        (QProp, "preset", "good", r"preset must be one of 'helpful'.*got 'good'"),
    ],
)
def test_bad_value_is_refused_at_construction_and_later(cls, name, value, said):
    with pytest.raises((traitlets.TraitError, ValueError), match=said):
        cls(**{name: value})
    widget = cls(cls.PRESETS[0])
    before = getattr(widget, name)
    with pytest.raises((traitlets.TraitError, ValueError), match=said):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_unknown_setting_is_named_with_those_that_exist():
    with pytest.raises(TypeError, match=r"no setting 'rho'; its settings are bend, c, control, corr, mean_g, n"):
        ControlVariate(rho=0.5)
    with pytest.raises(TypeError, match=r"no setting 'kappa'; its settings are c1, c2, c3, n, preset, q, rule"):
        QProp(kappa=0.5)


@pytest.mark.parametrize("cls", MODULES)
def test_every_limit_can_be_set(cls):
    for name in ("c", "corr", "bend") if cls is ControlVariate else ("weight", "q", "c1", "c2", "c3", "tau", "sigma"):
        ends = cls.limits(name)
        for value in ends:
            assert getattr(cls(**{name: value}), name) == value


def test_presets_reset_and_what_is_given():
    widget = QProp("two-optima", q=0.3)
    assert (widget.q, widget.c3) == (0.3, 0.25)
    widget.weight, widget.rule = 2.0, "aggressive"
    widget.reset()
    assert settings_of(widget) == settings_of(QProp("two-optima"))
    widget.preset = "single-sample"
    assert settings_of(widget) == settings_of(QProp("single-sample"))
    # A preset from the front end brings its own settings, but for those that are sent with it.
    widget.set_state({"preset": "helpful", "weight": 0.7})
    assert (widget.preset, widget.weight, widget.rule) == ("helpful", 0.7, "fixed")


# Numbers --------------------------------------------------------------------------------------------------


@pytest.mark.proves("prop-control-variate")
@pytest.mark.parametrize("preset", ControlVariate.PRESETS)
def test_the_bowl_is_lowest_at_its_best(preset):
    widget = ControlVariate(preset)
    values = [ControlVariate(preset, c=c).variance for c in np.linspace(-2, 2, 41)]
    assert widget.floor <= min(values) + 1e-12
    assert ControlVariate(preset, c=widget.best).variance == pytest.approx(widget.floor, abs=1e-12)
    assert widget.floor == pytest.approx(1 - widget.corr**2)


@pytest.mark.proves("prop-same-sample", "prop-cross-fit")
@pytest.mark.parametrize(("n", "bend"), [(8, 0.0), (8, 1.0), (14, 0.6), (40, 1.0)])
def test_exact_bias_and_spread_are_those_of_the_estimators(n, bend):
    """4000 batches through the chapter's own functions; means and variances within 4.5 standard errors."""
    widget, rng, batches = ControlVariate(corr=0.6, bend=bend, n=n, c=-0.3), np.random.default_rng(n), 4000
    f, g = widget.pair.values(*rng.standard_normal((2, batches, n)))
    found = Estimates(
        f.mean(axis=1),
        (f + widget.c * g).mean(axis=1),
        np.array([fitted_on_same(*batch, 0.0).mean() for batch in zip(f, g, strict=True)]),
        np.array([cross_fitted(*batch, 0.0).mean() for batch in zip(f, g, strict=True)]),
    )
    exact = zip(found, widget.bias, widget.sd, strict=True)
    for name, (values, bias, sd) in zip(Estimates._fields, exact, strict=True):
        assert abs(values.mean() - 1 - bias) < 4.5 * sd / np.sqrt(batches), name
        squares = (values - 1 - bias) ** 2
        assert abs(squares.mean() - sd**2) < 4.5 * squares.std() / np.sqrt(batches), name


def test_a_mean_that_is_left_in_moves_the_estimates_and_not_their_spread():
    raw, centred = (ControlVariate("not-centred", control=control) for control in ("raw", "centred"))
    assert raw.bias.fixed == pytest.approx(-0.45)
    assert centred.bias.fixed == 0
    assert raw.sd == centred.sd
    assert raw.estimates.fixed == pytest.approx(centred.estimates.fixed - 0.45)
    assert abs(raw.estimates.fixed.mean() - 1 - raw.bias.fixed) < 4.5 * raw.sd.fixed / np.sqrt(BATCHES)
    for name in ("plain", "same", "crossed"):
        assert getattr(raw.estimates, name) == pytest.approx(getattr(centred.estimates, name)), "these take it out"


def test_the_bias_is_seen_only_where_f_bends():
    assert ControlVariate("gaussian").bias == (0, 0, 0, 0)
    bias, sd = ControlVariate("same-samples").bias.same, ControlVariate("same-samples").sd.same
    assert -bias > 0.3 * sd, "large enough to be seen"
    assert abs(bias) > 4 * ControlVariate("same-samples").sd.same / np.sqrt(BATCHES), "and to show in the samples"
    many = ControlVariate("many-samples")
    assert many.bias.same == pytest.approx(bias / 8)
    assert many.sd.same > sd / 8


def test_samples_are_the_same_every_time_and_others_with_another_seed():
    one, again, other = (ControlVariate(seed=seed).samples for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert not np.isclose(one, other).any()
    assert ControlVariate(n=10).samples[0] == pytest.approx(ControlVariate(n=64).samples[0][:, :10])


@pytest.mark.proves("prop-gaussian-model", "prop-gaussian-optimum")
@pytest.mark.parametrize("preset", QProp.PRESETS)
def test_the_parabola_and_its_bottom(preset):
    widget = QProp(preset, rule="fixed")
    settings = [QProp(preset, rule="fixed", weight=weight) for weight in np.linspace(-2, 3, 51)]
    assert {one.mean for one in settings} == {widget.model.mean}
    assert min(one.variance for one in settings) >= widget.model.floor - 1e-12
    best = widget.rules.optimal
    assert widget.model.variance(widget.q, best) == pytest.approx(widget.model.floor)
    assert widget.model.floor >= widget.model.noise_floor


@pytest.mark.proves("prop-single-sample")
def test_estimates_have_the_mean_that_is_said():
    """Means of all drawn samples, within 4.5 standard errors of the exact ones."""
    for rule in ("fixed", "conservative", "aggressive"):
        widget = QProp("single-sample", rule=rule, weight=0.5, n=64)
        values = widget.estimates()
        assert abs(values.mean() - widget.mean) < 4.5 * values.std() / np.sqrt(BATCHES)
        assert (widget.bias == 0) == (rule == "fixed")
        squares = (widget.estimates() - widget.mean) ** 2
        assert abs(squares.mean() - widget.variance / 64) < 4.5 * squares.std() / np.sqrt(BATCHES)
    plain = widget.estimates("fixed", 0.0)
    assert plain == pytest.approx(QProp("single-sample", rule="fixed", weight=0.0, n=64).estimates())


# The examples ---------------------------------------------------------------------------------------------


def variances(preset):
    """Var ĝ by rule."""
    widget = QProp(preset)
    return {name: widget.model.variance(widget.q, weight) for name, weight in widget.rules._asdict().items()}


def test_a_helpful_critic_helps():
    by = variances("helpful")
    assert by["full"] < 0.15 * by["none"]


def test_a_wrong_sign_is_left_out_by_conservative_and_turned_by_aggressive():
    by = variances("full-hurts")
    assert by["full"] == pytest.approx(2.99 * by["none"], rel=0.01)  # "three times"
    assert by["conservative"] == by["none"] > by["aggressive"]


@pytest.mark.proves("prop-neither-helps")
def test_neither_rule_helps():
    by = variances("neither-helps")
    expected = {"none": 0.43, "conservative": 1.23, "aggressive": 1.23, "full": 1.23, "adaptive": 0.25}
    for name, value in expected.items():
        assert by[name] == pytest.approx(value), name
    widget = QProp("neither-helps")
    assert widget.rules.adaptive == pytest.approx(0.3)
    assert widget.model.agreement(widget.q) == pytest.approx((0.3, 1.0))


def test_most_of_the_variance_is_out_of_reach():
    widget = QProp("noise-floor")
    assert widget.model.noise_floor > 0.8 * variances("noise-floor")["none"]


def test_the_optima_differ():
    widget, by = QProp("two-optima"), variances("two-optima")
    assert widget.c1 - widget.rules.optimal * widget.q * widget.sigma == pytest.approx(-3 * widget.c3)
    assert by["optimal"] < 0.7 * by["adaptive"] < by["none"]


def test_too_strong_is_more_than_twice_the_best():
    widget = ControlVariate("too-strong")
    assert widget.c < 2 * widget.best < 0
    assert widget.variance > 1
    wrong = ControlVariate("wrong-sign")
    assert wrong.c * wrong.best < 0 < wrong.variance - 1


# Views ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cls", "preset"), ALL)
def test_page_view_is_complete_small_and_described(cls, preset):
    html = cls(preset).to_html()
    assert html == cls(preset).to_html()
    state = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)[1])
    assert {name: state[name] for name in ("preset", *settings_of(cls(preset)))} == {
        "preset": preset,
        **settings_of(cls(preset)),
    }
    assert list(state["_presets"]) == list(cls.PRESETS)
    picture = html.partition("<script")[0]
    assert len(gzip.compress(picture.encode())) < 25_000
    assert re.search(r'alt="(For f and g|With)[^"]{100,}"', picture)


@pytest.mark.filterwarnings("error")
def test_extremes_have_a_picture_and_numbers_too():
    for corr in (-1, 0, 1):
        for bend in (0, 1):
            widget = ControlVariate(corr=corr, bend=bend, c=2, n=8)
            assert len(widget.picture().axes) == 4
            assert np.isfinite(estimate_variances(widget.pair, 8, 2)).all()
            assert np.isfinite(widget.estimates).all()
            assert "nan" not in widget.alt()
    for rule in ("fixed", "conservative", "aggressive"):
        for q in (-3, 0, 3):
            widget = QProp(q=q, c1=0, c2=-1, c3=0.5, tau=0.1, sigma=0.3, n=1, rule=rule)
            assert len(widget.picture().axes) == 3
            assert np.isfinite([widget.bias, widget.variance, *widget.rules]).all()
            assert "nan" not in widget.alt()


def test_model_is_the_chapters():
    assert QProp(c1=0.4, c2=0.1, c3=-0.2, tau=0.7, sigma=0.9).model == GaussianModel(0.4, 0.1, -0.2, 0.7, 0.9)
