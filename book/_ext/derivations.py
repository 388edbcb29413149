"""Derivations on the pages: their script and styles where there is one, the list of all, and the errata's numbers.

* What `derive("…")` shows in a notebook is Markdown, which the page typesets (rlbook/derivations/display.py).
* `{derivations}` stands for all derivations of the book, chapter by chapter, each with the statements that it proves.
* In the errata, an item that is a slip of a derivation gets a row with its value and the right one, from that object.
"""

import hashlib
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

import rlbook.derivations
from book._ext.chapters import title_of
from book._ext.claims import MendsNode, labels_in
from rlbook.derivations import NAMES, derive
from rlbook.derivations.display import markdown, shown, shown_line

MARK = 'class="rl-derivation"'
ROOMS = sorted(Path(rlbook.derivations.__file__).parent.glob("*.py"))
PAGE = "lines"  # which has them all


def chapters(folder):
    """The notebooks of a folder with the names of the derivations of their statements: [(path, [name, …]), …]."""
    found = []
    for path in sorted(folder.glob("*.ipynb")):
        labels = set(labels_in(path))
        found.append((path, [name for name in NAMES if labels.intersection(derive(name).proves)]))
    return [(path, names) for path, names in found if names]


class Derivations(SphinxDirective):
    """`{derivations}`: all of them, with a section for each chapter and each derivation."""

    def run(self):
        depend_on_rooms(self.env)
        folder = Path(self.env.doc2path(self.env.docname)).parent
        found = []
        for path, names in chapters(folder):
            self.env.note_dependency(str(path))
            section = self.section(path.stem, f"{int(path.name[:2])}. {title_of(path).partition(':')[0]}")
            for name in names:
                section += self.derivation(derive(name))
            found.append(section)
        return found

    def derivation(self, derivation):
        section = self.section(derivation.name, derivation.title)
        proved = ", ".join(
            f"{{{'eq' if label.startswith('eq-') else 'prf:ref'}}}`{label}`" for label in derivation.proves
        )
        text = f'Proves {proved}; `derive("{derivation.name}")`.\n\n{markdown(derivation, heading=False)}'
        self.state.nested_parse(StringList(text.splitlines(), self.env.docname), self.content_offset, section)
        return section

    def section(self, name, title):
        section = nodes.section(ids=[f"line-{name}"], names=[f"line-{name}"])
        section += nodes.title("", title)
        return section


def depend_on_rooms(env):
    for path in ROOMS:
        env.note_dependency(str(path))


def slips():
    """The slips that are items of the errata: {item: [(derivation, number of the line, line, slip), …]}."""
    found = {}
    for derivation in map(derive, NAMES):
        for number, line in enumerate(derivation.lines, start=1):
            for slip in line.slips:
                if slip.mends:
                    found.setdefault(slip.mends, []).append((derivation, number, line, slip))
    return found


def add_values(app, doctree):
    """Before the tests of an item of the errata, a row with what its slips come to."""
    marks = list(doctree.findall(MendsNode))
    if not marks:
        return
    depend_on_rooms(app.env)
    known = slips()
    for mark in marks:
        row = mark
        while not isinstance(row, nodes.definition_list_item):
            row = row.parent
        if mark["item"] in known:
            body = nodes.definition("", *(numbers(*of) for of in known[mark["item"]]))
            row.parent.insert(row.parent.index(row), nodes.definition_list_item("", nodes.term("", "In numbers"), body))


def numbers(derivation, number, line, slip):
    """What a slip comes to, and what the line does, in the derivation's first world."""
    title = derivation.title.replace("'", "’")  # nobody has set it as the page's text is set
    home = nodes.reference("", title, refuri=f"{PAGE}.html#line-{derivation.name}", internal=True)
    wrong, right = (f"({value})" if ", " in value else value for value in (shown(slip.value), shown_line(line)))
    where, what = nodes.Text(f", line {number}: "), nodes.Text(f" comes to {wrong}, the line to {right}.")
    return nodes.paragraph("", "", home, where, nodes.math("", slip.latex), what, classes=["rl-numbers"])


def dress_page(app, pagename, templatename, context, doctree):
    if MARK in context.get("body", ""):
        app.add_css_file("derivations.css")
        app.add_js_file("derivations.js", loading_method="defer")


def setup(app):
    # A value of the configuration, so that Sphinx reads the errata and the list anew when a derivation changes.
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in ROOMS)).hexdigest()
    app.add_config_value("derivations_source", digest, "env")
    app.add_directive("derivations", Derivations)
    app.connect("doctree-read", add_values)
    app.connect("html-page-context", dress_page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
