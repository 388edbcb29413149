"""Distributions, policies and transitions, which miss the sum 1 by no more than rounding explains."""

from __future__ import annotations

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook.checks.arrays import array, at, integers, real_array
from rlbook.checks.objects import tabular

EPS = np.finfo(float).eps
"""From 1 to the next larger float64."""
# A softmax in single precision misses 1 by some 1e-7, and still does when its numbers are handed on in float64: those
# are told by fitting float32 exactly.
TOLERANCE = {"float64": 1e-8, "float32": 1e-6, "float16": 1e-3}
"""How far probabilities may be from summing to 1, by the precision they were made in."""


def distributions(name, values, *shapes, note="") -> np.ndarray:
    """`values` as a float64 array whose last axis holds distributions, but for rounding (see `rlbook.checks`)."""
    raw = real_array(name, values)
    result = array(name, raw, *shapes, note=note)
    _make_distributions(name, result, result.sum(axis=-1), raw.dtype, result, lambda place: place)
    return result


def policy(mdp, pi, name="pi") -> np.ndarray:
    """A policy of an MDP, given as that or as (S,) actions, as a float64 (S, A) array whose rows are distributions.

    In a terminal state nothing is chosen. There the row that is given is not read, and the first action stands for
    none: a choice without alternative has no entropy, no score, and no divergence from another.
    """
    shape = tabular(mdp).r.shape
    pi = policy_of_shape(name, pi, shape, ", one row a state")
    pi[mdp.terminal] = np.eye(shape[1])[0]
    return pi


def policy_of_shape(name, pi, shape, note) -> np.ndarray:
    """A policy of this shape (S, A), given as that or as (S,) actions, as a float64 array."""
    raw, (S, A) = real_array(name, pi), shape
    if _are_actions(raw):
        return np.eye(A)[integers(name, raw, (S,), below=A, what="actions", note=", one action a state")]
    return distributions(name, raw, shape, note=f"{note}, or (S,) actions")


def policies(pi, pi_new) -> tuple[np.ndarray, np.ndarray]:
    """Two policies of one shape as float64 (S, A) arrays.

    One may be (S,) actions. How many actions there are is then known from the other, and two of them would not say.
    """
    if _are_actions(real_array("pi", pi)):
        pi_new = distributions("pi_new", pi_new, ("S", "A"), note=" where pi is (S,) actions")
        return policy_of_shape("pi", pi, pi_new.shape, " as pi_new has"), pi_new
    pi = distributions("pi", pi, ("S", "A"), note=", or (S,) actions")
    return pi, policy_of_shape("pi_new", pi_new, pi.shape, " as pi has")


def _are_actions(raw):
    return raw.ndim == 1 and raw.dtype.kind in "iu"


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
