"""AverageGrid and PerformanceDifference in Chromium: mouse, touch, keyboard; their numbers are Python's."""

import re

import numpy as np
import pytest

from rlbook import evaluate_policy
from rlbook.widgets import AverageGrid, PerformanceDifference
from rlbook.widgets.maps import write_policy
from tests.live import WIDTHS, data, numbers, played_out, settled, swipe

EVERY = [(kind, preset) for kind in (AverageGrid, PerformanceDifference) for preset in kind.PRESETS]
ID = {AverageGrid: "average-grid-1", PerformanceDifference: "performance-difference-1"}
ALPHA = "α, how far from π to π′"


def agrees(page, widget):
    """The page's numbers are those that Python computes, and its sentence says them."""
    shown = data(page)
    scale = 1 / (1 - widget.gamma) ** 2

    def same(name, value):
        found, value = numbers(shown[name]), np.ravel(value).tolist()
        assert found == pytest.approx(value, rel=1e-9, abs=1e-11 * scale, nan_ok=True), name

    assert shown["preset"] == widget.preset
    said = page.locator(".rl-sentence").text_content()
    assert "NaN" not in page.locator(".rl").text_content()
    if isinstance(widget, AverageGrid):
        assert (int(shown["episodes"]), int(shown["t"])) == (widget.episodes, widget.t)
        assert shown["quantity"] == widget.quantity
        average, exact = widget.average, widget.exact.sum(axis=1)
        same("average", average.states)
        same("value", average.total.value)
        same("mean", widget.mean_return)
        same("episode", widget.episode.sum(axis=1))
        same("sum", widget.episode.sum())
        same("exact", exact)
        same("total", widget.total)
        same("gap", widget.gap)
        assert np.square(numbers(shown["errors"])) == pytest.approx(
            average.state_errors**2, rel=1e-9, abs=1e-11 * scale, nan_ok=True
        )
        if widget.episodes:
            assert f"{widget.episodes} episode" in said
        return
    assert (shown["shows"], shown["weights"], shown["actions"]) == (widget.view, widget.weights, widget.actions)
    for name, value in (
        *(("start", widget.start), ("eta", widget.eta), ("surrogate", widget.surrogate), ("terms", widget.terms)),
        *(("sum", widget.terms.sum()), ("truth", widget.eta - widget.start), ("alpha", widget.alpha)),
        *widget.bounds.items(),
    ):
        same(name, value)
    assert f"At α = {widget.alpha:.3g}" in said


def press(page, role):
    page.locator(f"[data-role={role}]").click()


def chip(page, group, name):
    page.get_by_role("group", name=group, exact=True).get_by_role("button", name=name, exact=True).click()


def type_number(page, label, text):
    field = page.get_by_label(f"{label}, as a number", exact=True)
    field.fill(str(text))
    field.press("Tab")


def cell(page, i, j, panel):
    return page.locator(f"[data-panel={panel}] .rl-cell[data-at='{i},{j}'] .rl-ground")


def middle(page, i, j, panel):
    cell(page, i, j, panel).scroll_into_view_if_needed()
    box = cell(page, i, j, panel).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def paint(widget, name, cells, arrow):
    rows = [list(row) for row in (getattr(widget, name) or ["." * len(widget.rows[0])] * len(widget.rows))]
    for i, j in cells:
        rows[i][j] = arrow
    setattr(widget, name, ["".join(row) for row in rows])


# The average grid -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", AverageGrid.PRESETS)
def test_average_presets_say_what_python_says(visit, preset):
    widget = AverageGrid(preset)
    page = visit(AverageGrid("goal-and-pit"))
    chip(page, "Examples", AverageGrid("goal-and-pit")._presets[preset]["title"])
    agrees(page, widget)
    for more in (1, 10, 100):
        press(page, f"more-{more}")
        widget.episodes += more
        agrees(page, widget)
    for quantity, name in (("visits", "visits γᵗ"), ("reward", "reward γᵗ r")):
        chip(page, "What piles up", name)
        widget.quantity = quantity
        agrees(page, widget)
    press(page, "reset")
    agrees(page, AverageGrid(preset))


