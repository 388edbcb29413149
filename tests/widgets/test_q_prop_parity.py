"""The browser's Gaussian model is Python's: q_prop/numerics.js, function by function."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlbook.q_prop import GaussianModel
from rlbook.widgets import QProp
from rlbook.widgets.control_variate import MOST
from rlbook.widgets.dice import normals
from rlbook.widgets.q_prop import Rules
from tests.strategies import within

MODULES = ("q_prop/numerics.js",)
MODELS = st.builds(GaussianModel, **{name: within(QProp.limits(name)) for name in ("c1", "c2", "c3", "tau", "sigma")})
Q, WEIGHT = within(QProp.limits("q")), within(QProp.limits("weight"))
SEED = st.integers(0, 2**32 - 1)


def close_to(expected, scale=1e-3):
    """Within 1e-9, relative to the value or to what it was computed from."""
    return pytest.approx(np.asarray(expected, dtype=float), rel=1e-9, abs=1e-9 * scale)


def packed(model):
    return {name: getattr(model, name) for name in ("c1", "c2", "c3", "tau", "sigma")}


@given(MODELS, Q, WEIGHT)
def test_gaussian_model(js, model, q, weight):
    at = packed(model)
    z = np.linspace(-3, 3, 13)
    assert [js.advantageMean(at, x) for x in z] == close_to(model.advantage(z), 1)
    assert js.gradientMean(at) == close_to(model.mean)
    scale = 2 * (abs(model.c1) + abs(weight * q * model.sigma) + 5) ** 2 / model.sigma**2
    assert js.gradientVariance(at, q, weight) == close_to(model.variance(q, weight), scale)
    assert js.gradientFloor(at) == close_to(model.floor)
    assert js.noiseFloor(at) == close_to(model.noise_floor)
    assert js.controlMoments(at, q) == close_to(model.agreement(q))


@given(MODELS, Q)
def test_rules(js, model, q):
    found = js.ruleWeights(packed(model), q)
    widget = QProp(**packed(model), q=q)
    assert list(found) == list(Rules._fields)
    assert list(found.values()) == close_to(widget.rules, 1)


def test_no_control_has_no_weight(js):
    model = GaussianModel(1.0, 0.2, 0.3, 0.5, 1.0)
    expected = {"none": 0, "full": 1, "conservative": 0, "aggressive": 0, "adaptive": 0, "optimal": 0}
    assert js.ruleWeights(packed(model), 0) == expected


@pytest.mark.proves("prop-single-sample")
@settings(max_examples=100)
@given(MODELS, Q)
def test_single_sample_rules(js, model, q):
    """By Gauss and a series for Φ in the browser, by tanh-sinh and scipy's Φ in Python."""
    found = js.singleSamples(packed(model), q)
    for rule in ("conservative", "aggressive"):
        assert found[rule]["bias"] == pytest.approx(model.single_sample_bias(q, rule), rel=1e-9, abs=1e-9 * abs(q))
        scale = model.variance(q, 0) + q**2
        assert found[rule]["variance"] == close_to(model.single_sample_variance(q, rule), scale)


@settings(max_examples=15)
@given(MODELS, Q, WEIGHT, st.sampled_from(["fixed", "conservative", "aggressive"]), st.integers(1, MOST), SEED)
def test_gradients_from_samples(js, model, q, weight, rule, n, seed):
    widget = QProp(**packed(model), q=q, weight=weight, rule=rule, n=n, seed=seed)
    z, eps = (x[: 12 * MOST].tolist() for x in normals(seed, 12 * MOST))
    found = js.batchGradients(packed(model), q, weight, rule, [z, eps], MOST, n)
    assert found == close_to(widget.estimates()[:12], 1e3)


@given(st.floats(1e-3, 1e4))
def test_axis_levels(js, x):
    level = js.nextLevel(x)
    assert x * (1 - 1e-9) <= level <= 1.5 * x * (1 + 1e-9)
