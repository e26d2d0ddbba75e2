// The sidebar: title, search, maps, display settings.

import { ICONS, h, iconButton, number, put, segmented, shortName, text } from "./dom.js";
import { sampleQuantities } from "./ofsamples.js";
import { pictureMenu } from "./picture.js";
import { cellQuantities, ends } from "./quantities.js";
import { drawThumb, thumbSize } from "./thumbs.js";

const THUMB = 52;
const SENTENCE = "Each picture was computed to show what a group of similar image regions looks like to the network. Similar pictures lie close together.";

export class Rail {
  constructor(app) {
    this.app = app;
    this.title = h("h1", { class: "j-title" });
    this.about = h("p", { class: "j-about" });
    const close = iconButton("Close", ICONS.close, () => app.drawer(false), { class: "j-button j-drawer-close" });
    this.find = h("div", { class: "j-find-place" }, app.search?.element);
    this.element = h("aside", { class: "j-rail", "aria-label": "Atlas" },
      h("header", {}, close, this.title, this.about, h("p", { class: "j-sentence" }, SENTENCE)),
      this.find,
      this.#maps(),
      this.#section("View", this.#view()),
      app.filters.controls.length > 0 && app.filters.element,
      this.#section("Notes", app.guide.panel.element),
      this.#footer());
  }

  #section(name, ...children) {
    return h("section", {}, h("h2", {}, name), ...children);
  }

  /** All maps in one row after another; none if there is only one. */
  #maps() {
    const { maps } = this.app.model;
    this.buttons = maps.map((map, i) => {
      const canvas = h("canvas", { class: "j-thumb", "aria-hidden": "true" });
      const name = text(map.title.slice(0, 200), { class: "j-map-name" });
      const props = { type: "button", class: "j-map", title: map.title.slice(0, 200) };
      return { canvas, button: h("button", { ...props, onclick: () => this.app.go(i) }, canvas, name) };
    });
    if (maps.length < 2) return null;
    const group = h("div", { class: "j-maps", role: "group", "aria-label": "Maps" }, ...this.buttons.map(({ button }) => button));
    return this.#section("Maps", group);
  }

  #view() {
    const { app } = this;
    const sizes = [...new Set(app.model.maps.flatMap((map) => map.grids.map((grid) => grid.size)))].sort((a, b) => a - b);
    this.detail = segmented("Cells per side", [["auto", "Auto"], ...sizes.map((size) => [size, String(size)])], (value) => app.set({ grid: value }));
    this.detailRow = row("Detail", this.detail.element);
    this.size = segmented("Icon size", [["count", "By count"], ["equal", "Equal"]], (value) => app.set({ density: value === "equal" ? Infinity : 1 }));
    this.labels = h("input", { type: "checkbox", onchange: () => app.set({ labels: this.labels.checked }) });
    this.doubts = h("input", { type: "checkbox", onchange: () => app.set({ doubts: this.doubts.checked }) });
    this.light = this.#light();
    return h("div", { class: "j-drawing" },
      row("Light by", this.light),
      this.detailRow,
      row("Icon size", this.size.element),
      app.model.hasNames && toggle("Names", this.labels),
      app.model.hasTrust && toggle("Mark doubtful icons", this.doubts, "A corner marks icons that are unlike what they stand for"));
  }

  /** A menu of what cells can be lit by. */
  #light() {
    const { app } = this;
    this.quantities = [...cellQuantities(app.model), ...sampleQuantities(app.model)];
    const option = ({ key, name, menu = name }) => h("option", { value: key }, menu.slice(0, 60));
    const headings = [...new Set(this.quantities.map(({ of }) => of))];
    const options = headings.map((heading) => h("optgroup", { label: heading }, ...this.quantities.filter(({ of }) => of === heading).map(option)));
    this.other = h("option", { value: "other", hidden: true });
    return h("select", {
      class: "j-select", "aria-label": "Light by",
      onchange: () => app.light(this.quantities.find(({ key }) => key === this.light.value) ?? null),
    }, h("option", { value: "" }, "Nothing"), this.other, ...options);
  }

  #footer() {
    const { app } = this;
    return h("footer", {},
      iconButton("Light or dark theme (B)", ICONS.theme, () => app.toggleTheme()),
      app.options.links && iconButton("Copy a link to this view", ICONS.link, () => app.links.copy()),
      pictureMenu(app),
      iconButton("Help and keyboard shortcuts (?)", ICONS.help, () => app.help.open()),
      h("span", { class: "j-made" }, "made with jatlas"));
  }

  /** The shape of the page has changed: on a phone, the search is a bar above the map. */
  framed(frame) {
    const { search, bar } = this.app;
    if (search) (frame === "narrow" ? bar.querySelector(".j-bar-search") : this.find).append(search.element);
  }

  /** Update the sidebar from the state. */
  update() {
    const { app } = this;
    const { state, model } = app;
    const { map: shown, state: of } = app.active;
    const map = model.maps[shown];
    put(this.title, model.network && text(model.network), model.network && " – ", text(map.title.slice(0, 200)));
    const { images } = model.manifest.about;
    const facts = [map.samples && `${number(map.samples)} activations`, images && `${number(images)} images`];
    put(this.about, facts.filter(Boolean).join(" of "));
    this.buttons.forEach(({ button }, i) => button.setAttribute("aria-pressed", String(i === shown)));
    this.detailRow.hidden = map.grids.length < 2;
    this.detail.show(of.grid, map.grids.map((grid) => grid.size));
    this.size.show(state.density === Infinity ? "equal" : "count");
    this.labels.checked = state.labels;
    this.doubts.checked = state.doubts;
    this.#updateLight(state.lit);
    app.filters.update();
    this.drawThumbs();
  }

  #updateLight(lit) {
    const key = lit?.quantity.key ?? "";
    const known = !key || this.quantities.some((quantity) => quantity.key === key);
    this.other.hidden = known;
    this.other.textContent = known ? "" : shortName(lit.quantity.name, 40);
    this.light.value = known ? key : "other";
  }

  /** Draw the thumbnails, lit like the map, all on one scale. */
  async drawThumbs() {
    const { app } = this;
    const { trail, colours } = app.state;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const { maps } = app.model;
    if (maps.length < 2) return;
    const lit = app.state.lit ?? (trail && { quantity: trail, against: false, range: [0, 1] });
    const heats = await Promise.all(maps.map((map, i) => (lit ? this.#heat(lit, i).catch(() => ({})) : {})));
    const known = heats.filter(({ heat }) => heat).map(({ heat }) => ends(lit, heat));
    const scale = lit && [Math.min(...known.map(([from]) => from)), 0];
    if (lit) scale[1] = lit.against ? Math.min(...known.map(([, to]) => to)) : Math.max(...known.map(([, to]) => to));
    await Promise.all(this.buttons.map(async ({ canvas }, i) => {
      // Last: a picture evicted by others while waiting could not be drawn.
      const picture = await app.tiles.load(`m${i}-thumb`, "png");
      if (turn === this.turn) drawThumb(canvas, THUMB, picture, colours, { ...heats[i], lit, scale });
    }));
  }

  async #heat({ quantity }, map) {
    const { model } = this.app;
    if (quantity.only !== undefined && quantity.only !== map) return {};
    const grid = await model.grid(map, thumbSize(model.maps[map]));
    return { grid, heat: await model.heat(grid, quantity) };
  }
}

function row(name, control) {
  return h("div", { class: "j-row" }, h("span", {}, name), control);
}

function toggle(name, input, title) {
  return h("label", { class: "j-row" }, h("span", { title }, name), h("span", { class: "j-switch" }, input, h("i")));
}
