// The help dialog: how to read the atlas, the keys, how the atlas was made.

import { ICONS, h, iconButton, text } from "./dom.js";

const KEYS = [
  ["← ↑ → ↓", "move between cells"],
  ["Shift + arrow", "pan the map"],
  ["+  −", "zoom in or out"],
  ["Enter", "hold or release the cell"],
  ["Shift + Enter", "select the cell, or not"],
  ["Esc", "close, release, clear"],
  ["/", "search for a class"],
  ["N", "add a note"],
  ["T", "start the tour"],
  ["Ctrl + Z", "undo a step"],
  ["[  ]", "previous or next map"],
  ["S", "two maps side by side, or one"],
  ["H or 0", "fit the map"],
  ["L", "show or hide names"],
  ["B", "light or dark theme"],
  ["F", "full screen"],
  ["?", "open this help"],
];

const TOUCH = [
  ["Point", "see what a picture stands for"],
  ["Click or tap", "hold or release a cell"],
  ["Double click or tap", "zoom in"],
  ["Wheel or pinch", "zoom"],
  ["Drag", "pan"],
  ["Light by", "light cells by a number: of themselves, of their samples, of your columns"],
  ["Filter samples", "light cells by the share of their samples that passes"],
  ["Shift + drag, or the lasso", "select cells; Shift + click adds or removes one, Alt + drag takes away"],
  ["Click a real place", "see its whole image, if the page has it"],
  ["Pin", "open a note: its view and its text"],
  ["Back", "undo: another map, highlight, held cell or selection"],
];

export class Help {
  constructor(app) {
    const keys = KEYS.flatMap(([key, what]) => [
      h("dt", {}, ...key.split(/ {2}| /).map((part) => (part === "+" && key.length > 5) || part === "or" ? ` ${part} ` : h("kbd", {}, part))),
      h("dd", {}, what)]);
    this.element = h("dialog", { class: "j-help", "aria-label": "Help" },
      iconButton("Close", ICONS.close, () => this.element.close(), { class: "j-button j-close" }),
      h("h2", {}, "Reading the atlas"),
      h("p", {}, "A region of an image makes a layer respond with a vector of activations. Vectors from random positions of many images were laid out so that similar ones lie side by side, each cell of a grid was averaged, and a picture was optimized that causes that average: its icon."),
      h("p", {}, "Zoom in to split cells into finer ones. The more activations a cell averages, the larger its icon. A cell is named by what its images show more often than all images do: a class, or a group of classes. It has no name where nothing holds. Distances and directions have no meaning, only neighbourhoods do."),
      h("p", {}, "Notes are views with a text: numbered pins on the map, listed in the sidebar. Yours stay in this browser. Save notes downloads notes.json, to be put beside atlas.json before the page is exported again; a link can carry short ones."),
      h("p", {}, app.guide.tourButton(() => this.element.close())),
      h("h2", {}, "Mouse and touch"), h("dl", { class: "j-facts" }, ...TOUCH.flatMap(([what, does]) => [h("dt", {}, what), h("dd", {}, does)])),
      h("h2", {}, "Keys"), h("dl", { class: "j-keys" }, ...keys),
      h("h2", {}, "How this atlas was made"), this.#made(app.model.manifest.about));
    // A click outside the dialog hits its backdrop, which is the dialog itself.
    this.element.addEventListener("click", (event) => event.target === this.element && this.element.close());
  }

  #made(about) {
    const settings = about.settings ?? {};
    const facts = [
      ["Network", about.network],
      ["Weights", about.weights_sha256 && `sha256 ${String(about.weights_sha256).slice(0, 16)}…`],
      ["Images", about.images],
      ["Positions per image", settings.per_image],
      ["Layout", settings.layout && [settings.layout.kind, settings.layout.n_neighbors && `${settings.layout.n_neighbors} neighbors`, settings.layout.min_dist !== undefined && `minimum distance ${settings.layout.min_dist}`].filter(Boolean).join(", ")],
      ["Whitening", settings.whiten === undefined ? undefined : settings.whiten ? "yes" : "no"],
      ["Activations per cell", settings.min_count && `at least ${settings.min_count}`],
      ["Seed", Array.isArray(about.seed) ? about.seed.join(" ") : about.seed],
      ["Steps per icon", (settings.icons ?? settings.render)?.steps],
      ["Versions", about.versions && ["jatlas", "jax", "umap-learn"]
        .flatMap((name) => (about.versions[name] ? [`${name} ${about.versions[name]}`] : [])).join(", ")],
    ];
    return h("dl", { class: "j-facts" }, ...facts.flatMap(([name, value]) =>
      (value ? [h("dt", {}, name), h("dd", {}, text(String(value).slice(0, 200)))] : [])));
  }

  open() {
    if (!this.element.open) this.element.showModal();
  }
}
