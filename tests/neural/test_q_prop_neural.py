"""rlbook.neural.q_prop: an estimator that is right, a critic of the current policy, and learning that learns."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv

import rlbook.neural as neural
from rlbook.neural import (
    RULES,
    SINGLE_SAMPLE_RULES,
    Batch,
    Control,
    Critic,
    Episodes,
    GaussianPolicy,
    Pendulums,
    Replay,
    Terms,
    Transitions,
    action_slope,
    as_transitions,
    compare_q_prop,
    control_weights,
    evaluation_target,
    fit_control,
    fit_critic,
    fit_share,
    gae,
    measure_advantage_parts,
    measure_q_prop_variance,
    mlp,
    q_prop_gradients,
    q_prop_model,
    q_prop_terms,
    rollout,
    track,
    train_q_prop,
)
from tests.sources import code_cells

GAMMA = 0.9


@pytest.fixture(autouse=True)
def few_threads():
    """Tensors this small are only slowed down by threads."""
    with neural.one_thread():
        yield


# Problems whose gradient is known ------------------------------------------------------------------------


class Known(VectorEnv):
    """N episodes of T steps from given states (N, d), which terminate; r and s' are functions of s and m numbers a."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, states, reward, move, steps, m=1):
        self.num_envs, self.start, self.reward, self.move, self.steps = len(states), states, reward, move, steps
        self.single_observation_space, self.single_action_space = (
            Box(-np.inf, np.inf, (n,), np.float64) for n in (states.shape[1], m)
        )

    def reset(self, *, seed=None, options=None):
        self.state, self.t = self.start, 0
        return self.state, {}

    def step(self, actions):
        rewards, self.state = self.reward(self.state, actions), self.move(self.state, actions)
        self.t += 1
        none = np.zeros(self.num_envs, dtype=bool)
        return self.state, rewards, none | (self.t == self.steps), none, {}


class Nodes(np.random.Generator):
    """A generator that draws the nodes z (T, N, m) of a quadrature one after another."""

    def __init__(self, z):
        super().__init__(np.random.PCG64(0))
        self.z = iter(z)

    def integers(self, high):
        return 0

    def normal(self, mean, sigma):
        return mean + sigma * next(self.z)


def quadrature(dimensions, n):
    """Nodes (n**dimensions, dimensions) and weights for means under N(0, I), exact to degree 2n − 1 in each."""
    z, w = np.polynomial.hermite_e.hermegauss(n)
    grid = np.stack(np.meshgrid(*[z] * dimensions, indexing="ij"), axis=-1).reshape(-1, dimensions)
    weights = np.prod(np.stack(np.meshgrid(*[w / w.sum()] * dimensions, indexing="ij")), axis=0).ravel()
    return grid, weights


def linear_policy(W, sigma):
    """N(Ws, diag σ²) in double precision."""
    network = torch.nn.Linear(*W.shape[::-1], bias=False).double()
    network.weight.data = torch.as_tensor(W)
    return GaussianPolicy(network, torch.log(torch.as_tensor(sigma)))


class Quadratic(torch.nn.Module):
    """Q(s,a) = sᵀBa − ½ aᵀHa."""

    def __init__(self, B, H):
        super().__init__()
        self.B, self.H = (torch.nn.Parameter(torch.as_tensor(x)) for x in (B, H))

    def forward(self, s, a):
        return ((s @ self.B * a) - (a @ self.H) * a / 2).sum(-1, keepdim=True)


def some_control(policy, rng, d, critic=None):
    """A control whose value, critic and share are far from anything true."""
    value, share = (mlp(d, 1, hidden=5, rng=rng).double() for _ in range(2))
    value[-1].weight.data *= 100
    share[-1].weight.data *= 200
    if critic is None:
        critic = Critic(mlp(d + len(policy.log_sigma), 1, hidden=6, rng=rng).double())
        critic.network[-1].weight.data *= 200
    return Control(policy, value, critic, share)


