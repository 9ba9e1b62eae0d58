import { expect, test } from "vitest";

import type { Schemas } from "../../api/problem";
import { changedSides, itemsText, parseItems, specRows, uniqueNames } from "./items";

const ID = "01a23004-94ab-7449-b5ea-c179ce9ad771";

test("a URL names runs and versions, each once and at most eight", () => {
  expect(parseItems(`${ID},contracts:3,broken, contracts:3`)).toEqual([
    { kind: "run", id: ID },
    { kind: "version", model: "contracts", number: 3 },
  ]);
  expect(parseItems(undefined)).toEqual([]);
  const many = Array.from({ length: 12 }, (_, index) => `m:${String(index)}`).join(",");
  expect(parseItems(many)).toHaveLength(8);
  expect(itemsText(parseItems(`${ID},a.b-c_1:2`))).toBe(`${ID},a.b-c_1:2`);
});

test("specs are compared key by key", () => {
  const rows = specRows([
    { kind: "linear", params: { l2: 1, word_ngrams: [1, 2] }, data: { filter: {} } },
    { kind: "linear", params: { l2: 0.1, word_ngrams: [1, 2] }, data: { filter: { source: "a" } } },
  ]);
  expect(rows.filter((row) => row.differs)).toEqual([
    { path: "data.filter", values: ["{}", undefined], differs: true },
    { path: "data.filter.source", values: [undefined, "a"], differs: true },
    { path: "params.l2", values: ["1", "0.1"], differs: true },
  ]);
  expect(rows.find((row) => row.path === "params.word_ngrams")?.values).toEqual(["[1,2]", "[1,2]"]);
});

test("runs of the same name are distinguished by their ids", () => {
  const run = (id: string, model_version: number | null): Schemas["TrainingRun"] =>
    ({ id, model: "m", kind: "linear", model_version, spec: { model: "m" } }) as Schemas["TrainingRun"];
  expect(uniqueNames([run("x-aaaaaa", null), run("x-bbbbbb", null), run("y", 2)])).toEqual(["m · aaaaaa", "m · bbbbbb", "m v2"]);
});

test("a document changes sides when exactly one version is right", () => {
  const row = (gold: string | null, baseline: string | null, candidate: string | null): Schemas["DifferingDocument"] => ({
    document_id: `${String(gold)}${String(baseline)}${String(candidate)}`,
    document: "a/b/1",
    gold,
    baseline,
    candidate,
  });
  const { gained, lost, other } = changedSides([row("a", "b", "a"), row(null, null, "x"), row("a", "b", "c")]);
  expect([gained.length, lost.length, other.length]).toEqual([1, 1, 1]);
  expect(lost[0]?.candidate).toBe("x");
});
