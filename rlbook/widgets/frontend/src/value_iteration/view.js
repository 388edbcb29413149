// ValueIteration: a Bellman operator sweeps a map that the reader edits, or the plane of two states.
import * as common from "../shared/common.js";
import { CURVES, LIMIT, makeErrors, makeMap, makePlane } from "./pictures.js";
import { chips, element, format, keepKeys, onFrame, scientific, slider, subscript, svgElement } from "../shared/controls.js";
import { ARROW_LETTERS, MAP_LETTERS, isMap, remember, spell, unspell } from "../shared/grid_links.js";
import { ARROWS, KINDS } from "../shared/grid_map.js";
import * as numerics from "../shared/grid_numerics.js";

const MAP = ["rows", "cell_rewards", "slip", "gamma", "step_reward", "goal_reward", "pit_reward"];
const PROBLEM = [...MAP, "operator", "alpha", "policy", "other", "Q0", "other_Q0"]; // what the map's sweeps depend on
const PLANE = ["preset", "gamma", "operator", "alpha", "V0"]; // and the plane's
const SETTINGS = [...new Set([...PROBLEM, ...PLANE, "view", "k"])];
const LIMITS = {
  slip: [0, 1],
  gamma: [0, 0.99],
  step_reward: [-100, 100],
  goal_reward: [-100, 100],
  pit_reward: [-100, 100],
  alpha: [0.01, 5],
  k: [0, 1000],
};
const CHOICES = {
  view: ["grid", "plane"],
  operator: ["policy", "optimal", "soft"],
  other: ["optimistic", "pessimistic", "random"],
};
const LARGEST_MAP = [12, 16]; // rows and columns
const RANGES = [120, 240, 480, 1000]; // how far the plot reaches, in sweeps
const DONE = 1e-9; // running stops when the a-posteriori bound is below this
const STEP = 0.5; // what + and − change a cell's reward by

const read = (model) => common.read(model, SETTINGS);

// The map's sweeps: the process, its operator, both runs (as far as they were asked for) and what they tend to.
const sweepMap = () =>
  remember(PROBLEM, (now, before) => {
    const process = numerics.makeGrid(now);
    const operator = { kind: now.operator, alpha: now.alpha, pi: numerics.readPolicy(process, now.policy) };
    const guess = (known) => (known?.length === process.r.length ? known : undefined);
    const best = numerics.fixedPoint(process, { kind: "optimal" }, guess(before?.best.Q));
    const limit = now.operator === "optimal" ? best : numerics.fixedPoint(process, operator, guess(before?.limit));
    const start = (byCell, name) =>
      byCell.length
        ? numerics.fromCells(process, byCell)
        : name
          ? numerics.namedStart(process, name)
          : process.r.map(() => 0);
    return {
      process,
      operator,
      best,
      limit: limit.Q,
      values: limit.V,
      runs: [[start(now.Q0)], [start(now.other_Q0, now.other)]],
      next: (Q) => numerics.applyOperator(process, operator, Q),
      curves: {},
    };
  });

const sweepPlane = (problem) =>
  remember(PLANE, (now) => {
    const process = numerics.makePlane(problem, now.gamma);
    const operator = { kind: now.operator, alpha: now.alpha, pi: process.r.map(() => 1 / process.actions) };
    const best = numerics.fixedPoint(process, { kind: "optimal" });
    const { V } = numerics.fixedPoint(process, operator);
    const next = (from) => numerics.planeImage(process, operator, [from])[0];
    return { process, operator, best, limit: V, values: V, runs: [[now.V0]], next, curves: {} };
  });

// Lengthen the runs to x_0, …, x_k.
function extend(swept, k) {
  for (const run of swept.runs) while (run.length <= k) run.push(swept.next(run.at(-1)));
  return swept;
}

