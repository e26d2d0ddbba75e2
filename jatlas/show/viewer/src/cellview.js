// The content of a cell, for the card and the panel: its icon, its classes with bars of evidence.

import { h, number, put, shortName, text } from "./dom.js";

/** A canvas with the icon of a cell, drawn as soon as its tile is loaded. */
export function bigIcon(app, grid, i, side) {
  const dpr = Math.min(devicePixelRatio || 1, 2);
  const canvas = h("canvas", { class: "j-big", role: "img", "aria-label": describe(app, grid, i) });
  canvas.width = canvas.height = side * dpr;
  canvas.style.width = canvas.style.height = `${side}px`;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  const draw = () => app.tiles.icon(context, grid, i, 0, 0, side * dpr);
  if (!draw()) app.tiles.forIcon(grid, i).then(draw);
  return canvas;
}

/** Describe a cell in one sentence. */
export function describe(app, grid, i) {
  const known = app.model.cellName(grid, i);
  const name = known === undefined ? "no clear name" : shortName(known, 60);
  const count = number(grid.count[i]);
  const noun = grid.count[i] === 1 ? "activation" : "activations";
  return `${name}: average of ${count} ${noun}, row ${grid.row(i) + 1}, column ${grid.column(i) + 1} of ${grid.size}`;
}

/** The name of a cell and how well it holds; [] where there are no names. */
export function named(app, grid, i) {
  const name = app.model.cellName(grid, i);
  if (name === undefined && !grid.names && !app.model.hasClasses) return [];
  const claim = grid.claim(i);
  const title = h("h2", { class: "j-cell-title", "data-unclear": String(name === undefined) },
    name === undefined ? "No clear name" : text(shortName(name, 60), { title: name.slice(0, 300) }));
  return claim ? [title, h("p", { class: "j-holds" }, ...holds(claim))] : [title];
}

function holds({ shown, images, heldOut }) {
  const count = `${number(shown)} of ${number(images)} images`;
  if (Number.isNaN(heldOut)) return [count];
  return [count, h("span", { title: "Share of the images that the name was not chosen on" }, ` · holds for ${Math.round(heldOut * 100)} %`)];
}

/** Whether the evidence of a cell's samples agrees: null if that is not known, else the claim or undefined. */
export function decisive(grid, i) {
  return grid.evidenceNames ? grid.evidenceClaim(i) : null;
}

/** What the evidence of a cell's samples agrees on; null if that is not known. */
export function agreed(grid, i) {
  const claim = decisive(grid, i);
  if (claim === null) return null;
  const words = claim ? `Most samples agree on ${shortName(claim.name, 60)}: ${holds(claim)[0]}` : "Its samples do not agree";
  return h("p", { class: "j-holds" }, words);
}

const MEASURES = {
  "on target": "Cosine of the icon with the direction of the cell",
  faithful: "Whether earlier layers treat the icon as they treat the cell's real places",
  natural: "Whether the layer sees in real images what it sees in the icon",
  stable: "Whether an icon from another start excites the layer in the same way",
  pure: "How much of the spread of the cell's samples its mean explains",
  distinct: "How many of the samples nearest to the cell's mean are its own",
  placed: "How many neighbours on the map are neighbours in another layout too",
  kept: "How many true neighbours are neighbours on the map",
};

/** How far a cell can be trusted: a bar for each measure; null if none was made. */
export function trusted(grid, i) {
  const measures = grid.measures(i);
  if (!measures.length) return null;
  return h("ol", { class: "j-bars" }, ...measures.map(([name, value]) => {
    const bar = h("i", { "aria-hidden": "true" });
    bar.style.width = `${Math.max(0, Math.min(1, value)) * 100}%`;
    return h("li", { class: "j-bar", title: MEASURES[name] ?? "" },
      text(name.slice(0, 48), { class: "j-bar-name" }), h("span", { class: "j-bar-value" }, value.toFixed(2)), bar);
  }));
}

/** A warning if the icon is in doubt, else null. */
export function doubt(grid, i) {
  return grid.doubtful(i) ? h("p", { class: "j-doubt" }, "Doubtful icon: it is unlike what it stands for") : null;
}

/** How many activations a cell averages. */
export function counted(grid, i) {
  const count = grid.count[i];
  const share = Math.sqrt(count / grid.largest) * 100;
  const bar = h("i");
  bar.style.width = `${Math.max(share, 2)}%`;
  const words = count === 1 ? "1 activation" : `Average of ${number(count)} activations`;
  return h("p", { class: "j-count" }, h("span", {}, words), h("span", { class: "j-meter", "aria-hidden": "true" }, bar));
}

/** Bars of evidence; with `pick`, each class is a button that calls it. */
export function bars(app, labels, pick) {
  const maximum = Math.max(...labels.map(([, value]) => Math.abs(value)), 1e-9);
  return h("ol", { class: "j-bars" }, ...labels.map(([index, value]) => {
    const name = app.model.name(index);
    const bar = h("i", { "aria-hidden": "true" });
    bar.style.width = `${(Math.abs(value) / maximum) * 100}%`;
    const inside = [
      text(shortName(name, 48), { class: "j-bar-name", title: name.slice(0, 300) }),
      h("span", { class: "j-bar-value" }, value.toFixed(digits(maximum)).replace("-", "−")), bar,
    ];
    const props = { class: "j-bar", "data-against": String(value < 0) };
    if (!pick) return h("li", props, ...inside);
    const label = `Highlight evidence for ${shortName(name, 60)}`;
    return h("li", {}, h("button", { ...props, type: "button", title: label, onclick: () => pick(index) }, ...inside));
  }));
}

/** Decimal places that show two significant digits of a value. */
function digits(value) {
  return Math.max(0, Math.min(5, 1 - Math.floor(Math.log10(value || 1))));
}

/** How well the icon matches the direction of its cell; null if unknown. */
export function reached(grid, i) {
  const cosine = grid.cosine(i);
  if (Number.isNaN(cosine)) return null;
  const bar = h("i");
  bar.style.width = `${Math.max(0, Math.min(1, cosine)) * 100}%`;
  return h("p", { class: "j-count", title: "Cosine similarity of the activation of the icon and the direction of the cell" },
    h("span", {}, `Icon match: cosine ${cosine.toFixed(2)}`),
    h("span", { class: "j-meter", "aria-hidden": "true" }, bar));
}

/** Image patches of samples of the cell; null if the atlas has none. */
export function exemplars(app, grid, i, maximum) {
  const about = grid.shape.exemplars;
  if (!about) return null;
  const count = Math.min(about.per_cell, maximum);
  const line = h("div", { class: "j-exemplars" });
  line.style.gridTemplateColumns = `repeat(${Math.max(4, Math.min(count, 5))}, 1fr)`;
  app.tiles.load(`${grid.prefix}-x${Math.floor(i / about.chunk)}`).then((picture) => {
    if (!picture) return;
    const { px } = about;
    const names = app.model.manifest.images;
    put(line, ...Array.from({ length: count }, (_, k) => {
      const canvas = h("canvas", { role: "img", "aria-label": `Example ${k + 1} of this cell` });
      canvas.width = canvas.height = px;
      canvas.getContext("2d").drawImage(picture, k * px, (i % about.chunk) * px, px, px, 0, 0, px, px);
      const file = names?.[grid.images?.[i]?.[k]];
      if (file) canvas.title = file.slice(0, 300);
      return canvas;
    }));
  });
  return line;
}
