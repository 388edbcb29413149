// Bellman sweeps of a map that the reader edits, and of the two-state plane. Pure functions, each held to its Python
// twin by tests/widgets/test_value_iteration_parity.py.
//
// Q is flat: Q[4s + a], states in reading order, actions up, right, down, left. A `process` is what `makeGrid` and
// `makePlane` return; an `operator` is { kind: "policy" | "optimal" | "soft", pi, alpha }, pi flat like Q.

import { averaged } from "./measures.js";

export const MOVES = [
  [-1, 0],
  [0, 1],
  [1, 0],
  [0, -1],
];
const GOLDEN = 0.6180339887498949;

// rlbook.gridworld. `next[4s + m]` is where a move m from s leads, and r[4s + a] the expected reward.
export function makeGrid({ rows, cell_rewards, slip, gamma, step_reward, goal_reward, pit_reward }) {
  const cells = [];
  const stateAt = rows.map((row, i) => [...row].map((kind, j) => (kind === "#" ? -1 : cells.push([i, j]) - 1)));
  const kinds = cells.map(([i, j]) => rows[i][j]);
  const absorbing = kinds.map((kind) => kind === "G" || kind === "P");
  const entering = cells.map(
    ([i, j], s) => (kinds[s] === "G" ? goal_reward : kinds[s] === "P" ? pit_reward : 0) + (cell_rewards[i]?.[j] ?? 0),
  );
  const next = cells.flatMap(([i, j], s) =>
    MOVES.map(([di, dj]) => {
      const there = absorbing[s] ? s : stateAt[i + di]?.[j + dj];
      return there === undefined || there < 0 ? s : there;
    }),
  );
  const chance = MOVES.map((_, a) => MOVES.map((_, m) => (m === a ? 1 - slip : (m - a + 4) % 2 ? slip / 2 : 0)));
  const r = cells.flatMap((_, s) =>
    MOVES.map((_, a) =>
      absorbing[s] ? 0 : step_reward + sum(MOVES, (_, m) => chance[a][m] * entering[next[4 * s + m]]),
    ),
  );
  return { size: cells.length, actions: 4, gamma, r, next, chance, cells, stateAt, absorbing, entering };
}

const sum = (items, of) => items.reduce((total, item, i) => total + of(item, i), 0);

// A two-state MDP from P[s][a] and r[s][a], given as lists.
export function makePlane({ P, r }, gamma) {
  return { size: r.length, actions: r[0].length, gamma, r: r.flat(), P: P.flat(), absorbing: r.map(() => false) };
}

// r + γ E[V(s')], flat.
export function lookahead({ size, actions, gamma, r, next, chance, P }, V) {
  const Q = new Array(size * actions);
  if (P) {
    for (let i = 0; i < Q.length; i++) Q[i] = r[i] + gamma * sum(V, (v, s) => P[i][s] * v);
    return Q;
  }
  const [ahead, side] = [chance[0][0], chance[0][1]];
  for (let i = 0; i < Q.length; i++) {
    const s = i - (i % 4);
    const [one, other] = [next[s + ((i + 1) % 4)], next[s + ((i + 3) % 4)]]; // to the sides
    Q[i] = r[i] + gamma * (ahead * V[next[i]] + side * (V[one] + V[other]));
  }
  return Q;
}

// What the operator makes of Q(s', ·): its average under π, its maximum, or lse_α, which is the maximum where the
// episode has ended and there is no entropy.
export function stateValues({ size, actions, absorbing }, { kind, pi, alpha }, Q) {
  const V = new Array(size);
  for (let s = 0; s < size; s++) {
    const at = s * actions;
    let value = kind === "policy" ? 0 : -Infinity;
    for (let a = at; a < at + actions; a++) value = kind === "policy" ? value + pi[a] * Q[a] : Math.max(value, Q[a]);
    if (kind === "soft" && !absorbing[s]) {
      let total = 0;
      for (let a = at; a < at + actions; a++) total += Math.exp((Q[a] - value) / alpha);
      value += alpha * Math.log(total);
    }
    V[s] = value;
  }
  return V;
}

// T Q = r + γ E[V_Q(s')]: T^π, T* or T_α.
export function applyOperator(process, operator, Q) {
  return lookahead(process, stateValues(process, operator, Q));
}

// softmax(Q/α), flat.
export function softPolicy({ size, actions }, Q, alpha) {
  const pi = new Array(Q.length);
  for (let s = 0; s < size; s++) {
    const at = s * actions;
    const top = Math.max(...Q.slice(at, at + actions));
    let total = 0;
    for (let a = at; a < at + actions; a++) total += pi[a] = Math.exp((Q[a] - top) / alpha);
    for (let a = at; a < at + actions; a++) pi[a] /= total;
  }
  return pi;
}

// The policy whose average, with its entropy's bonus where there is one, V_Q is: π, the greedy one, softmax(Q/α).
function attaining(process, { kind, pi, alpha }, Q) {
  const { actions } = process;
  if (kind === "policy") return pi;
  if (kind === "soft") return softPolicy(process, Q, alpha);
  const greedy = new Array(Q.length).fill(0);
  for (let at = 0; at < Q.length; at += actions) greedy[Q.indexOf(Math.max(...Q.slice(at, at + actions)), at)] = 1;
  return greedy;
}

