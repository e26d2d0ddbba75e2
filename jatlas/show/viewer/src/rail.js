// The sidebar: title, maps, class search, display settings.

import { ICONS, h, icon, iconButton, number, put, shortName, text } from "./dom.js";
import { search } from "./search.js";
import { drawThumb, thumbSize } from "./thumbs.js";

const THUMB = 76;

export class Rail {
  constructor(app) {
    this.app = app;
    this.title = h("h1", { class: "j-title" });
    this.about = h("p", { class: "j-about" });
    this.lit = h("div", { class: "j-lit" });
    const close = iconButton("Close", ICONS.close, () => app.drawer(false), { class: "j-button j-phone" });
    this.element = h("aside", { class: "j-rail", "aria-label": "Atlas" },
      h("header", {}, h("p", { class: "j-eyebrow" }, "Activation atlas", close), this.title, this.about),
      ...this.#maps(),
      app.model.hasClasses && this.#section("Find a class", this.#search(), this.lit),
      this.#section("Display", this.#drawing()),
      this.#footer());
  }

  #section(name, ...children) {
    return h("section", {}, h("h2", {}, name), ...children);
  }

  /** One section per kind of map, in order of appearance; none if there is only one map. */
  #maps() {
    const { maps } = this.app.model;
    this.buttons = maps.map((map, i) => {
      const canvas = h("canvas", { class: "j-thumb", "aria-hidden": "true" });
      const name = text(map.title.slice(0, 200), { class: "j-map-name" });
      const props = { type: "button", class: "j-map", title: map.title.slice(0, 200) };
      return { canvas, button: h("button", { ...props, onclick: () => this.app.go(i) }, canvas, name) };
    });
    if (maps.length < 2) return [];
    const kinds = [...new Set(maps.map((map) => map.kind))];
    return kinds.map((kind) => {
      const title = { layer: "Layers", class: "Classes", comparison: "Comparisons" }[kind] ?? "Maps";
      const mine = this.buttons.filter((_, i) => maps[i].kind === kind).map(({ button }) => button);
      return this.#section(title, h("div", { class: "j-maps", role: "group", "aria-label": title }, ...mine));
    });
  }

  #search() {
    const { app } = this;
    this.list = h("ul", { class: "j-results", role: "listbox", id: `${app.id}-results`, "aria-label": "Classes", hidden: true });
    this.input = h("input", {
      type: "search", class: "j-input", placeholder: "Class name", autocomplete: "off",
      spellcheck: "false", role: "combobox", "aria-label": "Find a class", "aria-expanded": "false",
      "aria-autocomplete": "list", "aria-controls": `${app.id}-results`,
      oninput: () => this.#suggest(),
      onfocus: () => this.#suggest(),
      onblur: () => this.#suggested([]),
      onkeydown: (event) => this.#searchKey(event),
    });
    this.results = [];
    this.#exemplify().catch(() => {});
    return h("div", { class: "j-search" }, this.input, this.list);
  }

  /** Show what can be searched for, by the most frequent classes of the map. */
  async #exemplify() {
    const { model } = this.app;
    const grid = await model.grid(0, model.maps[0].grids[0].size);
    const times = new Map();
    for (const i of grid.cell.keys()) {
      const name = grid.labels(i)[0] && shortName(model.name(grid.labels(i)[0][0]), 60);
      if (name?.length <= 14) times.set(name, (times.get(name) ?? 0) + 1);
    }
    const names = [...times.keys()].sort((a, b) => times.get(b) - times.get(a)).slice(0, 3);
    while (names.join(", ").length > 26) names.pop();
    if (names.length) this.input.placeholder = `${names.join(", ")} …`;
  }

  #suggest() {
    this.#suggested(search(this.input.value, this.app.model.classes));
  }

  #suggested(results) {
    this.results = results;
    this.active = results.length ? 0 : -1;
    const empty = !results.length && this.input.value.trim() && document.activeElement === this.input;
    put(this.list, ...results.map(({ index, name }, i) =>
      h("li", {
        role: "option", id: `${this.app.id}-result-${i}`, "aria-selected": String(i === this.active),
        // On pointerdown, before the input loses the focus and closes the list.
        onpointerdown: (event) => {
          event.preventDefault();
          this.#pick(index);
        },
      }, text(name.slice(0, 300)))),
      empty && h("li", { class: "j-none", role: "option", "aria-disabled": "true" }, "No matching class"));
    this.list.hidden = !results.length && !empty;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    this.#activate(this.active);
  }

  #activate(i) {
    this.active = i;
    [...this.list.children].forEach((item, j) => item.setAttribute("aria-selected", String(j === i)));
    if (i >= 0) this.input.setAttribute("aria-activedescendant", `${this.app.id}-result-${i}`);
    else this.input.removeAttribute("aria-activedescendant");
    this.list.children[i]?.scrollIntoView({ block: "nearest" });
  }

  #searchKey(event) {
    const count = this.results.length;
    if (event.key === "ArrowDown" && count) this.#activate((this.active + 1) % count);
    else if (event.key === "ArrowUp" && count) this.#activate((this.active + count - 1) % count);
    else if (event.key === "Enter" && count) this.#pick(this.results[this.active].index);
    else if (event.key === "Escape") {
      this.input.value = "";
      this.input.blur();
      this.app.canvas.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #pick(index) {
    this.input.value = "";
    this.#suggested([]);
    this.app.light(index);
    this.app.drawer(false);
    this.app.canvas.focus({ preventScroll: true }); // keys act on the map again, and a phone hides its keyboard
  }

  #drawing() {
    const { app } = this;
    const sizes = [...new Set(app.model.maps.flatMap((map) => map.grids.map((grid) => grid.size)))];
    sizes.sort((a, b) => a - b);
    const choices = [["auto", "Auto"], ...sizes.map((size) => [size, String(size)])];
    this.detail = segmented("Cells per side", choices, (value) => app.set({ grid: value }));
    this.density = h("input", {
      type: "range", min: "0", max: "100", "aria-label": "Icon size by number of activations",
      oninput: () => app.set({ density: density(this.density.value) }),
    });
    this.labels = h("input", { type: "checkbox", onchange: () => app.set({ labels: this.labels.checked }) });
    this.doubts = h("input", { type: "checkbox", onchange: () => app.set({ doubts: this.doubts.checked }) });
    return h("div", { class: "j-drawing" },
      row("Detail", this.detail.element),
      row("Icons", h("span", { class: "j-slider" }, h("small", {}, "by count"), this.density, h("small", {}, "full"))),
      app.model.hasNames &&
        h("label", { class: "j-row" }, h("span", {}, "Names"), h("span", { class: "j-switch" }, this.labels, h("i"))),
      app.model.hasTrust &&
        h("label", { class: "j-row" }, h("span", { title: "A corner marks icons that are unlike what they stand for" }, "Doubtful icons"),
          h("span", { class: "j-switch" }, this.doubts, h("i"))));
  }

  #footer() {
    const { app } = this;
    return h("footer", {},
      iconButton("Light or dark theme (B)", ICONS.theme, () => app.toggleTheme()),
      app.options.links && iconButton("Copy a link to this view", ICONS.link, () => app.links.copy()),
      iconButton("Help and keyboard shortcuts (?)", ICONS.help, () => app.help.open()),
      h("span", { class: "j-made" }, "made with jatlas"));
  }

  /** Update the sidebar from the state. */
  update() {
    const { app } = this;
    const { state, model } = app;
    const map = model.maps[state.map];
    const { about } = model.manifest;
    put(this.title, text(map.title.slice(0, 200)));
    const facts = [about.network && text(about.network.slice(0, 80)),
      map.samples && `${number(map.samples)} activations`, about.images && `${number(about.images)} images`];
    put(this.about, ...facts.filter(Boolean).flatMap((fact, i) => (i ? [" · ", fact] : [fact])));
    this.buttons.forEach(({ button }, i) => button.setAttribute("aria-pressed", String(i === state.map)));
    this.detail.show(state.grid, map.grids.map((grid) => grid.size));
    this.density.value = slider(state.density);
    this.labels.checked = state.labels;
    this.doubts.checked = state.doubts;
    this.#updateLit();
    this.drawThumbs();
  }

  #updateLit() {
    const { app } = this;
    const { lit } = app.state;
    if (!lit) return put(this.lit);
    const name = app.model.name(lit.cls);
    if (this.litFor !== lit.cls || !this.lit.firstChild) {
      this.litFor = lit.cls;
      const signs = [[false, "For"], [true, "Against"]];
      this.sign = segmented("Evidence", signs, (against) => app.relight({ against }));
      this.strength = h("input", {
        type: "range", min: "-20", max: "20", "aria-label": "Intensity",
        oninput: () => app.relight({ intensity: 2 ** (this.strength.value / 8) }),
      });
      put(this.lit,
        h("p", { class: "j-chip" }, text(shortName(name, 60), { title: name.slice(0, 300) }),
          iconButton("Clear", ICONS.close, () => app.light(null))),
        row("Evidence", this.sign.element),
        row("Intensity", h("span", { class: "j-slider" }, this.strength)),
        h("button", { type: "button", class: "j-text-button", onclick: () => app.strongest() },
          icon(ICONS.target), "Go to the strongest cell"));
    }
    this.sign.show(lit.against);
    this.strength.value = Math.log2(lit.intensity) * 8;
    this.lit.dataset.against = lit.against;
  }

  /** Draw the thumbnails, highlighted or dotted like the map. */
  async drawThumbs() {
    const { app } = this;
    const { lit, trail, colours } = app.state;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    if (app.model.maps.length < 2) return;
    await Promise.all(this.buttons.map(async ({ canvas }, i) => {
      const marks = {};
      if (lit) {
        marks.grid = await app.model.grid(i, thumbSize(app.model.maps[i]));
        marks.heat = await app.model.heat(marks.grid, lit.cls);
        marks.against = lit.against;
      }
      if (trail) marks.points = await trail.on(i);
      // Last: a picture evicted by others while waiting could not be drawn.
      const picture = await app.tiles.load(`m${i}-thumb`, "png");
      if (turn === this.turn) drawThumb(canvas, THUMB, picture, colours, marks);
    })).catch(() => {});
  }
}

function row(name, control) {
  return h("div", { class: "j-row" }, h("span", {}, name), control);
}

// At the end of the slider every icon is drawn at full size.
const density = (value) => (Number(value) >= 100 ? Infinity : 0.2 * 2 ** (Number(value) / 16));
const slider = (value) => (value === Infinity ? 100 : Math.log2(value / 0.2) * 16);

function segmented(name, choices, chosen) {
  const buttons = choices.map(([value, title]) =>
    h("button", { type: "button", onclick: () => chosen(value) }, title));
  return {
    element: h("span", { class: "j-segmented", role: "group", "aria-label": name }, ...buttons),
    show(value, available) {
      choices.forEach(([choice], i) => {
        buttons[i].setAttribute("aria-pressed", String(choice === value));
        buttons[i].hidden = available !== undefined && choice !== "auto" && !available.includes(choice);
      });
    },
  };
}
