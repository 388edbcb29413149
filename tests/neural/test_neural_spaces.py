"""What environments may show and take, whose random numbers are drawn, and what is said where nothing can be learned.

Each is asked of every trainer and every measurement of `rlbook.neural`, and of tabular Q-learning.
"""

import random
import subprocess
import sys
import textwrap
from functools import partial
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import SyncVectorEnv

from rlbook import bellman, gridworld
from rlbook.neural import (
    PENDULUM,
    Control,
    Critic,
    GaussianPolicy,
    Pendulums,
    Replay,
    Training,
    compare_deep_q,
    compare_natural,
    compare_q_prop,
    compare_reinforce,
    draw_actions,
    fit_control,
    interact,
    local_model,
    measure_advantage_parts,
    measure_gradient_variance,
    measure_q_prop_variance,
    measure_solves,
    mlp,
    rollout,
    train_deep_q,
    train_natural,
    train_ppo,
    train_q_prop,
    train_reinforce,
)

PLANE = spaces.Box(-np.inf, np.inf, (2,), np.float32)
TWO, THREE, FOUR = (spaces.Discrete(n) for n in (2, 3, 4))
BOX = spaces.Box(-1, 1, (2,), np.float32)


class Line(gym.Env):
    """Three steps with a random number to see; of its actions the last, or the largest, earns most.

    An action that is not in its space is a failure, `open` counts those that have not been closed, and `faults` is
    what it does at which step: raise, or show or earn something that is no number.
    """

    open = 0

    def __init__(self, shown=PLANE, actions=THREE, faults=(), start=0):
        self.observation_space, self.action_space, self.faults = shown, actions, dict(faults)
        self.reward_first, self.taken = start, []
        Line.open += 1

    def close(self):
        Line.open -= 1

    def _show(self):
        if self.observation_space != PLANE:
            return self.observation_space.sample()
        fault = self.faults.get(self.t)
        shown = np.array([self.np_random.normal(), self.t], dtype=np.float32)
        return np.full(2, fault[1], dtype=np.float32) if fault and fault[0] == "show" else shown

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self._show(), {}

    def step(self, action):
        assert self.action_space.contains(action), (action, getattr(action, "dtype", None), self.action_space)
        self.taken.append(action)
        self.t += 1
        fault = self.faults.get(self.t, (None, None))
        if fault[0] == "raise":
            raise RuntimeError("the line is broken")
        reward = float(np.sum(action)) - self.reward_first if fault[0] != "earn" else fault[1]
        return self._show(), reward, self.t == 3 and self.np_random.random() < 0.5, self.t == 3, {}


def line(**settings):
    return EnvSpec("Line-v0", lambda: Line(**settings), disable_env_checker=True, order_enforce=False)


def policy_for(actions, d=2):
    rng = np.random.default_rng(5)
    if isinstance(actions, spaces.Discrete):
        return mlp(d, int(actions.n), hidden=4, rng=rng)
    n = actions.shape[0] if isinstance(actions, spaces.Box) and len(actions.shape) == 1 else 2
    return GaussianPolicy(mlp(d, n, hidden=4, rng=rng), torch.zeros(n, dtype=torch.float32))


def control_for(actions=BOX, d=2):
    rng, policy = np.random.default_rng(6), policy_for(actions, d)
    n = len(policy.log_sigma)
    critic = Critic(mlp(d + n, 1, hidden=4, rng=rng))
    return Control(policy, mlp(d, 1, hidden=4, rng=rng), critic, mlp(d, 1, hidden=4, rng=rng))


