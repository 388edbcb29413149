// AverageGrid: episodes leave γᵗ r in the cells of a map, and their average tends to ρ·r.
import { BRUSHES, byScale, firstCell, makeCells, painted } from "../shared/cell_map.js";
import * as common from "../shared/common.js";
import { chips, element, format, keepKeys, onFrame, scientific, slider, } from "../shared/controls.js";
import * as play from "./numerics.js";
import { makeGaps } from "./pictures.js";
import { askedMap, linkedMap, remember } from "../shared/grid_links.js";
import { ARROWS, KINDS } from "../shared/grid_map.js";
import * as numerics from "../shared/grid_numerics.js";

const MAP = ["rows", "cell_rewards", "slip", "gamma", "step_reward", "goal_reward", "pit_reward"];
const PROBLEM = [...MAP, "policy", "seed"]; // what the episodes depend on
const SETTINGS = [...PROBLEM, "quantity", "episodes", "t"];
const LIMITS = {
  slip: [0, 1],
  gamma: [0, 0.98],
  step_reward: [-100, 100],
  goal_reward: [-100, 100],
  pit_reward: [-100, 100],
};
const MOST = 10000; // episodes
const BUDGET = 4; // milliseconds a frame that are given to playing episodes
const TRAIL = 60; // steps of an episode whose way is drawn
const PLAY_MS = 90; // between two frames of playing

const read = (model) => common.read(model, SETTINGS);

// Links ------------------------------------------------------------------------------------------------------------

const whole = (text, most) => (text && /^\d{1,10}$/.test(text) ? Math.min(most, Number(text)) : null);

// Settings from a link, as strings; what makes no sense is passed over.
export function restore(model, asked) {
  common.loadAsked(model, asked);
  const settings = askedMap(model, asked, LIMITS, { policy: "pi" });
  if (["reward", "visits"].includes(asked.quantity)) settings.quantity = asked.quantity;
  for (const [name, most] of [
    ["episodes", MOST],
    ["t", 100000],
    ["seed", 2 ** 32 - 1],
  ]) {
    const value = whole(asked[name], most);
    if (value !== null) settings[name] = value;
  }
  common.write(model, settings);
}

// The settings of a link: restore's inverse.
function linked(now, { settings: own }) {
  const link = { preset: now.preset, episodes: now.episodes, ...linkedMap(now, own, LIMITS, { policy: "pi" }) };
  for (const name of ["quantity", "t", "seed"]) if (now[name] !== own[name]) link[name] = now[name];
  return link;
}

// Words ------------------------------------------------------------------------------------------------------------

const count = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;
// A mean and its standard error, to two digits and as many decimals as that makes sense of.
function plusMinus(value, error) {
  if (!Number.isFinite(error)) return scientific(value);
  if (error < 1e-9) return `${scientific(value)} ± 0`;
  const decimals = Math.max(0, 1 - Math.floor(Math.log10(error)));
  if (decimals > 6) return `${scientific(value)} ± ${scientific(error)}`;
  return `${value.toFixed(decimals)} ± ${error.toFixed(decimals)}`.replace("-", "−");
}
const apart = (value, error, exact) => {
  const off = Math.abs(value - exact);
  if (!(error > 1e-9)) return off < 1e-5 ? "which is exact" : `off by ${scientific(off)}`;
  return `${format(off / error)} standard errors from it`;
};

function sentence({ quantity, gamma }, n, shown, averages, exact, gap, bounds) {
  const reward = quantity === "reward";
  const goal = reward ? `η(π) = ${scientific(exact.total)}` : `1/(1−γ) = ${format(1 / (1 - gamma))}`;
  if (!n) {
    const begun = shown.steps ? `${count(shown.steps, "step")} of the first episode ${shown.steps === 1 ? "has" : "have"} left ${scientific(shown.sum)}.` : "No episode has been played.";
    return `${begun} The exact grid sums to ${goal}.`;
  }
  const [[value], [error]] = averages.total;
  const first = reward
    ? `The average of ${count(n, "episode")} sums to ${plusMinus(value, error)}; exact is ${goal}, ${n > 1 ? apart(value, error, exact.total) : `off by ${scientific(Math.abs(value - exact.total))}`}.`
    : `Every episode's visits sum to ${goal}, and so does their average, of ${count(n, "episode")}.`;
  const second = `Over all cells it is ${scientific(gap[0])} away from ${reward ? "ρ·r" : "ρ"}; on average that is at most Σσ/√n = ${scientific(bounds[0] / Math.sqrt(n))}.`;
  const third = reward ? ` The episode shown ${shown.whole ? "earned" : "has earned"} ${scientific(shown.sum)}.` : "";
  return `${first} ${second}${third}`;
}

