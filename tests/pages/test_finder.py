"""The search page: what has to be found first, from disk and from a server, and how what is found reads."""

import json
import re

import pytest

from book._ext.finder import entries_of
from rlbook import statements
from tests.live import WIDTHS, Visit, serious_faults
from tests.sources import NAMES

# What is asked, and where the first answer leads.
FIRST = {
    "policy gradient theorem": "01-reinforce.html#thm-policy-gradient",
    "reward-to-go": "01-reinforce.html#thm-reward-to-go",
    "REINFORCE": "01-reinforce.html#thm-reinforce",
    "score function": "01-reinforce.html#thm-score-function",
    statements.NAMES["thm-policy-gradient"]: "01-reinforce.html#thm-policy-gradient",
    "Leave one out": "01-reinforce.html#ex-leave-one-out",
    "infinite horizon": "01-reinforce.html#thm-infinite-horizon",
    "GAE": "01-reinforce.html#prop-gae",
    "baseline": "glossary.html#term-baseline",
    "actor-critic": "glossary.html#term-actor-critic",
    "MacQueen": "02-q-learning.html#thm-macqueen",
    "Blackwell": "02-q-learning.html#lem-blackwell",
    "policy iteration": "02-q-learning.html#thm-policy-iteration",
    "value iteration": "glossary.html#term-value-iteration",
    "double sampling": "02-q-learning.html#prop-double-sampling",
    "Baird": "02-q-learning.html#prop-baird",
    "log-sum-exp": "glossary.html#term-log-sum-exp",
    "Fisher information": "glossary.html#term-Fisher-information",
    "kl divergence": "glossary.html#term-KL-divergence",
    "mirror descent": "glossary.html#term-mirror-descent",
    "TRPO": "03-natural-gradient.html#thm-trpo-bound",
    "clipping": "03-natural-gradient.html#prop-ppo",
    "conjugate gradients": "03-natural-gradient.html#thm-cg",
    "occupancy": "04-occupancy.html#def-occupancy",
    "linear program": "04-occupancy.html#thm-lp",
    "performance difference": "04-occupancy.html#thm-difference",
    "Q-Prop": "05-q-prop.html#thm-q-prop",
    "deterministic policy gradient": "05-q-prop.html#prop-dpg",
    "temperature": "glossary.html#term-temperature",
    "off-policy": "glossary.html#term-off-policy-on-policy",
    "evaluate_policy": "api.html#rlbook.evaluate_policy",
    "policy_iteration": "api.html#rlbook.policy_iteration",
    "TabularMDP": "api.html#rlbook.TabularMDP",
    "gridworld": "api.html#rlbook.gridworld",
    # with a slip of the finger, and as an American writes
    "performence diference": "04-occupancy.html#thm-difference",
    "Reinforse": "01-reinforce.html#thm-reinforce",
    "macquen": "02-q-learning.html#thm-macqueen",
    "generalized advantage estimate": "glossary.html#term-advantage-estimate-generalised-GAE",
}
FOUND = ".found > li"


@pytest.fixture(scope="module", params=["disk", "server"])
def search(request, browser, site, address):
    """A function from what is asked to the links that are found, and the page."""
    start = f"file://{site}" if request.param == "disk" else address
    with Visit(browser, f"{start}/search.html?q=score", viewport=WIDTHS["desktop"]) as visit:
        visit.page.locator(FOUND).first.wait_for()

        def ask(query):
            visit.page.locator(".bd-search-container input[type=search]").fill(query)
            return visit.page.locator(f"{FOUND} > a").evaluate_all("(all) => all.map((a) => a.href)")

        yield ask, visit.page


@pytest.mark.parametrize("query", FIRST)
def test_what_is_looked_for_is_found_first(search, query):
    ask, _ = search
    found = [href.rpartition("/book/")[2] for href in ask(query)]
    assert found[:1] == [FIRST[query]], found[:5]


def test_every_place_that_is_found_is_there(search, site):
    """Of three questions that together find most kinds, and each link as it stands."""
    ask, page = search
    for query in ("gradient", "evaluate", "rho"):
        for href in ask(query):
            name, _, anchor = href.rpartition("/book/")[2].partition("#")
            html = (site / "book" / name).read_text(encoding="utf-8")
            assert not anchor or f'id="{anchor}"' in html, href
    address = page.url
    ask("xyzzyplugh")
    assert page.locator(".found-count").inner_text() == "No places"
    assert page.locator(FOUND).count() == 0
    assert page.url != address, "a search can be linked to"


def test_what_is_found_reads_as_text_and_says_formulas_once(site):
    """No TeX, and no formula both as it is marked up and as it is seen."""
    data = (site / "_static/finder/entries.js").read_text(encoding="utf-8")
    entries = json.loads(data.partition(" = ")[2].rstrip(";\n"))
    for entry in entries:
        said = f"{entry['title']} {entry['text']}"
        assert not re.search(r"\\[a-z]+\b|\$|\\\(", said) or entry["kind"] in ("Package", "Source"), said
        assert entry["title"].strip(), entry
    by_url = {entry["url"]: entry for entry in entries}
    assert by_url["book/01-reinforce.html#thm-reinforce"]["text"].startswith("∇η_T(θ)=E_θ[R(τ)∑_(t=0)^(T−1)ψ_t].")
    assert {f"book/{name}" for name in map(lambda url: url.split("/")[1].split("#")[0], by_url)} == set(NAMES)


def test_a_page_is_taken_apart():
    page = """<article><section id="a"><h1>One<a class="headerlink" href="#a">#</a></h1><p>Of <math><mfrac><mi>a</mi>
    <mrow><mi>b</mi><mo>+</mo><mn>1</mn></mrow></mfrac></math>.</p><section id="b"><h2>Two</h2><p>Text.</p>
    <div class="proof lemma" id="lem-x"><p class="admonition-title">Lemma 1.1 (A name)</p>
    <p>It holds for a <math><mi>γ</mi></math>-contraction.</p></div></section></section></article>"""
    assert [tuple(entry.values()) for entry in entries_of("x", page)] == [
        ("Statement", "A name, Lemma 1.1", "One · Two", "It holds for a γ-contraction.", "book/x.html#lem-x"),
        ("Section", "Two", "One", "Text.", "book/x.html#b"),
        ("Page", "One", "", "Of a/(b+1).", "book/x.html"),
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", ["phone", "desktop"])
def test_the_search_page_is_accessible_and_fits(browser, site, frontend, width, theme):
    options = {"viewport": WIDTHS[width], "color_scheme": theme}
    with Visit(browser, f"file://{site}/search.html?q=advantage", **options) as visit:
        visit.page.locator(FOUND).first.wait_for()
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]
        assert serious_faults(visit.page, frontend, "main") == []
