"""What holds for every widget of the book, in Chromium, on a page of its own."""

import shutil

import pytest

import rlbook.widgets
from book.tools.browser import PAGE
from rlbook.widgets import QProp, VarianceReduction
from rlbook.widgets.base import STATIC
from tests.live import WIDTHS, data, played_out, room_kept, serious_faults, settled

KINDS = [getattr(rlbook.widgets, name) for name in rlbook.widgets.__all__]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_axe_finds_nothing_serious_in_any_preset(visit, frontend, kind, theme):
    page = visit(kind(kind.PRESETS[0]), theme=theme)
    for preset in kind.PRESETS:
        page.locator(f".rl-top button[data-value='{preset}']").first.click()
        run = page.locator(".rl [data-role=run]")
        if run.count():
            run.click()
            played_out(page)
        data(page)
        page.wait_for_timeout(400)  # the cells of a map are named when it has come to rest
        assert serious_faults(page, frontend, ".rl") == [], preset


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_control_is_reached_by_tab_and_seen(visit, kind):
    page = visit(kind(kind.PRESETS[0]))
    data(page)
    page.wait_for_timeout(450)  # until what is named or enabled late has been
    page.locator(".rl button").first.focus()
    while page.evaluate("Boolean(document.activeElement.closest('.rl'))"):
        seen = page.evaluate(
            """() => {
              const at = document.activeElement;
              at.dataset.met = "yes";
              const ring = at.querySelector(".rl-reach"); // which a handle shows instead
              return ring ? parseFloat(getComputedStyle(ring).strokeWidth) > 1.5
                : getComputedStyle(at).outlineStyle !== "none";
            }"""
        )
        assert seen
        page.keyboard.press("Tab")
    missed = page.evaluate(
        """() => [...document.querySelectorAll(".rl :is(button, input, select), .rl [tabindex='0']")]
          .filter((node) => !node.disabled && !node.dataset.met)
          .filter((node) => node.checkVisibility({ visibilityProperty: true }) && node.getBoundingClientRect().width)
          .map((node) => node.outerHTML)"""
    )
    assert missed == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_place_keeps_the_room_that_the_widget_takes(visit, kind, width):
    page = visit(kind(kind.PRESETS[0]), width)
    live = page.locator(".rl").bounding_box()["height"]
    assert room_kept(page) == pytest.approx(live, abs=32)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_the_mouse_moves_gets_no_box_and_tab_shows_where_it_is(visit, kind):
    """No outline and no ring after a press of the mouse, on whatever can be moved; one of them after Tab."""
    page = visit(kind(kind.PRESETS[0]))
    data(page)
    page.wait_for_timeout(450)
    seen = """() => {
      const at = document.activeElement;
      const ring = at.querySelector(".rl-reach");
      const drawn = [getComputedStyle(at).outlineStyle !== "none", ring && getComputedStyle(ring).stroke !== "none"];
      return [at.matches(".rl *"), drawn.some(Boolean)];
    }"""
    pressed = 0
    for part in page.locator(".rl :is([tabindex='0'], [tabindex='-1'], input[type=range])").all():
        if not part.is_visible() or not part.is_enabled():
            continue
        part.scroll_into_view_if_needed()
        box = part.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 9, y + 5, steps=2)
        page.mouse.up()
        inside, drawn = page.evaluate(seen)
        assert not (inside and drawn), part.evaluate("(node) => node.outerHTML.slice(0, 200)")
        pressed += inside
        if pressed > 12:
            break
    assert pressed
    page.keyboard.press("Tab")
    assert page.evaluate(seen)[1] or not page.evaluate(seen)[0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_forced_colours_tell_what_is_pressed_and_keep_the_keys(visit, kind):
    page = visit(kind(kind.PRESETS[0]), forced_colors="active")
    data(page)
    looks = page.evaluate(
        """() => {
          const look = (node) => {
            const { backgroundColor, color, borderTopColor } = getComputedStyle(node);
            return [backgroundColor, color, borderTopColor].join();
          };
          return [...document.querySelectorAll(".rl .rl-chips")].filter((row) => row.checkVisibility()).map((row) => ({
            pressed: [...row.querySelectorAll("[aria-pressed=true]")].map(look),
            others: [...row.querySelectorAll("[aria-pressed=false]:enabled")].map(look),
          }));
        }"""
    )
    assert any(row["pressed"] and row["others"] for row in looks)
    for row in looks:
        assert not set(row["pressed"]) & set(row["others"])
    keys = page.evaluate(
        "[...document.querySelectorAll('.rl .rl-key path')]"
        ".map((mark) => [mark.getAttribute('class'), getComputedStyle(mark).stroke])"
    )
    own = {
        "heap": "rgb(230, 159, 0)",
        "spread": "rgb(230, 159, 0)",
        "plain": "rgb(213, 94, 0)",
        "of-euclidean": "rgb(213, 94, 0)",
        "of-natural": "rgb(0, 114, 178)",
        "sharp": "rgb(0, 114, 178)",
        "control": "rgb(0, 158, 115)",
        "of-other": "rgb(204, 121, 167)",
        "rival": "rgb(204, 121, 167)",
        "mixed": "rgb(204, 121, 167)",
    }
    assert keys
    for name, colour in keys:
        for word, right in own.items():
            if f"rl-{word}" in name.split():
                assert colour == right, name


BREAKS = {
    "the state is no JSON": "document.querySelector('.rlbook-widget script').textContent += '}'",
    "the state lacks what is drawn": """(() => {
      const script = document.querySelector('.rlbook-widget script');
      script.textContent = JSON.stringify({ ...JSON.parse(script.textContent), _presets: {} });
    })()""",
    "no script comes": "document.querySelector('.rlbook-widget').dataset.view = 'nonesuch'",
}


THROWS = """globalThis.rlbook.register("variance_reduction", { render({ el }) {
  el.append("begun");
  document.querySelector(".rlbook-widget").dataset.live = document.querySelector(".is-live") !== null;
  throw Error("no such picture");
} });"""


def test_a_slider_takes_back_what_a_scrolling_finger_did(visit):
    page = visit(VarianceReduction("two-rooms"))
    before = data(page)["variance"]
    page.evaluate("""() => {
      const range = document.querySelector(".rl-slider input[type=range]");
      const { value, min } = range;
      range.dispatchEvent(new PointerEvent("pointerdown", { pointerType: "touch" }));
      range.value = min;
      range.dispatchEvent(new Event("input"));
      window.was = value;
    }""")
    settled(page)
    assert data(page)["variance"] != before
    page.evaluate("""() => document.querySelector(".rl-slider input[type=range]")
      .dispatchEvent(new PointerEvent("pointercancel", { pointerType: "touch" }))""")
    settled(page)
    assert data(page)["variance"] == before
    assert page.evaluate("() => document.querySelector('.rl-slider input[type=range]').value === window.was")


# Each slider of "explore", near a telephone's foot, is moved: how much is seen of a picture that it changes (null where
# it changes none, as the reward of what is never done), and whether it stays under the finger.
MOVED = """async () => {
  const found = [], pause = (time) => new Promise((done) => setTimeout(done, time));
  document.body.style.paddingBottom = "50em";
  const pictures = [...document.querySelectorAll(".rl-panel")].filter((picture) => picture.checkVisibility());
  for (const slider of document.querySelectorAll(".rl input[type=range]:enabled")) {
    if (!slider.checkVisibility({ visibilityProperty: true })) continue;
    scrollBy({ top: slider.getBoundingClientRect().top - 560, behavior: "instant" });
    await pause(120);
    const { top, left } = slider.getBoundingClientRect();
    const were = pictures.map((picture) => picture.innerHTML);
    const changed = () => pictures.filter((picture, i) => picture.innerHTML !== were[i]);
    for (const share of [0.2, 0.4, 0.9]) {
      slider.value = Number(slider.min) + share * (slider.max - slider.min);
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      await pause(120);
    }
    const shares = () => changed().map((picture) => {
      const box = picture.getBoundingClientRect();
      return (Math.min(box.bottom, innerHeight) - Math.max(box.top, 0)) / box.height;
    });
    for (let i = 0; i < 20 && !(Math.max(...shares()) > 0.5); i++) await pause(100);  // a busy machine draws later
    const seen = shares();
    const stayed = Math.abs(slider.getBoundingClientRect().top - top) < 1;
    const free = document.elementFromPoint(left + 20, top + 8) === slider;
    found.push([slider.labels[0].textContent, seen.length ? Math.max(...seen) : null, stayed && free]);
  }
  return found;
}"""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_on_a_telephone_a_picture_that_a_slider_changes_is_in_sight(visit, kind):
    page = visit(kind(step="explore"), "phone")
    found = page.evaluate(MOVED)
    shares = {name: share for name, share, _ in found}
    assert len(found) >= 3
    assert 2 * [*shares.values()].count(None) < len(shares), shares
    assert not [name for name, share in shares.items() if share is not None and share < 0.5]
    assert not [name for name, _, slider in found if not slider], "they do not stay under the finger"
    page.evaluate("() => document.body.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }))")
    assert page.locator(".rl-along").count() == 0, "and what came along has gone back"


def test_a_handle_can_be_taken_in_a_picture_that_came_along(visit):
    page = visit(QProp(step="explore"), "phone")
    slider = page.get_by_label("τ, noise after the action", exact=True)
    slider.evaluate("(slider) => scrollBy({ top: slider.getBoundingClientRect().top - 600, behavior: 'instant' })")
    slider.focus()
    page.keyboard.press("ArrowRight")
    along = page.locator(".rl-along")
    along.wait_for()
    sliders = [page.get_by_label(name, exact=True) for name in ("κ, weight of the control", "q, slope of the critic")]
    before = [one.input_value() for one in sliders]
    grip = along.locator(".rl-grip .rl-reach").first.bounding_box()
    x, y = grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 12, steps=4)
    assert along.count() == 1, "it stays while it is touched"
    page.mouse.up()
    settled(page)
    moved = along.locator(".rl-grip .rl-reach").first.bounding_box()
    assert abs(moved["y"] + moved["height"] / 2 - (y - 12)) < 2
    assert [one.input_value() for one in sliders] != before


