"""Chapter 1's numerics and its statements, held to enumeration, finite differences and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from rlbook import (
    TabularMDP,
    evaluate_policy,
    exact_gradient,
    expected_return,
    fisher,
    garnet,
    gridworld,
    natural_gradient,
    occupancy,
    sample_trajectories,
    softmax_policy,
)
from rlbook.policy_gradient import (
    Trajectories,
    estimate_moments,
    exact_moments,
    finite_horizon_values,
    optimal_baseline,
    per_step_baseline,
    per_trajectory_gradients,
    returns,
    score_table,
    state_distributions,
    variance_against_horizon,
)
from rlbook.policy_gradient.sampling import _joint_alias_tables
from tests import oracles
from tests.strategies import (
    arrays,
    baselines,
    parametrisations,
    plain,
    policies,
    shared_features,
    tabular_mdps,
)

SMALL = tabular_mdps(max_states=2, max_actions=2)
GENTLE = st.sampled_from([0.0, 0.3, 0.5, 0.9])  # discounts at which finite differences keep six digits


@st.composite
def cases(draw, mdps=SMALL, max_horizon=3):
    """(mdp, pi, features, horizon): tabular or with shared features, the policy on the boundary or inside."""
    mdp = draw(mdps)
    if draw(st.booleans()):
        features = draw(st.none() | shared_features(mdp))
        return mdp, draw(policies(mdp)), features, draw(st.integers(1, max_horizon))
    theta, features = draw(parametrisations(mdp))
    return mdp, oracles.softmax(theta, features), features, draw(st.integers(1, max_horizon))


def close(got, wanted, tolerance=1e-10):
    """Equal up to rounding, on the scale of the largest number there."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * max(1.0, np.abs(wanted).max(initial=0)))


def every_trajectory(mdp, pi, horizon):
    """All trajectories of positive probability as one batch, and their probabilities."""
    taus = list(oracles.trajectories(*plain(mdp), pi, horizon))
    batch = Trajectories(*(np.array([getattr(tau, name) for tau in taus]) for name in Trajectories._fields[:3]))
    return taus, batch, np.array([tau.probability for tau in taus])


def a_small_mdp(gamma=0.9):
    """Two states, two actions, no symmetry: where a claim says "in general", this is where it is seen."""
    P = np.array([[[0.75, 0.25], [0.25, 0.75]], [[0.5, 0.5], [1.0, 0.0]]])
    return TabularMDP(P, np.array([[1.0, -1.0], [2.0, 0.0]]), gamma, np.array([0.5, 0.5]))


# Policies and scores ----------------------------------------------------------------------------------------


@given(st.data())
def test_softmax_policy_is_the_softmax(data):
    mdp = data.draw(tabular_mdps())
    theta, features = data.draw(parametrisations(mdp))
    pi = softmax_policy(theta, features=features)
    close(pi, oracles.softmax(theta, features), 1e-14)
    close(pi.sum(axis=1), np.ones(mdp.n_states), 1e-15)
    if features is None:  # a constant added to a state's logits changes nothing, were it ever so large
        close(softmax_policy(theta + 1024.0), pi, 1e-13)
        close(softmax_policy(theta - 1024.0), pi, 1e-13)


@pytest.mark.proves("eq-softmax-score", "lem-score-zero")
@given(st.data())
def test_the_score_is_the_gradient_of_log_pi_and_has_mean_zero(data):
    mdp = data.draw(tabular_mdps())
    theta, features = data.draw(parametrisations(mdp))
    pi = oracles.softmax(theta, features)
    slopes = oracles.finite_difference(lambda x: np.log(oracles.softmax(x, features)), theta)
    psi = score_table(pi, features=features)
    close(psi.reshape(slopes.shape), slopes, 1e-8)
    close(psi, oracles.scores(pi, features), 1e-14)
    close(np.einsum("sa,sak->sk", pi, slopes.reshape(*pi.shape, -1)), np.zeros(psi[:, 0].shape), 1e-8)


# Values and visits ------------------------------------------------------------------------------------------


@given(cases(tabular_mdps(max_states=3, max_actions=2)))
def test_finite_horizon_values_are_enumerated_returns(case):
    mdp, pi, _, horizon = case
    P, r, gamma, _ = plain(mdp)
    V, Q = finite_horizon_values(mdp, pi, horizon)
    assert V.shape == (horizon, *r.shape[:1])
    assert Q.shape == (horizon, *r.shape)

    def value(s, steps):
        return oracles.expected_return(P, r, gamma, np.eye(len(r))[s], pi, steps) if steps else 0.0

    for t in range(horizon):
        to_go = [value(s, horizon - t) for s in range(len(r))]
        later = [value(s, horizon - t - 1) for s in range(len(r))]
        close(V[t], to_go, 1e-12)
        close(Q[t], r + gamma * np.array([[P[s, a] @ later for a in range(r.shape[1])] for s in range(len(r))]))


@given(cases(tabular_mdps(max_states=3, max_actions=2)))
def test_state_distributions_count_visits(case):
    mdp, pi, _, horizon = case
    close(state_distributions(mdp, pi, horizon), oracles.visits(*plain(mdp), pi, horizon), 1e-13)


@given(st.data())
def test_values_and_occupancy_are_their_power_series(data):
    mdp = data.draw(tabular_mdps())
    pi = data.draw(policies(mdp))
    P, r, gamma, rho0 = plain(mdp)
    V, rho_s = oracles.power_series(P, r, gamma, rho0, pi)
    close(evaluate_policy(mdp, pi).V, V)
    close(evaluate_policy(mdp, pi).Q, r + gamma * np.einsum("sax,x->sa", P, V))
    close(occupancy(mdp, pi), rho_s[:, None] * pi)
    close(expected_return(mdp, pi), rho0 @ V)


@pytest.mark.proves("eq-advantage")
@given(cases())
def test_the_mean_of_return_less_value_is_the_advantage(case):
    mdp, pi, _, horizon = case
    gamma = mdp.gamma
    V, Q = finite_horizon_values(mdp, pi, horizon)
    for t in range(horizon):
        means = oracles.conditional_mean(
            lambda tau, t=t: oracles.return_from(tau.rewards, gamma, t) - V[t, tau.states[t]],
            lambda tau, t=t: (tau.states[t], tau.actions[t]),
            plain(mdp),
            pi,
            horizon,
        )
        for (s, a), excess in means.items():
            close(excess, Q[t, s, a] - V[t, s])


# The gradient -----------------------------------------------------------------------------------------------


@given(st.data())
def test_exact_gradient_over_a_horizon_is_the_slope_of_the_enumerated_return(data):
    mdp = data.draw(tabular_mdps(max_states=2, max_actions=2))
    (theta, features), horizon = data.draw(parametrisations(mdp)), data.draw(st.integers(1, 3))
    slope = oracles.return_gradient(plain(mdp), theta, horizon, features)
    close(exact_gradient(mdp, theta, features=features, horizon=horizon), slope, 1e-7)


