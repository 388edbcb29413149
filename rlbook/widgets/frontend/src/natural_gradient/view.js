// NaturalGradient: Euclidean and natural steps of a Gaussian policy, seen in two coordinates and taken in a third, and
// of a softmax policy in the triangle of all policies.
import * as common from "../shared/common.js";
import { chips, element, format, keepKeys, onFrame, scientific, slider, subscript } from "../shared/controls.js";
import * as numerics from "./numerics.js";
import { makeBars, makeDensities, makePlane, makeReturns, makeTriangle } from "./pictures.js";

const LIMITS = {
  mu: [-2, 2],
  sigma: [0.1, 3],
  c: [-2, 2],
  alpha: [0.01, 2],
  delta: [0.001, 1],
  bend: [-1, 2],
  steps: [0, 500],
};
const SETTINGS = [...Object.keys(LIMITS), "view", "start", "rewards"];
const RANGES = [60, 120, 250, 500]; // how far the returns are drawn, in steps
const MOST = 20000; // steps after which no more is waited for half of the probability
const POINTS = 120; // of each outline
const KINDS = ["euclidean", "natural"];
const NAMES = { euclidean: "Euclidean", natural: "natural" };

const read = (model) => common.read(model, SETTINGS);
const clamp = (name, value) => Math.min(LIMITS[name][1], Math.max(LIMITS[name][0], value));

// { euclidean, natural } of a function of whether the gradient is natural, and of its name.
const both = (compute) => Object.fromEntries(KINDS.map((kind) => [kind, compute(kind === "natural", kind)]));

// Three probabilities with one of them set, the others in proportion.
function withProbability(p, i, value) {
  const x = Math.min(0.999, Math.max(0, value));
  const rest = 1 - p[i];
  const next = p.map((q, a) => (a === i ? x : rest > 1e-9 ? (q * (1 - x)) / rest : (1 - x) / 2));
  return next.filter((q) => q > 0).length > 1 ? next : p;
}

// What the numbers of the Gaussian policy are -----------------------------------------------------------------------

function gaussianState({ mu, sigma, c, alpha, delta, bend, steps }) {
  const path = (natural, k = bend, a = alpha, n = steps) => numerics.gaussianPath(mu, sigma, c, a, n, k, natural);
  const apart = (a, n) => both((natural) => numerics.pathGap(path(natural, 1, a, n), path(natural, 0, a, n)));
  const step = both((natural) => numerics.gaussianStep(mu, sigma, c, alpha, bend, natural));
  const paths = both((natural) => path(natural));
  const rivals = both((natural) => [path(natural, 1), path(natural, 0)]);
  return {
    step,
    paths,
    rivals,
    flow: Array.from({ length: 60 }, (_, i) => numerics.naturalFlow(mu, sigma, c, steps * alpha * (i / 59) ** 2)),
    contour: numerics.klContour(mu, sigma, delta, POINTS),
    outlines: both((natural) => numerics.quadraticContour(mu, sigma, delta, POINTS, bend, natural)),
    // How far from μ, if at all, they come to the end of σ > 0.
    edges: both((natural) => {
      const [a, b] = (natural ? numerics.gaussianFisher(sigma, bend) : [1, 1]).map((f) => Math.sqrt((2 * delta) / f));
      const share = sigma ** bend / (Math.abs(bend) * b);
      return share < 1 ? a * Math.sqrt(1 - share * share) : null;
    }),
    // Where the steepest step of the circle's or the ellipse's size leads.
    steepest: both((natural) => {
      const a = numerics.regionAlpha(mu, sigma, c, delta, bend, natural);
      return numerics.gaussianStep(mu, sigma, c, a, bend, natural);
    }),
    // The step as it is taken, a straight line in (μ, u), up to where it leaves σ > 0.
    strokes: both((natural, kind) => {
      const d = numerics.gaussianDirection(mu, sigma, c, bend, natural).map((x) => alpha * x);
      const shrink = -bend * d[1] * sigma ** -bend; // σᵏ falls by this share of itself
      const reach = bend && shrink >= 1 ? 1 / shrink : 1;
      const points = Array.from({ length: 25 }, (_, i) => {
        const share = reach < 1 ? reach * (1 - (1 - i / 24) ** 3) : i / 24;
        const at = numerics.gaussianMove(mu, sigma, [share * d[0], share * d[1]], bend);
        return Number.isNaN(at[1]) ? [mu + share * d[0], 0] : at;
      });
      return { points, leaves: Number.isNaN(step[kind][1]) };
    }),
    kl: both((_, kind) => numerics.gaussianKl(mu, sigma, ...step[kind])),
    eta: numerics.gaussianReturn(mu, sigma, c),
    etaStep: both((_, kind) => numerics.gaussianReturn(...step[kind], c)),
    etaEnd: both((_, kind) => numerics.gaussianReturn(...paths[kind].at(-1), c)),
    apart: apart(alpha, 1),
    halved: apart(alpha / 2, 1),
    pathsApart: both((_, kind) => numerics.pathGap(...rivals[kind])),
    regionAlpha: numerics.regionAlpha(mu, sigma, c, delta, bend, true),
  };
}

