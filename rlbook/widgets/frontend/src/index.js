// What anywidget loads: one module for every widget; the model says which view it wants.
import { failure, show } from "./show.js";
import { views } from "./views.js";

export default {
  render({ model, el }) {
    el.classList.add("rl-host");
    const failed = (error) =>
      el.append(failure(`This widget cannot be drawn here: ${error}. Its picture() in Python still can.`));
    return show(el, () => views[model.get("_view")].render({ model, el }), failed);
  },
};
