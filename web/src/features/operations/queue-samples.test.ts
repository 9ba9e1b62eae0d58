import { expect, test } from "vitest";

import { type QueueSample, withSample } from "./queue-samples";

test("samples are kept in order, each once, up to a limit", () => {
  const sample = (at: number): QueueSample => ({ at, waiting: at, running: 0, oldest: 0 });
  const some = withSample(withSample([], sample(1)), sample(2));
  expect(withSample(some, sample(2))).toBe(some);
  expect(withSample(some, sample(1))).toBe(some);
  expect(withSample(some, sample(3), 2).map((entry) => entry.at)).toEqual([2, 3]);
});
