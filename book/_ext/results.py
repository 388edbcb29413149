"""The map of results: which statement rests on which, drawn, and as a list.

The directive says only where things stand: one line a row, cells parted by `|`, each empty or a statement's label,
followed by a title of its own where the statement has none. A page has one for each chapter.

    ```{results-map}
    lem-score-zero | | thm-score-function
    lem-admissible | eq-trajectory-law an episode's law | thm-reinforce
    ```

An arrow is drawn from A to B exactly if the statement or the proof of B cites A, by its label or by that of an
equation in it; if A is in another drawing, B has a note with A's number instead. Numbers, titles and links are the
book's; the list below each drawing says the same in words.
"""

import re
import textwrap
from html import escape

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from book._ext.arrows import paths
from book._ext.claims import KINDS, reading_order, statements, text_of
from book._ext.references import cited_in

WIDE, HIGH = 146, 82  # of a box
ACROSS, DOWN = 178, 120  # from box to box
AROUND = 8  # the boxes
LINE = 20  # characters

BLOCK = re.compile(r"```\{prf:(\w+)\}[^\n]*\n(.*?)\n```", re.DOTALL)
NUMBERED = re.compile(r"\$\$\s*\(([\w-]+)\)|\{math\}\n:label:\s*([\w-]+)")


def citations_in(text):
    """What each statement of a page cites in itself and its proof, and in which statement an equation stands.

    Returns ({label: [cited labels, in order]}, {label of an equation: label of the statement or proof it is in}).
    """
    cites, within, label = {}, {}, None
    for kind, body in BLOCK.findall(text):
        if kind in KINDS:
            label = re.search(r":label:\s*([\w-]+)", body)[1]
            cites[label] = []
        elif kind != "proof":
            continue
        cites[label] += cited_in(body)
        within.update({one or other: label for one, other in NUMBERED.findall(body)})
    return cites, within


def rests_on(texts):
    """{label: the labels of the statements that it cites}; an equation in a statement stands for that statement."""
    cites, within = {}, {}
    for text in texts:
        for found, of_page in zip((cites, within), citations_in(text), strict=True):
            found.update(of_page)
    return {label: {within.get(name, name) for name in cited} - {label} for label, cited in cites.items()}


def grid_in(lines):
    """The rows of the directive's lines: [[None or (label, own title or ""), ...] a row]."""
    rows = ([cell.strip().partition(" ") for cell in line.split("|")] for line in lines if line.strip())
    return [[(label, title.strip()) if label else None for label, _, title in cells] for cells in rows]


class MapNode(nodes.General, nodes.Element):
    """Stands where the map will be, until every page has been read."""


class ResultsMap(SphinxDirective):
    has_content = True

    def run(self):
        return [MapNode(rows=grid_in(self.content))]


def draw(app, doctree, docname):
    waiting = list(doctree.findall(MapNode))
    if not waiting:
        return
    known = statements(app)
    cited = rests_on(text_of(app.env.doc2path(page)) for page in reading_order(app.env))
    placed = [cell for node in waiting for row in node["rows"] for cell in row if cell]
    unknown = [label for label, _ in placed if label not in known]
    if unknown:
        raise ExtensionError(f"results-map: no statement has the label {', '.join(unknown)}")
    own = {label: known[label]._replace(title=title or known[label].title) for label, title in placed}
    uri = {
        label: app.builder.get_relative_uri(docname, found.page) + f"#{found.anchor}" for label, found in own.items()
    }
    by_number = sorted(own, key=lambda label: place_of(own[label].name))
    reasons = {label: [a for a in by_number if a in cited.get(label, ())] for label in own}
    for node in waiting:
        svg = nodes.raw("", drawing(node["rows"], own, uri, reasons, node.parent[0].astext()), format="html")
        node.replace_self([svg, listing(node["rows"], own, uri, reasons)])


# The drawing ------------------------------------------------------------------------------------------------------


