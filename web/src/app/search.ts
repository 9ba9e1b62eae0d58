// What a URL may contain after the "?", per page. Unknown values are dropped, so that a wrong link opens the page all the same.
// The router keeps the raw values beside the validated ones, so pages read theirs with these functions as well.
import type { Schemas } from "../api/problem";
import { localPath } from "../api/session";

type Raw = Record<string, unknown>;

function text(raw: Raw, key: string): string | undefined {
  const value = raw[key];
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" && value !== "" ? value : undefined;
}

function one<T extends string>(raw: Raw, key: string, values: readonly T[]): T | undefined {
  const value = text(raw, key);
  return values.find((known) => known === value);
}

/** Leaves out absent keys, so that they do not stand in the URL. */
function present<T extends object>(value: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
}

export const RUN_STATUSES = [
  "queued",
  "running",
  "retrying",
  "cancelling",
  "succeeded",
  "failed",
  "cancelled",
] as const satisfies readonly Schemas["RunStatus"][];
export const RUN_KINDS = [
  "linear",
  "sentence-transformer",
  "field-classifier",
  "auto",
  "evaluate",
  "predict",
  "sweep",
] as const satisfies readonly Schemas["RunKind"][];
export const RUN_TABS = ["overview", "trials", "metrics", "errors", "logs", "spec", "attempts"] as const;
export const ERROR_SPLITS = ["test", "validation", "reviewed"] as const;
export const MODEL_TABS = ["versions", "compare", "aliases", "thresholds", "shadow", "rules", "try"] as const;
export const ACCESS_TABS = ["sessions", "key", "keys"] as const;
export const OPERATION_TABS = ["overview", "failures", "audit"] as const;
export const SPLITS = ["train", "validation", "test", "excluded"] as const satisfies readonly Schemas["Split"][];
export const REVIEW_STATUSES = [
  "OK",
  "CORRECTED",
  "NEW",
  "REJECTED",
  "MISSING",
  "UNREVIEWED",
] as const satisfies readonly Schemas["ReviewStatus"][];

/** Where to go after the sign-in: only a path of this site. */
export { localPath };

export const signIn = (raw: Raw) => present({ next: localPath(text(raw, "next")) });

export const runs = (raw: Raw) =>
  present({
    status: one(raw, "status", RUN_STATUSES),
    kind: one(raw, "kind", RUN_KINDS),
    model: text(raw, "model"),
    tag: text(raw, "tag"),
    trials: one(raw, "trials", ["1"] as const),
    sort: text(raw, "sort"),
  });

export const startRun = (raw: Raw) =>
  present({
    clone: text(raw, "clone"),
    model: text(raw, "model"),
    kind: one(raw, "kind", RUN_KINDS),
    version: text(raw, "version"),
  });

export const run = (raw: Raw) =>
  present({
    tab: one(raw, "tab", RUN_TABS),
    field: text(raw, "field"),
    split: one(raw, "split", ERROR_SPLITS),
    gold: text(raw, "gold"),
    predicted: text(raw, "predicted"),
    slice: text(raw, "slice"),
    noGold: one(raw, "noGold", ["1"] as const),
    noPredicted: one(raw, "noPredicted", ["1"] as const),
  });

export const model = (raw: Raw) =>
  present({
    tab: one(raw, "tab", MODEL_TABS),
    candidate: text(raw, "candidate"),
    baseline: text(raw, "baseline"),
    document: text(raw, "document"),
  });

export const compare = (raw: Raw) => present({ items: text(raw, "items"), pair: text(raw, "pair"), all: one(raw, "all", ["1"] as const) });

export const review = (raw: Raw) =>
  present({ field: text(raw, "field"), project: text(raw, "project"), order: one(raw, "order", ["uncertain", "document"] as const) });

export const documents = (raw: Raw) =>
  present({
    q: text(raw, "q"),
    in: one(raw, "in", ["names", "texts"] as const),
    project: text(raw, "project"),
    source: text(raw, "source"),
    split: one(raw, "split", SPLITS),
    field: text(raw, "field"),
    status: one(raw, "status", REVIEW_STATUSES),
  });

export const access = (raw: Raw) => present({ tab: one(raw, "tab", ACCESS_TABS), all: one(raw, "all", ["1"] as const) });

export const operations = (raw: Raw) =>
  present({ tab: one(raw, "tab", OPERATION_TABS), action: text(raw, "action"), actor: text(raw, "actor"), subject: text(raw, "subject") });
