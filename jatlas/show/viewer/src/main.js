// Entry point of a page whose atlas is in a folder or in the page itself.

import { h } from "./dom.js";
import { FolderSource, InlineSource } from "./source.js";
import { Viewer } from "./viewer.js";

async function start() {
  const inline = document.querySelectorAll("script[data-jatlas]");
  const source = inline.length ? new InlineSource(inline) : new FolderSource("viewer/");
  const root = h("div", { class: "jatlas" });
  document.body.append(root);
  try {
    const manifest = await source.json("atlas");
    window.jatlasViewer = new Viewer(root, manifest, source, { links: true });
  } catch (error) {
    root.replaceChildren(h("p", { class: "j-failed", role: "alert" }, `Cannot show this atlas: ${error.message}. Was the folder copied whole?`));
    throw error;
  }
}

start();
