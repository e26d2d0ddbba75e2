// The viewer: one state, the parts that show it, and the actions of the reader.

import { Crops } from "./crops.js";
import { clamp, put, shortName } from "./dom.js";
import { press } from "./keys.js";
import { lay } from "./layout.js";
import { Highlight } from "./highlight.js";
import { Holding } from "./holding.js";
import { Links } from "./links.js";
import { Look } from "./look.js";
import { Losses } from "./losses.js";
import { Model } from "./model.js";
import { Pane } from "./pane.js";
import { Selection } from "./selection.js";
import { Settings } from "./settings.js";
import { Split } from "./split.js";
import { Tiles } from "./tiles.js";

const [WIDE, NARROW, SHORT] = [1040, 760, 520]; // px: a desktop; a phone, or a column of a notebook; a phone held sideways
const BUDGET = 7; // ms of a frame for tiles
const FIRST_BUDGET = 200; // ms, until there is a first picture
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
    this.holding = new Holding(this);
    this.highlight = new Highlight(this);
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
    this.measure();
    this.changed();
  }

  /** Measure how much of each map the sheet covers. */
  measure() {
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
    this.title();
    this.changed();
    await pane.enter();
    this.changed();
  }

  title() {
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

  // Holding a cell; see holding.js.

  pin(cell, pane, options) {
    this.holding.pin(cell, pane, options);
  }

  stand(grid, i, pane) {
    this.holding.stand(grid, i, pane);
  }

  /** Fly to a cell and hold it. */
  show(grid, i, pane) {
    this.holding.show(grid, i, pane);
  }

  /** A held cell as plain values. */
  cell(held) {
    return this.holding.cell(held);
  }

  // Lighting cells; see highlight.js.

  light(what, change, options) {
    this.highlight.light(what, change, options);
  }

  relight(change) {
    this.highlight.relight(change);
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
