"""The style that ruff holds; one version everywhere; what the package's files bring; what the workflow runs."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml

import rlbook
from tests.sources import ROOT


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_has_nothing_to_say(arguments):
    pytest.importorskip("ruff")  # which comes with the extra [style], and `make test` has it
    result = subprocess.run(
        [sys.executable, "-m", "ruff", *arguments, "."], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_version_stands_in_the_package_and_is_what_the_others_say():
    """The package's build reads it there; the newest entry of the changelog and the citation have it, and one date."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "rlbook.__version__"}
    newest = re.search(r"^## (\S+) · (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert newest.groups() == (rlbook.__version__, citation["date-released"].isoformat())
    assert citation["version"] == rlbook.__version__


def test_make_help_has_a_line_for_each_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    said = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = [re.fullmatch(r"make (\w+) +(\S.*)", line) for line in said.stdout.splitlines()]
    assert sorted(line[1] for line in lines) == sorted(targets)


def test_the_workflows_actions_are_named_by_their_commits():
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for action in re.findall(r"uses: *(.*)", path.read_text()):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v[\d.]+", action), action


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_the_paths_that_a_page_for_maintainers_names_are_there(name):
    named = re.findall(r"`((?:book|rlbook|tests|benchmarks|examples)/[\w./-]*)`", (ROOT / name).read_text("utf-8"))
    assert len(named) > 15
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_no_file_of_the_package_is_more_than_one_sitting():
    files = [path for path in (ROOT / "rlbook").rglob("*.py") if "node_modules" not in path.parts]
    assert len(files) > 50
    assert not [path for path in files if len(path.read_text(encoding="utf-8").splitlines()) > 400]
