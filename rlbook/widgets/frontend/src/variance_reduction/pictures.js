// The pictures of VarianceReduction: the cloud of estimates, the bowl of their variance, its growth with the horizon.
import { makeMarks, ROW } from "../shared/control_pictures.js";
import { format, subscript } from "../shared/controls.js";
import { chart, dragAlong, keeper, LEFT, path, ticksIn } from "../shared/frame.js";
import { drawPaths, makePaths, node, put } from "../shared/handles.js";
import * as numerics from "./numerics.js";

export const valueName = (problem, t, s) => `b${subscript(t)}(${problem.states[s]})`;
const LENGTHS = [1, 2, 5, 10, 20, 50, 100, 200]; // horizons that an axis names
const DECADES = Array.from({ length: 16 }, (_, i) => 10 ** (i - 6));
const close = (a, b) => a.flat().every((x, i) => Math.abs(x - b.flat()[i]) < 1e-9 * (1 + Math.abs(x)));

export const namedBaselines = (problem, kappa) => ({
  V: problem.V,
  "per-step": problem.perStep,
  optimal: numerics.optimalBaseline(problem, kappa),
});

// Every name that the baseline has: in a small problem two of them may be the same numbers.
export const baselineNames = (problem, kappa, baseline) =>
  Object.entries(namedBaselines(problem, kappa)).flatMap(([name, b]) => (close(baseline, b) ? [name] : []));

export const baselineName = (problem, kappa, baseline) => baselineNames(problem, kappa, baseline)[0] ?? "your b";

// What depends on the preset alone.
const prepared = new WeakMap();
export function prepare(problem) {
  if (!prepared.has(problem)) {
    const T = problem.V.length;
    const states = numerics.decodeBase64(problem.atomStates);
    const actions = numerics.decodeBase64(problem.atomActions);
    const none = problem.V.map((row) => row.map(() => 0));
    const [full, toGo] = [1, 0].map((kappa) => numerics.totalVariance(problem, kappa, 0, none));
    prepared.set(problem, {
      atoms: Array.from({ length: states.length / T }, (_, i) => [
        states.subarray(i * T, i * T + T),
        actions.subarray(i * T, i * T + T),
      ]),
      draws: numerics.decodeBase64(problem.draws),
      plane: problem.axes.length === 2,
      fullReturn: numerics.packedCovariance(problem, 1, 0, none),
      full,
      toGo,
      top: 1.08 * Math.max(full, toGo, ...[0, 1].map((kappa) => numerics.totalVariance(problem, kappa, 1, problem.V))),
    });
  }
  return prepared.get(problem);
}

// The values of b_t(s) that its bowl shows: from below every mark to above it.
export function valueRange(problem, t, s) {
  const baselines = [problem.V, problem.perStep, ...[0, 1].map((k) => numerics.optimalBaseline(problem, k))];
  const marks = [0, ...baselines.map((b) => b[t][s])];
  const [low, high] = [Math.min(...marks), Math.max(...marks)];
  const pad = 0.25 * (high - low) || 1;
  return [low - pad, high + pad].map((x) => Number(x.toPrecision(3)));
}

// A. The cloud -----------------------------------------------------------------------------------------------------

export function makeCloud(holder) {
  const kept = keeper();
  return function draw({ preset, problem, kappa, beta, baseline, batch }, packed, size) {
    const { atoms, draws, plane, fullReturn } = prepare(problem);
    const [meanX, meanY] = problem.mean;
    const { x, y, circles, lines, svg } = kept([preset, ...size], () => {
      const [halfX, halfY] = plane ? problem.halfWidths : [problem.halfWidths[0], 1];
      const across = `ĝ, ${problem.axes[0]}${plane ? "" : "; heights only spread the dots"}`;
      const base = chart(holder, size, {
        marginLeft: plane ? LEFT : 16,
        marginTop: 10,
        x: { domain: [meanX - halfX, meanX + halfX], ticks: ticksIn(size[0] / 2), label: across, grid: true },
        y: { domain: [meanY - halfY, meanY + halfY], label: plane && `ĝ, ${problem.axes[1]}` },
      });
      const lines = makePaths(base.layer, { ghost: "rl-plain", spread: "rl-exact" });
      const circles = Array.from({ length: draws.length / problem.width }, () =>
        node(base.layer, "circle", { r: atoms.length > 16 ? 3 : 5, class: "rl-sample" }),
      );
      const d = `M${base.x(meanX) - 7},${base.y(meanY)}h14m-7,-7v14`;
      node(base.layer, "path", { d, class: "rl-exact rl-heavy" });
      return { ...base, lines, circles };
    });
    const gradients = atoms.map(([s, a]) => numerics.trajectoryGradient(problem, s, a, kappa, beta, baseline));
    const dots = numerics.batchMeans(gradients, draws, problem.width, batch);
    dots.forEach(([u, v], m) => {
      // One component only: the height says nothing; it keeps dots of equal value apart (golden-ratio spacing).
      const up = plane ? v : ((m * 0.618034) % 1) - 0.5;
      put(circles[m], { cx: x(u).toFixed(2), cy: y(up).toFixed(2) });
    });
    const [halfX, halfY] = problem.halfWidths;
    const outside = dots.filter(
      ([u, v]) => Math.abs(u - meanX) > halfX || (plane && Math.abs(v - meanY) > halfY),
    ).length;
    const outline = (covariance, height) => {
      if (plane) {
        const points = numerics.ellipse(problem.mean, covariance, 2, batch, 72);
        return `${path(points.map(([u, v]) => [x(u), y(v)]))}Z`;
      }
      const reach = 2 * Math.sqrt(Math.max(0, covariance[0]) / batch);
      return `M${x(meanX - reach)},${y(height) - 6}v12m0,-6H${x(meanX + reach)}m0,-6v12`;
    };
    drawPaths(lines, { ghost: outline(fullReturn, -0.8), spread: outline(packed, 0.8) });
    return { svg, outside };
  };
}

