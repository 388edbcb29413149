"""Chapter 3's numerics and its statements, held to enumeration, finite differences, quadrature and scipy's solvers."""

import tracemalloc
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp
from scipy.optimize import linprog, minimize
from scipy.stats import binom, chi2, invwishart

from rlbook import (
    TabularMDP,
    conjugate_gradient,
    exact_gradient,
    expected_return,
    fisher,
    garnet,
    natural_gradient,
    occupancy,
    softmax_policy,
)
from rlbook.bellman import soft_value
from rlbook.natural_gradients import (
    compatible_weights,
    estimate_fisher,
    fisher_vector_product,
    gaussian_fisher,
    gaussian_flow,
    gaussian_gradient,
    gaussian_kl,
    gaussian_path,
    gaussian_step,
    kl,
    kl_contour,
    kl_ellipse,
    mean_kl,
    mirror_step,
    npg,
    plateau_time,
    quadratic_kl,
    sampled_product,
    softmax_path,
    steepest_descent,
    trust_region_step,
)
from rlbook.occupancies import surrogate, total_variation, trust_region_bound
from tests import oracles
from tests.strategies import NUMBERS, arrays, parametrisations, plain, policies, tabular_mdps, thetas

GENTLE = st.sampled_from([0.0, 0.3, 0.5, 0.9])  # discounts at which finite differences keep six digits
BENDS = [-1.0, 0.0, 0.5, 1.0, 2.0]
SEEDS = range(5)


def close(got, wanted, tolerance=1e-10):
    """Equal up to rounding, on the scale of the largest number there."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * max(1.0, np.abs(wanted).max(initial=0)))


def order(error, sizes):
    """The power p with which error(h) ~ hᵖ as h shrinks, by least squares on logarithms."""
    return np.polyfit(np.log(sizes), np.log([error(h) for h in sizes]), 1)[0]


@st.composite
def metrics(draw, largest=4):
    """(G, g): a symmetric positive definite matrix, ill-conditioned or not, and a vector that is not zero."""
    n = draw(st.integers(1, largest))
    B = draw(arrays(n, n))
    g = draw(arrays(n).filter(np.any))
    return B @ B.T + draw(st.sampled_from([0.01, 1.0])) * np.eye(n), g


@st.composite
def softmax_cases(draw, **options):
    """(mdp, theta, features) of a tabular softmax policy or a log-linear one."""
    mdp = draw(tabular_mdps(**options))
    return mdp, *draw(parametrisations(mdp))


@st.composite
def two_policies(draw):
    """(mdp, pi, pi_new), the policies on the boundary or inside."""
    mdp = draw(tabular_mdps())
    return mdp, draw(policies(mdp)), draw(policies(mdp))


def an_mdp(seed, n_states=4, n_actions=3, gamma=0.8):
    return garnet(n_states, n_actions, 2, gamma=gamma, rng=np.random.default_rng(seed))


# Steepest descent -------------------------------------------------------------------------------------------


@pytest.mark.proves("eq-taylor")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_order_model_is_off_by_the_square_of_the_step(seed):
    rng, mdp = np.random.default_rng(seed), an_mdp(seed)
    theta, d = rng.normal(size=(2, *mdp.r.shape))
    g, start = exact_gradient(mdp, theta), expected_return(mdp, softmax_policy(theta))

    def remainder(t):
        return abs(expected_return(mdp, softmax_policy(theta + t * d)) - start - t * (g * d).sum())

    assert order(remainder, 2.0 ** -np.arange(5, 11)) == pytest.approx(2, abs=0.1)


@pytest.mark.proves("def-g-norm", "lem-definite")
@given(metrics(), st.data())
def test_a_positive_definite_matrix_makes_a_norm_and_is_invertible(case, data):
    G, g = case
    u, v = data.draw(arrays(2, len(g)))
    t = data.draw(NUMBERS)

    def norm(x):
        return np.sqrt(x @ G @ x)

    assert abs(norm(t * v) - abs(t) * norm(v)) <= 1e-12 * norm(t * v)
    assert norm(u + v) <= norm(u) + norm(v) + 1e-12
    assert (norm(v) > 0) == v.any()
    assert abs(u @ G @ v) <= norm(u) * norm(v) * (1 + 1e-12)  # Cauchy–Schwarz in G …
    if np.linalg.matrix_rank([u, v]) == 2:
        assert abs(u @ G @ v) < norm(u) * norm(v) * (1 - 1e-9)  # … with equality only for parallel vectors
    # invertible, and the inverse is positive definite too: ‖G⁻¹u‖_G² = uᵀG⁻¹u
    inverse = np.linalg.inv(G)
    close(inverse @ (G @ v), v, 1e-8)
    close(norm(inverse @ u) ** 2, u @ inverse @ u, 1e-8)
    # of a matrix that is not symmetric, only the symmetric part is seen in a quadratic form
    skew = np.triu(np.outer(u, v), 1)
    close(v @ (G + skew - skew.T) @ v, norm(v) ** 2, 1e-12)


@pytest.mark.proves("thm-steepest", "eq-steepest")
@given(metrics(), st.sampled_from([0.01, 1.0, 4.0]), st.integers(0, 100))
def test_the_steepest_step_is_the_constrained_minimum(case, epsilon, seed):
    G, g = case
    d, value = steepest_descent(G, g, epsilon)
    scale = -value
    assert value < 0
    assert abs(d @ G @ d - epsilon) < 1e-9 * epsilon  # the constraint is active
    assert abs(g @ d - value) < 1e-9 * scale
    assert abs(value + np.sqrt(epsilon * (g @ np.linalg.inv(G) @ g))) < 1e-9 * scale
    # the multiplier of g·d + λ(dᵀGd − ε), positive as descent asks
    multiplier = np.sqrt(g @ np.linalg.inv(G) @ g / epsilon) / 2
    close(g + 2 * multiplier * G @ d, np.zeros(len(g)), 1e-8 * abs(g).max())
    # no step in the ball does better …
    root = np.linalg.inv(np.linalg.cholesky(G)).T
    u = np.random.default_rng(seed).normal(size=(200, len(g)))
    inside = np.sqrt(epsilon) * (u / np.maximum(1, np.linalg.norm(u, axis=1))[:, None]) @ root.T
    assert (np.einsum("ij,jk,ik->i", inside, G, inside) <= epsilon * (1 + 1e-9)).all()
    assert (inside @ g >= value - 1e-9 * scale).all()
    # … nor as well: g·x = g·d* + λ‖x − d*‖_G² + λ(ε − ‖x‖_G²) for every x, so d* is the only minimum …
    away = np.einsum("ij,jk,ik->i", inside - d, G, inside - d)
    slack = epsilon - np.einsum("ij,jk,ik->i", inside, G, inside)
    close(inside @ g / scale, (value + multiplier * (away + slack)) / scale, 1e-8)
    # … and a solver that knows nothing of this finds the same (in coordinates in which the ball is of size 1)
    unit = np.sqrt(epsilon / np.diag(G).max())
    found = minimize(
        lambda x: g @ x / abs(g).max(),
        np.zeros(len(g)),
        jac=lambda x: g / abs(g).max(),
        constraints={
            "type": "ineq",
            "fun": lambda x: 1 - x @ G @ x * unit**2 / epsilon,
            "jac": lambda x: -2 * G @ x * unit**2 / epsilon,
        },
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert abs(g @ found.x * unit - value) < 1e-4 * scale


@pytest.mark.proves("prop-sup-norm", "thm-steepest")
def test_each_minimum_is_minus_the_dual_norm_of_the_gradient():
    """max over ‖v‖ ≤ 1 of g·v, walked round a circle, an ellipse and a square: ‖g‖, ‖g‖ in G⁻¹, Σ|g_i|."""
    G, g = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, -2.0])
    angle = np.linspace(0, 2 * np.pi, 100_001)
    circle = np.array([np.cos(angle), np.sin(angle)])
    ring = np.linalg.solve(np.linalg.cholesky(G).T, circle)
    square = circle / abs(circle).max(axis=0)
    duals = np.linalg.norm(g), np.sqrt(g @ np.linalg.inv(G) @ g), abs(g).sum()
    for ball, dual, minimum in zip(
        (circle, ring, square),
        duals,
        (steepest_descent(np.eye(2), g, 1.0).value, steepest_descent(G, g, 1.0).value, -3.0),
        strict=True,
    ):
        assert (g @ ball).max() == pytest.approx(dual, rel=1e-8)
        assert minimum == pytest.approx(-dual)
    assert len({round(dual, 3) for dual in duals}) == 3


@pytest.mark.proves("prop-sup-norm")
@given(arrays(4).filter(np.any), st.sampled_from([0.5, 2.0]))
def test_in_the_maximum_norm_the_steepest_step_is_made_of_signs(g, epsilon):
    found = linprog(g, bounds=[(-epsilon, epsilon)] * len(g))
    close(found.fun, -epsilon * abs(g).sum(), 1e-9)
    moved = g != 0  # where g is 0 any entry is as good
    close(found.x[moved], -epsilon * np.sign(g)[moved], 1e-9)


# Fisher information and KL ----------------------------------------------------------------------------------


@pytest.mark.proves("thm-steepest")
@given(metrics(), st.sampled_from([1e-4, 1.0, 50.0]))
def test_steepest_descent_is_plain_descent_in_stretched_coordinates(case, epsilon):
    """θ̃ = Rθ with RR = G: a step of length √ε against the gradient there, R⁻¹g, brought back."""
    G, g = case
    values, vectors = np.linalg.eigh(G)
    stretch = vectors * np.sqrt(values) @ vectors.T
    slope = np.linalg.solve(stretch, g)
    step = np.linalg.solve(stretch, -np.sqrt(epsilon) * slope / np.linalg.norm(slope))
    close(steepest_descent(G, g, epsilon).d, step, 1e-7)


@pytest.mark.proves("def-fisher")
@given(softmax_cases())
def test_fisher_is_the_mean_of_squared_scores(case):
    mdp, theta, features = case
    F = fisher(mdp, theta, features=features)
    close(F, oracles.fisher(plain(mdp), theta, features), 1e-12)
    assert (F == F.T).all()
    product = fisher_vector_product(mdp, theta, features=features)
    close(np.array([product(e) for e in np.eye(len(F))]), F, 1e-13)


@pytest.mark.proves("def-fisher")
@settings(max_examples=20)
@given(softmax_cases(max_states=2, max_actions=2, discounts=st.sampled_from([0.0, 0.3, 0.5])))
def test_fisher_is_the_covariance_of_the_score_along_trajectories(case):
    """F = Σ_t (1−γ)γᵗ E[ψ_tψ_tᵀ], by enumeration of all trajectories of five steps; the rest is at most γ⁵ max ‖ψ‖²."""
    mdp, theta, features = case
    pi, T = oracles.softmax(theta, features), 5
    psi, gamma = oracles.scores(pi, features), mdp.gamma

    def squares(tau):
        pairs = zip(tau.states, tau.actions, strict=True)
        return sum((1 - gamma) * gamma**t * np.outer(psi[s, a], psi[s, a]) for t, (s, a) in enumerate(pairs))

    rest = fisher(mdp, theta, features=features) - oracles.mean(squares, plain(mdp), pi, T)
    values = np.linalg.eigvalsh(rest)
    assert values.min() >= -1e-12
    assert values.sum() <= gamma**T * (psi**2).sum(axis=-1).max() + 1e-12


@pytest.mark.proves("thm-fisher-kl")
@given(softmax_cases(max_states=2, discounts=GENTLE))
def test_fisher_is_the_hessian_of_the_kl_both_ways_and_of_minus_log_pi(case):
    mdp, theta, features = case
    arrays_, pi = plain(mdp), oracles.softmax(theta, features)
    d = (1 - mdp.gamma) * oracles.power_series(*arrays_, pi)[1]

    def forward(x):
        return sum(w * oracles.kl(p, q) for w, p, q in zip(d, pi, oracles.softmax(x, features), strict=True))

    def backward(x):
        return sum(w * oracles.kl(q, p) for w, p, q in zip(d, pi, oracles.softmax(x, features), strict=True))

    def surprise(x):
        return -(d[:, None] * pi * np.log(oracles.softmax(x, features))).sum()

    F = fisher(mdp, theta, features=features)
    for f in (forward, backward, surprise):
        close(oracles.hessian(f, theta), F, 2e-6)
    for f in (forward, backward):  # 0 at its minimum, and flat there
        assert abs(f(theta)) < 1e-14
        close(oracles.finite_difference(f, theta), np.zeros(np.shape(theta)), 1e-8)


@pytest.mark.proves("thm-fisher-kl")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_second_order_model_of_the_kl_is_off_by_the_cube_of_the_step(seed):
    rng, mdp = np.random.default_rng(seed), an_mdp(seed)
    theta, d = rng.normal(size=(2, *mdp.r.shape))
    pi, F, product = softmax_policy(theta), fisher(mdp, theta), fisher_vector_product(mdp, theta)
    weight = (1 - mdp.gamma) * occupancy(mdp, pi).sum(axis=1)

    def forward(t):
        return abs(mean_kl(mdp, pi, softmax_policy(theta + t * d)) - quadratic_kl(F, t * d))

    def backward(t):
        return abs(weight @ kl(softmax_policy(theta + t * d), pi) - quadratic_kl(product, t * d))

    sizes = 2.0 ** -np.arange(6, 11)
    assert order(forward, sizes) == pytest.approx(3, abs=0.15)
    assert order(backward, sizes) == pytest.approx(3, abs=0.15)
    # KL is no metric: its two directions differ, though only in the third order.
    new = softmax_policy(theta + d)
    assert abs(weight @ kl(new, pi) - mean_kl(mdp, pi, new)) > 1e-3


@given(two_policies())
def test_kl_is_its_sum_and_counts_only_where_the_policy_goes(case):
    mdp, pi, new = case
    divergence = kl(pi, new)
    wanted = np.array([oracles.kl(p, q) for p, q in zip(pi, new, strict=True)])
    assert (np.isinf(divergence) == np.isinf(wanted)).all()
    finite = np.isfinite(wanted)
    close(divergence[finite], wanted[finite], 1e-13)
    assert (divergence >= 0).all()
    rho_s = oracles.power_series(*plain(mdp), pi)[1]
    mean = sum((1 - mdp.gamma) * w * x for w, x in zip(rho_s, wanted, strict=True) if w)
    got = mean_kl(mdp, pi, new)
    assert (np.isinf(got) and np.isinf(mean)) or abs(got - mean) < 1e-11 * (1 + mean)


@pytest.mark.proves("thm-fisher-kl")
@pytest.mark.parametrize(
    ("f", "bend"),
    [
        (lambda x: x * np.log(x), 1.0),
        (lambda x: -np.log(x), 1.0),
        (lambda x: (x - 1) ** 2, 2.0),
        (lambda x: (np.sqrt(x) - 1) ** 2, 0.5),
    ],
)
def test_every_divergence_of_ratios_has_the_fisher_matrix_for_its_curvature(f, bend):
    """Σ p f(q/p): KL both ways, χ², Hellinger's; the Hessian is f''(1)·F."""
    theta = np.random.default_rng(6).normal(size=4)
    p = oracles.softmax(theta[None])[0]
    curvature = oracles.hessian(lambda x: p @ f(oracles.softmax(x[None])[0] / p), theta)
    close(curvature, bend * (np.diag(p) - np.outer(p, p)), 1e-5)


