// Tiles of icons: loaded when they come into view, drawn once with the sizes and the light of
// their cells, then moved about as one picture. What is longest out of view goes first.

const SPARE_TILES = 24; // beyond those in view, of at most 640 x 640 px, which is 1.6 MB
const MOST_PICTURES = 32;
const LOADING = 6; // at once

export class Tiles {
  constructor(source, changed) {
    Object.assign(this, { source, changed });
    this.pictures = new Map(); // name -> ImageBitmap, oldest first
    this.loading = new Map(); // name -> promise
    this.drawn = new Map(); // name -> {bitmap, version}, oldest first
    this.jobs = new Map(); // name -> Job, begun and not done
    this.failed = new Set();
    Object.assign(this, { budget: 0, spent: 0, asked: 0, most: SPARE_TILES });
  }

  /** Begin a frame: milliseconds that may go into drawing tiles. */
  begin(budget) {
    this.budget = budget;
    this.spent = 0;
    this.most = SPARE_TILES + this.asked;
    this.asked = 0;
    // What went out of view half done is begun anew when it comes back.
    if (this.jobs.size > this.most) this.jobs.clear();
  }

  /** Whether the frame's time is used up, so that something may be left to draw. */
  get behind() {
    return this.spent >= this.budget;
  }

  /** The tile as a bitmap, or undefined while it is not there; asks for it. */
  tile(grid, level, key, style) {
    this.asked++;
    const name = `${grid.prefix}-${level}-${key}`;
    const entry = this.drawn.get(name);
    if (entry) {
      this.drawn.delete(name);
      this.drawn.set(name, entry);
      if (entry.version === style.version) return entry.bitmap;
    }
    let job = this.jobs.get(name);
    if (job?.version !== style.version) {
      const picture = this.behind ? undefined : this.picture(name);
      if (!picture) return entry?.bitmap;
      job = new Job(picture, grid, level, grid.tiles(level).get(key), style);
      this.jobs.set(name, job);
    }
    const start = performance.now();
    const done = job.work(start + this.budget - this.spent);
    this.spent += performance.now() - start;
    if (!done) return entry?.bitmap;
    this.jobs.delete(name);
    entry?.bitmap.close();
    // Not kept as a canvas, of which a browser may hold a copy to draw from.
    const bitmap = job.canvas.transferToImageBitmap();
    this.drawn.set(name, { bitmap, version: style.version });
    shed(this.drawn, this.most, (old) => old.bitmap.close());
    return bitmap;
  }

  /** A drawn tile, if there is one; does not ask for it. */
  peek(grid, level, key) {
    return this.drawn.get(`${grid.prefix}-${level}-${key}`)?.bitmap;
  }

  /** The picture of a tile, or undefined while it is not there; asks for it. */
  picture(name, kind = "jpg") {
    const here = this.pictures.get(name);
    if (here) {
      this.pictures.delete(name);
      this.pictures.set(name, here);
      return here;
    }
    if (this.loading.size < LOADING && !this.failed.has(name)) this.load(name, kind);
    return undefined;
  }

  /** Load a picture; resolves to null if it cannot be. */
  load(name, kind = "jpg") {
    const here = this.pictures.get(name);
    if (here) return Promise.resolve(here);
    if (!this.loading.has(name)) {
      const loaded = this.#fetch(name, kind).then(
        (image) => {
          this.pictures.set(name, image);
          shed(this.pictures, MOST_PICTURES, (old) => this.#close(old));
          return image;
        },
        () => {
          this.failed.add(name);
          return null;
        },
      );
      this.loading.set(name, loaded);
      loaded.finally(() => {
        this.loading.delete(name);
        this.changed();
      });
    }
    return this.loading.get(name);
  }

