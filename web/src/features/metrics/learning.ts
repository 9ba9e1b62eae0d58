// Learning curves and slices, read from the open JSON of their metrics.
import { asArray, asNumber, asObject, asString } from "../../api/json";
import type { Schemas } from "../../api/problem";

type Metric = Schemas["Metric"];

export interface Interval {
  low: number;
  high: number;
}

export interface LearningCurve {
  points: { labels: number; accuracy: number; n: number; interval: Interval | undefined }[];
  forecasts: { labels: number; accuracy: number; factor: number; gain: number }[];
  remark: string | undefined;
  /** Why nothing was measured. */
  undefinedReason: string | undefined;
}

export interface Slice {
  value: string;
  n: number;
  accuracy: number | undefined;
  interval: Interval | undefined;
  coverage: number | undefined;
}

export interface SliceDimension {
  dimension: string;
  slices: Slice[];
  /** How many further values are in the slice "(other)". */
  combined: number;
}

export interface WorstSlice {
  field: string;
  dimension: string;
  value: string;
  accuracy: number | undefined;
  n: number;
  pValue: number | undefined;
}

function readInterval(value: unknown): Interval | undefined {
  const low = asNumber(asObject(value)["low"]);
  const high = asNumber(asObject(value)["high"]);
  return low === undefined || high === undefined ? undefined : { low, high };
}

/** The curve of a field; without a field, that over all fields. */
export function learningCurve(metrics: readonly Metric[], field?: string): LearningCurve | undefined {
  const metric = metrics.findLast((entry) => entry.name === "learning_curve" && (entry.field ?? undefined) === field);
  if (metric === undefined) return undefined;
  const details = asObject(metric.details);
  return {
    points: asArray(details["points"]).flatMap((entry) => {
      const point = asObject(entry);
      const labels = asNumber(point["train_examples"]);
      const accuracy = asNumber(point["accuracy"]);
      return labels === undefined || accuracy === undefined
        ? []
        : [{ labels, accuracy, n: asNumber(point["n"]) ?? 0, interval: readInterval(point["interval"]) }];
    }),
    forecasts: asArray(details["forecasts"]).flatMap((entry) => {
      const forecast = asObject(entry);
      const labels = asNumber(forecast["train_examples"]);
      const accuracy = asNumber(forecast["accuracy"]);
      const factor = asNumber(forecast["factor"]);
      return labels === undefined || accuracy === undefined || factor === undefined
        ? []
        : [{ labels, accuracy, factor, gain: asNumber(forecast["gain"]) ?? 0 }];
    }),
    remark: asString(details["remark"]),
    undefinedReason: asString(details["undefined"]),
  };
}

export function sliceDimensions(metrics: readonly Metric[], field: string): SliceDimension[] {
  const metric = metrics.findLast((entry) => entry.name === "slices" && entry.field === field);
  return asArray(asObject(metric?.details)["dimensions"]).flatMap((entry) => {
    const row = asObject(entry);
    const dimension = asString(row["dimension"]);
    if (dimension === undefined) return [];
    const slices = asArray(row["slices"]).map((part): Slice => {
      const slice = asObject(part);
      return {
        value: asString(slice["value"]) ?? "",
        n: asNumber(slice["n"]) ?? 0,
        accuracy: asNumber(slice["accuracy"]),
        interval: readInterval(slice["interval"]),
        coverage: asNumber(slice["coverage"]) ?? asNumber(slice["prediction_coverage"]),
      };
    });
    return [{ dimension, slices, combined: asNumber(row["combined"]) ?? 0 }];
  });
}

/** Slices that are significantly worse than the rest of their field. */
export function worstSlices(metrics: readonly Metric[]): WorstSlice[] {
  const metric = metrics.findLast((entry) => entry.name === "worst_slices");
  return asArray(asObject(metric?.details)["slices"]).map((entry) => {
    const slice = asObject(entry);
    return {
      field: asString(slice["field"]) ?? "",
      dimension: asString(slice["dimension"]) ?? "",
      value: asString(slice["value"]) ?? "",
      accuracy: asNumber(slice["accuracy"]),
      n: asNumber(slice["n"]) ?? 0,
      pValue: asNumber(slice["adjusted_p_value"]),
    };
  });
}
