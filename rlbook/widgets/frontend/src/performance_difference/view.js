// PerformanceDifference: from π to π′, the truth, the surrogate and the bounds, and the terms of the difference by state.
import { startDistribution, startsOf } from "../shared/measures.js";
import { BRUSHES, byScale, firstCell, makeCells, painted } from "../shared/cell_map.js";
import * as common from "../shared/common.js";
import { chips, element, format, keepKeys, onFrame, scientific, slider, subscript, svgElement } from "../shared/controls.js";
import * as difference from "./numerics.js";
import { makeCurves } from "./pictures.js";
import { askedMap, linkedMap, remember } from "../shared/grid_links.js";
import { ARROWS, KINDS } from "../shared/grid_map.js";
import * as numerics from "../shared/grid_numerics.js";

const MAP = ["rows", "cell_rewards", "slip", "gamma", "step_reward", "goal_reward", "pit_reward"];
const PROBLEM = ["view", ...MAP, "policy", "other", "example", "first", "second"]; // all that is known before α
const SETTINGS = [...PROBLEM, "alpha", "weights", "actions", "reach"];
const LIMITS = {
  slip: [0, 1],
  gamma: [0, 0.98],
  step_reward: [-100, 100],
  goal_reward: [-100, 100],
  pit_reward: [-100, 100],
  alpha: [0, 1],
};
const REACHES = [0.1, 0.3, 1];
const POLICIES = { policy: "pi", other: "pi2" }; // and their names in links
const CHOICES = { view: ["grid", "two"], weights: ["new", "old"], actions: ["new", "old"] };
const SHARES = 40; // points of each curve

const read = (model) => common.read(model, SETTINGS);

// Links ------------------------------------------------------------------------------------------------------------

const two = (text) => {
  const values = (text ?? "").split(",").map(Number);
  return text && values.length === 2 && values.every((x) => x >= 0 && x <= 1) ? values : null;
};

// Settings from a link, as strings; what makes no sense is passed over.
export function restore(model, asked) {
  common.loadAsked(model, asked);
  const settings = askedMap(model, asked, LIMITS, POLICIES);
  for (const [name, choices] of Object.entries(CHOICES)) if (choices.includes(asked[name])) settings[name] = asked[name];
  if (Object.hasOwn(model.get("_examples"), asked.example ?? "")) settings.example = asked.example;
  if (asked.reach && REACHES.includes(Number(asked.reach))) settings.reach = Number(asked.reach);
  for (const name of ["first", "second"]) {
    const values = two(asked[name]);
    if (values) settings[name] = values;
  }
  common.write(model, settings);
}

// The settings of a link: restore's inverse.
function linked(now, { settings: own }) {
  const link = { preset: now.preset, alpha: now.alpha, ...linkedMap(now, own, LIMITS, POLICIES) };
  for (const name of ["view", "example", "first", "second", "weights", "actions", "reach"]) {
    if (JSON.stringify(now[name]) !== JSON.stringify(own[name])) link[name] = [now[name]].flat().join();
  }
  return link;
}

// The numbers of an example of two states.
const inNumbers = ({ P, r, rho0 }) => {
  const ahead = P.map((row, s) => `P(s₂|s${subscript(s + 1)},·) = ${row.map(([, p]) => format(p)).join(", ")}`);
  const earned = r.map((row, s) => `r(s${subscript(s + 1)},·) = ${row.map(format).join(", ")}`);
  return [...ahead, ...earned, `ρ₀ = ${rho0.map(format).join(", ")}`].join("; ");
};

// Words ------------------------------------------------------------------------------------------------------------

const signed = (x) => (x > 0 && Math.abs(x) >= 1e-9 ? `+${scientific(x)}` : Math.abs(x) < 1e-9 ? "0" : scientific(x));

// What the chosen sum is called, and whether it is the difference.
function meaning({ weights, actions }) {
  if (actions === "old") return ["0, whatever the weights: π has no advantage over itself", false];
  return weights === "new" ? ["η(π_α) − η(π)", true] : ["L(π_α) − η(π), the surrogate's gain", false];
}

