"""What the chapters say was to be seen in a step of a lesson: each number of it is computed anew."""

import json
import re
from itertools import pairwise

import numpy as np
import pytest

from rlbook import expected_return
from rlbook.occupancies import surrogate
from rlbook.widgets import (
    AverageGrid,
    BellmanPlane,
    ControlVariate,
    NaturalGradient,
    PerformanceDifference,
    QProp,
    ValueIteration,
    VarianceReduction,
)
from tests.sources import NOTEBOOKS

OPENING = "You should have seen: "
# No numbers that a widget shows: references, powers, what is named by a number.
NUMBER = r"(?<![\w.^])[-+]?\d+(?:\.\d+)?(?![\d.]*[\d^])"


def told():
    """{(widget, step): what the chapters say was to be seen there}."""
    found = {}
    for path in NOTEBOOKS:
        cells = ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
        for cell, after in pairwise(cells):
            called = re.search(r"^(\w+)\(step=(\d|\"explore\")\)$", cell, re.MULTILINE)
            if called and after.startswith(OPENING):
                found[called[1], called[2].strip('"')] = after.partition("\n\n")[0]
    return found


def over(widget, name, values, of):
    """What `of(widget)` is for each value of a setting."""
    found = []
    for value in values:
        setattr(widget, name, value)
        found.append(of(widget))
    return found


def variance(widget):
    return widget.variance


def bottom(widget):
    """Where the variance, a parabola in β, is lowest, and how low: (β, the variance)."""
    parabola = np.polyfit([0, 1, 2], over(widget, "beta", [0.0, 1.0, 2.0], variance), 2)
    best = -parabola[1] / (2 * parabola[0])
    return best, np.polyval(parabola, best)


def bowl():
    widget = VarianceReduction(step=2)
    return [*bottom(widget), *over(widget, "beta", [1.0, 0.0], variance)]


def bowls():
    first, second, arms, late = map(VarianceReduction, VarianceReduction.PRESETS)
    second.kappa = arms.kappa = 0.0
    assert bottom(second)[0] == pytest.approx(1), "at V exactly"
    assert bottom(arms) == (pytest.approx(0.25), pytest.approx(0, abs=1e-12)), "at a quarter of V"
    late.kappa = 0.0
    return [*over(first, "kappa", [1.0, 0.0], lambda widget: bottom(widget)[0]), bottom(late)[0]]


def shrinking():
    widget = BellmanPlane(step=2)
    errors = np.array(over(widget, "k", range(8), lambda widget: widget.error))
    shares = errors[1:] / errors[:-1]
    assert shares[0] == pytest.approx(0.5, abs=0.02), "the first leaves half"
    assert np.argmax(errors <= 0.1 * errors[0]) == 6, "six sweeps are enough"
    assert np.argmax(0.7 ** np.arange(9) <= 0.1) == 7, "where seven are promised"
    return [0.7**7, shares[1:].min(), shares[1:].max()]


def news():
    widget = ValueIteration(step=2)
    rights = np.array(over(widget, "k", range(40), lambda widget: widget.right))
    errors = np.array(over(widget, "k", range(40), lambda widget: widget.error))
    choices = int((~widget.sweeps.absorbing).sum())
    assert (choices - rights[0], choices) == (20, 46)
    return [np.argmax(rights == choices), 0.01, np.argmax(errors <= 0.01)]


def cliff():
    """The slips from which the way keeps away, and from which the start shuns the cliff; steps of the ways."""
    widget = ValueIteration(step=3)
    slips = np.arange(0, 31) / 100
    ways = over(widget, "slip", slips.tolist(), lambda widget: widget.path)
    assert len(ways[0]) - 1 == 9
    along = [len(way) - 1 for way in ways]
    away, shuns = np.argmax(np.array(along) != 9), 19
    assert along[away] == 11
    assert {row for way in ways[away:shuns] for row, column in way if 1 < column < 7} == {1}, "no more distance"
    assert len(ways[shuns]) == 1, "it walks against the wall"
    return [slips[away], slips[shuns]]


def arrows_last():
    """In "cliff" at the slip .03 the last arrow turns when all numbers are within .01; in the others before."""

    def settle(widget):
        widget.k = 0
        rights = np.array(over(widget, "k", range(0, 301), lambda widget: widget.right))
        errors = np.array(over(widget, "k", range(0, 301), lambda widget: widget.error))
        return 301 - np.argmax(rights[::-1] != rights[-1]), np.argmax(errors <= 0.01)

    widget = ValueIteration("cliff", slip=0.03)
    arrows, numbers = settle(widget)
    assert arrows > numbers
    ahead = {name: np.subtract(*settle(ValueIteration(name))[::-1]) for name in ("endless", "maze")}
    assert 55 <= ahead["endless"] <= 65
    assert ahead["maze"] == 1
    return [widget.slip, 0, 0.01]


def narrow():
    widget = NaturalGradient(step=2)
    (wide, thin), ellipse = (
        list(x) for x in zip(*over(widget, "sigma", [1.2, 0.12], lambda w: w.reach_kl), strict=True)
    )
    assert thin / wide == pytest.approx(90, abs=3), "some ninety times"
    assert ellipse[1] == pytest.approx(0.1, abs=0.01)
    return [wide, thin, 0.1]


