"""The built pages in a real browser that can reach nothing but this machine.

Every page, at both widths and in both themes, over http and from disk, with JavaScript and without.
"""

import gzip
import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import numpy as np
import pytest
from bs4 import BeautifulSoup

from rlbook.widgets import VarianceReduction
from tests.live import WIDTHS, Visit, settled
from tests.test_ledger import ROOT, pages

NAMES = [str(page.relative_to(ROOT).with_suffix(".html")) for page in pages()]
CHAPTERS = [name for name in NAMES if re.match(r"book/\d\d-", name)]


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


# The widget -------------------------------------------------------------------------------------------------------

WITH_WIDGET = "book/01-reinforce.html"


@pytest.fixture(params=["http", "file"])
def chapter(request, browser, address, site):
    """The chapter, open and awake, over http and from disk."""
    start = address if request.param == "http" else f"file://{site}"
    with Visit(browser, f"{start}/{WITH_WIDGET}", viewport=WIDTHS["desktop"]) as visit:
        yield visit
        assert not visit.complaints


def shown(page):
    """What the first widget of the page says: variance and mean in full precision, and its sentence."""
    settled(page)
    widget = page.locator(".rl").first
    mean = [float(x) for x in widget.get_attribute("data-mean").split(",")]
    return float(widget.get_attribute("data-variance")), mean, widget.locator(".rl-sentence").text_content()


def dots(page):
    """Where the dots of the cloud are, in pixels."""
    settled(page)
    return np.array(
        page.evaluate(
            "() => [...document.querySelectorAll('.rl circle.rl-sample')].slice(0, 200)"
            ".map((c) => [Number(c.getAttribute('cx')), Number(c.getAttribute('cy'))])"
        )
    )


def agrees(page, widget):
    """The page's numbers are those that Python computes by exact_moments, and its sentence says them."""
    variance, mean, sentence = shown(page)
    assert variance == pytest.approx(widget.variance, rel=1e-9, abs=1e-9)
    assert mean == pytest.approx(list(widget.mean), rel=1e-9, abs=1e-12)
    said = float(re.search(r"the variance is (\d[\d.]*)", sentence)[1].rstrip("."))
    assert said == pytest.approx(widget.variance, rel=5e-3, abs=1e-9)


def test_widget_moves_by_slider_keyboard_number_chip_and_pointer(chapter):
    page, widget = chapter.page, VarianceReduction()
    root = page.locator(".rl").first
    agrees(page, widget)
    before = dots(page)

    kappa = root.get_by_label("κ, weight of the past", exact=True)
    kappa.fill("0.25")
    widget.kappa = 0.25
    agrees(page, widget)
    after = dots(page)
    assert np.abs(after - before).max() > 5, "the cloud moves"
    assert after.std(axis=0).sum() < before.std(axis=0).sum(), "and shrinks"

    kappa.focus()
    for _ in range(25):
        page.keyboard.press("ArrowLeft")
    widget.kappa = 0.0
    agrees(page, widget)

    typed = root.get_by_label("β, weight of the baseline, as a number")
    typed.fill("1.5")
    typed.press("Tab")
    widget.beta = 1.5
    agrees(page, widget)

    root.get_by_role("button", name="optimal").click()
    widget.beta, widget.baseline = 1.0, widget.problem.optimal.tolist()
    agrees(page, widget)
    assert root.get_by_role("button", name="optimal").get_attribute("aria-pressed") == "true"

    # Drag the bowl's handle to the left edge: no baseline.
    handle = root.locator("svg.rl-drag .rl-handle").bounding_box()
    page.mouse.move(handle["x"] + 8, handle["y"] + 8)
    page.mouse.down()
    page.mouse.move(handle["x"] - 600, handle["y"] + 8, steps=4)
    page.mouse.up()
    widget.beta = 0.0
    agrees(page, widget)

    root.get_by_role("button", name="Reset").click()
    agrees(page, VarianceReduction())


@pytest.mark.parametrize("preset", VarianceReduction.PRESETS)
def test_every_preset_says_what_python_says(browser, address, preset):
    """Each example as it opens, and after random settings of everything."""
    rng = np.random.default_rng(VarianceReduction.PRESETS.index(preset))
    with Visit(browser, f"{address}/{WITH_WIDGET}", viewport=WIDTHS["desktop"]) as visit:
        page, widget = visit.page, VarianceReduction(preset)
        root = page.locator(".rl").first
        root.locator(f"button[data-value='{preset}']").click()
        agrees(page, widget)
        for _ in range(5):
            widget.kappa, widget.beta = (float(x) for x in rng.random(2).round(2) * [1, 2])
            root.get_by_label("κ, weight of the past", exact=True).fill(str(widget.kappa))
            root.get_by_label("β, weight of the baseline", exact=True).fill(str(widget.beta))
            agrees(page, widget)
        assert not visit.complaints


def test_two_arms_reach_exactly_zero(browser, address):
    """The proposition in the reader's hand: at b* the variance is 0."""
    with Visit(browser, f"{address}/{WITH_WIDGET}", viewport=WIDTHS["desktop"]) as visit:
        root = visit.page.locator(".rl").first
        root.locator("button[data-value='two-arms']").click()
        root.get_by_role("button", name="optimal").click()
        variance, _, sentence = shown(visit.page)
        assert variance == pytest.approx(0, abs=1e-12)
        assert "the variance is 0" in sentence


