"""Lessons in Chromium, each step on a page of its own: its room, what is in sight together, keys, guesses, the screen.

What a step is about, as numbers that its gesture moves, is tested in the files of the widgets.
"""

import re

import pytest

from rlbook.widgets import VarianceReduction
from tests.lessons import KINDS, STEPS, answer
from tests.live import data, room_kept, serious_faults, settled

# Viewports of a laptop's browser, of a phone, and of one that lies on its side, where the words may go on below; and
# how high a step may be in each.
ROOM = {"laptop": (1366, 657, 560), "phone": (390, 844, 844), "phone on its side": (740, 360, 480)}

FOUND = """() => {
  const root = document.querySelector(".rl");
  const seen = (node) => node.checkVisibility({ visibilityProperty: true });
  const texts = [];
  const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const { parentElement, textContent } = walk.currentNode;
    const spoken = parentElement.closest(".rl-hidden"); // the sentence again, for ears, at its own time
    if (seen(parentElement) && !spoken) texts.push(textContent);
  }
  const ends = [...root.querySelectorAll(".rl-picture > svg, .rl-controls :is(input, button, select)")]
    .filter(seen).map((node) => node.getBoundingClientRect()).filter(({ width }) => width);
  return {
    high: root.getBoundingClientRect().height,
    over: root.scrollWidth - root.clientWidth,
    controls: [...root.querySelectorAll("button, input, select, [tabindex='0']")].filter(seen).length,
    numbers: texts.join("|").match(/\\d+([.,]\\d+)?/g).length,
    pictures: [...root.querySelectorAll(".rl-picture > svg")].filter(seen).length,
    together: Math.max(...ends.map(({ bottom }) => bottom)) - Math.min(...ends.map(({ top }) => top)),
    smallest: Math.min(...[...root.querySelectorAll("button, input")].filter(seen)
      .map((node) => node.getBoundingClientRect()).map(({ width, height }) => Math.min(width, height)).filter(Boolean)),
  };
}"""


@pytest.mark.parametrize("screen", ROOM)
@pytest.mark.parametrize(("kind", "step"), STEPS)
def test_a_step_is_small_and_its_gesture_and_picture_are_in_sight_together(visit, kind, step, screen):
    width, height, most = ROOM[screen]
    page = visit(kind(step=step), (width, height))
    data(page)
    found = page.evaluate(FOUND)
    assert found["high"] <= most
    assert found["over"] <= 0
    assert found["controls"] <= 12
    assert found["numbers"] <= 30
    assert found["pictures"] <= 2
    assert found["together"] <= height - 48, "48 px of the page's own head may be in the way"


@pytest.mark.parametrize(("kind", "step"), STEPS)
def test_in_a_wide_place_pictures_are_as_wide_as_they_were_made(visit, kind, step):
    page = visit(kind(step=step), (1600, 900))
    data(page)
    page.add_style_tag(content="body { max-width: none !important }")
    settled(page)
    page.wait_for_function("() => document.querySelector('.rl').clientWidth > 1000")
    settled(page)
    made, seen = page.evaluate(
        """() => {
          const all = [...document.querySelectorAll(".rl-picture > svg")].filter((svg) => svg.checkVisibility());
          return [all.map((svg) => svg.width.baseVal.value), all.map((svg) => svg.getBoundingClientRect().width)];
        }"""
    )
    assert made
    assert seen == pytest.approx(made, abs=1)
    ends = page.evaluate(
        """() => [".rl-head", ".rl-guess", ".rl-picture > svg"].map((parts) => {
          const all = [...document.querySelectorAll(parts)].filter((at) => at.checkVisibility());
          return Math.max(0, ...all.map((at) => at.getBoundingClientRect().right));
        })"""
    )
    assert max(ends) <= ends[0] + 1, "no guess and no picture goes on beyond the head"


