"""All widgets in JupyterLab, Notebook and marimo: seen, with room, names and ids of their own, as on the page."""

import json
import shutil

import nbformat
import numpy as np
import pytest

import rlbook.widgets
from book.tools.browser import PAGE
from rlbook import plots
from rlbook.widgets.base import STATIC, Widget
from tests.hosts import jupyter, marimo

NINE = {name: f"{name}(step='explore')" for name in rlbook.widgets.__all__}
BOXES = {
    "HBox": "W.HBox([W.Label('x'), keep(VarianceReduction(step='explore'))])",
    "two alike": "W.HBox([keep(QProp(step='explore')), keep(QProp(step='explore'))])",
    "three": (
        "W.VBox([keep(ControlVariate(step='explore')), keep(ControlVariate(step='explore')), "
        "keep(NaturalGradient(step='explore'))])"
    ),
    "centred": "W.VBox([keep(NaturalGradient(step='explore'))], layout={'align_items': 'center'})",
    "GridBox": (
        "W.GridBox([keep(Occupancy('jump')), keep(AverageGrid('edge'))], layout={'grid_template_columns': 'auto auto'})"
    ),
    "Tab": (
        "W.Tab([keep(PerformanceDifference('relay')), keep(ValueIteration(step='explore'))], titles=('one', 'other'))"
    ),
    "Accordion": "W.Accordion([keep(BellmanPlane(step='explore'))], selected_index=0)",
    "Output": "in_output()",
    "jslink": "beside_a_slider()",
    "twice": "nine['QProp']",
}
# The pictures that stand beside the live views are not seen here, and cost more than all the rest.
NO_PICTURES = "from rlbook.widgets.base import Widget\nWidget.to_html = lambda widget: ''"
SETTING_UP = f"""
{NO_PICTURES}
import json
import ipywidgets as W
from IPython.display import display
from rlbook.widgets import *
kept = []
def keep(widget):
    kept.append(widget)
    return widget
def in_output():
    output = W.Output()
    with output:
        display(keep(VarianceReduction(step='explore')))
    return output
def beside_a_slider():
    global slider, linked
    slider, linked = W.FloatSlider(max=1.0, step=0.01, description="κ"), keep(VarianceReduction(step='explore'))
    W.jslink((slider, "value"), (linked, "kappa"))
    return W.HBox([slider, linked])
nine = {{{", ".join(f"{name!r}: {made}" for name, made in NINE.items())}}}
"""
WIDGETS = 9 + 14 + 1  # alone, in boxes, and one of them once more
BROKEN = [
    "broken = QProp(step='explore')\nbroken._view = 'nonesuch'\nbroken",  # has no view
    "broken = VarianceReduction(step='explore')\nbroken._presets = {}\nbroken",  # cannot be drawn
]

# What the page says of each widget, and of each thing in it that one can reach.
SURVEY = """() => {
  const every = (selector, within = document) => [...within.querySelectorAll("*")].flatMap((node) =>
    [...(node.matches(selector) ? [node] : []), ...(node.shadowRoot ? every(selector, node.shadowRoot) : [])]);
  const ids = every("[id]").map((node) => node.id);
  const own = new Set(every(".rl").flatMap((root) => [...root.querySelectorAll("[id]")].map((node) => node.id)));
  const name = (node) => node.getAttribute("aria-label") || node.labels?.[0]?.textContent || node.textContent;
  return {
    repeated: ids.filter((id, i) => ids.indexOf(id) !== i && own.has(id)),
    widgets: every(".rl").map((root) => ({
      preset: root.dataset.preset,
      view: root.dataset.view,
      box: root.getBoundingClientRect().toJSON(),
      seen: root.checkVisibility({ visibilityProperty: true }),
      pictures: [...root.querySelectorAll(".rl-picture svg")].filter((svg) => svg.clientWidth > 100).length,
      labels: root.querySelectorAll("label").length,
      astray: [...root.querySelectorAll("label")].filter(
        (label) => !label.control || !label.parentElement.contains(label.control)).map(name),
      nameless: [...root.querySelectorAll("button, input, select, [tabindex], [role=img]")]
        .filter((node) => !name(node)?.trim()).map((node) => node.outerHTML.slice(0, 120)),
    })),
  };
}"""

