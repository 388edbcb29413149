"""What every derivation is held to: its lines in many worlds, its slips, and that no line is another's code."""

from types import CodeType

import numpy as np

from rlbook import derive

WORLDS = 200
APART = 1e-6  # by how much a slip differs from the line, relative to the larger
SHARE = 0.95  # in how many worlds at least
TOLD = 0.01  # by how much a slip of an equality or a limit differs in every world


def holds(name, worlds=WORLDS) -> dict:
    """Every line of a derivation in many worlds; of how many of them each slip of an inequality breaks it.

    Returns {(line, slip): share of worlds} for the slips of lines with ≤ or ≥.
    """
    made = derive(name).worlds(worlds)
    for derivation in made:
        derivation.check()
    broken = {}
    for i, line in enumerate(made[0].lines):
        for j in range(len(line.slips)):
            if line.relation in ("=", "→"):
                least = min(distance(other.lines[i].slips[j].value, other.lines[i].value) for other in made)
                assert least >= TOLD, f"{name}, line {i + 1}, slip {j + 1} is off by {least:.2%} in one of the worlds"
            differ = np.mean([apart(other.lines[i].slips[j].value, other.lines[i].value) for other in made])
            assert differ >= SHARE, f"{name}, line {i + 1}, slip {j + 1} differs in {differ:.0%} of the worlds only"
            if line.relation in ("≤", "≥"):
                broken[i + 1, j + 1] = np.mean([breaks(other.lines[i - 1], other.lines[i], j) for other in made])
    assert not same_code(made[0])
    return broken


def distance(value, right):
    """How far two values are from each other, relative to the larger."""
    return np.abs(np.subtract(value, right)).max() / max(np.abs(value).max(), np.abs(right).max())


def apart(value, right):
    value, right = np.asarray(value), np.asarray(right)
    size = max(abs(value).max(), abs(right).max())
    return value.shape != right.shape or abs(value - right).max() > APART * size + 1e-12


def breaks(before, line, j):
    """Whether the line before stands in no such relation to the slip."""
    over = np.max(np.subtract(before.value, line.slips[j].value) * (1 if line.relation == "≤" else -1))
    return over > APART * max(np.abs(before.value).max(), np.abs(line.slips[j].value).max())


def code_of(function):
    """What a function does, without its name and place: names, constants and instructions, of those within it too."""

    def parts(code):
        inner = tuple(parts(x) if isinstance(x, CodeType) else repr(x) for x in code.co_consts)
        return code.co_code, inner, code.co_names, code.co_freevars

    return parts(function.__code__)


def same_code(derivation):
    """The pairs of lines, and of slips, that are computed by the same code."""
    found = {}
    for i, line in enumerate(derivation.lines, start=1):
        for j, entry in enumerate((line, *line.slips)):
            found.setdefault(code_of(entry.function), []).append((i, j))
    return [places for places in found.values() if len(places) > 1]
