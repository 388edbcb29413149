"""What every widget of the book shares: a strict constructor, one front end for every host, a picture.

In a notebook a widget is an anywidget; `_view` names the renderer inside the one shared bundle. On the page
there is no kernel: there the `text/html` view stands, which holds the same state as JSON, and the page's own
script mounts the same renderer on it (frontend/src/shared/host.js). Where no script runs, and in print, the picture
that matplotlib drew of that state is seen.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from copy import deepcopy
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import anywidget
import numpy as np
import traitlets as tr

from rlbook import checks, plots
from rlbook.widgets.lesson import EXPLORE, Step, StepTrait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

STATIC = Path(__file__).with_name("static")

# Where neither the page's script nor its styles are, as in nbconvert's HTML and in another book.
NOTE = (
    "This is the widget’s picture. It lives in JupyterLab, on a page that loads widget-loader.js and widgets.css from "
    "rlbook/widgets/static, and in a file that its save_html(path) writes."
)

# A page of its own. The scripts come after the widget, which they bring to life as soon as they run.
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<style>:root {{ color-scheme: light dark }} body {{ margin: 0 auto; padding: 0 1rem; max-width: 62rem }}
@media (prefers-color-scheme: dark) {{ body {{ background: #14181e }} }}
{style}</style></head>
<body>{html}{scripts}</body></html>
"""