function softmaxState({ start, rewards, alpha, steps }, range) {
  const total = start.reduce((sum, p) => sum + p, 0);
  const pi = start.map((p) => p / total);
  const open = pi.filter((p) => p > 0).length;
  const best = rewards.reduce((b, r, a) => (pi[a] > 0 && (pi[b] === 0 || r > rewards[b]) ? a : b), 0);
  const paths = both((natural) => numerics.softmaxPath(pi, rewards, alpha, Math.max(range, 1), natural));
  const ends = both((_, kind) => paths[kind][steps]);
  const other = pi.findIndex((p, a) => p > 0 && a !== best);
  const [lead, gap] = [Math.log(pi[best] / pi[other]), rewards[best] - rewards[other]];
  return {
    pi,
    best,
    paths,
    ends,
    kl: both((_, kind) => numerics.softmaxKl(pi, paths[kind][1])),
    eta: numerics.banditReturn(pi, rewards),
    etaStep: both((_, kind) => numerics.banditReturn(paths[kind][1], rewards)),
    etaEnd: both((_, kind) => numerics.banditReturn(ends[kind], rewards)),
    half: both((natural) => numerics.halfTime(pi, rewards, alpha, natural, best, MOST)),
    // With two actions the flow is solved: how many steps of α it takes to half.
    crossing: both((natural) =>
      open === 2 && gap > 0 ? Math.max(0, numerics.crossingTime(lead, 0, gap, natural)) / alpha : NaN,
    ),
  };
}

// Links ------------------------------------------------------------------------------------------------------------

const three = (text, fits) => {
  const values = (text ?? "").split(",").map(Number);
  return text && values.length === 3 && values.every((x) => x >= 0 && x <= 1) && fits(values) ? values : null;
};

// Settings from a link, as strings; what makes no sense is passed over.
export function restore(model, asked) {
  common.loadAsked(model, asked);
  const settings = common.askedNumbers(asked, LIMITS);
  if ("steps" in settings) settings.steps = Math.round(settings.steps);
  if (["gaussian", "softmax"].includes(asked.view)) settings.view = asked.view;
  const start = three(asked.p, (p) => p.filter((x) => x > 0).length > 1 && Math.abs(p[0] + p[1] + p[2] - 1) < 1e-3);
  const total = start?.reduce((sum, p) => sum + p, 0);
  if (start) settings.start = Math.abs(total - 1) < 1e-9 ? start : start.map((p) => p / total);
  const rewards = three(asked.r, () => true);
  if (rewards) settings.rewards = rewards;
  common.write(model, settings);
}

// The settings of a link: restore's inverse. Only what is not the preset's own is named.
function linked(now, { settings: own }) {
  const differs = (name) => JSON.stringify(now[name]) !== JSON.stringify(own[name]);
  const link = { preset: now.preset };
  for (const name of ["view", ...Object.keys(LIMITS)]) if (differs(name)) link[name] = now[name];
  if (differs("start")) link.p = now.start.join();
  if (differs("rewards")) link.r = now.rewards.join();
  return link;
}

// Words ------------------------------------------------------------------------------------------------------------

const coordinate = (k) => (k === 0 ? "log σ" : k === 1 ? "σ" : `u = (σᵏ−1)/k, k = ${format(k)}`);
const count = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;

