"""A cell that a reader runs again says what it said before: by the notebooks' names, and by running them.

By their names: where a cell takes a name from another cell, one cell alone binds it, an earlier one, and nobody
changes what it stands for. Then, by induction over the cells, each of them makes the same of the same whenever it is
run after all have run. A name that every cell which reads it has bound before is that cell's own, and may recur.

And a reader may begin at any section: what its cells take from elsewhere, the set-up has bound, whose cells stand
folded before the first section.
"""

import ast
import builtins
import dis
import inspect
import os
import re
from contextlib import contextmanager
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient

from book._ext.side_by_side import own_sockets
from tests.sources import NOTEBOOKS, ROOT

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
SET_UP = "set-up"  # the tag of the cells that have to run before one begins at a section
TIMED = "measured-times"  # the tag of a cell that prints or draws seconds, which are never the same twice
CHANGING = set("append extend insert pop popitem remove clear update setdefault add discard sort reverse".split())
CHANGING |= set("fill put resize shuffle step reset seed".split())
STATEFUL = set("default_rng RandomState Generator iter count cycle map zip filter enumerate reversed open".split())


def names(source):
    """The names that a cell reads before it has bound them, and those that it binds."""
    read, bound = set(), set()

    def walk(code):
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_NAME", "LOAD_GLOBAL") and step.argval not in bound:
                read.add(step.argval)
            elif step.opname in ("STORE_NAME", "STORE_GLOBAL", "DELETE_NAME"):
                bound.add(step.argval)
            elif inspect.iscode(step.argval):  # a comprehension or lambda: as if it ran here
                walk(step.argval)

    walk(compile(source, "<cell>", "exec"))
    return read - {*dir(builtins), "display"}, bound  # which every notebook has


def root(node):
    """The name at the left end of x.y[0].z."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def changed(source):
    """The names of what a cell changes in place: x[0] = …, x.y += …, del x[0], x.append(…)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            yield root(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            yield root(node.func)


def stateful(source):
    """The names that a cell gives to what every use changes: a generator of random numbers, an environment, …"""
    for node in ast.walk(ast.parse(source)):
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts, strict=True)
            for name, value in pairs:
                maker = ast.unparse(value.func) if isinstance(value, ast.Call) else ""
                uses_up = maker == "gym.make" or maker.split(".")[-1] in STATEFUL or isinstance(value, ast.GeneratorExp)
                if isinstance(name, ast.Name) and uses_up:
                    yield name.id


def complaints(cells):
    """What keeps a list of cells' sources from saying the same again."""
    known, found = [names(source) for source in cells], []
    for i, (read, _) in enumerate(known):
        for name in sorted(read):
            binders = [k for k, (_, theirs) in enumerate(known) if name in theirs]
            if len(binders) != 1 or binders[0] >= i:
                found.append(f"cell {i} takes {name!r} from elsewhere, which is bound in cells {binders}")
            elif name in stateful(cells[binders[0]]):
                found.append(f"cell {i} uses up {name!r} of cell {binders[0]}: make it in the cell that uses it")
        found += [f"cell {i} changes {name!r} of another cell" for name in changed(cells[i]) if name in read]
    return found


def sections(notebook):
    """A notebook's code cells without the set-up, as {heading: cells}; those before the first heading are under ""."""
    found = {"": []}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found |= {heading: [] for heading in re.findall(r"^## (.+)$", cell.source, re.M)}
        elif SET_UP not in cell.metadata.get("tags", []):
            found[list(found)[-1]].append(cell)
    return found


def set_up(notebook):
    return [cell for cell in notebook.cells if SET_UP in cell.metadata.get("tags", [])]


def lacking(notebook):
    """What keeps a notebook from being begun at any section once its set-up has run."""
    bound = set().union(*(names(cell.source)[1] for cell in set_up(notebook)))
    for heading, cells in sections(notebook).items():
        here = set(bound)
        for cell in cells:
            read, binds = names(cell.source)
            yield from (f"“{heading}” takes {name!r} from another section" for name in sorted(read - here))
            here |= binds


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        (["x = 1", "print(x)", "y = 2\nprint(y)", "y = 3\nprint(y)"], None),
        (["x = 1", "print(x)", "x = 2\nprint(x)"], "cell 1 takes 'x' from elsewhere, which is bound in cells [0, 2]"),
        (["x = 1", "[print(x) for y in [1]]", "for x in [2]: pass"], "which is bound in cells [0, 2]"),
        (["x = 1", "f = lambda: x", "import x"], "which is bound in cells [0, 2]"),
        (["x = 1", "[x for x in [2]]", "print(x)"], None),
        (["x = 1", "x += 1"], "cell 1 takes 'x' from elsewhere, which is bound in cells [0, 1]"),
        (["print(x)", "x = 1"], "cell 0 takes 'x' from elsewhere, which is bound in cells [1]"),
        (["print(x)"], "which is bound in cells []"),
        (["rng = np.random.default_rng(0)\nimport numpy as np"], "which is bound in cells [0]"),
        (["from numpy.random import default_rng", "rng = default_rng(0)", "rng.normal()"], "uses up 'rng' of cell 1"),
        (["import m", "a, rng = 1, m.default_rng(0)", "m.f(a, rng)"], "cell 2 uses up 'rng' of cell 1"),
        (["import m, gym", "env = gym.make(1)\nenv.reset()", "m.learn(env)"], "cell 2 uses up 'env' of cell 1"),
        (["x = [1]", "squares = (y * y for y in x)", "print(list(squares))"], "cell 2 uses up 'squares' of cell 1"),
        (["x = [1]", "a, b = map(abs, [1, 2])\nx = [*x]"], "cell 1 takes 'x' from elsewhere"),
        (["x = [1]", "x[0] = 2"], "cell 1 changes 'x' of another cell"),
        (["x = [[1]]", "x[0].append(2)"], "cell 1 changes 'x' of another cell"),
        (["x = [1]", "y = [*x]\ny.append(2)\ny[0] = 3"], None),
    ],
)
def test_the_rule_sees_what_breaks_a_second_run(cells, complaint):
    found = complaints(cells)
    assert any(complaint in line for line in found) if complaint else not found


