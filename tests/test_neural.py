"""rlbook.neural: episodes that are never joined, gradients that are right, learning that learns."""

import copy

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import rlbook.neural as neural
from rlbook import exact_gradient, garnet, softmax_policy
from rlbook.neural import (
    VARIANTS,
    Episodes,
    episode_gradients,
    gae,
    measure_gradient_variance,
    mlp,
    rollout,
    step_weights,
    train_reinforce,
)
from rlbook.policy_gradient import exact_moments, finite_horizon_values

GAMMA, HORIZON = 0.9, 6


class TabularEnv(gym.Env):
    """A tabular MDP as a Gymnasium environment that shows the state, and the time, as one-hot vectors.

    It terminates after HORIZON steps, so that its episodes are those of the T-step objective.
    """

    def __init__(self, mdp, horizon=HORIZON):
        self.mdp, self.horizon = mdp, horizon
        self.action_space = gym.spaces.Discrete(mdp.n_actions)
        self.observation_space = gym.spaces.Box(0, 1, (mdp.n_states + HORIZON + 1,), np.float64)

    def observe(self):
        shown = np.zeros(self.observation_space.shape)
        shown[self.state] = 1
        shown[self.mdp.n_states + min(self.t, HORIZON)] = 1
        return shown

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state, self.t = self.np_random.choice(self.mdp.n_states, p=self.mdp.rho0), 0
        return self.observe(), {}

    def step(self, action):
        reward = self.mdp.r[self.state, action]
        self.state = self.np_random.choice(self.mdp.n_states, p=self.mdp.P[self.state, action])
        self.t += 1
        return self.observe(), reward, self.t >= self.horizon, False, {}


@pytest.fixture(scope="module")
def tabular():
    """A small MDP, a policy as a linear network over the one-hot state, and 3000 of its episodes."""
    rng = np.random.default_rng(5)
    mdp = garnet(3, 2, 2, gamma=GAMMA, rng=rng)
    theta = rng.normal(size=(3, 2))
    policy = linear(np.vstack([theta, np.zeros((HORIZON + 1, 2))]))
    envs = SyncVectorEnv([lambda: TabularEnv(mdp)] * 3000)
    return mdp, theta, policy, rollout(policy, envs, rng)


def linear(table):
    """The module x ↦ x @ table, whose only parameter is the table's transpose."""
    module = torch.nn.Linear(*table.shape, bias=False, dtype=torch.float64)
    with torch.no_grad():
        module.weight.copy_(torch.as_tensor(table.T))
    return module


def time_baseline(mdp, theta):
    """The exact V_t(s), and a network over the one-hot state and time that returns a function close to it.

    A sum of one function of the state and one of the time, as such a network is, cannot equal every V_t(s).
    """
    V, _ = finite_horizon_values(mdp, softmax_policy(theta), HORIZON)
    by_state, by_time = V.mean(axis=0), V.mean(axis=1)
    table = np.concatenate([by_state, by_time - V.mean(), [0.0]])
    return by_state + by_time[:, None] - V.mean(), linear(table[:, None])


# Episodes ------------------------------------------------------------------------------------------------


def cartpole(limit):
    """CartPole's specification with another time limit."""
    spec = copy.deepcopy(gym.spec("CartPole-v1"))
    spec.max_episode_steps = limit
    return spec


def replay(spec, seeds, batch):
    """The episodes of single environments, one after another, played with the batch's actions."""
    for i, seed in enumerate(seeds):
        env = gym.make(spec)
        observations, rewards = [env.reset(seed=seed)[0]], []
        ended = cut = False
        while not (ended or cut):
            observation, reward, ended, cut, _ = env.step(int(batch.actions[i, len(rewards)]))
            observations.append(observation)
            rewards.append(reward)
        yield np.array(observations), np.array(rewards), ended, cut


