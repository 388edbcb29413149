// VarianceReduction: the cloud of ĝ(κ, βb), the bowl of its variance, its growth with the horizon.
import * as common from "../shared/common.js";
import { box, chips, element, format, keys, label, panel, row, slider, tell } from "../shared/controls.js";
import { lesson } from "../shared/lesson.js";
import * as numerics from "./numerics.js";
import * as pictures from "./pictures.js";

const SETTINGS = ["kappa", "beta", "baseline", "time", "state", "batch"];

// Settings as the view uses them. Python sends a change trait by trait, so for a moment a preset may stand beside
// the baseline of another; what does not fit is read as the preset's own.
function read(model) {
  const { baseline, time: t, state: s, ...now } = common.read(model, SETTINGS);
  const { problem } = model.get("_presets")[now.preset];
  const { V } = problem;
  const fits = baseline.length === V.length && baseline.every((row) => row.length === V[0].length);
  const selected = t !== null && t < V.length && s < V[0].length ? [t, s] : null;
  return { ...now, problem, baseline: fits ? baseline : V, selected };
}

function load(model, preset) {
  const { problem, settings } = model.get("_presets")[preset];
  common.write(model, { preset, ...settings, baseline: problem.V });
}

const mostOf = (model) => common.choices(model, "batch").at(-1);

// Settings from a link, as strings; what makes no sense is passed over.
/** @param {common.Model} model @param {common.Asked} asked */
export function restore(model, asked) {
  common.loadAsked(model, asked, load);
  const { problem } = read(model);
  const [T, S] = [problem.V.length, problem.V[0].length];
  const settings = common.askedSettings(model, asked);
  if ("batch" in asked) settings.batch = numerics.nearestPowerOfTwo(Number(asked.batch) || 1, mostOf(model));
  if (asked.time === "all") settings.time = null;
  if (/^\d+$/.test(asked.time) && asked.time < T) settings.time = Number(asked.time);
  if (/^\d+$/.test(asked.state) && asked.state < S) settings.state = Number(asked.state);
  const kappa = settings.kappa ?? model.get("kappa");
  const flat = (asked.b ?? "").split(",").map(Number);
  const named = Object.entries(pictures.namedBaselines(problem, kappa)).find(([name]) => name === asked.b);
  const [low, high] = common.limits(model, "baseline");
  if (named) settings.baseline = named[1];
  else if (asked.b && flat.length === T * S && flat.every((b) => b >= low && b <= high)) {
    settings.baseline = problem.V.map((_, t) => flat.slice(t * S, t * S + S));
  }
  common.write(model, settings);
}

// The settings of a link: restore's inverse.
function linked({ preset, kappa, beta, baseline, selected, batch, problem }) {
  const name = pictures.baselineName(problem, kappa, baseline);
  const value = selected ? { time: selected[0], state: selected[1] } : { time: "all" };
  const b = name === "your b" ? baseline.flat().join(",") : name;
  return { preset, kappa, beta, batch, ...value, ...(name === "V" ? {} : { b }) };
}

// The sentence -----------------------------------------------------------------------------------------------------

function sentence({ problem, kappa, beta, baseline, batch, step, open }, variance) {
  const { full, toGo, plane } = pictures.prepare(problem);
  const name = pictures.baselineName(problem, kappa, baseline);
  const what =
    beta > 0
      ? `κ = ${format(kappa)} and β = ${format(beta)} (b: ${name === "your b" ? "your own" : name})`
      : `κ = ${format(kappa)} and no baseline`;
  const share = (other) => {
    const ratio = variance / other;
    if (Math.abs(ratio - 1) < 0.005) return "as much as";
    if (ratio >= 2) return `${format(ratio)} times`;
    return `${ratio > 1 ? Math.round(100 * ratio) : format(Number((100 * ratio).toPrecision(2)))} % of`;
  };
  const reference = Math.abs(full - toGo) < 1e-9 ? "that without a baseline" : "the full return’s";
  let compared = "";
  if (open && full < 1e-9)
    compared = ""; // what the past does is being asked
  else if (variance < 1e-9) compared = ": every episode gives the same ĝ";
  else if (beta === 0 && kappa < 1 && problem.pp[3] < 1e-12) compared = ", whatever κ is";
  else if (kappa === 1 && beta === 0) compared = ": this is REINFORCE with the full return";
  else if (full > 1e-9) compared = `, ${share(full)} ${reference}, ${format(full)}`;
  else if (beta > 0 || kappa > 0) compared = `, ${share(toGo)} reward-to-go’s, ${format(toGo)}; the full return’s is 0`;
  else compared = "; the full return’s is 0";
  const averaged = batch > 1 ? ` Averaged over N = ${batch} episodes it is ${format(variance / batch)}.` : "";
  const mean = plane ? `(${problem.mean.map(format).join(", ")})` : format(problem.mean[0]);
  const rest = `${averaged} The mean is ${mean}.`;
  if (step && full > 1e-9) return `The variance is ${format(variance)}, ${share(full)} ${reference}.${rest}`;
  return `With ${what} the variance is ${format(variance)}${compared}.${rest}`;
}

// The view ---------------------------------------------------------------------------------------------------------