function sentence(now, known, at, sum) {
  const truth = at.eta - known.start;
  const off = Math.abs(at.eta - at.surrogate);
  const first = `At α = ${format(now.alpha)} the return is η(π_α) = ${scientific(at.eta)}, from η(π) = ${scientific(known.start)}: a change of ${signed(truth)}. The surrogate says ${signed(at.surrogate - known.start)} and is off by ${scientific(off)}.`;
  const second = `The bounds allow it ${scientific(at.average)} (mean change), ${scientific(at.mixture)} (mixture) and ${scientific(at.trust_region)} (largest change).`;
  const [name, right] = meaning(now);
  const third = right
    ? `The terms, ρ of π_α times the mean advantage, sum to ${signed(sum)}, the whole change.`
    : now.actions === "old"
      ? `With π's own actions the terms sum to ${signed(sum)}, not to the change.`
      : `With the weights ρ of π the terms sum to ${signed(sum)}: ${name}, not η's.`;
  return `${first} ${second} ${third}`;
}

// Text in which _α becomes a subscript, as nodes.
const lowered = (text) => text.split(/(_[πα])/).map((part) => (part[0] === "_" ? element("sub", {}, part[1]) : part));
// The same in a place for plain text only.
const plain = (text) => text.replaceAll("π_α", "πα");

// The view ---------------------------------------------------------------------------------------------------------

