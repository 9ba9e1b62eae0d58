import { expect, test } from "vitest";

import { evidenceRange } from "./try-tab";

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
