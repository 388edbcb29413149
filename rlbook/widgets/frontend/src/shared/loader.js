// A page with widgets loads this; when one of them comes near the viewport, or when the address asks for it by
// name, it fetches what all views share and that widget's own view.
import { keepPicture } from "./show.js";

const { src, dataset } = /** @type {HTMLScriptElement} */ (document.currentScript);
const nth = {};
const asked = new Map();

// Gives a promise that is kept when the script has run, or has not come.
function fetchOnce(name) {
  if (!asked.has(name)) {
    const script = document.createElement("script");
    script.src = new URL(`${name}?v=${dataset.version}`, src).href;
    script.async = false; // they run in the order in which they were asked for
    asked.set(name, new Promise((done) => (script.onload = script.onerror = done)));
    document.head.append(script);
  }
  return asked.get(name);
}

// A view mounts the containers marked so far when it arrives, and the others as they come.
async function wake(container) {
  const { view } = container.dataset;
  container.classList.add("is-awaited");
  if (globalThis.rlbook?.views[view]) return globalThis.rlbook.mount(container);
  fetchOnce("widgets.js");
  await fetchOnce(`widgets.${view}.js`);
  if (!globalThis.rlbook?.views[view]) keepPicture(container, "its script did not load");
}

const containers = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".rlbook-widget"))];
for (const container of containers) {
  // "VarianceReduction" → "variance-reduction-1", in the order of the page.
  const name = String(container.dataset.widget)
    .replace(/(?<!^)(?=[A-Z])/g, "-")
    .toLowerCase();
  nth[name] = (nth[name] ?? 0) + 1;
  container.id = `${name}-${nth[name]}`;
}

function wakeNamed() {
  const name = new URLSearchParams(location.hash.slice(1)).get("w");
  const container = containers.find(({ id }) => id === name);
  if (!container) return;
  wake(container);
  keepInView(container);
}

// What stands above it may still take more or less room than was kept: it stays in view until the reader moves.
function keepInView(container) {
  const observer = new ResizeObserver(() => container.scrollIntoView());
  observer.observe(document.body);
  const stop = () => observer.disconnect();
  for (const kind of ["wheel", "touchstart", "pointerdown", "keydown"]) {
    addEventListener(kind, stop, { once: true, passive: true });
  }
  setTimeout(stop, 5000);
}
wakeNamed();
addEventListener("hashchange", wakeNamed);

const observer = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      wake(target);
    }
  },
  { rootMargin: "400px" },
);
for (const container of containers) observer.observe(container);
