"""NaturalGradient in Chromium, on a page of its own: mouse, touch, keyboard; its numbers are Python's."""

import re

import numpy as np
import pytest

from rlbook.widgets import NaturalGradient
from rlbook.widgets.natural_gradient import PRESETS
from rlbook.widgets.natural_pictures import FRAME
from tests.live import PARTS, WIDTHS, data, numbers, settled, swipe, tabbed

LIMITS = {name: NaturalGradient.limits(name) for name in ("mu", "sigma", "c", "alpha", "scale", "delta", "bend")}
PLANES = {"sigma": 0, "log sigma": 1}
EDGES = (46, 12, 8, 38)  # left, right, top and foot of a plane's frame, in pixels


def agrees(page, widget):
    """The page's numbers are those that Python computes."""
    shown = data(page)

    def same(name, value):
        found, value = numbers(shown[name]), list(np.atleast_1d(value))
        assert found == pytest.approx(value, rel=1e-9, abs=1e-11, nan_ok=True), name

    assert (shown["preset"], shown["shows"], int(shown["steps"])) == (widget.preset, widget.view, widget.steps)
    for natural, kind in enumerate(("euclidean", "natural")):
        same(kind, widget.path(natural=bool(natural))[-1])
    same("kl", widget.kl)
    same("eta", widget.eta)
    same("equal", widget.equal_alpha)
    if widget.view == "gaussian":
        same("apart", widget.apart(steps=1))
        same("halved", widget.apart(alpha=widget.alpha / 2, steps=1))
        same("paths", widget.apart())
        same("region", widget.region_alpha)
        same("reach", widget.reach_kl)
    else:
        same("half", widget.half_time())
        same("crossing", widget.crossing)
    said = page.locator(".rl-sentence").text_content()
    assert "NaN" not in said
    assert f"of α = {widget.alpha:.3g}".replace("-", "−") in said


def handle(page, name, plane=0):
    """A visible handle: "Policy" or "Target"."""
    return page.locator(f".rl-picture:visible .rl-grip[aria-label^='{name}']").nth(plane)


def middle(locator):
    box = locator.locator(".rl-reach").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, locator, dx, dy):
    x, y = middle(locator)
    page.mouse.move(x + 3, y - 2)  # not quite its centre
    page.mouse.down()
    page.mouse.move(x + 3 + dx, y - 2 + dy, steps=6)
    page.mouse.up()


def scale(page, plane):
    """Pixels for one unit, the same for both axes; and where (0, 0) of the plane is."""
    box = page.locator(".rl-panel").nth(plane).locator("svg").first.bounding_box()
    left, right, top, foot = EDGES
    (low, high), (bottom, ceiling) = FRAME[0], FRAME[1 + plane]
    unit = (box["width"] - left - right) / (high - low)
    assert (box["height"] - top - foot) / (ceiling - bottom) == pytest.approx(unit, rel=0.01), "a circle is round"
    return unit, (box["x"] + left - low * unit, box["y"] + box["height"] - foot + bottom * unit)


def slide(page, label, value):
    page.get_by_label(label, exact=True).evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", value
    )


def type_number(page, label, text):
    field = page.get_by_label(f"{label}, as a number", exact=True).locator("visible=true")
    field.fill(str(text))
    field.press("Tab")


LABELS = {
    "mu": "μ, mean of the policy",
    "sigma": "σ, standard deviation of the policy",
    "c": "c, the target",
    "scale": "Euclidean step, times α",
    "delta": "δ, KL of the trust region",
    "bend": "k, bends u = (σᵏ−1)/k; 0: log σ, 1: σ",
    "alpha": "α, step",
    "steps": "n, number of steps",
}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_says_what_python_says(visit, preset):
    widget = NaturalGradient(preset)
    page = visit(NaturalGradient("two-coordinates"))
    page.locator(f".rl-top button[data-value='{preset}']").click()
    agrees(page, widget)
    type_number(page, LABELS["alpha"], 0.37)
    type_number(page, LABELS["steps"], 17)
    widget.alpha, widget.steps = 0.37, 17
    agrees(page, widget)
    page.locator("[data-role=reset]").click()
    agrees(page, NaturalGradient(preset))


