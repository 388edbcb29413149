// PerformanceDifference: from π to π′, the truth, the surrogate and the bounds, and the terms of the difference by state.
import * as cells from "../shared/cells.js";
import * as common from "../shared/common.js";
import {
  box,
  chips,
  element,
  format,
  key,
  label,
  later,
  line,
  raised,
  readout,
  row,
  scientific,
  stack,
  subscript,
  tell,
} from "../shared/controls.js";
import { linkedMap, MAP, PROBLEM_LABELS, remember, restoreMap } from "../shared/grid_links.js";
import * as numerics from "../shared/grid_numerics.js";
import { lesson } from "../shared/lesson.js";
import { startDistribution, startsOf, total } from "../shared/measures.js";
import * as difference from "./numerics.js";
import { BOUNDS, makeCurves } from "./pictures.js";

const PROBLEM = ["view", ...MAP, "policy", "other", "example", "first", "second"]; // all that is known before α
const POLICIES = { policy: "pi", other: "pi2" }; // and their names in links
const SHARES = 40; // points of each curve

// Links ------------------------------------------------------------------------------------------------------------

export const restore = (model, asked) => restoreMap(model, asked, POLICIES);

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

// What controls.js raises, in a place for plain text only.
const plain = (text) => text.replaceAll("π_α", "πα");

// The view ---------------------------------------------------------------------------------------------------------

