// What cells can be lit by: quantities, which give one number per cell, and how numbers become light.

import { filterOf } from "./filter.js";
import { groupViews, sampleQuantity, views } from "./ofsamples.js";

/** The evidence of the cells for a class. */
export function classEvidence(model, index) {
  const values = (grid) => model.evidence(grid, index);
  return { key: `class-${index}`, cls: index, name: model.fullName(index), signed: true, values, ...views(model, index) };
}

/** The evidence of the cells for a group of classes: the sum over the classes. */
export function groupEvidence(model, number) {
  const { name, classes } = model.groups[number];
  const values = async (grid) => {
    const sum = new Float32Array(grid.cell.length);
    for (const index of classes) (await model.evidence(grid, index)).forEach((value, i) => (sum[i] += value));
    return sum;
  };
  return { key: `group-${number}`, group: number, name, note: `${classes.length} classes`, signed: true, values, ...groupViews(model, number) };
}

/** What is known of the cells themselves. */
export function cellQuantities(model) {
  const shapes = model.maps.flatMap((map) => map.grids);
  const measures = [...new Set(shapes.flatMap((shape) => (shape.trust ? shape.measures ?? [] : [])))];
  const column = (key, name, values) => ({ key, name, of: key.startsWith("trust-") ? "Trust" : "Cells", signed: false, values: async (grid) => values(grid) });
  return [
    // By its square root, as the size of icons: a few cells have many.
    { ...column("count", "Number of activations", (grid) => grid.count), curve: Math.sqrt },
    shapes.some((shape) => shape.cosines) && column("cosine", "Icon on target (cosine)", (grid) => grid.read("cosine")),
    shapes.some((shape) => shape.names) && column("holds", "How well the name holds", (grid) => grid.holds),
    ...measures.filter((name) => name !== "on target").map((name) =>
      column(`trust-${name}`, `Trust: ${name}`, (grid) => grid.trust.find(([known]) => known === name)?.[1])),
  ].filter(Boolean);
}

/** How much the cells of a map are like one cell: the cosine of their mean activations. */
export function likeness(model, owner, cell) {
  return {
    key: `like-${owner.map}.${owner.size}.${owner.row(cell)}.${owner.column(cell)}`,
    name: `Like row ${owner.row(cell) + 1} column ${owner.column(cell) + 1}`, signed: false, only: owner.map,
    values: (grid) => (grid.map === owner.map ? model.likeness(grid, owner, cell) : undefined),
  };
}

/** The quantity of a key; undefined if this atlas has none of that key. */
export async function quantityOf(model, key) {
  await model.readGroups().catch(() => {});
  const ofSamples = filterOf(model, key) ?? sampleQuantity(model, key);
  if (ofSamples) return ofSamples;
  const [, kind, rest] = /^(class|group|like)-(.+)$/.exec(key) ?? [null, null, key];
  if (kind === "class") return Number.isInteger(+rest) && model.classes[+rest] !== undefined ? classEvidence(model, +rest) : undefined;
  if (kind === "group") return model.groups[+rest] && groupEvidence(model, +rest);
  if (kind !== "like") return cellQuantities(model).find((quantity) => quantity.key === key);
  const [map, size, row, column] = rest.split(".").map(Number);
  const shape = model.maps[map]?.grids.find((one) => one.size === size);
  if (!shape?.vectors) return undefined;
  const grid = await model.grid(map, size);
  const cell = grid.find((column + 0.5) / size, (row + 0.5) / size);
  return cell < 0 ? undefined : likeness(model, grid, cell);
}

/** Values with their range: {values, low, high}. Values that are not numbers are in no range. */
export function ranged(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value > high) high = value;
    if (value < low) low = value;
  }
  return high >= low ? { values, low, high } : { values, low: 0, high: 0 };
}

/** The ends of the scale of a highlight: [its dark end, its bright end]. */
export function ends({ quantity, against }, { low, high }) {
  if (!quantity.signed) return [quantity.share ? 0 : low, high]; // a share is dark if it is nothing
  return [0, against ? Math.min(low, 0) : Math.max(high, 0)];
}

/**
 * How far each value is along the scale, 0 to 1, by the index of the cell.
 * @param scale [dark end, bright end]; by default those of the values
 */
export function along(lit, heat, scale = ends(lit, heat)) {
  const [from, to] = scale;
  const { curve = (x) => x } = lit.quantity;
  if (from === to) return (i) => (heat.values[i] === to && to !== 0 ? 1 : 0);
  const at = (value) => curve((value - from) / (to - from));
  return (i) => Math.min(1, Math.max(0, at(heat.values[i]))) || 0;
}

/** The light of each cell, 0.03 to 1: the chosen part of the scale, from dark to bright. */
export function light(lit, heat, scale) {
  const t = along(lit, heat, scale);
  const [first, last] = lit.range;
  return (i) => Math.min(1, 0.03 + Math.max(0, (t(i) - first) / (last - first)));
}

/** The value at a place on the scale: the reverse of `along`. */
export function valueAt(lit, heat, place) {
  const [from, to] = ends(lit, heat);
  const { curve } = lit.quantity;
  return from + (to - from) * (curve ? place * place : place);
}

/** The cells, brightest first. */
export function brightest(lit, heat) {
  const sign = lit.against ? -1 : 1;
  const order = [...heat.values.keys()].filter((i) => !Number.isNaN(heat.values[i]));
  return order.sort((a, b) => sign * (heat.values[b] - heat.values[a]) || a - b);
}

/** The samples of some cells, on the maps that have them too: the share of each cell's samples. */
export function trailOf(model, owner, cells, { key, name }) {
  if (!model.companions(owner.map).length) return null;
  let members;
  return {
    key, name, signed: false, from: owner.map,
    values: async (grid) => {
      if (!model.companions(owner.map).includes(grid.map)) return undefined;
      members ??= model.members(owner, cells);
      const share = await model.share(grid, await members);
      return share.map((value) => value || 0);
    },
  };
}
