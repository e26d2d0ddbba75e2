// Tiles of icons: loaded when they come into view, drawn once with the sizes and the highlight of
// their cells, then moved as one picture. The least recently used are evicted first.
//
// A frame has a few milliseconds for this. Decoding a picture and completing a tile cannot be
// interrupted, and take about all of them: such a step begins only as the first of its frame, or if
// there is time left for what it usually takes.

const SPARE_TILES = 24; // beyond those in view, of at most 640 x 640 px, which is 1.6 MB
const MAX_PICTURES = 32;
const MAX_BYTES = 52e6; // of spare tiles, and of pictures
const LOADING = 6; // at once
const SPARE_CANVASES = 2;

export class Tiles {
  /** @param losses takes the names of pictures that cannot be read; see losses.js */
  constructor(source, changed, losses) {
    Object.assign(this, { source, changed, losses });
    this.pictures = new Map(); // name -> ImageBitmap, oldest first
    this.loading = new Map(); // name -> {promise, settle, image, asked, lasting}
    this.drawn = new Map(); // name -> {bitmap, version}, oldest first
    this.jobs = new Map(); // name -> Job in progress
    this.canvases = []; // to draw on, used again: a new one for each tile is much to collect
    this.usual = { decode: 4, complete: 3 }; // ms
    Object.assign(this, { frame: 0, budget: 0, spent: 0, asked: 0, limit: SPARE_TILES });
    this.behind = false; // whether the frame leaves something to do
    this.undrawn = false; // whether it leaves tiles whose pictures are there
    this.decoded = 0; // the last frame that decoded a picture
  }

  /** Begin a frame, with a budget of milliseconds for decoding pictures and drawing tiles. */
  begin(budget) {
    this.frame++;
    this.budget = budget;
    this.spent = 0;
    this.behind = false;
    this.limit = SPARE_TILES + this.asked;
    this.asked = 0;
    for (const [name, job] of this.jobs) if (job.asked < this.frame - 2) this.#drop(name, job);
    this.#decodeLoaded();
    this.undrawn = false;
  }

  /** Whether there is time for a step that cannot be interrupted. */
  #fits(step) {
    const fits = this.spent === 0 || this.spent + this.usual[step] <= this.budget;
    this.behind ||= !fits;
    return fits;
  }

  #took(step, start) {
    const ms = performance.now() - start;
    this.spent += ms;
    this.usual[step] += (ms - this.usual[step]) / 4;
  }

  /** Decode what is loaded; what has gone out of view meanwhile is dropped. */
  #decodeLoaded() {
    // If there are tiles to draw as well, frames take turns.
    const drawing = this.undrawn && this.decoded === this.frame - 1;
    for (const [name, entry] of this.loading) {
      if (!entry.image) continue;
      if (!entry.lasting && entry.asked < this.frame - 2) {
        this.loading.delete(name);
        entry.settle(null);
      } else if (drawing) this.behind = true;
      else if (this.#fits("decode")) this.#decode(name, entry);
    }
  }

  #decode(name, entry) {
    const start = performance.now();
    const { image } = entry;
    entry.image = null;
    this.decoded = this.frame;
    // Not image.decode(): Chromium caches its result, up to half a gigabyte, beside our own bitmap.
    createImageBitmap(image).then((picture) => this.#arrived(name, picture), () => this.#missing(name, entry.kind));
    this.#took("decode", start);
  }

  #arrived(name, picture) {
    this.losses.found(name);
    this.pictures.set(name, picture);
    evict(this.pictures, MAX_PICTURES, MAX_BYTES, (old) => old, (old) => this.#close(old));
    this.#loaded(name, picture);
  }

  #missing(name, kind) {
    this.losses.add(name, `viewer/tiles/${name}.${kind}`);
    this.#loaded(name, null);
  }

  #loaded(name, picture) {
    this.loading.get(name)?.settle(picture);
    this.loading.delete(name);
    this.changed();
  }

  /** The tile as a bitmap, or undefined while it is loading; requests it. */
  tile(grid, level, key, cells, style) {
    this.asked++;
    const name = `${grid.prefix}-${level}-${key}`;
    const entry = this.drawn.get(name);
    if (entry) {
      this.drawn.delete(name);
      this.drawn.set(name, entry);
      if (entry.version === style.version) return entry.bitmap;
    }
    const job = this.#job(name, grid, level, cells, style);
    if (!job || !this.#work(job)) return entry?.bitmap;
    entry?.bitmap.close();
    const start = performance.now();
    // Not kept as a canvas: a browser may keep a second copy to draw from.
    const bitmap = job.canvas.transferToImageBitmap();
    this.#took("complete", start);
    this.#drop(name, job);
    this.drawn.set(name, { bitmap, version: style.version });
    const spare = MAX_BYTES + this.asked * size(bitmap);
    evict(this.drawn, this.limit, spare, (old) => old.bitmap, (old) => old.bitmap.close());
    return bitmap;
  }

  /** The job that draws a tile in this style; undefined while its picture is loading, or without time. */
  #job(name, grid, level, cells, style) {
    let job = this.jobs.get(name);
    if (job?.version !== style.version) {
      const picture = this.picture(name);
      if (!picture) return undefined;
      if (job) this.#drop(name, job);
      job = undefined;
      if (this.spent < this.budget) {
        job = new Job(picture, grid, level, cells, style, this.canvases);
        this.jobs.set(name, job);
      } else this.undrawn = this.behind = true;
    }
    if (job) job.asked = this.frame;
    return job;
  }

  #drop(name, job) {
    this.jobs.delete(name);
    if (this.canvases.length < SPARE_CANVASES) this.canvases.push(job.canvas);
    if (this.pictures.get(name) !== job.picture) job.picture.close();
  }

  /** Work on a job; returns whether the tile can be completed in this frame. */
  #work(job) {
    const start = performance.now();
    const left = this.budget - this.spent;
    if (!job.done && left > 0) {
      job.work(start + left);
      this.spent += performance.now() - start;
    }
    const whole = job.done && this.#fits("complete");
    if (!whole) this.undrawn = this.behind = true;
    return whole;
  }

  /** The tile if it has been drawn; does not request it. */
  peek(grid, level, key) {
    return this.drawn.get(`${grid.prefix}-${level}-${key}`)?.bitmap;
  }

  /** The picture of a tile, or undefined while it is loading; requests it. */
  picture(name) {
    const picture = this.pictures.get(name);
    if (picture) {
      this.pictures.delete(name);
      this.pictures.set(name, picture);
      return picture;
    }
    const entry = this.loading.get(name);
    if (entry) entry.asked = this.frame;
    else if (this.loading.size < LOADING && !this.losses.has(name)) this.#request(name, "jpg", false);
    return undefined;
  }

  /** Load a picture; resolves to null if that fails. */
  load(name, kind = "jpg") {
    const picture = this.pictures.get(name);
    if (picture) return Promise.resolve(picture);
    const entry = this.loading.get(name) ?? this.#request(name, kind, true);
    entry.lasting = true;
    return entry.promise;
  }

  #request(name, kind, lasting) {
    const entry = { image: null, asked: this.frame, lasting, kind };
    entry.promise = new Promise((resolve) => (entry.settle = resolve));
    this.loading.set(name, entry);
    this.#fetch(name, kind, entry).catch(() => this.#missing(name, kind));
    return entry;
  }

  async #fetch(name, kind, entry) {
    const picture = await this.source.picture(name, kind);
    // Decoded in the background, unlike an element.
    if (picture instanceof Blob) return this.#arrived(name, await createImageBitmap(picture));
    const image = new Image();
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new Error(`${name} is missing`));
      image.src = picture;
    });
    entry.image = image; // a frame decodes it
    this.changed();
  }

  /** Close a picture that is no longer kept, if no job needs it. */
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
    for (const { bitmap } of this.drawn.values()) sum += size(bitmap);
    for (const picture of this.pictures.values()) sum += size(picture);
    return sum;
  }

  clear() {
    for (const { bitmap } of this.drawn.values()) bitmap.close();
    for (const picture of this.pictures.values()) picture.close();
    for (const kept of [this.drawn, this.jobs, this.pictures]) kept.clear();
    this.canvases.length = 0;
  }
}

