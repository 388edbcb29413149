// What the widgets of sweeps share: runs of an operator, what bounds their error, the picture of it, time, and words.
import * as common from "./common.js";
import { box, element, format, label, panel, raised, readout, row, scientific, superscript, tell } from "./controls.js";
import { chart, dragAlong, keeper, path } from "./frame.js";
import * as numerics from "./grid_numerics.js";
import { node, put } from "./handles.js";

const FLOOR = 1e-12; // the bottom of the logarithmic axis: below it there is only rounding
const DONE = 1e-9; // running stops when the bound by the latest move is below this
const RANGES = [120, 240, 480]; // how far the plot reaches, in sweeps, before all of them
const RANGES_IN_STEPS = [20, 40, 80, 160, 320];
export const LIMIT = { policy: "^π", optimal: "*", soft: "_α" };
const OPERATOR = { policy: "T^π", optimal: "T*", soft: "T_α" };

// Runs ---------------------------------------------------------------------------------------------------------------

// Lengthen the runs to x_0, …, x_k.
export function extend(swept, k) {
  for (const run of swept.runs) while (run.length <= k) run.push(swept.next(run.at(-1)));
  return swept;
}

// Error, bounds, distance and greedy correctness for k = 0, …, range.
function makeCurves({ process, runs, limit, best, ahead }, range) {
  const [run, other] = runs.map((run) => run.slice(0, range + 1));
  const tolerance = numerics.tieTolerance(best.Q);
  const optimal = numerics.greedyActions(process, best.Q, tolerance);
  const live = process.absorbing.filter((absorbing) => !absorbing).length;
  const right = run.map((x) => numerics.greedyRight(process, ahead(x), optimal, tolerance)); // by state
  const wrong = right.map((states) => states.filter((yes) => !yes).length);
  const lastWrong = wrong.findLastIndex((count) => count > 0);
  const curves = numerics.errorCurves(run, limit, process.gamma);
  const near = curves.error.findLastIndex((error) => error > 0.01) + 1;
  return {
    ...curves,
    otherError: other?.map((x) => numerics.distance(x, limit)),
    distance: other?.map((x, k) => numerics.distance(x, run[k])),
    right,
    wrong,
    live,
    from: lastWrong < range ? lastWrong + 1 : null, // greedy is optimal from this k on; null: not yet at the end
    near: near <= range ? near : null, // and all values within 0.01
  };
}

// The first k at which the bound by the latest move promises `DONE`.
function endOf(swept, most) {
  const { gamma } = swept.process;
  for (let k = 1; k < most; k++) {
    const run = extend(swept, k).runs[0];
    if ((gamma / (1 - gamma)) * numerics.distance(run[k], run[k - 1]) <= DONE) return k;
  }
  return most;
}

// Words --------------------------------------------------------------------------------------------------------------

export const howOf = (operator) => ({ policy: "Σ π Q", optimal: "max Q", soft: "α log Σ exp(Q/α)" })[operator];

const brackets = (v) => (v < 0 ? `(${format(v)})` : format(v));
export const backupOf = (lhs, gamma, { reward, terms, value }) =>
  `${lhs} = ${format(reward)} + ${format(gamma)}·(${terms.map(([p, , v]) => `${format(p)}·${brackets(v)}`).join(" + ")}) = ${format(value)}`;

function sentence({ operator, k, alpha }, { process, values }, curves, range) {
  const soft = operator === "soft" ? ` with α = ${format(alpha)}` : "";
  const done = `After ${common.count(k, "sweep")} of ${OPERATOR[operator]}${soft} (γ = ${format(process.gamma)}) `;
  const { error, posterior, bracket, wrong, live, from } = curves;
  const bound = k
    ? `by the latest move it is at most ${scientific(posterior[k])}, and the bracket is ${scientific(bracket[k])} wide`
    : "no sweep has bounded it yet";
  const right = live - wrong[k];
  const since = right === live && from !== null && from <= k ? `, since k = ${from}` : "";
  const near = error.findIndex((e) => e <= 0.01);
  const close =
    near >= 0 ? `within 0.01 ${near <= k ? "since" : "only from"} k = ${near}` : `within 0.01 not before k = ${range}`;
  const largest = numerics.largest(values);
  return `${done}the largest error is ${scientific(error[k])}, beside values up to ${format(largest)}; ${bound}. The greedy policy is optimal in ${right} of ${live} states${since}; the error is ${close}.`;
}

// Time and errors ----------------------------------------------------------------------------------------------------

