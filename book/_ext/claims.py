"""The ledger: beside every numbered statement of the book, the test that checks it.

A statement is a labelled theorem, lemma, proposition, corollary, definition or displayed equation. A test says
which statements it checks with `@pytest.mark.proves("thm-reinforce", ...)`. This extension reads the markers from
the tests' source, writes "✓ 3 tests" beside each statement, and fills the `{ledger}` directives with the lists
of them all. tests/pages/test_ledger.py uses the same two readers, `labels_in` and `markers_in`, to fail on a statement
that nothing checks and on a marker that names no statement.

The errata go the same way: a test that tells an item's wrong version from the right one is marked
`@pytest.mark.mends(7)`, and the role {mends}`7` shows the tests of item 7.
"""

import ast
import itertools
import os
import re
from pathlib import Path
from typing import NamedTuple

import nbformat
from docutils import nodes
from sphinx.util import docname_join
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx_proof.nodes import NODE_TYPES

from book._ext.launch import repository

KINDS = ("theorem", "lemma", "proposition", "corollary", "definition")


class Check(NamedTuple):
    """A test that proves a statement or mends an item of the errata."""

    file: str
    name: str
    line: int


class Statement(NamedTuple):
    """A statement as the built book shows it."""

    label: str
    name: str
    title: str
    page: str
    anchor: str


