// One map on the page: its canvas, camera, minimap, axes, and what the pointer does on it.

import { Camera } from "./camera.js";
import { ICONS, h, icon, put, text } from "./dom.js";
import { listen } from "./input.js";
import { walk } from "./keys.js";
import { Lasso } from "./lasso.js";
import { Minimap } from "./minimap.js";
import { Places } from "./places.js";
import { Stage } from "./stage.js";
import { Tag } from "./tag.js";

const DWELL = 60; // ms before the first cell under the pointer is shown
const LARGEST_CELL = 700; // px
const LEGIBLE = 44; // px: cells of the first view of a phone

export class Pane {
  /** @param state the viewer's, or an object that inherits from it, with a map, grid, hover and cursor of its own */
  constructor(app, state) {
    Object.assign(this, { app, state, covered: { right: 0, bottom: 0 } });
    this.camera = new Camera(() => app.changed());
    this.canvas = h("canvas", { class: "j-canvas", tabindex: "0", role: "application", "aria-roledescription": "map" });
    this.minimap = new Minimap(this);
    this.tag = new Tag(app);
    this.axes = h("div", { class: "j-axes" });
    this.nothing = h("div", { class: "j-nothing", hidden: true });
    this.element = h("section", { class: "j-pane" }, this.canvas, this.axes, this.nothing, this.tag.element, this.minimap.element);
    this.stage = new Stage(this.canvas, app.model, this.camera, app.tiles, state, () => app.changed());
    this.#wire();
  }

