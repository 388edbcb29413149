"""What all trainers of rlbook.neural share: environments of every form, settings, results; PPO; vectors."""

import copy
import inspect
import pickle
import re
import threading
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

import rlbook.neural as neural
from rlbook.neural import (
    PENDULUM,
    VARIANTS,
    GaussianPolicy,
    Pendulums,
    Training,
    clipped_ascent,
    clipped_gain,
    episode_gradients,
    evaluate,
    gae,
    local_model,
    log_density,
    mlp,
    rollout,
    step_weights,
    train_deep_q,
    train_natural,
    train_ppo,
    train_q_prop,
    train_reinforce,
)
from rlbook.neural.distributions import entropies
from rlbook.neural.environments import made

GAMMA = 0.9


class Walk(gym.Env):
    """Up to five steps on a line; of three actions the last goes furthest, of real ones a larger one."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Discrete(3)
    made = closed = 0

    def __init__(self):
        type(self).made += 1

    def close(self):
        type(self).closed += 1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.t = self.np_random.normal(), 0
        return np.array([self.place, self.t]), {}

    def step(self, action):
        self.t += 1
        self.place += float(np.sum(action)) / 2 + 0.1 * self.np_random.normal()
        ended = self.t >= 2 and self.np_random.random() < 0.3
        return np.array([self.place, self.t]), self.place, ended, self.t == 5, {}


class Pull(Walk):
    action_space = spaces.Box(-1, 1, (2,), np.float32)


class Long(Walk):
    """Five steps that never end by themselves."""

    def step(self, action):
        shown, reward, *_ = super().step(action)
        return shown, reward, False, False, {}


@pytest.fixture(autouse=True)
def registered():
    """Two by an id; what is made is closed, whatever happens; and tensors this small are slowed down by threads."""
    for kind in (Walk, Pull, Long):
        kind.made = kind.closed = 0
    for kind in (Walk, Pull):
        gym.register(f"{kind.__name__}-v0", kind, disable_env_checker=True)
    with neural.one_thread():
        yield
    for kind in (Walk, Pull):
        del gym.registry[f"{kind.__name__}-v0"]
        assert kind.made <= kind.closed  # deep copies are not made, but closed


SMALL = {"batches": 2, "n_episodes": 3}
RUNS = {
    "REINFORCE": (partial(train_reinforce, "baseline", **SMALL), Walk),
    "REINFORCE, vectors": (partial(train_reinforce, "baseline", **SMALL), Pull),
    "TRPO": (partial(train_natural, "trust-region", **SMALL), Walk),
    "TRPO, vectors": (partial(train_natural, "trust-region", **SMALL), Pull),
    "PPO": (partial(train_ppo, epochs=2, batch_size=4, **SMALL), Walk),
    "PPO, vectors": (partial(train_ppo, epochs=2, batch_size=4, **SMALL), Pull),
    "Q-Prop": (partial(train_q_prop, "adaptive", critic_steps=3, **SMALL), Pull),
    "deep Q": (partial(train_deep_q, updates=6, evaluate_every=3, warm_up=8, environments=2, batch_size=4), Walk),
}
EACH = pytest.mark.parametrize(("run", "kind"), RUNS.values(), ids=RUNS)


def numbers(run):
    """All that a run measured, and the weights of its policy and value, to the bit."""
    modules = [run.policy, *([run.value] if run.value is not None else [])]
    weights = [p.detach().numpy().tobytes() for module in modules for p in module.parameters()]
    return weights + [x.tobytes() for x in vars(run).values() if isinstance(x, np.ndarray)]


# Environments ------------------------------------------------------------------------------------------------


@EACH
def test_an_id_a_specification_a_class_a_function_and_an_instance_are_the_same_environment(run, kind):
    instance = kind()
    instance.reset(seed=0)
    instance.step(instance.action_space.sample())
    place, t = instance.place, instance.t
    made_by_id, *others = (
        run(seed=3, env=env)
        for env in (f"{kind.__name__}-v0", gym.spec(f"{kind.__name__}-v0"), kind, lambda: kind(), instance)
    )
    for other in others:
        assert numbers(other) == numbers(made_by_id)
    assert (instance.place, instance.t) == (place, t)
    assert kind.closed == 5 * (kind.made - 1) // 4  # those of four runs were made and closed, those of one copied
    instance.close()


def test_an_instance_keeps_what_was_changed_about_it():
    heavy = gym.make("Acrobot-v1", max_episode_steps=7)
    heavy.unwrapped.LINK_MASS_1 = 40.0
    policy = mlp(6, 3, hidden=4, rng=np.random.default_rng(0))
    batches = []
    for env in (heavy, partial(gym.make, "Acrobot-v1", max_episode_steps=7)):
        with made(env, 2) as envs:
            batches.append(rollout(policy, envs, np.random.default_rng(1)))
    light, other = batches[1].last_observations, batches[0].last_observations
    assert batches[0].alive.shape == batches[1].alive.shape == (2, 7)
    assert abs(light - other).max() > 1e-3
    heavy.close()


def test_what_is_played_in_one_array_still_is():
    for env, kind in (("CartPole-v1", "CartPoleVectorEnv"), (PENDULUM, "Pendulums")):
        with made(env, 3) as envs:
            assert type(envs).__name__ == kind
    with made(Walk, 3) as envs:
        assert type(envs) is SyncVectorEnv


class Held(Walk):
    """Cannot be copied."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


