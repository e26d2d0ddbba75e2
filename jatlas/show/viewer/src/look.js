// The appearance of cells: highlight and theme.

export class Look {
  constructor(app) {
    this.app = app;
    this.styles = new Map();
    this.machine = matchMedia("(prefers-color-scheme: dark)");
  }

  /** The style of the cells of a grid; see Job in tiles.js. */
  of(grid) {
    const { app } = this;
    const { density, lit, dark } = app.state;
    let heat;
    if (lit) {
      heat = app.model.heatNow(grid, lit.cls);
      if (!heat) app.model.heat(grid, lit.cls).then(() => app.changed(), () => {});
    }
    const version = [density, dark, heat && lit.cls, heat && lit.against, heat && lit.intensity].join();
    let style = this.styles.get(grid);
    if (style?.version !== version) {
      style = { density, version, outline: dark ? "rgba(255,255,255,.17)" : "rgba(20,24,32,.15)", light: null };
      if (heat) {
        const maximum = lit.against ? -heat.low : heat.high;
        const sign = lit.against ? -1 : 1;
        const unit = maximum > 0 ? lit.intensity / maximum : 0;
        style.light = (i) => Math.min(1, 0.03 + Math.max(0, sign * heat.values[i] * unit));
      }
      this.styles.set(grid, style);
    }
    return style;
  }

  /** Set the theme: "light", "dark", or null for the setting of the system. */
  setTheme(theme) {
    const { app } = this;
    const dark = theme ? theme === "dark" : this.machine.matches;
    app.root.dataset.theme = dark ? "dark" : "light";
    const look = getComputedStyle(app.root);
    const colour = (name) => look.getPropertyValue(`--${name}`).trim();
    const colours = { ink: colour("ink"), ground: colour("ground"), accent: colour("accent"), against: colour("against") };
    Object.assign(app.state, { theme, dark, colours });
    app.rail.update();
    app.minimap.redraw();
    app.details.update();
    app.changed();
  }
}
