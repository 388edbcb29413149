"""Make the written pages light.

Jupyter Book's theme sends a reader 1.2 MB for a page of text: every icon of Font Awesome twice over (once as a
script, once as fonts), all of Bootstrap's styles, scripts that nobody uses. Once the pages
are written, this extension
* merges all their stylesheets into `_static/lean/lean.css`, without the rules that no page and no script can need;
* cuts each font down to the characters that the pages use, which is what draws the icons too: the theme's own
  styles set them in Font Awesome's fonts wherever its script has not replaced them by pictures;
* brings the fonts of the text before its first line is drawn, so that none moves;
* drops the scripts that do nothing here and defers the rest, so that none holds up the text; what only opens menus
  waits until a reader reaches for one (lean.js), and what measures code does so as it is laid out (lean.js too);
* leaves out the lines of scripts that only explain them;
* gives pictures their size and lets those off the screen wait;
* leaves out what formulas say a third time, and digits of their lengths that nobody sees.

Pages that Sphinx did not rewrite were done by an earlier build. They say in `data-from` which stylesheets they
were written with, so that the merged one always serves every page on disk.
"""

import base64
import hashlib
import html
import io
import json
import logging
import posixpath
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import imagesize
import tinycss2
from fontTools import subset
from sphinx.errors import ExtensionError

from book._ext.previews import element

# fontawesome.js draws what the fonts draw; thebe starts kernels on other people's servers; togglebutton.js folds what
# folds.py has folded; Sphinx's search has a better one in its place (see finder.py).
USELESS = r"fontawesome\.js|sphinx-thebe\.js|togglebutton\.js|searchtools\.js|language_data\.js|searchindex\.js"
ON_DEMAND = r"(^|/)bootstrap\.js(\?|$)"
MENU = 'data-bs-toggle="dropdown"'
GLUED = ("bs-", "rl-")  # scripts put class names that begin so together from parts, and they occur nowhere in full
# How much larger a figure is shown than it says: all alike, and so that a telephone, which shows it as wide as its
# screen, does not make its words smaller than the text's.
FIGURE = 1.285
INLINE_BELOW = 3000  # bytes: smaller fonts cost less within the stylesheet than as requests of their own
# What the text is set in. However early a stylesheet's font comes, the first lines are drawn without it and move when
# it is there; one that a script brings is there at once.
AT_ONCE = (
    "KaTeX_Main-Regular.woff2",
    "KaTeX_Math-Italic.woff2",
    *(f"source-serif-4-latin-{face}.woff2" for face in ("400-normal", "400-italic", "600-normal")),
)
BRING = """for (const [family, descriptors, data] of %s)
  document.fonts.add(new FontFace(family, Uint8Array.from(atob(data), (byte) => byte.charCodeAt(0)), descriptors));
"""
# Faces of KaTeX's that few characters are set in: the classes of the spans that hold these. Without this they would
# have the whole alphabet.
SELDOM = {
    "KaTeX_AMS-Regular.woff2": "mathbb|textbb|amsrm",
    "KaTeX_Caligraphic-Regular.woff2": "mathcal|textcal",
    "KaTeX_Caligraphic-Bold.woff2": "mathcal|textcal|mathbfcal|textboldcal",
    "KaTeX_Main-Bold.woff2": "mathbf|textbf",
}

