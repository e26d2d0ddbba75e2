// What is known of the selected cells together: numbers, names, evidence, real places, trust, what to do.

import { bar, bars, exemplars, trusted } from "./cellview.js";
import { h, number, put, shortName, text } from "./dom.js";
import { sizes } from "./picture.js";
import { rowsOf, saveTable } from "./table.js";

const NAMES = 5;
const CLASSES = 5;
const PLACES = 12;

/** The content of the inspector for the selection, and then what lies below it. */
export function summary(app, elsewhere) {
  const { grid, cells } = app.selection;
  const largest = [...cells].sort((a, b) => grid.count[b] - grid.count[a] || a - b);
  const real = places(app, grid, largest);
  const trust = trustIn(grid, largest);
  return [
    ...head(app, grid, cells),
    ...namesOf(app, grid, largest),
    real && h("h3", {}, "Real places"), real,
    ...evidenceOf(app, grid, largest),
    trust && h("h3", {}, "How far to trust them"), trust,
    ...elsewhere,
    ...actions(app, grid),
  ].filter(Boolean);
}

function head(app, grid, cells) {
  const { model } = app;
  const map = model.maps[grid.map];
  const count = app.selection.count;
  const line = h("p", {}, activations(count));
  if (map.source) countImages(model, grid, cells).then((images) => {
    const least = map.stride > 1 ? "at least " : "";
    put(line, `${activations(count)} of ${least}${number(images)} ${images === 1 ? "image" : "images"}`);
  }, () => {});
  return [
    h("h2", { class: "j-cell-title" }, cells.size === 1 ? "1 cell selected" : `${number(cells.size)} cells selected`),
    h("div", { class: "j-numbers" }, line, h("p", {}, "Of ", text(map.title.slice(0, 80)), `, ${grid.size} × ${grid.size} cells`)),
  ];
}

function activations(count) {
  return count === 1 ? "1 activation" : `${number(count)} activations`;
}

async function countImages(model, grid, cells) {
  const [rows, origins] = await Promise.all([rowsOf(model, grid, cells), model.origins(grid.map)]);
  return new Set(rows.map(([row]) => origins.image[row])).size;
}

/** The commonest names of the cells, by the share of the activations. */
function namesOf(app, grid, cells) {
  const counts = new Map();
  let total = 0;
  for (const i of cells) {
    const name = app.model.cellName(grid, i);
    counts.set(name, (counts.get(name) ?? 0) + grid.count[i]);
    total += grid.count[i];
  }
  const unclear = counts.get(undefined) ?? 0;
  counts.delete(undefined);
  if (!counts.size) return [];
  const common = [...counts].sort((a, b) => b[1] - a[1]).slice(0, NAMES);
  const row = (name, count) => {
    const [label, track, value] = bar(name, count / total, 1);
    value.textContent = `${Math.round((count / total) * 100)} %`;
    return h("li", { class: "j-bar" }, label, track, value);
  };
  return [
    h("h3", { title: "Share of the activations that lie in cells of this name" }, "Names of the cells"),
    h("ol", { class: "j-bars" },
      ...common.map(([name, count]) => row(text(shortName(name, 48), { class: "j-bar-name", title: name.slice(0, 300) }), count)),
      unclear > 0 && row(h("span", { class: "j-bar-name j-unclear" }, "no clear name"), unclear)),
  ];
}

/** The classes with the most evidence: the average over activations, from all cells. */
function evidenceOf(app, grid, cells) {
  const sums = new Map();
  for (const i of cells) {
    for (const [index, value] of grid.labels(i)) sums.set(index, (sums.get(index) ?? 0) + value * grid.count[i]);
  }
  if (!sums.size) return [];
  const classes = [...sums.keys()].sort((a, b) => sums.get(b) - sums.get(a)).slice(0, CLASSES);
  const list = h("div", { class: "j-selected-evidence" });
  const total = app.selection.count;
  Promise.all(classes.map((index) => app.model.evidence(grid, index))).then((all) => {
    const means = all.map((values, k) => [classes[k], cells.reduce((sum, i) => sum + values[i] * grid.count[i], 0) / total]);
    means.sort((a, b) => b[1] - a[1]);
    put(list, bars(app, means, grid.strongest, (index) => app.light(index)));
  }, () => {});
  return [h("h3", { title: "Average over the activations of the selected cells" }, "Evidence for"), list];
}

/** Real places of the largest cells, of each the same number; null if the atlas has none. */
function places(app, grid, cells) {
  if (!grid.shape.exemplars) return null;
  const chosen = cells.slice(0, PLACES);
  const each = Math.max(1, Math.floor(PLACES / chosen.length));
  return h("div", { class: "j-selected-places" }, ...chosen.map((i) => exemplars(app, grid, i, each)));
}

/** The measures of trust, averaged over activations; null if none was made. */
function trustIn(grid, cells) {
  const sums = new Map();
  for (const i of cells) {
    for (const [name, value] of grid.measures(i)) {
      const [sum, count] = sums.get(name) ?? [0, 0];
      sums.set(name, [sum + value * grid.count[i], count + grid.count[i]]);
    }
  }
  return trusted({ measures: () => [...sums].map(([name, [sum, count]]) => [name, sum / count]) }, 0);
}

function actions(app, grid) {
  const button = (name, title, onclick) => h("button", { type: "button", class: "j-action", title, onclick }, name);
  const { stride } = app.model.maps[grid.map];
  const save = (kind) => () => saveTable(app, kind).catch(() => app.notice("The samples of this map cannot be read"));
  const title = "One row per sample: image, position, x, y, cell";
  return [
    stride > 0 && h("h3", { title }, "Save table"),
    stride > 0 && h("div", { class: "j-actions" }, button("CSV", title, save("csv")), button("JSON", title, save("json")), button("Parquet", title, save("parquet"))),
    h("h3", {}, "Save picture"),
    h("div", { class: "j-actions" }, ...sizes(app)),
    h("div", { class: "j-actions" },
      app.options.links && button("Copy link", "Copy a link to this view", () => app.links.copy()),
      button("Clear selection", "Esc", () => app.selection.clear())),
  ];
}
