// Lays out what every widget is: a lesson of a few steps, each one sentence, one or two pictures and one or two
// controls; after them "explore", with everything. A view gives named panels and named controls, and draws.
import * as common from "./common.js";
import {
  announcer,
  box,
  chips,
  element,
  format,
  keepKeys,
  linkButton,
  mapped,
  nodeOf,
  raised,
  stack,
  svgElement,
  tell,
  uniqueId,
} from "./controls.js";

/**
 * @typedef {{
 *   question: string, because: string, answers: string[], right: number, between: [number, number] | null,
 *   number: string, settings: common.Settings,
 * }} Guess
 * @typedef {{
 *   title: string, say: string, panels: string[], controls: string[], more: string[], preset: string,
 *   settings: common.Settings, own: common.Settings, guess: Guess | null,
 * }} Step
 * @typedef {HTMLElement | { node: HTMLElement }} Part
 * @typedef {Record<string, number[]>} Sizes width and height of each picture that is shown
 * @typedef {{ words: string, nodes?: any[], aloud?: string, data?: Record<string, any> }} Said
 * @typedef {{ step: boolean, open: boolean, offers: (control: string) => boolean }} How
 * @typedef {{
 *   read: () => any, set: (settings: common.Settings) => void, request: () => void, say: (text: string) => void,
 * }} Tools
 * @typedef {{
 *   view: string, kind?: string, settings?: string[], panels: Record<string, Part>,
 *   controls: Record<string, Part>, parts: Part[], linked: () => common.Settings,
 *   draw: (sizes: Sizes, how: How) => Said, fit: (width: number) => Sizes,
 *   choose?: (model: common.Model, preset: string) => void, stop?: () => void, timers?: common.Timer[],
 * }} View
 * `parts` are what stands in the widget when everything is shown, in order, the panels and controls among them or
 * inside them; `draw` is told whether a step is shown, whether its guess is still open, and which controls it offers, and
 * with them the handles that do the same; `fit` gives the sizes of all pictures when everything is shown; `linked` what
 * a link says besides the step.
 */

export const EXPLORE = "explore";
// How high a step's pictures are: one by itself, two beside each other, and on a narrow screen one, and two below each
// other; where nothing is to be guessed, one by itself on a broad screen is higher, and so is each of two on a narrow.
const FRAME = { one: 225, beside: 200, narrow: 230, below: 150, unasked: 38, unaskedBelow: 24 };
// A telephone on its side: below this height the words stand beside the pictures, which take this share of the width and
// the height that the page's head, the lesson's and the controls leave.
const LOW = { height: 480, width: 500, share: 0.53, rest: 196, least: 120 }; // style.css has the first three too
// What a full screen shows, what is not pictures of it, and what a guess takes besides.
const SCREEN = { width: 1080, height: 640, rest: 290, guess: 80 };

/** @param {common.Model} model @returns {Step[]} */
const stepsOf = (model) => model.get("_lesson") ?? [];
/** @param {common.Model} model @returns {Step | undefined} */
const stepOf = (model) => stepsOf(model)[model.get("step") - 1];

// How a view renders itself: build(model, tools) gives what there is of it. Of the tools `read` reads all settings and
// `set` writes some, `request` draws with the next frame, and `say` tells screen readers.
/** @param {(model: common.Model, tools: Tools) => View} build */
export const lesson = (build) => (/** @type {common.Place} */ place) => layOut(place, build);

