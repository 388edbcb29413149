"""ValueIteration in Chromium, on a page of its own opened from disk: mouse, touch, keyboard; its numbers, Python's."""

import re

import numpy as np
import pytest

from rlbook.widgets import ValueIteration
from rlbook.widgets.value_iteration import PRESETS
from tests.live import WIDTHS, data, played_out, settled, swipe


def agrees(page, widget):
    """Values, error, bounds, distance and greedy correctness on the page are those that Python computes."""
    shown = data(page)
    scale = 1 + max(abs(widget.V).max(), abs(widget.limit).max())

    def close(value):
        return pytest.approx(value, rel=1e-9, abs=1e-11 * scale / (1 - widget.gamma))

    assert int(shown["k"]) == widget.k
    assert [float(v) for v in shown["v"].split(",")] == close(widget.V.tolist())
    assert float(shown["error"]) == close(widget.error)
    for name, value in widget.bounds.items():
        assert (float(shown[name]) if shown[name] else np.nan) == pytest.approx(
            value, rel=1e-9, abs=1e-11 * scale / (1 - widget.gamma), nan_ok=True
        ), name
    assert float(shown["distance"]) == close(widget.distance)
    assert int(shown["right"]) == widget.right
    said = page.locator(".rl-sentence").text_content()
    assert f"After {widget.k} sweep" in said
    assert f"optimal in {widget.right} of " in said


def cell(page, i, j):
    return page.locator(f".rl-cell[data-at='{i},{j}']")


def middle(page, i, j):
    box = cell(page, i, j).locator(".rl-ground").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def tool(page, name):
    page.locator(".rl-tools").get_by_role("button", name=name, exact=True).click()


def press(page, role):
    page.locator(f"[data-role={role}]").click()


def paint(widget, cells, kind):
    """What a stroke over the cells does, in Python: the kind is set, a cell's own reward goes with wall and free."""
    rows, rewards = [list(row) for row in widget.rows], np.array(widget.cell_rewards)
    for i, j in cells:
        rows[i][j] = kind
        if kind in "#." and rewards.size:
            rewards[i, j] = 0
    widget.rows = ["".join(row) for row in rows]
    if rewards.size:
        widget.cell_rewards = rewards.tolist()


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_says_what_python_says(visit, preset):
    widget = ValueIteration(preset)
    page = visit(ValueIteration("goal-and-pit"))
    page.locator(f".rl-top button[data-value='{preset}']").first.click()
    agrees(page, widget)
    for operator in ("policy", "soft", "optimal"):
        page.locator(f"[aria-label=Operator] button[data-value='{operator}']").click()
        widget.operator = operator
        agrees(page, widget)
        for _ in range(2):
            press(page, "step")
            widget.k += 1
        agrees(page, widget)
    press(page, "reset")
    agrees(page, ValueIteration(preset))


def test_mouse_places_and_takes_away(visit):
    widget = ValueIteration("empty")
    page = visit(widget)
    for _ in range(4):
        press(page, "step")
    widget.k = 4

    tool(page, "Wall")
    page.mouse.move(*middle(page, 1, 1))
    page.mouse.down()
    for j in (2, 3, 4):
        page.mouse.move(*middle(page, 1, j), steps=3)
    page.mouse.up()
    paint(widget, [(1, j) for j in (1, 2, 3, 4)], "#")
    agrees(page, widget)
    assert "rl-is-wall" in cell(page, 1, 3).get_attribute("class")

    press(page, "step")
    widget.k = 1
    cell(page, 1, 2).click()  # the same tool again takes it away
    paint(widget, [(1, 2)], ".")
    agrees(page, widget)

    for name, kind, at in (("Goal", "G", (0, 6)), ("Pit", "P", (3, 3)), ("Start", "S", (4, 0)), ("Free", ".", (5, 6))):
        tool(page, name)
        cell(page, *at).click()
        paint(widget, [at], kind)
        agrees(page, widget)

    tool(page, "+½")
    rewards = np.zeros((6, 8))
    for _ in range(3):
        cell(page, 4, 4).click()
        rewards[4, 4] += 0.5
    tool(page, "−½")
    cell(page, 2, 6).click()
    rewards[2, 6] = -0.5
    widget.cell_rewards = rewards.tolist()
    agrees(page, widget)
    press(page, "step")
    widget.k = 1
    agrees(page, widget)