class Widget(anywidget.AnyWidget):
    """A widget of the book. A subclass sets `_view`, its traits, `preset` among them, and what its pictures are.

    It has a lesson: `lesson` lists its steps, and `step` says which is shown. `PANELS` names its pictures, each drawn
    by `_draw_…(ax)` and told by an entry of `_words`.

    A change of one setting may change others: a preset brings its own, a map of another shape takes away what
    belonged to the last. Such things follow (`_following`) wherever settings are said, one by one, together in
    `hold_trait_notifications` or by the front end, and never change what was said with them. They need no
    observers, so that `unobserve_all()` takes none of them away.
    """

    _esm = STATIC / "widgets.esm.js"
    _css = STATIC / "widgets.css"
    _view = tr.Unicode().tag(sync=True)
    _schema = tr.Dict().tag(sync=True)
    _lesson = tr.List().tag(sync=True)
    step = StepTrait().tag(sync=True, setting=True)
    lesson: ClassVar[tuple[Step, ...]] = ()
    PRESETS: ClassVar[tuple[str, ...]]
    PANELS: ClassVar[tuple[str, ...]] = ()
    _said = None  # the names of the settings said so far, while some are

    @classmethod
    def name_presets(cls, names) -> None:
        """Which presets there are, the first the one that is shown first; a docstring says them for `{presets}`."""
        cls.PRESETS = tuple(names)
        cls.__doc__ = cls.__doc__.replace("{presets}", ", ".join(map(repr, names)))

    def __init__(self, **settings):
        known = self.setting_names()
        unknown = sorted(set(settings) - {*known, "layout"})
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no setting {', '.join(map(repr, unknown))}; "
                f"its settings are {', '.join(known)}"
            )
        self._kind = type(self)  # anywidget gives each widget a class of its own
        super().__init__(**settings)

    @classmethod
    def setting_names(cls) -> list[str]:
        """The names of the settings that the constructor takes."""
        return sorted(cls.class_traits(setting=True))

    @tr.default("_schema")
    def _rules_of_settings(self):
        """What each setting may be: {low, high, step, shown, …} of numbers, {choices}, or the {most} of a map."""
        traits = self.traits(setting=True).items()
        choices = {name: {"choices": list(trait.values)} for name, trait in traits if isinstance(trait, tr.Enum)}
        choices["step"] = {"choices": [*range(1, len(self.lesson) + 1), EXPLORE]}
        return choices | {name: trait.rule for name, trait in traits if hasattr(trait, "rule")}

    @classmethod
    def limits(cls, name) -> tuple[float, float]:
        """(low, high) of a setting that is a number, or holds numbers."""
        trait = getattr(cls, name)
        return trait.low, trait.high

    @property
    def settings(self) -> dict:
        """The settings as they are, a dict."""
        return {name: getattr(self, name) for name in self.trait_names(setting=True)}

    def __repr__(self) -> str:
        own = self._begins(self.step, self.preset)
        texts = {name: repr(value) for name, value in self.settings.items() if value != own.get(name, value)}
        said = (f"{name}={text if len(text) <= 200 else text[:100] + '…'}" for name, text in sorted(texts.items()))
        step = [] if self.step == EXPLORE else [f"step={self.step}"]
        return f"{type(self).__name__}({', '.join([repr(self.preset), *step, *said])})"

    def __reduce__(self):
        """A copy, and what is unpickled, is a new widget of these settings, with no observers, links or views."""
        return _make, (self._kind, self.settings)

    def __copy__(self):
        make, arguments = self.__reduce__()
        return make(*arguments)

    def __deepcopy__(self, memo):
        make, arguments = self.__reduce__()
        return make(*deepcopy(arguments, memo))

    def reset(self) -> None:
        """Go back to where the step began, or, where everything is shown, to the preset's own settings."""
        with self.hold_trait_notifications():
            for name, value in self._begins(self.step, self.preset if self.step == EXPLORE else None).items():
                setattr(self, name, value)

    # Steps ------------------------------------------------------------------------------------------------------

    def _first(self, preset, settings) -> dict:
        """What a constructor that was given these begins with: the first step if nothing, else everything."""
        step = settings.get("step", 1 if self.lesson and preset is None and not {*settings} - {"layout"} else EXPLORE)
        return {**self._begins(type(self).step.validate(self, step), preset), **settings}

    def _begins(self, step, preset=None) -> dict:
        """All settings of a step's beginning, with its own preset or another."""
        at = None if step == EXPLORE else self.lesson[step - 1]
        preset = preset or (at.preset if at else self.PRESETS[0])
        return {**self._defaults(preset), **(at.settings if at else {}), "preset": preset, "step": step}

    @tr.default("_lesson")
    def _states_of_steps(self):
        return [step.state(self._begins(i)) for i, step in enumerate(self.lesson, 1)]

    @property
    def panels(self) -> tuple[str, ...]:
        """The names of the pictures that are shown."""
        return self.PANELS if self.step == EXPLORE else self.lesson[self.step - 1].panels

    # What follows from settings -----------------------------------------------------------------------------

    def __setattr__(self, name, value):
        with self._saying(name):
            super().__setattr__(name, value)

    def set_trait(self, name, value) -> None:
        """Set a trait by its name, as the front end and links do."""
        with self._saying(name):
            super().set_trait(name, value)

    @contextmanager
    def _saying(self, name):
        """Where a setting is set; anything else passes."""
        trait = getattr(type(self), name, None)
        if not (isinstance(trait, tr.TraitType) and trait.metadata.get("setting")):
            yield
            return
        with self.hold_trait_notifications():
            if self._said is not None:
                self._said.add(name)
            yield

    @contextmanager
    def hold_trait_notifications(self) -> Iterator[None]:
        """Settings that are said together: what follows from them leaves each as it was said."""
        if self._cross_validation_lock:  # this happens inside another, or in the constructor
            yield
            return
        before, self._said = self.settings, set()
        try:
            with self.hold_sync(), super().hold_trait_notifications():
                yield
                said, self._said = self._said, None
                for name, value in self._following(before, said).items():
                    if name not in said:
                        setattr(self, name, value)
        finally:
            self._said = None

    def _following(self, before, said):
        """What settings become, a dict, where those before have become the present ones; `said` were set just now."""
        if self.step not in (before["step"], EXPLORE):  # "explore" goes on with what is there
            return self._begins(self.step, self.preset if "preset" in said else None)
        return self._begins(self.step, self.preset) if self.preset != before["preset"] else {}

    def _defaults(self, preset):
        """The settings that a preset begins with; `TraitError` for a name that is none."""
        raise NotImplementedError

    @tr.validate("preset")
    def _known_preset(self, proposal):
        self._defaults(proposal["value"])
        return proposal["value"]

    def picture(self, panels=None) -> Figure:
        """A matplotlib figure of the present state, in the book's style: of what is shown, or of the `panels` named.

        Raises `ValueError` for a panel that this widget has not.
        """
        panels = self.panels if panels is None else panels
        for i, name in enumerate(panels):
            checks.choice(f"panels[{i}]", name, self.PANELS)
        with plots.style():
            return self._draw(panels)

    def _draw(self, panels):
        columns, rows = (2, 2) if len(panels) == 4 else (len(panels), 1)  # else letters would be small on paper
        fig, axes = plots.row(columns, rows=rows, width=7.8 if columns == 3 else 7.6)
        for ax, name in zip(axes, panels, strict=True):
            getattr(self, f"_draw_{name}")(ax)
        return fig

    def alt(self) -> str:
        """The picture in words."""
        opening, words = self._words()
        return f"{opening}: {'; '.join(words[name] for name in self.panels)}."

    def _words(self) -> tuple[str, dict[str, str]]:
        """What the pictures are drawn for, and what each shows."""
        raise NotImplementedError

    def key(self) -> str:
        """The world, what the picture is drawn for, and what its marks are, in sentences."""
        world = self._presets[self.preset].get("about", "")
        opening, marks = self._words()[0], self._marks()
        sentences = (world, f"{opening}.", *(marks[name] for name in self.panels))
        text = " ".join(filter(None, sentences)).replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")
        return re.sub(r"(?<!\w)-(?=\d)", "−", text)

    def _marks(self) -> dict[str, str]:
        """What the marks of each panel are, in sentences, as far as the panel does not say so itself."""
        raise NotImplementedError

    def page_state(self) -> dict:
        """What the page's script needs: the synced traits that the book's classes define, as JSON values."""
        own = (name for name, trait in self.traits(sync=True).items() if issubclass(trait.this_class, Widget))
        return {name: getattr(self, name) for name in own if name not in ("_esm", "_css", "_anywidget_id")}

    def to_html(self) -> str:
        """The view for pages without a kernel: state, and the picture until a script mounts it."""
        state = json.dumps(self.page_state(), separators=(",", ":"), ensure_ascii=False)
        state = state.replace("</", "<\\/")  # or a string in it could close the script element
        at = None if self.step == EXPLORE else self.lesson[self.step - 1]
        asks = " data-asks" if at and at.guess else ""
        title = at.title if at else "Everything at once"
        return (
            f'<div class="rlbook-widget" data-widget="{type(self).__name__}" data-view="{self._view}" '
            f'data-step="{self.step}" data-panels="{len(self.panels)}"{asks}>'
            f'<img class="rlbook-picture" alt="{escape(self.alt())}" src="{plots.to_uri(self.picture())}">'
            f'<p class="rlbook-key"><strong>{escape(title)}</strong>, as it begins. {escape(self.key())}</p>'
            f'<p class="rlbook-note">{NOTE}</p>'
            f'<script type="application/json">{state}</script></div>'
        )

    def save_html(self, path) -> None:
        """Write the widget as a page of its own into one file, alive wherever it is opened, with nothing beside it.

        `path` is the file's, a `str` or `Path`; a file that is there is written over. The page, about half a
        megabyte, asks for nothing else, so it works offline, sent by mail or in an `<iframe>`. Its widget begins with
        the settings that this one has now, and is no longer tied to it.

        Raises `ValueError` for what is no path and for a file that cannot be written, and says why it cannot.
        """
        file = checks.path("path", path, "a file")
        names = ("widgets.js", f"widgets.{self._view}.js", "widget-loader.js")  # what the loader would fetch, first
        scripts = ((STATIC / name).read_text(encoding="utf-8") for name in names)
        page = PAGE.format(
            title=type(self).__name__,
            style=(STATIC / "widgets.css").read_text(encoding="utf-8"),
            html=self.to_html(),
            scripts="".join(f"<script>{script}</script>" for script in scripts),
        )
        try:
            file.write_text(page, encoding="utf-8")
        except OSError as error:
            raise ValueError(f"path must be a file that can be written, got {str(path)!r}: {error.strerror}") from error

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, "text/html": self.to_html()}, metadata


