// The pictures of NaturalGradient: the planes and densities of a Gaussian policy, and the triangle, returns and bars
// of a softmax policy.

import { format, label, mapped, subscript, svgElement, tell } from "../shared/controls.js";
import { chart, dots, dragAlong, keeper, path } from "../shared/frame.js";
import { arrow, dragging, handled, makeHandle, makePaths, moveHandle, node, put, round } from "../shared/handles.js";
import { banditReturn, gaussianDensity } from "./numerics.js";

// What is seen of μ, σ and log σ: as in rlbook/widgets/natural_pictures.py.
const MU = [-2.25, 2.25];
const SIGMA = [0, 3.6];
const LOG = [-2.45, 1.15];
const [LOW, HIGHER] = [2.3, 3.2]; // to where a step sees σ, and where it is larger
const ACTIONS = [-4.5, 4.5];
const RADII = Array.from({ length: 12 }, (_, i) => (i + 1) / 2); // of the lines of equal η
const ANGLES = Array.from({ length: 49 }, (_, i) => 0.02 + ((Math.PI - 0.04) * i) / 48);
const LOUPE = 84; // its width in pixels
const DOTS = 150; // of a path's steps, no more are drawn
const COLOUR = { euclidean: "plain", natural: "improved" };
export const NAMES = { euclidean: "Euclidean", natural: "natural" };
export const KINDS = Object.keys(NAMES);

// { euclidean, natural } of a function of whether the gradient is natural, and of its name.
/** @type {(compute: (natural: boolean, kind: string) => any) => any} */
export const both = (compute) => mapped(NAMES, (_, kind) => compute(kind === "natural", kind));

// The classes of the paths of both kinds: looks maps a path's name to what each kind's own class is with.
const lookOfBoth = (looks) =>
  Object.fromEntries(
    KINDS.flatMap((kind) =>
      Object.entries(looks).map(([name, look]) => [`${name}-${kind}`, `rl-of-${kind} ${look}`.trim()]),
    ),
  );
const makeSpots = (parent, r) => both((_, kind) => node(parent, "circle", { class: `rl-spot rl-spot-${kind}`, r }));

// The part of a path before the first policy that is none.
function finite(points) {
  const end = points.findIndex(([, sigma]) => Number.isNaN(sigma));
  return end < 0 ? points : points.slice(0, end);
}

// As many of a path's points as can be told apart: those that have a dot, and some of the others, the last among them.
function thinned(points) {
  const stride = Math.ceil(points.length / DOTS);
  return points.filter((_, i) => i < DOTS || i % stride === 0 || i === points.length - 1);
}

// A closed curve through the policies; where there are none, down to σ = 0 or up to where nobody sees it, `edge` to
// both sides of μ.
function closed(points, mu, edge, bend, at) {
  const start = points.findIndex(([, sigma]) => Number.isNaN(sigma));
  if (start < 0) return `${path(points.map(at))}Z`;
  const turned = [...points.slice(start), ...points.slice(0, start)].filter(([, sigma]) => !Number.isNaN(sigma));
  const [aside, end] = bend > 0 ? [edge, 0] : [-edge, 1e4];
  return path([[mu + aside, end], ...turned, [mu - aside, end]].map(at));
}

// Points along a line, some pixels from each other.
function spaced(points) {
  const placed = [];
  let [last] = points;
  for (const [px, py] of points) {
    const [dx, dy] = [px - last[0], py - last[1]];
    const pieces = Math.min(60, Math.floor(Math.hypot(dx, dy) / 9));
    for (let i = 1; i <= pieces; i++) placed.push([last[0] + (dx * i) / pieces, last[1] + (dy * i) / pieces]);
    if (pieces) last = [px, py];
  }
  return placed;
}