  #wire() {
    const { app, canvas, camera } = this;
    const on = (name, act) => canvas.addEventListener(name, act, { signal: app.ending.signal });
    this.places = new Places(app, this);
    this.lasso = new Lasso(app, this);
    listen(canvas, camera, {
      hover: (px, py, type) => type !== "touch" && this.hover(px, py),
      leave: () => this.hover(),
      down: () => app.activate(this),
      tap: (px, py) => app.holding.tapped(this, px, py),
      double: (px, py) => app.holding.doubled(this, px, py),
      // In a notebook or a frame the wheel scrolls the page until the map has the focus.
      wheel: (event) => (app.options.links && self === top) || event.ctrlKey || app.root.contains(document.activeElement),
    });
    on("focus", () => {
      app.activate(this);
      if (app.tabbing && this.state.cursor < 0) walk(app, 0, 0);
    });
    on("blur", () => app.stand(null, -1, this));
  }

  get map() {
    return this.state.map;
  }

  get grid() {
    return this.stage.current?.map === this.map ? this.stage.current.grid : undefined;
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height) return;
    this.stage.resize(width, height);
    this.#limit();
  }

  /** Prepare the view of another map. */
  enter() {
    const { model } = this.app;
    const { title, axes } = model.maps[this.map];
    const name = title.slice(0, 80);
    this.canvas.setAttribute("aria-label", `Map of ${name}. Arrow keys move between cells, Enter holds a cell, question mark opens the help.`);
    this.camera.bounds = [0, 0, 1, 1];
    this.tag.hide();
    this.#axes(axes);
    this.minimap.redraw();
    this.#limit();
    return this.#bound();
  }

  #limit() {
    const finest = this.app.model.maps[this.map].grids.at(-1).size;
    const side = Math.max(300, Math.min(this.camera.width, this.camera.height));
    this.camera.maxZoom = Math.max(8, (finest * LARGEST_CELL) / side);
  }

  /** Keep the middle of the view among the cells. */
  async #bound() {
    const { map } = this;
    const bounds = await this.bounds();
    if (map === this.map) this.camera.bounds = bounds;
  }

  async bounds() {
    const { map, app } = this;
    return (await app.model.grid(map, app.model.maps[map].grids[0].size)).bounds();
  }

  /** Show the whole map; with `unlessMoved`, not if the reader moves it meanwhile. */
  async home(duration = 350, { unlessMoved = false } = {}) {
    const { map, app } = this;
    const { flight } = this.camera;
    const before = this.where();
    const box = await this.bounds();
    const now = this.where();
    const moved = this.camera.flight !== flight || Object.keys(now).some((name) => now[name] !== before[name]);
    if (map !== this.map || (unlessMoved && moved)) return;
    this.camera.fit(box, duration, this.covered);
    this.homeAt = this.camera.flight?.to ?? { ...this.where() };
    app.changed();
  }

  /** The first view: the whole map, but on a phone cells that can be seen, and the reader pans to the rest. */
  async start() {
    await this.home(0);
    const { camera, app } = this;
    const px = camera.scale / app.model.maps[this.map].grids[0].size;
    if (app.frame === "narrow" && px < LEGIBLE) camera.set(camera.x, camera.y, (camera.zoom * LEGIBLE) / px);
  }

  atHome() {
    const at = this.homeAt;
    if (!at) return false;
    const { x, y, zoom } = this.where();
    return Math.abs(x - at.x) < 1e-3 && Math.abs(y - at.y) < 1e-3 && Math.abs(zoom / at.zoom - 1) < 1e-3;
  }

  where() {
    const { x, y, zoom } = this.camera;
    return { x, y, zoom };
  }

  frame(now) {
    const moving = this.camera.tick(now);
    const more = this.stage.draw(now);
    if (this.pointer && this.state.hoverGrid !== this.stage.current?.grid) this.hover(...this.pointer);
    this.minimap.update();
    this.#placeAxes();
    this.#look();
    return moving || more;
  }

  /** The pointer is at a place of the canvas, or has left it. */
  hover(px, py) {
    const { state, app } = this;
    const grid = this.stage.current?.grid;
    const i = px === undefined || !grid ? -1 : grid.find(...this.camera.toMap(px, py));
    this.pointer = px === undefined ? null : [px, py];
    this.canvas.style.cursor = i >= 0 ? "pointer" : "grab";
    const place = this.places.at(px, py, grid, i);
    this.places.hover(place);
    if (i < 0) this.tag.hide();
    else this.tag.show(grid, i, px, py, this.camera.width, place);
    if (i === state.hover && grid === state.hoverGrid) return;
    const first = state.hover < 0;
    Object.assign(state, { hover: i, hoverGrid: grid });
    clearTimeout(this.dwelling);
    if (i >= 0) this.dwelling = setTimeout(() => app.inspect(grid, i), first ? DWELL : 0);
    app.changed();
  }

  /** The box of a cell on the screen is brought into view. */
  intoView(grid, i, duration = 250) {
    const { camera } = this;
    const [px, py] = camera.toScreen(...grid.centre(i));
    const edge = Math.min(camera.scale / grid.size, camera.width / 4) * 0.6 + 12;
    const dx = Math.min(0, px - edge) + Math.max(0, px + edge - (camera.width - this.covered.right));
    const dy = Math.min(0, py - edge) + Math.max(0, py + edge - (camera.height - this.covered.bottom));
    if (!dx && !dy) return null;
    const from = this.where();
    camera.fly(camera.x + dx / camera.scale, camera.y + dy / camera.scale, camera.zoom, duration);
    return { from, to: camera.flight?.to ?? this.where() };
  }

  /** Whether a cell is in view. */
  sees(grid, i) {
    const [px, py] = this.camera.toScreen(...grid.centre(i));
    return px > 0 && py > 0 && px < this.camera.width - this.covered.right && py < this.camera.height - this.covered.bottom;
  }

  /** The pane has been taken from the page. */
  close() {
    clearTimeout(this.dwelling);
    this.canvas.width = this.canvas.height = 0;
  }

  /** Say so if nothing of the map is in view, or if its cells cannot be read. */
  #look() {
    const grid = this.grid;
    const { left, top, right, bottom } = grid ? this.stage.range(grid) : {};
    let state = "";
    if (this.stage.lost) state = "lost";
    else if (grid && !this.camera.flight && !this.#any(grid, left, top, right, bottom)) state = "outside";
    if (state === this.seen) return;
    this.seen = state;
    this.nothing.hidden = !state;
    if (state === "lost") put(this.nothing, "The cells of this map cannot be read. Was the folder copied whole?");
    else if (state) put(this.nothing, "No cell is in view ", h("button", { type: "button", class: "j-text-button", onclick: () => this.home() }, icon(ICONS.home), "Fit the map"));
  }

  #any(grid, left, top, right, bottom) {
    const [x, y] = this.camera.toMap(0, 0);
    const [x2, y2] = this.camera.toMap(this.camera.width, this.camera.height);
    if (x > 1 || y > 1 || x2 < 0 || y2 < 0) return false;
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) if (grid.at[row * grid.size + column] >= 0) return true;
    }
    return false;
  }

  /** Name the axes of a map that has them: one text per axis, or one at each end. */
  #axes(axes) {
    put(this.axes, ...["x", "y"].flatMap((side) => {
      const value = axes?.[side];
      if (!value) return [];
      const ends = Array.isArray(value) ? value : [value];
      const words = ends.map((end) => text(String(end).slice(0, 80)));
      return [h("p", { class: `j-axis j-axis-${side}`, "data-ends": String(ends.length) }, ...words)];
    }));
  }

  /** Axes lie along the map's edges, and inside the window. */
  #placeAxes() {
    if (!this.axes.firstChild) return;
    const { camera } = this;
    const [left, top, right, bottom] = camera.bounds;
    const [x, y] = camera.toScreen(left, top);
    const [x2, y2] = camera.toScreen(right, bottom);
    const key = [x, y, x2, y2, camera.width, camera.height].map(Math.round).join();
    if (key === this.axesAt) return;
    this.axesAt = key;
    const inside = (value, length) => Math.round(Math.min(Math.max(value, 8), length - 8));
    for (const axis of this.axes.children) {
      const { style } = axis;
      if (axis.classList.contains("j-axis-x")) {
        style.left = `${inside(x, camera.width)}px`;
        style.width = `${Math.max(inside(x2, camera.width) - inside(x, camera.width), 120)}px`;
        style.top = `${Math.min(y2 + 8, camera.height - 34)}px`;
      } else {
        style.top = `${inside(y, camera.height)}px`;
        style.height = `${Math.max(inside(y2, camera.height) - inside(y, camera.height), 120)}px`;
        style.left = `${Math.max(x - 34, 8)}px`;
      }
    }
  }
}
