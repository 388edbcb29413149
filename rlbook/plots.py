"""The look of the book's figures: one palette, one style file, and the pictures that stand in for widgets.

One colour has one meaning through the whole book, here and in the widgets (frontend/src/shared/style.css).
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from io import StringIO
from itertools import cycle
from pathlib import Path
from urllib.parse import quote

import matplotlib.style
import numpy as np
from IPython import get_ipython
from IPython.core.pylabtools import print_figure
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib_inline.backend_inline import set_matplotlib_formats

from rlbook import checks

STYLE = Path(__file__).with_name("book.mplstyle")

INK = "#1b1b1b"  # exact truth
SAMPLES = "#E69F00"  # samples, drawn translucent
PLAIN = "#D55E00"  # plain, Euclidean, full return
IMPROVED = "#0072B2"  # natural, improved
BASELINE = "#009E73"  # baselines and control variates
OTHER = "#CC79A7"  # the other policy π'
BOUND = "#767676"  # bounds, drawn dashed


def use() -> None:
    """Make the book's style the session's style, and a notebook's figures SVG; a chapter's first cell calls it."""
    matplotlib.style.use(STYLE)
    shell = get_ipython()
    if shell is not None:
        set_matplotlib_formats("svg")
        shell.display_formatter.formatters["image/svg+xml"].for_type(Figure, _shown)


def _shown(fig) -> str | None:
    """A notebook's figure as SVG, the same file whenever it is drawn; None for a figure without axes."""
    svg = print_figure(fig, "svg", metadata={"Date": None})
    return svg and _rounded(svg)


def _rounded(svg) -> str:
    """The drawing with its coordinates to a hundredth of a point, a quarter of its weight less."""
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), svg)


def style() -> AbstractContextManager[None]:
    """The book's style as a context, for a library function that must not change the session's."""
    return matplotlib.style.context(STYLE)


def row(columns, *, rows=1, width=7.6, height=2.7) -> tuple[Figure, np.ndarray]:
    """A figure with a row of axes, or several so high, outside pyplot's registry: (Figure, array of Axes)."""
    fig = Figure(figsize=(width, rows * height))
    return fig, fig.subplots(rows, columns, squeeze=False).ravel()


def to_svg(fig) -> str:
    """The figure as a compact, reproducible SVG string: text stays text, numbers keep two decimals."""
    out = StringIO()
    with style():
        fig.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    return re.sub(r"\s*\n\s*", " ", _rounded(svg))


def to_uri(fig) -> str:
    """The figure as an address for an `<img>`, with all of its SVG in it."""
    return "data:image/svg+xml," + quote(to_svg(fig), safe=" ='/:;,()-.")


def lines(x, curves, *, colors, xlabel, ylabel, log="") -> Axes:
    """Curves over x with their names at their right ends, on new axes, which are returned.

    `curves` maps a name to (X,) values, or to (runs, X) values, drawn as thin lines with a thick mean. Those in `BOUND`
    are broken, each with dashes of its own. `log` names the logarithmic axes: "", "y" or "xy". A curve may be nan where
    there is nothing to draw.
    Raises `ValueError` for values that do not fit x, or another number of colours than of curves.
    """
    x, log = checks.array("x", x, ("X",)), checks.choice("log", log, ("", "y", "xy"))
    curves = {
        name: checks.array(f"curves[{name!r}]", values, x.shape, ("runs", len(x)), note=" to go with x", nan=True)
        for name, values in curves.items()
    }
    _check_colors(colors, curves, "curves")
    _, ax = plt.subplots()
    dashes = cycle(("--", ":", "-."))  # of bounds, so that each can be followed where they cross
    backwards = {}  # each curve, from its end
    for (name, values), color in zip(curves.items(), colors, strict=True):
        values = np.atleast_2d(values)
        if len(values) > 1:
            ax.plot(x, values.T, color=color, lw=0.7, alpha=0.7)
        mean = values.mean(axis=0)
        ax.plot(x, mean, color=color, lw=2, ls=next(dashes) if color == BOUND else "-")
        backwards[name] = mean[np.isfinite(mean)][::-1], color
    ax.set(**{f"{axis}scale": "log" for axis in log})
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if "x" not in log and x.max() >= 10_000:
        ax.xaxis.set_major_formatter("{x:,g}")  # as numbers stand in the text
    ax.margins(x=0)
    ax.autoscale_view()  # now, since the names' places depend on the limits
    for axis in (getattr(ax, f"{name}axis") for name in log):
        low, high = axis.get_view_interval()
        if high < 100 * low:  # too few powers of ten to read a value between them
            axis.set_major_locator(LogLocator(subs=(1, 3) if axis is ax.xaxis else (1, 2, 5)))  # numbers side by side
            axis.set_major_formatter("{x:,g}")
        axis.set_minor_formatter(NullFormatter())
    # Names go beside the ends, from the lowest up, each moved up as far as the one below it needs. Where one is moved,
    # lines lead to all. Of curves that end together the one comes first that is lower where they part.
    place = ax.transData + ax.transAxes.inverted()
    heights = {
        name: place.transform(np.column_stack([np.full(len(values), x[-1]), values]))[:, 1]
        for name, (values, _) in backwards.items()
        if len(values)
    }
    below, stands = -np.inf, {}
    for name in sorted(heights, key=lambda name: heights[name].round(2).tolist()):
        stands[name] = below = max(heights[name][0], below + 0.08)
    are_led_to = any(at > heights[name][0] + 0.02 for name, at in stands.items())
    for name, at in stands.items():
        color = backwards[name][1]
        if are_led_to:
            ax.plot([1, 1.04], [heights[name][0], at], color=color, lw=0.7, transform=ax.transAxes, clip_on=False)
        ax.text(1.05 if are_led_to else 1.01, at, name, color=_legible(color), va="center", transform=ax.transAxes)
    return ax


