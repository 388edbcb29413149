// ValueIteration: a Bellman operator sweeps a map that the reader edits, or the plane of two states.
import { ARROWS, KINDS, makeCells, pointing } from "../shared/cells.js";
import * as common from "../shared/common.js";
import { chips, element, format, label, panel, readout, row, scientific, subscript, tell } from "../shared/controls.js";
import { askedMap, isMap, linkedMap, MAP, remember } from "../shared/grid_links.js";
import * as numerics from "../shared/grid_numerics.js";
import { brief, CURVES, LETTERS, LIMIT, makeErrors, makePlane, signed } from "./pictures.js";

const PROBLEM = [...MAP, "operator", "alpha", "policy", "other", "Q0", "other_Q0"]; // what the map's sweeps depend on
const PLANE = ["preset", "gamma", "operator", "alpha", "V0"]; // and the plane's
const RANGES = [120, 240, 480]; // how far the plot reaches, in sweeps, before all of them
const DONE = 1e-9; // running stops when the a-posteriori bound is below this
const STEP = 0.5; // what + and − change a cell's reward by

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
  swept.curves[range] ??= makeCurves(extend(swept, range), range);
  return swept.curves[range];
}

function makeCurves({ process, runs, limit, best }, range) {
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
}

// The first k at which the a-posteriori bound promises `DONE`.
function endOf(swept, most) {
  const { gamma } = swept.process;
  for (let k = 1; k < most; k++) {
    const run = extend(swept, k).runs[0];
    if ((gamma / (1 - gamma)) * numerics.distance(run[k], run[k - 1]) <= DONE) return k;
  }
  return most;
}

// Links ------------------------------------------------------------------------------------------------------------

const POLICIES = { policy: "pi" };
const CALLED = { V0: "v" };
const STARTS = { Q0: "q", other_Q0: "p" };

// Settings from a link, as strings; what makes no sense is passed over.
/** @param {common.Model} model @param {common.Asked} asked */
export function restore(model, asked) {
  common.loadAsked(model, asked);
  const settings = askedMap(model, asked, POLICIES, { called: CALLED, emptied: Object.keys(STARTS) });
  const rows = settings.rows ?? model.get("rows");
  const [H, W] = [rows.length, rows[0].length];
  for (const [name, letter] of Object.entries(STARTS)) {
    const flat = asked[letter] && numerics.decodeFloats(asked[letter], H * W * 4);
    if (!flat) continue;
    const cell = (i, j) => flat.slice(4 * (i * W + j), 4 * (i * W + j) + 4);
    settings[name] = Array.from({ length: H }, (_, i) => Array.from({ length: W }, (_, j) => cell(i, j)));
  }
  common.write(model, settings);
}

