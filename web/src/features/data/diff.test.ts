import { expect, test } from "vitest";

import { driftLevel } from "./diff-page";

test("drift is judged by the conventional bounds of the stability index", () => {
  expect([0, 0.099, 0.1, 0.25, 0.26].map(driftLevel)).toEqual(["stable", "stable", "moderate", "moderate", "shifted"]);
});
