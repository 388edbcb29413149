"""Code on a page: what has the text's own colour needs no element, and a line that a telephone breaks hangs.

That is, it goes on further in than it began (see book.css).
"""

import html
import re

PLAIN = ("n", "nn", "p", "w")  # Pygments' classes that the page's styles give the text's own colour
LONG = 36  # letters of a line that a telephone has room for
INDENTS = (0, 4, 8, 12)  # that book.css knows

LINE = re.compile(r"[^\n]+\n?")
SAME = re.compile(rf'<span class="(?:{"|".join(PLAIN)})">([^<]*)</span>')
# What is printed keeps its columns, and scrolls.
BLOCK = re.compile(
    r'(<div class="highlight-(?!myst-ansi|none)[\w+-]+ notranslate"[^>]*><div class="highlight"><pre>)(.*?)(?=</pre>)',
    re.S,
)


def hung(line):
    text = html.unescape(re.sub(r"<[^>]*>", "", line)).rstrip("\n")
    begins = len(text) - len(text.lstrip(" "))
    if len(text) <= LONG:
        return line
    return f'<span class="in-{max(indent for indent in INDENTS if indent <= begins)}">{line}</span>'


def lighten_code(app, pagename, templatename, context, doctree):
    if "body" not in context:
        return
    body = SAME.sub(r"\1", context["body"])
    context["body"] = BLOCK.sub(lambda found: found[1] + LINE.sub(lambda line: hung(line[0]), found[2]), body)


def setup(app):
    app.connect("html-page-context", lighten_code, priority=900)  # names.py looks for names as Pygments marks them
    return {"version": "1", "parallel_read_safe": True}
