// The pictures of ControlVariate and QProp: samples with lines through them, the bowl of a variance, whose marks
// VarianceReduction's has too, estimates heaped up over their exact mean and spread, and curves against the number of
// samples. Where there is no room for a picture it is not drawn.
import { fit, limits } from "./common.js";
import { label as describe, format, svgElement, tell } from "./controls.js";
import { between, chart, clearest, dots, dragAlong, keeper, path } from "./frame.js";
import { arrow, dragging, drawPaths, handled, makeHandle, makePaths, moveHandle, node, put, round } from "./handles.js";

export const ROW = 14; // height of one row of marks' names above a bowl, in pixels
const LOW = 13; // height of a band that has room for its name, in pixels
const [PILE, LEAST] = [5, 2]; // how far apart the dots of a heap are, in pixels, and at least

export const rounded = (x) => format(Number(x.toPrecision(2)));
export const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;

// How handles change settings: moving(name) takes a number to what it may be, and held(name, rise) gives what a handle of
// that setting needs: its limits, how it is moved, and nudged by keys, to the side or up; where rise() is −1 it goes up as
// the number falls.
export function holding(model, change) {
  const moving = (name) => (x) => change({ [name]: fit(model, name, x, 3) });
  const held = (name, rise = () => 1) => ({
    limits: limits(model, name),
    move: moving(name),
    nudge: (across, up = 0) => moving(name)(model.get(name) + 0.05 * (across || rise() * up)),
  });
  return { moving, held };
}

// Samples ----------------------------------------------------------------------------------------------------------

// Points, and a curve of so many pieces, with lines through one centre, which turn by their handles. lines: [{ name, kind,
// look, side, limits, move, nudge }]: the classes of stroke and handle, the side of the handle, 1 or −1, move(slope), and,
// for keys, nudge(across, up): steps of the number itself, or of the line as it is seen.
export function makeScatter(holder, { x: across, y: up, centre, lines, pieces }) {
  const kept = keeper();
  let parts, state;
  function build(domain, size) {
    const base = handled(holder, size, { x: { ...across, grid: true }, y: { ...up, domain } });
    const paths = makePaths(base.layer, { rest: "rl-rest", points: "rl-heap", curve: "rl-exact" });
    const strokes = lines.map(({ kind }) => node(base.layer, "path", { class: kind }));
    const handles = lines.map(({ name, limits, look }) =>
      makeHandle(base.svg, `${name}: up and down arrow keys turn it`, round(look), limits),
    );
    const names = lines.map(({ kind }) =>
      node(base.svg, "text", { class: `rl-label ${kind.includes("rl-control") ? "rl-baseline" : ""}` }),
    );
    return { ...base, paths, names, strokes, handles };
  }
  const along = (slope, u) => centre[1] + slope * (u - centre[0]);
  // Where a line's handle is: at the reach of its side, or where the line leaves the frame.
  function grip(side, slope) {
    const { x, y, top, foot } = parts;
    const { reach } = state;
    const rise = slope * side * reach;
    const room = Math.max(0.01, rise > 0 ? parts.invertY(top + 8) - centre[1] : centre[1] - parts.invertY(foot - 8));
    const share = Math.min(1, room / Math.abs(rise || 1e-9));
    return [x(centre[0] + share * side * reach), y(centre[1] + share * rise)];
  }
  const turning = lines.map(({ side, move, nudge }, k) => ({
    node: () => parts.handles[k],
    at: () => grip(side, state.slopes[k]),
    drag: ([u, v]) => move((v - centre[1]) / (side * Math.max(0.15 * state.reach, side * (u - centre[0])))),
    key: ([dx, dy]) => nudge(dx, dy),
  }));
  dragging(holder, turning, ([px, py]) => [parts.invert(px), parts.invertY(py)]);
  // slopes: one a line, NaN for none, or several; reach: how far from the centre the handles are; where it `rests`, a
  // thread goes from each point to the first line.
  return function draw(size, given) {
    if (!size) return;
    state = given;
    const { points, curve, domain, slopes, texts, label } = state;
    parts = kept([...size, ...domain], () => build(domain, size));
    const { x, y } = parts;
    const marked = points.map(([u, v]) => [x(u), y(v)]);
    const thread = ([u, v]) => `M${x(u).toFixed(1)},${y(v).toFixed(1)}V${y(along(slopes[0], u)).toFixed(1)}`;
    const [low, high] = across.domain;
    const us = Array.from({ length: curve ? pieces + 1 : 0 }, (_, i) => low + ((high - low) * i) / pieces);
    const bent = us.map((u) => [x(u), between(-2e3, 2e3, y(curve(u)))]);
    drawPaths(parts.paths, {
      rest: state.rests ? points.map(thread).join("") : "",
      points: dots(marked),
      curve: path(bent),
    });
    const ends = slopes.flat().flatMap((one) => {
      return Number.isFinite(one) ? [across.domain.map((u) => [x(u), y(along(one, u))])] : [];
    });
    const marks = lines.flatMap(({ side }, k) => (Number.isFinite(slopes[k]) ? [grip(side, slopes[k])] : []));
    const halves = state.rests ? points.map(([u, v]) => [x(u), y((v + along(slopes[0], u)) / 2)]) : []; // of threads
    const covered = { lines: curve ? [...ends, bent] : ends, marks, dots: [...marked, ...halves], frame: parts };
    lines.forEach(({ side }, k) => {
      const [handle, name, slope] = [parts.handles[k], parts.names[k], slopes[k]];
      const drawn = [slope].flat().filter(Number.isFinite);
      const strokes = drawn.map((one) => path(across.domain.map((u) => [x(u), y(along(one, u))])));
      put(parts.strokes[k], { d: strokes.join("") });
      const there = Number.isFinite(slope);
      handle.style.display = there ? "" : "none";
      put(handle, { tabindex: there ? 0 : -1 });
      name.textContent = there ? texts[k][1] : "";
      if (!there) return;
      const [px, py] = grip(side, slope);
      const [value, text] = texts[k];
      moveHandle(handle, [px, py], value, text);
      const wide = 6.4 * text.length;
      const asides = [-wide - 8, 8, -wide / 2];
      const around = [-13, 22].flatMap((down) => asides.map((aside) => [px + aside, py + down]));
      const spots = [...around, [px + 14, py + 4], [px - wide - 14, py + 4]];
      const [left, foot] = clearest(spots, wide, covered);
      put(name, { x: left, y: foot, "text-anchor": "start" });
    });
    describe(parts.svg, label);
  };
}

