"""Derivations as objects: names, worlds, checks that notice, refusals, and what ties them to statements and errata."""

import re
from dataclasses import replace

import numpy as np
import pytest

from rlbook import TabularMDP, derive
from rlbook.derivations import NAMES
from rlbook.derivations.display import WORLDS, number, shown, values, world_of
from rlbook.derivations.lines import Derivation, equals, first, sequence, tends_to
from tests.derived import code_of, same_code
from tests.sources import ERRATA, NOTEBOOKS, ROOT


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_world_and_the_lines_are_the_same_in_all(name):
    one, again, other = derive(name, seed=3), derive(name, seed=3), derive(name, seed=4)
    for line, same in zip(one.lines, again.lines, strict=True):
        np.testing.assert_array_equal(line.value, same.value)

    def words(made):
        return [(x.relation, x.latex, x.why, [(s.latex, s.why, s.mends) for s in x.slips]) for x in made.lines]

    assert words(one) == words(again) == words(other)
    assert [made.seed for made in one.worlds(3)] == [3, 4, 5]
    assert str(one.worlds(2)[1].world) == str(other.world)


@pytest.mark.parametrize("name", NAMES)
def test_a_line_that_is_off_is_named(name):
    made = derive(name)
    for i, line in enumerate(made.lines[1:], start=1):
        other = Derivation.__new__(Derivation)
        vars(other).update(vars(made))
        size = 1 + np.abs(line.value).max() + np.abs(made.lines[i - 1].value).max()
        off = {"=": 1e-6, "≤": -2.0, "≥": 2.0, "→": 0.1}[line.relation] * size
        other.lines = (*made.lines[:i], replace(line, value=line.value + off), *made.lines[i + 1 :])
        with pytest.raises(ValueError, match=rf"^{name}, line {i + 1}, "):
            other.check()


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_first_line_reasons_and_slips_and_no_formula_that_markdown_would_break(name):
    made = derive(name)
    assert made.lines[0].relation == ""
    assert all(line.relation in ("=", "≤", "≥", "→") for line in made.lines[1:])
    assert sum(len(line.slips) for line in made.lines) >= 1
    for line in made.lines:
        for entry in (line, *line.slips):
            assert entry.why.endswith((".", "”", ".)"))
            assert "$" not in entry.latex
            assert "\n" not in entry.latex + entry.why
            assert entry.why.count("$") % 2 == 0
            assert not re.match(r"[=≤≥→]|\\le|\\ge|\\to", entry.latex)


def marked(kind):
    """{name of a derivation: what its test is marked with}, of tests of the form `holds("name")`."""
    found = {}
    for path in sorted((ROOT / "tests/derivations").glob("test_*_lines.py")):
        text = path.read_text(encoding="utf-8")
        for marks, body in re.findall(r"((?:@pytest\.mark\.[^\n]+\n)*)def test_\w+\(\):\n((?:    [^\n]*\n)+)", text):
            given = re.findall(rf"@pytest\.mark\.{kind}\((.*)\)", marks)
            values = [value.strip("\" '") for values in given for value in values.split(",")]
            for name in re.findall(r'holds\("([\w-]+)"', body):
                found.setdefault(name, set()).update(values)
    return found


def test_every_derivation_has_its_test_and_the_marks_say_what_it_proves_and_mends():
    proves, mends = marked("proves"), marked("mends")
    assert set(proves) == set(NAMES)
    for name in NAMES:
        made = derive(name)
        slips = [slip for line in made.lines for slip in line.slips]
        assert proves[name] == set(made.proves), name
        assert mends[name] == {str(slip.mends) for slip in slips if slip.mends}, name


def test_they_prove_statements_of_the_book_and_mend_items_of_the_errata():
    pytest.importorskip("docutils")  # which comes with the book
    from book._ext.claims import labels_in

    labels = {label for path in NOTEBOOKS for label in labels_in(path)}
    for name in NAMES:
        assert set(derive(name).proves) <= labels, name
        mended = {slip.mends for line in derive(name).lines for slip in line.slips} - {None}
        assert mended <= set(ERRATA), name


