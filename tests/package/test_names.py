"""One word for one thing: the arguments of all public functions against the table of names on the package's page."""

import inspect
import re
from importlib import import_module
from importlib.util import find_spec

import pytest

from tests.sources import ROOT
from tests.sources import TOPICS as topics

TOPICS = [*topics, "studies", *(["neural"] if find_spec("torch") else [])]
SHARED = 6  # functions: a name that so many take is in the table
PAGE = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
TABLE = PAGE.split("## One word for one thing")[1].split("\n## ")[0]
ROWS = [line.strip("|").split("|") for line in TABLE.splitlines() if line.startswith("| `")]
NAMES, NEVER = ({word for row in ROWS for word in re.findall(r"`(\w+)`", row[column])} for column in (0, 2))


def signatures():
    """Every public function, constructor and method with its signature: {name: Signature}."""
    found = {}
    for topic in TOPICS:
        module = import_module(f"rlbook.{topic}")
        for name in getattr(module, "__all__", None) or [key for key in vars(module) if not key.startswith("_")]:
            value = getattr(module, name)
            if not getattr(value, "__module__", "").startswith("rlbook."):
                continue
            members = {name: value} if inspect.isfunction(value) else {}
            if inspect.isclass(value):
                members |= {f"{name}.{key}": member for key, member in vars(value).items() if not key.startswith("_")}
            for key, member in members.items():
                member = getattr(member, "__func__", member)
                if inspect.isfunction(member):
                    found[f"{topic}.{key}"] = inspect.signature(member)
    return found


SIGNATURES = signatures()
TAKEN = {}
for function, signature in SIGNATURES.items():
    for parameter in signature.parameters:
        TAKEN.setdefault(parameter, []).append(function)


def test_the_table_is_read():
    assert len(ROWS) > 20
    assert {"mdp", "pi", "alpha", "step_size"} <= NAMES
    assert {"lr", "max_iter"} <= NEVER
    assert not NAMES & NEVER
    assert len(SIGNATURES) > 100


def test_names_that_many_functions_take_are_in_the_table():
    own = {"self", "cls"}
    formulas = {"q", "c", "mu", "sigma", "bend", "natural", "observations", "actions", "g", "z", "f"}  # of one chapter
    often = {name for name, functions in TAKEN.items() if len(functions) >= SHARED}
    assert not sorted(often - NAMES - own - formulas)


@pytest.mark.skipif("neural" not in TOPICS, reason="names of rlbook.neural need torch")
def test_every_name_in_the_table_is_taken():
    assert not sorted(NAMES - set(TAKEN))


def test_no_function_takes_another_word_for_the_same():
    assert not {name: TAKEN[name] for name in NEVER & set(TAKEN)}


def test_alpha_is_a_temperature_and_features_come_by_name():
    soft = re.compile(r"soft|trace|q_learning|entropy_program|deep_q|state_value|td_target|td_loss")
    assert not [function for function in TAKEN["alpha"] if not soft.search(function)]
    for function in TAKEN["features"]:
        if function != "bellman.on_policy":  # which is about its features
            assert SIGNATURES[function].parameters["features"].kind is inspect.Parameter.KEYWORD_ONLY, function


def test_every_function_says_what_it_returns():
    assert not [
        function
        for function, signature in SIGNATURES.items()
        if signature.return_annotation is inspect.Signature.empty and not function.endswith("__")
    ]
