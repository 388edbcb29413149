"""Chapter 2's derivations: every line in 200 worlds, every slip apart from it; of bounds, how often a slip breaks."""

import numpy as np
import pytest

from rlbook import TabularMDP, derive
from tests.derived import holds


@pytest.mark.proves("thm-contraction")
@pytest.mark.mends(15)
def test_contraction():
    broken = holds("contraction")
    assert set(broken) == {(3, 1), (4, 1)}
    assert min(broken.values()) > 0.85  # most of Q lies below Q', so that what has no absolute value is too small


@pytest.mark.proves("thm-optimality")
@pytest.mark.mends(13, 17)
def test_optimality_contraction():
    broken = holds("optimality-contraction")
    assert set(broken) == {(4, 1)}
    assert broken[4, 1] > 0.75


@pytest.mark.proves("thm-optimality")
def test_best():
    broken = holds("best")
    assert set(broken) == {(5, 1)}
    assert broken[5, 1] > 0.95


@pytest.mark.proves("thm-macqueen")
def test_bracket():
    broken = holds("bracket")
    assert set(broken) == {(3, 1), (5, 1)}
    assert 0.55 < min(broken.values()) <= max(broken.values()) < 0.75  # around the old table it often holds by luck


@pytest.mark.proves("lem-lse")
def test_log_sum_exp():
    broken = holds("log-sum-exp")
    assert set(broken) == {(5, 1), (6, 1)}
    assert broken[5, 1] > 0.7
    assert broken[6, 1] == 1  # log-sum-exp is always above the maximum


@pytest.mark.proves("thm-soft-contraction", "eq-soft-gap")
def test_soft_gap():
    holds("soft-gap")


@pytest.mark.proves("prop-double-sampling", "eq-residual")
@pytest.mark.mends(19)
def test_semi_gradient():
    holds("semi-gradient")


def own_world():
    P = np.full((3, 2, 3), 1 / 3)
    P[2] = [0, 0, 1]
    return TabularMDP(P, [[1.0, 2.0], [-1.0, 0.5], [0, 0]], 0.9, [0.5, 0.5, 0.0], terminal=[False, False, True])


@pytest.mark.parametrize("name", ["contraction", "optimality-contraction", "best", "bracket", "soft-gap"])
def test_the_world_may_be_the_readers_with_an_end_too(name):
    pi = {} if name == "bracket" else {"pi": [[0.25, 0.75], [0.5, 0.5], [0.5, 0.5]]}
    made = derive(name, mdp=own_world(), **pi)
    made.check()
    assert made.world.mdp.n_states == 3


@pytest.mark.parametrize("name", ["visits-shift", "trust-region"])
def test_so_may_both_policies(name):
    derive(name, mdp=own_world(), pi=[0, 1, 0], pi_new=[[0.25, 0.75], [0.5, 0.5], [0.5, 0.5]]).check()


def test_refusals():
    with pytest.raises(ValueError, match=r"pi\[0, 1\] is 0: the soft optimum takes every action"):
        derive("soft-gap", mdp=own_world(), pi=[0, 1, 0])
    large = TabularMDP(np.full((61, 1, 61), 1 / 61), np.zeros((61, 1)), 0.9, np.full(61, 1 / 61))
    with pytest.raises(ValueError, match="mdp has 61 states, more than the 60 of a small world"):
        derive("contraction", mdp=large)
    with pytest.raises(ValueError, match="pi is nothing that bracket takes: it takes mdp"):
        derive("bracket", pi=[[1.0, 0.0]])
