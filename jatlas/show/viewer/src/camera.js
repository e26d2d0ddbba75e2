// Which part of the unit square is in view.

import { calm, clamp } from "./dom.js";

const ease = (t) => (t < 0.5 ? 4 * t * t * t : 1 - (2 - 2 * t) ** 3 / 2);

export class Camera {
  constructor(changed) {
    Object.assign(this, { x: 0.5, y: 0.5, zoom: 1, width: 1, height: 1, maxZoom: 64, changed });
    this.bounds = [0, 0, 1, 1]; // of what there is to see: the middle of the view stays inside
    this.flight = null;
    this.glide = null;
  }

  /** CSS pixels per side of the unit square. */
  get scale() {
    return Math.min(this.width, this.height) * 0.94 * this.zoom;
  }

  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, (y - this.y) * this.scale + this.height / 2];
  }

  toMap(px, py) {
    return [(px - this.width / 2) / this.scale + this.x, (py - this.height / 2) / this.scale + this.y];
  }

  set(x, y, zoom) {
    this.zoom = clamp(zoom, 0.4, this.maxZoom);
    [this.x, this.y] = this.#within(x, y);
    this.changed();
  }

  #within(x, y) {
    const [left, top, right, bottom] = this.bounds;
    return [clamp(x, left, right), clamp(y, top, bottom)];
  }

  stop() {
    this.flight = this.glide = null;
  }

  panBy(dx, dy) {
    this.set(this.x - dx / this.scale, this.y - dy / this.scale, this.zoom);
  }

  /** Zoom while the point under (px, py) stays in place. */
  zoomAt(px, py, factor) {
    const [x, y] = this.toMap(px, py);
    const zoom = clamp(this.zoom * factor, 0.4, this.maxZoom);
    const scale = (this.scale / this.zoom) * zoom;
    this.set(x - (px - this.width / 2) / scale, y - (py - this.height / 2) / scale, zoom);
  }

  fly(x, y, zoom, duration = 350) {
    this.stop();
    const [toX, toY] = this.#within(x, y);
    const to = { x: toX, y: toY, zoom: clamp(zoom, 0.4, this.maxZoom) };
    if (calm() || duration === 0) return this.set(to.x, to.y, to.zoom);
    this.flight = { from: { x: this.x, y: this.y, zoom: this.zoom }, to, duration, start: null };
    this.changed();
  }

  /** Zoom; a point of the map [x, y], if given, stays in place on the screen. */
  flyZoom(factor, point) {
    const start = this.flight?.to ?? this;
    const zoom = clamp(start.zoom * factor, 0.4, this.maxZoom);
    const [x, y] = point ?? [start.x, start.y];
    const share = start.zoom / zoom;
    this.fly(x + (start.x - x) * share, y + (start.y - y) * share, zoom, 260);
  }

  /** Fit a box [left, top, right, bottom] of the unit square into the part of the view not covered. */
  fit(box, duration = 350, covered = { right: 0, bottom: 0 }) {
    const [left, top, right, bottom] = box;
    const base = Math.min(this.width, this.height) * 0.94;
    const [width, height] = [this.width - covered.right, this.height - covered.bottom];
    const scale = Math.min(width / (right - left), height / (bottom - top)) * 0.92;
    const x = (left + right) / 2 + covered.right / 2 / scale;
    const y = (top + bottom) / 2 + covered.bottom / 2 / scale;
    this.fly(x, y, Math.min(scale / base, this.maxZoom), duration);
  }

  /** Keep gliding after a throw; the speed is in pixels per millisecond. */
  throw(vx, vy) {
    if (!calm() && Math.hypot(vx, vy) > 0.12) this.glide = { vx, vy, last: null };
    this.changed();
  }

  /** Advance to a time; returns whether the movement continues. */
  tick(now) {
    if (this.flight) this.#flyOn(now);
    else if (this.glide) this.#glideOn(now);
    return Boolean(this.flight || this.glide);
  }

  #flyOn(now) {
    const flight = this.flight;
    flight.start ??= now;
    const t = ease(Math.min((now - flight.start) / flight.duration, 1));
    const { from, to } = flight;
    const zoom = from.zoom * (to.zoom / from.zoom) ** t;
    // The point that start and end show in the same place stays there: the path does not swing.
    const along = (a, b) => {
      if (Math.abs(to.zoom / from.zoom - 1) < 0.02) return a + (b - a) * t;
      const fixed = (b * to.zoom - a * from.zoom) / (to.zoom - from.zoom);
      return fixed + ((a - fixed) * from.zoom) / zoom;
    };
    this.set(along(from.x, to.x), along(from.y, to.y), zoom);
    if (now - flight.start >= flight.duration) {
      this.set(to.x, to.y, to.zoom);
      this.flight = null;
    }
  }

  #glideOn(now) {
    const glide = this.glide;
    const passed = Math.min(now - (glide.last ?? now - 16), 50);
    glide.last = now;
    this.panBy(glide.vx * passed, glide.vy * passed);
    const slow = Math.exp(-passed / 260);
    glide.vx *= slow;
    glide.vy *= slow;
    if (Math.hypot(glide.vx, glide.vy) < 0.02) this.glide = null;
  }
}
