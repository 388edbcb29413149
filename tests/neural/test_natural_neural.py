"""rlbook.neural.natural_gradients: products with the Fisher matrix, steps within a trust region, training."""

import copy
import itertools
import re

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import rlbook.neural as neural
from rlbook import garnet, occupancy, softmax_policy
from rlbook.natural_gradients import conjugate_gradient, fisher, trust_region_step
from rlbook.neural import (
    METHODS,
    PENDULUM,
    PRODUCTS,
    GaussianPolicy,
    Pendulums,
    clipped_ascent,
    divergence,
    draw_actions,
    explicit_fisher,
    fisher_vector_product,
    local_model,
    log_density,
    measure_solves,
    mlp,
    natural_step,
    rollout,
    train_natural,
)
from tests.sources import code_cells

KINDS = ("categorical", "Gaussian")


@pytest.fixture(autouse=True)
def few_threads():
    """Tensors this small are only slowed down by threads."""
    with neural.one_thread():
        yield


def small_policy(kind, rng, n_in=3, hidden=4):
    """A network in double precision, far from its start near zero, with three actions or in two dimensions."""
    network = mlp(n_in, 3 if kind == "categorical" else 2, hidden=hidden, rng=rng).double()
    network[-1].weight.data *= 100
    return network if kind == "categorical" else GaussianPolicy(network, torch.tensor([-0.7, 0.4]).double()).double()


def actions_of(policy, kind, observation):
    """Actions and their weights, whose sum of any polynomial of degree five is its mean under π(·|s)."""
    outputs = policy(torch.as_tensor(observation)).detach().numpy()
    if kind == "categorical":
        return np.arange(3), np.exp(outputs) / np.exp(outputs).sum()
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    weights = weights / weights.sum()
    z = np.array(list(itertools.product(nodes, nodes)))
    return outputs[:2] + np.exp(outputs[2:]) * z, np.outer(weights, weights).ravel()


def distribution(policy, kind, observations):
    outputs = policy(torch.as_tensor(observations))
    if kind == "categorical":
        return torch.distributions.Categorical(logits=outputs)
    mean, log_sigma = outputs.chunk(2, dim=-1)
    return torch.distributions.Independent(torch.distributions.Normal(mean, log_sigma.exp()), 1)


def enumerated_fisher(policy, kind, observations, weights):
    """Σ_s w(s) E_a[ψψᵀ], from one score at a time, by torch's own distributions."""
    F = 0
    for observation, weight in zip(observations, weights, strict=True):
        for action, p in zip(*actions_of(policy, kind, observation), strict=True):
            log_pi = distribution(policy, kind, observation).log_prob(torch.as_tensor(action))
            score = torch.cat([g.flatten() for g in torch.autograd.grad(log_pi, list(policy.parameters()))]).numpy()
            F = F + weight * p * np.outer(score, score)
    return F


def columns(matvec, n):
    return np.transpose([matvec(e) for e in np.eye(n)])


# Products ------------------------------------------------------------------------------------------------


