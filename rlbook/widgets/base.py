"""What every widget of the book shares: a strict constructor, one front end for every host, a picture.

In a notebook a widget is an anywidget; `_view` names the renderer inside the one shared bundle. On the page
there is no kernel: there the `text/html` view stands, which holds the same state as JSON, and the page's own
script mounts the same renderer on it (frontend/src/host.js). Where no script runs, and in print, the picture
that matplotlib drew of that state is seen.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from urllib.parse import quote

import anywidget
import traitlets as tr

from rlbook import plots

STATIC = Path(__file__).with_name("static")


class Widget(anywidget.AnyWidget):
    """A widget of the book. A subclass sets `_view`, its traits, `preset` among them, `_defaults`, `_draw`, `alt`."""

    _esm = STATIC / "widgets.esm.js"
    _css = STATIC / "widgets.css"
    _view = tr.Unicode().tag(sync=True)

    def __init__(self, **settings):
        known = self.setting_names()
        unknown = sorted(set(settings) - {*known, "layout"})
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no setting {', '.join(map(repr, unknown))}; "
                f"its settings are {', '.join(known)}"
            )
        super().__init__(**settings)

    @classmethod
    def setting_names(cls):
        """The names of the settings that the constructor takes."""
        return sorted(cls.class_traits(setting=True))

    def reset(self):
        """Go back to the preset's own settings."""
        with self.hold_sync():
            for name, value in self._defaults(self.preset).items():
                setattr(self, name, value)

    def _defaults(self, preset):
        """The settings that a preset begins with; `TraitError` for a name that is none."""
        raise NotImplementedError

    @tr.validate("preset")
    def _known_preset(self, proposal):
        self._defaults(proposal["value"])
        return proposal["value"]

    def picture(self):
        """A matplotlib figure of the present state, in the book's style."""
        with plots.style():
            return self._draw()

    def _draw(self):
        raise NotImplementedError

    def alt(self):
        """The picture in words."""
        raise NotImplementedError

    def page_state(self):
        """What the page's script needs: the synced traits that the book's classes define, as JSON values."""
        own = (name for name, trait in self.traits(sync=True).items() if issubclass(trait.this_class, Widget))
        return {name: getattr(self, name) for name in own if name not in ("_esm", "_css", "_anywidget_id")}

    def to_html(self):
        """The view for pages without a kernel: state, and the picture until a script mounts it."""
        state = json.dumps(self.page_state(), separators=(",", ":"), ensure_ascii=False)
        state = state.replace("</", "<\\/")  # or a string in it could close the script element
        source = "data:image/svg+xml," + quote(plots.to_svg(self.picture()), safe=" ='/:;,()-.")
        return (
            f'<div class="rlbook-widget" data-widget="{type(self).__name__}">'
            f'<img class="rlbook-picture" alt="{escape(self.alt())}" src="{source}">'
            f'<script type="application/json">{state}</script></div>'
        )

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, "text/html": self.to_html()}, metadata
