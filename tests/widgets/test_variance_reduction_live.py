"""VarianceReduction in Chromium, on a page of its own: mouse, touch, keyboard; its numbers are Python's."""

import re

import numpy as np
import pytest

from rlbook.widgets import VarianceReduction
from tests.live import settled


def shown(page):
    """What the first widget of the page says: variance and mean in full precision, and its sentence."""
    settled(page)
    widget = page.locator(".rl").first
    mean = [float(x) for x in widget.get_attribute("data-mean").split(",")]
    return float(widget.get_attribute("data-variance")), mean, widget.locator(".rl-sentence").text_content()


def dots(page):
    """Where the dots of the cloud are, in pixels."""
    settled(page)
    return np.array(
        page.evaluate(
            "() => [...document.querySelectorAll('.rl circle.rl-sample')].slice(0, 200)"
            ".map((c) => [Number(c.getAttribute('cx')), Number(c.getAttribute('cy'))])"
        )
    )


def agrees(page, widget):
    """The page's numbers are those that Python computes by exact_moments, and its sentence says them."""
    variance, mean, sentence = shown(page)
    assert variance == pytest.approx(widget.variance, rel=1e-9, abs=1e-9)
    assert mean == pytest.approx(list(widget.mean), rel=1e-9, abs=1e-12)
    said = float(re.search(r"the variance is (\d[\d.]*)", sentence)[1].rstrip("."))
    assert said == pytest.approx(widget.variance, rel=5e-3, abs=1e-9)


def test_widget_moves_by_slider_keyboard_number_chip_and_pointer(visit):
    page, widget = visit(VarianceReduction("two-rooms")), VarianceReduction("two-rooms")
    root = page.locator(".rl").first
    agrees(page, widget)
    before = dots(page)

    kappa = root.get_by_label("κ, weight of the past", exact=True)
    kappa.fill("0.25")
    widget.kappa = 0.25
    agrees(page, widget)
    after = dots(page)
    assert np.abs(after - before).max() > 5, "the cloud moves"
    assert after.std(axis=0).sum() < before.std(axis=0).sum(), "and shrinks"

    kappa.focus()
    for _ in range(25):
        page.keyboard.press("ArrowLeft")
    widget.kappa = 0.0
    agrees(page, widget)

    typed = root.get_by_label("β, weight of the baseline, as a number")
    typed.fill("1.5")
    typed.press("Tab")
    widget.beta = 1.5
    agrees(page, widget)

    root.get_by_role("button", name="optimal").click()
    widget.beta, widget.baseline = 1.0, widget.problem.optimal.tolist()
    agrees(page, widget)
    assert root.get_by_role("button", name="optimal").get_attribute("aria-pressed") == "true"

    # Drag the bowl's handle to the left edge: no baseline.
    root.locator("svg.rl-drag").scroll_into_view_if_needed()
    handle = root.locator("svg.rl-drag .rl-handle").bounding_box()
    page.mouse.move(handle["x"] + 8, handle["y"] + 8)
    page.mouse.down()
    page.mouse.move(handle["x"] - 600, handle["y"] + 8, steps=4)
    page.mouse.up()
    widget.beta = 0.0
    agrees(page, widget)

    root.get_by_role("button", name="Reset").click()
    agrees(page, VarianceReduction("two-rooms"))


@pytest.mark.parametrize("preset", VarianceReduction.PRESETS)
def test_every_preset_says_what_python_says(visit, preset):
    """Each example as it opens, and after random settings of everything."""
    rng = np.random.default_rng(VarianceReduction.PRESETS.index(preset))
    page, widget = visit(VarianceReduction("two-rooms")), VarianceReduction(preset)
    root = page.locator(".rl").first
    root.locator(f"button[data-value='{preset}']").click()
    agrees(page, widget)
    for _ in range(5):
        widget.kappa, widget.beta = (float(x) for x in rng.random(2).round(2) * [1, 2])
        root.get_by_label("κ, weight of the past", exact=True).fill(str(widget.kappa))
        root.get_by_label("β, weight of the baseline", exact=True).fill(str(widget.beta))
        agrees(page, widget)


def test_two_arms_reach_exactly_zero(visit):
    """The proposition in the reader's hand: at b* the variance is 0."""
    page = visit(VarianceReduction("two-rooms"))
    root = page.locator(".rl").first
    root.locator("button[data-value='two-arms']").click()
    root.get_by_role("button", name="optimal").click()
    variance, _, sentence = shown(page)
    assert variance == pytest.approx(0, abs=1e-12)
    assert "the variance is 0" in sentence


def test_state_can_be_linked_to(visit):
    """A link restores the state; the page's own link says the state that is on it."""
    page = visit(VarianceReduction("two-rooms"), asked="#w=variance-reduction-1&preset=two-arms&kappa=0.5&beta=0.25")
    widget = VarianceReduction("two-arms", kappa=0.5, beta=0.25)
    agrees(page, widget)
    root = page.locator(".rl").first
    root.get_by_label("κ, weight of the past", exact=True).fill("0.75")
    settled(page)
    root.get_by_role("button", name="Link").click()
    page.wait_for_function("() => location.hash.includes('kappa=0.75')")
    asked = "#" + page.url.partition("#")[2]
    widget.kappa = 0.75
    agrees(visit(VarianceReduction("two-rooms"), asked=asked), widget)


@pytest.mark.parametrize("baseline", ["per-step", "optimal"])
def test_a_link_to_a_named_baseline_restores_it_exactly(visit, baseline):
    page = visit(VarianceReduction("two-rooms"))
    root = page.locator(".rl").first
    root.get_by_role("button", name=baseline).click()
    before = shown(page)
    root.get_by_role("button", name="Link").click()
    page.wait_for_function("() => location.hash.includes('w=')")
    asked = "#" + page.url.partition("#")[2]
    assert shown(visit(VarianceReduction("two-rooms"), asked=asked)) == before


@pytest.mark.parametrize(
    "junk",
    [
        "preset=constructor",
        "preset=__proto__&kappa=0.5",
        "preset=nope&kappa=abc&b=1,2&time=99&step=99&batch=7",
        "b=" + ",".join(["1e200"] * 8),
        "b=<script>alert(1)</script>",
    ],
)
def test_a_link_full_of_junk_does_no_harm(visit, junk):
    page = visit(VarianceReduction("two-rooms"), asked=f"#w=variance-reduction-1&{junk}")
    variance, _, sentence = shown(page)
    assert np.isfinite(variance)
    assert "the variance is" in sentence


def test_touch_moves_the_bowl(visit):
    """On a phone: a tap on the bowl sets β to where it was tapped."""
    page = visit(VarianceReduction("two-rooms"), "phone", has_touch=True, is_mobile=True)
    bowl = page.locator(".rl svg.rl-drag").first
    bowl.scroll_into_view_if_needed()
    before = shown(page)[0]
    box = bowl.bounding_box()
    page.touchscreen.tap(box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"])
    tapped = shown(page)[0]
    assert tapped != before

    # A finger that comes down on the bowl and goes up scrolls the page and leaves β alone.
    top = page.evaluate("window.scrollY")
    send = page.context.new_cdp_session(page).send
    x, y = box["x"] + 0.2 * box["width"], box["y"] + 0.8 * box["height"]
    send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for i in range(1, 13):
        send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y - 15 * i}]})
    send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("(top) => window.scrollY > top + 60", arg=top)
    assert shown(page)[0] == tapped
