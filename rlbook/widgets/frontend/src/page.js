// What the page loads, as a classic script so that it also runs from a file: the same views, and their host.
import { mount } from "./host.js";
import { views } from "./views.js";

globalThis.rlbook = { mount: (container) => mount(container, views) };
for (const container of document.querySelectorAll(".rlbook-widget.is-awaited")) mount(container, views);