def test_a_scale_takes_back_what_a_scrolling_finger_did(visit):
    page = visit(VarianceReduction(step=2))
    mark, see = page.locator(".rl-scale input"), page.locator(".rl-scale button")
    stood = mark.input_value()
    mark.evaluate("""(mark) => {
      mark.dispatchEvent(new PointerEvent("pointerdown", { pointerType: "touch" }));
      mark.value = mark.min;
      mark.dispatchEvent(new Event("input"));
    }""")
    assert see.is_enabled()
    mark.evaluate("(mark) => mark.dispatchEvent(new PointerEvent('pointercancel', { pointerType: 'touch' }))")
    assert see.is_disabled()
    assert mark.input_value() == stood


def broken_page(browser, folder, script=""):
    """A page with two widgets, what `script` does before they come alive, and what the console then says."""
    for path in STATIC.iterdir():
        if not (folder / path.name).exists():
            shutil.copy(path, folder)
    text = PAGE.format(html=VarianceReduction("two-rooms").to_html() + QProp("helpful").to_html(), theme="light")
    head, _, body = text.partition('<script defer src="widget-loader.js"></script>')
    loader = f'<script>{script}</script><script src="widget-loader.js"></script></body>'
    (folder / "page.html").write_text(head + body.replace("</body>", loader), encoding="utf-8")
    page, said = browser.new_page(viewport=WIDTHS["desktop"]), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"file://{folder}/page.html")
    return page, said


