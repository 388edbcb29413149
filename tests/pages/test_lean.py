"""The extension that makes the pages light: what it keeps, what it drops, and where it stops."""

import json
import re
import shutil
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import Glyph
from PIL import Image
from sphinx.errors import ExtensionError

from book._ext import lean
from tests.sources import ROOT

FONTS = ROOT / "book/_static/katex/fonts"
WORDS = {"html", "p", "a", "i", "svg", "box", "main", "shown", "fa-sun"}
PAGE = """<html data-content_root="{root}"><head>
<script>document.documentElement.dataset.mode = localStorage.getItem("mode") || "";
document.documentElement.dataset.theme = localStorage.getItem("theme") || "";</script>
<link rel="stylesheet" href="{root}_static/theme.css?v=1" />
<link href="{root}_static/book.css" rel="stylesheet" />
<link rel="preload" as="script" href="{root}_static/bootstrap.js" />
<script defer src="{root}_static/scripts/fontawesome.js?digest=5"></script>
<script src="{root}_static/documentation_options.js?v=9"></script>
<script src="{root}_static/doctools.js"></script>
<script>const THEBE_JS_URL = "https://unpkg.com/thebe"</script>
<script async="async" src="{root}_static/sphinx-thebe.js"></script>
<script>let hint = 'kept';</script>
<script src="{root}_static/searchtools.js"></script>
<script defer src="{root}_static/scripts/pydata-sphinx-theme.js?digest=5"></script>
</head><body><button class="btn search-button-field" aria-label="Search"><i class="fa-solid fa-sun"></i></button>
<p class='box {extra}'>Text</p>
<img src="{root}_images/dot.png"><img width="5" src="{root}_images/dot.png"><img src="https://example.org/x.png">
</body></html>"""
SHEET = """@charset "UTF-8"; @import "basic.css";
@font-face{font-family:Font Awesome;src:url(fonts/icons.woff2)}
@font-face{font-family:Unused;src:url(fonts/icons.woff2)}
.fa-solid{font-family:"Font Awesome"} .fa-sun:before{content:"\\f185"} .fa-moon:before{content:"\\f186"}
.box{background:url("dot.png")} .extra{color:red} .nowhere{color:blue}
.box:has(:focus-visible){color:green}"""


# As the theme has it.
MEASURING = """const e=()=>{document.querySelectorAll("pre").forEach(e=>{e.tabIndex=e.scrollWidth>e.clientWidth||\
e.scrollHeight>e.clientHeight?0:-1})},t=1;e()"""


@pytest.mark.parametrize(
    "rule",
    [
        ".box{color:red}",
        "#main>p a:hover::before{color:red}",
        "html[data-theme=dark] .box:not(.absent){color:red}",
        ":is(.absent,.shown) p{color:red}",
        "p:nth-child(2n + 1){color:red}",
        ".bs-tooltip-end .box{color:red}",
        ":root{--ink:#123;--empty: ;}",
        ".box{& .inner{color:red} @media print{color:black}}",
        "@media (min-width:960px){.box{color:red}}",
        "@supports (display:grid){@media print{p{color:red}}}",
        "@keyframes spin{to{rotate:1turn}}",
        '.box{background:url("data:image/svg+xml;utf8,<svg></svg>")}',
    ],
)
def test_what_may_be_used_is_kept_as_it_stands(rule):
    assert "".join(lean.purge(rule, WORDS).split()) == "".join(rule.split())


@pytest.mark.parametrize(
    "rule",
    [
        ".absent{color:red}",
        ".box .absent{color:red}",
        "#absent{color:red}",
        "table{color:red}",
        ":is(.absent,table) p{color:red}",
        "@media print{.absent{color:red}}",
        "@supports (display:grid){@media print{table{color:red}}}",
        ".box{}",
        "/* .box{color:red} */",
    ],
)
def test_what_nothing_can_match_is_dropped(rule):
    assert lean.purge(rule, WORDS) == ""


def test_of_a_list_of_selectors_only_the_useful_stay():
    assert lean.purge(".absent, .box , table p{color:red}", WORDS) == ".box{color:red}"


def test_the_vocabulary_is_of_pages_and_of_scripts_but_not_of_their_text():
    page = "<P class='one two' id=\"three\">four</P><script>add('five')</script>"
    page += "<script type='text/json'>six</script>"
    words = lean.vocabulary([page], ["el.classList.add('seven-eight')"])
    assert {"one", "two", "three", "five", "seven-eight"} <= words
    assert not {"four", "six"} & words


def test_a_font_keeps_the_characters_asked_for_and_no_others():
    whole = (FONTS / "KaTeX_Main-Regular.woff2").stat().st_size
    assert 0 < len(lean.cut_font(FONTS / "KaTeX_Main-Regular.woff2", set("abc"))) < whole / 5
    assert lean.cut_font(FONTS / "KaTeX_Main-Regular.woff2", {"\uf185"}) == b""