// Error, bounds, distance and greedy correctness for k = 0, …, range; made once a problem and range.
function curvesOf(swept, range) {
  return (swept.curves[range] ??= (() => {
    const { process, runs, limit, best } = extend(swept, range);
    const [run, other] = runs.map((run) => run.slice(0, range + 1));
    const tolerance = numerics.tieTolerance(best.Q);
    const optimal = numerics.greedyActions(process, best.Q, tolerance);
    const live = process.absorbing.filter((absorbing) => !absorbing).length;
    const wrong = run.map((x) => {
      const Q = x.length === limit.length && x.length !== process.size ? x : numerics.lookahead(process, x);
      return numerics.greedyRight(process, Q, optimal, tolerance).filter((right) => !right).length;
    });
    const lastWrong = wrong.findLastIndex((count) => count > 0);
    return {
      ...numerics.errorCurves(run, limit, process.gamma),
      ...(other
        ? {
            otherError: other.map((x) => numerics.distance(x, limit)),
            distance: other.map((x, k) => numerics.distance(x, run[k])),
          }
        : {}),
      wrong,
      live,
      from: lastWrong < range ? lastWrong + 1 : null, // greedy is optimal from this k on; null: not yet at the end
    };
  })());
}

// The first k at which the a-posteriori bound promises `DONE`.
function endOf(swept) {
  const { gamma } = swept.process;
  for (let k = 1; k < LIMITS.k[1]; k++) {
    const run = extend(swept, k).runs[0];
    if ((gamma / (1 - gamma)) * numerics.distance(run[k], run[k - 1]) <= DONE) return k;
  }
  return LIMITS.k[1];
}

// Links ------------------------------------------------------------------------------------------------------------

// Settings from a link, as strings; what makes no sense is passed over.
export function restore(model, asked) {
  common.loadAsked(model, asked);
  const settings = common.askedNumbers(asked, LIMITS);
  if ("k" in settings) settings.k = Math.round(settings.k);
  for (const [name, choices] of Object.entries(CHOICES))
    if (choices.includes(asked[name])) settings[name] = asked[name];
  const rows = asked.map ? unspell(asked.map, MAP_LETTERS) : [];
  if (rows.length && isMap(rows, LARGEST_MAP)) Object.assign(settings, { rows, cell_rewards: [], policy: [], Q0: [], other_Q0: [] });
  const [H, W] = [(settings.rows ?? model.get("rows")).length, (settings.rows ?? model.get("rows"))[0].length];
  const rewards = (asked.rewards ?? "").split(",").map((item) => item.split("_").map(Number));
  if (asked.rewards && rewards.every(([i, j, x]) => i < H && j < W && i >= 0 && j >= 0 && Math.abs(x) <= 100)) {
    settings.cell_rewards = Array.from({ length: H }, () => Array(W).fill(0));
    for (const [i, j, x] of rewards) if (Number.isInteger(i) && Number.isInteger(j)) settings.cell_rewards[i][j] = x;
  }
  const policy = asked.pi ? unspell(asked.pi, ARROW_LETTERS) : [];
  if (policy.length === H && policy.every((row) => row.length === W && /^[\^>v<.]+$/.test(row)))
    settings.policy = policy;
  for (const [name, key] of [
    ["Q0", "q"],
    ["other_Q0", "p"],
  ]) {
    const flat = asked[key] && numerics.decodeFloats(asked[key], H * W * 4);
    if (flat)
      settings[name] = Array.from({ length: H }, (_, i) =>
        Array.from({ length: W }, (_, j) => flat.slice(4 * (i * W + j), 4 * (i * W + j) + 4)),
      );
  }
  const V0 = (asked.v ?? "").split(",").map(Number);
  if (asked.v && V0.length === 2 && V0.every((x) => Math.abs(x) <= 1e4)) settings.V0 = V0;
  common.write(model, settings);
}

// The settings of a link: restore's inverse. Only what is not the preset's own is named.
function linked(now, { settings: own }) {
  const named = [
    "view",
    "slip",
    "gamma",
    "step_reward",
    "goal_reward",
    "pit_reward",
    "operator",
    "alpha",
    "k",
    "other",
  ];
  const differs = (name) => JSON.stringify(now[name]) !== JSON.stringify(own[name]);
  const link = { preset: now.preset, k: now.k };
  for (const name of named) if (differs(name)) link[name] = now[name];
  const map = differs("rows");
  if (map) link.map = spell(now.rows, MAP_LETTERS);
  const rewards = now.cell_rewards.flatMap((row, i) => row.flatMap((x, j) => (x ? [`${i}_${j}_${x}`] : [])));
  if (differs("cell_rewards") || map) link.rewards = rewards.length ? rewards.join() : "0_0_0";
  if (now.policy.length) link.pi = spell(now.policy, ARROW_LETTERS);
  if (now.Q0.length) link.q = numerics.encodeFloats(now.Q0.flat(2));
  if (now.other_Q0.length) link.p = numerics.encodeFloats(now.other_Q0.flat(2));
  if (differs("V0")) link.v = now.V0.join();
  return link;
}