def test_steps_make_an_episode_which_joins_the_average(visit):
    widget = AverageGrid(episodes=3)
    page = visit(widget)
    length = int(widget.run.play(3, 1)[2][0])
    for t in range(1, length + 1):
        press(page, "step")
        widget.t, widget.episodes = (t, 3) if t < length else (0, 4)
        agrees(page, widget)
        if t < length:
            title = page.locator("[data-panel=episode] .rl-title").text_content()
            assert f"Episode 4, step {t}: sum" in title
    press(page, "step")
    press(page, "more-10")  # which gives the begun one up for whole ones
    widget.episodes += 10
    agrees(page, widget)
    press(page, "restart")
    widget.episodes = widget.t = 0
    agrees(page, widget)
    press(page, "step")
    widget.t = 1
    agrees(page, widget)
    assert "1 step of the first episode" in page.locator(".rl-sentence").text_content()


def test_thousands_are_played_in_slices_and_other_dice_fall_otherwise(visit):
    widget = AverageGrid("endless", gamma=0.98)
    page = visit(widget)
    for _ in range(2):
        press(page, "more-1000")
    widget.episodes += 2000
    agrees(page, widget)
    seed = widget.seed
    press(page, "dice")
    widget.seed = seed + 1
    agrees(page, widget)
    press(page, "more-100")
    widget.episodes = 100
    agrees(page, widget)
    type_number(page, "n, episodes in the average", 40)  # fewer than before
    widget.episodes = 40
    agrees(page, widget)
    type_number(page, "n, episodes in the average", "99999999")
    widget.episodes = 10_000
    assert int(data(page)["episodes"]) == 10_000
    press(page, "more-1000")
    press(page, "step")
    agrees(page, widget)


def test_arrows_are_drawn_by_mouse_and_keys(visit):
    widget = AverageGrid("wander")
    page = visit(widget)
    chip(page, "Draw the policy", "→")
    page.mouse.move(*middle(page, 0, 0, "episode"))
    page.mouse.down()
    for j in (1, 2):
        page.mouse.move(*middle(page, 0, j, "episode"), steps=3)
    page.mouse.up()
    paint(widget, "policy", [(0, 0), (0, 1), (0, 2)], ">")
    agrees(page, widget)
    page.mouse.click(*middle(page, 1, 1, "episode"))  # a wall
    agrees(page, widget)
    press(page, "more-10")
    widget.episodes = 10
    agrees(page, widget)
    for key, (i, j), arrow in (
        ("u", (2, 0), "^"),
        ("d", (1, 2), "v"),
        ("l", (2, 3), "<"),
        ("r", (2, 1), ">"),
        (".", (0, 1), "."),
    ):
        cell(page, i, j, "episode").locator("xpath=..").focus()
        page.keyboard.press(key)
        paint(widget, "policy", [(i, j)], arrow)
        agrees(page, widget)
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.at") == "0,2"
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Home")
    assert page.evaluate("document.activeElement.dataset.at") == "1,0"
    page.keyboard.press("Enter")  # the chosen brush
    paint(widget, "policy", [(1, 0)], ">")
    agrees(page, widget)
    chip(page, "Policy π", "optimal")
    widget.improve()
    agrees(page, widget)
    chip(page, "Policy π", "uniform")
    widget.policy = []
    agrees(page, widget)


@pytest.mark.parametrize("seed", range(3))
def test_random_settings_agree_with_python(visit, seed):
    rng = np.random.default_rng(seed)
    widget = AverageGrid(["goal-and-pit", "edge", "endless"][seed])
    page = visit(widget)
    names = {"gamma": "γ, discount", "slip": "slip, chance of going aside", "step_reward": "reward of every step"}
    for _ in range(8):
        name = str(rng.choice(list(names)))
        value = float(rng.choice({"gamma": [0, 0.5, 0.97], "slip": [0, 0.3, 1], "step_reward": [-1.5, 0, 0.25]}[name]))
        type_number(page, names[name], value)
        setattr(widget, name, value)
        played = widget.episodes
        press(page, "more-10")
        widget.episodes = int(data(page)["episodes"])
        again = [10] if name == "slip" else []  # on the page that begins again even where it is what it was
        assert widget.episodes in [played + 10, *again], "other rewards leave as many"
        if rng.random() < 0.5:
            press(page, "step")
            shown = data(page)
            widget.episodes, widget.t = int(shown["episodes"]), int(shown["t"])
        agrees(page, widget)


