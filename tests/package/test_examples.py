"""Every name that `rlbook` exports shows an example in its docstring, and every example says what it says."""

import doctest
import importlib
import pkgutil

import pytest

import rlbook

FINDER = doctest.DocTestFinder()
WITHOUT = ("rlbook.neural", "rlbook.studies")  # their examples are run where torch is
MODULES = [
    module.name for module in pkgutil.walk_packages(rlbook.__path__, "rlbook.") if not module.name.startswith(WITHOUT)
]
EXAMPLES = [test for name in MODULES for test in FINDER.find(importlib.import_module(name), name) if test.examples]


@pytest.mark.parametrize("name", rlbook.__all__)
def test_what_is_exported_shows_an_example(name):
    assert ">>> from rlbook import " in getattr(rlbook, name).__doc__
    assert name in {test.name.rpartition(".")[2] for test in EXAMPLES}


@pytest.mark.parametrize("test", EXAMPLES, ids=lambda test: test.name)
def test_an_example_gives_what_it_shows(test):
    failed, tried = doctest.DocTestRunner().run(test)
    assert tried
    assert not failed
