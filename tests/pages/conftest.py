"""What tests of pages share: a small book, built as this one is."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.sources import ROOT

MOVED = "```{prf:proposition} Gamma\n:label: prop-gamma\n$$z$$ (eq-gamma)\n```\n"
ONE = (
    "# One\n\n{first}"
    "```{{prf:theorem}} Alpha\n:label: thm-alpha\n$$x$$ (eq-alpha)\n```\n"
    "```{{prf:lemma}} Beta\n:label: lem-beta\nBeta.\n```\n"
    "```{{exercise}} Easy\n:label: ex-easy\nDo.\n```\n{last}"
)
TWO = (
    "# Two\n\n```{prf:theorem} Own\n:label: thm-own\n```\n"
    "By {prf:ref}`thm-alpha`, {prf:ref}`lem-beta`, {prf:ref}`prop-gamma`, {eq}`eq-alpha`, {eq}`eq-gamma`, "
    "{prf:ref}`thm-own` and {ref}`ex-easy`.\n"
)
MAP = "# Map\n\n```{results-map}\nthm-alpha | lem-beta | prop-gamma\n```\n"


@pytest.fixture
def small_book(tmp_path, request):
    """A function that builds a book of a few pages as this book is built, and gives {name: its parsed HTML}.

    Its parameter may have notebooks: {name: the cells' sources}.
    """
    more = getattr(request, "param", {})
    (tmp_path / "book").mkdir()
    for name, cells in more.items():
        notebook = new_notebook(cells=[new_markdown_cell(f"# {name}"), *map(new_code_cell, cells)])
        nbformat.write(notebook, tmp_path / "book" / f"{name}.ipynb")
    for name in ("_ext", "_static"):
        shutil.copytree(ROOT / "book" / name, tmp_path / "book" / name)
    shutil.copy(ROOT / "book" / "references.bib", tmp_path / "book")
    shutil.copy(ROOT / "_config.yml", tmp_path)
    (tmp_path / "rlbook").symlink_to(ROOT / "rlbook")
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    toc["parts"] = [
        {"numbered": 1, "chapters": [{"file": f"book/{name}"} for name in ("one", "two", *more)]},
        {"chapters": [{"file": f"book/{name}"} for name in ("map", "exercises", "ledger", "api")]},
    ]
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc))
    pages = {
        "index": "# Book\n\nSee {prf:ref}`prop-gamma` and [](one.md).\n",
        "one": ONE.format(first="", last=MOVED),
        "two": TWO,
        "map": MAP,
        "exercises": "# Exercises\n\n```{exercises} one\n```\n",
        "ledger": "# Ledger\n\n```{ledger} one\n```\n\n```{ledger} two\n```\n",
        "api": "# The package\n\n```{api} rlbook.studies\n```\n",
    }
    for name, text in pages.items():
        (tmp_path / "book" / f"{name}.md").write_text(text)

    def build(**changed):
        for name, text in changed.items():
            (tmp_path / "book" / f"{name}.md").write_text(text)
        command = [str(Path(sys.executable).parent / "jupyter-book"), "build", ".", "-n", "-W", "--keep-going"]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        html = tmp_path / "_build" / "html"
        names = [f"book/{name}.html" for name in (*pages, *more)]
        return {name: BeautifulSoup((html / name).read_text(), "html.parser") for name in names}, html

    return build
