// How far the samples of a cell stay together in another atlas of the page.

/** One quantity for each further atlas that has layers and samples in common with the first. */
export function differences(model) {
  const others = model.manifest.others ?? [];
  return others.map((_, k) => difference(model, k + 1)).filter(Boolean);
}

/** The difference of the first atlas and a further one, on the maps of both; undefined if they have nothing in common. */
export function difference(model, atlas) {
  const there = model.maps.some((map, i) => map.atlas === atlas && counterpart(model, i, atlas) >= 0);
  if (!there) return undefined;
  const { title } = model.manifest.others[atlas - 1];
  const name = `Differs from ${title ?? `atlas ${atlas + 1}`}`;
  return {
    key: `differs-${atlas}`, name, menu: name, signed: false, share: true, note: "how often two samples of a cell are apart on the other map",
    values: (grid) => differs(model, grid, atlas),
  };
}

/** The map of the same layer, kind and samples in the other of two atlases, -1 for none. */
function counterpart(model, map, atlas) {
  const { maps } = model;
  const { places, layer, kind, stride } = maps[map];
  const own = maps[map].atlas ?? 0;
  const other = own === 0 ? atlas : own === atlas ? 0 : -1;
  if (!places || !stride || other < 0) return -1;
  return maps.findIndex((one) => (one.atlas ?? 0) === other && one.places === places && one.layer === layer && one.kind === kind);
}

/**
 * The share of the pairs of a cell's samples that are apart on the other map, if it is divided into as many
 * cells: not in one cell, nor in cells that touch. NaN for cells with fewer than two.
 */
async function differs(model, grid, atlas) {
  const other = counterpart(model, grid.map, atlas);
  if (other < 0) return undefined;
  const [cells, mine, theirs] = await Promise.all([model.cellsOf(grid), model.samples(grid.map), model.samples(other)]);
  const places = placesOf(theirs, grid.size);
  const members = Array.from(grid.cell, () => new Map()); // place on the other map -> how many
  mine.ids.forEach((id, i) => {
    const [cell, place] = [cells.of[i], places.get(id)];
    if (cell >= 0 && place !== undefined) members[cell].set(place, (members[cell].get(place) ?? 0) + 1);
  });
  return Float64Array.from(members, (counts) => apart(counts, grid.size));
}

function placesOf({ ids, xy }, size) {
  const at = (value) => Math.min(size - 1, Math.floor((value / 65536) * size));
  return new Map(Array.from(ids, (id, i) => [id, at(xy[2 * i + 1]) * size + at(xy[2 * i])]));
}

function apart(counts, size) {
  let [total, together] = [0, 0];
  for (const [place, count] of counts) {
    total += count;
    const [row, column] = [Math.floor(place / size), place % size];
    for (let y = Math.max(row - 1, 0); y <= Math.min(row + 1, size - 1); y++) {
      for (let x = Math.max(column - 1, 0); x <= Math.min(column + 1, size - 1); x++) together += count * (counts.get(y * size + x) ?? 0);
    }
  }
  return total > 1 ? 1 - (together - total) / (total * (total - 1)) : NaN;
}
