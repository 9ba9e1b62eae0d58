import { expect, test } from "vitest";

import type { Schemas } from "../../api/problem";
import { learningCurve, sliceDimensions, worstSlices } from "./learning";

function metric(name: string, field: string | null, details: unknown): Schemas["Metric"] {
  return { name, field, details, split: "test", step: 0, attempt_number: 1, recorded_at: "", value: null } as Schemas["Metric"];
}

const curve = {
  points: [{ train_examples: 100, accuracy: 0.5, n: 40, interval: { low: 0.4, high: 0.6 } }, { train_examples: 200 }],
  forecasts: [{ train_examples: 400, accuracy: 0.8, factor: 2, gain: 0.1 }],
  remark: "An extrapolation.",
};

test("the learning curve of a field, and that over all fields", () => {
  const metrics = [
    metric("learning_curve", null, { points: [], undefined: "no validation example" }),
    metric("learning_curve", "law", curve),
  ];
  expect(learningCurve(metrics, "law")).toEqual({
    points: [{ labels: 100, accuracy: 0.5, n: 40, interval: { low: 0.4, high: 0.6 } }],
    forecasts: [{ labels: 400, accuracy: 0.8, factor: 2, gain: 0.1 }],
    remark: "An extrapolation.",
    undefinedReason: undefined,
  });
  expect(learningCurve(metrics)?.undefinedReason).toBe("no validation example");
  expect(learningCurve(metrics, "party")).toBeUndefined();
});

test("slices by dimension, and the worst ones", () => {
  const slices = { dimensions: [{ dimension: "source", combined: 2, slices: [{ value: "a", n: 7, accuracy: 0.9, coverage: 0.5 }] }, {}] };
  const worst = { slices: [{ field: "law", dimension: "source", value: "b", accuracy: 0.2, n: 9, adjusted_p_value: 0.01 }] };
  const metrics = [metric("slices", "law", slices), metric("worst_slices", null, worst)];
  expect(sliceDimensions(metrics, "law")).toEqual([
    { dimension: "source", combined: 2, slices: [{ value: "a", n: 7, accuracy: 0.9, interval: undefined, coverage: 0.5 }] },
  ]);
  expect(worstSlices(metrics)).toEqual([{ field: "law", dimension: "source", value: "b", accuracy: 0.2, n: 9, pValue: 0.01 }]);
  expect(worstSlices([])).toEqual([]);
});
