"""Occupancy in Chromium, on a page of its own: mouse, touch, keyboard; its numbers and its pictures are Python's."""

import re

import numpy as np
import pytest

from rlbook.occupancies import flow_residual, from_plane, mix, occupancy, policy_from_occupancy
from rlbook.widgets import Occupancy
from rlbook.widgets.occupancy import PRESETS
from tests.live import PARTS, WIDTHS, data, numbers, settled, swipe, tabbed

LIMITS = {name: Occupancy.limits(name) for name in ("gamma", "start", "share", "alpha")}
VIEWS = ("reward", "mixing", "temperature")
SQUARE, POLYGON = 0, 1  # the panels
EDGES = (52, 10, 6, 40)  # left, right, top and foot of their frames, in pixels
PAD = 0.07  # room round the unit square
LABELS = {
    "gamma": "γ, discount",
    "start": "ρ₀(1), share that starts in state 1",
    "share": "λ, share of π′",
    "alpha": "α, temperature",
    "angle": "φ, direction of the reward (degrees)",
    ("pi", 0): "π(1|0), action 1 in state 0",
    ("pi", 1): "π(1|1), action 1 in state 1",
    ("pi_new", 0): "π′(1|0), the other policy",
    ("pi_new", 1): "π′(1|1), the other policy",
    ("r", 0): "r(0,1), reward of action 1",
    ("r", 1): "r(1,1), reward of action 1",
    **{("ahead", s, a): f"P(1|{s},{a}), from {s} by action {a} to 1" for s in (0, 1) for a in (0, 1)},
}


def shown_pi(page):
    return numbers(data(page)["pi"])


def written(x):
    """As the page writes a number."""
    return "0" if abs(x) < 1e-9 else f"{float(f'{x:.3g}'):g}".replace("-", "−")


def agrees(page, widget):
    """The page's numbers are those that Python computes."""
    shown = data(page)
    mass = 1 / (1 - widget.gamma)
    size = mass * (abs(np.array(widget.r)).max() + 1)

    def same(name, value, scale):
        found, value = numbers(shown[name]), np.ravel(value).tolist()
        assert found == pytest.approx(value, rel=1e-9, abs=1e-11 * scale), name

    assert (shown["preset"], shown["shows"]) == (widget.preset, widget.view)
    same("pi", widget.pi, 1)
    same("rho", widget.rho, mass)
    same("eta", widget.eta, size)
    same("corners", widget.corners, mass)
    same("returns", widget.returns, size)
    same("direction", widget.direction, size)
    assert abs(np.array(numbers(shown["residual"]))).max() <= 1e-13 * mass
    assert tuple(shown["best"].split(",")) == widget.best
    jumps = [degrees for degrees, _, _ in widget.jumps]
    assert np.cos(np.radians(numbers(shown["jumps"]) if shown["jumps"] else [])) == pytest.approx(
        np.cos(np.radians(jumps)), abs=1e-9
    )
    if widget.view == "mixing":
        same("policies", widget.mixing.of_policies, mass)
        same("occupancies", widget.mixing.of_occupancies, mass)
        same("mixed", widget.mixed_policy, 100)
    if widget.view == "temperature":
        same("soft", widget.soft.rho, 100 * mass)
    said = page.locator(".rl-sentence").text_content()
    assert "NaN" not in said
    assert "undefined" not in said
    four = "; ".join(", ".join(written(x) for x in row) for row in widget.rho)
    assert f"ρ = ({four}) sums to 1/(1−γ) = {written(mass)}, flow residual 0, and its return is Σρr = " in said


def handle(page, name, panel):
    """A visible handle: "Policy π", "Other policy" or "Direction"."""
    return page.locator(".rl-panel").nth(panel).locator(f".rl-grip[aria-label^='{name}']")


def middle(locator):
    box = locator.locator(".rl-reach").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag_to(page, locator, end):
    x, y = middle(locator)
    page.mouse.move(x + 2, y - 2)  # not quite its centre
    page.mouse.down()
    page.mouse.move(end[0] + 2, end[1] - 2, steps=6)
    page.mouse.up()


def pixels(page, panel):
    """A function from points of a panel's unit square to pixels of the window; `.local`, to those of the picture."""
    box = page.locator(".rl-panel").nth(panel).locator("svg").first.bounding_box()
    left, right, top, foot = EDGES
    wide, high = box["width"] - left - right, box["height"] - top - foot
    assert wide == pytest.approx(high, abs=1), "both axes have one scale"
    unit = wide / (1 + 2 * PAD)

    def local(points):
        u, v = np.transpose(points)
        return np.transpose([left + unit * (u + PAD), top + unit * (1 + PAD - v)])

    def place(points):
        return local(points) + np.array([box["x"], box["y"]])

    place.local = local
    return place