@pytest.mark.parametrize("seed", range(3))
def test_random_settings_by_slider_and_number_agree_with_python(visit, seed):
    rng = np.random.default_rng(seed)
    widget = NaturalGradient("two-coordinates")
    page = visit(widget)
    for _ in range(8):
        name = str(rng.choice(list(LIMITS)))
        low, high = LIMITS.get(name, (0, 500))
        value = float(f"{rng.choice([low, high, rng.uniform(low, high), rng.uniform(low, high)]):.4g}")
        typed = rng.random() < 0.6 or name in ("delta", "scale")  # their sliders have scales of their own
        if typed:
            type_number(page, LABELS[name], value)
        else:
            slide(page, LABELS[name], value)
            value = float(page.get_by_label(LABELS[name], exact=True).input_value())
        setattr(widget, name, value)
        agrees(page, widget)
    steps = int(rng.integers(0, 501))
    type_number(page, LABELS["steps"], steps)
    widget.steps = steps
    agrees(page, widget)


@pytest.mark.parametrize(("name", "plane"), PLANES.items())
def test_the_policy_is_dragged_by_mouse(visit, name, plane):
    widget = NaturalGradient("two-coordinates")
    page = visit(widget)
    unit, _ = scale(page, plane)
    drag(page, handle(page, "Policy", plane), 45, 30)
    mu = widget.mu + 45 / unit
    sigma = widget.sigma * np.exp(-30 / unit) if name == "log sigma" else widget.sigma - 30 / unit
    shown = [float(page.get_by_label(f"{LABELS[of]}, as a number").input_value()) for of in ("mu", "sigma")]
    assert shown == pytest.approx([mu, sigma], abs=2e-3), "the handle keeps its distance to the pointer"
    widget.mu, widget.sigma = shown
    agrees(page, widget)
    # Both planes show it where it is now.
    for i, (lift, at) in enumerate(((lambda s: s, 0), (np.log, 1))):
        unit, (x0, y0) = scale(page, at)
        expected = x0 + unit * widget.mu, y0 - unit * lift(widget.sigma)
        assert middle(handle(page, "Policy", i)) == pytest.approx(expected, abs=1)


def test_the_policy_goes_where_the_plane_is_pressed_and_stays_in_its_limits(visit):
    widget = NaturalGradient("two-coordinates")
    page = visit(widget)
    unit, (x0, y0) = scale(page, 0)
    page.mouse.click(x0 + 0.5 * unit, y0 - 2.5 * unit)
    settled(page)
    shown = [float(page.get_by_label(f"{LABELS[of]}, as a number").input_value()) for of in ("mu", "sigma")]
    assert shown == pytest.approx([0.5, 2.5], abs=0.02)
    drag(page, handle(page, "Policy", 1), 900, 900)
    widget.mu, widget.sigma = 2.0, 0.1
    agrees(page, widget)
    drag(page, handle(page, "Policy", 0), -900, -900)
    widget.mu, widget.sigma = -2.0, 3.0
    agrees(page, widget)


@pytest.mark.parametrize("plane", [0, 1])
def test_the_target_is_dragged_by_mouse(visit, plane):
    widget = NaturalGradient("two-coordinates")
    page = visit(widget)
    unit, _ = scale(page, plane)
    drag(page, handle(page, "Target", plane), -80, -30)
    shown = float(page.get_by_label(f"{LABELS['c']}, as a number").input_value())
    assert shown == pytest.approx(1 - 80 / unit, abs=2e-3)
    widget.c = shown
    agrees(page, widget)


def test_handles_answer_to_arrow_keys(visit):
    widget = NaturalGradient(mu=0.0, sigma=1.2, c=0.5)
    page = visit(widget)
    handle(page, "Policy", 0).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowLeft"):
        page.keyboard.press(key)
        settled(page)
    widget.mu, widget.sigma = -0.15, 1.25
    agrees(page, widget)
    handle(page, "Policy", 1).focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
        settled(page)
        widget.sigma = round(widget.sigma * np.exp(-0.05), 3)
    agrees(page, widget)
    handle(page, "Target", 0).focus()
    page.keyboard.press("ArrowLeft")
    widget.c = 0.45
    agrees(page, widget)
    said = handle(page, "Policy", 0).get_attribute("aria-valuetext")
    assert said == f"μ = −0.15, σ = {widget.sigma:.3g}"