// k as a slider and as something to play, the operator and the numbers of the problem, and the panel of the errors.
// `sweep(now)` gives the sweeps of the settings, `letter` is the iterates', `restarted` what brings the start back besides
// k, `labels` are those of the problem's own numbers, and change(settings) changes the problem.
export function sweeping(model, { letter, sweep, restarted = {}, labels = {}, change, request }) {
  const [, most] = common.limits(model, "k");
  const set = (settings) => common.write(model, settings);
  const playing = common.player(
    (how) => {
      const now = common.read(model);
      const ahead = endOf(sweep(now), most) - now.k;
      if (ahead <= 0) return undefined;
      const still = common.motion.matches;
      set({ k: now.k + (how === "play" ? 1 : still ? ahead : Math.max(1, Math.ceil(ahead / 10))) });
      return how === "run" ? 40 : still ? 700 : 160;
    },
    () => request(),
  );
  const halt = playing.halting(set);
  const transport = element(
    "div",
    { class: "rl-chips rl-transport", role: "group", "aria-label": "Sweeps" },
    common.button("step", "Step", () => halt({ k: Math.min(most, model.get("k") + 1) })),
    playing,
    common.button("run", "To the end", () => playing.start("run")),
    common.button("restart", "Restart", () => halt({ k: 0, ...restarted })),
  );
  const seek = (k) => halt({ k });
  const slider = common.settingSlider(model, "k", "k, sweeps done", { change: seek });
  const kinds = common.choices(model, "operator").map((kind) => [kind, element("span", {}, ...raised(OPERATOR[kind]))]);
  const chooseOperator = common.settingChips("operator", "Operator", kinds, change);
  const operators = row("Operator", chooseOperator);
  const numbersOf = { gamma: "γ, discount", ...labels, alpha: "α, temperature of the soft operator" };
  const sliders = common.settingSliders(model, numbersOf, change);
  const { alpha, ...others } = sliders;
  const controls = box("rl-controls", slider, ...Object.values(others), operators, alpha);
  const equation = box("rl-equation");
  const named = { k: slider, play: transport, operator: operators, ...sliders, equation };

  const errors = panel("");
  const numbers = readout({
    ...Object.fromEntries(CURVES.map(([name, kind]) => [name, [kind]]).reverse()),
    right: [["rl-strip rl-strip-done", "M1,9V4l8,-3h16V9Z"], "greedy policy optimal in"],
  });
  errors.node.append(numbers.node);
  const drawErrors = makeErrors(errors.holder, seek);
  const kept = keeper();

  // Draws what there is room for, and gives what is known and the sentence that says it all.
  function show(now, swept, size, { step }) {
    const { k, operator } = now;
    const range = (step ? RANGES_IN_STEPS : RANGES).find((end) => end >= k) ?? most;
    swept.curves[range] ??= makeCurves(extend(swept, range), range);
    const curves = swept.curves[range];
    playing.show();
    slider.limit(0, range, most);
    common.showAll({ k: slider, operator: chooseOperator, ...sliders }, now);
    alpha.enable(operator === "soft");
    const words = sentence(now, swept, curves, range);
    const right = curves.live - curves.wrong[k];
    if (size) {
      label(drawErrors(now, curves, range, size), `Error and bounds against the number of sweeps. ${words}`);
      tell(errors.title, `Error after ${common.count(k, "sweep")}: ${scientific(curves.error[k])}`);
      kept([operator], () => {
        for (const [name, , called] of CURVES)
          numbers.parts[name].term.replaceChildren(...raised(called(letter, `${letter}${LIMIT[operator]}`)));
      });
      for (const [name] of CURVES) {
        numbers.parts[name].row.hidden = !curves[name]; // where there is one run
        tell(numbers.parts[name].value, scientific(curves[name]?.[k]));
      }
      tell(numbers.parts.right.value, `${right} of ${curves.live}`);
    }
    const data = Object.fromEntries(
      ["error", "envelope", "prior", "posterior", "bracket", "distance"].map((name) => [name, curves[name]?.[k] ?? ""]),
    );
    return { curves, words, data: { ...data, k, right, playing: playing.running() } };
  }
  return { player: playing, halt, transport, sliders, controls, equation, named, errors, show };
}

// Error and bounds against k ---------------------------------------------------------------------------------------