// The bowl ---------------------------------------------------------------------------------------------------------

// Where the names of marks stand in the rows above a frame, [px, text] of each given: beside its pole, or, where it has no
// room there, over it, in the highest row in which it covers no other and no pole runs through a name. Where there is no
// such place for all, the last have none. Gives { row, x, anchor, begin }, where the pole begins.
function seats(names, rows, [left, right]) {
  const seat = ([px, text], row, anchor) => {
    const long = 6.2 * text.length;
    const [start, end] = [Math.min(px + 4, right + 14 - long), Math.max(px - 4, long)];
    const from = anchor === "start" ? start : end - long;
    const beside = anchor === "start" ? start > px : end < px;
    const begin = ROW * row + (beside ? 4 : ROW);
    return { row, x: anchor === "start" ? start : end, anchor, begin, px, from, to: from + long, beside };
  };
  const through = (pole, name) => pole.row < name.row && pole.px > name.from - 6 && pole.px < name.to + 6;
  const over = (one, other) => one.row === other.row && one.from < other.to + 8 && one.to > other.from - 8;
  const clash = (one, other) => over(one, other) || through(one, other) || through(other, one);
  function place(count, seated = []) {
    if (seated.length === count) return seated;
    const name = names[seated.length];
    const sides = name[0] < (left + right) / 2 ? ["start", "end"] : ["end", "start"];
    for (let row = 0; row < rows; row++) {
      const both = sides.map((side) => seat(name, row, side));
      const open = both.filter(({ beside }) => beside);
      for (const one of open.length ? open : both) {
        const found = !seated.some((other) => clash(one, other)) && place(count, [...seated, one]);
        if (found) return found;
      }
    }
    return null;
  }
  let count = names.length;
  let seated = place(count);
  while (!seated) seated = place(--count);
  return seated;
}

