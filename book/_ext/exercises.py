"""The index of exercises: `{exercises}` lists those of every page, in the book's order, each linked.

sphinx-exercise keeps a registry of them for its references, but has no directive that lists it.
"""

import re
from itertools import pairwise

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from sphinx_exercise.nodes import exercise_subtitle

from book._ext.claims import reading_order


class ExercisesNode(nodes.General, nodes.Element):
    """Stands where the index will be, until every page has been read."""


class Exercises(SphinxDirective):
    def run(self):
        return [ExercisesNode()]


def index(app, doctree, docname):
    for node in list(doctree.findall(ExercisesNode)):
        node.replace_self([part for page in reading_order(app.env) for part in of_page(app, docname, page)])


def of_page(app, docname, page):
    """A line with the chapter's title and a list of its exercises; nothing for a page that has none."""
    registry = app.env.sphinx_exercise_registry.items()
    numbers = app.env.toc_fignumbers.get(page, {}).get("exercise", {})
    own = [
        (numbers[label], label, entry["node"])
        for label, entry in registry
        if entry["docname"] == page and label in numbers
    ]
    if not own:
        return []
    chapter = ".".join(map(str, app.env.toc_secnumbers[page][""]))
    uri = app.builder.get_relative_uri(docname, page)
    title = nodes.reference("", f"{chapter} · {app.env.titles[page].astext()}", refuri=uri, internal=True)
    listed = nodes.bullet_list(classes=["exercise-index"])
    for number, label, node in sorted(own, key=lambda exercise: exercise[0]):
        name = f"Exercise {'.'.join(map(str, number))}"
        line = nodes.paragraph("", "", nodes.reference("", name, refuri=f"{uri}#{label}", internal=True))
        line += nodes.Text(" ")
        line += subtitle(node)
        listed += nodes.list_item("", line)
    return [nodes.rubric("", "", title), listed]


def subtitle(node):
    """What stands behind the number in an exercise's title, formulas included; nothing if it has no name."""
    parts = [part.deepcopy() for named in node.findall(exercise_subtitle) for part in named.children]
    for i, (formula, follower) in enumerate(pairwise(parts)):
        taken = re.search(r"\\text\{([^{}]+)\}$", formula.astext()) if isinstance(formula, nodes.math) else None
        if taken:  # the registry's own text still has the mark that typography.py has made a part of the formula
            parts[i + 1] = nodes.Text(follower.astext().removeprefix(taken[1]))
    return parts


def setup(app):
    app.add_node(ExercisesNode)
    app.add_directive("exercises", Exercises)
    app.connect("doctree-resolved", index)
    return {"version": "1", "parallel_read_safe": True}
