// npm run build: writes ../static. Both hosts get the same views: JupyterLab as a module, the page as a script.
import { build } from "esbuild";

const js = "/* Includes Observable Plot (© Observable, Inc.) and D3 (© Mike Bostock), both under the ISC licence. */";
const common = { bundle: true, minify: true, charset: "utf8", target: "es2022", legalComments: "none", banner: { js } };
const to = (name) => `../static/${name}`;

await build({ ...common, entryPoints: ["src/index.js"], format: "esm", outfile: to("widgets.esm.js") });
await build({ ...common, entryPoints: ["src/page.js"], format: "iife", outfile: to("widgets.js") });
await build({ ...common, entryPoints: ["src/loader.js"], format: "iife", outfile: to("widget-loader.js") });
await build({ ...common, entryPoints: ["src/style.css"], outfile: to("widgets.css") });
