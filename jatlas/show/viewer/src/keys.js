// Keyboard control of the map.

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Handle a key; returns whether it has a meaning. */
export function press(app, event) {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && app.options.links) {
    app.links.undo(event.shiftKey ? 1 : -1);
    return true;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const step = STEPS[event.key];
  if (step) {
    if (event.shiftKey) app.camera.panBy(-step[0] * 80, -step[1] * 80);
    else walk(app, ...step);
    return true;
  }
  const act = {
    "+": () => app.zoom(1.6),
    "=": () => app.zoom(1.6),
    "-": () => app.zoom(1 / 1.6),
    0: () => app.home(),
    h: () => app.home(),
    Enter: () => (event.shiftKey ? select(app) : pin(app)),
    " ": () => (event.shiftKey ? select(app) : pin(app)),
    Escape: () => (app.active.lasso.drawing ? app.active.lasso.cancel() : app.escape()),
    "/": () => app.find(),
    "[": () => app.go(app.active.map - 1),
    "]": () => app.go(app.active.map + 1),
    l: () => app.set({ labels: !app.state.labels }),
    s: () => app.model.maps.length > 1 && app.split.toggle(),
    b: () => app.toggleTheme(),
    f: () => app.toggleFull(),
    "?": () => app.help.open(),
  }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  act?.();
  return Boolean(act);
}

/** Hold the cell of the cursor, or release it. */
function pin(app) {
  const { state, grid } = app.active;
  if (!grid || state.cursor < 0 || state.cursorGrid !== grid) return;
  const { pinned } = app.state;
  const here = pinned?.grid === grid && pinned.i === state.cursor;
  app.pin(here ? null : { grid, i: state.cursor });
}

/** Add the cell of the cursor to the selection, or remove it. */
function select(app) {
  const { state, grid } = app.active;
  if (grid && state.cursor >= 0 && state.cursorGrid === grid) app.selection.change(grid, [state.cursor], "toggle");
}

/** Move to the nearest cell in a direction from the cursor or the held cell, or else enter the map. */
export function walk(app, dx, dy) {
  const { state, camera, grid } = app.active;
  if (!grid) return;
  const { pinned } = app.state;
  let [owner, at] = [state.cursorGrid, state.cursor];
  if (at < 0 && pinned?.map === state.map) [owner, at] = [pinned.grid, pinned.i];
  let to;
  if (at < 0 || owner !== grid) {
    const from = at >= 0 ? owner.centre(at) : [camera.x, camera.y];
    to = nearest(grid, (column, row) => Math.hypot(column - from[0] * grid.size + 0.5, row - from[1] * grid.size + 0.5));
  } else {
    const [column, row] = [grid.column(at), grid.row(at)];
    to = nearest(grid, (c, r) => {
      const along = (c - column) * dx + (r - row) * dy;
      const across = Math.abs((c - column) * dy) + Math.abs((r - row) * dx);
      return along > 0 && across <= along ? along + 2 * across : Infinity;
    });
  }
  if (to >= 0) app.stand(grid, to);
}

/** Index of the cell (column, row) with the smallest distance, -1 if all are infinitely far. */
function nearest(grid, distanceTo) {
  let [best, minimum] = [-1, Infinity];
  for (let i = 0; i < grid.cell.length; i++) {
    const distance = distanceTo(grid.column(i), grid.row(i));
    if (distance < minimum) [best, minimum] = [i, distance];
  }
  return best;
}
