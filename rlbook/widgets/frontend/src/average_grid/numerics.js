// Episodes on a map and what they leave in its cells. Pure functions but for the tallies, each held to its Python twin
// by tests/widgets/test_average_grid_parity.py.
import { scramble, toss } from "../shared/dice.js";
import { lookahead } from "../shared/grid_numerics.js";
import * as measures from "../shared/measures.js";

const { dot, total } = measures;
const QUANTITIES = ["reward", "visits"];
const CUT = 1e-6; // an episode that is not absorbed ends when γᵗ is below this

// 1, γ, γ², … down to the first that is below the cut; as many steps as come before it is the horizon.
export function powersOf(gamma) {
  const powers = [1];
  while (powers[powers.length - 1] >= CUT) powers.push(powers[powers.length - 1] * gamma);
  return powers;
}

// Episode number n: its states and actions, up to the horizon or to the step at which it is absorbed, and in which
// state it ended (null: in none).
export function play({ process, pi, slip, seed, starts, powers }, n) {
  const { next, absorbing } = process;
  const horizon = powers.length - 1;
  const dice = scramble(seed);
  const base = n * (2 * horizon + 1);
  /** @type {number[][]} */
  const [states, actions] = [[], []];
  let s = starts[Math.floor(toss(dice, base) * starts.length)];
  for (let t = 0; t < horizon; t++) {
    if (absorbing[s]) return { states, actions, ended: s };
    const [act, move] = [toss(dice, base + 2 * t + 1), toss(dice, base + 2 * t + 2)];
    let a = 0;
    for (let sum = pi[4 * s]; a < 3 && act >= sum; sum += pi[4 * s + ++a]);
    states.push(s);
    actions.push(a);
    const turn = move < 1 - slip ? 0 : move < 1 - slip / 2 ? 1 : 3;
    s = next[4 * s + ((a + turn) % 4)];
  }
  return { states, actions, ended: null };
}

// γᵗ by pair that an episode leaves, of its first `steps` steps or, without a number, to its end: there it stays
// where it was absorbed, which is γᵀ/(1−γ) more, split as π does.
export function visitsOf({ process, pi, powers }, { states, actions, ended }, steps = Infinity) {
  const visits = new Float64Array(process.r.length);
  const length = Math.min(steps, states.length);
  for (let t = 0; t < length; t++) visits[4 * states[t] + actions[t]] += powers[t];
  if (ended !== null && steps >= states.length) {
    const tail = powers[states.length] / (1 - process.gamma);
    for (let i = 4 * ended; i < 4 * ended + 4; i++) visits[i] += tail * pi[i];
  }
  return visits;
}

// What an episode earns, added up as it goes along and not by cells.
export const returnOf = ({ process, powers }, { states, actions }) =>
  states.reduce((sum, s, t) => sum + powers[t] * process.r[4 * s + actions[t]], 0);

// What a visit counts for.
export const unitOf = ({ process }, quantity) => (quantity === "reward" ? process.r : process.r.map(() => 1));
export const byState = (pairs) =>
  Array.from({ length: pairs.length / 4 }, (_, s) => total(pairs.slice(4 * s, 4 * s + 4)));

// The map, its policy and its dice, with what the average tends to: { rho, pairs, states, total } of each quantity,
// and the exact standard deviations of one episode's cells and of their sum.
export function makeEpisodes(now, process, pi) {
  /** @type {any} */
  const setup = { process, pi, slip: now.slip, seed: now.seed, powers: powersOf(process.gamma) };
  setup.starts = measures.startsOf(process, now.rows);
  const { size, gamma } = process;
  const rho0 = measures.startDistribution(process, setup.starts);
  const P = measures.stateMatrix(process, pi);
  const columns = Array.from({ length: size }, (_, s) => new Float64Array(size).fill(1, s, s + 1));
  const N = measures.eliminate(measures.shifted(P, gamma, size), columns); // N[to][from]: the columns of (I − γP_π)⁻¹
  const rho_s = N.map((column) => dot(column, rho0));
  const rho = pi.map((p, i) => p * rho_s[i >> 2]);
  const twice = measures.solveAdjoint(P, gamma ** 2, rho0); // the occupancy for γ²
  // Σ_s' P(s'|s,a) N(s',s), by pair: how much of s lies ahead of it.
  const { next, chance } = process;
  const later = pi.map((_, i) => total(chance[i % 4].map((p, m) => p * N[i >> 2][next[4 * (i >> 2) + m]])));
  setup.exact = {};
  for (const quantity of QUANTITIES) {
    const unit = unitOf(setup, quantity);
    const averaged = (of) => measures.averaged(process, pi, unit.map(of));
    const mean = averaged((r) => r);
    const second = averaged((r, i) => r * (r + 2 * gamma * later[i] * mean[i >> 2]));
    const pairs = rho.map((x, i) => x * unit[i]);
    const states = byState(pairs);
    const V = measures.solve(P, gamma, mean);
    const ahead = lookahead({ ...process, r: unit }, V);
    const squares = averaged((r, i) => r * (2 * ahead[i] - r)); // r(r + 2γ E V)
    const eta = dot(rho0, V);
    setup.exact[quantity] = {
      pairs,
      states,
      total: total(states),
      deviations: second.map((x, s) => Math.sqrt(Math.max(0, twice[s] * x - states[s] ** 2))),
      deviation: Math.sqrt(Math.max(0, dot(rho0, measures.solve(P, gamma ** 2, squares)) - eta ** 2)),
    };
  }
  setup.rho = rho;
  return setup;
}

