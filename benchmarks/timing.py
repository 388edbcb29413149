"""What every benchmark shares: timing side by side, and the table of goals."""

from __future__ import annotations

import multiprocessing
import time
from typing import NamedTuple

import numpy as np


class Result(NamedTuple):
    """One line of the table. The goal is a lower limit if `at_least`, else an upper one."""

    what: str
    goal: float
    measured: float
    at_least: bool

    @property
    def met(self):
        return self.measured >= self.goal if self.at_least else self.measured <= self.goal


def interleaved(functions, repeats):
    """Seconds that each function takes, {name: (repeats,) array}.

    The functions take turns, so that what else the machine does meanwhile hits all of them alike; ratios are
    to be taken turn by turn. One turn before the first is not counted.
    """
    seconds = {name: [] for name in functions}
    for turn in range(repeats + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def fastest(functions, repeats=3):
    """The name of the function that takes the least median time: for choosing a peer's best setting."""
    seconds = interleaved(functions, repeats)
    return min(seconds, key=lambda name: np.median(seconds[name]))


def capped(prepare, cap):
    """The seconds that prepare()() takes in a process of its own, and its result; (cap, None) where it is ended."""

    def child(pipe):
        function = prepare()
        pipe.send(None)
        start = time.perf_counter()
        result = function()
        pipe.send((time.perf_counter() - start, result))

    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
    process.start()
    ours.recv()
    result = ours.recv() if ours.poll(cap) else (cap, None)
    process.kill()
    process.join()
    return result


def show(title, results, *notes):
    """Print the results as a table, each with whether its goal is met, and notes below it."""
    print(f"\n{title}\n{'─' * len(title)}")
    width = max(len(result.what) for result in results)
    for result in results:
        goal = f"{'≥' if result.at_least else '≤'} {result.goal:g}"
        verdict = "met" if result.met else "MISSED"
        print(f"{result.what:<{width}}   goal {goal:<7}  measured {result.measured:<8.3g}  {verdict}")
    for note in notes:
        print(note)
