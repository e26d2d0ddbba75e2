// On the first visit: places to begin at, on the map, until the reader does something.

import { ICONS, h, iconButton } from "./dom.js";

export class Chips {
  constructor(app, guide) {
    Object.assign(this, { app, guide, wanted: false });
    this.list = h("div", { class: "j-chip-list" });
    this.element = h("div", { class: "j-chips", role: "group", "aria-label": "Places to begin", hidden: true },
      h("p", { class: "j-chips-sentence" }, "Each picture was computed to show what a group of similar image regions looks like to the network. Tap one to see what it stands for."),
      h("span", { class: "j-chips-word" }, "Begin with"), this.list, guide.tourButton(),
      iconButton("Close", ICONS.close, () => this.hide()));
  }

  show() {
    this.wanted = true;
  }

  hide() {
    this.wanted = false;
    this.element.hidden = true;
  }

  /** They come after the first picture, and go with the first move. */
  async frame() {
    const { app } = this;
    if (!this.wanted || app.stage.stats.first === null) return;
    const now = JSON.stringify([app.active.map, app.where(), app.state.lit?.quantity.key, app.state.pinned?.i, app.panes.length, app.selection.size]);
    if (this.shown && this.shown !== now) return this.hide();
    if (this.asked) return;
    this.asked = true;
    const places = await this.guide.buttons(this.list, app.active.map);
    if (!this.wanted || !places.length) return;
    this.shown = now;
    this.element.hidden = false;
  }
}
