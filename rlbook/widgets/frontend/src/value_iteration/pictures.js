import { format, subscript, superscript, svgElement } from "../shared/controls.js";
import { axesX, axesY, changes, frame, LEFT, onDrag, path, quiet } from "../shared/frame.js";
import * as numerics from "../shared/grid_numerics.js";
import { axisX, axisY, gridX, gridY } from "../shared/plot.js";

const FLOOR = 1e-12; // the bottom of the logarithmic axis: below it there is only rounding
export const LIMIT = { policy: "^π", optimal: "*", soft: "_α" };

// The plane --------------------------------------------------------------------------------------------------------

export function makePlane(holder, drag) {
  const changed = changes();
  let parts, centre, reach;
  let dragging = false;
  return function draw({ gamma, V0, k, operator }, { process, operator: T, runs, limit }, [width, height]) {
    const run = runs[0].slice(0, k + 1);
    const V = run[k];
    const span = Math.max(...process.r) - Math.min(...process.r);
    // The axes stay until the square leaves them or has become a sliver of them; drawing them is slow.
    const needed = 1.1 * Math.max(numerics.distance(V0, limit), (0.2 * span) / (1 - gamma));
    const lost = !centre || numerics.distance(centre, limit) + needed > reach || needed < 0.35 * reach;
    if (lost && !dragging) [centre, reach] = [limit, 1.25 * needed];
    const margins = { marginLeft: LEFT, marginTop: 10, marginRight: 12, marginBottom: 40 };
    const [w, h] = [width - LEFT - 12, height - 50];
    const [halfX, halfY] = [reach * Math.max(1, w / h), reach * Math.max(1, h / w)];
    const [x0, x1, y0, y1] = [centre[0] - halfX, centre[0] + halfX, centre[1] - halfY, centre[1] + halfY];
    if (changed([width, height, x0, x1, y0, y1])) {
      const base = frame(holder, {
        width,
        height,
        ...margins,
        x: { domain: [x0, x1] },
        y: { domain: [y0, y1] },
        marks: [
          gridX({ ...quiet, ticks: 5 }),
          gridY({ ...quiet, ticks: 5 }),
          axisX({ ...axesX, ticks: 5, label: "V(s₁)" }),
          axisY({ ...axesY, ticks: 5, label: "V(s₂)" }),
        ],
      });
      const shapes = Object.fromEntries(
        [
          ["earlier", "rl-exact rl-ahead"],
          ["image", "rl-image"],
          ["square", "rl-exact rl-square"],
          ["inner", "rl-bound"],
          ["trail", "rl-trail"],
          ["dots", "rl-dots"],
          ["cross", "rl-exact rl-heavy"],
        ].map(([name, kind]) => [name, svgElement("path", { class: kind })]),
      );
      const start = svgElement("circle", { class: "rl-handle", r: 9 });
      const current = svgElement("circle", { class: "rl-handle", r: 5 });
      const name = svgElement("text", { class: "rl-label" });
      base.layer.append(...Object.values(shapes), current, start, name);
      base.svg.classList.add("rl-drag", "rl-free-drag");
      const inverse = { x: base.invert, y: base.svg.scale("y").invert };
      parts = { ...base, ...shapes, start, current, name, inverse };
    }
    if (!holder.dataset.listens) {
      holder.dataset.listens = "yes";
      const move = (event) => {
        const box = parts.svg.getBoundingClientRect();
        const [px, py] = [event.clientX - box.left, event.clientY - box.top];
        const inside = (p, low, high) => Math.min(high, Math.max(low, p));
        const at = [
          parts.inverse.x(inside(px, parts.left, parts.right)),
          parts.inverse.y(inside(py, parts.top, parts.foot)),
        ];
        dragging = true;
        drag(at.map((x) => Number(x.toFixed(3))));
      };
      const onHandle = (event) => event.target === parts.start;
      const end = () =>
        setTimeout(() => {
          if (dragging) {
            dragging = false;
            drag(null);
          }
        });
      onDrag(holder, move, { free: onHandle, end });
      // On the handle itself a finger drags in every direction.
      holder.addEventListener("touchstart", (event) => onHandle(event) && event.preventDefault(), { passive: false });
    }
    const { x, y } = parts;
    const outline = (points) => `${path(points.map(([u, v]) => [x(u), y(v)]))}Z`;
    const radius = numerics.distance(V, limit);
    const boundary = numerics.square(limit, radius, 48);
    parts.square.setAttribute("d", outline(numerics.square(limit, radius, 1)));
    const before = run
      .slice(0, Math.min(k, 30))
      .map((from) => numerics.square(limit, numerics.distance(from, limit), 1));
    parts.earlier.setAttribute("d", before.map(outline).join(""));
    parts.inner.setAttribute("d", outline(numerics.square(limit, gamma * radius, 1)));
    parts.image.setAttribute("d", outline(numerics.planeImage(process, T, boundary)));
    parts.trail.setAttribute("d", path(run.map(([u, v]) => [x(u), y(v)])));
    parts.dots.setAttribute("d", run.map(([u, v]) => `M${x(u).toFixed(1)},${y(v).toFixed(1)}h0`).join(""));
    parts.cross.setAttribute("d", `M${x(limit[0]) - 7},${y(limit[1])}h14m-7,-7v14`);
    for (const [node, at] of [
      [parts.start, V0],
      [parts.current, V],
    ]) {
      node.setAttribute("cx", x(at[0]));
      node.setAttribute("cy", y(at[1]));
    }
    parts.name.setAttribute("x", x(V0[0]) + (x(V0[0]) > parts.right - 40 ? -14 : 13));
    parts.name.setAttribute("text-anchor", x(V0[0]) > parts.right - 40 ? "end" : "start");
    parts.name.setAttribute("y", y(V0[1]) + 4);
    parts.name.textContent = "V₀";
    const limitName = `V${LIMIT[operator]}`;
    const label = `The plane of two states: V${subscript(k)} = (${V.map(format).join(", ")}), the square of radius ${format(radius)} around ${limitName} = (${limit.map(format).join(", ")}), and its image inside the γ times smaller one.`;
    if (parts.svg.getAttribute("aria-label") !== label) parts.svg.setAttribute("aria-label", label);
  };
}

