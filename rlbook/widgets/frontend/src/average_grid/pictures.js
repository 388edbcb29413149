// The picture of AverageGrid beside its maps: the errors against the number of episodes.

import { superscript } from "../shared/controls.js";
import { chart, keeper, path } from "../shared/frame.js";
import { drawPaths, makePaths, node, put } from "../shared/handles.js";

const PATHS = {
  bound: "rl-bound",
  sumBound: "rl-bound rl-dotted",
  sum: "rl-spread",
  gap: "rl-spread rl-heavy",
};

// The powers of ten from `low` to `high`.
function powers(low, high) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
}

export function makeGaps(holder) {
  const kept = keeper();
  // A step shows all cells' error alone, and its bound once the guess is made.
  return function draw(gaps, bounds, n, unit, [width, height], { step, open }) {
    const range = 10 ** Math.max(2, Math.ceil(Math.log10(Math.max(n, 1))));
    // Two powers of ten below the bound at one episode, and as many as the bound falls.
    const top = 10 ** Math.ceil(Math.log10(1.5 * Math.max(bounds[0], 1e-6)));
    const floor = top / 10 ** (2 + Math.log10(range) / 2);
    const { x, y, svg, paths, point } = kept([width, height, range, top, unit], () => {
      const [ticksX, ticksY] = [powers(1, range), powers(floor, top)];
      const tickFormat = (x) => {
        const power = Math.round(Math.log10(x));
        if (height < 250 && power % 2 && (ticksX.length > 4 || ticksY.length > 4)) return ""; // a step has room for few
        return power >= -3 && power <= 4 ? String(Number(x.toPrecision(1))) : `10${superscript(power)}`;
      };
      const base = chart(holder, [width, height], {
        marginRight: 20,
        x: { type: "log", domain: [1, range], ticks: ticksX, tickFormat, label: "n, episodes", grid: true },
        y: { type: "log", domain: [floor, top], ticks: ticksY, tickFormat, label: unit },
      });
      const paths = makePaths(base.layer, PATHS);
      const point = node(base.svg, "circle", { class: "rl-dot", r: 5 }); // whole at the frame's edge
      return { ...base, paths, point };
    });
    const at = (count, value) => [x(count), y(Math.max(value, floor / 10))];
    const fall = (bound) => path([at(1, bound), at(range, bound / Math.sqrt(range))]);
    const lone = !step && bounds[1] !== null;
    drawPaths(paths, {
      bound: open ? "" : fall(bounds[0]),
      sumBound: lone ? fall(bounds[1]) : "",
      sum: lone ? path(gaps.map(([count, , gap]) => at(count, gap))) : "",
      gap: path(gaps.map(([count, gap]) => at(count, gap))),
    });
    const last = gaps.at(-1);
    const seen = last && last[1] >= floor; // an error of 0 lies below every logarithmic axis
    point.toggleAttribute("hidden", !seen);
    if (seen) {
      const [cx, cy] = at(last[0], last[1]);
      put(point, { cx, cy });
    }
    return svg;
  };
}
