// A map with a number in each cell, and over it arrows of policies and the trail of an episode. One that is painted is a
// grid to screen readers and keys; the others are pictures.

import { chips, element, hasFocus, later, label as name, panel, svgElement } from "./controls.js";
import { keeper, pointIn } from "./frame.js";
import { MOVES } from "./grid_numerics.js";
import { node, put } from "./handles.js";

export const ARROWS = ["↑", "→", "↓", "←"];
const KINDS = { ".": "free", "#": "wall", G: "goal", P: "pit", S: "start" };

// What a policy is painted with, by buttons and by keys.
const BRUSHES = [["look", "Look"], ...[..."^>v<."].map((brush, a) => [brush, ARROWS[a] ?? "all four"])];
const BRUSH_KEYS = { u: "^", r: ">", d: "v", l: "<", ".": ".", Delete: "." };

export function brushChips(label, choose) {
  const made = chips(label, BRUSHES, (brush) => {
    choose(brush);
    made.show(brush);
  });
  made.show("look");
  made.node.classList.add("rl-tools");
  return made;
}

// Panels by their names, which their nodes have too: each with a title, notes, and a picture or a map.
export const notedPanels = (given) =>
  Object.fromEntries(
    Object.entries(given).map(([name, { title = "", notes = [], map = false }]) => {
      const made = panel(title, ...(notes.length ? [element("div", { class: "rl-keys" }, ...notes)] : []));
      made.node.dataset.panel = name;
      if (map) made.holder.classList.add("rl-map-holder");
      return [name, made];
    }),
  );

// Among a panel's notes: choices beside their name.
export function noteSwitch(name, ...choices) {
  for (const { node } of choices) node.classList.add("rl-tools");
  return element("div", { class: "rl-switch" }, element("span", {}, name), ...choices);
}

// A number in a cell: two digits, or as many decimals as there is room for.
function inCell(x, size = 60) {
  const most = Math.abs(x);
  if (!Number.isFinite(x)) return "";
  if (most < 5e-10) return "0";
  const narrow = size < 52;
  const least = narrow ? 0.005 : 0.0005;
  if (most < least) return "≈0";
  const digits = most < 0.0995 ? (narrow ? 2 : 3) : most < 9.995 ? 2 : most < 99.95 ? 1 : 0;
  return x.toFixed(digits).replace("-", "−");
}

// Arrows from the middle of a cell, as long as their weights; a single one is centred.
function arrows(x, y, size, weights, at) {
  const [up, over, down, back] = [weights[at], weights[at + 1], weights[at + 2], weights[at + 3]];
  // Nothing to choose between: a ring.
  const r = Math.round(Math.max(3, 0.09 * size));
  if (up + over + down + back === 4) return `M${x - r},${y}a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0`;
  const alone = Math.max(up, over, down, back) > 0.97 && up + over + down + back < 1.5;
  let d = "";
  for (let a = 0; a < 4; a++) {
    if (weights[at + a] < 0.02) continue;
    const [di, dj] = MOVES[a];
    const length = Math.round(10 * size * (alone ? 0.17 : 0.08 + 0.2 * weights[at + a])) / 10;
    const head = Math.round(10 * Math.min(size * 0.09, 0.4 * length)) / 10;
    d += `M${x - (alone ? dj * length : 0)},${y - (alone ? di * length : 0)}L${x + dj * length},${y + di * length}`;
    d += `m${head * (di - dj)},${head * (dj - di)}l${head * (dj - di)},${head * (di - dj)}l${-head * (di + dj)},${-head * (di + dj)}`;
  }
  return d;
}

// The parts of one cell: its group, for the tint and the keys, and its texts, which stand over the arrows.
function makeCell(line, texts, [x, y], size, { at, low, here }) {
  const small = Math.max(10, Math.min(11, size / 4));
  const role = here === null ? {} : { role: "gridcell", tabindex: here ? 0 : -1 };
  const group = node(line, "g", { class: "rl-cell", ...role, "data-at": at });
  const square = (kind) => node(group, "rect", { x, y, width: size, height: size, class: kind });
  square("rl-ground");
  const tint = square("rl-tint");
  const text = (across, down, kind, font) =>
    node(texts, "text", { x: x + size * across, y: y + down, class: kind, "font-size": font });
  const title = text(0.07, small + 1, "rl-kind", small);
  const extra = text(0.94, small + 1, "rl-extra", small);
  const value = text(0.5, low ? size * 0.9 : size * 0.5 + 4, "rl-value", Math.max(10, Math.min(13, size / 3.6)));
  return { group, tint, title, extra, value, x, y, shown: {} };
}

