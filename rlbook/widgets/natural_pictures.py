"""The matplotlib pictures of NaturalGradient: planes, densities, triangle, returns and bars."""

from __future__ import annotations

import numpy as np

from rlbook import plots
from rlbook.natural_gradients import kl_contour, kl_ellipse
from rlbook.widgets.lesson import EXPLORE

FRAME = (-2.25, 2.25), (0, 3.6), (-2.45, 1.15)  # what is seen of μ, σ and log σ

COLOURS = {False: plots.PLAIN, True: plots.IMPROVED}


def _outline(points):
    return np.vstack([points, points[:1]])


def draw_gaussian(widget, ax, log) -> None:
    """The plane of (μ, σ), or of (μ, log σ)."""
    mu, sigma, c, delta = widget.mu, widget.sigma, widget.c, widget.delta
    radius, angle = np.sqrt(2 * delta), np.linspace(0, 2 * np.pi, 60)
    circle = np.column_stack([mu + radius * np.cos(angle), _moved(sigma, radius * np.sin(angle), widget.bend)])

    def place(points):
        mean, scale = np.transpose(points)
        with np.errstate(divide="ignore", invalid="ignore"):
            return mean, np.log(scale) if log else scale

    for level in range(1, 6):
        turn = np.linspace(0.02, np.pi - 0.02, 40)
        ring = np.column_stack([c + level * np.cos(turn), level * np.sin(turn)])
        ax.plot(*place(ring), color="#c4c4c4", lw=0.6, zorder=0)
    ax.plot(*place(_outline(kl_contour(mu, sigma, delta, 60))), color=plots.INK, lw=1.2)
    ax.plot(*place(circle), color=plots.PLAIN, lw=1)
    ax.plot(*place(_outline(kl_ellipse(mu, sigma, delta, 60, widget.bend))), color=plots.IMPROVED, lw=1)
    for bend, name, share, away in (
        ((0, "log σ", 2 / 3, (2, 2)), (1, "σ", 1 / 4, (-7, -8))) if widget.step != EXPLORE else ()
    ):
        for natural in (False, True):
            points = place(widget.path(natural=natural, bend=bend))
            ax.plot(*points, color=COLOURS[natural], lw=0.7, alpha=0.6)
            if not natural and widget.steps:
                middle = np.transpose(points)[int(share * len(points[0]))]
                ax.annotate(name, middle, away, textcoords="offset points", color=COLOURS[natural], size=6)
    for natural, name, away in ((False, "Euclidean", (-5, -9)), (True, "natural", (5, 5))):
        points = widget.path(natural=natural)
        every = 1 + widget.steps // 40
        ax.plot(*place(points), ".-", color=COLOURS[natural], ms=3, lw=1.3, markevery=every)
        if len(points) > 1:
            path = np.transpose(place(points))
            middle = path[abs(path[:, 0] - (path[0, 0] + path[-1, 0]) / 2).argmin()]  # of the way, not of the steps
            where = {"textcoords": "offset points", "ha": "left" if natural else "right"}
            ax.annotate(name, middle, away, color=COLOURS[natural], size=7, **where)
    ax.plot(*place([[mu, sigma]]), "o", color=plots.INK, ms=5)
    (low, high), label = FRAME[1 + log], "log σ" if log else "σ"
    ax.plot(c, low, "^", color=plots.INK, ms=6, clip_on=False)
    ax.set(xlim=FRAME[0], ylim=(low, high), xlabel="μ", ylabel=label, aspect="equal", title=f"In (μ, {label})")


def draw_densities(widget, ax) -> None:
    """The densities before and after a step."""
    x = np.linspace(-4.5, 4.5, 181)
    for (m, s), colour, name in (
        ((widget.mu, widget.sigma), plots.INK, "before"),
        (widget.path(natural=False, steps=1)[1], plots.PLAIN, "Euclidean step"),
        (widget.path(natural=True, steps=1)[1], plots.IMPROVED, "natural step"),
    ):
        ax.plot(x, np.exp(-((x - m) ** 2) / (2 * s**2)) / (s * np.sqrt(2 * np.pi)), color=colour, label=name)
    ax.axvline(widget.c, color=plots.INK, lw=0.6)
    ax.set(title="Before and after", xlabel="action a", ylabel="density", xlim=(-4.5, 4.5))
    ax.set(ylim=(0, 1.4 * ax.get_ylim()[1]))  # with room for the names
    ax.legend(fontsize=6.5)


def _moved(sigma, du, bend):
    """σ where u is moved by du; nan where there is none."""
    inside = 1 + bend * du * sigma**-bend
    return sigma * (np.exp(du) if bend == 0 else np.where(inside > 0, inside, np.nan) ** (1 / bend))


def _softmax_paths(widget):
    """The rows of both paths that are drawn: which they are, and {natural: (len, 3)}."""
    steps = max(widget.steps, 1)
    some = np.arange(0, steps + 1, 1 + steps // 100)
    return some, {natural: widget.path(natural=natural, steps=steps)[some] for natural in (False, True)}


def draw_triangle(widget, ax) -> None:
    """The triangle of policies with both paths."""
    corners = np.array([[0, 0], [1, 0], [0.5, np.sqrt(0.75)]])
    ax.plot(*_outline(corners).T, color=plots.INK, lw=0.8)
    shifts = (0, -0.09), (0, -0.09), (0, 0.05)
    for (x, y), (dx, dy), a, reward in zip(corners, shifts, "₁₂₃", widget.rewards, strict=True):
        ax.text(x + dx, y + dy, f"a{a}: {reward:g}", ha="center")
    for natural, path in _softmax_paths(widget)[1].items():
        ax.plot(*(path @ corners).T, color=COLOURS[natural], lw=1.5)
    ax.plot(*(widget.start @ corners), "o", color=plots.INK, ms=5)
    ax.set(title="The triangle of policies", aspect="equal", xlim=(-0.15, 1.15), ylim=(-0.15, 1.02))
    ax.axis("off")


def draw_returns(widget, ax) -> None:
    """η against the number of steps."""
    some, paths = _softmax_paths(widget)
    for natural, path in paths.items():
        ax.plot(some, path @ widget.rewards, color=COLOURS[natural], label="natural" if natural else "Euclidean")
    ax.set(title="Return", xlabel="n (steps)", ylabel="η", xlim=(0, max(widget.steps, 1)))
    ax.legend(fontsize=6.5)


def draw_bars(widget, ax) -> None:
    """The policies at the start and after the steps."""
    ends = (np.array(widget.start), *(widget.path(natural=natural)[-1] for natural in (False, True)))
    for i, (p, colour) in enumerate(zip(ends, (plots.INK, plots.PLAIN, plots.IMPROVED), strict=True)):
        ax.bar(np.arange(3) + 0.26 * (i - 1), p, 0.24, color=colour)
    ax.set(title=f"After {widget.steps} steps", ylabel="π(a)", ylim=(0, 1), xticks=range(3))
    ax.set_xticklabels(["a₁", "a₂", "a₃"])
