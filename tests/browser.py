"""Finding and starting a Chromium, for the browser tests and for the benchmark of the page."""

from __future__ import annotations

import os
import shutil

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium():
    """The path of an installed Chromium or Chrome: $CHROMIUM, else one on the PATH; None if there is none."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    return next(filter(None, map(shutil.which, NAMES)), None)


def launch(playwright, **options):
    """A headless Chromium; with none installed, the one that `playwright install chromium` brought."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS), **options)