// Where a name of a curve stands: beside it, away from another that it has come apart from, clear of all points of the
// crowd; null where the two are never far from each other in sight.
const TALL = 8; // half of a name's height
function placeBeside(curve, other, crowd, wide, { left, right, top, foot }) {
  /** @type {(at: number[], by: number, high: number) => boolean} */
  const inside = ([px, py], by, high) => px > left + by && px < right - by && py > top + high && py < foot - high;
  const count = Math.min(curve.length, other.length);
  /** @type {any} */
  let best = null;
  for (let share = 20; share >= 1; share--) {
    const i = Math.min(count - 1, Math.round((share * count) / 20));
    if (i < 1) continue;
    const [p, q] = [curve[i], other[i]];
    const apart = Math.hypot(p[0] - q[0], p[1] - q[1]);
    if (apart < 8 || !inside(p, 0, 0)) continue;
    const away = [(p[0] - q[0]) / apart, (p[1] - q[1]) / apart];
    for (const [dx, dy] of [away, [0, 1], [0, -1], [1, 0], [-1, 0]]) {
      const far = 7 + (wide * TALL) / Math.hypot(TALL * dx, wide * dy);
      const place = [p[0] + far * dx, p[1] + far * dy];
      if (!inside(place, wide, TALL)) continue;
      const gap = crowd.reduce((least, [px, py]) => {
        const [gx, gy] = [Math.abs(px - place[0]) - wide, Math.abs(py - place[1]) - TALL];
        return Math.min(least, Math.hypot(Math.max(0, gx), Math.max(0, gy)));
      }, 5);
      const score = gap + apart / 500;
      if (!best || score > best.score) best = { score, place };
    }
  }
  return best?.place ?? null;
}

// The plane of (μ, σ), or of (μ, log σ) --------------------------------------------------------------------------

