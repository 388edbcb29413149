// VarianceReduction: the cloud of ĝ(κ, βb), the bowl of its variance, its growth with the horizon.
import * as common from "../shared/common.js";
import { chips, element, format, keepKeys, onFrame, slider, } from "../shared/controls.js";
import * as numerics from "./numerics.js";
import { baselineName, baselineNames, makeBowl, makeCloud, makeHorizon, namedBaselines, prepare, valueName, valueRange } from "./pictures.js";

const SETTINGS = ["preset", "kappa", "beta", "baseline", "step", "state", "batch"];
const MOST = 32; // the largest batch
const LARGEST = 1e6; // the largest b_t(s) that a link may ask for

// Settings as the view uses them. Python sends a change trait by trait, so for a moment a preset may stand beside
// the baseline of another; what does not fit is read as the preset's own.
function read(model) {
  const preset = model.get("preset");
  const { problem, settings } = model.get("_presets")[preset];
  const { V } = problem;
  const given = model.get("baseline");
  const fits = given.length === V.length && given.every((row) => row.length === V[0].length);
  const [t, s] = [model.get("step"), model.get("state")];
  return {
    preset,
    problem,
    settings,
    kappa: model.get("kappa"),
    beta: model.get("beta"),
    baseline: fits ? given : V,
    selected: t !== null && t < V.length && s < V[0].length ? [t, s] : null,
    batch: model.get("batch"),
  };
}

function load(model, preset) {
  const { problem, settings } = model.get("_presets")[preset];
  common.write(model, { preset, ...settings, baseline: problem.V });
}

// Settings from a link, as strings; what makes no sense is passed over.
export function restore(model, asked) {
  if (Object.hasOwn(model.get("_presets"), asked.preset ?? "")) load(model, asked.preset);
  const { problem } = read(model);
  const [T, S] = [problem.V.length, problem.V[0].length];
  const number = (name, low, high) => {
    const value = Number(asked[name]);
    return asked[name] && Number.isFinite(value) ? { [name]: Math.min(high, Math.max(low, value)) } : {};
  };
  const settings = {
    ...number("kappa", 0, 1),
    ...number("beta", 0, 2),
    ...("batch" in asked ? { batch: numerics.nearestPowerOfTwo(Number(asked.batch) || 1, MOST) } : {}),
    ...(asked.step === "all" ? { step: null } : {}),
    ...(/^\d+$/.test(asked.step) && asked.step < T ? { step: Number(asked.step) } : {}),
    ...(/^\d+$/.test(asked.state) && asked.state < S ? { state: Number(asked.state) } : {}),
  };
  const kappa = settings.kappa ?? model.get("kappa");
  const flat = (asked.b ?? "").split(",").map(Number);
  const named = Object.entries(namedBaselines(problem, kappa)).find(([name]) => name === asked.b);
  if (named) settings.baseline = named[1];
  else if (asked.b && flat.length === T * S && flat.every((b) => Math.abs(b) <= LARGEST)) {
    settings.baseline = problem.V.map((_, t) => flat.slice(t * S, t * S + S));
  }
  common.write(model, settings);
}

// The settings of a link: restore's inverse.
function linked({ preset, kappa, beta, baseline, selected, batch, problem }) {
  const name = baselineName(problem, kappa, baseline);
  return {
    preset,
    kappa,
    beta,
    batch,
    ...(selected ? { step: selected[0], state: selected[1] } : { step: "all" }),
    ...(name === "V" ? {} : { b: name === "your b" ? baseline.flat().join(",") : name }),
  };
}

// The sentence -----------------------------------------------------------------------------------------------------