// The settings of a link: restore's inverse.
function linked(model) {
  const link = linkedMap(model, POLICIES, { called: CALLED, always: ["k"] });
  for (const [name, letter] of Object.entries(STARTS))
    if (model.get(name).length) link[letter] = numerics.encodeFloats(model.get(name).flat(2));
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

const MAP_TITLES = {
  policy: "Values V of Qₖ, and π",
  optimal: "Values V of Qₖ, and its greedy policy",
  soft: "Values V of Qₖ, and its soft policy",
};
const HINTS = {
  plane: "Drag V₀. Blue: what T makes of the square. Dashed: the square γ times smaller, which holds it.",
  grid: "Click, drag or tap with a tool. Keys: arrows, Enter; w wall, g goal, p pit, s start, f free, + − reward.",
};

// What the numbers beside the curves are called.
function termsOf(view, operator) {
  const letter = view === "plane" ? "V" : "Q";
  const limit = `${letter}${LIMIT[operator]}`;
  return {
    error: `error ‖${letter}ₖ − ${limit}‖`,
    bracket: "bracket, γ/(1−γ)·(max Δ−min Δ)",
    otherError: "error from the second start",
    distance: "distance of the two runs",
    posterior: "a-posteriori bound, γ/(1−γ)·‖Δ‖",
    envelope: `envelope γᵏ‖${letter}₀ − ${limit}‖`,
    prior: `a-priori bound, γᵏ/(1−γ)·‖${letter}₁ − ${letter}₀‖`,
    right: "greedy policy optimal in",
  };
}

// What stands in each cell of the map: its letter, its reward, its value and the tint of that.
function looks({ rows, cell_rewards: rewards }, { process, values }, V) {
  const top = Math.max(numerics.largest(values), 1e-9);
  return (i, j, s, size) => {
    if (s < 0) return {};
    const kind = rows[i][j];
    const ends = kind === "G" || kind === "P";
    const extra = ends ? process.entering[s] : (rewards[i]?.[j] ?? 0);
    const worth = ends ? process.entering[s] : V[s];
    return {
      title: ends || kind === "S" ? kind : "",
      extra: extra || ends ? signed(extra) : "",
      value: size < 28 ? "" : brief(V[s]),
      tint: [worth < 0 ? "rl-below" : "rl-above", ends ? worth && 0.42 : Math.min(1, Math.abs(worth) / top) * 0.42],
    };
  };
}

const TOOLS = {
  look: "Look",
  "#": "Wall",
  G: "Goal",
  P: "Pit",
  S: "Start",
  ".": "Free",
  plus: "+½",
  minus: "−½",
};

// The backup of the pointed cell, or of the plane's two states, with its numbers.
function explain({ view, rows, operator, k, gamma, alpha }, { process, operator: T }, V, at) {
  const name = `Q${subscript(k + 1)}`;
  const how = { policy: "Σ π Q", optimal: "max Q", soft: "α log Σ exp(Q/α)" }[operator];
  const line = (text, strong) => element("p", strong ? { class: "rl-strong" } : {}, text);
  const backupOf = (lhs, { reward, terms, value }) =>
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
        ...backups.map((backup, a) => line(backupOf(`${name}(s${subscript(s + 1)}, a${subscript(a + 1)})`, backup))),
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
        `${place}: entering it earns ${format(process.entering[s])} besides the step's own reward, and ends the episode; its value is ${format(V[s])}.`,
      ),
    ];
  }
  const backups = numerics.backup(process, V, s);
  const best = Math.max(...backups.map(({ value }) => value));
  return [
    line(`${place}, the next sweep:`),
    ...backups.map((backup, a) => line(backupOf(`${name}(s, ${ARROWS[a]})`, backup), backup.value >= best - 1e-12)),
    line(
      `V${subscript(k + 1)}(s) = ${how}${operator === "soft" ? `, α = ${format(alpha)},` : ""} = ${format(next[s])}; now V${subscript(k)}(s) = ${format(V[s])}`,
      true,
    ),
  ];
}

