"""The whole book as one PDF: `make pdf`, or `python -m book.pdf` once the pages are built.

Takes the article of every built page, in the order of the table of contents, puts them into one page with a cover
and a list of contents, and has Chromium print it: formulas are typeset already, widgets show their pictures, links
between pages become links within the file. The contents need page numbers, which are known once it has been
printed, so it is printed twice. The same list becomes the file's bookmarks.
"""

import re
from html import escape
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter

from book.tools.browser import launch

ROOT = Path(__file__).parent.parent
HTML = ROOT / "_build" / "html"
FILE = ROOT / "_build" / "pdf" / "reinforcement-learning-derived.pdf"
# Of a page: what only a screen can use, what only a program reads, and what print does not show anyway.
USELESS = "script, .headerlink, .katex-mathml, .toctree-wrapper, .copybtn, .checked-by, .prev-next-footer"

STYLE = """
@page { size: A4; margin: 20mm 18mm 18mm; }
html { font-size: 12.5px; }
body { background: white; display: block; padding: 0; }
article { break-before: page; padding: 0; }
h2, h3, .admonition-title, figcaption { break-after: avoid; }
figure, tr, .rlbook-picture, .results-map svg { break-inside: avoid; }
.results-map { overflow: visible; border: 0; }
.results-map svg, img { max-width: 100%; height: auto; }
div.math, div.cell pre, div.highlight pre { overflow: hidden; }
pre { white-space: pre-wrap; }
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
FOOTER = (
    '<div style="width:100%;font:9px sans-serif;text-align:center;color:#555"><span class="pageNumber"></span></div>'
)


def table_of_contents():
    """The parts of the book: [(caption, [page names])], the opening page first, without a caption."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = [(part["caption"], [chapter["file"] for chapter in part["chapters"]]) for part in toc["parts"]]
    return [("", [toc["root"]]), *parts]


def anchor_of(page, fragment=""):
    """The id in the combined page of a place on a page of the site."""
    return f"{page.replace('/', '-')}--{unquote(fragment)}" if fragment else page.replace("/", "-")


def article_of(page, pages):
    """A page's article, with ids that are unique in the book, links that stay in it and pictures found from it."""
    html = BeautifulSoup((HTML / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
    article = html.select_one("article")
    for element in article.select(USELESS):
        element.decompose()
    for details in article.select("details"):
        details["open"] = ""
    for element in article.select(":not(marker)[id]"):  # a drawing's arrowheads are used by it alone
        element["id"] = anchor_of(page, element["id"])
    here = f"{page}.html"
    for link in article.select("a[href]"):
        target, fragment = urldefrag(urljoin(here, link["href"]))
        if target.removesuffix(".html") in pages:
            link["href"] = "#" + anchor_of(target.removesuffix(".html"), fragment)
        elif not re.match(r"[a-z]+:", target):
            del link["href"]  # the site's index and its like, which are not in the book
    for image in article.select("img[src]"):
        image["src"] = urljoin((HTML / here).as_uri(), image["src"])
        image["loading"] = "eager"
    article["id"] = anchor_of(page)
    return article


def entries(articles):
    """What the contents list: [(level, title, anchor)], each article and within the chapters their sections."""
    found = []
    for page, article in articles.items():
        found.append((1, title_of(article.select_one("h1")), anchor_of(page)))
        if re.match(r"\d", Path(page).name):
            found += [(2, title_of(heading), heading.parent["id"]) for heading in article.select("h2")]
    return found


def title_of(heading):
    return " ".join(heading.get_text().split())


def combined(articles, numbers):
    """The book as one HTML page; `numbers` has the page on which each place is, once that is known."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    first = {anchor_of(of_part[0]): caption for caption, of_part in table_of_contents()}
    lines = []
    for level, title, anchor in entries(articles):
        if caption := first.get(anchor):
            lines.append(f'<li class="part">{caption}</li>')
        at = numbers.get(anchor, "")
        lines.append(
            f'<li class="level-{level}"><a href="#{anchor}" data-page="{at}"><span>{escape(title)}</span></a></li>'
        )
    sheet = (HTML / "_static/lean/lean.css").as_uri()
    title, author, rights = (config[key] for key in ("title", "author", "copyright"))
    return (
        f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{title}</title>'
        f'<link rel="stylesheet" href="{sheet}"><style>{STYLE}</style></head><body>'
        f'<section class="cover"><h1>{title}</h1><p>{author}</p><p>{rights}</p></section>'
        f'<section class="contents"><h1>Contents</h1><ol>{"".join(lines)}</ol></section>'
        f"{''.join(map(str, articles.values()))}</body></html>"
    )


def starts(file):
    """The page on which each place that something links to is, counted from 1."""
    reader = PdfReader(file)
    return {
        name.lstrip("/"): reader.get_destination_page_number(place) + 1
        for name, place in reader.named_destinations.items()
    }


def bookmark(file, articles, numbers):
    """Give the file its bookmarks, which are the contents."""
    writer, chapter = PdfWriter(clone_from=file), None
    for level, title, anchor in entries(articles):
        item = writer.add_outline_item(title, numbers[anchor] - 1, parent=chapter if level == 2 else None)
        chapter = item if level == 1 else chapter
    writer.write(file)


def build():
    FILE.parent.mkdir(parents=True, exist_ok=True)
    pages = [page for _, of_part in table_of_contents() for page in of_part]
    articles = {page: article_of(page, pages) for page in pages}
    source, numbers = FILE.with_suffix(".html"), {}
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page()
        for _ in range(2):
            source.write_text(combined(articles, numbers), encoding="utf-8")
            page.goto(source.as_uri(), wait_until="load")
            page.pdf(
                path=FILE,
                prefer_css_page_size=True,
                print_background=True,
                display_header_footer=True,
                header_template="<span></span>",
                footer_template=FOOTER,
            )
            numbers = starts(FILE)
        browser.close()
    bookmark(FILE, articles, numbers)
    source.unlink()
    print(f"The book is printed, {len(PdfReader(FILE).pages)} pages. Open file://{FILE}")


if __name__ == "__main__":
    build()