@pytest.mark.proves("thm-policy-gradient")
@given(st.data())
def test_exact_gradient_is_the_slope_of_the_return(data):
    mdp = data.draw(tabular_mdps(discounts=GENTLE))
    theta, features = data.draw(parametrisations(mdp))
    P, r, gamma, rho0 = plain(mdp)

    def eta(x):
        return rho0 @ oracles.power_series(P, r, gamma, rho0, oracles.softmax(x, features))[0]

    gradient = exact_gradient(mdp, theta, features=features)
    close(gradient, oracles.finite_difference(eta, theta), 1e-6)
    close(
        gradient,
        oracles.finite_difference(lambda x: expected_return(mdp, softmax_policy(x, features=features)), theta),
        1e-6,
    )
    # Σ_s ρ_π(s) Σ_a ∇π(a|s) Q^π(s,a), each factor from its own oracle
    pi = oracles.softmax(theta, features)
    V, rho_s = oracles.power_series(P, r, gamma, rho0, pi)
    Q = r + gamma * np.einsum("sax,x->sa", P, V)
    slope_of_pi = oracles.finite_difference(lambda x: oracles.softmax(x, features), theta)
    close(gradient, np.einsum("s,sa...,sa->...", rho_s, slope_of_pi, Q), 1e-6)


@pytest.mark.proves("eq-softmax-gradient")
@given(st.data())
def test_the_tabular_gradient_is_visits_times_policy_times_advantage(data):
    mdp = data.draw(tabular_mdps(discounts=GENTLE))
    theta = data.draw(arrays(mdp.n_states, mdp.n_actions))
    P, r, gamma, rho0 = plain(mdp)
    pi = oracles.softmax(theta)
    V, rho_s = oracles.power_series(P, r, gamma, rho0, pi)
    A = r + gamma * np.einsum("sax,x->sa", P, V) - V[:, None]

    def eta(x):
        return rho0 @ oracles.power_series(P, r, gamma, rho0, oracles.softmax(x))[0]

    close(rho_s[:, None] * pi * A, oracles.finite_difference(eta, theta), 1e-6)


@pytest.mark.proves("thm-infinite-horizon")
@given(st.data())
def test_the_finite_horizon_gradient_tends_to_the_infinite_one(data):
    mdp = data.draw(tabular_mdps())
    theta, features = data.draw(parametrisations(mdp))
    limit = exact_gradient(mdp, theta, features=features)
    gamma, r_max = mdp.gamma, abs(mdp.r).max()
    L = np.linalg.norm(oracles.scores(oracles.softmax(theta, features), features), axis=-1).max()
    for T in (1, 2, 3, 5, 10, 30, 100, 300):
        error = np.linalg.norm(exact_gradient(mdp, theta, features=features, horizon=T) - limit)
        # What T cuts off: γ^T V(s_T) in front of each of T scores, and all scores from T on.
        bound = L * r_max * gamma**T * (T / (1 - gamma) + 1 / (1 - gamma) ** 2)
        assert error <= bound + 1e-10 * max(1, np.linalg.norm(limit))
    if gamma <= 0.9:  # .9³⁰⁰ is 2e-14: the limit is reached, not only approached
        assert error < 1e-9


# The laws behind the estimators -----------------------------------------------------------------------------


@pytest.mark.proves("eq-trajectory-law")
@given(st.data())
def test_the_trajectory_law_sums_to_one_and_its_score_is_the_sum_of_scores(data):
    mdp = data.draw(tabular_mdps(max_states=2, max_actions=2))
    (theta, features), horizon = data.draw(parametrisations(mdp)), data.draw(st.integers(1, 3))
    P, _, _, rho0 = plain(mdp)
    pi = oracles.softmax(theta, features)
    psi = oracles.scores(pi, features)

    def log_law(x, tau):
        policy, steps = oracles.softmax(x, features), range(horizon)
        law = rho0[tau.states[0]] * np.prod([policy[tau.states[t], tau.actions[t]] for t in steps])
        moves = [P[tau.states[t], tau.actions[t], tau.states[t + 1]] for t in range(horizon - 1)]
        return np.log(law * np.prod(moves))

    taus = list(oracles.trajectories(*plain(mdp), pi, horizon))
    close(sum(np.exp(log_law(theta, tau)) for tau in taus), 1.0, 1e-12)
    for tau in taus[:: max(1, len(taus) // 8)]:
        close(np.exp(log_law(theta, tau)), tau.probability, 1e-14)
        slope = oracles.finite_difference(lambda x, tau=tau: log_law(x, tau), theta)
        close(sum(psi[s, a] for s, a in zip(tau.states, tau.actions, strict=True)), slope.ravel(), 1e-8)


@pytest.mark.proves("thm-score-function")
@given(st.data())
def test_the_score_function_identity(data):
    """∇E f(X) = E[f ∇log p] + E[∇f], for a law on finitely many points."""
    k = data.draw(st.integers(1, 4))
    theta = data.draw(arrays(1, k)) / 4
    f, slope = data.draw(arrays(k)), data.draw(arrays(k, k))

    def p(x):
        return oracles.softmax(x)[0]

    psi = oracles.finite_difference(lambda x: np.log(p(x)), theta)[:, 0]  # (k outcomes, k parameters)
    fixed = oracles.finite_difference(lambda x: p(x) @ f, theta)[0]
    close(np.einsum("x,x,xj->j", p(theta), f, psi), fixed, 1e-7)
    # f_θ(x) = f(x) + slope(x)·θ depends on θ itself: without E∇f the identity is off by exactly E∇f.
    moving = oracles.finite_difference(lambda x: p(x) @ (f + slope @ x[0]), theta)[0]
    score_part = np.einsum("x,x,xj->j", p(theta), f + slope @ theta[0], psi)
    close(score_part + p(theta) @ slope, moving, 1e-7)


@pytest.mark.proves("thm-score-function", "lem-score-zero")
def test_the_score_function_identity_for_a_normal_law():
    # X ~ N(μ, σ²), f(x) = x³: E f = μ³ + 3μσ². Gauss–Hermite with 20 nodes is exact for polynomials.
    mu, sigma = 0.5, 2.0
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    x, p = mu + sigma * nodes, weights / weights.sum()
    score_mu, score_log_sigma = (x - mu) / sigma**2, ((x - mu) / sigma) ** 2 - 1
    close([p @ score_mu, p @ score_log_sigma], [0.0, 0.0], 1e-12)
    close(p @ (x**3 * score_mu), 3 * mu**2 + 3 * sigma**2, 1e-12)
    close(p @ (x**3 * score_log_sigma), 6 * mu * sigma**2, 1e-12)
    # f_μ(x) = μ x: d/dμ E[μX] = 2μ, of which the score part is μ and E∇f the other.
    close(p @ (mu * x * score_mu) + p @ x, 2 * mu, 1e-12)


@pytest.mark.proves("lem-admissible")
@given(cases())
def test_the_score_has_mean_zero_given_the_history_up_to_its_state(case):
    """E[ψ_t | H_t] = 0 for every possible history; hence E[Y ψ_t] = 0 for all functions Y of it."""
    mdp, pi, features, horizon = case
    psi = oracles.scores(pi, features)
    for t in range(horizon):
        means = oracles.conditional_mean(
            lambda tau, t=t: psi[tau.states[t], tau.actions[t]],
            lambda tau, t=t: (tau.states[: t + 1], tau.actions[:t]),
            plain(mdp),
            pi,
            horizon,
        )
        for average in means.values():
            close(average, np.zeros(psi.shape[-1]), 1e-13)


@pytest.mark.proves("thm-reinforce", "thm-reward-to-go", "thm-baseline", "eq-family")
@given(st.data())
def test_every_member_of_the_family_estimates_the_gradient(data):
    mdp = data.draw(tabular_mdps(max_states=2, max_actions=2, discounts=GENTLE))
    (theta, features), horizon = data.draw(parametrisations(mdp)), data.draw(st.integers(1, 3))
    pi, gamma = oracles.softmax(theta, features), mdp.gamma
    psi, arrays_ = oracles.scores(pi, features), plain(mdp)
    slope = oracles.return_gradient(arrays_, theta, horizon, features).ravel()

    def reinforce(tau):  # R(τ) Σψ_t, spelt out
        scores = sum(psi[s, a] for s, a in zip(tau.states, tau.actions, strict=True))
        return oracles.reward_sum(tau.rewards, gamma) * scores

    def to_go(tau):  # Σ γᵗ G_t ψ_t, spelt out
        steps = enumerate(zip(tau.states, tau.actions, strict=True))
        return sum(oracles.reward_sum(tau.rewards, gamma, start=t) * psi[s, a] for t, (s, a) in steps)

    close(oracles.mean(reinforce, arrays_, pi, horizon), slope, 1e-7)
    close(oracles.mean(to_go, arrays_, pi, horizon), slope, 1e-7)

    kappa, b = data.draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])), data.draw(baselines(mdp, horizon))

    def member(tau):
        return oracles.g_hat(tau, psi, gamma, kappa=kappa, baseline=b)

    close(oracles.mean(member, arrays_, pi, horizon), slope, 1e-7)


