// Thumbnails of maps, lit like the map.

import { along, ends } from "./quantities.js";

/** Size of the grid that highlights a thumbnail: fine enough to show shapes. */
export function thumbSize(map) {
  const sizes = map.grids.map((grid) => grid.size);
  return sizes.filter((size) => size <= 40).at(-1) ?? sizes[0];
}

/**
 * Draw a thumbnail.
 * @param canvas its CSS size is `side`
 * @param picture the map drawn small, or null
 * @param marks {grid, lit, heat, scale}, optional: how it is lit, on which scale
 */
export function drawThumb(canvas, side, picture, colours, marks = {}) {
  const dpr = Math.min(devicePixelRatio || 1, 2);
  if (canvas.width !== side * dpr) canvas.width = canvas.height = side * dpr;
  const context = canvas.getContext("2d");
  context.setTransform(dpr, 0, 0, dpr, 0, 0);
  context.clearRect(0, 0, side, side);
  const { heat, grid, lit, scale } = marks;
  if (picture) {
    context.globalAlpha = heat ? 0.12 : 1;
    context.imageSmoothingEnabled = true;
    context.drawImage(picture, 0, 0, side, side);
  }
  if (heat) {
    const at = along(lit, heat, scale ?? ends(lit, heat));
    context.fillStyle = lit.against ? colours.against : colours.accent;
    const px = side / grid.size;
    for (let i = 0; i < grid.cell.length; i++) {
      const value = at(i);
      if (value < 0.03) continue;
      context.globalAlpha = value;
      context.fillRect(grid.column(i) * px, grid.row(i) * px, px, px);
    }
  }
  context.globalAlpha = 1;
}
