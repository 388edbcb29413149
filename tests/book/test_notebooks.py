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

from book._ext import numbers, rerun, side_by_side
from rlbook import statements
from rlbook.widgets import __all__ as WIDGETS
from tests.causes import causes
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


def test_help_has_the_numbers_that_the_chapters_give():
    assert numbers.counted() == statements.NAMES, "`.venv/bin/python -m book._ext.numbers` puts it right"


@each_notebook
def test_form_of_a_chapter(path):
    """Short cells, no functions, no private macros."""
    notebook = nbformat.read(path, as_version=4)
    lengths, shown = [], 0
    for number, cell in enumerate(notebook.cells):
        where = f"{path.name}, cell {number}"
        if cell.cell_type == "code":
            lengths.append(len(cell.source.splitlines()))
            shown += bool(re.search(r"^(derive\(|\w+\(step=)", cell.source, re.MULTILINE))  # a proof, a lesson
            assert lengths[-1] <= 15, f"{where}: {lengths[-1]} lines"
            assert not re.search(r"^\s*(def|class) ", cell.source, re.MULTILINE), f"{where}: defines what rlbook should"
        else:
            assert "\\newcommand" not in cell.source, f"{where}: a private macro"
            assert "\\def" not in cell.source, f"{where}: a private macro"
    assert 12 <= len(lengths) - shown <= 25
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


def small_book(folder, *pages, **named):
    """A book in `folder` with a package and the book's own extensions; each page is given as its cells' code.

    The pages are called page, page2, …, or by name, with one cell each.
    """
    (folder / "book").mkdir()
    (folder / "rlbook").mkdir()
    (folder / "rlbook" / "__init__.py").touch()
    shutil.copytree(ROOT / "book" / "_ext", folder / "book" / "_ext")
    (folder / "_config.yml").write_text(
        "title: Small\nonly_build_toc_files: true\nexecute:\n  execute_notebooks: cache\n"
        "sphinx:\n  local_extensions:\n    book._ext.rerun: .\n    book._ext.side_by_side: .\n"
        "  config:\n    nb_execution_raise_on_error: true\n"
    )
    pages = {f"page{number if number > 1 else ''}": cells for number, cells in enumerate(pages, start=1)}
    pages |= {name: [code] for name, code in named.items()}
    root, *others = pages
    chapters = "".join(f"- file: book/{name}\n" for name in others)
    (folder / "_toc.yml").write_text(f"format: jb-book\nroot: book/{root}\n" + (chapters and f"chapters:\n{chapters}"))
    for name, cells in pages.items():
        write_page(folder, name, *cells)


def write_page(folder, name, *cells):
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(code, id=f"cell-{number}") for number, code in enumerate(cells)]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell(f"# {name}", id="title"), *cells],
        metadata={**kernel, "language_info": {"name": "python"}},
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
    assert "Executing notebook" not in said, "run side by side, and not by myst-nb again"
    return re.findall(r"(\w+)\.ipynb: ran in", said)


@pytest.mark.slow
def test_a_change_in_the_package_reaches_the_pages_that_import_it_and_runs_no_other(tmp_path):
    """The notebooks' own cells stay the same; what they import changes, and the pages must show it."""
    path = "import sys; sys.path.insert(0, '..')\n"
    number = f"{path}from rlbook.number import NUMBER; print('is', NUMBER)"
    word = f"{path}import rlbook; print('says', rlbook.say())"
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
    """The notebook, the cell's number, its source and its error; and the other notebook has run."""
    small_book(tmp_path, ["x = 0", "1 / x  # the culprit"], ["print(1)"])
    result = build(tmp_path)
    said = result.stdout + result.stderr
    assert result.returncode != 0
    assert "book/page.ipynb, code cell 2: ZeroDivisionError: division by zero" in said
    assert "the culprit" in said
    assert "----> 1 1 / x" in said, "the traceback"
    assert "book/page2.ipynb: ran in" in said

    told = causes(said)
    assert told.startswith("Extension error:\nbook/page.ipynb, code cell 2: ZeroDivisionError: division by zero\n")
    assert told.endswith("----> 1 1 / x  # the culprit\n\nZeroDivisionError: division by zero")


