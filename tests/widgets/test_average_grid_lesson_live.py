"""AverageGrid's lesson in Chromium: each step's gesture by mouse, touch and keyboard, and what it shows."""

import numpy as np
import pytest

from rlbook.widgets import AverageGrid
from tests.lessons import HANDS, answer, opened
from tests.live import data, numbers, played_out, settled


def hold(page, hand, role="pour", until="episodes > 30"):
    """Hold a button down, by hand, until the widget's numbers are so."""
    button = page.locator(f"[data-role={role}]")
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    reached = f"() => document.querySelector('.rl').dataset.{until}"
    if hand == "keyboard":
        button.focus()
        page.keyboard.down("Enter")
        page.wait_for_function(reached)
        page.keyboard.up("Enter")
    elif hand == "touch":
        send = page.context.new_cdp_session(page).send
        send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        page.wait_for_function(reached)
        send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    else:
        page.mouse.move(x, y)
        page.mouse.down()
        page.wait_for_function(reached)
        page.mouse.up()
    played_out(page)
    return data(page)


@pytest.mark.parametrize("hand", HANDS)
def test_poured_episodes_average_to_their_mean_return_and_tend_to_eta(visit, hand):
    page = opened(visit, AverageGrid(step=1), hand)
    before = data(page)
    assert numbers(before["average"]) == pytest.approx(numbers(before["episode"])), "the average of one is it"
    after = hold(page, hand)
    widget = AverageGrid(step=1, episodes=int(after["episodes"]))
    assert float(after["mean"]) == pytest.approx(widget.run.returns(0, widget.episodes).mean())
    assert float(after["value"]) == pytest.approx(float(after["mean"]), abs=1e-9)
    assert numbers(after["average"]) == pytest.approx(widget.average.states)
    assert abs(float(after["value"]) - widget.total) < abs(float(before["value"]) - widget.total)
    assert page.locator("[data-role=pour]").is_visible()
    page.wait_for_timeout(300)
    assert data(page)["episodes"] == after["episodes"], "let go, it stands"


@pytest.mark.parametrize("hand", HANDS)
def test_play_goes_step_by_step(visit, hand):
    page = opened(visit, AverageGrid(step=1), hand)
    play = page.locator("[data-role=play]")
    if hand == "keyboard":
        play.focus()
        page.keyboard.press("Enter")
    else:
        play.tap() if hand == "touch" else play.click()
    page.wait_for_function("() => document.querySelector('.rl').dataset.t > 1")
    page.wait_for_function("() => document.querySelector('.rl').dataset.episodes > 2", timeout=20_000)
    page.get_by_role("button", name="Reset").click()
    assert (data(page)["episodes"], data(page)["playing"]) == ("1", "")


def tints(page, panel):
    settled(page)
    found = page.eval_on_selector_all(
        f"[data-panel={panel}] .rl-tint", "(all) => all.map((rect) => Number(rect.getAttribute('fill-opacity')))"
    )
    return np.array(found)


@pytest.mark.parametrize("hand", HANDS)
def test_the_colours_of_error_fade(visit, hand):
    page = opened(visit, AverageGrid(step=2), hand)
    before, strong, exact = data(page), tints(page, "average"), tints(page, "exact")
    after = hold(page, hand, until="episodes > 150")
    assert float(after["gap"]) == pytest.approx(AverageGrid(step=2, episodes=int(after["episodes"])).gap)
    assert float(after["gap"]) < 0.5 * float(before["gap"])
    assert tints(page, "average").sum() < 0.6 * strong.sum()
    assert (tints(page, "exact") == exact).all()


@pytest.mark.parametrize("hand", HANDS)
def test_the_error_wanders_down_a_line_that_comes_with_the_answer(visit, hand):
    page = opened(visit, AverageGrid(step=3), hand)
    bound = page.locator("[data-panel=gaps] .rl-picture path.rl-bound").first
    before = data(page)
    assert bound.get_attribute("d") == ""
    assert "Σσ/√n" not in page.locator(".rl-sentence").text_content()
    answer(page)
    assert bound.get_attribute("d") != ""
    after = hold(page, hand, until="episodes > 300")
    widget = AverageGrid(step=3, episodes=int(after["episodes"]))
    assert float(after["gap"]) == pytest.approx(widget.gap)
    assert float(after["gap"]) < 0.5 * float(before["gap"])
    assert float(after["gap"]) < widget.run.deviations("reward")[0].sum() / widget.episodes**0.5


def test_a_press_is_one_episode_and_a_click_of_a_screen_reader_too(visit):
    page = visit(AverageGrid(step=1))
    pour = page.locator("[data-role=pour]")
    pour.click()
    settled(page)
    assert data(page)["episodes"] == "2"
    pour.evaluate("(button) => button.click()")
    assert data(page)["episodes"] == "3"
    page.get_by_role("button", name="Explore everything").click()
    page.get_by_role("group", name="Colour").get_by_role("button", name="error").click()
    after = data(page)
    assert (after["step"], after["episodes"], after["shade"]) == ("explore", "3", "error")