@pytest.mark.proves("thm-baseline")
@given(cases(), st.integers(0, 100))
def test_a_baseline_may_know_the_whole_history(case, seed):
    mdp, pi, features, horizon = case
    psi, gamma, rng, known = oracles.scores(pi, features), mdp.gamma, np.random.default_rng(seed), {}

    def baselined(tau):
        total = np.zeros(psi.shape[-1])
        for t, (s, a) in enumerate(zip(tau.states, tau.actions, strict=True)):
            history = (tau.states[: t + 1], tau.actions[:t])
            b = known.setdefault(history, rng.normal(scale=5))  # any number at all, one for each history
            total += gamma**t * (oracles.return_from(tau.rewards, gamma, t) - b) * psi[s, a]
        return total

    plain_mean = oracles.mean(lambda tau: oracles.g_hat(tau, psi, gamma), plain(mdp), pi, horizon)
    close(oracles.mean(baselined, plain(mdp), pi, horizon), plain_mean, 1e-11)


@pytest.mark.mends(7)
@pytest.mark.proves("thm-reinforce", "thm-reward-to-go", "thm-baseline")
def test_a_world_with_a_memory_changes_nothing_before_the_exact_moments():
    """The next state depends on all actions so far. The estimators' mean stays; that the present state tells all that
    is to come, which the recursion of the moments needs, is lost."""
    r, gamma, horizon = np.array([[1.0, -1.0], [2.0, 0.5]]), 0.9, 3
    theta, baseline = np.array([[0.4, -0.3], [0.1, 0.8]]), np.array([[0.5, -1.0], [2.0, 0.25], [-0.5, 1.0]])

    def episodes(theta):
        pi = oracles.softmax(theta)
        for actions in np.ndindex(*[2] * horizon):
            for states in np.ndindex(*[2] * horizon):
                p = 0.5
                for t, (s, a) in enumerate(zip(states, actions, strict=True)):
                    p *= pi[s, a]
                    if t + 1 < horizon:
                        up = (1 + sum(actions[: t + 1])) / (t + 3)  # the chance of state 1
                        p *= up if states[t + 1] else 1 - up
                rewards = tuple(r[s, a] for s, a in zip(states, actions, strict=True))
                yield oracles.Trajectory(states, actions, rewards, p)

    def value(theta):
        return sum(tau.probability * oracles.reward_sum(tau.rewards, gamma) for tau in episodes(theta))

    taus, psi = list(episodes(theta)), oracles.scores(oracles.softmax(theta))
    assert sum(tau.probability for tau in taus) == pytest.approx(1)
    slope = oracles.finite_difference(value, theta).ravel()
    for kappa, b in ((1, None), (0, None), (0, baseline), (0.5, baseline)):
        mean = sum(tau.probability * oracles.g_hat(tau, psi, gamma, kappa=kappa, baseline=b) for tau in taus)
        np.testing.assert_allclose(mean, slope, atol=1e-8)
    ahead = [
        np.average([oracles.return_from(tau.rewards, gamma, 1) for tau in those], weights=[tau[3] for tau in those])
        for those in ([tau for tau in taus if tau.states[1] == 0 and tau.actions[0] == a] for a in (0, 1))
    ]
    assert abs(ahead[0] - ahead[1]) > 0.1


# Estimators on samples --------------------------------------------------------------------------------------


@given(st.integers(1, 4), st.integers(1, 6), st.data())
def test_returns_are_the_discounted_sums(n, horizon, data):
    rewards, gamma = data.draw(arrays(n, horizon)), data.draw(GENTLE)
    wanted = [[oracles.return_from(row, gamma, t) for t in range(horizon)] for row in rewards]
    close(returns(rewards, gamma), np.array(wanted), 1e-14)


@pytest.mark.proves("eq-family")
@given(st.data())
def test_per_trajectory_gradients_are_their_definition(data):
    mdp, pi, features, horizon = data.draw(cases(tabular_mdps(max_states=3, max_actions=2)))
    kappa, discount = data.draw(st.sampled_from([0.0, 1.0, -0.5, 3.0])), data.draw(st.booleans())
    b = data.draw(st.one_of(st.none(), baselines(mdp, horizon), arrays(mdp.n_states)))
    taus, batch, _ = every_trajectory(mdp, pi, horizon)
    got = per_trajectory_gradients(batch, pi, mdp.gamma, features=features, kappa=kappa, baseline=b, discount=discount)
    psi = oracles.scores(pi, features)
    over_time = None if b is None else np.broadcast_to(b, (horizon, mdp.n_states))
    wanted = np.array(
        [oracles.g_hat(x, psi, mdp.gamma, kappa=kappa, baseline=over_time, discount=discount) for x in taus]
    )
    shape = (len(taus), *pi.shape) if features is None else wanted.shape
    close(got, wanted.reshape(shape), 1e-13)


# Exact moments ----------------------------------------------------------------------------------------------


