import { expect, test } from "vitest";

import { parseTag } from "./labels-panel";

test("a tag is a key, and a value after the first equals sign", () => {
  expect(parseTag(" stage = a=b ")).toEqual({ key: "stage", value: "a=b" });
  expect(parseTag("reviewed")).toEqual({ key: "reviewed", value: "" });
  expect(parseTag("=x")).toBeUndefined();
  expect(parseTag(`${"k".repeat(101)}=x`)).toBeUndefined();
});