# Where everything in a widget stands, from its own corner.
MEASURES = """(root) => {
  const at = root.getBoundingClientRect();
  const parts = [...root.querySelectorAll("*")].filter((node) => !node.matches("option, style, svg *"));
  return parts.filter((node) => node.checkVisibility()).map((node) => {
    const { x, y, width, height } = node.getBoundingClientRect();
    return [`${node.localName}.${node.className?.baseVal ?? node.className}`, x - at.x, y - at.y, width, height];
  });
}"""


def slide(root):
    """Move a widget's first slider that can be moved far from where it stands; the field that shows its number."""
    slider = root.locator(".rl-slider:has(input:enabled)").locator("visible=true").first
    slider.locator("input[type=range]").evaluate(
        """(range) => {
          const [low, high] = [Number(range.min), Number(range.max)];
          range.value = low + (range.valueAsNumber > (low + high) / 2 ? 0.25 : 0.75) * (high - low);
          range.dispatchEvent(new Event("input"));
        }"""
    )
    return slider.locator("input[type=number]")


def shows(number, settings):
    """Whether a field shows one of these settings."""
    return float(number.input_value()) in [round(x, 4) for x in settings.values() if isinstance(x, float | int)]


def check_room(survey):
    for widget in survey:
        assert widget["preset"], widget
        assert widget["box"]["width"] >= 320, widget
        assert widget["box"]["height"] >= 400, widget
        assert widget["pictures"] >= 2, widget


def check_names(survey):
    assert survey["repeated"] == []
    for widget in survey["widgets"]:
        assert widget["labels"] >= 3, widget
        assert widget["astray"] == [], widget
        assert widget["nameless"] == [], widget


class Notebook:
    """A notebook that has run in a browser, and its kernel."""

    def __init__(self, browser, address, program):
        self.page = browser.new_page(viewport={"width": 1366, "height": 900})
        place = "lab/tree/all.ipynb?reset" if program == "lab" else "notebooks/all.ipynb"
        self.page.goto(f"{address}/{place}")
        ready = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.isReady"
        self.page.wait_for_function(ready, timeout=180_000)
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        drawn = f"() => document.querySelectorAll('.rl[data-preset]').length === {WIDGETS - 1}"  # a tab hides one
        self.page.wait_for_function(drawn, timeout=480_000)
        self.page.wait_for_timeout(1000)  # what is named or enabled late has been

    def ask(self, code):
        """What a line of code prints in the kernel, a value in JSON."""
        return json.loads(self.say(f"print(json.dumps({code}))"))

    def say(self, code):
        return self.page.evaluate(
            """async (code) => {
              const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
              let text = "";
              const future = kernel.requestExecute({ code, store_history: false });
              future.onIOPub = ({ header, content }) => {
                if (header.msg_type === "stream") text += content.text;
                if (header.msg_type === "error") text += content.evalue;
              };
              await future.done;
              return text;
            }""",
            code,
        )


@pytest.fixture(scope="module", params=["lab", "notebook"])
def notebook(browser, request, tmp_path_factory):
    """One notebook with every widget alone and in every box."""
    folder = tmp_path_factory.mktemp(request.param)
    sources = [SETTING_UP, *(f"nine[{name!r}]" for name in NINE), *BOXES.values(), *BROKEN]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "all.ipynb")
    with jupyter(folder, request.param) as address:
        opened = Notebook(browser, address, request.param)
        yield opened
        opened.page.close()


def test_every_widget_is_seen_and_has_room(notebook):
    survey = notebook.page.evaluate(SURVEY)["widgets"]
    assert len(survey) == WIDGETS
    hidden = [widget for widget in survey if not widget["seen"]]
    assert [widget["view"] for widget in hidden] == ["value-iteration"]  # the other tab's
    notebook.page.get_by_role("tab", name="other").click()
    survey = [widget for widget in survey if widget["seen"]]
    survey += [widget for widget in notebook.page.evaluate(SURVEY)["widgets"] if widget["view"] == "value-iteration"]
    check_room(survey)
    page_width = notebook.page.evaluate("document.querySelector('.rl').closest('.jp-OutputArea-output').clientWidth")
    assert all(widget["box"]["width"] <= page_width for widget in survey)