@pytest.mark.proves("thm-exact-moments", "eq-bowl")
@given(st.data())
def test_exact_moments_are_the_enumerated_ones(data):
    mdp, pi, features, horizon = data.draw(cases())
    b, discount = data.draw(baselines(mdp, horizon)), data.draw(st.booleans())
    psi, gamma = oracles.scores(pi, features), mdp.gamma
    n = psi.shape[-1]
    moments = exact_moments(mdp, pi, horizon, features=features, baseline=b, discount=discount)
    average, covariance = oracles.mean_and_covariance(
        lambda tau: oracles.parts(tau, psi, gamma, baseline=b, discount=discount), plain(mdp), pi, horizon
    )
    close(moments.mean, average.reshape(3, n), 1e-12)
    close(moments.covariance, covariance.reshape(3, n, 3, n), 1e-11)

    kappa, beta = data.draw(st.sampled_from([0.0, 1.0, -0.5])), data.draw(st.sampled_from([0.0, 1.0, 0.25]))

    def member(tau):
        return oracles.g_hat(tau, psi, gamma, kappa=kappa, baseline=beta * b, discount=discount)

    average, covariance = oracles.mean_and_covariance(member, plain(mdp), pi, horizon)
    got_mean, got_covariance = moments.estimator(kappa=kappa, beta=beta)
    close(got_mean, average, 1e-12)
    close(got_covariance, covariance, 1e-11)
    close(moments.variance(kappa=kappa, beta=beta), np.trace(covariance), 1e-11)
    u = np.array([kappa, 1.0, -beta])
    close(u @ moments.total @ u, np.trace(covariance), 1e-11)
    # Without the options: reward-to-go, no baseline.
    none = exact_moments(mdp, pi, horizon, features=features, discount=discount)
    close(none.covariance[:2, :, :2], moments.covariance[:2, :, :2], 1e-12)
    assert not none.covariance[2].any()


@pytest.mark.proves("eq-moment-recursion")
@settings(max_examples=15)
@given(st.data())
def test_the_second_moments_obey_the_recursion(data):
    """Λ_t(s) = E[χχᵀ | s_t=s], each enumerated by itself from s on, against one step of the recursion."""
    mdp = data.draw(tabular_mdps(max_states=2, max_actions=2))
    pi, features = data.draw(policies(mdp)), data.draw(shared_features(mdp))
    P, r, gamma, _ = plain(mdp)
    S, A = r.shape
    horizon = 3
    b, psi = data.draw(baselines(mdp, horizon)), oracles.scores(pi, features)
    n = psi.shape[-1]

    def chi(tau, t):  # (1, G, Ψ, F, B, K) of a trajectory that begins at time t
        G = [oracles.return_from(tau.rewards, gamma, k) for k in range(len(tau.states))]
        scores = [psi[s, a] for s, a in zip(tau.states, tau.actions, strict=True)]
        Psi, F, B, K = sum(scores), np.zeros(n), np.zeros(n), np.zeros(n)
        for k, score in enumerate(scores):
            F += gamma**k * G[k] * score
            B += gamma**k * b[t + k, tau.states[k]] * score
            K += oracles.reward_sum(tau.rewards, gamma, stop=k) * score
        return np.concatenate([[1.0, G[0]], Psi, F, B, K])

    def second_moment(t, s):
        if t == horizon:
            return np.diag(np.eye(2 + 4 * n)[0])
        start = (P, r, gamma, np.eye(S)[s])
        return oracles.mean(lambda tau: np.outer(chi(tau, t), chi(tau, t)), start, pi, horizon - t)

    def M(t, s, a):
        eye, zero, column = np.eye(n), np.zeros((n, n)), psi[s, a][:, None]
        nought = np.zeros((n, 1))
        return np.block(
            [
                [np.eye(1), np.zeros((1, 1 + 4 * n))],
                [np.array([[r[s, a], gamma]]), np.zeros((1, 4 * n))],
                [column, nought, eye, zero, zero, zero],
                [r[s, a] * column, gamma * column, zero, gamma * eye, zero, zero],
                [b[t, s] * column, nought, zero, zero, gamma * eye, zero],
                [nought, nought, r[s, a] * eye, zero, zero, gamma * eye],
            ]
        )

    for t in range(horizon):
        after = [second_moment(t + 1, x) for x in range(S)]
        for s in range(S):
            step = sum(pi[s, a] * P[s, a, x] * M(t, s, a) @ after[x] @ M(t, s, a).T for a in range(A) for x in range(S))
            close(second_moment(t, s), step, 1e-12)


@given(cases())
def test_variance_against_horizon_is_that_of_each_horizon(case):
    mdp, pi, features, _ = case
    psi, horizons = oracles.scores(pi, features), [3, 1, 2]
    got = variance_against_horizon(mdp, pi, horizons, features=features)
    for C, horizon in zip(got, horizons, strict=True):
        V, _ = finite_horizon_values(mdp, pi, horizon)
        _, covariance = oracles.mean_and_covariance(
            lambda tau, V=V: oracles.parts(tau, psi, mdp.gamma, baseline=V), plain(mdp), pi, horizon
        )
        n = psi.shape[-1]
        close(C, np.trace(covariance.reshape(3, n, 3, n), axis1=1, axis2=3), 1e-11)


@pytest.mark.proves("prop-past-variance")
@given(cases())
def test_the_past_part_is_a_sum_of_orthogonal_terms(case):
    mdp, pi, features, horizon = case
    psi, gamma = oracles.scores(pi, features), mdp.gamma

    def terms(tau):
        steps = enumerate(zip(tau.states, tau.actions, strict=True))
        return np.array([oracles.reward_sum(tau.rewards, gamma, stop=t) * psi[s, a] for t, (s, a) in steps])

    def products(tau):
        x = terms(tau)
        return x @ x.T

    gram = oracles.mean(products, plain(mdp), pi, horizon)
    close(gram, np.diag(np.diag(gram)), 1e-12)
    moments = exact_moments(mdp, pi, horizon, features=features)
    close(moments.mean[0], np.zeros(psi.shape[-1]), 1e-12)
    close(moments.total[0, 0], np.trace(gram), 1e-11)
    L, r_max = np.linalg.norm(psi, axis=-1).max(), abs(mdp.r).max()
    assert moments.total[0, 0] <= horizon * (L * r_max / (1 - gamma)) ** 2 * (1 + 1e-12) + 1e-12


@pytest.mark.proves("prop-past-variance")
def test_the_past_parts_variance_grows_linearly():
    # One state, reward 1 whatever is done, π = ½, one logit: Past_t = (1−γᵗ)/(1−γ), ‖ψ‖² = ¼.
    gamma = 0.5
    mdp = TabularMDP(np.ones((1, 2, 1)), np.ones((1, 2)), gamma, [1.0])
    logit = np.array([[[1.0], [0.0]]])
    for T in (1, 2, 10, 100):
        squares = (T - 2 * (1 - gamma**T) / (1 - gamma) + (1 - gamma ** (2 * T)) / (1 - gamma**2)) / (1 - gamma) ** 2
        close(exact_moments(mdp, [[0.5, 0.5]], T, features=logit).total[0, 0], squares / 4, 1e-12)


