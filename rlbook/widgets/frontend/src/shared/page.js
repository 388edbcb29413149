// What every page with a widget loads, as a classic script so that it also runs from a file: the views' host, and
// what the views share. Each view is a script of its own, which registers itself when it has come.
import * as common from "./common.js";
import * as controls from "./controls.js";
import * as frame from "./frame.js";
import { mount } from "./host.js";
import * as lesson from "./lesson.js";
import * as plot from "./plot.js";

const views = {};

globalThis.rlbook = {
  shared: { "common.js": common, "controls.js": controls, "frame.js": frame, "lesson.js": lesson, "plot.js": plot },
  views,
  mount: (container) => mount(container, views),
  register(name, view) {
    views[name] = view;
    for (const container of document.querySelectorAll(`.rlbook-widget.is-awaited[data-view="${name}"]`)) {
      mount(container, views);
    }
  },
};
