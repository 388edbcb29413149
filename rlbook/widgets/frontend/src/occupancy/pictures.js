// The pictures of Occupancy: the square of policies, the polygon of their occupancies, and what η or the optimum does
// as the view's one number changes.
import { format, label, tell } from "../shared/controls.js";
import { between, chart, clearest, dragAlong, keeper, path } from "../shared/frame.js";
import {
  arrow,
  dragging,
  drawPaths,
  handled,
  makeHandle,
  makePaths,
  moveHandle,
  node,
  put,
  round,
} from "../shared/handles.js";
import * as numerics from "./numerics.js";

const PAD = 0.07; // around the square and the polygon, of their size
const HALVES = [0, 0.5, 1];
const WIDE = 2; // a step's polygon with its dial is so many times as wide as high
const QUARTERS = [0.25, 0.5, 0.75];
const { CORNERS, NAMES } = numerics;
const probability = (x) => Number(between(0, 1, x).toFixed(6));
export const say = ([p, q]) => `(${format(p)}, ${format(q)})`;

// One over the other.
const SHAPES = {
  region: "rl-region",
  grid: "rl-mesh",
  levels: "rl-level",
  support: "rl-support",
  cross: "rl-exact rl-cross",
  border: "rl-exact",
  side: "rl-of-natural",
  policies: "rl-exact rl-heavy",
  occupancies: "rl-mixed",
  cooling: "rl-of-natural",
};

