"""A plain notebook in Notebook 7, without the MyST extension: formulas, folds, and links that lead there."""

import re
import shutil

import pytest

from book._ext.claims import labels_in
from tests.hosts import jupyter
from tests.sources import NOTEBOOKS

# Where the top of a place is in the window, as a share of its height.
SEEN_AT = """(place) => document.querySelector(`[id="${place}"], [data-jupyter-id="${place}"]`)
  .getBoundingClientRect().top / innerHeight"""


@pytest.fixture(scope="module")
def notebook_7(tmp_path_factory, site):
    folder = tmp_path_factory.mktemp("plain")
    for path in NOTEBOOKS:
        shutil.copy(site / "notebooks" / path.name, folder)
    with jupyter(folder, "notebook", without=["jupyterlab-myst"]) as address:
        yield address


def test_a_plain_notebook_reads_right_without_extensions(browser, notebook_7):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    page.goto(f"{notebook_7}/notebooks/01-reinforce.ipynb")
    page.wait_for_function(
        """() => {
          const cells = [...document.querySelectorAll(".jp-MarkdownCell .jp-RenderedMarkdown")];
          return cells.length > 15 && cells.every((cell) => cell.textContent.trim());
        }"""
    )
    page.locator(".jp-MarkdownCell mjx-container").first.wait_for()
    text = " ".join(page.locator(".jp-MarkdownCell .jp-RenderedMarkdown").all_inner_texts())
    assert not re.search(r"\{(?:prf|cite|eq|ref)\b|```|<details|<blockquote|\$\$|tag\{", text)
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    assert page.locator(".jp-MarkdownCell mjx-container").count() > 400

    equations = [label for label in labels_in(NOTEBOOKS[0]) if label.startswith("eq-")]
    assert page.locator("mjx-container [data-mml-node='mlabeledtr'], mjx-mlabeledtr").count() == len(equations) > 5
    for place in ("thm-score-function", "eq-bowl", "williams1992"):
        page.locator(f"a[href='#{place}']").first.click()
        page.wait_for_function(f"({SEEN_AT})('{place}') > -0.1 && ({SEEN_AT})('{place}') < 0.95")

    fold = page.locator("details").first
    assert not fold.locator("mjx-container").first.is_visible()
    fold.locator("summary").click()
    assert fold.locator("mjx-container").first.is_visible()
    page.close()
