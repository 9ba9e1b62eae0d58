// Reads a run from a live server: ./dev contract starts one with a finished run.
import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiProblem, createApiClient } from "./client.js";
import { getRun, isFinal, listEvents, listRuns } from "./runs.js";

function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set: run ./dev contract`);
  return value;
}

const client = createApiClient(variable("APRENDIZ_URL"), variable("APRENDIZ_API_KEY"));

test("a finished run is listed and read with its events", async () => {
  const [listed] = await listRuns(client, "succeeded");
  assert.ok(listed !== undefined);
  const run = await getRun(client, listed.id);
  assert.equal(run.status, "succeeded");
  assert.ok(isFinal(run.status));
  assert.equal(run.kind, "linear");
  assert.equal(typeof run.spec.model, "string");
  const events = await listEvents(client, run.id);
  assert.equal(events[0]?.kind, "state");
  assert.equal(events.at(-1)?.kind, "end");
});

test("an unknown run is a problem with a code", async () => {
  const unknown = getRun(client, "00000000-0000-7000-8000-000000000000");
  await assert.rejects(unknown, (error) => error instanceof ApiProblem && error.problem.code === "unknown_run");
});
