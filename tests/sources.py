"""What the book is made of: its folder, its notebooks, its pages and their labels."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))


def pages():
    """The files of the table of contents."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    names = [toc["root"]] + [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [next(path for path in ROOT.glob(f"{name}.*") if path.suffix in (".md", ".ipynb")) for name in names]


NAMES = [str(page.relative_to(ROOT).with_suffix(".html")) for page in pages()]
CHAPTERS = [name for name in NAMES if re.match(r"book/\d\d-", name)]
WITH_WIDGET = "book/01-reinforce.html"
