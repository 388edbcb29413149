"""All derivations, in the book's order."""

from rlbook.derivations import (
    baselines,
    bellman,
    control_variates,
    differences,
    natural_gradients,
    occupancies,
    policy_gradient,
    policy_gradient_theorem,
    q_prop,
    rulers,
    semi_gradients,
    soft,
    trust_regions,
    weights,
)
from rlbook.derivations.lines import RECIPES

ROOMS = (  # in the book's order; each declares its own
    *(policy_gradient, baselines, policy_gradient_theorem),
    *(bellman, soft, semi_gradients),
    *(rulers, natural_gradients, trust_regions),
    *(occupancies, differences),
    *(control_variates, q_prop, weights),
)
NAMES = tuple(name for room in ROOMS for name, recipe in RECIPES.items() if recipe.function.__module__ == room.__name__)
"""The names of all derivations, in the order of the book; `derive` takes them."""
