"""Pages, widgets and navigation in Chromium, Firefox and WebKit: by mouse, touch and keyboard, from disk too."""

import shutil

import numpy as np
import pytest

from book.tools.browser import PAGE, is_debian_root
from rlbook import plots
from rlbook.widgets import (
    AverageGrid,
    BellmanPlane,
    ControlVariate,
    NaturalGradient,
    Occupancy,
    PerformanceDifference,
    QProp,
    ValueIteration,
    VarianceReduction,
)
from rlbook.widgets.base import STATIC, Widget
from tests.engines import Silent, Unavailable, start
from tests.live import BLOCKS, numbers
from tests.sources import NAMES, WITH_WIDGET

ENGINES = ("chromium", "firefox", "webkit")


@pytest.fixture(scope="module", params=[f"{name}-{scheme}" for name in ENGINES for scheme in ("light", "dark")])
def window(request, playwright):
    """One window of each engine for who likes it light, and one for who likes it dark."""
    name, scheme = request.param.split("-")
    try:
        opened = start(name, scheme, playwright)
    except Unavailable as reason:
        if is_debian_root():
            pytest.fail(f"{reason}, and `python -m book.tools.browser` should have installed it", pytrace=False)
        pytest.skip(str(reason))
    opened.scheme = scheme
    with opened:
        yield opened


AT_REST = """async (selector) => {
  const place = () => JSON.stringify(document.querySelector(selector).getBoundingClientRect());
  const before = place();
  await new Promise((done) => setTimeout(done, 300));
  return place() === before;
}"""
LIGHT = pytest.mark.parametrize("window", [f"{name}-light" for name in ENGINES], indirect=True)


# Pages ----------------------------------------------------------------------------------------------------------

# Wakes all of a page, and says what is not as it should be: a line each.
FAULTS = """async (scheme, blocks) => {
  const faults = [];
  const pause = (time) => new Promise((done) => setTimeout(done, time));
  const until = async (what, condition) => {
    for (let i = 0; i < 600 && !condition(); i++) await pause(50);
    if (!condition()) faults.push(`never: ${what}`);
  };
  const seen = (at) => at.checkVisibility({ visibilityProperty: true }) && !at.closest("details:not([open])");
  // What lean.js does when there is nothing else to do.
  for (const block of document.querySelectorAll(blocks)) block.classList.add("is-laid-out");
  const widgets = [...document.querySelectorAll(".rlbook-widget")];
  for (const widget of widgets) {
    widget.scrollIntoView({ behavior: "instant" });
    await until(`${widget.dataset.widget} alive`, () => widget.querySelector(".rl[data-preset]"));
  }
  await document.fonts.ready;
  await pause(20);

  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) faults.push(`${wide} px wide`);
  const formulas = [...document.querySelectorAll("article .katex-html")].filter((at) => seen(at.parentElement));
  const flat = formulas.filter((at) => at.getClientRects().length === 0 || at.getBoundingClientRect().height < 4);
  if (flat.length) faults.push(`${flat.length} formulas not to be seen: ${flat[0].parentElement.textContent}`);
  const parts = { msub: 2, msup: 2, msubsup: 3, munder: 2, mover: 2, munderover: 3, mfrac: 2, mroot: 2 };
  const odd = [...document.querySelectorAll(Object.keys(parts).join())].filter(
    (at) => at.children.length !== parts[at.localName],
  );
  if (odd.length) faults.push(`${odd.length} parts of formulas are incomplete: ${odd[0].outerHTML}`);
  const fonts = [...document.fonts].filter(({ family }) => /KaTeX_(Main|Math)/.test(family));
  if (formulas.length && !fonts.some(({ status }) => status === "loaded")) faults.push("no font of formulas");
  const failed = [...document.fonts].filter(({ family, status }) => status === "error" && !/Serif like/.test(family));
  for (const { family } of failed) faults.push(`font ${family} failed`); // but for those that a system may have
  for (const widget of widgets) {
    const live = widget.querySelector(".rl"), { width, height } = live.getBoundingClientRect();
    if (!seen(live) || width < 300 || height < 300) faults.push(`${widget.dataset.widget}: ${width} × ${height} px`);
    if (seen(widget.querySelector(".rlbook-picture"))) faults.push(`${widget.dataset.widget}: picture beside it`);
  }
  const light = (css) => css.match(/[\\d.]+/g).slice(0, 3).reduce((sum, x) => sum + Number(x), 0) / 765;
  const ink = light(getComputedStyle(document.querySelector("article p")).color);
  const paper = light(getComputedStyle(document.body).backgroundColor);
  if (scheme === "light" ? paper < 0.9 || ink > 0.4 : paper > 0.2 || ink < 0.6) faults.push(`not ${scheme}`);
  return [faults, formulas.length, widgets.length];
}"""


