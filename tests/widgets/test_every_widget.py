"""What holds for every widget of the book in Python: settings said together, what follows from them, copies, repr."""

import copy
import importlib
import inspect
import pickle
import pkgutil
import re

import numpy as np
import pytest
from traitlets import TraitError

import rlbook.widgets
from rlbook import gridworld
from rlbook.widgets import AverageGrid, PerformanceDifference, ValueIteration, VarianceReduction

KINDS = [getattr(rlbook.widgets, name) for name in rlbook.widgets.__all__]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)

# A setting of each that every preset admits, with a value that no preset has.
ODD = {
    "AverageGrid": ("episodes", 7),
    "BellmanPlane": ("k", 7),
    "ControlVariate": ("c", 0.123),
    "NaturalGradient": ("alpha", 0.123),
    "Occupancy": ("share", 0.123),
    "PerformanceDifference": ("alpha", 0.123),
    "QProp": ("weight", 0.123),
    "ValueIteration": ("k", 7),
    "VarianceReduction": ("kappa", 0.123),
}


def together(widget, how, said):
    """Say several settings at once, in one of the ways that there are."""
    if how == "hold":
        with widget.hold_trait_notifications():
            for name, value in said.items():
                setattr(widget, name, value)
    elif how == "set_trait":
        with widget.hold_trait_notifications():
            for name, value in said.items():
                widget.set_trait(name, value)
    else:
        widget.set_state(said)


WAYS = ["hold", "set_trait", "set_state"]


@pytest.mark.parametrize("how", WAYS)
@every_kind
def test_what_is_said_with_a_preset_stays_and_the_preset_brings_the_rest(kind, how):
    name, odd = ODD[kind.__name__]
    for last in (kind.PRESETS[-1], kind.PRESETS[1]):
        # `odd` is the present value already, so that nothing tells it but its being said
        widget = kind(kind.PRESETS[0], **{name: odd})
        together(widget, how, {name: odd, "preset": last})
        assert widget.settings == {**kind(last).settings, name: odd}


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", [AverageGrid, PerformanceDifference, ValueIteration])
def test_what_is_said_with_a_map_stays(kind, how):
    widget = kind(kind.PRESETS[0])
    said = {"cell_rewards": [[0, 1, 0]], "policy": [">>."], "rows": ["S.G"]}
    together(widget, how, said)
    assert {name: getattr(widget, name) for name in said} == said
    assert widget.mdp.n_states == 3
    together(widget, how, {"rows": ["SG"], "policy": [">."]})
    assert (widget.policy, widget.cell_rewards) == ([">."], [])  # the rewards belonged to the other map


@pytest.mark.parametrize("how", WAYS)
def test_what_is_said_with_a_map_or_policy_stays_in_each_widget(how):
    widget = PerformanceDifference("small-step")
    together(widget, how, {"rows": ["S.G"], "other": [">>."]})
    assert (widget.policy, widget.other) == ([], [">>."])

    episodes = AverageGrid("goal-and-pit")
    together(episodes, how, {"policy": [], "seed": 5, "episodes": 40})
    assert (episodes.episodes, episodes.seed, episodes.t) == (40, 5, 0)

    sweeps = ValueIteration(k=4)
    start = np.arange(12.0).reshape(1, 3, 4).tolist()
    together(sweeps, how, {"rows": ["S.G"], "Q0": start, "k": 2})
    assert (sweeps.Q0, sweeps.other_Q0, sweeps.k) == (start, [], 2)
    together(sweeps, how, {"gamma": 0.5, "k": 2})  # as many sweeps, now of another operator, from the same start
    assert (sweeps.Q0, sweeps.k) == (start, 2)

    cloud = VarianceReduction("two-rooms")
    together(cloud, how, {"preset": "two-arms", "baseline": [[0.5]], "time": 0})
    assert (cloud.baseline, cloud.time, cloud.beta) == ([[0.5]], 0, 1.0)


@every_kind
def test_what_follows_needs_no_observers(kind):
    widget = kind(kind.PRESETS[0])
    widget.unobserve_all()
    for preset in (*kind.PRESETS[1:], kind.PRESETS[0]):
        widget.preset = preset
        assert widget.settings == kind(preset).settings
    name, odd = ODD[kind.__name__]
    setattr(widget, name, odd)
    widget.reset()
    assert widget.settings == kind(widget.preset).settings


def test_maps_sweeps_and_episodes_follow_without_observers():
    sweeps, twin = ValueIteration(k=5), ValueIteration(k=5)
    sweeps.unobserve_all()
    for widget in (sweeps, twin):
        widget.gamma = 0.5
    assert sweeps.k == 0
    assert np.array(sweeps.Q0).any()
    assert sweeps.settings == twin.settings
    sweeps.rows = ["S.G"]
    assert (sweeps.Q0, sweeps.cell_rewards) == ([], [])
    episodes = AverageGrid("goal-and-pit")
    episodes.unobserve_all()
    episodes.slip = 0.3
    assert episodes.episodes == 0
    difference = PerformanceDifference("small-step")
    difference.unobserve_all()
    difference.rows = ["S.G"]
    assert difference.other == []