def path_of(page, panel, kind):
    """The points of a path, and where its strokes begin."""
    d = page.locator(".rl-panel").nth(panel).locator(f"path.{kind}").first.get_attribute("d")
    strokes = re.split(r"(?=M)", d)[1:]
    return [np.reshape([float(x) for x in re.findall(r"-?[\d.]+", stroke)], (-1, 2)) for stroke in strokes]


def slide(page, label, value):
    page.get_by_label(label, exact=True).evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", value
    )


def type_number(page, label, text):
    field = page.get_by_label(f"{label}, as a number", exact=True)
    field.fill(str(text))
    field.press("Tab")


def show(page, view):
    page.locator(f".rl-views button[data-value='{view}']").click()


def plane(widget, policy):
    """Where a policy [π(1|0), π(1|1)] is in the polygon's unit square."""
    p = np.array(policy, dtype=float)
    return occupancy(widget.mdp, np.column_stack([1 - p, p]))[:, 1] * (1 - widget.gamma)


# Numbers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_says_what_python_says(visit, preset):
    widget = Occupancy(preset)
    page = visit(Occupancy("work-or-walk"))
    page.locator(f".rl-top button[data-value='{preset}']").first.click()
    agrees(page, widget)
    for view in VIEWS:
        show(page, view)
        widget.view = view
        agrees(page, widget)
    type_number(page, LABELS["gamma"], 0.37)
    widget.gamma = 0.37
    agrees(page, widget)
    page.locator("[data-role=reset]").click()
    agrees(page, Occupancy(preset))


@pytest.mark.parametrize("seed", range(4))
def test_random_settings_by_slider_and_number_agree_with_python(visit, seed):
    rng = np.random.default_rng(seed)
    widget = Occupancy("work-or-walk")
    page = visit(widget)
    for _ in range(16):
        if rng.random() < 0.2:
            widget.view = str(rng.choice(VIEWS))
            show(page, widget.view)
        seen = {"reward": ("share", "alpha", "pi_new"), "mixing": ("angle", "alpha", "r")}
        hidden = seen.get(widget.view, ("angle", "share", "pi_new"))
        keys = [key for key in LABELS if (key if isinstance(key, str) else key[0]) not in (*hidden, "angle")]
        key = keys[rng.integers(len(keys))]
        name, *at = key if isinstance(key, tuple) else (key,)
        low, high = LIMITS.get(name, (-2, 2) if name == "r" else (0, 1))
        value = round(float(rng.choice([low, high, rng.uniform(low, high), rng.uniform(low, high)])), 3)
        if rng.random() < 0.6 or name == "alpha":  # α's slider has a scale of its own
            type_number(page, LABELS[key], value)
        else:
            slide(page, LABELS[key], value)
            value = float(page.get_by_label(LABELS[key], exact=True).input_value())
        if not at:
            setattr(widget, name, value)
        else:
            entries = np.array(getattr(widget, name), dtype=float)
            entries[(at[0], 1) if name == "r" else tuple(at)] = value
            setattr(widget, name, entries.tolist())
        agrees(page, widget)


# Drag, both ways ------------------------------------------------------------------------------------------


def test_the_policy_is_dragged_in_the_square_and_the_occupancy_follows(visit):
    widget = Occupancy("work-or-walk")
    page = visit(widget)
    place = pixels(page, SQUARE)
    drag_to(page, handle(page, "Policy π", SQUARE), place([0.25, 0.85]))
    assert shown_pi(page) == pytest.approx([0.25, 0.85], abs=0.005), "the handle keeps its distance to the pointer"
    widget.pi = shown_pi(page)
    agrees(page, widget)
    polygon = pixels(page, POLYGON)
    assert middle(handle(page, "Policy π", POLYGON)) == pytest.approx(polygon(plane(widget, widget.pi)), abs=1)
    drag_to(page, handle(page, "Policy π", SQUARE), place([2, -1]))
    widget.pi = [1.0, 0.0]
    agrees(page, widget)


