// What the widgets on a map share: settings remembered, and how maps and policies are spelt in an address.
import { askedSettings, differs, linked, loadAsked, read, write } from "./common.js";

/** @import { Asked, Model } from "./common.js" */

export const MAP = ["rows", "cell_rewards", "slip", "gamma", "step_reward", "goal_reward", "pit_reward"];

export const PROBLEM_LABELS = {
  gamma: "γ, discount",
  slip: "slip, chance of going aside",
  step_reward: "reward of every step",
};

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

const MAP_LETTERS = { "#": "W", ".": "o" }; // letters that an address need not escape
const ARROW_LETTERS = { "^": "u", ">": "r", v: "d", "<": "l", ".": "o" };
const spell = (rows, letters) => rows.map((row) => [...row].map((c) => letters[c] ?? c).join("")).join("-");
const unspell = (text, letters) => {
  const back = Object.fromEntries(Object.entries(letters).map(([c, letter]) => [letter, c]));
  return text.split("-").map((row) => [...row].map((c) => back[c] ?? c).join(""));
};

// Whether rows are a map that the widget can have.
export function isMap(model, rows) {
  const [most, widest] = model.get("_schema").rows.most;
  const shaped = rows.every((row) => row.length === rows[0].length && row.length <= widest && /^[.#GPS]+$/.test(row));
  return rows.length > 0 && rows.length <= most && shaped && rows.some((row) => /[.S]/.test(row));
}

// The map that a link asks for and its numbers, as settings; `policies` maps each policy's setting to its name in
// links. What makes no sense is passed over.
/** @param {Model} model @param {Asked} asked @param {Asked} policies */
export function askedMap(model, asked, policies) {
  const settings = askedSettings(model, asked);
  const rows = asked.map ? unspell(asked.map, MAP_LETTERS) : [];
  if (isMap(model, rows)) {
    Object.assign(settings, { rows, cell_rewards: [] });
    for (const name of Object.keys(policies)) settings[name] = [];
  }
  const map = settings.rows ?? model.get("rows");
  const [H, W] = [map.length, map[0].length];
  const { low, high } = model.get("_schema").cell_rewards;
  const rewards = (asked.rewards ?? "").split(",").map((item) => item.split("_").map(Number));
  const inside = (x, most) => Number.isInteger(x) && x >= 0 && x < most;
  if (asked.rewards && rewards.every(([i, j, x]) => inside(i, H) && inside(j, W) && x >= low && x <= high)) {
    settings.cell_rewards = Array.from({ length: H }, () => Array(W).fill(0));
    for (const [i, j, x] of rewards) settings.cell_rewards[i][j] = x;
  }
  for (const [name, letter] of Object.entries(policies)) {
    const policy = asked[letter] ? unspell(asked[letter], ARROW_LETTERS) : [];
    if (policy.length === H && policy.every((row) => row.length === W && /^[\^>v<.]+$/.test(row)))
      settings[name] = policy;
  }
  return settings;
}

/** @param {Model} model @param {Asked} asked @param {Asked} policies */
export function restoreMap(model, asked, policies) {
  loadAsked(model, asked);
  write(model, askedMap(model, asked, policies));
}

// askedMap's inverse: only what is not the preset's own is named, and what a reader looks for in any case.
/** @param {Model} model @param {Asked} policies @param {{ always?: string[] }} more */
export function linkedMap(model, policies, { always = [] } = {}) {
  const now = read(model);
  const own = model.get("_presets")[now.preset].settings;
  const link = linked(model);
  for (const name of always) link[name] = now[name];
  const map = differs(now, own, "rows");
  if (map) link.map = spell(now.rows, MAP_LETTERS);
  const rewards = now.cell_rewards.flatMap((row, i) => row.flatMap((x, j) => (x ? [`${i}_${j}_${x}`] : [])));
  if (map || differs(now, own, "cell_rewards")) link.rewards = rewards.length ? rewards.join() : "0_0_0";
  for (const [name, letter] of Object.entries(policies)) {
    const uniform = now.rows.map((row) => ".".repeat(row.length));
    if (map || differs(now, own, name)) link[letter] = spell(now[name].length ? now[name] : uniform, ARROW_LETTERS);
  }
  return link;
}
