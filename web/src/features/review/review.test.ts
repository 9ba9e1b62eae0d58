import { beforeEach, expect, test } from "vitest";

import type { Schemas } from "../../api/problem";
import { loadDrafts, removeDraft, storeDraft } from "./drafts";
import { nextDocument, nextField, reviewFields } from "./order";
import { blocks, findAll, findValues, segments, spellings, toCodePoints } from "./text";

beforeEach(() => {
  sessionStorage.clear();
});

test("phrases are found whatever their case and white space, and as they are written", () => {
  const text = "Laws of\n  Texas (USA). laws of texas";
  expect(findAll(text, "laws of Texas").map(({ start, end }) => text.slice(start, end))).toEqual(["Laws of\n  Texas", "laws of texas"]);
  expect(findAll(text, "(USA).")).toHaveLength(1);
  expect(findAll(text, "  ")).toEqual([]);
});

test("a date is found in the ways that people write it", () => {
  const text = "from August 6, 2022 to 03.05.2023";
  expect(findValues(text, ["2023-05-03"]).map(({ start, end }) => text.slice(start, end))).toEqual(["03.05.2023"]);
  expect(findValues(text, ["2022-08-06"]).map(({ start, end }) => text.slice(start, end))).toEqual(["August 6, 2022"]);
  expect(spellings("SAP")).toEqual(["SAP"]);
});

test("a text is cut at its marks, and nothing of it is lost", () => {
  const parts = segments("abcdef", [
    { start: 1, end: 3 },
    { start: 2, end: 4 },
    { start: 5, end: 6 },
  ]);
  expect(parts.map((part) => part.text).join("")).toBe("abcdef");
  expect(parts.filter((part) => part.mark !== undefined).map((part) => part.text)).toEqual(["bc", "f"]);
});

test("long texts are cut into blocks at line ends, and nothing is lost", () => {
  const text = `${"line one\n".repeat(20)}and a long line without an end${"x".repeat(60)}`;
  const parts = blocks(segments(text, [{ start: 4, end: 12 }]), 50);
  expect(parts.length).toBeGreaterThan(2);
  expect(
    parts
      .flat()
      .map((part) => part.text)
      .join(""),
  ).toBe(text);
  for (const block of parts.slice(0, -1)) expect(block.at(-1)?.text.endsWith("\n")).toBe(true);
});

test("offsets count code points", () => {
  expect(toCodePoints("a😀b", 3)).toBe(2);
});

function field(name: string): Schemas["Field"] {
  return { name, kind: "text", cardinality: "one", declared: false, documents_reviewed: 0, version: 1, created_at: "", updated_at: "" };
}

function annotation(name: string, status: Schemas["ReviewStatus"]): Schemas["Annotation"] {
  return { field: name, document_id: "d", review_status: status, updated_at: "", version: 1 };
}

test("the next field is the next unreviewed one, and the order is fixed", () => {
  const rows = reviewFields(
    [field("c"), field("a"), field("b"), field("z")],
    [annotation("a", "UNREVIEWED"), annotation("b", "OK"), annotation("c", "UNREVIEWED")],
    false,
  );
  expect(rows.map((row) => row.field.name)).toEqual(["a", "b", "c"]);
  expect(nextField(rows, "a")).toBe("c");
  expect(nextField(rows, "c")).toBe("a");
  expect(reviewFields([field("z")], [], true)).toHaveLength(1);
});

test("the next document was not visited yet", () => {
  const queue = [{ document_id: "1" }, { document_id: "1" }, { document_id: "2" }, { document_id: "3" }];
  expect(nextDocument(queue, "1", new Set(["1", "2"]))).toBe("3");
  expect(nextDocument(queue, "3", new Set(["1", "2", "3"]))).toBeUndefined();
});

test("drafts belong to a document and survive a reload", () => {
  storeDraft("d1", "law", "Texas");
  storeDraft("d2", "law", "Ohio");
  expect(loadDrafts("d1")).toEqual({ law: "Texas" });
  removeDraft("d1", "law");
  expect(loadDrafts("d1")).toEqual({});
});
