// QProp: the advantages of one state and the line that a critic takes from them, the parabola of the gradient's
// variance in the weight κ, estimates that keep their mean or lose it, and the rules that choose κ.

import * as common from "../shared/common.js";
import { holding, makeBowl, makeHeaps, makeScatter, mean, rounded } from "../shared/control_pictures.js";
import { box, chips, format, keys, panel, row, table, tell } from "../shared/controls.js";
import { makeNormals } from "../shared/dice.js";
import { remember } from "../shared/grid_links.js";
import { lesson } from "../shared/lesson.js";
import * as numerics from "./numerics.js";

const BATCHES = 160; // as in rlbook/widgets/q_prop.py
const SHOWN = 400; // points of the scatter
const FEW = 8; // samples for whose estimates the scale is made that stays
const ACTIONS = [-4, 4]; // what is seen of a − μ
const RULES = {
  none: "none",
  full: "full",
  conservative: "conservative",
  aggressive: "aggressive",
  adaptive: "adaptive K/W",
  optimal: "gradient’s best",
};
const SINGLE = { conservative: "1{ÂĀ > 0}", aggressive: "sign(ÂĀ)" };
const SHORT = { ...RULES, adaptive: "adaptive", optimal: "best" }; // as ticks of κ

// What the numbers are ---------------------------------------------------------------------------------------------

function compute(now, single, samples, most) {
  const { q, weight, rule, n } = now;
  const estimates = (...how) => numerics.batchGradients(now, q, ...how, samples, most, n);
  const fixed = rule === "fixed";
  const { variance, bias } = fixed ? { variance: numerics.gradientVariance(now, q, weight), bias: 0 } : single[rule];
  return {
    fixed,
    truth: numerics.gradientMean(now),
    variance,
    bias,
    plain: numerics.gradientVariance(now, q, 0),
    full: numerics.gradientVariance(now, q, 1),
    floor: numerics.gradientFloor(now),
    noise: numerics.noiseFloor(now),
    moments: numerics.controlMoments(now, q),
    weights: numerics.ruleWeights(now, q),
    estimates: { plain: estimates(0, "fixed"), now: estimates(weight, rule) },
  };
}

// The rules as ticks of κ: those that choose the same share one.
function ticks({ q }, weights) {
  const groups = new Map();
  for (const [name, weight] of Object.entries(weights)) {
    if (q === 0 && weight === 0 && name !== "none") continue;
    const at = weight.toFixed(9);
    groups.set(at, [...(groups.get(at) ?? []), SHORT[name]]);
  }
  return [...groups].map(([at, names]) => [names.join(", "), Number(at), Number(at) ? "rl-baseline" : "rl-of-plain"]);
}

// Links ------------------------------------------------------------------------------------------------------------

export const { restore } = common;

// Words ------------------------------------------------------------------------------------------------------------