def _legible(color):
    """The colour, darkened until letters in it have a contrast of 4.5 on white (WCAG 2.2)."""
    rgb = np.array(to_rgb(color))
    for share in np.linspace(1, 0, 101):
        linear = np.where(share * rgb <= 0.04045, share * rgb / 12.92, ((share * rgb + 0.055) / 1.055) ** 2.4)
        if 1.05 / (linear @ (0.2126, 0.7152, 0.0722) + 0.05) >= 4.5:
            return tuple(share * rgb)


def learning_curves(runs, *, against="steps", colors=(IMPROVED, PLAIN, BASELINE, OTHER, SAMPLES, INK)) -> Axes:
    """Mean return of what trainers of `rlbook.neural` return, against environment "steps" or "batch", on new axes.

    `runs` maps a name to one run, or to several, one a seed: these are thin lines, with a thick mean as far as all of
    them go. Between its batches a run is a straight line. `colors` are taken in order.
    Raises `ValueError` for anything but runs, or more names than colours.
    """
    checks.choice("against", against, ("steps", "batch"))
    if not isinstance(runs, dict) or not runs:
        raise ValueError(
            f"runs must be a dictionary from names to runs, or to lists of runs, got {type(runs).__name__}"
        )
    curves = {name: [of_seeds] if hasattr(of_seeds, "steps") else of_seeds for name, of_seeds in runs.items()}
    for name, of_seeds in curves.items():
        if not isinstance(of_seeds, (list, tuple)) or not of_seeds or not all(hasattr(x, "steps") for x in of_seeds):
            raise ValueError(f"runs[{name!r}] must be what a trainer returned, or a list of that, got {of_seeds!r}")
    if len(curves) > len(colors):
        raise ValueError(f"colors must be as many as the {len(curves)} names of runs, got {len(colors)}")
    at = {  # where each run was measured
        name: [run.steps if against == "steps" else np.arange(1, len(run.steps) + 1) for run in of_seeds]
        for name, of_seeds in curves.items()
    }
    ends = [steps[i] for of_seeds in at.values() for steps in of_seeds for i in (0, -1)]
    x = np.linspace(min(ends), max(ends), 400) if against == "steps" else np.arange(1, max(ends) + 1)
    for name, of_seeds in curves.items():
        measured = zip(at[name], of_seeds, strict=True)
        curves[name] = [np.interp(x, steps, run.mean_returns, np.nan, np.nan) for steps, run in measured]
    xlabel = "environment steps" if against == "steps" else "batch"
    ax = lines(x, curves, colors=colors[: len(curves)], xlabel=xlabel, ylabel="mean return")
    ax.xaxis.get_major_locator().set_params(integer=True)  # there is no batch 2.5
    return ax


