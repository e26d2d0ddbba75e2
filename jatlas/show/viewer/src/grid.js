// One grid of a map: its cells, column by column.

import { numbers } from "./dom.js";

// Not the cosine, whose size depends on the layer. Below 0.4 are 6 % of the icons of GoogLeNet's mixed4c
// and 17 % of mixed5b's; see docs/trust.md.
const OF_ICONS = ["faithful", "natural", "stable"];
const DOUBT = 0.4;
const STEPS = 65536; // of a sample's position, per side

/** One grid: columns of numbers, one entry per cell that has an icon. */
export class Grid {
  constructor(map, prefix, shape, data) {
    Object.assign(this, { map, prefix, size: shape.size, px: shape.px, tile: shape.tile, shape });
    this.per = data.per;
    this.images = data.exemplars;
    this.names = names(data.names);
    this.evidenceNames = names(data.evidence_names);
    this.trust = Object.entries(data.trust ?? {}).map(([name, column]) => [name, numbers(column)]);
    this.encoded = data;
    this.decoded = {};
    this.cell = this.read("cell");
    this.count = this.read("count");
    this.at = new Int32Array(this.size * this.size).fill(-1);
    let total = 0;
    this.largest = 1;
    for (let i = 0; i < this.cell.length; i++) {
      this.at[this.cell[i]] = i;
      total += this.count[i];
      this.largest = Math.max(this.largest, this.count[i]);
    }
    this.average = total / (this.size * this.size) || 1;
    this.byTile = new Map();
  }

  /** A column of numbers, decoded when it is first asked for; undefined if the atlas lacks it. */
  read(name) {
    if (this.encoded[name]) {
      this.decoded[name] = numbers(this.encoded[name]);
      this.encoded[name] = null;
    }
    return this.decoded[name];
  }

  row(i) {
    return Math.floor(this.cell[i] / this.size);
  }

  column(i) {
    return this.cell[i] % this.size;
  }

  /** Index of the cell at a point of the unit square, or -1. */
  find(x, y) {
    if (!(x >= 0 && y >= 0 && x < 1 && y < 1)) return -1;
    return this.at[Math.floor(y * this.size) * this.size + Math.floor(x * this.size)];
  }

  /** The cells that samples lie in, -1 for none, and how many each cell has: {of, count}; positions as in the data. */
  locate(xy) {
    const of = new Int32Array(xy.length / 2);
    const count = new Uint32Array(this.cell.length);
    for (let i = 0; i < of.length; i++) {
      of[i] = this.find(xy[2 * i] / STEPS, xy[2 * i + 1] / STEPS);
      if (of[i] >= 0) count[of[i]]++;
    }
    return { of, count };
  }

  centre(i) {
    return [(this.column(i) + 0.5) / this.size, (this.row(i) + 0.5) / this.size];
  }

  /** Bounding box of the cells: [left, top, right, bottom] in the unit square. */
  bounds() {
    let [left, top, right, bottom] = [1, 1, 0, 0];
    for (let i = 0; i < this.cell.length; i++) {
      const [column, row] = [this.column(i) / this.size, this.row(i) / this.size];
      [left, top] = [Math.min(left, column), Math.min(top, row)];
      [right, bottom] = [Math.max(right, column + 1 / this.size), Math.max(bottom, row + 1 / this.size)];
    }
    return this.cell.length ? [left, top, right, bottom] : [0, 0, 1, 1];
  }

  /** Top classes of a cell: [class, evidence], by descending evidence. */
  labels(i) {
    return pairs(this.read("labels"), this.read("values"), this.per, i);
  }

  /** Classes with the most negative evidence: [class, evidence], by ascending evidence. */
  against(i) {
    const against = this.read("against");
    return against ? pairs(against, this.read("against_values"), against.length / this.cell.length, i) : [];
  }

  /** Class with the most evidence in a cell, undefined if it has none. */
  first(i) {
    const id = this.per ? this.read("labels")[i * this.per] : -1;
    return id >= 0 ? id : undefined;
  }

