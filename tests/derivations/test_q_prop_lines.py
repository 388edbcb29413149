"""Chapter 5's derivations about Q-Prop: every line in 200 worlds, every slip apart from it."""

import pytest

from tests.derived import holds


@pytest.mark.proves("prop-taylor-correction")
@pytest.mark.mends(35, 36)
def test_taylor_correction():
    holds("taylor-correction")


@pytest.mark.proves("thm-q-prop")
@pytest.mark.mends(34, 36, 37, 38)
def test_q_prop():
    holds("q-prop")
