"""The chapters in plain Markdown: nothing of MyST is left, and they say what the pages say, number by number.

What the page says is read from its HTML; what a notebook says from what nbconvert makes of it, which knows no MyST.
"""

import functools
import json
import re
import subprocess
import sys

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter

from book._ext import plain
from rlbook import statements
from tests.numbers import called
from tests.sources import NOTEBOOKS, ROOT

each_chapter = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
MYST = re.compile(r"\{[\w:-]+\}`|[`:]{3}\{|^:\w+:|\$\$ *\([\w-]+\)|^\([\w-]+\)=", re.M)


@functools.cache
def converted(path):
    """A notebook as nbconvert shows it: (the notebook, the parsed HTML of its cells)."""
    html, _ = HTMLExporter().from_filename(str(path))
    return nbformat.read(path, as_version=4), BeautifulSoup(html, "html.parser").select_one("main")


@pytest.fixture(scope="session")
def plain_ones(site):
    """A function from a chapter's path to its plain notebook beside the pages."""
    return lambda path: converted(site / "notebooks" / path.name)


def markdown_of(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


SOLUTION = re.compile(r"^- <details><summary>Solution.*?^  </details>$", re.M | re.S)


def squeezed(text):
    return re.sub(r"\s", "", text)


def letters(text):
    """Without what a page sets otherwise than a notebook: quotes, dashes, blanks."""
    return re.sub(r"[^\w()]", "", text)


# What is left of MyST: nothing -----------------------------------------------------------------------------------


@each_chapter
def test_no_markup_of_myst_is_left(path, plain_ones):
    """Neither in the Markdown nor in what is shown of it; the same pattern finds much of it in the book's own."""
    notebook, shown = plain_ones(path)
    assert len(MYST.findall("\n".join(markdown_of(nbformat.read(path, as_version=4))))) > 100
    text = "\n".join(markdown_of(notebook))
    assert not MYST.findall(text)
    for words in ("{prf", "{cite", "{eq", "```{", "<details", "<blockquote", "<a id", "<answer"):
        assert words not in shown.get_text()


@each_chapter
def test_every_formula_comes_through(path, plain_ones):
    """nbconvert hands each to MathJax as it was written: no sign of it was taken for Markdown."""
    notebook, shown = plain_ones(path)
    all_shown, formulas = squeezed(shown.get_text()), 0
    for source in markdown_of(notebook):
        for token in plain.MARKDOWN.parse(source):
            inside = [part for part in token.children or () if part.type.startswith("math")]
            assert not any("\n" in formula.content for formula in inside), "in a quotation it would have a > in it"
            for formula in [token] if token.type == "math_block" else inside:
                dollars = "$$" if token.type == "math_block" else "$"
                assert f"{dollars}{squeezed(formula.content)}{dollars}" in all_shown
                formulas += 1
    assert formulas > 200


@each_chapter
def test_the_code_is_the_books(path, plain_ones):
    own = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell for cell in plain_ones(path)[0].cells if cell.cell_type == "code"] == own


# The same numbers ------------------------------------------------------------------------------------------------


def boxes(shown):
    """The statements and exercises of a converted notebook."""
    return [box for box in shown.select("blockquote") if box.find("p").select_one("a[id] + strong")]


def heads(shown):
    """{anchor: number or name and number} of a converted notebook, as `called` gives it for a page."""
    found = {box.select_one("a[id]")["id"]: box.select_one("strong").get_text() for box in boxes(shown)}
    for anchor in shown.select("a[id^='eq-']"):
        formula = anchor.find_next(string=lambda text: "$$" in text)
        found[f"equation-{anchor['id']}"] = f"({re.search(r'tag{([^}]+)}', formula)[1]})"
    return found


@each_chapter
def test_statements_equations_and_exercises_have_the_numbers_of_the_page(path, plain_ones, soup):
    page = soup(f"book/{path.stem}.html")
    assert heads(plain_ones(path)[1]) == called(page)
    assert len(called(page)) > 20


