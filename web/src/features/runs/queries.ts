// Server data of training runs.
import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";

import { api, unwrap } from "../../api/client";
import type { Schemas } from "../../api/problem";
import type { ERROR_SPLITS } from "../../app/search";
import { isFinal } from "./status";

export interface RunFilter {
  status?: Schemas["RunStatus"];
  kind?: Schemas["RunKind"];
  model?: string;
  tag?: string;
  sort?: string;
  /** Also the trials of sweeps. */
  trials?: "1";
}

function listQuery({ trials, ...filter }: RunFilter) {
  return trials === "1" ? { ...filter, trials: true } : filter;
}

const PAGE_SIZE = 100;
const LIVE_MILLIS = 3_000;

export const runsQuery = (filter: RunFilter) =>
  infiniteQueryOptions({
    queryKey: ["runs", "list", filter],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET("/v1/training-runs", {
          params: { query: { ...listQuery(filter), limit: PAGE_SIZE, ...(pageParam === "" ? {} : { cursor: pageParam }) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** The newest runs, read again every few seconds: they update the rows of the list. */
export const liveRunsQuery = (filter: RunFilter) =>
  queryOptions({
    queryKey: ["runs", "live", filter],
    queryFn: () => unwrap(api.GET("/v1/training-runs", { params: { query: { ...listQuery(filter), limit: 50 } } })),
    refetchInterval: LIVE_MILLIS,
  });

export const runQuery = (id: string) =>
  queryOptions({
    queryKey: ["runs", "one", id],
    queryFn: () => unwrap(api.GET("/v1/training-runs/{id}", { params: { path: { id } } })),
    refetchInterval: (query) => (query.state.data !== undefined && isFinal(query.state.data.status) ? false : LIVE_MILLIS),
  });

export const attemptsQuery = (id: string) =>
  queryOptions({
    queryKey: ["runs", "attempts", id],
    queryFn: () => unwrap(api.GET("/v1/training-runs/{id}/attempts", { params: { path: { id } } })),
  });

export const explainQuery = (id: string) =>
  queryOptions({
    queryKey: ["runs", "explain", id],
    queryFn: () => unwrap(api.GET("/v1/training-runs/{id}/explain", { params: { path: { id } } })),
  });

export const metricsQuery = (id: string) =>
  queryOptions({
    queryKey: ["runs", "metrics", id],
    queryFn: () => unwrap(api.GET("/v1/training-runs/{id}/metrics", { params: { path: { id } } })),
  });

export interface ErrorFilter {
  field?: string;
  split?: (typeof ERROR_SPLITS)[number];
  /** A value, or an empty text for "no value". */
  gold?: string;
  predicted?: string;
  /** "DIMENSION:VALUE". */
  slice?: string;
}

export const errorsQuery = (id: string, filter: ErrorFilter) =>
  infiniteQueryOptions({
    queryKey: ["runs", "errors", id, filter],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET("/v1/training-runs/{id}/errors", {
          params: { path: { id }, query: { ...filter, ...(pageParam === "" ? {} : { cursor: pageParam }) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const kindsQuery = queryOptions({
  queryKey: ["run-kinds"],
  queryFn: () => unwrap(api.GET("/v1/run-kinds")),
  staleTime: Infinity,
});

/** Runs that evaluated versions of a model, newest first. */
export const evaluationsQuery = (model: string) =>
  queryOptions({
    queryKey: ["runs", "evaluations", model],
    queryFn: () => unwrap(api.GET("/v1/training-runs", { params: { query: { kind: "evaluate", model, limit: 100 } } })),
  });

export const changeRunTags = ({ id, body }: { id: string; body: Schemas["TagRequest"] }) =>
  unwrap(api.POST("/v1/training-runs/{id}/tags", { params: { path: { id } }, body }));

export const changeRunNote = ({ id, note }: { id: string; note: string }) =>
  unwrap(api.PUT("/v1/training-runs/{id}/note", { params: { path: { id } }, body: { note } }));

export const trialsQuery = (id: string, isFinished: boolean) =>
  queryOptions({
    queryKey: ["runs", "trials", id],
    queryFn: () => unwrap(api.GET("/v1/training-runs/{id}/trials", { params: { path: { id } } })),
    refetchInterval: isFinished ? false : LIVE_MILLIS,
  });

export const cancelRun = (id: string) => unwrap(api.POST("/v1/training-runs/{id}/cancel", { params: { path: { id } } }));
export const retryRun = (id: string) => unwrap(api.POST("/v1/training-runs/{id}/retry", { params: { path: { id } } }));

export interface BulkResult {
  done: number;
  failures: { id: string; error: unknown }[];
}

/** The same action for many runs. One that fails costs only itself. */
export async function forEachRun(ids: readonly string[], action: (id: string) => Promise<unknown>): Promise<BulkResult> {
  const failures: BulkResult["failures"] = [];
  for (const id of ids) {
    try {
      await action(id);
    } catch (error) {
      failures.push({ id, error });
    }
  }
  return { done: ids.length - failures.length, failures };
}

export function useRunAction<Input, Output>(action: (input: Input) => Promise<Output>, onSuccess?: (output: Output) => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: action,
    ...(onSuccess === undefined ? {} : { onSuccess }),
    onSettled: () => client.invalidateQueries({ queryKey: ["runs"] }),
  });
}
