"""Tests that need a browser, and slow ones, are marked by what they ask for."""

import pytest

from tests.conftest import MARKED_BY
from tests.sources import ROOT


def test_the_fixtures_that_mark_are_there():
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("*.py")))
    for fixtures in MARKED_BY.values():
        assert not [name for name in fixtures if f"\ndef {name}(" not in text]


def test_what_asks_for_a_browser_is_marked(request):
    """Of the tests that are collected with this one: those whose fixtures lead to Playwright, and no others."""
    for item in request.session.items:
        names = set(item.fixturenames)
        assert bool(item.get_closest_marker("browser")) == bool(
            names & {"browser", "visit", "window", "playwright", "pdf"}
        )
        assert item.get_closest_marker("slow") or not names & {"site", "soup", "address"}


@pytest.mark.parametrize("mark", MARKED_BY)
def test_marks_are_registered(mark, pytestconfig):
    assert any(line.startswith(f"{mark}:") for line in pytestconfig.getini("markers"))
