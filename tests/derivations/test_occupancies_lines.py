"""Chapter 4's derivations about occupancies: every line in 200 worlds, every slip apart from it."""

import numpy as np
import pytest

from rlbook import TabularMDP, derive
from tests.derived import holds


@pytest.mark.proves("prop-mass")
@pytest.mark.mends(29)
def test_mass():
    holds("mass")


@pytest.mark.proves("thm-return")
@pytest.mark.mends(31)
def test_return():
    holds("return")


@pytest.mark.proves("thm-bijection", "prop-histories")
@pytest.mark.mends(30)
def test_occupancy_to_policy():
    holds("occupancy-to-policy")


@pytest.mark.proves("lem-product", "thm-bijection")
def test_policy_to_occupancy():
    holds("policy-to-occupancy")


def relay():
    P = np.zeros((3, 2, 3))
    P[0, 1, 1] = P[0, 0, 2] = P[1, :, 2] = P[2, :, 2] = 1
    return TabularMDP(P, [[0, 0], [0, 1], [0, 0]], 0.9, [1, 0, 0], terminal=[False, False, True])


def test_the_world_may_be_the_readers_with_states_that_nobody_visits():
    give_up, go_on = [0, 0, 0], [1, 1, 1]
    for name in ["mass", "return", "policy-to-occupancy"]:
        made = derive(name, mdp=relay(), pi=give_up)
        made.check()
        assert made.worlds(2)[1].lines[0].value is not None
    assert derive("return", mdp=relay(), pi=go_on).lines[-1].value == pytest.approx(0.9)
    assert (
        len(derive("policy-to-occupancy", mdp=relay(), pi=give_up).lines[0].value) == 4
    )  # the second state is not met
    derive("occupancy-to-policy", mdp=relay(), pi=go_on, pi_new=give_up).check()


def test_worlds_that_are_too_large_or_do_not_end_are_refused():
    endless = TabularMDP(np.full((2, 2, 2), 0.5), np.ones((2, 2)), 0.9, [1, 0])
    with pytest.raises(ValueError, match=r"mdp must end its episodes soon, .* after 6 steps there are 4096 episodes"):
        derive("return", mdp=endless)
    circle = TabularMDP(np.ones((1, 1, 1)), [[1.0]], 0.9, [1])
    with pytest.raises(ValueError, match="after 100 steps there are 1 episode, and they go on"):
        derive("return", mdp=circle)
    patient = TabularMDP(np.full((2, 2, 2), 0.5), np.ones((2, 2)), 0.9999, [1, 0])
    with pytest.raises(
        ValueError, match=r"mdp with 4 pairs of states and actions and gamma=0\.9999, of which \d+ steps"
    ):
        derive("mass", mdp=patient)
    with pytest.raises(ValueError, match=r"pi_new is nothing that return takes: it takes mdp, pi$"):
        derive("return", pi_new=[[0.5, 0.5]])
