"""Arrows between boxes that stand in rows: each with ends and ways of its own, past the boxes in between.

Where several arrows leave or reach one side of a box they stand apart, in the order of where they go, one that goes
straight in the middle; where several pass a gap between two boxes each has its own lane.
"""

from itertools import pairwise

PORT, LANE = 26, 9  # at most so far apart: ends at one side of a box, lanes of one gap


def paths(rows, edges, gap):
    """{edge: the path of its arrow}, as SVG's `d`.

    rows: from the top, each {name: (x, y, width, height)}; edges: pairs (from, to) of names; gap: between two boxes
    of a row. Neighbours in a row are joined sideways; all others from the foot of the upper to the head of the lower.
    Two boxes of one row that are no neighbours raise ValueError.
    """
    box = {name: place for row in rows for name, place in row.items()}
    level = {name: k for k, row in enumerate(rows) for name in row}
    spans = [(min(y for _, y, *_ in row.values()), max(y + h for _, y, _, h in row.values())) for row in rows]
    sideways = [edge for edge in edges if level[edge[0]] == level[edge[1]]]
    upright = {edge: tuple(sorted(edge, key=level.get)) for edge in edges if edge not in sideways}
    for a, b in sideways:
        row = sorted(rows[level[a]], key=box.get)
        if abs(row.index(a) - row.index(b)) > 1:
            raise ValueError(f"{a} and {b}, joined by an arrow, must be neighbours or stand in two rows")
    ways = lanes({edge: way(rows, box, level, gap, *ends) for edge, ends in upright.items()}, box, gap)
    at = ports(box, upright, ways)
    found = {edge: straight(*(box[name] for name in edge)) for edge in sideways}
    for edge, (high, low) in upright.items():
        _, y, _, h = box[high]
        first, last = at[edge, high], at[edge, low]
        points = [(first, y + h), (first, spans[level[high]][1])]
        if edge in ways:
            points += [(ways[edge], spans[level[high] + 1][0]), (ways[edge], spans[level[low] - 1][1])]
        points += [(last, spans[level[low]][0] - 8), (last, box[low][1])]
        found[edge] = drawn(points if edge == (high, low) else points[::-1])
    return found


def way(rows, box, level, gap, high, low):
    """Where an arrow passes the rows between its ends with the least detour; None if there are none between."""
    between = [place for row in rows[level[high] + 1 : level[low]] for place in row.values()]
    if not between:
        return None
    gaps = [x for left, _, wide, _ in between for x in (left - gap / 2, left + wide + gap / 2)]
    start, end = (box[name][0] + box[name][2] / 2 for name in (high, low))
    free = [
        x
        for x in [end, start, *gaps]
        if all(not left - gap / 2 < x < left + wide + gap / 2 for left, _, wide, _ in between)
    ]
    return min(free, key=lambda x: (abs(x - start) + abs(x - end), abs(x - end)))


def lanes(ways, box, gap):
    """The ways, those through one gap beside each other, as their ends are; edges without a way have none."""
    found = {}
    for x in {x for x in ways.values() if x is not None}:
        sharing = sorted(
            (edge for edge in ways if ways[edge] == x), key=lambda edge: (sum(box[a][0] for a in edge), edge)
        )
        apart = min(LANE, gap / (len(sharing) + 1))
        found |= {edge: x + apart * (i - (len(sharing) - 1) / 2) for i, edge in enumerate(sharing)}
    return found


def ports(box, upright, ways):
    """{(edge, name): where the edge touches the box of that name}."""
    sides = {}
    for edge, (high, low) in upright.items():
        for name, other, side in ((high, low, "foot"), (low, high, "head")):
            towards = ways.get(edge, box[other][0] + box[other][2] / 2)
            sides.setdefault((name, side), []).append((towards, edge))
    found = {}
    for (name, _), ends in sides.items():
        x, _, wide, _ = box[name]
        middle = x + wide / 2
        ends = sorted(ends)
        below = [i for i, (towards, _) in enumerate(ends) if abs(towards - middle) < 1]
        first = below[0] if below else (len(ends) - 1) / 2
        apart = min(PORT, wide / (2 * max(first, len(ends) - 1 - first) + 2))
        found |= {(edge, name): middle + apart * (i - first) for i, (_, edge) in enumerate(ends)}
    return found


def straight(start, end):
    (x, y, wide, high), (u, _, breadth, _) = start, end
    return f"M{x + wide:g} {y + high / 2:g}H{u:g}" if x < u else f"M{x:g} {y + high / 2:g}H{u + breadth:g}"


def drawn(points):
    """Through the points, upright at each of them."""
    parts = ["M{:g} {:g}".format(*points[0])]
    for (x, y), (u, v) in pairwise(dict.fromkeys(points)):
        half = (y + v) / 2
        parts.append(f"V{v:g}" if x == u else f"C{x:g} {half:g} {u:g} {half:g} {u:g} {v:g}")
    return "".join(parts)
