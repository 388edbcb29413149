"""ControlVariate and QProp in Chromium, each on a page of its own: mouse, touch, keyboard; their numbers, Python's."""

import re

import numpy as np
import pytest

from rlbook.widgets import ControlVariate, QProp
from rlbook.widgets.control_variate import LIMITS as PAIR
from rlbook.widgets.q_prop import LIMITS as MODEL
from tests.live import WIDTHS, data, numbers, settled

LABELS = {
    ControlVariate: {
        "c": "c, coefficient of the control",
        "corr": "ρ, correlation of f and g",
        "bend": "β, bend of f in g",
        "n": "n, samples in a batch",
    },
    QProp: {
        "weight": "κ, weight of the control",
        "q": "q, slope of the critic",
        "c1": "c₁, linear part of Â",
        "c2": "c₂, quadratic part",
        "c3": "c₃, cubic part",
        "tau": "τ, noise after the action",
        "sigma": "σ of the policy",
        "n": "n, samples that an estimate averages",
    },
}
LIMITS = {ControlVariate: {**PAIR, "n": (8, 64)}, QProp: {**MODEL, "n": (1, 64)}}
HIDDEN_ID = {ControlVariate: "control-variate-1", QProp: "q-prop-1"}
BOTH = pytest.mark.parametrize("cls", [ControlVariate, QProp])


def agrees(page, widget):
    """The page's numbers are those that Python computes."""
    shown = data(page)

    def same(name, *values):
        assert numbers(shown[name]) == pytest.approx([float(x) for x in values], rel=1e-9, abs=1e-9), name

    assert shown["preset"] == widget.preset
    same("variance", widget.variance)
    if isinstance(widget, ControlVariate):
        same("best", widget.best)
        same("floor", widget.floor)
        same("bias", *widget.bias)
        same("sd", *widget.sd)
        same("means", *(values.mean() for values in widget.estimates))
        said = f"With c = {widget.c:.3g}"
    else:
        model = widget.model
        assert shown["rule"] == widget.rule
        same("mean", widget.mean)
        same("bias", widget.bias)
        same("floor", model.floor)
        same("noise", model.noise_floor)
        same("weights", *widget.rules)
        same("single", *(model.single_sample_bias(widget.q, rule) for rule in ("conservative", "aggressive")))
        same("means", widget.estimates("fixed", 0.0).mean(), widget.estimates().mean())
        said = f"With κ = {widget.weight:.3g}" if widget.rule == "fixed" else "The rule "
    sentence = page.locator(".rl-sentence").text_content()
    assert said.replace("-", "−") in sentence
    assert "NaN" not in sentence
    assert "undefined" not in page.locator(".rl").text_content()


def field(page, cls, name):
    return page.get_by_label(f"{LABELS[cls][name]}, as a number", exact=True)


def value(page, cls, name):
    settled(page)
    return float(field(page, cls, name).input_value())


def type_number(page, cls, name, text):
    field(page, cls, name).fill(str(text))
    field(page, cls, name).press("Tab")


def slide(page, cls, name, to):
    page.get_by_label(LABELS[cls][name], exact=True).evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", to
    )
    return float(page.get_by_label(LABELS[cls][name], exact=True).input_value())


def handle(page, name):
    return page.locator(f".rl-grip[aria-label^='{name}']")


def middle(locator):
    box = locator.locator(".rl-reach").bounding_box()
    return np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])


def drag(page, locator, dx, dy):
    x, y = middle(locator)
    page.mouse.move(x + 3, y - 2)  # not quite its centre
    page.mouse.down()
    page.mouse.move(x + 3 + dx, y - 2 + dy, steps=6)
    page.mouse.up()


def scale(page, panel, low, high, margins):
    """Pixels for one unit along the x axis of a panel from low to high."""
    box = page.locator(".rl-panel").nth(panel).locator("svg").first.bounding_box()
    return (box["width"] - sum(margins)) / (high - low)


