"""Arrays of real numbers, as float64 copies, and of integers."""

from __future__ import annotations

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook.checks.objects import tabular
from rlbook.checks.scalars import shown


def array(name, values, *shapes, note="", copy=True, nan=False, empty=False) -> np.ndarray:
    """`values` as a float64 array of finite numbers whose shape is one of `shapes`.

    A shape is a tuple of whole numbers, and of letters where any number of entries will do: (3, "n"). Without shapes
    any will do. `note` is added to what the error says of the shape. Without `copy` an array that already is one of
    float64 is given back itself, for a caller who only reads it. `nan` lets nan stand for what is not there,
    and `empty` lets an axis have no entries.
    """
    raw = real_array(name, values, empty)
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
    raw = real_array(name, values)
    _check_shape(name, raw.shape, shapes, note)
    if raw.dtype.kind not in "iu":
        raise ValueError(f"{name} must hold integers, got {raw.dtype}")
    most = np.iinfo(np.intp).max if below is None else below - 1
    if raw.min() < 0 or raw.max() > most:
        place = tuple(np.argwhere((raw < 0) | (raw > most))[0])
        limit = "a number of at least 0" if below is None else f"a number below {below}, of {what} counted from 0"
        raise ValueError(f"{name}[{at(place)}] is {raw[place]}, not {limit}")
    return raw if not copy and raw.dtype in (np.int32, np.int64) else raw.astype(np.intp)


def mask(name, values, shape, note="") -> np.ndarray:
    """`values` as a new array of True and False of this shape."""
    raw = real_array(name, values)
    _check_shape(name, raw.shape, (shape,), note)
    bad = () if raw.dtype == bool else np.argwhere((raw != 0) & (raw != 1))
    if len(bad):
        raise ValueError(f"{name}[{at(bad[0])}] is {raw[tuple(bad[0])]}, neither True nor False")
    return raw.astype(bool)


def steps(name, batch, n_states, n_actions) -> tuple[np.ndarray, np.ndarray]:
    """The `states` and `actions` of episodes, as (N, T) arrays of numbers that an MDP has."""
    if not (hasattr(batch, "states") and hasattr(batch, "actions")):
        raise ValueError(f"{name} must hold states and actions, as Trajectories do, got {shown(batch)}")
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


def at(place) -> str:
    """A place in an array as it is written between brackets."""
    return ", ".join(str(int(i)) for i in place)


def real_array(name, values, empty=False):
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
