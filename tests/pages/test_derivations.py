"""Derivations on the built pages: Python's values, and what the page's script makes of them, as a reader meets it."""

import json
import re

import pytest

from rlbook import derive
from rlbook.derivations import NAMES
from rlbook.derivations.display import WORLDS, shown, shown_line, values, world_in_html, world_of
from tests.live import WIDTHS, Visit, settled
from tests.sources import CHAPTERS, ERRATA, ROOT
from tests.sources import NAMES as PAGES

LINES = "book/lines.html"
DATA = "rl-derivation"
ONE = "reward-to-go"  # whose lines 3, 4 and 5 of 5 have a slip each


def words(node):
    return node.get_text().strip()


def test_every_derivation_is_there_with_pythons_values_in_all_its_worlds(soup):
    boxes = soup(LINES).select(f".{DATA}")
    assert [box["data-name"] for box in boxes] == list(NAMES)
    for box, name in zip(boxes, NAMES, strict=True):
        made = derive(name)
        items = box.select("ol > li")
        assert len(items) == len(made.lines)
        for item, line in zip(items, made.lines, strict=True):
            assert words(item.code) == shown_line(line)
            assert [words(value) for value in item.select("del")] == [shown(slip.value) for slip in line.slips]
            assert len(item.select("p:first-child > .math .katex")) == 1 + len(line.slips)
        assert not box.select(".katex-error")
        worlds = json.loads(box.script.string)
        assert worlds == [[world_in_html(other), values(other)] for other in made.worlds(WORLDS)]


def test_their_styles_reach_nothing_else_on_a_page():
    """Widgets have classes of the same names: bars, rows."""
    sheet = re.sub(
        r"/\*.*?\*/", "", (ROOT / "book" / "_static" / "derivations.css").read_text(encoding="utf-8"), flags=re.S
    )
    selectors = [one.strip() for rule in re.findall(r"([^{}]+)\{", sheet) for one in re.split(r",(?![^(]*\))", rule)]
    assert len(selectors) > 40
    assert [one for one in selectors if not one.startswith("@media") and ".rl-derivation" not in one] == []


def test_the_chapters_prove_by_them_with_the_same_values(soup):
    found = {page: soup(page).select(f".cell_output .{DATA}") for page in CHAPTERS}
    for box in (box for boxes in found.values() for box in boxes):
        lines = derive(box["data-name"]).lines
        assert [words(item.code) for item in box.select("ol > li")] == [shown_line(line) for line in lines]
    for page, boxes in found.items():
        proofs = soup(page).select("div.proof.line-by-line")
        assert len(proofs) <= len(boxes)
        for proof in proofs:
            assert proof.find_next_sibling("div").select_one(f".{DATA}"), words(proof)
    assert len(found["book/01-reinforce.html"]) >= 8


def test_the_script_comes_where_it_is_needed_alone_and_is_small(site, soup):
    for page in PAGES:
        scripts = [script["src"] for script in soup(page).select("script[src]")]
        assert any("derivations.js" in script for script in scripts) == bool(soup(page).select(f".{DATA}")), page
    assert len((site / "_static" / "derivations.js").read_bytes()) <= 12_000


def without_formula(row):
    """What stands before and after a row's formula, the slip's."""
    return [part.strip() for part in row.get_text().split(row.select_one(".math").get_text())]


def test_the_errata_have_the_values_of_the_same_objects(soup):
    mended = {item: [] for item in ERRATA}
    for made in map(derive, NAMES):
        for number, line in enumerate(made.lines, start=1):
            for slip in line.slips:
                if slip.mends:
                    wrong, right = shown(slip.value), shown_line(line)
                    title = made.title.replace("'", "’")
                    wrong, right = (f"({x})" if ", " in x else x for x in (wrong, right))
                    mended[slip.mends].append([f"{title}, line {number}:", f"comes to {wrong}, the line to {right}."])
    entries = soup("book/errata.html").select("article dl.myst")
    found = [[without_formula(row) for row in entry.select("p.rl-numbers")] for entry in entries]
    assert found == [mended[item] for item in ERRATA]
    assert sum(map(bool, found)) >= 5
    for link in soup("book/errata.html").select("p.rl-numbers a"):
        assert soup(LINES).find(id=link["href"].partition("#")[2])


