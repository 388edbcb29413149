"""BellmanPlane's lesson in Chromium: each step's gesture by mouse, touch and keyboard, and what it shows."""

import numpy as np
import pytest

from rlbook.widgets import BellmanPlane
from tests.lessons import HANDS, answer, opened, slide
from tests.live import data, numbers, settled, swipe

BOXES = """() => Object.fromEntries(["rl-image", "rl-square", "rl-bound"].map((kind) => {
  const { x, y, width, height } = document.querySelector(`.rl-free-drag path.${kind}`).getBBox();
  return [kind, [x, y, x + width, y + height]];
}))"""


def boxes(page):
    """Left, top, right and foot of the image, the square and the dashed square."""
    settled(page)
    found = page.evaluate(BOXES)
    return [np.array(found[kind]) for kind in ("rl-image", "rl-square", "rl-bound")]


def fits(page, gamma):
    """The image lies in the dashed square, reaching its sides, and that is γ times as wide as the square."""
    image, outer, inner = boxes(page)
    assert (image[:2] >= inner[:2] - 0.1).all()
    assert (image[2:] <= inner[2:] + 0.1).all()
    assert inner[2] - inner[0] == pytest.approx(gamma * (outer[2] - outer[0]), abs=0.1)
    return image


@pytest.mark.parametrize("hand", HANDS)
def test_wherever_the_start_is_dragged_the_image_stays_in_the_dashed_square(visit, hand):
    widget = BellmanPlane(step=1)
    page = opened(visit, widget, hand)
    fits(page, 0.7)
    for dx, dy in ((60, 30), (-40, 50), (30, -90)):
        before = numbers(data(page)["v0"])
        if hand == "keyboard":
            page.locator(".rl-grip").focus()
            for key, times in (("Right" if dx > 0 else "Left", dx), ("Down" if dy > 0 else "Up", dy)):
                for _ in range(abs(times) // 10):
                    page.keyboard.press(f"Arrow{key}")
        else:
            box = page.locator(".rl-grip").bounding_box()
            start = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            end = (start[0] + dx, start[1] + dy)
            if hand == "touch":
                swipe(page, start, end)
            else:
                page.mouse.move(*start)
                page.mouse.down()
                page.mouse.move(*end, steps=4)
                page.mouse.up()
        widget.V0 = numbers(data(page)["v0"])
        assert widget.V0 != before
        assert float(data(page)["error"]) == pytest.approx(widget.error)
        fits(page, 0.7)
    slide(page, "γ, discount", hand)
    fits(page, 0)


def test_the_axes_stand_still_while_the_start_is_dragged_and_the_next_iterate_is_named(visit):
    page = visit(BellmanPlane(step=1))
    data(page)
    ticks = page.locator(".rl-picture:visible svg text:not(.rl-label)")
    before = ticks.all_text_contents()
    box = page.locator(".rl-grip").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for dx, dy in ((-60, -30), (-110, 60), (90, 20)):
        page.mouse.move(x + dx, y + dy, steps=4)
        settled(page)
        assert ticks.all_text_contents() == before
    page.mouse.up()
    page.get_by_role("button", name="Reset").click()
    settled(page)
    assert set(page.locator(".rl-picture:visible .rl-label:visible").all_text_contents()) == {"V₀", "V₁"}
    image = page.locator(".rl-free-drag path.rl-image").bounding_box()
    spot = page.locator(".rl-picture:visible .rl-spot-natural").bounding_box()
    for at, size in (("x", "width"), ("y", "height")):
        assert image[at] - 1 <= spot[at] + spot[size] / 2 <= image[at] + image[size] + 1, "in what the sweep makes"


@pytest.mark.parametrize("hand", HANDS)
def test_sweep_by_sweep_the_squares_nest(visit, hand):
    page = opened(visit, BellmanPlane(step=2), hand)
    slide(page, "k, sweeps done", hand)
    page.get_by_label("k, sweeps done", exact=True).focus()
    inner, grown = None, ""
    for k in range(11):
        shown = data(page)
        widget = BellmanPlane(step=2, k=k)
        assert float(shown["error"]) == pytest.approx(widget.error)
        _, square, dashed = boxes(page)
        before, grown = grown, "".join(page.locator("svg.rl-free-drag text", has_text="times").all_text_contents())
        if grown != before:
            assert grown == "10 times as large"
            assert square[2] - square[0] > 5 * (inner[2] - inner[0]), "what had become small is seen again"
        elif inner is not None:
            assert (square[:2] >= inner[:2] - 0.1).all()
            assert (square[2:] <= inner[2:] + 0.1).all()
        inner = dashed
        page.keyboard.press("ArrowRight")
    assert grown
    answer(page)
    assert data(page)["k"] == "6"
    assert data(page)["tenth"] == "6"


@pytest.mark.parametrize("hand", HANDS)
def test_each_operators_image_has_its_form_and_fits(visit, hand):
    page = opened(visit, BellmanPlane(step=3), hand)

    def turns():
        """By how much the image's outline turns at 28 of its points, besides at its four corners; the largest first."""
        settled(page)
        d = page.locator(".rl-free-drag path.rl-image").get_attribute("d")
        points = np.array([[float(x) for x in at.split(",")] for at in d[1:-1].split("L")])[::6]
        sides = np.diff(points, axis=0, append=points[:1])
        angles = np.arctan2(sides[:, 1], sides[:, 0])
        found = (angles - np.roll(angles, 1) + np.pi) % (2 * np.pi) - np.pi
        return np.sort(abs(np.delete(found, [0, 8, 16, 24])))[::-1]

    found = {}
    for operator in ("policy", "soft", "optimal"):
        button = page.locator(f"[aria-label=Operator] button[data-value={operator}]")
        if hand == "touch":
            button.tap()
        elif hand == "keyboard":
            button.focus()
            page.keyboard.press("Enter")
        else:
            button.click()
        fits(page, 0.7)
        widget = BellmanPlane(step=3, operator=operator)
        assert float(data(page)["error"]) == pytest.approx(widget.error)
        found[operator] = turns()
    assert found["policy"][0] < 0.01, "a parallelogram"
    assert found["optimal"][0] > 0.3, "kinks"
    assert (found["optimal"] > 0.01).sum() <= 8
    assert found["soft"][0] < 0.1, "bends"
    assert (found["soft"] > 0.01).sum() > 12