function sentence({ problem, kappa, beta, baseline, batch }, variance) {
  const { full, toGo, plane } = prepare(problem);
  const name = baselineName(problem, kappa, baseline);
  const what =
    beta > 0 ? `κ = ${format(kappa)} and β = ${format(beta)} (b: ${name === "your b" ? "your own" : name})` : `κ = ${format(kappa)} and no baseline`;
  const share = (other) => {
    const ratio = variance / other;
    if (Math.abs(ratio - 1) < 0.005) return "as much as";
    if (ratio >= 2) return `${format(ratio)} times`;
    return `${ratio > 1 ? Math.round(100 * ratio) : format(Number((100 * ratio).toPrecision(2)))} % of`;
  };
  const reference = Math.abs(full - toGo) < 1e-9 ? "that without a baseline" : "the full return's";
  let compared = "";
  if (variance < 1e-9) compared = ": every trajectory gives the same ĝ";
  else if (beta === 0 && kappa < 1 && problem.pp[3] < 1e-12) compared = ", whatever κ is";
  else if (kappa === 1 && beta === 0) compared = ": this is REINFORCE with the full return";
  else if (full > 1e-9) compared = `, ${share(full)} ${reference}, ${format(full)}`;
  else if (beta > 0 || kappa > 0) compared = `, ${share(toGo)} reward-to-go's, ${format(toGo)}; the full return's is 0`;
  else compared = "; the full return's is 0";
  const averaged = batch > 1 ? ` Averaged over N = ${batch} trajectories it is ${format(variance / batch)}.` : "";
  const mean = plane ? `(${problem.mean.map(format).join(", ")})` : format(problem.mean[0]);
  return `With ${what} the variance is ${format(variance)}${compared}.${averaged} The mean stays at ${mean}.`;
}

// The view ---------------------------------------------------------------------------------------------------------