# Small settings, under which each does all that it does.
DEEP = {"updates": 6, "evaluate_every": 3, "target_every": 2, "warm_up": 8, "environments": 2, "batch_size": 4}
NUMBERED = {
    **{
        f"reinforce, {variant}": partial(train_reinforce, variant, batches=3, n_episodes=3)
        for variant in ("full", "baseline")
    },
    "natural": partial(train_natural, "trust-region", batches=3, n_episodes=3),
    "PPO": partial(train_ppo, batches=3, n_episodes=3, epochs=2, batch_size=4),
    "deep Q": partial(train_deep_q, **DEEP),
    "deep Q, soft": partial(train_deep_q, alpha=0.5, **DEEP),
    "gradient variance": lambda **settings: measure_gradient_variance(
        policy_for(THREE), policy_for(spaces.Discrete(1)), n_episodes=4, **settings
    ),
}
VECTORS = {
    **{
        f"{method}, vectors": partial(train_natural, method, batches=3, n_episodes=3)
        for method in ("gradient", "natural", "trust-region")
    },
    "reinforce, vectors": partial(train_reinforce, "baseline", batches=3, n_episodes=3),
    "PPO, vectors": partial(train_ppo, batches=3, n_episodes=3, epochs=2, batch_size=4),
    "Q-Prop": partial(train_q_prop, "adaptive", batches=2, n_episodes=3, critic_steps=4),
    "control": lambda **settings: fit_control(policy_for(BOX), batches=2, n_episodes=3, critic_steps=4, **settings),
    "Q-Prop variance": lambda **settings: measure_q_prop_variance(control_for(), n_episodes=4, **settings),
}
COMPARISONS = {
    "compare REINFORCE": lambda seed, **settings: compare_reinforce(seeds=[seed], batches=2, n_episodes=2, **settings),
    "compare natural": lambda seed, **settings: compare_natural(seeds=[seed], batches=2, n_episodes=2, **settings),
    "compare deep Q": lambda seed, **settings: compare_deep_q(
        variants={"soft": {"alpha": 0.5}}, seeds=[seed], **DEEP, **settings
    ),
}
VECTOR_COMPARISON = {
    "compare Q-Prop": lambda seed, **settings: compare_q_prop(
        seeds=[seed], batches=2, n_episodes=2, critic_steps=4, value_steps=4, **settings
    ),
}
TRAINERS = ["reinforce, full", "reinforce, baseline", "natural", "PPO", "deep Q", "deep Q, soft"]


def everything():
    """Each trainer and measurement by its name, with an environment that it takes."""
    yield from ((name, run, line()) for name, run in (NUMBERED | COMPARISONS).items())
    yield from ((name, run, line(actions=BOX)) for name, run in (VECTORS | VECTOR_COMPARISON).items())


EVERYTHING = [pytest.param(run, env, id=name) for name, run, env in everything()]


def fingerprint(result):
    """All numbers of a result, and all parameters of its networks, in one list of byte strings."""
    if isinstance(result, torch.nn.Module):
        return [p.detach().numpy().tobytes() for p in result.parameters()]
    if isinstance(result, dict):
        return fingerprint(list(result.values()))
    if isinstance(result, Training):
        return fingerprint([part for name, part in vars(result).items() if name not in ("seed", "settings")])
    if isinstance(result, Control):
        return fingerprint([result.policy, result.value, result.critic, result.share])
    if isinstance(result, (list, tuple)):
        return [part for entry in result for part in fingerprint(entry)]
    return [str(result).encode() if result is None or isinstance(result, str) else np.asarray(result).tobytes()]


@pytest.fixture(autouse=True)
def all_closed():
    """Whatever happens in a test, no environment that a function made is left open."""
    Line.open = 0
    yield
    assert Line.open == 0


# Discrete spaces with any start -----------------------------------------------------------------------------


@pytest.mark.parametrize("run", NUMBERED.values(), ids=NUMBERED)
@pytest.mark.parametrize(("start", "dtype"), [(5, np.int64), (-2, np.int64), (1, np.int32), (200, np.uint8)])
def test_where_the_actions_start_changes_nothing_but_their_names(run, start, dtype):
    """The environment is the same but for what it calls its actions, and refuses all others: so is every number."""
    plain = run(seed=1, env=line())
    moved = spaces.Discrete(3, start=start, dtype=dtype)
    named = run(seed=1, env=line(actions=moved, start=start))
    assert fingerprint(plain) == fingerprint(named)