// paint(tool, at) uses a tool on a cell, and gives what a stroke goes on painting; `keys` maps keys to tools. Without
// `paint` the map is a picture. point(at, passing) is told which cell is touched, or passed over. `rise` is how
// far down in a cell its arrows start.
/**
 * @param {HTMLElement} holder
 * @param {{
 *   label: string, point: (at: any, passing?: boolean) => void, rise?: number,
 *   keys?: Record<string, string>, paint?: ((tool: string, at: any) => any) | null,
 * }} options
 */
export function makeCells(holder, { label, keys = BRUSH_KEYS, paint = null, point, rise = 0.42 }) {
  const kept = keeper();
  let parts;
  /** @type {string | null} */
  let tool = null;
  let focus = [0, 0];
  const cellAt = (event) => {
    const [j, i] = pointIn(parts.svg, event).map((x) => Math.floor(x / parts.size));
    return parts.cells[i]?.[j] ? [i, j] : null;
  };
  function focusOn(/** @type {number[]} */ [i, j]) {
    parts.cells[focus[0]]?.[focus[1]]?.group.setAttribute("tabindex", "-1");
    focus = [i, j];
    const { group } = parts.cells[i][j];
    group.setAttribute("tabindex", "0");
    group.focus({ preventScroll: true });
  }

  // Pointer and keys on the cells; a finger has to go sideways or tap, else it scrolls. While the pointer was last here,
  // and no key since, the widget is "rl-pointed": the cell with the focus needs no outline then.
  function listen(svg, alive) {
    /** @type {{ last: string, paint: any } | null} */
    let stroke = null; // which goes on painting, once a cell
    /** @type {{ x: number, at: number[] } | null} */
    let touched = null;
    const pointed = (yes) => svg.closest(".rl")?.classList.toggle("rl-pointed", yes);
    const use = (used, at) => used && alive(used, at);
    const begin = (at) => {
      pointed(true);
      focusOn(at);
      point(at);
      stroke = { last: at.join(), paint: use(tool, at) };
      touched = null;
    };
    svg.addEventListener("pointermove", (event) => {
      if (touched && Math.abs(event.clientX - touched.x) < 8) return;
      if (touched) begin(touched.at);
      const at = cellAt(event);
      if (!at) return;
      if (!stroke) {
        if (event.pointerType !== "touch") point(at, true);
      } else if (at.join() !== stroke.last) {
        stroke.last = at.join();
        point(at);
        use(stroke.paint, at);
      }
    });
    svg.addEventListener("pointerleave", () => point(null, true));
    if (!alive) {
      svg.addEventListener("click", (event) => {
        const at = cellAt(event);
        if (at) point(at);
      });
      return;
    }
    svg.addEventListener("pointerdown", (event) => {
      const at = cellAt(event);
      if (event.button || !at) return;
      event.preventDefault(); // the cell takes the focus itself, without a scroll
      svg.setPointerCapture(event.pointerId);
      if (event.pointerType === "touch") touched = { x: event.clientX, at };
      else begin(at);
    });
    svg.addEventListener("pointerup", () => {
      if (touched) begin(touched.at);
      stroke = null;
    });
    svg.addEventListener("pointercancel", () => {
      touched = stroke = null;
    });
    svg.addEventListener("keydown", (event) => {
      pointed(false);
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const [H, W] = [parts.cells.length, parts.cells[0].length];
      const [i, j] = focus;
      const to = {
        ArrowUp: [i - 1, j],
        ArrowDown: [i + 1, j],
        ArrowLeft: [i, j - 1],
        ArrowRight: [i, j + 1],
        Home: [i, 0],
        End: [i, W - 1],
      }[event.key];
      const enter = event.key === "Enter" || event.key === " ";
      if (!to && !enter && !Object.hasOwn(keys, event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      if (to) focusOn([Math.min(H - 1, Math.max(0, to[0])), Math.min(W - 1, Math.max(0, to[1]))]);
      else use(enter ? tool : keys[event.key], focus);
    });
    svg.addEventListener(
      "focusout",
      (event) => svg.isConnected && !svg.contains(event.relatedTarget) && pointed(false),
    );
    svg.addEventListener("focusin", (event) => {
      const at = event.target.closest(".rl-cell")?.dataset.at?.split(",").map(Number);
      if (!at) return;
      focus = at;
      point(at);
    });
  }

  function build([H, W], size, alive) {
    const [width, height] = [W * size + 2, H * size + 2];
    const svg = svgElement("svg", {
      class: alive ? "rl-map" : "rl-map rl-seen",
      role: alive ? "grid" : "img",
      "aria-label": label,
      "data-lm-suppress-shortcuts": "true",
      width,
      height,
      viewBox: `-1 -1 ${width} ${height}`,
    });
    focus = [Math.min(focus[0], H - 1), Math.min(focus[1], W - 1)];
    const texts = svgElement("g", { "aria-hidden": "true" }); // a cell's name says it all
    const cells = Array.from({ length: H }, (_, i) => {
      const line = node(svg, "g", alive ? { role: "row" } : {});
      return Array.from({ length: W }, (_, j) => {
        const here = alive ? i === focus[0] && j === focus[1] : null;
        return makeCell(line, texts, [j * size, i * size], size, { at: [i, j], low: Boolean(paint), here });
      });
    });
    const trail = node(svg, "path", { class: "rl-trace" });
    // One path for all arrows of a kind: hundreds of small ones would be slow.
    const lines = [0, 1].map(() => node(svg, "path", { class: "rl-arrow" }));
    svg.append(texts);
    const ring = node(svg, "rect", { width: size, height: size, class: "rl-ring" });
    const token = node(svg, "circle", { class: "rl-handle", r: Math.max(4, size / 9) });
    listen(svg, alive);
    holder.replaceChildren(svg);
    return { svg, cells, size, ring, trail, token, lines };
  }

  const change = ({ shown }, what, node, attribute, value) => {
    if (shown[what] === value) return;
    shown[what] = value;
    if (attribute) node.setAttribute(attribute, value);
    else node.textContent = value;
  };

  // look(i, j, s, size): what stands in a cell, { title, extra, value, tint: [class, depth], news }. policies: up to two of
  // [class, π], side by side, or of [class, π, there(s)], each where it is. trail: cells; says: the picture in
  // words; tells(s): a state in words, for when the map has come to rest; largest: the size of a cell at most; still:
  // nothing is painted, and it is a picture like any other.
  /** @param {any} picture @param {number[]} size */
  function draw(
    { rows, stateAt, absorbing, look, policies = [], trail = [], token, at, says, tells, largest = 64, still = false },
    [width, height],
  ) {
    const [H, W] = [rows.length, rows[0].length];
    const size = Math.floor(Math.min((width - 2) / W, (height - 2) / H, largest));
    holder.style.height = still ? "" : `${height}px`;
    const again = parts && hasFocus(parts.svg);
    const alive = still ? null : paint;
    parts = kept([H, W, size, Boolean(alive)], () => build([H, W], size, alive));
    if (again && alive && !hasFocus(parts.svg)) focusOn(focus);
    const paths = policies.map(() => "");
    parts.cells.forEach((row, i) => {
      row.forEach((cell, j) => {
        const s = stateAt[i][j];
        const { title = "", extra = "", value = "", tint = ["", 0], news = false } = look(i, j, s, size);
        change(cell, "kind", cell.group, "class", `rl-cell rl-is-${KINDS[rows[i][j]]}`);
        change(cell, "news", cell.value, "class", news ? "rl-value rl-news" : "rl-value");
        change(cell, "sign", cell.tint, "class", `rl-tint ${tint[0]}`);
        change(cell, "depth", cell.tint, "fill-opacity", tint[1].toFixed(3));
        for (const [what, text] of Object.entries({ title, extra, value })) change(cell, what, cell[what], null, text);
        if (s < 0 || absorbing[s]) return;
        const [x, y] = [cell.x + size / 2, cell.y + Math.round(size * (size < 28 ? 0.5 : rise))];
        policies.forEach(([, pi, there], n) => {
          const aside = there || policies.length < 2 ? 0 : size * [-0.17, 0.28][n]; // the cell’s letter is at its left
          if (!there || there(s)) paths[n] += arrows(x + aside, y, size, pi, 4 * s);
        });
      });
    });
    parts.lines.forEach((line, n) => {
      put(line, { class: `rl-arrow ${policies[n]?.[0] ?? ""}`, d: paths[n] ?? "" });
    });
    const middle = (/** @type {number[]} */ [i, j]) => [(j + 0.5) * size, (i + 0.42) * size];
    const way = trail.map((cell, n) => `${n ? "L" : "M"}${middle(cell).map((x) => x.toFixed(1))}`);
    parts.trail.setAttribute("d", way.join(""));
    parts.token.toggleAttribute("hidden", !token);
    if (token) {
      const [cx, cy] = middle(token);
      put(parts.token, { cx, cy });
    }
    parts.ring.toggleAttribute("hidden", !at);
    if (at) put(parts.ring, { x: at[1] * size, y: at[0] * size });
    if (says) name(parts.svg, says);
    if (still || !tells) return resting.end();
    resting.ask(rows, ([i, j]) => (stateAt[i][j] < 0 ? "" : tells(stateAt[i][j])));
  }

  // What a screen reader says of each cell; written when the map has come to rest.
  function describe(rows, say) {
    parts?.cells.forEach((row, i) => {
      row.forEach((cell, j) => {
        const text = say([i, j]);
        const words = `row ${i + 1}, column ${j + 1}, ${KINDS[rows[i]?.[j]]}${text ? `, ${text}` : ""}`;
        change(cell, "label", cell.group, "aria-label", words);
      });
    });
  }
  const resting = later(400, describe);
  return {
    draw,
    end: resting.end,
    choose(chosen) {
      tool = chosen === "look" ? null : chosen;
    },
  };
}

// What a map with values shows: letters of its cells, or `names`; values by state; tint(s) is [class, opacity].
export const numbersOf = (rows, values, tint, names) => (i, j, s, size) => ({
  title: names?.[i]?.[j] ?? ("GPS".includes(rows[i][j]) ? rows[i][j] : ""),
  value: s < 0 || size < 26 ? "" : inCell(values[s], size),
  tint: s < 0 ? ["", 0] : tint(s),
});

// What a cell is called, and what stands there.
export const placeOf = (rows, [i, j]) => `Row ${i + 1}, column ${j + 1} (${KINDS[rows[i][j]]})`;

// Where a policy goes from a state, as arrows.
export const wayOf = (pi, s) => ARROWS.filter((_, a) => pi[4 * s + a] > 0.5).join("") || "all four";

// A cell to begin with: the first start, or the first free cell.
/** @param {string[]} rows */
export function firstCell(rows) {
  for (const kind of ["S", "."]) {
    const i = rows.findIndex((row) => row.includes(kind));
    if (i >= 0) return [i, rows[i].indexOf(kind)];
  }
  return [0, 0];
}

/** @param {string[]} policy */
export const isUniform = (policy) => policy.every((row) => /^\.*$/.test(row));

// A policy with one cell painted; null where that changes nothing.
/** @param {string[]} rows @param {string[]} policy @param {string} brush @param {number[]} at */
export function painted(rows, policy, brush, [i, j]) {
  if (rows[i][j] === "#" || brush === (policy[i]?.[j] ?? ".")) return null;
  const full = policy.length ? policy : rows.map((row) => ".".repeat(row.length));
  return full.map((row, a) => (a === i ? row.slice(0, j) + brush + row.slice(j + 1) : row));
}

// A tint that deepens with the size of a number, of one kind or another by its sign.
export const byScale =
  (values, top, [above, below] = ["rl-above", "rl-below"], most = above === "rl-true" ? 0.3 : 0.5) =>
  (s) => [
    values[s] < 0 ? below : above,
    Number.isFinite(values[s]) ? most * Math.min(1, Math.abs(values[s]) / (top || 1)) : 0,
  ];

// Which cell a widget speaks of: the one under the pointer, else the one last touched or focused in this world, else a
// first one.
export function pointing(changed) {
  const known = { pointed: null, chosen: null, world: "" };
  const inside = (rows) => (at) => at && at[0] < rows.length && at[1] < rows[0].length;
  return {
    point(at, passing = false) {
      known[passing ? "pointed" : "chosen"] = at;
      changed();
    },
    at(rows, world) {
      if (world !== known.world) Object.assign(known, { pointed: null, chosen: null, world });
      return [known.pointed, known.chosen].find(inside(rows)) ?? firstCell(rows);
    },
  };
}
