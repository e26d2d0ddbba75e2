// The viewer: one state, the parts that show it, and the actions of the reader.

import { describe } from "./cellview.js";
import { Crops } from "./crops.js";
import { clamp, put, shortName } from "./dom.js";
import { press } from "./keys.js";
import { lay } from "./layout.js";
import { Links } from "./links.js";
import { Look } from "./look.js";
import { Losses } from "./losses.js";
import { Model } from "./model.js";
import { Pane } from "./pane.js";
import { brightest, classEvidence, trailOf } from "./quantities.js";
import { Selection } from "./selection.js";
import { Settings } from "./settings.js";
import { Split } from "./split.js";
import { Tiles } from "./tiles.js";

const [WIDE, NARROW, SHORT] = [1040, 760, 520]; // px: a desktop; a phone, or a column of a notebook; a phone held sideways
const BUDGET = 7; // ms of a frame for tiles
const FIRST_BUDGET = 200; // ms, until there is a first picture
const SECOND_TAP = 330; // ms
let instances = 0;

export class Viewer {
  /**
   * @param root an element of class "jatlas"
   * @param source provides the parts of the atlas; see source.js
   * @param options {links: whether the address bar follows the view, onpin(cell or null), onselect(cells or null)}
   */
  constructor(root, manifest, source, options = {}) {
    Object.assign(this, { root, options, id: `jatlas${++instances}`, dirty: false });
    this.ending = new AbortController();
    this.losses = new Losses((words) => this.notice(words, 9000), () => this.changed());
    this.model = new Model(manifest, source, this.losses);
    this.state = {
      map: 0, grid: "auto", density: 1, labels: true, doubts: true, lit: null, pinned: null, trail: null,
      hover: -1, hoverGrid: null, cursor: -1, cursorGrid: null, theme: null, colours: {},
      styleOf: (grid) => this.look.of(grid),
    };
    this.settings = new Settings(this);
    this.look = new Look(this);
    this.links = new Links(this);
    this.tiles = new Tiles(source, () => this.changed(), this.losses);
    this.crops = new Crops(this);
    this.split = new Split(this);
    this.selection = new Selection(this);
    this.panes = [new Pane(this, this.state)];
    this.active = this.panes[0];
    lay(this);
    this.#wire();
    this.look.setTheme(this.settings.theme);
    this.resize();
    this.ready = this.links.follow(options.links ? location.hash : "", { first: true });
  }

  get camera() {
    return this.active.camera;
  }

  get stage() {
    return this.active.stage;
  }

  get canvas() {
    return this.active.canvas;
  }

