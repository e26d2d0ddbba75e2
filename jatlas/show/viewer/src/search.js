// Search for a class, or a group of classes, by part of its name.

import { h, put, shortName, text, worth } from "./dom.js";
import { search } from "./match.js";
import { ownLabels, sampleQuantity } from "./ofsamples.js";
import { brightest, classEvidence, groupEvidence } from "./quantities.js";

const SHOWN = 8;
const ICON = 24; // px

export class Search {
  constructor(app) {
    this.app = app;
    this.list = h("ul", { class: "j-results", role: "listbox", id: `${app.id}-results`, "aria-label": "Classes", hidden: true });
    this.input = h("input", {
      type: "search", class: "j-input", placeholder: "Find a class", autocomplete: "off",
      spellcheck: "false", role: "combobox", "aria-label": "Find a class", "aria-expanded": "false",
      "aria-autocomplete": "list", "aria-controls": `${app.id}-results`,
      oninput: () => this.#suggest(),
      onfocus: () => this.#suggest(),
      onblur: () => this.#show([], 0),
      onkeydown: (event) => this.#key(event),
    });
    this.element = h("div", { class: "j-search" }, this.input, h("kbd", { "aria-hidden": "true" }, "/"), this.list);
    this.results = [];
    app.model.readGroups().finally(() => (this.names = null)).catch(() => {});
    this.#exemplify().catch(() => {});
  }

  /** What can be searched for: groups of classes, classes, labels that are no classes of the network. */
  get #names() {
    const { model } = this.app;
    return (this.names ??= [...model.groups.map((group) => group.name), ...model.classes, ...ownLabels(model).map(([, name]) => name)]);
  }

  /** The quantity of an entry of the names. */
  #quantity(index) {
    const { model } = this.app;
    const groups = model.groups.length;
    const own = index - groups - model.classes.length;
    if (own >= 0) return sampleQuantity(model, `label-${ownLabels(model)[own][0]}`);
    return index < groups ? groupEvidence(model, index) : classEvidence(model, index - groups);
  }

  /** Show what can be searched for, by the names of the first map. */
  async #exemplify() {
    const { model } = this.app;
    const grid = await model.grid(0, model.maps[0].grids[0].size);
    await model.readGroups().catch(() => {});
    const known = new Set(this.#names.map((name) => shortName(name, 60)));
    const times = new Map();
    for (const i of grid.cell.keys()) {
      const name = shortName(model.cellName(grid, i) ?? "", 60);
      if (name && name.length <= 14 && known.has(name)) times.set(name, (times.get(name) ?? 0) + 1);
    }
    const [name] = [...times.keys()].sort((a, b) => times.get(b) - times.get(a));
    if (name) this.input.placeholder = `Find a class, e.g. ${name}`;
  }

  #suggest() {
    const matches = search(this.input.value, this.#names, Infinity);
    this.#show(matches.slice(0, SHOWN), matches.length);
  }

  #show(results, total) {
    this.results = results;
    this.active = results.length ? 0 : -1;
    const asked = this.input.value.trim() !== "" && document.activeElement === this.input;
    const more = total - results.length;
    put(this.list, ...results.map((result, i) => this.#row(result, i)),
      asked && more > 0 && h("li", { class: "j-none", role: "option", "aria-disabled": "true" }, `and ${more} more: type more letters`),
      asked && !total && h("li", { class: "j-none", role: "option", "aria-disabled": "true" }, "No matching class"));
    this.list.hidden = !this.list.firstChild;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    if (!this.list.hidden) this.#fit();
    this.#activate(this.active);
  }

  /** The list ends inside the window. */
  #fit() {
    const room = this.app.root.getBoundingClientRect().bottom - this.input.getBoundingClientRect().bottom - 16;
    this.list.style.maxHeight = `${Math.max(96, Math.min(room, 420))}px`;
  }

  #row({ index, name }, i) {
    const quantity = this.#quantity(index);
    const canvas = h("canvas", { class: "j-result-icon", "aria-hidden": "true" });
    const facts = h("small", {}, quantity.share ? "images" : quantity.note ?? "");
    this.#fill(quantity, canvas, facts).catch(() => {});
    return h("li", {
      role: "option", id: `${this.app.id}-result-${i}`, "aria-selected": String(i === this.active),
      // On pointerdown, before the input loses the focus and closes the list.
      onpointerdown: (event) => {
        event.preventDefault();
        this.#pick(quantity);
      },
    }, canvas, h("span", { class: "j-result-name" }, text(quantity.cls === undefined ? name.slice(0, 300) : quantity.name.slice(0, 300))), facts);
  }

  /** The strongest cell of a result, and how many are bright. */
  async #fill(quantity, canvas, facts) {
    const { app } = this;
    const { map } = app.active;
    const grid = app.active.grid ?? (await app.model.grid(map, app.model.maps[map].grids[0].size));
    if (quantity.group !== undefined && app.model.groups[quantity.group].classes.length > 40) return; // too much to read for a list
    const heat = await app.model.heat(grid, quantity);
    if (!heat || heat.high <= 0) return void put(facts, quantity.share ? "none here" : quantity.note ?? "no evidence here");
    const [best] = brightest({ against: false }, heat);
    const bright = heat.values.reduce((sum, value) => sum + (value >= heat.high / 2), 0);
    const count = `${bright} ${bright === 1 ? "cell" : "cells"} · ${worth(heat.high)}`;
    put(facts, quantity.share ? `images · ${count}` : quantity.note ?? count);
    await app.tiles.forIcon(grid, best);
    const dpr = Math.min(devicePixelRatio || 1, 2);
    canvas.width = canvas.height = ICON * dpr;
    app.tiles.icon(canvas.getContext("2d"), grid, best, 0, 0, ICON * dpr);
  }

  #activate(i) {
    this.active = i;
    [...this.list.children].forEach((item, j) => item.setAttribute("aria-selected", String(j === i)));
    if (i >= 0) this.input.setAttribute("aria-activedescendant", `${this.app.id}-result-${i}`);
    else this.input.removeAttribute("aria-activedescendant");
    this.list.children[i]?.scrollIntoView({ block: "nearest" });
  }

  #key(event) {
    const count = this.results.length;
    if (event.key === "ArrowDown" && count) this.#activate((this.active + 1) % count);
    else if (event.key === "ArrowUp" && count) this.#activate((this.active + count - 1) % count);
    else if (event.key === "Enter" && count) this.#pick(this.#quantity(this.results[this.active].index));
    else if (event.key === "Escape") {
      this.input.value = "";
      this.input.blur();
      this.app.canvas.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #pick(quantity) {
    this.input.value = "";
    this.#show([], 0);
    this.app.light(quantity);
    this.app.drawer(false);
    this.app.canvas.focus({ preventScroll: true }); // keys act on the map again, and a phone hides its keyboard
  }
}