// V of (I − γ P_π) V = reward. A map's states lie in reading order, so that the matrix is a narrow band; it is
// strictly diagonally dominant, so elimination needs no pivots.
function solve({ size, actions, gamma, next, chance, P }, pi, reward) {
  let width = 1;
  if (next) for (let i = 0; i < next.length; i++) width = Math.max(width, Math.abs(next[i] - (i >> 2)));
  const span = 2 * width + 1;
  const band = new Array(size * span).fill(0);
  const V = [...reward];
  const add = (s, to, value) => (band[s * span + width + to - s] += value);
  for (let s = 0; s < size; s++) {
    add(s, s, 1);
    for (let a = 0; a < actions; a++) {
      const p = gamma * pi[s * actions + a];
      if (P) for (const [to, chanceOf] of P[s * actions + a].entries()) add(s, to, -p * chanceOf);
      else for (let m = 0; m < 4; m++) if (chance[a][m]) add(s, next[4 * s + m], -p * chance[a][m]);
    }
  }
  for (let s = 0; s < size; s++) {
    const last = Math.min(size - 1, s + width);
    for (let i = s + 1; i <= last; i++) {
      const factor = band[i * span + width + s - i] / band[s * span + width];
      if (!factor) continue;
      for (let j = s; j <= last; j++) band[i * span + width + j - i] -= factor * band[s * span + width + j - s];
      V[i] -= factor * V[s];
    }
  }
  for (let s = size - 1; s >= 0; s--) {
    for (let j = s + 1; j <= Math.min(size - 1, s + width); j++) V[s] -= band[s * span + width + j - s] * V[j];
    V[s] /= band[s * span + width];
  }
  return V;
}

// The operator's one fixed point, by policy iteration (for T_α, its soft form, which is Newton's method), from a
// guess: V^π, V* or V_α, and the Q that looks ahead to it.
export function fixedPoint(process, operator, guess = process.r) {
  let Q = guess;
  for (let round = 0; round < 200; round++) {
    const p = attaining(process, operator, Q);
    const V_Q = stateValues(process, operator, Q);
    const [average, value] = [process.r, Q].map((x) => averaged(process, p, x));
    const withEntropy = (x, s) => x + V_Q[s] - value[s]; // V_Q − p·Q = αH(p)
    const reward = operator.kind === "soft" ? average.map(withEntropy) : average;
    const V = solve(process, p, reward);
    const better = lookahead(process, V);
    const change = distance(better, Q);
    Q = better;
    if (change <= 1e-13 * (1 + largest(Q))) break;
  }
  return { Q, V: stateValues(process, operator, Q) };
}

export const largest = (x) => x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

// ‖x − y‖∞.
export function distance(x, y) {
  let most = 0;
  for (let i = 0; i < x.length; i++) most = Math.max(most, Math.abs(x[i] - y[i]));
  return most;
}

// What is known of a run x_0, x_1, … to its limit, at every k: the true error, and what bounds it. The bounds that
// look back one sweep are null at k = 0. `bracket` is the width of MacQueen's.
export function errorCurves(run, limit, gamma) {
  const first = run.length > 1 ? distance(run[1], run[0]) : 0;
  const start = distance(run[0], limit);
  const far = gamma / (1 - gamma);
  const spread = (x, before) => {
    let [low, high] = [Infinity, -Infinity];
    for (let i = 0; i < x.length; i++) {
      low = Math.min(low, x[i] - before[i]);
      high = Math.max(high, x[i] - before[i]);
    }
    return high - low;
  };
  return {
    error: run.map((x) => distance(x, limit)),
    envelope: run.map((_, k) => gamma ** k * start),
    prior: run.map((_, k) => (gamma ** k / (1 - gamma)) * first),
    posterior: run.map((x, k) => (k ? far * distance(x, run[k - 1]) : null)),
    bracket: run.map((x, k) => (k ? far * spread(x, run[k - 1]) : null)),
  };
}

// Whether action a is greedy in s, up to rounding.
function isGreedy(Q, at, actions, a, tolerance) {
  for (let b = at; b < at + actions; b++) if (Q[b] > Q[at + a] + tolerance) return false;
  return true;
}

export const tieTolerance = (Q) => 1e-9 * (1 + largest(Q));

// The greedy actions of every state: 1 for each of the best, as far as rounding lets one say so; flat.
export function greedyActions({ actions }, Q, tolerance) {
  return Q.map((_, i) => (isGreedy(Q, i - (i % actions), actions, i % actions, tolerance) ? 1 : 0));
}

// By state, whether every greedy action of Q is optimal, however ties are broken; absorbing states count as right.
export function greedyRight({ size, actions, absorbing }, Q, best, tolerance) {
  const right = new Array(size).fill(true);
  for (let s = 0; s < size; s++) {
    if (absorbing[s]) continue;
    const at = s * actions;
    for (let a = 0; a < actions && right[s]; a++) {
      if (!best[at + a] && isGreedy(Q, at, actions, a, tolerance)) right[s] = false;
    }
  }
  return right;
}

