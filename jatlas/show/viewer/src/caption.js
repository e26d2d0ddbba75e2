// What is said of a real place: which of its cell it is, and what is known of its image.

import { fileOf, imageOf, placesOf, shownBy } from "./crops.js";
import { shortName } from "./dom.js";

const LONGEST = 300; // letters of a file name

/** "Real place 3 of 9". */
export function which({ grid, i, k }) {
  const all = placesOf(grid, i);
  return `Real place ${all.indexOf(k) + 1} of ${all.length}`;
}

/** The name of its image's file; undefined if the page has none. */
export function file(app, { grid, i, k }) {
  return fileOf(app.model, grid.map, imageOf(grid, i, k))?.slice(0, LONGEST);
}

/** What its image shows, and what the network takes it for: {label, prediction}, as far as they are known. */
export async function shown(app, { grid, i, k }) {
  const image = imageOf(grid, i, k);
  return image < 0 ? {} : (await shownBy(app.model, grid.map))(image);
}

/** For the tag at the pointer: which it is, and its file or what it shows, once that is read. */
export function note(app, place) {
  const { map } = place.grid;
  const read = (app.shownBy ??= new Map());
  if (!read.has(map)) {
    read.set(map, null);
    shownBy(app.model, map).then((of) => read.set(map, of), () => {});
  }
  const { label, prediction } = read.get(map)?.(imageOf(place.grid, place.i, place.k)) ?? {};
  const what = label ? shortName(label, 40) : prediction && `taken for ${shortName(prediction, 40)}`;
  return { which: which(place), what: file(app, place) ?? what };
}