@pytest.mark.parametrize("seed", range(4))
def test_random_edits_by_keyboard_agree_with_python(visit, seed):
    """Arrows move, letters place, + and − reward, sweeps between, operators and γ changed on the way."""
    rng = np.random.default_rng(seed)
    widget = ValueIteration(["goal-and-pit", "empty", "endless", "two-ways"][seed])
    page = visit(widget)
    H, W = len(widget.rows), len(widget.rows[0])
    kinds = {"w": "#", "g": "G", "p": "P", "s": "S", "f": "."}
    cell(page, 0, 0).focus()
    i, j = 0, 0
    for step in range(30):
        action = rng.choice(
            ["move", "place", "reward", "sweep", "operator", "gamma"], p=[0.35, 0.25, 0.1, 0.2, 0.05, 0.05]
        )
        if action == "move":
            di, dj, key = [(-1, 0, "ArrowUp"), (0, 1, "ArrowRight"), (1, 0, "ArrowDown"), (0, -1, "ArrowLeft")][
                rng.integers(4)
            ]
            page.keyboard.press(key)
            i, j = min(H - 1, max(0, i + di)), min(W - 1, max(0, j + dj))
            assert page.evaluate("document.activeElement.dataset.at") == f"{i},{j}"
        elif action == "place":
            letter = rng.choice(list(kinds))
            kind = "." if widget.rows[i][j] == kinds[letter] else kinds[letter]
            left = "".join(row[:j] + kind + row[j + 1 :] if at == i else row for at, row in enumerate(widget.rows))
            page.keyboard.press(letter)
            if set(left) & set(".S"):  # else there is nowhere to start from, and nothing happens
                paint(widget, [(i, j)], kind)
        elif action == "reward" and widget.rows[i][j] != "#":
            rewards = np.array(widget.cell_rewards) if widget.cell_rewards else np.zeros((H, W))
            rewards[i, j] += (up := rng.choice([-0.5, 0.5]))
            page.keyboard.press("+" if up > 0 else "-")
            widget.cell_rewards = rewards.tolist()
        elif action == "sweep":
            times = int(rng.integers(1, 4))
            for _ in range(times):
                page.locator("[data-role=step]").evaluate("(button) => button.click()")
            widget.k += times
        elif action == "operator":
            operator = str(rng.choice(["policy", "optimal", "soft"]))
            page.locator(f"[aria-label=Operator] button[data-value='{operator}']").evaluate(
                "(button) => button.click()"
            )
            widget.operator = operator
        elif action == "gamma":
            widget.gamma = float(rng.choice([0.5, 0.8, 0.95]))
            field = page.get_by_label("γ, discount", exact=True)
            field.evaluate(
                "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", widget.gamma
            )
        if step % 5 == 4:
            agrees(page, widget)
    widget.k += 3
    for _ in range(3):
        press(page, "step")
    agrees(page, widget)


def test_touch_taps_paints_sideways_and_scrolls_up_and_down(visit):
    widget = ValueIteration("empty")
    page = visit(widget, "phone", has_touch=True, is_mobile=True)
    tool(page, "Wall")
    cell(page, 2, 2).scroll_into_view_if_needed()
    page.touchscreen.tap(*middle(page, 2, 2))
    paint(widget, [(2, 2)], "#")
    agrees(page, widget)

    swipe(page, middle(page, 4, 1), middle(page, 4, 5))
    paint(widget, [(4, j) for j in range(1, 6)], "#")
    agrees(page, widget)

    # A finger that goes up scrolls the page and leaves the map alone.
    top = page.evaluate("window.scrollY")
    x, y = middle(page, 4, 6)
    swipe(page, (x, y), (x, y - 160))
    page.wait_for_function("(top) => window.scrollY > top + 60", arg=top)
    agrees(page, widget)

    tool(page, "Look")
    page.touchscreen.tap(*middle(page, 0, 3))
    settled(page)
    assert "Row 1, column 4" in page.locator(".rl-equation").text_content()
    agrees(page, widget)


