// The cells that the reader has selected: some of one grid of one map.

import { describe } from "./cellview.js";
import { h, icon, number } from "./dom.js";
import { trailOf } from "./quantities.js";
import { loops, readCells, written } from "./shapes.js";

const LONGEST = 1500; // letters of a link
const DIM = 0.5; // of the cells that are not selected
const TOOLS = {
  lasso: ["Select with a lasso (Shift + drag)", "M10 4c4 0 7 2 7 4.7S14 13.4 10 13.4 3 11.4 3 8.7 6 4 10 4zM6.2 13c-1 .9-.9 2.3.3 2.7 1.1.3 1.7-.7 1.2-1.5"],
  rectangle: ["Select a rectangle", "M3.5 5.5h2.2M8.3 5.5h3.4M14.3 5.5h2.2v2.2M16.5 12.3v2.2h-2.2M11.7 14.5H8.3M5.7 14.5H3.5v-2.2M3.5 7.7V5.5"],
};

export class Selection {
  constructor(app) {
    Object.assign(this, { app, grid: null, cells: new Set(), trail: null, tool: null, version: 0 });
    this.buttons = Object.entries(TOOLS).map(([tool, [name, path]]) => {
      const props = { type: "button", class: "j-button", title: name, "aria-label": name, "aria-pressed": "false" };
      return [tool, h("button", { ...props, onclick: () => this.take(this.tool === tool ? null : tool) }, icon(path))];
    });
    this.tools = h("div", { class: "j-tools", role: "group", "aria-label": "Select cells" }, ...this.buttons.map(([, button]) => button));
  }

  get size() {
    return this.cells.size;
  }

  /** Number of activations of the selected cells. */
  get count() {
    return [...this.cells].reduce((sum, i) => sum + this.grid.count[i], 0);
  }

  /** Take a tool: a drag then selects instead of moving the map. */
  take(tool) {
    const { app } = this;
    this.tool = tool;
    for (const [name, button] of this.buttons) button.setAttribute("aria-pressed", String(name === tool));
    app.root.dataset.tool = tool ?? "none";
    if (tool) app.notice(app.sheet ? "Drag around cells; tap to add or remove one" : "Drag around cells to select them; hold Alt to remove them", 4000);
  }

  /**
   * Select cells of a grid.
   * @param how "replace", "add", "remove" or "toggle"; cells of another grid are always replaced
   */
  change(grid, cells, how = "replace") {
    const same = this.grid === grid;
    if (!same && how === "remove") return;
    const now = new Set(same && how !== "replace" ? this.cells : []);
    for (const i of cells) {
      if (how === "remove" || (how === "toggle" && now.has(i))) now.delete(i);
      else now.add(i);
    }
    this.set(grid, now);
    this.#say(how === "toggle" && cells.length === 1 ? `${now.has(cells[0]) ? "Added" : "Removed"} ${describe(this.app, grid, cells[0])}. ` : "");
  }

  clear() {
    if (!this.size) return;
    this.set(null, new Set());
    this.app.say("Selection cleared");
  }

  /** Replace the selection, release the held cell, and bring the page up to date. */
  set(grid, cells) {
    const { app } = this;
    const model = app.model;
    Object.assign(this, { grid: cells.size ? grid : null, cells, version: this.version + 1, outline: null });
    this.trail = cells.size ? trailOf(model, grid, [...cells], { key: `selection-${app.id}-${this.version}`, name: "Samples of the selection" }) : null;
    app.inspector.shown = null;
    app.pin(null);
    app.options.onselect?.(this.plain());
  }

  #say(start) {
    const { size } = this;
    const cells = size === 1 ? "1 cell" : `${number(size)} cells`;
    this.app.say(size ? `${start}${cells} selected, ${number(this.count)} activations` : `${start}No cell selected`);
  }

  /** The selection as plain values; null if there is none. */
  plain() {
    const { grid, app } = this;
    if (!grid) return null;
    const { id, layer } = app.model.maps[grid.map];
    const cells = [...this.cells].sort((a, b) => grid.cell[a] - grid.cell[b]);
    return { map: id, layer, grid: grid.size, cells: cells.map((i) => [grid.row(i), grid.column(i)]) };
  }

  /** Select cells [row, column] of a grid of a map, as in `plain`; what does not exist is left out.
   * Returns whether that selects other cells than before. */
  async choose(asked) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const { model } = this.app;
    const map = model.maps.findIndex(({ id }) => id === asked?.map);
    if (!model.maps[map]?.grids.some(({ size }) => size === asked.grid)) return this.clear() ?? false;
    const grid = await model.grid(map, asked.grid);
    if (turn !== this.turn) return false;
    const at = (row, column) => grid.find((column + 0.5) / grid.size, (row + 0.5) / grid.size);
    const cells = new Set(asked.cells.map(([row, column]) => at(row, column)).filter((i) => i >= 0));
    const same = this.grid === grid && cells.size === this.size && [...cells].every((i) => this.cells.has(i));
    if (same) return false;
    this.set(grid, cells);
    return cells.size > 0;
  }

  /** Bring the selected cells into view. */
  show() {
    const { app, grid } = this;
    const pane = app.active;
    if (!grid) return;
    if (grid.map !== pane.map) app.go(grid.map, pane);
    const [rows, columns] = [[...this.cells].map((i) => grid.row(i)), [...this.cells].map((i) => grid.column(i))];
    const box = [Math.min(...columns) - 1, Math.min(...rows) - 1, Math.max(...columns) + 2, Math.max(...rows) + 2];
    pane.camera.fit(box.map((at) => at / grid.size), 350, pane.covered);
  }

  /** For a link: {map, cells}; undefined if there is none, or it is too long. */
  get link() {
    const cells = this.grid && written(this.grid, this.cells);
    return cells && cells.length <= LONGEST ? { map: this.app.model.maps[this.grid.map].id, cells } : undefined;
  }

  /** Select what a link says of a map. */
  async follow(text, map) {
    if (text === undefined) return this.clear();
    const { size, cells } = readCells(text);
    return this.choose({ map, grid: size, cells });
  }

  /** Draw the outline of the selection on a map, and dim the rest, if a highlight does not. */
  draw(context, stage, alpha) {
    const { grid } = this;
    if (!grid || stage.state.map !== grid.map) return;
    const { camera } = stage;
    const { colours } = stage.state;
    const side = camera.scale / grid.size;
    const [left, top] = camera.toScreen(0, 0);
    this.outline ??= path(loops(grid, this.cells));
    const edge = new Path2D();
    edge.addPath(this.outline, new DOMMatrix([side, 0, 0, side, left, top]));
    if (!stage.state.lit) {
      const rest = new Path2D(edge);
      rest.rect(0, 0, camera.width, camera.height);
      context.globalAlpha = alpha * DIM;
      context.fillStyle = colours.ground;
      context.fill(rest, "evenodd");
    }
    context.globalAlpha = alpha;
    context.lineJoin = "round";
    for (const [width, colour] of [[5.5, colours.ground], [2.5, colours.accent]]) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.stroke(edge);
    }
    context.globalAlpha = 1;
  }
}

/** A path along closed loops of corners. */
function path(all) {
  const out = new Path2D();
  for (const loop of all) {
    loop.forEach(([x, y], k) => (k ? out.lineTo(x, y) : out.moveTo(x, y)));
    out.closePath();
  }
  return out;
}
