"""The whole book as one ePub: `make epub`, or `python -m book.epub` once the pages are built.

Takes the articles of the built pages as the printed book does, each as a document of its own. A formula is its MathML,
which readers of ePubs know how to typeset, search and speak; a widget is its picture; a derivation its lines with
their values. What an ePub may not hold (scripts, buttons, attributes of the screen) stays out: Debian's epubcheck,
which the tests ask, finds no fault.
"""

import os
import re
import unicodedata
from datetime import UTC, datetime
from html import escape
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import NAMESPACE_URL, uuid5

from ebooklib import epub
from playwright.sync_api import sync_playwright

from book._ext.frame import card, save
from book.articles import HTML, NAME, anchor_of, articles, config, offer, sections, table_of_contents, title_of
from book.tools.browser import launch

FILE = HTML / f"{NAME}.epub"
USELESS = ".katex-html, .rlbook-note, button, input, template, style, nav"
TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
COVER = (4.5, 6.5)  # inches
# Of matplotlib's SVG, what an ePub may not hold: a type that names entities from elsewhere, a path that is none.
NOT_HELD = re.compile(rb"<!DOCTYPE svg[^>]*>|<path(?![^>]*\bd=)[^>]*/>")

STYLE = """
body { line-height: 1.45; }
h1, h2, h3 { line-height: 1.2; text-align: left; hyphens: none; }
figure { margin: 1em 0; page-break-inside: avoid; }
figcaption, .caption-text, .rl-world { font-size: 0.9em; }
img { max-width: 100%; height: auto; }
pre { font-size: 0.8em; white-space: pre-wrap; border-left: 0.2em solid #bbb; padding-left: 0.6em; margin: 0.8em 0; }
.cell_output pre, .output pre { border-left-color: #e69f00; }
table { border-collapse: collapse; font-size: 0.85em; }
th, td { border: 1px solid #bbb; padding: 0.2em 0.4em; text-align: left; vertical-align: top; }
.admonition, .proof, details { border-left: 0.2em solid #0072b2; padding-left: 0.8em; margin: 1em 0; }
.admonition-title, summary { font-weight: bold; }
.test-name { display: block; }
.checked-by details { border: 0; margin: 0; padding: 0; }
.checked-by summary { font-size: 0.85em; font-weight: normal; }
div.math { margin: 0.6em 0; overflow-x: auto; }
.eqno { float: right; }
.citation > p { display: inline; }
del { color: #d55e00; }
"""
PAGE = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="en" xml:lang="en">
<head><meta charset="utf-8" /><title>{title}</title><link rel="stylesheet" type="text/css" href="book.css" /></head>
<body>{body}</body></html>
"""
ALPHABETS = {"double-struck": "DOUBLE-STRUCK", "script": "SCRIPT", "bold": "BOLD"}
SERIALISE = """(html) => new XMLSerializer().serializeToString(
  new DOMParser().parseFromString(html, "text/html").querySelector("article"))"""


def file_of(anchor):
    """Which document of the ePub holds a place of the book."""
    return f"{anchor.partition('--')[0]}.xhtml"


def styled(char, alphabet):
    """A letter or digit of one of Unicode's alphabets for formulas."""
    kind = "DIGIT" if char.isdigit() else "CAPITAL" if char.isupper() else "SMALL"
    name = f"{alphabet} {kind} {unicodedata.name(char).rpartition(' ')[2]}"
    try:
        return unicodedata.lookup(f"MATHEMATICAL {name}")
    except KeyError:
        return unicodedata.lookup(name)  # some were there before the alphabet


def prepare(article):
    """Bring an article to what an ePub may hold; return the paths of its pictures, by their names in the ePub."""
    for formula in article.select(".katex"):
        math = formula.select_one("math")
        if formula.find_parent(class_="katex-display"):
            math["display"] = "block"
        for letter in math.select("[mathvariant]"):
            if alphabet := ALPHABETS.get(letter["mathvariant"]):  # which few readers draw for its name
                letter.string = "".join(styled(char, alphabet) for char in letter.get_text())
                del letter["mathvariant"]
        formula.replace_with(math)
    for element in article.find_all(True):
        for name in [name for name in element.attrs if name in ("loading", "role") or name.startswith(("data-", "on"))]:
            del element[name]
    for link in article.select("svg a"):
        link["xlink:title"] = title_of(link)
    for link in article.select('a[href^="#"]'):
        anchor = link["href"][1:]
        link["href"] = f"{file_of(anchor)}#{anchor}"
    pictures = {}
    for image in article.select("img"):
        path = Path(unquote(urlsplit(image["src"]).path))
        image["src"] = f"images/{path.name}"
        for side in [side for side in ("width", "height") if not image.get(side, "0").isdigit()]:
            del image[side]  # a length with a unit or a fraction
        if pictures.setdefault(image["src"], path) != path:
            raise ValueError(f"two pictures have the name {path.name}")
    return pictures


def modified():
    """When it was made, or when its maker says that it was."""
    return datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", datetime.now(UTC).timestamp())), UTC)


def build():
    said = config()
    book = epub.EpubBook()
    book.set_identifier(f"urn:uuid:{uuid5(NAMESPACE_URL, NAME)}")
    book.set_title(said["title"])
    book.set_language("en")
    book.add_author(said["author"])
    book.add_metadata("DC", "rights", said["copyright"])
    book.set_cover("images/cover.png", cover(said["title"]), create_page=False)
    book.add_item(epub.EpubItem("style", "book.css", "text/css", STYLE.encode()))

    bodies, documents, pictures = articles(USELESS), {}, {}
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page()
        for name, article in bodies.items():
            pictures |= prepare(article)
            title = title_of(article.select_one("h1"))
            body = page.evaluate(SERIALISE, str(article))
            document = epub.EpubItem(anchor_of(name), file_of(anchor_of(name)), "application/xhtml+xml")
            document.content = PAGE.format(title=escape(title), body=body).encode()
            document.properties = [
                kind for kind in ("mathml", "svg") if re.search(rf"<{kind.removesuffix('ml')}\b", body)
            ]
            documents[name] = document
            book.add_item(document)
        browser.close()
    for i, (name, path) in enumerate(sorted(pictures.items())):
        drawn = NOT_HELD.sub(b"", path.read_bytes())
        book.add_item(epub.EpubItem(f"picture-{i}", name, TYPES[path.suffix], drawn))
    book.toc = contents(bodies)
    book.add_item(epub.EpubNcx())
    book.add_item(epub.EpubNav())
    book.spine = [documents[name] for name in bodies]
    epub.write_epub(FILE, book, {"mtime": modified(), "raise_exceptions": True})
    offer(HTML)
    print(f"The ePub is made, {FILE.stat().st_size / 1e6:.1f} MB: {FILE.as_uri()}")


def cover(title):
    file = BytesIO()
    save(card(title, COVER), file)
    return file.getvalue()


def contents(bodies):
    """The parts of the book with their chapters, and these with their sections, as ebooklib has them."""
    found = []
    for caption, pages in table_of_contents():
        entries = []
        for page in pages:
            title, at = title_of(bodies[page].select_one("h1")), file_of(anchor_of(page))
            below = [
                epub.Link(f"{file_of(anchor)}#{anchor}", section, anchor)
                for section, anchor in sections(page, bodies[page])
            ]
            entries.append((epub.Section(title, at), below) if below else epub.Link(at, title, anchor_of(page)))
        found += [(epub.Section(caption, file_of(anchor_of(pages[0]))), entries)] if caption else entries
    return found


if __name__ == "__main__":
    build()
