// Reads a run from a live server: ./dev contract starts one with a finished run.
import { expect, test } from "vitest";

import { createApiClient, unwrap } from "../src/api/client";
import { ApiProblem } from "../src/api/problem";
import { isFinal } from "../src/features/runs/status";

function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set: run ./dev contract`);
  return value;
}

const client = createApiClient(variable("APRENDIZ_URL"), variable("APRENDIZ_API_KEY"));

test("a finished run is listed and read with its events", async () => {
  // generated requests may have created runs of other kinds
  const page = await unwrap(client.GET("/v1/training-runs", { params: { query: { status: "succeeded", kind: "linear" } } }));
  const id = page.items[0]?.id ?? "";
  const run = await unwrap(client.GET("/v1/training-runs/{id}", { params: { path: { id } } }));
  expect(run.status).toBe("succeeded");
  expect(isFinal(run.status)).toBe(true);
  expect(run.kind).toBe("linear");
  expect(typeof run.spec.model).toBe("string");
  const events = await unwrap(
    client.GET("/v1/training-runs/{id}/events", {
      params: { path: { id }, query: { format: "json" } },
      headers: { Accept: "application/json" },
    }),
  );
  if (!("items" in events)) throw new TypeError("the server sent a stream of events instead of a page");
  expect(events.items[0]?.kind).toBe("state");
  expect(events.items.at(-1)?.kind).toBe("end");
});

test("an unknown run is a problem with a code", async () => {
  const path = { id: "00000000-0000-7000-8000-000000000000" };
  const unknown = unwrap(client.GET("/v1/training-runs/{id}", { params: { path } }));
  await expect(unknown).rejects.toSatisfy((error) => error instanceof ApiProblem && error.problem.code === "unknown_run");
});