BOWL = (60, 14)  # its margins to the left and right


@BOTH
def test_every_preset_says_what_python_says(visit, cls):
    page = visit(cls())
    for preset in cls.PRESETS:
        page.locator(f".rl-top button[data-value='{preset}']").click()
        agrees(page, cls(preset))
        other, n = ("corr", 24) if cls is ControlVariate else ("c2", 24)
        type_number(page, cls, other, 0.37)
        type_number(page, cls, "n", n)
        agrees(page, cls(preset, **{other: 0.37, "n": n}))
        page.locator("[data-role=reset]").click()
        agrees(page, cls(preset))


@BOTH
def test_random_edits_by_slider_number_and_button_agree_with_python(visit, cls):
    rng, widget = np.random.default_rng(5), cls()
    page = visit(widget)
    for _ in range(24):
        name = str(rng.choice([*LABELS[cls], "dice"]))
        if name == "dice":
            page.locator("[data-role=again]").click()
            widget.seed += 1
        else:
            low, high = LIMITS[cls][name]
            to = round(float(rng.choice([low, high, rng.uniform(low, high), rng.uniform(low, high)])), 2)
            to = (2 * round(to / 2) if cls is ControlVariate else round(to)) if name == "n" else to
            if rng.random() < 0.5:
                type_number(page, cls, name, to)
            else:
                to = slide(page, cls, name, to)
            setattr(widget, name, int(to) if name == "n" else to)
        agrees(page, widget)


def test_coefficient_and_correlation_are_dragged(visit):
    widget = ControlVariate(c=0.4, corr=0.5)
    page = visit(widget)
    unit = scale(page, 1, -2, 2, BOWL)
    drag(page, handle(page, "c:"), -60, 30)
    widget.c = value(page, ControlVariate, "c")
    assert widget.c == pytest.approx(0.4 - 60 / unit, abs=2e-3)
    agrees(page, widget)

    drag(page, handle(page, "Bottom"), 50, -40)
    widget.corr = value(page, ControlVariate, "corr")
    assert widget.corr == pytest.approx(0.5 - 50 / unit, abs=2e-3)
    agrees(page, widget)
    drag(page, handle(page, "Bottom"), -500, 0)
    widget.corr = 1.0
    agrees(page, widget)

    # The line through the samples has the slope −c.
    line = handle(page, "The line")
    before = middle(line)
    drag(page, line, 0, -40)
    after = middle(line)
    widget.c = value(page, ControlVariate, "c")
    unit = scale(page, 0, -3, 3, (60, 12))
    across, up = 2.2 * unit, 252 / 7  # pixels from the centre to the handle, and of one unit of f
    assert (after - before)[1] == pytest.approx(-40, abs=1)
    assert widget.c == pytest.approx(-(before[1] - 40 - middle_of_samples(page)[1]) / -up / (across / unit), abs=0.02)
    agrees(page, widget)

    # The curves are a scale for n.
    box = page.locator(".rl-panel").nth(3).locator("svg.rl-drag").bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 100)
    widget.n = int(value(page, ControlVariate, "n"))
    assert 16 < widget.n < 48
    agrees(page, widget)


def middle_of_samples(page):
    """Where (0, 1) is in ControlVariate's first panel, in pixels of the page."""
    box = page.locator(".rl-panel").nth(0).locator("svg").first.bounding_box()
    left, right, top, foot = 60, 12, 8, 40
    height = box["height"] - top - foot
    return box["x"] + left + (box["width"] - left - right) / 2, box["y"] + top + height * 3.5 / 7


