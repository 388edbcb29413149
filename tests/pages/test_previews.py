"""References show what they refer to: by mouse, keyboard and touch, from a server and from disk."""

import gzip
import json
import re

import pytest

from book._ext import previews
from tests.live import BLOCKS, Visit, settled
from tests.sources import CHAPTERS

LAPTOP = {"width": 1366, "height": 657}
HERE, THERE = CHAPTERS[0], CHAPTERS[4]  # a page with references to itself, and one with references to another


def elsewhere(visit):
    """References of the page, in none of its folds, to statements of another; all of the page is laid out (lean.js)."""
    visit.page.evaluate("() => dispatchEvent(new Event('scroll'))")
    visit.page.wait_for_function(f"() => !document.querySelector('{BLOCKS}:not(.is-laid-out)')")
    settled(visit.page)
    link = "article p:not(.fold *) > a.reference"
    return visit.page.locator(f"{link}[href*='.html#thm-'], {link}[href*='.html#prop-']")


@pytest.mark.parametrize("start", ["http", "file"])
def test_a_mouse_over_a_reference_shows_what_stands_on_another_page(browser, address, site, start):
    root = address if start == "http" else f"file://{site}"
    with Visit(browser, f"{root}/{THERE}", scroll=False, viewport=LAPTOP) as visit:
        page, card = visit.page, visit.page.locator("#preview")
        assert not [url for url in visit.requests if "previews/" in url]
        link = elsewhere(visit).first
        link.scroll_into_view_if_needed()
        link.hover()
        card.wait_for()
        assert link.inner_text().split()[-1] in card.inner_text()
        assert card.locator(".katex").count()
        assert not card.locator("[id], .checked-by, .headerlink").count()
        card.hover()
        page.wait_for_timeout(400)
        assert card.is_visible()  # one may go into it
        page.keyboard.press("Escape")
        assert not card.count()
        page.mouse.move(5, 5)
        link.hover()
        card.wait_for()
        page.mouse.move(5, 5)
        card.wait_for(state="detached")
        assert len([url for url in visit.requests if "previews/" in url]) == 1
        assert not visit.complaints


def test_a_card_stays_with_its_link_while_text_before_it_changes_its_height(browser, address):
    with Visit(browser, f"{address}/{THERE}", scroll=False, viewport=LAPTOP) as visit:
        page, card = visit.page, visit.page.locator("#preview")
        link = elsewhere(visit).last
        link.scroll_into_view_if_needed()
        link.hover()
        card.wait_for()

        away = """() => {
          const top = (selector) => document.querySelector(selector).getBoundingClientRect().top;
          return top("#preview") - top("[aria-describedby=preview]");
        }"""
        before = page.evaluate(away)
        page.evaluate("() => { document.querySelector('article h1').style.paddingBottom = '300px'; }")
        page.wait_for_timeout(300)
        assert page.evaluate(away) == pytest.approx(before, abs=2)


def test_a_mouse_that_rests_has_not_left_what_moves_from_under_it(browser, address):
    with Visit(browser, f"{address}/{THERE}", scroll=False, viewport=LAPTOP) as visit:
        page, card = visit.page, visit.page.locator("#preview")
        link = elsewhere(visit).first
        link.scroll_into_view_if_needed()
        link.hover()
        card.wait_for()
        card.hover()
        page.evaluate("() => { document.querySelector('#preview').style.marginTop = '400px'; }")
        page.wait_for_timeout(600)
        assert card.is_visible()
        page.mouse.move(5, 5)
        card.wait_for(state="detached")


def test_the_keyboard_shows_it_and_says_so(browser, address):
    with Visit(browser, f"{address}/{HERE}", scroll=False, viewport=LAPTOP) as visit:
        page, card = visit.page, visit.page.locator("#preview")
        link = page.locator("article section > p a[href^='#thm-'], article section > p a[href^='#equation-']").first
        page.keyboard.press("Tab")  # from here on, the focus is the keyboard's
        link.focus()
        card.wait_for()
        assert link.get_attribute("aria-describedby") == card.get_attribute("id")
        page.keyboard.press("Escape")
        assert not card.count()
        assert link.get_attribute("aria-describedby") is None
        assert not [url for url in visit.requests if "previews/" in url]  # it was on the page


def test_a_tap_shows_it_with_a_link_to_go_there(browser, address):
    options = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with Visit(browser, f"{address}/{THERE}", scroll=False, **options) as visit:
        page, card = visit.page, visit.page.locator("#preview")
        link = elsewhere(visit).first
        link.tap()
        card.wait_for()
        assert page.url.endswith(THERE)
        box = card.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        there = card.locator(".preview-go")
        assert there.bounding_box()["height"] >= 24
        card.evaluate("(card) => (card.style.maxHeight = '6rem')")  # less room than it takes
        assert card.evaluate("(card) => card.scrollHeight > card.clientHeight")
        box, foot = card.bounding_box(), there.bounding_box()
        assert foot["y"] + foot["height"] <= box["y"] + box["height"], "the way on is in sight"
        there.tap()
        page.wait_for_url("**/*.html#*")


def test_every_link_to_a_statement_elsewhere_has_its_excerpt_and_a_page_weighs_at_most_30_kB(site, soup):
    for name in CHAPTERS:
        files = (site / "_static/previews" / name.split("/")[-1].removesuffix(".html")).glob("*.js")
        scripts = [path.read_text(encoding="utf-8") for path in sorted(files)]
        assert sum(len(gzip.compress(script.encode(), 6)) for script in scripts) <= 30_000
        data = {}
        for script in scripts:
            data |= json.loads(script.partition(" = ")[2].rstrip(";\n"))
        links = {a["href"] for a in soup(name).select("article a.reference:not(.checked-by *)") if a.get("href")}
        wanted = {href for href in links if re.search(r"\.html#(thm|lem|prop|def|equation)-", href)}
        assert wanted <= set(data)
        assert not [excerpt for excerpt in data.values() if "checked-by" in excerpt or " id=" in excerpt]


PAGE = """<div class="proof theorem admonition" id="thm-a"><p class="admonition-title">Theorem 1</p>
<section><div class="math" id="eq"><span class="katex">x</span></div>See <a href="#thm-b">b</a>.</section>
<div class="checked-by docutils container"><details>names</details></div></div><div id="other"><p>No.</p></div>"""


def test_an_excerpt_is_the_whole_statement_without_its_ids_and_tests():
    excerpt = previews.shown(PAGE, "thm-a")
    assert excerpt.startswith('<div class="proof')
    assert excerpt.endswith("</div>")
    assert "See" in excerpt
    assert "names" not in excerpt
    assert " id=" not in excerpt
    assert previews.shown(PAGE, "other") is None
    assert previews.shown(PAGE, "nowhere") is None


def test_links_of_an_excerpt_lead_where_they_led():
    pages = {"b/here.html": '<a href="there.html#thm-a"></a><a href="#own"></a>', "b/there.html": PAGE}
    found = previews.excerpts("b/here.html", pages, {})
    assert {page: list(links) for page, links in found.items()} == {"there.html": ["there.html#thm-a"]}
    assert 'href="there.html#thm-b"' in found["there.html"]["there.html#thm-a"]
