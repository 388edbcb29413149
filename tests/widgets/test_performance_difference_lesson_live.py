"""PerformanceDifference's lesson in Chromium: each step's gesture by mouse, touch and keyboard, and what it shows."""

import re

import pytest

from rlbook.widgets import PerformanceDifference
from tests.lessons import HANDS, answer, opened, slide
from tests.live import data, numbers

ALPHA = "α, how far from π to π′"


def reach_of(page, kind):
    """How far right a curve is drawn, in pixels."""
    drawn = page.locator(f"[data-panel=curves] .rl-picture path.{kind}").first.get_attribute("d")
    return max(float(x) for x in re.findall(r"[ML]([\d.]+),", drawn))


@pytest.mark.proves("prop-surrogate-wrong")
@pytest.mark.parametrize("hand", HANDS)
def test_what_is_promised_is_a_gain_and_what_comes_a_loss(visit, hand):
    page = opened(visit, PerformanceDifference(step=1), hand)
    slide(page, ALPHA, hand, "high")
    assert "η changes" not in page.locator(".rl-sentence").text_content(), "before it is guessed nothing says it"
    assert reach_of(page, "rl-exact") < 0.3 * reach_of(page, "rl-sharp"), "nor shows it"
    answer(page)
    widget = PerformanceDifference(step=1, alpha=1.0)
    after = data(page)
    assert reach_of(page, "rl-exact") == reach_of(page, "rl-sharp")
    assert float(after["surrogate"]) - float(after["start"]) == pytest.approx(widget.surrogate - widget.start)
    assert float(after["truth"]) == pytest.approx(widget.eta - widget.start)
    assert float(after["surrogate"]) - float(after["start"]) > 0.2
    assert float(after["truth"]) < -1.1
    slide(page, ALPHA, hand)
    after = data(page)
    assert float(after["truth"]) == 0
    assert float(after["whole"]) < -1.1, "the guess was of all the way, wherever the handle is"


@pytest.mark.proves("eq-difference-states", "prop-surrogate-wrong")
@pytest.mark.parametrize("hand", HANDS)
def test_with_the_new_policys_visits_the_loss_appears(visit, hand):
    page = opened(visit, PerformanceDifference(step=2), hand)
    widget, before = PerformanceDifference(step=2), data(page)
    assert numbers(before["terms"]) == pytest.approx(widget.terms, abs=1e-12)
    assert float(before["sum"]) == pytest.approx(widget.surrogate - widget.start)
    assert sum(abs(x) > 1e-9 for x in numbers(before["terms"])) == 1
    chip = page.get_by_role("group", name="Weights").get_by_role("button", name="ρ of πα")
    if hand == "keyboard":
        chip.focus()
        page.keyboard.press("Enter")
    else:
        chip.tap() if hand == "touch" else chip.click()
    widget.weights, after = "new", data(page)
    assert numbers(after["terms"]) == pytest.approx(widget.terms, abs=1e-12)
    assert float(after["sum"]) == pytest.approx(widget.eta - widget.start)
    assert min(numbers(after["terms"])) < -1.3
    assert float(before["sum"]) > 0 > float(after["sum"])


@pytest.mark.proves("prop-tangent", "prop-mixture-bound")
@pytest.mark.parametrize("hand", HANDS)
def test_the_gap_grows_and_stays_in_the_band(visit, hand):
    page = opened(visit, PerformanceDifference(step=3), hand)
    gaps = []
    for end in ("low", "high"):
        slide(page, ALPHA, hand, end)
        at = data(page)
        gaps.append(float(at["off"]))
        assert gaps[-1] <= float(at["mixture"]) + 1e-12
        widget = PerformanceDifference(step=3, alpha=float(at["alpha"]))
        assert gaps[-1] == pytest.approx(abs(widget.eta - widget.surrogate), abs=1e-12)
        assert float(at["mixture"]) == pytest.approx(widget.bounds["mixture"])
    assert gaps[0] == pytest.approx(0, abs=1e-12)
    assert gaps[1] > 10
    small, twice = ((lambda w: abs(w.eta - w.surrogate))(PerformanceDifference(step=3, alpha=a)) for a in (0.005, 0.01))
    assert twice / small == pytest.approx(4, rel=0.01)


def test_the_curve_itself_is_dragged_and_the_gap_shaded(visit):
    page = visit(PerformanceDifference(step=3))
    box = page.locator("[data-panel=curves] svg.rl-drag").bounding_box()
    before = page.locator("path.rl-gap").get_attribute("d")
    page.mouse.move(box["x"] + 200, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 14, box["y"] + 60, steps=4)
    page.mouse.up()
    assert float(data(page)["alpha"]) == pytest.approx(1, abs=0.01)
    assert len(page.locator("path.rl-gap").get_attribute("d")) > 2 * len(before)
    band = page.locator("path.rl-band").bounding_box()
    assert band["height"] > 0.8 * (box["height"] - 60), "the band fills the frame"
