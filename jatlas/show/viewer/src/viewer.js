// The viewer: one state, the parts that show it, and the actions of the reader.

import { Camera } from "./camera.js";
import { describe } from "./cellview.js";
import { put, shortName } from "./dom.js";
import { listen } from "./input.js";
import { press } from "./keys.js";
import { lay, showAxes } from "./layout.js";
import { Links } from "./links.js";
import { Look } from "./look.js";
import { Model } from "./model.js";
import { Stage } from "./stage.js";
import { Tiles } from "./tiles.js";
import { Trail } from "./trail.js";

const NARROW = 760; // px: a phone, or a column of a notebook
let instances = 0;

export class Viewer {
  /**
   * @param root an element of class "jatlas"
   * @param source provides the parts of the atlas; see source.js
   * @param options {links: whether the address bar follows the view, onpin(cell or null)}
   */
  constructor(root, manifest, source, options = {}) {
    Object.assign(this, { root, options, id: `jatlas${++instances}`, covered: { right: 0, bottom: 0 } });
    this.model = new Model(manifest, source);
    this.state = {
      map: 0, grid: "auto", density: 1, labels: true, doubts: true, lit: null, pinned: null, trail: null,
      hover: -1, hoverGrid: null, cursor: -1, cursorGrid: null, theme: null, colours: {},
      styleOf: (grid) => this.look.of(grid),
    };
    this.look = new Look(this);
    this.links = new Links(this);
    this.ending = new AbortController();
    this.dirty = false;
    this.camera = new Camera(() => this.changed());
    this.tiles = new Tiles(source, () => this.changed());
    lay(this);
    this.stage = new Stage(this.canvas, this.model, this.camera, this.tiles, this.state, () => this.changed());
    this.#wire();
    this.look.setTheme(null);
    this.#resize();
    this.links.follow(options.links ? location.hash : "", { first: true });
  }

  #wire() {
    const { canvas, camera, ending } = this;
    const on = (target, name, act) => target.addEventListener(name, act, { signal: ending.signal });
    listen(canvas, camera, {
      hover: (px, py, type) => type !== "touch" && this.#hover(px, py),
      leave: () => this.#hover(),
      tap: (px, py) => this.#tap(px, py),
      double: (px, py) => this.camera.fly(...this.#towards(px, py, 2), camera.zoom * 2, 300),
      // In a notebook or a frame the wheel scrolls the page until the map has the focus.
      wheel: (event) => (this.options.links && self === top) || event.ctrlKey || this.root.contains(document.activeElement),
    });
    // On its own page the viewer handles every key, inside another page only those sent to it.
    on(this.options.links ? document : this.root, "keydown", (event) => {
      const typing = event.target.matches("input:not([type=range], [type=checkbox]), textarea, select");
      const control = event.target.matches("button, input") && /^(Enter| |Arrow.*)$/.test(event.key);
      if (typing || control || this.help.element.open) return;
      if (press(this, event)) event.preventDefault();
    });
    on(canvas, "blur", () => this.stand(null, -1));
    this.observer = new ResizeObserver(() => this.#resize());
    this.observer.observe(this.view);
    on(this.look.machine, "change", () => this.look.setTheme(this.state.theme));
    if (this.options.links) on(window, "hashchange", () => this.links.changed());
  }

  #towards(px, py, factor) {
    const [x, y] = this.camera.toMap(px, py);
    return [x + (this.camera.x - x) / factor, y + (this.camera.y - y) / factor];
  }

  // Drawing.

  changed() {
    if (this.dirty || this.ending?.signal.aborted) return;
    this.dirty = true;
    requestAnimationFrame((now) => this.#frame(now));
  }

  #frame(now) {
    this.dirty = false;
    if (this.ending.signal.aborted) return;
    const moving = this.camera.tick(now);
    const more = this.stage.draw(now);
    const before = this.card.shown;
    if (before && this.state.hoverGrid === this.stage.current?.grid) this.card.place(this.state.hoverGrid, this.state.hover);
    else if (before) this.#hover();
    this.minimap.update();
    if (this.options.links) this.links.remember();
    if (moving || more) this.changed();
  }

