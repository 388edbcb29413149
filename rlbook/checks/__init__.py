"""What arguments must be, and the errors that say so: the only home of checks.

Arrays may come as lists, tuples, arrays of any memory layout and of any real type, scipy sparse matrices or torch
tensors; what the package works on is a float64 copy, so that nothing it does reaches the caller's. Entries that are
masked, objects, text, complex, nan or infinite are refused, and so is an array without entries.

Rounding is no mistake. Where probabilities are wanted, a row may miss the sum 1, and an entry may lie below 0, by as
much as the numbers' own precision explains (see `TOLERANCE`); an entry below 0 is then 0, a row is divided by its sum
where float64 would have done better, and from there on what stands is taken as exact.

Every refusal is a `ValueError` that names the argument, the place, what was expected and what came.
"""

from rlbook.checks.arrays import (
    array,
    at,
    baseline,
    broadcast,
    counts,
    finite,
    integers,
    mask,
    nonnegative,
    numbers,
    shares,
    steps,
    table,
)
from rlbook.checks.objects import (
    fields,
    function,
    generator,
    instance,
    module,
    path,
    progress_bar,
    tabular,
    variants,
)
from rlbook.checks.probabilities import (
    EPS,
    TOLERANCE,
    distributions,
    policies,
    policy,
    policy_of_shape,
    transitions,
)
from rlbook.checks.scalars import (
    choice,
    count,
    discount,
    flag,
    is_number,
    is_whole,
    number,
    positive,
    seed,
    seeds,
    widths,
)

__all__ = [
    "EPS",
    "TOLERANCE",
    "array",
    "at",
    "baseline",
    "broadcast",
    "choice",
    "count",
    "counts",
    "discount",
    "distributions",
    "fields",
    "finite",
    "flag",
    "function",
    "generator",
    "instance",
    "integers",
    "is_number",
    "is_whole",
    "mask",
    "module",
    "nonnegative",
    "number",
    "numbers",
    "path",
    "policies",
    "policy",
    "policy_of_shape",
    "positive",
    "progress_bar",
    "seed",
    "seeds",
    "shares",
    "steps",
    "table",
    "tabular",
    "transitions",
    "variants",
    "widths",
]
