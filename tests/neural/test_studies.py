"""rlbook.studies: the same results wherever runs are made, none made twice, and none lost for another that fails."""

import importlib
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from joblib import cpu_count, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_info

from rlbook import studies
from rlbook.neural import compare_reinforce, train_reinforce
from rlbook.studies import study
from tests.experiments import SEEDS, SMALL, VARIANTS, bits, fails, made, once, threads
from tests.sources import ROOT


@pytest.mark.parametrize(
    "where",
    [{"n_jobs": 1}, {"n_jobs": 2}, {"backend": "sequential"}, {"backend": "threading", "n_jobs": 3}],
    ids=lambda where: " ".join(map(str, where.values())),
)
def test_results_are_the_same_wherever_the_runs_are_made(alone, where):
    with parallel_config(**where):
        results = study(train_reinforce, VARIANTS, SEEDS, **SMALL)
    assert tuple(results) == tuple(VARIANTS)
    assert bits(results) == alone


def test_results_do_not_depend_on_the_order_of_the_runs(alone):
    backwards = study(train_reinforce, dict(reversed(VARIANTS.items())), SEEDS[::-1], **SMALL)
    assert {name: runs[::-1] for name, runs in bits(backwards).items()} == alone


def test_a_comparison_is_a_study(alone, tmp_path):
    with parallel_config(n_jobs=2):
        compared = compare_reinforce(variants=VARIANTS, seeds=SEEDS, keep=tmp_path, **SMALL)
    for name, runs in compared.items():
        assert [run.mean_returns.tobytes() for run in runs] == [run[: 8 * 2] for run in alone[name]]
    assert len(list(tmp_path.rglob("output.pkl"))) == 6


# Where ----------------------------------------------------------------------------------------------------------


def test_all_cores_are_used_with_one_thread_each():
    torch.set_num_threads(2)
    before = [pool["num_threads"] for pool in threadpool_info()]
    with parallel_config(n_jobs=None):
        (made,) = study(threads, {"": {}}, range(2 * cpu_count())).values()
    assert len({process for process, *_ in made} - {os.getpid()}) == cpu_count()
    with parallel_config(n_jobs=1):
        (here,) = study(threads, {"": {}}, [0]).values()
    assert here[0][0] == os.getpid()
    assert {(n, *pools) for _, n, pools in made + here} == {(1, 1)}
    assert [pool["num_threads"] for pool in threadpool_info()] == before
    assert torch.get_num_threads() == 2


class Bar:
    """In place of tqdm's: what was shown."""

    def __init__(self, total, disable, leave):
        Bar.last, self.total, self.disable, self.n, self.shown = self, total, disable, 0, []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def refresh(self):
        self.shown.append(self.n)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_is_shown_run_by_run(monkeypatch, n_jobs):
    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    with parallel_config(n_jobs=n_jobs):
        study(threads, {"a": {}, "b": {}}, range(2))
    assert (Bar.last.total, Bar.last.disable) == (4, False)
    assert set(Bar.last.shown) >= {1, 2, 3, 4}
    monkeypatch.setenv("TQDM_DISABLE", "1")
    study(threads, {"a": {}}, [])
    assert Bar.last.disable


# Kept -----------------------------------------------------------------------------------------------------------


EVERY = [f"{last}-{seed}" for last in (False, True) for seed in range(4)]


def check_kept(folder):
    """After an interruption with two runs made: the rest is made, and then nothing."""
    before = made(folder)
    assert {"False-0", "False-1"} <= set(before)
    assert len(before) < 8
    variants = {"a": {}, "b": {"last": True}}
    results = [study(once, variants, range(4), keep=folder / "kept", folder=folder) for _ in range(2)]
    assert made(folder) == EVERY, "each run was made once"
    for name in variants:
        expected = [np.random.default_rng(seed).normal(size=3) for seed in range(4)]
        for result in results:
            np.testing.assert_array_equal(result[name], expected)