def test_the_figures_full_return_is_a_straight_line_from_70_steps_on():
    mdp = garnet(5, 3, 2, gamma=0.9, rng=np.random.default_rng(0))
    pi = softmax_policy(np.random.default_rng(1).normal(size=(5, 3)))
    horizons = np.array([2, 16, 34, 70, 100, 140, 200])
    C = variance_against_horizon(mdp, pi, horizons)
    full, to_go, less_V = (C @ u @ u for u in np.array([[1, 1, 0], [0, 1, 0], [0, 1, -1]]))
    slopes = np.diff(np.log(full)) / np.diff(np.log(horizons))
    assert (slopes[:2] > 1.4).all()  # steeper at first
    np.testing.assert_allclose(slopes[3:], 1, atol=0.01)
    assert full[-1] == pytest.approx(2400, rel=0.01)
    np.testing.assert_allclose(to_go[4:], 66.4, atol=0.1)
    np.testing.assert_allclose(less_V[4:], 7, atol=0.05)


@pytest.mark.proves("prop-to-go-bounded")
@given(st.data())
def test_reward_to_go_stays_within_its_bound(data):
    mdp, pi, features, _ = data.draw(cases())
    horizon = data.draw(st.sampled_from([1, 2, 5, 20, 80]))
    gamma, r_max = mdp.gamma, abs(mdp.r).max()
    L = np.linalg.norm(oracles.scores(pi, features), axis=-1).max()
    moments = exact_moments(mdp, pi, horizon, features=features)
    second_moment = moments.total[1, 1] + moments.mean[1] @ moments.mean[1]
    assert second_moment <= (L * r_max / (1 - gamma) ** 2) ** 2 * (1 + 1e-12) + 1e-12


@pytest.mark.proves("prop-to-go-bounded")
def test_the_bounds_power_of_one_minus_gamma_is_needed():
    # Constant reward, π = ½, the same action always: ‖ĝ‖ tends to L·r_max/(1−γ)², the bound on every path.
    gamma, T = 0.9, 400
    batch = Trajectories(np.zeros((1, T), int), np.zeros((1, T), int), np.ones((1, T)))
    g = per_trajectory_gradients(batch, np.array([[0.5, 0.5]]), gamma, features=np.array([[[1.0], [0.0]]]))
    close(g, np.array([[0.5 / (1 - gamma) ** 2]]), 1e-12)


# Baselines --------------------------------------------------------------------------------------------------


def baseline_design(mdp, pi, features, horizon):
    """ĝ without baseline and what each b_t(s) takes from it, over all trajectories, rows scaled by √p.

    Returns y, (N·n,), and x, (N·n, T·S), with E‖ĝ(0, b)‖² = ‖y − x b‖².
    """
    psi, (P, r, gamma, rho0) = oracles.scores(pi, features), plain(mdp)
    S, n = len(r), psi.shape[-1]
    y, x = [], []
    for tau in oracles.trajectories(P, r, gamma, rho0, pi, horizon):
        column = np.zeros((n, horizon, S))
        for t, (s, a) in enumerate(zip(tau.states, tau.actions, strict=True)):
            column[:, t, s] += gamma**t * psi[s, a]
        y.append(np.sqrt(tau.probability) * oracles.g_hat(tau, psi, gamma))
        x.append(np.sqrt(tau.probability) * column.reshape(n, -1))
    return np.concatenate(y), np.concatenate(x)


@pytest.mark.proves("thm-optimal-baseline")
@given(st.data())
def test_the_total_variance_is_separable_and_the_optimal_baseline_at_its_bottom(data):
    mdp, pi, features, horizon = data.draw(cases())
    psi, gamma = oracles.scores(pi, features), mdp.gamma
    y, x = baseline_design(mdp, pi, features, horizon)
    gram = x.T @ x
    close(gram, np.diag(np.diag(gram)), 1e-12)  # no b_t(s) meets another: a separable quadratic

    def variance(b):
        return oracles.total_variance(lambda tau: oracles.g_hat(tau, psi, gamma, baseline=b), plain(mdp), pi, horizon)

    # V(b) = V(0) − 2Σ γᵗ b P(s_t=s) E[⟨ψ_t, ĝ⟩|s] + Σ γ²ᵗ b² P(s_t=s) E[‖ψ_t‖²|s], from conditional means
    b = data.draw(baselines(mdp, horizon))
    p = oracles.visits(*plain(mdp), pi, horizon)
    quadratic = variance(np.zeros(b.shape))
    for t in range(horizon):
        means = oracles.conditional_mean(
            lambda tau, t=t: [
                psi[tau.states[t], tau.actions[t]] @ oracles.g_hat(tau, psi, gamma),
                psi[tau.states[t], tau.actions[t]] @ psi[tau.states[t], tau.actions[t]],
            ],
            lambda tau, t=t: tau.states[t],
            plain(mdp),
            pi,
            horizon,
        )
        for s, (product, square) in means.items():
            quadratic += p[t, s] * (gamma ** (2 * t) * b[t, s] ** 2 * square - 2 * gamma**t * b[t, s] * product)
    close(variance(b), quadratic, 1e-10)

    best = optimal_baseline(mdp, pi, horizon, features=features)
    assert best.shape == (horizon, mdp.n_states)
    least = np.linalg.lstsq(x, y, rcond=1e-12)[0].reshape(best.shape)
    close(variance(best), variance(least), 1e-9)
    matters = np.diag(gram).reshape(best.shape) > 1e-9
    close(best[matters], least[matters], 1e-9)
    for t in range(horizon):
        for s in range(mdp.n_states):
            for nudge in (-0.1, 0.1):
                moved = best.copy()
                moved[t, s] += nudge
                # Never lower: higher by exactly nudge² times the quadratic's coefficient there.
                i = t * mdp.n_states + s
                close(variance(moved), variance(best) + nudge**2 * gram[i, i], 1e-9)


@pytest.mark.proves("prop-per-step")
@given(cases())
def test_the_per_step_baseline_minimises_the_sum_of_each_steps_own_square(case):
    mdp, pi, features, horizon = case
    psi, gamma = oracles.scores(pi, features), mdp.gamma
    got = per_step_baseline(mdp, pi, horizon, features=features)
    for t in range(horizon):
        means = oracles.conditional_mean(
            lambda tau, t=t: (
                np.array([oracles.return_from(tau.rewards, gamma, t), 1.0])
                * (psi[tau.states[t], tau.actions[t]] ** 2).sum()
            ),
            lambda tau, t=t: tau.states[t],
            plain(mdp),
            pi,
            horizon,
        )
        for s, (weighted, weight) in means.items():
            close(got[t, s], weighted / weight if weight > 1e-20 else 0.0, 1e-9)


@pytest.mark.proves("prop-per-step")
@given(cases(max_horizon=1))
def test_with_one_step_the_per_step_baseline_is_optimal(case):
    mdp, pi, features, _ = case
    one = per_step_baseline(mdp, pi, 1, features=features)
    close(one, optimal_baseline(mdp, pi, 1, features=features), 1e-9)


