// Notes: views of the maps with a text, from the atlas, from the link, and of the reader's own.

import { clamp } from "./dom.js";

export const FORMAT = "jatlas-notes/1"; // as jatlas.show reads it
export const MAX_NOTES = 200;
export const MAX_TEXT = 2000; // letters
export const MAX_TITLE = 200;
const MAX_LINK = 1500; // letters of all notes in a link

/** What is valid of a note, whoever wrote it; null if it is none on these maps. */
export function valid(raw, maps) {
  const map = maps.find(({ id }) => id === raw?.map);
  const numbers = [raw?.x, raw?.y, raw?.zoom];
  if (!map || !numbers.every(Number.isFinite) || raw.zoom <= 0) return null;
  const note = { map: map.id, x: clamp(raw.x, 0, 1), y: clamp(raw.y, 0, 1), zoom: Math.min(raw.zoom, 10000), text: words(raw.text, MAX_TEXT) };
  if (raw.title) note.title = words(raw.title, MAX_TITLE);
  if (raw.light) note.light = words(raw.light, MAX_TITLE);
  if (raw.light && raw.against === true) note.against = true;
  const { grid, row, col } = raw.cell ?? {};
  const within = [row, col].every((at) => Number.isInteger(at) && at >= 0 && at < grid);
  if (map.grids.some(({ size }) => size === grid) && within) note.cell = { grid, row, col };
  return note;
}

/** Text without halves of letters, which no encoding can write. */
function words(value, most) {
  return typeof value === "string" ? value.slice(0, most).replace(/\p{Surrogate}/gu, "\ufffd") : "";
}

/** A note as a value in the fragment of an address. */
export function toLink({ map, x, y, zoom, text, title = "", light = "", against, cell }) {
  const at = cell ? `${cell.grid}.${cell.row}.${cell.col}` : "";
  const fields = [map, x.toFixed(4), y.toFixed(4), zoom.toFixed(3), at, (against ? "-" : "") + light, title, text];
  return fields.map(encodeURIComponent).join(",");
}

/** The reverse of `toLink`; undefined if it is no note. */
export function fromLink(value) {
  let fields;
  try {
    fields = value.split(",").map(decodeURIComponent);
  } catch {
    return undefined;
  }
  if (fields.length !== 8) return undefined;
  const [map, x, y, zoom, at, light, title, text] = fields;
  const [grid, row, col] = at.split(".").map(Number);
  const against = light.startsWith("-");
  return { map, x: Number(x), y: Number(y), zoom: Number(zoom), text, title, light: against ? light.slice(1) : light, against, cell: at ? { grid, row, col } : undefined };
}

/** Notes as the part of a link, with its leading &; undefined if they are too long for one. */
export function linkPart(notes) {
  const part = notes.map((note) => `&note=${toLink(note)}`).join("");
  return part.length > MAX_LINK ? undefined : part;
}

/** A number for an atlas: equal for its pages, however much of it they hold. */
export function fingerprint({ about, maps }) {
  const { network, weights_sha256, seed, settings, images } = about;
  const shapes = maps.map(({ id, samples, grids }) => [id, samples, grids.map(({ size, cells }) => [size, cells])]);
  let hash = 0xcbf29ce484222325n; // FNV-1a
  for (const letter of JSON.stringify([network, weights_sha256, seed, settings, images, shapes])) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(letter.codePointAt(0))) * 0x100000001b3n);
  }
  return hash.toString(36);
}

/** All notes, and what of them this browser keeps. */
export class Notes {
  /** @param keeps whether the browser keeps the reader's own: not inside another page */
  constructor(manifest, keeps) {
    Object.assign(this, { maps: manifest.maps, keeps, key: `jatlas-${fingerprint(manifest)}` });
    this.ofAtlas = this.#clean(manifest.notes);
    this.ofLink = [];
    const kept = this.#read();
    this.visited = !keeps || kept.visited === true;
    this.own = this.#fresh(this.#clean(kept.notes), this.ofAtlas);
  }

  #clean(notes) {
    return (Array.isArray(notes) ? notes : []).slice(0, MAX_NOTES).map((note) => valid(note, this.maps)).filter(Boolean);
  }

  /** Those that are not among others: notes that were saved beside the atlas are its own from then on. */
  #fresh(notes, others) {
    const known = new Set(others.map((note) => toLink(note)));
    return notes.filter((note) => !known.has(toLink(note)));
  }

  /** [note, where it is from], in the order of their numbers. */
  get all() {
    const of = (notes, from) => notes.map((note) => ({ note, from }));
    return [...of(this.ofAtlas, "atlas"), ...of(this.own, "own"), ...of(this.ofLink, "link")];
  }

  /** Take the notes of a link; returns whether they are others than before. */
  follow(values = []) {
    const notes = this.#fresh(this.#clean(values.map(fromLink)), [...this.ofAtlas, ...this.own]);
    if (linkPart(notes) === linkPart(this.ofLink)) return false;
    this.ofLink = notes;
    return true;
  }

  /** The notes of the link, which a link to another view of the page keeps. */
  get part() {
    return linkPart(this.ofLink) ?? "";
  }

  /** Add a note of the reader's own; returns it, or undefined if there are too many. */
  add(raw) {
    if (this.ofAtlas.length + this.own.length >= MAX_NOTES) return undefined;
    const note = valid(raw, this.maps);
    this.ofLink = this.#fresh(this.ofLink, [note]);
    this.own = [...this.own, note];
    this.#save();
    return note;
  }

  remove(note) {
    this.own = this.own.filter((other) => other !== note);
    this.#save();
  }

  visit() {
    this.visited = true;
    this.#save();
  }

  /** The content of notes.json: the notes of the atlas and the reader's own. */
  file() {
    return `${JSON.stringify({ format: FORMAT, notes: [...this.ofAtlas, ...this.own] }, null, 1)}\n`;
  }

  #read() {
    if (!this.keeps) return {};
    try {
      return JSON.parse(localStorage.getItem(this.key)) ?? {};
    } catch {
      return {}; // it is not allowed here, or holds something else
    }
  }

  #save() {
    if (!this.keeps) return;
    try {
      localStorage.setItem(this.key, JSON.stringify({ visited: this.visited, notes: this.own }));
    } catch {
      // Then they last as long as the page.
    }
  }
}