class Needs(Walk):
    def __init__(self, length):
        super().__init__()


class Fails(Walk):
    def __init__(self):
        super().__init__()
        if Fails.made == 3:
            Fails.closed += 1  # of this one there is nothing to close
            raise RuntimeError("no third one")


def test_environments_that_cannot_be_made_are_named_and_what_was_made_is_closed():
    one, held = Walk(), Held()
    for env, said in (
        (lambda: one, r"env must make a new environment each time, got the same from <function .* twice"),
        (lambda: gym.wrappers.TimeLimit(one, 3), r"env must make a new environment each time, got the same from"),
        (held, r"env must be a class or function that makes <Held.*>, which cannot be copied: cannot pickle"),
        (Needs, r"env must make an environment without arguments, got <class .*Needs'>: missing a required argument"),
        (lambda length: Walk(), r"env must make an environment without arguments, got .*: missing a required argument"),
        (lambda: Pendulums(3), r"env must be the id of a registered environment, .* made a Pendulums"),
        (Pendulums(3), r"env must be the id of a registered environment, .* or function that makes one, got a Pendul"),
        (dict, r"env must .*dict"),
        (7, r"env must be the id of a registered environment, such as 'CartPole-v1', its EnvSpec, .*, got a int"),
    ):
        with pytest.raises(ValueError, match=rf"^{said}"), made(env, 3):
            pass
    Held.made = Held.closed = Walk.made = Walk.closed = 0
    Fails.made = Fails.closed = 0
    with pytest.raises(RuntimeError, match="no third one"), made(Fails, 5):
        pass
    assert (Fails.made, Fails.closed) == (3, 3)


def test_an_episode_without_an_end_is_one_after_100_000_steps(monkeypatch):
    assert neural.episodes.LONGEST == 100_000
    monkeypatch.setattr(neural.episodes, "LONGEST", 30)
    with pytest.raises(ValueError, match=r"^env must end its episodes, as a gymnasium.wrappers.TimeLimit does, got 30"):
        train_reinforce("full", seed=0, env=Long, **SMALL)
    train_reinforce("full", seed=0, env=lambda: gym.wrappers.TimeLimit(Long(), 30), **SMALL)


# Results -----------------------------------------------------------------------------------------------------


@EACH
def test_a_run_holds_what_makes_it_again(run, kind):
    first = run(seed=np.int64(5), env=kind)
    assert isinstance(first, Training)
    assert first.seed == 5
    trainer = run.func
    assert set(first.settings) == set(inspect.signature(trainer).parameters) - {"seed", "progress"}
    again = trainer(**first.settings, seed=first.seed)
    assert numbers(again) == numbers(first)
    assert numbers(pickle.loads(pickle.dumps(first))) == numbers(first)
    assert len(first.mean_returns) == len(first.steps)
    assert (np.diff(first.steps) > 0).all()


