"""Whether a line stands to the one before as it says. Each function gives what is wrong, or nothing."""

from __future__ import annotations

import numpy as np

WITHIN = 1e-9  # how far two sides may differ, relative to the larger
TOLD = 0.01  # how far they have to, for a reader to see it in the numbers


def size_of(*values):
    return max(float(np.abs(value).max()) for value in values)


def unequal(before, after, nought):
    if np.shape(before.value) != np.shape(after.value):
        return f"shapes {np.shape(before.value)} and {np.shape(after.value)}"
    off = size_of(np.subtract(before.value, after.value))
    return off > WITHIN * size_of(before.value, after.value) + nought and f"off by {off:.1e}"


def above(before, after, nought):
    over = float(np.max(np.subtract(before.value, after.value)))
    return over > WITHIN * size_of(before.value, after.value) + nought and f"the line before is larger by {over:.1e}"


def below(before, after, nought):
    under = float(np.max(np.subtract(after.value, before.value)))
    return under > WITHIN * size_of(before.value, after.value) + nought and f"the line before is less by {under:.1e}"


def no_limit(before, after, nought):
    if before.along is None:
        return "the line before is no sequence"
    errors, rate = approach(before, after)
    if errors[-1] <= WITHIN * size_of(before.value, after.value) + nought:
        return ""
    return not rate > after.order - 0.25 and f"the errors {errors} fall as the step to the {rate:.2f}"


def approach(before, after):
    """The errors of a sequence against its limit, and the power of the step's size as which the last two fall."""
    sizes = before.along.sizes
    errors = [size_of(np.subtract(value, after.value)) for value in before.value]
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.log(np.divide(errors[-1], errors[-2])) / np.log(np.divide(sizes[-1], sizes[-2]))
    return errors, float(rate)


def told(before, line, slip) -> bool:
    """Whether the numbers tell: a slip of an equality, or of a limit, from the right line; that a bound does not hold.

    They do so by one part in a hundred of the larger of the two.
    """
    if line.relation in ("=", "→"):
        return size_of(np.subtract(slip.value, line.value)) >= TOLD * size_of(slip.value, line.value) > 0
    over = np.subtract(before.value, slip.value) * (1 if line.relation == "≤" else -1)
    return float(np.max(over)) >= TOLD * size_of(before.value, slip.value) > 0


FAULTS = {"=": unequal, "≤": above, "≥": below, "→": no_limit}
