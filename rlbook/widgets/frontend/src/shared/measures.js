// Policies and measures of small processes: pure functions, held to Python by the parity tests of the widgets that
// use them. A `process` is what grid_numerics' makeGrid and makePlane return; a policy is flat, pi[A·s + a].

// P_π, flat, row by row.
export function stateMatrix({ size, actions, next, chance, P }, pi) {
  const flat = new Float64Array(size * size);
  for (let i = 0; i < size * actions; i++) {
    if (!pi[i]) continue;
    const row = size * Math.floor(i / actions);
    if (P) for (let to = 0; to < size; to++) flat[row + to] += pi[i] * P[i][to];
    else for (let m = 0; m < 4; m++) flat[row + next[4 * (i >> 2) + m]] += pi[i] * chance[i % 4][m];
  }
  return flat;
}

// x of M x = b for several b at once, in place, by elimination in M. I − γP and its transpose are strictly diagonally
// dominant by rows or by columns, so that no pivots are needed.
export function eliminate(M, columns) {
  const n = columns[0].length;
  for (let s = 0; s < n; s++) {
    for (let i = s + 1; i < n; i++) {
      const factor = M[i * n + s] / M[s * n + s];
      if (!factor) continue;
      for (let j = s; j < n; j++) M[i * n + j] -= factor * M[s * n + j];
      for (const b of columns) b[i] -= factor * b[s];
    }
  }
  for (const b of columns) {
    for (let s = n - 1; s >= 0; s--) {
      for (let j = s + 1; j < n; j++) b[s] -= M[s * n + j] * b[j];
      b[s] /= M[s * n + s];
    }
  }
  return columns;
}

// I − γP.
export const shifted = (P, gamma, n) => P.map((p, i) => (i % (n + 1) ? 0 : 1) - gamma * p);
export const solve = (P, gamma, b) => eliminate(shifted(P, gamma, b.length), [Float64Array.from(b)])[0];
// The same with the transpose, for (1−α)P + αP_1: a loop, as all shares of a curve are solved while a slider moves.
export function solveAdjoint(P, gamma, b, P1 = P, alpha = 0) {
  const n = b.length;
  const M = new Float64Array(n * n);
  for (let s = 0; s < n; s++) {
    for (let to = 0; to < n; to++) {
      const i = s * n + to;
      M[to * n + s] = (s === to ? 1 : 0) - gamma * ((1 - alpha) * P[i] + alpha * P1[i]);
    }
  }
  return eliminate(M, [Float64Array.from(b)])[0];
}

// Σ_a π(a|s) x(s,a), by state.
export const averaged = ({ size, actions }, pi, x) =>
  Array.from({ length: size }, (_, s) => {
    let total = 0;
    for (let i = actions * s; i < actions * (s + 1); i++) total += pi[i] * x[i];
    return total;
  });
export const dot = (x, y) => x.reduce((total, value, i) => total + value * y[i], 0);
export const total = (x) => x.reduce((sum, value) => sum + value, 0);

// The states in which an episode of the map can start: S, or with none of them the free cells.
export function startsOf({ cells }, rows) {
  const of = (kind) => cells.flatMap(([i, j], s) => (rows[i][j] === kind ? [s] : []));
  const starts = of("S");
  return starts.length ? starts : of(".");
}

// ρ₀, spread over these.
export const startDistribution = ({ size }, starts) =>
  Array.from({ length: size }, (_, s) => (starts.includes(s) ? 1 / starts.length : 0));
