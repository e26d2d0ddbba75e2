// Notes in the sidebar: the list, a field for a new one, what to do with them.

import { h, icon, ICONS, put, text } from "./dom.js";
import { MAX_TEXT, MAX_TITLE } from "./notes.js";

export class NotePanel {
  constructor(app, guide) {
    Object.assign(this, { app, guide });
    this.list = h("ol", { class: "j-note-list" });
    this.title = h("input", { class: "j-field", maxlength: MAX_TITLE, placeholder: "Title", "aria-label": "Title of the note" });
    this.text = h("textarea", { class: "j-field", maxlength: MAX_TEXT, rows: 3, placeholder: "What do you see here?", "aria-label": "Text of the note" });
    this.where = h("p", { class: "j-note-where" });
    this.form = h("div", { class: "j-note-form", role: "group", "aria-label": "New note", hidden: true, onkeydown: (event) => this.#key(event) },
      this.where, this.title, this.text,
      h("div", { class: "j-note-row" }, h("button", { type: "button", class: "j-action", onclick: () => this.#add() }, "Add"),
        h("button", { type: "button", class: "j-action", onclick: () => this.#close() }, "Cancel")));
    this.save = h("button", { type: "button", class: "j-text-button", title: "Download notes.json", onclick: () => guide.save() }, "Save notes");
    this.copy = h("button", { type: "button", class: "j-text-button", title: "Copy a link to this view that carries the notes", onclick: () => guide.copyAll() }, "Copy link");
    this.element = h("div", { class: "j-notes" }, this.list, this.form,
      h("div", { class: "j-note-row" },
        h("button", { type: "button", class: "j-text-button", title: "A note keeps the view, the light and the held cell (N)", onclick: () => this.write() }, icon(ICONS.plus), "Add a note"),
        this.save, this.copy));
    this.update();
  }

  update() {
    const { guide } = this;
    const { all } = guide.notes;
    this.save.hidden = !all.some(({ from }) => from !== "link");
    this.copy.hidden = !this.app.options.links || !all.some(({ from }) => from !== "atlas");
    this.list.hidden = !all.length;
    put(this.list, ...all.map((entry, i) => h("li", {},
      h("button", { type: "button", class: "j-note-item", "data-from": entry.from, onclick: () => this.#show(entry) },
        h("b", {}, String(i + 1)), text((entry.note.title || entry.note.text || "A view").slice(0, 120)),
        entry.from === "link" && h("small", {}, "link")))));
  }

  #show(entry) {
    this.app.drawer(false);
    this.guide.show(entry);
  }

  /** Ask for the text of a note on the view as it is now. */
  write() {
    const { app, guide } = this;
    this.view = guide.here();
    const { cell } = this.view;
    put(this.where, cell ? `At the held cell: row ${cell.row + 1}, column ${cell.col + 1} of ${cell.grid}` : "At the middle of the view");
    this.form.hidden = false;
    if (app.frame !== "wide") app.drawer(true);
    this.title.focus();
    this.form.scrollIntoView({ block: "nearest" });
  }

  #close() {
    this.title.value = this.text.value = "";
    this.form.hidden = true;
    this.app.drawer(false);
    this.app.canvas.focus({ preventScroll: true });
  }

  #key(event) {
    if (event.key === "Escape") this.#close();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#add();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #add() {
    const { app, guide } = this;
    const note = guide.notes.add({ ...this.view, title: this.title.value.trim(), text: this.text.value.trim() });
    if (!note) return app.notice("There are 200 notes already");
    this.#close();
    guide.open = guide.notes.all.find((entry) => entry.note === note);
    guide.changed();
    app.say(`Note ${guide.number(guide.open)} added`);
  }
}