@pytest.mark.proves("thm-fisher-kl")
def test_in_a_table_the_remainder_of_kl_is_twice_as_large_one_way():
    """½, 1/6 and 1/3 of the log-normaliser's derivatives: KL(θ‖θ+hd) and back leave c·h³ and 2c·h³."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        theta, way, h = rng.normal(size=4), rng.normal(size=4), 1e-3
        p, q = oracles.softmax(theta[None])[0], oracles.softmax(theta[None] + h * way)[0]
        half = (p @ way**2 - (p @ way) ** 2) / 2
        there, back = (np.longdouble(x) / h**3 - half / h for x in (exact_kl(p, q), exact_kl(q, p)))
        if abs(there) > 0.01:
            assert back / there == pytest.approx(2, rel=0.05)


def exact_kl(p, q):
    """KL of two distributions close to each other, without the loss of digits of a sum of logarithms."""
    x = (p - q) / q
    return (q * ((1 + x) * np.log1p(x) - x)).sum()


@pytest.mark.proves("def-fisher")
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9])
def test_the_fisher_matrix_of_whole_episodes_is_that_of_the_policy_over_one_less_gamma(gamma):
    """{ex-trajectory}: episodes that end with probability 1 − γ after each step, all of them enumerated.

    States 0 to 3 in two layers, and a last one that is terminal: no episode has more than two scores.
    """
    rng = np.random.default_rng(3)
    P = np.zeros((5, 2, 5))
    P[:2, :, 2:4] = rng.dirichlet(np.ones(2), size=(2, 2))
    P[2:, :, 4] = 1
    terminal = np.arange(5) == 4
    rho0 = np.array([0.3, 0.3, 0.2, 0.2, 0.0])
    mdp = TabularMDP(P, np.zeros((5, 2)), gamma, rho0, terminal=terminal)
    theta = rng.normal(size=(5, 2))
    pi = oracles.softmax(theta)
    psi = oracles.scores(pi)
    F, total = np.zeros((10, 10)), 0.0
    for s in range(4):
        for a in range(2):
            chance, score = rho0[s] * pi[s, a], psi[s, a]
            ends = 1 - gamma if s < 2 else 1.0  # after the second layer nothing is chosen any more
            F += chance * ends * np.outer(score, score)
            total += chance * ends
            if s < 2:
                for then in (2, 3):
                    for b in range(2):
                        p = chance * gamma * P[s, a, then] * pi[then, b]
                        both = score + psi[then, b]
                        F += p * np.outer(both, both)
                        total += p
    assert total == pytest.approx(1)
    close(F, fisher(mdp, theta) / (1 - gamma), 1e-12)


@pytest.mark.proves("prop-fisher-softmax")
@given(tabular_mdps(), st.data())
def test_tabular_fisher_has_the_constants_of_each_state_as_its_null_space(mdp, data):
    theta = data.draw(thetas(mdp))
    S, A = mdp.r.shape
    F = fisher(mdp, theta)
    rho_s = oracles.power_series(*plain(mdp), oracles.softmax(theta))[1]
    visited = rho_s > 1e-12
    assert np.linalg.matrix_rank(F, tol=1e-11) == visited.sum() * (A - 1)
    constants = np.kron(np.eye(S), np.ones((A, 1)))  # one column a state
    close(F @ constants, np.zeros((S * A, S)), 1e-14)
    unvisited = np.kron(np.eye(S)[:, ~visited], np.eye(A))
    assert not (F @ unvisited).any()
    null_space = np.linalg.matrix_rank(np.hstack([constants, unvisited]))
    assert null_space == S * A - visited.sum() * (A - 1)  # and there is nothing else in it


def test_a_fisher_matrix_from_samples_tends_to_the_exact_one():
    """Twenty thousand scores drawn from d^π and π: F̂ within five standard errors of F, entry by entry."""
    mdp, rng = an_mdp(0, 3, 2), np.random.default_rng(0)
    theta = rng.normal(size=mdp.r.shape)
    pi = softmax_policy(theta)
    law = ((1 - mdp.gamma) * occupancy(mdp, pi)).ravel()
    psi = oracles.scores(pi).reshape(6, 6)[rng.choice(6, size=20_000, p=law / law.sum())]
    F_hat = estimate_fisher(psi)
    error = np.einsum("ni,nj->nij", psi, psi).std(axis=0) / np.sqrt(len(psi))
    assert (abs(F_hat - fisher(mdp, theta)) <= 5 * error).all()
    v = rng.normal(size=6)
    close(sampled_product(psi)(v), F_hat @ v, 1e-13)


@pytest.mark.proves("prop-gaussian-fisher")
@pytest.mark.parametrize("bend", BENDS)
@pytest.mark.parametrize(("mu", "sigma"), [(0.0, 1.0), (-1.5, 0.25), (2.0, 3.0)])
def test_gaussian_fisher_by_quadrature_and_as_hessian(mu, sigma, bend):
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)  # exact for polynomials up to degree 39
    x, p = mu + sigma * nodes, weights / weights.sum()
    slope = sigma ** (1 - bend)  # dσ/du
    score = np.array([(x - mu) / sigma**2, ((x - mu) ** 2 - sigma**2) / sigma**3 * slope])
    F = gaussian_fisher(sigma, bend)
    close(F, (p * score) @ score.T, 1e-12)

    def sigma_of(u):
        return (1 + bend * u) ** (1 / bend) if bend else np.exp(u)

    here = np.array([mu, (sigma**bend - 1) / bend if bend else np.log(sigma)])
    unit = 1 / np.sqrt(F.diagonal())  # so that the differences are as fine in either coordinate

    def forward(z):
        return gaussian_kl(mu, sigma, (here + z * unit)[0], sigma_of((here + z * unit)[1]))

    def backward(z):
        return gaussian_kl((here + z * unit)[0], sigma_of((here + z * unit)[1]), mu, sigma)

    for f in (forward, backward):
        close(oracles.hessian(f, np.zeros(2)), np.eye(2), 1e-4)
    if bend == 0:
        close(F, np.diag([sigma**-2, 2.0]), 1e-14)
    if bend == 1:
        close(F, np.diag([sigma**-2, 2 * sigma**-2]), 1e-14)


# The natural gradient ---------------------------------------------------------------------------------------


@pytest.mark.proves("def-natural-gradient")
@settings(max_examples=20)
@given(softmax_cases(discounts=GENTLE))
def test_the_natural_gradient_is_the_pseudo_inverse_applied_to_the_gradient(case):
    mdp, theta, features = case
    F = oracles.fisher(plain(mdp), theta, features)
    g = exact_gradient(mdp, theta, features=features).ravel()  # chapter 1 holds it to finite differences
    # Eigenvalues of F are d^π(s)π(a|s) and the like: above 1e-7 here, or 0.
    wanted = np.linalg.pinv(F, rcond=1e-11, hermitian=True) @ g
    got = natural_gradient(mdp, theta, features=features)
    assert got.shape == np.shape(theta)
    close(got.ravel(), wanted, 1e-7)
    for damping in (0.01, 1.0):
        damped = natural_gradient(mdp, theta, damping=damping, features=features)
        close(F @ damped.ravel() + damping * damped.ravel(), g, 1e-11)
        assert damped.ravel() @ g >= -1e-12  # uphill


@pytest.mark.parametrize("seed", SEEDS)
def test_damping_leads_from_the_natural_gradient_to_the_plain_one(seed):
    mdp = an_mdp(seed)
    theta = np.random.default_rng(seed).normal(size=mdp.r.shape)
    close(natural_gradient(mdp, theta, damping=1e-9), natural_gradient(mdp, theta), 1e-4)
    close(1e9 * natural_gradient(mdp, theta, damping=1e9), exact_gradient(mdp, theta), 1e-8)


@pytest.mark.proves("thm-compatible")
@settings(max_examples=20)
@given(softmax_cases(), st.integers(0, 100))
def test_compatible_weights_are_the_least_squares_fit_of_the_advantage(case, seed):
    mdp, theta, features = case
    pi = oracles.softmax(theta, features)
    psi, A = oracles.scores(pi, features), oracles.advantage(plain(mdp), pi)
    rho_s = oracles.power_series(*plain(mdp), pi)[1]
    weight = (1 - mdp.gamma) * rho_s[:, None] * pi

    def error(w):
        return (weight * (psi @ w.ravel() - A) ** 2).sum()

    w = compatible_weights(mdp, theta, features=features)
    scale = 1 + (A**2).max()
    others = w + np.random.default_rng(seed).normal(size=(20, *w.shape))
    assert all(error(w) <= error(other) + 1e-12 * scale for other in others)
    # normal equations Fw = E[ψA] = (1−γ)∇η
    F = oracles.fisher(plain(mdp), theta, features)
    g = exact_gradient(mdp, theta, features=features).ravel()
    close(F @ w.ravel(), (1 - mdp.gamma) * g, 1e-9)
    close(natural_gradient(mdp, theta, features=features) * (1 - mdp.gamma), w, 1e-12)
    # of least norm: nothing of the null space is in it
    values, vectors = np.linalg.eigh(F)
    close(vectors[:, values < 1e-11].T @ w.ravel(), np.zeros((values < 1e-11).sum()), 1e-7)


@pytest.mark.proves("prop-natural-softmax")
@settings(max_examples=20)
@given(tabular_mdps(), st.data())
def test_the_tabular_natural_gradient_is_the_centred_advantage_where_the_policy_goes(mdp, data):
    theta = data.draw(thetas(mdp))
    pi = oracles.softmax(theta)
    A = oracles.advantage(plain(mdp), pi)
    visited = oracles.power_series(*plain(mdp), pi)[1] > 0
    wanted = np.where(visited[:, None], A - A.mean(axis=1, keepdims=True), 0.0) / (1 - mdp.gamma)
    close(natural_gradient(mdp, theta), wanted, 1e-9)
    if not visited.all():
        assert not natural_gradient(mdp, theta)[~visited].any()
    F = oracles.fisher(plain(mdp), theta)
    g = exact_gradient(mdp, theta).ravel()
    close(F @ wanted.ravel(), g, 1e-9)  # F(F†g) = g: the gradient is in F's range


@pytest.mark.proves("prop-natural-softmax", "def-natural-gradient", "prop-fisher-softmax")
@pytest.mark.parametrize("sparse", [False, True])
def test_at_a_state_that_is_never_visited_the_natural_gradient_is_zero(sparse):
    # State 1 leads to state 0 and nothing leads there; its advantages are not 0, and its block of F is.
    P = np.zeros((3, 2, 3))
    P[0, 0, 0] = P[0, 1, 2] = P[2, :, 0] = P[1, :, 0] = 1.0
    r, gamma, rho0 = np.array([[1.0, 0.0], [5.0, -5.0], [0.0, 2.0]]), 0.9, np.array([1.0, 0.0, 0.0])
    mdp = TabularMDP(sp.csr_array(P.reshape(6, 3)) if sparse else P, r, gamma, rho0)
    theta = np.array([[0.5, 0.0], [1.0, -1.0], [0.0, 0.25]])
    A = oracles.advantage((P, r, gamma, rho0), oracles.softmax(theta))
    got = natural_gradient(mdp, theta)
    assert abs(A[1]).min() > 1
    assert not got[1].any()
    close(got[[0, 2]], (A - A.mean(axis=1, keepdims=True))[[0, 2]] / (1 - gamma), 1e-10)
    F, g = oracles.fisher((P, r, gamma, rho0), theta), exact_gradient(mdp, theta).ravel()
    close(got.ravel(), np.linalg.pinv(F, rcond=1e-12) @ g, 1e-9)
    assert np.linalg.matrix_rank(fisher(mdp, theta), tol=1e-12) == 2
    # and where states share parameters, its advantages do not bend the fit
    features = np.random.default_rng(0).normal(size=(3, 2, 2))
    w = np.array([0.5, -0.25])
    F, g = oracles.fisher((P, r, gamma, rho0), w, features), exact_gradient(mdp, w, features=features)
    close(natural_gradient(mdp, w, features=features), np.linalg.solve(F, g), 1e-8)


def test_the_tabular_natural_gradient_outlives_a_nearly_deterministic_policy():
    # π(a|s) down to e⁻⁴⁰⁰, where no factorisation of F could tell it from 0
    mdp = an_mdp(1)
    theta = np.zeros(mdp.r.shape)
    theta[:, 0] = 400.0
    A = oracles.advantage(plain(mdp), oracles.softmax(theta))
    close(natural_gradient(mdp, theta), (A - A.mean(axis=1, keepdims=True)) / (1 - mdp.gamma), 1e-9)


@pytest.mark.proves("prop-singular")
@pytest.mark.parametrize("seed", SEEDS)
def test_with_a_singular_ruler_the_best_steps_differ_by_what_it_does_not_see(seed):
    """F of rank two in four dimensions: walk round the boundary: no step is better, and only those as good."""
    rng, epsilon = np.random.default_rng(seed), 0.3
    M = rng.normal(size=(4, 2))
    F, g = M @ M.T, M @ rng.normal(size=2)
    null = np.linalg.svd(M.T)[2][2:]
    root = g @ np.linalg.pinv(F, rcond=1e-10) @ g
    best = np.sqrt(epsilon / root) * np.linalg.pinv(F, rcond=1e-10) @ g
    for _ in range(10):
        d = best + rng.normal(size=2) @ null
        assert d @ F @ d == pytest.approx(epsilon)
        assert g @ d == pytest.approx(np.sqrt(epsilon * root))
    angle = np.linspace(0, 2 * np.pi, 20_001)
    # dᵀFd = ‖Mᵀd‖², so the boundary is where Mᵀd runs round a circle, whatever is added from the null space
    edge = np.sqrt(epsilon) * np.linalg.pinv(M.T) @ np.array([np.cos(angle), np.sin(angle)])
    edge = edge.T + rng.normal(size=(len(angle), 2)) @ null
    close(np.einsum("ni,ij,nj->n", edge, F, edge), np.full(len(angle), epsilon), 1e-9)
    gain = edge @ g
    assert gain.max() <= np.sqrt(epsilon * root) * (1 + 1e-12)
    assert gain.max() == pytest.approx(np.sqrt(epsilon * root), rel=1e-6)
    seen = edge - edge @ null.T @ null - best  # what is left of the difference without the null space
    assert np.linalg.norm(seen[gain.argmax()]) < 1e-3 * np.linalg.norm(best)
    far = np.linalg.norm(seen, axis=1) > 0.01 * np.linalg.norm(best)
    assert (gain[far] < np.sqrt(epsilon * root) * (1 - 1e-6)).all()


@pytest.mark.proves("prop-singular", "thm-compatible")
@settings(max_examples=20)
@given(softmax_cases(), st.data())
def test_what_the_fisher_matrix_does_not_see_changes_no_policy_and_the_gradient_is_in_its_range(case, data):
    mdp, theta, features = case
    pi = oracles.softmax(theta, features)
    F = oracles.fisher(plain(mdp), theta, features)
    values, vectors = np.linalg.eigh(F)
    unseen = vectors[:, values < 1e-12 * max(1.0, values[-1])]
    visited = oracles.power_series(*plain(mdp), pi)[1] > 1e-9
    slope = oracles.scores(pi, features)[visited] @ unseen
    assert abs(np.sqrt(pi[visited])[..., None] * slope).max(initial=0) < 1e-3
    g = exact_gradient(mdp, theta, features=features).ravel()
    assert abs(g @ unseen).max(initial=0) < 1e-6 * (1 + abs(g).max())


@pytest.mark.proves("def-natural-gradient", "prop-natural-softmax")
def test_weights_of_states_cancel_in_a_table_if_both_factors_have_them_and_not_else():
    """γᵗ left out of ĝ and F̂ alike, {ex-weights}: F_ν†g_ν is one vector for every ν, in a table; not with features."""
    mdp, rng = an_mdp(4), np.random.default_rng(4)
    theta = rng.normal(size=mdp.r.shape)
    pi = oracles.softmax(theta)
    A, rho = oracles.advantage(plain(mdp), pi), oracles.power_series(*plain(mdp), pi)[1]
    undiscounted = np.linalg.matrix_power(np.einsum("sa,sat->st", pi, mdp.P.reshape(4, 3, 4)), 200)[0]

    def direction(psi, in_F, in_g):
        F = np.einsum("s,sa,sai,saj->ij", in_F, pi, psi, psi)
        return np.linalg.pinv(F, rcond=1e-10) @ np.einsum("s,sa,sai,sa->i", in_g, pi, psi, A)

    table, wanted = oracles.scores(pi), (A - A.mean(axis=1, keepdims=True)).ravel()
    for nu in (rho, undiscounted):
        close(direction(table, nu, nu), wanted, 1e-9)
    mixed = direction(table, rho / rho.sum(), undiscounted)
    assert np.linalg.norm(mixed - wanted) > 0.01 * np.linalg.norm(wanted)
    features = rng.normal(size=(4, 3, 2))
    psi = features - np.einsum("sa,sai->si", pi, features)[:, None]
    one, other = (direction(psi, nu, nu) for nu in (rho, undiscounted))
    assert np.linalg.norm(one / np.linalg.norm(one) - other / np.linalg.norm(other)) > 0.01


@pytest.mark.proves("def-fisher")
@settings(max_examples=20)
@given(tabular_mdps(), st.data())
def test_averaging_over_actions_keeps_the_mean_of_the_fisher_estimate_and_takes_noise_away(mdp, data):
    """One sample of vᵀF̂v: (v·ψ(s,a))², or its mean over a at the sampled s."""
    theta = data.draw(thetas(mdp))
    pi = oracles.softmax(theta)
    weight = (1 - mdp.gamma) * oracles.power_series(*plain(mdp), pi)[1]
    weight = weight / weight.sum()
    v = data.draw(arrays(theta.size))
    sampled = (oracles.scores(pi) @ v) ** 2
    averaged = (pi * sampled).sum(axis=1)
    mean = weight @ averaged
    assert (weight[:, None] * pi * sampled).sum() == pytest.approx(mean)
    assert mean == pytest.approx(v @ oracles.fisher(plain(mdp), theta) @ v, rel=1e-9, abs=1e-9)
    noise = (weight[:, None] * pi * (sampled - mean) ** 2).sum()
    assert weight @ (averaged - mean) ** 2 <= noise * (1 + 1e-12) + 1e-12


@pytest.mark.proves("prop-inverse-bias")
@given(metrics(), st.data())
def test_the_tangents_of_an_inverse_lie_below_it(case, data):
    """vᵀX⁻¹v − (2u·v − uᵀXu) = ‖u − X⁻¹v‖²_X: the squares of the proof."""
    X, v = case
    u = data.draw(arrays(len(v)))
    off = u - np.linalg.solve(X, v)
    scale = 1 + v @ np.linalg.solve(X, v) + u @ X @ u
    assert abs(v @ np.linalg.solve(X, v) - (2 * u @ v - u @ X @ u) - off @ X @ off) <= 1e-8 * scale


@pytest.mark.proves("prop-inverse-bias")
@given(st.integers(1, 3), st.data())
def test_the_mean_of_inverses_is_above_the_inverse_of_the_mean(n, data):
    """A random positive definite matrix with three values: E[F̂⁻¹] − F⁻¹ is positive semidefinite."""
    values = np.array([B @ B.T + 0.1 * np.eye(n) for B in data.draw(arrays(3, n, n))])
    chance = np.array(data.draw(st.sampled_from([(0.2, 0.3, 0.5), (0.0, 0.5, 0.5), (1.0, 0.0, 0.0)])))
    inverses = np.linalg.inv(values)
    mean, inverse = np.tensordot(chance, inverses, 1), np.linalg.inv(np.tensordot(chance, values, 1))
    scale = abs(mean).max()
    assert np.linalg.eigvalsh(mean - inverse).min() >= -1e-9 * scale
    v = data.draw(arrays(n))
    same = all(np.allclose(x @ v, inverse @ v, atol=1e-9) for x, p in zip(inverses, chance, strict=True) if p)
    assert (v @ (mean - inverse) @ v <= 1e-9 * scale * (1 + v @ v)) == same


@pytest.mark.proves("prop-inverse-bias")
@pytest.mark.parametrize("N", [3, 4, 10, 100])
def test_the_inverse_fisher_of_a_normal_mean_is_too_large_by_a_known_factor(N):
    # F̂ = χ²_N/(Nσ²); E[1/χ²_N] by quadrature over its density
    sigma = 0.7
    mean = quad(lambda x: chi2.pdf(x, N) * N * sigma**2 / x, 0, np.inf)[0]
    close(mean, N / (N - 2) * np.linalg.inv(gaussian_fisher(sigma))[0, 0], 1e-6)


def test_for_jointly_normal_scores_what_counts_is_samples_per_parameter():
    n, N = 3, 9
    close(invwishart(N, np.eye(n)).mean() * N, N / (N - n - 1) * np.eye(n), 1e-12)


@pytest.mark.proves("prop-inverse-bias")
def test_the_inverse_of_an_estimated_fisher_is_biased():
    """One logit, two arms: ψ is 1−p or −p, F = p(1−p), F⁻¹g = r₁ − r₂. All samples of size N, with their chances."""
    r = np.array([2.0, 1.0])

    def bias(p, N, same_batch=True):
        k, psi = np.arange(N + 1), np.array([[1 - p], [-p]])
        chance = binom.pmf(k, N, p)
        F_hat = (k * (1 - p) ** 2 + (N - k) * p**2) / N
        for i in k[:5]:
            assert abs(estimate_fisher(np.repeat(psi, [i, N - i], axis=0)).item() - F_hat[i]) < 1e-12
        g_hat = (k * (1 - p) * r[0] - (N - k) * p * r[1]) / N
        assert abs(chance @ F_hat - p * (1 - p)) < 1e-13  # F̂ and ĝ have no bias
        assert abs(chance @ g_hat - p * (1 - p) * (r[0] - r[1])) < 1e-13
        mean = chance @ (g_hat / F_hat) if same_batch else (chance @ g_hat) * (chance @ (1 / F_hat))
        return mean - (r[0] - r[1])

    for p in (0.1, 0.25, 0.7):
        assert abs(bias(p, 4)) > 0.05
        assert bias(p, 4, same_batch=False) > 0.01  # E F̂⁻¹ > F⁻¹ by Jensen, even if ĝ has a batch of its own
        sizes = np.array([512, 1024, 2048, 4096])
        assert order(lambda N, p=p: abs(bias(p, int(N))), sizes) == pytest.approx(-1, abs=0.1)
        assert order(lambda N, p=p: bias(p, int(N), False), sizes) == pytest.approx(-1, abs=0.1)
    assert abs(bias(0.5, 4)) < 1e-13  # where ψ² is a constant F̂ is one too


# Invariance -------------------------------------------------------------------------------------------------


class Bent:
    """A log-linear policy and the same policies in other coordinates, θ = M(w + bend·sin w)."""

    M = np.array([[1.0, 0.5], [-0.25, 2.0]])

    def __init__(self, seed, bend):
        rng = np.random.default_rng(seed)
        self.mdp, self.bend = an_mdp(seed), bend
        self.features = rng.normal(size=(*self.mdp.r.shape, 2))
        self.w = rng.normal(size=2)

    def theta(self, w):
        return self.M @ (w + self.bend * np.sin(w))

    def direction(self, natural):
        """(F⁻¹g or g in θ, the same in w), where those of w are finite differences of η and of the KL in w."""
        mdp, phi, theta = self.mdp, self.features, self.theta(self.w)
        pi = softmax_policy(theta, features=phi)
        g = exact_gradient(mdp, theta, features=phi)
        bent_g = oracles.finite_difference(
            lambda w: expected_return(mdp, softmax_policy(self.theta(w), features=phi)), self.w
        )
        if not natural:
            return g, bent_g
        bent_F = oracles.hessian(lambda w: mean_kl(mdp, pi, softmax_policy(self.theta(w), features=phi)), self.w)
        return natural_gradient(mdp, theta, features=phi), np.linalg.solve(bent_F, bent_g)


@pytest.mark.proves("thm-invariance")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_natural_direction_is_the_same_policys_whatever_the_coordinates(seed):
    case = Bent(seed, 0.4)
    jacobian = oracles.finite_difference(case.theta, case.w)
    there, bent = case.direction(natural=True)
    close(jacobian @ bent, there, 1e-4)
    there, bent = case.direction(natural=False)
    close(jacobian @ bent, jacobian @ jacobian.T @ there, 1e-6)
    assert np.linalg.norm(jacobian @ bent - there) > 0.1 * np.linalg.norm(there)


@pytest.mark.proves("thm-invariance")
@pytest.mark.parametrize("seed", SEEDS)
def test_under_an_affine_map_even_finite_natural_steps_agree(seed):
    case, alpha = Bent(seed, 0.0), 3.0
    there, bent = case.direction(natural=True)
    start = case.theta(case.w)
    moved = start + alpha * there
    assert np.linalg.norm(case.theta(case.w + alpha * bent) - moved) < 1e-4 * np.linalg.norm(moved - start)
    there, bent = case.direction(natural=False)
    moved = start + alpha * there
    assert np.linalg.norm(case.theta(case.w + alpha * bent) - moved) > 0.1 * np.linalg.norm(moved - start)


@pytest.mark.proves("prop-step-order")
@pytest.mark.parametrize("seed", SEEDS)
def test_steps_in_two_coordinates_part_as_alpha_squared_or_as_alpha(seed):
    case = Bent(seed, 0.4)
    for natural, power in ((True, 2), (False, 1)):
        there, bent = case.direction(natural)
        start, jacobian = case.theta(case.w), oracles.finite_difference(case.theta, case.w)
        if natural:  # the exact direction in w: differences would leave an error of their own, of first order
            bent = np.linalg.solve(jacobian, there)

        def apart(alpha, start=start, there=there, bent=bent):
            return np.linalg.norm(case.theta(case.w + alpha * bent) - (start + alpha * there))

        length = np.linalg.norm(there)
        assert order(apart, 2.0 ** -np.arange(6, 12) / length) == pytest.approx(power, abs=0.1)


@pytest.mark.proves("prop-step-order")
@pytest.mark.parametrize(("one", "other"), [(0.0, 1.0), (-1.0, 1.0), (0.5, 1.0)])
def test_gaussian_steps_in_two_coordinates_part_as_alpha_squared_or_as_alpha(one, other):
    sizes = 2.0 ** -np.arange(6, 12)

    def apart(alpha, natural):
        return np.linalg.norm(
            np.subtract(*(gaussian_step(1.5, 0.7, -0.5, alpha, bend=k, natural=natural) for k in (one, other)))
        )

    assert order(lambda alpha: apart(alpha, True), sizes) == pytest.approx(2, abs=0.1)
    assert order(lambda alpha: apart(alpha, False), sizes) == pytest.approx(1, abs=0.1)

    def apart_at_time_one(steps, natural):
        ends = [gaussian_path(1.5, 0.7, -0.5, 1 / steps, steps, bend=k, natural=natural)[-1] for k in (one, other)]
        return np.linalg.norm(np.subtract(*ends))

    # Many small steps: the natural ends close in on each other in proportion to α, the Euclidean ones stay apart.
    assert apart_at_time_one(2000, True) == pytest.approx(apart_at_time_one(1000, True) / 2, rel=0.05)
    assert apart_at_time_one(2000, False) == pytest.approx(apart_at_time_one(1000, False), rel=0.05)
    assert apart_at_time_one(2000, False) > 0.02


# The normal policy ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bend", BENDS)
@pytest.mark.parametrize(("mu", "sigma", "c"), [(1.0, 0.5, -1.0), (-2.0, 2.0, 0.5)])
def test_the_gaussian_gradient_and_step_are_those_of_the_coordinates(mu, sigma, c, bend):
    def u_of(s):
        return (s**bend - 1) / bend if bend else np.log(s)

    def sigma_of(u):
        return (1 + bend * u) ** (1 / bend) if bend else np.exp(u)

    nodes, weights = np.polynomial.hermite_e.hermegauss(10)

    def eta(z):  # −½E(x−c)²
        return -weights @ (z[0] + sigma_of(z[1]) * nodes - c) ** 2 / weights.sum() / 2

    here = np.array([mu, u_of(sigma)])
    g = oracles.finite_difference(eta, here)
    close(gaussian_gradient(mu, sigma, c, bend), g, 1e-8)
    for natural in (False, True):
        d = np.linalg.solve(gaussian_fisher(sigma, bend), g) if natural else g
        for alpha in (0.01, 0.1):
            there = here + alpha * d
            if 1 + bend * there[1] > 0:
                step = gaussian_step(mu, sigma, c, alpha, bend=bend, natural=natural)
                close(step, [there[0], sigma_of(there[1])], 1e-8)
    path = gaussian_path(mu, sigma, c, 0.05, 3, bend=bend, natural=True)
    assert path.shape == (4, 2)
    close(path[0], [mu, sigma], 0)
    for before, after in pairwise(path):
        close(after, gaussian_step(*before, c, 0.05, bend=bend, natural=True), 0)


def test_a_step_that_leaves_sigma_positive_says_so():
    # In (μ, σ) a Euclidean step multiplies σ by 1−α, in (μ, σ²) a natural one σ² by 1−ασ².
    assert np.isnan(gaussian_step(0.0, 1.0, 0.0, 1.5, bend=1, natural=False)).all()
    assert np.isnan(gaussian_step(0.0, 1.0, 0.0, 1.0, bend=1, natural=False)).all()
    close(gaussian_step(0.0, 1.0, 0.0, 0.75, bend=1, natural=False), (0.0, 0.25), 1e-15)
    assert np.isnan(gaussian_step(0.0, 2.0, 0.0, 0.3, bend=2, natural=True)).all()
    close(gaussian_step(0.0, 2.0, 0.0, 0.2, bend=2, natural=True), (0.0, 2 * np.sqrt(0.2)), 1e-15)
    for natural in (False, True):
        assert np.isfinite(gaussian_step(0.0, 2.0, 0.0, 9.0, bend=0, natural=natural)).all()  # log σ has no edge
    path = gaussian_path(0.0, 1.0, 0.0, 1.5, 3, bend=1, natural=False)
    assert np.isfinite(path[0]).all()
    assert np.isnan(path[1:]).all()
    assert np.isnan(gaussian_kl(*path[0], *path[1]))
    assert gaussian_path(0.0, 1.0, 0.0, 1.5, 0, bend=1, natural=False).shape == (1, 2)
    # σ shrinks by ten each step until it is no positive float64: then too
    assert np.isnan(gaussian_path(0.0, 1.0, 0.0, 0.9, 400, bend=1, natural=False)[-1]).all()


def test_a_small_bend_is_close_to_none():
    for natural in (False, True):
        bent = gaussian_step(1.0, 0.7, 0.0, 0.3, bend=1e-12, natural=natural)
        close(bent, gaussian_step(1.0, 0.7, 0.0, 0.3, bend=0.0, natural=natural), 1e-11)
    flows = [gaussian_flow(1.0, 0.7, 0.0, 2.0, bend=k, natural=False) for k in (1 + 1e-12, 1.0)]
    close(*flows, 1e-11)


@pytest.mark.proves("prop-gaussian-flow")
@pytest.mark.parametrize("natural", [False, True])
@pytest.mark.parametrize("bend", BENDS)
def test_gaussian_flows_solve_their_equations(bend, natural):
    mu, sigma, c, times = 1.5, 1.2, -0.5, np.linspace(0, 0.6, 7)

    def velocity(t, y):  # of (μ, σ): the direction in (μ, u), and dσ = σ^{1−k} du
        d = gaussian_gradient(*y, c, bend)
        if natural:
            d = np.linalg.solve(gaussian_fisher(y[1], bend), d)
        return [d[0], d[1] * y[1] ** (1 - bend)]

    solved = solve_ivp(velocity, (0, times[-1]), [mu, sigma], t_eval=times, rtol=1e-10, atol=1e-12, method="DOP853")
    flow = gaussian_flow(mu, sigma, c, times, bend=bend, natural=natural)
    close(flow, solved.y.T, 1e-8)
    close(gaussian_flow(mu, sigma, c, times[3], bend=bend, natural=natural), flow[3], 1e-15)
    # small steps follow it, twice as closely with half the step
    errors = [
        abs(gaussian_path(mu, sigma, c, 0.6 / n, n, bend=bend, natural=natural)[-1] - flow[-1]).max()
        for n in (500, 1000)
    ]
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.05)
    if natural:  # the same for every bend
        shrunk = 1 / (sigma**-2 + times)
        close(flow, np.stack([c + (mu - c) * shrunk / sigma**2, np.sqrt(shrunk)], axis=1), 1e-13)
    elif bend == 1:
        close(flow, np.stack([c + (mu - c) * np.exp(-times), sigma * np.exp(-times)], axis=1), 1e-13)
    elif bend == 0:
        close(flow[:, 1] ** -2, sigma**-2 + 2 * times, 1e-13)
        close(flow[:, 0], c + (mu - c) * np.exp(-times), 1e-13)


@pytest.mark.proves("prop-gaussian-flow")
def test_a_euclidean_flow_may_reach_the_edge_in_finite_time():
    # In (μ, σ²): dσ²/dt = −2, whatever σ, so σ is 0 at t = σ₀²/2.
    flow = gaussian_flow(1.0, 1.0, 0.0, [0.25, 0.499, 0.501], bend=2, natural=False)
    close(flow[:2, 1] ** 2, [0.5, 0.002], 1e-12)
    assert np.isnan(flow[2]).all()


@given(st.data())
def test_gaussian_kl_is_its_integral(data):
    place, size = st.integers(-4, 4).map(float), st.sampled_from([0.25, 1.0, 1.5, 3.0])
    mu, mu1, sigma, sigma1 = (data.draw(x) for x in (place, place, size, size))

    def integrand(z):  # in units of the first law
        x = mu + sigma * z
        ratio = np.log(sigma1 / sigma) - z**2 / 2 + ((x - mu1) / sigma1) ** 2 / 2
        return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * ratio

    close(gaussian_kl(mu, sigma, mu1, sigma1), quad(integrand, -12, 12)[0], 1e-8)


@pytest.mark.proves("eq-kl-contour")
@pytest.mark.parametrize("delta", [1e-6, 0.01, 0.5, 3.0, 100.0])
@pytest.mark.parametrize(("mu", "sigma"), [(0.0, 1.0), (-3.0, 0.2)])
def test_the_contour_has_exactly_the_kl(mu, sigma, delta):
    n = 64
    points = kl_contour(mu, sigma, delta, n)
    np.testing.assert_allclose(gaussian_kl(mu, sigma, *points.T), delta, rtol=1e-9, atol=1e-15)
    mu1, sigma1 = points.T
    square = 2 * sigma1**2 * (delta + 0.5 - np.log(sigma1 / sigma)) - sigma**2
    close((mu1 - mu) ** 2, square, 1e-8)
    # once around: up on the right from the middle, down on the left, up again; left and right are mirror images
    angle = 2 * np.pi * np.arange(n) / n
    edge = np.arange(n) % (n // 2) == n // 4
    assert (np.sign(mu1 - mu)[~edge] == np.sign(np.cos(angle))[~edge]).all()
    assert (np.sign(np.diff(sigma1)) == np.sign(np.diff(np.sin(angle)))).all()
    close(mu1 - mu, mu - np.roll(mu1[::-1], n // 2 + 1), 1e-7)
    for end in (n // 4, 3 * n // 4):
        assert abs(mu1[end] - mu) < 1e-5 * sigma
        beyond = mu, sigma1[end] * (sigma1[end] / sigma) ** 0.01
        assert gaussian_kl(mu, sigma, *beyond) > delta


@pytest.mark.proves("eq-kl-contour", "prop-gaussian-fisher")
@pytest.mark.parametrize("bend", BENDS)
def test_the_ellipse_is_the_fisher_ball_and_the_contour_of_small_kl(bend):
    mu, sigma, delta = 0.5, 0.8, 0.02
    points = kl_ellipse(mu, sigma, delta, 32, bend)
    u = (points[:, 1] ** bend - sigma**bend) / bend if bend else np.log(points[:, 1] / sigma)
    d = np.stack([points[:, 0] - mu, u], axis=1)
    close([quadratic_kl(gaussian_fisher(sigma, bend), x) for x in d], np.full(32, delta), 1e-12)

    def apart(delta):
        return abs(kl_ellipse(mu, sigma, delta, 32, bend) - kl_contour(mu, sigma, delta, 32)).max()

    # Both are of size √δ; what parts them is of size δ.
    assert order(apart, 10.0 ** -np.arange(3, 8)) == pytest.approx(1, abs=0.05)
    edge = kl_ellipse(mu, sigma, 2.0, 32, 1.0)  # σ(1 − √2) at the bottom
    assert np.isnan(edge[24]).all()
    assert np.isfinite(edge[8]).all()


# The softmax policy -----------------------------------------------------------------------------------------


@given(arrays(3), arrays(3), st.sampled_from([0.1, 1.0]))
def test_softmax_paths_are_steps_of_gradients_of_the_mean_reward(theta, r, alpha):
    g = oracles.finite_difference(lambda x: oracles.softmax(x)[0] @ r, theta[None])[0]
    plain_path = softmax_path(theta, r, alpha, 2, natural=False)
    natural = softmax_path(theta, r, alpha, 2, natural=True)
    assert plain_path.shape == natural.shape == (3, 3)
    close(plain_path[1], oracles.softmax((theta + alpha * g)[None])[0], 1e-8)
    pi = natural[0]
    F = np.diag(pi) - np.outer(pi, pi)
    step = np.linalg.pinv(F, rcond=1e-9) @ g
    close(natural[1], oracles.softmax((theta + alpha * step)[None])[0], 1e-5)
    weights = pi * np.exp(2 * alpha * r)
    close(natural[2], weights / weights.sum(), 1e-12)
    assert softmax_path(theta, r, alpha, 0, natural=True).shape == (1, 3)


@pytest.mark.proves("prop-plateau")
@pytest.mark.parametrize("gap", [0.5, 1.0, -2.0])
@pytest.mark.parametrize("start", [-6.0, -2.0, 0.5])
def test_the_plateau_time_is_that_of_the_flow(start, gap):
    end = start + np.sign(gap) * 3

    def logistic(x):
        return 1 / (1 + np.exp(-x))

    time = plateau_time(start, end, gap)
    flow = solve_ivp(lambda t, x: gap * logistic(x) * logistic(-x), (0, time), [start], rtol=1e-10, atol=1e-12)
    assert flow.y[0, -1] == pytest.approx(end, abs=1e-6)
    # natural: F = π₁π₂ of the one logit, so θ̇ = Δ
    assert plateau_time(start, end, gap, natural=True) == pytest.approx(3 / abs(gap))
    # with a logit for each action the plain flow is twice as fast, and the natural one as fast as before
    r = np.array([gap, 0.0])

    def two(t, x):
        pi = oracles.softmax(x[None])[0]
        return pi * (r - pi @ r)

    flow = solve_ivp(two, (0, time / 2), [start, 0.0], rtol=1e-10, atol=1e-12)
    assert flow.y[0, -1] - flow.y[1, -1] == pytest.approx(end, abs=1e-6)
    steps = 100
    pi = softmax_path([start, 0.0], r, 3 / abs(gap) / steps, steps, natural=True)[-1]
    assert np.log(pi[0] / pi[1]) == pytest.approx(end, abs=1e-9)


@pytest.mark.proves("prop-plateau")
def test_the_worse_the_start_the_longer_the_plateau():
    # e^{|θ|} in the plain flow, |θ| in the natural one
    waits = [plateau_time(-x, 0.0, 1.0) for x in (10.0, 11.0)]
    assert waits[1] / waits[0] == pytest.approx(np.e, rel=1e-3)
    assert [plateau_time(-x, 0.0, 1.0, natural=True) for x in (10.0, 11.0)] == [10.0, 11.0]
    # in probabilities: about 1/p₀ and its logarithm
    for p in (0.3, 0.01, 1e-4):
        theta, gap = np.log(p / (1 - p)), 0.5
        assert plateau_time(theta, 0.0, gap, natural=True) == pytest.approx(np.log((1 - p) / p) / gap)
        least = (1 - 2 * p) / (p * (1 - p)) / gap
        time = plateau_time(theta, 0.0, gap)
        assert time > least
        assert time - least == pytest.approx(2 * np.log((1 - p) / p) / gap)


@pytest.mark.proves("thm-mirror")
@given(tabular_mdps(), st.data())
def test_the_natural_step_multiplies_by_the_exponential_of_the_advantage(mdp, data):
    theta, alpha = data.draw(thetas(mdp)), data.draw(st.sampled_from([0.01, 0.5]))
    pi = oracles.softmax(theta)
    A = oracles.advantage(plain(mdp), pi)
    weights = pi * np.exp(alpha * A / (1 - mdp.gamma) - (alpha * A / (1 - mdp.gamma)).max(axis=1, keepdims=True))
    wanted = weights / weights.sum(axis=1, keepdims=True)
    close(mirror_step(pi, A, alpha / (1 - mdp.gamma)), wanted, 1e-12)
    close(npg(mdp, step_size=alpha, steps=1, theta=theta).pi[1], wanted, 1e-9)
    # the step in θ, where the policy goes; elsewhere F†g is 0 and the policy stays
    visited = (oracles.power_series(*plain(mdp), pi)[1] > 0)[:, None]
    moved = softmax_policy(theta + alpha * natural_gradient(mdp, theta))
    close(moved, np.where(visited, wanted, pi), 1e-9)


@pytest.mark.proves("thm-mirror")
@settings(max_examples=20)
@given(tabular_mdps(max_states=2), st.data())
def test_the_mirror_step_is_the_best_trade_of_advantage_for_kl(mdp, data):
    pi, A, alpha = data.draw(policies(mdp)), data.draw(arrays(*mdp.r.shape)), data.draw(st.sampled_from([0.1, 2.0]))

    def worth(new):
        return alpha * (new * A).sum(axis=1) - kl(new, pi)

    best = mirror_step(pi, A, alpha)
    log_Z = np.log((pi * np.exp(alpha * A)).sum(axis=1))
    close(worth(best), log_Z, 1e-12)
    other = data.draw(policies(mdp))
    assert (worth(other) <= log_Z + 1e-12).all()
    # and by exactly KL(π'‖π⁺)
    finite = np.isfinite(kl(other, pi))
    close((log_Z - worth(other))[finite], kl(other, best)[finite], 1e-11)


@pytest.mark.proves("thm-mirror")
@settings(max_examples=20)
@given(tabular_mdps(discounts=GENTLE), st.data())
def test_the_natural_step_maximises_the_surrogate_less_the_mean_divergence(mdp, data):
    """L_π(π') − (1/α)E_ρ̄ KL(π'‖π), with the divergence the other way round than TRPO's."""
    theta, alpha = data.draw(thetas(mdp)), data.draw(st.sampled_from([0.05, 0.5]))
    pi = oracles.softmax(theta)
    rho = oracles.power_series(*plain(mdp), pi)[1]
    A = oracles.advantage(plain(mdp), pi)

    def worth(new):
        return rho @ (new * A).sum(axis=1) - (1 - mdp.gamma) * rho @ kl(new, pi) / alpha

    best = softmax_policy(theta + alpha * natural_gradient(mdp, theta))
    scale = 1 + abs(worth(best))
    for weight in (1.0, 0.1, 0.01):
        other = (1 - weight) * best + weight * oracles.softmax(data.draw(thetas(mdp)))
        assert worth(other) <= worth(best) + 1e-9 * scale
        # by the ρ̄-mean of KL(π'‖π⁺)/α
        close(worth(best) - worth(other), (1 - mdp.gamma) * rho @ kl(other, best) / alpha, 1e-7 * scale)


