// Shapes on a map: which cells are inside one, the outline of some cells, and cells written as text.

/** Whether a point is inside a polygon [[x, y], ...], by the even-odd rule. */
export function inside(polygon, x, y) {
  let odd = false;
  polygon.forEach(([x1, y1], k) => {
    const [x2, y2] = polygon.at(k - 1);
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) odd = !odd;
  });
  return odd;
}

/** The rectangle with these opposite corners, as a polygon. */
export function rectangle([left, top], [right, bottom]) {
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
}

/** The cells of a grid whose centres are inside a polygon of the unit square. */
export function cellsInside(grid, polygon) {
  const at = (value) => Math.min(Math.max(Math.floor(value * grid.size), 0), grid.size);
  const [xs, ys] = [0, 1].map((axis) => polygon.map((point) => point[axis]));
  const [left, top] = [Math.min(...xs), Math.min(...ys)].map(at);
  const [right, bottom] = [Math.max(...xs), Math.max(...ys)].map((value) => at(value) + 1);
  return grid.within(left, top, right, bottom).filter((i) => inside(polygon, ...grid.centre(i)));
}

/** The outline of some cells: closed loops of corners [column, row], clockwise around cells. */
export function loops(grid, cells) {
  const wide = grid.size + 1;
  const has = (column, row) =>
    column >= 0 && row >= 0 && column < grid.size && row < grid.size && cells.has(grid.at[row * grid.size + column]);
  const starts = new Map(); // corner -> ends of the sides that start there
  const side = (x1, y1, x2, y2) => {
    const from = y1 * wide + x1;
    starts.set(from, [...(starts.get(from) ?? []), y2 * wide + x2]);
  };
  for (const i of cells) {
    const [x, y] = [grid.column(i), grid.row(i)];
    if (!has(x, y - 1)) side(x, y, x + 1, y);
    if (!has(x + 1, y)) side(x + 1, y, x + 1, y + 1);
    if (!has(x, y + 1)) side(x + 1, y + 1, x, y + 1);
    if (!has(x - 1, y)) side(x, y + 1, x, y);
  }
  const found = [];
  for (const first of starts.keys()) {
    while (starts.get(first).length) found.push(follow(starts, first));
  }
  return found.map((loop) => loop.map((corner) => [corner % wide, Math.floor(corner / wide)]));
}

/** Follow sides from a corner until back there, and use them up. Straight lines are one side. */
function follow(starts, first) {
  const loop = [];
  let [at, last] = [first, 0];
  do {
    const next = starts.get(at).pop();
    if (next - at !== last) loop.push(at);
    last = next - at;
    at = next;
  } while (at !== first);
  return loop;
}

/** Cells as short text: the size of the grid, then rows with runs of columns: "20,3.4-7.9,4.2". */
export function written(grid, cells) {
  const rows = new Map();
  for (const i of [...cells].sort((a, b) => grid.cell[a] - grid.cell[b])) {
    const [row, column] = [grid.row(i), grid.column(i)];
    if (!rows.has(row)) rows.set(row, []);
    const run = rows.get(row).at(-1);
    if (run && run[1] === column - 1) run[1] = column;
    else rows.get(row).push([column, column]);
  }
  const run = ([first, last]) => (first === last ? `${first}` : `${first}-${last}`);
  return [grid.size, ...[...rows].map(([row, runs]) => [row, ...runs.map(run)].join("."))].join(",");
}

/** Read such text: {size, cells: [[row, column], ...]}; what is invalid is left out. */
export function readCells(text) {
  const [first, ...rows] = text.split(",");
  const whole = (word) => (/^\d{1,4}$/.test(word) ? Number(word) : NaN);
  const size = whole(first);
  const cells = [];
  for (const [row, ...runs] of rows.map((words) => words.split("."))) {
    if (!(whole(row) < size)) continue;
    for (const run of runs) {
      const [from, to = from] = run.split("-").map(whole);
      for (let column = from; column <= Math.min(to, size - 1); column++) cells.push([whole(row), column]);
    }
  }
  return { size, cells };
}
