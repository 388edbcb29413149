import * as average_grid from "./average_grid.js";
import * as natural_gradient from "./natural_gradient.js";
import * as occupancy from "./occupancy.js";
import * as performance_difference from "./performance_difference.js";
import * as value_iteration from "./value_iteration.js";
import * as variance_reduction from "./variance_reduction.js";

export const views = {
  average_grid,
  natural_gradient,
  occupancy,
  performance_difference,
  value_iteration,
  variance_reduction,
};
