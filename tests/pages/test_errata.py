"""The errata: every item has its entry and its tests, and every marker names an item."""

import re

from book._ext.claims import markers_in
from tests.sources import ERRATA, ROOT


def test_every_item_has_a_test_and_every_marker_names_an_item():
    mended = markers_in(ROOT / "tests", "mends")
    assert not sorted(set(ERRATA) - set(mended)), "items that no test tells from the right version"
    assert not sorted(set(mended) - set(ERRATA)), "markers that name no item"


def test_the_page_has_an_entry_for_every_item():
    """In order, each with what was written, what is right, why, links to the chapter, and its own tests."""
    text = (ROOT / "book" / "errata.md").read_text(encoding="utf-8")
    entries = re.split(r"^### Erratum (\d+) · .+$", text, flags=re.MULTILINE)[1:]
    assert [int(number) for number in entries[::2]] == ERRATA == list(range(1, len(ERRATA) + 1))
    assert text.count("\n### ") == len(ERRATA)
    for number, entry in zip(entries[::2], entries[1::2], strict=True):
        terms = re.findall(r"^(.+)\n: ", entry, flags=re.MULTILINE)
        assert terms == ["As written", "As it should be", "Why", "Tests"], number
        assert re.search(r"\{(prf:ref|eq)\}`", entry), f"{number}: names no statement of the book"
        assert re.findall(r"\{mends\}`(\d+)`", entry) == [number]


def test_the_built_page_shows_each_items_tests(soup):
    mended = markers_in(ROOT / "tests", "mends")
    lists = soup("book/errata.html").select("article dl.myst")
    assert len(lists) == len(ERRATA)
    for item, entry in zip(ERRATA, lists, strict=True):
        shown = [code.get_text().replace("\u200b", "") for code in entry.select("dd")[-1].select("code")]
        assert shown == [f"{check.file}::{check.name}" for check in mended[item]]
