"""A real JupyterLab runs the chapters to their end, and the widgets answer there, both ways."""

import json
import time

import nbformat
import pytest

from rlbook.widgets import __all__ as WIDGETS
from tests.sources import NOTEBOOKS

# What the notebook that is open says of itself: its kernel, and each code cell's count and errors.
STATE = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = panel.content.model.toJSON().cells.filter((cell) => cell.cell_type === "code");
  return {
    status: panel.sessionContext.session?.kernel?.status,
    counts: cells.map((cell) => cell.execution_count),
    errors: cells.flatMap((cell, i) => cell.outputs.filter((o) => o.output_type === "error")
      .map((o) => `code cell ${i}: ${o.ename}: ${o.evalue}`)),
    texts: cells.map((cell) => cell.outputs.map((o) => o.text ?? "").join("")),
  };
}"""


def open_and_run(browser, lab, name, timeout, *, most=None, **options):
    """Open a notebook, run its first `most` cells, or all, and give the page back once each code cell has run."""
    address, _ = lab
    page = browser.new_page(viewport={"width": 1280, "height": 900}, **options)
    page.goto(f"{address}/lab/tree/{name}?reset")
    page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.isReady", timeout=120_000)
    page.evaluate(
        """(most) => {
          const { commands, shell } = window.jupyterapp;
          if (most === null) return commands.execute("notebook:run-all-cells");
          shell.currentWidget.content.activeCellIndex = most;
          return commands.execute("notebook:run-all-above");
        }""",
        most,
    )
    count = page.evaluate(
        """(most) => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells.slice(0, most ?? undefined)
          .filter((cell) => cell.cell_type === "code").length""",
        most,
    )
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        state = page.evaluate(STATE)
        assert not state["errors"], f"{name}: {state['errors']}"
        if None not in state["counts"][:count] and state["status"] == "idle":
            return page, state
        time.sleep(0.5)
    raise TimeoutError(f"{name}: after {timeout} s the counts are {state['counts']}")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_chapter_runs_and_its_widgets_are_alive(browser, lab, path):
    """Each chapter to its last widget; to its end it runs when the book is built."""
    cells = nbformat.read(path, as_version=4).cells
    code = [(i, cell.source) for i, cell in enumerate(cells) if cell.cell_type == "code"]
    shows = [i for i, source in code if any(f"{name}(" in source for name in WIDGETS)]
    page, _ = open_and_run(browser, lab, path.name, timeout=600, most=shows[-1] + 1)
    assert page.locator(".jp-OutputArea-output .rl[data-preset]").count() == len(shows)
    assert page.locator(".jp-MarkdownCell aside.myst-proof").count() > 5, "theorems render as such"
    assert page.locator(".jp-MarkdownCell .katex").count() > 50
    assert page.locator(".jp-MarkdownCell .katex-error").count() == 0
    page.close()


@pytest.mark.parametrize(
    ("name", "setting", "number", "shown_as"),
    [
        ("VarianceReduction", "kappa", "w.variance", "data-variance"),
        ("NaturalGradient", "bend", "w.kl.euclidean", "data-kl"),
        ("Occupancy", "gamma", "w.eta", "data-eta"),
        ("PerformanceDifference", "alpha", "w.eta", "data-eta"),
        ("ControlVariate", "c", "w.variance", "data-variance"),
        ("QProp", "weight", "w.variance", "data-variance"),
    ],
)
def test_the_widget_answers_both_ways(browser, lab, name, setting, number, shown_as):
    """Python moves the picture; the reader's slider, the widget's first, moves Python; `observe` sees it."""
    _, folder = lab
    sources = [
        f"from rlbook.widgets import {name}\nw = {name}(step='explore')\nseen = []\n"
        f"w.observe(lambda change: seen.append(change.new), names='{setting}')\nw",
        f"w.{setting} = 0.3",
        f"print({number})",
    ]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, folder / "both-ways.ipynb")
    page, state = open_and_run(browser, lab, "both-ways.ipynb", timeout=120)
    widget = page.locator(".jp-OutputArea-output .rl")
    slider = widget.locator("input[type=range]").first

    def on_the_page():
        return float(widget.get_attribute(shown_as).split(",")[0])

    # Python → picture
    page.wait_for_function("() => document.querySelector('.rl input[type=range]')?.value === '0.3'")
    assert on_the_page() == pytest.approx(float(state["texts"][2]), rel=1e-9)

    # reader → Python: two steps of the slider by keyboard, then ask the kernel
    slider.focus()
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    shown = float(slider.input_value())
    assert shown > 0.3
    for _ in range(20):  # until both messages have come
        answer = ask_kernel(page, f"print(w.{setting}, {number}, len(seen) >= 2)")
        value, exact, observed = answer.split()
        if float(value) == pytest.approx(shown, abs=1e-12):
            break
        page.wait_for_timeout(200)
    assert float(value) == pytest.approx(shown, abs=1e-12)
    assert on_the_page() == pytest.approx(float(exact), rel=1e-9)
    assert observed == "True"
    page.close()


def test_the_map_is_edited_from_both_sides(browser, lab):
    """Python sweeps and edits the map in the picture; the reader's edits, by mouse, touch and keys, move Python's."""
    _, folder = lab
    sources = [
        "from rlbook.widgets import ValueIteration\nw = ValueIteration('empty')\nseen = []\n"
        "w.observe(lambda change: seen.append(change.new), names='rows')\nw",
        "w.k = 5\nw.gamma = 0.95\nw.k = 3",
    ]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, folder / "map.ipynb")
    page, _ = open_and_run(browser, lab, "map.ipynb", timeout=120, has_touch=True)
    widget = page.locator(".jp-OutputArea-output .rl")

    def agrees(k):
        """The page's numbers are the kernel's, at k sweeps."""
        page.wait_for_function("(k) => document.querySelector('.rl')?.dataset.k === String(k)", arg=k)
        page.wait_for_timeout(300)
        answer = ask_kernel(page, "import json; print(json.dumps([w.k, w.V.tolist(), w.error, w.distance, w.rows]))")
        kernel_k, V, error, distance, rows = json.loads(answer)
        assert kernel_k == k
        assert [float(v) for v in widget.get_attribute("data-v").split(",")] == pytest.approx(V, rel=1e-9, abs=1e-12)
        assert float(widget.get_attribute("data-error")) == pytest.approx(error, rel=1e-9, abs=1e-12)
        assert float(widget.get_attribute("data-distance")) == pytest.approx(distance, rel=1e-9, abs=1e-12)
        return rows

    # Python → picture: an edit after five sweeps keeps them, and three more follow
    agrees(3)

    # reader → Python, by keyboard: JupyterLab's own shortcuts stay out of it
    widget.locator(".rl-cell[data-at='0,0']").focus()
    for key in ("ArrowRight", "w", "ArrowDown", "p", "ArrowRight", "+", "+", "Enter", "s"):
        page.keyboard.press(key)
    assert [row[:3] for row in agrees(0)[:2]] == [".#.", ".PS"]
    # by mouse
    widget.get_by_role("button", name="Wall", exact=True).click()
    widget.locator(".rl-cell[data-at='3,3']").click()
    # by touch
    widget.get_by_role("button", name="Goal", exact=True).click()
    widget.locator(".rl-cell[data-at='4,1']").tap()
    for _ in range(4):
        widget.locator("[data-role=step]").click()
    rows = agrees(4)
    assert (rows[3][3], rows[4][1]) == ("#", "G")
    assert ask_kernel(page, "print(seen[-1] == w.rows)") == "True\n"

    # Python's map → picture
    ask_kernel(page, "w.rows = ['S..G', '.#.P']; w.k = 6")
    assert agrees(6) == ["S..G", ".#.P"]
    page.close()


def ask_kernel(page, code):
    """What a line of code prints in the kernel of the notebook that is open."""
    return page.evaluate(
        """async (code) => {
          const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
          let text = "";
          const future = kernel.requestExecute({ code, store_history: false });
          future.onIOPub = (message) => { if (message.header.msg_type === "stream") text += message.content.text; };
          await future.done;
          return text;
        }""",
        code,
    )


def test_episodes_are_played_on_both_sides(browser, lab):
    """Python asks for episodes, the reader for more; both have the same average, to the last digits."""
    _, folder = lab
    sources = ["from rlbook.widgets import AverageGrid\nw = AverageGrid('wander')\nw", "w.episodes = 30"]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, folder / "episodes.ipynb")
    page, _ = open_and_run(browser, lab, "episodes.ipynb", timeout=120)
    widget = page.locator(".jp-OutputArea-output .rl")

    def agrees(episodes):
        page.wait_for_function("(n) => document.querySelector('.rl').dataset.episodes === String(n)", arg=episodes)
        page.wait_for_timeout(300)
        answer = ask_kernel(page, "import json; print(json.dumps([w.episodes, w.average.total.value, w.total]))")
        kernel_episodes, value, total = json.loads(answer)
        assert kernel_episodes == episodes
        assert float(widget.get_attribute("data-value")) == pytest.approx(value, rel=1e-9)
        assert float(widget.get_attribute("data-total")) == pytest.approx(total, rel=1e-9)

    agrees(30)
    widget.locator("[data-role=more-10]").click()
    agrees(40)
    widget.locator("[role=gridcell][data-at='2,0']").focus()
    page.keyboard.press("u")  # draws an arrow, and begins again
    page.wait_for_function("() => document.querySelector('.rl').dataset.episodes === '0'")
    page.wait_for_timeout(300)
    assert ask_kernel(page, "print(w.policy[2][0], w.episodes)") == "^ 0\n"
    widget.locator("[data-role=more-100]").click()
    agrees(100)
    page.close()
