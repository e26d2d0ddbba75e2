// Keeps the address bar in step with the view, and follows links. Another map, highlight, held cell or
// selection is a step that Back undoes; panning and zooming is not.

import { read, step, write } from "./permalink.js";
import { quantityOf } from "./quantities.js";

const LATER = 250; // ms

export class Links {
  constructor(app) {
    this.app = app;
  }

  /** Return the fragment of the address that describes the current view. */
  link() {
    const { app } = this;
    const { state, model } = app;
    const { pinned, lit } = state;
    const view = write({
      ...app.panes[0].where(), map: model.maps[state.map].id, grid: state.grid, by: lit?.quantity.key, against: lit?.against, range: lit?.range,
      split: app.split.described, selected: app.selection.link,
      pinned: pinned && { map: model.maps[pinned.map].id, size: pinned.grid.size, row: pinned.grid.row(pinned.i), column: pinned.grid.column(pinned.i) },
    });
    return view + app.guide.notes.part;
  }

  remember() {
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => this.#write(), LATER);
  }

  #write() {
    if (!this.app.followed || this.app.ending.signal.aborted) return;
    const link = this.link();
    const now = step(link);
    const further = this.step !== undefined && now !== this.step;
    Object.assign(this, { written: link, step: now });
    try {
      const at = (history.state?.jatlas ?? 0) + (further ? 1 : 0);
      if (further) this.last = at;
      if (further) history.pushState({ jatlas: at }, "", link);
      else history.replaceState({ jatlas: at }, "", link);
    } catch {
      // In a frame without an address of its own.
    }
  }

  /** Undo a step, or redo one; never leaves the page. */
  undo(by) {
    const at = history.state?.jatlas ?? 0;
    if (by < 0 ? at > 0 : at < (this.last ?? 0)) history.go(by);
  }

  async copy(link = this.link()) {
    const url = location.href.split("#")[0] + link;
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
    const [pane] = app.panes;
    const byId = (id) => model.maps.findIndex((map) => map.id === id);
    const map = byId(asked.map);
    if (map >= 0) state.map = map;
    const sizes = model.maps[state.map].grids.map((shape) => shape.size);
    state.grid = sizes.includes(asked.grid) ? asked.grid : "auto";
    await app.entered(pane).catch(() => {});
    if (asked.x !== undefined) pane.camera.fly(asked.x, asked.y, asked.zoom, first ? 0 : 350);
    else await pane.start().catch(() => {});
    await app.split.follow(asked.split);
    await this.#light(asked);
    await app.selection.follow(asked.selected, asked.selectedOf ?? model.maps[state.map].id).catch(() => {});
    await this.#pin(asked, asked.from === undefined ? state.map : byId(asked.from)).catch(() => {});
    // Bringing the cell into view has ended the flight.
    if (asked.x !== undefined && !first) pane.camera.fly(asked.x, asked.y, asked.zoom);
    app.followed = true;
    app.guide.followed(hash, asked.notes, first);
    // What the link describes is where the next step begins.
    this.step = step(this.link());
    app.changed();
  }

  async #light({ by, against, range, x }) {
    const { app } = this;
    const quantity = by && (await quantityOf(app.model, by).catch(() => undefined));
    if (quantity) app.light(quantity, { against: quantity.signed && against === true, ...(range && { range }) }, { fly: x === undefined });
    else if (app.state.lit) app.light(null);
  }

  async #pin({ cell }, from) {
    const { app } = this;
    if (!cell || !app.model.maps[from]?.grids.some((shape) => shape.size === cell.size)) {
      if (app.state.pinned) app.pin(null);
      return;
    }
    const grid = await app.model.grid(from, cell.size);
    const i = grid.find((cell.column + 0.5) / grid.size, (cell.row + 0.5) / grid.size);
    if (i >= 0) app.pin({ grid, i });
  }

  /** The address changed: by the viewer itself, or by Back, Forward or a link to follow. */
  changed() {
    if (location.hash === this.written) return;
    this.written = location.hash; // the next step, forward or back, may come before it is written again
    this.app.lightbox.element.close();
    this.app.guide.tour.end();
    this.follow(location.hash);
  }
}
