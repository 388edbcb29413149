"""The figures' helpers: names at the ends of their curves, apart from each other; numbers in the cells of a map."""

import matplotlib
import numpy as np
import pytest

from rlbook import plots


@pytest.fixture(autouse=True)
def _no_window():
    matplotlib.use("agg")
    yield
    matplotlib.pyplot.close("all")


def draw(curves, **options):
    colors = [plots.PLAIN, plots.IMPROVED, plots.BASELINE][: len(curves)]
    with plots.style():
        ax = plots.lines(np.arange(1, 6), curves, colors=colors, xlabel="x", ylabel="y", **options)
        ax.figure.canvas.draw()
    return ax


@pytest.mark.parametrize("names", [("above", "below"), ("below", "above")])
def test_of_curves_that_end_together_the_lower_has_the_lower_name(names):
    values = {"above": [3.0, 4, 4, 4, 5], "below": [0.0, 3, 4, 4, 5]}
    places = {text.get_text(): text.get_position()[1] for text in draw({name: values[name] for name in names}).texts}
    assert places["below"] < places["above"]


@pytest.mark.parametrize("log", ["", "y", "xy"])
def test_names_stand_beside_their_curves_and_never_on_each_other(log):
    ax = draw({"one": np.full(5, 3.0), "two": np.full(5, 3.01), "far": np.full(5, 90.0)}, log=log)
    boxes = {text.get_text(): text.get_window_extent() for text in ax.texts}
    assert not boxes["one"].overlaps(boxes["two"])
    # the highest has room, so it stands level with the end of its curve, right of the frame
    _, end = ax.transData.transform((5, 90))
    assert (boxes["far"].y0 + boxes["far"].y1) / 2 == pytest.approx(end, abs=2)
    assert boxes["far"].x0 >= ax.get_window_extent().x1
    assert ax.get_window_extent().width > 0.6 * ax.figure.bbox.width


def test_where_a_name_is_moved_lines_lead_to_all_and_run_through_none():
    ax = draw({"before": np.array([3.0, 2, 1, 0, 0]), "after": np.array([0.0, 1, 2, 1, 0.01])})
    boxes = [text.get_window_extent() for text in ax.texts]
    leaders = [line.get_window_extent() for line in ax.lines if line.get_transform() == ax.transAxes]
    assert len(leaders) == 2
    assert all(leader.x1 <= box.x0 for leader in leaders for box in boxes)
    assert len(draw({"low": np.zeros(5), "high": np.full(5, 9.0)}).lines) == 2, "else none is needed"


def test_runs_are_thin_lines_with_a_thick_mean():
    runs = np.arange(10.0).reshape(2, 5)
    ax = draw({"runs": runs})
    widths = [line.get_linewidth() for line in ax.lines]
    assert len(widths) == 3
    thick = ax.lines[int(np.argmax(widths))]
    np.testing.assert_allclose(thick.get_ydata(), runs.mean(axis=0))


def test_bounds_differ_in_their_dashes_and_large_numbers_are_written_as_in_the_text():
    colors = [plots.INK, plots.BOUND, plots.BOUND, plots.BOUND]
    with plots.style():
        ax = plots.lines(
            np.arange(20_001),
            {name: np.full(20_001, at) for at, name in enumerate("abcd")},
            colors=colors,
            xlabel="x",
            ylabel="y",
        )
        ax.figure.canvas.draw()
    dashes = [line.get_linestyle() for line in ax.lines[:4]]
    assert len(set(dashes)) == 4
    assert dashes[0] == "-"
    assert "10,000" in [label.get_text() for label in ax.get_xticklabels()]


@pytest.mark.parametrize(("shape", "below"), [((2, 3), False), ((2, 6), True)])
def test_maps_write_their_numbers_into_the_cells_on_one_scale(shape, below):
    values = np.arange(float(np.prod(shape)))
    values[2] = np.nan  # a wall
    half = values / 2
    with plots.style():
        axes = plots.maps({"whole": values, "half": half}, shape, colors=[plots.INK, plots.SAMPLES])
        axes[0].figure.canvas.draw()
    tops = [ax.get_position().y1 for ax in axes]
    assert (tops[0] > tops[1]) == below
    shades = []
    for ax, numbers in zip(axes, (values, half), strict=True):
        places = {divmod(s, shape[1]): x for s, x in enumerate(numbers) if x >= 0.005}
        written = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in ax.texts}
        assert written == {place: f"{x:.2f}" for place, x in places.items()}
        tints = {(patch.get_y(), patch.get_x()): patch.get_alpha() for patch in ax.patches}
        assert set(tints) == {divmod(s, shape[1]) for s, x in enumerate(numbers) if not np.isnan(x)}
        shades.append(tints)
    for place, shade in shades[0].items():
        assert shades[1][place] == pytest.approx(shade / 2)


