"""Buttons that open a chapter's notebook elsewhere, where the build knows its own repository.

GitHub's workflows say in GITHUB_SERVER_URL, GITHUB_REPOSITORY and GITHUB_SHA which commit they build. With these the
theme is told of the repository and draws buttons for Binder and Colab, which open that commit's notebook; so a
fork's pages open the fork. Without them, on a machine of one's own, there are no such buttons.

Binder installs requirements.txt, on the Python of runtime.txt. Colab knows nothing of the book, so its button, and
the directive `{elsewhere}`, say the line that a first cell has to run. The download button gets a name that says
what it is.
"""

import os

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

PLACES = {
    "binderhub_url": "https://mybinder.org",
    "colab_url": "https://colab.research.google.com",
    "notebook_interface": "jupyterlab",
}


def repository(environment):
    """(address, commit) of the repository that is being built; None where the environment does not say."""
    server, name, commit = (environment.get(f"GITHUB_{key}") for key in ("SERVER_URL", "REPOSITORY", "SHA"))
    return (f"{server}/{name}", commit) if server and name and commit else None


def theme_options(environment):
    """What the theme needs for its launch buttons; nothing without a repository."""
    found = repository(environment)
    if not found:
        return {}
    address, commit = found
    return {
        "repository_url": address,
        "repository_provider": "github",
        "repository_branch": commit,
        "launch_buttons": PLACES,
    }


def install_line(environment):
    """The first cell of a notebook on Colab; none without a repository."""
    found = repository(environment)
    return '%pip install "rlbook[notebooks] @ git+{}@{}"'.format(*found) if found else None


class Elsewhere(SphinxDirective):
    """`{elsewhere}`: where a chapter's notebook can be run without installing anything; empty if nowhere."""

    def run(self):
        line = install_line(os.environ)
        if line is None:
            return []
        note = nodes.paragraph()
        note += nodes.Text("Or open it from the rocket at the top of its page: on Binder everything is installed; ")
        note += nodes.Text("on Colab, run this in a first cell.")
        return [note, nodes.literal_block(line, line, language="ipython")]


def tell_theme(app, config):
    config.html_theme_options.update(theme_options(os.environ))


def name_buttons(app, pagename, templatename, context, doctree):
    """Say what the buttons do: "Download this notebook", and on Colab's what its first cell has to be."""
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("label") == "download-source-button" and button["text"] == ".ipynb":
                group["tooltip"], button["tooltip"] = "Download this notebook", "Download this notebook"
            elif button.get("text") == "Colab":
                button["tooltip"] = f"Launch on Colab; begin with {install_line(os.environ)}"


def setup(app):
    app.add_directive("elsewhere", Elsewhere)
    app.connect("config-inited", tell_theme, priority=100)
    app.connect("html-page-context", name_buttons, priority=950)
    return {"version": "1", "parallel_read_safe": True}
