"""The built pages in a real browser that can reach nothing but this machine.

Every page, at both widths and in both themes, over http and from disk, with JavaScript and without.
"""

import re
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from bs4 import BeautifulSoup

from tests.test_ledger import ROOT, pages

NAMES = [str(page.relative_to(ROOT).with_suffix(".html")) for page in pages()]
CHAPTERS = [name for name in NAMES if re.match(r"book/\d\d-", name)]
WIDTHS = {"phone": {"width": 360, "height": 740}, "desktop": {"width": 1280, "height": 900}}


class Visit:
    """A page opened in a browser, with what it asked for and what it complained of."""

    def __init__(self, browser, url, *, scroll=True, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.requests, self.complaints = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.on(
            "response", lambda r: self.complaints.append(f"{r.status}: {r.url}") if r.status >= 400 else None
        )
        self.page.on(
            "console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url, wait_until="load")
        if scroll and options.get("java_script_enabled", True):
            self.wake_everything()

    def wake_everything(self):
        """Scroll to the end in steps, so that whatever loads when it comes near has loaded."""
        self.page.evaluate(
            """async () => {
              for (let y = 0; y < document.documentElement.scrollHeight; y += 400) {
                window.scrollTo(0, y);
                await new Promise((done) => setTimeout(done, 15));
              }
              window.scrollTo(0, 0);
            }"""
        )
        if self.page.locator(".rlbook-widget").count():
            self.page.wait_for_function(
                "() => [...document.querySelectorAll('.rlbook-widget')].every((w) => w.dataset.variance)"
            )
        self.page.wait_for_load_state("networkidle")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.context.close()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_is_quiet_and_fits(browser, address, name, width, theme):
    """No request leaves, nothing fails, nothing is complained of, nothing sticks out sideways."""
    with Visit(browser, f"{address}/{name}", viewport=WIDTHS[width], color_scheme=theme) as visit:
        foreign = [url for url in visit.requests if not url.startswith((address, "data:", "blob:"))]
        assert not foreign
        assert not visit.complaints
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]
        ink, paper = visit.page.evaluate(
            """() => {
              const light = (css) => css.match(/[\\d.]+/g).slice(0, 3).reduce((sum, x) => sum + Number(x), 0) / 765;
              const style = getComputedStyle(document.querySelector("article p"));
              return [light(style.color), light(getComputedStyle(document.body).backgroundColor)];
            }"""
        )
        assert (paper > 0.9 and ink < 0.4) if theme == "light" else (paper < 0.2 and ink > 0.6)


@pytest.mark.parametrize("name", NAMES)
def test_page_works_from_disk(browser, site, name):
    with Visit(browser, f"file://{site}/{name}", viewport=WIDTHS["desktop"]) as visit:
        assert all(url.startswith((f"file://{site}", "data:", "blob:")) for url in visit.requests)
        assert not visit.complaints


@pytest.mark.parametrize("name", NAMES)
def test_formulas_are_typeset_when_the_book_is_built(site, name):
    """Every formula is KaTeX's HTML already; no TeX is left for the browser, and none failed."""
    html = BeautifulSoup((site / name).read_text(encoding="utf-8"), "html.parser")  # its own: it is cut up below
    for math in html.select("article .math"):
        assert math.select_one(".katex"), math.get_text()[:80]
        assert not math.select_one(".katex-error, [style*='#cc0000']"), math.get_text()[:80]
    for element in html.select("article script, article code, article pre, article .katex"):
        element.decompose()
    text = html.select_one("article").get_text()
    assert not re.search(r"\$|\\\(|\\\[|\\[a-z]+\{", text), re.search(r".{20}(\$|\\).{20}", text)
    if name in CHAPTERS:
        assert len(html.select(".math")) > 50


def test_every_internal_link_and_anchor_resolves(site, soup):
    targets = {}
    for name in NAMES:
        ids = [element["id"] for element in soup(name).find_all(id=True)]
        assert len(ids) == len(set(ids)), f"{name}: repeated ids {sorted(i for i in ids if ids.count(i) > 1)}"
        targets[name] = set(ids)
    for name in NAMES:
        for link in soup(name).find_all("a", href=True):
            target, anchor = urldefrag(urljoin(name, link["href"]))
            if re.match(r"[a-z]+:", target):
                continue
            assert (site / target).exists(), f"{name}: {link['href']}"
            if anchor and target in targets:
                assert unquote(anchor) in targets[target], f"{name}: {link['href']}"