def test_the_cause_of_a_failed_build_is_told_without_the_rest():
    """The pages that Sphinx complains of; a page that ends the build; the last lines where neither can be found."""
    noise = "reading sources... [ 50%] book/map\n" * 200
    complaint = "/x/book/03-natural-gradient.ipynb:20002: WARNING: undefined label: 'thm-x' [ref.ref]"
    assert causes(f"{noise}\x1b[91m{complaint}\x1b[39;49;00m\n{noise}build finished with problems\n") == complaint
    error = "Extension error:\nlean: book/map.html links no stylesheet"
    inside = 'Traceback (most recent call last):\n  File "x"\n'
    assert causes(f"{noise}\x1b[91mExtension error:\x1b[0m\nlean: book/map.html links no stylesheet\n{inside}") == error
    assert causes(f"{complaint}\n{error}\n{inside}") == f"{complaint}\n{error}"
    assert causes(noise + "make: *** No rule to make target").endswith("\nmake: *** No rule to make target")
    assert len(causes(noise).splitlines()) == 40


MEET = """import pathlib, time
pathlib.Path("came-{mine}").touch()
end = time.monotonic() + 60
while not pathlib.Path("came-{other}").exists():
    assert time.monotonic() < end, "the other notebook was not begun"
    time.sleep(0.05)
"""


def test_notebooks_run_side_by_side_each_once_on_one_thread(tmp_path):
    """Two wait for each other: in turn, neither could end. The one that takes no time is not held up by them."""
    threads = "import os\nprint(os.environ['OMP_NUM_THREADS'], os.environ['LOKY_MAX_CPU_COUNT'])"
    cells = [MEET.format(mine=1, other=2)], [MEET.format(mine=2, other=1)], [threads]
    small_book(tmp_path, *cells)
    paths = sorted((tmp_path / "book").glob("*.ipynb"))
    ran = {path: (notebook, wrong) for path, notebook, _, wrong in side_by_side.run_all(paths, 120, processes=2)}
    assert set(ran) == set(paths)
    assert [wrong for _, wrong in ran.values()] == ["", "", ""]
    said = ran[paths[2]][0].cells[1].outputs[0].text.split()
    assert said == ["1", str(max(1, side_by_side.cores() // 2))]


def test_what_is_printed_in_pieces_is_one_output_as_it_was_printed(tmp_path):
    """A kernel sends what there is every so often: where it was cut is no end of a line."""
    pieces = (
        "import time\nfor piece in ('a ', 'b\\n\\n', 'c'):\n    print(piece, end='', flush=True)\n    time.sleep(0.5)"
    )
    small_book(tmp_path, [pieces])
    [(_, notebook, _, wrong)] = side_by_side.run_all([tmp_path / "book" / "page.ipynb"], 60, processes=1)
    assert (wrong, [output.text for output in notebook.cells[1].outputs]) == ("", ["a b\n\nc"])


@pytest.mark.parametrize(
    ("code", "timeout", "complaint"),
    [
        ("import time; time.sleep(60)", 1, "timed out"),
        ("import os; os._exit(1)", 60, "Kernel died"),
        ("if True print()", 60, "SyntaxError"),
    ],
)
def test_a_cell_that_never_ends_or_kills_its_kernel_is_named_too(tmp_path, code, timeout, complaint):
    small_book(tmp_path, ["1", code])
    [(_, _, _, wrong)] = side_by_side.run_all([tmp_path / "book" / "page.ipynb"], timeout, processes=1)
    assert wrong.startswith("code cell 2: ")
    assert complaint in wrong


def test_only_a_notebook_whose_code_has_changed_runs(tmp_path):
    """Not the other pages' that are read anew, nor one whose words have changed; one that fails keeps no other."""
    small_book(tmp_path, *([f"with open('runs-{number}', 'a') as runs: runs.write('once ')"] for number in (1, 2)))
    path = tmp_path / "book" / "page2.ipynb"
    cache = SimpleNamespace(execution_mode="cache", execution_cache_path=str(tmp_path / "cache"), execution_timeout=60)
    env = SimpleNamespace(mystnb_config=cache, doc2path=lambda name: str(tmp_path / f"{name}.ipynb"))
    app = SimpleNamespace(config=SimpleNamespace(notebooks_first=["book/page2"]), srcdir=tmp_path)
    notebook = nbformat.read(path, as_version=4)

    def runs():
        side_by_side.fill_cache(app, env, ["book/page", "book/page2"])
        return [(tmp_path / "book" / f"runs-{number}").read_text().count("once") for number in (1, 2)]

    assert runs() == [1, 1]
    notebook.cells[0].source += " in other words"
    nbformat.write(notebook, path)
    assert runs() == [1, 1]
    notebook.cells.append(nbformat.v4.new_code_cell("1 / 0"))
    nbformat.write(notebook, path)
    with pytest.raises(ExtensionError, match=r"^book/page2\.ipynb, code cell 2: ZeroDivisionError"):
        runs()
    notebook.cells[-1].source = "1 / 1"
    nbformat.write(notebook, path)
    assert runs() == [1, 3]
