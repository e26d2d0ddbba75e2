// The view as a picture, drawn again at another scale: with names, without controls.

import { Camera } from "./camera.js";
import { ICONS, h, icon } from "./dom.js";
import { Stage } from "./stage.js";
import { download, fileName } from "./table.js";

const LARGEST = 16_384; // px: a side that browsers can still draw
const PATIENCE = 20_000; // ms

/** Draw what a pane shows at a scale; resolves to a canvas. */
export async function drawn(app, pane, scale) {
  const { width, height, x, y, zoom, maxZoom, bounds } = pane.camera;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const camera = Object.assign(new Camera(() => {}), { width, height, x, y, zoom, maxZoom, bounds });
  const state = Object.create(pane.state, Object.fromEntries(["hover", "cursor"].map((name) => [name, { value: -1 }])));
  const stage = new Stage(canvas, app.model, camera, app.tiles, state, () => {});
  Object.assign(stage, { dpr: scale, places: pane.places, under: pane.stage.under, overlays: pane.stage.overlays });
  stage.labels.dpr = scale;
  const end = performance.now() + PATIENCE;
  // In step with the frames of the page, which give tiles their time.
  do {
    app.changed();
    await new Promise(requestAnimationFrame);
    stage.draw(performance.now());
  } while (!stage.still && performance.now() < end);
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = app.state.colours.ground;
  context.fillRect(0, 0, canvas.width, canvas.height);
  return canvas;
}

/** Save the view as PNG, at 1 to 4 times its size. */
export async function savePicture(app, scale) {
  const pane = app.active;
  const { width, height } = pane.camera;
  if (Math.max(width, height) * scale > LARGEST) return app.notice("This picture would be too large");
  app.notice("Drawing the picture …", 30_000);
  try {
    const canvas = await drawn(app, pane, scale);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    if (!blob) throw new Error("no picture");
    download(blob, `${fileName("atlas", app.model.maps[pane.map].id, pane.grid?.size ?? "")}@${scale}x.png`);
    app.notice(`Saved ${canvas.width} × ${canvas.height} px`);
  } catch (error) {
    const why = error.name === "SecurityError"
      ? "The browser does not let a page opened from a folder save its pictures. Open the atlas with jatlas view, or as one file: jatlas export --html"
      : "The picture could not be drawn: it may be too large for this browser";
    app.notice(why, 12_000);
  }
}

/** Buttons for the sizes of a picture. */
export function sizes(app, done = () => {}) {
  return [1, 2, 3, 4].map((scale) => {
    const title = `The view as PNG, ${scale === 1 ? "as large as on the page" : `${scale} times as large`}`;
    const save = () => (done(), savePicture(app, scale));
    return h("button", { type: "button", class: "j-action", title, "aria-label": `${scale}× PNG`, onclick: save }, `${scale}×`);
  });
}

/** A button of the sidebar that opens the sizes. */
export function pictureMenu(app) {
  const menu = h("details", { class: "j-save", onkeydown: (event) => event.key === "Escape" && menu.open && (event.stopPropagation(), close()) });
  const close = () => (menu.open = false);
  menu.append(
    h("summary", { class: "j-button", title: "Save the view as a picture", "aria-label": "Save the view as a picture" }, icon(ICONS.save)),
    h("div", { class: "j-save-sizes", role: "group", "aria-label": "Size of the picture" }, h("p", {}, "Save the view as a picture"), ...sizes(app, close)));
  menu.addEventListener("focusout", (event) => menu.contains(event.relatedTarget) || close());
  return menu;
}
