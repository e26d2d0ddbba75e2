// Entry point of the notebook widget, an anywidget module.

import { h } from "./dom.js";
import { KernelSource } from "./source.js";
import { Viewer } from "./viewer.js";

function render({ model, el }) {
  const source = new KernelSource(model);
  // The attribute keeps JupyterLab's own shortcuts from acting on the map.
  const root = h("div", { class: "jatlas j-embedded", "data-lm-suppress-shortcuts": "true" });
  root.style.height = `${model.get("height")}px`;
  el.append(root);
  let viewer = null;
  let closed = false;
  const tell = (name) => (value) => {
    model.set(name, value);
    model.save_changes();
  };
  const heard = [["change:selected", () => viewer?.ready.then(() => select(viewer, model.get("selected")))],
    ["change:selection", () => viewer?.ready.then(() => hold(viewer, model.get("selection")))]];
  source.json("atlas").then((manifest) => {
    if (closed) return;
    const [selected, selection] = [model.get("selected"), model.get("selection")];
    viewer = new Viewer(root, manifest, source, { onpin: tell("selection"), onselect: tell("selected") });
    heard.forEach(([name, act]) => model.on(name, act));
    viewer.ready.then(() => selected && select(viewer, selected)).then(() => selection && hold(viewer, selection));
  });
  return () => {
    closed = true;
    heard.forEach(([name, act]) => model.off(name, act));
    viewer?.close();
    source.close();
  };
}

/** Select the cells that Python says, and show them. */
async function select(viewer, selected) {
  if (await viewer.selection.choose(selected ?? null)) viewer.selection.show();
}

/** Hold the cell that Python says, and show it. */
async function hold(viewer, cell) {
  const { model, state } = viewer;
  if (!cell) return state.pinned && viewer.pin(null);
  const map = model.maps.findIndex(({ id }) => id === cell.map);
  if (!model.maps[map]?.grids.some(({ size }) => size === cell.grid)) return;
  const grid = await model.grid(map, cell.grid);
  const i = grid.find((cell.col + 0.5) / grid.size, (cell.row + 0.5) / grid.size);
  const { pinned } = state;
  if (i >= 0 && !(pinned?.grid === grid && pinned.i === i)) viewer.show(grid, i);
}

export default { render };