# What the theme and its companions write that is put otherwise: (on which pages it stands, it, what is put instead).
# Where a page has the first and not the second they have changed, and the build stops.
REPLACED = (
    # Said at once what the theme's script would find out later, a dark page does not first flash white, and the whole
    # page is not styled twice.
    ("", r'localStorage\.getItem\("mode"\) \|\| ""', 'localStorage.getItem("mode") || "auto"'),
    (
        "",
        r'localStorage\.getItem\("theme"\) \|\| ""',
        'localStorage.getItem("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")',
    ),
    # What a checker of accessibility calls serious: one id on every statement, a name other than the text one sees, a
    # list whose items are none.
    (
        r'<div class="exercise |<details class="fold solution"',
        r'(<section\b[^>]*?) id="(?:exercise|solution)-content"',
        r"\1",
    ),
    ("", r'(<button class="btn search-button-field\b[^>]*aria-label="Search)"', r'\1 Ctrl+K"'),
    # What docutils has said before the themes say it.
    ("initial-scale=1.0", r'<meta name="viewport" content="width=device-width, initial-scale=1" ?/>', ""),
    (r'class="component-author"', r"(?<=\n)By The ", "By the "),
    (r'class="citation"', r' role="doc-biblioentry"', ' role="listitem"'),
    # KaTeX counts a function's name and the sign that it is applied as two, where one has to be, as in r_max.
    ("\u2061", r"(<mi(?: [^>]*)?>[^<]+</mi><mo>\u2061</mo>)", r"<mrow>\1</mrow>"),
)
# The theme's script measures every block of code when the page comes and again whenever something in it changes, which
# lays out all that lean.css leaves for later; lean.js does it as each is laid out.
THEME_SCRIPT = "_static/scripts/pydata-sphinx-theme.js"
MEASURES = re.compile(r"\.forEach\((\w)=>\{\1\.tabIndex=\1\.scrollWidth>[^{}]*\}\)")
FOCUS = ":has(:focus-visible)"  # in the theme's styles

STYLESHEET = re.compile(r'[ \t]*<link\b(?=[^>]*\brel="stylesheet")[^>]*\bhref="(?!\w+:|//)([^"]+)"[^>]*>\n?')
SCRIPT = re.compile(r"[ \t]*<script\b([^>]*)>(.*?)</script>\n?", re.S)
IMAGE = re.compile(r'<img\b[^>]*\bsrc="(?!\w+:|//)([^"]+)"[^>]*>')
URL = re.compile(r"""url\(\s*(["']?)(?!data:|#|\w+:)([^"')]+)\1\s*\)""")


def bare(url):
    return url.partition("?")[0].partition("#")[0]


# A formula's source in TeX, which stands in the page beside what is shown and what is read aloud, and nobody sees;
# but in a derivation's lines, which the reader chooses among, it says which is which.
SOURCE = re.compile(r"<annotation\b.*?</annotation>|</?semantics>", re.S)
INDENT = re.compile(r"(<(pre|script|textarea)\b.*?</\2>)|[ \t\n]*\n[ \t\n]*", re.S)  # of lines, where it shows nowhere
NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'  # that a formula in HTML has anyway
DERIVATION = '<div class="rl-derivation"'
COMMENT = re.compile(r"^[ \t]*//.*\n", re.M)  # a line of a script
LENGTH = re.compile(r'(?<=[:;"])([a-z-]+):(-?\d*\.\d{3,})em')  # of a formula's parts, to more places than can be seen


# ---- pages ---------------------------------------------------------------------------------------------------


def lighten(page, name, outdir):
    """The HTML of the page `name` (its path under outdir) with what a reader does not need taken out."""
    folder = posixpath.dirname(name)
    sheets = [posixpath.normpath(posixpath.join(folder, bare(href))) for href in STYLESHEET.findall(page)]
    if not sheets:
        raise ExtensionError(f"lean: {name} links no stylesheet where the theme is expected to")
    root = "../" * name.count("/")
    link = f'<link rel="stylesheet" href="{root}_static/lean/lean.css?v=0" data-from="{" ".join(sheets)}" />\n'
    if 'rel="icon"' not in page:
        link += '<link rel="icon" href="data:," />\n'  # or every browser asks for a favicon.ico
    first = STYLESHEET.search(page).start()
    page = page[:first] + link + STYLESHEET.sub("", page[first:])

    useless = USELESS
    if "sd-tab-set" not in page:
        useless += r"|design-tabs\.js"

    def script(match):
        attributes, code = match.groups()
        source = re.search(r'\bsrc="([^"]+)"', attributes)
        if "widget-state+json" in attributes or "thebe-config" in attributes:
            return ""
        if not source:
            return (
                ""
                if re.match(r"\s*(const THEBE_JS_URL|kernelName =|let toggle\w+ =|var togglebuttonSelector)", code)
                else match[0]
            )
        if re.search(rf"(^|/)({useless})(\?|$)", source[1]):
            return ""
        if re.search(ON_DEMAND, source[1]):
            return f'<template data-script="{source[1]}"></template>\n' if MENU in page else ""
        if source[1].partition("?")[0].endswith("documentation_options.js"):
            # The inline scripts after it add to it at once, so it can neither wait nor be worth a request.
            return f"<script>{(outdir / '_static/documentation_options.js').read_text()}</script>\n"
        wait = "" if re.search(r"\b(defer|async)\b", attributes) else " defer"
        own = match[0].replace(source[1], f"{root}_static/lean/theme.js?v=0") if THEME_SCRIPT in source[1] else match[0]
        return own.replace("<script", f"<script{wait}", 1)

    page = SCRIPT.sub(script, page)
    page = page.replace(link, f'<script src="{root}_static/lean/fonts.js?v=0"></script>\n{link}', 1)
    page = re.sub(r'<link rel="preload" as="script"[^>]*>\n?', "", page)  # it would only delay the styles
    for sign, old, new in REPLACED:
        page, count = re.subn(old, new, page)
        if not count and re.search(sign, page):
            raise ExtensionError(f"lean: {name} has nothing like {old} to be replaced: what writes it has changed")

    def image(match):
        tag, path = match[0], outdir / folder / bare(match[1])
        if "loading=" not in tag:
            tag = tag.replace("<img", '<img loading="lazy"', 1)
        if not re.search(r'\b(width|height)="', tag) and path.is_file():  # they say the shape, beside a style's width
            width, height = imagesize.get(path)
            if width > 0:
                if path.parent.name == "_images" and path.suffix == ".svg":
                    width, height = round(FIGURE * width), round(FIGURE * height)
                tag = tag.replace("<img", f'<img width="{width}" height="{height}"', 1)
        return tag

    return IMAGE.sub(image, thin(page))


