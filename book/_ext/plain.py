"""The chapters as notebooks that read right everywhere: the page's text and numbers, in Markdown that all tools know.

The book's own notebooks are MyST. JupyterLab with its extension shows them as they are meant; VS Code, Colab, GitHub,
Kaggle, nbconvert and plain Jupyter show `{prf:theorem}` as it is typed, and no tool knows the page's numbers. So each
build writes, beside the pages, `notebooks/` with every chapter in plain Markdown: statements, exercises and captions
have the numbers of the page, an equation has its own by `\\tag`, a reference is a link that says the number, what folds
on the page is `<details>`, and the works that are cited stand at the end. Code cells stay as they are, without outputs.

What the pages say lies in `names.json`, from which

    .venv/bin/python -m book._ext.plain notebooks
    .venv/bin/python -m book._ext.plain handout

write the same into `_build/notebooks/`, and into `_build/handout/` with the solutions left out and room for answers.

Links to a place of the same notebook stay in it. Others lead to the pages: at the address of `html_baseurl`, else at
the one that GitHub gives the repository that is being built, else as files, relative to the built book.
"""

import json
import os
import re
import sys
import textwrap
from pathlib import Path

import nbformat
from docutils import nodes
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pybtex.plugin import find_plugin
from sphinx.addnodes import pending_xref

from book._ext.claims import KINDS, reading_order, statements, text_of
from book._ext.launch import install_line, pages_address

ROOT = Path(__file__).parents[2]
MARKDOWN = MarkdownIt("commonmark").use(dollarmath_plugin, double_inline=True)
ROLE = re.compile(r"\{([\w:]+)\}`([^`]+)`")
LINK = re.compile(r"\[([^\]\[]*)\]\(([\w-]+)\.(?:ipynb|md)(?:#([\w-]+))?\)")
DIRECTIVE = re.compile(r"\{([\w:-]+)\}[ ]*(.*)")
OPTIONS = re.compile(r"(?::[\w-]+:[^\n]*\n)*")
OWN_BLOCK = re.compile(r"\$\$|[<>]|[-+*] |\d+[.)] |\||#|```")  # what cannot follow words on their line
ANSWER = re.compile(r"\n*<answer of ([\w-]+), (text|code)>\n*")


# What the pages say -------------------------------------------------------------------------------------------------


def names(app):
    """What the built pages say, for JSON: names and places of labels, citations in words, works, chapters."""
    env = app.env
    labels = {label: [of.name, of.page, of.anchor] for label, of in statements(app).items()}
    for page, counted in env.toc_fignumbers.items():
        for kind, word in (("exercise", "Exercise %s"), ("figure", app.config.numfig_format["figure"])):
            for anchor, number in counted.get(kind, {}).items():
                labels[anchor] = [word % ".".join(map(str, number)), page, anchor]
    chapters = [page for page in reading_order(env) if str(env.doc2path(page)).endswith(".ipynb")]
    cited = {role.groups() for page in chapters for role in ROLE.finditer(text_of(env.doc2path(page)))}
    works = {citation.key: described(citation) for citation in env.get_domain("cite").citations}
    return {
        "title": app.config.html_title or app.config.project,
        "address": app.config.html_baseurl or pages_address(os.environ),
        "chapters": {page: ".".join(map(str, env.toc_secnumbers[page][""])) for page in chapters},
        "pages": {page: title.astext() for page, title in sorted(env.titles.items())},
        "labels": labels,
        "citations": {f"{role} {keys}": cite(app, role, keys) for role, keys in sorted(cited) if "cite" in role},
        "works": works,
    }


def cite(app, role, keys):
    """What the page says for a citation: [[text, key of the work that it links to or none], ...]."""
    domain, kind = app.env.get_domain("cite"), role.partition(":")[2]
    home = app.env.config.root_doc
    found = domain.resolve_xref(app.env, home, app.builder, kind, keys, pending_xref(), nodes.inline())
    work_at = {citation.citation_id: citation.key for citation in domain.citations}

    def parts(node):
        if isinstance(node, nodes.reference):
            return [[node.astext(), work_at[node["refuri"].partition("#")[2]]]]
        if isinstance(node, nodes.Text):
            return [[str(node), None]]
        return [part for child in node.children for part in parts(child)]

    return parts(found)


def described(citation):
    """A work's line in the bibliography."""
    text = citation.formatted_entry.text.render(find_plugin("pybtex.backends", "plaintext")())
    return " ".join(text.replace("\\url ", "").split())