class Ring(gym.Env):
    """Four states in a ring, left and right, its states and actions numbered from anywhere; the third pays 1."""

    def __init__(self, states=FOUR, actions=TWO, fault=None):
        self.observation_space, self.action_space, self.fault, self.steps = states, actions, fault, 0

    def _show(self):
        return self.state + int(self.observation_space.start)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = int(self.np_random.integers(4))
        return self._show(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        move = 2 * (action - int(self.action_space.start)) - 1
        self.state = (self.state + (move if self.np_random.random() < 0.8 else -move)) % 4
        self.steps += 1
        shown, reward = self._show(), float(self.state == 2)
        if self.fault and self.steps == 7:
            shown, reward = self.fault(shown, reward)
        return shown, reward, self.state == 3, self.steps % 9 == 0, {}


def test_q_learning_numbers_its_rows_from_where_the_spaces_start():
    learned = [
        bellman.q_learning(Ring(states, actions), 0.9, steps=3000, rng=np.random.default_rng(0))
        for states, actions in (
            (spaces.Discrete(4), spaces.Discrete(2)),
            (spaces.Discrete(4, start=7), spaces.Discrete(2)),
            (spaces.Discrete(4), spaces.Discrete(2, start=-1)),
            (spaces.Discrete(4, start=-3), spaces.Discrete(2, start=2)),
        )
    ]
    assert learned[0].visits.min() > 10
    assert (learned[0].Q > 0).all()
    for other in learned[1:]:
        assert fingerprint(other) == fingerprint(learned[0])


# Boxes ------------------------------------------------------------------------------------------------------

BOXES = [
    BOX,
    spaces.Box(np.array([-1.0, 0.0]), np.array([0.5, 3.0]), dtype=np.float64),
    spaces.Box(0, np.inf, (2,), np.float32),
    spaces.Box(-np.inf, np.inf, (2,), np.float32),
    spaces.Box(-0.1, 0.1, (2,), np.float16),
]


@pytest.mark.parametrize("run", VECTORS.values(), ids=VECTORS)
@pytest.mark.parametrize("box", BOXES, ids=str)
def test_boxes_get_what_is_in_them(run, box):
    """The environment fails on an action that is not; with σ = 1 most of what is drawn is outside of some boxes."""
    result = run(seed=1, env=line(actions=box))
    assert all(np.isfinite(np.frombuffer(part, np.uint8)).all() for part in fingerprint(result))


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_what_is_recorded_is_what_was_drawn(box):
    envs = SyncVectorEnv([lambda: Line(actions=box)] * 40)
    batch = rollout(policy_for(box), envs, np.random.default_rng(0))
    drawn = batch.actions
    assert drawn.dtype == np.float64
    taken = np.array([env.taken[:3] for env in envs.envs])
    assert taken.dtype == box.dtype
    np.testing.assert_array_equal(taken, np.clip(drawn, box.low, box.high).astype(box.dtype))
    outside = ((drawn < box.low) | (drawn > box.high)).mean()
    assert outside > 0.1 if np.isfinite(box.low).any() else outside == 0
    envs.close()


def test_the_score_of_what_was_drawn_gives_the_gradient_of_what_is_earned():
    """One step that pays the clipped action: its mean has ∂/∂μ E clip(a) = P(−1 < a < 1) = 0.683 for μ = 0, σ = 1.

    The score of the clipped action would give E clip(a)² = 0.516 instead. The standard error is about
    √(Var(a clip(a))/N) = 0.73/√2500 = 0.015; the two are eleven of them apart, and each is held to five.
    """

    class Pay(Line):
        def step(self, action):
            shown, reward, _, _, info = super().step(action)
            return shown, reward, True, False, info

    box = spaces.Box(-1, 1, (1,), np.float32)
    envs = SyncVectorEnv([lambda: Pay(actions=box)] * 2500)
    policy = policy_for(box)
    with torch.no_grad():
        for p in policy.parameters():
            p.zero_()
    batch = rollout(policy, envs, np.random.default_rng(2))
    envs.close()
    last_bias = sum(p.numel() for p in policy.network.parameters())  # log σ comes first, then the network
    model = local_model(policy, batch.observations[:, 0], batch.actions[:, 0], batch.rewards[:, 0])
    names = [name for name, p in policy.named_parameters() for _ in range(p.numel())]
    (slope,) = model.gradient[[name == "network.2.bias" for name in names]]
    assert last_bias + 1 == len(names)
    assert abs(slope - 0.6827) < 0.073
    clipped = local_model(policy, batch.observations[:, 0], np.clip(batch.actions[:, 0], -1, 1), batch.rewards[:, 0])
    (wrong,) = clipped.gradient[[name == "network.2.bias" for name in names]]
    assert abs(wrong - 0.516) < 0.073


# Spaces that nothing here can use ----------------------------------------------------------------------------

SHOWN = [
    spaces.Discrete(4),
    spaces.Discrete(4, start=1),
    spaces.MultiDiscrete([2, 3]),
    spaces.MultiBinary(2),
    spaces.Dict({"place": PLANE}),
    spaces.Tuple([PLANE, PLANE]),
    spaces.Box(0, 255, (4, 4, 3), np.uint8),
    spaces.Box(0, 1, (), np.float32),
    spaces.Box(0, 1, (0,), np.float32),
    spaces.Text(4),
    spaces.Sequence(spaces.Discrete(2)),
]
TAKEN = [
    spaces.MultiDiscrete([2, 3]),
    spaces.MultiBinary(2),
    spaces.Dict({"push": BOX}),
    spaces.Tuple([THREE, BOX]),
    spaces.Box(-1, 1, (2, 2), np.float32),
    spaces.Box(-1, 1, (), np.float32),
    spaces.Box(0, 9, (2,), np.int64),
    spaces.Text(4),
]


@pytest.mark.parametrize(("run", "env"), EVERYTHING)
@pytest.mark.parametrize("shown", SHOWN, ids=lambda space: type(space).__name__)
def test_observations_that_are_no_vectors_are_refused_by_name(run, env, shown):
    actions = env.entry_point().action_space
    Line.open -= 1
    with pytest.raises(ValueError, match=rf"^env must show vectors, .* {type(shown).__name__}\("):
        run(seed=0, env=line(shown=shown, actions=actions))


@pytest.mark.parametrize(("run", "env"), EVERYTHING)
@pytest.mark.parametrize("actions", TAKEN, ids=lambda space: type(space).__name__)
def test_actions_of_other_kinds_are_refused_by_name(run, env, actions):
    with pytest.raises(ValueError, match=rf"^env must take actions from a .*, got {type(actions).__name__}\("):
        run(seed=0, env=line(actions=actions))


@pytest.mark.parametrize(("run", "env"), EVERYTHING)
def test_actions_of_the_other_kind_are_refused_by_who_cannot_use_them(run, env, request):
    name = request.node.callspec.id
    other = BOX if name in NUMBERED | COMPARISONS else THREE
    both = ("natural", "gradient, ", "trust-region", "compare natural", "reinforce", "compare REINFORCE", "PPO")
    if name.startswith(both):
        run(seed=0, env=line(actions=other))
        return
    if name == "gradient variance":  # takes both, by a policy that fits
        with pytest.raises(ValueError, match=r"^policy must be a GaussianPolicy for actions from Box"):
            run(seed=0, env=line(actions=other))
        return
    with pytest.raises(
        ValueError, match=rf"^env must take actions from a (Discrete|Box).*, got {type(other).__name__}\("
    ):
        run(seed=0, env=line(actions=other))


@pytest.mark.parametrize("space", [*SHOWN[2:], BOX], ids=lambda space: type(space).__name__)
def test_q_learning_refuses_what_is_not_numbered(space):
    for states, actions in ((space, spaces.Discrete(2)), (spaces.Discrete(4), space)):
        with pytest.raises(ValueError, match=rf"^env must have discrete .*, got {type(space).__name__}\("):
            bellman.q_learning(Ring(states, actions), 0.9, steps=10, rng=np.random.default_rng(0))


# Random states ------------------------------------------------------------------------------------------------


def global_states():
    return random.getstate(), str(np.random.get_state()), torch.get_rng_state().numpy().tobytes()  # noqa: NPY002


PARTS = lambda **settings: measure_advantage_parts(  # noqa: E731
    control_for(spaces.Box(-2, 2, (1,)), d=3), n_states=5, n_actions=3, runs=2, horizon=5, **settings
)


@pytest.mark.parametrize(
    "run",
    [
        *(pytest.param(partial(run, env=env), id=name) for name, run, env in everything()),
        pytest.param(PARTS, id="advantage parts"),
        *(
            pytest.param(partial(run, env="CartPole-v1"), id=f"{name}, CartPole")
            for name, run in NUMBERED.items()
            if "variance" not in name
        ),
        pytest.param(partial(train_q_prop, "full", batches=2, n_episodes=2, env=PENDULUM), id="Q-Prop, pendulums"),
    ],
)
def test_results_neither_move_nor_depend_on_any_global_random_state(run):
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    before = global_states()
    first = run(seed=3)
    assert global_states() == before

    torch.rand(7), np.random.rand(7), random.random()  # noqa: NPY002
    threads = torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    try:
        again = run(seed=3)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(threads)
    assert fingerprint(first) == fingerprint(again)
    assert fingerprint(first) != fingerprint(run(seed=4))


def test_measuring_time_leaves_the_random_states_as_they_are():
    before = global_states()
    cost = measure_solves([3, 4], n_states=6, repeats=1)
    assert global_states() == before
    np.testing.assert_array_equal(cost.parameters, [17 * w + w + w * w + w + w + 1 + 1 for w in (3, 4)])


def test_a_networks_weights_are_its_generators_alone():
    before = global_states()
    torch.set_default_dtype(torch.float64)
    try:
        network = mlp(3, 2, hidden=(5, 4), rng=np.random.default_rng(0))
    finally:
        torch.set_default_dtype(torch.float32)
    assert global_states() == before
    rng = np.random.default_rng(0)
    sizes = [(5, 3), (4, 5), (2, 4)]
    for layer, size in zip(network[::2], sizes, strict=True):
        spread = (0.01 if size[0] == 2 else 1) / size[1] ** 0.5
        np.testing.assert_array_equal(layer.weight.detach(), rng.normal(0, spread, size).astype(np.float32))
        assert not layer.bias.detach().any()


# Without torch ------------------------------------------------------------------------------------------------


def run_python(code, *path):
    environment = {"PYTHONPATH": ":".join([*map(str, path), *sys.path])}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, env=environment
    )