export function render({ model, el, link }) {
  const set = (settings) => common.write(model, settings);
  const setValue = ([t, s], value) =>
    set({ baseline: read(model).baseline.map((row, i) => row.map((b, j) => (i === t && j === s ? value : b))) });
  const drag = (x) => {
    const { selected } = read(model);
    if (selected) setValue(selected, x);
    else set({ beta: x });
  };

  const presetRow = common.presetRow(model, { choose: load });

  const panel = (title, ...notes) => {
    const holder = element("div", { class: "rl-picture" });
    const heading = element("p", { class: "rl-title" }, title);
    return [element("div", { class: "rl-panel" }, heading, ...notes, holder), holder, heading];
  };
  const dotsKey = element("span", { class: "rl-key rl-key-sample" });
  const key = element(
    "p",
    { class: "rl-keys" },
    dotsKey,
    element("span", { class: "rl-key rl-key-exact" }, "exact mean, 2 sd"),
    element("span", { class: "rl-key rl-key-plain" }, "full return, 2 sd"),
  );
  const [cloudPanel, cloudHolder] = panel("The cloud of gradient estimates ĝ", key);
  const [bowlPanel, bowlHolder, bowlTitle] = panel("");
  const [horizonPanel, horizonHolder] = panel(
    "Variance against the horizon",
    element(
      "p",
      { class: "rl-keys" },
      element("span", { class: "rl-key rl-key-exact" }, "κ and β·V as now, at every horizon"),
      element("span", { class: "rl-key rl-key-dot" }, "now"),
    ),
  );
  horizonPanel.classList.add("rl-wide");
  const kappa = slider({ label: "κ, weight of the past", min: 0, max: 1, step: 0.01, change: (x) => set({ kappa: x }) });
  const beta = slider({ label: "β, weight of the baseline", min: 0, max: 2, step: 0.01, change: (x) => set({ beta: x }) });
  const batch = slider({
    label: "N, trajectories a dot averages",
    min: 1,
    max: MOST,
    step: 1,
    toSlider: Math.log2,
    fromSlider: (x) => 2 ** x,
    clean: (x) => numerics.nearestPowerOfTwo(x, MOST),
    change: (x) => set({ batch: x }),
  });
  const value = slider({ label: "b", min: 0, max: 1, step: 0.01, change: (x) => setValue(read(model).selected, x) });
  const chooseBaseline = chips(
    "Baseline",
    [["none", "none"], ["V", "V"], ["per-step", "per-step"], ["optimal", "optimal"]],
    (name) => {
      const { problem, kappa } = read(model);
      if (name === "none") set({ beta: 0 });
      if (name === "V") set({ beta: 1, baseline: problem.V });
      if (name === "per-step") set({ beta: 1, baseline: problem.perStep });
      if (name === "optimal") set({ beta: 1, baseline: numerics.optimalBaseline(problem, kappa) });
    },
  );
  const baselineRow = element("div", { class: "rl-row" }, element("span", { class: "rl-name" }, "Baseline b"), chooseBaseline.node);
  const chooseValue = element("select", {
    "aria-label": "The bowl shows",
    onchange: () => {
      if (chooseValue.value === "all") return set({ step: null });
      const [step, state] = chooseValue.value.split(",").map(Number);
      // A single value can only be seen at work while the baseline is in use.
      set({ step, state, ...(model.get("beta") === 0 ? { beta: 1 } : {}) });
    },
  });
  const valueRow = element("div", { class: "rl-row" }, element("span", { class: "rl-name" }, "The bowl shows"), chooseValue);
  const controls = element("div", { class: "rl-controls" }, kappa.node, beta.node, baselineRow, batch.node, valueRow, value.node);

  const { node: foot, announce, say } = common.foot(link, () => linked(read(model)));

  const root = element(
    "div",
    { class: "rl", "data-view": "variance-reduction" },
    element(
      "div",
      { class: "rl-grid" },
      presetRow.node,
      cloudPanel,
      bowlPanel,
      horizonPanel,
      controls,
      foot,
    ),
    announce.node,
  );
  keepKeys(root);
  el.append(root);

  const drawCloud = makeCloud(cloudHolder);
  const drawBowl = makeBowl(bowlHolder, drag);
  const drawHorizon = makeHorizon(horizonHolder);
  let sizes = null;
  let optionsOf = null;

  function draw() {
    if (!sizes) return;
    const now = read(model);
    const { preset, problem, selected, baseline } = now;
    const packed = numerics.packedCovariance(problem, now.kappa, now.beta, baseline);
    const variance = Math.max(0, packed[3]);

    const pictures = [drawCloud(now, packed, sizes.square), drawBowl(now, variance, sizes.square), drawHorizon(now, variance, sizes.wide)];

    presetRow.show(preset);
    const pressed = { 0: ["none"], 1: baselineNames(problem, now.kappa, baseline) };
    chooseBaseline.show(...(pressed[now.beta] ?? []));
    kappa.show(now.kappa);
    beta.show(now.beta);
    batch.show(now.batch);
    if (optionsOf !== problem) {
      optionsOf = problem;
      // Values that change nothing (a state that cannot be reached then, or a score of 0) are left out.
      const values = problem.hh.flatMap((row, t) => row.flatMap((h, s) => (h[3] > 0 ? [[t, s]] : [])));
      chooseValue.replaceChildren(
        element("option", { value: "all" }, "all of b, as β grows"),
        ...values.map(([t, s]) => element("option", { value: [t, s] }, `${valueName(problem, t, s)} alone`)),
      );
    }
    chooseValue.value = selected ? selected : "all";
    value.enable(selected);
    value.rename(selected ? valueName(problem, ...selected) : "b, one value: choose it above");
    if (selected) value.limit(...valueRange(problem, ...selected));
    value.show(selected ? baseline[selected[0]][selected[1]] : NaN);
    const sampled = problem.enumerated ? "" : ", from a sample of 256";
    dotsKey.textContent = `${now.batch > 1 ? `mean of ĝ over ${now.batch} trajectories` : "ĝ of one trajectory"}${sampled}`;

    bowlTitle.textContent = `Variance ${format(variance)}: drag to the bottom`;

    const words = sentence(now, variance);
    say(words);
    const labels = [
      `The cloud: estimates of the gradient around its exact mean. ${words}`,
      `The bowl: total variance ${format(variance)} against ${selected ? valueName(problem, ...selected) : "β"}.`,
      `Total variance against the horizon from 1 to ${problem.horizons.at(-1)} steps, for the full return, reward-to-go, reward-to-go minus V, and now.`,
    ];
    pictures.forEach((svg, i) => svg.getAttribute("aria-label") !== labels[i] && svg.setAttribute("aria-label", labels[i]));
    Object.assign(root.dataset, { preset, variance, mean: problem.mean.slice(0, problem.axes.length).join() });
  }

  const request = onFrame(draw);
  const stopFollowing = common.follow(model, root, SETTINGS, request, (width) => {
    const [columns, column] = common.columnsIn(width, width >= 1000 ? 3 : undefined);
    const height = columns === 1 ? 280 : 320;
    sizes = { square: [column, height], wide: columns === 2 ? [width, 230] : [column, height] };
    draw();
  });
  return () => {
    stopFollowing();
    announce.stop();
  };
}
