// The picture of PerformanceDifference beside its maps: return, surrogate and bounds against α.

import { chart, dragAlong, keeper, path } from "../shared/frame.js";
import { drawPaths, makePaths, node, put } from "../shared/handles.js";
import { boundsAt } from "./numerics.js";

// One over the other.
const PATHS = {
  band: "rl-band",
  gap: "rl-gap",
  start: "rl-pole",
  cursor: "rl-pole",
  trust_region: "rl-bound rl-long",
  mixture: "rl-bound",
  average: "rl-bound rl-dotted",
  surrogate: "rl-sharp",
  eta: "rl-exact rl-heavy",
  off: "rl-plain",
};
export const BOUNDS = { all: ["trust_region", "mixture", "average"], mixture: ["mixture"], none: [] };
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
  const kept = keeper();
  let limits, preset;
  return function draw(curves, reach, now, known, [width, height], { step, open }) {
    const seen = open ? curves.filter(({ alpha }) => alpha <= SEEN + 1e-9) : curves;
    const values = curves.map(({ surrogate }) => surrogate).concat(seen.map(({ eta }) => eta));
    if (now.band === "mixture")
      values.push(...curves.flatMap(({ surrogate, mixture }) => [surrogate - mixture, surrogate + mixture]));
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const kind = [now.preset, now.band, step, open].join(); // which are always drawn alike
    limits = steady(preset === kind ? limits : undefined, low, high, now.band === "mixture" ? 0.01 : 0.35);
    preset = kind;
    const parts = kept([width, height, reach, ...limits], () => {
      const base = chart(holder, [width, height], {
        marginRight: 14,
        x: { domain: [0, reach], label: "α, from π to π′", grid: true },
        y: { domain: limits, label: "return" },
      });
      const { svg, layer } = base;
      const paths = makePaths(layer, PATHS);
      const name = (text, kind) =>
        node(layer, "text", { class: `rl-label ${kind}`.trim(), "text-anchor": "end" }, text);
      const names = [name("L", "rl-improved"), name("η", "")];
      const spot = (kind) => node(svg, "circle", { class: kind, r: 6 }); // which is not clipped
      const spots = ["rl-spot rl-spot-natural", "rl-handle"].map(spot);
      dragAlong(base, (alpha) => seek(Number(alpha.toFixed(3))));
      return { ...base, paths, spots, names };
    });
    const { x, y, left, right, top: head, foot, paths } = parts;
    const line = (some, of) => path(some.map((at) => [x(at.alpha), y(of(at))]));
    const closed = (some, above, below) => `${line(some, above)}${line(some.toReversed(), below).replace("M", "L")}Z`;
    const [eta, surrogate] = [({ eta }) => eta, ({ surrogate }) => surrogate];
    if (parts.of !== curves || parts.kind !== kind) {
      const near = Array.from({ length: 121 }, (_, i) => boundsAt(known, reach * (i / 120) ** 2));
      // A bound is drawn as far as it is seen: long dashed lines are slow to paint.
      const bound = (name, sign) => {
        const beside = (at) => y(at.surrogate + sign * at[name]);
        const out = near.findIndex((at) => beside(at) < head - 2 || beside(at) > foot + 2);
        return path(near.slice(0, out < 0 ? near.length : out + 1).map((at) => [x(at.alpha), beside(at)]));
      };
      for (const name of BOUNDS.all)
        paths[name].setAttribute("d", BOUNDS[now.band].includes(name) ? bound(name, 1) + bound(name, -1) : "");
      const [over, under] = [1, -1].map((sign) => (at) => at.surrogate + sign * at.mixture);
      drawPaths(paths, {
        band: now.band === "mixture" ? closed(near, over, under) : "",
        surrogate: line(curves, surrogate),
        eta: line(seen, eta),
      });
    }
    [parts.of, parts.kind] = [curves, kind];
    const told = !open || now.alpha <= SEEN;
    const passed = [...seen.filter(({ alpha }) => alpha < now.alpha), ...(told ? [now] : [])];
    drawPaths(paths, {
      gap: closed(passed, eta, surrogate),
      start: `M${left},${y(known.start)}H${right}`,
      cursor: `M${x(now.alpha)},${head}V${foot}`,
      off: told ? `M${x(now.alpha)},${y(now.eta)}V${y(now.surrogate)}` : "",
    });
    // The names stand at the curves' ends, above the one that is higher and below the other; within a band, whose edges
    // are close by there, between the two if there is room.
    const last = curves.at(-1);
    const between = now.band !== "none" && Math.abs(y(last.surrogate) - y(last.eta)) > 50;
    for (const [i, of] of [surrogate, eta].entries()) {
      parts.spots[i].toggleAttribute("hidden", i === 1 && !told);
      put(parts.spots[i], { cx: x(now.alpha), cy: y(of(now)) });
      parts.names[i].toggleAttribute("hidden", i === 1 && open);
      const above = ((i === 0) === last.surrogate > last.eta) !== between;
      const beside = y(of(last)) + (above ? -9 : 18);
      put(parts.names[i], { x: right - 6, y: Math.min(foot - 5, Math.max(head + 12, beside)) });
    }
    return parts.svg;
  };
}