@each_chapter
def test_statements_have_the_titles_of_the_page(path, plain_ones, soup):
    page, (_, shown) = soup(f"book/{path.stem}.html"), plain_ones(path)
    for box in boxes(shown):
        theirs = page.find(id=box.select_one("a[id]")["id"]).select_one(".admonition-title")
        if not theirs.select(".katex"):
            assert letters(box.select_one("p").get_text()) == letters(theirs.get_text())
    assert len(boxes(shown)) == len(page.select(".proof[id]:not([id*='proof']), .exercise[id]"))


def test_the_ledger_has_the_same_numbers(plain_ones, soup):
    """Name and number of each statement in the ledger are what stands at its place in its chapter's notebook."""
    rows = soup("book/ledger.html").select("table.ledger tbody tr")
    listed = {row["id"].removeprefix("checks-"): row.select_one("a").get_text() for row in rows}
    found = {}
    for path in NOTEBOOKS:
        found |= {label.removeprefix("equation-"): name for label, name in heads(plain_ones(path)[1]).items()}
    statements = {label: name for label, name in found.items() if not label.startswith("ex-")}
    assert set(statements) == set(listed)
    for label, name in statements.items():
        assert re.match(rf"(Equation )?{re.escape(name)}(?![\d.])", listed[label]), label


@each_chapter
def test_every_reference_says_what_it_says_on_the_page(path, plain_ones, soup):
    """All links within the text, to statements, works and pages, one after the other."""
    ours = "article a.reference:not(.checked-by *, .toctree-wrapper *)"
    texts = [link.get_text() for link in soup(f"book/{path.stem}.html").select(ours)]
    page = [text.replace("\N{NO-BREAK SPACE}", " ") for text in texts]
    _, shown = plain_ones(path)
    links = [link for link in shown.select("a[href]:not(.anchor-link)") if link.find_parent(["p", "li", "td"])]
    links = [link for link in links if not link.get_text().startswith("http")]  # the address of a work cited
    opening, text = links[:2], links[2:]
    assert [link.get_text() for link in opening] == ["Reinforcement Learning, Derived", "its page"]
    cited_at_the_end = shown.select("li > a[id]")
    assert cited_at_the_end
    assert [link.get_text().replace("\N{NO-BREAK SPACE}", " ") for link in text] == page


@each_chapter
def test_every_link_leads_somewhere(path, plain_ones, site, soup):
    """Within the notebook to a place of it, else to a page of the book, and to a place there."""
    _, shown = plain_ones(path)
    for link in shown.select("a[href]:not(.anchor-link)"):
        address, _, anchor = link["href"].partition("#")
        if not address:
            assert shown.find(id=anchor), link
        elif not re.match(r"https?:", address):
            target = (site / "notebooks" / address).resolve()
            assert target.exists(), link
            assert not anchor or soup(target.relative_to(site).as_posix()).find(id=anchor), link


@each_chapter
def test_captions_stand_under_their_figures(path, plain_ones, soup):
    notebook, shown = plain_ones(path)
    settings = [cell.metadata.get("mystnb", {}) for cell in notebook.cells]
    figures = [of["figure"]["name"] for of in settings if "figure" in of]
    assert [anchor["id"] for anchor in shown.select("a[id^='fig-']")] == figures
    for name in figures:
        place = soup(f"book/{path.stem}.html").find(id=name)
        number = place.select_one(".caption-number").get_text().strip()
        caption = shown.find(id=name).find_parent("p")
        assert caption.select_one("strong").get_text() == number
        words = place.select_one(".caption-text").find(string=True)  # up to the first formula
        assert letters(caption.get_text()).startswith(letters(f"{number}{words}"))
        at = next(i for i, cell in enumerate(notebook.cells) if cell.id == f"{name}-caption")
        assert notebook.cells[at - 1].metadata["mystnb"]["figure"]["name"] == name


