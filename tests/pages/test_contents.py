"""The list of contents beside a page: the section that one reads is marked, wherever one comes from."""

import pytest

from tests.live import Visit
from tests.sources import CHAPTERS

LAPTOP = {"width": 1366, "height": 768}
LINKS = ".bd-sidebar-secondary .page-toc a"
MARKED = f"""() => [...document.querySelectorAll("{LINKS}[aria-current]")].map((link) => link.getAttribute("href"))"""
# The section whose beginning was passed last, in the window's upper third, is marked; before the first it is none.
IS_READ = f"""() => {{
  const passed = [...document.querySelectorAll("{LINKS}")].filter((link) =>
    document.getElementById(link.hash.slice(1)).getBoundingClientRect().top <= 0.3 * innerHeight);
  const marked = [...document.querySelectorAll("{LINKS}[aria-current]")];
  return marked.length === Math.min(1, passed.length) && marked[0] === passed.at(-1);
}}"""


def is_marked(page, link):
    page.wait_for_function(f"(link) => ({MARKED})().join() === link", arg=link)


@pytest.mark.parametrize("name", CHAPTERS[:2])
def test_going_down_going_up_and_after_a_reload_it_marks_the_section_that_one_reads(browser, address, name):
    with Visit(browser, f"{address}/{name}", viewport=LAPTOP) as visit:
        page, seen = visit.page, set()
        for step in [900] * 12 + [-700] * 12:
            page.evaluate("(step) => scrollBy({ top: step, behavior: 'instant' })", step)
            page.wait_for_function(IS_READ)
            seen |= set(page.evaluate(MARKED))
        assert len(seen) > 2
        page.evaluate("() => scrollTo({ top: 7000, behavior: 'instant' })")
        page.reload()
        page.wait_for_function("() => scrollY > 3000")
        page.wait_for_function(IS_READ)


def test_what_was_asked_for_is_marked_and_at_the_end_the_last(browser, address):
    with Visit(browser, f"{address}/{CHAPTERS[1]}", scroll=False, viewport=LAPTOP) as visit:
        page = visit.page
        links = [link.get_attribute("href") for link in page.locator(LINKS).all()]
        for link in (links[-1], links[3], links[-2]):
            page.locator(f"{LINKS}[href='{link}']").click()
            is_marked(page, link)
            page.wait_for_timeout(500)  # while what was passed is laid out
            is_marked(page, link)
        page.go_back()
        is_marked(page, links[3])
        page.locator(f"{LINKS}[href='{links[5]}']").click(modifiers=["Control"])
        is_marked(page, links[3])
        page.keyboard.press("End")
        is_marked(page, links[-1])
        page.goto("about:blank")
        page.goto(f"{address}/{CHAPTERS[1]}{links[-2]}")
        is_marked(page, links[-2])


def test_on_a_page_that_hardly_scrolls_the_first_section_is_marked_at_the_top(browser, address):
    with Visit(
        browser, f"{address}/book/where-next.html", scroll=False, viewport={"width": 1366, "height": 1600}
    ) as visit:
        page = visit.page
        links = [link.get_attribute("href") for link in page.locator(LINKS).all()]
        page.evaluate("() => dispatchEvent(new Event('scroll'))")
        page.wait_for_timeout(300)
        assert page.evaluate(MARKED) in ([], links[:1], links[1:2])
