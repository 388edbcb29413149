// What every view does alike: settings, presets, the sentence at its foot, and following the model.
import { announcer, chips, element, linkButton } from "./controls.js";

export const read = (model, names) => Object.fromEntries(["preset", ...names].map((name) => [name, model.get(name)]));

export function write(model, settings) {
  for (const [name, value] of Object.entries(settings)) model.set(name, value);
  model.save_changes();
}

export const load = (model, preset) => write(model, { preset, ...model.get("_presets")[preset].settings });

// The preset that a link asks for, if there is such a one.
export function loadAsked(model, asked) {
  if (Object.hasOwn(model.get("_presets"), asked.preset ?? "")) load(model, asked.preset);
}

// The numbers that a link asks for, as settings within their limits; what is no number is passed over.
export function askedNumbers(asked, limits) {
  const settings = {};
  for (const [name, [low, high]] of Object.entries(limits)) {
    const value = Number(asked[name]);
    if (asked[name] && Number.isFinite(value)) settings[name] = Math.min(high, Math.max(low, value));
  }
  return settings;
}

export const button = (role, text, onclick, label) =>
  element("button", { type: "button", class: "rl-button", "data-role": role, onclick, "aria-label": label }, text);

// The row of presets with its reset; `stop` ends whatever is being played.
export function presetRow(model, { stop = () => {}, choose = load } = {}) {
  const titles = Object.entries(model.get("_presets")).map(([name, { title }]) => [name, title]);
  const go = (name) => {
    stop();
    choose(model, name);
  };
  const { node: names, show } = chips("Examples", titles, go);
  const reset = button("reset", "Reset", () => go(model.get("preset")));
  return { node: element("div", { class: "rl-top" }, names, reset), show };
}

// The foot of a widget: the sentence that says the state, and a button that copies a link to it. `announce.node`
// has to stand in the widget too.
export function foot(link, settings) {
  const said = element("p", { class: "rl-sentence" });
  const announce = announcer();
  const node = element("div", { class: "rl-foot" }, said, ...(link ? [linkButton(link, settings, announce)] : []));
  const say = (words) => {
    if (said.textContent === words) return;
    said.textContent = words;
    announce.say(words);
  };
  return { node, said, announce, say };
}

export const columnsIn = (width, columns = width >= 640 ? 2 : 1) => [columns, Math.floor((width - 16 * (columns - 1)) / columns)];

// Calls fit(width) at once, for a frame without pictures would make the page jump, and when the width changes, and
// request() when a setting does. What throws later on is told to the host. Gives the function that ends all of it.
export function follow(model, root, names, request, fit) {
  const resize = () => {
    const width = Math.floor(root.clientWidth);
    if (width) fit(width); // else it is not in the document yet
  };
  resize();
  request.guard = (act) => {
    try {
      act();
    } catch (error) {
      root.dispatchEvent(new CustomEvent("rl-failed", { detail: error, bubbles: true }));
    }
  };
  const observer = new ResizeObserver(() => request.guard(resize));
  observer.observe(root);
  const events = [...new Set(["preset", ...names])].map((name) => `change:${name}`);
  for (const event of events) model.on(event, request);
  return () => {
    for (const event of events) model.off(event, request);
    observer.disconnect();
    request.cancel();
    root.remove();
  };
}
