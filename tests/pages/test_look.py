"""How the pages are set, measured in a browser: the length of lines, what may be wider, the face, what opens."""

import re

import pytest

from rlbook import plots
from tests.live import BLOCKS, Visit, settled
from tests.sources import CHAPTERS, ROOT

LAPTOP = {"width": 1366, "height": 657}
# Characters a line in paragraphs that are text alone, of three lines or more, their last lines left out.
LINES = """() => [...document.querySelectorAll("article > section > p, article > section > section > p")]
  .filter((at) => !at.querySelector(".katex, code, sup"))
  .map((at) => {
    const range = document.createRange();
    range.selectNodeContents(at);
    const tops = new Set([...range.getClientRects()].map(({ top }) => Math.round(top / 8)));
    return [at.textContent.trim().length, tops.size];
  })
  .filter(([, lines]) => lines > 2)
  .map(([characters, lines]) => characters / (lines - 0.5))"""


@pytest.mark.parametrize("width", [1280, 1366, 1920])
def test_a_line_of_text_has_65_to_75_characters(browser, address, width):
    found = []
    for name in CHAPTERS[:2]:
        with Visit(browser, f"{address}/{name}", scroll=False, viewport={"width": width, "height": 800}) as visit:
            found += visit.page.evaluate(LINES)
    assert len(found) > 5
    assert 65 <= sum(found) / len(found) <= 75


@pytest.mark.parametrize(("width", "least"), [(1366, 740), (1920, 990)])
def test_pictures_and_widgets_are_wider_than_the_text_where_there_is_room(browser, address, width, least):
    with Visit(browser, f"{address}/{CHAPTERS[0]}", viewport={"width": width, "height": 800}) as visit:
        text = visit.page.locator("article > section > section > p").first.bounding_box()["width"]
        widget = visit.page.locator(".rlbook-widget .rl").first.bounding_box()["width"]
        assert text < 620
        assert least <= widget <= 1000


def test_a_line_of_62_characters_of_code_fits(browser, address):
    with Visit(browser, f"{address}/{CHAPTERS[0]}", scroll=False, viewport=LAPTOP) as visit:
        wide = visit.page.evaluate(
            """() => {
              const code = document.querySelector("div.cell_input pre");
              code.textContent = "x".repeat(62);
              return code.scrollWidth - code.clientWidth;
            }"""
        )
        assert wide <= 0


@pytest.mark.parametrize("name", CHAPTERS)
def test_on_a_laptop_no_code_goes_on_beyond_its_box_and_numbers_of_formulas_end_together(browser, address, name):
    with Visit(browser, f"{address}/{name}", scroll=False, viewport=LAPTOP) as visit:
        visit.page.evaluate(
            f"""() => {{
              for (const block of document.querySelectorAll("{BLOCKS}")) block.classList.add("is-laid-out");
              for (const fold of document.querySelectorAll("article details")) fold.open = true;
            }}"""
        )
        settled(visit.page)
        code, ends = visit.page.evaluate(
            """() => [
              [...document.querySelectorAll("article div.highlight pre")]
                .filter((at) => !at.closest(".cell_output"))
                .filter((at) => at.scrollWidth > at.clientWidth).map((at) => at.textContent),
              [...document.querySelectorAll("article section > div.math > .eqno")]
                .map((at) => at.getBoundingClientRect().right)]"""
        )
        assert not code
        assert len(ends) >= 2
        assert max(ends) - min(ends) <= 1


def test_the_text_is_in_its_own_face_and_a_readers_own_serif_takes_as_much_room(browser, address):
    """The heading, the text and its italics are as long in the fall-back as in the face, to within 3 in a hundred."""
    with Visit(browser, f"{address}/{CHAPTERS[0]}", scroll=False, viewport=LAPTOP) as visit:
        page = visit.page
        page.evaluate("() => document.fonts.ready")
        assert page.evaluate("""() => document.fonts.check('18px "Source Serif 4"')""")
        settled(page)
        widths = page.evaluate(
            """() => {
              const line = document.createElement("span");
              line.style.whiteSpace = "nowrap";
              line.textContent = document.querySelector("article p").textContent.replaceAll("\\n", " ");
              document.querySelector("article > section").append(line);
              const width = (family, style) => {
                Object.assign(line.style, { fontFamily: family, fontStyle: style });
                return line.getBoundingClientRect().width;
              };
              return ["normal", "italic"].map((style) => ["Georgia", "Times", "DejaVu"].map((name) => [
                width('"Source Serif 4"', style), width(`"Serif like ${name}", monospace`, style),
                width("monospace", style),
              ]));
            }"""
        )
    for style in widths:
        there = [(own, other) for own, other, none in style if other != none]
        assert there, "this machine has none of the serifs that the page knows"
        assert all(abs(other / own - 1) < 0.03 for own, other in there)


