"""Tests that need a browser, and slow ones, are marked by what they ask for; those of a browser may begin again."""

import subprocess
import sys

import pytest

from tests.conftest import AGAIN_AT_MOST, MARKED_BY
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


SHAKY = """
import pytest

seen = set()

@pytest.fixture
def playwright():
    pass

@pytest.mark.parametrize("number", range({count}))
def test_shaky({fixture}, number):
    again = number in seen
    seen.add(number)
    assert again, "{message}"
"""


@pytest.mark.parametrize(
    ("fixture", "count", "message", "said"),
    [
        ("playwright", AGAIN_AT_MOST, "", f"{AGAIN_AT_MOST} rerun"),
        ("playwright", AGAIN_AT_MOST + 1, "", f"{AGAIN_AT_MOST + 1} tests began again, more than {AGAIN_AT_MOST}"),
        ("tmp_path", 1, "", "1 failed"),
        ("playwright", 1, "make book failed", "1 failed"),
    ],
    ids=["a few", "too many", "without a browser", "without a book"],
)
def test_of_a_browser_a_few_tests_may_begin_again(tmp_path, fixture, count, message, said):
    tests = SHAKY.format(fixture=fixture, count=count, message=message)
    (tmp_path / "test_shaky.py").write_text(tests, encoding="utf-8")
    processes = "2" if pytest.version_tuple >= (9,) else "0"  # those of older ones do not find this folder's conftest
    options = ["-p", "tests.conftest", f"--rootdir={tmp_path}", "-n", processes]
    command = [sys.executable, "-m", "pytest", *options, tmp_path]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said in run.stdout, run.stdout + run.stderr
    assert (run.returncode == 0) == ("rerun" in said)
