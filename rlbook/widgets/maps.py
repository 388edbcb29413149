"""What the widgets on a gridworld share: the settings of a map, checked, and the pictures of its cells.

A policy on a map is written as arrows, a row of ^ > v < for each row of cells; a dot stands for all four alike.
"""

from __future__ import annotations

import numpy as np
import traitlets as tr
from matplotlib.patches import Rectangle

from rlbook import checks, plots
from rlbook.mdp import MOVES, TabularMDP, gridworld
from rlbook.widgets.base import Number, PresetWidget

ARROWS = "^>v<"  # the actions in gridworld's order; a dot stands for all four alike
LARGEST_REWARD = 100  # of a step, or of a cell
# Titles and lines of worlds that several widgets show.
GOAL_AND_PIT = ("goal and pit", "A goal pays 1, a pit costs 1, each step 0.04; one step in five slips aside.")
ENDLESS = ("endless", "Nothing ends here: one cell pays 1, another costs 1; one step in ten slips aside.")
MAP_SETTINGS = ("rows", "cell_rewards", "slip", "gamma", "step_reward", "goal_reward", "pit_reward")


def map_shape(rows) -> tuple[int, int]:
    """(H, W)."""
    return len(rows), len(rows[0]) if rows else 0


def make_map(*, rows, cell_rewards=(), **settings) -> TabularMDP:
    """`gridworld`, with `cell_rewards` that may be empty."""
    return gridworld(rows, cell_rewards=cell_rewards if len(cell_rewards) else None, **settings)


def read_policy(policy, mdp) -> np.ndarray:
    """π, (S, 4), from rows of arrows and dots; empty is dots. At goals and pits nothing is chosen: the first action."""
    pi = np.full((mdp.n_states, 4), 0.25)
    for s, (i, j) in enumerate(mdp.cells):
        if len(policy) and policy[i][j] != ".":
            pi[s] = np.eye(4)[ARROWS.index(policy[i][j])]
    return checks.policy(mdp, pi)


def write_policy(rows, cells, Q) -> list[str]:
    """The greedy policy of Q, (S, 4), as rows of arrows: the first of the best. Walls, goals and pits get dots."""
    letters = np.full((len(rows), len(rows[0])), ".")
    best = Q >= Q.max(axis=1, keepdims=True) - 1e-9 * (1 + abs(Q).max())
    for (i, j), first in zip(cells, best.argmax(axis=1), strict=True):
        if rows[i][j] not in "GP":
            letters[i, j] = ARROWS[first]
    return ["".join(row) for row in letters]


class MapWidget(PresetWidget):
    """A widget on a gridworld. A subclass names its policies, and says if its maps may be larger."""

    _policies = ("policy",)  # the settings that hold a policy as arrows
    LARGEST_MAP = (8, 10)  # rows and columns
    rows = tr.List(tr.Unicode()).tag(sync=True, setting=True)
    cell_rewards = tr.List(tr.List(tr.Float())).tag(sync=True, setting=True)
    slip = Number(0.0, 0, 1).tag(sync=True, setting=True)
    gamma = Number(0.9, 0, 0.98).tag(sync=True, setting=True)
    step_reward = Number(0.0, -LARGEST_REWARD, LARGEST_REWARD, shown=(-2, 1)).tag(sync=True, setting=True)
    goal_reward = Number(1.0, -LARGEST_REWARD, LARGEST_REWARD).tag(sync=True, setting=True)
    pit_reward = Number(-1.0, -LARGEST_REWARD, LARGEST_REWARD).tag(sync=True, setting=True)

    def __init__(self, preset=None, **settings):
        if "rows" in settings:
            settings = {**self._emptied(), **settings}
            if preset in (None, "own"):  # a map of one's own is no preset's, and so it has one to itself
                preset, known = "own", {*self.setting_names()}
                own = {name: value for name, value in settings.items() if name in known - {"step"}}
                self._table = {"own": ("your map", own), **self._table}
        super().__init__(preset, **settings)

    def __repr__(self) -> str:
        if self.preset != "own":
            return super().__repr__()
        table, self._table = self._table, {**self._table, "own": ("your map", {})}  # so that all of it is said
        try:
            return super().__repr__()
        finally:
            self._table = table

    @property
    def map_settings(self) -> dict:
        """The settings that `make_map` takes."""
        return {name: getattr(self, name) for name in MAP_SETTINGS}

    def _following(self, before, said):
        """With a map of another shape, or of one's own in a preset, what belonged to the last goes."""
        following = super()._following(before, said)
        if following:
            own = "rows" in said and self.rows != following["rows"]
        else:
            own = map_shape(before["rows"]) != map_shape(self.rows)
        return {**following, **self._emptied()} if own else following

    @tr.default("_schema")
    def _rules_of_settings(self):
        rewards = {"low": -LARGEST_REWARD, "high": LARGEST_REWARD}
        return {**super()._rules_of_settings(), "rows": {"most": list(self.LARGEST_MAP)}, "cell_rewards": rewards}

    @classmethod
    def _emptied(cls):
        return {name: [] for name in ("cell_rewards", *cls._policies)}

    @tr.validate("rows")
    def _map_that_is_one(self, proposal):
        rows = proposal["value"]
        try:
            gridworld(rows, gamma=0.5)
        except ValueError as error:
            raise tr.TraitError(str(error)) from None
        if any(size > most for size, most in zip(map_shape(rows), self.LARGEST_MAP, strict=True)):
            most = "{} rows of {} cells".format(*self.LARGEST_MAP)
            raise tr.TraitError(f"rows must be at most {most}, got {len(rows)} of {len(rows[0])}")
        return rows

    @tr.validate("cell_rewards")
    def _rewards_that_fit(self, proposal):
        value, shape = proposal["value"], map_shape(self.rows)
        if (value and map_shape(value) != shape) or any(len(row) != shape[1] for row in value):
            raise tr.TraitError(f"cell_rewards must be empty or {shape[0]} lists of {shape[1]} numbers, got {value!r}")
        if not all(abs(x) <= LARGEST_REWARD for row in value for x in row):  # nor is nan
            most = LARGEST_REWARD
            raise tr.TraitError(f"cell_rewards must hold numbers from {-most} to {most}, got {value!r}")
        return value

    def _check_arrows(self, name, policy):
        """`policy`, if it is empty or fits the map; for a subclass to validate its policies with."""
        H, W = map_shape(self.rows)
        fits = len(policy) == H and all(len(row) == W for row in policy)
        if policy and (not fits or not set("".join(policy)) <= {*ARROWS, "."}):
            raise tr.TraitError(f"{name} must be empty or {H} rows of {W} of ^ > v < and ., got {policy!r}")
        return policy


