// The parts of Observable Plot in use. Its index module has side effects, so importing that would bundle all of
// it; a new widget that needs another mark adds it here.

export { axisX, axisY, gridX, gridY } from "../../node_modules/@observablehq/plot/src/marks/axis.js";
export { line } from "../../node_modules/@observablehq/plot/src/marks/line.js";
export { ruleX, ruleY } from "../../node_modules/@observablehq/plot/src/marks/rule.js";
export { plot } from "../../node_modules/@observablehq/plot/src/plot.js";