def plateau():
    widget = NaturalGradient(step=3)
    unequal, alphas = widget.half_time(), widget.equal_alpha
    widget.alpha, widget.scale = alphas.natural, alphas.euclidean / alphas.natural
    equal = widget.half_time()
    return [unequal.natural, unequal.euclidean, equal.natural, equal.euclidean, widget.delta]


def luck():
    widget = AverageGrid("goal-and-pit")

    def errors(widget):
        return over(widget, "episodes", [10, 40], lambda widget: widget.gap)

    return [error for seed in over(widget, "seed", [1, 2], errors) for error in seed]


def promise():
    widget = PerformanceDifference(step=1)
    gain = surrogate(widget.mdp, widget.pi, widget.pi_new) - expected_return(widget.mdp, widget.pi)
    fall = expected_return(widget.mdp, widget.pi) - expected_return(widget.mdp, widget.pi_new)
    return [gain, fall]


def terms():
    widget = PerformanceDifference(step=2)
    old, new = over(widget, "weights", ["old", "new"], lambda widget: np.asarray(widget.terms))
    start, bridge = (next(s for s, at in enumerate(widget.mdp.cells) if tuple(at) == cell) for cell in ((2, 0), (2, 3)))
    for found, where in ((old, [start]), (new, [start, bridge])):
        assert np.flatnonzero(abs(found) > 1e-9).tolist() == where
    assert new[start] == pytest.approx(old[start])
    return [old[start], new[bridge]]


def parabola():
    widget = PerformanceDifference(step=3)
    shares = np.array([0.01, 0.1, 0.5, 1])
    ways = [(1 - share) * widget.pi + share * widget.pi_new for share in shares]
    gaps = [abs(surrogate(widget.mdp, widget.pi, way) - expected_return(widget.mdp, way)) for way in ways]
    np.testing.assert_allclose(gaps / shares**2, gaps[-1], rtol=1e-9)
    return [gaps[-1]]


def scatter():
    widget = ControlVariate(step=2)
    widget.c = widget.best
    return [widget.variance]


def left_in():
    widget = ControlVariate(step=3)
    widget.control = "raw"
    assert widget.variance == pytest.approx(scatter()[0]), "as narrow"
    return [widget.c, 1 + widget.bias.fixed]


def weighed():
    widget = QProp(step=1)
    first, lowest = over(widget, "weight", [0.0, 10 / 9], variance)
    assert over(widget, "weight", [1.1, 1.12], variance) > [lowest, lowest]
    return [first, lowest, 10 / 9]


def too_steep():
    widget = QProp(step=2)
    without = over(widget, "weight", [0.0, 1.0], variance)[0]
    worse = over(widget, "q", [1.99, 2.0, 2.01], variance)
    assert worse[0] < without < worse[2]
    return [2, 0.25]


def sign_of_the_sample():
    widget = QProp(step=3)
    return over(widget, "rule", ["fixed", "aggressive"], lambda widget: widget.mean)


SEEN = {
    ("VarianceReduction", "3"): lambda: over(VarianceReduction(step=3), "kappa", [0.0, 1.0], variance),
    ("VarianceReduction", "2"): bowl,
    ("VarianceReduction", "explore"): bowls,
    ("BellmanPlane", "2"): shrinking,
    ("ValueIteration", "2"): news,
    ("ValueIteration", "3"): cliff,
    ("ValueIteration", "explore"): arrows_last,
    ("NaturalGradient", "2"): narrow,
    ("NaturalGradient", "3"): plateau,
    ("AverageGrid", "explore"): luck,
    ("PerformanceDifference", "1"): promise,
    ("PerformanceDifference", "2"): terms,
    ("PerformanceDifference", "3"): parabola,
    ("ControlVariate", "2"): scatter,
    ("ControlVariate", "3"): left_in,
    ("QProp", "1"): weighed,
    ("QProp", "2"): too_steep,
    ("QProp", "3"): sign_of_the_sample,
}


def numbers(step):
    """What a step's text has of numbers, formulas too; no exponents, and nothing that is raised to one."""
    return re.findall(NUMBER, re.sub(r"\\[a-z]+|_\w", " ", told()[step]))


def follows(numbers, values):
    """Whether the values, rounded as the text rounds, stand among its numbers in this order."""
    left = iter(numbers)
    return all(any(abs(float(number) - value) <= half(number) for number in left) for value in values)


def half(number):
    """Half a unit of a written number's last digit; a whole number is that number."""
    digits = len(number.partition(".")[2])
    return 0.5001 * 10.0**-digits if digits else 1e-9


@pytest.mark.parametrize("step", SEEN, ids="-".join)
def test_the_numbers_that_were_to_be_seen_are_the_widgets(step):
    said, values = numbers(step), SEEN[step]()
    assert follows(said, values), (said, values)
    for i, value in enumerate(values):
        assert not follows(said, [*values[:i], value + 0.06 + 0.06 * abs(value), *values[i + 1 :]]), "as a false one"


def test_no_number_that_a_step_shows_is_left_out():
    """Where a text has two numbers with digits after the point, its step is in the table."""
    for step in told():
        decimals = [number for number in numbers(step) if "." in number]
        assert len(decimals) < 2 or step in SEEN, (step, decimals)
