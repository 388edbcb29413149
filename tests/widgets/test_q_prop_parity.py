"""The browser's control variates and Gaussian model are Python's: q_prop_numerics.js, function by function."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlbook.q_prop import CorrelatedPair, GaussianModel, optimal_coefficient
from rlbook.widgets import ControlVariate, QProp
from rlbook.widgets.control_variate import FEWEST, LIMITS, MOST, Estimates, estimate_variances, normals
from rlbook.widgets.q_prop import LIMITS as MODEL
from rlbook.widgets.q_prop import Rules
from tests.node import FRONTEND, Javascript


def within(limits):
    """Values that the reader can set, in steps of 0.001, the ends among them."""
    low, high = (round(1000 * limit) for limit in limits)
    return st.sampled_from(limits) | st.integers(low, high).map(lambda k: k / 1000)


C, CORR, BEND = (within(LIMITS[name]) for name in ("c", "corr", "bend"))
N = st.integers(FEWEST // 2, MOST // 2).map(lambda half: 2 * half)
MODELS = st.builds(GaussianModel, **{name: within(MODEL[name]) for name in ("c1", "c2", "c3", "tau", "sigma")})
Q, WEIGHT = within(MODEL["q"]), within(MODEL["weight"])
SEED = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def js():
    numerics = Javascript(FRONTEND / "src" / "q_prop_numerics.js")
    yield numerics
    numerics.close()


def close_to(expected, scale=1e-3):
    """Within 1e-9, relative to the value or to what it was computed from."""
    return pytest.approx(np.asarray(expected, dtype=float), rel=1e-9, abs=1e-9 * scale)


def packed(model):
    return {name: getattr(model, name) for name in ("c1", "c2", "c3", "tau", "sigma")}


@given(SEED)
def test_dice(js, seed):
    assert np.array(js.normals(seed, 50)) == close_to(normals(seed, 50), 1)


def test_dice_are_normal_and_independent():
    """Moments of 4000 pairs from each of 20 seeds, within 4.5 standard errors."""
    for seed in range(20):
        z, u = normals(seed, 4000)
        for values, sd in ((z, 1), (u, 1), (z * u, 1), (z**2 - 1, np.sqrt(2)), (z**3 - 3 * z, np.sqrt(6))):
            assert abs(values.mean()) < 4.5 * sd / np.sqrt(4000)


# Control variates -----------------------------------------------------------------------------------------


@given(CORR, BEND, SEED)
def test_values(js, corr, bend, seed):
    z, u = normals(seed, 20)
    f, g = CorrelatedPair(1.0, 1.0, 1.0, corr, bend).values(z, u)
    assert js.pairValues({"corr": corr, "bend": bend}, z.tolist(), u.tolist()) == close_to(f, 1)
    line, _ = CorrelatedPair(1.0, 1.0, 1.0, corr, bend).values(z, 0.0)
    assert [js.pairMean({"corr": corr, "bend": bend}, x) for x in g] == close_to(line, 1)


@given(C, CORR)
def test_bowl(js, c, corr):
    pair = CorrelatedPair(1.0, 1.0, 1.0, corr)
    assert js.controlledVariance(corr, c) == close_to(pair.variance(c), 1)
    assert js.bestCoefficient(corr) == close_to(pair.best)
    assert js.varianceFloor(corr) == close_to(pair.least)


@given(SEED, st.integers(2, 30), st.integers(0, 5))
def test_fitted_coefficient(js, seed, n, start):
    f, g = normals(seed, 40)
    expected = optimal_coefficient(f[start : start + n], g[start : start + n])
    assert js.fittedCoefficient(f.tolist(), g.tolist(), start, start + n) == close_to(expected, 10)


@settings(max_examples=15)
@given(CORR, BEND, C, N, SEED)
def test_estimates_from_samples(js, corr, bend, c, n, seed):
    widget = ControlVariate(corr=corr, bend=bend, c=c, n=n, seed=seed)
    z, u = (x.reshape(-1, MOST)[:12].ravel() for x in normals(seed, 12 * MOST))
    f, g = widget.pair.values(z, u)
    found = js.batchEstimates(f.tolist(), g.tolist(), MOST, n, c)
    for name, values in widget.estimates._asdict().items():
        assert found[name] == close_to(values[:12], 10), name


@given(CORR, BEND, C, N)
def test_bias_and_variance_of_estimates(js, corr, bend, c, n):
    widget = ControlVariate(corr=corr, bend=bend, c=c, n=n)
    pair = {"corr": corr, "bend": bend}
    found = js.estimateBias(pair, n), js.estimateVariance(pair, n, c)
    for values, expected in zip(found, (widget.bias, estimate_variances(widget.pair, n, c)), strict=True):
        assert [values[name] for name in Estimates._fields] == close_to(expected)


# Q-Prop ---------------------------------------------------------------------------------------------------


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
def test_single_sample_bias(js, model, q):
    """By parts and Gauss in the browser, by tanh-sinh and the normal distribution in Python."""
    for rule in ("conservative", "aggressive"):
        found, expected = js.singleSampleBias(packed(model), q, rule), model.single_sample_bias(q, rule)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9 * abs(q))


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