@pytest.mark.proves("thm-bijection")
@pytest.mark.parametrize("preset", ["work-or-walk", "gamma-near-1", "one-step", "mixing"])
def test_the_occupancy_is_dragged_in_the_polygon_and_the_policy_follows(visit, preset):
    """π = ρ/ν: the policy of the point that the pointer is at."""
    widget = Occupancy(preset)
    page = visit(widget)
    place = pixels(page, POLYGON)
    target = plane(widget, [0.35, 0.75])
    drag_to(page, handle(page, "Policy π", POLYGON), place(target))
    rho = from_plane(widget.mdp, target / (1 - widget.gamma))
    assert shown_pi(page) == pytest.approx(policy_from_occupancy(rho).pi[:, 1], abs=0.02)
    widget.pi = shown_pi(page)
    agrees(page, widget)
    assert middle(handle(page, "Policy π", POLYGON)) == pytest.approx(place(target), abs=1)
    assert middle(handle(page, "Policy π", SQUARE)) == pytest.approx(pixels(page, SQUARE)(widget.pi), abs=1)


def test_beyond_the_polygon_it_stays_on_its_side(visit):
    widget = Occupancy("work-or-walk")
    page = visit(widget)
    place = pixels(page, POLYGON)
    drag_to(page, handle(page, "Policy π", POLYGON), place([1.2, 1.2]))
    widget.pi = [1.0, 1.0]
    agrees(page, widget)
    drag_to(page, handle(page, "Policy π", POLYGON), place([-0.5, -0.5]))
    widget.pi = [0.0, 0.0]
    agrees(page, widget)
    ends = plane(widget, [1, 0]), plane(widget, [1, 1])
    along = ends[1] - ends[0]
    outwards = np.array([along[1], -along[0]]) / np.hypot(*along)
    drag_to(page, handle(page, "Policy π", POLYGON), place(sum(ends) / 2 + 0.15 * outwards))
    rho = from_plane(widget.mdp, sum(ends) / 2 / (1 - widget.gamma))
    pi = shown_pi(page)
    assert pi[0] == 1
    assert pi[1] == pytest.approx(policy_from_occupancy(np.maximum(rho, 0)).pi[1, 1], abs=0.01)


def test_the_other_policy_is_dragged_in_either(visit):
    widget = Occupancy("mixing")
    page = visit(widget)
    drag_to(page, handle(page, "Other policy", SQUARE), pixels(page, SQUARE)([0.5, 0.6]))
    fields = [page.get_by_label(f"{LABELS['pi_new', s]}, as a number") for s in (0, 1)]
    shown = [float(field.input_value()) for field in fields]
    assert shown == pytest.approx([0.5, 0.6], abs=0.005)
    drag_to(page, handle(page, "Other policy", POLYGON), pixels(page, POLYGON)(plane(widget, [0.2, 0.8])))
    shown = [float(field.input_value()) for field in fields]
    assert shown == pytest.approx([0.2, 0.8], abs=0.02)
    assert shown_pi(page) == widget.pi
    show(page, "reward")
    settled(page)
    assert not handle(page, "Other policy", SQUARE).is_visible()


def test_where_the_picture_is_pressed_the_policy_goes(visit):
    page = visit(Occupancy("work-or-walk"))
    x, y = pixels(page, SQUARE)([0.2, 0.3])
    page.mouse.click(x, y)
    settled(page)
    assert shown_pi(page) == pytest.approx([0.2, 0.3], abs=0.005)


# The reward -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("degrees", "best"), [(0, "10"), (45, "11"), (90, "01"), (-135, "00")])
def test_the_arrow_is_turned_by_mouse(visit, degrees, best):
    widget = Occupancy("work-or-walk")
    page = visit(widget)
    grip = handle(page, "Direction", POLYGON)
    x, y = middle(grip)
    angle = np.arctan2(*widget.direction[::-1])
    box = page.locator(".rl-panel").nth(POLYGON).locator("svg").first.bounding_box()
    radius = 0.13 * (box["width"] - EDGES[0] - EDGES[1])
    centre = np.array([x - radius * np.cos(angle), y + radius * np.sin(angle)])
    turn = np.radians(degrees)
    drag_to(page, grip, centre + radius * np.array([np.cos(turn), -np.sin(turn)]))
    direction = np.array(numbers(data(page)["direction"]))
    assert np.hypot(*direction) == pytest.approx(1, abs=1e-5), "turned, not stretched"
    assert np.cos(np.arctan2(*direction[::-1]) - turn) > np.cos(np.radians(3))
    widget.r = [[0.0, direction[0]], [0.0, direction[1]]]
    assert widget.best == (best,)
    agrees(page, widget)


