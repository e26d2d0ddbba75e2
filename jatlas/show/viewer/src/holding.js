// Holding a cell: by a click, a tap or the keyboard; the map makes room for it, and comes back.

import { describe } from "./cellview.js";
import { trailOf } from "./quantities.js";

const SECOND_TAP = 330; // ms
const CLOSE = 2.5; // zoom at which a cell is shown, at least

export class Holding {
  constructor(app) {
    this.app = app;
    this.shift = null; // the move that made room: {from, to, pane}
    this.before = null; // what was held before a click: {pinned, time}
  }

  /** A click or a tap: hold the cell, or release it. Where a sheet would rise, wait for a second tap. */
  tapped(pane, px, py) {
    clearTimeout(this.tapping);
    if (this.app.sheet) this.tapping = setTimeout(() => this.#act(pane, px, py), SECOND_TAP);
    else this.#act(pane, px, py);
  }

  #act(pane, px, py) {
    const { app } = this;
    const grid = pane.stage.current?.grid;
    if (!grid) return;
    const i = grid.find(...pane.camera.toMap(px, py));
    const { pinned } = app.state;
    this.before = { pinned, time: performance.now() };
    const place = pane.places.at(px, py, grid, i);
    if (place) return void app.lightbox.open(place);
    pane.state.cursor = -1; // arrow keys continue from the held cell
    if (i < 0 || (pinned?.grid === grid && pinned.i === i)) this.pin(null);
    else this.pin({ grid, i });
  }

  /** A second tap or click zooms; what the first one did is undone. */
  doubled(pane, px, py) {
    const { app } = this;
    clearTimeout(this.tapping);
    const { pinned, time } = this.before ?? {};
    if (!app.sheet && performance.now() - time < 2 * SECOND_TAP && app.state.pinned !== pinned) this.pin(pinned);
    pane.camera.flyZoom(2, pane.camera.toMap(px, py));
  }

  /** Move the keyboard cursor to a cell. */
  stand(grid, i, pane = this.app.active) {
    const { app } = this;
    const { state } = pane;
    if (i < 0 && state.cursor < 0) return;
    Object.assign(state, { cursor: i, cursorGrid: grid });
    if (i >= 0) {
      app.say(describe(app, grid, i));
      if (app.state.pinned) this.pin({ grid, i });
      else {
        pane.intoView(grid, i);
        app.inspect(grid, i);
        Object.assign(state, { hover: i, hoverGrid: grid });
      }
    } else pane.hover();
    app.changed();
  }

  /** Hold a cell {grid, i} and bring it into view, if `move`; null releases it. */
  pin(cell, pane = cell ? this.app.paneOf(cell.grid.map) : this.app.active, { move = true } = {}) {
    const { app } = this;
    const { state } = app;
    const before = state.pinned;
    state.pinned = cell && { ...cell, map: cell.grid.map };
    const key = cell && `trail-${cell.grid.prefix}.${cell.i}`;
    state.trail = cell ? trailOf(app.model, cell.grid, [cell.i], { key, name: "Samples of the held cell" }) : app.selection.trail;
    app.inspector.update();
    app.measure();
    if (cell && move && cell.grid.map === pane.map) {
      const shift = pane.intoView(cell.grid, cell.i);
      this.shift = shift ? { ...shift, pane } : before ? this.shift : null;
    }
    if (!cell && before) this.#shiftBack();
    app.rail.drawThumbs();
    app.options.onpin?.(cell && this.cell(state.pinned));
    app.changed();
  }

  /** Undo the move that made room for the held cell, if the reader has not moved the map since. */
  #shiftBack() {
    const { shift } = this;
    this.shift = null;
    if (!shift) return;
    const { from, to, pane } = shift;
    const now = pane.camera.flight?.to ?? pane.where();
    const same = Object.keys(to).every((name) => Math.abs(now[name] - to[name]) < 1e-9);
    if (same) pane.camera.fly(from.x, from.y, from.zoom, 250);
  }

  /** Fly to a cell and hold it. */
  show(grid, i, pane = this.app.paneOf(grid.map)) {
    const { app } = this;
    if (grid.map !== pane.map) app.go(grid.map, pane);
    this.shift = null;
    this.pin({ grid, i }, pane, { move: false });
    const { camera, covered } = pane;
    const zoom = Math.max(camera.zoom, CLOSE);
    const [x, y] = grid.centre(i);
    // In the middle of what the sheet leaves.
    camera.fly(x, y + (covered.bottom / 2 / camera.scale) * (camera.zoom / zoom), zoom);
    app.drawer(false);
  }

  /** A held cell as plain values. */
  cell({ map, grid, i }) {
    const { model } = this.app;
    const { id, layer } = model.maps[map];
    const labels = grid.labels(i).map(([index, value]) => [index, model.name(index), value]);
    const name = model.cellName(grid, i) ?? null;
    return { map: id, layer, grid: grid.size, row: grid.row(i), col: grid.column(i), count: grid.count[i], name, labels };
  }
}
