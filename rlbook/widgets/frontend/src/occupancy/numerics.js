// What Occupancy computes in the browser: closed forms for two states and two actions. Pure functions, each held to its
// Python twin (rlbook/occupancies/, rlbook/widgets/occupancy.py) by tests/widgets/test_occupancy_parity.py.
//
// An MDP is { ahead, r, gamma, start }: ahead[s][a] = P(1|s,a) and start = ρ₀(1). A policy is [π(1|0), π(1|1)], an
// occupancy [[ρ(0,0), ρ(0,1)], [ρ(1,0), ρ(1,1)]], a point of the plane [ρ(0,1), ρ(1,1)].

export const CORNERS = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
];
export const NAMES = CORNERS.map(([a, b]) => `${a}${b}`);
export const TIE = 1e-9; // corners whose returns differ by less than this, for their size, are equally good

export const mass = ({ gamma }) => 1 / (1 - gamma);
export const plane = (rho) => [rho[0][1], rho[1][1]];
export const along = (a, b, share) => a.map((x, i) => (1 - share) * x + share * b[i]);

// P(1|s) under π, by state; and V(1) − V(0) where the states have these rewards.
const onward = ({ ahead }, pi) => pi.map((p, s) => (1 - p) * ahead[s][0] + p * ahead[s][1]);
const rise = ({ gamma }, [m0, m1], reward) => (reward[1] - reward[0]) / (1 - gamma * (m1 - m0));

// ν(s) = Σ_a ρ_π(s,a): the solution of (I − γP_πᵀ)ν = ρ₀, in sums of what is not negative.
export function stateOccupancy(mdp, pi) {
  const { ahead, gamma, start } = mdp;
  const [m0, m1] = onward(mdp, pi);
  const back = (1 - pi[1]) * (1 - ahead[1][0]) + pi[1] * (1 - ahead[1][1]);
  const whole = 1 - gamma * (m1 - m0);
  const total = mass(mdp);
  return [(1 - start + gamma * back * total) / whole, (start + gamma * m0 * total) / whole];
}

export const occupancy = (mdp, pi) => stateOccupancy(mdp, pi).map((nu, s) => [(1 - pi[s]) * nu, pi[s] * nu]);

// Σ_a ρ(s,a) − ρ₀(s) − γ Σ P(s|s',a') ρ(s',a') in both states.
export function flowResidual({ ahead, gamma, start }, rho) {
  const to = ahead.flat();
  const into0 = rho.flat().reduce((sum, x, i) => sum + (1 - to[i]) * x, 0);
  const into1 = rho.flat().reduce((sum, x, i) => sum + to[i] * x, 0);
  return [rho[0][0] + rho[0][1] - (1 - start) - gamma * into0, rho[1][0] + rho[1][1] - start - gamma * into1];
}

// The occupancies of the deterministic policies 00, 10, 11, 01, in this order round D.
export const polygon = (mdp) => CORNERS.map((pi) => occupancy(mdp, pi));

// The ρ that keeps to the flow with ρ(s,1) as given.
export function fromPlane({ ahead, gamma, start }, [x, y]) {
  const total = 1 / (1 - gamma);
  const moved = x * (ahead[0][1] - ahead[0][0]) + y * (ahead[1][1] - ahead[1][0]);
  const whole = 1 - gamma * (ahead[1][0] - ahead[0][0]);
  const nu1 = (start + gamma * (total * ahead[0][0] + moved)) / whole;
  const nu0 = (1 - start + gamma * (total * (1 - ahead[1][0]) - moved)) / whole;
  return [
    [nu0 - x, x],
    [nu1 - y, y],
  ];
}

// π(1|s) = ρ(s,1)/ν(s), and unvisited[s] where ν(s) = 0.
export const policyFromOccupancy = (rho, unvisited) =>
  rho.map(([none, one], s) => (none + one > 0 ? one / (none + one) : unvisited[s]));

export const expectedReturn = ({ r }, rho) =>
  rho[0][0] * r[0][0] + rho[0][1] * r[0][1] + rho[1][0] * r[1][0] + rho[1][1] * r[1][1];

// V of a policy under given rewards of its states: (I − γP_π)⁻¹ r_π.
function solve(mdp, pi, reward) {
  const { gamma } = mdp;
  const [m0, m1] = onward(mdp, pi);
  // V(1) − V(0) first, then each V from its own equation.
  const difference = rise(mdp, [m0, m1], reward);
  return [
    (reward[0] + gamma * m0 * difference) / (1 - gamma),
    (reward[1] - gamma * (1 - m1) * difference) / (1 - gamma),
  ];
}

// ∂η/∂(ρ(0,1), ρ(1,1)) on D: the advantage of action 1 over the policy of action 0.
export function rewardDirection(mdp) {
  const { ahead, r, gamma } = mdp;
  const ofNone = (pairs) => pairs.map(([none]) => none);
  const difference = rise(mdp, ofNone(ahead), ofNone(r));
  return [0, 1].map((s) => r[s][1] - r[s][0] + gamma * (ahead[s][1] - ahead[s][0]) * difference);
}

