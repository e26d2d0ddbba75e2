// Guidance: notes and their pins, places to begin at, the tour of them.

import { bigIcon } from "./cellview.js";
import { Chips } from "./chips.js";
import { ICONS, h, icon, put, text } from "./dom.js";
import { NotePanel } from "./notepanel.js";
import { Notes, linkPart } from "./notes.js";
import { Pins } from "./pins.js";
import { quantityOf } from "./quantities.js";
import { sentenceOf, starts, titleOf } from "./starts.js";
import { Tour } from "./tour.js";

const CLOSE = 3; // zoom at a place to begin at
const ICON = 36; // px

export class Guide {
  constructor(app) {
    this.app = app;
    this.notes = new Notes(app.model.manifest, Boolean(app.options.links));
    this.open = null; // {note, from} whose text is shown
    this.panel = new NotePanel(app, this);
    this.pins = new Pins(app, this);
    this.tour = new Tour(app, this);
    this.chips = new Chips(app, this);
    this.places = new Map(); // map -> promise of its places to begin at
    // What they need is read after what the first picture needs.
    this.drawn = new Promise((resolve) => (this.firstDrawn = resolve));
    // Before the keys of the map: while a tour runs, arrows are its own.
    const options = { signal: app.ending.signal, capture: true };
    (app.options.links ? document : app.root).addEventListener("keydown", (event) => this.#key(event), options);
  }

  #key(event) {
    const { target } = event;
    const typing = target.matches("textarea, select, input") && !(target.type === "checkbox" && event.key !== " ");
    if (typing || target.closest("dialog") || this.app.root.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!this.tour.press(event.key) && !this.#press(event.key.toLowerCase())) return;
    event.preventDefault();
    event.stopPropagation();
  }

  #press(key) {
    if (key === "escape" && this.open) this.close();
    else if (key === "n") this.panel.write();
    else if (key === "t") this.tour.start();
    else return false;
    return true;
  }

  /** A frame was drawn. */
  frame() {
    if (this.app.stage.stats.first !== null) this.firstDrawn();
    this.pins.place();
    this.chips.frame();
  }

  /** The address was followed: take its notes, and greet who comes without one for the first time. */
  followed(hash, values, first) {
    if (this.notes.follow(values)) {
      this.changed();
      if (this.notes.ofLink.length === 1) this.show(this.notes.all.at(-1));
    }
    if (first && !hash && !this.notes.visited) this.chips.show();
    if (first) this.notes.visit();
  }

  /** The notes have changed. */
  changed() {
    const { open } = this;
    if (open && !this.notes.all.some(({ note }) => note === open.note)) this.close();
    this.panel.update();
    this.pins.update();
    this.app.changed();
  }

  /** Show a note: its view, its light, its cell, its text. */
  async show(entry, { bubble = true } = {}) {
    this.chips.hide();
    this.open = bubble ? entry : null;
    this.pins.update();
    await this.#view(entry.note);
    if (bubble) this.app.say(`Note ${this.number(entry)}: ${[entry.note.title, entry.note.text].filter(Boolean).join(". ")}`);
  }

  number({ note }) {
    return this.notes.all.findIndex((other) => other.note === note) + 1;
  }

  /** Show the note some places further in the list. */
  step(by) {
    const { all } = this.notes;
    const at = this.number(this.open) - 1;
    this.show(all[(at + by + all.length) % all.length]);
  }

  close() {
    if (this.pins.bubble.contains(document.activeElement)) this.app.canvas.focus({ preventScroll: true });
    this.open = null;
    this.pins.update();
  }

