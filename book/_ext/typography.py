"""Small things of type that Sphinx and its extensions leave undone.

* A comma after a formula becomes part of it, or browsers may begin the next line with it.
* The word that opens a proof is set in italics, and its box has a class, "argument", that a statement's has not.
* A numbered formula has the class "numbered".
* sphinx-proof gives every statement's body the id "proof-content" and every proof the id "proof"; an id must be
  unique on its page, and nothing needs these once Sphinx has numbered the sections.
"""

import re

from docutils import nodes
from sphinx_proof.nodes import proof_node

CLINGING = re.compile(r"[.,;:!?)]+")
OPENING = "Proof. "


def keep_together(doctree):
    for formula in doctree.findall(nodes.math):
        follower = formula.next_node(descend=False, siblings=True)
        marks = CLINGING.match(follower) if isinstance(follower, nodes.Text) else None
        if marks:
            latex = nodes.Text(f"{formula.astext()}\\text{{{marks[0]}}}")
            formula.children = []
            formula += latex
            siblings = follower.parent.children  # found by identity: texts that read alike are equal
            place = next(i for i, child in enumerate(siblings) if child is follower)
            siblings[place] = nodes.Text(follower[marks.end() :])


def open_proofs(doctree):
    for proof in doctree.findall(proof_node):
        proof[0]["classes"].append("argument")
        first = proof.next_node(nodes.Text)
        if first is not None and first.startswith(OPENING):
            rest = nodes.Text(first.removeprefix(OPENING))
            first.parent.replace(first, [nodes.emphasis("", OPENING.strip()), nodes.Text(" "), rest])


def mark_numbered(doctree):
    for formula in doctree.findall(nodes.math_block):
        if formula.get("number"):
            formula["classes"].append("numbered")


def free_ids(doctree):
    for node in doctree.findall(nodes.Element):
        if node.get("ids") in (["proof-content"], ["proof"]):
            node["ids"] = []


def set_type(app, doctree, docname):
    keep_together(doctree)
    open_proofs(doctree)
    mark_numbered(doctree)
    free_ids(doctree)


def setup(app):
    app.connect("doctree-resolved", set_type)
    return {"version": "1", "parallel_read_safe": True}
