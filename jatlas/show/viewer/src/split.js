// Two maps side by side: the second pane, the headers of both, and cameras that move together.

import { ICONS, h, iconButton, number, put } from "./dom.js";
import { Joins } from "./join.js";
import { Pane } from "./pane.js";
import { Veil } from "./veil.js";

const LEAST = 220; // px: a pane's shorter side
const BESIDE = 300; // px: panes that would be narrower lie one above the other
const HEAD = 40; // px: the height of a header, at most

export class Split {
  constructor(app) {
    this.app = app;
    this.joins = new Joins(app.model, () => app.changed());
    this.chosen = null; // whether cameras move together, if the reader has said so
    this.heads = new Map(); // by pane
    this.possible = false;
    this.button = iconButton("Split: two maps side by side (S)", ICONS.split, () => this.toggle(), { class: "j-button j-split" });
    this.link = h("button", { type: "button", class: "j-button j-together", "aria-label": "Move together", title: "Move together",
      onclick: () => this.join(!this.together) }, ...iconButton("", ICONS.link).childNodes);
  }

  get open() {
    return this.app.panes.length > 1;
  }

  /** Whether the cameras move together: as the reader chose, else for maps of the same layer. */
  get together() {
    const { app } = this;
    const [a, b] = app.panes.map((pane) => app.model.maps[pane.map]);
    return this.open && (this.chosen ?? (a.layer === b.layer && (a.atlas ?? 0) === (b.atlas ?? 0)));
  }

  join(together) {
    this.chosen = together;
    if (together) {
      const [leader, other] = this.app.active === this.app.panes[0] ? this.app.panes : [...this.app.panes].reverse();
      other.camera.stop();
      const { x, y, zoom } = leader.where();
      other.camera.set(x, y, zoom);
    }
    this.#stay();
    this.update();
    this.app.changed();
  }

  toggle() {
    if (this.open) this.close(this.app.panes[1]);
    else if (this.possible) this.show(this.#next());
    else this.app.notice("There is no room for two maps");
  }

  /** The map to begin with: one with the same samples, else the next one. */
  #next() {
    const { model, state } = this.app;
    return model.companions(state.map)[0] ?? (state.map + 1) % model.maps.length;
  }

  /** Show a map in the second pane; `view`, {x, y, zoom}, is where, by default the whole map. */
  async show(map, view) {
    const { app } = this;
    const [first] = app.panes;
    const home = first.atHome();
    if (!this.open) this.#add(map);
    const [, pane] = app.panes;
    pane.state.map = map;
    app.resize();
    if (home) first.home(0, { unlessMoved: true });
    const entered = app.entered(pane).catch(() => {});
    if (view) pane.camera.set(view.x, view.y, view.zoom);
    await entered;
    if (app.panes[1] !== pane || pane.map !== map) return;
    // Among its cells once they are known.
    if (view) pane.camera.set(view.x, view.y, view.zoom);
    else if (this.together && !home) pane.camera.set(...Object.values(first.where()));
    else await pane.home(0).catch(() => {});
    this.#stay();
    app.changed();
  }

