"""Chapter 5: control variates, and the action-dependent baseline that Q-Prop makes of a critic.

A control variate adds to f what is known to average to nothing: f + c(g − E g), which has the mean of f for every c and
the smallest variance at c* = −Cov(f,g)/Var(g) (prop-control-variate). In the policy gradient the control is a critic
Q_w, made linear in the action around the policy's mean so that its expectation can be written down. With ā = μ_θ(s),
v = ∇_a Q_w(s,a)|_ā, Ā_w(s,a) = v·(a − μ_θ(s)), ψ = ∇_θ log π(a|s) and a weight κ(s) (`weight` in code),

    ĝ = Σ_t γᵗ [ (Â_t − κ(s_t) Ā_w(s_t,a_t)) ψ_t + κ(s_t) (∂μ_θ/∂θ)ᵀ v(s_t) ].                      (eq-q-prop)

The two halves share v and κ; both are fixed before the action is drawn. Then E ĝ does not depend on them (thm-q-prop),
and any bias is Â's own (prop-q-prop-bias). What does depend on them is the variance, in closed form in `GaussianModel`
and by quadrature in `GaussianProblem`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.bellman import _centred, _evaluate, evaluate_policy
from rlbook.mdp import TabularMDP
from rlbook.occupancy import state_occupancy

# How the weight κ(s) is chosen; K = E[ÂĀ|s] and W = Var(Ā|s).
RULES = {
    "none": lambda K, W: np.zeros_like(K),
    "full": lambda K, W: np.ones_like(K),
    "conservative": lambda K, W: (K > 0) * 1.0,
    "aggressive": lambda K, W: np.sign(K),
    "adaptive": lambda K, W: np.divide(K, W, out=np.zeros_like(K), where=W > 0),
}


SINGLE_SAMPLE_RULES = ("conservative", "aggressive")


class GaussianProblem(NamedTuple):
    """A problem of S states and real actions under a Gaussian policy, with the M nodes of a quadrature for actions.

    Everything that is an integral over actions is a sum over nodes: `mdp` is the problem with the nodes as its
    actions, and `pi`, (S, M), holds their weights. The node m of state s is the action `actions[s, m]`, (S, M, d), and
    has the score ψ `score[s, m]`, (S, M, n). The policy is N(μ(s), Σ): `mean`, (S, d), its derivative
    ∂μ/∂θ `jacobian`, (S, d, n), and `covariance`, (d, d). `reward_slope`, (S, d), and `transition_slope`, (S, d, S),
    are ∂r/∂a and ∂P/∂a at a = μ(s).
    """

    mdp: TabularMDP
    pi: np.ndarray
    actions: np.ndarray
    mean: np.ndarray
    jacobian: np.ndarray
    covariance: np.ndarray
    score: np.ndarray
    reward_slope: np.ndarray
    transition_slope: np.ndarray

    def critic_slope(self, V):
        """∇_a [r(s,a) + γ E V(s')] at a = μ(s), (S, d): the slope of Q^π where V, (S,), is V^π."""
        V = checks.array("V", V, (self.mdp.n_states,), note=", one entry a state")
        return self.reward_slope + self.mdp.gamma * self.transition_slope @ V


class WeightQuadratic(NamedTuple):
    """Var_a of the gradient in each state as a function of its weight: `none` − 2κ·`cross` + κ²·`control`, each (S,).

    With X = Âψ and Y = Āψ these are tr Var X, tr Cov(X, Y) and tr Var Y given s (prop-adaptive).
    """

    none: np.ndarray
    cross: np.ndarray
    control: np.ndarray

    def __call__(self, weight):
        """The variance in each state, (S,), at a weight that is a number or (S,)."""
        weight = checks.array("weight", weight, (), self.none.shape)
        variance = self.none - 2 * weight * self.cross + weight**2 * self.control
        return np.maximum(variance, 0.0)  # below 0 it is rounding

    @property
    def best(self):
        """The weight with the smallest variance, `cross`/`control`, (S,); 0 where the control is 0."""
        return np.divide(self.cross, self.control, out=np.zeros_like(self.cross), where=self.control > 0)


class VarianceTerms(NamedTuple):
    """Total variance of the gradient of one step, in three terms (prop-three-terms).

    `trajectory` is E Var(·|s,a), what happens after the action; `action` E Var(E[·|s,a] | s); `state` Var E[·|s].
    """

    trajectory: float
    action: float
    state: float

    @property
    def total(self):
        """Their sum, the total variance."""
        return self.trajectory + self.action + self.state


# Control variates -------------------------------------------------------------------------------------------


def optimal_coefficient(f, g):
    """The coefficient with the smallest sample variance of f + c(g − E g) (prop-control-variate, prop-control-vector).

    For f, (N,), and g, (N,), it is c* = −Cov(f,g)/Var(g). For f, (N, d), and k controls g, (N, k), it is the matrix
    C* = −Cov(f,g) Cov(g)⁻¹, (d, k), which makes the total variance smallest; an axis that f or g lacks, C* lacks.
    Where Cov(g) is singular it is the smallest of the best, so 0 for a constant g. Raises `ValueError` for fewer than
    two samples, different numbers of them, or numbers that are not finite.
    """
    f, g = _check_samples(f, g)
    if len(f) < 2:
        raise ValueError(f"f must hold at least 2 samples, got {len(f)}")
    return -_slope(f, g)


def control_variate(f, g, mean_g, c):
    """The values f + c(g − E g) (prop-control-variate), shaped like f.

    f is (N,) or (N, d); g is (N,) or (N, k), `mean_g` a number or (k,), and c shaped as `optimal_coefficient` returns
    it. They have the mean of f if c was chosen without looking at them. Raises `ValueError` for shapes that do not
    fit.
    """
    f, g = _check_samples(f, g)
    mean_g = checks.array("mean_g", mean_g, g.shape[1:], empty=True)
    c = checks.array("c", c, f.shape[1:] + g.shape[1:], empty=True)
    return _controlled(f, g - mean_g, c)


def cross_fitted(f, g, mean_g, *, folds=2):
    """Controlled values whose coefficients come from other samples (prop-cross-fit), shaped like f.

    The N samples are cut into `folds` parts, in order; the coefficient for each is `optimal_coefficient` of the rest,
    which is independent of it, so the mean of the values is an unbiased estimate of E f. Arguments and errors as in
    `control_variate`; `folds` is at least 2 and leaves at least two samples outside of each part.
    """
    f, g = _check_samples(f, g)
    mean_g = checks.array("mean_g", mean_g, g.shape[1:], empty=True)
    N, folds = len(f), checks.count("folds", folds)
    if not 2 <= folds <= N or N - -(-N // folds) < 2:
        raise ValueError(f"folds must be at least 2 and leave at least 2 of {N} samples outside, got {folds}")
    values = np.empty_like(f)
    for part in np.array_split(np.arange(N), folds):
        rest = np.delete(np.arange(N), part)
        values[part] = _controlled(f[part], g[part] - mean_g, -_slope(f[rest], g[rest]))
    return values


def fitted_on_same(f, g, mean_g):
    """Controlled values whose coefficient is fitted on themselves: biased (prop-same-sample), shaped like f.

    Their mean is that of a regression line read off at E g. Its bias is 0 where E[f|g] is a line, as for Gaussians, and
    otherwise of order 1/N. Arguments and errors as in `control_variate`.
    """
    return control_variate(f, g, mean_g, optimal_coefficient(f, g))


@dataclass(frozen=True)
class CorrelatedPair:
    """A quantity f and a control g of correlation `corr`, whose E[f|g] is a line or a parabola.

    With z, u independent N(0,1), ρ = corr and β = bend,

        g = sd_g·z,    f = mean_f + sd_f·[ρz + √(1−ρ²)·(β(z²−1)/√2 + √(1−β²)·u)].

    E g = 0 and E f = mean_f; sd_f and sd_g are the standard deviations. bend = 0 makes (f, g) Gaussian, bend = 1 makes
    f a function of g. Raises `ValueError` for standard deviations that are not positive, corr outside [−1, 1] or bend
    outside [0, 1].
    """

    mean_f: float
    sd_f: float
    sd_g: float
    corr: float
    bend: float = 1.0

    def __post_init__(self):
        intervals = {"mean_f": "(-∞, ∞)", "sd_f": "(0, ∞)", "sd_g": "(0, ∞)", "corr": "[-1, 1]", "bend": "[0, 1]"}
        _check_fields(self, intervals)

    def values(self, z, u):
        """(f, g) at given z and u, numbers or arrays that broadcast; f is shaped like both, g like z."""
        z, u = _check_numbers(z=z, u=u)
        rest = self.bend * (z**2 - 1) / np.sqrt(2) + np.sqrt(1 - self.bend**2) * u
        return self.mean_f + self.sd_f * (self.corr * z + np.sqrt(1 - self.corr**2) * rest), self.sd_g * z

    def sample(self, n, rng):
        """n independent samples (f, g), each (n,)."""
        return self.values(*checks.generator(rng).standard_normal((2, checks.count("n", n))))

    def variance(self, c):
        """Var(f + c·g) = sd_f² + 2c·corr·sd_f·sd_g + c²·sd_g² (prop-control-variate); c a number or an array."""
        c = checks.array("c", c)[()]
        return (self.corr * self.sd_f + c * self.sd_g) ** 2 + self.least  # the same, and never below 0

    @property
    def best(self):
        """c* = −corr·sd_f/sd_g, where the variance is smallest."""
        return -self.corr * self.sd_f / self.sd_g

    @property
    def least(self):
        """(1 − corr²)·sd_f², the variance at c*."""
        return (1 - self.corr) * (1 + self.corr) * self.sd_f**2

    def same_sample_bias(self, n):
        """E[mean of `fitted_on_same`] − mean_f of n samples: −√2·bend·√(1−corr²)·sd_f/n (prop-same-sample).

        Exact for every n, not only for large ones. n may be an array. It must be at least 3, or 2 where bend is 1 and
        f is a function of g: else two samples are too few for the mean to exist.
        """
        n = _check_sizes(n, 2 if self.bend == 1 else 3)
        return -np.sqrt(2) * self.bend * np.sqrt(1 - self.corr**2) * self.sd_f / n


# The Taylor baseline and what puts it back ------------------------------------------------------------------


def taylor_baseline(a, a_bar, value, slope):
    """f̄(s,a) = f(s,ā) + ∇_a f(s,a)|_ā·(a − ā) (eq-taylor-action), (...,).

    a and ā are (..., d); `value` f(s,ā) is (...,), and `slope` ∇_a f|_ā is (..., d). Axes in front broadcast. Raises
    `ValueError` for a slope that is not finite, as where f is not differentiable.
    """
    named = {"a": a, "a_bar": a_bar, "value": value, "slope": slope}
    a, a_bar, value, slope = (checks.array(name, x) for name, x in named.items())
    _check_broadcast("a", a.shape, "a_bar", a_bar.shape, "slope", slope.shape, "value", (*value.shape, 1))
    return value + ((a - a_bar) * slope).sum(axis=-1)


def taylor_correction(slope, jacobian):
    """(∂μ/∂θ)ᵀ ∇_a f|_ā = E[f̄(s,a)ψ], the expectation that the Taylor baseline takes away (prop-taylor-correction).

    `slope` is (..., d) and `jacobian` ∂μ/∂θ (..., d, n); the result is a column, (..., n). It is the part for the
    mean's parameters; for the parameters of a learned Σ it is 0 (prop-sigma-correction). Raises `ValueError` for
    numbers of actions that differ.
    """
    slope, jacobian = checks.array("slope", slope), checks.array("jacobian", jacobian)
    _check_jacobian(jacobian, "slope", slope)
    return np.einsum("...d,...dn->...n", slope, jacobian)


def gaussian_score(a, mean, covariance, jacobian):
    """ψ = ∇_θ log N(a; μ_θ, Σ) = (∂μ/∂θ)ᵀ Σ⁻¹ (a − μ), (..., n), for θ that moves μ only.

    a and `mean` are (..., d), `covariance` is (d, d) and `jacobian` (..., d, n); axes in front broadcast.
    """
    a, mean, jacobian = checks.array("a", a), checks.array("mean", mean), checks.array("jacobian", jacobian)
    _check_jacobian(jacobian, "a", a)
    _check_broadcast("a", a.shape, "mean", mean.shape)
    covariance = checks.array("covariance", covariance, (jacobian.shape[-2],) * 2, note=", (d, d) as jacobian has d")
    if np.linalg.matrix_rank(covariance) < len(covariance):
        raise ValueError("covariance must be invertible")
    return np.einsum("...d,...dn->...n", (a - mean) @ np.linalg.inv(covariance), jacobian)


def q_prop_samples(score, advantage, deviation, slope, jacobian, weight=1.0):
    """The estimator of one step, (Â − κĀ)ψ + κ(∂μ/∂θ)ᵀv with Ā = v·(a − μ) (eq-q-prop), (..., n).

    `score` is ψ, (..., n); `advantage` Â, (...,); `deviation` a − μ(s), (..., d); `slope` v(s), (..., d); `jacobian`
    (..., d, n); `weight` κ(s), a number or (...,). One v and one κ go into both halves. A κ that looks at the sampled
    action or at Â makes it biased (prop-single-sample). Times γᵗ and summed over a trajectory it estimates ∇η.
    """
    named = {"weight": weight, "score": score, "advantage": advantage, "deviation": deviation, "slope": slope}
    weight, score, advantage, deviation, slope = (checks.array(name, x) for name, x in named.items())
    jacobian = checks.array("jacobian", jacobian)
    _check_jacobian(jacobian, "slope", slope)
    if score.shape[-1:] != jacobian.shape[-1:]:
        raise ValueError(f"score must be (..., n) to go with jacobian {jacobian.shape}, got {score.shape}")
    if deviation.shape[-1:] != slope.shape[-1:]:
        raise ValueError(f"deviation must be (..., d) to go with slope {slope.shape}, got {deviation.shape}")
    steps = {"advantage": advantage.shape, "score": score.shape[:-1], "weight": weight.shape}
    _check_broadcast(*(part for item in steps.items() for part in item), "slope", slope.shape[:-1])
    residual = advantage - weight * taylor_baseline(deviation, 0.0, 0.0, slope)
    return residual[..., None] * score + weight[..., None] * taylor_correction(slope, jacobian)


# The Gaussian model -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GaussianModel:
    """One state, one action a = μ + σz with z ~ N(0,1), and an advantage estimate with a linear part and others:

        Â = c₁z + c₂(z²−1) + c₃(z³−3z) + τε,    ε ~ N(0,1) independent of z.

    The estimate of ∂η/∂μ from one sample, with a critic of slope q and weight κ, is

        ĝ = (Â − κqσz) z/σ + κq.                                                             (prop-gaussian-model)

    σ is in units of the action, the c's and τ in units of reward, q in reward per unit of action. Raises `ValueError`
    for a sigma that is not positive, a negative tau, or numbers that are not finite.
    """

    c1: float
    c2: float
    c3: float
    tau: float
    sigma: float

    def __post_init__(self):
        anywhere = dict.fromkeys(("c1", "c2", "c3"), "(-∞, ∞)")
        _check_fields(self, {**anywhere, "tau": "[0, ∞)", "sigma": "(0, ∞)"})

    def advantage(self, z, eps=0.0):
        """Â at (z, ε); with ε = 0 its mean given the action."""
        z, eps = _check_numbers(z=z, eps=eps)
        return self.c1 * z + self.c2 * (z**2 - 1) + self.c3 * (z**3 - 3 * z) + self.tau * eps

    def gradients(self, z, eps, q, weight):
        """ĝ at (z, ε), shaped like them; `weight` is a number or an array of their shape."""
        z, eps, q, weight = _check_numbers(z=z, eps=eps, q=q, weight=weight)
        return (self.advantage(z, eps) - weight * q * self.sigma * z) * z / self.sigma + weight * q

    def sample(self, n, q, weight, rng):
        """n independent samples of ĝ at one weight, (n,)."""
        return self.gradients(*checks.generator(rng).standard_normal((2, checks.count("n", n))), q, weight)

    @property
    def mean(self):
        """E ĝ = c₁/σ, whatever q and κ (prop-gaussian-model)."""
        return self.c1 / self.sigma

    def variance(self, q, weight):
        """Var ĝ = (2c₁'² + 12c₁'c₃ + 42c₃² + 10c₂² + τ²)/σ², c₁' = c₁ − κqσ (prop-gaussian-model); arrays broadcast."""
        q, weight = _check_numbers(q=q, weight=weight)
        left = self.c1 - weight * q * self.sigma
        return 2 * ((left + 3 * self.c3) / self.sigma) ** 2 + self.floor  # the same, and never below 0

    def best_weight(self, q):
        """The weight of smallest Var ĝ, (c₁ + 3c₃)/(qσ), at which c₁' = −3c₃ (prop-gaussian-optimum); 0 for q = 0."""
        q = checks.number("q", q)
        return (self.c1 + 3 * self.c3) / (q * self.sigma) if q else 0.0

    def proxy_weight(self, q):
        """K/W = c₁/(qσ), at which c₁' = 0: best for Var(Â − κĀ), not for Var ĝ unless c₃ = 0; 0 for q = 0."""
        q = checks.number("q", q)
        return self.c1 / (q * self.sigma) if q else 0.0

    @property
    def floor(self):
        """The variance at `best_weight`, (24c₃² + 10c₂² + τ²)/σ²: no weight goes below (prop-gaussian-optimum)."""
        return (24 * self.c3**2 + 10 * self.c2**2 + self.tau**2) / self.sigma**2

    @property
    def noise_floor(self):
        """τ²/σ², what comes after the action: no function of state and action goes below (prop-three-terms)."""
        return self.tau**2 / self.sigma**2

    def agreement(self, q):
        """K = E[ÂĀ] = c₁qσ and W = Var Ā = q²σ²."""
        q = checks.number("q", q)
        return self.c1 * q * self.sigma, (q * self.sigma) ** 2

    def rule(self, q, rule):
        """The weight that a rule of `RULES` gives: it looks at the expectation K, not at the sample."""
        return float(rule_weight(*self.agreement(q), rule))

    def single_sample_weight(self, z, eps, q, rule):
        """1{ÂĀ > 0} for the rule "conservative", sign(ÂĀ) for "aggressive": the sample decides, at each (z, ε)."""
        checks.choice("rule", rule, SINGLE_SAMPLE_RULES)
        z, eps, q = _check_numbers(z=z, eps=eps, q=q)
        return rule_weight(self.advantage(z, eps) * q * z, np.ones_like(z), rule)

    def single_sample_bias(self, q, rule):
        """E ĝ − c₁/σ with `single_sample_weight`: q·E[κ(1 − z²)], which is not 0 (prop-single-sample).

        For c₂ = c₃ = 0 and k = c₁/τ it is −|q|k/(π(1+k²)) for "conservative". For "aggressive" it is always twice as
        much, as sign x = 2·1{x > 0} − 1. In general E[κ|z] is a normal probability, and z is integrated out by
        quadrature.
        """
        q = checks.number("q", q)
        checks.choice("rule", rule, SINGLE_SAMPLE_RULES)
        A = [self.c3, self.c2, self.c1 - 3 * self.c3, -self.c2]  # E[Â|z], a polynomial in z

        def integrand(z):
            x = np.sign(q * z) * np.polyval(A, z)
            positive = scipy.special.ndtr(x / self.tau) if self.tau else (x > 0) * 1.0
            return positive * (1 - z**2) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

        bias = q * _integrate(integrand, _real_roots(A), _real_roots(np.polyder(A)))
        return bias if rule == "conservative" else 2 * bias

    def same_batch_bias(self, n):
        """Bias of the mean of n gradients, κ = 1, if q is fitted to them: −6c₃/((n+2)σ) (prop-same-batch-critic).

        The fit is that of Â to q(a − μ) by least squares; it is then itself the mean of the ĝ. The bias is exact, and
        about −6c₃/(nσ). n may be an array.
        """
        n = _check_sizes(n, 1)
        return -6 * self.c3 / ((n + 2) * self.sigma)


# A problem of three rooms, exactly --------------------------------------------------------------------------


def three_rooms(theta, sigma=0.5, *, gamma=0.9, order=48):
    """Three rooms in a row under a linear Gaussian policy, as a `GaussianProblem` with d = 1 and n = 2.

    Room s lies at x = −1, 0, 1; the policy is N(θ₀ + θ₁x, σ²). The action a leads to the right with probability Φ(a),
    else to the left; at an end one stays. The reward is x − ½(a − x/2)² + ½ sin(2a). The start is in the middle.
    theta is (2,); `order` is the number M of Gauss–Hermite nodes, whose error is of order (σ²/(1+σ²))^M or less.
    Raises `ValueError` for another shape of theta, a sigma that is not positive or a gamma outside [0, 1).
    """
    theta = checks.array("theta", theta, (2,))
    sigma, gamma, order = checks.positive("sigma", sigma), checks.discount(gamma), checks.count("order", order)
    x = np.array([-1.0, 0.0, 1.0])
    jacobian = np.stack([np.ones(3), x], axis=-1)[:, None, :]
    mean, covariance = jacobian @ theta, np.array([[sigma**2]])
    z, p = np.polynomial.hermite_e.hermegauss(order)
    actions = mean[:, None, :] + sigma * z[:, None]
    a, mu = actions[..., 0], mean[:, 0]

    right, left = np.eye(3)[[1, 2, 2]], np.eye(3)[[0, 0, 1]]
    up = scipy.special.ndtr(a)[..., None]
    P = up * right[:, None] + (1 - up) * left[:, None]
    r = x[:, None] - (a - x[:, None] / 2) ** 2 / 2 + np.sin(2 * a) / 2
    density = np.exp(-(mu**2) / 2) / np.sqrt(2 * np.pi)
    return GaussianProblem(
        mdp=TabularMDP(P, r, gamma, np.eye(3)[1]),
        pi=np.tile(p / p.sum(), (3, 1)),
        actions=actions,
        mean=mean,
        jacobian=jacobian,
        covariance=covariance,
        score=gaussian_score(actions, mean[:, None], covariance, jacobian[:, None]),
        reward_slope=(x / 2 - mu + np.cos(2 * mu))[:, None],
        transition_slope=(density[:, None] * (right - left))[:, None],
    )


def expected_gae(mdp, pi, values, lam):
    """E[Â_t | s_t=s, a_t=a] of the advantage estimate GAE(λ) = Σ_l (γλ)ˡ δ_{t+l} with a given V_φ, (S, A).

    It is the Q-function of the reward δ(s,a) = r + γE V_φ(s') − V_φ(s) at the discount γλ. λ = 1 is Q^π(s,a) − V_φ(s),
    whatever V_φ is (prop-q-prop-bias). `values` is V_φ, (S,). Raises `ValueError` for lam outside [0, 1].
    Source: Schulman, Moritz, Levine, Jordan and Abbeel (2016), equation 16.
    """
    pi, lam = checks.policy(mdp, pi), checks.number("lam", lam, "[0, 1]")
    values = checks.array("values", values, (mdp.n_states,), note=", one entry a state")
    error = mdp.r + mdp.gamma * mdp.expect(values) - values[:, None]
    return evaluate_policy(TabularMDP(mdp.P, error, mdp.gamma * lam, mdp.rho0), pi).Q


def return_variance(mdp, pi):
    """Var(G_t | s_t=s, a_t=a), (S, A), in units of reward squared.

    As G = r + γG', it is γ² (Var(Q^π(s',a') | s,a) + E[Var(G' | s',a')]): the Q-function of the reward
    γ² Var(Q^π(s',a') | s,a) at the discount γ². No square of a return is taken. Source: Sobel (1982), Theorem 1.
    """
    pi = checks.policy(mdp, pi)
    V, Q, *_ = _evaluate(_centred(mdp), pi)
    own = (pi * (Q - V[:, None]) ** 2).sum(axis=1)  # Var(Q^π(s',a') | s')
    P = scipy.sparse.csr_array(mdp.P.reshape(mdp.r.size, -1)) if not mdp.is_sparse else mdp.P.copy()
    apart = V[P.indices] - np.repeat(mdp.expect(V).ravel(), np.diff(P.indptr))
    P.data *= apart**2
    reward = mdp.gamma**2 * (mdp.expect(own) + P.sum(axis=1).reshape(mdp.r.shape))
    later = evaluate_policy(TabularMDP(mdp.P, reward, mdp.gamma**2, mdp.rho0), pi).Q
    return np.maximum(later, reward)  # below it is rounding


def q_prop_gradient(problem, advantage, slope, weight=0.0):
    """E ĝ of the estimator with weight κ(s) and slope v(s), in an exact sum over states and nodes (thm-q-prop), (n,).

        Σ_s ρ_π(s) { Σ_m π_m (Â(s,a_m) − κ(s)Ā(s,a_m)) ψ(s,a_m) + κ(s) (∂μ/∂θ)ᵀ v(s) }.

    `advantage` is E[Â|s,a] at the nodes, (S, M), as `expected_gae` gives it or Q^π itself; `slope` is (S, d), `weight`
    a number or (S,), or (S, M) for a weight that looks at the action, which is biased (prop-single-sample). ρ_π is not
    normalised, so with Â = Q^π the result is ∇η.
    """
    gradients = _node_gradients(problem, advantage, slope, weight)
    p = state_occupancy(problem.mdp, problem.pi)[:, None] * problem.pi
    return np.einsum("sm,smn->n", p, gradients)


def deterministic_gradient(problem, slope):
    """Σ_s ρ_π(s) (∂μ/∂θ)ᵀ v(s): the correction alone, without the residual (prop-dpg), (n,).

    With v = ∇_a Q^π(s,a)|_μ(s) it tends to the deterministic policy gradient, and to ∇η, as Σ → 0; at a fixed Σ it is
    biased unless Q^π is at most quadratic in the action. `slope` is (S, d).
    Source: Silver, Lever, Heess, Degris, Wierstra and Riedmiller (2014), Theorems 1 and 2.
    """
    problem = _check_problem(problem)
    slope = checks.array("slope", slope, problem.mean.shape)
    return state_occupancy(problem.mdp, problem.pi) @ taylor_correction(slope, problem.jacobian)


def agreement(problem, advantage, slope):
    """K(s) = E[ÂĀ|s] and W(s) = Var(Ā|s) = vᵀΣv, each (S,): what the rules for κ look at (prop-adaptive)."""
    advantage, slope, _ = _check_parts(problem, advantage, slope, 0.0)
    bar = taylor_baseline(problem.actions, problem.mean[:, None], 0.0, slope[:, None])
    advantage = advantage - (problem.pi * advantage).sum(axis=1, keepdims=True)  # E Ā = 0: it changes but the rounding
    return (problem.pi * advantage * bar).sum(axis=1), np.einsum("si,ij,sj->s", slope, problem.covariance, slope)


def rule_weight(K, W, rule):
    """κ(s) by one of `RULES`: "none" 0, "full" 1, "conservative" 1{K > 0}, "aggressive" sign K, "adaptive" K/W, (S,).

    K = E[ÂĀ|s] and W = Var(Ā|s) are numbers or (S,). Var(Â − κĀ|s) changes by κ²W − 2κK: by W − 2K for conservative
    (if K > 0), W − 2|K| for aggressive, −K²/W for adaptive, of which only the last is never positive (prop-adaptive,
    prop-neither-helps). The gradient's own variance may still rise, see `weight_quadratic`. Where W = 0 the adaptive
    weight is 0. Raises `ValueError` for another rule.
    Source: Gu, Lillicrap, Ghahramani, Turner and Levine (2017), Section 3.2, where K is one sample's ÂĀ: that is biased
    (prop-single-sample).
    """
    checks.choice("rule", rule, RULES)
    K, W = np.broadcast_arrays(*_check_numbers(K=K, W=W))
    return np.asarray(RULES[rule](K, W))


def weight_quadratic(problem, advantage, slope):
    """tr Var(E[ĝ|s,a] | s) as a function of κ(s), a `WeightQuadratic` (prop-adaptive).

    Unlike K/W, its `best` weight counts what the score makes of each action. Arguments as in `q_prop_gradient`.
    """
    plain = _node_gradients(problem, advantage, slope, 0.0)
    control = plain - _node_gradients(problem, advantage, slope, 1.0)  # Y − E[Y|s]

    x, y = (g - np.einsum("sm,smn->sn", problem.pi, g)[:, None] for g in (plain, control))
    return WeightQuadratic(*(np.einsum("sm,smn,smn->s", problem.pi, *pair) for pair in ((x, x), (x, y), (y, y))))


def variance_terms(problem, advantage, noise, slope, weight=0.0):
    """The total variance of one step's gradient in its three terms, as `VarianceTerms` (prop-three-terms).

    The state is drawn from (1−γ)ρ_π, the action from π, and Â given both has the mean `advantage` and the variance
    `noise`, both (S, M). A baseline that is a function of state and action, here κ(s)Ā, changes the middle term only.
    `slope` and `weight` as in `q_prop_gradient`. Raises `ValueError` for a negative noise.
    """
    g = _node_gradients(problem, advantage, slope, weight)
    noise = checks.array("noise", noise, problem.pi.shape)
    checks.nonnegative("noise", noise, ", not a variance")
    nu = (1 - problem.mdp.gamma) * state_occupancy(problem.mdp, problem.pi)
    p = nu[:, None] * problem.pi
    given_state = np.einsum("sm,smn->sn", problem.pi, g)
    return VarianceTerms(
        trajectory=float((p * noise * (problem.score**2).sum(axis=-1)).sum()),
        action=float((p * ((g - given_state[:, None]) ** 2).sum(axis=-1)).sum()),
        state=float(nu @ ((given_state - nu @ given_state) ** 2).sum(axis=-1)),
    )


# Helpers ----------------------------------------------------------------------------------------------------


def _slope(f, g):
    """The slope of the regression of f on g, f.shape[1:] + g.shape[1:]; of least norm where many are best."""
    f_c, g_c = f - f[0], g - g[0]  # first, for a mean may be off by its last digit: a constant's too
    f_c, g_c = f_c - f_c.mean(axis=0), g_c - g_c.mean(axis=0)
    fit = np.linalg.lstsq(g_c.reshape(len(g), -1), f_c.reshape(len(f), -1))[0].T
    return fit.reshape(f.shape[1:] + g.shape[1:])


def _controlled(f, centred_g, c):
    return f + np.tensordot(centred_g, c, axes=(range(1, centred_g.ndim), range(f.ndim - 1, c.ndim))).reshape(f.shape)


def _node_gradients(problem, advantage, slope, weight):
    """E[ĝ|s,a] at the nodes, (S, M, n)."""
    advantage, slope, weight = _check_parts(problem, advantage, slope, weight)
    deviation = problem.actions - problem.mean[:, None]
    return q_prop_samples(problem.score, advantage, deviation, slope[:, None], problem.jacobian[:, None], weight)


def _real_roots(coefficients):
    roots = np.roots(coefficients)
    return roots.real[abs(roots.imag) < 1e-9]


def _integrate(f, *places):
    """∫ f over [−10, 10], cut at 0 and at the `places`, where f may be steep: tanh-sinh quadrature of each piece."""
    inner = np.concatenate([[0.0], *places])
    ends = np.unique(np.r_[-10.0, inner[abs(inner) < 10], 10.0])
    t = np.arange(-224, 225) / 64  # up to where the nodes meet the ends
    share = 1 / (1 + np.exp(-np.pi * np.sinh(t)))
    rate = np.pi * np.cosh(t) * share * (1 - share) / 64
    length = np.diff(ends)[:, None]
    return float((f(ends[:-1, None] + length * share) * rate * length).sum())


def _check_samples(f, g):
    """f, (N,) or (N, d), and g, (N,) or (N, k); with k = 0 there is no control."""
    f = checks.array("f", f, ("N",), ("N", "d"))
    return f, checks.array("g", g, (len(f),), (len(f), "k"), note=", with as many samples as f", empty=True)


def _check_problem(problem):
    """A `GaussianProblem`, each of its parts checked."""
    checks.instance("problem", problem, GaussianProblem)
    (S, M), d = checks.policy(problem.mdp, problem.pi, "problem.pi").shape, np.shape(problem.mean)[-1:]
    shapes = {
        "mean": (S, "d"),
        "actions": (S, M, *d),
        "jacobian": (S, *d, "n"),
        "covariance": (*d, *d),
        "score": (S, M, np.shape(problem.jacobian)[-1]),
        "reward_slope": (S, *d),
        "transition_slope": (S, *d, S),
    }
    for name, shape in shapes.items():
        checks.array(f"problem.{name}", getattr(problem, name), shape, copy=False)
    return problem


def _check_parts(problem, advantage, slope, weight):
    problem = _check_problem(problem)
    S, M = problem.pi.shape
    advantage = checks.array("advantage", advantage, (S, M))
    slope = checks.array("slope", slope, problem.mean.shape)
    weight = checks.array("weight", weight, (), (S,), (S, M))
    return advantage, slope, weight[:, None] if weight.ndim == 1 else weight


def _check_fields(model, intervals):
    """Make the fields of a frozen dataclass floats, each in its interval."""
    for name, within in intervals.items():
        object.__setattr__(model, name, checks.number(name, getattr(model, name), within))


def _check_numbers(**named):
    """Numbers or arrays that broadcast, as floats or float64 arrays."""
    values = [checks.array(name, x) for name, x in named.items()]
    _check_broadcast(*(part for name, x in zip(named, values, strict=True) for part in (name, x.shape)))
    return [x[()] for x in values]


def _check_broadcast(*named):
    """Raise unless the shapes broadcast: name, shape, name, shape, …"""
    names, shapes = named[::2], named[1::2]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        listed = ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=True))
        raise ValueError(f"{', '.join(names)} must have shapes that broadcast, got {listed}") from None


def _check_jacobian(jacobian, name, other):
    """Raise unless jacobian is (..., d, n) for an `other` of (..., d), axes in front broadcasting."""
    if other.ndim < 1 or jacobian.ndim < 2 or other.shape[-1] != jacobian.shape[-2]:
        raise ValueError(f"jacobian must be (..., d, n) to go with {name} {other.shape}, got {jacobian.shape}")
    _check_broadcast(name, other.shape[:-1], "jacobian", jacobian.shape[:-2])


def _check_sizes(n, least):
    """Numbers of samples, a whole number or an array of them, each at least `least`."""
    n = checks.integers("n", n)
    if n.min() < least:
        raise ValueError(f"n must be a whole number, at least {least}, got {n.min()}")
    return n[()]