# From MyST to plain Markdown ----------------------------------------------------------------------------------------


class Chapter:
    """A notebook of the book as it is read elsewhere. `said` is what the pages say; `base` is where the pages are."""

    def __init__(self, path, page, said, base, handout=False):
        self.path, self.page, self.said, self.base, self.handout = path, page, said, base, handout
        self.cited = set()

    def notebook(self):
        found = nbformat.read(self.path, as_version=4)
        cells = []
        for cell in found.cells:
            cells += self.answered(cell) if cell.cell_type == "markdown" else [cell, *self.caption(cell)]
        title, _, rest = cells[0].source.partition("\n")
        cells[0].source = f"{title}\n\n{self.opening()}\n{rest}"
        if self.cited:
            works = [
                f'- <a id="{key}"></a>{self.said["works"][key]}' for key in self.said["works"] if key in self.cited
            ]
            cells.append(markdown("## References\n\n" + "\n".join(works), "references"))
        found.cells = cells
        nbformat.validate(found)
        return found

    def opening(self):
        """The lines under the title that say what this notebook is."""
        chapter, title = self.said["chapters"][self.page], self.said["title"]
        home, page = self.address(None), self.address(self.page)
        lines = [
            f"*Chapter {chapter} of [{title}]({home}). On [its page]({page}) the widgets live without a kernel; "
            "the numbers here are the page's.*"
        ]
        if self.handout:
            lines.append("*The solutions are left out; each exercise has a place for your answer.*")
        if line := install_line(os.environ):
            lines.append(f"Where `rlbook` is not installed, as on Colab, run this first:\n\n    {line}")
        return "\n\n".join(lines)

    def answered(self, cell):
        """A Markdown cell in plain Markdown; more than one where answers have their places in it."""
        first, *rest = ANSWER.split(self.text(cell.source))
        cell.source = first
        cells = [cell] if first else []
        for label, kind, after in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
            cells.append(markdown(f"*Your answer to {self.said['labels'][label][0]}:*", f"{label}-answer"))
            if kind == "code":
                cells.append(nbformat.v4.new_code_cell(id=f"{label}-code"))
            if after:
                cells.append(markdown(after, f"{label}-after"))
        return cells

    def caption(self, cell):
        """A Markdown cell with the numbered caption of a code cell's figure; none if it has none."""
        figure = cell.metadata.get("mystnb", {}).get("figure")
        if not figure:
            return []
        words = self.roles(figure["caption"])
        name = figure["name"]
        return [markdown(f'<a id="{name}"></a>**{self.said["labels"][name][0]}** {words}', f"{name}-caption")]

    # Blocks

    def text(self, source):
        """A cell's text. What stands between directives and numbered equations keeps its lines."""
        lines, parts, done = source.split("\n"), [], 0
        for token in MARKDOWN.parse(source):
            if token.type == "fence":
                directive = DIRECTIVE.match(token.info)
                new = self.directive(*directive.groups(), token.content) if directive else None
            elif token.type == "math_block_label":
                number = self.said["labels"][token.info][0].strip("()")
                new = f'<a id="{token.info}"></a>\n\n$$\n{token.content.strip()} \\tag{{{number}}}\n$$'
            else:
                continue
            begin, end = token.map
            parts.append(self.roles("\n".join(lines[done:begin])))
            indent = re.match(" *", lines[begin])[0]
            parts.append(textwrap.indent(new, indent) if new else "\n".join(lines[begin:end]))
            done = end
        parts.append(self.roles("\n".join(lines[done:])))
        return "\n\n".join(part.strip("\n") for part in parts if part.strip())

    def directive(self, kind, argument, content):
        options = OPTIONS.match(content)[0]
        body = self.text(content[len(options) :].strip("\n"))
        label = (re.search(r":label: *(\S+)", options) or [None, None])[1]
        folds = re.search(r":class:.*\bdropdown\b", options)
        if kind == "prf:proof":
            begin = "\n\n" if OWN_BLOCK.match(body) else " "
            if "line-by-line" in options:  # the cell that follows is the proof
                return f"*Proof.*{begin}{body}"
            return folded("Proof", ended(body)) if folds else f"*Proof.*{begin}{ended(body)}"
        if kind == "solution":
            if self.handout:  # an exercise asks for code if its solution has some
                return f"<answer of {argument}, {'code' if '`' in body else 'text'}>"
            return folded(f"Solution to {self.said['labels'][argument][0]}", body)
        if kind == "admonition":
            return folded(argument, body) if folds else quoted(f"**{argument}**\n\n{body}")
        if kind == "exercise" or kind.removeprefix("prf:") in KINDS:
            title = f" ({self.roles(argument)})" if argument else ""
            return quoted(f'<a id="{label}"></a>**{self.said["labels"][label][0]}**{title}.\n\n{body}')
        raise ValueError(f"{self.path.name} has a directive {{{kind}}}, of which there is no plain form yet")

    # Words

    def roles(self, text):
        return ROLE.sub(lambda found: self.role(*found.groups()), LINK.sub(self.link, text))

    def role(self, kind, target):
        if kind.startswith("cite"):
            parts = self.said["citations"][f"{kind} {target}"]
            self.cited.update(key for _, key in parts if key)
            return "".join(f"[{text}](#{key})" if key else text for text, key in parts)
        words, label = re.fullmatch(r"(?:(.*?)\s*<)?([\w-]+)>?", target).groups()
        if kind in ("prf:ref", "eq", "ref", "numref") and label in self.said["labels"]:
            return self.reference(label, words)
        if kind == "doc" and (page := f"book/{label}") in self.said["pages"]:
            return f"[{words or self.said['pages'][page]}]({self.address(page)})"
        raise ValueError(f"{self.path.name} has a role {{{kind}}}`{target}`, of which there is no plain form yet")

    def link(self, found):
        """A link to another page, or to a statement there, whose number it then says."""
        words, name, label = found.groups()
        return self.reference(label) if label else f"[{words}]({self.address(f'book/{name}')})"

    def reference(self, label, words=None):
        name, page, anchor = self.said["labels"][label]
        here = page == self.page
        return f"[{words or name}]({f'#{label}' if here else self.address(page, anchor)})"

    def address(self, page, anchor=None):
        return f"{self.base}{page or 'index'}.html" + (f"#{anchor}" if anchor else "")