export function makePlane(holder, { log, move, reach }) {
  const kept = keeper();
  let parts, now;
  const lift = log ? Math.log : (sigma) => sigma;
  const vertical = log ? "log σ" : "σ";
  // One scale for both axes: as high as the width asks for, or, in a step, as wide as the height does.
  function build([given, most, tall]) {
    const domain = log ? LOG : most ? [0, tall ? HIGHER : LOW] : SIGMA;
    const rise = domain[1] - domain[0];
    const across = (given - 58) / (MU[1] - MU[0]);
    const unit = most ? Math.min(across, (most - 46) / rise) : across;
    const [width, height] = [Math.round(unit * (MU[1] - MU[0])) + 58, Math.round(unit * rise) + 46];
    const ticks = log ? [-2, -1, 0, 1] : [0, 1, 2, 3];
    const base = handled(holder, [width, height], {
      marginLeft: 46,
      marginBottom: 38,
      x: { domain: MU, ticks: [-2, -1, 0, 1, 2], label: "μ", grid: true },
      y: { domain, ticks, label: vertical, labelOffset: 36 },
    });
    const { layer } = base;
    const shapes = makePaths(layer, {
      levels: "rl-level",
      target: "rl-pole",
      flow: "rl-exact rl-hair",
      ...lookOfBoth({ rivals: "rl-rivals", path: "", dots: "rl-dots" }),
      contour: "rl-exact",
      ...lookOfBoth({ outline: "rl-outline", arrow: "rl-stroke", cross: "rl-stroke" }),
    });
    const spots = makeSpots(layer, 3.5);
    const names = KINDS.flatMap((kind) =>
      ["in σ", "in log σ"].map((text) =>
        node(layer, "text", { class: `rl-label rl-${COLOUR[kind]}`, "text-anchor": "middle" }, text),
      ),
    );
    const triangle = svgElement("path", { class: "rl-mark", d: "M-8,0H8L0,-12Z" });
    const target = makeHandle(base.svg, "Target c: left and right arrow keys move it", triangle, reach("c"));
    node(target, "text", { class: "rl-label", x: 10, y: -3 }, "c");
    // What is small around the policy is seen through a loupe.
    const loupe = node(base.svg, "g");
    const at = { x: base.right - LOUPE, y: base.top, width: LOUPE, height: LOUPE };
    node(loupe, "rect", { ...at, class: "rl-loupe" });
    const glass = node(loupe, "svg", at);
    const seen = ["contour", ...KINDS.map((kind) => `outline-${kind}`)].map((name) => [
      name,
      node(glass, "path", { class: shapes[name].getAttribute("class"), "vector-effect": "non-scaling-stroke" }),
    ]);
    const times = node(loupe, "text", { class: "rl-label", x: at.x - 5, y: at.y + 12, "text-anchor": "end" });
    const dot = round();
    const policy = makeHandle(base.svg, `Policy: arrow keys move μ and ${vertical}`, dot, reach("mu"));
    return { ...base, shapes, spots, names, target, loupe, glass, seen, times, policy, dot };
  }
  // The c handle first; the empty plane drags the policy.
  dragging(
    holder,
    [
      {
        node: () => parts.target,
        at: () => [parts.x(now.c), parts.foot],
        drag: ([c]) => move({ c }),
        key: ([dx, dy]) => move({ c: now.c + 0.05 * (dx || dy) }),
      },
      {
        node: () => parts.policy,
        at: () => [parts.x(now.mu), parts.y(lift(now.sigma))],
        drag: ([mu, v]) => move({ mu, sigma: log ? Math.exp(v) : v }),
        key: ([dx, dy]) =>
          move(
            dx ? { mu: now.mu + 0.05 * dx } : { sigma: log ? now.sigma * Math.exp(0.05 * dy) : now.sigma + 0.05 * dy },
          ),
      },
    ],
    ([x, y]) => [parts.invert(x), parts.invertY(Math.min(parts.foot + 100, Math.max(parts.top, y)))],
  );

  return function draw(given, state, size, { paths = true, outlines = true, still = false } = {}) {
    now = given;
    const inStep = size.length > 1; // with a height of its own
    const frameOf = inStep ? [...size, now.sigma > 0.95 * LOW] : size;
    parts = kept(frameOf, () => build(frameOf));
    const { mu, sigma, c } = now;
    for (const handle of [parts.policy, parts.target]) put(handle, { tabindex: still ? -1 : 0 });
    const { x, y, shapes, spots, names, top, foot } = parts;
    const high = lift(1e4);
    const at = ([m, s]) => {
      const v = s > 0 ? lift(s) : log ? -9 : 0;
      const px = x(Math.min(1e9, Math.max(-1e9, m))); // of a larger number the scale would make none at all
      return [Math.min(9e3, Math.max(-9e3, px)), y(Math.min(high, v))];
    };
    const set = (name, d) => put(shapes[name], { d });
    // Circles around (c, 0) in (μ, σ).
    const ring = (r) => path(ANGLES.map((angle) => at([c + r * Math.cos(angle), r * Math.sin(angle)])));
    set("levels", RADII.map(ring).join(""));
    set("target", `M${x(c)},${top}V${foot}`);
    set("flow", paths ? path(state.flow.map(at)) : "");
    set("contour", outlines ? `${path(state.contour.map(at))}Z` : "");
    const drawn = (points) => thinned(finite(points)).map(at);
    const [rivals, own] = [
      KINDS.map((kind) => state.rivals[kind].map(drawn)),
      KINDS.map((kind) => drawn(state.paths[kind])),
    ];
    // Paths that have come apart are named where there is room beside them.
    const crowd = [...rivals.flat(), ...own].flatMap(spaced);
    crowd.push(at([mu, sigma]), [x(c), foot - 6], [x(c) + 12, foot - 6]);
    const labels = [];
    names.forEach((name, i) => {
      const [mine, other] = i % 2 ? [1, 0] : [0, 1];
      const wide = [14, 24][mine]; // half of its width
      const place = placeBeside(rivals[i >> 1][mine], rivals[i >> 1][other], [...crowd, ...labels], wide, parts);
      name.style.display = place ? "" : "none";
      if (!place) return;
      put(name, { x: place[0], y: place[1] + 4 });
      labels.push(place, [place[0] - wide, place[1]], [place[0] + wide, place[1]]);
    });
    for (const [i, kind] of KINDS.entries()) {
      const points = own[i];
      set(`rivals-${kind}`, rivals[i].map(path).join(""));
      set(`path-${kind}`, path(points));
      set(`dots-${kind}`, points.length <= now.steps / 2 ? "" : dots(points.slice(1)));
      set(`outline-${kind}`, outlines ? closed(state.outlines[kind], mu, state.edges[kind], now.bend, at) : "");
      const spot = state.steepest[kind];
      const { points: taken, leaves } = paths ? state.strokes[kind] : { points: [[mu, sigma], spot], leaves: false };
      const stroke = taken.map(at);
      set(`arrow-${kind}`, leaves ? path(stroke) : arrow(stroke));
      const [px] = stroke.at(-1);
      set(`cross-${kind}`, leaves ? `M${px - 6},${foot - 6}l12,-12m0,12l-12,-12` : "");
      const there = outlines && Number.isFinite(spot[1]);
      spots[kind].style.display = there ? "" : "none";
      if (there) put(spots[kind], { cx: at(spot)[0], cy: at(spot)[1] });
    }
    const [px, py] = at([mu, sigma]);
    put(parts.dot, { r: still ? 4.5 : 7.5 }); // nothing to hold
    const zoom = (0.25 * LOUPE) / Math.abs(x(Math.sqrt(2 * now.delta) * sigma) - x(0));
    const near = inStep && outlines && zoom > 2;
    parts.loupe.style.display = near ? "" : "none";
    if (near) {
      const wide = LOUPE / zoom;
      put(parts.glass, { viewBox: `${px - wide / 2} ${py - wide / 2} ${wide} ${wide}` });
      for (const [name, shape] of parts.seen) shape.setAttribute("d", shapes[name].getAttribute("d"));
      parts.times.textContent = `× ${format(Number(zoom.toPrecision(2)))}`;
    }
    moveHandle(parts.policy, [px, py], mu, `μ = ${format(mu)}, σ = ${format(sigma)}`);
    moveHandle(parts.target, [x(c), foot], c, `c = ${format(c)}`);
    const end = (kind) => {
      const [m, s] = state.paths[kind].at(-1);
      return Number.isFinite(s) ? `at μ = ${format(m)}, σ = ${format(s)}` : "nowhere, for it has left σ > 0";
    };
    const words = `The plane of μ and ${vertical}: the policy at μ = ${format(mu)}, σ = ${format(sigma)}, the target c = ${format(c)}; the Euclidean path ends ${end("euclidean")}, the natural one ${end("natural")}.`;
    label(parts.svg, words);
  };
}