def test_what_checks_a_statement_opens_to_the_tests_names(browser, address):
    with Visit(browser, f"{address}/{CHAPTERS[0]}", scroll=False, viewport=LAPTOP) as visit:
        note = visit.page.locator(".proof .checked-by").first
        note.scroll_into_view_if_needed()  # what is far down is laid out later, and has no words until then
        visit.page.wait_for_function("(note) => note.innerText", arg=note.element_handle())
        assert note.locator("summary").inner_text().split()[0] == "✓"
        assert not note.locator("p").first.is_visible()
        note.locator("summary").click()
        assert note.locator("p").first.is_visible()
        assert note.locator("summary").bounding_box()["height"] >= 24


def test_a_drawing_is_no_finer_than_a_hundredth_of_a_point(site):
    drawings = sorted((site / "_images").glob("*.svg"))
    assert len(drawings) > 20
    for file in drawings:
        assert not re.findall(r"\d\.\d{3,}", file.read_text(encoding="utf-8")), file


def test_the_faces_licence_stands_beside_it():
    folder = ROOT / "book/_static/text"
    assert "SIL Open Font License" in (folder / "LICENSE").read_text(encoding="utf-8")


PHONE = {"width": 360, "height": 740}
ROWS = """(at) => {
  const begins = [...at.querySelectorAll(".katex-display > .katex > .katex-html .base")]
    .map((piece) => piece.getBoundingClientRect().left);
  return begins.filter((left, i) => !i || left < begins[i - 1]).length;
}"""  # of a display
TOO_LONG = """(at) => {
  at.querySelector(".katex").style.whiteSpace = "nowrap";
  return at.scrollWidth > at.clientWidth;
}"""  # for one line
WIDE = "(all) => all.filter((at) => at.scrollWidth > at.clientWidth + 1).length"  # how many scroll sideways
# How large the smallest words of a figure are on the screen, in px, by its file.
SMALLEST = """() => [...document.querySelectorAll("article figure img")].map((img) => [
    new URL(img.src).pathname.split("/").pop(), img.getBoundingClientRect().width])"""


@pytest.mark.parametrize("name", CHAPTERS)
def test_on_a_telephone_words_of_figures_can_be_read_and_code_stays_within_it(browser, address, site, name):
    with Visit(browser, f"{address}/{name}", viewport=PHONE) as visit:
        pictures = visit.page.evaluate(SMALLEST)
        assert len(pictures) >= 3
        for file, width in pictures:
            svg = (site / "_images" / file).read_text(encoding="utf-8")
            units = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
            sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)]
            assert sizes, file
            words = [size for size in sizes if size > 0.75 * max(sizes)]  # the others are exponents
            assert min(words) * width / units >= 10, file
        assert visit.page.locator(".cell_input pre").evaluate_all(WIDE) == 0


@pytest.mark.parametrize("name", ["book/api.html", "book/index.html", "book/embed.html", "book/larger-studies.html"])
def test_on_a_telephone_code_of_other_pages_stays_within_it_too(browser, address, name):
    with Visit(browser, f"{address}/{name}", viewport=PHONE) as visit:
        code = visit.page.locator("article div.highlight pre")
        assert code.count() >= 1
        assert code.evaluate_all(WIDE) == 0


def test_on_a_telephone_a_formula_and_its_number_do_not_cover_each_other_and_both_are_in_sight(browser, address):
    broken = 0
    for name in CHAPTERS:
        with Visit(browser, f"{address}/{name}", viewport=PHONE) as visit:
            for formula in visit.page.locator("div.math.numbered:not(details:not([open]) *)").all():
                broken += formula.evaluate(ROWS) > 1
                box, tag = formula.bounding_box(), formula.locator(".eqno").bounding_box()
                assert box["x"] <= tag["x"]
                assert tag["x"] + tag["width"] <= box["x"] + box["width"] + 1
                shown = formula.locator(".katex-display").bounding_box()
                assert tag["y"] >= shown["y"] + shown["height"] - 1
    assert broken > 5


