"""nbconvert's HTML of a notebook that has run shows each widget's picture, whoever is asked for what."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

import rlbook.widgets
from tests.live import Visit
from tests.sources import ROOT

NAMES = rlbook.widgets.__all__


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The HTML of a notebook with every widget, run by nbconvert, which then has their state, too."""
    folder = tmp_path_factory.mktemp("export")
    sources = [f"from rlbook.widgets import {name}\n{name}()" for name in NAMES]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "widgets.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", "widgets.ipynb"]
    environment = os.environ | {"JUPYTER_CONFIG_PATH": str(ROOT / "book"), "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return folder / "widgets.html"


def test_each_widget_is_a_picture_with_its_words(exported):
    soup = BeautifulSoup(exported.read_text(encoding="utf-8"), "html.parser")
    pictures = soup.select(".jp-OutputArea-output img.rlbook-picture")
    assert [picture.parent["data-widget"] for picture in pictures] == NAMES
    assert all(len(picture["alt"]) > 60 for picture in pictures)
    assert not soup.select("script[type='application/vnd.jupyter.widget-view+json']")


def test_the_pictures_are_seen_by_a_browser_that_reaches_nothing(exported, browser):
    visit = Visit(browser, exported.as_uri(), scroll=False, offline=True)
    widths = visit.page.eval_on_selector_all(
        "img.rlbook-picture", "(all) => all.map((img) => img.complete && img.naturalWidth && img.clientWidth)"
    )
    assert len(widths) == len(NAMES)
    assert min(widths) >= 240, "a map by itself is as broad"
    visit.context.close()


def test_the_environment_that_make_sets_up_asks_for_pictures():
    """`make` puts the settings where every Jupyter program of the environment finds them."""
    copied = Path(sys.prefix) / "etc" / "jupyter" / "jupyter_nbconvert_config.json"
    assert copied.read_text() == (ROOT / "book" / copied.name).read_text()
