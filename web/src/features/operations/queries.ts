// Server data of operations.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, unwrap } from "../../api/client";
import type { Schemas } from "../../api/problem";

export const queueQuery = queryOptions({
  queryKey: ["operations", "queue"],
  queryFn: () => unwrap(api.GET("/v1/queue")),
  refetchInterval: 3_000,
});

export const workersQuery = queryOptions({
  queryKey: ["operations", "workers"],
  queryFn: () => unwrap(api.GET("/v1/workers", { params: { query: { limit: 200 } } })),
  refetchInterval: 3_000,
});

export const failedRunsQuery = queryOptions({
  queryKey: ["runs", "failed"],
  queryFn: () => unwrap(api.GET("/v1/training-runs", { params: { query: { status: "failed", limit: 200 } } })),
  refetchInterval: 10_000,
});

export interface AuditFilter {
  action?: string;
  actor?: string;
  subject?: string;
}

export const auditQuery = (filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ["operations", "audit", filter],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET("/v1/audit-log", { params: { query: { ...filter, limit: 100, ...(pageParam === "" ? {} : { cursor: pageParam }) } } }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const drainWorker = ({ id, release }: { id: string; release: boolean }) =>
  unwrap(api.POST("/v1/workers/{id}/drain", { params: { path: { id } }, body: { release_runs: release } }));

export const retryGroup = (body: Schemas["RetryRequest"]) => unwrap(api.POST("/v1/training-runs/retry", { body }));
