// The parts of the page and where they go.

import { ICONS, h, iconButton, put } from "./dom.js";
import { Filters } from "./filters.js";
import { Guide } from "./guide.js";
import { Help } from "./help.js";
import { Inspector } from "./inspector.js";
import { Legend } from "./legend.js";
import { Lightbox } from "./lightbox.js";
import { ownLabels } from "./ofsamples.js";
import { Rail } from "./rail.js";
import { Search } from "./search.js";

/** Create the parts and put them into the viewer's root. */
export function lay(app) {
  app.search = app.model.hasClasses || ownLabels(app.model).length ? new Search(app) : null;
  app.guide = new Guide(app);
  app.legend = new Legend(app);
  app.inspector = new Inspector(app);
  app.filters = new Filters(app);
  app.rail = new Rail(app);
  app.help = new Help(app);
  app.lightbox = new Lightbox(app);
  app.status = h("div", { class: "j-status", role: "status", "aria-live": "polite" });
  app.toast = h("div", { class: "j-toast", role: "alert", hidden: true });
  app.maps = h("div", { class: "j-panes" }, ...app.panes.map((pane) => h("div", { class: "j-side" }, pane.element)));
  const zoom = (factor) => () => app.zoom(factor);
  app.view = h("main", { class: "j-view" }, app.maps, app.legend.element,
    h("div", { class: "j-corner" }, app.selection.tools,
      h("div", { class: "j-controls", role: "group", "aria-label": "Zoom" },
        iconButton("Zoom in (+)", ICONS.plus, zoom(1.8)),
        iconButton("Zoom out (−)", ICONS.minus, zoom(1 / 1.8)),
        iconButton("Fit the map (H)", ICONS.home, () => app.home()),
        app.model.maps.length > 1 && app.split.button,
        document.fullscreenEnabled && iconButton("Full screen (F)", ICONS.full, () => app.toggleFull(), { class: "j-button j-full" }))),
    h("div", { class: "j-scrim", onclick: () => app.drawer(false) }),
    app.guide.chips.element, app.guide.tour.element, app.toast, app.status);
  // Where the sidebar is a drawer, this strip or bar stays.
  app.bar = h("nav", { class: "j-bar-top", "aria-label": "Atlas" },
    iconButton("Atlas, maps and settings", ICONS.menu, () => app.drawer(true), { class: "j-button j-menu" }),
    app.search && iconButton("Find a class (/)", ICONS.search, () => app.find(), { class: "j-button j-find" }),
    h("span", { class: "j-bar-search" }),
    iconButton("Light or dark theme (B)", ICONS.theme, () => app.toggleTheme(), { class: "j-button j-in-strip" }),
    iconButton("Help and keyboard shortcuts (?)", ICONS.help, () => app.help.open(), { class: "j-button j-in-strip" }));
  put(app.root, app.rail.element, app.bar, app.view, app.inspector.element, app.help.element, app.lightbox.element);
}
