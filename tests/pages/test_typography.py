"""The extension that keeps a formula and the mark after it on one line."""

from docutils import nodes
from docutils.utils import new_document

from book._ext import typography


def test_marks_move_into_the_formula_before_them_and_nowhere_else():
    document = new_document("page")
    document += nodes.paragraph(
        "", "", nodes.emphasis("", "One"), nodes.Text("."), nodes.math("", "a"), nodes.Text(".")
    )
    typography.keep_together(document)
    emphasis, stop, formula, rest = document[0].children
    assert (emphasis.astext(), stop.astext(), rest.astext()) == ("One", ".", "")
    assert formula.astext() == r"a\text{.}"
