// A page with widgets loads this; it fetches the bundle only when one of them comes near the viewport, or when
// the address asks for it by name.
const bundle = new URL(document.currentScript.dataset.bundle, document.currentScript.src).href;
const nth = {};
let asked = false;

// The bundle mounts the containers marked so far when it arrives, and the others as they come.
function wake(container) {
  container.classList.add("is-awaited");
  if (globalThis.rlbook) return globalThis.rlbook.mount(container);
  if (asked) return;
  asked = true;
  const script = document.createElement("script");
  script.src = bundle;
  document.head.append(script);
}

const containers = [...document.querySelectorAll(".rlbook-widget")];
for (const container of containers) {
  // "VarianceReduction" → "variance-reduction-1", in the order of the page.
  const name = container.dataset.widget.replace(/(?<!^)(?=[A-Z])/g, "-").toLowerCase();
  nth[name] = (nth[name] ?? 0) + 1;
  container.id = `${name}-${nth[name]}`;
}

function wakeNamed() {
  const name = new URLSearchParams(location.hash.slice(1)).get("w");
  const container = containers.find(({ id }) => id === name);
  if (!container) return;
  wake(container);
  container.scrollIntoView();
}
wakeNamed();
addEventListener("hashchange", wakeNamed);

if ("IntersectionObserver" in globalThis) {
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
  containers.forEach((container) => observer.observe(container));
} else {
  containers.forEach(wake);
}
