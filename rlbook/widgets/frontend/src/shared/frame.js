// A picture's frame, axes and grid, alike in every widget.
import { svgElement } from "./controls.js";
import { axisX, axisY, gridX, gridY, plot } from "./plot.js";

export const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(2)},${y.toFixed(2)}`).join("");

export const between = (low, high, x) => Math.min(high, Math.max(low, x));

export const dots = (points) => points.map(([x, y]) => `M${x.toFixed(1)},${y.toFixed(1)}h0`).join("");

// Whether a straight piece comes into a box.
function meets([x0, y0], [x1, y1], { left, right, top, foot }) {
  let [from, to] = [0, 1];
  for (const [start, way, low, high] of [
    [x0, x1 - x0, left, right],
    [y0, y1 - y0, top, foot],
  ]) {
    if (!way && (start < low || start > high)) return false;
    const [one, other] = way ? [(low - start) / way, (high - start) / way] : [0, 1];
    from = Math.max(from, Math.min(one, other));
    to = Math.min(to, Math.max(one, other));
  }
  return from <= to;
}

// Of the spots where a name may stand, [x of its left end, y of its line], the first that keeps best within the frame,
// then off marks and lines, each a list of points, then off dots.
/**
 * @param {any[]} spots @param {number} wide
 * @param {{ lines: any[], marks?: any[], dots?: any[], frame: any }} covered
 */
export function clearest(spots, wide, { lines, marks = [], dots = [], frame }) {
  const cost = ([left, base]) => {
    const box = (room) => ({
      left: left - room,
      right: left + wide + room,
      top: base - 10 - room,
      foot: base + 3 + room,
    });
    const [near, close, far] = [box(1), box(2), box(9)];
    const covers = ([x, y], { left, right, top, foot }) => x > left && x < right && y > top && y < foot;
    const crossed = lines.filter((points) => points.some((at, i) => i && meets(points[i - 1], at, close)));
    const touched = marks.filter((at) => covers(at, far));
    const { left: start, right: end, top, foot } = box(0);
    const framed = start > frame.left && end < frame.right && top > frame.top && foot < frame.foot;
    return (framed ? 0 : 1e3) + 60 * (crossed.length + touched.length) + dots.filter((at) => covers(at, near)).length;
  };
  const costs = spots.map(cost);
  return spots[costs.indexOf(Math.min(...costs))];
}

// Drawing a frame anew is slow: kept(values, make) gives what make() made, until the values, on which it depends, are
// others.
export function keeper() {
  let known, made;
  return (values, make) => {
    const now = values.join();
    if (now !== known) made = make();
    known = now;
    return made;
  };
}

// A frame drawn by Plot, and over it a layer for what moves, clipped to the frame. A scale with a label has an axis, with
// `grid` lines too; its `ticks` and other options are the axis's.
/**
 * @param {HTMLElement} holder
 * @param {any} given options of Plot; margins that are not given are the usual ones
 * @returns {{
 *   svg: any, layer: SVGElement, x: (value: number) => number, y: (value: number) => number,
 *   invert: (pixel: number) => number, invertY: (pixel: number) => number,
 *   left: number, top: number, right: number, foot: number,
 * }}
 */
function frame(holder, given) {
  const options = { marginLeft: LEFT, marginTop: 8, marginRight: 12, marginBottom: 40, ...given };
  const { x: across, y: up } = options;
  const scale = ({ type, domain, constant }) => ({ type, domain, constant, axis: null }); // the marks draw the axes
  /** @type {any} */
  const svg = plot({
    ...options,
    x: scale(across),
    y: scale(up),
    marks: [
      across.grid ? gridX({ ...quiet, ticks: across.ticks }) : null,
      up.grid ? gridY({ ...quiet, ticks: up.ticks }) : null,
      across.label ? axisX({ ...axesX, ...across }) : null,
      up.label ? axisY({ ...axesY, ...up }) : null,
    ],
  });
  const { width, height, marginLeft: left, marginTop: top, marginRight: right, marginBottom: foot } = options;
  const [w, h] = [width - left - right, height - top - foot];
  svg.setAttribute("role", "img");
  for (const g of svg.querySelectorAll("g[aria-label]")) g.removeAttribute("aria-label"); // the picture has one
  const layer = svgElement("svg", { x: left, y: top, width: w, height: h, viewBox: `${left} ${top} ${w} ${h}` });
  svg.append(layer);
  holder.replaceChildren(svg);
  const [x, y] = [svg.scale("x"), svg.scale("y")];
  const edges = { left, top, right: width - right, foot: height - foot };
  return { svg, layer, x: x.apply, y: y.apply, invert: x.invert, invertY: y.invert, ...edges };
}

const quiet = { stroke: "var(--rl-grid)", strokeOpacity: 1 };
const axes = /** @type {const} */ ({ fontSize: 11, tickSize: 3, labelAnchor: "center", labelArrow: "none" });
const axesX = { ...axes, labelOffset: 34 };
const axesY = { ...axes, labelOffset: 54 };
export const ticksIn = (height) => (height < 250 ? 3 : 5); // about so many
export const LEFT = 60; // room for the labels of y axes, alike in all panels

// A frame as most pictures have it: about as many ticks as there is room for, and lines across where y has a label.
export function chart(holder, [width, height], { x, y, ...margins }) {
  const ticks = ticksIn(height);
  return frame(holder, { width, height, ...margins, x: { ticks, ...x }, y: { ticks, grid: Boolean(y.label), ...y } });
}

// Where an event is in a picture, in the picture's own pixels: a full screen is magnified.
export function pointIn(svg, { clientX, clientY }) {
  const box = svg.getBoundingClientRect();
  const scale = svg.width.baseVal.value / box.width;
  return [(clientX - box.left) * scale, (clientY - box.top) * scale];
}

// Calls move(event) while a pointer drags over the node. A finger that comes down may want to scroll the page: it
// moves nothing until it has gone sideways, or has tapped; when it scrolls, the browser takes the pointer away.
// Where free(event) holds, a finger moves at once. The node's touch-action has to be pan-y.
/** @param {Element} node @param {(event: any) => void} move @param {(event: any) => boolean} free */
export function onDrag(node, move, free = () => false) {
  /** @type {number | null} */
  let touched = null;
  node.addEventListener("pointerdown", (/** @type {any} */ event) => {
    if (event.button) return;
    node.setPointerCapture(event.pointerId);
    touched = event.pointerType === "touch" && !free(event) ? event.clientX : null;
    if (touched === null) move(event);
  });
  node.addEventListener("pointermove", (/** @type {any} */ event) => {
    if (!node.hasPointerCapture(event.pointerId)) return;
    if (touched !== null && Math.abs(event.clientX - touched) < 8) return;
    touched = null;
    move(event);
  });
  node.addEventListener("pointerup", (event) => {
    if (touched !== null) move(event);
  });
  node.addEventListener("pointercancel", () => {
    touched = null;
  });
}

// Along a picture's x axis, from end to end, a pointer drags a value.
export function dragAlong({ svg, invert, left, right }, seek) {
  svg.classList.add("rl-drag");
  onDrag(svg, (event) => seek(invert(Math.min(right, Math.max(left, pointIn(svg, event)[0])))));
}