def test_runs_print_as_short_tables():
    settings = {"env": "Walk-v0", "n_episodes": 2}
    run = train_natural("natural", seed=4, batches=40, **settings)
    head, names, *rows = repr(run).splitlines()
    assert head == "NaturalTraining, natural, Walk-v0, seed 4"
    assert re.split(r"\s{2,}", names.strip()) == ["steps", "mean returns", "divergences"]
    assert len(rows) == 6
    table = [[float(cell.replace(",", "")) for cell in row.split()] for row in rows]
    shown = np.array([row[0] for row in table], dtype=int) - 1
    assert (shown[0], shown[-1]) == (0, 39)
    for column, curve in zip(np.transpose(table)[1:], (run.steps, run.mean_returns, run.divergences), strict=True):
        np.testing.assert_allclose(column, curve[shown], rtol=1e-3)
    assert str(train_reinforce("full", seed=0, batches=1, **settings)).startswith("Training, full, Walk-v0, seed 0\n")
    for env, name in ((Walk, "Walk"), (lambda: Walk(), "<lambda>"), (gym.spec("Walk-v0"), "Walk-v0")):
        assert str(train_ppo(seed=0, batches=1, n_episodes=2, env=env)).startswith(f"PPOTraining, {name}, seed 0\n")
    assert max(map(len, repr(run).splitlines())) < 80


# Evaluation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("env", ["Acrobot-v1", "CartPole-v1", Walk])
def test_an_evaluation_is_what_a_loop_over_episodes_finds(env, monkeypatch):
    """A policy that hardly ever varies, one environment after another, from the seeds that SyncVectorEnv gives them."""
    monkeypatch.setitem(gym.registry, "CartPole-v1", copy.deepcopy(gym.spec("CartPole-v1")))
    gym.registry["CartPole-v1"].vector_entry_point = None
    single = gym.make(env) if isinstance(env, str) else env()
    policy = mlp(*single.observation_space.shape, int(single.action_space.n), hidden=4, rng=np.random.default_rng(2))
    policy = neural.Scaled(policy, 1e9)
    found = evaluate(policy, env, seed=6, n_episodes=5)
    first, returns = int(np.random.default_rng(6).integers(2**31)), []
    for i in range(5):
        observation, _ = single.reset(seed=first + i)
        total, over = 0.0, False
        while not over:
            action = policy(torch.as_tensor(observation, dtype=torch.float32)).argmax().item()
            observation, reward, ended, cut, _ = single.step(action)
            total, over = total + reward, ended or cut
        returns.append(total)
    single.close()
    np.testing.assert_allclose(found.returns, returns, rtol=1e-12)
    assert found.mean_return == pytest.approx(np.mean(returns), rel=1e-12)
    assert found.standard_error == pytest.approx(np.std(returns, ddof=1) / 5**0.5, rel=1e-9)


def test_evaluations_print_a_mean_with_its_error_and_name_what_they_cannot_play():
    policy = mlp(2, 3, hidden=4, rng=np.random.default_rng(0))
    found = evaluate(policy, Walk, seed=0, n_episodes=40)
    assert re.fullmatch(r"-?[\d.]+ ± [\d.]+ \(40 episodes\)", str(found))
    assert found[:2] == evaluate(policy, Walk, seed=0, n_episodes=40)[:2]
    for change, said in (
        ({"n_episodes": 1}, "n_episodes must be a whole number of at least 2, got 1"),
        ({"n_episodes": 2.5}, "n_episodes must be a whole number"),
        ({"seed": -1}, "seed must be an integer from 0"),
        ({"env": None}, "env must be the id"),
        ({"env": Pull}, "policy must be a GaussianPolicy"),
        ({"policy": None}, "policy must be a torch module"),
    ):
        arguments = {"policy": policy, "env": Walk, "seed": 0} | change
        with pytest.raises(ValueError, match=f"^{said}"):
            evaluate(**arguments)


# Settings ----------------------------------------------------------------------------------------------------

