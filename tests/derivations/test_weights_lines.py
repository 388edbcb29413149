"""Chapter 5's derivations about weights: every line in 200 worlds, every slip apart from it."""

import pytest

from tests.derived import holds


@pytest.mark.proves("prop-adaptive")
def test_adaptive():
    broken = holds("adaptive")
    assert set(broken) == {(6, 1)}
    assert 0.6 < broken[6, 1] < 0.8  # the worlds in which the weight is nearer to the best one than ±1 is


@pytest.mark.proves("prop-single-sample")
def test_single_sample():
    holds("single-sample")