@pytest.mark.parametrize("module", ["rlbook.neural", "rlbook.neural.episodes", "rlbook.neural.q_prop"])
def test_without_torch_the_extra_to_install_is_named(module):
    code = f"""
        import sys
        sys.modules["torch"] = None
        import rlbook
        try:
            import {module}
        except ImportError as error:
            assert error.name == "torch"
            print(error)
    """
    result = run_python(code)
    assert result.stderr == ""
    assert 'pip install "rlbook[neural]"' in result.stdout


def test_a_torch_that_lacks_something_itself_says_what(tmp_path):
    (tmp_path / "torch.py").write_text("import nothing_of_that_name\n")
    result = run_python("import rlbook.neural", tmp_path)
    assert "No module named 'nothing_of_that_name'" in result.stderr
    assert "extra" not in result.stderr


# Arguments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("run", "env"), EVERYTHING)
@pytest.mark.parametrize("seed", [None, -1, 1.5, True, "1", np.random.default_rng(0)])
def test_a_seed_is_an_integer_from_0(run, env, seed):
    with pytest.raises(ValueError, match=r"^seeds?(\[0\])? must be an integer from 0, got"):
        run(seed=seed, env=env)


@pytest.mark.parametrize("run", [PARTS, partial(measure_solves, [3], n_states=4, repeats=1)])
def test_a_seed_is_an_integer_from_0_where_there_is_no_env_too(run):
    for seed in (None, -1, 1.5):
        with pytest.raises(ValueError, match=r"^seed must be an integer from 0"):
            run(seed=seed)
    run(seed=np.int64(3))


