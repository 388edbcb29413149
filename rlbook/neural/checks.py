"""What the networks' functions must be given besides numbers: seeds, generators, widths of layers, modules."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from rlbook.mdp import _check_count


def check_hidden(hidden):
    """The widths of the hidden layers as a tuple: `hidden` is one positive integer, or several."""
    widths = tuple(hidden) if isinstance(hidden, (tuple, list)) else (hidden,)
    if not widths:
        raise ValueError(f"hidden must be a positive integer, or a tuple of them, got {hidden!r}")
    for i, width in enumerate(widths):
        _check_count("hidden" if widths == (hidden,) else f"hidden[{i}]", width)
    return tuple(int(width) for width in widths)


def check_seed(seed, name="seed"):
    """Raise unless `seed` is an integer from 0, so that it can be given again."""
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"{name} must be an integer from 0, got {seed!r}")


def check_seeds(seeds):
    """Raise unless `seeds` is a sequence of seeds."""
    if not hasattr(seeds, "__len__") or isinstance(seeds, (str, dict)):
        raise ValueError(f"seeds must be a sequence of integers from 0, got {seeds!r}")
    for i, seed in enumerate(seeds):
        check_seed(seed, f"seeds[{i}]")


def check_variants(variants):
    """Raise unless `variants` maps names to settings."""
    if not isinstance(variants, dict) or not all(isinstance(own, dict) for own in variants.values()):
        raise ValueError(f"variants must be a dictionary from names to dictionaries of settings, got {variants!r}")


def check_rng(rng):
    """Raise unless `rng` is a `numpy.random.Generator`."""
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng must be a numpy.random.Generator, got {rng!r}")


def check_progress(progress):
    """Raise unless `progress` is None or a bar that can be moved on."""
    if progress is not None and not callable(getattr(progress, "update", None)):
        raise ValueError(f"progress must be a tqdm bar, or None, got {progress!r}")


def check_module(name, module):
    """Raise unless `module` is a torch module that has parameters."""
    if not isinstance(module, nn.Module):
        raise ValueError(f"{name} must be a torch module, got a {type(module).__name__}")
    if next(module.parameters(), None) is None:
        raise ValueError(f"{name} must be a torch module with parameters, got a {type(module).__name__} without")


def check_weights(when, **modules):
    """Raise if a module has come to hold numbers that are not finite: nothing can be learned from there on."""
    for name, module in modules.items():
        if not all(torch.isfinite(p).all() for p in module.parameters()):
            raise ValueError(
                f"the {name} has come to hold numbers that are not finite, {when}: the steps may be too large, "
                f"or the rewards"
            )
