// Lighting cells by a quantity: which, on what part of its scale, and where the bright ones are.

import { shortName } from "./dom.js";
import { brightest, classEvidence } from "./quantities.js";

const OF_EVIDENCE = [0, 0.7]; // part of the scale: a few cells have much more than all others
const SHOWN = 6; // bright cells that the view is moved to

export class Highlight {
  constructor(app) {
    this.app = app;
  }

  /** Light cells by a quantity, or by the evidence for a class, given by its index; null clears it. */
  light(what, change = {}, { fly = true } = {}) {
    const { app } = this;
    const quantity = typeof what === "number" ? classEvidence(app.model, what) : what;
    const range = quantity?.signed ? OF_EVIDENCE : [0, 1];
    app.state.lit = quantity && { against: false, range, ...change, quantity };
    this.#update();
    app.say(quantity ? `Cells are lit by: ${shortName(quantity.name, 60)}` : "Highlight cleared");
    if (quantity && fly) for (const pane of app.split.together ? [app.active] : app.panes) this.#show(quantity, pane);
  }

  /** Change the highlight: its range, or the sign of the evidence. */
  relight(change) {
    if (!this.app.state.lit) return;
    Object.assign(this.app.state.lit, change);
    this.#update();
  }

  #update() {
    const { app } = this;
    app.rail.update();
    app.legend.update();
    app.inspector.update();
    app.title();
    app.changed();
  }

  /** If no bright cell is in view, fly to where they are. */
  async #show(quantity, pane) {
    const { app } = this;
    const grid = pane.grid;
    const heat = grid && (await app.model.heat(grid, quantity).catch(() => null));
    const { lit } = app.state;
    if (!heat || lit?.quantity !== quantity || heat.low === heat.high) return;
    if (quantity.signed && !(lit.against ? heat.low < 0 : heat.high > 0)) return;
    const bright = brightest(lit, heat).slice(0, SHOWN);
    if (!bright.length || bright.slice(0, SHOWN / 2).some((i) => pane.sees(grid, i))) return;
    const [xs, ys] = [0, 1].map((axis) => bright.map((i) => grid.centre(i)[axis]));
    const half = 1 / grid.size;
    pane.camera.fit([Math.min(...xs) - half, Math.min(...ys) - half, Math.max(...xs) + half, Math.max(...ys) + half], 350, pane.covered);
  }

  /** Show the brightest cell. */
  async strongest() {
    const { app } = this;
    const { lit } = app.state;
    const pane = app.active;
    const grid = pane.grid;
    if (!lit || !grid) return;
    const [best] = brightest(lit, await app.model.heat(grid, lit.quantity));
    if (best !== undefined) app.show(grid, best, pane);
  }
}