GAUSSIAN = {name: run for name, (run, kind) in RUNS.items() if kind is Pull}
BONUS = {name: run for name, run in RUNS.items() if name not in ("Q-Prop", "deep Q")}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sigma": 0}, "sigma must be a positive number, got 0"),
        ({"sigma": np.inf}, "sigma must be a positive number"),
        ({"lam": 1.1}, r"lam must be a number in \[0, 1\], got 1.1"),
        ({"entropy": -0.1}, "entropy must be a number of at least 0, got -0.1"),
        ({"clip": 1.0}, r"clip must be a number in \(0, 1\), got 1.0"),
        ({"epochs": 0}, "epochs must be a positive integer"),
        ({"batch_size": 2.5}, "batch_size must be a positive integer"),
        ({"discount": 1}, "discount must be True or False"),
    ],
)
def test_settings_that_cannot_be_are_named_by_every_trainer_that_takes_them(change, said):
    takers = [(run, kind) for run, kind in RUNS.values() if set(change) <= set(inspect.signature(run).parameters)]
    assert takers
    for run, kind in takers:
        with pytest.raises(ValueError, match=f"^{said}"):
            run(seed=0, env=kind, **change)


@pytest.mark.parametrize("sigma", [0.25, 1.0, 3.0])
def test_a_gaussian_policy_starts_with_the_sigma_that_is_asked_for(monkeypatch, sigma):
    seen = []

    def spy(policy, *args):
        seen.append(policy.log_sigma.detach().exp().numpy().copy())
        return rollout(policy, *args)

    for room in ("policy_gradient", "natural_gradients.training", "q_prop.control_variates"):
        monkeypatch.setattr(f"rlbook.neural.{room}.rollout", spy)
    for run in GAUSSIAN.values():
        seen.clear()
        run(seed=0, env=Pull, sigma=sigma)
        np.testing.assert_allclose(seen[0], [sigma, sigma], rtol=1e-6)


def test_lambda_is_that_of_the_advantages():
    rng = np.random.default_rng(3)
    with made(Walk, 4) as envs:
        batch = rollout(mlp(2, 3, hidden=4, rng=rng), envs, rng)
    value = mlp(2, 1, hidden=4, rng=rng).double()
    V, last = (value(torch.as_tensor(x))[..., 0].detach().numpy() for x in (batch[0], batch.last_observations))
    for lam in (0.0, 0.7, 1.0):
        weights = step_weights("baseline", batch, GAMMA, value=value, discount=False, lam=lam)
        np.testing.assert_allclose(weights, gae(batch, V, last, GAMMA, lam) * batch.alive, rtol=1e-12)
    for run, kind in RUNS.values():
        if "lam" in inspect.signature(run).parameters:
            assert numbers(run(seed=0, env=kind, lam=0.5)) != numbers(run(seed=0, env=kind, lam=1.0))


@pytest.mark.parametrize(("run", "kind"), BONUS.values(), ids=BONUS)
def test_a_bonus_keeps_entropy_up(run, kind):
    """A bonus a hundred times the rewards: the policy that is paid for chance has more of it at the states it saw."""
    settings = {"seed": 0, "env": kind, "batches": 12, "n_episodes": 6, "sigma": 0.5, "hidden": 4}
    none, paid = (run(**settings, entropy=c).policy for c in (0.0, 300.0))
    states = torch.as_tensor(np.random.default_rng(1).normal(size=(50, 2)), dtype=torch.float32)
    if kind is Pull:
        assert paid.log_sigma.mean() > none.log_sigma.mean()
    else:
        entropies = [torch.distributions.Categorical(logits=p(states)).entropy().mean().item() for p in (none, paid)]
        assert entropies[1] > entropies[0]


# REINFORCE's gradient, in numbers and vectors, with and without a bonus -----------------------------------------


def policy_of(kind, rng):
    """In double precision, far from its start near zero; a bias of log σ for vectors."""
    network = mlp(2, 3 if kind is Walk else 2, hidden=4, rng=rng).double()
    network[-1].weight.data *= 100
    return network if kind is Walk else GaussianPolicy(network, torch.tensor([-0.7, 0.4]).double())


def distribution(policy, outputs):
    if not isinstance(policy, GaussianPolicy):
        return torch.distributions.Categorical(logits=outputs)
    mean, log_sigma = outputs.chunk(2, dim=-1)
    return torch.distributions.Independent(torch.distributions.Normal(mean, log_sigma.exp()), 1)


def flat_gradient(scalar, module):
    settings = {"retain_graph": True, "materialize_grads": True}
    return torch.cat([g.flatten() for g in torch.autograd.grad(scalar, list(module.parameters()), **settings)]).numpy()


