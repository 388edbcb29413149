"""What holds for every widget of the book, in Chromium, on a page of its own."""

import pytest

import rlbook.widgets
from tests.live import WIDTHS, data, serious_faults

KINDS = [getattr(rlbook.widgets, name) for name in rlbook.widgets.__all__]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_axe_finds_nothing_serious_in_any_preset(visit, frontend, kind, theme):
    page = visit(kind(), theme=theme)
    for preset in kind.PRESETS:
        page.locator(f".rl-top button[data-value='{preset}']").first.click()
        run = page.locator(".rl [data-role=run]")
        if run.count():
            run.click()
            page.wait_for_function("() => document.querySelector('.rl').dataset.playing === ''")
        data(page)
        page.wait_for_timeout(400)  # the cells of a map are named when it has come to rest
        assert serious_faults(page, frontend, ".rl") == [], preset


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_control_is_reached_by_tab_and_seen(visit, kind):
    page = visit(kind())
    data(page)
    page.wait_for_timeout(450)  # until what is named or enabled late has been
    page.locator(".rl button").first.focus()
    while page.evaluate("Boolean(document.activeElement.closest('.rl'))"):
        seen = page.evaluate(
            """() => {
              const at = document.activeElement;
              at.dataset.met = "yes";
              const ring = at.querySelector(".rl-reach"); // which a handle shows instead
              return ring ? parseFloat(getComputedStyle(ring).strokeWidth) > 1.5
                : getComputedStyle(at).outlineStyle !== "none";
            }"""
        )
        assert seen
        page.keyboard.press("Tab")
    missed = page.evaluate(
        """() => [...document.querySelectorAll(".rl :is(button, input, select), .rl [tabindex='0']")]
          .filter((node) => !node.disabled && !node.dataset.met)
          .filter((node) => node.checkVisibility({ visibilityProperty: true }) && node.getBoundingClientRect().width)
          .map((node) => node.outerHTML)"""
    )
    assert missed == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_picture_keeps_the_room_that_the_widget_takes(visit, kind, width):
    page = visit(kind(), width, drawn=True)
    live = page.locator(".rl").bounding_box()["height"]
    page.evaluate("document.querySelector('.rlbook-widget').classList.remove('is-live')")
    kept = page.locator(".rlbook-picture").bounding_box()["height"]
    assert kept == pytest.approx(live, abs=32)
