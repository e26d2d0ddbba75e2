// What is known of samples: labels and predictions of their images, and the user's columns. Arrays with one
// entry per sample of a map, and which samples pass a filter.

import { numbers } from "./dom.js";

export const BINS = 40; // of a histogram
const MOST = 64; // categories of labels that get check boxes; more are searched

const known = new WeakMap(); // model -> Fields

/** The fields of an atlas, one object for each model. */
export function fieldsOf(model) {
  if (!known.has(model)) known.set(model, new Fields(model));
  return known.get(model);
}

class Fields {
  constructor(model) {
    this.model = model;
    this.kept = new Map(); // name -> promise
    this.passed = new Map(); // map -> the last filter and what passes it
    this.broken = new Map(); // map and field -> the last rule and what breaks it
    this.list = [...this.#ofImages(), ...this.#ofColumns()];
  }

  get(id) {
    return this.list.find((field) => field.id === id);
  }

  /** Label, prediction, and whether they agree. */
  #ofImages() {
    const { model } = this;
    const { classes } = model;
    const all = [model.manifest, ...(model.manifest.others ?? [])].map(({ labels }) => labels).filter(Boolean);
    const labelled = all.find(({ label }) => label);
    const predicted = all.some(({ prediction }) => prediction);
    this.vocabulary = labelled?.vocabulary ?? classes;
    // The class of each label, -1 for labels that the network does not know.
    this.classOf = labelled?.vocabulary ? labelled.vocabulary.map((name) => classes.indexOf(name)) : null;
    const fields = [];
    const kind = labelled?.vocabulary && labelled.vocabulary.length <= MOST ? "category" : "class";
    if (labelled) fields.push({ id: "label", name: "Label", kind, vocabulary: this.vocabulary, read: (map) => this.#label(map, "label") });
    if (predicted) fields.push({ id: "prediction", name: "Prediction", kind: "class", vocabulary: classes, read: (map) => this.#label(map, "prediction") });
    if (labelled && predicted && (!this.classOf || this.classOf.some((index) => index >= 0))) {
      fields.push({ id: "correct", name: "Label and prediction", kind: "category", vocabulary: ["Equal", "Different"], read: (map) => this.#correct(map) });
    }
    return fields;
  }

  #ofColumns() {
    const columns = this.model.manifest.columns ?? [];
    return columns.flatMap(({ of, name, kind, low, high, vocabulary }, k) => (of === "cell" ? [] :
      [{ id: `c${k}`, name, kind, low, high, vocabulary, read: (map) => this.#column(map, k) }]));
  }

  #once(name, make) {
    if (!this.kept.has(name)) {
      const promise = make();
      this.kept.set(name, promise);
      promise.catch(() => this.kept.delete(name));
    }
    return this.kept.get(name);
  }

  /** The values of a field, one per sample of a map, NaN or -1 for what is missing; null if none is known. */
  values(map, id) {
    return this.#once(`${map}-${id}`, async () => (await this.get(id).read(map)) ?? null);
  }

  /** Labels or predictions of the images of an atlas; undefined if it has none. */
  async #ofAtlas(map, kind) {
    const { manifest, maps } = this.model;
    const atlas = maps[map].atlas ?? 0;
    const of = (number) => (number ? manifest.others[number - 1] : manifest).labels;
    const own = of(atlas)?.[kind] ? atlas : of(0)?.[kind] && this.#sameImages(map) ? 0 : null;
    if (own === null) return undefined;
    // Numbers of other names would say something else.
    if (kind === "label" && JSON.stringify(of(own).vocabulary ?? this.model.classes) !== JSON.stringify(this.vocabulary)) return undefined;
    const part = await this.model.part(own ? `${String.fromCharCode(97 + own)}-labels` : "labels");
    return numbers(part[kind]);
  }

  async #label(map, kind) {
    return this.#gathered(map, await this.#ofAtlas(map, kind), Int32Array, -1);
  }

  async #correct(map) {
    const [labels, predictions] = await Promise.all([this.values(map, "label"), this.values(map, "prediction")]);
    const { classOf } = this;
    return labels && predictions && Int32Array.from(labels, (label, i) => {
      const wanted = classOf && label >= 0 ? classOf[label] : label;
      return wanted < 0 || predictions[i] < 0 ? -1 : Number(wanted !== predictions[i]);
    });
  }

  async #column(map, number) {
    const { of, kind, places } = this.model.manifest.columns[number];
    const { maps } = this.model;
    const [type, missing] = kind === "number" ? [Float64Array, NaN] : [Int32Array, -1];
    if (of === "image") return this.#sameImages(map) ? this.#gathered(map, await this.#values(number), type, missing) : null;
    if (!places || maps[map].places !== places) return null;
    const values = await this.#values(number);
    const { ids } = await this.model.samples(map);
    return type.from(ids, (id) => values[id / maps[map].stride] ?? missing);
  }

  async #values(number) {
    return numbers((await this.model.part(`c${number}`)).values);
  }

  /** Whether image numbers of a map are those of the first atlas. */
  #sameImages(map) {
    const { maps, manifest } = this.model;
    const { atlas, places } = maps[map];
    if (!atlas || manifest.others[atlas - 1].same_images) return true;
    return Boolean(places) && maps.some((other) => !other.atlas && other.places === places);
  }

  /** Values of images at the samples. */
  async #gathered(map, ofImages, type, missing) {
    const origins = ofImages && (await this.model.origins(map));
    return origins && type.from(origins.image, (image) => ofImages[image] ?? missing);
  }

  /** The mean of a field over the samples of each cell, NaN where nothing is known. */
  mean(grid, id) {
    return this.#average(grid, id, (value) => value);
  }

  /** The share of each cell's samples, of those that are known, whose category is among some. */
  share(grid, id, categories) {
    const wanted = chosen(categories, this.get(id).vocabulary.length);
    return this.#average(grid, id, (value) => (value < 0 ? NaN : wanted[value]));
  }

  async #average(grid, id, of) {
    const [cells, values] = await Promise.all([this.model.cellsOf(grid), this.values(grid.map, id)]);
    if (!cells || !values) return undefined;
    const sum = new Float64Array(grid.cell.length);
    const count = new Uint32Array(grid.cell.length);
    for (let i = 0; i < values.length; i++) {
      const [cell, value] = [cells.of[i], of(values[i])];
      if (cell < 0 || value !== value) continue; // not NaN
      sum[cell] += value;
      count[cell]++;
    }
    return sum.map((total, i) => (count[i] ? total / count[i] : NaN));
  }

