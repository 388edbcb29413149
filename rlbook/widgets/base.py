"""What every widget of the book shares: a strict constructor, one front end for every host, a picture.

In a notebook a widget is an anywidget; `_view` names the renderer inside the one shared bundle. On the page
there is no kernel: there the `text/html` view stands, which holds the same state as JSON, and the page's own
script mounts the same renderer on it (frontend/src/host.js). Where no script runs, and in print, the picture
that matplotlib drew of that state is seen.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import ClassVar
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
            f'<div class="rlbook-widget" data-widget="{type(self).__name__}" data-view="{self._view}">'
            f'<img class="rlbook-picture" alt="{escape(self.alt())}" src="{source}">'
            f'<script type="application/json">{state}</script></div>'
        )

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, "text/html": self.to_html()}, metadata


class Number(tr.Float):
    """A number from `low` to `high`; nan is none."""

    def __init__(self, default, low, high):
        super().__init__(default)
        self.low, self.high = low, high

    def validate(self, obj, value):
        value = super().validate(obj, value)
        if not self.low <= value <= self.high:
            raise tr.TraitError(f"{self.name} must be a number from {self.low:g} to {self.high:g}, got {value!r}")
        return value


class PresetWidget(Widget):
    """A widget whose presets are sets of settings. A subclass calls `take_presets` once its presets are known."""

    PRESETS: ClassVar[tuple[str, ...]]  # their names
    _presets = tr.Dict().tag(sync=True)

    @classmethod
    def take_presets(cls, table, usual):
        """`table` maps a preset's name to (title, …, the settings in which it differs from the usual ones)."""
        cls.PRESETS, cls._table, cls._usual = tuple(table), table, usual

    def __init__(self, preset=None, **settings):
        preset = self.PRESETS[0] if preset is None else preset
        self._told = True  # settings come as they are to be: none of them changes another
        super().__init__(**{**self._defaults(preset), "preset": preset, **settings})
        self._told = False
        self.observe(self._load_preset, "preset")

    def reset(self):
        """Go back to the preset's own settings."""
        with self._telling():
            super().reset()

    def set_state(self, sync_data):
        """What the front end sends: settings that belong together."""
        with self._telling():
            super().set_state(sync_data)

    @contextmanager
    def _telling(self):
        before, self._told = self._told, True
        try:
            yield
        finally:
            self._told = before

    def _load_preset(self, change):
        if not self._told:
            self.reset()

    def _defaults(self, preset):
        """The settings that a preset begins with."""
        if preset not in self._table:
            raise tr.TraitError(f"preset must be one of {', '.join(map(repr, self._table))}, got {preset!r}")
        return {**self._usual, **self._table[preset][-1]}

    @tr.default("_presets")
    def _settings_of_presets(self):
        return {name: {"title": title, "settings": self._defaults(name)} for name, (title, *_) in self._table.items()}