# Played -------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["phone", "desktop"])
def opened(request, browser, site):
    """The page of all derivations, from disk, and its box of `ONE`."""
    touch = request.param == "phone"
    with Visit(browser, (site / LINES).as_uri(), viewport=WIDTHS[request.param], has_touch=touch) as visit:
        box = visit.page.locator(f'.{DATA}[data-name="{ONE}"]')
        box.scroll_into_view_if_needed()
        yield visit.page, box
        assert not [text for text in visit.complaints if "favicon" not in text]


def press(box, name):
    """By a finger on the phone, by the mouse on the desktop."""
    button = box.get_by_role("button", name=name)
    button.tap() if box.page.viewport_size == WIDTHS["phone"] else button.click()


def seen(box):
    """The values of the lines that are to be seen."""
    return [value.inner_text() for value in box.locator("ol > li:visible > p > code").all()]


def right():
    return [shown_line(line) for line in derive(ONE).lines]


def test_the_die_shows_every_world_and_comes_round(opened):
    _, box = opened
    widths, worlds = set(), derive(ONE).worlds(WORLDS)
    for made in [*worlds[1:], worlds[0]]:
        press(box, re.compile(r"of 12$"))
        assert seen(box) == [shown_line(line) for line in made.lines]
        assert box.locator(".rl-world").inner_text() == world_of(made)
        slips = [shown(slip.value) for line in made.lines for slip in line.slips]
        assert box.locator("del").all_inner_texts() == slips
        widths.add(box.evaluate("(box) => box.offsetWidth"))
    assert len(widths) == 1


def test_line_by_line_by_keyboard_and_touch(opened):
    page, box = opened
    below = page.evaluate("document.documentElement.scrollHeight")
    press(box, "Line by line")
    assert seen(box) == right()[:1]
    press(box, "Line 2 of 5")
    assert seen(box) == right()[:2]
    page.keyboard.press("Enter")  # the button has the focus
    page.keyboard.press("ArrowDown")
    assert seen(box) == right()[:4]
    page.keyboard.press("ArrowUp")
    assert seen(box) == right()[:3]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert seen(box) == right()
    press(box, "All lines")
    assert page.evaluate("document.documentElement.scrollHeight") == below


def test_your_turn_is_answered_by_the_numbers(opened):
    _, box = opened
    made = derive(ONE)
    press(box, "Your turn")
    assert seen(box) == right()[:1]
    assert box.locator("del:visible").count() == 0
    press(box, "Line 2 of 5")
    for number in (3, 4, 5):
        line, before = made.lines[number - 1], made.lines[number - 2]
        options = box.locator(".rl-choices button")
        typed = options.locator("annotation").all_text_contents()
        sources = [text.removeprefix(r"\displaystyle =\nobreak ").strip() for text in typed]
        assert sorted(sources) == sorted([line.latex, line.slips[0].latex])
        looks = options.evaluate_all("(all) => all.map((b) => [b.className, b.disabled, b.title, { ...b.dataset }])")
        assert looks[0] == looks[1], "one of them gives itself away"
        if number == 4:  # wrong first
            options.nth(sources.index(line.slips[0].latex)).click()
            answer = box.locator(".rl-answer")
            assert answer.inner_text().startswith(
                f"No: {shown(line.slips[0].value)}, and the line before is {shown_line(before)}."
            )
            assert "moves out" in answer.inner_text()
            press(box, re.compile(r"of 12$"))  # in another world other numbers say the same
            other = derive(ONE).worlds(2)[1].lines[number - 1]
            assert answer.inner_text().startswith(f"No: {shown(other.slips[0].value)}")
            for _ in range(WORLDS - 1):
                press(box, re.compile(r"of 12$"))
        assert len(seen(box)) == number - 1
        options.nth(sources.index(line.latex)).click()
        assert seen(box) == right()[:number]
    assert "Done: 2 of 3 chosen at once" in box.inner_text()
    press(box, "Again")
    assert seen(box) == right()[:1]
    press(box, "Your turn")
    assert seen(box) == right()
    assert box.locator("del:visible").count() == 3


