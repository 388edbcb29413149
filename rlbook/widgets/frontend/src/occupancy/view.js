// Occupancy: the policies of two states and two actions as a square, their occupancies as a polygon, linked both ways,
// and over them a reward that turns, two ways to mix, or a temperature that falls.
import * as common from "../shared/common.js";
import { box, format, keys, mapped, panel, scientific, slider, stack, table, tell } from "../shared/controls.js";
import { between } from "../shared/frame.js";
import { lesson } from "../shared/lesson.js";
import * as numerics from "./numerics.js";
import { makeGraph, makePolygon, makeSquare, say } from "./pictures.js";

const CALLED = { pi_new: "new", ahead: "to" }; // in a link
const LEVELS = 9;
const BESIDE = [0.5, 1 / 3, 0.2, 0.1, 0.04, 0.01, 1e-3, 1e-5]; // along a level line, from its ends
const SHARES = [...BESIDE.toReversed(), ...BESIDE.slice(1).map((x) => 1 - x)];
const FINE = SHARES.flatMap((x, j) => (j + 1 < SHARES.length ? [x, (x + SHARES[j + 1]) / 2] : [x]));

// What the numbers are ---------------------------------------------------------------------------------------------

function compute(now) {
  const { pi, pi_new: other, share, view, gamma, r, alpha } = now;
  const rho = numerics.occupancy(now, pi);
  const rhos = numerics.polygon(now);
  const etaOf = (one) => numerics.expectedReturn(now, one);
  const returns = rhos.map(etaOf);
  const direction = numerics.rewardDirection(now);
  const flat = Math.max(...direction.map(Math.abs)) <= 1e-12 * Math.max(1, ...r.flat().map(Math.abs));
  /** @type {any} */
  const state = {
    now,
    rho,
    residual: numerics.flowResidual(now, rho),
    eta: etaOf(rho),
    rhos,
    corners: rhos.map(numerics.plane),
    returns,
    best: numerics.bestCorners(now, returns),
    direction,
    angle: flat ? NaN : (Math.atan2(direction[1], direction[0]) * 180) / Math.PI,
    jumps: numerics.jumps(now),
    levels: [],
    curves: [],
  };
  // Corners at one place share their names; η = origin + direction·(ρ(0,1), ρ(1,1)).
  state.names = state.corners.map(([x, y]) =>
    numerics.NAMES.filter(
      (_, j) => Math.hypot(state.corners[j][0] - x, state.corners[j][1] - y) * (1 - gamma) < 1e-6,
    ).join(" = "),
  );
  state.places = [...new Set(state.best.map((k) => state.names[k]))];
  state.origin = returns[0] - direction[0] * state.corners[0][0] - direction[1] * state.corners[0][1];
  const [low, high] = [Math.min(...returns), Math.max(...returns)];
  if (high - low > 1e-9 * numerics.sizeOf(now, returns))
    for (let i = 1; i <= LEVELS; i++) {
      const ends = numerics.levelLine(state.corners, returns, low + ((high - low) * i) / (LEVELS + 1));
      if (!ends) continue;
      state.levels.push(ends.map((point) => point.map((x) => x * (1 - gamma))));
      const policyAt = (share) => {
        const rho = numerics.fromPlane(now, numerics.along(ends[0], ends[1], share));
        const inside = rho.map((row) => row.map((u) => Math.max(0, u)));
        return numerics.policyFromOccupancy(inside, pi);
      };
      state.curves.push(FINE.map(policyAt));
    }
  const reach = Math.hypot(...direction) * Math.max(...state.corners.map(([x, y]) => Math.hypot(x, y))) || 1;
  state.heights = view === "reward" ? { low: state.origin - reach, high: state.origin + reach } : { low, high };
  if (view === "mixing") {
    state.rhoNew = numerics.occupancy(now, other);
    state.etaNew = etaOf(state.rhoNew);
    state.mixture = numerics.mix(now, pi, other, share);
    state.mixtureEtas = [state.mixture.policies, state.mixture.occupancies].map(etaOf);
    state.mixed = Array.from({ length: 61 }, (_, i) => numerics.mix(now, pi, other, i / 60));
  }
  if (view === "temperature") {
    const temperatures = Array.from({ length: 61 }, (_, i) => 20 * 10 ** (-i / 20));
    state.cooled = temperatures.map((at) => ({ alpha: at, pi: numerics.softPolicy(now, at) }));
    const best = numerics.softPolicy(now, alpha);
    state.soft = { pi: best, rho: numerics.occupancy(now, best) };
  }
  return state;
}