  #add(map) {
    const { app } = this;
    const own = { map, grid: "auto", hover: -1, hoverGrid: null, cursor: -1, cursorGrid: null };
    const pane = new Pane(app, Object.assign(Object.create(app.state), own));
    app.panes.push(pane);
    app.root.dataset.split = "true";
    app.maps.append(h("div", { class: "j-side" }, pane.element), this.link);
    for (const one of app.panes) {
      const head = new Head(this, one);
      this.heads.set(one, head);
      one.element.before(head.element);
      one.veil = new Veil(app, this.joins, one);
      one.stage.veil = (...drawing) => one.veil.draw(...drawing);
    }
    app.observer.observe(pane.element);
    app.say("Two maps side by side");
  }

  /** Close one of the two panes; the map of the other stays. */
  close(pane) {
    if (!this.open) return;
    const { app } = this;
    const [first, second] = app.panes;
    if (pane === first) this.#move(second, first);
    const focused = second.element.contains(document.activeElement) || [...this.heads.values()].some((head) => head.element.contains(document.activeElement));
    app.panes.pop();
    app.active = first;
    app.observer.unobserve(second.element);
    second.close();
    second.element.parentElement.remove();
    this.link.remove();
    for (const head of this.heads.values()) head.element.remove();
    this.heads.clear();
    first.stage.veil = null;
    this.chosen = null;
    delete app.root.dataset.split;
    const home = first.atHome();
    app.resize();
    if (home) first.home(0, { unlessMoved: true });
    if (focused) first.canvas.focus({ preventScroll: true });
    app.entered(first).catch(() => {});
    app.say("One map");
  }

  /** Show in a pane what another one shows. */
  #move(from, to) {
    const { map, grid } = from.state;
    const { x, y, zoom } = from.where();
    Object.assign(to.state, { map, grid, hover: -1, cursor: -1 });
    to.camera.stop();
    Object.assign(to.camera, { bounds: from.camera.bounds, maxZoom: from.camera.maxZoom });
    to.camera.set(x, y, zoom);
    to.homeAt = from.homeAt;
  }

  /** Whether there is room for two, and in which direction; without room, the second pane closes. */
  framed() {
    const { app } = this;
    const { clientWidth: width, clientHeight: height } = app.view;
    const beside = app.frame !== "narrow" && width / 2 >= BESIDE;
    const [w, h] = beside ? [width / 2, height] : [width, height / 2];
    this.possible = app.model.maps.length > 1 && w >= LEAST && h - HEAD >= LEAST;
    this.button.hidden = !this.possible;
    app.maps.dataset.beside = String(beside);
    // A taller sheet would hide the lower map.
    if (this.open && !beside) app.inspector.element.dataset.height = "peek";
    if (this.open && width && !this.possible) this.close(app.panes[1]);
  }

  /** Before a frame: the camera that moved leads the other, if they move together. */
  move(now) {
    if (!this.open) return;
    const { panes, active } = this.app;
    if (this.together) {
      for (const pane of panes) pane.camera.tick(now);
      const moved = panes.filter((pane) => Object.entries(pane.where()).some(([name, value]) => this.last?.get(pane)?.[name] !== value));
      const leader = moved.includes(active) ? active : moved[0];
      if (leader && this.last) {
        const other = panes.find((pane) => pane !== leader);
        const { x, y, zoom } = leader.where();
        other.camera.stop();
        other.camera.set(x, y, zoom);
      }
    }
    this.#stay();
  }

  /** Neither camera has moved from where they are now. */
  #stay() {
    this.last = new Map(this.app.panes.map((pane) => [pane, pane.where()]));
  }

  /** A quantity of a grid on the one scale of both panes. */
  onOneScale(quantity, heat) {
    const { app } = this;
    if (!heat || !this.open) return heat;
    const others = app.panes.map((pane) => pane.grid && app.model.heatNow(pane.grid, quantity)).filter(Boolean);
    const [low, high] = [Math.min(heat.low, ...others.map((one) => one.low)), Math.max(heat.high, ...others.map((one) => one.high))];
    return { values: heat.values, low, high };
  }

  /** The state or a map has changed. */
  update() {
    this.button.setAttribute("aria-pressed", String(this.open));
    if (!this.open) return;
    this.link.setAttribute("aria-pressed", String(this.together));
    for (const head of this.heads.values()) head.update();
  }

  /** After a frame: say how many samples are lit. */
  drawn() {
    for (const head of this.heads.values()) head.drawn();
  }

  /** The second pane as a link says it; undefined without one. */
  get described() {
    if (!this.open) return undefined;
    const [, pane] = this.app.panes;
    return { map: this.app.model.maps[pane.map].id, ...pane.where(), together: this.chosen };
  }

  /** Show what a link says of the second pane. */
  async follow(asked) {
    const map = asked ? this.app.model.maps.findIndex(({ id }) => id === asked.map) : -1;
    if (map < 0 || !this.possible) return this.open && this.close(this.app.panes[1]);
    this.chosen = asked.together ?? null;
    await this.show(map, asked);
  }
}

/** The header of a pane: a menu of the maps, how many samples are lit, a button that closes it. */
class Head {
  constructor(split, pane) {
    const { app } = split;
    Object.assign(this, { split, pane });
    this.menu = h("select", { class: "j-side-map", onchange: () => this.#choose() },
      ...app.model.maps.map(({ title }, i) => h("option", { value: String(i) }, title.slice(0, 80))));
    this.found = h("span", { class: "j-side-found" });
    this.element = h("header", { class: "j-side-head", onpointerdown: () => app.activate(pane), onfocusin: () => app.activate(pane) },
      this.menu, this.found, iconButton("Close this map", ICONS.close, () => split.close(pane)));
  }

  #choose() {
    const { pane, split, menu } = this;
    const map = Number(menu.value);
    split.app.activate(pane); // which brings the menu up to date
    split.app.go(map, pane);
  }

  update() {
    const { pane, split } = this;
    const { app } = split;
    this.menu.value = String(pane.map);
    this.menu.setAttribute("aria-label", `Map ${app.panes.indexOf(pane) + 1} of 2`);
    this.element.dataset.active = String(app.active === pane);
    this.drawn();
  }

  drawn() {
    const { pane, split } = this;
    const { found } = pane.veil;
    const linked = split.joins.linked(...split.app.panes.map(({ map }) => map));
    const words = !linked ? "No shared samples" : found ? `${number(found.found)} of ${number(found.all)} samples` : "";
    if (words === this.words) return;
    this.words = words;
    put(this.found, words);
    this.found.title = linked && found ? `Of the samples of the cell, ${words.replace(" samples", "")} lie on this map` : words;
  }
}
