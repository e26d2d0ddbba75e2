// Selecting with the pointer: Shift + drag, or a tool, draws a lasso or a rectangle; Shift + click adds or
// removes a cell; with Alt, cells are taken away. All other input is left to the map.

import { cellsInside, rectangle } from "./shapes.js";

const TAP_PX = 6;
const STEP_PX = 3; // between two points of a lasso

export class Lasso {
  constructor(app, pane) {
    Object.assign(this, { app, pane, drawing: null });
    const on = (name, act) => pane.element.addEventListener(name, act, { capture: true, signal: app.ending.signal });
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", (event) => this.#of(event) && this.cancel());
    pane.stage.overlays.push((context, stage, alpha) => app.selection.draw(context, stage, alpha), (context) => this.#draw(context));
  }

  #of(event) {
    return this.drawing?.pointer === event.pointerId;
  }

  #place(event) {
    const box = this.pane.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #down(event) {
    const { pane, app } = this;
    if (event.target !== pane.canvas || event.button !== 0 || this.handing) return;
    if (this.drawing) return this.#hand();
    const { tool } = app.selection;
    if (!tool && !event.shiftKey && !event.altKey) return;
    event.stopPropagation();
    const grid = pane.grid;
    if (!grid) return;
    app.activate(pane);
    pane.camera.stop();
    pane.canvas.focus({ preventScroll: true });
    pane.element.setPointerCapture(event.pointerId);
    const from = this.#place(event);
    const how = event.altKey ? "remove" : event.shiftKey ? "add" : "replace";
    const box = tool === "rectangle";
    this.drawing = { pointer: event.pointerId, event, grid, how, box, from, last: from, moved: false, points: [pane.camera.toMap(...from)] };
  }

  /** A second finger: the map is pinched, not selected. The first finger is given to the map as well. */
  #hand() {
    const { event } = this.drawing;
    this.cancel();
    this.handing = true;
    this.pane.canvas.dispatchEvent(new PointerEvent("pointerdown", event));
    this.handing = false;
  }

  #move(event) {
    if (!this.#of(event)) return;
    event.stopPropagation();
    const { drawing, pane } = this;
    const now = this.#place(event);
    const far = ([x, y]) => Math.hypot(now[0] - x, now[1] - y);
    if (!drawing.moved && far(drawing.from) < TAP_PX) return;
    if (!drawing.moved) pane.hover();
    drawing.moved = true;
    const point = pane.camera.toMap(...now);
    if (drawing.box) drawing.points = rectangle(drawing.points[0], point);
    else if (far(drawing.last) >= STEP_PX) {
      drawing.points.push(point);
      drawing.last = now;
    }
    this.app.changed();
  }

  #up(event) {
    if (!this.#of(event)) return;
    event.stopPropagation();
    const { app } = this;
    const { grid, how, moved, points } = this.drawing;
    this.cancel();
    if (moved) return app.selection.change(grid, cellsInside(grid, points), how);
    const i = grid.find(...points[0]);
    if (i >= 0) app.selection.change(grid, [i], how === "remove" ? "remove" : "toggle");
  }

  cancel() {
    this.drawing = null;
    this.app.changed();
  }

  /** Draw the line of the pointer. */
  #draw(context) {
    const { drawing, pane } = this;
    if (!drawing?.moved) return;
    const { colours } = pane.state;
    context.beginPath();
    for (const point of drawing.points) context.lineTo(...pane.camera.toScreen(...point));
    context.closePath();
    context.fillStyle = drawing.how === "remove" ? colours.against : colours.accent;
    context.globalAlpha = 0.18;
    context.fill("evenodd");
    context.globalAlpha = 1;
    context.lineWidth = 3.5;
    context.strokeStyle = colours.ground;
    context.stroke();
    context.lineWidth = 1.5;
    context.strokeStyle = colours.ink;
    context.setLineDash([5, 4]);
    context.stroke();
    context.setLineDash([]);
  }
}
