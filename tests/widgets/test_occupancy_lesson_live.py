"""Occupancy's lesson in Chromium: each step's gesture by mouse, touch and keyboard, and what it shows."""

import re

import numpy as np
import pytest

from rlbook.widgets import Occupancy
from tests.lessons import HANDS, answer, opened, slide
from tests.live import data, numbers, settled, swipe

ANGLE = "φ, direction of the reward (degrees)"


def drag(page, grip, end, hand):
    """Drag a handle to a point of the window, by mouse or by touch."""
    box = grip.locator(".rl-reach").bounding_box()
    start = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    if hand == "touch":
        swipe(page, start, end)
    else:
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(*end, steps=6)
        page.mouse.up()
    settled(page)


def at(page, panel):
    """Where the policy's dot is in a panel, in pixels of the window."""
    box = page.locator(".rl-panel").nth(panel).locator("circle.rl-handle[r='7.5']:not(.rl-handle-other)").bounding_box()
    return np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])


def test_beside_its_world_a_step_says_the_discount_also_when_it_is_changed(visit):
    page = visit(Occupancy(step=1))
    world = page.locator(".rl-about > p:not(.rl-away)").first
    assert world.text_content().endswith(" γ\u00a0=\u00a00.8.")
    page.locator(".rl-button", has_text="More").click()
    page.get_by_label("γ, discount").first.fill("0.5")
    settled(page)
    assert world.text_content().endswith(" γ\u00a0=\u00a00.5.")


def test_names_of_two_policies_turn_away_from_the_chord_between_them(visit):
    page = visit(Occupancy(step=3))
    data(page)
    named = page.locator(".rl-panel:visible").first.locator("svg g:has(> text:text('π'))")
    dots = named.evaluate_all(
        """(all) => all.map((at) => {
          const name = at.querySelector("text");
          const [x, y] = at.getAttribute("transform").match(/-?[\\d.]+/g);
          return [x, y, name.getAttribute("x"), name.getAttribute("y")].map(Number);
        })"""
    )
    assert len(dots) == 2
    for (x, y, dx, dy), (ox, oy, *_) in zip(dots, dots[::-1], strict=True):
        assert dx * (ox - x) + dy * (oy - y) < 0


@pytest.mark.proves("thm-lp", "prop-vertices")
@pytest.mark.parametrize("hand", HANDS)
def test_the_best_corner_jumps_as_the_arrow_turns(visit, hand):
    page = opened(visit, Occupancy(step=1), hand)
    assert data(page)["best"] == "11"
    if hand == "keyboard":
        page.locator(".rl-grip[aria-label^='Direction']").focus()
        seen = []
        for _ in range(30):
            page.keyboard.press("ArrowUp")
            seen.append(data(page)["best"])
        assert set(seen) == {"11", "01"}, "it stands, and jumps: never anything between"
    else:
        grip = page.locator(".rl-grip[aria-label^='Direction']")
        tip, face = (
            node.bounding_box() for node in (grip.locator(".rl-reach"), grip.locator("xpath=..").locator(".rl-pole"))
        )
        drag(page, grip, (face["x"] + face["width"] / 2, face["y"] + 2), hand)
        assert tip["x"] > face["x"] + face["width"] / 2
    assert data(page)["best"] == "01"
    direction = numbers(data(page)["direction"])
    widget = Occupancy(step=1, r=[[0.0, direction[0]], [0.0, direction[1]]])
    assert widget.best == ("01",)
    assert numbers(data(page)["corners"]) == pytest.approx(np.ravel(widget.corners)), "the polygon stands"