@pytest.mark.proves("thm-mirror")
def test_the_maximum_of_the_mirror_step_is_a_soft_maximum():
    """(1/β) log Z = lse_{1/β}(A + (1/β) log π), chapter 2's."""
    rng, beta = np.random.default_rng(5), 1.7
    pi, A = rng.dirichlet(np.ones(3), size=4), rng.normal(size=(4, 3))
    log_Z = np.log((pi * np.exp(beta * A)).sum(axis=1))
    close(soft_value(A + np.log(pi) / beta, 1 / beta), log_Z / beta, 1e-12)


def test_an_action_that_is_never_taken_stays_so_were_its_advantage_ever_so_large():
    close(mirror_step([[0.0, 0.5, 0.5]], [[2000.0, 0.0, 0.0]], 1.0), [[0.0, 0.5, 0.5]], 1e-15)


@pytest.mark.proves("thm-npg-rate")
@settings(max_examples=20)
@given(tabular_mdps(), st.sampled_from([0.01, 0.2, 1.0, 20.0]), st.data())
def test_npg_never_falls_and_keeps_to_its_rate(mdp, alpha, data):
    steps, gamma = 30, mdp.gamma
    r = (mdp.r + 3) / 6  # to [0, 1]
    mdp = TabularMDP(mdp.P, r, gamma, mdp.rho0)
    trace = npg(mdp, step_size=alpha, steps=steps)
    P, _, _, _ = plain(mdp)
    V, Q = (np.array(x, dtype=float) for x in oracles.exact_optimum(P, r, gamma))
    assert trace.pi.shape == (steps + 1, *r.shape)
    for k in (0, 1, steps):
        close(trace.V[k], oracles.power_series(P, r, gamma, mdp.rho0, trace.pi[k])[0], 1e-9)
    close(trace.gap, (V - trace.V).max(axis=1), 1e-9)
    assert (np.diff(trace.V, axis=0) >= -1e-9 / (1 - gamma)).all()
    T = np.arange(1, steps + 1)
    bound = np.log(r.shape[1]) / (alpha * T) + 1 / ((1 - gamma) ** 2 * T)
    assert (trace.gap[1:] <= bound + 1e-9).all()
    assert trace.bound[0] == np.inf
    spread = np.ptp(r)  # the module's bound is this with the rewards' own spread in the place of 1
    close(trace.bound[1:], np.log(r.shape[1]) / (alpha * T) + spread / ((1 - gamma) ** 2 * T), 1e-12)
    assert (trace.gap <= trace.bound + 1e-9).all()
    # what the proof rests on: V₊(s) − V(s) ≥ (1−γ)/α · log Z(s) ≥ 0
    for k in (0, 1, 5):
        A = oracles.advantage(plain(mdp), trace.pi[k])
        exponent = alpha * A / (1 - gamma)
        top = exponent.max(axis=1)
        log_Z = top + np.log((trace.pi[k] * np.exp(exponent - top[:, None])).sum(axis=1))
        assert (log_Z >= -1e-9).all()
        assert (trace.V[k + 1] - trace.V[k] >= (1 - gamma) / alpha * log_Z - 1e-8).all()
    # from any other policy, with its distance from the best one in the place of log A
    theta = data.draw(thetas(mdp))
    trace = npg(mdp, step_size=alpha, steps=steps, theta=theta)
    distance = -np.log(oracles.softmax(theta)[np.arange(len(r)), Q.argmax(axis=1)]).max()
    assert (trace.gap[1:] <= distance / (alpha * T) + spread / ((1 - gamma) ** 2 * T) + 1e-9).all()
    assert (trace.gap <= trace.bound + 1e-9).all()


