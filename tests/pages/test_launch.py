"""Launch buttons: they open the repository that is being built, a fork's the fork's, and are not there without one."""

import os
import tomllib
from types import SimpleNamespace

import pytest
import yaml
from sphinx_book_theme.header_buttons.launch import add_launch_buttons

from book._ext import claims, launch
from tests.sources import ROOT

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(params=["author/book", "somebody/fork"])
def repository(request, monkeypatch):
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", request.param)
    monkeypatch.setenv("GITHUB_SHA", COMMIT)
    return request.param


@pytest.fixture
def nowhere(monkeypatch):
    for key in ("SERVER_URL", "REPOSITORY", "SHA"):
        monkeypatch.delenv(f"GITHUB_{key}", raising=False)


def buttons():
    """What the theme makes of the options, for a chapter: {text: (address, tooltip)}."""
    config = SimpleNamespace(html_theme_options={})
    launch.tell_theme(None, config)
    options = config.html_theme_options
    name = "book/01-reinforce"
    app = SimpleNamespace(
        config={"html_theme_options": options},
        env=SimpleNamespace(
            doc2path=lambda page: f"{page}.ipynb", metadata={name: {"kernelspec": {"name": "python3"}}}
        ),
        outdir="",
    )
    context = {"header_buttons": [], "sourcename": f"{name}.ipynb", "pagename": name, "kernel_name": "python3"}
    if options:
        server, owner, repository = options["repository_url"].rsplit("/", 2)
        context |= {"github_url": server, "github_user": owner, "github_repo": repository}
    add_launch_buttons(app, name, "page.html", context, None)
    launch.set_buttons(app, name, "page.html", context, None)
    return {
        button["text"]: (button["url"], button["tooltip"])
        for group in context["header_buttons"]
        for button in group["buttons"]
    }


def elsewhere():
    """What the directive puts on the page."""
    return launch.Elsewhere("elsewhere", [], {}, [], 1, 0, "", None, SimpleNamespace(reporter=None)).run()


def test_the_buttons_open_this_commit_of_this_repository(repository):
    found = buttons()
    assert set(found) == {"Binder", "Colab"}
    notebook = "book/01-reinforce.ipynb"
    assert found["Binder"][0] == f"https://mybinder.org/v2/gh/{repository}/{COMMIT}?urlpath=lab/tree/{notebook}"
    assert found["Colab"][0] == f"https://colab.research.google.com/github/{repository}/blob/{COMMIT}/{notebook}"


def test_on_colab_one_is_told_how_to_get_the_package(repository):
    line = f'%pip install "rlbook[notebooks] @ git+https://github.com/{repository}@{COMMIT}"'
    assert buttons()["Colab"][1].endswith(line)
    assert elsewhere()[1].astext() == line


def test_tests_link_to_their_source_there(repository):
    assert claims.source_url() == f"https://github.com/{repository}/blob/{COMMIT}"


def test_without_a_repository_there_are_no_buttons_and_nothing_is_said(nowhere):
    assert buttons() == {}
    assert elsewhere() == []
    assert claims.source_url() is None


@pytest.mark.parametrize("missing", ["SERVER_URL", "REPOSITORY", "SHA"])
def test_half_an_answer_is_none(repository, monkeypatch, missing):
    monkeypatch.delenv(f"GITHUB_{missing}")
    assert buttons() == {}


def test_the_built_page_offers_its_notebook(soup, site):
    """The theme's own button, under a name that says what it is; the file is the one that reads right everywhere."""
    link = soup("book/01-reinforce.html").select_one("a.btn-download-source-button")
    assert link["title"] == "Download this notebook"
    assert (site / "book" / link["href"]).resolve() == site / "notebooks" / "01-reinforce.ipynb"


def test_where_github_publishes_the_pages(repository, monkeypatch):
    """By deploy-pages' rule; a repository that has the owner's own name is published at the top."""
    owner, name = repository.split("/")
    assert launch.pages_address(os.environ) == f"https://{owner}.github.io/{name}/"
    monkeypatch.setenv("GITHUB_REPOSITORY", f"{owner}/{owner}.github.io")
    assert launch.pages_address(os.environ) == f"https://{owner}.github.io/"
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.example.org")
    assert launch.pages_address(os.environ) is None


def test_nobody_publishes_pages_of_no_repository(nowhere):
    assert launch.pages_address(os.environ) is None


def test_binder_gets_the_python_that_the_pins_were_frozen_on():
    """Its own default is older, and some of the pinned packages do not install there."""
    version = (ROOT / "runtime.txt").read_text().strip().removeprefix("python-")
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text())
    (python,) = (step["with"] for step in workflow["jobs"]["test"]["steps"] if "setup-python" in step.get("uses", ""))
    assert python["python-version"] == version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={version}"
