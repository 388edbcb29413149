"""A widget's frames while a slider or a handle of its lesson is dragged: the first one, and the median of all.

Each step stands on a page of its own; all that can be dragged in it is measured one by one, in one Chromium. A row
says what was slowest in the widget's steps.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

import rlbook.widgets
from benchmarks.page import INPUT_TO_PAINT
from benchmarks.timing import Result, show
from book.tools.browser import PAGE, launch
from rlbook.widgets.base import STATIC

DRAGGED = ".rl[data-preset] :is(input[type=range]:enabled, [role=slider]):not(.rl-asked *):visible"
NAME = "(control) => control.ariaLabel ?? control.labels[0].textContent"


def drag_frames(browser):
    """{(widget, step, control): (first, median)}, milliseconds of a frame while the control is dragged."""
    frames = {}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(STATIC, folder, dirs_exist_ok=True)
        for name in rlbook.widgets.__all__:
            kind = getattr(rlbook.widgets, name)
            for step in range(1, len(kind.lesson) + 1):
                file = Path(folder) / f"{name}-{step}.html"
                file.write_text(PAGE.format(html=kind(step=step).to_html(), theme="light"), "utf-8")
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(file.as_uri())
                page.locator(".rl[data-preset]").wait_for(timeout=60_000)
                for control in page.locator(DRAGGED).all():
                    control.scroll_into_view_if_needed()
                    control.focus()
                    page.wait_for_timeout(1000)  # until what waits for rest has been done
                    dragged = control.evaluate(NAME)  # before its drag can put another out of sight
                    times = control.evaluate(INPUT_TO_PAINT, True)
                    frames[name, step, dragged] = times[0], np.median(times)
                page.close()
    return frames


def main():
    with sync_playwright() as playwright:
        frames = drag_frames(launch(playwright))
    results, notes = [], []
    for name in dict.fromkeys(name for name, *_ in frames):
        own = {key: times for key, times in frames.items() if key[0] == name}
        for i, (which, most) in enumerate((("first", 50), ("median", 16))):
            slowest = max(own, key=lambda key: own[key][i])
            results.append(Result(f"ms, {which}, {name}", most, own[slowest][i], False))
            notes.append(f"{which}, {name}: step {slowest[1]}, {slowest[2]}")
    show("A widget's frame while something is dragged", results, f"{len(frames)} drags", *notes)
