// Draws the map: the grid that fits the zoom, cross-faded with the previous one; names and marks.

import { calm, clamp } from "./dom.js";
import { Labels } from "./labels.js";

const FINER = 34; // px: a finer grid is shown once its cells are this wide ...
const COARSER = 27; // ... and left once they are narrower than this: the gap avoids flicker
const DOUBTS_PX = 14; // px: cells below this are too small for a mark
const FADE = 380; // ms
const PATIENCE = 2500; // ms that the old grid stays while the new one loads
const GAP_PX = 24; // px: from this size on a line of the ground lies between icons
const ALONE = 1.3; // icons magnified more than this are drawn one by one, or their edges would mix

export class Stage {
  constructor(canvas, model, camera, tiles, state, changed) {
    Object.assign(this, { canvas, model, camera, tiles, state, changed });
    this.labels = new Labels(model);
    this.places = null; // see places.js
    this.under = []; // (context, stage, alpha) drawn above the icons, and under their names
    this.overlays = []; // likewise, above the names
    this.veil = null; // (context, stage, grid) drawn under the names; returns the light left to cells, or null
    this.lost = false; // whether the cells of the map cannot be read
    this.current = null; // {grid, since, shown}
    this.previous = null;
    this.stats = { frames: 0, first: null, labels: 0, tiles: 0 };
  }

  resize(width, height) {
    const dpr = Math.min(devicePixelRatio || 1, 2);
    this.dpr = dpr;
    this.canvas.width = Math.round(width * dpr);
    this.canvas.height = Math.round(height * dpr);
    Object.assign(this.camera, { width, height });
  }

  /** Size of the grid that fits the zoom. */
  wanted() {
    const { losses, maps } = this.model;
    const { map } = this.state;
    const all = maps[map].grids;
    const there = all.filter((shape) => !losses.missing(`m${map}-g${shape.size}`));
    const shapes = there.length ? there : all;
    if (this.state.grid !== "auto") {
      const fixed = shapes.find((shape) => shape.size === this.state.grid);
      if (fixed) return fixed.size;
    }
    const now = this.current?.map === this.state.map ? this.current.grid.size : 0;
    let size = shapes[0].size;
    for (const shape of shapes) {
      const px = this.camera.scale / shape.size;
      if (px >= (shape.size <= now ? COARSER : FINER)) size = shape.size;
    }
    return size;
  }

  /** Draw a frame; returns whether another one is needed. */
  draw(now) {
    const { camera, canvas, tiles, state } = this;
    const size = this.wanted();
    const grid = this.model.now(state.map, size, this.changed);
    this.lost = !grid && this.model.losses.missing(`m${state.map}-g${size}`);
    if (grid && this.current?.grid !== grid) this.#enter(grid, now);
    const context = canvas.getContext("2d");
    context.setTransform(this.dpr, 0, 0, this.dpr, 0, 0);
    context.clearRect(0, 0, camera.width, camera.height);
    if (!this.current) return false;
    const { fade, busy } = this.#fade(now);
    // Tiles are drawn at half to their whole size: the next better filter would double the time of a
    // frame without a GPU.
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "low";
    if (this.previous) this.#grid(context, this.previous.grid, fade < 0.5 ? 1 : 2 - 2 * fade);
    const missing = this.#grid(context, this.current.grid, Math.min(1, fade * 1.6));
    if (!missing && this.stats.first === null) this.stats.first = performance.now();
    this.current.whole ||= !missing;
    this.#marks(context, fade);
    this.stats.frames++;
    this.stats.tiles = tiles.drawn.size;
    return busy || tiles.behind || this.labels.behind;
  }

