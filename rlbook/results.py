"""How a named result prints: in full where it is small, else as a short table of what its fields hold."""

from __future__ import annotations

import numpy as np

__all__ = ["summary"]

FEW = 12  # entries of an array that still read well in full


def summary(result) -> str:
    """How the package's named results print: a named tuple as ever, or field by field if it has a large array.

    A field then stands on a line of its own, and of an array there are its shape and its range, or how much of it is
    True; `result.V` is the array itself.

    >>> import numpy as np
    >>> from rlbook import gridworld, sample_trajectories
    >>> line, rng = gridworld(["S..G"], gamma=0.9), np.random.default_rng(0)
    >>> sample_trajectories(line, [1, 1, 1, 0], 5, 6, rng)
    Trajectories
      states   (5, 6), 0 to 3
      actions  (5, 6), 0 to 1
      rewards  (5, 6), 0 to 1
      alive    (5, 6), 15 of 30 True
    """
    fields = result._asdict()
    if not any(isinstance(x, np.ndarray) and x.size > FEW for x in fields.values()):
        return f"{type(result).__name__}({', '.join(f'{name}={x!r}' for name, x in fields.items())})"
    width = max(map(len, fields))
    return "\n  ".join([type(result).__name__, *(f"{name:{width}}  {_brief(x)}" for name, x in fields.items())])


def _brief(x):
    if isinstance(x, np.ndarray) and x.ndim:
        if x.ndim == 1 and x.size <= FEW:
            return np.array2string(x, precision=4, separator=", ", max_line_width=np.inf)
        if x.dtype == bool:
            return f"{x.shape}, {x.sum()} of {x.size} True"
        known = x[~np.isnan(x)]
        return f"{x.shape}, {known.min():.4g} to {known.max():.4g}" if known.size else f"{x.shape}, nan"
    x = x.item() if isinstance(x, (np.generic, np.ndarray)) else x
    return f"{x:.4g}" if isinstance(x, float) else repr(x)
