"""What all trainers share: their settings, what they return, and how good a policy is."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from rlbook import checks
from rlbook.neural.environments import env_name, made
from rlbook.neural.episodes import rollout
from rlbook.neural.networks import check_weights

SHOWN = 6  # rows of a result's table


@dataclass(frozen=True, eq=False, repr=False)
class Training:
    """A trained `policy`, its `value` function (None where there is none), and (batches,) learning curves.

    `mean_returns` is the mean undiscounted return of each batch, `steps` the number of environment steps taken up to
    its end. `seed` and `settings` are what the trainer was called with: `train(**run.settings, seed=run.seed)` is the
    same run again. It prints as a table; `rlbook.plots.learning_curves` draws several, such as those of a `study`.

    All trainers take these settings, each where it has a use for them. One that cannot be is a `ValueError`, and so are
    numbers that are not finite, whether the environment shows them or the networks come to hold them.

    Settings
    --------
    env
        A registered id or an `EnvSpec`; or a class or function that makes an environment, or one, of which copies are
        made: these are stepped one by one. It shows vectors, and takes numbers or vectors.
    seed
        An integer from 0, from which all randomness comes.
    batches, n_episodes
        How often new episodes are played, from which the policy then makes one step of learning; and how many.
    gamma, lam
        The discount γ, and λ of the advantages (prop-gae).
    discount
        Whether states are weighted by γᵗ, as they are in the gradient of E Σ γᵗ r_t.
    hidden
        The width of the networks' one hidden layer, or a tuple of widths.
    sigma
        The σ that a `GaussianPolicy` starts with; a policy of numbered actions has none.
    entropy
        The weight of a bonus H(π(·|s)), in units of reward, at the states that were seen. The policy's step alone knows
        it: that actions lead to other states' bonuses is left out, in V as well.
    learning_rate
        That of Adam, for V (but Q-Prop's, which has 0.02) and for a policy or critic that learns by it.
    value_steps
        How many steps of least squares V makes on a batch, after the policy's step.
    progress
        A tqdm bar that is moved on by one a batch.
    """

    policy: nn.Module
    value: nn.Module | None
    mean_returns: np.ndarray
    steps: np.ndarray
    seed: int
    settings: dict[str, Any]

    def __repr__(self):
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        columns = {name: x for name, x in columns.items() if isinstance(x, np.ndarray)}
        columns = {"": np.arange(1, len(self.steps) + 1), "steps": columns.pop("steps")} | columns
        chosen = [self.settings[name] for name in ("variant", "method", "rule") if name in self.settings]
        head = ", ".join([type(self).__name__, *chosen, env_name(self.settings["env"]), f"seed {self.seed}"])
        rows = [[name.replace("_", " ") for name in columns]]
        for i in np.unique(np.linspace(0, len(self.steps) - 1, SHOWN).round().astype(int)):
            rows.append([f"{x[i]:,}" if x.dtype.kind == "i" else f"{x[i]:.4g}" for x in columns.values()])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ("  ".join(cell.rjust(n) for cell, n in zip(row, widths, strict=True)) for row in rows)
        return "\n".join([head, *table])


COUNTS = ("batches", "n_episodes", "value_steps", "cg_steps", "critic_steps", "epochs", "updates", "target_every")
COUNTS += ("environments", "batch_size", "capacity", "warm_up", "evaluate_every")
CHECKS = {
    **dict.fromkeys(COUNTS, checks.count),
    **dict.fromkeys(("learning_rate", "delta", "sigma"), checks.positive),
    **dict.fromkeys(("damping", "entropy"), partial(checks.number, within="[0, ∞)")),
    **dict.fromkeys(("lam", "epsilon"), partial(checks.number, within="[0, 1]")),
    **dict.fromkeys(("discount", "residual"), checks.flag),
    "clip": partial(checks.number, within="(0, 1)"),
    "alpha": lambda name, value: None if value is None else checks.positive(name, value),
    "gamma": lambda _, value: checks.discount(value),
    "hidden": lambda _, value: checks.widths(value) and value,
    "seed": lambda _, value: checks.seed(value),
    "progress": lambda _, value: checks.progress_bar(value),
}


class Run:
    """A run that is under way: its settings, checked, as attributes, its generator `rng`, and what it has measured."""

    def __init__(self, *, progress=None, **settings):
        settings = {name: CHECKS[name](name, x) if name in CHECKS else x for name, x in settings.items()}
        vars(self).update(settings)
        self.progress, self.rng = CHECKS["progress"]("progress", progress), np.random.default_rng(self.seed)
        self.settings, self.rows = {name: x for name, x in settings.items() if name != "seed"}, []

    def note(self, **row) -> None:
        """Keep a row of measurements, and move the bar on."""
        self.rows.append(row)
        if self.progress is not None:
            self.progress.update()

    def note_batch(self, episodes, networks, **more) -> None:
        """What a batch of episodes earned and how many steps it took, after a look at the networks, by their names."""
        check_weights(f"in batch {len(self.rows)}", **networks)
        taken = self.rows[-1]["steps"] if self.rows else 0
        earned = episodes.rewards.sum(axis=1).mean()
        self.note(mean_returns=earned, steps=taken + episodes.alive.sum(), **more)

    def result(self, kind, policy, value=None, **more) -> Any:
        """A `kind` of `Training`, its curves the columns of what was noted."""
        columns = {name: np.array([row[name] for row in self.rows]) for name in self.rows[0]}
        return kind(policy=policy, value=value, seed=self.seed, settings=self.settings, **columns, **more)


class Evaluation(NamedTuple):
    """The mean undiscounted return of a policy's episodes, its standard error, and the returns (N,) themselves."""

    mean_return: float
    standard_error: float
    returns: np.ndarray

    def __repr__(self):
        return f"{self.mean_return:.4g} ± {self.standard_error:.2g} ({len(self.returns)} episodes)"


def evaluate(policy, env, *, seed, n_episodes=100) -> Evaluation:
    """What a policy earns in `n_episodes` new episodes, its actions drawn from π: an `Evaluation`.

    `env` is what trainers take. The standard error is that of the mean, the returns' standard deviation by √N.
    Raises `ValueError` for fewer than 2 episodes, a seed that is not an integer from 0, an env that a trainer would
    refuse, or a policy that does not fit it.
    """
    n, seed = checks.count("n_episodes", n_episodes, least=2), checks.seed(seed)
    with made(env, n) as envs:
        returns = rollout(policy, envs, np.random.default_rng(seed)).rewards.sum(axis=1)
    return Evaluation(float(returns.mean()), float(returns.std(ddof=1) / n**0.5), returns)