@every_kind
def test_an_observer_sees_the_whole_preset_at_once(kind):
    widget, seen = kind(kind.PRESETS[0]), []
    widget.observe(lambda change: seen.append(widget.settings), "preset")
    widget.preset = kind.PRESETS[-1]
    assert seen == [kind(kind.PRESETS[-1]).settings]


@every_kind
def test_what_is_refused_leaves_everything_as_it_was(kind):
    widget = kind(kind.PRESETS[0])
    name, odd = ODD[kind.__name__]
    before = widget.settings
    for how in WAYS:
        with pytest.raises(TraitError, match="preset must be one of"):
            together(widget, how, {name: odd, "preset": "nonesuch"})
        assert widget.settings == before
    with pytest.raises(TraitError, match=name):
        together(widget, "hold", {"preset": kind.PRESETS[-1], name: "much"})
    assert widget.settings == before
    widget.preset = kind.PRESETS[-1]  # and what follows follows as ever
    assert widget.settings == kind(kind.PRESETS[-1]).settings


@every_kind
def test_repr_says_the_preset_and_what_differs_from_it(kind):
    name, odd = ODD[kind.__name__]
    for preset in kind.PRESETS:
        assert repr(kind(preset)) == f"{kind.__name__}({preset!r})"
        widget = kind(preset, **{name: odd})
        assert repr(widget) == f"{kind.__name__}({preset!r}, {name}={odd})"
        assert eval(repr(widget), dict(vars(rlbook.widgets))).settings == widget.settings


def test_repr_shortens_what_is_long_and_names_a_problem_of_ones_own():
    widget = ValueIteration(k=5)
    widget.gamma = 0.5
    assert re.fullmatch(
        r"ValueIteration\('goal-and-pit', Q0=\[{3}.{90,100}…, gamma=0.5, other_Q0=\[.{90,100}…\)", repr(widget)
    )
    own = VarianceReduction.of(gridworld([".G"], gamma=0.9), np.zeros((2, 4)), horizon=2, kappa=0.5)
    assert repr(own) == "VarianceReduction('own', kappa=0.5)"


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda widget: pickle.loads(pickle.dumps(widget))])
@every_kind
def test_a_copy_is_a_new_widget_of_the_same_settings(kind, how):
    name, odd = ODD[kind.__name__]
    widget, seen = kind(kind.PRESETS[-1], **{name: odd}), []
    widget.observe(seen.append)
    other = how(widget)
    assert type(other).__name__ == kind.__name__
    assert isinstance(other, kind)
    assert other.settings == widget.settings
    assert other.model_id != widget.model_id
    other.preset = kind.PRESETS[0]
    assert widget.preset == kind.PRESETS[-1]
    assert not seen


def test_a_copy_keeps_the_problem_of_ones_own():
    own = VarianceReduction.of(gridworld([".G"], gamma=0.9), np.arange(8).reshape(2, 4) / 8, horizon=2, kappa=0.5)
    other = pickle.loads(pickle.dumps(own))
    assert other.settings == own.settings
    assert other.variance == own.variance


@pytest.mark.parametrize("kind", [ValueIteration, AverageGrid, PerformanceDifference])
def test_a_map_of_ones_own_is_marked_as_no_preset(kind):
    """It has one to itself, to which `reset` leads back; with a preset that is said it stays that preset's."""
    widget = kind(rows=["..G", "S.P"], slip=0.5)
    assert widget.preset == "own"
    assert list(widget._presets) == ["own", *kind.PRESETS]
    own = {name: value for name, value in widget.settings.items() if name not in ("preset", "step")}
    assert widget._presets["own"]["settings"] == own
    for same in (copy.copy(widget), pickle.loads(pickle.dumps(widget)), eval(repr(widget), dict(vars(rlbook.widgets)))):
        assert same.settings == widget.settings
    before = widget.settings
    widget.preset, widget.slip = kind.PRESETS[-1], 0.25
    assert widget.rows != before["rows"]
    widget.preset = "own"
    assert widget.settings == before
    assert kind(kind.PRESETS[1], rows=["..G", "S.P"]).preset == kind.PRESETS[1]
    with pytest.raises(TraitError, match="preset must be one of"):
        kind("own")


def public_functions():
    """What the widgets' modules define for others to call: functions, methods and properties, by name."""
    for found in pkgutil.iter_modules(rlbook.widgets.__path__):
        module = importlib.import_module(f"rlbook.widgets.{found.name}")
        own = {name: part for name, part in vars(module).items() if getattr(part, "__module__", "") == module.__name__}
        parts = [(found.name, own), *((name, vars(part)) for name, part in own.items() if inspect.isclass(part))]
        for where, members in parts:
            for name, part in members.items():
                inner = getattr(part, "fget", None) or getattr(part, "func", None) or getattr(part, "__func__", part)
                if inspect.isfunction(inner) and not name.startswith("_"):
                    yield f"{where}.{name}", inspect.unwrap(inner)


def test_what_a_public_function_returns_is_annotated():
    functions = dict(public_functions())
    assert {"Occupancy.rho", "Problem.tables", "dice.uniforms"} <= set(functions)
    assert [name for name, one in functions.items() if "return" not in one.__annotations__] == []


@every_kind
def test_its_help_names_every_preset(kind):
    for preset in kind.PRESETS:
        assert f"'{preset}'" in inspect.getdoc(kind)
    assert "{presets}" not in inspect.getdoc(kind)