def batch_of(kind, seed=0, n=6):
    rng = np.random.default_rng(seed)
    policy = policy_of(kind, rng)
    with made(kind, n) as envs:
        batch = rollout(policy, envs, rng)
    assert batch.truncated.any() or n < 6
    return policy, batch, rng


def vector(module):
    return torch.nn.utils.parameters_to_vector(module.parameters()).detach().numpy().copy()


@pytest.mark.proves("thm-reinforce", "thm-reward-to-go")
@pytest.mark.parametrize("kind", [Walk, Pull])
@pytest.mark.parametrize("bonus", [None, 0.3])
def test_the_step_is_along_the_gradient_of_the_objective_written_out(kind, bonus):
    """A loop over episodes and steps, with torch's own distributions: the mean of Σ_t w_t log π + b γᵗ H."""
    policy, batch, _ = batch_of(kind)
    for variant in VARIANTS[:2]:
        weights, per_episode, bonuses = step_weights(variant, batch, GAMMA), [], 0.0
        for i in range(6):
            steps, objective = batch.alive[i].sum(), 0.0
            for t in range(steps):
                since = 0 if variant == "full" else t
                w = sum(GAMMA**k * batch.rewards[i, k] for k in range(since, steps))
                at = distribution(policy, policy(torch.as_tensor(batch.observations[i, t])))
                objective = objective + w * at.log_prob(torch.as_tensor(batch.actions[i, t]))
                bonuses = bonuses + (bonus or 0.0) * GAMMA**t * at.entropy() / 6
            per_episode.append(flat_gradient(objective, policy))
        np.testing.assert_allclose(episode_gradients(policy, batch, weights), per_episode, rtol=1e-9, atol=1e-12)
        moved = copy.deepcopy(policy)
        ascent = torch.optim.SGD(moved.parameters(), 1.0, maximize=True)
        given = None if bonus is None else bonus * GAMMA ** np.arange(batch.alive.shape[1]) * batch.alive
        neural.ascend(moved, ascent, batch, weights, bonus=given)
        expected = np.mean(per_episode, axis=0) + flat_gradient(bonuses, policy)
        np.testing.assert_allclose(vector(moved) - vector(policy), expected, rtol=1e-8, atol=1e-11)


def test_reinforce_gives_ascend_the_bonus_of_each_step(monkeypatch):
    seen = []

    def spy(policy, ascent, batch, weights, *, bonus):
        seen.append((batch.alive, bonus))

    monkeypatch.setattr("rlbook.neural.policy_gradient.ascend", spy)
    for discount, factor in ((True, GAMMA), (False, 1.0)):
        train_reinforce("full", seed=0, env=Walk, gamma=GAMMA, entropy=0.3, discount=discount, **SMALL)
        for alive, bonus in seen:
            np.testing.assert_allclose(bonus, 0.3 * factor ** np.arange(alive.shape[1]) * alive, rtol=1e-12)
        seen.clear()
    train_reinforce("full", seed=0, env=Walk, **SMALL)
    assert all(bonus is None for _, bonus in seen)


@pytest.mark.parametrize("kind", [Walk, Pull])
def test_a_local_model_counts_the_entropy_that_is_gained(kind):
    """g by central differences of the gain, and the gain's own bonus by torch's distributions."""
    policy, batch, rng = batch_of(kind)
    x, actions = batch.observations[batch.alive], batch.actions[batch.alive]
    advantages, weights = rng.normal(size=len(x)), rng.dirichlet(np.ones(len(x)))
    plain, model = (local_model(policy, x, actions, advantages, weights=weights, entropy=c) for c in (0.0, 0.4))
    n = len(model.gradient)
    slopes = [(model.objective(e) - model.objective(-e)) / 2e-5 for e in 1e-5 * np.eye(n)]
    np.testing.assert_allclose(model.gradient, slopes, rtol=1e-6, atol=1e-8)
    step, start = 0.1 * rng.normal(size=n), vector(policy)
    bonus = model.objective(step) - plain.objective(step)

    def mean_entropy():
        outputs = policy(torch.as_tensor(x)).detach()
        H = distribution(policy, outputs).entropy().numpy()
        np.testing.assert_allclose(entropies(policy, outputs), H, rtol=1e-12)
        return (weights * H).sum()

    before = mean_entropy()
    torch.nn.utils.vector_to_parameters(torch.as_tensor(start + step), policy.parameters())
    assert bonus == pytest.approx(0.4 * (mean_entropy() - before), rel=1e-9)


