"""The checks themselves, one by one: what they let pass, and as what; what they refuse, and in which words."""

import re
import warnings
from collections import namedtuple
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp

from rlbook import TabularMDP, checks
from rlbook.checks.scalars import shown
from rlbook.divergences import kl_terms, total_variation


def refused(message, check, *args, **options):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        check(*args, **options)


# Numbers and names ------------------------------------------------------------------------------------------


def test_counts():
    assert checks.count("n", np.int8(1)) == 1
    assert checks.count("n", 0, least=0) == 0
    assert checks.count("n", 2**31 - 1) == 2**31 - 1
    refused("n must be a positive integer, got 0", checks.count, "n", 0)
    refused("n must be a whole number of at least 2, got 1", checks.count, "n", 1, least=2)
    refused("n must be a positive integer, got 2.0", checks.count, "n", 2.0)
    refused("n must be a positive integer, got True", checks.count, "n", True)
    refused("n must be at most 2147483647, got 2147483648", checks.count, "n", 2**31)


def test_counts_in_arrays():
    np.testing.assert_array_equal(checks.counts("n", [3, 2], 2), [3, 2])
    assert checks.counts("n", 2, 2) == 2
    refused("n must be a whole number, at least 2, got 1", checks.counts, "n", [3, 1], 2)


def test_widths_of_layers():
    assert checks.widths(3) == (3,)
    assert checks.widths([3, 4]) == (3, 4)
    refused("hidden must be a positive integer, or a tuple of them, got ()", checks.widths, ())
    refused("hidden[1] must be a positive integer, got 0", checks.widths, (3, 0))


def test_seeds():
    assert checks.seed(0) == 0
    given = range(3)
    assert checks.seeds(given) is given
    refused("seed must be an integer from 0, got -1", checks.seed, -1)
    refused("seed must be an integer from 0, got 1.0", checks.seed, 1.0)
    refused("seeds[1] must be an integer from 0, got True", checks.seeds, [0, True])
    for no_sequence in (3, "12", {0: 1}):
        refused("seeds must be a sequence of integers from 0, got", checks.seeds, no_sequence)


def test_choices_flags_and_discounts():
    assert checks.choice("way", "up", ("up", "down")) == "up"
    for bad in ("left", 1, None):
        refused("way must be one of up, down, got", checks.choice, "way", bad, ("up", "down"))
    assert checks.flag("sparse", np.True_) is True
    refused("sparse must be True or False, got 1", checks.flag, "sparse", 1)
    assert checks.discount(0) == 0.0
    refused("gamma must be a number in [0, 1), got 1", checks.discount, 1)


def test_objects():
    assert checks.progress_bar(None) is None
    bar = namedtuple("Bar", "update")(print)
    assert checks.progress_bar(bar) is bar
    refused("progress must be a tqdm bar, or None, got 1", checks.progress_bar, 1)
    refused("progress must be a tqdm bar, or None", checks.progress_bar, namedtuple("Bar", "update")(1))
    settings = {"one": {}, "two": {"a": 1}}
    assert checks.variants(settings) is settings
    for bad in ([], {"one": {}, "two": 1}):
        refused("variants must be a dictionary from names to dictionaries of settings", checks.variants, bad)
    mdp = TabularMDP([[[1.0]]], [[0.0]], 0.5, [1.0])
    assert checks.tabular(mdp) is mdp
    for bad in (TabularMDP, namedtuple("Half", "r gamma rho0")(1, 2, 3), None):
        refused("mdp must be a TabularMDP, got", checks.tabular, bad)
    assert checks.function("f", len) is len
    refused("f must be a function, got 1", checks.function, "f", 1)
    assert checks.instance("x", 1, int) == 1
    refused("x must be a str, got 1", checks.instance, "x", 1, str)


def test_fields_become_numbers_in_their_intervals():
    @dataclass(frozen=True)
    class Model:
        rate: float
        share: float = 1

        def __post_init__(self):
            checks.fields(self, {"rate": "(0, ∞)", "share": "[0, 1]"})

    model = Model(2)
    assert (model.rate, model.share) == (2.0, 1.0)
    assert type(model.rate) is type(model.share) is float
    refused("rate must be a positive number, got 0", Model, 0)
    refused("share must be a number in [0, 1], got 2", Model, 1, 2)


