// The number by which versions are compared at a glance.
import type { Schemas } from "../../api/problem";

/** Mean of the main metric over the fields of a version. */
export function mainMetric(version: Schemas["MeasuredVersion"]): number | undefined {
  const values = version.metrics.flatMap((metric) => (typeof metric.value === "number" ? [metric.value] : []));
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}