  async #view({ map: id, x, y, zoom, light, against, cell }) {
    const { app } = this;
    const { model } = app;
    const map = model.maps.findIndex((one) => one.id === id);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const quantity = light && (await quantityOf(model, light).catch(() => undefined));
    const grid = cell && (await model.grid(map, cell.grid).catch(() => undefined));
    if (turn !== this.turn) return; // another was asked for meanwhile
    this.#go(map);
    const sign = Boolean(quantity?.signed && against);
    const { lit } = app.state;
    if (lit?.quantity.key !== quantity?.key || (lit && lit.against !== sign)) app.light(quantity || null, { against: sign }, { fly: false });
    const i = grid ? grid.find((cell.col + 0.5) / grid.size, (cell.row + 0.5) / grid.size) : -1;
    app.pin(i >= 0 ? { grid, i } : null);
    this.fly(x, y, zoom);
  }

  /** Show a map, without the flight to the whole of it. */
  #go(map) {
    this.app.active.homeAt = null;
    this.app.go(map);
  }

  /** Fly to a point, which comes to lie in the middle of what no sheet covers. */
  fly(x, y, zoom) {
    const { camera, covered } = this.app.active;
    const scale = (camera.scale / camera.zoom) * zoom;
    camera.fly(x + covered.right / 2 / scale, y + covered.bottom / 2 / scale, zoom, 500);
  }

  /** Places to begin at on a map. */
  starts(map) {
    if (!this.places.has(map)) {
      this.places.set(map, this.drawn.then(() => starts(this.app.model, map)).catch(() => []));
    }
    return this.places.get(map);
  }

  /** Fly to a place to begin at and hold its cell. */
  begin({ grid, i, at }) {
    this.chips.hide();
    this.close();
    this.turn = (this.turn ?? 0) + 1;
    this.#go(grid.map);
    this.app.pin({ grid, i });
    const [x, y] = grid.centre(i);
    this.fly((x + at[0]) / 2, (y + at[1]) / 2, CLOSE);
  }

  /** Buttons of places to begin at, put into an element once they are known. */
  async buttons(element, map, side = ICON) {
    const places = await this.starts(map);
    put(element, ...places.map((place) => {
      const label = `${titleOf(place)}: ${sentenceOf(place)}`;
      return h("button", { type: "button", class: "j-start", "aria-label": label, title: sentenceOf(place), onclick: () => this.begin(place) },
        bigIcon(this.app, place.grid, place.i, side), text(titleOf(place)));
    }));
    return places;
  }

  /** A view that can be noted: where the reader is, and what is lit and held. */
  here() {
    const { app } = this;
    const { pinned, lit } = app.state;
    const pane = app.active;
    const held = pinned?.map === pane.map && pane.sees(pinned.grid, pinned.i) ? pinned : null;
    const { x, y, zoom } = pane.where();
    const at = held ? held.grid.centre(held.i) : [x, y];
    const cell = held && { grid: held.grid.size, row: held.grid.row(held.i), col: held.grid.column(held.i) };
    return { map: app.model.maps[pane.map].id, x: at[0], y: at[1], zoom, light: lit?.quantity.key, against: lit?.against, cell };
  }

  /** Copy a link that opens with the view of a note, and carries it. */
  copy({ note }) {
    const at = [note.x.toFixed(4), note.y.toFixed(4), note.zoom.toFixed(3)].join();
    this.#copy(`#map=${encodeURIComponent(note.map)}&at=${at}`, [note]);
  }

  /** Copy a link to this view that carries the reader's own notes and those of the link. */
  copyAll() {
    const { own, ofLink, part } = this.notes;
    const link = this.app.links.link();
    this.#copy(link.slice(0, link.length - part.length), [...own, ...ofLink]);
  }

  #copy(view, notes) {
    const part = linkPart(notes);
    if (!part) this.app.notice("Too long for a link: save the notes instead");
    else this.app.links.copy(view + part);
  }

  /** Download notes.json. */
  save() {
    const url = URL.createObjectURL(new Blob([this.notes.file()], { type: "application/json" }));
    h("a", { href: url, download: "notes.json" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    this.app.notice("Put notes.json beside atlas.json and export the page again", 6000);
  }

  /** The button that starts the tour. */
  tourButton(before) {
    const start = () => {
      before?.();
      this.tour.start();
    };
    return h("button", { type: "button", class: "j-action", onclick: start }, icon(ICONS.target), "Tour");
  }
}
