"""The browser's steps and closed forms are Python's: natural_gradient/numerics.js, function by function."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlbook.natural_gradients import (
    gaussian_fisher,
    gaussian_flow,
    gaussian_gradient,
    gaussian_kl,
    gaussian_path,
    gaussian_step,
    kl,
    kl_contour,
    kl_ellipse,
    plateau_time,
    softmax_path,
    steepest_descent,
)
from rlbook.widgets import NaturalGradient

MODULES = ("natural_gradient/numerics.js",)
COUNT = 24  # points of an outline


def within(name):
    """Any value that the setting can have, its ends among them."""
    low, high = NaturalGradient.limits(name)
    return st.sampled_from([low, high]) | st.floats(low, high)


MU, SIGMA, C, ALPHA, DELTA = map(within, ("mu", "sigma", "c", "alpha", "delta"))
BEND = st.sampled_from([-1.0, 0.0, 0.05, 0.5, 1.0, 2.0]) | within("bend")
NATURAL = st.booleans()
REWARDS = st.lists(st.integers(0, 10).map(lambda k: k / 10), min_size=3, max_size=3)
LOGITS = st.lists(st.floats(-8, 8), min_size=3, max_size=3)


def numbers(value):
    """JSON's null is JavaScript's NaN."""
    return np.array(value, dtype=float)


def close_to(expected, scale=0.0):
    """Within 1e-9, relative to the value or to what it was computed from; nan where nan is expected."""
    return pytest.approx(np.asarray(expected), rel=1e-9, abs=1e-9 * scale + 1e-300, nan_ok=True)


def softmax(theta):
    weights = np.exp(theta - np.max(theta))
    return weights / weights.sum()


@given(MU, SIGMA, C, BEND)
def test_gradient_and_fisher(js, mu, sigma, c, bend):
    g = gaussian_gradient(mu, sigma, c, bend)
    F = gaussian_fisher(sigma, bend)
    assert numbers(js.gaussianGradient(mu, sigma, c, bend)) == close_to(g)
    assert numbers(js.gaussianFisher(sigma, bend)) == close_to(F.diagonal())
    assert numbers(js.gaussianDirection(mu, sigma, c, bend, True)) == close_to(np.linalg.solve(F, g))
    assert numbers(js.gaussianDirection(mu, sigma, c, bend, False)) == close_to(g)


@settings(max_examples=150)
@given(MU, SIGMA, C, ALPHA, BEND, NATURAL)
def test_one_step(js, mu, sigma, c, alpha, bend, natural):
    expected = gaussian_step(mu, sigma, c, alpha, bend=bend, natural=natural)
    assert numbers(js.gaussianStep(mu, sigma, c, alpha, bend, natural)) == close_to(expected, 4)


def test_a_step_out_of_the_half_plane_is_no_policy(js):
    for case in ((-1, 1.6, 1, 1.0, 1, False), (0, 0.5, 0, 0.2, 2, False), (0, 2, 0, 0.5, 1, True)):
        assert js.gaussianStep(*case) == [None, None]
        *settings, bend, natural = case
        assert np.isnan(gaussian_step(*settings, bend=bend, natural=natural)).all()


@given(MU, SIGMA, C, ALPHA, BEND, NATURAL, st.integers(0, 60))
def test_whole_paths(js, mu, sigma, c, alpha, bend, natural, steps):
    """Each step from where Python is, and the path as a whole: errors do not grow, for the steps contract."""
    expected = gaussian_path(mu, sigma, c, alpha, steps, bend=bend, natural=natural)
    found = numbers(js.gaussianPath(mu, sigma, c, alpha, steps, bend, natural))
    scale = np.nanmax(abs(expected))
    seen = np.nan_to_num(expected[:, 1], nan=1) > 1e-280  # below, a σ has fewer digits
    assert found[seen] == close_to(expected[seen], scale)


@given(MU, SIGMA, C, st.floats(0, 1000), BEND)
def test_natural_flow(js, mu, sigma, c, t, bend):
    expected = gaussian_flow(mu, sigma, c, t, bend=bend, natural=True)
    assert numbers(js.naturalFlow(mu, sigma, c, t)) == close_to(expected, 4)


@given(MU, SIGMA, MU, SIGMA)
def test_kl(js, mu, sigma, mu1, sigma1):
    expected = gaussian_kl(mu, sigma, mu1, sigma1)
    assert js.gaussianKl(mu, sigma, mu1, sigma1) == close_to(expected, 1e-5)


@given(MU, SIGMA, DELTA)
def test_contour(js, mu, sigma, delta):
    """The same points as Python's, and KL exactly δ at each of them."""
    found = numbers(js.klContour(mu, sigma, delta, COUNT))
    assert gaussian_kl(mu, sigma, *found.T) == pytest.approx(np.full(COUNT, delta), rel=1e-9)
    # At the very top and bottom the mean is a square root of rounding.
    assert found == pytest.approx(kl_contour(mu, sigma, delta, COUNT), rel=1e-9, abs=1e-6 * sigma)
    turns = np.arange(COUNT) % (COUNT // 2) == COUNT // 4
    assert found[~turns] == close_to(kl_contour(mu, sigma, delta, COUNT)[~turns], 10 * sigma)


@given(MU, SIGMA, DELTA, BEND)
def test_ellipse(js, mu, sigma, delta, bend):
    found = numbers(js.quadraticContour(mu, sigma, delta, COUNT, bend, True))
    # Where the ellipse touches σ = 0, (σ/σ₀)ᵏ is a difference of equals, and σ the root of its rounding.
    ratio = 1 + bend * np.sqrt(delta) * np.sin(2 * np.pi * np.arange(COUNT) / COUNT)
    clear = abs(ratio) > 1e-6
    assert found[clear] == close_to(kl_ellipse(mu, sigma, delta, COUNT, bend)[clear], 4)


@given(MU, SIGMA, DELTA, BEND)
def test_circle(js, mu, sigma, delta, bend):
    """In (μ, u) it is one, of radius √(2δ)."""
    found = numbers(js.quadraticContour(mu, sigma, delta, COUNT, bend, False))
    there = found[np.isfinite(found[:, 1])]

    def u(s):
        return np.log(s) if bend == 0 else np.expm1(bend * np.log(s)) / bend

    apart = np.hypot(there[:, 0] - mu, u(there[:, 1]) - u(sigma))
    assert apart == pytest.approx(np.full(len(there), np.sqrt(2 * delta)), rel=1e-6)


@given(MU, SIGMA, C, DELTA, BEND, NATURAL)
def test_region_alpha(js, mu, sigma, c, delta, bend, natural):
    """The step of that α is the steepest of all dᵀGd ≤ 2δ (thm-steepest), with G = F or I."""
    alpha = js.regionAlpha(mu, sigma, c, delta, bend, natural)
    g = gaussian_gradient(mu, sigma, c, bend)
    G = gaussian_fisher(sigma, bend) if natural else np.eye(2)
    assert alpha * np.linalg.solve(G, g) == close_to(steepest_descent(G, -g, 2 * delta).d)
    if natural:
        widget = NaturalGradient(mu=mu, sigma=sigma, c=c, delta=delta, bend=bend)
        assert alpha == close_to(widget.region_alpha)


@given(MU, SIGMA, C, ALPHA, st.integers(0, 30), NATURAL)
def test_gap_of_two_paths(js, mu, sigma, c, alpha, steps, natural):
    paths = [js.gaussianPath(mu, sigma, c, alpha, steps, bend, natural) for bend in (1, 0)]
    paths = [[[np.nan if x is None else x for x in row] for row in path] for path in paths]
    if np.isnan(paths).any():
        return  # NaN cannot be sent as JSON; what the browser says of it is tested in test_natural_gradient_live
    expected = NaturalGradient(mu=mu, sigma=sigma, c=c).apart(alpha=alpha, steps=steps)[natural]
    assert js.pathGap(*paths) == close_to(expected, 4)


@given(st.floats(-5, 5), MU, SIGMA)
def test_density(js, x, mu, sigma):
    expected = np.exp(-((x - mu) ** 2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
    assert js.gaussianDensity(x, mu, sigma) == close_to(expected)


# Softmax --------------------------------------------------------------------------------------------------


@given(LOGITS, REWARDS, ALPHA, NATURAL, st.integers(0, 80))
def test_softmax_path(js, theta, r, alpha, natural, steps):
    pi = softmax(theta)
    found = numbers(js.softmaxPath(pi.tolist(), r, alpha, steps, natural))
    assert found == close_to(softmax_path(theta, r, alpha, steps, natural=natural), 1e-3)
    assert js.banditReturn(pi.tolist(), r) == close_to(pi @ r)
    assert js.softmaxKl(pi.tolist(), found[-1].tolist()) == pytest.approx(
        kl(pi[None], found[-1:])[0], rel=1e-9, abs=1e-12
    )


@given(LOGITS, REWARDS, ALPHA, NATURAL)
def test_half_time(js, theta, r, alpha, natural):
    pi = softmax(theta).tolist()
    widget = NaturalGradient("plateau", start=pi, rewards=r, alpha=alpha)
    expected = widget.half_time(most=200)[natural]
    found = js.halfTime(pi, r, alpha, natural, widget.best, 200)
    assert found == (None if np.isinf(expected) else expected)


def test_an_action_without_probability_gets_none(js):
    for natural in (False, True):
        path = numbers(js.softmaxPath([0.9, 0.1, 0.0], [0, 0.5, 1], 0.7, 20, natural))
        assert (path[:, 2] == 0).all()
        expected = softmax_path(np.log([0.9, 0.1]), [0, 0.5], 0.7, 20, natural=natural)
        assert path[:, :2] == close_to(expected)


@given(st.floats(-8, 8), st.floats(-8, 8), st.floats(0.05, 1))
def test_crossing_time(js, start, end, gap):
    """With a logit for each action the Euclidean flow goes twice as fast as with one (plateau_time)."""
    scale = (1 + np.cosh(max(abs(start), abs(end)))) / gap
    assert js.crossingTime(start, end, gap, True) == close_to(plateau_time(start, end, gap, natural=True), scale)
    assert js.crossingTime(start, end, gap, False) == close_to(plateau_time(start, end, gap) / 2, scale)


@pytest.mark.parametrize("natural", [False, True])
def test_small_steps_cross_when_the_closed_form_says(js, natural):
    """Steps of 0.01 from one percent: αn to ½ is the flow's t, but for O(α)."""
    alpha, start = 0.01, [0.99, 0.01, 0.0]
    n = js.halfTime(start, [0, 1, 0], alpha, natural, 1, 20_000)
    t = js.crossingTime(np.log(1 / 99), 0, 1, natural)
    assert alpha * n == pytest.approx(t, rel=0.005)
