// One row of the filter for each field: a histogram with a range, check boxes, or a search.

import { h, number, put, text, worth } from "./dom.js";
import { BINS } from "./fields.js";
import { search } from "./match.js";

const [WIDTH, HEIGHT] = [200, 36]; // of a histogram
const SVG = "http://www.w3.org/2000/svg";

/** {element, show({bins, crossed}, rule, map)}; `chosen` is called with a rule, or undefined for none. */
export function controlOf(app, field, chosen) {
  const make = { number: range, category: boxes, class: finder }[field.kind];
  return make(app, field, chosen);
}

function row(field, about, ...children) {
  const name = text(field.name.slice(0, 120), { class: "j-filter-name", title: field.name.slice(0, 300) });
  const element = h("div", { class: "j-filter", role: "group", "aria-label": field.name.slice(0, 120) },
    h("div", { class: "j-filter-head" }, name, about), ...children);
  const unknown = h("p", { class: "j-filter-none", hidden: true }, "Not known of this map");
  element.append(unknown);
  const known = (is) => {
    unknown.hidden = is;
    for (const child of children) child.hidden = !is;
  };
  return { element, known };
}

/** A number: all samples in grey, those that pass the other rules in colour, between two handles. */
function range(app, field, chosen) {
  const { low, high } = field;
  const paths = ["j-bins-all", "j-bins-off", "j-bins-on"].map((name) => svg("path", { class: name }));
  const picture = svg("svg", { class: "j-histogram", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, paths);
  const handles = ["at least", "at most"].map((end, k) => h("input", {
    type: "range", min: "0", max: String(BINS), value: k ? String(BINS) : "0", "aria-label": `${field.name.slice(0, 80)}, ${end}`, oninput: () => moved(k),
  }));
  const about = h("span", { class: "j-filter-about" });
  const { element, known } = row(field, about, h("div", { class: "j-bins" }, picture, h("span", { class: "j-range" }, ...handles)));
  const edge = (place) => Number((low + ((high - low) * place) / BINS).toPrecision(6));
  const places = () => handles.map((handle) => Number(handle.value));
  function moved(k) {
    let [from, to] = places();
    if (from >= to) [from, to] = k ? [Math.min(from, Math.max(to, 1) - 1), Math.max(to, 1)] : [Math.min(from, BINS - 1), Math.max(to, Math.min(from, BINS - 1) + 1)];
    put2(from, to);
    // The ends of the scale let everything pass that has a value, once the other end does not.
    chosen(from === 0 && to === BINS ? undefined : [from === 0 ? null : edge(from), to === BINS ? null : edge(to)]);
  }
  function put2(from, to) {
    [from, to].forEach((place, k) => {
      handles[k].value = String(place);
      handles[k].setAttribute("aria-valuetext", worth(edge(place)));
    });
  }
  const placeOf = (value, other) => (value === null || value === undefined ? other : Math.round(((value - low) / (high - low || 1)) * BINS));
  return {
    element,
    show({ bins, crossed }, rule) {
      known(Boolean(bins));
      const [from, to] = [placeOf(rule?.[0], 0), placeOf(rule?.[1], BINS)].map((place) => Math.min(BINS, Math.max(0, place)));
      put2(from, to);
      put(about, `${worth(rule?.[0] ?? low)} – ${worth(rule?.[1] ?? high)}`);
      if (!bins) return;
      const top = Math.max(...bins.all, 1);
      const inside = (_, k) => k >= from && k < to;
      paths[0].setAttribute("d", bars(bins.all, top));
      paths[1].setAttribute("d", bars(crossed ?? [], top, (_, k) => !inside(_, k)));
      paths[2].setAttribute("d", bars(crossed ?? [], top, inside));
    },
  };
}

/** Bars as one path; by their square root, so that a few samples are seen beside many. */
function bars(counts, top, wanted = () => true) {
  const width = WIDTH / BINS;
  return Array.from(counts, (count, k) => {
    if (!count || !wanted(count, k)) return "";
    const y = HEIGHT * (1 - Math.sqrt(count / top));
    return `M${k * width} ${HEIGHT}V${y.toFixed(1)}h${width - 1}V${HEIGHT}z`;
  }).join("");
}

function svg(tag, props, children = []) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Categories with how many samples pass the other rules; none checked lets all pass. */
function boxes(app, field, chosen) {
  const entries = field.vocabulary.map((name, index) => {
    const box = h("input", { type: "checkbox", onchange: () => changed() });
    const count = h("span", { class: "j-filter-about" });
    const line = h("label", { class: "j-filter-box" }, box, text(name.slice(0, 120), { title: name.slice(0, 300) }), count);
    return { index, box, count, line };
  });
  const list = h("div", { class: "j-filter-list" }, ...entries.map(({ line }) => line));
  const { element, known } = row(field, null, list);
  const changed = () => {
    const kept = entries.filter(({ box }) => box.checked).map(({ index }) => index);
    chosen(kept.length ? kept : undefined);
  };
  let ordered = null;
  return {
    element,
    show({ bins, crossed }, rule, map) {
      known(Boolean(bins));
      for (const { index, box, count } of entries) {
        box.checked = Boolean(rule?.includes(index));
        put(count, bins ? (crossed && crossed[index] !== bins.all[index] ? `${number(crossed[index])} of ${number(bins.all[index])}` : number(bins.all[index])) : "");
      }
      if (!bins || ordered === map) return;
      ordered = map; // most samples first; it stays so while the reader chooses
      for (const { line, index } of entries) line.hidden = !bins.all[index] && !rule?.includes(index);
      list.append(...[...entries].sort((a, b) => bins.all[b.index] - bins.all[a.index] || a.index - b.index).map(({ line }) => line));
    },
  };
}

/** A class or a group of classes, by name, of those that there are samples of. */
function finder(app, field, chosen) {
  const list = h("datalist", { id: `${app.id}-${field.id}` });
  const input = h("input", {
    type: "search", class: "j-input j-filter-find", placeholder: "Any class", autocomplete: "off", spellcheck: "false", list: list.id,
    "aria-label": `${field.name} is`, onchange: () => picked(),
    onkeydown: (event) => event.key === "Enter" && picked(),
  });
  const about = h("span", { class: "j-filter-about" });
  const { element, known } = row(field, about, h("div", { class: "j-filter-finder" }, input, list));
  let choices = []; // {title, rule, count}
  let listed = null;
  function picked() {
    const asked = input.value.trim();
    const titles = choices.map(({ title }) => title);
    const exact = titles.indexOf(asked);
    const at = exact >= 0 ? exact : search(asked, titles, 1)[0]?.index;
    if (asked && at === undefined) return void put(about, "No matching class");
    chosen(asked ? choices[at].rule : undefined);
  }
  return {
    element,
    show({ bins, crossed }, rule, map) {
      known(Boolean(bins));
      if (!bins) return put(about);
      if (listed !== map) {
        listed = map;
        choices = available(app.model, field, bins.all);
        put(list, ...choices.map(({ title, count }) => h("option", { value: title, label: `${title.slice(0, 80)} (${number(count)})` })));
      }
      const now = choices.find((choice) => choice.rule === rule);
      if (document.activeElement !== input || now) input.value = now?.title ?? "";
      const total = now && now.members.reduce((sum, index) => sum + (crossed?.[index] ?? 0), 0);
      put(about, now ? `${number(total)} samples` : `${number(choices.filter((choice) => typeof choice.rule === "number").length)} classes`);
    },
  };
}

/** Groups and classes with samples, by name; numbers tell apart those of the same name. */
function available(model, field, counts) {
  const groups = model.groups.map((group, k) => ({ title: group.name, rule: `g${k}`, members: (field.id === "label" && group.labels) || group.classes }));
  const classes = field.vocabulary.map((title, index) => ({ title, rule: index, members: [index] }));
  const all = [...groups, ...classes].map((choice) => ({ ...choice, count: choice.members.reduce((sum, index) => sum + counts[index], 0) }));
  const some = all.filter(({ count }) => count).map((choice) => ({ ...choice, title: choice.title.slice(0, 200) }));
  const times = new Map();
  for (const { title } of some) times.set(title, (times.get(title) ?? 0) + 1);
  return some.map((choice) => (times.get(choice.title) > 1 ? { ...choice, title: `${choice.title} (${typeof choice.rule === "string" ? "group" : `class ${choice.rule}`})` } : choice));
}
