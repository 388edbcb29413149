"""Chapter 2: Bellman operators, the algorithms that iterate them, and what can go wrong without a table.

For a policy π, and for the best one, the operators on bounded functions of state and action are

    (T^π Q)(s,a) = r(s,a) + γ E[Σ_a' π(a'|s') Q(s',a')]                                       (def-operators)
    (T* Q)(s,a)  = r(s,a) + γ E[max_a' Q(s',a')]                                              (def-optimality)
    (T_α Q)(s,a) = r(s,a) + γ E[α log Σ_a' exp(Q(s',a')/α)],   α > 0                          (def-soft)

with s' ~ P(·|s,a). Each is a γ-contraction in the maximum norm, so each has one fixed point, Q^π, Q* and Q_α,
to which its iterates converge.
"""

from rlbook.bellman.evaluation import (
    PolicyValue,
    advantages,
    evaluate_policy,
)
from rlbook.bellman.learning import (
    Learned,
    q_learning,
)
from rlbook.bellman.linear import (
    DIRECTIONS,
    LinearProblem,
    baird_star,
    linear_td,
    on_policy,
    split,
    td_direction,
    td_fixed_point,
    td_zero,
    two_states,
)
from rlbook.bellman.operators import (
    bellman_operator,
    greedy_policy,
    optimality_operator,
    soft_operator,
    soft_policy,
    soft_value,
    transition_matrix,
)
from rlbook.bellman.planning import (
    policy_iteration,
    soft_policy_iteration,
    soft_value_iteration,
    solve,
    value_iteration,
)
from rlbook.bellman.precision import (
    Solution,
)
from rlbook.bellman.traces import (
    Trace,
    error_and_bounds,
    trace,
)

__all__ = [
    "DIRECTIONS",
    "Learned",
    "LinearProblem",
    "PolicyValue",
    "Solution",
    "Trace",
    "advantages",
    "baird_star",
    "bellman_operator",
    "error_and_bounds",
    "evaluate_policy",
    "greedy_policy",
    "linear_td",
    "on_policy",
    "optimality_operator",
    "policy_iteration",
    "q_learning",
    "soft_operator",
    "soft_policy",
    "soft_policy_iteration",
    "soft_value",
    "soft_value_iteration",
    "solve",
    "split",
    "td_direction",
    "td_fixed_point",
    "td_zero",
    "trace",
    "transition_matrix",
    "two_states",
    "value_iteration",
]
