// The overlay with the keys, and how the atlas was made.

import { ICONS, h, iconButton, text } from "./dom.js";

const KEYS = [
  ["← ↑ → ↓", "walk from cell to cell"],
  ["Shift + arrow", "move the map"],
  ["+  −", "zoom in, out"],
  ["Enter", "pin the cell, or let it go"],
  ["Esc", "close, then clear"],
  ["/", "find a class"],
  ["[  ]", "previous, next map"],
  ["H or 0", "see the whole map"],
  ["L", "names on or off"],
  ["B", "light or dark"],
  ["F", "full screen"],
  ["?", "this help"],
];

export class Help {
  constructor(app) {
    const keys = KEYS.flatMap(([key, what]) => [
      h("dt", {}, ...key.split(/ {2}| /).map((part) => (part === "+" && key.length > 5) || part === "or" ? ` ${part} ` : h("kbd", {}, part))),
      h("dd", {}, what)]);
    this.element = h("dialog", { class: "j-help", "aria-label": "Help" },
      iconButton("Close", ICONS.close, () => this.element.close(), { class: "j-button j-close" }),
      h("h2", {}, "Reading the atlas"),
      h("p", {}, "Many images were shown to a network, and what one of its layers answered at random places was laid out so that like lies next to like. Every cell is the average of the answers that fell into it; its picture was made to excite just that."),
      h("p", {}, "Zoom in and cells divide into finer ones. The more activations, the larger the icon. Names are the classes a cell speaks for; in early layers they mean little. Distances and directions mean nothing: only neighbours do."),
      h("h2", {}, "Keys"), h("dl", { class: "j-keys" }, ...keys),
      h("h2", {}, "How it was made"), this.#made(app.model.manifest.about));
    // A click beside the dialog hits the dialog's own backdrop.
    this.element.addEventListener("click", (event) => event.target === this.element && this.element.close());
  }

  #made(about) {
    const settings = about.settings ?? {};
    const facts = [
      ["Network", about.network],
      ["Weights", about.weights_sha256 && `sha256 ${String(about.weights_sha256).slice(0, 16)}…`],
      ["Images", about.images],
      ["Places per image", settings.per_image],
      ["Steps per icon", settings.render?.steps],
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
