// Readiness of the server. While it is degraded or not ready, the answer says which service is the reason.
import { queryOptions } from "@tanstack/react-query";

import { ApiProblem, type Schemas } from "./problem";

type Health = Schemas["Health"];

function isHealth(value: unknown): value is Health {
  return typeof value === "object" && value !== null && "status" in value && "checks" in value && Array.isArray(value.checks);
}

/** The same body comes with 200 and, if the server is not ready, with 503. */
export async function getHealth(): Promise<Health> {
  const response = await fetch("/readyz", { headers: { Accept: "application/json" } });
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  if (isHealth(body)) return body;
  throw await ApiProblem.fromResponse(response);
}

export const healthQuery = queryOptions({ queryKey: ["health"], queryFn: getHealth, refetchInterval: 15_000, retry: 1 });
