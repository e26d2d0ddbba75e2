// Keeps the address bar in step with the view, and follows links.

import { read, write } from "./permalink.js";

export class Links {
  constructor(app) {
    this.app = app;
  }

  /** Return the fragment of the address that describes the current view. */
  link() {
    const { app } = this;
    const { state, model } = app;
    const { pinned, lit } = state;
    return write({
      ...app.where(), map: model.maps[state.map].id, grid: state.grid, cls: lit ? lit.cls : null, against: lit?.against,
      pinned: pinned && { map: model.maps[pinned.map].id, size: pinned.grid.size, row: pinned.grid.row(pinned.i), column: pinned.grid.column(pinned.i) },
    });
  }

  remember() {
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => {
      if (!this.app.followed || this.app.ending.signal.aborted) return;
      this.written = this.link();
      try {
        history.replaceState(null, "", this.written);
      } catch {
        // In a frame without an address of its own.
      }
    }, 250);
  }

  async copy() {
    const url = location.href.split("#")[0] + this.link();
    try {
      await navigator.clipboard.writeText(url);
      this.app.notice("Link copied");
    } catch {
      this.app.notice("Copy the link from the address bar");
    }
  }

  /** Show what a link describes. */
  async follow(hash, { first = false } = {}) {
    const asked = read(hash);
    const { app } = this;
    const { state, model } = app;
    const byId = (id) => model.maps.findIndex((map) => map.id === id);
    const map = byId(asked.map);
    if (map >= 0) state.map = map;
    const sizes = model.maps[state.map].grids.map((shape) => shape.size);
    state.grid = sizes.includes(asked.grid) ? asked.grid : "auto";
    await app.entered().catch((error) => this.app.notice(error.message));
    if (asked.x !== undefined) {
      app.camera.fly(asked.x, asked.y, asked.zoom, first ? 0 : 700);
    } else await app.home(0);
    if (Number.isInteger(asked.cls) && asked.cls >= 0 && asked.cls < model.classes.length) {
      app.light(asked.cls, { against: asked.against === true });
    } else if (state.lit) app.light(null);
    const from = asked.from === undefined ? state.map : byId(asked.from);
    if (asked.cell && model.maps[from]?.grids.some((shape) => shape.size === asked.cell.size)) {
      const grid = await model.grid(from, asked.cell.size);
      const i = grid.find((asked.cell.column + 0.5) / grid.size, (asked.cell.row + 0.5) / grid.size);
      if (i >= 0) app.pin({ grid, i });
    } else if (state.pinned) app.pin(null);
    app.followed = true;
    app.changed();
  }

  /** The address changed: by the viewer itself, or by a link to follow. */
  changed() {
    if (location.hash !== this.written) this.follow(location.hash);
  }
}
