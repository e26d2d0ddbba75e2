// The panel of the pinned cell.

import { agreed, bars, bigIcon, counted, doubt, exemplars, named, reached, trusted } from "./cellview.js";
import { ICONS, h, iconButton, put, text } from "./dom.js";
import { drawThumb } from "./thumbs.js";

export class Details {
  constructor(app) {
    this.app = app;
    this.body = h("div", { class: "j-details-body" });
    this.element = h("aside", { class: "j-details", "aria-label": "Pinned cell", tabindex: "-1", hidden: true },
      iconButton("Close (Esc)", ICONS.close, () => app.pin(null), { class: "j-button j-close" }), this.body);
  }

  update() {
    const { app } = this;
    const { pinned } = app.state;
    this.element.hidden = !pinned;
    if (!pinned) return put(this.body);
    const { grid, i, map } = pinned;
    const labels = grid.labels(i); // none without evidence
    const [top] = labels;
    const match = reached(grid, i); // null if the icon was not rendered: an image of a sample, or a colour
    const against = grid.against(i).filter(([, value]) => value < 0);
    const trust = trusted(grid, i);
    const pick = (index) => app.light(index);
    const real = exemplars(app, grid, i, 20);
    put(this.body,
      h("p", { class: "j-eyebrow" }, text(app.model.maps[map].title.slice(0, 80)),
        ` · row ${grid.row(i) + 1}, column ${grid.column(i) + 1} of ${grid.size}`),
      ...named(app, grid, i),
      h("div", { class: "j-card-icon" }, bigIcon(app, grid, i, 296)),
      doubt(grid, i), counted(grid, i), match,
      real && h("h3", {}, "Examples"), real,
      top && h("h3", {}, "Evidence for"), top && agreed(grid, i), top && bars(app, labels, pick),
      against.length > 0 && h("h3", {}, "Evidence against"),
      against.length > 0 && bars(app, against, pick),
      trust && h("h3", {}, "How far to trust it"), trust,
      ...this.#elsewhere(pinned),
      (top || match) && h("p", { class: "j-note" },
        top && "Evidence is a first-order estimate of how much this average activation adds to the logit of a class. ",
        match && "The icon is one image that excites the layer in this direction; there are many others."));
    this.body.scrollTop = 0;
  }

  /** Where the samples of the cell lie in other layers. */
  #elsewhere({ map }) {
    const { app } = this;
    const others = app.model.companions(map);
    if (!others.length) return [];
    const line = h("div", { class: "j-elsewhere" });
    const trail = app.state.trail;
    for (const other of others) {
      const canvas = h("canvas", { class: "j-thumb", "aria-hidden": "true" });
      const button = h("button", { type: "button", class: "j-map", onclick: () => app.go(other) },
        canvas, text(app.model.maps[other].title.slice(0, 80), { class: "j-map-name" }));
      line.append(button);
      this.#dotted(canvas, other, trail).catch(() => {});
    }
    return [h("h3", {}, "The same positions in other layers"), line];
  }

  async #dotted(canvas, map, trail) {
    const points = await trail?.on(map);
    const picture = await this.app.tiles.load(`m${map}-thumb`, "png");
    drawThumb(canvas, 92, picture, this.app.state.colours, { points });
  }
}