// Densities before and after a step --------------------------------------------------------------------------------

export function makeDensities(holder) {
  const kept = keeper();
  return function draw({ mu, sigma, c }, { step }, size) {
    const peak = (s) => (Number.isFinite(s) ? 0.4 / s : 0);
    const needed = Math.max(peak(sigma), peak(step.natural[1]), Math.min(peak(step.euclidean[1]), 2.5 * peak(sigma)));
    const top = [0.5, 1, 2, 5, 10, 20, 50, 100].find((level) => level >= 1.05 * needed) ?? 200;
    const { x, y, curves, names, ...base } = kept([...size, top], () => {
      const base = chart(holder, size, {
        marginBottom: 38,
        x: { domain: ACTIONS, ticks: [-4, -2, 0, 2, 4], label: "action a" },
        y: { domain: [0, top], ticks: 4, label: "density" },
      });
      const curves = makePaths(base.layer, {
        target: "rl-pole",
        before: "rl-exact rl-heavy",
        euclidean: "rl-of-euclidean",
        natural: "rl-of-natural",
      });
      // The names stand where no policy's peak can be.
      const name = (row, kind, text) => {
        const at = { x: base.right - 2, y: base.top + 14 + 15 * row };
        return node(base.svg, "text", { class: `rl-label ${kind}`, "text-anchor": "end", ...at }, text);
      };
      const names = {
        before: name(0, "", "before"),
        euclidean: name(1, "rl-plain", NAMES.euclidean),
        natural: name(2, "rl-improved", NAMES.natural),
        target: node(base.layer, "text", { class: "rl-label", y: base.top + 12 }, "c"),
      };
      return { ...base, curves, names };
    });
    curves.target.setAttribute("d", `M${x(c)},${base.top}V${base.foot}`);
    names.target.setAttribute("x", x(c) + 5);
    for (const [name, [m, s]] of Object.entries({ before: [mu, sigma], ...step })) {
      const there = Number.isFinite(s) && s > 0;
      if (name !== "before") names[name].textContent = there ? NAMES[name] : `${NAMES[name]}: none`;
      // Evenly over the axis and, where the density is narrow, over itself.
      const even = Array.from({ length: 121 }, (_, i) => ACTIONS[0] + ((ACTIONS[1] - ACTIONS[0]) * i) / 120);
      const near = Array.from({ length: 61 }, (_, i) => m + ((i - 30) / 7) * s);
      const inside = [...even, ...near].filter((a) => a >= ACTIONS[0] && a <= ACTIONS[1]).sort((a, b) => a - b);
      const points = inside.map((a) => [x(a), Math.max(-50, y(gaussianDensity(a, m, s)))]);
      curves[name].setAttribute("d", there ? path(points) : "");
    }
    const say = ([m, s]) => (Number.isFinite(s) ? `mean ${format(m)}, deviation ${format(s)}` : "no policy");
    const words = `Densities: before, mean ${format(mu)}, deviation ${format(sigma)}; after a Euclidean step, ${say(step.euclidean)}; after a natural step, ${say(step.natural)}.`;
    label(base.svg, words);
  };
}