@pytest.mark.proves("def-fisher", "prop-gaussian-fisher")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", PRODUCTS)
def test_products_are_those_of_the_scores_covariance(kind, method):
    """Every column of F, the matrix itself, and unequal weights, against scores taken one by one."""
    rng = np.random.default_rng(0)
    policy, observations = small_policy(kind, rng), rng.normal(size=(5, 3))
    uneven = rng.dirichlet(np.ones(5))
    for weights in (np.full(5, 0.2), uneven):
        expected = enumerated_fisher(policy, kind, observations, weights)
        given = uneven if weights is uneven else None
        matvec = fisher_vector_product(policy, observations, weights=given, method=method)
        np.testing.assert_allclose(columns(matvec, len(expected)), expected, rtol=1e-9, atol=1e-12)
    F = explicit_fisher(policy, observations, chunk=2)
    np.testing.assert_allclose(F, enumerated_fisher(policy, kind, observations, np.full(5, 0.2)), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", PRODUCTS)
def test_products_are_symmetric_and_never_negative(kind, method):
    """And in single precision they are the same to six digits, as float64 arrays, however often they are asked."""
    rng = np.random.default_rng(1)
    policy, observations = small_policy(kind, rng, hidden=16), rng.normal(size=(40, 3))
    matvec = fisher_vector_product(policy, observations, method=method)
    n = sum(p.numel() for p in policy.parameters())
    u, v = rng.normal(size=(2, n))
    assert u @ matvec(v) == pytest.approx(v @ matvec(u), rel=1e-10)
    assert np.linalg.eigvalsh(columns(matvec, n)).min() > -1e-12
    exact = matvec(v)
    np.testing.assert_array_equal(matvec(v), exact)
    single = fisher_vector_product(policy.float(), observations, method=method)(v)
    assert single.dtype == np.float64
    np.testing.assert_allclose(single, exact, atol=1e-5 * abs(exact).max())


@pytest.mark.proves("def-fisher")
@pytest.mark.parametrize("method", PRODUCTS)
def test_a_linear_network_over_states_is_the_table(method):
    """Logits θ(s,·) from a one-hot state, states weighted by d^π: the matrix is the tabular one."""
    rng = np.random.default_rng(2)
    mdp, theta = garnet(6, 3, 2, gamma=0.9, rng=rng), rng.normal(size=(6, 3))
    policy = torch.nn.Linear(6, 3, bias=False, dtype=torch.float64)
    policy.weight.data = torch.as_tensor(theta.T.copy())
    d = (1 - mdp.gamma) * occupancy(mdp, softmax_policy(theta)).sum(axis=1)
    matvec = fisher_vector_product(policy, np.eye(6), weights=d, method=method)
    by_action = np.arange(18).reshape(6, 3).T.ravel()  # the weight is (A, S), the table (S, A)
    np.testing.assert_allclose(columns(matvec, 18), fisher(mdp, theta)[np.ix_(by_action, by_action)], atol=1e-12)


@pytest.mark.proves("thm-fisher-kl")
@pytest.mark.parametrize("kind", KINDS)
def test_the_hessian_of_the_divergence_is_the_fisher_matrix(kind):
    """dᵀHd by central differences of KL(θ‖θ+d), which vanishes with its gradient at d = 0; the error is O(h²)."""
    rng = np.random.default_rng(3)
    policy, observations = small_policy(kind, rng), rng.normal(size=(20, 3))
    actions = draw_actions(policy, observations, rng)
    model = local_model(policy, observations, actions, np.ones(20))
    n, h = len(model.gradient), 1e-3
    assert model.divergence(np.zeros(n)) == 0
    for _ in range(5):
        v = rng.normal(size=n)
        v /= np.linalg.norm(v)
        ahead, behind = model.divergence(h * v), model.divergence(-h * v)
        assert (ahead + behind) / h**2 == pytest.approx(v @ model.matvec(v), rel=1e-4)
        assert abs(ahead - behind) < 20 * h**3


@pytest.mark.proves("prop-cost")
def test_a_product_costs_as_much_as_a_few_passes_through_the_network():
    """Multiplications, counted by torch: at most 10 a state and parameter, and the matrix takes a number ∝ n²."""
    rng, states = np.random.default_rng(4), 50
    sizes, products, matrices = [], [], []
    for width in (8, 16, 32, 64):
        policy = GaussianPolicy(mlp(5, 1, hidden=(width, width), rng=rng), torch.zeros(1))
        observations = rng.normal(size=(states, 5))
        matvec = fisher_vector_product(policy, observations)
        sizes.append(sum(p.numel() for p in policy.parameters()))
        with FlopCounterMode(display=False) as counter:
            matvec(np.ones(sizes[-1]))
        products.append(counter.get_total_flops() / 2)
        if width < 64:
            with FlopCounterMode(display=False) as counter:
                explicit_fisher(policy, observations)
            matrices.append(counter.get_total_flops() / 2)
    n = np.array(sizes)
    assert (np.array(products) <= 10 * states * n).all()
    assert (np.array(matrices) >= 2 * states * n[:3] ** 2).all()


@pytest.mark.proves("prop-cost")
@pytest.mark.parametrize("width", [4, 32])
def test_ten_steps_take_ten_products_whatever_the_size(width):
    """Or eleven, if the residual that is reported takes one."""
    rng = np.random.default_rng(5)
    policy = GaussianPolicy(mlp(5, 2, hidden=width, rng=rng), torch.zeros(2))
    matvec, calls = fisher_vector_product(policy, rng.normal(size=(100, 5))), []
    g = rng.normal(size=sum(p.numel() for p in policy.parameters()))
    solved = conjugate_gradient(lambda v: (calls.append(1), matvec(v))[1], g, damping=0.01, max_steps=10)
    assert solved.steps == 10
    assert len(calls) in (10, 11)


def test_measured_costs_have_one_entry_a_width():
    cost = measure_solves((4, 8, 40), n_states=20, explicit_up_to=300, repeats=1)
    np.testing.assert_array_equal(cost.parameters, [h * (17 + h + 3) + 2 for h in (4, 8, 40)])
    assert (cost.conjugate > 0).all()
    for direct in (cost.forming, cost.solving):
        np.testing.assert_array_equal(np.isfinite(direct), [True, True, False])
        assert (direct[:2] > 0).all()
    with pytest.raises(ValueError, match=r"widths\[1\]"):
        measure_solves((4, 0))


# Steps ---------------------------------------------------------------------------------------------------


def batch_model(kind, seed=6, states=200):
    rng = np.random.default_rng(seed)
    policy, observations = small_policy(kind, rng), rng.normal(size=(states, 3))
    actions, weights = draw_actions(policy, observations, rng), rng.dirichlet(np.ones(states))
    advantages = rng.normal(size=states) + observations[:, 0] * (actions if kind == "categorical" else actions[:, 0])
    return policy, (observations, actions, advantages), weights


@pytest.mark.parametrize("kind", KINDS)
def test_the_local_model_is_made_of_densities(kind):
    """Gain and divergence of a finite step by torch's distributions; g is the gain's gradient (central differences)."""
    policy, (observations, actions, advantages), weights = batch_model(kind)
    model = local_model(policy, observations, actions, advantages, weights=weights)
    n = len(model.gradient)
    assert model.objective(np.zeros(n)) == 0
    for i in range(n):
        e = 1e-5 * np.eye(n)[i]
        slope = (model.objective(e) - model.objective(-e)) / 2e-5
        assert model.gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-8)

    step = 0.1 * np.random.default_rng(7).normal(size=n)
    before, taken = distribution(policy, kind, observations), torch.as_tensor(actions)
    log_pi = before.log_prob(taken).detach()
    np.testing.assert_allclose(log_density(policy, observations, actions).detach(), log_pi, rtol=1e-12)
    outputs = policy(torch.as_tensor(observations)).detach()
    gain, distance = model.objective(step), model.divergence(step)
    torch.nn.utils.vector_to_parameters(
        torch.nn.utils.parameters_to_vector(policy.parameters()).detach() + torch.as_tensor(step), policy.parameters()
    )
    after = distribution(policy, kind, observations)
    ratio = (after.log_prob(taken) - log_pi).exp().detach().numpy()
    assert gain == pytest.approx((weights * advantages * (ratio - 1)).sum(), rel=1e-10)
    kl = divergence(policy, outputs, policy(torch.as_tensor(observations))).detach().numpy()
    frozen = distribution(lambda _: outputs, kind, observations)
    np.testing.assert_allclose(kl, torch.distributions.kl_divergence(frozen, after).detach(), rtol=1e-9, atol=1e-14)
    assert distance == pytest.approx((weights * kl).sum(), rel=1e-10)


