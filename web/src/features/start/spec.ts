// The form of a new run as data, and the spec that it makes.
import { asArray, asObject, asString, type JsonObject, openObject } from "../../api/json";
import type { Schemas } from "../../api/problem";

export type Kind = Schemas["KindInfo"];
export type Param = Schemas["ParamInfo"];

export interface RunForm {
  kind: Schemas["RunKind"];
  model: string;
  fields: readonly string[];
  /** "SOURCE/PROJECT"; empty = all projects. */
  project: string;
  asOf: string;
  baseModel: string;
  /** Of kind evaluate: the version; empty = the stored predictions of the extractor. */
  modelVersion: string;
  /** Keys of metadata by which metrics are also computed. */
  slices: readonly string[];
  /** Ids of documents, as typed; empty = all. */
  documents: string;
  targetAccuracy: number;
  seed: number;
  priority: number;
  maxAttempts: number;
  minSupport: number;
  /** Parameters that differ from their defaults, as typed. */
  params: Readonly<Record<string, string>>;
}

export const EMPTY_FORM: RunForm = {
  kind: "linear",
  model: "",
  fields: [],
  project: "",
  asOf: "",
  baseModel: "",
  modelVersion: "",
  slices: [],
  documents: "",
  targetAccuracy: 0.95,
  seed: 42,
  priority: 0,
  maxAttempts: 3,
  minSupport: 2,
  params: {},
};

const MODEL_NAME = /^[a-z0-9._-]+$/;

export function isModelName(name: string): boolean {
  return MODEL_NAME.test(name);
}

const DOCUMENT_ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** The ids of a text, separated by white space or commas, and the words that are none. */
export function readDocuments(text: string): { ids: string[]; invalid: string[] } {
  const words = text.split(/[\s,;]+/).filter((word) => word !== "");
  return {
    ids: [...new Set(words.filter((word) => DOCUMENT_ID.test(word)))],
    invalid: words.filter((word) => !DOCUMENT_ID.test(word)),
  };
}

/** Kinds whose metrics are also computed by slices. */
export function hasSlices(kind: Schemas["RunKind"]): boolean {
  return kind !== "sentence-transformer" && kind !== "predict";
}

/** Kinds that work with a published version. */
export function usesVersion(kind: Schemas["RunKind"]): boolean {
  return kind === "evaluate" || kind === "predict";
}

/** How a value stands in the form. */
export function paramText(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : Array.isArray(value) ? value.map(String).join(", ") : JSON.stringify(value);
}

export type ParsedParam = { value: unknown } | { error: "number" | "range" | "low" | "high" | "object" };

/** The value of a parameter from its text; an empty text is null where null has a meaning. */
export function parseParam(param: Param, text: string): ParsedParam {
  const trimmed = text.trim();
  if (trimmed === "" && param.nullable) return { value: null };
  switch (param.type) {
    case "boolean":
      return { value: trimmed === "true" };
    case "string":
      return { value: trimmed };
    case "integer":
    case "number": {
      const value = Number(trimmed);
      if (trimmed === "" || !Number.isFinite(value) || (param.type === "integer" && !Number.isInteger(value))) return { error: "number" };
      return checkBounds(param, value);
    }
    case "object":
      return parseObject(trimmed);
    case "string_list":
      return {
        value: trimmed
          .split(",")
          .map((name) => name.trim())
          .filter((name) => name !== ""),
      };
    case "integer_range": {
      const parts = trimmed.split(/[\s,]+/).map(Number);
      return parts.length === 2 && parts.every(Number.isInteger) ? { value: parts } : { error: "range" };
    }
  }
}

function parseObject(text: string): ParsedParam {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { value } : { error: "object" };
  } catch {
    return { error: "object" };
  }
}

function checkBounds(param: Param, value: number): ParsedParam {
  if (typeof param.minimum === "number" && value < param.minimum) return { error: "low" };
  if (typeof param.maximum === "number" && value > param.maximum) return { error: "high" };
  return { value };
}

/** Parameters that differ from the defaults of the kind, and the names of those that cannot be read. */
export function readParams(kind: Kind, texts: Readonly<Record<string, string>>): { values: JsonObject; invalid: string[] } {
  const values: JsonObject = {};
  const invalid: string[] = [];
  for (const param of kind.params) {
    const text = texts[param.name];
    if (text === undefined || text === paramText(param.default)) continue;
    const parsed = parseParam(param, text);
    if ("error" in parsed) invalid.push(param.name);
    else values[param.name] = parsed.value;
  }
  return { values, invalid };
}

export function toSpec(form: RunForm, kind: Kind): Schemas["RunSpec"] {
  const [source, ...project] = form.project.split("/");
  const documents = readDocuments(form.documents).ids;
  return {
    kind: form.kind,
    model: form.model,
    data: {
      fields: [...form.fields],
      min_support: form.minSupport,
      ...(form.project === "" || source === undefined ? {} : { filter: { source, project: project.join("/") } }),
      ...(form.asOf === "" ? {} : { as_of: new Date(form.asOf).toISOString() }),
      ...(documents.length === 0 ? {} : { documents }),
    },
    params: openObject(readParams(kind, form.params).values),
    ...(form.baseModel === "" ? {} : { base_model: form.baseModel }),
    ...(usesVersion(form.kind) && form.modelVersion !== "" ? { model_version: Number(form.modelVersion) } : {}),
    ...(hasSlices(form.kind) && form.slices.length > 0 ? { slices: [...form.slices] } : {}),
    target_accuracy: form.targetAccuracy,
    seed: form.seed,
    priority: form.priority,
    max_attempts: form.maxAttempts,
  };
}