const listed = (p) => p.map((q) => format(Number(q.toPrecision(3)))).join(", ");

// The triangle of policies over three actions ----------------------------------------------------------------------

const HEIGHT = Math.sqrt(0.75);
const CORNERS = [
  [0, 0],
  [1, 0],
  [0.5, HEIGHT],
];
const mix = (p) => [0, 1].map((i) => p.reduce((sum, q, a) => sum + q * CORNERS[a][i], 0));

// The policy at a point of the plane, or one beside the edge: an action that loses all of its probability would never
// get any again. Those that have none keep none.
const LEAST = 0.002;
function unmix([x, y], open) {
  const p3 = y / HEIGHT;
  const p2 = x - p3 / 2;
  const p = [1 - p2 - p3, p2, p3].map((q, a) => (open[a] ? Math.max(LEAST, q) : 0));
  const above = p.reduce((sum, q) => sum + Math.max(0, q - LEAST), 0);
  const room = 1 - LEAST * open.filter(Boolean).length;
  const found = p.map((q, a) => (open[a] ? Number((LEAST + (room * (q - LEAST)) / above).toFixed(6)) : 0));
  const most = found.indexOf(Math.max(...found));
  const rest = found.reduce((sum, q, a) => sum + (a === most ? 0 : q), 0);
  return found.map((q, a) => (a === most ? Number((1 - rest).toFixed(6)) : q)); // the sum is 1
}

