// The legend of a highlight, on the map: what lights the cells, on which scale, and how many are bright.

import { ICONS, h, icon, iconButton, put, segmented, shortName, text, worth } from "./dom.js";
import { light, quantityOf, valueAt } from "./quantities.js";

export class Legend {
  constructor(app) {
    this.app = app;
    this.ramp = h("i", { class: "j-ramp", "aria-hidden": "true" });
    this.low = h("input", { type: "range", min: "0", max: "100", "aria-label": "Dark up to", oninput: () => this.#chosen(0) });
    this.high = h("input", { type: "range", min: "0", max: "100", "aria-label": "Full light from", oninput: () => this.#chosen(1) });
    this.from = h("span", { class: "j-end" });
    this.to = h("span", { class: "j-end" });
    this.name = h("span", { class: "j-legend-name" });
    this.sign = segmented("Evidence", [[false, "For"], [true, "Against"]], (against) => app.relight({ against }));
    this.count = h("span", { class: "j-bright" });
    this.choice = h("select", { class: "j-select", onchange: () => this.#choose(this.choice.value) });
    this.several = h("label", { class: "j-several" }, h("span"), this.choice);
    this.element = h("div", { class: "j-legend", role: "group", "aria-label": "Highlight", hidden: true },
      h("div", { class: "j-legend-row" }, this.name, this.sign.element,
        iconButton("Clear", ICONS.close, () => app.light(null))),
      h("div", { class: "j-legend-row" }, this.several),
      h("div", { class: "j-legend-row j-scale" }, this.from, h("span", { class: "j-range" }, this.ramp, this.low, this.high), this.to),
      h("div", { class: "j-legend-row" }, this.count,
        h("button", { type: "button", class: "j-text-button", onclick: () => app.highlight.strongest() }, icon(ICONS.target), "Strongest cell")));
  }

  #chosen(end) {
    let [low, high] = [Number(this.low.value) / 100, Number(this.high.value) / 100];
    if (high - low < 0.05) [low, high] = end ? [Math.max(0, high - 0.05), Math.max(high, 0.05)] : [Math.min(low, 0.95), Math.min(1, low + 0.05)];
    this.app.relight({ range: [low, high] });
  }

  /** Light the map by another of several quantities: evidence or labels of a class, a category. */
  async #choose(key) {
    const quantity = await quantityOf(this.app.model, key);
    if (quantity) this.app.light(quantity);
  }

  #severals({ key, several = "", choices = [] }) {
    this.several.parentElement.hidden = choices.length < 2;
    put(this.several.firstChild, several);
    put(this.choice, ...choices.map(([value, title]) => h("option", { value }, title.slice(0, 80))));
    this.choice.value = key;
  }

  update() {
    const { app } = this;
    const { lit } = app.state;
    // It belongs to all panes: one scale, all their cells.
    const all = lit ? app.panes.map(({ grid }) => grid && app.model.heatNow(grid, lit.quantity)) : [];
    const known = all.filter(Boolean);
    const heat = known.length ? app.split.onOneScale(lit.quantity, known[0]) : all[0];
    const key = lit ? [lit.quantity.key, lit.against, lit.range, ...app.panes.map(({ grid }, i) => all[i] && grid.prefix)].join() : "";
    if (key === this.key) return;
    this.key = key;
    this.element.hidden = !lit;
    if (!lit) return;
    const { quantity, against, range } = lit;
    put(this.name, text(shortName(quantity.name, 44), { title: quantity.name.slice(0, 300) }), quantity.note && h("small", {}, text(quantity.note)));
    this.#severals(quantity);
    this.sign.element.hidden = !quantity.signed;
    this.sign.show(against);
    this.element.dataset.against = String(against);
    [this.low.value, this.high.value] = range.map((place) => String(Math.round(place * 100)));
    this.ramp.style.setProperty("--from", `${range[0] * 100}%`);
    this.ramp.style.setProperty("--to", `${range[1] * 100}%`);
    if (!heat) {
      put(this.count, heat === null ? "Not known of this map" : "");
      return put(this.from), put(this.to);
    }
    put(this.from, worth(valueAt(lit, heat, range[0])));
    put(this.to, worth(valueAt(lit, heat, range[1])));
    const [bright, cells] = known.reduce(([sum, total], { values }) => {
      const of = light(lit, { ...heat, values });
      return [values.reduce((count, _, i) => count + (of(i) >= 0.5), sum), total + values.length];
    }, [0, 0]);
    const words = [...new Set(known.map(({ values }) => values.words).filter(Boolean))].join(" · ");
    put(this.count, words || `${bright} of ${cells} cells bright`);
  }
}