def maps(numbers, shape, *, colors):
    """Maps of one number a cell, tinted by size, each under its name, on new axes, which are returned.

    `numbers` maps a name to (R·C,) values ≥ 0 in reading order, for `shape` (R, C); all share one scale. A cell with
    nan stays empty, and one below 0.005 has no number. Wide maps are drawn one below the other.
    Raises `ValueError` for another number of values than cells, or of colours than maps.
    """
    R, C = checks.integers("shape", shape, (2,)).tolist()
    numbers = {
        name: checks.array(f"numbers[{name!r}]", values, (R * C,), (R, C), note=", one a cell", nan=True)
        for name, values in numbers.items()
    }
    _check_colors(colors, numbers, "numbers")
    wide = C > 2 * R
    rows, columns = (len(numbers), 1) if wide else (1, len(numbers))
    fig, axes = plt.subplots(rows, columns, squeeze=False)
    cell = min(0.6, 3.9 / C / columns)  # inches
    fig.set_size_inches(columns * (C * cell + 0.2), rows * (R * cell + 0.35))
    top = max(np.nanmax(values) for values in numbers.values()) or 1.0
    for ax, (name, values), color in zip(axes.flat, numbers.items(), colors, strict=True):
        for (i, j), value in np.ndenumerate(np.reshape(values, shape)):
            if not np.isnan(value):
                ax.add_patch(Rectangle((j, i), 1, 1, color=color, alpha=0.7 * value / top, lw=0))
            if value >= 0.005:
                ax.text(j + 0.5, i + 0.5, f"{value:.2f}", ha="center", va="center", size=9.3)
        ax.set(title=name, xlim=(0, C), ylim=(R, 0), xticks=range(C + 1), yticks=range(R + 1), aspect="equal")
        ax.tick_params(length=0, labelbottom=False, labelleft=False)
    return axes.ravel()


def _check_colors(colors, named, what):
    if len(colors) != len(named) or not named:
        raise ValueError(f"colors must have one for each of {what}, of which there are {len(named)}; got {len(colors)}")


# Pictures of VarianceReduction ------------------------------------------------------------------------------


def draw_cloud(ax, dots, mean, ellipses, half_widths, labels) -> None:
    """The cloud of ĝ: (M, 2) dots, the exact mean (2,), (name, colour, (K, 2) outline) of each ellipse."""
    for _, colour, outline in ellipses:
        ax.plot(*np.transpose([*outline, outline[0]]), color=colour, lw=1.3)
    ax.plot(*np.transpose(dots), "o", ms=3 if len(np.unique(dots, axis=0)) > 8 else 5, color=SAMPLES, alpha=0.5, mew=0)
    ax.plot(*mean, "+", color=INK, ms=11, mew=1.8)
    ax.set(
        title="The cloud of ĝ",
        xlim=(mean[0] - half_widths[0], mean[0] + half_widths[0]),
        ylim=(mean[1] - half_widths[1], mean[1] + half_widths[1]),
        xlabel=labels[0],
        ylabel=labels[1],
    )


def draw_bowl(ax, x, variance, marks, point, top, label) -> None:
    """The variance along a line: curve, (name, x, variance) marks, the current (x, variance) point."""
    ax.plot(x, variance, color=INK)
    for name, at, value in marks:
        ax.plot(at, value, "o", ms=4.5, color=BASELINE)
        ax.annotate(f"{name} {value:.3g}", (at, value), (4, 5), textcoords="offset points", color="#00694c")
    ax.plot(*point, "o", ms=8, color=INK, clip_on=False)
    ax.set(title="Its total variance", xlim=(x[0], x[-1]), ylim=(0, top), xlabel=label, ylabel="tr Cov ĝ")


def draw_horizon(ax, horizons, curves, point) -> None:
    """Total variance against the horizon: (name, colour, values) curves, the present one nameless."""
    smallest = min(values[values > 1e-9].min(initial=1.0) for _, _, values in curves)
    for name, colour, values in curves:
        ax.plot(horizons, values, color=colour, lw=1.2 if name else 2)
        ax.annotate(name, (horizons[-1], values[-1]), (3, 0), textcoords="offset points", va="center")
    ax.plot(*point, "o", ms=6, color=INK, clip_on=False)
    ax.set_xscale("log")
    ax.set_yscale("symlog", linthresh=smallest)
    ax.set(title="Against the horizon", xlabel="T (steps)", ylabel="tr Cov ĝ")
    ax.set_ylim(bottom=0)


# Pictures of ValueIteration and BellmanPlane ----------------------------------------------------------------


