"""The browser's dice fall as Python's do: uniform and normal numbers, each by its index."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rlbook.widgets.dice import normals, scramble, uniforms
from tests.node import close_to

MODULES = ("shared/dice.js",)
WORDS = st.integers(0, 2**32 - 1)


@given(WORDS, st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=5))
def test_dice(js, seed, indices):
    """Bit for bit."""
    assert js.scramble(seed) == scramble(seed)
    assert [js.uniform(seed, index) for index in indices] == uniforms(seed, indices).tolist()


def test_dice_are_fair():
    """Scrambling loses nothing, and its numbers fill [0, 1) as they should, also side by side."""
    some = np.arange(2**20)
    assert len(np.unique(scramble(some))) == len(some)
    u = uniforms(7, some)
    assert ((u >= 0) & (u < 1)).all()
    for numbers, cells in ((u, 64), (uniforms(np.arange(2**20), 3), 64)):
        counts = np.bincount((numbers * cells).astype(int), minlength=cells)
        chi2 = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
        assert abs(chi2 - (cells - 1)) < 5 * np.sqrt(2 * cells)
    for gap in (1, 2, 3, 133):  # no correlation between a number and the ones that follow
        assert abs(np.corrcoef(u[gap:], u[:-gap])[0, 1]) < 5 / 2**10


@given(WORDS)
def test_normal_dice(js, seed):
    assert np.ravel(js.normals(seed, 50)) == close_to(normals(seed, 50), 1)


def test_dice_are_normal_and_independent():
    """Moments of 4000 pairs from each of 20 seeds, within 4.5 standard errors."""
    for seed in range(20):
        z, u = normals(seed, 4000)
        for values, sd in ((z, 1), (u, 1), (z * u, 1), (z**2 - 1, np.sqrt(2)), (z**3 - 3 * z, np.sqrt(6))):
            assert abs(values.mean()) < 4.5 * sd / np.sqrt(4000)
