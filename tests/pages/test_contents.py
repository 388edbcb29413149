"""The list of contents beside a page: the section that one reads is marked, wherever one comes from."""

import pytest

from tests.live import Visit
from tests.sources import CHAPTERS

LAPTOP = {"width": 1366, "height": 768}
# The sections' headings by their links, how far each is below the window's top, and what is marked.
PLACES = """() => [...document.querySelectorAll(".bd-sidebar-secondary .page-toc a")].map((link) =>
  [link.getAttribute("href"), document.getElementById(link.hash.slice(1)).getBoundingClientRect().top])"""
MARKED = """() => [...document.querySelectorAll(".bd-sidebar-secondary .page-toc [aria-current]")]
  .map((link) => link.getAttribute("href"))"""


def marked(page):
    page.evaluate("() => new Promise((done) => setTimeout(done, 120))")
    return page.evaluate(MARKED)


def read(page):
    """The section whose beginning was passed last, in the window's upper third."""
    return [link for link, top in page.evaluate(PLACES) if top <= 0.3 * LAPTOP["height"]][-1:]


@pytest.mark.parametrize("name", [CHAPTERS[1], "book/errata.html"])
def test_going_down_going_up_and_after_a_reload_it_marks_the_section_that_one_reads(browser, address, name):
    with Visit(browser, f"{address}/{name}", viewport=LAPTOP) as visit:
        page, seen = visit.page, []
        for step in [900] * 12 + [-700] * 12:
            page.evaluate("(step) => scrollBy({ top: step, behavior: 'instant' })", step)
            assert marked(page) == read(page)
            seen += marked(page)
        assert len(set(seen)) > 2
        page.evaluate("() => scrollTo({ top: 7000, behavior: 'instant' })")
        page.reload()
        assert page.evaluate("() => scrollY") > 3000
        assert marked(page) == read(page)


def test_what_was_chosen_is_marked_and_at_the_end_the_last(browser, address):
    with Visit(browser, f"{address}/{CHAPTERS[1]}", scroll=False, viewport=LAPTOP) as visit:
        page = visit.page
        links = [link for link, _ in page.evaluate(PLACES)]
        for link in (links[-1], links[3], links[-2]):
            page.locator(f".bd-sidebar-secondary .page-toc a[href='{link}']").click()
            page.wait_for_timeout(800)  # while what is passed is laid out
            assert marked(page) == [link]
        page.keyboard.press("End")
        page.wait_for_function("() => scrollY > 0.9 * (document.documentElement.scrollHeight - innerHeight)")
        page.wait_for_timeout(800)
        assert marked(page) == [links[-1]]