export function makeTriangle(holder, move) {
  const kept = keeper();
  let parts, now;
  const open = () => now.start.map((p) => p > 0);
  function build([width, height]) {
    const side = Math.min(width - 70, (height - 66) / HEIGHT);
    const [x0, foot] = [35, 26 + side * HEIGHT]; // to the left, under its title
    const view = { width, height, viewBox: `0 0 ${width} ${height}` };
    const svg = svgElement("svg", { ...view, role: "group", class: "rl-drag rl-free-drag" });
    holder.replaceChildren(svg);
    const place = (/** @type {number[]} */ [x, y]) => [x0 + side * x, foot - side * y];
    const levels = node(svg, "path", { class: "rl-level" });
    node(svg, "path", { class: "rl-exact", d: `${path(CORNERS.map(place))}Z` });
    const curves = makePaths(svg, lookOfBoth({ ahead: "rl-rivals", path: "", dots: "rl-dots" }));
    const spots = makeSpots(svg, 6);
    const names = CORNERS.map((corner, a) => {
      const [x, y] = place(corner);
      return node(svg, "text", { class: "rl-label", "text-anchor": "middle", x, y: a === 2 ? y - 9 : y + 18 });
    });
    const name = "Policy at the start: left and right arrow keys move it towards a₁ and a₂, up and down to and from a₃";
    const policy = makeHandle(svg, name, round(), [0, 1]);
    return { svg, place, levels, curves, spots, names, policy, x0, foot, side };
  }
  dragging(
    holder,
    [
      {
        node: () => parts.policy,
        at: () => parts.place(mix(now.start)),
        drag: (point) => move(unmix(point, open())),
        key: ([dx, dy]) => {
          const [x, y] = mix(now.start);
          move(unmix([x + 0.02 * dx, y + 0.02 * dy], open()));
        },
      },
    ],
    ([x, y]) => [(x - parts.x0) / parts.side, (parts.foot - y) / parts.side],
  );
  return function draw(given, { pi, paths, ends, best }, size) {
    now = given;
    parts = kept(size, () => build(size));
    const { place, curves, spots } = parts;
    const { rewards, steps } = now;
    // Lines of equal η: from each edge's point of that η to another's.
    let levels = "";
    for (let i = 1; i < 10; i++) {
      const level = i / 10;
      const crossings = [0, 1, 2].flatMap((a) => {
        const b = (a + 1) % 3;
        const share = (level - rewards[a]) / (rewards[b] - rewards[a]);
        if (!(share >= 0 && share < 1)) return [];
        return [place([0, 1].map((j) => CORNERS[a][j] + share * (CORNERS[b][j] - CORNERS[a][j])))];
      });
      if (crossings.length > 1) levels += path(crossings.slice(0, 2));
    }
    parts.levels.setAttribute("d", levels);
    for (const kind of KINDS) {
      const at = (some) => some.map((p) => place(mix(p)));
      put(curves[`ahead-${kind}`], { d: path(at(thinned(paths[kind]))) });
      put(curves[`path-${kind}`], { d: path(at(thinned(paths[kind].slice(0, steps + 1)))) });
      put(curves[`dots-${kind}`], { d: dots(at(paths[kind].slice(1, Math.min(steps + 1, DOTS)))) });
      const [cx, cy] = place(mix(ends[kind]));
      put(spots[kind], { cx, cy });
    }
    parts.names.forEach((name, a) => {
      tell(name, `a${subscript(a + 1)}: r = ${format(rewards[a])}`);
      name.classList.toggle("rl-best", a === best);
    });
    moveHandle(parts.policy, place(mix(pi)), pi[best], `probabilities ${listed(pi)}`);
    const words = `The triangle of policies: from probabilities ${listed(pi)} the Euclidean path goes to ${listed(ends.euclidean)}, the natural one to ${listed(ends.natural)}.`;
    label(parts.svg, words);
  };
}

// η against the number of steps ------------------------------------------------------------------------------------