def test_a_face_that_is_seldom_used_keeps_what_stands_in_its_spans():
    page = '<span class="mord mathbb">E</span><span class="mrel amsrm" style="a">≥</span><span class="mathbbx">F</span>'
    assert lean.set_in(lean.SELDOM["KaTeX_AMS-Regular.woff2"], [page, "G"]) == {"E", "≥"}


@pytest.fixture
def folder(tmp_path):
    """A book as Sphinx leaves it: two pages, a template, and a font with the icons of sun and moon."""
    names = [".notdef", "sun", "moon"]
    icons = FontBuilder(64, isTTF=True)
    icons.setupGlyphOrder(names)
    icons.setupCharacterMap({0xF185: "sun", 0xF186: "moon"})
    icons.setupGlyf({name: Glyph() for name in names})
    icons.setupHorizontalMetrics({name: (64, 0) for name in names})
    icons.setupHorizontalHeader(ascent=64, descent=0)
    icons.setupOS2()
    icons.setupPost()
    icons.font.flavor = "woff2"
    files = {
        "book/one.html": PAGE.format(root="../", extra=""),
        "search.html": PAGE.format(root="", extra="extra"),
        "_static/template.html": "<p>left alone</p>",
        "_static/theme.css": SHEET,
        "_static/basic.css": "p{margin:0}",
        "_static/book.css": "",
        "_static/documentation_options.js": "const DOCUMENTATION_OPTIONS = {};",
        "_static/doctools.js": "",
        lean.THEME_SCRIPT: MEASURING,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "_images").mkdir()
    Image.new("1", (30, 20)).save(tmp_path / "_images/dot.png")
    (tmp_path / "_static/fonts").mkdir()
    icons.save(tmp_path / "_static/fonts/icons.woff2")
    return tmp_path


def build(folder):
    builder = SimpleNamespace(format="html")
    lean.finish(SimpleNamespace(outdir=folder, builder=builder, config=SimpleNamespace(lean_source="")), None)
    written = (path for path in folder.rglob("*") if path.suffix in (".html", ".css"))
    return {path.relative_to(folder).as_posix(): path.read_text() for path in written}


def test_a_page_asks_for_one_stylesheet_and_no_script_that_it_has_no_use_for(folder):
    page = build(folder)["book/one.html"]
    assert page.count('rel="stylesheet"') == 1
    assert 'href="../_static/lean/lean.css?v=' in page
    for gone in ("fontawesome", "thebe", "searchtools", "preload", "documentation_options.js"):
        assert gone not in page
    assert "const DOCUMENTATION_OPTIONS" in page
    assert "let hint = 'kept'" in page
    assert '<script defer src="../_static/doctools.js">' in page


def test_a_menus_script_waits_where_there_is_a_menu_and_elsewhere_goes(folder):
    one, other = folder / "book/one.html", folder / "search.html"
    script = '<script src="../_static/scripts/bootstrap.js?digest=5"></script></head>'
    for path, button in ((one, '<button data-bs-toggle="dropdown">'), (other, "<button>")):
        path.write_text(path.read_text().replace("</head>", script) + button)
    pages = build(folder)
    assert '<template data-script="../_static/scripts/bootstrap.js?digest=5"></template>' in pages["book/one.html"]
    assert "scripts/bootstrap.js" not in pages["search.html"]


def test_the_fonts_of_the_text_are_there_before_its_styles(folder):
    (name, *_), style = lean.AT_ONCE, folder / "_static/theme.css"
    shutil.copy(FONTS / name, folder / "_static/fonts")
    face = "@font-face{font-family:Main;font-style:normal;font-weight:400;src:url(fonts/%s)} p{font-family:Main}"
    style.write_text(style.read_text() + face % name)
    built = build(folder)
    page = built["book/one.html"]
    assert page.index('<script src="../_static/lean/fonts.js?v=') < page.index('rel="stylesheet"')
    brought = re.search(r" of (\[.*\])\)\n", (folder / "_static/lean/fonts.js").read_text())[1]
    family, of, data = json.loads(brought)[0]
    assert (family, of) == ("Main", {"style": "normal", "weight": "400"})
    assert ord("T") in TTFont(BytesIO(b64decode(data))).getBestCmap()
    assert f"url({Path(name).stem}.woff2?v=" in built["_static/lean/lean.css"], "for who runs no script"


def test_pictures_get_their_size_and_wait(folder):
    page = build(folder)["book/one.html"]
    assert '<img width="30" height="20" loading="lazy" src="../_images/dot.png">' in page
    assert '<img loading="lazy" width="5" src' in page
    assert '<img src="https://example.org/x.png">' in page


def test_the_stylesheet_holds_what_all_pages_need_and_the_icons_in_use(folder):
    css = build(folder)["_static/lean/lean.css"]
    assert "p{margin:0}" in css
    assert ".extra{" in css
    assert "url(../dot.png)" in css
    assert "nowhere" not in css
    assert "fa-moon" not in css
    assert ".box:focus-within{color:green}" in css
    assert css.count("@font-face") == 1
    font = css.partition("base64,")[2].partition(")")[0]
    assert set(TTFont(BytesIO(b64decode(font))).getBestCmap()) == {0xF185}