// B. The bowl ------------------------------------------------------------------------------------------------------

// The line that the bowl cuts: its parabola, x range, current x, and the marks on it.
function cut({ problem, kappa, beta, baseline, selected }) {
  if (!selected) {
    const parabola = numerics.parabolaInBeta(problem, kappa, baseline);
    const name = baselineName(problem, kappa, baseline);
    return {
      parabola,
      range: [0, 2],
      at: beta,
      marks: [
        ["no baseline", 0, "rl-baseline"],
        [name, 1, "rl-baseline"],
        ["lowest on this line", numerics.bottom(parabola), "rl-exact"],
      ],
      label: `β, multiple of ${name === "your b" ? name : `the ${name} baseline`}`,
    };
  }
  const [t, s] = selected;
  const parabola = numerics.parabolaInValue(problem, kappa, beta, baseline, t, s);
  return {
    parabola,
    range: valueRange(problem, t, s),
    at: baseline[t][s],
    marks: [
      ["b = 0", 0, "rl-baseline"],
      ["V", problem.V[t][s], "rl-baseline"],
      ["per-step", problem.perStep[t][s], "rl-baseline"],
      ["optimal", numerics.bottom(parabola), "rl-exact"],
    ],
    label: `${valueName(problem, t, s)}, the others held`,
  };
}

export function makeBowl(holder, drag) {
  const kept = keeper();
  let domain, of;
  return function draw(now, variance, [width, height]) {
    const { preset, problem, kappa, selected, step, open } = now;
    const { parabola, range, at, marks, label } = cut(now);
    const values = (xs) => xs.map((x) => Math.max(0, numerics.evaluateParabola(parabola, x)));

    // The axis stays while a value is dragged. All of β's bowls share one where everything is shown; in a step, for
    // which κ is set, this bowl has its own. A single value's bowl is shallow, so it gets its own too, which is chosen
    // again only when the bowl has left it or become a sliver of it.
    if (!selected) {
      domain = [0, (step ? 1.08 * Math.max(...values(range)) : prepare(problem).top) || 1];
      of = null;
    } else {
      const inside = values([...range, numerics.bottom(parabola)].filter(Number.isFinite));
      const [low, high] = [Math.min(...inside), Math.max(...inside)];
      const lost = () =>
        low < domain[0] || high > 1.6 * domain[1] - 0.6 * domain[0] || high - low < 0.3 * (domain[1] - domain[0]);
      const another = of !== [preset, ...selected].join();
      of = [preset, ...selected].join();
      if (another || lost()) {
        const pad = 0.15 * (high - low) || 0.5 * high || 1;
        domain = [Math.max(0, low - pad), high + 0.5 * pad];
      }
    }

    const parts = kept([preset, width, height, label, ...domain], () => {
      const base = chart(holder, [width, height], {
        marginTop: marks.length * ROW + 8,
        marginRight: 14,
        x: { domain: range, ticks: ticksIn(width / 2), label },
        y: { domain, label: `${height < 250 ? "" : "total variance, "}tr Cov ĝ` },
      });
      const { layer, svg } = base;
      const lines = makePaths(layer, { curve: "rl-exact rl-heavy", floor: "rl-bound" });
      const floorName = node(layer, "text", { class: "rl-label", "text-anchor": "end", x: base.right - 2 });
      const flags = makeMarks(base, marks.length, marks.length);
      const point = node(svg, "circle", { class: "rl-handle", r: 8 });
      dragAlong(base, (x) => drag(Number(x.toFixed(3))));
      return { ...base, ...lines, floorName, point, flags };
    });
    const { x, y, left, right, foot, top, curve, floor, floorName, point, flags, svg } = parts;
    const xs = Array.from({ length: 61 }, (_, i) => range[0] + ((range[1] - range[0]) * i) / 60);
    curve.setAttribute("d", open ? "" : path(values(xs).map((v, i) => [x(xs[i]), y(v)])));
    const asked = open ? marks.slice(0, -1) : marks; // where it is lowest
    flags.show(
      asked.flatMap(([name, where, kind]) => {
        const [px, value] = [x(where), values([where])[0]];
        const seen = px >= left - 1 && px <= right + 1;
        return seen ? [{ kind, px, py: y(value), text: `${name}: ${format(value)}`, short: name }] : [];
      }),
    );
    // What no state baseline can go below, at this κ.
    const best = numerics.totalVariance(problem, kappa, 1, numerics.optimalBaseline(problem, kappa));
    const py = y(best);
    const seen = !selected && !step && py <= foot && py >= top;
    floor.style.display = floorName.style.display = seen ? "" : "none";
    if (seen) {
      floor.setAttribute("d", `M${left},${py}H${right}`);
      floorName.setAttribute("y", py - 5);
      floorName.textContent = `best b of all: ${format(best)}`;
    }
    const [pointX, pointY] = [x(at), y(variance)];
    put(point, { cx: pointX, cy: pointY });
    point.style.display = pointX >= left - 1 && pointX <= right + 1 && pointY >= top - 1 ? "" : "none";
    return svg;
  };
}

