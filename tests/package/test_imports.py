"""Who imports whom in the package, as the book's extensions read it; and that imports point one way."""

import ast
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from book._ext import house
from book._ext.imports import Sources
from tests.sources import ROOT, TOPICS

FILES = {
    "rlbook/__init__.py": '"""Face."""\nfrom rlbook.topic import noun, verb\nfrom rlbook.base import *\nimport numpy\n',
    "rlbook/base.py": "SIZE = WIDTH, (HEIGHT, _) = 1, (2, 3)\n",
    "rlbook/topic/__init__.py": "from rlbook.topic.first import noun as noun\nfrom .second import act as verb\n",
    "rlbook/topic/first.py": "from rlbook import SIZE\ndef noun():\n    from . import second\n",
    "rlbook/topic/second.py": "import rlbook.base as base, scipy\nfrom ..other import thing\ndef act(): pass\n",
    "rlbook/other.py": "thing = 1\n",
    "rlbook/all/__init__.py": "from rlbook.topic import *\n",
    "rlbook/made/__init__.py": "from rlbook.other import thing\ndef own(): pass\n",
    "rlbook/widgets/frontend/node_modules/x.py": "import rlbook\n",
}


@pytest.fixture
def sources(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return Sources(tmp_path)


def test_rooms_define_something_and_faces_hand_on(sources):
    inner = ["rlbook.topic.first", "rlbook.topic.second"]
    assert sources.rooms() == ["rlbook.base", "rlbook.made", "rlbook.other", *inner]


@pytest.mark.parametrize(
    ("program", "rooms"),
    [
        ("from rlbook import noun", "topic.first"),
        ("from rlbook import verb as v", "topic.second"),
        ("from rlbook.topic import verb", "topic.second"),
        ("from rlbook import WIDTH, HEIGHT", "base"),
        ("from rlbook import other", "other"),
        ("from rlbook.all import verb", "topic.second"),
        ("import rlbook.other as o", "other"),
        ("from rlbook import topic", "topic.first topic.second"),
        ("import rlbook", "base topic.first topic.second"),
        ("from rlbook.made import own", "made"),
        ("from rlbook.made import thing", "other"),
        ("import numpy\nfrom scipy import sparse", ""),
    ],
)
def test_a_name_counts_as_imported_from_the_room_that_defines_it(sources, program, rooms):
    assert sources.imports("", ast.parse(program)) == {f"rlbook.{room}" for room in rooms.split()}


def test_imports_within_the_package_in_functions_too(sources):
    assert sources.imports("rlbook.topic.first") == {"rlbook.base", "rlbook.topic.second"}
    assert sources.imports("rlbook.topic.second") == {"rlbook.base", "rlbook.other"}
    closure = {"rlbook.topic.first", "rlbook.base", "rlbook.topic.second", "rlbook.other"}
    assert sources.closure({"rlbook.topic.first"}) == closure


# The house ----------------------------------------------------------------------------------------------------------

HOUSE = Sources(ROOT)
NUMERICS = [room for room in HOUSE.rooms() if not room.startswith(("rlbook.neural", "rlbook.widgets", "rlbook.plots"))]


def underscored(sources):
    """Each use in one module of another's name that begins with an underscore, imported or as an attribute."""
    for module, tree in sources.tree.items():
        modules = set()
        for source, name, alias in sources.named_in(tree, module):
            if source.partition(".")[0] != "rlbook":
                continue
            if name and name.startswith("_") and not name.startswith("__"):
                yield f"{module} imports {source}.{name}"
            if not name or f"{source}.{name}" in sources.path:
                modules.add(alias)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                if node.attr.startswith("_") and not node.attr.startswith("__"):
                    yield f"{module} uses {node.value.id}.{node.attr}"


def circles(sources):
    """The rooms that import themselves in the end."""
    return [room for room in sources.rooms() if room in sources.closure(sources.imports(room))]


def foreign(sources, module):
    return {source.partition(".")[0] for source, *_ in sources.named_in(sources.tree[module], module)}


def test_no_module_uses_anothers_underscore_names():
    assert not list(underscored(HOUSE))


# Each topic with those that it may stand on: a chapter's with what it needs of the others.
BELOW = {
    "checks": (),
    "results": (),
    "statements": (),
    "divergences": ("checks",),
    "mdp": ("checks",),
    "bellman": ("checks", "results", "mdp"),
    "occupancies": ("checks", "results", "mdp", "divergences", "bellman"),
    "policy_gradient": ("checks", "results", "mdp", "bellman", "occupancies"),
    "natural_gradients": ("checks", "results", "mdp", "divergences", "bellman", "occupancies", "policy_gradient"),
    "q_prop": ("checks", "results", "mdp", "bellman", "occupancies"),
    "derivations": ("checks", "mdp"),
    "studies": ("checks",),
}


def test_floors():
    """checks, results and statements know no other, the noun knows checks alone, and every topic stands on these."""
    assert set(BELOW) == {*TOPICS, "checks", "statements", "studies"}, "say of a topic what it may stand on"
    found = {topic: set() for topic in BELOW}
    for room in NUMERICS:
        topic = room.split(".")[1]
        found[topic] |= {other.split(".")[1] for other in HOUSE.imports(room)} - {topic}
    for topic, topics in found.items():
        assert topics <= set(BELOW[topic]), topic


def test_imports_have_no_circle():
    assert not circles(HOUSE)


def test_numerics_know_no_widget_no_plot_and_no_torch():
    assert len(NUMERICS) > 5
    for room in NUMERICS:
        known = {other for other in HOUSE.closure({room}) if other not in NUMERICS}
        assert not known, room
        assert not foreign(HOUSE, room) & {"matplotlib", "ipywidgets", "anywidget", "traitlets"}, room


def test_torch_is_imported_by_the_neural_rooms_alone_and_these_by_no_widget():
    for module in HOUSE.path:
        if not module.startswith("rlbook.neural"):
            assert "torch" not in foreign(HOUSE, module), module
        if module.startswith("rlbook.widgets"):
            assert not [room for room in HOUSE.closure({module}) if room.startswith("rlbook.neural")], module


def test_rlbook_is_imported_without_the_packages_of_scipy_that_it_may_never_need():
    """`scipy.special` alone takes as long as all the rest."""
    told = "import sys, rlbook; print(*{'scipy.special', 'scipy.linalg', 'scipy.sparse'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_faults_of_the_house_are_seen(tmp_path):
    (tmp_path / "rlbook").mkdir()
    (tmp_path / "rlbook" / "a.py").write_text("from rlbook.b import _secret\ndef f():\n    import rlbook.c as c\n")
    (tmp_path / "rlbook" / "b.py").write_text("from rlbook import c\n_secret = c._hidden, c.__name__\n")
    (tmp_path / "rlbook" / "c.py").write_text("def g():\n    from rlbook import a\n    a.shown\n")
    (tmp_path / "rlbook" / "d.py").write_text("import rlbook.a\nimport torch.nn as nn\n")
    found = Sources(tmp_path)
    assert list(underscored(found)) == ["rlbook.a imports rlbook.b._secret", "rlbook.b uses c._hidden"]
    assert circles(found) == ["rlbook.a", "rlbook.b", "rlbook.c"]
    assert foreign(found, "rlbook.d") == {"rlbook", "torch"}


def test_the_drawing_is_of_todays_imports():
    drawn = (ROOT / house.FILE).read_text(encoding="utf-8")
    assert drawn == house.drawing(HOUSE), "run .venv/bin/python -m book._ext.house"


def test_the_drawing_has_every_room_above_what_it_imports(sources):
    found = ElementTree.fromstring(house.drawing(sources))
    named = {text.text: float(text.get("y")) for text in found.iter("{http://www.w3.org/2000/svg}text")}
    assert set(named) == {"base", "made", "other", "topic", "first", "second"}
    assert named["base"] == named["other"] > max(named["made"], named["second"]) >= named["second"] > named["first"]
    assert len(list(found.iter("{http://www.w3.org/2000/svg}path"))) == 1 + 3  # the tip, and topic → both, made → other


def test_an_arrow_that_others_imply_is_left_out():
    assert house.reduced({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {("a", "b"), ("b", "c")}
    assert house.floors({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": 2, "b": 1, "c": 0}
