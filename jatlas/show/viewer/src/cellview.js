// The parts of what is said about a cell: its icon, name, numbers, bars and real places.

import { file, which } from "./caption.js";
import { drawCrop, placesOf, stripOf } from "./crops.js";
import { h, number, put, shortName, text, worth } from "./dom.js";

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
  const noun = grid.count[i] === 1 ? "activation" : "activations";
  return `${name}: average of ${number(grid.count[i])} ${noun}, ${place(grid, i)}`;
}

export function place(grid, i) {
  return `row ${grid.row(i) + 1}, column ${grid.column(i) + 1} of ${grid.size}`;
}

/** The name of a cell and how well it holds; [] where there are no names. */
export function named(app, grid, i) {
  const name = app.model.cellName(grid, i);
  if (name === undefined && !grid.names && !app.model.hasClasses) return [];
  const claim = grid.claim(i);
  const title = h("h2", { class: "j-cell-title", "data-unclear": String(name === undefined) },
    name === undefined ? "No clear name" : text(shortName(name, 60), { title: name.slice(0, 300) }));
  const source = grid.names ? claim && holds(claim) : name !== undefined && ["the class with the most evidence"];
  return source ? [title, h("p", { class: "j-holds" }, ...source)] : [title];
}

function holds({ shown, images, heldOut }) {
  const count = `${number(shown)} of ${number(images)} images`;
  if (Number.isNaN(heldOut)) return [count];
  return [count, h("span", { title: "Share of the images that the name was not chosen on" }, ` · holds for ${Math.round(heldOut * 100)} %`)];
}

/** Numbers of a cell, a line each: how many activations, where it is, how well its icon matches. */
export function numbersOf(grid, i) {
  const count = grid.count[i];
  const images = grid.claim(i)?.images;
  const many = count === 1 ? "1 activation" : `${number(count)} activations`;
  const cosine = grid.cosine(i);
  const rank = grid.rank(i);
  const better = Number.isNaN(rank) ? "" : `, better than ${Math.round(rank * 100)} % of icons`;
  return [
    h("p", {}, images ? `${many} of ${number(images)} ${images === 1 ? "image" : "images"}` : count === 1 ? many : `Average of ${many}`),
    h("p", {}, place(grid, i)),
    !Number.isNaN(cosine) && h("p", { title: "Cosine of the icon's activation and the direction of the cell; the share of this map's other icons that match less well" },
      `Icon on target ${worth(cosine)}${better}`),
  ];
}

/** Whether the evidence of a cell's samples agrees: null if that is not known, else the claim or undefined. */
export function decisive(grid, i) {
  return grid.evidenceNames ? grid.evidenceClaim(i) : null;
}

/** What the evidence of a cell's samples agrees on; null if that is not known. */
export function agreed(grid, i) {
  const claim = decisive(grid, i);
  if (claim === null) return null;
  const words = claim ? `Most in common: ${shortName(claim.name, 60)}, ${holds(claim)[0]}` : "No class stands out among its samples";
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
  return h("ol", { class: "j-bars" }, ...measures.map(([name, value]) =>
    h("li", { class: "j-bar", title: MEASURES[name] ?? "" }, ...bar(text(name.slice(0, 48), { class: "j-bar-name" }), value, 1))));
}

/** A warning if the icon is in doubt, else null. */
export function doubt(grid, i) {
  return grid.doubtful(i) ? h("p", { class: "j-doubt" }, "Doubtful icon: it is unlike what it stands for") : null;
}

/** What a bar consists of: name, bar, number. Its length is a share of the scale that all bars beside it have. */
export function bar(name, value, scale) {
  const fill = h("i");
  fill.style.width = `${Math.min(1, Math.abs(value) / scale || 0) * 100}%`;
  return [name, h("span", { class: "j-track", "aria-hidden": "true", "data-against": String(value < 0) }, fill), h("span", { class: "j-bar-value" }, worth(value))];
}

/** Bars of evidence on the scale of the map; each class is a button that calls `pick`. */
export function bars(app, labels, scale, pick) {
  return h("ol", { class: "j-bars" }, ...labels.map(([index, value]) => {
    const name = app.model.name(index);
    const lit = app.state.lit?.quantity.cls === index;
    const label = `Light the map by evidence for ${shortName(name, 60)}`;
    const inside = bar(text(shortName(name, 48), { class: "j-bar-name", title: name.slice(0, 300) }), value, scale);
    return h("li", {}, h("button", { class: "j-bar", type: "button", title: label, "data-lit": String(lit), onclick: () => pick(index) }, ...inside));
  }));
}

/** Image patches of samples of the cell, each a button that shows more of it; null if the atlas has none. */
export function exemplars(app, grid, i, maximum) {
  if (!grid.shape.exemplars) return null;
  const line = h("div", { class: "j-exemplars" });
  app.tiles.load(stripOf(grid, i)).then((strip) => {
    if (strip) put(line, ...placesOf(grid, i).slice(0, maximum).map((k) => crop(app, strip, { grid, i, k })));
  });
  return line;
}

function crop(app, strip, place) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const { px } = place.grid.shape.exemplars;
  canvas.width = canvas.height = px;
  drawCrop(canvas.getContext("2d"), strip, place.grid, place.i, place.k, px);
  const props = { type: "button", class: "j-crop", "aria-label": which(place), title: file(app, place) };
  return h("button", { ...props, onclick: () => app.lightbox.open(place) }, canvas);
}
