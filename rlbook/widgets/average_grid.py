"""Chapter 4's grid argument, alive: γᵗ r(s_t,a_t) of many episodes piles up in the cells of a map.

Every episode leaves in the cell of each pair it takes γᵗ r(s_t,a_t). The sum over the cells is the return of the
episode; the sum over the average of such grids tends to η(π), and what its cells tend to is ρ_π(s,a) r(s,a)
(thm-return, prop-empirical). `Episodes` plays them from a seed with generator and rules that the browser has a copy
of (frontend/src/average_grid/numerics.js), so that both play the same episodes, step by step.
"""

from __future__ import annotations

import numpy as np
import traitlets as tr

from rlbook import plots
from rlbook.bellman import policy_iteration
from rlbook.mdp import TabularMDP
from rlbook.widgets import maps
from rlbook.widgets.base import Whole
from rlbook.widgets.episodes import Averages, Episodes
from rlbook.widgets.lesson import Guess, Step
from rlbook.widgets.maps import BY_SIGN, MAP_SETTINGS, MapWidget, draw_cells, letters, write_policy

QUANTITIES = ("reward", "visits")
SHADES = ("value", "error")

LESSON = (
    Step(
        "One grid an episode",
        "At step t an episode adds γᵗr to its cell, r being what its action earns on average; the second map is the "
        "average of all episodes. Press Play, or hold Pour: what does its sum settle to?",
        panels=("episode", "average"),
        controls=("play", "pour"),
        preset="goal-and-pit",
        settings={"episodes": 1},
        more=("dice", "policy", "quantity"),
    ),
    Step(
        "What it settles to",
        "Now all directions are equally likely, and colour is error: how far a cell’s average still is above or below "
        "its exact ρ·r, which the second map has. Hold Pour: the colours fade, if not all at once.",
        panels=("average", "exact"),
        controls=("pour",),
        preset="wander",
        settings={"episodes": 2, "shade": "error"},
        more=("dice", "policy", "quantity"),
    ),
    Step(
        "How fast",
        "All cells’ errors, added up, against the number n of episodes. Guess, and a dashed line comes, a bound on "
        "the expected error. Then hold Pour: the curve wanders below it or along it.",
        panels=("gaps",),
        controls=("pour",),
        preset="wander",
        settings={"episodes": 10},
        more=("dice", "quantity"),
        guess=Guess(
            "To halve the error that one must expect, so many times the episodes:",
            "The dashed line is Σσ/√n, σ a cell’s spread in one episode: four times as many halve it. The error itself "
            "is luck: it may even grow.",
            answers=("2", "4", "10"),
            right=1,
            settings={"episodes": 100},
        ),
    ),
)


