// The parts of Observable Plot in use. Its index module has side effects, so importing that would bundle all of
// it; a new widget that needs another mark adds it here.

export { axisX, axisY, gridX, gridY } from "../../node_modules/@observablehq/plot/src/marks/axis.js";
export { plot } from "../../node_modules/@observablehq/plot/src/plot.js";
