// A filter of samples: rules that all hold, {label: 7, c0: [0.2, null], c1: [0, 3]}, and the light it gives. A
// number has its least and largest value, a category those that pass, a class its number, a group "g4".

import { number, worth } from "./dom.js";
import { fieldsOf } from "./fields.js";

const KEY = "filter-";

/** The rule of a field as it is kept, undefined if it is none. */
function rule(model, field, value) {
  if (field.kind === "number") {
    const valid = Array.isArray(value) && value.length === 2 && value.every((end) => end === null || Number.isFinite(end));
    return valid && value.some((end) => end !== null) ? value : undefined;
  }
  const has = (index) => Number.isInteger(index) && index >= 0 && index < field.vocabulary.length;
  if (field.kind === "category") {
    const kept = Array.isArray(value) ? [...new Set(value.filter(has))].sort((a, b) => a - b) : [];
    return kept.length ? kept : undefined;
  }
  if (has(value)) return value;
  return /^g\d{1,6}$/.test(value) && model.groups[value.slice(1)] ? value : undefined;
}

/** The valid rules of a filter, in the order of the fields. */
export function checked(model, filter) {
  const entries = fieldsOf(model).list.map((field) => [field.id, rule(model, field, filter?.[field.id])]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** What a filter lights: the share of each cell's samples that passes. */
export function filterQuantity(model, filter) {
  const fields = fieldsOf(model);
  const rules = Object.keys(filter);
  return {
    key: `${KEY}${JSON.stringify(filter)}`, filter, signed: false, share: true,
    name: "Samples that pass the filter", note: rules.map((id) => described(model, fields.get(id), filter[id])).join(" · ").slice(0, 300),
    values: async (grid) => {
      const [cells, found] = await Promise.all([model.cellsOf(grid), fields.passing(grid.map, filter)]);
      if (!cells || !found) return undefined;
      const sum = new Float64Array(grid.cell.length);
      for (let i = 0; i < found.fails.length; i++) if (!found.fails[i] && cells.of[i] >= 0) sum[cells.of[i]]++;
      const shares = sum.map((passed, i) => (cells.count[i] ? passed / cells.count[i] : NaN));
      return Object.assign(shares, { words: passWords(found) }); // for the legend
    },
  };
}

/** The quantity of a key; undefined if it is not that of a filter, or no rule of it is valid. */
export function filterOf(model, key) {
  if (!key.startsWith(KEY)) return undefined;
  let filter;
  try {
    filter = checked(model, JSON.parse(key.slice(KEY.length)));
  } catch {
    return undefined;
  }
  return Object.keys(filter).length ? filterQuantity(model, filter) : undefined;
}

export function passWords({ passed, total }) {
  return `${number(passed)} of ${number(total)} samples pass`;
}

/** A rule in words: "brightness 0.2 – 0.6". */
function described(model, field, value) {
  if (field.kind === "number") {
    const [low, high] = value;
    const range = low === null ? `≤ ${worth(high)}` : high === null ? `≥ ${worth(low)}` : `${worth(low)} – ${worth(high)}`;
    return `${field.name.slice(0, 60)} ${range}`;
  }
  const names = typeof value === "string" ? [model.groups[value.slice(1)].name] : [value].flat().map((index) => field.vocabulary[index]);
  return `${field.name.slice(0, 60)}: ${names.map((name) => name.slice(0, 60)).join(", ")}`;
}
