// The name of the cell under the pointer, beside the pointer.

import { note } from "./caption.js";
import { along, ends } from "./quantities.js";
import { clamp, h, put, shortName, text, worth } from "./dom.js";

export class Tag {
  constructor(app) {
    this.app = app;
    this.element = h("div", { class: "j-tag", "aria-hidden": "true", hidden: true });
  }

  /** @param place {grid, i, k}: a real place of the cell, if the pointer is on one */
  show(grid, i, px, py, width, place) {
    const { app } = this;
    const known = app.model.cellName(grid, i);
    const { lit } = app.state;
    const heat = lit && app.split.onOneScale(lit.quantity, app.model.heatNow(grid, lit.quantity));
    const real = place && note(app, place);
    put(this.element, ...(real ? [h("i", {}, real.which), real.what && text(real.what.slice(0, 60))] : [
      known === undefined ? h("i", {}, "no clear name") : text(shortName(known, 40)),
      heat && h("b", { "data-bright": String(along(lit, heat, ends(lit, heat))(i) >= 0.5) }, worth(heat.values[i]))]));
    this.element.hidden = false;
    const left = clamp(px + 14, 4, Math.max(4, width - this.element.offsetWidth - 4));
    const top = py > 44 ? py - 34 : py + 22;
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  hide() {
    this.element.hidden = true;
  }
}