class AverageGrid(MapWidget):
    """Episodes of a policy on a map leave γᵗr in its cells; their average beside what it tends to, ρ_π(s,a) r(s,a).

    `AverageGrid()` shows its lesson, `AverageGrid("endless")` everything, for that preset, and
    `AverageGrid(rows=["S..G"])` a map of your own.

    Settings
    --------
    preset : one of {presets}, or 'own'
        Setting it resets the others to that preset's; 'own' is a map of your own.
    rows : the map, as `gridworld` takes it, at most 8 rows of 10
    cell_rewards : what a step that ends in a cell earns besides, H lists of W numbers; or empty
    slip, gamma, step_reward, goal_reward, pit_reward : as `gridworld` takes them; gamma at most 0.98
    policy : rows of ^ > v < and, for all four alike, a dot; or empty, which is dots
    quantity : what piles up: "reward", γᵗr, or "visits", γᵗ
    shade : what colours the average's cells: their "value", or their "error", average less exact
    episodes : how many are in the average, from 0 to 10000
    t : how many steps of the next one have been played; while it is 0, the last whole episode is shown
    seed : of the episodes, from 0 to 2³² − 1

    Another map, slip, policy or seed begins again, with no episodes; with other
    rewards or another γ there are as many.
    """

    _view = tr.Unicode("average_grid").tag(sync=True)
    preset = tr.Unicode("goal-and-pit").tag(sync=True, setting=True)
    policy = tr.List(tr.Unicode()).tag(sync=True, setting=True)
    quantity = tr.Enum(QUANTITIES, "reward").tag(sync=True, setting=True)
    shade = tr.Enum(SHADES, "value").tag(sync=True, setting=True)
    episodes = Whole(0, 0, 10_000).tag(sync=True, setting=True)
    t = Whole(0, 0, 100_000).tag(sync=True, setting=True)
    seed = Whole(1, 0, 2**32 - 1).tag(sync=True, setting=True)

    PANELS = ("episode", "average", "exact", "gaps")
    lesson = LESSON

    def __init__(self, preset=None, **settings):
        self._played = None, None  # the settings and the episodes that were asked for last
        super().__init__(preset, **settings)

    @property
    def run(self) -> Episodes:
        """The `Episodes`."""
        settings = {**self.map_settings, "policy": self.policy, "seed": self.seed}
        if self._played[0] != settings:
            self._played = settings, Episodes(**settings)
        return self._played[1]

    @property
    def mdp(self) -> TabularMDP:
        """The `TabularMDP` of the map."""
        return self.run.mdp

    @property
    def pi(self) -> np.ndarray:
        """The policy, (S, 4)."""
        return self.run.pi

    @property
    def episode(self) -> np.ndarray:
        """The grid of the episode that is being played, up to its t-th step, or of the last one; (S, 4)."""
        run = self.run
        if not self.t:
            return run.visits(self.episodes - 1, 1)[0] * run.unit(self.quantity) if self.episodes else 0 * run.mdp.r
        states, actions, lengths = run.play(self.episodes, 1)
        if self.t >= lengths[0]:
            return run.visits(self.episodes, 1)[0] * run.unit(self.quantity)
        grid = np.zeros(run.mdp.r.shape)
        np.add.at(grid, (states[0, : self.t], actions[0, : self.t]), run.powers[: self.t])
        return grid * run.unit(self.quantity)

    @property
    def average(self) -> Averages:
        """The average grid with its standard errors: `Averages`."""
        return self.run.average(self.episodes, self.quantity)

    @property
    def mean_return(self) -> float:
        """The episodes' mean return, added up episode by episode and step by step; nan without one."""
        return float(self.run.returns(0, self.episodes).mean()) if self.episodes else np.nan

    @property
    def exact(self) -> np.ndarray:
        """What the average tends to: ρ_π(s,a) r(s,a), or ρ_π(s,a); (S, 4)."""
        return self.run.rho * self.run.unit(self.quantity)

    @property
    def total(self) -> float:
        """The sum of the exact grid: η(π), or 1/(1−γ)."""
        return float(self.exact.sum())

    @property
    def gap(self) -> float:
        """Σ_s |average − exact| over the states' cells; nan without an episode."""
        return float(abs(self.average.states - self.exact.sum(axis=1)).sum())

    def improve(self) -> None:
        """Take the optimal policy's arrows."""
        self.policy = write_policy(self.rows, self.mdp.cells, policy_iteration(self.mdp).Q)

    def _following(self, before, said):
        """Another map, policy, slip or seed begins again; other rewards or another γ leave as many episodes."""
        following = super()._following(before, said)
        if self.preset != before["preset"]:
            return following
        changed = {name for name in (*MAP_SETTINGS, "policy", "seed") if before[name] != getattr(self, name)}
        if not changed:
            return following
        return {**following, "t": 0, **({"episodes": 0} if changed & {"rows", "slip", "policy", "seed"} else {})}

    def _draw_map(self, ax, values, title, *, colour=plots.SAMPLES, policies=(), off=None):
        """A map with numbers, tinted by them or by how far they are `off`: by sign, where they are rewards."""
        by_sign = off is not None or self.quantity == "reward"
        draw_cells(
            ax,
            self.rows,
            self.mdp.cells,
            values,
            title=f"{title}\nsum {np.nansum(values):.3g}".replace("-", "−"),
            top=abs(self.exact.sum(axis=1)).max(),
            policies=policies,
            colours=(plots.IMPROVED, plots.PLAIN) if by_sign else (colour, colour),
            tints=off,
        )

    def _draw_episode(self, ax):
        self._draw_map(ax, self.episode.sum(axis=1), "An episode", policies=[(plots.INK, self.pi)])

    def _draw_average(self, ax):
        values = np.nan_to_num(self.average.states)
        off = self._strength(values - self.exact.sum(axis=1)) if self.shade == "error" else None
        self._draw_map(ax, values, f"Average of {self.episodes:,}", off=off)

    def _draw_exact(self, ax):
        title = "Exact: ρ r" if self.quantity == "reward" else "Exact: ρ"
        self._draw_map(ax, self.exact.sum(axis=1), title, colour=plots.INK)

    def _strength(self, off):
        """How deep an error is tinted, (S,): fully where it is a fifth of the largest exact value."""
        return 5 * off

    def _draw_gaps(self, ax):
        run, n = self.run, self.episodes
        reach = 10 ** max(2, int(np.ceil(np.log10(max(n, 1)))))
        bound = run.deviations(self.quantity)[0].sum()
        errors = run.errors(n, self.quantity)
        low, high = (bound / np.sqrt(reach) / 10, 3 * bound) if bound > 0 else (1e-3, 1.0)
        ends = np.array([1, reach])
        ax.set(title="All cells' errors, and Σσ/√n", xlabel="n, episodes", xscale="log", yscale="log")
        ax.set(ylabel="in units of reward" if self.quantity == "reward" else "in visits")
        ax.set(xlim=ends, ylim=(low, high))
        ax.plot(ends, np.maximum(bound / np.sqrt(ends), low / 10), color=plots.BOUND, ls="--", lw=1)
        ax.plot(np.arange(1, n + 1), np.maximum(errors, low / 10), color=plots.SAMPLES, lw=2)

    def _words(self):
        what = "γᵗ r" if self.quantity == "reward" else "γᵗ"
        value, error = self.average.total
        found = (
            f"sums to {value:.3g}" + (f" ± {error if error > 1e-9 else 0:.2g}" if self.episodes > 1 else "")
            if self.episodes
            else "is empty"
        )
        cells = f"{len(self.rows)} by {len(self.rows[0])} cells, γ = {self.gamma:g}"
        alone = self.panels == ("gaps",)
        return (
            f"{what} in {cells}, added up episode by episode" if alone else f"What {what} leaves in each of {cells}",
            {
                "episode": "in one episode",
                "average": f"in the average of {self.episodes} episodes, which {found}",
                "exact": f"exactly, which sums to {self.total:.3g}",
                "gaps": f"and the errors of all cells against the number of episodes, {self.gap:.3g} now",
            },
        )

    def _marks(self):
        tints = BY_SIGN if self.quantity == "reward" else "The tint grows with the number."
        tints += " A 0 is not written."
        is_first = "episode" not in self.panels
        average, exact = f"{letters(self.rows)} {tints}" if is_first else "", ""
        if self.shade == "error":
            off = "In the average the tint is the error: blue is too much, vermilion too little. A 0 is not written."
            average = f"{letters(self.rows)} {off}" if is_first else off
            exact = f"In the exact map {tints[0].lower()}{tints[1:]}"
        return {
            "episode": f"Arrows are the policy. {letters(self.rows)} {tints}",
            "average": average,
            "exact": exact,
            "gaps": "The orange line is the sum of all cells’ errors; the dashed grey one bounds its mean.",
        }

    @tr.validate("policy")
    def _policy_that_fits(self, proposal):
        return self._check_arrows("policy", proposal["value"])


