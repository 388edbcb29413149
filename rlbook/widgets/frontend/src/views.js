import * as variance_reduction from "./variance_reduction.js";

export const views = { variance_reduction };