  /** How far the name of each cell holds: the share of its images that show it; NaN without a name. */
  get holds() {
    if (!this.names) return undefined;
    return Float32Array.from(this.cell, (_, i) => {
      const { shown, images, heldOut } = this.claim(i) ?? {};
      return Number.isNaN(heldOut ?? NaN) ? shown / images : heldOut;
    });
  }

  /** What the images of a cell have in common: {name, shown, images, heldOut}; undefined if unclear. */
  claim(i) {
    return this.names?.(i);
  }

  /** The same of the classes that its samples have most evidence for. */
  evidenceClaim(i) {
    return this.evidenceNames?.(i);
  }

  /** How far the cell can be trusted: [measure, 0 to 1]; [] if that was not measured. */
  measures(i) {
    return this.trust.map(([name, values]) => [name, values[i]]).filter(([, value]) => !Number.isNaN(value));
  }

  /** Whether the icon is unlike what it stands for: the mean of what was measured of it is low. */
  doubtful(i) {
    const of = this.measures(i).filter(([name]) => OF_ICONS.includes(name));
    return of.length > 0 && of.reduce((sum, [, value]) => sum + value, 0) < DOUBT * of.length;
  }

  /** The largest evidence that a cell lists for or against a class: the scale of all bars of the map. */
  get strongest() {
    const largest = (name) => (this.read(name) ?? []).reduce((high, value) => Math.max(high, Math.abs(value)), 0);
    return (this.scale ??= Math.max(largest("values"), largest("against_values")) || 1);
  }

  /** The share of the other cells whose icon matches its direction less well; NaN if unknown. */
  rank(i) {
    this.ranked ??= Float32Array.from(this.read("cosine") ?? []).filter((value) => !Number.isNaN(value)).sort();
    if (this.ranked.length < 2 || Number.isNaN(this.cosine(i))) return NaN;
    return this.ranked.findIndex((value) => value >= this.cosine(i)) / (this.ranked.length - 1);
  }

  /** How well the icon matches the direction of its cell: a cosine, NaN if unknown. */
  cosine(i) {
    return this.read("cosine")?.[i] ?? NaN;
  }

  /** The cells in a rectangle of rows and columns, row by row; the ends are not included. */
  within(left, top, right, bottom) {
    const cells = [];
    for (let row = top; row < Math.min(bottom, this.size); row++) {
      for (let column = left; column < Math.min(right, this.size); column++) {
        const i = this.at[row * this.size + column];
        if (i >= 0) cells.push(i);
      }
    }
    return cells;
  }

  /** The cells of a tile, found when it first comes into view. */
  tileCells(level, x, y) {
    const key = `${level}-${x}-${y}`;
    let cells = this.byTile.get(key);
    if (!cells) {
      const step = this.tile << level;
      cells = Int32Array.from(this.within(x * step, y * step, (x + 1) * step, (y + 1) * step));
      this.byTile.set(key, cells);
    }
    return cells;
  }

  /** Fraction of the cell's side that an icon fills: its area shows the number of samples. */
  side(i, density) {
    return density === Infinity ? 1 : Math.min(1, Math.sqrt((density * this.count[i]) / this.average));
  }
}

/** Names and how well they hold, by cell; undefined if there are none. */
function names(data) {
  if (!data) return undefined;
  const { vocabulary } = data;
  const [name, shown, images, heldOut] = ["name", "shown", "images", "held_out"].map((column) => numbers(data[column]));
  return (i) => (name[i] < 0 ? undefined
    : { name: vocabulary[name[i]], shown: shown[i], images: images[i], heldOut: heldOut[i] });
}

function pairs(ids, values, per, i) {
  const labels = [];
  // The values have four digits, as single-precision numbers: 0.1234 is not to be 0.12340000271.
  for (let j = i * per; j < (i + 1) * per; j++) if (ids[j] >= 0) labels.push([ids[j], Number(values[j].toPrecision(4))]);
  return labels;
}
