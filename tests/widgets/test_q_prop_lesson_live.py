"""ControlVariate's and QProp's lessons in Chromium: each gesture by mouse, touch and keyboard, and its numbers."""

import numpy as np
import pytest

from rlbook.widgets import ControlVariate, QProp
from tests.lessons import HANDS, answer, opened, slide
from tests.live import data, numbers, settled, swipe


def pull(page, name, hand, key, dx=0, dy=0):
    """Move the handle whose name begins so: by that key, or by so many pixels."""
    grip = page.locator(f".rl-picture:visible .rl-grip[aria-label^='{name}']")
    if hand == "keyboard":
        grip.focus()
        page.keyboard.press(key)
    else:
        box = grip.locator(".rl-reach").bounding_box()
        start = np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])
        if hand == "touch":
            swipe(page, start, start + np.array([dx, dy]))
        else:
            page.mouse.move(*start)
            page.mouse.down()
            page.mouse.move(start[0] + dx, start[1] + dy, steps=4)
            page.mouse.up()
    settled(page)


@pytest.mark.parametrize("hand", HANDS)
def test_c_narrows_the_pile_and_leaves_its_mean(visit, hand):
    page = opened(visit, ControlVariate(step=1), hand)
    before = data(page)
    pull(page, "c:", hand, "PageDown", dx=-45)
    after = data(page)
    assert float(after["variance"]) < 0.5 * float(before["variance"])
    assert numbers(after["sd"])[1] < 0.75 * numbers(before["sd"])[1]
    assert numbers(after["bias"])[:2] == [0, 0]
    assert numbers(after["means"])[1] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("hand", HANDS)
def test_the_line_leaves_least_where_it_is_the_regression_line(visit, hand):
    page = opened(visit, ControlVariate(step=2), hand)
    before = data(page)
    pull(page, "The line", hand, "PageUp", dy=-30)
    after = data(page)
    assert float(before["floor"]) <= float(after["variance"]) < 0.8 * float(before["variance"])
    pull(page, "The best line", hand, "PageDown", dy=-30)
    assert float(data(page)["floor"]) > 1.3 * float(after["floor"]), "less correlation leaves more"


def test_threads_go_from_each_sample_to_the_line_and_the_best_line_is_dashed_and_named(visit):
    page = visit(ControlVariate(step=2))
    data(page)
    shown = page.locator(".rl-picture:visible")
    assert shown.locator("path.rl-rest").get_attribute("d").count("V") == 120
    assert shown.locator("path.rl-heap").get_attribute("d").count("M") == 120
    dashed = shown.locator("path.rl-exact.rl-dashed")
    assert dashed.evaluate("(node) => getComputedStyle(node).strokeDasharray") != "none"
    assert not shown.locator("path.rl-exact:not(.rl-dashed)").get_attribute("d"), "no other line lies over it"
    assert {"c = −0.3", "ρ = 0.9"} <= set(shown.locator("text.rl-label").all_text_contents())
    assert "slope ρ = 0.9" in page.locator(".rl-sentence").text_content()


@pytest.mark.parametrize(
    ("widget", "told"), [(ControlVariate(step=1, c=2.0), "↑ 8.6"), (QProp(step=1, weight=-2.0), "↑ 15.9")]
)
def test_a_point_whose_curve_has_left_the_frame_is_hollow_and_says_how_high_it_is(visit, widget, told):
    page = visit(widget)
    assert float(data(page)["variance"]) == pytest.approx(widget.variance)
    beyond = page.locator(".rl-picture:visible .rl-beyond")
    assert beyond.locator("text").text_content() == told
    page.get_by_role("button", name="Reset").click()
    settled(page)
    assert beyond.count() == 0


def test_one_rule_is_pressed_and_it_is_the_readers(visit):
    page = visit(QProp("helpful", q=0.0))
    pressed = page.locator("[aria-label='Weight by the state'] [aria-pressed=true]")
    data(page)
    assert pressed.all_text_contents() == ["none"]
    page.get_by_role("button", name="conservative", exact=True).click()
    settled(page)
    assert pressed.all_text_contents() == ["conservative"]


@pytest.mark.parametrize("hand", HANDS)
def test_a_mean_that_is_left_in_moves_the_pile(visit, hand):
    page = opened(visit, ControlVariate(step=3), hand)
    assert numbers(data(page)["bias"])[1] == 0
    answer(page)
    found = data(page)
    assert numbers(found["bias"])[1] == pytest.approx(-0.45)
    assert numbers(found["means"])[1] == pytest.approx(0.55, abs=0.05)
    slide(page, "c, coefficient of the control", hand)
    assert numbers(data(page)["bias"])[1] == pytest.approx(-1, abs=0.02)


def test_a_control_whose_mean_is_taken_out_is_called_so(visit):
    page = visit(ControlVariate(step=3))
    assert "f + c(g − E g)" in page.locator(".rl-sentence").text_content()


@pytest.mark.parametrize("hand", HANDS)
def test_the_bias_of_fitting_falls_faster_than_the_spread_and_goes_with_the_bend(visit, hand):
    page = opened(visit, ControlVariate(step=4), hand)
    before = data(page)
    assert numbers(before["bias"])[2] == pytest.approx(ControlVariate(step=4).bias.same)
    assert -numbers(before["bias"])[2] > 0.3 * numbers(before["sd"])[2], "it is to be seen"
    assert page.locator(".rl-picture:visible path.rl-stroke").first.get_attribute("d"), "as an arrow"
    slide(page, "n, samples in a batch", hand, "high")
    after = data(page)
    shares = [numbers(at["bias"])[2] / numbers(at["sd"])[2] for at in (before, after)]
    assert numbers(after["bias"])[2] == pytest.approx(numbers(before["bias"])[2] / 8)
    assert abs(shares[1]) < 0.6 * abs(shares[0])
    slide(page, "bend of f in g, as a share", hand)
    assert numbers(data(page)["bias"])[2] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("hand", HANDS)
