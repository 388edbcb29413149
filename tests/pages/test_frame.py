"""What stands around the text: descriptions, the address where it is known, the way in."""

from types import SimpleNamespace
from xml.etree import ElementTree

import matplotlib
import pytest
from docutils import nodes
from docutils.utils import new_document
from PIL import Image

from book._ext import frame
from tests.sources import NAMES

PLACE = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_SHA": "c"}
WORDS = "A policy acts, rewards come in, and we want to change the policy so that it earns more. " * 3


def described(monkeypatch, **environment):
    for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    document = new_document("page")
    document += nodes.paragraph("", "", nodes.Text(f'"{WORDS}'))
    title = SimpleNamespace(astext=lambda: "A & B")
    config = SimpleNamespace(html_title="Book")
    app, context = SimpleNamespace(env=SimpleNamespace(titles={"book/page": title}), config=config), {}
    frame.describe(app, "book/page", "page.html", context, document)
    return context


def test_each_page_says_once_how_wide_it_is(site):
    for name in NAMES:
        metas = (site / name).read_text(encoding="utf-8").count('<meta name="viewport" content="width=device-width')
        assert metas == 1, name


def test_a_description_is_the_first_sentences_cut_at_a_word(monkeypatch):
    tags = described(monkeypatch)["metatags"]
    text = tags.partition('content="')[2].partition('"')[0]
    assert text.startswith("&quot;A policy acts")
    assert text.endswith(" …")
    assert len(text) <= frame.LENGTH + 8
    assert "og:" not in tags


def test_where_the_address_is_known_a_page_says_it(monkeypatch):
    context = described(monkeypatch, **PLACE)
    assert context["pageurl"] == "https://a.github.io/b/book/page.html"  # of which the theme makes the canonical link
    assert '<meta property="og:url" content="https://a.github.io/b/book/page.html" />' in context["metatags"]
    assert '<meta property="og:title" content="A &amp; B" />' in context["metatags"]
    assert f'content="https://a.github.io/b/{frame.CARD}"' in context["metatags"]


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("book/0")])
def test_every_chapter_has_a_title_a_description_and_an_icon(soup, name):
    page = soup(name)
    assert page.title.get_text().strip()
    assert 40 < len(page.select_one("meta[name=description]")["content"]) <= frame.LENGTH + 2
    assert page.select_one("link[rel=icon]")["href"].endswith("favicon.svg")


def test_the_root_leads_to_the_book_and_says_so(soup):
    page = soup("index.html")
    assert page.title.get_text() == page.a.get_text() == "Reinforcement Learning, Derived"
    assert page.a["href"] == "book/index.html"


def test_a_lost_reader_is_shown_the_way(soup, site):
    page = soup("404.html")
    assert (site / page.a["href"]).exists()
    assert not (site / "sitemap.xml").exists(), "nobody knows where this build will be published"


def test_where_the_address_is_known_there_are_a_list_of_pages_and_a_card(monkeypatch, tmp_path):
    for name, value in PLACE.items():
        monkeypatch.setenv(name, value)
    config = SimpleNamespace(html_title="A Book", root_doc="book/index")
    environment = SimpleNamespace(found_docs={"book/index", "book/page"})
    (tmp_path / "_static").mkdir()
    builder = SimpleNamespace(format="html")
    app = SimpleNamespace(outdir=tmp_path, builder=builder, config=config, env=environment)
    monkeypatch.setitem(matplotlib.rcParams, "savefig.bbox", "tight")  # as the book's style has it
    frame.write_for_others(app, None)
    addresses = [f"https://a.github.io/b/book/{name}.html" for name in ("index", "page")]
    listed = ElementTree.parse(tmp_path / "sitemap.xml").getroot()
    assert [place.text for place in listed.iter(f"{{{frame.SITEMAP}}}loc")] == addresses
    assert f'href="{addresses[0]}"' in (tmp_path / "404.html").read_text()
    assert Image.open(tmp_path / frame.CARD).size == (1200, 630)
    first = (tmp_path / frame.CARD).read_bytes()
    frame.write_for_others(app, None)
    assert (tmp_path / frame.CARD).read_bytes() == first, "the same in two builds"