# Pictures ---------------------------------------------------------------------------------------------------

BY_SIGN = "Blue is above 0, vermilion below."


def letters(rows) -> str:
    """What the signs of these rows' map are, in sentences."""
    signs = {"S": "S is the start.", "G": "G is a goal.", "P": "P is a pit.", "#": "Grey is a wall."}
    return " ".join(said for sign, said in signs.items() if sign in "".join(rows))


def draw_cells(
    ax, rows, cells, values, *, title, top, policies=(), colours=(plots.IMPROVED, plots.PLAIN), tints=None
) -> None:
    """A map with a number in each cell, tinted by its sign up to |number| = top, or by that of `tints` instead.

    `policies` are pairs (colour, π), drawn as arrows.
    """
    H, W = len(rows), len(rows[0])
    size = min(7.0, 40 / max(H, W))
    for i, row in enumerate(rows):
        for j, kind in enumerate(row):
            if kind == "#":
                ax.add_patch(Rectangle((j, i), 1, 1, color=plots.BOUND, lw=0))
            elif kind in "GPS":
                ax.text(j + 0.07, i + 0.08, kind, va="top", size=size, weight="bold")
    for (i, j), value, tint in zip(cells, values, values if tints is None else tints, strict=True):
        share = min(1.0, abs(tint) / (top or 1.0))
        ax.add_patch(Rectangle((j, i), 1, 1, color=colours[int(tint < 0)], alpha=0.5 * share, lw=0))
        if abs(value) > 5e-13:
            text = f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.0e}".replace("e-0", "e-")
            ax.text(j + 0.5, i + 0.85, text.replace("-", "−"), ha="center", va="center", size=size)
    for n, (colour, pi) in enumerate(policies):
        aside = 0.1 * (2 * n - 1) if len(policies) > 1 else 0  # so that equal arrows are both seen
        tails = []
        for (i, j), weights in zip(cells, pi, strict=True):
            for (di, dj), weight in zip(MOVES, weights, strict=True):
                if rows[i][j] not in "GP" and weight > 0.02:
                    length = 0.06 + 0.18 * weight  # that of one that leads down ends above the number
                    tails.append((j + 0.5 + aside, i + 0.36 + aside, length * dj, length * di))
        if tails:
            scale = {"angles": "xy", "scale_units": "xy", "scale": 1, "units": "xy", "width": 0.03}
            ax.quiver(*np.transpose(tails), color=colour, headwidth=4.5, headlength=4.5, headaxislength=4, **scale)
    ax.set(title=title, xlim=(0, W), ylim=(H, 0), xticks=range(W + 1), yticks=range(H + 1), aspect="equal")
    ax.tick_params(length=0, labelbottom=False, labelleft=False)
