// The place in the address: #map=mixed4c&at=0.412,0.380,3.20&class=281&cell=20.3.7

/** Write what is to be seen as the part of an address after #. */
export function write({ map, x, y, zoom, cls, against, grid, pinned }) {
  const parts = [`map=${encodeURIComponent(map)}`];
  parts.push(`at=${x.toFixed(4)},${y.toFixed(4)},${zoom.toFixed(3)}`);
  if (cls !== null) parts.push(`class=${cls}`);
  if (cls !== null && against) parts.push("against=1");
  if (grid !== "auto") parts.push(`grid=${grid}`);
  if (pinned) parts.push(`cell=${pinned.size}.${pinned.row}.${pinned.column}`);
  if (pinned && pinned.map !== map) parts.push(`from=${encodeURIComponent(pinned.map)}`);
  return `#${parts.join("&")}`;
}

/** Read it; what is missing or makes no sense is left out. */
export function read(hash) {
  const found = {};
  for (const part of hash.replace(/^#/, "").split("&")) {
    const [name, raw = ""] = part.split("=");
    let value;
    try {
      value = decodeURIComponent(raw);
    } catch {
      continue;
    }
    const numbers = value.split(name === "cell" ? "." : ",").map(Number);
    const whole = (count) => numbers.length === count && numbers.every(Number.isFinite) && value !== "";
    if (name === "map") found.map = value;
    else if (name === "from") found.from = value;
    else if (name === "at" && whole(3)) [found.x, found.y, found.zoom] = numbers;
    else if (name === "class" && whole(1)) found.cls = numbers[0];
    else if (name === "against") found.against = value === "1";
    else if (name === "grid" && whole(1)) found.grid = numbers[0];
    else if (name === "cell" && whole(3)) {
      found.cell = { size: numbers[0], row: numbers[1], column: numbers[2] };
    }
  }
  return found;
}
