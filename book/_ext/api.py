"""The reference: `{api} rlbook.module` lists a module's public names, in its order, from their docstrings.

Sphinx's autodoc reads them. The docstrings are plain text with formulas in Unicode, made for `help()`, so before
Sphinx sees one its special characters are escaped; a name in backquotes becomes code, an indented block keeps its
lines, and a label such as thm-reinforce becomes a link to the statement. (sphinx.ext.napoleon takes reStructuredText:
it would have to be given each piece of a section escaped, and has no place where that could be done.)
"""

import ast
import re
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from rlbook.statements import LABEL, NAMES

# In a package, but readers meet what they define: all of it is shown, under its own name.
WHOLE = ("rlbook.widgets.base", "rlbook.widgets.lesson")
# What `rlbook.statements` has made of the labels, and the labels.
NUMBERED = re.compile(r"\b(?:Theorem|Lemma|Proposition|Definition|Equation) \d+\.\d+\b(?!\.\d)")
LABELS = {name: label for label, name in NAMES.items()}
HEADINGS = ("Parameters", "Settings", "Raises", "Returns")
# What is set below or above in a formula, as Σ_{s,a}, ρ_π'(s) or max_a, and not a name such as pi_new; and a prime.
INDEX = r"[_^](?:\{[^{}]+\}|\([^()]+\)|(?:[a-zA-Z]{1,2}(?![a-zA-Z0-9_])|[^\W_a-zA-Z])'?)"
INDEXED = re.compile(rf"((?<![^\W\d_])[^\W\d_]\u0302?'?|\b(?:max|min|mean|lse|argmax)|[∇‖)²])((?:{INDEX})+)")
POWER = re.compile(r"(?<=\de)-(?=\d)")  # of ten, at which no line ends
PRIME = re.compile(r"(?<![a-zA-Z])([^\W\d_])'(?!\w)")


