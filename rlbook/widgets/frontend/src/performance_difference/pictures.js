// The picture of PerformanceDifference beside its maps: return, surrogate and bounds against α.

import { svgElement } from "../shared/controls.js";
import { axesX, axesY, changes, frame, onDrag, path, pointIn, quiet, ticksIn } from "../shared/frame.js";
import { axisX, axisY, gridX, gridY } from "../shared/plot.js";
import { boundsAt } from "./numerics.js";

const BOUNDS = { trust_region: "rl-bound rl-long", mixture: "rl-bound", average: "rl-bound rl-dotted" };
const SEEN = 0.1; // as far as η is drawn while it is to be guessed
// Limits of an axis for low … high, which stay while these fit and fill it: drawing the frame anew is slow.
function steady([bottom, top] = [0, 0], low, high, room = 0.35) {
  const span = Math.max(high - low, 2e-3 * (1 + Math.abs(high)));
  const least = 0.3 * room * span;
  if (low - least >= bottom && high + least <= top && span > 0.35 * (top - bottom)) return [bottom, top];
  const step = 10 ** Math.floor(Math.log10(span)) / 2;
  return [Math.floor((low - room * span) / step) * step, Math.ceil((high + room * span) / step) * step];
}

export function makeCurves(holder, seek) {
  const changed = changes();
  let parts, limits, preset;
  return function draw(curves, reach, now, known, [width, height], { step, open }) {
    const seen = open ? curves.filter(({ alpha }) => alpha <= SEEN + 1e-9) : curves;
    const values = curves.map(({ surrogate }) => surrogate).concat(seen.map(({ eta }) => eta));
    if (now.band === "mixture")
      values.push(...curves.flatMap(({ surrogate, mixture }) => [surrogate - mixture, surrogate + mixture]));
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const kind = [now.preset, now.band, step, open].join(); // which are always drawn alike
    limits = steady(preset === kind ? limits : undefined, low, high, now.band === "mixture" ? 0.01 : 0.35);
    const [bottom, top] = limits;
    preset = kind;
    if (changed([width, height, reach, bottom, top])) {
      const ticks = ticksIn(height);
      const base = frame(holder, {
        width,
        height,
        marginRight: 14,
        x: { domain: [0, reach] },
        y: { domain: [bottom, top] },
        marks: [
          gridX({ ...quiet, ticks }),
          gridY({ ...quiet, ticks }),
          axisX({ ...axesX, ticks, label: "α, from π to π′" }),
          axisY({ ...axesY, ticks, label: "return" }),
        ],
      });
      const make = (kind) => svgElement("path", { class: kind });
      const bounds = Object.fromEntries(Object.entries(BOUNDS).map(([name, kind]) => [name, make(kind)]));
      const [band, gap] = [make("rl-band"), make("rl-gap")];
      const [start, cursor, off] = [make("rl-pole"), make("rl-pole"), make("rl-bound rl-off")];
      const [surrogate, eta] = [make("rl-sharp"), make("rl-exact rl-heavy")];
      const spots = ["rl-spot rl-spot-natural", "rl-handle"].map((kind) => svgElement("circle", { class: kind, r: 6 }));
      const names = ["rl-label rl-improved", "rl-label"].map((kind) =>
        svgElement("text", { class: kind, "text-anchor": "end" }),
      );
      [names[0].textContent, names[1].textContent] = ["L", "η"];
      base.layer.append(band, gap, start, cursor, ...Object.values(bounds), surrogate, eta, off, ...names);
      base.svg.append(...spots); // which are not clipped
      base.svg.classList.add("rl-drag");
      const { svg, invert } = base;
      onDrag(svg, (event) => {
        const share = invert(pointIn(svg, event)[0]);
        seek(Number(Math.min(reach, Math.max(0, share)).toFixed(3)));
      });
      parts = { ...base, bounds, band, gap, start, cursor, off, surrogate, eta, spots, names };
    }
    const { x, y, left, right, top: head, foot } = parts;
    const line = (some, of) => path(some.map((at) => [x(at.alpha), y(of(at))]));
    const closed = (some, above, below) => `${line(some, above)}${line(some.toReversed(), below).replace("M", "L")}Z`;
    const [eta, surrogate] = [({ eta }) => eta, ({ surrogate }) => surrogate];
    // A bound is drawn as far as it is seen: long dashed lines are slow to paint.
    const bound = (name, sign) => {
      const points = [];
      for (const at of parts.near) {
        points.push([x(at.alpha), y(at.surrogate + sign * at[name])]);
        if (points.at(-1)[1] < head - 2 || points.at(-1)[1] > foot + 2) break;
      }
      return path(points);
    };
    if (parts.of !== curves || parts.kind !== kind) {
      parts.near = Array.from({ length: 121 }, (_, i) => boundsAt(known, reach * (i / 120) ** 2));
      const drawn = { all: Object.keys(parts.bounds), mixture: ["mixture"], none: [] }[now.band];
      for (const [name, node] of Object.entries(parts.bounds))
        node.setAttribute("d", drawn.includes(name) ? bound(name, 1) + bound(name, -1) : "");
      const [over, under] = [1, -1].map((sign) => (at) => at.surrogate + sign * at.mixture);
      parts.band.setAttribute("d", now.band === "mixture" ? closed(parts.near, over, under) : "");
      parts.surrogate.setAttribute("d", line(curves, surrogate));
      parts.eta.setAttribute("d", line(seen, eta));
    }
    [parts.of, parts.kind] = [curves, kind];
    const told = !open || now.alpha <= SEEN;
    const passed = [...seen.filter(({ alpha }) => alpha < now.alpha), ...(told ? [now] : [])];
    parts.gap.setAttribute("d", closed(passed, eta, surrogate));
    parts.start.setAttribute("d", `M${left},${y(known.start)}H${right}`);
    parts.cursor.setAttribute("d", `M${x(now.alpha)},${head}V${foot}`);
    parts.off.setAttribute("d", told ? `M${x(now.alpha)},${y(now.eta)}V${y(now.surrogate)}` : "");
    parts.spots.forEach((spot, i) => {
      spot.toggleAttribute("hidden", i === 1 && !told);
      spot.setAttribute("cx", x(now.alpha));
      spot.setAttribute("cy", y(i ? now.eta : now.surrogate));
    });
    // The names, at the curves' ends, above the one that is higher and below the other.
    const last = curves.at(-1);
    const over = last.surrogate > last.eta;
    parts.names.forEach((name, i) => {
      name.toggleAttribute("hidden", i === 1 && open);
      name.setAttribute("x", right - 6);
      const above = i === 0 ? over : !over;
      name.setAttribute(
        "y",
        Math.min(foot - 5, Math.max(head + 12, y(i ? last.eta : last.surrogate) + (above ? -9 : 18))),
      );
    });
    return parts.svg;
  };
}