@pytest.mark.proves("prop-per-step")
def test_with_two_steps_the_per_step_baseline_is_not():
    """By hand: state 0 leads to 1 (action 0) or 2; of those only (1, action 0) pays, 1. One logit, π = ½.

    So ψ = ±½ and ‖ψ‖² = ¼ always, and the per-step baseline is V. What it drops:
        at (1, state 1)   E[ψ_0|s_1=1]·E[G_1 ψ_1|s_1=1] / ¼ = ½·¼ / ¼ = ½,    so b* = ½ + ½,
        at (0, state 0)   γ E[ψ_0 ψ_1 G_1] / ¼ = γ·¼·¼ / ¼ = γ/4,              so b* = γ/4 + γ/4.
    """
    gamma = 0.5
    P = np.zeros((3, 2, 3))
    P[0, 0, 1] = P[0, 1, 2] = P[1, :, 1] = P[2, :, 2] = 1
    mdp = TabularMDP(P, [[0, 0], [1, 0], [0, 0]], gamma, [1, 0, 0])
    pi, logit = np.full((3, 2), 0.5), np.tile([[1.0], [0.0]], (3, 1, 1))
    psi = oracles.scores(pi, logit)
    per_step, best = (f(mdp, pi, 2, features=logit) for f in (per_step_baseline, optimal_baseline))
    reached = ([0, 1, 1], [0, 1, 2])
    close(per_step[reached], [gamma / 4, 1 / 2, 0], 1e-14)
    close(best[reached], [gamma / 2, 1, 0], 1e-14)

    def variance(b):
        return oracles.total_variance(lambda tau: oracles.g_hat(tau, psi, gamma, baseline=b), plain(mdp), pi, 2)

    # The bowl's height above its bottom: Σ γ²ᵗ P(s_t=s) ‖ψ‖² (b − b*)².
    close(variance(per_step) - variance(best), (gamma / 4) ** 2 / 4 + gamma**2 / 2 / 4 * (1 / 2) ** 2, 1e-14)


@given(st.integers(0, 10_000))
def test_a_state_whose_actions_share_their_features_needs_no_baseline(seed):
    # Its score is 0, but φ − Σπφ is 0 only up to rounding, and a ratio of two roundings can be anything.
    rng = np.random.default_rng(seed)
    mdp = garnet(3, 3, 2, gamma=0.9, rng=rng)
    features, pi = rng.normal(size=(3, 3, 2)), rng.dirichlet(np.ones(3), size=3)
    features[1] = features[1, 0]
    features[2, 1:], pi[2] = features[2, 1], [0, 0.3, 0.7]  # equal where they are ever taken
    pi[1] *= 1 + 5e-9  # a sum that is off by what is let pass must not show as a score either
    assert not score_table(pi, features=features)[1].any()
    assert not score_table(pi, features=features)[2, 1:].any()
    for f in (per_step_baseline, optimal_baseline):
        assert not f(mdp, pi, 3, features=features)[:, 1:].any()


# Sampling ---------------------------------------------------------------------------------------------------


def corners():
    """MDPs and policies with certainty, impossibility and rare events in them.

    In terminal states the policies take the first action, which there stands for none.
    """
    rng = np.random.default_rng(0)
    loop = gridworld(["S.#", ".PG"], gamma=0.9, slip=0.2)
    uniform = np.where(loop.terminal[:, None], np.eye(4)[0], 0.25)
    some = garnet(3, 3, 2, gamma=0.9, rng=rng)
    boundary = np.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.001, 0.25, 0.749]])
    start = TabularMDP(some.P, some.r, 0.9, [0.0, 0.75, 0.25])
    return [
        (a_small_mdp(), np.array([[0.25, 0.75], [0.5, 0.5]])),
        (loop, uniform),
        (loop, np.eye(4)[[1, 2, 1, 0, 0]]),
        (start, boundary),
        (garnet(6, 2, 3, gamma=0.9, rng=rng, sparse=True), rng.dirichlet([1, 1], size=6)),
    ]


def test_what_is_no_mdp_is_named_before_its_parts_are_read():
    for call in (exact_gradient, natural_gradient, fisher):
        with pytest.raises(ValueError, match=r"^mdp must be a TabularMDP"):
            call(np.eye(2), np.zeros((2, 2)))


@pytest.mark.parametrize("case", range(5))
def test_the_alias_tables_hold_exactly_the_joint_law(case):
    mdp, pi = corners()[case]
    P, _, _, _ = plain(mdp)
    threshold, action_of, next_of, width = _joint_alias_tables(mdp, pi)
    law = np.zeros((mdp.n_states, mdp.n_actions, mdp.n_states))
    for s in range(mdp.n_states):
        for slot in range(s * width, (s + 1) * width):
            for missed, share in enumerate((threshold[slot], 1 - threshold[slot])):
                if share > 0:
                    law[s, action_of[2 * slot + missed], next_of[2 * slot + missed]] += share / width
    np.testing.assert_allclose(law, pi[:, :, None] * P, rtol=0, atol=1e-12)
    positive = pi[:, :, None] * P > 0
    assert not law[~positive].any()
    assert width == positive.sum(axis=(1, 2)).max()  # what cannot come takes no room


@pytest.mark.proves("eq-trajectory-law")
@pytest.mark.parametrize("case", range(5))
def test_sampled_trajectories_have_the_trajectory_law(case):
    """A chi-square test over whole trajectories, which are independent; five such, false alarm 1e-6 each."""
    mdp, pi = corners()[case]
    T, N = 3, 200_000
    batch = sample_trajectories(mdp, pi, N, T, np.random.default_rng(5))
    base = mdp.n_states * mdp.n_actions
    code = (batch.states.astype(np.int64) * mdp.n_actions + batch.actions) @ (base ** np.arange(T))
    counts = dict(zip(*np.unique(code, return_counts=True), strict=True))
    observed, expected = [], []
    for tau in oracles.trajectories(*plain(mdp), pi, T):
        key = sum((s * mdp.n_actions + a) * base**t for t, (s, a) in enumerate(zip(*tau[:2], strict=True)))
        observed.append(counts.pop(key, 0))
        expected.append(N * tau.probability)
    assert not counts  # nothing happened that cannot happen
    observed, expected = np.array(observed), np.array(expected)
    common = expected >= 10  # the rest are counted together: chi-square wants no tiny cells
    if not common.all():
        observed = np.append(observed[common], observed[~common].sum())
        expected = np.append(expected[common], expected[~common].sum())
    statistic = ((observed - expected) ** 2 / expected).sum()
    assert statistic <= (chi2.isf(1e-6, len(expected) - 1) if len(expected) > 1 else 1e-9)


def test_long_episodes_keep_to_the_transition_law():
    """(s_t, a_t, s_{t+1}) at one late time, one count an episode: independent. False alarm 1e-6."""
    mdp, pi = corners()[3]
    N, t = 100_000, 20
    batch = sample_trajectories(mdp, pi, N, t + 2, np.random.default_rng(6))
    reach = state_distributions(mdp, pi, t + 1)[t]
    law = (reach[:, None] * pi)[:, :, None] * plain(mdp)[0]
    seen = np.zeros(law.shape)
    np.add.at(seen, (batch.states[:, t], batch.actions[:, t], batch.states[:, t + 1]), 1)
    assert not seen[law == 0].any()
    possible = law > 0
    statistic = ((seen - N * law)[possible] ** 2 / (N * law)[possible]).sum()
    assert N * law[possible].min() > 5
    assert statistic < chi2.isf(1e-6, possible.sum() - 1)


