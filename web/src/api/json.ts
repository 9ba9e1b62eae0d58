// Readers for JSON that the OpenAPI document leaves open: payloads, details of metrics, cards.

export type JsonObject = Record<string, unknown>;

export function asObject(value: unknown): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

export function asArray(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

export function asNumber(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

export function asString(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** An open JSON object of a request body: the document declares it without keys, so its generated type allows none. */
export function openObject(value: JsonObject): Record<string, never> {
  return value as Record<string, never>;
}
