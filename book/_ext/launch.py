"""Buttons that open a chapter's notebook elsewhere, where the build knows its own repository.

GitHub's workflows say in GITHUB_SERVER_URL, GITHUB_REPOSITORY and GITHUB_SHA which commit they build. With these the
theme is told of the repository and draws buttons for Binder and Colab, which open that commit's notebook; so a
fork's pages open the fork. Without them, on a machine of one's own, there are no such buttons.

Binder installs requirements.txt, on the Python of runtime.txt. Colab knows nothing of the book, so its button, and
the directive `{elsewhere}`, say the line that a first cell has to run. Both open the notebook as it is stored, which
JupyterLab on Binder shows as it is meant, and Colab with its directives as they are typed. The download button gives
the chapter in plain Markdown, which reads right everywhere (see plain.py), and beside it a chapter can be printed
without its solutions.
"""

import os
from pathlib import Path

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


def pages_address(environment):
    """Where GitHub publishes the pages of the repository that is being built; None without a repository."""
    found = repository(environment)
    if not found or not found[0].startswith("https://github.com/"):
        return None
    owner, name = found[0].split("/")[-2:]
    return f"https://{owner}.github.io/" + ("" if name == f"{owner}.github.io" else f"{name}/")


class Elsewhere(SphinxDirective):
    """`{elsewhere}`: where a chapter's notebook can be run without installing anything; empty if nowhere."""

    def run(self):
        line = install_line(os.environ)
        if line is None:
            return []
        note = nodes.paragraph()
        note += nodes.Text("Or open it from the rocket at the top of its page: on Binder everything is installed; ")
        note += nodes.Text("on Colab, run this in a first cell.")
        better = nodes.paragraph()
        better += nodes.Text(
            "Colab shows statements and references as they are typed. To read them there as on the page, "
        )
        better += nodes.Text("give it the notebook of the download button, by “File › Upload notebook”.")
        return [note, nodes.literal_block(line, line, language="ipython"), better]


def tell_theme(app, config):
    config.html_theme_options.update(theme_options(os.environ))


# Beside the theme's own, which prints all; navigation.js has what it calls.
PRINT_EXERCISES = {
    "type": "javascript",
    "javascript": "printWithoutSolutions()",
    "text": ".pdf without solutions",
    "tooltip": "Print to PDF, without the solutions",
    "icon": "fas fa-file-pdf",
    "label": "print-exercises-button",
}


def set_buttons(app, pagename, templatename, context, doctree):
    """What the buttons do, and say that they do: a chapter's download, its printing, and what Colab begins with."""
    for group in context.get("header_buttons", []):
        for button in list(group.get("buttons", [])):
            if button.get("label") == "download-source-button" and button["text"] == ".ipynb":
                button["url"] = context["pathto"](f"notebooks/{Path(pagename).name}.ipynb", 1)
                group["tooltip"], button["tooltip"] = "Download this notebook", "Download this notebook"
                group["buttons"].append(PRINT_EXERCISES)
            elif button.get("text") == "Colab":
                button["tooltip"] = f"Launch on Colab; begin with {install_line(os.environ)}"


def setup(app):
    app.add_directive("elsewhere", Elsewhere)
    app.connect("config-inited", tell_theme, priority=100)
    app.connect("html-page-context", set_buttons, priority=950)
    return {"version": "1", "parallel_read_safe": True}