  #wire() {
    const { ending, settings } = this;
    const on = (target, name, act) => target.addEventListener(name, act, { signal: ending.signal });
    this.root.addEventListener("keydown", (event) => (this.tabbing = event.key === "Tab"), { capture: true, signal: ending.signal });
    // On its own page the viewer handles every key, inside another page only those sent to it.
    on(this.options.links ? document : this.root, "keydown", (event) => {
      const typing = event.target.matches("input:not([type=range], [type=checkbox]), textarea, select");
      const control = event.target.matches("button, input, summary") && /^(Enter| |Arrow.*)$/.test(event.key);
      if (typing || control || this.help.element.open || this.lightbox.element.open) return;
      if (press(this, event)) event.preventDefault();
    });
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.root);
    this.panes.forEach((pane) => this.observer.observe(pane.element));
    on(this.look.machine, "change", () => this.look.setTheme(settings.theme));
    if (this.options.links) on(window, "hashchange", () => this.links.changed());
  }

  // Drawing.

  changed() {
    if (this.dirty || this.ending.signal.aborted) return;
    this.dirty = true;
    requestAnimationFrame((now) => this.#frame(now));
  }

  #frame(now) {
    this.dirty = false;
    if (this.ending.signal.aborted) return;
    this.tiles.begin(this.stage.stats.first === null ? FIRST_BUDGET : BUDGET);
    this.split.move(now);
    const more = this.panes.map((pane) => pane.frame(now));
    this.split.drawn();
    this.legend.update();
    this.guide.frame();
    if (this.options.links) this.links.remember();
    if (more.some(Boolean)) this.changed();
  }

  /** The page, or what a pane has of it, has another size. */
  resize() {
    const { clientWidth: width, clientHeight: height } = this.root;
    if (!width || !height) return;
    const frame = width <= NARROW && height >= SHORT ? "narrow" : width < WIDE || height < SHORT ? "medium" : "wide";
    const sheet = frame === "narrow" || (frame === "medium" && height >= SHORT);
    if (this.frame !== frame || this.sheet !== sheet) {
      Object.assign(this, { frame, sheet });
      Object.assign(this.root.dataset, { frame, sheet: String(sheet) });
      this.rail.framed(frame);
      this.inspector.update();
    }
    this.split.framed();
    this.panes.forEach((pane) => pane.resize());
    this.#measure();
    this.changed();
  }

  /** Measure how much of each map the sheet covers. */
  #measure() {
    const { element } = this.inspector;
    const covering = this.sheet && !element.hidden;
    const top = this.root.getBoundingClientRect().bottom - (covering ? element.offsetHeight : 0);
    for (const pane of this.panes) {
      const box = pane.element.getBoundingClientRect();
      pane.covered = { right: 0, bottom: clamp(box.bottom - top, 0, box.height) };
    }
  }

  // Actions of the reader.

  set(change) {
    const { grid, ...rest } = change;
    if (grid !== undefined) this.active.state.grid = grid;
    Object.assign(this.state, rest);
    this.settings.save();
    this.rail.update();
    this.changed();
  }

  /** Bring every part up to date with the state. */
  update() {
    this.rail.update();
    this.inspector.update();
    this.panes.forEach((pane) => pane.minimap.redraw());
    this.changed();
  }

  /** The pane that the keys act on. */
  activate(pane) {
    if (this.active === pane) return;
    this.active = pane;
    this.rail.update();
    this.split.update();
  }

  /** Whether a map is in view. */
  shows(map) {
    return this.panes.some((pane) => pane.map === map);
  }

  /** The pane that shows a map, or else the one that the keys act on. */
  paneOf(map) {
    return [this.active, ...this.panes].find((pane) => pane.map === map) ?? this.active;
  }

  /** Show another map; the view stays. */
  go(map, pane = this.active) {
    if (!this.model.maps[map] || map === pane.map) return;
    const home = pane.atHome();
    Object.assign(pane.state, { map, hover: -1, cursor: -1 });
    this.entered(pane);
    if (home) pane.home(350, { unlessMoved: true });
    this.say(`Map ${this.model.maps[map].title.slice(0, 80)}`);
  }

  async entered(pane = this.active) {
    this.rail.update();
    this.split.update();
    this.inspector.update();
    this.#title();
    this.changed();
    await pane.enter();
    this.changed();
  }

  #title() {
    if (!this.options.links) return;
    const { lit, map } = this.state;
    const words = [lit && shortName(lit.quantity.name, 60), this.model.maps[map].title.slice(0, 80), this.model.network];
    document.title = words.filter(Boolean).join(" · ") || "Activation atlas";
  }

  home(duration) {
    return this.active.home(duration);
  }

  zoom(factor) {
    const { active } = this;
    const { pinned } = this.state;
    const held = pinned?.map === active.map && active.sees(pinned.grid, pinned.i);
    active.camera.flyZoom(factor, held ? pinned.grid.centre(pinned.i) : undefined);
  }

  where() {
    return this.active.where();
  }

  /** Show a cell in the inspector; one that is held stays. */
  inspect(grid, i) {
    if (!this.state.pinned && !this.selection.size && this.frame === "wide") this.inspector.show(grid, i);
  }

  /** A click or a tap: hold the cell, or release it. Where a sheet would rise, wait for a second tap. */
  tapped(pane, px, py) {
    const act = () => {
      const grid = pane.stage.current?.grid;
      if (!grid) return;
      const i = grid.find(...pane.camera.toMap(px, py));
      const { pinned } = this.state;
      this.beforeTap = { pinned, time: performance.now() };
      const place = pane.places.at(px, py, grid, i);
      if (place) return this.lightbox.open(place);
      pane.state.cursor = -1; // arrow keys continue from the held cell
      if (i < 0 || (pinned?.grid === grid && pinned.i === i)) this.pin(null);
      else this.pin({ grid, i });
    };
    clearTimeout(this.tapping);
    if (this.sheet) this.tapping = setTimeout(act, SECOND_TAP);
    else act();
  }

  /** A second tap or click zooms; what the first one did is undone. */
  doubled(pane, px, py) {
    clearTimeout(this.tapping);
    const { pinned, time } = this.beforeTap ?? {};
    if (!this.sheet && performance.now() - time < 2 * SECOND_TAP && this.state.pinned !== pinned) this.pin(pinned);
    const [x, y] = pane.camera.toMap(px, py);
    pane.camera.flyZoom(2, [x, y]);
  }

  /** Move the keyboard cursor to a cell. */
  stand(grid, i, pane = this.active) {
    const { state } = pane;
    if (i < 0 && state.cursor < 0) return;
    Object.assign(state, { cursor: i, cursorGrid: grid });
    if (i >= 0) {
      this.say(describe(this, grid, i));
      if (this.state.pinned) this.pin({ grid, i });
      else {
        pane.intoView(grid, i);
        this.inspect(grid, i);
        Object.assign(state, { hover: i, hoverGrid: grid });
      }
    } else pane.hover();
    this.changed();
  }

  /** Hold a cell {grid, i}; null releases it. */
  pin(cell, pane = cell ? this.paneOf(cell.grid.map) : this.active) {
    const { state } = this;
    const before = state.pinned;
    state.pinned = cell && { ...cell, map: cell.grid.map };
    const key = cell && `trail-${cell.grid.prefix}.${cell.i}`;
    state.trail = cell ? trailOf(this.model, cell.grid, [cell.i], { key, name: "Samples of the held cell" }) : this.selection.trail;
    this.inspector.update();
    this.#measure();
    if (cell && cell.grid.map === pane.map) {
      const shift = pane.intoView(cell.grid, cell.i);
      this.shift = shift ? { ...shift, pane } : before ? this.shift : null;
    }
    if (!cell && before) this.#shiftBack();
    this.rail.drawThumbs();
    this.options.onpin?.(cell && this.cell(state.pinned));
    this.changed();
  }

  /** Undo the move that made room for the held cell, if the reader has not moved the map since. */
  #shiftBack() {
    const { shift } = this;
    const { pane } = shift ?? {};
    this.shift = null;
    const now = shift && (pane.camera.flight?.to ?? pane.where());
    const same = now && Object.keys(shift.to).every((name) => Math.abs(now[name] - shift.to[name]) < 1e-9);
    if (same) pane.camera.fly(shift.from.x, shift.from.y, shift.from.zoom, 250);
  }

  /** Return a held cell as plain values. */
  cell({ map, grid, i }) {
    const { id, layer } = this.model.maps[map];
    const labels = grid.labels(i).map(([index, value]) => [index, this.model.name(index), value]);
    const name = this.model.cellName(grid, i) ?? null;
    return { map: id, layer, grid: grid.size, row: grid.row(i), col: grid.column(i), count: grid.count[i], name, labels };
  }

  /** Light cells by a quantity, or by the evidence for a class, given by its index; null clears it. */
  light(what, change = {}, { fly = true } = {}) {
    const { state } = this;
    const quantity = typeof what === "number" ? classEvidence(this.model, what) : what;
    const range = quantity?.signed ? [0, 0.7] : [0, 1];
    state.lit = quantity && { against: false, range, ...change, quantity };
    this.lit();
    this.say(quantity ? `Cells are lit by: ${shortName(quantity.name, 60)}` : "Highlight cleared");
    if (quantity && fly) for (const pane of this.split.together ? [this.active] : this.panes) this.#showLit(quantity, pane);
  }

  relight(change) {
    if (!this.state.lit) return;
    Object.assign(this.state.lit, change);
    this.lit();
  }

  /** The highlight has changed. */
  lit() {
    this.rail.update();
    this.legend.update();
    this.inspector.update();
    this.#title();
    this.changed();
  }

  /** If no bright cell is in view, fly to where they are. */
  async #showLit(quantity, pane) {
    const grid = pane.grid;
    const heat = grid && (await this.model.heat(grid, quantity).catch(() => null));
    const { lit } = this.state;
    if (!heat || lit?.quantity !== quantity || !(lit.against ? heat.low < 0 : heat.high > 0 || heat.low < 0)) return;
    const bright = brightest(lit, heat).slice(0, 6);
    if (!bright.length || bright.slice(0, 3).some((i) => pane.sees(grid, i))) return;
    const [xs, ys] = [0, 1].map((axis) => bright.map((i) => grid.centre(i)[axis]));
    const half = 1 / grid.size;
    pane.camera.fit([Math.min(...xs) - half, Math.min(...ys) - half, Math.max(...xs) + half, Math.max(...ys) + half], 350, pane.covered);
  }

  async strongest() {
    const { lit } = this.state;
    const pane = this.active;
    const grid = pane.grid;
    if (!lit || !grid) return;
    const [best] = brightest(lit, await this.model.heat(grid, lit.quantity));
    if (best === undefined) return;
    this.show(grid, best, pane);
  }

  /** Fly to a cell and hold it. */
  show(grid, i, pane = this.paneOf(grid.map)) {
    const [x, y] = grid.centre(i);
    if (grid.map !== pane.map) this.go(grid.map, pane);
    pane.camera.fly(x, y, Math.max(pane.camera.zoom, 2.5));
    this.pin({ grid, i }, pane);
    this.drawer(false);
  }

  escape() {
    const { state } = this;
    if (this.root.dataset.drawer === "open") this.drawer(false);
    else if (state.pinned) this.pin(null);
    else if (this.selection.size) this.selection.clear();
    else if (this.selection.tool) this.selection.take(null);
    else if (state.lit) this.light(null);
    else if (this.active.state.cursor >= 0) this.stand(null, -1);
    else this.inspector.clear();
  }

  find() {
    if (!this.search) return; // there are no classes
    if (this.frame === "medium") this.drawer(true);
    this.search.input.focus();
  }

  drawer(open) {
    if ((this.root.dataset.drawer === "open") === open) return;
    this.root.dataset.drawer = open ? "open" : "closed";
    if (open) this.rail.element.querySelector("button, input")?.focus({ preventScroll: true });
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.().catch(() => {});
  }

  toggleTheme() {
    this.settings.theme = this.state.dark ? "light" : "dark";
    this.settings.save();
    this.look.setTheme(this.settings.theme);
  }

  say(words) {
    this.status.textContent = words;
  }

  notice(words, duration = 2600) {
    this.toast.textContent = words;
    this.toast.hidden = false;
    clearTimeout(this.toasting);
    this.toasting = setTimeout(() => (this.toast.hidden = true), duration);
  }

  close() {
    this.ending.abort();
    this.observer.disconnect();
    this.tiles.clear();
    this.crops.clear();
    put(this.root);
  }
}
