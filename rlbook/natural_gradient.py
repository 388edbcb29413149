"""Chapter 3: steepest descent in other norms, the natural policy gradient, and how its step is computed and kept safe.

The steepest direction depends on how steps are measured. Measured by ‖d‖_G² = dᵀGd it is ∓G⁻¹g, and the natural
gradient measures by how far the step moves the *policy*: G is the Fisher information

    F(θ) = E_{s~d^π, a~π}[ψψᵀ],   ψ = ∇_θ log π(a|s),   d^π = (1−γ)ρ_π,                            (def-fisher)
    E_{s~d^π} KL(π_θ ‖ π_{θ+d}) = ½dᵀFd + O(‖d‖³).                                              (thm-fisher-kl)

The reinforcement learning here ascends, θ ← θ + αF⁻¹g with g = ∇η. F is only semidefinite in general (a tabular
softmax policy does not change when a state's logits all grow alike), so F⁻¹ stands for the pseudo-inverse F† or for
(F + λI)⁻¹. For the tabular softmax policy the step is mirror ascent, π⁺ ∝ π exp(αA/(1−γ)).

Policies are those of chapter 1: tabular with theta (S, A), or log-linear with theta (n,) and features (S, A, n).
Where a vector of n parameters is meant, the tabular policy has n = S·A in row-major order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy  # its subpackages load when first used, which keeps `import rlbook` quick

from rlbook import checks
from rlbook.bellman import _centred, _evaluate, advantages, policy_iteration
from rlbook.checks import EPS
from rlbook.occupancy import _divergence, occupancy
from rlbook.policy_gradient import exact_gradient, policy_of, score_table, softmax_policy


class SteepestStep(NamedTuple):
    """The step `d`, (n,), that lowers g·d most among those with dᵀGd ≤ ε, and that lowest `value` of g·d."""

    d: np.ndarray
    value: float


class CGResult(NamedTuple):
    """How `conjugate_gradient` ended.

    `x` is (n,), `steps` how often it was improved, `residual` = ‖b − (F+λI)x‖/‖b‖. `status` is "converged"
    (residual ≤ tol, computed afresh from x; else it is as the search carried it along), "max_steps", or "curvature": a
    direction with pᵀ(F+λI)p ≤ 0 was met, so the matrix is not positive definite, and x is what had been reached before.
    """

    x: np.ndarray
    steps: int
    residual: float
    status: str


class NPGTrace(NamedTuple):
    """Tabular natural policy gradient step by step: policies `pi` (steps+1, S, A) and values `V` (steps+1, S).

    `gap` = max_s V*(s) − V(s) and its `bound` (thm-npg-rate; infinite at step 0) are (steps+1,), in units of reward.
    """

    pi: np.ndarray
    V: np.ndarray
    gap: np.ndarray
    bound: np.ndarray


class TrustRegionStep(NamedTuple):
    """A `step` = `scale`·`direction`, (n,), and what it does; all zero with `accepted` False if no trial passed.

    `improvement` and `divergence` are those of `step`, `backtracks` counts the trials that were refused, and `cg`
    says how the direction F⁻¹g was found.
    """

    step: np.ndarray
    direction: np.ndarray
    scale: float
    accepted: bool
    improvement: float
    divergence: float
    backtracks: int
    cg: CGResult


# Steepest descent -------------------------------------------------------------------------------------------


def steepest_descent(G, g, epsilon):
    """The steepest step, argmin {g·d : dᵀGd ≤ ε} = −√(ε / gᵀG⁻¹g) G⁻¹g, with minimum −√(ε gᵀG⁻¹g) (thm-steepest).

    G is (n, n), symmetric and positive definite; g is (n,) and not zero; epsilon is in units of ‖d‖_G². Returns a
    `SteepestStep`. Raises `ValueError` where one of these fails: at g = 0 no direction is steepest.
    """
    g, epsilon = checks.array("g", g, ("n",)), checks.positive("epsilon", epsilon)
    G = checks.array("G", G, (len(g), len(g)), note=" to go with g")
    off = np.argwhere(abs(G - G.T) > 1e-10 * abs(G).max(initial=0))
    if len(off):
        i, j = off[0]
        raise ValueError(f"G must be symmetric, but G[{i}, {j}] is {G[i, j]:g} and G[{j}, {i}] is {G[j, i]:g}")
    if not g.any():
        raise ValueError("g must not be zero: where the gradient vanishes no direction is steepest")
    eigenvalues = np.linalg.eigvalsh(G)
    if eigenvalues[0] <= len(g) * EPS * eigenvalues[-1]:
        raise ValueError(f"G must be positive definite, but its smallest eigenvalue is {eigenvalues[0]:.3g}")
    direction = np.linalg.solve(G, g)
    length = np.sqrt(g @ direction)  # ‖G⁻¹g‖_G
    return SteepestStep(-np.sqrt(epsilon) / length * direction, float(-np.sqrt(epsilon) * length))


# Fisher information and KL ----------------------------------------------------------------------------------


def fisher(mdp, theta, *, features=None):
    """The Fisher information F = E_{s~d^π, a~π}[ψψᵀ] (def-fisher), exact, (n, n).

    A state that π never visits adds nothing. Tabular softmax: rank A−1 for each state visited (prop-fisher-softmax).
    Raises `ValueError` as `softmax_policy` does, and where theta or features do not fit the MDP.
    Source: Kakade (2001), equation 2, with the discounted d^π.
    """
    root = _root(mdp, policy_of(mdp, theta, features), features)
    return root.T @ root


def fisher_vector_product(mdp, theta, *, features=None):
    """The function v ↦ Fv, (n,) → (n,), which needs no n × n matrix: O(S·A·n) a product, tabular O(S·A)."""
    pi = policy_of(mdp, theta, features)
    weight = _visits(mdp, pi)
    features = None if features is None else checks.array("features", features)
    n = pi.size if features is None else features.shape[2]

    def product(v):
        v = checks.array("v", v, (n,))
        slope = v.reshape(pi.shape) if features is None else features @ v
        slope = slope - (pi * slope).sum(axis=1, keepdims=True)  # ψ·v, (S, A)
        slope *= weight
        return slope.ravel() if features is None else slope.ravel() @ features.reshape(-1, n)

    return product


def estimate_fisher(scores):
    """F̂ = (1/N) Σ_i ψ_i ψ_iᵀ of N sampled scores, (N, n), as an (n, n) matrix: O(Nn²).

    It is unbiased if the states are drawn from d^π and the actions from π; F̂⁻¹ is not (prop-inverse-bias).
    """
    scores = checks.array("scores", scores, ("N", "n"))
    return scores.T @ scores / len(scores)


def sampled_product(scores):
    """The function v ↦ F̂v = Ψᵀ(Ψv)/N, (n,) → (n,), of N sampled scores Ψ, (N, n): O(Nn) a product (prop-cost)."""
    scores = checks.array("scores", scores, ("N", "n"))
    return lambda v: scores.T @ (scores @ checks.array("v", v, scores.shape[1:])) / len(scores)


def kl(pi, pi_new):
    """KL(π‖π') = Σ_a π(a|s) log(π(a|s)/π'(a|s)) in each state, (S,), in nats.

    Infinite where π takes an action that π' never takes. Raises `ValueError` for rows that are no distributions, or
    two shapes.
    """
    pi, pi_new = checks.policies(pi, pi_new)
    return _divergence(pi, pi_new).sum(axis=1)  # as Σ_a π = Σ_a π'


def mean_kl(mdp, pi, pi_new):
    """E_{s~d^π} KL(π‖π'), in nats; states that π never visits count nothing, were their KL infinite."""
    pi, pi_new = checks.policy(mdp, pi), checks.policy(mdp, pi_new, "pi_new")
    d = _visits(mdp, pi).sum(axis=1)
    return float(d[d > 0] @ kl(pi, pi_new)[d > 0])


def quadratic_kl(F, d):
    """The second-order model ½dᵀFd of the mean KL over a step d (thm-fisher-kl).

    F is (n, n) or a function v ↦ Fv; d is (n,), or shaped as theta.
    """
    d = checks.array("d", d).ravel()
    if callable(F) and not isinstance(F, type):
        Fd = F(d.copy())
    else:
        Fd = checks.array("F", F, (len(d), len(d)), note=" to go with d") @ d
    return float(d @ checks.array("F(d)", Fd, d.shape, note=" as d has") / 2)


# The natural gradient ---------------------------------------------------------------------------------------


def compatible_weights(mdp, theta, *, features=None):
    """The w of least norm among those that minimise E_{d^π,π}(w·ψ − A^π)² (thm-compatible), shaped as theta.

    Its normal equations are Fw = (1−γ)g, so w/(1−γ) = F†g. Where π is tabular the fit is exact, w = A − mean_a A in
    every state visited and 0 elsewhere (prop-natural-softmax). Raises `ValueError` as `fisher` does.
    Source: Sutton et al. (1999); Kakade (2001), Theorem 1.
    """
    pi = policy_of(mdp, theta, features)
    A = advantages(mdp, pi)
    if features is None:  # least squares would lose actions so unlikely that √π is rounding; this loses none
        visited = _visits(mdp, pi).any(axis=1, keepdims=True)
        return np.where(visited, A - A.mean(axis=1, keepdims=True), 0.0)
    root = _root(mdp, pi, features)
    target = (np.sqrt(_visits(mdp, pi)) * A).ravel()
    return np.linalg.lstsq(root, target, rcond=max(root.shape) * EPS)[0]


def natural_gradient(mdp, theta, *, damping=0.0, features=None):
    """F†g (def-natural-gradient), or (F + λI)⁻¹g with a damping λ > 0, shaped as theta.

    F†g is taken from the least-squares problem of `compatible_weights`, whose condition number is the square root
    of F's. Raises `ValueError` for a damping that is not a number ≥ 0, and as `fisher` does.
    Source: Amari (1998), Theorem 1; Kakade (2001).
    """
    damping = checks.number("damping", damping, "[0, ∞)")
    if damping == 0:
        return compatible_weights(mdp, theta, features=features) / (1 - mdp.gamma)
    F, g = fisher(mdp, theta, features=features), exact_gradient(mdp, theta, features=features)
    return np.linalg.solve(F + damping * np.eye(len(F)), g.ravel()).reshape(g.shape)


# Conjugate gradients ----------------------------------------------------------------------------------------


def conjugate_gradient(matvec, b, *, tol=1e-10, max_steps=None, damping=0.0):
    """Solves (F + λI)x = b for symmetric positive definite F, of which only v ↦ Fv is known (thm-cg): `CGResult`.

    Step k makes x the best of the span of b, Fb, …, F^{k−1}b in the norm ‖·‖_F. `matvec` maps (n,) to (n,), `b` is
    (n,), `tol` bounds the relative residual, damping is λ ≥ 0, `max_steps` bounds the steps: 10n if None, where
    without rounding n would do. A singular F will do if b is in its range; x then is F†b. Nothing is divided by a
    curvature pᵀFp that is not positive beyond rounding: the search ends there and says so.
    Raises `ValueError` where b is not a finite vector, matvec gives something else than a finite (n,) array, or an
    option is out of its range. Source: Hestenes and Stiefel (1952).
    """
    b = checks.array("b", b, ("n",))
    tol, damping = checks.positive("tol", tol), checks.number("damping", damping, "[0, ∞)")
    max_steps = 10 * len(b) if max_steps is None else checks.count("max_steps", max_steps)
    checks.function("matvec", matvec)

    def product(v):
        return checks.array("matvec(v)", matvec(v.copy()), b.shape, note=" as b has") + damping * v

    scale = abs(b).max(initial=0)
    if scale == 0:
        return CGResult(np.zeros_like(b), 0, 0.0, "converged")
    b = b / scale  # so that no square overflows or vanishes
    size, x, r, p = np.linalg.norm(b), np.zeros_like(b), b, b
    stiffest, steps, status = 0.0, 0, "max_steps"
    while steps < max_steps:
        Fp = product(p)
        curvature = p @ Fp / (p @ p)
        stiffest = max(stiffest, np.linalg.norm(Fp) / np.linalg.norm(p))
        if curvature <= len(b) * EPS * stiffest:
            status = "curvature"
            break
        steps += 1
        length = (r @ r) / (p @ Fp)
        x = x + length * p
        r, before = r - length * Fp, r
        if np.linalg.norm(r) <= tol * size:
            r = b - product(x)  # what r was updated to drifts from what it stands for
            if np.linalg.norm(r) <= tol * size:
                status = "converged"
                break
            p = r  # start again from here
        else:
            p = r + (r @ r) / (before @ before) * p
    return CGResult(scale * x, steps, float(np.linalg.norm(r) / size), status)


# The tabular softmax policy: mirror ascent ------------------------------------------------------------------


def mirror_step(pi, A, alpha):
    """π⁺(a|s) = π(a|s) e^{αA(s,a)} / Z(s), argmax over π' of α Σ_a π'A − KL(π'‖π) in each state (thm-mirror), (S, A).

    pi and A are (S, A), alpha in units of 1/reward. A natural-gradient step of length α is `mirror_step` with
    α/(1−γ). Raises `ValueError` for a pi whose rows are no distributions, an A of another shape, or an alpha that is
    not a finite number.
    """
    pi, alpha = checks.distributions("pi", pi, ("S", "A")), checks.number("alpha", alpha)
    A = checks.array("A", A, pi.shape, note=" as pi has")
    exponent = np.where(pi > 0, alpha * A, -np.inf)
    weights = pi * np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def npg(mdp, *, step_size, steps, theta=None):
    """Tabular natural policy gradient, π ← π e^{αA/(1−γ)}/Z in every state, from theta or uniform: `NPGTrace`.

    Its values never fall, and after T steps the gap is at most (thm-npg-rate)

        max_s V*(s) − V_T(s) ≤ D/(αT) + (max r − min r)/((1−γ)²T),   D = max_s KL(π*(·|s) ‖ π_0(·|s)),

    with D = log A from the uniform policy. It is the step θ + αF†g for a ρ₀ that visits every state.
    Raises `ValueError` for a step_size that is not positive, steps that are not a positive integer, or a theta that
    is not a finite (S, A) array. Source: Agarwal, Kakade, Lee and Mahajan (2021), Theorem 16.
    """
    checks.tabular(mdp)
    step_size, steps = checks.positive("step_size", step_size), checks.count("steps", steps)
    theta = np.zeros(mdp.r.shape) if theta is None else checks.array("theta", theta, mdp.r.shape)
    pi, V = np.empty((steps + 1, *mdp.r.shape)), np.empty((steps + 1, mdp.n_states))
    world, far, gains = _centred(mdp), 1 / (1 - mdp.gamma), np.empty(steps + 1)
    for k in range(steps + 1):
        pi[k] = softmax_policy(theta)
        V[k], Q, _, gains[k] = _evaluate(world, pi[k])
        theta = theta + step_size * far * (Q - V[k][:, None])
    best = policy_iteration(mdp).pi
    V_best, _, _, gain = _evaluate(world, best)
    distance = kl(best, pi[0]).max()
    total = distance / step_size + np.ptp(mdp.r) * far**2
    bound = np.r_[np.inf, total / np.arange(1, steps + 1)]
    gap = (V_best - V).max(axis=1) + far * (gain - gains)  # before what all values share is added to them
    return NPGTrace(pi, V + far * (world.gain + gains[:, None]), gap, bound)


# Trust regions ----------------------------------------------------------------------------------------------


def trust_region_step(gradient, matvec, objective, divergence, delta, *, backtrack=0.5, max_backtracks=10, **cg):
    """One step of TRPO: the natural direction, scaled to the trust region, shortened until it holds: `TrustRegionStep`.

    With x = F⁻¹g by `conjugate_gradient`, whose options damping, tol and max_steps are passed on, √(2δ/gᵀx)·x makes
    the model ½dᵀFd of the divergence equal δ (prop-trust-step); damping makes it smaller. The step is multiplied by
    `backtrack` until objective(step) > objective(0) and divergence(step) ≤ δ, at most `max_backtracks` times.
    `gradient` is (n,); `objective` and `divergence` are functions of the step, (n,) → float.
    Raises `ValueError` for δ ≤ 0, a backtrack outside (0, 1), a max_backtracks that is no whole number ≥ 0, and as
    `conjugate_gradient` does. Source: Schulman et al. (2015), Appendix C.
    """
    delta, g = checks.positive("delta", delta), checks.array("gradient", gradient, ("n",))
    backtrack = checks.number("backtrack", backtrack, "(0, 1)")
    max_backtracks = checks.count("max_backtracks", max_backtracks, least=0)
    checks.function("objective", objective)
    checks.function("divergence", divergence)
    solved = conjugate_gradient(matvec, g, **cg)
    slope = float(g @ solved.x)  # gᵀF⁻¹g; 0 where g is 0, or no direction was found
    trials = max_backtracks + 1 if slope > 0 else 0
    start = objective(np.zeros_like(g))
    for refused in range(trials):
        # A hair short of the boundary: where the model is exact, rounding must not cost half the step.
        scale = backtrack**refused * float(np.sqrt(2 * delta / slope)) * (1 - 1e-9)
        step = scale * solved.x
        improvement, distance = float(objective(step) - start), float(divergence(step))
        if improvement > 0 and distance <= delta:  # a NaN is refused as well
            return TrustRegionStep(step, solved.x, scale, True, improvement, distance, refused, solved)
    return TrustRegionStep(np.zeros_like(g), solved.x, 0.0, False, 0.0, 0.0, trials, solved)


# Two examples that can be seen: a normal policy … -----------------------------------------------------------
#
# Actions x ~ N(μ, σ²) and η(μ,σ) = −½[(μ−c)² + σ²] = −½E(x−c)². The coordinates are (μ, u) with
# u = (σᵏ − 1)/k, which `bend` = k takes from log σ (k = 0) to σ itself (k = 1, up to a shift) and beyond.


def gaussian_gradient(mu, sigma, c, bend):
    """∇η in the coordinates (μ, u): (−(μ−c), −σ^{2−k}), (2,)."""
    mu, sigma, c, bend = _check_gaussian(mu, sigma, c, bend)
    return np.array([c - mu, -(sigma ** (2 - bend))])


def gaussian_fisher(sigma, bend=0.0):
    """The Fisher information of N(μ, σ²) in (μ, u), diag(σ⁻², 2σ^{−2k}) (prop-gaussian-fisher), (2, 2).

    In (μ, log σ), bend 0, it is diag(σ⁻², 2); in (μ, σ), bend 1, diag(σ⁻², 2σ⁻²).
    """
    _, sigma, _, bend = _check_gaussian(0.0, sigma, 0.0, bend)
    return np.diag([sigma**-2, 2 * sigma ** (-2 * bend)])


def gaussian_step(mu, sigma, c, alpha, *, bend, natural):
    """(μ', σ') after one step of length α along ∇η, or F⁻¹∇η if `natural`, taken in the coordinates (μ, u).

    (nan, nan) where the step leaves σ > 0, which happens for bend > 0 and large α. Raises `ValueError` for a
    sigma or alpha that is not positive, or a mu, c or bend that is not a finite number.
    """
    alpha, natural = checks.positive("alpha", alpha), checks.flag("natural", natural)
    mu, sigma, c, bend = _check_gaussian(mu, sigma, c, bend)
    d = gaussian_gradient(mu, sigma, c, bend)
    if natural:
        d = d / gaussian_fisher(sigma, bend).diagonal()
    ratio = _unbend(alpha * d[1] / sigma**bend, bend)
    mu, sigma = float(mu + alpha * d[0]), float(sigma * ratio)
    return (mu, sigma) if sigma > 0 else (np.nan, np.nan)


def gaussian_path(mu, sigma, c, alpha, steps, *, bend, natural):
    """(μ, σ) and its next `steps` values under `gaussian_step`, (steps+1, 2); nan from where a step leaves σ > 0."""
    steps, alpha = checks.count("steps", steps, least=0), checks.positive("alpha", alpha)
    natural = checks.flag("natural", natural)
    path = np.full((steps + 1, 2), np.nan)
    path[0] = _check_gaussian(mu, sigma, c, bend)[:2]
    for k in range(steps):
        path[k + 1] = gaussian_step(*path[k], c, alpha, bend=bend, natural=natural)
        if not np.isfinite(path[k + 1]).all():
            path[k + 1] = np.nan  # rather than an infinite μ: it is no policy either
            break
    return path


def gaussian_flow(mu, sigma, c, t, *, bend, natural):
    """(μ, σ) at times t ≥ 0 of the flow that the steps tend to as α → 0 (prop-gaussian-flow), (..., 2) for t (...).

    Natural, whatever the bend: σ⁻² = σ₀⁻² + t and μ−c = (μ₀−c)σ²/σ₀². Euclidean: μ−c = (μ₀−c)e⁻ᵗ and
    σ^{2k−2} = σ₀^{2k−2} + (2−2k)t, which is σ₀e⁻ᵗ at k = 1; for k > 1 σ reaches 0 in finite time, and is nan from
    then on. Raises `ValueError` as `gaussian_step` does, and for a negative t.
    """
    mu, sigma, c, bend = _check_gaussian(mu, sigma, c, bend)
    t, natural = checks.array("t", t), checks.flag("natural", natural)
    checks.nonnegative("t", t, ", not a time of at least 0")
    if natural:
        shrink = 1 / (1 + sigma**2 * t)  # σ²/σ₀²
        return np.stack([c + (mu - c) * shrink, sigma * np.sqrt(shrink)], axis=-1)
    power = 2 * bend - 2
    ratio = _unbend(-t * sigma**-power, power)
    return np.stack([np.where(ratio > 0, c + (mu - c) * np.exp(-t), np.nan), sigma * ratio], axis=-1)


def gaussian_kl(mu, sigma, mu1, sigma1):
    """KL(N(μ,σ²) ‖ N(μ₁,σ₁²)) = log(σ₁/σ) + (σ² + (μ−μ₁)²)/(2σ₁²) − ½, in nats; numbers or arrays.

    nan in, nan out, so that it takes a path that left σ > 0. Raises `ValueError` for a sigma or sigma1 ≤ 0.
    """
    named = {"mu": mu, "sigma": sigma, "mu1": mu1, "sigma1": sigma1}
    mu, sigma, mu1, sigma1 = (checks.array(name, x, nan=True) for name, x in named.items())
    for name, values in (("sigma", sigma), ("sigma1", sigma1)):
        if (values <= 0).any():
            raise ValueError(f"{name} must be positive, got {values[values <= 0].flat[0]:g}")
    moved = ((mu - mu1) / sigma1) ** 2 / 2
    d = (sigma - sigma1) * (sigma + sigma1) / sigma1**2  # σ²/σ₁² − 1; near 0 the logarithm below leaves no digits
    near = abs(d) < 0.5
    close = np.where(near, d, 0.0)
    return moved + np.where(near, (close - np.log1p(close)) / 2, np.log(sigma1 / sigma) + d / 2)


def kl_contour(mu, sigma, delta, n):
    """n points (μ₁, σ₁) of the curve KL(N(μ,σ²) ‖ N(μ₁,σ₁²)) = δ, once around (eq-kl-contour), (n, 2).

        (μ₁−μ)² = 2σ₁²(δ + ½ − log(σ₁/σ)) − σ²

    Where the right side is 0 the curve is at its ends, log(σ₁/σ) = ½(1 + 2δ + W(−e^{−1−2δ})) with the two real
    branches of Lambert's W. Raises `ValueError` for a delta that is not in (0, 300], in nats.
    """
    mu, sigma, _, _ = _check_gaussian(mu, sigma, 0.0, 0.0)
    delta = checks.number("delta", delta, "(0, 300]")
    low, high = (1 + 2 * delta + scipy.special.lambertw(-np.exp(-1 - 2 * delta), [-1, 0]).real) / 2
    angle = _angles(n)
    log_ratio = (low + high) / 2 + (high - low) / 2 * np.sin(angle)
    square = np.expm1(2 * log_ratio) * (1 + 2 * delta - 2 * log_ratio) + 2 * (delta - log_ratio)  # ((μ₁−μ)/σ)²
    shift = np.sign(np.cos(angle)) * np.sqrt(np.maximum(square, 0.0))
    return np.stack([mu + sigma * shift, sigma * np.exp(log_ratio)], axis=1)


def kl_ellipse(mu, sigma, delta, n, bend):
    """n points (μ₁, σ₁) of the ellipse ½dᵀFd = δ of the coordinates (μ, u), seen in (μ, σ), (n, 2).

    The points run around as those of `kl_contour` do; nan where the ellipse leaves σ > 0.
    """
    mu, sigma, _, bend = _check_gaussian(mu, sigma, 0.0, bend)
    angle, delta = _angles(n), checks.positive("delta", delta)
    shift = sigma * np.sqrt(2 * delta) * np.cos(angle)
    ratio = _unbend(np.sqrt(delta) * np.sin(angle), bend)
    return np.stack([np.where(ratio > 0, mu + shift, np.nan), sigma * ratio], axis=1)


# … and a softmax one ----------------------------------------------------------------------------------------


def softmax_path(theta, r, alpha, steps, *, natural):
    """The policies of exact gradient ascent on a bandit with rewards r, from logits theta, (steps+1, A).

    theta and r are (A,). ∇η = π(r − π·r), small wherever π is nearly deterministic, on a bad action too (a
    plateau); F†∇η = r − mean r, which is as large everywhere. Raises `ValueError` for shapes that do not fit, an
    alpha that is not positive or steps that are no whole number ≥ 0.
    """
    theta = checks.array("theta", theta, ("A",))
    r, alpha = checks.array("r", r, theta.shape, note=" as theta has"), checks.positive("alpha", alpha)
    steps, natural = checks.count("steps", steps, least=0), checks.flag("natural", natural)
    path = [softmax_policy(theta[None])[0]]
    for _ in range(steps):
        pi = path[-1]
        theta = theta + alpha * (r - r.mean() if natural else pi * (r - pi @ r))
        path.append(softmax_policy(theta[None])[0])
    return np.array(path)


def plateau_time(start, end, gap, *, natural=False):
    """The time in which the gradient flow takes one logit θ from `start` to `end`; `gap` is r₁ − r₂ (prop-plateau).

    Two actions with π₁ = 1/(1+e^{−θ}): θ̇ = Δπ₁π₂, so 2θ + 2 sinh θ = Δt + C; natural, θ̇ = Δ. With a logit for
    each action, as in `softmax_path`, θ = θ₁−θ₂ moves twice as fast under the plain gradient, the same under the
    natural one. Negative where the flow goes the other way. Raises `ValueError` for a gap of 0.
    """
    start, end, gap = (checks.number(name, x) for name, x in (("start", start), ("end", end), ("gap", gap)))
    natural = checks.flag("natural", natural)
    if gap == 0:
        raise ValueError("gap must not be 0: equal rewards give no gradient")
    way = end - start if natural else 2 * (end - start) + 2 * (np.sinh(end) - np.sinh(start))
    return float(way / gap)


# Helpers ----------------------------------------------------------------------------------------------------


def _visits(mdp, pi):
    """d^π(s)π(a|s) = (1−γ)ρ_π(s,a), (S, A); where rounding has made it negative it is 0."""
    return np.maximum((1 - mdp.gamma) * occupancy(mdp, pi), 0.0)


def _root(mdp, pi, features):
    """The (S·A, n) matrix of rows √(d^π(s)π(a|s)) ψ(s,a), whose square is F."""
    weight = np.sqrt(_visits(mdp, pi))
    return weight.reshape(-1, 1) * score_table(pi, features).reshape(pi.size, -1)


def _unbend(shift, bend):
    """σ'/σ when u moves by shift·σᵏ: (1 + k·shift)^{1/k}, or e^shift at k = 0; nan where that is no σ' > 0."""
    inside = bend * np.asarray(shift, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(inside > -1, np.exp(np.log1p(inside) / bend if bend else shift), np.nan)


def _angles(n):
    n = checks.count("n", n)
    return 2 * np.pi * np.arange(n) / n


def _check_gaussian(mu, sigma, c, bend):
    return (
        checks.number("mu", mu),
        checks.positive("sigma", sigma),
        checks.number("c", c),
        checks.number("bend", bend),
    )
