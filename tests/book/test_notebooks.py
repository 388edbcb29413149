"""The notebooks run to their end, once, when the book is built; and they are stored clean."""

import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from jupyter_cache import get_cache
from sphinx.errors import ExtensionError

from book._ext import rerun
from rlbook.widgets import __all__ as WIDGETS
from tests.sources import NOTEBOOKS, ROOT

WIDGET = "application/vnd.jupyter.widget-view+json"
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@each_notebook
def test_stored_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            assert not cell.outputs, f"{path.name}, cell {number}: has outputs; run nbstripout"
            assert cell.execution_count is None, f"{path.name}, cell {number}: has an execution count"


@each_notebook
def test_form_of_a_chapter(path):
    """Short cells, no functions, one sentence a line, no private macros."""
    notebook = nbformat.read(path, as_version=4)
    lengths = []
    for number, cell in enumerate(notebook.cells):
        where = f"{path.name}, cell {number}"
        if cell.cell_type == "code":
            lengths.append(len(cell.source.splitlines()))
            assert lengths[-1] <= 15, f"{where}: {lengths[-1]} lines"
            assert not re.search(r"^\s*(def|class) ", cell.source, re.MULTILINE), f"{where}: defines what rlbook should"
        else:
            assert "\\newcommand" not in cell.source, f"{where}: a private macro"
            assert "\\def" not in cell.source, f"{where}: a private macro"
    assert 12 <= len(lengths) <= 20
    assert statistics.median(lengths) <= 6


@each_notebook
def test_ran_to_its_end_without_an_error(path, site):
    """What the build of the book executed: every cell, in order, none with an error or a traceback."""
    cache = get_cache(ROOT / "_build" / ".jupyter_cache")
    executed = cache.match_cache_file(path)
    notebook = cache.get_cache_bundle(executed.pk).nb
    counts = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            counts.append(cell.execution_count)
            live = [output for output in cell.outputs if WIDGET in output.get("data", {})]
            expected = any(f"{name}(" in cell.source for name in WIDGETS)
            assert len(live) == expected, f"{path.name}, cell {number}: a stray progress bar"
            for output in cell.outputs:
                assert output.output_type != "error", f"{path.name}, cell {number}: {output.evalue}"
                assert output.get("name") != "stderr", f"{path.name}, cell {number}: stderr {output.text}"
    assert counts == list(range(1, len(counts) + 1))


def small_book(folder, **pages):
    """A book of some pages with one cell each, and a package in `folder`, that uses this book's own extension."""
    (folder / "book").mkdir()
    (folder / "rlbook").mkdir()
    shutil.copytree(ROOT / "book" / "_ext", folder / "book" / "_ext")
    (folder / "_config.yml").write_text(
        "title: Small\nonly_build_toc_files: true\nexecute:\n  execute_notebooks: cache\n"
        "sphinx:\n  local_extensions:\n    book._ext.rerun: .\n  config:\n    nb_execution_raise_on_error: true\n"
    )
    root, *others = pages
    chapters = "".join(f"- file: book/{name}\n" for name in others)
    (folder / "_toc.yml").write_text(f"format: jb-book\nroot: book/{root}\n{'chapters:' if others else ''}\n{chapters}")
    for name, code in pages.items():
        write_page(folder, name, code)


def write_page(folder, name, code):
    cell = nbformat.v4.new_code_cell(f"import sys; sys.path.insert(0, '..')\n{code}", id="only")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# Page"), cell], metadata={**kernel, "language_info": {"name": "python"}}
    )
    nbformat.write(notebook, folder / "book" / f"{name}.ipynb")


def build(folder):
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def ran(folder):
    """Build, and say which pages' notebooks were run for it."""
    result = build(folder)
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    return re.findall(r"(\w+)\.ipynb: Executing notebook", said)


@pytest.mark.slow
def test_a_change_in_the_package_reaches_the_pages_that_import_it_and_runs_no_other(tmp_path):
    """The notebooks' own cells stay the same; what they import changes, and the pages must show it."""
    number, word = "from rlbook.number import NUMBER; print('is', NUMBER)", "import rlbook; print('says', rlbook.say())"
    small_book(tmp_path, number=number, word=word)
    package, html = tmp_path / "rlbook", tmp_path / "_build" / "html" / "book"
    (package / "__init__.py").write_text("from rlbook.speech import say\n")
    (package / "speech.py").write_text("def say():\n    from .words import WORD\n    return WORD\n")
    (package / "words.py").write_text("WORD = 'hello'\n")
    (package / "number.py").write_text("NUMBER = 1001\n")
    (package / "widgets" / "static").mkdir(parents=True)
    assert sorted(ran(tmp_path)) == ["number", "word"]
    assert "is 1001" in (html / "number.html").read_text()

    (package / "number.py").write_text("NUMBER = 2002\n")
    (package / "widgets" / "static" / "widgets.css").write_text("p {}")
    (package / "unused.py").write_text("import rlbook.number\n")
    assert ran(tmp_path) == ["number"]
    assert "is 2002" in (html / "number.html").read_text()

    (package / "words.py").write_text("WORD = 'goodbye'\n")
    write_page(tmp_path, "number", number.replace("is", "was"))
    assert sorted(ran(tmp_path)) == ["number", "word"]
    assert "says goodbye" in (html / "word.html").read_text()

    (package / "number.py").write_text("NUMBER = 3003\n")
    assert ran(tmp_path) == ["number"]
    write_page(tmp_path, "number", number)  # whose outputs of the first builds are not those of today
    assert ran(tmp_path) == ["number"]
    assert "is 3003" in (html / "number.html").read_text()
    assert not ran(tmp_path)


@pytest.mark.parametrize("named", ["../elsewhere", "..", ".", "../../work", "../_build", "../_build/../elsewhere"])
def test_no_folder_outside_the_build_is_emptied(tmp_path, monkeypatch, named):
    """Not if the configuration names it as the cache, nor the folder of the build as a whole."""
    kept = tmp_path / "work" / "elsewhere" / "kept.txt"
    for folder in (kept.parent, tmp_path / "work" / "book", tmp_path / "work" / "_build" / "html"):
        folder.mkdir(parents=True)
    kept.write_text("mine")
    monkeypatch.chdir(tmp_path / "work" / "book")  # so that nothing but this test's own could be lost
    config = SimpleNamespace(nb_execution_cache_path=named)
    app = SimpleNamespace(config=config, outdir=tmp_path / "work" / "_build" / "html", srcdir=tmp_path / "work")
    with pytest.raises(ExtensionError, match="must lie within"):
        rerun.forget_stale_outputs(app, SimpleNamespace(found_docs=[]), set(), set(), set())
    assert kept.read_text() == "mine"


@pytest.mark.slow
def test_a_failing_cell_fails_the_build_and_is_named(tmp_path):
    small_book(tmp_path, page="x = 0\n1 / x  # the culprit")
    result = build(tmp_path)
    said = result.stdout + result.stderr
    assert result.returncode != 0
    assert "page.ipynb" in said
    assert "the culprit" in said
    assert "ZeroDivisionError" in said
