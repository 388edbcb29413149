"""The numbers of statements and equations for the package's docstrings: rlbook/statements.json, from the built book.

.venv/bin/python -m book._ext.numbers
"""

import json
from pathlib import Path

from rlbook.statements import LABEL

ROOT = Path(__file__).parents[2]
WRITTEN = ROOT / "rlbook" / "statements.json"


def numbers_in(said):
    """What `help()` shows for each label, as a file's text, from what the built pages say (see plain.py)."""
    shown = {label: name for label, (name, *_) in said["labels"].items()}
    names = {label: f"Equation {name[1:-1]}" if name.startswith("(") else name for label, name in shown.items()}
    kept = {label: name for label, name in names.items() if LABEL.fullmatch(label)}
    return json.dumps(kept, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    built = json.loads((ROOT / "_build" / "html" / "names.json").read_text(encoding="utf-8"))
    WRITTEN.write_text(numbers_in(built), encoding="utf-8")
