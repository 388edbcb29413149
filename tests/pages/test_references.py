"""References from chapter to chapter: in the notebooks links that say what they lead to, on the pages numbers."""

import json
import re
from pathlib import Path

import pytest

from book._ext import references
from book._ext.claims import labels_in, text_of
from tests.sources import NOTEBOOKS

each_chapter = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def links_in(path):
    """The links from a chapter to places in others: [(words, notebook, label)], found without the extension."""
    return re.findall(r"\[([^\[\]]+)\]\(([^()#\s]+)#([^()\s]+)\)", text_of(path))


def label_of(role):
    """The label of a role's content, which may have words of its own before it."""
    return role.rpartition("<")[2].rstrip(">")


@each_chapter
def test_no_reference_needs_another_notebook(path):
    """A role finds its label in its own notebook: JupyterLab knows no other, and would show the label."""
    text = text_of(path)
    own = set(re.findall(r"^:(?:label|name): *(\S+)", text, re.MULTILINE)) | set(labels_in(path))
    own |= set(re.findall(r"^\((\S+)\)=", text, re.MULTILINE))
    used = {label_of(role) for role in re.findall(r"\{(?:prf:ref|eq|ref|numref)\}`([^`]+)`", text)}
    assert used
    assert not sorted(used - own), "labels of other notebooks: run .venv/bin/python -m book._ext.references"


@each_chapter
def test_each_link_says_what_it_leads_to(path):
    """Its notebook is there and has the label; its words are the title there and the chapter."""
    for words, notebook, label in links_in(path):
        target = path.parent / notebook
        assert target in NOTEBOOKS, f"{notebook}#{label}"
        text = text_of(target)
        if label.startswith("eq-"):
            assert re.search(rf"\$\$ \({label}\)|:label: {label}$", text, re.MULTILINE), f"{notebook}#{label}"
            kind, title = "Equation", label.removeprefix("eq-").replace("-", " ")
        else:
            found = re.search(rf"^```+\{{prf:(\w+)\}} ([^\n]+)\n:label: {label}$", text, re.MULTILINE)
            assert found, f"{notebook}#{label}"
            kind, title = found[1].title(), found[2]
        advice = "run .venv/bin/python -m book._ext.references"
        assert words == f"{kind} “{title}” of chapter {1 + NOTEBOOKS.index(target)}", advice
    assert text_of(path).count(".ipynb#") == len(links_in(path)), "a link that this test does not read"


def test_there_are_such_links():
    assert sum(len(links_in(path)) for path in NOTEBOOKS) > 20


@each_chapter
def test_the_page_has_the_number_of_the_target(path, soup):
    """Where the notebook has a link the page has the reference, with the number that the target's own page shows."""
    page = soup(f"book/{path.stem}.html")
    for words, notebook, label in links_in(path):
        stem = Path(notebook).stem
        target = soup(f"book/{stem}.html")
        if label.startswith("eq-"):
            address = f"{stem}.html#equation-{label}"
            number = re.search(r"\(\d+\.\d+\)", target.find(id=f"equation-{label}").get_text())[0]
        else:
            address = f"{stem}.html#{label}"
            title = target.find(id=label).select_one(".admonition-title").get_text()
            number = re.match(r"\w+ \d+\.\d+", title)[0]
        found = page.select(f'article a.reference[href="{address}"]')
        assert found, f"{address} is not on the page"
        assert {link.get_text() for link in found} == {number}
        assert words not in page.select_one("article").get_text()


# The tool that writes the words -----------------------------------------------------------------------------------

ONE = (
    "```{prf:theorem} Alpha\n:class: tip\n:label: thm-a\n$$\nx\n$$ (eq-long-name)\n```\n"
    "By {prf:ref}`lem-b` and [old words](02-two.ipynb#lem-b), with {eq}`eq-long-name`; {prf:ref}`thm-nowhere`."
)
TWO = (
    "```{prf:lemma} Beta\n:label: lem-b\n```\n"
    "See [Lemma](02-two.ipynb#lem-b), {eq}`eq-long-name`, [](01-one.ipynb#thm-a)."
)


@pytest.fixture
def two_chapters(tmp_path):
    """Two notebooks that refer to themselves and to each other in every form, right and wrong."""
    paths = [tmp_path / "01-one.ipynb", tmp_path / "02-two.ipynb"]
    for path, text in zip(paths, (ONE, TWO), strict=True):
        cells = [
            {"cell_type": "markdown", "id": "m", "metadata": {}, "source": text.splitlines(keepends=True)},
            {"cell_type": "code", "id": "c", "metadata": {}, "outputs": [], "source": ["'{eq}`eq-long-name`'"]},
        ]
        notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return paths


def test_references_are_put_right(two_chapters):
    """To another notebook a link with today's title, within one a role; what is no label, and code, stay."""
    assert references.put_all_right(two_chapters) == ["01-one.ipynb", "02-two.ipynb"]
    beta = "[Lemma “Beta” of chapter 2](02-two.ipynb#lem-b)"
    assert text_of(two_chapters[0]).endswith(
        f"By {beta} and {beta}, with {{eq}}`eq-long-name`; {{prf:ref}}`thm-nowhere`."
    )
    assert text_of(two_chapters[1]).endswith(
        "See {prf:ref}`lem-b`, [Equation “long name” of chapter 1](01-one.ipynb#eq-long-name), "
        "[Theorem “Alpha” of chapter 1](01-one.ipynb#thm-a)."
    )
    assert "'{eq}`eq-long-name`'" in two_chapters[1].read_text(encoding="utf-8")
    assert references.put_all_right(two_chapters) == [], "a second time there is nothing to do"


def test_all_that_a_text_cites_is_read():
    assert references.cited_in(ONE) == ["lem-b", "lem-b", "eq-long-name", "thm-nowhere"]
    assert references.cited_in(TWO) == ["lem-b", "eq-long-name", "thm-a"]