/** @param {common.Place} place */
export function render({ model, el, link }) {
  const [mapSweeps, planeSweeps] = [sweepMap(), sweepPlane(model.get("_presets").plane.problem)];
  const sweptOf = (now) => (now.view === "plane" ? planeSweeps(now) : mapSweeps(now));
  const set = (settings) => common.write(model, settings);
  const read = () => common.read(model);
  const [, most] = common.limits(model, "k");

  // A change of the problem keeps what the sweeps have found: Q_k becomes Q_0. The plane keeps its V_0 and k.
  function carried(now) {
    if (now.view === "plane" || !now.k) return {};
    const { process, runs } = extend(mapSweeps(now), now.k);
    const [Q0, other_Q0] = runs.map((run) => numerics.toCells(process, run[now.k]));
    return { k: 0, Q0, other_Q0 };
  }
  const edit = (settings) => set({ ...carried(read()), ...settings });

  // Use a tool on a cell. What it painted is given back, for the cells that the stroke goes on to.
  function apply(tool, [i, j]) {
    const now = read();
    const here = now.rows[i][j];
    const [H, W] = [now.rows.length, now.rows[0].length];
    const rewards = Array.from({ length: H }, (_, a) =>
      Array.from({ length: W }, (_, b) => now.cell_rewards[a]?.[b] ?? 0),
    );
    if (tool === "plus" || tool === "minus") {
      if (here === "#") return tool;
      const [low, high] = common.limits(model, "cell_rewards");
      const reward = rewards[i][j] + (tool === "plus" ? STEP : -STEP);
      rewards[i][j] = Math.min(high, Math.max(low, Number(reward.toFixed(6))));
      edit({ cell_rewards: rewards });
      return tool;
    }
    const [kind, toggles] = tool.startsWith("=") ? [tool.slice(1), false] : [tool, true];
    const paint = toggles && here === kind ? "." : kind; // the same tool again takes it away
    const rows = now.rows.map((row, a) => (a === i ? row.slice(0, j) + paint + row.slice(j + 1) : row));
    if (paint === here && !rewards[i][j]) return `=${paint}`;
    if (!isMap(model, rows)) {
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

  const player = common.player(
    (how) => {
      const now = read();
      const ahead = endOf(sweptOf(now), most) - now.k;
      if (ahead <= 0) return undefined;
      const still = common.motion.matches;
      set({ k: now.k + (how === "play" ? 1 : still ? ahead : Math.max(1, Math.ceil(ahead / 10))) });
      return how === "run" ? 40 : still ? 700 : 160;
    },
    () => request(),
  );
  const halted = (settings) => () => {
    player.stop();
    set(settings());
  };
  const transport = element(
    "div",
    { class: "rl-chips rl-transport", role: "group", "aria-label": "Sweeps" },
    common.button(
      "step",
      "Step",
      halted(() => ({ k: Math.min(most, model.get("k") + 1) })),
    ),
    player.node,
    common.button("run", "To the end", () => player.start("run")),
    common.button(
      "restart",
      "Restart",
      halted(() => ({ k: 0, Q0: [], other_Q0: [] })),
    ),
  );

  // Controls -------------------------------------------------------------------------------------------------------

  const presetRow = common.presetRow(model, player);
  const chooseView = chips("View", { grid: "Map", plane: "Two-state plane" }, (view) => {
    const now = read();
    if (view === now.view) return;
    player.stop();
    set({ k: 0, ...carried(now), view });
  });
  const operators = common.choices(model, "operator").map((kind) => [kind, operatorName(kind)]);
  const chooseOperator = chips("Operator", operators, (operator) => edit({ operator }));
  const chooseTool = chips("Tool", TOOLS, (tool) => {
    map.choose(tool);
    chooseTool.show(tool);
  });
  const choosePolicy = chips("Policy π", { uniform: "uniform", greedy: "the greedy one of now" }, (name) => {
    const now = read();
    if (name === "uniform") return edit({ policy: [], operator: "policy" });
    if (now.view === "plane") return;
    const swept = extend(mapSweeps(now), now.k);
    const tolerance = numerics.tieTolerance(swept.best.Q);
    edit({ policy: numerics.writeGreedy(swept.process, swept.runs[0][now.k], tolerance), operator: "policy" });
  });
  const starts = common.choices(model, "other").map((name) => [name, name]);
  const chooseOther = chips("Second start", starts, (other) => {
    player.stop();
    set({ other, other_Q0: [], k: 0 });
  });
  const sweepsDone = common.settingSlider(model, "k", "k, sweeps done");
  const sliders = common.settingSliders(
    model,
    {
      gamma: "γ, discount",
      slip: "slip, chance of going aside",
      step_reward: "reward of every step",
      alpha: "α, temperature of the soft operator",
    },
    edit,
  );
  const startAt = common.listSliders(
    model,
    "V0",
    [0, 1].map((i) => `V₀(s${subscript(i + 1)}), where it starts`),
    (V0) => set({ V0, k: 0 }),
  );
  const [policyRow, otherRow] = [
    row(raised("Policy π of T^π"), choosePolicy.node),
    row("Second start, Q′₀", chooseOther.node),
  ];
  const controls = element(
    "div",
    { class: "rl-controls" },
    sweepsDone.node,
    ...["gamma", "slip", "step_reward"].map((name) => sliders[name].node),
    ...startAt.map(({ node }) => node),
    sliders.alpha.node,
    policyRow,
    otherRow,
  );

  // Panels ---------------------------------------------------------------------------------------------------------

  const hint = element("p", { class: "rl-keys rl-hint" });
  const mapPanel = panel("", chooseTool.node);
  const planeHolder = element("div", { class: "rl-picture" });
  mapPanel.holder.classList.add("rl-map-holder");
  mapPanel.node.append(planeHolder, hint, transport);
  const errorsPanel = panel("");
  const numbers = readout({
    ...Object.fromEntries(CURVES.map(([name, kind]) => [name, [{ class: kind, d: "M1,5h24" }]]).reverse()),
    right: [{ class: "rl-strip rl-strip-done", d: "M1,9V4l8,-3h16V9Z" }],
  });
  errorsPanel.node.append(numbers.node);
  const equation = element("div", { class: "rl-equation" });
  const { node: foot, announce, say } = common.foot(link, () => linked(model));
  const choosers = element("div", { class: "rl-top" }, chooseView.node, chooseOperator.node);
  const root = common.stage(el, {
    kind: "rl-two",
    view: "value-iteration",
    parts: [presetRow.node, choosers, mapPanel.node, equation, errorsPanel.node, controls, foot],
    announce,
  });

  const shownTerms = {};
  const { point, at: placeOf } = pointing(() => request());
  const map = makeCells(mapPanel.holder, {
    label: "The map: arrow keys move, Enter uses the chosen tool",
    keys: LETTERS,
    paint: apply,
    point,
    rise: 0.45,
  });
  const drawPlane = makePlane(planeHolder, (V0) => (V0 ? set({ V0, k: 0 }) : request()));
  const drawErrors = makeErrors(errorsPanel.holder, (k) => {
    player.stop();
    set({ k });
  });
  chooseTool.node.classList.add("rl-tools");
  chooseTool.show("look");

  const resting = common.later(400, (rows, say) => map.describe(rows, say));
  function draw(sizes) {
    const now = read();
    const { view, k, operator, preset, rows } = now;
    const plane = view === "plane";
    const range = RANGES.find((end) => end >= k) ?? most;
    const swept = extend(sweptOf(now), k);
    const curves = curvesOf(swept, range);
    const { process, runs } = swept;
    const x = runs[0][k];
    const V = plane ? x : numerics.stateValues(process, swept.operator, x);
    const at = placeOf(rows);

    mapPanel.holder.hidden = plane;
    planeHolder.hidden = !plane;
    chooseTool.node.hidden = plane;
    if (plane) drawPlane(now, swept, sizes.plane);
    else {
      const tolerance = numerics.tieTolerance(swept.best.Q);
      swept.optimal ??= numerics.greedyActions(process, swept.best.Q, tolerance);
      let weights = swept.operator.pi;
      if (operator === "soft") weights = numerics.softPolicy(process, x, now.alpha);
      if (operator === "optimal") weights = numerics.greedyActions(process, x, tolerance);
      const right = operator === "optimal" ? numerics.greedyRight(process, x, swept.optimal, tolerance) : null;
      const wrong = (s) => right !== null && !right[s];
      map.draw(
        {
          rows,
          stateAt: process.stateAt,
          absorbing: process.absorbing,
          look: looks(now, swept, V),
          policies: [
            ["", weights, (s) => !wrong(s)],
            ["rl-wrong", weights, wrong],
          ],
          at,
          largest: 72,
        },
        sizes.picture,
      );
      resting.ask(rows, ([i, j]) => {
        const s = process.stateAt[i]?.[j] ?? -1;
        if (s < 0) return "";
        const best = ARROWS.filter((_, a) => weights[4 * s + a] > 0.3).join(" ") || "all directions";
        return `value ${brief(V[s])}${process.absorbing[s] ? "" : `, ${best}`}`;
      });
    }
    const picture = drawErrors(now, curves, range, sizes.errors);

    presetRow.show(preset);
    chooseView.show(view);
    chooseOperator.show(operator);
    chooseOther.show(now.other_Q0.length ? null : now.other);
    choosePolicy.show(now.policy.length ? "greedy" : "uniform");
    player.show();
    sweepsDone.limit(0, range, most);
    sweepsDone.show(k);
    for (const [name, control] of Object.entries(sliders)) control.show(now[name]);
    for (const [i, control] of startAt.entries()) control.show(now.V0[i]);
    for (const name of ["slip", "step_reward"]) sliders[name].node.hidden = plane;
    for (const { node } of startAt) node.hidden = !plane;
    sliders.alpha.enable(operator === "soft");
    for (const node of [policyRow, otherRow]) node.classList.toggle("rl-away", plane);

    tell(mapPanel.title, plane ? "The square around the limit" : MAP_TITLES[operator]);
    tell(hint, HINTS[view]);
    tell(errorsPanel.title, `Error after ${common.count(k, "sweep")}: ${scientific(curves.error[k])}`);
    const terms = termsOf(view, operator);
    for (const [name, { term, value }] of Object.entries(numbers.parts)) {
      tell(
        value,
        name === "right" ? `${curves.live - curves.wrong[k]} of ${curves.live}` : scientific(curves[name]?.[k]),
      );
      if (shownTerms[name] !== terms[name]) term.replaceChildren(...raised(terms[name]));
      shownTerms[name] = terms[name];
    }
    equation.replaceChildren(...explain(now, swept, V, at));

    const words = sentence(now, swept, curves, range);
    say(words, { nodes: raised(words) });
    label(picture, `Error and bounds against the number of sweeps. ${words}`);
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
      playing: player.running(),
    });
  }

  const fit = (width) => {
    const [columns, column] = common.columnsIn(width);
    const height = columns === 1 ? 290 : 340;
    // The plane takes the place of the map and of its tools, so that nothing moves.
    const { hidden } = chooseTool.node;
    chooseTool.node.hidden = false;
    const plane = height + chooseTool.node.getBoundingClientRect().height;
    chooseTool.node.hidden = hidden;
    mapPanel.holder.style.height = `${height}px`;
    planeHolder.style.height = `${plane}px`;
    return {
      picture: [column, height],
      plane: [column, Math.floor(plane)],
      errors: [column, columns === 1 ? 260 : 300],
    };
  };
  const { request, begin } = common.follow(model, root, { fit, draw, timers: [player, resting, announce] });
  return begin();
}