@pytest.mark.parametrize("screen", ROOM)
@pytest.mark.parametrize(("kind", "step"), STEPS)
def test_the_place_keeps_the_room_that_the_step_takes(visit, kind, step, screen):
    page = visit(kind(step=step), ROOM[screen][:2])
    data(page)
    live = page.locator(".rl").bounding_box()["height"]
    near = 64 if screen == "laptop" else 112  # a telephone's lines break anywhere
    assert room_kept(page) == pytest.approx(live, abs=near)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("kind", "step"), STEPS)
def test_axe_finds_nothing_serious_in_any_step(visit, frontend, kind, step, theme):
    page = visit(kind(step=step), theme=theme)
    data(page)
    page.wait_for_timeout(400)  # the cells of a map are named when it has come to rest
    assert serious_faults(page, frontend, ".rl") == []
    see = page.locator(".rl-guess button:visible").last
    if see.count():
        answer(page)
        assert serious_faults(page, frontend, ".rl") == []


def test_a_guess_may_be_where_the_mark_stands(visit):
    page = visit(VarianceReduction(step=2))
    mark, see = page.locator(".rl-asked input:visible"), page.locator(".rl-asked button:visible")
    assert see.is_disabled(), "until something has been said"
    mark.click()  # in its middle, where the mark is
    assert mark.input_value() == "1"
    assert see.is_enabled()


@pytest.mark.parametrize(("kind", "step"), [at for at in STEPS if at.values[0].lesson[at.values[1] - 1].guess])
def test_a_guess_is_made_by_keyboard_and_answered_once(visit, kind, step):
    guess = kind.lesson[step - 1].guess
    page = visit(kind(step=step))
    data(page)
    told = page.locator(".rl-told").filter(has_text=guess.because)
    assert not told.is_visible()
    before = page.locator(".rl").bounding_box()["height"]
    answer(page)
    assert told.is_visible()
    assert page.evaluate("document.activeElement.className") == "rl-told", "which is read aloud, and Tab goes on there"
    assert page.locator(".rl").bounding_box()["height"] == before
    said = told.text_content()
    if guess.answers:
        assert f"“{guess.answers[guess.right]}”" in said
        assert said.startswith("Yes" if guess.right == 0 else f"You said “{guess.answers[0]}”")
    else:
        truth = float(data(page)[guess.number])
        low, high = guess.between
        assert low <= truth <= high, "the truth lies on the scale"
        found = float(re.search(r"it is (−?\d[\d.]*)\. ", said)[1].replace("−", "-"))
        assert found == pytest.approx(truth, rel=6e-3, abs=6e-3)
    page.get_by_role("button", name="Reset").click()
    settled(page)
    assert not told.is_visible()


@pytest.mark.parametrize(("kind", "step"), [at for at in STEPS if at.values[0].lesson[at.values[1] - 1].guess])
def test_what_is_said_while_a_guess_is_open_does_not_answer_it(visit, kind, step):
    """Neither the number that is asked for, nor that something stays, which most questions are about."""
    guess = kind.lesson[step - 1].guess
    page = visit(kind(step=step))
    said = page.locator(".rl-sentence").text_content()
    assert not re.search(r"\b(stays?|never|the same|whatever)\b", said), said
    if guess.between:
        truth = float(data(page)[guess.number])
        numbers = [float(number.replace("−", "-")) for number in re.findall(r"−?\d+(?:\.\d+)?", said)]
        asked = [float(number.replace("−", "-")) for number in re.findall(r"−?\d+(?:\.\d+)?", guess.question)]
        assert not [x for x in numbers if x not in asked and x == pytest.approx(truth, rel=6e-3)], said


