// Where to begin on a map: places that differ, far from each other, named by what holds.

import { number, shortName } from "./dom.js";

const COUNT = 3;
const FINE = 8; // cells per side: the coarsest grid that has as many is looked at, which the first view reads too
const APART = [0.36, 0.28, 0.2, 0.14, 0.08]; // of the map's longer side, the first that finds enough
const AROUND = 0.12; // of the map: how far the cell of a region may be from its middle
const HOLDS = 0.4; // of the images of a region or cell
const FEW = 5; // images or activations: fewer say nothing

/** The lower end of the interval that a share of n images lies in (Wilson, 95 %). */
export function atLeast(shown, n) {
  if (!n) return 0;
  const [p, z2] = [shown / n, 3.84];
  return (p + z2 / (2 * n) - Math.sqrt(z2 * ((p * (1 - p)) / n + z2 / (4 * n * n)))) / (1 + z2 / n);
}

/**
 * Places to begin at on a map: {grid, i, at, name, shown, images}, the strongest first. The name is that
 * of a region, or else of a cell, and undefined where nothing has a name.
 */
export async function starts(model, map) {
  const shapes = model.maps[map].grids;
  const shape = shapes.find(({ size }) => size >= FINE) ?? shapes.at(-1);
  const grid = await model.grid(map, shape.size);
  const [left, top, right, bottom] = grid.bounds();
  const side = Math.max(right - left, bottom - top);
  const rare = rarity(grid);
  const named = take([ofRegions(model.maps[map].regions ?? [], grid, rare), ofCells(grid, rare)], side);
  // A name beside places without one would look like the only thing on the map.
  return named.length ? named : take([crowded(grid)], side);
}

/** The best of the first list, then of the next, that lie apart from each other and have other names. */
function take(lists, side) {
  const order = lists.flatMap((list) => [...list].sort((a, b) => b.score - a.score));
  const found = [];
  for (const share of APART) {
    for (const one of order) {
      if (found.length >= COUNT) return found;
      const apart = (other) => Math.hypot(one.at[0] - other.at[0], one.at[1] - other.at[1]) >= share * side;
      if (found.every((other) => apart(other) && (one.name === undefined || other.name !== one.name))) found.push(one);
    }
  }
  return found;
}

/** How much a name says: the logarithm of the share of named cells that have it, at most 1 for one of twenty. */
function rarity(grid) {
  const counts = new Map();
  let all = 0;
  for (let i = 0; i < grid.cell.length; i++) {
    const name = grid.claim(i)?.name;
    if (name === undefined) continue;
    all++;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return (name) => Math.min(1, Math.log(all / (counts.get(name) ?? 1)) / Math.log(20)) || 0;
}

/** The regions of the finest level that a cell there has the name of: a wider name says little of any picture. */
function ofRegions(regions, grid, rare) {
  const finest = Math.max(...regions.map(({ level }) => level));
  return regions.filter(({ level, name, images }) => level === finest && name && images >= FEW).flatMap((region) => {
    const { name, shown, images, at } = region;
    if (shown < HOLDS * images) return [];
    const i = strongest(grid, at, name);
    return i < 0 ? [] : [{ grid, i, at, name, shown, images, score: atLeast(shown, images) * rare(name) }];
  });
}

function ofCells(grid, rare) {
  return [...grid.cell.keys()].flatMap((i) => {
    const { name, shown, images } = grid.claim(i) ?? {};
    if (name === undefined || !(images >= FEW) || shown < HOLDS * images) return [];
    return [{ grid, i, at: grid.centre(i), name, shown, images, score: atLeast(shown, images) * rare(name) }];
  });
}

function crowded(grid) {
  return [...grid.cell.keys()].filter((i) => grid.count[i] >= FEW || grid.cell.length <= COUNT)
    .map((i) => ({ grid, i, at: grid.centre(i), score: grid.count[i] }));
}

/** The cell around a point for which a name holds best; -1 if none has it. */
function strongest(grid, [x, y], name) {
  let [best, most] = [-1, 0];
  for (let i = 0; i < grid.cell.length; i++) {
    const [cx, cy] = grid.centre(i);
    const claim = grid.claim(i);
    if (claim?.name !== name || Math.hypot(cx - x, cy - y) > AROUND) continue;
    const score = atLeast(claim.shown, claim.images);
    if (score > most) [best, most] = [i, score];
  }
  return best;
}

/** The name of a place to begin at. */
export function titleOf({ name }) {
  const short = name === undefined ? "A crowded place" : shortName(name, 40);
  return short.charAt(0).toUpperCase() + short.slice(1);
}

/** What is known of a place to begin at, in one sentence. */
export function sentenceOf({ name, shown, images, grid, i }) {
  if (name !== undefined) return `${number(shown)} of ${number(images)} images in this region show it.`;
  return `This cell averages ${number(grid.count[i])} activations, more than most.`;
}
