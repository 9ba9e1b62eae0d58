import { expect, test } from "vitest";

import { createFormat, formatDuration } from "./format";

test("durations have at most two units", () => {
  expect(formatDuration(0.85)).toBe("850 ms");
  expect(formatDuration(12.4)).toBe("12 s");
  expect(formatDuration(72)).toBe("1 m 12 s");
  expect(formatDuration(7500)).toBe("2 h 5 m");
  expect(formatDuration(86_400)).toBe("1 d");
  expect(formatDuration(-3)).toBe("0 ms");
});

test("numbers follow the language", () => {
  expect(createFormat("en").ratio(0.9402985)).toBe("0.94");
  expect(createFormat("pt-BR").ratio(0.9402985)).toBe("0,94");
  expect(createFormat("pt-BR").count(1234567)).toBe("1.234.567");
  expect(createFormat("en").ratio(null)).toBe("–");
  expect(createFormat("en").bytes(5 * 1024 * 1024)).toBe("5 MiB");
});

test("times are relative to now", () => {
  const format = createFormat("en", () => Date.parse("2026-12-01T12:00:00Z"));
  expect(format.relative("2026-12-01T11:57:00Z")).toBe("3 min. ago");
  expect(format.relative("2026-12-03T12:00:00Z")).toBe("in 2 days");
});
