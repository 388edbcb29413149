// What ControlVariate and QProp compute in the browser: closed forms, one quadrature, and samples from dice that
// Python has too. Pure functions, each held to its Python twin by tests/widgets/test_q_prop_parity.py.
import { uniform } from "./difference_numerics.js";

// Pairs of independent standard normal numbers (Box and Muller), as two arrays.
export function normals(seed, count) {
  const [one, other] = [new Array(count), new Array(count)];
  for (let i = 0; i < count; i++) {
    const radius = Math.sqrt(-2 * Math.log1p(-uniform(seed, 2 * i)));
    const angle = 2 * Math.PI * uniform(seed, 2 * i + 1);
    one[i] = radius * Math.cos(angle);
    other[i] = radius * Math.sin(angle);
  }
  return [one, other];
}

// A function from a seed to its `count` pairs, which are drawn anew only for another seed.
export function makeNormals(count) {
  let known, drawn;
  return (seed) => {
    if (known !== seed) drawn = normals((known = seed), count);
    return drawn;
  };
}

// A control variate --------------------------------------------------------------------------------------------------
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

// Four estimates of E f from each batch, the first n values of every `width`: without control, with c as it is set,
// with c fitted on the same samples, and fitted on one half for the other.
export function batchEstimates(f, g, width, n, c) {
  const found = { plain: [], fixed: [], same: [], crossed: [] };
  for (let at = 0; at < f.length; at += width) {
    const [middle, end] = [at + n / 2, at + n];
    found.plain.push(controlledMean(f, g, 0, at, end));
    found.fixed.push(controlledMean(f, g, c, at, end));
    found.same.push(controlledMean(f, g, fittedCoefficient(f, g, at, end), at, end));
    const one = controlledMean(f, g, fittedCoefficient(f, g, middle, end), at, middle);
    const other = controlledMean(f, g, fittedCoefficient(f, g, at, middle), middle, end);
    found.crossed.push((one + other) / 2);
  }
  return found;
}

// What their means miss of E f: −2/n times the coefficient of g² where c is fitted on the same samples.
export const estimateBias = ({ corr, bend }, n) => ({
  plain: 0,
  fixed: 0,
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

// Q-Prop in one state ----------------------------------------------------------------------------------------------
//
// a = μ + σz, Â = c₁z + c₂(z²−1) + c₃(z³−3z) + τε, Ā = qσz; the estimate of the gradient in μ with the weight κ is
// ĝ = (Â − κĀ)z/σ + κq. A `model` has c1, c2, c3, tau and sigma.

export const advantageMean = ({ c1, c2, c3 }, z) => c1 * z + c2 * (z * z - 1) + c3 * z * (z * z - 3);

export const gradientMean = ({ c1, sigma }) => c1 / sigma;

// Var ĝ of one sample.
export function gradientVariance({ c1, c2, c3, tau, sigma }, q, weight) {
  const left = c1 - weight * q * sigma;
  return (2 * left * left + 12 * left * c3 + 42 * c3 * c3 + 10 * c2 * c2 + tau * tau) / (sigma * sigma);
}

// The least of them, and the part of it that is τ²'s, of what follows the action.
export const gradientFloor = ({ c2, c3, tau, sigma }) => (24 * c3 * c3 + 10 * c2 * c2 + tau * tau) / (sigma * sigma);
export const noiseFloor = ({ tau, sigma }) => (tau * tau) / (sigma * sigma);

// K = E ÂĀ and W = E Ā².
export const controlMoments = ({ c1, sigma }, q) => [c1 * q * sigma, (q * sigma) ** 2];

// The weights of the rules that look at the state alone; 0 where there is no control to weigh.
export function ruleWeights(model, q) {
  const [K, W] = controlMoments(model, q);
  return {
    none: 0,
    full: 1,
    conservative: K > 0 ? 1 : 0,
    aggressive: Math.sign(K) + 0,
    adaptive: W > 0 ? K / W : 0,
    optimal: W > 0 ? (model.c1 + 3 * model.c3) / (q * model.sigma) : 0,
  };
}

// Nodes and weights of Gauss and Legendre's rule of 8 points on [−1, 1].
const GAUSS = [
  [0.18343464249564980494, 0.36268378337836198297],
  [0.52553240991632898582, 0.31370664587788728734],
  [0.79666647741362673959, 0.22238103445337447054],
  [0.96028985649753623168, 0.10122853629037625915],
].flatMap(([x, w]) => [[-x, w], [x, w]]);
const [REACH, PIECES] = [9, 450]; // the density of z beyond is below 1e-17

// E ĝ − E g where each sample has the weight 1{ÂĀ > 0} ("conservative") or sign(ÂĀ) ("aggressive") of its own:
// −|q| ∫ |z| φ(z) h'(z) φ(h(z)) dz for the first, h = E[Â|z]/τ, and twice that for the second.
export function singleSampleBias(model, q, rule) {
  const { c1, c2, c3, tau } = model;
  let total = 0;
  const half = REACH / PIECES / 2;
  for (let piece = 0; piece < PIECES; piece++) {
    for (const [x, w] of GAUSS) {
      const z = half * (2 * piece + 1 + x);
      let slope = 0;
      for (const at of [z, -z]) {
        const h = advantageMean(model, at) / tau;
        slope += (c1 + 2 * c2 * at + 3 * c3 * (at * at - 1)) * Math.exp(-h * h / 2);
      }
      total += w * z * Math.exp(-z * z / 2) * slope;
    }
  }
  const conservative = (-Math.abs(q) * half * total) / tau / (2 * Math.PI);
  return (rule === "aggressive" ? 2 : 1) * conservative + 0;
}

// The weight of a sample under a rule; `weight` where the rule is "fixed".
const sampleWeight = (rule, weight, product) =>
  rule === "fixed" ? weight : rule === "aggressive" ? Math.sign(product) : Number(product > 0);

// The mean of ĝ over each batch, the first n of every `width` samples.
export function batchGradients(model, q, weight, rule, [z, eps], width, n) {
  const { tau, sigma } = model;
  const found = [];
  for (let at = 0; at < z.length; at += width) {
    let total = 0;
    for (let i = at; i < at + n; i++) {
      const advantage = advantageMean(model, z[i]) + tau * eps[i];
      const control = q * sigma * z[i];
      const kappa = sampleWeight(rule, weight, advantage * control);
      total += ((advantage - kappa * control) * z[i]) / sigma + kappa * q;
    }
    found.push(total / n);
  }
  return found;
}

// The least of 1, 1.5, 2, 3, 4, 6 and 8 times a power of ten that is no less.
export function nextLevel(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].map((k) => k * power).find((level) => level >= x * (1 - 1e-9));
}
