// The appearance of cells: highlight and theme.

import { light } from "./quantities.js";

const REST = 0.2; // light of cells without samples of the held cell

export class Look {
  constructor(app) {
    this.app = app;
    this.styles = new Map();
    this.machine = matchMedia("(prefers-color-scheme: dark)");
  }

  /** The style of the cells of a grid; see Job in tiles.js. */
  of(grid) {
    const { app } = this;
    const { density, dark } = app.state;
    const lit = this.#lit(grid);
    const heat = lit && app.split.onOneScale(lit.quantity, this.#heat(grid, lit));
    const version = [density, dark, heat && [lit.quantity.key, lit.against, lit.range, heat.low, heat.high]].join();
    let style = this.styles.get(grid);
    if (style?.version !== version) {
      style = { density, version, outline: dark ? "#5c6067" : "#b4b7bb", light: null };
      if (heat) style.light = lit.rest ? rested(lit, heat) : light(lit, heat);
      this.styles.set(grid, style);
    }
    return style;
  }

  /** What lights a grid: what the reader chose, or the samples of cells held or selected on another map. */
  #lit(grid) {
    const { lit, pinned, trail } = this.app.state;
    if (lit) return lit.quantity.only === undefined || lit.quantity.only === grid.map ? lit : null;
    if (this.app.split.open && pinned) return null; // a veil shows it
    return trail && trail.from !== grid.map ? { quantity: trail, against: false, range: [0, 1], rest: true } : null;
  }

  #heat(grid, { quantity }) {
    const { app } = this;
    const heat = app.model.heatNow(grid, quantity);
    if (heat === undefined && !this.refused?.has(`${grid.prefix}-${quantity.key}`)) {
      app.model.heat(grid, quantity).then(() => app.changed(), () => this.#refuse(grid, quantity));
    }
    return heat;
  }

  #refuse(grid, quantity) {
    (this.refused ??= new Set()).add(`${grid.prefix}-${quantity.key}`);
    if (this.app.state.lit?.quantity.key === quantity.key) this.app.light(null);
    this.app.changed();
  }

  /** Set the theme: "light", "dark", or null for the setting of the system. */
  setTheme(theme) {
    const { app } = this;
    const dark = theme ? theme === "dark" : this.machine.matches;
    app.root.dataset.theme = dark ? "dark" : "light";
    const look = getComputedStyle(app.root);
    const names = ["ink", "ground", "accent", "against", "muted", "paper"];
    const colours = Object.fromEntries(names.map((name) => [name, look.getPropertyValue(`--${name}`).trim()]));
    Object.assign(app.state, { theme, dark, colours });
    app.update();
  }
}

/** Light for cells with samples of the held cell, by their share; the others are dimmed. */
function rested(lit, heat) {
  const of = light(lit, heat);
  return (i) => (heat.values[i] > 0 ? 0.55 + 0.45 * of(i) : REST);
}