/** Bytes of a bitmap. */
const size = (bitmap) => bitmap.width * bitmap.height * 4;

/** Drop the oldest entries of a map until at most `limit` are left, and their bitmaps fit `bytes`. */
function evict(map, limit, bytes, bitmapOf, drop) {
  let sum = 0;
  for (const value of map.values()) sum += size(bitmapOf(value));
  for (const [name, value] of map) {
    // The newest stays, however large: it is about to be used.
    if (map.size <= 1 || (map.size <= limit && sum <= bytes)) return;
    map.delete(name);
    sum -= size(bitmapOf(value));
    drop(value);
  }
}

/**
 * Draws the cells of a tile in their style, a few milliseconds at a time. Outlines of dim cells at
 * full size are drawn by the stage: here they would grow with the zoom.
 */
class Job {
  /**
   * @param style {density, light(i) -> 0..1 or null, outline, version}
   * @param canvases those that are free, of which it may take one
   */
  constructor(picture, grid, level, cells, style, canvases) {
    Object.assign(this, { picture, grid, level, cells, style, version: style.version, next: 0 });
    this.done = false;
    this.px = grid.px[level];
    this.step = grid.tile << level;
    const side = Math.min(this.step, grid.size) * this.px;
    this.canvas = canvases.pop() ?? new OffscreenCanvas(side, side);
    this.context = this.canvas.getContext("2d");
    if (this.canvas.width === side) this.context.clearRect(0, 0, side, side);
    else this.canvas.width = this.canvas.height = side;
  }

  /** Draw until all is done or the time is up. */
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
        this.done = this.next >= cells.length;
        return;
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
    this.done = true;
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
      // The slower filter matters only where an icon shrinks to less than half.
      context.imageSmoothingQuality = px > 12 && box < px / 2 ? "high" : "low";
      context.drawImage(picture, x, y, px, px, left, top, box, box);
      context.globalAlpha = 1;
    }
    if (style.light && this.level > 0 && light < 0.5 && box > 5) {
      context.strokeStyle = style.outline;
      context.strokeRect(left + 0.5, top + 0.5, box - 1, box - 1);
    }
  }
}
