"""What stands around the text for those who come from elsewhere: a description, a canonical address, the way in.

A page is described by its first sentences. Where the build knows where the pages will be published (see launch.py),
each also says its own address, and a card, drawn here, for those who pass it on; and a list of all of them is written
for search engines. The root's page, which leads to the book, says where to, and so does the one that a server shows
where there is none.
"""

import os
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError

from book._ext.launch import pages_address
from rlbook.widgets import VarianceReduction

SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
LENGTH = 160  # characters, of which search engines show a description
CARD = "_static/card.png"
SIZE, DPI = (6, 3.15), 200  # inches and dots: 1200 × 630, as those who show cards ask for
ALONE = """<!doctype html>
<html lang="en" style="color-scheme: light dark"><head><meta charset="utf-8"><title>{title}</title>
<meta name="description" content="{title}">
<meta name="viewport" content="width=device-width">
{head}<link rel="icon" href="{root}_static/favicon.svg"></head>
<body style="font: 1.1rem/1.5 Georgia, serif; max-width: 38rem; margin: 4rem auto; padding: 0 1rem">
<main>{body}</main></body></html>
"""


def description(doctree):
    """A page's first paragraph of words, cut at a word's end."""
    for paragraph in doctree.findall(nodes.paragraph):
        if not list(paragraph.findall(nodes.math)) and len(paragraph.astext()) > 40:
            text = " ".join(paragraph.astext().split())
            return text if len(text) <= LENGTH else text[:LENGTH].rpartition(" ")[0] + " …"
    return ""


def describe(app, pagename, templatename, context, doctree):
    title = context.get("title", pagename)  # the search and the index have no doctree, and not all of them a title
    tags = {"description": description(doctree) if doctree else f"{title}: {app.config.html_title}"}
    address = pages_address(os.environ)
    if address and doctree:
        here = f"{address}{pagename}.html"
        context["pageurl"] = here
        tags |= {
            "og:title": app.env.titles[pagename].astext(),
            "og:description": tags["description"],
            "og:type": "article",
            "og:url": here,
            "og:image": address + CARD,
            "og:site_name": app.config.html_title,
            "twitter:card": "summary_large_image",
        }
    context["metatags"] = context.get("metatags", "") + "".join(
        f'\n<meta {"property" if name.startswith("og:") else "name"}="{name}" content="{escape(text)}" />'
        for name, text in tags.items()
        if text
    )


def name_the_root(app, exception):
    """The page that leads to the book, which Jupyter Book writes, with a title and a link for who is not led."""
    if exception or app.builder.format != "html":
        return
    root, home = Path(app.outdir) / "index.html", f"{app.config.root_doc}.html"
    if not root.exists() or "http-equiv" not in root.read_text(encoding="utf-8"):
        raise ExtensionError("frame: the root's index.html is not the redirect that Jupyter Book writes")
    title = escape(app.config.html_title)
    head, link = f'<meta http-equiv="Refresh" content="0; url={home}" />\n', f'<p><a href="{home}">{title}</a></p>'
    root.write_text(ALONE.format(title=title, head=head, root="", body=link), encoding="utf-8")


def write_for_others(app, exception):
    """What no page of the book links: the page for a lost reader; where the address is known, card and sitemap."""
    if exception or app.builder.format != "html":
        return
    out, address = Path(app.outdir), pages_address(os.environ)
    title, home = escape(app.config.html_title), f"{address or ''}{app.config.root_doc}.html"
    link = f'<h1>There is no such page</h1><p>The book begins here: <a href="{home}">{title}</a>.</p>'
    lost = ALONE.format(title=title, head="", root=address or "", body=link)
    (out / "404.html").write_text(lost, encoding="utf-8")
    if address:
        pages = "".join(f"<url><loc>{escape(address)}{name}.html</loc></url>\n" for name in sorted(app.env.found_docs))
        xml = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{SITEMAP}">\n{pages}</urlset>\n'
        (out / "sitemap.xml").write_text(xml, encoding="utf-8")
        save(card(app.config.html_title), out / CARD)


def save(fig, file):
    """Write a figure as PNG, in its own size whatever style is set, and the same in every build."""
    fig.savefig(file, format="png", dpi=DPI, bbox_inches=fig.bbox_inches, metadata={"Software": None})


def card(title, size=SIZE):
    """The first widget's first picture under the book's title, `size` inches wide and high."""
    fig = VarianceReduction(step=1).picture(["cloud"])
    fig.set_size_inches(size)
    fig.suptitle(title, x=0.03, ha="left", fontsize=20, fontfamily="serif")
    return fig


def setup(app):
    app.connect("html-page-context", describe)
    app.connect("build-finished", name_the_root, priority=960)  # after it has been written
    app.connect("build-finished", write_for_others)
    return {"version": "1", "parallel_read_safe": True}
