// Names on the map. Which cells get one depends on the zoom only, not on the position, so that names
// stay in place while the map moves; more appear as cells grow.

import { clamp, shortName } from "./dom.js";

const FONT = "500 11px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
const LENGTH = 24; // letters
const WIDEST = 280; // px
const HEIGHT = 15;
const ALL = 92; // px: from this size on all cells are named
const SMALLEST = 15; // px: cells smaller than this are too small to label
const MARGIN = [14, 15]; // px around each name: the icons come first
const SPACING = 250; // px between two cells with the same name
const BLOCK = 320; // px: more than SPACING and than a name with its margins
const MAX_SPRITES = 1000;
const BUDGET = 3; // ms of a frame for placing names, and for drawing new ones

export class Labels {
  constructor(model) {
    this.model = model;
    this.sprites = new Map();
    this.widths = new Map();
    this.ruler = document.createElement("canvas").getContext("2d");
    this.ruler.font = FONT;
    this.placed = null; // Names that are shown
    this.next = null; // Names of another zoom, shown once those in view are placed
    this.behind = false; // whether the last frame left names to place or to draw
  }

  /** The cells to name at a width of `cellPx`: Names, or null for all of them. */
  choose(grid, cellPx) {
    if (cellPx >= ALL) return null;
    const bucket = Math.floor(Math.log2(cellPx) * 4);
    const key = `${grid.prefix}:${bucket}`;
    const known = [this.placed, this.next].find((names) => names?.key === key);
    return known ?? new Names(key, grid, 2 ** (bucket / 4), (id) => this.#width(id));
  }

  #width(id) {
    if (!this.widths.has(id)) {
      const width = this.ruler.measureText(shortName(this.model.name(id), LENGTH)).width;
      this.widths.set(id, Math.min(width, WIDEST) + 8);
    }
    return this.widths.get(id);
  }

  /** The name of a class as a picture at most `limit` px wide, drawn once. */
  sprite(id, limit = Infinity, until = Infinity) {
    const dpr = Math.min(devicePixelRatio || 1, 2);
    const key = `${id}:${limit < 130 ? Math.floor(limit / 8) : "whole"}:${dpr}`;
    let sprite = this.sprites.get(key);
    if (!sprite && performance.now() < until) {
      sprite = drawName(this.model.name(id), limit < 130 ? Math.floor(limit / 8) * 8 : WIDEST, dpr);
      if (this.sprites.size >= MAX_SPRITES) this.sprites.delete(this.sprites.keys().next().value);
      this.sprites.set(key, sprite);
    }
    return sprite;
  }

  /** Draw the names in view and return how many; `behind` tells whether some are left. */
  draw(context, grid, camera, range, alpha) {
    this.behind = false;
    const cellPx = camera.scale / grid.size;
    if (cellPx < SMALLEST) return 0;
    const until = performance.now() + BUDGET;
    const cells = cellPx >= ALL ? all(grid, range) : this.#inView(grid, cellPx, range, until);
    const limit = cellPx >= ALL ? cellPx - 10 : Infinity;
    let drawn = 0;
    context.globalAlpha = alpha;
    for (const i of cells) {
      const id = grid.first(i);
      if (id === undefined) continue;
      const [x, y] = camera.toScreen((grid.column(i) + 0.5) / grid.size, (grid.row(i) + 1) / grid.size);
      if (x < -BLOCK / 2 || y < -BLOCK / 2 || x > camera.width + BLOCK / 2 || y > camera.height + BLOCK / 2) continue;
      const sprite = this.sprite(id, limit, until);
      if (!sprite) {
        this.behind = true;
        continue;
      }
      const left = Math.round(x - sprite.width / 2);
      context.drawImage(sprite.canvas, left, Math.round(y - HEIGHT - 4), sprite.width, sprite.height);
      drawn++;
    }
    context.globalAlpha = 1;
    return drawn;
  }

