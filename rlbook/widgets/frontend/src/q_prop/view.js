// QProp: the advantages of one state and the line that a critic takes from them, the parabola of the gradient's
// variance in the weight κ, estimates that keep their mean or lose it, and the rules that choose κ.
import { makeNormals } from "../shared/dice.js";
import * as common from "../shared/common.js";
import { makeBowl, makeHeaps, makeNotes, makeScatter } from "../shared/control_pictures.js";
import { chips, element, format, keepKeys, onFrame, slider } from "../shared/controls.js";
import * as numerics from "./numerics.js";

const LIMITS = {
  weight: [-2, 3],
  q: [-3, 3],
  c1: [-2, 2],
  c2: [-1, 1],
  c3: [-0.5, 0.5],
  tau: [0.1, 3],
  sigma: [0.3, 2],
};
const [MOST, BATCHES, SEEDS] = [64, 160, 2 ** 32];
const SETTINGS = [...Object.keys(LIMITS), "rule", "n", "seed"];
const SHOWN = 400; // points of the scatter
const ACTIONS = [-4, 4]; // what is seen of a − μ
const RULES = [
  ["none", "none"],
  ["full", "full"],
  ["conservative", "conservative"],
  ["aggressive", "aggressive"],
  ["adaptive", "adaptive K/W"],
  ["optimal", "gradient’s best"],
];
const SINGLE = [
  ["conservative", "1{ÂĀ > 0}"],
  ["aggressive", "sign(ÂĀ)"],
];

const read = (model) => common.read(model, SETTINGS);
const within = (name, x) => Math.min(LIMITS[name][1], Math.max(LIMITS[name][0], Number(x.toFixed(3))));
const whole = (n) => Math.min(MOST, Math.max(1, Math.round(n)));
const reachable = (weight) => weight >= LIMITS.weight[0] && weight <= LIMITS.weight[1];

// What the numbers are ---------------------------------------------------------------------------------------------

function compute(now, samples) {
  const { q, weight, rule, n } = now;
  const estimates = (...how) => numerics.batchGradients(now, q, ...how, samples, MOST, n);
  const bias = numerics.singleSampleBias(now, q, "conservative");
  const single = { conservative: bias, aggressive: 2 * bias };
  const fixed = rule === "fixed";
  return {
    fixed,
    truth: numerics.gradientMean(now),
    variance: numerics.gradientVariance(now, q, weight),
    plain: numerics.gradientVariance(now, q, 0),
    full: numerics.gradientVariance(now, q, 1),
    floor: numerics.gradientFloor(now),
    noise: numerics.noiseFloor(now),
    moments: numerics.controlMoments(now, q),
    weights: numerics.ruleWeights(now, q),
    single,
    bias: fixed ? 0 : single[rule],
    estimates: { plain: estimates(0, "fixed"), now: estimates(weight, rule) },
  };
}

// Links ------------------------------------------------------------------------------------------------------------

// Settings from a link, as strings; what makes no sense is passed over.
export function restore(model, asked) {
  common.loadAsked(model, asked);
  const settings = common.askedNumbers(asked, { ...LIMITS, n: [1, MOST], seed: [0, SEEDS - 1] });
  for (const name of ["n", "seed"]) if (name in settings) settings[name] = Math.round(settings[name]);
  if (["fixed", ...SINGLE.map(([name]) => name)].includes(asked.rule)) settings.rule = asked.rule;
  common.write(model, settings);
}

// The settings of a link: restore's inverse. Only what is not the preset's own is named.
const linked = (now, { settings: own }) =>
  Object.fromEntries(["preset", ...SETTINGS].filter((name) => now[name] !== own[name]).map((name) => [name, now[name]]));

// Words ------------------------------------------------------------------------------------------------------------

const rounded = (x) => format(Number(x.toPrecision(2)));

