"""The front page's map: each chapter with a picture from its widget and a sentence.

    ```{chapters}
    01-reinforce | VarianceReduction cloud | What you do there.
    ```

has, for each chapter, its file, the widget and which of its pictures, as its first step shows it, and the sentence.
"""

from html import escape
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import rlbook.widgets
from rlbook import plots

SIZE = (2.7, 2.0)  # inches


def title_of(path):
    """A notebook's title."""
    return nbformat.read(path, as_version=4).cells[0].source.partition("\n")[0].removeprefix("# ")


def picture(widget, panel):
    """One picture of a widget, without title and scales, as an `<img>` that kernel_free.py gives a file of its own."""
    fig = widget.picture([panel])
    fig.set_size_inches(SIZE)
    for axes in fig.axes:
        axes.set_title("", loc="left")
        axes.set(xlabel="", ylabel="")
        axes.tick_params(length=0, labelbottom=False, labelleft=False)
    return f'<img class="rlbook-picture" alt="" src="{plots.to_uri(fig)}">'  # the link's words say more


class Chapters(SphinxDirective):
    has_content = True

    def run(self):
        cards = []
        for line in self.content:
            try:
                name, shown, says = (part.strip() for part in line.split(" | "))
                kind, panel = shown.split()
                path = Path(self.env.doc2path(f"{Path(self.env.docname).parent}/{name}"))
                drawn, title = picture(getattr(rlbook.widgets, kind)(step=1), panel), title_of(path)
            except (ValueError, AttributeError, OSError) as error:
                raise self.error(f"{line!r} is not “chapter | Widget picture | sentence”: {error}") from error
            self.env.note_dependency(str(path))
            cards.append(
                f'<li><a href="{name}.html">{drawn}<strong>{int(name[:2])}. {escape(title)}</strong></a> '
                f"<span>{escape(says)}</span></li>"
            )
        return [nodes.raw("", f'<ol class="chapters" role="list">{"".join(cards)}</ol>', format="html")]


def setup(app):
    app.add_directive("chapters", Chapters)
    return {"version": "1", "parallel_read_safe": True}