@each_chapter
def test_what_folds_on_the_page_folds(path, plain_ones, soup):
    page, (_, shown) = soup(f"book/{path.stem}.html"), plain_ones(path)
    titles = page.select(".fold:not(.code) > summary")
    folded = [(title.select_one(".caption-number") or title).get_text().split("(")[0] for title in titles]
    summaries = [re.sub("^Solution to .*", "Solution", fold.get_text()) for fold in shown.select("details > summary")]
    assert list(map(squeezed, summaries)) == list(map(squeezed, folded))
    named = [fold.summary["aria-label"].partition(" (")[0] for fold in page.select(".fold.solution")]
    assert named == [fold.get_text() for fold in shown.select("details > summary") if "Solution to" in fold.get_text()]
    assert all(fold.find("p") for fold in shown.select("details")), "their Markdown has been read"


# Handouts ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def handout(site):
    command = [sys.executable, "-m", "book._ext.plain", "handout"]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    folder = site.parent / "handout"
    assert folder.as_uri() in said
    return folder


@each_chapter
def test_a_handout_has_room_for_answers_where_solutions_stood(path, plain_ones, handout):
    """Nothing else is missing, and no word of a solution is there."""
    whole, _ = plain_ones(path)
    given, shown = converted(handout / path.name)
    assert not [fold for fold in shown.select("details > summary") if "Solution" in fold.get_text()]
    assert not MYST.findall("\n".join(markdown_of(given)))
    solutions = SOLUTION.findall("\n".join(markdown_of(whole)))
    exercises = re.findall(r"\*\*(Exercise [\d.]+)\*\*", "\n".join(markdown_of(given)))
    assert len(exercises) == len(solutions) >= 5
    answers = [i for i, cell in enumerate(given.cells) if cell.source.startswith("*Your answer to ")]
    assert [given.cells[i].source for i in answers] == [f"*Your answer to {name}:*" for name in exercises]
    for i, name, solution in zip(answers, exercises, solutions, strict=True):
        assert re.findall(r"\*\*(Exercise [\d.]+)\*\*", given.cells[i - 1].source)[-1] == name
        after = given.cells[i + 1]
        assert ("`" in solution) == (after.cell_type == "code" and not after.source)
    left = squeezed("\n".join(markdown_of(given)))
    kept = squeezed(SOLUTION.sub("", "\n".join(markdown_of(whole))))
    opening = "*The solutions are left out; each exercise has a place for your answer.*"
    left = left.replace(squeezed(opening), "", 1)
    assert re.sub(r"\*YouranswertoExercise[\d.]+:\*", "", left).replace("../html/", "../") == kept


def test_the_notebooks_of_make_are_those_beside_the_pages(plain_ones, site):
    """But for the way to the pages, which lie elsewhere from there."""
    subprocess.run([sys.executable, "-m", "book._ext.plain", "notebooks"], cwd=ROOT, check=True, capture_output=True)
    for path in NOTEBOOKS:
        one = (site.parent / "notebooks" / path.name).read_text(encoding="utf-8")
        other = (site / "notebooks" / path.name).read_text(encoding="utf-8")
        assert one.replace("](../html/", "](../") == other


# One cell at a time ------------------------------------------------------------------------------------------------

SAID = {
    "title": "Book",
    "chapters": {"book/01-one": "1"},
    "pages": {"book/01-one": "One", "book/notation": "Notation"},
    "labels": {
        "thm-a": ["Theorem 1.1", "book/01-one", "thm-a"],
        "thm-b": ["Theorem 2.4", "book/02-two", "thm-b"],
        "eq-a": ["(1.7)", "book/01-one", "equation-eq-a"],
        "eq-b": ["(2.1)", "book/02-two", "equation-eq-b"],
        "ex-a": ["Exercise 1.2", "book/01-one", "ex-a"],
    },
    "citations": {"cite:t who": [["Who", None], [" [", None], ["2001", "who"], ["]", None]]},
    "works": {"who": "W. Who. What. 2001."},
}


