import { expect, test } from "vitest";

import type { Schemas } from "../../api/problem";
import { readRules, toRulesForm } from "./rules";
import { evidenceRange } from "./try-tab";

const settings = {
  name: "contracts",
  description: "Law and party",
  owner: null,
  first_version: "auto",
  promotion: "approval",
  gate: { metric: "macro_f1", margin: 0.03, field_margins: { law: 0.1 } } as unknown as Schemas["ModelSettings"]["gate"],
  shadow_share: 0.5,
  revision: 4,
} satisfies Schemas["ModelSettings"];

test("the form of the rules makes the same rules", () => {
  expect(readRules(toRulesForm(settings))).toEqual({
    request: {
      description: "Law and party",
      owner: null,
      promotion: "approval",
      first_version: "auto",
      shadow_share: 0.5,
      gate: { metric: "macro_f1", margin: 0.03, min_n: 200, coverage_margin: null, field_margins: { law: 0.1 } },
    },
  });
});

test("every wrong input has its error", () => {
  const form = {
    ...toRulesForm(settings),
    margin: "2",
    minN: "0.5",
    coverageMargin: "x",
    shadowShare: "",
    fieldMargins: [{ field: "", margin: "0.1" }],
  };
  expect(readRules(form)).toEqual({
    errors: { margin: "fraction", minN: "count", coverageMargin: "fraction", shadowShare: "fraction", fieldMargins: "field" },
  });
  expect(readRules({ ...toRulesForm(settings), owner: "x".repeat(201) })).toEqual({ errors: { owner: "long" } });
});

test("a decimal comma is a decimal point", () => {
  expect(readRules({ ...toRulesForm(settings), margin: "0,05" })).toMatchObject({ request: { gate: { margin: 0.05 } } });
});
test("evidence is counted in code points, and marked in UTF-16 units", () => {
  const text = "a😀b😀😀c";
  const [range] = evidenceRange(text, { start: 2, end: 5 });
  expect(range).toEqual({ start: 3, end: 8 });
  expect(text.slice(range?.start, range?.end)).toBe("b😀😀");
  expect(evidenceRange(text, undefined)).toEqual([]);
  // beyond the end of the text
  expect(evidenceRange(text, { start: 5, end: 99 })).toEqual([{ start: 8, end: 9 }]);
  expect(evidenceRange(text, { start: 9, end: 9 })).toEqual([]);
});
