// ControlVariate: samples of f and g, the bowl of Var(f + cg), estimates with c fixed, fitted and cross-fitted, and how
// their bias and spread fall with n.

import * as common from "../shared/common.js";
import { holding, makeBowl, makeGrowth, makeHeaps, makeScatter, mean, rounded } from "../shared/control_pictures.js";
import { box, format, keys, mapped, panel, row, tell } from "../shared/controls.js";
import { makeNormals } from "../shared/dice.js";
import { lesson } from "../shared/lesson.js";
import * as numerics from "./numerics.js";

const BATCHES = 160; // as in rlbook/widgets/control_variate.py
const KINDS = ["plain", "fixed", "same", "crossed"];
const SHOWN = { all: 400, step: 120 }; // points of the scatter
const RISE = 3; // the height of the bowl's frame

// What the numbers are ---------------------------------------------------------------------------------------------

function compute(now, [g, u], most) {
  const { corr, c, n, mean_g, control } = now;
  const left = control === "raw" ? mean_g : 0; // of E g
  const f = numerics.pairValues(now, g, u);
  const variances = numerics.estimateVariance(now, n, c);
  return {
    f,
    g,
    variance: numerics.controlledVariance(corr, c),
    best: numerics.bestCoefficient(corr),
    floor: numerics.varianceFloor(corr),
    estimates: numerics.batchEstimates(f, g, most, n, c, left),
    bias: numerics.estimateBias(now, n, c, left),
    sd: mapped(variances, Math.sqrt),
  };
}

// Links ------------------------------------------------------------------------------------------------------------

export const { restore } = common;

// Words ------------------------------------------------------------------------------------------------------------