def test_reinforce_learns_with_vectors():
    """Walk pays for going right: from σ = 1 about zero to nearly as far as its box lets it."""
    run = train_reinforce("baseline", seed=0, env=Pull, batches=40, n_episodes=16, gamma=GAMMA)
    assert run.mean_returns[-5:].mean() > run.mean_returns[:5].mean() + 4


# PPO ---------------------------------------------------------------------------------------------------------


@pytest.mark.proves("eq-ppo", "prop-ppo")
def test_the_clipped_gain_is_that_of_the_proposition():
    """By cases; its slope by autograd: 0 where a ratio has gone far enough to its advantage's profit, A elsewhere."""
    rng, clip = np.random.default_rng(0), 0.2
    ratio = torch.as_tensor(np.concatenate([rng.uniform(0.3, 2.0, 500), [1.0, 1.0]])).requires_grad_()
    A = torch.as_tensor(np.concatenate([rng.normal(size=500), [1.0, -1.0]]))
    gain = clipped_gain(ratio, A, clip)
    r, a = ratio.detach().numpy(), A.numpy()
    cases = np.where(a >= 0, a * np.minimum(r, 1 + clip), a * np.maximum(r, 1 - clip))
    np.testing.assert_allclose(gain.detach(), cases, rtol=1e-14)
    assert (gain.detach().numpy() <= r * a + 1e-15).all()
    (slope,) = torch.autograd.grad(gain.sum(), ratio)
    done = ((r > 1 + clip) & (a > 0)) | ((r < 1 - clip) & (a < 0))
    assert 50 < done.sum() < 450
    np.testing.assert_array_equal(slope, np.where(done, 0.0, a))
    for wrong in ((ratio[:3], A, clip), (ratio.detach().numpy(), A, clip), (ratio, A, 1.0), (ratio, A, 0.0)):
        with pytest.raises(ValueError, match=r"^(advantages|ratio|clip) must"):
            clipped_gain(*wrong)


def steps_of(kind, seed=0, n=12):
    policy, batch, rng = batch_of(kind, seed, n)
    x, actions = batch.observations[batch.alive], batch.actions[batch.alive]
    return policy, (x, actions, rng.normal(size=len(x))), rng.dirichlet(np.ones(len(x)))


def ascended(policy, steps, weights, **settings):
    """A copy of the policy after `clipped_ascent` by plain gradient steps of length 1/2, and what that returned."""
    moved = copy.deepcopy(policy)
    ascent = torch.optim.SGD(moved.parameters(), 0.5, maximize=True)
    settings = {"clip": 0.2, "epochs": 1, "batch_size": 10**6} | settings
    return moved, clipped_ascent(moved, ascent, *steps, np.random.default_rng(0), weights=weights, **settings)


@pytest.mark.proves("prop-ppo")
@pytest.mark.parametrize("kind", [Walk, Pull])
@pytest.mark.parametrize("entropy", [0.0, 0.3])
def test_ppos_first_step_is_the_policy_gradients(kind, entropy):
    """At ratio 1 nothing is clipped: one step on the whole batch is along the g of the methods with a Fisher matrix."""
    policy, steps, weights = steps_of(kind)
    moved, _ = ascended(policy, steps, weights, entropy=entropy)
    g = local_model(policy, *steps, weights=weights, entropy=entropy).gradient
    np.testing.assert_allclose(vector(moved) - vector(policy), 0.5 * g, rtol=1e-9, atol=1e-13)