@pytest.mark.proves("thm-npg-rate")
@pytest.mark.parametrize("step_size", [0.1, 0.2])
def test_the_gap_falls_geometrically_in_the_end(step_size):
    """The chapter's table: by e^{−β·least}, least the smallest gap V*(s) − Q*(s,a) > 0; .978 a step for α = .1.

    Source: Khodadadian, Jhunjhunwala, Varma and Maguluri (2021).
    """
    mdp = garnet(5, 3, 2, gamma=0.9, rng=np.random.default_rng(0))
    mdp = TabularMDP(mdp.P, (mdp.r - mdp.r.min()) / np.ptp(mdp.r), mdp.gamma, mdp.rho0)
    V, Q = (np.array(x, dtype=float) for x in oracles.exact_optimum(*plain(mdp)[:3]))
    gaps = V[:, None] - Q
    least = gaps[gaps > 1e-9].min()
    factor = np.exp(-step_size / (1 - 0.9) * least)
    steps = round(40 / step_size)
    trace = npg(mdp, step_size=step_size, steps=steps)
    ratios = trace.gap[1:] / trace.gap[:-1]
    assert ratios[round(15 / step_size)] == pytest.approx(factor, abs=1e-3)
    assert ratios[-round(10 / step_size) :] == pytest.approx(factor, abs=1e-4)
    if step_size == 0.1:
        assert (least, factor) == (pytest.approx(0.0219, abs=5e-5), pytest.approx(0.978, abs=5e-4))
        assert ratios[:60].max() < 0.96  # and before that it is quicker
    assert trace.gap[steps] < 1e-3 * trace.bound[steps]  # a bound like 1/T has long been left behind