def markdown(source, name):
    return nbformat.v4.new_markdown_cell(source, id=name)


def folded(summary, body):
    """What opens when asked for. With the blank lines all tools read what is inside as Markdown.

    It is an item of a list for the sake of jupyterlab-myst, which cannot fold HTML: there it typesets what is in one,
    and elsewhere leaves formulas as they are typed.
    """
    inside = textwrap.indent(body, "  ")
    return f"- <details><summary>{summary}</summary>\n\n{inside}\n\n  </details>"


def quoted(text):
    """A text as a block quotation, so that one sees where it ends.

    A formula is put on one line, or plain Jupyter, which takes formulas out first, would take `> ` for a part of it.
    """
    lines = text.split("\n")
    for token in MARKDOWN.parse(text):
        if token.type == "math_block":
            begin, end = token.map
            formula = " ".join(re.sub(r"(?<!\\)%.*", "", line).strip() for line in token.content.strip().split("\n"))
            lines[begin:end] = [re.match(" *", lines[begin])[0] + f"$$ {formula} $$"] + [None] * (end - begin - 1)
    return "\n".join(f"> {line}".rstrip() for line in lines if line is not None)


def ended(body):
    """A proof's text with the sign of its end."""
    return body + ("\n\n" if body.endswith(("$$", "```", "|")) else " ") + "∎"


# Writing them -------------------------------------------------------------------------------------------------------


def write(folder, said, pages, source, handout=False):
    """Write all chapters into a folder; `pages` leads from it to the built pages, if their address is not known."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in said["chapters"]:
        path = source / f"{page}.ipynb"
        base = said["address"].rstrip("/") + "/" if said["address"] else pages
        notebook = Chapter(path, page, said, base, handout).notebook()
        (folder / path.name).write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def finish(app, exception):
    if exception or app.builder.format != "html":
        return
    said, folder = names(app), Path(app.outdir)
    (folder / "names.json").write_text(json.dumps(said, ensure_ascii=False, indent=1), encoding="utf-8")
    write(folder / "notebooks", said, "../", Path(app.srcdir))


def setup(app):
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True}


if __name__ == "__main__":
    (kind,) = sys.argv[1:]
    built = ROOT / "_build"
    what = json.loads((built / "html" / "names.json").read_text(encoding="utf-8"))
    write(built / kind, what, "../html/", ROOT, handout=kind == "handout")
    print(f"The chapters are written. Open {(built / kind).as_uri()}")
