// The inspector: what is known of the cell under the pointer, or of the one that is held.

import { agreed, bar, bars, bigIcon, decisive, doubt, exemplars, named, numbersOf, trusted } from "./cellview.js";
import { ICONS, h, icon, iconButton, put, text, worth } from "./dom.js";
import { brightest, classEvidence, ends, likeness } from "./quantities.js";
import { summary } from "./summary.js";
import { drawThumb, thumbSize } from "./thumbs.js";
import { welcome } from "./welcome.js";

const ICON = 132; // px
const PLACES = 8;
const THUMB = 64; // px
const HEIGHTS = ["peek", "half", "tall"];

export class Inspector {
  constructor(app) {
    this.app = app;
    this.body = h("div", { class: "j-inspector-body" });
    this.close = iconButton("Release (Esc)", ICONS.close, () => (app.state.pinned ? app.pin(null) : app.selection.clear()), { class: "j-button j-close" });
    this.grip = h("button", { type: "button", class: "j-grip", "aria-label": "Height of the panel", onclick: () => this.#resize() });
    this.element = h("aside", { class: "j-inspector", "aria-label": "Cell", tabindex: "-1", "data-height": "half" }, this.grip, this.close, this.body);
    this.shown = null; // {grid, i}
  }

  /** Show a cell that is not held. */
  show(grid, i) {
    if (this.shown?.grid === grid && this.shown.i === i) return;
    this.shown = { grid, i };
    this.#draw();
  }

  clear() {
    this.shown = null;
    this.update();
  }

  /** Bring it up to date with the held cell, the highlight and the shape of the page. */
  update() {
    const { app } = this;
    const { pinned } = app.state;
    const selected = app.selection.size > 0;
    if (pinned) this.shown = { grid: pinned.grid, i: pinned.i };
    else if (this.shown && (selected || !app.shows(this.shown.grid.map))) this.shown = null;
    const name = pinned ? "Release (Esc)" : "Clear selection (Esc)";
    this.close.setAttribute("aria-label", name);
    this.close.title = name;
    this.element.hidden = app.frame !== "wide" && !pinned && !selected;
    this.element.dataset.held = String(Boolean(pinned));
    this.close.hidden = !pinned && !selected;
    this.#draw();
  }

  #resize() {
    const { dataset } = this.element;
    dataset.height = HEIGHTS[(HEIGHTS.indexOf(dataset.height) + 1) % HEIGHTS.length];
  }

  #draw() {
    const { app, shown } = this;
    if (this.element.hidden) return;
    const { size, version, grid } = app.selection;
    const key = shown ? [shown.grid.prefix, shown.i].join() : size > 0 && `selection-${version}`;
    const scroll = key === this.key ? this.body.scrollTop : 0;
    this.key = key;
    const rest = () => (size ? summary(app, this.#elsewhere(grid, "Their samples on other maps")) : welcome(app));
    put(this.body, ...(shown ? this.#cell(shown.grid, shown.i) : rest()));
    this.body.scrollTop = scroll;
  }

  #cell(grid, i) {
    const { app } = this;
    const labels = grid.labels(i); // none without evidence
    const against = grid.against(i).filter(([, value]) => value < 0);
    const pick = (index) => app.light(index);
    const real = exemplars(app, grid, i, PLACES);
    const trust = trusted(grid, i);
    const doubtful = doubt(grid, i);
    return [
      this.#origin(grid, i),
      h("div", { class: "j-head" }, bigIcon(app, grid, i, ICON), h("div", {}, ...named(app, grid, i), h("div", { class: "j-numbers" }, ...numbersOf(grid, i).filter(Boolean)))),
      doubtful,
      this.#lit(grid, i), this.#compared(grid, i),
      real && h("h3", {}, "Real places"), real,
      labels.length > 0 && h("h3", {}, "Evidence for"), labels.length > 0 && decisive(grid, i) !== null && agreed(grid, i),
      labels.length > 0 && bars(app, labels.slice(0, 5), grid.strongest, pick),
      against.length > 0 && h("h3", {}, "Evidence against"),
      against.length > 0 && bars(app, against, grid.strongest, pick),
      trust && h("details", { class: "j-trust", open: Boolean(doubtful) || this.trusting, ontoggle: (event) => (this.trusting = event.target.open) },
        h("summary", {}, "How far to trust it"), trust),
      this.#actions(grid, i),
      ...this.#elsewhere(grid),
    ].filter(Boolean);
  }

  /** Where a cell of another map than the one in view is, and the way back to it. */
  #origin(grid, i) {
    const { app } = this;
    if (app.shows(grid.map)) return null;
    const title = app.model.maps[grid.map].title.slice(0, 80);
    return h("p", { class: "j-origin" }, "A cell of ", text(title), " ",
      h("button", { type: "button", class: "j-text-button", onclick: () => app.show(grid, i) }, "Show it there"));
  }

  /** The value of what lights the map, and its rank among the cells. */
  #lit(grid, i) {
    const { app } = this;
    const { lit } = app.state;
    if (!lit) return null;
    const line = h("div", { class: "j-lit-row" });
    app.model.heat(grid, lit.quantity).then((heat) => {
      if (!heat || Number.isNaN(heat.values[i])) return;
      const rank = brightest(lit, heat).indexOf(i) + 1;
      const [from, to] = ends(lit, heat);
      const name = text(lit.quantity.name.split(",")[0].slice(0, 60), { class: "j-bar-name" });
      put(line, h("div", { class: "j-bar", "data-lit": "true" }, ...bar(name, heat.values[i], Math.max(Math.abs(from), Math.abs(to)) || 1)),
        h("p", { class: "j-holds" }, `Rank ${rank} of ${heat.values.length} cells`));
    }, () => {});
    return line;
  }

  /** Evidence for the two classes of a comparison, on one scale. */
  #compared(grid, i) {
    const { app } = this;
    const pair = app.model.compared(grid.map);
    if (!pair.length) return null;
    const list = h("ol", { class: "j-bars j-compared" });
    Promise.all(pair.map((index) => app.model.heat(grid, classEvidence(app.model, index)))).then((heats) => {
      const scale = Math.max(...heats.map((heat) => Math.max(heat.high, -heat.low))) || 1;
      put(list, ...pair.map((index, k) => h("li", { class: "j-bar", "data-lit": "true" },
        ...bar(text(app.model.name(index).split(",")[0].slice(0, 60), { class: "j-bar-name" }), heats[k].values[i], scale))));
    }, () => {});
    return list;
  }

