import { format, hasFocus, label, subscript, tell } from "../shared/controls.js";
import { dots, keeper, LEFT, path } from "../shared/frame.js";
import * as numerics from "../shared/grid_numerics.js";
import { dragging, drawPaths, handled, makeHandle, makePaths, node, put, round } from "../shared/handles.js";
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

const NEAREST = 5; // tens by which the picture grows at most: smaller numbers have no room at the axes

// move(V0) is told where the start is moved to, rest() that nothing is held any more.
export function makePlane(holder, move, rest) {
  const kept = keeper();
  let parts, centre, reach, start, domain;
  let held = false;
  let zoom = 1;
  const inside = (v, [low, high]) => Number(Math.min(high, Math.max(low, v)).toFixed(3));
  const within = ([x, y]) => [inside(x, domain.x), inside(y, domain.y)];
  const handle = {
    node: () => parts.start,
    at: () => [parts.x(start[0]), parts.y(start[1])],
    drag: (at) => zoom > 1 || move(within(at)), // nearer, the start is out of sight
    key: ([dx, dy]) => move(within([start[0] + 0.1 * dx, start[1] + 0.1 * dy])),
  };
  dragging(holder, [handle], ([px, py]) => [parts.invert(px), parts.invertY(py)]);
  const letGo = () => {
    held = false;
    setTimeout(rest);
  };
  holder.addEventListener("pointerdown", () => (held = true));
  for (const event of ["pointerup", "pointercancel"]) holder.addEventListener(event, letGo);

  // Where it `nears` the fixed point, the picture grows by tens as the square shrinks; gives how much, in words.
  return function draw({ gamma, V0, k, operator }, { process, operator: T, runs, limit }, size, nears) {
    start = V0;
    const run = runs[0].slice(0, k + 1);
    const V = run[k];
    const span = Math.max(...process.r) - Math.min(...process.r);
    // The axes stay until the square leaves them or has become a sliver of them; drawing them is slow.
    const needed = 1.1 * Math.max(numerics.distance(V0, limit), (0.2 * span) / (1 - gamma));
    const lost = !centre || numerics.distance(centre, limit) + needed > reach || needed < 0.35 * reach;
    if (lost && !held) [centre, reach] = [limit, 1.15 * needed];
    const radius = numerics.distance(V, limit);
    const tens = Math.floor(Math.log10(numerics.distance(V0, limit) / radius / 1.5));
    if (!held && !hasFocus(holder)) zoom = nears ? 10 ** Math.min(NEAREST, Math.max(0, tens || 0)) : 1;
    const [w, h] = [size[0] - LEFT - 12, size[1] - 50];
    const [halfX, halfY] = [Math.max(1, w / h), Math.max(1, h / w)].map((share) => (share * reach) / zoom);
    domain = { x: [centre[0] - halfX, centre[0] + halfX], y: [centre[1] - halfY, centre[1] + halfY] };
    parts = kept([...size, domain.x, domain.y], () => {
      const again = hasFocus(holder); // its keys go on after the axes have changed
      const across = { domain: domain.x, ticks: 5, grid: true, label: "V(s₁)" };
      const base = handled(holder, size, { marginTop: 10, x: across, y: { domain: domain.y, label: "V(s₂)" } });
      const { layer } = base;
      const shapes = makePaths(layer, SHAPES);
      const spot = node(layer, "circle", { class: "rl-spot rl-spot-natural", r: 4.5 });
      const current = node(layer, "circle", { class: "rl-handle", r: 5 });
      const start = makeHandle(layer, "V₀, where it starts", round("", 9));
      const name = node(layer, "text", { class: "rl-label rl-clear" }, "V₀");
      const nextName = node(layer, "text", { class: "rl-label rl-improved" });
      const corner = { x: base.left + 6, y: base.top + 16, "text-anchor": "start" };
      const grown = node(layer, "text", { class: "rl-label", ...corner });
      if (again) start.focus({ preventScroll: true });
      return { ...base, shapes, spot, current, start, name, nextName, grown };
    });
    const at = ([u, v]) => [parts.x(u), parts.y(v)];
    const outline = (points) => `${path(points.map(at))}Z`;
    const squareOf = (r) => outline(numerics.square(limit, r, 1));
    const before = run.slice(0, Math.min(k, 30)).map((from) => squareOf(numerics.distance(from, limit)));
    const [x, y] = at(limit);
    const [first, now, next] = [V0, V, numerics.planeImage(process, T, [V])[0]].map(at);
    drawPaths(parts.shapes, {
      earlier: before.join(""),
      image: outline(numerics.planeImage(process, T, numerics.square(limit, radius, 48))),
      square: squareOf(radius),
      inner: squareOf(gamma * radius),
      trail: path(run.map(at)),
      dots: dots(run.map(at)),
      next: path([now, next]),
      cross: `M${x - 7},${y}h14m-7,-7v14`,
    });
    const centred = (/** @type {number[]} */ [cx, cy]) => ({ cx, cy });
    put(parts.current, centred(now));
    const says = zoom > 1 ? `${format(zoom)} times as large` : "";
    tell(parts.grown, says);
    parts.start.style.display = zoom > 1 ? "none" : "";
    for (const circle of parts.start.children) put(circle, centred(first));
    put(parts.start, { "aria-valuenow": V0[0], "aria-valuetext": `(${V0.map(format).join(", ")})` });
    // Its name stands on the side away from the fixed point, outside its square, which holds the others.
    const toLeft = first[0] < x ? first[0] > parts.left + 40 : first[0] > parts.right - 40;
    const side = toLeft ? { x: first[0] - 14, "text-anchor": "end" } : { x: first[0] + 13, "text-anchor": "start" };
    put(parts.name, { ...side, y: first[1] + 4 });
    put(parts.spot, centred(next));
    put(parts.nextName, { x: next[0] + 8, y: next[1] + (next[1] > now[1] ? 14 : -6) });
    parts.nextName.textContent = Math.hypot(next[0] - now[0], next[1] - now[1]) > 24 ? `V${subscript(k + 1)}` : "";
    label(
      parts.svg,
      `The plane of two states: V${subscript(k)} = (${V.map(format).join(", ")}), the square of radius ${format(radius)} around V${LIMIT[operator]} = (${limit.map(format).join(", ")}), and its image inside the γ times smaller one.${says && ` All of it is drawn ${says}.`}`,
    );
    return says;
  };
}
