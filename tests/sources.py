"""What the book is made of: its folder, its notebooks, its pages, the items of its errata."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))


def code_cells(number):
    """[(source, tags), ...] of the code cells of a chapter, by number; read as JSON, as tests of numerics can."""
    cells = json.loads(NOTEBOOKS[number - 1].read_text(encoding="utf-8"))["cells"]
    return [("".join(c["source"]), c["metadata"].get("tags", [])) for c in cells if c["cell_type"] == "code"]


def pages():
    """The files of the table of contents; read as text, for the tests of the numerics have no YAML."""
    names = re.findall(r"^(?:root:| *- file:) (\S+)$", (ROOT / "_toc.yml").read_text(), re.MULTILINE)
    return [next(path for path in ROOT.glob(f"{name}.*") if path.suffix in (".md", ".ipynb")) for name in names]


ERRATA = [int(n) for n in re.findall(r"^### Erratum (\d+) · ", (ROOT / "book/errata.md").read_text("utf-8"), re.M)]
NAMES = [str(page.relative_to(ROOT).with_suffix(".html")) for page in pages()]
CHAPTERS = [name for name in NAMES if re.match(r"book/\d\d-", name)]
# The numerics' topics, as the package has them.
TOPICS = sorted(
    path.stem
    for path in (ROOT / "rlbook").iterdir()
    if (path.suffix == ".py" or (path / "__init__.py").exists())
    and path.stem not in ("__init__", "checks", "neural", "plots", "studies", "widgets")
)
WITH_WIDGET = "book/01-reinforce.html"
