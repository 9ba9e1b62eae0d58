import { expect, test } from "vitest";

import { DEFAULT_COLUMNS, readColumns, readViews, withView } from "./stored-views";

test("stored columns of another version, or broken ones, do no harm", () => {
  expect(readColumns(undefined)).toEqual(DEFAULT_COLUMNS);
  expect(readColumns("{")).toEqual(DEFAULT_COLUMNS);
  expect(readColumns('["seed","gone","kind"]')).toEqual(["state", "model", "kind", "seed"]);
});

test("views keep known filters only", () => {
  expect(readViews('[{"name":"bad","search":{"status":"failed","x":1}},{"search":{}},7]')).toEqual([
    { name: "bad", search: { status: "failed" } },
  ]);
  expect(readViews("null")).toEqual([]);
});

test("a view replaces the one of the same name", () => {
  const views = withView([{ name: "b", search: {} }], { name: "a", search: {} });
  expect(withView(views, { name: "b", search: { model: "m" } })).toEqual([
    { name: "a", search: {} },
    { name: "b", search: { model: "m" } },
  ]);
});
