// PerformanceDifference: from π to π′, the truth, the surrogate and the bounds, and the terms of the difference by state.
import { ARROWS, brushes, byScale, KINDS, makeCells, numbersOf, painted, pointing } from "../shared/cells.js";
import * as common from "../shared/common.js";
import {
  chips,
  element,
  format,
  key,
  label,
  panel,
  readout,
  row,
  scientific,
  subscript,
  tell,
} from "../shared/controls.js";
import { askedMap, linkedMap, MAP, remember } from "../shared/grid_links.js";
import * as numerics from "../shared/grid_numerics.js";
import { lesson } from "../shared/lesson.js";
import { startDistribution, startsOf } from "../shared/measures.js";
import * as difference from "./numerics.js";
import { makeCurves } from "./pictures.js";

const PROBLEM = ["view", ...MAP, "policy", "other", "example", "first", "second"]; // all that is known before α
const POLICIES = { policy: "pi", other: "pi2" }; // and their names in links
const SHARES = 40; // points of each curve
const STROKE = "M1,5h24"; // of the mark beside a number

// Links ------------------------------------------------------------------------------------------------------------

// Settings from a link, as strings; what makes no sense is passed over.
/** @param {common.Model} model @param {common.Asked} asked */
export function restore(model, asked) {
  common.loadAsked(model, asked);
  common.write(model, askedMap(model, asked, POLICIES));
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
  return weights === "new" ? ["η(π_α) − η(π)", true] : ["L(π_α) − η(π), the surrogate’s gain", false];
}

function sentence(now, known, at, sum, { step, open, offers }) {
  const truth = at.eta - known.start;
  const promised = `At α = ${format(now.alpha)}, L promises ${signed(at.surrogate - known.start)}`;
  if (step && open) return `${promised}.`;
  if (step && offers("weights"))
    return `At α = ${format(now.alpha)}, the terms add up to ${signed(sum)}; η changes by ${signed(truth)}.`;
  const allowed =
    now.band === "none" ? "" : `; the ${now.band === "all" ? "mixture " : ""}bound allows ${scientific(at.mixture)}`;
  if (step)
    return `${promised}; η changes by ${signed(truth)}. The gap is ${scientific(Math.abs(at.eta - at.surrogate))}${allowed}.`;
  const off = Math.abs(at.eta - at.surrogate);
  const first = `At α = ${format(now.alpha)} the return is η(π_α) = ${scientific(at.eta)}, from η(π) = ${scientific(known.start)}: a change of ${signed(truth)}. The surrogate says ${signed(at.surrogate - known.start)} and is off by ${scientific(off)}.`;
  const second = `The bounds allow it ${scientific(at.average)} (mean change), ${scientific(at.mixture)} (mixture) and ${scientific(at.trust_region)} (largest change).`;
  const [name, right] = meaning(now);
  const third = right
    ? `The terms, ρ of π_α times the mean advantage, sum to ${signed(sum)}, the whole change.`
    : now.actions === "old"
      ? `With π’s own actions the terms sum to ${signed(sum)}, not to the change.`
      : `With the weights ρ of π the terms sum to ${signed(sum)}: ${name}, not η’s.`;
  return `${first} ${second} ${third}`;
}

// Text in which _α becomes a subscript, as nodes.
const lowered = (text) => text.split(/(_[πα])/).map((part) => (part[0] === "_" ? element("sub", {}, part[1]) : part));
// The same in a place for plain text only.
const plain = (text) => text.replaceAll("π_α", "πα");

// The view ---------------------------------------------------------------------------------------------------------

