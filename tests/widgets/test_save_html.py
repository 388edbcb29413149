"""A widget saved as a page: one file, alive from disk, offline, with nothing beside it."""

from pathlib import Path

import pytest

import rlbook.widgets
from rlbook.widgets import VarianceReduction
from tests.live import WIDTHS, Visit, data

KINDS = [getattr(rlbook.widgets, name) for name in rlbook.widgets.__all__]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_saved_widget_lives_by_itself(browser, tmp_path, kind, width):
    """It asks for nothing but its file, complains of nothing, fits the screen, and its first slider moves it."""
    file = tmp_path / "alone" / "page.html"
    file.parent.mkdir()
    kind(kind.PRESETS[1]).save_html(file)
    assert list(file.parent.iterdir()) == [file]
    with Visit(browser, file.as_uri(), offline=True, viewport=WIDTHS[width]) as visit:
        page = visit.page
        assert page.title() == kind.__name__
        before = data(page)
        assert before["preset"] == kind.PRESETS[1]
        assert page.locator(".rl").is_visible()
        assert not page.locator(".rlbook-picture").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        slider = page.locator(".rl input[type=range]:visible:enabled").first
        value = slider.input_value()
        drawn = page.locator(".rl").inner_html()
        slider.press("Home" if value != slider.get_attribute("min") else "End")
        assert slider.input_value() != value
        data(page)
        assert page.locator(".rl").inner_html() != drawn
        assert visit.requests == [file.as_uri()]
        assert not visit.complaints


def test_it_begins_with_the_settings_of_the_widget(browser, tmp_path):
    file = tmp_path / "page.html"
    file.write_text("what was there before")
    VarianceReduction("two-arms", kappa=0.25).save_html(str(file))
    with Visit(browser, file.as_uri(), offline=True) as visit:
        assert data(visit.page)["preset"] == "two-arms"
        assert visit.page.get_by_label("κ, weight of the past", exact=True).input_value() == "0.25"


def test_without_a_script_the_picture_stands(browser, tmp_path):
    VarianceReduction().save_html(tmp_path / "page.html")
    with Visit(browser, (tmp_path / "page.html").as_uri(), java_script_enabled=False) as visit:
        assert visit.page.locator(".rlbook-picture").is_visible()


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        (3, "path must be the path of a file, got 3"),
        (None, "path must be the path of a file, got None"),
        ("{tmp}", "path must be a file that can be written, got '{tmp}': Is a directory"),
        ("{tmp}/no/page.html", "path must be a file that can be written, got '{tmp}/no/page.html': No such file"),
    ],
)
def test_a_path_that_cannot_be_written_is_named(tmp_path, path, complaint):
    with pytest.raises(ValueError, match="path") as raised:
        VarianceReduction().save_html(path.format(tmp=tmp_path) if isinstance(path, str) else path)
    assert str(raised.value).startswith(complaint.format(tmp=tmp_path))
    assert not list(Path(tmp_path).iterdir())