  #enter(grid, now) {
    const whole = this.current?.whole;
    // A grid of another map fades in as well, in the same place.
    if (this.current && (whole || !this.previous)) this.previous = this.current;
    this.current = { grid, map: this.state.map, since: now, start: null, whole: false };
  }

  /** Whether everything in view has been drawn. */
  get still() {
    const { current, previous, state } = this;
    const right = current?.map === state.map && current.grid.size === this.wanted();
    return Boolean(right && current.whole && !previous && !this.tiles.behind && !this.labels.behind);
  }

  /** How far the current grid has faded in; the fade starts once its tiles are loaded. */
  #fade(now) {
    const current = this.current;
    if (!this.previous) return { fade: 1, busy: false };
    if (current.start === null) {
      // Its tiles are requested by the frame before the one that can find them complete.
      if (!current.whole && now - current.since < PATIENCE) return { fade: 0, busy: true };
      current.start = now;
    }
    const fade = calm() ? 1 : clamp((now - current.start) / FADE, 0, 1);
    if (fade === 1) this.previous = null;
    return { fade, busy: true };
  }

  /** The rows and columns in view. */
  range(grid) {
    const [left, top] = this.camera.toMap(0, 0);
    const [right, bottom] = this.camera.toMap(this.camera.width, this.camera.height);
    const at = (value) => clamp(Math.floor(value * grid.size), 0, grid.size - 1);
    return { left: at(left), top: at(top), right: at(right), bottom: at(bottom) };
  }

  /** The level whose icons are about the size they are drawn at. */
  level(grid) {
    const px = (this.camera.scale / grid.size) * this.dpr;
    let level = 0;
    while (level + 1 < grid.px.length && grid.px[level + 1] >= px) level++;
    return level;
  }

  #grid(context, grid, alpha) {
    const { camera, tiles } = this;
    const level = this.level(grid);
    const step = grid.tile << level;
    const range = this.range(grid);
    const style = this.state.styleOf(grid);
    let missing = 0;
    context.globalAlpha = alpha;
    const last = (value) => Math.floor(value / step);
    for (let y = last(range.top); y <= last(range.bottom); y++) {
      for (let x = last(range.left); x <= last(range.right); x++) {
        const cells = grid.tileCells(level, x, y);
        if (!cells.length) continue;
        const tile = tiles.tile(grid, level, `${x}-${y}`, cells, style);
        if (tile && alpha > 0) this.#tile(context, grid, level, x, y, tile, range);
        else if (!tile) missing += this.#without(context, grid, level, x, y, cells, alpha) ? 0 : 1;
      }
    }
    if (camera.scale / grid.size >= GAP_PX) this.#gaps(context, grid, range);
    if (style.light && level === 0) this.#outlines(context, grid, range, style);
    context.globalAlpha = 1;
    return missing;
  }

  #tile(context, grid, level, x, y, tile, range) {
    const step = grid.tile << level;
    const px = grid.px[level];
    const side = this.camera.scale / grid.size;
    const [left, top] = this.camera.toScreen((x * step) / grid.size, (y * step) / grid.size);
    if (side * this.dpr < px * ALONE) {
      context.drawImage(tile, left, top, (tile.width / px) * side, (tile.height / px) * side);
      return;
    }
    const first = (low, at) => Math.max(low - at * step, 0);
    const end = (high, at) => Math.min(high - at * step + 1, step);
    for (let row = first(range.top, y); row < end(range.bottom, y); row++) {
      for (let column = first(range.left, x); column < end(range.right, x); column++) {
        if (grid.at[(y * step + row) * grid.size + x * step + column] < 0) continue;
        context.drawImage(tile, column * px, row * px, px, px, left + column * side, top + row * side, side, side);
      }
    }
  }

  /** Draw what there is of a tile that is not loaded; returns whether that is all there will be. */
  #without(context, grid, level, x, y, cells, alpha) {
    const lost = this.model.losses.missing(`${grid.prefix}-${level}-${x}-${y}`);
    if (alpha > 0 && !this.#standIn(context, grid, level, x, y) && lost) this.#hatch(context, grid, cells);
    return lost;
  }

  /** Hatch the cells of a tile that is missing, so that they can be told from ground without cells. */
  #hatch(context, grid, cells) {
    const side = this.camera.scale / grid.size;
    context.strokeStyle = this.state.colours.muted;
    context.lineWidth = 1;
    context.beginPath();
    for (const i of cells) {
      const [x, y] = this.camera.toScreen(grid.column(i) / grid.size, grid.row(i) / grid.size);
      context.rect(x + 1.5, y + 1.5, side - 3, side - 3);
      for (const share of [0.25, 0.5, 0.75, 1]) {
        context.moveTo(x + 1.5, y + 1.5 + (side - 3) * share);
        context.lineTo(x + 1.5 + (side - 3) * share, y + 1.5);
      }
    }
    context.stroke();
  }

  /** Lines of the ground between icons. */
  #gaps(context, grid, { left, top, right, bottom }) {
    const { camera, dpr } = this;
    const at = (value) => Math.round(value * dpr) / dpr;
    context.fillStyle = this.state.colours.ground;
    for (let column = left; column <= right + 1; column++) {
      context.fillRect(at(camera.toScreen(column / grid.size, 0)[0] - 0.5), 0, 1, camera.height);
    }
    for (let row = top; row <= bottom + 1; row++) {
      context.fillRect(0, at(camera.toScreen(0, row / grid.size)[1] - 0.5), camera.width, 1);
    }
  }

  /** Outline the dim cells. */
  #outlines(context, grid, range, style) {
    const side = this.camera.scale / grid.size;
    context.beginPath();
    for (let row = range.top; row <= range.bottom; row++) {
      for (let column = range.left; column <= range.right; column++) {
        const i = grid.at[row * grid.size + column];
        if (i < 0 || style.light(i) >= 0.5) continue;
        const box = side * grid.side(i, style.density);
        const [x, y] = this.camera.toScreen((column + 0.5) / grid.size, (row + 0.5) / grid.size);
        context.rect(x - box / 2 + 0.5, y - box / 2 + 0.5, box - 1, box - 1);
      }
    }
    context.strokeStyle = style.outline;
    context.lineWidth = 1;
    context.stroke();
  }

  /** Until a tile is loaded, draw a coarser one in its place; returns whether there is one. */
  #standIn(context, grid, level, x, y) {
    const base = grid.tile << level;
    const [left, top] = this.camera.toScreen((x * base) / grid.size, (y * base) / grid.size);
    for (let up = 1; level + up < grid.px.length; up++) {
      const tile = this.tiles.peek(grid, level + up, `${x >> up}-${y >> up}`);
      if (!tile) continue;
      const px = grid.px[level + up];
      const within = 1 << up;
      const [sx, sy] = [(x % within) * base * px, (y % within) * base * px];
      const part = Math.min(base * px, tile.width - sx, tile.height - sy);
      if (part <= 0) return false;
      const side = (part / px) * (this.camera.scale / grid.size);
      context.drawImage(tile, sx, sy, part, part, left, top, side, side);
      return true;
    }
    return false;
  }

  #marks(context, fade) {
    const { state, camera } = this;
    const grid = this.current.grid;
    this.stats.labels = 0;
    for (const layer of this.under) layer(context, this, fade);
    const veiled = this.veil?.(context, this, grid);
    Object.assign(this.labels, { behind: false, dark: state.dark, veiled: Boolean(veiled) });
    if (state.labels) {
      this.stats.labels = this.labels.draw(context, grid, camera, this.range(grid), fade, veiled ?? state.styleOf(grid).light);
    }
    if (state.doubts && !veiled && grid.trust.length) this.#doubts(context, grid, fade);
    const frame = (owner, i, width, colour) => this.#frame(context, owner, i, width, colour);
    for (const overlay of this.overlays) overlay(context, this, fade);
    if (state.hover >= 0 && state.hoverGrid === grid) frame(grid, state.hover, 2, state.colours.ink);
    const pinned = state.pinned;
    if (pinned && pinned.map === state.map) frame(pinned.grid, pinned.i, 3, state.colours.accent);
    if (state.cursor >= 0 && state.cursorGrid === grid) frame(grid, state.cursor, 3, state.colours.ink);
  }

  /** Mark the icons that are in doubt by a corner. */
  #doubts(context, grid, alpha) {
    const side = this.camera.scale / grid.size;
    if (side < DOUBTS_PX) return;
    const range = this.range(grid);
    const style = this.state.styleOf(grid);
    const corner = clamp(side * 0.26, 5, 22);
    context.globalAlpha = alpha;
    context.beginPath();
    for (const i of grid.within(range.left, range.top, range.right + 1, range.bottom + 1)) {
      if (!grid.doubtful(i)) continue;
      const half = (side * grid.side(i, style.density)) / 2;
      const [x, y] = this.camera.toScreen((grid.column(i) + 0.5) / grid.size, (grid.row(i) + 0.5) / grid.size);
      const moved = this.places?.icon(this, grid, i);
      const [right, top] = moved ? [moved.left + moved.side, moved.top] : [x + half, y - half];
      context.moveTo(right - corner, top);
      context.lineTo(right, top);
      context.lineTo(right, top + corner);
      context.closePath();
    }
    context.fillStyle = this.state.colours.against;
    context.strokeStyle = this.state.colours.ground;
    context.lineWidth = 1.5;
    context.fill();
    context.stroke();
    context.globalAlpha = 1;
  }

  /** Frame a cell's icon; all of the cell if the icon has moved. */
  #frame(context, grid, i, width, colour) {
    const full = this.camera.scale / grid.size;
    const side = this.places?.icon(this, grid, i) ? full : Math.max(full * grid.side(i, this.state.density), 6);
    const [x, y] = this.camera.toScreen(...grid.centre(i));
    context.lineJoin = "round";
    for (const [extra, style] of [
      [2.5, this.state.colours.ground],
      [0, colour],
    ]) {
      context.lineWidth = width + extra;
      context.strokeStyle = style;
      context.strokeRect(x - side / 2, y - side / 2, side, side);
    }
  }
}