def thin(page):
    """The page without its formulas' sources and namespaces, lengths to a hundredth of an em, lines not indented."""
    parts, at = [], 0
    while (start := page.find(DERIVATION, at)) >= 0:
        lines = element(page, start)
        parts += [SOURCE.sub("", page[at:start]), lines]
        at = start + len(lines)
    page = "".join([*parts, SOURCE.sub("", page[at:])]).replace(NAMESPACE, "")
    page = INDENT.sub(lambda found: found[1] or "\n", page)
    return LENGTH.sub(lambda found: f"{found[1]}:{float(found[2]):.2f}em", page)


def vocabulary(pages, scripts):
    """Every tag, class and id of the pages, and every word of the scripts, any of which may become one."""
    words = set()
    for page in pages:
        words.update(re.findall(r"<([a-zA-Z][\w-]*)", page))
        for _, value in re.findall(r"""\b(?:class|id)=(["'])(.*?)\1""", page, re.S):
            words.update(html.unescape(value).split())
        scripts = [*scripts, *(code for attributes, code in SCRIPT.findall(page) if "json" not in attributes)]
    for code in scripts:
        words.update(re.findall(r"[\w-]+", code))
    return words


# ---- styles --------------------------------------------------------------------------------------------------


def split_at_commas(tokens):
    parts = [[]]
    for token in tokens:
        if token == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def may_match(selector, words):
    """Whether every tag, class and id that a selector asks for is among the words (`:not(…)` asks for none)."""
    for before, token in zip([None, *selector], selector, strict=False):
        if token.type == "function" and token.lower_name in ("is", "where"):
            if not any(may_match(part, words) for part in split_at_commas(token.arguments)):
                return False
        elif token.type == "hash" or (token.type == "ident" and before != ":"):
            if token.value not in words and not token.value.startswith(GLUED):
                return False
    return True


def purge(css, words):
    """The stylesheet without the rules that match nothing; what is kept is kept as it stands."""

    def kept(rules):
        for rule in rules:
            if rule.type == "qualified-rule":
                selectors = [part for part in split_at_commas(rule.prelude) if may_match(part, words)]
                content = tinycss2.serialize(rule.content).strip()
                if selectors and content:
                    yield ",".join(tinycss2.serialize(part).strip() for part in selectors) + "{" + content + "}"
            elif rule.type == "at-rule" and rule.content is None:
                yield rule.serialize()
            elif rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports", "layer", "container"):
                inner = "".join(kept(tinycss2.parse_rule_list(rule.content, True, True)))
                if inner:
                    yield f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude).rstrip()}{{{inner}}}"
            elif rule.type == "at-rule":
                yield rule.serialize()
            elif rule.type == "error":
                raise ExtensionError(f"lean: stylesheet not understood at line {rule.source_line}: {rule.message}")

    return "".join(kept(tinycss2.parse_stylesheet(css, True, True)))


