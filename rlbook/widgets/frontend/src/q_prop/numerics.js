// Q-Prop in one state: closed forms, one quadrature, and estimates from samples. Pure functions, each held to its
// Python twin by tests/widgets/test_q_prop_parity.py.
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
/** @type {(model: any, q: number) => [number, number]} */
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
  [0.1834346424956498, 0.362683783378362],
  [0.525532409916329, 0.31370664587788727],
  [0.7966664774136267, 0.22238103445337448],
  [0.9602898564975363, 0.10122853629037626],
].flatMap(([x, w]) => [
  [-x, w],
  [x, w],
]);
const [REACH, PIECES] = [9, 450]; // the density of z beyond is below 1e-17

// The density and the distribution of a standard normal, the latter by its series x + x³/3 + x⁵/(3·5) + ….
const density = (x) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
function distribution(x) {
  if (Math.abs(x) > 9) return Number(x > 0);
  let [sum, term] = [0, x];
  for (let k = 3; sum + term !== sum; k += 2) {
    sum += term;
    term *= (x * x) / k;
  }
  return 0.5 + sum * density(x);
}

// { conservative, aggressive }: E ĝ − E g and Var ĝ of one sample where each has the weight 1{ÂĀ > 0} or sign(ÂĀ) of its
// own. Given z, Â is normal around h(z); E[1{ÂĀ > 0}X] for X = 1 − z², (1 − z²)zÂ and (1 − z²)² says it all.
export function singleSamples(model, q) {
  const { c1, c3, tau, sigma } = model;
  let [first, cross, square] = [0, 0, 0];
  const half = REACH / PIECES / 2;
  for (let piece = 0; piece < PIECES; piece++) {
    for (const [x, w] of GAUSS) {
      const z = half * (2 * piece + 1 + x);
      const mass = half * w * density(z) * (1 - z * z);
      for (const at of [z, -z]) {
        const [h, sign] = [advantageMean(model, at), Math.sign(q * at)];
        const agree = distribution((sign * h) / tau);
        first += mass * agree;
        cross += mass * at * (agree * h + sign * tau * density(h / tau));
        square += mass * (1 - z * z) * agree;
      }
    }
  }
  const plain = gradientVariance(model, q, 0);
  const mean = gradientMean(model);
  /** @type {(bias: number, cross: number, square: number) => { bias: number, variance: number }} */
  const found = (bias, cross, square) => ({
    bias: bias + 0, // never −0
    variance: plain + ((2 * q) / sigma) * cross + q * q * square - bias * (2 * mean + bias),
  });
  return {
    conservative: found(q * first, cross, square),
    aggressive: found(2 * q * first, 2 * cross + 2 * c1 + 6 * c3, 2), // κ is 1 where they agree, else −1
  };
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
/** @param {number} x @returns {any} */
export function nextLevel(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].map((k) => k * power).find((level) => level >= x * (1 - 1e-9));
}