export const render = lesson((model, { set }) => {
  const setValue = (/** @type {any} */ [t, s], value) =>
    set({ baseline: read(model).baseline.map((row, i) => row.map((b, j) => (i === t && j === s ? value : b))) });
  const drag = (x) => {
    const { selected } = read(model);
    if (selected) setValue(selected, x);
    else set({ beta: x });
  };

  const ofDots = element("span");
  const cloud = panel(
    "The cloud of gradient estimates ĝ",
    keys(["rl-heap rl-dots", ofDots], ["rl-exact", "exact mean, two sd"], ["rl-plain", "full return"]),
  );
  const bowl = panel("");
  const horizon = panel(
    "Variance against the horizon",
    keys(["rl-exact rl-heavy", "κ and β·V as now, at every horizon"], ["rl-dots", "now"]),
  );
  horizon.node.classList.add("rl-wide");
  const most = mostOf(model);
  const kappa = common.settingSlider(model, "kappa", "κ, weight of the past");
  const beta = common.settingSlider(model, "beta", "β, weight of the baseline");
  const batch = slider({
    label: "N, episodes a dot averages",
    min: 1,
    max: most,
    step: 1,
    toSlider: Math.log2,
    fromSlider: (x) => 2 ** x,
    clean: (x) => numerics.nearestPowerOfTwo(x, most),
    change: (x) => set({ batch: x }),
  });
  const value = slider({ label: "b", min: 0, max: 1, step: 0.01, change: (x) => setValue(read(model).selected, x) });
  const chooseBaseline = chips("Baseline", ["none", "V", "per-step", "optimal"], (name) => {
    const { problem, kappa } = read(model);
    if (name === "none") set({ beta: 0 });
    else set({ beta: 1, baseline: pictures.namedBaselines(problem, kappa)[name] });
  });
  const chooseValue = element("select", {
    "aria-label": "The bowl shows",
    onchange: () => {
      if (chooseValue.value === "all") return set({ time: null });
      const [time, state] = chooseValue.value.split(",").map(Number);
      // A single value can only be seen at work while the baseline is in use.
      set({ time, state, ...(model.get("beta") === 0 ? { beta: 1 } : {}) });
    },
  });
  const baseline = row("Baseline b", chooseBaseline);
  const controls = { kappa, beta, baseline, batch, chosen: row("The bowl shows", chooseValue), value };

  const drawCloud = pictures.makeCloud(cloud.holder);
  const drawBowl = pictures.makeBowl(bowl.holder, drag);
  const drawHorizon = pictures.makeHorizon(horizon.holder);
  let optionsOf = null;

  function draw(sizes, how) {
    const now = { ...read(model), ...how };
    const { problem, selected, baseline } = now;
    const packed = numerics.packedCovariance(problem, now.kappa, now.beta, baseline);
    const variance = Math.max(0, packed[3]);

    const pressed = { 0: ["none"], 1: pictures.baselineNames(problem, now.kappa, baseline) };
    chooseBaseline.show(...(pressed[now.beta] ?? []));
    common.showAll({ kappa, beta, batch }, now);
    if (optionsOf !== problem) {
      optionsOf = problem;
      // Values that change nothing (a state that cannot be reached then, or a score of 0) are left out.
      const values = problem.hh.flatMap((row, t) => row.flatMap((h, s) => (h[3] > 0 ? [[t, s]] : [])));
      chooseValue.replaceChildren(
        element("option", { value: "all" }, "all of b, as β grows"),
        ...values.map(([t, s]) => element("option", { value: [t, s] }, `${pictures.valueName(problem, t, s)} alone`)),
      );
    }
    chooseValue.value = selected ? selected : "all";
    value.enable(selected);
    value.rename(selected ? pictures.valueName(problem, ...selected) : "b, one value: choose it above");
    if (selected) value.limit(...pictures.valueRange(problem, ...selected));
    value.show(selected ? baseline[selected[0]][selected[1]] : NaN);
    const hint = how.step ? "Drag along the bowl" : `Variance ${format(variance)}: drag to the bottom`;
    tell(bowl.title, how.open ? "The variance of ĝ" : hint);

    const words = sentence(now, variance);
    const name = selected ? pictures.valueName(problem, ...selected) : "β";
    const about = {
      cloud: `The cloud: estimates of the gradient around its exact mean. ${words}`,
      bowl: `The bowl: total variance ${format(variance)} against ${name}.`,
      horizon: `Total variance against the horizon from 1 to ${problem.horizons.at(-1)} steps, for the full return, reward-to-go, reward-to-go minus V, and now.`,
    };
    if (sizes.cloud) {
      const { svg, outside } = drawCloud(now, packed, sizes.cloud);
      label(svg, about.cloud);
      const dot = now.batch > 1 ? `mean of ĝ over ${now.batch} episodes` : "ĝ of one episode";
      tell(
        ofDots,
        `${dot}${problem.enumerated ? "" : ", from a sample of 256"}${outside ? `; ${outside} outside the frame` : ""}`,
      );
    }
    if (sizes.bowl) label(drawBowl(now, variance, sizes.bowl), about.bowl);
    if (sizes.horizon) label(drawHorizon(now, variance, sizes.horizon), about.horizon);
    const lowest = numerics.bottom(numerics.parabolaInBeta(problem, now.kappa, baseline));
    return { words, data: { variance, lowest, mean: problem.mean.slice(0, problem.axes.length).join() } };
  }

  const fit = (width) => {
    const [columns, column] = common.columnsIn(width, width >= 1000 ? 3 : undefined);
    const height = columns === 1 ? 280 : 320;
    const square = [column, height];
    return { cloud: square, bowl: square, horizon: columns === 2 ? [width, 230] : square };
  };
  return {
    view: "variance-reduction",
    settings: SETTINGS,
    panels: { cloud, bowl, horizon },
    controls,
    parts: [cloud, bowl, horizon, box("rl-controls", ...Object.values(controls))],
    linked: () => linked(read(model)),
    choose: load,
    draw,
    fit,
  };
});
