"""Statements by the numbers that their pages give them, for `help()`, which shows a docstring.

The source keeps the label, which stays what it is when a statement is put in before it. rlbook, and each package that
it does not import itself, calls `name_statements` when all of it is there. `.venv/bin/python -m book._ext.numbers`
counts them in the chapters and writes statements.json.
"""

import inspect
import json
import re
import sys
from pathlib import Path

LABEL = re.compile(r"\b(thm|lem|prop|def|eq)-[a-z0-9]+(?:-[a-z0-9]+)*\b")
NAMES = json.loads(Path(__file__).with_name("statements.json").read_text(encoding="utf-8"))


def named(text: str) -> str:
    """A text in which each label that a page has is what the page calls it, by its kind and number."""
    return LABEL.sub(lambda label: NAMES.get(label[0], label[0]), text)


def name_statements(package: str) -> None:
    """Name the statements in the docstrings of a package's modules that are there, and of what they define."""
    for name, module in list(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            parts = [module, *(part for part in vars(module).values() if getattr(part, "__module__", "") == name)]
            for part in parts:
                _name_in(part)
                if inspect.isclass(part):
                    for member in vars(part).values():
                        _name_in(getattr(member, "__func__", member))


def _name_in(part):
    ours = inspect.ismodule(part) or inspect.isclass(part) or inspect.isfunction(part) or isinstance(part, property)
    if ours and part.__doc__:
        part.__doc__ = named(part.__doc__)