// The view ---------------------------------------------------------------------------------------------------------

export function render({ model, el, link }) {
  const presets = model.get("_presets");
  const set = (settings) => common.write(model, settings);

  const setupOf = remember(PROBLEM, (now) => {
    const process = numerics.makeGrid(now);
    const setup = play.makeEpisodes(now, process, numerics.readPolicy(process, now.policy));
    return { setup, tally: play.makeTally(setup), known: {} };
  });
  // Another problem begins again.
  const edit = (settings) => {
    stop();
    set({ ...settings, episodes: 0, t: 0 });
  };

  // The episode that is shown: the one being played, up to step t, or the last whole one.
  function shownEpisode({ episodes, t }, { setup, known }) {
    const number = t ? episodes : episodes - 1;
    if (number < 0) return null;
    if (known.number !== number) Object.assign(known, { number, episode: play.play(setup, number) });
    const { episode } = known;
    const length = episode.states.length;
    const steps = t && t < length ? t : length;
    return { episode, number, steps, whole: steps === length, visits: play.visitsOf(setup, episode, t && t < length ? t : Infinity) };
  }

  // Time -----------------------------------------------------------------------------------------------------------

  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let timer = 0;
  let running = false;
  let stride = 1; // episodes at a time, more and more of them
  function stop() {
    clearTimeout(timer);
    running = false;
    stride = 1;
    request();
  }
  // Plays `steps` more steps of the next episode; with its last one it joins the average.
  function forward(steps) {
    const now = read(model);
    if (now.episodes >= MOST) return false;
    const { setup } = setupOf(now);
    const { states } = play.play(setup, now.episodes);
    const t = now.t + steps;
    set(t < states.length ? { t } : { t: 0, episodes: now.episodes + 1 });
    return true;
  }
  const more = (episodes) => set({ t: 0, episodes: Math.min(MOST, model.get("episodes") + episodes) });
  function tick() {
    const now = read(model);
    if (now.episodes >= MOST) return stop();
    // The first episodes step by step, the others whole.
    if (now.episodes < playedFrom + 2 && !still.matches) forward(Math.max(1, Math.round(setupOf(now).setup.powers.length / 130)));
    else {
      stride = Math.max(1, Math.round(0.08 * (now.episodes - playedFrom)));
      more(stride);
    }
    timer = setTimeout(tick, still.matches ? 700 : PLAY_MS);
  }
  let playedFrom = 0;
  const playButton = common.button("play", "Play", () => {
    if (running) return stop();
    running = true;
    playedFrom = model.get("episodes");
    tick();
    request();
  });
  const halted = (act) => () => {
    stop();
    act();
  };
  const transport = element(
    "div",
    { class: "rl-chips rl-transport", role: "group", "aria-label": "Episodes" },
    common.button("step", "Step", halted(() => forward(1))),
    playButton,
    ...[1, 10, 100, 1000].map((n) => common.button(`more-${n}`, `+${n}`, halted(() => more(n)), `${count(n, "episode")} more`)),
    common.button("restart", "Restart", halted(() => set({ episodes: 0, t: 0 }))),
  );

  // Controls -------------------------------------------------------------------------------------------------------

  const presetRow = common.presetRow(model, { stop });
  const chooseQuantity = chips(
    "What piles up",
    [
      ["reward", "reward γᵗ r"],
      ["visits", "visits γᵗ"],
    ],
    (quantity) => set({ quantity }),
  );
  const choosePolicy = chips(
    "Policy π",
    [
      ["uniform", "uniform"],
      ["optimal", "optimal"],
    ],
    (name) => edit({ policy: name === "uniform" ? [] : best(read(model)) }),
  );
  function best(now) {
    const { setup } = setupOf(now);
    const { Q } = numerics.fixedPoint(setup.process, { kind: "optimal" });
    return numerics.writeGreedy(setup.process, Q, numerics.tieTolerance(Q));
  }
  const chooseBrush = chips(
    "Draw the policy",
    [["look", "Look"], ...BRUSHES.map((brush, a) => [brush, ARROWS[a] ?? "all four"])],
    (brush) => {
      episodeMap.choose(brush === "look" ? null : brush);
      chooseBrush.show(brush);
    },
  );
  const numbers = [
    ["gamma", "γ, discount", 0, 0.98, 0.01],
    ["slip", "slip, chance of going aside", 0, 1, 0.01],
    ["step_reward", "reward of every step", -2, 1, 0.01],
  ].map(([name, label, min, max, step]) => [name, slider({ label, min, max, step, change: (x) => edit({ [name]: x }) })]);
  const played = slider({
    label: "n, episodes in the average",
    min: 0,
    max: MOST,
    step: 0.001,
    toSlider: (n) => Math.log10(1 + n),
    fromSlider: (x) => Math.round(10 ** x - 1),
    clean: Math.round,
    change: (episodes) => {
      stop();
      set({ episodes, t: 0 });
    },
  });
  const row = (name, node) => element("div", { class: "rl-row" }, element("span", { class: "rl-name" }, name), node);
  const controls = element(
    "div",
    { class: "rl-controls" },
    played.node,
    ...numbers.map(([, { node }]) => node),
    row("Policy π", choosePolicy.node),
    row(
      "Dice",
      common.button("dice", "Other dice", () => edit({ seed: (model.get("seed") + 1) % 2 ** 32 })),
    ),
  );

  // Panels ---------------------------------------------------------------------------------------------------------

  const panels = ["episode", "average", "exact", "gaps"].map((name) => {
    const [title, holder] = [element("p", { class: "rl-title" }), element("div", { class: "rl-picture" })];
    const keys = element("p", { class: "rl-keys" });
    if (name !== "gaps") holder.classList.add("rl-map-holder");
    const node = element("div", { class: "rl-panel", "data-panel": name }, title, keys, holder);
    return [name, { title, holder, keys, node }];
  });
  const { episode: episodePanel, average: averagePanel, exact: exactPanel, gaps: gapsPanel } = Object.fromEntries(panels);
  const keyed = (kind, text) => element("span", { class: `rl-key ${kind}` }, text);
  gapsPanel.keys.append(
    keyed("rl-key-spread", "all cells, Σ|average − exact|"),
    keyed("rl-key-thin", "their sum, |η̂ − η|"),
    keyed("rl-key-bound", "Σσ/√n and σ/√n, bounds of their means"),
  );
  episodePanel.keys.append(chooseBrush.node);
  chooseBrush.node.classList.add("rl-tools");
  averagePanel.keys.append(element("span", {}, "Each cell: the mean of what the episodes left there."));
  exactPanel.keys.append(element("span", { "data-role": "exact-key" }));
  const detail = element("div", { class: "rl-equation" });
  const { node: foot, said, announce } = common.foot(link, () => linked(read(model), presets[model.get("preset")]));
  const root = element(
    "div",
    { class: "rl rl-two rl-average", "data-view": "average-grid" },
    element(
      "div",
      { class: "rl-grid" },
      presetRow.node,
      element("div", { class: "rl-top" }, transport, chooseQuantity.node),
      ...panels.map(([, { node }]) => node),
      detail,
      controls,
      foot,
    ),
    announce.node,
  );
  keepKeys(root);
  el.append(root);

  let pointed = null; // the cell under the pointer
  let chosen = null; // the cell last touched or focused
  const point = (at, passing = false) => {
    if (passing) pointed = at;
    else chosen = at;
    request();
  };
  const episodeMap = makeCells(episodePanel.holder, {
    label: "The episode and the policy: arrow keys move; u, r, d, l and . draw the policy",
    kind: "rl-with-arrows",
    point,
    paint(brush, at) {
      const { rows, policy } = read(model);
      if (rows[at[0]][at[1]] === "#") return;
      const next = painted(rows, policy, brush, at);
      if (next.join() !== painted(rows, policy, policy[at[0]]?.[at[1]] ?? ".", at).join()) edit({ policy: next });
    },
  });
  const averageMap = makeCells(averagePanel.holder, { label: "The average grid", point });
  const exactMap = makeCells(exactPanel.holder, { label: "The exact grid", point });
  const drawGaps = makeGaps(gapsPanel.holder);
  chooseBrush.show("look");

  // The pointed cell, action by action, with its numbers.
  function explain({ rows, quantity }, { setup, tally }, averages, at) {
    const { process, rho, exact } = setup;
    const line = (text, strong) => element("p", strong ? { class: "rl-strong" } : {}, text);
    const s = process.stateAt[at[0]][at[1]];
    const place = `Row ${at[0] + 1}, column ${at[1] + 1} (${KINDS[rows[at[0]][at[1]]]})`;
    if (s < 0) return [line(`${place}: no state. A step into a wall stays where it is.`)];
    const { n } = tally;
    const reward = quantity === "reward";
    const signed = (x) => (x < 0 ? `(${scientific(x)})` : scientific(x));
    const [visits, visitErrors] = [0, 1].map((k) => (i) => {
      const sums = tally.pairs;
      return k ? sums.error(i, n) : sums.mean(i, n);
    });
    const first = n ? `${place}, seen in ${tally.visits.states.seen[s]} of ${count(n, "episode")}:` : `${place}, by actions:`;
    const lines = [0, 1, 2, 3].map((a) => {
      const i = 4 * s + a;
      const r = process.r[i];
      const found = n ? `average γᵗ ${plusMinus(visits(i), visitErrors(i))}` : "average –";
      const times = reward ? `, times r = ${scientific(r)} is ${n ? scientific(visits(i) * r) : "–"}` : "";
      const truth = reward ? `ρ·r = ${scientific(rho[i])}·${signed(r)} = ${scientific(rho[i] * r)}` : `ρ = ${scientific(rho[i])}`;
      return line(`${ARROWS[a]}: ${found}${times}; exact ${truth}`);
    });
    const [means, errors] = averages.states;
    const whole = n
      ? `The cell: ${plusMinus(means[s], errors[s])}, exact ${scientific(exact[quantity].states[s])}${n > 1 ? `, ${apart(means[s], errors[s], exact[quantity].states[s])}` : ""}.`
      : `The cell, exact: ${scientific(exact[quantity].states[s])}.`;
    return [line(first), ...lines, line(whole, true)];
  }

  let sizes = null;
  let resting = 0;
  let matching = 0;
  let spoken;
  function draw() {
    if (!sizes) return;
    const now = read(model);
    const { quantity, rows, preset } = now;
    const known = setupOf(now);
    if (known.tally.n > now.episodes) known.tally = play.makeTally(known.setup);
    const { setup, tally } = known;
    const { process } = setup;
    const deadline = performance.now() + BUDGET;
    play.extend(tally, setup, now.episodes, () => performance.now() < deadline);
    const { n } = tally;
    const busy = n < now.episodes;
    if (busy) request();
    const reward = quantity === "reward";
    const exact = setup.exact[quantity];
    const averages = play.averagesOf(tally, setup, quantity);
    const unit = play.unitOf(setup, quantity);
    const shown = shownEpisode(now, known);
    const left = shown ? play.byState(shown.visits.map((x, i) => x * unit[i])) : exact.states.map(() => 0);
    const times = shown && play.byState(shown.visits);
    const come = left.map((x, s) => (times?.[s] ? x : NaN)); // nothing stands where it did not come
    const state = { sum: left.reduce((sum, x) => sum + x, 0), steps: shown?.steps ?? 0, whole: shown?.whole ?? false };
    const inside = (at) => at && at[0] < rows.length && at[1] < rows[0].length;
    const at = [pointed, chosen].find(inside) ?? firstCell(rows);
    const top = numerics.largest(exact.states);
    const classes = reward ? undefined : ["rl-piled", "rl-piled"];
    const base = { rows, stateAt: process.stateAt, absorbing: process.absorbing, at };
    const cells = shown ? shown.episode.states.slice(0, shown.steps) : [];
    if (shown?.whole && shown.episode.ended !== null) cells.push(shown.episode.ended);
    else if (shown && !shown.whole) cells.push(shown.episode.states[shown.steps]);
    const trail = cells.slice(-TRAIL).map((s) => process.cells[s]);
    episodeMap.draw(
      { ...base, values: come, tint: byScale(come, top, classes), policies: [["", setup.pi]], trail, token: trail.at(-1) ?? null },
      sizes.map,
    );
    const [means, errors] = averages.states;
    const [[value], [error]] = averages.total;
    const name = reward ? "γᵗ r" : "γᵗ";
    const seen = means.map((x, s) => (tally.visits.states.seen[s] ? x : NaN));
    averageMap.draw(
      {
        ...base,
        values: seen,
        tint: byScale(seen, top, classes),
        says: n ? `The average grid of ${count(n, "episode")}: ${name} in each cell, sum ${plusMinus(value, error)}` : "The average grid, still empty",
      },
      sizes.map,
    );
    exactMap.draw(
      {
        ...base,
        values: exact.states,
        tint: byScale(exact.states, top, reward ? undefined : ["rl-true", "rl-true"]),
        says: `The exact grid: ${reward ? "ρ·r" : "ρ"} in each cell, sum ${scientific(exact.total)}`,
      },
      sizes.map,
    );
    clearTimeout(resting);
    resting = setTimeout(() => {
      episodeMap.describe(rows, ([i, j]) => {
        const s = process.stateAt[i][j];
        if (s < 0) return "";
        const arrow = ARROWS.filter((_, a) => setup.pi[4 * s + a] > 0.5).join("") || "all four";
        return `${process.absorbing[s] ? "" : `${arrow}, `}episode ${scientific(left[s])}, average ${n ? scientific(means[s]) : "–"}, exact ${scientific(exact.states[s])}`;
      });
    }, 400);
    const bounds = [exact.deviations.reduce((sum, x) => sum + x, 0), reward ? exact.deviation : null];
    const { gaps } = tally[quantity];
    const gap = n ? play.gapOf(tally, setup, quantity) : [NaN, NaN];
    const points = n && gaps.at(-1)?.[0] !== n ? [...gaps, [n, ...gap]] : gaps;
    const picture = drawGaps(points, bounds, n, reward ? "in units of reward" : "in visits", sizes.gaps);

    presetRow.show(preset);
    chooseQuantity.show(quantity);
    const arrows = now.policy.join("").replace(/\./g, "");
    if (known.best === undefined) {
      // Policy iteration waits until the problem is at rest.
      clearTimeout(matching);
      matching = setTimeout(() => {
        known.best = best(read(model)).join();
        request();
      }, 120);
    }
    choosePolicy.show(!arrows ? "uniform" : now.policy.join() === known.best ? "optimal" : null);
    playButton.textContent = running ? "Pause" : "Play";
    played.show(now.episodes);
    for (const [key, control] of numbers) control.show(now[key]);
    const steps = shown && !shown.whole ? `, step ${shown.steps}` : "";
    episodePanel.title.textContent = shown ? `Episode ${shown.number + 1}${steps}: sum ${scientific(state.sum)}` : "No episode yet: step, or add some";
    averagePanel.title.textContent = n ? `Average of ${n}: sum ${plusMinus(value, error)}` : "Average: still empty";
    exactPanel.title.textContent = reward ? `Exact, ρ·r: sum η(π) = ${scientific(exact.total)}` : `Exact, ρ: sum 1/(1−γ) = ${scientific(exact.total)}`;
    exactPanel.keys.firstChild.textContent = reward ? "Each cell: Σₐ ρ(s,a) r(s,a)." : "Each cell: Σₐ ρ(s,a), how often π comes by, discounted.";
    gapsPanel.title.textContent = n ? `Error after ${count(n, "episode")}: ${scientific(gap[0])}` : "Error against episodes";
    gapsPanel.keys.children[1].classList.toggle("rl-away", !reward);
    detail.replaceChildren(...explain(now, known, averages, at));

    const words = sentence(now, n, state, averages, exact, gap, bounds);
    if (spoken !== words) {
      spoken = said.textContent = words;
      if (!busy) announce.say(words);
    }
    const label = `Error against the number of episodes, on logarithmic axes. ${words}`;
    if (picture.getAttribute("aria-label") !== label) picture.setAttribute("aria-label", label);
    Object.assign(root.dataset, {
      preset,
      quantity,
      episodes: n,
      t: now.t,
      busy: busy ? "yes" : "",
      playing: running ? "yes" : "",
      episode: left.join(),
      sum: state.sum,
      average: means.join(),
      errors: errors.join(),
      value,
      error,
      exact: exact.states.join(),
      total: exact.total,
      gap: gap[0],
      bound: bounds[0],
    });
  }

  const request = onFrame(draw);
  const stopFollowing = common.follow(model, root, SETTINGS, request, (width) => {
    const [columns, column] = common.columnsIn(width);
    const height = columns === 1 ? 220 : 250;
    for (const { holder } of [episodePanel, averagePanel, exactPanel]) holder.style.height = `${height}px`;
    sizes = { map: [column, height], gaps: [column, height] };
    draw();
  });
  return () => {
    stopFollowing();
    clearTimeout(timer);
    clearTimeout(resting);
    clearTimeout(matching);
    announce.stop();
  };
}