@pytest.mark.proves("thm-npg-rate")
def test_the_first_term_of_the_rate_is_needed():
    # One state, γ = 0, reward 1 for one of A actions: from uniform, α small, the gap at αT = t is 1 − e^t/(e^t+A−1).
    # At t = log A that is nearly 1/2, where the bound without log A would be 1/T + 0.
    actions, alpha = 1000, 0.01
    mdp = TabularMDP(np.ones((1, actions, 1)), np.eye(1, actions), 0.0, [1.0])
    T = round(np.log(actions) / alpha)
    trace = npg(mdp, step_size=alpha, steps=T)
    t = alpha * T
    assert trace.gap[T] == pytest.approx(1 - np.exp(t) / (np.exp(t) + actions - 1), abs=1e-9)
    assert 1 / T < trace.gap[T] <= trace.bound[T]
    assert trace.gap[T] > trace.bound[T] / 3


# Conjugate gradients ----------------------------------------------------------------------------------------


def with_eigenvalues(values, seed=0):
    """A symmetric matrix with the given eigenvalues, and its eigenvectors as columns."""
    Q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))
    return (Q * np.asarray(values, dtype=float)) @ Q.T, Q


def norm_in(F, x):
    return np.sqrt(x @ F @ x)


@pytest.mark.proves("thm-cg")
@given(metrics(6), st.sampled_from([0.0, 0.5]))
def test_cg_solves_what_a_direct_solver_solves(case, damping):
    F, b = case
    calls = []
    result = conjugate_gradient(lambda v: calls.append(v) or F @ v, b, damping=damping)
    assert result.status == "converged"
    assert result.residual <= 1e-10
    assert len(calls) <= result.steps + 2  # one more to check the residual, another if it had to go on
    damped = F + damping * np.eye(len(b))
    assert np.linalg.norm(b - damped @ result.x) <= 2e-10 * np.linalg.norm(b)
    wanted = np.linalg.solve(damped, b)
    assert np.linalg.norm(result.x - wanted) <= 1e-9 * np.linalg.cond(damped) * np.linalg.norm(wanted)


@pytest.mark.proves("thm-cg")
@pytest.mark.parametrize("values", [[2.0], [1.0, 4.0], [1.0, 2.0, 5.0], [0.5, 1.0, 3.0, 9.0]])
@pytest.mark.parametrize("damping", [0.0, 1.0])
def test_cg_needs_as_many_steps_as_there_are_distinct_eigenvalues(values, damping):
    F, Q = with_eigenvalues(np.repeat(values, 5))
    b = np.random.default_rng(1).normal(size=len(F))
    result = conjugate_gradient(lambda v: F @ v, b, damping=damping)
    assert (result.steps, result.status) == (len(values), "converged")
    close(result.x, np.linalg.solve(F + damping * np.eye(len(b)), b), 1e-9)
    one_less = conjugate_gradient(lambda v: F @ v, b, max_steps=max(1, len(values) - 1), damping=damping)
    if len(values) > 1:
        assert one_less.status == "max_steps"
        assert one_less.residual > 1e-3
    # only those count that b has a part in
    assert conjugate_gradient(lambda v: F @ v, Q[:, :5].sum(axis=1)).steps == 1


@pytest.mark.proves("thm-cg")
def test_conjugate_gradients_by_hand():
    """The chapter's example, in fractions; straight downhill each step leaves half of the error."""
    F, b = np.diag([1, 3]), np.array([Fraction(3), Fraction(3)])
    x, u, p = 0 * b, b, b
    lengths, turns, points = [], [], []
    for _ in range(2):
        lengths.append(u @ u / (p @ F @ p))
        x, left = x + lengths[-1] * p, u - lengths[-1] * F @ p
        turns.append(left @ left / (u @ u))
        points.append((x.tolist(), left.tolist()))
        p, u = left + turns[-1] * p, left
        if len(points) == 1:
            assert p.tolist() == [Fraction(9, 4), Fraction(-3, 4)]
    assert lengths == [Fraction(18, 36), Fraction(2, 3)]
    assert turns[0] == Fraction(1, 4)
    assert points == [([1.5, 1.5], [1.5, -1.5]), ([3, 1], [0, 0])]
    close(conjugate_gradient(lambda v: F @ v, [3.0, 3.0]).x, np.array([3.0, 1.0]), 1e-12)
    x = 0 * b
    for k in range(1, 9):
        u = b - F @ x
        x = x + u @ u / (u @ F @ u) * u
        error = x - np.array([3, 1])
        assert error @ F @ error == Fraction(12, 4**k)  # ‖x − x*‖²_F, from 12


