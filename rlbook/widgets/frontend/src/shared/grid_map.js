
import * as numerics from "./grid_numerics.js";

export const ARROWS = ["↑", "→", "↓", "←"];
export const KINDS = { ".": "free", "#": "wall", G: "goal", P: "pit", S: "start" };
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
