// AverageGrid: episodes leave γᵗ r in the cells of a map, and their average tends to ρ·r.
import * as cells from "../shared/cells.js";
import * as common from "../shared/common.js";
import { box, chips, element, format, key, label, later, line, row, scientific, tell } from "../shared/controls.js";
import { linkedMap, MAP, PROBLEM_LABELS, remember, restoreMap } from "../shared/grid_links.js";
import * as numerics from "../shared/grid_numerics.js";
import { lesson } from "../shared/lesson.js";
import { total } from "../shared/measures.js";
import * as play from "./numerics.js";
import { makeGaps } from "./pictures.js";

const PROBLEM = [...MAP, "policy", "seed"]; // what the episodes depend on
const BUDGET = 4; // milliseconds a frame that are given to playing episodes
const FULL = 5; // so small a share of the largest exact number, one in five, is an error of the deepest colour
const TRAIL = 60; // steps of an episode whose way is drawn
const PLAY_MS = 90; // between two frames of playing

// Links ------------------------------------------------------------------------------------------------------------

const POLICIES = { policy: "pi" };

export const restore = (model, asked) => restoreMap(model, asked, POLICIES);

// Words ------------------------------------------------------------------------------------------------------------

const { count } = common;
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

function sentence({ quantity, gamma }, n, shown, averages, exact, gap, bounds, mean, { step, offers, open }) {
  const reward = quantity === "reward";
  const goal = reward ? `η(π) = ${scientific(exact.total)}` : `1/(1−γ) = ${format(1 / (1 - gamma))}`;
  if (!n) {
    const begun = shown.steps
      ? `${count(shown.steps, "step")} of the first episode ${shown.steps === 1 ? "has" : "have"} left ${scientific(shown.sum)}.`
      : "No episode has been played.";
    return `${begun} The exact grid sums to ${goal}.`;
  }
  const [[value], [error]] = averages.total;
  const added = `The mean return of ${count(n, "episode")}, added up step by step, is ${scientific(mean)}; the average grid sums to ${plusMinus(value, error)}`;
  const away = `over all cells the average is ${scientific(gap[0])} away from ${reward ? "ρ·r" : "ρ"}`;
  if (step) {
    if (!reward) return `After ${count(n, "episode")}, ${away}.`;
    if (offers("play")) return `${added}. Exact is ${goal}.`;
    const expected = `, where Σσ/√n = ${scientific(bounds[0] / Math.sqrt(n))} is to be expected at most`;
    return `After ${count(n, "episode")}, ${away}${open ? "" : expected}.`;
  }
  const first = reward
    ? `${added}; exact is ${goal}, ${n > 1 ? apart(value, error, exact.total) : `off by ${scientific(Math.abs(value - exact.total))}`}.`
    : `Every episode’s visits sum to ${goal}, and so does their average, of ${count(n, "episode")}.`;
  const second = `O${away.slice(1)}; on average that is at most Σσ/√n = ${scientific(bounds[0] / Math.sqrt(n))}.`;
  const third = reward ? ` The episode shown ${shown.whole ? "earned" : "has earned"} ${scientific(shown.sum)}.` : "";
  return `${first} ${second}${third}`;
}

// The view ---------------------------------------------------------------------------------------------------------