  /**
   * The bin of each sample and the size of the bins: {slot, all}; null if nothing is known on this map.
   * Slot 0 is for what is missing, slot 1 for the first bin.
   */
  bins(map, field) {
    return this.#once(`bins-${map}-${field.id}`, async () => {
      const values = await this.values(map, field.id);
      if (!values) return null;
      const numeric = field.kind === "number";
      const width = (field.high - field.low) / BINS || 1;
      const bin = (value) => (Number.isNaN(value) ? 0 : 1 + Math.min(BINS - 1, Math.floor((value - field.low) / width)));
      const slot = Uint16Array.from(values, numeric ? bin : (value) => value + 1);
      return { slot, all: counted(slot, numeric ? BINS : field.vocabulary.length) };
    });
  }

  /** Whether each sample breaks a rule, 0 or 1; null if the field is not known on this map. */
  async #broken(map, id, rule) {
    const name = `${map}-${id}`;
    const key = JSON.stringify(rule);
    if (this.broken.get(name)?.key !== key) {
      const values = await this.values(map, id);
      this.broken.set(name, { key, of: values && judged(values, this.get(id), rule, this.model) });
    }
    return this.broken.get(name).of;
  }

  /**
   * Which samples of a map pass a filter: {fails, broken, passed, total}; null if it asks for what is not known.
   * `fails` counts the rules that a sample breaks, `broken` has the samples that break one, by its field.
   */
  async passing(map, filter) {
    const key = JSON.stringify(filter);
    if (this.passed.get(map)?.key === key) return this.passed.get(map);
    const rules = Object.keys(filter);
    const columns = await Promise.all(rules.map((id) => this.#broken(map, id, filter[id])));
    const samples = await this.model.samples(map);
    if (!samples || columns.includes(null)) return null;
    const total = samples.ids.length;
    const fails = new Uint8Array(total);
    for (const column of columns) for (let i = 0; i < total; i++) fails[i] += column[i];
    let passed = total;
    for (let i = 0; i < total; i++) if (fails[i]) passed--;
    const result = { key, fails, broken: Object.fromEntries(rules.map((id, k) => [id, columns[k]])), passed, total };
    this.passed.set(map, result);
    return result;
  }

  /** The sizes of a field's bins among the samples that pass all other rules. */
  async crossed(map, field, filter) {
    const [bins, found] = await Promise.all([this.bins(map, field), this.passing(map, filter)]);
    if (!bins || !found) return null;
    const { fails, broken } = found;
    return counted(bins.slot, bins.all.length, fails, broken[field.id]);
  }
}

/**
 * How many samples are in each bin.
 * @param fails how many rules each breaks; those are counted that break none but `own`, 0 or 1 each
 */
function counted(slot, bins, fails = none(slot.length), own = none(slot.length)) {
  const counts = new Uint32Array(bins + 1);
  for (let i = 0; i < slot.length; i++) counts[fails[i] === own[i] ? slot[i] : 0]++;
  return counts.subarray(1);
}

let zeros = new Uint8Array(0);

function none(length) {
  if (zeros.length < length) zeros = new Uint8Array(length);
  return zeros;
}

/** Whether each sample breaks a rule: 0 or 1. In plain loops: they run again for every move of a handle. */
function judged(values, field, rule, model) {
  const broken = new Uint8Array(values.length);
  if (field.kind === "number") {
    const [low, high] = [rule[0] ?? -Infinity, rule[1] ?? Infinity];
    for (let i = 0; i < values.length; i++) broken[i] = values[i] >= low && values[i] <= high ? 0 : 1;
    return broken;
  }
  const wanted = chosen(members(model, field, rule), field.vocabulary.length);
  for (let i = 0; i < values.length; i++) broken[i] = values[i] >= 0 && wanted[values[i]] ? 0 : 1;
  return broken;
}

/** The categories that a rule lets pass: those listed, a class, or the classes of a group. */
function members(model, field, rule) {
  if (Array.isArray(rule)) return rule;
  return typeof rule === "number" ? [rule] : groupMembers(model, field, Number(rule.slice(1)));
}

/** The classes of a group, as numbers of a field. */
export function groupMembers(model, field, number) {
  const group = model.groups[number];
  return (field.id === "label" && group?.labels) || group?.classes || [];
}

function chosen(categories, length) {
  const wanted = new Uint8Array(length);
  for (const index of categories) wanted[index] = 1;
  return wanted;
}