@pytest.mark.proves("prop-cg-rate")
@pytest.mark.parametrize("k", [1, 2, 5, 12])
@pytest.mark.parametrize("kappa", [1.5, 10.0, 1000.0])
def test_chebyshevs_polynomial_is_as_small_as_the_rate_says(kappa, k):
    """{ex-chebyshev}: f(0) = 1, degree k, and |f| ≤ 2((√κ−1)/(√κ+1))ᵏ on [λ₁, λ_m]."""
    low, high = 0.7, 0.7 * kappa
    C = np.polynomial.chebyshev.Chebyshev.basis(k)
    within = np.linspace(low, high, 2001)
    scaled = (high + low - 2 * within) / (high - low)
    at_zero = C((high + low) / (high - low))
    most = abs(C(scaled) / at_zero).max()
    bound = 2 * ((kappa**0.5 - 1) / (kappa**0.5 + 1)) ** k
    assert 0.49 * bound <= most <= bound * (1 + 1e-9)
    t = np.arccosh((kappa + 1) / (kappa - 1))
    assert np.exp(t) == pytest.approx((kappa**0.5 + 1) / (kappa**0.5 - 1))
    assert at_zero == pytest.approx(np.cosh(k * t), rel=1e-9)


@pytest.mark.proves("thm-cg")
@pytest.mark.parametrize("seed", SEEDS)
def test_each_step_of_cg_is_the_best_of_its_krylov_space(seed):
    rng = np.random.default_rng(seed)
    F, _ = with_eigenvalues(rng.uniform(0.1, 10, size=12), seed)
    b = rng.normal(size=12)
    truth, basis = np.linalg.solve(F, b), b[:, None]
    for k in range(1, 9):
        result = conjugate_gradient(lambda v: F @ v, b, max_steps=k)
        K, _ = np.linalg.qr(basis)
        best = K @ np.linalg.solve(K.T @ F @ K, K.T @ b)
        close(result.x, best, 1e-8)
        assert (result.steps, result.status) == (k, "max_steps")
        close(result.residual, np.linalg.norm(b - F @ result.x) / np.linalg.norm(b), 1e-12)
        others = result.x + rng.normal(size=(20, k)) @ K.T * norm_in(F, truth - result.x)
        assert all(norm_in(F, truth - result.x) <= norm_in(F, truth - other) for other in others)
        basis = np.hstack([basis, (F @ basis[:, -1] / np.linalg.norm(F @ basis[:, -1]))[:, None]])


@pytest.mark.proves("thm-cg")
@pytest.mark.parametrize("seed", SEEDS)
def test_residuals_are_orthogonal_directions_conjugate_and_every_stop_uphill(seed):
    rng, n = np.random.default_rng(seed), 8
    F, _ = with_eigenvalues(rng.uniform(0.5, 10, size=n), seed)
    b, directions = rng.normal(size=n), []
    conjugate_gradient(lambda v: directions.append(v) or F @ v, b, max_steps=n - 1)
    stops = [conjugate_gradient(lambda v: F @ v, b, max_steps=k).x for k in range(1, n)]
    residuals = np.array([b, *(b - F @ x for x in stops)])
    products = residuals @ residuals.T / np.outer(*[np.linalg.norm(residuals, axis=1)] * 2)
    close(products, np.eye(n), 1e-6)
    P = np.array(directions)
    sizes = np.sqrt(np.einsum("ki,ij,kj->k", P, F, P))
    close(P @ F @ P.T / np.outer(sizes, sizes), np.eye(n - 1), 1e-7)
    assert all(b @ x > x @ F @ x / 2 > 0 for x in stops)


def cg_rate(kappa):
    return (np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1)


@pytest.mark.proves("prop-cg-rate")
@pytest.mark.parametrize("kappa", [1.5, 10.0, 1000.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_cg_is_at_least_as_fast_as_its_rate(kappa, seed):
    rng = np.random.default_rng(seed)
    F, _ = with_eigenvalues(np.r_[1.0, kappa, np.exp(rng.uniform(0, np.log(kappa), 38))], seed)
    b = rng.normal(size=40)
    truth = np.linalg.solve(F, b)
    for k in range(1, 31):
        x = conjugate_gradient(lambda v: F @ v, b, max_steps=k, tol=1e-14).x
        error = norm_in(F, truth - x) / norm_in(F, truth)
        assert error <= 2 * cg_rate(kappa) ** k + 1e-12


@pytest.mark.proves("prop-cg-rate")
@pytest.mark.parametrize("kappa", [10.0, 1000.0])
@pytest.mark.parametrize("k", [1, 3, 8])
def test_the_rate_of_cg_is_attained(kappa, k):
    """Eigenvalues at the extrema of Chebyshev's polynomial, b such that no polynomial of degree k does better:

    the error then is 1/T_k((κ+1)/(κ−1)) = 2/(ρᵏ + ρ⁻ᵏ), next to 2ρᵏ. A rate in κ in the place of √κ would hold
    with room to spare, and √κ's root would not hold.
    """
    values = (kappa + 1) / 2 + (kappa - 1) / 2 * np.cos(np.pi * np.arange(k + 1) / k)
    gaps = [np.prod([abs(x - y) for y in values if y != x]) for x in values]
    b = 1 / np.sqrt(gaps)  # b_i² = λ_i w_i with w_i = 1/(λ_i Π|λ_i − λ_j|) the error's weights
    truth = b / values
    x = conjugate_gradient(lambda v: values * v, b, max_steps=k).x
    error = np.sqrt((values * (truth - x) ** 2).sum() / (values * truth**2).sum())
    rho = cg_rate(kappa)
    assert error == pytest.approx(2 / (rho**k + rho**-k), rel=1e-6)
    assert error <= 2 * rho**k <= (1 + rho ** (2 * k)) * error * (1 + 1e-6)


def test_cg_solves_consistent_singular_systems_by_the_pseudo_inverse():
    F, Q = with_eigenvalues([0, 0, 0, 1, 2, 5, 5, 9])
    b = F @ np.arange(8.0)
    result = conjugate_gradient(lambda v: F @ v, b)
    assert (result.status, result.steps) == ("converged", 4)
    close(result.x, np.linalg.pinv(F) @ b, 1e-9)
    close(Q[:, :3].T @ result.x, np.zeros(3), 1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_cg_finds_the_tabular_natural_gradient_through_products_alone(seed):
    mdp = an_mdp(seed)
    theta = np.random.default_rng(seed).normal(size=mdp.r.shape)
    result = conjugate_gradient(fisher_vector_product(mdp, theta), exact_gradient(mdp, theta).ravel(), tol=1e-12)
    assert result.status == "converged"
    close(result.x.reshape(theta.shape), natural_gradient(mdp, theta), 1e-7)


@pytest.mark.parametrize("seed", SEEDS)
def test_cg_reports_a_direction_without_curvature_and_does_not_divide_by_it(seed):
    F, Q = with_eigenvalues([-1.0, 1, 2, 3, 4], seed)
    rng = np.random.default_rng(seed)
    for b in (Q[:, 0], Q[:, 0] + 0.5 * Q[:, 1], rng.normal(size=5)):
        result = conjugate_gradient(lambda v: F @ v, b)
        assert result.status == "curvature"
        assert np.isfinite(result.x).all()
        close(result.residual, np.linalg.norm(b - F @ result.x) / np.linalg.norm(b), 1e-12)
        assert result.steps < 5
    assert not conjugate_gradient(lambda v: F @ v, Q[:, 0]).x.any()  # met at once
    # enough damping makes it definite
    damped = conjugate_gradient(lambda v: F @ v, b, damping=2.0)
    assert damped.status == "converged"
    close(damped.x, np.linalg.solve(F + 2 * np.eye(5), b), 1e-9)
    # singular, and b not in its range: the curvature left over is rounding
    F, Q = with_eigenvalues([0, 1, 1, 2, 3], seed)
    result = conjugate_gradient(lambda v: F @ v, Q.sum(axis=1))
    assert result.status == "curvature"
    assert abs(result.x).max() < 1e6
    assert conjugate_gradient(lambda v: 0 * v, b) == (pytest.approx(np.zeros(5)), 0, 1.0, "curvature")


def test_cg_that_did_not_converge_says_so():
    F = np.diag(np.logspace(0, 8, 50))
    result = conjugate_gradient(lambda v: F @ v, np.ones(50), max_steps=5)
    assert (result.status, result.steps) == ("max_steps", 5)
    assert result.residual > 1e-10
    # a matrix that is not symmetric: what is reported is the residual of x, not what the recursion believes
    G = np.array([[1.0, 3.0], [0.0, 1.0]])
    result = conjugate_gradient(lambda v: G @ v, [1.0, 2.0], max_steps=7)
    assert result.status != "converged"
    assert np.linalg.norm(np.array([1.0, 2.0]) - G @ result.x) > 1e-3
    # a tolerance beyond what rounding allows
    result = conjugate_gradient(lambda v: F @ v, np.ones(50), tol=1e-18)
    assert result.status == "max_steps"


def test_cg_with_products_in_single_precision_believes_the_residual_and_not_the_recursion():
    # There the recursion is below a tolerance of 1e-7 while ‖b − Fx‖ is above it, so it has to go on from x.
    values = np.logspace(0, 2, 20).astype(np.float32)

    def product(v):
        return (values * v.astype(np.float32)).astype(float)

    def true_residual(result):
        return np.linalg.norm(1 - product(result.x)) / np.sqrt(20)

    x, r, p = np.zeros(20), np.ones(20), np.ones(20)  # the recursion on its own
    while np.linalg.norm(r) > 1e-7 * np.sqrt(20):
        length = (r @ r) / (p @ product(p))
        x, r, before = x + length * p, r - length * product(p), r
        p = r + (r @ r) / (before @ before) * p
    assert np.linalg.norm(1 - product(x)) / np.sqrt(20) > 1e-7
    result = conjugate_gradient(product, np.ones(20), tol=1e-7)
    assert result.status == "converged"
    assert result.residual == true_residual(result) <= 1e-7
    result = conjugate_gradient(product, np.ones(20), tol=1e-12)  # beyond what such products can tell
    assert result.status == "max_steps"
    assert true_residual(result) > 1e-12


def test_cg_with_nothing_to_do():
    assert conjugate_gradient(lambda v: v, np.zeros(3)) == (pytest.approx(np.zeros(3)), 0, 0.0, "converged")
    for size in (1e-200, 1e200):  # squares of these are no float64
        close(conjugate_gradient(lambda v: 2 * v, [size, -size]).x / size, [0.5, -0.5], 1e-14)


@pytest.mark.mends(27)
@pytest.mark.proves("prop-cost")
def test_products_need_no_matrix_and_cg_one_a_step():
    """k steps are k products of 2Nn multiplications each and no n × n array; forming F̂ makes one."""
    N, n, k = 50, 2000, 10
    scores = np.random.default_rng(0).normal(size=(N, n))
    calls = []

    def peak(work):
        tracemalloc.start()
        work()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    def solve():
        product = sampled_product(scores)
        return conjugate_gradient(lambda v: calls.append(v) or product(v), np.ones(n), max_steps=k, damping=0.1)

    used = peak(solve)
    assert len(calls) == k
    assert used < 8 * (2 * N * n + 40 * n) < 8 * n**2  # a copy of the scores and some vectors
    assert peak(lambda: estimate_fisher(scores)) >= 8 * n**2

    class Counted(np.ndarray):
        """Scores that count the multiplications of their products with vectors."""

        done = 0

        def __matmul__(self, other):
            Counted.done += self.size * (1 if np.ndim(other) == 1 else np.shape(other)[1])
            return np.asarray(self) @ other

    def multiplications(n):
        Psi, Counted.done = scores[:, :n].view(Counted), 0
        conjugate_gradient(lambda v: Psi.T @ (Psi @ v) / N, np.ones(n), max_steps=k, damping=0.1)
        through_products, Counted.done = Counted.done, 0
        _ = Psi.T @ Psi
        return through_products, Counted.done

    for size in (500, 1000, 2000):
        assert multiplications(size) == (2 * k * N * size, N * size**2)


# Two policies compared --------------------------------------------------------------------------------------


@pytest.mark.proves("lem-difference")
@given(two_policies())
def test_the_difference_of_two_returns_is_the_mean_advantage_where_the_new_policy_goes(case):
    mdp, pi, new = case
    P, r, gamma, rho0 = plain(mdp)
    A = oracles.advantage((P, r, gamma, rho0), pi)
    V, rho_s = oracles.power_series(P, r, gamma, rho0, pi)
    V_new, rho_new = oracles.power_series(P, r, gamma, rho0, new)
    close(rho0 @ V_new - rho0 @ V, rho_new @ (new * A).sum(axis=1), 1e-10)
    close(expected_return(mdp, new) - expected_return(mdp, pi), (occupancy(mdp, new) * A).sum(), 1e-10)
    # the surrogate has the old policy's visits in their place
    close(surrogate(mdp, pi, new), rho0 @ V + rho_s @ (new * A).sum(axis=1), 1e-10)


@pytest.mark.proves("eq-surrogate")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_surrogate_touches_the_return(seed):
    rng, mdp = np.random.default_rng(seed), an_mdp(seed)
    theta, d = rng.normal(size=(2, *mdp.r.shape))
    pi = softmax_policy(theta)
    close(surrogate(mdp, pi, pi), expected_return(mdp, pi), 1e-12)
    slope = oracles.finite_difference(lambda x: surrogate(mdp, pi, softmax_policy(x)), theta)
    close(slope, exact_gradient(mdp, theta), 1e-7)

    def apart(t):
        new = softmax_policy(theta + t * d)
        return abs(surrogate(mdp, pi, new) - expected_return(mdp, new))

    assert order(apart, 2.0 ** -np.arange(5, 10)) == pytest.approx(2, abs=0.1)


def no_violation(mdp, pi, new):
    """Both inequalities on one MDP; returns how close they came, as the ratios of the left sides to the right."""
    P, r, gamma, rho0 = plain(mdp)
    arrays_ = (P, r, gamma, rho0)
    _, rho_s = oracles.power_series(*arrays_, pi)
    V_new, rho_new = oracles.power_series(*arrays_, new)
    alpha = max(abs(p - q).sum() / 2 for p, q in zip(pi, new, strict=True))
    close(total_variation(pi, new).max(), alpha, 1e-14)
    epsilon = abs(oracles.advantage(arrays_, pi)).max()
    shift, most = abs(rho_new - rho_s).sum(), 2 * gamma * alpha / (1 - gamma) ** 2
    assert shift <= most + 1e-9
    gap, bound = abs(rho0 @ V_new - surrogate(mdp, pi, new)), 4 * epsilon * gamma * alpha**2 / (1 - gamma) ** 2
    close(trust_region_bound(mdp, pi, new), bound, 1e-9)
    assert gap <= bound + 1e-9 * (1 + abs(rho0 @ V_new))
    return shift / most if most else 1.0, gap / bound if bound > 1e-9 else 1.0


@pytest.mark.proves("lem-occupancy-shift", "thm-trpo-bound")
@given(two_policies())
def test_the_trust_region_bounds_hold(case):
    no_violation(*case)


@pytest.mark.proves("thm-trpo-bound")
@given(st.data())
def test_pinskers_inequality_and_its_proof(data):
    """Merging keeps TV and does not raise KL; for two outcomes KL − 2(p−q)² falls in q up to p, where it is 0."""
    p, q = (np.array(data.draw(st.lists(st.floats(0.01, 1), min_size=4, max_size=4))) for _ in range(2))
    p, q = p / p.sum(), q / q.sum()
    merged = [np.array([x[p > q].sum(), x[p <= q].sum()]) for x in (p, q)]
    distance = abs(p - q).sum() / 2
    assert abs(merged[0] - merged[1]).sum() / 2 == pytest.approx(distance, abs=1e-12)
    if (p > q).any():
        assert oracles.kl(*merged) <= oracles.kl(p, q) + 1e-12
    assert 2 * distance**2 <= oracles.kl(p, q) + 1e-12
    first, h = data.draw(st.floats(0.05, 0.95)), 1e-6
    second = data.draw(st.floats(0.02, 1.0)) * first

    def excess(x):
        return oracles.kl(np.array([first, 1 - first]), np.array([x, 1 - x])) - 2 * (first - x) ** 2

    assert excess(first) == pytest.approx(0, abs=1e-12)
    slope = (excess(second + h) - excess(second - h)) / (2 * h)
    assert slope == pytest.approx((second - first) * (1 / (second * (1 - second)) - 4), rel=1e-3, abs=1e-4)


@pytest.mark.proves("lem-occupancy-shift", "thm-trpo-bound")
def test_the_trust_region_bounds_hold_on_random_problems_near_and_far():
    rng = np.random.default_rng(0)
    for _ in range(100):
        S, A = rng.integers(2, 6, size=2)
        mdp = garnet(S, A, int(rng.integers(1, S + 1)), gamma=rng.choice([0.3, 0.9, 0.97]), rng=rng)
        pi, other = rng.dirichlet(np.full(A, 0.3), size=(2, S))
        share = 10.0 ** rng.uniform(-3, 0)
        no_violation(mdp, pi, (1 - share) * pi + share * other)


@pytest.mark.proves("lem-occupancy-shift", "thm-trpo-bound")
@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.99])
def test_the_trust_region_bounds_are_all_but_attained(gamma):
    """Two states, each of which stays with a reward of ±1, half and half, so V = 0; state 0 may leave for state 1.

    π' moves α of its mass: in state 0 from the better stay to leaving, in state 1 from the worse stay to the better.
    Then ‖ρ_π' − ρ_π‖₁ = 2γα/((1−γ)(1−γ+γα)), and every |Σ_a (π'−π)A| is the largest there can be, 2αε.
    """
    P = np.zeros((2, 3, 2))
    P[0, :2, 0] = P[0, 2, 1] = P[1, :, 1] = 1.0
    mdp = TabularMDP(P, [[1.0, -1.0, -1.0], [1.0, -1.0, -1.0]], gamma, [1.0, 0.0])
    pi = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]])
    for alpha in (0.3, 0.01 * (1 - gamma)):
        new = pi + alpha * np.array([[-1.0, 0.0, 1.0], [1.0, -1.0, 0.0]])
        wanted = (1 - gamma) / (1 - gamma + gamma * alpha)
        close(no_violation(mdp, pi, new), (wanted, wanted), 1e-9)
    assert wanted > 0.98