// The rewards with the arrow turned to `degrees`: only r(·,1) moves.
function turned({ r }, direction, degrees, [least, most]) {
  const angle = (degrees * Math.PI) / 180;
  const length = Math.hypot(...direction) > 1e-9 ? Math.hypot(...direction) : 1;
  const to = [length * Math.cos(angle), length * Math.sin(angle)];
  return r.map(([none, one], s) => {
    const next = Number((one + to[s] - direction[s]).toFixed(6));
    return [none, between(least, most, next)];
  });
}

// Links ------------------------------------------------------------------------------------------------------------

export const restore = (model, asked) => common.restore(model, asked, CALLED);

// Words ------------------------------------------------------------------------------------------------------------

const sum = (rho) => rho.flat().reduce((total, x) => total + x, 0);
const emptyIn = (rho) => [0, 1].find((s) => rho[s][0] + rho[s][1] === 0); // a state that is never visited
const nameOf = (k) => numerics.NAMES[k];
const and = (items) =>
  items.length < 3 ? items.join(" and ") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
const residualOf = (now, residual) => {
  const most = Math.max(...residual.map(Math.abs));
  return most <= 1e-13 * numerics.mass(now) ? "0" : scientific(most);
};

function rewardWords(_, { angle, returns, jumps, names, places }) {
  const top = format(Math.max(...returns));
  if (Number.isNaN(angle)) return `The reward has no direction: every policy has η = ${top}.`;
  if (places.length > 1)
    return `The corners ${and(places)} are equally good with η = ${top}, and so is every point between them: the reward is at right angles to that side.`;
  if (!jumps.length) return `The corner ${places[0]} is best with η = ${top}: all policies have the same occupancy.`;
  const called = (name) => names[numerics.NAMES.indexOf(name)];
  const ahead = jumps.map(([degrees, from, to]) => ({ turn: (((degrees - angle) % 360) + 360) % 360, from, to }));
  ahead.sort((a, b) => a.turn - b.turn);
  const [next, last] = [ahead[0], ahead.at(-1)];
  return `The corner ${places[0]} is best with η = ${top}. The best jumps to ${called(next.to)} when the reward turns ${format(next.turn)}° anticlockwise, and to ${called(last.from)} when it turns ${format(360 - last.turn)}° clockwise.`;
}

function mixingWords({ share, pi, pi_new: other }, { eta, etaNew, mixture, mixtureEtas: [one, two] }) {
  const same = Math.abs(one - two) <= 1e-9 * Math.max(1, Math.abs(one), Math.abs(two));
  if (pi.join() === other.join()) return "π and π′ are the same, and so are all their mixtures.";
  const times = (weight, value) => `${format(weight)}·${value < 0 ? `(${format(value)})` : format(value)}`;
  const average = `${times(1 - share, eta)} + ${times(share, etaNew)}`;
  return `At λ = ${format(share)} the mixed policies have η = ${format(one)}, the mixed occupancies ${same ? "the same, " : ""}${format(two)} = ${average}. These belong to the policy ${say(mixture.policy)}; the mixed policies are ${say(mixture.mixed)}.`;
}

function coolingWords(now, { soft, returns, places }) {
  const eta = numerics.expectedReturn(now, soft.rho);
  const where = places.length > 1 ? `what lies between ${and(places)}` : `the corner ${places[0]}`;
  return `At temperature α = ${format(now.alpha)} the best of Σρr + αH(ρ) is inside: it takes action 1 with probabilities ${say(soft.pi)} and has η = ${format(eta)}. As α falls it goes to ${where}, where η = ${format(Math.max(...returns))}.`;
}

// What a step says of it: which corner, which mixtures, or what π is and earns.
function shortly(now, state, { open, offers }) {
  if (offers("angle")) return rewardWords(now, state);
  const empty = emptyIn(state.rho);
  if (!offers("share")) {
    return `The return η is ${format(state.eta)}.${empty === undefined ? "" : ` π never comes to state ${empty}.`}`;
  }
  const [one, two] = state.mixtureEtas.map(format);
  const alone = `π alone earns ${format(state.eta)}, π′ ${format(state.etaNew)}`;
  return open ? `${alone}.` : `${alone}; at λ = ${format(now.share)}, mixed occupancies ${two}, mixed policies ${one}.`;
}