def in_plain(text, **options):
    return plain.Chapter(ROOT / "book" / "01-one.ipynb", "book/01-one", SAID, "https://b.org/", **options).text(text)


def test_references_lead_within_the_notebook_or_to_the_pages():
    assert in_plain("By {prf:ref}`thm-a`, {eq}`eq-a` and {ref}`that <ex-a>`.") == (
        "By [Theorem 1.1](#thm-a), [(1.7)](#eq-a) and [that](#ex-a)."
    )
    assert in_plain("[Theorem “B” of chapter 2](02-two.ipynb#thm-b), [x](02-two.ipynb#eq-b), [n](notation.md)") == (
        "[Theorem 2.4](https://b.org/book/02-two.html#thm-b), [(2.1)](https://b.org/book/02-two.html#equation-eq-b), "
        "[n](https://b.org/book/notation.html)"
    )
    assert in_plain("{doc}`notation` and {cite:t}`who`") == (
        "[Notation](https://b.org/book/notation.html) and Who [[2001](#who)]"
    )


def test_a_numbered_equation_keeps_its_number_wherever_it_stands():
    tagged = '<a id="eq-a"></a>\n\n$$\nx\n\\tag{1.7}\n$$'
    one_line = tagged.replace("x\n", "x ")
    assert in_plain("So\n\n$$\nx\n$$ (eq-a)\nholds.") == f"So\n\n{one_line}\n\nholds."
    assert in_plain("$$x$$ (eq-a)") == one_line
    nested = in_plain("- So\n\n  $$\n  x\n  $$ (eq-a)\n\n- on")
    assert "\n".join("  " + line if line else "" for line in one_line.split("\n")) in nested
    assert in_plain("$$\nx\n$$") == "$$\nx\n$$", "without a label it stays"


def test_what_looks_like_markup_within_code_stays():
    code = "```python\n# {prf:ref}`thm-nowhere`\n```"
    assert in_plain(f"Run\n\n{code}\n\nand see.") == f"Run\n\n{code}\n\nand see."


def test_a_proof_ends_where_it_ends():
    assert in_plain("```{prf:proof}\nBy hand.\n```") == "*Proof.* By hand. ∎"
    assert in_plain("```{prf:proof}\n$$\nx\n$$\n```") == "*Proof.*\n\n$$\nx\n$$\n\n∎"
    assert in_plain("```{prf:proof}\n- one\n- two\n```") == "*Proof.*\n\n- one\n- two ∎"
    folded = in_plain("```{prf:proof}\n:class: dropdown\nBy hand.\n```")
    assert folded == "- <details><summary>Proof</summary>\n\n  By hand. ∎\n\n  </details>"


def test_a_statement_is_a_quotation_with_each_formula_on_one_line():
    """Plain Jupyter takes formulas out before it reads quotations, and would leave a > in one of several lines."""
    body = "Let\n\n$$\nx % why\n= 50 \\%\n$$ (eq-a)\n\n- and\n\n  $$\n  y\n  $$\n"
    assert in_plain(f"```{{prf:theorem}} Title\n:label: thm-a\n{body}```").split("\n>\n") == [
        '> <a id="thm-a"></a>**Theorem 1.1** (Title).',
        "> Let",
        '> <a id="eq-a"></a>',
        "> $$ x = 50 \\% \\tag{1.7} $$",
        "> - and",
        ">   $$ y $$",
    ]


@pytest.mark.parametrize("text", ["```{figure} x.png\n```", "{term}`policy`", "{prf:ref}`thm-nowhere`"])
def test_what_has_no_plain_form_yet_is_named(text):
    """Sooner no notebook than one with a directive in it."""
    with pytest.raises(ValueError, match=r"01-one\.ipynb has a (?:directive|role) \{.*no plain form"):
        in_plain(text)


def test_names_are_published_for_others_too(site):
    said = json.loads((site / "names.json").read_text(encoding="utf-8"))
    assert said["labels"]["thm-exact-moments"][0] == statements.NAMES["thm-exact-moments"]