// Marks of a bowl, each a pole from its name, in one of the rows above the frame, to a spot on the curve. show draws
// those given, at most `count`: [{ kind, px, py, text, short }], where not all have room in short.
export function makeMarks({ layer, left, right, top }, count, rows) {
  const marks = Array.from({ length: count }, () => {
    const groups = [svgElement("g"), svgElement("g")];
    const pole = node(groups[0], "path", { class: "rl-pole" });
    const name = node(groups[1], "text", { class: "rl-label rl-clear" });
    const spot = node(groups[0], "circle", { class: "rl-mark", r: 3.5 });
    return { groups, pole, name, spot };
  });
  for (const i of [0, 1]) layer.before(...marks.map(({ groups }) => groups[i]));
  function show(given) {
    const seatedAs = (/** @type {string} */ called) =>
      seats(
        given.map((mark) => [mark.px, mark[called]]),
        rows,
        [left, right],
      );
    const whole = seatedAs("text");
    const called = whole.length === given.length ? "text" : "short";
    const seated = called === "text" ? whole : seatedAs(called);
    marks.forEach(({ groups, pole, name, spot }, i) => {
      for (const group of groups) group.style.display = given[i] ? "" : "none";
      if (!given[i]) return;
      const { kind, px, py } = given[i];
      const { row = 0, x = px, anchor = "start", begin = top } = seated[i] ?? {};
      for (const group of groups) put(group, { class: kind });
      put(pole, { d: `M${px},${begin}V${Math.max(top, py)}` });
      put(name, { x, y: ROW * row + ROW - 2, "text-anchor": anchor });
      name.textContent = seated[i] ? given[i][called] : ""; // no name is put over another
      put(spot, { cx: px, cy: py });
      spot.style.display = py < top - 1 ? "none" : "";
    });
  }
  return { names: marks.map(({ name }) => name), show };
}

// A variance against a weight, with a point on it to drag. `flags` is how many marks there are at most, and `rows` how
// many rows their names have; a press on a name brings the point there.
export function makeBowl(holder, { x: across, y: up, flags: count, rows = count, point }) {
  const kept = keeper();
  let parts, state;
  function build(top, size) {
    const margins = { marginTop: rows * ROW + 8, marginRight: 14 };
    const base = handled(holder, size, { ...margins, x: across, y: { ...up, domain: [0, top] } });
    const { layer, svg, right, left } = base;
    const band = node(layer, "rect", { class: "rl-band", x: left, width: right - left });
    const bandName = node(layer, "text", { class: "rl-label rl-side" });
    const paths = makePaths(layer, { plain: "rl-plain rl-hair", floor: "rl-bound", curve: "rl-control rl-heavy" });
    const floorName = node(svg, "text", { class: "rl-label" });
    const marks = makeMarks(base, count, rows);
    for (const [i, name] of marks.names.entries()) {
      name.classList.add("rl-flag");
      name.addEventListener("pointerdown", (event) => {
        event.stopPropagation();
        point.move(parts.seen[i][1]);
      });
    }
    const handle = makeHandle(svg, `${point.name}: left and right arrow keys move it`, round(), across.domain);
    const beyond = node(handle, "text", { class: "rl-label", y: 4 });
    return { ...base, paths, band, bandName, floorName, marks, handle, beyond, seen: [] };
  }
  const height = (value) => Math.max(parts.top, parts.y(value));
  const grip = {
    node: () => parts.handle,
    at: () => [parts.x(state.at), height(state.value)],
    drag: ([px]) => point.move(parts.invert(px)),
    key: ([dx, dy]) => point.nudge(dx || dy),
  };
  dragging(holder, [grip]);
  // marks: [name, where, class]; where NaN is left out; `valued` says whether the variance stands beside the names. at
  // NaN: no point; `still`: one that is not to be moved. band: { name, at } from 0 up.
  return function draw(size, given) {
    if (!size) return;
    state = given;
    const { variance, at, value, marks, valued, floor, band, plain, top, lowest, text, label, still } = state;
    parts = kept([...size, top], () => build(top, size));
    const { x, y, left, right, foot } = parts;
    const xs = Array.from({ length: 81 }, (_, i) => left + ((right - left) * i) / 80);
    const level = (height) => `M${left},${y(height)}H${right}`;
    const curve = path(xs.map((px) => [px, Math.max(-2e3, y(variance(parts.invert(px))))]));
    drawPaths(parts.paths, { plain: level(plain), floor: level(floor), curve });
    // The names of the floor and of the band under it stand to either side, the floor's away from the bottom; a band
    // that is too low for its name gives it to the floor's.
    const aside = x(lowest[0]) > (left + right) / 2;
    const sides = [
      { x: left + 6, "text-anchor": "start" },
      { x: right - 4, "text-anchor": "end" },
    ];
    const rise = band ? foot - Math.max(parts.top, y(band.at)) : 0;
    parts.band.style.display = rise > 0 ? "" : "none";
    put(parts.band, { y: foot - rise, height: rise });
    parts.bandName.style.display = rise >= LOW ? "" : "none";
    put(parts.bandName, { ...sides[aside ? 1 : 0], y: Math.min(foot - 3, foot - rise + 13) });
    parts.bandName.textContent = band ? `${band.name}: out of reach` : "";
    put(parts.floorName, { ...sides[aside ? 0 : 1], y: between(parts.top + 10, foot - 4, y(floor) - 8) });
    const shared = band && rise < LOW && Math.abs(y(floor) - y(band.at)) < LOW;
    parts.floorName.textContent = shared ? `${state.floorName} (${band.name})` : state.floorName;
    parts.seen = marks.filter(([, where]) => x(where) >= left - 1 && x(where) <= right + 1);
    parts.marks.show(
      parts.seen.map(([name, where, kind]) => {
        const height = variance(where);
        const text = valued ? `${name}: ${format(height)}` : name;
        return { kind, px: x(where), py: y(height), text, short: name };
      }),
    );
    const there = Number.isFinite(at);
    parts.handle.style.display = there ? "" : "none";
    if (there) {
      moveHandle(parts.handle, [x(at), height(value)], at, text);
      put(parts.handle, { tabindex: still ? -1 : 0 });
      // Where the curve has left the frame the point waits at its upper edge, hollow, and says how high it would be.
      const high = y(value) < parts.top - 0.5;
      parts.handle.classList.toggle("rl-beyond", high);
      parts.beyond.textContent = high ? `↑ ${format(value)}` : "";
      const after = x(at) < (left + right) / 2;
      put(parts.beyond, { x: after ? 12 : -12, "text-anchor": after ? "start" : "end" });
    }
    describe(parts.svg, label);
  };
}

