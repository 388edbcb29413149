"""BellmanPlane in Chromium: mouse, touch, keyboard; its numbers are Python's."""

import numpy as np
import pytest

from rlbook.widgets import BellmanPlane
from rlbook.widgets.bellman_plane import PRESETS
from tests.live import WIDTHS, data, numbers, played_out, settled


def agrees(page, widget):
    """Values, error and bounds on the page are those that Python computes."""
    shown = data(page)
    assert int(shown["k"]) == widget.k
    assert numbers(shown["v"]) == pytest.approx(widget.V.tolist(), rel=1e-9, abs=1e-10)
    assert numbers(shown["v0"]) == widget.V0
    for name, value in {"error": widget.error, **widget.bounds}.items():
        found = float(shown[name]) if shown[name] else np.nan
        assert found == pytest.approx(value, rel=1e-9, abs=1e-10, nan_ok=True), name
    assert int(shown["right"]) == widget.right


def press(page, role):
    page.locator(f"[data-role={role}]").click()


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_says_what_python_says(visit, preset):
    widget = BellmanPlane(preset)
    page = visit(BellmanPlane("best"))
    page.locator(f".rl-top button[data-value='{preset}']").click()
    agrees(page, widget)
    for _ in range(3):
        press(page, "step")
    widget.k += 3
    agrees(page, widget)
    press(page, "run")
    played_out(page)
    widget.k = int(data(page)["k"])
    assert widget.bounds["posterior"] <= 1e-9
    agrees(page, widget)
    press(page, "reset")
    agrees(page, BellmanPlane(preset))


@pytest.mark.parametrize("operator", ["policy", "optimal", "soft"])
def test_the_planes_start_is_dragged_and_typed(visit, operator):
    widget = BellmanPlane("best", operator=operator)
    page = visit(widget)
    agrees(page, widget)
    handle = page.locator(".rl-grip").bounding_box()
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(handle["x"] + 70, handle["y"] + 80, steps=5)
    page.mouse.up()
    shown = data(page)
    assert shown["k"] == "0"
    assert [float(v) for v in shown["v"].split(",")] != widget.V0
    widget.V0 = [float(v) for v in shown["v"].split(",")]
    agrees(page, widget)
    for i, value in enumerate((1.5, -2.0)):
        field = page.get_by_label(f"V₀(s{'₁₂'[i]}), where it starts, as a number")
        field.fill(str(value))
        field.press("Tab")
    widget.V0 = [1.5, -2.0]
    agrees(page, widget)
    for _ in range(3):
        press(page, "step")
    widget.k = 3
    agrees(page, widget)
    page.get_by_label("γ, discount", exact=True).fill("0.5")
    widget.gamma = 0.5
    agrees(page, widget)


def test_the_image_lies_in_the_smaller_square(visit):
    page = visit(BellmanPlane("best"))
    for operator in ("policy", "optimal", "soft"):
        page.locator(f"[aria-label=Operator] button[data-value='{operator}']").click()
        settled(page)
        boxes = page.evaluate(
            """() => Object.fromEntries(["rl-image", "rl-square", "rl-bound"].map((kind) => {
              const { x, y, width, height } = document.querySelector(`.rl-free-drag path.${kind}`).getBBox();
              return [kind, [x, y, x + width, y + height]];
            }))"""
        )
        image, outer, inner = (np.array(boxes[kind]) for kind in ("rl-image", "rl-square", "rl-bound"))
        assert (image[:2] >= inner[:2] - 0.1).all()
        assert (image[2:] <= inner[2:] + 0.1).all()
        assert inner[2] - inner[0] == pytest.approx(0.7 * (outer[2] - outer[0]), abs=0.1)


def test_touch_drags_the_planes_start(visit):
    page = visit(BellmanPlane("best"), "phone", has_touch=True, is_mobile=True)
    handle = page.locator(".rl-grip")
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    before, top = data(page)["v"], page.evaluate("window.scrollY")
    send = page.context.new_cdp_session(page).send
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 9):
        send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y - 6 * step}]})
    send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    after = data(page)["v"]
    assert after != before, "up and down too, for it is the handle that was touched"
    assert page.evaluate("window.scrollY") == top


def test_keys_move_the_planes_start_to_its_ends_too(visit):
    page = visit(BellmanPlane("best"))
    page.locator(".rl-grip").focus()
    for key, moved in (
        ("ArrowRight", [0.1, 4]),
        ("PageUp", [0.1, 5]),
        ("Shift+ArrowDown", [0.1, 4.5]),
        ("PageDown", [0.1, 3.5]),
    ):
        page.keyboard.press(key)
        assert numbers(data(page)["v0"]) == pytest.approx(moved), key
    page.keyboard.press("End")
    right = numbers(data(page)["v0"])
    assert right[0] > 6
    assert right[1] == 3.5
    page.keyboard.press("Home")
    assert numbers(data(page)["v0"])[0] < 0


def test_the_equations_are_written_with_their_numbers(visit):
    """Every line's right side, evaluated as it stands, is the number after its last sign of equality."""
    widget = BellmanPlane("best", k=2)
    page = visit(widget)
    settled(page)
    lines = page.locator(".rl-equation p").all_text_contents()
    backups = [line for line in lines if line.startswith("Q₃(s")]
    for text, exact in zip(backups, widget.Q.ravel(), strict=True):
        _, right, result = text.replace("−", "-").replace("·", "*").split(" = ")
        assert eval(right) == pytest.approx(exact, abs=1e-2)
        assert float(result) == pytest.approx(exact, rel=6e-3)


def test_state_can_be_linked_to(visit):
    page = visit(BellmanPlane("best"))
    page.get_by_label("V₀(s₂), where it starts, as a number").fill("-3.5")
    for _ in range(2):
        press(page, "step")
    press(page, "link")
    page.wait_for_function("() => location.hash.includes('w=')")
    asked = "#" + page.url.partition("#")[2]
    agrees(visit(BellmanPlane("soft"), asked=asked), BellmanPlane("best", V0=[0.0, -3.5], k=2))


@pytest.mark.parametrize("junk", ["preset=constructor", "gamma=abc&k=-4&alpha=0&operator=T", "v=NaN,1", "v=1", "k=1e9"])
def test_a_link_full_of_junk_does_no_harm(visit, junk):
    page = visit(BellmanPlane("best"), asked=f"#w=bellman-plane-1&{junk}")
    assert np.isfinite(numbers(data(page)["v"])).all()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_jumps(visit, width):
    """No preset, operator or sweep changes the widget's height or sticks out sideways."""
    page = visit(BellmanPlane("best"), width)
    places = """() => ["rl-title", "rl-transport", "rl-equation", "rl-readout", "rl-controls", "rl-foot"]
      .map((kind) => document.querySelector(`.${kind}`).getBoundingClientRect().top + window.scrollY)
      .concat(document.querySelector(".rl").getBoundingClientRect().height)"""
    settled(page)
    seen = {"at first": page.evaluate(places)}
    for preset in PRESETS:
        page.locator(f".rl-top button[data-value='{preset}']").click()
        for operator in ("policy", "soft", "optimal"):
            page.locator(f"[aria-label=Operator] button[data-value='{operator}']").click()
            settled(page)
            seen[preset, operator] = page.evaluate(places)
    first = seen.pop("at first")
    assert {name: there for name, there in seen.items() if there != first} == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]
