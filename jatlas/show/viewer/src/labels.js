// Names on the map: of regions while it is seen from far, of cells once they are large. Which cells get
// one depends on the zoom only, not on the position, so that names stay in place while the map moves;
// more appear as cells grow.

import { clamp, shortName } from "./dom.js";

const FONT = "600 12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
const LENGTH = 24; // letters
const WIDEST = 280; // px
const HEIGHT = 18;
const CELL = { key: "cell", font: FONT, height: HEIGHT, pad: 5, ink: "#fff", ground: pill };
const ALL = 92; // px: from this size on all cells are named
const SMALLEST = 15; // px: cells smaller than this are too small to label
const MARGIN = [14, 15]; // px around each name: the icons come first
const SPACING = 250; // px between two cells with the same name
const BLOCK = 320; // px: more than SPACING and than a name with its margins
const MAX_SPRITES = 1000;
const REGION = { font: "650 15px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", height: 25, pad: 6 };
const REGIONS = {
  light: { ...REGION, key: "light", ink: "#191b1f", ground: halo("rgba(255, 255, 255, 0.94)") },
  dark: { ...REGION, key: "dark", ink: "#fff", ground: halo("rgba(10, 12, 14, 0.94)") },
};
const REGION_PX = 240; // px: regions of a level are shown once they are about as wide ...
const CELLS_PX = 60; // px: ... until cells are, from which on these are named
const LIT = 0.4; // light of a cell: darker ones are not named
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
    this.dark = false; // the theme
    this.veiled = false; // see veil.js
    this.dpr = null; // pixels of the canvas per CSS pixel; by default those of the screen
  }

  /** The cells to name at a width of `cellPx`: Names, or null for all of them. */
  choose(grid, cellPx) {
    if (cellPx >= ALL) return null;
    const bucket = Math.floor(Math.log2(cellPx) * 4);
    const key = `${grid.prefix}:${bucket}`;
    const known = [this.placed, this.next].find((names) => names?.key === key);
    const named = (i) => this.model.mapName(grid, i);
    return known ?? new Names(key, grid, 2 ** (bucket / 4), named, (name) => this.#width(name));
  }

  #width(name) {
    if (!this.widths.has(name)) {
      const width = this.ruler.measureText(shortName(name, LENGTH)).width;
      this.widths.set(name, Math.min(width, WIDEST) + 2 * CELL.pad);
    }
    return this.widths.get(name);
  }

  /** A name as a picture at most `limit` px wide, drawn once. */
  sprite(name, limit = Infinity, until = Infinity, look = CELL) {
    const dpr = this.dpr ?? Math.min(devicePixelRatio || 1, 2);
    const key = `${look.key}:${limit < 130 ? Math.floor(limit / 8) : "whole"}:${dpr}:${name}`;
    let sprite = this.sprites.get(key);
    if (!sprite && performance.now() < until) {
      sprite = drawName(name, limit < 130 ? Math.floor(limit / 8) * 8 : WIDEST, dpr, look);
      if (this.sprites.size >= MAX_SPRITES) this.sprites.delete(this.sprites.keys().next().value);
      this.sprites.set(key, sprite);
    }
    return sprite;
  }

  /** Draw the names in view and return how many; `behind` tells whether some are left. */
  draw(context, grid, camera, range, alpha, light) {
    this.behind = false;
    const cellPx = camera.scale / grid.size;
    const until = performance.now() + BUDGET;
    const regions = cellPx < CELLS_PX ? this.regions(grid.map, camera.scale) : [];
    if (regions.length && this.veiled) return 0; // they would cover the few cells that are lit
    if (regions.length) return this.#drawRegions(context, regions, camera, alpha);
    if (cellPx < SMALLEST) return 0;
    const cells = cellPx >= ALL ? all(grid, range) : this.#inView(grid, cellPx, range, until);
    const limit = cellPx >= ALL ? cellPx - 10 : Infinity;
    let drawn = 0;
    context.globalAlpha = alpha;
    for (const i of cells) {
      const name = this.model.mapName(grid, i);
      if (name === undefined || light?.(i) < LIT) continue;
      const [x, y] = camera.toScreen((grid.column(i) + 0.5) / grid.size, (grid.row(i) + 1) / grid.size);
      if (x < -BLOCK / 2 || y < -BLOCK / 2 || x > camera.width + BLOCK / 2 || y > camera.height + BLOCK / 2) continue;
      const sprite = this.sprite(name, limit, until);
      if (!sprite) {
        this.behind = true;
        continue;
      }
      // Whole where the cell is in view.
      const left = inside(x, sprite.width, camera.width);
      context.drawImage(sprite.canvas, left, Math.round(y - HEIGHT - 2), sprite.width, sprite.height);
      drawn++;
    }
    context.globalAlpha = 1;
    return drawn;
  }

  /** The regions to name at a scale, largest first: those of the finest level that is not too fine. */
  regions(map, scale) {
    const all = this.model.maps[map].regions ?? [];
    let shown = [];
    for (let level = 0, some = all; some.length; level++) {
      some = all.filter((region) => region.level === level);
      if (some.length && (!shown.length || scale / Math.sqrt(some.length) >= REGION_PX)) shown = some;
    }
    return [...shown].sort((a, b) => b.images - a.images);
  }

  #drawRegions(context, regions, camera, alpha) {
    const taken = [];
    context.globalAlpha = alpha;
    for (const { name, at } of regions) {
      const [x, y] = camera.toScreen(...at);
      if (x < 0 || y < 0 || x > camera.width || y > camera.height) continue;
      const sprite = this.sprite(name, Infinity, Infinity, REGIONS[this.dark ? "dark" : "light"]);
      const left = inside(x, sprite.width, camera.width);
      const box = { x: left + sprite.width / 2, y, half: sprite.width / 2 };
      const free = (other) => Math.abs(box.x - other.x) > box.half + other.half || Math.abs(y - other.y) > REGION.height - 2;
      if (!taken.every(free)) continue;
      taken.push(box);
      context.drawImage(sprite.canvas, left, Math.round(y - sprite.height / 2), sprite.width, sprite.height);
    }
    context.globalAlpha = 1;
    return taken.length;
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