def test_a_function_that_is_its_neighbours_is_seen():
    made = derive("reinforce")
    assert not same_code(made)
    i = 2
    other = Derivation.__new__(Derivation)
    vars(other).update(vars(made))
    other.lines = (*made.lines[:i], replace(made.lines[i], function=made.lines[i + 1].function), *made.lines[i + 1 :])
    assert same_code(other) == [[(3, 0), (4, 0)]]
    assert code_of(lambda: 1) == code_of(lambda: 1) != code_of(lambda: 2)
    assert code_of(lambda: [x for x in (1, 2)]) != code_of(lambda: [x for x in (1, 3)])


# Limits -------------------------------------------------------------------------------------------------------------


def in_lines(*lines):
    made = Derivation.__new__(Derivation)
    made.name, made.seed, made.lines = "own", 0, lines
    return made


@pytest.mark.parametrize(("power", "order", "good"), [(1, 1, True), (2, 1, True), (2, 2, True), (1, 2, False)])
def test_a_limit_is_reached_as_fast_as_is_said(power, order, good):
    steps = sequence(r"\varepsilon", [0.1, 0.01, 0.001], lambda e: [3 + e**power, 1 - e**power])
    made = in_lines(first("x", "Why.", lambda: steps), tends_to("3", "Why.", lambda: [3.0, 1.0], order=order))
    if good:
        made.check()
    else:
        with pytest.raises(ValueError, match="own, line 2, → 3: the errors"):
            made.check()


def test_a_limit_that_is_another_is_refused_and_one_that_is_there_already_passes():
    there = sequence(r"\varepsilon", [0.1, 0.01], lambda e: 2.0)
    in_lines(first("x", "Why.", lambda: there), tends_to("2", "", lambda: 2)).check()
    near = sequence("n", [4, 8, 16], lambda n: 2 + 0.5**n, size=lambda n: 0.5**n)
    in_lines(first("x", "Why.", lambda: near), tends_to("2", "", lambda: 2)).check()
    with pytest.raises(ValueError, match="fall as"):
        in_lines(first("x", "Why.", lambda: near), tends_to("2", "", lambda: 2.01)).check()
    with pytest.raises(ValueError, match="is no sequence"):
        in_lines(first("x", "Why.", lambda: 1), tends_to("1", "", lambda: 1)).check()
    with pytest.raises(ValueError, match=r"shapes \(\) and \(2,\)"):
        in_lines(first("x", "Why.", lambda: 1), equals("1", "", lambda: [1, 1])).check()


# A world of the reader's --------------------------------------------------------------------------------------------


def own_world():
    P = np.full((3, 2, 3), 1 / 3)
    P[2] = [0, 0, 1]
    terminal = [False, False, True]
    return TabularMDP(P, [[1.0, 2.0], [-1.0, 0.5], [0, 0]], 0.9, [0.5, 0.5, 0.0], terminal=terminal)


@pytest.mark.parametrize("name", ["reinforce", "settled", "reward-to-go", "past-noise"])
def test_the_world_may_be_the_readers_with_an_end_too(name):
    pi = np.array([[0.25, 0.75], [0.5, 0.5], [0.5, 0.5]])
    made = derive(name, mdp=own_world(), pi=pi, horizon=4)
    made.check()
    assert made.world.mdp.n_states == 3
    assert made.world.T == 4
    assert abs(made.world.p.sum() - 1) < 1e-12


