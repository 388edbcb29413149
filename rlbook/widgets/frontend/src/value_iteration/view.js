// ValueIteration: a Bellman operator sweeps a map that the reader edits.
import { ARROWS, firstCell, makeCells, placeOf, pointing } from "../shared/cells.js";
import * as common from "../shared/common.js";
import { chips, element, format, keys, line, panel, raised, row, subscript, tell } from "../shared/controls.js";
import { askedMap, isMap, linkedMap, MAP, PROBLEM_LABELS, remember } from "../shared/grid_links.js";
import * as numerics from "../shared/grid_numerics.js";
import { lesson } from "../shared/lesson.js";
import { backupOf, extend, howOf, sweeping } from "../shared/sweeps.js";

const PROBLEM = [...MAP, "operator", "alpha", "policy", "other", "Q0", "other_Q0"]; // what the sweeps depend on
const STEPS = { plus: 0.5, minus: -0.5 }; // what + and − change a cell's reward by
const FEW = 16; // states of which a step can show every number

// The sweeps: the process, its operator, both runs (as far as they were asked for) and what they tend to.
function sweepsOf(now, before) {
  const process = numerics.makeGrid(now);
  const operator = { kind: now.operator, alpha: now.alpha, pi: numerics.readPolicy(process, now.policy) };
  const guess = (known) => (known?.length === process.r.length ? known : undefined);
  const best = numerics.fixedPoint(process, { kind: "optimal" }, guess(before?.best.Q));
  const limit = now.operator === "optimal" ? best : numerics.fixedPoint(process, operator, guess(before?.limit));
  const { other, other_Q0 } = now;
  const rival = other_Q0.length ? numerics.fromCells(process, other_Q0) : numerics.namedStart(process, other);
  return {
    process,
    operator,
    best,
    limit: limit.Q,
    values: limit.V,
    runs: [[numerics.fromCells(process, now.Q0)], [rival]],
    ahead: (Q) => Q,
    next: (Q) => numerics.applyOperator(process, operator, Q),
    curves: {},
  };
}

// Links ------------------------------------------------------------------------------------------------------------

const POLICIES = { policy: "pi" };
const STARTS = { Q0: "q", other_Q0: "p" };

// Settings from a link, as strings; what makes no sense is passed over.
/** @param {common.Model} model @param {common.Asked} asked */
export function restore(model, asked) {
  common.loadAsked(model, asked);
  const settings = askedMap(model, asked, POLICIES);
  const rows = settings.rows ?? model.get("rows");
  const W = rows[0].length;
  const actionsOf = (flat, cell) => flat.slice(4 * cell, 4 * cell + 4);
  for (const [name, letter] of Object.entries(STARTS)) {
    const flat = asked[letter] && numerics.decodeFloats(asked[letter], rows.length * W * 4);
    if (flat) settings[name] = rows.map((row, i) => Array.from(row, (_, j) => actionsOf(flat, i * W + j)));
    else if (settings.rows) settings[name] = []; // what was known belongs to another map
  }
  common.write(model, settings);
}

// The settings of a link: restore's inverse.
function linked(model) {
  const link = linkedMap(model, POLICIES, { always: ["k"] });
  for (const [name, letter] of Object.entries(STARTS))
    if (model.get(name).length) link[letter] = numerics.encodeFloats(model.get(name).flat(2));
  return link;
}

// Words ------------------------------------------------------------------------------------------------------------

const MAP_TITLES = {
  policy: "Values V of Qₖ, and π",
  optimal: "Values V of Qₖ, and its greedy policy",
  soft: "Values V of Qₖ, and its soft policy",
};
const HINT = "Click, drag or tap with a tool. Keys: arrows, Enter; w wall, g goal, p pit, s start, f free, + − reward.";

const LETTERS = { w: "#", g: "G", p: "P", s: "S", f: ".", ".": ".", Delete: "." };
const SIGNS = { "+": "plus", "=": "plus", "-": "minus", "−": "minus" };