// How large returns are, for what is rounding.
export const sizeOf = (mdp, returns) =>
  Math.max(...returns.map(Math.abs)) + Math.max(...rewardDirection(mdp).map(Math.abs)) * mass(mdp);

// Where the corners that are best stand in CORNERS; more than one where they are equally good.
export function bestCorners(mdp, returns) {
  const least = Math.max(...returns) - TIE * sizeOf(mdp, returns);
  return [0, 1, 2, 3].filter((k) => returns[k] >= least);
}

// The directions of the reward, in degrees, at which corners that differ are equally good: [degrees, from, to].
export function jumps(mdp) {
  const points = polygon(mdp).map((rho) => plane(rho).map((x) => x * (1 - mdp.gamma)));
  const found = [];
  for (const k of [0, 1, 2, 3]) {
    const from = (k + 3) % 4;
    const [dx, dy] = [points[k][0] - points[from][0], points[k][1] - points[from][1]];
    if (Math.hypot(dx, dy) <= TIE) continue;
    const degrees = (-Math.atan2(dx, dy) * 180) / Math.PI;
    found.push([degrees > -180 ? degrees : 180, NAMES[from], NAMES[k]]);
  }
  return found.length < 2 ? [] : found.sort((a, b) => a[0] - b[0]);
}

// Both ways to mix π and π' with the share λ of π': { policies, occupancies } as occupancies, and the policy of the
// latter (in a state that it does not visit, that of the former).
export function mix(mdp, pi, other, share) {
  const mixed = along(pi, other, share);
  const [one, two] = [occupancy(mdp, pi), occupancy(mdp, other)];
  const occupancies = one.map((row, s) => along(row, two[s], share));
  return { policies: occupancy(mdp, mixed), occupancies, mixed, policy: policyFromOccupancy(occupancies, mixed) };
}

// The probability of the second of two actions with the values x and y, in proportion to exp(value/α).
function chance(x, y, alpha) {
  const gap = (y - x) / alpha;
  return gap > 0 ? 1 / (1 + Math.exp(-gap)) : Math.exp(gap) / (1 + Math.exp(gap));
}
const plogp = (p) => (p > 0 ? p * Math.log(p) : 0);

// The policy that is best in ρ·r + αH(ρ), by soft policy iteration: each step solves for the values of its policy.
export function softPolicy(mdp, alpha) {
  const { ahead, r, gamma } = mdp;
  let pi = [0.5, 0.5];
  for (let i = 0; i < 100; i++) {
    const reward = pi.map((p, s) => (1 - p) * r[s][0] + p * r[s][1] - alpha * (plogp(p) + plogp(1 - p)));
    const V = solve(mdp, pi, reward);
    const next = r.map((row, s) => {
      const Q = row.map((x, a) => x + gamma * ((1 - ahead[s][a]) * V[0] + ahead[s][a] * V[1]));
      return chance(Q[0], Q[1], alpha);
    });
    const moved = Math.max(...next.map((p, s) => Math.abs(p - pi[s])));
    pi = next;
    if (moved <= 1e-15) break;
  }
  return pi;
}

// H(ρ) = −Σ ρ log(ρ/ν).
export const entropy = (rho) =>
  -rho.reduce((sum, row) => {
    const nu = row[0] + row[1];
    return sum + row.reduce((part, x) => part + (x > 0 ? x * Math.log(x / nu) : 0), 0);
  }, 0);

// Geometry of the plane ----------------------------------------------------------------------------------------------

// The point of a convex polygon, corners given anticlockwise, that is next to the given one.
export function nearest(corners, [x, y]) {
  let [inside, area] = [true, 0];
  let [best, least] = [corners[0], Infinity];
  corners.forEach(([ax, ay], k) => {
    const [bx, by] = corners[(k + 1) % corners.length];
    const [dx, dy] = [bx - ax, by - ay];
    const length = dx * dx + dy * dy;
    area = area + ax * by - ay * bx;
    if (length > 0 && dx * (y - ay) - dy * (x - ax) < 0) inside = false;
    const share = length > 0 ? Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length)) : 0;
    const point = [ax + share * dx, ay + share * dy];
    const apart = Math.hypot(point[0] - x, point[1] - y);
    if (apart < least) [best, least] = [point, apart];
  });
  return inside && area > 0 ? [x, y] : best;
}

// The two ends of a level line across a polygon, `values` being those at its corners; null where it does not cross.
export function levelLine(corners, values, level) {
  const ends = [];
  corners.forEach((to, k) => {
    const j = (k + corners.length - 1) % corners.length;
    const [low, high] = [values[j], values[k]];
    if (low < level === high < level) return;
    ends.push(along(corners[j], to, (level - low) / (high - low)));
  });
  return ends.length === 2 ? ends : null;
}