def test_an_engine_hears_what_goes_wrong(window, tmp_path):
    """Else the tests below could not fail."""
    page = tmp_path / "faulty.html"
    page.write_text(
        """<!doctype html><html><head><title>Faulty</title></head><body><p>text</p><script>
          console.error("said"); console.warn("warned"); Promise.reject(new Error("rejected"));
          fetch("http://192.0.2.1/asked").catch(() => 0);
          setTimeout(() => { window.late = 1; undefinedFunction(); });
        </script></body></html>"""
    )
    window.open(page.as_uri(), 360, 740)
    window.wait("() => window.late === 1")
    window.wait("() => new Promise((done) => setTimeout(done, 200, true))")
    heard = " | ".join(window.complaints)
    assert all(word in heard for word in ("said", "warned", "rejected"))
    assert "undefinedFunction" in heard or "Script error" in heard  # WebKit's word for it on a page from disk
    assert [url.rpartition("/")[2] for url in window.elsewhere] == ["asked"]


@pytest.mark.parametrize("window", ["firefox-light", "webkit-light"], indirect=True)
def test_a_browser_that_is_gone_is_started_anew(window, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><head><title>There again</title></head>")
    window.kill()
    with pytest.raises(Silent, match="is gone"):
        window.run("() => document.title")
    window.open(page.as_uri())
    assert window.run("() => document.title") == "There again"


def test_every_page_is_quiet_and_fits_a_telephone(window, address, site):
    """Light over http and dark from disk: nothing complained of or asked elsewhere, formulas and widgets there."""
    start = address if window.scheme == "light" else f"file://{site}"
    faults, formulas, widgets = {}, 0, 0
    for name in NAMES:
        window.open(f"{start}/{name}", 360, 740)
        found, seen, alive = window.run(FAULTS, window.scheme, BLOCKS)
        formulas, widgets = formulas + seen, widgets + alive
        faults[name] = found + window.complaints + window.elsewhere
    assert {name: found for name, found in faults.items() if found} == {}
    assert formulas > 1000
    assert widgets >= 9


# Navigation -----------------------------------------------------------------------------------------------------

SHORT = "book/notation.html"
# What a button of the head stands for, and how it stands with that.
STATE = """(kind) => {
  const button = document.querySelector(`.bd-header-article .${kind}-toggle`);
  const link = [...document.querySelectorAll(kind === "primary" ? ".bd-docs-nav a" : ".page-toc a")]
    .find((at) => at.getClientRects().length && at.getBoundingClientRect().top > 0);
  const { left, top } = link?.getBoundingClientRect() ?? { left: -1, top: -1 };
  return {
    shown: link !== undefined && link.contains(document.elementFromPoint(left + 20, top + 8)),
    expanded: button.getAttribute("aria-expanded"),
    controls: document.getElementById(button.getAttribute("aria-controls")) !== null,
    drawer: document.querySelector("dialog[open]")?.getAttribute("aria-label") ?? null,
    focus: document.activeElement === button ? "button" : document.activeElement.closest("dialog") ? "drawer" : null,
  };
}"""
NAMES_OF = {"primary": "Site navigation", "secondary": "On this page"}


def stands(window, kind, **state):
    """Wait until a button and what it stands for are in that state; say in which they are if they never come to it."""
    wanted = {"controls": True, **state}
    try:
        window.wait(
            f"(kind, wanted) => {{ const now = ({STATE})(kind);"
            " return Object.entries(wanted).every(([key, value]) => now[key] === value); }",
            kind,
            wanted,
            seconds=10,
        )
    except TimeoutError:
        assert window.run(STATE, kind) == wanted


def use(window, kind, how):
    """Press a button of the head."""
    button = f".bd-header-article .{kind}-toggle"
    if how == "keyboard":
        window.run("(button) => document.querySelector(button).focus()", button)
        window.press("Enter")
    else:
        window.point(how, window.place(button))


@LIGHT
@pytest.mark.parametrize("width", [360, 768, 980, 1366])
def test_navigation_opens_and_closes(window, address, width):
    height = 740
    window.open(f"{address}/{SHORT}", width, height)
    inputs = ["mouse", "keyboard", *(["touch"] if window.has_touch else [])]
    drawers = [kind for kind, narrow in (("primary", width < 960), ("secondary", width < 1200)) if narrow]
    for kind in drawers:
        shut = {"shown": False, "expanded": "false", "drawer": None}
        opened = {"shown": True, "expanded": "true", "drawer": NAMES_OF[kind], "focus": "drawer"}
        for how in inputs:
            if how != "keyboard":
                stands(window, kind, **shut)
            use(window, kind, how)
            stands(window, kind, **opened)
            if how == "keyboard":
                window.press("Tab")
                stands(window, kind, **opened)
                window.press("Escape")
            elif how == "touch":
                window.tap("dialog .drawer-close")
            else:  # beside it
                window.point(how, (width - 30 if kind == "primary" else 30, height / 2))
            stands(window, kind, **shut, focus="button")
    if "secondary" in drawers:  # a link within the page closes what would cover what it leads to
        use(window, "secondary", inputs[-1])
        stands(window, "secondary", shown=True)
        window.point("mouse", window.place(".page-toc a", -1))
        stands(window, "secondary", shown=False, drawer=None)
        reached = """() => {
          const { top, bottom } = document.getElementById(location.hash.slice(1)).getBoundingClientRect();
          return bottom > 0 && top < innerHeight;
        }"""
        window.wait(reached, seconds=30)
    if "primary" not in drawers:
        wide = window.run("() => document.querySelector('.bd-main').clientWidth")
        for how in inputs:
            stands(window, "primary", shown=True, expanded="true", drawer=None)
            use(window, "primary", how)
            focus = {"focus": "button"} if how == "keyboard" else {}
            stands(window, "primary", shown=False, expanded="false", drawer=None, **focus)
            assert window.run("() => document.querySelector('.bd-main').clientWidth") > wide
            assert window.run("() => document.querySelector('.search-button').getClientRects().length")
            use(window, "primary", how)
        stands(window, "primary", shown=True, expanded="true")
    assert window.complaints == []


@LIGHT
def test_every_other_button_of_the_head_does_what_it_says(window, address):
    """Colours, full screen, the menu of downloads, print, back to the top, search."""
    window.open(f"{address}/{WITH_WIDGET}", 768, 740)
    head = ".bd-header-article"

    mode = "() => document.documentElement.dataset.mode"
    seen = []
    for _ in range(2):
        window.click(f"{head} .theme-switch-button")
        seen.append(window.run(mode))
    window.run("(button) => document.querySelector(button).focus()", f"{head} .theme-switch-button")
    window.press("Enter")
    seen.append(window.run(mode))
    assert seen == ["dark", "light", "auto"]
    window.wait("() => document.activeElement.classList.contains('theme-switch-button')", seconds=30)

    full = "(wanted) => Boolean(document.fullscreenElement ?? document.webkitFullscreenElement) === wanted"
    for wanted in (True, False):
        window.click(f"{head} .btn-fullscreen-button")
        window.wait(full, wanted, seconds=30)
        window.wait(AT_REST, f"{head} .btn-fullscreen-button")  # what is laid out anew would slip from under the mouse

    # A browser's print dialog would stop everything; that it is asked for is what the button does.
    window.run("() => { window.printed = 0; window.print = () => { window.printed += 1; }; }")
    menu = "(open) => document.querySelector('.dropdown-download-buttons .dropdown-menu').checkVisibility() === open"
    window.run("() => document.querySelector('.dropdown-download-buttons button').focus()")
    window.press("Enter")
    window.wait(menu, True, seconds=30)
    window.press("ArrowDown")
    assert window.run("() => document.activeElement.getAttribute('href')").endswith("01-reinforce.ipynb")
    window.press("Escape")
    window.wait(menu, False, seconds=30)
    how = "touch" if window.has_touch else "mouse"
    window.point(how, window.place(".dropdown-download-buttons > button"))
    window.wait(menu, True, seconds=30)
    window.point(how, window.place(".btn-download-pdf-button"))
    window.wait("() => window.printed === 1", seconds=30)
    window.point(how, window.place(".dropdown-download-buttons > button"))
    window.wait(menu, True, seconds=30)
    window.point(how, window.place(".btn-print-exercises-button"))
    window.wait("() => window.printed === 2", seconds=30)
    without = "() => document.body.classList.contains('is-without-solutions')"
    assert window.run(without)
    window.run("() => { dispatchEvent(new Event('afterprint')); }")
    assert not window.run(without)

    window.run("() => { document.activeElement.blur(); scrollTo({ top: 6000, behavior: 'instant' }); }")
    window.wait("() => scrollY > 4000", seconds=30)
    for top in (5900, 5700, 5500):  # the theme shows it to who scrolls up
        window.run("(top) => scrollTo({ top, behavior: 'instant' })", top)
        window.run("() => new Promise((done) => setTimeout(done, 60))")
    window.wait("() => document.querySelector('#pst-back-to-top').checkVisibility()", seconds=30)
    window.click("#pst-back-to-top")
    window.wait("() => scrollY < 10", seconds=20)

    for close in (True, False):
        window.click(f"{head} .search-button")
        window.wait("() => document.activeElement.closest('[open]') && document.activeElement.name === 'q'", seconds=30)
        if close:
            window.press("Escape")
            window.wait("() => !document.querySelector('dialog[open]')", seconds=30)
    assert window.complaints == []
    window.press(*"baseline", "Enter")
    window.wait("() => location.pathname.endsWith('search.html')", seconds=20)
    found = (
        "() => [...document.querySelectorAll('#search-results li a')].some((at) => at.textContent.match('REINFORCE'))"
    )
    window.wait(found, seconds=30)


# Widgets --------------------------------------------------------------------------------------------------------
# Of each: how it opens; its first slider and the trait that it sets; its first handle (which of several), how far it
# is dragged, and what that sets, read from the page's data or from a field; the numbers that then stand there.

WIDGETS = {
    "VarianceReduction": (
        lambda: VarianceReduction("two-rooms"),
        ("κ, weight of the past", "kappa"),
        ("svg.rl-drag .rl-handle", 0, (40, 0), {"beta": "β, weight of the baseline, as a number"}),
        lambda w: {"variance": w.variance, "mean": w.mean},
    ),
    "ValueIteration": (
        lambda: ValueIteration("endless", k=3),
        ("γ, discount", "gamma"),
        ("svg.rl-drag", 0, (30, 0), {"k": "data-k"}),
        lambda w: {"k": w.k, "v": w.V, "error": w.error, "distance": w.distance, "right": w.right},
    ),
    "BellmanPlane": (
        lambda: BellmanPlane("best"),
        ("γ, discount", "gamma"),
        (".rl-grip .rl-reach", 0, (40, 45), {"V0": "data-v0"}),
        lambda w: {"k": w.k, "v": w.V, "error": w.error},
    ),
    "NaturalGradient": (
        lambda: NaturalGradient("two-coordinates"),
        ("μ, mean of the policy", "mu"),
        (
            ".rl-grip[aria-label^='Policy'] .rl-reach",
            0,
            (40, 25),
            {"mu": "μ, mean of the policy, as a number", "sigma": "σ, standard deviation of the policy, as a number"},
        ),
        lambda w: {"euclidean": w.path(natural=False)[-1], "natural": w.path(natural=True)[-1], "eta": w.eta},
    ),
    "AverageGrid": (
        lambda: AverageGrid("endless", episodes=5),
        ("γ, discount", "gamma"),
        ("[data-panel=episode] .rl-cell[data-at='1,1'] .rl-ground", 0, (0, 0), {}),
        lambda w: {"average": w.average.states, "exact": w.exact.sum(axis=1), "total": w.total, "gap": w.gap},
    ),
    "Occupancy": (
        lambda: Occupancy("work-or-walk"),
        ("γ, discount", "gamma"),
        (".rl-grip[aria-label^='Policy'] .rl-reach", 0, (-30, -40), {"pi": "data-pi"}),
        lambda w: {"rho": w.rho, "eta": w.eta, "returns": w.returns},
    ),
    "PerformanceDifference": (
        lambda: PerformanceDifference("small-step"),
        ("α, how far from π to π′", "alpha"),
        ("svg.rl-drag", 0, (-40, 10), {"alpha": "data-alpha"}),
        lambda w: {"eta": w.eta, "surrogate": w.surrogate, "terms": w.terms, "start": w.start},
    ),
    "ControlVariate": (
        lambda: ControlVariate("correlated"),
        ("c, coefficient of the control", "c"),
        (".rl-grip[aria-label^='c:'] .rl-reach", 0, (-40, 0), {"c": "c, coefficient of the control, as a number"}),
        lambda w: {"variance": w.variance, "best": w.best, "floor": w.floor, "bias": w.bias, "sd": w.sd},
    ),
    "QProp": (
        lambda: QProp("helpful"),
        ("κ, weight of the control", "weight"),
        (".rl-grip[aria-label^='κ:'] .rl-reach", 0, (40, 0), {"weight": "κ, weight of the control, as a number"}),
        lambda w: {"variance": w.variance, "mean": w.mean, "bias": w.bias, "weights": w.rules},
    ),
}
FIELD = """[...document.querySelectorAll("input")]
  .find((at) => (at.getAttribute("aria-label") ?? at.labels[0]?.textContent) === name)"""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder with a page for each widget and scheme, without the pictures that stand in for them."""
    folder = tmp_path_factory.mktemp("widgets")
    for path in STATIC.iterdir():
        shutil.copy(path, folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Widget, "picture", lambda widget: None)
        patched.setattr(plots, "to_svg", lambda picture: "<svg xmlns='http://www.w3.org/2000/svg'/>")
        for name, (make, *_) in WIDGETS.items():
            html = make().to_html()
            for theme in ("light", "dark"):
                (folder / f"{name}-{theme}.html").write_text(PAGE.format(html=html, theme=theme), encoding="utf-8")
    return folder


def said(window):
    """What the page's only widget says of itself, once it has drawn and nothing is being played."""
    window.wait("() => document.querySelector('.rl[data-preset]') && !document.querySelector('.rl').dataset.busy")
    return window.run(
        """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
          const root = document.querySelector(".rl");
          done({ ...root.dataset, ...Object.fromEntries([...root.querySelectorAll("input")].map((at) =>
            [at.getAttribute("aria-label") ?? at.labels[0]?.textContent, at.value])) });
        })))"""
    )


def agrees(window, widget, values, when):
    """The page's numbers are Python's."""
    shown = said(window)
    for name, value in values(widget).items():
        found, right = np.array(numbers(shown[name])), np.ravel(np.array(value, dtype=float))
        scale = 1 + abs(right).max()
        assert found == pytest.approx(right, rel=1e-9, abs=1e-9 * scale, nan_ok=True), (when, name)
    return shown


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widgets_first_slider_and_first_handle_move_pythons_numbers(window, shelf, name):
    """From disk, in light and in dark."""
    make, (label, trait), (handle, index, way, sets), values = WIDGETS[name]
    widget = make()
    window.open((shelf / f"{name}-{window.scheme}.html").as_uri(), 1000, 900)
    before = agrees(window, widget, values, "as it opens")
    window.run(f"(name) => {FIELD}.focus()", label)
    window.press("ArrowLeft", "ArrowLeft", "ArrowLeft")
    slid = said(window)
    setattr(widget, trait, float(slid[label]))
    assert slid[label] != before[label]
    assert any(slid[key] != before[key] for key in values(widget))
    agrees(window, widget, values, "after the slider")

    if name == "AverageGrid":  # whose handles are the cells of its map
        window.click("[aria-label='Draw the policy'] button[data-value='^']")
        rows = [list(row) for row in widget.policy or ["." * len(widget.rows[0])] * len(widget.rows)]
        rows[1][1] = "^"
        widget.policy = ["".join(row) for row in rows]
    x, y = window.place(handle, index)
    window.drag((x, y), (x + way[0], y + way[1]))
    moved = said(window)
    for set_trait, source in sets.items():
        found = numbers(moved[source.removeprefix("data-")])
        old = getattr(widget, set_trait)
        found = found if np.ndim(old) else type(old)(found[0])
        assert found != old, set_trait
        setattr(widget, set_trait, found)
    agrees(window, widget, values, "after the handle")
    assert any(moved[key] != slid[key] for key in values(widget))
    assert window.complaints == []
    assert window.elsewhere == []