@pytest.mark.parametrize(
    ("curves", "options", "message"),
    [
        (
            {"one": np.ones(5), "two": np.ones(5)},
            {"colors": ["k"]},
            r"colors must have one for each of curves, of which",
        ),
        ({}, {"colors": []}, "colors must have one for each of curves"),
        ({"one": np.ones(4)}, {"colors": ["k"]}, r"curves\['one'\] must have shape \(5,\) or \(runs, 5\) to go with x"),
        ({"one": np.ones(5)}, {"colors": ["k"], "log": "x"}, "log must be one of"),
    ],
)
def test_lines_that_cannot_be_drawn_are_refused(curves, options, message):
    with pytest.raises(ValueError, match=message):
        plots.lines(np.arange(5), curves, xlabel="x", ylabel="y", **options)


def test_maps_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match=r"numbers\['a'\] must have shape \(6,\) or \(2, 3\), one a cell, got \(5,\)"):
        plots.maps({"a": np.ones(5)}, (2, 3), colors=["k"])
    with pytest.raises(ValueError, match="colors must have one for each of numbers"):
        plots.maps({"a": np.ones(6)}, (2, 3), colors=[])


# Learning curves ------------------------------------------------------------------------------------------------


class Run:
    def __init__(self, steps, mean_returns):
        self.steps, self.mean_returns = np.array(steps), np.array(mean_returns, dtype=float)


def test_learning_curves_are_returns_against_each_runs_own_steps():
    """The mean of runs that end apart goes as far as both do; names stand at the ends of the means."""
    pair = [Run([10, 20, 40], [0, 1, 3]), Run([20, 40, 60], [2, 4, 6])]
    with plots.style():
        ax = plots.learning_curves({"pair": pair, "one": Run([10, 100], [5, 5])})
        ax.figure.canvas.draw()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("environment steps", "mean return")
    *thin, mean, one = ax.lines
    for line, run in zip(thin, pair, strict=True):
        x, y = line.get_xdata(), line.get_ydata()
        inside = (x >= run.steps[0]) & (x <= run.steps[-1])
        np.testing.assert_array_equal(np.isfinite(y), inside)
        np.testing.assert_allclose(y[inside], np.interp(x[inside], run.steps, run.mean_returns))
    x, y = mean.get_xdata(), mean.get_ydata()
    both = (x >= 20) & (x <= 40)
    np.testing.assert_array_equal(np.isfinite(y), both)
    np.testing.assert_allclose(y[both], x[both] / 10 - 0.5)  # (x/10 − 1 + x/10)/2
    assert (one.get_xdata()[0], one.get_xdata()[-1]) == (10, 100)
    places = {text.get_text(): text.get_position()[1] for text in ax.texts}
    low, high = ax.get_ylim()
    assert places["pair"] == pytest.approx((3.5 - low) / (high - low), abs=0.02)
    assert [line.get_color() for line in (mean, one)] == [plots.IMPROVED, plots.PLAIN]


def test_learning_curves_against_the_batch_are_the_runs_own():
    long, short = Run([10, 20, 40], [0, 1, 3]), Run([7, 9], [2, 4])
    with plots.style():
        ax = plots.learning_curves({"pair": [long, short]}, against="batch")
    assert ax.get_xlabel() == "batch"
    first, second, mean = (line.get_ydata() for line in ax.lines)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(first, [0, 1, 3])
    np.testing.assert_array_equal(second, [2, 4, np.nan])
    np.testing.assert_array_equal(mean, [1, 2.5, np.nan])
    with pytest.raises(ValueError, match=r"^against must be"):
        plots.learning_curves({"one": long}, against="episodes")


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (3, "runs must be a dictionary from names to runs, .* got int"),
        ({}, "runs must be a dictionary"),
        ({"a": []}, r"runs\['a'\] must be what a trainer returned, or a list of that, got \[\]"),
        ({"a": np.ones(3)}, r"runs\['a'\] must be what a trainer returned"),
        ({"a": [Run([1], [1]), 3]}, r"runs\['a'\] must be what a trainer returned"),
        ({str(i): Run([1, 2], [1, 1]) for i in range(7)}, "colors must be as many as the 7 names of runs, got 6"),
    ],
)
def test_learning_curves_of_anything_else_are_refused(runs, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        plots.learning_curves(runs)
