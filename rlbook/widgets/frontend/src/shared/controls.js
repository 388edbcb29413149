// Native inputs, built alike for every widget, and the small things every view needs.

// element("p", { class: "x" }, "text", child): attributes that start with "on" are listeners; a control or a panel, like
// a slider, may stand for its node.
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.map((child) => child.node ?? child));
  return node;
}

export function svgElement(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// What make(value, name) makes of each of an object's values.
/** @type {(object: object, make: (value: any, name: string) => any) => any} */
export const mapped = (object, make) =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, make(value, name)]));

let count = 0;
const own = [...crypto.getRandomValues(new Uint32Array(2))].map((word) => word.toString(36)).join("");
// An id that no other element has: several widgets, or several views of one, may share a page, and a host may load
// this module anew for each of them.
export const uniqueId = () => `rl-${own}-${++count}`;

// Whether a node has the focus, or one inside it; a host may keep a widget in a shadow tree, which has its own.
export const hasFocus = (node) => node.contains(node.getRootNode().activeElement ?? null);

// A number for reading: three significant digits, a true minus sign, and 0 for what is 0 but for rounding.
export function format(x) {
  if (!Number.isFinite(x)) return "–";
  if (Math.abs(x) < 1e-9) return "0";
  if (Math.abs(x) >= 1e6) return powerOfTen(x);
  const digits = Math.abs(x) >= 1000 ? x.toFixed(0) : String(Number(x.toPrecision(3)));
  return digits.replace("-", "−");
}

const inDigits = (digits) => (n) => String(n).replace(/[-\d]/g, (digit) => digits["-0123456789".indexOf(digit)]);
export const superscript = inDigits("⁻⁰¹²³⁴⁵⁶⁷⁸⁹");
export const subscript = inDigits("₋₀₁₂₃₄₅₆₇₈₉");

// A number of any size for reading: what is small, in powers of ten.
export function scientific(x) {
  if (!Number.isFinite(x)) return "–";
  if (Math.abs(x) < 1e-14) return "0"; // but for rounding
  if (Math.abs(x) >= 1e-3) return format(x);
  return powerOfTen(x);
}

function powerOfTen(x) {
  const [digits, power] = x.toExponential(1).split("e");
  return `${digits.replace(".0", "").replace("-", "−")}·10${superscript(Number(power))}`;
}

// A labelled slider from min to max, with a number that can be typed, from least to most. `toSlider` and `fromSlider`
// map a value to the slider's position and back; `change` gets the value, inside the limits and cleaned.
export function slider({
  label,
  min,
  max,
  least = min,
  most = max,
  step,
  change,
  toSlider = (x) => x,
  fromSlider = (x) => x,
  clean = (x) => x,
}) {
  const id = uniqueId();
  let limits = [least, most];
  const range = element("input", { type: "range", id, min: toSlider(min), max: toSlider(max), step });
  // The arrow keys step by the slider's step where slider and number have the same scale.
  const scale = toSlider(max) === max ? step : "any";
  const number = element("input", {
    type: "number",
    min: least,
    max: most,
    step: scale,
    "aria-label": `${label}, as a number`,
  });
  const name = element("label", { for: id }, label);
  const take = (value) => change(clean(Math.min(limits[1], Math.max(limits[0], value))));
  range.addEventListener("input", () => take(fromSlider(range.valueAsNumber)));
  // A finger that scrolls the page may begin on a slider: what it has done there is taken back.
  let before = 0;
  range.addEventListener("pointerdown", () => (before = shown));
  range.addEventListener("pointercancel", () => {
    range.value = toSlider(before);
    change(before);
  });
  // While it is typed in, the field is left as it is; on leaving it, it shows what was understood.
  number.addEventListener("input", () => Number.isFinite(number.valueAsNumber) && take(number.valueAsNumber));
  const read = element("output", { for: id }); // a step of a lesson shows it in the number's place
  const node = element("div", { class: "rl-slider" }, name, range, number, read);
  let shown;
  const understood = () => {
    number.value = Number.isFinite(shown) ? Number(shown.toFixed(4)) : "";
  };
  const show = (value) => {
    shown = value;
    range.value = toSlider(value);
    range.setAttribute("aria-valuetext", format(value));
    tell(read, format(value));
    if (!hasFocus(number)) understood();
  };
  number.addEventListener("blur", understood);
  number.addEventListener("change", () => setTimeout(understood, 50)); // Enter; the value itself comes with the next frame
  return {
    node,
    show,
    rename(text) {
      if (name.textContent === text) return;
      name.textContent = text;
      number.setAttribute("aria-label", `${text}, as a number`);
    },
    // The slider reaches from `low` to `high`; what is typed may go as far as `top`.
    limit(low, high, top = high) {
      limits = [low, top];
      Object.assign(range, { min: low, max: high });
      Object.assign(number, { min: low, max: top });
    },
    enable(yes) {
      range.disabled = number.disabled = !yes;
    },
  };
}

export const button = (role, text, onclick, label) =>
  element("button", { type: "button", class: "rl-button", "data-role": role, onclick, "aria-label": label }, text);

// Buttons of which one is pressed: choices is { value: text or node, … }, or a list of pairs of these, or of values alone.
export function chips(label, choices, choose) {
  const buttons = new Map(
    (Array.isArray(choices) ? choices : Object.entries(choices)).map((choice) => {
      const [value, text = value] = [choice].flat();
      const press = { onclick: () => choose(value), "data-value": value };
      return [value, element("button", { type: "button", class: "rl-chip", ...press }, text)];
    }),
  );
  const node = element("div", { class: "rl-chips", role: "group", "aria-label": label }, ...buttons.values());
  const show = (...values) => {
    const pressed = values.map(String);
    for (const [key, button] of buttons) button.setAttribute("aria-pressed", pressed.includes(String(key)));
  };
  return { node, show };
}