// Error and bounds against k ---------------------------------------------------------------------------------------

export const CURVES = [
  ["prior", "rl-bound rl-long"],
  ["envelope", "rl-bound"],
  ["posterior", "rl-bound rl-dotted"],
  ["distance", "rl-rival rl-long"],
  ["otherError", "rl-rival"],
  ["bracket", "rl-sharp"],
  ["error", "rl-exact rl-heavy"],
];

export function makeErrors(holder, seek) {
  const changed = changes();
  let parts;
  return function draw({ k }, curves, range, [width, height]) {
    const most = Math.max(...["envelope", "prior"].map((name) => curves[name][0]), curves.otherError?.[0] ?? 0);
    const top = most <= 1e3 ? 1e3 : 10 ** (3 * Math.ceil(Math.log10(most) / 3));
    if (changed([width, height, range, top])) {
      const ticks = Array.from({ length: 12 }, (_, i) => 10 ** (3 * i - 12)).filter((tick) => tick <= top);
      const base = frame(holder, {
        width,
        height,
        marginTop: 40,
        x: { domain: [0, range] },
        y: { type: "log", domain: [FLOOR, top] },
        marks: [
          gridY({ ...quiet, ticks }),
          axisX({ ...axesX, ticks: 6, label: "k, sweeps" }),
          axisY({
            ...axesY,
            ticks,
            tickFormat: (x) => (x === 1 ? "1" : `10${superscript(Math.round(Math.log10(x)))}`),
            label: "in units of reward",
          }),
        ],
      });
      const make = (layer) =>
        CURVES.map(([, kind]) => {
          const node = svgElement("path", { class: kind });
          layer.append(node);
          return node;
        });
      const ahead = svgElement("g", { class: "rl-ahead" });
      const cursor = svgElement("path", { class: "rl-pole" });
      const point = svgElement("circle", { class: "rl-handle", r: 6 });
      base.layer.append(ahead, cursor);
      const curves = { future: make(ahead), past: make(base.layer) };
      base.layer.append(point);
      const strip = svgElement("path", { class: "rl-strip" });
      const done = svgElement("path", { class: "rl-strip rl-strip-done" });
      const flag = svgElement("path", { class: "rl-pole" });
      const name = svgElement("text", { class: "rl-label", y: 12 });
      const side = svgElement("text", { class: "rl-side", x: base.left - 6, y: 30, "text-anchor": "end" });
      side.textContent = "greedy";
      base.svg.append(strip, done, flag, name, side);
      base.svg.classList.add("rl-drag");
      const { svg, invert } = base;
      const move = (event) => {
        const box = svg.getBoundingClientRect();
        seek(Math.round(Math.min(range, Math.max(0, invert(((event.clientX - box.left) * width) / box.width)))));
      };
      onDrag(svg, move);
      parts = { ...base, ...curves, cursor, point, strip, done, flag, name, of: null };
    }
    const { x, y, foot, left, right, future, past, svg } = parts;
    const stride = Math.ceil(range / 240);
    const heightOf = (value) => y(Math.max(value, FLOOR / 10));
    const line = (values, from, to) => {
      const points = [];
      for (let i = from; i <= to; i += i + stride > to && i < to ? to - i : stride) {
        if (values[i] !== null) points.push([x(i), heightOf(values[i])]);
      }
      return path(points);
    };
    CURVES.forEach(([name], i) => {
      const values = curves[name];
      if (parts.of !== curves) future[i].setAttribute("d", values ? line(values, 0, range) : "");
      past[i].setAttribute("d", values && k ? line(values, 0, k) : "");
    });
    // The strip above: in what share of the states the greedy policy of x_k is optimal.
    const share = (i) => 34 - 16 * (curves.live ? 1 - curves.wrong[i] / curves.live : 1);
    const area = (to) => {
      let d = `M${left},34`;
      for (let i = 0; i <= to; i++) d += `L${x(i).toFixed(1)},${share(i).toFixed(1)}`;
      return `${d}L${x(to).toFixed(1)},34Z`;
    };
    if (parts.of !== curves) parts.strip.setAttribute("d", area(range));
    parts.done.setAttribute("d", area(k));
    parts.of = curves;
    const { from } = curves;
    parts.flag.setAttribute("d", from === null ? "" : `M${x(from)},16V36`);
    parts.name.textContent =
      from === null ? `greedy policy not optimal by k = ${range}` : `greedy policy optimal from k = ${from}`;
    const after = from === null || x(from) < (left + right) / 2;
    parts.name.setAttribute("x", from === null ? left : x(from));
    parts.name.setAttribute("text-anchor", after ? "start" : "end");
    parts.cursor.setAttribute("d", `M${x(k)},40V${foot}`);
    parts.point.setAttribute("cx", x(k));
    parts.point.setAttribute("cy", Math.min(foot, heightOf(curves.error[k])));
    return svg;
  };
}

// The map -----------------------------------------------------------------------------------------------------------

export const LETTERS = {
  w: "#",
  g: "G",
  p: "P",
  s: "S",
  f: ".",
  ".": ".",
  Delete: ".",
  "+": "plus",
  "=": "plus",
  "-": "minus",
  "−": "minus",
};

export const signed = (x) => (x > 0 ? `+${format(x)}` : format(x));

// A value in a cell: two decimals where there is room.
export function brief(x) {
  if (Math.abs(x) < 5e-10) return "0";
  const size = Math.abs(x);
  return x.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0).replace("-", "−");
}
