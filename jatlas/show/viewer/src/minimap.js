// The minimap: the whole map in the corner, with a frame around the part in view.

import { clamp, h } from "./dom.js";
import { drawThumb } from "./thumbs.js";

const SIDE = 132;

export class Minimap {
  constructor(pane) {
    this.pane = pane;
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.frame = h("i", { class: "j-frame" });
    this.element = h("div", { class: "j-minimap", "aria-hidden": "true" },
      h("div", { class: "j-minimap-map" }, this.canvas, this.frame));
    const move = (event) => {
      const box = this.canvas.getBoundingClientRect();
      const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      const { camera } = pane;
      camera.stop();
      camera.set(clamp(x, 0, 1), clamp(y, 0, 1), camera.zoom);
    };
    this.element.addEventListener("pointerdown", (event) => {
      this.element.setPointerCapture(event.pointerId);
      this.held = true;
      move(event);
    });
    this.element.addEventListener("pointermove", (event) => this.held && move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.element.addEventListener(end, () => (this.held = false));
    }
  }

  async redraw() {
    const { map, app } = this.pane;
    const picture = await app.tiles.load(`m${map}-thumb`, "png");
    if (map === this.pane.map) drawThumb(this.canvas, SIDE, picture, app.state.colours);
  }

  update() {
    const { camera } = this.pane;
    const [left, top] = camera.toMap(0, 0).map((value) => clamp(value, 0, 1));
    const [right, bottom] = camera.toMap(camera.width, camera.height).map((value) => clamp(value, 0, 1));
    const { style } = this.frame;
    const key = [left, top, right, bottom].map((value) => Math.round(value * SIDE)).join();
    if (key === this.key) return;
    this.key = key;
    this.element.dataset.moving = "true"; // on a phone it is seen only then
    clearTimeout(this.moving);
    this.moving = setTimeout(() => (this.element.dataset.moving = "false"), 900);
    this.element.dataset.whole = String(right - left > 0.97 && bottom - top > 0.97);
    style.left = `${left * 100}%`;
    style.top = `${top * 100}%`;
    style.width = `${(right - left) * 100}%`;
    style.height = `${(bottom - top) * 100}%`;
  }
}
