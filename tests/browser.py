"""Finding and starting a Chromium, for the browser tests and for the benchmark of the page.

`python -m tests.browser` sees to it that there is one: an installed Chromium or Chrome, else Playwright's own,
else, as root on Debian, the package `chromium`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

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


def install():
    """Make sure that `launch` will find a browser; exit with a word of advice where that cannot be done."""
    if find_chromium():
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        if Path(playwright.chromium.executable_path).exists():
            return
    print("No Chromium or Chrome is installed; asking Playwright for its own.", flush=True)
    if subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False).returncode == 0:
        return
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        print("That failed; installing Debian's package chromium.", flush=True)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", *command], env=environment, check=False, stdout=subprocess.DEVNULL)
    if not find_chromium():
        sys.exit("The browser tests need Chromium or Chrome: install one, or name its path in $CHROMIUM.")


if __name__ == "__main__":
    install()