function sentence(now, { fixed, truth, variance, plain, floor, noise, moments: [K, W], weights, bias }) {
  const { weight, rule, q, c3, n, step } = now;
  const ratio = variance / plain;
  const share = ratio < 0.995 ? `${Math.round(100 * ratio)} % of` : ratio > 1.005 ? `${format(ratio)} times` : "about";
  const compared = weight === 0 ? "that of no control" : `${share} that of no control, ${format(plain)}`;
  const first = fixed
    ? `With κ = ${format(weight)} the variance of one ĝ is ${format(variance)}, ${compared}; the mean is c₁/σ = ${format(truth)}.`
    : `The rule ${SINGLE[rule]} looks at the sample, and so at the action: the mean is ${format(truth + bias)} instead of ${format(truth)}, a bias of ${rounded(bias)} that no number of samples takes away; the variance of one ĝ is ${format(variance)}.`;
  if (step && !fixed)
    return `The mean is ${format(truth + bias)} instead of ${format(truth)}; of ${common.count(n, "sample")} the standard deviation is ${format(Math.sqrt(variance / n))}.`;
  if (step)
    return now.offers("q")
      ? `The variance is ${format(variance)}, ${compared}.`
      : `With the critic’s slope q = ${format(q)} the variance is ${format(variance)}, ${compared}; the mean is ${format(truth)}.`;
  const second =
    q === 0
      ? "A critic of slope 0 is no control."
      : Math.abs(K) > W / 2
        ? `|K| = ${format(Math.abs(K))} is over W/2 = ${format(W / 2)}: with κ = ${K > 0 ? 1 : "−1"}, Â − κĀ varies less than Â.`
        : `|K| = ${format(Math.abs(K))} is not over W/2 = ${format(W / 2)}: neither with κ = 1 nor with −1 does Â − κĀ vary less than Â.`;
  const best =
    q === 0
      ? ""
      : c3 === 0
        ? ` Lowest at κ = K/W = ${format(weights.adaptive)}:`
        : ` Lowest at κ = ${format(weights.optimal)}, not at K/W = ${format(weights.adaptive)}:`;
  const part = floor - noise < 1e-9 ? "all of it τ²/σ²," : `of which ${format(noise)} is τ²/σ²,`;
  const third = q === 0 ? "" : `${best} ${format(floor)}, ${part} out of reach of every function of state and action.`;
  return `${first} ${second}${third}`;
}

// The view ---------------------------------------------------------------------------------------------------------

