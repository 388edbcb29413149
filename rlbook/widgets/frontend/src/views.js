import * as natural_gradient from "./natural_gradient.js";
import * as occupancy from "./occupancy.js";
import * as value_iteration from "./value_iteration.js";
import * as variance_reduction from "./variance_reduction.js";

export const views = { natural_gradient, occupancy, value_iteration, variance_reduction };