def test_the_pointed_cell_is_written_with_its_numbers(visit):
    widget = AverageGrid("wander", episodes=200)
    page = visit(widget)
    average, exact, r = widget.average, widget.exact, widget.mdp.r
    rho = widget.run.rho
    for s, (i, j) in enumerate(widget.mdp.cells):
        page.mouse.move(*middle(page, i, j, ["average", "exact", "episode"][s % 3]))
        settled(page)
        lines = [line.replace("−", "-") for line in page.locator(".rl-equation p").all_text_contents()]
        assert lines[0].startswith(f"Row {i + 1}, column {j + 1}")
        if widget.mdp.terminal[s]:  # where nothing is chosen, the cell's sum stands alone
            lines[1:1] = [""] * 4
        for a, line in enumerate(filter(None, lines[1:5])):
            found = re.search(r"ρ·r = (.+?)·\(?(.+?)\)? = (.+)$", line)
            for text, value in zip(found.groups(), (rho[s, a], r[s, a], exact[s, a]), strict=True):
                if "10" not in text or "·" not in text:
                    assert float(text) == pytest.approx(value, rel=6e-3, abs=1e-9)
        value = re.match(r"The cell: (-?[\d.]+)", lines[5])
        assert float(value[1]) == pytest.approx(average.states[s], abs=0.6 * 10 ** -len(value[1].partition(".")[2]))
    assert page.locator(".rl-ring").first.is_visible()


def test_the_bound_and_the_curve_are_drawn(visit):
    page = visit(AverageGrid("wander", episodes=1000))
    widget = AverageGrid("wander", episodes=1000)
    data(page)
    bound = page.locator("[data-panel=gaps] .rl-picture path.rl-bound").first.get_attribute("d")
    points = np.array([[float(x) for x in point.split(",")] for point in re.findall(r"[ML]([\d.,-]+)", bound)])
    fall = points[1, 1] - points[0, 1]
    curve = page.locator("[data-panel=gaps] .rl-picture path.rl-spread.rl-heavy").get_attribute("d")
    assert len(re.findall(r"[ML]", curve)) > 50
    gap = page.locator("[data-panel=gaps] .rl-dot")
    decade = fall / (np.log10(1000) / 2)  # pixels for a factor of ten of the error
    states, _ = widget.run.deviations("reward")
    expected = points[0, 1] + decade * np.log10(states.sum() / widget.gap)
    assert float(gap.get_attribute("cy")) == pytest.approx(expected, abs=1)


def test_play_pauses_and_goes_on(visit):
    page = visit(AverageGrid(episodes=0))
    press(page, "play")
    page.wait_for_function("() => document.querySelector('.rl').dataset.episodes > 0")
    page.wait_for_function("() => document.querySelector('.rl').dataset.episodes > 3", timeout=20_000)
    assert page.locator("[data-role=play]").text_content() == "Pause"
    press(page, "play")
    stopped = data(page)
    page.wait_for_timeout(400)
    assert data(page)["episodes"] == stopped["episodes"]
    widget = AverageGrid(episodes=int(stopped["episodes"]))
    widget.t = int(stopped["t"])
    agrees(page, widget)


def test_reduced_motion_plays_whole_episodes(visit):
    page = visit(AverageGrid("wander", episodes=0), reduced_motion="reduce")
    press(page, "play")
    settled(page)
    assert page.locator(".rl").get_attribute("data-t") == "0"
    page.wait_for_function("() => document.querySelector('.rl').dataset.episodes >= 2")
    press(page, "play")


