"""What folds is a `<details>`: solutions, second readings, hidden code.

Jupyter Book folds by a script, in three ways that look and answer differently, and that a search in the page does not
look into. A browser's own fold needs none, can be reached by keyboard, and opens for a link to what is in it.
"""

import re

from book._ext.previews import element

TITLED = re.compile(r'<div class="([^"]*\bdropdown\b[^"]*)"([^>]*)>\s*<p class="admonition-title">(.*?)</p>', re.S)
CODE = re.compile(
    r'<details class="admonition hide above-input">\s*<summary[^>]*>\s*<p [^>]*>(.*?)</p>.*?</summary>', re.S
)


def folded(body):
    """A page's body with its folds."""
    while found := TITLED.search(body):
        whole = element(body, found.start())
        classes, attributes, title = found.groups()
        kind = "fold solution" if "solution" in classes.split() else "fold"
        if "solution" in kind:
            title = "Solution"  # to the exercise that it stands under
        inside = whole[found.end() - found.start() : -len("</div>")]
        fold = f'<details class="{kind}"{attributes}><summary>{title}</summary>{inside}</details>'
        body = body[: found.start()] + fold + body[found.start() + len(whole) :]
    return CODE.sub(r'<details class="fold code"><summary>\1</summary>', body)


def dress_page(app, page, template, context, doctree):
    if doctree is not None and app.builder.format == "html":
        context["body"] = folded(context["body"])
        if 'class="fold' in context["body"]:
            app.add_js_file("folds.js", loading_method="defer")


def setup(app):
    app.connect("html-page-context", dress_page)
    return {"version": "1", "parallel_read_safe": True}