def test_your_turn_by_keyboard_keeps_the_focus_in_sight(opened):
    page, box = opened
    line = derive(ONE).lines[2]
    focused = """() => {
      const { top, bottom } = document.activeElement.getBoundingClientRect();
      return [document.activeElement.textContent, top >= 0 && bottom <= innerHeight];
    }"""
    press(box, "Your turn")
    press(box, "Line 2 of 5")
    assert page.evaluate(focused) == ["Which is line 3?", True]
    right = box.locator(".rl-choices button").filter(has=page.locator("annotation", has_text=line.latex))
    wrong = box.locator(".rl-choices button").filter(has_not=page.locator("annotation", has_text=line.latex))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches('.rl-choices button')")
    wrong.focus()
    page.keyboard.press("Enter")
    assert box.locator(".rl-answer").count() == 1
    assert wrong.evaluate("(choice) => choice === document.activeElement"), "a wrong choice keeps it"
    page.keyboard.press("Enter")
    assert box.locator(".rl-answer").count() == 1
    right.focus()
    page.keyboard.press("Enter")
    assert box.locator(".rl-said").inner_text() == "Right."
    assert page.evaluate(focused) == ["Which is line 4?", True]


def test_the_choices_are_shuffled(opened):
    page, box = opened
    orders = []
    for chance in (0, 0.999):
        page.evaluate("(chance) => { Math.random = () => chance; }", chance)
        press(box, "Your turn")
        press(box, "Line 2 of 5")
        orders.append(box.locator(".rl-choices annotation").all_text_contents())
        press(box, "Your turn")
    assert orders[0] == orders[1][::-1] != orders[1]


def test_values_stand_within_the_box_and_what_is_wider_can_be_reached(opened):
    page, _ = opened
    settled(page)
    assert (
        page.evaluate(
            """() => [...document.querySelectorAll(".rl-derivation")].flatMap((box) => {
          const { left, right } = box.getBoundingClientRect();
          return [...box.querySelectorAll("code, del, p, .math")].filter((part) => {
            const own = part.getBoundingClientRect();
            return own.left < left || own.right > right + 0.5;
          }).map((part) => `${box.dataset.name}: ${part.textContent.slice(0, 60)}`);
        })"""
        )
        == []
    )
    assert (
        page.evaluate(
            """() => [...document.querySelectorAll(".rl-derivation ol > li p:first-child > .math")]
          .filter((line) => line.scrollWidth > line.clientWidth + 1 && line.tabIndex !== 0).length"""
        )
        == 0
    )


def test_in_print_all_lines_stand_with_the_first_worlds_values(opened):
    page, box = opened
    press(box, re.compile(r"of 12$"))
    press(box, "Your turn")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert seen(box) == right()
    assert box.locator("del:visible").count() == 3
    assert box.locator("button:visible").count() == 0
    page.emulate_media(media="screen")


def test_without_javascript_all_lines_stand(browser, site):
    with Visit(browser, (site / LINES).as_uri(), viewport=WIDTHS["phone"], java_script_enabled=False) as visit:
        box = visit.page.locator(f'.{DATA}[data-name="{ONE}"]')
        assert seen(box) == right()
        assert box.locator("button").count() == 0
        assert box.evaluate("(box) => getComputedStyle(box.querySelector('ol')).marginTop") == "0px"


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_when_the_script_comes(browser, address, width):
    with Visit(browser, f"{address}/{LINES}", viewport=WIDTHS[width], scroll=False) as visit:
        moved = visit.page.evaluate(
            """() => new Promise((done) => new PerformanceObserver((list) => done(list.getEntries()
              .filter((entry) => !entry.hadRecentInput).reduce((sum, { value }) => sum + value, 0)))
              .observe({ type: "layout-shift", buffered: true }) || setTimeout(() => done(0), 500))"""
        )
        assert moved < 0.01
