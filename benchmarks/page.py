"""The chapter's page as this book builds it, against the same chapter built by plain Jupyter Book.

The plain page comes from the same executed notebook: default theme, MathJax, ipywidgets' own embedding. What
it would take from a CDN is fetched from npm and served from here, so that the network's speed plays no part;
both pages come gzipped from the same server. Weight is what the page fetches until it has been scrolled to
its end and its widget is there. Loading is judged by Lighthouse, the median of three runs that take turns.
"""

from __future__ import annotations

import gzip
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import numpy as np
import yaml
from jupyter_cache import get_cache
from playwright.sync_api import sync_playwright

from benchmarks.timing import Result, show
from book.tools.browser import FLAGS, find_chromium, launch
from book.tools.node import node, npm

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "_build" / "bench"
CHAPTER = "book/01-reinforce"
PACKAGES = (
    "lighthouse@13.5.0",
    "mathjax@3.2.2",
    "requirejs@2.3.8",
    "@jupyter-widgets/html-manager@1.0.15",
    "anywidget@0.11.0",
)
REQUIRE_JS = re.compile(r"https://cdnjs\.cloudflare\.com/ajax/libs/require\.js/[^\"]*")
CONFIG = {
    "title": "The same chapter, plainly built",
    "only_build_toc_files": True,
    "execute": {"execute_notebooks": "off"},
    "bibtex_bibfiles": ["book/references.bib"],
    "sphinx": {
        "extra_extensions": ["sphinx_proof", "sphinx_exercise"],
        "config": {"bibtex_reference_style": "author_year"},
    },
}
# What an input costs until its frame is painted: its handlers, then the frame from its start on. The wait in
# between, for the screen's clock, is left out: it is chance, and the same for every page.
# With `drag` the slider goes from end to end, as in a hand, and no frame is left out; else it jumps about, once it is
# warm. A handle in a picture is moved there and back by its keys.
INPUT_TO_PAINT = """async (slider, drag) => {
  const press = (key) => slider.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const input = () => slider.dispatchEvent(new Event("input", { bubbles: true }));
  const painted = () => new Promise((done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;  // a task queued while a frame is made runs after its paint
    channel.port2.postMessage(null);
  }));
  const [low, high] = [Number(slider.min), Number(slider.max)], times = [];
  for (let i = 0; i < 110; i++) {
    await painted();
    if (slider.type) slider.value = low + (high - low) * (drag ? (i + 1) / 110 : ((37 * i) % 101) / 101);
    let frame;
    requestAnimationFrame(() => { frame = performance.now(); });
    const start = performance.now();
    if (slider.type) input();
    else press(i < 55 ? "ArrowRight" : "ArrowLeft");
    const handled = performance.now();
    await painted();
    times.push(handled - start + performance.now() - frame);
  }
  return drag ? times : times.slice(10);
}"""


# Scrolls on by less than a screen; false at the end of the page.
SCROLL_ON = """() => {
  const before = window.scrollY;
  window.scrollBy({ top: 600, behavior: "instant" });
  return window.scrollY > before;
}"""


class Server(http.server.ThreadingHTTPServer):
    """Serves a built book gzipped, npm's packages under /_cdn/, and counts the bytes of each file sent."""

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.bodies, self.sent = folder, {}, {}
        self.address = f"http://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def body(self, path):
        """The file's gzipped content, or None if there is no such file."""
        if path not in self.bodies:
            if path.startswith("_cdn/"):  # package@version/file, where the package may be @scope/name
                file = BENCH / "node_modules" / re.sub(r"(?<=[^/])@[^/]+", "", path.removeprefix("_cdn/"))
            else:
                file = self.folder / path
            self.bodies[path] = gzip.compress(file.read_bytes()) if file.is_file() else None
        return self.bodies[path]


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0].lstrip("/")
        body = self.server.body(path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        if body is not None:
            self.server.sent[path] = len(body)
            self.send_header("Content-Type", self.guess_type(path))
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *args):
        pass