function sentence(now, state) {
  const { rho, eta, residual } = state;
  const four = rho.map((row) => row.map(format).join(", ")).join("; ");
  const first = `π takes action 1 with probability ${format(now.pi[0])} in state 0 and ${format(now.pi[1])} in state 1. Its ρ = (${four}) sums to 1/(1−γ) = ${format(sum(rho))}, flow residual ${residualOf(now, residual)}, and its return is Σρr = ${format(eta)}.`;
  const empty = emptyIn(rho);
  const second =
    empty === undefined ? "" : ` State ${empty} is never visited: ρ is the same whatever π(1|${empty}) is.`;
  const third = { reward: rewardWords, mixing: mixingWords, temperature: coolingWords }[now.view](now, state);
  return `${first}${second} ${third}`;
}

// The view ---------------------------------------------------------------------------------------------------------

const PROBABILITIES = ["π(1|0)", "π(1|1)", "ρ(0,0)", "ρ(0,1)", "ρ(1,0)", "ρ(1,1)"];
const ROWS = [...PROBABILITIES, "sum", "flow residual", "η = Σρr", "Σν·H(π), nats"];
const CORNER = ["", "Corner ab: action a in state 0, b in state 1."];
const MESH = ["rl-mesh", "one state’s probability is ¼, ½ or ¾"];
const LEGENDS = {
  reward: [
    ["rl-dots", "π and its ρ"],
    ["rl-pole", "equal η"],
    ["rl-of-natural", "best corner"],
    MESH,
    CORNER,
    ["", "Drag the dot in either picture, and the arrow."],
  ],
  mixing: [
    ["rl-dots", "π"],
    ["rl-rival rl-dots", "π′"],
    ["rl-exact rl-heavy", "policies mixed"],
    ["rl-mixed", "occupancies mixed"],
    MESH,
    CORNER,
    ["", "Drag both dots in either picture."],
  ],
  temperature: [
    ["rl-dots", "π and its ρ"],
    ["rl-of-natural", "best with entropy, at every α"],
    ["rl-pole", "equal η"],
    MESH,
    CORNER,
  ],
};
const TITLES = {
  reward: "η of the corners as the reward turns",
  mixing: "η of both mixtures",
  temperature: "The optimum as it cools",
};

const LABELS = {
  share: "λ, share of π′",
  alpha: "α, temperature",
  gamma: "γ, discount",
  start: "ρ₀(1), share that starts in state 1",
  pi: ["π(1|0), action 1 in state 0", "π(1|1), action 1 in state 1"],
  pi_new: ["π′(1|0), the other policy", "π′(1|1), the other policy"],
  r: [0, 1].map((s) => [0, 1].map((a) => `r(${s},${a}), reward of action ${a}`)),
  ahead: [0, 1].map((s) => [0, 1].map((a) => `P(1|${s},${a}), from ${s} by action ${a} to 1`)),
};

// The table of numbers: show(now, columns), up to four columns [name, class, policy, ρ].
function makeNumbers() {
  const { node, heads, cells } = table(["", "", "", ""], ROWS);
  node.classList.add("rl-columns");
  function show(now, columns) {
    heads.forEach((head, i) => {
      const column = columns[i];
      const below = Object.values(cells).map((line) => line[i]);
      for (const one of [head, ...below]) {
        one.hidden = !column;
        one.className = column ? column[1] : "";
      }
      if (!column) return;
      const [name, , pi, rho] = column;
      tell(head, name);
      const texts = [...pi, ...rho.flat(), sum(rho)].map(format);
      texts.push(residualOf(now, numerics.flowResidual(now, rho)));
      texts.push(format(numerics.expectedReturn(now, rho)), format(numerics.entropy(rho)));
      for (const [k, cell] of below.entries()) tell(cell, texts[k]);
    });
  }
  return { node, show };
}

