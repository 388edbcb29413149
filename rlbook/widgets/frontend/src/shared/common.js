// What every view does alike: settings and their limits, presets, links, the sentence at its foot, playing, and
// following the model.
import { button, chips, mapped, slider, tell } from "./controls.js";

export { button } from "./controls.js";

// Settings ---------------------------------------------------------------------------------------------------------

/**
 * What a host gives a view: anywidget's model, or host.js's.
 * @typedef {{
 *   get: (name: string) => any, set: (name: string, value: any) => void, save_changes: () => void,
 *   on: (event: string, callback: () => void) => void, off: (event: string, callback: () => void) => void,
 * }} Model
 * @typedef {Record<string, any>} Settings
 * @typedef {Record<string, string>} Asked what an address asks for
 * @typedef {(settings: Settings) => Promise<boolean>} Link copies a link, and says whether it could
 * @typedef {{ model: Model, el: HTMLElement, link?: Link }} Place
 * @typedef {{ end: () => void }} Timer
 */

// Their names are those that a preset sets.
/** @type {(model: Model) => Settings} */
const ownOf = (model) => model.get("_presets")[model.get("preset")].settings;
/** @type {(model: Model, names?: string[]) => any} */
export const read = (model, names = Object.keys(ownOf(model))) =>
  Object.fromEntries(["preset", ...names].map((name) => [name, model.get(name)]));

/** @param {Model} model @param {Settings} settings */
export function write(model, settings) {
  for (const [name, value] of Object.entries(settings)) model.set(name, value);
  model.save_changes();
}

export const load = (model, preset) => write(model, { preset, ...model.get("_presets")[preset].settings });

// What a setting may be stands in its trait in Python, and comes with the state.
/** @type {(model: Model, name: string) => [number, number]} */
export const limits = (model, name) => [model.get("_schema")[name].low, model.get("_schema")[name].high];
/** @type {(model: Model, name: string) => any[]} */
export const choices = (model, name) => model.get("_schema")[name].choices;

// A number as a setting takes it: within its limits, and by whole steps where it is whole.
/** @param {Model} model @param {string} name @param {number} x */
export function fit(model, name, x, digits = 4) {
  const { low, high, step, whole, log } = model.get("_schema")[name];
  const near = whole ? low + step * Math.round((x - low) / step) : log ? x : Number(x.toFixed(digits));
  return Math.min(high, Math.max(low, near));
}

const LOGARITHMIC = { toSlider: Math.log10, fromSlider: (x) => Number((10 ** x).toPrecision(3)) };

// A slider for a setting that is a number, or for a part of one that holds numbers: `change` says what it changes.
/** @param {Model} model @param {string} name @param {string} text @param {object} options of controls' slider */
export function settingSlider(model, name, text, options = {}) {
  const { low: least, high: most, shown, step, log } = model.get("_schema")[name];
  return slider({
    label: text,
    min: shown[0],
    max: shown[1],
    least,
    most,
    step,
    clean: (x) => fit(model, name, x),
    change: (x) => write(model, { [name]: x }),
    ...(log ? LOGARITHMIC : {}),
    ...options,
  });
}

// Sliders for settings by name: labels maps each to its label, or where it holds a list to as many as that;
// change(settings) makes the change.
/** @param {Model} model @param {Record<string, any>} labels @returns {Record<string, any>} */
export function settingSliders(model, labels, change = (/** @type {Settings} */ settings) => write(model, settings)) {
  return mapped(labels, (text, name) => {
    const put = (value) => change({ [name]: value });
    return Array.isArray(text)
      ? listSliders(model, name, text, put)
      : settingSlider(model, name, text, { change: put });
  });
}

// Sliders for the numbers of a list: labels are as nested as the list.
export function listSliders(model, name, labels, change = (list) => write(model, { [name]: list })) {
  /** @type {(list: any[], at: number[], x: number) => any[]} */
  const put = (list, [i, ...rest], x) => list.map((y, j) => (i === j ? (rest.length ? put(y, rest, x) : x) : y));
  const make = (text, at) =>
    Array.isArray(text)
      ? text.map((one, i) => make(one, [...at, i]))
      : settingSlider(model, name, text, { change: (x) => change(put(model.get(name), at, x)) });
  return make(labels, []);
}

// Buttons for a setting that is one of a few values.
export const settingChips = (name, text, choices, change) => chips(text, choices, (value) => change({ [name]: value }));

// Shows their values in controls, by name or as in a list.
export function showAll(controls, values) {
  for (const [name, one] of Object.entries(controls)) {
    if (one.show) one.show(values[name]);
    else showAll(one, values[name]);
  }
}

// Links ------------------------------------------------------------------------------------------------------------

// What a link asks for, as settings: `called` maps a setting to its name in links where that is another. What makes
// no sense is passed over.
/** @param {Model} model @param {Asked} asked @param {Asked} called @returns {any} */
export function askedSettings(model, asked, called = {}) {
  const settings = {};
  for (const [name, rule] of Object.entries(model.get("_schema"))) {
    const text = asked[called[name] ?? name];
    if (!text) continue;
    if (rule.choices) {
      const found = rule.choices.find((choice) =>
        typeof choice === "number" ? choice === Number(text) : choice === text,
      );
      if (found !== undefined) settings[name] = found;
    } else if (rule.shape) {
      const list = askedList(text, rule);
      if (list) settings[name] = list;
    } else if (rule.shown && Number.isFinite(Number(text))) settings[name] = fit(model, name, Number(text), 12);
  }
  return settings;
}