// The square of policies and the polygon of occupancies are drawn alike. `of` maps a policy to its point in the unit
// square of the panel, and `back` a point of it to a policy.
/** @param {HTMLElement} holder @param {any} options */
function makePanel(holder, { names, labels, of, back, move, turn }) {
  const kept = keeper();
  let parts, now, state;
  /** @type {{ step: boolean, open: boolean, offers: (control: string) => boolean }} */
  let how;
  const aims = () => how.offers("angle");
  const moves = (name) => how.offers(name) || (name === "policy" && ["first", "second"].some(how.offers));
  function build([most, height], wide) {
    const margins = { marginLeft: 52, marginTop: 6, marginRight: 10, marginBottom: how.step ? 32 : 40 };
    const inner = height - margins.marginTop - margins.marginBottom;
    const sides = margins.marginLeft + margins.marginRight;
    const across = Math.min(wide ? WIDE * inner : inner, most - sides);
    const halves = how.step && !turn ? [0, 1] : HALVES; // a step has room for few numbers
    const bare = { ticks: halves, tickFormat: () => "", grid: true };
    const called = labels.slice(how.step ? 2 : 0);
    const ends = [-PAD, -PAD + ((1 + 2 * PAD) * across) / inner];
    const base = handled(holder, [across + sides, height], {
      ...margins,
      x: { ...bare, domain: ends, label: called[0], labelOffset: how.step ? 28 : 34 },
      y: { ...bare, domain: [-PAD, 1 + PAD], label: called[1], labelOffset: 44 },
    });
    const { svg, layer, x, y } = base;
    const ticks = halves.map((at) => [
      at,
      node(svg, "text", { class: "rl-side", x: x(at), y: base.foot + 15, "text-anchor": "middle" }),
      node(svg, "text", { class: "rl-side", x: base.left - 6, y: y(at) + 4, "text-anchor": "end" }),
    ]);
    const shapes = makePaths(layer, SHAPES);
    const best = CORNERS.map(() => node(layer, "circle", { class: "rl-best-corner", r: 5.5 }));
    const corners = CORNERS.map(() => node(svg, "text", { class: "rl-label" }));
    const marks = {
      policies: node(layer, "path", { class: "rl-spot rl-spot-policies", d: "M-5,-5H5V5H-5Z" }),
      occupancies: node(layer, "path", { class: "rl-spot rl-spot-other", d: "M0,-7L7,0L0,7L-7,0Z" }),
      soft: node(layer, "path", { class: "rl-spot rl-spot-natural", d: "M0,-7L7,0L0,7L-7,0Z" }),
    };
    const handle = (name, text, sign, kind) => {
      const made = makeHandle(svg, `${text} ${sign}, in ${names}: arrow keys move it`, round(kind), [0, 1]);
      free(made, moves(name));
      node(made, "text", { class: "rl-label", "text-anchor": "middle" }, sign);
      return made;
    };
    const other = handle("other", "Other policy", "π′", "rl-handle-other");
    const policy = handle("policy", "Policy", "π", "");
    const dial = turn && makeDial(base, wide ? 0.27 * inner : 0.13 * inner);
    return { ...base, ticks, shapes, best, corners, marks, other, policy, dial };
  }
  // A handle that a step does not offer is a mark.
  function free(handle, yes) {
    if (yes) return;
    for (const name of ["tabindex", "role", "aria-label"]) handle.removeAttribute(name);
    put(handle, { "aria-hidden": "true", class: "" });
  }

  // The reward's direction, in the half of the frame where no occupancy can be.
  function makeDial({ svg, right, top }, radius) {
    const centre = [right - radius - 20, top + radius + 20];
    const face = node(svg, "g", { transform: `translate(${centre})` });
    node(face, "circle", { class: "rl-pole", r: radius });
    const stroke = node(face, "path", { class: "rl-arrow" });
    node(face, "text", { class: "rl-label", "text-anchor": "middle", y: radius + 26 }, "reward");
    const tip = makeHandle(face, "Direction of the reward: arrow keys turn it", round("", 6.5), [-180, 180]);
    face.style.display = aims() ? "" : "none";
    free(tip, aims());
    return { radius, centre, stroke, tip };
  }

  const placeOf = ([u, v]) => [parts.x(u), parts.y(v)];
  const handleOf = (name, trait) => ({
    node: () => parts[name],
    at: () => placeOf(of(now[trait], state)),
    drag: ([px, py]) => moves(name) && to(trait, back([parts.invert(px), parts.invertY(py)], now[trait], state)),
    key: ([dx, dy]) => {
      const [u, v] = of(now[trait], state);
      to(trait, back([u + 0.02 * dx, v + 0.02 * dy], now[trait], state));
    },
  });
  // A step may offer one of the two probabilities alone.
  const offeredOf = (pi, before) => pi.map((p, s) => (how.offers(["first", "second"][s]) ? probability(p) : before[s]));
  const to = (trait, pi) => move(trait, offeredOf(pi, now[trait]));
  const dial = {
    node: () => parts.dial.tip,
    at: () => {
      const angle = (state.angle * Math.PI) / 180;
      const { centre, radius } = parts.dial;
      return [centre[0] + radius * Math.cos(angle), centre[1] - radius * Math.sin(angle)];
    },
    drag: ([px, py]) => {
      const [cx, cy] = parts.dial.centre;
      turn((Math.atan2(cy - py, px - cx) * 180) / Math.PI);
    },
    key: ([dx, dy]) => turn(Math.abs(dx) > 360 ? 180 * Math.sign(dx) : (state.angle || 0) + dx + dy),
  };
  dragging(holder, [...(turn ? [dial] : []), handleOf("other", "pi_new"), handleOf("policy", "pi")]);

  return function draw(given, computed, size, offered) {
    [now, state, how] = [given, computed, offered];
    const wide = Boolean(turn) && how.step && aims();
    parts = kept([size, wide, aims(), moves("policy"), moves("other")], () => build(size, wide));
    const { shapes, marks } = parts;
    const at = (pi) => placeOf(of(pi, state));
    const mass = turn ? numerics.mass(now) : 1;
    for (const [at, ...pair] of parts.ticks) for (const tick of pair) tell(tick, format(at * mass));
    const corners = CORNERS.map(at);
    const outline = `${path(corners)}Z`;
    // Where one state's probability is fixed the image is straight: its two ends are enough.
    const line = (s, value) => path([0, 1].map((end) => at(s ? [end, value] : [value, end])));
    const lines = (turn ? state.levels : state.curves).map((points) => path(points.map(placeOf)));
    const best = state.best.map((k) => corners[k]);
    const mixing = now.view === "mixing";
    const cooling = now.view === "temperature";
    const told = mixing && !how.open;
    drawPaths(shapes, {
      region: outline,
      border: outline,
      grid: QUARTERS.flatMap((value) => [line(0, value), line(1, value)]).join(""),
      cross: moves("policy") ? line(0, now.pi[0]) + line(1, now.pi[1]) : "",
      levels: aims() || how.offers("first") ? lines.join("") : "",
      side: aims() && best.length > 1 ? `${path(best)}${best.length === 4 ? "Z" : ""}` : "",
      policies: told ? path(state.mixed.map(({ mixed }) => at(mixed))) : "",
      occupancies: mixing ? path(state.mixed.map(({ policy }) => at(policy))) : "",
      cooling: cooling ? path(state.cooled.map(({ pi }) => at(pi))) : "",
    });
    parts.best.forEach((mark, k) => {
      mark.style.display = aims() && state.best.includes(k) ? "" : "none";
      put(mark, { cx: corners[k][0], cy: corners[k][1] });
    });
    if (turn) {
      const aimed = Number.isFinite(state.angle);
      const [dx, dy] = [Math.cos((state.angle * Math.PI) / 180), -Math.sin((state.angle * Math.PI) / 180)];
      const [px, py] = best[0];
      const seen = aims() && now.view === "reward" && aimed;
      const support = seen ? `M${px - 999 * dy},${py + 999 * dx}L${px + 999 * dy},${py - 999 * dx}` : "";
      shapes.support.setAttribute("d", support);
      const { radius, stroke, tip } = parts.dial;
      const [ex, ey] = aimed ? [radius * dx, radius * dy] : [0, 0];
      stroke.setAttribute("d", arrow([-0.75, 0.35, 0.8].map((share) => [share * ex, share * ey])));
      moveHandle(tip, [ex, ey], state.angle || 0, aimed ? `${format(state.angle)} degrees` : "no direction");
    }
    const middle = [0, 1].map((i) => corners.reduce((sum, corner) => sum + corner[i] / 4, 0));
    const texts = turn ? state.names.map((name, k) => (state.names.indexOf(name) === k ? name : "")) : NAMES;
    parts.corners.forEach((corner, k) => {
      const [px, py] = corners[k];
      const leftwards = px < middle[0];
      corner.textContent = aims() ? texts[k] : "";
      const isBest = texts[k].split(" = ").some((name) => state.best.includes(NAMES.indexOf(name)));
      for (const kind of ["rl-improved", "rl-best"]) corner.classList.toggle(kind, isBest);
      const room = 7 * texts[k].length; // about as wide as it is
      const inFrame = leftwards ? px - 4 - room > 16 : px + 9 + room < parts.right + 8;
      const beside = inFrame ? px + (leftwards ? -4 : 9) : leftwards ? 16 : parts.right + 8;
      // Below are the axis's numbers: there the names stand inside, off the edges.
      const inside = py > middle[1];
      const spots = [5, 10, 15, 20, 25].map((off) => [px + (leftwards ? off : -off - room), py - 7]);
      const [start] = inside ? clearest(spots, room, { lines: [[...corners, corners[0]]], frame: parts }) : [beside];
      const anchor = leftwards === inFrame ? "start" : "end";
      put(corner, { x: start, y: py - 7, "text-anchor": inside ? "start" : anchor });
    });

    // Beside a dot, on the side that turns away from the other one, or, alone, inwards, where no corner's name is; and
    // off lines and names.
    const drawn = [[...corners, corners[0]]];
    if (moves("policy"))
      drawn.push(...[0, 1].map((k) => [0, 1].map((end) => at(k ? [end, now.pi[1]] : [now.pi[0], end]))));
    if (mixing) drawn.push([at(now.pi), at(now.pi_new)]);
    const named = corners.filter((_, k) => aims() && texts[k]);
    const place = (mark, there, pi, facing) => {
      mark.style.display = there ? "" : "none";
      if (!there) return;
      const [px, py] = at(pi);
      mark.setAttribute("transform", `translate(${px},${py})`);
      const name = mark.querySelector("text");
      if (!name) return;
      const [ox, oy] = facing ? at(facing).map((end, i) => end - [px, py][i]) : [px - middle[0], py - middle[1]];
      const sides = [0, 45, 90, 135, 180, 225, 270, 315].map((turn) => {
        const angle = (turn * Math.PI) / 180;
        return [16 * Math.cos(angle), 16 * Math.sin(angle)];
      });
      const facingAway = sides.sort(([a, b], [c, d]) => a * ox + b * oy - c * ox - d * oy);
      const spots = facingAway.map(([dx, dy]) => [px + dx - 4, py + dy + 4]);
      const [left, base] = clearest(spots, 8, { lines: drawn, marks: named, frame: parts });
      put(name, { x: left + 4 - px, y: base - py });
    };
    place(marks.policies, told, state.mixture?.mixed);
    place(marks.occupancies, mixing, state.mixture?.policy);
    place(marks.soft, cooling, state.soft?.pi);
    place(parts.other, mixing, now.pi_new, now.pi);
    place(parts.policy, mixing || !aims() || !how.step, now.pi, mixing && now.pi_new);
    const spoken = (pi) => {
      const rho = numerics.plane(numerics.occupancy(now, pi));
      return turn
        ? `ρ(0,1) = ${format(rho[0])}, ρ(1,1) = ${format(rho[1])}`
        : `π(1|0) = ${format(pi[0])}, π(1|1) = ${format(pi[1])}`;
    };
    put(parts.policy, { "aria-valuenow": now.pi[0], "aria-valuetext": spoken(now.pi) });
    put(parts.other, { "aria-valuenow": now.pi_new[0], "aria-valuetext": spoken(now.pi_new) });
    const where = (pi) => say(of(pi, state).map((u) => u * mass));
    let added = "";
    if (told)
      added = ` The mixed policies are at ${where(state.mixture.mixed)}, the mixed occupancies at ${where(state.mixture.policy)}.`;
    if (cooling) added = ` The optimum at this temperature is at ${where(state.soft.pi)}.`;
    const words = `${turn ? "The polygon of occupancies" : "The square of policies"}: ${spoken(now.pi)}; the best corner is ${state.best.map((k) => NAMES[k]).join(" and ")}.${added}`;
    label(parts.svg, words);
  };
}