@pytest.mark.proves("eq-ppo")
@pytest.mark.parametrize("kind", [Walk, Pull])
def test_ppos_second_step_is_along_the_clipped_objective_written_out(kind):
    """Central differences of Σ w min(ωA, clip(ω) A), ω the ratio to the policy as it came; the divergence by torch."""
    policy, (x, actions, advantages), weights = steps_of(kind)
    advantages = 40 * advantages  # far enough for the clip to matter after one step
    steps = (x, actions, advantages)
    log_pi = log_density(policy, x, actions).detach().numpy()
    once, _ = ascended(policy, steps, weights)
    twice, said = ascended(policy, steps, weights, epochs=2)

    def objective(theta):
        there = copy.deepcopy(policy)
        torch.nn.utils.vector_to_parameters(torch.as_tensor(theta), there.parameters())
        ratio = np.exp(log_density(there, x, actions).detach().numpy() - log_pi)
        return (weights * np.minimum(ratio * advantages, np.clip(ratio, 0.8, 1.2) * advantages)).sum(), ratio

    theta = vector(once)
    _, ratio = objective(theta)
    done = ((ratio > 1.2) & (advantages > 0)) | ((ratio < 0.8) & (advantages < 0))
    assert 0.1 < done.mean() < 1
    slopes = [(objective(theta + e)[0] - objective(theta - e)[0]) / 2e-6 for e in 1e-6 * np.eye(len(theta))]
    np.testing.assert_allclose(vector(twice) - theta, 0.5 * np.array(slopes), rtol=1e-5, atol=1e-6)
    pi, new = (distribution(p, p(torch.as_tensor(x)).detach()) for p in (policy, twice))
    kl = torch.distributions.kl_divergence(pi, new).numpy()
    assert said == pytest.approx((weights * kl).sum(), rel=1e-9)


@pytest.mark.proves("prop-ppo")
def test_clipped_terms_pull_at_nothing():
    """Two steps with parameters of their own: the one beyond the clip stays where it is, the other goes on."""
    policy = torch.nn.Linear(2, 2, bias=False, dtype=torch.float64)
    policy.weight.data.zero_()
    x = np.array([[1.0, 0.0], [0.0, 1.0]])
    steps = (x, np.array([0, 0]), np.array([40.0, 0.01]))
    after = [ascended(policy, steps, None, epochs=k)[0].weight.detach().numpy() for k in (1, 2, 6)]
    assert torch.softmax(torch.as_tensor(after[0][:, 0]), 0)[0] > 0.5 * 1.2
    for weight in after[1:]:
        np.testing.assert_array_equal(weight[:, 0], after[0][:, 0])
    first = [weight[0, 1] for weight in after]
    np.testing.assert_allclose(first, first[0] * np.array([1, 2, 6]), rtol=0.01)


def test_parts_of_a_batch_have_its_gradient_for_their_mean_and_each_step_is_seen_once_an_epoch():
    """With a tiny rate the parts' steps add up to as many steps on the whole as there are parts."""
    policy, steps, weights = steps_of(Walk)
    n, size, rate = 20, 4, 1e-7
    steps, weights = tuple(column[:n] for column in steps), weights[:n]
    moved = copy.deepcopy(policy)
    ascent = torch.optim.SGD(moved.parameters(), rate, maximize=True)
    settings = {"clip": 0.2, "epochs": 3, "batch_size": size, "weights": weights}
    clipped_ascent(moved, ascent, *steps, np.random.default_rng(0), **settings)
    g = local_model(policy, *steps, weights=weights).gradient
    taken = (vector(moved) - vector(policy)) / rate
    np.testing.assert_allclose(taken, 3 * (n / size) * g, rtol=1e-3, atol=1e-5)


def test_ppo_balances_the_pole():
    """From about 22 steps to over 150 within twelve batches; its divergences are held by nothing, and stay small."""
    run = train_ppo(seed=0, batches=12)
    assert run.mean_returns[0] < 40
    assert run.mean_returns[-3:].mean() > 150
    assert 0 < run.divergences.min() < run.divergences.max() < 0.2


def test_ppos_settings_reach_its_step_and_states_are_weighted_as_in_the_other_methods(monkeypatch):
    seen = []

    def spy(policy, ascent, observations, actions, advantages, rng, *, weights, **settings):
        seen.append((observations[:, 1], weights, settings))  # the time is shown
        return 0.0

    monkeypatch.setattr(neural.natural_gradients.training, "clipped_ascent", spy)
    for discount in (True, False):
        settings = {"clip": 0.3, "epochs": 4, "batch_size": 7, "entropy": 0.1}
        train_ppo(seed=0, env=Walk, gamma=GAMMA, discount=discount, **settings, **SMALL)
        for times, weights, given in seen:
            assert given == settings
            expected = GAMMA**times if discount else np.ones(len(times))
            np.testing.assert_allclose(weights, expected / expected.sum(), rtol=1e-12)
        seen.clear()
