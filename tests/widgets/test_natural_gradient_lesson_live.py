"""NaturalGradient's lesson in Chromium: each step's gesture by mouse, touch and keyboard, and what it shows."""

import re

import numpy as np
import pytest

from rlbook.widgets import NaturalGradient
from tests.lessons import HANDS, answer, opened, slide
from tests.live import data, numbers, settled


@pytest.mark.parametrize("hand", HANDS)
def test_bending_swings_the_euclidean_path_and_leaves_the_natural_one(visit, hand):
    page = opened(visit, NaturalGradient(step=1), hand)
    ends = [[numbers(data(page)[kind])[1] for kind in ("euclidean", "natural")]]
    slide(page, "k, bends u = (σᵏ−1)/k; 0: log σ, 1: σ", hand)
    ends.append([numbers(data(page)[kind])[1] for kind in ("euclidean", "natural")])
    euclidean, natural = np.ptp(ends, axis=0)
    assert euclidean > 10 * natural
    expected = [[NaturalGradient(step=1, bend=k).path(natural=n)[-1, 1] for n in (False, True)] for k in (0.6, -1)]
    assert np.array(ends) == pytest.approx(np.array(expected), abs=0.03)


@pytest.mark.parametrize("hand", HANDS)
def test_the_circle_keeps_its_size_and_loses_its_kl(visit, hand):
    page = opened(visit, NaturalGradient(step=2), hand)
    before = numbers(data(page)["reach"])
    assert before == pytest.approx(NaturalGradient(step=2).reach_kl)
    slide(page, "σ, standard deviation of the policy", hand)
    circle, ellipse = numbers(data(page)["reach"])
    assert circle > 50 * before[0]
    assert ellipse == pytest.approx(before[1], rel=0.5)


@pytest.mark.parametrize("hand", HANDS)
def test_the_plateau_and_that_equal_kl_does_not_take_it_away(visit, hand):
    page = opened(visit, NaturalGradient(step=3), hand)
    found = data(page)
    assert numbers(found["half"]) == list(NaturalGradient("plateau").half_time())
    assert numbers(found["euclidean"])[0] > 0.9
    assert numbers(found["natural"])[2] > 0.9
    slide(page, "n, number of steps", hand, "high")
    assert numbers(data(page)["euclidean"])[2] > 0.9
    assert page.locator("[aria-label='First steps'] [aria-pressed=true]").text_content() == "of the same α"
    button = page.get_by_role("button", name="of the same KL, δ = 0.1")
    button.focus()
    page.keyboard.press("Enter") if hand == "keyboard" else button.click()
    settled(page)
    found = data(page)
    assert numbers(found["equal"]) == pytest.approx(NaturalGradient("plateau").equal_alpha)
    assert numbers(found["kl"]) == pytest.approx([0.1, 0.1], abs=1e-3)
    euclidean, natural = numbers(found["half"])
    assert euclidean > 5 * natural
    assert button.get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="of the same α").click()
    assert numbers(data(page)["half"]) == list(NaturalGradient("plateau").half_time()), "and back again"


def test_what_is_too_small_to_see_is_seen_through_a_loupe(visit):
    page = visit(NaturalGradient(step=2))
    glass = page.locator(".rl-picture:visible g:has(> .rl-loupe)")
    assert not glass.is_visible()
    answer(page)
    assert glass.is_visible()
    shown = [
        box["width"] for box in (path.bounding_box() for path in glass.locator("path:not(.rl-of-euclidean)").all())
    ]
    assert min(shown) > 30, "the ellipse and the line of equal KL"
    alone = page.locator(".rl-picture:visible path.rl-outline.rl-of-natural").first.bounding_box()
    assert alone["width"] < 12, "which by themselves hide behind the dot"


def test_dots_of_steps_lie_on_their_path(visit):
    page = visit(NaturalGradient(step=3, steps=500))
    data(page)
    dots, path = (
        [tuple(map(float, at.split(","))) for at in re.findall(r"[ML]([-\d.]+,[-\d.]+)", of.get_attribute("d"))]
        for of in (
            page.locator(".rl-picture:visible path.rl-dots.rl-of-natural").first,
            page.locator(".rl-picture:visible path.rl-of-natural:not(.rl-dots):not(.rl-rivals)").first,
        )
    )
    assert len(dots) > 100
    for dot in dots:
        assert min(np.hypot(*np.subtract(dot, at)) for at in path) < 0.1


@pytest.mark.parametrize("k", [-1, 0, 0.6, 1])
@pytest.mark.parametrize("width", ["phone", "desktop"])
def test_names_of_paths_lie_over_no_other_name_nor_the_target(visit, width, k):
    page = visit(NaturalGradient(step=1, bend=k), width)
    data(page)
    names = page.locator(".rl-picture:visible > svg > svg text.rl-label:visible").all()
    boxes = [node.bounding_box() for node in (*names, page.locator(".rl-picture:visible .rl-mark").first)]
    assert len(names) >= 2
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            clear = {
                at: abs(one[at] + one[size] / 2 - other[at] - other[size] / 2) - (one[size] + other[size]) / 2
                for at, size in (("x", "width"), ("y", "height"))
            }
            assert clear["x"] >= 0 or clear["y"] >= -4, "but for the line's own spacing"


def test_handles_go_to_their_ends(visit):
    page = visit(NaturalGradient("two-coordinates"))
    grip = page.locator(".rl-picture:visible .rl-grip[aria-label^='Policy']").first
    for key, text in {"Home": "μ = −2, σ = 1.6", "End": "μ = 2, σ = 1.6", "PageUp": "μ = 2, σ = 2.1"}.items():
        grip.focus()
        page.keyboard.press(key)
        settled(page)
        assert grip.get_attribute("aria-valuetext") == text
