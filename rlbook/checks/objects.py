"""What is no number: a decision process, a generator, a function, a network, settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rlbook.checks.scalars import number, shown


def instance(name, value, kind) -> Any:
    """`value`, if it is an instance of the class `kind`."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be a {kind.__name__}, got {shown(value)}")
    return value


def tabular(mdp) -> Any:
    """`mdp`, if it has what makes a finite MDP: `rlbook.TabularMDP`'s arrays and its two linear maps."""
    if isinstance(mdp, type) or not all(
        hasattr(mdp, name) for name in ("expect", "flow", "r", "gamma", "rho0", "terminal")
    ):
        raise ValueError(f"mdp must be a TabularMDP, got {shown(mdp)}")
    return mdp


def generator(rng) -> np.random.Generator:
    """`rng`, if it is a `numpy.random.Generator`."""
    if not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"rng must be a numpy.random.Generator, got {shown(rng)}; numpy.random.default_rng(seed) makes one"
        )
    return rng


def function(name, value) -> Callable[..., Any]:
    """`value`, if it can be called."""
    if not callable(value):
        raise ValueError(f"{name} must be a function, got {shown(value)}")
    return value


def path(name, value, what="a folder") -> Path:
    """`value` as an absolute `Path`, if it can be one; `what` says in the error of what."""
    if not isinstance(value, (str, Path)):
        raise ValueError(f"{name} must be the path of {what}, got {shown(value)}")
    return Path(value).absolute()


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
        raise ValueError(f"variants must be a dictionary from names to dictionaries of settings, got {shown(values)}")
    return values


def progress_bar(progress) -> Any:
    """`progress`, if it is None or a bar that can be moved on."""
    if progress is not None and not callable(getattr(progress, "update", None)):
        raise ValueError(f"progress must be a tqdm bar, or None, got {shown(progress)}")
    return progress


def fields(model, intervals) -> None:
    """Make the fields of a frozen dataclass floats, each in its interval (see `number`)."""
    for name, within in intervals.items():
        object.__setattr__(model, name, number(name, getattr(model, name), within))