/** @param {common.Place} place @param {(model: common.Model, tools: Tools) => View} build */
function layOut({ model, el, link }, build) {
  const announce = announcer();
  const given = build(model, {
    read: () => common.read(model),
    set: (settings) => common.write(model, settings),
    request: () => request(),
    say: announce.say,
  });
  const { view, kind = "", panels, controls, parts, linked, draw, fit, timers = [] } = given;
  const { settings = Object.keys(common.read(model)), choose = common.load, stop = () => {} } = given;
  const steps = stepsOf(model);
  let more = false; // whether the reader has asked for more than the step shows

  const leave = () => {
    stop();
    for (const guess of guesses) guess?.forget();
  };
  const go = (/** @type {number | string} */ at) => {
    leave();
    more = false;
    const step = steps[Number(at) - 1];
    if (step) common.write(model, { step: at, preset: step.preset, ...step.settings });
    else common.write(model, { step: EXPLORE });
    request();
  };
  const takePreset = (/** @type {string} */ name) => {
    leave();
    choose(model, name);
    common.write(model, stepOf(model)?.own ?? {});
  };

  // Head: dots, reset, link, full screen.
  const makeDot = (at, text, label) => {
    const onclick = () => go(at);
    return element("button", { type: "button", class: "rl-dot", "data-step": at, "aria-label": label, onclick }, text);
  };
  const dots = [
    ...steps.map(({ title }, i) => makeDot(i + 1, String(i + 1), `Step ${i + 1}: ${title}`)),
    makeDot(EXPLORE, "Explore", "Explore everything"),
  ];
  const reset = common.button("reset", "Reset", () => {
    if (stepOf(model)) go(model.get("step"));
    else takePreset(model.get("preset"));
  });
  const line = { fill: "none", stroke: "currentColor", "stroke-width": 1.5 };
  const corners = svgElement("path", { d: "M1,5V1H5M9,1h4V5M13,9v4H9M5,13H1V9", ...line });
  const icon = svgElement("svg", { viewBox: "0 0 14 14", width: 14, height: 14, "aria-hidden": "true" }, corners);
  const fullScreen = () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen());
  const screen = common.button("screen", icon, fullScreen, "Full screen");
  screen.hidden = !document.fullscreenEnabled;
  const asLink = () => ({ ...linked(), ...(stepOf(model) ? { step: model.get("step") } : {}) });
  const head = box(
    "rl-head",
    element("div", { class: "rl-dots", role: "group", "aria-label": "Steps", hidden: !steps.length }, ...dots),
    box("rl-tools", reset, ...(link ? [linkButton(link, asLink, announce)] : []), screen),
  );

  // What a step says, and in what world, or, where everything is shown, what to look at in it: the longest of each keeps
  // the room for all.
  const says = stack(
    "rl-say",
    steps.map(({ title, say }) => element("p", {}, element("b", {}, `${title}. `), ...raised(say))),
  );
  const presets = model.get("_presets");
  const told = Object.values(presets).some((preset) => preset.about);
  const discounts = mapped(presets, () => element("span")); // which a reader may change
  const about = stack(
    "rl-about",
    mapped(presets, (preset, name) => element("p", {}, preset.about ?? "", discounts[name])),
  );
  const note = stack(
    "rl-about",
    mapped(presets, (preset) => element("p", {}, preset.note ?? "")),
  );

  // The questions of all steps, one seen at a time. A guess is made once: then comes what is to be seen, and beside the
  // guess stands the truth.
  const answered = (/** @type {common.Settings} */ settings) => {
    stop();
    common.write(model, settings);
    request();
  };
  const guesses = steps.map(({ guess }) => guess && makeGuess(guess, () => answered(guess.settings)));
  const asked = box("rl-guesses");

  // Everything that there is, of which a step shows some.
  const titles = mapped(presets, ({ title }) => title);
  const choosePreset = chips("Examples", titles, takePreset);
  const top = box("rl-top", choosePreset);
  const id = uniqueId();
  const grid = element("div", { class: "rl-grid", id }, top, ...parts.map(nodeOf));
  const asksMore = common.button("more", "More", () => {
    more = !more;
    request();
  });
  asksMore.title = "other worlds, parameters";
  asksMore.setAttribute("aria-controls", id);
  const said = element("p", { class: "rl-sentence" });
  const foot = box("rl-foot", said, asksMore);
  const whole = box("rl-whole", head, says, asked, about, note, grid, foot);
  const root = element("div", { class: `rl ${kind}`, "data-view": view }, whole, announce.node);
  keepKeys(root);
  el.append(root);

  /** @type {Record<string, HTMLElement>} */
  const named = mapped({ presets: top, ...panels, ...controls }, nodeOf);
  let arranged = "";
  function arrange() {
    const [at, step] = [model.get("step"), stepOf(model)];
    const now = [at, more].join();
    if (now === arranged) return;
    arranged = now;
    const extra = step ? [...step.more, "presets"] : [];
    const shown = step ? [...step.panels, ...step.controls, ...(more ? extra : [])] : Object.keys(named);
    const nodes = shown.map((name) => named[name]);
    for (const [name, node] of Object.entries(named)) {
      node.classList.toggle("rl-off", !shown.includes(name));
      node.classList.toggle("rl-extra-control", extra.includes(name));
    }
    for (const part of grid.children)
      part.classList.toggle("rl-off", Boolean(step) && !nodes.some((node) => part.contains(node)));
    root.classList.toggle("rl-stepwise", Boolean(step));
    root.classList.toggle("rl-single", step?.panels.length === 1);
    for (const dot of dots) dot.setAttribute("aria-current", dot.dataset.step === String(at) ? "step" : "false");
    says.show(String(Number(at) - 1));
    says.node.classList.toggle("rl-off", !step);
    const guess = guesses[Number(at) - 1];
    asked.replaceChildren(...(guess ? [guess.node] : []));
    asked.classList.toggle("rl-off", !guess);
    asksMore.classList.toggle("rl-off", !step);
    tell(asksMore, more ? "Less" : "More");
    asksMore.setAttribute("aria-expanded", String(more));
  }

  let spoken = "";
  function show(/** @type {Sizes} */ sizes) {
    arrange();
    const preset = model.get("preset");
    choosePreset.show(preset);
    for (const text of [about, note]) text.show(preset);
    const { gamma } = common.read(model);
    if (gamma !== undefined && told) tell(discounts[preset], ` γ\u00a0=\u00a0${format(gamma)}.`);
    about.node.classList.toggle("rl-off", !told || !stepOf(model));
    note.node.classList.toggle("rl-off", !told || Boolean(stepOf(model)));
    const how = {
      step: Boolean(stepOf(model)),
      open: guesses[model.get("step") - 1]?.open() ?? false,
      offers: (/** @type {string} */ control) => stepOf(model)?.controls.includes(control) ?? true,
    };
    const { words, nodes = [words], aloud = words, data = {} } = draw(sizes, how);
    if (spoken !== words) {
      spoken = words;
      said.replaceChildren(...nodes);
      if (aloud) announce.say(aloud);
    }
    Object.assign(root.dataset, { preset, step: model.get("step"), ...data });
    for (const guess of guesses) guess?.tell(root.dataset);
  }

  const zoomOf = () => (document.fullscreenElement === root ? Number(whole.style.zoom) || 1 : 1);
  const sizesIn = (/** @type {number} */ width) => {
    arrange();
    const zoom = zoomOf();
    const inside = Math.floor(width / zoom) - (zoom > 1 ? 32 : 0);
    const step = stepOf(model);
    const low = Boolean(step) && screenHeight() < LOW.height && inside >= LOW.width;
    root.classList.toggle("rl-low", low);
    if (!step) return fit(inside);
    if (low) {
      const wide = Math.floor((LOW.share * inside - 16) / step.panels.length);
      const high = Math.max(LOW.least, screenHeight() - LOW.rest);
      return Object.fromEntries(step.panels.map((name) => [name, [wide, high]]));
    }
    const across = document.fullscreenElement === root ? inside : Math.min(inside, 736); // 46rem in style.css
    const [columns, column] = common.columnsIn(across, step.panels.length > 1 && inside >= 640 ? 2 : 1);
    const rows = Math.ceil(step.panels.length / columns);
    const narrow = rows > 1 ? FRAME.below + (step.guess ? 0 : FRAME.unaskedBelow) : FRAME.narrow;
    const single = FRAME.one + (step.guess ? 0 : FRAME.unasked);
    const room = inside < 640 ? narrow : columns > 1 ? FRAME.beside : single;
    const rest = SCREEN.rest + (step.guess ? SCREEN.guess : 0);
    const high = zoom > 1 ? Math.max(room, root.clientHeight / zoom - rest) : room;
    const wide = zoom > 1 || columns > 1 ? column : Math.min(column, 736);
    return Object.fromEntries(step.panels.map((name) => [name, [wide, high]]));
  };
  const rescale = () => {
    const full = document.fullscreenElement === root;
    const zoom = full ? Math.min(screenWidth() / SCREEN.width, screenHeight() / SCREEN.height) : 1;
    whole.style.zoom = zoom > 1 ? String(Number(zoom.toFixed(2))) : "";
    root.classList.toggle("rl-full", full);
    request();
  };
  document.addEventListener("fullscreenchange", rescale);
  const watch = { end: () => document.removeEventListener("fullscreenchange", rescale) };
  const along = { end: bringAlong(root, Object.values(panels).map(nodeOf)) };
  const { request, begin } = common.follow(model, root, {
    fit: sizesIn,
    draw: show,
    names: [...settings, "step"],
    timers: [announce, watch, along, ...timers],
  });
  return begin();
}

