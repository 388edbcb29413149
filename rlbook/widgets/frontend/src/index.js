// What anywidget loads: one module for every widget; the model says which view it wants.
import * as average_grid from "./average_grid/view.js";
import * as bellman_plane from "./bellman_plane/view.js";
import * as control_variate from "./control_variate/view.js";
import * as natural_gradient from "./natural_gradient/view.js";
import * as occupancy from "./occupancy/view.js";
import * as performance_difference from "./performance_difference/view.js";
import * as q_prop from "./q_prop/view.js";
import { failure, show } from "./shared/show.js";
import * as value_iteration from "./value_iteration/view.js";
import * as variance_reduction from "./variance_reduction/view.js";

const views = {
  average_grid,
  bellman_plane,
  control_variate,
  natural_gradient,
  occupancy,
  performance_difference,
  q_prop,
  value_iteration,
  variance_reduction,
};

export default {
  render({ model, el }) {
    el.classList.add("rl-host");
    const failed = (error) =>
      el.append(failure(`This widget cannot be drawn here: ${error}. Its picture() in Python still can.`));
    return show(el, () => views[model.get("_view")].render({ model, el }), failed);
  },
};
