// Everything the browser computes: lookups in tables that Python made and closed forms over them. Pure functions,
// each held to its Python twin by tests/widgets/test_variance_reduction_parity.py.
//
// A `problem` is what rlbook.widgets.variance_reduction.make_problem returns. Covariances are packed as
// [xx, xy, yy, total]: the 2×2 block of the two displayed coordinates, and the trace over all of them.

// The bytes of a base64 string.
export const decodeBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

// Packed covariance of ĝ(κ, βb) = κ·past + future − Σ_{t,s} c_ts h_ts, c = βb, for one trajectory. The h_ts are
// uncorrelated, so it is a separable quadratic in c:
//   κ²·pp + κ·pf + ff + Σ_ts [ c²·hh_ts − c·(κ·ph_ts + fh_ts) ],
// where pf, ph and fh hold C + Cᵀ.
export function packedCovariance(problem, kappa, beta, baseline) {
  const { pp, pf, ff, hh, ph, fh } = problem;
  const packed = [0, 1, 2, 3].map((k) => kappa * kappa * pp[k] + kappa * pf[k] + ff[k]);
  for (const [t, row] of baseline.entries()) {
    for (const [s, b] of row.entries()) {
      const c = beta * b;
      for (let k = 0; k < 4; k++) {
        packed[k] += c * c * hh[t][s][k] - c * (kappa * ph[t][s][k] + fh[t][s][k]);
      }
    }
  }
  return packed;
}

// Total variance tr Cov ĝ. Rounding can leave −1e-17 where the truth is 0.
export const totalVariance = (problem, kappa, beta, baseline) =>
  Math.max(0, packedCovariance(problem, kappa, beta, baseline)[3]);

// [constant, linear, quadratic]: the total variance as a polynomial in β.
export function parabolaInBeta(problem, kappa, baseline) {
  const { hh, ph, fh } = problem;
  const coefficients = [packedCovariance(problem, kappa, 0, baseline)[3], 0, 0];
  for (const [t, row] of baseline.entries()) {
    for (const [s, b] of row.entries()) {
      coefficients[1] -= b * (kappa * ph[t][s][3] + fh[t][s][3]);
      coefficients[2] += b * b * hh[t][s][3];
    }
  }
  return coefficients;
}

// [constant, linear, quadratic]: the total variance as a polynomial in the single value b_t(s), the rest held.
export function parabolaInValue(problem, kappa, beta, baseline, t, s) {
  const without = baseline.map((row, i) => row.map((b, j) => (i === t && j === s ? 0 : b)));
  return [
    packedCovariance(problem, kappa, beta, without)[3],
    -beta * (kappa * problem.ph[t][s][3] + problem.fh[t][s][3]),
    beta * beta * problem.hh[t][s][3],
  ];
}

// Value of a polynomial [constant, linear, quadratic].
/** @param {number[]} parabola @param {number} x */
export const evaluateParabola = ([constant, linear, quadratic], x) => constant + x * (linear + x * quadratic);

// Where a parabola is lowest; NaN where it is flat.
/** @param {number[]} parabola */
export const bottom = ([, linear, quadratic]) => (quadratic > 0 ? -linear / (2 * quadratic) : NaN);

// The baseline b_t(s) that minimises the total variance of ĝ(κ, b): with κ = 0 the theorem's b*, with κ = 1 the
// best baseline of the full return. 0 where the score is 0 or the state cannot be reached.
export function optimalBaseline(problem, kappa) {
  const { hh, ph, fh } = problem;
  return hh.map((row, t) => row.map((h, s) => (h[3] > 0 ? (kappa * ph[t][s][3] + fh[t][s][3]) / (2 * h[3]) : 0)));
}

// ĝ(κ, βb) of one trajectory: the two displayed coordinates. `states` and `actions` have T entries.
export function trajectoryGradient({ r, psi, gamma }, states, actions, kappa, beta, baseline) {
  const T = states.length;
  let x = 0;
  let y = 0;
  let later = 0; // G_t
  let past = 0; // Σ_{k<t} γᵏ r_k
  for (let t = 0; t < T; t++) past += gamma ** t * r[states[t]][actions[t]];
  for (let t = T - 1; t >= 0; t--) {
    const [s, a] = [states[t], actions[t]];
    const discount = gamma ** t;
    later = r[s][a] + gamma * later;
    past = t === 0 ? 0 : past - discount * r[s][a];
    const weight = kappa * past + discount * (later - beta * baseline[t][s]);
    x += weight * psi[s][a][0];
    y += weight * psi[s][a][1];
  }
  return [x, y];
}

// Means of ĝ over batches: dot m is the mean over the first `batch` of its `width` drawn trajectory ids.
export function batchMeans(gradients, draws, width, batch) {
  return Array.from({ length: draws.length / width }, (_, m) => {
    let x = 0;
    let y = 0;
    for (let k = m * width; k < m * width + batch; k++) {
      x += gradients[draws[k]][0];
      y += gradients[draws[k]][1];
    }
    return [x / batch, y / batch];
  });
}

// `count` points of the ellipse at `radius` standard deviations around `mean`, for a packed covariance over a
// batch: mean + radius·L(cos φ, sin φ)/√batch, L the Cholesky factor.
export function ellipse([meanX, meanY], [xx, xy, yy], radius, batch, count) {
  const l11 = Math.sqrt(Math.max(0, xx));
  const l21 = l11 > 0 ? xy / l11 : 0;
  const l22 = Math.sqrt(Math.max(0, yy - l21 * l21));
  const scale = radius / Math.sqrt(batch);
  return Array.from({ length: count }, (_, i) => {
    const angle = (2 * Math.PI * i) / count;
    const [u, v] = [scale * Math.cos(angle), scale * Math.sin(angle)];
    return [meanX + l11 * u, meanY + l21 * u + l22 * v];
  });
}

// Total variance uᵀCu, u = (κ, 1, −β), from C's six numbers [pp, pf, ff, pb, fb, bb].
export function horizonVariance([pp, pf, ff, pb, fb, bb], kappa, beta) {
  const quadratic = kappa * kappa * pp + ff + beta * beta * bb;
  return Math.max(0, quadratic + 2 * (kappa * pf - beta * (kappa * pb + fb)));
}

// The power of two nearest to x on a logarithmic scale, from 1 to `most`.
export const nearestPowerOfTwo = (x, most) => Math.min(most, 2 ** Math.round(Math.log2(Math.max(1, x))));
