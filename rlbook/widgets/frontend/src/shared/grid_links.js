// What the widgets on a map share: settings remembered, and how maps and policies are spelt in an address.
import { askedNumbers } from "./common.js";

// A function of some of the settings, remembered until one of them changes.
export function remember(names, compute) {
  let known, value;
  return (now) => {
    const given = names.map((name) => now[name]);
    if (!known || given.some((setting, i) => setting !== known[i])) value = compute(now, value);
    known = given;
    return value;
  };
}

export const MAP_LETTERS = { "#": "W", ".": "o" }; // letters that an address need not escape
export const ARROW_LETTERS = { "^": "u", ">": "r", v: "d", "<": "l", ".": "o" };
export const spell = (rows, letters) => rows.map((row) => [...row].map((c) => letters[c] ?? c).join("")).join("-");
export const unspell = (text, letters) => {
  const back = Object.fromEntries(Object.entries(letters).map(([c, letter]) => [letter, c]));
  return text.split("-").map((row) => [...row].map((c) => back[c] ?? c).join(""));
};
export const isMap = (rows, [most, widest]) =>
  rows.length <= most &&
  rows.every((row) => row.length === rows[0].length && row.length <= widest && /^[.#GPS]+$/.test(row)) &&
  rows.some((row) => /[.S]/.test(row));

// The map that a link asks for and its numbers, as settings; `limits` are the numbers' own, `policies` maps each
// policy's setting to its name in links. What makes no sense is passed over.
export function askedMap(model, asked, limits, policies) {
  const settings = askedNumbers(asked, limits);
  const rows = asked.map ? unspell(asked.map, MAP_LETTERS) : [];
  if (rows.length && isMap(rows, [8, 10])) {
    Object.assign(settings, { rows, cell_rewards: [] });
    for (const name of Object.keys(policies)) settings[name] = [];
  }
  const [H, W] = [(settings.rows ?? model.get("rows")).length, (settings.rows ?? model.get("rows"))[0].length];
  const rewards = (asked.rewards ?? "").split(",").map((item) => item.split("_").map(Number));
  const inside = (x, most) => Number.isInteger(x) && x >= 0 && x < most;
  if (asked.rewards && rewards.every(([i, j, x]) => inside(i, H) && inside(j, W) && Math.abs(x) <= 100)) {
    settings.cell_rewards = Array.from({ length: H }, () => Array(W).fill(0));
    for (const [i, j, x] of rewards) settings.cell_rewards[i][j] = x;
  }
  for (const [name, letter] of Object.entries(policies)) {
    const policy = asked[letter] ? unspell(asked[letter], ARROW_LETTERS) : [];
    if (policy.length === H && policy.every((row) => row.length === W && /^[\^>v<.]+$/.test(row))) settings[name] = policy;
  }
  return settings;
}

// askedMap's inverse: only what is not the preset's own is named.
export function linkedMap(now, own, limits, policies) {
  const differs = (name) => JSON.stringify(now[name]) !== JSON.stringify(own[name]);
  const link = {};
  for (const name of Object.keys(limits)) if (differs(name)) link[name] = now[name];
  const map = differs("rows");
  if (map) link.map = spell(now.rows, MAP_LETTERS);
  const rewards = now.cell_rewards.flatMap((row, i) => row.flatMap((x, j) => (x ? [`${i}_${j}_${x}`] : [])));
  if (differs("cell_rewards") || map) link.rewards = rewards.length ? rewards.join() : "0_0_0";
  for (const [name, letter] of Object.entries(policies)) {
    const uniform = now.rows.map((row) => ".".repeat(row.length));
    if (differs(name) || map) link[letter] = spell(now[name].length ? now[name] : uniform, ARROW_LETTERS);
  }
  return link;
}