def markers_in(folder, kind="proves"):
    """The tests of a folder by the label that they prove: {label: [Check, ...]}; or by another mark's arguments."""
    found = {}
    for path in sorted(Path(folder).rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == f"pytest.mark.{kind}":
                    for label in mark.args:
                        check = Check(path.relative_to(folder).as_posix(), node.name, node.lineno)
                        found.setdefault(ast.literal_eval(label), []).append(check)
    return found


def text_of(page):
    """The Markdown text of a notebook or Markdown page."""
    page = Path(page)
    if page.suffix != ".ipynb":
        return page.read_text(encoding="utf-8")
    cells = nbformat.read(page, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def labels_in(page):
    """The labels of the numbered statements in a notebook or Markdown page, in order."""
    directive = rf"\{{(?:prf:(?:{'|'.join(KINDS)})|math)\}}[^\n]*\n(?::(?!label)[^\n]*\n)*:label:\s*([\w-]+)"
    equation = r"\$\$\s*\(([\w-]+)\)"
    matches = re.finditer(f"{directive}|{equation}", text_of(page))
    return [match.group(1) or match.group(2) for match in matches]


class LedgerNode(nodes.General, nodes.Element):
    """Stands where the list of a page's statements will be, until every page has been read."""


class Ledger(SphinxDirective):
    """`{ledger} 01-reinforce`: the list of that page's statements with the tests that check them."""

    required_arguments = 1

    def run(self):
        return [LedgerNode(page=page_of(self))]


def page_of(directive):
    """The page that a directive's argument names, in the folder of its own."""
    page = docname_join(directive.env.docname, directive.arguments[0])
    if page not in directive.env.found_docs:
        raise directive.error(f"there is no page {page}")
    return page


class MendsNode(nodes.General, nodes.Inline, nodes.Element):
    """Stands where the tests of an item of the errata will be."""


class Mends(SphinxRole):
    """`{mends}`: the tests of an item of the errata, by its number."""

    def run(self):
        return [MendsNode(item=int(self.text))], []


def collect(app, doctree):
    """Note the statements of a page as it is read."""
    statements = []
    for node in doctree.findall():
        if isinstance(node, tuple(NODE_TYPES.values())) and node["realtype"] in KINDS:
            title = node["title"].strip(" ()").replace("'", "’")  # nobody has set it as the page's text is set
            statements.append((node["label"], node["realtype"], node["ids"][0], title))
        elif is_equation(node):
            statements.append((node["label"], "equation", f"equation-{node['label']}", ""))
    app.env.book_statements[app.env.docname] = statements


def annotate(app, doctree, docname):
    """Put its tests beside each statement and fill the ledger."""
    checks, known = app.env.book_checks, statements(app)
    for node in list(doctree.findall()):
        if isinstance(node, tuple(NODE_TYPES.values())) and node["realtype"] in KINDS:
            name = f"{known[node['label']].name} " if any(map(is_equation, node.findall())) else ""
            node.append(checked_by(app, docname, node["label"], checks, of=name))
        elif is_equation(node):
            # the equation's number belongs to its target paragraph, so the note goes right after the block; in a
            # statement, which has a note of its own, each of the two says whose it is
            name = f"{known[node['label']].name} " if within_statement(node) else ""
            note = checked_by(app, docname, node["label"], checks, of=name)
            node.parent.insert(node.parent.index(node) + 1, note)
    for node in list(doctree.findall(LedgerNode)):
        node.replace_self(ledger_table(app, docname, node["page"]))
    for node in list(doctree.findall(MendsNode)):
        node.replace_self(listed(app.env.book_mends.get(node["item"], [])))


def is_equation(node):
    return isinstance(node, nodes.math_block) and bool(node.get("label"))


def within_statement(node):
    while node := node.parent:
        if isinstance(node, tuple(NODE_TYPES.values())) and node["realtype"] in KINDS:
            return True
    return False


def checked_by(app, docname, label, checks, of=""):
    """The fold "✓ 3 tests", which opens to their names and a link to the statement's line in the ledger."""
    note = nodes.container(classes=["checked-by"])
    names = checks.get(label, [])
    if not names:
        return note
    target = app.builder.get_relative_uri(docname, app.config.ledger_page) + f"#checks-{label}"
    count = f"{len(names)} test{'s' if len(names) > 1 else ''}"
    note += nodes.raw("", f"<details><summary>{of}✓ {count}</summary>", format="html")
    note += [nodes.paragraph("", broken(check.name)) for check in names]
    note += nodes.paragraph("", "", nodes.reference("", "In the ledger", refuri=target, internal=True))
    note += nodes.raw("", "</details>", format="html")
    return note


def broken(name):
    """A test's name that may be broken after each underscore; many are long."""
    return name.replace("_", "_\u200b")


def statements(app):
    """All numbered statements of the book by label, in its order, with their numbers."""
    found = {}
    for page in reading_order(app.env):
        numbers = app.env.toc_fignumbers.get(page, {})
        for label, kind, anchor, title in app.env.book_statements.get(page, []):
            key = "displaymath" if kind == "equation" else app.config.prf_realtyp_to_countertyp.get(kind, kind)
            number = ".".join(map(str, numbers.get(key, {}).get(anchor, ())))
            name = f"({number})" if kind == "equation" else f"{kind.title()} {number}"
            found[label] = Statement(label, name, title, page, anchor)
    return found


def ledger_table(app, docname, of):
    """Every statement of a page, in order, with its number and its tests, file by file."""
    table = nodes.table(classes=["ledger"])
    group = nodes.tgroup(cols=2)
    table += group
    group += [nodes.colspec(colwidth=55), nodes.colspec(colwidth=45)]
    head, body = nodes.thead(), nodes.tbody()
    group += [head, body]
    head += row([[nodes.Text("Statement")]], [[nodes.Text("Checked by")]])
    for label, name, title, page, anchor in statements(app).values():
        if page != of:
            continue
        uri = app.builder.get_relative_uri(docname, page) + f"#{anchor}"
        shown = f"Equation {name}" if name.startswith("(") else name
        what = [nodes.reference("", shown, refuri=uri, internal=True), nodes.Text(f" {title}" if title else "")]
        tests = []
        for file, checks in itertools.groupby(app.env.book_checks.get(label, []), key=lambda check: check.file):
            tests.append([nodes.inline("", file, classes=["test-file"])])
            tests += [[linked(check, check.name)] for check in checks]
        line = row([what, [nodes.literal("", label)]], tests)
        line["ids"].append(f"checks-{label}")
        body += line
    return table


def linked(check, text):
    """A test's name as code, a link to its source where that is known."""
    source = source_url()
    name = nodes.literal("", broken(text))
    if not source:
        return name
    return nodes.reference("", "", name, refuri=f"{source}/tests/{check.file}#L{check.line}", internal=False)


def listed(checks):
    """These names, each on a line of its own where there are styles, and else with spaces between."""
    return [
        part
        for check in checks
        for part in (
            nodes.inline("", "", linked(check, f"{check.file}::{check.name}"), classes=["test-name"]),
            nodes.Text(" "),
        )
    ]


def row(*columns):
    """A table row, from the paragraphs of each of its cells."""
    line = nodes.row()
    for column in columns:
        line += nodes.entry("", *(nodes.paragraph("", "", *parts) for parts in column))
    return line


def reading_order(env):
    """Page names in the order of the table of contents."""
    order, waiting = [], [env.config.root_doc]
    while waiting:
        page = waiting.pop(0)
        order.append(page)
        waiting = env.toctree_includes.get(page, []) + waiting
    return order


def source_url():
    """Where this commit's files can be read, where the build runs in a repository that says so."""
    found = repository(os.environ)
    return "{}/blob/{}".format(*found) if found else None


def read_markers(app):
    """At the start of a build: what the tests prove. When that has changed, afresh.py has the pages written anew."""
    app.env.book_checks = markers_in(Path(app.srcdir) / "tests")
    app.env.book_mends = markers_in(Path(app.srcdir) / "tests", "mends")
    if not hasattr(app.env, "book_statements"):
        app.env.book_statements = {}


def forget(app, env, docname):
    env.book_statements.pop(docname, None)


def setup(app):
    app.add_config_value("ledger_page", "book/ledger", "env")
    app.add_node(LedgerNode)
    app.add_node(MendsNode)
    app.add_directive("ledger", Ledger)
    app.add_role("mends", Mends())
    app.connect("builder-inited", read_markers)
    app.connect("env-purge-doc", forget)
    app.connect("doctree-read", collect)
    app.connect("doctree-resolved", annotate)
    return {"version": "1", "parallel_read_safe": False}