@pytest.mark.parametrize("name", CHAPTERS)
def test_on_a_telephone_a_formula_goes_on_below_and_what_is_printed_keeps_its_columns(browser, address, name):
    with Visit(browser, f"{address}/{name}", viewport=PHONE) as visit:
        scrolled = """(all) => all.filter((at) => at.scrollWidth > at.clientWidth + 1).map((at) => [
          at.querySelector(".base").getBoundingClientRect().left - at.getBoundingClientRect().left,
          at.scrollWidth - at.clientWidth])"""
        blocks = f'for (const block of document.querySelectorAll("{BLOCKS}")) block.classList.add("is-laid-out")'
        visit.page.evaluate(f"() => {{ {blocks} }}")
        visit.page.locator("details").evaluate_all("(all) => { for (const at of all) at.open = true; }")
        settled(visit.page)
        formulas = visit.page.locator("article div.math")
        lines = [formula.evaluate(ROWS) for formula in formulas.all()]
        assert sum(count > 1 for count in lines) >= 5
        scrolling = formulas.evaluate_all(scrolled)
        assert len(scrolling) <= 1, "but for a fraction or brackets that cannot be broken"
        assert all(-1 <= begins < 120 and over <= 60 for begins, over in scrolling)
        beyond = "(all) => all.map((at) => at.scrollWidth - at.clientWidth).filter((wide) => wide > 3)"
        assert not visit.page.locator("article .rl-derivation li .math").evaluate_all(beyond)
        kept = visit.page.locator(".cell_output div.highlight pre")
        wide = kept.evaluate_all(beyond)
        assert len(wide) <= (name == CHAPTERS[4]), "but for a table of ten estimators and two spreads"
        assert all(over <= 80 for over in wide)
        assert min(kept.evaluate_all("(all) => all.map((at) => parseFloat(getComputedStyle(at).fontSize))")) >= 10
        assert set(kept.evaluate_all("(all) => all.map((at) => getComputedStyle(at).whiteSpace)")) == {"pre"}


@pytest.mark.parametrize("name", [*CHAPTERS, "book/map.html", "book/lines.html", "book/ledger.html", "book/api.html"])
def test_on_paper_nothing_is_cut(browser, address, name):
    """On A4 with margins of 16 mm code is broken, and pictures, formulas and tables are no wider than the sheet."""
    with Visit(browser, f"{address}/{name}", scroll=False, viewport={"width": 673, "height": 1000}) as visit:
        visit.page.emulate_media(media="print")
        cut = visit.page.evaluate(
            f"""async () => {{
              for (const fold of document.querySelectorAll("article details")) fold.open = true;
              for (const block of document.querySelectorAll("{BLOCKS}")) block.classList.add("is-laid-out");
              await document.fonts.ready;
              const wide = document.documentElement.clientWidth + 1;
              return [...document.querySelectorAll(`article :is(.highlight pre, div.math, .results-map svg,
                #the-modules img, table, figure img, .rl-derivation .math)`)]
                .filter((at) => at.checkVisibility() && (at.getBoundingClientRect().right > wide
                  || (at.scrollWidth > at.clientWidth + 2 && getComputedStyle(at).display !== "inline")))
                .map((at) => at.textContent.slice(0, 40));
            }}"""
        )
        title = visit.page.locator("h1:visible").all_text_contents()
    assert cut == []
    assert len(title) == 1


def test_the_search_is_in_sight_wherever_the_list_of_pages_shows(browser, address):
    with Visit(browser, f"{address}/book/bibliography.html", scroll=False, viewport=LAPTOP) as visit:
        field = visit.page.locator(".bd-sidebar-primary .search-button-field").bounding_box()
        here = visit.page.locator(".bd-links .current > a").last.bounding_box()
        scrolled = visit.page.locator(".bd-sidebar-primary").evaluate("(at) => at.scrollTop")
    assert scrolled > 0
    assert 0 <= field["y"] < here["y"] < LAPTOP["height"]