def test_the_optimum_jumps_from_corner_to_corner(visit):
    """Turned all round, one corner or two neighbours are best, never a point between corners alone; all four have
    their turn."""
    page = visit(Occupancy("work-or-walk"))
    seen = []
    for degrees in range(-180, 181, 10):
        slide(page, LABELS["angle"], degrees)
        seen.append(data(page)["best"])
    rounds = [name for i, name in enumerate(seen) if "," not in name and name != (seen[i - 1] if i else "")]
    assert rounds == ["00", "10", "11", "01"]
    type_number(page, LABELS["angle"], -90)
    settled(page)
    assert data(page)["best"] == "00,10"
    assert "00 and 10 are equally good" in page.locator(".rl-sentence").text_content()


def test_in_about_to_jump_the_sentence_says_how_far(visit):
    page = visit(Occupancy("jump"))
    said = page.locator(".rl-sentence").text_content()
    turn = float(re.search(r"jumps to 01 when the reward turns ([\d.]+)° anticlockwise", said)[1])
    angle = float(page.get_by_label(f"{LABELS['angle']}, as a number").input_value())
    type_number(page, LABELS["angle"], angle + turn + 0.05)
    assert data(page)["best"] == "01"


def test_rewards_of_action_0_count_too(visit):
    """The arrow is the gradient on the polygon; turning it only moves what action 1 earns."""
    widget = Occupancy(r=[[0.5, -0.2], [-1.0, 0.3]])
    page = visit(widget)
    agrees(page, widget)
    slide(page, LABELS["angle"], 90)
    shown = numbers(data(page)["direction"])
    assert shown == pytest.approx([0, np.hypot(*widget.direction)], abs=1e-5)
    moved = np.array(shown) - widget.direction
    widget.r = [[0.5, -0.2 + moved[0]], [-1.0, 0.3 + moved[1]]]
    agrees(page, widget)


@pytest.mark.parametrize(("view", "name", "low", "high"), [("reward", "angle", 60, 125), ("mixing", "share", 0.6, 0.9)])
def test_the_third_panel_is_a_scale(visit, view, name, low, high):
    page = visit(Occupancy(view=view))
    box = page.locator(".rl-panel").nth(2).locator("svg").first.bounding_box()
    page.mouse.click(box["x"] + 0.78 * box["width"], box["y"] + 0.5 * box["height"])
    settled(page)
    assert low < float(page.get_by_label(f"{LABELS[name]}, as a number").input_value()) < high


def test_home_end_and_page_keys_move_handles_too(visit):
    page = visit(Occupancy("work-or-walk"))
    handle(page, "Policy π", SQUARE).focus()
    for key, pi in (("Home", [0, 0.4]), ("End", [1, 0.4]), ("PageUp", [1, 0.6]), ("PageDown", [1, 0.4])):
        page.keyboard.press(key)
        assert shown_pi(page) == pytest.approx(pi)
    handle(page, "Direction", POLYGON).focus()
    for key, degrees in (("Home", -180), ("PageUp", -170), ("End", 180), ("PageDown", 170)):
        page.keyboard.press(key)
        settled(page)
        shown = float(page.get_by_label(f"{LABELS['angle']}, as a number").input_value())
        assert np.cos(np.radians(shown - degrees)) == pytest.approx(1), "180 and −180 are one direction"
    handle(page, "Policy π", POLYGON).focus()
    page.keyboard.press("Home")
    assert shown_pi(page)[0] == pytest.approx(0)


# What is drawn --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_the_polygon_is_drawn_where_python_has_it(visit, preset):
    widget = Occupancy(preset)
    page = visit(widget)
    local = pixels(page, POLYGON).local
    (border,) = path_of(page, POLYGON, "rl-region")
    assert border == pytest.approx(local(widget.corners[:, :, 1] * (1 - widget.gamma)), abs=0.02)


def test_lines_of_the_square_are_straight_in_the_polygon(visit):
    """The two lines through π, each with one state's probability fixed: both ends, and a point between, are on them."""
    widget = Occupancy(pi=[0.6, 0.3])
    page = visit(widget)
    local = pixels(page, POLYGON).local
    strokes = path_of(page, POLYGON, "rl-cross")
    for s, stroke in enumerate(strokes):
        assert len(stroke) == 2
        policies = [[0.6, q] if s == 0 else [q, 0.3] for q in (0, 1, 0.37)]
        *ends, between = local([plane(widget, policy) for policy in policies])
        assert stroke == pytest.approx(np.array(ends), abs=0.02)
        (ax, ay), (bx, by) = stroke
        assert abs((bx - ax) * (between[1] - ay) - (by - ay) * (between[0] - ax)) / np.hypot(bx - ax, by - ay) < 0.05


