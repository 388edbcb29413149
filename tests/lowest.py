"""The lowest versions that pyproject.toml admits, as constraints for pip: `python tests/lowest.py notebooks test`.

For each requirement of the package and of the extras that are named, "name==bound". What these bring along themselves
is left to pip.
"""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lowest(project, extras):
    """["name==bound", ...] of a project's requirements and those of some of its extras, which may name others."""
    pins, waiting = [], [*project["dependencies"]]
    for extra in extras:
        waiting += project["optional-dependencies"][extra]
    for requirement in waiting:
        if own := re.fullmatch(rf"{project['name']}\[(.+)\]", requirement):
            pins += [pin for pin in lowest(project, own[1].split(",")) if pin not in pins]
            continue
        bound = re.fullmatch(r"([\w-]+)>=([\w.]+)(?:,.*)?", requirement)
        if not bound:
            raise ValueError(f"{requirement!r} has no lower bound, as in name>=1.0")
        pins.append(f"{bound[1]}=={bound[2]}")
    return pins


if __name__ == "__main__":
    print("\n".join(lowest(tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"], sys.argv[1:])))
