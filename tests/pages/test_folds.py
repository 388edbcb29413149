"""What folds: solutions, second readings and hidden code are the browser's own folds."""

import pytest

from book._ext import folds
from tests.live import Visit
from tests.sources import CHAPTERS

LAPTOP = {"width": 1366, "height": 657}

TITLE = '<p class="admonition-title">'


@pytest.mark.parametrize(
    ("body", "folded"),
    [
        (
            f'<div class="dropdown admonition">\n{TITLE}Why <b>not</b></p>\n<p>So.</p></div>',
            '<details class="fold"><summary>Why <b>not</b></summary>\n<p>So.</p></details>',
        ),
        (
            f'<div class="solution dropdown admonition" id="s">{TITLE}Solution to<a href="#e"> 1</a></p>4</div>',
            '<details class="fold solution" id="s"><summary aria-label="Solution to 1">Solution</summary>4</details>',
        ),
        (
            f'<div class="dropdown admonition">{TITLE}A</p><div class="dropdown admonition">{TITLE}B</p></div></div>',
            '<details class="fold"><summary>A</summary><details class="fold"><summary>B</summary></details></details>',
        ),
        (
            '<details class="admonition hide above-input">\n<summary aria-label="Toggle">\n'
            '<p class="collapsed admonition-title">The code</p>\n<p class="expanded admonition-title">The code</p>\n'
            "</summary>\nx = 1</details>",
            '<details class="fold code"><summary>The code</summary>\nx = 1</details>',
        ),
        (f'<div class="note admonition">{TITLE}Open</p></div>', f'<div class="note admonition">{TITLE}Open</p></div>'),
    ],
)
def test_what_jupyter_book_folds_by_a_script_becomes_a_fold(body, folded):
    assert folds.folded(f"<p>Before.</p>{body}<p>After.</p>") == f"<p>Before.</p>{folded}<p>After.</p>"


def test_what_hidden_code_shows_stands_before_it():
    code = (
        '<details class="admonition hide above-input"><summary><p class="admonition-title">{}</p></summary>x</details>'
    )
    fold = '<details class="fold code"><summary>{}</summary>x</details>'
    shown = '<div class="cell_output docutils"><div>7</div></div>'
    body = f"<div>{code.format('A')}\n{shown}</div><div>{code.format('B')}</div><div>{code.format('C')}{shown}</div>"
    a, b, c = map(fold.format, "ABC")
    assert folds.folded(body) == f"<div>{shown}\n{a}</div><div>{b}</div><div>{shown}\n{c}</div>"


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapters_lessons_stand_before_their_code(soup, name):
    lessons = soup(name).select(".cell:has(.fold.code) .rlbook-widget")
    assert len(lessons) >= 3
    for lesson in lessons:
        assert lesson.find_parent(class_="cell_output").find_next_sibling()["class"] == ["fold", "code"]


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_solution_stands_under_its_exercise(soup, name):
    page = soup(name)
    solutions = page.select(".fold.solution")
    assert len(solutions) > 4
    for solution in solutions:
        assert "exercise" in solution.find_previous_sibling()["class"]
        assert solution.summary.get_text() == "Solution"
        exercise = solution.find_previous_sibling().select_one(".caption-number").get_text()
        assert solution.summary["aria-label"].startswith(f"Solution to {exercise.strip()}")
        assert not solution.summary.find("a")
    assert not page.select(".dropdown.admonition, details.hide, .toggle-button")


def test_a_fold_opens_by_mouse_by_key_and_for_a_link_to_what_is_in_it(browser, address):
    with Visit(browser, f"{address}/{CHAPTERS[1]}", scroll=False, viewport=LAPTOP) as visit:
        page = visit.page
        solution = page.locator(".fold.solution").first
        solution.locator("summary").click()
        assert solution.locator("section p").first.is_visible()
        solution.locator("summary").press("Enter")
        assert not solution.locator("section p").first.is_visible()
        inside = page.locator(".fold:not(.code, .solution) [id]").first
        assert not inside.is_visible()
        page.evaluate("(id) => { location.hash = id; }", inside.get_attribute("id"))
        inside.wait_for()
        assert not visit.complaints


def test_a_page_that_is_opened_at_what_is_folded_shows_it(browser, address, soup):
    inside = soup(CHAPTERS[1]).select_one(".fold:not(.code, .solution) [id]")["id"]
    with Visit(browser, f"{address}/{CHAPTERS[1]}#{inside}", scroll=False, viewport=LAPTOP) as visit:
        visit.page.locator(f"[id='{inside}']").wait_for()


def test_on_paper_all_is_open_but_code(browser, address):
    with Visit(browser, f"{address}/{CHAPTERS[1]}#100%", scroll=False, viewport=LAPTOP) as visit:
        page = visit.page
        page.emulate_media(media="print")
        page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        assert page.locator(".fold:not(.code):not([open])").count() == 0
        assert page.locator(".fold.code[open]").count() == 0
        assert not page.locator(".fold.code").first.is_visible()
        page.evaluate("() => dispatchEvent(new Event('afterprint'))")
        assert page.locator(".fold[open]").count() == 0
