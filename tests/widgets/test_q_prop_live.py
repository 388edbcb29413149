"""ControlVariate and QProp in Chromium, each on a page of its own: mouse, touch, keyboard; their numbers, Python's."""

import re

import numpy as np
import pytest

from rlbook.widgets import ControlVariate, QProp
from tests.live import WIDTHS, numbers, settled, swipe

LABELS = {
    ControlVariate: {
        "c": "c, coefficient of the control",
        "corr": "ρ, correlation of f and g",
        "bend": "bend of f in g, as a share",
        "mean_g": "E g, mean of the control",
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
LIMITS = {cls: {name: cls.limits(name) for name in labels} for cls, labels in LABELS.items()}
IDS = {ControlVariate: "control-variate-1", QProp: "q-prop-1"}
BOTH = pytest.mark.parametrize("cls", [ControlVariate, QProp])


def state(page):
    """What the page's only widget says of itself once the next frame is drawn: its data, and all of its text."""
    return page.evaluate(
        """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
          const root = document.querySelector(".rl");
          done([{ ...root.dataset }, root.querySelector(".rl-sentence").textContent, root.textContent]);
        })))"""
    )


def agrees(page, widget, *, samples=False):
    """The page's numbers are those that Python computes; with `samples` also the means of what is drawn."""
    shown, sentence, text = state(page)

    def same(name, *values):
        assert numbers(shown[name]) == pytest.approx([float(x) for x in values], rel=1e-9, abs=1e-9), name

    assert shown["preset"] == widget.preset
    same("variance", widget.variance)
    if isinstance(widget, ControlVariate):
        same("best", widget.best)
        same("floor", widget.floor)
        same("bias", *widget.bias)
        same("sd", *widget.sd)
        if samples:
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
        for rule, row in zip(("conservative", "aggressive"), (-2, -1), strict=True):
            cell = page.locator(".rl-table tr").nth(row).locator("td").nth(1).text_content()
            assert float(cell) == pytest.approx(model.single_sample_variance(widget.q, rule), rel=6e-3)
        if samples:
            same("means", widget.estimates("fixed", 0.0).mean(), widget.estimates().mean())
        said = f"With κ = {widget.weight:.3g}" if widget.rule == "fixed" else "The rule "
    assert said.replace("-", "−") in sentence
    assert "NaN" not in text
    assert "undefined" not in text


def field(page, cls, name):
    return page.get_by_label(f"{LABELS[cls][name]}, as a number", exact=True)


def value(page, cls, name):
    settled(page)
    return float(field(page, cls, name).input_value())


def type_number(page, cls, name, text):
    field(page, cls, name).fill(str(text))
    field(page, cls, name).press("Tab")


def ask(page, cls, link):
    """Follow a link to the widget on the page that is open."""
    page.evaluate("(hash) => (location.hash = hash)", f"#w={IDS[cls]}&{link}")
    page.wait_for_timeout(30)  # the event of the hash comes by itself


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
def test_numbers_are_pythons_after_presets_and_random_edits(visit, cls):
    """By chip, slider, number and button."""
    page = visit(cls(cls.PRESETS[0]))
    for preset in cls.PRESETS:
        page.locator(f".rl-top button[data-value='{preset}']").click()
        agrees(page, cls(preset), samples=True)
    type_number(page, cls, "n", 24)
    agrees(page, cls(preset, n=24))
    page.locator("[data-role=reset]").click()
    rng, widget = np.random.default_rng(5), cls(preset)
    agrees(page, widget)
    for step in range(24):
        name = str(rng.choice([*LABELS[cls], "dice"]))
        if name == "dice":
            page.locator("[data-role=again]").click()
            widget.seed += 1
        else:
            if name == "mean_g":  # of a control that is added as it is
                page.locator("[data-value=raw]").click()
                widget.control = "raw"
            low, high = LIMITS[cls][name]
            to = round(float(rng.choice([low, high, rng.uniform(low, high), rng.uniform(low, high)])), 2)
            to = (2 * round(to / 2) if cls is ControlVariate else round(to)) if name == "n" else to
            if rng.random() < 0.5:
                type_number(page, cls, name, to)
            else:
                to = slide(page, cls, name, to)
            setattr(widget, name, int(to) if name == "n" else to)
        agrees(page, widget, samples=step % 6 == 5)

    # Said to those who do not see it.
    name, said = ("c", "c = 0.7") if cls is ControlVariate else ("weight", "κ = 0.7")
    slide(page, cls, name, 0.7)
    page.wait_for_function("(said) => document.querySelector('.rl [role=status]').textContent.includes(said)", arg=said)


def test_coefficient_and_correlation_are_dragged(visit):
    widget = ControlVariate(c=0.4, corr=0.5)
    page = visit(widget)
    unit = scale(page, 1, -2, 2, BOWL)
    drag(page, handle(page, "c:"), -60, 30)
    widget.c = value(page, ControlVariate, "c")
    assert widget.c == pytest.approx(0.4 - 60 / unit, abs=2e-3)
    agrees(page, widget)

    # The lines through the samples have the slopes −c and ρ.
    (x0, y0), unit = middle_of_samples(page), scale(page, 0, -3, 3, (60, 12))
    for label, name, sign in (("The line", "c", -1), ("The best line", "corr", 1)):
        x, y = middle(handle(page, label))
        drag(page, handle(page, label), 0, -40)
        assert middle(handle(page, label)) == pytest.approx((x, y - 40), abs=1)
        setattr(widget, name, value(page, ControlVariate, name))
        slope = ((y0 - y + 40) / (252 / 7)) / ((x - x0) / unit)  # 252 pixels are 7 units of f
        assert getattr(widget, name) == pytest.approx(sign * slope, abs=0.02)
        agrees(page, widget)
    drag(page, handle(page, "The best line"), 0, 300)
    widget.corr = 1.0
    agrees(page, widget)

    # The curves are a scale for n.
    box = page.locator(".rl-panel").nth(3).locator("svg.rl-drag").bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 100)
    settled(page)
    widget.n = int(value(page, ControlVariate, "n"))
    assert 16 < widget.n < 48
    agrees(page, widget)

    # The handles answer to arrow keys.
    ask(page, ControlVariate, "c=0.2&corr=0.4")
    for label, keys, name, to in (
        ("c:", ["ArrowRight", "Shift+ArrowLeft"], "c", 0.0),
        ("The best line", ["ArrowUp", "ArrowUp"], "corr", 0.5),
        ("The line", ["ArrowUp", "ArrowUp", "ArrowDown"], "c", -0.05),
    ):
        press(page, label, *keys)
        assert value(page, ControlVariate, name) == to
    assert handle(page, "c:").get_attribute("aria-valuetext").startswith("c = −0.05, variance")

    # Bars, ticks and the arrow are drawn where Python has them, in pixels of the frame.
    ask(page, ControlVariate, "preset=same-samples&n=10")
    widget = ControlVariate("same-samples", n=10)
    agrees(page, widget)
    unit = scale(page, 2, 0, 2, (16, 16))
    for row, (bias, sd) in enumerate(zip(widget.bias, widget.sd, strict=True)):
        (start, tick), d = drawn(page, row, "rl-bar")
        assert start == pytest.approx(16 + unit * (1 + bias - 2 * sd), abs=0.1)
        assert float(re.search(r"H(-?[\d.]+)", d)[1]) == pytest.approx(16 + unit * (1 + bias + 2 * sd), abs=0.1)
        assert tick == pytest.approx(16 + unit * (1 + bias), abs=0.1)
    xs, _ = drawn(page, 2, "rl-stroke")
    assert (xs[0], xs[2]) == pytest.approx((16 + unit, 16 + unit * (1 + widget.bias.same)), abs=0.1)


def drawn(page, row, kind):
    """The points of a path among the estimates, and the path."""
    d = page.locator(".rl-panel").nth(2).locator(f"path.{kind}").nth(row).get_attribute("d")
    return [float(x) for x in re.findall(r"[ML](-?[\d.]+),", d)], d


def press(page, label, *keys):
    handle(page, label).focus()
    for key in keys:
        page.keyboard.press(key)
        settled(page)


def middle_of_samples(page):
    """Where (0, 1) is in ControlVariate's first panel, in pixels of the page."""
    box = page.locator(".rl-panel").nth(0).locator("svg").first.bounding_box()
    left, right, top, foot = 60, 12, 8, 40
    height = box["height"] - top - foot
    return box["x"] + left + (box["width"] - left - right) / 2, box["y"] + top + height * 3.5 / 7


def test_the_mean_of_a_control_is_to_be_moved_where_it_moves_something(visit):
    page = visit(ControlVariate(step="explore"))
    slider = page.get_by_label("E g, mean of the control", exact=True)
    assert slider.is_disabled()
    page.locator("[data-value=raw]").click()
    settled(page)
    assert slider.is_enabled()


@pytest.mark.parametrize("q", [-1.2, 0.3, 1.0])
def test_no_name_over_the_parabola_covers_another(visit, q):
    page = visit(QProp("two-optima", q=q), "phone")
    page.add_style_tag(content=".rl-flag { stroke: none !important; }")  # their letters are measured, not their grounds
    boxes = [box for flag in page.locator(".rl-flag:visible").all() if (box := flag.bounding_box())]
    assert len(boxes) > 2
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            apart_x = max(one["x"], other["x"]) > min(one["x"] + one["width"], other["x"] + other["width"]) - 1
            apart_y = max(one["y"], other["y"]) > min(one["y"] + one["height"], other["y"] + other["height"]) - 2
            assert apart_x or apart_y


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
        assert name in page.locator(".rl-row button[aria-pressed=true]").all_text_contents()

    # A rule whose weight is out of reach is not offered, nor is a slope of 0 any control.
    type_number(page, QProp, "q", 0.1)
    settled(page)
    for name in ("adaptive K/W", "gradient’s best"):
        assert page.get_by_role("button", name=name).is_disabled()
    type_number(page, QProp, "q", 0)
    widget.q = 0.0
    agrees(page, widget)
    assert "no control" in page.locator(".rl-sentence").text_content()

    # The handles answer to arrow keys.
    ask(page, QProp, "rule=fixed&weight=0.5&q=-0.5")
    for label, key, name, to in (
        ("κ:", "ArrowRight", "weight", 0.55),
        ("Slope q", "ArrowDown", "q", -0.55),
        ("Weight κ", "ArrowUp", "weight", 0.5),
    ):
        press(page, label, key)
        assert value(page, QProp, name) == to

    # The arrow is as long as the bias, in pixels of the frame.
    ask(page, QProp, "preset=single-sample")
    widget = QProp("single-sample")
    agrees(page, widget)
    xs, _ = drawn(page, 1, "rl-stroke")
    picture = page.locator(".rl-panel").nth(2).locator("svg").first
    ticks = picture.locator("text").all_text_contents()
    half = max(float(text) for text in ticks if re.fullmatch(r"[\d.]+", text))
    width = picture.bounding_box()["width"]
    assert xs[0] == pytest.approx(width / 2, abs=0.6)
    assert xs[2] - xs[0] == pytest.approx((width - 32) / 2 / half * widget.bias, abs=0.1)


@BOTH
def test_touch_drags_handles_every_way_and_elsewhere_scrolls(visit, cls):
    name, label, settings = {
        ControlVariate: ("c", "The line", {"c": -0.4}),
        QProp: ("weight", "Weight κ", {"weight": 0.5}),
    }[cls]
    widget = cls(**settings)
    page = visit(widget, "phone", has_touch=True, is_mobile=True)

    grip = handle(page, label)
    grip.scroll_into_view_if_needed()
    top = page.evaluate("window.scrollY")
    before = getattr(widget, name)
    swipe(page, middle(grip), middle(grip) - (0, 30))
    setattr(widget, name, value(page, cls, name))
    assert abs(getattr(widget, name) - before) > 0.1, "straight up too, for it is the handle that was touched"
    assert page.evaluate("window.scrollY") == top
    agrees(page, widget)

    bowl = page.locator(".rl-panel").nth(1).locator("svg").first
    bowl.scroll_into_view_if_needed()
    box = bowl.bounding_box()
    start = np.array([box["x"] + 0.9 * box["width"], box["y"] + 0.8 * box["height"]])
    top = page.evaluate("window.scrollY")
    swipe(page, start, start - (0, 150), steps=14)
    page.wait_for_function("(top) => window.scrollY > top + 50", arg=top)
    agrees(page, widget)


# Links ----------------------------------------------------------------------------------------------------


JUNK = {
    ControlVariate: [
        (
            "preset=same-samples&c=-1.5&corr=0.2&n=13&bend=2",
            {"preset": "same-samples", "c": -1.5, "corr": 0.2, "n": 14, "bend": 1},
        ),
        ("preset=__proto__&c=abc&corr=NaN&bend=Infinity&n=&seed=-3", {"seed": 0}),
    ],
    QProp: [
        ("preset=two-optima&weight=9&q=0.5&n=0&rule=no", {"preset": "two-optima", "weight": 3, "q": 0.5, "n": 1}),
        ("rule=conservative&tau=0&sigma=-1", {"rule": "conservative", "tau": 0.1, "sigma": 0.3}),
        ("preset=constructor&weight=1e999&c1=<b>&seed=1e99&n=--2", {"seed": 2**32 - 1}),
    ],
}


@BOTH
def test_links(visit, cls):
    """By hand, full of junk, and made by the widget."""
    (asked, expected), *others = JUNK[cls]
    page = visit(cls(cls.PRESETS[0]), asked=f"#w={IDS[cls]}&{asked}")
    agrees(page, cls(**expected))
    first = page.locator(".rl-top button[data-value]").first
    for asked, expected in others:
        first.click()
        ask(page, cls, asked)
        agrees(page, cls(**expected))
    page.locator(".rl-top button[data-value]").nth(3).click()
    edits = {ControlVariate: {"c": -0.25, "n": 30}, QProp: {"q": -0.75, "c3": 0.12, "n": 7}}[cls]
    for name, to in edits.items():
        type_number(page, cls, name, to)
    page.locator("[data-role=again]").click()
    if cls is QProp:
        page.get_by_role("button", name="sign(ÂĀ)").click()
    before, *_ = state(page)
    page.locator("[data-role=link]").click()
    page.wait_for_function("() => location.hash.includes('n=')")
    link = page.url.partition("#")[2].partition("&")[2]
    first.click()
    assert state(page)[0] != before
    ask(page, cls, "")
    ask(page, cls, link)
    assert state(page)[0] == before


# For everyone ---------------------------------------------------------------------------------------------


class Together:
    """Both widgets on one page."""

    def to_html(self):
        return ControlVariate("correlated").to_html() + QProp("helpful").to_html()


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_jumps_or_sticks_out(visit, width):
    """No preset and no value changes a widget's height or moves its parts."""
    page = visit(Together(), width)

    def places(cls):
        """Tops of the parts, the height of all, and by how much the foot is higher than the sentence."""
        *tops, slack = page.evaluate(
            """(id) => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
              const root = document.getElementById(id);
              const high = (kind) => root.querySelector(kind).getBoundingClientRect().height;
              const start = root.getBoundingClientRect().top;
              const parts = [...root.querySelectorAll(".rl-panel, .rl-controls, .rl-foot, .rl-legend")];
              const tops = parts.map((at) => at.getBoundingClientRect().top - start);
              done([...tops, high(".rl"), high(".rl-foot") - high(".rl-sentence")]);
            })))""",
            IDS[cls],
        )
        assert slack >= -1
        return tops

    for cls in (ControlVariate, QProp):
        first = places(cls)
        for turn, preset in enumerate(cls.PRESETS):
            ask(page, cls, f"preset={preset}")
            assert places(cls) == pytest.approx(first, abs=0.1), preset
            far = {name: ends[turn % 2] * 0.97 + 0.0123 for name, ends in LIMITS[cls].items()}
            rule = "&rule=aggressive" if cls is QProp and turn > 2 else ""
            ask(page, cls, "&".join(f"{name}={to}" for name, to in far.items()) + rule)
            assert places(cls) == pytest.approx(first, abs=0.1), f"{preset}, and far from it"
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]["width"]