def test_equal_returns_are_joined_in_both_pictures(visit):
    widget = Occupancy(r=[[0.0, 1.0], [0.3, 0.4]])
    page = visit(widget)
    square, polygon = (path_of(page, panel, "rl-level") for panel in (SQUARE, POLYGON))
    assert len(square) == len(polygon) == 9
    (u0, v0), (u1, _) = pixels(page, SQUARE).local([[0, 0], [1, 1]])
    for curve, line in zip(square, polygon, strict=True):
        assert len(line) == 2, "straight"
        returns = []
        for x, y in curve:
            widget.pi = np.clip([(x - u0) / (u1 - u0), (v0 - y) / (u1 - u0)], 0, 1).tolist()
            returns.append(widget.eta)
        assert np.ptp(returns) < 1e-3 * np.ptp(widget.returns)


@pytest.mark.proves("prop-mixing")
def test_mixtures_are_a_curve_and_a_segment_in_the_polygon_and_the_other_way_round_in_the_square(visit):
    widget = Occupancy("mixing")
    page = visit(widget)
    both = mix(widget.mdp, widget.policy, widget.policy_new, np.linspace(0, 1, 61))
    local = pixels(page, POLYGON).local
    for kind, rho in (("rl-heavy", both.of_policies), ("rl-mixed", both.of_occupancies)):
        (drawn,) = path_of(page, POLYGON, kind)
        assert drawn == pytest.approx(local(rho[:, :, 1] * (1 - widget.gamma)), abs=0.02)

    def bend(points):
        """How far a path goes away from the chord between its ends, in pixels."""
        along = (points[-1] - points[0]) / np.hypot(*(points[-1] - points[0]))
        off = points - points[0]
        return abs(off[:, 0] * along[1] - off[:, 1] * along[0]).max()

    bends = {
        (panel, kind): bend(path_of(page, panel, kind)[0])
        for panel in (SQUARE, POLYGON)
        for kind in ("rl-heavy", "rl-mixed")
    }
    assert max(bends[SQUARE, "rl-heavy"], bends[POLYGON, "rl-mixed"]) < 0.05
    assert min(bends[SQUARE, "rl-mixed"], bends[POLYGON, "rl-heavy"]) > 25


def test_a_side_of_the_square_is_crushed_to_a_point_and_opens_again(visit):
    widget = Occupancy("unreachable")
    page = visit(widget)
    at = middle(handle(page, "Policy π", POLYGON))
    drag_to(page, handle(page, "Policy π", SQUARE), pixels(page, SQUARE)([0, 0.1]))
    assert shown_pi(page) == pytest.approx([0, 0.1], abs=0.005)
    assert middle(handle(page, "Policy π", POLYGON)) == at, "another policy, the same occupancy"
    assert "State 1 is never visited" in page.locator(".rl-sentence").text_content()
    assert "00 = 01" in page.locator(".rl-panel").nth(POLYGON).text_content()
    # Dragged away and back in the polygon, a policy is there.
    drag_to(page, handle(page, "Policy π", POLYGON), pixels(page, POLYGON)([0.4, 0.15]))
    assert shown_pi(page)[0] > 0.1
    drag_to(page, handle(page, "Policy π", POLYGON), pixels(page, POLYGON)([-0.3, -0.3]))
    assert np.isfinite(shown_pi(page)).all()
    widget.pi = shown_pi(page)
    agrees(page, widget)
    type_number(page, LABELS["start"], 0.2)
    widget.start = 0.2
    agrees(page, widget)
    assert "never visited" not in page.locator(".rl-sentence").text_content()
    assert "00 = 01" not in page.locator(".rl-panel").nth(POLYGON).text_content()


def test_the_optimum_with_entropy_goes_to_the_corner(visit):
    widget = Occupancy("temperature")
    page = visit(widget)
    for alpha in (20, 1, 0.1, 0.02):
        type_number(page, LABELS["alpha"], alpha)
        widget.alpha = alpha
        agrees(page, widget)
    (drawn,) = path_of(page, SQUARE, "rl-of-natural[d*='L']")
    local = pixels(page, SQUARE).local
    assert drawn[-1] == pytest.approx(local([[0, 1]])[0], abs=1)
    assert drawn[0] == pytest.approx(local([[0.5, 0.5]])[0], abs=12)