export const render = lesson((model, { set, read, request }) => {
  const edit = (settings) => set({ ...settings, ...("weight" in settings ? { rule: "fixed" } : {}) });
  const { moving, held } = holding(model, edit);
  const reach = common.limits(model, "weight");

  // Controls -------------------------------------------------------------------------------------------------------

  const labels = {
    weight: "κ, weight of the control",
    q: "q, slope of the critic",
    c1: "c₁, linear part of Â",
    c2: "c₂, quadratic part",
    c3: "c₃, cubic part",
    tau: "τ, noise after the action",
    sigma: "σ of the policy",
    n: "n, samples that an estimate averages",
  };
  const sliders = common.settingSliders(model, labels, edit);
  let chosen = ""; // the rule that the reader took last: others may give the same κ
  const chooseRule = chips("Weight by the state", RULES, (name) => {
    const now = read();
    chosen = name;
    request(); // its κ may be the one that there was
    set({ weight: numerics.ruleWeights(now, now.q)[name], rule: "fixed" });
  });
  const wholly = { fixed: "one κ for all", ...SINGLE };
  const chooseSingle = common.settingChips("rule", "Weight by the sample", wholly, set);
  const ruleRow = row("κ by the state: a rule of K and W", chooseRule);
  const singleRow = row("κ by each sample itself", chooseSingle);
  const diceRow = row("The dice", common.dice(model, "Other samples", "again"));
  const { weight, q, ...others } = sliders;
  const leading = box("rl-controls rl-leading", weight, q, ruleRow, singleRow);
  const controls = box("rl-controls", ...Object.values(others), diceRow);

  // Panels ---------------------------------------------------------------------------------------------------------

  const legend = keys(
    ["rl-heap rl-dots", "samples, estimates"],
    ["rl-exact", "exact: E[Â|a], the mean c₁/σ"],
    ["rl-control rl-heavy", "κĀ; what it leaves: bars are ±2 sd"],
    ["rl-control rl-dotted", "Ā = q(a − μ)"],
    ["rl-plain", "no control"],
    ["rl-bound", "lowest"],
    ["", "Drag both lines and the point on the parabola."],
  );
  legend.classList.add("rl-legend");
  const advantages = panel("What the critic takes from Â");
  const bowl = panel("The variance of ĝ");
  const estimatesPanel = panel("");
  const rulesPanel = panel("The rules");
  const singles = Object.fromEntries(Object.entries(SINGLE).map(([name, text]) => [`single-${name}`, text]));
  const { node: rules, cells, lines } = table(["κ", "variance", "bias"], { ...RULES, ...singles });
  rules.classList.add("rl-columns");
  rulesPanel.holder.replaceWith(rules);

  let offers = (/** @type {string} */ control) => Boolean(control); // which handles a step has
  const turnWeight = (slope) => {
    if (!offers("weight")) return moving("q")(slope);
    const q = model.get("q");
    if (Math.abs(q) > 1e-3) moving("weight")(slope / q);
  };
  const drawScatter = makeScatter(advantages.holder, {
    pieces: 60,
    x: { domain: ACTIONS, label: "a − μ" },
    y: { label: "advantage" },
    centre: [0, 0],
    lines: [
      { name: "Slope q of Ā", kind: "rl-control rl-dotted", look: "rl-handle-control", side: -1, ...held("q") },
      {
        name: "Weight κ of κĀ",
        kind: "rl-control rl-heavy",
        look: "rl-handle-control",
        side: 1,
        ...held("weight", () => (model.get("q") < 0 ? -1 : 1)),
        move: turnWeight,
      },
    ],
  });
  const drawBowl = makeBowl(bowl.holder, {
    x: { domain: reach, label: "κ, weight of the control" },
    y: { label: "Var ĝ" },
    flags: 5,
    rows: 4,
    point: { name: "κ", ...held("weight"), move: (x) => offers("weight") && moving("weight")(x) },
  });
  const drawHeaps = makeHeaps(estimatesPanel.holder, { label: "error of the estimate, ĝ − c₁/σ" });

  const [, most] = common.limits(model, "n");
  const samples = makeNormals(BATCHES * most);
  // The rules of single samples take a quadrature, which κ and the dice leave as it is.
  const singleOf = remember(["c1", "c2", "c3", "tau", "sigma", "q"], (now) => numerics.singleSamples(now, now.q));
  function draw(sizes, how) {
    const now = { ...read(), ...how };
    ({ offers } = how);
    const drawn = samples(now.seed);
    const { weight, q, rule, sigma, tau, c1, c2, c3, n } = now;
    const single = singleOf(now);
    const state = compute(now, single, drawn, most);
    const { fixed, truth, variance, plain, full, floor, noise, weights, bias, estimates } = state;
    const [z, eps] = drawn;

    const spread = Math.sqrt(c1 * c1 + 2 * c2 * c2 + 6 * c3 * c3 + tau * tau);
    const rise = numerics.nextLevel(2.4 * spread);
    const control = { fixed: weight * q, conservative: [q, 0], aggressive: [q, -q] }[rule];
    drawScatter(sizes.advantages, {
      points: z.slice(0, SHOWN).map((x, i) => [sigma * x, numerics.advantageMean(now, x) + tau * eps[i]]),
      curve: (x) => numerics.advantageMean(now, x / sigma),
      domain: [-rise, rise],
      slopes: [q, offers("weight") ? control : [control].flat()],
      reach: Math.min(2 * sigma, 3.5),
      texts: [
        [q, `q = ${format(q)}`],
        [weight, `κ = ${format(weight)}`],
      ],
      label: `Advantages of ${SHOWN} sampled actions around their exact mean, the critic’s line of slope q = ${format(q)}, and what is taken off, ${fixed ? `a line of slope κq = ${format(weight * q)}` : "a line that each sample chooses"}.`,
    });
    const best = q === 0 ? NaN : weights.optimal;
    drawBowl(sizes.bowl, {
      variance: (kappa) => numerics.gradientVariance(now, q, kappa),
      at: fixed ? weight : NaN,
      value: variance,
      marks: ticks(now, weights),
      valued: !how.step,
      still: !offers("weight"),
      floor: q === 0 ? plain : floor,
      floorName: how.step ? "lowest" : `lowest: ${format(q === 0 ? plain : floor)}`,
      plain,
      lowest: [Number.isFinite(best) ? best : 0, floor],
      band: { name: how.step ? "τ²/σ²" : `τ²/σ² = ${format(noise)}`, at: noise },
      top: numerics.nextLevel(1.1 * Math.max(plain, full)),
      text: `κ = ${format(weight)}, variance ${format(variance)}`,
      label: `The variance of ĝ against κ: ${format(plain)} at 0, ${format(full)} at 1, lowest ${format(floor)}; ${format(noise)} of it is τ²/σ².`,
    });
    // Where n is dragged the scale stays, or the arrow would seem to grow as the pile shrinks.
    const scaled = how.step && offers("n") ? FEW : n;
    const half = numerics.nextLevel(2.7 * Math.sqrt(Math.max(plain, full) / scaled));
    const sd = { plain: Math.sqrt(plain / n), now: Math.sqrt(variance / n) };
    const off = (values) => values.map((x) => x - truth);
    const name = fixed ? `κ = ${format(weight)}` : `κ = ${SINGLE[rule]}`;
    drawHeaps(sizes.estimates, {
      domain: [-half, half],
      truth: 0,
      rows: [
        { name: "no control", values: off(estimates.plain), bias: 0, sd: sd.plain, kind: "rl-plain" },
        { name, values: off(estimates.now), bias, sd: sd.now, kind: bias ? "rl-plain" : "rl-control" },
      ],
      label: `${BATCHES} means of ${n} ĝ around c₁/σ = ${format(truth)}: without control their standard deviation is ${format(sd.plain)}; with ${name} ${fixed ? `it is ${format(sd.now)}, and the mean is the same` : `the mean is off by ${rounded(bias)}`}.`,
    });

    tell(estimatesPanel.title, n === 1 ? "Single ĝ and their exact mean" : `Means of ${n} ĝ and their exact mean`);
    common.showAll({ rule: chooseSingle, ...sliders }, now);
    const same = Object.keys(RULES).filter((one) => Math.abs(weights[one] - weight) < 1e-9);
    if (!same.includes(chosen)) chosen = same[0] ?? "";
    chooseRule.show(fixed ? chosen : "");
    for (const chip of chooseRule.node.children) {
      const kappa = weights[chip.dataset.value];
      chip.disabled = kappa < reach[0] || kappa > reach[1];
    }
    const fill = (name, chosen, ...texts) => {
      for (const [i, text] of texts.entries()) tell(cells[name][i], text);
      lines[name].classList.toggle("rl-now", chosen);
    };
    for (const [one, kappa] of Object.entries(weights))
      fill(one, fixed && same.includes(one), format(kappa), format(numerics.gradientVariance(now, q, kappa)), "0");
    for (const [one, found] of Object.entries(single)) {
      const kappa = one === "conservative" ? "0 or 1" : "±1";
      fill(`single-${one}`, rule === one, kappa, format(found.variance), rounded(found.bias));
    }

    const data = {
      rule,
      variance,
      mean: truth + bias,
      bias,
      floor,
      noise,
      weights: Object.values(weights).join(),
      single: [single.conservative.bias, single.aggressive.bias].join(),
      means: [mean(estimates.plain), mean(estimates.now)].join(),
      harm: (2 * (c1 + 3 * c3)) / sigma, // the slope with which κ = 1 leaves as much variance as none
    };
    return { words: sentence(now, state), data };
  }

  return {
    kind: "rl-two rl-qprop",
    view: "q-prop",
    panels: { advantages, bowl, estimates: estimatesPanel },
    controls: { ...sliders, rules: ruleRow, single: singleRow, again: diceRow },
    parts: [legend, advantages, bowl, leading, estimatesPanel, rulesPanel, controls],
    linked: () => common.linked(model),
    draw,
    fit: common.fitting({ advantages: [280, 310], bowl: [280, 310], estimates: [220, 250] }),
  };
});