function gaussianSentence({ alpha, delta, bend, steps }, { kl, apart, halved, etaEnd, eta }) {
  const gone = Number.isNaN(kl.euclidean);
  const first = gone
    ? `A Euclidean step of α = ${format(alpha)} in ${coordinate(bend)} leaves σ > 0: there is no such policy.`
    : `A Euclidean step of α = ${format(alpha)} in ${coordinate(bend)} has KL ${scientific(kl.euclidean)}, ${format(kl.euclidean / delta)} times δ.`;
  const second = Number.isNaN(kl.natural)
    ? `The natural step leaves ${gone ? "it too" : "σ > 0"}.`
    : `The natural step has KL ${scientific(kl.natural)}.`;
  const two = (x) => format(Number(x.toPrecision(2)));
  const by = (kind) => two(apart[kind] / halved[kind]);
  const none = KINDS.filter((kind) => Number.isNaN(apart[kind]));
  const [other] = KINDS.filter((kind) => !none.includes(kind));
  const third = {
    0: `Taken in σ or in log σ, one step ends ${scientific(apart.euclidean)} apart if Euclidean and ${scientific(apart.natural)} if natural; half of α divides that by ${by("euclidean")} and by ${by("natural")}.`,
    1: `Taken in σ, the ${NAMES[none[0]]} step ${none[0] === "euclidean" && gone && bend === 1 ? "leaves" : "would leave"} σ > 0; the ${NAMES[other]} one ends ${scientific(apart[other])} apart in σ and in log σ.`,
    2: "Taken in σ, both would leave σ > 0; in log σ neither does.",
  }[none.length];
  const left = KINDS.filter((kind) => Number.isNaN(etaEnd[kind]));
  const [stays] = KINDS.filter((kind) => !left.includes(kind));
  const fifth = {
    0: `After ${count(steps, "step")} η has gone from ${scientific(eta)} to ${scientific(etaEnd.euclidean)} (Euclidean) and ${scientific(etaEnd.natural)} (natural).`,
    1: `After ${count(steps, "step")} η has gone from ${scientific(eta)} to ${scientific(etaEnd[stays])} (${NAMES[stays]}); the ${NAMES[left[0]]} path has left σ > 0.`,
    2: `Within ${count(steps, "step")} both paths leave σ > 0.`,
  }[left.length];
  return `${first} ${second} ${third} ${fifth}`;
}

function softmaxSentence({ alpha, steps, rewards, start }, { best, ends, half, etaEnd, crossing }) {
  const name = `a${subscript(best + 1)}`;
  const share = (kind) => scientific(ends[kind][best]);
  const first = `After ${count(steps, "step")} of α = ${format(alpha)} the best action, ${name}, has probability ${share("euclidean")} (Euclidean) and ${share("natural")} (natural); η is ${format(etaEnd.euclidean)} and ${format(etaEnd.natural)}, of at most ${format(rewards[best])}.`;
  const when = (kind) => (Number.isFinite(half[kind]) ? count(half[kind], "step") : `more than ${MOST} steps`);
  const second = `To give it half of the probability takes the Euclidean gradient ${when("euclidean")} and the natural one ${when("natural")}.`;
  const third = Number.isFinite(crossing.euclidean)
    ? ` Small steps would need α·n = ${format(alpha * crossing.euclidean)} and ${format(alpha * crossing.natural)}, by the closed form for two actions.`
    : start.some((p) => p === 0)
      ? " An action of probability 0 keeps it."
      : "";
  return `${first} ${second}${third}`;
}

// The view ---------------------------------------------------------------------------------------------------------