# Trust regions ----------------------------------------------------------------------------------------------


@pytest.mark.proves("prop-trust-step")
@given(metrics(), st.sampled_from([0.001, 0.5, 10.0]))
def test_on_a_quadratic_divergence_the_step_goes_to_the_boundary(case, delta):
    F, g = case
    result = trust_region_step(g, lambda v: F @ v, lambda d: g @ d, lambda d: quadratic_kl(F, d), delta)
    inverse = np.linalg.inv(F)
    close(result.step / np.linalg.norm(result.step), inverse @ g / np.linalg.norm(inverse @ g), 1e-6)
    assert result.accepted
    assert result.backtracks == 0
    assert result.divergence == pytest.approx(delta, rel=1e-6)
    assert result.divergence <= delta
    assert result.scale == pytest.approx(np.sqrt(2 * delta / (g @ inverse @ g)), rel=1e-6)
    close(result.step, result.scale * result.direction, 1e-15)
    # it is the steepest ascent in the ball dᵀFd ≤ 2δ
    close(result.step, -steepest_descent(F, g, 2 * delta).d, 1e-6)
    assert result.improvement == pytest.approx(np.sqrt(2 * delta * (g @ inverse @ g)), rel=1e-6)
    damped = trust_region_step(g, lambda v: F @ v, lambda d: g @ d, lambda d: quadratic_kl(F, d), delta, damping=1.0)
    assert damped.accepted
    assert damped.divergence < delta
    direction = np.linalg.solve(F + np.eye(len(g)), g)
    close(damped.step, np.sqrt(2 * delta / (g @ direction)) * direction, 1e-6)


