// npm run build: writes ../static. Both hosts get the same views: JupyterLab as one module, the page as scripts, of
// which it fetches those of its own widgets.
import { readdirSync, rmSync } from "node:fs";
import { build } from "esbuild";

// What Plot needs for maps, calendars and colour schemes, none of which is in use: a quarter of the shared script. The
// names stay and do nothing.
const unused = {
  name: "unused",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^d3-(geo|scale-chromatic|time-format)$/ }, ({ path }) => ({ path, namespace: "unused" }));
    onLoad({ filter: /./, namespace: "unused" }, async ({ path }) => ({
      contents: Object.keys(await import(path))
        .map((name) => `export const ${name} = () => {};`)
        .join("\n"),
    }));
  },
};

const js = "/* Includes Observable Plot (© Observable, Inc.) and D3 (© Mike Bostock), both under the ISC licence. */";
const common = {
  bundle: true,
  minify: true,
  charset: "utf8",
  target: "es2022",
  legalComments: "none",
  plugins: [unused],
};
const to = (name) => `../static/${name}`;
const folders = readdirSync("src", { withFileTypes: true }).filter((entry) => entry.isDirectory());
const names = folders.map(({ name }) => name).filter((name) => name !== "shared");

// What page.js already brought is taken from there.
const shared = {
  name: "shared",
  setup({ onResolve, onLoad }) {
    const filter = /^\.(\.\/shared)?\/(common|controls|frame|lesson|plot)\.js$/;
    onResolve({ filter }, ({ path }) => ({ path: path.split("/").at(-1), namespace: "shared" }));
    onLoad({ filter: /./, namespace: "shared" }, ({ path }) => ({
      contents: `module.exports = globalThis.rlbook.shared[${JSON.stringify(path)}]`,
    }));
  },
};

rmSync(to(""), { recursive: true, force: true });
await build({ ...common, banner: { js }, entryPoints: ["src/index.js"], format: "esm", outfile: to("widgets.esm.js") });
await build({
  ...common,
  banner: { js },
  entryPoints: ["src/shared/page.js"],
  format: "iife",
  outfile: to("widgets.js"),
});
for (const name of names) {
  const contents = `import * as view from "./src/${name}/view.js"; globalThis.rlbook.register("${name}", view);`;
  const stdin = { contents, resolveDir: "." };
  await build({ ...common, plugins: [shared, unused], stdin, format: "iife", outfile: to(`widgets.${name}.js`) });
}
await build({ ...common, entryPoints: ["src/shared/loader.js"], format: "iife", outfile: to("widget-loader.js") });
await build({ ...common, entryPoints: ["src/shared/style.css"], outfile: to("widgets.css") });