@pytest.mark.proves("thm-q-prop", "eq-q-prop", "thm-action-baseline", "prop-sigma-correction")
@pytest.mark.mends(33)
@pytest.mark.parametrize("rule", RULES)
def test_the_mean_gradient_of_one_step_is_the_closed_form(rule):
    """r = sᵀBa − ½aᵀHa, a ~ N(Ws, diag σ²): ∇_W η = E[(Bᵀs − HWs) sᵀ], ∇_{log σ} η = −diag(H) σ².

    The mean over actions is a quadrature that is exact for these polynomials; the critic is another quadratic.
    Subtracting alone is wrong for every rule but "none".
    """
    rng = np.random.default_rng(0)
    d, m = 3, 2
    states, W, B = rng.normal(size=(4, d)), rng.normal(size=(m, d)), rng.normal(size=(d, m))
    H, sigma = np.array([[1.3, 0.4], [0.4, 0.8]]), np.array([0.7, 1.2])
    z, weights = quadrature(m, 4)
    starts, weights = np.repeat(states, len(z), axis=0), np.tile(weights, len(states)) / len(states)
    envs = Known(starts, lambda s, a: (s @ B * a - a @ H * a / 2).sum(1), lambda s, a: s, 1, m)

    critic = Quadratic(rng.normal(size=(d, m)), np.array([[0.5, -0.2], [-0.2, 2.0]]))
    batch = some_control(linear_policy(W, sigma), rng, d, critic).play(envs, Nodes([np.tile(z, (len(states), 1))]))
    assert batch.share.min() < 0 < batch.share.max()

    dW = np.mean([np.outer(B.T @ s - H @ W @ s, s) for s in states], axis=0)
    expected = np.concatenate([-np.diag(H) * sigma**2, dW.ravel()])  # log σ is the first of the parameters
    terms = q_prop_terms(rule, batch, GAMMA)
    np.testing.assert_allclose(weights @ q_prop_gradients(batch, terms), expected, rtol=1e-10, atol=1e-12)

    alone = weights @ q_prop_gradients(batch, terms._replace(correction=0 * terms.correction))
    np.testing.assert_allclose(alone[:m], expected[:m], rtol=1e-10, atol=1e-12)  # Σ needs no correction
    kappa = control_weights(rule, batch, 0 * batch.share)[:: len(z)]
    slopes = kappa * action_slope(critic, torch.as_tensor(states), torch.as_tensor(states @ W.T)).numpy()
    missing = (slopes.T @ states / len(states)).ravel()
    np.testing.assert_allclose(expected[m:] - alone[m:], missing, rtol=1e-9, atol=1e-11)
    assert (abs(missing).max() > 0.1) == (rule != "none")


def two_steps(rng):
    """Two steps over every pair of actions of a quadrature: the batch, its weights, the exact ∇η, and the control."""
    W, sigma, starts = np.array([[0.6, -0.3]]), np.array([0.8]), rng.normal(size=(3, 2))

    def reward(s, a):
        return s[:, 0] * a[:, 0] - a[:, 0] ** 2 + 0.5 * s[:, 1]

    def move(s, a):
        stack = torch.stack if isinstance(s, torch.Tensor) else np.stack
        return stack([s[:, 0] + a[:, 0] - s[:, 1], 0.5 * s[:, 1] + s[:, 0] * a[:, 0]], -1)

    z, weights = quadrature(2, 7)
    states, z = np.repeat(starts, len(z), axis=0), np.tile(z, (3, 1))
    weights = np.tile(weights, 3) / 3
    policy = linear_policy(W, sigma)
    control = some_control(policy, rng, 2)
    batch = control.play(Known(states, reward, move, 2), Nodes(z.T[:, :, None]))

    def exact(theta):
        """η by quadrature, the actions moved along with θ = (log σ, W): differentiable without any score."""
        s, total = torch.as_tensor(states), 0
        for t in range(2):
            a = s @ theta[1:, None] + theta[0].exp() * torch.as_tensor(z[:, t, None])
            total, s = total + GAMMA**t * reward(s, a), move(s, a)
        return (torch.as_tensor(weights) * total).sum()

    theta = torch.cat([policy.log_sigma.data, policy.network.weight.data.ravel()]).requires_grad_()
    return batch, weights, torch.autograd.grad(exact(theta), theta)[0].numpy(), control


@pytest.mark.proves("prop-q-prop-bias", "thm-q-prop")
@pytest.mark.mends(34)
def test_the_bias_is_that_of_the_advantage_and_none_at_lambda_one():
    """Two steps, a network for critic. γᵗ belongs in both terms: without it the mean is another vector."""
    batch, weights, exact, _ = two_steps(np.random.default_rng(1))
    biases = {}
    for lam in (0.0, 0.5, 1.0):
        plain, *others = (
            weights @ q_prop_gradients(batch, q_prop_terms(rule, batch, GAMMA, lam=lam)) for rule in RULES
        )
        for other in others:
            np.testing.assert_allclose(other, plain, rtol=1e-9, atol=1e-10)
        biases[lam] = np.linalg.norm(plain - exact)
    assert biases[1.0] < 1e-10
    assert min(biases[0.0], biases[0.5]) > 0.05
    for rule in RULES:
        dropped = weights @ q_prop_gradients(batch, q_prop_terms(rule, batch, GAMMA, discount=False))
        assert np.linalg.norm(dropped - exact) > 0.01


