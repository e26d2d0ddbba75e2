// A table as a Parquet file.

import { parquetWriteBuffer } from "hyparquet-writer";

/** The type of a column: whole numbers, numbers, or text. */
function typeOf(values) {
  const known = values.filter((value) => value !== null);
  if (!known.every((value) => typeof value === "number")) return "STRING";
  return known.every(Number.isInteger) ? "INT32" : "DOUBLE";
}

/** Rows, a list of objects with the same columns, as the bytes of a file. */
export function parquet(rows) {
  const names = Object.keys(rows[0] ?? {});
  const columnData = names.map((name) => {
    const data = rows.map((row) => row[name] ?? null);
    return { name, data, type: typeOf(data), nullable: true };
  });
  return parquetWriteBuffer({ columnData });
}
