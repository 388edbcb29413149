"""The square of policies and the polygon of occupancies of two states and two actions, and how Occupancy draws them."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import Polygon

from rlbook import plots
from rlbook.occupancies import (
    entropy_program,
    from_plane,
    mix,
    occupancy,
    policy_from_occupancy,
)

CORNERS = ((0, 0), (1, 0), (1, 1), (0, 1))  # the actions in states 0 and 1, in the order of `polygon`
TIE = 1e-9  # corners whose returns differ by less than this, for their size, are equally good
PAPER_GRID = "#dcdcdc"
STEPS = np.linspace(0, 1, 41)


def as_table(p) -> np.ndarray:
    """(S, A) from the probabilities of action 1."""
    p = np.asarray(p, dtype=float)
    return np.column_stack([1 - p, p])


def _plane(rho):
    """(ρ(0,1), ρ(1,1)), (..., 2)."""
    return np.asarray(rho)[..., 1]


def _image(mdp, path):
    """Where a path of policies, (n, 2), leads in the plane, (n, 2)."""
    return np.array([_plane(occupancy(mdp, as_table(p))) for p in path])


def _levels(widget):
    """Level lines of η between the worst and the best corner, each as (9, 2) points across the polygon."""
    corners, returns = _plane(widget.corners), widget.returns
    if np.ptp(returns) <= TIE * (abs(returns).max() + 1):
        return
    for level in returns.min() + np.ptp(returns) * np.arange(1, 8) / 8:
        ends = []
        for k in range(4):
            low, high = returns[k - 1], returns[k]
            if (low < level) != (high < level):
                ends.append(corners[k - 1] + (level - low) / (high - low) * (corners[k] - corners[k - 1]))
        if len(ends) == 2:
            yield ends[0] + np.sin(np.linspace(0, np.pi / 2, 19))[:, None] ** 2 * (ends[1] - ends[0])


def _names(ax, corners, centre, best):
    names = {}  # corners at one place share theirs
    for (a, b), point in zip(CORNERS, corners, strict=True):
        names.setdefault(tuple(point.round(6)), []).append(f"{a}{b}")
    for place, at_place in names.items():
        point, is_best = np.array(place), any(name in best for name in at_place)
        away = np.sign(point - centre) * ((5, 4) if len(at_place) == 1 else (0, 11))  # past the axis's number
        colour, weight = (plots.IMPROVED, "bold") if is_best else (plots.INK, "normal")
        side = "center" if len(at_place) > 1 else "left" if away[0] > 0 else "right"
        where = {"textcoords": "offset points", "ha": side, "va": "center"}
        ax.annotate(" = ".join(at_place), point, away, color=colour, weight=weight, size=8, **where)
        if is_best:
            ax.plot(*point, "o", color=plots.IMPROVED, ms=5, clip_on=False)


def _draw_curves(widget, ax, place):
    """What the view adds, in the square or in the polygon: place takes policies (n, 2) to points of the panel."""
    pi, other = np.array(widget.pi), np.array(widget.pi_new)
    if widget.view == "mixing":
        mdp = widget.mdp
        ax.plot(*place(pi + STEPS[:, None] * (other - pi)).T, color=plots.INK, lw=1.4)
        start, end = occupancy(mdp, widget.policy), occupancy(mdp, widget.policy_new)
        middle = widget.policy + widget.policy_new
        chord = [policy_from_occupancy((1 - x) * start + x * end, unvisited=middle / 2).pi[:, 1] for x in STEPS]
        chord[0], chord[-1] = pi, other
        ax.plot(*place(np.array(chord)).T, color=plots.OTHER, lw=1.6, ls="--")
        ax.plot(*place((pi + widget.share * (other - pi))[None])[0], "s", color=plots.INK, ms=4.5)
        ax.plot(*place(widget.mixed_policy[None])[0], "D", color=plots.OTHER, ms=4.5)
        ax.plot(*place(other[None])[0], "o", color=plots.OTHER, ms=7)
    if widget.view == "temperature":
        ax.plot(*place(_cooled(widget)[1]).T, color=plots.IMPROVED, lw=1.6)
        ax.plot(*place(widget.soft.pi[:, 1][None])[0], "D", color=plots.IMPROVED, ms=5)
    ax.plot(*place(pi[None])[0], "o", color=plots.INK, ms=7, clip_on=False)


def _cooled(widget):
    """Temperatures (n,) and the soft-optimal [π(1|0), π(1|1)] at each, (n, 2)."""
    mdp, alphas = widget.mdp, np.geomspace(*widget.limits("alpha"), 31)[::-1]
    return alphas, np.array([entropy_program(mdp, alpha, tol=1e-6).pi[:, 1] for alpha in alphas])


def draw_square(widget, ax) -> None:
    for x in (0.25, 0.5, 0.75):
        ax.axvline(x, color=PAPER_GRID, lw=0.6)
        ax.axhline(x, color=PAPER_GRID, lw=0.6)
    for points in _levels(widget):
        # On the border a state may be unvisited, and then no policy is the only one.
        full = [np.maximum(from_plane(widget.mdp, point), 0) for point in points[1:-1]]
        ax.plot(*np.transpose([policy_from_occupancy(rho).pi[:, 1] for rho in full]), color=plots.BOUND, lw=0.7)
    p, q = widget.pi
    ax.plot([p, p], [0, 1], color=plots.INK, lw=0.9)
    ax.plot([0, 1], [q, q], color=plots.INK, lw=0.9)
    _names(ax, np.array(CORNERS, dtype=float), np.array([0.5, 0.5]), widget.best)
    _draw_curves(widget, ax, lambda path: path)
    ax.set(title="All policies", xlabel="π(1|0)", ylabel="π(1|1)", xlim=(-0.2, 1.2), ylim=(-0.2, 1.2))
    ax.set(aspect="equal", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))


def draw_polygon(widget, ax) -> None:
    mdp, mass = widget.mdp, 1 / (1 - widget.gamma)
    corners = _plane(widget.corners)
    ax.add_patch(Polygon(corners, closed=True, fc="#f2f2f2", ec=plots.INK, lw=1))
    ends = np.array([0.0, 1.0])
    for x in (0.25, 0.5, 0.75):
        for path in (np.column_stack([[x, x], ends]), np.column_stack([ends, [x, x]])):
            ax.plot(*_image(mdp, path).T, color=PAPER_GRID, lw=0.6)
    for points in _levels(widget):
        ax.plot(*points.T, color=plots.BOUND, lw=0.7)
    p, q = widget.pi
    for path in ([[p, 0], [p, 1]], [[0, q], [1, q]]):
        ax.plot(*_image(mdp, path).T, color=plots.INK, lw=0.9)
    _names(ax, corners, corners.mean(axis=0), widget.best)
    _draw_curves(widget, ax, lambda path: _image(mdp, path))
    direction = widget.direction
    length = np.hypot(*direction)
    if length > 0:
        tail, tip = np.array([0.78, 0.8]) * mass, 0.15 * mass * direction / length
        arrow = {"arrowstyle": "->", "color": plots.INK, "lw": 1.6}
        ax.annotate("", tail + tip, tail - tip, arrowprops=arrow)
        ax.annotate("reward", tail, (0, 16), textcoords="offset points", ha="center", size=7)
    ticks = mass * np.array([0, 0.5, 1])
    title = "Their occupancies" if "square" in widget.panels else "Occupancies of all policies"
    ax.set(title=title, xlabel="ρ(0,1)", ylabel="ρ(1,1)", aspect="equal", xticks=ticks, yticks=ticks)
    ax.set(xlim=(-0.2 * mass, 1.12 * mass), ylim=(-0.2 * mass, 1.12 * mass))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:.3g}")


def draw_turn(widget, ax) -> None:
    """η of the corners as the reward turns."""
    length, degrees = np.hypot(*widget.direction), np.linspace(-180, 180, 73)
    angle = np.radians(degrees)
    turned = length * np.column_stack([np.cos(angle), np.sin(angle)]) @ _plane(widget.corners).T
    ax.plot(degrees, turned, color=plots.BOUND, lw=0.8)
    ax.plot(degrees, turned.max(axis=1), color=plots.IMPROVED, lw=2)
    ax.axvline(np.degrees(np.arctan2(*widget.direction[::-1])), color=plots.INK, lw=0.8)
    ax.set(title="As the reward turns", xlabel="φ (degrees)", ylabel="η less η(00)", xlim=(-180, 180))
    ax.set(xticks=(-180, -90, 0, 90, 180))


def draw_mixing(widget, ax) -> None:
    mixed = mix(widget.mdp, widget.policy, widget.policy_new, STEPS)
    looks = (plots.INK, "-", "policies"), (plots.OTHER, "--", "occupancies")
    for rho, (colour, dashes, name) in zip(mixed, looks, strict=True):
        ax.plot(STEPS, (rho * np.array(widget.r)).sum(axis=(1, 2)), color=colour, ls=dashes, label=f"{name} mixed")
    ax.axvline(widget.share, color=plots.INK, lw=0.6)
    ax.set(title="The return", xlabel="λ (share of π')", ylabel="η", xlim=(0, 1))
    ax.legend(fontsize=6.5)


def draw_cooling(widget, ax) -> None:
    alphas, pi = _cooled(widget)
    for s, dashes in enumerate(("-", "--")):
        ax.plot(alphas, pi[:, s], color=plots.IMPROVED, ls=dashes, label=f"state {s}")
    ax.axvline(widget.alpha, color=plots.INK, lw=0.6)
    ax.set(title="The optimum as it cools", xlabel="α (units of reward)", ylabel="π(1|s)", ylim=(-0.02, 1.02))
    ax.set(xscale="log", xlim=widget.limits("alpha"))
    ax.legend(fontsize=6.5)