@given(st.data())
def test_only_what_is_possible_is_sampled(data):
    mdp = data.draw(tabular_mdps())
    pi = data.draw(policies(mdp))
    P, r, _, rho0 = plain(mdp)
    batch = sample_trajectories(mdp, pi, 50, 6, np.random.default_rng(0))
    assert batch.states.shape == batch.actions.shape == batch.rewards.shape == (50, 6)
    assert batch.states.dtype.kind == batch.actions.dtype.kind == "i"
    assert batch.rewards.dtype == np.float64
    assert (rho0[batch.states[:, 0]] > 0).all()
    assert (pi[batch.states, batch.actions] > 0).all()
    assert (P[batch.states[:, :-1], batch.actions[:, :-1], batch.states[:, 1:]] > 0).all()
    np.testing.assert_array_equal(batch.rewards, r[batch.states, batch.actions])


class Constant(np.random.Generator):
    """A generator that always draws one number."""

    def __init__(self, value):
        super().__init__(np.random.PCG64(0))
        self.value = value

    def random(self, size=None, dtype=float, out=None):
        out = np.empty(size, dtype) if out is None else out
        out[...] = self.value
        return out


@pytest.mark.parametrize("value", [0.0, 0.5, 1 - 2.0**-53])
def test_the_ends_of_the_unit_interval_are_drawn_safely(value):
    """0 and 1 − 2⁻⁵³, the least and the largest number a generator gives, lead nowhere impossible."""
    for mdp, pi in corners():
        batch = sample_trajectories(mdp, pi, 3, 4, Constant(value))
        assert (mdp.rho0[batch.states[:, 0]] > 0).all()
        assert (pi[batch.states, batch.actions] > 0).all()
        reached = plain(mdp)[0][batch.states[:, :-1], batch.actions[:, :-1], batch.states[:, 1:]]
        assert (reached > 0).all()


def test_the_same_seed_gives_the_same_episodes():
    mdp, pi = corners()[0]
    one, again, other = (sample_trajectories(mdp, pi, 100, 5, np.random.default_rng(s)) for s in (1, 1, 2))
    for field, same in zip(one, again, strict=True):
        np.testing.assert_array_equal(field, same)
    assert not np.array_equal(one.states, other.states)


def test_many_episodes_are_all_drawn_and_all_weighed():
    """Episodes are handled in blocks: none is left out, none repeated, and the cuts change nothing."""
    mdp, pi = corners()[0]
    batch = sample_trajectories(mdp, pi, 40_001, 40, np.random.default_rng(0))
    assert (mdp.r[batch.states, batch.actions] == batch.rewards).all()
    assert len(np.unique(2 * batch.states + batch.actions, axis=0)) == 40_001  # of some 2⁶⁰ likely ones
    short = Trajectories(*(x[:5000, :4] for x in batch))
    options = {"kappa": 0.5, "baseline": np.array([1.0, 2.0])}
    whole = per_trajectory_gradients(short, pi, mdp.gamma, **options)
    psi, b = oracles.scores(pi), np.tile([1.0, 2.0], (4, 1))
    for i in range(0, 5000, 7):
        tau = oracles.Trajectory(*(tuple(x[i]) for x in short[:3]), None)
        close(whole[i].ravel(), oracles.g_hat(tau, psi, mdp.gamma, kappa=0.5, baseline=b), 1e-13)


@pytest.mark.parametrize("features", [None, np.array([[[1.0], [0.0]], [[1.0], [0.5]]])])
def test_sample_means_of_every_estimator_agree_with_the_exact_moments(features):
    """All the way from sampling to gradient, against the exact mean and variance."""
    mdp, pi = corners()[0]
    T, N = 6, 50_000
    b = finite_horizon_values(mdp, pi, T)[0]
    moments = exact_moments(mdp, pi, T, features=features, baseline=b)
    batch = sample_trajectories(mdp, pi, N, T, np.random.default_rng(7))
    for kappa, beta in ((1.0, 0.0), (0.0, 0.0), (0.0, 1.0)):
        g = per_trajectory_gradients(batch, pi, mdp.gamma, features=features, kappa=kappa, baseline=beta * b)
        g = g.reshape(N, -1)
        mean, covariance = moments.estimator(kappa=kappa, beta=beta)
        error = np.sqrt(np.diag(covariance) / N)
        assert (abs(g.mean(axis=0) - mean) < 4.5 * error).all()  # 15 comparisons at 4.5 standard errors: 1e-4
        square = ((g - mean) ** 2).sum(axis=1)
        assert abs(square.mean() - np.trace(covariance)) < 4.5 * square.std() / np.sqrt(N)


# Generalised advantage estimation ---------------------------------------------------------------------------


def gae(tau, V, gamma, lam, t):
    """Σ_l (γλ)^l δ_{t+l}, δ_k = r_k + γV_{k+1}(s_{k+1}) − V_k(s_k), with V = 0 after the last step."""
    T, total = len(tau.states), 0.0
    for k in range(t, T):
        ahead = V[k + 1, tau.states[k + 1]] if k + 1 < T else 0.0
        total += (gamma * lam) ** (k - t) * (tau.rewards[k] + gamma * ahead - V[k, tau.states[k]])
    return total


@pytest.mark.proves("prop-gae")
@given(st.data())
def test_gae_between_its_two_ends(data):
    mdp, pi, _, horizon = data.draw(cases())
    gamma, any_V = mdp.gamma, data.draw(baselines(mdp, horizon))
    for tau in oracles.trajectories(*plain(mdp), pi, horizon):
        for t in range(horizon):
            excess = oracles.return_from(tau.rewards, gamma, t) - any_V[t, tau.states[t]]
            close(gae(tau, any_V, gamma, 1.0, t), excess, 1e-12)
            ahead = any_V[t + 1, tau.states[t + 1]] if t + 1 < horizon else 0.0
            close(
                gae(tau, any_V, gamma, 0.0, t),
                tau.rewards[t] + gamma * ahead - any_V[t, tau.states[t]],
                1e-12,
            )
    V, Q = finite_horizon_values(mdp, pi, horizon)
    for lam in (0.0, 0.5, 1.0):  # with the true V the conditional mean is the advantage, whatever λ
        for t in range(horizon):
            means = oracles.conditional_mean(
                lambda tau, t=t, lam=lam: gae(tau, V, gamma, lam, t),
                lambda tau, t=t: (tau.states[t], tau.actions[t]),
                plain(mdp),
                pi,
                horizon,
            )
            for (s, a), average in means.items():
                close(average, Q[t, s, a] - V[t, s], 1e-11)


