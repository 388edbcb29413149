"""The page of larger studies says what its file of results holds, and no more."""

import ast
import importlib
import inspect
import json
import re

import numpy as np
import pytest

from book import studies
from tests.sources import ROOT

RESULTS = json.loads((studies.DATA / "studies.json").read_text(encoding="utf-8"))


def test_figures_and_tables_are_what_the_results_make(tmp_path, monkeypatch):
    (tmp_path / "studies.json").write_bytes((studies.DATA / "studies.json").read_bytes())
    monkeypatch.setattr(studies, "DATA", tmp_path)
    studies.draw()
    kept = ROOT / "book" / "_data"
    assert sorted(file.name for file in kept.iterdir()) == sorted(file.name for file in tmp_path.iterdir())
    for file in kept.iterdir():
        assert file.read_bytes() == (tmp_path / file.name).read_bytes(), f"{file.name}: python -m book.studies --draw"
    assert (kept / "studies.json").stat().st_size < 200_000


def test_every_study_is_on_the_page_with_ten_seeds():
    page = (ROOT / "book" / "larger-studies.md").read_text(encoding="utf-8")
    assert re.findall(r"\{include\} _data/([\w-]+)\.md", page) == list(RESULTS)
    for study in RESULTS.values():
        for runs in study["curves"].values():
            assert np.shape(runs) == (studies.SEEDS, len(study["at"]))
            assert len({tuple(run) for run in runs}) == studies.SEEDS


def test_the_tables_count_as_by_hand(soup):
    """Mean, median and range of what each run ends with, by adding and sorting."""
    for table, (name, study) in zip(
        soup("book/larger-studies.html").select("article table"), RESULTS.items(), strict=True
    ):
        rows = [[cell.get_text() for cell in row.select("td")] for row in table.select("tbody tr")]
        assert len(rows) == len(study["curves"])
        for (variant, mean, median, _, span), (expected, runs) in zip(rows, study["curves"].items(), strict=True):
            last = 3 if name == "q-learning" else 5
            ends = sorted(sum(run[-last:]) / last for run in runs)
            numbers = (sum(ends) / 10, (ends[4] + ends[5]) / 2, ends[0], ends[9])
            shown = [f"{x:.0f}".replace("-", "−") for x in numbers]
            assert (variant, mean, median, span) == (expected, shown[0], shown[1], f"{shown[2]} to {shown[3]}")


@pytest.mark.parametrize(
    ("a", "b", "sentence"),
    [
        ([1, 2, 3, 4], [5, 6, 7, 8], "Every run of *b* ends above every run of *a*."),
        (
            [5, 6, 7, 8],
            [1, 2, 3, 5],
            "The middle halves of *b* and *a* are apart and single runs overlap: in 94\N{NO-BREAK SPACE}% of the 16",
        ),
        (
            [1, 2, 3, 9],
            [2, 3, 4, 5],
            "Even the middle halves of *a* and *b* overlap: in 56\N{NO-BREAK SPACE}% of the 16 pairs of runs *b* ends",
        ),
    ],
)
def test_what_is_said_of_two_methods(a, b, sentence):
    assert studies.said({"a": np.array(a), "b": np.array(b)}).startswith(sentence)


def test_the_study_of_your_own_runs_as_it_is_written():
    """With fewer seeds, batches and episodes."""
    pytest.importorskip("torch")
    page = (ROOT / "book" / "larger-studies.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[-1]
    for long, short in {"batches=30": "batches=1", "range(10)": "range(2)", ": 64": ": 4", ": 512": ": 8"}.items():
        assert code.count(long) == 1
        code = code.replace(long, short)
    names = {}
    exec(code, names)
    assert {name: len(of_seeds) for name, of_seeds in names["measured"].items()} == {"small": 2, "large": 2}


WITH_CODE = [file.name for file in sorted((ROOT / "book").glob("*.md")) if "```python" in file.read_text("utf-8")]


@pytest.mark.parametrize("page", WITH_CODE)
def test_what_code_of_the_text_takes_from_rlbook_is_there_and_takes_what_it_is_given(page):
    for code in re.findall(r"```python\n(.*?)```", (ROOT / "book" / page).read_text(encoding="utf-8"), re.DOTALL):
        tree, known = ast.parse(code), {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("rlbook"):
                if node.module.startswith("rlbook.neural"):
                    pytest.importorskip("torch")
                module = importlib.import_module(node.module)
                known |= {alias.asname or alias.name: getattr(module, alias.name) for alias in node.names}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known:
                given = {keyword.arg: None for keyword in node.keywords}
                inspect.signature(known[node.func.id]).bind(*node.args, **given)