# Arrays -----------------------------------------------------------------------------------------------------


def test_a_letter_of_a_shape_stands_for_one_number():
    assert checks.array("x", np.ones((2, 2)), ("n", "n")).shape == (2, 2)
    assert checks.array("x", [[1.0]], ("n", "m")).shape == (1, 1)
    assert checks.array("x", [1.0, 2], (3,), ("n",)).shape == (2,)
    refused("x must have shape (n, n), got (2, 3)", checks.array, "x", np.ones((2, 3)), ("n", "n"))
    refused(
        "x must have shape (n,) or (2, n) as y has, got (3, 2)",
        checks.array,
        "x",
        np.ones((3, 2)),
        ("n",),
        (2, "n"),
        note=" as y has",
    )
    refused("x must have at least one entry, got shape (0,)", checks.array, "x", [])
    assert checks.array("x", [], empty=True).shape == (0,)


def test_arrays_are_copied_unless_they_are_only_read():
    x = np.ones(3)
    assert not np.shares_memory(checks.array("x", x), x)
    assert checks.array("x", x, copy=False) is x
    assert checks.array("x", [1, np.nan], nan=True)[0] == 1
    refused("x[1] is nan, not a finite number", checks.array, "x", [1, np.nan])
    refused("x[1] is inf, not a finite number", checks.array, "x", [1, np.inf], nan=True)
    n = np.arange(3)
    assert not np.shares_memory(checks.integers("n", n), n)
    for kind in (np.int32, np.int64):
        n = np.arange(3, dtype=kind)
        assert checks.integers("n", n, copy=False) is n
    assert checks.integers("n", np.arange(3, dtype=np.uint8), copy=False).dtype == np.intp
    batch = namedtuple("Batch", "states actions")(np.zeros((1, 2), dtype=int), np.ones((1, 2), dtype=int))
    for read, own in zip(checks.steps("batch", batch, 1, 2), batch, strict=True):
        assert read is own  # episodes may be large
    half = namedtuple("Half", "states")(batch.states)
    refused("batch must hold states and actions, as Trajectories do, got Half(", checks.steps, "batch", half, 1, 2)


def test_what_float64_cannot_hold_is_refused_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert checks.array("x", np.longdouble(0.5)) == 0.5
        if np.finfo(np.longdouble).max > np.finfo(float).max:
            refused("x is inf, not a finite number", checks.array, "x", np.longdouble("1e400"))


def test_an_error_shows_no_more_of_a_long_value_than_its_beginning():
    text = 198 * "a"  # 200 characters with its quotation marks
    assert shown(text) == f"'{text}'"
    assert shown(text + "a") == f"'{159 * 'a'}…, a str"


def test_integers_are_within_their_limits():
    np.testing.assert_array_equal(checks.integers("n", [0, 2], below=3), [0, 2])
    refused(
        "n[1] is 3, not a number below 3, of states counted from 0",
        checks.integers,
        "n",
        [0, 3],
        below=3,
        what="states",
    )
    refused("n[0] is -1, not a number of at least 0", checks.integers, "n", [-1])
    refused("n must hold integers, got float64", checks.integers, "n", [1.0])


def test_masks():
    np.testing.assert_array_equal(checks.mask("m", [0, 1.0], (2,)), [False, True])
    refused("m must have shape (2,) as y has, got (1,)", checks.mask, "m", [True], (2,), " as y has")
    refused("m[1] is 2, neither True nor False", checks.mask, "m", [0, 2], (2,))


def test_shares_and_what_is_never_negative():
    np.testing.assert_array_equal(checks.shares("shares", [0, 0.5, 1]), [0, 0.5, 1])
    refused("shares[1] is -1e-09, not in [0, 1]", checks.shares, "shares", [0, -1e-9])
    refused("shares[0] is 1.5, not in [0, 1]", checks.shares, "shares", [1.5])
    x = np.array([-1e-12, 2.0])
    checks.nonnegative("x", x, "!", tolerance=1e-12)
    np.testing.assert_array_equal(x, [0, 2])
    refused("x[1] is -1!", checks.nonnegative, "x", np.array([0, -1.0]), "!", tolerance=0.5)


