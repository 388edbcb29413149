"""How long `import rlbook` takes, and its parts, against importing what they stand on; each in a process of its own."""

from __future__ import annotations

import functools
import subprocess
import sys

import numpy as np

from benchmarks.timing import Result, interleaved, show

REPEATS = 7
PARTS = {  # the part: what it stands on
    "rlbook": "numpy, scipy",
    "rlbook.plots": "matplotlib.pyplot, IPython",
    "rlbook.widgets": "matplotlib.pyplot, anywidget, ipywidgets",
    "rlbook.neural": "torch, gymnasium",
}


def start(statement):
    subprocess.run([sys.executable, "-c", statement], check=True)


def main():
    statements = {"nothing": "pass"} | {part: f"import {part}" for pair in PARTS.items() for part in pair}
    turns = interleaved({name: functools.partial(start, code) for name, code in statements.items()}, REPEATS)
    seconds = {name: np.median(each - turns["nothing"]) for name, each in turns.items()}
    results = [Result("import rlbook: seconds", 0.3, seconds["rlbook"], False)]
    notes = [", ".join(f"{name} {each:.2g} s" for name, each in seconds.items())]
    for part, base in list(PARTS.items())[1:]:
        results.append(Result(f"import {part}: import {base}", 1.5, seconds[part] / seconds[base], False))
    show("Imports: seconds, and share of the time of", results, *notes)
