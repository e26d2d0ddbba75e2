// Where the crops of a cell stand: each at the point of its sample, or as near to it as there is room beside
// those before it and the icon.

import { clamp } from "./dom.js";

const FINE = 48; // steps of the places that are tried, along each side
const PASSES = 12; // at most
const SLACK = 1e-6;

/**
 * Place squares side by side.
 * @param points x and y alternating: where the middles belong
 * @param side of a square, with the gap around it
 * @param box [left, top, right, bottom] that the squares stay inside
 * @param taken a box that they stay out of
 * @returns the middles
 */
export function spread(points, side, box, taken) {
  const [left, top, right, bottom] = box;
  const half = side / 2;
  const asked = points.map((value, i) => (i % 2 ? clamp(value, top + half, bottom - half) : clamp(value, left + half, right - half)));
  const placed = new Float64Array(points.length).fill(NaN);
  // Further passes find shorter ways, as others have made room.
  for (let pass = 0, moved = true; moved && pass < PASSES; pass++) {
    moved = false;
    for (let i = 0; i < asked.length; i += 2) {
      const [x, y] = [placed[i], placed[i + 1]];
      placed[i] = NaN;
      if (!place(placed, asked, i, side, box, taken)) return onLattice(asked, side, box, taken);
      moved ||= placed[i] !== x || placed[i + 1] !== y;
    }
  }
  return placed;
}

/** Put a square on the free place that is nearest to where it belongs; returns whether there is one. */
function place(placed, asked, i, side, [left, top, right, bottom], taken) {
  const half = side / 2;
  const [x, y] = [asked[i], asked[i + 1]];
  let nearest = Infinity;
  const look = (px, py) => {
    const far = (px - x) ** 2 + (py - y) ** 2;
    if (far >= nearest || covers(px, py, half, taken) || meets(placed, px, py, side)) return;
    nearest = far;
    [bestX, bestY] = [px, py];
  };
  let [bestX, bestY] = [x, y];
  look(x, y);
  if (nearest) {
    const [across, down] = [(right - left - side) / FINE, (bottom - top - side) / FINE];
    for (let row = 0; row <= FINE; row++) {
      const py = top + half + row * down;
      if ((py - y) ** 2 >= nearest) continue;
      for (let column = 0; column <= FINE; column++) look(left + half + column * across, py);
    }
  }
  [placed[i], placed[i + 1]] = [bestX, bestY];
  return nearest < Infinity;
}

const covers = (x, y, half, [left, top, right, bottom]) =>
  x + half > left + SLACK && x - half < right - SLACK && y + half > top + SLACK && y - half < bottom - SLACK;

/** Whether a square would lie on one that has been placed. */
function meets(placed, x, y, side) {
  const least = side - SLACK;
  for (let j = 0; j < placed.length; j += 2) {
    if (Math.abs(placed[j] - x) < least && Math.abs(placed[j + 1] - y) < least) return true;
  }
  return false;
}

/** Give each square a place of a lattice of its own, those with the shortest way first. */
function onLattice(asked, side, [left, top, right, bottom], taken) {
  const free = [];
  const [columns, rows] = [Math.floor((right - left) / side), Math.floor((bottom - top) / side)];
  const at = (k, count, low, high) => low + side / 2 + (count > 1 ? (k * (high - low - side)) / (count - 1) : 0);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const [x, y] = [at(column, columns, left, right), at(row, rows, top, bottom)];
      if (!covers(x, y, side / 2, taken)) free.push([x, y]);
    }
  }
  const ways = [];
  for (let i = 0; i < asked.length; i += 2) {
    for (const place of free) ways.push([Math.hypot(place[0] - asked[i], place[1] - asked[i + 1]), i, place]);
  }
  ways.sort((a, b) => a[0] - b[0]);
  const points = asked.slice(); // more squares than places stay where they belong
  const [done, gone] = [new Set(), new Set()];
  for (const [, i, place] of ways) {
    if (done.has(i) || gone.has(place)) continue;
    [points[i], points[i + 1]] = place;
    done.add(i);
    gone.add(place);
  }
  return points;
}
