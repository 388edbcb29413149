// The pictures of Occupancy: the square of policies, the polygon of their occupancies, and what η or the optimum does
// as the view's one number changes.
import { format, svgElement } from "../shared/controls.js";
import { axesX, axesY, changes, frame, onDrag, path, pointIn, quiet } from "../shared/frame.js";
import { arrow, dragging, makeHandle, node, put } from "../shared/handles.js";
import { axisX, axisY, gridX, gridY } from "../shared/plot.js";
import * as numerics from "./numerics.js";

const PAD = 0.07; // around the square and the polygon, of their size
const HALVES = [0, 0.5, 1];
const WIDE = 2; // a step's polygon with its dial is so many times as wide as high
const QUARTERS = [0.25, 0.5, 0.75];
const { CORNERS, NAMES } = numerics;
const between = (low, high, x) => Math.min(high, Math.max(low, x));
const probability = (x) => Number(between(0, 1, x).toFixed(6));
const say = ([p, q]) => `(${format(p)}, ${format(q)})`;

// The square of policies and the polygon of occupancies are drawn alike. `of` maps a policy to its point in the unit
// square of the panel, and `back` a point of it to a policy.
/** @param {HTMLElement} holder @param {any} options */
function makePanel(holder, { names, labels, of, back, step, move, turn }) {
  const changed = changes();
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
    const domain = [-PAD, 1 + PAD];
    const bare = { ticks: HALVES, tickFormat: () => "" };
    const base = frame(holder, {
      width: across + sides,
      height,
      ...margins,
      x: { domain: [-PAD, -PAD + ((1 + 2 * PAD) * across) / inner] },
      y: { domain },
      marks: [
        gridX({ ...quiet, ticks: HALVES }),
        gridY({ ...quiet, ticks: HALVES }),
        axisX({ ...axesX, ...bare, labelOffset: how.step ? 28 : 34, label: labels[how.step ? 2 : 0] }),
        axisY({ ...axesY, ...bare, labelOffset: 44, label: labels[how.step ? 3 : 1] }),
      ],
    });
    const { svg, layer, x, y } = base;
    svg.setAttribute("role", "group"); // it holds handles
    svg.classList.add("rl-drag", "rl-free-drag");
    const ticks = HALVES.map((at) => [
      node(svg, "text", { class: "rl-side", x: x(at), y: base.foot + 15, "text-anchor": "middle" }),
      node(svg, "text", { class: "rl-side", x: base.left - 6, y: y(at) + 4, "text-anchor": "end" }),
    ]);
    const shapes = Object.fromEntries(
      [
        ["region", "rl-region"],
        ["grid", "rl-mesh"],
        ["levels", "rl-level"],
        ["support", "rl-support"],
        ["cross", "rl-exact rl-cross"],
        ["border", "rl-exact"],
        ["side", "rl-of-natural"],
        ["policies", "rl-exact rl-heavy"],
        ["occupancies", "rl-mixed"],
        ["cooling", "rl-of-natural"],
      ].map(([name, kind]) => [name, node(layer, "path", { class: kind })]),
    );
    const best = CORNERS.map(() => node(layer, "circle", { class: "rl-best-corner", r: 5.5 }));
    const corners = CORNERS.map(() => node(svg, "text", { class: "rl-label" }));
    const marks = {
      policies: node(layer, "path", { class: "rl-spot rl-spot-policies", d: "M-5,-5H5V5H-5Z" }),
      occupancies: node(layer, "path", { class: "rl-spot rl-spot-other", d: "M0,-7L7,0L0,7L-7,0Z" }),
      soft: node(layer, "path", { class: "rl-spot rl-spot-natural", d: "M0,-7L7,0L0,7L-7,0Z" }),
    };
    const handle = (name, kind) => makeHandle(svg, name, svgElement("circle", { class: `rl-handle ${kind}`, r: 7.5 }));
    const other = handle(`Other policy π′, in ${names}: arrow keys move it`, "rl-handle-other");
    const policy = handle(`Policy π, in ${names}: arrow keys move it`, "");
    free(other, moves("other"));
    free(policy, moves("policy"));
    for (const one of [other, policy]) put(one, { "aria-valuemin": 0, "aria-valuemax": 1 });
    for (const [parent, text] of [
      [other, "π′"],
      [policy, "π"],
    ]) {
      node(parent, "text", { class: "rl-label", "text-anchor": "middle" }).textContent = text;
    }
    parts = { ...base, inner, ticks, shapes, best, corners, marks, other, policy, invertY: base.svg.scale("y").invert };
    if (turn) parts.dial = makeDial(base, wide ? 0.27 * inner : 0.13 * inner);
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
    const name = node(face, "text", { class: "rl-label", "text-anchor": "middle", y: radius + 26 });
    name.textContent = "reward";
    const tip = makeHandle(
      face,
      "Direction of the reward: arrow keys turn it",
      svgElement("circle", { class: "rl-handle", r: 6.5 }),
    );
    put(tip, { "aria-valuemin": -180, "aria-valuemax": 180 });
    face.style.display = aims() ? "" : "none";
    free(tip, aims());
    return { radius, centre, stroke, tip };
  }

  const handleOf = (name, trait) => ({
    node: () => parts[name],
    at: () => {
      const [u, v] = of(now[trait], state);
      return [parts.x(u), parts.y(v)];
    },
    drag: ([px, py]) => moves(name) && to(trait, back([parts.invert(px), parts.invertY(py)], now[trait], state)),
    key: ([dx, dy]) => to(trait, step([dx, dy], now[trait], state)),
  });
  // A step may offer one of the two probabilities alone.
  const to = (trait, pi) =>
    move(
      trait,
      pi.map((p, s) => (how.offers(["first", "second"][s]) ? probability(p) : now[trait][s])),
    );
  const angleAt = ([px, py]) => {
    const [cx, cy] = parts.dial.centre;
    return (Math.atan2(cy - py, px - cx) * 180) / Math.PI;
  };
  const dial = {
    node: () => parts.dial.tip,
    at: () => {
      const angle = (state.angle * Math.PI) / 180;
      const { centre, radius } = parts.dial;
      return [centre[0] + radius * Math.cos(angle), centre[1] - radius * Math.sin(angle)];
    },
    drag: (point) => turn(angleAt(point)),
    key: ([dx, dy]) => turn(Math.abs(dx) > 360 ? 180 * Math.sign(dx) : state.angle + dx + dy),
  };
  dragging(holder, [...(turn ? [dial] : []), handleOf("other", "pi_new"), handleOf("policy", "pi")], (point) => point);

  return function draw(given, computed, size, offered) {
    [now, state, how] = [given, computed, offered];
    const wide = Boolean(turn) && how.step && aims();
    if (changed([size, wide, aims(), moves("policy"), moves("other")])) build(size, wide);
    const { x, y, shapes, marks, ticks } = parts;
    const at = (pi) => {
      const [u, v] = of(pi, state);
      return [x(u), y(v)];
    };
    const set = (name, d) => shapes[name].setAttribute("d", d);
    const mass = turn ? numerics.mass(now) : 1;
    ticks.forEach((pair, i) => {
      const text = how.step && i === 1 ? "" : format(HALVES[i] * mass);
      for (const label of pair) if (label.textContent !== text) label.textContent = text;
    });
    const corners = CORNERS.map(at);
    const outline = `${path(corners)}Z`;
    set("region", outline);
    set("border", outline);
    // Where one state's probability is fixed the image is straight: its two ends are enough.
    const line = (s, value) => path([0, 1].map((end) => at(s ? [end, value] : [value, end])));
    set("grid", QUARTERS.flatMap((value) => [line(0, value), line(1, value)]).join(""));
    set("cross", !moves("policy") ? "" : line(0, now.pi[0]) + line(1, now.pi[1]));
    const straight = ([a, b]) => path([a, b].map(([u, v]) => [x(u), y(v)]));
    const toPixels = (points) => path(points.map(([u, v]) => [x(u), y(v)]));
    const lines = turn ? state.levels.map(straight) : state.curves.map(toPixels);
    set("levels", aims() || how.offers("first") ? lines.join("") : "");
    const many = aims() && state.best.length > 1;
    parts.best.forEach((mark, k) => {
      mark.style.display = aims() && state.best.includes(k) ? "" : "none";
      put(mark, { cx: corners[k][0], cy: corners[k][1] });
    });
    set("side", many ? `${path(state.best.map((k) => corners[k]))}${many && state.best.length === 4 ? "Z" : ""}` : "");
    if (turn) {
      const [dx, dy] = [Math.cos((state.angle * Math.PI) / 180), -Math.sin((state.angle * Math.PI) / 180)];
      const [px, py] = corners[state.best[0]];
      const seen = aims() && now.view === "reward" && Number.isFinite(state.angle);
      set("support", seen ? `M${px - 999 * dy},${py + 999 * dx}L${px + 999 * dy},${py - 999 * dx}` : "");
      const { radius, stroke, tip } = parts.dial;
      const [ex, ey] = Number.isFinite(state.angle) ? [radius * dx, radius * dy] : [0, 0];
      stroke.setAttribute(
        "d",
        arrow([
          [-0.75 * ex, -0.75 * ey],
          [0.35 * ex, 0.35 * ey],
          [0.8 * ex, 0.8 * ey],
        ]),
      );
      tip.setAttribute("transform", `translate(${ex},${ey})`);
      put(tip, {
        "aria-valuenow": state.angle || 0,
        "aria-valuetext": Number.isFinite(state.angle) ? `${format(state.angle)} degrees` : "no direction",
      });
    }
    const middle = [0, 1].map((i) => corners.reduce((sum, corner) => sum + corner[i] / 4, 0));
    const texts = turn ? state.names.map((name, k) => (state.names.indexOf(name) === k ? name : "")) : NAMES;
    parts.corners.forEach((label, k) => {
      const [px, py] = corners[k];
      const leftwards = px < middle[0];
      label.textContent = aims() ? texts[k] : "";
      label.classList.toggle(
        "rl-improved",
        texts[k].split(" = ").some((name) => state.best.includes(NAMES.indexOf(name))),
      );
      label.classList.toggle("rl-best", label.classList.contains("rl-improved"));
      const room = 7 * texts[k].length; // about as wide as it is
      const anchor = leftwards ? "end" : "start";
      const inFrame = leftwards ? px - 4 - room > 16 : px + 9 + room < parts.right + 8;
      const beside = inFrame ? px + (leftwards ? -4 : 9) : leftwards ? 16 : parts.right + 8;
      // Below are the axis's numbers: there the names stand inside.
      const inside = py > middle[1];
      put(label, {
        x: inside ? px + (leftwards ? 5 : -9) : beside,
        y: py - 7,
        "text-anchor": inside === inFrame ? (leftwards ? "start" : "end") : anchor,
      });
    });

    const mixing = now.view === "mixing";
    const cooling = now.view === "temperature";
    const told = mixing && !how.open;
    set("policies", told ? path(state.mixed.map(({ mixed }) => at(mixed))) : "");
    set("occupancies", mixing ? path(state.mixed.map(({ policy }) => at(policy))) : "");
    set("cooling", cooling ? path(state.cooled.map(({ pi }) => at(pi))) : "");
    const place = (mark, there, pi) => {
      mark.style.display = there ? "" : "none";
      if (!there) return;
      const [px, py] = at(pi);
      mark.setAttribute("transform", `translate(${px},${py})`);
      const name = mark.querySelector("text"); // inwards, where no corner's name is
      if (name) put(name, { x: px < middle[0] ? 14 : -14, y: py < middle[1] ? 18 : -10 });
    };
    place(marks.policies, told, state.mixture?.mixed);
    place(marks.occupancies, mixing, state.mixture?.policy);
    place(marks.soft, cooling, state.soft?.pi);
    place(parts.other, mixing, now.pi_new);
    place(parts.policy, mixing || !aims() || !how.step, now.pi);
    const spoken = (pi) => {
      const rho = numerics.plane(numerics.occupancy(now, pi));
      return turn
        ? `ρ(0,1) = ${format(rho[0])}, ρ(1,1) = ${format(rho[1])}`
        : `π(1|0) = ${format(pi[0])}, π(1|1) = ${format(pi[1])}`;
    };
    put(parts.policy, { "aria-valuenow": now.pi[0], "aria-valuetext": spoken(now.pi) });
    put(parts.other, { "aria-valuenow": now.pi_new[0], "aria-valuetext": spoken(now.pi_new) });
    const added = told
      ? ` The mixed policies are at ${say(of(state.mixture.mixed, state).map((u) => u * mass))}, the mixed occupancies at ${say(of(state.mixture.policy, state).map((u) => u * mass))}.`
      : cooling
        ? ` The optimum at this temperature is at ${say(of(state.soft.pi, state).map((u) => u * mass))}.`
        : "";
    const label = `${turn ? "The polygon of occupancies" : "The square of policies"}: ${spoken(now.pi)}; the best corner is ${state.best.map((k) => NAMES[k]).join(" and ")}.${added}`;
    if (parts.svg.getAttribute("aria-label") !== label) parts.svg.setAttribute("aria-label", label);
  };
}

