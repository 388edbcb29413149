"""Settings that every test shares."""

from tests.node import FRONTEND  # first: IPython before 9 puts a package "tests" of its own on the path

# isort: split
import functools
import http.server
import os
import shutil
import subprocess
import threading
from importlib.util import find_spec

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from book.tools.node import run_npm
from rlbook import plots
from rlbook.widgets.base import STATIC, Widget
from tests.causes import causes
from tests.sources import ROOT

# What some tests need besides the extra [test]: {extra: (a package that it brings, their files)}. Where it is not
# installed they are left out, and the first lines of the run say so.
NEEDED = {
    "neural": ("torch", ["neural/*.py"]),
    "cluster": ("ray", ["neural/test_clusters.py"]),
    "book": ("sphinx_proof", ["book/*.py", "pages/*.py", "widgets/test_hosts.py"]),
}
MISSING = {extra: files for extra, (package, files) in NEEDED.items() if not find_spec(package)}
collect_ignore_glob = [file for files in MISSING.values() for file in files]


def pytest_report_header():
    return [f"without the extra [{extra}], so without {', '.join(files)}" for extra, files in MISSING.items()]


# Marks that a test gets by the fixtures that it asks for: what drives or starts a browser, and what waits for the book,
# a book of its own or npm. Others that take over 20 s are marked where they stand.
MARKED_BY = {"browser": {"playwright", "pdf"}, "slow": {"site", "small_book", "frontend"}}
# Once in some thousand tests a browser on a busy machine does not do in time what it always does. Such a test begins
# again, once: what is always wrong fails twice. What is wrong now and then would pass, so the run's last lines name
# each test that began again, and a run with more than so many of them has failed.
AGAIN = pytest.mark.flaky(reruns=1, rerun_except=r"make \w+ failed")
AGAIN_AT_MOST = 3


# Derandomised, so that a run today and a run tomorrow test the same; no deadline, for machines differ.
settings.register_profile(
    "book",
    derandomize=True,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("book")


# Begun first, in this order: what takes minutes, so that at the end no process works alone; and the first that needs
# the built book, which is then made while another process does what does not.
FIRST = (
    "says_the_same[03",
    "test_engines.py",
    "says_the_same",
    "test_hosts.py",
    "test_lab.py",
    "test_lab_references.py",
    "test_pdf.py",
)


def pytest_configure(config):
    config.option.loadscopereorder = False  # or those by themselves, the longest among them, would come last


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Their marks, in what order the processes take the tests, and which they take together.

    With `--dist loadgroup` each takes the next test, but those that share a module's fixture (an engine's window, a
    JupyterLab) as one; with a fixture's parameters, those that share the same. Tests that read the parsed pages go
    together too, for to parse them takes longer than most of these tests.
    """

    def place(item):
        return next((i for i, part in enumerate(FIRST) if part in item.nodeid), len(FIRST))

    items.sort(key=place)
    for item in items:
        for mark, asked in MARKED_BY.items():
            if asked & set(item.fixturenames):
                item.add_marker(mark)
        if item.get_closest_marker("browser"):
            item.add_marker(AGAIN)
        fixtures = item._fixtureinfo.name2fixturedefs
        shared = sorted(name for name, found in fixtures.items() if found[-1].scope == "module")
        if shared:
            parameters = getattr(item, "callspec", None)
            values = [str(parameters.params.get(name, "")) for name in shared] if parameters else []
            item.add_marker(pytest.mark.xdist_group("-".join([item.path.stem, *filter(None, values)])))
        elif "soup" in fixtures:
            item.add_marker(pytest.mark.xdist_group("soup"))


def begun_again(config):
    """How many tests began again; 0 in a process that only runs a part of them."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("rerun", [])) if reporter else 0


def pytest_sessionfinish(session):
    if begun_again(session.config) > AGAIN_AT_MOST and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    for report in terminalreporter.stats.get("rerun", []):
        crash = getattr(report.longrepr, "reprcrash", None)
        terminalreporter.write_line(f"{report.nodeid} began again: {crash.message if crash else report.longreprtext}")
    if (count := begun_again(config)) > AGAIN_AT_MOST:
        terminalreporter.write_line(f"{count} tests began again, more than {AGAIN_AT_MOST}: that is a fault.", red=True)


def one_for_all(tmp_path_factory):
    """A folder that all processes of this run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built book. Building it runs every notebook that has changed, so each runs once."""
    with FileLock(one_for_all(tmp_path_factory) / "book.lock"):  # of two processes of tests, one builds
        result = subprocess.run(["make", "book"], cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.fail("make book failed:\n" + causes(result.stdout + result.stderr), pytrace=False)
    return ROOT / "_build" / "html"


@pytest.fixture(scope="session")
def soup(site):
    """A function from a page's name to its parsed HTML; each page is parsed once and is not to be changed."""
    from bs4 import BeautifulSoup  # here, so that the tests of numerics and widgets do not need what the pages do

    return functools.cache(lambda name: BeautifulSoup((site / name).read_text(encoding="utf-8"), "html.parser"))


@pytest.fixture(scope="session")
def frontend(tmp_path_factory):
    """A copy of the widgets' sources with the packages of its lock file, built: the folder, static/ beside it."""
    folder = one_for_all(tmp_path_factory) / "widgets"
    copy, made = folder / "frontend", folder / "made"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):  # of two processes of tests, one builds
        if made.exists():
            return copy
        shutil.copytree(FRONTEND, copy, ignore=shutil.ignore_patterns("node_modules"), dirs_exist_ok=True)
        for arguments in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
            result = run_npm(copy, *arguments)
            assert result.returncode == 0, f"{' '.join(arguments)} failed:\n{result.stdout}{result.stderr}"
        made.touch()
    return copy


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def address(site):
    """The built book, served on this machine: the address of its folder."""
    handler = functools.partial(QuietHandler, directory=site)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def playwright():
    from playwright.sync_api import sync_playwright  # here, so that the numerical tests need no browser

    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright):
    """One headless Chromium for all browser tests, that can reach nothing but this machine."""
    from book.tools.browser import launch

    chromium = launch(playwright)
    yield chromium
    chromium.close()


@pytest.fixture
def visit(browser, tmp_path, monkeypatch):
    """Open a widget on a page of its own: visit(widget, width, asked="#…"). Nothing may be complained of.

    `width` is one of `tests.live.WIDTHS`, or (width, height).

    The picture that stands there without JavaScript takes longer to draw than all the rest, and is left out.
    """
    from book.tools.browser import PAGE
    from tests.live import WIDTHS, Visit

    for path in STATIC.iterdir():
        shutil.copy(path, tmp_path)
    visits = []

    def open_page(widget, width="desktop", *, asked="", theme="light", **options):
        with monkeypatch.context() as patched:
            patched.setattr(Widget, "picture", lambda widget: None)
            patched.setattr(plots, "to_svg", lambda picture: "<svg xmlns='http://www.w3.org/2000/svg'/>")
            html = widget.to_html()
        (tmp_path / "page.html").write_text(PAGE.format(html=html, theme=theme), encoding="utf-8")
        address = f"file://{tmp_path}/page.html{asked}"
        size = WIDTHS[width] if isinstance(width, str) else dict(zip(("width", "height"), width, strict=True))
        visits.append(Visit(browser, address, viewport=size, idle=False, **options))
        return visits[-1].page

    yield open_page
    for opened in visits:
        assert not opened.complaints
        opened.context.close()