// Estimates --------------------------------------------------------------------------------------------------------

// Rows of estimates, each heaped up as dots over a bar of its exact mean and two standard deviations to both sides;
// the line of the truth runs through all of them, and an arrow goes from it to a mean that is elsewhere.
export function makeHeaps(holder, { label: acrossLabel }) {
  const kept = keeper();
  function build(domain, size, count) {
    const margins = { marginLeft: 16, marginTop: 4, marginRight: 16 };
    const across = { domain, grid: true, label: acrossLabel };
    const base = chart(holder, size, { ...margins, x: across, y: { domain: [count, 0] } });
    const truth = node(base.layer, "path", { class: "rl-exact" });
    const rows = Array.from({ length: count }, () => ({
      heap: node(base.layer, "path", { class: "rl-heap" }),
      bar: node(base.layer, "path"),
      shift: node(base.layer, "path", { class: "rl-exact rl-stroke" }),
      name: node(base.svg, "text", { class: "rl-label rl-clear", x: base.left + 6, "text-anchor": "start" }),
    }));
    return { ...base, truth, rows };
  }
  // rows: [{ name, values, bias, sd, kind }]; an sd of NaN has no bar.
  return function draw(size, { domain, truth, rows, label }) {
    if (!size) return;
    const parts = kept([...size, ...domain, rows.length], () => build(domain, size, rows.length));
    const { x, y, left, right, svg } = parts;
    // Dots in columns so wide: [where, how many lie below], and the most in a column.
    const piled = (values, wide) => {
      const piles = new Map();
      const placed = values.map((value) => {
        const px = left + wide * Math.round((x(value) - left) / wide);
        const below = piles.get(px) ?? 0;
        piles.set(px, below + 1);
        return [px, below];
      });
      return { placed, high: Math.max(...piles.values()) };
    };
    // As far apart, in all rows alike, as leaves room for the highest column, so that each dot is seen by itself; where
    // rows are low, that may stand beside the name.
    const row = y(1) - y(0);
    const room = Math.max(row - 34, Math.min(30, row - 24));
    let wide = PILE;
    const heaped = () => rows.map(({ values }) => piled(values, wide));
    let heaps = heaped();
    while (wide > LEAST && heaps.some(({ high }) => high * wide > room)) {
      wide -= 0.5;
      heaps = heaped();
    }
    let outside = 0;
    rows.forEach(({ name, bias, sd, kind }, i) => {
      const row = parts.rows[i];
      const mean = truth + bias;
      const ground = y(i + 1) - 17;
      const { placed, high } = heaps[i];
      const step = Math.min(wide, room / high);
      const inside = placed.filter(([px]) => px >= left && px <= right);
      const beyond = placed.length - inside.length;
      put(row.heap, { d: dots(inside.map(([px, below]) => [px, ground - 2 - below * step])) });
      row.heap.style.strokeWidth = String(0.8 * wide);
      const bar = ground + 6;
      const at = (value) => between(-2e3, 2e3, x(value));
      const reach = Number.isFinite(sd) ? `M${at(mean - 2 * sd)},${bar}H${at(mean + 2 * sd)}` : "";
      put(row.bar, { class: `${kind} rl-bar`, d: `${reach}M${at(mean)},${bar - 6}v12` });
      const [from, to] = [x(truth), at(mean)];
      const along = [from, (3 * from + to) / 4, to].map((px) => [px, bar]);
      put(row.shift, { d: Math.abs(to - from) > 1 ? arrow(along) : "" });
      put(row.name, { y: y(i) + 13 });
      outside += beyond;
      const text = `${name}: sd ${format(sd)}${bias ? `, bias ${rounded(bias)}` : ""}`;
      tell(row.name, beyond ? `${text}; ${beyond} outside the frame` : text);
    });
    // The truth's line begins below a name that it would go through.
    const across = rows.map((_, i) => parts.rows[i].name.textContent.length * 6.4 + left + 14 > x(truth));
    put(parts.truth, { d: across.map((over, i) => `M${x(truth)},${y(i) + (over ? 19 : 0)}V${y(i + 1)}`).join("") });
    describe(svg, outside ? `${label} ${outside} of the estimates lie outside the frame.` : label);
  };
}

