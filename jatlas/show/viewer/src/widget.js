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
  source.json("atlas").then((manifest) => {
    if (closed) return;
    viewer = new Viewer(root, manifest, source, {
      onpin: (cell) => {
        model.set("selection", cell);
        model.save_changes();
      },
      onselect: (cells) => {
        model.set("selected", cells);
        model.save_changes();
      },
    });
  });
  return () => {
    closed = true;
    viewer?.close();
    source.close();
  };
}

export default { render };