def _make(kind, settings):
    return kind(**settings)


# Settings with limits, which the page reads too (`Widget._schema`): they stand nowhere else.


class Number(tr.Float):
    """A number from `low` to `high`; nan is none. Its slider goes over `shown`, all of it if not said, by `step`.

    With `log` the slider is logarithmic, and the step one of log₁₀.
    """

    def __init__(self, default, low, high, *, step=0.01, shown=None, log=False):
        super().__init__(default)
        self.low, self.high = low, high
        self.rule = {"low": low, "high": high, "step": step, "shown": list(shown or (low, high)), "log": log}

    def validate(self, obj, value) -> object:
        value = super().validate(obj, value)
        if not self.low <= value <= self.high:
            raise tr.TraitError(f"{self.name} must be a number from {self.low:g} to {self.high:g}, got {value!r}")
        return value


class Whole(tr.Int):
    """A whole number from `low` to `high`, by steps from `low` on: with a step of 2 an even or an odd one."""

    def __init__(self, default, low, high, *, step=1):
        super().__init__(default)
        self.low, self.high, self.step = low, high, step
        self.rule = {"low": low, "high": high, "step": step, "shown": [low, high], "whole": True}

    def validate(self, obj, value) -> object:
        value = super().validate(obj, value)
        if not self.low <= value <= self.high or (value - self.low) % self.step:
            kind = {1: "a whole", 2: ("an even", "an odd")[self.low % 2]}[self.step]
            raise tr.TraitError(f"{self.name} must be {kind} number from {self.low} to {self.high}, got {value!r}")
        return value