def test_state_can_be_linked_to(browser, address):
    """A link restores the state; the page's own link says the state that is on it."""
    url = f"{address}/{WITH_WIDGET}#w=variance-reduction-1&preset=two-arms&kappa=0.5&beta=0.25"
    with Visit(browser, url, viewport=WIDTHS["desktop"]) as visit:
        widget = VarianceReduction("two-arms", kappa=0.5, beta=0.25)
        agrees(visit.page, widget)
        root = visit.page.locator(".rl").first
        root.get_by_label("κ, weight of the past", exact=True).fill("0.75")
        settled(visit.page)
        root.get_by_role("button", name="Copy link").click()
        visit.page.wait_for_function("() => location.hash.includes('kappa=0.75')")
        address_now = visit.page.url
    with Visit(browser, address_now, viewport=WIDTHS["desktop"]) as visit:
        widget.kappa = 0.75
        agrees(visit.page, widget)


@pytest.mark.parametrize("baseline", ["per-step", "optimal"])
def test_a_link_to_a_named_baseline_restores_it_exactly(browser, address, baseline):
    with Visit(browser, f"{address}/{WITH_WIDGET}", viewport=WIDTHS["desktop"]) as visit:
        root = visit.page.locator(".rl").first
        root.get_by_role("button", name=baseline).click()
        before = shown(visit.page)
        root.get_by_role("button", name="Copy link").click()
        visit.page.wait_for_function("() => location.hash.includes('w=')")
        url = visit.page.url
    with Visit(browser, url, viewport=WIDTHS["desktop"]) as visit:
        assert shown(visit.page) == before


@pytest.mark.parametrize(
    "junk",
    [
        "preset=constructor",
        "preset=__proto__&kappa=0.5",
        "preset=nope&kappa=abc&b=1,2&step=99&batch=7",
        "b=" + ",".join(["1e200"] * 8),
        "b=<script>alert(1)</script>",
    ],
)
def test_a_link_full_of_junk_does_no_harm(browser, address, junk):
    with Visit(browser, f"{address}/{WITH_WIDGET}#w=variance-reduction-1&{junk}", viewport=WIDTHS["desktop"]) as visit:
        variance, _, sentence = shown(visit.page)
        assert np.isfinite(variance)
        assert "the variance is" in sentence
        assert not visit.complaints


def test_touch_moves_the_bowl(browser, address):
    """On a phone: a tap on the bowl sets β to where it was tapped."""
    with Visit(browser, f"{address}/{WITH_WIDGET}", viewport=WIDTHS["phone"], has_touch=True, is_mobile=True) as visit:
        page = visit.page
        bowl = page.locator(".rl svg.rl-drag").first
        bowl.scroll_into_view_if_needed()
        before = shown(page)[0]
        box = bowl.bounding_box()
        page.touchscreen.tap(box["x"] + 0.6 * box["width"], box["y"] + 0.6 * box["height"])
        tapped = shown(page)[0]
        assert tapped != before

        # A finger that comes down on the bowl and goes up scrolls the page and leaves β alone.
        top = page.evaluate("window.scrollY")
        send = visit.context.new_cdp_session(page).send
        x, y = box["x"] + 0.2 * box["width"], box["y"] + 0.8 * box["height"]
        send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for i in range(1, 13):
            send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y - 15 * i}]})
        send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_function("(top) => window.scrollY > top + 60", arg=top)
        assert shown(page)[0] == tapped


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
    page.emulate_media(media="print")
    assert picture.is_visible()
    assert not live.is_visible()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, address, frontend, name, theme):
    with Visit(browser, f"{address}/{name}", viewport=WIDTHS["desktop"], color_scheme=theme) as visit:
        visit.page.add_script_tag(path=frontend / "node_modules" / "axe-core" / "axe.min.js")
        found = visit.page.evaluate("async () => (await axe.run()).violations")
        serious = [
            f"{violation['id']}: {violation['help']}: {[node['target'] for node in violation['nodes']][:4]}"
            for violation in found
            if violation["impact"] in ("serious", "critical")
        ]
        assert not serious, "\n".join(serious)


# Lightness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_page_with_a_widget_weighs_at_most_400_kB(browser, address, site, name):
    """All that the page loads to its end, each file once, as a server would send it: compressed where that helps."""
    with Visit(browser, f"{address}/{name}", viewport=WIDTHS["desktop"]) as visit:
        files = {
            Path(site, unquote(re.sub(r"[?#].*", "", url)).removeprefix(address + "/"))
            for url in visit.requests
            if url.startswith(address)
        }
    sizes = {}
    for file in files:
        data = file.read_bytes()
        sizes[file.name] = min(len(data), len(gzip.compress(data, 6)))
    own = {f"widgets.{view}.js" for view in re.findall(r'data-view="(\w+)"', (site / name).read_text(encoding="utf-8"))}
    assert own
    assert {file for file in sizes if file.startswith("widgets.") and file.endswith(".js")} == {"widgets.js", *own}
    assert sum(sizes.values()) <= 400_000, sorted(sizes.items(), key=lambda item: -item[1])


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
