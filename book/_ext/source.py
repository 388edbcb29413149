"""Each name on the package's page leads to its source: the line and the commit where the repository is known, else a
page of the module's source beside the book, written here.
"""

import inspect
import os
import shutil
from html import escape
from importlib import import_module
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from book._ext.launch import repository

FOLDER = "source"  # in the built book, beside its pages
LIGHT, DARK = "a11y-high-contrast-light", "a11y-high-contrast-dark"  # as the book's own code is set
PAGE = """<!doctype html>
<html lang="en" style="color-scheme: light dark"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="{root}_static/favicon.svg">
<style>body {{ margin: 2rem auto; padding: 0 1rem; max-width: 68rem; font: .875rem/1.5 ui-monospace, monospace }}
pre {{ overflow-x: auto }} a {{ color: inherit }} .highlight .linenos {{ padding-right: 1rem; opacity: .7 }}
{light}
@media (prefers-color-scheme: dark) {{ body {{ background: #121212; color: #eee }} {dark} }}</style></head>
<body><h1>{title}</h1><p><a href="{root}book/api.html">The package</a></p>{code}</body></html>
"""


def place(module, fullname):
    """(path under the repository's root, line) of what a module calls so; None for what is no function or class."""
    value = import_module(module)
    for part in fullname.split("."):
        value = inspect.getattr_static(value, part, None)
        value = getattr(value, "fget", None) or getattr(value, "__func__", value)
    value = inspect.unwrap(value) if callable(value) else None
    if not (inspect.isfunction(value) or inspect.isclass(value)):
        return None
    root = Path(import_module("rlbook").__file__).parent.parent
    return Path(inspect.getsourcefile(value)).relative_to(root), inspect.getsourcelines(value)[1]


def resolve(domain, info):
    """The address of a name's source, as sphinx.ext.linkcode asks for it."""
    found = place(info["module"], info["fullname"]) if domain == "py" and info["module"] else None
    if not found:
        return None
    path, line = found
    known = repository(os.environ)
    if known:
        return f"{known[0]}/blob/{known[1]}/{path.as_posix()}#L{line}"
    return f"../{FOLDER}/{path.with_suffix('.html').as_posix()}#line-{line}"


def write(app, exception):
    """The pages of source, where there is no repository to lead to."""
    if exception or app.builder.format != "html":
        return
    shutil.rmtree(Path(app.outdir) / FOLDER, ignore_errors=True)  # of modules that are no more
    if repository(os.environ):
        return
    package = Path(app.srcdir) / "rlbook"
    light, dark = (HtmlFormatter(style=style).get_style_defs(".highlight") for style in (LIGHT, DARK))
    lines = HtmlFormatter(linenos="inline", lineanchors="line", anchorlinenos=True)
    for path in package.rglob("*.py"):
        name = path.relative_to(app.srcdir)
        target = Path(app.outdir) / FOLDER / name.with_suffix(".html")
        target.parent.mkdir(parents=True, exist_ok=True)
        code = highlight(path.read_text(encoding="utf-8"), PythonLexer(stripnl=False), lines)
        root = "../" * len(name.parts)
        page = PAGE.format(title=escape(name.as_posix()), root=root, light=light, dark=dark, code=code)
        target.write_text(page, encoding="utf-8")


def configure(app, config):
    config.linkcode_resolve = resolve


def setup(app):
    app.setup_extension("sphinx.ext.linkcode")
    app.connect("config-inited", configure)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True}
