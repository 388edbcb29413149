"""A derivation as an object: its lines, each with its formula, its reason and what computes it, and its slips.

A room of this package declares its derivations so:

    @derivation("score-zero", title="The score has mean zero", proves="lem-score-zero", world=episodes)
    def score_zero(w):
        yield first(r"\\sum_a\\pi(a|s)\\,\\nabla\\log\\pi(a|s)", "What is to be shown zero.", lambda: ...)
        yield equals(r"\\sum_a\\nabla\\pi(a|s)", "By the chain rule.", lambda: ..., slip(r"...", "...", lambda: ...))

A line's function computes what its formula says, in the world `w`, by its own route.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from itertools import pairwise
from typing import Any

import numpy as np

from rlbook import checks
from rlbook.derivations.display import markdown, plain
from rlbook.derivations.relations import FAULTS, told

NOUGHT = 1e-12  # how far from it nought may be, relative to the largest number of the derivation, or 1
DRAWS = 1000  # of worlds, until the numbers of one tell its slips


@dataclass(frozen=True, eq=False)
class Slip:
    """A wrong version of a line that people write.

    `latex` is the formula, `why` what goes wrong, `value` what it comes to, `mends` the item of the errata that it is,
    or None, and `function` what computes it.
    """

    latex: str
    why: str
    value: float | np.ndarray
    mends: int | None
    function: Callable


@dataclass(frozen=True, eq=False)
class Sequence:
    """Values on the way to a limit: for `symbol` at each of `steps`, which differ from it by `sizes`."""

    symbol: str
    steps: tuple[float, ...]
    sizes: tuple[float, ...]
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Line:
    """A line of a derivation.

    `relation` is "" in the first line, else "=", "≤", "≥" or "→", and holds to the line before. `latex` is what stands
    after it, `why` the reason in words, `value` what it comes to in this world, a float or an array; `slips` are its
    wrong versions and `function` is what computes it. If a line is on its way to a limit, `along` is the `Sequence` of
    its values, and `value` has one row for each; `order` is for a limit, how fast it is reached.
    """

    relation: str
    latex: str
    why: str
    value: float | np.ndarray
    slips: tuple[Slip, ...]
    function: Callable
    along: Sequence | None = None
    order: float = 1.0


def sequence(symbol, steps, function, size=lambda step: step) -> Sequence:
    """`function` at each of the steps; `size(step)` goes to 0 as the step goes where it is meant to go."""
    return Sequence(symbol, tuple(steps), tuple(map(size, steps)), np.array([function(step) for step in steps]))


def slip(latex, why, function, mends=None) -> Slip:
    """A wrong version of the line that it is given to."""
    return Slip(latex, why, value_of(function()), mends, function)


def line(relation, latex, why, function, *slips, order=1.0) -> Line:
    """A line, computed."""
    result = function()
    if isinstance(result, Sequence):
        return Line(relation, latex, why, result.values, slips, function, result)
    return Line(relation, latex, why, value_of(result), slips, function, order=order)


def first(latex, why, function) -> Line:
    """The first line: what the derivation is about."""
    return line("", latex, why, function)


def equals(latex, why, function, *slips) -> Line:
    """A line that is equal to the one before."""
    return line("=", latex, why, function, *slips)


def at_most(latex, why, function, *slips) -> Line:
    """A line that the one before does not exceed, entry by entry."""
    return line("≤", latex, why, function, *slips)


def at_least(latex, why, function, *slips) -> Line:
    """A line that does not exceed the one before, entry by entry."""
    return line("≥", latex, why, function, *slips)


def tends_to(latex, why, function, *slips, order=1.0) -> Line:
    """The limit of the line before, which is a `sequence`: the error falls at least as the steps' size to `order`."""
    return line("→", latex, why, function, *slips, order=order)


def value_of(result):
    """A value as a float, or as a real array with one axis."""
    array = np.asarray(result, dtype=float)
    return float(array) if array.ndim == 0 else array.ravel()


def telling(lines, bounds) -> bool:
    """Whether the numbers tell each slip of an equality or a limit, and with `bounds` each of an inequality too."""
    return all(
        told(before, line, slip)
        for before, line in pairwise(lines)
        if bounds or line.relation in ("=", "→")
        for slip in line.slips
    )