# Presets ----------------------------------------------------------------------------------------------------
# Each is (title, its world, what to look at, the settings that are not the defaults).

DEFAULTS = {
    "rows": ["...G", ".#.P", "S..."],
    "cell_rewards": [],
    "slip": 0.2,
    "gamma": 0.9,
    "step_reward": -0.04,
    "goal_reward": 1.0,
    "pit_reward": -1.0,
    "policy": [],
    "quantity": "reward",
    "shade": "value",
    "episodes": 0,
    "t": 0,
    "seed": 1,
}
ENDLESS = [".....", ".....", ".....", "S...."]
CLIFF = ["......", "......", "......", "SPPPPG"]
CORRIDOR = ["S.......", ".######.", ".......G"]


def _rewards(rows, **at):
    """Zero everywhere but in the cells named r0c1 for row 0, column 1."""
    rewards = np.zeros((len(rows), len(rows[0])))
    for place, value in at.items():
        rewards[tuple(map(int, place[1:].split("c")))] = value
    return rewards.tolist()


SAFE = {"rows": CLIFF, "slip": 0.1, "gamma": 0.95, "step_reward": -0.05, "pit_reward": -5.0}
CLIFF_WORLD = "A goal (+1) behind a cliff (−5); a step costs .05 and slips aside one time in ten."
PRESETS = {
    "goal-and-pit": (
        *maps.GOAL_AND_PIT,
        "π is optimal. The sum of the average grid is the mean return of its episodes, and tends to η.",
        {"policy": [">>>.", "^.^.", "^>^<"], "episodes": 10},
    ),
    "wander": (
        "wander",
        maps.GOAL_AND_PIT[1],
        "π goes anywhere, so that what is left differs from one episode to the next, and the average settles slowly.",
        {"episodes": 10},
    ),
    "one-way": (
        "no chance",
        "A goal (+1) and a way to it on either side of a long wall; a step costs .04, and nothing slips.",
        "Nothing is left to chance: one episode is the exact grid, and no error is left to draw.",
        {"slip": 0.0, "rows": CORRIDOR, "policy": [">>>>>>>v", ".......v", "^<<<<<<."], "episodes": 1},
    ),
    "safe": (
        "safe way",
        CLIFF_WORLD,
        "Two rows from the edge a slip costs little: compare its exact sum with that along the edge.",
        {**SAFE, "policy": [">>>>>v", "^>>>>v", "^>>>>v", "^....."], "episodes": 10},
    ),
    "edge": (
        "along the edge",
        CLIFF_WORLD,
        "Shorter, but now and then an episode falls: few episodes may have missed what costs most.",
        {**SAFE, "policy": [">>>>>v", ">>>>>v", ">>>>>v", "^....."], "episodes": 10},
    ),
    "endless": (
        *maps.ENDLESS,
        "What piles up here are visits: whatever happens, an episode’s γᵗ add up to 1/(1−γ).",
        {
            "rows": ENDLESS,
            "slip": 0.1,
            "step_reward": 0.0,
            "cell_rewards": _rewards(ENDLESS, r0c4=1, r1c1=-1),
            "quantity": "visits",
            "episodes": 10,
        },
    ),
}
AverageGrid.take_presets(PRESETS, DEFAULTS)
