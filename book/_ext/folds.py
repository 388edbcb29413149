"""What folds is a `<details>`: solutions, second readings, hidden code.

Jupyter Book folds these in three ways that look and answer differently, two of them by a script, and a search in the
page does not look into those. A browser's own fold can be reached by keyboard and opens for a search; folds.js opens
it for paper. What hidden code shows stands before it.
"""

import re
from html import escape

from sphinx.errors import ExtensionError

from book._ext.previews import element

TITLED = re.compile(r'<div class="([^"]*\bdropdown\b[^"]*)"([^>]*)>\s*<p class="admonition-title">(.*?)</p>', re.S)
CODE = re.compile(
    r'<details class="admonition hide above-input">\s*<summary[^>]*>\s*<p [^>]*>(.*?)</p>.*?</summary>', re.S
)
CODE_FOLD = '<details class="fold code">'
OUTPUT = re.compile(r'\s*(<div class="cell_output)')
LEFT = re.compile(r'<(?:details class="admonition hide|div class="[^"]*\bdropdown\b[^"]*\badmonition\b)[^>]*>')
TAG = re.compile(r"<[^>]+>")


def folded(body):
    """A page's body with its folds."""
    while found := TITLED.search(body):
        whole = element(body, found.start())
        classes, attributes, title = found.groups()
        kind, name = "fold", ""
        if "solution" in classes.split():  # to the exercise that it stands under
            kind, name, title = (
                "fold solution",
                f' aria-label="{escape(" ".join(TAG.sub("", title).split()))}"',
                "Solution",
            )
        inside = whole[found.end() - found.start() : -len("</div>")]
        fold = f'<details class="{kind}"{attributes}><summary{name}>{title}</summary>{inside}</details>'
        body = body[: found.start()] + fold + body[found.start() + len(whole) :]
    return shown_first(CODE.sub(rf"{CODE_FOLD}<summary>\1</summary>", body))


def shown_first(body):
    """The same, with what each fold of code shows before the fold."""
    at = body.find(CODE_FOLD)
    while at >= 0:
        fold = element(body, at)
        end = at + len(fold)
        output = OUTPUT.match(body, end)
        shown = element(body, output.start(1)) if output else ""
        if shown:
            body = body[:at] + shown + "\n" + fold + body[output.start(1) + len(shown) :]
        at = body.find(CODE_FOLD, end + len(shown))
    return body


def dress_page(app, page, template, context, doctree):
    if doctree is not None and app.builder.format == "html":
        context["body"] = folded(context["body"])
        if left := LEFT.search(context["body"]):
            raise ExtensionError(f"folds: {page} has a fold of another form: {left[0]}")
        if 'class="fold' in context["body"]:
            app.add_js_file("folds.js", loading_method="defer")


def setup(app):
    app.connect("html-page-context", dress_page)
    return {"version": "1", "parallel_read_safe": True}