def test_touch_drags_a_handle_every_way_and_elsewhere_scrolls(visit):
    widget = NaturalGradient("two-coordinates")
    page = visit(widget, "phone", has_touch=True, is_mobile=True)

    handle(page, "Policy", 0).scroll_into_view_if_needed()
    top = page.evaluate("window.scrollY")
    x, y = middle(handle(page, "Policy", 0))
    swipe(page, (x, y), (x, y - 40))
    settled(page)
    sigma = float(page.get_by_label(f"{LABELS['sigma']}, as a number").input_value())
    assert sigma > widget.sigma + 0.3, "straight up too, for it is the handle that was touched"
    assert page.evaluate("window.scrollY") == top
    widget.sigma = sigma
    agrees(page, widget)

    x, y = middle(handle(page, "Target", 0))
    swipe(page, (x, y), (x - 60, y))
    widget.c = float(page.get_by_label(f"{LABELS['c']}, as a number").input_value())
    assert widget.c < 0.2
    agrees(page, widget)

    # In the empty plane a finger that goes up scrolls; one that goes sideways moves the policy.
    unit, (x0, y0) = scale(page, 0)
    swipe(page, (x0 + 1.4 * unit, y0 - 0.6 * unit), (x0 + 1.4 * unit, y0 - 0.6 * unit - 150), steps=14)
    page.wait_for_function("(top) => window.scrollY > top + 50", arg=top)
    agrees(page, widget)
    unit, (x0, y0) = scale(page, 0)
    swipe(page, (x0 + 0.8 * unit, y0 - 1.5 * unit), (x0 + 1.5 * unit, y0 - 1.5 * unit))
    assert float(page.get_by_label(f"{LABELS['mu']}, as a number").input_value()) == pytest.approx(1.5, abs=0.1)


def test_bending_the_coordinates_swings_the_euclidean_path_and_leaves_the_natural_one(visit):
    """What is drawn: where the paths end, in pixels of the first plane, over the slider's whole way."""
    page = visit(NaturalGradient("small-steps"))
    ends = {"euclidean": [], "natural": []}
    for bend in (-1, -0.5, 0, 0.5, 1):
        slide(page, LABELS["bend"], bend)
        settled(page)
        for kind, seen in ends.items():
            d = page.locator(f".rl-panel >> nth=0 >> path.rl-of-{kind}:not(.rl-dots)").nth(1).get_attribute("d")
            seen.append([float(x) for x in re.findall(r"-?[\d.]+", d)][-2:])
    euclidean, natural = (np.ptp(seen, axis=0).max() for seen in ends.values())
    assert natural < 2
    assert euclidean > 15 * natural


def test_paths_are_drawn_where_python_has_them(visit):
    widget = NaturalGradient(bend=0.5)
    page = visit(widget)
    for plane, lift in enumerate((lambda s: s, np.log)):
        unit, (x0, y0) = scale(page, plane)
        svg = page.locator(".rl-panel").nth(plane).locator("svg").first.bounding_box()
        for natural, kind in enumerate(("euclidean", "natural")):
            path = page.locator(f".rl-panel >> nth={plane} >> path.rl-of-{kind}:not(.rl-dots)").nth(1)
            points = np.reshape([float(x) for x in re.findall(r"-?[\d.]+", path.get_attribute("d"))], (-1, 2))
            mu, sigma = widget.path(natural=bool(natural)).T
            expected = np.transpose([x0 - svg["x"] + unit * mu, y0 - svg["y"] - unit * lift(sigma)])
            assert points == pytest.approx(expected, abs=0.6)


def test_a_step_that_is_no_policy_is_said_and_crossed(visit):
    page = visit(NaturalGradient(alpha=1.5))
    agrees(page, NaturalGradient(alpha=1.5))
    said = page.locator(".rl-sentence").text_content()
    assert "leaves σ > 0" in said
    assert "no policy" in page.locator(".rl-table").first.text_content()
    assert page.locator(".rl-panel >> nth=0 >> path.rl-of-euclidean.rl-stroke").last.get_attribute("d")


def test_alpha_of_the_region_is_one_press_away(visit):
    widget = NaturalGradient(delta=0.02)
    page = visit(widget)
    page.locator("[data-role=region]").click()
    settled(page)
    widget.alpha = float(page.get_by_label("α, step, as a number").input_value())
    assert widget.alpha == pytest.approx(widget.region_alpha, abs=1e-4)
    type_number(page, LABELS["sigma"], 0.1)
    type_number(page, LABELS["delta"], 1)
    settled(page)
    assert page.locator("[data-role=region]").is_disabled(), "an α above its limit is not offered"