def draw_map(ax, rows, cells, V, pi, path=(), wrong=None) -> None:
    """A map with the values (S,) of its states, tinted by sign, a policy (S, 4) as arrows, and a path of cells.

    Where all four have the weight 1, there is a ring in their place. The arrows of the states that `wrong` (S,) names
    are hollow, and the title says that these are not optimal.
    """
    H, W = len(rows), len(rows[0])
    top = abs(V).max() or 1.0
    size = min(7.5, 42 / max(H, W))
    tails = []
    wrong = np.zeros(len(V), dtype=bool) if wrong is None else wrong
    for i, row in enumerate(rows):
        for j, kind in enumerate(row):
            if kind == "#":
                ax.add_patch(Rectangle((j, i), 1, 1, color=BOUND, lw=0))
            elif kind in "GPS":
                ax.text(j + 0.07, i + 0.08, kind, va="top", size=size, weight="bold")
    for (i, j), value, arrows, is_wrong in zip(cells, V, pi, wrong, strict=True):
        color = PLAIN if is_wrong else INK
        if rows[i][j] in "GP":
            ax.add_patch(Rectangle((j, i), 1, 1, color=IMPROVED if rows[i][j] == "G" else PLAIN, alpha=0.5, lw=0))
            continue
        tint = PLAIN if value < 0 else IMPROVED
        ax.add_patch(Rectangle((j, i), 1, 1, color=tint, alpha=0.5 * abs(value) / top, lw=0))
        if max(H, W) <= 10:
            ax.text(j + 0.5, i + 0.86, f"{value:.2f}".replace("-", "−"), ha="center", va="center", size=size)
        if min(arrows) == 1:
            ax.add_patch(Circle((j + 0.5, i + 0.38), 0.09, fill=False, color=color, lw=1.2))
            continue
        for (di, dj), weight in zip(((-1, 0), (0, 1), (1, 0), (0, -1)), arrows, strict=True):
            if weight > 0.02:
                length = 0.1 + 0.2 * weight  # that of one that leads down ends above the number
                back = 0.5 * length if weight > 0.97 and sum(arrows) < 1.5 else 0  # a single arrow is centred
                tails.append((j + 0.5 - back * dj, i + 0.38 - back * di, length * dj, length * di, is_wrong))
    if len(path):
        down, right = np.transpose(path)
        ax.plot(right + 0.5, down + 0.38, color=INK, lw=5, alpha=0.25, solid_capstyle="round")
    if tails:
        scale = {"angles": "xy", "scale_units": "xy", "scale": 1, "units": "xy", "width": 0.03}
        *places, hollow = zip(*tails, strict=True)
        faces, edges = [["none" if x else INK for x in hollow], [PLAIN if x else INK for x in hollow]]
        heads = {"headwidth": 4.5, "headlength": 4.5, "headaxislength": 4}
        ax.quiver(*places, facecolor=faces, edgecolor=edges, linewidth=[0.9 * x for x in hollow], **heads, **scale)
    title = "The map; hollow: not optimal yet" if wrong.any() else "The map"
    ax.set(title=title, xlim=(0, W), ylim=(H, 0), xticks=range(W + 1), yticks=range(H + 1), aspect="equal")
    ax.tick_params(length=0, labelbottom=False, labelleft=False)


def draw_errors(ax, curves, k) -> None:
    """Error and bounds against the number of sweeps on a logarithmic axis, and the present k."""
    for name, label, colour, dashes in (
        ("prior", "by the first move", BOUND, "--"),
        ("envelope", "γᵏ × first error", BOUND, "-."),
        ("posterior", "by the latest move", BOUND, ":"),
        ("bracket", "width of the bracket", IMPROVED, "-"),
        ("error", "error", INK, "-"),
    ):
        values = np.where(curves[name] > 1e-12, curves[name], np.nan)
        ax.plot(values, color=colour, ls=dashes, lw=2 if name == "error" else 1.2, label=label)
    if curves["error"][k] > 1e-12:
        ax.plot(k, curves["error"][k], "o", ms=6, color=INK)
    ax.set(title="Error and bounds", yscale="log", xlabel="k (sweeps)", ylabel="in units of reward")
    ax.set(xlim=(0, len(curves["error"]) - 1), ylim=(1e-12, None))
    ax.legend(fontsize=7)


def draw_plane(ax, run, limit, apply, gamma) -> None:
    """The plane of two states: the square around the limit through V_k, its image, the γ-times smaller square."""
    radius = abs(run[-1] - limit).max()
    sides = np.linspace(-1, 1, 60)
    one = np.ones(60)
    boundary = np.vstack([np.c_[sides, -one], np.c_[one, sides], np.c_[-sides, one], np.c_[-one, -sides]])
    image = np.array([apply(limit + radius * point) for point in boundary])
    ax.plot(*(limit + radius * boundary).T, color=INK, lw=1.2)
    ax.plot(*(limit + gamma * radius * boundary).T, color=BOUND, ls="--", lw=1.2)
    ax.fill(*image.T, color=IMPROVED, alpha=0.3, lw=0)
    ax.plot(*image.T, color=IMPROVED, lw=1.2)
    ax.plot(*run.T, "o-", color=INK, ms=3, lw=0.8)
    ax.plot(*limit, "+", color=INK, ms=11, mew=1.8)
    reach = 1.15 * max(radius, abs(run - limit).max()) or 1.0
    ax.set(title="The plane of two states", xlabel="V(s₁)", ylabel="V(s₂)", aspect="equal")
    ax.set(xlim=(limit[0] - reach, limit[0] + reach), ylim=(limit[1] - reach, limit[1] + reach))