# The difference -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PerformanceDifference.PRESETS)
def test_difference_presets_say_what_python_says(visit, preset):
    widget = PerformanceDifference(preset)
    page = visit(PerformanceDifference("small-step"))
    chip(page, "Examples", PerformanceDifference("small-step")._presets[preset]["title"])
    agrees(page, widget)
    for alpha in (0, 0.37, 1):
        type_number(page, ALPHA, alpha)
        widget.alpha = float(alpha)
        agrees(page, widget)
    for weights, actions in (("old", "new"), ("old", "old"), ("new", "old"), ("new", "new")):
        chip(page, "Weights", "ρ of π" if weights == "old" else "ρ of πα")
        chip(page, "Actions", "those of π" if actions == "old" else "those of πα")
        widget.weights, widget.actions = weights, actions
        agrees(page, widget)
        title = page.locator("[data-panel=terms] .rl-title").text_content()
        right = (weights, actions) == ("new", "new")
        assert ("= η(πα) − η(π)" in title) == right
        assert (", not " in title) != right
    press(page, "reset")
    agrees(page, PerformanceDifference(preset))


def test_alpha_by_slider_keys_and_the_curve(visit):
    widget = PerformanceDifference("all-the-way", alpha=0.5)
    page = visit(widget)
    slider = page.get_by_label(ALPHA, exact=True)
    slider.focus()
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    widget.alpha = 0.47
    agrees(page, widget)
    box = page.locator("svg.rl-drag").bounding_box()
    left, right = box["x"] + 60, box["x"] + box["width"] - 14
    page.mouse.move(left + 5, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(left + 0.25 * (right - left), box["y"] + 120, steps=5)
    widget.alpha = float(data(page)["alpha"])
    assert widget.alpha == pytest.approx(0.25, abs=0.01)
    agrees(page, widget)
    page.mouse.move(right + 300, box["y"] + 120, steps=5)
    page.mouse.up()
    widget.alpha = 1.0
    agrees(page, widget)
    chip(page, "How far the curves are drawn", "to 0.1")
    widget.alpha = 0.1
    agrees(page, widget)


def test_both_policies_are_drawn(visit):
    widget = PerformanceDifference("misleads")
    page = visit(widget)
    chip(page, "Draw it", "→")
    page.mouse.click(*middle(page, 2, 3, "policies"))  # mends π′
    paint(widget, "other", [(2, 3)], ">")
    agrees(page, widget)
    chip(page, "Which policy is drawn", "π")
    page.mouse.click(*middle(page, 2, 0, "policies"))
    paint(widget, "policy", [(2, 0)], ">")
    agrees(page, widget)
    cell(page, 3, 0, "policies").locator("xpath=..").focus()
    for key, arrow in (("l", "<"), ("u", "^"), (".", ".")):
        page.keyboard.press(key)
        paint(widget, "policy", [(3, 0)], arrow)
        agrees(page, widget)
    chip(page, "Policy π′", "greedy for Q of π")
    widget.improve(of="policy")
    agrees(page, widget)
    chip(page, "Policy π", "optimal")
    widget.improve("policy")
    agrees(page, widget)
    for name, label in (("policy", "Policy π"), ("other", "Policy π′")):
        chip(page, label, "uniform")
        setattr(widget, name, [])
        agrees(page, widget)
    type_number(page, "γ, discount", 0.5)
    type_number(page, "slip, chance of going aside", 0.3)
    type_number(page, "reward of every step", -1)
    widget.gamma, widget.slip, widget.step_reward = 0.5, 0.3, -1.0
    agrees(page, widget)


def test_two_states_by_their_sliders(visit):
    widget = PerformanceDifference("two-states")
    page = visit(widget)
    for name, label in (("first", "π"), ("second", "π′")):
        for s, value in enumerate((0.25, 0.8)):
            type_number(page, f"{label}(a₂|s{'₁₂'[s]})", value)
            setattr(widget, name, [value if i == s else p for i, p in enumerate(getattr(widget, name))])
            agrees(page, widget)
    for example in ("usual", "unreachable", "detour"):
        chip(page, "Example", example)
        widget.example = example
        agrees(page, widget)
    page.mouse.move(*middle(page, 0, 1, "terms"))
    settled(page)
    assert page.locator(".rl-equation p").first.text_content() == "State s₂:"
    chip(page, "View", "Map")
    widget.view = "grid"
    agrees(page, widget)


def test_the_terms_written_out_are_the_terms(visit):
    widget = PerformanceDifference("small-step", alpha=0.4)
    page = visit(widget)
    for weights in ("new", "old"):
        chip(page, "Weights", "ρ of π" if weights == "old" else "ρ of πα")
        widget.weights = weights
        for s, (i, j) in enumerate(widget.mdp.cells):
            page.mouse.move(*middle(page, i, j, "terms"))
            settled(page)
            mean, term = page.locator(".rl-equation p").all_text_contents()[-2:]
            for line in (mean, term):
                *_, left, right = line.partition(";")[0].replace("−", "-").replace("·", "*").split(" = ")
                left = left.rpartition(": ")[2]
                if "⁻" in left + right:
                    continue  # powers of ten
                assert re.fullmatch(r"[-+*(). \d]+", left), line
                assert eval(left) == pytest.approx(float(right), rel=0.06, abs=1.5e-3), line
            if "⁻" not in term:
                said = float(term.partition(";")[0].rpartition(" = ")[2].replace("−", "-"))
                assert said == pytest.approx(widget.terms[s], rel=6e-3, abs=1e-9)


def test_play_goes_all_the_way_and_stops(visit):
    page = visit(PerformanceDifference("misleads", alpha=0.9))
    press(page, "play")
    page.wait_for_function("() => document.querySelector('.rl').dataset.alpha === '1'")
    played_out(page)
    agrees(page, PerformanceDifference("misleads"))


# Touch ----------------------------------------------------------------------------------------------------


def test_touch_taps_draws_and_scrolls(visit):
    widget = AverageGrid("endless")
    page = visit(widget, "phone", has_touch=True, is_mobile=True)
    page.get_by_role("group", name="Draw the policy").get_by_role("button", name="↑").tap()
    cell(page, 1, 1, "episode").scroll_into_view_if_needed()
    page.touchscreen.tap(*middle(page, 1, 1, "episode"))
    paint(widget, "policy", [(1, 1)], "^")
    agrees(page, widget)
    swipe(page, middle(page, 2, 0, "episode"), middle(page, 2, 4, "episode"))
    paint(widget, "policy", [(2, j) for j in range(5)], "^")
    agrees(page, widget)
    top, (x, y) = page.evaluate("window.scrollY"), middle(page, 3, 2, "episode")
    swipe(page, (x, y), (x, y - 160))  # scrolls the page and leaves the policy alone
    page.wait_for_function("(top) => window.scrollY > top + 60", arg=top)
    agrees(page, widget)
    page.locator("[data-role=more-10]").tap()
    widget.episodes = 10
    agrees(page, widget)
    cell(page, 0, 4, "exact").scroll_into_view_if_needed()
    page.touchscreen.tap(*middle(page, 0, 4, "exact"))
    settled(page)
    assert "Row 1, column 5" in page.locator(".rl-equation").text_content()


def test_touch_drags_alpha_along_the_curve(visit):
    widget = PerformanceDifference("all-the-way")
    page = visit(widget, "phone", has_touch=True, is_mobile=True)
    curve = page.locator("svg.rl-drag")
    curve.scroll_into_view_if_needed()
    box = curve.bounding_box()
    y = box["y"] + 100
    swipe(page, (box["x"] + 290, y), (box["x"] + 150, y))
    widget.alpha = float(data(page)["alpha"])
    assert 0.2 < widget.alpha < 0.5
    agrees(page, widget)


# Links ----------------------------------------------------------------------------------------------------


def link(page):
    press(page, "link")
    page.wait_for_function("() => location.hash.includes('w=')")
    return "#" + page.url.partition("#")[2]


def test_an_average_can_be_linked_to(visit):
    page = visit(AverageGrid("edge"))
    chip(page, "Draw the policy", "←")
    page.mouse.click(*middle(page, 0, 2, "episode"))
    type_number(page, "slip, chance of going aside", 0.35)
    press(page, "dice")
    press(page, "more-100")
    press(page, "step")
    chip(page, "What piles up", "visits γᵗ")
    before = data(page)
    asked = link(page)
    assert len(asked) < 300
    after = data(visit(AverageGrid("goal-and-pit"), asked=asked))
    assert after == before


def test_a_difference_can_be_linked_to(visit):
    for preset in ("misleads", "two-states"):
        page = visit(PerformanceDifference(preset))
        if preset == "misleads":
            chip(page, "Draw it", "→")
            page.mouse.click(*middle(page, 2, 3, "policies"))
            chip(page, "Policy π", "uniform")
        else:
            type_number(page, "π(a₂|s₁)", 0.125)
            chip(page, "Example", "usual")
        chip(page, "Weights", "ρ of π")
        type_number(page, ALPHA, 0.625)
        before = data(page)
        assert data(visit(PerformanceDifference("small-step"), asked=link(page))) == before


def test_links_by_hand(visit):
    asked = "#w=average-grid-1&preset=wander&map=oooG-oWoP-Sooo-oooo&rewards=0_0_2&pi=rrro-oooo-uooo-oooo"
    asked += "&episodes=25&seed=9"
    rewards = [[2.0, 0, 0, 0], *([0.0] * 4 for _ in range(3))]
    rows, policy = ["...G", ".#.P", "S...", "...."], [">>>.", "....", "^...", "...."]
    widget = AverageGrid("wander", rows=rows, cell_rewards=rewards, policy=policy, episodes=25, seed=9)
    agrees(visit(AverageGrid("goal-and-pit"), asked=asked), widget)
    asked = "#w=performance-difference-1&preset=small-step&map=SooG&pi=oooo&pi2=rrro&alpha=0.4&weights=old&reach=0.3"
    widget = PerformanceDifference("small-step", rows=["S..G"], other=[">>>."], alpha=0.4, weights="old")
    agrees(visit(PerformanceDifference("small-step"), asked=asked), widget)


JUNK = [
    "preset=constructor&quantity=__proto__&view=toString&example=constructor&weights=1",
    "gamma=7&slip=-3&step_reward=1e999&alpha=NaN&episodes=-4&t=1e5&seed=0x12&reach=2",
    "gamma=abc&episodes=99999999999999&t=999999999&seed=99999999999",
    "map=WWWW&rewards=9_9_9&pi=zzzz&pi2=u",
    "map=oo-ooo&pi=uuuu-uuuu-uuuu",
    "map=" + "-".join(["o" * 11] * 9),
    "map=<script>alert(1)</script>&first=1,2,3&second=NaN,0",
    "rewards=0.5_0_1,a_b_c&first=-1,0.5&second=,",
    "map=o&pi=u&pi2=d&episodes=3&t=5&gamma=0",
]


@pytest.mark.parametrize("kind", ID)
@pytest.mark.parametrize("junk", JUNK)
def test_a_link_full_of_junk_does_no_harm(visit, kind, junk):
    page = visit(kind(), asked=f"#w={ID[kind]}&{junk}")
    shown = data(page)
    for name in ("exact", "total") if kind is AverageGrid else ("eta", "surrogate", "terms", "sum", "mixture"):
        assert np.isfinite(numbers(shown[name])).all()
    assert "NaN" not in page.locator(".rl").text_content()
    press(page, "play")
    page.wait_for_timeout(150)
    press(page, "reset")
    agrees(page, kind(shown["preset"]))


def test_nonsense_typed_is_not_taken(visit):
    page = visit(AverageGrid("goal-and-pit"))
    for text in ("", "-", "e"):
        field = page.get_by_label("γ, discount, as a number")
        field.focus()
        field.press("Control+a")
        page.keyboard.press("Delete")
        page.keyboard.type(text)
        page.keyboard.press("Tab")
        assert page.get_by_label("γ, discount, as a number").input_value() == "0.9"
    type_number(page, "γ, discount", 5)
    widget = AverageGrid("goal-and-pit", gamma=0.98)
    agrees(page, widget)


# For everyone ---------------------------------------------------------------------------------------------

PLACES = """() => [...document.querySelectorAll(
    ".rl-panel .rl-picture, .rl-equation, .rl-foot, .rl-slider, .rl-readout")]
  .map((node) => Math.round(node.getBoundingClientRect().top + window.scrollY))
  .concat(Math.round(document.querySelector(".rl").getBoundingClientRect().height))"""


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_jumps_in_the_average(visit, width):
    page = visit(AverageGrid("goal-and-pit"), width)
    settled(page)
    seen = {"at first": page.evaluate(PLACES)}
    for preset in AverageGrid.PRESETS:
        page.locator(f".rl-top button[data-value='{preset}']").click()
        for quantity in ("visits", "reward"):
            page.locator(f".rl button[data-value='{quantity}']").click()
            for role in ("restart", "step", "more-1", "more-100"):
                press(page, role)
                data(page)
                seen[preset, quantity, role] = page.evaluate(PLACES)
        for s in (0, 5):
            page.locator("[data-panel=average] .rl-cell").nth(s).hover(force=True)
            settled(page)
            seen[preset, s] = page.evaluate(PLACES)
    first = seen.pop("at first")
    assert {name: there for name, there in seen.items() if there != first} == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_jumps_in_the_difference(visit, width):
    page = visit(PerformanceDifference("small-step"), width)
    settled(page)
    seen = {"at first": page.evaluate(PLACES)}
    for preset in PerformanceDifference.PRESETS:
        page.locator(f".rl-top button[data-value='{preset}']").click()
        for alpha in (0, 0.123, 1):
            type_number(page, ALPHA, alpha)
            for group in ("Weights", "Actions"):
                for value in ("old", "new"):
                    page.get_by_role("group", name=group, exact=True).locator(f"[data-value={value}]").click()
                    settled(page)
                    seen[preset, alpha, group, value] = page.evaluate(PLACES)
        for s in (0, 1):
            page.locator("[data-panel=terms] .rl-cell").nth(s).hover(force=True)
            settled(page)
            seen[preset, s] = page.evaluate(PLACES)
    first = seen.pop("at first")
    assert {name: there for name, there in seen.items() if there != first} == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]


