// What anywidget loads: one module for every widget; the model says which view it wants.
import { views } from "./views.js";

export default {
  render: ({ model, el }) => views[model.get("_view")].render({ model, el }),
};