export function render({ model, el, link }) {
  const presets = model.get("_presets");
  const set = (settings) => common.write(model, settings);

  // Time -----------------------------------------------------------------------------------------------------------

  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let timer = 0;
  let goal = null; // the number of steps that playing goes to; null: it is not played
  function stop() {
    clearTimeout(timer);
    goal = null;
    request();
  }
  function tick() {
    const { steps } = read(model);
    if (goal === null || steps >= goal) return stop();
    set({ steps: still.matches ? goal : Math.min(goal, steps + Math.max(1, Math.round(goal / 90))) });
    timer = setTimeout(tick, 45);
  }
  function start() {
    if (goal !== null) return stop();
    const { steps, preset } = read(model);
    const own = presets[preset].settings.steps;
    goal = steps < own ? own : Math.max(1, steps);
    if (steps >= goal) set({ steps: 0 });
    tick();
    request();
  }
  const play = common.button("play", "Play", start);

  // Controls -------------------------------------------------------------------------------------------------------

  const change = (settings) => {
    if (goal !== null) stop();
    set(settings);
  };
  const presetRow = common.presetRow(model, { stop });
  const chooseView = chips(
    "View",
    [
      ["gaussian", "Gaussian policy"],
      ["softmax", "Softmax policy"],
    ],
    (view) => change({ view }),
  );
  const logarithmic = {
    toSlider: Math.log10,
    fromSlider: (x) => Number((10 ** x).toPrecision(3)),
  };
  const scalar = (name, label, step, scale = {}) =>
    slider({
      label,
      min: LIMITS[name][0],
      max: LIMITS[name][1],
      step,
      change: (x) => set({ [name]: x }),
      clean: (x) => Number(x.toFixed(4)), // as the field shows it
      ...scale,
    });
  const sliders = {
    mu: scalar("mu", "μ, mean of the policy", 0.01),
    sigma: scalar("sigma", "σ, standard deviation of the policy", 0.01),
    c: scalar("c", "c, the target", 0.01),
    delta: scalar("delta", "δ, KL of the trust region", 0.01, logarithmic),
    bend: scalar("bend", "k, bends u = (σᵏ−1)/k; 0: log σ, 1: σ", 0.05),
    alpha: scalar("alpha", "α, step", 0.01),
  };
  // The number of steps leads in one view and comes late in the other.
  const steps = ["gaussian", "softmax"].map(() =>
    slider({
      label: "n, number of steps",
      min: 0,
      max: LIMITS.steps[1],
      step: 0.01,
      toSlider: Math.sqrt,
      fromSlider: (x) => Math.round(x * x),
      clean: Math.round,
      change: (n) => change({ steps: n }),
    }),
  );
  const probabilities = [0, 1, 2].map((i) =>
    slider({
      label: `π₀(a${subscript(i + 1)}), probability at the start`,
      min: 0,
      max: 1,
      step: 0.001,
      change: (x) => set({ start: withProbability(model.get("start"), i, x) }),
    }),
  );
  const rewards = [0, 1, 2].map((i) =>
    slider({
      label: `r(a${subscript(i + 1)}), reward`,
      min: 0,
      max: 1,
      step: 0.01,
      change: (x) => set({ rewards: model.get("rewards").map((r, a) => (a === i ? x : r)) }),
    }),
  );
  const toRegion = common.button("region", "", () => {
    const now = read(model);
    const { regionAlpha } = gaussianState(now);
    set({ alpha: clamp("alpha", regionAlpha) });
  });
  const regionRow = element(
    "div",
    { class: "rl-row" },
    element("span", { class: "rl-name" }, "Natural step that has the size of the ellipse"),
    toRegion,
  );
  const first = { gaussian: [sliders.bend.node], softmax: [steps[1].node] };
  const own = {
    gaussian: [...["mu", "sigma", "c", "delta"].map((name) => sliders[name].node), steps[0].node, regionRow],
    softmax: [0, 1, 2].flatMap((i) => [probabilities[i].node, rewards[i].node]),
  };
  const leading = element(
    "div",
    { class: "rl-controls rl-leading" },
    ...first.gaussian,
    ...first.softmax,
    sliders.alpha.node,
  );
  const controls = element("div", { class: "rl-controls" }, ...own.gaussian, ...own.softmax);

  // Panels ---------------------------------------------------------------------------------------------------------

  // Two things of which one is seen take the room of the larger: nothing moves when the view changes.
  const stack = (kind, gaussian, softmax) => ({
    node: element("div", { class: `rl-stack ${kind}` }, gaussian, softmax),
    show(view) {
      gaussian.classList.toggle("rl-away", view !== "gaussian");
      softmax.classList.toggle("rl-away", view !== "softmax");
    },
  });
  const keys = (...entries) =>
    element("p", { class: "rl-keys" }, ...entries.map(([kind, text]) => element("span", { class: kind && `rl-key ${kind}` }, text)));
  const legend = stack(
    "rl-legend",
    keys(
      ["rl-key-plain", "Euclidean: step, path, circle dᵀd = 2δ"],
      ["rl-key-improved", "natural: step, path, ellipse dᵀFd = 2δ"],
      ["rl-key-exact", "KL = δ, exact"],
      ["rl-key-level", "equal η"],
      ["", "Drag the policy (dot) and the target c (triangle)."],
    ),
    keys(
      ["rl-key-plain", "Euclidean"],
      ["rl-key-improved", "natural"],
      ["rl-key-exact", "start"],
      ["rl-key-level", "equal η"],
      ["", "Drag the start (dot) in the triangle, and n along the curves."],
    ),
  );
  const holders = [0, 1, 2].map(() => ({
    title: element("p", { class: "rl-title" }),
    gaussian: element("div", { class: "rl-picture" }),
    softmax: element("div", { class: "rl-picture" }),
  }));
  const panels = holders.map(({ title, gaussian, softmax }) =>
    element("div", { class: "rl-panel" }, title, gaussian, softmax),
  );

  // A table of two columns, one a kind; rows: [key, what it says].
  function makeTable(rows) {
    const cells = {};
    const names = rows.map(([key, text]) => {
      cells[key] = KINDS.map((kind) => element("td", { class: `rl-of-${kind}` }));
      const name = element("th", { scope: "row" }, text);
      return { name, row: element("tr", {}, name, ...cells[key]) };
    });
    const head = element(
      "tr",
      {},
      element("td"),
      ...KINDS.map((kind) => element("th", { scope: "col", class: `rl-of-${kind}` }, kind === "natural" ? "natural" : "Euclidean")),
    );
    const node = element(
      "table",
      { class: "rl-table" },
      element("thead", {}, head),
      element("tbody", {}, ...names.map(({ row }) => row)),
    );
    return {
      node,
      show(key, values, say = scientific) {
        KINDS.forEach((kind, i) => {
          const text = say(values[kind]);
          if (cells[key][i].textContent !== text) cells[key][i].textContent = text;
        });
      },
    };
  }
  const gaussianTable = makeTable([
    ["kl", "KL of one step"],
    ["etaStep", "η after one step"],
    ["etaEnd", "η after n steps"],
    ["apart", "gap σ to log σ, one step"],
    ["halved", "… with half of α"],
    ["ratio", "… which divides by"],
    ["pathsApart", "gap σ to log σ, n steps"],
  ]);
  const softmaxTable = makeTable([
    ["kl", "KL of one step"],
    ["etaStep", "η after one step"],
    ["etaEnd", "η after n steps"],
    ["best", "π(best) after n steps"],
    ["half", "steps until that is ½"],
    ["crossing", "closed form (2 actions)"],
  ]);
  const tables = stack("", gaussianTable.node, softmaxTable.node);
  const numbers = element(
    "div",
    { class: "rl-panel" },
    element("p", { class: "rl-title" }, "The numbers"),
    tables.node,
  );

  const { node: foot, announce, say } = common.foot(link, () => linked(read(model), presets[model.get("preset")]));

  const root = element(
    "div",
    { class: "rl rl-two rl-natural", "data-view": "natural-gradient" },
    element(
      "div",
      { class: "rl-grid" },
      presetRow.node,
      element("div", { class: "rl-top" }, chooseView.node, play),
      legend.node,
      ...panels.slice(0, 2),
      leading,
      panels[2],
      numbers,
      controls,
      foot,
    ),
    announce.node,
  );
  keepKeys(root);
  el.append(root);

  const movePolicy = ({ mu, sigma, c }) => {
    const settings = {};
    if (mu !== undefined) settings.mu = clamp("mu", Number(mu.toFixed(3)));
    if (sigma !== undefined) settings.sigma = clamp("sigma", Number(sigma.toFixed(3)));
    if (c !== undefined) settings.c = clamp("c", Number(c.toFixed(3)));
    set(settings);
  };
  const drawPlanes = [false, true].map((log, i) => makePlane(holders[i].gaussian, { log, move: movePolicy }));
  const drawDensities = makeDensities(holders[2].gaussian);
  const drawTriangle = makeTriangle(holders[0].softmax, (p) => set({ start: p }));
  const drawReturns = makeReturns(holders[1].softmax, (steps) => change({ steps }));
  const drawBars = makeBars(holders[2].softmax);

  let sizes = null;
  function draw() {
    if (!sizes) return;
    const now = read(model);
    const { view, preset } = now;
    const gaussian = view === "gaussian";
    for (const { gaussian: one, softmax: other } of holders) {
      one.hidden = !gaussian;
      other.hidden = gaussian;
    }
    const range = RANGES.find((most) => most >= now.steps) ?? LIMITS.steps[1];
    const state = gaussian ? gaussianState(now) : softmaxState(now, range);
    const { kl, etaStep, etaEnd } = state;
    const words = gaussian ? gaussianSentence(now, state) : softmaxSentence(now, state);

    if (gaussian) {
      drawPlanes.forEach((drawPlane) => drawPlane(now, state, sizes.plane));
      drawDensities(now, state, sizes.low);
    } else {
      drawTriangle(now, state, sizes.plane);
      drawReturns(now, state, range, sizes.plane);
      drawBars(now, state, sizes.low);
    }

    presetRow.show(preset);
    chooseView.show(view);
    play.textContent = goal === null ? "Play" : "Pause";
    for (const [name, control] of Object.entries(sliders)) control.show(now[name]);
    for (const control of steps) control.show(now.steps);
    probabilities.forEach((control, i) => control.show(now.start[i]));
    rewards.forEach((control, i) => control.show(now.rewards[i]));
    for (const name of ["gaussian", "softmax"])
      for (const node of [...first[name], ...own[name]]) node.hidden = name !== view;
    legend.show(view);
    tables.show(view);

    const titles = gaussian
      ? ["Seen in (μ, σ)", "Seen in (μ, log σ)", "The policy before and after a step"]
      : ["The triangle of policies", "η after n steps", "The policy at the start and after n steps"];
    holders.forEach(({ title }, i) => title.textContent !== titles[i] && (title.textContent = titles[i]));
    const table = gaussian ? gaussianTable : softmaxTable;
    const number = (x) => (Number.isFinite(x) ? scientific(x) : "no policy");
    table.show("kl", kl, number);
    table.show("etaStep", etaStep, number);
    table.show("etaEnd", etaEnd, number);
    if (gaussian) {
      table.show("apart", state.apart, number);
      table.show("halved", state.halved, number);
      table.show("ratio", both((_, kind) => state.apart[kind] / state.halved[kind]));
      table.show("pathsApart", state.pathsApart, number);
      const alpha = Number(state.regionAlpha.toPrecision(3));
      const reachable = alpha >= LIMITS.alpha[0] && alpha <= LIMITS.alpha[1];
      toRegion.textContent = `Set α to ${format(alpha)}${reachable ? "" : ": too large"}`;
      toRegion.disabled = !reachable;
    } else {
      table.show("best", both((_, kind) => state.ends[kind][state.best]));
      table.show("half", state.half, (n) => (Number.isFinite(n) ? String(n) : `over ${MOST}`));
      table.show("crossing", state.crossing);
    }

    say(words);
    const pair = ({ euclidean, natural }) => [euclidean, natural].join();
    Object.assign(root.dataset, {
      preset,
      shows: view,
      steps: now.steps,
      kl: pair(kl),
      eta: pair(etaEnd),
      ...(gaussian
        ? {
            euclidean: state.paths.euclidean.at(-1).join(),
            natural: state.paths.natural.at(-1).join(),
            apart: pair(state.apart),
            halved: pair(state.halved),
            paths: pair(state.pathsApart),
            region: state.regionAlpha,
          }
        : {
            euclidean: state.ends.euclidean.join(),
            natural: state.ends.natural.join(),
            half: pair(state.half),
            crossing: pair(state.crossing),
          }),
      playing: goal === null ? "" : "play",
    });
  }

  const request = onFrame(draw);
  const stopFollowing = common.follow(model, root, SETTINGS, request, (width) => {
    const [columns, column] = common.columnsIn(width);
    sizes = { plane: column, low: [column, columns === 1 ? 200 : 230] };
    draw();
  });
  return () => {
    stopFollowing();
    clearTimeout(timer);
    announce.stop();
  };
}