@pytest.mark.parametrize(("run", "env"), EVERYTHING)
def test_an_env_that_is_none_is_named(run, env):
    for wrong, said in (
        (Pendulums, "env must be the id of a registered environment, .* a Pendulums"),
        (np.zeros, r"env must make an environment without arguments, got .*"),
        (lambda: 3, "env must be the id of a registered environment, .* made a int"),
        (None, "env must be the id of a registered environment, .* got a NoneType"),
        ("CartPile-v1", "env must be the id of a registered environment, got 'CartPile-v1': .*CartPile"),
        ("CartPole-v99", "env must be the id of a registered environment, got 'CartPole-v99'"),
        ("no_such_module:CartPole-v1", "env must be the id of a registered environment, got 'no_such_module:"),
        ("cart pole", "env must be the id of a registered environment, got 'cart pole'"),
    ):
        with pytest.raises(ValueError, match=f"^{said}"):
            run(seed=0, env=wrong)
    several = EnvSpec("Line-v0", env.entry_point, kwargs={"num_envs": 7}, disable_env_checker=True)
    with pytest.raises(ValueError, match=r"^env must not say how many copies there are: it made 7, not"):
        run(seed=0, env=several)


TRAINED = [
    pytest.param(run, env, id=name)
    for name, run, env in everything()
    if name not in ("gradient variance", "control", "Q-Prop variance")
]


@pytest.mark.parametrize(("run", "env"), TRAINED)
@pytest.mark.parametrize("hidden", [(), [], 0, -3, 2.5, (4, 0), (4, 2.5), "8", None, True, (True,)], ids=repr)
def test_hidden_layers_have_positive_widths(run, env, hidden):
    with pytest.raises(ValueError, match=r"^hidden(\[\d\])? must be a positive integer"):
        run(seed=0, env=env, hidden=hidden)


def widths(network):
    return [layer.out_features for layer in network.modules() if isinstance(layer, torch.nn.Linear)]