@pytest.mark.proves("thm-bijection", "thm-return")
@pytest.mark.parametrize("hand", HANDS)
def test_one_coordinate_draws_a_straight_line_in_both(visit, hand):
    page = opened(visit, Occupancy(step=2), hand)
    points = [[at(page, 0), at(page, 1)]]
    for end in ("low", "high"):
        slide(page, "π(1|0), action 1 in state 0", hand, end)
        points.append([at(page, 0), at(page, 1)])
    for trail in np.transpose(points, (1, 0, 2)):
        (x, y), (u, v) = trail[1] - trail[0], trail[2] - trail[0]
        assert abs(x * v - y * u) < 1.5 * np.hypot(u, v), "within 1.5 pixels of the line"
        assert np.hypot(u, v) > 40
    shown = data(page)
    assert numbers(shown["pi"]) == [1, 0.4]
    assert float(shown["eta"]) == pytest.approx(Occupancy(step=2, pi=[1.0, 0.4]).eta)

    def straight(panel):
        d = page.locator(".rl-panel").nth(panel).locator("path.rl-level").first.get_attribute("d")
        lines = [np.reshape([float(x) for x in re.findall(r"-?[\d.]+", one)], (-1, 2)) for one in d.split("M")[1:]]
        off = []
        for line in lines:
            (u, v), away = line[-1] - line[0], line - line[0]
            off.append(abs(away[:, 0] * v - away[:, 1] * u).max() / np.hypot(u, v))
        return max(off)

    assert straight(1) < 0.1
    assert straight(0) > 5


@pytest.mark.parametrize("hand", ["mouse", "touch"])
def test_the_dot_itself_is_dragged_too(visit, hand):
    page = opened(visit, Occupancy(step=2), hand)
    x, y = at(page, 0)
    drag(page, page.locator(".rl-grip[aria-label^='Policy π, in the square']"), (x + 60, y + 30), hand)
    first, second = numbers(data(page)["pi"])
    assert first > 0.4
    assert second == 0.4, "it keeps to what the step offers"


@pytest.mark.proves("prop-mixing")
@pytest.mark.parametrize("hand", HANDS)
def test_policies_mixed_earn_less_than_either_and_occupancies_the_average(visit, hand):
    page = opened(visit, Occupancy(step=3), hand)
    curve = page.locator(".rl-panel").nth(2).locator("path.rl-exact.rl-heavy")
    assert curve.get_attribute("d") == ""
    answer(page)
    assert curve.get_attribute("d") != ""
    widget = Occupancy(step=3)
    shown = data(page)
    assert numbers(shown["policies"]) == pytest.approx(np.ravel(widget.mixing.of_policies))
    r = np.ravel(widget.r)
    both = [numbers(shown[kind]) @ r for kind in ("policies", "occupancies")]
    slide(page, "λ, share of π′", hand)
    ends = [numbers(data(page)["occupancies"]) @ r]
    slide(page, "λ, share of π′", hand, "high")
    ends.append(numbers(data(page)["occupancies"]) @ r)
    assert both[1] == pytest.approx(np.mean(ends))
    assert both[0] < min(ends) - 0.5


@pytest.mark.proves("thm-bijection")
@pytest.mark.parametrize("hand", HANDS)
def test_where_nobody_comes_the_policy_leaves_no_trace(visit, hand):
    page = opened(visit, Occupancy(step=4), hand)
    before, points = data(page), [at(page, 0), at(page, 1)]
    for end in ("high", "low"):
        slide(page, "π(1|1), action 1 in state 1", hand, end)
        after = data(page)
        assert numbers(after["pi"]) == [0, float(end == "high")]
        assert numbers(after["rho"]) == pytest.approx(numbers(before["rho"]), abs=1e-13)
        assert float(after["eta"]) == float(before["eta"]) == 0
        assert abs(at(page, 0) - points[0]).max() > 25
        assert abs(at(page, 1) - points[1]).max() < 0.01


def test_what_a_step_does_not_offer_is_a_mark(visit):
    page = visit(Occupancy(step=3))
    assert page.locator(".rl-grip:visible").count() == 0
    before = data(page)
    x, y = at(page, 1)
    page.mouse.click(x + 10, y - 60)
    assert data(page)["pi"] == before["pi"]
