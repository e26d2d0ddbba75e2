// Draws the map: the grid that fits the zoom, cross-faded with the previous one; names and marks.

import { calm, clamp } from "./dom.js";
import { Labels } from "./labels.js";

const FINER = 34; // px: a finer grid is shown once its cells are this wide ...
const COARSER = 27; // ... and left once they are narrower than this: the gap avoids flicker
const DOUBTS_PX = 14; // px: cells below this are too small for a mark
const FADE = 380; // ms
const PATIENCE = 2500; // ms that the old grid stays while the new one loads

export class Stage {
  constructor(canvas, model, camera, tiles, state, changed) {
    Object.assign(this, { canvas, model, camera, tiles, state, changed });
    this.labels = new Labels(model);
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
    const shapes = this.model.maps[this.state.map].grids;
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
    if (grid && this.current?.grid !== grid) this.#enter(grid, now);
    const context = canvas.getContext("2d");
    context.setTransform(this.dpr, 0, 0, this.dpr, 0, 0);
    context.clearRect(0, 0, camera.width, camera.height);
    if (!this.current) return false;
    tiles.begin(this.stats.first === null ? 200 : 7);
    const { fade, busy } = this.#fade(now);
    // Tiles are drawn at 0.6 to 1.25 times their size: the next better filter would double the time
    // of a frame without a GPU, and blur.
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
    while (level + 1 < grid.px.length && grid.px[level + 1] >= px * 0.8) level++;
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
        const [left, top] = camera.toScreen((x * step) / grid.size, (y * step) / grid.size);
        if (tile && alpha > 0) {
          const side = (tile.width / grid.px[level]) * (camera.scale / grid.size);
          context.drawImage(tile, left, top, side, side);
        } else if (!tile) {
          missing++;
          if (alpha > 0) this.#standIn(context, grid, level, x, y, left, top);
        }
      }
    }
    if (style.light && level === 0) this.#outlines(context, grid, range, style);
    context.globalAlpha = 1;
    return missing;
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

  /** Until a tile is loaded, draw a coarser one in its place. */
  #standIn(context, grid, level, x, y, left, top) {
    for (let up = 1; level + up < grid.px.length; up++) {
      const tile = this.tiles.peek(grid, level + up, `${x >> up}-${y >> up}`);
      if (!tile) continue;
      const px = grid.px[level + up];
      const step = grid.tile << level;
      const within = 1 << up;
      const [sx, sy] = [(x % within) * step * px, (y % within) * step * px];
      const part = Math.min(step * px, tile.width - sx, tile.height - sy);
      if (part <= 0) return;
      const side = (part / px) * (this.camera.scale / grid.size);
      context.drawImage(tile, sx, sy, part, part, left, top, side, side);
      return;
    }
  }

  #marks(context, fade) {
    const { state, camera } = this;
    const grid = this.current.grid;
    this.stats.labels = 0;
    this.labels.behind = false;
    if (state.labels && !state.lit) {
      this.stats.labels = this.labels.draw(context, grid, camera, this.range(grid), fade);
    }
    if (state.doubts && grid.trust.length) this.#doubts(context, grid, fade);
    if (state.trail?.points) this.#dots(context, state.trail.points);
    const frame = (owner, i, width, colour) => this.#frame(context, owner, i, width, colour);
    if (state.hover >= 0 && state.hoverGrid === grid) frame(grid, state.hover, 2.5, state.colours.ink);
    const pinned = state.pinned;
    if (pinned && pinned.map === state.map) frame(pinned.grid, pinned.i, 3, state.colours.accent);
    if (state.cursor >= 0 && state.cursorGrid === grid) {
      frame(grid, state.cursor, 3, state.colours.ink);
    }
  }

  /** Mark the icons that are in doubt by a corner. */
  #doubts(context, grid, alpha) {
    const side = this.camera.scale / grid.size;
    if (side < DOUBTS_PX) return;
    const { left, top, right, bottom } = this.range(grid);
    const style = this.state.styleOf(grid);
    const corner = clamp(side * 0.26, 5, 22);
    context.globalAlpha = alpha;
    context.beginPath();
    for (const i of grid.within(left, top, right + 1, bottom + 1)) {
      if (!grid.doubtful(i)) continue;
      const half = (side * grid.side(i, style.density)) / 2;
      const [x, y] = this.camera.toScreen((grid.column(i) + 0.5) / grid.size, (grid.row(i) + 0.5) / grid.size);
      context.moveTo(x + half - corner, y - half);
      context.lineTo(x + half, y - half);
      context.lineTo(x + half, y - half + corner);
      context.closePath();
    }
    context.fillStyle = this.state.colours.against;
    context.strokeStyle = this.state.colours.ground;
    context.lineWidth = 1.5;
    context.fill();
    context.stroke();
    context.globalAlpha = 1;
  }

  #frame(context, grid, i, width, colour) {
    const [column, row] = [grid.column(i), grid.row(i)];
    const [x, y] = this.camera.toScreen(column / grid.size, row / grid.size);
    const side = this.camera.scale / grid.size;
    context.lineJoin = "round";
    for (const [extra, style] of [
      [2.5, this.state.colours.ground],
      [0, colour],
    ]) {
      context.lineWidth = width + extra;
      context.strokeStyle = style;
      context.strokeRect(x, y, side, side);
    }
  }

  #dots(context, points) {
    const { camera, dpr } = this;
    const { canvas, side } = this.#dot(Math.round(clamp(camera.scale / 260, 2.5, 6) * 2) / 2);
    for (let i = 0; i < points.length; i += 2) {
      const [x, y] = camera.toScreen(points[i], points[i + 1]);
      if (x < -9 || y < -9 || x > camera.width + 9 || y > camera.height + 9) continue;
      // In whole pixels, so that it is copied and not scaled.
      const [left, top] = [Math.round((x - side / 2) * dpr) / dpr, Math.round((y - side / 2) * dpr) / dpr];
      context.drawImage(canvas, left, top, side, side);
    }
  }

  /** A dot, drawn once: a thousand and more circles would take most of a frame. */
  #dot(radius) {
    const { accent, ground } = this.state.colours;
    const key = [radius, accent, ground, this.dpr].join();
    if (this.stamp?.key === key) return this.stamp;
    const px = Math.ceil((2 * radius + 3) * this.dpr);
    const canvas = new OffscreenCanvas(px, px);
    const context = canvas.getContext("2d");
    context.scale(this.dpr, this.dpr);
    const side = px / this.dpr;
    context.fillStyle = accent;
    context.strokeStyle = ground;
    context.lineWidth = 1.25;
    context.arc(side / 2, side / 2, radius, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    this.stamp = { key, canvas, side };
    return this.stamp;
  }
}