@pytest.mark.proves("prop-trust-step")
@pytest.mark.parametrize("delta", [1e-4, 0.01, 0.3, 3.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_on_a_tabular_policy_the_step_improves_within_the_region(seed, delta):
    mdp = an_mdp(seed)
    theta = np.random.default_rng(seed).normal(size=mdp.r.shape)
    pi = softmax_policy(theta)

    def moved(d):
        return softmax_policy(theta + d.reshape(theta.shape))

    asked = []

    def divergence(d):
        asked.append(mean_kl(mdp, pi, moved(d)))
        return asked[-1]

    result = trust_region_step(
        exact_gradient(mdp, theta).ravel(),
        fisher_vector_product(mdp, theta),
        lambda d: expected_return(mdp, moved(d)),
        divergence,
        delta,
        backtrack=0.7,
    )
    assert result.accepted
    assert result.divergence == mean_kl(mdp, pi, moved(result.step)) <= delta
    gain = expected_return(mdp, moved(result.step)) - expected_return(mdp, pi)
    assert result.improvement == pytest.approx(gain)
    assert gain > 0
    assert len(asked) == result.backtracks + 1
    full = np.sqrt(2 * delta / (exact_gradient(mdp, theta) * natural_gradient(mdp, theta)).sum())
    assert result.scale == pytest.approx(full * 0.7**result.backtracks, rel=1e-6)
    if delta == 1e-4:  # the model is the truth but for a few per cent: at most one shortening
        assert result.backtracks <= 1
        assert result.divergence > 0.4 * delta
    assert result.cg.status == "converged"


@pytest.mark.proves("prop-trust-step")
def test_the_size_of_the_advantages_and_a_constant_in_them_turn_no_step():
    """What practice does: c·g has g's step, and E_ρ̄[ψ·b(s)] = 0, so that centring leaves g in the mean."""
    mdp = an_mdp(2)
    theta = np.random.default_rng(2).normal(size=mdp.r.shape)
    pi, g = softmax_policy(theta), exact_gradient(mdp, theta).ravel()
    steps = [
        trust_region_step(
            c * g, fisher_vector_product(mdp, theta), lambda d, c=c: c * (g @ d), lambda d: 0.0, 0.01, damping=0.01
        ).step
        for c in (1.0, 7.0, 1e-3)
    ]
    for step in steps[1:]:
        close(step, steps[0], 1e-9)
    weight = occupancy(mdp, pi)
    close(np.einsum("sa,sai->i", weight * 3.0, oracles.scores(pi)), np.zeros(g.size), 1e-12)


def test_a_batchs_mean_taken_from_its_advantages_leaves_all_but_an_nth_of_the_gradient():
    """Exactly, over all batches of N = 3 pulls of a bandit: E ĝ is multiplied by 1 − 1/N."""
    p, A = np.array([0.2, 0.5, 0.3]), np.array([1.0, -2.0, 0.5])
    psi = np.eye(3) - p
    g = p * A - p * (p @ A)
    mean = 0.0
    for batch in np.ndindex(3, 3, 3):
        pulls = list(batch)
        centred = A[pulls] - A[pulls].mean()
        mean = mean + p[pulls].prod() * (psi[pulls] * centred[:, None]).mean(axis=0)
    close(mean, (1 - 1 / 3) * g, 1e-14)


def test_a_line_search_shortens_until_both_conditions_hold():
    # η(d) = d − 3d² is above 0 up to 1/3; the model ½d² = δ says 1.
    result = trust_region_step([1.0], lambda v: v, lambda d: d[0] - 3 * d[0] ** 2, lambda d: d[0] ** 2 / 2, 0.5)
    assert result.backtracks == 2
    assert result.step[0] == pytest.approx(0.25)
    assert result.improvement == pytest.approx(1 / 16)
    # the divergence is 16 times what the model says: a quarter of the step
    result = trust_region_step([1.0], lambda v: v, lambda d: d[0], lambda d: 8 * d[0] ** 2, 0.5)
    assert result.backtracks == 2
    assert result.divergence <= 0.5


def test_a_search_that_finds_nothing_says_so():
    def refused(objective, divergence, **options):
        result = trust_region_step([1.0, 0.0], lambda v: v, objective, divergence, 0.5, **options)
        assert not result.accepted
        assert not result.step.any()
        assert (result.scale, result.improvement, result.divergence) == (0.0, 0.0, 0.0)
        close(result.direction, [1.0, 0.0], 1e-12)
        return result.backtracks

    assert refused(lambda d: -d[0], lambda d: 0.0) == 11  # the full step and ten shorter ones
    assert refused(lambda d: d[0], lambda d: 1.0, max_backtracks=3) == 4
    assert refused(lambda d: d[0], lambda d: np.nan, max_backtracks=0) == 1
    assert refused(lambda d: np.nan if d.any() else 0.0, lambda d: 0.0) == 11
    # at a stationary point, and where F has no curvature along g, there is no direction to search along
    for g, F in (([0.0, 0.0], np.eye(2)), ([1.0, 0.0], -np.eye(2))):
        result = trust_region_step(g, lambda v, F=F: F @ v, lambda d: 1.0, lambda d: 0.0, 0.5)
        assert (result.accepted, result.backtracks, result.step.any()) == (False, 0, False)
    assert result.cg.status == "curvature"


# PPO --------------------------------------------------------------------------------------------------------


def bracket(w, A, epsilon):
    """min(wA, clip(w, 1−ε, 1+ε)A)"""
    return np.minimum(w * A, np.clip(w, 1 - epsilon, 1 + epsilon) * A)


def clipped(mdp, pi, new, epsilon):
    """E_π[min(wA, clip(w, 1−ε, 1+ε)A)], w = π'/π, A = A_π, states drawn from d^π."""
    weight = (1 - mdp.gamma) * occupancy(mdp, pi)
    return (weight * bracket(new / pi, oracles.advantage(plain(mdp), pi), epsilon)).sum()


@pytest.mark.proves("eq-ppo", "prop-ppo")
@settings(max_examples=20)
@given(tabular_mdps(discounts=GENTLE), st.data())
def test_the_clipped_objective_touches_the_surrogate_from_below_and_goes_flat(mdp, data):
    theta, other, epsilon = data.draw(thetas(mdp)), data.draw(thetas(mdp)), 0.2
    pi, new = oracles.softmax(theta), oracles.softmax(other)
    start, gamma = expected_return(mdp, pi), mdp.gamma
    close(clipped(mdp, pi, pi, epsilon), 0.0, 1e-9)
    assert clipped(mdp, pi, new, epsilon) <= (1 - gamma) * (surrogate(mdp, pi, new) - start) + 1e-9
    # the first step is the policy gradient's
    nearby, A = softmax_policy(theta), oracles.advantage(plain(mdp), pi)
    weight = (1 - gamma) * occupancy(mdp, nearby)

    def objective(x):
        return (weight * bracket(oracles.softmax(x) / pi, A, epsilon)).sum()

    close(oracles.finite_difference(objective, theta), (1 - gamma) * exact_gradient(mdp, theta), 1e-7)
    # by cases, and flat where a ratio has gone far enough for its advantage, and only there
    w, nudge = new / pi, 1e-6
    close(
        bracket(w, A, epsilon), np.where(A >= 0, A * np.minimum(w, 1 + epsilon), A * np.maximum(w, 1 - epsilon)), 1e-14
    )
    slopes = (bracket(w + nudge, A, epsilon) - bracket(w - nudge, A, epsilon)) / (2 * nudge)
    done = ((w > 1 + epsilon) & (A > 0)) | ((w < 1 - epsilon) & (A < 0))
    close(slopes, np.where(done, 0.0, A), 1e-6)


@pytest.mark.proves("prop-ppo")
def test_clipping_bounds_no_divergence():
    # One state, two actions, A = (½, −½): beyond the clip the objective is the same, and the KL grows without end.
    mdp = TabularMDP(np.ones((1, 2, 1)), [[1.0, 0.0]], 0.0, [1.0])
    pi = np.array([[0.5, 0.5]])
    far = [np.array([[p, 1 - p]]) for p in (0.7, 0.9, 1 - 1e-9)]
    close([clipped(mdp, pi, new, 0.2) for new in far], np.full(3, clipped(mdp, pi, far[0], 0.2)), 1e-12)
    divergences = [mean_kl(mdp, pi, new) for new in far]
    assert divergences[0] < 0.1
    assert divergences[2] > 9


# What is refused --------------------------------------------------------------------------------------------

MDP = an_mdp(0, 2, 2)
THETA = np.zeros((2, 2))
PI = np.full((2, 2), 0.5)
FEATURES = np.ones((2, 2, 3))
SHEAR = [[1.0, 1.0], [0.0, 1.0]]
NO_NUMBERS = [np.nan, np.inf, "1", None, True, [1.0]]
NO_SIZES = [0.0, -1.0, *NO_NUMBERS]
NO_COUNTS = [0, -1, 2.0, "3", None, True]
NO_LENGTHS = [-1, 2.0, "3", None, True]
NO_THETAS = [np.ones(4), np.ones((3, 2)), np.full((2, 2), np.nan), "x"]
NO_POLICIES = [np.full((2, 2), 0.4), np.full((2, 2), np.nan), np.array([[1.5, -0.5], [0.5, 0.5]]), np.ones(2), "x"]


def identity(v):
    return v


def trusted(**options):
    """A call of `trust_region_step` in which only what is given may be wrong."""
    values = {"gradient": [1.0, 0.0], "matvec": identity, "delta": 0.1, **options}
    return trust_region_step(objective=lambda d: d[0], divergence=lambda d: d @ d / 2, **values)


def gauss(function, **options):
    """A call of a function of the normal policy in which only what is given may be wrong."""
    return function(**{"mu": 0.0, "sigma": 1.0, "c": 0.0, "bend": 1.0, **options})


REFUSED = [
    *(("G", steepest_descent, (bad, [1.0, 1.0], 1.0)) for bad in (np.ones(2), np.eye(3), SHEAR, "x")),
    *(("G", steepest_descent, (bad, [1.0, 1.0], 1.0)) for bad in (np.ones((2, 2)), -np.eye(2), np.diag([1.0, -1.0]))),
    ("G", steepest_descent, (np.diag([1.0, np.nan]), [1.0, 1.0], 1.0)),
    *(("g", steepest_descent, (np.eye(2), bad, 1.0)) for bad in ([0.0, 0.0], [np.nan, 1.0], np.eye(2), "x")),
    *(("epsilon", steepest_descent, (np.eye(2), [1.0, 1.0], bad)) for bad in NO_SIZES),
    *(
        ("theta", f, (MDP, bad))
        for bad in NO_THETAS
        for f in (fisher, fisher_vector_product, natural_gradient, compatible_weights)
    ),
    *(("v", fisher_vector_product(MDP, THETA), (bad,)) for bad in (np.ones(3), np.ones((2, 2)), "x")),
    *(("v", fisher_vector_product(MDP, np.ones(3), features=FEATURES), (bad,)) for bad in (np.ones(4), None)),
    *(
        ("scores", f, (bad,))
        for bad in (np.ones(3), np.ones((0, 3)), [[np.nan]], "x")
        for f in (estimate_fisher, sampled_product)
    ),
    *(("pi", f, (bad, PI)) for bad in NO_POLICIES for f in (kl, total_variation)),
    *(("pi_new", f, (PI, bad)) for bad in [*NO_POLICIES, np.full((3, 2), 0.5)] for f in (kl, total_variation)),
    *(("pi", f, (MDP, bad, PI)) for bad in NO_POLICIES for f in (mean_kl, surrogate, trust_region_bound)),
    *(("pi_new", f, (MDP, PI, bad)) for bad in NO_POLICIES for f in (mean_kl, surrogate, trust_region_bound)),
    *(("b", conjugate_gradient, (identity, bad)) for bad in (np.eye(2), [np.nan, 1.0], [np.inf], "x")),
    *(("pi", mirror_step, (bad, PI, 1.0)) for bad in NO_POLICIES),
    *(("A", mirror_step, (PI, bad, 1.0)) for bad in (np.ones(2), np.ones((3, 2)), np.full((2, 2), np.inf), "x")),
    *(("step_size", mirror_step, (PI, PI, bad)) for bad in NO_NUMBERS),
    *(("theta", softmax_path, (bad, [1.0, 0.0], 0.1, 2)) for bad in (np.eye(2), "x", [np.nan, 0.0])),
    *(("r", softmax_path, ([1.0, 0.0], bad, 0.1, 2)) for bad in (np.eye(2), np.ones(3), "x", [np.nan, 0.0])),
    *(("step_size", softmax_path, ([1.0, 0.0], [1.0, 0.0], bad, 2)) for bad in NO_SIZES),
    *(("steps", softmax_path, ([1.0, 0.0], [1.0, 0.0], 0.1, bad)) for bad in NO_LENGTHS),
    *(("start", plateau_time, (bad, 0.0, 1.0)) for bad in NO_NUMBERS),
    *(("end", plateau_time, (0.0, bad, 1.0)) for bad in NO_NUMBERS),
    *(("reward_gap", plateau_time, (0.0, 1.0, bad)) for bad in [0.0, *NO_NUMBERS]),
    *(("sigma", gaussian_fisher, (bad,)) for bad in NO_SIZES),
    ("sigma", gaussian_kl, (0.0, 0.0, 0.0, 1.0)),
    ("sigma1", gaussian_kl, (0.0, np.ones(2), 0.0, [1.0, -1.0])),
    *(("delta", kl_contour, (0.0, 1.0, bad, 8)) for bad in [301.0, *NO_SIZES]),
    *(("delta", kl_ellipse, (0.0, 1.0, bad, 8, 1.0)) for bad in NO_SIZES),
    *(("n", kl_contour, (0.0, 1.0, 0.1, bad)) for bad in NO_COUNTS),
    *(("n", kl_ellipse, (0.0, 1.0, 0.1, bad, 1.0)) for bad in NO_COUNTS),
    *(("sigma", f, (0.0, bad, 0.1, 8)) for bad in NO_SIZES for f in (kl_contour,)),
]
MOVES = {"step_size": 0.1, "natural": True}
REFUSED_OPTIONS = [
    *(("damping", natural_gradient, {"mdp": MDP, "theta": THETA, "damping": bad}) for bad in [-1.0, *NO_NUMBERS]),
    *(
        ("features", fisher, {"mdp": MDP, "theta": np.ones(3), "features": bad})
        for bad in (np.ones((2, 2)), np.ones((3, 2, 3)), np.full((2, 2, 3), np.nan), "x")
    ),
    *(("tol", conjugate_gradient, {"matvec": identity, "b": [1.0], "tol": bad}) for bad in NO_SIZES),
    *(("damping", conjugate_gradient, {"matvec": identity, "b": [1.0], "damping": bad}) for bad in [-1.0, *NO_NUMBERS]),
    *(("max_steps", conjugate_gradient, {"matvec": identity, "b": [1.0], "max_steps": x}) for x in [0, -1, 2.0, "3"]),
    *(
        ("matvec", conjugate_gradient, {"matvec": bad, "b": [1.0, 2.0]})
        for bad in (lambda v: np.nan * v, lambda v: v[:1], lambda v: np.eye(2), lambda v: "x", lambda v: v / 0.0)
    ),
    *(("step_size", npg, {"mdp": MDP, "steps": 2, "step_size": bad}) for bad in NO_SIZES),
    *(("steps", npg, {"mdp": MDP, "step_size": 0.1, "steps": bad}) for bad in NO_COUNTS),
    *(("theta", npg, {"mdp": MDP, "step_size": 0.1, "steps": 2, "theta": bad}) for bad in NO_THETAS),
    *(("delta", trusted, {"delta": bad}) for bad in NO_SIZES),
    *(("gradient", trusted, {"gradient": bad}) for bad in (np.eye(2), [np.nan, 1.0], "x")),
    *(("backtrack", trusted, {"backtrack": bad}) for bad in [1.0, *NO_SIZES]),
    *(("max_backtracks", trusted, {"max_backtracks": bad}) for bad in NO_LENGTHS),
    ("matvec", trusted, {"matvec": lambda v: np.nan * v}),
    *(("mu", gauss, {"function": gaussian_gradient, "mu": bad}) for bad in NO_NUMBERS),
    *(("sigma", gauss, {"function": gaussian_gradient, "sigma": bad}) for bad in NO_SIZES),
    *(("c", gauss, {"function": gaussian_step, **MOVES, "c": bad}) for bad in NO_NUMBERS),
    *(("bend", gauss, {"function": gaussian_step, **MOVES, "bend": bad}) for bad in NO_NUMBERS),
    *(("step_size", gauss, {"function": gaussian_step, **MOVES, "step_size": bad}) for bad in NO_SIZES),
    *(("steps", gauss, {"function": gaussian_path, **MOVES, "steps": bad}) for bad in NO_LENGTHS),
    *(("sigma", gauss, {"function": gaussian_path, **MOVES, "steps": 0, "sigma": bad}) for bad in NO_SIZES),
    *(("t", gauss, {"function": gaussian_flow, "natural": True, "t": bad}) for bad in (-1.0, [0.0, np.nan], "x")),
]


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(
    ("name", "function", "arguments", "options"),
    [*((*row, {}) for row in REFUSED), *((name, f, (), options) for name, f, options in REFUSED_OPTIONS)],
)
def test_bad_arguments_raise_a_value_error_that_names_them(name, function, arguments, options):
    if function is softmax_path:
        options = {"natural": True}
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        function(*arguments, **options)


def test_the_messages_name_the_place():
    with pytest.raises(ValueError, match=r"G\[0, 1\] is 1 and G\[1, 0\] is 0"):
        steepest_descent(SHEAR, [1.0, 1.0], 1.0)
    with pytest.raises(ValueError, match="smallest eigenvalue is -1"):
        steepest_descent(np.diag([1.0, -1.0]), [1.0, 1.0], 1.0)
    with pytest.raises(ValueError, match=r"matvec\(v\)\[1\] is nan"):
        conjugate_gradient(lambda v: v * [1.0, np.nan], [1.0, 1.0])
    with pytest.raises(ValueError, match=r"pi_new\[1\] sums to 0.9"):
        kl(PI, [[0.5, 0.5], [0.5, 0.4]])


# What is easily taken for granted ---------------------------------------------------------------------------


def test_cg_gives_up_after_ten_steps_for_each_number():
    for n in (3, 5):
        matrix = np.linalg.inv(1.0 / (np.arange(n)[:, None] + np.arange(n) + 1))  # Hilbert's, so that rounding lingers
        result = conjugate_gradient(lambda v, matrix=matrix: matrix @ v, np.ones(n), tol=1e-300)
        assert (result.status, result.steps) == ("max_steps", 10 * n)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_a_norm_is_judged_by_its_shape_and_not_by_its_units(scale):
    step = steepest_descent(scale * np.diag([1.0, 4.0]), np.array([1.0, 1.0]), 1.0)
    close(step.d * np.sqrt(scale * 1.25), [-1, -0.25])
    with pytest.raises(ValueError, match=r"^G must be positive definite"):
        steepest_descent(scale * np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([1.0, 1.0]), 1.0)


def test_a_mirror_step_overflows_nowhere():
    close(mirror_step([[0.5, 0.5, 0.0]], [[1e4, -1e4, 1e6]], 3.0), [[1, 0, 0]])
    close(mirror_step([[0.5, 0.5]], [[-5e3, -5e3]], 1.0), [[0.5, 0.5]])


def test_sampled_scores_are_read_when_they_are_given():
    scores = [[1.0, 0.0], [1.0, 2.0]]
    close(sampled_product(scores)([1.0, 1.0]), [2.0, 3.0])
    with pytest.raises(ValueError, match=r"^scores must have shape \(N, n\)"):
        sampled_product([1.0, 2.0])
    with pytest.raises(ValueError, match=r"^v must have shape \(2,\)"):
        sampled_product(scores)([1.0])


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_path_whose_mean_overflows_ends_there():
    path = gaussian_path(1.0, 1e-3, 0.0, 3.0, 1100, bend=0, natural=False)  # μ ← −2μ, while σ hardly moves
    np.testing.assert_array_equal(path[:1024, 0], (-2.0) ** np.arange(1024))
    assert np.isnan(path[1024:]).all()


@pytest.mark.parametrize(("sigma", "bend"), [(1e-200, 0.0), (1e-200, 1.0), (1e-100, 2.0), (1e200, -1.0)])
def test_a_sigma_whose_information_is_beyond_float64_is_refused(sigma, bend):
    for call in (
        lambda: gaussian_fisher(sigma, bend=bend),
        lambda: gaussian_step(0.0, sigma, 0.0, 0.1, bend=bend, natural=True),
    ):
        with pytest.raises(ValueError, match=r"^sigma must have a power σ\^\S+ that float64 can hold"):
            call()
    close(gaussian_fisher(1e-150, 1.0) * 1e-300, np.diag([1.0, 2.0]))
