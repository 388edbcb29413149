"""Pages that say what stands on other pages are written anew when that has changed.

Sphinx writes a page again when its source has changed, or its own numbers. But a link that says "Theorem 1.10" says
the number of a statement elsewhere, and one statement moved there makes it false. So beside the pages lies a hash of
all that one page may say of another: numbers and titles of chapters, sections, statements, equations and exercises,
where each of them stands, and which tests check it. A build that finds another hash than its own writes every page.
"""

import hashlib
from pathlib import Path

from docutils import nodes

STAMP = ".said-of-others.sha256"


def said_of_others(env):
    """A hash of all that a page may say of another, and that its links to another are made of."""
    proofs = getattr(env, "proof_list", {}).items()
    exercises = getattr(env, "sphinx_exercise_registry", {}).items()
    parts = (
        {page: title.astext() for page, title in env.titles.items()},
        env.toctree_includes,
        env.toc_secnumbers,
        env.toc_fignumbers,
        env.domains["std"].labels,
        env.domains["std"].anonlabels,
        env.domains["math"].equations,
        {label: (of["docname"], of["realtype"], of["nonumber"]) for label, of in proofs},
        {label: (of["docname"], of["type"], of["node"].next_node(nodes.title).astext()) for label, of in exercises},
        *(getattr(env, name, {}) for name in ("book_statements", "book_checks", "book_mends")),  # by claims.py
    )
    return hashlib.sha256(repr([sorted(part.items()) for part in parts]).encode()).hexdigest()


def pages_to_write(app, env):
    """Every page, unless those that are there were written when all this was the same."""
    stamp, env.said_of_others = Path(app.outdir) / STAMP, said_of_others(env)
    return [] if stamp.exists() and stamp.read_text() == env.said_of_others else env.found_docs


def remember(app, exception):
    """Only when all has been written: after a build that broke off, the next one writes every page."""
    if exception is None and hasattr(app.env, "said_of_others"):
        (Path(app.outdir) / STAMP).write_text(app.env.said_of_others)


def setup(app):
    app.connect("env-get-updated", pages_to_write, priority=900)  # once all numbers have been given
    app.connect("build-finished", remember)
    return {"version": "1", "parallel_read_safe": True}
