// Real places on the map. From 120 px a cell has a strip of crops along its lower edge; by 240 px its icon has
// moved to a corner, and each crop stands at the point of its sample.

import { placesOf } from "./crops.js";
import { clamp } from "./dom.js";
import { spread } from "./spread.js";

const STRIP = [120, 130]; // px of a cell: the strip fades in
const POINTS = [212, 240]; // px: icon and crops move to where they stand
const IN_STRIP = 4;
const SIDE = 0.2; // of a cell's, a crop in the strip
const SMALL = 0.17; // at its point
const ICON = 0.36; // the icon in its corner
const GAP = 0.012; // of a cell's, around a crop
const NAME = 22; // px: the cell's name lies below
const LEAST = 0.25; // light of the crops of a cell that a highlight dims
const LINE = 0.4; // light of the line around a cell whose icon has moved
const BUDGET = 3; // ms of a frame for finding where crops stand

const between = (value, [from, to]) => clamp((value - from) / (to - from), 0, 1);
const mix = (from, to, share) => from + (to - from) * share;

// The part of a cell for crops and icon, and the corners that the icon may stand in.
const BOX = [GAP, GAP, 1 - GAP, 1 - NAME / POINTS[1]];
const CORNERS = [[BOX[0], BOX[1]], [BOX[2] - ICON, BOX[1]], [BOX[0], BOX[3] - ICON], [BOX[2] - ICON, BOX[3] - ICON]]
  .map(([x, y]) => [x, y, x + ICON, y + ICON]);

export class Places {
  constructor(app, pane) {
    Object.assign(this, { app, pane, hovered: null, drawn: 0 });
    this.layouts = new Map(); // grid -> Map of cell -> Layout
    this.spot = { left: 0, top: 0, side: 0, light: 0 };
    pane.stage.under.push((context, stage, alpha) => this.draw(context, stage, alpha));
    pane.stage.overlays.push((context, stage) => stage === pane.stage && this.#frame(context));
    pane.stage.places = this;
  }

  #layout(grid, i) {
    let cells = this.layouts.get(grid);
    if (!cells) this.layouts.set(grid, (cells = new Map()));
    let layout = cells.get(i);
    if (!layout) cells.set(i, (layout = new Layout(grid, i)));
    return layout;
  }

