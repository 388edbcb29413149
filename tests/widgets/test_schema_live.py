"""What a setting may be stands in its trait alone: sliders, buttons and links of the page follow it."""

import pytest
from traitlets import TraitError

from rlbook.widgets import AverageGrid, Occupancy, QProp
from rlbook.widgets.base import Number, Numbers, Whole
from tests.live import data


class NarrowQProp(QProp):
    weight = Number(0.0, -1, 1.5, step=0.25).tag(sync=True, setting=True)
    n = Whole(16, 4, 24, step=4).tag(sync=True, setting=True)


class NarrowOccupancy(Occupancy):
    r = Numbers((2, 2), -1, 1, "2 × 2 numbers", shown=(-0.5, 1)).tag(sync=True, setting=True)


class SmallMaps(AverageGrid):
    LARGEST_MAP = (3, 5)


def reach(page, label):
    """[min, max, step] of a slider, and [min, max] of the field beside it."""
    slider, field = page.get_by_label(label, exact=True), page.get_by_label(f"{label}, as a number", exact=True)
    return [[float(one.get_attribute(key)) for key in keys]
            for one, keys in ((slider, ("min", "max", "step")), (field, ("min", "max")))]  # fmt: skip


def ask(page, link):
    page.evaluate("(hash) => (location.hash = hash)", link)
    page.wait_for_timeout(60)
    return data(page)


def test_sliders_fields_and_links_follow_a_traits_range(visit):
    page = visit(NarrowQProp("helpful"), asked="#w=narrow-q-prop-1&weight=9&n=99")
    label = "κ, weight of the control"
    assert reach(page, label) == [[-1, 1.5, 0.25], [-1, 1.5]]
    assert page.get_by_label(f"{label}, as a number").input_value() == "1.5"
    assert page.get_by_label("n, samples that an estimate averages, as a number").input_value() == "24"
    page.get_by_label(f"{label}, as a number").fill("-7")
    page.get_by_label(f"{label}, as a number").press("Tab")
    page.wait_for_timeout(120)
    assert page.get_by_label(f"{label}, as a number").input_value() == "-1"
    ask(page, "#w=narrow-q-prop-1&n=9")
    assert page.get_by_label("n, samples that an estimate averages, as a number").input_value() == "8"
    with pytest.raises(TraitError, match=r"weight must be a number from -1 to 1\.5, got 2"):
        NarrowQProp(weight=2)


def test_lists_of_numbers_follow_too(visit):
    widget = NarrowOccupancy(step="explore")
    page = visit(widget)
    before = data(page)
    assert reach(page, "r(0,1), reward of action 1") == [[-0.5, 1, 0.01], [-1, 1]]
    assert ask(page, "#w=narrow-occupancy-1&r=0,2,0,0.5") == before  # 2 is no such reward
    assert ask(page, "#w=narrow-occupancy-1&r=0,1,0,0.5")["returns"] != before["returns"]


def test_choices_and_the_largest_map_follow(visit):
    page = visit(SmallMaps(rows=["S..G"]))
    states = lambda shown: shown["exact"].count(",") + 1  # noqa: E731
    assert states(ask(page, "#w=small-maps-1&map=ooooo-ooooo-Soooo")) == 15
    assert states(ask(page, "#w=small-maps-1&map=ooooo-ooooo-ooooo-Soooo&quantity=steps")) == 15
    assert data(page)["quantity"] == "reward"
