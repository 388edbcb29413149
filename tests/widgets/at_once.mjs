// What a view computes step by step, at once: for the tests that hold it to Python.
import * as play from "../../rlbook/widgets/frontend/src/average_grid/numerics.js";
import * as differences from "../../rlbook/widgets/frontend/src/performance_difference/numerics.js";

export function playAll(now, process, pi, count) {
  const setup = play.makeEpisodes(now, process, pi);
  const tally = play.extend(play.makeTally(setup), setup, count);
  const of = (quantity) => ({ ...play.averagesOf(tally, setup, quantity), gaps: tally[quantity].gaps });
  const mean = tally.earned / tally.n;
  return { exact: setup.exact, horizon: setup.powers.length - 1, mean, reward: of("reward"), visits: of("visits") };
}

export const playOne = (now, process, pi, n, steps) => {
  const setup = play.makeEpisodes(now, process, pi);
  const episode = play.play(setup, n);
  return { ...episode, visits: [...play.visitsOf(setup, episode, steps ?? Infinity)] };
};

export function difference(process, rho0, pi, piNew, alpha) {
  const known = differences.makeDifference(process, rho0, pi, piNew);
  const at = differences.atShare(known, alpha);
  const kinds = ["new", "old"];
  const chosen = kinds.map((weights) => kinds.map((actions) => differences.termsOf(known, at, weights, actions)));
  return { ...at, start: known.start, V: known.V, gain: known.gain, chosen };
}
