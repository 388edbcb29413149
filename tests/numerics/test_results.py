"""How named results print."""

import inspect
import re
from importlib import import_module
from typing import NamedTuple

import gymnasium as gym
import numpy as np

from rlbook import TabularMDP, policy_from_occupancy, policy_iteration, sample_trajectories
from rlbook.results import summary
from tests.sources import TOPICS


class Some(NamedTuple):
    x: object
    longer: object = 0.123456789


def test_what_is_small_prints_as_any_named_tuple():
    assert summary(Some(np.arange(3))) == "Some(x=array([0, 1, 2]), longer=0.123456789)"
    assert repr(policy_from_occupancy([[1, 3]])).startswith("OccupancyPolicy(pi=array([[0.25, 0.75]]), visited=")


def test_what_is_large_prints_a_line_a_field():
    values = np.linspace(-1, 2, 60).reshape(20, 3)
    told = "(20, 3), -1 to 2"
    assert summary(Some(values)) == f"Some\n  x       {told}\n  longer  0.1235"
    values[3] = np.nan
    assert told in summary(Some(values))
    for x, wanted in (
        (np.full((20, 3), np.nan), "(20, 3), nan"),
        (np.eye(5, dtype=bool), "(5, 5), 5 of 25 True"),
        (np.arange(13, dtype=np.int8), "(13,), 0 to 12"),
        (np.arange(12) / 3, np.array2string(np.arange(12) / 3, precision=4, separator=", ", max_line_width=999)),
        (np.zeros((2, 2)), "(2, 2), 0 to 0"),
        (np.zeros(0), "[]"),
        (np.array(1 / 3), "0.3333"),
        (np.float64(np.inf), "inf"),
        (np.int64(3), "3"),
        (np.True_, "True"),
        (None, "None"),
        ("cg", "'cg'"),
    ):
        assert summary(Some(values, x)).split("\n")[2] == f"  longer  {wanted}"


def test_results_of_a_lake_are_short():
    lake = TabularMDP.from_gymnasium(gym.make("FrozenLake-v1"), 0.95)
    found = policy_iteration(lake)
    played = sample_trajectories(lake, found.pi, 1000, 100, np.random.default_rng(0))
    for result in (found, played):
        lines = repr(result).split("\n")
        assert len(lines) == 1 + len(result)
        assert all(len(line) < 80 for line in lines)


def test_every_named_result_prints_so():
    named = {
        x
        for topic in TOPICS
        for x in vars(import_module(f"rlbook.{topic}")).values()
        if inspect.isclass(x) and hasattr(x, "_fields") and re.match(r"rlbook\.", x.__module__)
    }
    assert len(named) > 15
    assert not [x.__name__ for x in named if x.__repr__ is not summary]
