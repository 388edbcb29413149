"""Two builds of the same sources write the same files, byte for byte."""

import hashlib
import shutil

import pytest

CELLS = (
    "from rlbook import derive, plots\nfrom rlbook.widgets import VarianceReduction\nplots.use()",
    "VarianceReduction(step=1)",
    'derive("score-function")',
    'plots.lines([1, 2], {"one": [1, 2]}, colors=[plots.INK], xlabel="x", ylabel="y");',
)


def digests(html):
    return {
        str(path.relative_to(html)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(html.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("small_book", [{"three": CELLS}], indirect=True)
def test_two_builds_are_the_same(small_book):
    _, html = small_book()
    first = digests(html)
    assert sum(name.endswith(".html") for name in first) >= 7
    assert any(name.startswith("_images/widget-") for name in first)
    shutil.rmtree(html.parent)
    small_book()
    second = digests(html)
    assert {name for name in first | second if first.get(name) != second.get(name)} == set()