export const makeSquare = (holder, move) =>
  makePanel(holder, {
    names: "the square",
    labels: ["π(1|0), action 1 in state 0", "π(1|1), in state 1", "π(1|0)", "π(1|1)"],
    of: (pi) => pi,
    back: (point) => point,
    move,
  });

export function makePolygon(holder, move, turn) {
  const of = (pi, { now }) => numerics.plane(numerics.occupancy(now, pi)).map((x) => x * (1 - now.gamma));
  const back = (point, pi, { now, corners }) => {
    const mass = numerics.mass(now);
    const target = point.map((u) => u * mass);
    const at = numerics.nearest(corners, target);
    const rho = numerics.fromPlane(now, at).map((row) => row.map((x) => (x < 1e-12 * mass ? 0 : x)));
    return numerics.policyFromOccupancy(rho, pi);
  };
  return makePanel(holder, {
    names: "the polygon",
    labels: ["ρ(0,1), discounted visits", "ρ(1,1), discounted visits", "ρ(0,1)", "ρ(1,1)"],
    of,
    back,
    move,
    turn,
  });
}

// Against the view's one number ------------------------------------------------------------------------------------

// Ends and ticks of an axis that holds both values, at round numbers.
export function roundAxis(low, high) {
  const span = Math.max(high - low, 1e-6 * Math.max(1, Math.abs(low), Math.abs(high)));
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const step = power * ([1, 2, 5].find((x) => x * power * 4 >= span * 0.999) ?? 10);
  const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  const [from, to] = first === last ? [first - 1, last + 1] : [first, last];
  return Array.from({ length: to - from + 1 }, (_, i) => (from + i) * step);
}