@pytest.mark.proves("prop-gae")
def test_gae_with_a_wrong_value_is_biased_unless_lambda_is_one():
    mdp, pi, T = a_small_mdp(), np.array([[0.25, 0.75], [0.5, 0.5]]), 3
    psi, gamma, wrong = oracles.scores(pi), mdp.gamma, np.tile([0.0, 4.0], (3, 1))

    def estimate(tau, V, lam):
        steps = enumerate(zip(tau.states, tau.actions, strict=True))
        return sum(gamma**t * gae(tau, V, gamma, lam, t) * psi[s, a] for t, (s, a) in steps)

    truth = oracles.mean(lambda tau: oracles.g_hat(tau, psi, gamma), plain(mdp), pi, T)
    V, _ = finite_horizon_values(mdp, pi, T)

    def bias(values, lam):
        return oracles.mean(lambda tau: estimate(tau, values, lam), plain(mdp), pi, T) - truth

    def leak(tau, lam):  # the sum telescopes: of the error ε = wrong − V there remains γ(1−λ) Σ (γλ)ˡ ε(s_{t+l+1})
        total, error = np.zeros(psi.shape[-1]), wrong - V
        for t in range(T):
            later = sum((gamma * lam) ** (k - t - 1) * error[k, tau.states[k]] for k in range(t + 1, T))
            total += gamma**t * gamma * (1 - lam) * later * psi[tau.states[t], tau.actions[t]]
        return total

    for lam in (0.0, 0.5, 0.9, 1.0):
        assert np.linalg.norm(bias(V, lam)) < 1e-12
        close(bias(wrong, lam), oracles.mean(lambda tau, lam=lam: leak(tau, lam), plain(mdp), pi, T), 1e-12)
        assert (np.linalg.norm(bias(wrong, lam)) > 1e-3) == (lam < 1)


# What is refused --------------------------------------------------------------------------------------------

MDP = a_small_mdp()
PI = np.full((2, 2), 0.5)
FEATURES = np.ones((2, 2, 3))
BATCH = Trajectories(np.zeros((4, 3), int), np.zeros((4, 3), int), np.zeros((4, 3)))
RNG = np.random.default_rng(0)
NO_POLICIES = [
    np.full((2, 2), 0.4),
    np.full((3, 2), 0.5),
    np.ones(2),
    np.array([[1.5, -0.5], [0.5, 0.5]]),
    "x",
    None,
]
NO_COUNTS = [0, -1, 2.0, "3", None, True]
NO_FEATURES = [np.ones((2, 2)), np.ones((3, 2, 3)), np.full((2, 2, 3), np.nan), "x"]
NO_BASELINES = [np.ones(3), np.ones((2, 2)), np.ones((3, 3)), 1.0, np.array([np.nan, 0.0]), "x"]
REFUSED = [
    *(
        ("theta", softmax_policy, (bad,))
        for bad in (np.ones(3), 1.0, np.ones((2, 2, 2)), [[np.nan, 0.0]], "x", [[1], [1, 2]])
    ),
    *(("pi", score_table, (bad,)) for bad in (np.ones(2), "x", None)),
    *(("theta", exact_gradient, (MDP, bad)) for bad in (np.ones((3, 2)), np.ones(4), "x")),
    *(("pi", f, (MDP, bad, 3)) for bad in NO_POLICIES for f in (finite_horizon_values, state_distributions)),
    *(("pi", f, (MDP, bad, 3)) for bad in NO_POLICIES for f in (per_step_baseline, optimal_baseline, exact_moments)),
    *(("pi", sample_trajectories, (MDP, bad, 4, 3, RNG)) for bad in NO_POLICIES),
    *(("horizon", f, (MDP, PI, bad)) for bad in NO_COUNTS for f in (finite_horizon_values, state_distributions)),
    *(
        ("horizon", f, (MDP, PI, bad))
        for bad in NO_COUNTS
        for f in (per_step_baseline, optimal_baseline, exact_moments)
    ),
    *(("horizon", sample_trajectories, (MDP, PI, 4, bad, RNG)) for bad in NO_COUNTS),
    *(("horizons", variance_against_horizon, (MDP, PI, [1, bad])) for bad in NO_COUNTS),
    *(("n", sample_trajectories, (MDP, PI, bad, 3, RNG)) for bad in NO_COUNTS),
]
REFUSED_OPTIONS = [
    *(
        ("theta", softmax_policy, (bad,), {"features": FEATURES})
        for bad in (np.ones(2), np.ones((2, 2)), [np.inf, 0.0, 0.0], "x")
    ),
    *(
        ("features", softmax_policy, (np.ones(3),), {"features": bad})
        for bad in NO_FEATURES
        if np.shape(bad) != (3, 2, 3)
    ),
    *(("features", score_table, (PI,), {"features": bad}) for bad in NO_FEATURES),
    *(("horizon", exact_gradient, (MDP, PI), {"horizon": bad}) for bad in NO_COUNTS if bad is not None),
    *(("baseline", exact_moments, (MDP, PI, 3), {"baseline": bad}) for bad in NO_BASELINES),
    *(("baseline", per_trajectory_gradients, (BATCH, PI, 0.9), {"baseline": bad}) for bad in NO_BASELINES),
    *(("features", per_trajectory_gradients, (BATCH, PI, 0.9), {"features": bad}) for bad in NO_FEATURES),
    *(("features", exact_moments, (MDP, PI, 3), {"features": bad}) for bad in NO_FEATURES),
    *(("features", optimal_baseline, (MDP, PI, 3), {"features": bad}) for bad in NO_FEATURES),
    *(("features", per_step_baseline, (MDP, PI, 3), {"features": bad}) for bad in NO_FEATURES),
    *(("features", exact_gradient, (MDP, np.ones(3)), {"features": bad}) for bad in NO_FEATURES),
]


@pytest.mark.parametrize(
    ("name", "function", "arguments", "options"), [*((*row, {}) for row in REFUSED), *REFUSED_OPTIONS]
)
def test_bad_arguments_raise_a_value_error_that_names_them(name, function, arguments, options):
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        function(*arguments, **options)


# What samples say ---------------------------------------------------------------------------------------------


def test_estimated_moments_are_unbiased():
    """Over all samples of size 2 from three values, mean and variance average to the true ones."""
    values = np.array([[0.0, 1.0], [2.0, -1.0], [5.0, 3.0]])
    pairs = [estimate_moments(values[[i, j]]) for i in range(3) for j in range(3)]
    close(np.mean([pair.mean for pair in pairs], axis=0), values.mean(axis=0), 1e-12)
    close(np.mean([pair.variance for pair in pairs]), values.var(axis=0).sum(), 1e-12)


def test_estimated_errors_are_those_of_the_mean():
    """Both standard errors against their definition: the spread of one sample's share over √N."""
    g_hat = np.random.default_rng(0).normal(size=(50, 2, 3))
    seen = estimate_moments(g_hat)
    close(seen.mean_error, np.std(g_hat, axis=0, ddof=1) / np.sqrt(50), 1e-12)
    squares = [((g - g_hat.mean(axis=0)) ** 2).sum() * 50 / 49 for g in g_hat]
    close(seen.variance, np.mean(squares), 1e-12)
    close(seen.variance_error, np.std(squares, ddof=1) / np.sqrt(50), 1e-12)


def test_one_sample_has_no_variance():
    with pytest.raises(ValueError, match=r"g_hat must hold at least 2 samples, got shape \(1,"):
        estimate_moments(np.zeros((1, 3)))
