import { format, hasFocus, subscript, svgElement } from "../shared/controls.js";
import { axesX, axesY, changes, frame, LEFT, path, quiet, ticksIn } from "../shared/frame.js";
import * as numerics from "../shared/grid_numerics.js";
import { dragging, makeHandle, put } from "../shared/handles.js";
import { axisX, axisY, gridX, gridY } from "../shared/plot.js";
import { LIMIT } from "../shared/sweeps.js";

const SHAPES = {
  earlier: "rl-exact rl-ahead",
  image: "rl-image",
  square: "rl-exact rl-square",
  inner: "rl-bound",
  trail: "rl-trail",
  dots: "rl-dots",
  next: "rl-of-natural",
  cross: "rl-exact rl-heavy",
};

// move(V0) is told where the start is moved to, rest() that nothing is held any more.
export function makePlane(holder, move, rest) {
  const changed = changes();
  let parts, centre, reach, start;
  let held = false;
  const kept = ([x, y]) => {
    const { domain } = parts.frame;
    const inside = (v, [low, high]) => Number(Math.min(high, Math.max(low, v)).toFixed(3));
    return [inside(x, domain.x), inside(y, domain.y)];
  };
  const handle = {
    node: () => parts.start,
    at: () => [parts.x(start[0]), parts.y(start[1])],
    drag: (at) => move(kept(at)),
    key: ([dx, dy]) => move(kept([start[0] + 0.1 * dx, start[1] + 0.1 * dy])),
  };
  dragging(holder, [handle], ([px, py]) => [parts.invert(px), parts.svg.scale("y").invert(py)]);
  holder.addEventListener("pointerdown", () => {
    held = true;
  });
  for (const event of ["pointerup", "pointercancel"])
    holder.addEventListener(event, () => {
      held = false;
      setTimeout(rest);
    });

  return function draw({ gamma, V0, k, operator }, { process, operator: T, runs, limit }, [width, height]) {
    start = V0;
    const run = runs[0].slice(0, k + 1);
    const V = run[k];
    const span = Math.max(...process.r) - Math.min(...process.r);
    // The axes stay until the square leaves them or has become a sliver of them; drawing them is slow.
    const needed = 1.1 * Math.max(numerics.distance(V0, limit), (0.2 * span) / (1 - gamma));
    const lost = !centre || numerics.distance(centre, limit) + needed > reach || needed < 0.35 * reach;
    if (lost && !held) [centre, reach] = [limit, 1.15 * needed];
    const margins = { marginLeft: LEFT, marginTop: 10, marginRight: 12, marginBottom: 40 };
    const [w, h] = [width - LEFT - 12, height - 50];
    const [halfX, halfY] = [reach * Math.max(1, w / h), reach * Math.max(1, h / w)];
    const domain = {
      x: [centre[0] - halfX, centre[0] + halfX],
      y: [centre[1] - halfY, centre[1] + halfY],
    };
    if (changed([width, height, domain.x, domain.y])) {
      const ticks = ticksIn(height);
      const again = hasFocus(holder); // its keys go on after the axes have changed
      const base = frame(holder, {
        width,
        height,
        ...margins,
        x: { domain: domain.x },
        y: { domain: domain.y },
        marks: [
          gridX({ ...quiet, ticks: 5 }),
          gridY({ ...quiet, ticks }),
          axisX({ ...axesX, ticks: 5, label: "V(s₁)" }),
          axisY({ ...axesY, ticks, label: "V(s₂)" }),
        ],
      });
      const shapes = Object.fromEntries(
        Object.entries(SHAPES).map(([name, kind]) => [name, svgElement("path", { class: kind })]),
      );
      const current = svgElement("circle", { class: "rl-handle", r: 5 });
      const name = svgElement("text", { class: "rl-label" });
      const image = svgElement("circle", { class: "rl-spot rl-spot-natural", r: 4.5 });
      const nextName = svgElement("text", { class: "rl-label rl-improved" });
      base.layer.append(...Object.values(shapes), image, current);
      const start = makeHandle(base.layer, "V₀, where it starts", svgElement("circle", { class: "rl-handle", r: 9 }));
      base.layer.append(name, nextName);
      base.svg.classList.add("rl-drag", "rl-free-drag");
      base.svg.setAttribute("role", "group"); // it holds a handle
      if (again) start.focus({ preventScroll: true });
      parts = { ...base, ...shapes, current, spot: image, start, name, nextName, frame: { domain } };
    }
    const { x, y } = parts;
    const outline = (points) => `${path(points.map(([u, v]) => [x(u), y(v)]))}Z`;
    const radius = numerics.distance(V, limit);
    const squareOf = (r) => outline(numerics.square(limit, r, 1));
    const before = run.slice(0, Math.min(k, 30)).map((from) => squareOf(numerics.distance(from, limit)));
    put(parts.earlier, { d: before.join("") });
    put(parts.square, { d: squareOf(radius) });
    put(parts.inner, { d: squareOf(gamma * radius) });
    put(parts.image, { d: outline(numerics.planeImage(process, T, numerics.square(limit, radius, 48))) });
    put(parts.trail, { d: path(run.map(([u, v]) => [x(u), y(v)])) });
    put(parts.dots, { d: run.map(([u, v]) => `M${x(u).toFixed(1)},${y(v).toFixed(1)}h0`).join("") });
    put(parts.cross, { d: `M${x(limit[0]) - 7},${y(limit[1])}h14m-7,-7v14` });
    put(parts.current, { cx: x(V[0]), cy: y(V[1]) });
    for (const circle of parts.start.children) put(circle, { cx: x(V0[0]), cy: y(V0[1]) });
    put(parts.start, {
      "aria-valuenow": V0[0],
      "aria-valuetext": `(${V0.map(format).join(", ")})`,
    });
    const right = x(V0[0]) > parts.right - 40;
    put(parts.name, { x: x(V0[0]) + (right ? -14 : 13), y: y(V0[1]) + 4, "text-anchor": right ? "end" : "start" });
    parts.name.textContent = "V₀";
    // What the next sweep makes of V.
    const to = numerics.planeImage(process, T, [V])[0];
    const [[fx, fy], [tx, ty]] = [V, to].map(([u, v]) => [x(u), y(v)]);
    put(parts.next, {
      d: path([
        [fx, fy],
        [tx, ty],
      ]),
    });
    put(parts.spot, { cx: tx, cy: ty });
    put(parts.nextName, { x: tx + 8, y: ty + (ty > fy ? 14 : -6) });
    parts.nextName.textContent = Math.hypot(tx - fx, ty - fy) > 24 ? `V${subscript(k + 1)}` : "";
    const limitName = `V${LIMIT[operator]}`;
    return [
      parts.svg,
      `The plane of two states: V${subscript(k)} = (${V.map(format).join(", ")}), the square of radius ${format(radius)} around ${limitName} = (${limit.map(format).join(", ")}), and its image inside the γ times smaller one.`,
    ];
  };
}