// What each view's graph has: its axes, its paths and dots, and what draws them, from its parts. That gives where the
// number stands, how high the dots are, and the picture in words.
const GRAPHS = {
  reward: {
    domain: [-180, 180],
    across: [-180, -90, 0, 90, 180],
    labels: ["φ, direction of the reward (degrees)", "η"],
    paths: {
      ...Object.fromEntries(NAMES.map((name) => [`corner${name}`, "rl-level rl-corner-curve"])),
      jumps: "rl-pole rl-jump",
      best: "rl-of-natural",
    },
    dots: ["rl-spot rl-spot-natural"],
    draw: drawReward,
  },
  mixing: {
    domain: [0, 1],
    across: [0, 0.25, 0.5, 0.75, 1],
    labels: ["λ, share of π′", "η"],
    paths: { policies: "rl-exact rl-heavy", occupancies: "rl-mixed" },
    dots: ["rl-spot rl-spot-policies", "rl-spot rl-spot-other"],
    draw: drawMixing,
  },
  temperature: {
    type: "log",
    domain: [0.02, 20],
    across: [0.02, 0.1, 1, 10],
    labels: ["α, temperature (units of reward)", "π(1|s) of the optimum"],
    paths: { state0: "rl-of-natural", state1: "rl-of-natural rl-second" },
    dots: ["rl-spot rl-spot-natural", "rl-spot rl-spot-natural"],
    draw: drawTemperature,
  },
};

