// The help dialog: how to read the atlas, the keys, how the atlas was made.

import { ICONS, h, iconButton, text } from "./dom.js";

const KEYS = [
  ["← ↑ → ↓", "move between cells"],
  ["Shift + arrow", "pan the map"],
  ["+  −", "zoom in or out"],
  ["Enter", "pin or unpin the cell"],
  ["Esc", "close, unpin, clear"],
  ["/", "search for a class"],
  ["[  ]", "previous or next map"],
  ["H or 0", "show the whole map"],
  ["L", "show or hide names"],
  ["B", "light or dark theme"],
  ["F", "full screen"],
  ["?", "open this help"],
];

export class Help {
  constructor(app) {
    const keys = KEYS.flatMap(([key, what]) => [
      h("dt", {}, ...key.split(/ {2}| /).map((part) => (part === "+" && key.length > 5) || part === "or" ? ` ${part} ` : h("kbd", {}, part))),
      h("dd", {}, what)]);
    this.element = h("dialog", { class: "j-help", "aria-label": "Help" },
      iconButton("Close", ICONS.close, () => this.element.close(), { class: "j-button j-close" }),
      h("h2", {}, "Reading the atlas"),
      h("p", {}, "Activations of one layer, taken at random positions of many images, were laid out so that similar activations lie close together. Each cell averages the activations that fall into it. Its icon is an image optimized to excite the layer in the direction of that average."),
      h("p", {}, "Zoom in to split cells into finer ones. The more activations a cell averages, the larger its icon. A cell is named by what its images show more often than all images do: a class, or a group of classes. It has no name where nothing holds. Distances and directions have no meaning, only neighbourhoods do."),
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