def test_the_equation_of_the_pointed_cell_is_written_with_its_numbers(visit):
    """Every line's right side, evaluated as it stands, is the number after its last sign of equality."""
    widget = ValueIteration("goal-and-pit", k=3)
    page = visit(widget)
    next_Q = widget.sweeps.apply(widget.Q)
    for s, (i, j) in enumerate(widget.mdp.cells):
        page.mouse.move(*middle(page, i, j))
        settled(page)
        lines = page.locator(".rl-equation p").all_text_contents()
        assert f"Row {i + 1}, column {j + 1}" in lines[0]
        if widget.rows[i][j] in "GP":
            assert "entering it earns" in lines[0]
            continue
        backups = [line for line in lines if line.startswith("Q₄(s, ")]
        assert len(backups) == 4
        for line, exact in zip(backups, next_Q[s], strict=True):
            _, right, result = line.replace("−", "-").replace("·", "*").split(" = ")
            assert re.fullmatch(r"[-+*(). \d]+", right)
            assert eval(right) == pytest.approx(exact, abs=5e-3)
            assert float(result) == pytest.approx(exact, rel=6e-3, abs=1e-9)
        assert f"V₄(s) = max Q = {next_Q[s].max():.3g}".replace("-", "−") in lines[-1]


def test_a_reward_changed_after_convergence_is_replanned_before_the_readers_eyes(visit):
    widget = ValueIteration("two-goals")
    page = visit(widget)
    press(page, "run")
    played_out(page)
    widget.k = int(data(page)["k"])
    assert widget.bounds["posterior"] <= 1e-9
    agrees(page, widget)

    cell(page, 1, 0).focus()
    for _ in range(6):
        page.keyboard.press("+")
    rewards = np.array(widget.cell_rewards)
    rewards[1, 0] += 3
    widget.cell_rewards = rewards.tolist()
    agrees(page, widget)
    assert widget.k == 0
    press(page, "play")
    page.wait_for_function("() => document.querySelector('.rl').dataset.k === '3'")
    played_out(page)
    widget.k = int(data(page)["k"])
    agrees(page, widget)


def test_play_pauses_and_goes_on(visit):
    page = visit(ValueIteration("endless", k=0))
    press(page, "play")
    page.wait_for_function("() => document.querySelector('.rl').dataset.k > 1")
    assert page.locator("[data-role=play]").text_content() == "Pause"
    press(page, "play")
    stopped = data(page)["k"]
    page.wait_for_timeout(500)
    assert data(page)["k"] == stopped


def test_reduced_motion_jumps_to_the_end(visit):
    page = visit(ValueIteration("maze"), reduced_motion="reduce")
    press(page, "run")
    settled(page)
    shown = data(page)
    assert int(shown["k"]) > 20
    assert float(shown["posterior"]) < 1e-9


def test_a_frozen_greedy_policy_is_swept(visit):
    widget = ValueIteration("goal-and-pit")
    page = visit(widget)
    for _ in range(6):
        press(page, "step")
    widget.k = 6
    page.get_by_role("button", name="the greedy one of now").click()
    widget.freeze()
    press(page, "step")
    widget.k = 1
    agrees(page, widget)
    page.get_by_role("button", name="uniform").click()
    widget.policy = []
    agrees(page, widget)


def test_second_starts(visit):
    widget = ValueIteration("cliff")
    page = visit(widget)
    for other in ("random", "pessimistic", "optimistic"):
        press(page, "step")
        widget.k += 1
        page.get_by_role("button", name=other).click()
        widget.other = other
        agrees(page, widget)


def test_the_plot_is_a_scale_for_k(visit):
    widget = ValueIteration("endless")
    page = visit(widget)
    box = page.locator("svg.rl-drag:visible").first.bounding_box()
    page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"])
    settled(page)
    widget.k = int(data(page)["k"])
    assert 40 < widget.k < 90
    agrees(page, widget)


# Links ----------------------------------------------------------------------------------------------------


