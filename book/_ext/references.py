"""References from chapter to chapter, which lead there wherever a notebook is opened.

When the book is built, `{prf:ref}` and `{eq}` find the labels of all pages; JupyterLab knows those of the notebook
that is open, and shows any other as it is typed. So a reference to another chapter is a link that says what it leads
to, and that JupyterLab, VS Code and GitHub can follow:

    [Theorem “Policy gradient” of chapter 1](01-reinforce.ipynb#thm-policy-gradient)

On the page this extension makes of it what `{prf:ref}` would have made: "Theorem 1.18". A link to a label that the
notebook does not have is left to MyST, which warns of it.

Nobody types the words. `.venv/bin/python -m book._ext.references` goes through the chapters, makes such links of
`{prf:ref}` and `{eq}` where the label is another notebook's, and gives each link the words that its target has now.
"""

import json
import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref

from book._ext.claims import KINDS, labels_in, text_of

LINK = r"\[[^\]\[]*\]\(([\w-]+\.ipynb)#([\w-]+)\)"
ROLE = r"\{(?:prf:ref|eq)\}`([\w-]+)`"
TITLED = re.compile(
    rf"\{{prf:({'|'.join(KINDS)})\}}[ ]*([^\n]*)\n(?::(?!label)[^\n]*\n)*:label:\s*([\w-]+)"  # as in claims.labels_in
)


def cited_in(text):
    """The labels that a text refers to, in order: of its own page and of others."""
    return [found[1] or found[3] for found in re.finditer(f"{ROLE}|{LINK}", text)]


def names_in(chapters):
    """{label: (its notebook's name, what a link to it says)} for the statements and equations of some notebooks."""
    names = {}
    for path in map(Path, chapters):
        titles = {label: f"{kind.title()} “{title}”" for kind, title, label in TITLED.findall(text_of(path))}
        for label in labels_in(path):
            # an equation has no title; its label, which the author chose to be read, serves for one
            title = titles.get(label) or f"Equation “{label.removeprefix('eq-').replace('-', ' ')}”"
            names[label] = path.name, f"{title} of chapter {int(path.name[:2])}"
    return names


def put_right(text, page, names):
    """The text of a cell of the notebook `page` with each reference in its right form."""

    def right(found):
        label = found[1] or found[3]
        if label not in names:
            return found[0]
        home, words = names[label]
        if home != page:
            return f"[{words}]({home}#{label})"
        return f"{{eq}}`{label}`" if label.startswith("eq-") else f"{{prf:ref}}`{label}`"

    return re.sub(f"{ROLE}|{LINK}", right, text)


def put_all_right(chapters):
    """Put the references of notebooks right, in their files. Returns the names of those that it changed."""
    chapters, changed = list(map(Path, chapters)), []
    names = names_in(chapters)
    for path in chapters:
        before = path.read_text(encoding="utf-8")
        notebook = json.loads(before)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = put_right("".join(cell["source"]), path.name, names).splitlines(keepends=True)
        after = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(path.name)
    return changed


def number_links(app, doctree):
    """Put the reference that is numbered in the place of each link to a statement or equation of another notebook."""
    for node in list(doctree.findall(pending_xref)):
        label, page = node.get("reftargetid"), node["reftarget"]
        if node["reftype"] != "myst" or not label or page not in app.env.found_docs:
            continue
        path = app.env.doc2path(page)
        if not str(path).endswith(".ipynb") or label not in labels_in(path):
            continue
        domain, kind = ("math", "eq") if label.startswith("eq-") else ("prf", "ref")
        inner = nodes.literal("", label, classes=["xref", domain, f"{domain}-{kind}"])
        where = {"refdoc": app.env.docname, "refexplicit": False, "refwarn": True}
        node.replace_self(pending_xref("", inner, refdomain=domain, reftype=kind, reftarget=label, **where))


def setup(app):
    app.connect("doctree-read", number_links)
    return {"version": "1", "parallel_read_safe": True}


if __name__ == "__main__":
    changed = put_all_right(sorted(Path(__file__).parents[1].glob("*.ipynb")))
    sys.exit(f"References put right in {', '.join(changed)}." if changed else 0)
