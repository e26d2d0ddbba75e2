// What the inspector says before a cell has been looked at: what to do, and where to begin.

import { h, icon, ICONS, shortName, text } from "./dom.js";

const STARTS = 3;

/** Places to begin at: the largest named regions, or else nothing. */
export function starts(model, map) {
  const regions = (model.maps[map].regions ?? []).filter((region) => region.level === 0);
  return [...regions].sort((a, b) => b.images - a.images).slice(0, STARTS);
}

export function welcome(app) {
  const places = starts(app.model, app.active.map);
  return [
    h("div", { class: "j-welcome" },
      h("p", {}, "Point at a picture to see what it stands for. Click to hold it."),
      h("p", {}, app.search ? "Zoom in for finer groups, or find a class." : "Zoom in for finer groups."),
      places.length > 0 && h("h3", {}, "Places to begin"),
      places.length > 0 && h("div", { class: "j-starts" }, ...places.map((region) =>
        h("button", { type: "button", class: "j-action", onclick: () => begin(app, region) },
          icon(ICONS.target), text(shortName(region.name ?? "", 40)))))),
  ];
}

/** Fly to a region. */
function begin(app, { at }) {
  const { camera } = app.active;
  camera.fly(at[0], at[1], Math.max(camera.zoom, 3), 500);
  app.canvas.focus({ preventScroll: true });
}
