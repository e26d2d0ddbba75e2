// The card beside the cell under the pointer.

import { bars, bigIcon, counted, decisive, doubt, exemplars, named, reached } from "./cellview.js";
import { clamp, h, put } from "./dom.js";

const [WIDTH, GAP] = [268, 14];

export class Card {
  constructor(app) {
    this.app = app;
    this.element = h("div", { class: "j-card", "aria-hidden": "true", hidden: true });
    this.shown = null;
  }

  show(grid, i) {
    const key = `${grid.prefix}:${i}`;
    if (this.shown !== key) {
      this.shown = key;
      put(this.element,
        ...named(this.app, grid, i),
        h("div", { class: "j-card-icon" }, bigIcon(this.app, grid, i, WIDTH - 24)),
        exemplars(this.app, grid, i, 4),
        decisive(grid, i) !== undefined && bars(this.app, grid.labels(i).slice(0, 5)),
        doubt(grid, i), counted(grid, i), reached(grid, i));
    }
    this.element.hidden = false;
    this.place(grid, i);
  }

  /** Place it beside the cell, on the side with enough room. */
  place(grid, i) {
    const { camera } = this.app;
    const side = camera.scale / grid.size;
    const [x, y] = camera.toScreen(grid.column(i) / grid.size, grid.row(i) / grid.size);
    const height = this.element.offsetHeight;
    const right = x + side + GAP;
    const room = camera.width - this.app.covered.right;
    let left = right + WIDTH < room - 8 ? right : x - GAP - WIDTH;
    if (left < 8) left = clamp(right, 8, Math.max(8, room - WIDTH - 8));
    const top = clamp(y + side / 2 - height / 2, 8, Math.max(8, camera.height - height - 8));
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  hide() {
    this.element.hidden = true;
    this.shown = null;
  }
}
