"""Every numbered statement is named by a test, and every name is a statement's."""

import functools
import itertools
import re

import pytest

from book._ext.claims import labels_in, markers_in
from tests.sources import ROOT, pages


@functools.cache  # it reads every test there is
def proving():
    return markers_in(ROOT / "tests")


def test_every_statement_is_proved_and_every_marker_names_a_statement():
    stated = [label for page in pages() for label in labels_in(page)]
    proved = proving()
    assert stated, "no labelled statement was found in the book"
    assert not [label for label in stated if stated.count(label) > 1], "labels must be unique"
    assert not sorted(set(stated) - set(proved)), "statements that no test proves"
    assert not sorted(set(proved) - set(stated)), "markers that name no statement"


def test_the_readers_find_what_they_should(tmp_path):
    """The two readers on a page and a test file that hold one of everything."""
    (tmp_path / "page.md").write_text(
        "```{prf:theorem} A title\n:class: tip\n:label: thm-a\n$$x$$ (eq-inside)\n```\n"
        "```{prf:remark}\n:label: rem-b\nfree\n```\n"
        "$$\ny\n$$ (eq-c)\n\n```{math}\n:label: eq-d\nz\n```\n$$unlabelled$$\n```{exercise}\n:label: ex-e\n```\n"
    )
    (tmp_path / "test_page.py").write_text(
        "import pytest\n\n@pytest.mark.proves('thm-a', 'eq-c')\ndef test_one():\n    pass\n\n"
        "@pytest.mark.slow\ndef test_two():\n    pass\n"
    )
    assert labels_in(tmp_path / "page.md") == ["thm-a", "eq-inside", "eq-c", "eq-d"]
    markers = markers_in(tmp_path)
    assert {label: [check.name for check in checks] for label, checks in markers.items()} == {
        "thm-a": ["test_one"],
        "eq-c": ["test_one"],
    }


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_the_built_page_shows_its_checks(page, soup):
    """Beside each statement stands how many tests check it, with their names folded away, all of them."""
    notes = soup(str(page.relative_to(ROOT).with_suffix(".html"))).select(".checked-by")
    assert len(notes) == len(labels_in(page))
    for note in notes:
        *names, place = note.select("details > p")
        names = [name.get_text().replace("\u200b", "") for name in names]
        label = place.a["href"].partition("#checks-")[2]
        assert names == [check.name for check in proving()[label]]
        statement = note.find_parent(class_="proof")
        shared = statement is not None and len(statement.select(".checked-by")) > 1  # then each says whose it is
        number = rf"(\(|[A-Z][a-z]+ ){int(page.stem[:2])}\.\d+\)? " if shared else ""
        assert re.fullmatch(rf"{number}✓ {len(names)} tests?", note.summary.get_text())
        assert note.summary.get_text().endswith("s") == (len(names) > 1)


def test_the_ledger_lists_every_statement_with_its_tests(soup):
    html = soup("book/ledger.html")
    proved = proving()
    rows = {row["id"].removeprefix("checks-"): row for row in html.select("table.ledger tbody tr")}
    assert list(rows) == [label for page in pages() for label in labels_in(page)]
    for label, row in rows.items():
        link = row.select_one("a")["href"]
        target, anchor = link.split("#")
        assert soup(f"book/{target}").find(id=anchor), f"{link} leads nowhere"
        listed = [line.get_text().replace("\u200b", "") for line in row.select("td:last-child p")]
        files = itertools.groupby(proved[label], key=lambda check: check.file)
        assert listed == [line for file, checks in files for line in (file, *(check.name for check in checks))]