function askedList(text, { shape: [rows, columns = 1, ...deeper], low, high }) {
  const values = text.split(",").map((x) => (x.trim() ? Number(x) : Number.NaN));
  const fits = !deeper.length && values.length === rows * columns && values.every((x) => x >= low && x <= high);
  if (!fits) return null;
  return columns === 1 ? values : Array.from({ length: rows }, (_, i) => values.slice(i * columns, (i + 1) * columns));
}

// The step that a link asks for, else everything; the preset that it asks for, if there is such a one, else the
// step's; and the settings that come with them.
export function loadAsked(model, asked, how = load) {
  const { w, ...more } = asked;
  if (!Object.keys(more).length) return; // it names the widget, and that is all
  const step = (model.get("_lesson") ?? [])[Number(asked.step) - 1];
  write(model, step ? { step: Number(asked.step), preset: step.preset, ...step.settings } : { step: "explore" });
  if (Object.hasOwn(model.get("_presets"), asked.preset ?? "")) how(model, asked.preset);
}

export function restore(model, asked, called) {
  loadAsked(model, asked);
  write(model, askedSettings(model, asked, called));
}

// askedSettings' inverse: the preset, and what is not its own.
export const differs = (now, own, name) => JSON.stringify(now[name]) !== JSON.stringify(own[name]);
/** @param {Model} model @param {Asked} called */
export function linked(model, called = {}) {
  const [now, own] = [read(model), ownOf(model)];
  /** @type {Settings} */
  const link = { preset: now.preset };
  for (const [name, { shown, choices }] of Object.entries(model.get("_schema")))
    if ((shown || choices) && differs(now, own, name)) link[called[name] ?? name] = [now[name]].flat(2).join();
  return link;
}

// Parts ------------------------------------------------------------------------------------------------------------

export const count = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;

// Another seed.
export const dice = (model, text, role, change = (settings) => write(model, settings)) =>
  button(role, text, () => change({ seed: (model.get("seed") + 1) % (limits(model, "seed")[1] + 1) }));

export const columnsIn = (width, columns = width >= 640 ? 2 : 1) => [
  columns,
  Math.floor((width - 16 * (columns - 1)) / columns),
];

// The sizes of pictures in one column or in two, from their heights in each: { name: [in one, in two] }.
export const fitting = (heights) => (width) => {
  const [columns, column] = columnsIn(width);
  return Object.fromEntries(Object.entries(heights).map(([name, high]) => [name, [column, high[columns - 1]]]));
};

// Playing: step(how) is called again and again, as many milliseconds apart as it gives, until it gives nothing.
// begin() is called before it begins, changed() when it has begun or ended; halting(act) is act, before which playing stops.
/** @param {(how: string) => number | undefined} step @param {() => void} changed */
export function player(step, changed, begin = () => {}) {
  let timer = 0;
  let running = "";
  const end = () => clearTimeout(timer);
  const stop = () => {
    end();
    running = "";
    changed();
  };
  const tick = () => {
    const wait = step(running);
    if (wait === undefined) stop();
    else timer = setTimeout(tick, wait);
  };
  const halting =
    (act) =>
    (...given) => {
      stop();
      act(...given);
    };
  const start = (how) => {
    if (running === how) return stop();
    end();
    begin();
    running = how;
    tick();
    changed();
  };
  const node = button("play", "Play", () => start("play"));
  return {
    node,
    start,
    stop,
    halting,
    end,
    running: () => running,
    show: () => tell(node, running === "play" ? "Pause" : "Play"),
  };
}
// A button that acts once when it is pressed, and while it is held, by pointer or key, goes on as the player's "hold".
export function holdButton(role, text, { start, stop, running }) {
  const node = button(role, text);
  const end = () => running() === "hold" && stop();
  const hold = () => running() !== "hold" && start("hold");
  node.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (event.button) return;
    node.setPointerCapture(event.pointerId);
    hold();
  });
  node.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    hold();
  });
  node.addEventListener("click", (event) => {
    if (event.detail) return; // a pointer's, which has begun already
    hold();
    end();
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture", "keyup", "blur"])
    node.addEventListener(name, end);
  node.addEventListener("contextmenu", (event) => event.preventDefault()); // what a finger that stays asks for
  return node;
}

export const motion = matchMedia("(prefers-reduced-motion: reduce)");

// The view ---------------------------------------------------------------------------------------------------------

// Draws at once, for a frame without pictures would make the page jump, and again when a setting or the width
// changes: draw(sizes), with what fit(width) gives. What throws later on is told to the host. Gives request(), which
// draws with the next frame, and begin(), which gives the function that ends all of it, `timers` too.
/**
 * @param {Model} model
 * @param {HTMLElement} root
 * @param {{ fit: (width: number) => any, draw: (sizes: any) => void, names: string[], timers: Timer[] }} view
 */
export function follow(model, root, { fit, draw, names, timers }) {
  let [width, frame] = [0, 0];
  const drawAll = () => {
    if (width) draw(fit(width)); // or it is not in the document yet
  };
  const resize = () => {
    width = Math.floor(root.clientWidth);
    drawAll();
  };
  const guarded = (/** @type {() => void} */ act) => {
    try {
      act();
    } catch (error) {
      root.dispatchEvent(new CustomEvent("rl-failed", { detail: error, bubbles: true }));
    }
  };
  // Calls within one frame draw once.
  const request = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      guarded(drawAll);
    });
  };
  const observer = new ResizeObserver(() => guarded(resize));
  const events = ["preset", ...names].map((name) => `change:${name}`);
  const end = () => {
    for (const event of events) model.off(event, request);
    observer.disconnect();
    cancelAnimationFrame(frame);
    for (const timer of timers) timer.end();
    root.remove();
  };
  const begin = () => {
    resize();
    observer.observe(root);
    for (const event of events) model.on(event, request);
    return end;
  };
  return { request, begin };
}
