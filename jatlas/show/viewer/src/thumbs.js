// Thumbnails of maps: highlighted by a class, or dotted with samples.

/** Size of the grid that highlights a thumbnail: fine enough to show shapes. */
export function thumbSize(map) {
  const sizes = map.grids.map((grid) => grid.size);
  return sizes.filter((size) => size <= 40).at(-1) ?? sizes[0];
}

/**
 * Draw a thumbnail.
 * @param canvas its CSS size is `side`
 * @param picture the map drawn small, or null
 * @param marks {grid, heat: {values, high, low}, against} and {points}, both optional
 */
export function drawThumb(canvas, side, picture, colours, marks = {}) {
  const dpr = Math.min(devicePixelRatio || 1, 2);
  if (canvas.width !== side * dpr) canvas.width = canvas.height = side * dpr;
  const context = canvas.getContext("2d");
  context.setTransform(dpr, 0, 0, dpr, 0, 0);
  context.clearRect(0, 0, side, side);
  const { heat, grid, against, points } = marks;
  if (picture) {
    context.globalAlpha = heat ? 0.1 : points ? 0.45 : 1;
    context.imageSmoothingEnabled = true;
    context.drawImage(picture, 0, 0, side, side);
  }
  if (heat) {
    const maximum = against ? -heat.low : heat.high;
    context.fillStyle = against ? colours.against : colours.accent;
    const px = side / grid.size;
    for (let i = 0; maximum > 0 && i < grid.cell.length; i++) {
      const value = ((against ? -1 : 1) * heat.values[i]) / maximum;
      if (value < 0.03) continue;
      context.globalAlpha = Math.min(1, value);
      context.fillRect(grid.column(i) * px, grid.row(i) * px, px, px);
    }
  }
  context.globalAlpha = 1;
  if (points) {
    context.fillStyle = colours.accent;
    for (let i = 0; i < points.length; i += 2) {
      context.fillRect(points[i] * side - 1.25, points[i + 1] * side - 1.25, 2.5, 2.5);
    }
  }
}