# Keyboard, touch, typing ----------------------------------------------------------------------------------


def test_handles_answer_to_arrow_keys(visit):
    widget = Occupancy("work-or-walk", pi=[0.5, 0.5])
    page = visit(widget)
    handle(page, "Policy π", SQUARE).focus()
    for key in ("ArrowRight", "ArrowUp", "ArrowUp", "Shift+ArrowLeft"):
        page.keyboard.press(key)
        settled(page)
    widget.pi = [0.42, 0.54]
    agrees(page, widget)
    assert handle(page, "Policy π", SQUARE).get_attribute("aria-valuetext") == "π(1|0) = 0.42, π(1|1) = 0.54"
    handle(page, "Policy π", POLYGON).focus()
    before = np.array(plane(widget, widget.pi))
    page.keyboard.press("ArrowRight")
    settled(page)
    widget.pi = shown_pi(page)
    assert plane(widget, widget.pi) - before == pytest.approx([0.02, 0], abs=1e-5)
    agrees(page, widget)
    handle(page, "Direction", POLYGON).focus()
    angle = np.degrees(np.arctan2(0.6, 0.8))
    for key, turn in (("ArrowUp", 1), ("Shift+ArrowUp", 5), ("ArrowRight", 1)):
        page.keyboard.press(key)
        settled(page)
        angle += turn
        shown = float(page.get_by_label(f"{LABELS['angle']}, as a number").input_value())
        assert shown == pytest.approx(angle, abs=0.011)


def test_the_arrow_goes_all_round_by_keys(visit):
    page = visit(Occupancy(r=[[0.0, -1.0], [0.0, 0.01]]))
    handle(page, "Direction", POLYGON).focus()
    page.keyboard.press("ArrowUp")
    settled(page)
    shown = float(page.get_by_label(f"{LABELS['angle']}, as a number").input_value())
    assert shown == pytest.approx(-179.57, abs=0.02)


def test_touch_drags_handles_every_way_and_elsewhere_scrolls(visit):
    widget = Occupancy("work-or-walk")
    page = visit(widget, "phone", has_touch=True, is_mobile=True)

    for panel in (SQUARE, POLYGON):
        grip = handle(page, "Policy π", panel)
        page.locator(".rl-panel").nth(panel).evaluate("(panel) => panel.scrollIntoView({ block: 'center' })")
        top, before = page.evaluate("window.scrollY"), shown_pi(page)
        x, y = middle(grip)
        swipe(page, (x, y), (x, y - 30))
        assert shown_pi(page)[1] > before[1] + 0.1, "straight up too, for it is the handle that was touched"
        assert page.evaluate("window.scrollY") == top
        widget.pi = shown_pi(page)
        agrees(page, widget)
    x, y = middle(handle(page, "Direction", POLYGON))
    swipe(page, (x, y), (x - 50, y - 10))
    direction = numbers(data(page)["direction"])
    assert direction[1] > 0.8
    widget.r = [[0.0, direction[0]], [0.0, direction[1]]]
    agrees(page, widget)

    # In the empty square a finger that goes up scrolls; one that goes sideways moves the policy.
    page.locator(".rl-panel").nth(SQUARE).evaluate("(panel) => panel.scrollIntoView({ block: 'center' })")
    place, top = pixels(page, SQUARE), page.evaluate("window.scrollY")
    start = place([0.15, 0.2])
    swipe(page, start, start - [0, 150], steps=14)
    page.wait_for_function("(top) => window.scrollY > top + 50", arg=top)
    agrees(page, widget)
    place = pixels(page, SQUARE)
    swipe(page, place([0.1, 0.35]), place([0.3, 0.35]))
    assert shown_pi(page) == pytest.approx([0.3, 0.35], abs=0.03)


@pytest.mark.parametrize("text", ["", "-", "1e9", "-1e9", "1e-300", "--3", "1e"])
def test_typed_nonsense_does_no_harm(visit, text):
    page = visit(Occupancy("work-or-walk"))
    for view in VIEWS:
        show(page, view)
        for key, label in LABELS.items():
            field = page.get_by_label(f"{label}, as a number", exact=True)
            if not field.is_visible():
                continue
            field.focus()
            page.keyboard.press("Control+a")
            page.keyboard.press("Delete")
            page.keyboard.type(text)
            page.keyboard.press("Tab")
            settled(page)
            shown = data(page)
            for name in ("rho", "eta", "corners", "returns", "direction"):
                assert np.isfinite(numbers(shown[name])).all(), (key, name)
            assert "NaN" not in page.locator(".rl").inner_html()


