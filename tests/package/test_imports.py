"""Who imports whom, as the book's extensions read it from the source."""

import ast

import pytest

from book._ext.imports import Sources

FILES = {
    "rlbook/__init__.py": '"""Face."""\nfrom rlbook.topic import noun, verb\nfrom rlbook.base import *\nimport numpy\n',
    "rlbook/base.py": "SIZE = WIDTH, (HEIGHT, _) = 1, (2, 3)\n",
    "rlbook/topic/__init__.py": "from rlbook.topic.first import noun as noun\nfrom .second import act as verb\n",
    "rlbook/topic/first.py": "from rlbook import SIZE\ndef noun():\n    from . import second\n",
    "rlbook/topic/second.py": "import rlbook.base as base, scipy\nfrom ..other import thing\ndef act(): pass\n",
    "rlbook/other.py": "thing = 1\n",
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