@pytest.mark.proves("eq-q-prop")
def test_the_chapters_own_lines_weigh_a_batch_as_q_prop_gradients_does():
    """The cell of the algorithm's third line, with a control, episodes and two actions that it has not seen."""
    (source,) = (source for source, _ in code_cells(5) if "normal.log_prob" in source)
    rng = np.random.default_rng(0)
    control = some_control(linear_policy(rng.normal(size=(2, 3)), np.array([0.5, 1.5])), rng, 3)
    envs = Known(rng.normal(size=(6, 3)), lambda s, a: (s[:, :2] * a).sum(1), lambda s, a: 0.9 * s, steps=4, m=2)
    batch = control.play(envs, rng)
    played = batch.episodes
    assert played.alive.shape == (6, 4)
    advantages = gae(played, batch.values, batch.last_values, GAMMA, 0.8)
    columns = played.observations, played.actions, batch.share, advantages, played.alive * GAMMA ** np.arange(4)
    names = {"torch": torch, "frozen": control, "columns": [torch.as_tensor(x) for x in columns]}
    exec(source, names)
    got = torch.cat([g.ravel() for g in names["g_hat"]]).numpy()
    wanted = q_prop_gradients(batch, q_prop_terms("adaptive", batch, GAMMA, lam=0.8)).mean(axis=0)
    np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)
    plain = q_prop_gradients(batch, q_prop_terms("none", batch, GAMMA, lam=0.8)).mean(axis=0)
    assert abs(got - plain).max() > 0.1 * abs(got).max(), "the control matters here"


@pytest.mark.proves("thm-q-prop")
@pytest.mark.mends(38)
def test_the_residual_holds_the_tangent_and_not_the_critic():
    """With Q_w(s,a) − Q_w(s,μ) in its place and the same correction, the mean is another vector."""
    batch, weights, exact, control = two_steps(np.random.default_rng(1))
    terms = q_prop_terms("full", batch, GAMMA)
    x, a = torch.as_tensor(batch.episodes.observations), torch.as_tensor(batch.episodes.actions)
    with torch.no_grad():
        mean = batch.policy(x)[..., :1]
        whole = (control.critic(x, a) - control.critic(x, mean))[..., 0].numpy()
    wrong = terms._replace(residual=terms.residual + GAMMA ** np.arange(2) * (batch.tangent - whole))
    assert np.linalg.norm(weights @ q_prop_gradients(batch, terms) - exact) < 1e-10
    assert np.linalg.norm(weights @ q_prop_gradients(batch, wrong) - exact) > 0.01