@pytest.mark.parametrize(
    "settings",
    [
        {"ahead": [[0.0, 0.0], [0.7, 0.2]], "start": 0.0},
        {"ahead": [[0.0, 0.0], [1.0, 1.0]], "gamma": 0.99, "start": 1.0},
        {"ahead": [[0.3, 0.3], [0.3, 0.3]], "gamma": 0.0, "start": 1.0, "pi": [1.0, 0.0]},
        {"r": [[0.0, 0.0], [0.0, 0.0]]},
        {"r": [[10.0, -10.0], [-10.0, 10.0]], "gamma": 0.99, "ahead": [[0.0, 1.0], [1.0, 0.0]], "alpha": 20.0},
        {"pi": [0.5, 0.5], "pi_new": [0.5, 0.5], "share": 1.0, "alpha": 0.02},
    ],
)
def test_extremes_are_drawn_and_said(visit, settings):
    widget = Occupancy(**settings)
    page = visit(widget)
    for view in VIEWS:
        show(page, view)
        widget.view = view
        agrees(page, widget)
        assert "NaN" not in page.locator(".rl").inner_html()
        for panel in (SQUARE, POLYGON):
            drag_to(page, handle(page, "Policy π", panel), pixels(page, panel)([0.4, 0.3]))
            assert np.isfinite(shown_pi(page)).all()
        widget.pi = shown_pi(page)
        agrees(page, widget)


# Links ----------------------------------------------------------------------------------------------------


def linked(page):
    page.locator("[data-role=link]").click()
    page.wait_for_function("() => location.hash.includes('w=')")
    return "#" + page.url.partition("#")[2]


def test_state_can_be_linked_to_exactly(visit):
    page = visit(Occupancy("mixing"))
    drag_to(page, handle(page, "Policy π", POLYGON), pixels(page, POLYGON)([0.3, 0.2]))
    drag_to(page, handle(page, "Other policy", SQUARE), pixels(page, SQUARE)([0.31, 0.77]))
    drag_to(page, handle(page, "Direction", POLYGON), pixels(page, POLYGON)([0.7, 1]))
    type_number(page, LABELS["share"], 0.123)
    type_number(page, LABELS["gamma"], 0.91)
    type_number(page, LABELS["ahead", 1, 0], 0.35)
    before, asked = data(page), linked(page)
    assert data(visit(Occupancy("unreachable"), asked=asked)) == before
    page = visit(Occupancy("temperature"))
    type_number(page, LABELS["alpha"], 0.07)
    type_number(page, LABELS["start"], 1)
    before, asked = data(page), linked(page)
    assert data(visit(Occupancy("work-or-walk"), asked=asked)) == before


def test_a_link_by_hand(visit):
    asked = "#w=occupancy-1&preset=unreachable&view=mixing&pi=0.25,0.5&new=1,0&share=0.3&gamma=0.6&start=0.1"
    asked += "&r=0,1,-1,0.5&to=0.1,0.2,0.3,0.4"
    settings = {"view": "mixing", "pi": [0.25, 0.5], "pi_new": [1.0, 0.0], "share": 0.3, "gamma": 0.6, "start": 0.1}
    widget = Occupancy("unreachable", **settings, r=[[0.0, 1.0], [-1.0, 0.5]], ahead=[[0.1, 0.2], [0.3, 0.4]])
    agrees(visit(Occupancy("work-or-walk"), asked=asked), widget)


@pytest.mark.parametrize(
    "junk",
    [
        "preset=constructor",
        "preset=__proto__&gamma=9",
        "gamma=abc&start=-4&share=1e999&alpha=0&view=none&pi=NaN,1",
        "gamma=1&alpha=1e-300&pi=0.5&new=1,2,3&r=1,2&to=1,1,1,1,1",
        "pi=,&new=%20,%20&r=,,,&to=a,b,c,d",
        "r=1e9,0,0,0&to=-1,0,0,2&pi=2,-1",
        "pi=<script>alert(1)</script>",
    ],
)
def test_a_link_full_of_junk_does_no_harm(visit, junk):
    page = visit(Occupancy("work-or-walk"), asked=f"#w=occupancy-1&{junk}")
    shown = data(page)
    assert np.isfinite(numbers(shown["rho"])).all()
    gamma = float(page.get_by_label(f"{LABELS['gamma']}, as a number").input_value())
    assert 0 <= gamma <= 0.99
    assert "NaN" not in page.locator(".rl-sentence").text_content()


