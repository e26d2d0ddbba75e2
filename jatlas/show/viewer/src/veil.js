// Two maps side by side: the samples of the cell under the pointer in one map, or of the held cell, are lit in
// the other. All else there lies under a veil, which costs a fill a frame and leaves the tiles as they are.

import { shared } from "./join.js";

const REST = 0.2; // light of cells without these samples
const LEAST = 0.55; // light of a cell with few of them

export class Veil {
  constructor(app, joins, pane) {
    Object.assign(this, { app, joins, pane });
    this.found = null; // what is lit: {shares, found, all, most}
  }

  /** The cell of another map whose samples are lit on this one; null for none. */
  #source() {
    const { panes, state } = this.app;
    const { pinned } = state;
    if (pinned) return pinned.map === this.pane.map ? null : pinned;
    const other = panes.find((pane) => pane !== this.pane && pane.state.hover >= 0);
    return other ? { grid: other.state.hoverGrid, i: other.state.hover } : null;
  }

  /** Look up what is to be lit of a grid; null for nothing. */
  #find(grid) {
    const source = this.#source();
    if (!source || !this.joins.linked(source.grid.map, grid.map)) return null;
    const [from, to] = [this.joins.now(source.grid), this.joins.now(grid)];
    if (!from || !to) return null;
    const { known } = this;
    if (known?.from === from && known.to === to && known.i === source.i) return known.found;
    const found = shared(from, source.i, to);
    found.most = Math.max(...found.shares.values(), 0);
    this.known = { from, to, i: source.i, found };
    return found;
  }

  /** Draw it above the icons of a grid; returns the light that remains to each cell, null without a veil. */
  draw(context, stage, grid) {
    this.joins.now(grid); // before they are needed
    this.found = this.#find(grid);
    if (!this.found) return null;
    if (this.app.state.lit) {
      this.#frames(context, stage, grid);
      return null;
    }
    const { shares, most } = this.found;
    const light = (i) => (shares.has(i) ? LEAST + ((1 - LEAST) * shares.get(i)) / most : REST);
    this.#veil(context, stage, grid, light);
    return light;
  }

  #veil(context, stage, grid, light) {
    const { width, height } = stage.camera;
    const boxes = this.#boxes(stage, grid);
    context.fillStyle = this.app.state.colours.ground;
    context.globalAlpha = 1 - REST;
    context.beginPath();
    context.rect(0, 0, width, height);
    for (const [, ...box] of boxes) context.rect(...box);
    context.fill("evenodd");
    for (const [i, ...box] of boxes) {
      context.globalAlpha = 1 - light(i);
      context.fillRect(...box);
    }
    context.globalAlpha = 1;
  }

  /** Where a quantity lights the map, its light stays, and the cells get a frame. */
  #frames(context, stage, grid) {
    const { colours } = this.app.state;
    const boxes = this.#boxes(stage, grid);
    for (const [lineWidth, strokeStyle] of [[3.5, colours.ground], [1.5, colours.ink]]) {
      Object.assign(context, { lineWidth, strokeStyle });
      context.beginPath();
      for (const [, x, y, w, h] of boxes) context.rect(x + 1, y + 1, w - 2, h - 2);
      context.stroke();
    }
  }

  /** The lit cells in view: [cell, left, top, width, height] in whole pixels of the screen, so that no seam shows. */
  #boxes({ camera, dpr }, grid) {
    const boxes = [];
    const at = (value) => Math.round(value * dpr) / dpr;
    for (const i of this.found.shares.keys()) {
      const [column, row] = [grid.column(i), grid.row(i)];
      const [left, top] = camera.toScreen(column / grid.size, row / grid.size).map(at);
      const [right, bottom] = camera.toScreen((column + 1) / grid.size, (row + 1) / grid.size).map(at);
      if (right < 0 || bottom < 0 || left > camera.width || top > camera.height) continue;
      boxes.push([i, left, top, right - left, bottom - top]);
    }
    return boxes;
  }
}
