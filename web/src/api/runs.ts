// Training runs, as the pages need them.
import { type ApiClient, ApiProblem, type Schemas } from "./client.js";

export type TrainingRun = Schemas["TrainingRun"];
export type RunEvent = Schemas["RunEvent"];
export type RunStatus = Schemas["RunStatus"];

/** Whether a run has ended; only a manual retry changes it again. */
export function isFinal(status: RunStatus): boolean {
  switch (status) {
    case "succeeded":
    case "failed":
    case "cancelled":
      return true;
    case "queued":
    case "running":
    case "retrying":
    case "cancelling":
      return false;
  }
}

/** A page of runs, newest first. */
export async function listRuns(client: ApiClient, status?: RunStatus): Promise<TrainingRun[]> {
  const query = status === undefined ? {} : { status };
  const { data, error } = await client.GET("/v1/training-runs", { params: { query } });
  if (error !== undefined) throw new ApiProblem(error);
  return data.items;
}

export async function getRun(client: ApiClient, id: string): Promise<TrainingRun> {
  const { data, error } = await client.GET("/v1/training-runs/{id}", { params: { path: { id } } });
  if (error !== undefined) throw new ApiProblem(error);
  return data;
}

/** The events of a run until now. */
export async function listEvents(client: ApiClient, id: string): Promise<RunEvent[]> {
  const { data, error } = await client.GET("/v1/training-runs/{id}/events", {
    params: { path: { id }, query: { format: "json" } },
    headers: { Accept: "application/json" },
  });
  if (error !== undefined) throw new ApiProblem(error);
  if (!("items" in data)) throw new TypeError("the server sent a stream of events instead of a page");
  return data.items;
}