// C. Variance against the horizon ----------------------------------------------------------------------------------

export function makeHorizon(holder) {
  const kept = keeper();
  return function draw({ preset, problem, kappa, beta }, variance, size) {
    const { horizons, horizonTotals } = problem;
    const along = (k, b) => horizonTotals.map((total) => numerics.horizonVariance(total, k, b));
    const curveOf = (values, { x, y }) => path(values.map((v, i) => [x(horizons[i]), y(v)]));
    const parts = kept([preset, ...size], () => {
      const kinds = [
        ["full return", "plain", along(1, 0), "rl-plain"],
        ["reward-to-go", "improved", along(0, 0), "rl-sharp"],
        ["minus V", "baseline", along(0, 1), "rl-control"],
      ];
      const all = kinds.flatMap(([, , values]) => values).filter((value) => value > 1e-9);
      const [low, high] = [Math.min(...all, 1), Math.max(...all, ...along(1, 2), ...along(0, 2), 1e-3)];
      const round = (steps) => DECADES.flatMap((d) => steps.map((k) => k * d)).filter((v) => v >= low / 2 && v <= high);
      const ticks = [0, ...(round([1]).length > 2 ? round([1]) : round([1, 2, 5]))];
      // Logarithmic but for a short linear piece at the bottom, since some of these variances are exactly 0.
      const scale = { type: "symlog", constant: low, domain: [0, high * 1.1] };
      const base = chart(holder, size, {
        marginTop: 10,
        marginRight: 84,
        x: { type: "log", domain: [1, horizons.at(-1)], ticks: LENGTHS, tickFormat: String, label: "horizon T, steps" },
        y: { ...scale, ticks, tickFormat: format, label: "total variance, log-like scale with 0" },
      });
      const here = `M${base.x(problem.V.length)},${base.top}V${base.foot}`;
      node(base.layer, "path", { d: here, class: "rl-bound rl-dotted" });
      for (const [, , values, line] of kinds) node(base.layer, "path", { d: curveOf(values, base), class: line });
      // Names at the ends of the curves, pushed apart where curves end together: down, then up from the axis.
      const ends = kinds
        .map(([name, kind, values]) => [name, kind, base.y(values.at(-1)) + 4])
        .sort((a, b) => a[2] - b[2]);
      for (let i = 1; i < ends.length; i++) ends[i][2] = Math.max(ends[i][2], ends[i - 1][2] + ROW);
      const lowest = ends[ends.length - 1];
      lowest[2] = Math.min(lowest[2], base.foot);
      for (let i = ends.length - 1; i > 0; i--) ends[i - 1][2] = Math.min(ends[i - 1][2], ends[i][2] - ROW);
      for (const [name, kind, height] of ends) {
        const at = { "text-anchor": "start", x: base.right + 5, y: height };
        node(base.svg, "text", { class: `rl-label rl-${kind}`, ...at }, name);
      }
      const curve = node(base.layer, "path", { class: "rl-exact rl-heavy" });
      const point = node(base.layer, "circle", { class: "rl-handle", r: 5 });
      return { ...base, curve, point };
    });
    const { x, y, curve, point, svg } = parts;
    curve.setAttribute("d", curveOf(along(kappa, beta), parts));
    put(point, { cx: x(problem.V.length), cy: y(variance) });
    return svg;
  };
}
