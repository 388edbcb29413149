"""What `make mutants` changes, and what it leaves alone; the list of those that no test could notice."""

import tomllib

import pytest

from tests import mutants

SOURCE = '''"""A mean of 2 numbers."""


MOST = 3


def mean(x: list[int], *, least: int = 1) -> float:
    """At least 1."""
    if len(x) < least and x:
        raise ValueError(f"at least {least + 1}")
    total = 0.5
    for y in x:
        if y is None:
            continue
        total = total + y
    return max(total / len(x), 2.0) @ M.T
'''


@pytest.fixture
def changes(monkeypatch, tmp_path):
    path = tmp_path / "mean.py"
    path.write_text(SOURCE, encoding="utf-8")
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setitem(mutants.TOPICS, "shared", [path])
    mutants.uses.cache_clear()
    yield [mutant.change for mutant in mutants.Mutations("shared", path).found.values()]
    mutants.uses.cache_clear()


def test_each_kind_of_change_is_made_and_no_other(changes):
    assert sorted(changes) == sorted(
        [
            ("MOST = 3", "MOST = 4"),
            (head := "def mean(x: list[int], *, least: int = 1) -> float:", head.replace("= 1", "= 0")),
            (test := "if len(x) < least and x:", "if len(x) <= least and x:"),
            (test, "if len(x) < least or x:"),
            (test, "if (not (len(x) < least and x)):"),
            ("total = 0.5", "total = 1.0"),
            ("if y is None:", "if y is not None:"),
            ("continue", "break"),
            ("total = total + y", "total = total - y"),
            ("total = total + y", "pass"),
            (last := "return max(total / len(x), 2.0) @ M.T", last.replace("max", "min")),
            (last, last.replace("/", "*")),
            (last, last.replace("2.0", "4.0")),
            (last, last.replace("@", "*")),
            (last, last.replace(".T", "")),
        ]
    )


def test_the_sample_is_even_and_the_same_each_time():
    chosen, every = mutants.sample(70, 0, "")
    assert [mutant.key for mutant in chosen] == [mutant.key for mutant in mutants.sample(70, 0, "")[0]]
    assert {topic: sum(mutant.topic == topic for mutant in chosen) for topic in mutants.TOPICS} == dict.fromkeys(
        mutants.TOPICS, 10
    )
    assert {mutant.key for mutant in chosen} < every
    larger, _ = mutants.sample(140, 0, "")
    assert {mutant.key for mutant in chosen} < {mutant.key for mutant in larger}


def test_what_is_listed_as_equivalent_exists_and_says_why():
    listed = tomllib.loads(mutants.EQUIVALENT.read_text(encoding="utf-8")).get("equivalent", [])
    _, every = mutants.sample(0, 0, "")
    for entry in listed:
        assert (entry["place"], entry["line"], entry["mutant"]) in every
        assert len(entry["reason"].split()) > 3