function sentence(now, { fixed, truth, variance, plain, floor, noise, moments: [K, W], weights, bias, single }) {
  const { weight, rule, n, q, c3 } = now;
  const ratio = variance / plain;
  const share = ratio < 0.995 ? `${Math.round(100 * ratio)} % of` : ratio > 1.005 ? `${format(ratio)} times` : "about";
  const compared = weight === 0 ? "that of no control" : `${share} that of no control, ${format(plain)}`;
  const first = fixed
    ? `With κ = ${format(weight)} the variance of one ĝ is ${format(variance)}, ${compared}; the mean stays at c₁/σ = ${format(truth)}.`
    : `The rule ${SINGLE.find(([name]) => name === rule)[1]} looks at the sample, and so at the action: the mean is ${format(truth + bias)} instead of ${format(truth)}, a bias of ${rounded(bias)} that no number of samples takes away.`;
  const second =
    q === 0
      ? "A critic of slope 0 is no control."
      : Math.abs(K) > W / 2
        ? `|K| = ${format(Math.abs(K))} is over W/2 = ${format(W / 2)}: with κ = ${K > 0 ? 1 : "−1"}, Â − κĀ varies less than Â.`
        : `|K| = ${format(Math.abs(K))} is not over W/2 = ${format(W / 2)}: neither with κ = 1 nor with −1 does Â − κĀ vary less than Â.`;
  const best = q === 0 ? "" : c3 === 0 ? ` Lowest at κ = K/W = ${format(weights.adaptive)}:` : ` Lowest at κ = ${format(weights.optimal)}, not at K/W = ${format(weights.adaptive)}:`;
  const part = floor - noise < 1e-9 ? "all of it τ²/σ²," : `of which ${format(noise)} is τ²/σ²,`;
  const third = q === 0 ? "" : `${best} ${format(floor)}, ${part} out of reach of every function of state and action.`;
  return `${first} ${second}${third}`;
}

// The view ---------------------------------------------------------------------------------------------------------