// Words ------------------------------------------------------------------------------------------------------------

const OPERATOR = { policy: "T^π", optimal: "T*", soft: "T_α" };

function sentence(now, { process, values }, curves, range) {
  const { view, operator, k, alpha } = now;
  const soft = operator === "soft" ? ` with α = ${format(alpha)}` : "";
  const letter = view === "plane" ? "V" : "Q";
  const _limit = `${letter}${LIMIT[operator]}`;
  const done = `After ${k} ${k === 1 ? "sweep" : "sweeps"} of ${OPERATOR[operator]}${soft} (γ = ${format(process.gamma)}) `;
  const { error, posterior, bracket, wrong, live, from } = curves;
  const bound = k
    ? `the a-posteriori bound says at most ${scientific(posterior[k])}, and the bracket is ${scientific(bracket[k])} wide`
    : "no sweep has bounded it yet";
  const right = live - wrong[k];
  const since = right === live && from !== null && from <= k ? `, since k = ${from}` : "";
  const near = error.findIndex((e) => e <= 0.01);
  const close =
    near >= 0 ? `within 0.01 ${near <= k ? "since" : "only from"} k = ${near}` : `within 0.01 not before k = ${range}`;
  const largest = numerics.largest(values);
  return `${done}the largest error is ${scientific(error[k])}, beside values up to ${format(largest)}; ${bound}. The greedy policy is optimal in ${right} of ${live} states${since}; every value is ${close}.`;
}

// The view ---------------------------------------------------------------------------------------------------------

// Text in which ^π and _α become a superscript and a subscript, as nodes.
const raised = (text) =>
  text
    .split(/([\^_][πα])/)
    .map((part) =>
      part[0] === "^" ? element("sup", {}, part[1]) : part[0] === "_" ? element("sub", {}, part[1]) : part,
    );
const operatorName = (kind) => element("span", {}, ...raised(OPERATOR[kind]));

