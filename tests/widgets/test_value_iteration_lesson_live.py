"""ValueIteration's lesson in Chromium: each step's gesture by mouse, touch and keyboard, and what it shows."""

import pytest

from rlbook.widgets import ValueIteration
from tests.lessons import HANDS, answer, opened, slide
from tests.live import data, numbers, settled

K = "k, sweeps done"
SLIP = "slip, chance of going aside"


def cell(page, i, j):
    return page.locator(f".rl-cell[data-at='{i},{j}']")


def wrong(page):
    """In how many cells there is a dashed arrow, or the dashed ring that stands for four alike."""
    settled(page)
    d = page.locator(".rl-picture path.rl-wrong").get_attribute("d") or ""
    return d.count("L") + d.count("a") // 2


@pytest.mark.parametrize("hand", HANDS)
def test_values_spread_from_the_goal_and_the_arrows_are_right_before_the_numbers(visit, hand):
    page = opened(visit, ValueIteration(step=1), hand)
    assert wrong(page) == 4
    slide(page, K, hand)
    assert data(page)["k"] == "0"
    assert not any(numbers(data(page)["v"]))
    page.get_by_label(K, exact=True).focus()
    for k in range(1, 12):
        page.keyboard.press("ArrowRight")
        widget = ValueIteration(step=1, k=k)
        shown = data(page)
        assert numbers(shown["v"]) == pytest.approx(widget.V.tolist())
        assert int(shown["right"]) == widget.right
        assert (widget.right == 9) == (k >= 5)
        assert (float(shown["error"]) <= 0.01) == (k == 11)
        assert (wrong(page) == 0) == (k >= 5)
    assert "from k = 5" not in page.locator(".rl-sentence").text_content(), "which the guess asks"
    answer(page)
    assert data(page)["k"] == "5"
    assert (
        "All arrows are optimal from k = 5, all numbers to 0.01 from k = 11"
        in page.locator(".rl-sentence").text_content()
    )


@pytest.mark.parametrize("hand", HANDS)
def test_news_of_a_new_goal_goes_one_cell_a_sweep(visit, hand):
    widget = ValueIteration(step=2)
    page = opened(visit, widget, hand)
    slide(page, K, hand)
    assert wrong(page) > 15
    slide(page, K, hand, "high")
    assert wrong(page) == 0
    widget.k = int(data(page)["k"])
    assert numbers(data(page)["v"]) == pytest.approx(widget.V.tolist())

    # A goal opens where the reader taps, and the sweeps that bring the news begin by themselves.
    if hand == "mouse":
        cell(page, 0, 7).click()
    elif hand == "touch":
        box = cell(page, 0, 7).locator(".rl-ground").bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    else:
        cell(page, 0, 0).focus()
        page.keyboard.press("End")
        page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('.rl').dataset.playing === 'play'")
    page.wait_for_function("() => Number(document.querySelector('.rl').dataset.k) >= 3")
    page.locator(".rl input[type=range]:visible").last.focus()
    page.keyboard.press("ArrowRight")
    assert data(page)["playing"] == "", "who drags k stops it"
    widget.rows = ["G......G", *widget.rows[1:]]
    assert widget.k == 0
    widget.k = int(data(page)["k"])
    assert numbers(data(page)["v"]) == pytest.approx(widget.V.tolist(), abs=1e-9)


@pytest.mark.parametrize("width", ["phone", "desktop"])
def test_news_has_its_numbers_and_rings_are_in_the_legend(visit, width):
    page = visit(ValueIteration(step=2), width)
    data(page)
    shown = [text for text in page.locator(".rl-map text.rl-value:visible").all_text_contents() if text]
    assert "0.91" in shown
    sizes = "(nodes) => nodes.filter((node) => node.textContent).map((node) => Number(node.getAttribute('font-size')))"
    assert min(page.locator(".rl-map text").evaluate_all(sizes)) >= 10
    assert page.get_by_text("○ all steps alike").is_visible()


@pytest.mark.parametrize("hand", HANDS)
def test_slip_moves_the_way_off_the_cliff_and_then_turns_the_start_to_the_wall(visit, hand):
    page = opened(visit, ValueIteration(step=3), hand)

    def path():
        return [[int(x) for x in at.split(",")] for at in data(page)["path"].split()]

    assert path() == ValueIteration(step=3).path
    assert [2, 3] in path()
    answer(page)
    assert path() == ValueIteration(step=3, slip=0.02).path
    assert [1, 3] in path()
    assert [2, 3] not in path()
    slide(page, SLIP, hand, "high")
    shown = data(page)
    assert path() == [[3, 0]]
    widget = ValueIteration(step=3, slip=0.4)
    assert numbers(shown["v"]) == pytest.approx(widget.V.tolist())
    assert shown["k"] == "100"
    assert "points at the wall" in page.locator(".rl-sentence").text_content()
    slide(page, SLIP, hand)
    assert path() == ValueIteration(step=3).path


def test_a_cell_that_was_tapped_in_one_world_is_not_marked_in_the_next(visit):
    ring = "() => ['x', 'y'].map((name) => document.querySelector('.rl-map .rl-ring').getAttribute(name))"
    page = visit(ValueIteration(step=3))
    data(page)
    start = page.evaluate(ring)
    page.get_by_role("button", name="Step 2").click()
    settled(page)
    cell(page, 2, 5).click()
    settled(page)
    assert page.evaluate(ring) != start
    page.get_by_role("button", name="Step 3").click()
    settled(page)
    assert page.evaluate(ring) == start