@pytest.mark.parametrize("hidden", [(5, 3), [5, 3]])
def test_every_trainer_takes_a_tuple_of_widths(hidden):
    for name in TRAINERS:
        result = NUMBERED[name](seed=0, env=line(), hidden=hidden)
        for network, n in ((result.policy, 3), (result.value, 1)):
            assert network is None or widths(network) == [5, 3, n]
    result = VECTORS["Q-Prop"](seed=0, env=line(actions=BOX), hidden=hidden)
    assert widths(result.policy) == [5, 3, 2]
    control = result.controls[0]
    assert [widths(part) for part in (control.value, control.critic, control.share)] == 3 * [[5, 3, 1]]


def test_a_tuple_of_one_width_is_that_width():
    for name in TRAINERS:
        one, other = (NUMBERED[name](seed=0, env=line(), hidden=hidden) for hidden in (6, (6,)))
        assert fingerprint(one) == fingerprint(other)
    control = VECTORS["Q-Prop"](seed=0, env=line(actions=BOX), hidden=6).controls[0]
    parts = (control.policy, control.share, control.value, control.critic)
    assert [widths(part) for part in parts] == [[6, 2], [6, 1], [6, 6, 1], [6, 6, 1]]


@pytest.mark.parametrize("name", TRAINERS)
@pytest.mark.parametrize("progress", [3, "bar", True])
def test_progress_is_a_bar(name, progress):
    with pytest.raises(ValueError, match=r"^progress must be a tqdm bar, or None, got"):
        NUMBERED[name](seed=0, env=line(), progress=progress)
    with pytest.raises(ValueError, match=r"^progress must be a tqdm bar, or None, got"):
        VECTORS["Q-Prop"](seed=0, env=line(actions=BOX), progress=progress)
    moved = []
    NUMBERED[name](seed=0, env=line(), progress=SimpleNamespace(update=lambda: moved.append(1)))
    assert len(moved) == (2 if "deep" in name else 3)


def test_comparisons_are_of_several_seeds_and_named_variants():
    for compare in (compare_reinforce, compare_natural, compare_deep_q, compare_q_prop):
        for seeds in (3, None, "12"):
            with pytest.raises(ValueError, match=r"^seeds must be a sequence of integers from 0"):
                compare(seeds=seeds)
        with pytest.raises(ValueError, match=r"^seeds\[1\] must be an integer from 0, got -1"):
            compare(seeds=(0, -1))
    for compare in (compare_reinforce, compare_natural, compare_q_prop):
        with pytest.raises(ValueError, match=r"^batches must be a positive integer"):
            compare(batches="5")
    for compare in (compare_deep_q, compare_q_prop):
        for variants in (["soft"], {"soft": 3}, None):
            with pytest.raises(ValueError, match=r"^variants must be a dictionary"):
                compare(variants=variants)


@pytest.mark.parametrize("name", TRAINERS)
@pytest.mark.parametrize("rate", [0, -1, np.nan, np.inf, "0.1", None])
def test_a_learning_rate_is_positive(name, rate):
    with pytest.raises(ValueError, match=r"^learning_rate must be a positive"):
        NUMBERED[name](seed=0, env=line(), learning_rate=rate)


def test_generators_are_generators():
    policy, rng = policy_for(THREE), np.random.default_rng(0)
    envs = SyncVectorEnv([Line])
    for wrong in (0, None, np.random.RandomState(0), torch.Generator()):
        for draw in (
            lambda wrong=wrong: mlp(2, 3, hidden=4, rng=wrong),
            lambda wrong=wrong: draw_actions(policy, np.zeros((1, 2)), wrong),
            lambda wrong=wrong: rollout(policy, envs, wrong),
            lambda wrong=wrong: next(interact(envs, lambda _: np.zeros(1, dtype=int), wrong)),
        ):
            with pytest.raises(ValueError, match=r"^rng must be a numpy.random.Generator, got"):
                draw()
    memory = Replay(3)
    memory.add(next(interact(envs, lambda _: np.zeros(1, dtype=int), rng)))
    with pytest.raises(ValueError, match=r"^rng must be a numpy.random.Generator"):
        memory.sample(1, 0)
    for capacity in (0, 2.5, None):
        with pytest.raises(ValueError, match=r"^capacity must be a positive integer"):
            Replay(capacity)
    for sizes in ((0, 1), (1, 2.5)):
        with pytest.raises(ValueError, match=r"^n_(in|out) must be a positive integer"):
            mlp(*sizes, hidden=2, rng=rng)
    envs.close()


