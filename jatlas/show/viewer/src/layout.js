// The parts of the page and where they go.

import { Card } from "./card.js";
import { Details } from "./details.js";
import { ICONS, h, iconButton, put, text } from "./dom.js";
import { Help } from "./help.js";
import { Minimap } from "./minimap.js";
import { Rail } from "./rail.js";

/** Create the parts and put them into the viewer's root. */
export function lay(app) {
  app.canvas = h("canvas", { class: "j-canvas", tabindex: "0", role: "application", "aria-roledescription": "map" });
  app.rail = new Rail(app);
  app.details = new Details(app);
  app.card = new Card(app);
  app.minimap = new Minimap(app);
  app.help = new Help(app);
  app.status = h("div", { class: "j-status", role: "status", "aria-live": "polite" });
  app.toast = h("div", { class: "j-toast", role: "alert", hidden: true });
  app.axes = h("div", { class: "j-axes" });
  const zoom = (factor) => () => app.camera.flyZoom(factor);
  app.view = h("main", { class: "j-view" }, app.canvas, app.axes, app.card.element, app.minimap.element,
    h("div", { class: "j-controls", role: "group", "aria-label": "Zoom" },
      iconButton("Zoom in (+)", ICONS.plus, zoom(1.8)),
      iconButton("Zoom out (−)", ICONS.minus, zoom(1 / 1.8)),
      iconButton("Whole map (H)", ICONS.home, () => app.home()),
      document.fullscreenEnabled && iconButton("Full screen (F)", ICONS.full, () => app.toggleFull())),
    iconButton("Atlas, search and settings", ICONS.menu, () => app.drawer(true), { class: "j-button j-menu" }),
    app.toast, app.status);
  put(app.root, app.rail.element, app.view, app.details.element, app.help.element);
}

/** Label the axes of a map that has them: one text per axis, or one at each end. */
export function showAxes(element, axes) {
  put(element, ...["x", "y"].flatMap((side) => {
    const value = axes?.[side];
    if (!value) return [];
    const ends = Array.isArray(value) ? value : [value];
    const words = ends.map((end) => text(String(end).slice(0, 80)));
    return [h("p", { class: `j-axis j-axis-${side}`, "data-ends": String(ends.length) }, ...words)];
  }));
}
