// The content of an atlas, read part by part.

import { bytes, numbers } from "./dom.js";

// Not the cosine, whose size depends on the layer. Below 0.4 are 6 % of the icons of GoogLeNet's mixed4c
// and 17 % of mixed5b's; see docs/trust.md.
const OF_ICONS = ["faithful", "natural", "stable"];
const DOUBT = 0.4;
const HOLDS = 0.15; // of the images, as `min_share` of jatlas.explain.NameConfig

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

/** Values of a coarser grid at the cells of a grid; 0 where it has no cell. */
function resampled(grid, coarse, values) {
  const at = Int32Array.from({ length: grid.size }, (_, k) => Math.floor(((k + 0.5) * coarse.size) / grid.size));
  const out = new Float32Array(grid.cell.length);
  for (let i = 0; i < out.length; i++) {
    const j = coarse.at[at[grid.row(i)] * coarse.size + at[grid.column(i)]];
    if (j >= 0) out[i] = values[j];
  }
  return out;
}

const MAX_HEATS = 40; // classes whose evidence is kept, one number per cell each
const MAX_EVIDENCE = 40; // parts of evidence that are kept, a quarter of a megabyte each

export class Model {
  constructor(manifest, source) {
    this.manifest = manifest;
    this.source = source;
    this.maps = manifest.maps;
    this.classes = manifest.classes;
    this.kept = new Map();
    this.heats = new Set(); // names, oldest first
    this.evidence = new Set(); // likewise
  }

  get hasClasses() {
    return this.classes.length > 0;
  }

  name(index) {
    return this.classes[index] ?? `class ${index}`;
  }

  /** The name of a cell; undefined if it has none that holds. Without names, its class with the most evidence. */
  cellName(grid, i) {
    if (grid.names) return grid.claim(i)?.name;
    const id = grid.first(i);
    return id === undefined ? undefined : this.name(id);
  }

  /** The name of a cell on the map: none if it does not hold for images that it was not chosen on. */
  mapName(grid, i) {
    return grid.claim(i)?.heldOut < HOLDS ? undefined : this.cellName(grid, i);
  }

  /** Whether it was measured of some cells how far they can be trusted. */
  get hasTrust() {
    return this.maps.some((map) => map.grids.some((grid) => grid.trust));
  }

  /** Whether the cells of a map have names. */
  get hasNames() {
    return this.hasClasses || this.maps.some((map) => map.regions?.length);
  }

  /** The grid of this size if it has been read, else undefined; then `changed` is called later. */
  now(map, size, changed) {
    const grid = this.kept.get(`m${map}-g${size}`)?.value;
    if (!grid) this.grid(map, size).then(changed, () => {});
    return grid;
  }

  grid(map, size) {
    const name = `m${map}-g${size}`;
    return this.#once(name, async () => {
      const shape = this.maps[map].grids.find((grid) => grid.size === size);
      return new Grid(map, name, shape, await this.#take(name));
    });
  }

  /** Evidence of every cell of a grid for one class: {values, high, low}. */
  heat(grid, index) {
    const name = `${grid.prefix}-class${index}`;
    this.#keep(this.heats, name, MAX_HEATS);
    return this.#once(name, async () => {
      const values = await this.#evidence(grid, index);
      let high = 0;
      let low = 0;
      for (const value of values) {
        if (value > high) high = value;
        if (value < low) low = value;
      }
      return { values, high, low };
    });
  }

  /** The evidence if it has been read, else undefined. */
  heatNow(grid, index) {
    return this.kept.get(`${grid.prefix}-class${index}`)?.value;
  }

  async #evidence(grid, index) {
    const has = (shape) => shape.evidence && index < shape.evidence.classes;
    if (has(grid.shape)) return this.#exact(grid, index);
    const others = this.maps[grid.map].grids.filter((shape) => shape.size < grid.size && has(shape));
    if (others.length) {
      // Its evidence was left out as too large: use that of the next coarser grid.
      const coarse = await this.grid(grid.map, others.at(-1).size);
      const values = await this.#exact(coarse, index);
      return resampled(grid, coarse, values);
    }
    const values = new Float32Array(grid.cell.length);
    const [labels, top] = [grid.read("labels"), grid.read("values")];
    labels.forEach((id, j) => id === index && (values[Math.floor(j / grid.per)] = top[j]));
    return values;
  }

  async #exact(grid, index) {
    const { chunk } = grid.shape.evidence;
    const part = `${grid.prefix}-e${Math.floor(index / chunk)}`;
    this.#keep(this.evidence, part, MAX_EVIDENCE);
    const { scale, values } = await this.#once(part, async () => {
      const data = await this.#take(part);
      return { scale: data.scale, values: new Int8Array(bytes(data.values).buffer) };
    });
    const cells = grid.cell.length;
    const within = index % chunk;
    const unit = scale[within] / 127;
    return Float32Array.from(values.subarray(within * cells, (within + 1) * cells), (v) => v * unit);
  }

  /** Positions of the samples of a map: x and y alternating, 65536 per side; null if unknown. */
  samples(map) {
    if (!this.maps[map].stride) return Promise.resolve(null);
    const name = `m${map}-samples`;
    return this.#once(name, async () => new Uint16Array(bytes((await this.#take(name)).xy).buffer));
  }

  /** Other maps whose samples are the same positions of the same images. */
  companions(map) {
    const { stride, samples, kind } = this.maps[map];
    const same = (other) => other.stride === stride && other.samples === samples && other.kind === "layer";
    if (!stride || kind !== "layer") return [];
    return this.maps.flatMap((other, i) => (i !== map && same(other) ? [i] : []));
  }

  /** Indices of the samples that fall into a cell. */
  async members(map, size, cell) {
    const xy = await this.samples(map);
    const members = [];
    for (let i = 0; xy && i < xy.length; i += 2) {
      const column = Math.floor((xy[i] * size) / 65536);
      const row = Math.floor((xy[i + 1] * size) / 65536);
      if (row * size + column === cell) members.push(i / 2);
    }
    return members;
  }

  /** Move a name to the end of a set, and drop what its oldest names stand for. */
  #keep(names, name, limit) {
    names.delete(name);
    names.add(name);
    for (const old of names) {
      if (names.size <= limit) return;
      names.delete(old);
      this.kept.delete(old);
    }
  }

  async #take(name) {
    const value = await this.source.json(name);
    this.source.forget(name);
    return value;
  }

  #once(name, make) {
    let entry = this.kept.get(name);
    if (!entry) {
      entry = { promise: make() };
      this.kept.set(name, entry);
      entry.promise.then(
        (value) => (entry.value = value),
        () => this.kept.delete(name),
      );
    }
    return entry.promise;
  }
}
