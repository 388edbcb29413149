// The difference of two policies' returns, its surrogate and bounds. Pure functions, each held to its Python twin by
// tests/widgets/test_performance_difference_parity.py.
import { lookahead } from "../shared/grid_numerics.js";
import { averaged, dot, solve, solveAdjoint, stateMatrix, total } from "../shared/measures.js";

// What is known of π and π' before α is chosen.
export function makeDifference(process, rho0, pi, piNew) {
  const { actions, gamma, r } = process;
  const [P, PNew] = [stateMatrix(process, pi), stateMatrix(process, piNew)];
  const V = solve(P, gamma, averaged(process, pi, r));
  const advantage = lookahead(process, V).map((q, i) => q - V[Math.floor(i / actions)]);
  const gain = averaged(process, piNew, advantage); // Σ_a π'(a|s) A_π(s,a)
  const rho = solveAdjoint(P, gamma, rho0);
  const apart = pi.map((p, i) => Math.abs(p - piNew[i]) / 2);
  const tv = averaged(process, apart, new Array(apart.length).fill(1));
  const epsilon = Math.max(...gain.map(Math.abs));
  return {
    process,
    rho0,
    P,
    PNew,
    pi,
    piNew,
    V: [...V],
    advantage,
    gain,
    rho: [...rho],
    start: dot(rho, averaged(process, pi, r)),
    slope: dot(rho, gain), // of L in α
    epsilon,
    average: (2 * epsilon * gamma * dot(rho, tv)) / (1 - gamma), // times α²
    trustRegion: (4 * Math.max(...advantage.map(Math.abs)) * gamma * Math.max(...tv) ** 2) / (1 - gamma) ** 2,
  };
}

// L and the three bounds on |η − L|, at one α: all that needs no occupancy.
export function boundsAt({ process: { gamma }, start, slope, epsilon, average, trustRegion }, alpha) {
  return {
    alpha,
    surrogate: start + alpha * slope,
    average: alpha ** 2 * average,
    mixture: (2 * epsilon * gamma * alpha ** 2) / ((1 - gamma) * (1 - gamma * (1 - alpha))),
    trust_region: alpha ** 2 * trustRegion,
  };
}

// The same, with η, ρ of π_α and the terms of η(π_α) − η(π).
export function atShare(known, alpha) {
  const { process, rho0, P, PNew, gain, start } = known;
  const rho = [...solveAdjoint(P, process.gamma, rho0, PNew, alpha)];
  const terms = rho.map((x, s) => alpha * x * gain[s]);
  return { ...boundsAt(known, alpha), rho, terms, eta: start + total(terms) };
}

// Σ_a (π_α or π)(a|s) A_π(s,a), by state; for π it is 0 but for rounding.
export function meanAdvantage({ process, advantage, pi, piNew }, alpha, actions) {
  const taken = actions === "new" ? pi.map((p, i) => (1 - alpha) * p + alpha * piNew[i]) : pi;
  return averaged(process, taken, advantage);
}

// The terms as they are chosen: weighed by ρ of π_α or of π, with the actions of π_α or of π.
export function termsOf(known, { alpha, rho }, weights, actions) {
  const weight = weights === "new" ? rho : known.rho;
  return meanAdvantage(known, alpha, actions).map((x, s) => weight[s] * x);
}

// The curves, at `count` + 1 shares from 0 to `reach`.
export function differenceCurves(known, reach, count) {
  return Array.from({ length: count + 1 }, (_, i) => atShare(known, (reach * i) / count));
}
