// A control variate: closed forms, and estimates from samples. Pure functions, each held to its Python twin by
// tests/widgets/test_control_variate_parity.py.
//
// g is standard normal, and f = 1 + ρg + √(1−ρ²)·(√(1−β²)·u + β·(g²−1)/√2), with u standard normal too: a mean of 1, a
// variance of 1, a correlation of ρ with g whatever the bend β is.

export const pairValues = ({ corr, bend }, g, u) => {
  const rest = Math.sqrt(1 - corr * corr);
  const [straight, bent] = [rest * Math.sqrt(1 - bend * bend), (rest * bend) / Math.SQRT2];
  return g.map((x, i) => 1 + corr * x + straight * u[i] + bent * (x * x - 1));
};

// E[f|g].
export const pairMean = ({ corr, bend }, g) =>
  1 + corr * g + (Math.sqrt(1 - corr * corr) * bend * (g * g - 1)) / Math.SQRT2;

// Var(f + cg), and the c and the value at its bottom.
export const controlledVariance = (corr, c) => 1 + 2 * c * corr + c * c;
export const bestCoefficient = (corr) => 0 - corr; // never −0
export const varianceFloor = (corr) => 1 - corr * corr;

// −Ĉov(f, g) / V̂ar(g) of the values from `from` to before `to`.
export function fittedCoefficient(f, g, from, to) {
  const n = to - from;
  let [meanF, meanG] = [0, 0];
  for (let i = from; i < to; i++) {
    meanF += f[i] / n;
    meanG += g[i] / n;
  }
  let [fg, gg] = [0, 0];
  for (let i = from; i < to; i++) {
    fg += (f[i] - meanF) * (g[i] - meanG);
    gg += (g[i] - meanG) ** 2;
  }
  return -fg / gg;
}

// The mean of f + cg over the values from `from` to before `to`.
function controlledMean(f, g, c, from, to) {
  let total = 0;
  for (let i = from; i < to; i++) total += f[i] + c * g[i];
  return total / (to - from);
}

// Four estimates of E f from each batch, the first n values of every `width`: without control, with c as it is set and
// `left` of E g left in, with c fitted on the same samples, and fitted on one half for the other.
export function batchEstimates(f, g, width, n, c, left) {
  /** @type {Record<string, number[]>} */
  const found = { plain: [], fixed: [], same: [], crossed: [] };
  for (let at = 0; at < f.length; at += width) {
    const [middle, end] = [at + n / 2, at + n];
    found.plain.push(controlledMean(f, g, 0, at, end));
    found.fixed.push(controlledMean(f, g, c, at, end) + c * left);
    found.same.push(controlledMean(f, g, fittedCoefficient(f, g, at, end), at, end));
    const one = controlledMean(f, g, fittedCoefficient(f, g, middle, end), at, middle);
    const other = controlledMean(f, g, fittedCoefficient(f, g, at, middle), middle, end);
    found.crossed.push((one + other) / 2);
  }
  return found;
}

// What their means miss of E f: −2/n times the coefficient of g² where c is fitted on the same samples.
export const estimateBias = ({ corr, bend }, n, c, left) => ({
  plain: 0,
  fixed: c * left + 0, // never −0
  same: (0 - Math.SQRT2 * bend * Math.sqrt(1 - corr * corr)) / n,
  crossed: 0,
});

// Their variances, for n ≥ 8.
export function estimateVariance({ corr, bend }, n, c) {
  const rest = 1 - corr * corr;
  const [straight, curve] = [rest * (1 - bend * bend), (rest * bend * bend) / 2]; // of u, and of g²−1 squared
  // E T² of T = Σd³/Σd², d the deviations of m values of g from their mean.
  const skew = (m) => (6 * (m - 1) * (m - 2)) / (m * (m + 1) * (m + 3));
  const m = n / 2;
  const spread = straight / (m - 3) + curve * (4 / m + skew(m)); // E (ĉ − c*)²
  const shift = (4 * curve) / (m * m); // (E ĉḡ)² of a half
  return {
    plain: 1 / n,
    fixed: controlledVariance(corr, c) / n,
    same: (straight * (n - 2)) / (n * (n - 3)) + curve * (2 / n + skew(n) / n),
    crossed: ((straight + 2 * curve) / m + spread / m + shift) / 2,
  };
}
