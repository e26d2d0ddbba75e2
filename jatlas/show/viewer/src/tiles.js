// Tiles of icons: loaded when they come into view, drawn once with the sizes and the highlight of
// their cells, then moved as one picture. The least recently used are evicted first.

const SPARE_TILES = 24; // beyond those in view, of at most 640 x 640 px, which is 1.6 MB
const MAX_PICTURES = 32;
const LOADING = 6; // at once

export class Tiles {
  constructor(source, changed) {
    Object.assign(this, { source, changed });
    this.pictures = new Map(); // name -> ImageBitmap, oldest first
    this.loading = new Map(); // name -> promise
    this.drawn = new Map(); // name -> {bitmap, version}, oldest first
    this.jobs = new Map(); // name -> Job in progress
    this.failed = new Set();
    Object.assign(this, { budget: 0, spent: 0, asked: 0, limit: SPARE_TILES });
  }

  /** Begin a frame, with a budget of milliseconds for drawing tiles. */
  begin(budget) {
    this.budget = budget;
    this.spent = 0;
    this.limit = SPARE_TILES + this.asked;
    this.asked = 0;
    // A job that went out of view is started again when its tile comes back.
    if (this.jobs.size > this.limit) this.jobs.clear();
  }

  /** Whether the budget of the frame is used up, so that tiles may be left to draw. */
  get behind() {
    return this.spent >= this.budget;
  }

  /** The tile as a bitmap, or undefined while it is loading; requests it. */
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
    // Not kept as a canvas: a browser may keep a second copy to draw from.
    const bitmap = job.canvas.transferToImageBitmap();
    this.drawn.set(name, { bitmap, version: style.version });
    evict(this.drawn, this.limit, (old) => old.bitmap.close());
    return bitmap;
  }

  /** The tile if it has been drawn; does not request it. */
  peek(grid, level, key) {
    return this.drawn.get(`${grid.prefix}-${level}-${key}`)?.bitmap;
  }

  /** The picture of a tile, or undefined while it is loading; requests it. */
  picture(name, kind = "jpg") {
    const picture = this.pictures.get(name);
    if (picture) {
      this.pictures.delete(name);
      this.pictures.set(name, picture);
      return picture;
    }
    if (this.loading.size < LOADING && !this.failed.has(name)) this.load(name, kind);
    return undefined;
  }

  /** Load a picture; resolves to null if that fails. */
  load(name, kind = "jpg") {
    const picture = this.pictures.get(name);
    if (picture) return Promise.resolve(picture);
    if (!this.loading.has(name)) {
      const loaded = this.#fetch(name, kind).then(
        (image) => {
          this.pictures.set(name, image);
          evict(this.pictures, MAX_PICTURES, (old) => this.#close(old));
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
    const picture = await this.source.picture(name, kind);
    if (picture instanceof Blob) return createImageBitmap(picture);
    const image = new Image();
    // Not decode(): Chromium caches its result, up to half a gigabyte, beside our own bitmap.
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new Error(`${name} is missing`));
      image.src = picture;
    });
    return createImageBitmap(image);
  }

  #close(picture) {
    for (const job of this.jobs.values()) if (job.picture === picture) return;
    picture.close();
  }

  /** Draw one icon into a box from its tile at full size; returns false if that is not loaded. */
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

  /** Load the full-size tile of an icon. */
  forIcon(grid, i) {
    const [row, column] = [grid.row(i), grid.column(i)];
    const key = `${Math.floor(column / grid.tile)}-${Math.floor(row / grid.tile)}`;
    return this.load(`${grid.prefix}-0-${key}`);
  }

  /** Bytes of all bitmaps in memory. */
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

/** Drop the oldest entries of a map until `limit` are left. */
function evict(map, limit, dropped) {
  for (const [name, value] of map) {
    if (map.size <= limit) return;
    map.delete(name);
    dropped(value);
  }
}

/**
 * Draws the cells of a tile in their style, a few milliseconds at a time. Outlines of dim cells at
 * full size are drawn by the stage: here they would grow with the zoom.
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

  /** Draw until all is done or the time is up; returns whether all is done. */
  work(until) {
    const { picture, grid, px, step, style, context, cells } = this;
    let run = null; // adjacent full-size icons of a row are copied in one call
    const flush = () => {
      if (run) context.drawImage(picture, run.x, run.y, run.w, px, run.x, run.y, run.w, px);
      run = null;
    };
    for (; this.next < cells.length; this.next++) {
      if (this.next % 64 === 63 && performance.now() > until) {
        this.next++; // one more, so that a late frame makes progress too
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
