"""Code on a page: what has the text's own colour needs no element, and a line that a telephone breaks hangs.

That is, it goes on further in than it began (see book.css), and rather after a bracket or before a dot than in the
middle of a name. Short code in a sentence is not broken, or it would look like two names.
"""

import html
import re

PLAIN = ("n", "nn", "p", "w")  # Pygments' classes that the page's styles give the text's own colour
LONG = 36  # letters of a line that a telephone has room for
LONG_EXAMPLE = 28  # and of one in a docstring's example, which stands further in
SHORT = 30  # letters of code in a sentence that is not broken
LONG_NAME = 18  # letters of a call in a sentence or a table that may be broken after its bracket
INDENTS = (0, 4, 8, 12)  # that book.css knows

PLACE = re.compile(r"(?<=[(\[{,=])(?=[\w(\[{*\-])|(?<=\w)(?=\.[A-Za-z_])")  # in a line, where it may be broken
CALL = re.compile(r"[\w.]+\([^()]+\)")
LINE = re.compile(r"[^\n]+\n?")
SAME = re.compile(rf'<span class="(?:{"|".join(PLAIN)})">([^<]*)</span>')
BLOCK = re.compile(
    r'(<div class="(?:output \w+ )?highlight-([\w+-]+) notranslate"[^>]*><div class="highlight"><pre>)(.*?)(?=</pre>)',
    re.S,
)
INLINE = re.compile(r'<code class="docutils literal notranslate">(.*?)</code>')
PRINTED = ("myst-ansi", "none")  # which keeps its columns: its letters are smaller, or it scrolls


def hung(line, long=LONG):
    text = html.unescape(re.sub(r"<[^>]*>", "", line)).rstrip("\n")
    begins = len(text) - len(text.lstrip(" "))
    if len(text) <= long:
        return line
    pieces = re.split(r"(<[^>]*>|&[^;]*;)", line)
    pieces[::2] = [PLACE.sub("<wbr/>", piece) for piece in pieces[::2]]
    return f'<span class="in-{max(indent for indent in INDENTS if indent <= begins)}">{"".join(pieces)}</span>'


def unbroken(code):
    text = html.unescape(re.sub(r"<[^>]*>", "", code[1]))
    name = code[0].replace("(", "(<wbr/>") if CALL.fullmatch(text) and len(text) > LONG_NAME else code[0]
    return name.replace('notranslate"', 'notranslate whole"', 1) if " " in text and len(text) <= SHORT else name


def longest(code):
    """Letters in the longest line, by which book.css makes what is printed fit a telephone."""
    return max(len(line.rstrip()) for line in html.unescape(re.sub(r"<[^>]*>", "", code)).split("\n"))


def lighten_code(app, pagename, templatename, context, doctree):
    if "body" not in context:
        return

    def lighter(block):
        code = SAME.sub(r"\1", block[3])
        if block[2] in PRINTED:
            return block[1][:-1] + f' style="--letters: {longest(code)}">' + code
        long = LONG_EXAMPLE if block[2] == "pycon" else LONG
        return block[1] + LINE.sub(lambda line: hung(line[0], long), code)

    context["body"] = INLINE.sub(unbroken, BLOCK.sub(lighter, context["body"]))


def setup(app):
    app.connect("html-page-context", lighten_code, priority=900)  # names.py looks for names as Pygments marks them
    return {"version": "1", "parallel_read_safe": True}
