// What the reader has set for all views, kept by the browser.

const KEY = "jatlas";

export class Settings {
  constructor(app) {
    this.app = app;
    this.theme = null;
    if (!app.options.links) return; // inside another page, nothing is kept
    const { theme, labels, doubts, density } = this.#read();
    if (theme === "light" || theme === "dark") this.theme = theme;
    const { state } = app;
    if (typeof labels === "boolean") state.labels = labels;
    if (typeof doubts === "boolean") state.doubts = doubts;
    if (density === "full") state.density = Infinity;
    else if (density > 0 && density < 100) state.density = density;
  }

  #read() {
    try {
      return JSON.parse(localStorage.getItem(KEY)) ?? {};
    } catch {
      return {}; // it is not allowed here, or holds something else
    }
  }

  save() {
    const { app, theme } = this;
    if (!app.options.links) return;
    const { labels, doubts, density } = app.state;
    try {
      localStorage.setItem(KEY, JSON.stringify({ ...this.#read(), theme, labels, doubts, density: density === Infinity ? "full" : density }));
    } catch {
      // Then they last as long as the page.
    }
  }
}
