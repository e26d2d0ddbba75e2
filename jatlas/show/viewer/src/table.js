// The samples of the selected cells as a table, and files that the reader takes away.

import { number } from "./dom.js";
import { parquet } from "./parquet.js";

/** The rows of a map's samples that are in some cells of a grid, and the cell of each. */
export async function rowsOf(model, grid, cells) {
  const located = await model.cellsOf(grid);
  const rows = [];
  located?.of.forEach((cell, row) => cells.has(cell) && rows.push([row, cell]));
  return rows;
}

/** Names of the images of a map's atlas; undefined if the page has none. */
function imagesOf({ manifest }, { atlas = 0 }) {
  const other = manifest.others?.[atlas - 1];
  return atlas === 0 || (other?.same_images && !other.images) ? manifest.images : other?.images;
}

/** A table of the samples of some cells: a list of objects, a sample each, by columns. */
export async function table(model, grid, cells) {
  const map = model.maps[grid.map];
  const [rows, samples, origins] = await Promise.all([rowsOf(model, grid, cells), model.samples(grid.map), model.origins(grid.map)]);
  const names = imagesOf(model, map);
  const at = (step) => Number(((step + 0.5) / 65536).toFixed(6));
  return rows.map(([row, cell]) => {
    const image = origins?.image[row];
    return {
      sample: samples.ids[row],
      ...(origins && { image }),
      ...(origins && names && { image_name: names[image] ?? null }),
      ...(origins && { row: origins.row[row], column: origins.column[row] }),
      x: at(samples.xy[2 * row]), y: at(samples.xy[2 * row + 1]),
      map: map.id, grid: grid.size, cell_row: grid.row(cell), cell_column: grid.column(cell),
      cell_name: model.cellName(grid, cell) ?? null,
    };
  });
}

/** A table as CSV, as RFC 4180 has it. */
export function csv(rows) {
  const field = (value) => {
    const words = String(value ?? "");
    return /[",\r\n]/.test(words) ? `"${words.replaceAll('"', '""')}"` : words;
  };
  const columns = Object.keys(rows[0] ?? {});
  return [columns, ...rows.map((row) => columns.map((name) => row[name]))].map((line) => `${line.map(field).join(",")}\r\n`).join("");
}

/** Let the reader keep a file. */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A name that every file system takes. */
export function fileName(...words) {
  return words.join("-").replace(/[^\w.-]+/g, "_").slice(0, 100);
}

const KINDS = {
  csv: ["text/csv", csv],
  json: ["application/json", (rows) => `${JSON.stringify(rows, null, 1)}\n`],
  parquet: ["application/vnd.apache.parquet", parquet],
};

/** Save the samples of the selection as "csv", "json" or "parquet". */
export async function saveTable(app, kind) {
  const { grid, cells } = app.selection;
  const { id, stride } = app.model.maps[grid.map];
  const rows = await table(app.model, grid, cells);
  const [type, write] = KINDS[kind];
  download(new Blob([write(rows)], { type }), `${fileName("samples", id, grid.size)}.${kind}`);
  const kept = stride > 1 ? `; the page has 1 of ${number(stride)} samples, jatlas export --table has all` : "";
  app.notice(`Saved ${number(rows.length)} samples${kept}`, stride > 1 ? 9000 : 2600);
}
