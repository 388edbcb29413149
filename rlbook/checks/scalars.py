"""One number, truth value or word."""

from __future__ import annotations

import re
from fractions import Fraction
from math import isfinite
from typing import Any

import numpy as np

LARGEST_COUNT = 2**31 - 1

FINITE = "(-∞, ∞)"


def is_number(value) -> bool:
    """Whether `value` is one finite real number; a truth value is none."""
    if not isinstance(value, (int, float, np.integer, np.floating)) or isinstance(value, bool):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # an int that no float can hold
        return False


def is_whole(value) -> bool:
    """Whether `value` is one whole number of an integer type; a truth value is none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def number(name, value, within=FINITE) -> float:
    """`value` as a float, if it is a finite real number within an interval such as "[0, 1)" or "(1/2, 1]"."""
    given, value = value, scalar(value)
    left, low, high, right = re.fullmatch(r"([\[(])(.+), (.+)([\])])", within).groups()
    low, high = (float(end.replace("∞", "inf") if "∞" in end else Fraction(end)) for end in (low, high))
    if is_number(value) and low <= value <= high and (value, left) != (low, "(") and (value, right) != (high, ")"):
        return float(value)
    kind = {FINITE: "a finite number", "(0, ∞)": "a positive number", "[0, ∞)": "a number of at least 0"}
    raise ValueError(f"{name} must be {kind.get(within, f'a number in {within}')}, got {shown(given)}")


def positive(name, value) -> float:
    """`value` as a float, if it is a positive number."""
    return number(name, value, "(0, ∞)")


def discount(gamma) -> float:
    """A discount factor γ as a float, if it is a number in [0, 1)."""
    return number("gamma", gamma, "[0, 1)")


def count(name, value, least=1) -> int:
    """`value` as an int, if it is a whole number of at least `least`."""
    given, value = value, scalar(value)
    if not is_whole(value) or value < least:
        kind = "a positive integer" if least == 1 else f"a whole number of at least {least}"
        raise ValueError(f"{name} must be {kind}, got {shown(given)}")
    if value > LARGEST_COUNT:
        raise ValueError(f"{name} must be at most {LARGEST_COUNT}, got {value}")
    return int(value)


def widths(hidden) -> tuple[int, ...]:
    """The widths of a network's hidden layers as a tuple: `hidden` is one positive integer, or several."""
    if not isinstance(hidden, (tuple, list)):
        return (count("hidden", hidden),)
    if not hidden:
        raise ValueError(f"hidden must be a positive integer, or a tuple of them, got {hidden!r}")
    return tuple(count(f"hidden[{i}]", width) for i, width in enumerate(hidden))


def seed(value, name="seed") -> int:
    """`value`, if it is an integer from 0, so that it can be given again."""
    if not is_whole(value) or value < 0:
        raise ValueError(f"{name} must be an integer from 0, got {shown(value)}")
    return value


def seeds(values) -> Any:
    """`values`, if they are a sequence of seeds."""
    if not hasattr(values, "__len__") or isinstance(values, (str, dict)):
        raise ValueError(f"seeds must be a sequence of integers from 0, got {shown(values)}")
    for i, value in enumerate(values):
        seed(value, f"seeds[{i}]")
    return values


def flag(name, value) -> bool:
    """`value` as a bool, if it is True or False."""
    value = scalar(value)
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def choice(name, value, choices) -> str:
    """`value`, if it is one of the names `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {shown(value)}")
    return value


def scalar(value):
    """A number that came as an array or tensor without axes, as itself."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if getattr(value, "shape", None) == () and hasattr(value, "item") and not isinstance(value, np.ma.MaskedArray):
        return value.item()
    return value


def shown(value):
    """A value as an error shows it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:160]}…, a {type(value).__name__}"
