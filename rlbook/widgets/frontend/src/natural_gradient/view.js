// NaturalGradient: Euclidean and natural steps of a Gaussian policy, seen in two coordinates and taken in a third, and
// of a softmax policy in the triangle of all policies.
import * as common from "../shared/common.js";
import {
  box,
  chips,
  format,
  keys,
  mapped,
  nodeOf,
  panel,
  row,
  scientific,
  stack,
  subscript,
  table,
  tell,
} from "../shared/controls.js";
import { lesson } from "../shared/lesson.js";
import * as numerics from "./numerics.js";
import { both, KINDS, makeBars, makeDensities, makePlane, makeReturns, makeTriangle, NAMES } from "./pictures.js";

const RANGES = [60, 120, 250]; // how far the returns are drawn, in steps, before all of them
const MOST = 20000; // steps after which no more is waited for half of the probability
const POINTS = 120; // of each outline

// Three probabilities with one of them set, the others in proportion.
function withProbability(p, i, value) {
  const x = Math.min(0.999, Math.max(0, value));
  const rest = 1 - p[i];
  const next = p.map((q, a) => (a === i ? x : rest > 1e-9 ? (q * (1 - x)) / rest : (1 - x) / 2));
  return next.filter((q) => q > 0).length > 1 ? next : p;
}

// What the numbers of the Gaussian policy are -----------------------------------------------------------------------