@pytest.mark.parametrize("limit", [20, 500])
def test_vectorised_episodes_equal_single_environments(limit):
    """Same seeds, same actions: same episodes, and a time limit is a truncation, not a termination."""
    spec = cartpole(limit)
    policy = mlp(4, 2, hidden=8, rng=np.random.default_rng(0))
    envs = SyncVectorEnv([lambda: gym.make(spec)] * 20)
    batch = rollout(policy, envs, np.random.default_rng(1))
    first_seed = int(np.random.default_rng(1).integers(2**31))
    singly = replay(spec, range(first_seed, first_seed + 20), batch)

    lengths = batch.alive.sum(axis=1)
    assert lengths.max() == batch.alive.shape[1]
    assert len(set(lengths)) > 1
    for i, (observations, rewards, ended, cut) in enumerate(singly):
        n = lengths[i]
        assert n == len(rewards)
        assert batch.alive[i, :n].all()
        np.testing.assert_array_equal(batch.observations[i, :n], observations[:-1])
        np.testing.assert_array_equal(batch.last_observations[i], observations[-1])
        np.testing.assert_array_equal(batch.rewards[i, :n], rewards)
        for padded in (batch.observations, batch.actions, batch.rewards):
            assert not padded[i, n:].any()
        assert (batch.terminated[i], batch.truncated[i]) == (ended, cut and not ended)
    assert batch.truncated.any() == (limit == 20)
    assert (batch.terminated ^ batch.truncated).all()


def test_cartpoles_own_vector_environment_counts_every_step():
    """make_vec's CartPole plays all poles in one array; its rewards are one a step, up to the end."""
    envs = gym.make_vec("CartPole-v1", num_envs=30, vectorization_mode="vector_entry_point")
    batch = rollout(mlp(4, 2, hidden=8, rng=np.random.default_rng(0)), envs, np.random.default_rng(1))
    np.testing.assert_array_equal(batch.rewards, batch.alive)
    fallen = (abs(batch.last_observations[:, 0]) > 2.4) | (abs(batch.last_observations[:, 2]) > np.pi / 15)
    np.testing.assert_array_equal(batch.terminated, fallen)
    inside = (abs(batch.observations[..., 0]) <= 2.4) & (abs(batch.observations[..., 2]) <= np.pi / 15)
    assert inside.all()


def test_actions_follow_the_policy(tabular):
    """The share of each action in each state is the policy's probability, within four standard errors."""
    mdp, theta, _, batch = tabular
    state = batch.observations[..., : mdp.n_states].argmax(axis=2)
    for s in range(mdp.n_states):
        taken = batch.actions[state == s]
        p = softmax_policy(theta)[s, 1]
        assert abs(taken.mean() - p) < 4 * (p * (1 - p) / len(taken)) ** 0.5


def two_endings():
    """Two episodes, of two and three steps: the first terminated, the second truncated."""
    alive = np.array([[True, True, False], [True, True, True]])
    return Episodes(
        observations=np.zeros((2, 3, 1)),
        actions=np.zeros((2, 3), dtype=int),
        rewards=np.array([[1.0, 2.0, 0.0], [1.0, 2.0, 4.0]]),
        alive=alive,
        last_observations=np.zeros((2, 1)),
        terminated=np.array([True, False]),
        truncated=np.array([False, True]),
    )


def test_gae_bootstraps_truncated_episodes_only():
    """By hand, λ = 1 and λ = 0: the value after the end counts where the time limit cut, and only there."""
    values = np.array([[10.0, 20.0, 99.0], [30.0, 40.0, 50.0]])  # 99 stands in the padding
    last = np.array([1000.0, 60.0])
    full = gae(two_endings(), values, last, 0.5, 1.0)
    np.testing.assert_allclose(full[0, :2], [1 + 0.5 * 2 - 10, 2 - 20], rtol=1e-15)
    to_end = 4 + 0.5 * 60
    np.testing.assert_allclose(
        full[1], [1 + 0.5 * (2 + 0.5 * to_end) - 30, 2 + 0.5 * to_end - 40, to_end - 50], rtol=1e-15
    )
    one_step = gae(two_endings(), values, last, 0.5, 0.0)
    np.testing.assert_allclose(one_step[0, :2], [1 + 0.5 * 20 - 10, 2 - 20], rtol=1e-15)
    by_hand = [1 + 0.5 * 40 - 30, 2 + 0.5 * 50 - 40, 4 + 0.5 * 60 - 50]
    np.testing.assert_allclose(one_step[1], by_hand, rtol=1e-15)


# Gradients -----------------------------------------------------------------------------------------------