@pytest.mark.parametrize(
    ("env", "settings", "said"),
    [
        (gridworld(["S.G"], gamma=0.9), {}, "env must be an environment of Gymnasium, to be played, got a TabularMDP"),
        ("FrozenLake-v1", {}, "env must be an environment of Gymnasium, to be played, got a str"),
        (Ring, {}, "env must be an environment of Gymnasium, to be played, got a type"),
        (
            gym.make_vec("FrozenLake-v1"),
            {},
            "env must be an environment of Gymnasium, to be played, got a SyncVectorEnv",
        ),
        (Ring(), {"rng": 0}, "rng must be a numpy.random.Generator, got 0"),
        (Ring(), {"rng": None}, "rng must be a numpy.random.Generator, got None"),
        (Ring(fault=lambda s, r: (4, r)), {}, r"env showed 4 after 7 steps, which is not in Discrete\(4\)"),
        (Ring(fault=lambda s, r: (-1, r)), {}, r"env showed -1 after 7 steps, which is not in Discrete\(4\)"),
        (Ring(fault=lambda s, r: (1.5, r)), {}, r"env showed 1.5 after 7 steps, which is not in"),
        (Ring(fault=lambda s, r: ((1, 2), r)), {}, r"env showed \(1, 2\) after 7 steps, which is not in"),
        (Ring(fault=lambda s, r: (s, np.nan)), {}, "env gave the reward nan at step 7"),
        (Ring(fault=lambda s, r: (s, np.inf)), {}, "env gave the reward inf at step 7"),
    ],
)
def test_q_learning_names_what_it_cannot_play(env, settings, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        bellman.q_learning(env, 0.9, **{"steps": 50, "rng": np.random.default_rng(0), **settings})


# What goes wrong on the way -----------------------------------------------------------------------------------

PLAYED = [p for p in EVERYTHING if not p.id.startswith("compare")]


@pytest.mark.parametrize(("run", "env"), PLAYED)
@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ({2: ("show", np.nan)}, r"^env gave the observation \[nan nan\] after \d+ steps, in copy 0: not finite"),
        ({0: ("show", np.inf)}, r"^env gave the observation \[inf inf\] after 0 steps, in copy 0: not finite"),
        ({1: ("earn", np.nan)}, r"^env gave the reward nan after 1 steps, in copy 0: not finite"),
        ({3: ("earn", -np.inf)}, r"^env gave the reward -inf after 3 steps, in copy 0: not finite"),
    ],
)
def test_what_is_no_number_is_named_when_it_is_shown(run, env, faults, said):
    actions = env.entry_point().action_space
    Line.open -= 1
    with pytest.raises(ValueError, match=said):
        run(seed=0, env=line(actions=actions, faults=tuple(faults.items())))


@pytest.mark.parametrize(("run", "env"), EVERYTHING)
def test_environments_are_closed_after_their_own_error(run, env):
    actions = env.entry_point().action_space
    Line.open -= 1
    with pytest.raises(RuntimeError, match="the line is broken"):
        run(seed=0, env=line(actions=actions, faults=((2, ("raise", None)),)))


@pytest.mark.parametrize(("run", "env"), TRAINED)
def test_learning_that_runs_away_ends_with_an_error(run, env):
    """A few steps of 3e37 take what a float32 holds, or its products, beyond 3.4e38."""
    with pytest.raises(ValueError, match=r"^(the \w+ has come to hold numbers that are not finite|policy must give a)"):
        run(seed=0, env=env, learning_rate=3e37)


@pytest.mark.parametrize("actions", [THREE, BOX], ids=["numbers", "vectors"])
def test_a_policy_without_a_distribution_draws_nothing(actions):
    rng, observations = np.random.default_rng(0), np.zeros((3, 2))
    for bad in (np.nan, np.inf):
        policy = policy_for(actions)
        with torch.no_grad():
            list(policy.parameters())[-1].fill_(bad)
        with pytest.raises(ValueError, match=r"^policy must give a distribution, but its output for observations\[0\]"):
            draw_actions(policy, observations, rng)
    observations[1] = np.nan
    with pytest.raises(ValueError, match=r"^observations\[1, 0\] is nan, not a finite number"):
        draw_actions(policy_for(actions), observations, rng)


