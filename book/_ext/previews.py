"""What the references of a page refer to, for previews.js to show beside them.

What stands on the reader's own page the script finds there. What stands on another is put at build time, as it is
typeset there, into a script, `_static/previews/<page>/<other page>.js`, which is fetched when the first reference from
the one to the other is pointed at; a script, since a page that is opened from disk can fetch nothing else.
"""

import html
import json
import posixpath
import re
import shutil
from pathlib import Path

# What can be shown: the tags that begin a statement, an exercise, an equation, a figure, an entry of the bibliography,
# a term, a name of the package.
SHOWN = re.compile(r'<div class="[\w\- ]*\b(?:proof|exercise|math|citation)\b|<figure\b|<dt (?:class="sig\b|id="term-)')
LINK = re.compile(r'<a\b[^>]*\bhref="([\w./-]*)#([^"]+)"')
# No part of what a reference refers to.
FOLDED = re.compile(r'<div class="checked-by.*?</details>\s*</div>|<a class="headerlink".*?</a>', re.S)


def element(page, start):
    """The element that begins at a place of a page's HTML."""
    name = re.compile(r"<(\w+)").match(page, start)[1]
    tags = re.compile(rf"<(/?){name}\b[^>]*>")
    depth, at = 0, start
    while tag := tags.search(page, at):
        depth, at = depth + (-1 if tag[1] else 1), tag.end()
        if depth == 0:
            return page[start:at]
    raise ValueError(f"{page[start : start + 60]} is never closed")


def shown(page, anchor):
    """The HTML of what an anchor of a page stands for, without ids; none where that is not to be previewed."""
    at = page.find(f' id="{html.escape(anchor)}"')
    start = page.rfind("<", 0, at)
    if at < 0 or not SHOWN.match(page, start):
        return None
    whole = element(page, start)
    if whole.startswith("<dt"):  # a function or a term, and the sentence that says what it does or means
        said = re.compile(r"\s*<dd>\s*(<p>.*?</p>)", re.S).match(page, start + len(whole))
        whole = f"<dl>{whole}</dl>{said[1] if said else ''}"
    return re.sub(r'(<[^>]*?) id="[^"]*"', r"\1", FOLDED.sub("", whole))


def article(page):
    """A page's text, without what stands around it."""
    return page[page.index("<article") : page.rindex("</article>")] if "<article" in page else ""


def excerpts(name, pages, known):
    """{page: {link as this page has it: HTML}} for its references to what stands on other pages of its folder.

    What has been found is kept in known, for the next page.
    """
    found = {}
    for target, anchor in sorted(set(LINK.findall(pages[name]))):
        home = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        if home == name or target != posixpath.basename(home) or home not in pages:
            continue
        if (home, anchor) not in known:
            known[home, anchor] = shown(pages[home], html.unescape(anchor))
        of_page = found.setdefault(target, {})
        if known[home, anchor]:
            of_page[f"{target}#{anchor}"] = known[home, anchor].replace('href="#', f'href="{target}#')
    return found


def write(app, exception):
    if exception or app.builder.format != "html":
        return
    outdir, known = Path(app.outdir), {}
    paths = sorted((outdir / "book").glob("*.html"))
    pages = {path.relative_to(outdir).as_posix(): article(path.read_text(encoding="utf-8")) for path in paths}
    shutil.rmtree(outdir / "_static/previews", ignore_errors=True)
    for name in pages:
        folder = outdir / "_static/previews" / Path(name).stem
        for target, of_page in excerpts(name, pages, known).items():
            folder.mkdir(parents=True, exist_ok=True)
            data = json.dumps(of_page, ensure_ascii=False, indent=0, sort_keys=True)
            script = f'(globalThis.rlbookPreviews ??= {{}})["{target}"] = {data};\n'
            (folder / f"{Path(target).stem}.js").write_text(script, encoding="utf-8")


def setup(app):
    app.add_js_file("previews.js", loading_method="defer")
    app.connect("build-finished", write, priority=950)  # after lean.py
    return {"version": "1", "parallel_read_safe": True}
