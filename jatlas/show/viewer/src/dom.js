// Elements created in code. Text is always text: HTML is parsed nowhere.

/** Create an element: props are attributes and `on...` listeners; children are nodes or text. */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

const SVG = "http://www.w3.org/2000/svg";

/** A line icon of 20 x 20. */
export function icon(path) {
  const line = fill(document.createElementNS(SVG, "path"), { d: path }, []);
  const props = { viewBox: "0 0 20 20", "aria-hidden": "true", class: "j-icon" };
  return fill(document.createElementNS(SVG, "svg"), props, [line]);
}

/** An icon button; its name is read out and shown on hover. */
export function iconButton(name, path, onclick, props = {}) {
  return h("button", { type: "button", class: "j-button", "aria-label": name, title: name, onclick, ...props }, icon(path));
}

/** Buttons of which one is pressed: {element, show(value, available)}. */
export function segmented(name, choices, chosen) {
  const buttons = choices.map(([value, title]) =>
    h("button", { type: "button", onclick: () => chosen(value) }, title));
  return {
    element: h("span", { class: "j-segmented", role: "group", "aria-label": name }, ...buttons),
    show(value, available) {
      choices.forEach(([choice], i) => {
        buttons[i].setAttribute("aria-pressed", String(choice === value));
        buttons[i].hidden = available !== undefined && choice !== "auto" && !available.includes(choice);
      });
    },
  };
}

/** Text from the atlas, isolated, so that right-to-left text affects nothing around it. */
export function text(value, props = {}) {
  return h("bdi", { dir: "auto", ...props }, String(value));
}

/** Replace the content of an element. */
export function put(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value != null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

export const ICONS = {
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  home: "M3.5 9.5 10 4l6.5 5.5M5.5 8.5V16h9V8.5",
  full: "M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4",
  help: "M7.2 7.4a2.8 2.8 0 1 1 4.2 2.5c-.9.5-1.4 1-1.4 2.1M10 14.8v.4",
  theme: "M10 3.5a6.5 6.5 0 1 0 0 13zM10 3.5a6.5 6.5 0 0 1 0 13",
  close: "M5 5l10 10M15 5 5 15",
  link: "M8.5 11.5l3-3M9 6.5l1.8-1.8a3.2 3.2 0 0 1 4.5 4.5L13.5 11M11 13.5l-1.8 1.8a3.2 3.2 0 0 1-4.5-4.5L6.5 9",
  search: "M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM13.2 13.2 17 17",
  menu: "M3.5 6h13M3.5 10h13M3.5 14h13",
  split: "M3.5 4.5h13v11h-13zM10 4.5v11",
  save: "M10 3.5v9M6.5 9.5 10 13l3.5-3.5M3.5 13v3h13v-3",
  target: "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM10 2.5v4M10 13.5v4M2.5 10h4M13.5 10h4",
};

/** Decode base64. */
export function bytes(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const raw = atob(base64);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

const ARRAYS = {
  u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, i1: Int8Array, i2: Int16Array, i4: Int32Array,
  f4: Float32Array, f8: Float64Array,
};

/** Decode an array of numbers: {type, data}. */
export function numbers({ type, data }) {
  return new ARRAYS[type](bytes(data).buffer);
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Whether the reader prefers reduced motion. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

const grouped = new Intl.NumberFormat("en");
export const number = (value) => grouped.format(value);

/** A value of evidence, a cosine or a count, as a reader wants it: two or three digits that count. */
export function worth(value) {
  if (Number.isNaN(value)) return "–";
  if (Number.isInteger(value)) return number(value).replace("-", "−");
  const size = Math.abs(value);
  const places = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.0095 ? 2 : Math.min(5, 1 - Math.floor(Math.log10(size)));
  return value.toFixed(places).replace("-", "−");
}

/** The first name of a class, shortened to fit a line. */
export function shortName(name, length = 26) {
  const first = name.slice(0, 200).split(",")[0].trim() || name.slice(0, 200);
  return first.length > length ? `${first.slice(0, length - 1).trimEnd()}…` : first;
}