class Numbers(tr.List):
    """Numbers from `low` to `high` in nested lists of a shape. `called` says in an error what they are."""

    def __init__(self, shape, low, high, called, *, step=0.01, shown=None):
        inner = tr.Float()
        for n in shape[:0:-1]:
            inner = tr.List(inner, minlen=n, maxlen=n)
        super().__init__(inner, minlen=shape[0], maxlen=shape[0])
        self.low, self.high, self.called = low, high, called
        self.rule = {"low": low, "high": high, "step": step, "shown": list(shown or (low, high)), "shape": list(shape)}

    def validate(self, obj, value) -> object:
        value = super().validate(obj, value)
        if not all(self.low <= x <= self.high for x in np.ravel(value)):  # nor is nan
            limits = f"from {self.low} to {self.high}".replace("-", "−")
            raise tr.TraitError(f"{self.name} must be {self.called} {limits}, got {value!r}")
        return value


class PresetWidget(Widget):
    """A widget whose presets are sets of settings. A subclass calls `take_presets` once its presets are known."""

    _presets = tr.Dict().tag(sync=True)

    @classmethod
    def take_presets(cls, table, usual) -> None:
        """`table`: a preset's name, and its title, its world in a line, perhaps a note, and what is not usual in it."""
        cls._table, cls._usual = table, usual
        cls.name_presets(table)

    def __init__(self, preset=None, **settings):
        super().__init__(**self._first(preset, settings))

    def _defaults(self, preset):
        """The settings that a preset begins with."""
        if preset not in self._table:
            raise tr.TraitError(f"preset must be one of {', '.join(map(repr, self._table))}, got {preset!r}")
        return {**self._usual, **self._table[preset][-1]}

    @tr.default("_presets")
    def _settings_of_presets(self):
        return {
            name: {"title": title, "settings": self._defaults(name), **_said_of(notes)}
            for name, (title, *notes, _) in self._table.items()
        }


def _said_of(notes):
    """What a preset's world is, and what to look at in it; the one text may be both."""
    return {"about": notes[0], "note": notes[-1]} if notes else {}
