"""Dice that the browser has too, bit for bit (frontend/src/shared/dice.js): a number for each seed and index."""

from __future__ import annotations

import numpy as np

MASK = np.uint64(0xFFFFFFFF)


def scramble(x) -> np.ndarray:
    """A bijection of the 32-bit integers that leaves no trace of their order (Wellons' lowbias32); an array."""
    x = np.asarray(x, dtype=np.uint64) & MASK
    x = ((x ^ (x >> np.uint64(16))) * np.uint64(0x7FEB352D)) & MASK
    x = ((x ^ (x >> np.uint64(15))) * np.uint64(0x846CA68B)) & MASK
    return x ^ (x >> np.uint64(16))


def uniforms(seed, index) -> np.ndarray:
    """Numbers in [0, 1) by their index (SplitMix: scrambled multiples of the golden ratio), an array as index is."""
    index = np.asarray(index, dtype=np.uint64)
    weyl = (scramble(seed) + (index + np.uint64(1)) * np.uint64(0x9E3779B9)) & MASK
    return scramble(weyl) / 2.0**32


def normals(seed, count) -> tuple[np.ndarray, np.ndarray]:
    """Two (count,) arrays of independent standard normal numbers from the dice of `uniforms` (Box and Muller)."""
    u, v = uniforms(seed, np.arange(2 * count)).reshape(count, 2).T
    radius, angle = np.sqrt(-2 * np.log1p(-u)), 2 * np.pi * v
    return radius * np.cos(angle), radius * np.sin(angle)
