"""In a real JupyterLab no reference shows a raw label; those to other chapters open them, and the place is there."""

import re
from urllib.parse import unquote, urlparse

import pytest

from tests.sources import NOTEBOOKS

LABEL = re.compile(r"\b(?:thm|lem|prop|def|eq|ex|fig)-[a-z][\w-]*")
BACK = "async (path) => { await window.jupyterapp.commands.execute('docmanager:open', { path }); }"
LINKS = ".jp-MarkdownCell a[href*='.ipynb'][href*='#']"


def open_notebook(browser, address, name):
    """Open a notebook and wait until all of its text is typeset."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    page.goto(f"{address}/lab/tree/{name}?reset")
    page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.isReady")
    page.wait_for_function(
        """() => {
          const cells = [...window.jupyterapp.shell.currentWidget.node.querySelectorAll(".jp-MarkdownCell")];
          return cells.length && cells.every((cell) => cell.querySelector(".myst")?.textContent.trim());
        }"""
    )
    page.evaluate("() => document.querySelectorAll('.myst details').forEach((fold) => { fold.open = true; })")
    return page


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_references_are_read_and_lead_there(browser, lab, path):
    address, folder = lab
    page = open_notebook(browser, address, path.name)
    shown = page.locator(".jp-MarkdownCell .myst").all_inner_texts()
    assert not sorted(set(LABEL.findall(" ".join(shown))))
    wanted = {}  # of the links, one into each other notebook, and its place there
    for link in page.locator(LINKS).all():
        href = urlparse(unquote(link.evaluate("(a) => a.href")))
        name = href.path.rsplit("/", 1)[1]
        assert (folder / name).exists(), href
        assert re.fullmatch(rf"\w+ “.+” of chapter {int(name[:2])}", link.text_content())
        wanted.setdefault(name, (link, href.fragment))
    for name, (link, fragment) in wanted.items():
        page.evaluate(BACK, path.name)
        link.click()
        page.wait_for_function("(name) => window.jupyterapp.shell.currentWidget?.context?.path === name", arg=name)
        page.locator(f".jp-NotebookPanel:not(.lm-mod-hidden) [id='{fragment}']").wait_for()
    page.close()