@pytest.mark.parametrize("kind", KINDS)
def test_dots_lead_through_the_steps_by_mouse_and_keyboard_and_nothing_jumps(visit, kind):
    page = visit(kind())
    shifted = """() => new Promise((done) => new PerformanceObserver((list, observer) => {
      observer.disconnect();
      done(list.getEntries().filter((entry) => !entry.hadRecentInput).reduce((sum, { value }) => sum + value, 0));
    }).observe({ type: "layout-shift", buffered: true }) || setTimeout(() => done(0), 100))"""
    heights = []
    for step, lesson in enumerate(kind.lesson, 1):
        dot = page.get_by_role("button", name=f"Step {step}: {lesson.title}")
        if step % 2:
            dot.click()
        else:
            dot.focus()
            page.keyboard.press("Enter")
        assert data(page)["step"] == str(step)
        assert dot.get_attribute("aria-current") == "step"
        assert page.locator(".rl [aria-current=step]").count() == 1
        said = lesson.say.replace("π_α", "πα")  # whose α stands below
        assert page.locator(".rl-say p:visible").text_content() == f"{lesson.title}. {said}"
        heights.append(page.locator(".rl").bounding_box()["height"])
    assert max(heights) - min(heights) < 2
    assert page.evaluate(shifted) < 0.005
    page.get_by_role("button", name="Explore everything").click()
    assert data(page)["step"] == "explore"
    assert page.locator(".rl-picture > svg:visible").count() == len(kind.PANELS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_leads_to_the_step(visit, kind):
    page = visit(kind(), asked=f"#w={to_name(kind)}-1&step=2")
    assert data(page)["step"] == "2"
    assert data(page)["preset"] == kind.lesson[1].preset
    page = visit(kind(), asked=f"#w={to_name(kind)}-1&step=9")
    assert data(page)["step"] == "explore", "as with whatever makes no sense"
    page.get_by_role("button", name="Step 2").click()
    page.get_by_role("button", name="Link").click()
    page.wait_for_function("location.hash.includes('step=2')")


def to_name(kind):
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


@pytest.mark.parametrize(("kind", "step"), STEPS)
def test_more_brings_other_worlds_and_the_step_stays(visit, kind, step):
    page = visit(kind(step=step))
    more = page.get_by_role("button", name="More")
    assert not page.locator(".rl-top").first.is_visible()
    more.click()
    settled(page)
    assert page.locator(".rl-top").first.is_visible()
    chips = page.locator(".rl-top").first.locator("button")
    assert chips.count() == len(kind.PRESETS)
    chips.last.click()
    after = data(page)
    assert (after["step"], after["preset"]) == (str(step), kind.PRESETS[-1])
    page.get_by_role("button", name="Less", exact=True).click()
    settled(page)
    assert not page.locator(".rl-top").first.is_visible()


@pytest.mark.parametrize("kind", KINDS)
def test_full_screen_fills_a_projector(visit, kind):
    page = visit(kind(), (1920, 1080))
    data(page)
    page.get_by_role("button", name="Full screen").click()
    page.wait_for_function("document.fullscreenElement && document.querySelector('.rl-full')")
    page.wait_for_timeout(200)
    found = page.evaluate(
        """() => {
          const root = document.querySelector(".rl");
          const zoom = Number(root.querySelector(".rl-whole").style.zoom);
          const boxes = [...root.querySelectorAll(".rl-picture > svg")]
            .map((svg) => svg.getBoundingClientRect()).filter(({ width }) => width);
          const label = [...root.querySelectorAll(".rl-picture text")].filter((text) => text.checkVisibility());
          return {
            size: [root.clientWidth, root.clientHeight],
            fits: root.scrollHeight <= root.clientHeight + 2,
            label: Math.min(...label.map((text) => parseFloat(getComputedStyle(text).fontSize) * zoom)),
            area: boxes.reduce((sum, { width, height }) => sum + width * height, 0) / (1920 * 1080),
          };
        }"""
    )
    assert found["size"] == [1920, 1080]
    assert found["fits"]
    assert found["label"] >= 18
    assert found["area"] > 0.1, "as far as the cells of a map are squares"
    page.keyboard.press("Escape")
    page.evaluate("document.exitFullscreen?.().catch(() => {})")
    page.wait_for_function("!document.querySelector('.rl-full')")