// The cells that the greedy policy's own moves pass from a start until the end, a wall or a circle; it takes the first of
// the best actions.
/** @param {any} grid @param {number[]} Q @param {number} tolerance @param {number[]} start @returns {number[][]} */
export function greedyPath(grid, Q, tolerance, start) {
  const greedy = greedyActions(grid, Q, tolerance);
  const path = [start];
  for (;;) {
    const [i, j] = path[path.length - 1];
    const s = grid.stateAt[i][j];
    if (grid.absorbing[s]) return path;
    const [down, right] = MOVES[greedy.indexOf(1, 4 * s) - 4 * s];
    const ahead = [i + down, j + right];
    const free = grid.stateAt[ahead[0]]?.[ahead[1]] >= 0;
    if (!free || path.some(([a, b]) => a === ahead[0] && b === ahead[1])) return path;
    path.push(ahead);
  }
}

// A start that is one number in every state that is not absorbing: r_max/(1−γ) lies above Q*, r_min/(1−γ) below
// it, and "random" spreads over what lies between.
export function namedStart({ gamma, r, actions, absorbing }, name) {
  const [low, high] = [Math.min(...r) / (1 - gamma), Math.max(...r) / (1 - gamma)];
  return r.map((_, i) => {
    if (absorbing[Math.floor(i / actions)]) return 0;
    if (name === "optimistic") return high;
    if (name === "pessimistic") return low;
    return low + (high - low) * (((i + 1) * GOLDEN) % 1);
  });
}

// Values kept by cell, [row][column][action], as a flat Q: 0 in absorbing cells and where nothing is known.
export function fromCells({ cells, absorbing }, byCell) {
  return cells.flatMap(([i, j], s) => MOVES.map((_, a) => (absorbing[s] ? 0 : (byCell[i]?.[j]?.[a] ?? 0))));
}

// A flat Q by cell: fromCells' inverse, with 0 at walls.
export function toCells({ stateAt }, Q) {
  return stateAt.map((row) => row.map((s) => (s < 0 ? [0, 0, 0, 0] : Q.slice(4 * s, 4 * s + 4))));
}

// π from rows of ^ > v < and, for all four alike, a dot; a missing row is dots. Where an episode has ended nothing is
// chosen, and the first action stands for none.
export function readPolicy({ cells, absorbing }, policy) {
  return cells.flatMap(([i, j], s) => {
    const chosen = absorbing[s] ? 0 : "^>v<".indexOf(policy[i]?.[j] ?? ".");
    return MOVES.map((_, a) => (chosen < 0 ? 0.25 : a === chosen ? 1 : 0));
  });
}

// The first greedy action of every cell as such rows: a policy to be frozen. Walls and absorbing cells get dots.
export function writeGreedy(grid, Q, tolerance = tieTolerance(Q)) {
  const greedy = greedyActions(grid, Q, tolerance);
  return grid.stateAt.map((row) =>
    row.map((s) => (s < 0 || grid.absorbing[s] ? "." : "^>v<"[greedy.indexOf(1, 4 * s) - 4 * s])).join(""),
  );
}

// The backup of one state written out: for each action its reward, the distinct successors with their chances, and
// the sum r + γ Σ p V(s').
export function backup({ gamma, r, next, chance }, V, s) {
  return MOVES.map((_, a) => {
    const chances = new Map();
    for (const m of [a, (a + 3) % 4, (a + 1) % 4]) {
      const to = next[4 * s + m];
      if (chance[a][m] > 0) chances.set(to, (chances.get(to) ?? 0) + chance[a][m]);
    }
    const terms = [...chances].map(([to, p]) => [p, to, V[to]]);
    return { reward: r[4 * s + a], terms, value: r[4 * s + a] + gamma * sum(terms, ([p, , v]) => p * v) };
  });
}

// `count` points a side of the boundary of the square {V : ‖V − centre‖∞ ≤ radius}, from its lower left corner.
export function square([x, y], radius, count) {
  const along = Array.from({ length: count }, (_, n) => (2 * n) / count - 1);
  const sides = [(t) => [t, -1], (t) => [1, t], (t) => [-t, 1], (t) => [-1, -t]];
  return sides.flatMap((side) => along.map(side)).map(([u, v]) => [x + radius * u, y + radius * v]);
}

// The images of points of the plane under the operator.
export function planeImage(process, operator, points) {
  return points.map((V) => stateValues(process, operator, lookahead(process, V)));
}

// Numbers as a URL carries them: single precision, base64 with its letters safe in an address.
export function encodeFloats(numbers) {
  const bytes = new Uint8Array(Float32Array.from(numbers).buffer);
  const text = btoa(String.fromCharCode(...bytes));
  return text.replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}

// encodeFloats' inverse; null for what is not `count` finite numbers.
export function decodeFloats(text, count) {
  try {
    const bytes = Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    const numbers = [...new Float32Array(bytes.buffer)];
    return numbers.length === count && numbers.every(Number.isFinite) ? numbers : null;
  } catch {
    return null;
  }
}