def test_weight_and_slope_are_dragged(visit):
    widget = QProp(weight=0.2)
    page = visit(widget)
    unit = scale(page, 1, -2, 3, BOWL)
    drag(page, handle(page, "κ:"), 70, -10)
    widget.weight = value(page, QProp, "weight")
    assert widget.weight == pytest.approx(0.2 + 70 / unit, abs=2e-3)
    agrees(page, widget)

    lines = handle(page, "Weight κ"), handle(page, "Slope q")
    start = [middle(line) for line in lines]
    drag(page, lines[0], 0, 30)
    weight = value(page, QProp, "weight")
    assert weight < widget.weight
    assert middle(lines[0])[1] - start[0][1] == pytest.approx(30, abs=1)
    widget.weight = weight
    agrees(page, widget)
    drag(page, lines[1], 0, -25)
    q = value(page, QProp, "q")
    assert q < widget.q, "on the left, up is down"
    widget.q = q
    agrees(page, widget)

    # A rule of single samples, and back by a drag.
    page.get_by_role("button", name="sign(ÂĀ)").click()
    widget.rule = "aggressive"
    agrees(page, widget)
    assert not handle(page, "κ:").is_visible()
    page.get_by_role("button", name="1{ÂĀ > 0}").click()
    widget.rule = "conservative"
    agrees(page, widget)
    for rule, name in (("adaptive", "adaptive K/W"), ("none", "none"), ("aggressive", "aggressive"), ("full", "full")):
        page.get_by_role("button", name=name, exact=True).click()
        widget.rule, widget.weight = "fixed", getattr(widget.rules, rule)
        agrees(page, widget)
        pressed = page.locator(".rl-row button[aria-pressed=true]").all_text_contents()
        assert name in pressed


def test_a_rule_out_of_reach_is_not_offered(visit):
    page = visit(QProp(q=0.1))
    settled(page)
    for name in ("adaptive K/W", "gradient’s best"):
        assert page.get_by_role("button", name=name).is_disabled()
    type_number(page, QProp, "q", 0)
    agrees(page, QProp(q=0.0))
    assert page.get_by_role("button", name="adaptive K/W").is_enabled()
    assert "no control" in page.locator(".rl-sentence").text_content()


def test_what_is_drawn_is_what_is_said(visit):
    """Bars, ticks and the arrow, in pixels of the frame."""

    def ends(page, row, kind):
        d = page.locator(".rl-panel").nth(2).locator(f"path.{kind}").nth(row).get_attribute("d")
        return [float(x) for x in re.findall(r"[ML]?(-?[\d.]+),", d)], d

    widget = ControlVariate("same-samples", n=10)
    page = visit(widget)
    settled(page)
    unit = scale(page, 2, 0, 2, (16, 16))
    for row, (bias, sd) in enumerate(zip(widget.bias, widget.sd, strict=True)):
        (start, tick), d = ends(page, row, "rl-bar")
        assert start == pytest.approx(16 + unit * (1 + bias - 2 * sd), abs=0.1)
        assert float(re.search(r"H(-?[\d.]+)", d)[1]) == pytest.approx(16 + unit * (1 + bias + 2 * sd), abs=0.1)
        assert tick == pytest.approx(16 + unit * (1 + bias), abs=0.1)
    xs, _ = ends(page, 2, "rl-stroke")
    assert (xs[0], xs[2]) == pytest.approx((16 + unit, 16 + unit * (1 + widget.bias.same)), abs=0.1)

    widget = QProp("single-sample")
    page = visit(widget)
    settled(page)
    xs, _ = ends(page, 1, "rl-stroke")
    box = page.locator(".rl-panel").nth(2).locator("svg").first.bounding_box()
    ticks = page.locator(".rl-panel").nth(2).locator("svg").first.locator("text").all_text_contents()
    half = max(float(text) for text in ticks if re.fullmatch(r"[\d.]+", text))
    unit = (box["width"] - 32) / 2 / half
    assert xs[0] == pytest.approx(box["width"] / 2, abs=0.6)
    assert xs[2] - xs[0] == pytest.approx(unit * widget.bias, abs=0.1)


