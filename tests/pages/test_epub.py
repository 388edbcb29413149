"""The whole book as one ePub: a form that readers know, with every formula, picture and value of the pages."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from posixpath import join, normpath

import pytest
from bs4 import BeautifulSoup
from filelock import FileLock

from book.articles import STILL
from book.tools.browser import apt_install, is_debian_root
from tests.conftest import one_for_all
from tests.sources import CHAPTERS, NAMES, ROOT

FILE = ROOT / "_build" / "html" / "reinforcement-learning-derived.epub"


@pytest.fixture(scope="module")
def epub(site, tmp_path_factory):
    """{name: what it holds}, of the files in the ePub."""
    folder = one_for_all(tmp_path_factory)
    with FileLock(folder / "epub.lock"):  # of two processes of tests, one makes it
        if not (folder / "epub.made").exists():
            result = subprocess.run(["make", "epub"], cwd=ROOT, capture_output=True, text=True, check=False)
            assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
            (folder / "epub.made").touch()
    with zipfile.ZipFile(FILE) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture(scope="module")
def documents(epub):
    """{name: parsed}, of its documents in XHTML."""
    return {name: BeautifulSoup(text, "xml") for name, text in epub.items() if name.endswith(".xhtml")}


def document(documents, name):
    return documents[f"EPUB/{name.removesuffix('.html').replace('/', '-')}.xhtml"]


def test_epubcheck_finds_no_fault(epub):
    if not shutil.which("epubcheck") and is_debian_root():
        apt_install("epubcheck")
    if not shutil.which("epubcheck") or not shutil.which("java"):
        pytest.skip("epubcheck is not installed")
    # Debian's command is the archive itself, which only a kernel that knows of Java runs.
    archive = Path(shutil.which("epubcheck")).resolve()
    command = ["java", "-jar", archive] if archive.suffix == ".jar" else [archive]
    result = subprocess.run([*command, FILE], capture_output=True, text=True, check=False)
    said = result.stdout + result.stderr
    assert not re.findall(r"^(?:ERROR|FATAL|WARNING).*", said, re.M), said[-3000:]
    assert result.returncode == 0, said[-3000:]


def test_it_has_every_page_in_order(epub, documents, soup):
    package = BeautifulSoup(epub["EPUB/content.opf"], "xml")
    items = {item["id"]: item["href"] for item in package.select("manifest > item")}
    order = [documents[f"EPUB/{items[ref['idref']]}"] for ref in package.select("spine > itemref")]
    titles = [" ".join(soup(name).select_one("article h1").get_text().strip("#").split()) for name in NAMES]
    assert [" ".join(page.title.get_text().split()) for page in order] == titles


def test_a_chapter_has_the_formulas_derivations_and_pictures_of_its_page(documents, soup):
    for name in CHAPTERS:
        page, made = soup(name).select_one("article"), document(documents, name)
        assert len(made.find_all("math")) == len(page.select("math")) > 100, name
        assert len(made.select(".rl-derivation ol > li")) == len(page.select(".rl-derivation ol > li")) > 5, name
        values = [code.get_text() for code in page.select(".rl-derivation li code")]
        assert [code.get_text() for code in made.select(".rl-derivation li code")] == values, name
        assert len(made.find_all("img")) == len(page.select("img")) > 5, name
        assert all(image.get("alt") is not None for image in made.find_all("img")), name


def test_letters_of_formulas_need_no_alphabet_by_name(documents):
    drawn = "".join(math.get_text() for page in documents.values() for math in page.find_all("math"))
    assert {"𝔼", "ℙ", "ℝ", "𝒟", "ℋ"} <= set(drawn)
    for page in documents.values():
        assert not page.select("[mathvariant]:not([mathvariant=normal])")


def test_its_links_and_pictures_are_in_it(epub, documents):
    ids = {name: {element["id"] for element in page.find_all(id=True)} for name, page in documents.items()}
    count = 0
    for name, page in documents.items():
        for tag, attribute in (("a", "href"), ("img", "src"), ("link", "href")):
            for element in page.find_all(tag, attrs={attribute: True}):
                target, _, fragment = element[attribute].partition("#")
                if re.match(r"https?:", target):
                    continue
                target = normpath(join(name, "..", target)) if target else name
                assert target in epub, (name, element[attribute])
                assert not fragment or fragment in ids[target], (name, element[attribute])
                count += 1
    assert count > 500


def test_it_says_that_its_pictures_are_where_lessons_begin(documents):
    assert sum(STILL in page.get_text() for page in documents.values()) == 1


def test_nothing_in_it_asks_for_a_screen(documents):
    for name, page in documents.items():
        assert not page.select("script, button, input, template"), name


def test_the_first_page_names_it(epub, site):
    html = (site / "book" / "index.html").read_text(encoding="utf-8")
    assert f'href="../{FILE.name}"' in html