// Against n --------------------------------------------------------------------------------------------------------

// Curves on logarithmic scales, their names at their right ends; seek(n) is called where the picture is dragged.
export function makeGrowth(holder, { x: across, y: up, names, seek }) {
  const kept = keeper();
  function build(size) {
    const base = chart(holder, size, {
      marginRight: 92,
      x: { type: "log", tickFormat: String, ...across },
      y: { type: "log", tickFormat: format, ...up },
    });
    const { svg, layer, right } = base;
    const cursor = node(layer, "path", { class: "rl-pole" });
    const curves = names.map(([, kind]) => node(layer, "path", { class: kind }));
    const labels = names.map(([name, , colour]) =>
      node(svg, "text", { class: `rl-label ${colour}`, x: right + 5, "text-anchor": "start" }, name),
    );
    const spots = names.map(([, , , spot]) => node(layer, "circle", { class: `rl-spot ${spot}`, r: 5 }));
    dragAlong(base, seek);
    return { ...base, cursor, curves, labels, spots };
  }
  // curves: one (n) => value a name; a value of 0 is not drawn.
  return function draw(size, { at, curves, label }) {
    if (!size) return;
    const parts = kept(size, () => build(size));
    const { x, y, top, foot, svg, cursor, labels, spots } = parts;
    put(cursor, { d: `M${x(at)},${top}V${foot}` });
    const [low, high] = across.domain;
    const xs = Array.from({ length: 25 }, (_, i) => low * (high / low) ** (i / 24));
    const ends = curves.map((curve, i) => {
      const seen = curve(low) > 0;
      const down = (n) => between(-50, 2e3, y(Math.max(1e-9, curve(n))));
      put(parts.curves[i], { d: seen ? path(xs.map((n) => [x(n), down(n)])) : "" });
      spots[i].style.display = seen ? "" : "none";
      put(spots[i], { cx: x(at), cy: down(at) });
      const end = down(high);
      labels[i].style.display = seen && end < foot + 4 ? "" : "none";
      return { i, end: Math.max(top + 6, end), seen: seen && end < foot + 4 };
    });
    // From the lowest name up, each as high as the one below it needs.
    let below = Infinity;
    for (const { i, end } of ends.filter(({ seen }) => seen).sort((a, b) => b.end - a.end)) {
      below = Math.min(below - ROW, end + 4);
      put(labels[i], { y: below });
    }
    describe(svg, label);
  };
}
