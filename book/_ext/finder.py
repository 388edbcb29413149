"""What the search page finds: sections, statements, exercises, figures, terms, symbols, names of the package, sources.

Sphinx's own search knows words of pages. A reader looks for Theorem 1.18 or for `evaluate_policy`, and is to get it as
such, first. The entries are read off the written pages, so that they say what the pages say, with the pages' numbers;
formulas, which stand there twice (as MathML and as what one sees), come once. finder.js ranks them, with MiniSearch.
"""

import json
import re
import unicodedata
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString

from book._ext.previews import article, element

FOLDER = "_static/finder"
SEEN_FORMULA = '<span class="katex-html"'
ANNOTATION = re.compile(r"<annotation\b.*?</annotation>", re.S)
# What is no part of what a page says.
NO_TEXT = (
    "script, style, template, .headerlink, .checked-by, .rlbook-widget, .cell_input, .toctree-wrapper, .works-cited"
)
PRINTED = ".cell_output"  # figures stand in them too
ENTRIES = {  # what an entry is called: where it stands
    "Term": "dl.glossary > dt[id]",
    "Package": "dt.sig[id]",
    "Exercise": ".exercise[id]",
    "Statement": ".proof[id]",
    "Figure": "figure[id]",
    "Source": "div.citation[id]",
}
# What stands between the parts of a formula that are drawn above, below and under one another.
PUT_BETWEEN = {"mfrac": "/", "msub": "_", "msup": "^", "msubsup": "_^", "munderover": "_^", "munder": "_", "mover": "^"}
ACCENTS = {"^": "\u0302", "ˉ": "\u0304", "~": "\u0303", "˙": "\u0307"}
JOINED = "\u2060"  # after a formula: what begins with a hyphen or an apostrophe goes on without a space
LISTS = ("ledger",)  # pages that only list what others say
SYMBOLS = "notation"
ERRATUM = re.compile(r"(Erratum \d+) · (.*)")  # of which the name comes first here, as of a statement
SECTIONS = {"errata": "Erratum", "lines": "Derivation"}  # what a page's sections are, if not just that


def once(page):
    """A page's HTML, its formulas as MathML alone."""
    parts, at = [], 0
    while (start := page.find(SEEN_FORMULA, at)) >= 0:
        parts.append(page[at:start])
        at = start + len(element(page, start))
    return ANNOTATION.sub("", "".join([*parts, page[at:]]))


def said(formula):
    """A formula as one would type it: x_t, x^2, 1/N, with accents over their letters."""
    for part in formula.find_all(PUT_BETWEEN):
        children = part.find_all(recursive=False)
        for child, sign in zip(children[1:], PUT_BETWEEN[part.name], strict=False):
            accent = ACCENTS.get(child.get_text()) if part.name in ("mover", "munder") else None
            if accent:
                child.replace_with(accent)
            else:
                long = len(child.get_text("", strip=True)) > 1 and part.name != "mfrac"
                child.insert_before(sign + "(" * long)
                child.insert_after(")" * long)
        for child in children * (part.name == "mfrac"):
            if re.search(r"[+−∑]", child.get_text()):
                child.insert_before("(")
                child.insert_after(")")
    return unicodedata.normalize("NFC", formula.get_text("", strip=True).replace("\u2061", " "))


def words(node):
    """A node's text in one line, the signs of a formula without spaces between."""
    for formula in node.find_all("math"):
        formula.replace_with(NavigableString(said(formula) + JOINED))
    text = " ".join(node.get_text(" ").replace("\u200b", "").split())
    text = re.sub(rf"{JOINED} (?=-\w|’)|{JOINED}", "", text)
    return re.sub(r" ([.,;:!?)\]])|([(\[]) ", r"\1\2", text)


def taken(node, kind):
    """Title and text of an entry, which is taken out of the page, so that no section says it again."""
    node.extract()
    if kind == "Statement" or kind == "Exercise":
        title = node.select_one(".admonition-title").extract()
        numbered = re.match(r"(.*?\d)\s*(?:\((.*)\))?$", words(title))
        name, number = numbered[2], numbered[1]
        return (f"{name}, {number}" if name else number), words(node)
    if kind == "Figure":
        number = node.select_one(".caption-number")
        return (words(number.extract()).strip(" .") if number else kind), words(node)
    return "", words(node)


def of_lists(soup, kind):
    """(title, text, anchor) of each entry of a list of definitions: terms or names."""
    for head in soup.select(ENTRIES[kind]):
        body = head.find_next_sibling("dd")
        first = body.find("p") if body else None
        if kind == "Package":
            owner, _, name = head["id"].rpartition(".")
            inside = owner.rpartition(".")[2]
            title = f"{inside}.{name}" if inside[:1].isupper() else name
        else:
            title = words(head)
        yield title, words(first) if first else "", head["id"]


def entries_of(name, page):
    """The entries of one page: {kind, title, of (where it stands), text, url}."""
    soup = BeautifulSoup(once(article(page)), "html.parser")
    for node in soup.select(NO_TEXT):
        node.decompose()
    heading = soup.find("h1")
    if heading is None:
        return []
    whole, url = words(heading), f"book/{name}.html"
    found = []

    def add(kind, title, of, text, anchor):
        found.append(
            {"kind": kind, "title": title, "of": of, "text": text, "url": f"{url}#{anchor}" if anchor else url}
        )

    if name in LISTS:
        add("Page", whole, "", "", "")
        return found
    for kind in ("Term", "Package"):
        for title, text, anchor in of_lists(soup, kind):
            add(kind, title, whole, text, anchor)
    for node in soup.select("dl.py, dl.glossary"):
        node.extract()
    for kind in ("Exercise", "Statement", "Figure", "Source"):
        for node in soup.select(ENTRIES[kind]):
            section = node.find_parent("section")
            of = words(section.find(re.compile("h[1-6]"))) if section else ""
            title, text = taken(node, kind)
            if kind == "Source":
                title, text = text.partition("] ")[2], ""
            add(kind, title, whole if of == whole else f"{whole} · {of}", text, node["id"])
    for node in soup.select(PRINTED):
        node.decompose()
    if name == SYMBOLS:
        for row in soup.select("tbody tr"):
            cells = [words(cell) for cell in row.find_all("td")]
            add("Symbol", cells[0], whole, ". ".join(filter(None, cells[1:3])), row.find_parent("section")["id"])
        for table in soup.find_all("table"):
            table.decompose()
    for section in reversed(soup.find_all("section")):  # the innermost first
        section.extract()
        title = section.find(re.compile("h[1-6]"))
        if title:
            title = words(title.extract())
            if title == whole:
                add("Page", title, "", words(section), "")
            else:
                text = words(section) if name != "lines" else ""  # whose lines stand in the chapters too
                title = ERRATUM.sub(r"\2, \1", title)
                add(SECTIONS.get(name, "Section"), title, whole, text, section["id"])
    return found


def write(app, exception):
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    entries = []
    for path in sorted((out / "book").glob("*.html")):
        entries += entries_of(path.stem, path.read_text(encoding="utf-8"))
    data = json.dumps(entries, ensure_ascii=False, indent=0)
    (out / FOLDER).mkdir(parents=True, exist_ok=True)
    (out / FOLDER / "entries.js").write_text(f"globalThis.rlbookEntries = {data};\n", encoding="utf-8")


def bring(app, pagename, templatename, context, doctree):
    if pagename == "search":
        app.add_js_file("finder.js", loading_method="defer")


def setup(app):
    app.connect("html-page-context", bring)
    app.connect("build-finished", write, priority=950)  # after lean.py
    return {"version": "1", "parallel_read_safe": True}
