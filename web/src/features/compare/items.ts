// What is compared: runs and model versions, and where their specs differ.
import { asObject } from "../../api/json";
import type { Schemas } from "../../api/problem";

export const MAX_COMPARED = 8;

/** A run by its id, or a version as "MODEL:NUMBER". */
export type ItemKey = { kind: "run"; id: string } | { kind: "version"; model: string; number: number };

const RUN_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const VERSION = /^([a-z0-9._-]+):(\d{1,9})$/;

function parseItem(text: string): ItemKey | undefined {
  if (RUN_ID.test(text)) return { kind: "run", id: text };
  const [, model, number] = VERSION.exec(text) ?? [];
  return model === undefined || number === undefined ? undefined : { kind: "version", model, number: Number(number) };
}

/** The items of a URL, each once, at most eight; what cannot be read is left out. */
export function parseItems(text: string | undefined): ItemKey[] {
  const unique = [...new Set((text ?? "").split(",").map((part) => part.trim()))];
  return unique.flatMap((part) => parseItem(part) ?? []).slice(0, MAX_COMPARED);
}

export function itemText(item: ItemKey): string {
  return item.kind === "run" ? item.id : `${item.model}:${String(item.number)}`;
}

export function itemsText(items: readonly ItemKey[]): string {
  return items.map(itemText).join(",");
}

/** An item whose run is loaded. */
export interface ComparedItem {
  key: ItemKey;
  text: string;
  name: string;
  run: Schemas["TrainingRun"];
}

/** Names of runs; those of the same model and version get the beginning of the differing part of their ids. */
export function itemName(run: Schemas["TrainingRun"]): string {
  const version = run.kind === "evaluate" ? run.spec.model_version : run.model_version;
  const name = version === null || version === undefined ? run.model : `${run.model} v${String(version)}`;
  return run.kind === "evaluate" ? `${name} · evaluate` : name;
}

export function uniqueNames(runs: readonly Schemas["TrainingRun"][]): string[] {
  const names = runs.map(itemName);
  return names.map((name, index) => {
    const isRepeated = names.some((other, position) => other === name && position !== index);
    return isRepeated ? `${name} · ${(runs[index]?.id ?? "").slice(-6)}` : name;
  });
}

export interface SpecRow {
  path: string;
  /** One text per item; undefined where the spec lacks the key. */
  values: (string | undefined)[];
  differs: boolean;
}

function flatten(value: unknown, path: string, into: Map<string, string>): void {
  const object = asObject(value);
  const keys = Object.keys(object);
  if (keys.length > 0) for (const key of keys) flatten(object[key], path === "" ? key : `${path}.${key}`, into);
  else if (path !== "") into.set(path, typeof value === "string" ? value : JSON.stringify(value ?? null));
}

/** All keys of the specs with their values, in the order of the first spec that has them. */
export function specRows(specs: readonly unknown[]): SpecRow[] {
  const flat = specs.map((spec) => {
    const values = new Map<string, string>();
    flatten(spec, "", values);
    return values;
  });
  const paths = [...new Set(flat.flatMap((values) => [...values.keys()]))].sort();
  return paths.map((path) => {
    const values = flat.map((entry) => entry.get(path));
    return { path, values, differs: new Set(values).size > 1 };
  });
}

/** Documents on which exactly one side is right: the candidate gained, or lost them. */
export function changedSides(documents: readonly Schemas["DifferingDocument"][]): {
  gained: Schemas["DifferingDocument"][];
  lost: Schemas["DifferingDocument"][];
  other: Schemas["DifferingDocument"][];
} {
  const same = (left: string | null | undefined, right: string | null | undefined): boolean => (left ?? null) === (right ?? null);
  const gained = documents.filter((entry) => same(entry.candidate, entry.gold) && !same(entry.baseline, entry.gold));
  const lost = documents.filter((entry) => same(entry.baseline, entry.gold) && !same(entry.candidate, entry.gold));
  return { gained, lost, other: documents.filter((entry) => !gained.includes(entry) && !lost.includes(entry)) };
}