def test_cells_and_pictures_say_what_they_are(visit):
    widget = AverageGrid("goal-and-pit")
    page = visit(widget)
    page.wait_for_function("() => document.querySelector('.rl-cell[aria-label]')")
    name = page.locator("[data-panel=episode] .rl-cell[data-at='0,2']").get_attribute("aria-label")
    assert re.fullmatch(r"row 1, column 3, free, →, episode [\d.−]+, average [\d.−]+, exact [\d.−]+", name)
    assert page.locator("[data-panel=episode] .rl-cell[tabindex='0']").count() == 1
    for panel in ("average", "exact", "gaps"):
        label = page.locator(f"[data-panel={panel}] svg[role=img]").get_attribute("aria-label")
        assert len(label) > 30
    page = visit(PerformanceDifference("two-states"))
    page.wait_for_function("() => document.querySelector('.rl-cell[aria-label]')")
    assert "weight" in page.locator("[data-panel=policies] .rl-cell").first.get_attribute("aria-label")


def test_greedy_arrows_are_pythons(visit):
    """What the buttons draw is what `write_policy` writes, ties included."""
    widget = PerformanceDifference(rows=["....", "S..G"], slip=0.0, step_reward=0.0, policy=[">>>v", ">>>."])
    page = visit(widget)
    chip(page, "Policy π′", "greedy for Q of π")
    asked = link(page)
    letters = {"^": "u", ">": "r", "v": "d", "<": "l", ".": "o"}
    widget.improve(of="policy")
    assert f"pi2={'-'.join(''.join(letters[c] for c in row) for row in widget.other)}" in asked
    Q = evaluate_policy(widget.mdp, widget.pi).Q
    assert widget.other == write_policy(widget.rows, widget.mdp.cells, Q)
