// Builds bundle/ from src/: `npm install --no-package-lock && npm run build`.

import { cpSync } from "node:fs";
import { build } from "esbuild";

const out = process.argv[2] ?? "bundle";
const common = { bundle: true, minify: true, charset: "utf8", target: "es2022", legalComments: "none", logLevel: "warning" };

await build({ ...common, entryPoints: ["src/main.js"], format: "iife", outfile: `${out}/viewer.js` });
await build({ ...common, entryPoints: ["src/widget.js"], format: "esm", outfile: `${out}/widget.js` });
await build({ ...common, entryPoints: ["src/style.css"], outfile: `${out}/viewer.css` });
cpSync("src/page.html", `${out}/page.html`);