def public_names(module):
    """The public names of a module, in the order of its source: [(full name as a reader imports it, kind), ...].

    They are what its topic's package lists in `__all__`, if it is a room of one, and stand under the package's name;
    else its functions and classes that do not begin with an underscore. A kind is "function", "class" or "data".
    """
    package = ".".join(module.split(".")[:2]) if module.count(".") > 1 and module not in WHOLE else None
    listed = set(import_module(package or module).__dict__.get("__all__", ()))
    top = set(import_module("rlbook").__all__)
    found = []
    for node in ast.parse(Path(import_module(module).__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            name, kind = node.name, "class" if isinstance(node, ast.ClassDef) else "function"
        elif isinstance(node, ast.Assign) and package:
            name, kind = ast.unparse(node.targets[0]), "data"
        else:
            continue
        if name in listed if listed else not name.startswith("_"):
            owner = package or module
            if name in top and getattr(import_module("rlbook"), name) is getattr(import_module(module), name):
                owner = "rlbook"
            found.append((f"{owner}.{name}", kind))
    return found


def labelled(text):
    """A docstring as its source has it: with labels, which become links."""
    return NUMBERED.sub(lambda name: LABELS.get(name[0], name[0]), text)


def labels_named(text):
    """The labels of statements that a docstring names, in order."""
    return [match[0] for match in LABEL.finditer(labelled(text))]


class Api(SphinxDirective):
    """`{api} rlbook.mdp`: every public name of the module."""

    required_arguments = 1

    def run(self):
        module = self.arguments[0]
        self.env.note_dependency(import_module(module).__file__)
        lines = ["```{eval-rst}"]
        for name, kind in public_names(module):
            if kind == "data":
                owner, _, short = name.rpartition(".")
                value = shown(getattr(import_module(owner), short))
                lines += [f".. py:data:: {name}", *([f"   :value: {value}"] if value else []), ""]
                lines += [f"   {marked_up(said_of(module, short))}", ""]
            else:
                lines += [f".. auto{kind}:: {name}", *(["   :members:"] if kind == "class" else []), ""]
        box = nodes.container(classes=["api"])
        self.state.nested_parse(StringList([*lines, "```"], source=module), self.content_offset, box)
        return [box]


def said_of(module, constant):
    """The sentence below a public constant of a module's source; one without stops the build."""
    body = ast.parse(Path(import_module(module).__file__).read_text(encoding="utf-8")).body
    for node, below in pairwise(body):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == constant and isinstance(below, ast.Expr):
            return below.value.value
    raise ExtensionError(f"api: {module} says nothing of its public constant {constant} in a docstring below it")


def shown(value, most=90):
    """A constant's value on one line; "" if it is long, or holds what its source would not be written as.

    Of a dictionary that cannot be shown its keys are, of a list its beginning.
    """
    text = " ".join(repr(value.item() if isinstance(value, np.generic) else value).split())
    if isinstance(value, tuple) and len(text) > most and "<" not in text:
        text = f"({', '.join(map(repr, value[:4]))}, …)"
    if isinstance(value, dict) and (len(text) > most or "<" in text):
        text = f"{{{', '.join(f'{key!r}: …' for key in value)}}}"
    return text if len(text) <= most and "<" not in text else ""


# Docstrings ---------------------------------------------------------------------------------------------------------


def marked_up(text, plain=None):
    """A line of plain text as reStructuredText: names as code, labels as links, formulas set, all else as it stands.

    `plain` makes of the rest what is shown, by default `formulas`.
    """
    parts = re.split(r"(`+[^`]+`+)", text)
    return "".join(
        f"``{part.strip('`')}``" if i % 2 else linked(part, plain or formulas) for i, part in enumerate(parts)
    )


def linked(text, plain):
    done, end = [], 0
    for match in LABEL.finditer(text):
        begin, stop = match.span()
        role = "prf:ref"
        if match[1] == "eq":  # whose number comes with its own parentheses
            role = "eq"
            if text[begin - 1 : begin] == "(" and text[stop : stop + 1] == ")":
                begin, stop = begin - 1, stop + 1
        done += [plain(text[end:begin]), f"\\ :{role}:`{match[0]}`\\ "]
        end = stop
    return "".join([*done, plain(text[end:])])


def formulas(text):
    """Plain text in which what is below or above is set so, and primes are primes."""
    text = POWER.sub("\u2060-\u2060", text)
    done, end = [], 0
    for match in INDEXED.finditer(text):
        done.append(escaped(PRIME.sub(r"\1′", text[end : match.start()] + match[1])))
        for index in re.findall(INDEX, match[2]):
            role = "sub" if index[0] == "_" else "sup"
            inner = index[2:-1] if index[1] in "{(" else index[1:]
            done.append(f"\\ :{role}:`{escaped(inner.replace(chr(39), '′'))}`\\ ")
        end = match.end()
    return "".join([*done, escaped(PRIME.sub(r"\1′", text[end:]))])


def escaped(text):
    return re.sub(r"([\\*|_<>`:\[\]])", r"\\\1", text)


def to_rst(lines):
    """A docstring's lines as reStructuredText."""
    out, i = [], 0
    while i < len(lines):
        line = lines[i]
        if i + 1 < len(lines) and line.strip() in HEADINGS and set(lines[i + 1].strip()) == {"-"}:
            out += ["", f"**{line.strip()}**", ""]
            i += 2
            while i < len(lines) and lines[i].strip():
                (name, _, kind), text = lines[i].partition(" : "), []
                i += 1
                while i < len(lines) and lines[i].startswith("    "):
                    text.append(lines[i].strip())
                    i += 1
                words = ". ".join(filter(None, [kind, " ".join(text)]))
                out.append(f"* **{escaped(name)}**: {marked_up(words)}")
            out.append("")
        elif line.startswith("    "):
            block = []
            while i < len(lines) and (not lines[i].strip() or lines[i].startswith("    ")):
                block.append(lines[i][4:].rstrip())
                i += 1
            while not block[-1]:
                block.pop()
            out += [
                "",
                ".. parsed-literal::",
                "",
                *(f"   {marked_up(part, escaped)}" if part else "" for part in block),
                "",
            ]
        elif line.startswith(">>> "):
            end = next((k for k in range(i, len(lines)) if not lines[k].strip()), len(lines))
            out += ["", ".. code-block:: pycon", "", *(f"   {part}" for part in lines[i:end]), ""]
            i = end
        else:
            out.append(marked_up(line))
            i += 1
    return out


def process(app, what, name, obj, options, lines):
    lines[:] = to_rst([labelled(line) for line in lines])


def skip(app, what, name, obj, skipped, options):
    """Leave out what has no docstring of its own: the fields of a named tuple, the traits of a widget."""
    of_ours = callable(obj) or isinstance(obj, (property, classmethod, staticmethod))
    return True if skipped or not of_ours or name.startswith("_") else None


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.add_directive("api", Api)
    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-skip-member", skip)
    return {"version": "1", "parallel_read_safe": True}