def run(command, **options):
    """Run a command, and show what it said only if it fails."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stdout[-4000:]}")


def install_packages():
    BENCH.mkdir(parents=True, exist_ok=True)
    names = [package.rpartition("@")[0] for package in PACKAGES]
    if not all((BENCH / "node_modules" / name).exists() for name in names):
        print("Fetching Lighthouse and what a plain page takes from its CDN, from npm …", flush=True)
        options = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]
        run([*npm(), "install", *options, "--prefix", BENCH, *PACKAGES])


def build_plain():
    """The chapter as plain Jupyter Book builds it; returns the folder of its pages."""
    source = BENCH / "plain"
    shutil.rmtree(source, ignore_errors=True)
    (source / "book").mkdir(parents=True)
    (source / "_config.yml").write_text(yaml.safe_dump(CONFIG))
    toc = {"format": "jb-book", "root": "book/index", "chapters": [{"file": CHAPTER}]}
    (source / "_toc.yml").write_text(yaml.safe_dump(toc))
    (source / "book" / "index.md").write_text("# The same chapter, plainly built\n")
    shutil.copy(ROOT / "book" / "references.bib", source / "book")
    # As it was executed for our own build, the widgets' state included.
    _, notebook = get_cache(ROOT / "_build" / ".jupyter_cache").merge_match_into_file(ROOT / f"{CHAPTER}.ipynb")
    nbformat.write(notebook, source / f"{CHAPTER}.ipynb")
    run([Path(sys.executable).with_name("jupyter-book"), "build", "."], cwd=source)

    page = source / "_build" / "html" / f"{CHAPTER}.html"
    html = page.read_text(encoding="utf-8").replace("https://cdn.jsdelivr.net/npm/", "/_cdn/")
    html = REQUIRE_JS.sub("/_cdn/requirejs/require.js", html)
    html = re.sub(r' integrity="[^"]*"', "", html)  # npm's RequireJS is another build than the CDN's
    page.write_text(html, encoding="utf-8")
    return source / "_build" / "html"


def read_page(browser, server):
    """Scroll through the page and move its widget's first slider.

    Returns the gzipped bytes of all that the page fetched, the addresses elsewhere that it asked for, and the
    median milliseconds from an input to its paint.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    strangers = set()

    def refuse(route):
        strangers.add(route.request.url)
        route.abort()

    page.route(lambda url: url.startswith("http") and not url.startswith(server.address), refuse)
    server.sent.clear()
    page.goto(f"{server.address}{CHAPTER}.html", wait_until="networkidle")
    while page.evaluate(SCROLL_ON):  # a page may grow while one reads it
        page.wait_for_timeout(20)
    slider = page.locator("main input[type=range]").first
    slider.wait_for(timeout=60_000)
    slider.scroll_into_view_if_needed()
    slider.focus()  # as it is in a reader's hand
    page.wait_for_load_state("networkidle")
    weight = sum(server.sent.values())
    delay = float(np.median(slider.evaluate(INPUT_TO_PAINT)))
    page.close()
    return weight, strangers, delay


def lighthouse(server, device):
    """One run's performance score (of 100), largest contentful paint, total blocking time (ms), and `benchmarkIndex`.

    The last says how fast this machine is at the time; a telephone is taken to be four times slower than it, so that a
    score of a slower machine, or of a busy one, is lower for the same page.
    """
    report = BENCH / "lighthouse.json"
    chromium = find_chromium()
    command = [*node(), BENCH / "node_modules" / "lighthouse" / "cli" / "index.js"]
    command += [f"{server.address}{CHAPTER}.html", "--quiet", "--only-categories=performance"]
    command += ["--output=json", f"--output-path={report}"]
    command.append(f"--chrome-flags={' '.join(('--headless=new', *FLAGS))}")
    if device == "desktop":
        command.append("--preset=desktop")
    run(command, env=os.environ | ({"CHROME_PATH": chromium} if chromium else {}))
    result = json.loads(report.read_text())
    audits = result["audits"]
    return (
        100 * result["categories"]["performance"]["score"],
        audits["largest-contentful-paint"]["numericValue"],
        audits["total-blocking-time"]["numericValue"],
        result["environment"]["benchmarkIndex"],
    )


def main():
    if not (ROOT / "_build" / "html" / f"{CHAPTER}.html").exists():
        sys.exit("there is no page yet: run make book first")
    install_packages()
    servers = {"ours": Server(ROOT / "_build" / "html"), "plain": Server(build_plain())}

    with sync_playwright() as playwright:
        browser = launch(playwright)
        read = {name: read_page(browser, server) for name, server in servers.items()}
        browser.close()

    runs = {(name, device): [] for name in servers for device in ("mobile", "desktop")}
    for _ in range(3):
        for name, device in runs:
            runs[name, device].append(lighthouse(servers[name], device))
    median = {key: np.median(values, axis=0) for key, values in runs.items()}

    weight, strangers, delay = read["ours"]
    score, largest_paint, blocking, _ = median["ours", "mobile"]
    _, plain_largest_paint, plain_blocking, _ = median["plain", "mobile"]
    show(
        "The page",
        [
            Result("kB gzipped, all included", 400, weight / 1000, False),
            Result("share of the plain page's weight", 1, weight / read["plain"][0], False),
            Result("addresses asked elsewhere", 0, len(strangers), False),
            Result("Lighthouse performance, mobile", 95, score, True),
            Result("Lighthouse performance, desktop", 100, median["ours", "desktop"][0], True),
            Result("share of the plain page's largest paint", 1, largest_paint / plain_largest_paint, False),
            Result("share of the plain page's blocking time", 1, blocking / max(plain_blocking, 1), False),
            Result("ms from input to paint", 16, delay, False),
            Result("share of the plain page's", 1, delay / read["plain"][2], False),
        ],
        *(
            f"{name}, {device}: {read[name][0] / 1000:.0f} kB, score {score:.0f}, "
            f"largest paint {largest_paint:.0f} ms, blocking {blocking:.0f} ms, input {read[name][2]:.1f} ms, "
            f"the machine's index {index:.0f}"
            for (name, device), (score, largest_paint, blocking, index) in median.items()
        ),
    )
