"""The browser's control variate is Python's: control_variate/numerics.js, function by function."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlbook.q_prop import CorrelatedPair, optimal_coefficient
from rlbook.widgets import ControlVariate
from rlbook.widgets.control_variate import FEWEST, MOST, Estimates, estimate_variances
from rlbook.widgets.dice import normals
from tests.strategies import within

MODULES = ("control_variate/numerics.js",)
C, CORR, BEND = (within(ControlVariate.limits(name)) for name in ("c", "corr", "bend"))
N = st.integers(FEWEST // 2, MOST // 2).map(lambda half: 2 * half)
SEED = st.integers(0, 2**32 - 1)
MEAN, CONTROL = within(ControlVariate.limits("mean_g")), st.sampled_from(["centred", "raw"])


def left_in(widget):
    return widget.mean_g if widget.control == "raw" else 0.0


def close_to(expected, scale=1e-3):
    """Within 1e-9, relative to the value or to what it was computed from."""
    return pytest.approx(np.asarray(expected, dtype=float), rel=1e-9, abs=1e-9 * scale)


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
@given(CORR, BEND, C, N, SEED, MEAN, CONTROL)
def test_estimates_from_samples(js, corr, bend, c, n, seed, mean_g, control):
    widget = ControlVariate(corr=corr, bend=bend, c=c, n=n, seed=seed, mean_g=mean_g, control=control)
    z, u = (x.reshape(-1, MOST)[:12].ravel() for x in normals(seed, 12 * MOST))
    f, g = widget.pair.values(z, u)
    found = js.batchEstimates(f.tolist(), g.tolist(), MOST, n, c, left_in(widget))
    for name, values in widget.estimates._asdict().items():
        assert found[name] == close_to(values[:12], 10), name


@given(CORR, BEND, C, N, MEAN, CONTROL)
def test_bias_and_variance_of_estimates(js, corr, bend, c, n, mean_g, control):
    widget = ControlVariate(corr=corr, bend=bend, c=c, n=n, mean_g=mean_g, control=control)
    pair = {"corr": corr, "bend": bend}
    found = js.estimateBias(pair, n, c, left_in(widget)), js.estimateVariance(pair, n, c)
    for values, expected in zip(found, (widget.bias, estimate_variances(widget.pair, n, c)), strict=True):
        assert [values[name] for name in Estimates._fields] == close_to(expected)
