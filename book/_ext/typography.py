"""Small things of type that Sphinx and its extensions leave undone.

* A comma after a formula becomes part of it, or browsers may begin the next line with it; a parenthesis before it and
  a ’s after it stay on its line. What is short in a formula is not broken, and a display only
  where a line may begin (breaks.py).
* A short reference ("Theorem 1.3", "chapter 4") is not broken, nor a number of per cent.
* A page's title is broken after its colon, and after a comma rather than elsewhere, if it has to be.
* The word that opens a proof is set in italics, and its box has a class, "argument", that a statement's has not.
* Formulas beside each other in one display are blocks, of which each goes on below itself.
* A numbered formula has the class "numbered".
* sphinx-proof gives every statement's body the id "proof-content" and every proof the id "proof"; an id must be
  unique on its page, and nothing needs these once Sphinx has numbered the sections.
"""

import re

from docutils import nodes
from sphinx_proof.nodes import proof_node

from book._ext.breaks import displayed, unbroken
from book._ext.previews import element

CLINGING = re.compile(r"[.,;:!?)]+")
SHORT = 20  # characters of the source of a formula that no narrow screen has to break
AFTER = re.compile(r"’s\b|-\w+")
OPENING = "Proof. "
JOINT = re.compile(r"(?<=[Cc]hapter) (?=\d)|(?<=[Cc]hapters) (?=\d)|(?<=\d) (?=%)")
# A formula as it is seen, and the space that ends the last piece of one where another follows in its display.
SHOWN = '<span class="katex-html" aria-hidden="true">'
GAP = re.compile(
    r'<span class="mspace" style="margin-right:[12]em;"></span><span class="mspace allowbreak"></span>'
    r'(?:<span class="mspace" style="margin-right:[\d.]+em;"></span>)?</span>'  # what a comma brings
)
REFERENCE = re.compile(r"[A-Za-z.]+ \(?[\dA-Z][\d.]*\)?")  # by its kind and number


def keep_together(doctree):
    for formula in doctree.findall(nodes.math):
        formula["is_short"] = len(formula.astext()) <= SHORT
        formula.children = [nodes.Text(unbroken(formula.astext()))]
    for formula in doctree.findall(nodes.math_block):
        formula.children = [nodes.Text(displayed(formula.astext()))]
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
    for formula in list(doctree.findall(nodes.math)):
        parent, siblings = formula.parent, formula.parent.children
        place = next(i for i, child in enumerate(siblings) if child is formula)
        before = siblings[place - 1] if place else None
        after = siblings[place + 1] if place + 1 < len(siblings) else None
        opens = isinstance(before, nodes.Text) and before.endswith("(")
        ends = AFTER.match(after) if isinstance(after, nodes.Text) else None
        if (opens or ends) and formula["is_short"]:
            parts = [*([nodes.Text("(")] if opens else []), formula, *([nodes.Text(ends[0])] if ends else [])]
            left = [nodes.Text(before[:-1])] if opens else []
            right = [nodes.Text(after[ends.end() :])] if ends else []
            together = nodes.inline("", "", *parts, classes=["together"])
            parent[place - bool(opens) : place + 1 + bool(ends)] = [*left, together, *right]


def keep_references(doctree):
    for reference in doctree.findall(nodes.reference):
        if REFERENCE.fullmatch(reference.astext()):
            reference["classes"].append("whole")


def keep_joints(doctree):
    for text in list(doctree.findall(nodes.Text)):
        if JOINT.search(text) and not isinstance(text.parent, nodes.literal | nodes.raw | nodes.literal_block):
            text.parent.replace(text, nodes.Text(JOINT.sub("\N{NO-BREAK SPACE}", text)))


def break_title(doctree):
    title = doctree.next_node(nodes.title)
    if title is None or not isinstance(title[0], nodes.Text):
        return
    head, colon, tail = title[0].rpartition(": ")
    first, *more = re.split(r"(?<=,) ", tail)
    parts = [nodes.inline("", first, classes=["part"])] if more else [nodes.Text(first)]
    for part in more:
        parts += [nodes.Text(" "), nodes.inline("", part, classes=["part"])]
    title[0:1] = [nodes.Text(head + colon), nodes.inline("", "", *parts, classes=["subtitle"])] if colon else parts


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


def part_formulas(app, pagename, templatename, context, doctree):
    """Several formulas of one display, each a block: one goes on below itself, the next begins a line."""
    body, done, at = context.get("body", ""), [], 0
    while gap := GAP.search(body, at):
        start = body.rindex(SHOWN, 0, gap.start())
        shown = element(body, start)
        *before, last = GAP.split(shown[len(SHOWN) : -len("</span>")])
        formulas = [*(f"{formula}</span>" for formula in before), last]  # the gap ends the last piece of its formula
        done += [body[at:start], SHOWN, " ".join(f'<span class="formula">{one}</span>' for one in formulas), "</span>"]
        at = start + len(shown)
    if done:
        context["body"] = "".join([*done, body[at:]])


def set_type(app, doctree, docname):
    keep_joints(doctree)
    keep_together(doctree)
    keep_references(doctree)
    break_title(doctree)
    open_proofs(doctree)
    mark_numbered(doctree)
    free_ids(doctree)


def setup(app):
    app.connect("doctree-resolved", set_type)
    app.connect("html-page-context", part_formulas)
    return {"version": "1", "parallel_read_safe": True}
