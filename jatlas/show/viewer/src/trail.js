// The samples of one cell on other maps: sample i of every layer is the same position of an image.

const MAX_DOTS = 1500;

export class Trail {
  /** The trail of a cell, or null if no other map has its samples. */
  static of(app, grid, i) {
    return app.model.companions(grid.map).length ? new Trail(app, grid, i) : null;
  }

  constructor(app, grid, i) {
    Object.assign(this, { app, grid, i, points: null });
    this.members = app.model.members(grid.map, grid.size, grid.cell[i]);
  }

  /** Points [x, y, x, y, ...] of the samples on another map; null on their own map. */
  async on(map) {
    const { model } = this.app;
    if (map === this.grid.map || !model.companions(this.grid.map).includes(map)) return null;
    const [members, xy] = await Promise.all([this.members, model.samples(map)]);
    const step = Math.max(1, Math.ceil(members.length / MAX_DOTS));
    const points = [];
    for (let k = 0; k < members.length; k += step) {
      points.push((xy[2 * members[k]] + 0.5) / 65536, (xy[2 * members[k] + 1] + 0.5) / 65536);
    }
    return points;
  }

  /** Set `points` to those of the map that is shown. */
  async show(map) {
    this.points = null;
    const points = await this.on(map).catch(() => null);
    if (map === this.app.state.map) this.points = points;
  }
}
