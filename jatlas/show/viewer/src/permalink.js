// The view as a fragment of the address: #map=mixed4c&at=0.412,0.380,3.20&class=281&cell=20.3.7&sel=20,3.4-7
// and for a second map beside it &split=mixed5b@0.5,0.5,1.000

const LONGEST = 1500; // letters of a filter
const WHOLE = [0.7, 1]; // where the range of a highlight ends unless the reader moves it

/** Write a view as the fragment of an address. */
export function write({ map, x, y, zoom, by, against, range, grid, pinned, split, selected }) {
  const parts = [`map=${encodeURIComponent(map)}`];
  parts.push(`at=${at({ x, y, zoom })}`);
  if (by?.startsWith("class-")) parts.push(`class=${by.slice(6)}`);
  else if (by?.startsWith("filter-")) parts.push(...filtered(by.slice(7)));
  else if (by) parts.push(`by=${encodeURIComponent(by)}`);
  if (by && against) parts.push("against=1");
  if (by && range && !(range[0] === 0 && WHOLE.includes(range[1]))) parts.push(`range=${range.map((end) => end.toFixed(2))}`);
  if (grid !== "auto") parts.push(`grid=${grid}`);
  if (pinned) parts.push(`cell=${pinned.size}.${pinned.row}.${pinned.column}`);
  if (pinned && pinned.map !== map) parts.push(`from=${encodeURIComponent(pinned.map)}`);
  if (split) parts.push(`split=${encodeURIComponent(split.map)}@${at(split)}`);
  if (split && split.together != null) parts.push(`together=${Number(split.together)}`);
  if (selected) parts.push(`sel=${selected.cells}`);
  if (selected && selected.map !== map) parts.push(`selof=${encodeURIComponent(selected.map)}`);
  return `#${parts.join("&")}`;
}

/** A filter, unless it is too long for an address. */
function filtered(rules) {
  const part = `filter=${encodeURIComponent(rules)}`;
  return part.length > LONGEST ? [] : [part];
}

function at({ x, y, zoom }) {
  return `${x.toFixed(4)},${y.toFixed(4)},${zoom.toFixed(3)}`;
}

/** What changes of a link is a step of Back; where the cameras are, and the range of a highlight, is none. */
export function step(link) {
  return link.replace(/&(at|range)=[^&]*|@[^&]*/g, "");
}

/** The second map: ID@x,y,zoom. */
function second(raw) {
  const [id, place = ""] = raw.split("@");
  const [x, y, zoom] = place.split(",").map(Number);
  return place.split(",").length === 3 && [x, y, zoom].every(Number.isFinite) ? { map: decodeURIComponent(id), x, y, zoom } : undefined;
}

/** Read a fragment; what is missing or invalid is left out. */
export function read(hash) {
  const view = {};
  let together;
  for (const part of hash.replace(/^#/, "").split("&")) {
    const [name, raw = ""] = part.split("=");
    if (name === "note") (view.notes ??= []).push(raw);
    let value;
    try {
      value = decodeURIComponent(raw);
    } catch {
      continue;
    }
    const numbers = value.split(name === "cell" ? "." : ",").map(Number);
    const valid = (count) => numbers.length === count && numbers.every(Number.isFinite) && value !== "";
    if (name === "map") view.map = value;
    else if (name === "from") view.from = value;
    else if (name === "at" && valid(3)) [view.x, view.y, view.zoom] = numbers;
    else if (name === "class" && valid(1)) view.by = `class-${numbers[0]}`;
    else if (name === "sel") view.selected = value;
    else if (name === "selof") view.selectedOf = value;
    else if (name === "by") view.by = value;
    else if (name === "filter") view.by = `filter-${value}`;
    else if (name === "range" && valid(2) && numbers[0] >= 0 && numbers[0] < numbers[1] && numbers[1] <= 1) view.range = numbers;
    else if (name === "against") view.against = value === "1";
    else if (name === "split") view.split = second(raw);
    else if (name === "together" && valid(1)) together = value === "1";
    else if (name === "grid" && valid(1)) view.grid = numbers[0];
    else if (name === "cell" && valid(3)) {
      view.cell = { size: numbers[0], row: numbers[1], column: numbers[2] };
    }
  }
  if (view.split && together !== undefined) view.split.together = together;
  return view;
}
