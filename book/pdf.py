"""The whole book as one PDF: `make pdf`, or `python -m book.pdf` once the pages are built.

Takes the article of every built page, in the order of the table of contents, puts them into one page with a cover
and a list of contents, and has Chromium print it: formulas are typeset already, widgets show their pictures, links
between pages become links within the file. The contents need page numbers, which are known once it has been
printed, so it is printed twice. The same list becomes the file's bookmarks.
"""

import re
from html import escape

from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter

from book.articles import HTML, NAME, anchor_of, articles, config, offer, sections, table_of_contents, title_of
from book.tools.browser import launch

FILE = HTML / f"{NAME}.pdf"
LEAN = HTML / "_static" / "lean"  # the pages' fonts and stylesheet
SHEET = LEAN / "print.css"

STYLE = """
@page { size: A4; margin: 20mm 27mm 18mm; font: 9px sans-serif; color: #555; }
@page { @bottom-center { content: counter(page); } }
@page :first { @bottom-center { content: none; } }
html { font-size: 12.5px; }
body { background: white; display: block; padding: 0; }
article { break-before: page; padding: 0; }
.bd-article { --text-width: 46rem; font-size: 10pt; }
img { max-width: 100%; height: auto; }
figure img { zoom: 0.8; } /* as the text is smaller than on a screen */
.cover { height: 235mm; display: flex; flex-direction: column; justify-content: center; text-align: center; }
.cover h1 { font-size: 3rem; margin: 0 0 1rem; }
.contents { break-before: page; }
.contents ol { list-style: none; padding: 0; }
.contents li { margin: 0.35rem 0; }
.contents .part { margin-top: 1.2rem; font-weight: bold; break-after: avoid; }
.contents .level-1 { break-after: avoid-page; }
.contents .level-2 { margin: 0.1rem 0 0.1rem 1.5rem; font-size: 0.9em; }
.api { font-size: 0.9em; }
.contents a { display: flex; gap: 0.5rem; color: inherit; text-decoration: none; }
.contents a::after { content: attr(data-page); min-width: 2.5rem; text-align: right; }
.contents span { flex: 1; }
"""


def entries(bodies):
    """What the contents list: [(level, title, anchor)], each article and within the chapters their sections."""
    found = []
    for page, article in bodies.items():
        found.append((1, title_of(article.select_one("h1")), anchor_of(page)))
        found += [(2, title, anchor) for title, anchor in sections(page, article)]
    return found


def running_heads(bodies):
    """Styles by which each sheet says at its head which article it belongs to, and at its foot its number."""
    return "".join(
        f'#{anchor_of(page)} {{ page: p{i} }} @page p{i} {{ @top-left {{ content: "{quoted(article)}" }} }}\n'
        for i, (page, article) in enumerate(bodies.items())
    )


def quoted(article):
    """An article's title as a string of a stylesheet."""
    return re.sub(r'(["\\])', r"\\\1", title_of(article.select_one("h1")))


def combined(bodies, numbers):
    """The book as one HTML page; `numbers` has the page on which each place is, once that is known."""
    first = {anchor_of(of_part[0]): caption for caption, of_part in table_of_contents()}
    lines = []
    for level, title, anchor in entries(bodies):
        if caption := first.get(anchor):
            lines.append(f'<li class="part">{caption}</li>')
        at = numbers.get(anchor, "")
        lines.append(
            f'<li class="level-{level}"><a href="#{anchor}" data-page="{at}"><span>{escape(title)}</span></a></li>'
        )
    fonts = (LEAN / "fonts.js").as_uri()
    title, author, rights = (config()[key] for key in ("title", "author", "copyright"))
    return (
        f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{title}</title>'
        f'<script src="{fonts}"></script><link rel="stylesheet" href="{SHEET.as_uri()}">'
        f"<style>{STYLE}{running_heads(bodies)}</style></head><body>"
        f'<section class="cover"><h1>{title}</h1><p>{author}</p><p>{rights}</p></section>'
        f'<section class="contents"><h1>Contents</h1><ol>{"".join(lines)}</ol></section>'
        f"{''.join(map(str, bodies.values()))}</body></html>"
    )


def sheet(bodies):
    """The pages' stylesheet, whose rules for a place by its id hold for the id that it has in the whole book."""
    ids = {element["id"].partition("--")[2] for body in bodies.values() for element in body.select("[id]")} - {""}
    css = (LEAN / "lean.css").read_text(encoding="utf-8")
    return re.sub(r"#([a-z][\w-]*)", lambda match: f'[id$="--{match[1]}"]' if match[1] in ids else match[0], css)


def starts(file):
    """The page on which each place that something links to is, counted from 1."""
    reader = PdfReader(file)
    return {
        name.lstrip("/"): reader.get_destination_page_number(place) + 1
        for name, place in reader.named_destinations.items()
    }


def bookmark(file, bodies, numbers):
    """Give the file its bookmarks, which are the contents."""
    writer, chapter = PdfWriter(clone_from=file), None
    for level, title, anchor in entries(bodies):
        item = writer.add_outline_item(title, numbers[anchor] - 1, parent=chapter if level == 2 else None)
        chapter = item if level == 1 else chapter
    writer.write(file)


def build():
    bodies = articles(".katex-mathml")  # which only a program reads
    source, numbers = FILE.with_suffix(".print.html"), {}
    SHEET.write_text(sheet(bodies), encoding="utf-8")
    try:
        with sync_playwright() as playwright:
            # Or each letter would begin at a whole pixel of a screen, and words stand now closer, now wider apart.
            browser = launch(playwright, "--font-render-hinting=none")
            page = browser.new_page()
            for _ in range(2):
                source.write_text(combined(bodies, numbers), encoding="utf-8")
                page.goto(source.as_uri(), wait_until="load")
                page.pdf(path=FILE, prefer_css_page_size=True, print_background=True)
                numbers = starts(FILE)
            browser.close()
    finally:  # neither belongs to the pages that are put on a server
        SHEET.unlink()
        source.unlink(missing_ok=True)
    bookmark(FILE, bodies, numbers)
    offer(HTML)
    print(f"The book is printed, {len(PdfReader(FILE).pages)} pages. Open {FILE.as_uri()}")


if __name__ == "__main__":
    build()