// Their classes, and what they are called where the iterates are x_0, x_1, … and tend to a limit.
/** @type {[string, string, (x: string, limit: string) => string][]} */
const CURVES = [
  ["prior", "rl-bound rl-long", (x) => `first move, γᵏ/(1−γ)·‖${x}₁ − ${x}₀‖`],
  ["envelope", "rl-bound", (x, limit) => `contraction, γᵏ‖${x}₀ − ${limit}‖`],
  ["otherError", "rl-rival", () => "error from the second start"],
  ["distance", "rl-rival rl-long", () => "distance of the two runs"],
  ["bracket", "rl-sharp", () => "bracket, γ/(1−γ)·(M − m)"],
  ["posterior", "rl-bound rl-dotted", () => "latest move, γ/(1−γ)·‖move‖"],
  ["error", "rl-exact rl-heavy", (x, limit) => `error ‖${x}ₖ − ${limit}‖`],
];

function makeErrors(holder, seek) {
  const kept = keeper();
  return function draw({ k }, curves, range, size) {
    const most = Math.max(...["envelope", "prior"].map((name) => curves[name][0]), curves.otherError?.[0] ?? 0);
    const top = most <= 1e3 ? 1e3 : 10 ** (3 * Math.ceil(Math.log10(most) / 3));
    const parts = kept([...size, range, top], () => {
      const ticks = Array.from({ length: 12 }, (_, i) => 10 ** (3 * i - 12)).filter((tick) => tick <= top);
      const tickFormat = (x) => (x === 1 ? "1" : `10${superscript(Math.round(Math.log10(x)))}`);
      const base = chart(holder, size, {
        marginTop: 40,
        x: { domain: [0, range], ticks: 6, label: "k, sweeps" },
        y: { type: "log", domain: [FLOOR, top], ticks, tickFormat, label: "in units of reward" },
      });
      const { svg, layer } = base;
      const make = (parent) => CURVES.map(([, kind]) => node(parent, "path", { class: kind }));
      const future = make(node(layer, "g", { class: "rl-ahead" }));
      const cursor = node(layer, "path", { class: "rl-pole" });
      const past = make(layer);
      const point = node(svg, "circle", { class: "rl-handle", r: 6 }); // whole at k = 0 too
      const strip = node(svg, "path", { class: "rl-strip" });
      const done = node(svg, "path", { class: "rl-strip rl-strip-done" });
      const flag = node(svg, "path", { class: "rl-pole" });
      const name = node(svg, "text", { class: "rl-label", y: 12 });
      node(svg, "text", { class: "rl-side", x: base.left - 6, y: 30, "text-anchor": "end" }, "greedy");
      dragAlong(base, (k) => seek(Math.round(k)));
      return { ...base, future, past, cursor, point, strip, done, flag, name, of: null };
    });
    const { x, y, foot, left, right } = parts;
    const stride = Math.ceil(range / 240);
    const heightOf = (value) => y(Math.max(value, FLOOR / 10));
    const line = (values, to) => {
      const drawn = Array.from({ length: Math.ceil(to / stride) + 1 }, (_, i) => Math.min(to, i * stride));
      return path(drawn.filter((i) => values[i] !== null).map((i) => [x(i), heightOf(values[i])]));
    };
    CURVES.forEach(([name], i) => {
      const values = curves[name];
      if (parts.of !== curves) put(parts.future[i], { d: values ? line(values, range) : "" });
      put(parts.past[i], { d: values && k ? line(values, k) : "" });
    });
    // The strip above: in what share of the states the greedy policy of x_k is optimal.
    const share = (wrong) => 34 - 16 * (curves.live ? 1 - wrong / curves.live : 1);
    const area = (to) => {
      const edge = curves.wrong.slice(0, to + 1).map((wrong, i) => `L${x(i).toFixed(1)},${share(wrong).toFixed(1)}`);
      return `M${left},34${edge.join("")}L${x(to).toFixed(1)},34Z`;
    };
    if (parts.of !== curves) put(parts.strip, { d: area(range) });
    put(parts.done, { d: area(k) });
    parts.of = curves;
    const { from } = curves;
    const never = from === null;
    put(parts.flag, { d: never ? "" : `M${x(from)},16V36` });
    parts.name.textContent = `greedy policy ${never ? `not optimal by k = ${range}` : `optimal from k = ${from}`}`;
    const after = never || x(from) < (left + right) / 2;
    put(parts.name, { x: never ? left : x(from), "text-anchor": after ? "start" : "end" });
    put(parts.cursor, { d: `M${x(k)},40V${foot}` });
    put(parts.point, { cx: x(k), cy: Math.min(foot, heightOf(curves.error[k])) });
    return parts.svg;
  };
}
