// Which field and which document come next.
import type { Schemas } from "../../api/problem";

/** One row of the review: a field, and its state if it has one. */
export interface ReviewField {
  field: Schemas["Field"];
  annotation: Schemas["Annotation"] | undefined;
}

export function isReviewed(row: ReviewField): boolean {
  return row.annotation !== undefined && row.annotation.review_status !== "UNREVIEWED";
}

/** Fields in a fixed order. Without `all`, only those with a prediction or a review. */
export function reviewFields(
  fields: readonly Schemas["Field"][],
  annotations: readonly Schemas["Annotation"][],
  all: boolean,
): ReviewField[] {
  const byName = new Map(annotations.map((annotation) => [annotation.field, annotation]));
  return [...fields]
    .sort((left, right) => left.name.localeCompare(right.name))
    .map((field) => ({ field, annotation: byName.get(field.name) }))
    .filter((row) => all || row.annotation !== undefined);
}

/** The next field that is not reviewed, after `current` and then from the start; undefined if all are. */
export function nextField(rows: readonly ReviewField[], current: string): string | undefined {
  const index = rows.findIndex((row) => row.field.name === current);
  const order = [...rows.slice(index + 1), ...rows.slice(0, Math.max(index, 0))];
  return order.find((row) => !isReviewed(row))?.field.name;
}

/** The document after `current` in the queue that was not visited yet. */
export function nextDocument(queue: readonly { document_id: string }[], current: string, visited: ReadonlySet<string>): string | undefined {
  return queue.find((entry) => entry.document_id !== current && !visited.has(entry.document_id))?.document_id;
}
