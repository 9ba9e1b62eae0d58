import { expect, test } from "vitest";

import { endAfter, keyState } from "./key-state";

const NOW = Date.parse("2026-12-01T00:00:00Z");

test("a key is valid until it ends or is revoked", () => {
  const at = (expires_at: string | null, revoked_at: string | null = null) => keyState({ expires_at, revoked_at }, NOW);
  expect(at(null)).toBe("valid");
  expect(at("2026-12-02T00:00:00Z")).toBe("valid");
  expect(at("2026-12-01T00:00:00Z")).toBe("expired");
  expect(at("2026-12-02T00:00:00Z", "2026-11-01T00:00:00Z")).toBe("revoked");
});

test("the end is a number of days away, or never", () => {
  expect(endAfter(30, NOW)).toBe("2026-12-31T00:00:00.000Z");
  expect(endAfter(0, NOW)).toBeNull();
});