const signed = (x) => (x > 0 ? `+${format(x)}` : format(x));

// A value in a cell: two decimals where there is room.
function brief(x) {
  if (Math.abs(x) < 5e-10) return "0";
  const size = Math.abs(x);
  return x.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0).replace("-", "−");
}

// What stands in each cell of the map: its letter, its reward, its value and the tint of that. In a step a large map
// has only the numbers that the last sweep changed.
function looks({ rows, cell_rewards: rewards, k }, { process, operator, values, runs }, V, { step }) {
  const top = Math.max(numerics.largest(values), 1e-9);
  const before = k ? numerics.stateValues(process, operator, runs[0][k - 1]) : V;
  return (i, j, s, size) => {
    if (s < 0) return {};
    const kind = rows[i][j];
    const ends = kind === "G" || kind === "P";
    const extra = ends ? process.entering[s] : (rewards[i]?.[j] ?? 0);
    const worth = ends ? process.entering[s] : V[s];
    const news = Math.abs(V[s] - before[s]) >= 0.005;
    return {
      title: ends || kind === "S" ? kind : "",
      extra: extra || ends ? signed(extra) : "",
      value: size < 28 || (step && !news && process.size > FEW) ? "" : brief(V[s]),
      tint: [worth < 0 ? "rl-below" : "rl-above", ends ? worth && 0.42 : Math.min(1, Math.abs(worth) / top) * 0.42],
      news,
    };
  };
}

const CELL = 42; // so wide at least, where there is room, is a cell in which a number stands

const TOOLS = { look: "Look", "#": "Wall", G: "Goal", P: "Pit", S: "Start", ".": "Free", plus: "+½", minus: "−½" };

// The backup of the pointed cell, with its numbers.
function explain({ rows, operator, k, gamma, alpha }, { process, operator: T }, V, at) {
  const s = process.stateAt[at[0]][at[1]];
  const place = placeOf(rows, at);
  if (s < 0) return [line(`${place}: no state. A step into a wall stays where it is.`)];
  if (process.absorbing[s]) {
    const earns = `entering it earns ${format(process.entering[s])} besides the step’s own reward`;
    return [line(`${place}: ${earns}, and ends the episode; its value is ${format(V[s])}.`)];
  }
  const backups = numerics.backup(process, V, s);
  const best = Math.max(...backups.map(({ value }) => value));
  const next = numerics.stateValues(process, T, numerics.lookahead(process, V));
  const after = subscript(k + 1);
  const soft = operator === "soft" ? `, α = ${format(alpha)},` : "";
  const now = `now V${subscript(k)}(s) = ${format(V[s])}`;
  return [
    line(`${place}, the next sweep:`),
    ...backups.map((backup, a) =>
      line(backupOf(`Q${after}(s, ${ARROWS[a]})`, gamma, backup), backup.value >= best - 1e-12),
    ),
    line(`V${after}(s) = ${howOf(operator)}${soft} = ${format(next[s])}; ${now}`, true),
  ];
}

// The sentence of a step: what is right by now, and, once the guess is made, since when; or the way from the start.
function shortly({ k, slip, rows }, { process }, { error, wrong, live, from, near }, way, open) {
  if (way) {
    const [i, j] = way.at(-1);
    const ends = process.absorbing[process.stateAt[i][j]];
    const goes = ends
      ? `the best way from the start (grey), if no step slips, takes ${common.count(way.length - 1, "step")}`
      : way.length > 1
        ? "the best way from the start leads against a wall"
        : "the start’s arrow points at the wall: better wait there to slip than walk along the pits";
    return `At a slip of ${format(slip)} ${rows[i][j] === "P" ? "every way ends in a pit" : goes}.`;
  }
  const now = `k = ${k}: arrows optimal in ${live - wrong[k]} of ${live} cells, largest error ${format(error[k])}.`;
  const known = from !== null && near !== null && !open;
  return known ? `${now} All arrows are optimal from k = ${from}, all numbers to 0.01 from k = ${near}.` : now;
}

