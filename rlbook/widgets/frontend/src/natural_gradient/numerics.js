// What NaturalGradient computes in the browser: closed forms and steps of finite size. Pure functions, each held to
// its Python twin (rlbook/natural_gradients/) by tests/widgets/test_natural_gradient_parity.py.
//
// A Gaussian policy N(μ, σ²) with η = −½[(μ−c)² + σ²]; steps are taken in (μ, u), where u = (σᵏ−1)/k, or log σ for
// the bend k = 0. A policy that is none, because a step has left σ > 0 or all numbers, is [NaN, NaN].

export const gaussianReturn = (mu, sigma, c) => -((mu - c) ** 2 + sigma ** 2) / 2;

// ∇η in (μ, u).
export const gaussianGradient = (mu, sigma, c, k) => [c - mu, -(sigma ** (2 - k))];

// The diagonal of the Fisher matrix in (μ, u).
export const gaussianFisher = (sigma, k) => [sigma ** -2, 2 * sigma ** (-2 * k)];

// From (μ, σ) along d in (μ, u).
export function gaussianMove(mu, sigma, [du, dv], k) {
  // (σᵏ + k·dv)^(1/k), without the difference of nearly equal numbers that a small k would bring.
  const change = k * dv * sigma ** -k;
  const moved = sigma * Math.exp(k ? Math.log1p(change) / k : dv);
  const ends = [mu + du, moved];
  return change > -1 && moved > 0 && ends.every(Number.isFinite) ? ends : [NaN, NaN];
}

// ∇η or F⁻¹∇η in (μ, u).
export function gaussianDirection(mu, sigma, c, k, natural) {
  const g = gaussianGradient(mu, sigma, c, k);
  if (!natural) return g;
  const f = gaussianFisher(sigma, k);
  return g.map((x, i) => x / f[i]);
}

// One step α·∇η or α·F⁻¹∇η, taken in (μ, u): the new [μ, σ].
export function gaussianStep(mu, sigma, c, alpha, k, natural) {
  const d = gaussianDirection(mu, sigma, c, k, natural);
  return gaussianMove(mu, sigma, [alpha * d[0], alpha * d[1]], k);
}

// [μ, σ] after 0, 1, …, steps of them.
export function gaussianPath(mu, sigma, c, alpha, steps, k, natural) {
  const path = [[mu, sigma]];
  for (let i = 0; i < steps; i++) path.push(gaussianStep(...path[i], c, alpha, k, natural));
  return path;
}

// The natural flow at time t, the same in all coordinates: σ⁻² = σ₀⁻² + t, μ − c = (μ₀ − c) σ²/σ₀².
export function naturalFlow(mu, sigma, c, t) {
  const shrunk = 1 / (1 + t * sigma ** 2);
  return [c + (mu - c) * shrunk, sigma * Math.sqrt(shrunk)];
}

// KL(N(μ, σ²) ‖ N(μ₁, σ₁²)).
export function gaussianKl(mu, sigma, mu1, sigma1) {
  const ratio = sigma / sigma1;
  return (ratio * ratio - 1) / 2 - Math.log(ratio) + (mu - mu1) ** 2 / (2 * sigma1 ** 2);
}

// The lowest and the highest log(σ₁/σ) at which the KL can be δ: the roots of x + ½e^(−2x) − ½ = δ, by Newton's
// method from beyond them, where the convex function brings it straight in.
export function klExtent(delta) {
  return [-Math.sqrt(delta), delta + 0.5].map((x) => {
    for (let i = 0; i < 60; i++) {
      const step = (x + Math.expm1(-2 * x) / 2 - delta) / -Math.expm1(-2 * x);
      x -= step;
      if (Math.abs(step) <= 1e-16 * Math.abs(x)) break;
    }
    return x;
  });
}

const anglesOf = (n) => Array.from({ length: n }, (_, i) => (2 * Math.PI * i) / n);

// n points [μ₁, σ₁] all round with KL exactly δ: (μ₁−μ)² = 2σ₁²(δ + ½ − log(σ₁/σ)) − σ².
export function klContour(mu, sigma, delta, n) {
  const [low, high] = klExtent(delta);
  return anglesOf(n).map((angle) => {
    const x = (low + high) / 2 + ((high - low) / 2) * Math.sin(angle);
    const room = 2 * Math.exp(2 * x) * (delta + 0.5 - x) - 1;
    return [mu + Math.sign(Math.cos(angle)) * sigma * Math.sqrt(Math.max(0, room)), sigma * Math.exp(x)];
  });
}

