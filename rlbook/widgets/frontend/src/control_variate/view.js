// ControlVariate: samples of f and g, the bowl of Var(f + cg), estimates with c fixed, fitted and cross-fitted, and how
// their bias and spread fall with n.

import * as common from "../shared/common.js";
import { makeBowl, makeGrowth, makeHeaps, makeScatter } from "../shared/control_pictures.js";
import { element, format, keys, panel, row } from "../shared/controls.js";
import { makeNormals } from "../shared/dice.js";
import * as numerics from "./numerics.js";

const BATCHES = 160; // as in rlbook/widgets/control_variate.py
const KINDS = ["plain", "fixed", "same", "crossed"];
const SHOWN = 400; // points of the scatter
const RISE = 3; // the height of the bowl's frame

// What the numbers are ---------------------------------------------------------------------------------------------

function compute(now, [g, u], most) {
  const { corr, c, n } = now;
  const f = numerics.pairValues(now, g, u);
  const variances = numerics.estimateVariance(now, n, c);
  return {
    f,
    g,
    variance: numerics.controlledVariance(corr, c),
    best: numerics.bestCoefficient(corr),
    floor: numerics.varianceFloor(corr),
    estimates: numerics.batchEstimates(f, g, most, n, c),
    bias: numerics.estimateBias(now, n),
    sd: Object.fromEntries(KINDS.map((kind) => [kind, Math.sqrt(variances[kind])])),
  };
}

// Links ------------------------------------------------------------------------------------------------------------

export const { restore } = common;

// Words ------------------------------------------------------------------------------------------------------------

const rounded = (x) => format(Number(x.toPrecision(2)));

function sentence({ c, corr, bend, n }, { variance, best, floor, bias, sd }) {
  const compared =
    c === 0
      ? "that of f alone"
      : variance < 1e-9
        ? "nothing is left"
        : variance < 1.005
          ? `${Math.round(100 * variance)} % of that of f alone`
          : `${format(variance)} times that of f alone`;
  const first = `With c = ${format(c)} the variance of f + cg is ${format(variance)}, ${compared}; the mean stays at 1.`;
  const second =
    Math.abs(c - best) < 0.005
      ? ` That is the bottom: 1 − ρ² = ${format(floor)}.`
      : ` At the bottom, c* = −ρ = ${format(best)}, it would be 1 − ρ² = ${format(floor)}.`;
  const fitted =
    bias.same === 0
      ? `Fitted on the same ${n} samples, c leaves no bias here, for f is ${bend === 0 && corr * corr < 1 ? "a line in g and independent noise" : "a line in g"}; the standard deviation is ${format(sd.same)}`
      : `Fitted on the same ${n} samples, c moves the mean by ${rounded(bias.same)}, ${Math.round((100 * -bias.same) / sd.same)} % of the standard deviation, ${format(sd.same)}`;
  return `${first}${second} ${fitted}. Fitted on the other half it never moves the mean, and has ${format(sd.crossed)}; f alone has ${format(sd.plain)}.`;
}

// The view ---------------------------------------------------------------------------------------------------------