@pytest.mark.proves("prop-taylor-correction", "prop-sigma-correction", "eq-taylor-action")
@pytest.mark.mends(36)
def test_the_correction_is_the_slope_pulled_back_through_the_mean():
    """(∂μ/∂θ)ᵀ ∇_aQ_w(s,a)|_μ with both derivatives by central differences; 0 for log σ; Ā_w = ∇_aQ_w·(a − μ)."""
    rng = np.random.default_rng(2)
    policy = GaussianPolicy(mlp(3, 2, hidden=4, rng=rng).double(), torch.tensor([0.3, -0.5]).double())
    policy.network[-1].weight.data *= 100
    control, N = some_control(policy, rng, 3), 6
    batch = control.play(Known(rng.normal(size=(N, 3)), lambda s, a: s[:, 0], lambda s, a: s, 1, 2), rng)
    x, actions = (torch.as_tensor(y[:, 0]) for y in (batch.episodes.observations, batch.episodes.actions))
    h = 1e-6

    def q(a):
        return control.critic(x, a).detach().numpy()[:, 0]

    def mean():
        return policy.network(x).detach().numpy()

    a_bar = torch.as_tensor(mean())
    shifts = h * torch.eye(2).double()
    slope = np.stack([(q(a_bar + e) - q(a_bar - e)) / (2 * h) for e in shifts], axis=-1)
    np.testing.assert_allclose(batch.slope[:, 0], slope, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(batch.tangent[:, 0], (slope * (actions.numpy() - mean())).sum(1), rtol=1e-6, atol=1e-8)

    columns = []
    for p in policy.network.parameters():
        flat = p.data.view(-1)
        for i in range(len(flat)):
            flat[i] += h
            ahead = mean()
            flat[i] -= 2 * h
            columns.append((slope * (ahead - mean())).sum(1) / (2 * h))
            flat[i] += h
    terms = q_prop_terms("full", batch, GAMMA)
    correction = q_prop_gradients(batch, terms._replace(residual=0 * terms.residual))
    np.testing.assert_array_equal(correction[:, :2], 0)
    np.testing.assert_allclose(correction[:, 2:], np.transpose(columns), rtol=1e-5, atol=1e-8)


@pytest.mark.proves("prop-single-sample")
def test_rules_on_a_single_sample_are_biased_and_by_how_much():
    """a = z, Â = c z + τε, slope q, σ = 1: −qk/(π(1+k²)) for the conservative rule, twice that for the other, k = c/τ.

    The mean of 400,000 samples, within 4.5 standard errors; the true gradient is more than 10 of them away.
    """
    rng, N, c, tau, q = np.random.default_rng(3), 400_000, 0.8, 0.5, 0.6
    k, noise = c / tau, tau * rng.normal(size=N)
    envs = Known(np.zeros((N, 1)), lambda s, a: c * a[:, 0] + noise, lambda s, a: s, 1)
    flat, critic = torch.nn.Linear(1, 1).double(), Quadratic(np.ones((1, 1)), np.zeros((1, 1)))
    flat.weight.data.zero_()
    flat.bias.data.zero_()
    critic.forward = lambda s, a: q * a
    control = Control(linear_policy(np.zeros((1, 1)), np.ones(1)), flat, critic, flat)
    batch = control.play(envs, rng)
    z = batch.episodes.actions[..., 0]
    for rule, times in zip(SINGLE_SAMPLE_RULES, (1, 2), strict=True):
        terms = q_prop_terms(rule, batch, GAMMA)
        per_sample = terms.residual * z + terms.correction[..., 0]
        error = per_sample.std() / N**0.5
        predicted = c - times * q * k / (np.pi * (1 + k**2))
        assert abs(per_sample.mean() - predicted) < 4.5 * error
        assert abs(per_sample.mean() - c) > 10 * error


def test_rules_are_functions_of_the_state_or_say_that_they_are_not():
    rng = np.random.default_rng(4)
    share, tangent, advantages = rng.normal(size=(3, 5, 7))
    share[0, 0] = 0.0
    batch = Batch(None, None, None, None, None, tangent, share)
    expected = {
        "none": 0 * share,
        "full": 0 * share + 1,
        "conservative": (share > 0).astype(float),
        "aggressive": np.sign(share),
        "adaptive": share,
        "conservative, one sample": (advantages * tangent > 0).astype(float),
        "aggressive, one sample": np.sign(advantages * tangent),
    }
    assert tuple(expected) == RULES + SINGLE_SAMPLE_RULES
    for rule, kappa in expected.items():
        np.testing.assert_array_equal(control_weights(rule, batch, advantages), kappa)
    for rule in RULES:
        other = control_weights(rule, batch._replace(tangent=-tangent), rng.normal(size=share.shape))
        np.testing.assert_array_equal(other, expected[rule])


@pytest.mark.proves("prop-adaptive")
def test_the_share_that_is_learned_is_k_over_w():
    """Â = (1 − 2s) Ā/2 + noise that knows nothing of a, Ā = (1 + s²) z: K/W = ½ − s, though W depends on s as well."""
    rng, shape = np.random.default_rng(5), (200, 50)
    s, z, noise = rng.uniform(-1, 1, shape), rng.normal(size=shape), rng.normal(size=shape)
    tangent = (1 + s**2) * z
    advantages = (0.5 - s) * tangent + noise
    alive = np.ones(shape, dtype=bool)
    alive[:, 40:] = False
    s[~alive], advantages[~alive] = 7.0, 1e6  # padding must not count
    ends = np.ones(200, dtype=bool)
    episodes = Episodes(s[..., None], z[..., None], advantages, alive, s[:, -1:], ends, ~ends)
    batch = Batch(None, episodes, np.zeros(shape), np.zeros(200), None, tangent, None)
    share = torch.nn.Linear(1, 1).double()
    optimiser = torch.optim.Adam(share.parameters(), 0.05)
    fit_share(share, optimiser, batch, GAMMA, 0.0, 400)
    error = 4.5 / (8000 * 1.2) ** 0.5
    assert share.bias.item() == pytest.approx(0.5, abs=error)
    assert share.weight.item() == pytest.approx(-1, abs=2 * error)


# What is fixed before the batch --------------------------------------------------------------------------


def small_control(seed=6):
    rng = np.random.default_rng(seed)
    policy = GaussianPolicy(mlp(3, 1, hidden=4, rng=rng), torch.zeros(1))
    value, share = (mlp(3, 1, hidden=4, rng=rng) for _ in range(2))
    return policy, value, Critic(mlp(4, 1, hidden=(8, 8), rng=rng)), share


@pytest.mark.mends(37)
def test_what_is_learned_afterwards_changes_nothing_about_the_batch():
    """A control made before the originals learn plays and weighs the same batch as before, to the last bit."""
    modules, envs = small_control(), Pendulums(4, 20)
    control = Control(*modules)
    batch = control.play(envs, np.random.default_rng(7))
    before = q_prop_gradients(batch, q_prop_terms("adaptive", batch, GAMMA))
    memory = Replay(100)
    memory.add(as_transitions(batch.episodes))
    policy, value, critic, share = modules
    for module in modules:
        for p in module.parameters():
            p.data += 0.1
    fit_critic(
        critic,
        critic,
        torch.optim.Adam(critic.parameters(), 0.1),
        policy,
        memory,
        GAMMA,
        np.random.default_rng(8),
        steps=3,
        batch_size=10,
    )
    again = control.play(envs, np.random.default_rng(7))
    for column, other in zip(batch[2:], again[2:], strict=True):
        np.testing.assert_array_equal(column, other)
    for b in (batch, again):
        np.testing.assert_array_equal(q_prop_gradients(b, q_prop_terms("adaptive", b, GAMMA)), before)
    assert (Control(policy, value, critic, share).play(envs, np.random.default_rng(7)).slope != batch.slope).any()
    with pytest.raises(dataclasses.FrozenInstanceError):
        control.critic = critic


def test_only_what_a_control_played_can_be_weighed():
    policy, *_ = small_control()
    episodes = rollout(policy, Pendulums(2, 5), np.random.default_rng(0))
    with pytest.raises(ValueError, match="batch must be a Batch that a Control played, got Episodes"):
        q_prop_terms("full", episodes, GAMMA)


class Odd(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.network, self.function = torch.nn.Linear(3, 1), function

    def forward(self, s, a):
        return self.network(s) + self.function(a)


@pytest.mark.mends(35)
@pytest.mark.parametrize(
    "function",
    [
        lambda a: a.detach() ** 2,
        lambda a: 0.0,
        lambda a: torch.round(3 * a),
        lambda a: torch.sqrt(torch.relu(a) - torch.relu(a)),
    ],
)
def test_a_critic_that_is_not_differentiable_in_the_action_is_named(function):
    policy, value, _, share = small_control()
    control = Control(policy, value, Odd(function), share)
    with pytest.raises(ValueError, match="critic must be differentiable in a"):
        control.play(Pendulums(2, 5), np.random.default_rng(0))


def test_a_slope_that_happens_to_be_zero_is_one():
    critic, a = Odd(lambda a: a**2), torch.zeros(4, 1)
    np.testing.assert_array_equal(action_slope(critic, torch.ones(4, 3), a), 0)
    assert critic.network.weight.grad is None
    with pytest.raises(ValueError, match="policy must be a GaussianPolicy, got a Linear"):
        Control(torch.nn.Linear(3, 2), *[critic] * 3)


# The critic ----------------------------------------------------------------------------------------------


def test_the_memory_holds_vectors_of_actions_and_says_when_it_holds_nothing():
    rng, memory = np.random.default_rng(9), Replay(5)
    with pytest.raises(ValueError, match="at least one transition"):
        memory.sample(3, rng)
    policy, _, critic, _ = small_control()
    with pytest.raises(ValueError, match="at least one transition"):
        fit_critic(critic, critic, None, policy, memory, GAMMA, rng, steps=2)
    for first in (0, 4):
        i = np.arange(first, first + 4)
        columns = (np.tile(i, (3, 1)).T, np.tile(i, (2, 1)).T, 1.0 * i, np.tile(i + 1, (3, 1)).T, i % 2 == 0)
        memory.add(Transitions(*columns))
    assert len(memory) == 5
    drawn = memory.sample(1000, rng)
    assert drawn.actions.shape == (1000, 2)
    assert set(drawn.rewards) == {3, 4, 5, 6, 7}
    for column, expected in zip(drawn, (drawn.rewards, drawn.rewards, drawn.rewards, drawn.rewards + 1), strict=False):
        np.testing.assert_array_equal(column.reshape(1000, -1)[:, -1], expected)


def test_episodes_are_taken_apart_into_transitions():
    """Lengths 3, 1 and 2: no padding, no step that joins two episodes, and a truncation is no termination."""
    lengths, rng = [3, 1, 2], np.random.default_rng(10)
    alive = np.arange(3) < np.array(lengths)[:, None]
    observations, actions, rewards = rng.normal(size=(3, 3, 2)), rng.normal(size=(3, 3, 1)), rng.normal(size=(3, 3))
    last, terminated = rng.normal(size=(3, 2)), np.array([True, False, True])
    made = as_transitions(Episodes(observations, actions, rewards, alive, last, terminated, ~terminated))
    rows = iter(zip(*made, strict=True))
    for i, length in enumerate(lengths):
        for t in range(length):
            s, a, r, following, ended = next(rows)
            np.testing.assert_array_equal(s, observations[i, t])
            assert (a[0], r) == (actions[i, t, 0], rewards[i, t])
            np.testing.assert_array_equal(following, last[i] if t == length - 1 else observations[i, t + 1])
            assert ended == (t == length - 1 and terminated[i])
    assert next(rows, None) is None


def test_the_target_network_follows_by_polyaks_average():
    rng = np.random.default_rng(11)
    slow, fast = (mlp(2, 1, hidden=3, rng=rng).double() for _ in range(2))
    start, end = (torch.nn.utils.parameters_to_vector(x.parameters()).detach().clone() for x in (slow, fast))
    for _ in range(10):
        track(slow, fast, 0.3)
    moved = torch.nn.utils.parameters_to_vector(slow.parameters()).detach()
    np.testing.assert_allclose(moved, end + 0.7**10 * (start - end), rtol=1e-12)
    np.testing.assert_array_equal(torch.nn.utils.parameters_to_vector(fast.parameters()).detach(), end)


@pytest.mark.proves("prop-critic-target")
def test_the_mean_of_the_target_is_bellmans_operator_of_the_policy():
    """E_a'[y] for a quadratic critic by quadrature: r + γ(Q(s',μ) − ½ Σ H_ii σ_i²), and r where s' terminated."""
    rng, d, m = np.random.default_rng(12), 3, 2
    W, sigma, H = rng.normal(size=(m, d)), np.array([0.4, 1.1]), np.array([[1.5, 0.3], [0.3, 0.9]])
    critic, policy = Quadratic(rng.normal(size=(d, m)), H), linear_policy(W, sigma)
    n = 6
    ended = np.arange(n) % 3 == 0
    made = Transitions(
        rng.normal(size=(n, d)), rng.normal(size=(n, m)), rng.normal(size=n), rng.normal(size=(n, d)), ended
    )
    z, weights = quadrature(m, 3)
    mean = policy.network(torch.as_tensor(made.next_observations)).detach()
    y = sum(
        w * evaluation_target(critic, made, mean + torch.as_tensor(node * sigma), GAMMA)
        for node, w in zip(z, weights, strict=True)
    )
    at_mean = critic(torch.as_tensor(made.next_observations), mean).detach().numpy()[:, 0]
    expected = made.rewards + GAMMA * ~ended * (at_mean - (np.diag(H) * sigma**2).sum() / 2)
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-12)
    assert not y.requires_grad


class Features(torch.nn.Module):
    """Q(s,a) = w · (s², sa, a², 1), for numbers s and a."""

    def __init__(self):
        super().__init__()
        self.w = torch.nn.Linear(4, 1, bias=False).double()
        self.w.weight.data.zero_()

    def forward(self, s, a):
        return self.w(torch.cat([s**2, s * a, a**2, torch.ones_like(s)], dim=-1))


@pytest.mark.proves("prop-critic-target")
@pytest.mark.mends(39)
def test_the_critic_finds_the_value_of_the_policy_from_another_ones_transitions():
    """s' = s + a/2, r = −s² − 0.3a²; uniform data, π = N(ks, σ²): the closed form of Q^π, which is not that of Q*."""
    alpha, beta, cost, k, sigma = 1.0, 0.5, 0.3, -0.2, 0.6

    def quadratic(p, c):
        return np.array(
            [-1 - GAMMA * p * alpha**2, -2 * GAMMA * p * alpha * beta, -cost - GAMMA * p * beta**2, -GAMMA * c]
        )

    p = (1 + cost * k**2) / (1 - GAMMA * (alpha + beta * k) ** 2)  # V^π(s) = −ps² − c
    c = sigma**2 * (cost + GAMMA * p * beta**2) / (1 - GAMMA)
    best = 1.0
    for _ in range(200):  # Riccati's equation for V*(s) = −best s²
        best = 1 + GAMMA * best * alpha**2 * cost / (cost + GAMMA * best * beta**2)
    expected, optimal = quadratic(p, c), quadratic(best, 0.0)

    rng = np.random.default_rng(13)
    s, a = rng.uniform(-1.5, 1.5, (2, 4000, 1))
    following, reward = alpha * s + beta * a, (-(s**2) - cost * a**2)[:, 0]
    memory, critic, target_network = Replay(4000), Features(), Features()
    memory.add(Transitions(s, a, reward, following, np.zeros(4000, dtype=bool)))
    policy = linear_policy(np.array([[k]]), np.array([sigma]))
    for rate in (0.3, 0.1, 0.02):
        optimiser = torch.optim.Adam(critic.parameters(), rate)
        fit_critic(critic, target_network, optimiser, policy, memory, GAMMA, rng, steps=400, batch_size=256, rate=0.1)
    found = critic.w.weight.detach().numpy()[0]
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.02)
    assert (abs(found - optimal) > 5 * abs(found - expected)).all()