export const render = lesson((model, { set, read }) => {
  // Controls -------------------------------------------------------------------------------------------------------

  const views = { reward: "Reward", mixing: "Mixing", temperature: "Temperature" };
  const chooseView = common.settingChips("view", "View", views, set);
  const turn = (degrees) => {
    const now = read();
    const wrapped = degrees > 180 || degrees < -180 ? (((degrees % 360) + 540) % 360) - 180 : degrees;
    set({ r: turned(now, numerics.rewardDirection(now), wrapped, common.limits(model, "r")) });
  };
  const { pi, pi_new, r, ahead, ...sliders } = common.settingSliders(model, LABELS);
  sliders.angle = slider({ label: "φ, direction of the reward (degrees)", min: -180, max: 180, step: 1, change: turn });
  const own = { reward: sliders.angle, mixing: sliders.share, temperature: sliders.alpha };
  const leading = box("rl-controls rl-leading", sliders.gamma, ...Object.values(own));
  // Several sliders of one name, which come and go together.
  const reward = box("rl-together", ...r.map(([, ofOne]) => ofOne)); // that of action 0 is not offered
  const other = box("rl-together", ...pi_new);
  const chances = box("rl-together", ...ahead.flat());
  const controls = box("rl-controls", ...pi, reward, other, sliders.start, chances);

  // Panels ---------------------------------------------------------------------------------------------------------

  const legends = mapped(LEGENDS, (entries) => keys(...entries));
  const legend = stack("rl-legend", legends);
  const [square, polygon, graph] = ["All policies", "Their occupancies", ""].map((title) => panel(title));
  const numbers = makeNumbers();
  const numbersPanel = panel("The numbers");
  numbersPanel.holder.replaceWith(numbers.node);
  const top = box("rl-views", chooseView);
  const named = { view: top, legend, numbers: numbersPanel };

  const move = (name, pi) => set({ [name]: pi });
  const drawSquare = makeSquare(square.holder, move);
  const drawPolygon = makePolygon(polygon.holder, move, turn);
  const drawGraph = makeGraph(graph.holder, (view, value) => {
    if (view === "reward") turn(Math.round(value));
    else if (view === "mixing") set({ share: common.fit(model, "share", value, 3) });
    else set({ alpha: common.fit(model, "alpha", Number(value.toPrecision(3))) });
  });

  function draw(sizes, how) {
    const now = read();
    const state = compute(now);
    const { view } = now;
    if (sizes.square) drawSquare(now, state, sizes.square, how);
    if (sizes.polygon) drawPolygon(now, state, sizes.polygon, how);
    if (sizes.graph) drawGraph(now, state, sizes.graph, how);

    chooseView.show(view);
    common.showAll({ ...sliders, pi, pi_new, r, ahead }, { ...now, angle: Number(state.angle.toFixed(2)) });
    legend.show(view);
    for (const [name, { node }] of Object.entries(own)) node.hidden = name !== view;
    reward.hidden = view === "mixing";
    other.hidden = view !== "mixing";
    tell(graph.title, TITLES[view]);

    const best = state.best[0];
    const optimum = [`best, ${nameOf(best)}`, "rl-of-natural", numerics.CORNERS[best], state.rhos[best]];
    const mine = ["π", "", now.pi, state.rho];
    const columns = {
      reward: () => [mine, optimum],
      mixing: () => [
        mine,
        ["π′", "rl-of-other", now.pi_new, state.rhoNew],
        ["mixed π", "", state.mixture.mixed, state.mixture.policies],
        ["mixed ρ", "rl-of-other", state.mixture.policy, state.mixture.occupancies],
      ],
      temperature: () => [mine, ["best at α", "rl-of-natural", state.soft.pi, state.soft.rho], optimum],
    }[view]();
    numbers.show(now, columns);

    return {
      words: how.step ? shortly(now, state, how) : sentence(now, state),
      data: {
        shows: view,
        pi: now.pi.join(),
        rho: state.rho.flat().join(),
        eta: state.eta,
        residual: state.residual.join(),
        corners: state.rhos.flat(2).join(),
        returns: state.returns.join(),
        best: state.best.map(nameOf).join(),
        direction: state.direction.join(),
        jumps: state.jumps.map(([degrees]) => degrees).join(),
        policies: state.mixture?.policies.flat().join() ?? "",
        occupancies: state.mixture?.occupancies.flat().join() ?? "",
        mixed: state.mixture?.policy.join() ?? "",
        soft: state.soft?.rho.flat().join() ?? "",
      },
    };
  }

  const fit = (width) => {
    const [columns, column] = common.columnsIn(width);
    const side = Math.min(column, 480);
    const plane = [side, side - 16]; // whose frame is a square
    return { square: plane, polygon: plane, graph: [column, columns === 1 ? 230 : 250] };
  };
  return {
    view: "occupancy",
    kind: "rl-two rl-occupancy",
    panels: { square, polygon, graph },
    controls: { ...sliders, ...named, first: pi[0], second: pi[1], other, reward, ahead: chances },
    parts: [top, legend, square, polygon, leading, graph, numbersPanel, controls],
    linked: () => common.linked(model, CALLED),
    draw,
    fit,
  };
});
