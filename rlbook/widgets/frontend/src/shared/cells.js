// A map with a number in each cell, and over it arrows of policies and the trail of an episode. One that is painted is a
// grid to screen readers and keys; the others are pictures.

import { hasFocus, label as name, svgElement } from "./controls.js";
import { changes, pointIn } from "./frame.js";
import { MOVES } from "./grid_numerics.js";

export const ARROWS = ["↑", "→", "↓", "←"];
export const KINDS = { ".": "free", "#": "wall", G: "goal", P: "pit", S: "start" };

// What a policy is painted with, by buttons and by keys.
const BRUSHES = ["^", ">", "v", "<", "."];
export const brushes = [["look", "Look"], ...BRUSHES.map((brush, a) => [brush, ARROWS[a] ?? "all four"])];
export const BRUSH_KEYS = { u: "^", r: ">", d: "v", l: "<", ".": ".", Delete: "." };

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

// Pointer and keys on the cells of a map. use(null, at) uses the chosen tool, use(key, at) what a key stands for, and
// gives what a stroke goes on painting, once a cell; a finger has to go sideways or tap, else it scrolls. While the
// pointer was last here, and no key since, the widget is "rl-pointed": the cell with the focus needs no outline then.
function onCells(svg, { cellAt, shape, focused, focusOn, attend, use, paint, knows, point }) {
  /** @type {any} */
  let stroke = null;
  /** @type {any} */
  let touched = null;
  const pointed = (yes) => svg.closest(".rl")?.classList.toggle("rl-pointed", yes);
  const begin = (at) => {
    pointed(true);
    focusOn(at);
    point(at);
    stroke = { last: at.join(), paint: use(null, at) };
  };
  const go = (event) => {
    const at = cellAt(event);
    if (!at || at.join() === stroke.last) return;
    stroke.last = at.join();
    point(at);
    if (stroke.paint) paint(stroke.paint, at);
  };
  svg.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const at = cellAt(event);
    if (!at) return;
    event.preventDefault(); // the cell takes the focus itself, without a scroll
    touched = event.pointerType === "touch" ? [event.clientX, at] : null;
    svg.setPointerCapture(event.pointerId);
    if (!touched) begin(at);
  });
  svg.addEventListener("pointermove", (event) => {
    if (touched) {
      if (Math.abs(event.clientX - touched[0]) < 8) return;
      begin(touched[1]);
      touched = null;
    }
    if (stroke) return go(event);
    const at = cellAt(event);
    if (at && event.pointerType !== "touch") point(at, true);
  });
  svg.addEventListener("pointerup", () => {
    if (touched) begin(touched[1]);
    touched = stroke = null;
  });
  svg.addEventListener("pointercancel", () => (touched = stroke = null));
  svg.addEventListener("pointerleave", () => point(null, true));
  svg.addEventListener("keydown", (event) => {
    pointed(false);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [H, W] = shape();
    const [i, j] = focused();
    const to = {
      ArrowUp: [i - 1, j],
      ArrowDown: [i + 1, j],
      ArrowLeft: [i, j - 1],
      ArrowRight: [i, j + 1],
      Home: [i, 0],
      End: [i, W - 1],
    }[event.key];
    const enter = event.key === "Enter" || event.key === " ";
    if (!to && !enter && !knows(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (to) focusOn([Math.min(H - 1, Math.max(0, to[0])), Math.min(W - 1, Math.max(0, to[1]))]);
    else use(enter ? null : event.key, focused());
  });
  svg.addEventListener("focusout", (event) => svg.isConnected && !svg.contains(event.relatedTarget) && pointed(false));
  svg.addEventListener("focusin", (event) => {
    const at = event.target.closest(".rl-cell")?.dataset.at?.split(",").map(Number);
    if (!at) return;
    attend(at);
    point(at);
  });
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
  const group = svgElement("g", { class: "rl-cell", ...role, "data-at": at });
  const tint = svgElement("rect", { x, y, width: size, height: size, class: "rl-tint" });
  group.append(svgElement("rect", { x, y, width: size, height: size, class: "rl-ground" }), tint);
  line.append(group);
  const corner = (share, kind) =>
    svgElement("text", { x: x + size * share, y: y + small + 1, class: kind, "font-size": small });
  const [title, extra] = [corner(0.07, "rl-kind"), corner(0.94, "rl-extra")];
  const value = svgElement("text", {
    x: x + size / 2,
    y: low ? y + size * 0.9 : y + size * 0.5 + 4,
    class: "rl-value",
    "font-size": Math.max(10, Math.min(13, size / 3.6)),
  });
  texts.append(title, extra, value);
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
  const changed = changes();
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

  function listen(svg, alive) {
    if (alive) {
      onCells(svg, {
        cellAt,
        shape: () => [parts.cells.length, parts.cells[0].length],
        focused: () => focus,
        focusOn,
        attend: (at) => {
          focus = at;
        },
        use(letter, at) {
          const used = letter === null ? tool : keys[letter];
          return used && alive(used, at);
        },
        paint: alive,
        knows: (letter) => Object.hasOwn(keys, letter),
        point,
      });
      return;
    }
    const look = (passing) => (event) => {
      const at = cellAt(event);
      if (at) point(at, passing);
    };
    svg.addEventListener("click", look(false));
    svg.addEventListener("pointermove", (event) => event.pointerType !== "touch" && look(true)(event));
    svg.addEventListener("pointerleave", () => point(null, true));
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
      const line = svgElement("g", alive ? { role: "row" } : {});
      svg.append(line);
      return Array.from({ length: W }, (_, j) => {
        const here = alive ? i === focus[0] && j === focus[1] : null;
        return makeCell(line, texts, [j * size, i * size], size, { at: [i, j], low: Boolean(paint), here });
      });
    });
    const ring = svgElement("rect", { width: size, height: size, class: "rl-ring" });
    const trail = svgElement("path", { class: "rl-trace" });
    const token = svgElement("circle", { class: "rl-handle", r: Math.max(4, size / 9) });
    // One path for all arrows of a kind: hundreds of small ones would be slow.
    const lines = [0, 1].map(() => svgElement("path", { class: "rl-arrow" }));
    svg.append(trail, ...lines, texts, ring, token);
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
  // words; largest: the size of a cell at most; still: nothing is painted, and it is a picture like any other.
  /** @param {any} picture @param {number[]} size */
  function draw(
    { rows, stateAt, absorbing, look, policies = [], trail = [], token = null, at, says, largest = 64, still = false },
    [width, height],
  ) {
    const [H, W] = [rows.length, rows[0].length];
    const size = Math.floor(Math.min((width - 2) / W, (height - 2) / H, largest));
    const again = parts && hasFocus(parts.svg);
    const alive = still ? null : paint;
    if (changed([H, W, size, Boolean(alive)])) {
      parts = build([H, W], size, alive);
      if (again && alive) focusOn(focus);
    }
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
          const shift = there || policies.length < 2 ? 0 : size * (n ? 0.09 : -0.09);
          if (!there || there(s)) paths[n] += arrows(x + shift, y + shift, size, pi, 4 * s);
        });
      });
    });
    parts.lines.forEach((line, n) => {
      line.setAttribute("class", `rl-arrow ${policies[n]?.[0] ?? ""}`);
      line.setAttribute("d", paths[n] ?? "");
    });
    const middle = (/** @type {number[]} */ [i, j]) => [(j + 0.5) * size, (i + 0.42) * size];
    const way = trail.map((cell, n) => `${n ? "L" : "M"}${middle(cell).map((x) => x.toFixed(1))}`);
    parts.trail.setAttribute("d", way.join(""));
    parts.token.toggleAttribute("hidden", !token);
    if (token) {
      const [x, y] = middle(token);
      parts.token.setAttribute("cx", x);
      parts.token.setAttribute("cy", y);
    }
    parts.ring.toggleAttribute("hidden", !at);
    if (at) {
      parts.ring.setAttribute("x", at[1] * size);
      parts.ring.setAttribute("y", at[0] * size);
    }
    if (says) name(parts.svg, says);
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
  return {
    draw,
    describe,
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

// A cell to begin with: the first start, or the first free cell.
/** @param {string[]} rows */
export function firstCell(rows) {
  for (const kind of ["S", "."]) {
    const i = rows.findIndex((row) => row.includes(kind));
    if (i >= 0) return [i, rows[i].indexOf(kind)];
  }
  return [0, 0];
}

// A policy with one cell painted.
/** @param {string[]} rows @param {string[]} policy @param {string} brush @param {number[]} at */
export function painted(rows, policy, brush, [i, j]) {
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
    at(rows, world, first = firstCell(rows)) {
      if (world !== known.world) Object.assign(known, { pointed: null, chosen: null, world });
      return [known.pointed, known.chosen].find(inside(rows)) ?? first;
    },
  };
}
