import * as average_grid from "./average_grid.js";
import * as control_variate from "./control_variate.js";
import * as natural_gradient from "./natural_gradient.js";
import * as occupancy from "./occupancy.js";
import * as performance_difference from "./performance_difference.js";
import * as q_prop from "./q_prop.js";
import * as value_iteration from "./value_iteration.js";
import * as variance_reduction from "./variance_reduction.js";

export const views = {
  average_grid,
  control_variate,
  natural_gradient,
  occupancy,
  performance_difference,
  q_prop,
  value_iteration,
  variance_reduction,
};
