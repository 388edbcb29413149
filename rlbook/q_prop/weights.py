"""How much of it: the rules by which κ(s) is chosen (prop-adaptive, prop-neither-helps, prop-single-sample)."""

from __future__ import annotations

import numpy as np

from rlbook import checks

RULES = {
    "none": lambda K, W: np.zeros_like(K),
    "full": lambda K, W: np.ones_like(K),
    "conservative": lambda K, W: (K > 0) * 1.0,
    "aggressive": lambda K, W: np.sign(K),
    "adaptive": lambda K, W: np.divide(K, W, out=np.zeros_like(K), where=W > 0),
}
"""How the weight κ(s) is chosen from K = E[ÂĀ|s] and W = Var(Ā|s), by name."""
SINGLE_SAMPLE_RULES = ("conservative", "aggressive")
"""The rules that may also look at the single sample they are used on, and are then biased (prop-single-sample)."""


def rule_weight(K, W, rule) -> np.ndarray:
    """κ(s) by one of `RULES`: "none" 0, "full" 1, "conservative" 1{K > 0}, "aggressive" sign K, "adaptive" K/W, (S,).

    K = E[ÂĀ|s] and W = Var(Ā|s) are numbers or (S,). Var(Â − κĀ|s) changes by κ²W − 2κK: by W − 2K for conservative
    (if K > 0), W − 2|K| for aggressive, −K²/W for adaptive, of which only the last is never positive (prop-adaptive,
    prop-neither-helps). The gradient's own variance may still rise, see `weight_quadratic`. Where W = 0 the adaptive
    weight is 0. Raises `ValueError` for another rule.
    Source: Gu, Lillicrap, Ghahramani, Turner and Levine (2017), Section 3.2, where K is one sample's ÂĀ: that is biased
    (prop-single-sample).
    """
    checks.choice("rule", rule, RULES)
    K, W = np.broadcast_arrays(*checks.numbers(K=K, W=W))
    return np.asarray(RULES[rule](K, W))
