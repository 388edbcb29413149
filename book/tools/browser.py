"""Finding, installing and starting browsers, for the tests, the benchmark of the page and the printed book.

`python -m book.tools.browser` sees to it that there is a Chromium: as root on Debian the package
`chromium-headless-shell`, elsewhere an installed Chromium or Chrome, else Playwright's own. Without one it fails. It
also tries to have a Firefox and a WebKit, for `tests.engines`: as root on Debian the distribution's, elsewhere
Playwright's own. Where that cannot be, their tests are skipped.
"""

from __future__ import annotations

import os
import platform
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
# Chromium without windows of its own: what the tests ask of it, it does in half the time. Playwright's own is one too.
SHELL = "chromium-headless-shell"
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = {"firefox": ("firefox-esr",), "webkit": ("webkit2gtk-driver", "xvfb")}  # Debian's

# A page with one widget on it.
PAGE = """<!doctype html>
<html lang="en" data-theme="{theme}"><head><meta charset="utf-8"><title>A widget</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<link rel="stylesheet" href="widgets.css"><style>body {{ margin: 0 auto; padding: 1rem; max-width: 46rem }}
[data-theme="dark"] body {{ background: #14181e }}</style>
<script defer src="widget-loader.js"></script></head>
<body><main>{html}<p style="height: 60rem">The end.</p></main></body></html>"""


def find_chromium():
    """The path of an installed Chromium or Chrome: $CHROMIUM, else the first of NAMES; None if there is none."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    return next(filter(None, map(shutil.which, NAMES)), None)


def find_firefox():
    """The path of an installed Firefox: $FIREFOX, else one on the PATH; None if there is none."""
    return os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")


def find_minibrowser():
    """The paths of WebKitGTK's driver and of its MiniBrowser, if an X server to show it in is installed too."""
    driver = shutil.which("WebKitWebDriver")
    programs = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
    return (driver, programs[-1]) if driver and programs and shutil.which("Xvfb") else None


def is_debian_root():
    """Whether this is root on Debian, who can install the distribution's packages."""
    try:
        system = platform.freedesktop_os_release()["ID"]
    except OSError:
        return False
    return system == "debian" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def launch(playwright, *flags, **options):
    """A headless Chromium; with none installed, the one that `playwright install chromium` brought."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS, *flags], **options)


def apt_install(*packages):
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    patient = ("-qq", "-o", "DPkg::Lock::Timeout=300")
    for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", *patient, *command], env=environment, check=False, stdout=subprocess.DEVNULL)


def playwright_install(*names):
    command = [sys.executable, "-m", "playwright", "install", *names]
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0


def playwrights_own():
    """Which of Playwright's own browsers are installed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        kinds = (playwright.chromium, playwright.firefox, playwright.webkit)
        return {kind.name for kind in kinds if Path(kind.executable_path).exists()}


def install():
    """Make sure that `launch` will find a browser, or exit with a word of advice; try to have the other engines."""
    own = playwrights_own()
    if is_debian_root() and "CHROMIUM" not in os.environ and not shutil.which(SHELL):
        print(f"Installing Debian's package {SHELL}.", flush=True)
        apt_install(SHELL)
    if not find_chromium() and "chromium" not in own:
        print("No Chromium or Chrome is installed; asking Playwright for its own.", flush=True)
        if not playwright_install("chromium") and is_debian_root():  # one without the package above
            apt_install("chromium")
        if not find_chromium() and "chromium" not in playwrights_own():
            sys.exit("The browser tests need Chromium or Chrome: install one, or name its path in $CHROMIUM.")

    finders = {"firefox": find_firefox, "webkit": find_minibrowser}
    missing = [name for name, find in finders.items() if name not in own and not find()]
    if missing and is_debian_root():
        print(f"Installing Debian's packages of {' and '.join(missing)}.", flush=True)
        apt_install(*(package for name in missing for package in PACKAGES[name]))
        missing = [name for name in missing if not finders[name]()]
    elif missing:
        print(f"Asking Playwright for its own {' and '.join(missing)}.", flush=True)
        missing = [] if playwright_install(*missing) else missing
    if missing:
        print(f"There is no {' and no '.join(missing)} here; their tests are skipped.", flush=True)


if __name__ == "__main__":
    install()
