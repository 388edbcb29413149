"""rlbook: the numerics and widgets of *Reinforcement Learning, Derived*.

One module a chapter, in the book's order, over one shared noun, `TabularMDP`. The names below are the ones that
readers use; `rlbook.neural` (torch) and `rlbook.widgets` are imported by themselves, so that `import rlbook`
stays quick and needs neither.
"""

from rlbook.bellman import (
    bellman_operator,
    evaluate_policy,
    optimality_operator,
    policy_iteration,
    soft_operator,
    soft_policy_iteration,
    soft_value_iteration,
    solve,
    value_iteration,
)
from rlbook.derivations import derive
from rlbook.mdp import TabularMDP, garnet, gridworld
from rlbook.natural_gradients import conjugate_gradient, fisher, natural_gradient
from rlbook.occupancies import expected_return, occupancy, policy_from_occupancy
from rlbook.policy_gradient import exact_gradient, sample_trajectories, softmax_policy
from rlbook.statements import name_statements

__version__ = "0.2.0"  # the only place; CHANGELOG.md says what each has brought

__all__ = [
    "TabularMDP",
    "bellman_operator",
    "conjugate_gradient",
    "derive",
    "evaluate_policy",
    "exact_gradient",
    "expected_return",
    "fisher",
    "garnet",
    "gridworld",
    "natural_gradient",
    "occupancy",
    "optimality_operator",
    "policy_from_occupancy",
    "policy_iteration",
    "sample_trajectories",
    "soft_operator",
    "soft_policy_iteration",
    "soft_value_iteration",
    "softmax_policy",
    "solve",
    "value_iteration",
]

name_statements(__name__)
