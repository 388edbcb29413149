"""BellmanPlane's Python side: settings are checked, numbers exact, the square goes into the smaller one."""

import numpy as np
import pytest
import traitlets

from rlbook.widgets import BellmanPlane


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("V0", [1.0], r"V0.*length 2|V0.*2"),
        ("V0", [1.0, np.inf], r"V0 must be two finite numbers"),
        ("gamma", 1.0, r"gamma.*0\.99"),
        ("operator", "T", r"operator.*'policy', 'optimal', 'soft'"),
        ("alpha", 0, r"alpha.*0\.01"),
        ("k", 1001, r"k.*1000"),
        ("preset", "cliff", r"preset must be one of 'best', .*got 'cliff'"),
    ],
)
def test_bad_value_is_refused_at_construction_and_later(name, value, said):
    with pytest.raises(traitlets.TraitError, match=said):
        BellmanPlane(**{name: value})
    widget = BellmanPlane()
    before = widget.settings
    with pytest.raises(traitlets.TraitError, match=said):
        setattr(widget, name, value)
    assert widget.settings == before


@pytest.mark.parametrize("preset", BellmanPlane.PRESETS)
def test_numbers_are_those_of_the_operator_written_out(preset):
    widget = BellmanPlane(preset, k=2, V0=[5.0, -1.0])
    mdp, alpha = widget.mdp, widget.alpha
    make = {
        "policy": lambda Q: Q.mean(axis=1),
        "optimal": lambda Q: Q.max(axis=1),
        "soft": lambda Q: alpha * np.log(np.exp(Q / alpha).sum(axis=1)),
    }[widget.operator]
    V = np.array([5.0, -1.0])
    for _ in range(2):
        V = make(mdp.r + mdp.gamma * mdp.expect(V))
    assert widget.V == pytest.approx(V)
    assert widget.Q == pytest.approx(mdp.r + mdp.gamma * mdp.expect(V))
    assert make(mdp.r + mdp.gamma * mdp.expect(widget.limit)) == pytest.approx(widget.limit)
    assert widget.error == pytest.approx(abs(V - widget.limit).max())
    for bound in ("envelope", "prior", "posterior"):
        assert widget.error <= widget.bounds[bound] + 1e-12
    widget.gamma = 0.5
    assert (widget.k, widget.V0) == (2, [5.0, -1.0]), "the start and k are kept"


def test_what_the_lesson_says_is_so():
    """After the first sweep half the error is left, after seven a tenth; and each later one keeps nearly γ of it."""
    error = BellmanPlane(step=2).sweeps.curves(10)["error"]
    shares = error[1:] / error[:-1]
    assert shares[0] == pytest.approx(0.5, abs=0.01)
    assert np.argmax(error <= 0.1 * error[0]) == 6
    assert 0.7**7 < 0.1 < 0.7**6
    assert (shares[1:] <= 0.7).all()
    assert (shares[1:] > 0.66).all()
