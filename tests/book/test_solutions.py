"""The code of solutions, run as it stands there: what it comes to is what the solution says beside it."""

import ast
import json
import re

import numpy as np
import pytest

from rlbook import TabularMDP, exact_gradient
from rlbook import policy_gradient as pg
from tests.sources import NOTEBOOKS, code_cells

LABELS = ("ex-past", "ex-lake", "ex-sweeps", "ex-rates", "ex-boltzmann", "ex-budget")


def solutions():
    """{label: its text} of all chapters."""
    found = {}
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            text = "".join(cell["source"]) + "\n"
            found |= dict(re.findall(r"^```\{solution\} (\S+)$(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    return found


def code_of(label):
    text = solutions()[label]
    blocks = re.findall(r"^~~~python\n(.*?)^~~~$", text, re.MULTILINE | re.DOTALL)
    return blocks or [code for code in re.findall(r"`([^`\n]+)`", text) if "(" in code]


def names_of(label, *cells):
    """What the set-up of a solution's chapter binds, and the cells in which one of these texts is."""
    chapter = next(i for i, path in enumerate(NOTEBOOKS, 1) if f"{{solution}} {label}\\n" in path.read_text("utf-8"))
    names = {}
    for source, tags in code_cells(chapter):
        set_up = "set-up" in tags and "rlbook.widgets" not in source
        if set_up or any(text in source for text in cells):
            exec(compile(source, "<cell>", "exec"), names)
    return names


def value_of(label, names):
    """Of a solution's code, with these names, the value of its last line, or what that prints."""
    *before, last = ast.parse("\n".join(code_of(label))).body
    exec(compile(ast.Module(before, []), label, "exec"), names)
    value = last.value
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "print":
        value = ast.Tuple(value.args, ast.Load())
    return eval(compile(ast.fix_missing_locations(ast.Expression(value)), label, "eval"), names)


def test_each_solution_with_code_is_run_here():
    assert {label for label in solutions() if code_of(label)} == set(LABELS)


def test_the_best_weight_of_the_past():
    """About −0.18, and it saves 12 %."""
    names = names_of("ex-past")
    mdp, pi, T = (names[name] for name in ("mdp", "pi", "T"))
    V, _ = pg.finite_horizon_values(mdp, pi, T)
    names["moments"] = pg.exact_moments(mdp, pi, T, baseline=V)
    assert value_of("ex-past", names) == pytest.approx((-0.18, 0.12), abs=5e-3)


def test_a_sampled_gradient_on_the_lake():
    """Where theta is zero the true one is 0.004 long, and one episode's has a spread of 0.15."""
    names = names_of("ex-lake", "lake = ")
    theta = names["theta"] = np.zeros((16, 4))
    names["rng"] = np.random.default_rng(0)
    sampled, exact = value_of("ex-lake", names), exact_gradient(names["lake"], theta)
    assert np.linalg.norm(exact) == pytest.approx(0.004, abs=5e-4)
    assert sampled.shape == exact.shape
    assert 0 < np.linalg.norm(sampled - exact) < 4 * 0.15 / 10  # four standard errors of a hundred episodes' mean


@pytest.mark.parametrize(("gamma", "sweeps"), [(0.9, 92), (0.99, 401), (0.999, 557)])
def test_how_many_sweeps(gamma, sweeps):
    names = names_of("ex-sweeps")
    lake = names["lake"]
    names["lake"] = TabularMDP(lake.P, lake.r, gamma, lake.rho0, terminal=lake.terminal)
    assert value_of("ex-sweeps", names) == sweeps


@pytest.mark.parametrize(("rate", "left"), [(1.0, 0.866), (0.7, 0.125)])
def test_what_a_million_steps_leave(rate, left):
    assert value_of("ex-rates", names_of("ex-rates") | {"rate": rate}) == pytest.approx(left, abs=5e-4)


def test_the_soft_shop():
    assert value_of("ex-boltzmann", names_of("ex-boltzmann")) == pytest.approx(12.5002, abs=5e-5)


def test_the_program_with_a_budget():
    names = names_of("ex-budget", "cost = ", "corners = ")
    names["B"] = B = names["budgets"][100]
    found = value_of("ex-budget", names)
    assert (found.rho * names["cost"]).sum() == pytest.approx(B)  # all of it is spent
    assert found.multipliers[0] > 0
