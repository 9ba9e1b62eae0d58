import { expect, test } from "vitest";

import {
  EMPTY_FORM,
  fromSpec,
  isModelName,
  type Kind,
  parseParam,
  readDocuments,
  readParams,
  toCloneRequest,
  toCommand,
  toCurl,
  toSpec,
} from "./spec";

const kind: Kind = {
  kind: "linear",
  summary: "",
  needs_base_model: false,
  params: [
    { name: "l2", help: "", type: "number", default: null, nullable: true, minimum: 0.001, maximum: 10 },
    { name: "epochs", help: "", type: "integer", default: 500, nullable: false, minimum: 1 },
    { name: "word_ngrams", help: "", type: "integer_range", default: [1, 2], nullable: false },
    { name: "sublinear_tf", help: "", type: "boolean", default: true, nullable: false },
  ],
};

const [l2, epochs, ngrams] = kind.params;

test("parameters are read by their types and bounds", () => {
  if (l2 === undefined || epochs === undefined || ngrams === undefined) throw new Error("three parameters are expected");
  expect(parseParam(l2, "")).toEqual({ value: null });
  expect(parseParam(l2, "20")).toEqual({ error: "high" });
  expect(parseParam(l2, "x")).toEqual({ error: "number" });
  expect(parseParam(epochs, "1.5")).toEqual({ error: "number" });
  expect(parseParam(epochs, "0")).toEqual({ error: "low" });
  expect(parseParam(ngrams, "1, 3")).toEqual({ value: [1, 3] });
  expect(parseParam(ngrams, "1")).toEqual({ error: "range" });
});

test("an open parameter is a JSON object", () => {
  const space = { name: "space", help: "", type: "object" as const, default: {}, nullable: false };
  expect(parseParam(space, '{"l2": [0.1, 1]}')).toEqual({ value: { l2: [0.1, 1] } });
  for (const text of ["[1]", "{", "7", "null", ""]) expect(parseParam(space, text), text).toEqual({ error: "object" });
});

test("only changed parameters are in the spec", () => {
  expect(readParams(kind, { epochs: "500", l2: "0.1", word_ngrams: "1, 2" })).toEqual({ values: { l2: 0.1 }, invalid: [] });
  expect(readParams(kind, { epochs: "many" }).invalid).toEqual(["epochs"]);
});

test("command and request start the same run", () => {
  const form = { ...EMPTY_FORM, model: "contracts", fields: ["law", "party"], project: "label-studio/my project", params: { l2: "0.1" } };
  expect(toCommand(form, kind)).toBe(
    "aprendiz run create --model contracts --kind linear --fields law,party --source label-studio --project 'my project' --param l2=0.1",
  );
  const spec = toSpec(form, kind);
  expect(spec.data).toMatchObject({ fields: ["law", "party"], filter: { source: "label-studio", project: "my project" } });
  expect(toCurl(spec, "http://host")).toContain('"l2":0.1');
});

test("a cloned run keeps its parameters", () => {
  const form = fromSpec({
    model: "m",
    kind: "linear",
    params: { epochs: 7, word_ngrams: [1, 3] } as unknown as Record<string, never>,
    data: { fields: ["law"], filter: { source: "a", project: "1" } },
  });
  expect(form).toMatchObject({ model: "m", fields: ["law"], project: "a/1", params: { epochs: "7", word_ngrams: "1, 3" } });
  expect(readParams(kind, form.params).values).toEqual({ epochs: 7, word_ngrams: [1, 3] });
});

test("a clone resets what the form does not name, and keeps the selected documents", () => {
  const request = toCloneRequest({ ...EMPTY_FORM, model: "m", params: { l2: "0.1" }, asOf: "2026-01-01T00:00" }, kind, true);
  expect(request.same_data).toBe(true);
  expect(request.changes).toMatchObject({
    model: "m",
    base_model: null,
    params: { l2: 0.1, epochs: null, word_ngrams: null, sublinear_tf: null },
    data: { fields: [], filter: { source: null, project: null } },
  });
  expect(Object.keys((request.changes as unknown as { data: object }).data)).toEqual(["fields", "min_support", "filter"]);
});

test("an evaluation of a version is a command with its spec", () => {
  const form = { ...EMPTY_FORM, kind: "evaluate" as const, model: "m", modelVersion: "3" };
  expect(toSpec(form, { ...kind, kind: "evaluate", params: [] })).toMatchObject({ kind: "evaluate", model_version: 3 });
  expect(toCommand(form, { ...kind, kind: "evaluate", params: [] })).toMatch(
    /^echo '\{.*"model_version":3.*\}' \| aprendiz run create --spec -$/,
  );
});

test("documents are ids; other words are named", () => {
  const id = "01a23004-94ab-7449-b5ea-c179ce9ad771";
  expect(readDocuments(`${id}, ${id}\ncontract.pdf`)).toEqual({ ids: [id], invalid: ["contract.pdf"] });
  expect(toSpec({ ...EMPTY_FORM, model: "m", documents: id }, kind).data?.documents).toEqual([id]);
});

test("names of models have the letters that the server takes", () => {
  expect(isModelName("contracts-v2.1_x")).toBe(true);
  expect(isModelName("Contracts")).toBe(false);
  expect(isModelName("")).toBe(false);
});
