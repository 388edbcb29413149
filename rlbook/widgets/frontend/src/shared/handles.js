// What pictures with handles share: handles that are dragged and moved by keys, arrows, and small tools for SVG.
import { mapped, svgElement } from "./controls.js";
import { chart, onDrag, path, pointIn } from "./frame.js";

export const node = (parent, tag, attributes, ...children) => {
  const made = svgElement(tag, attributes, ...children);
  parent.append(made);
  return made;
};
export const put = (made, attributes) => {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
};

// Paths over each other: kinds maps the name of each to its class; drawPaths sets some of them anew.
export const makePaths = (parent, kinds) => mapped(kinds, (kind) => node(parent, "path", { class: kind }));
export const drawPaths = (paths, drawn) => {
  for (const [name, d] of Object.entries(drawn)) paths[name].setAttribute("d", d);
};

// A stroke through the points with a head at its end; without a head where it is too short for one.
export function arrow(points) {
  const drawn = points.filter(([x, y], i) => !i || Math.hypot(x - points[i - 1][0], y - points[i - 1][1]) > 0.01);
  if (drawn.length < 2) return "";
  const [x, y] = drawn.at(-1);
  const back = drawn.findLast(([a, b]) => Math.hypot(x - a, y - b) > 6);
  if (!back) return path(drawn);
  const angle = Math.atan2(y - back[1], x - back[0]);
  const barb = (turn) => [x - 9 * Math.cos(angle + turn), y - 9 * Math.sin(angle + turn)];
  return `${path(drawn)}${path([barb(0.45), [x, y], barb(-0.45)])}`;
}

const FAR = 1000; // steps: further than any handle goes, so to its end
const KEYS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
  Home: [-FAR, 0],
  End: [FAR, 0],
  PageUp: [0, 10],
  PageDown: [0, -10],
};

// What can be dragged in a picture: things is a list of { node, at(), drag([x, y]), key(direction) }, the last of
// which also moves when the empty plane is dragged. drag is told pixels, or what toPlane makes of them. Handles keep
// the distance to the pointer that took them.
export function dragging(holder, things, toPlane = (pixels) => pixels) {
  /** @type {any} */
  let taken = null;
  const where = (event) => pointIn(holder.firstElementChild, event);
  const under = (event) => things.find((thing) => thing.node().contains(event.target));
  holder.addEventListener("pointerdown", (event) => {
    const thing = under(event);
    const [x, y] = where(event);
    const at = thing?.at();
    taken = { thing: thing ?? things.at(-1), off: at ? [at[0] - x, at[1] - y] : [0, 0] };
  });
  const move = (event) => {
    const [x, y] = where(event);
    taken?.thing.drag(toPlane([x + taken.off[0], y + taken.off[1]]));
  };
  onDrag(holder, move, (event) => Boolean(under(event)));
  // On a handle a finger drags in every direction.
  holder.addEventListener("touchstart", (event) => under(event) && event.preventDefault(), { passive: false });
  holder.addEventListener("keydown", (event) => {
    const thing = under(event);
    const to = KEYS[event.key];
    if (!thing || !to || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    thing.key(to.map((x) => x * (event.shiftKey ? 5 : 1)));
  });
}

// A chart that holds handles and can be dragged in every direction.
export function handled(holder, size, options) {
  const base = chart(holder, size, options);
  base.svg.setAttribute("role", "group");
  base.svg.classList.add("rl-drag", "rl-free-drag");
  return base;
}

export const round = (kind = "", r = 7.5) => svgElement("circle", { class: `rl-handle ${kind}`.trim(), r });

// A handle: a shape with room around it for a finger. `name` says what it is, `limits` between what its number lies.
/** @param {Element} parent @param {string} name @param {Element} shape @param {[number, number]} [limits] */
export function makeHandle(parent, name, shape, limits) {
  const group = node(parent, "g", {
    class: "rl-grip",
    tabindex: "0",
    role: "slider",
    "aria-label": name,
    "data-lm-suppress-shortcuts": "true",
  });
  node(group, "circle", { class: "rl-reach", r: 20 });
  group.append(shape);
  if (limits) put(group, { "aria-valuemin": limits[0], "aria-valuemax": limits[1] });
  return group;
}

export const moveHandle = (handle, [x, y], value, text) =>
  put(handle, { transform: `translate(${x},${y})`, "aria-valuenow": value, "aria-valuetext": text });