@pytest.mark.proves("prop-trust-step")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("delta", [1e-4, 0.01, 0.3])
def test_the_trust_region_holds_and_the_surrogate_gains(kind, delta):
    """The exact KL is at most δ and the gain positive; the plain natural step only has ½dᵀFd = δ."""
    for seed in range(5):
        policy, batch, weights = batch_model(kind, seed)
        model = local_model(policy, *batch, weights=weights)
        step = natural_step("trust-region", model, delta, damping=1e-3, cg_steps=30)
        assert 0 < model.divergence(step) <= delta
        assert model.objective(step) > 0
        for method in ("gradient", "natural"):
            step = natural_step(method, model, delta, damping=1e-3, cg_steps=30)
            assert step @ model.matvec(step) / 2 == pytest.approx(delta, rel=1e-9)
        steepest = {m: natural_step(m, model, delta, damping=1e-9, cg_steps=100) @ model.gradient for m in METHODS[:2]}
        assert steepest["natural"] > steepest["gradient"]  # as far, and higher


@pytest.mark.proves("prop-trust-step")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cg_steps", [3, 10])
def test_damping_shortens_the_trust_regions_step_and_not_the_natural_one(kind, cg_steps):
    """√(2δ/gᵀx)·x has ½dᵀFd = δ(1 − λ‖x‖²/gᵀx): gᵀx = xᵀ(F + λI)x, at any number of steps of conjugate gradients."""
    policy, batch, weights = batch_model(kind)
    model, delta, damping = local_model(policy, *batch, weights=weights), 0.01, 0.1
    model = model._replace(objective=lambda d: d @ model.gradient, divergence=lambda d: 0.0)  # nothing to search for
    taken = trust_region_step(*model, delta, damping=damping, max_steps=cg_steps)
    x, step = taken.direction, natural_step("trust-region", model, delta, damping=damping, cg_steps=cg_steps)
    assert taken.backtracks == 0
    np.testing.assert_allclose(step, taken.step, rtol=1e-12)
    left = 1 - damping * (x @ x) / (model.gradient @ x)
    assert step @ model.matvec(step) / 2 == pytest.approx(delta * left, rel=1e-6)
    assert left < 0.95
    natural = natural_step("natural", model, delta, damping=damping, cg_steps=cg_steps)
    assert natural @ model.matvec(natural) / 2 == pytest.approx(delta, rel=1e-9)