@pytest.mark.parametrize("text", ["", "-", "1e9", "-1e9", "1e-300", "--3", "1e"])
def test_typed_nonsense_does_no_harm(visit, text):
    page = visit(NaturalGradient("two-coordinates"))
    for name, label in LABELS.items():
        field = page.get_by_label(f"{label}, as a number", exact=True).locator("visible=true")
        field.focus()
        page.keyboard.press("Control+a")
        page.keyboard.press("Delete")
        page.keyboard.type(text)
        page.keyboard.press("Tab")
        settled(page)
        low, high = LIMITS.get(name, (0, 500))
        assert low <= float(field.input_value()) <= high
    widget = NaturalGradient("two-coordinates")
    for name, label in LABELS.items():
        value = float(page.get_by_label(f"{label}, as a number", exact=True).locator("visible=true").input_value())
        setattr(widget, name, int(value) if name == "steps" else value)
    agrees(page, widget)


# Softmax --------------------------------------------------------------------------------------------------


def test_the_start_is_dragged_in_the_triangle(visit):
    widget = NaturalGradient("plateau")
    page = visit(widget)
    x, y = middle(handle(page, "Policy"))
    drag(page, handle(page, "Policy"), -20, -60)
    fields = page.get_by_label(re.compile(r"probability at the start, as a number"))
    p = [float(fields.nth(i).input_value()) for i in range(3)]
    assert sum(p) == pytest.approx(1, abs=2e-4)
    assert p[2] > 0.2
    moved = middle(handle(page, "Policy"))
    assert (moved[0] - x, moved[1] - y) == pytest.approx((-20, -60), abs=1)
    # Beyond an edge it stops beside it, for an action without probability would never get any.
    drag(page, handle(page, "Policy"), 0, 400)
    assert float(fields.nth(2).input_value()) == pytest.approx(0.002, abs=5e-4)
    handle(page, "Policy").focus()
    page.keyboard.press("Shift+ArrowUp")
    settled(page)
    assert float(fields.nth(2).input_value()) == pytest.approx(0.002 + 0.1 / np.sqrt(0.75), abs=2e-3)


def test_probabilities_and_rewards_are_set_by_number(visit):
    widget = NaturalGradient("plateau")
    page = visit(widget)
    type_number(page, "π₀(a₃), probability at the start", 0.5)
    start = np.array([0.3, 0.67, 0.03])
    widget.start = [*(0.5 * start[:2] / start[:2].sum()), 0.5]
    agrees(page, widget)
    type_number(page, "r(a₂), reward", 0.9)
    type_number(page, "r(a₃), reward", 0.2)
    widget.rewards = [0.6, 0.9, 0.2]
    agrees(page, widget)
    type_number(page, "π₀(a₁), probability at the start", 1)
    p = numbers(page.locator(".rl").get_attribute("data-natural"))
    assert np.isfinite(p).all()
    assert "a₂" in page.locator(".rl-sentence").text_content()


def test_the_two_action_example_keeps_to_its_edge(visit):
    widget = NaturalGradient("two-actions")
    page = visit(widget)
    drag(page, handle(page, "Policy"), 60, -50)
    fields = page.get_by_label(re.compile(r"probability at the start, as a number"))
    assert float(fields.nth(2).input_value()) == 0
    said = page.locator(".rl-sentence").text_content()
    assert "closed form for two actions" in said


def test_the_curves_are_a_scale_for_n(visit):
    widget = NaturalGradient("plateau")
    page = visit(widget)
    box = page.locator(".rl-panel").nth(1).locator("svg.rl-drag").first.bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    settled(page)
    widget.steps = int(data(page)["steps"])
    assert 60 < widget.steps < 160
    agrees(page, widget)


def test_play_runs_to_the_presets_steps_and_pauses(visit):
    page = visit(NaturalGradient("plateau"))
    play = page.locator("[data-role=play]")
    play.click()
    page.wait_for_function("() => Number(document.querySelector('.rl').dataset.steps) < 200")
    assert play.text_content() == "Pause"
    play.click()
    stopped = data(page)["steps"]
    page.wait_for_timeout(300)
    assert data(page)["steps"] == stopped
    play.click()
    page.wait_for_function("() => document.querySelector('.rl').dataset.steps === '240'", timeout=15_000)
    agrees(page, NaturalGradient("plateau"))


def test_reduced_motion_jumps_to_the_end(visit):
    page = visit(NaturalGradient("plateau", steps=0), reduced_motion="reduce")
    page.locator("[data-role=play]").click()
    settled(page)
    agrees(page, NaturalGradient("plateau"))


# Links ----------------------------------------------------------------------------------------------------


def linked(page):
    page.locator("[data-role=link]").click()
    page.wait_for_function("() => location.hash.includes('w=')")
    return "#" + page.url.partition("#")[2]


