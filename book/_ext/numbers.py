"""The numbers of statements and equations for the package's docstrings: rlbook/statements.json, from the chapters.

They are counted as the pages count them, statements of all kinds together and equations by themselves, so that the
book need not be built; a test holds them to its pages. `.venv/bin/python -m book._ext.numbers`, which also runs at each
commit, writes them.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from book._ext.claims import labels_in
from rlbook.statements import LABEL

ROOT = Path(__file__).parents[2]
WRITTEN = ROOT / "rlbook" / "statements.json"
KINDS = {"thm": "Theorem", "lem": "Lemma", "prop": "Proposition", "def": "Definition", "eq": "Equation"}


def counted():
    """{label: its kind and number} of the chapters' statements, in their order."""
    names = {}
    for chapter, path in enumerate(sorted((ROOT / "book").glob("0*.ipynb")), start=1):
        counts = Counter()
        for label in filter(LABEL.fullmatch, labels_in(path)):
            kind = KINDS[label.partition("-")[0]]
            counts[kind == "Equation"] += 1
            names[label] = f"{kind} {chapter}.{counts[kind == 'Equation']}"
    return names


def write():
    """Write the numbers into their file; whether these were others before."""
    text = json.dumps(counted(), ensure_ascii=False, indent=1) + "\n"
    changed = WRITTEN.read_text(encoding="utf-8") != text
    if changed:
        WRITTEN.write_text(text, encoding="utf-8")
    return changed


if __name__ == "__main__":
    sys.exit(f"{WRITTEN.name} was written anew." if write() else 0)