function drawReward({ x, y, paths, name, left, right, top, foot }, _, state) {
  const { angle: at, corners, names, jumps } = state;
  const length = Math.hypot(...state.direction);
  const eta = ([p, q], degrees) => {
    const angle = (degrees * Math.PI) / 180;
    return state.origin + length * (Math.cos(angle) * p + Math.sin(angle) * q);
  };
  const degrees = Array.from({ length: 121 }, (_, i) => -180 + 3 * i);
  const curve = (of) => path(degrees.map((angle) => [x(angle), y(of(angle))]));
  corners.forEach((corner, k) => {
    drawPaths(paths, { [`corner${NAMES[k]}`]: curve((angle) => eta(corner, angle)) });
    name(k, "", 0, 0);
  });
  drawPaths(paths, {
    jumps: jumps.map(([angle]) => `M${x(angle)},${top}V${foot}`).join(""),
    best: curve((angle) => Math.max(...corners.map((corner) => eta(corner, angle)))),
  });
  // Each arc of the envelope has the name of the corner that is best there.
  jumps.forEach(([from, , corner], k) => {
    const half = (from + (jumps[k + 1]?.[0] ?? jumps[0][0] + 360)) / 2;
    const middle = half > 180 ? half - 360 : half;
    const j = NAMES.indexOf(corner);
    const kind = state.best.includes(j) ? "rl-improved rl-best" : "";
    const room = 4 + 3.5 * names[j].length;
    const py = Math.max(top + 10, y(eta(corners[j], middle)) - 9);
    name(k, names[j], between(left + room, right - room, x(middle)), py, { anchor: "middle", kind });
  });
  const heights = [Math.max(...state.returns)];
  const best = state.best.map((k) => NAMES[k]).join(" and ");
  const says = `η of the four corners against the direction φ of the reward, at ${format(at)} degrees; the best is ${best} with ${format(heights[0])}.`;
  return { at, heights, says };
}

function drawMixing({ x, y, paths, name, left, right, top, foot }, now, { mixed, mixtureEtas: heights }, open) {
  const kinds = ["policies", "occupancies"];
  const eta = (of, kind) => numerics.expectedReturn(now, of[kind]);
  const last = mixed.length - 1;
  const points = (kind) => mixed.map((one, i) => [x(i / last), y(eta(one, kind))]);
  drawPaths(paths, { policies: open ? "" : path(points("policies")), occupancies: path(points("occupancies")) });
  // Each name over or under its own curve, off the other and off the line of λ.
  const frame = { left, right, top, foot };
  const shown = kinds.filter((kind) => !open || kind === "occupancies");
  const marks = shown.map((kind) => [x(now.share), y(heights[kinds.indexOf(kind)])]);
  const lines = [...shown.map(points), [top, foot].map((py) => [x(now.share), py])];
  kinds.forEach((kind, i) => {
    const text = shown.includes(kind) ? `${kind} mixed` : "";
    const wide = 6.2 * text.length;
    const spots = [30, 20, 40, 12, 48].flatMap((k) => {
      const [px, py] = points(kind)[k];
      const start = between(left + 2, right - wide - 2, px - wide / 2);
      return [-10, 20, -18, 28].map((down) => [start, py + down]);
    });
    const [px, py] = clearest(spots, wide, { lines, marks, frame });
    name(i, text, px, py, { kind: i ? "rl-other" : "" });
  });
  const says = `η against λ: ${open ? "" : `a curve for mixed policies, at ${format(heights[0])}, and `}a straight line for mixed occupancies, at ${format(heights[1])}.`;
  return { at: now.share, heights, says };
}

