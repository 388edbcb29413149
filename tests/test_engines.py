"""Pages, widgets and navigation in Chromium, Firefox and WebKit: by mouse, touch and keyboard, from disk too."""

import shutil

import numpy as np
import pytest

from rlbook import plots
from rlbook.widgets import (
    AverageGrid,
    ControlVariate,
    NaturalGradient,
    Occupancy,
    PerformanceDifference,
    QProp,
    ValueIteration,
    VarianceReduction,
)
from rlbook.widgets.base import STATIC, Widget
from tests.browser import is_debian_root
from tests.engines import Unavailable, start
from tests.live import PAGE, numbers
from tests.test_site import NAMES, WITH_WIDGET

ENGINES = ("chromium", "firefox", "webkit")


@pytest.fixture(scope="module", params=[f"{name}-{scheme}" for name in ENGINES for scheme in ("light", "dark")])
def window(request, playwright):
    """One window of each engine for who likes it light, and one for who likes it dark."""
    name, scheme = request.param.split("-")
    try:
        opened = start(name, scheme, playwright)
    except Unavailable as reason:
        if is_debian_root():
            pytest.fail(f"{reason}, and `python -m tests.browser` should have installed it", pytrace=False)
        pytest.skip(str(reason))
    opened.scheme = scheme
    with opened:
        yield opened


LIGHT = pytest.mark.parametrize("window", [f"{name}-light" for name in ENGINES], indirect=True)


# Pages ----------------------------------------------------------------------------------------------------------

# Wakes all of a page, and says what is not as it should be: a line each.
FAULTS = """async (scheme) => {
  const faults = [];
  const pause = (time) => new Promise((done) => setTimeout(done, time));
  const until = async (what, condition) => {
    for (let i = 0; i < 600 && !condition(); i++) await pause(50);
    if (!condition()) faults.push(`never: ${what}`);
  };
  const seen = (at) => at.checkVisibility({ visibilityProperty: true }) && !at.closest("details:not([open])");
  // What lean.js does when there is nothing else to do.
  for (const block of document.querySelectorAll("article > section > section > *")) block.classList.add("is-laid-out");
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
  const fonts = [...document.fonts].filter(({ family }) => /KaTeX_(Main|Math)/.test(family));
  if (formulas.length && !fonts.some(({ status }) => status === "loaded")) faults.push("no font of formulas");
  for (const { family, status } of document.fonts) if (status === "error") faults.push(`font ${family} failed`);
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


def test_every_page_is_quiet_and_fits_a_telephone(window, address, site):
    """Light over http and dark from disk: nothing complained of or asked elsewhere, formulas and widgets there."""
    start = address if window.scheme == "light" else f"file://{site}"
    faults, formulas, widgets = {}, 0, 0
    for name in NAMES:
        window.open(f"{start}/{name}", 360, 740)
        found, seen, alive = window.run(FAULTS, window.scheme)
        formulas, widgets = formulas + seen, widgets + alive
        faults[name] = found + window.complaints + window.elsewhere
    assert {name: found for name, found in faults.items() if found} == {}
    assert formulas > 1000
    assert widgets >= 9