def drawing(rows, own, uri, reasons, title):
    """One chapter's boxes and arrows as inline SVG, in a box that scrolls by itself."""
    width, height = max(map(len, rows)) * ACROSS + 2 * AROUND, len(rows) * DOWN + 2 * AROUND
    centre = {
        cell[0]: (AROUND + (column + 0.5) * ACROSS, AROUND + (row + 0.5) * DOWN)
        for row, cells in enumerate(rows)
        for column, cell in enumerate(cells)
        if cell
    }
    boxed = [
        {label: (x - WIDE / 2, y - HIGH / 2, WIDE, HIGH) for label, (x, y) in centre.items() if y == row}
        for row in sorted({y for _, y in centre.values()})
    ]
    arrows = paths(
        boxed,
        [(a, b) for b in centre for a in reasons[b] if a in centre],
        ACROSS - WIDE,
    )
    tip = f"tip-{next(iter(centre))}"  # an id must be unique on its page
    drawn = "".join(
        f'<path data-edge="{a} {b}" marker-end="url(#{tip})" d="{path}"/>' for (a, b), path in arrows.items()
    )
    boxes = "".join(
        box(label, [a for a in reasons[label] if a not in centre], own, uri, *place) for label, place in centre.items()
    )
    return (
        f'<div class="results-map" role="region" aria-label="{escape(title)}: the map" tabindex="0">'
        f'<svg viewBox="0 0 {width} {height}" style="--least: {width}px" role="group" '
        'aria-label="A drawing; the list below says the same."><defs>'
        f'<marker id="{tip}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs><g>{drawn}</g>{boxes}</svg></div>'
    )


def box(label, far, own, uri, x, y):
    """A statement's box, a link to it; at its foot links to what it rests on in other chapters."""
    name, lines = own[label].name, textwrap.wrap(own[label].title, LINE)
    kind = "equation" if name.startswith("(") else name.partition(" ")[0].lower()
    top = y + 11 - 7 * (1 + len(lines) + bool(far))
    shown = f"Equation {name}" if kind == "equation" else name
    rows = "".join(f'<tspan x="{x:g}" dy="14">{escape(line)}</tspan>' for line in lines)
    links = ", ".join(
        f'<a href="{escape(uri[a])}" data-edge="{a} {label}" aria-label="{own[a].name}, {escape(own[a].title)}">'
        f"{own[a].name.rpartition(' ')[2]}</a>"
        for a in far
    )
    return (
        f'<a href="{escape(uri[label])}"><rect class="{kind}" x="{x - WIDE / 2:g}" y="{y - HIGH / 2:g}" '
        f'width="{WIDE}" height="{HIGH}" rx="4"/><text x="{x:g}" y="{top:g}"><tspan class="number">{shown}</tspan>'
        f"{rows}</text></a>"
    ) + (f'<text class="note" x="{x:g}" y="{top + 14 * (1 + len(lines)):g}">from {links}</text>' if far else "")


# The list ---------------------------------------------------------------------------------------------------------


def listing(rows, own, uri, reasons):
    """The same in words: a list of a chapter's results, and of what each rests on."""
    results = nodes.bullet_list(classes=["results-list"])
    placed = [cell[0] for row in rows for cell in row if cell]
    for label in sorted(placed, key=lambda label: place_of(own[label].name)):
        line = nodes.paragraph("", "", link(own[label].name, uri[label]), nodes.Text(f" {own[label].title}"))
        for i, reason in enumerate(reasons[label]):
            line += nodes.Text(", " if i else ", from ")
            line += link(own[reason].name, uri[reason])
        results += nodes.list_item("", line)
    return results


def place_of(name):
    """To sort by: statements before equations, each by its number."""
    return name.startswith("("), [int(part) for part in re.findall(r"\d+", name)]


def link(text, uri):
    shown = f"Equation {text}" if text.startswith("(") else text
    return nodes.reference("", shown, refuri=uri, internal=True, classes=["whole"])


def pages_to_write(app, env):
    """The map's page, always: it speaks of every other."""
    return [app.config.map_page]


def setup(app):
    app.add_config_value("map_page", "book/map", "env")
    app.add_node(MapNode)
    app.add_directive("results-map", ResultsMap)
    app.connect("env-updated", pages_to_write)
    app.connect("doctree-resolved", draw)
    return {"version": "1", "parallel_read_safe": True}
