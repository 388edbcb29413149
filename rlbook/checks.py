"""What arguments must be, and the errors that say so: the only home of checks.

Arrays may come as lists, tuples, arrays of any memory layout and of any real type, scipy sparse matrices or torch
tensors; what the package works on is a float64 copy, so that nothing it does reaches the caller's. Entries that are
masked, objects, text, complex, nan or infinite are refused, and so is an array without entries.

Rounding is no mistake. Where probabilities are wanted, a row may miss the sum 1, and an entry may lie below 0, by as
much as the numbers' own precision explains (see `TOLERANCE`); an entry below 0 is then 0, a row is divided by its sum
where float64 would have done better, and from there on what stands is taken as exact.

Every refusal is a `ValueError` that names the argument, the place, what was expected and what came.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from math import isfinite
from typing import Any

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

EPS = np.finfo(float).eps
# How far probabilities may be from summing to 1. A softmax in single precision misses it by some 1e-7, and still does
# when its numbers are handed on in float64: those are told by fitting float32 exactly.
TOLERANCE = {"float64": 1e-8, "float32": 1e-6, "float16": 1e-3}
LARGEST_COUNT = 2**31 - 1


# Numbers ----------------------------------------------------------------------------------------------------


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


def number(name, value, within="(-∞, ∞)") -> float:
    """`value` as a float, if it is a finite real number within an interval such as "[0, 1)" or "(1/2, 1]"."""
    shown, value = value, _scalar(value)
    left, low, high, right = re.fullmatch(r"([\[(])(.+), (.+)([\])])", within).groups()
    low, high = (float(end.replace("∞", "inf") if "∞" in end else Fraction(end)) for end in (low, high))
    if is_number(value) and low <= value <= high and (value, left) != (low, "(") and (value, right) != (high, ")"):
        return float(value)
    kind = {"(-∞, ∞)": "a finite number", "(0, ∞)": "a positive number", "[0, ∞)": "a number of at least 0"}
    raise ValueError(f"{name} must be {kind.get(within, f'a number in {within}')}, got {_shown(shown)}")


def positive(name, value) -> float:
    """`value` as a float, if it is a positive number."""
    return number(name, value, "(0, ∞)")


def discount(gamma) -> float:
    """A discount factor γ as a float, if it is a number in [0, 1)."""
    return number("gamma", gamma, "[0, 1)")


def count(name, value, least=1) -> int:
    """`value` as an int, if it is a whole number of at least `least`."""
    shown, value = value, _scalar(value)
    if not is_whole(value) or value < least:
        kind = "a positive integer" if least == 1 else f"a whole number of at least {least}"
        raise ValueError(f"{name} must be {kind}, got {_shown(shown)}")
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
        raise ValueError(f"{name} must be an integer from 0, got {_shown(value)}")
    return value


def seeds(values) -> Any:
    """`values`, if they are a sequence of seeds."""
    if not hasattr(values, "__len__") or isinstance(values, (str, dict)):
        raise ValueError(f"seeds must be a sequence of integers from 0, got {_shown(values)}")
    for i, value in enumerate(values):
        seed(value, f"seeds[{i}]")
    return values


def flag(name, value) -> bool:
    """`value` as a bool, if it is True or False."""
    value = _scalar(value)
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False, got {_shown(value)}")
    return bool(value)


def choice(name, value, choices) -> str:
    """`value`, if it is one of the names `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {_shown(value)}")
    return value


# Objects ----------------------------------------------------------------------------------------------------


def instance(name, value, kind) -> Any:
    """`value`, if it is an instance of the class `kind`."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be a {kind.__name__}, got {_shown(value)}")
    return value


def tabular(mdp) -> Any:
    """`mdp`, if it has what makes a finite MDP: `rlbook.TabularMDP`'s arrays and its two linear maps."""
    if isinstance(mdp, type) or not all(hasattr(mdp, name) for name in ("expect", "flow", "r", "gamma", "rho0")):
        raise ValueError(f"mdp must be a TabularMDP, got {_shown(mdp)}")
    return mdp


def generator(rng) -> np.random.Generator:
    """`rng`, if it is a `numpy.random.Generator`."""
    if not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"rng must be a numpy.random.Generator, got {_shown(rng)}; numpy.random.default_rng(seed) makes one"
        )
    return rng


def function(name, value) -> Callable[..., Any]:
    """`value`, if it can be called."""
    if not callable(value):
        raise ValueError(f"{name} must be a function, got {_shown(value)}")
    return value


def module(name, value) -> Any:
    """`value`, if it is a torch module that has parameters; told by what it can do, for torch need not be installed."""
    if not callable(getattr(value, "parameters", None)) or isinstance(value, type):
        raise ValueError(f"{name} must be a torch module, got a {type(value).__name__}")
    if next(iter(value.parameters()), None) is None:
        raise ValueError(f"{name} must be a torch module with parameters, got a {type(value).__name__} without")
    return value


def variants(values) -> dict[str, dict]:
    """`values`, if they map names to settings."""
    if not isinstance(values, dict) or not all(isinstance(own, dict) for own in values.values()):
        raise ValueError(f"variants must be a dictionary from names to dictionaries of settings, got {_shown(values)}")
    return values


def progress_bar(progress) -> Any:
    """`progress`, if it is None or a bar that can be moved on."""
    if progress is not None and not callable(getattr(progress, "update", None)):
        raise ValueError(f"progress must be a tqdm bar, or None, got {_shown(progress)}")
    return progress


# Arrays -----------------------------------------------------------------------------------------------------


def array(name, values, *shapes, note="", copy=True, nan=False, empty=False) -> np.ndarray:
    """`values` as a float64 array of finite numbers whose shape is one of `shapes`.

    A shape is a tuple of whole numbers, and of letters where any number of entries will do: (3, "n"). Without shapes
    any will do. `note` is added to what the error says of the shape. Without `copy` an array that already is one of
    float64 is given back itself, for a caller who only reads it. `nan` lets nan stand for what is not there,
    and `empty` lets an axis have no entries.
    """
    raw = _real(name, values, empty)
    _check_shape(name, raw.shape, shapes, note)
    if raw.dtype == np.longdouble:
        with np.errstate(over="ignore"):  # what float64 cannot hold becomes infinite, and is refused
            raw = raw.astype(float)
    result = np.array(raw, dtype=float, order="C") if copy else np.asarray(raw, dtype=float)
    finite(name, np.nan_to_num(result, posinf=np.inf, neginf=-np.inf) if nan else result)
    return result


def integers(name, values, *shapes, below=None, what="entries", note="", copy=True) -> np.ndarray:
    """`values` as an array of integers of one of `shapes`, from 0 up, and below `below`, the number of `what`.

    Without `copy` an array of int32 or int64 is given back itself.
    """
    raw = _real(name, values)
    _check_shape(name, raw.shape, shapes, note)
    if raw.dtype.kind not in "iu":
        raise ValueError(f"{name} must hold integers, got {raw.dtype}")
    most = np.iinfo(np.intp).max if below is None else below - 1
    if raw.min() < 0 or raw.max() > most:
        place = tuple(np.argwhere((raw < 0) | (raw > most))[0])
        limit = "a number of at least 0" if below is None else f"a number below {below}, of {what} counted from 0"
        raise ValueError(f"{name}[{at(place)}] is {raw[place]}, not {limit}")
    return raw if not copy and raw.dtype in (np.int32, np.int64) else raw.astype(np.intp)


def steps(name, batch, n_states, n_actions) -> tuple[np.ndarray, np.ndarray]:
    """The `states` and `actions` of episodes, as (N, T) arrays of numbers that an MDP has."""
    if not (hasattr(batch, "states") and hasattr(batch, "actions")):
        raise ValueError(f"{name} must hold states and actions, as Trajectories do, got {_shown(batch)}")
    states = integers(f"{name}.states", batch.states, ("N", "T"), below=n_states, what="states", copy=False)
    actions = integers(f"{name}.actions", batch.actions, states.shape, below=n_actions, what="actions", copy=False)
    return states, actions


def counts(name, values, least) -> int | np.ndarray:
    """Whole numbers of at least `least`, one or an array of them."""
    values = integers(name, values)
    if values.min() < least:
        raise ValueError(f"{name} must be a whole number, at least {least}, got {values.min()}")
    return values[()]


def numbers(**named) -> list[float | np.ndarray]:
    """Numbers or arrays that broadcast, as floats or float64 arrays."""
    values = [array(name, x) for name, x in named.items()]
    broadcast(*(part for name, x in zip(named, values, strict=True) for part in (name, x.shape)))
    return [x[()] for x in values]


def fields(model, intervals) -> None:
    """Make the fields of a frozen dataclass floats, each in its interval (see `number`)."""
    for name, within in intervals.items():
        object.__setattr__(model, name, number(name, getattr(model, name), within))


def broadcast(*named) -> None:
    """Raise unless the shapes broadcast: name, shape, name, shape, …"""
    names, shapes = named[::2], named[1::2]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        listed = ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=True))
        raise ValueError(f"{', '.join(names)} must have shapes that broadcast, got {listed}") from None


def finite(name, values) -> None:
    """Raise where an entry is nan or infinite."""
    if not np.isfinite(values).all():
        place = np.argwhere(~np.isfinite(values))[0]
        where = f"[{at(place)}]" if len(place) else ""
        raise ValueError(f"{name}{where} is {values[tuple(place)]}, not a finite number")


def nonnegative(name, values, what, tolerance=0.0) -> None:
    """Raise, with `what` to say of it, where an entry is below 0; by `tolerance` at most, it becomes 0, in place."""
    if values.min() < 0:
        bad = np.argwhere(values < -tolerance)
        if len(bad):
            where = f"[{at(bad[0])}]" if len(bad[0]) else ""
            raise ValueError(f"{name}{where} is {values[tuple(bad[0])]:g}{what}")
        np.maximum(values, 0.0, out=values)


def distributions(name, values, *shapes, note="") -> np.ndarray:
    """`values` as a float64 array whose last axis holds distributions, but for rounding; see the top of the module."""
    raw = _real(name, values)
    result = array(name, raw, *shapes, note=note)
    _make_distributions(name, result, result.sum(axis=-1), raw.dtype, result, lambda place: place)
    return result


def policy(mdp, pi, name="pi") -> np.ndarray:
    """A policy of an MDP as a float64 (S, A) array whose rows are distributions."""
    return distributions(name, pi, tabular(mdp).r.shape, note=", one row a state")


def table(name, mdp, values) -> np.ndarray:
    """One number for each pair of an MDP, as a float64 (S, A) array."""
    return array(name, values, tabular(mdp).r.shape, note=", one row a state")


def shares(name, values) -> np.ndarray:
    """Shares of a mixture, as a float64 (n,) array of numbers in [0, 1]."""
    result = array(name, values, ("n",))
    bad = np.flatnonzero(~((result >= 0) & (result <= 1)))
    if len(bad):
        raise ValueError(f"{name}[{bad[0]}] is {result[bad[0]]:g}, not in [0, 1]")
    return result


def baseline(values, horizon, n_states) -> np.ndarray:
    """A baseline b_t(s) as a (T, S) array; (S,) stands for one that does not know the time, None for none."""
    b = np.zeros(n_states) if values is None else array("baseline", values, (n_states,), (horizon, n_states))
    return np.broadcast_to(b, (horizon, n_states))


def policies(pi, pi_new) -> tuple[np.ndarray, np.ndarray]:
    """Two policies of one shape as float64 (S, A) arrays."""
    pi = distributions("pi", pi, ("S", "A"))
    return pi, distributions("pi_new", pi_new, pi.shape, note=" as pi has")


def transitions(P, S, A) -> np.ndarray | scipy.sparse.csr_array:
    """Transition probabilities P(s'|s,a), (S, A, S), or sparse (S·A, S) with row s·A + a, as a dense array or CSR."""
    if not scipy.sparse.issparse(P):
        return distributions("P", P, (S, A, S), note=", (S, A, S) to go with r")
    if P.dtype.kind not in "buif":
        raise ValueError(f"P must hold real numbers, got a sparse matrix of {P.dtype}")
    if P.shape != (S * A, S):
        raise ValueError(f"a sparse P must have shape (S·A, S) = {(S * A, S)} as r has, got {P.shape}")
    dtype, P = P.dtype, scipy.sparse.csr_array(P, dtype=float, copy=True)
    P.sum_duplicates()

    def place(entry):
        row = int(np.searchsorted(P.indptr, entry[0], side="right")) - 1
        return (*divmod(row, A), int(P.indices[entry[0]]))

    bad = np.flatnonzero(~np.isfinite(P.data))
    if len(bad):
        raise ValueError(f"P[{at(place(bad))}] is {P.data[bad[0]]}, not a finite number")
    sums = np.asarray(P.sum(axis=1)).reshape(S, A)
    _make_distributions("P", P.data, sums, dtype, P, place)
    return P


def _make_distributions(name, entries, sums, dtype, rows, place):
    """Make the checked `entries` distributions, in place. `rows` are they, or the CSR matrix that they belong to."""
    tolerance = TOLERANCE["float64"]
    if (entries.size and entries.min() < 0) or (abs(sums - 1) > tolerance).any():
        if dtype == np.float16:
            tolerance = TOLERANCE["float16"]
        elif (entries == entries.astype(np.float32)).all():
            tolerance = TOLERANCE["float32"]
    if entries.size and entries.min() < 0:
        bad = np.argwhere(entries < -tolerance)
        if len(bad):
            raise ValueError(f"{name}[{at(place(bad[0]))}] is {entries[tuple(bad[0])]:g}, not a probability")
        np.maximum(entries, 0.0, out=entries)
        sums = np.asarray(rows.sum(axis=-1)).reshape(sums.shape)
    off = np.argwhere(~(abs(sums - 1) <= tolerance))
    if len(off):
        where = f"[{at(off[0])}]" if len(off[0]) else ""
        raise ValueError(f"{name}{where} sums to {sums[tuple(off[0])]:.10g}, not 1")
    rounded = abs(sums - 1) > rows.shape[-1] * EPS  # by more than a sum in float64 explains
    if rounded.any():
        divisor = np.where(rounded, sums, 1.0)
        if rows is entries:
            entries /= divisor[..., None]
        else:
            entries /= np.repeat(divisor.ravel(), np.diff(rows.indptr))


def at(place) -> str:
    """A place in an array as it is written between brackets."""
    return ", ".join(str(int(i)) for i in place)


def _real(name, values, empty=False):
    """`values` as an array of real numbers, of whatever type, that may still be the caller's."""
    if type(values) is not np.ndarray:
        if hasattr(values, "detach"):  # a torch tensor, told by what it can do, for torch need not be installed
            values = values.detach().cpu()
        if scipy.sparse.issparse(values):
            values = values.toarray()
        if _masked(values):
            raise ValueError(f"{name} must have no masked entries; fill them, as values.filled(0) does")
    try:
        result = np.asarray(values)
        if result.dtype.kind not in "buif":  # NumPy would drop an imaginary part, and read numbers out of text
            raise TypeError(f"its entries are {result.dtype}")
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"{name} must be an array of real numbers: {error}") from None
    if result.size == 0 and not empty:
        raise ValueError(f"{name} must have at least one entry, got shape {result.shape}")
    return result


def _masked(values):
    if isinstance(values, (list, tuple)):
        return any(map(_masked, values))
    return isinstance(values, np.ma.MaskedArray)


def _check_shape(name, shape, shapes, note):
    if shape in shapes:
        return
    for wanted in shapes:
        sizes = {}  # of the letters: the same letter stands for the same number
        fits = (n == (sizes.setdefault(w, n) if isinstance(w, str) else w) for w, n in zip(wanted, shape, strict=False))
        if len(wanted) == len(shape) and all(fits):
            return
    if shapes:
        written = (f"({', '.join(map(str, w))}{',' if len(w) == 1 else ''})" if w else "()" for w in shapes)
        raise ValueError(f"{name} must have shape {' or '.join(written)}{note}, got {shape}")


def _scalar(value):
    """A number that came as an array or tensor without axes, as itself."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    if getattr(value, "shape", None) == () and hasattr(value, "item") and not isinstance(value, np.ma.MaskedArray):
        return value.item()
    return value


def _shown(value):
    """A value as an error shows it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:160]}…, a {type(value).__name__}"