# Steps and training --------------------------------------------------------------------------------------


@pytest.mark.proves("eq-q-prop")
def test_the_local_model_has_the_estimators_gradient_and_its_integral():
    """g is the mean over steps of the gradients, and the derivative of the gain at 0 (central differences)."""
    rng = np.random.default_rng(14)
    policy = GaussianPolicy(mlp(3, 1, hidden=3, rng=rng).double(), torch.tensor([0.2]).double())
    policy.network[-1].weight.data *= 100
    batch = some_control(policy, rng, 3).play(Pendulums(5, 12), rng)
    for rule in ("none", "full", "adaptive"):
        terms = q_prop_terms(rule, batch, GAMMA, discount=False)
        model = q_prop_model(batch, terms)
        mean = q_prop_gradients(batch, terms).sum(axis=0) / batch.episodes.alive.sum()
        np.testing.assert_allclose(model.gradient, mean, rtol=1e-9, atol=1e-12)
        n, h = len(mean), 1e-5
        assert model.objective(np.zeros(n)) == 0
        slopes = [(model.objective(e) - model.objective(-e)) / (2 * h) for e in h * np.eye(n)]
        np.testing.assert_allclose(model.gradient, slopes, rtol=1e-5, atol=1e-7)


def test_terms_are_zero_in_the_padding():
    policy, value, critic, share = small_control()
    batch = Control(policy, value, critic, share).play(Pendulums(3, 4), np.random.default_rng(15))
    alive = batch.episodes.alive.copy()
    alive[0, 2:] = False
    ended = np.array([True, False, False])
    episodes = batch.episodes._replace(
        alive=alive, terminated=ended, truncated=~ended, rewards=batch.episodes.rewards * alive
    )
    batch = batch._replace(episodes=episodes, share=batch.share + 1)
    terms = q_prop_terms("adaptive", batch, GAMMA, lam=0.7)
    assert isinstance(terms, Terms)
    assert not terms.residual[~alive].any()
    assert not terms.correction[~alive].any()
    advantages = gae(episodes, batch.values, batch.last_values, GAMMA, 0.7)
    t = np.arange(4)
    expected = GAMMA**t * (advantages - batch.share * batch.tangent)
    np.testing.assert_allclose(terms.residual[alive], expected[alive], rtol=1e-12)
    np.testing.assert_allclose(
        terms.correction[alive], ((GAMMA**t * batch.share)[..., None] * batch.slope)[alive], rtol=1e-12
    )