def keeps_its_picture(page):
    """The first widget says why it does not run, and shows its picture; the second lives."""
    first, second = page.locator(".rlbook-widget").all()
    first.locator(".rl-failed").wait_for()
    assert "This widget cannot run here, so its picture stays." in first.locator(".rl-failed").text_content()
    assert first.locator(".rlbook-picture").is_visible()
    assert first.locator(".rlbook-key").is_visible()
    assert 100 < first.bounding_box()["height"] < 700  # the room for the widget is given back
    assert first.locator(".rl").count() == 0
    second.scroll_into_view_if_needed()
    second.locator(".rl[data-preset]").wait_for()


@pytest.mark.parametrize("broken", BREAKS)
def test_a_widget_that_fails_leaves_its_picture_and_says_so(browser, tmp_path, broken):
    page, _ = broken_page(browser, tmp_path, BREAKS[broken])
    keeps_its_picture(page)
    page.close()


def test_a_view_that_throws_leaves_nothing_but_the_picture_and_one_word_on_the_console(browser, tmp_path):
    (tmp_path / "widgets.variance_reduction.js").write_text(THROWS, encoding="utf-8")
    page, said = broken_page(browser, tmp_path)
    keeps_its_picture(page)
    assert [text.splitlines()[0] for text in said] == ["Error: no such picture"]
    first = page.locator(".rlbook-widget").first
    assert "(Error: no such picture)" in first.locator(".rl-failed").text_content()
    assert "begun" not in first.inner_text()
    assert first.get_attribute("data-live") == "false"  # nor was the picture hidden while the view was made
    page.close()


def test_a_widget_that_fails_later_gives_its_picture_back(browser, tmp_path):
    for path in STATIC.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "page.html").write_text(
        PAGE.format(html=VarianceReduction("two-rooms").to_html(), theme="light"), "utf-8"
    )
    page = browser.new_page(viewport=WIDTHS["desktop"])
    page.goto(f"file://{tmp_path}/page.html")
    page.locator(".rl[data-preset]").wait_for()
    assert not any(part.is_visible() for part in page.locator(".rlbook-picture, .rlbook-key").all())
    page.emulate_media(media="print")
    assert all(part.is_visible() for part in page.locator(".rlbook-picture, .rlbook-key").all())
    page.emulate_media(media="screen")
    page.evaluate("() => { SVGElement.prototype.setAttribute = () => { throw Error('broken'); }; }")
    page.locator("input[type=range]").first.press("ArrowLeft")
    page.locator(".rl-failed").wait_for()
    assert "(Error: broken)" in page.locator(".rl-failed").text_content()
    assert page.locator(".rlbook-picture").is_visible()
    assert page.locator(".rl").count() == 0
    page.close()
