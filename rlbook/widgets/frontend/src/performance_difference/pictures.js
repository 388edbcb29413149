// The picture of PerformanceDifference beside its maps: return, surrogate and bounds against α.

import { svgElement } from "../shared/controls.js";
import { axesX, axesY, changes, frame, onDrag, path, quiet } from "../shared/frame.js";
import { axisX, axisY, gridX, gridY } from "../shared/plot.js";
import { boundsAt } from "./numerics.js";

const BOUNDS = { trust_region: "rl-bound rl-long", mixture: "rl-bound", average: "rl-bound rl-dotted" };
// Limits of an axis for low … high, which stay while these fit and fill it: drawing the frame anew is slow.
function steady([bottom, top] = [0, 0], low, high) {
  const span = Math.max(high - low, 2e-3 * (1 + Math.abs(high)));
  const least = 0.12 * span;
  if (low - least >= bottom && high + least <= top && span > 0.35 * (top - bottom)) return [bottom, top];
  const step = 10 ** Math.floor(Math.log10(span)) / 2;
  return [Math.floor((low - 0.35 * span) / step) * step, Math.ceil((high + 0.35 * span) / step) * step];
}

export function makeCurves(holder, seek) {
  const changed = changes();
  let parts, limits, preset;
  return function draw(curves, reach, now, known, [width, height]) {
    const values = curves.flatMap(({ eta, surrogate }) => [eta, surrogate]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    limits = steady(preset === now.preset ? limits : undefined, low, high);
    const [bottom, top] = limits;
    preset = now.preset; // which are always drawn alike
    if (changed([width, height, reach, bottom, top])) {
      const base = frame(holder, {
        width,
        height,
        marginRight: 14,
        x: { domain: [0, reach] },
        y: { domain: [bottom, top] },
        marks: [
          gridX({ ...quiet, ticks: 5 }),
          gridY({ ...quiet, ticks: 5 }),
          axisX({ ...axesX, ticks: 5, label: "α, from π to π′" }),
          axisY({ ...axesY, ticks: 5, label: "return" }),
        ],
      });
      const make = (kind) => svgElement("path", { class: kind });
      const bounds = Object.fromEntries(Object.entries(BOUNDS).map(([name, kind]) => [name, make(kind)]));
      const [start, cursor, off] = [make("rl-pole"), make("rl-pole"), make("rl-bound rl-off")];
      const [surrogate, eta] = [make("rl-sharp"), make("rl-exact rl-heavy")];
      const spots = ["rl-spot rl-spot-natural", "rl-handle"].map((kind) => svgElement("circle", { class: kind, r: 6 }));
      const names = ["rl-label rl-improved", "rl-label"].map((kind) =>
        svgElement("text", { class: kind, "text-anchor": "end" }),
      );
      [names[0].textContent, names[1].textContent] = ["L", "η"];
      base.layer.append(start, cursor, ...Object.values(bounds), surrogate, eta, off, ...names);
      base.svg.append(...spots); // which are not clipped
      base.svg.classList.add("rl-drag");
      const { svg, invert } = base;
      onDrag(svg, (event) => {
        const box = svg.getBoundingClientRect();
        const share = invert(((event.clientX - box.left) * width) / box.width);
        seek(Number(Math.min(reach, Math.max(0, share)).toFixed(3)));
      });
      parts = { ...base, bounds, start, cursor, off, surrogate, eta, spots, names };
    }
    const { x, y, left, right, top: head, foot } = parts;
    const line = (of) => path(curves.map((at) => [x(at.alpha), y(of(at))]));
    // A bound is drawn as far as it is seen: long dashed lines are slow to paint.
    const bound = (name, sign) => {
      const points = [];
      for (const at of parts.near) {
        points.push([x(at.alpha), y(at.surrogate + sign * at[name])]);
        if (points.at(-1)[1] < head - 2 || points.at(-1)[1] > foot + 2) break;
      }
      return path(points);
    };
    if (parts.of !== curves) {
      parts.near = Array.from({ length: 121 }, (_, i) => boundsAt(known, reach * (i / 120) ** 2));
      for (const [name, node] of Object.entries(parts.bounds)) node.setAttribute("d", bound(name, 1) + bound(name, -1));
    }
    if (parts.of !== curves) {
      parts.surrogate.setAttribute(
        "d",
        line(({ surrogate }) => surrogate),
      );
      parts.eta.setAttribute(
        "d",
        line(({ eta }) => eta),
      );
    }
    parts.of = curves;
    parts.start.setAttribute("d", `M${left},${y(known.start)}H${right}`);
    parts.cursor.setAttribute("d", `M${x(now.alpha)},${head}V${foot}`);
    parts.off.setAttribute("d", `M${x(now.alpha)},${y(now.eta)}V${y(now.surrogate)}`);
    parts.spots.forEach((spot, i) => {
      spot.setAttribute("cx", x(now.alpha));
      spot.setAttribute("cy", y(i ? now.eta : now.surrogate));
    });
    // The names, at the curves' ends, above the one that is higher and below the other.
    const last = curves.at(-1);
    const over = last.surrogate > last.eta;
    parts.names.forEach((name, i) => {
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