/** Left end of a name around a point, moved into the window if the point is in it. */
function inside(x, width, window) {
  const left = Math.round(x - width / 2);
  return x < 0 || x > window ? left : clamp(left, 2, Math.max(2, window - width - 2));
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
  constructor(key, grid, cellPx, nameOf, widthOf) {
    Object.assign(this, { key, grid, cellPx, nameOf, widthOf });
    this.side = Math.ceil(BLOCK / cellPx); // cells
    this.across = Math.ceil(grid.size / this.side);
    this.blocks = new Map(); // number of the block -> [{i, text, x, y, half}]
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
      const text = this.nameOf(i);
      const half = this.widthOf(text) / 2 + MARGIN[0];
      const name = { i, text, x: (grid.column(i) + 0.5) * cellPx, y: (grid.row(i) + 1) * cellPx, half };
      const free = (other) => !collide(name, other);
      if (names.every(free) && before.every(free)) names.push(name);
    }
    return names;
  }

  /** Those of some cells that have a name, by how well it holds and for how many. */
  #strongest(cells) {
    const { grid } = this;
    const strength = new Map();
    for (const i of cells) {
      if (this.nameOf(i) === undefined) continue;
      const { shown, images } = grid.claim(i) ?? {};
      const holds = images ? shown / images : grid.read("values")[i * grid.per];
      strength.set(i, holds * Math.sqrt(grid.count[i]));
    }
    return [...strength.keys()].sort((a, b) => strength.get(b) - strength.get(a) || a - b);
  }
}

/** Whether two names overlap with their margins, or are the same and close. */
function collide(a, b) {
  const [dx, dy] = [Math.abs(a.x - b.x), Math.abs(a.y - b.y)];
  if (dx < a.half + b.half && dy < HEIGHT + 2 * MARGIN[1]) return true;
  return a.text === b.text && Math.hypot(dx, dy) < SPACING;
}

function drawName(name, limit, dpr, look) {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  const { font, height, pad } = look;
  context.font = font;
  let shown = shortName(name, LENGTH);
  while (shown.length > 2 && context.measureText(shown).width > limit) {
    shown = `${shown.replace(/…$/, "").slice(0, -1).trimEnd()}…`;
  }
  const width = Math.ceil(clamp(context.measureText(shown).width, 1, 400)) + 2 * pad;
  canvas.width = width * dpr;
  canvas.height = height * dpr;
  context.scale(dpr, dpr);
  context.font = font;
  context.textAlign = "center";
  context.textBaseline = "middle";
  look.ground(context, shown, width, height);
  context.fillStyle = look.ink;
  context.fillText(shown, width / 2, height / 2 + 0.5);
  return { canvas, width, height };
}

/** The ground of a cell's name: a pill that an icon shows through. */
function pill(context, _, width, height) {
  context.fillStyle = "rgba(16, 18, 22, 0.78)";
  context.beginPath();
  context.roundRect(0.5, 1, width - 1, height - 2, 3);
  context.fill();
}

/** The ground of a region's name: a halo, as on maps of land. */
function halo(colour) {
  return (context, shown, width, height) => {
    context.lineJoin = "round";
    context.lineWidth = 5;
    context.strokeStyle = colour;
    context.strokeText(shown, width / 2, height / 2 + 0.5);
  };
}
