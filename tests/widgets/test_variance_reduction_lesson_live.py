"""VarianceReduction's lesson in Chromium: each step's gesture by mouse, touch and keyboard, and what it shows."""

import re

import numpy as np
import pytest

from rlbook.widgets import VarianceReduction
from tests.lessons import HANDS, answer, opened, slide
from tests.live import data, numbers, settled, swipe


def spread(page):
    """Width and height of the present ellipse, in pixels."""
    settled(page)
    shape = page.locator(".rl-picture path.rl-exact:not(.rl-heavy)").first
    return np.array(shape.evaluate("(node) => [node.getBBox().width, node.getBBox().height]"))


def places(page):
    """Where dots lie, each place once."""
    settled(page)
    dots = (
        "[...document.querySelectorAll('.rl circle.rl-sample')].map((c) => c.getAttribute('cx') + c.getAttribute('cy'))"
    )
    return len(set(page.evaluate(dots)))


@pytest.mark.parametrize("hand", HANDS)
def test_kappa_leaves_the_mean_and_shrinks_the_ellipse(visit, hand):
    page = opened(visit, VarianceReduction(step=1), hand)
    before, then = data(page), spread(page)
    slide(page, "κ, weight of the past", hand)
    after = data(page)
    assert after["mean"] == before["mean"]
    assert float(after["variance"]) == pytest.approx(VarianceReduction(step=1, kappa=0).variance)
    assert float(after["variance"]) < 0.8 * float(before["variance"])
    assert (spread(page) < 0.9 * then).all()


def test_the_legend_says_how_many_dots_lie_outside_the_frame_and_so_does_the_pictures_key(visit):
    widget = VarianceReduction(step=1)
    legend = visit(widget).locator(".rl-keys").first.inner_text()
    told = re.search(r"(\d+) outside the frame", legend)[1], re.search(r"(\d+) of the dots", widget.key())[1]
    problem = widget.problem
    dots = problem.gradients(0.6, np.zeros(2))[problem.draws[:, 0]]
    reach = abs(dots - widget.mean[list(problem.coordinates)]) / problem.half_widths()
    assert told == (str((reach > 1).any(axis=1).sum()),) * 2


def test_what_the_past_does_is_not_said_while_it_is_asked(visit):
    page = visit(VarianceReduction(step=3))
    said = page.locator(".rl-sentence")
    assert "full return" not in said.text_content()
    answer(page)
    assert "every episode gives the same" in said.text_content() or "full return" in said.text_content()


@pytest.mark.parametrize("hand", HANDS)
def test_the_bowl_has_its_bottom_inside_and_the_mean_stands(visit, hand):
    page = opened(visit, VarianceReduction(step=2), hand)
    before = data(page)
    assert 1 < float(before["lowest"]) < 2
    curve = page.locator(".rl-drag path.rl-heavy")
    assert not curve.get_attribute("d"), "whose bottom is to be guessed"
    answer(page)
    assert curve.get_attribute("d")
    if hand == "keyboard":
        slide(page, "β, weight of the baseline", hand, "high")
    else:
        box = page.locator(".rl-handle").first.bounding_box()
        start = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        end = (start[0] + 900, start[1])
        if hand == "touch":
            swipe(page, start, end)
        else:
            page.mouse.move(*start)
            page.mouse.down()
            page.mouse.move(*end, steps=4)
            page.mouse.up()
    after = data(page)
    variances = [VarianceReduction(step=2, beta=beta).variance for beta in (0, float(before["lowest"]), 2)]
    assert variances[0] > variances[2] > 1.1 * variances[1]
    assert float(after["variance"]) == pytest.approx(variances[2])
    assert after["mean"] == before["mean"]


@pytest.mark.parametrize("hand", HANDS)
def test_with_the_past_two_dots_become_one(visit, hand):
    page = opened(visit, VarianceReduction(step=3), hand)
    assert places(page) == 2
    slide(page, "κ, weight of the past", hand, "high")
    assert places(page) == 1
    assert float(data(page)["variance"]) == pytest.approx(0, abs=1e-9)
    assert numbers(data(page)["mean"]) == pytest.approx([0, 0], abs=1e-12)