@pytest.fixture(scope="module")
def trained():
    """A short run of Q-Prop."""
    return train_q_prop("full", seed=1, batches=14)


def test_training_is_reproducible_by_its_seed():
    torch.set_num_threads(2)
    runs = [train_q_prop("adaptive", seed=seed, batches=2, n_episodes=3, critic_steps=3) for seed in (7, 7, 8)]
    weights = [torch.nn.utils.parameters_to_vector(run.policy.parameters()) for run in runs]
    assert [torch.equal(weights[0], w) for w in weights] == [True, True, False]
    np.testing.assert_array_equal(runs[0].mean_returns, runs[1].mean_returns)
    np.testing.assert_array_equal(runs[0].steps, [600, 1200])
    assert torch.get_num_threads() == 2


def test_training_swings_the_pendulum_higher(trained):
    """From about −1300, which is hanging about, to over −900 in 14 batches of 8 episodes."""
    curve = trained.mean_returns
    assert curve[:2].mean() < -1150
    assert curve[-3:].mean() > -900


def test_a_comparison_has_one_run_a_seed_and_variant():
    runs = compare_q_prop(seeds=(3, 4), batches=2, n_episodes=2, critic_steps=2)
    assert tuple(runs) == tuple(neural.Q_PROP_VARIANTS)
    for name, settings in neural.Q_PROP_VARIANTS.items():
        assert [len(run.mean_returns) for run in runs[name]] == [2, 2]
        again = train_q_prop(seed=4, batches=2, n_episodes=2, critic_steps=2, **settings)
        np.testing.assert_array_equal(runs[name][1].mean_returns, again.mean_returns)


