// A map with a number in each cell, and over it arrows of policies and the trail of an episode. One that is painted
// is a grid to screen readers and keys; the others are pictures.
import { hasFocus, svgElement } from "./controls.js";
import { KINDS, arrows, onCells } from "./grid_map.js";

export const BRUSHES = ["^", ">", "v", "<", "."]; // what a policy is painted with
const KEYS = { u: "^", r: ">", d: "v", l: "<", ".": ".", Delete: "." };

// A number in a cell: two digits, or as many decimals as there is room for.
export function inCell(x, size = 60) {
  const most = Math.abs(x);
  if (!Number.isFinite(x)) return "";
  if (most < 5e-10) return "0";
  const narrow = size < 48;
  const least = narrow ? 0.005 : 0.0005;
  if (most < least) return "≈0";
  const digits = most < 0.0995 ? (narrow ? 2 : 3) : most < 9.995 ? 2 : most < 99.95 ? 1 : 0;
  return x.toFixed(digits).replace("-", "−");
}

// `paint(brush, at)` and `point(at, passing)` are as grid_map's; without `paint` the map is a picture.
export function makeCells(holder, { label, kind = "", paint = null, point }) {
  let key, parts;
  let brush = null;
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
  // What a stroke goes on painting; a chosen brush on the arrow that is there already changes nothing.
  const use = (letter, at) => {
    const chosen = letter === null ? brush : KEYS[letter];
    if (chosen) paint(chosen, at);
    return chosen;
  };

  function build(rows, size, names) {
    const [H, W] = [rows.length, rows[0].length];
    const svg = svgElement("svg", {
      class: `rl-map rl-cells ${kind} ${paint ? "" : "rl-seen"}`,
      role: paint ? "grid" : "img",
      "aria-label": label,
      "data-lm-suppress-shortcuts": "true",
      width: W * size + 2,
      height: H * size + 2,
      viewBox: `-1 -1 ${W * size + 2} ${H * size + 2}`,
    });
    focus = [Math.min(focus[0], H - 1), Math.min(focus[1], W - 1)];
    const small = Math.max(8, Math.min(11, size / 4));
    const texts = svgElement("g", { "aria-hidden": "true" });
    const cells = rows.map((row, i) => {
      const line = svgElement("g", paint ? { role: "row" } : {});
      svg.append(line);
      return [...row].map((letter, j) => {
        const [x, y] = [j * size, i * size];
        const here = i === focus[0] && j === focus[1];
        const group = svgElement("g", {
          class: `rl-cell rl-is-${KINDS[letter]}`,
          ...(paint ? { role: "gridcell", tabindex: here ? 0 : -1 } : {}),
          "data-at": [i, j],
        });
        const tint = svgElement("rect", { x, y, width: size, height: size, class: "rl-tint" });
        group.append(svgElement("rect", { x, y, width: size, height: size, class: "rl-ground" }), tint);
        line.append(group);
        const name = names?.[i]?.[j] ?? ("GPS".includes(letter) ? letter : "");
        if (name) {
          const at = { x: x + size * 0.07, y: y + small + 1, class: "rl-kind", "font-size": small };
          const text = svgElement("text", at);
          text.textContent = name;
          texts.append(text);
        }
        const text = svgElement("text", {
          x: x + size / 2,
          y: y + size * (paint || kind ? 0.9 : 0.5) + (paint || kind ? 0 : 4),
          class: "rl-value",
          "font-size": Math.max(9, Math.min(13, size / 3.6)),
        });
        texts.append(text);
        return { group, tint, text, x, y, shown: {} };
      });
    });
    const ring = svgElement("rect", { width: size, height: size, class: "rl-ring" });
    const trail = svgElement("path", { class: "rl-trace" });
    const token = svgElement("circle", { class: "rl-handle", r: Math.max(4, size / 9) });
    const lines = [0, 1].map(() => svgElement("path", { class: "rl-arrow" }));
    svg.append(trail, ...lines, texts, ring, token);
    holder.replaceChildren(svg);
    const found = { svg, cells, size, ring, trail, token, lines };
    if (paint) {
      onCells(svg, {
        cellAt,
        shape: () => [rows.length, rows[0].length],
        focused: () => focus,
        focusOn,
        attend: (at) => (focus = at),
        use,
        paint,
        knows: (letter) => Object.hasOwn(KEYS, letter),
        point,
      });
    } else {
      const look = (passing) => (event) => {
        const at = cellAt(event);
        if (at) point(at, passing);
      };
      svg.addEventListener("click", look(false));
      svg.addEventListener("pointermove", (event) => event.pointerType !== "touch" && look(true)(event));
      svg.addEventListener("pointerleave", () => point(null, true));
    }
    return found;
  }

  // values: a number a state, or null for none; tints: [class, opacity] of a state; arrows: up to two of [class, π],
  // the second beside the first; trail: cells; says: the picture in words.
  function draw({ rows, names, stateAt, absorbing, values, tint, policies = [], trail = [], token = null, at, says }, [width, height]) {
    const [H, W] = [rows.length, rows[0].length];
    const size = Math.floor(Math.min((width - 2) / W, (height - 2) / H, names ? 110 : 64));
    const again = parts && hasFocus(parts.svg);
    if (key !== (key = [rows.join(), size].join())) {
      parts = build(rows, size, names);
      if (again && paint) focusOn(focus);
    }
    const paths = policies.map(() => "");
    parts.cells.forEach((row, i) =>
      row.forEach((cell, j) => {
        const s = stateAt[i][j];
        const change = (name, node, attribute, value) => {
          if (cell.shown[name] === value) return;
          cell.shown[name] = value;
          if (attribute) node.setAttribute(attribute, value);
          else node.textContent = value;
        };
        const [kind, depth] = s < 0 ? ["", 0] : tint(s);
        change("class", cell.tint, "class", `rl-tint ${kind}`);
        change("depth", cell.tint, "fill-opacity", depth.toFixed(3));
        change("text", cell.text, null, s < 0 || !values || size < 26 ? "" : inCell(values[s], size));
        if (s < 0 || absorbing[s]) return;
        const side = policies.length > 1 ? size * 0.09 : 0;
        policies.forEach(([, pi], n) => {
          const [x, y] = [cell.x + size / 2, cell.y + Math.round(size * (size < 28 ? 0.5 : 0.42))];
          const shift = n ? side : -side;
          paths[n] += arrows(x + shift, y + shift, size, pi, 4 * s);
        });
      }),
    );
    parts.lines.forEach((line, n) => {
      line.setAttribute("class", `rl-arrow ${policies[n]?.[0] ?? ""}`);
      line.setAttribute("d", paths[n] ?? "");
    });
    const middle = ([i, j]) => [(j + 0.5) * size, (i + 0.42) * size];
    parts.trail.setAttribute("d", trail.map((cell, n) => `${n ? "L" : "M"}${middle(cell).map((x) => x.toFixed(1))}`).join(""));
    parts.token.toggleAttribute("hidden", !token);
    if (token) {
      const [x, y] = middle(token);
      parts.token.setAttribute("cx", x);
      parts.token.setAttribute("cy", y);
    }
    parts.ring.setAttribute("x", at[1] * size);
    parts.ring.setAttribute("y", at[0] * size);
    if (says && parts.svg.getAttribute("aria-label") !== says) parts.svg.setAttribute("aria-label", says);
  }

  // What a screen reader says of each cell; written when the map has come to rest.
  function describe(rows, say) {
    parts?.cells.forEach((row, i) =>
      row.forEach(({ group, shown }, j) => {
        const text = say([i, j]);
        const label = `row ${i + 1}, column ${j + 1}, ${KINDS[rows[i]?.[j]]}${text ? `, ${text}` : ""}`;
        if (shown.label !== label) group.setAttribute("aria-label", (shown.label = label));
      }),
    );
  }
  return { draw, describe, choose: (name) => (brush = name) };
}

// A cell to begin with: the first start, or the first free cell.
export function firstCell(rows) {
  for (const kind of ["S", "."]) {
    const i = rows.findIndex((row) => row.includes(kind));
    if (i >= 0) return [i, rows[i].indexOf(kind)];
  }
  return [0, 0];
}

// A policy with one cell painted.
export function painted(rows, policy, brush, [i, j]) {
  const full = policy.length ? policy : rows.map((row) => ".".repeat(row.length));
  return full.map((row, a) => (a === i ? row.slice(0, j) + brush + row.slice(j + 1) : row));
}

// A tint that deepens with the size of a number, of one kind or another by its sign.
export const byScale =
  (values, top, [above, below] = ["rl-above", "rl-below"], most = above === "rl-true" ? 0.3 : 0.5) =>
  (s) => [values[s] < 0 ? below : above, Number.isFinite(values[s]) ? most * Math.min(1, Math.abs(values[s]) / (top || 1)) : 0];
