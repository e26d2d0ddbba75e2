// The real places of cells: which there are, where they lie, what is known of their images. Crops are kept
// cell by cell, cut from strips of many cells once they come into view.

import { numbers } from "./dom.js";

const SPARE = 240; // cells beyond those in view whose crops are kept

/** Numbers of the real places of a cell, from 0; [] if there are none. */
export function placesOf(grid, i) {
  const { per_cell: per } = grid.shape.exemplars ?? { per_cell: 0 };
  const images = grid.read("place_image");
  const count = Math.min(per, grid.images?.[i]?.length ?? per);
  if (!images) return Array.from({ length: count }, (_, k) => k);
  return Array.from({ length: per }, (_, k) => k).filter((k) => images[i * per + k] >= 0);
}

/** The number of the image of a real place; -1 if it is not known. */
export function imageOf(grid, i, k) {
  const { per_cell: per } = grid.shape.exemplars;
  return grid.read("place_image")?.[i * per + k] ?? grid.images?.[i]?.[k] ?? -1;
}

/** The crop in the square that the network saw: [left, top, right, bottom], 0 to 1; null if it is not known. */
export function boxOf(grid, i, k) {
  const at = 4 * (i * grid.shape.exemplars.per_cell + k);
  const box = grid.read("place_box")?.subarray(at, at + 4);
  return box && box[2] > box[0] && box[3] > box[1] ? Array.from(box, (value) => value / 65535) : null;
}

/** The box in an image of this size, as shares of its sides. The network saw a centred square, or all of it. */
export function boxIn(width, height, kept, [left, top, right, bottom]) {
  if (kept === null) return [left, top, right, bottom];
  const side = kept * Math.min(width, height);
  const along = (value, length) => ((length - side) / 2 + value * side) / length;
  return [along(left, width), along(top, height), along(right, width), along(bottom, height)];
}

/** The atlas that a map is of, as the manifest has it. */
const atlasOf = ({ manifest }, map) => (manifest.maps[map].atlas ? manifest.others[manifest.maps[map].atlas - 1] : manifest);

/** Whether whole images of a map may be shown. */
export function hasPictures({ manifest }, map) {
  const atlas = atlasOf({ manifest }, map);
  return Boolean(manifest.pictures) && (atlas === manifest || Boolean(atlas.same_images));
}

/** The name of an image's file; undefined if the page has none. */
export function fileOf({ manifest }, map, image) {
  const atlas = atlasOf({ manifest }, map);
  return (atlas.same_images ? manifest : atlas).images?.[image];
}

/** What images of a map show, and what the network takes them for: a function of an image, to {label, prediction}. */
export async function shownBy(model, map) {
  const { labels } = atlasOf(model, map);
  if (!labels) return () => ({});
  const number = model.manifest.maps[map].atlas;
  const data = await model.part(number ? `${String.fromCharCode(97 + number)}-labels` : "labels");
  const [label, prediction] = [data.label, data.prediction].map((column) => column && numbers(column));
  const name = (index, vocabulary) => (index >= 0 ? vocabulary?.[index] ?? model.name(index) : undefined);
  return (image) => ({ label: name(label?.[image] ?? -1, labels.vocabulary), prediction: name(prediction?.[image] ?? -1) });
}

/** Name of the strip that has a cell's crops. */
export function stripOf(grid, i) {
  return `${grid.prefix}-x${Math.floor(i / grid.shape.exemplars.chunk)}`;
}

/** Draw a crop from its strip. */
export function drawCrop(context, strip, grid, i, k, side) {
  const { px, chunk } = grid.shape.exemplars;
  context.drawImage(strip, k * px, (i % chunk) * px, px, px, 0, 0, side, side);
}

/** Crops of cells, a row each. A strip is not kept for them: a view can need more of those than there is room for. */
export class Crops {
  constructor(app) {
    Object.assign(this, { app, frame: 0, count: 0, waiting: 0, limit: SPARE });
    this.rows = new Map(); // grid -> Map of cell -> {row, asked}
  }

  /** Whether the crops of a cell are there. */
  has(grid, i) {
    return Boolean(this.rows.get(grid)?.get(i)?.row);
  }

  /** The crops of a cell side by side; undefined while they are loading. */
  row(grid, i) {
    if (this.frame !== this.app.tiles.frame) this.#begin();
    let cells = this.rows.get(grid);
    if (!cells) this.rows.set(grid, (cells = new Map()));
    const known = cells.get(i);
    if (known) {
      known.asked = this.frame;
      if (!known.row) this.waiting++;
      return known.row;
    }
    const strip = this.app.tiles.picture(stripOf(grid, i));
    this.waiting++;
    if (strip) this.#cut(strip, grid, i, cells);
    return undefined;
  }

  #cut(strip, grid, i, cells) {
    const { px, chunk, per_cell: per } = grid.shape.exemplars;
    const entry = { row: undefined, asked: this.frame };
    cells.set(i, entry);
    this.count++;
    createImageBitmap(strip, 0, (i % chunk) * px, per * px, px).then((row) => {
      if (cells.get(i) !== entry) return row.close();
      entry.row = row;
      this.app.changed();
    }, () => this.#drop(cells, i));
  }

  #drop(cells, i) {
    cells.get(i)?.row?.close();
    if (cells.delete(i)) this.count--;
  }

  /** Begin a frame; crops that were not in the last few are dropped once there are too many. */
  #begin() {
    this.frame = this.app.tiles.frame;
    this.waiting = 0;
    if (this.count <= this.limit) return;
    for (const cells of this.rows.values()) {
      for (const [i, { asked }] of cells) if (asked < this.frame - 2) this.#drop(cells, i);
    }
    this.limit = this.count + SPARE;
  }

  clear() {
    for (const cells of this.rows.values()) for (const i of [...cells.keys()]) this.#drop(cells, i);
  }
}