  async #fetch(name, kind) {
    const found = await this.source.picture(name, kind);
    if (found instanceof Blob) return createImageBitmap(found);
    const image = new Image();
    // Not decode(): Chromium keeps what that gives, half a gigabyte of it, besides our own bitmap.
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new Error(`${name} is missing`));
      image.src = found;
    });
    return createImageBitmap(image);
  }

  #close(picture) {
    for (const job of this.jobs.values()) if (job.picture === picture) return;
    picture.close();
  }

  /** Draw one icon into a box, from its tile at full size; false while it is not there. */
  icon(context, grid, i, x, y, side) {
    const step = grid.tile;
    const [row, column] = [grid.row(i), grid.column(i)];
    const key = `${Math.floor(column / step)}-${Math.floor(row / step)}`;
    const picture = this.pictures.get(`${grid.prefix}-0-${key}`);
    if (!picture) return false;
    const px = grid.px[0];
    context.drawImage(picture, (column % step) * px, (row % step) * px, px, px, x, y, side, side);
    return true;
  }

  /** Have the tile of an icon loaded. */
  forIcon(grid, i) {
    const [row, column] = [grid.row(i), grid.column(i)];
    const key = `${Math.floor(column / grid.tile)}-${Math.floor(row / grid.tile)}`;
    return this.load(`${grid.prefix}-0-${key}`);
  }

  /** Bytes of the bitmaps that are kept. */
  get bytes() {
    let sum = 0;
    const add = (bitmap) => (sum += bitmap.width * bitmap.height * 4);
    for (const { bitmap } of this.drawn.values()) add(bitmap);
    for (const picture of this.pictures.values()) add(picture);
    return sum;
  }

  clear() {
    for (const { bitmap } of this.drawn.values()) bitmap.close();
    for (const picture of this.pictures.values()) picture.close();
    for (const kept of [this.drawn, this.jobs, this.pictures]) kept.clear();
  }
}

/** Drop the oldest entries of a map until `most` are left. */
function shed(map, most, dropped) {
  for (const [name, value] of map) {
    if (map.size <= most) return;
    map.delete(name);
    dropped(value);
  }
}

/**
 * Draws the cells of a tile as they are to be seen, a few milliseconds at a time. Outlines of dim
 * cells at full size are left to the stage: here they would grow with the zoom.
 */
class Job {
  /** @param style {density, light(i) -> 0..1 or null, outline, version} */
  constructor(picture, grid, level, cells, style) {
    Object.assign(this, { picture, grid, level, cells, style, version: style.version, next: 0 });
    this.px = grid.px[level];
    this.step = grid.tile << level;
    const side = Math.min(this.step, grid.size) * this.px;
    this.canvas = new OffscreenCanvas(side, side);
    this.context = this.canvas.getContext("2d");
    this.context.imageSmoothingQuality = this.px > 12 ? "high" : "low";
  }

  /** Draw until it is done or the time is over; true if it is done. */
  work(until) {
    const { picture, grid, px, step, style, context, cells } = this;
    let run = null; // neighbours in a row that are drawn whole go in one stroke
    const flush = () => {
      if (run) context.drawImage(picture, run.x, run.y, run.w, px, run.x, run.y, run.w, px);
      run = null;
    };
    for (; this.next < cells.length; this.next++) {
      if (this.next % 64 === 63 && performance.now() > until) {
        this.next++; // one more, lest a late frame gets nowhere
        flush();
        this.#cell(cells[this.next - 1]);
        return this.next >= cells.length;
      }
      const i = cells[this.next];
      if (style.light || grid.side(i, style.density) < 1) {
        flush();
        this.#cell(i);
        continue;
      }
      const x = (grid.column(i) % step) * px;
      const y = (grid.row(i) % step) * px;
      if (run && run.y === y && run.x + run.w === x) run.w += px;
      else {
        flush();
        run = { x, y, w: px };
      }
    }
    flush();
    return true;
  }

  #cell(i) {
    const { picture, grid, px, step, style, context } = this;
    const x = (grid.column(i) % step) * px;
    const y = (grid.row(i) % step) * px;
    const light = style.light ? style.light(i) : 1;
    const box = Math.max(px * grid.side(i, style.density), 1);
    const [left, top] = [x + (px - box) / 2, y + (px - box) / 2];
    if (light > 0.004) {
      context.globalAlpha = light;
      context.drawImage(picture, x, y, px, px, left, top, box, box);
      context.globalAlpha = 1;
    }
    if (style.light && this.level > 0 && light < 0.5 && box > 5) {
      context.strokeStyle = style.outline;
      context.strokeRect(left + 0.5, top + 0.5, box - 1, box - 1);
    }
  }
}
