// Builds bundle/ from src/: `npm install --no-package-lock && npm run build`.

import { cpSync, readFileSync } from "node:fs";
import { build } from "esbuild";

const out = process.argv[2] ?? "bundle";
const license = readFileSync("node_modules/hyparquet-writer/LICENSE", "utf8").trim();
// Its copies are part of every page, and so is its notice.
const notice = `/*! Contains hyparquet-writer and hyparquet. ${license.replaceAll("*/", "* /")} */`;
const common = { bundle: true, minify: true, charset: "utf8", target: "es2022", legalComments: "none", logLevel: "warning" };

await build({ ...common, entryPoints: ["src/main.js"], format: "iife", banner: { js: notice }, outfile: `${out}/viewer.js` });
await build({ ...common, entryPoints: ["src/widget.js"], format: "esm", banner: { js: notice }, outfile: `${out}/widget.js` });
await build({ ...common, entryPoints: ["src/style.css"], outfile: `${out}/viewer.css` });
cpSync("src/page.html", `${out}/page.html`);