const screenWidth = () => document.documentElement.clientWidth;
const screenHeight = () => window.innerHeight;

// Pictures out of sight ------------------------------------------------------------------------------------------

// Where "explore" has one column, a slider may stand screens below the picture that it changes. When one is moved, and
// none of the pictures that it changes is in sight, the first of them comes along, at the window's upper edge or as low
// as leaves the slider free, until something else is touched. Gives what sends it back.
/** @param {HTMLElement} root @param {HTMLElement[]} pictures */
function bringAlong(root, pictures) {
  /** @type {HTMLElement | null} */
  let held = null;
  let hold = new AbortController();
  const isSeen = (/** @type {HTMLElement} */ picture) => {
    const { top, bottom, height } = picture.getBoundingClientRect();
    return Math.min(bottom, screenHeight()) - Math.max(top, 0) > 0.6 * height;
  };
  // Much is drawn anew as it was.
  const isOther = (/** @type {any} */ { type, target, attributeName, oldValue, addedNodes, removedNodes }) => {
    if (type === "attributes") return target.getAttribute(attributeName) !== oldValue;
    const [now, before] = [addedNodes, removedNodes].map((all) => [...all].map((one) => one.textContent).join());
    return now !== before;
  };
  const observer = new MutationObserver((records) => {
    const others = records.filter(isOther);
    const changed = pictures.filter((picture) => others.some(({ target }) => picture.contains(target)));
    if (!held || !changed.length || changed.some(isSeen)) return;
    const [picture] = changed;
    const room = held.getBoundingClientRect().top - picture.offsetHeight - 12;
    picture.style.setProperty("--rl-room", `${Math.floor(room)}px`);
    for (const one of pictures) one.classList.toggle("rl-along", one === picture);
  });
  const leave = () => {
    held = null;
    hold.abort();
    observer.disconnect();
    for (const picture of pictures) picture.classList.remove("rl-along");
  };
  const take = (/** @type {HTMLElement} */ slider) => {
    leave();
    if (root.classList.contains("rl-stepwise") || common.columnsIn(root.clientWidth)[0] > 1) return;
    held = slider;
    hold = new AbortController();
    const changes = { subtree: true, childList: true, attributes: true, attributeOldValue: true };
    for (const picture of pictures) observer.observe(picture, changes);
    const heard = { passive: true, signal: hold.signal };
    const goesOn = (/** @type {any} */ at) => at === slider || pictures.some((picture) => picture.contains(at));
    document.addEventListener("pointerdown", (event) => goesOn(event.composedPath()[0]) || leave(), heard);
    slider.addEventListener("focusout", (event) => goesOn(event.relatedTarget) || leave(), heard);
    for (const event of ["pointercancel", "wheel"]) document.addEventListener(event, leave, heard);
  };
  root.addEventListener("input", ({ target }) => {
    if (target !== held) take(/** @type {HTMLElement} */ (target));
  });
  return leave;
}

