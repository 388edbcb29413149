"""The lines of chapter 1 that run torch: its surrogate is rlbook's gradient, and what it says of CartPole is so."""

import numpy as np
import pytest
import torch

from rlbook.neural import measure_gradient_variance, train_reinforce
from rlbook.policy_gradient import exact_moments, finite_horizon_values, per_trajectory_gradients
from tests.sources import code_cells


def ran(*words):
    """The names that the set-up and the cells with these words bind."""
    names = {}
    for source, tags in code_cells(1):
        set_up = "set-up" in tags and "VarianceReduction(" not in source
        if set_up or any(word in source for word in words):
            exec(compile(source, "<cell>", "exec"), names)
    return names


def test_the_surrogate_of_the_algorithm_box_has_rlbooks_gradient():
    names = ran("surrogate.backward()")
    mdp, pi, few, T = (names[name] for name in ("mdp", "pi", "few", "T"))
    V, _ = finite_horizon_values(mdp, pi, T)
    g = per_trajectory_gradients(few, pi, mdp.gamma, baseline=V)
    assert len(g) == 32
    np.testing.assert_allclose(names["logits"].grad.numpy(), g.mean(axis=0), atol=1e-14)
    plain = per_trajectory_gradients(few, pi, mdp.gamma, discount=False, baseline=V).mean(axis=0)
    assert abs(names["logits"].grad.numpy() - plain).max() > 0.1
    # Its mean is the gradient, to five standard errors in 32 episodes.
    mean, covariance = exact_moments(mdp, pi, T, baseline=V).estimator(beta=1)
    error = np.sqrt(np.diag(covariance) / 32)
    assert (abs(names["logits"].grad.numpy().ravel() - mean) < 5 * error).all()


def test_the_surrogates_value_means_nothing():
    """A baseline that is higher everywhere changes the value and, on average, no gradient."""
    names = ran("surrogate.backward()")
    weight, decay, log_pi = (names[name] for name in ("weight", "decay", "log_pi"))
    moved = ((weight - 3 * decay) * log_pi.detach()).sum(1).mean()
    assert abs(moved - names["surrogate"].detach()) > 10 * abs(names["surrogate"].detach())
    assert torch.isfinite(moved)


@pytest.mark.slow
def test_what_chapter_1_says_of_the_means_on_cartpole():
    trained = train_reinforce("baseline", seed=0, batches=8)
    seen = measure_gradient_variance(trained.policy, trained.value, seed=1)
    full, to_go, ours, dropped = seen.mean
    ratio = np.linalg.norm(dropped) / np.linalg.norm(ours)
    assert ratio == pytest.approx(3, abs=0.2)  # three times as long
    assert dropped @ ours / np.linalg.norm(ours) ** 2 / ratio > 0.95  # and hardly turned
    assert full @ ours < 0  # of the full return even the sign is wrong
    assert (seen.bias[:3] < 2).all()  # which is chance
    assert 3 < seen.bias[3] < 10
    assert 5 < seen.total[0] / seen.total[1] < 20
    assert 5 < seen.total[1] / seen.total[2] < 20
    assert to_go @ ours > 0