def test_a_face_that_is_a_font_of_the_readers_own_is_left_as_it_is(folder):
    face = '@font-face{font-family:Like;src:local("Georgia");size-adjust:107%}'
    sheet = folder / "_static/theme.css"
    sheet.write_text(sheet.read_text() + face + ".box{font-family:Like}")
    assert face in build(folder)["_static/lean/lean.css"]


def test_a_second_build_changes_nothing(folder):
    assert build(folder) == build(folder)


def test_when_one_page_is_written_anew_the_stylesheet_still_serves_the_other(folder):
    before = build(folder)
    (folder / "book/one.html").write_text(PAGE.format(root="../", extra="nowhere"))
    after = build(folder)
    assert ".extra{" in after["_static/lean/lean.css"]
    assert ".nowhere{" in after["_static/lean/lean.css"]
    assert after["search.html"] != before["search.html"]  # it asks for the new version of the stylesheet


@pytest.mark.parametrize("missing", ["_static/theme.css", "_static/basic.css", "_static/fonts/icons.woff2"])
def test_a_file_that_is_not_where_it_should_be_stops_the_build(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(ExtensionError, match="lean: "):
        build(folder)


def test_a_page_without_the_themes_stylesheets_stops_the_build(folder):
    (folder / "search.html").write_text('<html data-content_root="./"></html>')
    with pytest.raises(ExtensionError, match=r"search\.html links no stylesheet"):
        build(folder)


def test_the_name_of_a_function_and_its_application_are_one_in_a_formula(folder):
    """As KaTeX writes r_max, an index has two parts too many, and Firefox complains of it."""
    page = folder / "book/one.html"
    page.write_text(page.read_text().replace("Text", "<msub><mi>r</mi><mi>max</mi><mo>\u2061</mo></msub>"))
    assert "<msub><mi>r</mi><mrow><mi>max</mi><mo>\u2061</mo></mrow></msub>" in build(folder)["book/one.html"]


EXERCISE = '<div class="exercise admonition"><section id="exercise-content">Do.</section></div>'
CITATION = '<div class="citation" role="doc-biblioentry">Author</div>'
APPLIED = "<mi>max</mi><mo>\u2061</mo>"


def test_what_a_checker_of_accessibility_would_not_have_is_put_otherwise(folder):
    page = folder / "book/one.html"
    page.write_text(page.read_text().replace("Text", EXERCISE + CITATION))
    lean_page = build(folder)["book/one.html"]
    assert '<div class="exercise admonition"><section>Do.</section></div>' in lean_page
    assert '<div class="citation" role="listitem">Author</div>' in lean_page
    assert 'class="btn search-button-field" aria-label="Search Ctrl+K"' in lean_page
    assert 'localStorage.getItem("mode") || "auto"' in lean_page
    assert 'localStorage.getItem("theme") || (matchMedia' in lean_page


@pytest.mark.parametrize(
    ("there", "old", "changed", "named"),
    [
        ("", 'getItem("mode") || ""', 'getItem("mode") ?? ""', '"mode"'),
        ("", 'getItem("theme") || ""', 'getItem("scheme") || ""', '"theme"'),
        ("", "search-button-field", "search-field", "search-button-field"),
        (EXERCISE, "exercise-content", "content", "exercise|solution"),
        (CITATION, "doc-biblioentry", "doc-endnote", "doc-biblioentry"),
        (APPLIED, "<mi>max</mi><mo>", "<mi>max</mi> <mo>", "<mi"),
    ],
)
def test_where_the_theme_writes_something_else_the_build_stops_and_names_it(folder, there, old, changed, named):
    page = folder / "book/one.html"
    page.write_text(page.read_text().replace("Text", there).replace(old, changed))
    with pytest.raises(ExtensionError, match=rf"book/one\.html has nothing like .*{re.escape(named)}"):
        build(folder)


def test_where_the_themes_styles_have_changed_the_build_stops(folder):
    (folder / "_static/theme.css").write_text(SHEET.replace(":focus-visible", ":focus"))
    with pytest.raises(ExtensionError, match="focus-visible"):
        build(folder)


def test_scripts_come_without_the_lines_that_only_explain_them():
    script = "// Why.\nconst a = 1; // one\n  // How.\n  b(`http://c`);\n"
    assert lean.without_comments(script) == "const a = 1; // one\n  b(`http://c`);\n"


def test_the_themes_script_measures_no_code_when_the_page_comes(folder):
    script = folder / lean.THEME_SCRIPT
    page = build(folder)["book/one.html"]
    assert lean.THEME_SCRIPT not in page
    assert re.search(r'<script defer src="\.\./_static/lean/theme\.js\?v=\w+">', page)
    made = (folder / "_static/lean/theme.js").read_text()
    assert made == 'const e=()=>{document.querySelectorAll("pre")},t=1;e()'
    script.write_text(MEASURING.replace("tabIndex", "tabStop"))
    with pytest.raises(ExtensionError, match=r"pydata-sphinx-theme\.js measures no code"):
        build(folder)