// Guesses --------------------------------------------------------------------------------------------------------

// Until it is answered the question stands there, and then, in the same room, the truth.
/** @param {Guess} guess @param {() => void} answered */
function makeGuess({ question, because, answers, right, between, number }, answered) {
  const id = uniqueId();
  const verdict = element("b", {});
  const told = element("div", { class: "rl-told", tabindex: "-1" }, element("p", {}, verdict, because));
  const scale = between && makeScale(between, id, () => reveal());
  const chosen = answers.map((text, i) =>
    element("button", { type: "button", class: "rl-chip", onclick: () => reveal(i) }, text),
  );
  const how = scale?.node ?? element("span", { class: "rl-chips", role: "group", "aria-labelledby": id }, ...chosen);
  const asked = box("rl-asked", element("span", { id }, question), how);
  const verdictOf = (/** @type {number} */ i) =>
    i === right ? `Yes, “${answers[right]}”. ` : `You said “${answers[i]}”; it is “${answers[right]}”. `;
  // The longest verdict keeps the room.
  const [longest = "You said −0.00; it is −0.00. "] = answers
    .map((_, i) => verdictOf(i))
    .sort((a, b) => b.length - a.length);
  const room = box("rl-room", element("p", {}, element("b", {}, longest), because));
  const both = stack("rl-guess", { asked, told, room });
  let open = true;
  function reveal(i = right) {
    open = false;
    if (!scale) tell(verdict, verdictOf(i));
    answered();
    both.show("told");
    told.focus({ preventScroll: true }); // which also reads it aloud
  }
  both.show("asked");
  return {
    node: both.node,
    open: () => open,
    tell(/** @type {DOMStringMap} */ data) {
      if (scale && !open) tell(verdict, `You said ${format(scale.value())}; it is ${format(Number(data[number]))}. `);
    },
    forget() {
      open = true;
      both.show("asked");
      scale?.forget();
    },
  };
}