function gaussianState({ mu, sigma, c, alpha, scale, delta, bend, steps }) {
  const own = (natural, a = alpha) => (natural ? a : a * scale); // the Euclidean step may be another
  const path = (natural, k = bend, a = alpha, n = steps) =>
    numerics.gaussianPath(mu, sigma, c, own(natural, a), n, k, natural);
  const apart = (a, n) => both((natural) => numerics.pathGap(path(natural, 1, a, n), path(natural, 0, a, n)));
  const step = both((natural) => numerics.gaussianStep(mu, sigma, c, own(natural), bend, natural));
  const paths = both((natural) => path(natural));
  const ends = both((_, kind) => paths[kind].at(-1));
  const rivals = both((natural) => [path(natural, 1), path(natural, 0)]);
  // Where the steepest step of the circle's or the ellipse's size leads.
  const steepest = both((natural) => {
    const a = numerics.regionAlpha(mu, sigma, c, delta, bend, natural);
    return numerics.gaussianStep(mu, sigma, c, a, bend, natural);
  });
  const [gap, halved] = [apart(alpha, 1), apart(alpha / 2, 1)];
  return {
    step,
    paths,
    ends,
    rivals,
    steepest,
    reach: both((_, kind) => numerics.gaussianKl(mu, sigma, ...steepest[kind])), // the KL of that step
    flow: Array.from({ length: 60 }, (_, i) => numerics.naturalFlow(mu, sigma, c, steps * alpha * (i / 59) ** 2)),
    contour: numerics.klContour(mu, sigma, delta, POINTS),
    outlines: both((natural) => numerics.quadraticContour(mu, sigma, delta, POINTS, bend, natural)),
    // How far from μ, if at all, they come to the end of σ > 0.
    edges: both((natural) => {
      const [a, b] = (natural ? numerics.gaussianFisher(sigma, bend) : [1, 1]).map((f) => Math.sqrt((2 * delta) / f));
      const share = sigma ** bend / (Math.abs(bend) * b);
      return share < 1 ? a * Math.sqrt(1 - share * share) : null;
    }),
    // The step as it is taken, a straight line in (μ, u), up to where it leaves σ > 0.
    strokes: both((natural, kind) => {
      const d = numerics.gaussianDirection(mu, sigma, c, bend, natural).map((x) => own(natural) * x);
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
    etaEnd: both((_, kind) => numerics.gaussianReturn(...ends[kind], c)),
    apart: gap,
    halved,
    ratio: both((_, kind) => gap[kind] / halved[kind]),
    pathsApart: both((_, kind) => numerics.pathGap(...rivals[kind])),
    regionAlpha: numerics.regionAlpha(mu, sigma, c, delta, bend, true),
  };
}

function softmaxState({ start, rewards, alpha, scale, steps, range }) {
  const own = (/** @type {boolean} */ natural) => (natural ? alpha : alpha * scale);
  const total = start.reduce((sum, p) => sum + p, 0);
  const pi = start.map((p) => p / total);
  const open = pi.filter((p) => p > 0).length;
  const best = rewards.reduce((b, r, a) => (pi[a] > 0 && (pi[b] === 0 || r > rewards[b]) ? a : b), 0);
  const paths = both((natural) => numerics.softmaxPath(pi, rewards, own(natural), range, natural));
  const ends = both((_, kind) => paths[kind][steps]);
  const other = pi.findIndex((p, a) => p > 0 && a !== best);
  const [lead, gap] = [Math.log(pi[best] / pi[other]), rewards[best] - rewards[other]];
  return {
    pi,
    best,
    paths,
    ends,
    share: both((_, kind) => ends[kind][best]), // the best action's probability
    kl: both((_, kind) => numerics.softmaxKl(pi, paths[kind][1])),
    eta: numerics.banditReturn(pi, rewards),
    etaStep: both((_, kind) => numerics.banditReturn(paths[kind][1], rewards)),
    etaEnd: both((_, kind) => numerics.banditReturn(ends[kind], rewards)),
    half: both((natural) => numerics.halfTime(pi, rewards, own(natural), natural, best, MOST)),
    // With two actions the flow is solved: how many steps of α it takes to half.
    crossing: both((natural) =>
      open === 2 && gap > 0 ? Math.max(0, numerics.crossingTime(lead, 0, gap, natural)) / own(natural) : NaN,
    ),
  };
}

// The α of each with which its first step has the KL δ.
function equalAlphas({ view, mu, sigma, c, delta, bend, start, rewards }) {
  const open = start.map((p, a) => [p, rewards[a]]).filter(([p]) => p > 0);
  const [pi, r] = [0, 1].map((i) => open.map((one) => one[i]));
  const klOf = (alpha, natural) =>
    view === "gaussian"
      ? numerics.gaussianKl(mu, sigma, ...numerics.gaussianStep(mu, sigma, c, alpha, bend, natural))
      : numerics.softmaxKl(pi, numerics.softmaxPath(pi, r, alpha, 1, natural)[1]);
  return both((natural) => numerics.alphaOfKl((alpha) => klOf(alpha, natural), delta));
}

// Links ------------------------------------------------------------------------------------------------------------

const CALLED = { start: "p", rewards: "r" };

// Settings from a link, as strings; what makes no sense is passed over.
/** @param {common.Model} model @param {common.Asked} asked */
export function restore(model, asked) {
  common.loadAsked(model, asked);
  const { start, ...settings } = common.askedSettings(model, asked, CALLED);
  const total = start?.reduce((sum, p) => sum + p, 0);
  if (start && start.filter((x) => x > 0).length > 1 && Math.abs(total - 1) < 1e-3)
    settings.start = Math.abs(total - 1) < 1e-9 ? start : start.map((p) => p / total);
  common.write(model, settings);
}

// Words ------------------------------------------------------------------------------------------------------------

const coordinate = (k) => (k === 0 ? "log σ" : k === 1 ? "σ" : `u = (σᵏ−1)/k, k = ${format(k)}`);

function gaussianSentence({ alpha, delta, bend, steps, step }, { reach, kl, apart, ratio, pathsApart, etaEnd, eta }) {
  const kl2 = (x) => (Number.isNaN(x) ? "no policy at all" : `a KL of ${scientific(x)}`);
  if (step && !steps) return `To its edge the circle has ${kl2(reach.euclidean)}, the ellipse ${kl2(reach.natural)}.`;
  if (step)
    return `Both are taken in ${coordinate(bend)}. In σ and in log σ the Euclidean paths come up to ${scientific(pathsApart.euclidean)} apart, the natural ones ${scientific(pathsApart.natural)}.`;
  const gone = Number.isNaN(kl.euclidean);
  const first = gone
    ? `A Euclidean step of α = ${format(alpha)} in ${coordinate(bend)} leaves σ > 0, where the policies are.`
    : `A Euclidean step of α = ${format(alpha)} in ${coordinate(bend)} has KL ${scientific(kl.euclidean)}, ${format(kl.euclidean / delta)} times δ.`;
  const second = Number.isNaN(kl.natural)
    ? `The natural step leaves ${gone ? "it too" : "σ > 0"}.`
    : `The natural step has KL ${scientific(kl.natural)}.`;
  const by = (kind) => format(Number(ratio[kind].toPrecision(2)));
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
    0: `After ${common.count(steps, "step")} η has gone from ${scientific(eta)} to ${scientific(etaEnd.euclidean)} (Euclidean) and ${scientific(etaEnd.natural)} (natural).`,
    1: `After ${common.count(steps, "step")} η has gone from ${scientific(eta)} to ${scientific(etaEnd[stays])} (${NAMES[stays]}); the ${NAMES[left[0]]} path has left σ > 0.`,
    2: `Within ${common.count(steps, "step")} both paths leave σ > 0.`,
  }[left.length];
  return `${first} ${second} ${third} ${fifth}`;
}

function softmaxSentence({ alpha, steps, rewards, start, step }, { best, share, half, etaEnd, crossing }) {
  const name = `a${subscript(best + 1)}`;
  const shares = `probability ${scientific(share.euclidean)} (Euclidean) and ${scientific(share.natural)} (natural)`;
  const first = `After ${common.count(steps, "step")} of α = ${format(alpha)} the best action, ${name}, has ${shares}; η is ${format(etaEnd.euclidean)} and ${format(etaEnd.natural)}, of at most ${format(rewards[best])}.`;
  const when = (kind) => (Number.isFinite(half[kind]) ? common.count(half[kind], "step") : `more than ${MOST} steps`);
  if (step)
    return `The best action, ${name}, has ${shares}. Half it has after ${when("euclidean")} and ${when("natural")}.`;
  const second = `To give it half of the probability takes the Euclidean gradient ${when("euclidean")} and the natural one ${when("natural")}.`;
  const third = Number.isFinite(crossing.euclidean)
    ? ` Small steps would need α·n = ${format(alpha * crossing.euclidean)} and ${format(alpha * crossing.natural)}, by the closed form for two actions.`
    : start.some((p) => p === 0)
      ? " An action of probability 0 keeps it."
      : "";
  return `${first} ${second}${third}`;
}

// The view ---------------------------------------------------------------------------------------------------------

const policy = (x) => (Number.isFinite(x) ? scientific(x) : "no policy");
const STEPS = {
  kl: ["KL of one step", policy],
  etaStep: ["η after one step", policy],
  etaEnd: ["η after n steps", policy],
};
// What each view is called and says. The rows of its table: a number's name in the state, its title and how it is said.
const VIEWS = {
  gaussian: {
    name: "Gaussian policy",
    titles: ["Seen in (μ, σ)", "Seen in (μ, log σ)", "The policy before and after a step"],
    legend: [
      ["rl-of-euclidean", "Euclidean: step, path, circle dᵀd = 2δ"],
      ["rl-of-natural", "natural: step, path, ellipse dᵀFd = 2δ"],
      ["rl-exact", "KL = δ, exact"],
      ["rl-pole", "equal η"],
      ["", "Drag the policy (dot) and the target c (triangle)."],
    ],
    rows: {
      ...STEPS,
      apart: ["gap σ to log σ, one step", policy],
      halved: ["… with half of α", policy],
      ratio: ["… which divides by", scientific],
      pathsApart: ["… at most, in n steps", policy],
    },
  },
  softmax: {
    name: "Softmax policy",
    titles: ["The triangle of policies", "η after n steps", "The policy at the start and after n steps"],
    legend: [
      ["rl-of-euclidean", "Euclidean"],
      ["rl-of-natural", "natural"],
      ["rl-dots", "start"],
      ["rl-pole", "equal η"],
      ["", "Drag the start (dot) in the triangle, and n along the curves."],
    ],
    rows: {
      ...STEPS,
      share: ["π(best) after n steps", scientific],
      half: ["steps until that is ½", (n) => (Number.isFinite(n) ? String(n) : `over ${MOST}`)],
      crossing: ["closed form (2 actions)", scientific],
    },
  },
};

// A table of two columns, one a kind.
function pairTable(rows) {
  const { node, heads, cells } = table(
    Object.values(NAMES),
    mapped(rows, ([title]) => title),
  );
  for (const [i, kind] of KINDS.entries())
    for (const line of [heads, ...Object.values(cells)]) line[i].className = `rl-of-${kind}`;
  const show = (state) => {
    for (const [name, [, say]] of Object.entries(rows))
      for (const [i, kind] of KINDS.entries()) tell(cells[name][i], say(state[name][kind]));
  };
  return { node, show };
}

export const render = lesson((model, { set, read, request }) => {
  const clamp = (name, x) => common.fit(model, name, x, 12);

  let goal = 0; // the number of steps that playing goes to
  const player = common.player(
    () => {
      const steps = model.get("steps");
      if (steps >= goal) return undefined;
      set({ steps: common.motion.matches ? goal : Math.min(goal, steps + Math.max(1, Math.round(goal / 90))) });
      return 45;
    },
    request,
    () => {
      const { steps, preset } = common.read(model, ["steps"]);
      const own = model.get("_presets")[preset].settings.steps;
      goal = steps < own ? own : Math.max(1, steps);
      if (steps >= goal) set({ steps: 0 });
    },
  );

  // Controls -------------------------------------------------------------------------------------------------------

  const change = player.halting(set);
  const names = mapped(VIEWS, ({ name }) => name);
  const chooseView = common.settingChips("view", "View", names, change);
  const actions = [0, 1, 2];
  const { rewards, ...sliders } = common.settingSliders(model, {
    mu: "μ, mean of the policy",
    sigma: "σ, standard deviation of the policy",
    c: "c, the target",
    delta: "δ, KL of the trust region",
    bend: "k, bends u = (σᵏ−1)/k; 0: log σ, 1: σ",
    alpha: "α, step",
    scale: "Euclidean step, times α",
    rewards: actions.map((i) => `r(a${subscript(i + 1)}), reward`),
  });
  // The number of steps leads in one view and comes late in the other.
  const [steps, n] = [0, 1].map(() =>
    common.settingSlider(model, "steps", "n, number of steps", {
      step: 0.01,
      toSlider: Math.sqrt,
      fromSlider: (x) => Math.round(x * x),
      change: (x) => change({ steps: x }),
    }),
  );
  const probabilities = actions.map((i) =>
    common.settingSlider(model, "start", `π₀(a${subscript(i + 1)}), probability at the start`, {
      change: (x) => set({ start: withProbability(model.get("start"), i, x) }),
    }),
  );
  const toRegion = common.button("region", "", () => {
    const { regionAlpha } = gaussianState(read());
    set({ alpha: clamp("alpha", regionAlpha) });
  });
  const chooseSteps = chips("First steps", { alpha: "of the same α", kl: "of the same KL" }, (name) => {
    const now = read();
    if (name === "alpha") return set({ alpha: model.get("_presets")[now.preset].settings.alpha, scale: 1 });
    const { euclidean, natural } = equalAlphas(now);
    const alpha = clamp("alpha", natural);
    set({ alpha, scale: clamp("scale", euclidean / alpha) });
  });
  const region = row("Natural step that has the size of the ellipse", toRegion);
  const equal = row("First steps", chooseSteps);
  const bandit = actions.flatMap((i) => [probabilities[i], rewards[i]]);
  const { mu, sigma, c, delta, bend, alpha, scale } = sliders;
  const own = { gaussian: [bend, mu, sigma, c, delta, steps, region], softmax: [n, ...bandit] };
  const leading = box("rl-controls rl-leading", bend, n, alpha, scale, equal);
  const others = box("rl-controls", mu, sigma, c, delta, steps, region, ...bandit);

  // Panels ---------------------------------------------------------------------------------------------------------

  const legends = mapped(VIEWS, ({ legend }) => keys(...legend));
  const legend = stack("rl-legend", legends);
  const panels = [0, 1, 2].map(() => {
    const { title, node, holder: gaussian } = panel("");
    const softmax = box("rl-picture");
    node.append(softmax);
    return { title, node, gaussian, softmax };
  });
  const [plane, beside, policy] = panels;
  const top = box("rl-top", chooseView, player);
  const tables = mapped(VIEWS, ({ rows }) => pairTable(rows));
  const tablePair = stack("", mapped(tables, nodeOf));
  const numbers = panel("The numbers");
  numbers.holder.replaceWith(tablePair.node);

  let offers = (/** @type {string} */ control) => Boolean(control); // a step's planes are to be looked at
  const move = (to) => offers("mu") && set(mapped(to, (x, name) => common.fit(model, name, x, 3)));
  const reach = (name) => common.limits(model, name);
  const pictures = {
    gaussian: {
      plane: makePlane(plane.gaussian, { log: false, move, reach }),
      beside: makePlane(beside.gaussian, { log: true, move, reach }),
      policy: makeDensities(policy.gaussian),
    },
    softmax: {
      plane: makeTriangle(plane.softmax, (start) => set({ start })),
      beside: makeReturns(beside.softmax, (steps) => change({ steps })),
      policy: makeBars(policy.softmax),
    },
  };

  function draw(sizes, how) {
    const range = RANGES.find((most) => most >= model.get("steps")) ?? reach("steps")[1];
    const now = { ...read(), ...how, range };
    const { view } = now;
    ({ offers } = how);
    const gaussian = view === "gaussian";
    /** @type {any} */
    const state = gaussian ? gaussianState(now) : softmaxState(now);
    const { kl, etaEnd: eta, ends } = state;
    const equal = equalAlphas(now);
    for (const one of panels) {
      one.gaussian.hidden = !gaussian;
      one.softmax.hidden = gaussian;
    }
    const bounds = how.step ? { paths: now.steps > 0, outlines: now.steps === 0, still: true } : {};
    for (const [name, picture] of Object.entries(pictures[view]))
      if (sizes[name]) picture(now, state, sizes[name], bounds);

    chooseView.show(view);
    player.show();
    common.showAll({ ...sliders, steps, start: probabilities, rewards }, now);
    n.show(now.steps);
    for (const [name, controls] of Object.entries(own))
      for (const control of controls) nodeOf(control).hidden = name !== view;
    legend.show(view);
    tablePair.show(view);
    tables[view].show(state);
    for (const [i, { title }] of panels.entries()) tell(title, VIEWS[view].titles[i]);
    if (gaussian) {
      const alpha = Number(state.regionAlpha.toPrecision(3));
      const reachable = alpha === clamp("alpha", alpha);
      toRegion.textContent = `Set α to ${format(alpha)}${reachable ? "" : ": too large"}`;
      toRegion.disabled = !reachable;
    }
    const [, ofKl] = /** @type {any} */ (chooseSteps.node.children);
    ofKl.disabled = !(Math.abs(clamp("alpha", equal.natural) - equal.natural) < 1e-3 * equal.natural); // out of reach
    tell(ofKl, `of the same KL, δ = ${format(now.delta)}`);
    const sameKl = KINDS.every((kind) => Math.abs(kl[kind] - now.delta) < 2e-3 * now.delta);
    chooseSteps.show(sameKl ? "kl" : now.scale === 1 ? "alpha" : "");

    const { apart, halved, pathsApart: paths, reach: edge, half, crossing } = state;
    const pairs = gaussian ? { kl, eta, equal, apart, halved, paths, reach: edge } : { kl, eta, equal, half, crossing };
    const data = {
      shows: view,
      steps: now.steps,
      playing: player.running(),
      ...(gaussian ? { region: state.regionAlpha } : {}),
      ...mapped(ends, (end) => end.join()),
      ...mapped(pairs, (pair) => KINDS.map((kind) => pair[kind]).join()),
    };
    return { words: gaussian ? gaussianSentence(now, state) : softmaxSentence(now, state), data };
  }

  const fit = (width) => {
    const [columns, column] = common.columnsIn(width);
    const high = Math.round(((column - 58) * 3.6) / 4.5) + 46; // as a plane is
    const plane = model.get("view") === "gaussian" ? [column] : [column, high];
    return { plane, beside: plane, policy: [column, columns === 1 ? 200 : 230] };
  };
  return {
    kind: "rl-two rl-natural",
    view: "natural-gradient",
    panels: { plane, beside, policy },
    controls: {
      ...sliders,
      steps,
      n,
      equal,
      region,
      ...Object.fromEntries(bandit.map((slider, i) => [`bandit-${i}`, slider])),
    },
    parts: [top, legend, plane, beside, leading, policy, numbers, others],
    linked: () => common.linked(model, CALLED),
    stop: player.stop,
    draw,
    fit,
    timers: [player],
  };
});