def test_ids_labels_and_names_are_each_widgets_own(notebook):
    named = "() => [...document.querySelectorAll('[role=gridcell]')].every((cell) => cell.hasAttribute('aria-label'))"
    notebook.page.wait_for_function(named)  # which the cells of a map are when it has come to rest
    check_names(notebook.page.evaluate(SURVEY))


@pytest.mark.parametrize("name", NINE)
def test_python_moves_the_page_and_the_page_moves_python(notebook, name):
    """A preset set in Python is shown; what a slider on the page is moved to is what Python has then."""
    root = notebook.page.locator(".rl").nth(list(NINE).index(name))
    preset = notebook.ask(f"nine[{name!r}].PRESETS[1]")
    before = notebook.ask(f"[setattr(nine[{name!r}], 'preset', {preset!r}), nine[{name!r}].settings][1]")
    handle = root.element_handle()
    notebook.page.wait_for_function("([root, preset]) => root.dataset.preset === preset", arg=[handle, preset])
    number = slide(root)
    for _ in range(50):
        after = notebook.ask(f"nine[{name!r}].settings")
        changed = {key: value for key, value in after.items() if value != before[key]}
        if shows(number, changed):
            return
        notebook.page.wait_for_timeout(150)
    raise AssertionError(f"the slider shows {number.input_value()}, in Python has changed {changed}")


def test_a_linked_slider_moves_the_widget_beside_it(notebook):
    notebook.say("slider.value = 0.25")
    root = notebook.page.locator(".widget-hbox:has(.widget-slider) .rl")
    kappa = root.locator("input[type=number]").first
    notebook.page.wait_for_function("(input) => input.value === '0.25'", arg=kappa.element_handle())
    assert notebook.ask("linked.kappa") == 0.25
    root.locator("input[type=range]").first.press("ArrowRight")
    for _ in range(50):
        if notebook.ask("slider.value") == 0.26:
            break
        notebook.page.wait_for_timeout(100)
    assert notebook.ask("[slider.value, linked.kappa]") == [0.26, 0.26]


def test_two_displays_of_one_widget_show_the_same(notebook):
    notebook.say("nine['QProp'].preset = 'helpful'")
    alone = notebook.page.locator(".rl").nth(list(NINE).index("QProp"))
    alone.locator("input[type=range]").first.press("ArrowRight")
    once_more = notebook.page.locator(".rl").nth(WIDGETS - 1)
    shown = alone.evaluate("(root) => root.querySelector('input[type=range]').value")
    agrees = "([root, shown]) => root.querySelector('input[type=range]').value === shown"
    notebook.page.wait_for_function(agrees, arg=[once_more.element_handle(), shown])


def test_what_cannot_be_drawn_says_so(notebook):
    said = notebook.page.locator(".rl-failed").all_text_contents()
    assert len(said) == len(BROKEN)
    for words in said:
        assert words.startswith("This widget cannot be drawn here: TypeError: ")
        assert "picture() in Python still can" in words


def test_each_widget_measures_as_on_the_page(notebook, browser, tmp_path, monkeypatch):
    """No style of the host reaches in: with the same width everything stands where it stands on a page of its own."""
    monkeypatch.setattr(Widget, "picture", lambda widget: None)
    monkeypatch.setattr(plots, "to_svg", lambda picture: "<svg xmlns='http://www.w3.org/2000/svg'/>")
    for path in STATIC.iterdir():
        shutil.copy(path, tmp_path)
    page = browser.new_page(viewport={"width": 1366, "height": 900})
    for i, name in enumerate(NINE):
        state = notebook.ask(f"nine[{name!r}].settings")
        kind = getattr(rlbook.widgets, name)
        root = notebook.page.locator(".rl").nth(i)
        html = kind(**state).to_html()
        width = root.bounding_box()["width"]
        text = PAGE.format(html=f'<div style="width: {width}px">{html}</div>', theme="light")
        (tmp_path / "page.html").write_text(text, encoding="utf-8")
        page.goto(f"file://{tmp_path}/page.html")
        page.wait_for_selector(".rl[data-preset]")
        page.locator(".rl [data-role=link]").evaluate("(button) => button.remove()")  # only a page has one
        page.mouse.move(0, 0)
        page.wait_for_timeout(600)
        here, there = root.evaluate(MEASURES), page.locator(".rl").evaluate(MEASURES)
        assert [row[0] for row in here] == [row[0] for row in there]
        apart = abs(np.array([row[1:] for row in here]) - [row[1:] for row in there]).max(axis=1)
        assert apart.max() <= 2, f"{name}: {here[apart.argmax()]} here, {there[apart.argmax()]} on the page"
    page.close()