def test_gradients_equal_autograd_of_the_objective_written_out():
    """One loop over episodes and steps, each weight from its definition, against the vectorised estimator."""
    rng = np.random.default_rng(3)
    policy, value = (mlp(4, n, hidden=5, rng=rng).double() for n in (2, 1))
    for network in (policy, value):  # away from the near-zero start
        network[2].weight.data *= 100
    batch = rollout(policy, SyncVectorEnv([lambda: gym.make(cartpole(15))] * 6), rng)
    assert batch.truncated.any()
    assert batch.terminated.any()

    def V(observation):
        return value(torch.as_tensor(observation, dtype=torch.float64)).item()

    def by_definition(variant, i, t):
        n = batch.alive[i].sum()
        if variant == "full":
            return sum(GAMMA**k * batch.rewards[i, k] for k in range(n))
        to_go = sum(GAMMA**k * batch.rewards[i, k] for k in range(t, n))
        if variant == "to-go":
            return to_go
        beyond = GAMMA**n * V(batch.last_observations[i]) if batch.truncated[i] else 0.0
        return to_go + beyond - GAMMA**t * V(batch.observations[i, t])

    for variant in VARIANTS:
        fast = episode_gradients(policy, batch, step_weights(variant, batch, GAMMA, value=value))
        for i in range(6):
            objective = 0
            for t in range(batch.alive[i].sum()):
                logits = policy(torch.as_tensor(batch.observations[i, t], dtype=torch.float64))
                log_pi = torch.log_softmax(logits, dim=0)[batch.actions[i, t]]
                objective = objective + by_definition(variant, i, t) * log_pi
            slow = torch.cat([g.flatten() for g in torch.autograd.grad(objective, list(policy.parameters()))])
            np.testing.assert_allclose(fast[i], slow.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.proves("thm-reinforce", "thm-reward-to-go", "thm-baseline")
def test_mean_and_variance_agree_with_the_exact_ones(tabular):
    """On a tabular MDP gradient and variances are known: every estimate lies within 4.5 standard errors.

    Dropping γᵗ must miss the exact gradient by far more, or the test would see nothing.
    """
    mdp, theta, policy, batch = tabular
    pi = softmax_policy(theta)
    exact = exact_gradient(mdp, theta, horizon=HORIZON)
    b, value = time_baseline(mdp, theta)
    moments = exact_moments(mdp, pi, HORIZON, baseline=b)
    expected = {
        "full": moments.variance(past=1.0),
        "to-go": moments.variance(),
        "baseline": moments.variance(beta=1.0),
    }
    assert expected["full"] > expected["to-go"] > expected["baseline"]

    def estimates(variant, **options):
        weights = step_weights(variant, batch, GAMMA, value=value, **options)
        g = episode_gradients(policy, batch, weights).reshape(-1, 2, mdp.n_states + HORIZON + 1)
        return g[..., : mdp.n_states].transpose(0, 2, 1)  # the other weights are the time's

    def sigmas(g):
        return abs(g.mean(axis=0) - exact).max() / (g.std(axis=0, ddof=1).max() / len(g) ** 0.5)

    for variant in VARIANTS:
        g = estimates(variant)
        assert sigmas(g) < 4.5
        squares = ((g - g.mean(axis=0)) ** 2).sum(axis=(1, 2))
        assert abs(squares.mean() - expected[variant]) < 4.5 * squares.std() / len(g) ** 0.5
    assert sigmas(estimates("baseline", discount=False)) > 9


def test_measured_variances(monkeypatch, tabular):
    """`measure_gradient_variance` reports what numpy finds in the gradients, and tells the bias apart."""
    mdp, theta, policy, batch = tabular
    _, value = time_baseline(mdp, theta)
    monkeypatch.setattr(neural, "rollout", lambda *_: batch)
    measured = measure_gradient_variance(policy, value, seed=0, episodes=3000, gamma=GAMMA)
    assert measured.names == (*VARIANTS, "baseline, no γᵗ")
    for i, variant in enumerate(VARIANTS):
        g = episode_gradients(policy, batch, step_weights(variant, batch, GAMMA, value=value))
        np.testing.assert_allclose(measured.mean[i], g.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(measured.total[i], np.trace(np.cov(g.T)), rtol=1e-12)
        halves = [np.trace(np.cov(half.T)) for half in np.array_split(g, 30)]
        assert measured.standard_error[i] == pytest.approx(np.std(halves, ddof=1) / 30**0.5, rel=0.5)
    assert measured.bias[2] == 0
    assert (measured.bias[:2] < 3).all()
    assert measured.bias[3] > 6


# Training ------------------------------------------------------------------------------------------------


def test_the_baseline_never_sees_its_own_batch(monkeypatch):
    """In training V is asked about a batch first, is fitted to it next, and never meets it again."""
    events = []

    def spy(name, position):
        original = getattr(neural, name)

        def wrapper(*args, **kwargs):
            events.append((name, id(args[position].rewards)))
            kept.append(args[position])
            return original(*args, **kwargs)

        monkeypatch.setattr(neural, name, wrapper)

    kept = []  # keeps the batches alive, so that no two share an id
    spy("step_weights", 1)
    spy("fit_value", 2)
    train_reinforce("baseline", seed=0, batches=4, episodes=3)
    assert [name for name, _ in events] == ["step_weights", "fit_value"] * 4
    batches = [batch for _, batch in events]
    assert batches[::2] == batches[1::2]
    assert len(set(batches)) == 4


def test_a_fitted_value_approaches_the_returns():
    """V fitted to episodes that all end by termination comes close to their discounted returns."""
    rng = np.random.default_rng(0)
    policy = mlp(4, 2, hidden=8, rng=rng)
    batch = rollout(policy, gym.make_vec("CartPole-v1", num_envs=64), rng)
    value = neural.Scaled(mlp(4, 1, hidden=16, rng=rng), 10.0)
    optimiser = torch.optim.Adam(value.parameters(), 0.02)

    def error():
        return (step_weights("baseline", batch, GAMMA, value=value, discount=False) ** 2).sum()

    before = error()
    with neural.one_thread():
        neural.fit_value(value, optimiser, batch, GAMMA, 200)
    assert error() < before / 5


def test_training_is_reproducible_by_its_seed():
    runs = [train_reinforce("baseline", seed=seed, batches=3, episodes=4) for seed in (7, 7, 8)]
    np.testing.assert_array_equal(runs[0].mean_returns, runs[1].mean_returns)
    np.testing.assert_array_equal(runs[0].steps, runs[1].steps)
    for same, again in zip(runs[0].policy.parameters(), runs[1].policy.parameters(), strict=True):
        assert torch.equal(same, again)
    assert (runs[0].mean_returns != runs[2].mean_returns).any()


def test_training_leaves_torchs_threads_as_they_were():
    before = torch.get_num_threads()
    train_reinforce("full", seed=0, batches=1, episodes=2)
    assert torch.get_num_threads() == before


def test_steps_and_returns_are_counted():
    """CartPole pays one a step, so the batch's mean return times its size is the number of its steps."""
    result = train_reinforce("to-go", seed=1, batches=3, episodes=5)
    np.testing.assert_allclose(np.cumsum(result.mean_returns * 5), result.steps, rtol=1e-12)
    assert result.value is None


@pytest.mark.parametrize("variant", ["to-go", "baseline"])
def test_learning_improves_the_return(variant):
    """From about 22 steps to at least three times as many, within fifteen batches."""
    curve = train_reinforce(variant, seed=0, batches=15).mean_returns
    assert curve[0] < 40
    assert curve[-5:].mean() > 3 * curve[0]


def test_comparison_has_one_curve_a_seed():
    curves = neural.compare_reinforce(seeds=(3, 4), batches=2, episodes=3)
    assert tuple(curves) == VARIANTS
    for variant, runs in curves.items():
        assert runs.shape == (2, 2)
        alone = train_reinforce(variant, seed=4, batches=2, episodes=3).mean_returns
        np.testing.assert_array_equal(runs[1], alone)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variant": "actor"}, "variant"),
        ({"gamma": 1.0}, "gamma"),
        ({"gamma": float("nan")}, "gamma"),
        ({"batches": 0}, "batches"),
        ({"episodes": 2.5}, "episodes"),
        ({"hidden": -1}, "hidden"),
        ({"value_steps": True}, "value_steps"),
    ],
)
def test_bad_settings_are_named(change, message):
    settings = {"variant": "full", "seed": 0, "batches": 1} | change
    with pytest.raises(ValueError, match=message):
        train_reinforce(settings.pop("variant"), **settings)


def test_other_bad_input_is_named():
    policy = mlp(4, 2, hidden=4, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="episodes"):
        measure_gradient_variance(policy, policy, seed=0, episodes=1)
    with pytest.raises(ValueError, match="gamma"):
        measure_gradient_variance(policy, policy, seed=0, gamma=-0.1)
    with pytest.raises(ValueError, match="value"):
        step_weights("baseline", two_endings(), GAMMA)
    envs = SyncVectorEnv([lambda: gym.make("CartPole-v1")], autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(ValueError, match="envs"):
        rollout(policy, envs, np.random.default_rng(0))