@pytest.mark.parametrize(
    ("actions", "policy", "said"),
    [
        (THREE, None, "policy must be a torch module, got a NoneType"),
        (THREE, lambda x: x, "policy must be a torch module, got a function"),
        (THREE, torch.nn.Identity(), "policy must be a torch module with parameters, got a Identity without"),
        (THREE, policy_for(THREE, d=5), "policy must read observations of 2 numbers: "),
        (THREE, policy_for(spaces.Discrete(4)), r"policy must give 3 numbers for an observation, got .* \(1, 4\)"),
        (THREE, policy_for(BOX), "policy must be some other module than a GaussianPolicy for actions from Discrete"),
        (BOX, policy_for(THREE), r"policy must be a GaussianPolicy for actions from Box\(.*, got a Sequential"),
        (BOX, policy_for(spaces.Box(-1, 1, (3,))), r"policy must give 4 numbers for an observation, got .* \(1, 6\)"),
    ],
)
def test_a_policy_that_does_not_fit_is_named(actions, policy, said):
    envs = SyncVectorEnv([lambda: Line(actions=actions)])
    with pytest.raises(ValueError, match=f"^{said}"):
        rollout(policy, envs, np.random.default_rng(0))
    envs.close()
    if actions is THREE:
        with pytest.raises(ValueError, match=f"^{said}"):
            measure_gradient_variance(policy, policy_for(spaces.Discrete(1)), seed=0, n_episodes=2, env=line())


def test_a_control_that_is_none_or_another_environments_is_named():
    for measure in (measure_q_prop_variance, measure_advantage_parts):
        with pytest.raises(ValueError, match=r"^control must be a Control, got a GaussianPolicy"):
            measure(policy_for(BOX), seed=0)
        with pytest.raises(ValueError, match=r"^policy must read observations of 3 numbers"):
            measure(control_for(), seed=0)
    with pytest.raises(ValueError, match=r"^value must be a torch module, got a NoneType"):
        Control(policy_for(BOX), None, None, None)
    with pytest.raises(ValueError, match=r"^value must be a torch module, got a NoneType"):
        measure_gradient_variance(policy_for(THREE), None, seed=0, env=line())
    with pytest.raises(ValueError, match=r"^policy must read observations of 2 numbers"):
        fit_control(policy_for(BOX, d=3), seed=0, env=line(actions=BOX))


def test_only_vector_environments_are_played_side_by_side():
    env = Line()
    for play in (
        lambda: rollout(policy_for(THREE), env, np.random.default_rng(0)),
        lambda: next(interact(env, lambda _: np.zeros(1, dtype=int), np.random.default_rng(0))),
    ):
        with pytest.raises(
            ValueError, match=r"^envs must be a vector environment, made by gymnasium.make_vec, got a Line"
        ):
            play()
    env.close()


@pytest.mark.parametrize("chosen", [[0], [0, 3], [0, -1], [0.0, 1.0], [[0, 1]], [True, False], None])
def test_only_actions_that_there_are_can_be_chosen(chosen):
    envs = SyncVectorEnv([Line, Line])
    with pytest.raises(ValueError, match=r"^actions must be 2 numbers from 0 to 2, got"):
        next(interact(envs, lambda _: chosen, np.random.default_rng(0)))
    envs.close()


def test_environments_that_fill_one_array_are_read_in_time():
    """A vector environment may hand out the same array at every step, filled anew."""
    batches = []
    for copy in (True, False):
        envs = SyncVectorEnv([Line] * 4, copy=copy)
        rng = np.random.default_rng(0)
        batches.append([rollout(policy_for(THREE), envs, rng)])
        stream = interact(envs, lambda shown: np.zeros(len(shown), dtype=int), rng)
        batches[-1] += [[column.copy() for column in next(stream)] for _ in range(9)]
        envs.close()
    assert fingerprint(batches[0]) == fingerprint(batches[1])


def test_pendulums_say_what_they_take():
    envs = Pendulums(3)
    assert envs.single_action_space == spaces.Box(-2, 2, (1,), np.float64)  # in double precision, as π draws
    assert envs.action_space.shape == (3, 1)
    for settings in ({"num_envs": 0}, {"num_envs": 2.5}, {"max_episode_steps": -1}):
        with pytest.raises(ValueError, match=rf"^{next(iter(settings))} must be a positive integer"):
            Pendulums(**settings)
    with pytest.raises(ValueError, match=r"^render_mode must be None, .* got 'human'"):
        Pendulums(2, render_mode="human")


def test_observations_come_in_rows():
    for shape in ((2,), (1, 1, 2), ()):
        with pytest.raises(ValueError, match=r"^observations must have shape \(N, d\), got \("):
            draw_actions(policy_for(THREE), np.zeros(shape), np.random.default_rng(0))