export const render = lesson((model, { set, read, request, say }) => {
  const sweep = remember(PROBLEM, sweepsOf);
  // What a step offers: in one without k whatever changes is swept anew, and the way from the start is drawn.
  const offers = (name) => {
    const step = model.get("_lesson")[model.get("step") - 1];
    return step ? step.controls.includes(name) : name !== "goal";
  };

  // A change of the problem keeps what the sweeps have found: Q_k becomes Q_0.
  function carried(now) {
    if (!now.k || !offers("k")) return {};
    const { process, runs } = extend(sweep(now), now.k);
    const [Q0, other_Q0] = runs.map((run) => numerics.toCells(process, run[now.k]));
    return { k: 0, Q0, other_Q0 };
  }
  const edit = (settings) => set({ ...carried(read()), ...settings });

  // Use a tool on a cell. What it painted is given back, for the cells that the stroke goes on to.
  function apply(tool, [i, j]) {
    const now = read();
    const here = now.rows[i][j];
    const rewards = now.rows.map((row, a) => Array.from(row, (_, b) => now.cell_rewards[a]?.[b] ?? 0));
    if (STEPS[tool]) {
      if (here === "#") return tool;
      rewards[i][j] = common.fit(model, "cell_rewards", rewards[i][j] + STEPS[tool], 6);
      edit({ cell_rewards: rewards });
      return tool;
    }
    const [kind, toggles] = tool.startsWith("=") ? [tool.slice(1), false] : [tool, true];
    const paint = toggles && here === kind ? "." : kind; // the same tool again takes it away
    const rows = now.rows.map((row, a) => (a === i ? row.slice(0, j) + paint + row.slice(j + 1) : row));
    if (paint === here && !rewards[i][j]) return `=${paint}`;
    if (!isMap(model, rows)) {
      say("The map needs a free cell to start from.");
      return null;
    }
    const emptied = (paint === "#" || paint === ".") && rewards[i][j] !== 0;
    if (emptied) rewards[i][j] = 0;
    edit(emptied ? { rows, cell_rewards: rewards } : { rows });
    return `=${paint}`;
  }

  const time = sweeping(model, {
    letter: "Q",
    sweep,
    restarted: { Q0: [], other_Q0: [] },
    labels: PROBLEM_LABELS,
    change: edit,
    request,
  });

  // Controls -------------------------------------------------------------------------------------------------------

  let tool = "look";
  const chooseTool = chips("Tool", TOOLS, (name) => {
    tool = name;
    request();
  });
  const choosePolicy = chips("Policy π", { uniform: "uniform", greedy: "the greedy one of now" }, (name) => {
    if (name === "uniform") return edit({ policy: [], operator: "policy" });
    const now = read();
    const swept = extend(sweep(now), now.k);
    const tolerance = numerics.tieTolerance(swept.best.Q);
    edit({ policy: numerics.writeGreedy(swept.process, swept.runs[0][now.k], tolerance), operator: "policy" });
  });
  const starts = common.choices(model, "other");
  const chooseOther = chips("Second start", starts, (other) => time.halt({ other, other_Q0: [], k: 0 }));
  const policy = row(raised("Policy π of T^π"), choosePolicy);
  const other = row("Second start, Q′₀", chooseOther);
  time.controls.append(policy, other);

  // Panels ---------------------------------------------------------------------------------------------------------

  const hint = element("p", { class: "rl-keys rl-hint" }, HINT);
  const goal = element("p", { class: "rl-keys" }, "A tap, a click or Enter opens a goal in a cell, or closes it.");
  const arrowKeys = keys(
    ["rl-arrow", "optimal"],
    ["rl-arrow rl-wrong", "not optimal yet"],
    ["", element("b", {}, "bold"), ": changed by the last sweep"],
    ["", "○ all steps alike"],
  );
  const mapPanel = panel("", chooseTool, arrowKeys);
  mapPanel.holder.classList.add("rl-map-holder");
  mapPanel.node.append(goal, hint, time.transport);
  const { point, at: pointedIn } = pointing(request);
  const map = makeCells(mapPanel.holder, {
    label: "The map: arrow keys move, Enter uses the chosen tool",
    keys: { ...LETTERS, ...SIGNS },
    paint(name, at) {
      time.player.stop();
      const used = apply(name, at);
      if (offers("goal")) time.player.start("play"); // and the news is seen to spread
      return used;
    },
    point,
    rise: 0.45,
  });
  chooseTool.node.classList.add("rl-tools");

  function draw(sizes, how) {
    const now = read();
    const { k, operator, rows } = now;
    const swept = extend(sweep(now), k);
    const { process, runs } = swept;
    const Q = runs[0][k];
    const V = numerics.stateValues(process, swept.operator, Q);
    const at = pointedIn(rows, now.preset);
    const { curves, words, data } = time.show(now, swept, sizes.errors, how);

    const tolerance = numerics.tieTolerance(swept.best.Q);
    const way = offers("k") ? null : numerics.greedyPath(process, Q, tolerance, firstCell(rows));
    arrowKeys.classList.toggle("rl-off", Boolean(way));
    goal.classList.toggle("rl-off", !offers("goal"));
    let weights = swept.operator.pi;
    if (operator === "soft") weights = numerics.softPolicy(process, Q, now.alpha);
    if (operator === "optimal") weights = numerics.greedyActions(process, Q, tolerance);
    const wrong = (s) => operator === "optimal" && !curves.right[k][s];
    const free = sizes.map[1] - (how.step ? arrowKeys.offsetHeight + goal.offsetHeight : 0);
    const room = how.step ? Math.max(free, rows.length * Math.min(CELL, sizes.map[0] / rows[0].length)) : free;
    map.choose(offers("goal") ? "G" : tool);
    const untouched = at.join() === firstCell(rows).join(); // then it is marked only beside its equation
    const tells = (s) => {
      const best = ARROWS.filter((_, a) => weights[4 * s + a] > 0.3).join(" ") || "all directions";
      return `value ${brief(V[s])}${process.absorbing[s] ? "" : `, ${best}`}`;
    };
    map.draw(
      {
        rows,
        stateAt: process.stateAt,
        absorbing: process.absorbing,
        look: looks(now, swept, V, how),
        policies: [
          ["", weights, (s) => !wrong(s)],
          ["rl-wrong", weights, wrong],
        ],
        trail: way ?? [],
        at: untouched && how.step && !time.equation.checkVisibility() ? null : at,
        tells,
        largest: how.step ? Number.POSITIVE_INFINITY : 72,
      },
      [sizes.map[0], room],
    );

    chooseTool.show(tool);
    chooseOther.show(now.other_Q0.length ? null : now.other);
    choosePolicy.show(now.policy.length ? "greedy" : "uniform");
    time.sliders.slip.limit(0, how.step ? 0.4 : 1, 1);
    tell(mapPanel.title, MAP_TITLES[operator]);
    time.equation.replaceChildren(...explain(now, swept, V, at));
    const said = how.step ? shortly(now, swept, curves, way, how.open) : words;
    const path = (way ?? []).map((cell) => cell.join()).join(" ");
    return { words: said, nodes: raised(said), data: { ...data, v: V.join(), path } };
  }

  return {
    view: "value-iteration",
    kind: "rl-two",
    panels: { map: mapPanel, errors: time.errors },
    controls: { ...time.named, tools: chooseTool, goal, hint, policy, other },
    parts: [mapPanel, time.equation, time.errors, time.controls],
    linked: () => linked(model),
    draw,
    fit: common.fitting({ map: [290, 340], errors: [260, 300] }),
    stop: time.player.stop,
    timers: [time.player, map],
  };
});