class Derivation:
    """A derivation in one world, as `derive` makes it.

    It has a `name`, a `title`, the labels of the statements that it `proves`, its `seed`, its `world`, and its `lines`,
    a tuple: each with its `relation` to the one before ("", "=", "≤", "≥" or "→"), its `latex`, the reason `why`, its
    `value` in this world, a float or an array, and its `slips`, each with `latex`, `why` and `value`. Shown in a
    notebook, it is the list of its lines with their values. Of two with the same seed and the same arguments all
    numbers are the same.

    A random world in which a slip of an equality comes within 1 % of the right value is drawn again; with an even seed,
    as the first one's is, so is one in which a slip of an inequality happens to hold.
    """

    def __init__(self, recipe, seed, given):
        self._recipe, self._given, self.seed = recipe, given, seed
        self.name, self.title, self.proves = recipe.name, recipe.title, recipe.proves
        rng = np.random.default_rng(seed)
        for _ in range(1 if given else DRAWS):
            self.world = recipe.world(rng, **given)
            self.lines = tuple(recipe.function(self.world))
            if telling(self.lines, bounds=seed % 2 == 0):
                break

    def worlds(self, n) -> list[Derivation]:
        """The derivation in n worlds: with the seeds from this one's on."""
        return [Derivation(self._recipe, self.seed + i, self._given) for i in range(checks.count("n", n))]

    def check(self) -> None:
        """Raise `ValueError`, which names the line, where a relation does not hold to 1e-9 of the larger side."""
        values = [entry.value for line in self.lines for entry in (line, *line.slips)]
        nought = NOUGHT * max(1.0, *(float(np.abs(value).max()) for value in values))
        for i, (before, after) in enumerate(zip(self.lines, self.lines[1:], strict=False), start=2):
            fault = FAULTS[after.relation](before, after, nought)
            if fault:
                raise ValueError(f"{self.name}, line {i}, {after.relation} {after.latex}: {fault} (seed {self.seed})")

    def __repr__(self) -> str:
        return plain(self)

    def _repr_mimebundle_(self, **kwargs):
        return {"text/markdown": markdown(self), "text/plain": plain(self)}


# Where they are declared --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """A derivation that has been declared and waits for a world."""

    name: str
    title: str
    proves: tuple[str, ...]
    world: Callable[..., Any]
    function: Callable


RECIPES: dict[str, Recipe] = {}


def derivation(name, *, title, proves, world) -> Callable:
    """Declare what is decorated, from a world to its lines, as a derivation.

    `proves` is the label, or labels, of what it proves; `world(rng, …)` makes a world, and of its other parameters
    those among mdp, pi, pi_new and horizon may be the reader's.
    """

    def declare(function):
        labels = (proves,) if isinstance(proves, str) else tuple(proves)
        RECIPES[name] = Recipe(name, title, labels, world, function)
        return function

    return declare


def derive(name, *, seed=0, mdp=None, pi=None, pi_new=None, horizon=None) -> Derivation:
    """A derivation of the book, line by line, each line computed as it is written: one of `derivations.NAMES`.

    The world is random and small, the same for the same seed, an integer. Where a derivation allows it, the world can
    be yours: `mdp`, a `TabularMDP`, `pi` and `pi_new`, (S, A), and the steps `horizon` of an episode. Raises
    `ValueError` for a name that no derivation has, for an argument that this one does not take, and where yours is
    too large for all episodes to be gone through.

    >>> from rlbook import derive
    >>> first, *_, last = derive("reward-to-go", seed=1).lines
    >>> first.value.round(4)
    array([ 0.0953, -0.0953,  0.1092, -0.1092])
    >>> last.value.round(4)
    array([ 0.0953, -0.0953,  0.1092, -0.1092])
    """
    recipe = RECIPES[checks.choice("name", name, RECIPES)]
    given = {"mdp": mdp, "pi": pi, "pi_new": pi_new, "horizon": horizon}
    given = {key: value for key, value in given.items() if value is not None}
    taken = list(signature(recipe.world).parameters)[1:]
    for key in given:
        if key not in taken:
            takes = f"takes {', '.join(taken)}" if taken else "makes its own world"
            raise ValueError(f"{key} is nothing that {name} takes: it {takes}")
    return Derivation(recipe, checks.seed(seed), given)