def test_handles_answer_to_arrow_keys(visit):
    widget = ControlVariate(c=0.2, corr=0.4)
    page = visit(widget)
    for name, keys, changes in (
        ("c:", ["ArrowRight", "Shift+ArrowLeft"], {"c": 0.0}),
        ("Bottom", ["ArrowLeft", "ArrowLeft"], {"corr": 0.5}),
        ("The line", ["ArrowUp", "ArrowUp", "ArrowDown"], {"c": -0.05}),
    ):
        handle(page, name).focus()
        for key in keys:
            page.keyboard.press(key)
            settled(page)
        for setting, to in changes.items():
            setattr(widget, setting, to)
        agrees(page, widget)
    assert handle(page, "c:").get_attribute("aria-valuetext").startswith("c = −0.05, variance")

    widget = QProp(weight=0.5, q=-0.5)
    page = visit(widget)
    for name, key, setting, to in (
        ("κ:", "ArrowRight", "weight", 0.55),
        ("Slope q", "ArrowDown", "q", -0.55),
        ("Weight κ", "ArrowUp", "weight", 0.5),
    ):
        handle(page, name).focus()
        page.keyboard.press(key)
        setattr(widget, setting, to)
        agrees(page, widget)


@BOTH
def test_touch_drags_handles_every_way_and_elsewhere_scrolls(visit, cls):
    name, label, settings = {
        ControlVariate: ("c", "The line", {"c": -0.4}),
        QProp: ("weight", "Weight κ", {"weight": 0.5}),
    }[cls]
    widget = cls(**settings)
    page = visit(widget, "phone", has_touch=True, is_mobile=True)
    send = page.context.new_cdp_session(page).send

    def swipe(start, end, steps=10):
        points = [{"x": float(x), "y": float(y)} for x, y in np.linspace(start, end, steps + 1)]
        send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:1]})
        for point in points[1:]:
            send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(120)

    grip = handle(page, label)
    grip.scroll_into_view_if_needed()
    top = page.evaluate("window.scrollY")
    before = getattr(widget, name)
    swipe(middle(grip), middle(grip) + [0, -30])
    setattr(widget, name, value(page, cls, name))
    assert abs(getattr(widget, name) - before) > 0.1, "straight up too, for it is the handle that was touched"
    assert page.evaluate("window.scrollY") == top
    agrees(page, widget)

    bowl = page.locator(".rl-panel").nth(1).locator("svg").first
    bowl.scroll_into_view_if_needed()
    box = bowl.bounding_box()
    start = np.array([box["x"] + 0.9 * box["width"], box["y"] + 0.8 * box["height"]])
    top = page.evaluate("window.scrollY")
    swipe(start, start + [0, -150], steps=14)
    page.wait_for_function("(top) => window.scrollY > top + 50", arg=top)
    agrees(page, widget)


# Links ----------------------------------------------------------------------------------------------------


@BOTH
def test_state_can_be_linked_to(visit, cls):
    page = visit(cls())
    page.locator(".rl-top button[data-value]").nth(3).click()
    for name, to in {
        ControlVariate: {"c": -0.25, "bend": 0.5, "n": 30},
        QProp: {"q": -0.75, "c3": 0.12, "sigma": 1.3, "n": 7},
    }[cls].items():
        type_number(page, cls, name, to)
    page.locator("[data-role=again]").click()
    if cls is QProp:
        page.get_by_role("button", name="sign(ÂĀ)").click()
    before = data(page)
    page.locator("[data-role=link]").click()
    page.wait_for_function("() => location.hash.includes('w=')")
    after = data(visit(cls(), asked="#" + page.url.partition("#")[2]))
    assert after == before


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            "preset=same-samples&c=-1.5&corr=0.2&n=13&bend=2",
            ControlVariate("same-samples", c=-1.5, corr=0.2, n=14, bend=1),
        ),
        ("preset=two-optima&weight=9&q=0.5&n=0&rule=no", QProp("two-optima", weight=3, q=0.5, n=1)),
        ("rule=conservative&tau=0&sigma=-1", QProp(rule="conservative", tau=0.1, sigma=0.3)),
        ("preset=__proto__&c=abc&corr=NaN&bend=Infinity&n=&seed=-3", ControlVariate(seed=0)),
        ("preset=constructor&weight=1e999&c1=<b>&seed=1e99&n=--2", QProp(seed=2**32 - 1)),
    ],
)
def test_links_by_hand_and_links_full_of_junk(visit, asked, expected):
    cls = ControlVariate if isinstance(expected, ControlVariate) else QProp
    agrees(visit(cls(), asked=f"#w={HIDDEN_ID[cls]}&{asked}"), expected)


