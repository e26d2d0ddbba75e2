// Notes on the map: numbered pins at their points, and the text of the one that is open.

import { ICONS, clamp, h, iconButton, put, text } from "./dom.js";

const GAP = 16; // px between a pin and its text
const FROM = { link: "from the link", own: "yours" };

export class Pins {
  constructor(app, guide) {
    Object.assign(this, { app, guide, layers: new WeakMap() });
    this.bubble = h("div", { class: "j-note", role: "dialog", "aria-label": "Note", hidden: true });
  }

  /** Draw all pins and the open note anew. */
  update() {
    this.layers = new WeakMap();
    this.#write();
    this.app.changed();
  }

  /** Pins lie at their points in every frame. */
  place() {
    for (const pane of this.app.panes) {
      const layer = this.#layer(pane);
      const { camera } = pane;
      const key = [camera.x, camera.y, camera.scale, camera.width, camera.height, pane.map, this.bubble.hidden].join();
      if (layer.key === key) continue;
      layer.key = key;
      for (const { entry, pin } of layer.pins) {
        const [px, py] = camera.toScreen(entry.note.x, entry.note.y);
        const away = px < -12 || py < -12 || px > camera.width + 12 || py > camera.height + 12;
        pin.hidden = away;
        if (!away) pin.style.transform = `translate(${px.toFixed(1)}px, ${py.toFixed(1)}px)`;
      }
      if (this.bubble.parentNode === layer.element) this.#placeBubble(camera);
    }
  }

  #layer(pane) {
    const known = this.layers.get(pane);
    if (known?.map === pane.map) return known;
    const element = pane.element.querySelector(".j-pins") ?? h("div", { class: "j-pins" });
    const { id } = this.app.model.maps[pane.map];
    const pins = this.guide.notes.all.map((entry, i) => ({ entry, number: i + 1 })).filter(({ entry }) => entry.note.map === id)
      .map(({ entry, number }) => ({ entry, pin: this.#pin(pane, entry, number) }));
    const open = this.guide.open?.note.map === id && pane === this.app.active;
    const focused = [...element.querySelectorAll(".j-pin")].indexOf(document.activeElement);
    put(element, ...pins.map(({ pin }) => pin), open && this.bubble);
    if (!element.parentNode) pane.canvas.after(element);
    if (focused >= 0) pins[focused]?.pin.focus({ preventScroll: true });
    if (this.pressed && open) this.#focus(this.pressed);
    const layer = { element, pins, map: pane.map };
    this.layers.set(pane, layer);
    return layer;
  }

  #pin(pane, entry, number) {
    const { note, from } = entry;
    const label = `Note ${number}${FROM[from] ? `, ${FROM[from]}` : ""}: ${(note.title || note.text).slice(0, 80)}`;
    const open = this.guide.open?.note === note;
    const act = () => {
      this.app.activate(pane);
      open ? this.guide.close() : this.guide.show(entry);
    };
    const pin = h("button", { type: "button", class: "j-pin", "data-from": from, "aria-expanded": String(open), "aria-label": label, title: label, onclick: act }, String(number));
    // Zooming does not stop where a pin lies.
    pin.addEventListener("wheel", (event) => {
      event.preventDefault();
      pane.canvas.dispatchEvent(new WheelEvent("wheel", event));
    }, { passive: false });
    return pin;
  }

  #write() {
    const { guide, bubble } = this;
    const { open } = guide;
    bubble.hidden = !open;
    this.pressed = open && bubble.contains(document.activeElement) ? document.activeElement.textContent : null;
    if (!open) return bubble.remove();
    const { note, from } = open;
    const several = guide.notes.all.length > 1;
    const small = (name, onclick) => h("button", { type: "button", class: "j-text-button", onclick }, name);
    put(bubble,
      h("div", { class: "j-note-head" }, h("h2", {}, note.title ? text(note.title) : `Note ${guide.number(open)}`),
        iconButton("Close (Esc)", ICONS.close, () => guide.close())),
      FROM[from] && h("small", {}, from === "link" ? "From the link" : "Yours"),
      note.text && h("p", {}, text(note.text)),
      h("div", { class: "j-note-row" },
        several && small("Previous", () => guide.step(-1)), several && small("Next", () => guide.step(1)),
        this.app.options.links && small("Copy link", () => guide.copy(open)),
        from === "own" && small("Delete", () => this.#remove(note)),
        from === "link" && small("Keep", () => this.#keep(note))));
  }

  /** The bubble was written anew: the button that had the focus has it again. */
  #focus(name) {
    this.pressed = null;
    [...this.bubble.querySelectorAll("button")].find((button) => button.textContent === name)?.focus({ preventScroll: true });
  }

  #remove(note) {
    this.guide.notes.remove(note);
    this.guide.changed();
  }

  #keep(note) {
    const { guide } = this;
    const kept = guide.notes.add(note);
    if (!kept) return this.app.notice("There are 200 notes already");
    guide.open = guide.notes.all.find((entry) => entry.note === kept);
    guide.changed();
  }

  #placeBubble(camera) {
    const { bubble } = this;
    const { note } = this.guide.open;
    const [px, py] = camera.toScreen(note.x, note.y);
    const { offsetWidth: width, offsetHeight: height } = bubble;
    const bottom = camera.height - this.app.active.covered.bottom;
    // The held cell stays in sight.
    const gap = Math.min(Math.max(GAP, note.cell ? camera.scale / note.cell.grid / 2 + 8 : 0), 160);
    const right = px + gap + width <= camera.width - 8;
    const left = right ? px + gap : px - gap - width;
    const fits = left >= 8;
    // Where neither side has room, below or above.
    const x = fits ? left : clamp(px - width / 2, 8, Math.max(8, camera.width - width - 8));
    const y = fits ? py - 20 : py + gap + height < bottom ? py + gap : py - gap - height;
    bubble.style.transform = `translate(${Math.round(clamp(x, 8, Math.max(8, camera.width - width - 8)))}px, ${Math.round(clamp(y, 8, Math.max(8, bottom - height - 8)))}px)`;
  }
}
