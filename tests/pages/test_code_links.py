"""Names of the package in code cells lead to their place on its page, and that page to the sections that use them."""

import re

import pytest

from book._ext import names, source
from book._ext.names import Use, linked, uses
from rlbook import TabularMDP, bellman
from tests.sources import CHAPTERS, ROOT

LISTED = {TabularMDP: "rlbook.TabularMDP", bellman.evaluate_policy: "rlbook.evaluate_policy"}


def found(*cells):
    return [(use.cell, use.line, use.column, use.name) for use in uses(cells, LISTED) if not use.imported]


def test_a_name_is_followed_through_imports_of_earlier_cells():
    first = "import numpy as np\nfrom rlbook import TabularMDP as M, bellman\nfrom rlbook import evaluate_policy"
    assert uses([first], LISTED)[0] == Use(0, 1, 19, "rlbook.TabularMDP", imported=True)
    second = "x = np.ones(2)\nbellman.evaluate_policy(M(x), evaluate_policy)"
    assert found(first, second) == [
        (1, 1, 8, "rlbook.evaluate_policy"),
        (1, 1, 24, "rlbook.TabularMDP"),
        (1, 1, 30, "rlbook.evaluate_policy"),
    ]
    assert found(first, "M.from_transitions([])") == [
        (1, 0, 0, "rlbook.TabularMDP"),
        (1, 0, 2, "rlbook.TabularMDP.from_transitions"),
    ]


def test_a_name_that_a_cell_assigns_to_is_its_own():
    assert found("from rlbook import evaluate_policy", "evaluate_policy(1)", "evaluate_policy = 2") == []
    assert found("evaluate_policy(1)") == [], "nor is one that nothing imports"
    assert found("from rlbook import bellman", "bellman.evaluate_policy.__name__", "bellman.nothing()") == [
        (1, 0, 8, "rlbook.evaluate_policy")
    ]


def test_a_link_stands_around_the_token_at_its_place():
    code = '<span></span><span class="n">a</span> <span class="o">&lt;</span> <span class="n">b</span>\n'
    code += '  <span class="n">b</span>'
    link = '<a class="code-name" href="#b"><span class="n">b</span></a>'
    assert linked(code, {(0, 4): "#b"}) == code.replace('<span class="n">b</span>', link, 1)
    assert linked(code, {(1, 2): "#b"}).endswith(f"\n  {link}")
    assert linked(code, {(0, 4): "#b", (1, 2): "#b"}).count("<a ") == 1, "once a cell is enough"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_link_in_a_chapters_code_leads_to_its_name(soup, chapter):
    links = soup(chapter).select(".cell_input a.code-name")
    assert len(links) > 30
    known = {sign["id"] for sign in soup("book/api.html").select("dt.sig[id]")}
    code = " ".join(pre.get_text() for pre in soup(chapter).select(".cell_input pre"))
    for link in links:
        page, _, name = link["href"].partition("#")
        assert page == "api.html"
        assert name in known
        short, shown = name.rpartition(".")[2], link.get_text()
        assert short == shown or re.search(rf"\b{short} as {shown}\b", code), name


def test_the_package_s_page_leads_back(soup):
    page, notebooks = ROOT / "book/api.md", sorted((ROOT / "book").glob("[0-9]*.ipynb"))
    used = names.sections_that_use(notebooks, page)
    assert len(used) > 80
    shown = {
        sign["id"]: [(link.get_text(), link["href"]) for link in line.select("a")]
        for sign in soup("book/api.html").select("dt.sig[id]")
        if (line := sign.find_next_sibling("dd").select_one(":scope > .used-in"))
    }
    assert shown == {name: places[: names.MOST] for name, places in used.items()}
    for places in shown.values():
        for _, address in places:
            chapter, _, anchor = address.partition("#")
            assert soup(f"book/{chapter}").find(id=anchor), address


def test_every_name_on_the_package_s_page_leads_to_its_line(soup, site):
    signs, sources, led = soup("book/api.html").select("dt.sig[id]"), {}, 0
    for sign in signs:
        link = sign.select_one("a:has(> .viewcode-link)")
        if link is None:
            continue
        page, _, anchor = link["href"].partition("#")
        if page not in sources:
            sources[page] = (site / "book" / page).resolve().read_text(encoding="utf-8")
        below = re.sub(r"<[^>]+>", "", sources[page].partition(f'id="{anchor}"')[2].partition(">")[2][:3000])
        # The first thing that is defined from there on: a decorator may stand above it.
        assert re.search(r"(?:def|class) (\w+)", below)[1] == sign["id"].rpartition(".")[2], (sign["id"], below[:80])
        led += 1
    assert led > 350


def test_where_the_repository_is_known_the_link_names_line_and_commit(monkeypatch):
    for key, value in {"SERVER_URL": "https://git.example", "REPOSITORY": "who/book", "SHA": "f00"}.items():
        monkeypatch.setenv(f"GITHUB_{key}", value)
    path, line = source.place("rlbook", "evaluate_policy")
    asked = {"module": "rlbook", "fullname": "evaluate_policy"}
    assert source.resolve("py", asked) == f"https://git.example/who/book/blob/f00/{path.as_posix()}#L{line}"
    assert (ROOT / path).read_text(encoding="utf-8").splitlines()[line - 1].startswith("def evaluate_policy(")
    assert source.resolve("py", {"module": "rlbook.plots", "fullname": "INK"}) is None