def test_the_weight_narrows_the_pile_and_leaves_its_mean(visit, hand):
    page = opened(visit, QProp(step=1), hand)
    before = data(page)
    pull(page, "κ:", hand, "PageUp", dx=75)
    after = data(page)
    assert float(after["variance"]) < 0.6 * float(before["variance"])
    assert (after["mean"], float(after["bias"])) == (before["mean"], 0)
    assert numbers(after["means"]) == pytest.approx([1, 1], abs=0.1)


def test_a_press_on_a_rule_brings_kappa_there(visit):
    page = visit(QProp(step=1))
    flags = page.locator(".rl-picture:visible .rl-flag:visible")
    assert flags.all_text_contents() == ["none", "full, conservative, aggressive", "adaptive, best"]
    for flag, weight in zip(flags.all(), (0, 1, 1 / 0.9), strict=True):
        flag.click()
        settled(page)
        assert float(data(page)["variance"]) == pytest.approx(QProp(weight=weight).variance, abs=1e-3)


@pytest.mark.parametrize("hand", HANDS)
def test_the_slope_moves_the_bottom_and_not_its_depth(visit, hand):
    page = opened(visit, QProp(step=2), hand)
    before = data(page)
    assert float(before["harm"]) == pytest.approx(2)
    slide(page, "q, slope of the critic", hand, "high")
    after = data(page)
    best = [numbers(at["weights"])[5] for at in (before, after)]
    assert best == pytest.approx([1 / 1.5, 1 / 3], abs=0.01)
    assert after["floor"] == before["floor"] == after["noise"]
    assert float(after["variance"]) > QProp(step=2, weight=0).variance, "so steep a critic does harm"
    assert QProp(step=2, q=2.0).variance == pytest.approx(QProp(step=2, weight=0).variance)


@pytest.mark.parametrize("hand", HANDS)
def test_the_sample_that_chooses_moves_the_mean_for_good(visit, hand):
    page = opened(visit, QProp(step=3), hand)
    assert float(data(page)["bias"]) == 0
    answer(page)
    before = data(page)
    assert float(before["bias"]) == pytest.approx(QProp("single-sample").bias)
    assert float(before["variance"]) == pytest.approx(QProp("single-sample").variance)
    slide(page, "n, samples that an estimate averages", hand, "high")
    after = data(page)
    assert after["bias"] == before["bias"]
    assert numbers(after["means"]) == pytest.approx([1, 1 + float(after["bias"])], abs=0.08)


@pytest.mark.parametrize(
    ("widget", "name", "keys"),
    [
        (ControlVariate(step=1), "c:", {"Home": -2, "End": 2}),
        (ControlVariate(step=2), "The line", {"Home": -2, "End": 2, "PageUp": 1.5, "ArrowRight": 1.55}),
        (ControlVariate(step=2), "The best line", {"Home": -1, "End": 1, "PageDown": 0.5}),
        (QProp(step=1), "κ:", {"Home": -2, "PageUp": -1.5, "End": 3, "PageDown": 2.5}),
        (QProp(step=2), "Slope q", {"Home": -3, "End": 3, "PageDown": 2.5}),
    ],
)
def test_handles_go_to_their_ends_and_by_leaps(visit, widget, name, keys):
    page = visit(widget)
    for key, to in keys.items():
        pull(page, name, "keyboard", key)
        grip = page.locator(f".rl-picture:visible .rl-grip[aria-label^='{name}']")
        assert float(grip.get_attribute("aria-valuenow")) == to


def test_while_n_is_dragged_the_scale_of_the_estimates_and_the_arrow_of_their_bias_stay(visit):
    """Else the arrow would seem to grow as the pile shrinks, and the pile would leave the frame."""
    page = visit(QProp(step=3, rule="aggressive"))
    ticks = page.locator(".rl-picture:visible text:not(.rl-label)")
    arrow = page.locator(".rl-picture:visible path.rl-stroke").last
    data(page)
    before = ticks.all_text_contents(), arrow.get_attribute("d")
    assert len(before[0]) > 3
    assert "L" in before[1]
    for end, n in (("high", 64), ("low", 1)):
        slide(page, "n, samples that an estimate averages", "keyboard", end)
        assert f"of {n} sample" in page.locator(".rl-sentence").text_content()
        assert (ticks.all_text_contents(), arrow.get_attribute("d")) == before


@pytest.mark.parametrize(
    "widget", [ControlVariate(step=1, c=1.6), ControlVariate(step=3, c=0.8, control="raw"), QProp(step=3)]
)
def test_estimates_that_the_frame_has_no_room_for_are_counted(visit, widget):
    page = visit(widget)
    data(page)
    heaps = page.locator(".rl-picture:visible path.rl-heap")
    names = page.locator(".rl-picture:visible text.rl-label", has_text="sd ").all_text_contents()
    drawn = [path.count("M") for path in heaps.evaluate_all("(all) => all.map((path) => path.getAttribute('d'))")]
    outside = [int(name.partition("; ")[2].partition(" outside")[0] or 0) for name in names]
    assert [a + b for a, b in zip(drawn, outside, strict=True)] == [160, 160]
    assert any(outside)


def test_without_a_control_nothing_is_said_to_be_out_of_reach_at_its_variance(visit):
    page = visit(QProp(step=2))
    floor = page.locator(".rl-picture:visible text.rl-label", has_text="lowest")
    data(page)
    assert floor.text_content() == "lowest (τ²/σ²)"
    page.get_by_label("q, slope of the critic", exact=True).fill("0")
    settled(page)
    assert floor.text_content() == "lowest"