@each_notebook
def test_names_are_shared_so_that_cells_may_be_run_again(path):
    notebook = nbformat.read(path, as_version=4)
    found = complaints([cell.source for cell in notebook.cells if cell.cell_type == "code"])
    assert not found, f"{path.name}, code cells from 0:\n" + "\n".join(found)


def notebook_of(*cells):
    """A notebook of headings, of set-up cells, which begin with "!", and of others."""
    made = []
    for cell in cells:
        if cell.startswith("##"):
            made.append(nbformat.v4.new_markdown_cell(cell))
        else:
            tags = [SET_UP] if cell.startswith("!") else []
            made.append(nbformat.v4.new_code_cell(cell.lstrip("!"), metadata={"tags": tags}))
    return nbformat.v4.new_notebook(cells=made)


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        (["!x = 1", "## A", "y = x", "print(y)", "## B", "print(x)"], []),
        (["!x = 1", "## A", "y = x", "## B", "print(y)"], ["“B” takes 'y' from another section"]),
        (["x = 1", "## A", "print(x)"], ["“A” takes 'x' from another section"]),
        (["!x = 1", "## A", "y = 1", "## B\n\n## C", "[y for x in [x]]"], ["“C” takes 'y' from another section"]),
    ],
)
def test_the_rule_sees_what_another_section_has_bound(cells, complaint):
    assert list(lacking(notebook_of(*cells))) == complaint


@each_notebook
def test_any_section_may_be_begun_with_once_the_set_up_has_run(path):
    notebook = nbformat.read(path, as_version=4)
    first = next(i for i, cell in enumerate(notebook.cells) if "## " in cell.source[:3])
    assert set_up(notebook) == set_up(SimpleNamespace(cells=notebook.cells[:first])) != []
    assert all("hide-input" in cell.metadata.tags for cell in set_up(notebook)), "folded on the page"
    assert any("begin at any section" in cell.source for cell in notebook.cells[:first])
    found = list(lacking(notebook))
    assert not found, f"{path.name}:\n" + "\n".join(found)


def said(cell):
    """What a cell printed, returned and drew, without what says nothing: addresses, dates and measured seconds."""
    timed, parts = TIMED in cell.metadata.get("tags", []), []
    for output in cell.outputs:
        assert output.output_type != "error", f"{output.ename}: {output.evalue}\nin\n{cell.source}"
        data = {"text/plain": output.text} if output.output_type == "stream" else output.data
        text = re.sub(r"0x[0-9a-f]+", "0x…", data.get("text/plain", ""))
        parts.append(re.sub(r"\d+\.\d+ s\b", "… s", text) if timed else text)
        if not timed:
            parts.append(re.sub(r"<dc:date>.*?</dc:date>", "", data.get("image/svg+xml", "")))
    return "".join(parts)


@contextmanager
def running(notebook):
    """A kernel in which `run(cell)` runs one of the notebook's cells."""
    # A core for each notebook, for as many run as there are processes of tests.
    own = {"PYTHONPATH": str(ROOT), "TQDM_DISABLE": "1", "LOKY_MAX_CPU_COUNT": "1"}

    def run(cell):
        client.execute_cell(cell, notebook.cells.index(cell))
        return said(cell)

    where = {"metadata": {"path": str(ROOT / "book")}}
    with own_sockets() as config:
        client = NotebookClient(notebook, timeout=None, kernel_name="python3", resources=where, config=config)
        with client.setup_kernel(env=os.environ | own):
            yield run


@pytest.mark.slow
@each_notebook
def test_each_cell_run_again_from_the_last_to_the_first_says_the_same(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    with running(notebook) as run:
        before, unlike = [run(cell) for cell in code], []
        for cell, then in reversed(list(zip(code, before, strict=True))):
            if (now := run(cell)) != then:
                unlike.append(f"{cell.source}\nsaid\n{then[:600]}\nand then\n{now[:600]}")
    assert not unlike, f"{path.name}:\n" + "\n\n".join(unlike)


@pytest.mark.slow
def test_a_chapter_begun_at_a_later_section_says_what_it_says_as_a_whole():
    path = next(path for path in NOTEBOOKS if path.stem == "04-occupancy")  # the quickest
    whole, notebook = (nbformat.read(path, as_version=4) for _ in range(2))
    with running(whole) as run:
        said_by = {cell.id: run(cell) for cell in whole.cells if cell.cell_type == "code"}
    headings = list(sections(notebook))
    later = [cell for heading in headings[len(headings) // 3 :] for cell in sections(notebook)[heading]]
    assert len(later) > 5
    with running(notebook) as run:
        for cell in [*set_up(notebook), *later]:
            assert run(cell) == said_by[cell.id], cell.source