export function render({ model, el, link }) {
  const presets = model.get("_presets");
  const examples = model.get("_examples");
  const set = (settings) => common.write(model, settings);

  const knownOf = remember(PROBLEM, (now) => {
    if (now.view === "two") {
      const { rho0, ...problem } = examples[now.example];
      const process = numerics.makePlane(problem, now.gamma);
      Object.assign(process, { stateAt: [[0, 1]], cells: [[0, 0], [0, 1]] });
      const policy = (taken) => taken.flatMap((p) => [1 - p, p]);
      return { ...difference.makeDifference(process, rho0, policy(now.first), policy(now.second)), rows: [".."], curves: {} };
    }
    const process = numerics.makeGrid(now);
    const rho0 = startDistribution(process, startsOf(process, now.rows));
    const [pi, piNew] = [now.policy, now.other].map((policy) => numerics.readPolicy(process, policy));
    return { ...difference.makeDifference(process, rho0, pi, piNew), rows: now.rows, curves: {} };
  });
  const greedy = (process, Q) => numerics.writeGreedy(process, Q, numerics.tieTolerance(Q));
  const optimal = ({ process }) => greedy(process, numerics.fixedPoint(process, { kind: "optimal" }).Q);
  const improved = ({ process, V }) => greedy(process, numerics.lookahead(process, V));

  // Time -----------------------------------------------------------------------------------------------------------

  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let timer = 0;
  let running = false;
  function stop() {
    clearTimeout(timer);
    running = false;
    request();
  }
  function tick() {
    const { alpha } = read(model);
    if (alpha >= 1) return stop();
    set({ alpha: Number(Math.min(1, alpha + (still.matches ? 0.25 : 0.01)).toFixed(3)) });
    timer = setTimeout(tick, still.matches ? 900 : 50);
  }
  const play = common.button("play", "Play", () => {
    if (running) return stop();
    running = true;
    if (model.get("alpha") >= 1) set({ alpha: 0 });
    tick();
    request();
  });
  const change = (settings) => {
    if (running) stop();
    set(settings);
  };

  // Controls -------------------------------------------------------------------------------------------------------

  const presetRow = common.presetRow(model, { stop });
  const chooseView = chips(
    "View",
    [
      ["grid", "Map"],
      ["two", "Two states"],
    ],
    (view) => change({ view }),
  );
  const chooseReach = chips(
    "How far the curves are drawn",
    REACHES.map((reach) => [reach, `to ${reach}`]),
    (reach) => change(reach < model.get("alpha") ? { reach, alpha: reach } : { reach }),
  );
  const raised = (...parts) => element("span", {}, ...parts.flatMap((part) => lowered(part)));
  const chooseWeights = chips(
    "Weights",
    [
      ["new", raised("ρ of π_α")],
      ["old", "ρ of π"],
    ],
    (weights) => change({ weights }),
  );
  const chooseActions = chips(
    "Actions",
    [
      ["new", raised("those of π_α")],
      ["old", "those of π"],
    ],
    (actions) => change({ actions }),
  );
  let drawing = "other"; // which policy is painted
  const choosePainted = chips(
    "Which policy is drawn",
    [
      ["policy", "π"],
      ["other", "π′"],
    ],
    (name) => {
      drawing = name;
      choosePainted.show(name);
    },
  );
  const chooseBrush = chips(
    "Draw it",
    [["look", "Look"], ...BRUSHES.map((brush, a) => [brush, ARROWS[a] ?? "all four"])],
    (brush) => {
      policyMap.choose(brush === "look" ? null : brush);
      chooseBrush.show(brush);
    },
  );
  const choosePolicy = Object.keys(POLICIES).map((name) =>
    chips(
      name === "policy" ? "Policy π" : "Policy π′",
      [
        ["uniform", "uniform"],
        ["optimal", "optimal"],
        ...(name === "other" ? [["greedy", "greedy for Q of π"]] : []),
      ],
      (choice) => {
        const known = knownOf(read(model));
        change({ [name]: choice === "uniform" ? [] : choice === "optimal" ? optimal(known) : improved(known) });
      },
    ),
  );
  const alpha = slider({ label: "α, how far from π to π′", min: 0, max: 1, step: 0.005, change: (x) => change({ alpha: x }) });
  const scalar = (name, label, min, max) => slider({ label, min, max, step: 0.01, change: (x) => change({ [name]: x }) });
  const gamma = scalar("gamma", "γ, discount", 0, 0.98);
  const slip = scalar("slip", "slip, chance of going aside", 0, 1);
  const stepReward = scalar("step_reward", "reward of every step", -2, 1);
  const probabilities = ["first", "second"].map((name, n) =>
    [0, 1].map((s) =>
      slider({
        label: `${n ? "π′" : "π"}(a₂|s${subscript(s + 1)})`,
        min: 0,
        max: 1,
        step: 0.01,
        change: (x) => change({ [name]: model.get(name).map((p, i) => (i === s ? x : p)) }),
      }),
    ),
  );
  const chooseExample = chips(
    "Example",
    Object.keys(examples).map((name) => [name, name]),
    (example) => change({ example }),
  );
  const row = (name, ...nodes) => element("div", { class: "rl-row" }, element("span", { class: "rl-name" }, name), ...nodes);
  const exampleNote = element("span", { class: "rl-name" });
  const leading = element("div", { class: "rl-controls rl-leading" }, alpha.node, row("Curves", element("div", { class: "rl-chips" }, chooseReach.node, play)));
  const group = (...nodes) => element("div", { class: "rl-controls" }, ...nodes);
  const own = {
    grid: group(slip.node, stepReward.node, row("Policy π", choosePolicy[0].node), row("Policy π′", choosePolicy[1].node)),
    two: group(...probabilities.flat().map(({ node }) => node)),
  };
  const controls = element(
    "div",
    { class: "rl-settings" },
    group(gamma.node, row("Two states: example", chooseExample.node, exampleNote)),
    element("div", { class: "rl-stack" }, own.grid, own.two),
  );

  // Panels ---------------------------------------------------------------------------------------------------------

  const panels = ["curves", "terms", "policies", "numbers"].map((name) => {
    const [title, keys] = [element("p", { class: "rl-title" }), element("div", { class: "rl-keys" })];
    const holder = element("div", { class: "rl-picture" });
    if (name === "terms" || name === "policies") holder.classList.add("rl-map-holder");
    const node = element("div", { class: "rl-panel", "data-panel": name }, title, keys, holder);
    return [name, { title, keys, holder, node }];
  });
  const { curves: curvesPanel, terms: termsPanel, policies: policiesPanel, numbers: numbersPanel } = Object.fromEntries(panels);
  const keyed = (kind, ...text) => element("span", { class: `rl-key ${kind}` }, ...text);
  curvesPanel.title.textContent = "Return on the way from π to π′";
  curvesPanel.keys.append(
    keyed("rl-key-exact", ...lowered("η(π_α), exact")),
    keyed("rl-key-improved", "surrogate L"),
    keyed("rl-key-bound", "L ± bounds: mean change (dots), mixture, largest change (long)"),
  );
  const small = (node) => {
    node.classList.add("rl-tools");
    return node;
  };
  termsPanel.keys.append(
    element("div", { class: "rl-switch" }, element("span", {}, "weights"), small(chooseWeights.node)),
    element("div", { class: "rl-switch" }, element("span", {}, "actions"), small(chooseActions.node)),
  );
  const tools = element("div", { class: "rl-switch" }, element("span", {}, "draw"), small(choosePainted.node), small(chooseBrush.node));
  policiesPanel.keys.append(keyed("rl-key-exact", "π"), keyed("rl-key-other", "π′"), element("span", { "data-role": "weights-key" }), tools);
  const weightsKey = policiesPanel.keys.querySelector("[data-role=weights-key]");
  const readout = element("dl", { class: "rl-readout" });
  numbersPanel.holder.replaceWith(readout);
  numbersPanel.keys.remove();
  numbersPanel.title.textContent = "In numbers";
  const rowsOf = Object.fromEntries(
    [
      ["start", "rl-exact", "η(π)"],
      ["eta", "rl-exact rl-heavy", "η(π_α)"],
      ["surrogate", "rl-sharp", "L(π_α)"],
      ["truth", null, "η(π_α) − η(π)"],
      ["sum", null, "sum of the terms shown"],
      ["off", "rl-bound rl-off", "|η − L|"],
      ["average", "rl-bound rl-dotted", "mean change, E TV"],
      ["mixture", "rl-bound", "mixture bound"],
      ["trust_region", "rl-bound rl-long", "largest change, max TV²"],
    ].map(([name, kind, text]) => {
      const swatch = svgElement("svg", { width: 26, height: 10, "aria-hidden": "true" });
      if (kind) swatch.append(svgElement("path", { class: kind, d: "M1,5h24" }));
      const value = element("dd");
      readout.append(element("div", {}, element("dt", {}, swatch, ...lowered(text)), value));
      return [name, value];
    }),
  );
  const detail = element("div", { class: "rl-equation" });
  const { node: foot, said, announce } = common.foot(link, () => linked(read(model), presets[model.get("preset")]));
  const root = element(
    "div",
    { class: "rl rl-two rl-difference", "data-view": "performance-difference" },
    element(
      "div",
      { class: "rl-grid" },
      presetRow.node,
      element("div", { class: "rl-top" }, chooseView.node),
      leading,
      ...panels.map(([, { node }]) => node),
      detail,
      controls,
      foot,
    ),
    announce.node,
  );
  keepKeys(root);
  el.append(root);

  let pointed = null; // the cell under the pointer
  let chosen = null; // the cell last touched or focused
  const point = (at, passing = false) => {
    if (passing) pointed = at;
    else chosen = at;
    request();
  };
  const drawCurves = makeCurves(curvesPanel.holder, (share) => change({ alpha: share }));
  const termsMap = makeCells(termsPanel.holder, { label: "The terms", point });
  const policyMap = makeCells(policiesPanel.holder, {
    label: "Both policies: arrow keys move; u, r, d, l and . draw the chosen one",
    kind: "rl-with-arrows",
    point,
    paint(brush, at) {
      const now = read(model);
      if (now.view === "two" || now.rows[at[0]][at[1]] === "#") return;
      const before = now[drawing];
      const next = painted(now.rows, before, brush, at);
      if ((before[at[0]]?.[at[1]] ?? ".") !== brush) change({ [drawing]: next });
    },
  });
  choosePainted.show(drawing);
  chooseBrush.show("look");

  // The pointed cell's term with its numbers.
  function explain({ view, rows, alpha: share, weights, actions }, known, now, terms, at) {
    const line = (text, strong) => element("p", strong ? { class: "rl-strong" } : {}, ...lowered(text));
    const { process, advantage, pi, piNew } = known;
    const s = process.stateAt[at[0]][at[1]];
    const place = view === "two" ? `State s${subscript(s + 1)}` : `Row ${at[0] + 1}, column ${at[1] + 1} (${KINDS[rows[at[0]][at[1]]]})`;
    if (s < 0) return [line(`${place}: no state.`)];
    const n = process.actions;
    const taken = (i) => (actions === "new" ? (1 - share) * pi[i] + share * piNew[i] : pi[i]);
    const who = actions === "new" ? "π_α" : "π";
    const names = view === "two" ? ["a₁", "a₂"] : ARROWS;
    const lines = Array.from({ length: n }, (_, a) => {
      const i = n * s + a;
      return line(`${names[a]}: A_π = ${scientific(advantage[i])}, taken by π with ${format(pi[i])}, by π′ with ${format(piNew[i])}, by π_α with ${format((1 - share) * pi[i] + share * piNew[i])}`);
    });
    const mean = difference.meanAdvantage(known, share, actions)[s];
    const weight = (weights === "new" ? now.rho : known.rho)[s];
    const products = Array.from({ length: n }, (_, a) => [taken(n * s + a), advantage[n * s + a]]).filter(([p]) => p > 0);
    const bracket = (x) => (x < 0 ? `(${scientific(x)})` : scientific(x));
    const written = products.map(([p, x]) => `${format(p)}·${bracket(x)}`).join(" + ");
    return [
      line(`${place}:`),
      ...lines,
      line(`Mean advantage under ${who}: ${written || "0"} = ${scientific(mean)}`),
      line(`Term: ρ(s) · mean advantage = ${scientific(weight)} · ${bracket(mean)} = ${scientific(terms[s])}${weight < 1e-12 ? "; with these weights nobody comes here" : ""}`, true),
    ];
  }

  let sizes = null;
  let resting = 0;
  let matching = 0;
  let spoken, shownTitle;
  function draw() {
    if (!sizes) return;
    const now = read(model);
    const { preset, view, weights, actions } = now;
    const isTwo = view === "two";
    const known = knownOf(now);
    const { process, rows } = known;
    const reach = REACHES.find((most) => most >= Math.max(now.alpha, now.reach)) ?? 1;
    const curves = (known.curves[reach] ??= difference.differenceCurves(known, reach, SHARES));
    const at = difference.atShare(known, now.alpha);
    const terms = difference.termsOf(known, at, weights, actions).map((x) => (Math.abs(x) < 1e-12 ? 0 : x));
    const sum = terms.reduce((total, x) => total + x, 0);
    const weigh = weights === "new" ? at.rho : known.rho;
    const inside = (cell) => cell && cell[0] < rows.length && cell[1] < rows[0].length;
    const place = [pointed, chosen].find(inside) ?? (isTwo ? [0, 0] : firstCell(rows));
    const picture = drawCurves(curves, reach, { ...at, preset }, known, sizes.curves);
    const names = isTwo ? [["s₁", "s₂"]] : null;
    const base = { rows, names, stateAt: process.stateAt, absorbing: process.absorbing, at: place };
    const [called, right] = meaning(now);
    termsMap.draw(
      {
        ...base,
        values: terms,
        tint: byScale(terms, numerics.largest(terms)),
        says: `The terms by state; they sum to ${signed(sum)}: ${plain(called)}`,
      },
      sizes.terms,
    );
    const live = weigh.filter((_, s) => !process.absorbing[s]);
    policyMap.draw(
      {
        ...base,
        values: weigh,
        tint: byScale(weigh, Math.max(...live), ["rl-true", "rl-true"]),
        policies: isTwo ? [] : [["", known.pi], ["rl-of-other", known.piNew]],
      },
      sizes.policies,
    );
    clearTimeout(resting);
    resting = setTimeout(() => {
      policyMap.describe(rows, ([i, j]) => {
        const s = process.stateAt[i][j];
        if (s < 0) return "";
        const way = (pi) => ARROWS.filter((_, a) => pi[4 * s + a] > 0.5).join("") || "all four";
        const arrows = isTwo || process.absorbing[s] ? "" : `π ${way(known.pi)}, π′ ${way(known.piNew)}, `;
        return `${arrows}weight ${scientific(weigh[s])}, term ${scientific(terms[s])}`;
      });
    }, 400);

    presetRow.show(preset);
    chooseView.show(view);
    chooseReach.show(reach);
    chooseWeights.show(weights);
    chooseActions.show(actions);
    chooseExample.show(isTwo ? now.example : null);
    exampleNote.classList.toggle("rl-away", !isTwo);
    exampleNote.textContent = inNumbers(examples[now.example]);
    play.textContent = running ? "Pause" : "Play";
    alpha.show(now.alpha);
    gamma.show(now.gamma);
    slip.show(now.slip);
    stepReward.show(now.step_reward);
    probabilities.forEach((pair, n) => pair.forEach((control, s) => control.show(now[n ? "second" : "first"][s])));
    own.grid.classList.toggle("rl-away", isTwo);
    own.two.classList.toggle("rl-away", !isTwo);
    for (const node of [...policiesPanel.keys.children].slice(0, 2)) node.hidden = isTwo;
    tools.classList.toggle("rl-away", isTwo);
    for (const control of chooseExample.node.children) control.disabled = !isTwo;
    // Which buttons fit the policies takes policy iteration: that waits until the problem is at rest.
    clearTimeout(matching);
    if (!isTwo && known.best === undefined) {
      matching = setTimeout(() => {
        known.best = optimal(known).join();
        known.greedy = improved(known).join();
        request();
      }, 120);
    }
    if (!isTwo) {
      [now.policy, now.other].forEach((policy, n) => {
        const uniform = !policy.join("").replace(/\./g, "");
        const which = [uniform && "uniform", policy.join() === known.best && "optimal", policy.join() === known.greedy && "greedy"];
        choosePolicy[n].show(...which.filter(Boolean));
      });
    }
    const title = `Terms: sum ${signed(sum)}${right ? " = η(π_α) − η(π)" : `, not ${signed(at.eta - known.start)}`}`;
    if (shownTitle !== title) termsPanel.title.replaceChildren(...lowered((shownTitle = title)));
    termsPanel.node.classList.toggle("rl-astray", !right);
    policiesPanel.title.textContent = isTwo ? "Weights" : "The policies, and the weights";
    weightsKey.replaceChildren(...lowered(weights === "new" ? "numbers: ρ(s) of π_α" : "numbers: ρ(s) of π"));
    const shown = { start: known.start, eta: at.eta, surrogate: at.surrogate, truth: at.eta - known.start, sum, off: Math.abs(at.eta - at.surrogate), average: at.average, mixture: at.mixture, trust_region: at.trust_region };
    for (const [name, node] of Object.entries(rowsOf)) {
      const text = name === "truth" || name === "sum" ? signed(shown[name]) : scientific(shown[name]);
      if (node.textContent !== text) node.textContent = text;
    }
    detail.replaceChildren(...explain(now, known, at, terms, place));

    const words = sentence(now, known, at, sum);
    if (spoken !== words) {
      spoken = words;
      said.replaceChildren(...lowered(words));
      announce.say(plain(words));
    }
    const label = `Return, surrogate and bounds against α. ${plain(words)}`;
    if (picture.getAttribute("aria-label") !== label) picture.setAttribute("aria-label", label);
    Object.assign(root.dataset, {
      preset,
      shows: view,
      alpha: now.alpha,
      weights,
      actions,
      ...shown,
      terms: terms.join(),
      rho: at.rho.join(),
      playing: running ? "yes" : "",
    });
  }

  const request = onFrame(draw);
  const stopFollowing = common.follow(model, root, SETTINGS, request, (width) => {
    const [columns, column] = common.columnsIn(width);
    const height = columns === 1 ? 220 : 250;
    termsPanel.holder.style.height = policiesPanel.holder.style.height = `${height}px`;
    sizes = { terms: [column, height], policies: [column, height], curves: [column, columns === 1 ? 240 : 270] };
    draw();
  });
  return () => {
    stopFollowing();
    clearTimeout(timer);
    clearTimeout(resting);
    clearTimeout(matching);
    announce.stop();
  };
}