def test_the_controls_of_a_run_are_those_before_each_batch(trained):
    """Each knows another policy and another critic, and the last does not know the trained policy."""
    vector = torch.nn.utils.parameters_to_vector
    policies = [*(control.policy for control in trained.controls), trained.policy]
    for modules in (policies, [control.critic for control in trained.controls]):
        weights = [vector(module.parameters()).detach() for module in modules]
        assert len(weights) >= 14
        assert all((a != b).any() for a, b in itertools.pairwise(weights))


# Variance ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(trained):
    """What was learned for the policy that a run starts with, and its estimators."""
    control = fit_control(trained.controls[0].policy, seed=2)
    return control, measure_q_prop_variance(control, seed=3, n_episodes=2000)


@pytest.mark.proves("prop-q-prop-bias")
def test_measured_biases_are_those_of_the_theory(measured):
    """Within 4 times what chance gives for the unbiased estimators, outside it for the rules on a single sample."""
    _, variance = measured
    at = dict(zip(variance.names, zip(variance.bias, variance.bias_error, strict=True), strict=True))
    for rule in RULES[1:]:
        bias, chance = at[f"Q-Prop, {rule}"]
        assert bias < 4 * chance < 0.2
    for rule in SINGLE_SAMPLE_RULES:
        bias, chance = at[f"Q-Prop, {rule}"]
        assert bias > 2 * chance


def test_measured_variances_are_those_of_the_estimators(measured):
    """REINFORCE's is far above, GAE's below; and of Q-Prop's rules none gains as much as a tenth, on this task."""
    control, variance = measured
    relative = dict(zip(variance.names, variance.relative, strict=True))
    assert relative["V baseline"] == 1
    assert variance.relative_error[0] == variance.bias[0] == variance.bias_error[0] == 0
    assert relative["REINFORCE"] > 20
    assert relative["GAE, λ = 0.9"] < 0.8
    assert all(relative[f"Q-Prop, {rule}"] > 0.9 for rule in RULES[1:])
    again = control.play(Pendulums(2000), np.random.default_rng(3))
    g = q_prop_gradients(again, q_prop_terms("full", again, 0.95))
    i = variance.names.index("Q-Prop, full")
    np.testing.assert_allclose(variance.mean[i], g.mean(axis=0), rtol=1e-12, atol=1e-13)
    assert variance.total[i] == pytest.approx(np.trace(np.cov(g.T)), rel=1e-9)
    assert len(str(variance).splitlines()) == 1 + len(variance.names)