export function render({ model, el, link }) {
  const presets = model.get("_presets");
  const problemOf = presets.plane.problem;
  const [mapSweeps, planeSweeps] = [sweepMap(), sweepPlane(problemOf)];
  const sweptOf = (now) => (now.view === "plane" ? planeSweeps(now) : mapSweeps(now));
  const set = (settings) => common.write(model, settings);

  // A change of the problem keeps what the sweeps have found: Q_k becomes Q_0. The plane keeps its V_0 and k.
  function carried(now) {
    if (now.view === "plane" || !now.k) return {};
    const { process, runs } = extend(mapSweeps(now), now.k);
    const [Q0, other_Q0] = runs.map((run) => numerics.toCells(process, run[now.k]));
    return { k: 0, Q0, other_Q0 };
  }
  const edit = (settings) => set({ ...carried(read(model)), ...settings });

  // Use a tool on a cell. What it painted is given back, for the cells that the stroke goes on to.
  function apply(tool, [i, j]) {
    const now = read(model);
    const here = now.rows[i][j];
    if (tool === "look") return null;
    const [H, W] = [now.rows.length, now.rows[0].length];
    const rewards = Array.from({ length: H }, (_, a) =>
      Array.from({ length: W }, (_, b) => now.cell_rewards[a]?.[b] ?? 0),
    );
    if (tool === "plus" || tool === "minus") {
      if (here === "#") return tool;
      const reward = rewards[i][j] + (tool === "plus" ? STEP : -STEP);
      rewards[i][j] = Math.min(100, Math.max(-100, Number(reward.toFixed(6))));
      edit({ cell_rewards: rewards });
      return tool;
    }
    const [kind, toggles] = tool.startsWith("=") ? [tool.slice(1), false] : [tool, true];
    const paint = toggles && here === kind ? "." : kind; // the same tool again takes it away
    const rows = now.rows.map((row, a) => (a === i ? row.slice(0, j) + paint + row.slice(j + 1) : row));
    if (paint === here && !rewards[i][j]) return `=${paint}`;
    if (!isMap(rows, LARGEST_MAP)) {
      announce.say("The map needs a free cell to start from.");
      return null;
    }
    const settings = { rows };
    if ((paint === "#" || paint === ".") && rewards[i][j]) {
      rewards[i][j] = 0;
      settings.cell_rewards = rewards;
    }
    edit(settings);
    return `=${paint}`;
  }

  // Time -----------------------------------------------------------------------------------------------------------

  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let timer = 0;
  let running = null; // null, "play" or "run"
  function stop() {
    clearTimeout(timer);
    running = null;
    request();
  }
  function tick() {
    const now = read(model);
    const swept = sweptOf(now);
    const end = endOf(swept);
    if (now.k >= end) return stop();
    const ahead = end - now.k;
    set({ k: now.k + (running === "play" ? 1 : still.matches ? ahead : Math.max(1, Math.ceil(ahead / 10))) });
    timer = setTimeout(tick, running === "run" ? 40 : still.matches ? 700 : 160);
  }
  function start(how) {
    if (running === how) return stop();
    clearTimeout(timer);
    running = how;
    tick();
    request();
  }
  const step = () => {
    stop();
    set({ k: Math.min(LIMITS.k[1], model.get("k") + 1) });
  };
  const restart = () => {
    stop();
    set({ k: 0, Q0: [], other_Q0: [] });
  };
  const play = common.button("play", "Play", () => start("play"));
  const transport = element(
    "div",
    { class: "rl-chips rl-transport", role: "group", "aria-label": "Sweeps" },
    common.button("step", "Step", step),
    play,
    common.button("run", "To the end", () => start("run")),
    common.button("restart", "Restart", restart),
  );

  // Controls -------------------------------------------------------------------------------------------------------

  const presetRow = common.presetRow(model, { stop });
  const chooseView = chips(
    "View",
    [
      ["grid", "Map"],
      ["plane", "Two-state plane"],
    ],
    (view) => {
      const now = read(model);
      if (view === now.view) return;
      stop();
      set({ k: 0, ...carried(now), view });
    },
  );
  const chooseOperator = chips(
    "Operator",
    CHOICES.operator.map((kind) => [kind, operatorName(kind)]),
    (operator) => edit({ operator }),
  );
  const chooseTool = chips(
    "Tool",
    [
      ["look", "Look"],
      ["#", "Wall"],
      ["G", "Goal"],
      ["P", "Pit"],
      ["S", "Start"],
      [".", "Free"],
      ["plus", "+½"],
      ["minus", "−½"],
    ],
    (tool) => {
      map.choose(tool);
      chooseTool.show(tool);
    },
  );
  const choosePolicy = chips(
    "Policy π",
    [
      ["uniform", "uniform"],
      ["greedy", "the greedy one of now"],
    ],
    (name) => {
      const now = read(model);
      if (name === "uniform") return edit({ policy: [], operator: "policy" });
      if (now.view === "plane") return;
      const swept = extend(mapSweeps(now), now.k);
      const tolerance = numerics.tieTolerance(swept.best.Q);
      edit({ policy: numerics.writeGreedy(swept.process, swept.runs[0][now.k], tolerance), operator: "policy" });
    },
  );
  const chooseOther = chips(
    "Second start",
    CHOICES.other.map((name) => [name, name]),
    (other) => {
      stop();
      set({ other, other_Q0: [], k: 0 });
    },
  );
  const sweepsDone = slider({
    label: "k, sweeps done",
    min: 0,
    max: LIMITS.k[1],
    step: 1,
    clean: Math.round,
    change: (k) => set({ k }),
  });
  const gamma = slider({ label: "γ, discount", min: 0, max: 0.99, step: 0.01, change: (x) => edit({ gamma: x }) });
  const slip = slider({
    label: "slip, chance of going aside",
    min: 0,
    max: 1,
    step: 0.01,
    change: (x) => edit({ slip: x }),
  });
  const alpha = slider({
    label: "α, temperature of the soft operator",
    min: 0.01,
    max: 5,
    step: 0.01,
    toSlider: Math.log10,
    fromSlider: (x) => Number((10 ** x).toPrecision(3)),
    change: (x) => edit({ alpha: x }),
  });
  const stepReward = slider({
    label: "reward of every step",
    min: -2,
    max: 1,
    step: 0.01,
    change: (x) => edit({ step_reward: x }),
  });
  const startAt = [0, 1].map((i) =>
    slider({
      label: `V₀(s${subscript(i + 1)}), where it starts`,
      min: -20,
      max: 20,
      step: 0.1,
      change: (x) => set({ V0: model.get("V0").map((v, j) => (i === j ? x : v)), k: 0 }),
    }),
  );
  const row = (name, node) =>
    element("div", { class: "rl-row" }, element("span", { class: "rl-name" }, ...raised(name)), node);
  const [policyRow, otherRow] = [row("Policy π of T^π", choosePolicy.node), row("Second start, Q′₀", chooseOther.node)];
  const controls = element(
    "div",
    { class: "rl-controls" },
    sweepsDone.node,
    gamma.node,
    slip.node,
    stepReward.node,
    ...startAt.map(({ node }) => node),
    alpha.node,
    policyRow,
    otherRow,
  );

  // Panels ---------------------------------------------------------------------------------------------------------

  const mapTitle = element("p", { class: "rl-title" });
  const mapHolder = element("div", { class: "rl-picture rl-map-holder" });
  const planeHolder = element("div", { class: "rl-picture" });
  const hint = element("p", { class: "rl-keys rl-hint" });
  const mapPanel = element(
    "div",
    { class: "rl-panel" },
    mapTitle,
    chooseTool.node,
    mapHolder,
    planeHolder,
    hint,
    transport,
  );
  const errorsHolder = element("div", { class: "rl-picture" });
  const errorsTitle = element("p", { class: "rl-title" });
  const readout = element("dl", { class: "rl-readout" });
  const rowsOf = Object.fromEntries(
    [...CURVES.map(([name, kind]) => [name, kind]).reverse(), ["right", null]].map(([name, kind]) => {
      const swatch = svgElement("svg", { width: 26, height: 10, "aria-hidden": "true" });
      swatch.append(
        kind
          ? svgElement("path", { class: kind, d: "M1,5h24" })
          : svgElement("path", { class: "rl-strip rl-strip-done", d: "M1,9V4l8,-3h16V9Z" }),
      );
      const [term, value] = [element("span"), element("dd")];
      readout.append(element("div", {}, element("dt", {}, swatch, term), value));
      return [name, { term, value }];
    }),
  );
  const errorsPanel = element("div", { class: "rl-panel" }, errorsTitle, errorsHolder, readout);
  const equation = element("div", { class: "rl-equation" });

  const { node: foot, said, announce } = common.foot(link, () => linked(read(model), presets[model.get("preset")]));

  const root = element(
    "div",
    { class: "rl rl-two", "data-view": "value-iteration" },
    element(
      "div",
      { class: "rl-grid" },
      presetRow.node,
      element("div", { class: "rl-top" }, chooseView.node, chooseOperator.node),
      mapPanel,
      equation,
      errorsPanel,
      controls,
      foot,
    ),
    announce.node,
  );
  keepKeys(root);
  el.append(root);

  const shownTerms = {};
  let pointed = null; // the cell under the pointer
  let chosen = null; // the cell last touched or focused
  const map = makeMap(mapHolder, {
    apply,
    point(at, passing = false) {
      if (passing) pointed = at;
      else chosen = at;
      request();
    },
  });
  const drawPlane = makePlane(planeHolder, (V0) => (V0 ? set({ V0, k: 0 }) : request()));
  const drawErrors = makeErrors(errorsHolder, (k) => {
    stop();
    set({ k });
  });
  chooseTool.node.classList.add("rl-tools");
  map.choose("look");
  chooseTool.show("look");

  // The backup of the pointed cell, or of the plane's two states, with its numbers.
  function explain({ view, rows, operator, k, gamma, alpha }, { process, operator: T }, V, at) {
    const name = `Q${subscript(k + 1)}`;
    const how = { policy: "Σ π Q", optimal: "max Q", soft: "α log Σ exp(Q/α)" }[operator];
    const line = (text, strong) => element("p", strong ? { class: "rl-strong" } : {}, text);
    const write = (lhs, { reward, terms, value }) =>
      `${lhs} = ${format(reward)} + ${format(gamma)}·(${terms.map(([p, , v]) => `${format(p)}·${v < 0 ? `(${format(v)})` : format(v)}`).join(" + ")}) = ${format(value)}`;
    const next = numerics.stateValues(process, T, numerics.lookahead(process, V));
    if (view === "plane") {
      const lines = [0, 1].flatMap((s) => {
        const backups = [0, 1].map((a) => ({
          reward: process.r[2 * s + a],
          terms: process.P[2 * s + a].map((p, to) => [p, to, V[to]]),
          value: numerics.lookahead(process, V)[2 * s + a],
        }));
        return [
          ...backups.map((backup, a) => line(write(`${name}(s${subscript(s + 1)}, a${subscript(a + 1)})`, backup))),
          line(`V${subscript(k + 1)}(s${subscript(s + 1)}) = ${how} = ${format(next[s])}; now ${format(V[s])}`, true),
        ];
      });
      return [line("The next sweep:"), ...lines];
    }
    const [i, j] = at;
    const s = process.stateAt[i][j];
    const place = `Row ${i + 1}, column ${j + 1} (${KINDS[rows[i][j]]})`;
    if (s < 0) return [line(`${place}: no state. A step into a wall stays where it is.`)];
    if (process.absorbing[s]) {
      return [
        line(
          `${place}: entering it earns ${format(process.entering[s])} besides the step's own reward. It is never left and earns nothing then${operator === "soft" ? " but its entropy" : ""}; its value is ${format(V[s])}.`,
        ),
      ];
    }
    const backups = numerics.backup(process, V, s);
    const best = Math.max(...backups.map(({ value }) => value));
    return [
      line(`${place}, the next sweep:`),
      ...backups.map((backup, a) => line(write(`${name}(s, ${ARROWS[a]})`, backup), backup.value >= best - 1e-12)),
      line(
        `V${subscript(k + 1)}(s) = ${how}${operator === "soft" ? `, α = ${format(alpha)},` : ""} = ${format(next[s])}; now V${subscript(k)}(s) = ${format(V[s])}`,
        true,
      ),
    ];
  }

  // A cell for the equation when none was pointed at: the first start, or the first free cell.
  function firstCell({ rows }) {
    for (const kind of ["S", "."]) {
      const i = rows.findIndex((row) => row.includes(kind));
      if (i >= 0) return [i, rows[i].indexOf(kind)];
    }
    return [0, 0];
  }

  let sizes = null;
  let resting = 0;
  let spoken;
  function draw() {
    if (!sizes) return;
    const now = read(model);
    const { view, k, operator, preset, rows } = now;
    const plane = view === "plane";
    const range = RANGES.find((most) => most >= k) ?? LIMITS.k[1];
    const swept = extend(sweptOf(now), k);
    const curves = curvesOf(swept, range);
    const { process, runs } = swept;
    const x = runs[0][k];
    const V = plane ? x : numerics.stateValues(process, swept.operator, x);
    const inside = (at) => at && at[0] < rows.length && at[1] < rows[0].length;
    const at = [pointed, chosen].find(inside) ?? firstCell(now);

    mapHolder.hidden = plane;
    planeHolder.hidden = !plane;
    chooseTool.node.hidden = plane;
    if (plane) drawPlane(now, swept, sizes.plane);
    else {
      const tolerance = numerics.tieTolerance(swept.best.Q);
      const optimal = (swept.optimal ??= numerics.greedyActions(process, swept.best.Q, tolerance));
      let weights = swept.operator.pi;
      if (operator === "soft") weights = numerics.softPolicy(process, x, now.alpha);
      if (operator === "optimal") weights = numerics.greedyActions(process, x, tolerance);
      const right = operator === "optimal" ? numerics.greedyRight(process, x, optimal, tolerance) : null;
      map.draw(now, swept, V, weights, right, at, sizes.picture);
      clearTimeout(resting);
      resting = setTimeout(() => map.describe(now, swept, V, weights), 400);
    }
    const picture = drawErrors(now, curves, range, sizes.errors);

    presetRow.show(preset);
    chooseView.show(view);
    chooseOperator.show(operator);
    chooseOther.show(now.other_Q0.length ? null : now.other);
    choosePolicy.show(now.policy.length ? "greedy" : "uniform");
    play.textContent = running === "play" ? "Pause" : "Play";
    sweepsDone.limit(0, range, LIMITS.k[1]);
    sweepsDone.show(k);
    for (const [control, value] of [
      [gamma, now.gamma],
      [slip, now.slip],
      [alpha, now.alpha],
      [stepReward, now.step_reward],
    ])
      control.show(value);
    startAt.forEach((control, i) => control.show(now.V0[i]));
    for (const { node } of [slip, stepReward]) node.hidden = plane;
    for (const { node } of startAt) node.hidden = !plane;
    alpha.enable(operator === "soft");
    for (const node of [policyRow, otherRow]) node.classList.toggle("rl-away", plane);

    const [letter, limit] = plane ? ["V", `V${LIMIT[operator]}`] : ["Q", `Q${LIMIT[operator]}`];
    mapTitle.textContent = plane
      ? "The square around the limit"
      : {
          policy: "Values V of Qₖ, and π",
          optimal: "Values V of Qₖ, and its greedy policy",
          soft: "Values V of Qₖ, and its soft policy",
        }[operator];
    hint.textContent = plane
      ? "Drag V₀. Blue: what T makes of the square. Dashed: the square γ times smaller, which holds it."
      : "Click, drag or tap with a tool. Keys: arrows, Enter; w wall, g goal, p pit, s start, f free, + − reward.";
    errorsTitle.textContent = `Error after ${k} ${k === 1 ? "sweep" : "sweeps"}: ${scientific(curves.error[k])}`;
    const terms = {
      error: `error ‖${letter}ₖ − ${limit}‖`,
      bracket: "bracket, γ/(1−γ)·(max Δ−min Δ)",
      otherError: `error from the second start`,
      distance: "distance of the two runs",
      posterior: `a-posteriori bound, γ/(1−γ)·‖Δ‖`,
      envelope: `envelope γᵏ‖${letter}₀ − ${limit}‖`,
      prior: `a-priori bound, γᵏ/(1−γ)·‖${letter}₁ − ${letter}₀‖`,
      right: "greedy policy optimal in",
    };
    for (const [name, { term, value }] of Object.entries(rowsOf)) {
      const text =
        name === "right" ? `${curves.live - curves.wrong[k]} of ${curves.live}` : scientific(curves[name]?.[k]);
      if (shownTerms[name] !== terms[name]) term.replaceChildren(...raised((shownTerms[name] = terms[name])));
      if (value.textContent !== text) value.textContent = text;
    }
    equation.replaceChildren(...explain(now, swept, V, at));

    const words = sentence(now, swept, curves, range);
    if (spoken !== words) {
      spoken = words;
      said.replaceChildren(...raised(words));
      announce.say(words);
    }
    const label = `Error and bounds against the number of sweeps. ${words}`;
    if (picture.getAttribute("aria-label") !== label) picture.setAttribute("aria-label", label);
    const at_k = (name) => curves[name]?.[k] ?? "";
    Object.assign(root.dataset, {
      preset,
      shows: view,
      k,
      v: V.join(),
      error: at_k("error"),
      envelope: at_k("envelope"),
      prior: at_k("prior"),
      posterior: at_k("posterior"),
      bracket: at_k("bracket"),
      distance: at_k("distance"),
      right: curves.live - curves.wrong[k],
      playing: running ?? "",
    });
  }

  const request = onFrame(draw);
  const stopFollowing = common.follow(model, root, SETTINGS, request, (width) => {
    const [columns, column] = common.columnsIn(width);
    const height = columns === 1 ? 290 : 340;
    // The plane takes the place of the map and of its tools, so that nothing moves.
    const hidden = chooseTool.node.hidden;
    chooseTool.node.hidden = false;
    const plane = height + chooseTool.node.getBoundingClientRect().height;
    chooseTool.node.hidden = hidden;
    mapHolder.style.height = `${height}px`;
    planeHolder.style.height = `${plane}px`;
    sizes = {
      picture: [column, height],
      plane: [column, Math.floor(plane)],
      errors: [column, columns === 1 ? 260 : 300],
    };
    draw();
  });
  return () => {
    stopFollowing();
    clearTimeout(timer);
    clearTimeout(resting);
    announce.stop();
  };
}