# For everyone ---------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_jumps_or_sticks_out(visit, cls, width):
    """No preset and no value changes the widget's height or moves its parts; the picture keeps as much room."""
    page = visit(cls(), width)
    places = """() => [...document.querySelectorAll(".rl-panel, .rl-controls, .rl-foot, .rl-legend")]
      .map((at) => at.getBoundingClientRect().top + window.scrollY)
      .concat(document.querySelector(".rl").getBoundingClientRect().height)"""

    def seen():
        settled(page)
        sentence, foot = (page.locator(kind).bounding_box() for kind in (".rl-sentence", ".rl-foot"))
        assert sentence["height"] <= foot["height"] + 1
        return page.evaluate(places)

    first = seen()
    for preset in cls.PRESETS:
        page.locator(f".rl-top button[data-value='{preset}']").click()
        assert seen() == pytest.approx(first, abs=0.1), preset
        for name, ends in LIMITS[cls].items():
            type_number(page, cls, name, ends[len(preset) % 2] * 0.97 + 0.0123)
        assert seen() == pytest.approx(first, abs=0.1), f"{preset}, and far from it"
        if cls is QProp:
            page.get_by_role("button", name="sign(ÂĀ)").click()
            assert seen() == pytest.approx(first, abs=0.1), f"{preset}, single samples"
        page.locator("[data-role=reset]").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]
    page.evaluate("document.querySelector('.rlbook-widget').classList.remove('is-live')")
    assert page.locator(".rlbook-picture").bounding_box()["height"] == pytest.approx(first[-1], abs=32)


@BOTH
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, frontend, cls, theme):
    page = visit(cls(), theme=theme)
    page.add_script_tag(path=frontend / "node_modules" / "axe-core" / "axe.min.js")
    for preset in cls.PRESETS:
        page.locator(f".rl-top button[data-value='{preset}']").click()
        settled(page)
        found = page.evaluate("async () => (await axe.run('.rl', { preload: false })).violations")
        serious = [
            f"{preset}: {violation['id']}: {violation['help']}: {[node['target'] for node in violation['nodes']][:4]}"
            for violation in found
            if violation["impact"] in ("serious", "critical")
        ]
        assert not serious, "\n".join(serious)


@BOTH
def test_every_control_is_reached_by_tab_and_the_live_line_says_the_numbers(visit, cls):
    page = visit(cls())
    page.locator(".rl button").first.focus()
    names = []
    for _ in range(60):
        name = page.evaluate(
            """() => {
              const at = document.activeElement;
              if (!at.closest(".rl")) return null;
              return at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent;
            }"""
        )
        if name is None:
            break
        names.append(name)
        page.keyboard.press("Tab")
    assert names[-1] == "Copy link"
    assert len(names) == page.locator(".rl :is(button, input, .rl-grip):visible:not(:disabled)").count()
    name, said = ("c", "c = 0.7") if cls is ControlVariate else ("weight", "κ = 0.7")
    slide(page, cls, name, 0.7)
    page.wait_for_function("(said) => document.querySelector('.rl [role=status]').textContent.includes(said)", arg=said)
