"""The built pages in a real browser that can reach nothing but this machine.

Every page, at both widths and in both themes, over http and from disk, with JavaScript and without.
"""

import gzip
import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from bs4 import BeautifulSoup

from tests.live import WIDTHS, Visit, serious_faults, settled
from tests.sources import CHAPTERS, NAMES, WITH_WIDGET


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("theme", "first", "then"), [("light", "desktop", "phone"), ("dark", "phone", "desktop")])
def test_page_is_quiet_fits_and_is_accessible(browser, address, site, frontend, name, theme, first, then):
    """No request leaves, nothing fails or is complained of, nothing sticks out sideways, axe finds nothing serious.

    And all that the page loads to its end, each file once as a server would send it, weighs at most 400 kB.
    """
    with Visit(browser, f"{address}/{name}", viewport=WIDTHS[first], color_scheme=theme) as visit:
        assert not [url for url in visit.requests if not url.startswith((address, "data:", "blob:"))]
        assert not visit.complaints
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[first]["width"]
        ink, paper = visit.page.evaluate(
            """() => {
              const light = (css) => css.match(/[\\d.]+/g).slice(0, 3).reduce((sum, x) => sum + Number(x), 0) / 765;
              const style = getComputedStyle(document.querySelector("article p"));
              return [light(style.color), light(getComputedStyle(document.body).backgroundColor)];
            }"""
        )
        assert (paper > 0.9 and ink < 0.4) if theme == "light" else (paper < 0.2 and ink > 0.6)
        weighed = weights(visit.requests, address, site)
        assert sum(weighed.values()) <= 400_000, sorted(weighed.items(), key=lambda item: -item[1])
        scripts = {file for file in weighed if re.fullmatch(r"widgets\..*js", file)}
        views = set(re.findall(r'data-view="(\w+)"', (site / name).read_text(encoding="utf-8")))
        assert views or name not in CHAPTERS
        assert scripts == ({"widgets.js", *(f"widgets.{view}.js" for view in views)} if views else set())

        assert serious_faults(visit.page, frontend) == []

        visit.page.set_viewport_size(WIDTHS[then])
        settled(visit.page)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[then]["width"]
        assert not visit.complaints


def weights(requests, address, site):
    """The files of the site among what was asked for, and their bytes: compressed where that helps."""
    names = {
        unquote(re.sub(r"[?#].*", "", url)).removeprefix(address + "/") for url in requests if url.startswith(address)
    }
    data = {Path(name).name: (site / name).read_bytes() for name in names}
    return {name: min(len(whole), len(gzip.compress(whole, 6))) for name, whole in data.items()}


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


# A chapter -------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["http", "file"])
def chapter(request, browser, address, site):
    """The chapter, open and awake, over http and from disk."""
    start = address if request.param == "http" else f"file://{site}"
    with Visit(browser, f"{start}/{WITH_WIDGET}", viewport=WIDTHS["desktop"]) as visit:
        yield visit
        assert not visit.complaints


# Without JavaScript, in print, for everyone -----------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
def test_without_javascript_a_picture_stands_there(browser, address, width):
    url = f"{address}/{WITH_WIDGET}"
    with Visit(browser, url, viewport=WIDTHS[width], java_script_enabled=False) as visit:
        picture = visit.page.locator(".rlbook-widget img").first
        assert picture.is_visible()
        assert len(picture.get_attribute("alt")) > 60
        assert picture.bounding_box()["width"] > 250
        assert visit.page.locator("article .katex").count() > 50


def test_in_print_the_picture_takes_the_widgets_place(chapter):
    page = chapter.page
    picture, live = page.locator(".rlbook-widget img").first, page.locator(".rl").first
    assert live.is_visible()
    assert not picture.is_visible()
    assert not picture.evaluate("(picture) => picture.naturalWidth"), "who reads on a screen need not fetch it"
    page.emulate_media(media="print")
    assert picture.is_visible()
    assert not live.is_visible()
    page.wait_for_function("(picture) => picture.complete && picture.naturalWidth", arg=picture.element_handle())


def test_a_chapter_prints_with_its_solutions_or_without(chapter):
    """The exercises stand either way; once it has been printed without, it prints with them again."""
    page = chapter.page
    page.evaluate("() => { window.print = () => { dispatchEvent(new Event('beforeprint')); }; }")
    page.emulate_media(media="print")
    exercises, solutions = page.locator("div.exercise"), page.locator(".solution")
    text = solutions.first.locator("section p").first
    count = exercises.count()
    assert count == solutions.count() > 4

    def printed(button, *, solved):
        page.locator(button).evaluate("(button) => button.click()")  # which no print shows
        assert [exercise.is_visible() for exercise in exercises.all()] == [True] * count
        assert [solution.is_visible() for solution in solutions.all()] == [solved] * count
        assert text.is_visible() is solved
        page.evaluate("() => { dispatchEvent(new Event('afterprint')); }")

    printed(".btn-print-exercises-button", solved=False)
    printed(".btn-download-pdf-button", solved=True)


def test_only_chapters_offer_to_print_without_solutions(soup):
    having = {name for name in NAMES if soup(name).select(".btn-print-exercises-button")}
    assert having == {name for name in NAMES if soup(name).select(".solution")} == set(CHAPTERS)


def test_search_finds_a_word(browser, address):
    with Visit(browser, f"{address}/{WITH_WIDGET}", viewport=WIDTHS["desktop"]) as visit:
        page = visit.page
        page.keyboard.press("Control+k")
        field = page.locator("input[type=search]:visible, input[name=q]:visible").first
        field.fill("baseline")
        field.press("Enter")
        page.wait_for_url("**/search.html?q=baseline*")
        page.locator("#search-results li a").first.wait_for()
        assert page.locator("#search-results li a", has_text="REINFORCE").count()


def test_the_theme_switch_changes_the_theme_and_the_widget_follows(chapter):
    """Three clicks go round auto, light and dark; the widget's ink is one colour in light and another in dark."""
    page = chapter.page
    ink = "() => getComputedStyle(document.querySelector('.rl .rl-exact')).stroke"
    seen = {}
    for _ in range(3):
        page.locator(".theme-switch-button:visible").first.click()
        settled(page)
        mode, theme = page.evaluate("(({ mode, theme }) => [mode, theme])(document.documentElement.dataset)")
        seen[mode] = theme, page.evaluate(ink)
    assert {mode: theme for mode, (theme, _) in seen.items()} == {"auto": "light", "light": "light", "dark": "dark"}
    assert seen["auto"] == seen["light"]
    assert seen["light"][1] != seen["dark"][1]
