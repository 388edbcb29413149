"""Every public function holds to the contract of inputs, and the contract (tests/contract.py) knows every function."""

import inspect

import numpy as np
import pytest
import scipy.sparse as sp

from rlbook import TabularMDP, checks, evaluate_policy, occupancy
from rlbook.occupancies import policy_from_occupancy
from tests.contract import HAS_TORCH, World, arguments, attempt, bad_forms, cases, failures


def test_2000_hostile_calls_end_in_the_same_result_or_a_clear_refusal():
    ended, wrong = failures(2000)
    assert wrong == []
    assert ended["as they should"] == 2000
    assert min(ended["same: same result"], ended["bad: refused by name"]) > 300


@pytest.mark.parametrize("case", [c for c in cases() if not c.name.startswith("neural.")], ids=lambda case: case.name)
def test_each_argument_is_refused_by_name_in_each_bad_form(case):
    defaults = {p.name: p.default for p in case.parameters}
    for name, argument in arguments(case, World(0)).items():
        for form in bad_forms(argument) if argument.kind != "opaque" else ():
            if not (form == "None" and defaults[name] is None) and (HAS_TORCH or "tensor" not in form):
                assert attempt(case, name, "bad", form, 0) is None, (name, form)


def test_the_contract_has_a_good_value_for_every_parameter():
    assert len(cases()) > 120
    for case in cases():
        given = arguments(case, World(1))
        required = [p.name for p in case.parameters if p.default is inspect.Parameter.empty and p.kind != p.VAR_KEYWORD]
        assert set(required) <= set(given), case.name


# Rounding ---------------------------------------------------------------------------------------------------


def test_a_softmax_in_single_precision_is_a_policy():
    torch = pytest.importorskip("torch")
    logits = torch.linspace(-3, 3, 60).reshape(20, 3)
    pi = torch.softmax(logits, dim=1)
    assert abs(pi.double().sum(1) - 1).max() > 1e-8  # it is off by more than double precision would be
    mdp = TabularMDP(np.full((20, 3, 20), 0.05), np.arange(60.0).reshape(20, 3), 0.9, np.full(20, 0.05))
    for form in (pi, pi.numpy(), pi.double(), pi.double().numpy(), pi.tolist()):
        kept = checks.policy(mdp, form)
        assert abs(kept.sum(axis=1) - 1).max() < 1e-15  # divided by its sum, it is one in double precision too
        np.testing.assert_allclose(kept, pi.double().numpy(), rtol=2e-7)
        assert occupancy(mdp, form).sum() == pytest.approx(10, rel=1e-12)


@pytest.mark.parametrize(
    ("dtype", "form"),  # scipy has no sparse matrices of half precision
    [
        (np.float32, lambda P: P),
        (np.float16, lambda P: P),
        (np.float32, lambda P: sp.csr_array(P.reshape(8, 4))),
        (np.float32, lambda P: sp.coo_matrix(P.reshape(8, 4))),
    ],
)
def test_transitions_in_single_and_half_precision_are_divided_by_their_sums(dtype, form):
    P = np.random.default_rng(0).dirichlet(np.ones(4), size=(4, 2)).astype(dtype)
    mdp = TabularMDP(form(P), np.ones((4, 2)), 0.5, np.full(4, 0.25, dtype=dtype))
    assert mdp.row_error < 2e-15
    np.testing.assert_allclose(evaluate_policy(mdp, np.full((4, 2), 0.5)).V, 2.0, rtol=1e-15)


def test_rows_that_double_precision_made_are_kept_to_the_bit():
    P = np.random.default_rng(0).dirichlet(np.ones(7), size=(7, 2))
    assert (P.sum(axis=2) != 1).any()
    np.testing.assert_array_equal(TabularMDP(P, np.zeros((7, 2)), 0.5, np.full(7, 1 / 7)).P, P)


def test_what_is_below_zero_by_rounding_is_zero_and_by_more_is_refused():
    P = np.array([[[1.0, -1e-17]], [[-1e-17, 1.0]]])
    mdp = TabularMDP(P, np.zeros((2, 1)), 0.5, [1.0, -1e-17])
    np.testing.assert_array_equal(mdp.P, np.eye(2)[:, None])
    np.testing.assert_array_equal(mdp.rho0, [1, 0])
    sparse = TabularMDP(sp.csr_array(P[:, 0]), np.zeros((2, 1)), 0.5, [1.0, -1e-17])
    assert sparse.P.toarray().min() == 0
    np.testing.assert_array_equal(policy_from_occupancy([[1.0, -1e-13], [0.0, 1.0]]).pi, np.eye(2))
    with pytest.raises(ValueError, match=r"P\[0, 0, 1\] is -1e-07, not a probability"):
        TabularMDP(np.array([[[1.0, -1e-7]], [[0.0, 1.0]]]), np.zeros((2, 1)), 0.5, [1, 0])


@pytest.mark.parametrize("off", [1e-7, 1e-6, 1e-4])
def test_double_precision_is_not_excused_by_what_single_precision_would_be(off):
    pi = np.array([[0.3, 0.7 - off]])
    with pytest.raises(ValueError, match=r"pi\[0\] sums to 0\.99"):
        checks.distributions("pi", pi, ("S", "A"))


# Numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("within", "inside", "outside"),
    [
        ("[0, 1)", [0, 0.999, np.float32(0.5), np.array(0.25)], [1, -1e-300, np.nan, True, "0.5", None, 10**400]),
        ("(1/2, 1]", [0.75, 1], [0.5, 1.0000001, np.inf]),
        ("(-∞, ∞)", [-1e308, 0, 1e308], [np.inf, -np.inf, np.nan, 1j, [1.0]]),
        ("[0, ∞)", [0, 1e308], [-5e-324, np.inf]),
    ],
)
def test_an_interval_is_what_it_says(within, inside, outside):
    for x in inside:
        assert checks.number("x", x, within) == float(x)
        assert type(checks.number("x", x, within)) is float
    for x in outside:
        with pytest.raises(ValueError, match=r"^x must be a "):
            checks.number("x", x, within)
