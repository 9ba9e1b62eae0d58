// What the run list keeps in the browser: chosen columns and saved views. Stored text may be of another version, or broken.
import { asArray, asObject, asString } from "../../api/json";
import { runs as readSearch } from "../../app/search";

export const OPTIONAL_COLUMNS = [
  "kind",
  "fields",
  "started",
  "progress",
  "duration",
  "keyMetric",
  "who",
  "tags",
  "attempts",
  "priority",
  "seed",
  "id",
] as const;
const ALWAYS = ["state", "model"] as const;
export const DEFAULT_COLUMNS: readonly string[] = [...ALWAYS, "kind", "fields", "started", "progress", "duration", "keyMetric", "who"];

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null") as unknown;
  } catch {
    return null;
  }
}

/** The stored columns that are known; the state and the model are always shown. */
export function readColumns(text: string | undefined): readonly string[] {
  const stored = parse(text);
  if (!Array.isArray(stored)) return DEFAULT_COLUMNS;
  return [...ALWAYS, ...OPTIONAL_COLUMNS.filter((key) => stored.includes(key))];
}

export type RunSearch = ReturnType<typeof readSearch>;

export interface RunView {
  name: string;
  search: RunSearch;
}

export function readViews(text: string | undefined): RunView[] {
  return asArray(parse(text)).flatMap((entry) => {
    const { name, search } = asObject(entry);
    const known = asString(name);
    return known === undefined || known === "" ? [] : [{ name: known, search: readSearch(asObject(search)) }];
  });
}

/** The views with a new one, in the order of their names; one of the same name is replaced. */
export function withView(views: readonly RunView[], view: RunView): RunView[] {
  return [...views.filter((other) => other.name !== view.name), view].sort((left, right) => left.name.localeCompare(right.name));
}
