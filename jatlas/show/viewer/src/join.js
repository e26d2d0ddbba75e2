// In which cells of one map the samples of a cell of another lie: looked up in tables made once a grid.

const MAX_TABLES = 8; // grids whose tables are kept, 8 bytes a sample

export class Joins {
  /** @param changed called when tables are ready that were asked for */
  constructor(model, changed) {
    Object.assign(this, { model, changed, tables: new Map(), making: new Set() });
  }

  /** Whether two maps have samples at the same positions of the same images. */
  linked(map, other) {
    const [a, b] = [this.model.maps[map], this.model.maps[other]];
    return map === other ? Boolean(a.stride) : Boolean(a.places && a.places === b.places && a.stride && b.stride);
  }

  /** The tables of a grid; undefined while they are made, null if its samples are not known. */
  now(grid) {
    const tables = this.tables.get(grid);
    if (tables === undefined && !this.making.has(grid)) {
      this.making.add(grid);
      this.#make(grid).then(this.changed, () => this.#keep(grid, null));
    } else if (tables !== undefined) this.#keep(grid, tables);
    return tables;
  }

  async #make(grid) {
    const { model } = this;
    const [samples, located] = await Promise.all([model.samples(grid.map), model.cellsOf(grid)]);
    this.#keep(grid, samples && tablesOf(samples.ids, located, model.maps[grid.map].stride));
  }

  #keep(grid, tables) {
    this.making.delete(grid);
    this.tables.delete(grid);
    this.tables.set(grid, tables);
    for (const old of this.tables.keys()) {
      if (this.tables.size <= MAX_TABLES) return;
      this.tables.delete(old);
    }
  }
}

/**
 * Tables of a grid: {cellOf, start, keys}. `cellOf` has the cell of each sample by its key, its id divided by
 * the stride, -1 for none; `keys` those of the first cell's samples, then of the second's, from `start`.
 */
export function tablesOf(ids, { of: cells, count }, stride) {
  const start = new Uint32Array(count.length + 1);
  for (let i = 0; i < count.length; i++) start[i + 1] = start[i] + count[i];
  const last = ids.reduce((high, id) => Math.max(high, id), -1);
  const cellOf = new Int32Array(Math.floor(last / stride) + 1).fill(-1);
  const keys = new Uint32Array(start.at(-1));
  const next = start.slice();
  for (let j = 0; j < ids.length; j++) {
    if (cells[j] < 0) continue;
    const key = Math.floor(ids[j] / stride);
    cellOf[key] = cells[j];
    keys[next[cells[j]]++] = key;
  }
  return { cellOf, start, keys };
}

/**
 * The cells of a grid that hold samples of a cell of another: {shares, found, all}. `shares` is a Map from
 * cells to the share of their samples, `found` how many of all its samples lie in a cell there.
 */
export function shared(from, cell, to) {
  const shares = new Map();
  let found = 0;
  const [first, end] = [from.start[cell], from.start[cell + 1]];
  for (let j = first; j < end; j++) {
    const i = to.cellOf[from.keys[j]] ?? -1;
    if (i < 0) continue;
    found++;
    shares.set(i, (shares.get(i) ?? 0) + 1);
  }
  for (const [i, count] of shares) shares.set(i, count / (to.start[i + 1] - to.start[i]));
  return { shares, found, all: end - first };
}