export const makeSquare = (holder, move) =>
  makePanel(holder, {
    names: "the square",
    labels: ["π(1|0), action 1 in state 0", "π(1|1), in state 1", "π(1|0)", "π(1|1)"],
    of: (pi) => pi,
    back: (point) => point,
    step: ([dx, dy], pi) => [pi[0] + 0.02 * dx, pi[1] + 0.02 * dy],
    move,
  });

export function makePolygon(holder, move, turn) {
  const of = (pi, { now }) => numerics.plane(numerics.occupancy(now, pi)).map((x) => x * (1 - now.gamma));
  const back = (point, pi, { now, corners }) => {
    const mass = numerics.mass(now);
    const at = numerics.nearest(
      corners,
      point.map((u) => u * mass),
    );
    const rho = numerics.fromPlane(now, at).map((row) => row.map((x) => (x < 1e-12 * mass ? 0 : x)));
    return numerics.policyFromOccupancy(rho, pi);
  };
  return makePanel(holder, {
    names: "the polygon",
    labels: ["ρ(0,1), discounted visits", "ρ(1,1), discounted visits", "ρ(0,1)", "ρ(1,1)"],
    of,
    back,
    step: ([dx, dy], pi, state) => {
      const [u, v] = of(pi, state);
      return back([u + 0.02 * dx, v + 0.02 * dy], pi, state);
    },
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

export function makeGraph(holder, change) {
  const changed = changes();
  let parts, now;
  const ACROSS = {
    reward: { domain: [-180, 180], ticks: [-180, -90, 0, 90, 180], label: "φ, direction of the reward (degrees)" },
    mixing: { domain: [0, 1], ticks: [0, 0.25, 0.5, 0.75, 1], label: "λ, share of π′" },
    temperature: {
      type: "log",
      domain: [0.02, 20],
      ticks: [0.02, 0.1, 1, 10],
      label: "α, temperature (units of reward)",
    },
  };
  function build(view, ticks, [width, height], step) {
    const across = ACROSS[view];
    const some = across.ticks.filter((_, i) => !step || i % 2 === 0);
    const base = frame(holder, {
      width,
      height,
      marginTop: 14,
      marginRight: 16,
      x: { type: across.type ?? "linear", domain: across.domain },
      y: { domain: [ticks[0], ticks.at(-1)] },
      marks: [
        gridY({ ...quiet, ticks }),
        axisX({ ...axesX, ticks: some, tickFormat: format, label: across.label }),
        axisY({ ...axesY, ticks, tickFormat: format, label: view === "temperature" ? "π(1|s) of the optimum" : "η" }),
      ],
    });
    base.svg.classList.add("rl-drag");
    const make = (kind) => node(base.layer, "path", { class: kind });
    const curves = {
      reward: [...CORNERS.map(() => make("rl-level rl-corner-curve")), make("rl-pole rl-jump"), make("rl-of-natural")],
      mixing: [make("rl-exact rl-heavy"), make("rl-mixed")],
      temperature: [make("rl-of-natural"), make("rl-of-natural rl-second")],
    }[view];
    const cursor = make("rl-pole");
    const labels = Array.from({ length: 4 }, () => node(base.svg, "text", { class: "rl-label" }));
    const dots = {
      reward: ["rl-spot rl-spot-natural"],
      mixing: ["rl-spot rl-spot-policies", "rl-spot rl-spot-other"],
      temperature: ["rl-spot rl-spot-natural", "rl-spot rl-spot-natural"],
    }[view];
    const spots = dots.map((kind) => node(base.layer, "circle", { class: kind, r: 6 }));
    onDrag(base.svg, (event) => {
      const px = Math.min(base.right, Math.max(base.left, pointIn(base.svg, event)[0]));
      change(view, base.invert(px));
    });
    parts = { ...base, curves, cursor, labels, spots };
  }
  return function draw(given, state, size, { step, open }) {
    now = given;
    const { view } = now;
    const { low, high } = state.heights;
    const ticks = view === "temperature" ? [0, 0.25, 0.5, 0.75, 1] : roundAxis(low, high);
    if (changed([view, ...size, ticks.join(), step])) build(view, ticks, size, step);
    const { x, y, curves, cursor, labels, spots, top, foot, right, left, svg } = parts;
    const set = (i, points) => curves[i].setAttribute("d", path(points));
    const name = (i, text, px, py, { anchor = "start", kind = "" } = {}) => {
      labels[i].textContent = text;
      labels[i].setAttribute("class", `rl-label ${kind}`);
      put(labels[i], { x: px, y: py, "text-anchor": anchor });
    };
    let at, heights, label;
    if (view === "reward") {
      at = state.angle;
      const degrees = Array.from({ length: 121 }, (_, i) => -180 + 3 * i);
      const length = Math.hypot(...state.direction);
      const eta = (corner, angle) => state.origin + length * dot([Math.cos(angle), Math.sin(angle)], corner);
      const radians = degrees.map((angle) => (angle * Math.PI) / 180);
      for (const [k, corner] of state.corners.entries())
        set(
          k,
          degrees.map((angle, i) => [x(angle), y(eta(corner, radians[i]))]),
        );
      // Each arc of the envelope has the name of the corner that is best there.
      for (const [k, _] of labels.entries()) name(k, "", 0, 0);
      state.jumps.forEach(([from, , corner], k) => {
        const to = k + 1 < state.jumps.length ? state.jumps[k + 1][0] : state.jumps[0][0] + 360;
        const middle = (from + to) / 2 > 180 ? (from + to) / 2 - 360 : (from + to) / 2;
        const j = NAMES.indexOf(corner);
        const kind = state.best.includes(j) ? "rl-improved rl-best" : "";
        const text = state.names[j];
        const py = y(eta(state.corners[j], (middle * Math.PI) / 180)) - 9;
        const room = 4 + 3.5 * text.length;
        name(k, text, between(left + room, right - room, x(middle)), Math.max(top + 10, py), {
          anchor: "middle",
          kind,
        });
      });
      curves[4].setAttribute("d", state.jumps.map(([angle]) => `M${x(angle)},${top}V${foot}`).join(""));
      set(
        5,
        degrees.map((angle, i) => [x(angle), y(Math.max(...state.corners.map((corner) => eta(corner, radians[i]))))]),
      );
      heights = [Math.max(...state.returns)];
      label = `η of the four corners against the direction φ of the reward, at ${format(at)} degrees; the best is ${state.best.map((k) => NAMES[k]).join(" and ")} with ${format(heights[0])}.`;
    } else if (view === "mixing") {
      at = now.share;
      const along = (kind) =>
        state.mixed.map((mixture, i) => [
          x(i / (state.mixed.length - 1)),
          y(numerics.expectedReturn(now, mixture[kind])),
        ]);
      set(0, open ? [] : along("policies"));
      set(1, along("occupancies"));
      heights = ["policies", "occupancies"].map((kind) => numerics.expectedReturn(now, state.mixture[kind]));
      label = `η against λ: ${open ? "" : `a curve for mixed policies, at ${format(heights[0])}, and `}a straight line for mixed occupancies, at ${format(heights[1])}.`;
      // Each name beside its own curve at λ = 1/2, away from the other.
      const centre = state.mixed[(state.mixed.length - 1) / 2];
      const [one, two] = ["policies", "occupancies"].map((kind) => y(numerics.expectedReturn(now, centre[kind])));
      const below = one >= two;
      const inside = (py) => Math.min(foot - 6, Math.max(top + 12, py));
      const slope = (kind) => {
        const [before, after] = [20, 40].map((i) => y(numerics.expectedReturn(now, state.mixed[i][kind])));
        return before - after; // in pixels, upwards
      };
      [
        ["policies", one, below, ""],
        ["occupancies", two, !below, "rl-other"],
      ].forEach(([kind, py, under, colour], i) => {
        const rise = slope(kind);
        const anchor = Math.abs(rise) < 8 ? "middle" : rise > 0 === under ? "start" : "end";
        name(i, open && !i ? "" : `${kind} mixed`, x(0.5), inside(py + (under ? 20 : -10)), { anchor, kind: colour });
      });
    } else {
      at = now.alpha;
      heights = state.soft.pi;
      for (const s of [0, 1])
        set(
          s,
          state.cooled.map(({ alpha, pi }) => [x(alpha), y(pi[s])]),
        );
      // Each name stands between the curves where they are far apart, on the side from which its curve comes.
      const gap = ({ pi }) => Math.abs(pi[0] - pi[1]);
      const some = state.cooled.slice(18, 50);
      const widest = some.reduce((best, one, i) => (gap(one) > gap(some[best]) + 1e-6 ? i : best), 0);
      const [here, before] = [some[widest], state.cooled[19 + widest]]; // the latter is colder, to the left
      const upper = here.pi[0] >= here.pi[1] ? 0 : 1;
      const wide = gap(here) * (foot - top) > 44;
      [0, 1].forEach((s) => {
        const below = (s === upper) === wide;
        const rises = here.pi[s] > before.pi[s];
        const anchor = rises === below ? "start" : "end";
        const py = between(top + 12, foot - 6, y(here.pi[s]) + (below ? 18 : -10));
        const text = s ? "state 1 (dashed)" : "state 0";
        const room = 6 * text.length + 4; // about as wide as it is
        const [first, last] = anchor === "end" ? [left + room, right] : [left, right - room];
        name(s, text, between(first, last, x(here.alpha)), py, { anchor, kind: "rl-improved" });
      });
      label = `The optimum’s probability of action 1 against the temperature: at α = ${format(at)}, ${format(heights[0])} in state 0 and ${format(heights[1])} in state 1.`;
    }
    cursor.setAttribute("d", Number.isFinite(at) ? `M${x(at)},${top}V${foot}` : "");
    spots.forEach((spot, i) => {
      const hidden = !Number.isFinite(at) || (view === "mixing" && open && !i);
      spot.style.display = hidden ? "none" : "";
      if (Number.isFinite(at)) put(spot, { cx: x(at), cy: y(heights[i]) });
    });
    if (svg.getAttribute("aria-label") !== label) svg.setAttribute("aria-label", label);
  };
}

const dot = (a, b) => a[0] * b[0] + a[1] * b[1];
