// "Filter samples" in the sidebar: what samples are filtered by. A filter is a highlight of its own: cells are
// lit by the share of their samples that passes. Another highlight pauses it.

import { h, put } from "./dom.js";
import { fieldsOf } from "./fields.js";
import { checked, filterQuantity, passWords } from "./filter.js";
import { controlOf } from "./filterrows.js";

const PAUSE = 500; // ms without a change before the count is read out

export class Filters {
  constructor(app) {
    this.app = app;
    this.fields = fieldsOf(app.model);
    this.filter = {}; // rules by field
    this.lighting = false; // whether it lights the map
    this.controls = this.fields.list.map((field) => controlOf(app, field, (rule) => this.#choose(field.id, rule)));
    this.count = h("p", { class: "j-filter-count" });
    this.again = h("button", { type: "button", class: "j-text-button", onclick: () => this.#apply() }, "Light the map");
    this.clear = h("button", { type: "button", class: "j-text-button", onclick: () => this.#clear() }, "Clear");
    this.badge = h("span", { class: "j-filter-badge" });
    this.element = h("details", { class: "j-filters", ontoggle: () => this.#show() },
      h("summary", {}, "Filter samples", this.badge),
      h("div", { class: "j-filter-rows" }, ...this.controls.map(({ element }) => element)),
      h("div", { class: "j-filter-foot" }, this.count, this.again, this.clear));
  }

  #choose(id, rule) {
    this.filter = checked(this.app.model, { ...this.filter, [id]: rule });
    if (Object.keys(this.filter).length) this.#apply();
    else this.#clear();
  }

  #clear() {
    const { app } = this;
    this.filter = {};
    if (app.state.lit?.quantity.filter) app.light(null);
    else this.update();
  }

  /** Light the map by the filter, once it is computed: not to show all of it in between. */
  async #apply() {
    const { app } = this;
    this.waiting = true;
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.waiting) {
        this.waiting = false;
        await app.model.readGroups().catch(() => {});
        const quantity = filterQuantity(app.model, this.filter);
        const heats = await Promise.all(app.panes.map(({ grid }) => grid && app.model.heat(grid, quantity)));
        if (this.waiting || !Object.keys(this.filter).length) continue;
        if (app.state.lit?.quantity.filter) app.relight({ quantity });
        else app.light(quantity);
        clearTimeout(this.saying);
        this.saying = setTimeout(() => app.say(heats[0]?.values.words ?? ""), PAUSE);
        // At most once a frame.
        await new Promise((done) => requestAnimationFrame(done));
      }
    } finally {
      this.busy = false;
    }
  }

  /** The state has changed: a link was followed, the filter was cleared, something else lights the map. */
  update() {
    const { lit } = this.app.state;
    const mine = lit?.quantity.filter;
    if (!this.busy) {
      if (mine) this.filter = mine;
      else if (this.lighting && !lit) this.filter = {};
    }
    this.lighting = Boolean(mine);
    const rules = Object.keys(this.filter).length;
    put(this.badge, rules > 0 && (mine ? `${rules} on` : "paused"));
    this.clear.hidden = !rules;
    this.again.hidden = !rules || this.lighting;
    this.#show();
  }

  /** Draw the counts of the map in view. */
  async #show() {
    if (!this.element.open) return;
    const { app, fields, filter } = this;
    const { map } = app.active;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    await app.model.readGroups().catch(() => {});
    const drawn = await Promise.all(fields.list.map(async (field) => {
      const bins = await fields.bins(map, field);
      return { bins, crossed: bins && (await fields.crossed(map, field, filter)) };
    }).map((one) => one.catch(() => ({}))));
    const found = await fields.passing(map, filter).catch(() => null);
    if (turn !== this.turn) return;
    this.controls.forEach((control, i) => control.show(drawn[i], filter[fields.list[i].id], map));
    put(this.count, found ? passWords(found) : "Not known of this map");
  }
}