export const render = lesson((model, { set, read, request }) => {
  const examples = model.get("_examples");

  const knownOf = remember(PROBLEM, (now) => {
    if (now.view === "two") {
      const { rho0, ...problem } = examples[now.example];
      const process = { ...numerics.makePlane(problem, now.gamma), stateAt: [[0, 1]] };
      const [pi, piNew] = [now.first, now.second].map((taken) => taken.flatMap((p) => [1 - p, p]));
      return { ...difference.makeDifference(process, rho0, pi, piNew), rows: [".."], curves: {} };
    }
    const process = numerics.makeGrid(now);
    const rho0 = startDistribution(process, startsOf(process, now.rows));
    const [pi, piNew] = [now.policy, now.other].map((policy) => numerics.readPolicy(process, policy));
    return { ...difference.makeDifference(process, rho0, pi, piNew), rows: now.rows, curves: {} };
  });
  const optimal = ({ process }) => numerics.writeGreedy(process, numerics.fixedPoint(process, { kind: "optimal" }).Q);
  const improved = ({ process, V }) => numerics.writeGreedy(process, numerics.lookahead(process, V));

  // Time -----------------------------------------------------------------------------------------------------------

  const player = common.player(
    () => {
      const alpha = model.get("alpha");
      if (alpha >= 1) return undefined;
      set({ alpha: common.fit(model, "alpha", alpha + (common.motion.matches ? 0.25 : 0.01), 3) });
      return common.motion.matches ? 900 : 50;
    },
    request,
    () => {
      if (model.get("alpha") >= 1) set({ alpha: 0 });
    },
  );
  const change = player.halting(set);

  // Controls -------------------------------------------------------------------------------------------------------

  const reaches = common.choices(model, "reach");
  const ofReach = reaches.map((reach) => [reach, `to ${reach}`]);
  const takeReach = (reach) => change(reach < model.get("alpha") ? { reach, alpha: reach } : { reach });
  const inSpan = (text) => element("span", {}, ...raised(text));
  const ofWeights = { new: inSpan("ρ of π_α"), old: "ρ of π" };
  const ofActions = { new: inSpan("those of π_α"), old: "those of π" };
  const ofBand = { none: "no bounds", mixture: "a band", all: "all three" };
  const choose = {
    view: common.settingChips("view", "View", { grid: "Map", two: "Two states" }, change),
    reach: chips("How far the curves are drawn", ofReach, takeReach),
    band: common.settingChips("band", "Bounds", ofBand, set),
    weights: common.settingChips("weights", "Weights", ofWeights, change),
    actions: common.settingChips("actions", "Actions", ofActions, change),
    example: common.settingChips("example", "Example", Object.keys(examples), change),
  };
  let drawing = "other"; // which policy is painted
  const choosePainted = chips("Which policy is drawn", { policy: "π", other: "π′" }, (name) => {
    drawing = name;
    choosePainted.show(name);
  });
  choosePainted.show(drawing);
  const chooseBrush = cells.brushChips("Draw it", (brush) => policyMap.choose(brush));
  const policyChips = (text, name, more = {}) =>
    chips(text, { uniform: "uniform", optimal: "optimal", ...more }, (choice) => {
      const known = knownOf(read());
      change({ [name]: choice === "uniform" ? [] : choice === "optimal" ? optimal(known) : improved(known) });
    });
  const choosePolicy = {
    policy: policyChips("Policy π", "policy"),
    other: policyChips("Policy π′", "other", { greedy: "greedy for Q of π" }),
  };
  const labels = {
    alpha: "α, how far from π to π′",
    ...PROBLEM_LABELS,
    first: ["π(a₂|s₁)", "π(a₂|s₂)"],
    second: ["π′(a₂|s₁)", "π′(a₂|s₂)"],
  };
  const sliders = common.settingSliders(model, labels, change);
  const exampleNote = element("span", { class: "rl-name" });
  const curvesRow = row("Curves", box("rl-chips", choose.reach, player));
  const bandRow = row("Bounds", choose.band);
  const leading = box("rl-controls rl-leading", sliders.alpha, curvesRow, bandRow);
  const policies = [row("Policy π", choosePolicy.policy), row("Policy π′", choosePolicy.other)];
  const own = stack("", {
    grid: box("rl-controls", sliders.slip, sliders.step_reward, ...policies),
    two: box("rl-controls", ...sliders.first, ...sliders.second),
  });
  const exampleRow = row("Two states: example", choose.example, exampleNote);
  const controls = box("rl-settings", box("rl-controls", sliders.gamma, exampleRow), own);

  // Panels ---------------------------------------------------------------------------------------------------------

  const boundKeys = {
    average: key("rl-bound rl-dotted", "L ± mean change"),
    mixture: key("rl-bound", "L ± mixture bound"),
    trust_region: key("rl-bound rl-long", "L ± largest change"),
  };
  const weightsTool = cells.noteSwitch("weights", choose.weights);
  const actionsTool = cells.noteSwitch("actions", choose.actions);
  const tools = cells.noteSwitch("draw", choosePainted, chooseBrush);
  const policyKeys = [key("rl-arrow", "π"), key("rl-arrow rl-of-other", "π′")];
  const weightsKey = key("", "");
  const panels = cells.notedPanels({
    curves: {
      title: "Return on the way from π to π′",
      notes: [
        key("rl-exact rl-heavy", ...raised("η(π_α), exact")),
        key("rl-sharp", "surrogate L"),
        ...Object.values(boundKeys),
      ],
    },
    terms: { map: true, notes: [weightsTool, actionsTool] },
    policies: { map: true, notes: [...policyKeys, weightsKey, tools] },
    numbers: { title: "In numbers" },
  });
  const numbers = readout({
    start: ["rl-exact", "η(π)"],
    eta: ["rl-exact rl-heavy", ...raised("η(π_α)")],
    surrogate: ["rl-sharp", ...raised("L(π_α)")],
    truth: ["", ...raised("η(π_α) − η(π)")],
    sum: ["", "sum of the terms shown"],
    off: ["rl-plain", "|η − L|"],
    average: ["rl-bound rl-dotted", "mean change, E TV"],
    mixture: ["rl-bound", "mixture bound"],
    trust_region: ["rl-bound rl-long", "largest change, max TV²"],
  });
  panels.numbers.holder.replaceWith(numbers.node);
  const detail = box("rl-equation");
  const top = box("rl-views", choose.view);
  const { point, at: placeOf } = cells.pointing(request);
  const drawCurves = makeCurves(panels.curves.holder, (share) => change({ alpha: share }));
  const termsMap = cells.makeCells(panels.terms.holder, { label: "The terms", point });
  const policyMap = cells.makeCells(panels.policies.holder, {
    label: "Both policies: arrow keys move; u, r, d, l and . draw the chosen one",
    point,
    rise: 0.46,
    paint(brush, at) {
      const now = read();
      const next = now.view === "grid" && cells.painted(now.rows, now[drawing], brush, at);
      if (next) change({ [drawing]: next });
      return brush;
    },
  });

  // The pointed cell's term with its numbers.
  function explain({ view, rows, alpha: share, weights, actions }, known, now, terms, at) {
    const { process, advantage, pi, piNew } = known;
    const s = process.stateAt[at[0]][at[1]];
    const place = view === "two" ? `State s${subscript(s + 1)}` : cells.placeOf(rows, at);
    if (s < 0) return [line(`${place}: no state.`)];
    const mixed = (i) => (1 - share) * pi[i] + share * piNew[i];
    const [who, taken] = actions === "new" ? ["π_α", mixed] : ["π", (i) => pi[i]];
    const names = view === "two" ? ["a₁", "a₂"] : cells.ARROWS;
    const pairs = names.map((_, a) => names.length * s + a);
    const lines = pairs.map((i, a) =>
      line(
        `${names[a]}: advantage ${scientific(advantage[i])}, taken by π with ${format(pi[i])}, by π′ with ${format(piNew[i])}, by π_α with ${format(mixed(i))}`,
      ),
    );
    const mean = difference.meanAdvantage(known, share, actions)[s];
    const weight = (weights === "new" ? now.rho : known.rho)[s];
    const bracket = (x) => (x < 0 ? `(${scientific(x)})` : scientific(x));
    const products = pairs.filter((i) => taken(i) > 0).map((i) => `${format(taken(i))}·${bracket(advantage[i])}`);
    return [
      line(`${place}:`),
      ...lines,
      line(`Mean advantage under ${who}: ${products.join(" + ") || "0"} = ${scientific(mean)}`),
      line(
        `Term: ρ(s) · mean advantage = ${scientific(weight)} · ${bracket(mean)} = ${scientific(terms[s])}${weight < 1e-12 ? "; with these weights nobody comes here" : ""}`,
        true,
      ),
    ];
  }

  // Which buttons fit the policies takes policy iteration: that waits until the problem is at rest.
  const matching = later(120, (known) => {
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
    const { process, rows, start } = known;
    const reach = reaches.find((most) => most >= Math.max(now.alpha, now.reach));
    known.curves[reach] ??= difference.differenceCurves(known, reach, SHARES);
    const curves = known.curves[reach];
    const at = difference.atShare(known, now.alpha);
    const { eta, surrogate, average, mixture, trust_region } = at;
    const terms = difference.termsOf(known, at, weights, actions).map((x) => (Math.abs(x) < 1e-12 ? 0 : x));
    const sum = total(terms);
    const truth = eta - start;
    const weigh = weights === "new" ? at.rho : known.rho;
    const place = placeOf(rows, preset);
    const names = isTwo ? [["s₁", "s₂"]] : null;
    const base = { rows, largest: isTwo ? 110 : 64, stateAt: process.stateAt, absorbing: process.absorbing, at: place };
    if (how.step) Object.assign(base, { largest: 140, still: true, at: null });
    const written = (values) => (how.step ? values.map((x, s) => (process.absorbing[s] || !x ? NaN : x)) : values);
    const [called, right] = meaning(now);
    if (sizes.terms)
      termsMap.draw(
        {
          ...base,
          look: cells.numbersOf(rows, written(terms), cells.byScale(terms, numerics.largest(terms)), names),
          says: `The terms by state; they sum to ${signed(sum)}: ${plain(called)}`,
        },
        sizes.terms,
      );
    const tells = (s) => {
      const ways = () => `π ${cells.wayOf(known.pi, s)}, π′ ${cells.wayOf(known.piNew, s)}, `;
      return `${isTwo || process.absorbing[s] ? "" : ways()}weight ${scientific(weigh[s])}, term ${scientific(terms[s])}`;
    };
    const live = weigh.filter((_, s) => !process.absorbing[s]);
    const visits = how.step && !sizes.terms ? weigh.map(() => NaN) : written(weigh);
    if (sizes.policies)
      policyMap.draw(
        {
          ...base,
          look: cells.numbersOf(rows, visits, cells.byScale(visits, Math.max(...live), ["rl-true", "rl-true"]), names),
          says: how.step
            ? `Both policies on the map${sizes.terms ? `, and the visits of ${weights === "new" ? "πα" : "π"}` : ""}`
            : "",
          policies: isTwo
            ? []
            : [
                ["", known.pi],
                ["rl-of-other", known.piNew],
              ],
          tells,
        },
        sizes.policies,
      );

    common.showAll({ ...choose, ...sliders }, { ...now, reach, example: isTwo ? now.example : null });
    exampleNote.classList.toggle("rl-away", !isTwo);
    tell(exampleNote, inNumbers(examples[now.example]));
    player.show();
    own.show(view);
    for (const node of policyKeys) node.hidden = isTwo;
    tools.classList.toggle("rl-away", isTwo);
    for (const control of choose.example.node.children) control.disabled = !isTwo;
    if (!isTwo && known.best === undefined) matching.ask(known);
    else matching.end();
    if (!isTwo) {
      for (const [name, choices] of Object.entries(choosePolicy)) {
        const policy = now[name].join();
        choices.show(
          cells.isUniform(now[name]) && "uniform",
          policy === known.best && "optimal",
          policy === known.greedy && "greedy",
        );
      }
    }
    const title = `Terms: sum ${signed(sum)}${right ? " = η(π_α) − η(π)" : `, not ${signed(truth)}`}`;
    if (shownTitle !== title) panels.terms.title.replaceChildren(...raised(title));
    shownTitle = title;
    panels.terms.node.classList.toggle("rl-astray", !right);
    const bare = how.step && !sizes.terms;
    tell(panels.policies.title, isTwo ? "Weights" : bare ? "Both policies" : "The policies, and the weights");
    for (const [name, one] of Object.entries(boundKeys)) one.hidden = !BOUNDS[band].includes(name);
    weightsKey.hidden = bare;
    weightsKey.replaceChildren(...raised(weights === "new" ? "numbers: ρ(s) of π_α" : "numbers: ρ(s) of π"));
    const shown = { start, eta, surrogate, truth, sum, off: Math.abs(eta - surrogate), average, mixture, trust_region };
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
      nodes: raised(words),
      aloud: plain(words),
      data: {
        shows: view,
        alpha: now.alpha,
        weights,
        actions,
        band,
        ...shown,
        whole: difference.atShare(known, 1).eta - start,
        terms: terms.join(),
        rho: at.rho.join(),
        playing: player.running(),
      },
    };
  }

  const { numbers: numbersPanel, ...pictures } = panels;
  return {
    view: "performance-difference",
    kind: "rl-two rl-difference",
    panels: pictures,
    controls: {
      view: top,
      alpha: sliders.alpha,
      reach: curvesRow,
      band: bandRow,
      weights: weightsTool,
      actions: actionsTool,
      draw: tools,
      numbers: numbersPanel,
      detail,
      settings: controls,
    },
    parts: [top, leading, ...Object.values(panels), detail, controls],
    linked: () => linkedMap(model, POLICIES, { always: ["alpha"] }),
    draw,
    fit: common.fitting({ terms: [220, 250], policies: [220, 250], curves: [240, 270] }),
    stop: player.stop,
    timers: [player, policyMap, matching],
  };
});