/** @param {common.Place} place */
export function render({ model, el, link }) {
  const set = (settings) => common.write(model, settings);
  const put = (name) => (x) => set({ [name]: common.fit(model, name, x, 3) });
  const nudge =
    (name, sign = 1) =>
    (steps) =>
      put(name)(model.get(name) + 0.05 * sign * steps);
  const reach = (name) => common.limits(model, name);

  // Controls -------------------------------------------------------------------------------------------------------

  const presetRow = common.presetRow(model);
  const sliders = common.settingSliders(model, {
    c: "c, coefficient of the control",
    corr: "ρ, correlation of f and g",
    bend: "β, bend of f in g",
    n: "n, samples in a batch",
  });
  const again = common.dice(model, "Other samples", "again");
  const toBest = common.button("best", "Set c to c*", () => set({ c: numerics.bestCoefficient(model.get("corr")) }));
  const leading = element("div", { class: "rl-controls rl-leading" }, sliders.c.node, sliders.corr.node);
  const controls = element(
    "div",
    { class: "rl-controls" },
    sliders.n.node,
    sliders.bend.node,
    row("The bottom of the bowl", toBest),
    row("The dice", again),
  );

  // Panels ---------------------------------------------------------------------------------------------------------

  const notes = common.makeNotes(model);
  const legend = keys(
    ["rl-key-sample", "samples, estimates"],
    ["rl-key-exact", "exact: E[f|g], the mean 1"],
    ["rl-key-exact rl-key-dashes", "the best line, of slope ρ"],
    ["rl-key-control", "1 − cg; what it leaves: bars are 2 sd"],
    ["rl-key-plain", "f alone"],
    ["rl-key-bound", "1 − ρ²"],
    ["", "Drag both lines, the point, and n."],
  );
  legend.classList.add("rl-legend");
  const panels = [
    "Samples and the line 1 − cg",
    "The variance of f + cg",
    "Estimates of E f from n samples",
    "As n grows",
  ].map((title) => panel(title));
  const holders = panels.map(({ holder }) => holder);
  const nodes = panels.map(({ node }) => node);
  const { node: foot, announce, say } = common.foot(link, () => common.linked(model));
  const root = common.stage(el, {
    kind: "rl-two rl-variate",
    view: "control-variate",
    parts: [presetRow.node, notes.node, legend, ...nodes.slice(0, 2), leading, ...nodes.slice(2), controls, foot],
    announce,
  });

  const drawScatter = makeScatter(holders[0], {
    x: { domain: [-3, 3], label: "g, the control" },
    y: { label: "f" },
    centre: [0, 1],
    lines: [
      {
        name: "The line 1 − cg",
        kind: "rl-control rl-heavy",
        look: "rl-handle-control",
        side: 1,
        limits: reach("c"),
        turn: (slope) => put("c")(-slope),
        nudge: nudge("c", -1),
      },
      {
        name: "The best line, of slope ρ",
        kind: "rl-exact rl-dashed",
        look: "",
        side: -1,
        limits: reach("corr"),
        turn: put("corr"),
        nudge: nudge("corr"),
      },
    ],
  });
  const drawBowl = makeBowl(holders[1], {
    x: { domain: reach("c"), label: "c, coefficient of the control" },
    y: { label: "Var(f + cg)" },
    flags: 2,
    point: { name: "c", limits: reach("c"), move: put("c"), nudge: nudge("c") },
  });
  const drawHeaps = makeHeaps(holders[2], { label: "estimate of E f", count: 4 });
  const drawGrowth = makeGrowth(holders[3], {
    x: { domain: reach("n"), ticks: [8, 16, 32, 64], label: "n, samples in a batch" },
    y: { domain: [0.008, 1.2], ticks: [0.01, 0.03, 0.1, 0.3, 1], label: "standard deviation, bias" },
    names: [
      ["f alone", "rl-plain", "rl-plain", "rl-spot-plain"],
      ["c as set", "rl-control rl-heavy", "rl-baseline", "rl-spot-control"],
      ["same samples", "rl-control rl-dashed", "rl-baseline", "rl-spot-control"],
      ["cross-fitted", "rl-control rl-dotted", "rl-baseline", "rl-spot-control"],
      ["−bias, same", "rl-exact rl-heavy", "", "rl-spot-exact"],
    ],
    seek: put("n"),
  });

  const [, most] = reach("n");
  const samples = makeNormals(BATCHES * most);
  function draw(sizes) {
    const now = common.read(model);
    const state = compute(now, samples(now.seed), most);
    const { preset, c, corr, n } = now;
    const { f, g, variance, best, floor, bias, sd, estimates } = state;
    drawScatter(
      {
        points: g.slice(0, SHOWN).map((x, i) => [x, f[i]]),
        curve: Array.from({ length: 41 }, (_, i) => -3 + (6 * i) / 40).map((x) => [x, numerics.pairMean(now, x)]),
        domain: [-2.5, 4.5],
        slopes: [-c, corr],
        reach: 2.2,
        texts: [
          [c, `c = ${format(c)}`],
          [corr, `ρ = ${format(corr)}`],
        ],
        label: `${SHOWN} samples of g and f with the correlation ${format(corr)}, and through their mean the line 1 − cg with c = ${format(c)}.`,
      },
      sizes.high,
    );
    drawBowl(
      {
        variance: (x) => numerics.controlledVariance(corr, x),
        at: c,
        value: variance,
        marks: [
          ["f alone", 0, "rl-of-plain"],
          [`c* = ${format(best)}`, best, "rl-baseline"],
        ],
        floor,
        floorName: `1 − ρ² = ${format(floor)}`,
        plain: 1,
        top: RISE,
        lowest: [best, floor],
        text: `c = ${format(c)}, variance ${format(variance)}`,
        label: `The variance of f + cg against c: ${format(variance)} at c = ${format(c)}, least at c* = ${format(best)} with ${format(floor)}.`,
      },
      sizes.high,
    );
    const names = ["f alone", `c = ${format(c)}`, "c from the same samples", "c from the other half"];
    const looks = ["rl-plain", "rl-control", "rl-control rl-dashed", "rl-control rl-dotted"];
    drawHeaps(
      {
        domain: [0, 2],
        truth: 1,
        rows: KINDS.map((kind, i) => ({
          name: `${names[i]}: sd ${format(sd[kind])}${bias[kind] ? `, bias ${rounded(bias[kind])}` : ""}`,
          values: estimates[kind],
          mean: 1 + bias[kind],
          sd: sd[kind],
          kind: `${looks[i]} rl-bar`,
        })),
        label: `${BATCHES} estimates of E f = 1 from ${n} samples each. ${KINDS.map((kind, i) => `${names[i]}: standard deviation ${format(sd[kind])}, bias ${rounded(bias[kind])}`).join("; ")}.`,
      },
      sizes.heaps,
    );
    const sdOf = (kind) => (m) => Math.sqrt(numerics.estimateVariance(now, m, c)[kind]);
    drawGrowth(
      {
        at: n,
        curves: [...KINDS.map(sdOf), (m) => -numerics.estimateBias(now, m).same],
        label: `Standard deviations against n, falling as one over its root, and the bias of fitting on the same samples, falling as 1/n: ${rounded(bias.same)} at n = ${n}.`,
      },
      sizes.growth,
    );

    presetRow.show(preset);
    notes.show(preset);
    for (const [name, control] of Object.entries(sliders)) control.show(now[name]);
    toBest.disabled = c === best;

    say(sentence(now, state));
    const four = (values) => KINDS.map((kind) => values[kind]).join();
    const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;
    Object.assign(root.dataset, {
      preset,
      variance,
      best,
      floor,
      bias: four(bias),
      sd: four(sd),
      means: KINDS.map((kind) => mean(estimates[kind])).join(),
    });
  }

  const fit = (width) => {
    const [columns, column] = common.columnsIn(width);
    const one = columns === 1;
    return { high: [column, one ? 270 : 300], heaps: [column, 300], growth: [column, one ? 240 : 300] };
  };
  return common.follow(model, root, { fit, draw, timers: [announce] }).begin();
}
