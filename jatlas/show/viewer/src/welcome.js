// What the inspector says before a cell has been looked at: what to do, and where to begin.

import { h } from "./dom.js";

export function welcome(app) {
  const { guide } = app;
  const list = h("div", { class: "j-starts" });
  const places = h("div", { hidden: true }, h("h3", {}, "Places to begin"), list, guide.tourButton());
  guide.buttons(list, app.active.map).then((found) => (places.hidden = !found.length && !guide.notes.all.length));
  return [
    h("div", { class: "j-welcome" },
      h("p", {}, "Point at a picture to see what it stands for. Click to hold it."),
      h("p", {}, app.search ? "Zoom in for finer groups, or find a class." : "Zoom in for finer groups."),
      places),
  ];
}