export function makeReturns(holder, seek) {
  const kept = keeper();
  return function draw({ rewards, steps, range }, { paths, etaEnd, half }, size) {
    const parts = kept([...size, range], () => {
      const base = chart(holder, size, {
        marginBottom: 38,
        x: { domain: [0, range], label: "n, steps" },
        y: { domain: [0, 1], label: "η" },
      });
      const curves = makePaths(base.layer, {
        best: "rl-exact rl-hair",
        cursor: "rl-pole",
        ...lookOfBoth({ ahead: "rl-rivals", path: "" }),
      });
      const spots = makeSpots(base.svg, 6);
      const names = both((_, kind) => node(base.svg, "text", { class: `rl-label rl-${COLOUR[kind]}` }, NAMES[kind]));
      dragAlong(base, (n) => seek(Math.round(n)));
      return { ...base, curves, spots, names };
    });
    const { x, y, curves, spots, names, top, foot, left, right } = parts;
    put(curves.best, { d: `M${left},${y(Math.max(...rewards))}H${right}` });
    put(curves.cursor, { d: `M${x(steps)},${top}V${foot}` });
    for (const kind of KINDS) {
      const points = paths[kind].slice(0, range + 1).map((p, n) => [x(n), y(banditReturn(p, rewards))]);
      put(curves[`ahead-${kind}`], { d: path(thinned(points)) });
      put(curves[`path-${kind}`], { d: path(thinned(points.slice(0, steps + 1))) });
      put(spots[kind], { cx: x(steps), cy: y(etaEnd[kind]) });
    }
    // The curves rise: before the end there is room over them, after it below.
    const after = x(steps) < (left + right) / 2;
    const heights = both((_, kind) => {
      const [over, below] = [y(etaEnd[kind]) - 9, y(etaEnd[kind]) + 18];
      if (after) return below < foot - 4 ? below : over;
      return over > top + 11 ? over : below;
    });
    if (Math.abs(heights.natural - heights.euclidean) < 14) {
      heights.euclidean = Math.min(foot - 4, heights.natural + 14);
      if (heights.euclidean < heights.natural + 14) heights.natural = heights.euclidean - 14;
    }
    for (const kind of KINDS) {
      put(names[kind], { x: x(steps) + (after ? 10 : -10), y: heights[kind], "text-anchor": after ? "start" : "end" });
    }
    const when = (kind) => (Number.isFinite(half[kind]) ? `after ${half[kind]} steps` : "not for thousands of steps");
    const words = `η against the number of steps: after ${steps}, ${format(etaEnd.euclidean)} by the Euclidean and ${format(etaEnd.natural)} by the natural gradient; the best action has half of the probability ${when("euclidean")} and ${when("natural")}.`;
    label(parts.svg, words);
  };
}

// The policies as bars ---------------------------------------------------------------------------------------------

export function makeBars(holder) {
  const kept = keeper();
  return function draw({ steps }, { pi, ends }, size) {
    const { x, y, bars, foot, svg } = kept(size, () => {
      const base = chart(holder, size, {
        marginBottom: 38,
        x: { domain: [-0.5, 2.5], ticks: [0, 1, 2], tickFormat: (a) => `a${subscript(a + 1)}`, label: "action" },
        y: { domain: [0, 1], ticks: 4, label: "π(a)" },
      });
      const bars = ["before", ...KINDS].map((kind) =>
        [0, 1, 2].map(() => node(base.layer, "rect", { class: `rl-bar rl-bar-${kind}` })),
      );
      return { ...base, bars };
    });
    const wide = x(0.24) - x(0);
    for (const [i, p] of [pi, ends.euclidean, ends.natural].entries())
      p.forEach((q, a) => {
        const top = y(q);
        put(bars[i][a], { x: x(a + 0.27 * (i - 1)) - wide / 2, width: wide, y: top, height: Math.max(0, foot - top) });
      });
    const words = `Probabilities of a₁, a₂, a₃: at the start ${listed(pi)}; after ${steps} Euclidean steps ${listed(ends.euclidean)}; after as many natural ones ${listed(ends.natural)}.`;
    label(svg, words);
  };
}