/** The form of an existing run: what its spec says, parameters included. */
export function fromSpec(spec: Schemas["RunSpec"]): RunForm {
  const data = asObject(spec.data);
  const filter = asObject(data["filter"]);
  const source = asString(filter["source"]);
  const project = asString(filter["project"]);
  return {
    kind: spec.kind ?? "linear",
    model: spec.model,
    fields: asArray(data["fields"]).flatMap((field) => (typeof field === "string" ? [field] : [])),
    project: source === undefined || project === undefined ? "" : `${source}/${project}`,
    asOf: "",
    baseModel: spec.base_model ?? "",
    modelVersion: typeof spec.model_version === "number" ? String(spec.model_version) : "",
    slices: spec.slices ?? [],
    // the spec of a run lacks the list; a clone of it has the same documents
    documents: "",
    targetAccuracy: spec.target_accuracy ?? EMPTY_FORM.targetAccuracy,
    seed: spec.seed ?? EMPTY_FORM.seed,
    priority: spec.priority ?? 0,
    maxAttempts: spec.max_attempts ?? EMPTY_FORM.maxAttempts,
    minSupport: spec.data?.min_support ?? EMPTY_FORM.minSupport,
    params: Object.fromEntries(Object.entries(asObject(spec.params)).map(([name, value]) => [name, paramText(value)])),
  };
}

function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A run as a change of another one: null restores a default. Selected documents stay those of the original, unless others are named. */
export function toCloneRequest(form: RunForm, kind: Kind, sameData: boolean): Schemas["CloneRequest"] {
  const spec = toSpec(form, kind);
  const { values } = readParams(kind, form.params);
  const { fields, filter, min_support, as_of, documents } = spec.data ?? {};
  const changes: JsonObject = {
    ...spec,
    base_model: spec.base_model ?? null,
    model_version: spec.model_version ?? null,
    slices: spec.slices ?? null,
    params: Object.fromEntries(kind.params.map((param) => [param.name, values[param.name] ?? null])),
    data: {
      fields,
      min_support,
      filter: { source: filter?.source ?? null, project: filter?.project ?? null },
      ...(sameData || as_of === undefined ? {} : { as_of }),
      ...(documents === undefined ? {} : { documents }),
    },
  };
  return { changes: openObject(changes), same_data: sameData };
}

/** Whether options of the command line cannot describe the run, so that the command takes its spec. */
function needsSpec(form: RunForm): boolean {
  return form.kind === "sweep" || (usesVersion(form.kind) && form.modelVersion !== "");
}

/** The command that starts the same run. */
export function toCommand(form: RunForm, kind: Kind): string {
  if (needsSpec(form)) return `echo ${shellQuote(JSON.stringify(toSpec(form, kind)))} | aprendiz run create --spec -`;
  const words = ["aprendiz", "run", "create", "--model", form.model === "" ? "MODEL" : form.model, "--kind", form.kind];
  if (form.fields.length > 0) words.push("--fields", form.fields.join(","));
  const [source, ...project] = form.project.split("/");
  if (form.project !== "" && source !== undefined) words.push("--source", source, "--project", project.join("/"));
  if (form.asOf !== "") words.push("--as-of", new Date(form.asOf).toISOString());
  if (form.baseModel !== "") words.push("--base-model", form.baseModel);
  const { ids } = readDocuments(form.documents);
  if (ids.length > 0) words.push("--documents", ids.join(","));
  if (hasSlices(form.kind)) for (const key of form.slices) words.push("--slice", key);
  if (form.minSupport !== EMPTY_FORM.minSupport) words.push("--min-support", String(form.minSupport));
  if (form.targetAccuracy !== EMPTY_FORM.targetAccuracy) words.push("--target-accuracy", String(form.targetAccuracy));
  if (form.seed !== EMPTY_FORM.seed) words.push("--seed", String(form.seed));
  if (form.priority !== 0) words.push("--priority", String(form.priority));
  if (form.maxAttempts !== EMPTY_FORM.maxAttempts) words.push("--max-attempts", String(form.maxAttempts));
  for (const [name, value] of Object.entries(readParams(kind, form.params).values)) {
    words.push("--param", `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  }
  return words.map(shellQuote).join(" ");
}

export function toCurl(spec: Schemas["RunSpec"], origin: string): string {
  return [
    `curl -X POST ${origin}/v1/training-runs`,
    '-H "Authorization: Bearer $APRENDIZ_API_KEY"',
    "-H 'Content-Type: application/json'",
    `-d ${shellQuote(JSON.stringify(spec))}`,
  ].join(" \\\n  ");
}