  #resize() {
    this.root.dataset.narrow = String(this.root.clientWidth <= NARROW);
    const { clientWidth: width, clientHeight: height } = this.view;
    if (!width || !height) return;
    this.stage.resize(width, height);
    this.#measure();
    this.changed();
  }

  /** Measure how much of the map the panel covers: at the right, or on a phone at the bottom. */
  #measure() {
    const { element } = this.details;
    const wide = this.root.clientWidth > NARROW;
    const [width, height] = element.hidden ? [0, 0] : [element.offsetWidth + 16, element.offsetHeight];
    this.covered = wide ? { right: width, bottom: 0 } : { right: 0, bottom: height };
  }

  // Actions of the reader.

  set(change) {
    Object.assign(this.state, change);
    this.rail.update();
    this.changed();
  }

  /** Show another map; the view stays. */
  go(map) {
    if (!this.model.maps[map] || map === this.state.map) return;
    const home = this.atHome();
    Object.assign(this.state, { map, hover: -1, cursor: -1 });
    this.entered();
    if (home) this.home(500, { unlessMoved: true });
    this.say(`Map ${this.model.maps[map].title.slice(0, 80)}`);
  }

  async entered() {
    const { state, model, camera } = this;
    const map = state.map;
    const finest = model.maps[map].grids.at(-1).size;
    camera.maxZoom = Math.max(8, (finest * 330) / Math.max(300, Math.min(camera.width, camera.height)));
    this.canvas.setAttribute("aria-label", `Map of ${model.maps[map].title.slice(0, 80)}. Arrow keys move between cells, Enter pins a cell, question mark opens the help.`);
    this.card.hide();
    this.rail.update();
    this.details.update();
    this.minimap.redraw();
    showAxes(this.axes, model.maps[map].axes);
    this.changed();
    if (state.trail) await state.trail.show(map);
    this.changed();
  }

  /** Show the whole map; with `unlessMoved`, not if the reader moves it meanwhile. */
  async home(duration = 500, { unlessMoved = false } = {}) {
    const { map } = this.state;
    const before = this.where();
    const grid = await this.model.grid(map, this.model.maps[map].grids[0].size);
    const now = this.where();
    const moved = Object.keys(now).some((name) => now[name] !== before[name]);
    if (map !== this.state.map || (unlessMoved && moved)) return;
    this.camera.fit(grid.bounds(), duration, this.covered);
    this.homeAt = this.camera.flight?.to ?? { ...this.where() };
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

  #hover(px, py) {
    const { state } = this;
    const grid = this.stage.current?.grid;
    const i = px === undefined || !grid ? -1 : grid.find(...this.camera.toMap(px, py));
    this.canvas.style.cursor = i >= 0 ? "pointer" : "grab";
    if (i === state.hover && grid === state.hoverGrid) return;
    Object.assign(state, { hover: i, hoverGrid: grid });
    if (i >= 0) this.card.show(grid, i);
    else this.card.hide();
    this.changed();
  }

  #tap(px, py) {
    const grid = this.stage.current?.grid;
    if (!grid) return;
    const i = grid.find(...this.camera.toMap(px, py));
    const { pinned } = this.state;
    this.state.cursor = -1; // arrow keys continue from the pinned cell
    if (i < 0 || (pinned?.grid === grid && pinned.i === i)) this.pin(null);
    else this.pin({ grid, i });
  }

  /** Move the keyboard cursor to a cell. */
  stand(grid, i) {
    Object.assign(this.state, { cursor: i, cursorGrid: grid });
    if (i >= 0) {
      this.say(describe(this, grid, i));
      if (this.state.pinned) this.pin({ grid, i });
      else {
        this.#intoView(grid, i);
        this.card.show(grid, i);
        Object.assign(this.state, { hover: i, hoverGrid: grid });
      }
    } else if (this.card.shown && this.state.hover >= 0) this.#hover();
    this.changed();
  }

  #intoView(grid, i) {
    const { camera } = this;
    const [x, y] = grid.centre(i);
    const [px, py] = camera.toScreen(x, y);
    const edge = Math.min(camera.scale / grid.size, camera.width / 4) * 0.6 + 12;
    const dx = Math.min(0, px - edge) + Math.max(0, px + edge - (camera.width - this.covered.right));
    const dy = Math.min(0, py - edge) + Math.max(0, py + edge - (camera.height - this.covered.bottom));
    if (dx || dy) camera.fly(camera.x + dx / camera.scale, camera.y + dy / camera.scale, camera.zoom, 250);
  }

  /** Pin a cell {grid, i}; null unpins. */
  pin(cell) {
    const { state } = this;
    state.pinned = cell && { ...cell, map: cell.grid.map };
    state.trail = cell && Trail.of(this, cell.grid, cell.i);
    this.card.hide();
    state.hover = -1;
    this.details.update();
    this.#measure();
    if (cell) this.#intoView(cell.grid, cell.i);
    if (state.trail) state.trail.show(state.map).then(() => this.changed());
    this.rail.drawThumbs();
    this.options.onpin?.(cell && this.cell(state.pinned));
    this.changed();
  }

  /** Return a pinned cell as plain values. */
  cell({ map, grid, i }) {
    const { id, layer } = this.model.maps[map];
    const labels = grid.labels(i).map(([index, value]) => [index, this.model.name(index), value]);
    const name = this.model.cellName(grid, i) ?? null;
    return { map: id, layer, grid: grid.size, row: grid.row(i), col: grid.column(i), count: grid.count[i], name, labels };
  }

  /** Highlight cells by their evidence for a class; null clears the highlight. */
  light(cls, change = {}) {
    const { state } = this;
    state.lit = cls === null ? null : { intensity: 1.4, against: false, ...change, cls };
    this.rail.update();
    this.say(cls === null ? "Highlight cleared" : `Highlighting evidence for ${shortName(this.model.name(cls), 60)}`);
    this.changed();
  }

  relight(change) {
    if (!this.state.lit) return;
    Object.assign(this.state.lit, change);
    this.rail.update();
    this.changed();
  }

  async strongest() {
    const { lit } = this.state;
    const grid = this.stage.current?.grid;
    if (!lit || !grid) return;
    const { values } = await this.model.heat(grid, lit.cls);
    const sign = lit.against ? -1 : 1;
    let best = 0;
    values.forEach((value, i) => sign * value > sign * values[best] && (best = i));
    const [x, y] = grid.centre(best);
    this.camera.fly(x, y, Math.max(this.camera.zoom, 2.5), 700);
    this.pin({ grid, i: best });
    this.drawer(false);
  }

  escape() {
    const { state } = this;
    if (this.root.dataset.drawer === "open") this.drawer(false);
    else if (state.pinned) this.pin(null);
    else if (state.lit) this.light(null);
    else if (state.cursor >= 0) this.stand(null, -1);
  }

  find() {
    if (!this.rail.input) return; // there are no classes
    this.drawer(true);
    this.rail.input.focus();
  }

  drawer(open) {
    this.root.dataset.drawer = open ? "open" : "closed";
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.().catch(() => {});
  }

  toggleTheme() {
    this.look.setTheme(this.state.dark ? "light" : "dark");
  }

  say(words) {
    this.status.textContent = words;
  }

  notice(words) {
    this.toast.textContent = words;
    this.toast.hidden = false;
    clearTimeout(this.toasting);
    this.toasting = setTimeout(() => (this.toast.hidden = true), 2600);
  }

  close() {
    this.ending.abort();
    this.observer.disconnect();
    this.tiles.clear();
    put(this.root);
  }
}
