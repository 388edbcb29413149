"""Chapter 5's derivations about control variates: every line in 200 worlds, every slip apart from it."""

import pytest

from rlbook import derive
from tests.derivations.test_occupancies_lines import relay
from tests.derived import holds


@pytest.mark.proves("prop-control-variate")
@pytest.mark.mends(33)
def test_control_variate():
    broken = holds("control-variate")
    assert set(broken) == {(6, 1)}
    assert 0.6 < broken[6, 1] < 0.8  # the worlds in which c is strictly between 0 and 2c*


@pytest.mark.proves("prop-same-sample")
@pytest.mark.mends(33)
def test_same_sample():
    holds("same-sample")


@pytest.mark.proves("thm-action-baseline")
def test_action_baseline():
    holds("action-baseline")


def test_what_is_forecast_may_be_of_the_readers_world():
    made = derive("action-baseline", mdp=relay(), pi=[[0.2, 0.8], [0.6, 0.4], [1, 0]], horizon=3)
    made.check()
    assert abs(made.world.p.sum() - 1) < 1e-12