  /** How far the icon and the crops of a cell have moved: 0 for the strip, 1 for their own places. */
  #far(grid, i, cell) {
    return cell > POINTS[0] && this.#layout(grid, i).points ? between(cell, POINTS) : 0;
  }

  /** Where the icon of a cell stands on the screen, if it has moved: `spot`, which is used again; else null. */
  icon(stage, grid, i) {
    const cell = stage.camera.scale / grid.size;
    const far = cell > POINTS[0] && this.app.crops.has(grid, i) ? this.#far(grid, i, cell) : 0;
    if (!far) return null;
    const layout = this.#layout(grid, i);
    const full = stage.state.styleOf(grid);
    const side = grid.side(i, full.density);
    return this.#put(stage.camera, grid, i, mix((1 - side) / 2, layout.corner[0], far), mix((1 - side) / 2, layout.corner[1], far), mix(side, ICON, far));
  }

  /** Where a crop of a cell lies. */
  #crop(camera, grid, i, j, layout) {
    const cell = camera.scale / grid.size;
    const far = this.#far(grid, i, cell);
    const slot = Math.min(j, IN_STRIP - 1) - IN_STRIP / 2;
    let [x, y, side] = [0.5 + slot * (SIDE + GAP) + GAP / 2, 1 - (NAME + 2) / cell - SIDE, SIDE];
    if (far) {
      side = mix(SIDE, SMALL, far);
      x = mix(x, layout.points[2 * j] - SMALL / 2, far);
      y = mix(y, layout.points[2 * j + 1] - SMALL / 2, far);
    }
    this.spot.light = between(cell, STRIP) * (j < IN_STRIP ? 1 : far);
    return this.#put(camera, grid, i, x, y, side);
  }

  #put(camera, grid, i, x, y, side) {
    const { spot } = this;
    const { scale } = camera;
    spot.left = ((grid.column(i) + x) / grid.size - camera.x) * scale + camera.width / 2;
    spot.top = ((grid.row(i) + y) / grid.size - camera.y) * scale + camera.height / 2;
    spot.side = (side * scale) / grid.size;
    return spot;
  }

  /** Draw the real places of the cells in view. */
  draw(context, stage, alpha) {
    const { camera } = stage;
    const { grid } = stage.current;
    const cell = camera.scale / grid.size;
    this.drawn = 0;
    if (cell < STRIP[0] || !grid.shape.exemplars) return;
    const { left, top, right, bottom } = stage.range(grid);
    const until = performance.now() + BUDGET;
    const style = stage.state.styleOf(grid);
    context.beginPath();
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        const i = grid.at[row * grid.size + column];
        if (i >= 0) this.#cell(context, stage, grid, i, alpha, style, until);
      }
    }
    context.globalAlpha = alpha * between(cell, STRIP);
    context.strokeStyle = stage.state.colours.ground;
    context.lineWidth = 1.5;
    context.stroke();
    context.globalAlpha = 1;
  }

  #cell(context, stage, grid, i, alpha, style, until) {
    const layout = this.#layout(grid, i);
    const row = layout.places.length ? this.app.crops.row(grid, i) : null;
    if (!row) return;
    const { px } = grid.shape.exemplars;
    if (stage.camera.scale / grid.size > POINTS[0] && !layout.points && grid.read("places")) {
      if (performance.now() < until) layout.find();
      else this.app.changed();
    }
    this.#icon(context, stage, grid, i, alpha, style);
    const light = alpha * Math.max(style.light?.(i) ?? 1, LEAST);
    for (let j = 0; j < layout.places.length; j++) {
      const spot = this.#crop(stage.camera, grid, i, j, layout);
      if (!spot.light) break;
      context.globalAlpha = light * spot.light;
      context.drawImage(row, layout.places[j] * px, 0, px, px, spot.left, spot.top, spot.side, spot.side);
      context.rect(spot.left, spot.top, spot.side, spot.side);
      this.drawn++;
    }
  }

  /** Draw the icon of a cell on its way to its corner, over the one in the middle. */
  #icon(context, stage, grid, i, alpha, style) {
    const { left, top, side } = this.icon(stage, grid, i) ?? {};
    const picture = side && this.app.tiles.picture(this.#layout(grid, i).tile);
    if (!picture) return;
    const cell = stage.camera.scale / grid.size;
    context.globalAlpha = alpha;
    context.fillStyle = stage.state.colours.paper;
    const whole = this.#put(stage.camera, grid, i, 0, 0, 1);
    context.fillRect(whole.left, whole.top, cell, cell);
    context.globalAlpha = alpha * LINE;
    context.strokeStyle = stage.state.colours.muted;
    context.lineWidth = 1;
    context.strokeRect(whole.left, whole.top, cell, cell);
    context.globalAlpha = alpha * (style.light?.(i) ?? 1);
    const px = grid.px[0];
    context.drawImage(picture, (grid.column(i) % grid.tile) * px, (grid.row(i) % grid.tile) * px, px, px, left, top, side, side);
  }

  /** The crops of a cell that are on the screen: {k, left, top, side}. */
  boxes(grid, i) {
    const layout = grid.shape.exemplars && this.#layout(grid, i);
    if (!layout || !this.app.crops.has(grid, i)) return [];
    return layout.places.flatMap((k, j) => {
      const { left, top, side, light } = this.#crop(this.pane.camera, grid, i, j, layout);
      return light > 0.5 ? [{ k, left, top, side }] : [];
    });
  }

  /** The real place at a point of the canvas: {grid, i, k}, or null. */
  at(px, py, grid, i) {
    if (i < 0 || this.pane.camera.scale / grid.size < STRIP[0]) return null;
    const on = ({ left, top, side }) => px >= left && py >= top && px < left + side && py < top + side;
    const found = this.boxes(grid, i).find(on);
    return found ? { grid, i, k: found.k } : null;
  }

  /** The pointer is on a real place, or on none. */
  hover(place) {
    const before = this.hovered;
    if (before?.grid === place?.grid && before?.i === place?.i && before?.k === place?.k) return;
    this.hovered = place;
    this.app.changed();
  }

  #frame(context) {
    const { hovered, pane } = this;
    if (!hovered || hovered.grid !== pane.grid || pane.camera.scale / hovered.grid.size < STRIP[0]) return;
    const box = this.boxes(hovered.grid, hovered.i).find(({ k }) => k === hovered.k);
    if (!box) return;
    const { colours } = pane.state;
    for (const [width, colour] of [[5, colours.ground], [2.5, colours.ink]]) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.strokeRect(box.left, box.top, box.side, box.side);
    }
  }
}

/** The real places of a cell, and where they and its icon stand in it, in shares of its side. */
class Layout {
  constructor(grid, i) {
    const at = (value) => Math.floor(value / grid.tile);
    Object.assign(this, { grid, i, places: placesOf(grid, i), points: null, corner: null });
    this.tile = `${grid.prefix}-0-${at(grid.column(i))}-${at(grid.row(i))}`;
  }

  /** Find where they stand. The icon takes the corner in which it is least in the way. */
  find() {
    const { grid, i, places } = this;
    const { per_cell: per } = grid.shape.exemplars;
    const xy = grid.read("places");
    const points = new Float64Array(2 * places.length);
    places.forEach((k, j) => {
      const at = 2 * (i * per + k);
      points[2 * j] = (xy[at] / 65536) * grid.size - grid.column(i);
      points[2 * j + 1] = (xy[at + 1] / 65536) * grid.size - grid.row(i);
    });
    const half = (SMALL + GAP) / 2;
    const under = ([left, top, right, bottom]) => places.filter((_, j) => {
      const [x, y] = [points[2 * j], points[2 * j + 1]];
      return x + half > left && x - half < right && y + half > top && y - half < bottom;
    }).length;
    this.corner = CORNERS.reduce((best, corner) => (under(corner) < under(best) ? corner : best));
    this.points = spread(points, SMALL + GAP, BOX, this.corner);
  }
}
