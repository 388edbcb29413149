"""The drawing of the house: the package's rooms on floors, by what they import.

It is made from the source whenever the book is built, into book/_static/house.svg, which the package's page shows and
CONTRIBUTING.md links; `.venv/bin/python -m book._ext.house`, which also runs at each commit, makes it by itself. A
module stands above those that it imports. An arrow that says what two others say together is left out.
"""

import sys
from html import escape
from pathlib import Path

from book._ext.arrows import paths
from book._ext.imports import Sources

FILE = Path("book", "_static", "house.svg")
GAP, MARGIN = 24, 16  # between boxes, and with arrows around them all
LINE, HEAD, BETWEEN = 18, 34, 56  # heights: of a room's name, of a box's title, between floors
LETTER = 8.4  # a broad estimate of a letter's width
STYLE = """
svg { color-scheme: light dark; font: 14px system-ui, sans-serif; }
.wall { fill: #fff; } .box { fill: #f3f5f7; stroke: #5a6672; } text { fill: #1b1f24; } .title { font-weight: 600; }
.arrow { fill: none; stroke: #5a6672; stroke-width: 1.3; } .tip { fill: #5a6672; }
@media (prefers-color-scheme: dark) {
.wall { fill: #121212; } .box { fill: #222933; stroke: #9aa7b4; } text { fill: #e8ecf0; }
.arrow { stroke: #9aa7b4; } .tip { fill: #9aa7b4; }
}"""


def suites(sources):
    """{name of a module or package right under the top: (its rooms, the other names that it imports)}."""
    found = {}
    for room in sources.rooms():
        rooms, others = found.setdefault(name_of(room), ([], set()))
        rooms.append(room.split(".", 2)[2] if room.count(".") > 1 else "")
        others |= {name_of(other) for other in sources.imports(room)} - {name_of(room)}
    return found


def name_of(room):
    return room.split(".")[1] if "." in room else room


def floors(others):
    """{name: its floor}: 0 for what imports nothing, else one above the highest that it imports."""

    def floor(name, below):
        return max((1 + floor(other, {*below, name}) for other in others[name] - below - {name}), default=0)

    return {name: floor(name, set()) for name in others}


def reduced(others):
    """The arrows without those that others imply."""

    def reached(name, seen):
        for other in others[name] - seen:
            seen.add(other)
            reached(other, seen)
        return seen

    return {
        (name, other)
        for name in others
        for other in others[name]
        if not any(other in reached(between, {name}) - {name} for between in others[name] - {other})
    }


def drawing(sources):
    """The house as SVG."""
    found = suites(sources)
    others = {name: imported & set(found) for name, (_, imported) in found.items()}
    level = floors(others)
    rows = [sorted(name for name in found if level[name] == k) for k in range(max(level.values()) + 1)]
    lines = {name: [room for room in sorted(rooms) if room] for name, (rooms, _) in found.items()}
    high = {name: HEAD + LINE * len(lines[name]) + (6 if lines[name] else 0) for name in found}
    wide = {name: LETTER * max(12, *map(len, (name, *lines[name]))) + 24 for name in found}
    width = max(sum(wide[name] + GAP for name in row) for row in rows) + 2 * MARGIN
    placed, y = [], MARGIN  # {name: its box}, a floor each, from the top
    for row in reversed(rows):
        x = MARGIN + GAP / 2  # where a narrow screen, on which the drawing scrolls, begins
        tall = max(high[name] for name in row)
        placed.append({})
        for name in row:
            placed[-1][name] = (x, y + tall - high[name], wide[name], high[name])
            x += wide[name] + GAP
        y += tall + BETWEEN
    height = y - BETWEEN + MARGIN
    arrows = "".join(
        f'<path class="arrow" marker-end="url(#tip)" d="{path}"/>'
        for path in paths(placed, sorted(reduced(others)), GAP).values()
    )
    boxes = "".join(boxed(name, lines[name], *box) for floor in placed for name, box in floor.items())
    said = "; ".join(f"{name} imports {', '.join(sorted(others[name])) or 'no other'}" for row in rows for name in row)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" width="{width:g}" height="{height}" '
        f'role="img" aria-label="The modules of rlbook, each above those that it imports: {escape(said)}.">'
        f'<style>{STYLE}</style><defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>'
        f'<rect class="wall" width="{width:g}" height="{height}"/>{arrows}{boxes}</svg>\n'
    )


def boxed(name, rooms, x, y, wide, high):
    middle = x + wide / 2
    texts = [f'<text class="title" text-anchor="middle" x="{middle:.0f}" y="{y + 22:.0f}">{escape(name)}</text>']
    for i, room in enumerate(rooms):
        texts.append(f'<text text-anchor="middle" x="{middle:.0f}" y="{y + HEAD + 12 + LINE * i:.0f}">{room}</text>')
    return f'<rect class="box" x="{x:.0f}" y="{y:.0f}" width="{wide:.0f}" height="{high:.0f}" rx="4"/>{"".join(texts)}'


def draw(root):
    """Draw the house into its file; whether that was another before."""
    file, drawn = Path(root) / FILE, drawing(Sources(root))
    changed = not file.exists() or file.read_text(encoding="utf-8") != drawn
    if changed:
        file.write_text(drawn, encoding="utf-8")
    return changed


def setup(app):
    app.connect("builder-inited", lambda app: draw(app.srcdir))
    return {"version": "1", "parallel_read_safe": True}


if __name__ == "__main__":
    sys.exit(f"{FILE} was drawn anew." if draw(Path(__file__).parents[2]) else 0)