def test_where_no_step_is_good_the_policy_stays():
    """Advantages of zero: nothing to gain, in any direction."""
    policy, (observations, actions, advantages), _ = batch_model("Gaussian")
    model = local_model(policy, observations, actions, 0 * advantages)
    for method in METHODS:
        assert not natural_step(method, model, 0.01).any()


# The chapter's own lines -------------------------------------------------------------------------------------


def chapters_lines(step_size="0.01"):
    """What the chapter's cells about TRPO and PPO make, run one after another, PPO with this step size of Adam's."""
    cells = [source for source, _ in code_cells(3)]
    batch, direction, search, ppo = (
        next(source for source in cells if line in source)
        for line in ("uniform = ", "whole = x", "vector_to_parameters", "torch.optim.Adam")
    )
    names = {"np": np}
    exec(batch, names)
    assert "lr=0.01" in ppo
    for name, source in (("trpo", direction + "\n" + search), ("ppo", ppo.replace("lr=0.01", f"lr={step_size}"))):
        exec(source, names)
        names[name] = {key: names[key] for key in ("new", "far", "gain", "d", "whole", "cuts", "ratio", "x", "g_hat")}
    return names


@pytest.mark.proves("prop-trust-step")
def test_the_chapters_lines_of_trpo_take_the_packages_step(capsys):
    lines = chapters_lines()
    policy, made = lines["policy"], lines["trpo"]
    arrays = [lines[name].numpy() for name in ("states", "actions", "A_hat")]
    model = local_model(policy, arrays[0], arrays[1][:, 0], arrays[2][:, 0])
    np.testing.assert_allclose(made["g_hat"].detach(), model.gradient, atol=1e-12)
    taken = trust_region_step(*model, 0.01, damping=0.01, max_steps=10, backtrack=0.8)
    np.testing.assert_allclose(made["x"].detach(), taken.direction, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(made["d"].detach(), taken.step, rtol=1e-5, atol=1e-8)
    assert made["cuts"] == taken.backtracks == 0
    assert made["far"].item() == pytest.approx(taken.divergence, rel=1e-5)
    assert made["gain"].mean().item() == pytest.approx(taken.improvement, rel=1e-5)
    moved = torch.nn.utils.parameters_to_vector(made["new"].parameters()).detach().numpy()
    start = torch.nn.utils.parameters_to_vector(policy.parameters()).detach().numpy()
    np.testing.assert_allclose(moved - start, taken.step, rtol=1e-5, atol=1e-8)
    assert "after 0 cuts: KL 0.0096, gain 0.1299" in capsys.readouterr().out


@pytest.mark.proves("eq-ppo", "prop-ppo")
def test_the_chapters_lines_of_ppo_take_the_packages_steps_and_leave_the_clip(capsys):
    lines = chapters_lines()
    again = copy.deepcopy(lines["policy"])
    arrays = [lines[name].numpy() for name in ("states", "actions", "A_hat")]
    adam = torch.optim.Adam(again.parameters(), lr=0.01, maximize=True)
    far = clipped_ascent(
        again,
        adam,
        arrays[0],
        arrays[1][:, 0],
        arrays[2][:, 0],
        np.random.default_rng(0),
        clip=0.2,
        epochs=40,
        batch_size=500,
    )
    for one, other in zip(again.parameters(), lines["ppo"]["new"].parameters(), strict=True):
        np.testing.assert_allclose(one.detach(), other.detach(), atol=1e-6)
    said = re.search(r"ratios (\S+) to (\S+), KL (\S+)", capsys.readouterr().out)
    low, high, shown = map(float, said.groups())
    assert low < 0.5
    assert high > 1.5  # the clip is at 0.8 and 1.2
    assert 15 < shown / 0.01 < 18  # sixteen times TRPO's δ, and one step before the end
    outside = abs(lines["ppo"]["ratio"].detach().numpy() - 1) > 0.2
    assert outside.mean() == pytest.approx(5 / 6, abs=0.02)
    assert far == pytest.approx(shown, rel=0.1)


def test_with_small_steps_ppo_does_not_come_to_the_clip():
    made = chapters_lines("0.0003")["ppo"]
    assert abs(made["ratio"].detach().numpy() - 1).max() < 0.2
    assert made["far"].item() == pytest.approx(0.0007, abs=5e-5)


@pytest.mark.proves("prop-trust-step")
def test_the_chapters_search_cuts_where_the_whole_step_is_too_far():
    """The same lines from twice the whole step: they cut it as often as is needed, and no oftener."""
    cells = [source for source, _ in code_cells(3)]
    lines = chapters_lines()
    lines["whole"] = 2 * lines["whole"]
    exec(next(source for source in cells if "vector_to_parameters" in source), lines)
    assert 2 <= lines["cuts"] <= 5
    assert lines["far"] <= 0.01
    np.testing.assert_allclose(lines["d"].detach(), 0.8 ** lines["cuts"] * lines["whole"].detach(), rtol=1e-12)
    arrays = [lines[name].numpy() for name in ("states", "actions", "A_hat")]
    model = local_model(lines["policy"], arrays[0], arrays[1][:, 0], arrays[2][:, 0])
    before = lines["d"].detach().numpy() / 0.8
    assert model.divergence(before) > 0.01


# Episodes with vectors for actions -----------------------------------------------------------------------


def test_gaussian_actions_follow_the_policy():
    """Mean and standard deviation of 20,000 draws in each of two states, within 4.5 standard errors."""
    rng = np.random.default_rng(8)
    policy = small_policy("Gaussian", rng)
    states = rng.normal(size=(2, 3))
    n = 20_000
    drawn = draw_actions(policy, np.repeat(states, n, axis=0), rng).reshape(2, n, 2)
    mean, log_sigma = policy(torch.as_tensor(states)).detach().numpy().reshape(2, 2, 2).swapaxes(0, 1)
    sigma = np.exp(log_sigma)
    assert (abs(drawn.mean(axis=1) - mean) < 4.5 * sigma / n**0.5).all()
    assert (abs(drawn.std(axis=1) - sigma) < 4.5 * sigma / (2 * n) ** 0.5).all()


def test_pendulums_in_one_array_equal_gymnasiums_one_by_one():
    """Same states, same torques, out of bounds too: same observations and rewards, up to the time limit."""
    rng = np.random.default_rng(9)
    envs = gym.make_vec(PENDULUM, num_envs=4)
    assert isinstance(envs, Pendulums)
    observation, _ = envs.reset(seed=3)
    again, _ = gym.make_vec(PENDULUM, num_envs=4).reset(seed=3)
    np.testing.assert_array_equal(observation, again)
    singles = [gym.make("Pendulum-v1") for _ in range(4)]
    for i, single in enumerate(singles):
        single.reset(seed=0)
        single.unwrapped.state = envs.pendulum.state[:, i].copy()
    for t in range(200):
        actions = rng.normal(scale=2, size=(4, 1))
        observation, rewards, terminated, truncated, _ = envs.step(actions)
        for i, single in enumerate(singles):
            shown, reward, ended, cut, _ = single.step(actions[i])
            np.testing.assert_allclose(observation[i], shown, rtol=1e-6, atol=1e-6)
            assert rewards[i] == pytest.approx(reward, rel=1e-9, abs=1e-12)
            assert (ended, cut) == (terminated[i], truncated[i]) == (False, t == 199)
    _, rewards, terminated, truncated, _ = envs.step(actions)  # only resets
    assert not np.any([rewards, terminated, truncated])
    assert (abs(envs.pendulum.state) <= [[np.pi], [1]]).all()


@pytest.mark.parametrize("env", ["Pendulum-v1", PENDULUM])
def test_episodes_hold_vectors_of_actions(env):
    rng = np.random.default_rng(10)
    policy = GaussianPolicy(mlp(3, 1, hidden=4, rng=rng), torch.zeros(1))
    batch = rollout(policy, gym.make_vec(env, num_envs=3), rng)
    assert (batch.observations.shape, batch.actions.shape) == ((3, 200, 3), (3, 200, 1))
    assert batch.truncated.all()
    torque = np.clip(batch.actions[..., 0], -2, 2)
    angle = np.arctan2(batch.observations[..., 1], batch.observations[..., 0])
    cost = angle**2 + 0.1 * batch.observations[..., 2] ** 2 + 0.001 * torque**2
    np.testing.assert_allclose(batch.rewards, -cost, rtol=1e-4, atol=1e-5)


# Training ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_natural_training_is_reproducible_by_its_seed(method):
    torch.set_num_threads(2)
    runs = [train_natural(method, seed=seed, batches=3, n_episodes=4) for seed in (7, 7, 8)]
    weights = [torch.nn.utils.parameters_to_vector(run.policy.parameters()) for run in runs]
    assert [torch.equal(weights[0], w) for w in weights] == [True, True, False]
    for curve in ("mean_returns", "steps", "divergences"):
        np.testing.assert_array_equal(*(getattr(run, curve) for run in runs[:2]))
    np.testing.assert_allclose(np.cumsum(runs[0].mean_returns * 4), runs[0].steps, rtol=1e-12)  # one a step
    assert torch.get_num_threads() == 2


def test_every_step_is_as_long_as_allowed():
    """TRPO's divergences are at most δ; those of the others are near it, as far as the quadratic model is right."""
    for method in METHODS:
        divergences = train_natural(method, seed=0, batches=6, n_episodes=8, delta=1e-3).divergences
        np.testing.assert_allclose(divergences, 1e-3, rtol=0.5)
        if method == "trust-region":
            assert divergences.max() <= 1e-3


@pytest.mark.parametrize("method", ["natural", "trust-region"])
def test_natural_gradients_balance_the_pole(method):
    """From about 23 steps to over 150 in eight batches, where the gradient, with steps no shorter, stays behind."""
    curve, plain = (train_natural(m, seed=0, batches=9).mean_returns for m in (method, "gradient"))
    assert curve[0] < 40
    assert curve[-2:].mean() > 150
    assert curve[3:].mean() > plain[3:].mean()


def test_a_trust_region_swings_the_pendulum_up():
    """From −1250, which is hanging about, to over −600 in 24 batches."""
    settings = {"env": PENDULUM, "gamma": 0.9, "discount": False, "batches": 24}
    curve = train_natural("trust-region", seed=1, **settings).mean_returns
    assert curve[:3].mean() < -1000
    assert curve[-5:].mean() > -600


def test_comparison_has_one_run_a_seed_and_method():
    compared = neural.compare_natural(seeds=(3, 4), batches=2, n_episodes=3)
    assert tuple(compared) == METHODS
    for method, runs in compared.items():
        assert [run.seed for run in runs] == [3, 4]
        alone = train_natural(method, seed=4, batches=2, n_episodes=3)
        np.testing.assert_array_equal(runs[1].mean_returns, alone.mean_returns)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "newton"}, "method"),
        ({"delta": 0}, "delta"),
        ({"delta": -0.01}, "delta"),
        ({"delta": float("nan")}, "delta"),
        ({"damping": -1}, "damping"),
        ({"gamma": 1.0}, "gamma"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"batches": 0}, "batches"),
        ({"cg_steps": 2.5}, "cg_steps"),
        ({"hidden": True}, "hidden"),
        ({"env": "FrozenLake-v1"}, "env must show vectors"),
        ({"env": gym.envs.registration.EnvSpec("Odd-v0", lambda: OddActions())}, "env must take actions"),
    ],
)
def test_bad_natural_settings_are_named(change, message):
    settings = {"method": "natural", "seed": 0, "batches": 1} | change
    with pytest.raises(ValueError, match=message):
        train_natural(settings.pop("method"), **settings)


class OddActions(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (2,))
    action_space = gym.spaces.MultiBinary(3)


def test_bad_steps_and_products_are_named():
    policy, batch, _ = batch_model("categorical", states=5)
    model = local_model(policy, *batch)
    for method in METHODS:
        with pytest.raises(ValueError, match="delta"):
            natural_step(method, model, 0)
    with pytest.raises(ValueError, match="method"):
        natural_step("newton", model, 0.01)
    with pytest.raises(ValueError, match="method"):
        fisher_vector_product(policy, batch[0], method="by hand")