def test_a_study_whose_process_was_killed_goes_on_where_it_stopped(tmp_path):
    program = """
import sys, pathlib
from joblib import parallel_config
from rlbook.studies import study
from tests.experiments import once
folder = pathlib.Path(sys.argv[1])
with parallel_config(n_jobs=1):
    study(once, {"a": {}, "b": {"last": True}}, range(4), keep=folder / "kept", folder=folder)
"""
    command = [sys.executable, "-c", program, tmp_path]
    result = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert result.returncode == -signal.SIGKILL
    assert made(tmp_path) == ["False-0", "False-1"]
    check_kept(tmp_path)


def test_a_study_of_which_a_process_was_killed_goes_on_where_it_stopped(tmp_path):
    with parallel_config(n_jobs=2), pytest.raises(TerminatedWorkerError):
        study(once, {"a": {}, "b": {"last": True}}, range(4), keep=tmp_path / "kept", folder=tmp_path)
    check_kept(tmp_path)


def test_runs_are_made_anew_when_code_has_changed(tmp_path, monkeypatch):
    """The function's own, or that of rlbook, which stands elsewhere for this test."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(studies, "__file__", str(tmp_path / "rlbook" / "studies.py"))
    package = tmp_path / "rlbook"
    (package / "widgets").mkdir(parents=True)
    values = []
    for a, b, c in [(1, 1, 1), (1, 1, 1), (2, 1, 1), (2, 2, 1), (2, 2, 2)]:
        (tmp_path / "sum_of.py").write_text(f"calls = []\ndef run(*, seed):\n    calls.append(seed)\n    return {a}\n")
        (package / "deeper.py").write_text(f"x = {b}")
        (package / "widgets" / "look.py").write_text(f"x = {c}")
        importlib.invalidate_caches()
        sys.modules.pop("sum_of", None)
        module = importlib.import_module("sum_of")
        module.run.__code__ = module.run.__code__.replace(co_firstlineno=2)
        (value,) = study(module.run, {"": {}}, [5], keep=tmp_path / "kept")[""]
        values.append((value, len(module.calls)))
    assert values == [(1, 1), (1, 0), (2, 1), (2, 1), (2, 0)]


# Failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_run_that_fails_says_which_it_is_and_loses_no_other(tmp_path, n_jobs):
    variants = {"sound": {}, "frail": {"at": (1, 3)}}
    for _ in range(2):
        with parallel_config(n_jobs=n_jobs), pytest.raises(RuntimeError) as caught:
            study(fails, variants, range(4), keep=tmp_path / "kept", folder=tmp_path)
    assert str(caught.value) == "Unsendable: no way at 1"
    assert caught.value.__notes__ == [
        "2 of 8 runs failed:\n"
        "  'frail' with seed 1: RuntimeError: Unsendable: no way at 1\n"
        "  'frail' with seed 3: RuntimeError: Unsendable: no way at 3"
    ]
    assert caught.value.results == {"sound": [0, 1, 2, 3], "frail": [0, None, 2, None]}
    assert made(tmp_path) == ["0-0", "0-1", "0-2", "0-3", "2-0", "2-1", "2-1", "2-2", "2-3", "2-3"]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_stays_what_it_was_and_says_where_it_came_from(n_jobs):
    with parallel_config(n_jobs=n_jobs), pytest.raises(ValueError, match=r"^gamma must be a number in") as caught:
        compare_reinforce(seeds=[0], gamma=2)
    trace, said = caught.value.__notes__
    assert "in train_reinforce" in trace
    assert said.startswith("3 of 3 runs failed:\n  'full' with seed 0: ValueError: gamma must be")
    assert "\n  'baseline' with seed 0: " in said


def test_bad_studies_are_named():
    with pytest.raises(ValueError, match=r"^function must be a function, got 3"):
        study(3, VARIANTS, [0])
    with pytest.raises(ValueError, match=r"^keep must be the path of a folder, got 3"):
        study(train_reinforce, VARIANTS, [0], keep=3)
    with pytest.raises(ValueError, match=r"^variants must be a dictionary"):
        study(train_reinforce, "full", [0])
    with pytest.raises(ValueError, match=r"^seeds\[1\] must be an integer from 0, got -1"):
        study(train_reinforce, VARIANTS, [0, -1])
