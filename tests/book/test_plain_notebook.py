"""A plain notebook in Notebook 7, with the MyST extension and without: formulas, folds, and links that lead there."""

import re
import shutil

import pytest
from playwright.sync_api import expect

from book._ext.claims import labels_in
from rlbook import statements
from tests.hosts import jupyter
from tests.sources import NOTEBOOKS

# Where the top of a place is in the window, as a share of its height.
SEEN_AT = """(place) => document.querySelector(`[id="${place}"], [data-jupyter-id="${place}"]`)
  .getBoundingClientRect().top / innerHeight"""

# The words of all Markdown cells, without what is typeset and without code.
WORDS = """(cells) => [...document.querySelectorAll(cells)].map((cell) => {
  const copy = cell.cloneNode(true);
  for (const part of copy.querySelectorAll("mjx-container, .katex, code, pre")) part.remove();
  return copy.textContent;
})"""

# Where each shows a Markdown cell, and what a formula is there.
SHOWN = {
    "plain": (".jp-MarkdownCell .jp-RenderedMarkdown", "mjx-container"),
    "myst": (".jp-MarkdownCell .myst", ".katex"),
}


@pytest.fixture(scope="module", params=SHOWN)
def opened(request, browser, site, tmp_path_factory):
    """Chapter 1 from beside the pages, opened in Notebook 7 as it comes, or with the book's own extension."""
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copy(site / "notebooks" / NOTEBOOKS[0].name, folder)
    with jupyter(folder, "notebook", without=["jupyterlab-myst"] if request.param == "plain" else []) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        page.goto(f"{address}/notebooks/{NOTEBOOKS[0].name}")
        cells, formula = SHOWN[request.param]
        page.wait_for_function(
            """([shown, formula]) => {
              const cells = [...document.querySelectorAll(shown)];
              return cells.length > 15 && cells.every((cell) => cell.textContent.trim())
                && document.querySelectorAll(`${shown} ${formula}`).length > 400;
            }""",
            arg=[cells, formula],
        )
        yield page, formula, request.param
        page.close()


def test_nothing_is_left_as_it_was_typed(opened):
    """Neither directives, roles and HTML nor formulas: all of these are typeset, with none in error."""
    page, _, kind = opened
    words = "\n".join(page.evaluate(WORDS, SHOWN[kind][0]))
    assert statements.NAMES["thm-exact-moments"] in words
    assert not re.findall(r"\{(?:prf|cite|eq|ref)\b|```|</?[a-z]+|\$|\\[a-z]+", words)
    assert page.locator("mjx-merror, [data-mjx-error], .katex-error").count() == 0


def test_equations_have_their_numbers(opened):
    page, _, kind = opened
    equations = [label for label in labels_in(NOTEBOOKS[0]) if label.startswith("eq-")]
    numbered = {"plain": "mjx-mlabeledtr, [data-mml-node='mlabeledtr']", "myst": ".katex-html > .tag"}[kind]
    assert len(equations) > 5
    # The MyST extension typesets its last formulas after the cells that it has shown.
    expect(page.locator(f".jp-MarkdownCell :is({numbered})")).to_have_count(len(equations), timeout=60_000)


def test_solutions_fold_where_html_can(opened):
    """With the MyST extension, which cannot, they stand open."""
    page, formula, kind = opened
    solution = page.locator(f"li:has(details) {formula}").first
    assert solution.is_visible() is (kind == "myst")
    page.locator("details > summary").first.click()
    assert solution.is_visible()


@pytest.mark.parametrize("place", ["thm-score-function", "eq-bowl", "williams1992"])
def test_links_lead_to_their_places(opened, place):
    page, _, _ = opened
    page.locator(f"a[href='#{place}']").first.click()
    page.wait_for_function(f"({SEEN_AT})('{place}') > -0.1 && ({SEEN_AT})('{place}') < 0.95")