// n points [μ₁, σ₁] all round the ellipse dᵀFd = 2δ of (μ, u), or the circle dᵀd = 2δ.
export function quadraticContour(mu, sigma, delta, n, k, natural) {
  const f = natural ? gaussianFisher(sigma, k) : [1, 1];
  const [a, b] = f.map((x) => Math.sqrt((2 * delta) / x));
  return anglesOf(n).map((angle) => gaussianMove(mu, sigma, [a * Math.cos(angle), b * Math.sin(angle)], k));
}

// The α with which a natural step lies on its ellipse, √(2δ/gᵀF⁻¹g), or a Euclidean one on its circle, √(2δ/gᵀg).
export function regionAlpha(mu, sigma, c, delta, k, natural) {
  const [g, d] = [gaussianGradient(mu, sigma, c, k), gaussianDirection(mu, sigma, c, k, natural)];
  return Math.sqrt((2 * delta) / (g[0] * d[0] + g[1] * d[1]));
}

// The α with which a step has the KL δ: klOf(α) grows from 0, and is NaN where there is no such policy.
/** @param {(alpha: number) => number} klOf @param {number} delta */
export function alphaOfKl(klOf, delta) {
  const beyond = (/** @type {number} */ alpha) => !(klOf(alpha) < delta);
  let [low, high] = [0, 2 ** -20];
  while (!beyond(high)) {
    high *= 2;
    if (high > 1e12) return NaN;
  }
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (beyond(middle)) high = middle;
    else low = middle;
  }
  return high;
}

export const gaussianDensity = (x, mu, sigma) =>
  Math.exp(-((x - mu) ** 2) / (2 * sigma ** 2)) / (sigma * Math.sqrt(2 * Math.PI));

// The largest distance in the (μ, σ) plane between two paths at the same step; NaN where one of them has left σ > 0.
export const pathGap = (one, other) =>
  one.reduce((most, [mu, sigma], i) => {
    const apart = Math.hypot(mu - other[i][0], sigma - other[i][1]);
    return Number.isNaN(most) || Number.isNaN(apart) ? NaN : Math.max(most, apart);
  }, 0);

// Softmax policies over a few actions with rewards r -----------------------------------------------------------------

export const banditReturn = (pi, r) => pi.reduce((sum, p, a) => sum + p * r[a], 0);

function softmax(theta) {
  const top = Math.max(...theta);
  const weights = theta.map((x) => Math.exp(x - top));
  const total = weights.reduce((sum, w) => sum + w, 0);
  return weights.map((w) => w / total);
}

// The policies after 0, 1, …, steps of exact gradient ascent in θ from log π, one a call; an action of probability 0
// keeps it. Euclidean: θ + α π(r − η); natural: θ + α r but for a constant, that is π⁺ ∝ π e^(αr).
function softmaxSteps(pi, r, alpha, natural) {
  const theta = pi.map((p) => Math.log(p));
  let n = 0;
  return () => {
    const now = softmax(natural ? theta.map((x, a) => x + alpha * n * r[a]) : theta);
    n += 1;
    if (natural) return now;
    const eta = banditReturn(now, r);
    for (let a = 0; a < theta.length; a++) theta[a] += alpha * now[a] * (r[a] - eta);
    return now;
  };
}

export function softmaxPath(pi, r, alpha, steps, natural) {
  return Array.from({ length: steps + 1 }, softmaxSteps(pi, r, alpha, natural));
}

// KL(π ‖ π₁).
export const softmaxKl = (pi, other) => pi.reduce((sum, p, a) => sum + (p > 0 ? p * Math.log(p / other[a]) : 0), 0);

// After how many steps the action `best` has at least half of the probability; Infinity if more than `most`.
export function halfTime(pi, r, alpha, natural, best, most) {
  const next = softmaxSteps(pi, r, alpha, natural);
  for (let n = 0; n <= most; n++) if (next()[best] >= 0.5) return n;
  return Infinity;
}

// With two actions, when the log-odds x of the better one come from `from` to `to`, in the flow (t is α times the
// number of steps, if they are small): natural ẋ = Δ; Euclidean ẋ = Δ/(1 + cosh x), so that x + sinh x = Δt + C.
export function crossingTime(from, to, gap, natural) {
  const way = natural ? to - from : to - from + Math.sinh(to) - Math.sinh(from);
  return way / gap;
}
