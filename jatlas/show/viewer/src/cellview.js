// What a cell says: its icon large, its classes with bars of evidence. For the card and the panel.

import { h, number, put, shortName, text } from "./dom.js";

/** A canvas with the icon of a cell, filled when its tile is there. */
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

/** A cell in one sentence. */
export function describe(app, grid, i) {
  const [top] = grid.labels(i);
  const name = top ? shortName(app.model.name(top[0]), 60) : "a cell";
  const count = number(grid.count[i]);
  const noun = grid.count[i] === 1 ? "activation" : "activations";
  return `${name}: average of ${count} ${noun}, row ${grid.row(i) + 1}, column ${grid.column(i) + 1} of ${grid.size}`;
}

export function counted(grid, i) {
  const count = grid.count[i];
  const share = Math.sqrt(count / grid.largest) * 100;
  const bar = h("i");
  bar.style.width = `${Math.max(share, 2)}%`;
  const words = count === 1 ? "1 activation" : `Average of ${number(count)} activations`;
  return h("p", { class: "j-count" }, h("span", {}, words), h("span", { class: "j-meter", "aria-hidden": "true" }, bar));
}

/** Bars of evidence; with `pick`, each class is a button. */
export function bars(app, labels, pick) {
  const most = Math.max(...labels.map(([, value]) => Math.abs(value)), 1e-9);
  return h("ol", { class: "j-bars" }, ...labels.map(([index, value]) => {
    const name = app.model.name(index);
    const bar = h("i", { "aria-hidden": "true" });
    bar.style.width = `${(Math.abs(value) / most) * 100}%`;
    const inside = [
      text(shortName(name, 48), { class: "j-bar-name", title: name.slice(0, 300) }),
      h("span", { class: "j-bar-value" }, value.toFixed(digits(most)).replace("-", "−")), bar,
    ];
    const props = { class: "j-bar", "data-against": String(value < 0) };
    if (!pick) return h("li", props, ...inside);
    const label = `Light the map up by ${shortName(name, 60)}`;
    return h("li", {}, h("button", { ...props, type: "button", title: label, onclick: () => pick(index) }, ...inside));
  }));
}

/** Digits after the point that tell values of this size apart. */
function digits(most) {
  return Math.max(0, Math.min(5, 1 - Math.floor(Math.log10(most || 1))));
}

/** How well the icon reaches what it was made for; null if the atlas does not say. */
export function reached(grid, i) {
  const cosine = grid.data.cosine?.[i];
  if (cosine == null) return null;
  const bar = h("i");
  bar.style.width = `${Math.max(0, Math.min(1, cosine)) * 100}%`;
  return h("p", { class: "j-count", title: "Cosine between what the icon excites and the cell's direction" },
    h("span", {}, `On target: cosine ${cosine.toFixed(2)}`),
    h("span", { class: "j-meter", "aria-hidden": "true" }, bar));
}

/** The value of the objective, which tells icons of one map apart and no more. */
export function scored(grid, i) {
  const score = grid.data.score?.[i];
  return score == null ? null : h("p", { class: "j-count" }, `Objective of the icon: ${Number(score.toPrecision(3))}`);
}

/** The real places that fell into the cell, if the atlas has them. */
export function exemplars(app, grid, i, most) {
  const about = grid.shape.exemplars;
  if (!about) return null;
  const count = Math.min(about.per_cell, most);
  const line = h("div", { class: "j-exemplars" });
  line.style.gridTemplateColumns = `repeat(${Math.max(4, Math.min(count, 5))}, 1fr)`;
  app.tiles.load(`${grid.prefix}-x${Math.floor(i / about.chunk)}`).then((picture) => {
    if (!picture) return;
    const { px } = about;
    const names = app.model.manifest.images;
    put(line, ...Array.from({ length: count }, (_, k) => {
      const canvas = h("canvas", { role: "img", "aria-label": `Image ${k + 1} of this cell` });
      canvas.width = canvas.height = px;
      canvas.getContext("2d").drawImage(picture, k * px, (i % about.chunk) * px, px, px, 0, 0, px, px);
      const from = names?.[grid.data.exemplars?.[i]?.[k]];
      if (from) canvas.title = from.slice(0, 300);
      return canvas;
    }));
  });
  return line;
}