def test_on_a_laptop_the_values_of_a_derivation_stand_in_one_column(browser, address):
    """Each level with its formula, or, in derivations with long ones, below it."""
    with Visit(browser, f"{address}/book/lines.html", scroll=False, viewport=LAPTOP) as visit:
        found = visit.page.evaluate(
            f"""async () => {{
              for (const block of document.querySelectorAll("{BLOCKS}")) block.classList.add("is-laid-out");
              await document.fonts.ready;
              return [...document.querySelectorAll(".rl-derivation")].map((box) => [
                box.hasAttribute("data-long"),
                [...box.querySelectorAll("li > p:first-child")].map((line) => {{
                  const formula = line.querySelector(".math").getBoundingClientRect();
                  const value = line.querySelector("code, del").getBoundingClientRect();
                  return [value.right, formula.right <= value.left, formula.bottom <= value.top + 8, value.width];
                }}),
              ]);
            }}"""
        )
    assert len(found) > 30
    assert {long for long, _ in found} == {True, False}
    assert all(long or width < 160 for long, lines in found for *_, width in lines)
    for long, lines in found:
        assert max(right for right, *_ in lines) - min(right for right, *_ in lines) < 1
        assert all(below if long else beside for _, beside, below, _ in lines)


@pytest.mark.parametrize("name", CHAPTERS)
@pytest.mark.parametrize("width", [768, 1366])
def test_what_has_a_frame_or_a_tint_ends_together(browser, address, name, width):
    boxes = ["div.proof:not(.argument)", "div.exercise", "div.admonition", ".rl-derivation", ".cell_input .highlight"]
    with Visit(browser, f"{address}/{name}", scroll=False, viewport={"width": width, "height": 900}) as visit:
        visit.page.evaluate(
            f"""async () => {{
              for (const block of document.querySelectorAll("{BLOCKS}")) block.classList.add("is-laid-out");
              await document.fonts.ready;
            }}"""
        )
        ends = """(boxes) => boxes.map((kind) => [...document.querySelectorAll(kind)]
          .filter((at) => at.checkVisibility() && !at.closest("details, li") && !at.matches(".slip, .argument"))
          .map((at) => at.getBoundingClientRect().right))"""
        ends = dict(zip(boxes, visit.page.evaluate(ends, boxes), strict=True))
    every = [end for kind in ends.values() for end in kind]
    assert min(map(len, ends.values())) > 0
    assert max(every) - min(every) <= 1.5, {kind: sorted(set(map(round, found))) for kind, found in ends.items()}


@pytest.mark.parametrize("name", CHAPTERS)
def test_on_a_laptop_no_formula_is_cut_off_and_none_broken_that_has_room(browser, address, name):
    with Visit(browser, f"{address}/{name}", scroll=False, viewport=LAPTOP) as visit:
        cut = visit.page.evaluate(
            f"""async () => {{
              for (const fold of document.querySelectorAll("article details")) fold.open = true;
              for (const block of document.querySelectorAll("{BLOCKS}")) block.classList.add("is-laid-out");
              await document.fonts.ready;
              const all = [...document.querySelectorAll("article div.math")];
              return [({WIDE})(all), all.filter((at) => ({ROWS})(at) > 1 && !({TOO_LONG})(at)).length];
            }}"""
        )
        assert cut == [0, 0]


def test_the_notation_has_the_figures_own_colours():
    text = (ROOT / "book/notation.md").read_text(encoding="utf-8")
    for name, colour in {
        "orange": plots.SAMPLES,
        "vermilion": plots.PLAIN,
        "blue": plots.IMPROVED,
        "green": plots.BASELINE,
        "purple": plots.OTHER,
        "grey, dashed": plots.BOUND,
    }.items():
        assert f'<span class="swatch" style="background: {colour.lower()}"></span>{name} |' in text


def test_on_a_telephone_the_notation_is_a_list_of_cards(browser, address):
    with Visit(browser, f"{address}/book/notation.html", viewport=PHONE) as visit:
        assert visit.page.locator(".pst-scrollable-table-container").evaluate_all(WIDE) == 0
        assert not visit.page.locator("#notation thead").first.is_visible()


def test_a_chapter_that_is_printed_at_once_has_the_fonts_of_its_formulas(browser, address):
    fonts = [f"1em KaTeX_{face}" for face in ("AMS", "Caligraphic", "Size1", "Size2")]
    with Visit(browser, f"{address}/{CHAPTERS[0]}", scroll=False, viewport=LAPTOP) as visit:
        visit.page.wait_for_function("(fonts) => fonts.every((font) => document.fonts.check(font))", arg=fonts)
