"""A derivation in Markdown that JupyterLab, VS Code, Colab, GitHub and the book's pages typeset, and as plain text.

On the page the same list is what book/_static/derivations.js finds: an `<ol>` of lines, whose first paragraph holds
the formula and, as code, its value, the second the reason, and a list the slips, their values in `<del>`. (Not their
formulas: in HTML, JupyterLab's MyST leaves a formula as it is typed.) The values in the other worlds are JSON in a
script element, which hosts that do not know it leave out.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import escape

import numpy as np

from rlbook.derivations.relations import FAULTS

WORLDS = 12  # that the page's die has
LONG = 19  # letters of a value that does not fit beside its formula: one of several numbers
SIGNS = {"": "", "=": "= ", "≤": r"\le ", "≥": r"\ge ", "→": r"\to "}


def number(x) -> str:
    """A number with four significant digits, and with no more zeros than are read at a glance."""
    if abs(x) < 1e-13:
        return "0"
    text = f"{x:#.4g}" if 1e-4 <= abs(x) < 9999.5 else f"{x:.3e}"
    return text.rstrip(".").replace("-", "−")


def shown(value) -> str:
    """A value: a number; up to four entries; else two and the norm."""
    if np.ndim(value) == 0:
        return number(value)
    if len(value) <= 4:
        return ", ".join(map(number, value))
    return f"{number(value[0])}, {number(value[1])}, … (norm {number(np.linalg.norm(value))})"


def shown_line(line) -> str:
    """The value of a line; of a sequence, the last three of its values."""
    if line.along is None:
        return shown(line.value)
    return " → ".join(shown(value_of(value)) for value in line.value[-3:])


def value_of(value):
    return float(value) if np.ndim(value) == 0 else np.ravel(value)


def world_of(derivation) -> str:
    """What the world is, in words that do not break around an equals sign, with the minus that the values have."""
    return re.sub(r"-(?=\d)", "−", str(derivation.world)).replace(" = ", "\u00a0=\u00a0")


def world_in_html(derivation) -> str:
    """The same, with letters that are symbols set as those in formulas are; a lone "a" is one in (s, a) alone."""
    text = re.sub(r"(?<![\w’'])([b-zB-HJ-Zα-ω])(?![^\W₁])", r"<i>\1</i>", escape(world_of(derivation), quote=False))
    return text.replace("(<i>s</i>, a)", "(<i>s</i>,\u00a0<i>a</i>)").replace("</i>'", "</i>′").replace("'", "’")


def values(derivation) -> list:
    """What stands beside each line and its slips: [[value, [value of a slip, the relation if it holds here], …], …]."""
    lines = derivation.lines
    return [
        [shown_line(line), *([shown(slip.value), by_luck(before, line, slip)] for slip in line.slips)]
        for before, line in zip((None, *lines), lines, strict=False)
    ]


def by_luck(before, line, slip) -> str:
    """The relation in which a slip, put in its line's place, happens to stand in this world, or nothing."""
    found_out = FAULTS[line.relation](before, replace(line, value=slip.value), nought=0.0)
    return "" if found_out else line.relation


def markdown(derivation, heading=True) -> str:
    """The derivation as Markdown; without a heading, for a page that has one."""
    title = f"**{derivation.title}**, line by line. " if heading else ""
    long = any(
        len(text) > LONG
        for line in derivation.lines
        for text in (shown_line(line), *(shown(slip.value) for slip in line.slips))
    )
    blocks = [
        f'<div class="rl-derivation" data-name="{derivation.name}"{" data-long" if long else ""}>',
        f'{title}<span class="rl-world">{world_in_html(derivation)}</span>',
    ]
    for i, line in enumerate(derivation.lines, start=1):
        indent = " " * (len(str(i)) + 2)
        sign = SIGNS[line.relation]
        parts = [f"$\\displaystyle {sign}{line.latex}$ `{shown_line(line)}`", line.why]
        for slip in line.slips:
            wrong = f"$\\displaystyle {sign}{slip.latex}$ <del>{shown(slip.value)}</del>"
            parts.append(f"- *Slip:* {wrong}\n\n  {slip.why}")
        text = "\n\n".join(parts).replace("\n\n", f"\n\n{indent}")
        blocks.append(f"{i}. {text}")
    worlds = [[world_in_html(made), values(made)] for made in derivation.worlds(WORLDS)]
    data = json.dumps(worlds, ensure_ascii=False, separators=(",", ":"))
    blocks.append(f'<script type="application/json">{data}</script>')
    return "\n\n".join([*blocks, "</div>"]) + "\n"


def plain(derivation) -> str:
    """The derivation as text, formulas as LaTeX."""
    rows = [f"{derivation.title}. {world_of(derivation)}"]
    for i, line in enumerate(derivation.lines, start=1):
        rows += [f"{i}. {line.relation} {line.latex}".replace("  ", " "), f"   [{shown_line(line)}] {line.why}"]
        for slip in line.slips:
            rows.append(f"   slip: {line.relation} {slip.latex} [{shown(slip.value)}] {slip.why}")
    return "\n".join(rows)