  #actions(grid, i) {
    const { app } = this;
    const button = (name, onclick) => h("button", { type: "button", class: "j-action", onclick }, name);
    return h("div", { class: "j-actions" },
      grid.shape.vectors && button("Cells like this", () => app.light(likeness(app.model, grid, i))),
      app.options.links && button("Copy link", () => {
        if (!app.state.pinned) app.pin({ grid, i });
        app.links.copy();
      }));
  }

  /** Where the samples of the cell, or of the selected ones, lie on other maps. */
  #elsewhere(grid, title = "Its samples on other maps") {
    const { app } = this;
    const { trail } = app.state;
    const others = trail ? app.model.companions(grid.map) : [];
    if (!others.length) return [];
    const line = h("div", { class: "j-elsewhere" });
    for (const other of others) {
      const canvas = h("canvas", { class: "j-thumb", "aria-hidden": "true" });
      canvas.style.width = canvas.style.height = `${THUMB}px`;
      line.append(h("button", { type: "button", class: "j-map", onclick: () => app.go(other) },
        canvas, text(app.model.maps[other].title.slice(0, 80), { class: "j-map-name" })));
      this.#trail(canvas, other, trail).catch(() => {});
    }
    return [h("h3", {}, title), line];
  }

  async #trail(canvas, map, trail) {
    const { app } = this;
    const grid = await app.model.grid(map, thumbSize(app.model.maps[map]));
    const heat = await app.model.heat(grid, trail);
    const picture = await app.tiles.load(`m${map}-thumb`, "png");
    drawThumb(canvas, THUMB, picture, app.state.colours, { grid, heat, lit: { quantity: trail, range: [0, 1] } });
  }
}
