"""Names of the package in a chapter's cells lead to their place on its page, which leads to the sections that use them.

A name is followed through the imports of the notebook's cells, in order, to the object that it stands for; one that a
cell assigns to is the notebook's own, and leads nowhere.
"""

import ast
import html
import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import getdoc
from pathlib import Path
from types import ModuleType

import nbformat
from docutils import nodes
from IPython.core.inputtransformer2 import TransformerManager
from sphinx import addnodes

from book._ext.api import public_names

PAGE = "api"
MOST = 4  # sections that a name is said to be used in
LISTED = re.compile(r"^```\{api\} (\S+)", re.M)
CODE = re.compile(
    r'(<div class="cell_input docutils container">\s*<div class="highlight-\w+[^>]*><div[^>]*><pre>)(.*?)</pre>', re.S
)
TOKEN = re.compile(r"<span\b[^>]*>([^<]*)</span>|<[^>]*>|[^<]+")


@dataclass(frozen=True)
class Use:
    """A name in a cell: the cell's number, the line and column where it begins (from 0), and what it stands for."""

    cell: int
    line: int
    column: int
    name: str
    imported: bool = False  # here, so that nothing is done with it yet


@cache
def documented(page):
    """{object: its name on the page} of all functions and classes that the page of the package lists."""
    found = {}
    for module in LISTED.findall(Path(page).read_text(encoding="utf-8")):
        for name, kind in public_names(module):
            owner, _, short = name.rpartition(".")
            if kind != "data":
                found[getattr(import_module(owner), short)] = name
    return found


def name_of(value, owner, short, listed):
    """How the page calls an object that was reached as owner.short; None if it does not have it."""
    if isinstance(value, ModuleType):
        return None
    try:
        if value in listed:
            return listed[value]
        in_class = isinstance(owner, type) and owner in listed and callable(value)
    except TypeError:  # nothing that the page has is unhashable
        return None
    return f"{listed[owner]}.{short}" if in_class and not short.startswith("_") and getdoc(value) else None


def uses(cells, listed):
    """The names of the package in the sources of a notebook's cells, in order: a list of Use."""
    python = TransformerManager().transform_cell  # which makes Python of %magic and !shell
    trees = [ast.parse(python(cell)) for cell in cells]
    own = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name) and not_read(node)}
    bound, found = {}, []

    def reached(node):
        """(object, owner, last part of the name) that a name or a chain of attributes stands for."""
        if isinstance(node, ast.Name):
            return (*bound[node.id], node.id) if node.id in bound and node.id not in own else None
        start = reached(node.value) if isinstance(node, ast.Attribute) else None
        if start is None or not isinstance(start[0], (ModuleType, type)) or not hasattr(start[0], node.attr):
            return None
        return getattr(start[0], node.attr), start[0], node.attr

    for number, tree in enumerate(trees):
        for node in sorted((n for n in ast.walk(tree) if hasattr(n, "lineno")), key=lambda n: (n.lineno, n.col_offset)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.partition(".")[0] == "rlbook":
                        bound[alias.asname or "rlbook"] = import_module(alias.name if alias.asname else "rlbook"), None
            elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "rlbook":
                module = import_module(node.module)
                for alias in node.names:
                    value = getattr(module, alias.name, None) or import_module(f"{node.module}.{alias.name}")
                    bound[alias.asname or alias.name] = value, module
                    name = name_of(value, module, alias.name, listed)
                    if name:
                        found.append(Use(number, alias.lineno - 1, alias.col_offset, name, imported=True))
            elif isinstance(node, (ast.Name, ast.Attribute)) and (target := reached(node)):
                name = name_of(*target, listed)
                if name:
                    column = node.end_col_offset - len(target[2])
                    found.append(Use(number, node.end_lineno - 1, column, name))
    return sorted(found, key=lambda use: (use.cell, use.line, use.column))


def not_read(node):
    return not isinstance(node.ctx, ast.Load)


@cache
def of_notebook(path, page, stamp):
    """(sources of the code cells, their uses, the headings that they stand under) of a notebook."""
    cells, headings, heading = [], [], ""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            cells.append(cell.source)
            headings.append(heading)
        else:
            heading = ([heading, *re.findall(r"^#+ (.+)$", cell.source, re.M)])[-1]
    return cells, uses(cells, documented(page)), headings


def read(path, page):
    return of_notebook(str(path), str(page), Path(path).stat().st_mtime_ns)


def linked(code, targets):
    """A cell's HTML, the names at the places {(line, column): address} as links; each address once."""
    parts, line, column, done = [], 0, 0, set()
    for token in TOKEN.finditer(code):
        text = html.unescape(token[1] if token[1] is not None else "" if token[0][0] == "<" else token[0])
        address = targets.get((line, column)) if token[1] else None
        if address and address not in done:
            parts.append(f'<a class="code-name" href="{address}">{token[0]}</a>')
            done.add(address)
        else:
            parts.append(token[0])
        breaks = text.count("\n")
        line, column = line + breaks, len(text) - text.rfind("\n") - 1 if breaks else column + len(text)
    return "".join(parts)


def link_names(app, pagename, templatename, context, doctree):
    if doctree is None or not str(app.env.doc2path(pagename)).endswith(".ipynb"):
        return
    cells, found, _ = read(app.env.doc2path(pagename), Path(app.srcdir) / "book" / f"{PAGE}.md")
    numbers = iter(range(len(cells)))

    def put(match):
        shown = html.unescape(re.sub(r"<[^>]*>", "", match[2])).strip()
        number = next((n for n in numbers if cells[n].strip() == shown), None)
        targets = {(use.line, use.column): f"{PAGE}.html#{use.name}" for use in found if use.cell == number}
        return f"{match[1]}{linked(match[2], targets)}</pre>"

    context["body"] = CODE.sub(put, context["body"])


def sections_that_use(notebooks, page):
    """{a name on the package's page: [(what a section is called, its address), ...]}, in the book's order."""
    found = {}
    for path in notebooks:
        _, of_path, headings = read(path, page)
        for use in (use for use in of_path if not use.imported):
            heading = headings[use.cell]
            place = (
                f"{path.stem[:2].lstrip('0')}\N{NO-BREAK SPACE}·\N{NO-BREAK SPACE}{heading}",
                f"{path.stem}.html#{nodes.make_id(heading)}",
            )
            if place not in found.setdefault(use.name, []):
                found[use.name].append(place)
    return found


def say_where(app, doctree):
    """Under each name on the package's page, the sections that use it."""
    if app.env.docname != f"book/{PAGE}":
        return
    page, notebooks = app.env.doc2path(app.env.docname), chapters(app)
    for path in notebooks:
        app.env.note_dependency(str(path))
    found = sections_that_use(notebooks, page)
    for sign in doctree.findall(addnodes.desc_signature):
        places = [place for name in sign["ids"] for place in found.get(name, ())]
        if places:
            line = nodes.paragraph("", "Used in ", classes=["used-in"])
            for n, (heading, address) in enumerate(places[:MOST]):
                line += [nodes.Text(", " * (n > 0)), nodes.reference("", heading, refuri=address, internal=True)]
            if len(places) > MOST:
                more = len(places) - MOST
                line += nodes.Text(f" and {more} more section{'s' * (more > 1)}")
            sign.parent.next_node(addnodes.desc_content).append(line)


def chapters(app):
    return sorted(path for path in (Path(app.srcdir) / "book").glob("[0-9]*.ipynb"))


def setup(app):
    app.connect("doctree-read", say_where)
    app.connect("html-page-context", link_names)
    return {"version": "1", "parallel_read_safe": True}
