"""Lessons: what a widget shows first, second and third, declared beside its presets.

A step is one sentence with a gesture, one or two pictures and one or two controls, in a state in which what it is about
can already be seen. The last is "explore", which has everything. frontend/src/shared/lesson.js lays them out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import traitlets as tr

EXPLORE = "explore"


@dataclass(frozen=True)
class Guess:
    """A question that the reader answers before the widget does.

    `answers` are what there is to choose from and `right` is the right one's place among them; or `between` are the
    ends of a scale on which the reader sets a mark, and `number` says which number of the widget's front end (an entry
    of its `data-…`) is the truth. `because` is read afterwards. `settings` are what then is to be seen.
    """

    question: str
    because: str
    answers: tuple[str, ...] = ()
    right: int = 0
    between: tuple[float, float] | None = None
    number: str = ""
    settings: dict = field(default_factory=dict)

    def __post_init__(self):
        if bool(self.answers) == bool(self.between):
            raise ValueError(f"a guess is chosen from `answers` or set `between` two numbers, got {self!r}")
        if self.answers and not 0 <= self.right < len(self.answers):
            raise ValueError(f"right must be the place of one of {len(self.answers)} answers, got {self.right!r}")
        if self.between and not (self.number and self.between[0] < self.between[1]):
            raise ValueError(f"a scale is (low, high), low < high, with the `number` of its truth, got {self!r}")


@dataclass(frozen=True)
class Step:
    """One step: its name, its sentence, what it shows, where it begins.

    `panels` and `controls` are names that the view gives its parts; `more` are those that come when the reader asks for
    more, the presets among them always. `preset` and `settings` are where it begins; another preset that the reader
    takes there gets the same `settings`.
    """

    title: str
    say: str
    panels: tuple[str, ...]
    controls: tuple[str, ...]
    preset: str
    settings: dict = field(default_factory=dict)
    more: tuple[str, ...] = ()
    guess: Guess | None = None

    def state(self, begins) -> dict:
        """What the front end needs; `begins` are all settings of the step's beginning."""
        return {**asdict(self), "own": self.settings, "settings": begins}


class StepTrait(tr.TraitType):
    """Which step a widget is at: 1, 2, … of its `lesson`, or "explore"."""

    default_value = EXPLORE

    def validate(self, obj, value) -> object:
        last = len(obj.lesson)
        if value == EXPLORE or (type(value) is int and 1 <= value <= last):
            return value
        steps = f"a whole number from 1 to {last}, or {EXPLORE!r}" if last else repr(EXPLORE)
        raise tr.TraitError(f"step must be {steps}, got {value!r}")