  /** The named cells in view: those of an earlier zoom until those of this one are placed. */
  #inView(grid, cellPx, range, until) {
    const names = this.choose(grid, cellPx);
    if (names !== this.placed) {
      this.next = names;
      this.behind = !names.place(range, until);
      if (!this.behind) [this.placed, this.next] = [names, null];
    } else this.behind = !names.place(range, until);
    return this.placed?.grid === grid ? this.placed.within(range) : [];
  }
}

function all(grid, { left, top, right, bottom }) {
  return grid.within(left, top, right + 1, bottom + 1);
}

/**
 * The cells that get a name at one width of cells. The strongest of a block of cells are named first.
 * Blocks are placed as they come into view, each after those of its neighbours that have an earlier
 * turn, so that the names depend neither on the order nor on the rest of the map.
 */
export class Names {
  constructor(key, grid, cellPx, widthOf) {
    Object.assign(this, { key, grid, cellPx, widthOf });
    this.side = Math.ceil(BLOCK / cellPx); // cells
    this.across = Math.ceil(grid.size / this.side);
    this.blocks = new Map(); // number of the block -> [{i, id, x, y, half}]
  }

  has(i) {
    const { grid, side } = this;
    const block = this.block(Math.floor(grid.column(i) / side), Math.floor(grid.row(i) / side));
    return block.some((name) => name.i === i);
  }

  /** Place the names in view until the time is up; returns whether all are placed. */
  place(range, until) {
    for (const [x, y] of this.#blocks(range)) {
      if (this.blocks.has(y * this.across + x)) continue;
      if (performance.now() > until) return false;
      this.block(x, y);
    }
    return true;
  }

  /** The named cells of the blocks in view that are placed. */
  *within(range) {
    for (const [x, y] of this.#blocks(range)) {
      for (const { i } of this.blocks.get(y * this.across + x) ?? []) yield i;
    }
  }

  *#blocks({ left, top, right, bottom }) {
    const at = (value) => Math.floor(value / this.side);
    for (let y = at(top); y <= at(bottom); y++) {
      for (let x = at(left); x <= at(right); x++) yield [x, y];
    }
  }

  block(x, y) {
    const number = y * this.across + x;
    let block = this.blocks.get(number);
    if (!block) {
      block = this.#placed(x, y, this.#before(x, y));
      this.blocks.set(number, block);
    }
    return block;
  }

  /** The names of the neighbours that have an earlier turn. */
  #before(x, y) {
    const turn = (column, row) => (column % 2) + 2 * (row % 2);
    const names = [];
    for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, this.across - 1); row++) {
      for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, this.across - 1); column++) {
        if (turn(column, row) < turn(x, y)) names.push(...this.block(column, row));
      }
    }
    return names;
  }

  #placed(x, y, before) {
    const { grid, side, cellPx } = this;
    const names = [];
    for (const i of this.#strongest(grid.within(x * side, y * side, (x + 1) * side, (y + 1) * side))) {
      const id = grid.first(i);
      const half = this.widthOf(id) / 2 + MARGIN[0];
      const name = { i, id, x: (grid.column(i) + 0.5) * cellPx, y: (grid.row(i) + 1) * cellPx, half };
      const free = (other) => !collide(name, other);
      if (names.every(free) && before.every(free)) names.push(name);
    }
    return names;
  }

  /** Those of some cells that have a class, by descending evidence and number of samples. */
  #strongest(cells) {
    const { grid } = this;
    const values = grid.read("values");
    const strength = new Map();
    for (const i of cells) {
      if (grid.first(i) !== undefined) strength.set(i, values[i * grid.per] * Math.sqrt(grid.count[i]));
    }
    return [...strength.keys()].sort((a, b) => strength.get(b) - strength.get(a) || a - b);
  }
}

/** Whether two names overlap with their margins, or are the same and close. */
function collide(a, b) {
  const [dx, dy] = [Math.abs(a.x - b.x), Math.abs(a.y - b.y)];
  if (dx < a.half + b.half && dy < HEIGHT + 2 * MARGIN[1]) return true;
  return a.id === b.id && Math.hypot(dx, dy) < SPACING;
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
