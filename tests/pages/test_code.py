"""Code on a page: no element where the text's own colour does, and a line that a telephone breaks hangs."""

import re

import pytest

from book._ext import code
from tests.live import Visit
from tests.sources import CHAPTERS

PHONE = {"width": 360, "height": 740}
# Of each line that is broken: how many pixels its first and its second part begin after the box's left side.
BROKEN = """(lines) => lines.map((line) => {
  const range = document.createRange();
  range.selectNodeContents(line);
  const tops = new Map();
  for (const box of range.getClientRects()) {
    const top = Math.round(box.bottom);
    if (box.width > 0) tops.set(top, Math.min(tops.get(top) ?? Infinity, box.left));
  }
  const lefts = [...tops.entries()].sort(([a], [b]) => a - b).map(([, left]) => left);
  return [line.className, ...lefts.slice(0, 2)];
}).filter(([, , second]) => second !== undefined)"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_has_no_element_would_have_the_colour_of_the_text(site, theme):
    styles = (site / "_static" / "pygments.css").read_text(encoding="utf-8")
    of = dict(re.findall(rf'html\[data-theme="{theme}"\] \.highlight ?(\S*) {{[^}}]*\bcolor: (#\w+)', styles))
    assert {of[f".{kind}"] for kind in code.PLAIN} == {of[""]}
    assert of[".k"] != of[""]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("x" * 36, None),
        ("x" * 37, "in-0"),
        ("    " + "x" * 36, "in-4"),
        ("      " + "x" * 36, "in-4"),
        (" " * 20 + "x" * 36, "in-12"),
        ("<b>" + "&lt;" * 36 + "</b>", None),
        ("<b>" + "&lt;" * 37 + "</b>", "in-0"),
    ],
)
def test_a_line_that_a_telephone_has_no_room_for_hangs(line, kind):
    assert code.hung(f"{line}\n") == (f'<span class="{kind}">{line}\n</span>' if kind else f"{line}\n")


def test_it_is_rather_broken_at_a_joint_than_in_a_name():
    line = 'error = np.linalg.norm(exact_gradient(<b>mdp</b>, n=1.5), "a.b" &lt; [x.y])\n'
    joints = [
        "np<wbr/>.linalg<wbr/>.norm(<wbr/>exact_gradient(<b>mdp</b>, n=<wbr/>1.5)",
        '"a<wbr/>.b"',
        "[<wbr/>x<wbr/>.y]",
    ]
    assert all(joint in code.hung(line) for joint in joints)
    assert code.hung(line).replace("<wbr/>", "") == f'<span class="in-0">{line}</span>'


@pytest.mark.parametrize(
    ("code_", "is_whole"),
    [("make test", True), ("x", False), ("from rlbook import TabularMDP, PI", False), ("&lt; " * 9, True)],
)
def test_short_code_in_a_sentence_is_not_broken(code_, is_whole):
    spans = " ".join(f'<span class="pre">{word}</span>' for word in code_.split())
    found = code.INLINE.sub(code.unbroken, f'<p>So <code class="docutils literal notranslate">{spans}</code>.</p>')
    assert ('class="docutils literal notranslate whole"' in found) == is_whole
    assert found.replace(" whole", "").count("<span") == len(code_.split())


@pytest.mark.parametrize(
    ("call", "broken"),
    [
        ("per_trajectory_gradients(...)", "per_trajectory_gradients(<wbr/>...)"),
        ("fisher(mdp, theta)", "fisher(mdp, theta)"),
        ("rho.sum(axis=1).astype(int)", "rho.sum(axis=1).astype(int)"),
    ],
)
def test_a_long_call_is_rather_broken_after_its_bracket(call, broken):
    found = code.INLINE.sub(code.unbroken, f'<code class="docutils literal notranslate">{call}</code>')
    assert broken in found


@pytest.mark.parametrize("name", CHAPTERS)
def test_code_on_a_page_is_the_notebooks_to_the_letter(soup, name):
    cells = soup(name).select(".cell_input pre")
    assert len(cells) > 20
    for cell in cells:
        assert not cell.select(", ".join(f"span.{kind}" for kind in code.PLAIN))
        lines = [line.get_text() for line in cell.select("[class^=in-]")]
        long = [line for line in re.findall(r"[^\n]+\n?", cell.get_text()) if len(line.rstrip("\n")) > code.LONG]
        assert lines == long


def test_on_a_telephone_a_broken_line_goes_on_further_in_than_it_began(browser, address):
    with Visit(browser, f"{address}/{CHAPTERS[0]}", viewport=PHONE) as visit:
        broken = visit.page.locator(".cell_input pre > [class^=in-]:visible").evaluate_all(BROKEN)
        assert len(broken) > 50
        assert {kind for kind, _, _ in broken} >= {"in-0", "in-4"}
        for kind, first, second in broken:
            assert second > first + 5, kind


def test_on_a_telephone_code_is_copied_as_it_was_written(browser, address):
    with Visit(browser, f"{address}/{CHAPTERS[0]}", viewport=PHONE) as visit:
        cell = visit.page.locator(".cell_input pre:has([class^=in-]):visible").first
        cell.evaluate("(pre) => getSelection().selectAllChildren(pre)")
        copied = visit.page.evaluate("() => getSelection().toString()")
        assert copied.strip() == cell.evaluate("(pre) => pre.textContent").strip()