def test_state_can_be_linked_to(visit):
    page = visit(NaturalGradient("narrow"))
    drag(page, handle(page, "Policy", 1), 30, -25)
    slide(page, LABELS["bend"], 0.35)
    type_number(page, LABELS["steps"], 9)
    before, asked = data(page), linked(page)
    after = data(visit(NaturalGradient("two-coordinates"), asked=asked))
    assert before.pop("preset") == after.pop("preset") == "narrow"
    assert after == before

    page = visit(NaturalGradient("plateau"))
    drag(page, handle(page, "Policy"), -20, -60)
    type_number(page, "r(a₁), reward", 0.75)
    before, asked = data(page), linked(page)
    after = data(visit(NaturalGradient("two-actions"), asked=asked))
    for name in ("euclidean", "natural", "eta", "half"):
        assert numbers(after[name]) == pytest.approx(numbers(before[name]), rel=1e-6, abs=1e-9)


def test_a_link_by_hand(visit):
    asked = "#w=natural-gradient-1&preset=large-alpha&mu=0.5&sigma=0.7&bend=-0.25&steps=12&alpha=0.3&c=-1&delta=0.05"
    settings = {"mu": 0.5, "sigma": 0.7, "bend": -0.25, "steps": 12, "alpha": 0.3, "c": -1, "delta": 0.05}
    agrees(visit(NaturalGradient("two-coordinates"), asked=asked), NaturalGradient("large-alpha", **settings))
    asked = "#w=natural-gradient-1&view=softmax&p=0.25,0.5,0.25&r=1,0,0.5&steps=5"
    settings = {"start": [0.25, 0.5, 0.25], "rewards": [1.0, 0.0, 0.5]}
    agrees(visit(NaturalGradient("two-coordinates"), asked=asked), NaturalGradient(view="softmax", steps=5, **settings))


@pytest.mark.parametrize(
    "junk",
    [
        "preset=constructor",
        "preset=__proto__&mu=9",
        "mu=abc&sigma=-4&c=1e999&alpha=0&delta=NaN&bend=Infinity&steps=-3&view=none",
        "sigma=1e-300&alpha=1e300&bend=7&steps=1e9&delta=1e9",
        "view=softmax&p=1,0,0&r=2,3,4",
        "view=softmax&p=0.5,0.6,0.7",
        "view=softmax&p=-1,1,1&r=,,",
        "view=softmax&p=a,b,c&r=<script>alert(1)</script>",
    ],
)
def test_a_link_full_of_junk_does_no_harm(visit, junk):
    page = visit(NaturalGradient("two-coordinates"), asked=f"#w=natural-gradient-1&{junk}")
    shown = data(page)
    assert np.isfinite(numbers(shown["kl"])[1])
    assert "NaN" not in page.locator(".rl-sentence").text_content()


# For everyone ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_jumps(visit, width):
    """No preset, view or value changes the widget's height, moves its parts, or sticks out sideways."""
    page = visit(NaturalGradient("two-coordinates"), width)
    settled(page)
    seen = {"at first": page.evaluate(PARTS)}
    for preset in PRESETS:
        page.locator(f".rl-top button[data-value='{preset}']").click()
        for alpha in (0.01, 2):
            type_number(page, LABELS["alpha"], alpha)
            settled(page)
            seen[preset, alpha] = page.evaluate(PARTS)
            sentence, foot = (page.locator(kind).bounding_box() for kind in (".rl-sentence", ".rl-foot"))
            assert sentence["height"] <= foot["height"] + 1
    for bend in (-1, 0.333, 2):
        page.locator(".rl-top button[data-value='large-alpha']").click()
        type_number(page, LABELS["bend"], bend)
        settled(page)
        seen["bend", bend] = page.evaluate(PARTS)
    first = seen.pop("at first")
    assert {name: there for name, there in seen.items() if there != pytest.approx(first, abs=0.1)} == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]


@pytest.mark.parametrize("preset", ["two-coordinates", "plateau"])
def test_every_handle_is_reached_by_tab(visit, preset):
    names = tabbed(visit(NaturalGradient(preset)))
    handles = sum(name.startswith(("Policy", "Target")) for name in names)
    assert handles == (4 if preset == "two-coordinates" else 1)


def test_the_live_line_says_the_numbers(visit):
    page = visit(NaturalGradient("two-coordinates"))
    slide(page, LABELS["alpha"], 0.2)
    page.wait_for_function("() => document.querySelector('.rl [role=status]').textContent.includes('α = 0.2')")
