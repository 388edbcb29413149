"""What the book's numerics are held to: brute force, written from the definitions alone, without rlbook.

An MDP is passed as its plain arrays, always in the order P (S, A, S), r (S, A), gamma, rho0 (S,), then the
policy pi (S, A). Everything here walks over whole trajectories in Python loops, one at a time, and is as slow
as it looks: it is meant for MDPs of two or three states and a handful of steps.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import NamedTuple

import mpmath
import numpy as np


class Trajectory(NamedTuple):
    """One trajectory s_0, a_0, …, s_{T−1}, a_{T−1} with its rewards and its probability."""

    states: tuple
    actions: tuple
    rewards: tuple
    probability: float


def trajectories(P, r, gamma, rho0, pi, horizon):
    """All trajectories with p(τ) = ρ₀(s_0) Π_t π(a_t|s_t) Π_{t<T−1} P(s_{t+1}|s_t, a_t) > 0."""
    S, A = r.shape

    def extend(states, actions, probability):
        if probability == 0:
            return
        s = states[-1]
        for a in range(A):
            p = probability * pi[s, a]
            if p == 0:
                continue
            if len(states) == horizon:
                taken = (*actions, a)
                rewards = tuple(float(r[x, y]) for x, y in zip(states, taken, strict=True))
                yield Trajectory(states, taken, rewards, p)
            else:
                for s_next in range(S):
                    yield from extend((*states, s_next), (*actions, a), p * P[s, a, s_next])

    for s in range(S):
        yield from extend((s,), (), float(rho0[s]))


def mean(f, mdp, pi, horizon):
    """E f(τ), by the sum over all trajectories; `mdp` is the tuple (P, r, gamma, rho0)."""
    return sum(tau.probability * np.asarray(f(tau), dtype=float) for tau in trajectories(*mdp, pi, horizon))


def mean_and_covariance(f, mdp, pi, horizon):
    """E f(τ) and Cov f(τ) of a function that gives a number or an array; the covariance of its ravel."""
    pairs = [(tau.probability, np.ravel(f(tau)).astype(float)) for tau in trajectories(*mdp, pi, horizon)]
    average = sum(p * value for p, value in pairs)
    covariance = sum(p * np.outer(value - average, value - average) for p, value in pairs)
    return average, covariance


def total_variance(f, mdp, pi, horizon):
    """E‖f(τ) − E f‖², which is the trace of the covariance."""
    return float(np.trace(mean_and_covariance(f, mdp, pi, horizon)[1]))


def conditional_mean(f, given, mdp, pi, horizon):
    """E[f(τ) | given(τ) = x] as a dictionary over the values x that have positive probability."""
    mass, weighted = {}, {}
    for tau in trajectories(*mdp, pi, horizon):
        x = given(tau)
        mass[x] = mass.get(x, 0.0) + tau.probability
        weighted[x] = weighted.get(x, 0.0) + tau.probability * np.asarray(f(tau), dtype=float)
    return {x: weighted[x] / mass[x] for x in mass}


def reward_sum(rewards, gamma, start=0, stop=None):
    """Σ_{start ≤ k < stop} γᵏ r_k: discounted from time 0, whatever the start."""
    stop = len(rewards) if stop is None else stop
    return sum(gamma**k * rewards[k] for k in range(start, stop))


def return_from(rewards, gamma, t):
    """G_t = Σ_{k≥t} γ^{k−t} r_k, by its definition."""
    return sum(gamma ** (k - t) * rewards[k] for k in range(t, len(rewards)))


def softmax(theta, features=None):
    """π(a|s) ∝ exp θ(s,a), or exp φ(s,a)·θ, entry by entry."""
    theta = np.asarray(theta, dtype=float)
    S, A = theta.shape if features is None else features.shape[:2]
    pi = np.empty((S, A))
    for s in range(S):
        logits = [float(theta[s, a]) if features is None else float(features[s, a] @ theta) for a in range(A)]
        weights = [np.exp(x - max(logits)) for x in logits]
        for a in range(A):
            pi[s, a] = weights[a] / sum(weights)
    return pi


def tabular_features(S, A):
    """The features of the tabular policy: φ(s,a) is the indicator of the pair (s,a), in row-major order."""
    features = np.zeros((S, A, S * A))
    for s in range(S):
        for a in range(A):
            features[s, a, s * A + a] = 1.0
    return features


def scores(pi, features=None):
    """ψ(s,a) = φ(s,a) − Σ_a' π(a'|s) φ(s,a'), as an (S, A, n) array."""
    S, A = pi.shape
    features = tabular_features(S, A) if features is None else features
    psi = np.empty(features.shape)
    for s in range(S):
        average = sum(pi[s, a] * features[s, a] for a in range(A))
        for a in range(A):
            psi[s, a] = features[s, a] - average
    return psi


def g_hat(tau, psi, gamma, *, kappa=0.0, baseline=None, discount=True):
    """ĝ(κ, b) = Σ_t [κ Σ_{k<t} γᵏ r_k + γᵗ (G_t − b_t(s_t))] ψ_t of one trajectory, an (n,) array.

    `baseline` is (T, S) or None. `discount=False` leaves out the factor γᵗ.
    """
    total = np.zeros(psi.shape[-1])
    for t, (s, a) in enumerate(zip(tau.states, tau.actions, strict=True)):
        b = 0.0 if baseline is None else baseline[t, s]
        weight = (gamma**t if discount else 1.0) * (return_from(tau.rewards, gamma, t) - b)
        total += (kappa * reward_sum(tau.rewards, gamma, stop=t) + weight) * psi[s, a]
    return total


def parts(tau, psi, gamma, *, baseline=None, discount=True):
    """The parts (past, future, baseline) with ĝ(κ, βb) = κ·past + future − β·baseline, a (3, n) array."""
    future = g_hat(tau, psi, gamma, discount=discount)
    past = g_hat(tau, psi, gamma, kappa=1.0, discount=discount) - future
    return np.array([past, future, future - g_hat(tau, psi, gamma, baseline=baseline, discount=discount)])


def expected_return(P, r, gamma, rho0, pi, horizon):
    """η_T = E Σ_{t<T} γᵗ r_t, by enumeration."""
    return float(mean(lambda tau: reward_sum(tau.rewards, gamma), (P, r, gamma, rho0), pi, horizon))


def finite_difference(f, x, step=1e-5):
    """The gradient of f at x by central differences, shaped like x; f may give a number or an array.

    The error is O(step²) from the formula and O(1e-16 / step) from rounding: some 1e-10 for values of size 1.
    """
    x = np.asarray(x, dtype=float)
    slopes = []
    for i in range(x.size):
        nudge = np.zeros(x.size)
        nudge[i] = step
        nudge = nudge.reshape(x.shape)
        slopes.append((np.asarray(f(x + nudge)) - np.asarray(f(x - nudge))) / (2 * step))
    return np.moveaxis(np.array(slopes), 0, -1).reshape(*np.shape(slopes[0]), *x.shape)


def hessian(f, x, step=1e-3):
    """The matrix of second derivatives of a number f at x, over the ravel of x, by central differences.

    The error is O(step²) from the formula and O(1e-16 / step²) from rounding: some 1e-6 for values of size 1.
    """
    x = np.asarray(x, dtype=float)
    nudges = [step * e.reshape(x.shape) for e in np.eye(x.size)]
    return np.array([[f(x + i + j) - f(x + i - j) - f(x - i + j) + f(x - i - j) for j in nudges] for i in nudges]) / (
        4 * step**2
    )


def kl(p, q):
    """KL(p‖q) = Σ p log(p/q) of two distributions, term by term; inf where q forbids what p allows."""
    return sum(x * (np.log(x / y) if y else np.inf) for x, y in zip(np.ravel(p), np.ravel(q), strict=True) if x)


def fisher(mdp, theta, features=None):
    """F = (1−γ) Σ_s ρ_π(s) Σ_a π(a|s) ψψᵀ, the visits by their power series, term by term."""
    pi = softmax(theta, features)
    psi, (_, rho_s) = scores(pi, features), power_series(*mdp, pi)
    S, A = pi.shape
    pairs = itertools.product(range(S), range(A))
    return (1 - mdp[2]) * sum(rho_s[s] * pi[s, a] * np.outer(psi[s, a], psi[s, a]) for s, a in pairs)


def advantage(mdp, pi):
    """A_π(s,a) = r + γ E V_π(s') − V_π(s), the values by their power series."""
    P, r, gamma, _ = mdp
    V, _ = power_series(*mdp, pi)
    return r + gamma * np.einsum("sax,x->sa", P, V) - V[:, None]


def return_gradient(mdp, theta, horizon, features=None):
    """∇η_T at theta: finite differences of the enumerated return."""
    return finite_difference(lambda x: expected_return(*mdp, softmax(x, features), horizon), theta)


def visits(P, r, gamma, rho0, pi, horizon):
    """P(s_t = s) for t < T by enumeration, a (T, S) array."""
    p = np.zeros((horizon, len(rho0)))
    for tau in trajectories(P, r, gamma, rho0, pi, horizon):
        for t, s in enumerate(tau.states):
            p[t, s] += tau.probability
    return p


def power_series(P, r, gamma, rho0, pi, tolerance=1e-13):
    """V^π and ρ_π(s) as the sums Σ_k γᵏ P_πᵏ r_π and Σ_k γᵏ (P_πᵀ)ᵏ ρ₀, up to a tolerance."""
    S, A = r.shape
    P_pi = np.array([[sum(pi[s, a] * P[s, a, x] for a in range(A)) for x in range(S)] for s in range(S)])
    r_pi = np.array([sum(pi[s, a] * r[s, a] for a in range(A)) for s in range(S)])
    V, rho_s = np.zeros(S), np.zeros(S)
    reward, mass, scale = r_pi, np.array(rho0, dtype=float), 1.0
    while scale > tolerance * (1 - gamma):
        V, rho_s = V + scale * reward, rho_s + scale * mass
        reward, mass, scale = P_pi @ reward, P_pi.T @ mass, scale * gamma
    return V, rho_s


def exact_row(row):
    """The distribution that a row of stored numbers stands for: the numbers, exactly, divided by their sum."""
    row = [Fraction(x) for x in row]
    return [x / sum(row) for x in row]


def exact_values(P, r, gamma, pi):
    """V^π and Q^π of the numbers as stored, in rational arithmetic: a list of S and one of S lists of A.

    Each row of P and of π is divided by its sum, so that all are distributions.
    """
    S, A = r.shape
    g = Fraction(gamma)
    reward = [[Fraction(x) for x in row] for row in r.tolist()]
    p, ahead = [exact_row(row) for row in pi.tolist()], [[exact_row(row) for row in rows] for rows in P.tolist()]
    rows = []
    for s in range(S):
        row = [-g * sum(p[s][a] * ahead[s][a][x] for a in range(A)) for x in range(S)]
        row[s] += 1
        rows.append([*row, sum(p[s][a] * reward[s][a] for a in range(A))])
    V = eliminate(rows)
    Q = [[reward[s][a] + g * sum(ahead[s][a][x] * V[x] for x in range(S)) for a in range(A)] for s in range(S)]
    return V, Q


def eliminate(rows):
    """The solution of S equations, each a list of S coefficients and a right side, by Gauss and Jordan.

    For I − γP or its transpose, which are diagonally dominant by rows or columns, so that no pivot is 0. P may also be
    of mpmath's numbers.
    """
    rows = [list(row) for row in rows]
    for i in range(len(rows)):
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for j in range(len(rows)):
            if j != i and rows[j][i]:
                rows[j] = [x - rows[j][i] * y for x, y in zip(rows[j], rows[i], strict=True)]
    return [row[-1] for row in rows]


def exact_occupancy(P, gamma, rho0, pi):
    """ρ_π(s,a) likewise: (I − γP_πᵀ)ν = ρ₀ and ρ = νπ; rows of P and π, and ρ₀, each divided by its sum."""
    S, A, _ = P.shape
    g, start, p = Fraction(gamma), exact_row(rho0.tolist()), [exact_row(row) for row in pi.tolist()]
    ahead = [[exact_row(row) for row in rows] for rows in P.tolist()]
    rows = [[(x == s) - g * sum(p[s][a] * ahead[s][a][x] for a in range(A)) for s in range(S)] for x in range(S)]
    nu = eliminate([[*row, start[x]] for x, row in enumerate(rows)])
    return [[nu[s] * p[s][a] for a in range(A)] for s in range(S)]


def exact_optimum(P, r, gamma):
    """V* and Q* likewise: the largest over all deterministic policies, state by state."""
    S, A = r.shape
    values = [exact_values(P, r, gamma, np.eye(A)[list(a)]) for a in itertools.product(range(A), repeat=S)]
    V = [max(v[s] for v, _ in values) for s in range(S)]
    Q = [[max(q[s][a] for _, q in values) for a in range(A)] for s in range(S)]
    return V, Q


def largest_error(array, exact):
    """max |array − exact| without rounding, for an exact value of nested lists of fractions."""
    pairs = zip(np.ravel(array).tolist(), np.ravel(np.array(exact, dtype=object)), strict=True)
    return max(abs(Fraction(x) - y) for x, y in pairs)


def soft_optimum(P, r, gamma, alpha):
    """V_α and Q_α by plain iteration in extended precision, to about 1e-17 of their size."""
    P, r, gamma, alpha = (np.array(x, dtype=np.longdouble) for x in (P, r, gamma, alpha))
    V, change = np.zeros(len(r), dtype=np.longdouble), np.inf
    while change > 1e-18 * (1 + abs(V).max()) * (1 - gamma):
        Q = r + gamma * (P @ V)
        top = Q.max(axis=1)
        W = top + alpha * np.log(np.exp((Q - top[:, None]) / alpha).sum(axis=1))
        change, V = min(abs(W - V).max(), change * (1 + gamma) / 2), W
    return V, r + gamma * (P @ V)


def precise_soft_optimum(P, r, gamma, alpha, digits=60):
    """V_α and Q_α by soft policy iteration with `digits` digits, which converges quadratically, as mpmath's numbers.

    Rows of P are divided by their sums. The last step moves nothing by more than 10^(−digits/2) of its size, so that
    what is left is near the square of that.
    """
    with mpmath.workdps(digits):
        S, A = r.shape
        g, alpha = mpmath.mpf(gamma), mpmath.mpf(alpha)
        ahead = [[[mpmath.mpf(x) for x in row] for row in rows] for rows in P.tolist()]
        ahead = [[[x / sum(row) for x in row] for row in rows] for rows in ahead]
        reward = [[mpmath.mpf(x) for x in row] for row in r.tolist()]
        Q, V = reward, None
        while True:
            tops = [max(row) for row in Q]
            weights = [[mpmath.exp((q - top) / alpha) for q in row] for row, top in zip(Q, tops, strict=True)]
            p = [[w / sum(row) for w in row] for row in weights]
            gain = [
                sum(x * (reward[s][a] - (alpha * mpmath.log(x) if x else 0)) for a, x in enumerate(p[s]))
                for s in range(S)
            ]
            rows = [
                [*((x == s) - g * sum(p[s][a] * ahead[s][a][x] for a in range(A)) for x in range(S)), gain[s]]
                for s in range(S)
            ]
            before, V = V, eliminate(rows)
            Q = [[reward[s][a] + g * sum(ahead[s][a][x] * V[x] for x in range(S)) for a in range(A)] for s in range(S)]
            if before is not None:
                moved = max(abs(v - w) for v, w in zip(V, before, strict=True))
                if moved <= mpmath.mpf(10) ** (-digits // 2) * (1 + max(abs(v) for v in V)):
                    return V, Q


def pair_visits(P, r, gamma, rho0, policy, horizon):
    """P(s_t = s, a_t = a) for t < T under a policy with memory, by going through all histories: a (T, S, A) array.

    `policy` maps (s_0, a_0, …, s_t) to the probabilities of a_t.
    """
    S, A = r.shape
    p = np.zeros((horizon, S, A))

    def follow(history, probability, t):
        s, chances = history[-1], policy(history)
        for a in range(A):
            p[t, s, a] += probability * chances[a]
            if t + 1 < horizon and chances[a]:
                for x in range(S):
                    if P[s, a, x]:
                        follow((*history, a, x), probability * chances[a] * P[s, a, x], t + 1)

    for s in range(S):
        if rho0[s]:
            follow((s,), float(rho0[s]), 0)
    return p


def flow_matrix(P, gamma):
    """The (S, S·A) matrix B of the Bellman flow Bρ = ρ₀, entry by entry; pair (s, a) is column s·A + a."""
    S, A, _ = P.shape
    B = np.zeros((S, S * A))
    for s in range(S):
        for a in range(A):
            for x in range(S):
                B[x, s * A + a] = (x == s) - gamma * P[s, a, x]
    return B


def flow_vertices(P, gamma, rho0, tolerance=1e-12):
    """The vertices of {ρ ≥ 0 : Bρ = ρ₀} as basic feasible solutions, one for each choice of S independent columns.

    An (n, S, A) array, each vertex once.
    """
    S, A, _ = P.shape
    B, found = flow_matrix(P, gamma), []
    for columns in itertools.combinations(range(S * A), S):
        basis = B[:, columns]
        if np.linalg.matrix_rank(basis) < S:
            continue
        rho = np.zeros(S * A)
        rho[list(columns)] = np.linalg.solve(basis, rho0)
        if rho.min() > -tolerance and not any(abs(rho - other).max() < 1e-9 for other in found):
            found.append(rho)
    return np.array(found).reshape(-1, S, A)
