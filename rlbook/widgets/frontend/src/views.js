import * as value_iteration from "./value_iteration.js";
import * as variance_reduction from "./variance_reduction.js";

export const views = { value_iteration, variance_reduction };
