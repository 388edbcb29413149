// The map of ValueIteration: cells that are painted by mouse, finger or keys, their values, colours and arrows.
import { format, hasFocus, svgElement } from "./controls.js";
import * as numerics from "./grid_numerics.js";

export const ARROWS = ["↑", "→", "↓", "←"];
export const KINDS = { ".": "free", "#": "wall", G: "goal", P: "pit", S: "start" };
const LETTERS = {
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

// A value in a cell: two decimals where there is room.
export function brief(x) {
  if (Math.abs(x) < 5e-10) return "0";
  const size = Math.abs(x);
  return x.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0).replace("-", "−");
}

const signed = (x) => (x > 0 ? `+${format(x)}` : format(x));

// Pointer and keys on the cells of a map. use(null, at) uses the chosen tool, use(key, at) what a key stands for, and
// gives what a stroke goes on painting, once a cell; a finger has to go sideways or tap, else it scrolls. While the
// pointer was last here, and no key since, the widget is "rl-pointed": the cell with the focus needs no outline then.
export function onCells(svg, { cellAt, shape, focused, focusOn, attend, use, paint = use, knows, point }) {
  let stroke = null;
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
export function arrows(x, y, size, weights, at) {
  const [up, over, down, back] = [weights[at], weights[at + 1], weights[at + 2], weights[at + 3]];
  if (up + over + down + back === 4) return `M${x},${y}h0.01`; // nothing to choose between: a dot
  const alone = Math.max(up, over, down, back) > 0.97 && up + over + down + back < 1.5;
  let d = "";
  for (let a = 0; a < 4; a++) {
    if (weights[at + a] < 0.02) continue;
    const [di, dj] = numerics.MOVES[a];
    const length = Math.round(10 * size * (alone ? 0.17 : 0.08 + 0.2 * weights[at + a])) / 10;
    const head = Math.round(10 * Math.min(size * 0.09, 0.4 * length)) / 10;
    d += `M${x - (alone ? dj * length : 0)},${y - (alone ? di * length : 0)}L${x + dj * length},${y + di * length}`;
    d += `m${head * (di - dj)},${head * (dj - di)}l${head * (dj - di)},${head * (di - dj)}l${-head * (di + dj)},${-head * (di + dj)}`;
  }
  return d;
}

export function makeMap(holder, { apply, point }) {
  let key, parts;
  let tool = "look";
  let focus = [0, 0];
  const cellAt = (event) => {
    const box = parts.svg.getBoundingClientRect();
    const [i, j] = [(event.clientY - box.top) / parts.size, (event.clientX - box.left) / parts.size].map(Math.floor);
    return parts.cells[i]?.[j] ? [i, j] : null;
  };
  function focusOn([i, j]) {
    parts.cells[focus[0]]?.[focus[1]]?.group.setAttribute("tabindex", "-1");
    focus = [i, j];
    const { group } = parts.cells[i][j];
    group.setAttribute("tabindex", "0");
    group.focus({ preventScroll: true });
  }

  const listen = (svg) =>
    onCells(svg, {
      cellAt,
      shape: () => [parts.cells.length, parts.cells[0].length],
      focused: () => focus,
      focusOn,
      attend: (at) => (focus = at),
      use: (key, at) => apply(key === null ? tool : LETTERS[key], at),
      paint: apply,
      knows: (key) => Object.hasOwn(LETTERS, key),
      point,
    });

  function build(rows, size) {
    const [H, W] = [rows.length, rows[0].length];
    const svg = svgElement("svg", {
      class: "rl-map",
      role: "grid",
      "aria-label": "The map: arrow keys move, Enter uses the chosen tool",
      "data-lm-suppress-shortcuts": "true",
      width: W * size + 2,
      height: H * size + 2,
      viewBox: `-1 -1 ${W * size + 2} ${H * size + 2}`,
    });
    focus = [Math.min(focus[0], H - 1), Math.min(focus[1], W - 1)];
    const small = Math.max(8, Math.min(11, size / 4));
    const texts = svgElement("g", { "aria-hidden": "true" }); // a cell's name says it all
    const cells = rows.map((row, i) => {
      const line = svgElement("g", { role: "row" });
      svg.append(line);
      return [...row].map((_, j) => {
        const [x, y] = [j * size, i * size];
        const here = i === focus[0] && j === focus[1];
        const group = svgElement("g", {
          role: "gridcell",
          tabindex: here ? 0 : -1,
          class: "rl-cell",
          "data-at": [i, j],
        });
        const ground = svgElement("rect", { x, y, width: size, height: size, class: "rl-ground" });
        const tint = svgElement("rect", { x, y, width: size, height: size, class: "rl-tint" });
        const kind = svgElement("text", { x: x + size * 0.07, y: y + small + 1, class: "rl-kind", "font-size": small });
        const extra = svgElement("text", {
          x: x + size * 0.94,
          y: y + small + 1,
          class: "rl-extra",
          "font-size": small,
        });
        const text = svgElement("text", {
          x: x + size / 2,
          y: y + size * 0.9,
          class: "rl-value",
          "font-size": Math.max(9, Math.min(13, size / 3.6)),
        });
        group.append(ground, tint);
        texts.append(kind, extra, text);
        line.append(group);
        return { group, tint, kind, extra, text, x, y, shown: {} };
      });
    });
    const ring = svgElement("rect", { width: size, height: size, class: "rl-ring" });
    // One path for all arrows: hundreds of small ones would be slow.
    const [good, bad] = ["rl-arrow", "rl-arrow rl-wrong"].map((kind) => svgElement("path", { class: kind }));
    svg.append(good, bad, texts, ring);
    listen(svg);
    holder.replaceChildren(svg);
    return { svg, cells, size, ring, good, bad };
  }

  function draw(now, swept, V, weights, right, at, [width, height]) {
    const { rows, cell_rewards: rewards } = now;
    const { process } = swept;
    const [H, W] = [rows.length, rows[0].length];
    const size = Math.floor(Math.min((width - 2) / W, (height - 2) / H, 72));
    const again = parts && hasFocus(parts.svg);
    if (key !== (key = [H, W, size].join())) {
      parts = build(rows, size);
      if (again) focusOn(focus);
    }
    const top = Math.max(numerics.largest(swept.values), 1e-9);
    let [good, bad] = ["", ""];
    parts.cells.forEach((row, i) =>
      row.forEach((cell, j) => {
        const s = process.stateAt[i][j];
        const change = (name, node, attribute, value) => {
          if (cell.shown[name] === value) return;
          cell.shown[name] = value;
          if (attribute) node.setAttribute(attribute, value);
          else node.textContent = value;
        };
        const kind = rows[i][j];
        const wall = s < 0;
        const ends = kind === "G" || kind === "P";
        const own = rewards[i]?.[j] ?? 0;
        const extra = wall ? 0 : ends ? process.entering[s] : own;
        const tint = ends ? Math.sign(process.entering[s]) : wall ? 0 : V[s];
        const depth = ends ? 0.42 : Math.min(1, Math.abs(tint) / top) * 0.42;
        change("class", cell.group, "class", `rl-cell rl-is-${KINDS[kind]}`);
        change("sign", cell.tint, "class", `rl-tint ${tint < 0 ? "rl-below" : "rl-above"}`);
        change("depth", cell.tint, "fill-opacity", depth.toFixed(3));
        change("kind", cell.kind, null, ends || kind === "S" ? kind : "");
        change("extra", cell.extra, null, extra || ends ? signed(extra) : "");
        change("value", cell.text, null, wall || size < 28 ? "" : brief(V[s]));
        if (wall || ends) return;
        const middle = cell.y + Math.round(size * (size < 28 ? 0.5 : 0.45));
        const d = arrows(cell.x + size / 2, middle, size, weights, 4 * s);
        if (right && !right[s]) bad += d;
        else good += d;
      }),
    );
    parts.good.setAttribute("d", good);
    parts.bad.setAttribute("d", bad);
    parts.ring.setAttribute("x", at[1] * size);
    parts.ring.setAttribute("y", at[0] * size);
  }

  // What a screen reader says of each cell; written when the map has come to rest, and at once for the focused one.
  function describe(now, { process }, V, weights) {
    parts?.cells.forEach((row, i) =>
      row.forEach(({ group, shown }, j) => {
        const s = process.stateAt[i]?.[j] ?? -1;
        const kind = KINDS[now.rows[i]?.[j]];
        const best = ARROWS.filter((_, a) => s >= 0 && weights[4 * s + a] > 0.3).join(" ");
        const worth =
          s < 0 ? "" : `, value ${brief(V[s])}${process.absorbing[s] ? "" : `, ${best || "all directions"}`}`;
        const label = `row ${i + 1}, column ${j + 1}, ${kind}${worth}`;
        if (shown.label !== label) group.setAttribute("aria-label", (shown.label = label));
      }),
    );
  }
  return { draw, describe, choose: (name) => (tool = name) };
}
