"""Chapter 4's derivations about two programs and two policies: every line in 200 worlds, every slip apart from it."""

import numpy as np
import pytest

from rlbook import TabularMDP, derive, garnet
from tests.derivations.test_occupancies_lines import relay
from tests.derived import holds


@pytest.mark.proves("thm-lp")
def test_duality():
    broken = holds("duality")
    assert broken == {(5, 1): 1.0}  # an average below its largest term is below it in every world


@pytest.mark.proves("thm-difference")
@pytest.mark.mends(32)
def test_performance_difference():
    holds("performance-difference")


def test_in_the_relay_the_surrogate_sees_nothing():
    made = derive("performance-difference", mdp=relay(), pi=[0, 0, 0], pi_new=[1, 1, 1])
    made.check()
    assert made.lines[0].value == pytest.approx(0.9)
    assert made.lines[-1].slips[0].value == 0


def test_programs_of_the_readers():
    rng = np.random.default_rng(0)
    derive("duality", mdp=garnet(6, 3, 2, gamma=0.9, rng=rng)).check()
    derive("duality", mdp=relay(), pi=[0, 0, 0]).check()
    large = TabularMDP(np.full((60, 2, 60), 1 / 60), np.ones((60, 2)), 0.9, np.full(60, 1 / 60))
    with pytest.raises(ValueError, match="mdp has 120 pairs of states and actions, more than the 100"):
        derive("duality", mdp=large)