def test_state_can_be_linked_to(visit):
    """An edited map, a frozen policy and sweeps carried over come back; numbers to single precision."""
    page = visit(ValueIteration("goal-and-pit"))
    for _ in range(5):
        press(page, "step")
    cell(page, 2, 2).focus()
    page.keyboard.press("w")
    cell(page, 0, 0).focus()
    for _ in range(3):
        page.keyboard.press("+")
    page.get_by_role("button", name="the greedy one of now").click()
    press(page, "step")
    before = data(page)
    press(page, "link")
    page.wait_for_function("() => location.hash.includes('w=')")
    asked = "#" + page.url.partition("#")[2]
    assert len(asked) < 1200
    after = data(visit(ValueIteration("goal-and-pit"), asked=asked))
    for name in ("v", "error", "distance", "prior", "posterior"):
        numbers = [[float(x) for x in state[name].split(",")] for state in (before, after)]
        assert numbers[1] == pytest.approx(numbers[0], rel=1e-5, abs=1e-6)
    assert (after["k"], after["right"]) == (before["k"], before["right"])


def test_a_link_by_hand(visit):
    asked = "#w=value-iteration-1&preset=cliff&k=12&gamma=0.9&operator=soft&alpha=0.2&map=oooG-oWoP-Sooo&rewards=0_0_2"
    page = visit(ValueIteration(), asked=asked)
    rewards = [[2.0, 0, 0, 0], [0.0] * 4, [0.0] * 4]
    widget = ValueIteration("cliff", rows=["...G", ".#.P", "S..."], cell_rewards=rewards)
    widget.gamma, widget.operator, widget.alpha, widget.k = 0.9, "soft", 0.2, 12
    agrees(page, widget)


@pytest.mark.parametrize(
    "junk",
    [
        "preset=constructor",
        "preset=__proto__&gamma=2",
        "gamma=abc&k=-4&alpha=0&slip=7&operator=T&other=1",
        "map=WWWW&rewards=9_9_9",
        "map=oo-ooo",
        "map=" + "-".join(["o" * 17] * 13),
        "map=<script>alert(1)</script>",
        "q=AAAA&p=!&pi=uuuu",
        "rewards=0_0_1e999,a_b_c",
        "rewards=0.5_0_1",
        "k=1e9",
    ],
)
def test_a_link_full_of_junk_does_no_harm(visit, junk):
    page = visit(ValueIteration(), asked=f"#w=value-iteration-1&{junk}")
    shown = data(page)
    assert np.isfinite([float(v) for v in shown["v"].split(",")]).all()
    assert np.isfinite(float(shown["error"]))
    press(page, "step")
    assert "sweep" in page.locator(".rl-sentence").text_content()


# For everyone ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_jumps(visit, width):
    """No preset, operator, sweep or pointed cell changes the widget's height or sticks out sideways."""
    page = visit(ValueIteration(step="explore"), width)
    places = """() => ["rl-title", "rl-transport", "rl-equation", "rl-readout", "rl-controls", "rl-foot"]
      .map((kind) => document.querySelector(`.${kind}`).getBoundingClientRect().top + window.scrollY)
      .concat(document.querySelector(".rl").getBoundingClientRect().height)"""
    settled(page)
    seen = {"at first": page.evaluate(places)}
    for preset in PRESETS:
        page.locator(f".rl-top button[data-value='{preset}']").first.click()
        for operator in ("policy", "soft", "optimal"):
            page.locator(f"[aria-label=Operator] button[data-value='{operator}']").click()
            settled(page)
            seen[preset, operator] = page.evaluate(places)
        press(page, "run")
        played_out(page)
        settled(page)
        seen[preset, "run"] = page.evaluate(places)
    first = seen.pop("at first")
    assert {name: there for name, there in seen.items() if there != first} == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]


def test_cells_say_what_they_are(visit):
    page = visit(ValueIteration("goal-and-pit", k=20))
    page.wait_for_function("() => document.querySelector('.rl-cell[aria-label]')")
    assert cell(page, 0, 2).get_attribute("aria-label") == "row 1, column 3, free, value 0.89, →"
    assert cell(page, 1, 1).get_attribute("aria-label") == "row 2, column 2, wall"
    assert page.locator(".rl-cell[tabindex='0']").count() == 1
