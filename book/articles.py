"""The built pages' articles, for the forms of the book that are one file: printed (book/pdf.py) or an ePub."""

import re
from html import escape
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).parent.parent
HTML = ROOT / "_build" / "html"
NAME = "reinforcement-learning-derived"
# Of a page: what only a screen can use, and what does not belong to the text.
USELESS = "script, .headerlink, .toctree-wrapper, .copybtn, .prev-next-footer, .works-cited, .on-screen"
USELESS += ", .checked-by details > p"  # the ledger has the tests' names
# For the reader of a form in which nothing moves.
STILL = (
    "This book is made to be taken in hand: in a browser its pictures move. Here each shows how its lesson begins, "
    "with a key to its marks. Where the text asks you to drag, turn or throw something, predict what would happen; a "
    "sentence that begins “You should have seen” says what did. Solutions and second readings, which fold on the "
    "pages, are open, each headed so that you can stop before it."
)
# The place on the first page that names these forms, once they were made: {suffix: what is said of it}.
FORMS = {"pdf": "to print", "epub": "for an e-reader"}
PLACE = re.compile(r'(<p class="forms"[^>]*>).*?(</p>)', re.S)


def config():
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def table_of_contents():
    """The parts of the book: [(caption, [page names])], the opening page first, without a caption."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = [(part["caption"], [chapter["file"] for chapter in part["chapters"]]) for part in toc["parts"]]
    return [("", [toc["root"]]), *parts]


def anchor_of(page, fragment=""):
    """The id in the whole book of a place on a page of the site."""
    return f"{page.replace('/', '-')}--{unquote(fragment)}" if fragment else page.replace("/", "-")


def articles(useless=""):
    """{page: its article}, in the book's order, without what `useless` selects besides.

    Ids are unique in the book, links between its pages stay in it, and pictures are found from anywhere. Before the
    first that would move in a browser stands what is to be known of them.
    """
    pages = [page for _, of_part in table_of_contents() for page in of_part]
    found = {page: article_of(page, pages, ", ".join(filter(None, [USELESS, useless]))) for page in pages}
    found[pages[0]].select_one(".rlbook-widget").insert_before(BeautifulSoup(f"<p>{STILL}</p>", "html.parser"))
    return found


def article_of(page, pages, useless):
    html = BeautifulSoup((HTML / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
    article = html.select_one("article")
    for element in article.select(useless):
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


def title_of(heading):
    return " ".join(heading.get_text().split())


def sections(page, article):
    """Of a chapter, its sections' [(title, anchor)]; of other pages none."""
    if not re.match(r"\d", Path(page).name):
        return []
    return [(title_of(heading), heading.parent["id"]) for heading in article.select("h2")]


def offer(html):
    """Have the first page of the site in the folder `html` link to the files that lie there."""
    page = html / f"{table_of_contents()[0][1][0]}.html"
    up = "../" * (len(page.relative_to(html).parts) - 1)
    made = [(html / f"{NAME}.{suffix}", says) for suffix, says in FORMS.items()]
    links = [
        f'<a href="{up}{escape(file.name)}">{file.suffix[1:]}</a>, {says}, {file.stat().st_size / 1e6:.1f} MB'
        for file, says in made
        if file.exists()
    ]
    said = f"The whole book in one file: {'; '.join(links)}." if links else ""
    text, places = PLACE.subn(rf"\g<1>{said}\g<2>", page.read_text(encoding="utf-8"))
    if not places:
        raise ValueError(f'{page} has no <p class="forms">, where the book\'s other forms are named')
    aside = page.with_suffix(".new")
    aside.write_text(text, encoding="utf-8")
    aside.replace(page)  # so that nobody reads half of it
