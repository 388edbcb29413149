"""rlbook: the numerics and widgets of *Reinforcement Learning, Derived*.

One module a chapter, in the book's order, over one shared noun, `TabularMDP`. The names below are the ones that
readers use; `rlbook.neural` (torch) and `rlbook.widgets` are imported by themselves, so that `import rlbook`
stays quick and needs neither.
"""

from rlbook.bellman import evaluate_policy
from rlbook.mdp import TabularMDP, garnet, gridworld
from rlbook.occupancy import expected_return, occupancy
from rlbook.policy_gradient import exact_gradient, sample_trajectories, softmax_policy

__all__ = [
    "TabularMDP",
    "evaluate_policy",
    "exact_gradient",
    "expected_return",
    "garnet",
    "gridworld",
    "occupancy",
    "sample_trajectories",
    "softmax_policy",
]