def test_the_errors_of_a_measurement_are_those_of_its_repetition(measured):
    """Totals and ratios from 16 sets of 100 episodes scatter as each of them says, within a factor of two."""
    control, _ = measured
    runs = [measure_q_prop_variance(control, seed=seed, n_episodes=100) for seed in range(16)]
    i = runs[0].names.index("Q-Prop, aggressive, one sample")
    for value, error in (("total", "total_error"), ("relative", "relative_error")):
        scatter = np.std([getattr(run, value)[i] for run in runs], ddof=1)
        assert 0.5 < scatter / np.mean([getattr(run, error)[i] for run in runs]) < 2


def test_the_parts_of_the_advantage_add_up(measured):
    """Their sum is the mean of Â² over other episodes, weighted by γᵗ, within 4.5 standard errors; none is negative."""
    control, _ = measured
    made = measure_advantage_parts(control, seed=4)
    batch = control.play(Pendulums(1000), np.random.default_rng(5))
    squares = gae(batch.episodes, batch.values, batch.last_values, 0.95, 1.0)[:, :100] ** 2
    w = 0.95 ** np.arange(100)
    means = squares @ w / w.sum()
    error = np.hypot(np.linalg.norm(made.errors), means.std() / 1000**0.5)
    assert abs(made.parts.sum() - means.mean()) < 4.5 * error
    assert (made.parts > 0).all()
    assert len(str(made).splitlines()) == 3


def test_the_actions_share_is_by_far_the_smallest_whatever_the_fit():
    """The chapter's policy, two fits at the same states. Which other part is larger depends on policy and machine."""
    policy = train_q_prop("full", seed=0, batches=16).policy
    parts = [measure_advantage_parts(fit_control(policy, seed=seed), seed=1).parts for seed in (0, 1)]
    value, action, later = np.transpose(parts) / np.sum(parts, axis=1)
    assert (action < 0.08).all()
    assert (np.minimum(value, later) > 2 * action).all()


def test_a_policy_that_never_varies_has_only_the_error_of_its_baseline():
    policy, value, critic, share = small_control()
    policy.log_sigma.data.fill_(-20)
    made = measure_advantage_parts(Control(policy, value, critic, share), seed=0, n_states=20, n_actions=3, runs=2)
    assert abs(made.parts[1:]).max() < 1e-3 * made.parts[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": "bold"}, "rule must be one of none; full"),
        ({"lam": 1.1}, r"lam must be a number in \[0, 1\], got 1.1"),
        ({"lam": -0.1}, "lam"),
        ({"lam": True}, "lam"),
        ({"gamma": 1.0}, "gamma"),
        ({"delta": 0}, "delta"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"batches": 0}, "batches"),
        ({"critic_steps": 2.5}, "critic_steps"),
        ({"capacity": 0}, "capacity"),
        ({"hidden": (4, 0)}, "hidden"),
        ({"env": "CartPole-v1"}, "env must take actions from a Box"),
        ({"env": "FrozenLake-v1"}, "env must show vectors"),
    ],
)
def test_bad_settings_are_named(change, message):
    settings = {"rule": "full", "seed": 0, "batches": 1} | change
    with pytest.raises(ValueError, match=message):
        train_q_prop(settings.pop("rule"), **settings)


def test_bad_measurements_are_named():
    control = Control(*small_control())
    for change, message in (({"lam": 2}, "lam"), ({"gamma": 1}, "gamma"), ({"n_episodes": 1}, "at least 2")):
        with pytest.raises(ValueError, match=message):
            measure_q_prop_variance(control, **({"seed": 0} | change))
    for change, message in (({"n_states": 1}, "n_states"), ({"runs": 0}, "runs"), ({"horizon": 0.5}, "horizon")):
        with pytest.raises(ValueError, match=message):
            measure_advantage_parts(control, **({"seed": 0} | change))
    batch = control.play(Pendulums(1, 2), np.random.default_rng(0))
    for change, message in (({"lam": 2}, "lam"), ({"gamma": 1}, "gamma"), ({"rule": "none at all"}, "rule")):
        with pytest.raises(ValueError, match=message):
            q_prop_terms(**({"rule": "full", "batch": batch, "gamma": GAMMA} | change))
    for change in ({"batches": 0}, {"critic_steps": 0}, {"gamma": -1}):
        with pytest.raises(ValueError, match=next(iter(change))):
            fit_control(control.policy, **({"seed": 0} | change))
    with pytest.raises(ValueError, match="GaussianPolicy"):
        fit_control(mlp(3, 2, hidden=4, rng=np.random.default_rng(0)), seed=0)