def read_sheet(outdir, name):
    """A stylesheet with those it imports put in their places and its addresses made relative to _static/lean."""
    path = outdir / name
    if not path.is_file():
        raise ExtensionError(f"lean: the pages link {name}, which is not there")
    folder = posixpath.dirname(name)

    def imported(match):
        return read_sheet(outdir, posixpath.normpath(posixpath.join(folder, match[1])))

    def moved(match):
        return f"url({posixpath.relpath(posixpath.join(folder, match[2]), '_static/lean')})"

    text = re.sub(r'@charset "[^"]*";', "", path.read_text(encoding="utf-8-sig"))
    parts = re.split(r"""(@import\s+(?:url\()?["']?[^"');]+["']?\)?\s*;)""", text)
    return "".join(
        imported(re.match(r"""@import\s+(?:url\()?["']?([^"');]+)""", part))
        if part.startswith("@import")
        else URL.sub(moved, part)
        for part in parts
    )


# ---- fonts ---------------------------------------------------------------------------------------------------


def cut_font(path, characters):
    """The bytes, as woff2, of a font with these characters only; none if it has none of them.

    Its features (kerning, ligatures, fractions) are left out, which weigh as much as a third of its letters; only
    where a bar stands over a letter is kept.
    """
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # else it tells the build of every table it prunes
    options = subset.Options(flavor="woff2", hinting=False, layout_features=["mark"], notdef_outline=True)
    font = subset.load_font(path, options)
    if not characters & {chr(code) for code in font.getBestCmap()}:
        return b""
    cutter = subset.Subsetter(options)
    cutter.populate(text="".join(characters))
    cutter.subset(font)
    subset.save_font(font, out := io.BytesIO(), options)
    return out.getvalue()


def set_in(classes, pages):
    """The characters that stand directly in spans with one of the classes, given as a regular expression."""
    spans = re.compile(rf'<span class="(?:[^"]* )?(?:{classes})(?: [^"]*)?"[^>]*>([^<]+)')
    return {character for page in pages for found in spans.findall(page) for character in html.unescape(found)}


def cut_fonts(css, characters, seldom, folder, version):
    """The stylesheet with each @font-face that it uses pointing at a font, in folder, cut to the characters.

    Beside them comes fonts.js, with those that are needed at once. seldom has, for the files in SELDOM, the characters
    that they are cut to instead.
    """
    face = re.compile(r"@font-face\s*\{[^}]*\}")
    plain = face.sub("", css).replace("\\", "")
    # The styles name icons by characters of the private use area, as themselves or as escapes.
    icons = set(re.findall("[\ue000-\uf8ff]", css))
    icons.update(chr(int(point, 16)) for point in re.findall(r"\\([ef][0-9a-f]{3})\b", css))

    at_once = []

    def cut(match):
        family = re.search(r"font-family:\s*([^;}]+)", match[0])[1].replace("\\", "").strip("\"' ")
        if family not in plain:
            return ""
        if not URL.search(match[0]):
            return match[0]  # a font of the reader's own, by another name
        source = next((path for _, url in URL.findall(match[0]) if (path := folder / bare(url)).is_file()), None)
        if source is None:
            raise ExtensionError(f"lean: no file for the font {family}: {match[0]}")
        wanted = icons if "Awesome" in family else seldom.get(source.name, characters)
        font = cut_font(source, wanted)
        if not font:
            return ""
        if source.name in AT_ONCE:
            descriptors = {name: re.search(rf"font-{name}:\s*([\w ]+)", match[0])[1] for name in ("style", "weight")}
            at_once.append((family, descriptors, base64.b64encode(font).decode()))
        if len(font) < INLINE_BELOW:
            url = "data:font/woff2;base64," + base64.b64encode(font).decode()
        else:
            url = source.stem + ".woff2"
            (folder / url).write_bytes(font)
            url += f"?v={version}"
        rule = re.sub(r"src:[^;}]+", f'src:url({url}) format("woff2")', match[0])
        # With scripts the face is there already, and a sign that it lacks would have it fetched once more for nothing.
        return f"@media (scripting: none){{{rule}}}" if source.name in AT_ONCE else rule

    css = face.sub(cut, css)
    (folder / "fonts.js").write_text(BRING % json.dumps(at_once), encoding="utf-8")
    return css