export function render({ model, el, link }) {
  const presets = model.get("_presets");
  const set = (settings) => common.write(model, settings);
  const put = (name) => (x) => set({ [name]: within(name, x), ...(name === "weight" ? { rule: "fixed" } : {}) });
  const nudge = (name, step = 0.05) => (steps) => put(name)(model.get(name) + step * steps);

  // Controls -------------------------------------------------------------------------------------------------------

  const presetRow = common.presetRow(model);
  const scalar = (name, label) =>
    slider({ label, min: LIMITS[name][0], max: LIMITS[name][1], step: 0.01, change: put(name) });
  const sliders = {
    weight: scalar("weight", "κ, weight of the control"),
    q: scalar("q", "q, slope of the critic"),
    c1: scalar("c1", "c₁, linear part of Â"),
    c2: scalar("c2", "c₂, quadratic part"),
    c3: scalar("c3", "c₃, cubic part"),
    tau: scalar("tau", "τ, noise after the action"),
    sigma: scalar("sigma", "σ of the policy"),
    n: slider({ label: "n, samples that an estimate averages", min: 1, max: MOST, step: 1, clean: whole, change: (n) => set({ n }) }),
  };
  const chooseRule = chips("Weight by the state", RULES, (name) => {
    const now = read(model);
    set({ weight: numerics.ruleWeights(now, now.q)[name], rule: "fixed" });
  });
  const chooseSingle = chips("Weight by the sample", SINGLE, (rule) => set({ rule }));
  const again = common.button("again", "Other samples", () => set({ seed: (model.get("seed") + 1) % SEEDS }));
  const row = (name, ...nodes) => element("div", { class: "rl-row" }, element("span", { class: "rl-name" }, name), ...nodes);
  const leading = element(
    "div",
    { class: "rl-controls rl-leading" },
    sliders.weight.node,
    sliders.q.node,
    row("κ by the state: a rule of K and W", chooseRule.node),
    row("κ by each sample itself", chooseSingle.node),
  );
  const controls = element(
    "div",
    { class: "rl-controls" },
    ...["c1", "c2", "c3", "tau", "sigma", "n"].map((name) => sliders[name].node),
    row("The dice", again),
  );

  // Panels ---------------------------------------------------------------------------------------------------------

  const notes = makeNotes(presets);
  const key = (kind, text) => element("span", { class: kind && `rl-key ${kind}` }, text);
  const legend = element(
    "p",
    { class: "rl-keys rl-legend" },
    key("rl-key-sample", "samples, estimates"),
    key("rl-key-exact", "exact: E[Â|a], the mean c₁/σ"),
    key("rl-key-control", "κĀ; what it leaves: bars are 2 sd"),
    key("rl-key-control rl-key-dots", "Ā = q(a − μ)"),
    key("rl-key-plain", "no control"),
    key("rl-key-bound", "lowest"),
    key("", "Drag both lines and the point on the parabola."),
  );
  const titles = ["What the critic takes from Â", "The variance of ĝ", "", "The rules"];
  const heads = titles.map((title) => element("p", { class: "rl-title" }, title));
  const holders = [0, 1, 2].map(() => element("div", { class: "rl-picture" }));

  const rows = [...RULES.map(([name, text]) => [name, text, false]), ...SINGLE.map(([name, text]) => [`single-${name}`, text, true])];
  const cells = Object.fromEntries(rows.map(([name]) => [name, [0, 1, 2].map(() => element("td"))]));
  const lines = rows.map(([name, text]) => element("tr", {}, element("th", { scope: "row" }, text), ...cells[name]));
  const table = element(
    "table",
    { class: "rl-table rl-columns" },
    element(
      "thead",
      {},
      element("tr", {}, element("td"), ...["κ", "variance", "bias"].map((head) => element("th", { scope: "col" }, head))),
    ),
    element("tbody", {}, ...lines),
  );
  const bodies = [...holders, table];
  const panels = bodies.map((body, i) => element("div", { class: "rl-panel" }, heads[i], body));
  const fill = (cell, text) => cell.textContent !== text && (cell.textContent = text);

  const { node: foot, announce, say } = common.foot(link, () => linked(read(model), presets[model.get("preset")]));
  const root = element(
    "div",
    { class: "rl rl-two rl-qprop", "data-view": "q-prop" },
    element(
      "div",
      { class: "rl-grid" },
      presetRow.node,
      notes.node,
      legend,
      ...panels.slice(0, 2),
      leading,
      ...panels.slice(2),
      controls,
      foot,
    ),
    announce.node,
  );
  keepKeys(root);
  el.append(root);

  const turnWeight = (slope) => {
    const { q } = read(model);
    if (Math.abs(q) > 1e-3) put("weight")(slope / q);
  };
  const drawScatter = makeScatter(holders[0], {
    x: { domain: ACTIONS, label: "a − μ" },
    y: { label: "advantage" },
    centre: [0, 0],
    lines: [
      {
        name: "Slope q of Ā",
        kind: "rl-control rl-dotted",
        look: "rl-handle-control",
        side: -1,
        limits: LIMITS.q,
        turn: put("q"),
        nudge: nudge("q"),
      },
      {
        name: "Weight κ of κĀ",
        kind: "rl-control rl-heavy",
        look: "rl-handle-control",
        side: 1,
        limits: LIMITS.weight,
        turn: turnWeight,
        nudge: (steps) => nudge("weight")(model.get("q") < 0 ? -steps : steps),
      },
    ],
  });
  const drawBowl = makeBowl(holders[1], {
    x: { domain: LIMITS.weight, label: "κ, weight of the control" },
    y: { label: "Var ĝ" },
    flags: 4,
    point: { name: "κ", limits: LIMITS.weight, move: put("weight"), nudge: nudge("weight") },
  });
  const drawHeaps = makeHeaps(holders[2], { label: "error of the estimate, ĝ − c₁/σ", count: 2 });

  const samples = makeNormals(BATCHES * MOST);
  let sizes = null;
  function draw() {
    if (!sizes) return;
    const now = read(model);
    const drawn = samples(now.seed);
    const state = compute(now, drawn);
    const { preset, weight, q, rule, sigma, tau, c1, c2, c3, n } = now;
    const { fixed, truth, variance, plain, full, floor, noise, weights, single, bias, estimates } = state;
    const [z, eps] = drawn;

    const reach = Math.min(2 * sigma, 3.5);
    const spread = Math.sqrt(c1 * c1 + 2 * c2 * c2 + 6 * c3 * c3 + tau * tau);
    const rise = numerics.nextLevel(2.4 * spread);
    const control = { fixed: weight * q, conservative: [q, 0], aggressive: [q, -q] }[rule];
    drawScatter(
      {
        points: z.slice(0, SHOWN).map((x, i) => [sigma * x, numerics.advantageMean(now, x) + tau * eps[i]]),
        curve: Array.from({ length: 61 }, (_, i) => -4 + (8 * i) / 60).map((x) => [x, numerics.advantageMean(now, x / sigma)]),
        domain: [-rise, rise],
        slopes: [q, control],
        reach,
        texts: [
          [q, `q = ${format(q)}`],
          [weight, `κ = ${format(weight)}`],
        ],
        label: `Advantages of ${SHOWN} sampled actions around their exact mean, the critic's line of slope q = ${format(q)}, and what is taken off, ${fixed ? `a line of slope κq = ${format(weight * q)}` : "a line that each sample chooses"}.`,
      },
      sizes.high,
    );
    const best = q === 0 ? NaN : weights.optimal;
    drawBowl(
      {
        variance: (kappa) => numerics.gradientVariance(now, q, kappa),
        at: fixed ? weight : NaN,
        value: variance,
        marks: [
          ["none", 0, "rl-of-plain"],
          ["full", 1, "rl-baseline"],
          ["K/W", q === 0 ? NaN : weights.adaptive, "rl-baseline"],
          ["gradient’s best", c3 === 0 ? NaN : best, "rl-baseline"],
        ],
        floor: q === 0 ? plain : floor,
        floorName: `lowest: ${format(q === 0 ? plain : floor)}`,
        plain,
        lowest: [Number.isFinite(best) ? best : 0, floor],
        band: { name: `τ²/σ² = ${format(noise)}`, at: noise },
        top: numerics.nextLevel(1.1 * Math.max(plain, full)),
        text: `κ = ${format(weight)}, variance ${format(variance)}`,
        label: `The variance of ĝ against κ: ${format(plain)} at 0, ${format(full)} at 1, lowest ${format(floor)}; ${format(noise)} of it is τ²/σ².`,
      },
      sizes.high,
    );
    const half = numerics.nextLevel(2.7 * Math.sqrt(Math.max(plain, full) / n));
    const sd = { plain: Math.sqrt(plain / n), now: fixed ? Math.sqrt(variance / n) : NaN };
    const name = fixed ? `κ = ${format(weight)}` : `κ = ${SINGLE.find(([one]) => one === rule)[1]}`;
    drawHeaps(
      {
        domain: [-half, half],
        truth: 0,
        rows: [
          ["no control", "plain", "rl-plain", 0],
          [name, "now", "rl-control", bias],
        ].map(([text, kind, look, mean]) => ({
          name: `${text}: ${fixed || kind === "plain" ? `sd ${format(sd[kind])}` : `bias ${rounded(bias)}`}`,
          values: estimates[kind].map((x) => x - truth),
          mean,
          sd: sd[kind],
          kind: `${look} rl-bar`,
        })),
        label: `${BATCHES} means of ${n} ĝ around c₁/σ = ${format(truth)}: without control their standard deviation is ${format(sd.plain)}; with ${name} ${fixed ? `it is ${format(sd.now)}, and the mean is the same` : `the mean is off by ${rounded(bias)}`}.`,
      },
      sizes.heaps,
    );

    presetRow.show(preset);
    notes.show(preset);
    fill(heads[2], n === 1 ? "Single ĝ and their exact mean" : `Means of ${n} ĝ and their exact mean`);
    for (const [setting, slide] of Object.entries(sliders)) slide.show(now[setting]);
    const same = RULES.map(([one]) => one).filter((one) => Math.abs(weights[one] - weight) < 1e-9);
    chooseRule.show(...(fixed ? same : []));
    chooseSingle.show(rule);
    chooseRule.node.querySelectorAll("button").forEach((chip) => (chip.disabled = !reachable(weights[chip.dataset.value])));
    RULES.forEach(([one], i) => {
      const [kappa, value, off] = cells[one];
      fill(kappa, format(weights[one]));
      fill(value, format(numerics.gradientVariance(now, q, weights[one])));
      fill(off, "0");
      lines[i].classList.toggle("rl-now", fixed && same.includes(one));
    });
    SINGLE.forEach(([one], i) => {
      const [kappa, value, off] = cells[`single-${one}`];
      fill(kappa, one === "conservative" ? "0 or 1" : "±1");
      fill(value, "–");
      fill(off, rounded(single[one]));
      lines[RULES.length + i].classList.toggle("rl-now", rule === one);
    });

    const words = sentence(now, state);
    say(words);
    const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;
    Object.assign(root.dataset, {
      preset,
      rule,
      variance,
      mean: truth + bias,
      bias,
      floor,
      noise,
      weights: RULES.map(([one]) => weights[one]).join(),
      single: SINGLE.map(([one]) => single[one]).join(),
      means: [mean(estimates.plain), mean(estimates.now)].join(),
    });
  }

  const request = onFrame(draw);
  const stopFollowing = common.follow(model, root, SETTINGS, request, (width) => {
    const [columns, column] = common.columnsIn(width);
    const one = columns === 1;
    sizes = { high: [column, one ? 280 : 310], heaps: [column, one ? 220 : 250] };
    draw();
  });
  return () => {
    stopFollowing();
    announce.stop();
  };
}
