"""Hypothesis strategies: small MDPs with all the corners that a proof passes over in silence.

Probabilities are small whole numbers divided by their sum. That reaches zero and one often, as random floats
never do: unreachable states, deterministic rows, absorbing states, actions that are never taken.
"""

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

from rlbook import TabularMDP

NUMBERS = st.integers(-12, 12).map(lambda k: k / 4)  # exactly representable, and shrink to 0
DISCOUNTS = st.sampled_from([0.0, 0.3, 0.5, 0.9, 0.97])


def arrays(*shape, elements=NUMBERS):
    """Float arrays of the given shape."""
    size = int(np.prod(shape))
    return st.lists(elements, min_size=size, max_size=size).map(lambda x: np.array(x, dtype=float).reshape(shape))


def distributions(*shape):
    """Arrays whose last axis holds distributions, many of their entries exactly zero."""
    width = shape[-1]
    weights = st.lists(st.integers(0, 4), min_size=width, max_size=width)
    # A list of zeros stands for a certain outcome, the first.
    row = weights.map(lambda w: np.eye(1, width)[0] if sum(w) == 0 else np.array(w, dtype=float) / sum(w))
    count = int(np.prod(shape[:-1], dtype=int))
    return st.lists(row, min_size=count, max_size=count).map(lambda rows: np.array(rows).reshape(shape))


@st.composite
def tabular_mdps(draw, max_states=3, max_actions=3, sparse=None, discounts=DISCOUNTS):
    """Small MDPs, dense or sparse, in which states may be unreachable and some are made absorbing."""
    S, A = draw(_sizes(max_states)), draw(_sizes(max_actions))
    P, r = draw(distributions(S, A, S)), draw(arrays(S, A))
    for s in draw(st.sets(st.integers(0, S - 1), max_size=1)):
        P[s], r[s] = np.eye(S)[s], 0.0
    rho0, gamma = draw(distributions(S)), draw(discounts)
    if draw(st.booleans()) if sparse is None else sparse:
        P = sp.csr_array(P.reshape(S * A, S))
    return TabularMDP(P, r, gamma, rho0)


NEARLY_ONE = st.sampled_from([0.0, 0.5, 0.9, 0.99, 1 - 1e-4, 1 - 1e-6, 1 - 1e-8, 1 - 1e-10, 1 - 1e-12])
SCALES = st.sampled_from([1.0, 1.0, 1e-9, 1e-3, 1e3, 1e9])
OFFSETS = st.sampled_from([0.0, 0.0, 1.0, -1e3, 1e6, -1e9, 1e9])


@st.composite
def hard_mdps(draw, **options):
    """`tabular_mdps` with γ up to 1 − 1e-12, rewards scaled by 1e-9 … 1e9, then all moved by up to 1e9."""
    mdp = draw(tabular_mdps(discounts=NEARLY_ONE, **options))
    return with_rewards(mdp, mdp.r * draw(SCALES) + draw(OFFSETS))


def with_rewards(mdp, r):
    """The same MDP with other rewards."""
    return TabularMDP(mdp.P, r, mdp.gamma, mdp.rho0)


def policies(mdp):
    """Policies with zeros and ones among their probabilities, and interior ones."""
    return st.one_of(distributions(*mdp.r.shape), thetas(mdp).map(_softmax))


def thetas(mdp):
    """Parameters of the tabular softmax policy."""
    return arrays(*mdp.r.shape, elements=st.integers(-8, 8).map(lambda k: k / 4))


@st.composite
def shared_features(draw, mdp, max_parameters=2):
    """(S, A, n) features: few parameters, so that states share them; some state's may all be equal."""
    n = draw(st.integers(1, max_parameters))
    features = draw(arrays(*mdp.r.shape, n, elements=st.integers(-3, 3).map(lambda k: k / 3)))
    for s in draw(st.sets(st.integers(0, mdp.n_states - 1), max_size=1)):
        features[s] = features[s, :1]  # equal for all actions: the score is zero there
    return features


@st.composite
def parametrisations(draw, mdp):
    """(theta, features) of a tabular softmax policy (features None) or of a log-linear one."""
    if draw(st.booleans()):
        return draw(thetas(mdp)), None
    features = draw(shared_features(mdp))
    return draw(arrays(features.shape[2], elements=st.integers(-8, 8).map(lambda k: k / 4))), features


def baselines(mdp, horizon):
    """Baselines that depend on the time and the state, (T, S)."""
    return arrays(horizon, mdp.n_states)


def plain(mdp):
    """The arrays (P, r, gamma, rho0) of an MDP, as the oracles take them."""
    S, A = mdp.r.shape
    P = mdp.P.toarray().reshape(S, A, S) if mdp.is_sparse else mdp.P
    return np.array(P), np.array(mdp.r), mdp.gamma, np.array(mdp.rho0)


def _sizes(largest):
    """1 to largest, seldom 1: with one action every score is 0, and most statements are empty."""
    return st.sampled_from([*range(2, largest + 1)] * 3 + [1])


def _softmax(theta):
    weights = np.exp(theta - theta.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


HALVES = st.integers(-6, 6).map(lambda k: k / 2)


def lists(*shape, elements=HALVES):
    """Nested lists of the given shape."""
    if not shape:
        return elements
    return st.lists(lists(*shape[1:], elements=elements), min_size=shape[0], max_size=shape[0])


@st.composite
def grids(draw, most=(4, 5)):
    """The settings of a map: walls, goals, pits and starts anywhere, some rewards of cells."""
    H, W = draw(st.integers(1, most[0])), draw(st.integers(1, most[1]))
    cells = draw(lists(H, W, elements=st.sampled_from("....##GPS")))
    i, j = draw(st.integers(0, H - 1)), draw(st.integers(0, W - 1))
    cells[i][j] = draw(st.sampled_from(".S"))  # a map needs a cell to start from
    return {
        "rows": ["".join(row) for row in cells],
        "cell_rewards": draw(st.just([]) | lists(H, W)),
        "slip": draw(st.sampled_from([0.0, 0.125, 0.2, 1.0])),
        "gamma": draw(st.sampled_from([0.0, 0.5, 0.9, 0.97])),
        "step_reward": draw(HALVES),
        "goal_reward": draw(HALVES),
        "pit_reward": draw(HALVES),
    }


def arrows(rows):
    """Policies of a map as arrows."""
    return lists(len(rows), len(rows[0]), elements=st.sampled_from("^>v<.")).map(
        lambda policy: ["".join(row) for row in policy]
    )


def large_map(H, W, gamma=0.98):
    """The settings of a map of H rows of W cells, and two policies as arrows: always the same ones."""
    rng = np.random.default_rng(0)
    cells = rng.choice(list("......#GP"), size=(H, W))
    cells[0, 0] = "S"
    grid = {
        "rows": ["".join(row) for row in cells],
        "cell_rewards": rng.normal(size=(H, W)).tolist(),
        **{"slip": 0.3, "gamma": gamma, "step_reward": -0.1, "goal_reward": 5.0, "pit_reward": -5.0},
    }
    return grid, *(["".join(row) for row in rng.choice(list("^>v<."), size=(H, W))] for _ in range(2))


def within(limits):
    """What a reader can set from limits[0] to limits[1], in steps of 0.001, the ends among them."""
    low, high = (round(1000 * limit) for limit in limits)
    return st.sampled_from(limits) | st.integers(low, high).map(lambda k: k / 1000)