function sentence({ c, corr, bend, n, mean_g, control, step, shown }, { variance, best, floor, bias, sd }) {
  const compared =
    c === 0
      ? "that of f alone"
      : variance < 1e-9
        ? "nothing is left"
        : variance < 1.005
          ? `${Math.round(100 * variance)} % of that of f alone`
          : `${format(variance)} times that of f alone`;
  const mean = bias.fixed ? `the mean moves to ${format(1 + bias.fixed)}, by c·E g` : "the mean is 1";
  const sum = mean_g && control === "centred" ? "f + c(g − E g)" : "f + cg";
  const first = `With c = ${format(c)} the variance of ${sum} is ${format(variance)}, ${compared}; ${mean}.`;
  if (step && shown.includes("same"))
    return `At n = ${n} and ρ = ${format(corr)} the bias is ${rounded(bias.same)}, the standard deviation ${format(sd.same)}; fitted on the other half there is no bias.`;
  if (step && shown.length) return `The variance of ${sum} is ${format(variance)}; ${mean}.`;
  if (step)
    return `The threads’ variance, of f + cg, is ${format(variance)}; on the best line, of slope ρ = ${format(corr)}, it is ${format(floor)}.`;
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

// Which estimates a step shows: where c is set, or, in the last, where it is fitted; with everything, all.
const rowsOf = ({ estimates, growth }, step) =>
  !estimates ? [] : growth ? KINDS : step === 4 ? KINDS.slice(2) : KINDS.slice(0, 2);

// The view ---------------------------------------------------------------------------------------------------------

export const render = lesson((model, { set, read }) => {
  const { moving, held } = holding(model, set);
  const reach = (name) => common.limits(model, name);

  // Controls -------------------------------------------------------------------------------------------------------

  const sliders = common.settingSliders(model, {
    c: "c, coefficient of the control",
    corr: "ρ, correlation of f and g",
    bend: "bend of f in g, as a share",
    mean_g: "E g, mean of the control",
    n: "n, samples in a batch",
  });
  const toBest = common.button("best", "Set c to c*", () => set({ c: numerics.bestCoefficient(model.get("corr")) }));
  const added = { centred: "c(g − E g)", raw: "c·g as it is" };
  const chooseControl = common.settingChips("control", "Control", added, set);
  const controlRow = row("What is added to f", chooseControl);
  const bottomRow = row("The bottom of the bowl", toBest);
  const diceRow = row("The dice", common.dice(model, "Other samples", "again"));
  const { c, corr, bend, n, mean_g } = sliders;
  const leading = box("rl-controls rl-leading", c, corr);
  const controls = box("rl-controls", n, bend, controlRow, mean_g, bottomRow, diceRow);

  // Panels ---------------------------------------------------------------------------------------------------------

  const legend = keys(
    ["rl-heap rl-dots", "samples, estimates"],
    ["rl-exact", "exact: the mean 1; E[f|g] where f bends"],
    ["rl-exact rl-dashed", "the best line, of slope ρ"],
    ["rl-control rl-heavy", "1 − cg; what it leaves: bars are ±2 sd"],
    ["rl-plain", "f alone"],
    ["rl-bound", "1 − ρ²"],
    ["", "Drag both lines, the point, and n."],
  );
  legend.classList.add("rl-legend");
  const samplesPanel = panel("Samples and the line 1 − cg");
  const bowl = panel("The variance of f + cg");
  const estimatesPanel = panel("");
  const growth = panel("As n grows");
  const panels = { samples: samplesPanel, bowl, estimates: estimatesPanel, growth };

  const drawScatter = makeScatter(samplesPanel.holder, {
    pieces: 40,
    x: { domain: [-3, 3], label: "g − E g, the control" },
    y: { label: "f" },
    centre: [0, 1],
    lines: [
      {
        name: "The line 1 − cg",
        kind: "rl-control rl-heavy",
        look: "rl-handle-control",
        side: 1,
        ...held("c", () => -1),
        move: (slope) => moving("c")(-slope),
      },
      { name: "The best line, of slope ρ", kind: "rl-exact rl-dashed", look: "", side: -1, ...held("corr") },
    ],
  });
  const drawBowl = makeBowl(bowl.holder, {
    x: { domain: reach("c"), label: "c, coefficient of the control" },
    y: { label: "Var(f + cg)" },
    flags: 2,
    point: { name: "c", ...held("c") },
  });
  const drawHeaps = makeHeaps(estimatesPanel.holder, { label: "estimate of E f" });
  const drawGrowth = makeGrowth(growth.holder, {
    x: { domain: reach("n"), ticks: [8, 16, 32, 64], label: "n, samples in a batch" },
    y: { domain: [0.008, 1.2], ticks: [0.01, 0.03, 0.1, 0.3, 1], label: "standard deviation, bias" },
    names: [
      ["f alone", "rl-plain", "rl-plain", "rl-spot-plain"],
      ["c as set", "rl-control rl-heavy", "rl-baseline", "rl-spot-control"],
      ["same samples", "rl-control rl-dashed", "rl-baseline", "rl-spot-control"],
      ["other half", "rl-control rl-dotted", "rl-baseline", "rl-spot-control"],
      ["−bias, same", "rl-exact rl-heavy", "", "rl-spot-exact"],
    ],
    seek: moving("n"),
  });

  const [, most] = reach("n");
  const samples = makeNormals(BATCHES * most);
  function draw(sizes, how) {
    const shown = rowsOf(sizes, model.get("step"));
    const now = { ...read(), ...how, shown };
    const state = compute(now, samples(now.seed), most);
    const { c, corr, n } = now;
    const { f, g, variance, best, floor, bias, sd, estimates } = state;
    const many = how.step ? SHOWN.step : SHOWN.all;
    const bent = now.bend && corr * corr < 1; // else E[f|g] is the best line
    drawScatter(sizes.samples, {
      points: g.slice(0, many).map((x, i) => [x, f[i]]),
      rests: how.step,
      curve: bent ? (x) => numerics.pairMean(now, x) : null,
      domain: [-2.5, 4.5],
      slopes: [-c, corr],
      reach: 2.2,
      texts: [
        [c, `c = ${format(c)}`],
        [corr, `ρ = ${format(corr)}`],
      ],
      label: `${many} samples of g and f with the correlation ${format(corr)}, and through their mean the line 1 − cg with c = ${format(c)}.`,
    });
    drawBowl(sizes.bowl, {
      variance: (x) => numerics.controlledVariance(corr, x),
      at: c,
      value: variance,
      marks: [
        ["f alone", 0, "rl-of-plain"],
        [how.step ? "c*" : `c* = ${format(best)}`, best, "rl-baseline"],
      ],
      valued: !how.step,
      floor,
      floorName: how.step ? "1 − ρ²" : `1 − ρ² = ${format(floor)}`,
      plain: 1,
      top: RISE,
      lowest: [best, floor],
      text: `c = ${format(c)}, variance ${format(variance)}`,
      label: `The variance of f + cg against c: ${format(variance)} at c = ${format(c)}, least at c* = ${format(best)} with ${format(floor)}.`,
    });
    const names = {
      plain: "f alone",
      fixed: `${now.control === "raw" && now.mean_g ? "raw g, " : ""}c = ${format(c)}`,
      same: "same samples",
      crossed: "other half",
    };
    const looks = { plain: "", fixed: "", same: "rl-dashed", crossed: "rl-dotted" };
    const colour = (kind) => (kind === "plain" || (kind === "fixed" && bias.fixed) ? "rl-plain" : "rl-control");
    drawHeaps(sizes.estimates, {
      domain: [0, 2],
      truth: 1,
      rows: shown.map((kind) => ({
        name: names[kind],
        values: estimates[kind],
        bias: bias[kind],
        sd: sd[kind],
        kind: `${colour(kind)} ${looks[kind]}`,
      })),
      label: `${BATCHES} estimates of E f = 1 from ${n} samples each. ${KINDS.map((kind) => `${names[kind]}: standard deviation ${format(sd[kind])}, bias ${rounded(bias[kind])}`).join("; ")}.`,
    });
    const sdOf = (kind) => (m) => Math.sqrt(numerics.estimateVariance(now, m, c)[kind]);
    drawGrowth(sizes.growth, {
      at: n,
      curves: [...KINDS.map(sdOf), (m) => -numerics.estimateBias(now, m, c, 0).same],
      label: `Standard deviations against n, falling as one over its root, and the bias of fitting on the same samples, falling as 1/n: ${rounded(bias.same)} at n = ${n}.`,
    });

    tell(estimatesPanel.title, `Estimates of E f from ${n} samples`);
    common.showAll({ control: chooseControl, ...sliders }, now);
    mean_g.enable(now.control === "raw"); // what is subtracted moves nothing
    toBest.disabled = c === best;

    const four = (values) => KINDS.map((kind) => values[kind]).join();
    const data = {
      variance,
      best,
      floor,
      bias: four(bias),
      sd: four(sd),
      means: KINDS.map((kind) => mean(estimates[kind])).join(),
    };
    return { words: sentence(now, state), data };
  }

  return {
    kind: "rl-two rl-variate",
    view: "control-variate",
    panels,
    controls: { c, corr, n, bend, mean: mean_g, centred: controlRow, best: bottomRow, again: diceRow },
    parts: [legend, samplesPanel, bowl, leading, estimatesPanel, growth, controls],
    linked: () => common.linked(model),
    draw,
    fit: common.fitting({ samples: [270, 300], bowl: [270, 300], estimates: [300, 300], growth: [240, 300] }),
  };
});