# marimo ---------------------------------------------------------------------------------------------------


def marimo_app():
    """A notebook of marimo's: the nine, two side by side, in tabs and an accordion, what Python has, and a button."""
    parts = ["import marimo\n\napp = marimo.App()\n"]

    def cell(takes, body, gives=""):
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        parts.append(f"\n\n@app.cell\ndef _({takes}):\n{lines}\n    return {gives}\n")

    cell("", f"import json\nimport marimo as mo\nimport rlbook.widgets as rw\n{NO_PICTURES}", "json, mo, rw")
    every = ", ".join(f"w_{name}" for name in NINE)
    for name, made in NINE.items():
        cell("mo, rw", f"w_{name} = mo.ui.anywidget(rw.{made})\nw_{name}", f"(w_{name},)")
    qprop = "mo.ui.anywidget(rw.QProp(step='explore'))"
    cell("mo, rw", f"mo.hstack([{qprop}, {qprop}])")
    cell("mo, rw", f"mo.ui.tabs({{'one': {qprop}, 'other': {qprop}}})")
    cell("mo", "button = mo.ui.button(value=0, on_click=lambda n: n + 1, label='next preset')\nbutton", "(button,)")
    cell(f"button, {every}", f"for _w in ({every}):\n    _w.widget.preset = _w.widget.PRESETS[button.value]")
    settings = ", ".join(f"{name!r}: w_{name}.widget.settings" for name in NINE)
    read = f"[_w.value for _w in ({every})]"  # so that this runs again when the page moves one of them
    said = "mo.Html('<pre class=\"said\">' + json.dumps(_settings) + '</pre>')"
    cell(f"json, mo, {every}", f"{read}\n_settings = {{{settings}}}\n{said}")
    return "".join(parts) + '\n\nif __name__ == "__main__":\n    app.run()\n'


@pytest.fixture(scope="module")
def app(browser, tmp_path_factory):
    """That notebook, run as an app, in a page."""
    folder = tmp_path_factory.mktemp("marimo")
    (folder / "app.py").write_text(marimo_app())
    with marimo(folder, "app.py") as address:
        page = browser.new_page(viewport={"width": 1366, "height": 900})
        page.goto(address)
        page.locator("pre.said").wait_for(timeout=480_000)
        page.locator(".rl[data-preset]").nth(11).wait_for(timeout=240_000)
        page.wait_for_timeout(1000)
        yield page
        page.close()


def test_in_marimo_every_widget_is_seen_with_names_of_its_own(app):
    survey = app.evaluate(SURVEY)
    assert len(survey["widgets"]) >= 12
    check_room([widget for widget in survey["widgets"] if widget["seen"]])
    check_names(survey)


def test_in_marimo_both_sides_move_the_other(app):
    settings = json.loads(app.locator("pre.said").text_content())
    for i, name in enumerate(NINE):
        root = app.locator(".rl").nth(i)
        number = slide(root)
        for _ in range(50):
            after = json.loads(app.locator("pre.said").text_content())[name]
            changed = {key: value for key, value in after.items() if value != settings[name][key]}
            if shows(number, changed):
                break
            app.wait_for_timeout(150)
        else:
            raise AssertionError(f"{name}: the slider shows {number.input_value()}, in Python has changed {changed}")
    app.get_by_role("button", name="next preset").click()
    for i, name in enumerate(NINE):
        kind = getattr(rlbook.widgets, name)
        agrees = "([root, preset]) => root.dataset.preset === preset"
        app.wait_for_function(agrees, arg=[app.locator(".rl").nth(i).element_handle(), kind.PRESETS[1]])