def test_refusals_name_what_came():
    with pytest.raises(ValueError, match=r"name must be one of .*reward-to-go.*, got .reward to go"):
        derive("reward to go")
    with pytest.raises(ValueError, match="seed must be an integer from 0, got -1"):
        derive("reinforce", seed=-1)
    with pytest.raises(ValueError, match="mdp is nothing that score-function takes: it makes its own world"):
        derive("score-function", mdp=own_world())
    with pytest.raises(ValueError, match="pi_new is nothing that reinforce takes: it takes mdp, pi, horizon"):
        derive("reinforce", pi_new=[[0.5, 0.5]] * 3)
    with pytest.raises(ValueError, match=r"pi\[0, 1\] is 0: a softmax policy takes every action"):
        derive("reinforce", mdp=own_world(), pi=[0, 1, 0])
    with pytest.raises(ValueError, match=r"horizon=9 has 6\^9 episodes, more than the 20000"):
        derive("reinforce", mdp=own_world(), horizon=9)
    with pytest.raises(ValueError, match="n must be a positive integer"):
        derive("reinforce").worlds(0)


# What is shown ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0"),
        (1e-17, "0"),
        (1.0, "1.000"),
        (-0.076671, "−0.07667"),
        (1234.56, "1235"),
        (12345.6, "1.235e+04"),
        (3.2e-6, "3.200e−06"),
    ],
)
def test_numbers_have_four_digits(x, text):
    assert number(x) == text


def test_up_to_four_entries_are_shown_and_else_two_and_the_norm():
    assert shown(np.array([1.0, -2.0])) == "1.000, −2.000"
    assert shown(np.zeros(4)) == "0, 0, 0, 0"
    assert shown(np.array([3.0, 4.0, 0, 0, 0])) == "3.000, 4.000, … (norm 5.000)"
    assert shown(2.5) == "2.500"


@pytest.mark.parametrize("name", NAMES)
def test_in_the_worlds_that_are_shown_the_numbers_tell_every_slip(name):
    worlds = derive(name).worlds(WORLDS)
    for i, line in enumerate(worlds[0].lines):
        for j in range(len(line.slips)):
            found_out = [found_out_by_the_numbers(made.lines[i - 1], made.lines[i], j) for made in worlds]
            assert found_out[0], f"{name}, line {i + 1}, slip {j + 1} holds in the first world"
            if line.relation in ("=", "→"):
                assert all(found_out), f"{name}, line {i + 1}, slip {j + 1}: {found_out}"
            else:  # a bound may hold by luck, but in no more than half of them
                assert sum(found_out) >= WORLDS / 2, f"{name}, line {i + 1}, slip {j + 1}: {found_out}"


def found_out_by_the_numbers(before, line, j):
    """Whether a slip is off by 1 %, and by what is printed: an equality's from the line, a bound's beyond it."""
    wrong = line.slips[j].value
    if line.relation in ("=", "→"):
        size = max(np.abs(wrong).max(), np.abs(line.value).max())
        return np.abs(wrong - line.value).max() >= 0.01 * size > 0 and shown(wrong) != shown(line.value)
    size = max(np.abs(wrong).max(), np.abs(before.value).max())
    beyond = before.value - wrong if line.relation == "≤" else wrong - before.value
    return np.max(beyond) >= 0.01 * size > 0


def test_beside_a_slip_that_happens_to_hold_its_relation_is_kept_for_the_page():
    found = {(made.seed % 2, values(made)[2][1][1]) for made in derive("steepest").worlds(WORLDS)}
    assert found >= {(0, ""), (1, "≥")}  # with an even seed it never holds
    assert (0, "≥") not in found
    assert {entry[1] for line in values(derive("reinforce")) for entry in line[1:]} == {""}


@pytest.mark.parametrize("name", NAMES)
def test_of_values_on_the_way_to_a_limit_the_reason_says_where_they_were_taken(name):
    for line in derive(name).lines:
        for step in line.along.steps if line.along else ():
            assert f"{line.along.symbol}={step:.10g}$" in line.why


def test_a_world_has_the_minus_that_its_values_have():
    shown_worlds = [world_of(made) for name in ("two-arms", "same-sample") for made in derive(name).worlds(WORLDS)]
    assert any("−" in text for text in shown_worlds)
    assert not [text for name in NAMES for text in [world_of(derive(name))] if re.search(r"-\d", text)]
