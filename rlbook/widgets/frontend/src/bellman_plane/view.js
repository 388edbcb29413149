// BellmanPlane: a Bellman operator on the plane of all functions of two states.
import * as common from "../shared/common.js";
import { format, keys, line, nodeOf, panel, raised, subscript } from "../shared/controls.js";
import { remember } from "../shared/grid_links.js";
import * as numerics from "../shared/grid_numerics.js";
import { lesson } from "../shared/lesson.js";
import { backupOf, extend, howOf, sweeping } from "../shared/sweeps.js";
import { makePlane } from "./pictures.js";

const PROBLEM = ["gamma", "operator", "alpha", "V0"];
const CALLED = { V0: "v" }; // in links

const makeSweeps = (problem) =>
  remember(PROBLEM, (now) => {
    const process = numerics.makePlane(problem, now.gamma);
    const operator = { kind: now.operator, alpha: now.alpha, pi: process.r.map(() => 1 / process.actions) };
    const best = numerics.fixedPoint(process, { kind: "optimal" });
    const { V } = numerics.fixedPoint(process, operator);
    const next = (from) => numerics.planeImage(process, operator, [from])[0];
    const ahead = (/** @type {number[]} */ x) => numerics.lookahead(/** @type {any} */ (process), x);
    return { process, operator, best, limit: V, values: V, runs: [[now.V0]], next, ahead, curves: {} };
  });

export const restore = (model, asked) => common.restore(model, asked, CALLED);

// The next sweep in both states, with its numbers.
function explain({ operator, k, gamma }, { process, operator: T }, V) {
  const Q = numerics.lookahead(process, V);
  const next = numerics.stateValues(process, T, Q);
  const lines = [0, 1].flatMap((s) => [
    ...[0, 1].map((a) => {
      const terms = process.P[2 * s + a].map((p, to) => [p, to, V[to]]);
      const name = `Q${subscript(k + 1)}(s${subscript(s + 1)}, a${subscript(a + 1)})`;
      return line(backupOf(name, gamma, { reward: process.r[2 * s + a], terms, value: Q[2 * s + a] }));
    }),
    line(
      `V${subscript(k + 1)}(s${subscript(s + 1)}) = ${howOf(operator)} = ${format(next[s])}; now ${format(V[s])}`,
      true,
    ),
  ]);
  return [line("The next sweep:"), ...lines];
}

// The sentence of a step: where V is, and what the sweep makes of its square.
function shortly({ k, gamma }, { limit, operator: T, process, next }, V, { error }) {
  const radius = error[k];
  const image = numerics.planeImage(process, T, numerics.square(limit, radius, 48));
  const furthest = Math.max(...image.map((point) => numerics.distance(point, limit)));
  const [now, then] = [format(radius), format(numerics.distance(next(V), limit))];
  const held = `what T makes of the square reaches ${format(furthest)} from it, γ = ${format(gamma)} times as far as the square`;
  return `V${subscript(k)} is ${now} from the fixed point, V${subscript(k + 1)} ${then}; ${held}.`;
}

export const render = lesson((model, { set, read, request }) => {
  const sweep = makeSweeps(model.get("_problem"));
  const time = sweeping(model, { letter: "V", sweep, change: set, request });
  const labels = ["V₀(s₁), where it starts", "V₀(s₂), where it starts"];
  const starts = common.listSliders(model, "V0", labels, (V0) => set({ V0, k: 0 }));
  time.controls.append(...starts.map(nodeOf));
  const shapeKeys = keys(["rl-sharp", "what T makes of the square"], ["rl-bound", "γ times as wide"]);
  const plane = panel("The square around the fixed point", shapeKeys);
  plane.node.append(time.transport);
  const drawPlane = makePlane(plane.holder, (V0) => time.halt(stepwise ? { V0 } : { V0, k: 0 }), request);
  let stepwise = false;

  function draw(sizes, how) {
    stepwise = how.step;
    const now = read();
    const { k } = now;
    const swept = extend(sweep(now), k + 1);
    const V = swept.runs[0][k];
    const { curves, words, data } = time.show(now, swept, sizes.errors, how);
    common.showAll(starts, now.V0);
    const [width, height] = sizes.plane;
    const size = how.step ? [Math.min(width, 2 * height), height - shapeKeys.offsetHeight] : sizes.plane;
    const grown = drawPlane(now, swept, size, how.step && how.offers("k"));
    if (!how.step) time.equation.replaceChildren(...explain(now, swept, V));
    const said = how.step ? shortly(now, swept, V, curves) : words;
    const tenth = curves.error.findIndex((error) => error <= 0.1 * curves.error[0]);
    const aloud = grown ? `${said} The picture is now ${grown}.` : said;
    return { words: said, nodes: raised(said), aloud, data: { ...data, v: V.join(), v0: now.V0.join(), tenth } };
  }

  return {
    view: "bellman-plane",
    kind: "rl-two",
    panels: { plane, errors: time.errors },
    controls: { ...time.named, start1: starts[0], start2: starts[1] },
    parts: [plane, time.equation, time.errors, time.controls],
    linked: () => common.linked(model, CALLED),
    draw,
    fit: common.fitting({ plane: [330, 380], errors: [260, 300] }),
    stop: time.player.stop,
    timers: [time.player],
  };
});