// A scale on which the reader sets a mark.
/** @param {[number, number]} ends @param {string} id of the question @param {() => void} set */
function makeScale([low, high], id, set) {
  const step = Number(((high - low) / 100).toPrecision(1));
  const mark = element("input", { type: "range", min: low, max: high, step, "aria-labelledby": id });
  const read = element("output", {});
  const see = common.button("guess", "", set);
  const says = stack("", { unset: element("span", {}, "Set the mark"), set: element("span", {}, "See") });
  see.append(says.node);
  const guess = () => put(mark.valueAsNumber, false);
  mark.addEventListener("input", guess);
  mark.addEventListener("pointerup", guess); // where it stands may be what one thinks
  mark.addEventListener("keydown", ({ key }) => [" ", "Enter"].includes(key) && guess());
  const put = (/** @type {number} */ at, /** @type {boolean} */ unset) => {
    mark.value = String(at);
    see.disabled = unset;
    says.show(unset ? "unset" : "set");
    tell(read, unset ? "?" : format(mark.valueAsNumber));
  };
  const forget = () => put((low + high) / 2, true);
  forget();
  // A finger that scrolls the page may begin on the scale: what it has done there is taken back.
  /** @type {[number, boolean]} */
  let before = [0, true];
  mark.addEventListener("pointerdown", () => (before = [mark.valueAsNumber, see.disabled]));
  mark.addEventListener("pointercancel", () => put(...before));
  return { node: element("span", { class: "rl-scale" }, mark, read, see), value: () => mark.valueAsNumber, forget };
}
