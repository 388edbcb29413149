"""The scripts in examples/ run, which do what a learner, practitioner and teacher would with the pages' words alone."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.sources import ROOT

# Each is run as a reader would, in a process of its own; it ends with an assertion where a number is at stake. What
# it must say besides: a value that another route gives, in other tests.
SAID = {
    "exercises.py": ["soft value of staying 12.5002", "needs 557"],
    "inventory.py": ["certain to within", "one more is worth"],
    "machine.py": ["terminal: [False, False, False, True]"],
    "teacher.py": ["variance of the full return 4.16, of reward-to-go 2.22", "cloud.png", "coordinates.html"],
    "trainers.py": [
        "in the maze",
        "on Acrobot",
        "on MountainCarContinuous",
        *(["on LunarLander"] if find_spec("Box2D") else []),
    ],
}


def test_every_example_is_run():
    assert sorted(path.name for path in (ROOT / "examples").iterdir()) == sorted(SAID)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAID)
def test_an_example_runs_to_its_end(name, tmp_path):
    environment = os.environ | {"TQDM_DISABLE": "1", "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    script = ROOT / "examples" / name
    run = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert not list(tmp_path.iterdir()), "an example leaves nothing behind"
    for said in SAID[name]:
        assert said in run.stdout
