"""What the tests of all lessons share."""

import pytest

import rlbook.widgets
from tests.live import settled

KINDS = [
    pytest.param(kind, id=name) for name in rlbook.widgets.__all__ if (kind := getattr(rlbook.widgets, name)).lesson
]
STEPS = [
    pytest.param(kind, step, id=f"{name}-{step}")
    for name in rlbook.widgets.__all__
    for kind in [getattr(rlbook.widgets, name)]
    for step in range(1, len(kind.lesson) + 1)
]
HANDS = ("mouse", "touch", "keyboard")  # with which each gesture is made


def opened(visit, widget, hand):
    """The widget on a page that takes that hand's gestures."""
    return visit(widget, **({"has_touch": True} if hand == "touch" else {}))


def slide(page, name, hand, to="low"):
    """Move the slider of that name to its "low" or its "high" end."""
    slider = page.get_by_label(name, exact=True).locator("visible=true")
    box, high = slider.bounding_box(), to == "high"
    y = box["y"] + box["height"] / 2
    if hand == "keyboard":
        slider.focus()
        page.keyboard.press("End" if high else "Home")
    elif hand == "touch":
        page.touchscreen.tap(box["x"] + (box["width"] - 1 if high else 1), y)
    else:
        page.mouse.move(box["x"] + box["width"] / 2, y)
        page.mouse.down()
        page.mouse.move(box["x"] + (box["width"] + 200 if high else -200), y, steps=4)
        page.mouse.up()
    settled(page)


def answer(page):
    """Make the guess of the step that is shown, by keyboard: the first answer, or a mark beside the middle."""
    scale = page.locator(".rl-asked input:visible")
    if scale.count():
        scale.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Tab")
    else:
        page.locator(".rl-asked button:visible").first.focus()
    page.keyboard.press("Enter")
    settled(page)