function drawTemperature({ x, y, paths, name, left, right, top, foot }, { alpha: at }, { cooled, soft }) {
  const heights = soft.pi;
  const curve = (s) => path(cooled.map(({ alpha, pi }) => [x(alpha), y(pi[s])]));
  drawPaths(paths, { state0: curve(0), state1: curve(1) });
  // Each name stands between the curves where they are far apart, on the side from which its curve comes.
  const gap = ({ pi }) => Math.abs(pi[0] - pi[1]);
  const some = cooled.slice(18, 50);
  const widest = some.reduce((best, one, i) => (gap(one) > gap(some[best]) + 1e-6 ? i : best), 0);
  const [here, before] = [some[widest], cooled[19 + widest]]; // the latter is colder, to the left
  const upper = here.pi[0] >= here.pi[1] ? 0 : 1;
  const wide = gap(here) * (foot - top) > 44;
  ["state 0", "state 1 (dashed)"].forEach((text, s) => {
    const below = (s === upper) === wide;
    const rises = here.pi[s] > before.pi[s];
    const anchor = rises === below ? "start" : "end";
    const py = between(top + 12, foot - 6, y(here.pi[s]) + (below ? 18 : -10));
    const room = 6 * text.length + 4; // about as wide as it is
    const [first, last] = anchor === "end" ? [left + room, right] : [left, right - room];
    name(s, text, between(first, last, x(here.alpha)), py, { anchor, kind: "rl-improved" });
  });
  const says = `The optimum’s probability of action 1 against the temperature: at α = ${format(at)}, ${format(heights[0])} in state 0 and ${format(heights[1])} in state 1.`;
  return { at, heights, says };
}

export function makeGraph(holder, change) {
  const kept = keeper();
  function build(view, ticks, size, step) {
    const { type, domain, across, labels, paths, dots } = GRAPHS[view];
    const some = across.filter((_, i) => !step || i % 2 === 0);
    const base = chart(holder, size, {
      marginTop: 14,
      marginRight: 16,
      x: { type, domain, ticks: some, tickFormat: format, label: labels[0] },
      y: { domain: [ticks[0], ticks.at(-1)], ticks, tickFormat: format, label: labels[1] },
    });
    const { svg, layer } = base;
    const names = Array.from({ length: 4 }, () => node(svg, "text", { class: "rl-label" }));
    dragAlong(base, (x) => change(view, x));
    return {
      ...base,
      paths: makePaths(layer, { ...paths, cursor: "rl-pole" }),
      spots: dots.map((kind) => node(layer, "circle", { class: kind, r: 6 })),
      name(i, text, px, py, { anchor = "start", kind = "" } = {}) {
        names[i].textContent = text;
        put(names[i], { class: `rl-label ${kind}`, x: px, y: py, "text-anchor": anchor });
      },
    };
  }
  return function draw(now, state, size, { step, open }) {
    const { view } = now;
    const { low, high } = state.heights;
    const ticks = view === "temperature" ? [0, 0.25, 0.5, 0.75, 1] : roundAxis(low, high);
    const parts = kept([view, ...size, ticks.join(), step], () => build(view, ticks, size, step));
    const { at, heights, says } = GRAPHS[view].draw(parts, now, state, open);
    const { x, y, paths, spots, top, foot, svg } = parts;
    paths.cursor.setAttribute("d", Number.isFinite(at) ? `M${x(at)},${top}V${foot}` : "");
    spots.forEach((spot, i) => {
      const hidden = !Number.isFinite(at) || (view === "mixing" && open && !i);
      spot.style.display = hidden ? "none" : "";
      if (Number.isFinite(at)) put(spot, { cx: x(at), cy: y(heights[i]) });
    });
    label(svg, says);
  };
}
