"""Chapter 4: a policy as the measure of what it visits, and what becomes plain when it is seen so.

The occupancy measure of a policy, with or without memory, is how often it takes each pair, discounted:

    ρ_π(s,a) = Σ_{t≥0} γᵗ P(s_t=s, a_t=a),   ν(s) = Σ_a ρ_π(s,a),   Σ_s ν(s) = 1/(1−γ).      (def-occupancy, prop-mass)

It keeps the return, η(π) = Σ ρ_π r (thm-return), and forgets nothing else that matters: the occupancy measures of all
policies are exactly the solutions of the Bellman flow (prop-flow, thm-bijection, prop-histories),

    D = {ρ ≥ 0 :  Σ_a ρ(s,a) = ρ₀(s) + γ Σ_{s',a'} P(s|s',a') ρ(s',a')  for all s},           (eq-flow)

and π(a|s) = ρ(s,a)/ν(s) leads back. On D the return is linear, so control is a linear program, V its dual variables:

    max {ρ·r : ρ ∈ D} = min {ρ₀·V : V(s) ≥ r(s,a) + γ E[V(s')|s,a]}.                           (eq-lp, eq-dual)

Two policies are compared by one's occupancy and the other's advantage A_π = Q^π − V^π:

    η(π') − η(π) = Σ_s ρ_π'(s) Σ_a π'(a|s) A_π(s,a).                                           (eq-difference-states)

With ρ_π for ρ_π' it is only the surrogate L_π(π') − η(π); the bounds say how wrong that can be.
"""

from rlbook.divergences import (
    total_variation,
)
from rlbook.occupancies.differences import (
    Difference,
    DifferenceEstimate,
    MixturePath,
    average_bound,
    estimate_performance_difference,
    mixture_bound,
    mixture_path,
    performance_difference,
    surrogate,
    trust_region_bound,
)
from rlbook.occupancies.measures import (
    Mixing,
    OccupancyEstimate,
    OccupancyPolicy,
    check_occupancy,
    estimate_occupancy,
    expected_return,
    flow_residual,
    history_occupancy,
    jensen_shannon,
    mix,
    occupancy,
    occupancy_entropy,
    policy_from_occupancy,
    state_occupancy,
)
from rlbook.occupancies.plane import (
    TWO_BY_TWO,
    from_plane,
    polygon,
    two_by_two,
)
from rlbook.occupancies.programs import (
    Frontier,
    ProgramSolution,
    Vertices,
    budget_frontier,
    deterministic_occupancies,
    entropy_program,
    occupancy_program,
)

__all__ = [
    "TWO_BY_TWO",
    "Difference",
    "DifferenceEstimate",
    "Frontier",
    "Mixing",
    "MixturePath",
    "OccupancyEstimate",
    "OccupancyPolicy",
    "ProgramSolution",
    "Vertices",
    "average_bound",
    "budget_frontier",
    "check_occupancy",
    "deterministic_occupancies",
    "entropy_program",
    "estimate_occupancy",
    "estimate_performance_difference",
    "expected_return",
    "flow_residual",
    "from_plane",
    "history_occupancy",
    "jensen_shannon",
    "mix",
    "mixture_bound",
    "mixture_path",
    "occupancy",
    "occupancy_entropy",
    "occupancy_program",
    "performance_difference",
    "policy_from_occupancy",
    "polygon",
    "state_occupancy",
    "surrogate",
    "total_variation",
    "trust_region_bound",
    "two_by_two",
]
