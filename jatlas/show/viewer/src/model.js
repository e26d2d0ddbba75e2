// The content of an atlas, read part by part.

import { bytes, numbers } from "./dom.js";
import { Grid } from "./grid.js";
import { ranged } from "./quantities.js";

const HOLDS = 0.15; // of the images, as `min_share` of jatlas.explain.NameConfig
const MAX_HEATS = 40; // quantities whose values are kept, one number per cell each
const MAX_LOCATED = 8; // grids that samples are located in, 4 bytes a sample
const MAX_EVIDENCE = 40; // parts of evidence that are kept, a quarter of a megabyte each

export class Model {
  /** @param losses takes the names of parts that cannot be read; see losses.js */
  constructor(manifest, source, losses) {
    Object.assign(this, { manifest, source, losses });
    this.maps = manifest.maps;
    this.classes = manifest.classes;
    this.groups = [];
    this.kept = new Map();
    this.heats = new Set(); // names, oldest first
    this.parts = new Set(); // of evidence, likewise
    this.located = new Set(); // likewise
  }

  get hasClasses() {
    return this.classes.length > 0;
  }

  name(index) {
    return this.classes[index] ?? `class ${index}`;
  }

  /** The name of a class, with what tells it from others of the same name: its smallest group, or its number. */
  fullName(index) {
    const name = this.name(index);
    if (this.classes.indexOf(name) === this.classes.lastIndexOf(name)) return name;
    const groups = this.groups.filter((group) => group.classes.includes(index));
    const [nearest] = groups.sort((a, b) => a.classes.length - b.classes.length);
    return `${name} (${nearest ? nearest.name : `class ${index}`})`;
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

  /** Read the groups of classes, {name, classes, labels}, into `groups`; `labels` if labels have names of their own. */
  readGroups() {
    if (!this.manifest.groups) return Promise.resolve();
    return this.#once("groups", async () => {
      const data = await this.#take("groups");
      const classes = split(data.count, data.classes);
      const labels = data.labels && split(data.labels_count, data.labels);
      const groups = data.name.map((name, i) => ({ name, classes: classes[i], labels: labels?.[i] }));
      this.groups = groups.filter((group) => group.classes.length);
    });
  }

  /** The network as people write it. */
  get network() {
    const { title, network } = this.manifest.about;
    return String(title ?? network ?? "").slice(0, 80);
  }

  /** The two classes that a comparison compares, by index; [] for other maps. */
  compared(map) {
    const pair = this.maps[map].axes?.x;
    const found = Array.isArray(pair) ? pair.map((name) => this.classes.indexOf(name)) : [];
    return found.length === 2 && found.every((index) => index >= 0) ? found : [];
  }

  /** The grid of this size if it has been read, else undefined; then `changed` is called later. */
  now(map, size, changed) {
    const name = `m${map}-g${size}`;
    const grid = this.kept.get(name)?.value;
    if (!grid && !this.losses?.has(name)) this.grid(map, size).then(changed, changed);
    return grid;
  }

  grid(map, size) {
    const name = `m${map}-g${size}`;
    return this.#once(name, async () => {
      const shape = this.maps[map].grids.find((grid) => grid.size === size);
      return new Grid(map, name, shape, await this.#take(name));
    });
  }

  /** A quantity of every cell of a grid: {values, high, low}; null if it is not known of this grid. */
  heat(grid, quantity) {
    const name = `${grid.prefix}-${quantity.key}`;
    this.#keep(this.heats, name, MAX_HEATS);
    return this.#once(name, async () => {
      const values = await quantity.values(grid);
      return values ? ranged(values) : null;
    });
  }

  /** The same if it has been read, else undefined. */
  heatNow(grid, quantity) {
    return this.kept.get(`${grid.prefix}-${quantity.key}`)?.value;
  }

  /** The evidence of every cell for a class. */
  async evidence(grid, index) {
    const has = ({ evidence }) => evidence && index >= first(evidence) && index < first(evidence) + evidence.classes;
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

  async #exact(grid, number) {
    const { chunk } = grid.shape.evidence;
    const index = number - first(grid.shape.evidence);
    const part = `${grid.prefix}-e${Math.floor(index / chunk)}`;
    this.#keep(this.parts, part, MAX_EVIDENCE);
    const { scale, values } = await this.#once(part, async () => {
      const data = await this.#take(part);
      return { scale: data.scale, values: new Int8Array(bytes(data.values).buffer) };
    });
    const cells = grid.cell.length;
    const within = index % chunk;
    const unit = scale[within] / 127;
    return Float32Array.from(values.subarray(within * cells, (within + 1) * cells), (v) => v * unit);
  }

  /**
   * The samples of a map: {xy, ids}; null if unknown. `xy` has x and y alternating, 65,536 steps per
   * side; `ids` are equal in other maps for the same position of the same image.
   */
  samples(map) {
    if (!this.maps[map].stride) return Promise.resolve(null);
    const name = `m${map}-samples`;
    return this.#once(name, async () => {
      const data = await this.#take(name);
      const xy = new Uint16Array(bytes(data.xy).buffer);
      const { stride } = this.maps[map];
      return { xy, ids: data.id ? numbers(data.id) : Uint32Array.from({ length: xy.length / 2 }, (_, i) => i * stride) };
    });
  }

  /** Where the samples of a map are from: {image, row, column}, in their order; null if unknown. */
  origins(map) {
    if (!this.maps[map].source) return Promise.resolve(null);
    const name = `m${map}-source`;
    return this.#once(name, async () => {
      const data = await this.#take(name);
      return { image: numbers(data.image), row: numbers(data.row), column: numbers(data.column) };
    });
  }

  /** Other maps that have samples at the same positions of the same images. */
  companions(map) {
    const { places } = this.maps[map];
    const linked = (other) => this.maps[other].places === places && this.maps[other].stride;
    return places ? [...this.maps.keys()].filter((other) => other !== map && linked(other)) : [];
  }

  /** The cell of each sample of a grid's map, -1 for none, and how many each cell has: {of, count}; null if unknown. */
  cellsOf(grid) {
    const name = `${grid.prefix}-cells`;
    this.#keep(this.located, name, MAX_LOCATED);
    return this.#once(name, async () => {
      const samples = await this.samples(grid.map);
      return samples && grid.locate(samples.xy);
    });
  }

  /** Ids of the samples that fall into some cells of a grid, given by their index. */
  async members(grid, cells) {
    const [samples, located] = await Promise.all([this.samples(grid.map), this.cellsOf(grid)]);
    const wanted = new Set(cells);
    return new Set(samples?.ids.filter((_, i) => wanted.has(located.of[i])));
  }

  /** The share of each cell's samples that are among some ids: (cells,) 0 to 1, NaN where there are none. */
  async share(grid, members) {
    const [samples, located] = await Promise.all([this.samples(grid.map), this.cellsOf(grid)]);
    const found = new Float32Array(grid.cell.length);
    samples?.ids.forEach((id, i) => located.of[i] >= 0 && members.has(id) && found[located.of[i]]++);
    return found.map((value, i) => (located?.count[i] ? value / located.count[i] : NaN));
  }

  /** How much the cells of a grid are like a cell of the same map: cosines. */
  async likeness(grid, owner, cell) {
    const [mine, theirs] = await Promise.all([this.#vectors(grid), this.#vectors(owner)]);
    if (!mine || !theirs) return undefined;
    const { dims } = mine;
    const one = theirs.values.subarray(cell * dims, (cell + 1) * dims);
    return Float32Array.from(grid.cell, (_, i) => {
      let sum = 0;
      for (let k = 0; k < dims; k++) sum += one[k] * mine.values[i * dims + k];
      return sum / 127 / 127;
    });
  }

  #vectors(grid) {
    const dims = grid.shape.vectors;
    if (!dims) return Promise.resolve(null);
    const name = `${grid.prefix}-v`;
    return this.#once(name, async () => ({ dims, values: numbers((await this.#take(name)).vectors) }));
  }

  /** A part as it is: labels, a column. */
  part(name) {
    return this.#once(`part-${name}`, () => this.#take(name));
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
    let value;
    try {
      value = await this.source.json(name);
    } catch (error) {
      this.losses?.add(name, `viewer/data/${name}.js`);
      throw error;
    }
    this.losses?.found(name);
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

/** Lists that are one column, by their lengths. */
function split(lengths, column) {
  const all = [...numbers(column)];
  let at = 0;
  return Array.from(numbers(lengths), (length) => all.slice(at, (at += length)));
}

/** The class that the evidence of a grid begins with: not 0 in a second atlas with classes of its own. */
const first = (evidence) => evidence.first ?? 0;

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