def test_distributions_say_where_they_are_none():
    refused("pi[1] sums to 0.9, not 1", checks.distributions, "pi", [[0.5, 0.5], [0.5, 0.4]], ("S", "A"))
    third = 1 / 3  # no number of single precision
    for off in (0.9e-8, -0.9e-8):
        row = [third, 2 * third + off]
        assert checks.distributions("p", row).sum() == pytest.approx(1, abs=4e-16)
        refused("p sums to ", checks.distributions, "p", [third, 2 * third + 2 * off])
    refused("p[0] is -0.1, not a probability", checks.distributions, "p", [-0.1, 1.1])


def test_distributions_sum_to_1_whatever_their_rounding_and_how_many_they_are():
    many = np.tile([0.5, 0.5 + 2e-15], (1000, 1))
    np.testing.assert_array_less(abs(checks.distributions("p", many, ("n", 2)).sum(axis=1) - 1), 3e-16)
    below = checks.distributions("p", [[1, 1e-9, -1e-9], [0.5, 0.5, -1e-17]], (2, 3))
    np.testing.assert_allclose(below, [[1 / (1 + 1e-9), 1e-9, 0], [0.5, 0.5, 0]], rtol=2e-9, atol=0)
    np.testing.assert_array_less(abs(below.sum(axis=1) - 1), 3e-16)


def test_a_sparse_p_is_refused_by_state_action_and_next_state():
    rows = np.eye(3)[[0, 1, 2, 0, 1, 2]]  # 3 states, 2 actions
    rows[3] = 0.25, 0.25, 0.5
    np.testing.assert_array_equal(checks.transitions(sp.csr_array(rows), 3, 2).toarray(), rows)
    for bad, message in [
        ((3, 2, np.nan), "P[1, 1, 2] is nan, not a finite number"),
        ((3, 1, -0.25), "P[1, 1, 1] is -0.25, not a probability"),
        ((4, 1, 0.5), "P[2, 0] sums to 0.5, not 1"),
    ]:
        wrong = rows.copy()
        wrong[bad[:2]] = bad[2]
        refused(message, checks.transitions, sp.csr_array(wrong), 3, 2)
    single = sp.csr_array(np.float32(rows) * np.float32(1 + 3e-7))  # rows of different widths, each by its own sum
    np.testing.assert_allclose(checks.transitions(single, 3, 2).toarray(), rows, rtol=1e-15)


def test_numbers_that_must_broadcast():
    a, b = checks.numbers(a=1, b=[1.0, 2])
    assert a == 1
    np.testing.assert_array_equal(b, [1, 2])
    refused("a, b must have shapes that broadcast, got a (3,), b (2,)", checks.numbers, a=np.ones(3), b=np.ones(2))


# Divergences ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [1e-9, 1e-6, 0.99e-4, 1.01e-4, 0.01, 0.3, 0.49, 0.51, 0.9, 3.0])
def test_terms_of_a_divergence_have_all_their_digits(ratio):
    """p log(p/q) − p + q in 50 digits, where p and q are far apart and where they are nearly the same."""
    for p in (1e-5, 0.4):
        for sign in (1, -1):
            q = p * (1 + sign * ratio)
            if q <= 0:
                continue
            with mpmath.workdps(50):
                exact = mpmath.mpf(p) * mpmath.log(mpmath.mpf(p) / mpmath.mpf(q)) - mpmath.mpf(p) + mpmath.mpf(q)
            assert kl_terms(np.array([p]), np.array([q]))[0] == pytest.approx(float(exact), rel=1e-11, abs=0)


def test_terms_at_zero():
    np.testing.assert_array_equal(kl_terms(np.array([0.0, 0.5, 0.0]), np.array([0.25, 0.0, 0.0])), [0.25, np.inf, 0])


def test_total_variation_is_half_the_distance():
    np.testing.assert_allclose(total_variation([[1, 0], [0.5, 0.5]], [[0, 1], [0.25, 0.75]]), [1, 0.25])
