"""The index of exercises: `{exercises} 01-reinforce` lists those of that page, each linked.

sphinx-exercise keeps a registry of them for its references, but has no directive that lists it.
"""

import re
from itertools import pairwise

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from sphinx_exercise.nodes import exercise_subtitle

from book._ext.claims import page_of


class ExercisesNode(nodes.General, nodes.Element):
    """Stands where the index will be, until every page has been read."""


class Exercises(SphinxDirective):
    required_arguments = 1

    def run(self):
        return [ExercisesNode(page=page_of(self))]


def index(app, doctree, docname):
    for node in list(doctree.findall(ExercisesNode)):
        node.replace_self(of_page(app, docname, node["page"]))


def of_page(app, docname, page):
    """A list of a page's exercises."""
    numbers = app.env.toc_fignumbers.get(page, {}).get("exercise", {})
    uri = app.builder.get_relative_uri(docname, page)
    listed = nodes.bullet_list(classes=["exercise-index"])
    for label, number in sorted(numbers.items(), key=lambda item: item[1]):
        name = f"Exercise {'.'.join(map(str, number))}"
        line = nodes.paragraph("", "", nodes.reference("", name, refuri=f"{uri}#{label}", internal=True))
        line += nodes.Text(" ")
        line += subtitle(app.env.sphinx_exercise_registry[label]["node"])
        listed += nodes.list_item("", line)
    return listed


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
