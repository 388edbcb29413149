"""The whole book as one PDF: every chapter, typeset, with the widgets' pictures, and a way to find things."""

import re
import subprocess
import unicodedata
from html import unescape
from itertools import pairwise

import pytest
from filelock import FileLock
from pypdf import PdfReader

from book import pdf as printing
from book.articles import STILL, articles
from tests.conftest import one_for_all
from tests.sources import NAMES, ROOT

FILE = ROOT / "_build" / "html" / "reinforcement-learning-derived.pdf"


@pytest.fixture(scope="module")
def pdf(site, tmp_path_factory):
    folder = one_for_all(tmp_path_factory)
    with FileLock(folder / "pdf.lock"):  # of two processes of tests, one prints
        if not (folder / "pdf.made").exists():
            result = subprocess.run(["make", "pdf"], cwd=ROOT, capture_output=True, text=True, check=False)
            assert result.returncode == 0, "make pdf failed: " + (result.stdout + result.stderr)[-3000:]
            (folder / "pdf.made").touch()
    return PdfReader(FILE)


@pytest.fixture(scope="module")
def texts(pdf):
    return [page.extract_text() for page in pdf.pages]


def squeezed(text):
    """Text without spaces, which a line's end may add or take, and without ligatures."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


def bookmarks(reader, outline, level=1):
    """(level, title, page counted from 0) of each item of an outline."""
    for item in outline:
        if isinstance(item, list):
            yield from bookmarks(reader, item, level + 1)
        else:
            yield level, item.title, reader.get_destination_page_number(item)


def test_it_has_every_page_of_the_book_in_order_where_its_bookmark_says(pdf, texts, soup):
    titles = [" ".join(soup(name).select_one("article h1").get_text().strip("#").split()) for name in NAMES]
    found = [item for item in bookmarks(pdf, pdf.outline) if item[0] == 1]
    assert [title for _, title, _ in found] == titles
    starts = [page for _, _, page in found]
    assert starts == sorted(set(starts))
    for title, start in zip(titles, starts, strict=True):
        assert squeezed(title) in squeezed(texts[start]), title


def test_its_contents_say_the_right_pages(pdf, texts):
    listed = "".join(texts[1:4])
    for _, title, page in bookmarks(pdf, pdf.outline):
        assert f"{squeezed(title)}{page + 1}" in squeezed(listed), title
        assert str(page + 1) in texts[page].split("\n"), f"page {page + 1} is numbered otherwise"


def test_each_sheet_says_at_its_head_what_it_belongs_to(pdf, texts):
    starts = [(page, title) for level, title, page in bookmarks(pdf, pdf.outline) if level == 1]
    assert texts[0].strip()
    assert all(title not in texts[0].split("\n") for _, title in starts[1:])
    for (start, title), (end, _) in pairwise([*starts, (len(texts), "")]):
        for page in range(start, end):
            assert squeezed(title) in map(squeezed, texts[page].split("\n")), f"page {page + 1}"


def test_its_links_lead_somewhere(pdf):
    """Links between pages of the site became links within the file: none points at a file on this machine."""
    inside = set(pdf.named_destinations)
    count = 0
    for page in pdf.pages:
        for annotation in page.get("/Annots") or ():
            annotation = annotation.get_object()
            action = annotation.get("/A", {})
            if "/URI" in action:
                assert action["/URI"].startswith(("https://", "http://")), action["/URI"]
            elif isinstance(annotation.get("/Dest"), str):
                assert annotation["/Dest"] in inside
                count += 1
    assert count > 500


def test_no_formula_is_left_as_it_was_typed(texts, soup):
    text = "\n".join(texts)
    assert "$$" not in text
    code = squeezed("".join(block.get_text() for name in NAMES for block in soup(name).select("pre")))
    left = re.findall(r"\S*\\(?:frac|sum|mathbb|operatorname|text|left|nabla|gamma|theta|pi|rho)\b", text)
    assert [part for part in left if squeezed(part) not in code] == []  # the label of an axis is typed so
    assert "{prf:" not in text
    assert "{eq}" not in text


def test_the_widgets_pictures_are_there_and_the_widgets_are_not(texts, soup, site):
    """Each picture is SVG with real text: what it says is in the file's text."""
    whole = squeezed("".join(texts))
    pictures = [
        (site / name).parent / image["src"] for name in NAMES for image in soup(name).select(".rlbook-widget img")
    ]
    assert len(pictures) >= 30
    said = 0
    for picture in pictures:
        drawn = picture.read_text(encoding="utf-8")
        words = [unescape(word).strip() for word in re.findall(r"<text[^>]*>([^<]{8,})</text>", drawn)]
        said += len(words)  # a map has signs alone
        assert all(squeezed(word) in whole for word in words), words
    assert said > 60
    assert "ResetLink" not in whole


def test_a_rule_for_a_place_by_its_id_holds_for_it_in_the_whole_book(site):
    bodies = articles()
    css = printing.sheet(bodies)
    ids = {element["id"] for element in bodies["book/notation"].select("[id]")}
    assert "book-notation--notation" in ids
    assert '[id$="--notation"] td' in css
    assert "#notation" not in css


def test_it_says_once_that_its_pictures_are_where_lessons_begin(texts):
    whole = squeezed("".join(texts))
    assert whole.count(squeezed(STILL)) == 1
    assert whole.count(squeezed(", as it begins.")) > 25


def test_every_solution_is_unfolded(texts, soup):
    whole, looked_for = squeezed("".join(texts)), 0
    for name in NAMES:
        for solution in soup(name).select(".solution"):
            words = solution.find_all(string=re.compile(r"\w{3,} \w{3,} "))
            words = [part for part in words if not part.find_parent(class_="katex")]
            assert all(squeezed(part) in whole for part in words[:1]), words
            looked_for += bool(words)  # a few solutions are nearly all formulas
    assert looked_for > 20


def test_it_is_of_a_sensible_size(pdf):
    assert FILE.stat().st_size < 15_000_000
    assert 100 < len(pdf.pages) < 400
    assert len({tuple(page.mediabox) for page in pdf.pages}) == 1


def test_letters_stand_where_the_font_puts_them_and_not_on_the_pixels_of_a_screen(pdf):
    """Some begin at a whole pixel, as a line does; on a screen's grid nearly all would."""
    places = []
    for page in pdf.pages[10:20]:
        page.extract_text(visitor_operand_before=lambda op, _, cm, tm: places.append(tm[4]) if op == b"Tj" else None)
    whole = [x for x in places if abs(x - round(x)) < 1e-3]
    assert len(places) > 5000
    assert len(whole) < len(places) / 4
