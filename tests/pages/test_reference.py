"""The pages made from the book itself: the package, the exercises, the map of results."""

import inspect
import itertools
import json
import math
import pydoc
import re
from importlib import import_module

import numpy as np
import pytest
from bs4 import BeautifulSoup
from pybtex.database import parse_file
from sphinx.errors import ExtensionError

import rlbook
from book._ext import api, arrows, results
from book._ext.claims import labels_in, text_of
from rlbook import statements
from tests.live import BLOCKS, Visit, settled
from tests.numbers import called
from tests.sources import CHAPTERS, ROOT, pages

STATED = {label for page in pages() for label in labels_in(page)}

# The package ------------------------------------------------------------------------------------------------------


def modules():
    """The modules of rlbook, as files are found, without those that only gather names."""
    files = sorted((ROOT / "rlbook").rglob("*.py"))
    return [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in files
        if file.name != "__init__.py" and "node_modules" not in file.parts
    ]


def public():
    """{name as a reader imports it: object}, found by importing, and not as the page finds it: by reading source."""
    found, packages, top = {}, set(), import_module("rlbook")
    for name in modules():
        module = import_module(name)
        of_its_own = name in ("rlbook.widgets.base", "rlbook.widgets.lesson")
        if name.count(".") > 1 and not of_its_own:  # a room: its topic says what of it is public
            packages.add(".".join(name.split(".")[:2]))
            continue
        for key, value in vars(module).items():
            of_module = (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == name
            if of_module and not key.startswith("_") and key in getattr(module, "__all__", [key]):
                found[f"rlbook.{key}" if key in top.__all__ else f"{name}.{key}"] = value
    for package in map(import_module, packages):
        for key in package.__all__:
            value = getattr(package, key)
            home = getattr(value, "__module__", package.__name__)
            if getattr(top, key, None) is value:
                found[f"rlbook.{key}"] = value
            elif home == package.__name__ or home.startswith(f"{package.__name__}.") or not callable(value):
                found[f"{package.__name__}.{key}"] = value
    return found


def documented(objects):
    """The objects and their own public methods and properties, which have docstrings."""
    for name, value in objects.items():
        if inspect.isfunction(value) or inspect.isclass(value):
            yield name, value
        if inspect.isclass(value):
            for key, member in vars(value).items():
                member = getattr(member, "__func__", member)
                if not key.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                    yield f"{name}.{key}", member


def test_the_page_has_every_public_name_exactly_once(soup):
    shown = [sign["id"] for sign in soup("book/api.html").select("article dl.py > dt[id]")]
    assert len(shown) == len(set(shown)), "a name is there twice"
    names = set(public())
    assert not sorted(names - set(shown)), "public names that are not on the page"
    methods = {name for name, member in documented(public()) if member.__doc__} - names
    assert not sorted(set(shown) - names - methods), "names on the page that are not public"


def test_every_public_name_has_a_docstring():
    assert not [name for name, value in documented(public()) if name in public() and not inspect.getdoc(value)]


def test_every_label_named_in_a_docstring_is_a_statements():
    named = {(name, label) for name, value in documented(public()) for label in api.labels_named(value.__doc__ or "")}
    assert len(named) > 50
    assert not sorted((name, label) for name, label in named if label not in STATED)


def test_help_calls_a_statement_what_its_page_calls_it(site):
    said = json.loads((site / "names.json").read_text(encoding="utf-8"))
    shown = {label: name for label, (name, *_) in said["labels"].items() if api.LABEL.fullmatch(label)}
    assert shown == {label: re.sub(r"Equation (.*)", r"(\1)", name) for label, name in statements.NAMES.items()}
    number = said["labels"]["thm-policy-gradient"][0]
    assert f"({number})" in pydoc.render_doc(rlbook.exact_gradient, renderer=pydoc.plaintext)
    assert not [name for name, value in documented(public()) if api.LABEL.search(value.__doc__ or "")]
    # A number of another work, "Theorem 4.9" of a textbook, would be taken for the book's own.
    files = [path for path in (ROOT / "rlbook").rglob("*.py") if path.name != "statements.py"]
    sources = "".join(path.read_text(encoding="utf-8") for path in files)
    assert not [name for name in api.NUMBERED.findall(sources) if name in api.LABELS]


@pytest.mark.parametrize("width", [360, 768, 1366])
def test_the_link_to_the_source_is_over_no_word(browser, address, width):
    with Visit(browser, f"{address}/book/api.html", scroll=False, viewport={"width": width, "height": 740}) as visit:
        visit.page.evaluate(
            f"""() => {{
              for (const block of document.querySelectorAll("{BLOCKS}")) block.classList.add("is-laid-out");
            }}"""
        )
        settled(visit.page)
        over = visit.page.evaluate(
            """() => {
              const boxes = (node) => {
                const range = document.createRange();
                range.selectNodeContents(node);
                return [...range.getClientRects()];
              };
              const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
              return [...document.querySelectorAll(".api dt.sig")].filter((sig) => {
                const link = sig.querySelector(":scope > a.reference:has(.viewcode-link)");
                if (!link) return false;
                const words = [...sig.children].filter((at) => at !== link && !at.matches(".headerlink"));
                const first = sig.nextElementSibling?.querySelector("p");
                return boxes(link.querySelector(".viewcode-link .pre")).some((own) =>
                  [...words, ...(first ? [first] : [])].flatMap(boxes).some((box) => box.width && !apart(own, box)));
              }).map((sig) => sig.id);
            }"""
        )
        assert visit.page.locator(".api dt.sig .viewcode-link").count() > 100
    assert not over


def test_labels_in_docstrings_are_links(soup):
    """The gradient names the theorem, and the theorem is a click away, under the number that it has there."""
    entry = soup("book/api.html").find(id="rlbook.exact_gradient").parent
    number = called(soup("book/01-reinforce.html"))["thm-policy-gradient"]
    assert number.startswith("Theorem 1.")
    assert entry.select_one('a[href="01-reinforce.html#thm-policy-gradient"]').get_text() == number
    assert not re.search(r"\b(thm|lem|prop|def|eq)-[a-z]", soup("book/api.html").select_one("article").get_text())


@pytest.mark.parametrize(
    ("line", "rst"),
    [
        ("π(a|s) ∝ exp θ(s,a), `theta` is (S, A)", r"π(a\|s) ∝ exp θ(s,a), ``theta`` is (S, A)"),
        ("V* and V_k", "V\\* and V\\ :sub:`k`\\ "),
        ("Σ_{s,a} ρ_π'(s)", "Σ\\ :sub:`s,a`\\  ρ\\ :sub:`π′`\\ (s)"),
        ("max_a Q^π, ‖d‖_F", "max\\ :sub:`a`\\  Q\\ :sup:`π`\\ , ‖d‖\\ :sub:`F`\\ "),
        ("policies' s' and pi_new, step_size", "policies' s′ and pi\\_new, step\\_size"),
        ("the bowl (eq-bowl)", "the bowl \\ :eq:`eq-bowl`\\ "),
        ("(thm-banach): γ", "(\\ :prf:ref:`thm-banach`\\ )\\: γ"),
    ],
)
def test_a_line_of_a_docstring_reads_the_same_on_the_page(line, rst):
    assert api.marked_up(line) == rst


def test_blocks_and_sections_of_a_docstring():
    lines = ["One.", "", "    a = b  (eq-bowl)", "", "Raises", "------", "ValueError", "    If not.", ""]
    assert api.to_rst(lines) == [
        *["One.", ""],
        *["", ".. parsed-literal::", "", "   a = b  \\ :eq:`eq-bowl`\\ ", ""],
        *["", "**Raises**", "", "* **ValueError**: If not.", "", ""],
    ]


def test_an_example_in_a_docstring_is_code_on_the_page(soup):
    lines = ["One.", "", ">>> for a in [1]:", "...     print(a | 2)", "3", "", "Two*."]
    code = ["   >>> for a in [1]:", "   ...     print(a | 2)", "   3"]
    assert api.to_rst(lines) == ["One.", "", "", ".. code-block:: pycon", "", *code, "", "", r"Two\*."]
    shown = soup("book/api.html").find(id="rlbook.solve").parent.select_one("div.highlight-pycon").get_text()
    assert shown.startswith(">>> from rlbook import gridworld, solve\n")


# The exercises ----------------------------------------------------------------------------------------------------


def test_the_index_lists_every_exercise_in_order(soup):
    labels, titles = [], []
    for page in pages():
        for title, label in re.findall(r"```\{exercise\}([^\n]*)\n:label:\s*([\w-]+)", text_of(page)):
            labels.append((page.stem, label))
            titles.append(title.strip())
    items = soup("book/exercises.html").select("ul.exercise-index li")
    links = [item.select_one("a")["href"].split(".html#") for item in items]
    assert [tuple(link) for link in links] == labels
    for item, title in zip(items, titles, strict=True):
        assert re.match(r"Exercise \d+\.\d+ ", item.get_text())
        if "$" not in title:
            assert title in item.get_text()


@pytest.mark.parametrize("name", ["exercises", "ledger", "map"])
def test_a_page_that_goes_by_chapters_calls_them_by_their_names(soup, name):
    titles = [text_of(page).partition("\n")[0].removeprefix("# ") for page in pages() if page.suffix == ".ipynb"]
    heads = [head.find(string=True, recursive=False) for head in soup(f"book/{name}.html").select("article h2")]
    assert heads == [f"{i}. {title.partition(':')[0]}" for i, title in enumerate(titles, start=1)]


# The map ----------------------------------------------------------------------------------------------------------


def grid():
    """Each row of each chapter."""
    blocks = re.findall(r"```\{results-map\}\n(.*?)```", text_of(ROOT / "book" / "map.md"), re.DOTALL)
    return [row for block in blocks for row in results.grid_in(block.splitlines())]


def drawn(soup):
    """The pairs (reason, result) that the map shows, as an arrow or, between chapters, as a note."""
    return {tuple(mark["data-edge"].split()) for mark in soup("book/map.html").select(".results-map [data-edge]")}


def test_every_box_is_a_statement_and_leads_to_it(soup):
    labels = [cell[0] for row in grid() for cell in row if cell]
    assert len(labels) == len(set(labels))
    assert set(labels) <= STATED
    links = soup("book/map.html").select(".results-map svg a:has(rect)")
    assert sorted(link["href"].split("#")[1].removeprefix("equation-") for link in links) == sorted(labels)
    for link in links:
        page, anchor = link["href"].split("#")
        assert soup(f"book/{page}").find(id=anchor), link["href"]
        assert len(link.select("tspan")) > 1, f"{anchor} has no title"


def stretches(path):
    """The straight stretches of an arrow and points on its curves: ([((x, y), (u, v)), …], [(x, y), …])."""
    straight, points, at = [], [], None
    for letter, numbers in re.findall(r"([MVHC])([^MVHC]*)", path["d"]):
        found = [float(x) for x in numbers.split()]
        if letter == "C":
            ends = np.array([at, *zip(found[::2], found[1::2], strict=True)])
            share = np.linspace(0, 1, 30)[:, None]
            weights = np.hstack([(1 - share) ** 3, 3 * share * (1 - share) ** 2, 3 * share**2 * (1 - share), share**3])
            points += (weights @ ends).tolist()
        x, y = found[-2:] if letter in "MC" else (at[0], found[0]) if letter == "V" else (found[0], at[1])
        if letter in "VH":
            straight.append((at, (x, y)))
            points += np.linspace(at, (x, y), 30).tolist()
        at = x, y
    return straight, points


def test_arrows_are_told_apart_and_run_through_no_box(soup):
    house = BeautifulSoup((ROOT / "book" / "_static" / "house.svg").read_text(encoding="utf-8"), "html.parser").svg
    drawings = [(house, "path.arrow"), *((svg, "g path") for svg in soup("book/map.html").select(".results-map svg"))]
    for svg, which in drawings:
        boxes = [[float(rect[of]) for of in ("x", "y", "width", "height")] for rect in svg.select("rect[x]")]
        lines = [stretches(path) for path in svg.select(which)]
        for _, points in lines:
            for x, y, wide, high in boxes:
                assert not [(u, v) for u, v in points if x + 1 < u < x + wide - 1 and y + 1 < v < y + high - 1]
        ends = [points[i] for _, points in lines for i in (0, -1)]
        assert all(math.dist(a, b) >= 4 for a, b in itertools.combinations(ends, 2))
        width, height = map(float, svg["viewbox"].split()[2:])
        assert all(2 <= x <= width - 2 and 0 <= y <= height for _, points in lines for x, y in points)
        upright = [(a[0], *sorted((a[1], b[1]))) for straight, _ in lines for a, b in straight if a[0] == b[0]]
        for (x, top, foot), (u, head, end) in itertools.combinations(upright, 2):
            assert abs(x - u) >= 4 or min(foot, end) <= max(top, head), "two arrows share a line"


def test_arrows_come_in_one_order_in_every_build():
    names = [f"box-{i}" for i in range(12)]
    row = {name: (100 * i, 0, 80, 40) for i, name in enumerate(names)}
    edges = list(itertools.pairwise(names))
    assert list(arrows.paths([row], edges, 20)) == edges


def test_an_arrow_between_boxes_of_a_row_that_are_no_neighbours_is_refused():
    row = {name: (100 * i, 0, 80, 40) for i, name in enumerate("abc")}
    assert arrows.paths([row], [("b", "a")], 20) == {("b", "a"): "M100 20H80"}
    with pytest.raises(ValueError, match="a and c, joined by an arrow, must be neighbours"):
        arrows.paths([row], [("a", "c")], 20)


def test_the_arrows_are_what_the_proofs_cite(soup):
    """Read once more from the text, by another route: walk through the lines and keep track of where one is."""
    cited, home, label, inside = set(), {}, None, ""
    for page in pages():
        for line in text_of(page).splitlines():
            if opening := re.match(r"```\{(prf:\w+)\}", line):
                inside = opening[1]
            elif line.startswith("```"):
                inside = ""
            if inside and inside != "prf:proof" and (found := re.match(r":label: ([\w-]+)", line)):
                label = found[1]
            if inside:
                home |= {equation: label for equation in re.findall(r"\$\$ \(([\w-]+)\)", line)}
                cited |= {(name, label) for name in re.findall(r"(?:\}`|\.ipynb#)([\w-]+)[`)]", line)}
    drawn_labels = {cell[0] for row in grid() for cell in row if cell}
    expected = {(home.get(a, a), b) for a, b in cited}
    expected = {(a, b) for a, b in expected if a != b and {a, b} <= drawn_labels}
    assert len(expected) > 30
    assert drawn(soup) == expected


def test_the_list_goes_by_number(soup):
    for chapter in soup("book/map.html").select("ul.results-list"):
        names = [item.a.get_text() for item in chapter.select(":scope > li")]
        numbers = [int(name.rstrip(")").rpartition(".")[2]) for name in names if not name.startswith("Equation")]
        assert numbers == sorted(numbers)
        assert len(numbers) > 5


def test_a_citation_and_its_label_in_the_bibliography_say_the_same(soup):
    labels = [label.get_text() for label in soup("book/bibliography.html").select(".citation > .label")]
    assert len(labels) == len(set(labels)) > 80
    cited = [link.get_text().replace("\N{NO-BREAK SPACE}", " ") for link in soup("book/01-reinforce.html").select("a")]
    in_full = {f"[{text}]" for text in cited if re.fullmatch(r"[^\d,]+, (19|20)\d\d[a-z]?", text)}
    assert len(in_full) > 3
    assert in_full <= set(labels)


def test_works_stand_in_the_order_of_their_labels(soup):
    labels = [label.get_text().strip("[]") for label in soup("book/bibliography.html").select(".citation > .label")]
    keys = []
    for label in labels:
        names, year = label.rsplit(", ", 1)
        first, *more = names.split(" and ")
        keys.append((first.removesuffix(" et al.").lower(), 3 if "et al." in names else 1 + len(more), more, year))
    assert keys == sorted(keys)
    assert {key[1] for key in keys} == {1, 2, 3}


def test_the_bibliography_has_the_sources_that_the_package_names_and_nothing_that_nobody_does(soup):
    named = set()  # (last of the first author's names, year)
    several = r"(?:(?:, [A-Z]\w+)*,? and (?:Van )?[A-Z]\w+| et al\.)?"
    for path in (ROOT / "rlbook").rglob("*.py"):
        text = " ".join(path.read_text(encoding="utf-8").split())
        named |= set(re.findall(rf"\b([A-Z]\w+){several} \(?((?:19|20)\d\d)\b", text))
    works = parse_file(ROOT / "book" / "references.bib").entries
    first = {key: (work.persons["author"][0].last_names[-1], work.fields["year"][:4]) for key, work in works.items()}
    assert len(named) > 30
    assert named <= set(first.values())
    cited = {
        key
        for page in (ROOT / "book").glob("*.*")
        if page.suffix in (".md", ".ipynb")
        for keys in re.findall(r"\{cite:[pt]+\}`([^`]+)`", page.read_text(encoding="utf-8"))
        for key in re.split(r",\s*", keys)
    }
    assert {key for key, work in first.items() if work not in named} <= cited
    assert len(soup("book/bibliography.html").select(".citation > .label")) == len(works)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_page_ends_with_the_works_that_it_cites_for_paper_alone(soup, name):
    page = soup(name)
    listed = [line.get_text().partition("]")[0].strip("[") for line in page.select(".works-cited p")]
    home = soup("book/bibliography.html")
    cited = {
        home.find(id=link["href"].partition("#")[2]).select_one(".label").get_text().strip("[]")
        for link in page.select('a[href*="bibliography.html#"]')
    }
    assert len(listed) == len(set(listed)) > 10
    assert set(listed) == cited


def test_the_list_says_what_the_drawing_says(soup):
    items = soup("book/map.html").select("ul.results-list > li")
    said = set()
    for item in items:
        own, *reasons = (link["href"].split("#")[1].removeprefix("equation-") for link in item.select("a"))
        said |= {(reason, own) for reason in reasons}
    assert said == drawn(soup)


def test_what_a_proof_cites_is_found():
    text = (
        "```{prf:theorem} One\n:label: thm-one\n$$\nx\n$$ (eq-x)\n```\n"
        "```{prf:proof}\nBy {prf:ref}`lem-a` and [Lemma “B” of chapter 1](01-one.ipynb#lem-b).\n```\n"
        "```{prf:lemma} Two\n:label: lem-two\nLet {eq}`eq-x`.\n```\n```{exercise}\n{prf:ref}`thm-no`\n```\n"
    )
    assert results.citations_in(text) == ({"thm-one": ["lem-a", "lem-b"], "lem-two": ["eq-x"]}, {"eq-x": "thm-one"})
    assert results.rests_on([text]) == {"thm-one": {"lem-a", "lem-b"}, "lem-two": {"thm-one"}}


def test_a_constants_value_is_one_line_as_its_source_could_have_it_or_is_left_out():
    assert api.shown({"one": 1}) == "{'one': 1}"
    assert api.shown({"one": api.shown}) == api.shown({"one": "a" * 200}) == "{'one': …}"
    assert api.shown("a" * 200) == api.shown((api.shown,)) == ""
    assert api.shown(tuple(range(100))) == "(0, 1, 2, 3, …)"


def test_a_public_constant_of_which_nothing_is_said_is_named():
    assert api.said_of("rlbook.neural.q_learning", "DEEP_Q_VARIANTS").startswith("The settings of")
    with pytest.raises(ExtensionError, match=r"rlbook\.checks\.scalars says nothing of .* constant FINITE"):
        api.said_of("rlbook.checks.scalars", "FINITE")
