"""Lessons in Python: where steps begin, what follows from one, and what is refused."""

import copy
import pickle

import pytest
import traitlets as tr
from matplotlib.colors import same_color

import rlbook.widgets
from rlbook import plots
from rlbook.widgets import VarianceReduction
from rlbook.widgets.gradient_problems import two_arms
from rlbook.widgets.lesson import EXPLORE, Guess, Step
from rlbook.widgets.maps import BY_SIGN
from tests.lessons import KINDS, STEPS


@pytest.mark.parametrize(("kind", "step"), STEPS)
def test_a_step_begins_as_it_says(kind, step):
    lesson = kind.lesson[step - 1]
    widget = kind(step=step)
    assert widget.preset == lesson.preset
    assert {name: getattr(widget, name) for name in lesson.settings} == lesson.settings
    assert set(lesson.panels) <= set(kind.PANELS)
    assert widget.panels == lesson.panels
    assert 1 <= len(lesson.panels) <= 2
    assert 1 <= len(lesson.controls) <= 2
    assert widget.picture().axes
    assert all(len(text) <= 200 for text in (lesson.say, lesson.guess.because if lesson.guess else ""))

    other = kind(kind.PRESETS[0])
    assert other.step == EXPLORE
    other.step = step
    assert other.settings == widget.settings, "the step brings the same, whatever was there"


COLOURS = {
    "orange": plots.SAMPLES,
    "vermilion": plots.PLAIN,
    "blue": plots.IMPROVED,
    "green": plots.BASELINE,
    "purple": plots.OTHER,
    "grey": plots.BOUND,
}


def colours_of(ax):
    """The names of the colours in a panel, and of those among them that its legend or its rows' names tell."""
    drawn, told, rows = set(), set(), len(ax.get_yticklabels()) and not ax.get_ylabel() and ax.get_xlabel()
    for thing in (*ax.lines, *ax.patches, *ax.collections):
        parts = [thing.get_color()] if hasattr(thing, "get_color") else [thing.get_facecolor(), thing.get_edgecolor()]
        flat = [x for part in parts for x in ([part] if isinstance(part, str | tuple) else part)]
        found = {name for name, of in COLOURS.items() for x in flat if same_color(x[:3] if len(x) == 4 else x, of)}
        drawn |= found
        has_name = ax.get_legend() and not str(thing.get_label() or "_").startswith("_")
        told |= found if has_name or (rows and found <= {"vermilion", "green"}) else set()
    return drawn, told


@pytest.mark.parametrize(("kind", "step"), [*STEPS, *(pytest.param(at.values[0], EXPLORE) for at in KINDS)])
def test_the_key_under_a_picture_names_the_colours_of_each_of_its_panels(kind, step):
    widget = kind(step=step)
    before = ""  # a panel may be told with the one before it
    for panel, ax in zip(widget.panels, widget.picture().axes, strict=True):
        marks = widget._marks()[panel]
        drawn, told = colours_of(ax)
        named = {name for name in COLOURS if name in marks.replace(BY_SIGN, "").lower()}
        by_sign = {"blue", "vermilion"} if "is above 0" in before + marks else set()
        assert named - by_sign <= drawn, panel
        earlier = {name for name in COLOURS if name in before.lower()}
        assert drawn <= named | told | by_sign | earlier, panel
        before += marks
    assert widget.key() in widget.to_html()


@pytest.mark.parametrize(("kind", "step"), [at for at in STEPS if at.values[0].lesson[at.values[1] - 1].guess])
def test_what_a_guess_brings_can_be_shown(kind, step):
    guess = kind.lesson[step - 1].guess
    widget = kind(step=step, **guess.settings)
    assert {name: getattr(widget, name) for name in guess.settings} == guess.settings


@pytest.mark.parametrize("kind", KINDS)
def test_three_to_five_steps_with_explore_and_the_first_is_what_a_bare_widget_shows(kind):
    assert 3 <= len(kind.lesson) + 1 <= 5
    assert kind().step == 1
    assert kind(step=EXPLORE).panels == kind.PANELS
    assert kind(kind.PRESETS[0]).step == EXPLORE, "who names a preset sees everything"
    titles = [step.title for step in kind.lesson]
    assert len({*titles}) == len(titles)


def test_worlds_are_told_in_a_line_and_no_two_have_the_same_name():
    told = {}
    for name in rlbook.widgets.__all__:
        for preset in getattr(rlbook.widgets, name)()._presets.values():
            if getattr(rlbook.widgets, name).lesson:
                assert 20 < len(preset["about"]) <= 200, preset["title"]
            if "about" in preset:
                told.setdefault(preset["title"], set()).add((name, preset["about"]))
    lines = {title: {line for _, line in at} for title, at in told.items()}
    assert {title for title, at in lines.items() if len(at) > 1} == set()


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_followed_kept_in_copies_and_left_for_everything(kind):
    widget = kind(step=2)
    for twin in (copy.copy(widget), pickle.loads(pickle.dumps(widget)), eval(repr(widget), vars(rlbook.widgets))):
        assert twin.settings == widget.settings
    before = widget.settings
    widget.step = EXPLORE
    assert widget.settings == {**before, "step": EXPLORE}, "everything is shown as it was"
    widget.step = 1
    assert widget.settings == kind().settings
    widget.step = 2
    other = next(preset for preset in kind.PRESETS if preset != widget.preset)
    widget.preset = other
    assert (widget.step, widget.preset) == (2, other)
    widget.reset()
    assert widget.settings == kind(step=2).settings


def test_what_was_said_with_a_step_is_kept():
    assert VarianceReduction(step=1, kappa=0.25).kappa == 0.25
    widget = VarianceReduction("two-arms")
    with widget.hold_trait_notifications():
        widget.step, widget.kappa = 1, 0.25
    assert (widget.preset, widget.kappa) == ("two-rooms", 0.25)
    own = VarianceReduction.of(two_arms()[2].mdp, [[0.0, 0.0]], horizon=1)
    assert (own.step, own.preset) == (EXPLORE, "own")


@pytest.mark.parametrize("bad", [0, 9, True, 1.0, "1", None, [1]])
@pytest.mark.parametrize("kind", KINDS)
def test_bad_steps_are_refused(kind, bad):
    said = f"step must be a whole number from 1 to {len(kind.lesson)}, or 'explore', got "
    with pytest.raises(tr.TraitError, match=said):
        kind(step=bad)
    widget = kind()
    with pytest.raises(tr.TraitError, match=said):
        widget.step = bad
    assert widget.step == 1


def test_bad_guesses_are_refused():
    with pytest.raises(ValueError, match="chosen from `answers` or set `between`"):
        Guess("?", "so")
    with pytest.raises(ValueError, match="chosen from `answers` or set `between`"):
        Guess("?", "so", answers=("a", "b"), between=(0, 1))
    with pytest.raises(ValueError, match="right must be the place of one of 2 answers, got 2"):
        Guess("?", "so", answers=("a", "b"), right=2)
    with pytest.raises(ValueError, match="low < high"):
        Guess("?", "so", between=(1.0, 0.0), number="variance")
    with pytest.raises(TypeError):
        Step("a title", "a sentence", ("cloud",))