export const render = lesson((model, { set, read, request }) => {
  const [, most] = common.limits(model, "episodes");

  const setupOf = remember(PROBLEM, (now) => {
    const process = numerics.makeGrid(now);
    const setup = play.makeEpisodes(now, process, numerics.readPolicy(process, now.policy));
    return { setup, tally: play.makeTally(setup), known: {} };
  });
  // Another map, policy, slip or seed begins again; with other rewards or another γ there are as many episodes.
  const edit = (settings) => {
    player.stop();
    const same = Object.keys(settings).every((name) => ["gamma", "step_reward"].includes(name));
    set({ ...settings, ...(same ? {} : { episodes: 0 }), t: 0 });
  };

  // The episode that is shown: the one being played, up to step t, or the last whole one.
  function shownEpisode({ episodes, t }, { setup, known }) {
    const number = t ? episodes : episodes - 1;
    if (number < 0) return { number, steps: 0, whole: false, visits: setup.rho.map(() => 0), way: [] };
    if (known.number !== number) Object.assign(known, { number, episode: play.play(setup, number) });
    const { episode } = known;
    const length = episode.states.length;
    const steps = t && t < length ? t : length;
    const whole = steps === length;
    const way = episode.states.slice(0, steps + 1); // to where it is now
    if (whole && episode.ended !== null) way.push(episode.ended);
    return { number, steps, whole, visits: play.visitsOf(setup, episode, steps), way };
  }

  // Time -----------------------------------------------------------------------------------------------------------

  // Plays `steps` more steps of the next episode; with its last one it joins the average.
  function forward(steps) {
    const now = read();
    if (now.episodes >= most) return;
    const { setup } = setupOf(now);
    const { states } = play.play(setup, now.episodes);
    const t = now.t + steps;
    set(t < states.length ? { t } : { t: 0, episodes: now.episodes + 1 });
  }
  const more = (episodes) => set({ t: 0, episodes: Math.min(most, model.get("episodes") + episodes) });
  let playedFrom = 0;
  const player = common.player(
    (how) => {
      const now = read();
      if (now.episodes >= most) return undefined;
      const since = now.episodes - playedFrom;
      // Played, the first episodes go step by step; the others come whole, more and more of them at a time.
      const slow = how === "play" && since < 2 && !common.motion.matches;
      if (slow) forward(Math.max(1, Math.round(setupOf(now).setup.powers.length / 130)));
      else more(Math.max(1, Math.round(0.08 * since)));
      return common.motion.matches ? 700 : PLAY_MS;
    },
    request,
    () => {
      playedFrom = model.get("episodes");
    },
  );
  const transportButton = (role, text, act, label) => common.button(role, text, player.halting(act), label);
  const pour = common.holdButton("pour", "Pour episodes", player);
  const whole = element(
    "span",
    { class: "rl-chips" },
    transportButton("step", "Step", () => forward(1)),
    ...[1, 10, 100, 1000].map((n) =>
      transportButton(`more-${n}`, `+${n}`, () => more(n), `${count(n, "episode")} more`),
    ),
    transportButton("restart", "Restart", () => set({ episodes: 0, t: 0 })),
  );
  const group = { class: "rl-chips rl-transport", role: "group", "aria-label": "Episodes" };
  const transport = box("rl-controls rl-leading", element("div", group, player, pour, whole));

  // Controls -------------------------------------------------------------------------------------------------------

  const ofQuantity = { reward: "reward γᵗ r", visits: "visits γᵗ" };
  const choose = {
    shade: common.settingChips("shade", "Colour", { value: "value", error: "error" }, set),
    quantity: common.settingChips("quantity", "What piles up", ofQuantity, set),
  };
  const choosePolicy = chips("Policy π", { uniform: "uniform", optimal: "optimal" }, (name) =>
    edit({ policy: name === "uniform" ? [] : best(read()) }),
  );
  function best(now) {
    const { setup } = setupOf(now);
    const { Q } = numerics.fixedPoint(setup.process, { kind: "optimal" });
    return numerics.writeGreedy(setup.process, Q);
  }
  const chooseBrush = cells.brushChips("Draw the policy", (brush) => maps.episode.choose(brush));
  const episodes = common.settingSlider(model, "episodes", "n, episodes in the average", {
    step: 0.001,
    toSlider: (n) => Math.log10(1 + n),
    fromSlider: (x) => Math.round(10 ** x - 1),
    change: player.halting((episodes) => set({ episodes, t: 0 })),
  });
  const sliders = { episodes, ...common.settingSliders(model, PROBLEM_LABELS, edit) };
  const beside = {
    quantity: row("What piles up", choose.quantity),
    policy: row("Policy π", choosePolicy),
    dice: row("Dice", common.dice(model, "Other dice", "dice", edit)),
  };
  const controls = box("rl-controls", ...Object.values(sliders), ...Object.values(beside));

  // Panels ---------------------------------------------------------------------------------------------------------

  const sumKey = key("rl-spread", "their sum, |η̂ − η|");
  const boundKey = key("rl-bound", "Σσ/√n, a bound of its mean");
  const sumBoundKey = key("rl-bound rl-dotted", "σ/√n, a bound of the sum’s");
  const shading = cells.noteSwitch("colour", choose.shade);
  const exactKey = key("", "");
  const panels = cells.notedPanels({
    episode: { map: true, notes: [chooseBrush] },
    average: { map: true, notes: [shading] },
    exact: { map: true, notes: [exactKey] },
    gaps: { notes: [key("rl-spread rl-heavy", "all cells, Σ|average − exact|"), sumKey, boundKey, sumBoundKey] },
  });
  const detail = box("rl-equation");
  const { point, at: placeOf } = cells.pointing(request);
  const maps = {
    episode: cells.makeCells(panels.episode.holder, {
      label: "The episode and the policy: arrow keys move; u, r, d, l and . draw the policy",
      point,
      paint(brush, at) {
        const { rows, policy } = read();
        const next = cells.painted(rows, policy, brush, at);
        if (next) edit({ policy: next });
        return brush;
      },
    }),
    average: cells.makeCells(panels.average.holder, { label: "The average grid", point }),
    exact: cells.makeCells(panels.exact.holder, { label: "The exact grid", point }),
  };
  const drawGaps = makeGaps(panels.gaps.holder);

  // The pointed cell, action by action, with its numbers.
  function explain({ rows, quantity }, { setup, tally }, averages, at) {
    const { process, rho, exact } = setup;
    const s = process.stateAt[at[0]][at[1]];
    const place = cells.placeOf(rows, at);
    if (s < 0) return [line(`${place}: no state. A step into a wall stays where it is.`)];
    const { n, pairs } = tally;
    const reward = quantity === "reward";
    const signed = (x) => (x < 0 ? `(${scientific(x)})` : scientific(x));
    const first = n
      ? `${place}, seen in ${tally.visits.states.seen[s]} of ${count(n, "episode")}:`
      : `${place}${process.absorbing[s] ? ":" : ", by actions:"}`;
    // Where the episode is over nothing is chosen: a goal or pit has no actions to tell apart.
    const lines = (process.absorbing[s] ? [] : [0, 1, 2, 3]).map((a) => {
      const i = 4 * s + a;
      const r = process.r[i];
      const found = n ? `average γᵗ ${plusMinus(pairs.mean(i, n), pairs.error(i, n))}` : "average –";
      const times = reward ? `, times r = ${scientific(r)} is ${n ? scientific(pairs.mean(i, n) * r) : "–"}` : "";
      const earned = reward
        ? `ρ·r = ${scientific(rho[i])}·${signed(r)} = ${scientific(rho[i] * r)}`
        : `ρ = ${scientific(rho[i])}`;
      return line(`${cells.ARROWS[a]}: ${found}${times}; exact ${earned}`);
    });
    const [means, errors] = averages.states;
    const truth = exact[quantity].states[s];
    const whole = n
      ? `The cell: ${plusMinus(means[s], errors[s])}, exact ${scientific(truth)}${n > 1 ? `, ${apart(means[s], errors[s], truth)}` : ""}.`
      : `The cell, exact: ${scientific(truth)}.`;
    return [line(first), ...lines, line(whole, true)];
  }

  // Policy iteration waits until the problem is at rest.
  const matching = later(120, (known) => {
    known.best = best(read()).join();
    request();
  });
  function draw(sizes, how) {
    const now = read();
    const { quantity, rows, shade } = now;
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
    const left = play.byState(shown.visits.map((x, i) => x * unit[i]));
    const begun = shown.number >= 0;
    const times = play.byState(shown.visits);
    const come = left.map((x, s) => (times[s] ? x : NaN)); // nothing stands where it did not come
    const sum = total(left);
    const at = placeOf(rows, now.preset);
    const top = numerics.largest(exact.states);
    const tinted = (values, kind, tint = cells.byScale(values, top, reward ? undefined : [kind, kind])) =>
      cells.numbersOf(rows, how.step ? values.map((x, s) => (process.absorbing[s] && !x ? NaN : x)) : values, tint);
    const base = { rows, stateAt: process.stateAt, absorbing: process.absorbing, at };
    if (how.step) Object.assign(base, { largest: 140, still: true, at: null });
    const trail = shown.way.slice(-TRAIL).map((s) => process.cells[s]);
    const [means, errors] = averages.states;
    const [[value], [error]] = averages.total;
    const name = reward ? "γᵗ r" : "γᵗ";
    const errs = shade === "error"; // where it never came, the average is wrong too
    const seen = means.map((x, s) => (tally.visits.states.seen[s] || (n && errs) ? x : NaN));
    const off = means.map((x, s) => (n ? x - exact.states[s] : 0));
    const wrong = cells.byScale(off, top / FULL);
    const truth = reward ? "ρ·r" : "ρ";
    const pictures = {
      episode: {
        look: tinted(come, "rl-piled"),
        policies: [["", setup.pi]],
        trail,
        token: trail.at(-1),
        tells: (s) =>
          `${process.absorbing[s] ? "" : `${cells.wayOf(setup.pi, s)}, `}episode ${scientific(left[s])}, average ${n ? scientific(means[s]) : "–"}, exact ${scientific(exact.states[s])}`,
        says: how.step
          ? `The way of ${begun ? `episode ${shown.number + 1}` : "no episode yet"}, and what it left in each cell, sum ${scientific(sum)}`
          : "",
      },
      average: {
        look: tinted(seen, "rl-piled", errs ? wrong : undefined),
        says: n
          ? `The average grid of ${count(n, "episode")}: ${name} in each cell, sum ${plusMinus(value, error)}`
          : "The average grid, still empty",
      },
      exact: {
        look: tinted(exact.states, "rl-true"),
        says: `The exact grid: ${truth} in each cell, sum ${scientific(exact.total)}`,
      },
    };
    for (const [name, picture] of Object.entries(pictures))
      if (sizes[name]) maps[name].draw({ ...base, ...picture }, sizes[name]);
    const bounds = [total(exact.deviations), reward ? exact.deviation : null];
    const { gaps } = tally[quantity];
    const gap = n ? play.gapOf(tally, setup, quantity) : [NaN, NaN];
    const points = n && gaps.at(-1)?.[0] !== n ? [...gaps, [n, ...gap]] : gaps;
    if (known.best === undefined) matching.ask(known);
    choosePolicy.show(cells.isUniform(now.policy) ? "uniform" : now.policy.join() === known.best ? "optimal" : null);
    player.show();
    common.showAll({ ...choose, ...sliders }, now);
    const empty = "Average: still empty";
    const stepTitles = {
      episode: "The last episode, and what it leaves",
      average: n ? `Average of ${n}${errs ? ": blue high, vermilion low" : ""}` : empty,
      exact: `Exact, ${truth}: blue above 0, vermilion below`,
    };
    const titles = {
      episode: begun
        ? `Episode ${shown.number + 1}${shown.whole ? "" : `, step ${shown.steps}`}: sum ${scientific(sum)}`
        : "No episode yet: step, or add some",
      average: n ? `Average of ${n}: sum ${plusMinus(value, error)}` : empty,
      exact: `Exact, ${truth}: sum ${reward ? "η(π)" : "1/(1−γ)"} = ${scientific(exact.total)}`,
    };
    for (const [name, title] of Object.entries(how.step ? stepTitles : titles)) tell(panels[name].title, title);
    tell(panels.gaps.title, n ? `Error after ${count(n, "episode")}: ${scientific(gap[0])}` : "Error against episodes");
    tell(exactKey, reward ? "Each cell: Σₐ ρ(s,a) r(s,a)." : "Each cell: Σₐ ρ(s,a), how often π comes by, discounted.");
    for (const one of [sumKey, sumBoundKey]) one.classList.toggle("rl-away", !reward);
    sumKey.hidden = sumBoundKey.hidden = how.step;
    boundKey.hidden = how.open;
    exactKey.hidden = how.step;
    if (!how.step) detail.replaceChildren(...explain(now, known, averages, at));

    const mean = tally.earned / n;
    const words = sentence(now, n, { ...shown, sum }, averages, exact, gap, bounds, mean, how);
    if (sizes.gaps) {
      const picture = drawGaps(points, bounds, n, reward ? "in units of reward" : "in visits", sizes.gaps, how);
      label(picture, `Error against the number of episodes, on logarithmic axes. ${words}`);
    }
    return {
      words,
      aloud: busy ? "" : words,
      data: {
        quantity,
        shade,
        episodes: n,
        t: now.t,
        busy: busy ? "yes" : "",
        playing: player.running(),
        episode: left.join(),
        sum,
        average: means.join(),
        errors: errors.join(),
        value,
        error,
        mean,
        exact: exact.states.join(),
        total: exact.total,
        gap: gap[0],
        bound: bounds[0],
      },
    };
  }

  return {
    view: "average-grid",
    kind: "rl-two rl-average",
    panels,
    controls: {
      play: player,
      pour,
      transport: whole,
      brush: chooseBrush,
      shade: shading,
      ...sliders,
      ...beside,
      detail,
    },
    parts: [panels.episode, panels.average, transport, panels.exact, panels.gaps, detail, controls],
    linked: () => linkedMap(model, POLICIES, { always: ["episodes"] }),
    draw,
    fit: common.fitting({ episode: [220, 250], average: [220, 250], exact: [220, 250], gaps: [220, 250] }),
    stop: player.stop,
    timers: [player, maps.episode, matching],
  };
});