# ---- the whole -----------------------------------------------------------------------------------------------


def leave_measuring(script):
    """The theme's script with its measuring of code taken out."""
    script, count = MEASURES.subn("", script)
    if not count:
        raise ExtensionError(f"lean: {THEME_SCRIPT} measures no code where it is expected to: the theme has changed")
    return script


def without_comments(script):
    """A script without the lines that only explain it."""
    return COMMENT.sub("", script)


def finish(app, exception):
    if exception or app.builder.format != "html":
        return
    if find_spec("brotli") is None:
        raise ExtensionError("lean: cutting web fonts needs brotli: pip install brotli")
    outdir = Path(app.outdir)
    pages = {}
    for path in sorted(outdir.rglob("*.html")):
        page = path.read_text(encoding="utf-8")
        if "data-content_root" in page:  # Sphinx wrote it; templates in _static and redirects have none
            name = path.relative_to(outdir).as_posix()
            pages[name] = page if "data-from=" in page else lighten(page, name, outdir)

    lists = sorted((re.search(r'data-from="([^"]+)"', page)[1].split() for page in pages.values()), key=len)
    sheets = list(dict.fromkeys(name for sheets in reversed(lists) for name in sheets))
    styles = "".join(f"{read_sheet(outdir, name)}\n" for name in sheets)
    if FOCUS not in styles:
        raise ExtensionError(f"lean: the theme's styles have no {FOCUS} to be replaced: they have changed")
    # The same for a reader; but with :has() the browser looks at the whole page whenever something in it changes.
    styles = styles.replace(FOCUS, ":focus-within")
    scripts = [
        path.read_text(encoding="utf-8")
        for path in sorted((outdir / "_static").rglob("*.js"))
        if not re.fullmatch(USELESS, path.name)
        and not {"previews", "finder"} & set(path.parts)  # which are pieces of the pages
        and path.name != "fonts.js"
    ]
    words = vocabulary(pages.values(), scripts)
    characters = set(map(chr, range(32, 127))).union(*map(html.unescape, pages.values()))
    for code in scripts:
        characters.update(code, (chr(int(point, 16)) for point in re.findall(r"\\u([0-9a-fA-F]{4})", code)))

    seldom = {name: set_in(classes, pages.values()) for name, classes in SELDOM.items()}
    inputs = (
        styles,
        sorted(words),
        sorted(characters),
        {n: sorted(s) for n, s in seldom.items()},
        app.config.lean_source,
    )
    version = hashlib.sha256(repr(inputs).encode()).hexdigest()[:12]
    folder = outdir / "_static/lean"
    sheet = folder / "lean.css"
    if not sheet.is_file() or version not in sheet.read_text(encoding="utf-8")[:20]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        css = cut_fonts(purge(styles, words), characters, seldom, folder, version)
        sheet.write_text(f"/* {version} */\n{css}", encoding="utf-8")
    theme = (outdir / THEME_SCRIPT).read_text(encoding="utf-8")
    (folder / "theme.js").write_text(leave_measuring(theme), encoding="utf-8")

    for path in (outdir / "_static").glob("*.js"):
        path.write_text(without_comments(path.read_text(encoding="utf-8")), encoding="utf-8")

    for name, page in pages.items():
        page = re.sub(r"(?<=_static/lean/)([\w.-]+)\?v=\w+", rf"\1?v={version}", page)
        for file in re.findall(r"_static/lean/([\w.-]+)", page):
            if not (folder / file).is_file():
                raise ExtensionError(f"lean: {name} asks for {file}, which the theme's files did not yield")
        if page != (outdir / name).read_text(encoding="utf-8"):
            (outdir / name).write_text(page, encoding="utf-8")


def setup(app):
    # A value of the configuration, so that Sphinx writes all pages anew when this file changes.
    app.add_config_value("lean_source", hashlib.sha256(Path(__file__).read_bytes()).hexdigest(), "html")
    app.add_css_file("lean.css", priority=900)
    app.add_js_file("lean.js")
    app.connect("build-finished", finish, priority=900)
    return {"version": "1", "parallel_read_safe": True}