# For everyone ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_jumps(visit, width):
    """No preset, view or value changes the widget's height, moves its parts, or sticks out sideways."""
    page = visit(Occupancy("work-or-walk"), width)
    settled(page)
    seen = {"at first": page.evaluate(PARTS)}
    for preset in PRESETS:
        page.locator(f".rl-top button[data-value='{preset}']").first.click()
        for view in VIEWS:
            show(page, view)
            for gamma in (0, 0.987):
                type_number(page, LABELS["gamma"], gamma)
                settled(page)
                seen[preset, view, gamma] = page.evaluate(PARTS)
                sentence, foot = (page.locator(kind).bounding_box() for kind in (".rl-sentence", ".rl-foot"))
                assert sentence["height"] <= foot["height"] + 1
                assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]
    first = seen.pop("at first")
    assert {name: there for name, there in seen.items() if there != pytest.approx(first, abs=0.1)} == {}


@pytest.mark.parametrize(("preset", "handles"), [("work-or-walk", 3), ("mixing", 5), ("temperature", 3)])
def test_every_handle_is_reached_by_tab(visit, preset, handles):
    names = tabbed(visit(Occupancy(preset)))
    assert sum(name.startswith(("Policy π", "Other policy", "Direction")) for name in names) == handles


def test_the_live_line_says_the_numbers(visit):
    page = visit(Occupancy("work-or-walk"))
    slide(page, LABELS["gamma"], 0.5)
    page.wait_for_function("() => document.querySelector('.rl [role=status]').textContent.includes('1/(1−γ) = 2')")


def test_pictures_say_what_they_show(visit):
    page = visit(Occupancy("mixing"))
    labels = [page.locator(".rl-panel").nth(i).locator("svg").first.get_attribute("aria-label") for i in range(3)]
    assert "square of policies: π(1|0) = 0.97, π(1|1) = 0.03; the best corner is 11" in labels[0]
    assert "mixed policies are at (0.5, 0.5)" in labels[0]
    assert "polygon of occupancies: ρ(0,1) = 3.98" in labels[1]
    assert "a curve for mixed policies, at 2.24" in labels[2]


def test_table_and_flow(visit):
    """The table's columns are occupancies: each sums to 1/(1−γ), keeps the flow, and has its own return."""
    widget = Occupancy("mixing", gamma=0.75)
    page = visit(widget)
    settled(page)
    rows = {}
    for row in page.locator(".rl-table tbody tr").all():
        rows[row.locator("th").text_content()] = [
            cell.replace("−", "-") for cell in row.locator("td").all_inner_texts()
        ]
    assert rows["sum"] == ["4"] * 4
    assert rows["flow residual"] == ["0"] * 4
    rho = np.array([rows[f"ρ({s},{a})"] for s in (0, 1) for a in (0, 1)], dtype=float).T.reshape(4, 2, 2)
    for measure in rho:
        assert abs(flow_residual(widget.mdp, measure)).max() < 0.02  # of what is written
    etas = [float(x) for x in rows["η = Σρr"]]
    assert etas[3] == pytest.approx((etas[0] + etas[1]) / 2, rel=0.01)
    assert etas[2] < min(etas[:2])


def test_a_frame_is_short(visit):
    """From the input to what is drawn, the work of a frame while γ moves; the machine may be busy: twice the limit."""
    page = visit(Occupancy("mixing"))
    median = page.evaluate(
        """async (label) => {
          const slider = [...document.querySelectorAll(".rl-slider")]
            .find((node) => node.querySelector("label").textContent === label).querySelector("input");
          const ask = window.requestAnimationFrame, work = [];
          window.requestAnimationFrame = (draw) => ask((time) => {
            const before = performance.now();
            draw(time);
            document.body.getBoundingClientRect();
            work.push(performance.now() - before);
          });
          for (let i = 0; i < 60; i++) {
            slider.value = 0.1 + i / 70;
            slider.dispatchEvent(new Event("input"));
            await new Promise((done) => ask(() => ask(done)));
          }
          return work.sort((a, b) => a - b)[work.length >> 1];
        }""",
        LABELS["gamma"],
    )
    assert median <= 32
