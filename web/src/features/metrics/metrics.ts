// Metrics of a run, read from the open JSON of their details.
import { asArray, asNumber, asObject, asString } from "../../api/json";
import type { Schemas } from "../../api/problem";

type Metric = Schemas["Metric"];

/** A label; null is the answer "no value". */
export type Label = string | null;

export interface FieldSummary {
  field: string;
  accuracy: number | undefined;
  interval: { low: number; high: number } | undefined;
  macroF1: number | undefined;
  coverage: number | undefined;
  selectiveAccuracy: number | undefined;
  baseline: number | undefined;
  n: number | undefined;
  examples: number | undefined;
}

export interface CurvePoint {
  threshold: number;
  coverage: number;
  accuracy: number;
}

export interface ClassScore {
  label: Label;
  precision: number | undefined;
  recall: number | undefined;
  f1: number | undefined;
  support: number;
}

export interface Confusion {
  labels: Label[];
  counts: number[][];
}

export interface ReliabilityBin {
  low: number;
  high: number;
  confidence: number;
  accuracy: number;
  count: number;
}

const MAIN_SPLITS = ["test", "reviewed", "validation"];

/** The split on which a run is judged: test, or the reviewed documents of an evaluation. */
export function mainSplit(metrics: readonly Metric[]): string {
  return MAIN_SPLITS.find((split) => metrics.some((metric) => metric.split === split && metric.field !== null)) ?? "test";
}

function find(metrics: readonly Metric[], field: string, split: string, name: string): Metric | undefined {
  return metrics.findLast((metric) => metric.field === field && metric.split === split && metric.name === name);
}

export function fieldNames(metrics: readonly Metric[]): string[] {
  return [...new Set(metrics.flatMap((metric) => (typeof metric.field === "string" ? [metric.field] : [])))].sort();
}

export function fieldSummaries(metrics: readonly Metric[]): FieldSummary[] {
  const split = mainSplit(metrics);
  return fieldNames(metrics).map((field) => {
    const value = (name: string): number | undefined => find(metrics, field, split, name)?.value ?? undefined;
    const interval = asObject(asObject(find(metrics, field, split, "accuracy")?.details)["interval"]);
    const low = asNumber(interval["low"]);
    const high = asNumber(interval["high"]);
    return {
      field,
      accuracy: value("accuracy") ?? value("knn_accuracy"),
      interval: low === undefined || high === undefined ? undefined : { low, high },
      macroF1: value("macro_f1"),
      coverage: value("coverage"),
      selectiveAccuracy: value("selective_accuracy"),
      baseline: value("majority_baseline") ?? value("base_knn_accuracy"),
      n: value("n"),
      examples: value("examples"),
    };
  });
}

export function curve(metrics: readonly Metric[], field: string, split: string): CurvePoint[] {
  const details = asObject(find(metrics, field, split, "coverage_curve")?.details);
  return asArray(details["curve"]).flatMap((entry) => {
    const point = asObject(entry);
    const threshold = asNumber(point["threshold"]);
    const coverage = asNumber(point["coverage"]);
    const accuracy = asNumber(point["accuracy"]);
    return threshold === undefined || coverage === undefined || accuracy === undefined ? [] : [{ threshold, coverage, accuracy }];
  });
}

export function perClass(metrics: readonly Metric[], field: string, split: string): ClassScore[] {
  const details = asObject(find(metrics, field, split, "per_class")?.details);
  return asArray(details["classes"]).map((entry) => {
    const row = asObject(entry);
    return {
      label: asString(row["label"]) ?? null,
      precision: asNumber(row["precision"]),
      recall: asNumber(row["recall"]),
      f1: asNumber(row["f1"]),
      support: asNumber(row["support"]) ?? 0,
    };
  });
}

export function confusion(metrics: readonly Metric[], field: string, split: string): Confusion | undefined {
  const details = asObject(asObject(find(metrics, field, split, "confusion")?.details)["confusion"]);
  const labels = asArray(details["labels"]).map((label) => asString(label) ?? null);
  const counts = asArray(details["counts"]).map((row) => asArray(row).map((count) => asNumber(count) ?? 0));
  return labels.length === 0 || counts.length !== labels.length ? undefined : { labels, counts };
}

/** Labels with the most errors first, at most `limit`; the others become one row and column, `undefined`. */
export function orderConfusion({ labels, counts }: Confusion, limit: number): { labels: (Label | undefined)[]; counts: number[][] } {
  const cell = (row: number, column: number): number => counts[row]?.[column] ?? 0;
  const errors = labels.map((_, index) =>
    labels.reduce((sum, _other, other) => (other === index ? sum : sum + cell(index, other) + cell(other, index)), 0),
  );
  const order = labels.map((_, index) => index).sort((left, right) => (errors[right] ?? 0) - (errors[left] ?? 0));
  const groups: number[][] =
    order.length <= limit ? order.map((index) => [index]) : [...order.slice(0, limit - 1).map((index) => [index]), order.slice(limit - 1)];
  return {
    labels: groups.map((group) => (group.length === 1 ? (labels[group[0] ?? 0] ?? null) : undefined)),
    counts: groups.map((rows) =>
      groups.map((columns) => rows.reduce((sum, row) => sum + columns.reduce((inner, column) => inner + cell(row, column), 0), 0)),
    ),
  };
}

/**
 * Bins of confidence with their accuracy, derived from the coverage curve: between two of its points lie the examples that the second
 * threshold adds. A bin without examples is left out.
 */
export function reliability(points: readonly CurvePoint[], examples: number, bins = 10): ReliabilityBin[] {
  const sums = Array.from({ length: bins }, () => ({ count: 0, correct: 0, confidence: 0 }));
  let covered = 0;
  let correct = 0;
  let upper = 1;
  for (const point of [...points].sort((left, right) => left.coverage - right.coverage)) {
    const nowCovered = point.coverage * examples;
    const nowCorrect = point.accuracy * nowCovered;
    const count = nowCovered - covered;
    // a step of one example has exactly this confidence; a longer one lies between both thresholds
    const confidence = count <= 1.5 ? point.threshold : (point.threshold + upper) / 2;
    const bin = sums[Math.min(Math.floor(confidence * bins), bins - 1)];
    if (bin !== undefined && count > 0) {
      bin.count += count;
      bin.correct += nowCorrect - correct;
      bin.confidence += confidence * count;
    }
    covered = nowCovered;
    correct = nowCorrect;
    upper = point.threshold;
  }
  return sums.flatMap((bin, index) =>
    bin.count < 0.5
      ? []
      : [
          {
            low: index / bins,
            high: (index + 1) / bins,
            confidence: bin.confidence / bin.count,
            accuracy: Math.min(Math.max(bin.correct / bin.count, 0), 1),
            count: Math.round(bin.count),
          },
        ],
  );
}

/** Metrics over all fields on the main split, without the counters of the table. */
export function overall(metrics: readonly Metric[]): { name: string; value: number }[] {
  const split = mainSplit(metrics);
  return metrics.flatMap((metric) =>
    (metric.field === null || metric.field === undefined) && metric.split === split && typeof metric.value === "number"
      ? [{ name: metric.name, value: metric.value }]
      : [],
  );
}
