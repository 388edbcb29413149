// The page's host: the part of the Jupyter widget model's interface that a view uses, over state that stands in
// the page. With it the same view runs without a kernel.
import { keepPicture, show } from "./show.js";

const same = (a, b) => a === b || JSON.stringify(a) === JSON.stringify(b);

// A model with Backbone's semantics: `set` fires change:name (model, value), then change (model), at once, and
// only for a value that differs. There is no kernel to save to, so save_changes has nothing to do.
export class Model {
  constructor(state) {
    this.state = { ...state };
    this.listeners = new Map();
  }
  get(name) {
    return this.state[name];
  }
  set(name, value) {
    const entries = Object.entries(typeof name === "object" ? name : { [name]: value });
    const changed = entries.filter(([key, next]) => !same(this.state[key], next));
    for (const [key, next] of changed) this.state[key] = next;
    for (const [key, next] of changed) this.emit(`change:${key}`, next);
    if (changed.length) this.emit("change");
  }
  save_changes() {}
  on(names, callback) {
    for (const name of names.split(/\s+/)) {
      this.listeners.set(name, [...(this.listeners.get(name) ?? []), callback]);
    }
  }
  // Without a callback every listener of those events goes; without names, every listener of that callback.
  off(names, callback) {
    for (const name of names ? names.split(/\s+/) : [...this.listeners.keys()]) {
      const kept = callback ? (this.listeners.get(name) ?? []).filter((known) => known !== callback) : [];
      this.listeners.set(name, kept);
    }
  }
  emit(name, ...values) {
    for (const callback of [...(this.listeners.get(name) ?? [])]) callback(this, ...values);
  }
}

// The settings that the address asks for: #w=<id>&kappa=0.3 means only the widget with that id.
function asked(id) {
  const settings = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  return settings.w === id ? settings : null;
}

// The state that stands in a container. Of several widgets of a kind a page's first holds what all have in common.
function stateOf(container) {
  const held = (/** @type {Element} */ of) =>
    JSON.parse(of.querySelector(':scope > script[type="application/json"]')?.textContent ?? "");
  const first = document.querySelector(`.rlbook-widget[data-widget="${container.dataset.widget}"]`);
  return first === container || !first ? held(container) : { ...held(first), ...held(container) };
}

const begun = new WeakSet();

// Bring one container to life. Its state is the JSON inside it; `views` maps state._view to a view. The picture goes
// once the view stands.
export async function mount(container, views) {
  if (begun.has(container)) return;
  begun.add(container);
  const el = document.createElement("div");
  container.append(el);
  const render = async () => {
    const state = stateOf(container);
    const view = views[state._view];
    const model = new Model(state);
    const follow = () => {
      const settings = asked(container.id);
      if (settings) view.restore(model, settings);
    };
    follow();
    // Writes the state into the address, copies it, and says whether the clipboard took it.
    const link = async (settings) => {
      const hash = `#${new URLSearchParams({ w: container.id, ...settings })}`;
      history.replaceState(null, "", hash);
      try {
        await navigator.clipboard.writeText(location.href);
        return true;
      } catch {
        return false; // no permission, or a page opened from disk
      }
    };
    const stop = await view.render({ model, el, link });
    window.addEventListener("hashchange", follow);
    container.classList.add("is-live");
    return () => {
      window.removeEventListener("hashchange", follow);
      container.classList.remove("is-live");
      stop?.();
    };
  };
  const end = await show(el, render, (error) => {
    el.remove();
    keepPicture(container, error);
  });
  return () => {
    end?.();
    el.remove();
  };
}
