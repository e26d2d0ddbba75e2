// Quantities of the samples of a cell: the user's columns, what their images show, how far they stay together
// in another atlas. Keys: column-0, column-0-2, label-7, prediction-7, grouplabel-1, groupprediction-1, correct.

import { numbers } from "./dom.js";
import { differences, difference } from "./differs.js";
import { fieldsOf, groupMembers } from "./fields.js";

const IMAGES = { label: "Images labelled so", prediction: "Images predicted so" };
const NOTE = "share of each cell's samples";

/** Those that the menu offers: {..., of: heading}. */
export function sampleQuantities(model) {
  const fields = fieldsOf(model);
  const columns = (model.manifest.columns ?? []).map((_, number) => columnQuantity(model, number));
  const label = fields.get("label");
  const images = [
    fields.get("correct") && correct(model),
    label?.kind === "category" && shown(model, "label", 0),
  ].filter(Boolean);
  const under = (of, all) => all.map((quantity) => ({ ...quantity, of }));
  return [...under("Cells", differences(model)), ...under("Your columns", columns), ...under("Images", images)];
}

/** The quantity of a key; undefined if it is none of these, or this atlas has none of that key. */
export function sampleQuantity(model, key) {
  const [, kind, ...rest] = /^(column|label|prediction|grouplabel|groupprediction|differs)-(\d{1,9})(?:-(\d{1,9}))?$/.exec(key) ?? [];
  const [first, second] = rest.map((digits) => (digits === undefined ? undefined : Number(digits)));
  const fields = fieldsOf(model);
  if (key === "correct") return fields.get("correct") && correct(model);
  if (kind === undefined || (kind !== "column" && second !== undefined)) return undefined;
  if (kind === "column") return columnQuantity(model, first, second);
  if (kind === "differs") return difference(model, first);
  const id = kind.replace("group", "");
  if (!fields.get(id)) return undefined;
  return kind === id ? shown(model, id, first) : groupShown(model, id, first);
}

/** A column: the mean of a number, or the share of one category. */
function columnQuantity(model, number, category) {
  const column = model.manifest.columns?.[number];
  if (!column) return undefined;
  const { name, of, kind, vocabulary } = column;
  const whole = of === "cell" ? "" : "mean of each cell's samples";
  if (kind === "number") {
    if (category !== undefined) return undefined;
    const values = (grid) => (of === "cell" ? ofCells(model, number, grid) : fieldsOf(model).mean(grid, `c${number}`));
    return { key: `column-${number}`, name, menu: name, note: whole, signed: false, values };
  }
  const index = category ?? 0;
  if (vocabulary[index] === undefined) return undefined;
  return {
    key: `column-${number}-${index}`, name: `${name}: ${vocabulary[index]}`, menu: name, signed: false, share: true,
    note: of === "cell" ? "" : NOTE, several: "Category",
    choices: vocabulary.map((title, i) => [`column-${number}-${i}`, title]),
    values: (grid) => (of === "cell" ? ofCells(model, number, grid, index) : fieldsOf(model).share(grid, `c${number}`, [index])),
  };
}

/** Values that were given for cells. */
async function ofCells(model, number, grid, category) {
  const column = (await model.part(`c${number}`))[grid.prefix];
  if (!column) return undefined;
  const values = Float64Array.from(numbers(column));
  return category === undefined ? values : values.map((value) => (value < 0 ? NaN : Number(value === category)));
}

/** The share of samples in images with a label, or that the network takes for a class. */
function shown(model, id, index) {
  const { vocabulary } = fieldsOf(model).get(id);
  const name = vocabulary[index];
  if (name === undefined) return undefined;
  const cls = id === "label" ? fieldsOf(model).classOf?.[index] ?? (fieldsOf(model).classOf ? -1 : index) : index;
  return {
    key: `${id}-${index}`, name, menu: "Label", note: NOTE, signed: false, share: true,
    ...(cls >= 0 ? views(model, cls) : { several: "Label", choices: vocabulary.map((title, i) => [`label-${i}`, title]) }),
    values: (grid) => fieldsOf(model).share(grid, id, [index]),
  };
}

function groupShown(model, id, number) {
  const group = model.groups[number];
  const field = fieldsOf(model).get(id);
  return group && {
    key: `group${id}-${number}`, name: group.name, note: NOTE, signed: false, share: true,
    ...groupViews(model, number),
    values: (grid) => fieldsOf(model).share(grid, id, groupMembers(model, field, number)),
  };
}

function correct(model) {
  const values = (grid) => fieldsOf(model).share(grid, "correct", [0]);
  return { key: "correct", name: "Predicted as labelled", menu: "Predicted as labelled", note: NOTE, signed: false, share: true, values };
}

/** Labels that are no classes of the network: [number, name]. */
export function ownLabels(model) {
  const { classOf, vocabulary } = fieldsOf(model);
  return classOf ? [...vocabulary.entries()].filter(([index]) => classOf[index] < 0) : [];
}

/** What a class can be shown by: its evidence, or the images that are labelled or predicted so. */
export function views(model, index) {
  const fields = fieldsOf(model);
  const label = fields.classOf ? fields.classOf.indexOf(index) : index;
  const choices = [
    [`class-${index}`, "Evidence"],
    fields.get("label") && label >= 0 && [`label-${label}`, IMAGES.label],
    fields.get("prediction") && [`prediction-${index}`, IMAGES.prediction],
  ].filter(Boolean);
  return choices.length > 1 ? { several: "Shown by", choices } : {};
}

/** The same for a group of classes. */
export function groupViews(model, number) {
  const fields = fieldsOf(model);
  const choices = [
    [`group-${number}`, "Evidence"],
    ...["label", "prediction"].filter((id) => fields.get(id)).map((id) => [`group${id}-${number}`, IMAGES[id]]),
  ];
  return choices.length > 1 ? { several: "Shown by", choices } : {};
}
