"""Each link to a statement says the number that stands there: on the book's pages, and after a build of one page."""

import re

from bs4 import BeautifulSoup

from book._ext.claims import labels_in, text_of
from book._ext.references import cited_in
from tests.numbers import false_ones, links
from tests.pages.conftest import MOVED, ONE
from tests.sources import NAMES, NOTEBOOKS, ROOT


def test_each_link_of_the_book_says_the_number_of_its_target(soup):
    """All pages' links are looked at: more than the pages' text has references and the ledger has statements."""
    found = list(links({name: soup(name) for name in NAMES}))
    assert not list(false_ones(found))
    numbered = [link for link in found if re.search(r"\d+\.\d+", link[2])]
    asked_for = sum(len(cited_in(text_of(path))) + len(labels_in(path)) for path in NOTEBOOKS)
    assert len(numbered) > asked_for > 200
    assert len(found) - len(numbered) < 30, "links that say no number, and cannot be checked"
    assert {page for page, *_ in numbered} >= {str(path.relative_to(ROOT).with_suffix(".html")) for path in NOTEBOOKS}


def test_a_false_number_is_seen():
    one = BeautifulSoup(
        '<div class="proof" id="thm-a"><p><span class="caption-number">Theorem 1.2 </span></p></div>'
        '<div class="math" id="equation-eq-b"><span class="eqno">(1.1)<a class="headerlink" href="#equation-eq-b">#</a>'
        "</span></div>",
        "html.parser",
    )
    two = '<a href="one.html#thm-a">{}</a><a href="one.html#equation-eq-b">{}</a>'

    def false(*words):
        pages = {"book/one.html": one, "book/two.html": BeautifulSoup(two.format(*words), "html.parser")}
        assert len(list(links(pages))) == 2
        return len(list(false_ones(links(pages))))

    assert false("Theorem 1.2", "(1.1)") == false("1.2", "this equation") == 0
    assert false("Theorem 1.1", "(1.1)") == false("1.20", "(1.1)") == false("Lemma 1.2", "(1.1)") == 1
    assert false("Theorem 1.3", "(1.11)") == 2


# A small book, built again after one of its pages has changed ---------------------------------------------------------


def said_in(soup):
    return [link.get_text() for link in soup.select("article a.reference[href^='one.html#']")]


def test_when_a_statement_moves_no_other_page_keeps_its_old_number(small_book):
    before, html = small_book()
    assert said_in(before["book/two.html"]) == [
        *("Theorem 1.1", "Lemma 1.2", "Proposition 1.3", "(1.1)", "(1.2)", "Exercise 1.1"),
    ]
    own = {page: (html / page).stat().st_mtime_ns for page in before}
    again, _ = small_book()
    written = {page for page in again if (html / page).stat().st_mtime_ns != own[page]}
    assert written <= {"book/map.html", "book/index.html"}, "more than the map, always made, and the page that lists it"

    after, _ = small_book(one=ONE.format(first=MOVED, last=""))
    assert said_in(after["book/two.html"]) == [
        *("Theorem 1.2", "Lemma 1.3", "Proposition 1.1", "(1.2)", "(1.1)", "Exercise 1.1"),
    ]
    found = list(links(after))
    assert {page for page, *_ in found} == set(after) - {"book/one.html", "book/api.html"}
    assert len(found) > 15
    assert not list(false_ones(found))

    renamed, _ = small_book(one=ONE.format(first="", last="").replace("# One", "# Uno") + MOVED)
    assert "Uno" in renamed["book/index.html"].select_one("article p").get_text()
    for page in renamed.values():
        assert "Uno" in page.select_one("nav.bd-links").get_text(), "beside the text too"
