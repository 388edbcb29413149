"""A widget's frames while its first slider is dragged: the first one, and the median of all.

Each stands on a page of its own; they are measured one by one, in one Chromium.
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


def drag_frames(browser):
    """(first, median) milliseconds of a frame while each widget's first slider is dragged, one by one, by its name."""
    frames = {}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(STATIC, folder, dirs_exist_ok=True)
        for name in rlbook.widgets.__all__:
            file = Path(folder) / f"{name}.html"
            file.write_text(PAGE.format(html=getattr(rlbook.widgets, name)().to_html(), theme="light"), "utf-8")
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(file.as_uri())
            slider = page.locator(".rl[data-preset] input[type=range]").first
            slider.wait_for(timeout=60_000)
            slider.scroll_into_view_if_needed()
            slider.focus()
            page.wait_for_timeout(1000)  # until what waits for rest has been done
            times = slider.evaluate(INPUT_TO_PAINT, True)
            frames[name] = times[0], float(np.median(times))
            page.close()
    return frames


def main():
    with sync_playwright() as playwright:
        frames = drag_frames(launch(playwright))
    show(
        "A widget's frame while its first slider is dragged",
        [
            Result(f"ms, {which}, {name}", most, times[i], False)
            for name, times in frames.items()
            for i, (which, most) in enumerate((("first", 50), ("median", 16)))
        ],
    )
