"""One widget at several steps on one page: its tables stand there once."""

import json
import re

import pytest

from book._ext.kernel_free import without_repetition
from book.tools.browser import PAGE
from rlbook.widgets import ControlVariate, VarianceReduction
from rlbook.widgets.base import STATIC
from tests.live import BLOCKS, WIDTHS, Visit, settled

STATE = re.compile(r'<script type="application/json">(.*?)</script>', re.S)


@pytest.fixture(scope="module")
def shown():
    """A page's HTML with three widgets, before and after."""
    widgets = [VarianceReduction(step=1), ControlVariate("correlated"), VarianceReduction(step=3)]
    html = "\n".join(f"<p>…</p>{widget.to_html()}" for widget in widgets)
    return html, without_repetition(html)


def test_a_later_widget_holds_what_the_first_of_its_kind_does_not(shown):
    before, after = ([json.loads(state) for state in STATE.findall(html)] for html in shown)
    assert after[:2] == before[:2]
    assert set(after[2]) == {"step", "preset", "kappa", "baseline"}
    assert {**after[0], **after[2]} == before[2]
    assert STATE.sub("", shown[1]) == STATE.sub("", shown[0]), "and nothing else has changed"
    assert len(shown[1]) < len(shown[0]) - 40_000


def test_each_comes_alive_with_its_own_state(shown, browser, tmp_path):
    for path in STATIC.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "page.html").write_text(PAGE.format(html=shown[1], theme="light"), encoding="utf-8")
    with Visit(browser, f"file://{tmp_path}/page.html", viewport=WIDTHS["desktop"], idle=False) as visit:
        settled(visit.page)
        found = visit.page.eval_on_selector_all(".rl", "(all) => all.map((root) => ({ ...root.dataset }))")
        assert [(one["view"], one["step"]) for one in found if one["view"] == "variance-reduction"] == [
            ("variance-reduction", "1"),
            ("variance-reduction", "3"),
        ]
        third = found[2]
        assert float(third["variance"]) == pytest.approx(VarianceReduction(step=3).variance)
        assert visit.complaints == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("place", ["02-q-learning.html#w=value-iteration-4", "05-q-prop.html#w=q-prop-4&weight=0.5"])
def test_a_link_to_a_widget_far_down_stays_in_view(browser, site, place, width):
    with Visit(browser, f"file://{site}/book/{place}", viewport=WIDTHS[width], scroll=False) as visit:
        name = place.partition("w=")[2].partition("&")[0]
        visit.page.locator(f"#{name} .rl[data-preset]").wait_for()
        visit.page.mouse.move(9, 9)  # a sign of a reader, at which the page is laid out to its end
        visit.page.wait_for_function(f"() => !document.querySelector('{BLOCKS}:not(.is-laid-out)')")
        settled(visit.page)
        assert 0 <= visit.page.locator(f"#{name}").bounding_box()["y"] < 120