/** @param {common.Place} place */
export function render(place) {
  const { model } = place;
  const examples = model.get("_examples");
  const set = (settings) => common.write(model, settings);
  const read = () => common.read(model);

  const knownOf = remember(PROBLEM, (now) => {
    if (now.view === "two") {
      const { rho0, ...problem } = examples[now.example];
      const process = numerics.makePlane(problem, now.gamma);
      Object.assign(process, {
        stateAt: [[0, 1]],
        cells: [
          [0, 0],
          [0, 1],
        ],
      });
      const policy = (taken) => taken.flatMap((p) => [1 - p, p]);
      return {
        ...difference.makeDifference(process, rho0, policy(now.first), policy(now.second)),
        rows: [".."],
        curves: {},
      };
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

  const player = common.player(
    () => {
      const alpha = model.get("alpha");
      if (alpha >= 1) return undefined;
      set({ alpha: common.fit(model, "alpha", alpha + (common.motion.matches ? 0.25 : 0.01), 3) });
      return common.motion.matches ? 900 : 50;
    },
    () => request(),
    () => {
      if (model.get("alpha") >= 1) set({ alpha: 0 });
    },
  );
  const change = (settings) => {
    if (player.running()) player.stop();
    set(settings);
  };

  // Controls -------------------------------------------------------------------------------------------------------

  const chooseView = chips("View", { grid: "Map", two: "Two states" }, (view) => change({ view }));
  const reaches = common.choices(model, "reach");
  const chooseReach = chips(
    "How far the curves are drawn",
    reaches.map((reach) => [reach, `to ${reach}`]),
    (reach) => change(reach < model.get("alpha") ? { reach, alpha: reach } : { reach }),
  );
  const chooseBand = chips("Bounds", { none: "no bounds", mixture: "a band", all: "all three" }, (band) =>
    set({ band }),
  );
  const raised = (...parts) => element("span", {}, ...parts.flatMap((part) => lowered(part)));
  const chooseWeights = chips("Weights", { new: raised("ρ of π_α"), old: "ρ of π" }, (weights) => change({ weights }));
  const chooseActions = chips("Actions", { new: raised("those of π_α"), old: "those of π" }, (actions) =>
    change({ actions }),
  );
  let drawing = "other"; // which policy is painted
  const choosePainted = chips("Which policy is drawn", { policy: "π", other: "π′" }, (name) => {
    drawing = name;
    choosePainted.show(name);
  });
  const chooseBrush = chips("Draw it", brushes, (brush) => {
    policyMap.choose(brush);
    chooseBrush.show(brush);
  });
  const choosePolicy = Object.keys(POLICIES).map((name) =>
    chips(
      name === "policy" ? "Policy π" : "Policy π′",
      {
        uniform: "uniform",
        optimal: "optimal",
        ...(name === "other" ? { greedy: "greedy for Q of π" } : {}),
      },
      (choice) => {
        const known = knownOf(read());
        change({ [name]: choice === "uniform" ? [] : choice === "optimal" ? optimal(known) : improved(known) });
      },
    ),
  );
  const alpha = common.settingSlider(model, "alpha", "α, how far from π to π′", {
    change: (x) => change({ alpha: x }),
  });
  const sliders = common.settingSliders(
    model,
    {
      gamma: "γ, discount",
      slip: "slip, chance of going aside",
      step_reward: "reward of every step",
    },
    change,
  );
  /** @type {Record<string, any>} */
  const probabilities = { first: "π", second: "π′" };
  for (const [name, pi] of Object.entries(probabilities)) {
    const labels = [0, 1].map((s) => `${pi}(a₂|s${subscript(s + 1)})`);
    probabilities[name] = common.listSliders(model, name, labels, (list) => change({ [name]: list }));
  }
  const chooseExample = chips(
    "Example",
    Object.keys(examples).map((name) => [name, name]),
    (example) => change({ example }),
  );
  const exampleNote = element("span", { class: "rl-name" });
  const curvesRow = row("Curves", element("div", { class: "rl-chips" }, chooseReach.node, player.node));
  const bandRow = row("Bounds", chooseBand.node);
  const leading = element("div", { class: "rl-controls rl-leading" }, alpha.node, curvesRow, bandRow);
  const group = (...nodes) => element("div", { class: "rl-controls" }, ...nodes);
  const own = {
    grid: group(
      sliders.slip.node,
      sliders.step_reward.node,
      row("Policy π", choosePolicy[0].node),
      row("Policy π′", choosePolicy[1].node),
    ),
    two: group(...Object.values(probabilities).flatMap((pair) => pair.map(({ node }) => node))),
  };
  const controls = element(
    "div",
    { class: "rl-settings" },
    group(sliders.gamma.node, row("Two states: example", chooseExample.node, exampleNote)),
    element("div", { class: "rl-stack" }, own.grid, own.two),
  );

  // Panels ---------------------------------------------------------------------------------------------------------

  const panels = Object.fromEntries(
    ["curves", "terms", "policies", "numbers"].map((name) => {
      const notes = element("div", { class: "rl-keys" });
      const made = panel("", notes);
      made.node.dataset.panel = name;
      if (name === "terms" || name === "policies") made.holder.classList.add("rl-map-holder");
      return [name, { ...made, notes }];
    }),
  );
  tell(panels.curves.title, "Return on the way from π to π′");
  const boundKey = key("rl-key-bound", "");
  panels.curves.notes.append(
    key("rl-key-exact", ...lowered("η(π_α), exact")),
    key("rl-key-improved", "surrogate L"),
    boundKey,
  );
  const tool = (name, ...choices) => {
    for (const { node } of choices) node.classList.add("rl-tools");
    return element("div", { class: "rl-switch" }, element("span", {}, name), ...choices.map(({ node }) => node));
  };
  const [weightsTool, actionsTool] = [tool("weights", chooseWeights), tool("actions", chooseActions)];
  panels.terms.notes.append(weightsTool, actionsTool);
  const tools = tool("draw", choosePainted, chooseBrush);
  const policyKeys = [key("rl-key-exact", "π"), key("rl-key-other", "π′")];
  const weightsKey = key("", "");
  panels.policies.notes.append(...policyKeys, weightsKey, tools);
  const numbers = readout({
    start: [{ class: "rl-exact", d: STROKE }, "η(π)"],
    eta: [{ class: "rl-exact rl-heavy", d: STROKE }, ...lowered("η(π_α)")],
    surrogate: [{ class: "rl-sharp", d: STROKE }, ...lowered("L(π_α)")],
    truth: [null, ...lowered("η(π_α) − η(π)")],
    sum: [null, "sum of the terms shown"],
    off: [{ class: "rl-bound rl-off", d: STROKE }, "|η − L|"],
    average: [{ class: "rl-bound rl-dotted", d: STROKE }, "mean change, E TV"],
    mixture: [{ class: "rl-bound", d: STROKE }, "mixture bound"],
    trust_region: [{ class: "rl-bound rl-long", d: STROKE }, "largest change, max TV²"],
  });
  panels.numbers.holder.replaceWith(numbers.node);
  panels.numbers.notes.remove();
  tell(panels.numbers.title, "In numbers");
  const detail = element("div", { class: "rl-equation" });
  const top = element("div", { class: "rl-views" }, chooseView.node);
  const { point, at: placeOf } = pointing(() => request());
  const drawCurves = makeCurves(panels.curves.holder, (share) => change({ alpha: share }));
  const termsMap = makeCells(panels.terms.holder, { label: "The terms", point });
  const policyMap = makeCells(panels.policies.holder, {
    label: "Both policies: arrow keys move; u, r, d, l and . draw the chosen one",
    point,
    paint(brush, at) {
      const now = read();
      if (now.view === "two" || now.rows[at[0]][at[1]] === "#") return brush;
      const before = now[drawing];
      const next = painted(now.rows, before, brush, at);
      if ((before[at[0]]?.[at[1]] ?? ".") !== brush) change({ [drawing]: next });
      return brush;
    },
  });
  choosePainted.show(drawing);
  chooseBrush.show("look");

  // The pointed cell's term with its numbers.
  function explain({ view, rows, alpha: share, weights, actions }, known, now, terms, at) {
    const line = (text, strong) => element("p", strong ? { class: "rl-strong" } : {}, ...lowered(text));
    const { process, advantage, pi, piNew } = known;
    const s = process.stateAt[at[0]][at[1]];
    const place =
      view === "two"
        ? `State s${subscript(s + 1)}`
        : `Row ${at[0] + 1}, column ${at[1] + 1} (${KINDS[rows[at[0]][at[1]]]})`;
    if (s < 0) return [line(`${place}: no state.`)];
    const n = process.actions;
    const taken = (i) => (actions === "new" ? (1 - share) * pi[i] + share * piNew[i] : pi[i]);
    const who = actions === "new" ? "π_α" : "π";
    const names = view === "two" ? ["a₁", "a₂"] : ARROWS;
    const lines = Array.from({ length: n }, (_, a) => {
      const i = n * s + a;
      return line(
        `${names[a]}: A_π = ${scientific(advantage[i])}, taken by π with ${format(pi[i])}, by π′ with ${format(piNew[i])}, by π_α with ${format((1 - share) * pi[i] + share * piNew[i])}`,
      );
    });
    const mean = difference.meanAdvantage(known, share, actions)[s];
    const weight = (weights === "new" ? now.rho : known.rho)[s];
    const products = Array.from({ length: n }, (_, a) => [taken(n * s + a), advantage[n * s + a]]).filter(
      ([p]) => p > 0,
    );
    const bracket = (x) => (x < 0 ? `(${scientific(x)})` : scientific(x));
    const written = products.map(([p, x]) => `${format(p)}·${bracket(x)}`).join(" + ");
    return [
      line(`${place}:`),
      ...lines,
      line(`Mean advantage under ${who}: ${written || "0"} = ${scientific(mean)}`),
      line(
        `Term: ρ(s) · mean advantage = ${scientific(weight)} · ${bracket(mean)} = ${scientific(terms[s])}${weight < 1e-12 ? "; with these weights nobody comes here" : ""}`,
        true,
      ),
    ];
  }

  const resting = common.later(400, (rows, say) => policyMap.describe(rows, say));
  // Which buttons fit the policies takes policy iteration: that waits until the problem is at rest.
  const matching = common.later(120, (known) => {
    known.best = optimal(known).join();
    known.greedy = improved(known).join();
    request();
  });
  let shownTitle;
  function draw(sizes, how) {
    const now = read();
    const { preset, view, weights, actions, band } = now;
    const isTwo = view === "two";
    const known = knownOf(now);
    const { process, rows } = known;
    const reach = reaches.find((most) => most >= Math.max(now.alpha, now.reach));
    known.curves[reach] ??= difference.differenceCurves(known, reach, SHARES);
    const curves = known.curves[reach];
    const at = difference.atShare(known, now.alpha);
    const terms = difference.termsOf(known, at, weights, actions).map((x) => (Math.abs(x) < 1e-12 ? 0 : x));
    const sum = terms.reduce((total, x) => total + x, 0);
    const weigh = weights === "new" ? at.rho : known.rho;
    const place = placeOf(rows, preset, isTwo ? [0, 0] : undefined);
    const names = isTwo ? [["s₁", "s₂"]] : null;
    const base = { rows, largest: isTwo ? 110 : 64, stateAt: process.stateAt, absorbing: process.absorbing, at: place };
    if (how.step) Object.assign(base, { largest: 140, still: true, at: null });
    const written = (values) => (how.step ? values.map((x, s) => (process.absorbing[s] || !x ? NaN : x)) : values);
    const [called, right] = meaning(now);
    if (sizes.terms)
      termsMap.draw(
        {
          ...base,
          look: numbersOf(rows, written(terms), byScale(terms, numerics.largest(terms)), names),
          says: `The terms by state; they sum to ${signed(sum)}: ${plain(called)}`,
        },
        sizes.terms,
      );
    const live = weigh.filter((_, s) => !process.absorbing[s]);
    const visits = how.step && !sizes.terms ? weigh.map(() => NaN) : written(weigh);
    if (sizes.policies)
      policyMap.draw(
        {
          ...base,
          look: numbersOf(rows, visits, byScale(visits, Math.max(...live), ["rl-true", "rl-true"]), names),
          says: how.step
            ? `Both policies on the map${sizes.terms ? `, and the visits of ${weights === "new" ? "πα" : "π"}` : ""}`
            : "",
          policies: isTwo
            ? []
            : [
                ["", known.pi],
                ["rl-of-other", known.piNew],
              ],
        },
        sizes.policies,
      );
    if (how.step) resting.end();
    else
      resting.ask(rows, ([i, j]) => {
        const s = process.stateAt[i][j];
        if (s < 0) return "";
        const way = (pi) => ARROWS.filter((_, a) => pi[4 * s + a] > 0.5).join("") || "all four";
        const arrows = isTwo || process.absorbing[s] ? "" : `π ${way(known.pi)}, π′ ${way(known.piNew)}, `;
        return `${arrows}weight ${scientific(weigh[s])}, term ${scientific(terms[s])}`;
      });

    chooseBand.show(band);
    chooseView.show(view);
    chooseReach.show(reach);
    chooseWeights.show(weights);
    chooseActions.show(actions);
    chooseExample.show(isTwo ? now.example : null);
    exampleNote.classList.toggle("rl-away", !isTwo);
    tell(exampleNote, inNumbers(examples[now.example]));
    player.show();
    alpha.show(now.alpha);
    for (const [name, control] of Object.entries(sliders)) control.show(now[name]);
    for (const [name, pair] of Object.entries(probabilities))
      for (const [s, control] of pair.entries()) control.show(now[name][s]);
    own.grid.classList.toggle("rl-away", isTwo);
    own.two.classList.toggle("rl-away", !isTwo);
    for (const node of policyKeys) node.hidden = isTwo;
    tools.classList.toggle("rl-away", isTwo);
    for (const control of chooseExample.node.children) control.disabled = !isTwo;
    if (!isTwo && known.best === undefined) matching.ask(known);
    else matching.end();
    if (!isTwo) {
      [now.policy, now.other].forEach((policy, n) => {
        const uniform = !policy.join("").replace(/\./g, "");
        const which = [
          uniform && "uniform",
          policy.join() === known.best && "optimal",
          policy.join() === known.greedy && "greedy",
        ];
        choosePolicy[n].show(...which.filter(Boolean));
      });
    }
    const title = `Terms: sum ${signed(sum)}${right ? " = η(π_α) − η(π)" : `, not ${signed(at.eta - known.start)}`}`;
    if (shownTitle !== title) panels.terms.title.replaceChildren(...lowered(title));
    shownTitle = title;
    panels.terms.node.classList.toggle("rl-astray", !right);
    const bare = how.step && !sizes.terms;
    tell(panels.policies.title, isTwo ? "Weights" : bare ? "Both policies" : "The policies, and the weights");
    tell(
      boundKey,
      band === "all" ? "L ± bounds: mean change (dots), mixture, largest change (long)" : "L ± the mixture bound",
    );
    boundKey.hidden = band === "none";
    weightsKey.hidden = bare;
    weightsKey.replaceChildren(...lowered(weights === "new" ? "numbers: ρ(s) of π_α" : "numbers: ρ(s) of π"));
    const shown = {
      start: known.start,
      eta: at.eta,
      surrogate: at.surrogate,
      truth: at.eta - known.start,
      sum,
      off: Math.abs(at.eta - at.surrogate),
      average: at.average,
      mixture: at.mixture,
      trust_region: at.trust_region,
    };
    for (const [name, { value }] of Object.entries(numbers.parts))
      tell(value, name === "truth" || name === "sum" ? signed(shown[name]) : scientific(shown[name]));
    if (!how.step) detail.replaceChildren(...explain(now, known, at, terms, place));

    const words = sentence(now, known, at, sum, how);
    if (sizes.curves) {
      const picture = drawCurves(curves, reach, { ...at, preset, band }, known, sizes.curves, how);
      label(picture, `Return, surrogate and bounds against α. ${plain(words)}`);
    }
    return {
      words,
      nodes: lowered(words),
      aloud: plain(words),
      data: {
        shows: view,
        alpha: now.alpha,
        weights,
        actions,
        band,
        ...shown,
        whole: difference.atShare(known, 1).eta - known.start,
        terms: terms.join(),
        rho: at.rho.join(),
        playing: player.running(),
      },
    };
  }

  const fit = (width) => {
    const [columns, column] = common.columnsIn(width);
    const size = [column, columns === 1 ? 220 : 250];
    for (const { holder } of [panels.terms, panels.policies]) holder.style.height = `${size[1]}px`;
    return { terms: size, policies: size, curves: [column, columns === 1 ? 240 : 270] };
  };
  const { curves, terms, policies } = panels;
  const { request, begin } = lesson(place, {
    view: "performance-difference",
    kind: "rl-two rl-difference",
    settings: Object.keys(read()),
    panels: { curves, terms, policies },
    controls: {
      view: top,
      alpha: alpha.node,
      reach: curvesRow,
      band: bandRow,
      weights: weightsTool,
      actions: actionsTool,
      draw: tools,
      numbers: panels.numbers.node,
      detail,
      settings: controls,
    },
    parts: [top, leading, ...Object.values(panels).map(({ node }) => node), detail, controls],
    linked: () => linkedMap(model, POLICIES, { always: ["alpha"] }),
    draw,
    fit,
    stop: player.stop,
    timers: [player, resting, matching],
  });
  return begin();
}
