"""Names in pictures: above bowls each beside its pole, over no other and crossed by no pole; of handles, on no line."""

import pytest

from rlbook.widgets import ControlVariate, Occupancy, QProp, VarianceReduction

WIDGETS = {
    "three rules at one place": QProp(step=1),
    "with numbers": QProp(step="explore"),
    "a steep critic": QProp("neither-helps"),
    "two optima": QProp("two-optima"),
    "best beside none": ControlVariate(step="explore"),
    "hardly a correlation": ControlVariate(step="explore", corr=0.05),
    "the wrong sign": ControlVariate("wrong-sign"),
    "two rooms": VarianceReduction(step="explore"),
    "two arms": VarianceReduction("two-arms"),
    "the goal at the end": VarianceReduction("corridor"),
}


@pytest.mark.parametrize("widget", WIDGETS.values(), ids=WIDGETS)
@pytest.mark.parametrize("width", [360, 1000])
def test_no_pole_runs_through_a_name_and_no_name_over_another(visit, widget, width):
    page = visit(widget)
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(300)  # until the pictures have their new widths
    names, poles = page.evaluate(
        """() => {
          const shown = (node) => node.closest("g").style.display !== "none" && node.textContent;
          const marks = [...document.querySelectorAll(".rl-mark")].map((mark) => mark.parentNode);
          const svg = marks[0].ownerSVGElement;
          const names = [...svg.querySelectorAll(":scope > g > text.rl-clear")].filter(shown);
          const boxes = names.map((name) => { const { x, y, width, height } = name.getBBox();
                                              return [name.textContent, x, x + width, y, y + height]; });
          const seen = marks.filter((group) => group.style.display !== "none");
          const ends = seen.map((group) => group.querySelector(".rl-pole").getAttribute("d").match(/-?[\\d.]+/g));
          return [boxes, ends.map((end) => end.map(Number))];
        }"""
    )
    assert len(names) >= 2
    assert len(poles) >= len(names)
    for text, left, right, top, foot in names:
        for x, begin, _ in poles:
            assert not (left < x < right and begin < foot - 3), f"a pole at {x} runs through “{text}”"
        for other, start, end, high, low in names:
            apart = end < left or start > right or low < top + 3 or high > foot - 3
            assert other == text or apart, f"“{other}” is over “{text}”"


LINED = {
    "samples, far from the best line": (ControlVariate(step=2), "text.rl-label", "path:is(.rl-control, .rl-exact)"),
    "samples, near it": (ControlVariate(step=2, c=-0.7), "text.rl-label", "path:is(.rl-control, .rl-exact)"),
    "a critic": (QProp(step=2), "text.rl-label", "path:is(.rl-control, .rl-exact)"),
    "a policy at an edge": (Occupancy(step=2), "[role=slider] text, g > text.rl-label", "path.rl-exact"),
    "both ends of a mixture": (Occupancy(step=3), "g > text.rl-label", "path:is(.rl-exact, .rl-mixed)"),
}


@pytest.mark.parametrize("given", LINED.values(), ids=LINED)
@pytest.mark.parametrize("width", [360, 1000])
def test_no_line_runs_through_the_name_of_a_handle(visit, given, width):
    widget, names, lines = given
    page = visit(widget)
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(300)
    seen, crossed = page.evaluate(
        """([names, lines]) => {
          const svg = [...document.querySelectorAll("svg")].find((at) => at.querySelector("[role=slider], .rl-region"));
          const seen = [...svg.querySelectorAll(names)].filter((name) => name.textContent && name.checkVisibility());
          const boxes = seen.map((name) => name.getBoundingClientRect());
          const crossed = new Set();
          for (const line of svg.querySelectorAll(lines)) {
            const at = line.getScreenCTM();
            for (let long = 0; long < line.getTotalLength(); long++) {
              const { x, y } = line.getPointAtLength(long).matrixTransform(at);
              boxes.forEach(({ left, right, top, bottom }, i) => {
                if (x > left && x < right && y > top + 3 && y < bottom - 3) crossed.add(seen[i].textContent);
              });
            }
          }
          return [seen.length, [...crossed]];
        }""",
        [names, lines],
    )
    assert seen >= 1
    assert not crossed
