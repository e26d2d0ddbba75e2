// The tour: from note to note, or from one place to begin at to the next.

import { h, put, text } from "./dom.js";
import { sentenceOf, titleOf } from "./starts.js";

export class Tour {
  constructor(app, guide) {
    Object.assign(this, { app, guide, steps: [], at: -1 });
    const button = (name, onclick, key) => h("button", { type: "button", class: "j-action", title: key, onclick }, name);
    this.words = h("div", { class: "j-tour-words" });
    this.count = h("span", { class: "j-tour-count" });
    this.back = button("Back", () => this.go(-1), "Left arrow");
    this.next = button("Next", () => this.go(1), "Right arrow");
    this.element = h("div", { class: "j-tour", role: "group", "aria-label": "Tour", hidden: true }, this.words,
      h("div", { class: "j-tour-row" }, this.count, this.back, this.next, button("End", () => this.end(), "Escape")));
  }

  /** Begin: with the notes if there are any. */
  async start() {
    const { app, guide } = this;
    guide.chips.hide();
    guide.close();
    app.drawer(false);
    const notes = guide.notes.all;
    this.steps = notes.length
      ? notes.map((entry) => ({ title: entry.note.title || `Note ${guide.number(entry)}`, words: entry.note.text, act: () => guide.show(entry, { bubble: false }) }))
      : (await guide.starts(app.active.map)).map((place) => ({ title: titleOf(place), words: sentenceOf(place), act: () => guide.begin(place) }));
    if (!this.steps.length) return app.notice("There is nothing to tour on this map");
    this.at = -1;
    this.element.hidden = false;
    this.go(1);
    this.next.focus({ preventScroll: true });
  }

  async go(by) {
    const { steps } = this;
    const to = this.at + by;
    if (to < 0) return;
    if (to >= steps.length) return this.end();
    this.at = to;
    const { title, words, act } = steps[to];
    const count = `${to + 1} of ${steps.length}`;
    put(this.words, h("h2", {}, text(title)), words && h("p", {}, text(words)));
    put(this.count, count);
    this.back.disabled = to === 0;
    put(this.next, to === steps.length - 1 ? "Finish" : "Next");
    await act();
    if (this.at === to) this.app.say(`Stop ${count}. ${title}. ${words}`);
  }

  end() {
    if (this.at < 0) return;
    this.at = -1;
    this.element.hidden = true;
    this.app.say("The tour has ended");
    this.app.canvas.focus({ preventScroll: true });
  }

  /** Handle a key; returns whether it was the tour's. */
  press(key) {
    if (this.at < 0) return false;
    if (key === "ArrowRight") this.go(1);
    else if (key === "ArrowLeft") this.go(-1);
    else if (key === "Escape") this.end();
    else return false;
    return true;
  }
}
