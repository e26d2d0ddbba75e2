// A real place in a dialog: its whole image with what the crop shows of it framed, or else the crop enlarged.

import { file, shown, which } from "./caption.js";
import { boxIn, boxOf, drawCrop, hasPictures, imageOf, placesOf, stripOf } from "./crops.js";
import { ICONS, h, iconButton, put, shortName, text } from "./dom.js";

const LARGEST = 2.25; // times the size of an image
const CROP = 384; // px, of a crop enlarged
const ARROWS = { ArrowLeft: -1, ArrowRight: 1 };
const BACK = "M12 5l-5 5 5 5";
const ON = "M8 5l5 5-5 5";
const SLIP = 400; // ms in which a second click is of a double click

export class Lightbox {
  constructor(app) {
    this.app = app;
    this.place = null; // {grid, i, k}
    this.picture = h("div", { class: "j-light-picture" });
    this.words = h("div", { class: "j-light-words", "aria-live": "polite" });
    this.arrows = [[-1, "Previous real place", BACK], [1, "Next real place", ON]]
      .map(([step, name, path]) => iconButton(name, path, () => this.step(step), { class: "j-button j-light-arrow" }));
    const [back, on] = this.arrows;
    this.inside = h("div", { class: "j-light", tabindex: "-1" }, back, this.picture, on, this.words,
      iconButton("Close", ICONS.close, () => this.element.close(), { class: "j-button j-close" }));
    this.element = h("dialog", { class: "j-lightbox", "aria-label": "Real place" }, this.inside);
    this.#wire();
  }

  #wire() {
    const { element } = this;
    element.addEventListener("click", (event) => {
      if (event.target === element && performance.now() - this.opened > SLIP) element.close(); // its backdrop
    });
    element.addEventListener("keydown", (event) => {
      event.stopPropagation();
      const step = ARROWS[event.key];
      if (!step) return;
      event.preventDefault();
      this.step(step);
    });
    element.addEventListener("close", () => this.#closed());
  }

  /** Show a real place {grid, i, k}. */
  open(place) {
    this.before = this.app.root.getRootNode().activeElement;
    this.opened = performance.now();
    this.#show(place);
    this.element.showModal();
    this.inside.focus({ preventScroll: true });
  }

  #closed() {
    this.place = null;
    put(this.picture);
    const { before, app } = this;
    // The panel may have been drawn again meanwhile.
    (before?.isConnected && app.root.contains(before) ? before : app.canvas).focus({ preventScroll: true });
  }

  /** Go to the next or the previous real place of the cell. */
  step(by) {
    const { grid, i, k } = this.place;
    const all = placesOf(grid, i);
    const next = all[(all.indexOf(k) + by + all.length) % all.length];
    if (next !== k) this.#show({ grid, i, k: next });
  }

  #show(place) {
    this.place = place;
    const alone = placesOf(place.grid, place.i).length < 2;
    for (const arrow of this.arrows) arrow.hidden = alone;
    this.#draw(place).catch(() => {});
  }

  async #draw(place) {
    const { app } = this;
    const { grid, i, k } = place;
    const image = imageOf(grid, i, k);
    const has = image >= 0 && hasPictures(app.model, grid.map);
    const [whole, said] = await Promise.all([has ? app.tiles.load(`i${image}`) : null, shown(app, place).catch(() => ({}))]);
    if (this.place !== place) return;
    const name = file(app, place);
    if (whole) put(this.picture, this.#whole(place, whole, name));
    else {
      const strip = await app.tiles.load(stripOf(grid, i));
      if (this.place !== place) return;
      put(this.picture, strip && this.#crop(place, strip, name));
    }
    put(this.words, this.#caption(place, said, name), whole ? null : h("p", { class: "j-light-note" }, ...missing(has)));
  }

  /** The whole image; what the crop shows is framed. */
  #whole(place, picture, name) {
    const { width, height } = picture;
    const box = boxOf(place.grid, place.i, place.k);
    const canvas = h("canvas", { role: "img", "aria-label": `${name ? `Image ${name}` : "The whole image"}${box ? "; the place is framed" : ""}` });
    Object.assign(canvas, { width, height });
    canvas.getContext("2d").drawImage(picture, 0, 0);
    const frame = h("figure", { class: "j-light-whole" }, canvas, box && this.#box(width, height, box));
    frame.style.aspectRatio = `${width} / ${height}`;
    frame.style.width = `min(100%, calc(var(--highest) * ${width / height}), ${width * LARGEST}px)`;
    return frame;
  }

  #box(width, height, box) {
    const [left, top, right, bottom] = boxIn(width, height, this.app.model.manifest.pictures.kept, box);
    const frame = h("i", { class: "j-light-box" });
    const percent = (value) => `${value * 100}%`;
    Object.assign(frame.style, { left: percent(left), top: percent(top), width: percent(right - left), height: percent(bottom - top) });
    return frame;
  }

  #crop({ grid, i, k }, strip, name) {
    const canvas = h("canvas", { class: "j-light-crop", role: "img", "aria-label": name ? `Part of image ${name}` : "The real place, enlarged" });
    canvas.width = canvas.height = CROP;
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    drawCrop(context, strip, grid, i, k, CROP);
    return canvas;
  }

  #caption(place, { label, prediction }, name) {
    const { grid, i } = place;
    const cell = this.app.model.cellName(grid, i);
    const line = (what, value) => value && h("p", {}, `${what} `, text(shortName(value, 80), { title: value.slice(0, 300) }));
    return [
      h("h2", {}, cell === undefined ? "No clear name" : text(shortName(cell, 60))),
      h("p", { class: "j-light-which" }, `${which(place)} in this cell`),
      name && h("p", {}, text(name)),
      line("Labelled:", label), line("Predicted:", prediction),
    ];
  }
}

/** Why there is no whole image. */
function missing(has) {
  if (has) return ["The whole image cannot be read."];
  return ["Whole images were not exported: ", h("code", {}, "jatlas export --images 256")];
}