// JupyterLab's own shortcuts would take the arrow keys and Enter from whatever is not a text field.
export function keepKeys(root) {
  for (const control of root.querySelectorAll("button, input, select")) {
    control.setAttribute("data-lm-suppress-shortcuts", "true");
  }
}

// What of a control or a panel stands in the document: its `node`, or it is one itself.
export const nodeOf = (part) => part.node ?? part;

// A box of that class.
export const box = (kind, ...nodes) => element("div", { class: kind }, ...nodes);

// Controls beside a name, as wide as a slider.
export const row = (name, ...nodes) => box("rl-row", element("span", { class: "rl-name" }, ...[name].flat()), ...nodes);

// The mark of a name, of a class that pictures have too: a line, or what `d` says.
const mark = (kind, wide, d = `M0,5H${wide}`) =>
  svgElement("svg", { width: wide, height: 10, "aria-hidden": "true" }, svgElement("path", { class: kind, d }));

// An entry of a legend, with the mark of that class, and a line of them: [[class, ...text], …].
export function key(kind, ...text) {
  if (!kind) return element("span", {}, ...text);
  const marked = kind.endsWith("rl-dots") ? mark(kind, 8, "M4,5h0") : mark(kind, 21);
  return element("span", { class: "rl-key" }, marked, ...text);
}
export const keys = (...entries) => element("p", { class: "rl-keys" }, ...entries.map((entry) => key(...entry)));

// A panel of a title, perhaps notes, and a holder for a picture.
export function panel(title, ...notes) {
  const heading = element("p", { class: "rl-title" }, title);
  const holder = element("div", { class: "rl-picture" });
  return { title: heading, holder, node: element("div", { class: "rl-panel" }, heading, ...notes, holder) };
}

// Several things of which one is seen take the room of the largest: nothing moves when another is shown.
export function stack(kind, nodes) {
  const node = element("div", { class: `rl-stack ${kind}` }, ...Object.values(nodes));
  const show = (shown) => {
    for (const [name, one] of Object.entries(nodes)) one.classList.toggle("rl-away", name !== shown);
  };
  return { node, show };
}

// A table's body: rows maps a key to its name, and `columns` is how many cells each has.
export function table(heads, rows, columns = heads.length) {
  const [cells, lines] = [{}, {}];
  for (const [name, text] of Object.entries(rows)) {
    cells[name] = Array.from({ length: columns }, () => element("td"));
    lines[name] = element("tr", {}, element("th", { scope: "row" }, text), ...cells[name]);
  }
  const top = heads.map((head) => element("th", { scope: "col" }, head));
  const head = element("thead", {}, element("tr", {}, element("td"), ...top));
  const body = element("tbody", {}, ...Object.values(lines));
  return { node: element("table", { class: "rl-table" }, head, body), heads: top, cells, lines };
}

// A list of numbers with their names: rows maps a key to [the class of the mark beside the name, perhaps with another
// form, and the name's parts].
export function readout(rows) {
  const node = element("dl", { class: "rl-readout" });
  const parts = mapped(rows, ([marked, ...text]) => {
    const [kind, form] = [marked].flat();
    const [term, value] = [element("span", {}, ...text), element("dd")];
    const row = element("div", {}, element("dt", {}, mark(kind, 26, form), term), value);
    node.append(row);
    return { row, term, value };
  });
  return { node, parts };
}

const TAGS = { "^": "sup", _: "sub" };
// Text in which ^π and _α become a superscript and a subscript, as nodes.
export const raised = (text) =>
  text.split(/([\^_][πα])/).map((part) => (TAGS[part[0]] ? element(TAGS[part[0]], {}, part[1]) : part));
// A line of a computation in numbers.
export const line = (text, strong) => element("p", strong ? { class: "rl-strong" } : {}, ...raised(text));

// Writes a text, or the label of a picture, where it is another.
export function tell(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
export function label(node, text) {
  if (node.getAttribute("aria-label") !== text) node.setAttribute("aria-label", text);
}

// Calls act(…) once nothing has asked for it any more for so long; `end` ends the waiting.
export function later(milliseconds, act) {
  let timer = 0;
  const end = () => clearTimeout(timer);
  const ask = (...given) => {
    end();
    timer = setTimeout(() => act(...given), milliseconds);
  };
  return { ask, end };
}

// Says a sentence to screen readers once it has stopped changing.
export function announcer() {
  const node = element("p", { class: "rl-hidden", role: "status", "aria-live": "polite" });
  const { ask: say, end } = later(600, (sentence) => tell(node, sentence));
  return { node, say, end };
}

// A button that copies a link to the present state: `link` is the host's, `settings` gives what it is to say.
export function linkButton(link, settings, announce) {
  const node = button("link", "Link", async () => {
    const copied = await link(settings());
    announce.say(copied ? "Link copied" : "The link is in the address bar");
    if (copied) node.style.width = `${node.offsetWidth}px`; // so that the row stays as it is
    node.textContent = copied ? "✓" : "See address";
    setTimeout(() => {
      node.textContent = "Link";
      node.style.width = "";
    }, 1500);
  });
  return node;
}
