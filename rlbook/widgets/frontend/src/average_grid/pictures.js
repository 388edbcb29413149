// The picture of AverageGrid beside its maps: the errors against the number of episodes.

import { superscript, svgElement } from "../shared/controls.js";
import { axesX, axesY, changes, frame, path, quiet } from "../shared/frame.js";
import { axisX, axisY, gridX, gridY } from "../shared/plot.js";
export function makeGaps(holder) {
  const changed = changes();
  let parts;
  // A step shows all cells' error alone, and its bound once the guess is made.
  return function draw(gaps, bounds, n, unit, [width, height], { step, open }) {
    const range = 10 ** Math.max(2, Math.ceil(Math.log10(Math.max(n, 1))));
    // Two powers of ten below the bound at one episode, and as many as the bound falls.
    const top = 10 ** Math.ceil(Math.log10(1.5 * Math.max(bounds[0], 1e-6)));
    const floor = top / 10 ** (2 + Math.log10(range) / 2);
    if (changed([width, height, range, top, unit])) {
      const powers = (low, high) => {
        const ticks = [];
        for (let p = Math.ceil(Math.log10(low) - 1e-9); p <= Math.log10(high) + 1e-9; p++) ticks.push(10 ** p);
        return ticks;
      };
      const ticksX = powers(1, range);
      const ticksY = powers(floor, top);
      const tickFormat = (x) => {
        const power = Math.round(Math.log10(x));
        if (height < 250 && power % 2 && (ticksX.length > 4 || ticksY.length > 4)) return ""; // a step has room for few
        return power >= -3 && power <= 4 ? String(Number(x.toPrecision(1))) : `10${superscript(power)}`;
      };
      const base = frame(holder, {
        width,
        height,
        marginRight: 20,
        x: { type: "log", domain: [1, range] },
        y: { type: "log", domain: [floor, top] },
        marks: [
          gridX({ ...quiet, ticks: ticksX }),
          gridY({ ...quiet, ticks: ticksY }),
          axisX({ ...axesX, ticks: ticksX, tickFormat, label: "n, episodes" }),
          axisY({ ...axesY, ticks: ticksY, tickFormat, label: unit }),
        ],
      });
      const make = (kind) => svgElement("path", { class: kind });
      const shapes = {
        bound: make("rl-bound"),
        sumBound: make("rl-bound rl-dotted"),
        sum: make("rl-spread"),
        gap: make("rl-spread rl-heavy"),
      };
      const point = svgElement("circle", { class: "rl-dot", r: 5 });
      base.layer.append(...Object.values(shapes));
      base.svg.append(point); // whole at the frame's edge
      parts = { ...base, ...shapes, point, floor };
    }
    const { x, y } = parts;
    const at = (count, value) => [x(count), y(Math.max(value, parts.floor / 10))];
    const fall = (bound, hidden) => (hidden ? "" : path([at(1, bound), at(range, bound / Math.sqrt(range))]));
    const lone = !step && bounds[1] !== null;
    parts.bound.setAttribute("d", fall(bounds[0], open));
    parts.sumBound.setAttribute("d", fall(bounds[1], !lone));
    parts.gap.setAttribute("d", path(gaps.map(([count, gap]) => at(count, gap))));
    parts.sum.setAttribute("d", lone ? path(gaps.map(([count, , gap]) => at(count, gap))) : "");
    const last = gaps.at(-1);
    const seen = last && last[1] >= parts.floor; // an error of 0 lies below every logarithmic axis
    parts.point.toggleAttribute("hidden", !seen);
    if (seen) {
      const [cx, cy] = at(last[0], last[1]);
      parts.point.setAttribute("cx", cx);
      parts.point.setAttribute("cy", cy);
    }
    return parts.svg;
  };
}
