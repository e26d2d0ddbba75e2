// Names on the map. Which cells get one depends on the zoom only, not on the position, so that names
// stay in place while the map moves; more appear as cells grow.

import { clamp, shortName } from "./dom.js";

const FONT = "500 11px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
const LENGTH = 24; // letters
const HEIGHT = 15;
const ALL = 92; // px: from this size on all cells are named
const SMALLEST = 15; // px: cells smaller than this are too small to label
const MARGIN = [14, 15]; // px around each name: the icons come first
const SPACING = 250; // px between two cells with the same name

export class Labels {
  constructor(model) {
    this.model = model;
    this.sprites = new Map();
    this.widths = new Map();
    this.ruler = document.createElement("canvas").getContext("2d");
    this.ruler.font = FONT;
    this.chosen = { key: null, cells: [] };
  }

  /** The cells to name at a width of `cellPx`: a Set, or null for all of them. */
  choose(grid, cellPx) {
    if (cellPx >= ALL) return null;
    if (cellPx < SMALLEST) return new Set();
    const bucket = Math.floor(Math.log2(cellPx) * 4);
    const key = `${grid.prefix}:${bucket}`;
    if (this.chosen.key !== key) this.chosen = { key, cells: this.#place(grid, 2 ** (bucket / 4)) };
    return this.chosen.cells;
  }

  #place(grid, cellPx) {
    const strength = (i) => (grid.data.values[i * grid.data.per] ?? 0) * Math.sqrt(grid.count[i]);
    const order = [...grid.cell.keys()].filter((i) => this.first(grid, i) !== undefined);
    const rank = new Float64Array(grid.cell.length);
    for (const i of order) rank[i] = strength(i);
    order.sort((a, b) => rank[b] - rank[a] || a - b);
    const taken = new Boxes(140);
    const namesakes = new Map();
    const cells = new Set();
    for (const i of order) {
      const name = this.first(grid, i);
      const [x, y] = [(grid.column(i) + 0.5) * cellPx, (grid.row(i) + 1) * cellPx];
      const same = namesakes.get(name) ?? [];
      if (same.some(([sx, sy]) => Math.hypot(sx - x, sy - y) < SPACING)) continue;
      const half = this.#width(name) / 2 + MARGIN[0];
      const box = [x - half, y - HEIGHT - MARGIN[1], x + half, y + MARGIN[1]];
      if (taken.hits(box)) continue;
      taken.add(box);
      same.push([x, y]);
      namesakes.set(name, same);
      cells.add(i);
    }
    return cells;
  }

  first(grid, i) {
    const { labels, per } = grid.data;
    const id = per ? labels[i * per] : -1;
    return id >= 0 ? id : undefined;
  }

  #width(id) {
    if (!this.widths.has(id)) {
      this.widths.set(id, this.ruler.measureText(shortName(this.model.name(id), LENGTH)).width + 8);
    }
    return this.widths.get(id);
  }

  /** The name of a class as a picture at most `limit` px wide, drawn once. */
  sprite(id, limit = Infinity) {
    const dpr = Math.min(devicePixelRatio || 1, 2);
    const key = `${id}:${limit < 130 ? Math.floor(limit / 8) : "whole"}:${dpr}`;
    let sprite = this.sprites.get(key);
    if (!sprite) {
      sprite = drawName(this.model.name(id), limit < 130 ? Math.floor(limit / 8) * 8 : Infinity, dpr);
      if (this.sprites.size > 1000) this.sprites.clear();
      this.sprites.set(key, sprite);
    }
    return sprite;
  }

  draw(context, grid, camera, range, alpha) {
    const cellPx = camera.scale / grid.size;
    const chosen = this.choose(grid, cellPx);
    if (chosen && !chosen.size) return 0;
    let drawn = 0;
    context.globalAlpha = alpha;
    for (let row = range.top; row <= range.bottom; row++) {
      for (let column = range.left; column <= range.right; column++) {
        const i = grid.at[row * grid.size + column];
        if (i < 0 || (chosen && !chosen.has(i))) continue;
        const id = this.first(grid, i);
        if (id === undefined) continue;
        const sprite = this.sprite(id, chosen ? Infinity : cellPx - 10);
        const [x, y] = camera.toScreen((column + 0.5) / grid.size, (row + 1) / grid.size);
        const left = Math.round(x - sprite.width / 2);
        context.drawImage(sprite.canvas, left, Math.round(y - HEIGHT - 4), sprite.width, sprite.height);
        drawn++;
      }
    }
    context.globalAlpha = 1;
    return drawn;
  }
}

function drawName(name, limit, dpr) {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  context.font = FONT;
  let shown = shortName(name, LENGTH);
  while (shown.length > 2 && context.measureText(shown).width > limit) {
    shown = `${shown.replace(/…$/, "").slice(0, -1).trimEnd()}…`;
  }
  const width = Math.ceil(clamp(context.measureText(shown).width, 1, 400)) + 8;
  canvas.width = width * dpr;
  canvas.height = (HEIGHT + 3) * dpr;
  context.scale(dpr, dpr);
  context.font = FONT;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 3.5;
  context.strokeStyle = "rgba(12, 14, 18, 0.72)";
  context.fillStyle = "#fff";
  context.strokeText(shown, width / 2, (HEIGHT + 3) / 2);
  context.fillText(shown, width / 2, (HEIGHT + 3) / 2);
  return { canvas, width, height: HEIGHT + 3 };
}

/** A set of boxes [left, top, right, bottom] that finds overlaps with another box. */
export class Boxes {
  constructor(step) {
    this.step = step;
    this.cells = new Map();
  }

  *#keys([left, top, right, bottom]) {
    const at = (value) => Math.floor(value / this.step);
    for (let y = at(top); y <= at(bottom); y++) {
      for (let x = at(left); x <= at(right); x++) yield x * 100003 + y;
    }
  }

  hits(box) {
    for (const key of this.#keys(box)) {
      for (const other of this.cells.get(key) ?? []) {
        if (box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3]) return true;
      }
    }
    return false;
  }

  add(box) {
    for (const key of this.#keys(box)) {
      if (!this.cells.has(key)) this.cells.set(key, []);
      this.cells.get(key).push(box);
    }
  }
}
