"""The recipes of "Use a widget in your own page, book or slides", each followed as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from rlbook.widgets import VarianceReduction
from tests.live import data
from tests.sources import ROOT

TEXT = (ROOT / "book" / "embed.md").read_text(encoding="utf-8")
RECIPES = {
    (heading, language): code
    for heading, section in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```", section, re.M | re.S)
}


def run(command, folder):
    """A command in a folder, with this book's package and programs."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def notebook(source, path):
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_markdown_cell("# A talk"), nbformat.v4.new_code_cell(source)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


def opened(browser, file):
    """A file from disk, in a browser that reaches nothing else."""
    page = browser.new_context(offline=True, viewport={"width": 1280, "height": 900}).new_page()
    page.goto(file.as_uri(), wait_until="domcontentloaded")
    return page


def moves(place):
    """That the widget in a page or frame is alive: its first slider changes what it draws."""
    place.locator(".rl[data-preset]").wait_for()
    slider = place.locator(".rl input[type=range]").first
    before = place.locator(".rl").inner_html()
    slider.press("Home" if slider.input_value() != slider.get_attribute("min") else "End")
    place.locator(".rl").page.wait_for_timeout(200)
    assert place.locator(".rl").inner_html() != before


def test_every_recipe_is_followed_below():
    assert list(RECIPES) == [
        ("A page by itself", "python"),
        ("Within a page", "html"),
        ("A Jupyter Book", "yaml"),
        ("A Jupyter Book", "python"),
        ("Slides", "python"),
        ("Slides", "sh"),
    ]


def test_a_page_by_itself_and_within_another(browser, tmp_path):
    run([sys.executable, "-c", RECIPES["A page by itself", "python"]], tmp_path)
    alone = opened(browser, tmp_path / "two-arms.html")
    assert data(alone)["preset"] == "two-arms"
    moves(alone)
    alone.context.close()

    (tmp_path / "mine.html").write_text(f"<!doctype html><h1>Mine</h1>{RECIPES['Within a page', 'html']}")
    page = opened(browser, tmp_path / "mine.html")
    moves(page.frame_locator("iframe"))
    height = page.frame_locator("iframe").locator(".rl").evaluate("(root) => root.getBoundingClientRect().height")
    assert page.locator("iframe").bounding_box()["height"] >= height, "the frame has room for it"
    page.context.close()


@pytest.fixture(scope="module")
def own_book(tmp_path_factory):
    """A function that builds another book, with some lines of configuration, and gives its page with a widget."""
    folder = tmp_path_factory.mktemp("own")
    notebook("from rlbook.widgets import VarianceReduction\nVarianceReduction('two-arms')", folder / "index.ipynb")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\n")

    def build(config):
        own = {"title": "Mine", "execute": {"execute_notebooks": "cache"}, **config}
        (folder / "_config.yml").write_text(yaml.safe_dump(own))
        run(["jupyter-book", "build", "."], folder)
        return folder / "_build" / "html" / "index.html"

    return build, folder


@pytest.mark.slow
def test_with_one_line_another_book_shows_the_picture_and_says_what_is_missing(browser, own_book):
    build, _ = own_book
    (line,) = (line for line in RECIPES["A Jupyter Book", "yaml"].splitlines() if "priority" in line)
    page = opened(browser, build({"sphinx": {"config": yaml.safe_load(line)}}))
    assert page.locator(".rlbook-picture").is_visible()
    assert page.locator(".rlbook-picture").get_attribute("alt") == VarianceReduction("two-arms").alt()
    for what in ("widget-loader.js", "widgets.css", "rlbook/widgets/static", "save_html"):
        assert what in page.locator(".rlbook-note").inner_text()
    page.context.close()


@pytest.mark.slow
def test_with_all_lines_the_widget_lives_in_another_book(browser, own_book):
    build, folder = own_book
    run([sys.executable, "-c", RECIPES["A Jupyter Book", "python"]], folder)
    page = opened(browser, build(yaml.safe_load(RECIPES["A Jupyter Book", "yaml"])))
    page.locator(".rlbook-widget").scroll_into_view_if_needed()
    moves(page)
    assert not page.locator(".rlbook-picture").is_visible()
    assert not page.locator(".rlbook-note").is_visible()
    page.context.close()


@pytest.mark.slow
def test_slides_hold_a_live_widget(browser, tmp_path):
    notebook(RECIPES["Slides", "python"], tmp_path / "talk.ipynb")
    run(RECIPES["Slides", "sh"].split(), tmp_path)
    (tmp_path / "talk.ipynb").unlink()
    page = opened(browser, tmp_path / "talk.slides.html")
    assert "reveal" in page.content()
    moves(page.frame_locator(".reveal iframe"))
    page.context.close()