// Sums over episodes. Squares are taken about the exact means, of the episodes that came by: nothing cancels.
class Sums {
  constructor(centres) {
    this.centres = Float64Array.from(centres);
    this.sum = new Float64Array(centres.length);
    this.squares = new Float64Array(centres.length);
    this.seen = new Float64Array(centres.length);
  }
  add(i, x) {
    this.sum[i] += x;
    this.squares[i] += (x - this.centres[i]) ** 2;
    this.seen[i] += 1;
  }
  mean(i, n) {
    return this.sum[i] / n;
  }
  // The standard error of the mean; NaN for fewer than two episodes.
  error(i, n) {
    if (n < 2) return NaN;
    const centre = this.centres[i];
    const squares = this.squares[i] + (n - this.seen[i]) * centre ** 2 - n * (this.mean(i, n) - centre) ** 2;
    return Math.sqrt(Math.max(0, squares) / (n * (n - 1)));
  }
}

// At which numbers of episodes the errors are kept: all up to 16, then 6 % apart.
const markAfter = (n) => (n < 16 ? n + 1 : Math.ceil(1.06 * n));
export function marks(most) {
  const kept = [];
  for (let n = 1; n <= most; n = markAfter(n)) kept.push(n);
  return kept;
}

export function makeTally({ exact, rho }) {
  const of = (quantity) => ({
    states: new Sums(exact[quantity].states),
    total: new Sums([exact[quantity].total]),
    gaps: [], // [n, Σ_s |average − exact|, |sum − exact sum|]
  });
  return { n: 0, mark: 1, earned: 0, pairs: new Sums(rho), reward: of("reward"), visits: of("visits") };
}

// Play the next episodes, up to number `most`, as long as go() holds.
export function extend(tally, setup, most, go = () => true) {
  const { r } = setup.process;
  while (tally.n < most && (tally.n % 8 || go())) {
    const episode = play(setup, tally.n);
    const visits = visitsOf(setup, episode);
    const sums = { reward: 0, visits: 0 };
    for (let s = 0; s < visits.length / 4; s++) {
      let [reward, time] = [0, 0];
      for (let i = 4 * s; i < 4 * s + 4; i++) {
        if (!visits[i]) continue;
        tally.pairs.add(i, visits[i]);
        time += visits[i];
        reward += visits[i] * r[i];
      }
      if (!time) continue;
      tally.visits.states.add(s, time);
      tally.reward.states.add(s, reward);
      sums.visits += time;
      sums.reward += reward;
    }
    tally.n += 1;
    tally.earned += returnOf(setup, episode);
    for (const quantity of QUANTITIES) tally[quantity].total.add(0, sums[quantity]);
    if (tally.n < tally.mark) continue;
    tally.mark = markAfter(tally.n);
    for (const quantity of QUANTITIES) tally[quantity].gaps.push([tally.n, ...gapOf(tally, setup, quantity)]);
  }
  return tally;
}

// Σ_s |average − exact|, and |sum of the average − exact sum|.
export function gapOf(tally, { exact }, quantity) {
  const { states, total: sum } = tally[quantity];
  const gap = exact[quantity].states.reduce((all, x, s) => all + Math.abs(states.mean(s, tally.n) - x), 0);
  return [gap, Math.abs(sum.mean(0, tally.n) - exact[quantity].total)];
}

// The averages with their standard errors: { pairs, states, total }, each [means, errors].
export function averagesOf(tally, setup, quantity) {
  const { n } = tally;
  const unit = unitOf(setup, quantity);
  const both = (sums, scale = (_) => 1) => [
    Array.from(sums.sum, (_, i) => scale(i) * sums.mean(i, n)),
    Array.from(sums.sum, (_, i) => Math.abs(scale(i)) * sums.error(i, n)),
  ];
  return {
    pairs: both(tally.pairs, (i) => unit[i]),
    states: both(tally[quantity].states),
    total: both(tally[quantity].total),
  };
}
